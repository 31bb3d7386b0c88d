//! The cells in which a server adds up fingerprints by itself.
//!
//! Each row has a position, a whole number: its key, where that is one whole number on both sides, so that the rows of a
//! cell lie side by side in an index; else a hash of its key. A cell is `width` positions in a row.

use std::collections::HashMap;

use super::canonical::{Tag, push_whole, take};
use super::chained::{self, Form};
use super::digest::{Fingerprint, key_hash};
use super::kind::Kind;
use super::number;
use super::portable;
use super::range::{CellSet, Domain, Range};

/// Where rows lie, and what their digests are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grid {
    /// What the position of a row is.
    pub position: Position,
    /// Positions in a cell; at least 1.
    pub width: i64,
    /// Drawn anew for each run, so that a collision in one run is none in the next and nobody can prepare one.
    pub salt: u64,
    /// What the compared columns are read as, those of the key first.
    pub kinds: Vec<Kind>,
    /// How rows are digested.
    pub digest: Digest,
}

/// How rows are digested where servers do it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Digest {
    /// By [portable text](portable), which every server can write.
    Portable,
    /// [Value by value](chained), as PostgreSQL alone can; what is hashed of each column.
    Chained(Vec<Form>),
}

impl Digest {
    /// The name in the report.
    pub fn name(&self) -> &'static str {
        match self {
            Digest::Portable => portable::NAME,
            Digest::Chained(_) => chained::NAME,
        }
    }
}

/// What the position of a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// Its key: one whole number that fits 64 bits, unique, never NULL.
    Key,
    /// 60 bits of the digest of its key.
    Hash,
}

/// Bits of a chained hash that are not part of a position.
pub const UNUSED_BITS: u32 = 4;

/// Fingerprints by cell; cells without rows are not among them.
pub type CellSums = HashMap<i64, Fingerprint>;

impl Grid {
    /// What its cells are cells of.
    pub fn domain(&self) -> Domain {
        match self.position {
            Position::Key => Domain::KeyOrder,
            Position::Hash => Domain::KeyHash,
        }
    }

    /// The cell of a key in canonical bytes; `None` if it has no position, which is so for no key that a server can have.
    pub fn cell_of(&self, key: &[u8]) -> Option<i64> {
        let position = match self.position {
            Position::Key => i64::try_from(number::read_i128(take(&mut &key[..])?.bytes)?).ok()?,
            Position::Hash => match &self.digest {
                Digest::Portable => portable::hash_position(self.salt, &self.kinds, key),
                Digest::Chained(forms) => (chained::hash(self.salt, forms, &self.kinds, key) >> UNUSED_BITS) as i64,
            },
        };
        Some(position / self.width)
    }

    /// The digest of a row whose compared values are `row`, in canonical bytes.
    pub fn digest_of(&self, row: &[u8]) -> u128 {
        match &self.digest {
            Digest::Portable => portable::digest(self.salt, &self.kinds, row),
            // Servers add up numbers with a sign.
            Digest::Chained(forms) => chained::hash(self.salt, forms, &self.kinds, row) as i64 as u128,
        }
    }

    /// The first and the last position of a cell. Division drops what is behind the point, as it does on all servers:
    /// the cell around zero has about twice the width of the others.
    pub fn positions(&self, cell: i64) -> (i64, i64) {
        let (start, more) = (cell.saturating_mul(self.width), self.width - 1);
        match cell {
            0 => (-more, more),
            1.. => (start, start.saturating_add(more)),
            _ => (start.saturating_sub(more), start),
        }
    }

    /// The range from the end of one cell, or from the beginning of the domain, to the end of another, or of the domain.
    pub fn range(&self, above: Option<i64>, up_to: Option<i64>) -> Range {
        let end = |cell: i64| {
            let (_, last) = self.positions(cell);
            match self.position {
                Position::Key => {
                    let mut key = Vec::new();
                    push_whole(&mut key, Tag::Number, last.into());
                    key
                }
                Position::Hash => last.to_be_bytes().to_vec(),
            }
        };
        Range { above: above.map(end), up_to: up_to.map(end) }
    }
}

