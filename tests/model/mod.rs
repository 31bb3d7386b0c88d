//! The seeded model test: random tables and random edits, compared by the library and by a naive comparison that
//! shares no code with it.
//!
//! `TIEOUT_MODEL_CASES` is the number of cases, `TIEOUT_MODEL_SEED` the seed of the first; a failure prints the seed
//! with which it reproduces alone. [`servers`] does the same with tables in databases.

mod build;
mod canonical;
mod case;
mod decode;
mod files;
mod generate;
mod hunt;
mod kinds;
mod naive;
mod places;
mod report;
pub mod run;
mod servers;
mod text;
mod value;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use self::case::{Case, case};
use self::files::{Format, Stored};
use self::report::report;
use self::run::{Way, audit, check, choices, way};
use tieout::sides::{Side, Sides};

/// Cases in a run of the test suite.
const CASES: u64 = 3000;

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().map_or(otherwise, |text| text.parse().expect("a whole number"))
}

#[test]
fn random_edits_are_found_and_nothing_else() {
    run(false);
}

#[test]
fn copies_that_hardly_differ_do_not_tie_out() {
    run(true);
}

fn run(near: bool) {
    let (cases, first) = (setting("TIEOUT_MODEL_CASES", CASES), setting("TIEOUT_MODEL_SEED", 1));
    let (next, failed) = (AtomicU64::new(first), AtomicU64::new(0));
    let folder = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while failed.load(Ordering::Relaxed) < 5 {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + cases {
                        break;
                    }
                    let folder = folder.path().join(seed.to_string());
                    if catch_unwind(AssertUnwindSafe(|| one(seed, near, &folder))).is_err() {
                        failed.fetch_add(1, Ordering::Relaxed);
                        eprintln!("reproduce with TIEOUT_MODEL_CASES=1 TIEOUT_MODEL_SEED={seed}\n{}", describe(seed, near));
                    }
                    if seed % 10_000 == 0 {
                        eprintln!("{seed} cases");
                    }
                }
            });
        }
    });
    assert_eq!(failed.into_inner(), 0, "cases failed");
}

/// A case, its two ways, and what is left of the seed's random numbers.
fn prepare(seed: u64, near: bool) -> (Case, [Way; 2], fastrand::Rng) {
    let mut random = fastrand::Rng::with_seed(seed);
    let case = case(&mut random, near);
    let ways = [way(&mut random), way(&mut random)];
    (case, ways, random)
}

fn describe(seed: u64, near: bool) -> String {
    let (case, ways, _) = prepare(seed, near);
    let columns: Vec<String> = case.columns.iter().map(|c| format!("{} {:?} {:?}", c.name, c.ty, c.stored)).collect();
    let rows = case.rows().map(|rows| rows.len());
    let mut text = format!(
        "{:?}, rows {rows:?} in {:?} pieces, key of {}{}\n{}\n{ways:?}\n{:?}",
        case.bounds.formats,
        case.pieces.each_ref().map(Vec::len),
        case.key,
        if case.no_key { " (--no-key)" } else { "" },
        columns.join("\n"),
        &case.edits[..case.edits.len().min(20)],
    );
    if rows[0] + rows[1] < 20 {
        text += &format!("\n{:#?}", case.rows());
    }
    text
}

fn one(seed: u64, near: bool, folder: &std::path::Path) {
    let (case, ways, mut random) = prepare(seed, near);
    let expected = naive::diff(&case.rows(), case.key);
    std::fs::create_dir(folder).unwrap();
    let sessions = Sides::from_fn(|side| {
        let side = usize::from(side == Side::Target);
        let mut columns: Vec<_> = case.columns.iter().enumerate().collect();
        random.shuffle(&mut columns);
        let stored = Stored {
            side,
            format: case.bounds.formats[side],
            columns,
            vary: case.bounds.texts() < 2,
            omit: case.bounds.formats != [Format::Ndjson; 2],
            pieces: case.pieces[side].clone(),
        };
        stored.open(&folder.join(side.to_string()), &mut random)
    });
    let choices = choices(&case);
    let run = |way: &Way| audit(&choices, &sessions, way).unwrap_or_else(|error| panic!("{error:?}"));
    for way in &ways {
        let (summary, kept, names) = run(way);
        check(&case, &expected, &summary, &kept, &names);
        if random.u8(0..4) == 0 {
            // Neither findings nor ranges depend on the number of threads.
            let (other_summary, other, _) = run(&Way { jobs: random.usize(1..=8), ..way.clone() });
            check(&case, &expected, &other_summary, &other, &names);
            assert_eq!(kept.ranges, other.ranges, "ranges do not depend on the number of threads");
            let [mut findings, mut other] = [kept.findings, other.findings];
            if summary.method.domain == "key_hash" {
                // Where a partition is cut in two depends on the order in which its rows come.
                findings.sort_by(|a, b| a.key.cmp(&b.key));
                other.sort_by(|a, b| a.key.cmp(&b.key));
            }
            assert_eq!(findings, other, "findings do not depend on the number of threads");
            assert_eq!(summary.notes, other_summary.notes, "notes do not depend on the number of threads");
        }
    }
    if random.u8(0..16) == 0 {
        report(&choices, &sessions, &ways[0], &expected, &folder.join("report"));
    }
    std::fs::remove_dir_all(folder).unwrap();
}
