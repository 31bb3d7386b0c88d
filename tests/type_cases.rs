//! Every trap of types and values that files can express, with its strict verdict, in both directions.
//!
//! The names are those of the conformance cases: N numbers, T times, S text, B bytes, UUID, JSON.

use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::{DataType, Field, IntervalMonthDayNanoType, i256};

use crate::support::{Dir, array, table};

/// What a pair of columns must come to.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Must {
    /// Equal, by an exact comparison.
    Equal,
    /// Equal, by a comparison that the report lists as not exact.
    Declared,
    /// Every row differs.
    Differ,
    /// Not compared, so the verdict is incomplete.
    NotCompared,
}

use Must::*;

/// Compares each pair of columns, both ways round, as Arrow IPC.
#[track_caller]
fn check(cases: impl IntoIterator<Item = (&'static str, ArrayRef, ArrayRef, Must)>) {
    let dir = Dir::new();
    for (name, one, other, must) in cases {
        let rows = one.len() as u64;
        assert_eq!(one.len(), other.len(), "{name}");
        let keyed = |values: &ArrayRef| {
            let keys = array(Int64Array::from_iter_values(0..values.len() as i64));
            table(&[("k", keys), ("v", Arc::clone(values))])
        };
        dir.table("one.arrow", &keyed(&one));
        dir.table("other.arrow", &keyed(&other));
        for line in ["one.arrow other.arrow", "other.arrow one.arrow"] {
            let run = dir.diff(&format!("{line} --key k"));
            let context = || format!("{name}: {line} must be {must:?}: {run:#?}");
            match must {
                Equal | Declared => {
                    assert_eq!((run.code, run.differences()), (0, [0; 4]), "{}", context());
                    assert_eq!(run.column("v")["exact"], must == Equal, "{}", context());
                    assert_eq!(run.column("v").get("declared").is_some(), must == Declared, "{}", context());
                }
                Differ => {
                    assert_eq!((run.code, run.differences()), (1, [0, 0, rows, 0]), "{}", context());
                    assert_eq!(run.column("v")["changed"], rows, "{}", context());
                }
                NotCompared => {
                    assert_eq!((run.code, run.verdict()), (3, "incomplete"), "{}", context());
                    let left_out = &run.table()["not_compared"][0];
                    assert_eq!((left_out["column"].as_str(), left_out["ignored"].as_bool()), (Some("v"), Some(false)));
                    assert_ne!(left_out["reason"], "", "{}", context());
                }
            }
        }
    }
}

fn ints(values: impl IntoIterator<Item = i64>) -> ArrayRef {
    array(Int64Array::from_iter_values(values))
}

fn unsigned(values: impl IntoIterator<Item = u64>) -> ArrayRef {
    array(UInt64Array::from_iter_values(values))
}

fn decimals(precision: u8, scale: i8, values: impl IntoIterator<Item = i128>) -> ArrayRef {
    array(Decimal128Array::from_iter_values(values).with_precision_and_scale(precision, scale).unwrap())
}

fn wide(scale: i8, value: &str) -> ArrayRef {
    let value = i256::from_string(value).unwrap();
    array(Decimal256Array::from_iter_values([value]).with_precision_and_scale(76, scale).unwrap())
}

fn doubles(values: impl IntoIterator<Item = f64>) -> ArrayRef {
    array(Float64Array::from_iter_values(values))
}

fn floats(values: impl IntoIterator<Item = f32>) -> ArrayRef {
    array(Float32Array::from_iter_values(values))
}

fn texts<'a>(values: impl IntoIterator<Item = &'a str>) -> ArrayRef {
    array(StringArray::from_iter_values(values))
}

fn bytes(value: &[u8]) -> ArrayRef {
    array(BinaryArray::from_iter_values([value]))
}

fn booleans(values: impl IntoIterator<Item = bool>) -> ArrayRef {
    array(BooleanArray::from_iter(values.into_iter().map(Some)))
}

/// As many NULLs of the type of `like` as it has rows.
fn nulls(like: &ArrayRef) -> ArrayRef {
    new_null_array(like.data_type(), like.len())
}

