//! Pilots: the first part of each side, read in one way or another, to see how long it takes and how much differs.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use super::held::{Coder, Held};
use super::method::Way;
use super::plan::Plan;
use super::pushed;
use super::windows::{Halt, Watch};
use crate::engines::{Part, Session};
use crate::error::{Error, Result};
use crate::model::digest::key_hash;
use crate::model::grid::{CellSum, CellSums, Grid, Position};
use crate::sides::{Side, Sides};

/// A line that brings this many bytes of a side in a second is fast: hashing text in a server does not come near it.
const FAST_BYTES_PER_SECOND: f64 = 30e6;
/// Cells fewer than this say nothing of how much differs.
const CELLS_TO_JUDGE_BY: usize = 16;
/// The same of rows that both sides have.
const ROWS_TO_JUDGE_BY: u64 = 100;

/// What a pilot found of a side.
#[derive(Default)]
pub struct Pilot {
    rows_per_second: f64,
    /// Bytes that came over the line.
    pub bytes_per_second: f64,
    found: Found,
    /// Cells before this one are complete, as far as the order of the parts is known.
    complete: Option<i64>,
}

/// What a part was read for.
enum Found {
    /// Its rows.
    Rows(Vec<Held>),
    /// The fingerprints of its cells.
    Sums(CellSums),
}

impl Default for Found {
    fn default() -> Self {
        Found::Sums(CellSums::default())
    }
}

impl Pilot {
    /// Streams the first part of each side. Of its rows half of a window is kept for [`share_changed`]: how large they are is known
    /// only when they have come.
    ///
    /// # Errors
    ///
    /// If a side cannot be read, and what ends the line.
    pub fn stream(plan: &Plan, sessions: &Sides<Box<dyn Session>>, watch: &Watch<'_>) -> Result<Sides<Pilot>, Halt> {
        let coder = Coder::new(&plan.digester);
        on_both(plan, sessions, None, |side, part| {
            let (mut held, mut held_bytes, mut rows) = (Vec::new(), 0, 0);
            watch.read_deferred(side, Ok(part), |more| {
                rows += more.len() as u64;
                if held_bytes <= plan.limits.window_bytes / 2 {
                    held_bytes += more.bytes_len() as u64;
                    held.extend(Held::of(more, &coder).map_err(|error| Halt::Failed(error.on(side)))?);
                }
                Ok(())
            })?;
            Ok((rows, Found::Rows(held)))
        })
    }

    /// Adds up the fingerprints of the first part of each side, had in these ways.
    ///
    /// # Errors
    ///
    /// If a side cannot be read, or a server cannot hash it, and what ends the line.
    pub fn hash(
        plan: &Plan,
        sessions: &Sides<Box<dyn Session>>,
        watch: &Watch<'_>,
        ways: Sides<Way>,
        grid: &Grid,
    ) -> Result<Sides<Pilot>, Halt> {
        on_both(plan, sessions, Some(grid), |side, part| {
            let sums = pushed::sums(watch, side, *ways.get(side), Ok(part), grid)?;
            Ok((sums.values().map(|sum| sum.print.rows).sum(), Found::Sums(sums)))
        })
    }

    /// For each side the one of two pilots that was faster.
    pub fn faster(one: Sides<Pilot>, other: Sides<Pilot>) -> Sides<Pilot> {
        one.zip(other).map(|(one, other)| if one.rows_per_second < other.rows_per_second { other } else { one })
    }

    /// Whether the rows come so slowly that hashing them as text might be worth it.
    pub fn is_slow(&self) -> bool {
        self.bytes_per_second < FAST_BYTES_PER_SECOND
    }

    /// How long so many rows would take, in seconds.
    pub fn seconds_for(&self, rows: u64) -> f64 {
        rows as f64 / self.rows_per_second.max(1.0)
    }
}

fn on_both(
    plan: &Plan,
    sessions: &Sides<Box<dyn Session>>,
    grid: Option<&Grid>,
    read: impl Fn(Side, Box<dyn Part + '_>) -> Result<(u64, Found), Halt> + Sync,
) -> Result<Sides<Pilot>, Halt> {
    let pilot = |side: Side| {
        let session = sessions.get(side);
        let failed = |error: Error| Halt::Failed(error.on(side));
        let mut all = session.parts(plan.scans.get(side)).map_err(failed)?;
        let Some(part) = all.next().transpose().map_err(failed)? else { return Ok(Pilot::default()) };
        let next = all.next().transpose().map_err(failed)?;
        let complete = next.and_then(|part| Some(grid?.place_of(part.least_key()?)?.cell));
        let (before, started) = (session.bytes_read(), Instant::now());
        let (rows, found) = read(side, part)?;
        let per_second = |count: u64| count as f64 / started.elapsed().as_secs_f64().max(1e-6);
        Ok(Pilot {
            rows_per_second: per_second(rows),
            bytes_per_second: per_second(session.bytes_read() - before),
            found,
            complete,
        })
    };
    let (source, target) = rayon::join(|| pilot(Side::Source), || pilot(Side::Target));
    Ok(Sides { source: source?, target: target? })
}

/// The share of the rows that differ, among those that a pilot streamed of both sides; `None`: there are too few of them. A guess,
/// which knows nothing of rows that one side lacks.
///
/// # Errors
///
/// If a row cannot be encoded.
pub fn share_changed(plan: &Plan, pilots: &Sides<Pilot>) -> Result<Option<f64>> {
    let coder = Coder::new(&plan.digester);
    let prints = pilots.as_ref().try_map(|side, pilot| -> Result<HashMap<u64, u128>> {
        let Found::Rows(rows) = &pilot.found else { return Ok(HashMap::new()) };
        let mut prints = HashMap::new();
        for held in rows {
            let span = held.encoded(&coder).map_err(|error| error.on(side))?;
            prints.extend(span.entries().map(|entry| (key_hash(entry.row.key()), entry.print.sum)));
        }
        Ok(prints)
    })?;
    let both = prints.source.iter().filter_map(|(key, print)| Some(prints.target.get(key)? != print));
    let (rows, changed) = both.fold((0, 0), |(rows, changed), differs| (rows + 1, changed + u64::from(differs)));
    Ok((rows >= ROWS_TO_JUDGE_BY).then(|| changed as f64 / rows as f64))
}

/// What fetching rows would cost, as a share of all rows, among the cells that a pilot read in full on both sides; `None`: there are
/// too few of them. A guess.
pub fn share_fetched(pilots: &Sides<Pilot>, grid: &Grid, lone_cost: u64) -> Option<f64> {
    let complete = pilots.source.complete?.min(pilots.target.complete?);
    if grid.position != Position::Key {
        return None;
    }
    let mut cells: BTreeMap<i64, Sides<CellSum>> = BTreeMap::new();
    for side in Side::BOTH {
        let Found::Sums(sums) = &pilots.get(side).found else { return None };
        let sums = sums.iter().filter(|(cell, _)| **cell < complete);
        sums.for_each(|(cell, sum)| *cells.entry(*cell).or_default().get_mut(side) = *sum);
    }
    let rows: u64 = cells.values().map(|sums| sums.source.print.rows + sums.target.print.rows).sum();
    let fetched: u64 = cells.iter().map(|(cell, sums)| pushed::fetching(grid, *cell, sums, lone_cost)).sum();
    (cells.len() >= CELLS_TO_JUDGE_BY).then(|| fetched as f64 / rows.max(1) as f64)
}
