//! Finds the bytes that end fields: 64 bytes are looked at together, and each byte found is one bit to take.
//!
//! Fields are short, and starting a search anew for each would cost more than the search.

/// Bytes that are looked at together.
const CHUNK: usize = 64;

/// The places of a delimiter and of newlines in some bytes, in order.
#[derive(Debug)]
pub(super) struct Marks<'a> {
    bytes: &'a [u8],
    delimiter: u8,
    /// Where the chunk begins whose marks are in `left`.
    chunk: usize,
    /// The marks of the chunk that were not taken yet, one bit for each byte.
    left: u64,
}

impl<'a> Marks<'a> {
    /// The marks in `bytes`.
    pub(super) fn new(bytes: &'a [u8], delimiter: u8) -> Self {
        let mut marks = Marks { bytes, delimiter, chunk: 0, left: 0 };
        marks.left = marks.look(0);
        marks
    }

    /// Takes the next mark; `None` at the end.
    #[inline]
    pub(super) fn next(&mut self) -> Option<usize> {
        while self.left == 0 {
            self.chunk += CHUNK;
            if self.chunk >= self.bytes.len() {
                return None;
            }
            self.left = self.look(self.chunk);
        }
        let at = self.chunk + self.left.trailing_zeros() as usize;
        self.left &= self.left - 1;
        Some(at)
    }

    /// Leaves out the marks before `at`, which is not before the last one taken.
    #[inline]
    pub(super) fn skip_to(&mut self, at: usize) {
        let chunk = at - at % CHUNK;
        if chunk != self.chunk {
            self.chunk = chunk;
            self.left = self.look(chunk);
        }
        self.left &= u64::MAX << (at % CHUNK);
    }

    #[inline]
    fn look(&self, at: usize) -> u64 {
        let rest = self.bytes.get(at..).unwrap_or_default();
        match rest.first_chunk::<CHUNK>() {
            Some(chunk) => marks_of(chunk, self.delimiter),
            None => {
                let mut last = [0; CHUNK];
                last[..rest.len()].copy_from_slice(rest);
                marks_of(&last, self.delimiter) & !(u64::MAX << rest.len())
            }
        }
    }
}

/// One bit for each byte that is a newline or the delimiter.
#[inline]
fn marks_of(chunk: &[u8; CHUNK], delimiter: u8) -> u64 {
    /// Multiplied by this, the lowest bits of eight bytes come to lie side by side in the highest byte.
    const GATHER: u64 = 0x0102_0408_1020_4080;
    // Compiled to vector comparisons, sixteen bytes or more each.
    let found = chunk.map(|byte| u8::from(byte == delimiter) | u8::from(byte == b'\n'));
    let (words, _) = found.as_chunks::<8>();
    let gathered = words.iter().map(|word| u64::from_le_bytes(*word).wrapping_mul(GATHER) >> 56);
    gathered.enumerate().fold(0, |marks, (i, eight)| marks | eight << (i * 8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_the_delimiters_and_newlines() {
        let mut random = fastrand::Rng::with_seed(7);
        for len in (0..300).chain([1000]) {
            let bytes: Vec<u8> = (0..len).map(|_| *random.choice(b"ab,;\n\x80\xff\0\x0b\x8a\x2d").unwrap()).collect();
            let is_mark = |byte: &u8| *byte == b',' || *byte == b'\n';
            let expected: Vec<usize> = (0..len).filter(|&i| is_mark(&bytes[i])).collect();
            let mut marks = Marks::new(&bytes, b',');
            assert_eq!(std::iter::from_fn(|| marks.next()).collect::<Vec<_>>(), expected);
            let from = random.usize(0..=len);
            let mut marks = Marks::new(&bytes, b',');
            marks.skip_to(from);
            assert_eq!(marks.next(), expected.iter().copied().find(|&at| at >= from), "{len} from {from}");
        }
    }
}
