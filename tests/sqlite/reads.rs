//! Parts that hold every row once, one state of the database for all of them, and errors.

use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;
use rusqlite::{Connection, params};
use tieout::engines::sqlite::SqliteSession;
use tieout::engines::{OpenOptions, Session};
use tieout::model::canonical::{Tag, Values, push_i64};
use tieout::model::number::read_i128;
use tieout::model::row::compare_keys;

use super::{database, open, parts, scan};
use crate::support::Dir;

/// The first value of a row, which is a whole number.
fn number(row: &[u8]) -> i128 {
    read_i128(Values::of(row).next().unwrap().bytes).unwrap()
}

#[test]
fn hostile_rowids_are_read_once_in_order_and_in_parts_of_one_size() {
    let dir = Dir::new();
    let writer = database(&dir, "a.db", "CREATE TABLE t (id INTEGER PRIMARY KEY, v REAL)");
    let dense = 1..=300_000i64;
    let far = (0..300_000i64).map(|i| 1_000_000_000_000 + i * 1_000_003);
    let edges = [i64::MIN, i64::MIN + 1, -1_000_000, -1, 0, i64::MAX - 1, i64::MAX];
    let mut expected: Vec<i128> = dense.chain(far).chain(edges).map(i128::from).collect();
    let transaction = writer.unchecked_transaction().unwrap();
    let mut insert = writer.prepare("INSERT INTO t VALUES (?1, 0.5)").unwrap();
    expected.iter().for_each(|&id| assert_eq!(insert.execute([id as i64]).unwrap(), 1));
    transaction.commit().unwrap();
    expected.sort_unstable();

    let session = open(&dir, "a.db");
    let scan = scan("t", &[0, 1], 1);
    assert!(session.seems_ordered(&scan, 0).unwrap());
    let read = parts(&session, &scan);
    assert!(read.len() >= 3, "{} parts", read.len());
    assert!(read.iter().all(|part| !part.is_empty() && part.len() <= 400_000));
    assert!(read.concat().iter().map(|row| number(row)).eq(expected.iter().copied()));
    for (part, rows) in session.parts(&scan).unwrap().zip(&read).skip(1) {
        let mut least = Vec::new();
        push_i64(&mut least, Tag::Number, number(&rows[0]) as i64);
        assert_eq!(part.unwrap().least_key(), Some(least.as_slice()));
    }
    assert!(session.bytes_read() > 0);
}

#[test]
fn parts_are_cut_by_what_rows_weigh() {
    let dir = Dir::new();
    // Thousands of short rows and, among them, long ones that a mean would not see.
    let sql = "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT);
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
        INSERT INTO t SELECT i, CASE WHEN i BETWEEN 9000 AND 9039 THEN hex(zeroblob(500000)) ELSE 'x' END FROM n;";
    database(&dir, "a.db", sql);
    let session = open(&dir, "a.db");
    let scan = scan("t", &[0, 1], 1);
    let read = parts(&session, &scan);
    let weights: Vec<usize> = read.iter().map(|part| part.iter().map(Vec::len).sum()).collect();
    assert!(weights.iter().all(|&bytes| bytes < 6 << 20), "{weights:?}");
    assert_eq!(read.concat().len(), 20_000);
}

