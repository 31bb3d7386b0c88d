//! How rows are had: streamed, once, or hashed by their servers. What is found by hashing is held against what streaming
//! finds in the same tables.

use tieout::audit::{Choices, Limits};
use tieout::engines::{self, OpenOptions};
use tieout::sides::Sides;

use crate::databases::{Database, Engine};
use crate::model::run::{self, Way};
use crate::support::{Dir, Run, python};

const FILL: &str = "'xxxxxxxxxxxxxxxxxxxx'";

/// `orders` with `rows` rows on two servers, the second as `edits` leave it.
pub fn orders(engines: [Engine; 2], key: [&str; 2], rows: u32, edits: &[&str]) -> [Database; 2] {
    let databases = engines.map(|engine| {
        let database = Database::new(engine);
        let ty = match engine {
            Engine::Sqlite => "integer",
            _ if engine.is_postgres() => key[0],
            _ => key[1],
        };
        database.run(&format!("create table orders (k {ty}, v integer, amount numeric(12,2), note varchar(40), primary key (k))"));
        let series = match engine {
            _ if engine.is_postgres() => format!("(select i from generate_series(1, {rows}) i) s"),
            Engine::Sqlite => {
                format!("(with recursive s(i) as (select 1 union all select i + 1 from s where i < {rows}) select i from s) s")
            }
            Engine::Mariadb => format!("(select cast(seq as signed) as i from seq_1_to_{rows}) s"),
            _ => format!("(with recursive s as (select 1 as i union all select i + 1 from s where i < {rows}) select i from s) s"),
        };
        let name = match ty {
            ty if ty.starts_with("char") || ty.starts_with("varchar") || ty.starts_with("text") => "concat('key ', i * 7)",
            _ => "i * 3 - 10000",
        };
        if engine == Engine::Mysql {
            database.run("set session cte_max_recursion_depth = 1000000");
        }
        database.run(&format!("insert into orders select {name}, i, i / 100.0, {FILL} from {series}"));
        database
    });
    edits.iter().for_each(|edit| databases[1].run(edit));
    databases
}

pub fn diff(dir: &Dir, databases: &[Database; 2], more: &[&str]) -> Run {
    let locations = databases.each_ref().map(|database| database.table("orders"));
    dir.diff_words(&[&[locations[0].as_str(), &locations[1]], more].concat())
}

/// What a run found, apart from how it was found.
fn found(dir: &Dir, run: &Run) -> String {
    let table = run.table();
    let findings = python(
        dir,
        "import duckdb, glob, json\n\
         rows = duckdb.sql(f\"select * from '{glob.glob('report/*.diff.parquet')[0]}'\").fetchall()\n\
         print(json.dumps(sorted(str(row) for row in rows)))",
    );
    format!("{} {} {} {} {findings}", table["verdict"], table["rows"], table["differences"], table["columns"])
}

/// Pushed and streamed audits find the same; returns the pushed one.
#[track_caller]
pub fn same(databases: &[Database; 2], more: &[&str]) -> Run {
    let dir = Dir::new();
    let by = |method: &'static str| diff(&dir, databases, &[more, &["--method", method]].concat());
    let streamed = by("stream");
    let expected = found(&dir, &streamed);
    let pushed = by("push");
    assert_eq!(found(&dir, &pushed), expected, "{pushed:#?}");
    assert_eq!(pushed.code, streamed.code);
    assert_eq!(pushed.table()["method"]["source"], "push", "{pushed:#?}");
    pushed
}

pub fn pairs() -> Vec<[Engine; 2]> {
    let servers: Vec<Engine> = Engine::all().into_iter().filter(|engine| *engine != Engine::Sqlite).collect();
    servers.iter().flat_map(|one| servers.iter().map(|other| [*one, *other])).collect()
}

pub const SCATTERED: [&str; 6] = [
    "update orders set v = v + 1 where v = 17",
    "update orders set note = concat(note, ' ') where v in (5000, 9999)",
    "update orders set note = null where v = 12345",
    "delete from orders where v = 777",
    "update orders set amount = amount + 0.01 where v = 20000",
    "update orders set k = 80000 where v = 15000",
];

#[test]
fn nothing_comes_over_where_nothing_differs() {
    for engines in pairs() {
        for key in [["integer", "int"], ["varchar(40)", "varchar(40)"]] {
            let databases = orders(engines, key, 3_000, &[]);
            let run = same(&databases, &[]);
            run.tied_out();
            assert_eq!((&run.table()["rows_streamed"]["source"], &run.table()["rows_streamed"]["target"]), (&0.into(), &0.into()));
            assert_eq!(run.table()["scans"]["source"], 1.0);
            assert_eq!(run.table()["notes"], serde_json::json!([]), "the key is known to be unique: {run:#?}");
        }
    }
}

