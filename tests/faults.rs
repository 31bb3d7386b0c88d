//! Files and engines that fail: the verdict is incomplete or nothing was audited, never equal.

use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arrow::array::*;
use parquet::file::properties::WriterProperties;
use tieout::audit::{self, Choices, KeyChoice, Limits, Observer, Watch};
use tieout::engines::memory::MemorySession;
use tieout::engines::{self, Capabilities, OpenOptions, Part, Parts, Scan, Session};
use tieout::error::{Error, Result};
use tieout::model::digest::Digester;
use tieout::model::finding::Findings;
use tieout::model::range::{Coverage, Domain, RangeRecord};
use tieout::model::row::RowBlock;
use tieout::model::schema::Table;
use tieout::model::verdict::{TableSummary, Verdict};
use tieout::report::Sink;
use tieout::sides::{Side, Sides};

use crate::support::{Dir, array, fixture, parquet, root, table};

/// Rows `keys`, whose values depend on `shift`.
fn rows(keys: impl Iterator<Item = i64> + Clone, shift: i64) -> RecordBatch {
    let values = StringArray::from_iter_values(keys.clone().map(|k| format!("value {}", k * 3 + shift)));
    table(&[("k", array(Int64Array::from_iter_values(keys))), ("v", array(values))])
}

#[test]
fn no_broken_file_ties_out_even_with_itself() {
    let dir = Dir::new();
    for entry in fs::read_dir(root().join("fixtures/broken")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if name == "README.md" {
            continue;
        }
        let (broken, sound) = (path.to_str().unwrap(), fixture("orders/source.parquet"));
        let line = [format!("{broken} {broken}"), format!("{broken} {sound}"), format!("{sound} {broken}")];
        for line in line {
            let run = dir.diff(&format!("{line} --key order_id"));
            assert!([2, 3].contains(&run.code), "{name}: {run:#?}");
            let told = format!("{}{}", run.stderr, run.table()["errors"]);
            assert!(told.contains(name), "the error names {name}: {run:#?}");
        }
    }
}

#[test]
fn errors_in_text_name_the_line_and_what_was_expected() {
    let dir = Dir::new();
    for (name, words) in [
        ("short_line.csv", &["short_line.csv: line 3: found 2 fields, expected 3"][..]),
        ("bad_utf8.csv", &["bad_utf8.csv: line 3", "byte", "UTF-8"]),
        ("open_quote.csv", &["open_quote.csv: line 3"]),
        ("truncated.ndjson", &["truncated.ndjson: line 2", "no JSON object"]),
        ("empty.csv", &["empty.csv", "expected a header"]),
        ("empty.csv.gz", &["empty.csv.gz", "0 bytes"]),
    ] {
        let path = fixture(&format!("broken/{name}"));
        let run = dir.diff(&format!("{path} {path} --key order_id"));
        let told = format!("{}{}", run.stderr, run.table()["errors"]);
        words.iter().for_each(|word| assert!(told.contains(word), "no {word:?} in {told}"));
        if run.code == 3 {
            assert!(run.stdout.contains("incomplete") && run.stdout.contains(words[0]), "{}", run.stdout);
        }
    }
}

#[test]
fn a_file_cut_anywhere_is_never_equal_to_the_whole() {
    let dir = Dir::new();
    for format in ["parquet", "arrow", "arrows", "csv", "csv.gz", "csv.zst", "ndjson", "ndjson.gz"] {
        dir.table(&format!("whole.{format}"), &rows(0..500, 0));
        let whole = fs::read(dir.path(&format!("whole.{format}"))).unwrap();
        let text = ["csv", "ndjson"].contains(&format);
        for cut in (0..12).map(|i| whole.len() * i / 12).chain([whole.len() - 2, whole.len() - 8]) {
            fs::write(dir.path(&format!("cut.{format}")), &whole[..cut]).unwrap();
            let run = dir.diff(&format!("whole.{format} cut.{format} --key k"));
            // Plain text may end after any line; nothing else may.
            assert!(run.code == 2 || run.code == 3 || (run.code == 1 && text), "{format} cut at {cut}: {run:#?}");
        }
    }
}

/// Failure: a corrupt Arrow file ended the program with exit code 101 and no report. Cause: the arrow crate panics on
/// offsets that lead outside of the file. Fix: the panic is an error of the file.
#[test]
fn no_corruption_ends_in_a_crash() {
    let dir = Dir::new();
    let random = &mut fastrand::Rng::with_seed(5);
    for format in ["parquet", "arrow", "csv.gz", "csv.zst"] {
        dir.table(&format!("whole.{format}"), &rows(0..200, 0));
        let whole = fs::read(dir.path(&format!("whole.{format}"))).unwrap();
        for _ in 0..25 {
            let mut bytes = whole.clone();
            for _ in 0..random.usize(1..8) {
                bytes[random.usize(..whole.len())] = random.u8(..);
            }
            fs::write(dir.path(&format!("corrupt.{format}")), &bytes).unwrap();
            let line = format!("diff whole.{format} corrupt.{format} --key k --out report --force");
            let output = dir.command().args(line.split(' ')).output().unwrap();
            assert!(matches!(output.status.code(), Some(0..=3)), "{format}: {output:?}");
        }
    }
}

