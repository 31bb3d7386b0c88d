//! The inner loops by themselves: decoding rows, putting values into canonical bytes, digests, and finding ranges.
//!
//! `cargo bench --bench micro` (or `-- digest` for some of them); criterion compares with the run before.

use std::hint::black_box;
use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use tieout::engines::files::{FileOptions, FileSession};
use tieout::engines::memory::MemorySession;
use tieout::engines::{Scan, ScanColumn, Session};
use tieout::model::canonical::{self, Tag};
use tieout::model::chained::{self, Form};
use tieout::model::digest::{Digester, Fingerprint, key_hash};
use tieout::model::grid::{Digest, Grid, Position};
use tieout::model::kind::Kind;
use tieout::model::parse::push_text_as;
use tieout::model::portable;
use tieout::model::range::{CellSet, Cells};

const ROWS: usize = 8192;
const KINDS: [Kind; 4] = [Kind::Number, Kind::Text, Kind::Number, Kind::Timestamp];
/// What PostgreSQL hashes of them.
const FORMS: [Form; 4] = [Form::Whole64, Form::Text, Form::Fixed(2), Form::Micros];

/// Rows as `orders` has them: a key, a text, a number, a time.
fn orders() -> RecordBatch {
    let ids = || 0..ROWS as i64;
    let amounts = Decimal128Array::from_iter_values(ids().map(|i| i128::from(i * 31 % 10_000_000)));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from_iter_values(ids()))),
        ("email", Arc::new(StringArray::from_iter_values(ids().map(|i| format!("user{}@example.com", i * 7919))))),
        ("amount", Arc::new(amounts.with_precision_and_scale(12, 2).expect("twelve digits hold it"))),
        ("created", Arc::new(TimestampMicrosecondArray::from_iter_values(ids().map(|i| 1_600_000_000_000_000 + i * 1_000_007)))),
    ];
    RecordBatch::try_from_iter(columns).expect("columns of one length")
}

fn scan(session: &dyn Session) -> Scan {
    let table = session.tables().expect("one table").remove(0);
    let column = |(index, kind)| ScanColumn { index, kind, raw: false, tells_absent: false };
    Scan { table: table.name, columns: KINDS.into_iter().enumerate().map(column).collect(), key_columns: 1, ..Scan::default() }
}

/// Reads all rows; `each` sees those of a block.
fn read(session: &dyn Session, scan: &Scan, mut each: impl FnMut(&[u8])) {
    for part in session.parts(scan).expect("parts") {
        let read = part.expect("a part").read(&mut |block| {
            block.iter().for_each(|row| each(row.compared()));
            Ok(())
        });
        read.expect("rows");
    }
}

fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(ROWS as u64));
    let memory = MemorySession::new("orders", vec![orders()]).expect("one batch");
    let of_memory = scan(&memory);
    group.bench_function("arrow columns to canonical rows", |bencher| {
        bencher.iter(|| {
            read(&memory, &of_memory, |row| {
                black_box(row.len());
            })
        });
    });
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("orders.csv");
    let lines: String = (0..ROWS).map(|i| format!("{i},user{i}@example.com,{}.5,2024-01-01 10:00:00.{i:06}\n", i * 31)).collect();
    std::fs::write(&path, format!("id,email,amount,created\n{lines}")).expect("a file");
    let csv = FileSession::open(&path.to_string_lossy(), &FileOptions::default()).expect("a CSV file");
    let of_csv = scan(&csv);
    group.bench_function("CSV to canonical rows", |bencher| {
        bencher.iter(|| {
            read(&csv, &of_csv, |row| {
                black_box(row.len());
            })
        });
    });
    group.finish();
}

