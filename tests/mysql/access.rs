//! Who may read what, over which line, in which snapshot, for how long.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use mysql::prelude::Queryable;
use tieout::engines::{self, OpenOptions, Session};
use tieout::error::Error;
use tieout::model::kind::Kind;
use tieout::model::schema::Type;

use super::{encrypted, open, read, scan, servers, session, table};
use crate::databases::{Database, Engine};

/// `scheme`, `host:port` and database of a location.
fn parts_of(location: &str) -> (&str, &str, &str) {
    let (scheme, rest) = location.split_once("://").unwrap();
    let (host, name) = rest.rsplit_once('@').unwrap().1.split_once('/').unwrap();
    (scheme, host, name)
}

/// A user of a test's own, dropped at its end.
struct User<'a> {
    database: &'a Database,
    account: String,
    location: String,
}

const PASSWORD: &str = "s3cr3t!@/:#";

impl<'a> User<'a> {
    fn new(database: &'a Database, name: &str, identified: &str) -> Self {
        let name = format!("{name}_{}", database.name);
        let account = format!("'{name}'@'127.0.0.1'");
        database.run(&format!("create user {account} {identified}"));
        let (scheme, host, base) = parts_of(&database.location);
        let location = format!("{scheme}://{name}:s3cr3t%21%40%2F%3A%23@{host}/{base}");
        User { database, account, location }
    }

    fn plain(database: &'a Database, name: &str) -> Self {
        User::new(database, name, &format!("identified by '{PASSWORD}'"))
    }

    fn grant(&self, what: &str) {
        self.database.run(&format!("grant {what} to {}", self.account));
    }
}

impl Drop for User<'_> {
    fn drop(&mut self) {
        self.database.run(&format!("drop user {}", self.account));
    }
}

fn says_no_secret(error: &Error) {
    let said = format!("{error} {error:?} {:?}", error.advice());
    assert!(!said.contains("s3cr3t") && !said.contains("tieout@") && !said.contains(":tieout"), "{said}");
}

#[test]
fn a_user_who_may_only_select_sees_what_he_may_read() {
    for engine in servers() {
        let database = Database::new(engine);
        database.run("create table open_to_all (id integer primary key, v varchar(9))");
        database.run("create table some (id integer primary key, v varchar(9), w integer)");
        database.run("create table closed (id integer primary key)");
        database.run("create table written (id integer primary key)");
        database.run("insert into open_to_all values (1, 'a'), (2, 'b')");
        let user = User::plain(&database, "aud");
        user.grant("select on open_to_all");
        user.grant("select (id, v), insert (w) on some");
        user.grant("insert on written");
        let session = open(&user.location).unwrap();
        let names: Vec<String> = session.tables().unwrap().iter().map(|table| table.name.to_string()).collect();
        assert_eq!(names, ["open_to_all", "some", "written"], "{engine:?}");
        let some = table(session.as_ref(), "some");
        let types: Vec<bool> = some.columns.iter().map(|column| column.ty == Type::Forbidden).collect();
        assert_eq!(types, [false, false, true], "{engine:?}");
        assert!(table(session.as_ref(), "written").columns.iter().all(|column| column.ty == Type::Forbidden));
        let all = table(session.as_ref(), "open_to_all");
        let rows = read(session.as_ref(), &scan(&all, &[("id", Kind::Number), ("v", Kind::Text)], 1)).unwrap();
        assert_eq!(rows.iter().map(|part| part.rows.len()).sum::<usize>(), 2, "{engine:?}");
        let forbidden = scan(&some, &[("id", Kind::Number), ("w", Kind::Number)], 1);
        assert!(session.parts(&forbidden).is_err(), "{engine:?}");
    }
}

/// A database with 1,500 rows in `t`: more than a block, so that the first is handed on while the statement is under way.
fn more_than_a_block(engine: Engine) -> Database {
    let database = Database::new(engine);
    database.run("create table t (id integer primary key, v integer)");
    let rows: Vec<String> = (1..=1_500).map(|id| format!("({id}, 1)")).collect();
    database.run(&format!("insert into t values {}", rows.join(", ")));
    database
}

