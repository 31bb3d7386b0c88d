//! Every type with hostile values, described and read back exactly.

use tieout::engines::{Rows, Session};
use tieout::model::canonical::{self, Tag};
use tieout::model::kind::Kind;
use tieout::model::number;
use tieout::model::schema::Type;
use tieout::model::temporal::{DAY, SECOND, days_from_civil};

use super::{encrypted, read, scan, servers, session, table, values};
use crate::databases::{Database, Engine};
use crate::support::Dir;

/// Makes a table of one column, reads it as `kind` in the order of `id`, over either line, and returns its type and the values.
fn column(database: &Database, declared: &str, literals: &[&str], kind: &Kind) -> (Type, Vec<Vec<u8>>) {
    database.run("drop table if exists v");
    database.run(&format!("create table v (id integer primary key, v {declared})"));
    for (id, literal) in literals.iter().enumerate() {
        database.run(&format!("insert into v values ({id}, {literal})"));
    }
    let session = session(database);
    let table = table(session.as_ref(), "v");
    let mut scan = scan(&table, &[("id", Kind::Number), ("v", kind.clone())], 1);
    scan.columns[1].raw = true;
    let read = |session: &dyn Session| {
        let mut rows: Vec<(Vec<u8>, Vec<u8>, Vec<u8>)> = Vec::new();
        for part in session.parts(&scan).unwrap() {
            let read = part.unwrap().read(&mut |block| {
                rows.extend(block.iter().map(|row| (row.key().to_vec(), row.compared().to_vec(), row.raw().to_vec())));
                Ok(())
            });
            read.unwrap();
        }
        rows.sort();
        rows
    };
    let rows = read(session.as_ref());
    assert_eq!(rows, read(encrypted(database).as_ref()), "{:?}: {declared}", database.engine);
    let found = rows.iter().map(|(key, row, _)| row[key.len()..].to_vec()).collect();
    (table.columns[1].ty.clone(), found)
}

fn tagged(tag: Tag, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    canonical::push_bytes(&mut out, tag, bytes);
    out
}

fn text(text: &str) -> Vec<u8> {
    tagged(Tag::Text, text.as_bytes())
}

fn unparsed(text: &str) -> Vec<u8> {
    tagged(Tag::Unparsed, text.as_bytes())
}

fn whole(tag: Tag, value: i128) -> Vec<u8> {
    let mut out = Vec::new();
    canonical::push_whole(&mut out, tag, value);
    out
}

fn decimal(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    assert!(canonical::push_with(&mut out, Tag::Number, |out| number::push_text(out, text)));
    out
}

fn float(value: f64) -> Vec<u8> {
    let mut out = Vec::new();
    canonical::push_float(&mut out, value);
    out
}

fn null() -> Vec<u8> {
    let mut out = Vec::new();
    canonical::push_null(&mut out);
    out
}

/// Holds a column's values against what they must be.
#[track_caller]
fn reads(database: &Database, declared: &str, ty: Type, kind: Kind, cases: &[(&str, Vec<u8>)]) {
    let literals: Vec<&str> = cases.iter().map(|(literal, _)| *literal).chain(["null"]).collect();
    let (found_type, found) = column(database, declared, &literals, &kind);
    assert_eq!(found_type, ty, "{:?}: {declared}", database.engine);
    assert_eq!(found.len(), literals.len(), "{:?}: {declared}", database.engine);
    for ((literal, expected), found) in cases.iter().zip(&found) {
        assert_eq!(found, expected, "{:?}: {declared}: {literal}", database.engine);
    }
    assert_eq!(found[cases.len()], null(), "{:?}: {declared}: null", database.engine);
}

