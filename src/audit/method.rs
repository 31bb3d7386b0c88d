//! How the rows of a table are had: streamed and hashed here, or hashed where they are, so that only fingerprints come
//! over the line.
//!
//! Streaming costs a server the least, and on a fast line it is done first. Hashing text in a database takes some times
//! as long, and wins where the line is slow. A pilot tells which: the first parts of the table are streamed, and if that
//! is slow they are hashed by the server as well.

use std::time::Instant;

use rayon::prelude::*;

use super::plan::{Plan, ROWS_PER_CELL};
use super::windows::{Halt, Watch};
use crate::engines::{Part, Pushes, Session};
use crate::error::{Error, Result};
use crate::model::canonical::take;
use crate::model::grid::{Grid, Position};
use crate::model::number;
use crate::model::range::Domain;
use crate::sides::{Side, Sides};

/// What the user says about it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MethodChoice {
    /// Whichever a pilot finds faster.
    #[default]
    Auto,
    /// Rows are streamed.
    Stream,
    /// Servers hash their rows, as far as they can.
    Push,
}

impl MethodChoice {
    /// Whether it matters what servers can hash, of tables of so many bytes; pilots are for those of `pilot_bytes` and more.
    pub fn asks_servers(self, bytes: Sides<u64>, pilot_bytes: u64) -> bool {
        match self {
            MethodChoice::Auto => bytes.source.max(bytes.target) >= pilot_bytes,
            MethodChoice::Stream => false,
            MethodChoice::Push => true,
        }
    }
}

/// How the rows of a side are had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// They are read and hashed here.
    Stream,
    /// The server hashes them.
    Push,
}

impl Way {
    /// The name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Way::Stream => "stream",
            Way::Push => "push",
        }
    }
}

/// How a table is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Method {
    /// How the rows of each side are had.
    pub ways: Sides<Way>,
    /// What the ranges are ranges of.
    pub domain: Domain,
    /// The cells of pushed fingerprints, if a side pushes.
    pub grid: Option<Grid>,
    /// Why it is read so.
    pub why: String,
}

/// Tables smaller than this, in bytes, are streamed without a pilot, unless told otherwise: it would take a good part of the
/// time that it might save.
pub const PILOT_BYTES_DEFAULT: u64 = 128 << 20;
/// Parts that a pilot reads of a side.
const PILOT_PARTS: usize = 2;
/// A line that brings this many bytes of a side in a second is fast: hashing text in a server does not come near it.
const FAST_BYTES_PER_SECOND: f64 = 30e6;
/// How many times faster than streaming hashing must seem to be chosen: rows of ranges that differ come on top.
const MARGIN: f64 = 1.5;
/// Rows that a cell of key hashes is meant to hold. Each part of a table has rows of nearly all cells, so there must not
/// be many.
const ROWS_PER_HASH_CELL: f64 = 2048.0;
/// Positions that hashes lie in.
const HASH_POSITIONS: f64 = (1_u64 << 60) as f64;
/// Fewer parts tell too little of how keys are spread.
const PARTS_TO_JUDGE_BY: usize = 4;

impl Method {
    /// Both sides are streamed.
    pub fn stream(domain: Domain, why: impl Into<String>) -> Self {
        Method { ways: Sides { source: Way::Stream, target: Way::Stream }, domain, grid: None, why: why.into() }
    }

    /// How the table is read in place of this, once that has ended so; `None`: it is over.
    pub fn instead(&self, plan: &Plan, end: &Result<(), Halt>) -> Option<Method> {
        match end {
            Err(Halt::Unordered) if self.domain == Domain::KeyOrder => Some(Method::stream(Domain::KeyHash, self.why.clone())),
            Err(Halt::Widespread) if self.grid.is_some() => {
                Some(Method::stream(plan.domain, format!("{}, and then streamed: much of the table differs", self.why)))
            }
            Err(Halt::Unhashed(error)) if self.grid.is_some() => {
                Some(Method::stream(plan.domain, format!("{}, and then streamed: {error}", self.why)))
            }
            _ => None,
        }
    }
}

/// The sides whose servers can hash the table; if none can, why.
pub fn pushable(pushes: &Sides<Pushes>) -> Result<Sides<bool>, String> {
    match (&pushes.source.able, &pushes.target.able) {
        (Err(source), Err(target)) if source == target => Err(format!("on both sides: {source}")),
        (Err(source), Err(target)) => Err(format!("source: {source}; target: {target}")),
        _ => Ok(pushes.as_ref().map(|pushes| pushes.able.is_ok())),
    }
}

/// What is known without reading any of the table.
enum Foreseen {
    Settled(Method),
    /// A pilot has to decide; the sides that can be pushed.
    Open(Sides<bool>),
}

