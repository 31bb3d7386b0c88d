//! Cuts the text of one file into blocks that end where a record ends, so that threads can parse them apart.

use std::io::{self, Read};

use memchr::{memchr, memchr_iter, memrchr};

use crate::error::{Error, Result};

/// Bytes of a block: large enough that handing one over costs nothing, small enough to stay in the processor's cache.
pub(super) const BLOCK_BYTES: usize = 1 << 20;
/// Bytes of the longest record; also the longest value that PostgreSQL stores.
const RECORD_BYTES_MAX: usize = 1 << 30;
/// The UTF-8 byte order mark, which is no data at the start of a file.
const BOM: &[u8] = b"\xEF\xBB\xBF";

/// Where records end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// At each newline.
    Lines,
    /// At each newline that no quoted field encloses. A quote opens a field only at its start.
    Quoted {
        /// What separates fields.
        delimiter: u8,
        /// What encloses fields.
        quote: u8,
    },
}

/// Whole records of one file.
#[derive(Debug)]
pub(super) struct Block {
    /// The records with their line ends.
    pub(super) bytes: Vec<u8>,
    /// Where the block begins in the decompressed file, in bytes.
    pub(super) offset: u64,
    /// The line on which it begins, counted from 1.
    pub(super) line: u64,
}

impl Block {
    /// The line that holds the byte at `at` of the block, counted from 1 in the file.
    pub(super) fn line_of(&self, at: usize) -> u64 {
        self.line + count_lines(&self.bytes[..at])
    }

    /// The block as text.
    ///
    /// # Errors
    ///
    /// If it is not UTF-8; the error names the line and the byte in the decompressed file.
    pub(super) fn text(&self) -> Result<&str> {
        std::str::from_utf8(&self.bytes).map_err(|error| {
            let at = error.valid_up_to();
            Error::new(format!("found byte 0x{:02x}, expected UTF-8", self.bytes[at]))
                .at(format!("line {}, byte {}", self.line_of(at), self.offset + at as u64))
                .hint("convert the file to UTF-8, with iconv for instance")
        })
    }
}

fn count_lines(bytes: &[u8]) -> u64 {
    memchr_iter(b'\n', bytes).count() as u64
}

/// The blocks of a file in order; nothing follows an error. Together they are the file without its byte order mark.
pub(super) struct Blocks<R> {
    reader: R,
    framing: Framing,
    /// Bytes at which a block is cut, unless one record is larger.
    size: usize,
    record_bytes_max: usize,
    /// What was read and not yet handed out, as the next block.
    next: Block,
    cutter: Cutter,
    ended: bool,
}

impl<R: Read> Blocks<R> {
    /// Cuts what `reader` gives from its start into blocks of about `size` bytes.
    pub(super) fn new(reader: R, framing: Framing, size: usize) -> Self {
        let next = Block { bytes: Vec::new(), offset: 0, line: 1 };
        let size = size.max(BOM.len());
        Blocks { reader, framing, size, record_bytes_max: RECORD_BYTES_MAX, next, cutter: Cutter::default(), ended: false }
    }