/// Some cells of a grid: the rows that are read because the servers' fingerprints differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GridCells {
    /// The grid.
    pub grid: Grid,
    /// The cells, ascending.
    pub cells: Vec<i64>,
}

impl GridCells {
    /// Whether the row with this key, in canonical bytes, lies in one of them.
    pub fn contains(&self, key: &[u8]) -> bool {
        self.grid.cell_of(key).is_some_and(|cell| self.cells.binary_search(&cell).is_ok())
    }

    /// The positions of all cells: first and last ones, ascending, those of adjacent cells put together.
    pub fn positions(&self) -> Vec<(i64, i64)> {
        let mut ranges: Vec<(i64, i64)> = Vec::new();
        for &cell in &self.cells {
            let (first, last) = self.grid.positions(cell);
            match ranges.last_mut() {
                Some(before) if before.1.checked_add(1) == Some(first) => before.1 = last,
                _ => ranges.push((first, last)),
            }
        }
        ranges
    }
}

/// Which rows are read a second time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// Those whose key hash lies in these cells.
    Hashes(CellSet),
    /// Those that lie in these cells of a grid.
    Positions(GridCells),
}

impl Selection {
    /// Whether the row with this key, in canonical bytes, is among them.
    #[inline]
    pub fn contains(&self, key: &[u8]) -> bool {
        match self {
            Selection::Hashes(cells) => cells.contains(key_hash(key)),
            Selection::Positions(cells) => cells.contains(key),
        }
    }

    /// About what share of all rows is among them; `None`: not known.
    pub fn share(&self) -> Option<f64> {
        match self {
            Selection::Hashes(cells) => Some(cells.share()),
            Selection::Positions(_) => None,
        }
    }

    /// The cells of the grid, if it is one.
    pub fn positions(&self) -> Option<&GridCells> {
        match self {
            Selection::Hashes(_) => None,
            Selection::Positions(cells) => Some(cells),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(width: i64) -> Grid {
        Grid { position: Position::Key, width, salt: 1, kinds: vec![Kind::Number], digest: Digest::Portable }
    }

    #[test]
    fn every_key_lies_in_one_cell_and_within_its_positions() {
        for width in [1, 2, 256, i64::MAX] {
            let grid = grid(width);
            for key in [0, 1, -1, 255, 256, 257, -256, 1000, i64::MAX, i64::MIN, i64::MAX - 1] {
                let mut bytes = Vec::new();
                push_whole(&mut bytes, Tag::Number, key.into());
                let cell = grid.cell_of(&bytes).unwrap();
                let (first, last) = grid.positions(cell);
                assert!((first..=last).contains(&key), "{key} of width {width}: {first} to {last}");
                for other in [cell.saturating_sub(1), cell.saturating_add(1)].into_iter().filter(|other| *other != cell) {
                    let (first, last) = grid.positions(other);
                    assert!(!(first..=last).contains(&key) || first == i64::MIN || last == i64::MAX, "{key} of width {width}");
                }
            }
        }
        let mut text = Vec::new();
        super::super::canonical::push_bytes(&mut text, Tag::Text, b"x");
        assert_eq!(grid(5).cell_of(&text), None);
        let hashed = Grid { position: Position::Hash, kinds: vec![Kind::Text], ..grid(1) };
        let chained = Grid { digest: Digest::Chained(vec![Form::Text]), ..hashed.clone() };
        assert!([hashed, chained].iter().all(|grid| (0..1 << 60).contains(&grid.cell_of(&text).unwrap())));
    }

    #[test]
    fn adjacent_cells_are_one_range_of_positions() {
        let cells = GridCells { grid: grid(10), cells: vec![-1, 0, 1, 3] };
        assert_eq!(cells.positions(), [(-19, 19), (30, 39)]);
    }
}
