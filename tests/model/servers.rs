//! Random tables in databases: two places of which one or both are servers, rows with values from the edges, and random
//! edits. What is found by streaming, and by the fingerprints of servers, is held against the naive comparison.
//!
//! `TIEOUT_RANDOM_TABLES` is the number of cases, `TIEOUT_RANDOM_SEED` the seed of the first; a failure prints the seed with
//! which it reproduces alone. `TIEOUT_RANDOM_ROWS` makes all tables large, for they are of one part otherwise.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use tieout::audit::{Limits, MethodChoice};
use tieout::engines::{OpenOptions, Session};
use tieout::model::range::Domain;
use tieout::model::verdict::Verdict;
use tieout::sides::{Side, Sides};

use super::case::Case;
use super::files::{Format, Stored};
use super::generate::{Bounds, Column, number, words};
use super::kinds::{L, P};
use super::places::{Place, Storage, create};
use super::run::{Way, audit, check, choices};
use super::value::{DAY, Num, V};
use super::{naive, setting};
use crate::databases::{Database, Engine};

/// Cases in a run of the test suite.
const CASES: u64 = 40;

/// Two databases of each engine, which all cases use one after the other.
struct Databases(Vec<[Database; 2]>);

impl Databases {
    fn new() -> Self {
        let pairs: Vec<[Database; 2]> = Engine::all().into_iter().map(|engine| [0, 1].map(|_| Database::new(engine))).collect();
        for database in pairs.iter().flatten().filter(|database| database.engine.is_postgres()) {
            database.run("create collation loose (provider = icu, locale = 'und-u-ks-level1', deterministic = false)");
        }
        Databases(pairs)
    }

    fn get(&self, engine: Engine, side: usize) -> &Database {
        self.0.iter().map(|pair| &pair[side]).find(|database| database.engine == engine).unwrap()
    }
}

/// A case, and how both places store its columns.
struct Tables {
    case: Case,
    places: [Place; 2],
    storages: Vec<[Storage; 2]>,
    /// Whether keys are unique, and never NULL.
    unique: bool,
}

#[test]
fn servers_find_what_streaming_finds_in_random_tables() {
    let (cases, first) = (setting("TIEOUT_RANDOM_TABLES", CASES), setting("TIEOUT_RANDOM_SEED", 1));
    let (databases, folder) = (Databases::new(), tempfile::tempdir().unwrap());
    let mut counts = [0; 3];
    let mut failed = Vec::new();
    for seed in first..first + cases {
        match catch_unwind(AssertUnwindSafe(|| one(seed, &databases, folder.path()))) {
            Ok(found) => counts.iter_mut().zip(found).for_each(|(count, found)| *count += u32::from(found)),
            Err(_) => {
                failed.push(seed);
                eprintln!("reproduce with TIEOUT_RANDOM_TABLES=1 TIEOUT_RANDOM_SEED={seed}\n{}", describe(seed));
            }
        }
        if failed.len() == 5 {
            break;
        }
    }
    eprintln!("{cases} cases, of which {counts:?} were equal, compared by cells, streamed after all");
    assert_eq!(failed, [0; 0], "seeds of cases that failed");
    assert!(cases < 30 || counts.iter().all(|count| *count > 2), "{counts:?}");
}

fn pick<T: Clone>(random: &mut fastrand::Rng, among: &[T]) -> T {
    among[random.usize(..among.len())].clone()
}

fn places(random: &mut fastrand::Rng) -> [Place; 2] {
    let servers: Vec<Place> = Engine::all().into_iter().map(Place::In).filter(|place| place.is_server()).collect();
    let others = [Place::In(Engine::Sqlite), Place::Files(Format::Csv), Place::Files(Format::Parquet)];
    let one = if random.bool() { Place::In(Engine::Postgres) } else { pick(random, &servers) };
    let other = if random.u8(0..5) < 3 { pick(random, &servers) } else { pick(random, &others) };
    if random.bool() { [one, other] } else { [other, one] }
}