#[test]
fn numbers_are_read_exactly() {
    for engine in servers() {
        let database = Database::new(engine);
        let integer = |bits, signed| Type::Integer { bits, signed };
        for (declared, bits, signed, ends) in [
            ("tinyint", 8, true, ["-128", "127"]),
            ("tinyint(1)", 8, true, ["2", "-1"]),
            ("tinyint unsigned", 8, false, ["0", "255"]),
            ("smallint unsigned", 16, false, ["0", "65535"]),
            ("mediumint", 32, true, ["-8388608", "8388607"]),
            ("mediumint unsigned", 32, false, ["0", "16777215"]),
            ("int(6) unsigned zerofill", 32, false, ["7", "4294967295"]),
            ("bigint", 64, true, ["-9223372036854775808", "9223372036854775807"]),
            ("bigint unsigned", 64, false, ["9223372036854775808", "18446744073709551615"]),
            ("year", 16, false, ["0000", "2155"]),
        ] {
            let cases = ends.map(|end| (end, whole(Tag::Number, end.parse().unwrap())));
            reads(&database, declared, integer(bits, signed), Kind::Number, &cases);
        }
        let longest = "-12345678901234567890123456789012345.123456789012345678901234567891";
        let wide = Type::Decimal { precision: 65, scale: 30 };
        reads(&database, "decimal(65,30)", wide, Kind::Number, &[(longest, decimal(longest)), ("0", decimal("0"))]);
        let filled = Type::Decimal { precision: 10, scale: 2 };
        reads(&database, "decimal(10,2) unsigned zerofill", filled, Kind::Number, &[("1.50", decimal("1.5"))]);
        let single = [("16777216", float(16777216.0)), ("0.1", float(f64::from(0.1f32))), ("-0.0", float(0.0))];
        reads(&database, "float", Type::Float { bits: 32 }, Kind::Float { bits: 32 }, &single);
        let double = [("1e-9", float(1e-9)), ("1.7976931348623157e308", float(f64::MAX)), ("1e0/3e0", float(1.0 / 3.0))];
        reads(&database, "double", Type::Float { bits: 64 }, Kind::Float { bits: 64 }, &double);
        reads(&database, "float", Type::Float { bits: 32 }, Kind::Number, &[("0.1", decimal("0.1"))]);
        let bit = |value: u8| tagged(Tag::Boolean, &[value]);
        reads(&database, "bit(1)", Type::Boolean, Kind::Boolean, &[("b'0'", bit(0)), ("b'1'", bit(1))]);
        let all = whole(Tag::Number, i128::from(u64::MAX));
        reads(&database, "bit(64)", Type::Bits { len: 64 }, Kind::Number, &[("~0", all), ("5", whole(Tag::Number, 5))]);
        reads(&database, "bit(9)", Type::Bits { len: 9 }, Kind::Number, &[("256", whole(Tag::Number, 256))]);
    }
}

#[test]
fn dates_and_times_are_read_exactly_and_zero_dates_equal_only_themselves() {
    for engine in servers() {
        let database = Database::new(engine);
        // As an old server let people store them.
        database.run("set sql_mode = 'ALLOW_INVALID_DATES'");
        let day = |year, month, day| i128::from(days_from_civil(year, month, day));
        let days = [
            ("'2024-02-29'", whole(Tag::Date, day(2024, 2, 29))),
            ("'9999-12-31'", whole(Tag::Date, day(9999, 12, 31))),
            ("'0000-00-00'", unparsed("0000-00-00")),
            ("'2022-00-15'", unparsed("2022-00-15")),
            ("'2022-02-31'", unparsed("2022-02-31")),
        ];
        reads(&database, "date", Type::Date, Kind::Date, &days);
        let civil = [
            ("'1969-12-31 23:59:59.999999'", whole(Tag::Timestamp, -1000)),
            ("'1000-01-01 00:00:00.5'", whole(Tag::Timestamp, day(1000, 1, 1) * DAY + SECOND / 2)),
            ("'0000-00-00 00:00:00'", unparsed("0000-00-00 00:00:00")),
            ("'2022-00-15 10:00:00.25'", unparsed("2022-00-15 10:00:00.25")),
        ];
        reads(&database, "datetime(6)", Type::Timestamp { digits: 6 }, Kind::Timestamp, &civil);
        // The test's session is in UTC; the server's zone is +05:45, and the audit's session must not be.
        let instants = [
            ("'1970-01-01 00:00:01'", whole(Tag::Instant, SECOND)),
            ("'2021-03-28 02:30:00.125'", whole(Tag::Instant, day(2021, 3, 28) * DAY + 9000 * SECOND + SECOND / 8)),
            ("'0000-00-00 00:00:00'", unparsed("0000-00-00 00:00:00")),
        ];
        reads(&database, "timestamp(3) null", Type::Instant { digits: 3 }, Kind::Instant, &instants);
        let hours = |hours: i128| whole(Tag::Time, hours * 3600 * SECOND);
        let times = [
            ("'-01:00:00'", hours(-1)),
            ("'25:00:00'", hours(25)),
            ("'838:59:59'", whole(Tag::Time, 3_020_399 * SECOND)),
            ("'-838:59:59'", whole(Tag::Time, -3_020_399 * SECOND)),
            ("'00:00:00.000001'", whole(Tag::Time, 1000)),
        ];
        reads(&database, "time(6)", Type::Time { digits: 6 }, Kind::Time, &times);
    }
}

