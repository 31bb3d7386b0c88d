//! Audits by the program: SQLite against itself and against files.

use arrow::array::*;

use super::database;
use crate::support::{Dir, array, table};

const SHOP: &str = "
    CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT, total DECIMAL(10,2), paid BOOLEAN, at DATETIME, day DATE, photo BLOB, uid UUID, doc JSON);
    INSERT INTO orders VALUES
        (1, 'Ada', 10.5, 1, '2024-01-01 10:00:00', '2024-01-01', x'00ff', '550e8400-e29b-41d4-a716-446655440000', '{\"a\": 1}'),
        (2, 'Bob ', 3, 0, '2024-01-02T10:00:00.123', NULL, NULL, NULL, NULL),
        (3, '', -0.01, NULL, NULL, '1969-12-31', x'', NULL, '[1, 2]');
    CREATE TABLE lines (order_id INT, line INT, sku TEXT NOT NULL, PRIMARY KEY (order_id, line)) WITHOUT ROWID;
    INSERT INTO lines VALUES (1, 1, 'x'), (1, 2, 'y'), (2, 1, 'x');
    CREATE TABLE log (line);
    INSERT INTO log VALUES ('a'), ('a'), (1), (2.5), (NULL);
    CREATE TABLE vacant (id INTEGER PRIMARY KEY);
    CREATE VIEW open AS SELECT id, customer FROM orders WHERE paid = 0;";

/// Two databases of the same tables, the second changed by `change`.
fn shops(change: &str) -> Dir {
    let dir = Dir::new();
    database(&dir, "a.db", SHOP);
    database(&dir, "b.db", SHOP).execute_batch(change).unwrap();
    dir
}

#[test]
fn whole_databases_tie_out_or_say_where_not() {
    let dir = shops("");
    for line in ["sqlite:a.db sqlite:b.db", "a.db b.db", "sqlite:a.db sqlite:a.db"] {
        let run = dir.diff(line);
        assert_eq!((run.code, run.verdict()), (0, "tied_out"), "{run:#?}");
        assert_eq!(run.summary["tables"].as_array().unwrap().len(), 5);
    }
    for (change, table) in [
        ("UPDATE orders SET customer = 'Bob' WHERE id = 2", "orders"),
        ("UPDATE orders SET total = 10.50001 WHERE id = 1", "orders"),
        ("UPDATE orders SET photo = NULL WHERE id = 3", "orders"),
        ("DELETE FROM orders WHERE id = 2; UPDATE lines SET line = 7 WHERE order_id = 2", "lines"),
        ("INSERT INTO log VALUES ('a')", "log"),
        ("UPDATE log SET line = '1' WHERE line = 1", "log"),
        ("INSERT INTO vacant VALUES (1)", "vacant"),
        ("UPDATE orders SET paid = 0 WHERE id = 1", "open"),
        ("DROP TABLE vacant", "vacant"),
        ("CREATE TABLE another (id INTEGER PRIMARY KEY)", "another"),
    ] {
        let run = shops(change).diff("sqlite:a.db sqlite:b.db");
        assert_eq!((run.code, run.verdict()), (1, "drift"), "{change}: {run:#?}");
        let tables = run.summary["tables"].as_array().unwrap();
        let drifted = tables.iter().filter(|table| table["verdict"] == "drift");
        assert!(drifted.into_iter().any(|found| found["source"] == table || found["target"] == table), "{change}: {run:#?}");
    }
}

