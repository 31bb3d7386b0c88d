//! The promises, one by one.

use std::sync::Arc;

use rayon::prelude::*;
use tieout::engines::{self, Part, Scan};
use tieout::error::{Error, Result};
use tieout::model::canonical::{Tag, Values};
use tieout::model::digest::{Digester, Fingerprint, key_hash};
use tieout::model::grid::Selection;
use tieout::model::range::{CellSet, Cells};
use tieout::model::row::{RowBlock, compare_keys};

use super::Case;
use super::tables::Rows;

/// Most bytes of rows that a part may have.
const PART_BYTES_MAX: usize = 32 << 20;

/// A part, read: its rows, and the least key that it promised.
struct Read {
    rows: Rows,
    least: Option<Vec<u8>>,
}

fn read(part: Result<Box<dyn Part + '_>>) -> Result<Read> {
    let part = part?;
    let least = part.least_key().map(<[u8]>::to_vec);
    let mut rows = Rows::new();
    part.read(&mut |block| {
        assert!(!block.is_empty(), "a block has at least one row");
        rows.extend(block.iter().map(|row| (row.key().to_vec(), row.compared().to_vec())));
        Ok(())
    })?;
    Ok(Read { rows, least })
}

/// All parts in their order.
#[track_caller]
fn parts(case: &Case<'_>, scan: &Scan) -> Vec<Read> {
    let parts = case.made.session.parts(scan).and_then(|parts| parts.map(read).collect::<Result<_>>());
    parts.unwrap_or_else(|error| panic!("{}: {error:?}", case.name))
}

fn sorted<'a>(rows: impl IntoIterator<Item = &'a (Vec<u8>, Vec<u8>)>) -> Vec<&'a [u8]> {
    let mut rows: Vec<&[u8]> = rows.into_iter().map(|(_, row)| row.as_slice()).collect();
    rows.sort_unstable();
    rows
}

/// Holds rows against those that are expected, as multisets.
#[track_caller]
fn same<'a>(case: &Case<'_>, what: &str, found: impl IntoIterator<Item = &'a (Vec<u8>, Vec<u8>)>, expected: &Rows) {
    let (found, expected) = (sorted(found), sorted(expected));
    if let Some(at) = (0..found.len().max(expected.len())).find(|&i| found.get(i) != expected.get(i)) {
        let (one, other) = (found.get(at).map(|row| show(row)), expected.get(at).map(|row| show(row)));
        panic!("{}: {what}: {} rows, expected {}; first {one:?}, expected {other:?}", case.name, found.len(), expected.len());
    }
}

fn show(row: &[u8]) -> String {
    tieout::model::value::render_key(row).chars().take(300).collect::<String>() + &format!(" {:02x?}", &row[..row.len().min(40)])
}

/// Names, columns and keys are those of the table, each time.
pub fn describes(case: &Case<'_>) {
    let session = &case.made.session;
    let tables = session.tables().unwrap();
    assert_eq!(session.tables().unwrap(), tables, "{}", case.name);
    assert!(tables.is_sorted_by(|one, other| one.name < other.name), "{}", case.name);
    let table = tables.iter().find(|table| table.name == case.scan.table).unwrap();
    let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
    let expected: Vec<&str> = case.table.columns.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, expected, "{}", case.name);
    if case.made.has_keys {
        let key = expected[..case.table.key].to_vec();
        assert_eq!(table.keys, if case.table.declared { vec![key] } else { vec![] }, "{}", case.name);
    }
    assert!(!session.engine().is_empty());
}

/// The parts together hold each row once; none is too large, nor all rows in one where there are many.
pub fn reads_every_row_once(case: &Case<'_>) {
    let parts = parts(case, &case.scan);
    same(case, "all parts", parts.iter().flat_map(|part| &part.rows), &case.expected);
    let weights: Vec<usize> = parts.iter().map(|part| part.rows.iter().map(|(_, row)| row.len()).sum()).collect();
    assert!(weights.iter().all(|&bytes| bytes <= PART_BYTES_MAX), "{}: {weights:?}", case.name);
    if case.made.has_keys && weights.iter().sum::<usize>() > 20 << 20 {
        assert!(weights.len() > 1, "{}: one part of {weights:?} bytes", case.name);
    }
}

