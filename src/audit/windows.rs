//! What the two ways of reading a table have in common: windows of ranges, and what can end the line early.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use super::ledger::Ledger;
use crate::engines::{Part, Rows};
use crate::error::{Error, Result};
use crate::model::grid::{CellSums, Grid};
use crate::model::range::Evidence;
use crate::model::row::RowBlock;
use crate::sides::{Side, Sides};

/// A table as a line of windows, each some adjacent ranges of the domain.
pub trait Windows {
    /// Reads the next window on both sides and returns what is known of its ranges; `None`: the domain is covered.
    ///
    /// # Errors
    ///
    /// What ends the line; nothing of the window is in the books then.
    fn fingerprint(&mut self) -> Result<Option<Vec<Evidence>>, Halt>;

    /// Compares the rows of the ranges at `suspects` and enters all ranges of the window in the books.
    ///
    /// # Errors
    ///
    /// What ends the line; ranges that were finished are in the books.
    fn compare(&mut self, suspects: &[usize], ledger: &mut Ledger<'_>) -> Result<(), Halt>;
}

/// Why the line ended before the domain was covered.
#[derive(Debug)]
pub enum Halt {
    /// A side could not be read, or rows could not be spilled: what is left is unknown.
    Failed(Error),
    /// The user asked to stop.
    Interrupted,
    /// The rows do not lie in the order of their keys: the table has to be read by key hash.
    Unordered,
    /// A server cannot hash its rows: they have to be streamed.
    Unhashed(Error),
    /// So many ranges differ that the rows of all of them are better streamed.
    Widespread {
        /// The share of the rows that differ, if they are scattered.
        changed: f64,
    },
    /// The report could not be written: there is no point in going on.
    Report(Error),
}

impl Halt {
    /// What a server could not read it could not hash; to read it may be possible all the same.
    pub fn unhashed(self) -> Halt {
        match self {
            Halt::Failed(error) => Halt::Unhashed(error),
            halt => halt,
        }
    }
}

/// Is told how reading goes on.
pub trait Observer: Sync {
    /// A stage of the line begins.
    fn stage(&self, name: &'static str);

    /// More rows and bytes were read.
    fn read(&self, rows: u64, bytes: u64);
}

/// Counts what is read, tells the observer, and knows whether the user wants to stop.
pub struct Watch<'a> {
    interrupted: &'a AtomicBool,
    /// Is told how reading goes on.
    pub observer: &'a dyn Observer,
    rows_read: Sides<AtomicU64>,
    rows_hashed: Sides<AtomicU64>,
}

impl<'a> Watch<'a> {
    /// A watch that ends the line once `interrupted` is set.
    pub fn new(interrupted: &'a AtomicBool, observer: &'a dyn Observer) -> Self {
        Watch { interrupted, observer, rows_read: Sides::default(), rows_hashed: Sides::default() }
    }

    /// Rows read in full on each side so far, those read twice counted twice.
    pub fn rows_read(&self) -> Sides<u64> {
        self.rows_read.as_ref().map(|rows| rows.load(Relaxed))
    }

    /// Rows that servers hashed by themselves so far.
    pub fn rows_hashed(&self) -> Sides<u64> {
        self.rows_hashed.as_ref().map(|rows| rows.load(Relaxed))
    }

    /// Ends the line if the user wants to stop.
    ///
    /// # Errors
    ///
    /// [`Halt::Interrupted`].
    pub fn check(&self) -> Result<(), Halt> {
        if self.interrupted.load(Relaxed) { Err(Halt::Interrupted) } else { Ok(()) }
    }

    /// Reads a part to its end and gives each block to `take`.
    ///
    /// # Errors
    ///
    /// Those of `take`; [`Halt::Failed`] if the part cannot be read; [`Halt::Interrupted`].
    pub fn read(
        &self,
        side: Side,
        part: Result<Box<dyn Part + '_>>,
        mut take: impl FnMut(&mut RowBlock) -> Result<(), Halt>,
    ) -> Result<(), Halt> {
        let mut halt = None;
        let read = part.and_then(|part| {
            part.read(&mut |block| self.took(block.len() as u64, block.bytes_len() as u64, &mut halt, || take(block)))
        });
        self.count(side, ended(side, halt, read)?);
        Ok(())
    }

    /// Reads a part to its end and gives its rows to `take`, as far as they come as they were decoded.
    ///
    /// # Errors
    ///
    /// Those of [`Watch::read`].
    pub fn read_deferred(
        &self,
        side: Side,
        part: Result<Box<dyn Part + '_>>,
        mut take: impl FnMut(Rows<'_>) -> Result<(), Halt>,
    ) -> Result<(), Halt> {
        let mut halt = None;
        let read = part.and_then(|part| {
            part.read_deferred(&mut |rows| self.took(rows.len() as u64, rows.bytes_len() as u64, &mut halt, || take(rows)))
        });
        self.count(side, ended(side, halt, read)?);
        Ok(())
    }

    /// Lets the server add up the fingerprints of a part.
    ///
    /// # Errors
    ///
    /// [`Halt::Failed`] if it cannot; [`Halt::Interrupted`].
    pub fn fingerprint(&self, side: Side, part: Result<Box<dyn Part + '_>>, grid: &Grid) -> Result<CellSums, Halt> {
        self.check()?;
        let (mut halt, mut rows_hashed) = (None, 0);
        let sums = part.and_then(|part| {
            part.fingerprint(grid, &mut |rows, bytes| {
                rows_hashed += rows;
                self.took(rows, bytes, &mut halt, || Ok(()))
            })
        });
        let sums = ended(side, halt, sums)?;
        self.rows_hashed.get(side).fetch_add(rows_hashed, Relaxed);
        Ok(sums)
    }

    fn count(&self, side: Side, rows: u64) {
        self.rows_read.get(side).fetch_add(rows, Relaxed);
    }

    fn took(&self, rows: u64, bytes: u64, halt: &mut Option<Halt>, take: impl FnOnce() -> Result<(), Halt>) -> Result<()> {
        self.observer.read(rows, bytes);
        self.check().and_then(|()| take()).map_err(|cause| {
            *halt = Some(cause);
            Error::new("reading was stopped")
        })
    }
}

/// What reading a part of a side came to, if nothing halted it.
fn ended<T>(side: Side, halt: Option<Halt>, read: Result<T>) -> Result<T, Halt> {
    match halt {
        Some(halt) => Err(halt),
        None => read.map_err(|error| Halt::Failed(error.on(side))),
    }
}
