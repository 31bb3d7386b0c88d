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

use std::collections::VecDeque;
use std::iter::Peekable;
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::compare::{Compared, compare};
use super::ledger::Ledger;
use super::plan::Plan;
use super::run::{Run, Span};
use super::windows::{Halt, Watch, Windows};
use crate::engines::{Part, Parts, Session};
use crate::error::{Error, Result};
use crate::model::digest::Fingerprint;
use crate::model::range::{Range, RangeOutcome, RangeRecord};
use crate::model::row::{RowBlock, compare_keys};
use crate::sides::{Side, Sides};

/// Ranges compared in parallel before their findings are written: enough to keep all threads busy, few enough that
/// their findings stay small beside the window.
const COMPARED_AT_ONCE: usize = 32;

/// The windows of a table whose two sides lie in the order of their keys.
pub struct Ordered<'a> {
    plan: &'a Plan,
    watch: &'a Watch<'a>,
    queues: Sides<Queue<'a>>,
    /// The ranges of the current window.
    ranges: Vec<(Range, Sides<Span>)>,
    /// Blocks that were read before, to be filled again: memory that went from thread to thread and back to the
    /// system would cost as much as filling it.
    spare: Mutex<Vec<RowBlock>>,
    /// The upper bound of the last range.
    reached: Option<Vec<u8>>,
    finished: bool,
}

/// What was read of one side and not yet compared.
struct Queue<'a> {
    side: Side,
    parts: Peekable<Parts<'a>>,
    /// What is held: no two spans have a key in common, and they lie in the order of their keys.
    spans: VecDeque<Span>,
    size_bytes: usize,
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
                spans: VecDeque::new(),
                size_bytes: 0,
                frontier: None,
                exhausted: false,
                failed: None,
            }),
            Err(error) => Err(Halt::Failed(error.on(side))),
        })?;
        Ok(Ordered { plan, watch, queues, ranges: Vec::new(), spare: Mutex::default(), reached: None, finished: false })
    }

    /// Drops the ranges of the last window.
    fn recycle(&mut self) {
        let spans = self.ranges.drain(..).flat_map(|(_, spans)| [spans.source, spans.target]);
        let spare = self.spare.get_mut().unwrap_or_else(PoisonError::into_inner);
        spare.extend(spans.filter_map(Span::into_block).filter(|block| block.capacity_bytes() > 0));
        spare.iter_mut().for_each(RowBlock::clear);
    }

    /// Cuts what both queues hold into ranges, as far as it is known that nothing more belongs into them.
    fn carve(&mut self) {
        let Sides { source, target } = &mut self.queues;
        loop {
            let heads = Sides { source: source.head_end(), target: target.head_end() };
            let bound = match (heads.source, heads.target) {
                _ if source.is_waiting() || target.is_waiting() => break,
                (None, None) => break,
                (Some(one), Some(other)) if compare_keys(one, other).is_le() => one,
                (_, Some(other)) => other,
                (Some(one), None) => one,
            }
            .to_vec();
            let spans = Sides { source: source.take_up_to(&bound), target: target.take_up_to(&bound) };
            self.ranges.push((Range { above: self.reached.replace(bound.clone()), up_to: Some(bound) }, spans));
        }
        self.finished = source.is_done() && target.is_done();
        if self.finished {
            match self.ranges.last_mut() {
                Some((range, _)) => range.up_to = None,
                None => self.ranges.push((Range { above: self.reached.take(), up_to: None }, Sides::from_fn(|_| Span::empty()))),
            }
        }
    }
}

