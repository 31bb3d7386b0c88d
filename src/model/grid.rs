//! The cells in which a server adds up fingerprints by itself.
//!
//! Each row has a position, a whole number: its key, where that is one whole number on both sides, so that the rows of a
//! cell lie side by side in an index; else a hash of its key. A cell is `width` positions in a row.
//!
//! Where rows are asked for by their keys, cells have a *moment* beside the fingerprint: with both, the one row by which a cell
//! differs gives its key away.

use std::collections::HashMap;

use super::canonical::{Tag, push_whole, take};
use super::chained::{self, Form};
use super::digest::{Fingerprint, key_hash};
use super::kind::Kind;
use super::number;
use super::portable;
use super::range::{CellSet, Domain, Range};
use crate::sides::Sides;

/// Where rows lie, and what their digests are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grid {
    /// What the position of a row is.
    pub position: Position,
    /// Positions in a cell; at least 1.
    pub width: i64,
    /// Whether cells have a moment as well: only of keys that both sides find by an index, and up to a width of [`MOMENT_WIDTH_MAX`].
    pub moments: bool,
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

/// Positions in a cell that has a moment, at most: above, its weights would be of too few bits.
pub const MOMENT_WIDTH_MAX: i64 = 1 << 40;

/// What cells hold on one side; those without rows are not among them.
pub type CellSums = HashMap<i64, CellSum>;

/// What a cell holds on one side.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CellSum {
    /// The rows.
    pub print: Fingerprint,
    /// The sum of their [offsets](Place::offset), each times the [weight](Grid::weight_of) of the row's digest; 0 without moments.
    pub moment: i128,
}

impl CellSum {
    /// Adds all rows of `other`.
    pub fn merge(&mut self, other: CellSum) {
        self.print.merge(other.print);
        self.moment += other.moment;
    }
}

/// Where a row lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its cell.
    pub cell: i64,
    /// What is left of its position when that is divided by the width of a cell; below zero if the position is.
    pub offset: i64,
}

impl Grid {
    /// What its cells are cells of.
    pub fn domain(&self) -> Domain {
        match self.position {
            Position::Key => Domain::KeyOrder,
            Position::Hash => Domain::KeyHash,
        }
    }

    /// Where the row with a key in canonical bytes lies; `None` if it has no position, which is so for no key that a server can have.
    pub fn place_of(&self, key: &[u8]) -> Option<Place> {
        let position = match self.position {
            Position::Key => whole(key)?,
            Position::Hash => match &self.digest {
                Digest::Portable => portable::hash_position(self.salt, &self.kinds, key),
                Digest::Chained(forms) => (chained::hash(self.salt, forms, &self.kinds, key) >> UNUSED_BITS) as i64,
            },
        };
        Some(Place { cell: position / self.width, offset: position % self.width })
    }

    /// The digest of a row whose compared values are `row`, in canonical bytes.
    pub fn digest_of(&self, row: &[u8]) -> u128 {
        match &self.digest {
            Digest::Portable => portable::digest(self.salt, &self.kinds, row),
            // Servers add up numbers with a sign.
            Digest::Chained(forms) => chained::hash(self.salt, forms, &self.kinds, row) as i64 as u128,
        }
    }

    /// By how many bits a digest is shifted to be a weight: so many that its product with an offset fits 63 bits.
    pub fn weight_shift(&self) -> u32 {
        i64::BITS - self.width.leading_zeros() + 1
    }

    /// The weight of a row's digest: its upper bits.
    pub fn weight_of(&self, digest: u128) -> i128 {
        let unused = match self.digest {
            Digest::Portable => portable::HIGH_FROM_BIT,
            Digest::Chained(_) => 0,
        };
        digest as i128 >> (unused + self.weight_shift())
    }

    /// What a row at an offset adds to its cell.
    pub fn sum_of(&self, offset: i64, digest: u128) -> CellSum {
        let moment = if self.moments { self.weight_of(digest) * i128::from(offset) } else { 0 };
        CellSum { print: Fingerprint { rows: 1, sum: digest }, moment }
    }

