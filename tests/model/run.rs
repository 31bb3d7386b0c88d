//! Runs a case through the library and holds what it says against the naive comparison.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;

use tieout::audit::{self, Choices, KeyChoice, Limits, Observer, Watch};
use tieout::engines::Session;
use tieout::error::Result;
use tieout::model::digest::Digester;
use tieout::model::finding::{Difference as Found, Findings};
use tieout::model::range::{Domain, RangeOutcome, RangeRecord};
use tieout::model::schema::Table;
use tieout::model::verdict::{TableSummary, Verdict};
use tieout::report::Sink;
use tieout::sides::Sides;

use super::case::Case;
use super::decode;
use super::kinds::{L, P};
use super::naive::{Kind, Outcome};
use super::value::V;

/// One way to run a case.
#[derive(Clone, Debug)]
pub struct Way {
    pub jobs: usize,
    pub limits: Limits,
    pub seed: u64,
}

pub fn way(random: &mut fastrand::Rng) -> Way {
    let domain = [None, Some(Domain::KeyOrder), Some(Domain::KeyHash)][random.usize(0..3)];
    let window_bytes = if random.u8(0..3) == 0 { 96 << 20 } else { 1024 << random.u32(0..10) };
    let limits = Limits { window_bytes, temp_dir: None, rows_per_cell: 1 << random.u32(0..10), domain, ..Limits::default() };
    Way { jobs: random.usize(1..=8), limits, seed: random.u64(..) }
}

/// A finding as the library told it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub kind: Kind,
    pub key: Vec<u8>,
    pub counts: [u64; 2],
    pub rows: [Option<Vec<u8>>; 2],
    pub changed: Vec<u16>,
}

/// A sink that keeps everything.
#[derive(Default)]
pub struct Kept {
    pub ranges: Vec<RangeRecord>,
    pub findings: Vec<Told>,
}

impl Sink for Kept {
    fn range(&mut self, record: &RangeRecord) -> Result<()> {
        self.ranges.push(record.clone());
        Ok(())
    }

    fn findings(&mut self, findings: Findings) -> Result<()> {
        self.findings.extend(findings.iter().map(|finding| Told {
            kind: match finding.difference {
                Found::MissingInTarget => Kind::OnlySource,
                Found::MissingInSource => Kind::OnlyTarget,
                Found::Changed => Kind::Changed,
                Found::Duplicate => Kind::Duplicate,
            },
            key: finding.key().to_vec(),
            counts: [finding.counts.source, finding.counts.target],
            rows: [finding.rows.source, finding.rows.target].map(|row| row.map(|row| row.compared().to_vec())),
            changed: finding.changed.to_vec(),
        }));
        Ok(())
    }

    fn restart(&mut self, _domain: Domain) -> Result<()> {
        *self = Kept::default();
        Ok(())
    }
}

pub struct Silent;

impl Observer for Silent {
    fn stage(&self, _: &'static str) {}
    fn read(&self, _: u64, _: u64) {}
}

fn pool(jobs: usize) -> &'static rayon::ThreadPool {
    static POOLS: OnceLock<Vec<rayon::ThreadPool>> = OnceLock::new();
    let make = |jobs| rayon::ThreadPoolBuilder::new().num_threads(jobs).build().unwrap();
    &POOLS.get_or_init(|| (1..=8).map(make).collect())[jobs - 1]
}

/// Audits the sides; also gives for each compared column its name on the source.
pub fn audit(choices: &Choices, sessions: &Sides<Box<dyn Session>>, way: &Way) -> Result<(TableSummary, Kept, Vec<String>)> {
    pool(way.jobs).install(|| {
        let tables: Sides<Table> = sessions.as_ref().try_map(|_, session| session.tables().map(|mut tables| tables.remove(0)))?;
        let pairing = audit::pair(&tables, choices)?;
        let names = pairing.columns.iter().map(|comparison| comparison.columns.source.name.clone()).collect();
        let plan = audit::plan(pairing, &tables, sessions, &way.limits, Digester::with_seed(way.seed))?;
        let (interrupted, mut kept) = (AtomicBool::new(false), Kept::default());
        let summary = audit::audit_table(&plan, sessions, &Watch::new(&interrupted, &Silent), &mut kept)?;
        Ok((summary, kept, names))
    })
}

pub fn choices(case: &Case) -> Choices {
    let key = match case.no_key {
        true => KeyChoice::None,
        false => KeyChoice::Columns(case.columns[..case.key].iter().map(|column| column.name.clone()).collect()),
    };
    Choices { key, ..Choices::default() }
}

