//! How the rows of a table are had: streamed and hashed here, or hashed where they are, so that only fingerprints come
//! over the line.
//!
//! PostgreSQL hashes values for less than sending them costs; hashing text, which every server can, takes it some times as
//! long as sending, and wins where the line is slow. A pilot tells: the first parts of the table are streamed, and then
//! hashed in the ways that may be faster.

use super::pilot::{self, Pilot};
use super::plan::Plan;
use super::pushed::FETCHED_ONE_IN;
use super::windows::{Halt, Watch};
use crate::engines::{Pushes, Session};
use crate::error::{Error, Result};
use crate::model::canonical::take;
use crate::model::chained::Form;
use crate::model::grid::{Digest, Grid, MOMENT_WIDTH_MAX, Position};
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
    /// Whether rows that are read by key hash are all set aside as they first come: so many will have to be compared that reading them a
    /// second time would take longer.
    pub sets_all_aside: bool,
    /// Why it is read so.
    pub why: String,
}

/// Tables smaller than this, in bytes, are streamed without a pilot, unless told otherwise: it would take a good part of the
/// time that it might save.
pub const PILOT_BYTES_DEFAULT: u64 = 128 << 20;
/// How many times faster than streaming hashing portable text must seem to be chosen: rows of ranges that differ come on top.
const PORTABLE_MARGIN: f64 = 1.5;
/// The same of hashing value by value: it may seem a little slower, as it leaves the line and this machine alone, and a pilot
/// is easily disturbed.
const CHAINED_MARGIN: f64 = 0.75;
/// Cells of whole keys at most, about: their fingerprints are held in memory, some hundred bytes for each.
const KEY_CELLS_MAX: f64 = 262_144.0;
/// Where fetching costs more than fetching one row in this many, nothing but a slow line is worth it.
const FAST_FETCHED_ONE_IN: u64 = 8;
/// If more than one row in this many lies in ranges of key hashes that differ, all are set aside as they first come: engines fetch by their
/// places no more than that.
const ASIDE_ONE_IN: u64 = 10;
/// Fetching a row of a cell that differs, and setting it aside, costs about as much as streaming so many.
const FETCHING: f64 = 3.0;
/// Finding a row by its key takes about so many seconds of the server and of this machine, whatever the row.
const LOOKUP_SECONDS: f64 = 8e-6;
/// Moments cost the servers about as much as streaming this share of the rows.
const MOMENTS: f64 = 0.03;
/// A cell costs about as much as fetching so many rows.
const CELL_ROWS: f64 = 2.0;
/// A cell that servers add up is meant to hold that many times the rows of a range of the key-hash domain, as each of them has
/// to be sent; of key hashes more, as each part of a table has rows of nearly all of these cells: PostgreSQL's parts are few.
const KEY_CELL_FACTOR: f64 = 4.0;
const CHAINED_HASH_CELL_FACTOR: f64 = 8.0;
const PORTABLE_HASH_CELL_FACTOR: f64 = 32.0;
/// Cells of key hashes at most, so that a server holds them in memory and has several rows for each in every part.
const HASH_CELLS_MAX: f64 = 8192.0;
/// Positions that hashes lie in.
const HASH_POSITIONS: f64 = (1_u64 << 60) as f64;
/// Fewer parts tell too little of how keys are spread.
const PARTS_TO_JUDGE_BY: usize = 4;

impl Method {
    /// Both sides are streamed.
    pub fn stream(domain: Domain, why: impl Into<String>) -> Self {
        Method {
            ways: Sides { source: Way::Stream, target: Way::Stream },
            domain,
            grid: None,
            sets_all_aside: false,
            why: why.into(),
        }
    }

    /// The same of a table of which about this share of the rows differs, if that is known.
    fn where_differs(self, changed: Option<f64>, plan: &Plan) -> Self {
        let rows_per_cell = plan.rows.source.max(plan.rows.target) as f64 / plan.cells.count() as f64;
        let suspect = expected(changed.unwrap_or(0.0), rows_per_cell, None);
        Method { sets_all_aside: suspect * ASIDE_ONE_IN as f64 > 1.0, ..self }
    }