/// The fingerprint is the expected one, whatever the order in which parts are read and by how many threads.
pub fn reads_alike_whoever_reads(case: &Case<'_>) {
    let digester = Digester::with_seed(9);
    let print = |rows: &Rows| {
        let mut print = Fingerprint::default();
        rows.iter().for_each(|(_, row)| print.add(digester.digest(row)));
        print
    };
    let expected = print(&case.expected);
    for threads in [1, 4, 4] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let parts = case.made.session.parts(&case.scan).unwrap();
        let prints: Result<Vec<Fingerprint>> =
            pool.install(|| parts.par_bridge().map(|part| read(part).map(|part| print(&part.rows))).collect());
        let mut sum = Fingerprint::default();
        prints.unwrap_or_else(|error| panic!("{}: {error:?}", case.name)).into_iter().for_each(|print| sum.merge(print));
        assert_eq!(sum, expected, "{}: {threads} threads", case.name);
    }
    let held: Vec<_> = case.made.session.parts(&case.scan).unwrap().collect();
    let backwards: Vec<Read> = held.into_iter().rev().map(|part| read(part).unwrap()).collect();
    same(case, "backwards", backwards.iter().flat_map(|part| &part.rows), &case.expected);
}

/// Where the parts are said to come in the order of their keys they do, and no key is below the least one promised.
pub fn keeps_the_order_it_claims(case: &Case<'_>) {
    if !case.made.tells_order || !case.made.session.seems_ordered(&case.scan, 0).unwrap() {
        return;
    }
    let mut greatest: Option<&[u8]> = None;
    let parts = parts(case, &case.scan);
    for (place, part) in parts.iter().enumerate() {
        let keys = || part.rows.iter().map(|(key, _)| key.as_slice());
        if let Some(greatest) = greatest {
            let late = keys().find(|key| compare_keys(key, greatest).is_lt());
            assert!(late.is_none(), "{}: part {place} has {:?} after {:?}", case.name, late.map(show), show(greatest));
        }
        if let Some(least) = &part.least {
            let later = parts[place..].iter().flat_map(|part| &part.rows);
            let below = later.map(|(key, _)| key).find(|key| compare_keys(key, least).is_lt());
            assert!(below.is_none(), "{}: {:?} is below {:?}", case.name, below.map(|key| show(key)), show(least));
        }
        greatest = keys().chain(greatest).max_by(|one, other| compare_keys(one, other));
    }
}

/// Rows that are handed on as they came are the same rows, have the same keys, and are called the same only if they are.
pub fn defers_the_same_rows(case: &Case<'_>) {
    let (mut all, mut deferred) = (Rows::new(), 0);
    for part in case.made.session.parts(&case.scan).unwrap() {
        let read = part.unwrap().read_deferred(&mut |rows| {
            let rows = match rows {
                engines::Rows::Encoded(block) => {
                    all.extend(block.iter().map(|row| (row.key().to_vec(), row.compared().to_vec())));
                    return Ok(());
                }
                engines::Rows::Deferred(rows) => rows,
            };
            deferred += rows.len();
            let mut block = RowBlock::default();
            rows.encode(&(0..rows.len()).collect::<Vec<_>>(), &mut block)?;
            assert_eq!(block.len(), rows.len(), "{}", case.name);
            for (at, row) in block.iter().enumerate() {
                assert_eq!(rows.key(at), row.key(), "{}", case.name);
                let other = (at * 7 + 1) % block.len();
                let same = rows.differing(at..at + 1, &*rows, other..other + 1).is_empty();
                assert!(!same || row.compared() == block.row(other).compared(), "{}: {at} and {other}", case.name);
            }
            let (some, mut few) = ((0..rows.len()).filter(|at| at % 3 == 1).collect::<Vec<_>>(), RowBlock::default());
            rows.encode(&some, &mut few)?;
            assert!(few.iter().eq(some.iter().map(|&at| block.row(at))), "{}: rows that are not adjacent", case.name);
            for shift in 0..rows.len().min(3) {
                let pairs = rows.len() - shift;
                let differing = rows.differing(0..pairs, &*rows, shift..rows.len());
                assert!(shift > 0 || differing.is_empty(), "{}: rows are the same as themselves", case.name);
                let mut equal = (0..pairs).filter(|at| differing.binary_search(at).is_err());
                let unlike = equal.find(|&at| block.row(at).compared() != block.row(at + shift).compared());
                assert_eq!(unlike, None, "{}: {shift} rows further on", case.name);
            }
            let null = |key: &[u8]| Values::of(key).any(|value| value.tag == Tag::Null);
            if rows.keys_ascend() {
                let keys: Vec<&[u8]> = block.iter().map(|row| row.key()).collect();
                assert!(keys.windows(2).all(|pair| compare_keys(pair[0], pair[1]).is_lt()), "{}", case.name);
                assert!(!keys.into_iter().any(null), "{}", case.name);
            }
            all.extend(block.iter().map(|row| (row.key().to_vec(), row.compared().to_vec())));
            Ok(())
        });
        read.unwrap_or_else(|error| panic!("{}: {error:?}", case.name));
    }
    same(case, "deferred", &all, &case.expected);
    assert!(deferred == 0 || case.made.session.capabilities().native.is_some(), "{}", case.name);
}