/// Holds everything that the library said against what is known to be right.
pub fn check(case: &Case, expected: &Outcome, summary: &TableSummary, kept: &Kept, names: &[String]) {
    let rows = case.rows();
    let counts = [rows[0].len() as u64, rows[1].len() as u64];
    let verdict = if expected.differences.is_empty() { Verdict::TiedOut } else { Verdict::Drift };
    assert_eq!(summary.verdict, verdict, "verdict; errors {:?}, not compared {:?}", summary.errors, summary.not_compared);
    assert!(summary.errors.is_empty(), "{:?}", summary.errors);

    let place_of: Vec<usize> =
        names.iter().map(|name| case.columns.iter().position(|column| column.name == *name).unwrap()).collect();
    let mut found = BTreeMap::new();
    for told in &kept.findings {
        let key = values(case, &place_of[..case.key], &told.key);
        let expected = expected.differences.get(&key).unwrap_or_else(|| panic!("a finding at {key:?}, which does not differ"));
        assert_eq!(told.kind, expected.kind, "the difference at {key:?}");
        assert_eq!(told.counts, [0, 1].map(|side| expected.rows[side].len() as u64), "counts at {key:?}");
        for side in 0..2 {
            let row = told.rows[side].as_ref().map(|bytes| values(case, &place_of, bytes));
            match row {
                Some(row) => assert!(expected.rows[side].contains(&row), "{row:?} is a row at {key:?}"),
                None => assert!(expected.rows[side].is_empty()),
            }
        }
        let mut changed: Vec<usize> = told.changed.iter().map(|&column| place_of[usize::from(column)]).collect();
        changed.sort_unstable();
        assert_eq!(changed, expected.changed, "changed columns at {key:?}");
        assert!(found.insert(key.clone(), ()).is_none(), "{key:?} is found twice");
    }
    if let Some((key, difference)) = expected.differences.iter().find(|(key, _)| !found.contains_key(*key)) {
        panic!("no finding at {key:?}: {difference:?}");
    }

    let of_kind = |kind| expected.differences.values().filter(|difference| difference.kind == kind).count() as u64;
    let differences = &summary.differences;
    assert_eq!(
        [differences.missing_in_target, differences.missing_in_source, differences.changed, differences.duplicate],
        [Kind::OnlySource, Kind::OnlyTarget, Kind::Changed, Kind::Duplicate].map(of_kind)
    );
    assert_eq!([summary.rows.source, summary.rows.target], counts, "rows");
    assert_eq!(summary.rows.matched, expected.matched, "matched rows");
    assert_eq!([summary.rows.duplicate.source, summary.rows.duplicate.target], expected.duplicates, "rows of duplicates");
    for (column, &place) in summary.columns.iter().zip(&place_of) {
        let changed = expected.differences.values().filter(|difference| difference.changed.contains(&place)).count();
        assert_eq!(column.changed, changed as u64, "changes of {}", column.source);
    }
    check_notes(case, expected, summary);
    check_ranges(summary, &kept.ranges, counts);
}

fn check_notes(case: &Case, expected: &Outcome, summary: &TableSummary) {
    let unknown = summary.notes.iter().any(|note| note.contains("is not known"));
    for (side, name) in ["source", "target"].iter().enumerate() {
        let repeated = expected.repeated[side];
        let note = format!("key is not unique: {repeated} keys of the {name} stand in more than one row");
        let says = summary.notes.contains(&note);
        let quiet = !summary.notes.iter().any(|other| other.contains(&format!("keys of the {name} stand")));
        match case.no_key || repeated == 0 {
            true => assert!(quiet, "{:?}", summary.notes),
            false => assert!(says || unknown, "{note}: {:?}", summary.notes),
        }
    }
}

/// Ranges tile their domain, are all read, and hold all rows.
fn check_ranges(summary: &TableSummary, ranges: &[RangeRecord], counts: [u64; 2]) {
    assert!(!ranges.is_empty(), "there is at least one range");
    let mut reached = None;
    for (i, record) in ranges.iter().enumerate() {
        assert_eq!(record.range.above, reached, "range {i} begins where the one before it ends");
        assert_eq!(record.range.up_to.is_none(), i + 1 == ranges.len(), "only the last range is open above");
        reached.clone_from(&record.range.up_to);
        let same = record.evidence.agrees();
        assert_eq!(record.outcome, if same { RangeOutcome::Equal } else { RangeOutcome::Compared });
    }
    let rows = |of: fn(&RangeRecord) -> u64| ranges.iter().map(of).sum::<u64>();
    assert_eq!([rows(|record| record.evidence.rows().source), rows(|record| record.evidence.rows().target)], counts);
    let ends = |outcome| ranges.iter().filter(|record| record.outcome == outcome).count() as u64;
    let told = [summary.ranges.total, summary.ranges.equal, summary.ranges.compared, summary.ranges.failed];
    assert_eq!(told, [ranges.len() as u64, ends(RangeOutcome::Equal), ends(RangeOutcome::Compared), 0]);
}

/// Decodes values of the columns at `places`, and puts them in the model's order.
fn values(case: &Case, places: &[usize], bytes: &[u8]) -> Vec<V> {
    let typed = |&place: &usize| -> (&L, &P) {
        let column = &case.columns[place];
        let side = usize::from(case.bounds.formats[0].is_text() || column.stored[0] == P::Null);
        (&column.ty, &column.stored[side])
    };
    let types: Vec<(&L, &P)> = places.iter().map(typed).collect();
    let decoded = decode::row(&types, bytes);
    let mut ordered: Vec<(usize, V)> = places.iter().copied().zip(decoded).collect();
    ordered.sort_by_key(|(place, _)| *place);
    ordered.into_iter().map(|(_, value)| value).collect()
}
