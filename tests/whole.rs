//! Whole databases: many tables at once, tables of one side, tables that nobody may read, hostile names, secrets.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::databases::{Database, Engine};
use crate::support::{Dir, Run};

const ENGINES: [Engine; 3] = [Engine::Postgres, Engine::Mariadb, Engine::Sqlite];

/// The summary of a table, by its name on either side, without its schema.
fn table<'a>(run: &'a Run, name: &str) -> &'a Value {
    let is = |table: &&Value| {
        ["source", "target"].iter().any(|side| {
            let found = table[side].as_str().unwrap();
            found == name || found.strip_suffix(name).is_some_and(|schema| schema.ends_with('.'))
        })
    };
    run.summary["tables"].as_array().unwrap().iter().find(is).unwrap_or_else(|| panic!("no table {name} in {run:#?}"))
}

fn verdict(run: &Run, name: &str) -> String {
    table(run, name)["verdict"].as_str().unwrap().to_string()
}

/// Fills a database with tables `t00` to `t54`, an empty one, and one without a key.
fn fill(engine: Engine) -> Database {
    let database = Database::new(engine);
    for number in 0..55 {
        database.run(&format!("create table t{number:02} (id integer primary key, a varchar(20), b numeric(10,2))"));
        let rows: Vec<String> = (0..40).map(|id| format!("({}, 'row {id}', {id}.25)", id * 7 - 100)).collect();
        database.run(&format!("insert into t{number:02} values {}", rows.join(", ")));
    }
    database.run("create table empty (id integer primary key, a varchar(20))");
    database.run("create table keyless (a integer, b varchar(20))");
    database.run("insert into keyless values (1, 'x'), (1, 'x'), (2, null), (null, null)");
    database
}

#[test]
fn whole_databases_tie_out_between_every_pair_and_every_difference_is_found() {
    for source_engine in ENGINES {
        for target_engine in ENGINES {
            let (source, target) = (fill(source_engine), fill(target_engine));
            let dir = Dir::new();
            let run = dir.diff_words(&[&source.location, &target.location]);
            assert_eq!((run.code, run.verdict()), (0, "tied_out"), "{source_engine:?} to {target_engine:?} {run:#?}");
            assert_eq!(run.summary["tables"].as_array().unwrap().len(), 57);
            assert_eq!(table(&run, "keyless")["key"], Value::Array(vec![]));

            target.run("delete from t03 where id = -100");
            target.run("update t17 set b = b + 1 where id in (-93, 40)");
            target.run("insert into t54 values (2000000, 'new', null)");
            target.run("update keyless set b = 'y' where a = 2");
            target.run("drop table t20");
            target.run("create table only_here (id integer primary key)");
            let run = dir.diff_words(&[&source.location, &target.location]);
            assert_eq!((run.code, run.verdict()), (1, "drift"), "{run:#?}");
            let counts = |name: &str, kind: &str| table(&run, name)["differences"][kind].as_u64().unwrap();
            assert_eq!(counts("t03", "missing_in_target"), 1);
            assert_eq!((counts("t17", "changed"), counts("t54", "missing_in_source")), (2, 1));
            assert_eq!((counts("keyless", "missing_in_target"), counts("keyless", "missing_in_source")), (1, 1));
            for name in ["t20", "only_here"] {
                assert_eq!(verdict(&run, name), "drift", "{name}");
                assert!(table(&run, name)["notes"][0].as_str().unwrap().contains("has this table"));
            }
            let drifted = run.summary["tables"].as_array().unwrap().iter().filter(|table| table["verdict"] == "drift").count();
            assert_eq!(drifted, 6);

            let only = dir.diff_words(&[&source.location, &target.location, "--table", "t00", "--table", "t01=t02"]);
            assert_eq!((only.code, only.summary["tables"].as_array().unwrap().len()), (0, 2), "{only:#?}");
            let without = ["--exclude", "t[0-9]*", "--exclude", "keyless", "--exclude", "only_*"];
            let rest = dir.diff_words(&[&[&*source.location, &*target.location], &without[..]].concat());
            assert_eq!((rest.code, rest.summary["tables"].as_array().unwrap().len()), (0, 1), "{rest:#?}");
        }
    }
}

