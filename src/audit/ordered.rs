//! Both sides read once, in the order of their keys: the windows of the key-order domain.
//!
//! Rows that were read are held until the other side has passed their keys, so a range that differs is compared
//! without reading it again. What is held is bounded by the window; where the two sides are far apart, the one that
//! is ahead waits. Rows that come too early are held as well, as long as the window has room for them.
//!
//! Up to which key a side is complete is a guess: the least key of the part that comes next where the engine knows
//! it, else the last key that was read. It is held against every row that comes later. A row whose range is already
//! in the books means that the guess was wrong, and the table is read again by key hash.
//!
//! A range ends where a block ends, on the side where that comes first: so ranges depend on how the data is stored,
//! not on how many threads read it.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::iter::Peekable;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use rayon::prelude::*;

use super::compare::{Compared, compare};
use super::held::{Coder, Held};
use super::ledger::Ledger;
use super::plan::Plan;
use super::windows::{Halt, Watch, Windows};
use crate::engines::{Part, Parts, Rows, Session};
use crate::error::{Error, Result};
use crate::model::range::{Evidence, Range, RangeOutcome, RangeRecord};
use crate::model::row::compare_keys;
use crate::sides::{Side, Sides};

/// Ranges compared in parallel before their findings are written: enough to keep all threads busy, few enough that
/// their findings stay small beside the window.
const COMPARED_AT_ONCE: usize = 32;

/// What a side may hold even if the window is smaller: parts are some tens of MiB, so more than this comes of an engine
/// that takes its rows for smaller than they are (compressed values, say).
const HELD_BYTES_MIN: u64 = 64 << 20;

/// How many times its weight a part is taken for as long as none was read.
const EXPANSION_GUESS: u64 = 4;

/// Ranges of a window: more would hold more rows in canonical bytes beside those that were read, and let them fall
/// out of the processor's cache before they are compared.
const RANGES_MAX: usize = 128;

/// The windows of a table whose two sides lie in the order of their keys.
pub struct Ordered<'a> {
    plan: &'a Plan,
    watch: &'a Watch<'a>,
    queues: Sides<Queue<'a>>,
    /// The ranges of the current window.
    ranges: Vec<Slot>,
    coder: Coder<'a>,
    /// Whether both sides hand rows on in one form of their own.
    deferred: bool,
    /// The upper bound of the last range.
    reached: Option<Vec<u8>>,
    finished: bool,
}

/// A range, and what is held of it.
struct Slot {
    range: Range,
    held: Sides<Held>,
    evidence: Evidence,
}

impl Slot {
    fn new(range: Range, held: Sides<Held>) -> Self {
        Slot { range, held, evidence: Evidence::default() }
    }
}

/// What was read of one side and not yet compared.
struct Queue<'a> {
    side: Side,
    parts: Peekable<Parts<'a>>,
    /// What is held, in the order of its keys, none of them in two places.
    held: VecDeque<Held>,
    size_bytes: usize,
    /// What the parts that were read weighed, and what their rows took.
    weighed_bytes: u64,
    taken_bytes: u64,
    /// Keys below this one are complete, as far as can be guessed; `None`: none are.
    frontier: Option<Vec<u8>>,
    /// Whether the side was read to its end.
    exhausted: bool,
    failed: Option<Error>,
}

impl<'a> Ordered<'a> {
    /// Begins to read both sides.
    ///
    /// # Errors
    ///
    /// If a scan cannot begin.
    pub fn new(plan: &'a Plan, sessions: &'a Sides<Box<dyn Session>>, watch: &'a Watch<'a>) -> Result<Self, Halt> {
        let queues = plan.scans.as_ref().zip(sessions.as_ref()).try_map(|side, (scan, session)| match session.parts(scan) {
            Ok(parts) => Ok(Queue {
                side,
                parts: parts.peekable(),
                held: VecDeque::new(),
                size_bytes: 0,
                weighed_bytes: 0,
                taken_bytes: 0,
                frontier: None,
                exhausted: false,
                failed: None,
            }),
            Err(error) => Err(Halt::Failed(error.on(side))),
        })?;
        let native = sessions.as_ref().map(|session| session.capabilities().native);
        let deferred = native.source.is_some() && native.source == native.target;
        let coder = Coder::new(&plan.digester);
        Ok(Ordered { plan, watch, queues, ranges: Vec::new(), coder, deferred, reached: None, finished: false })
    }