#[test]
fn f05_values_have_the_type_they_hold() {
    let dir = Dir::new();
    let sql = |value: &str| format!("CREATE TABLE t (k INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, {value})");
    for (one, other, equal) in [
        ("1", "1", true),
        ("1", "'1'", false),
        ("1", "1.0", true),
        ("9007199254740993", "9007199254740992.0", false),
        ("0.1", "0.10000000000000001", true),
        ("x'61'", "'a'", false),
        ("NULL", "''", false),
        ("NULL", "x''", false),
        ("''", "x''", false),
        ("9e999", "-9e999", false),
        ("9e999", "9e999", true),
        ("9e999", "'Infinity'", false),
        ("'a' || char(0) || 'b'", "'a' || char(0) || 'c'", false),
        ("'a' || char(0) || 'b'", "'a'", false),
        ("CAST(x'ff' AS TEXT)", "CAST(x'fe' AS TEXT)", false),
        ("CAST(x'ff' AS TEXT)", "CAST(x'ff' AS TEXT)", true),
        ("CAST(x'ff' AS TEXT)", "x'ff'", false),
        ("'a'", "'a '", false),
        ("'a'", "'A'", false),
    ] {
        database(&dir, "a.db", &sql(one));
        database(&dir, "b.db", &sql(other));
        for line in ["sqlite:a.db sqlite:b.db", "sqlite:b.db sqlite:a.db"] {
            let run = dir.diff(line);
            if equal {
                run.tied_out()
            } else {
                run.drift([0, 0, 1, 0])
            };
            assert_eq!(run.column("v")["exact"], true);
        }
        std::fs::remove_file(dir.path("a.db")).unwrap();
        std::fs::remove_file(dir.path("b.db")).unwrap();
    }
}

#[test]
fn f05_a_file_of_typed_columns_is_held_against_what_is_declared() {
    let dir = Dir::new();
    database(&dir, "a.db", SHOP);
    let orders = |flag: bool| {
        table(&[
            ("id", array(Int32Array::from(vec![1, 2, 3]))),
            ("customer", array(StringArray::from(vec!["Ada", "Bob ", ""]))),
            ("total", array(Decimal128Array::from(vec![1050, 300, -1]).with_precision_and_scale(10, 2).unwrap())),
            ("paid", array(BooleanArray::from(vec![Some(flag), Some(false), None]))),
            ("at", array(TimestampMicrosecondArray::from(vec![Some(1_704_103_200_000_000), Some(1_704_189_600_123_000), None]))),
            ("day", array(Date32Array::from(vec![Some(19_723), None, Some(-1)]))),
            ("photo", array(BinaryArray::from(vec![Some(b"\x00\xff".as_slice()), None, Some(b"")]))),
            ("uid", array(StringArray::from(vec![Some("550E8400-e29b-41d4-a716-446655440000"), None, None]))),
            ("doc", array(StringArray::from(vec![Some("{\"a\":1.0}"), None, Some("[1,2]")]))),
        ])
    };
    dir.table("orders.parquet", &orders(true));
    dir.diff("sqlite:a.db#orders orders.parquet").tied_out();
    dir.diff("orders.parquet sqlite:a.db#orders").tied_out();
    dir.table("orders.parquet", &orders(false));
    let run = dir.diff("sqlite:a.db#orders orders.parquet");
    run.drift([0, 0, 1, 0]);
    assert_eq!(run.column("paid")["changed"], 1);
}

#[test]
fn f05_a_text_file_is_read_as_what_is_declared() {
    let dir = shops("");
    let csv = "id,customer,total,paid,at,day,uid,doc
1,Ada,10.50,true,2024-01-01T10:00:00,2024-01-01,550e8400-e29b-41d4-a716-446655440000,\"{\"\"a\"\":1}\"
2,Bob ,3.00,0,2024-01-02 10:00:00.123000,,,
3,\"\",-0.01,,,1969-12-31,,\"[1,2]\"
";
    dir.write("orders.csv", csv);
    dir.diff("sqlite:a.db#orders orders.csv --key id --ignore photo").tied_out();
    dir.write("orders.csv", csv.replace("3.00", "3.01"));
    dir.diff("orders.csv sqlite:a.db#orders --key id --ignore photo").drift([0, 0, 1, 0]);
}

