//! Tables, columns and keys, as the schema has them.

use tieout::engines::Session;
use tieout::model::schema::Type;

use super::{database, open, parts, scan};
use crate::support::Dir;

#[test]
fn everything_a_database_has_is_described_but_what_it_keeps_for_itself() {
    let dir = Dir::new();
    let sql = "CREATE TABLE orders (id INTEGER PRIMARY KEY, code TEXT NOT NULL UNIQUE, note TEXT UNIQUE, total DECIMAL(10,2),
                 net AS (total / 2) VIRTUAL, gross REAL AS (total * 2) STORED);
        CREATE UNIQUE INDEX some ON orders (total) WHERE total > 0;
        CREATE UNIQUE INDEX lower ON orders (lower(code));
        CREATE TABLE texts (a TEXT PRIMARY KEY, b INT NOT NULL, c INT NOT NULL, UNIQUE (c, b));
        CREATE TABLE down (id INTEGER PRIMARY KEY DESC, v);
        CREATE TABLE pairs (a INT, b TEXT, v JSON, PRIMARY KEY (b, a)) WITHOUT ROWID;
        CREATE TABLE strict (a INT PRIMARY KEY, b ANY) STRICT;
        CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT);
        CREATE VIEW paid AS SELECT id, total FROM orders;
        CREATE VIRTUAL TABLE words USING fts5(title, body);
        INSERT INTO words VALUES ('a', 'b c'), ('d', 'e');
        INSERT INTO orders (id, code, total) VALUES (1, 'a', 1.5), (2, 'b', 3);
        ANALYZE;";
    database(&dir, "a.db", sql);
    let session = open(&dir, "a.db");
    let tables = session.tables().unwrap();
    let table = |name: &str| tables.iter().find(|table| table.name.name == name).unwrap();
    let names: Vec<&str> = tables.iter().map(|table| table.name.name.as_str()).collect();
    assert_eq!(names, ["counted", "down", "orders", "paid", "pairs", "strict", "texts", "words"]);
    for (name, keys) in [
        ("orders", vec![vec!["id"], vec!["code"]]),
        ("texts", vec![vec!["a"], vec!["c", "b"]]),
        ("down", vec![vec!["id"]]),
        ("pairs", vec![vec!["b", "a"]]),
        ("strict", vec![vec!["a"]]),
        ("paid", vec![]),
        ("words", vec![]),
    ] {
        assert_eq!(table(name).keys, keys, "{name}");
    }
    let columns: Vec<(&str, &str)> =
        table("orders").columns.iter().map(|column| (column.name.as_str(), column.native.as_str())).collect();
    assert_eq!(
        columns,
        [("id", "INTEGER"), ("code", "TEXT"), ("note", "TEXT"), ("total", "DECIMAL(10,2)"), ("net", ""), ("gross", "REAL")]
    );
    let integer = Type::Integer { bits: 64, signed: true };
    assert_eq!(table("orders").columns[0].ty, integer);
    // Not the rowid under another name, so it can hold anything.
    assert_eq!(table("down").columns[0].ty, Type::Held(Box::new(integer)));
    assert_eq!(table("pairs").columns[2].ty, Type::Held(Box::new(Type::Json)));
    assert_eq!(table("words").columns.len(), 2);
    assert_eq!((table("orders").rows, table("counted").rows), (Some(2), Some(0)));
    assert_eq!(parts(&session, &scan("orders", &[0, 4, 5], 1)).concat().len(), 2);
    assert_eq!(parts(&session, &scan("words", &[0, 1], 1)).concat().len(), 2);
    assert_eq!(parts(&session, &scan("counted", &[0], 1)).concat().len(), 0);
    assert_eq!(session.tables().unwrap(), tables);
}

#[test]
fn names_are_what_they_are() {
    let dir = Dir::new();
    let names = [
        "\"; drop table x; --",
        "two words",
        "o'clock",
        "`tick`",
        "a.b",
        "semi;colon",
        "100%",
        "?",
        "$1",
        ":x",
        "@y",
        "1st",
        "Привет",
        "order",
        "select",
        "MixedCase",
        "😀",
        "trailing ",
        "[x]",
        "rowid",
        "new\nline",
    ];
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    for file in ["a.db", "b.db"] {
        let writer = database(&dir, file, "");
        for name in names {
            let columns: Vec<String> = names.iter().map(|name| quoted(name)).collect();
            let name = quoted(name);
            writer
                .execute_batch(&format!("CREATE TABLE {name} ({} PRIMARY KEY, {})", columns[0], columns[1..].join(", ")))
                .unwrap();
            let values: Vec<String> = (0..columns.len()).map(|i| format!("'v{i}'")).collect();
            writer.execute_batch(&format!("INSERT INTO {name} VALUES ({})", values.join(", "))).unwrap();
        }
    }
    let run = dir.diff("sqlite:a.db sqlite:b.db");
    assert_eq!((run.code, run.verdict()), (0, "tied_out"), "{run:#?}");
    assert_eq!(run.summary["tables"].as_array().unwrap().len(), names.len());
}

#[test]
fn columns_that_take_all_names_of_the_rowid_leave_the_table_whole() {
    let dir = Dir::new();
    database(
        &dir,
        "a.db",
        "CREATE TABLE t (rowid TEXT, _rowid_ TEXT, OID TEXT); INSERT INTO t VALUES ('a', 'b', 'c'), ('d', 'e', 'f')",
    );
    database(&dir, "b.db", "CREATE TABLE t (rowid TEXT PRIMARY KEY, v); INSERT INTO t VALUES ('a', 1), ('d', 2)");
    assert_eq!(parts(&open(&dir, "a.db"), &scan("t", &[0, 1, 2], 1)).concat().len(), 2);
    assert_eq!(parts(&open(&dir, "b.db"), &scan("t", &[0, 1], 1)).concat().len(), 2);
}

#[test]
fn tables_may_be_as_wide_as_sqlite_lets_them() {
    let dir = Dir::new();
    for file in ["a.db", "b.db"] {
        let columns: Vec<String> =
            (0..2000).map(|i| format!("c{i} {}", if i == 0 { "INTEGER PRIMARY KEY" } else { "TEXT" })).collect();
        let writer = database(&dir, file, &format!("CREATE TABLE t ({})", columns.join(", ")));
        let last = if file == "a.db" { "x" } else { "y" };
        writer.execute_batch(&format!("INSERT INTO t (c0, c1999) VALUES (1, '{last}'), (2, 'z')")).unwrap();
    }
    let run = dir.diff("sqlite:a.db sqlite:b.db");
    run.drift([0, 0, 1, 0]);
    assert_eq!(run.column("c1999")["changed"], 1);
}

#[test]
fn what_cannot_be_read_keeps_the_verdict_from_tying_out() {
    let dir = Dir::new();
    for file in ["a.db", "b.db"] {
        let sql = "CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1);
            CREATE TABLE gone (id); CREATE VIEW broken AS SELECT id FROM gone; DROP TABLE gone;";
        database(&dir, file, sql);
    }
    let run = dir.diff("sqlite:a.db sqlite:b.db");
    assert_eq!((run.code, run.verdict()), (3, "incomplete"), "{run:#?}");
    assert!(run.summary["source"]["notes"][0].as_str().unwrap().contains("view broken cannot be read: no such table: main.gone"));
    let run = dir.diff("sqlite:a.db sqlite:b.db --exclude broken");
    run.tied_out();
}
