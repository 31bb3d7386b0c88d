//! The report, read back by DuckDB and pyarrow: names, types, values, and books that balance.

use std::fs;

use arrow::array::*;
use serde_json::json;

use crate::support::{Dir, array, fixture, python, table};

/// A folder with the report on the orders that drifted.
fn drifted(flags: &str) -> Dir {
    let dir = Dir::new();
    let (source, target) = (fixture("orders/source.parquet"), fixture("orders/target.parquet"));
    dir.diff(&format!("{source} {target} --key order_id {flags}")).drift([3, 2, 13, 0]);
    dir
}

#[test]
fn duckdb_reads_keys_and_both_sides() {
    let rows = python(
        &drifted(""),
        r#"
rows = duckdb.sql("""
    select key.order_id, source.amount, target.amount, source.amount - target.amount as off
    from 'report/source.diff.parquet' where list_contains(changed_columns, 'amount') order by 1
""").fetchall()
print(json.dumps([[key, str(off)] for key, source, target, off in rows]))
"#,
    );
    assert_eq!(rows, json!([[30, "-0.01"], [31, "-0.01"], [32, "-0.01"], [33, "-0.01"]]));
}

#[test]
fn duckdb_counts_what_the_summary_counts() {
    let counts = python(
        &drifted(""),
        r#"
diff = "'report/source.diff.parquet'"
counts = dict(duckdb.sql(f"select difference, count(*) from {diff} group by 1").fetchall())
table = json.load(open("report/summary.json"))["tables"][0]
columns = dict(duckdb.sql(f"select unnest(changed_columns), count(*) from {diff} group by 1").fetchall())
summary = {c["source"]: c["changed"] for c in table["columns"] if c["changed"]}
missing = duckdb.sql(f"select list(key.order_id order by 1) from {diff} where target is null").fetchall()[0][0]
extra = duckdb.sql(f"select list(key.order_id order by 1) from {diff} where source is null").fetchall()[0][0]
rows = duckdb.sql(f"select distinct difference, source_rows, target_rows from {diff} order by 1").fetchall()
print(json.dumps([counts == {k: v for k, v in table["differences"].items() if v}, columns == summary, missing, extra, rows]))
"#,
    );
    let rows = json!([["changed", 1, 1], ["missing_in_source", 0, 1], ["missing_in_target", 1, 0]]);
    assert_eq!(counts, json!([true, true, [17, 204, 391], [401, 402], rows]));
}

#[test]
fn pyarrow_reads_the_types_of_the_source() {
    let schema = python(
        &drifted(""),
        r#"
schema = pq.read_schema("report/source.diff.parquet")
side = lambda name: {f.name: str(f.type) for f in schema.field(name).type}
print(json.dumps([schema.names, side("key"), side("source"), side("source") == side("target"), str(schema.field("changed_columns").type.value_type)]))
"#,
    );
    let columns = json!({
        "order_id": "int64", "customer": "string", "country": "string", "status": "string", "quantity": "int32",
        "amount": "decimal128(12, 2)", "discount": "double", "paid": "bool", "ordered_at": "timestamp[us]",
        "shipped_at": "timestamp[us, tz=UTC]", "due": "date32[day]", "note": "string",
    });
    let names = json!(["difference", "key", "changed_columns", "source", "target", "source_rows", "target_rows"]);
    assert_eq!(schema, json!([names, { "order_id": "int64" }, columns, true, "string"]));
}

#[test]
fn reported_rows_are_the_rows_of_the_files() {
    let dir = drifted("");
    for side in ["source", "target"] {
        fs::copy(fixture(&format!("orders/{side}.parquet")), dir.path(&format!("{side}.parquet"))).unwrap();
    }
    let same = python(
        &dir,
        r#"
def same(side):
    rows = {row["order_id"]: row for row in pq.read_table(f"{side}.parquet").to_pylist()}
    found = pq.read_table("report/source.diff.parquet").to_pylist()
    return all(row[side] == rows.get(row["key"]["order_id"]) for row in found) and len(found) == 18
print(json.dumps([same("source"), same("target")]))
"#,
    );
    assert_eq!(same, json!([true, true]));
}

