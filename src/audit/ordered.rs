//! Both sides read once, in the order of their keys: the windows of the key-order domain.
//!
//! Rows that were read are held until the other side has passed their keys, so a range that differs is compared
//! without reading it again. What is held is bounded by the window; where the two sides are far apart, the one that
//! is ahead waits.
//!
//! A range ends where a block of rows ends, on the side where that comes first: so ranges depend on how the data
//! is stored, not on how much is held or how many threads read it.

use std::collections::VecDeque;
use std::sync::Arc;

use rayon::prelude::*;

use super::compare::{Compared, compare};
use super::ledger::Ledger;
use super::plan::Plan;
use super::run::{Run, Span, Unordered};
use super::windows::{Halt, Watch, Windows};
use crate::engines::{Parts, Session};
use crate::error::{Error, Result};
use crate::model::digest::Fingerprint;
use crate::model::range::{Range, RangeOutcome, RangeRecord};
use crate::model::row::compare_keys;
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
    /// The upper bound of the last range.
    reached: Option<Vec<u8>>,
    finished: bool,
}

/// What was read of one side and not yet compared.
struct Queue<'a> {
    side: Side,
    parts: Parts<'a>,
    runs: VecDeque<(Arc<Run>, usize)>,
    size_bytes: usize,
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
            Ok(parts) => Ok(Queue { side, parts, runs: VecDeque::new(), size_bytes: 0, exhausted: false, failed: None }),
            Err(error) => Err(Halt::Failed(error.on(side))),
        })?;
        Ok(Ordered { plan, watch, queues, ranges: Vec::new(), reached: None, finished: false })
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
        self.ranges.clear();
        while self.ranges.is_empty() {
            if self.finished {
                return Ok(None);
            }
            self.watch.check()?;
            let (plan, watch) = (self.plan, self.watch);
            let Sides { source, target } = &mut self.queues;
            let (source, target) = rayon::join(|| source.fill(plan, watch), || target.fill(plan, watch));
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

impl Queue<'_> {
    /// Reads ahead, in parallel, until the side's share of the window is full.
    fn fill(&mut self, plan: &Plan, watch: &Watch<'_>) -> Result<(), Halt> {
        // Two runs are needed to know that the first of them is complete.
        let mut starving = self.runs.len() < 2;
        let mut room = (plan.limits.window_bytes / 2).saturating_sub(self.size_bytes as u64);
        if self.exhausted || self.failed.is_some() {
            return Ok(());
        }
        let (side, parts, exhausted) = (self.side, &mut self.parts, &mut self.exhausted);
        let next = std::iter::from_fn(|| {
            if room == 0 && !starving {
                return None;
            }
            let part = parts.next();
            *exhausted = part.is_none();
            starving = false;
            room = room.saturating_sub(part.as_ref().and_then(|part| part.as_ref().ok()).map_or(0, |part| part.weight_bytes()));
            part
        });
        let mut read: Vec<(usize, Result<Vec<Run>, Halt>)> = next
            .fuse()
            .enumerate()
            .par_bridge()
            .map(|(place, part)| {
                let mut runs = Vec::new();
                let read = watch.read(side, part, |block| {
                    let run = Run::of_ordered(std::mem::take(block), &plan.digester);
                    runs.push(run.map_err(|Unordered| Halt::Unordered)?);
                    Ok(())
                });
                (place, read.map(|()| runs))
            })
            .collect();
        read.sort_by_key(|(place, _)| *place);
        for (_, runs) in read {
            match runs {
                Ok(runs) => runs.into_iter().try_for_each(|run| self.append(run))?,
                Err(Halt::Failed(error)) => {
                    self.failed = Some(error);
                    self.exhausted = false;
                    break;
                }
                Err(halt) => return Err(halt),
            }
        }
        Ok(())
    }

    /// Puts a run behind the others. A key that goes on from one run to the next becomes one entry.
    fn append(&mut self, run: Run) -> Result<(), Halt> {
        let mut start = 0;
        if let Some((last, _)) = self.runs.back_mut()
            && let Some(last_key) = last.last_key()
        {
            match compare_keys(last_key, run.key(0)) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Greater => return Err(Halt::Unordered),
                // The last run is never part of a range before the next one is here: nobody else holds it.
                std::cmp::Ordering::Equal => {
                    start = usize::from(Arc::get_mut(last).is_some_and(|last| last.absorb(run.entry(0))));
                }
            }
        }
        if start < run.len() {
            self.size_bytes += run.size_bytes();
            self.runs.push_back((Arc::new(run), start));
        }
        Ok(())
    }

    /// Whether the first run may still go on in one that was not read yet.
    fn is_waiting(&self) -> bool {
        !self.exhausted && self.runs.len() < 2
    }

    fn is_done(&self) -> bool {
        self.exhausted && self.runs.is_empty()
    }

    /// The greatest key of the first run.
    fn head_end(&self) -> Option<&[u8]> {
        self.runs.front().and_then(|(run, _)| run.last_key())
    }

    /// Takes the entries up to `bound` off the first run; by the choice of bounds there are none beyond it.
    fn take_up_to(&mut self, bound: &[u8]) -> Span {
        let Some((run, start)) = self.runs.front_mut() else { return Span::empty() };
        let end = run.end_of(*start, bound);
        let span = Span::new(Arc::clone(run), *start..end);
        *start = end;
        if end == run.len() {
            self.size_bytes -= run.size_bytes();
            self.runs.pop_front();
        }
        span
    }
}