#[test]
fn tables_stored_by_their_key_are_cut_by_it_whatever_it_is() {
    let dir = Dir::new();
    let sql = "CREATE TABLE t (v TEXT, b ANY, a TEXT, PRIMARY KEY (a, b)) WITHOUT ROWID;
        CREATE TABLE nocase (a TEXT COLLATE NOCASE PRIMARY KEY, v) WITHOUT ROWID;
        CREATE TABLE apart (a TEXT COLLATE NOCASE, v, PRIMARY KEY (a COLLATE BINARY)) WITHOUT ROWID;
        INSERT INTO apart WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 63)
            SELECT CASE i % 2 WHEN 0 THEN 'key' ELSE 'KEY' END || (i / 2), hex(zeroblob(200000)) FROM n;
        INSERT INTO apart SELECT 'same', hex(zeroblob(3000000)) UNION ALL SELECT 'SAME', hex(zeroblob(3000000)) UNION ALL SELECT 'Same', hex(zeroblob(3000000));
        CREATE TABLE down (a INTEGER, b INTEGER, PRIMARY KEY (a DESC, b)) WITHOUT ROWID;
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
        INSERT INTO t SELECT hex(zeroblob(100)), CASE i % 4 WHEN 0 THEN i WHEN 1 THEN i + 0.5 WHEN 2 THEN 't' || i ELSE CAST(i AS BLOB) END,
            CASE i % 3 WHEN 0 THEN 'same' WHEN 1 THEN 'Ünï' || i ELSE 'a b''c\"' || (i / 10) END FROM n;
        INSERT INTO nocase SELECT a || b, v FROM t GROUP BY lower(a || b);
        INSERT INTO down SELECT length(b), row_number() OVER () FROM t;";
    database(&dir, "a.db", sql);
    let session = open(&dir, "a.db");
    let by_key = scan("t", &[2, 1, 0], 2);
    assert!(session.seems_ordered(&by_key, 0).unwrap());
    let read = parts(&session, &by_key);
    assert!(read.len() >= 3, "{} parts", read.len());
    let rows = read.concat();
    assert_eq!(rows.len(), 60_000);
    assert!(rows.is_sorted_by(|one, other| compare_keys(one, other).is_lt()));
    let first = scan("t", &[2, 0], 1);
    assert!(session.seems_ordered(&first, 0).unwrap());
    // A key of another collation than its column's: by the column's, the walk would not get past keys that are alike.
    assert!(session.seems_ordered(&scan("apart", &[0, 1], 1), 0).unwrap());
    let apart = parts(&session, &scan("apart", &[0, 1], 1)).concat();
    assert!(apart.is_sorted_by(|one, other| compare_keys(one, other).is_lt()));
    assert_eq!(apart.len() as i64, count(&dir, "a.db", "apart"));
    for (table, columns) in [("t", [1, 2]), ("nocase", [0, 1]), ("down", [0, 1])] {
        let scan = scan(table, &columns, 1);
        assert!(!session.seems_ordered(&scan, 0).unwrap(), "{table}");
        let mut rows = parts(&session, &scan).concat();
        rows.sort_unstable();
        rows.dedup();
        assert_eq!(rows.len() as i64, count(&dir, "a.db", table), "{table}");
    }
}

fn count(dir: &Dir, name: &str, table: &str) -> i64 {
    let connection = Connection::open(dir.path(name)).unwrap();
    connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

#[test]
fn what_others_commit_after_opening_is_not_seen() {
    let dir = Dir::new();
    let writer =
        database(&dir, "a.db", "PRAGMA journal_mode = wal; CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1), (2)");
    let session = open(&dir, "a.db");
    writer.execute_batch("INSERT INTO t VALUES (3); DELETE FROM t WHERE id = 1; PRAGMA wal_checkpoint").unwrap();
    let scan = scan("t", &[0], 1);
    for _ in 0..8 {
        assert_eq!(parts(&session, &scan).concat().iter().map(|row| number(row)).collect::<Vec<_>>(), [1, 2]);
    }
    let later = open(&dir, "a.db");
    assert_eq!(parts(&later, &scan).concat().iter().map(|row| number(row)).collect::<Vec<_>>(), [2, 3]);
}

#[test]
fn all_connections_see_one_state_while_somebody_commits_without_pause() {
    let dir = Dir::new();
    let sql = "PRAGMA journal_mode = wal; PRAGMA synchronous = off; CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER, w TEXT);
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000)
        INSERT INTO t SELECT i, 0, hex(zeroblob(1000)) FROM n;";
    let writer = database(&dir, "a.db", sql);
    let stop = AtomicBool::new(false);
    std::thread::scope(|threads| {
        let stop = &stop;
        threads.spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                writer.execute_batch("UPDATE t SET v = v + 1 WHERE id % 50 = 0; UPDATE t SET w = w WHERE id = 7").unwrap();
            }
        });
        for _ in 0..10 {
            let session = open(&dir, "a.db");
            let scan = scan("t", &[1], 1);
            let read = |part: tieout::error::Result<Box<dyn tieout::engines::Part + '_>>| {
                let mut versions = Vec::new();
                let mut take = |block: &mut tieout::model::row::RowBlock| {
                    versions.extend(block.iter().map(|row| number(row.key())).filter(|version| *version > 0));
                    Ok(())
                };
                part.unwrap().read(&mut take).unwrap();
                versions
            };
            let mut versions: Vec<i128> = (0..8)
                .into_par_iter()
                .flat_map_iter(|_| session.parts(&scan).unwrap().flat_map(read).collect::<Vec<_>>())
                .collect();
            versions.sort_unstable();
            versions.dedup();
            assert!(versions.len() <= 1, "{versions:?}");
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn without_a_wal_nobody_commits_until_the_audit_is_over() {
    let dir = Dir::new();
    let writer = database(&dir, "a.db", "CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)");
    writer.busy_timeout(std::time::Duration::ZERO).unwrap();
    let session = open(&dir, "a.db");
    // The other side may be the same file: looking whether it is a database must not drop the locks.
    assert!(tieout::engines::sqlite::is_database(dir.path("a.db").to_str().unwrap()));
    let second = open(&dir, "a.db");
    drop(second);
    assert!(writer.execute("INSERT INTO t VALUES (2)", []).unwrap_err().to_string().contains("locked"));
    assert_eq!(parts(&session, &scan("t", &[0], 1)).concat().len(), 1);
    drop(session);
    writer.execute("INSERT INTO t VALUES (2)", []).unwrap();
}