impl Windows for Ordered<'_> {
    fn fingerprint(&mut self) -> Result<Option<Vec<Sides<Fingerprint>>>, Halt> {
        self.recycle();
        while self.ranges.is_empty() {
            if self.finished {
                return Ok(None);
            }
            self.watch.check()?;
            let reader = Reader { plan: self.plan, watch: self.watch, spare: &self.spare, reached: self.reached.as_deref() };
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
        let prints = |(_, spans): &(Range, Sides<Span>)| spans.as_ref().map(Span::fingerprint);
        Ok(Some(self.ranges.par_iter().map(prints).collect()))
    }

    fn compare(&mut self, suspects: &[usize], ledger: &mut Ledger<'_>) -> Result<(), Halt> {
        let columns = self.plan.pairing.columns.len();
        for (batch, ranges) in self.ranges.chunks(COMPARED_AT_ONCE).enumerate() {
            self.watch.check()?;
            let place = batch * COMPARED_AT_ONCE;
            let compared: Vec<Option<Compared>> = ranges
                .par_iter()
                .enumerate()
                .map(|(i, (_, spans))| suspects.binary_search(&(place + i)).is_ok().then(|| compare(spans, columns)))
                .collect();
            for ((range, spans), compared) in ranges.iter().zip(compared) {
                let outcome = if compared.is_some() { RangeOutcome::Compared } else { RangeOutcome::Equal };
                let fingerprints = spans.as_ref().map(Span::fingerprint);
                ledger.range(&RangeRecord { range: range.clone(), fingerprints, outcome }).map_err(Halt::Report)?;
                for side in Side::BOTH {
                    ledger.peculiar(side, spans.get(side).peculiarities());
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
    spare: &'a Mutex<Vec<RowBlock>>,
    /// All keys up to this one are in the books already.
    reached: Option<&'a [u8]>,
}

impl Reader<'_> {
    fn read(&self, side: Side, part: Result<Box<dyn Part + '_>>) -> Result<Vec<Span>, Halt> {
        let mut spans = Vec::new();
        self.watch.read(side, part, |block| {
            let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let full = std::mem::replace(block, spare.unwrap_or_default());
            spans.extend(Run::of_block(full, &self.plan.digester).into_iter().map(Span::of));
            Ok(())
        })?;
        Ok(spans)
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
        let (side, parts) = (self.side, &mut self.parts);
        let next = std::iter::from_fn(|| {
            if room == 0 && !starving {
                return None;
            }
            let part = parts.next();
            starving = false;
            room =
                room.saturating_sub(part.as_ref().and_then(|part| part.as_ref().ok()).map_or(0, |part| part.weight_bytes().max(1)));
            part
        });
        let mut read: Vec<(usize, Result<Vec<Span>, Halt>)> =
            next.fuse().enumerate().par_bridge().map(|(place, part)| (place, reader.read(side, part))).collect();
        read.sort_by_key(|(place, _)| *place);
        let mut spans = Vec::new();
        for (_, part) in read {
            match part {
                Ok(part) => spans.extend(part),
                Err(Halt::Failed(error)) => {
                    self.failed = Some(error);
                    break;
                }
                Err(halt) => return Err(halt),
            }
        }
        self.advance(spans.last().and_then(Span::last_key));
        self.insert(spans, reader.reached)
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

    /// Puts spans among those that are held.
    fn insert(&mut self, spans: Vec<Span>, reached: Option<&[u8]>) -> Result<(), Halt> {
        let too_late = |first: &[u8]| reached.is_some_and(|reached| compare_keys(first, reached).is_le());
        if spans.iter().filter_map(Span::first_key).any(too_late) {
            return Err(Halt::Unordered);
        }
        let Some(first) = spans.iter().filter_map(Span::first_key).min_by(|a, b| compare_keys(a, b)).map(<[u8]>::to_vec) else {
            return Ok(());
        };
        // Spans that end before the new ones begin stay as they are: all of them, where the rows lie in order.
        let ends_before = |span: &&Span| span.last_key().is_some_and(|last| compare_keys(last, &first).is_lt());
        let kept = self.spans.iter().take_while(ends_before).count();
        let mut others: Vec<Span> = self.spans.drain(kept..).collect();
        others.extend(spans);
        self.spans.extend(Span::arranged(others));
        self.size_bytes = self.spans.iter().map(Span::size_bytes).sum();
        Ok(())
    }

    /// Whether the first span may still get entries from what was not read yet.
    fn is_waiting(&self) -> bool {
        let complete = |last: &[u8]| self.frontier.as_ref().is_some_and(|frontier| compare_keys(last, frontier).is_lt());
        !self.exhausted && !self.head_end().is_some_and(complete)
    }

    fn is_done(&self) -> bool {
        self.exhausted && self.spans.is_empty()
    }

    /// The greatest key of the first span.
    fn head_end(&self) -> Option<&[u8]> {
        self.spans.front().and_then(Span::last_key)
    }

    /// Takes the entries up to `bound` off the first span; by the choice of bounds there are none beyond it.
    fn take_up_to(&mut self, bound: &[u8]) -> Span {
        let Some(span) = self.spans.front_mut() else { return Span::empty() };
        let taken = span.take_up_to(bound);
        if span.is_empty() {
            self.spans.pop_front();
        }
        self.size_bytes = self.size_bytes.saturating_sub(taken.size_bytes());
        taken
    }
}
