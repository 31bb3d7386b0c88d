//! Engines: where rows come from.
//!
//! An engine describes the tables of a side and reads them in parts, each part by one thread, in canonical bytes.
//! It never writes to what it reads, and it never sees the other side: what the values are turned into comes with
//! the [`Scan`]. Adding an engine touches one folder and the one line in [`open`].

pub mod address;
pub mod arrow;
pub mod deferred;
pub mod files;
pub mod memory;
pub mod mysql;
pub mod places;
pub mod postgres;
pub mod received;
pub mod rows;
pub mod sqlite;

use std::sync::Arc;
use std::time::Duration;

pub use deferred::{Deferred, Native};

use crate::error::{Error, Result};
use crate::model::chained::Form;
use crate::model::grid::{CellSums, Grid, GridCells, KeyRanges, Position, Selection};
use crate::model::kind::Kind;
use crate::model::row::RowBlock;
use crate::model::schema::{Table, TableName};

/// One side of an audit, opened. Shared by all threads; the data is not read before [`Session::parts`].
pub trait Session: Send + Sync {
    /// What the side is, for the report: `Parquet, 3 files`.
    fn engine(&self) -> String;

    /// What this engine can do.
    fn capabilities(&self) -> Capabilities;

    /// The position of the snapshot that all reading sees, where the side has one: an LSN, a GTID set, a place in
    /// the binary log.
    fn position(&self) -> Option<String> {
        None
    }

    /// What the reader of a verdict must know of how the side is read, such as that there is no common snapshot.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }

    /// Another session on the same snapshot, for the other side of an audit if that is at the same location; `None`:
    /// opening the location anew does as well.
    fn again(&self) -> Option<Box<dyn Session>> {
        None
    }

    /// Describes all tables that the side has, in the order of their names. The answer is the same each time.
    ///
    /// A table that the user may not read is among them, its columns [`Forbidden`](crate::model::schema::Type).
    ///
    /// # Errors
    ///
    /// If they cannot be described, or the files of a table do not agree.
    fn tables(&self) -> Result<Vec<Table>>;

    /// Cuts a scan into parts that together hold every row of the table exactly once.
    ///
    /// The parts come in the order of their least keys where those are known, else in the order in which the table is
    /// stored. They depend on the table alone: not on the number of threads, nor on how fast they are read. Taking the next part may read (a compressed file can only be cut
    /// by reading it), so an error may come in place of a part; the scan is over then, and what was read of it must
    /// not be taken for the whole.
    ///
    /// # Errors
    ///
    /// If the scan cannot begin.
    fn parts<'a>(&'a self, scan: &'a Scan) -> Result<Parts<'a>>;

    /// Whether the parts of a scan can be read in the order of their keys, holding back no more than `held_bytes` of
    /// rows that come too early, as far as that can be told cheaply.
    ///
    /// A hint that is never trusted: the audit checks the order as it reads, and starts again if it is broken.
    ///
    /// # Errors
    ///
    /// If the table cannot be read.
    fn seems_ordered(&self, scan: &Scan, held_bytes: u64) -> Result<bool>;

    /// How the engine can add up the fingerprints of a scan's rows where they are, without sending them.
    ///
    /// # Errors
    ///
    /// If a server does not answer.
    fn pushes(&self, _scan: &Scan) -> Result<Pushes> {
        Ok(Pushes::default())
    }

    /// The statement that adds up fingerprints of a scan, all of its rows together, for people to read.
    fn push_statement(&self, _scan: &Scan, _grid: &Grid) -> Option<String> {
        None
    }

    /// Bytes read so far, by all scans.
    fn bytes_read(&self) -> u64;
}

/// How an engine can add up fingerprints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushes {
    /// Whether it can, by [portable text](crate::model::portable); if not, why.
    pub able: Result<(), String>,
    /// What it can hash of each column [value by value](crate::model::chained), which costs it less than sending the row;
    /// `None`: it cannot.
    pub forms: Option<Vec<Form>>,
    /// The least and the greatest key, where the key is one column of whole numbers that fit 64 bits, with an index by which rows
    /// are found, and there is a row.
    pub extent: Option<(i64, i64)>,
}