#[test]
fn keys_that_are_no_numbers_are_found_by_their_hash() {
    for engines in [[Engine::Postgres, Engine::Postgres], [Engine::Postgres, Engine::Mariadb], [Engine::Mariadb, Engine::Mariadb]] {
        let databases = orders(engines, ["text", "varchar(40)"], 60_000, &SCATTERED[..5]);
        let run = same(&databases, &[]);
        run.drift([1, 0, 5, 0]);
        assert_eq!(run.table()["method"]["domain"], "key_hash");
    }
}

#[test]
fn keys_of_several_columns_with_null_and_repeated_ones_are_what_they_are_when_streamed() {
    for engines in [[Engine::Postgres, Engine::Postgres], [Engine::Postgres, Engine::Mariadb]] {
        let databases = orders(engines, ["bigint", "bigint"], 120_000, &[]);
        for database in &databases {
            database.run("create table many (a integer, b varchar(20), v integer)");
            database.run("insert into many select v % 5000, concat('b', v % 7), v from orders");
            database.run("insert into many select null, 'x', v from orders where v <= 3");
            database.run("insert into many select v, null, v from orders where v <= 50");
            database.run("insert into many select a, b, v from many where v = 1000");
        }
        for edit in [
            "update many set v = -1 where a = 7 and b = 'b0'",
            "delete from many where v = 1000",
            "update many set v = 0 where a is null and v = 2",
            "insert into many values (null, null, 5), (null, null, 5)",
        ] {
            databases[1].run(edit);
        }
        let many = |method: &'static str, key: &'static [&'static str]| {
            let dir = Dir::new();
            let locations = databases.each_ref().map(|database| database.table("many"));
            let run = dir.diff_words(&[&[locations[0].as_str(), &locations[1], "--method", method], key].concat());
            assert!(method == "stream" || run.table()["method"]["source"] == "push", "{run:#?}");
            found(&dir, &run)
        };
        for key in [&["--key", "a,b"][..], &["--no-key"], &["--key", "a,b", "--where", "v > 5 or v < 1 -- all"]] {
            assert_eq!(many("push", key), many("stream", key), "{engines:?} {key:?}");
        }
    }
}

#[test]
fn whole_keys_may_be_negative_extreme_and_far_apart() {
    for engines in [[Engine::Postgres, Engine::Postgres], [Engine::Postgres, Engine::Mariadb], [Engine::Mariadb, Engine::Postgres]]
    {
        let databases = orders(engines, ["bigint", "bigint"], 3_000, &[]);
        for database in &databases {
            database.run("insert into orders values (-9223372036854775808, -1, 0, ''), (9223372036854775807, -2, 0, ''), (4611686018427387904, -3, 0, '')");
        }
        for edit in [
            "update orders set v = v + 10000 where v < 0",
            "update orders set note = 'y' where v = 1",
            "delete from orders where v = 3000",
        ] {
            databases[1].run(edit);
        }
        // One cell of nearly all rows: they are all streamed.
        let run = diff(&Dir::new(), &databases, &["--method", "push"]);
        run.drift([1, 0, 4, 0]);
        assert_eq!(run.table()["method"]["source"], "stream", "{run:#?}");
        assert!(run.table()["method"]["why"].as_str().unwrap().contains("much of the table differs"), "{run:#?}");
        let near = ["--where", "k between -20000 and 20000"];
        let dir = Dir::new();
        diff(&dir, &databases, &[&near[..], &["--method", "push"]].concat()).drift([1, 0, 1, 0]);
    }
    let databases = orders([Engine::Postgres, Engine::Postgres], ["bigint", "bigint"], 0, &[]);
    same(&databases, &[]).tied_out();
    databases[1].run("insert into orders values (1, 1, 1, 'a')");
    diff(&Dir::new(), &databases, &["--method", "push"]).drift([0, 1, 0, 0]);
}