#[test]
fn text_of_every_charset_becomes_utf8_and_bytes_stay_bytes() {
    for engine in servers() {
        let database = Database::new(engine);
        let emoji = [("'\u{1f600}'", text("\u{1f600}")), ("''", text("")), ("' a\\0b '", text(" a\0b ")), ("'?'", text("?"))];
        reads(&database, "longtext character set utf8mb4", Type::Text, Kind::Text, &emoji);
        for charset in ["latin1", "utf8mb3", "cp1250", "utf16", "ucs2", "utf32", "gbk", "sjis", "koi8r", "ascii"] {
            let sample = match charset {
                "gbk" | "sjis" => "日本?",
                "koi8r" => "Привет?",
                "ascii" => "plain?",
                _ => "é?",
            };
            let declared = format!("varchar(20) character set {charset}");
            let padded = format!("{sample} ");
            let literals = [format!("'{sample}'"), format!("'{padded}'")];
            reads(&database, &declared, Type::Text, Kind::Text, &[(&literals[0], text(sample)), (&literals[1], text(&padded))]);
        }
        // Windows' curly quotes, which MySQL's latin1 has, and the five bytes that Windows does not use.
        let quotes = [("_latin1 x'93'", text("\u{201c}")), ("_latin1 x'81'", text("\u{81}"))];
        reads(&database, "varchar(9) character set latin1", Type::Text, Kind::Text, &quotes);
        reads(&database, "char(10)", Type::Char, Kind::PaddedText, &[("'abc'", text("abc")), ("'abc  '", text("abc"))]);
        let bytes = |bytes: &[u8]| tagged(Tag::Bytes, bytes);
        reads(&database, "binary(4)", Type::Bytes, Kind::Bytes, &[("'a'", bytes(b"a\0\0\0")), ("x'00ff'", bytes(&[0, 255, 0, 0]))]);
        reads(&database, "varbinary(4)", Type::Bytes, Kind::Bytes, &[("''", bytes(b"")), ("x'fffe20'", bytes(&[255, 254, 32]))]);
        let labels = [("'b'", text("b")), ("'é'", text("é"))];
        reads(&database, "enum('é','b') character set utf8mb4", Type::Text, Kind::Text, &labels);
        reads(&database, "set('x','y') character set latin1", Type::Text, Kind::Text, &[("'y,x'", text("x,y")), ("''", text(""))]);
    }
}

#[test]
fn an_enum_of_no_label_is_empty_text_and_not_null() {
    for engine in servers() {
        let database = Database::new(engine);
        database.run("set sql_mode = ''");
        reads(&database, "enum('a')", Type::Text, Kind::Text, &[("'none'", text("")), ("'a'", text("a"))]);
    }
}