#[test]
fn every_type_comes_back_as_it_was() {
    let dir = Dir::new();
    let written = python(
        &dir,
        r#"
import datetime as dt, decimal, math
def columns(n):
    d = decimal.Decimal
    return {
        "k": pa.array([1, 2]),
        "i8": pa.array([n, None], pa.int8()), "u64": pa.array([2**64 - n, None], pa.uint64()),
        "f32": pa.array([n / 4, None], pa.float32()), "f64": pa.array([n / 3, math.inf]),
        "dec": pa.array([d("12345678901234567890.12") + n, None], pa.decimal128(30, 2)),
        "wide": pa.array([d(str(int("1" * 60) + n)), None], pa.decimal256(76, 0)),
        "text": pa.array([f"🦀 {n}", None]), "bytes": pa.array([bytes([255, n]), None]),
        "day": pa.array([dt.date(1, 1, n), None]), "time": pa.array([dt.time(23, 59, 59, n), None]),
        "ms": pa.array([n, None], pa.timestamp("ms")), "ns": pa.array([n * 1000, None], pa.timestamp("ns")),
        "at": pa.array([n, None], pa.timestamp("us", tz="Europe/Berlin")),
        "yes": pa.array([n == 1, None]), "list": pa.array([[n, None], None]),
        "struct": pa.array([{"a": n, "b": "x"}, None]),
        "map": pa.array([[("a", n)], None], pa.map_(pa.string(), pa.int64())),
    }
pq.write_table(pa.table(columns(1)), "source.parquet")
pq.write_table(pa.table(columns(2)), "target.parquet")
"#,
    );
    assert!(written.is_null());
    dir.diff("source.parquet target.parquet --key k").drift([0, 0, 1, 0]);
    let read = python(
        &dir,
        r#"
found = pq.read_table("report/source.diff.parquet").to_pylist()[0]
wrong = []
for side in ("source", "target"):
    row = pq.read_table(f"{side}.parquet").to_pylist()[0]
    for name, value in row.items():
        given = found[side][name]
        # Decimals beyond 38 digits are text.
        if given != (str(value) if name == "wide" else value):
            wrong.append([side, name, str(given), str(value)])
types = duckdb.sql("select typeof(source.u64), typeof(source.dec), typeof(source.at), typeof(source.map) from 'report/source.diff.parquet'").fetchall()[0]
print(json.dumps([wrong, len(found["changed_columns"]), types]))
"#,
    );
    let types = json!(["UBIGINT", "DECIMAL(30,2)", "TIMESTAMP WITH TIME ZONE", "MAP(VARCHAR, BIGINT)"]);
    assert_eq!(read, json!([[], 17, types]));
}

#[test]
fn ranges_tile_the_domain_and_add_up() {
    let dir = Dir::new();
    let rows = |keys: Vec<i64>, odd: i64| {
        let values = Int64Array::from_iter_values(keys.iter().map(|k| if k % 5000 == 1 { odd } else { 0 }));
        table(&[("k", array(Int64Array::from(keys))), ("v", array(values))])
    };
    let shuffled: Vec<i64> = (0..50_000).map(|k| k * 7919 % 50_000).collect();
    dir.table("ordered.parquet", &rows((0..50_000).collect(), 0));
    dir.table("changed.parquet", &rows((0..50_000).collect(), 1));
    dir.table("shuffled.csv", &rows(shuffled, 1));
    for (target, domain) in [("changed.parquet", "key_order"), ("shuffled.csv", "key_hash")] {
        dir.diff(&format!("ordered.parquet {target} --key k")).drift([0, 0, 10, 0]);
        let read = python(
            &dir,
            r#"
rows = pq.read_table("report/ranges.parquet").to_pylist()
table = json.load(open("report/summary.json"))["tables"][0]
tiles = rows[0]["above"] is None and rows[-1]["up_to"] is None
tiles = tiles and all(a["up_to"] == b["above"] and a["up_to"] is not None for a, b in zip(rows, rows[1:]))
counts = {o: sum(r["outcome"] == o for r in rows) for o in ("equal", "compared", "failed")} | {"total": len(rows)}
books = counts == table["ranges"] and all(sum(r[f"{s}_rows"] for r in rows) == table["rows"][s] for s in ("source", "target"))
honest = all((r["source_fingerprint"] == r["target_fingerprint"]) == (r["outcome"] == "equal") for r in rows)
bits = any(r["source_fingerprint"] is None and r["outcome"] == "equal" for r in rows)
print(json.dumps([tiles, books, honest, bits, rows[0]["domain"], table["method"]["domain"], len(rows) > 1]))
"#,
        );
        // Parquet against Parquet is compared by its bits, against CSV by fingerprints.
        let bits = domain == "key_order";
        assert_eq!(read, json!([true, true, true, bits, domain, domain, true]), "{target}");
    }
}

