//! Parquet: one part is a row group, or a stretch of one that is too large to hold.
//!
//! When only some rows are wanted the key columns are read first, and of the others only what holds those rows.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowSelection, RowSelector,
};
use parquet::arrow::{ARROW_SCHEMA_META_KEY, ProjectionMask};
use parquet::basic::ConvertedType;
use parquet::errors::ParquetError;

use super::format::Format;
use super::int96;
use super::source::DataFile;
use crate::engines::arrow::{BatchReader, columns, projection};
use crate::engines::places::{self, Emit, Placed};
use crate::engines::{Part, Parts, Rows, Scan, ScanColumn};
use crate::error::{Error, Result};
use crate::model::row::{RowBlock, compare_keys};
use crate::model::schema::{Column, Type};

/// Rows decoded at once: enough to spread the cost of a call, few enough to stay in the processor's cache.
const BATCH_ROWS: usize = 4096;
/// Decoded bytes of a part; row groups beyond it are read in stretches.
const PART_BYTES_MAX: u64 = 32 << 20;
/// What a row takes beside its values while it is held.
const ROW_OVERHEAD_BYTES: u64 = 28;

/// A table in Parquet files.
pub(super) struct ParquetTable {
    files: Vec<ParquetFile>,
    columns: Vec<Column>,
}

struct ParquetFile {
    file: DataFile,
    metadata: ArrowReaderMetadata,
    int96: Option<Int96>,
}

/// The columns of INT96 of a file that has some.
struct Int96 {
    /// Their places.
    places: Vec<usize>,
    /// How they are read in seconds.
    in_seconds: ArrowReaderMetadata,
}

/// Some rows of one row group.
struct ParquetPart<'a> {
    file: &'a ParquetFile,
    scan: &'a Scan,
    group: usize,
    /// The first row and the number of rows, within the row group.
    rows: (usize, usize),
    weight_bytes: u64,
    bounds: Option<Bounds>,
}

/// The least and the greatest key, in canonical bytes.
type Bounds = (Vec<u8>, Vec<u8>);

impl ParquetTable {
    /// Reads the footers of all files.
    ///
    /// # Errors
    ///
    /// If a file is not Parquet, or not like the others.
    pub(super) fn open(files: Vec<DataFile>) -> Result<Self> {
        let mut opened: Vec<ParquetFile> = Vec::new();
        let mut first: Vec<Column> = Vec::new();
        for file in files {
            let place = file.place();
            let (found, file) = load(file).map_err(|error| unreadable(error).at(place))?;
            match opened.first() {
                Some(of_first) => super::agree((&of_first.file, &first), (&file.file, &found))?,
                None => first = found,
            }
            opened.push(file);
        }
        Ok(ParquetTable { files: opened, columns: first })
    }
}

/// The columns of a file. Without a schema of arrow's own beside Parquet's, arrow reads intervals as days and
/// milliseconds and drops their months, so there is no comparing them; nor is there INT96 within other values.
fn typed_columns(metadata: &ArrowReaderMetadata) -> Vec<Column> {
    let mut columns = columns(metadata.schema().fields());
    for place in int96::columns(metadata.parquet_schema()).1 {
        (columns[place].ty, columns[place].native) = (Type::Other, "parquet int96 within another type".to_string());
    }
    let entries = metadata.metadata().file_metadata().key_value_metadata();
    if entries.is_some_and(|entries| entries.iter().any(|entry| entry.key == ARROW_SCHEMA_META_KEY)) {
        return columns;
    }
    let schema = metadata.parquet_schema();
    for (leaf, column) in schema.columns().iter().enumerate() {
        if column.converted_type() == ConvertedType::INTERVAL {
            let column = &mut columns[schema.get_column_root_idx(leaf)];
            column.ty = Type::Other;
            column.native = "parquet interval".to_string();
        }
    }
    columns
}

/// The columns of a file as it declares them, and the file.
fn load(file: DataFile) -> Result<(Vec<Column>, ParquetFile)> {
    let opened = file.file()?;
    let metadata = ArrowReaderMetadata::load(&opened, ArrowReaderOptions::new()).map_err(parquet_error)?;
    let columns = typed_columns(&metadata);
    let read_as = |schema: SchemaRef| {
        ArrowReaderMetadata::try_new(Arc::clone(metadata.metadata()), ArrowReaderOptions::new().with_schema(schema))
    };
    let (places, _) = int96::columns(metadata.parquet_schema());
    let (metadata, int96) = match places.is_empty() {
        true => (metadata.clone(), None),
        false => {
            let exact = |unit: TimeUnit| read_as(int96::in_unit(metadata.schema(), &places, unit)).map_err(parquet_error);
            let (in_nanoseconds, in_seconds) = (exact(TimeUnit::Nanosecond)?, exact(TimeUnit::Second)?);
            (in_nanoseconds, Some(Int96 { places, in_seconds }))
        }
    };
    // Text and bytes are decoded as views, which need not be copied out of the page they lie in. A file whose own
    // schema does not allow views is read as it asks to be.
    let metadata = read_as(as_views(metadata.schema())).unwrap_or(metadata);
    Ok((columns, ParquetFile { file, metadata, int96 }))
}

