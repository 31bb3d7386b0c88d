//! Rows hashed by the functions that PostgreSQL has for its hash indexes, one after the other: each value is hashed with
//! the hash of the values before it as its seed, and the first with the salt.
//!
//! This costs a server less than sending the row. It hashes values of which no two that differ may look alike, so each
//! kind of column has a [`Form`]: what is hashed of its values. `docs/push-down.md` says why each form tells all
//! values apart, and how much 64 bits are worth.

use super::canonical::{Canonical, Tag, Values, read_float};
use super::kind::Kind;
use super::lookup3;
use super::number::{self, Number};
use super::portable;

/// What the report calls the digest.
pub const NAME: &str = "lookup3 over the values one by one, 64 bits";

/// What is hashed of the values of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Whole numbers of 32 bits, as floats, which hold them exactly.
    Whole32,
    /// Whole numbers of 64 bits, as floats, which tell apart those that lie far from each other, and then folded to 32
    /// bits, which tells apart those that lie near.
    Whole64,
    /// Decimals as text, with this many digits behind the point.
    Fixed(u8),
    /// Whether it is NULL, zero or another float, and then that.
    Float,
    /// Points in time to the microsecond, in the same way as [`Form::Whole64`].
    Micros,
    /// Booleans.
    Truth,
    /// Text.
    Text,
    /// The sixteen bytes of a UUID.
    Uuid,
    /// [Portable text](super::portable).
    Portable,
}

/// What is added to a whole number, so that none is zero: the server's hash of zero is the seed.
pub const WHOLE_OFFSET: f64 = 0.5;
/// What is added to the seconds of a point in time, for the same reason. It is no whole number of microseconds.
pub const SECONDS_OFFSET: f64 = 1e-7;
/// The text of NULL among portable texts, none of which is this.
pub const NULL_TEXT: &str = "n";
/// Microseconds from 1970 to 2000, from where PostgreSQL counts.
const EPOCH_MICROS: i64 = 946_684_800_000_000;

impl Form {
    /// The form for the values of both sides, whose own forms these are; `None`: there is none.
    pub fn common(source: Form, target: Form) -> Option<Form> {
        match (source, target) {
            (one, other) if one == other => Some(one),
            (Form::Whole32 | Form::Whole64, Form::Whole32 | Form::Whole64) => Some(Form::Whole64),
            _ if [source, target].into_iter().all(Form::is_of_numbers) => Some(Form::Portable),
            _ => None,
        }
    }

    fn is_of_numbers(self) -> bool {
        matches!(self, Form::Whole32 | Form::Whole64 | Form::Fixed(_) | Form::Portable)
    }
}

/// What stands for NULL among values of any bytes: drawn with the salt, so that it is no value of any table.
pub fn null_mark(salt: u64) -> u128 {
    u128::from(lookup3::bytes(b"high", salt)) << 64 | u128::from(lookup3::bytes(b"low", salt))
}

/// The hash of a row, or of a key, whose values are `row`, in canonical bytes.
pub fn hash(salt: u64, forms: &[Form], kinds: &[Kind], row: &[u8]) -> u64 {
    let values = Values::of(row).zip(kinds).zip(forms);
    values.fold(salt, |seed, ((value, kind), form)| step(*form, kind, value, salt, seed))
}

