//! One side as it is read in the order of its keys: what is held of it, and what is being read ahead.
//!
//! A side is filled while what it holds is compared, by whatever threads have nothing better to do. How much is read
//! at a time, and when that is taken up, depends on the parts alone, so that what comes of it does not depend on how
//! many threads there are.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::iter::Peekable;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, TryRecvError, channel};

use rayon::prelude::*;
use rayon::{Scope, Yield};

use super::held::{Coder, Held};
use super::plan::Plan;
use super::windows::{Halt, Watch};
use crate::engines::{Part, Parts, Rows, Session};
use crate::error::{Error, Result};
use crate::model::row::compare_keys;
use crate::sides::{Side, Sides};

/// What a side may hold even if the window is smaller: parts are some tens of MiB, so more than this comes of an engine
/// that takes its rows for smaller than they are (compressed values, say).
const HELD_BYTES_MIN: u64 = 64 << 20;

/// How many times its weight a part is taken for as long as none was read.
const EXPANSION_GUESS: u64 = 4;

/// What the queues share.
pub struct Reader<'a> {
    plan: &'a Plan,
    watch: &'a Watch<'a>,
    /// Encodes what cannot be held as it came.
    pub coder: Coder<'a>,
    /// Whether both sides hand rows on in one form of their own.
    deferred: bool,
    /// Whether what is being read will be used.
    wanted: AtomicBool,
}

impl<'a> Reader<'a> {
    /// A reader of both sides.
    pub fn new(plan: &'a Plan, sessions: &Sides<Box<dyn Session>>, watch: &'a Watch<'a>) -> Self {
        let native = sessions.as_ref().map(|session| session.capabilities().native);
        let deferred = native.source.is_some() && native.source == native.target;
        Reader { plan, watch, coder: Coder::new(&plan.digester), deferred, wanted: AtomicBool::new(true) }
    }

    /// Ends all reading soon: what comes of it is not wanted any more.
    pub fn stop(&self) {
        self.wanted.store(false, Relaxed);
    }