/// A type, and how the two places store it.
fn column_type(random: &mut fastrand::Rng, places: [Place; 2]) -> (L, [Storage; 2]) {
    let all =
        [L::Num, L::Num, L::Num, L::Float, L::Bool, L::Text, L::Text, L::Bytes, L::Date, L::Time, L::Stamp, L::Instant, L::Uuid];
    loop {
        let ty = pick(random, &all);
        // PostgreSQL alone hashes floats; and CSV has neither bytes nor, for what is no UUID by its type, UUIDs.
        if ty == L::Float && !places.iter().any(|place| place.is_postgres())
            || ty == L::Bytes && places.iter().any(|place| place.is_csv())
        {
            continue;
        }
        let [source, target] = places.map(|place| place.storages(&ty));
        let (mut source, mut target) = (pick(random, &source), pick(random, &target));
        if places[0].is_csv() {
            source = target.clone();
        } else if places[1].is_csv() {
            target = source.clone();
        }
        let stored = [&source.stored, &target.stored];
        let is_date = |stored: &P| *stored == P::Date32;
        let ty = match ty {
            L::Num if stored == [&P::Bool; 2] => L::Bool,
            L::Stamp if stored.into_iter().all(is_date) => L::Date,
            L::Instant if !stored.iter().any(|stored| matches!(stored, P::Instant(_))) => match stored.into_iter().all(is_date) {
                true => L::Date,
                false => L::Stamp,
            },
            L::Uuid if !stored.contains(&&P::Uuid) => continue,
            ty => ty,
        };
        return (ty, [source, target]);
    }
}

fn value(random: &mut fastrand::Rng, ty: &L, places: [Place; 2], storages: &[Storage; 2]) -> V {
    for _ in 0..50 {
        let value = any(random, ty);
        let is_padded = |storage: &Storage| storage.sql.starts_with("char");
        if let V::Text(text) = &value
            && text.ends_with(' ')
            && storages.iter().any(is_padded)
        {
            continue;
        }
        if (0..2).all(|side| places[side].holds(&storages[side], &value)) {
            return value;
        }
    }
    V::Null
}

fn any(random: &mut fastrand::Rng, ty: &L) -> V {
    let day = |random: &mut fastrand::Rng| match random.u8(0..6) {
        0 => random.i128(-1_700_000..9_000_000),
        1 => pick(random, &[-719_162, -719_163, 0, -1, 1, 10_957, 10_956, 2_932_896, -354_285]),
        2 => random.i128(-700_000..2_900_000),
        _ => random.i128(19_000..19_010),
    };
    let part = |random: &mut fastrand::Rng| {
        let unit = pick(random, &[1_000, 1_000, 1_000_000, 1_000_000_000, 3_600_000_000_000, DAY]);
        match random.u8(0..4) {
            // Folded to 32 bits, the same.
            0 => pick(random, &[1_i128, 1 << 32, 1 << 33, (1 << 32) - 1]) * 1000,
            _ => random.i128(0..DAY) / unit * unit,
        }
    };
    let moment = |random: &mut fastrand::Rng| day(random) * DAY + if random.bool() { part(random) % DAY } else { 0 };
    match ty {
        L::Num => match random.u8(0..10) {
            0 => V::Num(Num::NaN),
            1 => V::num(pick(random, &[0, 1, -1, 1 << 32, (1 << 32) + 1, -(1 << 32), i64::MAX.into(), i64::MIN.into()])),
            2 => V::num((1 << 53) + random.i128(-3..3)),
            3 => V::num(pick(random, &[0, 1, 1, 0, -1])),
            _ => V::Num(number(random)),
        },
        L::Float => V::float(match random.u8(0..8) {
            0 => pick(random, &[f64::NAN, f64::INFINITY, f64::NEG_INFINITY]),
            1 => pick(random, &[0.0, -0.0, 0.5, -0.5]),
            2 => f64::from_bits(random.u64(..)),
            3 => pick(random, &[f64::MIN_POSITIVE, 5e-324, f64::MAX, f64::MIN, f64::from(f32::MAX), f64::from(f32::MIN_POSITIVE)]),
            4 => pick(random, &[0.1, f64::from(0.1_f32)]),
            _ => f64::from(random.i8(..)) / 4.0,
        }),
        L::Bool => V::Bool(random.bool()),
        L::Text => V::Text(match random.u8(0..6) {
            0 => pick(random, &["n", "", "NaN", "1:a", ",", "a,1:b", "a\\", "'", "\\'", "\u{301}e", "ab", "aB"]).to_string(),
            _ => words(random),
        }),
        L::Bytes => V::Bytes((0..random.usize(0..5)).map(|_| pick(random, &[0, 1, b'n', 127, 255])).collect()),
        L::Date => V::Date(day(random)),
        L::Time => V::Time(part(random) % DAY),
        L::Stamp => V::Stamp(moment(random)),
        L::Instant => V::Instant(moment(random)),
        _ => V::Uuid((u128::from(random.u64(0..100)) << 64 | u128::from(random.u8(0..3))).to_be_bytes()),
    }
}