    /// How the table is read in place of this, once that has ended so; `None`: it is over.
    pub fn instead(&self, plan: &Plan, end: &Result<(), Halt>) -> Option<Method> {
        match end {
            Err(Halt::Unordered) if self.domain == Domain::KeyOrder => {
                Some(Method { sets_all_aside: self.sets_all_aside, ..Method::stream(Domain::KeyHash, self.why.clone()) })
            }
            Err(Halt::Widespread { changed }) if self.grid.is_some() => {
                let why = format!("{}, and then streamed: much of the table differs", self.why);
                Some(Method::stream(plan.domain, why).where_differs(Some(*changed), plan))
            }
            Err(Halt::Unhashed(error)) if self.grid.is_some() => {
                Some(Method::stream(plan.domain, format!("{}, and then streamed: {error}", self.why)))
            }
            _ => None,
        }
    }
}

/// A way to digest rows that at least one server has.
#[derive(Debug, Clone)]
pub struct Hashing {
    digest: Digest,
    /// The sides whose servers have it.
    there: Sides<bool>,
}

impl Hashing {
    /// [Portable text](crate::model::portable); if no server can write it, why.
    fn portable(pushes: &Sides<Pushes>) -> Result<Hashing, String> {
        match (&pushes.source.able, &pushes.target.able) {
            (Err(source), Err(target)) if source == target => Err(format!("on both sides: {source}")),
            (Err(source), Err(target)) => Err(format!("source: {source}; target: {target}")),
            _ => Ok(Hashing { digest: Digest::Portable, there: pushes.as_ref().map(|pushes| pushes.able.is_ok()) }),
        }
    }

    /// [Value by value](crate::model::chained), if a server can.
    fn chained(pushes: &Sides<Pushes>) -> Option<Hashing> {
        let forms = pushes.as_ref().map(|pushes| pushes.forms.as_ref());
        let common = match (forms.source, forms.target) {
            (Some(source), Some(target)) => source.iter().zip(target).map(|(a, b)| Form::common(*a, *b)).collect(),
            (one, other) => one.or(other).cloned(),
        };
        common.map(|forms_of_both| Hashing { digest: Digest::Chained(forms_of_both), there: forms.map(|forms| forms.is_some()) })
    }

    /// The cheapest by which the most servers hash; if none can, why.
    ///
    /// # Errors
    ///
    /// The reason, in words.
    pub fn best(pushes: &Sides<Pushes>) -> Result<Hashing, String> {
        let portable = Hashing::portable(pushes);
        let servers = |hashing: &Hashing| Side::BOTH.into_iter().filter(|side| *hashing.there.get(*side)).count();
        match Hashing::chained(pushes) {
            Some(chained) if portable.as_ref().map_or(0, servers) <= servers(&chained) => Ok(chained),
            _ => portable,
        }
    }

    /// Every server hashes that can.
    pub fn ways(&self) -> Sides<Way> {
        self.there.map(|there| if there { Way::Push } else { Way::Stream })
    }
}

/// What is known without reading any of the table.
enum Foreseen {
    Settled(Method),
    /// A pilot has to decide.
    Open,
}

fn foresee(plan: &Plan, sessions: &Sides<Box<dyn Session>>) -> Result<Foreseen> {
    let stream = |why: &str| Ok(Foreseen::Settled(Method::stream(plan.domain, why)));
    match (plan.limits.method, Hashing::best(&plan.pushes)) {
        (MethodChoice::Stream, _) => stream("as asked for"),
        (MethodChoice::Auto, _) if !plan.limits.method.asks_servers(plan.bytes, plan.limits.pilot_bytes) => {
            stream("the table is small")
        }
        (MethodChoice::Push, Err(why)) => {
            let error = Error::new(format!("the fingerprints of this table cannot be pushed down: {why}"));
            Err(error.hint("read it with --method stream, or leave it to --method auto"))
        }
        (MethodChoice::Push, Ok(hashing)) => {
            let (grid, _) = grid(plan, sessions, &hashing, None, true)?;
            Ok(Foreseen::Settled(pushed(grid, hashing.ways(), "as asked for".to_string())))
        }
        (MethodChoice::Auto, Err(why)) => stream(&format!("no server can hash it: {why}")),
        (MethodChoice::Auto, Ok(_)) => Ok(Foreseen::Open),
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
        Foreseen::Open => Method::stream(plan.domain, "unless a pilot finds hashing in the server faster"),
    })
}

