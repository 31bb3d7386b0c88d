//! Which rows come over: of ranges that differ, of cells that servers added up, and no others.

use tieout::audit::{Choices, Limits, MethodChoice};
use tieout::engines::{self, OpenOptions};
use tieout::model::range::Domain;
use tieout::model::verdict::TableSummary;
use tieout::sides::Sides;

use crate::databases::{Database, Engine};
use crate::methods::{SCATTERED, diff, orders, pairs, same};
use crate::model::run::{self, Kept, Way};
use crate::support::{Dir, Run};

#[test]
fn each_table_is_streamed_once_where_one_row_in_a_thousand_differs() {
    for engines in Engine::all().into_iter().flat_map(|one| Engine::all().into_iter().map(move |other| [one, other])) {
        let edit = "update orders set amount = amount + 1 where v % 1000 = 0";
        let databases = orders(engines, ["bigint", "bigint"], 30_000, &[edit, "delete from orders where v % 5000 = 7"]);
        let run = diff(&Dir::new(), &databases, &[]);
        run.drift([6, 0, 30, 0]);
        for side in ["source", "target"] {
            assert_eq!(run.table()["scans"][side], 1.0, "{engines:?} {run:#?}");
        }
    }
}

#[test]
fn scattered_differences_are_found_by_fetching_their_cells_alone() {
    for engines in pairs() {
        let databases = orders(engines, ["bigint", "bigint"], 20_000, &SCATTERED);
        let run = same(&databases, &[]);
        run.drift([2, 1, 5, 0]);
        let table = run.table();
        assert_eq!(table["method"]["domain"], "key_order");
        for side in ["source", "target"] {
            assert_eq!(table["method"][side], "push");
            let rows = table["rows_streamed"][side].as_u64().unwrap();
            assert!((1..=9 * 600).contains(&rows), "{engines:?}: {rows} rows came over: {run:#?}");
            let scans = table["scans"][side].as_f64().unwrap();
            assert!((scans - 1.0 - rows as f64 / table["rows"][side].as_f64().unwrap()).abs() < 1e-9, "{run:#?}");
        }
        let digest = match engines {
            [source, target] if source.is_postgres() && target.is_postgres() => "lookup3 over the values one by one, 64 bits",
            _ => "sha256 of portable text, 120 bits",
        };
        assert_eq!(table["method"]["digest"], digest);
    }
}

/// Changes that are alone in their cells are read out of these; where two share one, all of its rows come over.
#[test]
fn rows_that_differ_alone_are_fetched_alone() {
    for engines in pairs() {
        let alone = ["update orders set v = -1 where v in (1, 3000, 9000, 20000)", "delete from orders where v = 14000"];
        let databases = orders(engines, ["bigint", "bigint"], 20_000, &alone);
        databases[1].run("insert into orders values (14001, 0, 0, '')");
        let streamed = |run: &Run| ["source", "target"].map(|side| run.table()["rows_streamed"][side].as_u64().unwrap());
        let run = same(&databases, &[]);
        run.drift([1, 1, 4, 0]);
        assert_eq!(streamed(&run), [5, 5], "{engines:?} {run:#?}");
        databases[1].run("update orders set v = -1 where v = 3001");
        let run = same(&databases, &[]);
        run.drift([1, 1, 5, 0]);
        let [source, target] = streamed(&run);
        assert!(source == target && (5 + 50..5 + 600).contains(&source), "{engines:?} {run:#?}");
    }
}

/// Where servers hash otherwise than it is done here, the sums still tell the row, but without it the rest of its cell does not come out the same:
/// that is fetched as well, and not taken for equal.
#[test]
fn a_row_that_does_not_explain_its_cell_has_the_others_fetched() {
    let sides = [Database::new(Engine::Postgres), Database::new(Engine::Postgres)];
    for side in &sides {
        side.run("create table words (k bigint primary key, word text, v integer)");
        side.run("insert into words select i, 'word ' || i, i from generate_series(1, 4000) i");
        side.run(
            "create or replace function pg_catalog.hashtextextended(text, bigint) returns bigint \
             language sql immutable strict parallel safe as 'select hashint8extended(length($1)::int8, hashint4extended(ascii(reverse($1)), $2))'",
        );
    }
    sides[1].run("update words set v = -1 where k = 1777");
    let locations = sides.each_ref().map(|side| side.table("words"));
    let run = Dir::new().diff_words(&[locations[0].as_str(), &locations[1], "--method", "push"]);
    run.drift([0, 0, 1, 0]);
    let (method, table) = (&run.table()["method"], run.table());
    assert_eq!((method["source"].as_str(), method["why"].as_str()), (Some("push"), Some("as asked for")), "{run:#?}");
    for side in ["source", "target"] {
        assert!((100..=600).contains(&table["rows_streamed"][side].as_u64().unwrap()), "{run:#?}");
    }
    assert_eq!(table["rows"]["matched"], 3999, "{run:#?}");
}

