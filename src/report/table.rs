//! The report of one pair of tables, as the audit of it goes on.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};

use super::Sink;
use super::batch::Batch;
use super::parquet::{DiffWriter, failed};
use super::ranges::RangeWriter;
use super::schema::DiffSchema;
use super::shown::Shown;
use crate::error::{Error, Result};
use crate::model::comparison::Pairing;
use crate::model::finding::{FindingRef, Findings};
use crate::model::range::{Domain, RangeRecord};
use crate::model::row::Row;
use crate::sides::Side;

/// Findings that are built and encoded at a time: few enough that their rows stay in the processor's cache while
/// column after column is taken from them.
const BATCH_FINDINGS_MAX: usize = 8 * 1024;
/// Bytes of rows at which a batch ends even if it has fewer findings.
///
/// With them wait the places and lengths of their values (24 bytes each), the arrays that are being built (about as large as
/// the rows), and the encoded row group (at most 24 MiB, and its dictionaries): 35 MiB in all where 2.5 million
/// changed rows of ten columns were measured, below 60 MiB unless single rows are larger than that.
const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Largest row that a report takes: values are rendered to at most twice their size, and Parquet's end at 2 GiB.
const ROW_BYTES_MAX: usize = 512 * 1024 * 1024;

/// Findings kept for the terminal, unless told otherwise.
pub const SAMPLE_DEFAULT: usize = 10;

/// How a table is reported.
#[derive(Debug, Clone, Copy)]
pub struct TableOptions {
    /// What the ranges are ranges of at first; [`Sink::restart`] may change it.
    pub domain: Domain,
    /// How many of the first findings are kept for the terminal; [`SAMPLE_DEFAULT`] by default.
    pub sample: usize,
}

impl Default for TableOptions {
    fn default() -> Self {
        TableOptions { domain: Domain::KeyOrder, sample: SAMPLE_DEFAULT }
    }
}

/// What a table's report consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableFiles {
    /// The name of the file with the differences, within the report.
    pub report: String,
    /// The first differences.
    pub sample: Vec<Shown>,
}

/// Writes the report of one pair of tables.
pub struct TableReport {
    pairing: Pairing,
    options: TableOptions,
    /// Where the finished file belongs; until then it is among the parts.
    diff_path: PathBuf,
    ranges_path: PathBuf,
    diff: DiffWriter,
    ranges: RangeWriter,
    pending: VecDeque<Findings>,
    /// Findings of the first pending batch that are written.
    written: usize,
    pending_len: usize,
    pending_bytes: usize,
    sample: Vec<Shown>,
}

impl TableReport {
    /// Creates the files: under `diff_path` and `ranges_path` once they are finished, beside the latter until then.
    pub(super) fn create(pairing: &Pairing, options: TableOptions, diff_path: PathBuf, ranges_path: PathBuf) -> Result<Self> {
        let schema = DiffSchema::new(pairing).map_err(|error| failed(&diff_path, error))?;
        let diff = DiffWriter::create(unfinished(&ranges_path, "diff"), schema)?;
        let ranges = RangeWriter::create(unfinished(&ranges_path, "ranges"), pairing.tables.clone(), options.domain)?;
        Ok(TableReport {
            pairing: pairing.clone(),
            options,
            diff_path,
            ranges_path,
            diff,
            ranges,
            pending: VecDeque::new(),
            written: 0,
            pending_len: 0,
            pending_bytes: 0,
            sample: Vec::new(),
        })
    }

    /// Ends the files and gives them their names.
    ///
    /// # Errors
    ///
    /// If they cannot be written to their ends.
    pub fn finish(mut self) -> Result<TableFiles> {
        while self.pending_len > 0 {
            self.write_batch()?;
        }
        self.diff.finish()?;
        self.ranges.finish()?;
        for (part, path) in [("diff", &self.diff_path), ("ranges", &self.ranges_path)] {
            fs::rename(unfinished(&self.ranges_path, part), path)
                .map_err(|error| Error::caused("cannot be given its name", error).at(path.display().to_string()).incomplete())?;
        }
        let report = self.diff_path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(TableFiles { report, sample: self.sample })
    }