#[test]
fn what_a_server_cannot_hash_is_streamed_or_refused() {
    for (engines, ty) in [([Engine::Postgres, Engine::Mariadb], "json"), ([Engine::Mariadb, Engine::Mariadb], "float")] {
        let databases = orders(engines, ["bigint", "bigint"], 500, &[]);
        databases.iter().for_each(|database| database.run(&format!("alter table orders add column f {ty}")));
        let run = diff(&Dir::new(), &databases, &["--method", "push"]);
        run.expect(3, "incomplete");
        let errors = run.table()["errors"].to_string();
        assert!(
            errors.contains("cannot be pushed down") && errors.contains("column f") && errors.contains("--method stream"),
            "{run:#?}"
        );
        let run = diff(&Dir::new(), &databases, &[]);
        run.tied_out();
        diff(&Dir::new(), &databases, &["--method", "push", "--ignore", "f"]).tied_out();
    }
    // PostgreSQL hashes floats, MariaDB does not: its rows are hashed here, and found again without its help.
    for key in [["bigint", "bigint"], ["text", "varchar(40)"]] {
        let databases = orders([Engine::Postgres, Engine::Mariadb], key, 5_000, &[]);
        databases.iter().for_each(|database| database.run("alter table orders add column f double precision"));
        databases.iter().for_each(|database| database.run("update orders set f = v / 8.0e0"));
        let run = diff(&Dir::new(), &databases, &["--method", "push"]);
        run.tied_out();
        let table = run.table();
        assert_eq!((&table["method"]["source"], &table["method"]["target"]), (&"push".into(), &"stream".into()));
        assert_eq!(table["rows_streamed"]["source"], 0, "{run:#?}");
        databases[1].run("update orders set f = f + 1 where v = 77");
        diff(&Dir::new(), &databases, &["--method", "push"]).drift([0, 0, 1, 0]);
    }
    let dir = Dir::new();
    dir.write("a.csv", "k,v\n1,2\n");
    let run = dir.diff("a.csv a.csv --key k --method push");
    run.expect(3, "incomplete");
    assert!(run.table()["errors"].to_string().contains("no server has them"), "{run:#?}");
}

/// MySQL makes NULL of text that is longer than `max_allowed_packet`. COALESCE then made it the text of a NULL, and CONCAT_WS
/// passed over it: such values tied out with NULL, and with each other. Now NULL alone is NULL, and what cannot be hashed is streamed.
#[test]
fn values_and_rows_that_are_too_large_to_be_hashed_are_streamed() {
    let sides = [Database::new(Engine::Mariadb), Database::new(Engine::Mariadb)];
    let cases = [
        ("framed", "longtext", "repeat('a', 16777212)", "null"),
        ("doubled", "longblob", "repeat('a', 9000000)", "null"),
        ("converted", "longtext character set latin1", "repeat(_latin1 x'e9', 9000000)", "null"),
        ("unlike", "longtext", "repeat('a', 16777212)", "concat(repeat('a', 16777200), repeat('b', 12))"),
        (
            "rows",
            "longtext, w longtext",
            "repeat('x', 9000000), repeat('y', 9000000)",
            "repeat('x', 9000000), concat(repeat('y', 8999999), 'z')",
        ),
    ];
    for (name, ty, one, other) in cases {
        for (side, value) in sides.iter().zip([one, other]) {
            let value = if value == "null" && ty.contains(", w") { "null, null" } else { value };
            side.run(&format!("create table `{name}` (k integer primary key, v {ty})"));
            side.run(&format!("insert into `{name}` values (1, {value})"));
        }
        let locations = sides.each_ref().map(|side| side.table(name));
        let run = Dir::new().diff_words(&[locations[0].as_str(), &locations[1], "--method", "push"]);
        run.drift([0, 0, 1, 0]);
        let why = run.table()["method"]["why"].as_str().unwrap();
        assert!(why.contains("and then streamed") && why.contains("did not hash"), "{name} {run:#?}");
    }
}

