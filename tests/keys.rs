//! Keys, duplicates, order and shape: every trap of rows, tables and columns that files can express.
//!
//! The names are those of the conformance cases: K keys, X tables and columns, E output; CRC: vectors that are equal
//! to an XOR of checksums.

use arrow::array::*;

use crate::support::{Dir, Run, array, table};

fn ints(values: impl IntoIterator<Item = i64>) -> ArrayRef {
    array(Int64Array::from_iter_values(values))
}

fn maybe(values: &[Option<i64>]) -> ArrayRef {
    array(Int64Array::from(values.to_vec()))
}

fn texts<T: AsRef<str>>(values: impl IntoIterator<Item = T>) -> ArrayRef {
    array(StringArray::from_iter_values(values))
}

/// Compares two tables by the columns in `key`, both ways round; the second run's differences are turned around.
fn both_ways(source: &RecordBatch, target: &RecordBatch, key: &str) -> [Run; 2] {
    let dir = Dir::new();
    dir.table("source.parquet", source);
    dir.table("target.parquet", target);
    ["source.parquet target.parquet", "target.parquet source.parquet"].map(|line| dir.diff(&format!("{line} {key}")))
}

/// The tables differ by these numbers of keys: missing in the target, missing in the source, changed, duplicate.
#[track_caller]
fn differ(source: &RecordBatch, target: &RecordBatch, key: &str, [ours, theirs, changed, duplicate]: [u64; 4]) {
    let [there, back] = both_ways(source, target, key);
    there.drift([ours, theirs, changed, duplicate]);
    back.drift([theirs, ours, changed, duplicate]);
}

#[track_caller]
fn tie_out(source: &RecordBatch, target: &RecordBatch, key: &str) {
    both_ways(source, target, key).iter().for_each(|run| {
        run.tied_out();
    });
}

fn keyed(keys: ArrayRef) -> RecordBatch {
    let values = ints(vec![7; keys.len()]);
    table(&[("k", keys), ("v", values)])
}

/// Two columns of text, without a key.
fn pairs(rows: &[(&str, &str)]) -> RecordBatch {
    table(&[("a", texts(rows.iter().map(|row| row.0))), ("b", texts(rows.iter().map(|row| row.1)))])
}

#[test]
fn k01_null_keys_are_keys() {
    let (with, without) = (keyed(maybe(&[None, Some(1)])), keyed(maybe(&[Some(1)])));
    differ(&with, &without, "--key k", [1, 0, 0, 0]);
    tie_out(&with, &keyed(maybe(&[Some(1), None])), "--key k");
    let other = table(&[("k", maybe(&[None, Some(1)])), ("v", ints([8, 7]))]);
    differ(&with, &other, "--key k", [0, 0, 1, 0]);
    let [run, _] = both_ways(&with, &with, "--key k");
    assert!(run.notes().contains("key has NULL in 1 rows of the source"), "{}", run.notes());
    differ(
        &keyed(texts(["", "a"])),
        &table(&[("k", array(StringArray::from(vec![None, Some("a")]))), ("v", ints([7, 7]))]),
        "--key k",
        [1, 1, 0, 0],
    );
}

#[test]
fn k02_null_in_a_composite_key() {
    let row = |b| table(&[("a", ints([1])), ("b", maybe(&[b])), ("v", ints([1]))]);
    differ(&row(None), &row(Some(2)), "--key a,b", [1, 1, 0, 0]);
    let nulls = |n| table(&[("a", maybe(&vec![None; n])), ("b", maybe(&vec![None; n])), ("v", ints(vec![1; n]))]);
    tie_out(&nulls(2), &nulls(2), "--key a,b");
    differ(&nulls(2), &nulls(1), "--key a,b", [0, 0, 0, 1]);
}