#[test]
fn a_table_is_audited_against_its_export() {
    for engine in ENGINES {
        let database = fill(engine);
        let dir = Dir::new();
        let rows: String = (0..40).map(|id| format!("{},row {id},{id}.25\n", id * 7 - 100)).collect();
        dir.write("t05.csv", format!("id,a,b\n{rows}"));
        // By the name of the file, or by the one after the number sign; the key is the database's, on either side.
        dir.diff_words(&[&database.location, "t05.csv"]).tied_out();
        dir.diff_words(&["t05.csv", &database.table("t06")]).tied_out();
        database.run("update t06 set a = 'changed' where id = 5");
        dir.diff_words(&["t05.csv", &database.table("t06")]).drift([0, 0, 1, 0]);
        dir.diff_words(&["t05.csv", &database.table("t06"), "--target-where", "id <> 5"]).drift([1, 0, 0, 0]);
        dir.diff_words(&["t05.csv", &database.table("t06"), "--where", "id <> 5"])
            .refused(&["files cannot be read by a condition"]);
        dir.diff_words(&["t05.csv", &database.table("t60")]).refused(&["no table 't60'"]);
    }
}

#[test]
fn conditions_select_rows_on_both_sides() {
    for engine in ENGINES {
        let (source, target) = (fill(engine), fill(engine));
        target.run("update t00 set a = 'x' where id >= 100");
        let dir = Dir::new();
        let run = dir.diff_words(&[&source.table("t00"), &target.table("t00"), "--where", "id < 100 or a = 'never'"]);
        run.tied_out();
        assert!(run.count("rows/source") < 40);
        dir.diff_words(&[&source.table("t00"), &target.table("t00")]).expect(1, "drift");
        let run = dir.diff_words(&[&source.table("t00"), &target.table("t00"), "--where", "no_such_column = 1"]);
        assert!(run.code >= 2, "{run:#?}");
    }
}

/// Names that break programs which paste them into SQL.
const NAMES: [&str; 14] = [
    "\"; drop table x; --",
    "back`tick",
    "it's",
    "two words",
    "a.b",
    "a-b",
    "100%",
    "what?",
    "$1",
    "1st",
    "order",
    "Таблица",
    "MixedCase",
    "semi;colon:",
];

#[test]
fn hostile_names_and_values_do_no_harm() {
    for source_engine in ENGINES {
        for target_engine in ENGINES {
            let sides = [source_engine, target_engine].map(|engine| {
                let database = Database::new(engine);
                for name in NAMES {
                    let quoted = database.quoted(name);
                    let key = if name == "what?" { "id" } else { "select" };
                    let columns = format!("{} integer primary key, {quoted} varchar(50)", database.quoted(key));
                    database.run(&format!("create table {quoted} ({columns})"));
                    database.run(&format!("insert into {quoted} values (1, ''' or 1=1 --'), (2, 'a\"b`c')"));
                }
                database
            });
            let dir = Dir::new();
            let run = dir.diff_words(&[&sides[0].location, &sides[1].location]);
            assert_eq!((run.code, run.verdict()), (0, "tied_out"), "{run:#?}");
            assert_eq!(run.summary["tables"].as_array().unwrap().len(), NAMES.len());
            sides[1].run(&format!(
                "update {} set {} = 'x' where {} = 2",
                sides[1].quoted(NAMES[0]),
                sides[1].quoted(NAMES[0]),
                sides[1].quoted("select")
            ));
            let run = dir.diff_words(&[&sides[0].location, &sides[1].location]);
            assert_eq!((run.code, table(&run, NAMES[0])["differences"]["changed"].as_u64()), (1, Some(1)), "{run:#?}");
        }
    }
}

/// A user of its own with SELECT on some tables of a database, and the location as that user.
fn reader(database: &Database, password: &str, tables: &[&str]) -> String {
    let user = format!("u{}", database.name);
    if database.engine.is_postgres() {
        database.run(&format!("create role {user} login password '{password}'"));
    } else {
        database.run(&format!("create user {user} identified by '{password}'"));
    }
    for table in tables {
        let privilege = if database.engine.is_postgres() { "grant usage on schema public to" } else { "grant usage on *.* to" };
        database.run(&format!("{privilege} {user}"));
        database.run(&format!("grant select on {table} to {user}"));
    }
    let place = database.location.rsplit_once('@').unwrap().1;
    let scheme = database.location.split_once("://").unwrap().0;
    format!("{scheme}://{user}:{}@{place}", password.replace('@', "%40").replace('!', "%21"))
}