#[test]
fn rows_changed_after_opening_are_seen_on_no_connection() {
    for engine in servers() {
        let database = more_than_a_block(engine);
        let session = engines::open(&database.plain(), &OpenOptions { connections: 4, ..OpenOptions::default() }).unwrap();
        assert!(session.position().is_some(), "{engine:?}");
        database.run("update t set v = 2");
        database.run("insert into t values (3000, 1)");
        let scan = scan(&table(session.as_ref(), "t"), &[("id", Kind::Number), ("v", Kind::Number)], 1);
        // Four connections at once, each lent while the one before it is still reading.
        let mut seen = Vec::new();
        nested(session.as_ref(), &scan, 4, &mut seen);
        let rows = seen.iter().map(|rows| rows.as_ref().unwrap().len()).collect::<Vec<_>>();
        assert_eq!(rows, [1_500; 4], "{engine:?}");
        assert!(seen.windows(2).all(|pair| pair[0].as_ref().unwrap() == pair[1].as_ref().unwrap()), "{engine:?}");
        let again = session.again().unwrap();
        assert_eq!(again.position(), session.position());
        assert_eq!(read(again.as_ref(), &scan).unwrap().iter().map(|part| part.rows.len()).sum::<usize>(), 1_500);
        // A fifth would wait for itself.
        let mut seen = Vec::new();
        nested(session.as_ref(), &scan, 5, &mut seen);
        let error = seen[0].as_ref().unwrap_err();
        assert!(error.contains("all 4 connections in use"), "{engine:?}: {error}");
        assert!(seen[1..].iter().all(Result::is_ok), "{engine:?}");
    }
}

/// Reads a table of one part while it is read by `depth - 1` others on the same thread; the innermost comes first.
fn nested(session: &dyn Session, scan: &engines::Scan, depth: usize, seen: &mut Vec<Result<Vec<Vec<u8>>, String>>) {
    let part = session.parts(scan).unwrap().next().unwrap().unwrap();
    let mut rows = Vec::new();
    let read = part.read(&mut |block| {
        if rows.is_empty() && depth > 1 {
            nested(session, scan, depth - 1, seen);
        }
        rows.extend(block.iter().map(|row| row.compared().to_vec()));
        Ok(())
    });
    seen.push(read.map(|_| rows).map_err(|error| error.to_string()));
}

#[test]
fn a_part_that_is_given_up_costs_no_connection() {
    for engine in servers() {
        let database = Database::new(engine);
        database.run("create table t (id integer primary key, v varchar(200))");
        let rows: Vec<String> = (0..5_000).map(|id| format!("({id}, repeat('x', 200))")).collect();
        database.run(&format!("insert into t values {}", rows.join(", ")));
        for session in [session(&database), encrypted(&database)] {
            let scan = scan(&table(session.as_ref(), "t"), &[("id", Kind::Number), ("v", Kind::Text)], 1);
            // More often than there are connections: none may be lost, for none can be had again.
            for _ in 0..6 {
                let part = session.parts(&scan).unwrap().next().unwrap().unwrap();
                let error = part.read(&mut |_| Err(Error::new("enough"))).unwrap_err();
                assert_eq!(error.to_string(), "enough");
            }
            let rows: usize = read(session.as_ref(), &scan).unwrap().iter().map(|part| part.rows.len()).sum();
            assert_eq!(rows, 5_000, "{engine:?}");
        }
    }
}

#[test]
fn a_large_part_that_is_given_up_is_not_read_to_its_end() {
    for engine in servers() {
        let database = Database::new(engine);
        // Without a key it is one part, and its size is known.
        database.run("create table t (v varchar(250))");
        database.run("insert into t values (repeat('x', 250))");
        (0..17).for_each(|_| database.run("insert into t select * from t"));
        database.run("analyze table t");
        let options = OpenOptions { connections: 2, ..OpenOptions::default() };
        for location in [database.plain(), database.location.clone()] {
            let session = engines::open(&location, &options).unwrap();
            let scan = scan(&table(session.as_ref(), "t"), &[("v", Kind::Text)], 0);
            let part = session.parts(&scan).unwrap().next().unwrap().unwrap();
            assert!(part.weight_bytes() > 16 << 20, "{engine:?}");
            assert_eq!(part.read(&mut |_| Err(Error::new("enough"))).unwrap_err().to_string(), "enough");
            // Its connection was ended; the other sees the same rows.
            let mut seen = Vec::new();
            nested(session.as_ref(), &scan, 2, &mut seen);
            assert!(seen[0].as_ref().is_err_and(|error| error.contains("all 1 connections in use")), "{engine:?}: {:?}", seen[0]);
            assert_eq!(seen[1].as_ref().unwrap().len(), 1 << 17, "{engine:?}");
        }
    }
}

/// Failure: reading a table of some 60 GiB failed with error 1461, and with it whatever else was asked of the server.
/// Cause: the statement of each part was prepared and never closed, and a server keeps 16,382 of them for all sessions together.
/// Fix: a statement is closed when its rows have been read.
#[test]
fn the_server_keeps_no_statement() {
    for engine in servers() {
        let database = Database::new(engine);
        database.run("create table t (id integer primary key)");
        database.run("insert into t values (1), (2), (3)");
        let mut conn = mysql::Conn::new(mysql::Opts::from_url(&database.location).unwrap()).unwrap();
        let mut kept =
            || conn.query_first("show global status like 'Prepared_stmt_count'").unwrap().map(|(_, kept): (String, i64)| kept);
        for session in [session(&database), encrypted(&database)] {
            let scan = scan(&table(session.as_ref(), "t"), &[("id", Kind::Number)], 1);
            let before = kept().unwrap();
            (0..1_000).for_each(|_| assert_eq!(read(session.as_ref(), &scan).unwrap()[0].rows.len(), 3));
            // Others prepare statements too.
            assert!(kept().unwrap() < before + 500, "{engine:?}");
        }
    }
}

