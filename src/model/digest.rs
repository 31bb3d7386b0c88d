//! Row digests, fingerprints of ranges, and the hash of a key.

use xxhash_rust::const_xxh3::const_custom_default_secret;
use xxhash_rust::xxh3::{xxh3_64_with_secret, xxh3_128_with_secret};

/// Hashes rows with a seed that is drawn anew for each run, so that a collision in one run is none in the next and
/// nobody can prepare one.
#[derive(Clone)]
pub struct Digester {
    /// The secret that xxh3 derives from a seed, derived once in place of once for each long row.
    secret: [u8; 192],
}

/// The seed of key hashes. It is fixed: a key hash only says where a row is looked for, and a fixed one makes the
/// ranges of two runs comparable.
const KEY_SEED: u64 = 0x7469_656f_7574;
static KEY_SECRET: [u8; 192] = const_custom_default_secret(KEY_SEED);

impl Digester {
    /// A digester with the given seed.
    pub fn with_seed(seed: u64) -> Self {
        Digester { secret: const_custom_default_secret(seed) }
    }

    /// A number that is as unknown before the run as the seed, for hashes that others compute.
    pub fn salt(&self) -> u64 {
        xxh3_64_with_secret(b"salt", &self.secret)
    }

    /// The digest of a row in canonical bytes.
    #[inline]
    pub fn digest(&self, row: &[u8]) -> u128 {
        xxh3_128_with_secret(row, &self.secret)
    }
}

/// The hash that places a key in the key-hash domain; `key` in canonical bytes.
#[inline]
pub fn key_hash(key: &[u8]) -> u64 {
    xxh3_64_with_secret(key, &KEY_SECRET)
}

/// What a range holds on one side: the number of rows and the sum of their digests modulo 2^128.
///
/// Free of order, counts duplicates, and additive: the fingerprint of a range is the sum of those of its parts.
/// Two ranges that differ have the same fingerprint with probability 2^-128 (Clarke et al. 2003, MSet-Add-Hash).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fingerprint {
    /// Rows, duplicates included.
    pub rows: u64,
    /// Wrapping sum of the row digests.
    pub sum: u128,
}

impl Fingerprint {
    /// Adds one row.
    #[inline]
    pub fn add(&mut self, digest: u128) {
        self.merge(Fingerprint { rows: 1, sum: digest });
    }

    /// Adds all rows of `other`.
    #[inline]
    pub fn merge(&mut self, other: Fingerprint) {
        self.rows += other.rows;
        self.sum = self.sum.wrapping_add(other.sum);
    }

    /// What is left without the rows of `other`; `None` if those are more.
    pub fn without(self, other: Fingerprint) -> Option<Fingerprint> {
        Some(Fingerprint { rows: self.rows.checked_sub(other.rows)?, sum: self.sum.wrapping_sub(other.sum) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_free_of_order_counts_duplicates_and_adds_up() {
        let digester = Digester::with_seed(7);
        let of = |rows: &[&str]| {
            let mut fingerprint = Fingerprint::default();
            rows.iter().for_each(|row| fingerprint.add(digester.digest(row.as_bytes())));
            fingerprint
        };
        assert_eq!(of(&["a", "b", "c"]), of(&["c", "a", "b"]));
        assert_ne!(of(&["a", "a", "b"]), of(&["a", "b", "b"]));
        assert_ne!(of(&["a", "a"]), of(&["b", "b"]));
        let mut parent = of(&["a", "b"]);
        parent.merge(of(&["c"]));
        assert_eq!(parent, of(&["a", "b", "c"]));
    }

    #[test]
    fn seeds_give_unrelated_digests_for_short_and_long_rows() {
        let (one, two) = (Digester::with_seed(1), Digester::with_seed(2));
        for len in [0, 1, 16, 128, 200, 240, 241, 5000] {
            let row = vec![b'x'; len];
            assert_ne!(one.digest(&row), two.digest(&row), "{len} bytes");
        }
    }
}
