//! Pairs of tables and findings that the tests of the report share.

use crate::model::canonical::{Tag, push_bytes, push_decimal, push_null, push_whole};
use crate::model::comparison::{Comparison, Pairing};
use crate::model::finding::{Difference, Findings};
use crate::model::kind::Kind;
use crate::model::row::RowBlock;
use crate::model::schema::{Column, Type};
use crate::model::verdict::*;
use crate::sides::{Side, Sides};

/// A comparison of two columns of one name and type.
pub fn comparison(name: &str, ty: Type, kind: Kind) -> Comparison {
    let column = Column { name: name.to_string(), native: ty.to_string(), ty };
    Comparison {
        columns: Sides { source: column.clone(), target: column },
        kind,
        declared: None,
        raw: Sides { source: false, target: false },
    }
}

/// A pair of tables with these columns, the first of them the key.
pub fn pairing(columns: Vec<Comparison>) -> Pairing {
    Pairing {
        tables: Sides { source: "public.orders".to_string(), target: "orders".to_string() },
        columns,
        key_columns: 1,
        no_key: false,
        conditions: Sides::default(),
        not_compared: Vec::new(),
        notes: Vec::new(),
    }
}

/// `id, amount, name, at`: what most tables consist of.
pub fn orders() -> Pairing {
    pairing(vec![
        comparison("id", Type::Integer { bits: 64, signed: true }, Kind::Number),
        comparison("amount", Type::Decimal { precision: 12, scale: 2 }, Kind::Number),
        comparison("name", Type::Text, Kind::Text),
        comparison("at", Type::Timestamp { digits: 6 }, Kind::Timestamp),
    ])
}

/// Row blocks to take rows from; each row is what `write` appends, its key the first value.
pub fn block(rows: usize, mut write: impl FnMut(usize, &mut Vec<u8>)) -> RowBlock {
    let mut block = RowBlock::default();
    for i in 0..rows {
        let mut bytes = Vec::new();
        write(i, &mut bytes);
        let mut rest = bytes.as_slice();
        crate::model::canonical::take(&mut rest);
        block.push_parts(&bytes, bytes.len() - rest.len(), bytes.len());
    }
    block
}

/// Random findings in [`orders`], all differences among them; the id of finding `i` is `i`.
pub fn random_findings(range: std::ops::Range<usize>, seed: u64) -> Findings {
    let mut findings = Findings::default();
    for i in range {
        let mut random = fastrand::Rng::with_seed(seed ^ (i as u64) << 20);
        let rows = Sides::from_fn(|_| {
            block(1, |_, out| {
                push_whole(out, Tag::Number, i as i128);
                push_decimal(out, random.i64(-10_000_000..10_000_000).into(), 2);
                match random.u8(..4) {
                    0 => push_null(out),
                    _ => push_bytes(out, Tag::Text, format!("name {}", random.u16(..)).as_bytes()),
                }
                push_whole(out, Tag::Timestamp, i128::from(random.u32(..)) * 1_000_000);
            })
        });
        let difference = Difference::ALL[random.usize(..4)];
        let row = |side: Side| {
            let count = if difference == Difference::Duplicate { 2 } else { 1 };
            Some((rows.get(side).row(0), count))
        };
        let (source, target) = (row(Side::Source), row(Side::Target));
        match difference {
            Difference::MissingInTarget => findings.push(difference, Sides { source, target: None }, &[]),
            Difference::MissingInSource => findings.push(difference, Sides { source: None, target }, &[]),
            Difference::Changed => findings.push(difference, Sides { source, target }, &[1, 3]),
            Difference::Duplicate => findings.push(difference, Sides { source, target }, &[]),
        }
    }
    findings
}

/// A summary of one table with differences and everything else that can be said.
pub fn summary() -> Summary {
    let column = |name: &str, compared_as: &str, changed: u64, declared: Option<&str>| ColumnSummary {
        source: name.to_string(),
        target: name.to_string(),
        source_type: "t".to_string(),
        target_type: "t".to_string(),
        compared_as: compared_as.to_string(),
        exact: declared.is_none(),
        declared: declared.map(str::to_string),
        changed,
    };
    let side = |location: &str, engine: &str| SideSummary {
        location: location.into(),
        engine: engine.into(),
        position: None,
        notes: Vec::new(),
    };
    Summary {
        tieout: "0.1.0".to_string(),
        run_id: "20261122T140000Z-1a2b".to_string(),
        started_at: "2026-11-22T14:00:00Z".to_string(),
        finished_at: "2026-11-22T14:00:06Z".to_string(),
        verdict: Verdict::Incomplete,
        exit_code: 3,
        source: side("exports/orders.parquet", "Parquet, 3 files"),
        target: side("exports/orders.csv", "CSV, 1 file"),
        tables: vec![TableSummary {
            source: "public.orders".to_string(),
            target: "orders".to_string(),
            verdict: Verdict::Incomplete,
            key: vec!["id".to_string()],
            rows: RowCounts {
                source: 5_000_000,
                target: 5_000_001,
                matched: 4_999_918,
                duplicate: SideFigures { source: 2, target: 3 },
            },
            differences: DifferenceCounts { missing_in_target: 20, missing_in_source: 20, changed: 60, duplicate: 1 },
            columns: vec![
                column("id", "number", 0, None),
                column("amount", "number", 58, None),
                column("name", "padded text", 0, Some("trailing spaces are padding")),
                column("at", "timestamp", 3, None),
            ],
            not_compared: vec![NotComparedSummary {
                ignored: false,
                side: "source".to_string(),
                column: "geom".to_string(),
                reason: "geometry has no canonical form".to_string(),
            }],
            ranges: RangeCounts { total: 20_000, equal: 19_909, compared: 90, failed: 1 },
            method: MethodSummary {
                domain: "key_order".into(),
                source: "stream".into(),
                target: "stream".into(),
                ..Default::default()
            },
            scans: SideFigures { source: 1.0, target: 1.0 },
            rows_streamed: SideFigures { source: 1000, target: 1000 },
            bytes_read: SideFigures { source: 1, target: 2 },
            seconds: 6.12,
            report: "public.orders.diff.parquet".to_string(),
            errors: vec!["target exports/orders.csv: line 7: found 2 fields, expected 4".to_string()],
            notes: vec!["key is not unique: 1 key repeats".to_string()],
        }],
    }
}