#[test]
fn both_sides_of_one_location_see_one_state() {
    let dir = Dir::new();
    let writer =
        database(&dir, "a.db", "PRAGMA journal_mode = wal; CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)");
    let session = open(&dir, "a.db");
    writer.execute_batch("INSERT INTO t VALUES (2)").unwrap();
    let again = session.again().unwrap();
    let scan = scan("t", &[0], 1);
    assert_eq!(parts(again.as_ref(), &scan), parts(&session, &scan));
    assert_eq!(parts(again.as_ref(), &scan).concat().len(), 1);
}

#[test]
fn a_pipe_keeps_what_is_in_it() {
    // `tieout diff <(psql ...) copy.csv`: to look whether it is a database would take the beginning away, or wait.
    let dir = Dir::new();
    assert!(std::process::Command::new("mkfifo").arg(dir.path("pipe")).status().unwrap().success());
    assert!(!tieout::engines::sqlite::is_database(dir.path("pipe").to_str().unwrap()));
}

#[test]
fn nothing_is_written_or_made() {
    let dir = Dir::new();
    database(&dir, "a.db", "CREATE TABLE t (id INTEGER PRIMARY KEY)");
    drop(open(&dir, "a.db"));
    assert_eq!(dir.names(""), ["a.db"]);
    dir.run("diff sqlite:missing.db sqlite:a.db").refused(&["source missing.db: cannot open the database", "No such file"]);
    assert_eq!(dir.names(""), ["a.db"]);
}

#[test]
fn what_cannot_be_read_is_said() {
    let dir = Dir::new();
    let sql = "CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, zeroblob(100000)), (2, zeroblob(100000));";
    database(&dir, "a.db", sql);
    dir.write("text.db", "id,v\n1,2\n".repeat(100));
    dir.write("empty.db", "");
    let whole = std::fs::read(dir.path("a.db")).unwrap();
    dir.write("short.db", &whole[..whole.len() / 2]);
    let options = OpenOptions { connect_timeout: std::time::Duration::from_millis(50), ..OpenOptions::default() };
    let refused = |name: &str, words: &[&str]| {
        let error = SqliteSession::open(dir.path(name).to_str().unwrap(), &options).err().unwrap();
        words.iter().for_each(|word| assert!(format!("{error:?}").contains(word), "no {word:?} in {error:?}"));
    };
    refused("text.db", &["text.db: ", "not a database", "encrypted"]);
    refused("empty.db", &["an empty file, expected a SQLite database"]);
    refused("", &["a folder, expected a SQLite database"]);
    refused("short.db", &["malformed", "integrity_check"]);
    let lock = Connection::open(dir.path("a.db")).unwrap();
    lock.execute_batch("BEGIN EXCLUSIVE").unwrap();
    refused("a.db", &["locked", "somebody else"]);
}

#[test]
fn a_taker_that_fails_ends_the_reading_and_nothing_else() {
    let dir = Dir::new();
    let writer = database(&dir, "a.db", "CREATE TABLE t (id INTEGER PRIMARY KEY); CREATE VIEW v AS SELECT id FROM t");
    let transaction = writer.unchecked_transaction().unwrap();
    (0..5000).for_each(|i| assert_eq!(transaction.execute("INSERT INTO t VALUES (?1)", params![i]).unwrap(), 1));
    transaction.commit().unwrap();
    drop(writer);
    let session = open(&dir, "a.db");
    for table in ["t", "v"] {
        let scan = scan(table, &[0], 1);
        for _ in 0..9 {
            let part = session.parts(&scan).unwrap().next().unwrap().unwrap();
            let error = part.read(&mut |_| Err(tieout::error::Error::new("enough"))).unwrap_err();
            assert_eq!(error.to_string(), "enough");
        }
        assert_eq!(parts(&session, &scan).concat().len(), 5000);
    }
}
