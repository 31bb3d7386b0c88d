//! The hash that PostgreSQL has for its hash indexes and partitions, Bob Jenkins' lookup3 with a seed of 64 bits: the
//! functions `hash*extended`, computed here as the server computes them.
//!
//! <https://github.com/postgres/postgres/blob/REL_16_0/src/common/hashfn.c>;
//! <http://burtleburtle.net/bob/hash/doobs.html>.

/// `hash_bytes_extended`: bytes of any number.
pub fn bytes(key: &[u8], seed: u64) -> u64 {
    let mut state = State::new(key.len() as u32, seed);
    let mut blocks = key.chunks_exact(12);
    for block in &mut blocks {
        state.add(word(&block[..4]), word(&block[4..8]), word(&block[8..]));
        state.mix();
    }
    let rest = blocks.remainder();
    let from = |at: usize| word(&rest[at.min(rest.len())..(at + 4).min(rest.len())]);
    // The lowest byte of the last word is left to the length.
    state.add(from(0), from(4), from(8) << 8);
    state.finish()
}

/// `hash_bytes_uint32_extended`, which is also `hashint4extended`.
pub fn int4(key: u32, seed: u64) -> u64 {
    let mut state = State::new(4, seed);
    state.add(key, 0, 0);
    state.finish()
}

/// `hashint8extended`, which is also `timestamp_hash_extended`: the halves of a number folded into one.
pub fn int8(key: i64, seed: u64) -> u64 {
    int4(folded(key), seed)
}

/// What [`int8`] hashes of a number.
pub fn folded(key: i64) -> u32 {
    let (low, high) = (key as u32, (key >> 32) as u32);
    low ^ if key >= 0 { high } else { !high }
}

/// `hashfloat8extended`, for which all zeros are one and hash to the seed itself.
pub fn float8(key: f64, seed: u64) -> u64 {
    if key == 0.0 {
        return seed;
    }
    let key = if key.is_nan() { f64::NAN } else { key };
    bytes(&key.to_bits().to_le_bytes(), seed)
}

/// Up to four bytes as a number, the first the lowest.
fn word(bytes: &[u8]) -> u32 {
    match bytes.first_chunk::<4>() {
        Some(whole) => u32::from_le_bytes(*whole),
        None => bytes.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte)),
    }
}

struct State {
    a: u32,
    b: u32,
    c: u32,
}

impl State {
    fn new(len: u32, seed: u64) -> Self {
        let start = 0x9e37_79b9_u32.wrapping_add(len).wrapping_add(3_923_095);
        let mut state = State { a: start, b: start, c: start };
        if seed != 0 {
            state.add((seed >> 32) as u32, seed as u32, 0);
            state.mix();
        }
        state
    }

    fn add(&mut self, a: u32, b: u32, c: u32) {
        self.a = self.a.wrapping_add(a);
        self.b = self.b.wrapping_add(b);
        self.c = self.c.wrapping_add(c);
    }

    fn mix(&mut self) {
        let State { a, b, c } = self;
        let step = |x: &mut u32, y: &mut u32, z: u32, turn: u32| {
            *x = x.wrapping_sub(*y) ^ y.rotate_left(turn);
            *y = y.wrapping_add(z);
        };
        step(a, c, *b, 4);
        step(b, a, *c, 6);
        step(c, b, *a, 8);
        step(a, c, *b, 16);
        step(b, a, *c, 19);
        step(c, b, *a, 4);
    }

    fn finish(self) -> u64 {
        let State { mut a, mut b, mut c } = self;
        let step = |x: &mut u32, y: u32, turn: u32| *x = (*x ^ y).wrapping_sub(y.rotate_left(turn));
        step(&mut c, b, 14);
        step(&mut a, c, 11);
        step(&mut b, a, 25);
        step(&mut c, b, 16);
        step(&mut a, c, 4);
        step(&mut b, a, 14);
        step(&mut c, b, 24);
        u64::from(b) << 32 | u64::from(c)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What PostgreSQL 15.20 answers.
    #[test]
    fn the_hashes_are_those_of_postgres() {
        let found = [
            bytes(b"", 0),
            bytes(b"a", 1),
            bytes(b"abcdefghijk", -5_i64 as u64),
            bytes(b"abcdefghijkl", 7),
            bytes("caffè ".repeat(9).as_bytes(), i64::MAX as u64),
            int4(-3_i32 as u32, 12_345_678_901_234),
            int4(7, 0),
            int8(-5, 3),
            int8(1 << 32, 3),
            int8(i64::MIN, 3),
            float8(-0.0, 3),
            float8(1.5, 3),
            float8(-f64::NAN, 3),
            float8(f64::NEG_INFINITY, 3),
            int8(-31_499_999_999_999, 4),
            int8(i64::MAX, 4),
        ];
        let expected = [
            -6939563903564495251,
            3325245193489759299,
            -1675843413250973071,
            -9039814575907250350,
            -7850024217672509632,
            -5748721250247886309,
            -3288951424994980865,
            4566310048417840633,
            8154189042689340213,
            -3227055386849905253,
            3,
            -4770388998205660040,
            8232049380549144131,
            2331136130744739164,
            -526379336954985060,
            5914544583049422666,
        ];
        assert_eq!(found.map(|hash| hash as i64), expected);
    }
}