    /// Reads a part of a side that holds `side_bytes`, by all threads together.
    fn read(&self, side: Side, part: Result<Box<dyn Part + '_>>, side_bytes: &AtomicU64) -> Result<Vec<Held>, Halt> {
        let held_max = self.plan.limits.window_bytes.max(HELD_BYTES_MIN);
        let mut held = Vec::new();
        let mut take = |rows: Rows<'_>| {
            if !self.wanted.load(Relaxed) {
                return Err(Halt::Interrupted);
            }
            let more = Held::of(rows, &self.coder).map_err(|error| Halt::Failed(error.on(side)))?;
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

/// What was read of one side and not yet compared.
pub struct Queue<'a> {
    side: Side,
    ahead: Ahead<'a>,
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

/// The parts that come next.
enum Ahead<'a> {
    /// None of them is being read.
    Idle(Peekable<Parts<'a>>),
    /// Some of them are.
    Filling(Receiver<Fill<'a>>),
}

/// Parts that were read, and those that come behind them.
struct Fill<'a> {
    parts: Peekable<Parts<'a>>,
    /// By their place among those that were read.
    read: Vec<(usize, Result<Vec<Held>, Halt>)>,
    weighed_bytes: u64,
    taken_bytes: u64,
}

impl<'a> Queue<'a> {
    /// A side of which nothing was read.
    pub fn new(side: Side, parts: Parts<'a>) -> Self {
        Queue {
            side,
            ahead: Ahead::Idle(parts.peekable()),
            held: VecDeque::new(),
            size_bytes: 0,
            weighed_bytes: 0,
            taken_bytes: 0,
            frontier: None,
            exhausted: false,
            failed: None,
        }
    }

    /// Lets parts be read ahead, until the side's share of the window is full; `busy_bytes` of it are being compared. If
    /// nothing is, there is always room for a part that is waited for.
    ///
    /// # Errors
    ///
    /// [`Halt::Unordered`] if the share is full of rows that have to wait.
    pub fn fill(&mut self, scope: &Scope<'a>, reader: &Arc<Reader<'a>>, busy_bytes: usize) -> Result<(), Halt> {
        let resting = busy_bytes == 0;
        let starving = resting && self.is_waiting();
        let (held_bytes, full_bytes) = (self.size_bytes as u64, (self.size_bytes + busy_bytes) as u64);
        // Engines only guess what their rows take; what they took so far says how far they are off.
        let (taken, weighed) = match self.weighed_bytes {
            0 => (EXPANSION_GUESS, 1),
            weighed => (self.taken_bytes.max(weighed), weighed),
        };
        let (side, reader) = (self.side, Arc::clone(reader));
        let window_bytes = reader.plan.limits.window_bytes;
        let Ahead::Idle(parts) = &mut self.ahead else { return Ok(()) };
        if self.exhausted || self.failed.is_some() {
            return Ok(());
        }
        if resting && held_bytes > window_bytes {
            // Too much comes too early: the rows are not in the order of their keys, or not nearly enough.
            return Err(Halt::Unordered);
        }
        let mut room = Room { bytes: (window_bytes / 2).saturating_sub(full_bytes), starving, taken, weighed };
        if parts.peek().is_some() && room.of(parts).is_none() {
            return Ok(());
        }
        let (sender, receiver) = channel();
        let Ahead::Idle(mut parts) = std::mem::replace(&mut self.ahead, Ahead::Filling(receiver)) else { return Ok(()) };
        scope.spawn(move |_| {
            let (side_bytes, mut weighed_bytes) = (AtomicU64::new(held_bytes), 0);
            let next = std::iter::from_fn(|| {
                let weight_bytes = room.take(&mut parts)?;
                weighed_bytes += weight_bytes;
                parts.next()
            });
            let read = next.fuse().enumerate().par_bridge();
            let read = read.map(|(place, part)| (place, reader.read(side, part, &side_bytes))).collect();
            let taken_bytes = side_bytes.into_inner() - held_bytes;
            // Nobody may want it any more.
            let _ = sender.send(Fill { parts, read, weighed_bytes, taken_bytes });
        });
        Ok(())
    }

    /// Takes up what was read, if anything that comes first may still get entries from it.
    ///
    /// Whoever has to wait for it reads as well, or does whatever else there is to do.
    ///
    /// # Errors
    ///
    /// What ends the line; `reached`: all keys up to this one are in the books already.
    pub fn take_up(&mut self, reader: &Reader<'_>, reached: Option<&[u8]>) -> Result<(), Halt> {
        let Ahead::Filling(filled) = &self.ahead else { return Ok(()) };
        if !self.is_waiting() {
            return Ok(());
        }
        let fill = loop {
            match filled.try_recv() {
                Ok(fill) => break fill,
                Err(TryRecvError::Empty) if rayon::yield_now() == Some(Yield::Executed) => {}
                // If the thread that reads panicked, so will the scope that it belongs to.
                Err(_) => break filled.recv().map_err(|_| Halt::Failed(Error::new("reading broke off").on(self.side)))?,
            }
        };
        let Fill { parts, mut read, weighed_bytes, taken_bytes } = fill;
        self.weighed_bytes += weighed_bytes;
        self.taken_bytes += taken_bytes;
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
        self.ahead = Ahead::Idle(parts);
        self.advance(held.last().and_then(Held::last_key).as_deref());
        self.insert(held, reader, reached)
    }

    /// Guesses anew which keys are complete; `last` is the key that was read last.
    fn advance(&mut self, last: Option<&[u8]>) {
        let Ahead::Idle(parts) = &mut self.ahead else { return };
        let least = match parts.peek() {
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
    fn insert(&mut self, read: Vec<Held>, reader: &Reader<'_>, reached: Option<&[u8]>) -> Result<(), Halt> {
        let too_late = |first: Cow<'_, [u8]>| reached.is_some_and(|reached| compare_keys(&first, reached).is_le());
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
        self.held.extend(Held::arranged(others, &reader.coder).map_err(|error| Halt::Failed(error.on(self.side)))?);
        self.size_bytes = self.held.iter().map(Held::size_bytes).sum();
        Ok(())
    }

    /// Whether what comes first may still get entries from what was not read yet.
    pub fn is_waiting(&self) -> bool {
        let complete = |last: Cow<'_, [u8]>| self.frontier.as_ref().is_some_and(|frontier| compare_keys(&last, frontier).is_lt());
        !self.exhausted && !self.head_end().is_some_and(complete)
    }

    /// Whether everything was read and taken.
    pub fn is_done(&self) -> bool {
        self.exhausted && self.held.is_empty()
    }

    /// Why nothing more can be read, if more is waited for.
    pub fn stuck(&mut self) -> Option<Error> {
        if self.is_waiting() { self.failed.take() } else { None }
    }

    /// The greatest key of what comes first.
    pub fn head_end(&self) -> Option<Cow<'_, [u8]>> {
        self.held.front().and_then(Held::last_key)
    }

    /// Takes the keys up to `bound` off what comes first; by the choice of bounds there are none behind it.
    pub fn take_up_to(&mut self, bound: &[u8]) -> Held {
        let Some(held) = self.held.front_mut() else { return Held::default() };
        let taken = held.take_up_to(bound);
        if held.is_empty() {
            self.held.pop_front();
        }
        self.size_bytes = self.size_bytes.saturating_sub(taken.size_bytes());
        taken
    }
}

/// How much more may be read.
struct Room {
    bytes: u64,
    /// Whether a part is needed even if there is no room for it.
    starving: bool,
    /// What so many bytes of weight took.
    taken: u64,
    weighed: u64,
}

impl Room {
    /// The weight of the next part and what it takes, if there is room for it.
    fn of(&self, parts: &mut Peekable<Parts<'_>>) -> Option<(u64, u64)> {
        let weight_bytes = parts.peek()?.as_ref().map_or(0, |part| part.weight_bytes().max(1));
        let takes_bytes = (u128::from(weight_bytes) * u128::from(self.taken) / u128::from(self.weighed)) as u64;
        (self.starving || takes_bytes <= self.bytes).then_some((weight_bytes, takes_bytes))
    }

    /// Gives room to the next part, if there is any; returns its weight.
    fn take(&mut self, parts: &mut Peekable<Parts<'_>>) -> Option<u64> {
        let (weight_bytes, takes_bytes) = self.of(parts)?;
        self.starving = false;
        self.bytes = self.bytes.saturating_sub(takes_bytes);
        Some(weight_bytes)
    }
}