#[test]
fn a_run_without_differences_has_a_file_without_rows() {
    let dir = Dir::new();
    let (source, copy) = (fixture("orders/source.parquet"), fixture("orders/source.arrow"));
    dir.diff(&format!("{source} {copy} --key order_id")).tied_out();
    assert_eq!(dir.names("report"), ["ranges.parquet", "source.diff.parquet", "summary.json"]);
    let read = python(
        &dir,
        r#"
count = duckdb.sql("select count(*), count(source.amount) from 'report/source.diff.parquet'").fetchall()[0]
print(json.dumps([count, pq.read_schema("report/source.diff.parquet").names[0]]))
"#,
    );
    assert_eq!(read, json!([[0, 0], "difference"]));
}

#[test]
fn the_same_bytes_are_written_whatever_the_number_of_threads() {
    let read = |jobs: u32| fs::read(drifted(&format!("--jobs {jobs}")).path("report/source.diff.parquet")).unwrap();
    let one = read(1);
    assert!(one == read(4) && one == read(2));
    // Many ranges, and rows that are read by key hash.
    let dir = Dir::new();
    let rows = |keys: &mut dyn Iterator<Item = i64>, word: &str| {
        let keys: Vec<i64> = keys.collect();
        let values = StringArray::from_iter_values(keys.iter().map(|k| if k % 7 == 0 { word } else { "same" }));
        table(&[("k", array(Int64Array::from(keys))), ("v", array(values))])
    };
    dir.table("source.csv", &rows(&mut (0..40_000), "old"));
    dir.table("target.csv", &rows(&mut (0..40_000).map(|k| k * 7919 % 40_000), "new"));
    let read = |flags: &str| {
        dir.diff(&format!("source.csv target.csv --key k {flags}")).drift([0, 0, 5715, 0]);
        fs::read(dir.path("report/source.diff.parquet")).unwrap()
    };
    let one = read("--jobs 1");
    assert!(one == read("--jobs 4"));
}

#[test]
fn the_summary_has_the_fields_of_the_contract() {
    let dir = Dir::new();
    let (source, target) = (fixture("orders/source.parquet"), fixture("orders/target.parquet"));
    let run = dir.diff(&format!("{source} {target} --key order_id --ignore note"));
    let names = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let has = |value: &serde_json::Value, fields: &str| {
        fields.split(' ').for_each(|field| assert!(names(value).contains(&field.to_string()), "no {field} in {value}"));
    };
    has(&run.summary, "tieout run_id started_at finished_at verdict exit_code source target tables");
    has(&run.summary["source"], "location engine position");
    has(run.table(), "source target verdict key rows differences columns not_compared ranges method scans bytes_read seconds");
    has(run.table(), "report errors");
    has(run.column("amount"), "source target compared_as exact changed");
    has(&run.table()["not_compared"][0], "side column reason");
    assert_eq!((run.table()["report"].as_str(), run.table()["key"].clone()), (Some("source.diff.parquet"), json!(["order_id"])));
    assert_eq!((run.summary["exit_code"].as_i64(), run.summary["tieout"].as_str()), (Some(1), Some(env!("CARGO_PKG_VERSION"))));
    let books =
        |side: &str, missing| run.count("rows/matched") + run.differences()[2] + missing == run.count(&format!("rows/{side}"));
    assert!(books("source", 3) && books("target", 2));
}

#[test]
fn duplicates_are_rows_of_the_report() {
    let dir = Dir::new();
    let rows = |keys: [i64; 3]| table(&[("k", array(Int64Array::from_iter_values(keys)))]);
    dir.diff_tables(&rows([1, 2, 2]), &rows([1, 1, 2])).drift([0, 0, 0, 2]);
    let read = python(
        &dir,
        r#"
found = duckdb.sql("select difference, key.k, source_rows, target_rows from 'report/source.diff.parquet' order by 2").fetchall()
print(json.dumps(found))
"#,
    );
    assert_eq!(read, json!([["duplicate", 1, 1, 2], ["duplicate", 2, 2, 1]]));
}

#[test]
fn the_query_that_the_terminal_suggests_runs() {
    let dir = Dir::new();
    let rows = |v: i64| {
        let column = |v| array(Int64Array::from(vec![1, v]));
        table(&[("my \"key\"", column(2)), ("it's", column(v)), ("select", column(v))])
    };
    dir.table("or'ders.parquet", &rows(3));
    dir.table("copy.parquet", &rows(4));
    let run = dir.run_words(&["diff", "or'ders.parquet", "copy.parquet", "--key", "my \"key\"", "--out", "my report"]);
    assert_eq!(run.code, 1, "{run:#?}");
    let query = run.stdout.lines().find_map(|line| line.strip_prefix("duckdb: ")).expect("a query");
    let read = python(&dir, &format!("print(json.dumps(duckdb.sql({}).fetchall()))", json!(query)));
    assert_eq!(read[0][0], 2, "{query}: {read}");
}