#[test]
fn whole_numbers() {
    let small = || array(Int16Array::from_iter_values([i16::MIN, -1, 0, 1, i16::MAX]));
    let same = || [i16::MIN, -1, 0, 1, i16::MAX].map(i64::from);
    check([
        ("N01 bigint", small(), ints(same()), Equal),
        ("N01 numeric", small(), decimals(10, 2, same().map(|v| i128::from(v) * 100)), Equal),
        ("N02 8", array(UInt8Array::from_iter_values([255])), array(Int16Array::from_iter_values([255])), Equal),
        ("N02 16", array(UInt16Array::from_iter_values([65_535])), array(Int32Array::from_iter_values([65_535])), Equal),
        ("N02 32", array(UInt32Array::from_iter_values([u32::MAX])), ints([4_294_967_295]), Equal),
        ("N03", unsigned([u64::MAX]), decimals(20, 0, [18_446_744_073_709_551_615]), Equal),
        ("N03 -1", unsigned([u64::MAX]), ints([-1]), Differ),
        ("N04 wrap", unsigned([9_223_372_036_854_775_808]), ints([i64::MIN]), Differ),
        ("N05", ints([9_007_199_254_740_993]), ints([9_007_199_254_740_992]), Differ),
        ("N05 scientific", ints([12_345_678_901_234_567]), ints([12_345_678_901_234_568]), Differ),
        ("N05 double", ints([9_007_199_254_740_993]), doubles([9_007_199_254_740_992.0]), Differ),
        ("N05 double, equal", ints([9_007_199_254_740_992]), doubles([9_007_199_254_740_992.0]), Declared),
        ("zero and NULL", ints([0]), nulls(&ints([0])), Differ),
        ("NULL and NULL", nulls(&ints([0])), nulls(&decimals(9, 2, [0])), Equal),
    ]);
}

#[test]
fn decimals_of_any_precision() {
    let nines = "9".repeat(76);
    let off_by_one = "9".repeat(75) + "8";
    let digit_39 = "1".to_string() + &"0".repeat(37) + "1" + &"0".repeat(20);
    let none_39 = "1".to_string() + &"0".repeat(58);
    check([
        ("N06", ints([1]), decimals(10, 2, [100]), Equal),
        ("N06 1.4", ints([1]), decimals(10, 2, [140]), Differ),
        ("N07", decimals(10, 1, [14]), decimals(10, 1, [13]), Differ),
        ("N08", decimals(10, 1, [10]), decimals(10, 2, [100]), Equal),
        ("N08 negative scale", decimals(10, -2, [12]), ints([1200]), Equal),
        ("N09", decimals(10, 2, [-19]), ints([0]), Differ),
        ("N10 76 digits", wide(0, &nines), wide(0, &off_by_one), Differ),
        ("N10 76 digits, equal", wide(0, &nines), wide(0, &nines), Equal),
        ("N10 scale of 76 digits", wide(30, &nines), wide(29, &nines), Differ),
        ("N10 39th digit", wide(20, &digit_39), wide(20, &none_39), Differ),
        ("N10 in a narrower type", wide(40, &("7".to_string() + &"0".repeat(40))), ints([7]), Equal),
        ("N11", decimals(28, 6, [611_111]), decimals(38, 15, [611_111_104_488_373]), Differ),
        ("N11 one ulp of the scale", decimals(38, 10, [1]), decimals(38, 10, [2]), Differ),
    ]);
}