fn foresee(plan: &Plan, sessions: &Sides<Box<dyn Session>>) -> Result<Foreseen> {
    let stream = |why: &str| Ok(Foreseen::Settled(Method::stream(plan.domain, why)));
    match (plan.limits.method, pushable(&plan.pushes)) {
        (MethodChoice::Stream, _) => stream("as asked for"),
        (MethodChoice::Auto, _) if !plan.limits.method.asks_servers(plan.bytes, plan.limits.pilot_bytes) => {
            stream("the table is small")
        }
        (MethodChoice::Push, Err(why)) => {
            let error = Error::new(format!("the fingerprints of this table cannot be pushed down: {why}"));
            Err(error.hint("read it with --method stream, or leave it to --method auto"))
        }
        (MethodChoice::Push, Ok(pushable)) => {
            let ways = pushable.map(|can| if can { Way::Push } else { Way::Stream });
            Ok(Foreseen::Settled(pushed(grid(plan, sessions, pushable)?, ways, "as asked for".to_string())))
        }
        (MethodChoice::Auto, Err(why)) => stream(&format!("no server can hash it: {why}")),
        (MethodChoice::Auto, Ok(pushable)) => Ok(Foreseen::Open(pushable)),
    }
}

/// How a table will be read, as far as that is known without reading any of it.
///
/// # Errors
///
/// If the user asks for what cannot be.
pub fn outlook(plan: &Plan, sessions: &Sides<Box<dyn Session>>) -> Result<Method> {
    Ok(match foresee(plan, sessions)? {
        Foreseen::Settled(method) => method,
        Foreseen::Open(_) => {
            let fast = FAST_BYTES_PER_SECOND / 1e6;
            let why = format!("unless a pilot finds the line slower than {fast:.0} MB/s and hashing in the server faster");
            Method::stream(plan.domain, why)
        }
    })
}

/// Decides how a table is read; may read some of it.
///
/// # Errors
///
/// If the user asks for what cannot be, and what ends the line.
pub fn settle(plan: &Plan, sessions: &Sides<Box<dyn Session>>, watch: &Watch<'_>) -> Result<Method, Halt> {
    let pushable = match foresee(plan, sessions).map_err(Halt::Failed)? {
        Foreseen::Settled(method) => return Ok(method),
        Foreseen::Open(pushable) => pushable,
    };
    let stream = |why: &str| Ok(Method::stream(plan.domain, why));
    watch.observer.stage("pilot");
    let streamed = on_both(|side| pilot(plan, sessions, side, |part| part.read(&mut |_| watch.check_reading())))?;
    Side::BOTH.into_iter().for_each(|side| watch.piloted(side, streamed.get(side).rows, 0));
    let slow = Sides::from_fn(|side| *pushable.get(side) && streamed.get(side).bytes_per_second < FAST_BYTES_PER_SECOND);
    if !slow.source && !slow.target {
        return stream(&format!("the line is fast: {}", rates(&streamed)));
    }
    let grid = grid(plan, sessions, pushable).map_err(Halt::Failed)?;
    let push = |side: Side| pilot(plan, sessions, side, |part| Ok(part.fingerprint(&grid)?.values().map(|print| print.rows).sum()));
    let hashed = match on_both(|side| if *pushable.get(side) { push(side) } else { Ok(*streamed.get(side)) }) {
        Err(Halt::Failed(error)) => return stream(&format!("a server cannot hash it: {error}")),
        hashed => hashed?,
    };
    let pushed_side = |side: &Side| *pushable.get(*side);
    Side::BOTH.into_iter().filter(pushed_side).for_each(|side| watch.piloted(side, 0, hashed.get(side).rows));
    let seconds =
        |pilot: &Sides<Pilot>| Sides::from_fn(|side| *plan.rows.get(side) as f64 / pilot.get(side).rows_per_second.max(1.0));
    let (by_stream, by_push) = (seconds(&streamed), seconds(&hashed));
    let wins = |side: Side| *pushable.get(side) && by_push.get(side) * MARGIN < *by_stream.get(side);
    let ways = Sides::from_fn(|side| if wins(side) { Way::Push } else { Way::Stream });
    let estimate = |name: &str, seconds: &Sides<f64>| format!("{name} about {:.0} s and {:.0} s", seconds.source, seconds.target);
    let why = format!("a pilot expects {}, {}", estimate("streaming to take", &by_stream), estimate("hashing", &by_push));
    match ways {
        Sides { source: Way::Stream, target: Way::Stream } => stream(&why),
        ways => Ok(pushed(grid, ways, why)),
    }
}

fn pushed(grid: Grid, ways: Sides<Way>, why: String) -> Method {
    Method { ways, domain: grid.domain(), why, grid: Some(grid) }
}

