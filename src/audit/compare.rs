//! Compares the rows of a range key by key.

use std::cmp::Ordering;

use super::run::{Entry, Span};
use crate::model::canonical::Values;
use crate::model::finding::{Difference, Findings};
use crate::model::row::{Row, compare_keys};
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
    let Sides { source, target } = spans;
    let (mut sources, mut targets) = (source.entries.clone(), target.entries.clone());
    // By their places, not by a peekable iterator: entries that are written to memory and copied right after let the
    // processor wait for them.
    while !sources.is_empty() || !targets.is_empty() {
        let order = match (sources.is_empty(), targets.is_empty()) {
            (false, false) => match (source.run.key(sources.start), target.run.key(targets.start)) {
                (one, other) if one == other => Ordering::Equal,
                (one, other) => compare_keys(one, other),
            },
            // A side that is at its end has nothing below the other's key.
            (source_ended, target_ended) => source_ended.cmp(&target_ended),
        };
        let from_source = if order.is_le() { sources.next() } else { None }.map(|place| source.run.entry(place));
        let from_target = if order.is_ge() { targets.next() } else { None }.map(|place| target.run.entry(place));
        compared.pair(from_source, from_target, &mut changed);
    }
    compared.findings.shrink();
    compared
}

impl Compared {
    /// Enters what the sides have of a key; `changed` is memory to be used.
    #[inline]
    fn pair(&mut self, source: Option<Entry<'_>>, target: Option<Entry<'_>>, changed: &mut Vec<u16>) {
        let count = |entry: Option<Entry<'_>>| entry.map_or(0, |entry| entry.print.rows);
        let counts = Sides { source: count(source), target: count(target) };
        self.rows.source += counts.source;
        self.rows.target += counts.target;
        let difference = match (source, target) {
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
        if let (Difference::Changed, Some(source), Some(target)) = (difference, source, target) {
            changed.extend(changed_columns(source, target));
        }
        changed.iter().for_each(|&column| self.changed[usize::from(column)] += 1);
        self.findings.push(difference, Sides { source: source.map(counted), target: target.map(counted) }, changed);
    }
}

fn counted(entry: Entry<'_>) -> (Row<'_>, u64) {
    (entry.row, entry.print.rows)
}

fn changed_columns(source: Entry<'_>, target: Entry<'_>) -> impl Iterator<Item = u16> {
    let values = Values::of(source.row.compared()).zip(Values::of(target.row.compared()));
    values.zip(0u16..).filter(|((source, target), _)| source != target).map(|(_, column)| column)
}