/// Decides how a table is read; may read some of it.
///
/// # Errors
///
/// If the user asks for what cannot be, and what ends the line.
pub fn settle(plan: &Plan, sessions: &Sides<Box<dyn Session>>, watch: &Watch<'_>) -> Result<Method, Halt> {
    if let Foreseen::Settled(method) = foresee(plan, sessions).map_err(Halt::Failed)? {
        return Ok(method);
    }
    watch.observer.stage("pilot");
    // A pilot takes moments, and anything may come between: what speaks for a change is looked at twice.
    let mut streamed = Pilot::stream(plan, sessions, watch)?;
    let is_slow = |pilots: &Sides<Pilot>| Side::BOTH.into_iter().any(|side| pilots.get(side).is_slow());
    if is_slow(&streamed) {
        streamed = Pilot::faster(streamed, Pilot::stream(plan, sessions, watch)?);
    }
    let seconds = |pilot: &Sides<Pilot>| Sides::from_fn(|side| pilot.get(side).seconds_for(*plan.rows.get(side)));
    let one_in = if is_slow(&streamed) { FETCHED_ONE_IN } else { FAST_FETCHED_ONE_IN };
    let by_stream = seconds(&streamed);
    let row_seconds = (by_stream.source + by_stream.target) / (plan.rows.source + plan.rows.target).max(1) as f64;
    let lone_cost = (LOOKUP_SECONDS / (row_seconds * FETCHING).max(1e-9)).ceil();
    let is_widespread = |fetched: f64| fetched * one_in as f64 > 1.0;
    let are_servers = Side::BOTH.into_iter().all(|side| plan.pushes.get(side).is_able());
    let hashings = [(Hashing::chained(&plan.pushes), CHAINED_MARGIN), (Hashing::portable(&plan.pushes).ok(), PORTABLE_MARGIN)];
    let hashings: Vec<_> = hashings.into_iter().filter_map(|(hashing, margin)| Some((hashing?, margin))).collect();
    let gains = |hashing: &Hashing, ways: &Sides<Way>| {
        // Value by value also on a fast line; but not by cells of key hashes if one side has to be streamed for it, for if
        // rows differ much of that side is streamed again.
        let is_cheap = matches!(hashing.digest, Digest::Chained(_))
            && are_servers
            && (plan.whole_key || hashing.ways() == Sides { source: Way::Push, target: Way::Push });
        Side::BOTH.into_iter().any(|side| {
            let streams = *ways.get(side) == Way::Stream;
            streams && *hashing.there.get(side) && (is_cheap || streamed.get(side).is_slow())
        })
    };
    let streams = Sides { source: Way::Stream, target: Way::Stream };
    // It matters to what hashing may come to, and to how tables are streamed whose rows are in no order.
    let matters = plan.domain == Domain::KeyHash || hashings.iter().any(|(hashing, _)| gains(hashing, &streams));
    let changed = if matters { pilot::share_changed(plan, &streamed).map_err(Halt::Failed)? } else { None };
    let stream = |why: String| Method::stream(plan.domain, why).where_differs(changed, plan);
    let mut best = (stream(format!("the line is fast: {}", rates(&streamed))), by_stream);
    for (hashing, margin) in hashings {
        if !gains(&hashing, &best.0.ways) {
            continue;
        }
        let widespread = || stream("much of what a pilot read differs".to_string());
        let (grid, per_cell) = grid(plan, sessions, &hashing, changed, is_slow(&streamed)).map_err(Halt::Failed)?;
        let expected = changed.map_or(0.0, |changed| expected(changed, per_cell, grid.moments.then_some(lone_cost)));
        if is_widespread(expected) {
            return Ok(widespread());
        }
        let hashed = match Pilot::hash(plan, sessions, watch, hashing.ways(), &grid) {
            Err(Halt::Failed(error) | Halt::Unhashed(error)) => {
                best.0.why = format!("{}; a server cannot hash it: {error}", best.0.why);
                continue;
            }
            hashed => hashed?,
        };
        let fetched = pilot::share_fetched(&hashed, &grid, lone_cost as u64).unwrap_or(0.0).max(expected);
        if is_widespread(fetched) {
            return Ok(widespread());
        }
        let by_hash = seconds(&hashed);
        let estimate =
            |name: &str, seconds: &Sides<f64>| format!("{name} about {:.1} s and {:.1} s", seconds.source, seconds.target);
        let fetching = if fetched > 0.0 {
            format!(" and fetching what costs as much as {:.1} % of the rows", fetched * 100.0)
        } else {
            String::new()
        };
        let (streaming, hashing_takes) = (estimate("streaming to take", &by_stream), estimate("hashing", &by_hash));
        let why = format!("a pilot expects {streaming}, {hashing_takes}{fetching}");
        // Both sides together, as they may share their processors; but not one that is streamed either way.
        let total = |seconds: &Sides<f64>| -> f64 {
            Side::BOTH.into_iter().filter(|side| *hashing.there.get(*side)).map(|side| *seconds.get(side)).sum()
        };
        if total(&by_hash) * margin + total(&by_stream) * fetched * FETCHING < total(&best.1) {
            best = (pushed(grid, hashing.ways(), why), by_hash);
        } else {
            best.0.why = why;
        }
    }
    Ok(best.0)
}

