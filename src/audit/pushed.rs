//! Fingerprints added up where the rows are: the window of a table that at least one server hashes by itself.
//!
//! What comes over the line is a few bytes for each cell, and then the rows of the cells that differ, or the one row without which they are
//! equal. Those rows are compared like any others, so a finding never rests on what a server made of a row; only that others are equal does.

use std::collections::HashMap;
use std::hash::Hash;
use std::ops::Range as Indexes;
use std::sync::Arc;

use rayon::prelude::*;

use super::aside::Aside;
use super::compare::compare;
use super::ledger::Ledger;
use super::method::Way;
use super::plan::Plan;
use super::windows::{Halt, Watch, Windows};
use crate::engines::{Part, Scan, Session};
use crate::error::{Error, Result};
use crate::model::digest::Fingerprint;
use crate::model::grid::{CellSum, CellSums, Grid, GridCells, KeyRanges, Place, Position, Selection};
use crate::model::range::{Evidence, RangeOutcome, RangeRecord};
use crate::model::row::Row;
use crate::sides::{Side, Sides};

/// If [`fetching`] costs more than fetching one row in this many, all rows are streamed.
pub const FETCHED_ONE_IN: u64 = 4;
/// Fetching a row by its key costs about as much as so many of a whole cell, if these are of some hundred bytes.
const LONE_COST: u64 = 3;
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
    /// Of cells that seem to differ by one row alone, its key.
    lone: Vec<(usize, i64)>,
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
        Pushed { plan, sessions, watch, ways, grid, cells: Vec::new(), prints: Vec::new(), lone: Vec::new(), done: false }
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
        parts.par_bridge().map(of_part).try_reduce(CellSums::new, |one, other| Ok(merged(one, other, CellSum::merge)))
    }

    /// Fetches the rows that explain why the suspects differ and sets them aside; returns how many others these have on each side, which
    /// are the same.
    ///
    /// What seems to be the one row by which a cell differs is fetched alone. Without it the cell must be the same on both sides;
    /// if not, the others are fetched as well.
    fn set_aside(&self, suspects: &[usize], aside: &Aside<'_>) -> Result<u64, Halt> {
        let mut lone = KeyRanges::default();
        self.lone.iter().for_each(|(_, key)| lone.push(*key, *key));
        let lone = if self.lone.is_empty() {
            Sides::default()
        } else {
            self.fetch(|_| Selection::Keys(lone.clone()), |row| self.grid.digest_of(row.compared()), aside)?
        };
        let rest_of = |side: Side, cell: usize| {
            let (all, found) = (*self.prints[cell].get(side), lone.get(side).get(&cell).copied().unwrap_or_default());
            all.without(found).ok_or_else(|| miscounted(side, found.rows, all.rows))
        };
        let (mut keys, mut cells, mut rows, mut same) = (KeyRanges::default(), Vec::new(), Sides::default(), 0);
        for &suspect in suspects {
            let rest = Sides { source: rest_of(Side::Source, suspect)?, target: rest_of(Side::Target, suspect)? };
            if rest.source == rest.target {
                same += rest.source.rows;
                continue;
            }
            let cell = self.cells[suspect];
            cells.push(cell);
            let (first, last) = self.grid.positions(cell);
            match self.lone.binary_search_by_key(&suspect, |(cell, _)| *cell).map(|at| self.lone[at].1) {
                Ok(lone) => {
                    lone.checked_sub(1).into_iter().for_each(|before| keys.push(first, before));
                    lone.checked_add(1).into_iter().for_each(|behind| keys.push(behind, last));
                }
                Err(_) => keys.push(first, last),
            }
            rows = rows.zip(rest).map(|(rows, rest): (u64, Fingerprint)| rows + rest.rows);
        }
        if cells.is_empty() {
            return Ok(same);
        }
        // What seemed to be a row here and there may have been none of them.
        let all = self.prints.iter().map(|prints| prints.source.rows + prints.target.rows).sum();
        self.check_share(rows.source + rows.target, all)?;
        let rest = self.fetch(
            |side| match self.plan.pushes.get(side).extent {
                Some(_) if self.grid.position == Position::Key => Selection::Keys(keys.clone()),
                _ => Selection::Cells(GridCells { grid: self.grid.clone(), cells: cells.clone() }),
            },
            |_| 0,
            aside,
        )?;
        for side in Side::BOTH {
            let (found, expected) = (rest.get(side).values().map(|print| print.rows).sum(), *rows.get(side));
            if found != expected {
                return Err(miscounted(side, found, expected));
            }
        }
        Ok(same)
    }

    /// Ends the line if fetching so many of all rows costs more than streaming them.
    fn check_share(&self, fetched: u64, rows: u64) -> Result<(), Halt> {
        if fetched * FETCHED_ONE_IN <= rows {
            return Ok(());
        }
        let share = (fetched as f64 / rows as f64).min(1.0);
        let rows_per_cell = rows as f64 / self.cells.len() as f64 / 2.0;
        Err(Halt::Widespread { changed: 1.0 - (1.0 - share).powf(1.0 / rows_per_cell) })
    }

    /// Reads the selected rows of each side and sets them aside; returns how many they are, cell by cell, and the sum of what `digest` makes
    /// of them.
    fn fetch(
        &self,
        selection: impl Fn(Side) -> Selection + Sync,
        digest: impl Fn(Row<'_>) -> u128 + Sync,
        aside: &Aside<'_>,
    ) -> Result<Sides<HashMap<usize, Fingerprint>>, Halt> {
        let read = |side: Side| {
            let scan = Scan { cells: Some(Arc::new(selection(side))), ..self.scan(side) };
            let parts = self.sessions.get(side).parts(&scan).map_err(|error| Halt::Failed(error.on(side)))?;
            let of_part = |part| {
                let mut found: HashMap<usize, Fingerprint> = HashMap::new();
                self.watch.read(side, part, |block| {
                    let cell_of = |row: Row<'_>| {
                        let cell = self.cells.binary_search(&place_of(self.grid, side, row.key())?.cell);
                        cell.map_err(|_| Halt::Failed(Error::new("found a row in a cell that has none").on(side)))
                    };
                    let cells = block.iter().map(cell_of).collect::<Result<Vec<usize>, Halt>>()?;
                    for (cell, row) in cells.iter().zip(block.iter()) {
                        found.entry(*cell).or_default().add(digest(row));
                    }
                    aside.push(side, cells.into_iter().zip(block.iter())).map_err(Halt::Failed)
                })?;
                Ok(found)
            };
            let merged = |one, other| Ok(merged(one, other, Fingerprint::merge));
            parts.par_bridge().map(of_part).try_reduce(HashMap::new, merged)
        };
        let (source, target) = rayon::join(|| read(Side::Source), || read(Side::Target));
        Ok(Sides { source: source?, target: target? })
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
    let (mut sums, mut cell, mut sum) = (CellSums::new(), 0, CellSum::default());
    watch.read(side, part, |block| {
        block.iter().try_for_each(|row| {
            let place = place_of(grid, side, row.key())?;
            // Rows in the order of their keys have many in a cell one after the other.
            if place.cell != cell {
                sums.entry(cell).or_default().merge(std::mem::take(&mut sum));
                cell = place.cell;
            }
            sum.merge(grid.sum_of(place.offset, grid.digest_of(row.compared())));
            Ok(())
        })
    })?;
    sums.entry(cell).or_default().merge(sum);
    sums.retain(|_, sum| sum.print.rows > 0);
    Ok(sums)
}

