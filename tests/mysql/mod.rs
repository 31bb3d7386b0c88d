//! MySQL and MariaDB by themselves: what they are read as, in which order, in which snapshot, by whom.
//!
//! Each test runs against MariaDB with hostile defaults, and against MySQL 9 if its URL is in the environment.

mod access; // users, passwords, TLS, settings, timeouts
mod connecting; // option files, sockets, the environment, certificates
mod order; // ranges and key order
mod values; // every type with hostile values

use tieout::engines::{self, OpenOptions, Scan, ScanColumn, Session};
use tieout::error::Result;
use tieout::model::canonical::{Canonical, Values};
use tieout::model::kind::Kind;
use tieout::model::schema::Table;

use crate::databases::{Database, Engine};

/// The servers that are there.
fn servers() -> Vec<Engine> {
    Engine::all().into_iter().filter(|engine| engine.is_mysql()).collect()
}

fn open(location: &str) -> Result<Box<dyn Session>> {
    engines::open(location, &OpenOptions::default())
}

/// A session whose rows are read from the line itself.
fn session(database: &Database) -> Box<dyn Session> {
    open(&database.plain()).unwrap()
}

/// A session whose rows are read by the driver.
fn encrypted(database: &Database) -> Box<dyn Session> {
    open(&database.encrypted()).unwrap()
}

fn table(session: &dyn Session, name: &str) -> Table {
    session.tables().unwrap().into_iter().find(|table| table.name.name == name).unwrap_or_else(|| panic!("no table {name}"))
}

/// A scan of these columns, the first `key_columns` of which are the key.
fn scan(table: &Table, columns: &[(&str, Kind)], key_columns: usize) -> Scan {
    let column = |(name, kind): &(&str, Kind)| ScanColumn {
        index: table.columns.iter().position(|column| column.name == *name).unwrap_or_else(|| panic!("no column {name}")),
        kind: kind.clone(),
        raw: false,
        tells_absent: false,
    };
    Scan { table: table.name.clone(), columns: columns.iter().map(column).collect(), key_columns, ..Scan::default() }
}

/// A part: its least key, and for each row its key and its compared values.
struct Read {
    least: Option<Vec<u8>>,
    rows: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Reads all parts one after the other.
fn read(session: &dyn Session, scan: &Scan) -> Result<Vec<Read>> {
    session
        .parts(scan)?
        .map(|part| {
            let part = part?;
            let (least, mut rows) = (part.least_key().map(<[u8]>::to_vec), Vec::new());
            let counted = part.read(&mut |block| {
                rows.extend(block.iter().map(|row| (row.key().to_vec(), row.compared().to_vec())));
                Ok(())
            })?;
            assert_eq!(counted, rows.len() as u64);
            Ok(Read { least, rows })
        })
        .collect()
}

/// The values of a row.
fn values(row: &[u8]) -> Vec<Canonical<'_>> {
    Values::of(row).collect()
}