/// Makes the case of a seed.
fn tables(seed: u64) -> (Tables, fastrand::Rng) {
    let mut random = fastrand::Rng::with_seed(seed);
    let random = &mut random;
    let places = places(random);
    let most = setting("TIEOUT_RANDOM_ROWS", 0) as usize;
    let count = match random.u8(0..20) {
        _ if most > 0 => random.usize(most / 2..=most),
        0 => 0,
        1 => random.usize(500..1500),
        2..=4 => random.usize(0..8),
        _ => random.usize(8..400),
    };
    let width = random.usize(2..=8);
    let no_key = random.u8(0..6) == 0;
    let whole = !no_key && random.bool();
    let key = if no_key {
        width
    } else if whole {
        1
    } else {
        random.usize(1..=3.min(width))
    };
    // In some cases all columns are of one type, so that values can be moved from one to the other.
    let uniform = (random.u8(0..3) == 0).then(|| column_type(random, places));
    let (mut columns, mut storages) = (Vec::new(), Vec::new());
    for place in 0..width {
        let (ty, stored) = match place {
            0 if whole => {
                let mut whole = || pick(random, &[("integer", "int", P::Int(32, true)), ("bigint", "bigint", P::Int(64, true))]);
                let stored = [whole(), whole()];
                let storage = |side: usize| {
                    let (postgres, mysql, stored) = stored[if places[side].is_csv() { 1 - side } else { side }].clone();
                    match places[side] {
                        Place::In(Engine::Sqlite) => Storage { sql: "INTEGER", stored: P::Int(64, true) },
                        place => Storage { sql: if place.is_postgres() { postgres } else { mysql }, stored },
                    }
                };
                (L::Num, [storage(0), storage(1)])
            }
            _ => uniform.clone().unwrap_or_else(|| column_type(random, places)),
        };
        let size = pick(random, &[2, 10, count * 2 + 1]);
        let mut pool: Vec<V> = match place {
            0 if whole => {
                keys(random, count).into_iter().filter(|key| (0..2).all(|side| places[side].holds(&stored[side], key))).collect()
            }
            _ => (0..size).map(|_| value(random, &ty, places, &stored)).collect(),
        };
        if random.bool() && !(whole && place == 0) {
            pool.iter_mut().filter(|_| random.u8(0..6) == 0).for_each(|value| *value = V::Null);
        }
        if pool.is_empty() {
            pool.push(V::Null);
        }
        columns.push(Column {
            name: format!("c{place}"),
            ty,
            stored: stored.each_ref().map(|storage| storage.stored.clone()),
            pool,
        });
        storages.push(stored);
    }
    let unique = !no_key && (whole && random.u8(0..6) > 0 || random.bool());
    let mut source = Vec::new();
    let mut known = HashSet::new();
    for _ in 0..count {
        let row: Vec<V> = columns.iter().map(|column| pick(random, &column.pool)).collect();
        if !unique || is_new(&mut known, &row[..key]) {
            source.push(row);
        }
    }
    let fresh = |random: &mut fastrand::Rng, place: usize| match random.u8(0..3) {
        0 => V::Null,
        1 => pick(random, &columns[place].pool),
        _ => value(random, &columns[place].ty, places, &storages[place]),
    };
    let (mut target, edits) = edited(random, &columns, &storages, places, &source, fresh);
    if unique {
        let mut known = HashSet::new();
        target.retain(|row| is_new(&mut known, &row[..key]));
    }
    [&mut source, &mut target].into_iter().for_each(|rows| if random.bool() { rows.sort() } else { random.shuffle(rows) });
    let bounds = Bounds { formats: [Format::Memory; 2], alike: false };
    let case = Case { columns, key, no_key, bounds, pieces: [vec![source], vec![target]], edits };
    (Tables { case, places, storages, unique }, random.clone())
}

fn is_new(known: &mut HashSet<Vec<V>>, key: &[V]) -> bool {
    !key.contains(&V::Null) && known.insert(key.to_vec())
}

/// Whole numbers to be keys: in a row, with gaps, below zero, far apart.
fn keys(random: &mut fastrand::Rng, count: usize) -> Vec<V> {
    let (start, step) = (random.i128(-1000..1000), pick(random, &[1, 1, 2, 1000]));
    let mut keys: Vec<i128> = (0..count as i128 * 3 / 2 + 2).map(|i| start + i * step).collect();
    if random.u8(0..4) == 0 {
        keys.extend([i64::MIN.into(), i64::MAX.into(), 1 << 32, i32::MAX.into(), i32::MIN.into()]);
    }
    keys.into_iter().map(V::num).collect()
}

