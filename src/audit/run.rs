//! A run: rows of one side, ordered by key, one entry for each key.

use std::cmp::Ordering;
use std::ops::Range as Indexes;
use std::sync::Arc;

use rayon::prelude::*;

use crate::model::canonical::{Tag, Values};
use crate::model::digest::{Digester, Fingerprint};
use crate::model::row::{BLOCK_ROWS_MAX, Row, RowBlock, compare_keys, key_head};

/// Rows with strictly ascending keys. Rows that share a key are one entry: what is known of them is their number,
/// the sum of their digests, and the least of them by its bytes. So a key that repeats a million times takes no
/// more memory than one that does not.
#[derive(Debug, Default)]
pub struct Run {
    rows: RowBlock,
    /// For each entry, the sum of the digests of its rows.
    sums: Vec<u128>,
    /// For each entry, the number of its rows; empty if that is one for all.
    counts: Vec<u64>,
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

/// Rows per ascending stretch from which on a block is cut where its keys descend; below, it is sorted.
pub const STRETCH_ROWS_MIN: usize = 32;

impl Run {
    /// The runs of a block: one if its keys ascend, one for each stretch in which they do if there are few, and
    /// else one with its rows sorted.
    pub fn of_block(rows: RowBlock, digester: &Digester) -> Vec<Run> {
        let (mut cuts, mut repeats) = (vec![0], false);
        let mut peculiar = !rows.is_empty() && has_null(rows.row(0).key());
        for index in 1..rows.len() {
            let key = rows.row(index).key();
            peculiar |= has_null(key);
            match compare_keys(rows.row(index - 1).key(), key) {
                Ordering::Less => {}
                Ordering::Equal => repeats = true,
                Ordering::Greater => cuts.push(index),
            }
        }
        let block = Run { peculiar, ..Run::ascending(rows, digester) };
        if cuts.len() == 1 {
            return vec![if repeats { block.collapsed(0..block.len()) } else { block }];
        }
        if cuts.len() * STRETCH_ROWS_MIN > block.len() {
            return vec![block.sorted()];
        }
        let ends = cuts.iter().skip(1).copied().chain([block.len()]);
        cuts.iter().zip(ends).map(|(&start, end)| block.collapsed(start..end)).collect()
    }

    /// The run of rows whose keys are known to ascend, without NULL.
    pub fn ascending(rows: RowBlock, digester: &Digester) -> Run {
        let sums = rows.iter().map(|row| digester.digest(row.compared())).collect();
        Run { rows, sums, counts: Vec::new(), peculiar: false }
    }

    /// Runs that hold the entries of `runs`, whose keys may interleave, in order and none larger than a block.
    pub fn merged<'a>(entries: impl Iterator<Item = Entry<'a>>) -> Vec<Run> {
        let mut all = Run::default();
        entries.for_each(|entry| all.push(entry));
        let all = all.sorted();
        let starts = (0..all.len()).step_by(BLOCK_ROWS_MAX);
        starts.map(|start| all.collapsed(start..all.len().min(start + BLOCK_ROWS_MAX))).collect()
    }