#[test]
fn what_cannot_be_read_twice_or_at_all_is_refused() {
    let dir = Dir::new();
    dir.write("sound.csv", "k,v\n1,a\n");
    // Failure: the program waited for ever. Cause: opening a pipe waits for a writer. Fix: looked at first.
    assert!(Command::new("mkfifo").arg(dir.path("pipe.csv")).status().unwrap().success());
    dir.diff("sound.csv pipe.csv --key k").refused(&["target pipe.csv", "a pipe or a device"]);
    std::os::unix::fs::symlink("nowhere.csv", dir.path("link.csv")).unwrap();
    dir.diff("sound.csv link.csv --key k").refused(&["target link.csv"]);
    dir.write("t/a.csv", "k,v\n1,a\n");
    dir.write("t/inner/b.csv", "k,v\n2,a\n");
    dir.diff("sound.csv t --key k").refused(&["target t", "found a folder 'inner'"]);
    for out in ["sound.csv/report", "/proc/report"] {
        dir.run(&format!("diff sound.csv sound.csv --key k --out {out}")).refused(&[out]);
    }
}

#[test]
fn rows_that_cannot_be_spilled_leave_the_table_incomplete() {
    let dir = Dir::new();
    dir.table("source.parquet", &rows(0..60_000, 0));
    let small_groups = WriterProperties::builder().set_max_row_group_row_count(Some(6000)).build();
    dir.write("target.parquet", parquet(&rows((0..60_000).map(|i| i * 7919 % 60_000), 1), small_groups));
    let flags = "source.parquet target.parquet --key k --memory 1MiB";
    dir.diff(&format!("{flags} --temp-dir .")).drift([0, 0, 60_000, 0]);
    assert_eq!(dir.names(""), ["report", "source.parquet", "target.parquet"], "spilled rows are gone");
    // A folder in which nobody can make a file.
    let run = dir.diff(&format!("{flags} --temp-dir /proc/self/task"));
    run.expect(3, "incomplete");
    assert!(run.table()["errors"][0].as_str().unwrap().contains("/proc/self/task"), "{run:#?}");
    assert!(run.count("ranges/failed") > 0);
}

#[test]
fn a_file_that_vanishes_or_changes_after_it_was_described_leaves_the_table_incomplete() {
    for format in ["parquet", "csv", "csv.gz", "ndjson", "arrow", "arrows"] {
        for change in ["vanishes", "shrinks", "grows", "is written anew"] {
            for domain in [Domain::KeyOrder, Domain::KeyHash] {
                let dir = Dir::new();
                let (source, target) = (format!("source.{format}"), format!("target.{format}"));
                dir.table(&source, &rows(0..300, 0));
                dir.table(&target, &rows(0..300, 0));
                let open = |name: &str| engines::open(dir.path(name).to_str().unwrap(), &OpenOptions::default()).unwrap();
                let sessions = Sides { source: open(&source), target: open(&target) };
                let audited = audit_after(&sessions, domain, || {
                    let path = dir.path(&target);
                    let bytes = fs::read(&path).unwrap();
                    match change {
                        "vanishes" => fs::remove_file(path).unwrap(),
                        "shrinks" => fs::write(path, &bytes[..bytes.len() - 1]).unwrap(),
                        "grows" => fs::write(path, [&bytes[..], b"\n"].concat()).unwrap(),
                        _ => {
                            dir.table(&target, &rows(0..300, 1));
                            let later = std::time::SystemTime::now() + std::time::Duration::from_secs(5);
                            fs::File::options().write(true).open(path).unwrap().set_modified(later).unwrap();
                        }
                    }
                });
                assert_eq!(audited.verdict, Verdict::Incomplete, "{format} {change}: {audited:#?}");
                let error = &audited.errors[0];
                assert!(error.starts_with("target ") && error.contains("changed during the audit"), "{format} {change}: {error}");
            }
        }
    }
}

/// Where an engine fails, counted over all parts of all scans.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// An error in place of the part.
    Taking(u64),
    /// An error before the first row of the part.
    Before(u64),
    /// An error after some of its rows.
    Midway(u64),
    /// An error after all of its rows.
    After(u64),
}

/// A table in memory that fails once.
struct Faulty {
    table: MemorySession,
    fault: Option<Fault>,
    parts: AtomicU64,
    failed: Arc<AtomicBool>,
}

impl Session for Faulty {
    fn engine(&self) -> String {
        self.table.engine()
    }

    fn capabilities(&self) -> Capabilities {
        self.table.capabilities()
    }

    fn tables(&self) -> Result<Vec<Table>> {
        self.table.tables()
    }

    fn parts<'a>(&'a self, scan: &'a Scan) -> Result<Parts<'a>> {
        let parts = self.table.parts(scan)?;
        Ok(Box::new(parts.map(move |part| {
            let number = self.parts.fetch_add(1, Ordering::Relaxed);
            match self.fault {
                Some(Fault::Taking(n)) if n == number => Err(self.fail()),
                Some(Fault::Before(n) | Fault::Midway(n) | Fault::After(n)) if n == number => {
                    Ok(Box::new(FaultyPart { part: part?, of: self }) as Box<dyn Part>)
                }
                _ => part,
            }
        })))
    }