fn step(form: Form, kind: &Kind, value: Canonical<'_>, salt: u64, seed: u64) -> u64 {
    let null = value.tag == Tag::Null;
    let hashed = match form {
        Form::Whole32 | Form::Whole64 if null => Some(whole(form, None, seed)),
        Form::Whole32 | Form::Whole64 => number::read_i128(value.bytes)
            .and_then(|whole| i64::try_from(whole).ok())
            .filter(|_| value.tag == Tag::Number)
            .map(|number| whole(form, Some(number), seed)),
        Form::Fixed(_) if null => Some(lookup3::bytes(NULL_TEXT.as_bytes(), seed)),
        Form::Fixed(digits) => fixed(value, digits, seed),
        Form::Float if null => Some(lookup3::int4(0, seed)),
        Form::Float => read_float(value.bytes).filter(|_| value.tag == Tag::Float).map(|float| match float {
            0.0 => lookup3::int4(1, seed),
            _ => lookup3::float8(float, lookup3::int4(2, seed)),
        }),
        Form::Micros if null => Some(lookup3::int8(-EPOCH_MICROS, lookup3::float8(f64::NAN, seed))),
        Form::Micros => micros(value).map(|(micros, seconds)| lookup3::int8(micros, lookup3::float8(seconds, seed))),
        Form::Truth if null => Some(lookup3::int4(2, seed)),
        Form::Truth => (value.tag == Tag::Boolean).then(|| lookup3::int4(u32::from(value.bytes == [1]), seed)),
        Form::Text | Form::Uuid if null => None,
        Form::Text => (value.tag == Tag::Text).then(|| lookup3::bytes(value.bytes, seed)),
        Form::Uuid => (value.tag == Tag::Uuid && value.bytes.len() == 16).then(|| lookup3::bytes(value.bytes, seed)),
        Form::Portable => {
            let mut text = Vec::new();
            portable::push_value(&mut text, kind, value).then(|| lookup3::bytes(&text, seed))
        }
    };
    hashed.unwrap_or_else(|| {
        let mark = null_mark(salt);
        match (null, form) {
            (true, Form::Uuid) => lookup3::bytes(&mark.to_be_bytes(), seed),
            (true, _) => lookup3::bytes(format!("{mark:032x}").as_bytes(), seed),
            // A value that no server has in this column is equal to nothing but itself.
            (false, _) => {
                let tag = [value.tag as u8];
                lookup3::bytes(&[&mark.to_be_bytes()[..], &tag, value.bytes].concat(), seed)
            }
        }
    })
}

fn whole(form: Form, value: Option<i64>, seed: u64) -> u64 {
    let hash = lookup3::float8(value.map_or(f64::NAN, |value| value as f64 + WHOLE_OFFSET), seed);
    if form == Form::Whole64 { lookup3::int8(value.unwrap_or(0), hash) } else { hash }
}

/// The hash of a number as text with so many digits behind the point; `None` if it has more of them, or is none.
fn fixed(value: Canonical<'_>, digits: u8, seed: u64) -> Option<u64> {
    if value.tag != Tag::Number {
        return None;
    }
    let digits = usize::from(digits);
    if let Some(unscaled) = number::read_decimal(value.bytes, digits as u32).and_then(|unscaled| i64::try_from(unscaled).ok()) {
        // From the right, into more room than a number of 64 bits with a sign, a point and zeros before it takes.
        let (mut text, mut rest, mut places) = ([0; 20 + u8::MAX as usize], unscaled.unsigned_abs(), 0);
        let mut start = text.len();
        let mut put = |byte: u8| {
            start -= 1;
            text[start] = byte;
        };
        while places <= digits || rest > 0 {
            if places == digits && digits > 0 {
                put(b'.');
            }
            put(b'0' + (rest % 10) as u8);
            rest /= 10;
            places += 1;
        }
        if unscaled < 0 {
            put(b'-');
        }
        return Some(lookup3::bytes(&text[start..], seed));
    }
    let number = number::read(value.bytes)?;
    let text = match &number {
        Number::Finite { scale, .. } if *scale > digits => return None,
        Number::Finite { scale, .. } => {
            let point = if *scale == 0 && digits > 0 { "." } else { "" };
            format!("{number}{point}{}", "0".repeat(digits - scale))
        }
        _ => number.to_string(),
    };
    Some(lookup3::bytes(text.as_bytes(), seed))
}

