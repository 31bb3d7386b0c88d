//! Rows that are held as they came: decoded or just received, and not in canonical bytes.
//!
//! Most rows of most tables are the same on both sides. Where two sides hold them in one form, comparing their bits
//! tells so in a fraction of the time that it takes to put rows into canonical bytes and to hash them.

use std::any::Any;
use std::borrow::Cow;
use std::ops::Range;

use crate::error::Result;
use crate::model::row::RowBlock;

/// The form in which an engine can hand on rows as they come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Native {
    /// Arrow's columns.
    Columns,
    /// The rows of PostgreSQL's binary COPY.
    PostgresCopy,
    /// The rows of MySQL's binary protocol.
    MysqlPackets,
}

/// Some rows of a part, in stored order, as they came.
#[expect(clippy::len_without_is_empty, reason = "there is at least one row")]
pub trait Deferred: Any + Send + Sync {
    /// The number of rows, which is not zero.
    fn len(&self) -> usize;

    /// The memory that the rows hold, in bytes.
    fn size_bytes(&self) -> usize;

    /// The key of a row, in canonical bytes.
    fn key(&self, row: usize) -> Cow<'_, [u8]>;

    /// Whether each key is above the one before it, and none has NULL in it.
    fn keys_ascend(&self) -> bool;

    /// Appends the rows at some places, in canonical bytes.
    ///
    /// # Errors
    ///
    /// If a value is none of its column's type.
    fn encode(&self, rows: &[usize], block: &mut RowBlock) -> Result<()>;

    /// Holds some rows against as many other ones, one by one: the places, among them, of those that are not known to have
    /// the same canonical bytes. They may have them all the same.
    fn differing(&self, rows: Range<usize>, other: &dyn Deferred, others: Range<usize>) -> Vec<usize>;
}
