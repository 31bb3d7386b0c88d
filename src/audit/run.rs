//! A run: rows of one side, ordered by key, one entry for each key.

use std::cmp::Ordering;
use std::ops::Range as Indexes;
use std::sync::Arc;

use crate::model::canonical::{Tag, Values};
use crate::model::digest::{Digester, Fingerprint};
use crate::model::row::{Row, RowBlock, compare_keys};

/// Rows with strictly ascending keys. Rows that share a key are one entry: what is known of them is their number,
/// the sum of their digests, and the least of them by its bytes. So a key that repeats a million times takes no
/// more memory than one that does not.
#[derive(Debug, Default)]
pub struct Run {
    rows: RowBlock,
    prints: Vec<Fingerprint>,
    /// Whether a key repeats or has NULL in it; most runs have no such key and need not be searched for them.
    peculiar: bool,
}

/// One key of a run.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// The least of the rows with the key.
    pub row: Row<'a>,
    /// All of the rows with the key.
    pub print: Fingerprint,
}

/// The keys of a side do not ascend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unordered;

impl Run {
    /// A run of rows that lie in the order of their keys.
    ///
    /// # Errors
    ///
    /// [`Unordered`] if they do not.
    pub fn of_ordered(rows: RowBlock, digester: &Digester) -> Result<Self, Unordered> {
        let (mut repeats, mut peculiar) = (false, !rows.is_empty() && has_null(rows.row(0).key()));
        for index in 1..rows.len() {
            peculiar |= has_null(rows.row(index).key());
            match compare_keys(rows.row(index - 1).key(), rows.row(index).key()) {
                Ordering::Less => {}
                Ordering::Equal => repeats = true,
                Ordering::Greater => return Err(Unordered),
            }
        }
        let prints = rows.iter().map(|row| Fingerprint { rows: 1, sum: digester.digest(row.compared()) }).collect();
        let run = Run { rows, prints, peculiar };
        Ok(if repeats { run.collapsed(0..run.len()) } else { run })
    }

    /// The entries of this run at `order`, which lists them by ascending key, those with one key made one.
    fn collapsed(&self, order: impl Iterator<Item = usize>) -> Run {
        let mut collapsed = Run::default();
        for entry in order.map(|index| self.entry(index)) {
            if !collapsed.absorb(entry) {
                collapsed.peculiar |= has_null(entry.row.key());
                collapsed.rows.push(entry.row);
                collapsed.prints.push(entry.print);
            }
        }
        collapsed
    }

    /// Adds an entry to the last one if both have the same key; says whether it did.
    pub fn absorb(&mut self, entry: Entry<'_>) -> bool {
        let Some(last) = self.len().checked_sub(1) else { return false };
        let kept = self.rows.row(last);
        if kept.key() != entry.row.key() {
            return false;
        }
        if entry.row.bytes() < kept.bytes() {
            self.rows.pop();
            self.rows.push(entry.row);
        }
        self.prints[last].merge(entry.print);
        self.peculiar = true;
        true
    }

    /// Appends a row with any key; the run is in no order until [`Run::sort`].
    pub fn push_unordered(&mut self, row: Row<'_>, digester: &Digester) {
        self.rows.push(row);
        self.prints.push(Fingerprint { rows: 1, sum: digester.digest(row.compared()) });
    }

    /// Brings the entries into order and makes those with one key one.
    pub fn sort(&mut self) {
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.sort_by(|&a, &b| compare_keys(self.rows.row(a).key(), self.rows.row(b).key()));
        *self = self.collapsed(order.into_iter());
    }

