//! Data that once ended, or could end, in a verdict that is wrong. Each test opens with failure, cause and fix.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::{ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray, StructArray};
use arrow::datatypes::{DataType, Field, Fields, Schema};
use arrow::ipc::writer::StreamWriter;
use parquet::arrow::ArrowWriter;
use parquet::data_type::{ByteArray, FixedLenByteArray, FixedLenByteArrayType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use tieout::audit::{self, Choices, KeyChoice, Limits, Observer, Watch};
use tieout::engines::memory::MemorySession;
use tieout::engines::{OpenOptions, Session};
use tieout::error::Result;
use tieout::model::digest::Digester;
use tieout::model::finding::Findings;
use tieout::model::range::{Domain, RangeRecord};
use tieout::model::verdict::{TableSummary, Verdict};
use tieout::report::Sink;
use tieout::sides::{Side, Sides};

use super::run::{Way, audit};

fn keyed(key: &str) -> Choices {
    Choices { key: KeyChoice::Columns(vec![key.to_string()]), ..Choices::default() }
}

fn memory(columns: Vec<(&str, ArrayRef)>) -> Box<dyn Session> {
    Box::new(MemorySession::new("t", vec![RecordBatch::try_from_iter(columns).unwrap()]).unwrap())
}

fn opened(path: &Path) -> Result<Box<dyn Session>> {
    tieout::engines::open(&path.display().to_string(), &OpenOptions::default())
}

fn summary(sessions: Sides<Box<dyn Session>>) -> TableSummary {
    let way = Way { jobs: 2, limits: Limits::default(), seed: 5 };
    audit(&keyed("id"), &sessions, &way).unwrap().0
}

fn verdict(source: &Path, target: &Path) -> Verdict {
    summary(Sides { source: opened(source).unwrap(), target: opened(target).unwrap() }).verdict
}

/// Failure: two structs that differ in their second field of the name `a` tied out. Cause: fields are looked up by
/// name, so the first of that name was compared twice and the second never. Fix: structs whose fields do not all
/// have names of their own are not compared.
#[test]
fn a_struct_with_two_fields_of_one_name_does_not_tie_out() {
    let side = |hidden: i32, second: &str| {
        let fields: Fields = vec![Field::new("a", DataType::Int32, true), Field::new(second, DataType::Int32, true)].into();
        let columns: Vec<ArrayRef> = vec![Arc::new(Int32Array::from(vec![1])), Arc::new(Int32Array::from(vec![hidden]))];
        let ids: ArrayRef = Arc::new(Int64Array::from(vec![1]));
        memory(vec![("id", ids), ("s", Arc::new(StructArray::new(fields, columns, None)))])
    };
    assert_eq!(summary(Sides { source: side(2, "a"), target: side(3, "a") }).verdict, Verdict::Incomplete);
    assert_eq!(summary(Sides { source: side(2, "a"), target: side(3, "b") }).verdict, Verdict::Incomplete);
    assert_eq!(summary(Sides { source: side(2, "b"), target: side(3, "a") }).verdict, Verdict::Incomplete);
    assert_eq!(summary(Sides { source: side(2, "b"), target: side(2, "b") }).verdict, Verdict::TiedOut);
}

/// Failure: an interrupt, or a spilled file that could not be read, in the middle of a partition that did not fit in
/// memory ended in a panic: the books did not balance. Cause: what was compared of a partition was entered at once,
/// the rows of its ranges only when all of it was done. Fix: the rows of a compared range are counted where they are
/// compared.
#[test]
fn an_interrupt_within_a_large_partition_ends_as_incomplete() {
    struct Interrupting<'a> {
        interrupted: &'a AtomicBool,
        findings: usize,
    }
    impl Sink for Interrupting<'_> {
        fn range(&mut self, _: &RangeRecord) -> Result<()> {
            Ok(())
        }
        fn findings(&mut self, findings: Findings) -> Result<()> {
            self.findings += findings.len();
            self.interrupted.store(true, Ordering::Relaxed);
            Ok(())
        }
        fn restart(&mut self, _domain: Domain) -> Result<()> {
            Ok(())
        }
    }
    struct Silent;
    impl Observer for Silent {
        fn stage(&self, _: &'static str) {}
        fn read(&self, _: u64, _: u64) {}
    }
    let side = |value: &str| {
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..2000));
        let values: ArrayRef = Arc::new(StringArray::from_iter_values((0..2000).map(|i| format!("{value}{i}"))));
        memory(vec![("id", ids), ("value", values)])
    };
    let sessions = Sides { source: side("a"), target: side("b") };
    let tables = sessions.as_ref().map(|session| session.tables().unwrap().remove(0));
    // Two cells, each far larger than what may be held.
    let limits =
        Limits { window_bytes: 4096, temp_dir: None, rows_per_cell: 1 << 40, domain: Some(Domain::KeyHash), ..Limits::default() };
    let pairing = audit::pair(&tables, &keyed("id")).unwrap();
    let plan = audit::plan(pairing, &tables, &sessions, &limits, Digester::with_seed(1)).unwrap();
    let interrupted = AtomicBool::new(false);
    let mut sink = Interrupting { interrupted: &interrupted, findings: 0 };
    let summary = audit::audit_table(&plan, &sessions, &Watch::new(&interrupted, &Silent), &mut sink).unwrap();
    assert_eq!(summary.verdict, Verdict::Incomplete);
    assert!(sink.findings > 0 && sink.findings < 2000, "{}", sink.findings);
    assert_eq!(summary.differences.total(), sink.findings as u64);
    assert_eq!(summary.rows.source, sink.findings as u64);
}

