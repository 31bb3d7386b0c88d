//! Fingerprints added up where the rows are: the window of a table that at least one server hashes by itself.
//!
//! What comes over the line is a few bytes for each cell, and then the rows of the cells that differ. Those rows are
//! compared like any others, so a finding never rests on what a server made of a row; only that a cell is equal does.

use std::ops::Range as Indexes;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use rayon::prelude::*;

use super::aside::Aside;
use super::ledger::Ledger;
use super::method::Way;
use super::plan::Plan;
use super::windows::{Halt, Watch, Windows};
use crate::engines::{Part, Scan, Session};
use crate::error::{Error, Result};
use crate::model::digest::Fingerprint;
use crate::model::grid::{CellSums, Grid, GridCells, Selection};
use crate::model::range::{Evidence, RangeOutcome, RangeRecord};
use crate::sides::{Side, Sides};

/// If more than one row in this many lies in cells that differ, all rows are streamed.
pub const SUSPECT_ONE_IN: u64 = 4;
/// A row in bytes, for the room that it will take.
const ROW_BYTES_GUESS: u64 = 256;

/// The one window of a table whose fingerprints are pushed down.
pub struct Pushed<'a> {
    plan: &'a Plan,
    sessions: &'a Sides<Box<dyn Session>>,
    watch: &'a Watch<'a>,
    ways: Sides<Way>,
    grid: &'a Grid,
    /// The cells that have rows on a side, ascending, and their fingerprints.
    cells: Vec<i64>,
    prints: Vec<Sides<Fingerprint>>,
    done: bool,
}

impl<'a> Pushed<'a> {
    /// The window of a table, whose sides are had in these ways.
    pub fn new(
        plan: &'a Plan,
        sessions: &'a Sides<Box<dyn Session>>,
        watch: &'a Watch<'a>,
        ways: Sides<Way>,
        grid: &'a Grid,
    ) -> Self {
        Pushed { plan, sessions, watch, ways, grid, cells: Vec::new(), prints: Vec::new(), done: false }
    }

    fn scan(&self, side: Side) -> Scan {
        let hashed_there = *self.ways.get(side) == Way::Push;
        Scan { any_order: true, hashed_there, ..self.plan.scans.get(side).clone() }
    }

    /// The fingerprints of a side.
    fn sums(&self, side: Side) -> Result<CellSums, Halt> {
        let way = *self.ways.get(side);
        let scan = self.scan(side);
        let parts = self.sessions.get(side).parts(&scan).map_err(|error| Halt::Failed(error.on(side)))?;
        let of_part = |part| sums(self.watch, side, way, part, self.grid);
        parts.par_bridge().map(of_part).try_reduce(CellSums::new, |one, other| Ok(merged(one, other)))
    }

    /// Reads the rows of the suspects and sets them aside; they must be as many as the servers counted.
    fn set_aside(&self, suspects: &[usize], aside: &Aside<'_>) -> Result<(), Halt> {
        let cells = suspects.iter().map(|&suspect| self.cells[suspect]).collect();
        let cells = Arc::new(Selection::Positions(GridCells { grid: self.grid.clone(), cells }));
        let read = |side: Side| {
            let scan = Scan { cells: Some(Arc::clone(&cells)), ..self.scan(side) };
            let parts = self.sessions.get(side).parts(&scan).map_err(|error| Halt::Failed(error.on(side)))?;
            let found = AtomicU64::new(0);
            parts.par_bridge().try_for_each(|part| {
                self.watch.read(side, part, |block| {
                    found.fetch_add(block.len() as u64, Relaxed);
                    block.iter().try_for_each(|row| {
                        let cell = self.cells.binary_search(&cell_of(self.grid, side, row.key())?);
                        let cell = cell.map_err(|_| Halt::Failed(Error::new("found a row in a cell that has none").on(side)))?;
                        aside.push(side, cell, row).map_err(Halt::Failed)
                    })
                })
            })?;
            let (found, expected) = (found.into_inner(), self.rows(suspects, side));
            match found == expected {
                true => Ok(()),
                false => {
                    let message = format!("found {found} rows in ranges that differ, expected the {expected} that were hashed");
                    Err(Halt::Unhashed(Error::new(message).on(side)))
                }
            }
        };
        let (source, target) = rayon::join(|| read(Side::Source), || read(Side::Target));
        source.and(target)
    }

    fn rows(&self, cells: &[usize], side: Side) -> u64 {
        cells.iter().map(|&cell| self.prints[cell].get(side).rows).sum()
    }