fn rates(pilots: &Sides<Pilot>) -> String {
    format!("{:.0} and {:.0} MB/s", pilots.source.bytes_per_second / 1e6, pilots.target.bytes_per_second / 1e6)
}

fn pushed(grid: Grid, ways: Sides<Way>, why: String) -> Method {
    Method { ways, domain: grid.domain(), why, grid: Some(grid), sets_all_aside: false }
}

/// The grid of a table, of whose rows about the share `changed` differ, if that is known, and whose lines are slow or not; and how many rows
/// a cell of it is meant to hold.
///
/// # Errors
///
/// If the table cannot be cut into parts.
pub fn grid(
    plan: &Plan,
    sessions: &Sides<Box<dyn Session>>,
    hashing: &Hashing,
    changed: Option<f64>,
    is_slow: bool,
) -> Result<(Grid, f64)> {
    let is_indexed = |side: Side| plan.pushes.get(side).extent.is_some();
    let whole = Side::BOTH.into_iter().all(|side| !*hashing.there.get(side) || is_indexed(side));
    let spacings = Side::BOTH.map(|side| match whole && plan.whole_key {
        true => spacing_of(plan, sessions, side).map_err(|error| error.on(side)),
        false => Ok(None),
    });
    let spacing = spacings.into_iter().collect::<Result<Vec<_>>>()?.into_iter().flatten().reduce(f64::min);
    let (rows, rows_per_cell) = (plan.rows.source.max(plan.rows.target) as f64, plan.limits.rows_per_cell as f64);
    // Both sides have to find single rows at once; and so little may differ that fetching whole cells costs less.
    let most = rows_per_cell * KEY_CELL_FACTOR;
    let pay = is_slow || changed.is_none_or(|changed| expected(changed, most, None) * FETCHING > MOMENTS);
    let moments = pay && Side::BOTH.into_iter().all(is_indexed);
    let (position, per_cell, spacing) = match spacing {
        Some(spacing) => (Position::Key, fitted(most, changed, moments).max(rows / KEY_CELLS_MAX), spacing),
        None => {
            let factor = match hashing.digest {
                Digest::Chained(_) => CHAINED_HASH_CELL_FACTOR,
                Digest::Portable => PORTABLE_HASH_CELL_FACTOR,
            };
            let cells = (rows / (rows_per_cell * factor)).clamp(1.0, HASH_CELLS_MAX);
            (Position::Hash, rows / cells, HASH_POSITIONS / rows.max(1.0))
        }
    };
    let width = ((spacing * per_cell) as i64).max(1);
    let moments = moments && position == Position::Key && width <= MOMENT_WIDTH_MAX;
    let kinds = plan.pairing.columns.iter().map(|column| column.kind.clone()).collect();
    Ok((Grid { position, width, moments, salt: plan.digester.salt(), kinds, digest: hashing.digest.clone() }, per_cell))
}

