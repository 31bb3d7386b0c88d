//! Compares the rows of a range key by key.

use std::cmp::Ordering;
use std::iter::Peekable;

use super::run::{Entry, Span};
use crate::model::canonical::Values;
use crate::model::finding::{Difference, Findings};
use crate::model::row::compare_keys;
use crate::model::verdict::DifferenceCounts;
use crate::sides::Sides;

/// What comparing came to.
#[derive(Debug, Clone, Default)]
pub struct Compared {
    /// The differences, in the order of their keys.
    pub findings: Findings,
    /// Rows that were compared.
    pub rows: Sides<u64>,
    /// Rows of keys that both sides have alike.
    pub matched: u64,
    /// Keys that differ.
    pub differences: DifferenceCounts,
    /// Rows of keys that count as duplicates.
    pub duplicate: Sides<u64>,
    /// For each compared column, the changed keys at which it differs.
    pub changed: Vec<u64>,
}

/// Compares two spans that cover the same range, but for `same` rows of each side that are known to be the same;
/// `columns` is the number of compared columns.
pub fn compare(spans: &Sides<Span>, same: u64, columns: usize) -> Compared {
    // Room for all rows, given back at the end: growing step by step would copy them several times.
    let findings = Findings::with_room(spans.as_ref().map(Span::size));
    let rows = Sides { source: same, target: same };
    let mut compared = Compared { changed: vec![0; columns], findings, rows, matched: same, ..Compared::default() };
    let mut changed = Vec::with_capacity(columns);
    let mut source = spans.source.entries().peekable();
    let mut target = spans.target.entries().peekable();
    while let Some(pair) = next_pair(&mut source, &mut target) {
        compared.pair(pair, &mut changed);
    }
    compared.findings.shrink();
    compared
}

/// The entries of the least key that is left, on the sides that have it.
fn next_pair<'a>(
    source: &mut Peekable<impl Iterator<Item = Entry<'a>>>,
    target: &mut Peekable<impl Iterator<Item = Entry<'a>>>,
) -> Option<Sides<Option<Entry<'a>>>> {
    let order = match (source.peek(), target.peek()) {
        (None, None) => return None,
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (Some(source), Some(target)) if source.row.key() == target.row.key() => Ordering::Equal,
        (Some(source), Some(target)) => compare_keys(source.row.key(), target.row.key()),
    };
    Some(Sides { source: source.next_if(|_| order != Ordering::Greater), target: target.next_if(|_| order != Ordering::Less) })
}

impl Compared {
    /// Enters what the sides have of a key; `changed` is memory to be used.
    fn pair(&mut self, pair: Sides<Option<Entry<'_>>>, changed: &mut Vec<u16>) {
        let counts = pair.map(|entry| entry.map_or(0, |entry| entry.print.rows));
        self.rows.source += counts.source;
        self.rows.target += counts.target;
        let difference = match (pair.source, pair.target) {
            (Some(source), Some(target)) if source.print == target.print => {
                self.matched += counts.source;
                return;
            }
            _ if counts.source > 1 || counts.target > 1 => {
                self.differences.duplicate += 1;
                self.duplicate.source += counts.source;
                self.duplicate.target += counts.target;
                Difference::Duplicate
            }
            (Some(_), None) => {
                self.differences.missing_in_target += 1;
                Difference::MissingInTarget
            }
            (None, _) => {
                self.differences.missing_in_source += 1;
                Difference::MissingInSource
            }
            (Some(_), Some(_)) => {
                self.differences.changed += 1;
                Difference::Changed
            }
        };
        changed.clear();
        if let (Difference::Changed, Some(source), Some(target)) = (difference, pair.source, pair.target) {
            changed.extend(changed_columns(source, target));
        }
        changed.iter().for_each(|&column| self.changed[usize::from(column)] += 1);
        self.findings.push(difference, pair.map(|entry| entry.map(|entry| (entry.row, entry.print.rows))), changed);
    }
}

fn changed_columns(source: Entry<'_>, target: Entry<'_>) -> impl Iterator<Item = u16> {
    let values = Values::of(source.row.compared()).zip(Values::of(target.row.compared()));
    values.zip(0u16..).filter(|((source, target), _)| source != target).map(|(_, column)| column)
}
