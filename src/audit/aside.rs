//! Rows of cells that differ, set aside by partition as they come, and then compared partition by partition: in memory
//! as far as it reaches, and through the spool.

use std::ops::{Range as Indexes, RangeInclusive};

use super::compare::compare;
use super::ledger::Ledger;
use super::plan::Plan;
use super::run::{Run, Span};
use super::spool::{PARTITIONS_MAX, Spool};
use super::windows::{Halt, Watch};
use crate::error::Result;
use crate::model::digest::key_hash;
use crate::model::row::Row;
use crate::sides::{Side, Sides};

/// Rows of a partition, in bytes, unless there would be too many partitions: sorting and comparing them goes fastest in the processor's
/// caches.
pub const PARTITION_BYTES: u64 = 4 << 20;

/// The rows of some cells.
pub struct Aside<'a> {
    plan: &'a Plan,
    watch: &'a Watch<'a>,
    /// For each cell its partition; of cells that are not set aside, any.
    partition_of: Vec<u16>,
    /// For each partition its cells.
    partitions: Vec<Vec<usize>>,
    spools: Sides<Spool>,
}

impl<'a> Aside<'a> {
    /// Room for the rows of the cells `suspects`, among `cells` cells, which take about `bytes_of` each. Partitions fit in memory, as far
    /// as their number allows.
    pub fn new(
        plan: &'a Plan,
        watch: &'a Watch<'a>,
        cells: usize,
        suspects: impl Iterator<Item = usize> + Clone,
        bytes_of: impl Fn(usize) -> u64,
    ) -> Self {
        let total: u64 = suspects.clone().map(&bytes_of).sum();
        let share = (plan.limits.window_bytes / 4).min(PARTITION_BYTES).max(total / (PARTITIONS_MAX as u64 - 1)).max(1);
        let mut partition_of = vec![0; cells];
        let mut partitions: Vec<Vec<usize>> = Vec::new();
        let mut before = 0;
        for cell in suspects {
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
        let temp_dir = plan.limits.temp_dir.clone().unwrap_or_else(std::env::temp_dir);
        let spools = Sides::from_fn(|_| Spool::new(partitions.len(), plan.limits.window_bytes / 4, &temp_dir));
        Aside { plan, watch, partition_of, partitions, spools }
    }

    /// Sets some rows aside, each with its cell.
    ///
    /// # Errors
    ///
    /// If they cannot be spilled.
    pub fn push<'r>(&self, side: Side, rows: impl Iterator<Item = (usize, Row<'r>)>) -> Result<()> {
        self.spools.get(side).push(rows.map(|(cell, row)| (self.partition_of[cell], row)).collect())
    }

    /// Compares what was set aside, of that the rows for whose key hash `wanted` holds, and tells `done` of the cells up to which that came.
    ///
    /// # Errors
    ///
    /// What ends the line; those of `done`.
    pub fn compare(
        &self,
        ledger: &mut Ledger<'_>,
        wanted: &(dyn Fn(u64) -> bool + Sync),
        mut done: impl FnMut(&mut Ledger<'_>, Indexes<usize>) -> Result<(), Halt>,
    ) -> Result<(), Halt> {
        let mut compared = 0;
        for (partition, members) in self.partitions.iter().enumerate() {
            self.partition(partition, 0..=u64::MAX, wanted, ledger)?;
            self.spools.as_ref().map(|spool| spool.forget(partition));
            let next = members.last().map_or(compared, |last| last + 1);
            done(ledger, compared..next)?;
            compared = next;
        }
        Ok(())
    }

    /// Compares a partition; the part of it whose key hashes lie in `hashes`.
    fn partition(
        &self,
        partition: usize,
        hashes: RangeInclusive<u64>,
        wanted: &(dyn Fn(u64) -> bool + Sync),
        ledger: &mut Ledger<'_>,
    ) -> Result<(), Halt> {
        self.watch.check()?;
        let load = |side: Side| self.load(self.spools.get(side), partition, &hashes, wanted);
        let (source, target) = rayon::join(|| load(Side::Source), || load(Side::Target));
        let too_many = match (source.map_err(Halt::Failed)?, target.map_err(Halt::Failed)?) {
            (Ok(source), Ok(target)) => {
                let spans = Sides { source, target }.map(Span::of);
                return ledger.compared(compare(&spans, 0, self.plan.pairing.columns.len())).map_err(Halt::Report);
            }
            (Err(too_many), _) | (_, Err(too_many)) => too_many,
        };
        let ((start, end), (least, most)) = (hashes.into_inner(), too_many.into_inner());
        // One hash that has too many rows by itself stays alone, and is held all the same.
        let middle = if least == most && start < least { least - 1 } else { least + (most - least) / 2 };
        self.partition(partition, start..=middle, wanted, ledger)?;
        self.partition(partition, middle + 1..=end, wanted, ledger)
    }

    /// The rows of a partition whose key hashes lie in `hashes`; if they are too many to hold and the hashes can be cut in two, the least
    /// and the greatest of their hashes.
    fn load(
        &self,
        spool: &Spool,
        partition: usize,
        hashes: &RangeInclusive<u64>,
        wanted: &dyn Fn(u64) -> bool,
    ) -> Result<Result<Run, RangeInclusive<u64>>> {
        let limit_bytes = (self.plan.limits.window_bytes / 4) as usize;
        let divisible = hashes.start() < hashes.end();
        let mut run = Run::default();
        let (mut too_large, mut least, mut most) = (false, u64::MAX, 0);
        spool.read(partition, |row| {
            let hash = key_hash(row.key());
            if !hashes.contains(&hash) || !wanted(hash) {
                return;
            }
            (least, most) = (least.min(hash), most.max(hash));
            if too_large {
                return;
            }
            run.push_row(row, &self.plan.digester);
            if run.capacity_bytes() > limit_bytes && divisible {
                // Rows that share a key become one entry, which may make room.
                run = run.sorted();
                too_large = run.capacity_bytes() > limit_bytes / 2;
            }
        })?;
        Ok(if too_large { Err(least..=most) } else { Ok(run.sorted()) })
    }
}