/// How many rows a cell of whole keys is best made for, `most` at most, where about the share `changed` of all rows differs.
///
/// Cells of w of n rows cost as much as fetching `CELL_ROWS` * n / w. Where changes are scattered, each costs its cell's rows a second time, n * changed * w; with moments
/// only two in one cell do, n * (changed * w)^2 / 2. The sum is least where its derivative is zero.
fn fitted(most: f64, changed: Option<f64>, moments: bool) -> f64 {
    let changed = changed.unwrap_or(0.0);
    let best = if moments { (CELL_ROWS / (changed * changed)).cbrt() } else { (CELL_ROWS / changed).sqrt() };
    best.min(most)
}

/// What fetching costs, as a share of all rows, where the share `changed` of them is scattered over cells of so many rows; if there are
/// moments, what a row costs that is alone in its cell.
fn expected(changed: f64, per_cell: f64, lone_cost: Option<f64>) -> f64 {
    let unchanged = (1.0 - changed).powf(per_cell);
    let lone = per_cell * changed * (1.0 - changed).powf(per_cell - 1.0);
    1.0 - unchanged - lone_cost.map_or(0.0, |cost| lone * (1.0 - (cost / per_cell).min(1.0)))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_the_smaller_the_more_differs() {
        for (moments, sizes) in [(true, [256, 256, 256, 126, 27, 6]), (false, [256, 256, 141, 45, 14, 4])] {
            let fitted = |changed| fitted(256.0, changed, moments).round() as u64;
            assert_eq!([None, Some(1e-5), Some(1e-4), Some(1e-3), Some(1e-2), Some(0.1)].map(fitted), sizes);
        }
    }

    #[test]
    fn fetching_costs_the_rows_of_cells_that_differ_but_for_lone_ones() {
        let mut random = fastrand::Rng::with_seed(3);
        let (rows, per_cell, changed) = (200_000, 20, 0.02);
        let cells: Vec<u64> =
            (0..rows / per_cell).map(|_| (0..per_cell).filter(|_| random.f64() < changed).count() as u64).collect();
        for lone_cost in [None, Some(3)] {
            let fetched =
                |changed: &u64| if let (1, Some(cost)) = (*changed, lone_cost) { cost } else { per_cell * u64::from(*changed > 0) };
            let found = cells.iter().map(fetched).sum::<u64>() as f64 / rows as f64;
            assert!((expected(changed, per_cell as f64, lone_cost.map(|cost| cost as f64)) / found - 1.0).abs() < 0.1, "{found}");
        }
    }

    #[test]
    fn keys_far_away_and_gaps_do_not_make_cells_wide() {
        let dense = |from: f64| (0..10).map(move |part| (from + f64::from(part) * 300.0, 100.0));
        let parts: Vec<(f64, f64)> =
            [(-1e15, 100.0)].into_iter().chain(dense(0.0)).chain(dense(1e12)).chain([(9e18, 1.0)]).collect();
        assert_eq!(spacing(&parts), Some(3.0));
        assert_eq!(spacing(&parts[..4]), None);
    }
}