/// Failure: bytes that the server cannot convert came out as a question mark, equal to a real one.
/// Cause: a server replaces what it cannot convert without a word.
/// Fix: such columns are converted there and back, and what does not come back is read as bytes.
#[test]
fn what_the_server_cannot_convert_is_no_question_mark() {
    for engine in servers() {
        let database = Database::new(engine);
        database.run("create table v (id integer primary key, v varbinary(20))");
        // 0x98 is no character in Windows' Cyrillic.
        database.run("insert into v values (0, x'3f'), (1, x'98'), (2, x'3f98'), (3, x'cff0')");
        database.run("alter table v modify v varchar(20) character set cp1251");
        let session = session(&database);
        let table = table(session.as_ref(), "v");
        let scan = scan(&table, &[("id", Kind::Number), ("v", Kind::Text)], 1);
        let rows: Vec<_> = read(session.as_ref(), &scan).unwrap().into_iter().flat_map(|part| part.rows).collect();
        let found: Vec<_> = rows.iter().map(|(_, row)| values(row)[1]).collect();
        let all: Vec<(Tag, &[u8])> = found.iter().map(|value| (value.tag, value.bytes)).collect();
        assert_eq!(all[0], (Tag::Text, b"?".as_slice()), "{engine:?}");
        assert_ne!(all[1], all[0], "{engine:?}");
        assert_ne!(all[2], (Tag::Text, b"??".as_slice()), "{engine:?}");
        assert_eq!(all[3], (Tag::Text, "Пр".as_bytes()), "{engine:?}");
    }
}

/// The key of a row that is held as it came is told before its other values are looked at.
#[test]
fn what_the_server_cannot_convert_is_no_question_mark_in_a_key_either() {
    for engine in servers() {
        let database = Database::new(engine);
        database.run("create table v (v varbinary(20) primary key, n integer)");
        database.run("insert into v values (x'3f', 1), (x'98', 2)");
        database.run("alter table v modify v varchar(20) character set cp1251");
        let session = session(&database);
        let table = table(session.as_ref(), "v");
        let scan = scan(&table, &[("v", Kind::Text), ("n", Kind::Number)], 1);
        let expected: Vec<_> = read(session.as_ref(), &scan).unwrap().into_iter().flat_map(|part| part.rows).collect();
        let mut keys = Vec::new();
        for part in session.parts(&scan).unwrap() {
            let read = part.unwrap().read_deferred(&mut |rows| {
                let Rows::Deferred(rows) = rows else { panic!("{engine:?}: expected rows as they came") };
                keys.extend((0..rows.len()).map(|row| rows.key(row).into_owned()));
                Ok(())
            });
            assert_eq!(read.unwrap(), 2, "{engine:?}");
        }
        assert!(keys.iter().eq(expected.iter().map(|(key, _)| key)), "{engine:?}");
        assert_ne!(keys[0], keys[1], "{engine:?}");
    }
}

/// Rows that were held as they came on one side, and by the driver in canonical bytes on the other.
#[test]
fn a_line_that_is_encrypted_on_one_side_alone_changes_no_verdict() {
    for engine in servers() {
        let [source, target] = [(); 2].map(|()| {
            let database = Database::new(engine);
            database.run("create table v (id integer primary key, a decimal(10,2), b datetime(6), c varchar(20))");
            let rows: Vec<String> =
                (0..3000).map(|id| format!("({id}, {id}.25, '2024-01-01' + interval {id} second, 'row {id}')")).collect();
            database.run(&format!("insert into v values {}", rows.join(", ")));
            database
        });
        target.run("update v set b = null where id = 1000");
        target.run("delete from v where id in (7, 2999)");
        target.run("insert into v values (5000, 1, null, null)");
        for locations in
            [[source.plain(), target.plain()], [source.plain(), target.encrypted()], [source.encrypted(), target.plain()]]
        {
            Dir::new().diff_words(&[&locations[0], &locations[1], "--method", "stream"]).drift([2, 1, 1, 0]);
        }
    }
}