    /// The key of the one row by which both sides of a cell differ, if they seem to differ by one, and there are moments.
    ///
    /// One row changes the sum of the digests by some d, and the moment by its offset times what it changes the weights by; that is the weight
    /// of d, or one more, as they are rounded. So the quotient is the offset. Where several rows differ it is whole by chance alone: whether
    /// the row found explains all of the difference has to be seen.
    pub fn lone_key(&self, cell: i64, sums: &Sides<CellSum>) -> Option<i64> {
        let Sides { source, target } = sums;
        if !self.moments || source.print.rows.abs_diff(target.print.rows) > 1 {
            return None;
        }
        let weight = self.weight_of(target.print.sum.wrapping_sub(source.print.sum));
        let moment = target.moment - source.moment;
        [weight, weight + 1].into_iter().find_map(|weight| {
            let offset = match moment {
                0 => 0,
                _ if weight != 0 && moment % weight == 0 => moment / weight,
                _ => return None,
            };
            let key = i64::try_from(i128::from(cell) * i128::from(self.width) + offset).ok()?;
            (key / self.width == cell).then_some(key)
        })
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

/// The whole number that is all of a key in canonical bytes.
fn whole(key: &[u8]) -> Option<i64> {
    i64::try_from(number::read_i128(take(&mut &key[..])?.bytes)?).ok()
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
        self.grid.place_of(key).is_some_and(|place| self.cells.binary_search(&place.cell).is_ok())
    }
}

/// Ranges of keys that are one whole number each: their first and last ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyRanges {
    ranges: Vec<(i64, i64)>,
}

impl KeyRanges {
    /// The ranges, ascending.
    pub fn ranges(&self) -> &[(i64, i64)] {
        &self.ranges
    }

    /// Adds a range above all others, unless it is empty; it becomes one with the last of them if it follows upon it.
    pub fn push(&mut self, first: i64, last: i64) {
        match self.ranges.last_mut() {
            _ if first > last => {}
            Some(before) if before.1.checked_add(1) == Some(first) => before.1 = last,
            _ => self.ranges.push((first, last)),
        }
    }

    /// Whether the key, in canonical bytes, lies in one of them.
    pub fn contains(&self, key: &[u8]) -> bool {
        whole(key).is_some_and(|key| {
            let above = self.ranges.partition_point(|(first, _)| *first <= key);
            above.checked_sub(1).is_some_and(|at| key <= self.ranges[at].1)
        })
    }
}

/// Which rows are read a second time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// Those whose key hash lies in these cells.
    Hashes(CellSet),
    /// Those that lie in these cells of a grid.
    Cells(GridCells),
    /// Those with these keys, of a table that has an index of them.
    Keys(KeyRanges),
}

impl Selection {
    /// Whether the row with this key, in canonical bytes, is among them.
    #[inline]
    pub fn contains(&self, key: &[u8]) -> bool {
        match self {
            Selection::Hashes(cells) => cells.contains(key_hash(key)),
            Selection::Cells(cells) => cells.contains(key),
            Selection::Keys(ranges) => ranges.contains(key),
        }
    }