/// The grid of a table.
///
/// # Errors
///
/// If the table cannot be cut into parts.
pub fn grid(plan: &Plan, sessions: &Sides<Box<dyn Session>>, pushable: Sides<bool>) -> Result<Grid> {
    let whole = Side::BOTH.into_iter().all(|side| !*pushable.get(side) || plan.pushes.get(side).extent.is_some());
    let spacings = Side::BOTH.map(|side| match whole && plan.whole_key {
        true => spacing_of(plan, sessions, side).map_err(|error| error.on(side)),
        false => Ok(None),
    });
    let spacing = spacings.into_iter().collect::<Result<Vec<_>>>()?.into_iter().flatten().reduce(f64::min);
    let (position, width) = match spacing {
        Some(spacing) => (Position::Key, spacing * ROWS_PER_CELL as f64),
        None => (Position::Hash, HASH_POSITIONS / (plan.rows.source.max(plan.rows.target) as f64 / ROWS_PER_HASH_CELL).max(1.0)),
    };
    let kinds = plan.pairing.columns.iter().map(|column| column.kind.clone()).collect();
    Ok(Grid { position, width: (width as i64).max(1), salt: plan.digester.salt(), kinds })
}

/// How far the keys of a side lie apart, by the parts that it is cut into, else by the least and the greatest of them.
fn spacing_of(plan: &Plan, sessions: &Sides<Box<dyn Session>>, side: Side) -> Result<Option<f64>> {
    let rows = *plan.rows.get(side) as f64;
    let (mut parts, mut weights) = (Vec::new(), 0.0);
    for part in sessions.get(side).parts(plan.scans.get(side))? {
        let part = part?;
        weights += part.weight_bytes() as f64;
        let least = part.least_key().and_then(|key| number::read_i128(take(&mut &key[..])?.bytes));
        parts.extend(least.map(|least| (least as f64, part.weight_bytes() as f64)));
    }
    let share = |weight: f64| weight / weights.max(1.0) * rows;
    let parts: Vec<(f64, f64)> = parts.into_iter().map(|(least, weight)| (least, share(weight))).collect();
    let extent = plan.pushes.get(side).extent.map(|(least, greatest)| least.abs_diff(greatest) as f64 / rows.max(1.0));
    Ok(spacing(&parts).or(extent))
}

/// How far most keys lie apart: `parts` are the least key and the rows of parts in the order of their keys. The median,
/// so that keys far from all others and gaps between them do not count.
fn spacing(parts: &[(f64, f64)]) -> Option<f64> {
    let mut spacings: Vec<f64> = parts.windows(2).map(|pair| (pair[1].0 - pair[0].0) / pair[0].1.max(1.0)).collect();
    spacings.sort_by(f64::total_cmp);
    (spacings.len() >= PARTS_TO_JUDGE_BY).then(|| spacings[spacings.len() / 2])
}

/// What a pilot found of a side.
#[derive(Debug, Clone, Copy)]
struct Pilot {
    rows: u64,
    rows_per_second: f64,
    bytes_per_second: f64,
}

fn rates(pilot: &Sides<Pilot>) -> String {
    format!("{:.0} and {:.0} MB/s", pilot.source.bytes_per_second / 1e6, pilot.target.bytes_per_second / 1e6)
}

fn on_both(pilot: impl Fn(Side) -> Result<Pilot, Halt> + Sync) -> Result<Sides<Pilot>, Halt> {
    let (source, target) = rayon::join(|| pilot(Side::Source), || pilot(Side::Target));
    Ok(Sides { source: source?, target: target? })
}

/// Takes the time of the first parts of a side, read at once by `read`, which returns their rows.
fn pilot(
    plan: &Plan,
    sessions: &Sides<Box<dyn Session>>,
    side: Side,
    read: impl Fn(Box<dyn Part + '_>) -> Result<u64> + Send + Sync,
) -> Result<Pilot, Halt> {
    let session = sessions.get(side);
    let (before, failed) = (session.bytes_read(), |error: Error| Halt::Failed(error.on(side)));
    let parts: Vec<Box<dyn Part + '_>> =
        session.parts(plan.scans.get(side)).map_err(failed)?.take(PILOT_PARTS).collect::<Result<_>>().map_err(failed)?;
    let started = Instant::now();
    let rows: u64 = parts.into_par_iter().map(read).try_reduce(|| 0, |a, b| Ok(a + b)).map_err(failed)?;
    let seconds = started.elapsed().as_secs_f64().max(1e-6);
    let per_second = |count: u64| count as f64 / seconds;
    Ok(Pilot { rows, rows_per_second: per_second(rows), bytes_per_second: per_second(session.bytes_read() - before) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_far_away_and_gaps_do_not_make_cells_wide() {
        let dense = |from: f64| (0..10).map(move |part| (from + f64::from(part) * 300.0, 100.0));
        let parts: Vec<(f64, f64)> =
            [(-1e15, 100.0)].into_iter().chain(dense(0.0)).chain(dense(1e12)).chain([(9e18, 1.0)]).collect();
        assert_eq!(spacing(&parts), Some(3.0));
        assert_eq!(spacing(&parts[..4]), None);
    }
}
