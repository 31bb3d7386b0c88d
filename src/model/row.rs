//! Rows in canonical bytes, many in one buffer, and the order of keys.

use std::cmp::Ordering;
use std::ops::Range;

use super::canonical::take;

/// Rows per block, the unit in which engines hand rows on: small enough that a block stays in the processor's cache
/// between being written and being hashed.
pub const BLOCK_ROWS_MAX: usize = 1024;
/// Bytes that the rows of a block can have in all: ends are kept in 32 bits, as there is one for each row.
const BYTES_MAX: usize = u32::MAX as usize;
/// Bytes at which a block is handed on even if it has fewer rows.
pub const BLOCK_BYTES_MAX: usize = 120 * 1024;

/// Rows one after the other in one buffer.
///
/// A row is the canonical values of its key columns, those of its other compared columns, and then, for columns
/// whose canonical form does not give the value back, the value as the side holds it (for the report alone: no part
/// of the digest).
#[derive(Debug, Clone, Default)]
pub struct RowBlock {
    bytes: Vec<u8>,
    rows: Vec<Ends>,
    /// Where the key and the compared values of the open row end. Apart from [`Ends`] and wider: were they written
    /// there one by one and copied as one right after, the processor would have to wait for them.
    open_key: usize,
    open_compared: usize,
}

/// Where the parts of a row end, in bytes from the start of the block's buffer.
#[derive(Debug, Clone, Copy, Default)]
struct Ends {
    key: u32,
    compared: u32,
    row: u32,
}

/// A row of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row<'a> {
    bytes: &'a [u8],
    key: usize,
    compared: usize,
}

impl<'a> Row<'a> {
    /// A row given as its bytes and the lengths of its key and of its compared values.
    #[inline]
    pub fn new(bytes: &'a [u8], key: usize, compared: usize) -> Self {
        Row { bytes, key, compared }
    }

    /// The canonical values of the key columns.
    pub fn key(&self) -> &'a [u8] {
        &self.bytes[..self.key]
    }

    /// The canonical values of all compared columns, those of the key first: what is hashed and compared.
    pub fn compared(&self) -> &'a [u8] {
        &self.bytes[..self.compared]
    }

    /// The values as the side holds them, of the columns that are kept so.
    pub fn raw(&self) -> &'a [u8] {
        &self.bytes[self.compared..]
    }

    /// All bytes of the row.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

impl RowBlock {
    /// The number of finished rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no finished row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The bytes of all rows.
    pub fn bytes_len(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes of some adjacent rows.
    pub fn bytes_of(&self, rows: &Range<usize>) -> usize {
        let end = |rows: usize| rows.checked_sub(1).map_or(0, |last| self.rows[last].row as usize);
        end(rows.end).saturating_sub(end(rows.start))
    }

    /// Makes room for more rows that take `bytes` in all.
    pub fn reserve(&mut self, rows: usize, bytes: usize) {
        self.rows.reserve(rows);
        self.bytes.reserve(bytes);
    }

    /// Gives back the memory that no row is in.
    pub fn shrink(&mut self) {
        self.rows.shrink_to_fit();
        self.bytes.shrink_to_fit();
    }

    /// The same rows in as little memory as they need.
    pub fn shrunk(&self) -> RowBlock {
        RowBlock { bytes: self.bytes.clone(), rows: self.rows.clone(), open_key: 0, open_compared: 0 }
    }

    /// The memory that the block holds, in bytes.
    pub fn capacity_bytes(&self) -> usize {
        self.bytes.capacity() + self.rows.capacity() * size_of::<Ends>()
    }

    /// The memory that the rows need, in bytes.
    pub fn size_bytes(&self) -> usize {
        self.bytes.len() + self.rows.len() * size_of::<Ends>()
    }

    /// Whether the block should be handed on before another row is added.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.rows.len() >= BLOCK_ROWS_MAX || self.bytes.len() >= BLOCK_BYTES_MAX
    }

    /// Removes all rows and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.rows.clear();
    }

    /// The end of the last finished row.
    #[inline]
    fn end(&self) -> usize {
        self.rows.last().map_or(0, |ends| ends.row as usize)
    }

    /// The buffer that the values of the open row are appended to.
    #[inline]
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Ends the key of the open row and returns it.
    #[inline]
    pub fn end_key(&mut self) -> &[u8] {
        self.open_key = self.bytes.len();
        &self.bytes[self.end()..]
    }

    /// Ends the compared values of the open row; what follows are raw values.
    #[inline]
    pub fn end_compared(&mut self) {
        self.open_compared = self.bytes.len();
    }

    /// Ends the open row.
    ///
    /// # Panics
    ///
    /// If the rows of the block have more than 4 GiB: nothing that is read now has such rows, and their ends would
    /// be wrong.
    #[inline]
    pub fn end_row(&mut self) {
        assert!(self.bytes.len() <= BYTES_MAX, "a block has at most 4 GiB");
        let (key, compared, row) = (self.open_key as u32, self.open_compared as u32, self.bytes.len() as u32);
        self.rows.push(Ends { key, compared, row });
    }

    /// Drops what was appended of the open row.
    #[inline]
    pub fn abandon_row(&mut self) {
        self.bytes.truncate(self.end());
    }

    /// Removes the last row.
    pub fn pop(&mut self) {
        self.rows.pop();
        self.abandon_row();
    }

    /// Appends a copy of `row`.
    #[inline]
    pub fn push(&mut self, row: Row<'_>) {
        self.bytes.extend_from_slice(row.bytes);
        let start = self.bytes.len() - row.bytes.len();
        (self.open_key, self.open_compared) = (start + row.key, start + row.compared);
        self.end_row();
    }

    /// Appends a row given as its bytes and the lengths of its key and of its compared values.
    pub fn push_parts(&mut self, bytes: &[u8], key: usize, compared: usize) {
        self.push(Row { bytes, key, compared });
    }

    /// The row at `index`.
    #[inline]
    pub fn row(&self, index: usize) -> Row<'_> {
        let start = if index == 0 { 0 } else { self.rows[index - 1].row as usize };
        let ends = self.rows[index];
        Row {
            bytes: &self.bytes[start..ends.row as usize],
            key: ends.key as usize - start,
            compared: ends.compared as usize - start,
        }
    }

    /// The rows in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Row<'_>> {
        (0..self.len()).map(|index| self.row(index))
    }
}