    /// Enters the ranges of some cells in the books.
    fn enter(&self, cells: Indexes<usize>, suspects: &[usize], outcome: RangeOutcome, ledger: &mut Ledger<'_>) -> Result<(), Halt> {
        cells.into_iter().try_for_each(|cell| {
            let outcome = if suspects.binary_search(&cell).is_ok() { outcome } else { RangeOutcome::Equal };
            let above = cell.checked_sub(1).map(|before| self.cells[before]);
            let up_to = (cell + 1 < self.cells.len()).then(|| self.cells[cell]);
            let evidence = Evidence::hashed(self.prints[cell]);
            ledger.range(&RangeRecord { range: self.grid.range(above, up_to), evidence, outcome }).map_err(Halt::Report)
        })
    }
}

/// The fingerprints of a part, had in this way.
///
/// # Errors
///
/// [`Halt::Unhashed`] if a server does not hash it, and what ends the line.
pub fn sums(watch: &Watch<'_>, side: Side, way: Way, part: Result<Box<dyn Part + '_>>, grid: &Grid) -> Result<CellSums, Halt> {
    if way == Way::Push {
        return watch.fingerprint(side, part, grid).map_err(Halt::unhashed);
    }
    let (mut sums, mut cell, mut print) = (CellSums::new(), 0, Fingerprint::default());
    watch.read(side, part, |block| {
        block.iter().try_for_each(|row| {
            let next = cell_of(grid, side, row.key())?;
            // Rows in the order of their keys have many in a cell one after the other.
            if next != cell {
                sums.entry(cell).or_default().merge(std::mem::take(&mut print));
                cell = next;
            }
            print.add(grid.digest_of(row.compared()));
            Ok(())
        })
    })?;
    sums.entry(cell).or_default().merge(print);
    sums.retain(|_, print| print.rows > 0);
    Ok(sums)
}

/// All of the fingerprints of both.
pub fn merged(one: CellSums, other: CellSums) -> CellSums {
    let (mut most, few) = if one.len() < other.len() { (other, one) } else { (one, other) };
    few.into_iter().for_each(|(cell, print)| most.entry(cell).or_default().merge(print));
    most
}

fn cell_of(grid: &Grid, side: Side, key: &[u8]) -> Result<i64, Halt> {
    let cell = grid.cell_of(key);
    cell.ok_or_else(|| Halt::Failed(Error::new("found a key that has no position among whole numbers").on(side)))
}

impl Windows for Pushed<'_> {
    fn fingerprint(&mut self) -> Result<Option<Vec<Evidence>>, Halt> {
        if std::mem::replace(&mut self.done, true) {
            return Ok(None);
        }
        let (source, target) = rayon::join(|| self.sums(Side::Source), || self.sums(Side::Target));
        let sums = Sides { source: source?, target: target? };
        self.cells = sums.source.keys().chain(sums.target.keys()).copied().collect();
        self.cells.sort_unstable();
        self.cells.dedup();
        // Without any row one range covers the domain.
        if self.cells.is_empty() {
            self.cells.push(0);
        }
        let prints = |cell| sums.as_ref().map(|sums| sums.get(cell).copied().unwrap_or_default());
        self.prints = self.cells.iter().map(prints).collect();
        let suspect = |prints: &&Sides<Fingerprint>| prints.source != prints.target;
        let rows = |prints: &Sides<Fingerprint>| prints.source.rows + prints.target.rows;
        let suspects: u64 = self.prints.iter().filter(suspect).map(rows).sum();
        if suspects * SUSPECT_ONE_IN > self.prints.iter().map(rows).sum() {
            return Err(Halt::Widespread);
        }
        Ok(Some(self.prints.iter().copied().map(Evidence::hashed).collect()))
    }

    fn compare(&mut self, suspects: &[usize], ledger: &mut Ledger<'_>) -> Result<(), Halt> {
        ledger.counts.repetitions_unknown = !self.plan.unique_key;
        let (mut entered, mut compared) = (0, Ok(()));
        if !suspects.is_empty() {
            self.watch.observer.stage("compare");
            let row_bytes = Sides { source: ROW_BYTES_GUESS, target: ROW_BYTES_GUESS };
            let aside = Aside::new(self.plan, self.watch, &self.prints, suspects, row_bytes);
            compared = self.set_aside(suspects, &aside).and_then(|()| {
                aside.compare(ledger, |ledger, cells| {
                    entered = cells.end;
                    self.enter(cells, suspects, RangeOutcome::Compared, ledger)
                })
            });
        }
        let rest = if compared.is_ok() { RangeOutcome::Compared } else { RangeOutcome::Failed };
        self.enter(entered..self.cells.len(), suspects, rest, ledger)?;
        compared
    }
}
