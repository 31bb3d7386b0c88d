//! `ranges.parquet`: every range of every table.
//!
//! Each table's ranges go to a file of their own, which can be begun anew; at the end of the run their row groups
//! are copied, as they are, into the one file.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Builder, RecordBatch, StringArray, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaDataReader};

use super::parquet::{create_file, failed, properties};
use crate::error::Result;
use crate::model::range::{Domain, RangeRecord};
use crate::model::value::render_key;
use crate::sides::{Side, Sides};

/// Ranges that are turned into a batch at a time.
const BATCH_ROWS: usize = 8 * 1024;

/// The columns of the file.
fn schema() -> SchemaRef {
    let text = |name: &str| Field::new(name, DataType::Utf8, false);
    let rows = |name: &str| Field::new(name, DataType::Int64, false);
    Arc::new(Schema::new(vec![
        text("table_source"),
        text("table_target"),
        text("domain"),
        text("above").with_nullable(true),
        text("up_to").with_nullable(true),
        rows("source_rows"),
        rows("target_rows"),
        text("source_fingerprint").with_nullable(true),
        text("target_fingerprint").with_nullable(true),
        text("outcome"),
    ]))
}

/// Writes the ranges of one table.
pub struct RangeWriter {
    path: PathBuf,
    tables: Sides<String>,
    domain: Domain,
    file: ArrowWriter<BufWriter<File>>,
    pending: Columns,
}

#[derive(Default)]
struct Columns {
    rows: usize,
    bounds: [StringBuilder; 2],
    rows_by_side: Sides<Int64Builder>,
    fingerprints: Sides<StringBuilder>,
    outcomes: StringBuilder,
}

impl RangeWriter {
    /// Creates a file at `path`.
    ///
    /// # Errors
    ///
    /// If it cannot be created.
    pub fn create(path: PathBuf, tables: Sides<String>, domain: Domain) -> Result<Self> {
        let file = File::create(&path).map_err(ParquetError::from);
        let file = file.and_then(|file| ArrowWriter::try_new(BufWriter::new(file), schema(), Some(properties().build())));
        match file {
            Ok(file) => Ok(RangeWriter { path, tables, domain, file, pending: Columns::default() }),
            Err(error) => Err(failed(&path, error)),
        }
    }

    /// Writes a range.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn write(&mut self, record: &RangeRecord) -> Result<()> {
        let pending = &mut self.pending;
        for (bound, out) in [&record.range.above, &record.range.up_to].into_iter().zip(&mut pending.bounds) {
            out.append_option(bound.as_ref().map(|bound| render_bound(self.domain, bound)));
        }
        let (rows, fingerprints) = (record.evidence.rows(), record.evidence.fingerprints());
        for side in Side::BOTH {
            pending.rows_by_side.get_mut(side).append_value(*rows.get(side) as i64);
            let sum = fingerprints.map(|sides| format!("{:032x}", sides.get(side).sum));
            pending.fingerprints.get_mut(side).append_option(sum);
        }
        pending.outcomes.append_value(record.outcome.name());
        pending.rows += 1;
        if pending.rows == BATCH_ROWS { self.flush().map_err(|error| failed(&self.path, error)) } else { Ok(()) }
    }

    /// Ends the file.
    ///
    /// # Errors
    ///
    /// If it cannot be written to its end.
    pub fn finish(mut self) -> Result<()> {
        let end = self.flush().and_then(|()| self.file.finish());
        end.map(|_| ()).map_err(|error| failed(&self.path, error))
    }

    fn flush(&mut self) -> Result<(), ParquetError> {
        let mut columns = std::mem::take(&mut self.pending);
        let constant =
            |value: &str| -> ArrayRef { Arc::new(StringArray::from_iter_values(std::iter::repeat_n(value, columns.rows))) };
        let mut arrays = vec![constant(&self.tables.source), constant(&self.tables.target), constant(self.domain.name())];
        arrays.extend(columns.bounds.iter_mut().map(|bound| Arc::new(bound.finish()) as ArrayRef));
        arrays
            .extend([&mut columns.rows_by_side.source, &mut columns.rows_by_side.target].map(|rows| Arc::new(rows.finish()) as _));
        arrays
            .extend([&mut columns.fingerprints.source, &mut columns.fingerprints.target].map(|sums| Arc::new(sums.finish()) as _));
        arrays.push(Arc::new(columns.outcomes.finish()));
        self.file.write(&RecordBatch::try_new(schema(), arrays)?)
    }
}