    /// Cuts the next ranges off what both queues hold, as far as it is known that nothing more belongs into them.
    fn carve(&mut self) {
        let Sides { source, target } = &mut self.queues;
        while self.ranges.len() < RANGES_MAX {
            let heads = Sides { source: source.head_end(), target: target.head_end() };
            let bound = match (heads.source, heads.target) {
                _ if source.is_waiting() || target.is_waiting() => break,
                (None, None) => break,
                (Some(one), Some(other)) if compare_keys(&one, &other).is_le() => one,
                (_, Some(other)) => other,
                (Some(one), None) => one,
            }
            .into_owned();
            let held = Sides { source: source.take_up_to(&bound), target: target.take_up_to(&bound) };
            self.ranges.push(Slot::new(Range { above: self.reached.replace(bound.clone()), up_to: Some(bound) }, held));
        }
        self.finished = source.is_done() && target.is_done();
        if self.finished {
            match self.ranges.last_mut() {
                Some(slot) => slot.range.up_to = None,
                None => self.ranges.push(Slot::new(Range { above: self.reached.take(), up_to: None }, Sides::default())),
            }
        }
    }
}

impl Windows for Ordered<'_> {
    fn fingerprint(&mut self) -> Result<Option<Vec<Evidence>>, Halt> {
        self.coder.recycle(self.ranges.drain(..).flat_map(|slot| [slot.held.source, slot.held.target]));
        if self.finished {
            return Ok(None);
        }
        self.carve();
        while self.ranges.is_empty() {
            self.watch.check()?;
            let Ordered { plan, watch, coder, deferred, .. } = self;
            let reader = Reader { plan, watch, coder, deferred: *deferred, reached: self.reached.as_deref() };
            let Sides { source, target } = &mut self.queues;
            let (source, target) = rayon::join(|| source.fill(&reader), || target.fill(&reader));
            source.and(target)?;
            self.carve();
            // What was read before a failure is still compared; the failure ends the line when nothing else is left.
            let stuck = |queue: &&mut Queue<'_>| self.ranges.is_empty() && queue.is_waiting() && queue.failed.is_some();
            let Sides { source, target } = &mut self.queues;
            if let Some(error) = [source, target].into_iter().find(stuck).and_then(|queue| queue.failed.take()) {
                return Err(Halt::Failed(error));
            }
        }
        let coder = &self.coder;
        let evidence = |slot: &mut Slot| {
            slot.evidence = Held::evidence(&mut slot.held, coder)?;
            Ok(slot.evidence)
        };
        self.ranges.par_iter_mut().map(evidence).collect::<Result<_>>().map(Some).map_err(Halt::Failed)
    }

    fn compare(&mut self, suspects: &[usize], ledger: &mut Ledger<'_>) -> Result<(), Halt> {
        let (columns, coder) = (self.plan.pairing.columns.len(), &self.coder);
        for (batch, slots) in self.ranges.chunks(COMPARED_AT_ONCE).enumerate() {
            self.watch.check()?;
            let place = batch * COMPARED_AT_ONCE;
            let compare_slot = |slot: &Slot| Ok(compare(&Held::encoded_sides(&slot.held, coder)?, columns));
            let compared: Vec<Option<Compared>> = slots
                .par_iter()
                .enumerate()
                .map(|(i, slot)| suspects.binary_search(&(place + i)).is_ok().then(|| compare_slot(slot)).transpose())
                .collect::<Result<_>>()
                .map_err(Halt::Failed)?;
            for (slot, compared) in slots.iter().zip(compared) {
                let outcome = if compared.is_some() { RangeOutcome::Compared } else { RangeOutcome::Equal };
                let record = RangeRecord { range: slot.range.clone(), evidence: slot.evidence, outcome };
                ledger.range(&record).map_err(Halt::Report)?;
                for side in Side::BOTH {
                    ledger.peculiar(side, slot.held.get(side).peculiarities());
                }
                compared.map_or(Ok(()), |compared| ledger.compared(compared)).map_err(Halt::Report)?;
            }
        }
        Ok(())
    }
}

/// What the queues share while they are filled.
struct Reader<'a> {
    plan: &'a Plan,
    watch: &'a Watch<'a>,
    coder: &'a Coder<'a>,
    deferred: bool,
    /// All keys up to this one are in the books already.
    reached: Option<&'a [u8]>,
}

impl Reader<'_> {
    /// Reads a part of a side that holds `side_bytes`, by all threads together.
    fn read(&self, side: Side, part: Result<Box<dyn Part + '_>>, side_bytes: &AtomicU64) -> Result<Vec<Held>, Halt> {
        let held_max = self.plan.limits.window_bytes.max(HELD_BYTES_MIN);
        let mut held = Vec::new();
        let mut take = |rows: Rows<'_>| {
            let more = Held::of(rows, self.coder).map_err(|error| Halt::Failed(error.on(side)))?;
            let bytes = more.iter().map(Held::size_bytes).sum::<usize>() as u64;
            held.extend(more);
            // Too much to be held at once: the key hash can do without.
            if side_bytes.fetch_add(bytes, Relaxed) + bytes > held_max { Err(Halt::Unordered) } else { Ok(()) }
        };
        match self.deferred {
            true => self.watch.read_deferred(side, part, take)?,
            false => self.watch.read(side, part, |block| take(Rows::Encoded(block)))?,
        }
        Ok(held)
    }
}

