//! Ranges of the ordering domain, and the proof that together they cover all of it.

use super::digest::Fingerprint;
use crate::sides::Sides;

/// What the ranges of a table are ranges of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Domain {
    /// Keys in the order of their canonical form; both sides can be read in it.
    KeyOrder,
    /// The hash of the canonical key; needs no common order.
    KeyHash,
}

impl Domain {
    /// The name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Domain::KeyOrder => "key_order",
            Domain::KeyHash => "key_hash",
        }
    }
}

/// The part of a domain above one bound, up to and including another; open where there is no bound.
///
/// A bound is a canonical key, or a key hash in eight bytes, big-endian. NULL keys order before all others, so the
/// first range is their place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// The greatest value that lies below the range; `None`: it is open below.
    pub above: Option<Vec<u8>>,
    /// The greatest value in the range; `None`: it is open above.
    pub up_to: Option<Vec<u8>>,
}

/// How a range ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RangeOutcome {
    /// Its sides hold the same rows, by its [`Evidence`].
    Equal,
    /// Its rows were compared.
    Compared,
    /// It could not be read on one side or both: what it holds is unknown.
    Failed,
}

impl RangeOutcome {
    /// The name in the report.
    pub fn name(self) -> &'static str {
        match self {
            RangeOutcome::Equal => "equal",
            RangeOutcome::Compared => "compared",
            RangeOutcome::Failed => "failed",
        }
    }
}

/// What tells whether both sides of a range hold the same rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Rows of each side that were held against each other as they are stored, and have the same bits as the one with
    /// their key on the other side.
    pub same: u64,
    /// The fingerprints of all other rows.
    pub prints: Sides<Fingerprint>,
}

impl Evidence {
    /// That of rows which were all hashed.
    pub fn hashed(prints: Sides<Fingerprint>) -> Self {
        Evidence { same: 0, prints }
    }

    /// The rows of each side.
    pub fn rows(&self) -> Sides<u64> {
        self.prints.map(|print| self.same + print.rows)
    }

    /// Whether both sides hold the same rows.
    pub fn agrees(&self) -> bool {
        self.prints.source == self.prints.target
    }

    /// The fingerprints, unless no row had to be hashed.
    pub fn fingerprints(&self) -> Option<Sides<Fingerprint>> {
        let hashed = self.prints.source.rows + self.prints.target.rows;
        (self.same == 0 || hashed > 0).then_some(self.prints)
    }
}

/// A range with what was found in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeRecord {
    /// The range.
    pub range: Range,
    /// What the sides hold in it; of a failed range, what was read.
    pub evidence: Evidence,
    /// How it ended.
    pub outcome: RangeOutcome,
}

/// Counts the ranges of a table and holds them against the rule that they tile the domain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    reached: Reached,
    /// Ranges that ended equal.
    pub equal: u64,
    /// Ranges whose rows were compared.
    pub compared: u64,
    /// Ranges that failed.
    pub failed: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Reached {
    #[default]
    Start,
    Bound(Vec<u8>),
    End,
}

impl Coverage {
    /// Counts the next range.
    ///
    /// # Panics
    ///
    /// If it does not begin where the last one ended: rows would be lost or counted twice, and the verdict void.
    pub fn record(&mut self, record: &RangeRecord) {
        let adjacent = match (&self.reached, &record.range.above) {
            (Reached::Start, None) => true,
            (Reached::Bound(reached), Some(above)) => reached == above,
            _ => false,
        };
        assert!(adjacent, "ranges tile the domain: {:?} does not follow {:?}", record.range, self.reached);
        self.reached = match &record.range.up_to {
            Some(bound) => Reached::Bound(bound.clone()),
            None => Reached::End,
        };
        *match record.outcome {
            RangeOutcome::Equal => &mut self.equal,
            RangeOutcome::Compared => &mut self.compared,
            RangeOutcome::Failed => &mut self.failed,
        } += 1;
    }

    /// Ranges in all.
    pub fn total(&self) -> u64 {
        self.equal + self.compared + self.failed
    }

    /// Whether the ranges reach from one end of the domain to the other and none of them failed.
    pub fn is_complete(&self) -> bool {
        self.reached == Reached::End && self.failed == 0
    }

    /// The greatest value covered so far, for the range that takes up what is left; `None` where nothing is left.
    pub fn rest(&self) -> Option<Range> {
        match &self.reached {
            Reached::Start => Some(Range { above: None, up_to: None }),
            Reached::Bound(bound) => Some(Range { above: Some(bound.clone()), up_to: None }),
            Reached::End => None,
        }
    }
}

