//! Arrow IPC: files are read by record batch in parallel, streams from front to back.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use arrow::ipc::reader::{FileReader, StreamReader};

use super::format::Format;
use super::source::DataFile;
use crate::engines::arrow::{BatchPart, BatchReader, columns, projection};
use crate::engines::{Part, Parts, Rows, Scan};
use crate::error::{Error, Result};
use crate::model::row::RowBlock;
use crate::model::schema::Column;

/// Bytes on disk of the record batches that make one part.
const PART_BYTES: u64 = 16 << 20;
/// What an Arrow file begins and ends with: <https://arrow.apache.org/docs/format/Columnar.html#ipc-file-format>.
const FILE_MAGIC: &[u8] = b"ARROW1";
/// What a stream ends with.
const END_OF_STREAM: [u8; 8] = [0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0];

/// A table in Arrow IPC files.
pub(super) struct ArrowTable {
    files: Vec<ArrowFile>,
    columns: Vec<Column>,
}

struct ArrowFile {
    file: DataFile,
    /// The number of record batches of a file; a stream does not say.
    batches: Option<usize>,
}

impl ArrowTable {
    /// Reads the schemas of all files.
    ///
    /// # Errors
    ///
    /// If a file is not Arrow IPC, or not like the others, or a stream has no end.
    pub(super) fn open(files: Vec<DataFile>) -> Result<Self> {
        let mut opened: Vec<ArrowFile> = Vec::new();
        let mut first: Vec<Column> = Vec::new();
        for file in files {
            let (found, batches) = describe(&file).map_err(|error| error.at(file.place()))?;
            match opened.first() {
                Some(of_first) => super::agree((&of_first.file, &first), (&file, &found))?,
                None => first = found,
            }
            opened.push(ArrowFile { file, batches });
        }
        Ok(ArrowTable { files: opened, columns: first })
    }
}

fn describe(file: &DataFile) -> Result<(Vec<Column>, Option<usize>)> {
    let (again, mut opened) = (file.file()?, file.file()?);
    let mut magic = [0; 6];
    let is_file = opened.read_exact(&mut magic).is_ok() && magic == FILE_MAGIC;
    if is_file {
        let reader = guarded(|| FileReader::try_new(again, None))?;
        return Ok((columns(reader.schema().fields()), Some(reader.num_batches())));
    }
    let reader = guarded(|| StreamReader::try_new(BufReader::new(again), None))?;
    let mut end = [0; 8];
    let ended = opened.seek(SeekFrom::End(-8)).and_then(|_| opened.read_exact(&mut end)).is_ok() && end == END_OF_STREAM;
    if !ended {
        return Err(Error::new("found no end-of-stream marker, expected one: the stream may be cut short"));
    }
    Ok((columns(reader.schema().fields()), None))
}

/// Reads with the arrow crate, which trusts some of the offsets in a file and panics where they lead outside of it.
fn guarded<T>(read: impl FnOnce() -> Result<T, ArrowError>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(read) => read.map_err(|error| Error::caused("cannot be read as Arrow IPC", error)),
        Err(_) => Err(Error::new("cannot be read as Arrow IPC: the file is corrupt")),
    }
}

impl Format for ArrowTable {
    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn rows(&self) -> Option<u64> {
        None
    }

    fn parts<'a>(&'a self, scan: &'a Scan) -> Result<Parts<'a>> {
        Ok(Box::new(self.files.iter().flat_map(move |file| match file.batches {
            Some(batches) => file_parts(file, batches, scan),
            None => stream_parts(file, scan).unwrap_or_else(|error| Box::new(std::iter::once(Err(error)))),
        })))
    }

    fn seems_ordered(&self, _scan: &Scan, _held_bytes: u64) -> Result<bool> {
        Ok(true)
    }
}