#[test]
fn k03_a_null_in_one_column_does_not_hide_another() {
    let rows = |i: i64| table(&[("k", ints(0..8)), ("i", ints(vec![i; 8])), ("n", maybe(&[None; 8]))]);
    differ(&rows(1), &rows(2), "--key k", [0, 0, 8, 0]);
    differ(&rows(1), &rows(2), "--no-key", [8, 8, 0, 0]);
}

#[test]
fn k05_k06_duplicates_are_counted_as_often_as_they_occur() {
    let one = table(&[("k", ints([12, 12, 6])), ("v", texts(["ABCDE", "ABCDE", "ABCDE"]))]);
    let other = table(&[("k", ints([4, 4, 4, 6, 6])), ("v", texts(["ABCDEF", "ABCDE", "ABCDE", "ABCDE", "ABCDE"]))]);
    differ(&one, &other, "--key k", [0, 0, 0, 3]);
    let mixed = table(&[("k", ints([6, 12, 12])), ("v", texts(["ABCDE", "ABCDE", "ABCDE"]))]);
    tie_out(&one, &mixed, "--key k");
    tie_out(&one, &mixed, "--no-key");
}

#[test]
fn k07_multisets_count() {
    let rows = |rows: &[&str]| table(&[("a", texts(rows))]);
    differ(&rows(&["A", "A"]), &rows(&["B", "B"]), "--no-key", [0, 0, 0, 2]);
    differ(&rows(&["A", "A", "B"]), &rows(&["A", "B", "B"]), "--no-key", [0, 0, 0, 2]);
    differ(&rows(&["A", "A"]), &rows(&["A", "A", "A", "A"]), "--no-key", [0, 0, 0, 1]);
    differ(&rows(&["A", "A"]), &rows(&[]), "--no-key", [0, 0, 0, 1]);
    tie_out(&rows(&["A", "B", "A"]), &rows(&["B", "A", "A"]), "--no-key");
}

#[test]
fn k09_duplicates_of_a_key_are_findings_and_equal_ones_are_declared() {
    let unique = table(&[("k", ints([1, 2])), ("v", ints([10, 20]))]);
    let doubled = table(&[("k", ints([1, 2, 2])), ("v", ints([10, 20, 20]))]);
    let [run, back] = both_ways(&unique, &doubled, "--key k");
    run.drift([0, 0, 0, 1]);
    back.drift([0, 0, 0, 1]);
    assert!(run.notes().contains("key is not unique: 1 keys of the target"), "{}", run.notes());
    let [run, _] = both_ways(&doubled, &doubled, "--key k");
    run.tied_out();
    assert!(run.notes().contains("key is not unique: 1 keys of the source"), "{}", run.notes());
    // The same keys as often, with another row among them.
    let swapped = table(&[("k", ints([1, 2, 2])), ("v", ints([10, 20, 21]))]);
    differ(&doubled, &swapped, "--key k", [0, 0, 0, 1]);
}

#[test]
fn k10_k11_k12_keys_at_the_edges_and_in_gaps() {
    let edges = || ints([i64::MIN, -1, 0, 1, i64::MAX]);
    tie_out(&keyed(edges()), &keyed(edges()), "--key k");
    differ(&keyed(edges()), &keyed(ints([i64::MIN, 0, 1, 2, i64::MAX - 1])), "--key k", [2, 2, 0, 0]);
    let large = |last| keyed(array(UInt64Array::from(vec![0, u64::MAX - 1, last])));
    tie_out(&large(u64::MAX), &large(u64::MAX), "--key k");
    differ(&large(u64::MAX), &large(u64::MAX - 2), "--key k", [1, 1, 0, 0]);
    let gaps = |extra: &[i64]| keyed(ints((0..1000).map(|i| i * 1000 + 25_000_000).chain(extra.iter().copied())));
    differ(&gaps(&[]), &gaps(&[-5, 0, 25_000_001, 26_000_000, i64::MAX]), "--key k", [0, 5, 0, 0]);
    let squares = |last| keyed(ints((0..500).map(|i| i * i).chain([last])));
    differ(&squares(1 << 31), &squares((1 << 31) - 1), "--key k", [1, 1, 0, 0]);
}