    /// About what share of all rows is among them; `None`: not known.
    pub fn share(&self) -> Option<f64> {
        match self {
            Selection::Hashes(cells) => Some(cells.share()),
            Selection::Cells(_) | Selection::Keys(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(width: i64) -> Grid {
        Grid {
            position: Position::Key,
            width,
            moments: width <= MOMENT_WIDTH_MAX,
            salt: 1,
            kinds: vec![Kind::Number],
            digest: Digest::Portable,
        }
    }

    #[test]
    fn every_key_lies_in_one_cell_and_within_its_positions() {
        for width in [1, 2, 256, i64::MAX] {
            let grid = grid(width);
            for key in [0, 1, -1, 255, 256, 257, -256, 1000, i64::MAX, i64::MIN, i64::MAX - 1] {
                let mut bytes = Vec::new();
                push_whole(&mut bytes, Tag::Number, key.into());
                let Place { cell, offset } = grid.place_of(&bytes).unwrap();
                assert_eq!(i128::from(cell) * i128::from(width) + i128::from(offset), key.into());
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
        assert_eq!(grid(5).place_of(&text), None);
        let hashed = Grid { position: Position::Hash, kinds: vec![Kind::Text], ..grid(1) };
        let chained = Grid { digest: Digest::Chained(vec![Form::Text]), ..hashed.clone() };
        assert!([hashed, chained].iter().all(|grid| (0..1 << 60).contains(&grid.place_of(&text).unwrap().cell)));
    }

    #[test]
    fn ranges_that_follow_one_another_are_one_and_hold_their_keys() {
        let mut keys = KeyRanges::default();
        [(-19, 19), (20, 29), (30, 29), (31, 31), (40, i64::MAX)].into_iter().for_each(|(first, last)| keys.push(first, last));
        assert_eq!(keys.ranges(), [(-19, 29), (31, 31), (40, i64::MAX)]);
        for (key, is_in) in [(-20, false), (-19, true), (29, true), (30, false), (31, true), (32, false), (i64::MAX, true)] {
            let mut bytes = Vec::new();
            push_whole(&mut bytes, Tag::Number, key.into());
            assert_eq!(keys.contains(&bytes), is_in, "{key}");
        }
    }

    /// The rows of a cell on one side, as their keys and digests, added up.
    fn sum(grid: &Grid, rows: &[(i64, u128)]) -> CellSum {
        let mut sum = CellSum::default();
        rows.iter().for_each(|(key, digest)| sum.merge(grid.sum_of(key % grid.width, *digest)));
        sum
    }

    #[test]
    fn the_one_row_by_which_a_cell_differs_gives_its_key_away() {
        let mut random = fastrand::Rng::with_seed(8);
        let mut found_among_several = 0;
        for case in 0..20_000 {
            let digest = if case % 2 == 0 { Digest::Portable } else { Digest::Chained(vec![Form::Text]) };
            let grid = Grid { digest, ..grid([1, 2, 27, 256, 100_003, MOMENT_WIDTH_MAX][case % 6]) };
            let cell = [0, 1, -1, 77, -1234][case % 5];
            let (first, last) = grid.positions(cell);
            let mut draw = || match grid.digest {
                Digest::Portable => portable::joined(u128::from(random.u64(..) >> 4), u128::from(random.u64(..) >> 4)),
                Digest::Chained(_) => random.i64(..) as u128,
            };
            let digests: Vec<u128> = (0..12).map(|_| draw()).collect();
            let keys: Vec<i64> = (0..10).map(|_| random.i64(first..=last)).collect();
            let source: Vec<(i64, u128)> = keys.iter().copied().zip(digests.iter().copied()).collect();
            let (mut changed, mut without, mut several) = (source.clone(), source.clone(), source.clone());
            changed[3].1 = digests[10];
            without.remove(3);
            (several[3].1, several[4].1) = (digests[10], digests[11]);
            for (one, other) in [(&source, &changed), (&source, &without), (&without, &source)] {
                let sums = Sides { source: sum(&grid, one), target: sum(&grid, other) };
                assert_eq!(grid.lone_key(cell, &sums), Some(keys[3]), "{grid:?}");
                assert_eq!(Grid { moments: false, ..grid.clone() }.lone_key(cell, &sums), None);
            }
            let sums = Sides { source: sum(&grid, &source), target: sum(&grid, &several) };
            found_among_several += usize::from(grid.width > 2 && keys[3] != keys[4] && grid.lone_key(cell, &sums).is_some());
        }
        assert!(found_among_several < 10, "{found_among_several}");
    }

    #[test]
    fn weights_and_offsets_fit_what_servers_multiply() {
        for width in [1, 255, 256, 257, MOMENT_WIDTH_MAX] {
            for (digest, extreme) in
                [(Digest::Portable, portable::joined((1 << 60) - 1, 0)), (Digest::Chained(vec![]), i64::MIN as u128)]
            {
                let grid = Grid { digest, ..grid(width) };
                assert!(grid.sum_of(width - 1, extreme).moment.unsigned_abs() < 1 << 62, "{grid:?}");
            }
        }
    }
}
