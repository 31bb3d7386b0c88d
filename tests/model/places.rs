//! Places where a random table can be: what each of them calls a type, which values it holds, and how they get there.

use arrow::datatypes::TimeUnit;

use super::files::Format;
use super::kinds::{L, P};
use super::text::spell;
use super::value::{DAY, Num, V};
use crate::databases::{Database, Engine};

/// A database, or files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    In(Engine),
    Files(Format),
}

/// How a place stores a column: the type as the place names it, and as the model does.
#[derive(Clone, Debug, PartialEq)]
pub struct Storage {
    pub sql: &'static str,
    pub stored: P,
}

const MICROS: TimeUnit = TimeUnit::Microsecond;
/// Text in MariaDB that tells all texts apart in a key.
const WORDS: &str = "varchar(120) character set utf8mb4 collate utf8mb4_nopad_bin";
const PADDED_WORDS: &str = "char(120) character set utf8mb4 collate utf8mb4_nopad_bin";
/// The same in MySQL.
const MYSQL_WORDS: &str = "varchar(120) character set utf8mb4 collate utf8mb4_0900_bin";
const MYSQL_PADDED_WORDS: &str = "char(120) character set utf8mb4 collate utf8mb4_0900_bin";
/// Characters that those hold.
const WORDS_MAX: usize = 120;

impl Place {
    pub fn is_server(self) -> bool {
        matches!(self, Place::In(engine) if engine != Engine::Sqlite)
    }

    pub fn is_postgres(self) -> bool {
        matches!(self, Place::In(engine) if engine.is_postgres())
    }

    fn is_mysql(self) -> bool {
        matches!(self, Place::In(engine) if engine.is_mysql())
    }

    pub fn is_csv(self) -> bool {
        self == Place::Files(Format::Csv)
    }

