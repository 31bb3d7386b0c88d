//! The real report of a case: it takes whatever is found, and holds as many rows as there are differences.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use arrow::array::{Array, AsArray};
use arrow::datatypes::Int64Type;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tieout::audit::{self, Choices, Watch};
use tieout::engines::Session;
use tieout::model::digest::Digester;
use tieout::model::verdict::{SideSummary, Summary};
use tieout::report::terminal::{self, TerminalOptions};
use tieout::report::{Report, TableOptions};
use tieout::sides::Sides;

use super::naive::{Kind, Outcome};
use super::run::{Silent, Way};

/// Audits the sides into a report in `folder`, and counts what stands in it.
pub fn report(choices: &Choices, sessions: &Sides<Box<dyn Session>>, way: &Way, expected: &Outcome, folder: &Path) {
    let tables = sessions.as_ref().map(|session| session.tables().unwrap().remove(0));
    let pairing = audit::pair(&tables, choices).unwrap();
    let plan = audit::plan(pairing, &tables, sessions, &way.limits, Digester::with_seed(way.seed)).unwrap();
    let mut report = Report::create(folder, false).unwrap();
    let mut table_report = report.table(&plan.pairing, TableOptions { domain: plan.domain, ..TableOptions::default() }).unwrap();
    let interrupted = AtomicBool::new(false);
    let mut table = audit::audit_table(&plan, sessions, &Watch::new(&interrupted, &Silent), &mut table_report).unwrap();
    let files = table_report.finish().unwrap();
    table.report = files.report.clone();
    let side = || SideSummary { location: "here".into(), engine: "any".into(), position: None, notes: Vec::new() };
    let summary = Summary {
        tieout: "0".into(),
        run_id: "run".into(),
        started_at: "1970-01-01T00:00:00Z".into(),
        finished_at: "1970-01-01T00:00:00Z".into(),
        verdict: table.verdict,
        exit_code: table.verdict.exit_code(),
        source: side(),
        target: side(),
        tables: vec![table],
    };
    let out = report.finish(&summary).unwrap();
    terminal::print(&mut Vec::new(), &summary, std::slice::from_ref(&files), &out, TerminalOptions::detect()).unwrap();

    let diff = File::open(out.join(&files.report)).unwrap();
    let mut found: BTreeMap<(String, i64, i64), usize> = BTreeMap::new();
    for batch in ParquetRecordBatchReaderBuilder::try_new(diff).unwrap().build().unwrap() {
        let batch = batch.unwrap();
        let column = |name: &str| batch.column_by_name(name).unwrap();
        let text = arrow::compute::cast(column("difference"), &arrow::datatypes::DataType::Utf8).unwrap();
        for row in 0..batch.num_rows() {
            let rows = |name| column(name).as_primitive::<Int64Type>().value(row);
            let counts = [rows("source_rows"), rows("target_rows")];
            for (side, count) in ["source", "target"].iter().zip(counts) {
                assert_eq!(column(side).is_null(row), count == 0, "a row is there if and only if its side has one");
            }
            *found.entry((text.as_string::<i32>().value(row).to_string(), counts[0], counts[1])).or_default() += 1;
        }
    }
    let mut known = BTreeMap::new();
    for difference in expected.differences.values() {
        let name = match difference.kind {
            Kind::OnlySource => "missing_in_target",
            Kind::OnlyTarget => "missing_in_source",
            Kind::Changed => "changed",
            Kind::Duplicate => "duplicate",
        };
        let [source, target] = difference.rows.each_ref().map(|rows| rows.len() as i64);
        *known.entry((name.to_string(), source, target)).or_default() += 1;
    }
    assert_eq!(found, known, "the rows of the report");
}