fn as_views(schema: &SchemaRef) -> SchemaRef {
    let view = |field: &Arc<Field>| match field.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 => Arc::new(Field::clone(field).with_data_type(DataType::Utf8View)),
        DataType::Binary | DataType::LargeBinary => Arc::new(Field::clone(field).with_data_type(DataType::BinaryView)),
        _ => Arc::clone(field),
    };
    Arc::new(Schema::new_with_metadata(schema.fields().iter().map(view).collect::<Vec<_>>(), schema.metadata().clone()))
}

fn parquet_error(error: ParquetError) -> Error {
    Error::caused("cannot be read as Parquet", error)
}

fn unreadable(error: Error) -> Error {
    error.hint("the file may be cut short or not be Parquet at all; --file-format names another format")
}

impl ParquetTable {
    /// The parts of all files: in the order of their least keys if the bounds of all are known, else in stored order
    /// and without bounds.
    fn cut<'a>(&'a self, scan: &'a Scan) -> Result<Vec<ParquetPart<'a>>> {
        let files = self.files.iter().map(|file| file_parts(file, scan)).collect::<Result<Vec<_>>>()?;
        let mut parts: Vec<ParquetPart<'a>> = files.into_iter().flatten().collect();
        if parts.iter().all(|part| part.bounds.is_some()) {
            parts.sort_by(|a, b| compare_keys(least(a), least(b)));
        } else {
            parts.iter_mut().for_each(|part| part.bounds = None);
        }
        Ok(parts)
    }
}

impl Format for ParquetTable {
    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn rows(&self) -> Option<u64> {
        let rows = self.files.iter().map(|file| file.metadata.metadata().file_metadata().num_rows());
        Some(rows.sum::<i64>().unsigned_abs())
    }

    fn bytes(&self) -> Option<u64> {
        let groups = self.files.iter().flat_map(|file| file.metadata.metadata().row_groups());
        Some(groups.map(|group| group.total_byte_size().unsigned_abs()).sum())
    }