fn write_columns(path: &Path, schema: &str, write: impl FnOnce(&mut parquet::file::writer::SerializedRowGroupWriter<'_, File>)) {
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let properties = Arc::new(WriterProperties::builder().build());
    let mut writer = SerializedFileWriter::new(File::create(path).unwrap(), schema, properties).unwrap();
    let mut group = writer.next_row_group().unwrap();
    write(&mut group);
    group.close().unwrap();
    writer.close().unwrap();
}

fn write_ids(group: &mut parquet::file::writer::SerializedRowGroupWriter<'_, File>, ids: &[i64]) {
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<Int64Type>().write_batch(ids, None, None).unwrap();
    column.close().unwrap();
}

/// Failure: Parquet intervals of one month and of two months tied out. Cause: without a schema of arrow's own,
/// arrow reads Parquet's INTERVAL as days and milliseconds, and drops its months. Fix: such columns are not compared.
#[test]
fn the_months_of_a_parquet_interval_are_not_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, months: u8| {
        let path = folder.path().join(name);
        let schema = "message m { required int64 id; required fixed_len_byte_array(12) i (INTERVAL); }";
        write_columns(&path, schema, |group| {
            write_ids(group, &[1]);
            let mut column = group.next_column().unwrap().unwrap();
            let value: FixedLenByteArray = ByteArray::from(vec![months, 0, 0, 0, 5, 0, 0, 0, 7, 0, 0, 0]).into();
            column.typed::<FixedLenByteArrayType>().write_batch(&[value], None, None).unwrap();
            column.close().unwrap();
        });
        path
    };
    assert_eq!(verdict(&write("one.parquet", 1), &write("two.parquet", 2)), Verdict::Incomplete);
}

/// Failure: a Parquet file whose footer promises more rows than its pages hold tied out. Cause: nobody counted.
/// Fix: the rows that are decoded are held against the footer.
#[test]
fn a_row_group_with_fewer_rows_than_it_says_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("short.parquet");
    write_columns(&path, "message m { required int64 id; }", |group| write_ids(group, &[1, 2, 3]));
    // The footer says in three places that there are three values: in thrift's compact protocol 0x16 is a field of
    // 64 bits, and 6 is three.
    let whole = fs::read(&path).unwrap();
    let footer = whole.len() - 8 - u32::from_le_bytes(whole[whole.len() - 8..whole.len() - 4].try_into().unwrap()) as usize;
    let mut found = 0;
    let mut short = whole.clone();
    for at in footer..whole.len() - 1 {
        if whole[at] == 0x16 && whole[at + 1] == 6 {
            short[at + 1] = 8;
            found += 1;
        }
    }
    assert!(found >= 2, "{found} counts in the footer");
    let other = folder.path().join("promising.parquet");
    fs::write(&other, short).unwrap();
    let ended = opened(&other).map(|target| summary(Sides { source: opened(&path).unwrap(), target }).verdict);
    assert!(!matches!(ended, Ok(Verdict::TiedOut)), "{ended:?}");
}

