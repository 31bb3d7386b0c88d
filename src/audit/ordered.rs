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

use std::sync::Arc;

use rayon::Scope;
use rayon::prelude::*;

use super::compare::{Compared, compare};
use super::held::Held;
use super::ledger::Ledger;
use super::plan::Plan;
use super::queue::{Queue, Reader};
use super::windows::{Halt, Watch, Windows};
use crate::engines::Session;
use crate::error::Result;
use crate::model::range::{Evidence, Range, RangeOutcome, RangeRecord};
use crate::model::row::compare_keys;
use crate::sides::{Side, Sides};

/// Ranges compared in parallel, for each thread, before their findings are written: enough to keep all threads busy, few
/// enough that their findings are still in the processor's cache then.
const COMPARED_PER_THREAD: usize = 8;
/// Ranges compared in parallel at most, so that their findings stay small beside the window.
const COMPARED_AT_ONCE: usize = 32;

/// Ranges of a window: more would hold more rows in canonical bytes beside those that were read, and let them fall
/// out of the processor's cache before they are compared.
const RANGES_MAX: usize = 128;

/// The windows of a table whose two sides lie in the order of their keys.
pub struct Ordered<'s, 'a> {
    plan: &'a Plan,
    watch: &'a Watch<'a>,
    /// Where what is read ahead is read.
    scope: &'s Scope<'a>,
    reader: Arc<Reader<'a>>,
    queues: Sides<Queue<'a>>,
    /// The ranges of the current window.
    ranges: Vec<Slot>,
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

impl<'s, 'a> Ordered<'s, 'a> {
    /// The windows of a table; what is read ahead is read in `scope`.
    ///
    /// # Errors
    ///
    /// If a scan cannot begin.
    pub fn new(
        plan: &'a Plan,
        sessions: &'a Sides<Box<dyn Session>>,
        watch: &'a Watch<'a>,
        scope: &'s Scope<'a>,
    ) -> Result<Self, Halt> {
        let queues = plan.scans.as_ref().zip(sessions.as_ref()).try_map(|side, (scan, session)| {
            let parts = session.parts(scan).map_err(|error| Halt::Failed(error.on(side)))?;
            Ok(Queue::new(side, parts))
        })?;
        let reader = Arc::new(Reader::new(plan, sessions, watch));
        Ok(Ordered { plan, watch, scope, reader, queues, ranges: Vec::new(), reached: None, finished: false })
    }

    /// Lets both sides be read ahead, as far as there is room beside what is held and compared.
    fn fill(&mut self) -> Result<(), Halt> {
        let Ordered { scope, reader, queues, ranges, .. } = self;
        for side in Side::BOTH {
            let busy_bytes = ranges.iter().map(|slot| slot.held.get(side).size_bytes()).sum();
            queues.get_mut(side).fill(scope, reader, busy_bytes)?;
        }
        Ok(())
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

impl Drop for Ordered<'_, '_> {
    fn drop(&mut self) {
        self.reader.stop();
    }
}

impl Windows for Ordered<'_, '_> {
    fn fingerprint(&mut self) -> Result<Option<Vec<Evidence>>, Halt> {
        self.reader.coder.recycle(self.ranges.drain(..).flat_map(|slot| [slot.held.source, slot.held.target]));
        if self.finished {
            return Ok(None);
        }
        self.carve();
        self.fill()?;
        while self.ranges.is_empty() {
            self.watch.check()?;
            for side in Side::BOTH {
                self.queues.get_mut(side).take_up(&self.reader, self.reached.as_deref())?;
            }
            self.carve();
            self.fill()?;
            // What was read before a failure is still compared; the failure ends the line when nothing else is left.
            let Sides { source, target } = &mut self.queues;
            if let Some(error) = self.ranges.is_empty().then(|| source.stuck().or_else(|| target.stuck())).flatten() {
                return Err(Halt::Failed(error));
            }
        }
        let coder = &self.reader.coder;
        let evidence = |slot: &mut Slot| {
            slot.evidence = Held::evidence(&mut slot.held, coder)?;
            Ok(slot.evidence)
        };
        self.ranges.par_iter_mut().map(evidence).collect::<Result<_>>().map(Some).map_err(Halt::Failed)
    }

    fn compare(&mut self, suspects: &[usize], ledger: &mut Ledger<'_>) -> Result<(), Halt> {
        let (columns, coder) = (self.plan.pairing.columns.len(), &self.reader.coder);
        let compare_slot = |(place, slot): (usize, &Slot)| {
            let is_suspect = suspects.binary_search(&place).is_ok();
            is_suspect.then(|| Ok(compare(&Held::encoded_sides(&slot.held, coder)?, slot.evidence.same, columns))).transpose()
        };
        let slots: Vec<(usize, &Slot)> = self.ranges.iter().enumerate().collect();
        let mut before: Vec<(&Slot, Option<Compared>)> = Vec::new();
        for slots in slots.chunks(COMPARED_AT_ONCE.min(COMPARED_PER_THREAD * rayon::current_num_threads())) {
            self.watch.check()?;
            // The report of some ranges is written while the next ones are compared.
            let compare_slots = || slots.par_iter().copied().map(compare_slot).collect::<Result<Vec<_>>>();
            let (entered, compared) = rayon::join(|| enter(before, ledger), compare_slots);
            entered?;
            before = slots.iter().map(|(_, slot)| *slot).zip(compared.map_err(Halt::Failed)?).collect();
        }
        enter(before, ledger)
    }
}

/// Enters ranges in the books, with what comparing them came to.
fn enter(compared: Vec<(&Slot, Option<Compared>)>, ledger: &mut Ledger<'_>) -> Result<(), Halt> {
    for (slot, compared) in compared {
        let outcome = if compared.is_some() { RangeOutcome::Compared } else { RangeOutcome::Equal };
        let record = RangeRecord { range: slot.range.clone(), evidence: slot.evidence, outcome };
        ledger.range(&record).map_err(Halt::Report)?;
        for side in Side::BOTH {
            ledger.peculiar(side, slot.held.get(side).peculiarities());
        }
        compared.map_or(Ok(()), |compared| ledger.compared(compared)).map_err(Halt::Report)?;
    }
    Ok(())
}