    /// The entries of this run at `order`, which lists them by ascending key, those with one key made one.
    fn collapsed(&self, order: impl Iterator<Item = usize>) -> Run {
        let mut collapsed = Run::default();
        for entry in order.map(|index| self.entry(index)) {
            if !collapsed.absorb(entry) {
                collapsed.peculiar |= entry.print.rows > 1 || has_null(entry.row.key());
                collapsed.push(entry);
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
        let mut print = self.entry(last).print;
        print.merge(entry.print);
        self.counts.resize(self.len(), 1);
        self.counts[last] = print.rows;
        self.sums[last] = print.sum;
        self.peculiar = true;
        true
    }

    /// Appends an entry with any key; the entries are in no order until [`Run::sorted`].
    fn push(&mut self, entry: Entry<'_>) {
        self.rows.push(entry.row);
        self.sums.push(entry.print.sum);
        if entry.print.rows > 1 || !self.counts.is_empty() {
            self.counts.resize(self.len() - 1, 1);
            self.counts.push(entry.print.rows);
        }
    }

    /// Appends a row with any key; the entries are in no order until [`Run::sorted`].
    pub fn push_row(&mut self, row: Row<'_>, digester: &Digester) {
        self.push(Entry { row, print: Fingerprint { rows: 1, sum: digester.digest(row.compared()) } });
    }

    /// The same entries in order, those with one key made one.
    pub fn sorted(&self) -> Run {
        let mut order: Vec<(u64, usize)> = (0..self.len()).map(|index| (key_head(self.key(index)), index)).collect();
        order.par_sort_unstable_by(|&(a_head, a), &(b_head, b)| {
            a_head.cmp(&b_head).then_with(|| compare_keys(self.key(a), self.key(b))).then(a.cmp(&b))
        });
        self.collapsed(order.into_iter().map(|(_, index)| index))
    }

    /// The number of keys.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// The entry at `index`.
    #[inline]
    pub fn entry(&self, index: usize) -> Entry<'_> {
        let rows = self.counts.get(index).copied().unwrap_or(1);
        Entry { row: self.rows.row(index), print: Fingerprint { rows, sum: self.sums[index] } }
    }

    /// The key of the entry at `index`.
    #[inline]
    pub fn key(&self, index: usize) -> &[u8] {
        self.rows.row(index).key()
    }

    /// The memory of the rows, to be used again.
    pub fn into_block(self) -> RowBlock {
        self.rows
    }

    /// The memory that the run holds, in bytes.
    pub fn capacity_bytes(&self) -> usize {
        self.rows.capacity_bytes() + self.sums.capacity() * size_of::<u128>() + self.counts.capacity() * size_of::<u64>()
    }

    /// The memory that the run needs, in bytes: unlike what it holds, it depends on nothing but its entries, so that
    /// what is done next does not depend on which memory was used again.
    pub fn size_bytes(&self) -> usize {
        self.rows.size_bytes() + self.sums.len() * size_of::<u128>() + self.counts.len() * size_of::<u64>()
    }
}

/// Some adjacent entries of a run.
#[derive(Debug, Clone, Default)]
pub struct Span {
    /// The run that they are of.
    pub run: Arc<Run>,
    /// Their places in it.
    pub entries: Indexes<usize>,
}

impl Span {
    /// All entries of a run.
    pub fn of(run: Run) -> Self {
        let entries = 0..run.len();
        Span { run: Arc::new(run), entries }
    }

    /// The sum of the entries' fingerprints.
    pub fn fingerprint(&self) -> Fingerprint {
        let (sums, counts) = (&self.run.sums[self.entries.clone()], self.run.counts.get(self.entries.clone()));
        Fingerprint {
            rows: counts.map_or(sums.len() as u64, |counts| counts.iter().sum()),
            sum: sums.iter().fold(0, |sum, digest| sum.wrapping_add(*digest)),
        }
    }

    /// The number of entries, and the bytes of their rows.
    pub fn size(&self) -> (usize, usize) {
        (self.entries.len(), self.run.rows.bytes_of(&self.entries))
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
        let run = |rows| Run::of_block(block(rows), &digester).remove(0);
        let ordered = run(&[(1, "b"), (1, "a"), (2, "x"), (3, "c"), (3, "c")]);
        let sorted = run(&[(3, "c"), (1, "a"), (2, "x"), (3, "c"), (1, "b")]);
        assert_eq!(ordered.len(), 3);
        for index in 0..3 {
            let (one, two) = (ordered.entry(index), sorted.entry(index));
            assert_eq!((one.row, one.print), (two.row, two.print));
        }
        assert_eq!(ordered.entry(0).print.rows, 2);
        assert!(ordered.entry(0).row.compared().ends_with(b"a"));
    }

    #[test]
    fn a_block_is_cut_where_its_keys_descend() {
        let rows: Vec<(i128, &str)> = (100..200).chain(0..100).map(|id| (id, "")).collect();
        let digester = Digester::with_seed(1);
        let runs = Run::of_block(block(&rows), &digester);
        assert_eq!(runs.iter().map(Run::len).collect::<Vec<_>>(), [100, 100]);
        let merged = Run::merged(runs.iter().flat_map(|run| (0..run.len()).map(|index| run.entry(index))));
        assert_eq!(merged.len(), 1);
        assert!((1..200).all(|index| compare_keys(merged[0].key(index - 1), merged[0].key(index)).is_lt()));
    }
}