fn file_parts<'a>(file: &'a ArrowFile, batches: usize, scan: &'a Scan) -> Parts<'a> {
    let batch_bytes = (file.file.len() / batches.max(1) as u64).max(1);
    let at_once = (PART_BYTES / batch_bytes).max(1) as usize;
    Box::new((0..batches).step_by(at_once).map(move |start| {
        let end = batches.min(start + at_once);
        let weight_bytes = batch_bytes * (end - start) as u64;
        Ok(Box::new(FilePart { file: &file.file, scan, batches: (start, end), weight_bytes }) as Box<dyn Part + 'a>)
    }))
}

/// A stream can only be read in its order, so taking a part reads it.
fn stream_parts<'a>(file: &'a ArrowFile, scan: &'a Scan) -> Result<Parts<'a>> {
    let file = &file.file;
    let opened = BufReader::new(file.file()?);
    let reader = guarded(|| StreamReader::try_new(opened, Some(projection(scan))));
    let mut reader = reader.map_err(|error| error.at(file.place()))?;
    let mut ended = false;
    Ok(Box::new(std::iter::from_fn(move || {
        if ended {
            return None;
        }
        let part = match guarded(|| reader.next().transpose()) {
            Ok(Some(batch)) => {
                file.count(batch.get_array_memory_size() as u64);
                return Some(Ok(Box::new(BatchPart { batch, scan }) as Box<dyn Part + 'a>));
            }
            Err(error) => Some(Err(error)),
            Ok(None) => rest(reader.get_mut()).err().map(Err),
        };
        ended = true;
        part.map(|part| part.map_err(|error| error.at(file.place())))
    })))
}

/// Holds it against a file that something follows the end of its stream, which the reader would leave out.
fn rest(reader: &mut impl Read) -> Result<()> {
    match reader.read(&mut [0]) {
        Ok(0) => Ok(()),
        Ok(_) => Err(Error::new("found more behind the end of the stream, expected the end of the file")
            .hint("a file holds one stream: write each to a file of its own")),
        Err(error) => Err(Error::caused("cannot be read to its end", error)),
    }
}

/// Some adjacent record batches of a file.
struct FilePart<'a> {
    file: &'a DataFile,
    scan: &'a Scan,
    batches: (usize, usize),
    weight_bytes: u64,
}

impl FilePart<'_> {
    fn reader(&self) -> Result<FileReader<File>> {
        let opened = self.file.file()?;
        guarded(|| FileReader::try_new(opened, Some(projection(self.scan))))
    }

    /// Gives each batch to `take`; returns how many rows there were.
    fn read_batches(&self, take: &mut dyn FnMut(&RecordBatch) -> Result<()>) -> Result<u64> {
        let (start, end) = self.batches;
        let mut reader = self.reader()?;
        guarded(|| reader.set_index(start))?;
        let mut read = 0;
        for _ in start..end {
            let Some(batch): Option<RecordBatch> = guarded(|| reader.next().transpose())? else { break };
            read += batch.num_rows() as u64;
            take(&batch)?;
        }
        self.file.count(self.weight_bytes);
        Ok(read)
    }
}

impl Part for FilePart<'_> {
    fn weight_bytes(&self) -> u64 {
        self.weight_bytes
    }

    fn read(self: Box<Self>, emit: &mut dyn FnMut(&mut RowBlock) -> Result<()>) -> Result<u64> {
        let mut rows = BatchReader::new(self.scan);
        let read = self.read_batches(&mut |batch| rows.push(batch, emit)).and_then(|read| rows.finish(emit).map(|()| read));
        read.map_err(|error| error.at(self.file.place()))
    }

    fn read_deferred(self: Box<Self>, emit: &mut dyn FnMut(Rows<'_>) -> Result<()>) -> Result<u64> {
        let mut rows = BatchReader::new(self.scan);
        let read = self.read_batches(&mut |batch| rows.push_deferred(batch, emit));
        let read = read.and_then(|read| rows.finish(&mut |block| emit(Rows::Encoded(block))).map(|()| read));
        read.map_err(|error| error.at(self.file.place()))
    }
}