    /// Reads until there are `len` bytes to cut, or no more.
    fn fill(&mut self, len: usize) -> io::Result<()> {
        let bytes = &mut self.next.bytes;
        let mut filled = bytes.len();
        bytes.resize(len, 0);
        while filled < len {
            match self.reader.read(&mut bytes[filled..]) {
                Ok(0) => {
                    self.ended = true;
                    break;
                }
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        bytes.truncate(filled);
        if self.next.offset == 0 && bytes.starts_with(BOM) {
            bytes.drain(..BOM.len());
            self.next.offset = BOM.len() as u64;
        }
        Ok(())
    }

    fn cut(&mut self) -> Result<Option<Block>> {
        while !self.ended {
            // What is left has no end of a record in it, so that it takes more than it to find one.
            let len = self.next.bytes.len();
            if len >= self.record_bytes_max {
                return Err(self.too_long());
            }
            self.fill((len * 2).max(self.size).min(self.record_bytes_max)).map_err(reading)?;
            self.cutter.scan(self.framing, &self.next.bytes, self.ended);
            if self.cutter.end > 0 && !self.ended {
                return Ok(Some(self.hand_out(self.cutter.end)));
            }
        }
        let rest = self.next.bytes.len();
        Ok((rest > 0).then(|| self.hand_out(rest)))
    }

    /// Hands out the first `end` bytes.
    fn hand_out(&mut self, end: usize) -> Block {
        let bytes = &mut self.next.bytes;
        let mut rest = Vec::with_capacity(if self.ended { 0 } else { self.size });
        rest.extend_from_slice(&bytes[end..]);
        bytes.truncate(end);
        let next = Block { offset: self.next.offset + end as u64, line: self.next.line + count_lines(bytes), bytes: rest };
        self.cutter.forget(end);
        std::mem::replace(&mut self.next, next)
    }

    fn too_long(&self) -> Error {
        let found = match self.cutter.opened {
            Some(at) => Error::new(format!("found no closing quote in {} bytes", self.record_bytes_max))
                .at(format!("line {}", self.next.line_of(at))),
            None => Error::new(format!("found a record of more than {} bytes", self.record_bytes_max))
                .at(format!("line {}", self.next.line)),
        };
        found.hint("check that the file is in the format it is read as")
    }
}

impl<R: Read> Iterator for Blocks<R> {
    type Item = Result<Block>;

    fn next(&mut self) -> Option<Result<Block>> {
        let block = self.cut();
        if block.is_err() {
            self.ended = true;
            self.next.bytes.clear();
        }
        block.transpose()
    }
}

fn reading(error: io::Error) -> Error {
    let truncated = error.kind() == io::ErrorKind::UnexpectedEof;
    let error = Error::caused("cannot be read to its end", error);
    if truncated { error.hint("the compressed file is cut short: copy it again") } else { error }
}

/// Finds the end of the last whole record, looking at each byte once however often more is read.
#[derive(Debug, Default)]
struct Cutter {
    /// Bytes looked at.
    scanned: usize,
    /// Where the quote stands that encloses what was looked at last.
    opened: Option<usize>,
    /// The end of the last whole record; 0: there is none.
    end: usize,
}

impl Cutter {
    /// Looks at the bytes that were added; the buffer begins where a record does.
    fn scan(&mut self, framing: Framing, bytes: &[u8], is_all: bool) {
        let (delimiter, quote) = match framing {
            Framing::Lines => return self.lines(bytes, bytes.len()),
            Framing::Quoted { delimiter, quote } => (delimiter, quote),
        };
        while self.scanned < bytes.len() {
            let found = memchr(quote, &bytes[self.scanned..]).map(|at| self.scanned + at);
            match (self.opened, found) {
                (None, found) => {
                    self.lines(bytes, found.unwrap_or(bytes.len()));
                    if let Some(at) = found {
                        let opens = at == 0 || bytes[at - 1] == delimiter || bytes[at - 1] == b'\n';
                        self.opened = opens.then_some(at);
                        self.scanned = at + 1;
                    }
                }
                (Some(_), None) => self.scanned = bytes.len(),
                (Some(_), Some(at)) => match bytes.get(at + 1) {
                    // Whether this quote closes the field is told by the next byte.
                    None if !is_all => {
                        self.scanned = at;
                        return;
                    }
                    Some(&next) if next == quote => self.scanned = at + 2,
                    // Where every field is quoted, the next one opens here, and no search is needed to find it.
                    Some(&next) if next == delimiter && bytes.get(at + 2) == Some(&quote) => {
                        self.opened = Some(at + 2);
                        self.scanned = at + 3;
                    }
                    _ => {
                        self.opened = None;
                        self.scanned = at + 1;
                    }
                },
            }
        }
    }

    /// Takes the bytes up to `stop` as lines.
    fn lines(&mut self, bytes: &[u8], stop: usize) {
        if let Some(at) = memrchr(b'\n', &bytes[self.scanned..stop]) {
            self.end = self.scanned + at + 1;
        }
        self.scanned = stop;
    }

    /// Forgets the first `len` bytes, which end with a record.
    fn forget(&mut self, len: usize) {
        self.scanned = self.scanned.saturating_sub(len);
        self.opened = self.opened.and_then(|at| at.checked_sub(len));
        self.end = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CSV: Framing = Framing::Quoted { delimiter: b',', quote: b'"' };

    fn cut(text: &str, framing: Framing, size: usize) -> Vec<(String, u64, u64)> {
        Blocks::new(text.as_bytes(), framing, size)
            .map(|block| block.unwrap())
            .map(|block| (String::from_utf8(block.bytes).unwrap(), block.offset, block.line))
            .collect()
    }

    #[test]
    fn blocks_end_where_records_end() {
        let blocks = cut("aaaa\nbb\nc\ndddddddddd\ne", Framing::Lines, 6);
        let expected = [("aaaa\n", 0, 1), ("bb\nc\n", 5, 2), ("dddddddddd\n", 10, 4), ("e", 21, 5)];
        assert_eq!(blocks, expected.map(|(text, offset, line)| (text.to_string(), offset, line)));
        assert_eq!(cut("", Framing::Lines, 6), []);
    }

    #[test]
    fn a_quoted_newline_ends_no_record() {
        let text = "1,\"a\nb\"\n\"x\"\"\n\"\"\",2\n3,q\"\n4,\"\"\n";
        let records = ["1,\"a\nb\"\n", "\"x\"\"\n\"\"\",2\n", "3,q\"\n", "4,\"\"\n"];
        let ends: Vec<usize> = records
            .iter()
            .scan(0, |end, record| {
                *end += record.len();
                Some(*end)
            })
            .collect();
        for size in 1..text.len() + 2 {
            let blocks = cut(text, CSV, size);
            assert_eq!(blocks.iter().map(|(block, ..)| block.as_str()).collect::<String>(), text);
            for (block, offset, line) in blocks {
                assert!(ends.contains(&(offset as usize + block.len())), "{block:?} for {size}");
                assert_eq!(line, 1 + text[..offset as usize].matches('\n').count() as u64);
            }
        }
    }

    #[test]
    fn a_byte_order_mark_is_no_data_at_the_start_of_a_file_alone() {
        assert_eq!(cut("\u{feff}a\n\u{feff}b\n", Framing::Lines, 1)[0], ("a\n".to_string(), 3, 1));
        assert_eq!(cut("\u{feff}a\n\u{feff}b\n", Framing::Lines, 1)[1], ("\u{feff}b\n".to_string(), 5, 2));
    }

    #[test]
    fn a_record_without_end_is_an_error_that_says_where_it_begins() {
        let text = format!("1,a\n2,b\n3,\"{}\n", "x\n".repeat(50));
        let mut blocks = Blocks::new(text.as_bytes(), CSV, 8);
        blocks.record_bytes_max = 64;
        let results: Vec<_> = blocks.map(|block| block.map(|block| block.bytes.len())).collect();
        let message = results.last().unwrap().as_ref().unwrap_err().to_string();
        assert_eq!(message, "line 3: found no closing quote in 64 bytes");
        assert_eq!(results.len(), 2);
    }

    #[test]
    fn text_that_is_not_utf8_is_named_by_line_and_byte() {
        let blocks = Blocks::new(&b"ok\nok\nab\xFFc\n"[..], Framing::Lines, 4);
        let messages: Vec<String> = blocks.filter_map(|block| block.unwrap().text().err().map(|e| e.to_string())).collect();
        assert_eq!(messages, ["line 3, byte 8: found byte 0xff, expected UTF-8"]);
    }
}