fn canonicalise(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("canonicalise");
    let mut values = |name: &str, push: &dyn Fn(&mut Vec<u8>)| {
        group.bench_function(name, |bencher| {
            bencher.iter_batched_ref(|| Vec::with_capacity(256), |out| push(out), BatchSize::SmallInput);
        });
    };
    values("integer", &|out| canonical::push_i64(out, Tag::Number, black_box(123_456_789)));
    values("decimal", &|out| canonical::push_decimal(out, black_box(123_456_789), 2));
    values("decimal of 30 digits", &|out| canonical::push_decimal(out, black_box(10_i128.pow(29)), 18));
    values("float", &|out| canonical::push_float(out, black_box(0.1)));
    values("timestamp", &|out| canonical::push_whole(out, Tag::Timestamp, black_box(1_700_000_000_000_000_000)));
    values("text", &|out| canonical::push_bytes(out, Tag::Text, black_box(b"user7919@example.com")));
    values("number in text", &|out| push_text_as(out, &Kind::Number, black_box("1234567.89")));
    values("timestamp in text", &|out| push_text_as(out, &Kind::Timestamp, black_box("2024-02-29 10:00:00.123456")));
    values("uuid in text", &|out| push_text_as(out, &Kind::Uuid, black_box("550e8400-e29b-41d4-a716-446655440000")));
    values("json", &|out| push_text_as(out, &Kind::Json, black_box(r#"{"b": [1, null, "x"], "a": true}"#)));
    group.finish();
}

fn digest(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("digest");
    let digester = Digester::with_seed(7);
    for bytes in [16, 128, 1024, 16 * 1024] {
        let row = vec![b'x'; bytes];
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(format!("xxh3 of {bytes} bytes"), |bencher| {
            let mut sum = Fingerprint::default();
            bencher.iter(|| sum.add(digester.digest(black_box(&row))));
        });
    }
    let (memory, mut rows) = (MemorySession::new("orders", vec![orders()]).expect("one batch"), Vec::new());
    read(&memory, &scan(&memory), |row| rows.push(row.to_vec()));
    group.throughput(Throughput::Elements(ROWS as u64));
    group.bench_function("xxh3 of rows", |bencher| {
        bencher.iter(|| rows.iter().fold(0, |sum: u128, row| sum.wrapping_add(digester.digest(row))));
    });
    group.bench_function("SHA-256 of rows as portable text", |bencher| {
        bencher.iter(|| rows.iter().fold(0, |sum: u128, row| sum.wrapping_add(portable::digest(7, &KINDS, row))));
    });
    group.bench_function("lookup3 of rows, value by value", |bencher| {
        bencher.iter(|| rows.iter().fold(0, |sum: u64, row| sum.wrapping_add(chained::hash(7, &FORMS, &KINDS, row))));
    });
    group.finish();
}

fn lookup(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("range lookup");
    let keys: Vec<Vec<u8>> = (0..ROWS as i64)
        .map(|id| {
            let mut key = Vec::new();
            canonical::push_i64(&mut key, Tag::Number, id * 7919);
            key
        })
        .collect();
    group.throughput(Throughput::Elements(ROWS as u64));
    let cells = Cells::of_bits(15);
    let set = CellSet::new(cells, |cell| cell % 100 == 0);
    group.bench_function("cell of a key's hash", |bencher| {
        bencher.iter(|| keys.iter().map(|key| cells.of(key_hash(key))).sum::<usize>());
    });
    group.bench_function("whether a key's cell is in a set", |bencher| {
        bencher.iter(|| keys.iter().filter(|key| set.contains(key_hash(key))).count());
    });
    for (name, position) in [("cell of a whole key", Position::Key), ("cell of a key's SHA-256", Position::Hash)] {
        let grid = Grid { position, width: 1 << 20, moments: false, salt: 7, kinds: KINDS.to_vec(), digest: Digest::Portable };
        group.bench_function(name, |bencher| bencher.iter(|| keys.iter().filter_map(|key| grid.place_of(key)).count()));
    }
    group.finish();
}

criterion_group!(benches, decode, canonicalise, digest, lookup);
criterion_main!(benches);
