//! Sides that others write to while they are audited, standbys, and sides that cannot be opened.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tieout::engines::{self, OpenOptions, Scan, ScanColumn};
use tieout::model::kind::Kind;

use crate::databases::{Database, Engine};
use crate::support::Dir;

/// A database with the tables `src` and `tgt`, equal and of 20,000 rows.
fn twins(engine: Engine) -> Database {
    let database = Database::new(engine);
    database.run("create table src (id integer primary key, a varchar(20), b integer)");
    for start in (0..20_000).step_by(2_000) {
        let rows: Vec<String> = (start..start + 2_000).map(|id| format!("({id}, 'row {id}', 0)")).collect();
        database.run(&format!("insert into src values {}", rows.join(", ")));
    }
    database.run("create table tgt (id integer primary key, a varchar(20), b integer)");
    database.run("insert into tgt select * from src");
    database
}

#[test]
fn rows_written_during_the_audit_do_not_change_the_verdict() {
    for engine in [Engine::Postgres, Engine::Mariadb] {
        let database = twins(engine);
        let (source, target, location) = (database.table("src"), database.table("tgt"), database.location.clone());
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            // Every transaction changes both tables alike: at no moment does a reader see them differ.
            let writer = scope.spawn(|| {
                let database = Database::join(engine, &location);
                let mut written = 0;
                while !done.load(Ordering::Relaxed) {
                    let id = written * 37 % 20_000;
                    database.run("begin");
                    for table in ["src", "tgt"] {
                        database.run(&format!("update {table} set b = b + 1 where id = {id}"));
                        database.run(&format!("insert into {table} values ({}, 'new', 1)", 100_000 + written));
                        database.run(&format!("delete from {table} where id = {}", 99_990 + written));
                    }
                    database.run("commit");
                    written += 1;
                }
                written
            });
            let dir = Dir::new();
            let runs: Vec<_> = (0..5).map(|_| dir.diff_words(&[&source, &target])).collect();
            done.store(true, Ordering::Relaxed);
            assert!(writer.join().unwrap() > 20);
            for run in &runs {
                run.tied_out();
                assert!(run.summary["source"]["position"].is_string(), "{run:#?}");
                assert_eq!(run.summary["source"]["position"], run.summary["target"]["position"]);
            }
        });
    }
}

#[test]
fn a_standby_is_audited_like_its_primary() {
    let primary = twins(Engine::Postgres);
    let standby = std::env::var("TIEOUT_TEST_PG_STANDBY_URL").expect("start the servers: eval \"$(tests/servers start DIR)\"");
    let standby = format!("{}/{}", standby.rsplit_once('/').unwrap().0, primary.name);
    // Replay follows within moments.
    let waited = Instant::now();
    loop {
        let client = postgres::Client::connect(&standby, postgres::NoTls);
        if client.is_ok_and(|mut client| {
            client.query_one("select count(*) from public.tgt", &[]).is_ok_and(|row| row.get::<_, i64>(0) == 20_000)
        }) {
            break;
        }
        assert!(waited.elapsed() < Duration::from_secs(60), "the standby does not follow");
        thread::sleep(Duration::from_millis(50));
    }
    let dir = Dir::new();
    let run = dir.diff_words(&[&primary.location, &standby]);
    assert_eq!((run.code, run.verdict()), (0, "tied_out"), "{run:#?}");
    assert!(run.summary["target"]["position"].is_string(), "{run:#?}");
}

#[test]
fn what_cannot_be_opened_is_one_clear_message() {
    let dir = Dir::new();
    dir.write("t.csv", "id\n1\n");
    // A port that was free a moment ago.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for engine in [Engine::Postgres, Engine::Mariadb] {
        let database = Database::new(engine);
        database.run("create table t (id integer primary key)");
        let (scheme, rest) = database.location.split_once("://").unwrap();
        let (user, place) = rest.split_once('@').unwrap();
        let (host, name) = place.split_once('/').unwrap();
        let refused = |location: &str, words: &[&str]| {
            let run = dir.diff_words(&[location, "t.csv", "--connect-timeout", "2s"]);
            run.refused(words);
            assert!(run.stderr.starts_with("tieout: source "), "{run:#?}");
            assert!(run.stderr.lines().count() <= 2, "{run:#?}");
        };
        refused(&format!("{scheme}://{user}@127.0.0.1:{closed}/{name}"), &["refused"]);
        refused(&format!("{scheme}://root:wrong@{host}/{name}"), &["root"]);
        refused(&format!("{scheme}://{user}@{host}/no_such_database"), &["no_such_database"]);
        refused(&database.table("tt"), &["no table 'tt'", "did you mean 't'?"]);
        let tls = if engine == Engine::Postgres { "sslmode=verify-full" } else { "ssl-mode=VERIFY_IDENTITY" };
        refused(&format!("{scheme}://{user}@{host}/{name}?{tls}#t"), &["certificate"]);
        let run = dir.diff_words(&[&database.table("t"), "t.csv", "--key", "idd"]);
        run.refused(&["no column 'idd'", "did you mean 'id'?"]);
    }
    dir.diff_words(&["sqlite:missing.db", "t.csv"]).refused(&["source missing.db"]);
    dir.diff_words(&["sqlite:t.csv", "t.csv"]).refused(&["not a database"]);
}

/// A line that is lost while rows come over it, whether the driver reads them or we do. The table is larger than what the
/// system holds of a line, and a view is one part.
#[test]
fn a_connection_that_is_lost_in_the_middle_of_a_part_is_an_error() {
    for (engine, rows, lose) in [
        (
            Engine::Postgres,
            "(select i from generate_series(1, 150000) s(i)) s",
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()",
        ),
        (
            Engine::Mariadb,
            "(select seq as i from seq_1_to_150000) s",
            "begin not atomic for l in (select id from information_schema.processlist where db = database() and id <> connection_id()) \
             do execute immediate concat('kill ', l.id); end for; end",
        ),
    ] {
        let database = Database::new(engine);
        database.run("create table t (id integer primary key, v varchar(500))");
        database.run(&format!("insert into t select i, repeat('x', 400) from {rows}"));
        database.run("create view everything as select id, v from t");
        for location in [database.location.clone(), database.plain()] {
            let session = engines::open(&location, &OpenOptions::default()).unwrap();
            let table = session.tables().unwrap().into_iter().find(|table| table.name.name == "everything").unwrap();
            let column = |index, kind| ScanColumn { index, kind, raw: false, tells_absent: false };
            let columns = vec![column(0, Kind::Number), column(1, Kind::Text)];
            let scan = Scan { table: table.name, columns, key_columns: 1, ..Scan::default() };
            let part = session.parts(&scan).unwrap().next().unwrap().unwrap();
            let mut come = 0;
            let read = part.read(&mut |block| {
                if come == 0 {
                    database.run(lose);
                }
                come += block.len();
                Ok(())
            });
            assert!(read.is_err() && (1..150_000).contains(&come), "{engine:?}: {read:?} after {come} rows");
        }
    }
}