    /// Writes one batch of what is pending. Where a batch ends depends on the findings, not on how they came.
    fn write_batch(&mut self) -> Result<()> {
        let (mut batch, mut bytes) = (Vec::with_capacity(BATCH_FINDINGS_MAX.min(self.pending_len)), 0);
        let (mut whole, mut written) = (0, self.written);
        'batch: for findings in &self.pending {
            while written < findings.len() {
                let finding = findings.get(written);
                batch.push(finding);
                bytes += check_bytes(finding)?;
                written += 1;
                if batch.len() == BATCH_FINDINGS_MAX || bytes >= BATCH_BYTES_MAX {
                    break 'batch;
                }
            }
            (whole, written) = (whole + 1, 0);
        }
        if self.sample.len() < self.options.sample {
            let more = &batch[..batch.len().min(self.options.sample - self.sample.len())];
            self.sample.extend(sample(self.diff.schema(), more).map_err(|error| error.at(self.diff_path.display().to_string()))?);
        }
        self.diff.write(&batch)?;
        self.pending_len -= batch.len();
        self.pending_bytes -= bytes;
        drop(batch);
        self.pending.drain(..whole);
        self.written = written;
        Ok(())
    }
}

impl Sink for TableReport {
    fn range(&mut self, record: &RangeRecord) -> Result<()> {
        self.ranges.write(record)
    }

    fn findings(&mut self, findings: Findings) -> Result<()> {
        if findings.is_empty() {
            return Ok(());
        }
        self.pending_len += findings.len();
        self.pending_bytes += findings.bytes_len();
        self.pending.push_back(findings);
        while self.pending_len >= BATCH_FINDINGS_MAX || self.pending_bytes >= BATCH_BYTES_MAX {
            self.write_batch()?;
        }
        Ok(())
    }

    fn restart(&mut self, domain: Domain) -> Result<()> {
        let options = TableOptions { domain, ..self.options };
        *self = TableReport::create(&self.pairing, options, self.diff_path.clone(), self.ranges_path.clone())?;
        Ok(())
    }
}

/// Where a part of the report is until it is finished.
fn unfinished(ranges_path: &Path, part: &str) -> PathBuf {
    ranges_path.with_extension(format!("{part}.tmp"))
}