#[test]
fn floats_of_both_widths() {
    let payload = f64::from_bits(0x7ff8_0000_0000_beef);
    let tenth = 0.1f64;
    check([
        ("N12 NaN and NULL", doubles([f64::NAN]), nulls(&doubles([0.0])), Differ),
        ("N12 NaN and 0", doubles([f64::NAN]), doubles([0.0]), Differ),
        ("N13", doubles([1e-9]), doubles([2e-9]), Differ),
        ("N14", doubles([1e26, f64::MAX, f64::MIN_POSITIVE, 5e-324]), doubles([1e26, f64::MAX, f64::MIN_POSITIVE, 5e-324]), Equal),
        ("N15", doubles([f64::NAN, f64::NAN]), doubles([payload, -f64::NAN]), Equal),
        ("N15 widths", floats([f32::NAN]), doubles([payload]), Equal),
        ("N16 infinities", doubles([f64::INFINITY]), doubles([f64::NEG_INFINITY]), Differ),
        ("N16 largest", doubles([f64::INFINITY]), doubles([f64::MAX]), Differ),
        ("N16 number", doubles([f64::INFINITY, f64::NAN, f64::NEG_INFINITY]), ints([0, 0, 0]), Differ),
        ("N16 NULL", doubles([f64::INFINITY]), nulls(&ints([0])), Differ),
        ("N16 widths", floats([f32::INFINITY]), doubles([f64::INFINITY]), Equal),
        ("N17", doubles([-0.0]), doubles([0.0]), Equal),
        ("N17 widths", floats([-0.0]), doubles([0.0]), Equal),
        ("N17 number", doubles([-0.0]), ints([0]), Declared),
        ("N18", doubles([0.0]), nulls(&doubles([0.0])), Differ),
        ("N19 widened", floats([0.1]), doubles([0.100_000_001_490_116_12]), Equal),
        ("N19 squeezed", floats([0.1]), doubles([0.1]), Differ),
        ("N20", floats([16_777_216.0]), doubles([16_777_216.0]), Equal),
        ("N20 next", floats([16_777_216.0]), doubles([16_777_217.0]), Differ),
        ("N21", doubles([1.0 / 3.0]), doubles([1.0 / 3.0]), Equal),
        ("N22 one ulp", doubles([tenth]), doubles([f64::from_bits(tenth.to_bits() + 1)]), Differ),
        ("0.1 and decimal", doubles([0.1]), decimals(10, 2, [10]), Declared),
        ("0.1 squeezed and decimal", floats([0.1]), decimals(10, 2, [10]), Declared),
        ("0.1 + 0.2 and decimal", doubles([0.1 + 0.2]), decimals(10, 2, [30]), Differ),
        ("1/3 and decimal", doubles([1.0 / 3.0]), decimals(38, 16, [3_333_333_333_333_333]), Declared),
        ("1e300 and decimal", doubles([1e300]), decimals(38, 0, [i128::pow(10, 37)]), Differ),
    ]);
}

#[test]
fn booleans_against_numbers_and_text() {
    check([
        ("N23", array(Int8Array::from_iter_values([2])), booleans([true]), Differ),
        ("N24", booleans([true, false]), ints([1, 0]), Declared),
        ("N24 wrong way", booleans([true, false]), ints([0, 1]), Differ),
        ("N24 decimal", booleans([true]), decimals(5, 2, [100]), Declared),
        ("N24 text", booleans([true, false]), texts(["t", "f"]), NotCompared),
        ("N24 NULL", booleans([false]), nulls(&booleans([false])), Differ),
        ("B20", booleans([true]), booleans([true]), Equal),
    ]);
}

const SECOND: i64 = 1_000_000;

fn micros(values: impl IntoIterator<Item = i64>) -> ArrayRef {
    array(TimestampMicrosecondArray::from_iter_values(values))
}

fn millis(values: impl IntoIterator<Item = i64>) -> ArrayRef {
    array(TimestampMillisecondArray::from_iter_values(values))
}

fn instants(values: impl IntoIterator<Item = i64>, zone: &str) -> ArrayRef {
    array(TimestampMicrosecondArray::from_iter_values(values).with_timezone(zone))
}

fn days(values: impl IntoIterator<Item = i32>) -> ArrayRef {
    array(Date32Array::from_iter_values(values))
}

fn times(values: impl IntoIterator<Item = i64>) -> ArrayRef {
    array(Time64MicrosecondArray::from_iter_values(values))
}