#[test]
fn k13_to_k17_text_keys_are_bytes() {
    let keys = ["---", "0123", "Z9", "ZZ", "_", "a", "a-", "a123", "a_"];
    let with = |extra: &str| keyed(texts(keys.iter().copied().chain([extra])));
    differ(&keyed(texts(keys)), &with("aBcDeFgHiz"), "--key k", [0, 1, 0, 0]);
    differ(&keyed(texts(keys)), &with("@@@"), "--key k", [0, 1, 0, 0]);
    let backwards = keyed(texts(keys.iter().rev()));
    tie_out(&keyed(texts(keys)), &backwards, "--key k");
    differ(&keyed(texts(["abc", "ABC"])), &keyed(texts(["abc"])), "--key k", [1, 0, 0, 0]);
    differ(&keyed(texts(["abc", "abc "])), &keyed(texts(["abc"])), "--key k", [1, 0, 0, 0]);
    differ(&keyed(texts(["é"])), &keyed(texts(["e\u{301}"])), "--key k", [1, 1, 0, 0]);
    tie_out(&keyed(texts(["a", "A", "ä", "a-b", "a_b", "ab"])), &keyed(texts(["ab", "ä", "a_b", "a", "a-b", "A"])), "--key k");
}

#[test]
fn k18_keys_of_every_type() {
    let decimals = |values: [i128; 3]| array(Decimal128Array::from_iter_values(values).with_precision_and_scale(9, 1).unwrap());
    let cases: Vec<(ArrayRef, ArrayRef)> = vec![
        (array(Date32Array::from(vec![-1, 0, 1])), array(Date32Array::from(vec![-1, 0, 2]))),
        (array(TimestampMicrosecondArray::from(vec![-1, 0, 1])), array(TimestampMicrosecondArray::from(vec![-1, 0, 2]))),
        (array(Float64Array::from(vec![-1.5, f64::NAN, 1e300])), array(Float64Array::from(vec![-1.5, f64::NAN, 1e301]))),
        (decimals([-15, 15, 16]), decimals([-15, 15, 17])),
        (array(BinaryArray::from_vec(vec![b"", b"\0", b"\xff"])), array(BinaryArray::from_vec(vec![b"", b"\0", b"\xfe"]))),
        (array(Time64MicrosecondArray::from(vec![0, 1, 2])), array(Time64MicrosecondArray::from(vec![0, 1, 3]))),
        (array(Float32Array::from(vec![-0.0, 0.1, 0.2])), array(Float32Array::from(vec![0.0, 0.1, 0.3]))),
    ];
    for (one, other) in cases {
        tie_out(&keyed(one.clone()), &keyed(one.clone()), "--key k");
        differ(&keyed(one), &keyed(other), "--key k", [1, 1, 0, 0]);
    }
    differ(
        &keyed(array(BooleanArray::from(vec![true, false]))),
        &keyed(array(BooleanArray::from(vec![true]))),
        "--key k",
        [1, 0, 0, 0],
    );
    tie_out(
        &keyed(ints([1, 2])),
        &keyed(array(Decimal128Array::from(vec![200, 100]).with_precision_and_scale(9, 2).unwrap())),
        "--key k",
    );
}