/// Pairs of tables of one row that tied out when they were pushed, each for a reason of its own.
#[test]
fn text_that_loses_a_difference_is_not_used() {
    let check = |sides: [&Database; 2], table: &str| {
        for [source, target] in [[0, 1], [1, 0]] {
            let locations = [sides[source].table(table), sides[target].table(table)];
            let run = Dir::new().diff_words(&[locations[0].as_str(), &locations[1], "--key", "k", "--method", "push"]);
            run.drift([0, 0, 1, 0]);
        }
    };
    let fill = |database: &Database, ty: &str, value: &str, table: &str| {
        database.run(&format!("create table {table} (k integer primary key, v {ty})"));
        database.run(&format!("insert into {table} values (1, {value})"));
    };
    let [one, other] = [Database::new(Engine::Postgres), Database::new(Engine::Postgres)];
    // A cast of the user's own was taken for the text of an enumeration.
    for database in [&one, &other] {
        database.run(
            "create type mood as enum ('sad', 'happy'); \
                      create function mood_text(mood) returns text language sql immutable as 'select ''x''::text'; \
                      create cast (mood as text) with function mood_text(mood)",
        );
    }
    fill(&one, "mood", "'sad'", "moods");
    fill(&other, "mood", "'happy'", "moods");
    check([&one, &other], "moods");
    let [mine, yours] = [Database::new(Engine::Mariadb), Database::new(Engine::Mariadb)];
    // Lengths counted characters where the text is bytes that are none.
    mine.run("create table edges (k integer primary key, a varchar(40) character set ascii, b varchar(40))");
    mine.run("insert into edges values (1, cast(x'c3a9c3a9c3a9c3a9' as binary), 'z,1:q')");
    yours.run("create table edges (k integer primary key, a varchar(40) character set utf8mb4, b varchar(40))");
    yours.run("insert into edges values (1, 'éééé,5:z', 'q')");
    check([&mine, &yours], "edges");
    // SQLite holds what its columns do not declare, and text that is no UUID had the mark of text that does not parse.
    let lite = Database::new(Engine::Sqlite);
    fill(&lite, "integer", "x'77'", "numbers");
    fill(&one, "integer", "77", "numbers");
    check([&lite, &one], "numbers");
    fill(&lite, "blob", "77", "blobs");
    fill(&one, "bytea", "'\\x77'", "blobs");
    check([&lite, &one], "blobs");
    fill(&lite, "uuid", "'bbbbbbbbbbbbbb'", "uuids");
    fill(&mine, "varchar(40)", "'14:bbbbbbbbbbbbbb'", "uuids");
    check([&lite, &mine], "uuids");
}

/// A view may show a decimal without the point that its type has: trimming zeros made 1 of 100.
#[test]
fn decimals_of_views_keep_their_zeros() {
    for engine in Engine::all().into_iter().filter(|engine| engine.is_mysql()) {
        let sides = [Database::new(engine), Database::new(engine)];
        for (side, fee) in sides.iter().zip(["100", "10"]) {
            side.run("create table p (id integer primary key, paid integer)");
            side.run("insert into p values (1, 0), (2, 1)");
            side.run(&format!("create view fee as select id, if(paid, {fee}, 1.50) v from p"));
        }
        let locations = sides.each_ref().map(|side| side.table("fee"));
        Dir::new().diff_words(&[locations[0].as_str(), &locations[1], "--key", "id", "--method", "push"]).drift([0, 0, 1, 0]);
    }
}

/// Years compare with numbers below 100 as if these were short for others: rows were not found again.
#[test]
fn a_year_is_no_position() {
    let sides = [Database::new(Engine::Mariadb), Database::new(Engine::Mariadb)];
    for side in &sides {
        side.run("create table years (k year primary key, v integer)");
        side.run("insert into years select 1900 + seq, seq from seq_1_to_155");
    }
    sides[1].run("update years set v = -1 where k = 2050");
    let locations = sides.each_ref().map(|side| side.table("years"));
    Dir::new().diff_words(&[locations[0].as_str(), &locations[1], "--method", "push"]).drift([0, 0, 1, 0]);
}

#[test]
fn a_plan_says_how_rows_would_be_had_and_with_which_statement() {
    let databases = orders([Engine::Postgres, Engine::Mariadb], ["bigint", "bigint"], 100, &[]);
    let locations = databases.each_ref().map(|database| database.table("orders"));
    let plan = |more: &[&str]| {
        let run = Dir::new().run_words(&[&["plan", locations[0].as_str(), &locations[1]], more].concat());
        assert_eq!(run.code, 0, "{run:#?}");
        run.stdout
    };
    let auto = plan(&[]);
    assert!(auto.contains("source stream, target stream (the table is small)"), "{auto}");
    let push = plan(&["--method", "push"]);
    for words in ["source push, target push (as asked for)", "push    source: select cell", "SHA2(CONCAT("] {
        assert!(push.contains(words), "no {words:?} in {push}");
    }
    assert!(!plan(&["--method", "stream"]).contains("sha256"));
    assert!(plan(&["--method", "push", "--format", "json"]).contains("SHA2(CONCAT("));
}

/// Failure: a plan had a statement for a side that would be streamed, one that its server refuses. Cause: it was asked for whether or not that
/// server hashes as the other one does. Fix: only for sides that would be hashed by their servers.
#[test]
fn a_plan_has_no_statement_for_a_side_that_is_streamed() {
    let sides = [Database::new(Engine::Postgres), Database::new(Engine::Postgres)];
    for (side, ty) in sides.iter().zip(["uuid", "text"]) {
        side.run(&format!("create table t (k integer primary key, v {ty})"));
    }
    let locations = sides.each_ref().map(|side| side.table("t"));
    let run = Dir::new().run_words(&["plan", &locations[0], &locations[1], "--method", "push"]);
    assert!(run.stdout.contains("source push, target stream (as asked for)"), "{run:#?}");
    assert!(run.stdout.contains("push    source: select cell") && !run.stdout.contains("target: select cell"), "{run:#?}");
}

