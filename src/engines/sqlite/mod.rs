//! The SQLite engine: a database in one file, read through SQLite itself.
//!
//! Values have the type that they hold, whatever their column declares; the declared type guides what they are
//! compared as ([`declared`], [`values`]). All reading sees one state of the database ([`snapshot`]). In WAL mode
//! nobody notices that it is read; in the other journal modes nobody can commit until it has been.
//!
//! SQLite is never given the chance to write: files are opened read-only, and nothing is created or recovered.

mod catalog;
mod cuts;
mod declared;
mod part;
mod snapshot;
mod values;

use std::fs;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use self::catalog::{Catalog, SqliteTable, Storage};
use self::cuts::Cuts;
use self::part::Reading;
use self::snapshot::Snapshot;
use super::{Capabilities, OpenOptions, Part, Parts, Scan, Session};
use crate::error::{Error, Result};
use crate::model::kind::Kind;
use crate::model::schema::Table;

/// What precedes the path in a location.
pub const SCHEME: &str = "sqlite:";

/// How a database file begins: <https://www.sqlite.org/fileformat.html#magic_header_string>.
const MAGIC: &[u8] = b"SQLite format 3\0";

/// Whether the file at `path` is a SQLite database, by how it begins.
pub fn is_database(path: &str) -> bool {
    // A pipe would lose what is read of it here.
    if !fs::metadata(path).is_ok_and(|found| found.is_file()) {
        return false;
    }
    let Ok(mut file) = fs::File::open(path) else { return false };
    let mut start = [0; MAGIC.len()];
    let found = file.read_exact(&mut start).is_ok() && start == MAGIC;
    if found {
        // Closing any handle of a file drops all locks that this process holds on it, and with them the snapshot of
        // the other side, if that is the same file: <https://www.sqlite.org/howtocorrupt.html#posix_close_bug>.
        std::mem::forget(file);
    }
    found
}

/// A database in a file.
pub struct SqliteSession {
    snapshot: Arc<Snapshot>,
    catalog: Arc<Catalog>,
    bytes_read: AtomicU64,
}

impl SqliteSession {
    /// Opens the database that a location names: a path, with or without `sqlite:` before it.
    ///
    /// # Errors
    ///
    /// If there is no such file, it is no database, or somebody has locked it for longer than the connect timeout.
    pub fn open(location: &str, options: &OpenOptions) -> Result<Self> {
        let path = location.strip_prefix(SCHEME).unwrap_or(location);
        // sqlite:///srv/shop.db is written as often as sqlite:/srv/shop.db.
        let path = path.strip_prefix("//").unwrap_or(path);
        SqliteSession::open_path(path, options).map_err(|error| error.at(path))
    }

    fn open_path(path: &str, options: &OpenOptions) -> Result<Self> {
        let found = fs::metadata(path).map_err(|error| Error::caused("cannot open the database", error))?;
        if !found.is_file() {
            return Err(Error::new("found a folder, expected a SQLite database"));
        }
        if found.len() == 0 {
            return Err(Error::new("found an empty file, expected a SQLite database"));
        }
        let snapshot = Snapshot::open(Path::new(path), options)?;
        let catalog = snapshot.with(|connection| Catalog::read(connection, found.len()))?;
        Ok(SqliteSession { snapshot: Arc::new(snapshot), catalog: Arc::new(catalog), bytes_read: AtomicU64::new(0) })
    }

    fn table(&self, scan: &Scan) -> Result<&SqliteTable> {
        let found = self.catalog.tables.iter().find(|table| table.table.name == scan.table);
        found.ok_or_else(|| Error::new("found no such table").at(format!("table {}", scan.table)))
    }
}

impl Session for SqliteSession {
    fn engine(&self) -> String {
        format!("SQLite {}", rusqlite::version())
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { many_tables: true, places: true, conditions: true, absent_values: false, native: None }
    }

    fn notes(&self) -> Vec<String> {
        self.catalog.notes.clone()
    }

    fn again(&self) -> Option<Box<dyn Session>> {
        let (snapshot, catalog) = (Arc::clone(&self.snapshot), Arc::clone(&self.catalog));
        Some(Box::new(SqliteSession { snapshot, catalog, bytes_read: AtomicU64::new(0) }))
    }

    fn tables(&self) -> Result<Vec<Table>> {
        Ok(self.catalog.tables.iter().map(|table| table.table.clone()).collect())
    }

    fn parts<'a>(&'a self, scan: &'a Scan) -> Result<Parts<'a>> {
        let table = self.table(scan)?;
        let reading = Reading::new(&self.snapshot, scan, table, &self.bytes_read)?;
        let order = table.storage.order();
        Ok(match order.is_empty() {
            true => Box::new(std::iter::once(Ok(Box::new(reading.whole()) as Box<dyn Part>))),
            false => Box::new(Cuts::new(reading, order, is_ordered(table, &self.catalog, scan))),
        })
    }

    fn seems_ordered(&self, scan: &Scan, _held_bytes: u64) -> Result<bool> {
        Ok(is_ordered(self.table(scan)?, &self.catalog, scan))
    }

    fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }
}

/// Whether the order in which a table is stored is that of the scan's keys.
///
/// NULL, numbers, text and bytes follow one another in SQLite as they do among canonical values, so it does not
/// matter whether a column holds values of one type alone: <https://www.sqlite.org/datatype3.html#sort_order>.
fn is_ordered(table: &SqliteTable, catalog: &Catalog, scan: &Scan) -> bool {
    let key = &scan.columns[..scan.key_columns];
    match &table.storage {
        Storage::Unknown => false,
        Storage::Rowid { alias, .. } => {
            key.first().is_some_and(|column| Some(column.index) == *alias && matches!(column.kind, Kind::Number | Kind::Held))
        }
        Storage::Key(stored) => key.iter().zip(stored).all(|(column, part)| {
            let by_value = matches!(column.kind, Kind::Number | Kind::Float { .. } | Kind::Boolean | Kind::Bytes);
            // The text of a database in UTF-16 does not order as UTF-8 does.
            let by_bytes = catalog.is_utf8 && matches!(column.kind, Kind::Held | Kind::Text);
            column.index == part.column && part.is_binary && (by_value || by_bytes)
        }),
    }
}