#[test]
fn k20_k21_composite_keys() {
    let rows = |last: (i64, i64)| {
        let all = (1..=1000).map(|i| (i, i + 1000)).chain([last]);
        let (a, b): (Vec<_>, Vec<_>) = all.unzip();
        table(&[("a", ints(a)), ("b", ints(b)), ("v", ints(vec![1; 1001]))])
    };
    tie_out(&rows((1001, 1001)), &rows((1001, 1001)), "--key a,b");
    differ(&rows((1001, 1001)), &rows((1001, 1_000_002)), "--key a,b", [1, 1, 0, 0]);
    differ(&rows((1001, 1001)), &rows((0, 1_000_002)), "--key a,b", [1, 1, 0, 0]);
    differ(&rows((-999, 1001)), &rows((-999, -999_998)), "--key a,b", [1, 1, 0, 0]);
    let ids = |ninth: i64| {
        let ids = (0..20u128).map(|i| format!("550e8400-e29b-41d4-a716-4466554400{i:02x}"));
        table(&[("id", texts(ids)), ("n", ints((0..20).map(|i| if i == 9 { ninth } else { i })))])
    };
    differ(&ids(9), &ids(9000), "--key id,n", [1, 1, 0, 0]);
    differ(&ids(9), &ids(9000), "--key id", [0, 0, 1, 0]);
}

#[test]
fn k22_keys_of_many_columns() {
    for width in [10, 20] {
        let names: Vec<String> = (0..width).map(|i| format!("k{i}")).collect();
        let rows = |last: i64| {
            let column = |i: i64| if i == width - 1 { ints([1, 1, 1, last]) } else { ints([i, i + 1, i + 2, i + 3]) };
            let columns: Vec<_> = names.iter().zip(0..).map(|(name, i)| (name.as_str(), column(i))).collect();
            table(&columns)
        };
        differ(&rows(1), &rows(2), &format!("--key {}", names.join(",")), [1, 1, 0, 0]);
    }
}

#[test]
fn k24_a_key_of_numbers_against_one_of_text_is_refused() {
    let dir = Dir::new();
    dir.table("source.parquet", &keyed(ints([1, 2, 10])));
    dir.table("target.parquet", &keyed(texts(["1", "2", "10"])));
    dir.diff("source.parquet target.parquet --key k").refused(&["key column 'k' cannot be compared"]);
    // From CSV the text is read as the number it is.
    dir.write("target.csv", "k,v\n10,7\n1,7\n2,7\n");
    dir.diff("source.parquet target.csv --key k").tied_out();
}

#[test]
fn k25_one_key_in_very_many_rows() {
    let rows = |n: usize| keyed(ints(vec![5; n]));
    differ(&rows(300_000), &rows(299_999), "--key k --memory 1MiB", [0, 0, 0, 1]);
    let [run, _] = both_ways(&rows(300_000), &rows(300_000), "--key k --memory 1MiB");
    run.tied_out();
    assert_eq!(run.count("rows/matched"), 300_000);
}

#[test]
fn k26_names_that_differ_by_case_alone_are_two_columns() {
    let rows = |a: i64, b: i64| table(&[("k", ints([1])), ("Amount", ints([a])), ("amount", ints([b]))]);
    tie_out(&rows(1, 2), &rows(1, 2), "--key k");
    let [run, _] = both_ways(&rows(1, 2), &rows(1, 3), "--key k");
    run.drift([0, 0, 1, 0]);
    assert_eq!([run.column("Amount")["changed"].as_u64(), run.column("amount")["changed"].as_u64()], [Some(0), Some(1)]);
    differ(&rows(1, 2), &rows(2, 1), "--key k", [0, 0, 1, 0]);
}

#[test]
fn x01_x03_empty_sides_and_sides_of_different_size() {
    let rows = |n: i64| keyed(ints(0..n));
    let [run, _] = both_ways(&rows(0), &rows(0), "--key k");
    run.tied_out();
    assert!(run.notes().contains("neither side has any rows"), "{}", run.notes());
    for key in ["--key k", "--no-key"] {
        differ(&rows(100), &rows(0), key, [100, 0, 0, 0]);
        differ(&rows(1000), &rows(2000), key, [0, 1000, 0, 0]);
        differ(&rows(2), &rows(1), key, [1, 0, 0, 0]);
    }
    let dir = Dir::new();
    dir.write("empty.csv", "k,v\n");
    dir.table("full.parquet", &rows(100));
    dir.diff("empty.csv full.parquet --key k").drift([0, 100, 0, 0]);
}