#[test]
fn values_that_are_not_what_is_declared_equal_nothing_of_it() {
    let dir = Dir::new();
    let sql = "CREATE TABLE t (k INTEGER PRIMARY KEY, n INTEGER, b BOOLEAN, d DATE, s TEXT);
        INSERT INTO t VALUES (1, 'soon', 2, 1704067200, x'61'), (2, x'31', 'maybe', 20240101, x''), (3, 1, 1, '2024-01-01', 'a');";
    database(&dir, "a.db", sql);
    let typed = table(&[
        ("k", array(Int64Array::from(vec![1, 2, 3]))),
        ("n", array(Int64Array::from(vec![1, 1, 1]))),
        ("b", array(BooleanArray::from(vec![true, true, true]))),
        ("d", array(Date32Array::from(vec![19_723, 19_723, 19_723]))),
        ("s", array(StringArray::from(vec!["a", "", "a"]))),
    ]);
    dir.table("t.parquet", &typed);
    let run = dir.diff("sqlite:a.db#t t.parquet");
    run.drift([0, 0, 2, 0]);
    ["n", "b", "d", "s"].iter().for_each(|name| assert_eq!(run.column(name)["changed"], 2, "{name}"));
}

#[test]
fn what_declares_nothing_is_not_held_against_text_without_a_type() {
    let dir = Dir::new();
    database(&dir, "a.db", "CREATE TABLE t (k INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 5)");
    dir.write("t.csv", "k,v\n1,5\n");
    let run = dir.diff("sqlite:a.db#t t.csv --key k");
    assert_eq!((run.code, run.verdict()), (3, "incomplete"), "{run:#?}");
    dir.table("t.parquet", &table(&[("k", array(Int64Array::from(vec![1]))), ("v", array(Int64Array::from(vec![5])))]));
    dir.diff("sqlite:a.db#t t.parquet").tied_out();
}

#[test]
fn text_in_utf16_is_the_same_text() {
    let dir = Dir::new();
    let rows = "CREATE TABLE t (k TEXT PRIMARY KEY, v) WITHOUT ROWID; INSERT INTO t VALUES ('a', 'ä😀'), ('\u{fffd}', 1), ('😀', 2), ('ä', 3);";
    database(&dir, "a.db", rows);
    for encoding in ["UTF-16le", "UTF-16be"] {
        database(&dir, encoding, &format!("PRAGMA encoding = '{encoding}'; {rows}"));
        dir.diff(&format!("sqlite:a.db sqlite:{encoding}")).tied_out();
    }
}

#[test]
fn nullable_primary_keys_are_keys() {
    let dir = Dir::new();
    let rows = "CREATE TABLE t (k TEXT PRIMARY KEY, v); INSERT INTO t VALUES (NULL, 1), (NULL, 2), ('a', 3);";
    database(&dir, "a.db", rows);
    database(&dir, "b.db", rows);
    let run = dir.diff("sqlite:a.db sqlite:b.db");
    run.tied_out();
    assert!(run.notes().contains("key has NULL in 2 rows of the source"), "{}", run.notes());
    database(&dir, "b.db", "DELETE FROM t WHERE v = 2");
    dir.diff("sqlite:a.db sqlite:b.db").drift([0, 0, 0, 1]);
}

#[test]
fn a_condition_selects_and_a_wrong_one_is_refused() {
    let dir = shops("UPDATE orders SET customer = 'Eve' WHERE id = 1");
    let words = |condition: &'static str| {
        ["diff", "sqlite:a.db#orders", "sqlite:b.db#orders", "--where", condition, "--out", "r", "--force"]
    };
    for condition in ["id > 1", "id > 1 -- not the first", "id = 2 OR id = 3"] {
        let run = dir.run_words(&words(condition));
        assert_eq!(run.code, 0, "{condition}: {run:#?}");
    }
    assert_eq!(dir.run_words(&words("id < 3")).code, 1);
    for condition in ["\"custmer\" = 'Ada'", "id > ?", "1) --", "id >"] {
        let run = dir.run_words(&words(condition));
        assert!(run.code >= 2, "{condition}: {run:#?}");
        assert!(format!("{}{}", run.stdout, run.stderr).contains("--where"), "{condition}: {run:#?}");
    }
}