/// A value that a digest might take for this one: NULL or what could stand for it, the same but for the sign or when folded to 32 bits.
fn alike(random: &mut fastrand::Rng, ty: &L, value: &V) -> V {
    const FOLDED: i128 = 1 << 32;
    let negative = |num: &Num| Num::parse(&format!("-{}", num.text())).map_or(V::Null, V::Num);
    match value {
        V::Num(num) if random.bool() => negative(num),
        V::Num(num) => num.whole().map_or(V::Null, |whole| V::num(whole ^ pick(random, &[FOLDED, FOLDED + 1, -1]))),
        V::Float(float) => pick(random, &[V::float(-float.get()), V::Null]),
        V::Time(at) => V::Time(((at / 1000) ^ FOLDED ^ 1) * 1000 + at % 1000),
        V::Stamp(at) => pick(random, &[V::Stamp(at + FOLDED * 1000), V::Stamp(at + 1000)]),
        V::Instant(at) => pick(random, &[V::Instant(at + FOLDED * 1000), V::Instant(at + 1000)]),
        V::Null => match ty {
            L::Num => V::num(pick(random, &[0, 0, 1, 2])),
            L::Float => V::float(pick(random, &[0.0, f64::NAN, 1.0])),
            L::Bool => V::Bool(random.bool()),
            L::Text => V::Text(pick(random, &["n", "", "NaN", "NULL"]).to_string()),
            L::Bytes => V::Bytes(pick(random, &[vec![], vec![b'n'], vec![0]])),
            L::Date => V::Date(pick(random, &[0, 10_957])),
            L::Time => V::Time(0),
            L::Stamp => V::Stamp(pick(random, &[0, 10_957]) * DAY),
            L::Instant => V::Instant(pick(random, &[0, 10_957]) * DAY),
            _ => V::Uuid([0; 16]),
        },
        _ => V::Null,
    }
}

/// The rows of the target: those of the source after some edits.
fn edited(
    random: &mut fastrand::Rng,
    columns: &[Column],
    storages: &[[Storage; 2]],
    places: [Place; 2],
    source: &[Vec<V>],
    fresh: impl Fn(&mut fastrand::Rng, usize) -> V,
) -> (Vec<Vec<V>>, Vec<&'static str>) {
    let (mut rows, mut edits, width) = (source.to_vec(), Vec::new(), storages.len());
    let fits = |place: usize, value: &V| (0..2).all(|side| places[side].holds(&storages[place][side], value));
    let count = match random.u8(0..10) {
        0..=1 => 0,
        2..=4 => 1,
        5..=6 => 2 + random.usize(0..3),
        7..=8 => 5 + random.usize(0..10),
        _ => rows.len(),
    };
    for _ in 0..count {
        let edit = random.u8(0..10);
        if edit == 0 || rows.is_empty() {
            rows.push((0..width).map(|place| fresh(random, place)).collect());
            edits.push("insert");
            continue;
        }
        let (at, other) = (random.usize(..rows.len()), random.usize(..rows.len()));
        let (place, next) = (random.usize(..width), random.usize(..width));
        match edit {
            1 => {
                rows.swap_remove(at);
                edits.push("delete");
            }
            2 => {
                let held = rows[at][place].clone();
                rows[at][place] = std::mem::replace(&mut rows[other][place], held);
                edits.push("swap between two rows");
            }
            3 => {
                if fits(place, &rows[at][next]) && fits(next, &rows[at][place]) && storages[place] == storages[next] {
                    rows[at].swap(place, next);
                    edits.push("swap between two columns");
                }
            }
            4 => {
                let row = rows[at].clone();
                rows.push(row);
                edits.push("duplicate");
            }
            5 => {
                if let Some(nearly) = rows[at][place].nearly().filter(|nearly| fits(place, nearly)) {
                    rows[at][place] = nearly;
                    edits.push("change in the last place");
                }
            }
            6..=8 => {
                let alike = alike(random, &columns[place].ty, &rows[at][place]);
                if fits(place, &alike) {
                    rows[at][place] = alike;
                    edits.push("change into what looks alike");
                }
            }
            _ => {
                rows[at][place] = fresh(random, place);
                edits.push("change");
            }
        }
    }
    (rows, edits)
}