/// One server adds up its cells, the rows of the other are added up here: both come to the same, or rows would be looked for where they are not.
#[test]
fn rows_that_differ_alone_are_fetched_alone_where_one_side_is_hashed_here() {
    let sides = [Database::new(Engine::Postgres), Database::new(Engine::Mariadb)];
    sides[0].run("create table t (k bigint primary key, f double precision, s varchar(40))");
    sides[0].run("insert into t select i * 5 - 7000, i / 8.0e0, 'text ' || i from generate_series(1, 6000) i");
    sides[1].run("create table t (k bigint primary key, f double, s varchar(40))");
    sides[1].run("insert into t select cast(seq as signed) * 5 - 7000, seq / 8.0e0, concat('text ', seq) from seq_1_to_6000");
    sides[1].run("update t set f = -1 where k in (-6995, -3000, 0, 5000, 23000)");
    let locations = sides.each_ref().map(|side| side.table("t"));
    for [source, target] in [[0, 1], [1, 0]] {
        let run = Dir::new().diff_words(&[locations[source].as_str(), &locations[target], "--method", "push"]);
        run.drift([0, 0, 5, 0]);
        let (method, streamed) = (&run.table()["method"], &run.table()["rows_streamed"]);
        assert_eq!(method["digest"], "lookup3 over the values one by one, 64 bits");
        let ways = ["source", "target"].map(|side| (method[side].as_str().unwrap(), streamed[side].as_u64().unwrap()));
        assert!(ways.contains(&("push", 5)) && ways.contains(&("stream", 6005)), "{run:#?}");
    }
}

/// Rows that a pilot streams tell how many cells will differ, also where keys are no numbers and lie in cells of hashes.
#[test]
fn a_pilot_sees_changes_whatever_the_keys_are() {
    for (edits, expected) in
        [(&[][..], "a pilot expects"), (&["update orders set v = v + 1 where v % 100 = 7"], "much of what a pilot read differs")]
    {
        let databases = orders([Engine::Postgres; 2], ["text collate \"C\""; 2], 20_000, edits);
        let open = |at: usize| engines::open(&databases[at].location, &OpenOptions::default()).unwrap();
        let limits = Limits { pilot_bytes: 0, ..Limits::default() };
        let sessions = Sides { source: open(0), target: open(1) };
        let (summary, kept, _) = run::audit(&Choices::default(), &sessions, &Way { jobs: 2, limits, seed: 5 }).unwrap();
        assert!(summary.method.why.contains(expected), "{:?}", summary.method);
        assert_eq!((kept.findings.len(), summary.differences.changed), (200 * edits.len(), 200 * edits.len() as u64));
    }
}

/// Where a pilot sees that many ranges of key hashes will differ, all rows are set aside as they first come: they are read once, and what
/// is found is the same.
#[test]
fn a_table_that_differs_much_is_read_once_also_by_key_hash() {
    let edits = [
        "update orders set v = v + 1 where v % 30 = 7",
        "delete from orders where v % 50 = 3",
        "update orders set k = concat(k, '.') where v % 1000 = 4",
    ];
    let databases = orders([Engine::Postgres; 2], ["text collate \"C\""; 2], 200_000, &edits);
    databases.iter().for_each(|database| database.run("vacuum analyze orders"));
    let audit = |limits: Limits| by_key_hash(&databases, limits);
    let (twice, expected) = audit(Limits { method: MethodChoice::Stream, ..Limits::default() });
    assert!(twice.scans.source > 1.9, "{twice:#?}");
    for window_bytes in [1 << 20, 96 << 20] {
        let (summary, kept) = audit(Limits { pilot_bytes: 0, window_bytes, ..Limits::default() });
        assert_eq!(summary.method.why, "much of what a pilot read differs");
        assert!(summary.scans.source < 1.75 && summary.scans.target < 1.75, "{summary:#?}");
        assert_eq!((summary.rows, summary.differences), (twice.rows, twice.differences));
        assert!(kept.findings == expected.findings && kept.ranges == expected.ranges);
    }
}

fn by_key_hash(databases: &[Database; 2], limits: Limits) -> (TableSummary, Kept) {
    let open = |at: usize| engines::open(&databases[at].location, &OpenOptions::default()).unwrap();
    let sessions = Sides { source: open(0), target: open(1) };
    let limits = Limits { domain: Some(Domain::KeyHash), ..limits };
    let (summary, mut kept, _) = run::audit(&Choices::default(), &sessions, &Way { jobs: 2, limits, seed: 5 }).unwrap();
    kept.findings.sort_by(|one, other| one.key.cmp(&other.key));
    (summary, kept)
}

/// All rows may be too many for the disk, and those that have to be compared not.
#[test]
fn where_there_is_no_room_for_all_rows_some_are_read_again() {
    let databases =
        orders([Engine::Postgres; 2], ["text collate \"C\""; 2], 200_000, &["update orders set v = -v where v % 450 = 7"]);
    databases.iter().for_each(|database| database.run("vacuum analyze orders"));
    let audit = |temp_dir: Option<&str>| {
        let limits = Limits { pilot_bytes: 0, window_bytes: 24 << 20, temp_dir: temp_dir.map(Into::into), ..Limits::default() };
        let (summary, kept) = by_key_hash(&databases, limits);
        assert_eq!(summary.method.why, "much of what a pilot read differs");
        assert_eq!((summary.errors, kept.findings.len()), (vec![], 445));
        summary.scans.source
    };
    let (once, again) = (audit(None), audit(Some("/proc/self/task")));
    assert!(again > once + 0.05, "{once} and {again}");
}
