//! Rows that are asked for by their places: how much is read where few rows differ, and that what comes is what a full
//! reading selects, whatever the keys are.

use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch, StringArray};
use tieout::engines::{self, OpenOptions, Scan, ScanColumn, Session};
use tieout::model::grid::Selection;
use tieout::model::kind::Kind;
use tieout::model::range::{CellSet, Cells};

use crate::databases::{Database, Engine};
use crate::support::{Dir, array, table};

/// Where a copy of the rows is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    In(Engine),
    File(&'static str),
}

/// Keys that no two engines promise to order alike, by the types of PostgreSQL, MySQL and SQLite, and their values.
struct Key {
    columns: &'static [(&'static str, [&'static str; 3])],
    values: fn(i64) -> Vec<String>,
}

const KEYS: [Key; 3] = [
    Key { columns: &[("k", ["text", "varchar(40)", "TEXT"])], values: |i| vec![format!("Key {}", i * 7919 % 1_000_003)] },
    Key {
        columns: &[("k", ["uuid", "char(36)", "UUID"])],
        values: |i| {
            let bits = (i as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
            let digits = format!("{bits:032x}");
            vec![[&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")]
        },
    },
    Key {
        columns: &[("region", ["text", "varchar(20)", "TEXT"]), ("k", ["bigint", "bigint", "BIGINT"])],
        values: |i| vec![["Nord", "süd", "Ost"][(i % 3) as usize].to_string(), (i * 31).to_string()],
    },
];
const ROWS: i64 = 20_000;

/// The rows where they are to be; `changed` ones have another value.
fn store(place: Place, dir: &Dir, name: &str, key: &Key, changed: impl Fn(i64) -> bool) -> (String, Option<Database>) {
    let value = |i: i64| if changed(i) { -i } else { i };
    match place {
        Place::File(extension) => {
            let column = |at: usize| {
                let texts = (0..ROWS).map(|i| (key.values)(i).swap_remove(at));
                match key.columns[at].1[0] {
                    "bigint" => array(Int64Array::from_iter_values(texts.map(|text| text.parse().unwrap()))),
                    _ => array(StringArray::from_iter_values(texts)),
                }
            };
            let mut columns: Vec<_> = (0..key.columns.len()).map(|at| (key.columns[at].0, column(at))).collect();
            columns.push(("v", array(Int64Array::from_iter_values((0..ROWS).map(value)))));
            columns.push(("note", array(StringArray::from_iter_values((0..ROWS).map(|i| format!("note {i}"))))));
            let batch: RecordBatch = table(&columns);
            dir.table(&format!("{name}.{extension}"), &batch);
            (format!("{name}.{extension}"), None)
        }
        Place::In(engine) => {
            let database = Database::new(engine);
            let dialect = [engine.is_postgres(), engine.is_mysql(), true].iter().position(|is| *is).unwrap();
            let names: Vec<&str> = key.columns.iter().map(|(name, _)| *name).collect();
            let columns: String = key.columns.iter().map(|(name, types)| format!("{name} {} not null, ", types[dialect])).collect();
            let charset = if engine.is_mysql() { " character set utf8mb4" } else { "" };
            database
                .run(&format!("create table t ({columns}v bigint, note varchar(40), primary key ({})){charset}", names.join(", ")));
            for from in (0..ROWS).step_by(1000) {
                let row = |i: i64| {
                    let key: String = (key.values)(i).iter().map(|value| format!("'{value}', ")).collect();
                    format!("({key}{}, 'note {i}')", value(i))
                };
                let rows: Vec<String> = (from..from + 1000).map(row).collect();
                database.run(&format!("insert into t values {}", rows.join(", ")));
            }
            if engine.is_mysql() {
                database.run("analyze table t");
            }
            (database.table("t"), Some(database))
        }
    }
}

/// CSV and NDJSON are not among the targets, for a row of theirs cannot be found without reading all before it: those are read
/// twice, whatever the other side is.
#[test]
fn one_row_in_a_thousand_costs_less_than_a_tenth_of_another_scan() {
    let places: Vec<Place> = Engine::all().into_iter().map(Place::In).chain([Place::File("parquet")]).collect();
    let changed = |i: i64| i % 1000 == 500;
    for key in &KEYS {
        let dir = Dir::new();
        let sources: Vec<_> = places.iter().map(|&place| store(place, &dir, "source", key, |_| false)).collect();
        let targets: Vec<_> = places.iter().map(|&place| store(place, &dir, "target", key, changed)).collect();
        let csv = store(Place::File("csv"), &dir, "target", key, changed);
        let names: Vec<&str> = key.columns.iter().map(|(name, _)| *name).collect();
        let diff = |source: &str, target: &str| {
            let run = dir.diff_words(&[source, target, "--key", &names.join(",")]);
            run.drift([0, 0, 20, 0]);
            ["source", "target"].map(|side| run.table()["scans"][side].as_f64().unwrap())
        };
        for (source, source_place) in sources.iter().zip(&places) {
            for (target, target_place) in targets.iter().zip(&places) {
                let scans = diff(&source.0, &target.0);
                let few = scans.iter().all(|scans| (1.0..1.1).contains(scans));
                assert!(few, "{source_place:?} to {target_place:?} by {names:?}: {scans:?}");
            }
            let scans = diff(&source.0, &csv.0);
            assert!((1.0..1.1).contains(&scans[0]) && scans[1] == 2.0, "{source_place:?} to CSV by {names:?}: {scans:?}");
        }
    }
}

/// Texts that something on the way from a key to the statement that asks for it could take for something else.
const HOSTILE: [&str; 20] = [
    "",
    " ",
    "a",
    "A",
    "a ",
    "á",
    "a\u{301}",
    "ß",
    "ss",
    "it's",
    "say \"so\"",
    "back\\",
    "\\'",
    "`tick`",
    "nul\0l",
    "line\nfeed\r",
    "naïve 😀",
    "100 %_",
    "tab\t",
    "ﬁ\u{200d}x",
];
const CELLS: usize = 32;

/// The rows of `n` as hexadecimal digits of a hostile text with a number, in front and behind.
fn hostile(n: usize) -> String {
    let text = HOSTILE[n % HOSTILE.len()];
    let text = if n < HOSTILE.len() { text.to_string() } else { format!("{text}{}{text}", n / HOSTILE.len()) };
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// How a value is written in SQL.
type Value = fn(usize) -> String;

fn blob(n: usize) -> String {
    format!("x'{}'", hostile(n))
}

fn number(n: usize) -> String {
    (n as i64 * 37 - 3000).to_string()
}

/// Reads a table of `t` whose last column is `v`, cell set by cell set, and holds what comes against a full reading; returns the rows read in
/// full for each that was selected.
fn compare(session: &dyn Session, key: &[Kind], name: &str) -> f64 {
    let table = session.tables().unwrap().into_iter().find(|table| table.name.name == "t").unwrap();
    let column = |(index, kind): (usize, Kind)| ScanColumn { index, kind, raw: false, tells_absent: false };
    let kinds = key.iter().cloned().chain([Kind::Number]);
    let columns = kinds.enumerate().map(column).collect();
    let scan = Scan { table: table.name.clone(), columns, key_columns: key.len(), any_order: true, ..Scan::default() };
    let read = |scan: &Scan| {
        let (mut rows, mut read) = (Vec::new(), 0);
        for part in session.parts(scan).unwrap() {
            read += part
                .unwrap()
                .read(&mut |block| {
                    rows.extend(block.iter().map(|row| (row.key().to_vec(), row.bytes().to_vec())));
                    Ok(())
                })
                .unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        rows.sort();
        (rows, read)
    };
    let (all, rows) = read(&scan);
    assert!(rows >= 120, "{name}: {rows} rows");
    let (mut found, mut read_in_full) = (0, 0);
    for cell in 0..CELLS {
        let selection = Arc::new(Selection::Hashes(CellSet::new(Cells::of_bits(CELLS.ilog2()), |other| other == cell)));
        let (selected, read) = read(&Scan { cells: Some(Arc::clone(&selection)), ..scan.clone() });
        let expected: Vec<_> = all.iter().filter(|(key, _)| selection.contains(key)).cloned().collect();
        assert_eq!(selected, expected, "{name}");
        found += selected.len();
        read_in_full += read;
    }
    assert_eq!(found, all.len());
    read_in_full as f64 / rows as f64
}

/// Opens a database, and says how many rows were read in full for each row that was wanted.
fn read_by_place(database: &Database, key: &[Kind], name: &str) -> f64 {
    let session = engines::open(&database.location, &OpenOptions::default()).unwrap();
    compare(session.as_ref(), key, name)
}

#[test]
fn mysql_finds_the_rows_of_hostile_keys_by_their_index() {
    use Kind::*;
    let text: Value = |n| format!("_utf8mb4 x'{}'", hostile(n));
    let moment: Value = |n| format!("'2021-03-28' + interval {n} * 1800000001 microsecond");
    let cases: Vec<(&str, &[Kind], Vec<Value>)> = vec![
        ("k varchar(60) character set utf8mb4 collate utf8mb4_general_ci", &[Text], vec![text]),
        ("k varchar(60) character set utf8mb4 collate utf8mb4_unicode_520_ci", &[Text], vec![text]),
        ("k varchar(60) character set utf8mb4 collate utf8mb4_bin", &[Text], vec![text]),
        ("k char(60) character set utf8mb4 collate utf8mb4_general_ci", &[Text], vec![text]),
        ("k varchar(60) character set utf8mb3 collate utf8mb3_unicode_ci", &[Text], vec![text]),
        ("k varchar(60) character set latin1 collate latin1_german1_ci", &[Text], vec![text]),
        ("k varchar(60) character set ascii", &[Text], vec![text]),
        ("k varchar(60) character set ucs2", &[Text], vec![text]),
        ("k varchar(60) character set utf16", &[Text], vec![text]),
        ("k varchar(60) character set gbk", &[Text], vec![text]),
        ("k varbinary(60)", &[Bytes], vec![blob]),
        ("k binary(60)", &[Bytes], vec![blob]),
        ("k bigint", &[Number], vec![number]),
        ("k bigint unsigned", &[Number], vec![|n| format!("18446744073709551615 - {n}")]),
        ("k int(8) unsigned zerofill", &[Number], vec![|n| n.to_string()]),
        ("k decimal(30,7)", &[Number], vec![|n| format!("{}.{:07}", n as i64 - 150, n)]),
        ("k bit(40)", &[Number], vec![|n| (n << 20).to_string()]),
        ("k year", &[Number], vec![|n| if n == 0 { "0".to_string() } else { (1900 + n).to_string() }]),
        ("k date", &[Date], vec![|n| format!("'1969-06-01' + interval {n} day")]),
        ("k datetime(6)", &[Timestamp], vec![moment]),
        ("k timestamp(6)", &[Instant], vec![moment]),
        ("k time(3)", &[Time], vec![|n| format!("'{}:{:02}:11.{n:03}'", n as i64 - 150, n % 60)]),
        (
            "k varchar(60) character set utf8mb4 collate utf8mb4_general_ci, d datetime(6), e enum('a','B''s','c\"\\\\')",
            &[Text, Timestamp, Text],
            vec![text, moment, |n| (n % 4).to_string()],
        ),
        ("s set('x','y','z'), b varbinary(60)", &[Text, Bytes], vec![|n| (n % 8).to_string(), blob]),
    ];
    for engine in Engine::all().into_iter().filter(|engine| engine.is_mysql()) {
        for (columns, kinds, values) in &cases {
            let database = mysql_table(engine, columns, values);
            let read = read_by_place(&database, kinds, columns);
            assert_eq!(read, 1.0, "{engine:?} {columns}: rows read in full for each that was wanted");
        }
        // By another key than that of the audit, which repeats and has NULLs.
        for unique in ["primary key (id)", "unique key (id, e)", "unique key (w)"] {
            let database = Database::new(engine);
            let other = "id bigint not null, e enum('a','b') not null, w varchar(9) character set utf8mb4 not null";
            database.run(&format!("create table t (k varchar(60) character set utf8mb4, v bigint, {other}, {unique})"));
            let key = |n: usize| if n % 50 == 9 { "null".to_string() } else { text(n / 2 * 2) };
            let rows: Vec<String> = (0..250).map(|n| format!("({}, {n}, {}, {}, 'W{n} ')", key(n), n / 2, 1 + n % 2)).collect();
            database.run(&format!("insert ignore into t values {}", rows.join(", ")));
            assert_eq!(read_by_place(&database, &[Text], unique), 1.0, "{engine:?} {unique}");
        }
        // Values that nothing can be compared with, tables without snapshots and views: read in full, and right all the same.
        let unusable: [(&str, &[Kind], Value); 3] = [
            ("k float", &[Kind::Float { bits: 32 }], |n| format!("{n} / 7")),
            ("k double", &[Kind::Float { bits: 64 }], |n| format!("{n} / 7")),
            ("k date", &[Date], |n| if n == 7 { "'0000-00-00'".into() } else { format!("'2021-03-01' + interval {n} day") }),
        ];
        for (columns, kinds, value) in unusable {
            let database = mysql_table(engine, columns, &[value]);
            assert!(read_by_place(&database, kinds, columns) > 1.0, "{columns}");
        }
        let database = mysql_table(engine, "k varchar(60) character set utf8mb4", &[text]);
        database.run("alter table t engine = MyISAM");
        assert!(read_by_place(&database, &[Text], "MyISAM") > 1.0);
        database.run("rename table t to base");
        database.run("create view t as select * from base");
        assert!(read_by_place(&database, &[Text], "view") > 1.0);
    }
}

/// A table with a key of these columns, and as many rows as it takes of the values: what is equal to another under a collation is left out.
fn mysql_table(engine: Engine, columns: &str, values: &[Value]) -> Database {
    let database = Database::new(engine);
    let names: Vec<&str> = columns.split(", ").map(|column| column.split(' ').next().unwrap()).collect();
    database.run("set names utf8mb4, sql_mode = 'ALLOW_INVALID_DATES'");
    database.run(&format!("create table t ({columns}, v bigint, primary key ({}))", names.join(", ")));
    let rows: Vec<String> = (0..250)
        .map(|n| values.iter().map(|value| value(n)).chain([n.to_string()]).collect::<Vec<_>>().join(", "))
        .map(|row| format!("({row})"))
        .collect();
    database.run(&format!("insert ignore into t values {}", rows.join(", ")));
    database
}

#[test]
fn sqlite_finds_the_rows_of_hostile_keys_in_the_order_they_are_stored_in() {
    let text: Value = |n| format!("cast(x'{}' as text)", hostile(n));
    let any: Value = |n| match n % 3 {
        0 => n.to_string(),
        1 => format!("{n}.25"),
        _ => blob(n),
    };
    let cases: [(&str, &str, Value); 8] = [
        ("k text primary key", "", text),
        ("k text collate nocase primary key", "without rowid", text),
        ("k text collate rtrim primary key", "without rowid", text),
        ("k text collate nocase, primary key (k collate binary)", "without rowid", text),
        ("k blob primary key", "without rowid", blob),
        ("k primary key", "without rowid", any),
        ("k integer primary key", "", number),
        ("k real primary key", "without rowid", |n| format!("{n} / 7.0")),
    ];
    for encoding in ["UTF-8", "UTF-16le"] {
        for (columns, storage, value) in &cases {
            let database = Database::new(Engine::Sqlite);
            database.run(&format!("pragma encoding = '{encoding}'"));
            let (column, constraint) = columns.split_once(", ").unwrap_or((columns, ""));
            let constraint = if constraint.is_empty() { String::new() } else { format!(", {constraint}") };
            database.run(&format!("create table t ({column}, v integer{constraint}) {storage}"));
            let rows: Vec<String> = (0..250).map(|n| format!("({}, {n})", value(n))).collect();
            database.run(&format!("insert or ignore into t values {}", rows.join(", ")));
            let read = read_by_place(&database, &[Kind::Held], columns);
            assert_eq!(read, 1.0, "{encoding} {columns} {storage}");
            if *storage == "without rowid" && columns.starts_with("k text") && encoding == "UTF-8" {
                database.run("insert into t values (cast(x'ff61' as text), 0)");
                assert!(read_by_place(&database, &[Kind::Held], columns) > 1.0, "text that is none cannot be asked for");
            }
        }
    }
}

#[test]
fn postgres_finds_rows_by_their_place_whatever_their_keys() {
    for engine in Engine::all().into_iter().filter(|engine| engine.is_postgres()) {
        for ty in ["text collate \"en-x-icu\"", "text collate \"C\"", "bytea"] {
            let database = Database::new(engine);
            database.run(&format!("create table t (k {ty}, v bigint)"));
            let bytes = |n: usize| hostile(n).replace("00", "01");
            let value = |n: usize| match ty {
                "bytea" => format!("decode('{}', 'hex')", hostile(n)),
                _ => format!("convert_from(decode('{}', 'hex'), 'UTF8')", bytes(n)),
            };
            let rows: Vec<String> = (0..250).map(|n| format!("({}, {n})", value(n))).collect();
            database.run(&format!("insert into t values {}", rows.join(", ")));
            // Keys that repeat or are NULL have places all the same.
            database.run("insert into t select k, v + 1000 from t where v % 10 = 0");
            database.run("insert into t values (null, 7), (null, 8)");
            let kind = if ty == "bytea" { Kind::Bytes } else { Kind::Text };
            assert_eq!(read_by_place(&database, &[kind], ty), 1.0, "{ty}");
        }
    }
}

/// A server that cannot hash a table need not be able to tell its cells either.
#[test]
fn rows_of_pushed_cells_are_found_where_the_server_cannot_tell_them() {
    for engine in Engine::all().into_iter().filter(|engine| engine.is_mysql()) {
        let source = Database::new(Engine::Postgres);
        source.run("create table t (k text primary key, v bigint)");
        source.run("insert into t select 'key ' || i, i from generate_series(1, 60000) i");
        let target = Database::new(engine);
        target.run("create table t (k varchar(60) character set latin2 primary key, v bigint)");
        for from in (1..60_000).step_by(5000) {
            let rows: Vec<String> = (from..from + 5000).map(|i| format!("('key {i}', {i})")).collect();
            target.run(&format!("insert into t values {}", rows.join(", ")));
        }
        target.run("update t set v = -v where v = 777");
        let run = Dir::new().diff_words(&[&source.table("t"), &target.table("t"), "--method", "push"]);
        run.drift([0, 0, 1, 0]);
        assert_eq!((&run.table()["method"]["source"], &run.table()["method"]["target"]), (&"push".into(), &"stream".into()));
    }
}