#[test]
fn a_statement_that_takes_too_long_is_an_error() {
    for engine in servers() {
        let database = Database::new(engine);
        database.run("create table t (id integer primary key)");
        database.run("insert into t values (1), (2), (3)");
        let options = OpenOptions { statement_timeout: Some(Duration::from_millis(300)), ..OpenOptions::default() };
        let session = engines::open(&database.plain(), &options).unwrap();
        let mut scan = scan(&table(session.as_ref(), "t"), &[("id", Kind::Number)], 1);
        scan.condition = Some(
            "(select count(*) from information_schema.columns a, information_schema.columns b, information_schema.columns c) > id"
                .into(),
        );
        let error = read(session.as_ref(), &scan).map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("table t"), "{engine:?}: {error:?}");
        assert_eq!(error.advice(), Some("allow statements more time"), "{engine:?}: {error:?}");
        // And costs no connection: what is read afterwards is read in the same snapshot.
        database.run("insert into t values (4)");
        for _ in 0..2 {
            assert!(read(session.as_ref(), &scan).is_err(), "{engine:?}");
        }
        scan.condition = None;
        assert_eq!(read(session.as_ref(), &scan).unwrap().iter().map(|part| part.rows.len()).sum::<usize>(), 3, "{engine:?}");
    }
}

#[test]
fn a_password_is_never_repeated() {
    for engine in servers() {
        let database = Database::new(engine);
        let user = User::plain(&database, "sec");
        user.grant(&format!("select on {}.*", database.name));
        drop(open(&user.location).unwrap());
        let (scheme, host, name) = parts_of(&database.location);
        for wrong in [
            user.location.replace("s3cr3t", "s3cr3tx"),
            user.location.replace(name, "no_such"),
            format!("{}?ssl-mode=VERIFY_IDENTITY", user.location),
            format!("{}?ssl-mood=s3cr3t", user.location),
            format!("{scheme}://u:s3cr3t@{}:1/{name}", host.split(':').next().unwrap()),
            format!("{scheme}://u:s3cr3t@{host}"),
        ] {
            says_no_secret(&open(&wrong).map(|_| ()).unwrap_err());
        }
    }
}

#[test]
fn tls_is_as_strict_as_its_mode() {
    let servers =
        PathBuf::from(std::env::var("TIEOUT_TEST_SERVERS").expect("start the servers: eval \"$(tests/servers start DIR)\""));
    let database = Database::new(Engine::Mariadb);
    let user = User::new(&database, "tls", &format!("identified by '{PASSWORD}' require ssl"));
    user.grant(&format!("select on {}.*", database.name));
    let ca = servers.join("ca.crt");
    let with =
        |location: &str, query: String| open(&format!("{location}?{query}")).map(|_| ()).map_err(|error| format!("{error:?}"));
    let ca_is = |mode: &str| format!("ssl-mode={mode}&ssl-ca={}", ca.display());
    for query in ["ssl-mode=PREFERRED".to_string(), "ssl-mode=REQUIRED".to_string(), ca_is("VERIFY_CA")] {
        assert_eq!(with(&user.location, query.clone()), Ok(()), "{query}");
    }
    assert!(with(&user.location, "ssl-mode=DISABLED".into()).is_err());
    // The certificate is made out to localhost.
    let error = with(&user.location, ca_is("VERIFY_IDENTITY")).unwrap_err();
    assert!(error.contains("certificate"), "{error}");
    let local = user.location.replace("127.0.0.1", "localhost");
    assert_eq!(with(&local, ca_is("VERIFY_IDENTITY")), Ok(()));
    let error = with(&local, "ssl-mode=VERIFY_IDENTITY".into()).unwrap_err();
    assert!(error.contains("certificate"), "{error}");
}

#[test]
fn accounts_of_newer_kinds_are_let_in() {
    let database = Database::new(Engine::Mariadb);
    let user = User::new(&database, "ed", &format!("identified via ed25519 using password('{PASSWORD}')"));
    user.grant(&format!("select on {}.*", database.name));
    drop(open(&user.location).unwrap());
    if servers().contains(&Engine::Mysql) {
        let database = Database::new(Engine::Mysql);
        let user = User::new(&database, "sha", &format!("identified with caching_sha2_password by '{PASSWORD}'"));
        user.grant(&format!("select on {}.*", database.name));
        for mode in ["DISABLED", "REQUIRED"] {
            drop(open(&format!("{}?ssl-mode={mode}", user.location)).unwrap());
        }
    }
}