fn describe(seed: u64) -> String {
    let (Tables { case, places, storages, unique }, _) = tables(seed);
    let column = |(column, storages): (&Column, &[Storage; 2])| format!("{} {:?} {storages:?}\n", column.name, column.ty);
    let columns: String = case.columns.iter().zip(&storages).map(column).collect();
    let rows = case.rows();
    let counts = rows.each_ref().map(Vec::len);
    let mut text =
        format!("{places:?}, rows {counts:?}, key of {} unique {unique} none {}\n{columns}{:?}", case.key, case.no_key, case.edits);
    if counts[0] + counts[1] < 20 {
        text += &format!("\n{rows:#?}");
    }
    text
}

/// Runs a case; returns whether it was equal, was compared by cells, was streamed after all.
fn one(seed: u64, databases: &Databases, folder: &Path) -> [bool; 3] {
    let (tables, mut random) = tables(seed);
    let random = &mut random;
    let (case, rows) = (&tables.case, tables.case.rows());
    let expected = naive::diff(&rows, case.key);
    let sessions = Sides::from_fn(|side| {
        open(&tables, usize::from(side == Side::Target), databases, &folder.join(format!("{seed} {side}")), random)
    });
    let mut found = [expected.differences.is_empty(), false, false];
    let methods = [
        (MethodChoice::Stream, None),
        (MethodChoice::Stream, Some(Domain::KeyHash)),
        (MethodChoice::Push, None),
        (MethodChoice::Auto, None),
    ];
    for (method, domain) in methods {
        let window_bytes = if random.bool() { 96 << 20 } else { 4096 << random.u32(0..8) };
        let rows_per_cell = 1 << random.u32(0..4);
        let limits = Limits { window_bytes, rows_per_cell, domain, method, pilot_bytes: 0, ..Limits::default() };
        let way = Way { jobs: random.usize(1..=4), limits, seed: random.u64(..) };
        let (summary, kept, names) = audit(&choices(case), &sessions, &way).unwrap_or_else(|error| panic!("{error:?}"));
        check(case, &expected, &summary, &kept, &names);
        if method != MethodChoice::Push {
            continue;
        }
        let why = &summary.method.why;
        assert!(!why.contains("and then streamed") || why.ends_with("much of the table differs"), "{why}");
        let pushes = [&summary.method.source, &summary.method.target].map(|method| method == "push");
        found[1] = summary.verdict == Verdict::Drift && pushes.contains(&true);
        found[2] = !pushes.contains(&true);
        if summary.verdict == Verdict::TiedOut {
            // Were rows hashed in two ways, they would come over to be found equal.
            let (streamed, places) = ([summary.rows_streamed.source, summary.rows_streamed.target], tables.places);
            assert!(pushes.contains(&true), "{why}");
            (0..2).for_each(|side| assert!(!pushes[side] || streamed[side] == 0, "{places:?}: {streamed:?} came over"));
        }
    }
    found
}

fn open(tables: &Tables, side: usize, databases: &Databases, folder: &Path, random: &mut fastrand::Rng) -> Box<dyn Session> {
    let Tables { case, places, storages, unique } = tables;
    let mut columns: Vec<(usize, &Column)> = case.columns.iter().enumerate().collect();
    random.shuffle(&mut columns);
    match places[side] {
        Place::Files(format) => {
            let vary = case.columns.iter().all(|column| column.ty != L::Text) || random.bool();
            Stored { side, format, columns, vary, omit: false, pieces: case.pieces[side].clone() }.open(folder, random)
        }
        Place::In(engine) => {
            let database = databases.get(engine, side);
            let columns: Vec<(&str, &Storage, usize)> =
                columns.iter().map(|(index, column)| (column.name.as_str(), &storages[*index][side], *index)).collect();
            // A collation that takes texts for one would have fewer keys.
            let is_loose = |storages: &[Storage; 2]| storages[side].sql.contains("loose");
            let declares = *unique && !storages[..case.key].iter().any(is_loose) && random.u8(0..4) > 0;
            let key: Vec<&str> = case.columns[..case.key].iter().filter(|_| declares).map(|column| column.name.as_str()).collect();
            create(database, &columns, &key, &case.rows()[side], random);
            let options = OpenOptions { connections: 1 + random.usize(0..2), ..OpenOptions::default() };
            tieout::engines::open(&database.location, &options).unwrap()
        }
    }
}