#[test]
fn x06_x08_wide_tables_with_columns_in_another_order() {
    for width in [100, 101, 300, 1000] {
        let names: Vec<String> = (0..width).map(|i| format!("c{i}")).collect();
        let rows = |changed: Option<usize>| {
            let cell = |i: usize, row: usize| format!("{}{}", row * i, if changed == Some(i) && row == 2 { "!" } else { "" });
            let column = |i: usize| texts((0..5).map(|row| cell(i, row)));
            let mut columns: Vec<_> = names.iter().enumerate().map(|(i, name)| (name.as_str(), column(i))).collect();
            columns.push(("k", ints(0..5)));
            if changed.is_some() {
                columns.reverse();
            }
            table(&columns)
        };
        tie_out(&rows(None), &rows(None), "--key k");
        let [run, _] = both_ways(&rows(None), &rows(Some(width - 1)), "--key k");
        run.drift([0, 0, 1, 0]);
        assert_eq!(run.column(&names[width - 1])["changed"], 1);
    }
}

#[test]
fn x09_names_are_only_names() {
    let names = [
        "a b",
        "say \"hi\"",
        "`tick`",
        "it's",
        "a.b",
        "a-b",
        ";",
        "100%",
        "?",
        "$1",
        ":x",
        "1st",
        "Заказ",
        "order",
        "select",
        "user",
        "MixedCase",
        "🦀",
        "trailing ",
        "source",
        "target",
        "key",
        "difference",
        "a\nb",
        "\\N",
        "--",
    ];
    let dir = Dir::new();
    let rows = |v: i64| {
        let mut columns = vec![("k", ints([1, 2]))];
        columns.extend(names.iter().map(|name| (*name, ints([1, v]))));
        table(&columns)
    };
    for format in ["parquet", "csv", "ndjson", "arrow"] {
        dir.table(&format!("one.{format}"), &rows(2));
        dir.table(&format!("other.{format}"), &rows(3));
        dir.diff(&format!("one.parquet one.{format} --key k")).tied_out();
        let run = dir.diff(&format!("one.parquet other.{format} --key k"));
        run.drift([0, 0, 1, 0]);
        names.iter().for_each(|name| assert_eq!(run.column(name)["changed"], 1, "{name}"));
    }
    for name in names.iter().filter(|name| !name.contains('\n') && name.trim() == **name) {
        let report = dir.path("by").to_str().unwrap().to_string();
        let arguments = ["diff", "one.parquet", "one.csv", "--out", &report, "--force", "--ignore", name];
        assert_eq!(dir.run_words(&[&arguments[..], &["--key=k"]].concat()).code, if *name == "--" { 2 } else { 0 }, "{name}");
    }
}

#[test]
fn s04_s05_separators_within_values_move_nothing() {
    for separator in ["|", ",", "#", "\t", "\0", "\u{1f}", "1", ":", "\\"] {
        let (left, right) = (format!("a{separator}b"), format!("b{separator}c"));
        differ(&pairs(&[(&left, "c")]), &pairs(&[("a", &right)]), "--no-key", [1, 1, 0, 0]);
        differ(&pairs(&[(&left, "c")]), &pairs(&[("a", &right)]), "--key a", [1, 1, 0, 0]);
    }
    for (one, other) in [(("ab", "c"), ("a", "bc")), (("x0", "y"), ("x", "0y")), (("1", "23"), ("12", "3")), (("", "a"), ("a", ""))]
    {
        differ(&pairs(&[one]), &pairs(&[other]), "--no-key", [1, 1, 0, 0]);
    }
}

#[test]
fn s06_rows_are_framed() {
    differ(&pairs(&[("1", "x"), ("2", "y")]), &pairs(&[("1", "x|2|y")]), "--no-key", [2, 1, 0, 0]);
    differ(&pairs(&[("a", "b"), ("", "")]), &pairs(&[("a", ""), ("", "b")]), "--no-key", [2, 2, 0, 0]);
}

