//! What is held of a side until the other one has passed its keys: entries of runs, or rows that were decoded and not
//! yet encoded.
//!
//! Most rows of most tables are the same on both sides. Those that have the same bits need not be put into canonical
//! bytes, nor be hashed; everything else becomes a run before it is compared.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::ops::Range as Indexes;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::run::{Peculiarities, Run, STRETCH_ROWS_MIN, Span};
use crate::engines::{Deferred, Rows};
use crate::error::Result;
use crate::model::digest::Digester;
use crate::model::range::Evidence;
use crate::model::row::{RowBlock, compare_keys};
use crate::sides::Sides;

/// Encodes and hashes rows, into memory that was used before: memory that went from thread to thread and back to the
/// system would cost as much as filling it.
pub struct Coder<'a> {
    digester: &'a Digester,
    spare: Mutex<Vec<RowBlock>>,
}

impl<'a> Coder<'a> {
    /// A coder without any spare memory.
    pub fn new(digester: &'a Digester) -> Self {
        Coder { digester, spare: Mutex::default() }
    }

    /// Keeps the memory of what is no longer held.
    pub fn recycle(&self, held: impl Iterator<Item = Held>) {
        held.filter_map(Held::into_block).for_each(|block| self.keep(block));
    }

    fn keep(&self, mut block: RowBlock) {
        block.clear();
        if block.capacity_bytes() > 0 {
            self.lock().push(block);
        }
    }

    fn spare(&self) -> RowBlock {
        self.lock().pop().unwrap_or_default()
    }

    /// The rows of a block, so that few of them do not hold much memory.
    fn fitted(&self, block: RowBlock) -> RowBlock {
        if block.size_bytes() >= block.capacity_bytes() / 2 {
            return block;
        }
        let rows = block.shrunk();
        self.keep(block);
        rows
    }

    fn encode(&self, rows: &dyn Deferred, places: &[usize]) -> Result<RowBlock> {
        let mut block = self.spare();
        rows.encode(places, &mut block)?;
        Ok(block)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<RowBlock>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Some adjacent keys of a side, ascending, with all that is known of their rows.
#[derive(Clone, Default)]
pub struct Held {
    rows: Form,
    range: Indexes<usize>,
}

#[derive(Clone)]
enum Form {
    Run(Arc<Run>),
    /// Each row has a key of its own, without NULL.
    Deferred(Arc<dyn Deferred>),
}

impl Default for Form {
    fn default() -> Self {
        Form::Run(Arc::default())
    }
}

impl From<Span> for Held {
    fn from(span: Span) -> Self {
        Held { rows: Form::Run(span.run), range: span.entries }
    }
}

impl Held {
    /// Rows as they were read, in stretches with ascending keys.
    ///
    /// # Errors
    ///
    /// If they cannot be encoded.
    pub fn of(rows: Rows<'_>, coder: &Coder<'_>) -> Result<Vec<Held>> {
        let block = match rows {
            Rows::Encoded(block) => std::mem::replace(block, coder.spare()),
            Rows::Deferred(rows) => {
                let range = 0..rows.len();
                if rows.keys_ascend() {
                    return Ok(vec![Held { rows: Form::Deferred(rows.into()), range }]);
                }
                coder.encode(&*rows, &range.collect::<Vec<_>>())?
            }
        };
        Ok(Run::of_block(coder.fitted(block), coder.digester).into_iter().map(|run| Span::of(run).into()).collect())
    }

    /// The same, encoded.
    ///
    /// # Errors
    ///
    /// If a row cannot be encoded.
    pub fn encoded(&self, coder: &Coder<'_>) -> Result<Span> {
        match &self.rows {
            Form::Run(run) => Ok(self.span_of(run)),
            Form::Deferred(rows) => encoded(&**rows, &self.range.clone().collect::<Vec<_>>(), coder),
        }
    }

    fn span_of(&self, run: &Arc<Run>) -> Span {
        Span { run: Arc::clone(run), entries: self.range.clone() }
    }

    /// Both sides of a range, encoded.
    ///
    /// # Errors
    ///
    /// If a side cannot be encoded.
    pub fn encoded_sides(sides: &Sides<Held>, coder: &Coder<'_>) -> Result<Sides<Span>> {
        sides.as_ref().try_map(|side, held| held.encoded(coder).map_err(|error| error.on(side)))
    }

    /// What tells whether both sides of a range hold the same rows. Those that are known to have the same bits are let go
    /// of, the others are encoded.
    ///
    /// # Errors
    ///
    /// If a row cannot be encoded.
    pub fn evidence(sides: &mut Sides<Held>, coder: &Coder<'_>) -> Result<Evidence> {
        let (spans, same) = match sides.as_ref().map(|held| &held.rows) {
            // A key stands on each side once: the rows that are left when two with the same bits are put aside, wherever they
            // stand, have no business with either.
            Sides { source: Form::Deferred(source), target: Form::Deferred(target) }
                if sides.source.range.len() == sides.target.range.len() =>
            {
                let (rows, others) = (sides.source.range.clone(), sides.target.range.clone());
                let differing = source.differing(rows.clone(), &**target, others.clone());
                let places = |range: &Indexes<usize>| differing.iter().map(|place| range.start + place).collect::<Vec<_>>();
                let both = Sides { source: (source, places(&rows)), target: (target, places(&others)) };
                let on = |side, (rows, places): (&Arc<dyn Deferred>, Vec<usize>)| {
                    encoded(&**rows, &places, coder).map_err(|error| error.on(side))
                };
                (both.try_map(on)?, rows.len() - differing.len())
            }
            _ => (Held::encoded_sides(sides, coder)?, 0),
        };
        let prints = spans.as_ref().map(Span::fingerprint);
        *sides = spans.map(Held::from);
        Ok(Evidence { same: same as u64, prints })
    }

    /// What the reader of a verdict must know about the keys.
    pub fn peculiarities(&self) -> Peculiarities {
        match &self.rows {
            Form::Run(run) => self.span_of(run).peculiarities(),
            Form::Deferred(_) => Peculiarities::default(),
        }
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.range.is_empty()
    }

    fn key(&self, index: usize) -> Cow<'_, [u8]> {
        match &self.rows {
            Form::Run(run) => Cow::Borrowed(run.key(index)),
            Form::Deferred(rows) => rows.key(index),
        }
    }

    /// The least key.
    pub fn first_key(&self) -> Option<Cow<'_, [u8]>> {
        (!self.is_empty()).then(|| self.key(self.range.start))
    }