impl Queue<'_> {
    /// Reads ahead, in parallel, until the side's share of the window is full.
    fn fill(&mut self, reader: &Reader<'_>) -> Result<(), Halt> {
        let window_bytes = reader.plan.limits.window_bytes;
        let mut room = (window_bytes / 2).saturating_sub(self.size_bytes as u64);
        let mut starving = self.is_waiting();
        if self.exhausted || self.failed.is_some() {
            return Ok(());
        }
        if self.size_bytes as u64 > window_bytes {
            // Too much comes too early: the rows are not in the order of their keys, or not nearly enough.
            return Err(Halt::Unordered);
        }
        let side_bytes = AtomicU64::new(self.size_bytes as u64);
        // Engines only guess what their rows take; what they took so far says how far they are off.
        let (taken, weighed) = match self.weighed_bytes {
            0 => (EXPANSION_GUESS, 1),
            weighed => (self.taken_bytes.max(weighed), weighed),
        };
        let (side, parts, weights) = (self.side, &mut self.parts, &mut self.weighed_bytes);
        let next = std::iter::from_fn(|| {
            let weight_bytes = parts.peek().and_then(|part| part.as_ref().ok()).map_or(0, |part| part.weight_bytes().max(1));
            let takes_bytes = (u128::from(weight_bytes) * u128::from(taken) / u128::from(weighed)) as u64;
            if takes_bytes > room && !starving {
                return None;
            }
            starving = false;
            room = room.saturating_sub(takes_bytes);
            *weights += weight_bytes;
            parts.next()
        });
        let mut read: Vec<(usize, Result<Vec<Held>, Halt>)> =
            next.fuse().enumerate().par_bridge().map(|(place, part)| (place, reader.read(side, part, &side_bytes))).collect();
        self.taken_bytes += side_bytes.into_inner() - self.size_bytes as u64;
        read.sort_by_key(|(place, _)| *place);
        let mut held = Vec::new();
        for (_, part) in read {
            match part {
                Ok(part) => held.extend(part),
                Err(Halt::Failed(error)) => {
                    self.failed = Some(error);
                    break;
                }
                Err(halt) => return Err(halt),
            }
        }
        self.advance(held.last().and_then(Held::last_key).as_deref());
        self.insert(held, reader)
    }

    /// Guesses anew which keys are complete; `last` is the key that was read last.
    fn advance(&mut self, last: Option<&[u8]>) {
        let least = match self.parts.peek() {
            Some(Ok(part)) if self.failed.is_none() => part.least_key(),
            None if self.failed.is_none() => {
                self.exhausted = true;
                return;
            }
            // Nothing is known of what cannot be read: what was complete before stays so.
            _ => return,
        };
        self.frontier = least.or(last).map(<[u8]>::to_vec).or(self.frontier.take());
    }

    /// Puts what was read among what is held.
    fn insert(&mut self, read: Vec<Held>, reader: &Reader<'_>) -> Result<(), Halt> {
        let too_late = |first: Cow<'_, [u8]>| reader.reached.is_some_and(|reached| compare_keys(&first, reached).is_le());
        if read.iter().filter_map(Held::first_key).any(too_late) {
            return Err(Halt::Unordered);
        }
        let Some(first) = read.iter().filter_map(Held::first_key).min_by(|a, b| compare_keys(a, b)).map(Cow::into_owned) else {
            return Ok(());
        };
        // What ends before the new begins stays as it is: all of it, where the rows lie in order.
        let ends_before = |held: &&Held| held.last_key().is_some_and(|last| compare_keys(&last, &first).is_lt());
        let kept = self.held.iter().take_while(ends_before).count();
        let mut others: Vec<Held> = self.held.drain(kept..).collect();
        others.extend(read);
        self.held.extend(Held::arranged(others, reader.coder).map_err(|error| Halt::Failed(error.on(self.side)))?);
        self.size_bytes = self.held.iter().map(Held::size_bytes).sum();
        Ok(())
    }

    /// Whether what comes first may still get entries from what was not read yet.
    fn is_waiting(&self) -> bool {
        let complete = |last: Cow<'_, [u8]>| self.frontier.as_ref().is_some_and(|frontier| compare_keys(&last, frontier).is_lt());
        !self.exhausted && !self.head_end().is_some_and(complete)
    }

    fn is_done(&self) -> bool {
        self.exhausted && self.held.is_empty()
    }

    /// The greatest key of what comes first.
    fn head_end(&self) -> Option<Cow<'_, [u8]>> {
        self.held.front().and_then(Held::last_key)
    }

    /// Takes the keys up to `bound` off what comes first; by the choice of bounds there are none behind it.
    fn take_up_to(&mut self, bound: &[u8]) -> Held {
        let Some(held) = self.held.front_mut() else { return Held::default() };
        let taken = held.take_up_to(bound);
        if held.is_empty() {
            self.held.pop_front();
        }
        self.size_bytes = self.size_bytes.saturating_sub(taken.size_bytes());
        taken
    }
}
