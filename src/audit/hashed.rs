//! Both sides read in any order: the key-hash domain, as one window.
//!
//! The first reading of a side gives the fingerprints of all its cells. Only rows of cells that differ are read a
//! second time; they are set aside by partition and then compared partition by partition. When most cells differ
//! the second reading takes nearly all rows, and is then just that: one streaming comparison through the spool.

use std::ops::{Range as Indexes, RangeInclusive};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use rayon::prelude::*;

use super::compare::compare;
use super::ledger::Ledger;
use super::plan::Plan;
use super::repeats::count_repeated;
use super::run::{Peculiarities, Run, Span, has_null};
use super::spool::{PARTITIONS_MAX, Spool};
use super::windows::{Halt, Watch, Windows};
use crate::engines::{Scan, Session};
use crate::error::{Error, Result};
use crate::model::digest::{Fingerprint, key_hash};
use crate::model::range::{CellSet, Evidence, RangeOutcome, RangeRecord};
use crate::model::row::Row;
use crate::sides::{Side, Sides};

/// The one window of a table that is read by key hash.
pub struct Hashed<'a> {
    plan: &'a Plan,
    sessions: &'a Sides<Box<dyn Session>>,
    watch: &'a Watch<'a>,
    prints: Vec<Sides<Fingerprint>>,
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
    pub fn new(plan: &'a Plan, sessions: &'a Sides<Box<dyn Session>>, watch: &'a Watch<'a>) -> Self {
        Hashed { plan, sessions, watch, prints: Vec::new(), first: Sides::default(), done: false }
    }

    /// Reads a side and adds up its cells; each row is also given to `each`. At most `hashes_max` key hashes are kept.
    fn sums(
        &self,
        side: Side,
        scan: &Scan,
        hashes_max: u64,
        each: impl Fn(Row<'_>, u64) -> Result<()> + Sync,
    ) -> Result<Sums, Halt> {
        let (cells, digester) = (self.plan.cells, &self.plan.digester);
        // Counted over all threads, so that whether there are too many does not depend on how many threads there are.
        let hashed = AtomicU64::new(0);
        let empty = || Sums { cells: vec![Fingerprint::default(); cells.count()], ..Sums::default() };
        let parts = self.sessions.get(side).parts(scan).map_err(|error| Halt::Failed(error.on(side)))?;
        let read = |mut sums: Sums, part| {
            self.watch.read(side, part, |block| {
                let rows = block.len() as u64;
                let keeps = hashed.fetch_add(rows, Relaxed) + rows <= hashes_max;
                for row in block.iter() {
                    let hash = key_hash(row.key());
                    each(row, hash).map_err(Halt::Failed)?;
                    sums.cells[cells.of(hash)].add(digester.digest(row.compared()));
                    sums.null_key_rows += u64::from(has_null(row.key()));
                    if keeps {
                        sums.hashes.push(hash);
                    }
                }
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
    fn set_aside(&self, suspects: &[usize], partition_of: &[u16], spools: &Sides<Spool>) -> Result<(), Halt> {
        let cells = self.plan.cells;
        let set = Arc::new(CellSet::new(cells, |cell| suspects.binary_search(&cell).is_ok()));
        let read = |side: Side| {
            let scan = Scan { cells: Some(Arc::clone(&set)), ..self.plan.scans.get(side).clone() };
            let spool = spools.get(side);
            let sums = self.sums(side, &scan, 0, |row, hash| spool.push(usize::from(partition_of[cells.of(hash)]), row))?;
            match suspects.iter().all(|&cell| sums.cells[cell] == *self.prints[cell].get(side)) {
                true => Ok(()),
                false => Err(Halt::Failed(Error::new("rows changed between two readings").on(side))),
            }
        };
        let (source, target) = rayon::join(|| read(Side::Source), || read(Side::Target));
        source.and(target)
    }

    /// Puts the suspects into partitions that fit in memory, as far as the number of partitions allows: for each
    /// cell its partition, and for each partition its cells.
    fn partitions(&self, suspects: &[usize]) -> (Vec<u16>, Vec<Vec<usize>>) {
        let row_bytes =
            self.first.as_ref().map(|sums| sums.bytes / sums.cells.iter().map(|cell| cell.rows).sum::<u64>().max(1) + 1);
        let bytes_of = |cell: usize| {
            let prints = self.prints[cell];
            prints.source.rows * row_bytes.source + prints.target.rows * row_bytes.target
        };
        let total: u64 = suspects.iter().map(|&cell| bytes_of(cell)).sum();
        let share = (self.plan.limits.window_bytes / 4).max(total / (PARTITIONS_MAX as u64 - 1)).max(1);
        let mut partition_of = vec![0; self.plan.cells.count()];
        let mut partitions: Vec<Vec<usize>> = Vec::new();
        let mut before = 0;
        for &cell in suspects {
            let partition = (before / share) as usize;
            before += bytes_of(cell);
            // A cell larger than a share leaves no gap in the numbers.
            if partitions.is_empty() || partition >= partitions.len() {
                partitions.push(Vec::new());
            }
            partition_of[cell] = (partitions.len() - 1) as u16;
            if let Some(last) = partitions.last_mut() {
                last.push(cell);
            }
        }
        (partition_of, partitions)
    }

    /// Compares a partition; the part of it whose key hashes lie in `hashes`.
    fn compare_partition(
        &self,
        partition: usize,
        spools: &Sides<Spool>,
        hashes: RangeInclusive<u64>,
        ledger: &mut Ledger<'_>,
    ) -> Result<(), Halt> {
        self.watch.check()?;
        let load = |side: Side| self.load(spools.get(side), partition, &hashes);
        let (source, target) = rayon::join(|| load(Side::Source), || load(Side::Target));
        let (Some(source), Some(target)) = (source.map_err(Halt::Failed)?, target.map_err(Halt::Failed)?) else {
            let (low, high) = hashes.into_inner();
            let middle = low + (high - low) / 2;
            self.compare_partition(partition, spools, low..=middle, ledger)?;
            return self.compare_partition(partition, spools, middle + 1..=high, ledger);
        };
        let spans = Sides { source, target }.map(Span::of);
        ledger.compared(compare(&spans, self.plan.pairing.columns.len())).map_err(Halt::Report)
    }

    /// The rows of a partition whose key hashes lie in `hashes`; `None` if they are too many to hold and the hashes
    /// can be cut in two.
    fn load(&self, spool: &Spool, partition: usize, hashes: &RangeInclusive<u64>) -> Result<Option<Run>> {
        let limit_bytes = (self.plan.limits.window_bytes / 4) as usize;
        let divisible = hashes.start() < hashes.end();
        let mut run = Run::default();
        let mut too_large = false;
        spool.read(partition, |row| {
            if too_large || !hashes.contains(&key_hash(row.key())) {
                return;
            }
            run.push_row(row, &self.plan.digester);
            if run.size_bytes() > limit_bytes && divisible {
                // Rows that share a key become one entry, which may make room.
                run = run.sorted();
                too_large = run.size_bytes() > limit_bytes / 2;
            }
        })?;
        Ok((!too_large).then(|| run.sorted()))
    }

    /// Enters the ranges from cell `from` up to cell `to` in the books.
    fn enter(&self, cells: Indexes<usize>, suspects: &[usize], outcome: RangeOutcome, ledger: &mut Ledger<'_>) -> Result<(), Halt> {
        cells.into_iter().try_for_each(|cell| {
            let outcome = if suspects.binary_search(&cell).is_ok() { outcome } else { RangeOutcome::Equal };
            let record =
                RangeRecord { range: self.plan.cells.range(cell), evidence: Evidence::Fingerprints(self.prints[cell]), outcome };
            ledger.range(&record).map_err(Halt::Report)
        })
    }

    fn note_peculiarities(&mut self, ledger: &mut Ledger<'_>) {
        for side in Side::BOTH {
            let sums = self.first.get_mut(side);
            let rows: u64 = sums.cells.iter().map(|cell| cell.rows).sum();
            if sums.hashes.len() as u64 != rows {
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
        let hashes_max = self.plan.limits.window_bytes / 2 / size_of::<u64>() as u64;
        let read = |side: Side| self.sums(side, self.plan.scans.get(side), hashes_max, |_, _| Ok(()));
        let (source, target) = rayon::join(|| read(Side::Source), || read(Side::Target));
        self.first = Sides { source: source?, target: target? };
        let cells = self.first.as_ref().map(|sums| &sums.cells);
        self.prints = cells.source.iter().zip(cells.target).map(|(&source, &target)| Sides { source, target }).collect();
        Ok(Some(self.prints.iter().copied().map(Evidence::Fingerprints).collect()))
    }

    fn compare(&mut self, suspects: &[usize], ledger: &mut Ledger<'_>) -> Result<(), Halt> {
        self.note_peculiarities(ledger);
        let cells = self.plan.cells.count();
        if suspects.is_empty() {
            return self.enter(0..cells, suspects, RangeOutcome::Equal, ledger);
        }
        self.watch.observer.stage("compare");
        let (partition_of, partitions) = self.partitions(suspects);
        let temp_dir = self.plan.limits.temp_dir.clone().unwrap_or_else(std::env::temp_dir);
        let spools = Sides::from_fn(|_| Spool::new(partitions.len(), self.plan.limits.window_bytes / 4, &temp_dir));
        let mut entered = 0;
        let compared = self.set_aside(suspects, &partition_of, &spools).and_then(|()| {
            for (partition, members) in partitions.iter().enumerate() {
                self.compare_partition(partition, &spools, 0..=u64::MAX, ledger)?;
                spools.as_ref().map(|spool| spool.forget(partition));
                let next = members.last().map_or(entered, |last| last + 1);
                self.enter(entered..next, suspects, RangeOutcome::Compared, ledger)?;
                entered = next;
            }
            Ok(())
        });
        let rest = if compared.is_ok() { RangeOutcome::Compared } else { RangeOutcome::Failed };
        self.enter(entered..cells, suspects, rest, ledger)?;
        compared
    }
}
