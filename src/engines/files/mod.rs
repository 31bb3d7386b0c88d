//! The file engine: Parquet, CSV and TSV, NDJSON, Arrow IPC; one path, a folder or a glob is one table.

mod arrow_ipc;
mod blocks;
mod csv;
mod csv_fields;
mod csv_header;
mod expand;
mod format;
mod int96;
mod marks;
mod ndjson;
mod ndjson_members;
mod options;
mod parquet;
mod source;
mod text;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub use options::{Encoding, FileOptions};

use super::{Capabilities, Native, Parts, Scan, Session};
use crate::error::{Error, Result};
use crate::model::schema::{Column, Table};
use format::Format;
use source::{Compression, DataFile};

/// How much larger a compressed text file is taken to be when it is decompressed; for progress and planning only.
const COMPRESSION_GUESS: u64 = 4;

/// A table in files.
pub struct FileSession {
    name: String,
    encoding: Encoding,
    /// The text that stands for NULL in CSV, if the user named one.
    null: Option<String>,
    files: usize,
    size_bytes: u64,
    format: Box<dyn Format>,
    bytes_read: Arc<AtomicU64>,
}

impl FileSession {
    /// Opens the files of a location and reads what they say of their columns.
    ///
    /// # Errors
    ///
    /// If there are no files, one of them cannot be read, or they do not agree in format and columns.
    pub fn open(location: &str, options: &FileOptions) -> Result<Self> {
        let bytes_read = Arc::new(AtomicU64::new(0));
        let mut encoding = None;
        let mut files: Vec<DataFile> = Vec::new();
        for path in expand::expand(location)? {
            let (found, compression) = source::format_of(&path, options)?;
            let expected = *encoding.get_or_insert(found);
            if found != expected {
                let found = format!("found {} in {} and {} in {}", expected.name(), files[0].place(), found.name(), path.display());
                return Err(Error::new(format!("{found}, expected one format"))
                    .at(location)
                    .hint("name the files with a quoted glob"));
            }
            files.push(DataFile::open(path, compression, Arc::clone(&bytes_read))?);
        }
        let encoding = encoding.ok_or_else(|| Error::new("found no file").at(location))?;
        let unfolded = |file: &DataFile| file.len() * if file.compression() == Compression::None { 1 } else { COMPRESSION_GUESS };
        let (count, size_bytes) = (files.len(), files.iter().map(unfolded).sum());
        let format: Box<dyn Format> = match encoding {
            Encoding::Parquet => Box::new(parquet::ParquetTable::open(files)?),
            Encoding::Arrow => Box::new(arrow_ipc::ArrowTable::open(files)?),
            Encoding::Csv => Box::new(csv::CsvTable::open(files, options)?),
            Encoding::Ndjson => Box::new(ndjson::NdjsonTable::open(files)?),
        };
        let name = expand::table_name(location);
        Ok(FileSession { name, encoding, null: options.null.clone(), files: count, size_bytes, format, bytes_read })
    }
}

impl Session for FileSession {
    fn engine(&self) -> String {
        let files = format!("{}, {} file{}", self.encoding.name(), self.files, if self.files == 1 { "" } else { "s" });
        match (self.encoding, &self.null) {
            (Encoding::Csv, Some(null)) => format!("{files}, NULL is '{null}' without quotes"),
            (Encoding::Csv, None) => format!("{files}, NULL is an empty field outside text columns"),
            _ => files,
        }
    }

    fn capabilities(&self) -> Capabilities {
        let native = matches!(self.encoding, Encoding::Parquet | Encoding::Arrow).then_some(Native::Columns);
        Capabilities {
            many_tables: false,
            absent_values: self.encoding == Encoding::Ndjson,
            conditions: false,
            places: self.encoding == Encoding::Parquet,
            native,
        }
    }

    fn tables(&self) -> Result<Vec<Table>> {
        Ok(vec![Table {
            name: self.name.as_str().into(),
            columns: self.format.columns().to_vec(),
            keys: Vec::new(),
            rows: self.format.rows(),
            bytes: self.format.bytes().or(Some(self.size_bytes)),
        }])
    }

    fn parts<'a>(&'a self, scan: &'a Scan) -> Result<Parts<'a>> {
        self.format.parts(scan)
    }

    fn seems_ordered(&self, scan: &Scan, held_bytes: u64) -> Result<bool> {
        self.format.seems_ordered(scan, held_bytes)
    }

    fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }
}

/// Holds the columns of a file against those of the table's first file.
fn agree(first: (&DataFile, &[Column]), other: (&DataFile, &[Column])) -> Result<()> {
    let ((first_file, first), (file, columns)) = (first, other);
    let describe = |column: Option<&Column>| match column {
        Some(column) => format!("column '{}' of type {}", column.name, column.native),
        None => "no more columns".to_string(),
    };
    for i in 0..first.len().max(columns.len()) {
        let (expected, found) = (first.get(i), columns.get(i));
        let same = expected.zip(found).is_some_and(|(one, other)| one.name == other.name && one.ty == other.ty);
        if !same {
            let found = format!("found {}, expected {} as in {}", describe(found), describe(expected), first_file.place());
            return Err(Error::new(found)
                .at(file.place())
                .hint("all files of one table must have the same columns in the same order"));
        }
    }
    Ok(())
}
