//! Every pair of engines by every category of types: equal data ties out, and each changed cell is exactly one finding.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};

use crate::databases::{Database, Engine};
use crate::support::{Dir, NULL};

/// A category of types: what each store calls it, and values that all of them hold.
struct Category {
    name: &'static str,
    postgres: &'static str,
    mysql: &'static str,
    sqlite: &'static str,
    /// As a column of a Parquet file; `None`: there is none.
    parquet: Option<DataType>,
    /// As text that every store reads; the last one is what a cell is changed to.
    samples: &'static [&'static str],
}

fn categories() -> Vec<Category> {
    let category = |name, [postgres, mysql, sqlite]: [&'static str; 3], parquet, samples| Category {
        name,
        postgres,
        mysql,
        sqlite,
        parquet,
        samples,
    };
    use DataType::*;
    vec![
        category("small", ["smallint", "smallint", "SMALLINT"], Some(Int16), &["0", "-32768", "32767", "1"]),
        category(
            "big",
            ["bigint", "bigint", "BIGINT"],
            Some(Int64),
            &["9223372036854775807", "-9223372036854775808", "9007199254740993", "9007199254740992"],
        ),
        category(
            "huge",
            ["numeric(20,0)", "bigint unsigned", "none"],
            Some(UInt64),
            &["0", "18446744073709551615", "9223372036854775808", "9223372036854775807"],
        ),
        category(
            "money",
            ["numeric(12,2)", "decimal(12,2)", "DECIMAL(12,2)"],
            Some(Decimal128(12, 2)),
            &["0.00", "-0.19", "9999999999.99", "1.00", "1.40"],
        ),
        category(
            "wide",
            ["numeric", "decimal(65,30)", "none"],
            None,
            &[
                "12345678901234567890123456789012345.123456789012345678901234567890",
                "-0.000000000000000000000000000001",
                "0",
                "0.000000000000000000000000000002",
            ],
        ),
        category(
            "eight",
            ["double precision", "double", "DOUBLE"],
            Some(Float64),
            &["0.1", "1e-9", "1e26", "1.7976931348623157e308", "-2.2250738585072014e-308", "0.3333333333333333", "2e-9"],
        ),
        category("four", ["real", "float", "none"], Some(Float32), &["0.1", "16777216", "-1.5", "3.4028235e38", "0.2"]),
        category(
            "words",
            ["text", "text character set utf8mb4", "TEXT"],
            Some(Utf8),
            &[
                "",
                " ",
                "a",
                "A",
                "é",
                "e\u{301}",
                "naïve 😀",
                "it's \"q\" \\ back",
                "line\nfeed",
                "tab\there",
                "NULL",
                "trailing ",
                "trailing",
            ],
        ),
        category(
            "short",
            ["varchar(40)", "varchar(40) character set latin1", "VARCHAR(40)"],
            Some(Utf8),
            &["abc", "ABC", "é", "ß", "abc "],
        ),
        category(
            "day",
            ["date", "date", "DATE"],
            Some(Date32),
            &["2024-02-29", "1970-01-01", "1000-01-01", "9999-12-31", "2024-03-01"],
        ),
        category(
            "clock",
            ["time(6)", "time(6)", "TIME"],
            Some(Time64(TimeUnit::Microsecond)),
            &["00:00:00", "23:59:59.999999", "10:00:00.5", "10:00:00.500001"],
        ),
        category(
            "civil",
            ["timestamp(6)", "datetime(6)", "DATETIME"],
            Some(Timestamp(TimeUnit::Microsecond, None)),
            &[
                "2024-02-29 10:00:00.123456",
                "1969-12-31 23:59:59.999999",
                "2021-03-28 02:30:00",
                "9999-12-31 23:59:59.999999",
                "2021-03-28 02:30:00.000001",
            ],
        ),
        category(
            "instant",
            ["timestamptz", "timestamp(6)", "none"],
            Some(Timestamp(TimeUnit::Microsecond, Some("+00:00".into()))),
            &["2021-10-31 00:30:00", "2021-10-31 01:30:00", "2024-02-29 10:00:00.123456", "2024-02-29 10:00:00.123457"],
        ),
        category("flag", ["boolean", "tinyint(1)", "BOOLEAN"], Some(Boolean), &["1", "0"]),
        category(
            "guid",
            ["uuid", "char(36)", "UUID"],
            Some(Utf8),
            &[
                "550e8400-e29b-41d4-a716-446655440000",
                "00000000-0000-0000-0000-000000000000",
                "550e8400-e29b-41d4-a716-446655440001",
            ],
        ),
        category(
            "doc",
            ["jsonb", "json", "JSON"],
            Some(Utf8),
            &[r#"{"a": 1, "b": [true, null, "x"]}"#, "[]", "{}", r#"{"b": [true, null, "y"], "a": 1}"#],
        ),
        category("mood", ["mood", "enum('sad','ok','happy')", "TEXT"], Some(Utf8), &["sad", "happy", "ok"]),
        category("raw", ["bytea", "varbinary(40)", "BLOB"], Some(Binary), &["00ff", "", "61", "6100", "6101"]),
    ]
}

/// Where a copy of the data can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    In(Engine),
    Csv,
    Parquet,
}

