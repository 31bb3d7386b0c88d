//! The canonical form of every value: the one definition of "equal".
//!
//! A value is written as a tag, the length of its bytes, and its bytes:
//!
//! ```text
//! tag     one byte, see [`Tag`]
//! length  one byte below 255, else 255 and eight bytes big-endian
//! bytes   of the value; within one tag they order as the values do
//! ```
//!
//! Two values are equal when these are equal. The length makes a row unambiguous (`('a|b','c')` and `('a','b|c')`
//! differ), the tag makes NULL differ from every text. `docs/canonical.md` lists the bytes of every kind; the
//! property tests in `tests/` hold them against an independent, slow definition.

use super::number;
use super::packed::{self, Packed};

/// What the bytes of a value mean; the first byte of every canonical value. Keys order by tag first, so NULL keys
/// come before all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Tag {
    /// NULL: no bytes.
    Null = 0,
    /// A member that an NDJSON object does not have, where both sides can tell that from null: no bytes.
    Absent = 1,
    /// One byte, 0 or 1.
    Boolean = 2,
    /// See [`super::number`].
    Number = 3,
    /// The bits of an f64, big-endian, arranged so that bytes order as floats do; one NaN, one zero.
    Float = 4,
    /// Days since 1970-01-01, as a number.
    Date = 5,
    /// Nanoseconds since midnight, as a number.
    Time = 6,
    /// Nanoseconds since 1970-01-01 00:00:00 in no zone, as a number.
    Timestamp = 7,
    /// Nanoseconds since 1970-01-01 00:00:00 UTC, as a number.
    Instant = 8,
    /// Months, days and nanoseconds: three canonical numbers.
    Interval = 9,
    /// Sixteen bytes.
    Uuid = 10,
    /// UTF-8.
    Text = 11,
    /// Bytes as they are.
    Bytes = 12,
    /// One canonical value: the document.
    Json = 13,
    /// The canonical values of the items.
    List = 14,
    /// The canonical values of the fields, in the source's order.
    Struct = 15,
    /// Canonical keys each followed by its value, in the order of the keys.
    Map = 16,
    /// Text, as written, that is not a value of the type it is read as.
    Unparsed = 17,
}

impl Tag {
    /// The tag with this number.
    pub fn from_byte(byte: u8) -> Option<Tag> {
        const ALL: [Tag; 18] = [
            Tag::Null,
            Tag::Absent,
            Tag::Boolean,
            Tag::Number,
            Tag::Float,
            Tag::Date,
            Tag::Time,
            Tag::Timestamp,
            Tag::Instant,
            Tag::Interval,
            Tag::Uuid,
            Tag::Text,
            Tag::Bytes,
            Tag::Json,
            Tag::List,
            Tag::Struct,
            Tag::Map,
            Tag::Unparsed,
        ];
        ALL.get(usize::from(byte)).copied()
    }
}

/// Lengths from here on take nine bytes.
const LONG: usize = 255;

/// Appends NULL.
#[inline]
pub fn push_null(out: &mut Vec<u8>) {
    out.extend_from_slice(&[Tag::Null as u8, 0]);
}

/// Appends the mark of a member that is not there.
pub fn push_absent(out: &mut Vec<u8>) {
    out.extend_from_slice(&[Tag::Absent as u8, 0]);
}

/// Appends a boolean.
#[inline]
pub fn push_boolean(out: &mut Vec<u8>, value: bool) {
    out.extend_from_slice(&[Tag::Boolean as u8, 1, u8::from(value)]);
}

/// Appends a value whose bytes are at hand.
#[inline]
pub fn push_bytes(out: &mut Vec<u8>, tag: Tag, bytes: &[u8]) {
    if bytes.len() < LONG {
        out.reserve(bytes.len() + 2);
        out.extend_from_slice(&[tag as u8, bytes.len() as u8]);
    } else {
        out.extend_from_slice(&[tag as u8, LONG as u8]);
        out.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
    }
    out.extend_from_slice(bytes);
}

/// Appends a value whose bytes `write` appends.
#[inline]
pub fn push_with<R>(out: &mut Vec<u8>, tag: Tag, write: impl FnOnce(&mut Vec<u8>) -> R) -> R {
    out.extend_from_slice(&[tag as u8, 0]);
    let start = out.len();
    let result = write(out);
    let len = out.len() - start;
    if len < LONG {
        out[start - 1] = len as u8;
    } else {
        out[start - 1] = LONG as u8;
        out.splice(start..start, (len as u64).to_be_bytes());
    }
    result
}

/// Appends a whole number of 64 bits under a tag whose bytes are a number.
#[inline]
pub fn push_i64(out: &mut Vec<u8>, tag: Tag, value: i64) {
    push_packed(out, tag, packed::pack_i64(value));
}

/// Appends a value of at most fourteen bytes.
#[inline]
pub fn push_packed(out: &mut Vec<u8>, tag: Tag, Packed { bytes, len }: Packed) {
    debug_assert!(len <= 14, "two bytes of sixteen are the tag and the length");
    let framed = bytes << 16 | (len as u128) << 8 | tag as u128;
    packed::push_packed(out, Packed { bytes: framed, len: len + 2 });
}

/// Appends a whole number under a tag whose bytes are a number.
#[inline]
pub fn push_whole(out: &mut Vec<u8>, tag: Tag, value: i128) {
    if let Ok(value) = i64::try_from(value) {
        return push_i64(out, tag, value);
    }
    push_with(out, tag, |out| number::push_i128(out, value));
}