/// Microseconds since 2000, and seconds since 1970 with what is added to them, as PostgreSQL's `date_part` reckons them.
fn micros(value: Canonical<'_>) -> Option<(i64, f64)> {
    if !matches!(value.tag, Tag::Timestamp | Tag::Instant) {
        return None;
    }
    let Some(nanos) = number::read_i128(value.bytes) else {
        return match number::read(value.bytes)? {
            Number::Infinity { negative: true } => Some((i64::MIN, f64::NEG_INFINITY)),
            Number::Infinity { negative: false } => Some((i64::MAX, f64::INFINITY)),
            _ => None,
        };
    };
    let micros = i64::try_from(nanos / 1_000 - i128::from(EPOCH_MICROS)).ok().filter(|_| nanos % 1_000 == 0)?;
    let since_1970 = match micros.checked_add(EPOCH_MICROS) {
        Some(since_1970) => since_1970 as f64,
        None => micros as f64 + EPOCH_MICROS as f64,
    };
    Some((micros, since_1970 / 1e6 + SECONDS_OFFSET))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::super::canonical::{push_bytes, push_float, push_null, push_whole};
    use super::super::parse::push_text_as;
    use super::*;

    const SALTS: [u64; 3] = [0, 1, 0x9e37_79b9_7f4a_7c15];
    const FOLDED: i128 = 1 << 32;

    fn null() -> Vec<u8> {
        let mut row = Vec::new();
        push_null(&mut row);
        row
    }

    /// Values of each form of which no two are equal, those among them that the server's hash by itself takes for equal.
    fn distinct() -> Vec<(Form, Kind, Vec<Vec<u8>>)> {
        let wholes = |tag: Tag, values: Vec<i128>| -> Vec<Vec<u8>> {
            let row = |value| {
                let mut row = Vec::new();
                push_whole(&mut row, tag, value);
                row
            };
            values.into_iter().map(row).chain([null()]).collect()
        };
        let texts = |kind: &Kind, texts: &[&str]| -> Vec<Vec<u8>> {
            let row = |text: &&str| {
                let mut row = Vec::new();
                push_text_as(&mut row, kind, text);
                row
            };
            texts.iter().map(row).chain([null()]).collect()
        };
        let floats = [0.0, 1.0, -1.0, 0.5, 0.25, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MIN_POSITIVE, 1e300];
        let floats = floats.map(|float| {
            let mut row = Vec::new();
            push_float(&mut row, float);
            row
        });
        let near = |middle: i128| (-3..=3).map(move |step| middle + step);
        let far =
            [0, FOLDED, 2 * FOLDED, -FOLDED, 1 << 53, -(1 << 53), 1 << 60, i128::from(i64::MAX) - 3, i128::from(i64::MIN) + 3];
        let whole64 = far.into_iter().flat_map(near).collect();
        let micros = [
            0,
            i128::from(EPOCH_MICROS),
            -500_000,
            -250_000,
            FOLDED,
            -FOLDED,
            i128::from(EPOCH_MICROS) + FOLDED,
            1 << 56,
            -(1 << 56),
        ];
        let micros = micros.into_iter().flat_map(near).map(|micros| micros * 1_000).collect::<Vec<_>>();
        let infinities = |kind| texts(kind, &["infinity", "-infinity"]).into_iter().take(2);
        let decimals =
            ["0", "5", "-5", "0.5", "-0.5", "50", "500", "0.05", "12345678901234567890.12", "-98765432109876543210", "NaN", "1e30"];
        let uuids = ["550e8400-e29b-41d4-a716-446655440000", "00000000-0000-0000-0000-000000000000"];
        let words = ["", "n", "a", "a ", "abcdefghijkl", "abcdefghijklm", "abcdefghijkl\u{1}", "0", "NULL"];
        vec![
            (
                Form::Whole32,
                Kind::Number,
                wholes(Tag::Number, near(0).chain(near((1 << 31) - 4)).chain(near(3 - (1 << 31))).collect()),
            ),
            (Form::Whole64, Kind::Number, wholes(Tag::Number, whole64)),
            (Form::Fixed(2), Kind::Number, texts(&Kind::Number, &decimals)),
            (
                Form::Fixed(0),
                Kind::Number,
                texts(&Kind::Number, &["0", "-1", "1", "10", "18446744073709551615", "Infinity", "-Infinity"]),
            ),
            (Form::Float, Kind::Float { bits: 64 }, floats.into_iter().chain([null()]).collect()),
            (
                Form::Micros,
                Kind::Timestamp,
                wholes(Tag::Timestamp, micros.clone()).into_iter().chain(infinities(&Kind::Timestamp)).collect(),
            ),
            (Form::Micros, Kind::Instant, wholes(Tag::Instant, micros).into_iter().chain(infinities(&Kind::Instant)).collect()),
            (Form::Truth, Kind::Boolean, texts(&Kind::Boolean, &["true", "false"])),
            (Form::Text, Kind::Text, texts(&Kind::Text, &words)),
            (Form::Uuid, Kind::Uuid, texts(&Kind::Uuid, &uuids)),
            (Form::Portable, Kind::Date, texts(&Kind::Date, &["2024-02-29", "0044-03-15 BC", "infinity"])),
            (Form::Portable, Kind::Number, texts(&Kind::Number, &["0", "0.1", "-0.1", "1e21", "NaN"])),
        ]
    }

    #[test]
    fn values_that_differ_have_different_hashes() {
        for (form, kind, values) in distinct() {
            for salt in SALTS {
                let mut seen: HashMap<u64, &[u8]> = HashMap::new();
                for value in &values {
                    let hash = hash(salt, &[form], std::slice::from_ref(&kind), value);
                    let before = seen.insert(hash, value);
                    assert_eq!(before, None, "{form:?} {kind}: {value:?}");
                }
            }
        }
    }

    /// Where the hash of zero is the seed, a zero could move to the next column unseen.
    #[test]
    fn no_value_may_move_to_another_column() {
        for (form, kind, values) in distinct() {
            let kinds = [kind.clone(), kind.clone(), kind.clone()];
            let mut seen = HashMap::new();
            for one in &values {
                for other in &values {
                    for row in [[one, other, other], [other, one, other], [other, other, one]] {
                        let row = row.map(Vec::as_slice).concat();
                        let before = seen.insert(hash(7, &[form; 3], &kinds, &row), row.clone());
                        assert!(before.is_none_or(|before| before == row), "{form:?} {kind}");
                    }
                }
            }
        }
    }

    /// What docs/push-down.md proves: of two numbers of 64 bits that are the same float, the folded halves differ.
    #[test]
    fn numbers_that_are_one_float_fold_to_different_halves() {
        let mut random = fastrand::Rng::with_seed(20_261_126);
        let edges = [0, 1 << 53, 1 << 54, 1 << 62, i64::MAX, i64::MIN, 0x7fff_ffff_0000_0000, -(1 << 60), -(1 << 32), 1 << 32];
        let mut same = 0;
        for turn in 0..400_000 {
            let shift = random.u32(0..63);
            let near = if turn % 2 == 0 { edges[random.usize(0..edges.len())] } else { random.i64(..) & (-1 << shift) };
            let (one, other) = (near.saturating_add(random.i64(-4096..4096)), near.saturating_add(random.i64(-4096..4096)));
            let float = |value: i64| value as f64 + WHOLE_OFFSET;
            if one != other && float(one) == float(other) {
                same += 1;
                assert_ne!(lookup3::folded(one), lookup3::folded(other), "{one} and {other}");
            }
            let seconds = |micros: i64| micros as f64 / 1e6 + SECONDS_OFFSET;
            if one != other && seconds(one) == seconds(other) {
                let since_2000 = |micros: i64| micros.checked_sub(EPOCH_MICROS).map(lookup3::folded);
                assert!(since_2000(one).is_none() || since_2000(one) != since_2000(other), "{one} and {other}");
            }
        }
        assert!(same > 10_000, "{same}");
    }

    #[test]
    fn a_value_that_no_server_has_in_the_column_is_equal_to_nothing_but_itself() {
        let value = |tag: Tag, bytes: &[u8]| {
            let mut row = Vec::new();
            push_bytes(&mut row, tag, bytes);
            row
        };
        let mut whole = Vec::new();
        push_whole(&mut whole, Tag::Number, 77);
        let strangers = [value(Tag::Bytes, &[0x77]), value(Tag::Unparsed, b"77"), value(Tag::Unparsed, b"x"), whole];
        for (form, kind, values) in distinct() {
            let hash = |row: &[u8]| hash(3, &[form], std::slice::from_ref(&kind), row);
            let others: Vec<u64> = values.iter().map(|value| hash(value)).collect();
            let strangers = strangers.iter().filter(|stranger| !values.contains(stranger));
            let mut hashes: Vec<u64> = strangers.map(|stranger| hash(stranger)).collect();
            assert!(hashes.iter().all(|hash| !others.contains(hash)), "{form:?} {kind}");
            hashes.sort_unstable();
            hashes.dedup();
            assert_eq!(hashes.len(), 4, "{form:?} {kind}");
        }
    }

    #[test]
    fn decimals_are_written_as_servers_write_them() {
        for (text, digits, expected) in [
            ("1.5", 2, Some("1.50")),
            ("-0.5", 2, Some("-0.50")),
            ("0", 2, Some("0.00")),
            ("100", 0, Some("100")),
            ("0", 0, Some("0")),
            ("1.555", 2, None),
            ("12345678901234567890.1", 2, Some("12345678901234567890.10")),
            ("12345678901234567890", 2, Some("12345678901234567890.00")),
            ("-12345678901234567890", 0, Some("-12345678901234567890")),
            ("NaN", 2, Some("NaN")),
            ("-Infinity", 0, Some("-Infinity")),
        ] {
            let mut row = Vec::new();
            push_text_as(&mut row, &Kind::Number, text);
            let value = Values::of(&row).next().unwrap();
            assert_eq!(fixed(value, digits, 9), expected.map(|text| lookup3::bytes(text.as_bytes(), 9)), "{text} with {digits}");
        }
    }
}
