//! The traps of type-cases that databases can express: each a table in two databases, with its strict verdict, in both
//! directions, on servers whose defaults would change it.

use std::fmt::Write;

use serde_json::Value;

use crate::databases::{Database, Engine};
use crate::support::Dir;

/// What the audit must say of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Says {
    /// Equal, compared exactly.
    Equal,
    /// Equal by a comparison that is declared.
    Declared,
    /// One changed cell.
    Differs,
    /// No comparison: the table is incomplete and the column listed.
    Uncompared,
}
use Says::{Declared, Differs, Equal, Uncompared};

/// A value on one side: the type, and the literal in the engine's SQL.
type Cell = (&'static str, &'static str);

/// The name of a case in type-cases, its two sides, and what is said.
type Case = (&'static str, Cell, Cell, Says);

const POSTGRES_TO_MYSQL: &[Case] = &[
    ("n01", ("smallint", "-5"), ("bigint", "-5"), Equal),
    ("n01t", ("integer", "-5"), ("tinyint", "-5"), Equal),
    ("n01m", ("numeric", "-5"), ("mediumint", "-5"), Equal),
    ("n02a", ("smallint", "255"), ("tinyint unsigned", "255"), Equal),
    ("n02b", ("integer", "65535"), ("smallint unsigned", "65535"), Equal),
    ("n02c", ("integer", "16777215"), ("mediumint unsigned", "16777215"), Equal),
    ("n02d", ("bigint", "4294967295"), ("int unsigned zerofill", "4294967295"), Equal),
    ("n03a", ("numeric(20,0)", "18446744073709551615"), ("bigint unsigned", "18446744073709551615"), Equal),
    ("n03b", ("bigint", "-1"), ("bigint unsigned", "18446744073709551615"), Differs),
    ("n04", ("bigint", "-9223372036854775808"), ("bigint unsigned", "9223372036854775808"), Differs),
    ("n05", ("bigint", "9007199254740993"), ("bigint", "9007199254740992"), Differs),
    ("n06a", ("integer", "1"), ("decimal(10,2)", "1.00"), Equal),
    ("n06b", ("integer", "1"), ("decimal(10,2)", "1.40"), Differs),
    ("n07", ("numeric", "1.4"), ("decimal(10,1)", "1.3"), Differs),
    ("n08", ("numeric", "1.0"), ("decimal(10,2)", "1.00"), Equal),
    ("n09", ("numeric", "-0.19"), ("decimal(10,0)", "0"), Differs),
    ("n10", ("numeric", "0.100000000000000000000000000001"), ("decimal(65,30)", "0.100000000000000000000000000002"), Differs),
    (
        "n10b",
        ("numeric", "12345678901234567890123456789012345.1"),
        ("decimal(65,30)", "12345678901234567890123456789012345.1"),
        Equal,
    ),
    ("n11", ("numeric", "0.611111104488373"), ("decimal(28,6)", "0.611111"), Differs),
    ("n12", ("numeric", "'NaN'"), ("decimal(10,2)", "0"), Differs),
    ("n13", ("double precision", "1e-9"), ("double", "2e-9"), Differs),
    ("n14", ("double precision", "1.7976931348623157e308"), ("double", "1.7976931348623157e308"), Equal),
    ("n14b", ("double precision", "2.2250738585072014e-308"), ("double", "2.2250738585072014e-308"), Equal),
    ("n16", ("double precision", "'NaN'"), ("double", "NULL"), Differs),
    ("n16b", ("double precision", "'Infinity'"), ("double", "1.7976931348623157e308"), Differs),
    ("n17", ("double precision", "'-0'"), ("double", "0"), Equal),
    ("n18", ("double precision", "0"), ("double", "NULL"), Differs),
    ("n19a", ("real", "0.1"), ("double", "0.10000000149011612"), Equal),
    ("n19b", ("real", "0.1"), ("double", "0.1"), Differs),
    ("n20", ("real", "16777216"), ("float", "16777216"), Equal),
    ("n21", ("double precision", "1::float8/3"), ("double", "0.3333333333333333"), Equal),
    ("n22", ("double precision", "0.1"), ("double", "0.10000000000000002"), Differs),
    ("n23a", ("boolean", "true"), ("tinyint(1)", "1"), Declared),
    ("n23b", ("boolean", "true"), ("tinyint(1)", "2"), Differs),
    ("n24", ("boolean", "NULL"), ("tinyint(1)", "0"), Differs),
    ("n25", ("money", "1.50"), ("decimal(10,2)", "1.50"), Uncompared),
    ("t01a", ("timestamp(6)", "'2022-03-01 15:10:01.139'"), ("datetime(3)", "'2022-03-01 15:10:01.139'"), Equal),
    ("t01b", ("timestamp(6)", "'2022-04-01 15:10:02.020409'"), ("datetime(3)", "'2022-04-01 15:10:02.020'"), Differs),
    ("t03", ("timestamp", "'2022-04-01 15:10:02.000001'"), ("datetime(6)", "'2022-04-01 15:10:02.000002'"), Differs),
    ("t04", ("date", "'2022-01-01'"), ("date", "'2022-01-01'"), Equal),
    ("t05a", ("date", "'2022-01-01'"), ("datetime", "'2022-01-01 00:00:00'"), Declared),
    ("t05b", ("date", "'2022-01-01'"), ("datetime", "'2022-01-01 00:00:01'"), Differs),
    ("t06a", ("time", "'10:00:00'"), ("time", "'10:00:00'"), Equal),
    ("t06b", ("time", "'10:00:00.5'"), ("time", "'10:00:01'"), Differs),
    ("t07a", ("time", "'01:00:00'"), ("time", "'-01:00:00'"), Differs),
    ("t07b", ("time", "'01:00:00'"), ("time", "'25:00:00'"), Differs),
    ("t07c", ("time", "'23:59:59'"), ("time", "'838:59:59'"), Differs),
    ("t08", ("time", "'24:00:00'"), ("time", "'00:00:00'"), Differs),
    ("t09", ("timetz", "'12:00+00'"), ("time", "'12:00'"), Uncompared),
    ("t10", ("timestamptz", "'2021-07-01 12:00:00+02'"), ("timestamp", "'2021-07-01 10:00:00'"), Equal),
    ("t11a", ("timestamptz", "'2021-07-01 12:00:00+00'"), ("datetime", "'2021-07-01 12:00:00'"), Declared),
    ("t11b", ("timestamptz", "'2021-07-01 12:00:00+00'"), ("datetime", "'2021-07-01 20:00:00'"), Differs),
    ("t13", ("timestamptz", "'2021-10-31 00:30:00+00'"), ("timestamp", "'2021-10-31 01:30:00'"), Differs),
    ("t14", ("timestamp", "'2021-03-28 02:30:00'"), ("datetime", "'2021-03-28 03:30:00'"), Differs),
    ("t16", ("timestamp", "'infinity'"), ("datetime", "'9999-12-31'"), Differs),
    ("t17", ("date", "'0044-03-15 BC'"), ("date", "'0044-03-15'"), Differs),
    ("t18", ("date", "'0999-12-31'"), ("date", "'0999-12-31'"), Equal),
    ("t18b", ("date", "'0001-01-01'"), ("date", "'0001-01-01'"), Equal),
    ("t19", ("date", "'10000-01-01'"), ("date", "'9999-12-31'"), Differs),
    ("t20a", ("date", "NULL"), ("date", "'0000-00-00'"), Differs),
    ("t20b", ("date", "'1970-01-01'"), ("date", "'0000-00-00'"), Differs),
    ("t20c", ("date", "'0001-01-01'"), ("date", "'0000-00-00'"), Differs),
    ("t20d", ("timestamp", "'1970-01-01'"), ("datetime", "'0000-00-00 00:00:00'"), Differs),
    ("t22", ("timestamp", "'1970-01-01 00:00:00'"), ("datetime", "'1970-01-01 00:00:01'"), Differs),
    ("t25a", ("smallint", "2024"), ("year", "2024"), Equal),
    ("t25b", ("smallint", "2000"), ("year", "0000"), Differs),
    ("t25c", ("smallint", "NULL"), ("year", "0000"), Differs),
    ("s01", ("text", "''"), ("text", "NULL"), Differs),
    ("s02", ("text", "' '"), ("text", "''"), Differs),
    ("s03a", ("text", "NULL"), ("text", "'NULL'"), Differs),
    ("s03b", ("text", "NULL"), ("text", "'<null>'"), Differs),
    ("s03c", ("text", "NULL"), ("varchar(20)", "'DEFAULT_REPLACEMENT'"), Differs),
    ("s07a", ("text", "'abc'"), ("varchar(10)", "'abc '"), Differs),
    ("s07b", ("text", "'abc'"), ("varchar(10)", "' abc'"), Differs),
    ("s08", ("char(10)", "'abc'"), ("char(10)", "'abc'"), Declared),
    ("s09a", ("char(10)", "'abc'"), ("varchar(20)", "'abc'"), Declared),
    ("s09b", ("varchar(10)", "'abcd'"), ("char(10)", "'abc'"), Differs),
    ("s10a", ("text", "'abc'"), ("varchar(10) collate latin1_german1_ci", "'ABC'"), Differs),
    ("s10b", ("text", "'e'"), ("varchar(10) character set utf8mb4", "'é'"), Differs),
    ("s10c", ("text", "'ss'"), ("varchar(10) character set utf8mb4", "'ß'"), Differs),
    ("s11", ("text", "E'\\u00e9'"), ("varchar(10) character set utf8mb4", "_utf8mb4 x'65CC81'"), Differs),
    ("s12", ("text", "'😀'"), ("varchar(10) character set utf8mb4", "'😁'"), Differs),
    ("s12b", ("text", "'😀'"), ("varchar(10) character set utf8mb4", "'😀'"), Equal),
    ("s13", ("text", "'😀'"), ("varchar(10) character set utf8mb4", "'?'"), Differs),
    ("s14a", ("text", "'é'"), ("varchar(10) character set latin1", "'é'"), Equal),
    ("s14b", ("text", "'é'"), ("varchar(10) character set utf8mb4", "'Ã©'"), Differs),
    ("s15", ("text", "'“'"), ("varchar(10) character set latin1", "'“'"), Equal),
    ("s16", ("text", "' '"), ("varchar(10)", "x'00'"), Differs),
    ("s17", ("text", "E'a\\r\\nb'"), ("text", "x'610A62'"), Differs),
    ("s18", ("text", "'ab'"), ("text character set utf8mb4", "_utf8mb4 x'61E2808B62'"), Differs),
    ("s23", ("integer", "1"), ("varchar(10)", "'1'"), Uncompared),
    ("b01a", ("bytea", "'\\x00ff'"), ("varbinary(10)", "x'00FF'"), Equal),
    ("b01b", ("bytea", "'\\x00ff'"), ("varbinary(10)", "x'00FE'"), Differs),
    ("b03", ("bytea", "'\\x61'"), ("binary(4)", "x'61'"), Differs),
    ("b03b", ("bytea", "'\\x61000000'"), ("binary(4)", "x'61'"), Equal),
    ("b04", ("bytea", "'\\x00ff'"), ("varchar(10)", "'00ff'"), Uncompared),
    ("b05", ("bytea", "''"), ("blob", "NULL"), Differs),
    ("b06a", ("uuid", "'550e8400-e29b-41d4-a716-446655440000'"), ("char(36)", "'550e8400-e29b-41d4-a716-446655440000'"), Declared),
    ("b06b", ("uuid", "'550e8400-e29b-41d4-a716-446655440000'"), ("char(36)", "'550E8400-E29B-41D4-A716-446655440000'"), Declared),
    ("b07", ("uuid", "'550e8400-e29b-41d4-a716-446655440000'"), ("binary(16)", "x'550e8400e29b41d4a716446655440000'"), Declared),
    ("b07b", ("uuid", "'550e8400-e29b-41d4-a716-446655440000'"), ("binary(16)", "x'41d4e29b550e8400a716446655440000'"), Differs),
    ("b10", ("jsonb", r#"'{"a":1,"b":2}'"#), ("json", r#"'{"b":2, "a":1}'"#), Declared),
    ("b11a", ("jsonb", "'1'"), ("json", r#"'"1"'"#), Differs),
    ("b11b", ("jsonb", "'1'"), ("json", "'true'"), Differs),
    ("b12", ("jsonb", "'9007199254740993'"), ("json", "'9007199254740992'"), Differs),
    ("b14", ("jsonb", r#"'"é"'"#), ("json", r#"'"é"'"#), Declared),
    ("b15a", ("jsonb", "'null'"), ("json", "NULL"), Differs),
    ("b15b", ("jsonb", "'{}'"), ("json", "'[]'"), Differs),
    ("b15c", ("jsonb", "'[1,2]'"), ("json", "'[2,1]'"), Differs),
    ("b17a", ("mood", "'ok'"), ("enum('happy','sad','ok')", "'ok'"), Equal),
    ("b17b", ("mood", "NULL"), ("enum('happy','sad','ok')", "''"), Differs),
    ("b19", ("text", "'b,a'"), ("set('a','b')", "'a,b'"), Differs),
    ("b20", ("boolean", "true"), ("bit(1)", "b'1'"), Equal),
    ("b21a", ("integer", "5"), ("bit(8)", "b'00000101'"), Declared),
    ("b21b", ("bit(8)", "B'00000101'"), ("bit(8)", "b'00000101'"), Equal),
    ("b22", ("bigint", "-1"), ("bit(64)", "0xFFFFFFFFFFFFFFFF"), Differs),
    ("b23", ("integer[]", "'{1,2}'"), ("varchar(10)", "'{1,2}'"), Uncompared),
    ("b24", ("inet", "'10.0.0.1'"), ("varchar(20)", "'10.0.0.1'"), Uncompared),
    ("b25", ("tsvector", "'a'"), ("varchar(20)", "'a'"), Uncompared),
];

const POSTGRES_TO_POSTGRES: &[Case] = &[
    ("n12a", ("numeric", "'NaN'"), ("numeric", "'NaN'"), Equal),
    ("n12b", ("numeric", "'NaN'"), ("numeric", "NULL"), Differs),
    ("n12c", ("numeric", "'Infinity'"), ("numeric", "'-Infinity'"), Differs),
    ("n15", ("double precision", "'NaN'"), ("double precision", "'NaN'"), Equal),
    ("n15b", ("real", "'NaN'"), ("double precision", "'NaN'"), Equal),
    ("n25", ("money", "1.50"), ("money", "1.50"), Declared),
    ("n25b", ("money", "1.50"), ("money", "1.51"), Differs),
    (
        "n10",
        ("numeric", "('1' || repeat('0', 2000) || '.5')::numeric"),
        ("numeric", "('1' || repeat('0', 2000) || '.50')::numeric"),
        Equal,
    ),
    ("n06", ("double precision", "0.1"), ("numeric", "0.1"), Declared),
    ("n06b", ("double precision", "0.1"), ("numeric", "0.1000000000000000055511151231257827"), Differs),
    ("t08", ("time", "'24:00:00'"), ("time", "'24:00:00'"), Equal),
    ("t09", ("timetz", "'12:00+00'"), ("timetz", "'13:00+01'"), Differs),
    ("t16a", ("timestamptz", "'infinity'"), ("timestamptz", "'infinity'"), Equal),
    ("t16b", ("timestamp", "'infinity'"), ("timestamp", "'-infinity'"), Differs),
    ("t16c", ("date", "'infinity'"), ("date", "NULL"), Differs),
    ("t17a", ("timestamp", "'4713-01-01 00:00:00 BC'"), ("timestamp", "'4713-01-01 00:00:00 BC'"), Equal),
    ("t17b", ("timestamp", "'0044-03-15 BC'"), ("timestamp", "'0044-03-15'"), Differs),
    ("t19", ("timestamp", "'294276-12-31 23:59:59.999999'"), ("timestamp", "'294276-12-31 23:59:59.999999'"), Equal),
    ("t23", ("interval", "'1 mon'"), ("interval", "'30 days'"), Differs),
    ("t23b", ("interval", "'1 day'"), ("interval", "'24:00:00'"), Differs),
    ("t23c", ("interval", "'1 mon -3 days 04:05:06.789'"), ("interval", "'1 mon -3 days 04:05:06.789'"), Equal),
    ("s08", ("char(10)", "'abc'"), ("char(5)", "'abc'"), Declared),
    ("s09", ("char(10)", "'abc'"), ("varchar", "'abcd'"), Differs),
    ("s10", ("text", "'abc'"), ("varchar(10)", "'abc'"), Equal),
    ("b06", ("uuid", "'550e8400-e29b-41d4-a716-446655440000'"), ("text", "'{550e8400e29b41d4a716446655440000}'"), Differs),
    ("b08", ("uuid", "'550e8400-e29b-41d4-a716-446655440000'"), ("char(32)", "'550e8400e29b41d4a716446655440000'"), Declared),
    ("b10", ("json", r#"'{"a":1,"b":2}'"#), ("json", r#"'{"b":2, "a":1}'"#), Declared),
    ("b13", ("json", r#"'{"a":1,"a":2}'"#), ("json", r#"'{"a":2}'"#), Differs),
    ("b13b", ("jsonb", r#"'{"a":1,"a":2}'"#), ("jsonb", r#"'{"a":2}'"#), Declared),
    ("b12", ("json", "'123456789012345678901234567890.1'"), ("jsonb", "'123456789012345678901234567890.10'"), Declared),
    ("b17", ("mood", "'ok'"), ("text", "'ok'"), Equal),
    ("b21", ("bit(8)", "B'00000101'"), ("varbit(8)", "B'00000101'"), Uncompared),
    ("b23a", ("integer[]", "'{1,NULL,3}'"), ("bigint[]", "'{1,NULL,3}'"), Equal),
    ("b23b", ("integer[]", "'{1,2}'"), ("integer[]", "'{2,1}'"), Differs),
    ("b23c", ("integer[]", "'{{1,2},{3,4}}'"), ("integer[]", "'{1,2,3,4}'"), Differs),
    ("b23d", ("integer[]", "'[0:1]={1,2}'"), ("integer[]", "'{1,2}'"), Differs),
    ("b23e", ("text[]", "'{}'"), ("text[]", "NULL"), Differs),
    ("b23f", ("text[]", "'{NULL}'"), ("text[]", "'{\"NULL\"}'"), Differs),
    ("b23g", ("int4range", "'[1,5)'"), ("int4range", "'[1,4]'"), Declared),
    (
        "b23h",
        ("tstzrange", "'[2024-01-01 00:00+00,2024-01-02 00:00+00)'"),
        ("tstzrange", "'[2024-01-01 01:00+01,2024-01-02 01:00+01)'"),
        Declared,
    ),
    ("b24a", ("inet", "'10.0.0.1'"), ("inet", "'10.0.0.1/32'"), Declared),
    ("b24b", ("inet", "'10.0.0.1'"), ("inet", "'10.0.0.2'"), Differs),
    ("b24c", ("macaddr", "'08:00:2b:01:02:03'"), ("macaddr", "'08002b:010203'"), Declared),
    ("b25", ("xml", "'<a/>'"), ("xml", "'<a/>'"), Declared),
    ("b25b", ("tsvector", "'a b'"), ("tsvector", "'a c'"), Differs),
    ("b01", ("bytea", "'\\xc328'"), ("bytea", "'\\xa0a1'"), Differs),
];

const MYSQL_TO_MYSQL: &[Case] = &[
    ("t12", ("datetime", "'2021-03-28 02:30:00'"), ("datetime", "'2021-03-28 02:30:00'"), Equal),
    ("t21a", ("date", "'2022-00-15'"), ("date", "'2022-00-15'"), Equal),
    ("t21b", ("date", "'2022-00-15'"), ("date", "'2022-01-00'"), Differs),
    ("t21c", ("datetime", "'0000-00-00 00:00:00'"), ("datetime", "'0000-00-00 00:00:00'"), Equal),
    ("t07", ("time", "'-838:59:59'"), ("time", "'838:59:59'"), Differs),
    ("t07b", ("time(6)", "'-00:00:00.000001'"), ("time(6)", "'-00:00:00.000001'"), Equal),
    ("s14", ("varchar(10) character set latin1", "'é'"), ("varchar(10) character set utf8mb4", "'é'"), Equal),
    ("s10", ("varchar(10)", "'abc'"), ("varchar(10)", "'ABC'"), Differs),
    ("b10", ("json", r#"'{"a":1,"b":2}'"#), ("json", r#"'{"b":2, "a":1}'"#), Declared),
    ("b16", ("json", "'[1.1e308, 0.1, 1e-7]'"), ("json", "'[1.1e308, 0.1, 1e-7]'"), Declared),
    ("b17", ("enum('a','b')", "'b'"), ("enum('b','a')", "'b'"), Equal),
    ("b22", ("bit(64)", "0xFFFFFFFFFFFFFFFF"), ("bigint unsigned", "18446744073709551615"), Declared),
    ("b25", ("point", "point(1,2)"), ("point", "point(1,2)"), Declared),
    ("b25b", ("point", "point(1,2)"), ("point", "point(2,1)"), Differs),
    ("b03", ("binary(4)", "x'61'"), ("varbinary(4)", "x'61'"), Differs),
    ("n18", ("float", "0"), ("float", "NULL"), Differs),
    // The same bytes of other values, and other bytes of the same.
    ("n03a", ("bigint unsigned", "18446744073709551615"), ("bigint", "-1"), Differs),
    ("n03b", ("int unsigned", "4294967295"), ("int", "-1"), Differs),
    ("n18b", ("float", "1"), ("int", "1065353216"), Differs),
    ("n18c", ("double", "1"), ("bigint", "4607182418800017408"), Differs),
    ("n01", ("int", "-5"), ("bigint", "-5"), Equal),
    ("n08", ("decimal(10,1)", "1.5"), ("decimal(12,2)", "1.50"), Equal),
    ("s14b", ("varchar(10) character set cp1251", "'?'"), ("varchar(10) character set latin1", "'?'"), Equal),
];

const POSTGRES_TO_SQLITE: &[Case] = &[
    ("n01", ("integer", "1"), ("INTEGER", "1"), Equal),
    ("f05a", ("integer", "1"), ("INT", "'one'"), Differs),
    ("f05b", ("bytea", "'\\x61'"), ("BLOB", "'a'"), Differs),
    ("n17", ("double precision", "'-0'"), ("REAL", "0.0"), Equal),
    ("n15", ("double precision", "'NaN'"), ("REAL", "NULL"), Differs),
    ("n24", ("boolean", "true"), ("BOOLEAN", "1"), Declared),
    ("n24b", ("boolean", "true"), ("BOOLEAN", "2"), Differs),
    ("n06", ("numeric(12,2)", "1.50"), ("DECIMAL(12,2)", "1.5"), Declared),
    ("t01", ("timestamp", "'2024-01-01 10:00:00.5'"), ("DATETIME", "'2024-01-01 10:00:00.500'"), Declared),
    ("t01b", ("timestamp", "'2024-01-01 10:00:00.5'"), ("DATETIME", "'2024-01-01 10:00:00'"), Differs),
    ("t04", ("date", "'2024-01-01'"), ("DATE", "'2024-01-01'"), Declared),
    ("t26", ("date", "'1970-01-02'"), ("DATE", "1"), Differs),
    ("s07", ("text", "'abc'"), ("TEXT", "'abc '"), Differs),
    ("s16", ("text", "'a'"), ("TEXT", "'a' || char(0)"), Differs),
    ("b06", ("uuid", "'550e8400-e29b-41d4-a716-446655440000'"), ("UUID", "'550e8400-e29b-41d4-a716-446655440000'"), Declared),
    ("b10", ("jsonb", r#"'{"a":1,"b":2}'"#), ("JSON", r#"'{"b":2, "a":1}'"#), Declared),
];

const SQLITE_TO_SQLITE: &[Case] = &[
    ("f05a", ("BLOB", "'1'"), ("BLOB", "1"), Differs),
    ("f05b", ("TEXT", "x'61'"), ("TEXT", "'a'"), Differs),
    ("f05c", ("DATETIME", "'2024-01-01'"), ("DATETIME", "'2024-01-01 00:00:00'"), Differs),
    ("s22", ("TEXT", "cast(x'c328' as text)"), ("TEXT", "cast(x'a0a1' as text)"), Differs),
    ("n05", ("NUMERIC", "9007199254740993"), ("NUMERIC", "9007199254740992.0"), Differs),
    ("s01", ("TEXT", "''"), ("TEXT", "NULL"), Differs),
];

/// Puts one side of all cases into a database, a table for each.
fn fill(engine: Engine, cases: &[Case], side: fn(&Case) -> Cell) -> Database {
    let database = Database::new(engine);
    if engine.is_postgres() {
        database.run("create type mood as enum ('sad', 'ok', 'happy')");
    }
    for case in cases {
        let (ty, value) = side(case);
        let null = if engine.is_mysql() && ty.starts_with("timestamp") { " null" } else { "" };
        database.run(&format!("create table {} (k integer primary key, v {ty}{null})", case.0));
        database.run(&format!("insert into {} values (1, {value})", case.0));
    }
    database
}

/// What the summary of a table says.
fn said(table: &Value) -> Result<Says, String> {
    let column = table["columns"].as_array().and_then(|columns| columns.iter().find(|column| column["source"] == "v"));
    match (table["verdict"].as_str(), column) {
        (Some("tied_out"), Some(column)) if column["exact"] == true => Ok(Equal),
        (Some("tied_out"), Some(_)) => Ok(Declared),
        (Some("drift"), Some(column)) if column["changed"] == 1 && table["differences"]["changed"] == 1 => Ok(Differs),
        (Some("incomplete"), None) if table["not_compared"][0]["column"] == "v" => Ok(Uncompared),
        _ => Err(table.to_string()),
    }
}

/// Audits two databases of cases in both directions, and once more with the fingerprints added up by servers: what these
/// say must never be another thing.
fn check(engines: [Engine; 2], cases: &[Case]) {
    let sides = [fill(engines[0], cases, |case| case.1), fill(engines[1], cases, |case| case.2)];
    let mut wrong = String::new();
    let turns = [([0, 1], "stream"), ([1, 0], "stream"), ([0, 1], "push")];
    for ([source, target], method) in turns {
        let dir = Dir::new();
        // Over lines that are encrypted, and over others.
        let location = |side: usize| if source == 0 { sides[side].plain() } else { sides[side].location.clone() };
        let run = dir.diff_words(&[&location(source), &location(target), "--method", method]);
        let tables = run.summary["tables"].as_array().unwrap_or_else(|| panic!("{run:#?}"));
        for (name, _, _, says) in cases {
            let table = tables.iter().find(|table| table["source"].as_str().unwrap().rsplit('.').next() == Some(name));
            if table.is_some_and(|table| table["errors"].to_string().contains("cannot be pushed down")) {
                continue;
            }
            let found = table.map_or(Err("no such table".to_string()), said);
            if found != Ok(*says) {
                let _ = writeln!(
                    wrong,
                    "{:?} to {:?} by {method}, {name}: expected {says:?}, found {found:?}",
                    engines[source], engines[target]
                );
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

fn check_all(one: fn(Engine) -> bool, other: fn(Engine) -> bool, cases: &[Case]) {
    for engine in Engine::all().into_iter().filter(|engine| one(*engine)) {
        for against in Engine::all().into_iter().filter(|engine| other(*engine)) {
            check([engine, against], cases);
        }
    }
}

fn is_sqlite(engine: Engine) -> bool {
    engine == Engine::Sqlite
}

#[test]
fn postgres_against_mysql() {
    check_all(Engine::is_postgres, Engine::is_mysql, POSTGRES_TO_MYSQL);
}

#[test]
fn postgres_against_postgres() {
    check_all(Engine::is_postgres, Engine::is_postgres, POSTGRES_TO_POSTGRES);
}

#[test]
fn mysql_against_mysql() {
    check_all(Engine::is_mysql, Engine::is_mysql, MYSQL_TO_MYSQL);
}

#[test]
fn postgres_against_sqlite() {
    check_all(Engine::is_postgres, is_sqlite, POSTGRES_TO_SQLITE);
}

#[test]
fn sqlite_against_sqlite() {
    check_all(is_sqlite, is_sqlite, SQLITE_TO_SQLITE);
}