/// Appends `unscaled / 10^scale`.
#[inline]
pub fn push_decimal(out: &mut Vec<u8>, unscaled: i128, scale: i8) {
    if let (Ok(unscaled), 1..=8) = (i64::try_from(unscaled), scale) {
        return push_packed(out, Tag::Number, packed::pack_decimal(unscaled, u32::from(scale.unsigned_abs())));
    }
    push_with(out, Tag::Number, |out| number::push_decimal(out, unscaled, scale));
}

/// Appends a float: every NaN alike, and -0.0 as 0.0.
#[inline]
pub fn push_float(out: &mut Vec<u8>, value: f64) {
    push_bytes(out, Tag::Float, &float_bytes(value));
}

/// Appends a float as the shortest decimal that reads back as it; `bits` is the width it is stored in, 32 or 64.
pub fn push_float_as_number(out: &mut Vec<u8>, value: f64, bits: u8) {
    push_with(out, Tag::Number, |out| number::push_shortest(out, value, bits));
}

fn float_bytes(value: f64) -> [u8; 8] {
    let value = if value.is_nan() { f64::NAN.copysign(1.0) } else { value + 0.0 };
    let bits = value.to_bits();
    // Negative floats order backwards by their bits, and their sign bit puts them above the positive ones.
    (if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }).to_be_bytes()
}

/// Reads the bytes of a float back.
pub fn read_float(bytes: &[u8]) -> Option<f64> {
    let bits = u64::from_be_bytes(bytes.try_into().ok()?);
    Some(f64::from_bits(if bits >> 63 == 1 { bits & !(1 << 63) } else { !bits }))
}

/// Appends an interval; its three parts are never converted to one another.
pub fn push_interval(out: &mut Vec<u8>, months: i64, days: i64, nanoseconds: i128) {
    push_with(out, Tag::Interval, |out| {
        push_whole(out, Tag::Number, months.into());
        push_whole(out, Tag::Number, days.into());
        push_whole(out, Tag::Number, nanoseconds);
    });
}

/// A canonical value in the bytes that hold it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Canonical<'a> {
    /// What the bytes mean.
    pub tag: Tag,
    /// The bytes, without tag and length.
    pub bytes: &'a [u8],
}

/// Takes the first canonical value off `bytes`; `None` at their end, and where they are not canonical values.
#[inline]
pub fn take<'a>(bytes: &mut &'a [u8]) -> Option<Canonical<'a>> {
    let (&[tag, short], mut rest) = bytes.split_first_chunk::<2>()?;
    let mut len = usize::from(short);
    if len == LONG {
        let (long, after) = rest.split_first_chunk::<8>()?;
        len = usize::try_from(u64::from_be_bytes(*long)).ok()?;
        rest = after;
    }
    let (value, rest) = rest.split_at_checked(len)?;
    *bytes = rest;
    Some(Canonical { tag: Tag::from_byte(tag)?, bytes: value })
}

/// The canonical values that follow one another in some bytes.
#[derive(Debug, Clone)]
pub struct Values<'a>(&'a [u8]);

impl<'a> Values<'a> {
    /// The values in `bytes`.
    pub fn of(bytes: &'a [u8]) -> Self {
        Values(bytes)
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = Canonical<'a>;

    #[inline]
    fn next(&mut self) -> Option<Canonical<'a>> {
        take(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_reads_back_whatever_its_length() {
        for len in [0, 1, 254, 255, 256, 70_000] {
            let text = vec![b'x'; len];
            let (mut known, mut written) = (Vec::new(), Vec::new());
            push_bytes(&mut known, Tag::Text, &text);
            push_with(&mut written, Tag::Text, |out| out.extend_from_slice(&text));
            assert_eq!(known, written);
            let mut rest = known.as_slice();
            assert_eq!(take(&mut rest), Some(Canonical { tag: Tag::Text, bytes: &text }));
            assert!(rest.is_empty());
        }
    }

    #[test]
    fn floats_order_by_bytes_and_have_one_zero_and_one_nan() {
        let ascending =
            [f64::NEG_INFINITY, -1e300, -1.0, -f64::MIN_POSITIVE, 0.0, 5e-324, 0.1, 1.0, f64::MAX, f64::INFINITY, f64::NAN];
        for pair in ascending.windows(2) {
            assert!(float_bytes(pair[0]) < float_bytes(pair[1]), "{} < {}", pair[0], pair[1]);
        }
        assert_eq!(float_bytes(-0.0), float_bytes(0.0));
        assert_eq!(float_bytes(f64::NAN), float_bytes(-f64::NAN));
        assert_eq!(float_bytes(f64::NAN), float_bytes(f64::from_bits(0x7FF0_0000_0000_0001)));
        for value in [-1.5, 0.0, 5e-324, f64::INFINITY] {
            assert_eq!(read_float(&float_bytes(value)), Some(value));
        }
    }

    #[test]
    fn every_tag_is_found_by_its_number() {
        for byte in 0..=Tag::Unparsed as u8 {
            assert_eq!(Tag::from_byte(byte).map(|tag| tag as u8), Some(byte));
        }
        assert_eq!(Tag::from_byte(Tag::Unparsed as u8 + 1), None);
    }
}