impl Pushes {
    /// Whether it can in any way, which only servers can.
    pub fn is_able(&self) -> bool {
        self.able.is_ok() || self.forms.is_some()
    }
}

impl Default for Pushes {
    /// Not at all: the rows are at hand, and no server has them.
    fn default() -> Self {
        Pushes { able: Err("the rows are read here, no server has them".to_string()), forms: None, extent: None }
    }
}

/// What an engine can do. Stages ask for these, never which engine it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// A location can hold several tables; if not, its one table is meant whatever its name.
    pub many_tables: bool,
    /// Rows can be selected by a condition in the engine's own language ([`Scan::condition`]).
    pub conditions: bool,
    /// Rows can lack a column, which is not the same as NULL (NDJSON).
    pub absent_values: bool,
    /// Few rows of a part can be read without all others, [by their places](places).
    pub places: bool,
    /// What [`Part::read_deferred`] hands rows on as; `None`: in canonical bytes.
    pub native: Option<Native>,
}

/// The parts of a scan.
pub type Parts<'a> = Box<dyn Iterator<Item = Result<Box<dyn Part + 'a>>> + Send + 'a>;

/// A part of a scan, read once by one thread. Parts are bounded in size: some tens of MiB of rows at most, unless
/// a single row is larger.
pub trait Part: Send {
    /// About how many bytes its rows take in canonical form.
    fn weight_bytes(&self) -> u64;

    /// A key, in canonical bytes, that no row of this part nor of any later one is below; `None`: not known. A hint
    /// like [`Session::seems_ordered`].
    fn least_key(&self) -> Option<&[u8]> {
        None
    }

    /// Reads the rows in stored order and hands them to `emit` block by block; returns how many rows were read in
    /// full, those that the scan's cells do not select included if all their columns had to be read.
    ///
    /// `emit` may take the block's rows out of it; the block is cleared and used again after each call. A block has
    /// at least one row. An error of `emit` ends the reading and is returned.
    ///
    /// # Errors
    ///
    /// If the part cannot be read to its end: the rows handed on so far must not be taken for all of them.
    fn read(self: Box<Self>, emit: &mut dyn FnMut(&mut RowBlock) -> Result<()>) -> Result<u64>;

    /// Lets the server add up the fingerprints of the rows, cell by cell. `hashed` is told of all rows, and about how
    /// many bytes they are, some at a time; an error of it ends the hashing and is returned.
    ///
    /// # Errors
    ///
    /// If the engine does not [push](Session::pushes), and those of the server.
    fn fingerprint(self: Box<Self>, _grid: &Grid, _hashed: &mut dyn FnMut(u64, u64) -> Result<()>) -> Result<CellSums> {
        Err(Error::new("found rows that no server hashes"))
    }

    /// Reads like [`Part::read`], but hands on rows in the engine's [`Native`] form where it can.
    ///
    /// # Errors
    ///
    /// Those of [`Part::read`].
    fn read_deferred(self: Box<Self>, emit: &mut dyn FnMut(Rows<'_>) -> Result<()>) -> Result<u64> {
        self.read(&mut |block| emit(Rows::Encoded(block)))
    }
}

/// Some rows of a part, in stored order.
pub enum Rows<'a> {
    /// In canonical bytes. The rows may be taken out; the block is cleared and used again.
    Encoded(&'a mut RowBlock),
    /// As they came.
    Deferred(Box<dyn Deferred>),
}

impl Rows<'_> {
    /// The number of rows, which is not zero.
    #[expect(clippy::len_without_is_empty, reason = "it never is")]
    pub fn len(&self) -> usize {
        match self {
            Rows::Encoded(block) => block.len(),
            Rows::Deferred(rows) => rows.len(),
        }
    }