#[test]
fn null_does_not_move_between_columns() {
    let row = |values: [Option<&str>; 3]| {
        let column = |i: usize| array(StringArray::from(vec![values[i]]));
        table(&[("k", ints([1])), ("a", column(0)), ("b", column(1)), ("c", column(2))])
    };
    let (one, other) = (row([Some("a"), None, Some("b")]), row([Some("a"), Some("b"), None]));
    differ(&one, &other, "--key k", [0, 0, 1, 0]);
    differ(&one, &other, "--no-key", [1, 1, 0, 0]);
}

/// One line of text for each row, keyed by its number and without a key.
#[track_caller]
fn lines_differ(before: Vec<String>, after: Vec<String>, changed: u64) {
    let rows = |lines: &[String]| table(&[("k", ints(1..=lines.len() as i64)), ("v", texts(lines))]);
    differ(&rows(&before), &rows(&after), "--key k", [0, 0, changed, 0]);
    let lines = |lines: &[String]| table(&[("v", texts(lines))]);
    differ(&lines(&before), &lines(&after), "--no-key", [changed, changed, 0, 0]);
}

/// The vectors of pingcap/tidb-tools#703 and their like: count and XOR of CRC32 are the same before and after.
#[test]
fn crc_the_same_change_in_an_even_number_of_rows() {
    let rows = |minute: u32| (1..=4).map(|i| format!("{i}#2023-01-01 11:{minute}:00")).collect();
    lines_differ(rows(22), rows(32), 4);
    let rows = |hour: u32| (1000..2000).map(|i| format!("{i}#2023-01-01 {hour}:{:02}:00", i % 60)).collect();
    lines_differ(rows(10), rows(11), 1000);
    // K08: four rows with the same bit changed.
    let rows = |text: &str| (1..=4).map(|i| format!("{i}{text}")).collect();
    lines_differ(rows("a"), rows("b"), 4);
}

#[test]
fn crc_a_column_swapped_between_two_rows() {
    lines_differ(vec!["1#aaaa".into(), "2#bbbb".into()], vec!["1#bbbb".into(), "2#aaaa".into()], 2);
    let rows = |values: [&str; 2]| table(&[("k", ints([1, 2])), ("v", texts(values)), ("w", ints([5, 5]))]);
    differ(&rows(["aaaa", "bbbb"]), &rows(["bbbb", "aaaa"]), "--key k", [0, 0, 2, 0]);
    differ(&rows(["aaaa", "bbbb"]), &rows(["bbbb", "aaaa"]), "--no-key", [2, 2, 0, 0]);
}

#[test]
fn results_do_not_depend_on_jobs_memory_or_the_order_of_rows() {
    let random = &mut fastrand::Rng::with_seed(11);
    let mut ids: Vec<i64> = (0..40_000).collect();
    let row = |ids: &[i64], shift: i64| {
        let values = ids.iter().map(|id| format!("value {} {}", id * 3, if id % 1000 == 0 { shift } else { 0 }));
        table(&[("k", ints(ids.iter().copied())), ("v", texts(values)), ("w", ints(ids.iter().map(|id| id % 7)))])
    };
    let dir = Dir::new();
    dir.table("ordered.parquet", &row(&ids, 0));
    dir.table("changed.parquet", &row(&ids[5..], 1));
    random.shuffle(&mut ids);
    dir.table("shuffled.parquet", &row(&ids, 0));
    for limits in ["", "--jobs 1", "--jobs 8", "--memory 1MiB", "--memory 1MiB --jobs 3"] {
        for source in ["ordered", "shuffled"] {
            dir.diff(&format!("{source}.parquet changed.parquet --key k {limits}")).drift([5, 0, 39, 0]);
            dir.diff(&format!("{source}.parquet ordered.parquet --key k {limits}")).tied_out();
        }
    }
}