fn drop_reader(database: &Database) {
    let user = format!("u{}", database.name);
    if database.engine.is_postgres() {
        database.run(&format!("drop owned by {user}"));
        database.run(&format!("drop role {user}"));
    } else {
        database.run(&format!("drop user {user}"));
    }
}

#[test]
fn select_is_all_a_user_needs_and_what_he_may_not_read_is_incomplete() {
    for engine in [Engine::Postgres, Engine::Mariadb] {
        let database = Database::new(engine);
        for name in ["open", "shut"] {
            let name = database.quoted(name);
            database.run(&format!("create table {name} (id integer primary key, a varchar(20), b varchar(20))"));
            database.run(&format!("insert into {name} values (1, 'x', 'y')"));
        }
        let open = database.quoted("open");
        let location = reader(&database, "!!!@s3cret", &[&open]);
        let dir = Dir::new();
        let run = dir.diff_words(&[&format!("{location}#open"), &database.table("open")]);
        run.tied_out();
        // PostgreSQL shows a table that may not be read, MySQL hides it.
        let run = dir.diff_words(&[&location, &database.location]);
        assert_eq!(verdict(&run, "open"), "tied_out", "{run:#?}");
        let expected = if engine == Engine::Postgres { (3, "incomplete") } else { (1, "drift") };
        assert_eq!((run.code, verdict(&run, "shut").as_str()), expected, "{run:#?}");
        assert!(run.stdout.contains("may not"), "{run:#?}");

        let user = format!("u{}", database.name);
        let shut = database.quoted("shut");
        database.run(&format!("grant select (id, a) on {shut} to {user}"));
        let run = dir.diff_words(&[&format!("{location}#shut"), &database.table("shut")]);
        assert_eq!((run.code, run.verdict()), (3, "incomplete"), "{run:#?}");
        assert_eq!(run.table()["not_compared"][0]["column"], "b", "{run:#?}");
        dir.diff_words(&[&format!("{location}#shut"), &database.table("shut"), "--ignore", "b"]).tied_out();
        drop_reader(&database);
    }
}

/// Whether any file of a folder holds some text.
fn holds(folder: &Path, text: &str) -> bool {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).any(|path| match path.is_dir() {
        true => holds(&path, text),
        false => String::from_utf8_lossy(&fs::read(&path).unwrap()).contains(text),
    })
}

#[test]
fn a_password_appears_nowhere() {
    for engine in [Engine::Postgres, Engine::Mariadb] {
        let database = Database::new(engine);
        database.run("create table t (id integer primary key)");
        let location = reader(&database, "!!!@s3cret", &["t"]);
        let dir = Dir::new();
        let runs = [
            dir.diff_words(&[&location, &location]),
            dir.run_words(&["plan", &location, &location]),
            dir.diff_words(&[&location, &location, "--format", "json"]),
            dir.diff_words(&[&location, &database.table("nothing")]),
            dir.diff_words(&[&location.replace("%40s3cret", "%40s3cret-wrong"), &location]),
            dir.diff_words(&[&location.replace("127.0.0.1", "127.0.0.9"), &location, "--connect-timeout", "1s"]),
            dir.diff_words(&[&location.replace(&database.name, "no_such_database"), &location]),
            dir.diff_words(&[&location.replace("%40s3cret", "#s3cret"), &location]),
        ];
        assert_eq!(runs.each_ref().map(|run| run.code), [0, 0, 0, 2, 2, 2, 2, 2], "{runs:#?}");
        for run in &runs {
            assert!(!run.stdout.contains("s3cret") && !run.stderr.contains("s3cret"), "{run:#?}");
        }
        assert!(!holds(&dir.path("report"), "s3cret"));
        drop_reader(&database);
    }
}

#[test]
fn a_password_is_not_in_the_list_of_processes() {
    // A server that accepts and never answers keeps the program waiting while we look.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let location = format!("postgres://app:s3cret@{}/shop#orders", silent.local_addr().unwrap());
    let dir = Dir::new();
    let mut waiting = dir.command().args(["diff", &location, &location, "--connect-timeout", "5s"]).spawn().unwrap();
    let (_connection, _) = silent.accept().unwrap();
    let title = fs::read_to_string(format!("/proc/{}/cmdline", waiting.id())).unwrap();
    waiting.kill().unwrap();
    waiting.wait().unwrap();
    assert!(title.contains("postgres://app@127.0.0.1") && !title.contains("s3cret"), "{title}");
}