#[test]
fn civil_times() {
    // 2022-01-01 and its days since the epoch.
    let (day, midnight) = (18_993, 18_993 * 86_400 * SECOND);
    let nanos = |value| array(TimestampNanosecondArray::from_iter_values([value]));
    check([
        ("T01", micros([139_000]), millis([139]), Equal),
        ("T01 digits lost", micros([20_409]), millis([20]), Differ),
        ("T02 rounded up", micros([SECOND - 400]), millis([1000]), Differ),
        ("T02 cut", micros([SECOND - 400]), millis([999]), Differ),
        ("T02 before the epoch", micros([-1]), millis([0]), Differ),
        ("T03", micros([SECOND]), micros([SECOND + 1]), Differ),
        ("T04", days([day]), array(Date64Array::from_iter_values([i64::from(day) * 86_400_000])), Equal),
        ("T04 next day", days([day]), days([day + 1]), Differ),
        ("T05", days([day]), micros([midnight]), Declared),
        ("T05 one second", days([day]), micros([midnight + SECOND]), Differ),
        ("T06", times([36_000 * SECOND]), array(Time32SecondArray::from_iter_values([36_000])), Equal),
        ("T06 half a second", times([36_000 * SECOND + 500_000]), array(Time32SecondArray::from_iter_values([36_001])), Differ),
        ("T08 24:00", times([86_400 * SECOND]), times([0]), Differ),
        ("T17 BC", days([-735_521]), days([-703_000]), Differ),
        ("T18 year 1", days([-719_162]), micros([-719_162 * 86_400 * SECOND]), Declared),
        ("T19 year 10000", days([2_932_897]), days([2_932_896]), Differ),
        ("T22", micros([0]), micros([SECOND]), Differ),
        ("T27", nanos(i64::MAX), micros([i64::MAX / 1000]), Differ),
        ("T27 ends in zeros", nanos(1_000), micros([1]), Equal),
        ("far years", micros([i64::MAX]), array(TimestampSecondArray::from_iter_values([i64::MAX / SECOND])), Differ),
        (
            "far years, equal",
            millis([i64::MAX / 1000 * 1000]),
            array(TimestampSecondArray::from_iter_values([i64::MAX / 1000])),
            Equal,
        ),
        ("date and time of day", days([0]), times([0]), NotCompared),
    ]);
}

#[test]
fn instants_and_zones() {
    let hour = 3600 * SECOND;
    check([
        ("T10 zones", instants([SECOND], "UTC"), instants([SECOND], "Europe/Berlin"), Equal),
        ("T10 offsets", instants([SECOND], "+02:00"), instants([SECOND], "UTC"), Equal),
        ("T11", instants([SECOND], "UTC"), micros([SECOND]), Declared),
        ("T11 civil side in UTC", instants([SECOND], "Europe/Berlin"), micros([SECOND]), Declared),
        ("T11 offset", instants([SECOND], "UTC"), micros([SECOND + hour]), Differ),
        // 2021-10-31 00:30Z and 01:30Z, both 02:30 in Berlin.
        ("T13", instants([1_635_640_200 * SECOND], "Europe/Berlin"), instants([1_635_643_800 * SECOND], "Europe/Berlin"), Differ),
        ("T15", instants([0, hour, 2 * hour, 3 * hour], "UTC"), instants([8, 9, 10, 11].map(|h| h * hour), "UTC"), Differ),
        ("T05 instant", days([1]), instants([24 * hour], "UTC"), Declared),
    ]);
}

#[test]
fn spans_and_numbers_that_stand_for_times() {
    let interval = |months, days, nanos| {
        let value = IntervalMonthDayNanoType::make_value(months, days, nanos);
        array(IntervalMonthDayNanoArray::from(vec![value]))
    };
    let months = |n| array(IntervalYearMonthArray::from(vec![n]));
    check([
        ("T23", interval(1, 0, 0), interval(0, 30, 0), Differ),
        ("T23 a day", interval(0, 1, 0), interval(0, 0, 86_400_000_000_000), Differ),
        ("T23 months", interval(14, 0, 0), months(14), Equal),
        ("T24", interval(1, 0, 0), ints([2_629_800_000_000]), NotCompared),
        ("T24 units", array(DurationSecondArray::from(vec![3])), array(DurationMillisecondArray::from(vec![3000])), Equal),
        ("T25", array(Int16Array::from(vec![2024])), ints([2024]), Equal),
        ("T26 days", ints([18_993]), days([18_993]), NotCompared),
        ("T26 microseconds", ints([SECOND]), micros([SECOND]), NotCompared),
        ("T26 text", texts(["2022-01-01"]), days([18_993]), NotCompared),
    ]);
}