    fn seems_ordered(&self, _scan: &Scan, _held_bytes: u64) -> Result<bool> {
        Ok(true)
    }

    fn bytes_read(&self) -> u64 {
        0
    }
}

impl Faulty {
    fn fail(&self) -> Error {
        self.failed.store(true, Ordering::Relaxed);
        Error::new("the disk is on fire")
    }
}

struct FaultyPart<'a> {
    part: Box<dyn Part + 'a>,
    of: &'a Faulty,
}

impl Part for FaultyPart<'_> {
    fn weight_bytes(&self) -> u64 {
        self.part.weight_bytes()
    }

    fn read(self: Box<Self>, emit: &mut dyn FnMut(&mut RowBlock) -> Result<()>) -> Result<u64> {
        match self.of.fault {
            Some(Fault::Midway(_)) => self.part.read(&mut |block| {
                emit(block)?;
                Err(self.of.fail())
            }),
            Some(Fault::After(_)) => {
                self.part.read(emit)?;
                Err(self.of.fail())
            }
            _ => Err(self.of.fail()),
        }
    }
}

/// Holds the ranges against the rule that they tile the domain.
#[derive(Default)]
struct Books(Coverage);

impl Sink for Books {
    fn range(&mut self, record: &RangeRecord) -> Result<()> {
        self.0.record(record);
        Ok(())
    }

    fn findings(&mut self, _findings: Findings) -> Result<()> {
        Ok(())
    }

    fn restart(&mut self, _domain: Domain) -> Result<()> {
        self.0 = Coverage::default();
        Ok(())
    }
}

struct Silent;

impl Observer for Silent {
    fn stage(&self, _name: &'static str) {}

    fn read(&self, _rows: u64, _bytes: u64) {}
}

/// Plans the audit of two tables, lets `happen` what happens then, and audits.
fn audit_after(sessions: &Sides<Box<dyn Session>>, domain: Domain, happen: impl FnOnce()) -> TableSummary {
    let tables = sessions.as_ref().map(|session| session.tables().unwrap().remove(0));
    let choices = Choices { key: KeyChoice::Columns(vec!["k".to_string()]), ..Choices::default() };
    let limits = Limits { domain: Some(domain), rows_per_cell: 8, ..Limits::default() };
    let pairing = audit::pair(&tables, &choices).unwrap();
    let plan = audit::plan(pairing, &tables, sessions, &limits, Digester::with_seed(1)).unwrap();
    happen();
    let (interrupted, mut books) = (AtomicBool::new(false), Books::default());
    let summary = audit::audit_table(&plan, sessions, &Watch::new(&interrupted, &Silent), &mut books).unwrap();
    summary.assert_balance();
    assert_eq!(books.0.rest(), None, "the ranges cover the whole domain");
    assert_eq!((books.0.total(), books.0.failed), (summary.ranges.total, summary.ranges.failed));
    summary
}

#[test]
fn an_engine_that_fails_at_any_part_never_ties_out() {
    let mut failures = 0;
    for domain in [Domain::KeyOrder, Domain::KeyHash] {
        for side in Side::BOTH {
            for shift in [0, 1] {
                for fault in [Fault::Taking, Fault::Before, Fault::Midway, Fault::After] {
                    failures += (0..).take_while(|&part| fails(side, fault(part), domain, shift)).count();
                }
            }
        }
    }
    // Six parts, read once in key order; in key hash, twice where there is a difference.
    assert_eq!(failures, 2 * 4 * (6 + 6) + 2 * 4 * (6 + 12));
}

/// Audits two tables of which one fails, and which differ if `shift` is not zero; says whether the fault was met.
fn fails(side: Side, fault: Fault, domain: Domain, shift: i64) -> bool {
    let failed = Arc::new(AtomicBool::new(false));
    let sessions = Sides::from_fn(|this| -> Box<dyn Session> {
        let shift = |part| if part == 3 && this == Side::Target { shift } else { 0 };
        let batches = (0..6).map(|part| rows(part * 40..part * 40 + 40, shift(part))).collect();
        let table = MemorySession::new("t", batches).unwrap();
        let fault = (this == side).then_some(fault);
        Box::new(Faulty { table, fault, parts: AtomicU64::new(0), failed: Arc::clone(&failed) })
    });
    let summary = audit_after(&sessions, domain, || {});
    let failed = failed.load(Ordering::Relaxed);
    let expected = match (failed, shift) {
        (true, _) => Verdict::Incomplete,
        (false, 0) => Verdict::TiedOut,
        (false, _) => Verdict::Drift,
    };
    assert_eq!((summary.verdict, summary.ranges.failed > 0), (expected, failed), "{side} {fault:?}: {summary:#?}");
    assert_eq!(summary.errors.iter().any(|error| error.contains("the disk is on fire")), failed, "{summary:#?}");
    failed
}