/// A scan of some cells gives the rows whose key hashes lie in them.
pub fn selects_cells(case: &Case<'_>) {
    let cells = Cells::of_bits(4);
    for holds in [|_: usize| false, |cell: usize| cell == 3, |cell: usize| cell.is_multiple_of(2), |_: usize| true] {
        let set = CellSet::new(cells, holds);
        let within = |(key, _): &&(Vec<u8>, Vec<u8>)| set.contains(key_hash(key));
        let expected: Rows = case.expected.iter().filter(within).cloned().collect();
        let scan = Scan { cells: Some(Arc::new(Selection::Hashes(set.clone()))), ..case.scan.clone() };
        let parts = parts(case, &scan);
        same(case, "some cells", parts.iter().flat_map(|part| &part.rows), &expected);
    }
}

/// A condition selects, together with cells and without.
pub fn selects_by_condition(case: &Case<'_>) {
    let Some(column) = case.table.columns.iter().position(|(name, _)| *name == "v") else { return };
    if !case.made.session.capabilities().conditions {
        return;
    }
    for (condition, low, high) in [("v >= 10 and v < 20", 10, 20), ("v = 3 or v = 4", 3, 5), ("v < 0 -- none", 0, 0)] {
        let scan = Scan { condition: Some(condition.to_string()), ..case.scan.clone() };
        let met = |row: &[Option<String>]| row[column].as_ref().is_some_and(|v| (low..high).contains(&v.parse::<i64>().unwrap()));
        let rows = case.table.rows.iter().zip(&case.expected);
        let expected: Rows = rows.filter(|(row, _)| met(row)).map(|(_, row)| row.clone()).collect();
        same(case, condition, parts(case, &scan).iter().flat_map(|part| &part.rows), &expected);
    }
}

/// An error of the one who takes the rows ends the reading, is handed back, and spoils nothing. A connection may be
/// lost by it, so there are fewer such errors than connections.
pub fn survives_a_taker_that_fails(case: &Case<'_>) {
    for _ in 1..super::servers::CONNECTIONS {
        let Some(part) = case.made.session.parts(&case.scan).unwrap().next() else { return };
        let mut taken = 0;
        let outcome = part.unwrap().read(&mut |block| {
            taken += block.len();
            Err(Error::new("enough"))
        });
        match outcome {
            Err(error) => assert!(error.to_string().ends_with("enough") && taken > 0, "{}: {error:?}", case.name),
            Ok(_) => assert_eq!(taken, 0, "{}: an error was not handed back", case.name),
        }
    }
    same(case, "afterwards", parts(case, &case.scan).iter().flat_map(|part| &part.rows), &case.expected);
}