/// Failure: of two Arrow streams in one file only the first was read, and the file tied out. Cause: the reader ends
/// at the first end-of-stream marker, and only the last bytes were looked at when the file was opened. Fix: bytes
/// behind the end of the stream are an error.
#[test]
fn a_second_stream_in_a_file_is_not_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let stream = |ids: Vec<i64>| {
        let batch = RecordBatch::try_from_iter([("id", Arc::new(Int64Array::from(ids)) as ArrayRef)]).unwrap();
        let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
        writer.write(&batch).unwrap();
        writer.finish().unwrap();
        writer.into_inner().unwrap()
    };
    let (one, two) = (folder.path().join("one.arrows"), folder.path().join("two.arrows"));
    fs::write(&one, stream(vec![1, 2])).unwrap();
    fs::write(&two, [stream(vec![1, 2]), stream(vec![3])].concat()).unwrap();
    assert_eq!(verdict(&one, &one), Verdict::TiedOut);
    assert_eq!(verdict(&one, &two), Verdict::Incomplete);
}

/// Failure: a file that a glob matches but that cannot be opened, such as a dangling link, was left out without a
/// word. Cause: whatever is not a file was passed over. Fix: only folders are.
#[cfg(unix)]
#[test]
fn a_dangling_link_that_a_glob_matches_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.csv"), "id\n1\n").unwrap();
    std::os::unix::fs::symlink(folder.path().join("gone.csv"), folder.path().join("b.csv")).unwrap();
    assert!(opened(&folder.path().join("*.csv")).is_err());
    assert!(opened(folder.path()).is_err());
}

/// Failure: a JSON document nested some thousand levels deep ended the program. Cause: documents are walked by
/// recursion. Fix: what is nested deeper than the limit equals only the same text.
#[test]
fn a_deeply_nested_document_does_not_end_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, inner: &str| {
        let path = folder.path().join(name);
        let mut file = File::create(&path).unwrap();
        writeln!(file, "{{\"id\":1,\"x\":{}{inner}{}}}", "[".repeat(50_000), "]".repeat(50_000)).unwrap();
        path
    };
    let (one, two) = (write("one.ndjson", "1"), write("two.ndjson", "2"));
    assert_eq!(verdict(&one, &one), Verdict::TiedOut);
    assert_eq!(verdict(&one, &two), Verdict::Drift);
}

/// A column that stands twice in a schema is not compared, and cannot be the key.
#[test]
fn a_column_named_twice_does_not_tie_out() {
    let side = |hidden: i64| {
        let fields = vec![
            Field::new("id", DataType::Int64, false),
            Field::new("x", DataType::Int64, true),
            Field::new("x", DataType::Int64, true),
        ];
        let columns: Vec<ArrayRef> = [1, 2, hidden].map(|value| Arc::new(Int64Array::from(vec![value])) as ArrayRef).to_vec();
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
        Box::new(MemorySession::new("t", vec![batch]).unwrap()) as Box<dyn Session>
    };
    assert_eq!(summary(Sides { source: side(3), target: side(4) }).verdict, Verdict::Incomplete);
    let way = Way { jobs: 1, limits: Limits::default(), seed: 5 };
    assert!(audit(&keyed("x"), &Sides { source: side(3), target: side(3) }, &way).is_err());
}

/// Tables without rows, row groups or columns.
#[test]
fn nothing_is_compared_with_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    write_columns(&at("rows.parquet"), "message m { required int64 id; }", |group| write_ids(group, &[]));
    let schema = Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, false)]));
    ArrowWriter::try_new(File::create(at("groups.parquet")).unwrap(), Arc::clone(&schema), None).unwrap().close().unwrap();
    let none = Arc::new(Schema::empty());
    ArrowWriter::try_new(File::create(at("columns.parquet")).unwrap(), none, None).unwrap().close().unwrap();
    fs::write(at("rows.csv"), "id\n").unwrap();
    fs::write(at("nothing.csv"), "").unwrap();
    fs::write(at("nothing.ndjson"), "").unwrap();
    fs::write(at("nothing.parquet"), "").unwrap();
    fs::write(at("nothing.arrow"), "").unwrap();
    for one in ["rows.parquet", "groups.parquet", "rows.csv"] {
        for other in ["rows.parquet", "groups.parquet", "rows.csv"] {
            assert_eq!(verdict(&at(one), &at(other)), Verdict::TiedOut, "{one} and {other}");
        }
    }
    for name in ["nothing.csv", "nothing.parquet", "nothing.arrow"] {
        assert!(opened(&at(name)).is_err(), "{name}");
    }
    for name in ["columns.parquet", "nothing.ndjson"] {
        let sessions = Sides::from_fn(|_: Side| opened(&at(name)).unwrap());
        let way = Way { jobs: 1, limits: Limits::default(), seed: 5 };
        assert!(audit(&Choices { key: KeyChoice::None, ..Choices::default() }, &sessions, &way).is_err(), "{name}");
    }
}