#[test]
fn text_is_exact() {
    check([
        ("S01", texts([""]), nulls(&texts([""])), Differ),
        ("S02 space", texts([" "]), texts([""]), Differ),
        ("S02 NULL", texts([" "]), nulls(&texts([""])), Differ),
        ("S07 space behind", texts(["abc", "abc", "abc", "abc"]), texts(["abc ", " abc", "abc\t", "abc\u{a0}"]), Differ),
        ("S10", texts(["abc", "e", "ss"]), texts(["ABC", "é", "ß"]), Differ),
        ("S11", texts(["\u{e9}"]), texts(["e\u{301}"]), Differ),
        ("S12", texts(["😀"]), texts(["😁"]), Differ),
        ("S12 equal", texts(["😀"]), array(LargeStringArray::from(vec!["😀"])), Equal),
        ("S13", texts(["😀", "😀"]), texts(["?", "\u{fffd}"]), Differ),
        ("S14", texts(["é"]), texts(["Ã©"]), Differ),
        ("S15", texts(["“"]), texts(["?"]), Differ),
        ("S16", texts(["a\0b", "a\0b", "a\0"]), texts(["a b", "ab", "a"]), Differ),
        ("S17", texts(["a\r\nb"]), texts(["a\nb"]), Differ),
        ("S18", texts(["ab", "ab", "ab"]), texts(["a\u{200b}b", "\u{feff}ab", "a\u{200f}b"]), Differ),
        ("S23", texts(["1"]), ints([1]), NotCompared),
        ("S23 text", texts(["1"]), texts(["1.0"]), Differ),
        ("S23 float", texts(["1"]), doubles([1.0]), NotCompared),
    ]);
}

#[test]
fn text_that_looks_like_null_is_text() {
    let markers = ["<null>", "NULL", "null", "\\N", "DEFAULT_REPLACEMENT_STRING", "NULL_PBj}b]74P@JTo$5G_null", "None", "\0", ""];
    check(markers.map(|marker| ("S03", texts([marker]), nulls(&texts([marker])), Differ)));
}

#[test]
fn long_text_is_compared_to_its_last_byte() {
    for len in [11, 12, 13, 255, 1023, 65_534, 1 << 20] {
        let text = |end: &str| texts([format!("{}{end}", "x".repeat(len)).as_str()]);
        check([
            ("S19", text("a"), text("b"), Differ),
            ("S20", text("a"), text(""), Differ),
            ("equal", text("a"), text("a"), Equal),
        ]);
        let view = |end: &str| array(StringViewArray::from_iter_values([format!("{}{end}", "x".repeat(len))]));
        check([("S19 view", text("a"), view("b"), Differ), ("view", text("a"), view("a"), Equal)]);
    }
}

#[test]
fn bytes_are_exact() {
    check([
        ("B01", bytes(&[0, 0xff]), array(LargeBinaryArray::from_iter_values([[0u8, 0xff]])), Equal),
        ("B01 differ", bytes(&[0, 0xff]), bytes(&[0, 0xfe]), Differ),
        ("B02", bytes(&[0xff, 0xfe]), bytes(&[0xfe, 0xff]), Differ),
        ("B03", bytes(&[0x61, 0, 0, 0]), bytes(&[0x61]), Differ),
        ("B04 hex", texts(["\\x00ff"]), bytes(&[0, 0xff]), NotCompared),
        ("B05", bytes(&[]), nulls(&bytes(&[])), Differ),
        ("S22", bytes(&[0xe9]), bytes(&[0xe8]), Differ),
        ("B21", bytes(&[5]), ints([5]), NotCompared),
        ("B22", unsigned([u64::MAX]), ints([-1]), Differ),
        ("B23 text of a list", list(&[Some(1)]), texts(["[1]"]), NotCompared),
        ("F05 text and bytes", texts(["a"]), bytes(b"a"), NotCompared),
    ]);
}

