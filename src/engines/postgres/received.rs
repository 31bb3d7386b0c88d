//! Rows held as they were received: the tuples of a binary COPY, one after the other.
//!
//! Only their keys are decoded. Two sides that read the same types the same way are compared by their bytes.

use std::any::Any;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use super::scan::Reading;
use super::tuples::{Fields, bytes_of, list_fields};
use crate::engines::Deferred;
use crate::engines::rows::{Form, write_row};
use crate::error::Result;
use crate::model::row::{BLOCK_BYTES_MAX, BLOCK_ROWS_MAX, RowBlock, compare_keys};

/// Some rows of a part.
pub struct Received {
    reading: Arc<Reading>,
    tuples: Vec<u8>,
    /// The keys, in canonical bytes.
    keys: Vec<u8>,
    /// Where the rows and their keys end.
    ends: Vec<Ends>,
    /// Whether each key is above the one before it, and none has NULL in it.
    ascending: bool,
}

#[derive(Clone, Copy, Default)]
struct Ends {
    tuple: usize,
    key: usize,
}

impl Received {
    /// No rows yet.
    pub fn new(reading: Arc<Reading>) -> Self {
        Received { reading, tuples: Vec::new(), keys: Vec::new(), ends: Vec::new(), ascending: true }
    }

    /// Takes the rows out; those that come next will need about as much room.
    pub fn take(&mut self) -> Self {
        let room = |used: usize| used + used / 8;
        let next = Received {
            tuples: Vec::with_capacity(room(self.tuples.len())),
            keys: Vec::with_capacity(room(self.keys.len())),
            ends: Vec::with_capacity(self.ends.len()),
            ..Received::new(Arc::clone(&self.reading))
        };
        std::mem::replace(self, next)
    }

    /// Appends a row.
    ///
    /// # Errors
    ///
    /// If a value of the key is none of its column's type.
    pub fn push(&mut self, tuple: &[u8], fields: &Fields) -> Result<()> {
        let (last, start) = (self.start(self.ends.len().saturating_sub(1)).key, self.keys.len());
        for (place, field) in fields.iter().enumerate().take(self.reading.scan.key_columns) {
            self.ascending &= field.is_some();
            self.reading.push(place, Form::Canonical, bytes_of(tuple, field), &mut self.keys)?;
        }
        self.ascending &= self.ends.is_empty() || compare_keys(&self.keys[last..start], &self.keys[start..]).is_lt();
        self.tuples.extend_from_slice(tuple);
        self.ends.push(Ends { tuple: self.tuples.len(), key: self.keys.len() });
        Ok(())
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Whether the rows should be handed on before another one is added.
    pub fn is_full(&self) -> bool {
        self.ends.len() >= BLOCK_ROWS_MAX || self.tuples.len() >= BLOCK_BYTES_MAX
    }

    /// Where a row and its key begin.
    fn start(&self, row: usize) -> Ends {
        row.checked_sub(1).map_or(Ends::default(), |before| self.ends[before])
    }

    /// The tuples of some rows.
    fn tuples(&self, rows: &Range<usize>) -> &[u8] {
        &self.tuples[self.start(rows.start).tuple..self.start(rows.end).tuple]
    }
}

impl Deferred for Received {
    fn len(&self) -> usize {
        self.ends.len()
    }

    fn size_bytes(&self) -> usize {
        self.tuples.capacity() + self.keys.capacity() + self.ends.capacity() * size_of::<Ends>()
    }

    fn key(&self, row: usize) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.keys[self.start(row).key..self.start(row + 1).key])
    }

    fn keys_ascend(&self) -> bool {
        self.ascending
    }

    fn encode(&self, rows: &[usize], block: &mut RowBlock) -> Result<()> {
        let (reading, mut fields) = (&self.reading, Vec::new());
        for &row in rows {
            let tuple = self.tuples(&(row..row + 1));
            list_fields(tuple, &mut fields)?;
            write_row(&reading.scan, block, |place, form, out| reading.push(place, form, bytes_of(tuple, &fields[place]), out))
                .map_err(|error| reading.located(error))?;
        }
        Ok(())
    }

    fn differing(&self, rows: Range<usize>, other: &dyn Deferred, others: Range<usize>) -> Vec<usize> {
        let other = (other as &dyn Any).downcast_ref::<Received>().filter(|other| self.reading.reads_like(&other.reading));
        let Some(other) = other else { return (0..rows.len()).collect() };
        // Most are all the same.
        if self.tuples(&rows) == other.tuples(&others) {
            return Vec::new();
        }
        let is_same = |row: usize, other_row: usize| self.tuples(&(row..row + 1)) == other.tuples(&(other_row..other_row + 1));
        (0..rows.len()).filter(|place| !is_same(rows.start + place, others.start + place)).collect()
    }
}
