//! SQLite: what it holds, how it is described and cut, who writes meanwhile, and every way in which it cannot be read.

mod audits;
mod describes;
mod reads;

use rusqlite::Connection;
use tieout::engines::sqlite::SqliteSession;
use tieout::engines::{OpenOptions, Scan, ScanColumn, Session};
use tieout::model::kind::Kind;
use tieout::model::row::RowBlock;

use crate::support::Dir;

/// Makes a database, or opens it again to write to it.
fn database(dir: &Dir, name: &str, sql: &str) -> Connection {
    let connection = Connection::open(dir.path(name)).unwrap();
    connection.execute_batch(sql).unwrap();
    connection
}

fn open(dir: &Dir, name: &str) -> SqliteSession {
    let options = OpenOptions { connections: 4, ..OpenOptions::default() };
    SqliteSession::open(&format!("sqlite:{}", dir.path(name).display()), &options).unwrap()
}

/// A scan of the columns at these places, the first of them being the key, each value as it is held.
fn scan(table: &str, columns: &[usize], key_columns: usize) -> Scan {
    let column = |&index: &usize| ScanColumn { index, kind: Kind::Held, raw: false, tells_absent: false };
    Scan { table: table.into(), columns: columns.iter().map(column).collect(), key_columns, ..Scan::default() }
}

/// The rows of each part, as their canonical bytes.
fn parts(session: &dyn Session, scan: &Scan) -> Vec<Vec<Vec<u8>>> {
    let part = |part: tieout::error::Result<Box<dyn tieout::engines::Part + '_>>| {
        let mut rows = Vec::new();
        let mut take = |block: &mut RowBlock| {
            rows.extend(block.iter().map(|row| row.compared().to_vec()));
            Ok(())
        };
        let count = part.unwrap().read(&mut take).unwrap();
        assert_eq!(count, rows.len() as u64);
        rows
    };
    session.parts(scan).unwrap().map(part).collect()
}