impl Place {
    fn all() -> Vec<Place> {
        Engine::all().into_iter().map(Place::In).chain([Place::Csv, Place::Parquet]).collect()
    }

    /// Whether the place has a type for a category.
    fn has(self, category: &Category) -> bool {
        match self {
            Place::In(Engine::Sqlite) => category.sqlite != "none",
            Place::In(_) => true,
            Place::Csv => category.name != "raw",
            Place::Parquet => category.parquet.is_some(),
        }
    }
}

/// The rows of the test: a row for each sample of each category, all other cells by turns; then a row of NULLs.
fn rows(categories: &[&Category]) -> Vec<Vec<Option<String>>> {
    let longest = categories.iter().map(|category| category.samples.len()).max().unwrap_or(0);
    let kept = |category: &Category| category.samples.len() - 1;
    let mut rows: Vec<Vec<Option<String>>> = (0..longest)
        .map(|row| categories.iter().map(|category| Some(category.samples[row % kept(category)].to_string())).collect())
        .collect();
    rows.push(vec![None; categories.len()]);
    rows
}

fn literal(engine: Engine, category: &Category, cell: &Option<String>) -> String {
    let Some(text) = cell else { return "NULL".to_string() };
    let quoted = match engine.is_mysql() {
        true => format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''")),
        false => format!("'{}'", text.replace('\'', "''")),
    };
    match (category.name, engine) {
        ("raw", engine) if engine.is_postgres() => format!("decode({quoted}, 'hex')"),
        ("raw", _) => format!("x{quoted}"),
        ("flag", engine) if engine.is_postgres() => format!("({text} = 1)"),
        ("flag", _) => text.clone(),
        ("instant", engine) if engine.is_postgres() => format!("'{text}+00'"),
        ("eight" | "four", engine) if engine.is_mysql() => text.clone(),
        _ => quoted,
    }
}

/// Puts the rows where they can be compared; returns the location.
fn store(
    place: Place,
    dir: &Dir,
    name: &str,
    categories: &[&Category],
    rows: &[Vec<Option<String>>],
) -> (String, Option<Database>) {
    match place {
        Place::Csv => {
            let field = |cell: &Option<String>| match cell {
                None => NULL.to_string(),
                Some(text) => format!("\"{}\"", text.replace('"', "\"\"")),
            };
            let mut text = categories.iter().fold("k".to_string(), |header, category| header + "," + category.name) + "\n";
            for (k, row) in rows.iter().enumerate() {
                text += &row.iter().map(field).fold(k.to_string(), |line, cell| line + "," + &cell);
                text += "\n";
            }
            dir.write(&format!("{name}.csv"), text);
            (format!("{name}.csv"), None)
        }
        Place::Parquet => {
            let mut fields = vec![Field::new("k", DataType::Int64, true)];
            let keys: StringArray = (0..rows.len()).map(|k| Some(k.to_string())).collect();
            let mut columns = vec![cast(&keys, &DataType::Int64).unwrap()];
            for (i, category) in categories.iter().enumerate() {
                let ty = category.parquet.clone().unwrap();
                fields.push(Field::new(category.name, ty.clone(), true));
                columns.push(column(category, &ty, rows.iter().map(|row| row[i].as_deref())));
            }
            dir.table(&format!("{name}.parquet"), &RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap());
            (format!("{name}.parquet"), None)
        }
        Place::In(engine) => {
            let database = Database::new(engine);
            if engine.is_postgres() {
                database.run("create type mood as enum ('happy', 'ok', 'sad')");
            }
            let ty = |category: &Category| match engine {
                Engine::Postgres | Engine::Postgres18 => category.postgres,
                Engine::Mariadb | Engine::Mysql | Engine::Unlogged => category.mysql,
                Engine::Sqlite => category.sqlite,
            };
            let null = |ty: &str| if engine.is_mysql() && ty.starts_with("timestamp") { " null" } else { "" };
            let columns = categories.iter().map(|category| format!(", {} {}{}", category.name, ty(category), null(ty(category))));
            database.run(&format!("create table {name} (k bigint primary key{})", columns.collect::<String>()));
            for (k, row) in rows.iter().enumerate() {
                let values = categories.iter().zip(row).map(|(category, cell)| format!(", {}", literal(engine, category, cell)));
                database.run(&format!("insert into {name} values ({k}{})", values.collect::<String>()));
            }
            (database.table(name), Some(database))
        }
    }
}