/// The bound of a range as text: a key, or a key hash in sixteen hexadecimal digits.
fn render_bound(domain: Domain, bound: &[u8]) -> String {
    match domain {
        Domain::KeyOrder => render_key(bound),
        Domain::KeyHash => {
            bound.iter().flat_map(|byte| [byte >> 4, byte & 15]).filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
        }
    }
}

/// Joins the files of the tables to one at `path`.
///
/// # Errors
///
/// If one cannot be read, or the whole cannot be written.
pub fn join(tables: &[PathBuf], path: &Path) -> Result<()> {
    let joined = || -> Result<(), ParquetError> {
        let (mut out, _) = create_file(path, &schema())?;
        for table in tables {
            let file = File::open(table)?;
            let metadata = ParquetMetaDataReader::new().parse_and_finish(&file)?;
            for group in metadata.row_groups() {
                let mut copy = out.next_row_group()?;
                for column in group.columns() {
                    copy.append_column(&file, chunk_of(column, group.num_rows()))?;
                }
                copy.close()?;
            }
        }
        out.finish().map(|_| ())
    };
    joined().map_err(|error| failed(path, error))
}

/// A column chunk as its writer left it, to be copied.
fn chunk_of(column: &ColumnChunkMetaData, rows: i64) -> ColumnCloseResult {
    ColumnCloseResult {
        bytes_written: column.compressed_size() as u64,
        rows_written: rows as u64,
        metadata: column.clone(),
        bloom_filter: None,
        column_index: None,
        offset_index: None,
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    use super::*;
    use crate::model::canonical::{Tag, push_whole};
    use crate::model::digest::Fingerprint;
    use crate::model::range::{Cells, Evidence, Range, RangeOutcome};

    #[test]
    fn ranges_of_several_tables_end_up_in_one_file() {
        let dir = tempfile::tempdir().unwrap();
        let tables = |name: &str| Sides { source: name.to_string(), target: format!("{name}_copy") };
        let evidence =
            Evidence::hashed(Sides { source: Fingerprint { rows: 3, sum: 0xAB }, target: Fingerprint { rows: 4, sum: u128::MAX } });
        let (a, b, all) = (dir.path().join("a"), dir.path().join("b"), dir.path().join("ranges.parquet"));

        let mut hashes = RangeWriter::create(a.clone(), tables("a"), Domain::KeyHash).unwrap();
        let cells = Cells::of_bits(14);
        for cell in 0..cells.count() {
            hashes.write(&RangeRecord { range: cells.range(cell), evidence, outcome: RangeOutcome::Equal }).unwrap();
        }
        hashes.finish().unwrap();
        let mut keys = RangeWriter::create(b.clone(), tables("b"), Domain::KeyOrder).unwrap();
        let mut bound = Vec::new();
        push_whole(&mut bound, Tag::Number, 42);
        let range = Range { above: None, up_to: Some(bound.clone()) };
        keys.write(&RangeRecord { range, evidence: Evidence { same: 5, ..Evidence::default() }, outcome: RangeOutcome::Equal })
            .unwrap();
        let range = Range { above: Some(bound), up_to: None };
        keys.write(&RangeRecord { range, evidence, outcome: RangeOutcome::Compared }).unwrap();
        keys.finish().unwrap();
        join(&[a, b], &all).unwrap();

        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(&all).unwrap()).unwrap();
        let batches: Vec<_> = reader.with_batch_size(1 << 20).build().unwrap().map(Result::unwrap).collect();
        let rows = arrow::compute::concat_batches(&schema(), &batches).unwrap();
        assert_eq!(rows.num_rows(), cells.count() + 2);
        let text = |column: usize, row: usize| {
            let column = rows.column(column).as_string::<i32>();
            arrow::array::Array::is_valid(column, row).then(|| column.value(row).to_string())
        };
        let last = cells.count() + 1;
        let same = rows.column(5).as_primitive::<arrow::datatypes::Int64Type>().value(last - 1);
        assert_eq!((same, text(7, last - 1), text(9, last - 1).as_deref()), (5, None, Some("equal")));
        assert_eq!(text(1, 0).as_deref(), Some("a_copy"));
        assert_eq!((text(3, 0), text(4, 0).as_deref()), (None, Some("0003ffffffffffff")));
        assert_eq!((text(2, last).as_deref(), text(3, last).as_deref(), text(4, last)), (Some("key_order"), Some("42"), None));
        assert_eq!(text(7, last).as_deref(), Some("000000000000000000000000000000ab"));
        assert_eq!(text(9, last).as_deref(), Some("compared"));
    }
}