    /// The number of keys.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The entry at `index`.
    #[inline]
    pub fn entry(&self, index: usize) -> Entry<'_> {
        Entry { row: self.rows.row(index), print: self.prints[index] }
    }

    /// The key at `index`.
    pub fn key(&self, index: usize) -> &[u8] {
        self.rows.row(index).key()
    }

    /// The greatest key.
    pub fn last_key(&self) -> Option<&[u8]> {
        self.len().checked_sub(1).map(|last| self.key(last))
    }

    /// The number of entries from `start` on whose keys are not above `bound`, plus `start`.
    pub fn end_of(&self, start: usize, bound: &[u8]) -> usize {
        let (mut low, mut high) = (start, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if compare_keys(self.key(middle), bound) == Ordering::Greater {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        low
    }

    /// The memory that the run holds, in bytes.
    pub fn size_bytes(&self) -> usize {
        self.rows.capacity_bytes() + self.prints.capacity() * size_of::<Fingerprint>()
    }
}

/// Some adjacent entries of a run.
#[derive(Debug, Clone, Default)]
pub struct Span {
    run: Arc<Run>,
    entries: Indexes<usize>,
}

impl Span {
    /// The given entries of a run.
    pub fn new(run: Arc<Run>, entries: Indexes<usize>) -> Self {
        Span { run, entries }
    }

    /// No entries.
    pub fn empty() -> Self {
        Span::default()
    }

    /// The sum of the entries' fingerprints.
    pub fn fingerprint(&self) -> Fingerprint {
        let mut sum = Fingerprint::default();
        self.run.prints[self.entries.clone()].iter().for_each(|print| sum.merge(*print));
        sum
    }

    /// The entries in the order of their keys.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        self.entries.clone().map(|index| self.run.entry(index))
    }

    /// What the reader of a verdict must know about the keys.
    pub fn peculiarities(&self) -> Peculiarities {
        let mut found = Peculiarities::default();
        if self.run.peculiar {
            self.entries().for_each(|entry| found.note(entry));
        }
        found
    }
}

/// Keys that are not what one expects of keys.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Peculiarities {
    /// Keys with more than one row.
    pub repeated_keys: u64,
    /// Rows with NULL in their key.
    pub null_key_rows: u64,
}

impl Peculiarities {
    fn note(&mut self, entry: Entry<'_>) {
        self.repeated_keys += u64::from(entry.print.rows > 1);
        self.null_key_rows += if has_null(entry.row.key()) { entry.print.rows } else { 0 };
    }

    /// Adds those of `other`.
    pub fn merge(&mut self, other: Peculiarities) {
        self.repeated_keys += other.repeated_keys;
        self.null_key_rows += other.null_key_rows;
    }
}

/// Whether a part of the key is NULL.
pub fn has_null(key: &[u8]) -> bool {
    Values::of(key).any(|part| part.tag == Tag::Null)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::canonical::{push_bytes, push_whole};

    fn block(rows: &[(i128, &str)]) -> RowBlock {
        let mut block = RowBlock::default();
        for (id, text) in rows {
            push_whole(block.buffer(), Tag::Number, *id);
            block.end_key();
            push_bytes(block.buffer(), Tag::Text, text.as_bytes());
            block.end_compared();
            block.end_row();
        }
        block
    }

    #[test]
    fn rows_with_one_key_become_one_entry_whatever_their_order() {
        let digester = Digester::with_seed(3);
        let ordered = Run::of_ordered(block(&[(1, "b"), (1, "a"), (2, "x"), (3, "c"), (3, "c")]), &digester).unwrap();
        let mut sorted = Run::default();
        block(&[(3, "c"), (1, "a"), (2, "x"), (3, "c"), (1, "b")]).iter().for_each(|row| sorted.push_unordered(row, &digester));
        sorted.sort();
        assert_eq!(ordered.len(), 3);
        for index in 0..3 {
            let (one, two) = (ordered.entry(index), sorted.entry(index));
            assert_eq!((one.row, one.print), (two.row, two.print));
        }
        assert_eq!(ordered.entry(0).print.rows, 2);
        assert!(ordered.entry(0).row.compared().ends_with(b"a"));
    }

    #[test]
    fn descending_keys_are_refused() {
        assert_eq!(Run::of_ordered(block(&[(2, "a"), (1, "a")]), &Digester::with_seed(1)).err(), Some(Unordered));
    }

    #[test]
    fn the_end_of_a_bound_counts_keys_up_to_and_including_it() {
        let run = Run::of_ordered(block(&[(1, ""), (3, ""), (5, "")]), &Digester::with_seed(1)).unwrap();
        for (bound, end) in [(0, 0), (1, 1), (2, 1), (3, 2), (5, 3), (9, 3)] {
            assert_eq!(run.end_of(0, block(&[(bound, "")]).row(0).key()), end);
        }
    }
}
