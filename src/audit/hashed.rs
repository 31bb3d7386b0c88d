//! Both sides read in any order: the key-hash domain, as one window.
//!
//! The first reading of a side gives the fingerprints of all its cells. Only rows of cells that differ are read a
//! second time, by their places if they are few and the engine can; they are set aside by partition and then compared
//! partition by partition. Where it is known before that many cells will differ, all rows are set aside as they first come,
//! and there is no second reading.

use std::ops::Range as Indexes;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use rayon::prelude::*;

use super::aside::{Aside, PARTITION_BYTES};
use super::ledger::Ledger;
use super::method::Method;
use super::plan::Plan;
use super::repeats::count_repeated;
use super::run::{Peculiarities, has_null};
use super::windows::{Halt, Watch, Windows};
use crate::engines::{Scan, Session};
use crate::error::{Error, Result};
use crate::model::digest::{Fingerprint, key_hash};
use crate::model::grid::Selection;
use crate::model::range::{CellSet, Evidence, RangeOutcome, RangeRecord};
use crate::model::row::RowBlock;
use crate::sides::{Side, Sides};

/// The one window of a table that is read by key hash.
pub struct Hashed<'a> {
    plan: &'a Plan,
    sessions: &'a Sides<Box<dyn Session>>,
    watch: &'a Watch<'a>,
    prints: Vec<Sides<Fingerprint>>,
    /// Where the first reading sets all rows aside.
    aside: Option<Aside<'a>>,
    /// What the first reading came to.
    first: Sides<Sums>,
    done: bool,
}

/// What one thread adds up while it reads a side.
#[derive(Default)]
struct Sums {
    cells: Vec<Fingerprint>,
    bytes: u64,
    null_key_rows: u64,
    /// Key hashes, to find keys that repeat; those of all rows, unless there are too many to hold.
    hashes: Vec<u64>,
}

impl<'a> Hashed<'a> {
    /// The window of a table.
    pub fn new(plan: &'a Plan, sessions: &'a Sides<Box<dyn Session>>, watch: &'a Watch<'a>, method: &Method) -> Self {
        let cells = plan.cells.count();
        // As many partitions as there may be: how many rows come is not known yet.
        let aside = method.sets_all_aside.then(|| Aside::new(plan, watch, cells, 0..cells, |_| PARTITION_BYTES));
        Hashed { plan, sessions, watch, prints: Vec::new(), aside, first: Sides::default(), done: false }
    }

    /// Reads a side and adds up its cells; each block is also given to `each`, with the cells of its rows. At most `hashes_max` key hashes are
    /// kept.
    fn sums(
        &self,
        side: Side,
        scan: &Scan,
        hashes_max: u64,
        each: impl Fn(&RowBlock, &mut dyn Iterator<Item = usize>) -> Result<()> + Sync,
    ) -> Result<Sums, Halt> {
        let (cells, digester) = (self.plan.cells, &self.plan.digester);
        // Counted over all threads, so that whether there are too many does not depend on how many threads there are.
        let hashed = AtomicU64::new(0);
        let empty = || Sums { cells: vec![Fingerprint::default(); cells.count()], ..Sums::default() };
        let parts = self.sessions.get(side).parts(scan).map_err(|error| Halt::Failed(error.on(side)))?;
        let read = |mut sums: Sums, part| {
            let mut digests = Vec::new();
            self.watch.read(side, part, |block| {
                let rows = block.len() as u64;
                let keeps = hashed.fetch_add(rows, Relaxed) + rows <= hashes_max;
                for row in block.iter() {
                    let hash = key_hash(row.key());
                    digests.push((cells.of(hash), digester.digest(row.compared())));
                    sums.null_key_rows += u64::from(has_null(row.key()));
                    if keeps {
                        sums.hashes.push(hash);
                    }
                }
                each(block, &mut digests.iter().map(|(cell, _)| *cell)).map_err(Halt::Failed)?;
                // Cells lie all over a table larger than the nearest caches: one after the other, with nothing between, they
                // are waited for many at a time.
                digests.drain(..).for_each(|(cell, digest)| sums.cells[cell].add(digest));
                sums.bytes += block.bytes_len() as u64;
                Ok(())
            })?;
            Ok(sums)
        };
        let merge = |mut one: Sums, mut other: Sums| {
            one.cells.iter_mut().zip(&other.cells).for_each(|(sum, cell)| sum.merge(*cell));
            one.bytes += other.bytes;
            one.null_key_rows += other.null_key_rows;
            one.hashes.append(&mut other.hashes);
            Ok(one)
        };
        parts.par_bridge().try_fold(empty, read).try_reduce(empty, merge)
    }

