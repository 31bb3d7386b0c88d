//! What CSV and NDJSON have in common: their files are cut into blocks, and each block is a part of a scan.

use std::cmp::Ordering;
use std::io::Read;

use memchr::memchr;

use super::blocks::{Block, Blocks, Framing};
use super::source::{Compression, DataFile};
use crate::engines::{Part, Parts, Scan, ScanColumn};
use crate::error::{Error, Result};
use crate::model::row::compare_keys;

/// A table in text files.
pub(super) trait TextTable: Sync {
    /// The files in the order of the table.
    fn files(&self) -> &[DataFile];

    /// Where the records of a file end.
    fn framing(&self, file: usize) -> Framing;

    /// Bytes at which blocks are cut.
    fn block_bytes(&self) -> usize;

    /// The part that reads a block of a file.
    fn part<'a>(&'a self, scan: &'a Scan, file: usize, block: Block) -> Box<dyn Part + 'a>;
}

/// A file of a table, being cut.
type Cut<'a> = Blocks<Box<dyn Read + Send + 'a>>;

/// The blocks of all files in order, each with the number of its file; nothing follows an error.
pub(super) struct TableBlocks<'a, T> {
    table: &'a T,
    block_bytes: usize,
    file: usize,
    current: Option<Cut<'a>>,
}

/// Cuts all files of a table.
pub(super) fn blocks<T: TextTable>(table: &T) -> TableBlocks<'_, T> {
    TableBlocks { table, block_bytes: table.block_bytes(), file: 0, current: None }
}

impl<'a, T: TextTable> TableBlocks<'a, T> {
    /// The blocks of one file, cut at `block_bytes`.
    fn open(table: &'a T, file: usize, block_bytes: usize) -> Result<Cut<'a>> {
        Ok(Blocks::new(table.files()[file].reader()?, table.framing(file), block_bytes))
    }

    fn advance(&mut self) -> Result<Option<(usize, Block)>> {
        while let Some(file) = self.table.files().get(self.file) {
            let current = match &mut self.current {
                Some(current) => current,
                None => self.current.insert(Self::open(self.table, self.file, self.block_bytes)?),
            };
            if let Some(block) = current.next() {
                return block.map(|block| Some((self.file, block))).map_err(|error| error.at(file.place()));
            }
            self.current = None;
            self.file += 1;
        }
        Ok(None)
    }
}

impl<T: TextTable> Iterator for TableBlocks<'_, T> {
    type Item = Result<(usize, Block)>;

    fn next(&mut self) -> Option<Self::Item> {
        let block = self.advance();
        if block.is_err() {
            self.file = usize::MAX;
        }
        block.transpose()
    }
}

/// The parts of a scan: one for each block.
pub(super) fn parts<'a, T: TextTable>(table: &'a T, scan: &'a Scan) -> Parts<'a> {
    Box::new(blocks(table).map(|block| block.map(|(file, block)| table.part(scan, file, block))))
}

/// Places of a table at which the order of its keys is looked at, besides the start of each file.
const PROBES: u64 = 32;
/// Bytes that are looked at in each place.
const PROBE_BYTES: usize = 64 * 1024;

/// Whether no key found at the start of each file and at places spread over the table is below one found before it.
///
/// # Errors
///
/// If a file cannot be read. What cannot be parsed says nothing about the order and is left out.
pub(super) fn seems_ordered<T: TextTable>(table: &T, scan: &Scan) -> Result<bool> {
    let keys = Scan {
        columns: scan.columns[..scan.key_columns].iter().cloned().map(|column| ScanColumn { raw: false, ..column }).collect(),
        key_columns: scan.key_columns,
        ..Scan::default()
    };
    let step = (table.files().iter().map(DataFile::len).sum::<u64>() / PROBES).max(PROBE_BYTES as u64);
    let mut last = Vec::new();
    for (file, data) in table.files().iter().enumerate() {
        let start = match TableBlocks::open(table, file, PROBE_BYTES)?.next() {
            Some(block) => block.map_err(|error| error.at(data.place()))?,
            None => continue,
        };
        let mut at = start.offset + start.bytes.len() as u64;
        if !ascends(table.part(&keys, file, start), &mut last) {
            return Ok(false);
        }
        while data.compression() == Compression::None && at < data.len() {
            let line = whole_line(data.window(at, PROBE_BYTES)?, at);
            if line.is_some_and(|line| !ascends(table.part(&keys, file, line), &mut last)) {
                return Ok(false);
            }
            at += step;
        }
    }
    Ok(true)
}

/// The first line that begins and ends in what lies at `offset`.
fn whole_line(window: Vec<u8>, offset: u64) -> Option<Block> {
    let start = memchr(b'\n', &window)? + 1;
    let end = start + memchr(b'\n', &window[start..])? + 1;
    // Its number is not known, nor asked for.
    Some(Block { bytes: window[start..end].to_vec(), offset: offset + start as u64, line: 1 })
}

/// Whether the keys of a part ascend from `last` on, as far as the part can be read; `last` becomes the last of them.
fn ascends(part: Box<dyn Part + '_>, last: &mut Vec<u8>) -> bool {
    let mut ascending = true;
    let read = part.read(&mut |rows| {
        for row in rows.iter() {
            if compare_keys(last, row.key()) == Ordering::Greater {
                ascending = false;
                return Err(Error::new("keys descend"));
            }
            last.clear();
            last.extend_from_slice(row.key());
        }
        Ok(())
    });
    // An error of the part only means that there is no more to be told from it.
    drop(read);
    ascending
}
