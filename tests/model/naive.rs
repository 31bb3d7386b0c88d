//! The naive comparison: rows grouped by key in a map, and looked at one by one.

use std::collections::BTreeMap;

use super::value::V;

/// How a key differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    OnlySource,
    OnlyTarget,
    Changed,
    Duplicate,
}

/// What is said about a key: how it differs, its rows on both sides, the columns that differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub kind: Kind,
    pub rows: [Vec<Vec<V>>; 2],
    pub changed: Vec<usize>,
}

/// What comparing came to.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    pub differences: BTreeMap<Vec<V>, Difference>,
    pub matched: u64,
    /// Rows of duplicates on each side.
    pub duplicates: [u64; 2],
    /// Keys that repeat on each side.
    pub repeated: [u64; 2],
}

/// Compares rows whose first `key` columns are the key.
pub fn diff(sides: &[Vec<Vec<V>>; 2], key: usize) -> Outcome {
    let mut groups: BTreeMap<Vec<V>, [Vec<Vec<V>>; 2]> = BTreeMap::new();
    for (side, rows) in sides.iter().enumerate() {
        for row in rows {
            groups.entry(row[..key].to_vec()).or_default()[side].push(row.clone());
        }
    }
    let mut outcome = Outcome::default();
    for (key, mut rows) in groups {
        rows.iter_mut().for_each(|rows| rows.sort());
        let counts = [rows[0].len(), rows[1].len()];
        (0..2).for_each(|side| outcome.repeated[side] += u64::from(counts[side] > 1));
        if rows[0] == rows[1] {
            outcome.matched += counts[0] as u64;
            continue;
        }
        let kind = match counts {
            [one, other] if one > 1 || other > 1 => Kind::Duplicate,
            [1, 0] => Kind::OnlySource,
            [0, 1] => Kind::OnlyTarget,
            _ => Kind::Changed,
        };
        let mut changed = Vec::new();
        if kind == Kind::Changed {
            changed.extend((0..rows[0][0].len()).filter(|&i| rows[0][0][i] != rows[1][0][i]));
        }
        if kind == Kind::Duplicate {
            (0..2).for_each(|side| outcome.duplicates[side] += counts[side] as u64);
        }
        outcome.differences.insert(key, Difference { kind, rows, changed });
    }
    outcome
}