    /// How the place can store a type; nothing if it cannot. CSV stores everything as the other side does.
    pub fn storages(self, ty: &L) -> Vec<Storage> {
        let list: Vec<(&str, P)> = match self {
            Place::In(engine) if engine.is_postgres() => match ty {
                L::Num => vec![
                    ("smallint", P::Int(16, true)),
                    ("integer", P::Int(32, true)),
                    ("bigint", P::Int(64, true)),
                    ("oid", P::Int(32, false)),
                    ("numeric(12,2)", P::Dec(128, 12, 2)),
                    ("numeric(20,0)", P::Dec(128, 20, 0)),
                    ("numeric", P::Dec(256, 60, 20)),
                    ("boolean", P::Bool),
                    ("bit(1)", P::Bool),
                ],
                L::Float => vec![("real", P::F32), ("double precision", P::F64)],
                L::Bool => vec![("boolean", P::Bool), ("bit(1)", P::Bool)],
                L::Text => {
                    vec![("text", P::Utf8), ("varchar(120)", P::Utf8), ("char(120)", P::Utf8), ("text collate loose", P::Utf8)]
                }
                L::Bytes => vec![("bytea", P::Binary)],
                L::Date => vec![("date", P::Date32)],
                L::Time => vec![("time", P::Time(MICROS)), ("time(3)", P::Time(TimeUnit::Millisecond))],
                L::Stamp => {
                    vec![("timestamp", P::Stamp(MICROS)), ("date", P::Date32), ("timestamp(0)", P::Stamp(TimeUnit::Second))]
                }
                L::Instant => {
                    vec![
                        ("timestamptz", P::Instant(MICROS)),
                        ("timestamp(3)", P::Stamp(TimeUnit::Millisecond)),
                        ("date", P::Date32),
                    ]
                }
                L::Uuid => vec![("uuid", P::Uuid)],
                _ => vec![],
            },
            Place::In(Engine::Sqlite) => match ty {
                L::Num => vec![("INTEGER", P::Int(64, true)), ("BOOLEAN", P::Bool)],
                L::Float => vec![("DOUBLE", P::F64)],
                L::Bool => vec![("BOOLEAN", P::Bool)],
                L::Text => vec![("TEXT", P::Utf8)],
                L::Bytes => vec![("BLOB", P::Binary)],
                L::Date => vec![("DATE", P::Date32)],
                L::Time => vec![("TIME", P::Time(MICROS))],
                L::Stamp => vec![("DATETIME", P::Stamp(MICROS)), ("DATE", P::Date32)],
                L::Instant => vec![("DATETIME", P::Stamp(MICROS)), ("TIMESTAMPTZ", P::Instant(MICROS))],
                L::Uuid => vec![("UUID", P::Uuid), ("TEXT", P::Utf8)],
                _ => vec![],
            },
            Place::In(engine) => match ty {
                L::Text if engine == Engine::Mysql => vec![(MYSQL_WORDS, P::Utf8), (MYSQL_PADDED_WORDS, P::Utf8)],
                L::Uuid if engine == Engine::Mysql => vec![(MYSQL_PADDED_WORDS, P::Utf8), ("varbinary(16)", P::Binary)],
                L::Num => vec![
                    ("tinyint", P::Int(8, true)),
                    ("smallint unsigned", P::Int(16, false)),
                    ("int", P::Int(32, true)),
                    ("bigint", P::Int(64, true)),
                    ("bigint unsigned", P::Int(64, false)),
                    ("decimal(12,2)", P::Dec(128, 12, 2)),
                    ("decimal(40,10)", P::Dec(256, 40, 10)),
                    ("bit(1)", P::Bool),
                ],
                L::Float => vec![("float", P::F32), ("double", P::F64)],
                L::Bool => vec![("bit(1)", P::Bool)],
                L::Text => vec![(WORDS, P::Utf8), (PADDED_WORDS, P::Utf8)],
                L::Bytes => vec![("varbinary(40)", P::Binary)],
                L::Date => vec![("date", P::Date32)],
                L::Time => vec![("time(6)", P::Time(MICROS)), ("time(3)", P::Time(TimeUnit::Millisecond))],
                L::Stamp => vec![("datetime(6)", P::Stamp(MICROS)), ("date", P::Date32)],
                L::Instant => vec![("timestamp(6) null default null", P::Instant(MICROS)), ("datetime(6)", P::Stamp(MICROS))],
                L::Uuid => vec![("uuid", P::Uuid), (PADDED_WORDS, P::Utf8), ("varbinary(16)", P::Binary)],
                _ => vec![],
            },
            Place::Files(_) => match ty {
                L::Num => vec![
                    ("", P::Int(8, true)),
                    ("", P::Int(32, false)),
                    ("", P::Int(64, true)),
                    ("", P::Int(64, false)),
                    ("", P::Dec(128, 12, 2)),
                    ("", P::Dec(256, 60, 20)),
                    ("", P::Bool),
                ],
                L::Float => vec![("", P::F32), ("", P::F64)],
                L::Bool => vec![("", P::Bool)],
                L::Text => vec![("", P::Utf8)],
                L::Bytes => vec![("", P::Binary)],
                L::Date => vec![("", P::Date32)],
                L::Time => vec![("", P::Time(MICROS)), ("", P::Time(TimeUnit::Nanosecond))],
                L::Stamp => vec![("", P::Stamp(MICROS)), ("", P::Stamp(TimeUnit::Nanosecond)), ("", P::Date32)],
                L::Instant => vec![("", P::Instant(MICROS)), ("", P::Stamp(TimeUnit::Millisecond))],
                L::Uuid => vec![("", P::Uuid), ("", P::Utf8), ("", P::Binary)],
                _ => vec![],
            },
        };
        list.into_iter().map(|(sql, stored)| Storage { sql, stored }).collect()
    }

    /// Whether the place holds a value without loss.
    pub fn holds(self, storage: &Storage, value: &V) -> bool {
        const YEARS: std::ops::Range<i128> = -354_285..2_932_897; // 1000 to 9999
        let day = match value {
            V::Date(days) => *days,
            V::Stamp(at) | V::Instant(at) => at.div_euclid(DAY),
            _ => 0,
        };
        match value {
            V::Num(Num::NaN) => return storage.sql.starts_with("numeric") || self.is_csv(),
            V::Text(text) if text.contains('\0') || text.chars().count() > WORDS_MAX => return false,
            V::Float(float) if !self.is_postgres() && !float.get().is_finite() => return matches!(self, Place::Files(_)),
            V::Instant(_) if storage.sql.starts_with("timestamp") && self.is_mysql() => return (1..24_000).contains(&day),
            _ if !YEARS.contains(&day) && !self.is_postgres() && self != Place::Files(Format::Parquet) => return false,
            _ => {}
        }
        storage.stored.fits(value)
    }