fn list(items: &[Option<i64>]) -> ArrayRef {
    let mut list = ListBuilder::new(Int64Builder::new());
    list.append_value(items.iter().copied());
    array(list.finish())
}

fn structure(fields: &[(&str, ArrayRef)]) -> ArrayRef {
    let pairs = fields.iter().map(|(name, values)| (Arc::new(Field::new(*name, values.data_type().clone(), true)), values.clone()));
    array(StructArray::from(pairs.collect::<Vec<_>>()))
}

fn map(entries: &[(&str, Option<i64>)]) -> ArrayRef {
    let mut map = MapBuilder::new(None, StringBuilder::new(), Int64Builder::new());
    for (key, value) in entries {
        map.keys().append_value(key);
        map.values().append_option(*value);
    }
    map.append(true).unwrap();
    array(map.finish())
}

#[test]
fn nested_values() {
    check([
        ("list order", list(&[Some(1), Some(2)]), list(&[Some(2), Some(1)]), Differ),
        ("list NULL", list(&[None]), list(&[]), Differ),
        ("empty list and NULL", list(&[]), nulls(&list(&[])), Differ),
        ("struct NULL", structure(&[("a", nulls(&ints([1])))]), nulls(&structure(&[("a", ints([1]))])), Differ),
        (
            "struct order",
            structure(&[("a", ints([1])), ("b", texts(["x"]))]),
            structure(&[("b", texts(["x"])), ("a", ints([1]))]),
            Equal,
        ),
        (
            "struct moved",
            structure(&[("a", texts(["x"])), ("b", texts([""]))]),
            structure(&[("a", texts([""])), ("b", texts(["x"]))]),
            Differ,
        ),
        ("struct renamed", structure(&[("a", ints([1]))]), structure(&[("b", ints([1]))]), NotCompared),
        ("struct widened", structure(&[("a", ints([1]))]), structure(&[("a", decimals(9, 2, [100]))]), Equal),
        ("struct float", structure(&[("a", decimals(9, 1, [1]))]), structure(&[("a", doubles([0.1]))]), Declared),
        ("map order", map(&[("a", Some(1)), ("b", None)]), map(&[("b", None), ("a", Some(1))]), Equal),
        ("map value", map(&[("a", Some(1)), ("b", Some(2))]), map(&[("a", Some(2)), ("b", Some(1))]), Differ),
        ("map NULL", map(&[("a", None)]), map(&[]), Differ),
    ]);
}

/// A column of UUIDs, JSON or another of Arrow's extension types.
fn extension(dir: &Dir, file: &str, name: &str, values: ArrayRef) {
    let field =
        Field::new("v", values.data_type().clone(), true).with_metadata([("ARROW:extension:name".to_string(), name.to_string())]);
    let keys = Field::new("k", DataType::Int64, true);
    let schema = Arc::new(arrow::datatypes::Schema::new(vec![keys, field]));
    dir.table(file, &RecordBatch::try_new(schema, vec![ints(0..values.len() as i64), values]).unwrap());
}