    /// The greatest key.
    pub fn last_key(&self) -> Option<Cow<'_, [u8]>> {
        (!self.is_empty()).then(|| self.key(self.range.end - 1))
    }

    /// Its share of the memory that it keeps from being freed, in bytes.
    pub fn size_bytes(&self) -> usize {
        let (bytes, keys) = match &self.rows {
            Form::Run(run) => (run.size_bytes(), run.len()),
            Form::Deferred(rows) => (rows.size_bytes(), rows.len()),
        };
        bytes / keys.max(1) * self.range.len()
    }

    /// Takes off the first `count` keys.
    fn take(&mut self, count: usize) -> Held {
        let taken = self.range.start..self.range.start + count.min(self.range.len());
        self.range.start = taken.end;
        Held { rows: self.rows.clone(), range: taken }
    }

    /// Takes off the first keys, as long as they order as `belongs` says to `bound`.
    fn take_while(&mut self, bound: &[u8], belongs: fn(Ordering) -> bool) -> Held {
        let (mut low, mut high) = (self.range.start, self.range.end);
        while low < high {
            let middle = low + (high - low) / 2;
            if belongs(compare_keys(&self.key(middle), bound)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        self.take(low - self.range.start)
    }

    /// Takes off the keys that are not above `bound`.
    pub fn take_up_to(&mut self, bound: &[u8]) -> Held {
        self.take_while(bound, Ordering::is_le)
    }

    /// The same keys in ascending order, none of them in two places. What lies apart stays as it is; what overlaps a
    /// little is cut; what interleaves is copied.
    ///
    /// # Errors
    ///
    /// If what interleaves cannot be encoded.
    pub fn arranged(mut held: Vec<Held>, coder: &Coder<'_>) -> Result<Vec<Held>> {
        held.retain(|one| !one.is_empty());
        let first = |one: &Held| one.first_key().unwrap_or_default().into_owned();
        let descending = |a: &Held, b: &Held| compare_keys(&b.first_key().unwrap_or_default(), &a.first_key().unwrap_or_default());
        held.sort_by(descending);
        let pieces_max = held.len() * 2 + STRETCH_ROWS_MIN;
        let mut arranged = Vec::with_capacity(held.len());
        while let Some(mut one) = held.pop() {
            let Some(next) = held.last().map(first) else {
                arranged.push(one);
                break;
            };
            if arranged.len() > pieces_max {
                held.push(one);
                arranged.extend(merged(&held, coder)?);
                break;
            }
            let head = one.take_while(&next, Ordering::is_lt);
            if head.is_empty() {
                // Both begin with one key: the rows with it become one entry.
                let mut other = held.pop().unwrap_or_default();
                let both = merged(&[one.take(1), other.take(1)], coder)?;
                insert(&mut held, one, descending);
                insert(&mut held, other, descending);
                // A third may begin with it as well.
                held.extend(both);
                continue;
            }
            arranged.push(head);
            insert(&mut held, one, descending);
        }
        Ok(arranged)
    }

    /// The memory of the rows, if nobody else holds them.
    fn into_block(self) -> Option<RowBlock> {
        match self.rows {
            Form::Run(run) => Arc::into_inner(run).map(Run::into_block),
            Form::Deferred(_) => None,
        }
    }
}

/// The rows at some places, ascending, encoded.
fn encoded(rows: &dyn Deferred, places: &[usize], coder: &Coder<'_>) -> Result<Span> {
    Ok(Span::of(Run::ascending(coder.encode(rows, places)?, coder.digester)))
}

/// The same entries in order, copied.
fn merged(held: &[Held], coder: &Coder<'_>) -> Result<Vec<Held>> {
    let spans = held.iter().map(|one| one.encoded(coder)).collect::<Result<Vec<Span>>>()?;
    Ok(Run::merged(spans.iter().flat_map(Span::entries)).into_iter().map(|run| Span::of(run).into()).collect())
}

/// Puts one in its place among those that are ordered as `order` says.
fn insert(held: &mut Vec<Held>, one: Held, order: impl Fn(&Held, &Held) -> Ordering) {
    if !one.is_empty() {
        let place = held.partition_point(|other| order(other, &one).is_lt());
        held.insert(place, one);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::canonical::{Tag, push_whole};

    fn block(ids: impl IntoIterator<Item = i128>) -> RowBlock {
        let mut block = RowBlock::default();
        for id in ids {
            push_whole(block.buffer(), Tag::Number, id);
            block.end_key();
            block.end_compared();
            block.end_row();
        }
        block
    }

    /// Failure: one run in a hundred read a table by key hash that others read in the order of its keys. Cause: what rows took
    /// was the memory that they lay in, and which memory that is depends on which thread gave some back first. Fix: it is the
    /// memory that they need; and rows that need little do not keep more.
    #[test]
    fn what_rows_take_does_not_depend_on_the_memory_that_was_used_again() {
        let digester = Digester::with_seed(1);
        let (fresh, used) = (Coder::new(&digester), Coder::new(&digester));
        used.recycle(Held::of(Rows::Encoded(&mut block(0..5000)), &used).unwrap().into_iter());
        let mut sizes = Vec::new();
        for coder in [&fresh, &used] {
            let mut filled = coder.spare();
            for rows in [3, 2000, 10] {
                block(0..rows).iter().for_each(|row| filled.push(row));
                let held = Held::of(Rows::Encoded(&mut filled), coder).unwrap().remove(0);
                let Form::Run(run) = &held.rows else { panic!("rows are encoded") };
                assert!(run.capacity_bytes() <= 2 * run.size_bytes(), "{} for {}", run.capacity_bytes(), run.size_bytes());
                assert!(filled.is_empty());
                sizes.push(held.size_bytes());
            }
        }
        assert_eq!(sizes[..3], sizes[3..]);
    }

    #[test]
    fn what_is_arranged_does_not_overlap_and_loses_nothing() {
        let digester = Digester::with_seed(1);
        let coder = Coder::new(&digester);
        let held = |ids: &[i128]| Held::of(Rows::Encoded(&mut block(ids.iter().copied())), &coder).unwrap().remove(0);
        let interleaved: Vec<Vec<i128>> = (0..3).map(|i| (0..200).map(|k| k * 3 + i).collect()).collect();
        let cases = [vec![vec![5, 6], vec![1, 2, 9, 10], vec![7]], vec![vec![1, 2], vec![2, 3], vec![2, 9], vec![9]], interleaved];
        for case in cases {
            let arranged = Held::arranged(case.iter().map(|ids| held(ids)).collect(), &coder).unwrap();
            let spans: Vec<Span> = arranged.iter().map(|held| held.encoded(&coder).unwrap()).collect();
            let keys: Vec<Vec<u8>> = spans.iter().flat_map(|span| span.entries().map(|entry| entry.row.key().to_vec())).collect();
            assert!(keys.is_sorted_by(|a, b| compare_keys(a, b).is_lt()));
            let rows: u64 = spans.iter().map(|span| span.fingerprint().rows).sum();
            assert_eq!(rows as usize, case.iter().map(Vec::len).sum::<usize>());
        }
    }
}
