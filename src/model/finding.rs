//! Findings: the keys at which the two sides differ, with the rows they have there.

use std::fmt;

use super::row::{Row, RowBlock};
use crate::sides::{Side, Sides};

/// How the two sides differ at a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Difference {
    /// Only the source has the key.
    MissingInTarget,
    /// Only the target has the key.
    MissingInSource,
    /// Both have one row with the key, and the rows differ.
    Changed,
    /// The key occurs more than once on a side, and the two multisets of rows differ.
    Duplicate,
}

impl Difference {
    /// All differences, in the order in which the report lists them.
    pub const ALL: [Difference; 4] =
        [Difference::MissingInTarget, Difference::MissingInSource, Difference::Changed, Difference::Duplicate];

    /// The name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Difference::MissingInTarget => "missing_in_target",
            Difference::MissingInSource => "missing_in_source",
            Difference::Changed => "changed",
            Difference::Duplicate => "duplicate",
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Many findings with the rows they speak of, in the order of their keys.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    findings: Vec<Finding>,
    /// Indexes of changed columns, those of one finding after those of the one before.
    changed: Vec<u16>,
    rows: Sides<RowBlock>,
}

#[derive(Debug, Clone)]
struct Finding {
    difference: Difference,
    /// Rows with the key.
    rows: Sides<u64>,
    /// Where the row stands in the side's block.
    at: Sides<Option<usize>>,
    changed_end: usize,
}

/// One finding.
#[derive(Debug, Clone, Copy)]
pub struct FindingRef<'a> {
    /// How the sides differ.
    pub difference: Difference,
    /// The number of rows with the key on each side.
    pub counts: Sides<u64>,
    /// A row with the key on each side, the least by its bytes where there are several.
    pub rows: Sides<Option<Row<'a>>>,
    /// Indexes into the pairing's columns of those that differ; empty unless the key is `changed`.
    pub changed: &'a [u16],
}

impl<'a> FindingRef<'a> {
    /// The key in canonical bytes, the source's where it has one.
    pub fn key(&self) -> &'a [u8] {
        self.rows.source.or(self.rows.target).map_or(&[], |row| row.key())
    }
}

impl Findings {
    /// No findings, and room for so many rows of so many bytes in all on each side.
    pub fn with_room(room: Sides<(usize, usize)>) -> Self {
        let mut findings = Findings::default();
        findings.findings.reserve(room.source.0.max(room.target.0));
        for side in Side::BOTH {
            let (rows, bytes) = *room.get(side);
            findings.rows.get_mut(side).reserve(rows, bytes);
        }
        findings
    }

    /// Gives back the room that was not needed.
    pub fn shrink(&mut self) {
        self.findings.shrink_to_fit();
        Side::BOTH.into_iter().for_each(|side| self.rows.get_mut(side).shrink());
    }

    /// Appends a finding. `rows` holds a row of each side and how many there are with its key.
    pub fn push(&mut self, difference: Difference, rows: Sides<Option<(Row<'_>, u64)>>, changed: &[u16]) {
        let mut at = Sides::default();
        for side in Side::BOTH {
            if let Some((row, _)) = rows.get(side) {
                let block = self.rows.get_mut(side);
                *at.get_mut(side) = Some(block.len());
                block.push(*row);
            }
        }
        self.changed.extend_from_slice(changed);
        let rows = rows.map(|row| row.map_or(0, |(_, count)| count));
        self.findings.push(Finding { difference, rows, at, changed_end: self.changed.len() });
    }

    /// The number of findings.
    pub fn len(&self) -> usize {
        self.findings.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.findings.is_empty()
    }

    /// The size of the rows in bytes.
    pub fn bytes_len(&self) -> usize {
        self.rows.source.bytes_len() + self.rows.target.bytes_len()
    }

    /// The finding at `index`.
    pub fn get(&self, index: usize) -> FindingRef<'_> {
        let finding = &self.findings[index];
        let changed_start = if index == 0 { 0 } else { self.findings[index - 1].changed_end };
        FindingRef {
            difference: finding.difference,
            counts: finding.rows,
            rows: finding.at.zip(self.rows.as_ref()).map(|(at, block)| at.map(|at| block.row(at))),
            changed: &self.changed[changed_start..finding.changed_end],
        }
    }

    /// The findings in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = FindingRef<'_>> {
        (0..self.len()).map(|index| self.get(index))
    }
}