/// The bytes of a finding's rows.
fn check_bytes(finding: FindingRef<'_>) -> Result<usize> {
    let mut bytes = 0;
    for side in Side::BOTH {
        let row = finding.rows.get(side).map_or(0, |row: Row<'_>| row.bytes().len());
        if row > ROW_BYTES_MAX {
            let found = format!("found a row of {row} bytes, expected at most {ROW_BYTES_MAX}");
            return Err(Error::new(found).on(side).incomplete());
        }
        bytes += row;
    }
    Ok(bytes)
}

fn sample(schema: &DiffSchema, findings: &[FindingRef<'_>]) -> Result<Vec<Shown>> {
    let batch = Batch::new(findings, &schema.parts).record_batch(schema);
    let batch = batch.map_err(|error| Error::caused("cannot be rendered", error).incomplete())?;
    (0..batch.num_rows()).map(|row| Shown::read(&batch, row)).collect()
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use arrow::array::{Array, AsArray};
    use arrow::compute::concat_batches;
    use arrow::datatypes::*;
    use arrow::record_batch::RecordBatch;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    use super::super::samples::{block, comparison, orders, pairing, random_findings};
    use super::*;
    use crate::model::canonical::{Tag, Values, push_bytes, push_interval, push_null};
    use crate::model::finding::Difference;
    use crate::model::kind::Kind;
    use crate::model::parse::push_text_as;
    use crate::model::range::{Evidence, Range, RangeOutcome};
    use crate::model::schema::Type;
    use crate::model::value::render;
    use crate::sides::Sides;

    fn read(path: &Path) -> RecordBatch {
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
        let schema = reader.schema().clone();
        let batches: Vec<_> = reader.build().unwrap().map(Result::unwrap).collect();
        concat_batches(&schema, &batches).unwrap()
    }

    /// Writes findings in batches of `size`; gives the file.
    fn write(dir: &Path, pairing: &Pairing, findings: impl IntoIterator<Item = Findings>) -> (PathBuf, TableFiles) {
        let path = dir.join("t.diff.parquet");
        let mut report = TableReport::create(pairing, TableOptions::default(), path.clone(), dir.join("0.ranges")).unwrap();
        findings.into_iter().for_each(|findings| report.findings(findings).unwrap());
        (path, report.finish().unwrap())
    }

    #[test]
    fn every_type_is_written_as_itself() {
        let list = |item: Type| Type::List(Box::new(item));
        let int = |bits, signed| Type::Integer { bits, signed };
        let decimal = |precision, scale| Type::Decimal { precision, scale };
        let utc = || Some("UTC".into());
        let nines = "9".repeat(70) + ".123456";
        let power = "1".to_string() + &"0".repeat(37);
        let record = Type::Struct(vec![("b".into(), Type::Text), ("a".into(), decimal(5, 2))]);
        let record_kind = Kind::Struct(vec![("a".into(), Kind::Number), ("b".into(), Kind::Text)]);
        let map = Type::Map(Box::new(Type::Text), Box::new(list(int(16, true))));
        let map_kind = Kind::Map(Box::new(Kind::Text), Box::new(Kind::List(Box::new(Kind::Number))));
        let uuid = "550e8400-e29b-41d4-a716-446655440000";
        let cases: Vec<(Type, Kind, &str, &str, Option<DataType>)> = vec![
            (int(64, true), Kind::Number, "42", "42", Some(DataType::Int64)),
            (Type::Boolean, Kind::Boolean, "true", "true", Some(DataType::Boolean)),
            (Type::Boolean, Kind::Number, "0", "false", Some(DataType::Boolean)),
            (int(8, true), Kind::Number, "-128", "-128", Some(DataType::Int8)),
            (int(16, true), Kind::Number, "-300", "-300", Some(DataType::Int16)),
            (int(32, true), Kind::Number, "70000", "70000", Some(DataType::Int32)),
            (int(8, false), Kind::Number, "255", "255", Some(DataType::UInt8)),
            (int(16, false), Kind::Number, "65535", "65535", Some(DataType::UInt16)),
            (int(32, false), Kind::Number, "4294967295", "4294967295", Some(DataType::UInt32)),
            (int(64, false), Kind::Number, "18446744073709551615", "18446744073709551615", Some(DataType::UInt64)),
            (decimal(12, 2), Kind::Number, "-12.5", "-12.50", Some(DataType::Decimal128(12, 2))),
            (decimal(38, 0), Kind::Number, "1e37", &power, Some(DataType::Decimal128(38, 0))),
            (decimal(5, -2), Kind::Number, "12300", "12300", Some(DataType::Decimal128(7, 0))),
            (decimal(2, 5), Kind::Number, "0.00012", "0.00012", Some(DataType::Decimal128(5, 5))),
            (decimal(76, 6), Kind::Number, &nines, &nines, Some(DataType::Utf8)),
            (Type::Number, Kind::Number, "NaN", "NaN", Some(DataType::Utf8)),
            (Type::Float { bits: 32 }, Kind::Float { bits: 32 }, "0.1", "0.1", Some(DataType::Float32)),
            (Type::Float { bits: 32 }, Kind::Number, "0.1", "0.1", Some(DataType::Float32)),
            (Type::Float { bits: 64 }, Kind::Number, "1e300", "1e300", Some(DataType::Float64)),
            (Type::Text, Kind::Text, "a\nb", "a\nb", Some(DataType::Utf8)),
            (Type::Char, Kind::PaddedText, "ab  ", "ab", Some(DataType::Utf8)),
            (Type::Date, Kind::Date, "0044-03-15 BC", "0044-03-15 BC", Some(DataType::Date32)),
            (Type::Date, Kind::Timestamp, "2024-02-29", "2024-02-29", Some(DataType::Date32)),
            (Type::Time { digits: 3 }, Kind::Time, "10:00:00.5", "10:00:00.5", Some(DataType::Time64(TimeUnit::Microsecond))),
            (Type::Time { digits: 9 }, Kind::Time, "10:00:00.000000001", "10:00:00.000000001", None),
            (Type::Timestamp { digits: 0 }, Kind::Timestamp, "2024-01-01 10:00:00", "2024-01-01 10:00:00", None),
            (
                Type::Timestamp { digits: 6 },
                Kind::Instant,
                "2024-01-01 10:00:00.000001",
                "2024-01-01 10:00:00.000001",
                Some(DataType::Timestamp(TimeUnit::Microsecond, None)),
            ),
            (
                Type::Timestamp { digits: 9 },
                Kind::Timestamp,
                "1969-12-31 23:59:59.999999999",
                "1969-12-31 23:59:59.999999999",
                None,
            ),
            (
                Type::Instant { digits: 3 },
                Kind::Instant,
                "2024-01-01 10:00:00.123+01",
                "2024-01-01 09:00:00.123Z",
                Some(DataType::Timestamp(TimeUnit::Millisecond, utc())),
            ),
            (Type::Instant { digits: 6 }, Kind::Instant, "infinity", "NULL", None),
            (Type::Uuid, Kind::Uuid, uuid, uuid, Some(DataType::FixedSizeBinary(16))),
            (Type::Uuid, Kind::Text, uuid, uuid, Some(DataType::FixedSizeBinary(16))),
            (Type::Json, Kind::Json, r#"{"b": [1, null], "a": "x"}"#, r#"{"a":"x","b":[1,null]}"#, Some(DataType::Utf8)),
            (list(decimal(5, 2)), Kind::List(Box::new(Kind::Number)), "[1, null, 2.5]", "[1.00, NULL, 2.50]", None),
            (
                list(list(Type::Text)),
                Kind::List(Box::new(Kind::List(Box::new(Kind::Text)))),
                r#"[["x"], [], null]"#,
                "[[x], [], NULL]",
                None,
            ),
            (list(int(32, true)), Kind::Json, "[1, 2]", "[1, 2]", None),
            (record.clone(), record_kind, r#"{"a": 1, "b": "x"}"#, "{b: x, a: 1.00}", None),
            (record, Kind::Json, r#"{"a": 1, "b": "x"}"#, "{b: x, a: 1.00}", None),
            (map, map_kind, r#"{"b": [2], "a": null}"#, "{a: NULL, b: [2]}", None),
            (Type::Dynamic, Kind::Boolean, "TRUE", "true", Some(DataType::Utf8)),
            (Type::Untyped, Kind::Number, "1,5", "1,5", Some(DataType::Utf8)),
            (Type::Null, Kind::Text, "x", "x", Some(DataType::Utf8)),
        ];
        let columns = cases.iter().enumerate().map(|(i, (ty, kind, ..))| comparison(&format!("c{i}"), ty.clone(), kind.clone()));
        let pairing = pairing(columns.collect());
        let rows = block(2, |row, out| {
            for (i, (_, kind, text, ..)) in cases.iter().enumerate() {
                if row == 0 || i == 0 { push_text_as(out, kind, text) } else { push_null(out) }
            }
        });
        let mut findings = Findings::default();
        let all: Vec<u16> = (0..cases.len() as u16).collect();
        let sides = Sides { source: Some((rows.row(0), 1)), target: Some((rows.row(1), 1)) };
        findings.push(Difference::Changed, sides, &all);
        findings.push(Difference::MissingInSource, Sides { source: None, target: Some((rows.row(1), 1)) }, &[]);
        let dir = tempfile::tempdir().unwrap();
        let (path, files) = write(dir.path(), &pairing, [findings]);
        let file = read(&path);

        let source = file.column_by_name("source").unwrap().as_struct();
        let changed = &Shown::read(&file, 0).unwrap();
        assert_eq!(changed, &files.sample[0]);
        for (i, (ty, kind, _, expected, data_type)) in cases.iter().enumerate() {
            if let Some(data_type) = data_type {
                assert_eq!(source.column(i).data_type(), data_type, "{ty}");
            }
            let values = &changed.changes[i].values;
            assert_eq!(values.source.as_deref().unwrap_or("NULL"), *expected, "{ty} as {kind}");
            assert_eq!(values.target.is_some(), i == 0, "{ty} as {kind}");
        }
        let missing = Shown::read(&file, 1).unwrap();
        assert_eq!(missing.key, [("c0".to_string(), Some("42".to_string()))]);
        assert!(source.is_null(1) && missing.changes.is_empty() && missing.rows == Sides { source: 0, target: 1 });
    }

    #[test]
    fn bytes_and_intervals_and_raw_values_are_written_as_the_side_holds_them() {
        let mut raw = comparison("n", Type::Untyped, Kind::Number);
        raw.columns.target.ty = Type::Integer { bits: 32, signed: true };
        raw.raw.source = true;
        let pairing =
            pairing(vec![raw, comparison("b", Type::Bytes, Kind::Bytes), comparison("i", Type::Interval, Kind::Interval)]);
        let row = |number: &str, raw: Option<&str>| {
            let mut out = Vec::new();
            push_text_as(&mut out, &Kind::Number, number);
            let key = out.len();
            push_bytes(&mut out, Tag::Bytes, &[0, 255]);
            push_interval(&mut out, 1, 2, 3);
            let compared = out.len();
            raw.iter().for_each(|raw| push_bytes(&mut out, Tag::Text, raw.as_bytes()));
            let mut rows = crate::model::row::RowBlock::default();
            rows.push_parts(&out, key, compared);
            rows
        };
        let (source, target) = (row("1", Some("+1.00")), row("1", None));
        let mut findings = Findings::default();
        let (source, target) = (Some((source.row(0), 1)), Some((target.row(0), 1)));
        findings.push(Difference::Changed, Sides { source, target }, &[0, 1, 2]);
        findings.push(Difference::MissingInSource, Sides { source: None, target }, &[]);
        let dir = tempfile::tempdir().unwrap();
        let (path, _) = write(dir.path(), &pairing, [findings]);
        let changed = Shown::read(&read(&path), 0).unwrap();
        let texts = |i: usize| changed.changes[i].values.as_ref().map(|value| value.clone().unwrap());
        assert_eq!(texts(0), Sides { source: "+1.00".to_string(), target: "1".to_string() });
        assert_eq!(texts(1).source, "0x00ff");
        assert_eq!(texts(2).source, "1 months 2 days 3 ns");
        assert_eq!(changed.key[0].1.as_deref(), Some("+1.00"));
        assert_eq!(Shown::read(&read(&path), 1).unwrap().key[0].1.as_deref(), Some("1"));
    }

    #[test]
    fn many_findings_read_back_as_they_were() {
        let dir = tempfile::tempdir().unwrap();
        let findings = random_findings(0..20_000, 3);
        let (path, files) = write(dir.path(), &orders(), [findings.clone()]);
        assert_eq!((files.report.as_str(), files.sample.len()), ("t.diff.parquet", SAMPLE_DEFAULT));
        let file = read(&path);
        assert_eq!(file.num_rows(), findings.len());
        let sides = Sides { source: "source", target: "target" }.map(|name| file.column_by_name(name).unwrap().as_struct());
        let amounts = sides.map(|side| side.column(1).as_primitive::<Decimal128Type>());
        let names = sides.map(|side| side.column(2).as_string::<i32>());
        let times = sides.map(|side| side.column(3).as_primitive::<TimestampMicrosecondType>());
        let keys = file.column_by_name("key").unwrap().as_struct().column(0).as_primitive::<Int64Type>();
        for (i, finding) in findings.iter().enumerate() {
            assert_eq!(file.column(0).as_string::<i32>().value(i), finding.difference.name());
            assert_eq!(keys.value(i), i as i64);
            for side in Side::BOTH {
                let Some(row) = finding.rows.get(side) else {
                    assert!(sides.get(side).is_null(i));
                    continue;
                };
                let values: Vec<_> = Values::of(row.compared()).collect();
                let amount = crate::model::number::read_decimal(values[1].bytes, 2).unwrap();
                assert_eq!(amounts.get(side).value(i), amount);
                let name = names.get(side);
                assert_eq!(if name.is_null(i) { "NULL" } else { name.value(i) }, render(values[2]));
                let at = crate::model::number::read_i128(values[3].bytes).unwrap();
                assert_eq!(i128::from(times.get(side).value(i)) * 1000, at);
            }
        }
    }

    #[test]
    fn columns_that_do_not_differ_are_written_on_both_sides_under_their_own_names() {
        let dir = tempfile::tempdir().unwrap();
        let mut pairing = orders();
        pairing.columns[2].columns.target.name = "NAME_2".to_string();
        let rows = |amount: i64| {
            block(9000, |i, out| {
                push_text_as(out, &Kind::Number, &i.to_string());
                push_text_as(out, &Kind::Number, &(amount + i as i64).to_string());
                if i % 5 == 0 {
                    push_null(out)
                } else {
                    push_bytes(out, Tag::Text, format!("name {i}").as_bytes())
                }
                push_text_as(out, &Kind::Timestamp, "2024-02-29 10:00:00");
            })
        };
        let (source, target) = (rows(1), rows(2));
        let mut findings = Findings::default();
        for i in 0..source.len() {
            let rows = Sides { source: Some((source.row(i), 1)), target: Some((target.row(i), 1)) };
            findings.push(Difference::Changed, rows, &[1]);
        }
        let (path, _) = write(dir.path(), &pairing, [findings]);
        let file = read(&path);
        let sides = Sides { source: "source", target: "target" }.map(|name| file.column_by_name(name).unwrap().as_struct());
        assert_eq!(sides.target.column_names(), ["id", "amount", "NAME_2", "at"]);
        for column in [0, 2, 3] {
            assert_eq!(sides.source.column(column), sides.target.column(column));
        }
        assert_eq!(sides.source.column(2).null_count(), 1800);
        let amounts = sides.map(|side| side.column(1).as_primitive::<Decimal128Type>().values().to_vec());
        assert!(amounts.source.iter().zip(&amounts.target).all(|(source, target)| source + 100 == *target));
    }

    #[test]
    fn the_bytes_depend_on_the_findings_alone() {
        let bytes = |threads: usize, size: usize| {
            let dir = tempfile::tempdir().unwrap();
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let batches = (0..40_000).step_by(size).map(|start| random_findings(start..(start + size).min(40_000), 5));
            let (path, _) = pool.install(|| write(dir.path(), &orders(), batches));
            fs::read(path).unwrap()
        };
        let one = bytes(1, 40_000);
        assert!(one == bytes(4, 40_000) && one == bytes(3, 777) && one == bytes(2, 16_384));
    }

    #[test]
    fn a_restart_forgets_what_was_found() {
        let dir = tempfile::tempdir().unwrap();
        let (path, ranges) = (dir.path().join("t.diff.parquet"), dir.path().join("0.ranges"));
        let mut report = TableReport::create(&orders(), TableOptions::default(), path.clone(), ranges.clone()).unwrap();
        let record = |up_to| RangeRecord {
            range: Range { above: None, up_to },
            evidence: Evidence::default(),
            outcome: RangeOutcome::Equal,
        };
        report.range(&record(None)).unwrap();
        report.findings(random_findings(0..20_000, 1)).unwrap();
        report.restart(Domain::KeyHash).unwrap();
        report.range(&record(Some(vec![255; 8]))).unwrap();
        let files = report.finish().unwrap();
        assert!(files.sample.is_empty());
        assert_eq!(read(&path).num_rows(), 0);
        let ranges = read(&ranges);
        assert_eq!(ranges.num_rows(), 1);
        assert_eq!(ranges.column(2).as_string::<i32>().value(0), "key_hash");
        assert_eq!(ranges.column(4).as_string::<i32>().value(0), "ffffffffffffffff");
    }
}