    /// About what they take in memory, in bytes.
    pub fn bytes_len(&self) -> usize {
        match self {
            Rows::Encoded(block) => block.bytes_len(),
            Rows::Deferred(rows) => rows.size_bytes(),
        }
    }
}

/// What is read of a table, and what its values are turned into.
#[derive(Debug, Clone, Default)]
pub struct Scan {
    /// The table.
    pub table: TableName,
    /// The compared columns, those of the key first.
    pub columns: Vec<ScanColumn>,
    /// How many of them are the key.
    pub key_columns: usize,
    /// If set, only these rows are handed on.
    pub cells: Option<Arc<Selection>>,
    /// Whether the parts may come in any order: then they are cut as is cheapest.
    pub any_order: bool,
    /// Whether the server hashes the rows: then parts may be as large as is cheapest, and it can tell the cells of hashes.
    pub hashed_there: bool,
    /// If set, only rows that meet this condition, in the engine's own language, are read at all.
    pub condition: Option<String>,
}

impl Scan {
    /// The cells of a grid whose rows alone are wanted, where the server can tell which those are.
    pub fn cells_told_there(&self) -> Option<&GridCells> {
        match self.cells.as_deref()? {
            Selection::Cells(cells) => (cells.grid.position == Position::Key || self.hashed_there).then_some(cells),
            Selection::Hashes(_) | Selection::Keys(_) => None,
        }
    }

    /// The keys whose rows alone are wanted, where that is what is known of them.
    pub fn keys(&self) -> Option<&KeyRanges> {
        match self.cells.as_deref()? {
            Selection::Keys(keys) => Some(keys),
            Selection::Hashes(_) | Selection::Cells(_) => None,
        }
    }
}

/// One column of a scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScanColumn {
    /// Its place among the columns of its table, as [`Session::tables`] lists them.
    pub index: usize,
    /// What its values are read as.
    pub kind: Kind,
    /// Whether the value as the side holds it is appended to the row as well: text under `Tag::Text`, or NULL.
    pub raw: bool,
    /// Whether a row that lacks the column is told from one that has NULL there; if not, it counts as NULL.
    pub tells_absent: bool,
}

/// How a side is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenOptions {
    /// How files are read.
    pub files: files::FileOptions,
    /// Connections to a server: how many parts can be read at the same time.
    pub connections: usize,
    /// How long a server may take to answer a connection.
    pub connect_timeout: Duration,
    /// How long a server may take over one statement; `None`: as long as it takes.
    pub statement_timeout: Option<Duration>,
    /// Whether servers whose connections cannot share a snapshot are locked against writing while one is opened on each.
    pub lock: bool,
}

impl Default for OpenOptions {
    fn default() -> Self {
        OpenOptions {
            files: files::FileOptions::default(),
            connections: 2,
            connect_timeout: Duration::from_secs(10),
            statement_timeout: None,
            lock: false,
        }
    }
}

/// Opens a location, without the table that it may name after `#`: the only place where engines are told apart.
///
/// # Errors
///
/// If there is nothing at the location, or nothing that any engine reads.
pub fn open(location: &str, options: &OpenOptions) -> Result<Box<dyn Session>> {
    let scheme = location.split_once("://").map_or("", |(scheme, _)| scheme);
    if mysql::SCHEMES.contains(&scheme) {
        return mysql::MysqlSession::open(location, options).map(|session| Box::new(session) as Box<dyn Session>);
    }
    if location.starts_with(sqlite::SCHEME) || sqlite::is_database(location) {
        return sqlite::SqliteSession::open(location, options).map(|session| Box::new(session) as Box<dyn Session>);
    }
    if location.starts_with("postgres://") || location.starts_with("postgresql://") {
        return postgres::PostgresSession::open(location, options).map(|session| Box::new(session) as Box<dyn Session>);
    }
    files::FileSession::open(location, &options.files).map(|session| Box::new(session) as Box<dyn Session>)
}
