//! Closes the books of a table: the verdict, and what stands in the summary.

use std::time::Instant;

use super::ledger::{Counts, Ledger};
use super::method::{self, Hashing, Method, Way, grid};
use super::plan::Plan;
use super::windows::{Halt, Watch};
use crate::engines::Session;
use crate::error::{Error, Result};
use crate::model::comparison::{Comparison, Pairing};
use crate::model::outline::Outline;
use crate::model::range::{Domain, Evidence, RangeOutcome, RangeRecord};
use crate::model::row::BLOCK_ROWS_MAX;
use crate::model::schema::Table;
use crate::model::verdict::*;
use crate::sides::{Side, Sides};

/// Enters what was left undone, asserts that the books balance, and gives the verdict.
///
/// # Errors
///
/// If the report cannot be written.
pub fn close(
    plan: &Plan,
    method: &Method,
    end: Result<(), Halt>,
    mut ledger: Ledger<'_>,
    watch: &Watch<'_>,
    bytes_read: Sides<u64>,
    started: Instant,
) -> Result<TableSummary> {
    let mut errors = Vec::new();
    match end {
        Ok(()) => {}
        Err(Halt::Report(error)) => return Err(error.incomplete()),
        Err(Halt::Failed(error) | Halt::Unhashed(error)) => errors.push(with_advice(&error)),
        Err(Halt::Interrupted) => errors.push("interrupted before everything was compared".to_string()),
        Err(Halt::Unordered | Halt::Widespread { .. }) => errors.push("found no way to read the rows".to_string()),
    }
    if let Some(range) = ledger.counts.coverage.rest() {
        ledger.range(&RangeRecord { range, evidence: Evidence::default(), outcome: RangeOutcome::Failed })?;
    }
    let counts = ledger.counts;
    let pairing = &plan.pairing;
    assert!(
        !counts.coverage.is_complete() || counts.uncompared == Sides::default(),
        "every row of a compared range is compared: {:?} are left",
        counts.uncompared
    );
    let complete = counts.coverage.is_complete() && errors.is_empty() && pairing.is_complete();
    let verdict = match (complete, counts.differences.total()) {
        (false, _) => Verdict::Incomplete,
        (true, 0) => Verdict::TiedOut,
        (true, _) => Verdict::Drift,
    };
    let (rows_read, rows_hashed) = (watch.rows_read(), watch.rows_hashed());
    let had = rows_read.zip(rows_hashed).zip(Sides { source: counts.rows.source, target: counts.rows.target });
    let scans = had.map(|((read, hashed), rows)| if rows == 0 { 0.0 } else { (read + hashed) as f64 / rows as f64 });
    let summary = TableSummary {
        source: pairing.tables.source.clone(),
        target: pairing.tables.target.clone(),
        verdict,
        key: key_names(pairing),
        rows: counts.rows,
        differences: counts.differences,
        columns: pairing.columns.iter().zip(&counts.changed).map(|(comparison, &changed)| column(comparison, changed)).collect(),
        not_compared: not_compared(pairing),
        ranges: RangeCounts {
            total: counts.coverage.total(),
            equal: counts.coverage.equal,
            compared: counts.coverage.compared,
            failed: counts.coverage.failed,
        },
        method: method_summary(method),
        scans: scans.into(),
        rows_streamed: rows_read.into(),
        bytes_read: bytes_read.into(),
        seconds: started.elapsed().as_secs_f64(),
        report: String::new(),
        errors,
        notes: notes(pairing, &counts),
    };
    summary.assert_balance();
    assert!(
        verdict != Verdict::TiedOut || counts.rows.source == counts.rows.target,
        "tables that tie out have the same number of rows"
    );
    Ok(summary)
}

/// A pair of tables that could not be audited.
pub fn unaudited(tables: Sides<String>, error: &Error) -> TableSummary {
    TableSummary { errors: vec![with_advice(error)], ..unread(tables, Verdict::Incomplete) }
}

/// The plan for a pair of tables that cannot be audited.
pub fn unplanned(tables: Sides<String>, engines: Sides<String>, error: &Error) -> Outline {
    Outline {
        tables: tables.into(),
        engines: engines.into(),
        rows: SideFigures::default(),
        key: Vec::new(),
        columns: Vec::new(),
        not_compared: Vec::new(),
        complete: false,
        method: no_method(),
        push: SideFigures::default(),
        ranges: String::new(),
        memory_bytes: 0,
        notes: vec![with_advice(error)],
    }
}

/// A table that only one side has: drift, whatever it holds. The name on the other side is empty.
pub fn alone(side: Side, table: &Table) -> TableSummary {
    let names = Sides::from_fn(|of| if of == side { table.name.to_string() } else { String::new() });
    let note = format!("only the {side} has this table, or the user may not see it on the {}", side.other());
    TableSummary { notes: vec![note], ..unread(names, Verdict::Drift) }
}