#[test]
fn one_side_may_be_hashed_by_its_server_and_the_other_here() {
    for engine in [Engine::Postgres, Engine::Mariadb] {
        let databases = orders([engine, engine], ["bigint", "bigint"], 20_000, &SCATTERED[..1]);
        let dir = Dir::new();
        let [lite, _] = orders([Engine::Sqlite, Engine::Sqlite], ["", ""], 20_000, &[]);
        let run = dir.diff_words(&[&lite.table("orders"), &databases[1].table("orders"), "--method", "push"]);
        run.drift([0, 0, 1, 0]);
        assert_eq!((&run.table()["method"]["source"], &run.table()["method"]["target"]), (&"stream".into(), &"push".into()));
        let streamed = run.count("rows_streamed/target");
        assert!((1..=4000).contains(&streamed), "{run:#?}");
    }
}

/// A compiled statement gives the hashes that are computed here, and what is hashed piece by piece is the whole table.
#[test]
fn long_statements_are_compiled_and_have_the_hashes_of_others() {
    let [server, lite] = orders([Engine::Postgres, Engine::Sqlite], ["bigint", ""], 60_000, &SCATTERED[..5]);
    // Some pieces of a few rows a page each, taken for many rows.
    server.run("alter table orders set (fillfactor = 10, autovacuum_enabled = off)");
    server.run("vacuum full orders");
    server.run("update pg_class set reltuples = 2e7 where relname = 'orders'");
    let mut client = postgres::Client::connect(&server.location, postgres::NoTls).unwrap();
    let mut compiled =
        || -> i64 { client.query_one("select count(*) from pg_ls_dir('.') file where file like '%.bc'", &[]).unwrap().get(0) };
    let location = format!("{}?options=-cjit_dump_bitcode%3Don#orders", server.location);
    let (lite, before) = (lite.table("orders"), compiled());
    let run = |jit: &str| {
        Dir::new().diff_words(&[&location.replace("on#", &format!("on{jit}#")), &lite, "--method", "push", "--jobs", "1"])
    };
    let off = run("%20-cjit%3Doff");
    assert_eq!(compiled(), before, "the server is not to compile anything");
    let on = run("");
    assert!(compiled() > before, "{on:#?}");
    for run in [off, on] {
        run.drift([1, 0, 5, 0]);
        assert_eq!(run.table()["method"]["source"], "push", "{run:#?}");
        let streamed = run.count("rows_streamed/source");
        assert!((1..=9 * 600).contains(&streamed), "{run:#?}");
    }
}

/// What a server sends before it meets a row that it cannot hash is no fingerprint of the table.
#[test]
fn a_server_that_fails_after_some_pieces_has_hashed_nothing() {
    let servers = orders([Engine::Postgres; 2], ["bigint"; 2], 60_000, &[]);
    for server in &servers {
        server.run("alter table orders set (fillfactor = 10)");
        server.run("vacuum full orders");
    }
    let run = diff(&Dir::new(), &servers, &["--method", "push", "--jobs", "1", "--where", "1 / (59990 - v) < 2"]);
    assert_eq!((run.code, &run.table()["verdict"]), (3, &"incomplete".into()), "{run:#?}");
    assert!(run.table()["method"]["why"].as_str().unwrap().contains("division by zero"), "{run:#?}");
}

/// Small tables have no pilot; this one is told to have one. Whatever it finds, the verdict is the same, and what it read is counted.
#[test]
fn a_pilot_is_counted_and_changes_no_verdict() {
    let databases = orders([Engine::Postgres, Engine::Mariadb], ["bigint", "bigint"], 20_000, &SCATTERED);
    let options = OpenOptions { connections: 4, ..OpenOptions::default() };
    let open = |at: usize| engines::open(&databases[at].location, &options).unwrap();
    let sessions = Sides { source: open(0), target: open(1) };
    let limits = Limits { pilot_bytes: 0, ..Limits::default() };
    let (summary, kept, _) = run::audit(&Choices::default(), &sessions, &Way { jobs: 4, limits, seed: 5 }).unwrap();
    assert_eq!(kept.findings.len(), 8);
    assert_eq!((summary.differences.missing_in_target, summary.differences.changed), (2, 5));
    let why = &summary.method.why;
    assert!(why.contains("a pilot expects"), "{why}");
    assert!(summary.scans.source > 1.0 && summary.scans.target > 1.0, "{summary:#?}");
}