/// Orders two keys by their canonical values, part by part: by tag, then by bytes. The order of keys everywhere.
#[inline]
pub fn compare_keys(mut a: &[u8], mut b: &[u8]) -> Ordering {
    loop {
        match (take(&mut a), take(&mut b)) {
            (Some(x), Some(y)) => match (x.tag as u8).cmp(&(y.tag as u8)).then_with(|| x.bytes.cmp(y.bytes)) {
                Ordering::Equal => {}
                unequal => return unequal,
            },
            // Of two keys that begin alike the shorter comes first.
            (x, y) => return x.is_some().cmp(&y.is_some()),
        }
    }
}

/// The head of a key, as a number: keys whose heads differ order as these do, so that most are told apart without a look at them.
#[inline]
pub fn key_head(mut key: &[u8]) -> u64 {
    let mut head = [0; 8];
    if let Some(first) = take(&mut key) {
        let len = first.bytes.len().min(head.len() - 1);
        head[0] = first.tag as u8;
        head[1..=len].copy_from_slice(&first.bytes[..len]);
    }
    u64::from_be_bytes(head)
}

#[cfg(test)]
mod tests {
    use super::super::canonical::{Tag, push_bytes, push_null, push_whole};
    use super::*;

    fn key(parts: &[Option<i128>]) -> Vec<u8> {
        let mut out = Vec::new();
        for part in parts {
            match part {
                Some(value) => push_whole(&mut out, Tag::Number, *value),
                None => push_null(&mut out),
            }
        }
        out
    }

    #[test]
    fn keys_order_part_by_part_with_null_first() {
        let ascending = [
            key(&[None, None]),
            key(&[None, Some(5)]),
            key(&[Some(-70_000), Some(9)]),
            key(&[Some(-1), Some(9)]),
            key(&[Some(2), None]),
            key(&[Some(2), Some(255)]),
            key(&[Some(2), Some(256)]),
            key(&[Some(300), Some(0)]),
        ];
        for pair in ascending.windows(2) {
            assert_eq!(compare_keys(&pair[0], &pair[1]), Ordering::Less);
            assert_eq!(compare_keys(&pair[1], &pair[0]), Ordering::Greater);
        }
    }

    #[test]
    fn heads_of_keys_never_order_otherwise_than_the_keys() {
        let text = |bytes: &[u8], then: i128| {
            let mut out = Vec::new();
            push_bytes(&mut out, Tag::Text, bytes);
            push_whole(&mut out, Tag::Number, then);
            out
        };
        let texts: [&[u8]; 9] =
            [b"", b"\0", b"\0\0", b"a", b"a\0", b"abcdefg", b"abcdefg\0", b"abcdefgh", b"\xff\xff\xff\xff\xff\xff\xff\xff"];
        let numbers = [i128::MIN, -(1 << 70), -70_000, -256, -1, 0, 1, 255, 256, 1 << 33, 1 << 70];
        let mut keys = vec![Vec::new(), key(&[None])];
        keys.extend(texts.iter().flat_map(|bytes| [text(bytes, -3), text(bytes, 9)]));
        keys.extend(numbers.iter().map(|number| key(&[Some(*number)])));
        let mut told = 0;
        for (a, b) in keys.iter().flat_map(|a| keys.iter().map(move |b| (a, b))) {
            let heads = key_head(a).cmp(&key_head(b));
            assert!(heads.is_eq() || heads == compare_keys(a, b), "{a:?} and {b:?}");
            told += usize::from(heads.is_ne());
        }
        assert!(told > keys.len() * keys.len() / 2);
    }

    #[test]
    fn a_block_gives_back_its_rows_and_forgets_an_abandoned_one() {
        let mut block = RowBlock::default();
        for (id, name) in [(1, "a"), (2, "b"), (3, "c")] {
            push_whole(block.buffer(), Tag::Number, id);
            assert_eq!(block.end_key(), key(&[Some(id)]));
            if id == 2 {
                block.abandon_row();
                continue;
            }
            push_bytes(block.buffer(), Tag::Text, name.as_bytes());
            block.end_compared();
            push_bytes(block.buffer(), Tag::Text, b"raw");
            block.end_row();
        }
        assert_eq!(block.len(), 2);
        let last = block.row(1);
        assert_eq!(last.key(), key(&[Some(3)]));
        assert!(last.compared().ends_with(b"c") && last.raw().ends_with(b"raw"));
        let mut copy = RowBlock::default();
        block.iter().for_each(|row| copy.push(row));
        assert_eq!(copy.row(0), block.row(0));
    }
}