/// A table of which no row was read.
fn unread(tables: Sides<String>, verdict: Verdict) -> TableSummary {
    let Sides { source, target } = tables;
    TableSummary {
        source,
        target,
        verdict,
        key: Vec::new(),
        rows: RowCounts::default(),
        differences: DifferenceCounts::default(),
        columns: Vec::new(),
        not_compared: Vec::new(),
        ranges: RangeCounts::default(),
        method: no_method(),
        scans: SideFigures::default(),
        rows_streamed: SideFigures::default(),
        bytes_read: SideFigures::default(),
        seconds: 0.0,
        report: String::new(),
        errors: Vec::new(),
        notes: Vec::new(),
    }
}

fn no_method() -> MethodSummary {
    MethodSummary::default()
}

/// What the audit of a planned table would do.
pub fn outline(plan: &Plan, sessions: &Sides<Box<dyn Session>>, tables: &Sides<Table>) -> Outline {
    let pairing = &plan.pairing;
    let (method, error) = match method::outlook(plan, sessions) {
        Ok(method) => (method_summary(&method), None),
        Err(error) => (no_method(), Some(with_advice(&error))),
    };
    let hashing = Hashing::best(&plan.pushes)
        .ok()
        .and_then(|hashing| Some((grid(plan, sessions, &hashing, None, true).ok()?.0, hashing.ways())));
    let push = Sides::from_fn(|side| {
        let (grid, _) = hashing.as_ref().filter(|(_, ways)| *ways.get(side) == Way::Push)?;
        sessions.get(side).push_statement(plan.scans.get(side), grid)
    });
    let ranges = match plan.domain {
        Domain::KeyOrder => format!("of up to {BLOCK_ROWS_MAX} rows in the order of the key, both sides read once"),
        Domain::KeyHash => format!("{} of the hash of the key; rows of ranges that differ are read again", plan.cells.count()),
    };
    Outline {
        tables: pairing.tables.clone().into(),
        engines: sessions.as_ref().map(|session| session.engine()).into(),
        rows: tables.as_ref().map(|table| table.rows).into(),
        key: key_names(pairing),
        columns: pairing.columns.iter().map(|comparison| column(comparison, 0)).collect(),
        not_compared: not_compared(pairing),
        complete: pairing.is_complete(),
        method,
        push: push.into(),
        ranges,
        memory_bytes: plan.limits.window_bytes,
        notes: pairing.notes.iter().cloned().chain(error).collect(),
    }
}

fn key_names(pairing: &Pairing) -> Vec<String> {
    if pairing.no_key { Vec::new() } else { pairing.key().iter().map(|key| key.columns.source.name.clone()).collect() }
}

fn method_summary(method: &Method) -> MethodSummary {
    let Sides { source, target } = method.ways.map(|way| way.name().to_string());
    let digest = method.grid.as_ref().map(|grid| grid.digest.name().to_string());
    MethodSummary { domain: method.domain.name().to_string(), source, target, digest, why: method.why.clone() }
}

fn with_advice(error: &Error) -> String {
    match error.advice() {
        Some(hint) => format!("{error} (hint: {hint})"),
        None => error.to_string(),
    }
}

fn column(comparison: &Comparison, changed: u64) -> ColumnSummary {
    let Sides { source, target } = comparison.columns.as_ref();
    ColumnSummary {
        source: source.name.clone(),
        target: target.name.clone(),
        source_type: source.native.clone(),
        target_type: target.native.clone(),
        compared_as: comparison.kind.to_string(),
        exact: comparison.declared.is_none(),
        declared: comparison.declared.clone(),
        changed,
    }
}

fn not_compared(pairing: &Pairing) -> Vec<NotComparedSummary> {
    let summary = |column: &crate::model::comparison::NotCompared| NotComparedSummary {
        side: column.side.to_string(),
        column: column.column.clone(),
        reason: column.reason.clone(),
        ignored: column.ignored,
    };
    pairing.not_compared.iter().map(summary).collect()
}

fn notes(pairing: &Pairing, counts: &Counts) -> Vec<String> {
    let mut notes = pairing.notes.clone();
    let peculiar = counts.peculiarities;
    if counts.rows.source == 0 && counts.rows.target == 0 {
        notes.push("neither side has any rows".to_string());
    }
    for side in Side::BOTH {
        let found = peculiar.get(side);
        if found.repeated_keys > 0 && !pairing.no_key {
            notes.push(format!("key is not unique: {} keys of the {side} stand in more than one row", found.repeated_keys));
        }
        if found.null_key_rows > 0 && !pairing.no_key {
            notes
                .push(format!("key has NULL in {} rows of the {side}; NULL keys are compared like any other", found.null_key_rows));
        }
    }
    if counts.repetitions_unknown && !pairing.no_key {
        notes.push("whether keys repeat alike on both sides is not known: they were not all remembered".to_string());
    }
    notes
}