/// The key-hash domain cut into `2^bits` ranges of equal width, called cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cells {
    bits: u32,
}

impl Cells {
    /// Most bits that a domain is cut by: 2^18 cells are 8 MiB of fingerprints, which each thread adds up for each side.
    pub const BITS_MAX: u32 = 18;

    /// Cells for about `rows` rows with at most about `rows_per_cell` in each.
    pub fn for_rows(rows: u64, rows_per_cell: u64) -> Self {
        Cells::of_bits(rows.div_ceil(rows_per_cell.max(1)).clamp(1, 1 << Self::BITS_MAX).next_power_of_two().ilog2())
    }

    /// `2^bits` cells; at least two, at most `2^BITS_MAX`.
    pub fn of_bits(bits: u32) -> Self {
        Cells { bits: bits.clamp(1, Self::BITS_MAX) }
    }

    /// The number of cells.
    pub fn count(self) -> usize {
        1 << self.bits
    }

    /// The cell that a key hash lies in.
    #[inline]
    pub fn of(self, hash: u64) -> usize {
        (hash >> (64 - self.bits)) as usize
    }

    /// The range of key hashes that a cell covers.
    pub fn range(self, cell: usize) -> Range {
        assert!(cell < self.count(), "cell {cell} of {}", self.count());
        let end_of = |cell: usize| ((cell as u64 + 1) << (64 - self.bits)).wrapping_sub(1).to_be_bytes().to_vec();
        Range { above: cell.checked_sub(1).map(end_of), up_to: (cell + 1 < self.count()).then(|| end_of(cell)) }
    }
}

/// A set of cells: the rows that are read a second time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellSet {
    cells: Cells,
    bits: Vec<u64>,
    /// How many there are.
    held: usize,
}

impl CellSet {
    /// The set of those `cells` for which `holds` is true.
    pub fn new(cells: Cells, mut holds: impl FnMut(usize) -> bool) -> Self {
        let (mut bits, mut held) = (vec![0; cells.count().div_ceil(64)], 0);
        for cell in (0..cells.count()).filter(|&cell| holds(cell)) {
            bits[cell / 64] |= 1 << (cell % 64);
            held += 1;
        }
        CellSet { cells, bits, held }
    }

    /// The share of all cells that it has.
    pub fn share(&self) -> f64 {
        self.held as f64 / self.cells.count() as f64
    }

    /// Whether the row with this key hash belongs to the set.
    #[inline]
    pub fn contains(&self, hash: u64) -> bool {
        let cell = self.cells.of(hash);
        self.bits[cell / 64] >> (cell % 64) & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(range: Range, outcome: RangeOutcome) -> RangeRecord {
        RangeRecord { range, evidence: Evidence::default(), outcome }
    }

    #[test]
    fn cells_tile_the_hash_domain_and_agree_with_their_bounds() {
        for bits in [1, 3, 10] {
            let cells = Cells::of_bits(bits);
            let mut coverage = Coverage::default();
            for cell in 0..cells.count() {
                let range = cells.range(cell);
                for bound in [&range.up_to, &range.above].into_iter().flatten() {
                    let hash = u64::from_be_bytes(bound.as_slice().try_into().unwrap());
                    let inside = range.up_to.as_ref() == Some(bound);
                    assert_eq!(cells.of(hash) == cell, inside);
                    assert_eq!(cells.of(hash + 1) == cell, !inside);
                }
                coverage.record(&record(range, RangeOutcome::Equal));
            }
            assert!(coverage.is_complete());
            assert_eq!(coverage.total(), cells.count() as u64);
        }
    }

    #[test]
    fn a_failed_or_missing_range_leaves_the_coverage_incomplete() {
        let mut coverage = Coverage::default();
        coverage.record(&record(Range { above: None, up_to: Some(vec![5]) }, RangeOutcome::Equal));
        assert!(!coverage.is_complete());
        let rest = coverage.rest().unwrap();
        assert_eq!(rest.above, Some(vec![5]));
        coverage.record(&record(rest, RangeOutcome::Failed));
        assert!(!coverage.is_complete());
        assert_eq!(coverage.rest(), None);
    }

    #[test]
    #[should_panic(expected = "ranges tile the domain")]
    fn a_gap_between_ranges_is_refused() {
        let mut coverage = Coverage::default();
        coverage.record(&record(Range { above: None, up_to: Some(vec![5]) }, RangeOutcome::Equal));
        coverage.record(&record(Range { above: Some(vec![6]), up_to: None }, RangeOutcome::Equal));
    }
}