/// What fetching the rows of a cell costs, in rows of both sides: nothing if it is equal, and that of one row, `lone_cost` rows, if it seems to
/// differ by one.
pub fn fetching(grid: &Grid, cell: i64, sums: &Sides<CellSum>, lone_cost: u64) -> u64 {
    let Sides { source, target } = sums.map(|sum| sum.print);
    if source == target {
        return 0;
    }
    let all = source.rows + target.rows;
    grid.lone_key(cell, sums).map_or(all, |_| all.min(2 * lone_cost))
}

/// All of the sums of both, those of the same cell merged.
fn merged<K: Eq + Hash, V: Default>(one: HashMap<K, V>, other: HashMap<K, V>, merge: fn(&mut V, V)) -> HashMap<K, V> {
    let (mut most, few) = if one.len() < other.len() { (other, one) } else { (one, other) };
    few.into_iter().for_each(|(cell, sum)| merge(most.entry(cell).or_default(), sum));
    most
}

fn place_of(grid: &Grid, side: Side, key: &[u8]) -> Result<Place, Halt> {
    let place = grid.place_of(key);
    place.ok_or_else(|| Halt::Failed(Error::new("found a key that has no position among whole numbers").on(side)))
}

/// What a server says of cells is not what its rows say.
fn miscounted(side: Side, found: u64, expected: u64) -> Halt {
    let message = format!("found {found} rows in ranges that differ, expected the {expected} that were hashed");
    Halt::Unhashed(Error::new(message).on(side))
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
        let (mut rows, mut fetched) = (0, 0);
        for (index, &cell) in self.cells.iter().enumerate() {
            let sums = sums.as_ref().map(|sums| sums.get(&cell).copied().unwrap_or_default());
            let prints = sums.map(|sum| sum.print);
            if prints.source != prints.target {
                self.lone.extend(self.grid.lone_key(cell, &sums).map(|key| (index, key)));
            }
            rows += prints.source.rows + prints.target.rows;
            fetched += fetching(self.grid, cell, &sums, LONE_COST);
            self.prints.push(prints);
        }
        self.check_share(fetched, rows)?;
        Ok(Some(self.prints.iter().copied().map(Evidence::hashed).collect()))
    }

    fn compare(&mut self, suspects: &[usize], ledger: &mut Ledger<'_>) -> Result<(), Halt> {
        ledger.counts.repetitions_unknown = !self.plan.distinct_keys;
        let (mut entered, mut compared) = (0, Ok(()));
        if !suspects.is_empty() {
            self.watch.observer.stage("compare");
            let bytes_of = |cell: usize| (self.prints[cell].source.rows + self.prints[cell].target.rows) * ROW_BYTES_GUESS;
            let aside = Aside::new(self.plan, self.watch, self.cells.len(), suspects.iter().copied(), bytes_of);
            compared = self.set_aside(suspects, &aside).and_then(|same| {
                aside.compare(ledger, &|_| true, |ledger, cells| {
                    entered = cells.end;
                    self.enter(cells, suspects, RangeOutcome::Compared, ledger)
                })?;
                ledger.compared(compare(&Sides::default(), same, self.plan.pairing.columns.len())).map_err(Halt::Report)
            });
        }
        let rest = if compared.is_ok() { RangeOutcome::Compared } else { RangeOutcome::Failed };
        self.enter(entered..self.cells.len(), suspects, rest, ledger)?;
        compared
    }
}