#[test]
fn uuids_against_text_and_bytes() {
    let dir = Dir::new();
    let id = 0x550e_8400_e29b_41d4_a716_4466_5544_0000u128;
    let native = FixedSizeBinaryArray::try_from_iter([id.to_be_bytes()].into_iter()).unwrap();
    extension(&dir, "uuid.arrow", "arrow.uuid", array(native));
    let swapped = [&id.to_be_bytes()[8..], &id.to_be_bytes()[..8]].concat();
    for (name, other, code) in [
        ("B06 lower", texts(["550e8400-e29b-41d4-a716-446655440000"]), 0),
        ("B06 upper", texts(["550E8400-E29B-41D4-A716-446655440000"]), 0),
        ("B07", bytes(&id.to_be_bytes()), 0),
        ("B07 time-swapped", bytes(&swapped), 1),
        ("B08 32 digits", texts(["550e8400e29b41d4a716446655440000"]), 0),
        ("B08 spaces", texts([" 550e8400-e29b-41d4-a716-446655440000 "]), 1),
        ("B08 braces", texts(["{550e8400-e29b-41d4-a716-446655440000}"]), 1),
        ("B09 no UUID", texts(["not a uuid"]), 1),
        ("another", texts(["550e8400-e29b-41d4-a716-446655440001"]), 1),
        ("NULL", nulls(&texts([""])), 1),
    ] {
        dir.table("other.arrow", &table(&[("k", ints([0])), ("v", other)]));
        for line in ["uuid.arrow other.arrow", "other.arrow uuid.arrow"] {
            let run = dir.diff(&format!("{line} --key k"));
            assert_eq!((run.code, run.column("v")["exact"].as_bool()), (code, Some(false)), "{name} {line}: {run:#?}");
        }
    }
    // B06, K19: as the key.
    dir.table("other.arrow", &table(&[("k", ints([0])), ("v", texts(["550E8400-e29b-41d4-a716-446655440000"]))]));
    dir.diff("uuid.arrow other.arrow --key v").tied_out();
    // B09: text that happens to look like UUIDs is text.
    check([("B09", texts(["550e8400e29b41d4a716446655440000"]), texts(["550E8400E29B41D4A716446655440000"]), Differ)]);
}

#[test]
fn json_against_json_and_text() {
    let cases = [
        ("B10", r#"{"a":1,"b":2}"#, r#"{ "b": 2, "a": 1 }"#, 0),
        ("B11 number", "1", "1.0", 0),
        ("B11 exponent", "1", "1e0", 0),
        ("B11 text", "1", "\"1\"", 1),
        ("B11 true", "1", "true", 1),
        ("B12", "9007199254740993", "9007199254740992", 1),
        ("B13", r#"{"a":1,"a":2}"#, r#"{"a":2}"#, 1),
        ("B14", "\"\\u00e9\"", "\"é\"", 0),
        ("B15 empty", "{}", "[]", 1),
        ("B15 order", "[1,2]", "[2,1]", 1),
        ("B16", "0.1", "1e-1", 0),
        ("nested", r#"{"a":[{"x":1,"y":null}]}"#, r#"{"a":[{"y":null,"x":1}]}"#, 0),
        ("absent", r#"{"a":null}"#, "{}", 1),
        ("unparsable", "{}", "{", 1),
    ];
    let dir = Dir::new();
    for (name, one, other, code) in cases {
        extension(&dir, "one.arrow", "arrow.json", texts([one]));
        extension(&dir, "json.arrow", "arrow.json", texts([other]));
        dir.table("text.arrow", &table(&[("k", ints([0])), ("v", texts([other]))]));
        for line in ["one.arrow json.arrow", "json.arrow one.arrow", "one.arrow text.arrow", "text.arrow one.arrow"] {
            let run = dir.diff(&format!("{line} --key k"));
            assert_eq!((run.code, run.column("v")["exact"].as_bool()), (code, Some(false)), "{name} {line}: {run:#?}");
        }
    }
    // B15: the document null is not NULL.
    extension(&dir, "one.arrow", "arrow.json", texts(["null"]));
    extension(&dir, "other.arrow", "arrow.json", nulls(&texts([""])));
    dir.diff("one.arrow other.arrow --key k").drift([0, 0, 1, 0]);
    // Text against text is text.
    check([("B10 text", texts([r#"{"a":1}"#]), texts([r#"{"a": 1}"#]), Differ)]);
}

/// P01 and P03: what pipelines put in place of a value is a difference.
#[test]
fn what_pipelines_put_in_place_of_a_value() {
    check([
        ("P01", texts(["a large text"]), texts(["__debezium_unavailable_value"]), Differ),
        ("P02 infinity", micros([i64::MAX]), micros([9_223_372_036_825_200_000]), Differ),
        ("P03 cut", texts(["x".repeat(70_000).as_str()]), texts(["x".repeat(65_535).as_str()]), Differ),
        ("P03 decimal as NULL", decimals(38, 10, [i128::pow(10, 37)]), nulls(&decimals(38, 10, [0])), Differ),
        ("P03 NUL", texts(["\0"]), texts([" "]), Differ),
    ]);
}