fn column<'a>(category: &Category, ty: &DataType, cells: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    let texts: StringArray = cells.collect();
    match ty {
        DataType::Binary => {
            let hex = |text: &str| (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect();
            let bytes: Vec<Option<Vec<u8>>> = texts.iter().map(|text| text.map(hex)).collect();
            Arc::new(bytes.iter().map(|bytes| bytes.as_deref()).collect::<arrow::array::BinaryArray>())
        }
        _ => {
            let array = cast(&texts, ty).unwrap();
            assert_eq!(array.null_count(), texts.iter().filter(Option::is_none).count(), "{}", category.name);
            array
        }
    }
}

impl Place {
    /// Whether the values of a category can be hashed as those of the other side are. PostgreSQL hashes floats; as text, which
    /// MySQL needs, they are not the same everywhere, and neither are documents.
    fn hashes(self, other: Place, category: &Category) -> bool {
        let as_text = [self, other].into_iter().any(|place| matches!(place, Place::In(engine) if engine.is_mysql()));
        self.has(category) && category.name != "doc" && !(as_text && ["eight", "four"].contains(&category.name))
    }

    fn is_server(self) -> bool {
        matches!(self, Place::In(engine) if engine != Engine::Sqlite)
    }
}

#[test]
fn servers_of_all_kinds_and_this_program_hash_equal_rows_alike() {
    let all = categories();
    let places: Vec<Place> = Place::all().into_iter().filter(|place| *place != Place::Csv).collect();
    for (at, &source) in places.iter().enumerate() {
        for &target in places[at..].iter().filter(|target| source.is_server() || target.is_server()) {
            let shared: Vec<&Category> =
                all.iter().filter(|category| source.hashes(target, category) && target.hashes(source, category)).collect();
            let mut rows = rows(&shared);
            let longest = rows.len() - 1;
            for (i, category) in shared.iter().enumerate() {
                rows[i % longest][i] = Some(category.samples[category.samples.len() - 1].to_string());
            }
            let dir = Dir::new();
            let (source_location, _source) = store(source, &dir, "pairs", &shared, &rows);
            let (target_location, _target) = store(target, &dir, "pairs", &shared, &rows);
            let columns: Vec<&str> = shared.iter().map(|category| category.name).collect();
            for columns in std::iter::once(columns.join(",")).chain(columns.iter().map(|name| name.to_string())) {
                let chosen = ["--key", "k", "--columns", &columns, "--method", "push"];
                let run = dir.diff_words(&[&[source_location.as_str(), &target_location], &chosen[..]].concat());
                run.tied_out();
                // Were a hash of one side not that of the other, the rows would have come over to be compared.
                for (side, place) in [("source", source), ("target", target)] {
                    let method = if place.is_server() { "push" } else { "stream" };
                    assert_eq!(run.table()["method"][side], method, "{run:#?}");
                    let rows = if place.is_server() { 0 } else { rows.len() };
                    assert_eq!(run.table()["rows_streamed"][side], rows, "{source:?} to {target:?}: {columns} {run:#?}");
                }
            }
        }
    }
}

#[test]
fn equal_data_ties_out_between_every_pair_and_each_changed_cell_is_one_finding() {
    let all = categories();
    let places = Place::all();
    for &source in &places {
        for &target in &places {
            if matches!((source, target), (Place::Csv | Place::Parquet, Place::Csv | Place::Parquet)) {
                continue;
            }
            let shared: Vec<&Category> = all.iter().filter(|category| source.has(category) && target.has(category)).collect();
            let rows = rows(&shared);
            let dir = Dir::new();
            let (source_location, _source) = store(source, &dir, "pairs", &shared, &rows);
            let (target_location, _target) = store(target, &dir, "pairs", &shared, &rows);
            let diff = |target: &str| dir.diff_words(&[&source_location, target, "--key", "k", "--null", NULL]);
            diff(&target_location).tied_out();

            // Each category's cell changes in a row of its own.
            let mut changed = rows.clone();
            let longest = changed.len() - 1;
            for (i, category) in shared.iter().enumerate() {
                let last = category.samples[category.samples.len() - 1].to_string();
                let row = i % longest;
                assert_ne!(changed[row][i].as_ref(), Some(&last), "{}", category.name);
                changed[row][i] = Some(last);
            }
            let (changed_location, _changed) = store(target, &dir, "pairs", &shared, &changed);
            let run = diff(&changed_location);
            let keys = shared.len().min(longest) as u64;
            run.drift([0, 0, keys, 0]);
            for category in &shared {
                assert_eq!(run.column(category.name)["changed"], 1, "{source:?} to {target:?}: {} {run:#?}", category.name);
            }
        }
    }
}