#[test]
fn json_is_read_by_structure_with_its_numbers_exact() {
    for engine in servers() {
        let database = Database::new(engine);
        let document = |text: &str| {
            let mut out = Vec::new();
            assert!(tieout::model::json::push_document(&mut out, text));
            out
        };
        let cases = [
            (r#"'{"b": 1, "a": [9007199254740993, 5.4445, null]}'"#, document(r#"{"a":[9007199254740993,5.4445,null],"b":1}"#)),
            ("'18446744073709551615'", document("18446744073709551615")),
            ("'\"é\"'", document("\"é\"")),
            ("'null'", document("null")),
        ];
        reads(&database, "json", Type::Json, Kind::Json, &cases);
    }
}

#[test]
fn types_of_one_engine_are_read_as_their_own_text() {
    for engine in servers() {
        let database = Database::new(engine);
        let native = |name: &str| Type::Native { engine: "MySQL", name: name.into() };
        let point = format!("SRID=0;0101000000{:016x}{:016x}", 1.5f64.to_bits().swap_bytes(), (-2f64).to_bits().swap_bytes());
        reads(&database, "point", native("point"), Kind::Text, &[("st_geomfromtext('POINT(1.5 -2)')", text(&point))]);
        if engine == Engine::Mariadb {
            let uuid = 0x550e8400_e29b_41d4_a716_446655440000u128.to_be_bytes();
            reads(
                &database,
                "uuid",
                Type::Uuid,
                Kind::Uuid,
                &[("'550e8400-e29b-41d4-a716-446655440000'", tagged(Tag::Uuid, &uuid))],
            );
            reads(&database, "inet6", native("inet6"), Kind::Text, &[("'::1'", text("::1"))]);
        } else {
            reads(
                &database,
                "vector(3)",
                native("vector"),
                Kind::Text,
                &[("string_to_vector('[1,2.5,-0.1]')", text("[1,2.5,-0.1]"))],
            );
        }
    }
}

#[test]
fn views_generated_and_invisible_columns_and_hostile_names_are_read() {
    for engine in servers() {
        let database = Database::new(engine);
        let long = "ü".repeat(64);
        let names = ["a`b", "\"; drop table x; --", "it's", "a.b", "100%", "?", "$1", "select", "日本", long.as_str()];
        for name in names {
            let quoted = database.quoted(name);
            database.run(&format!(
                "create table {quoted} ({quoted} integer primary key, `g` integer generated always as ({quoted} + 1) virtual, `i` integer invisible default 7)"
            ));
            database.run(&format!("insert into {quoted} ({quoted}) values (1), (2)"));
        }
        database.run(&format!("create view `the view` as select {0} as x, `g` from {0}", database.quoted("a`b")));
        let session = session(&database);
        for name in names {
            let table = table(session.as_ref(), name);
            assert_eq!(table.keys, [[name.to_string()]], "{engine:?}");
            let scan = scan(&table, &[(name, Kind::Number), ("g", Kind::Number), ("i", Kind::Number)], 1);
            let rows: Vec<_> = read(session.as_ref(), &scan).unwrap().into_iter().flat_map(|part| part.rows).collect();
            let expected = [[1, 2, 7], [2, 3, 7]].map(|row| row.map(|value| whole(Tag::Number, value)).concat());
            assert_eq!(rows.iter().map(|(_, row)| row.clone()).collect::<Vec<_>>(), expected, "{engine:?}: {name}");
        }
        let view = table(session.as_ref(), "the view");
        assert!(view.keys.is_empty());
        let rows = read(session.as_ref(), &scan(&view, &[("x", Kind::Number), ("g", Kind::Number)], 1)).unwrap();
        assert_eq!(rows.iter().map(|part| part.rows.len()).sum::<usize>(), 2);
    }
}

#[test]
fn an_empty_table_has_parts_but_no_rows_and_a_condition_selects() {
    for engine in servers() {
        let database = Database::new(engine);
        database.run("create table e (id integer primary key, v varchar(9))");
        database.run("create table f (id integer primary key, v varchar(9))");
        database.run("insert into f values (1, 'a'), (2, 'b'), (3, null)");
        let session = session(&database);
        let of = |name: &str, condition: Option<&str>| {
            let table = table(session.as_ref(), name);
            let mut scan = scan(&table, &[("id", Kind::Number), ("v", Kind::Text)], 1);
            scan.condition = condition.map(str::to_string);
            read(session.as_ref(), &scan).unwrap().iter().map(|part| part.rows.len()).sum::<usize>()
        };
        assert_eq!((of("e", None), of("f", None)), (0, 3), "{engine:?}");
        // Quotes and a comment mean what MySQL means by them, whatever the server's mode.
        assert_eq!(of("f", Some("v = \"a\" or v is null -- not b")), 2, "{engine:?}");
    }
}