    fn parts<'a>(&'a self, scan: &'a Scan) -> Result<Parts<'a>> {
        Ok(Box::new(self.cut(scan)?.into_iter().map(|part| Ok(Box::new(part) as Box<dyn Part + 'a>))))
    }

    /// Follows the bounds of the row groups, where they are known, and adds up what would have to be held.
    fn seems_ordered(&self, scan: &Scan, held_bytes: u64) -> Result<bool> {
        let parts = self.cut(scan)?;
        if parts.iter().any(|part| part.bounds.is_none()) {
            return Ok(true);
        }
        let reaches = |part: &ParquetPart<'_>, key: &[u8]| {
            part.bounds.as_ref().is_some_and(|(_, greatest)| compare_keys(greatest, key).is_gt())
        };
        let mut open: Vec<&ParquetPart<'_>> = Vec::new();
        for part in &parts {
            open.retain(|earlier| reaches(earlier, least(part)));
            open.push(part);
            if open.iter().map(|part| part.weight_bytes).sum::<u64>() > held_bytes.max(2 * PART_BYTES_MAX) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn least<'a>(part: &'a ParquetPart<'_>) -> &'a [u8] {
    part.bounds.as_ref().map_or(&[], |(least, _)| least)
}

/// The parts of a file in stored order.
fn file_parts<'a>(file: &'a ParquetFile, scan: &'a Scan) -> Result<Vec<ParquetPart<'a>>> {
    let (roots, schema) = (projection(scan), file.metadata.parquet_schema());
    let bounds = bounds(file, scan)?;
    let mut parts = Vec::new();
    for (group, metadata) in file.metadata.metadata().row_groups().iter().enumerate() {
        let read = metadata.columns().iter().enumerate().filter(|(leaf, _)| roots.contains(&schema.get_column_root_idx(*leaf)));
        let rows = metadata.num_rows().unsigned_abs() as usize;
        // Values take a tag and a length each, rows their ends and digests; how dictionaries unfold is not known.
        let framing = rows as u64 * (2 * roots.len() as u64 + ROW_OVERHEAD_BYTES);
        let bytes = read.map(|(_, column)| column.uncompressed_size().unsigned_abs()).sum::<u64>() + framing;
        let stretches = bytes.div_ceil(PART_BYTES_MAX).clamp(1, rows.max(1) as u64) as usize;
        for stretch in 0..stretches {
            let (start, end) = (rows * stretch / stretches, rows * (stretch + 1) / stretches);
            // Within a row group nothing is known of its stretches.
            let bounds = bounds.as_ref().and_then(|bounds| bounds[group].clone());
            let weight_bytes = bytes / stretches as u64;
            parts.push(ParquetPart { file, scan, group, rows: (start, end - start), weight_bytes, bounds });
        }
    }
    Ok(parts)
}

/// For each row group, a key that none of its keys is below and one that none is above, by the statistics of the
/// first key column; `None` where there are none, and for all of them where they cannot be read.
fn bounds(file: &ParquetFile, scan: &Scan) -> Result<Option<Vec<Option<Bounds>>>> {
    let (Some(key), groups) = (scan.columns.first(), file.metadata.metadata().row_groups()) else { return Ok(None) };
    if file.int96.as_ref().is_some_and(|int96| int96.places.contains(&key.index)) {
        return Ok(None);
    }
    let name = file.metadata.schema().field(key.index).name();
    let Ok(converter) = StatisticsConverter::try_new(name, file.metadata.schema(), file.metadata.parquet_schema()) else {
        return Ok(None);
    };
    let (Ok(least), Ok(greatest), Ok(nulls)) =
        (converter.row_group_mins(groups), converter.row_group_maxes(groups), converter.row_group_null_counts(groups))
    else {
        return Ok(None);
    };
    let known = |i: usize| least.is_valid(i) && greatest.is_valid(i) && nulls.is_valid(i);
    let keys = key_bytes(&least, key)?.into_iter().zip(key_bytes(&greatest, key)?);
    let bounds = keys.enumerate().map(|(i, (least, mut greatest))| {
        // Composite keys go on behind their first column: any of them that begin so must order below the bound.
        if scan.key_columns > 1 {
            greatest.extend_from_slice(&BEHIND_ALL);
        }
        // NULL orders before every key.
        known(i).then(|| (if nulls.value(i) > 0 { Vec::new() } else { least }, greatest))
    });
    Ok(Some(bounds.collect()))
}

/// A value that orders behind all others.
const BEHIND_ALL: [u8; 2] = [crate::model::canonical::Tag::Unparsed as u8, 0];

fn key_bytes(values: &ArrayRef, key: &ScanColumn) -> Result<Vec<Vec<u8>>> {
    let scan = Scan { columns: vec![ScanColumn { index: 0, raw: false, ..key.clone() }], key_columns: 1, ..Scan::default() };
    let schema = Schema::new(vec![Field::new("key", values.data_type().clone(), true)]);
    let batch =
        RecordBatch::try_new(Arc::new(schema), vec![Arc::clone(values)]).map_err(|error| Error::caused("read bounds", error))?;
    let mut keys = Vec::new();
    let mut collect = |block: &mut RowBlock| {
        keys.extend(block.iter().map(|row| row.key().to_vec()));
        Ok(())
    };
    let mut reader = BatchReader::new(&scan);
    reader.push(&batch, &mut collect)?;
    reader.finish(&mut collect)?;
    Ok(keys)
}

impl Part for ParquetPart<'_> {
    fn weight_bytes(&self) -> u64 {
        self.weight_bytes
    }

    fn least_key(&self) -> Option<&[u8]> {
        self.bounds.as_ref().map(|(least, _)| least.as_slice())
    }

    fn read(self: Box<Self>, emit: &mut dyn FnMut(&mut RowBlock) -> Result<()>) -> Result<u64> {
        places::read(&*self, self.scan, emit).map_err(|error| self.in_group(error))
    }

    fn read_deferred(self: Box<Self>, emit: &mut dyn FnMut(Rows<'_>) -> Result<()>) -> Result<u64> {
        let (_, rows) = self.rows;
        if rows == 0 || self.scan.cells.is_some() {
            return self.read(&mut |block| emit(Rows::Encoded(block)));
        }
        let mut reader = BatchReader::new(self.scan);
        let read = self.decode(self.scan, self.all(), rows, &mut |batch| reader.push_deferred(batch, emit));
        let read = read.and_then(|()| reader.finish(&mut |block| emit(Rows::Encoded(block))));
        read.map(|()| rows as u64).map_err(|error| self.in_group(error))
    }
}

impl Placed for ParquetPart<'_> {
    /// The row's number in the row group.
    type Place = usize;

    const ONE_IN: usize = 4;

    fn places(&self, selects: &mut dyn FnMut(&[u8]) -> bool) -> Result<Option<Vec<usize>>> {
        let key = Scan { columns: self.scan.columns[..self.scan.key_columns].to_vec(), cells: None, ..self.scan.clone() };
        let (mut numbers, mut places) = (self.rows.0.., Vec::new());
        self.decode_rows(&key, self.all(), self.rows.1, &mut |block| {
            // In this order: a number that is taken when there is no row left would be lost.
            places.extend(block.iter().zip(&mut numbers).filter(|(row, _)| selects(row.key())).map(|(_, number)| number));
            Ok(())
        })?;
        Ok(Some(places))
    }

    fn read_at(&self, places: &[usize], emit: &mut Emit<'_>) -> Result<u64> {
        let mut selectors = Vec::new();
        let mut next = 0;
        for stretch in places.chunk_by(|one, other| one + 1 == *other) {
            selectors.push(RowSelector::skip(stretch[0] - next));
            selectors.push(RowSelector::select(stretch.len()));
            next = stretch[0] + stretch.len();
        }
        self.decode_rows(self.scan, selectors, places.len(), emit)
    }

    fn read_all(&self, emit: &mut Emit<'_>) -> Result<u64> {
        self.decode_rows(self.scan, self.all(), self.rows.1, emit)
    }
}

impl ParquetPart<'_> {
    fn in_group(&self, error: Error) -> Error {
        error.at(format!("row group {}", self.group)).at(self.file.file.place())
    }

    /// All rows of the part.
    fn all(&self) -> Vec<RowSelector> {
        let (start, rows) = self.rows;
        vec![RowSelector::skip(start), RowSelector::select(rows)]
    }

    /// Decodes the selected rows, of which there must be `expected`, into blocks.
    fn decode_rows(&self, scan: &Scan, rows: Vec<RowSelector>, expected: usize, emit: &mut Emit<'_>) -> Result<u64> {
        if expected > 0 {
            let mut reader = BatchReader::new(scan);
            self.decode(scan, rows, expected, &mut |batch| reader.push(batch, emit))?;
            reader.finish(emit)?;
        }
        Ok(expected as u64)
    }

    /// Decodes the selected rows, of which there must be `expected`, and gives each batch to `take`.
    fn decode(
        &self,
        scan: &Scan,
        rows: Vec<RowSelector>,
        expected: usize,
        take: &mut dyn FnMut(&RecordBatch) -> Result<()>,
    ) -> Result<()> {
        let (mut found, roots) = (0, projection(scan));
        let (mut places, mut in_seconds) = (Vec::new(), None);
        if let Some(int96) = &self.file.int96 {
            let read: Vec<usize> = int96.places.iter().copied().filter(|root| roots.contains(root)).collect();
            places = read.iter().map(|root| roots.partition_point(|other| other < root)).collect();
            in_seconds = (!read.is_empty()).then(|| self.reader(&int96.in_seconds, read, rows.clone())).transpose()?;
        }
        let unreadable = |error| Error::caused("cannot be read", error);
        for batch in self.reader(&self.file.metadata, roots, rows)? {
            let mut batch = batch.map_err(unreadable)?;
            if let Some(in_seconds) = &mut in_seconds {
                let seconds = in_seconds.next().unwrap_or_else(|| Ok(RecordBatch::new_empty(Arc::new(Schema::empty()))));
                batch = int96::exact(batch, &seconds.map_err(unreadable)?, &places)?;
            }
            found += batch.num_rows();
            take(&batch)?;
        }
        match found == expected {
            true => Ok(()),
            false => Err(Error::new(format!("found {found} rows, expected {expected} as the footer says"))),
        }
    }

    fn reader(
        &self,
        metadata: &ArrowReaderMetadata,
        roots: Vec<usize>,
        rows: Vec<RowSelector>,
    ) -> Result<ParquetRecordBatchReader> {
        let group = metadata.metadata().row_group(self.group);
        let compressed = group
            .columns()
            .iter()
            .enumerate()
            .filter(|(leaf, _)| roots.contains(&metadata.parquet_schema().get_column_root_idx(*leaf)));
        self.file.file.count(compressed.map(|(_, column)| column.compressed_size().unsigned_abs()).sum());
        let mask = ProjectionMask::roots(metadata.parquet_schema(), roots);
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(self.file.file.file()?, metadata.clone());
        let builder = builder.with_row_groups(vec![self.group]).with_projection(mask).with_batch_size(BATCH_ROWS);
        let all =
            self.rows == (0, group.num_rows().unsigned_abs() as usize) && rows.iter().all(|rows| !rows.skip || rows.row_count == 0);
        let builder = if all { builder } else { builder.with_row_selection(RowSelection::from(rows)) };
        builder.build().map_err(parquet_error)
    }
}
