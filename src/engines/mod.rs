//! Engines: where rows come from.
//!
//! An engine describes one table of a side and reads it in parts, each part by one thread, in canonical bytes. It
//! never writes to what it reads, and it never sees the other side: what the values are turned into comes with the
//! [`Scan`]. Adding an engine touches one folder and the one line in [`open`].

pub mod arrow;
pub mod files;
pub mod memory;

use std::sync::Arc;

pub use arrow::Deferred;

use crate::error::Result;
use crate::model::kind::Kind;
use crate::model::range::CellSet;
use crate::model::row::RowBlock;
use crate::model::schema::Table;

/// One side of an audit, opened. Shared by all threads; the data is not read before [`Session::parts`].
pub trait Session: Send + Sync {
    /// What the side is, for the report: `Parquet, 3 files`.
    fn engine(&self) -> String;

    /// What this engine can do.
    fn capabilities(&self) -> Capabilities;

    /// Describes the table. The answer is the same each time.
    ///
    /// # Errors
    ///
    /// If the table cannot be read, or its files do not agree.
    fn describe(&self) -> Result<Table>;

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

    /// Bytes read so far, by all scans.
    fn bytes_read(&self) -> u64;
}

/// What an engine can do. Stages ask for these, never which engine it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// Rows can lack a column, which is not the same as NULL (NDJSON).
    pub absent_values: bool,
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

    /// Reads like [`Part::read`], but hands on rows as they were decoded where that is cheaper for the engine.
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
    /// As they were decoded.
    Deferred(Deferred),
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
#[derive(Debug, Clone)]
pub struct Scan {
    /// The compared columns, those of the key first.
    pub columns: Vec<ScanColumn>,
    /// How many of them are the key.
    pub key_columns: usize,
    /// If set, only rows whose key hash lies in these cells are handed on.
    pub cells: Option<Arc<CellSet>>,
}

/// One column of a scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScanColumn {
    /// Its place among the columns that [`Session::describe`] lists.
    pub index: usize,
    /// What its values are read as.
    pub kind: Kind,
    /// Whether the value as the side holds it is appended to the row as well: text under `Tag::Text`, or NULL.
    pub raw: bool,
    /// Whether a row that lacks the column is told from one that has NULL there; if not, it counts as NULL.
    pub tells_absent: bool,
}

/// Opens a location: the only place where engines are told apart.
///
/// # Errors
///
/// If there is nothing at the location, or nothing that any engine reads.
pub fn open(location: &str, options: &files::FileOptions) -> Result<Box<dyn Session>> {
    files::FileSession::open(location, options).map(|session| Box::new(session) as Box<dyn Session>)
}