    /// Reads the rows of the suspects again and sets them aside; they must be the rows that made them suspects.
    fn set_aside(&self, suspects: &[usize], aside: &Aside<'_>) -> Result<(), Halt> {
        let cells = self.plan.cells;
        let set = Arc::new(Selection::Hashes(CellSet::new(cells, |cell| suspects.binary_search(&cell).is_ok())));
        let read = |side: Side| {
            let scan = Scan { cells: Some(Arc::clone(&set)), any_order: true, ..self.plan.scans.get(side).clone() };
            let sums = self.sums(side, &scan, 0, |block, cells| aside.push(side, cells.zip(block.iter())))?;
            match suspects.iter().all(|&cell| sums.cells[cell] == *self.prints[cell].get(side)) {
                true => Ok(()),
                false => Err(Halt::Failed(Error::new("rows changed between two readings").on(side))),
            }
        };
        let (source, target) = rayon::join(|| read(Side::Source), || read(Side::Target));
        source.and(target)
    }

    /// Enters the ranges of some cells in the books.
    fn enter(&self, cells: Indexes<usize>, suspects: &[usize], outcome: RangeOutcome, ledger: &mut Ledger<'_>) -> Result<(), Halt> {
        cells.into_iter().try_for_each(|cell| {
            let outcome = if suspects.binary_search(&cell).is_ok() { outcome } else { RangeOutcome::Equal };
            let record = RangeRecord { range: self.plan.cells.range(cell), evidence: Evidence::hashed(self.prints[cell]), outcome };
            ledger.range(&record).map_err(Halt::Report)
        })
    }

    fn note_peculiarities(&mut self, ledger: &mut Ledger<'_>) {
        for side in Side::BOTH {
            let sums = self.first.get_mut(side);
            let rows: u64 = sums.cells.iter().map(|cell| cell.rows).sum();
            if sums.hashes.len() as u64 != rows && !self.plan.distinct_keys {
                ledger.counts.repetitions_unknown = true;
                sums.hashes.clear();
            }
        }
        let hashes = Sides::from_fn(|side| std::mem::take(&mut self.first.get_mut(side).hashes));
        let (source, target) = rayon::join(|| count_repeated(hashes.source), || count_repeated(hashes.target));
        for (side, repeated_keys) in [(Side::Source, source), (Side::Target, target)] {
            ledger.peculiar(side, Peculiarities { repeated_keys, null_key_rows: self.first.get(side).null_key_rows });
        }
    }
}

impl Windows for Hashed<'_> {
    fn fingerprint(&mut self) -> Result<Option<Vec<Evidence>>, Halt> {
        if std::mem::replace(&mut self.done, true) {
            return Ok(None);
        }
        let hashes_max = match self.plan.distinct_keys {
            true => 0,
            false => self.plan.limits.window_bytes / if self.aside.is_some() { 4 } else { 2 } / size_of::<u64>() as u64,
        };
        let room_ended = AtomicBool::new(false);
        let read = |side: Side| {
            let scan = Scan { any_order: true, ..self.plan.scans.get(side).clone() };
            self.sums(side, &scan, hashes_max, |block, cells| {
                let Some(aside) = self.aside.as_ref().filter(|_| !room_ended.load(Relaxed)) else { return Ok(()) };
                // Fewer rows, those of ranges that differ, may find room after a second reading.
                room_ended.fetch_or(aside.push(side, cells.zip(block.iter())).is_err(), Relaxed);
                Ok(())
            })
        };
        let (source, target) = rayon::join(|| read(Side::Source), || read(Side::Target));
        self.first = Sides { source: source?, target: target? };
        if room_ended.into_inner() {
            self.aside = None;
        }
        let cells = self.first.as_ref().map(|sums| &sums.cells);
        self.prints = cells.source.iter().zip(cells.target).map(|(&source, &target)| Sides { source, target }).collect();
        Ok(Some(self.prints.iter().copied().map(Evidence::hashed).collect()))
    }

    fn compare(&mut self, suspects: &[usize], ledger: &mut Ledger<'_>) -> Result<(), Halt> {
        self.note_peculiarities(ledger);
        let cells = self.plan.cells.count();
        if suspects.is_empty() {
            return self.enter(0..cells, suspects, RangeOutcome::Equal, ledger);
        }
        self.watch.observer.stage("compare");
        let (aside, read) = match self.aside.take() {
            Some(aside) => (aside, Ok(())),
            None => {
                let mean = |sums: &Sums| sums.bytes / sums.cells.iter().map(|cell| cell.rows).sum::<u64>().max(1) + 1;
                let row_bytes = self.first.as_ref().map(mean);
                let bytes_of =
                    |cell: usize| Side::BOTH.map(|side| self.prints[cell].get(side).rows * row_bytes.get(side)).iter().sum();
                let aside = Aside::new(self.plan, self.watch, cells, suspects.iter().copied(), bytes_of);
                let read = self.set_aside(suspects, &aside);
                (aside, read)
            }
        };
        let is_suspect = CellSet::new(self.plan.cells, |cell| suspects.binary_search(&cell).is_ok());
        let mut entered = 0;
        let compared = read.and_then(|()| {
            aside.compare(ledger, &|hash| is_suspect.contains(hash), |ledger, cells| {
                entered = cells.end;
                self.enter(cells, suspects, RangeOutcome::Compared, ledger)
            })
        });
        let rest = if compared.is_ok() { RangeOutcome::Compared } else { RangeOutcome::Failed };
        self.enter(entered..cells, suspects, rest, ledger)?;
        compared
    }
}
