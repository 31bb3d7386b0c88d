//! Rows held as they were received: the bytes in which a server sent them, one row after the other.
//!
//! Only their keys are decoded. Two sides that read the same types the same way are compared by their bytes.

use std::any::Any;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use super::{Deferred, Rows};
use crate::error::Result;
use crate::model::row::{BLOCK_BYTES_MAX, BLOCK_ROWS_MAX, RowBlock, compare_keys};

/// How the bytes of a row are read. They tell where it ends, so that rows whose bytes are the same one after the other are the same
/// one by one.
pub trait RowFormat: Send + Sync + 'static {
    /// Whether the same bytes mean the same canonical bytes to `other`.
    fn reads_like(&self, other: &Self) -> bool;

    /// Appends some rows, in canonical bytes.
    ///
    /// # Errors
    ///
    /// If a value is none of its column's type.
    fn write<'a>(&self, rows: impl Iterator<Item = &'a [u8]>, block: &mut RowBlock) -> Result<()>;
}

/// Some rows of a part.
pub struct Received<F> {
    format: Arc<F>,
    rows: Vec<u8>,
    /// The keys, in canonical bytes.
    keys: Vec<u8>,
    /// Where the rows and their keys end.
    ends: Vec<Ends>,
    /// Whether each key is above the one before it, and none has NULL in it.
    ascending: bool,
}

#[derive(Clone, Copy, Default)]
struct Ends {
    row: usize,
    key: usize,
}

impl<F: RowFormat> Received<F> {
    /// No rows yet.
    pub fn new(format: Arc<F>) -> Self {
        Received { format, rows: Vec::new(), keys: Vec::new(), ends: Vec::new(), ascending: true }
    }

    /// Appends a row. `push_key` appends its key, in canonical bytes, and tells whether there is no NULL in it.
    ///
    /// # Errors
    ///
    /// Those of `push_key`.
    #[inline]
    pub fn push(&mut self, row: &[u8], push_key: impl FnOnce(&mut Vec<u8>) -> Result<bool>) -> Result<()> {
        let (last, start) = (self.start(self.ends.len().saturating_sub(1)).key, self.keys.len());
        self.ascending &= push_key(&mut self.keys)?;
        self.ascending &= self.ends.is_empty() || compare_keys(&self.keys[last..start], &self.keys[start..]).is_lt();
        self.rows.extend_from_slice(row);
        self.ends.push(Ends { row: self.rows.len(), key: self.keys.len() });
        Ok(())
    }

    /// Whether the rows should be handed on before another one is added.
    pub fn is_full(&self) -> bool {
        self.ends.len() >= BLOCK_ROWS_MAX || self.rows.len() >= BLOCK_BYTES_MAX
    }

    /// Hands on the rows, if there are any.
    ///
    /// # Errors
    ///
    /// Those of `emit`.
    pub fn hand_on(&mut self, emit: &mut dyn FnMut(Rows<'_>) -> Result<()>) -> Result<()> {
        if self.ends.is_empty() { Ok(()) } else { emit(Rows::Deferred(Box::new(self.take()))) }
    }

    /// Takes the rows out; those that come next will need about as much room.
    fn take(&mut self) -> Self {
        let room = |used: usize| used + used / 8;
        let next = Received {
            rows: Vec::with_capacity(room(self.rows.len())),
            keys: Vec::with_capacity(room(self.keys.len())),
            ends: Vec::with_capacity(self.ends.len()),
            ..Received::new(Arc::clone(&self.format))
        };
        std::mem::replace(self, next)
    }

    /// Where a row and its key begin.
    fn start(&self, row: usize) -> Ends {
        row.checked_sub(1).map_or(Ends::default(), |before| self.ends[before])
    }

    /// The bytes of some rows.
    fn bytes(&self, rows: &Range<usize>) -> &[u8] {
        &self.rows[self.start(rows.start).row..self.start(rows.end).row]
    }
}

impl<F: RowFormat> Deferred for Received<F> {
    fn len(&self) -> usize {
        self.ends.len()
    }

    fn size_bytes(&self) -> usize {
        self.rows.capacity() + self.keys.capacity() + self.ends.capacity() * size_of::<Ends>()
    }

    fn key(&self, row: usize) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.keys[self.start(row).key..self.start(row + 1).key])
    }

    fn keys_ascend(&self) -> bool {
        self.ascending
    }

    fn encode(&self, rows: &[usize], block: &mut RowBlock) -> Result<()> {
        self.format.write(rows.iter().map(|&row| self.bytes(&(row..row + 1))), block)
    }

    fn differing(&self, rows: Range<usize>, other: &dyn Deferred, others: Range<usize>) -> Vec<usize> {
        let other = (other as &dyn Any).downcast_ref::<Self>().filter(|other| self.format.reads_like(&other.format));
        let Some(other) = other else { return (0..rows.len()).collect() };
        // Most are all the same.
        if self.bytes(&rows) == other.bytes(&others) {
            return Vec::new();
        }
        let is_same = |row: usize, other_row: usize| self.bytes(&(row..row + 1)) == other.bytes(&(other_row..other_row + 1));
        (0..rows.len()).filter(|place| !is_same(rows.start + place, others.start + place)).collect()
    }
}