#[test]
fn a_locked_server_holds_still_until_all_connections_have_their_snapshot() {
    for engine in servers() {
        let database = more_than_a_block(engine);
        let done = AtomicBool::new(false);
        let read_at_once = |session: &dyn Session| {
            let mut seen = Vec::new();
            let scan = scan(&table(session, "t"), &[("id", Kind::Number), ("v", Kind::Number)], 1);
            nested(session, &scan, 4, &mut seen);
            seen.into_iter().map(Result::unwrap).collect::<Vec<_>>()
        };
        thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let writer = Database::join(engine, &database.location);
                let mut written = 0;
                while !done.load(Ordering::Relaxed) {
                    written += 1;
                    writer.run(&format!("update t set v = v + 1 where id = {}", written % 1_500 + 1));
                }
                written
            });
            let options = OpenOptions { connections: 4, lock: true, ..OpenOptions::default() };
            let seen: Vec<_> =
                (0..10).map(|_| read_at_once(engines::open(&database.location, &options).unwrap().as_ref())).collect();
            done.store(true, Ordering::Relaxed);
            assert!(writer.join().unwrap() > 10, "{engine:?}");
            for seen in &seen {
                assert!(seen.len() == 4 && seen.iter().all(|rows| rows == &seen[0]), "{engine:?}");
            }
            // The writer was let go on between two audits.
            assert!(seen.windows(2).any(|pair| pair[0] != pair[1]), "{engine:?}");
        });
    }
}

/// Where there is no binary log, the end of the redo log tells whether a transaction came between two snapshots.
#[test]
fn a_server_without_a_binary_log_is_read_over_several_connections_if_it_holds_still() {
    let database = more_than_a_block(Engine::Unlogged);
    let options = OpenOptions { connections: 4, ..OpenOptions::default() };
    // Its own background work may go on for a moment.
    let several = (0..20).any(|_| {
        let session = engines::open(&database.location, &options).unwrap();
        thread::sleep(Duration::from_millis(100));
        session.notes().is_empty() && session.position().is_some_and(|position| position.starts_with("redo log "))
    });
    assert!(several);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let writer = Database::join(Engine::Unlogged, &database.location);
            let mut written = 0;
            while !done.load(Ordering::Relaxed) {
                written += 1;
                writer.run(&format!("update t set v = v + 1 where id = {}", written % 1_500 + 1));
            }
        });
        let agree = (0..4).all(|_| {
            let session = engines::open(&database.location, &options).unwrap();
            let scan = scan(&table(session.as_ref(), "t"), &[("id", Kind::Number), ("v", Kind::Number)], 1);
            let depth = if session.notes().is_empty() { 4 } else { 1 };
            let mut seen = Vec::new();
            nested(session.as_ref(), &scan, depth, &mut seen);
            seen.len() == depth && seen.iter().all(|rows| rows.is_ok() && rows == &seen[0])
        });
        done.store(true, Ordering::Relaxed);
        assert!(agree, "connections see different rows");
    });
}

#[test]
fn who_may_not_lock_is_told_and_a_lock_is_not_waited_for_without_end() {
    for engine in servers() {
        let database = Database::new(engine);
        database.run("create table t (id integer primary key)");
        let options = OpenOptions { lock: true, connect_timeout: Duration::from_secs(1), ..OpenOptions::default() };
        let refused = |location: &str| match engines::open(location, &options) {
            Ok(_) => panic!("{engine:?}: {location} was opened"),
            Err(error) => format!("{error} {}", error.advice().unwrap_or_default()),
        };
        let user = User::plain(&database, "nolock");
        user.grant(&format!("select on {}.*", database.name));
        let error = refused(&user.location);
        assert!(error.contains("--lock") && error.contains("RELOAD"), "{engine:?}: {error}");
        let holder = Database::join(engine, &database.location);
        holder.run("lock tables t write");
        let error = refused(&database.location);
        assert!(error.contains("--lock") && error.contains("wait for it"), "{engine:?}: {error}");
        holder.run("unlock tables");
        let options = OpenOptions { connect_timeout: Duration::from_secs(60), ..options };
        assert!(engines::open(&database.location, &options).unwrap().notes().is_empty(), "{engine:?}");
        // Nobody holds the lock any more.
        holder.run("insert into t values (1)");
    }
}

#[test]
fn tables_without_snapshots_are_named() {
    for engine in servers() {
        let database = Database::new(engine);
        database.run("create table safe (id integer primary key)");
        assert!(session(&database).notes().is_empty(), "{engine:?}");
        database.run("create table loose (id integer primary key) engine = MyISAM");
        let notes = session(&database).notes();
        assert!(notes.len() == 1 && notes[0].ends_with("snapshots: loose"), "{engine:?}: {notes:?}");
    }
}