    /// A value in a statement.
    fn literal(self, storage: &Storage, value: &V) -> String {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let moment = |ty: &str, at: i128| {
            // Before version 14, intervals of above 2^31 microseconds must be spelled as seconds.
            let (day, rest) = (at.div_euclid(DAY), at.rem_euclid(DAY) / 1000);
            format!("({ty} + interval '{day} days' + interval '{}.{:06} seconds')", rest / 1_000_000, rest % 1_000_000)
        };
        let text = || spell(value, &storage.stored, false, &mut fastrand::Rng::with_seed(0));
        let quoted = |text: &str| match self.is_mysql() {
            true => format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''")),
            false => format!("'{}'", text.replace('\'', "''")),
        };
        match value {
            V::Null => "null".to_string(),
            V::Date(days) if self.is_postgres() => format!("(date '1970-01-01' + ({days}))"),
            V::Stamp(at) | V::Instant(at) if self.is_postgres() && storage.sql == "date" => {
                format!("(date '1970-01-01' + ({}))", at.div_euclid(DAY))
            }
            V::Stamp(at) if self.is_postgres() => moment("timestamp '1970-01-01'", *at),
            V::Instant(at) if self.is_postgres() && storage.sql != "timestamptz" => moment("timestamp '1970-01-01'", *at),
            V::Instant(at) if self.is_postgres() => moment("timestamptz '1970-01-01 00:00:00+00'", *at),
            V::Stamp(at) | V::Instant(at) if storage.stored == P::Date32 => {
                quoted(&spell(&V::Date(at.div_euclid(DAY)), &storage.stored, false, &mut fastrand::Rng::with_seed(0)))
            }
            V::Instant(_) if storage.sql != "TIMESTAMPTZ" => quoted(text().trim_end_matches('Z')),
            V::Bytes(bytes) if self.is_postgres() => format!("'\\x{}'", hex(bytes)),
            V::Bytes(bytes) => format!("x'{}'", hex(bytes)),
            V::Uuid(bytes) if storage.stored == P::Binary => format!("x'{}'", hex(bytes)),
            V::Bool(value) if storage.sql == "boolean" => value.to_string(),
            V::Bool(value) if self.is_postgres() => format!("'{}'", u8::from(*value)),
            V::Bool(value) => u8::from(*value).to_string(),
            V::Num(_) | V::Float(_) if self.is_postgres() => format!("'{}'", text()),
            V::Num(_) => text(),
            V::Float(float) => format!("{:e}", float.get()),
            _ => quoted(&text()),
        }
    }
}

/// Makes the table in a database, its columns in this order.
pub fn create(
    database: &Database,
    columns: &[(&str, &Storage, usize)],
    primary_key: &[&str],
    rows: &[Vec<V>],
    random: &mut fastrand::Rng,
) {
    let place = Place::In(database.engine);
    database.run("drop table if exists t");
    let mut definitions: Vec<String> = columns.iter().map(|(name, storage, _)| format!("{name} {}", storage.sql)).collect();
    let has_dropped = place.is_postgres() && random.u8(0..4) == 0;
    if has_dropped {
        definitions.insert(random.usize(0..=definitions.len()), "dropped integer default 7".to_string());
    }
    let key = if primary_key.is_empty() { String::new() } else { format!(", primary key ({})", primary_key.join(", ")) };
    database.run(&format!("create table t ({}{key})", definitions.join(", ")));
    let names: Vec<&str> = columns.iter().map(|(name, ..)| *name).collect();
    let row = |row: &Vec<V>| {
        let values: Vec<String> = columns.iter().map(|(_, storage, index)| place.literal(storage, &row[*index])).collect();
        format!("({})", values.join(", "))
    };
    for rows in rows.chunks(200) {
        let rows: Vec<String> = rows.iter().map(row).collect();
        database.run(&format!("insert into t ({}) values {}", names.join(", "), rows.join(", ")));
    }
    if has_dropped {
        database.run("alter table t drop column dropped");
    }
    if random.bool() {
        database.run(if place.is_mysql() { "analyze table t" } else { "analyze" });
    }
}
