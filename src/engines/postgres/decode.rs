//! Values from the wire into canonical bytes, without a copy in between.
//!
//! What a column's values are turned into is decided once: [`decoder`] gives a closure that appends one value. The
//! formats are those of the `send` functions, which have not changed since PostgreSQL 7.4 (integer timestamps are
//! the only ones since 10): <https://github.com/postgres/postgres/tree/REL_16_0/src/backend/utils/adt>.

use super::array::push_array;
use super::numeric::push_numeric;
use super::types::Wire;
use crate::error::{Error, Result};
use crate::model::canonical::{
    Tag, push_boolean, push_bytes, push_float, push_float_as_number, push_i64, push_interval, push_whole, push_with,
};
use crate::model::kind::Kind;
use crate::model::number;
use crate::model::parse::push_text_as;
use crate::model::temporal::DAY;

/// Appends a value that is not NULL, or says `false` if the bytes are none of its type.
pub type Decode = Box<dyn Fn(&[u8], &mut Vec<u8>) -> bool + Send + Sync>;

/// Days from 1970-01-01 to 2000-01-01, where PostgreSQL counts from.
const EPOCH_DAYS: i64 = 10_957;
const EPOCH_MICROSECONDS: i64 = EPOCH_DAYS * 86_400_000_000;
const NANOSECONDS: i64 = 1_000;

/// What turns values that come as `wire` into canonical values of `kind`.
///
/// # Errors
///
/// If there is no such way: the audit asks only for kinds that it chose for the column's type.
pub fn decoder(wire: &Wire, kind: &Kind) -> Result<Decode> {
    Ok(match (wire, kind) {
        (Wire::Boolean, Kind::Boolean) => Box::new(|bytes, out| one(bytes, |[byte]: [u8; 1]| push_boolean(out, byte != 0))),
        (Wire::Boolean, Kind::Number) => {
            Box::new(|bytes, out| one(bytes, |[byte]: [u8; 1]| push_i64(out, Tag::Number, i64::from(byte != 0))))
        }
        (Wire::Integer, Kind::Number) => {
            Box::new(|bytes, out| integer(bytes).map(|value| push_i64(out, Tag::Number, value)).is_some())
        }
        (Wire::Oid, Kind::Number) => {
            Box::new(|bytes, out| one(bytes, |oid| push_i64(out, Tag::Number, i64::from(u32::from_be_bytes(oid)))))
        }
        (Wire::Float, Kind::Float { .. }) => Box::new(|bytes, out| float(bytes).map(|(value, _)| push_float(out, value)).is_some()),
        (Wire::Float, Kind::Number) => {
            Box::new(|bytes, out| float(bytes).map(|(value, bits)| push_float_as_number(out, value, bits)).is_some())
        }
        (Wire::Numeric, Kind::Number) => Box::new(|bytes, out| push_numeric(out, bytes)),
        (Wire::Bytes, Kind::Bytes) => Box::new(|bytes, out| {
            push_bytes(out, Tag::Bytes, bytes);
            true
        }),
        (Wire::Bytes, Kind::Uuid) => Box::new(|bytes, out| {
            // Other bytes than sixteen are no UUID, and equal only themselves.
            let tag = if bytes.len() == 16 { Tag::Uuid } else { Tag::Unparsed };
            push_bytes(out, tag, bytes);
            true
        }),
        (Wire::Uuid, Kind::Uuid) => Box::new(|bytes, out| one(bytes, |uuid: [u8; 16]| push_bytes(out, Tag::Uuid, &uuid))),
        (Wire::Date, Kind::Date) => Box::new(|bytes, out| push_date(out, bytes, Tag::Date, 1)),
        (Wire::Date, Kind::Timestamp) => Box::new(|bytes, out| push_date(out, bytes, Tag::Timestamp, DAY)),
        (Wire::Date, Kind::Instant) => Box::new(|bytes, out| push_date(out, bytes, Tag::Instant, DAY)),
        (Wire::Time, Kind::Time) => {
            Box::new(|bytes, out| one(bytes, |time| push_i64(out, Tag::Time, i64::from_be_bytes(time) * NANOSECONDS)))
        }
        (Wire::Timestamp, Kind::Timestamp) => Box::new(|bytes, out| push_timestamp(out, bytes, Tag::Timestamp)),
        (Wire::Timestamp, Kind::Instant) => Box::new(|bytes, out| push_timestamp(out, bytes, Tag::Instant)),
        (Wire::Interval, Kind::Interval) => Box::new(|bytes, out| push_span(out, bytes)),
        (Wire::Bits, Kind::Number) => {
            Box::new(|bytes, out| bits(bytes).map(|value| push_whole(out, Tag::Number, value.into())).is_some())
        }
        (Wire::Bits, Kind::Boolean) => Box::new(|bytes, out| bits(bytes).map(|value| push_boolean(out, value != 0)).is_some()),
        (Wire::Text | Wire::Padded, Kind::Text) => Box::new(|bytes, out| push_text(out, bytes)),
        (Wire::Text | Wire::Json, kind) if reads_text(kind) => text_as(kind.clone(), false),
        // Spaces at the end are no part of the value, and so none of what it is parsed as.
        (Wire::Padded, kind) if reads_text(kind) => text_as(kind.clone(), true),
        (Wire::Json, Kind::Text) => Box::new(|bytes, out| push_text(out, bytes)),
        (Wire::Jsonb, Kind::Json) => {
            let push = text_as(Kind::Json, false);
            Box::new(move |bytes, out| document(bytes).is_some_and(|text| push(text, out)))
        }
        (Wire::Jsonb, Kind::Text) => Box::new(|bytes, out| document(bytes).is_some_and(|text| push_text(out, text))),
        (Wire::Array(item), Kind::List(kind)) => {
            let item = decoder(item, kind)?;
            Box::new(move |bytes, out| push_array(out, bytes, &item))
        }
        (wire, kind) => {
            return Err(Error::new(format!("found values that come as {wire:?}, expected ones that can be read as {kind}")));
        }
    })
}

/// The kinds that text is parsed as.
fn reads_text(kind: &Kind) -> bool {
    matches!(kind, Kind::PaddedText | Kind::Uuid | Kind::Json)
}

fn text_as(kind: Kind, padded: bool) -> Decode {
    Box::new(move |bytes, out| {
        match std::str::from_utf8(bytes) {
            Ok(text) => push_text_as(out, &kind, if padded { text.trim_end_matches(' ') } else { text }),
            Err(_) => push_bytes(out, Tag::Unparsed, bytes),
        }
        true
    })
}

/// Appends text; bytes that are no UTF-8, which only a database in SQL_ASCII gives, equal only themselves.
#[inline]
fn push_text(out: &mut Vec<u8>, bytes: &[u8]) -> bool {
    let tag = if std::str::from_utf8(bytes).is_ok() { Tag::Text } else { Tag::Unparsed };
    push_bytes(out, tag, bytes);
    true
}

/// Hands on bytes if they are as many as the type has.
#[inline]
fn one<const N: usize>(bytes: &[u8], push: impl FnOnce([u8; N])) -> bool {
    bytes.try_into().map(push).is_ok()
}

#[inline]
fn integer(bytes: &[u8]) -> Option<i64> {
    Some(match bytes.len() {
        2 => i64::from(i16::from_be_bytes(bytes.try_into().ok()?)),
        4 => i64::from(i32::from_be_bytes(bytes.try_into().ok()?)),
        8 => i64::from_be_bytes(bytes.try_into().ok()?),
        _ => return None,
    })
}

/// A float and its width in bits.
#[inline]
fn float(bytes: &[u8]) -> Option<(f64, u8)> {
    Some(match bytes.len() {
        4 => (f64::from(f32::from_be_bytes(bytes.try_into().ok()?)), 32),
        8 => (f64::from_be_bytes(bytes.try_into().ok()?), 64),
        _ => return None,
    })
}

/// Appends a day in units of a `unit`th of a day; the greatest and the least day are the infinities.
#[inline]
fn push_date(out: &mut Vec<u8>, bytes: &[u8], tag: Tag, unit: i128) -> bool {
    let Ok(bytes) = bytes.try_into() else { return false };
    match i32::from_be_bytes(bytes) {
        i32::MAX => push_infinity(out, tag, false),
        i32::MIN => push_infinity(out, tag, true),
        days => push_whole(out, tag, i128::from(i64::from(days) + EPOCH_DAYS) * unit),
    }
    true
}

#[inline]
fn push_timestamp(out: &mut Vec<u8>, bytes: &[u8], tag: Tag) -> bool {
    let Ok(bytes) = bytes.try_into() else { return false };
    match i64::from_be_bytes(bytes) {
        i64::MAX => push_infinity(out, tag, false),
        i64::MIN => push_infinity(out, tag, true),
        at => match at.checked_add(EPOCH_MICROSECONDS).and_then(|at| at.checked_mul(NANOSECONDS)) {
            Some(nanoseconds) => push_i64(out, tag, nanoseconds),
            None => push_whole(out, tag, (i128::from(at) + i128::from(EPOCH_MICROSECONDS)) * i128::from(NANOSECONDS)),
        },
    }
    true
}

fn push_infinity(out: &mut Vec<u8>, tag: Tag, negative: bool) {
    push_with(out, tag, |out| number::push_infinity(out, negative));
}

/// Appends an interval; the infinite ones of PostgreSQL 17 are the greatest and the least, which no finite one is.
fn push_span(out: &mut Vec<u8>, bytes: &[u8]) -> bool {
    let Ok(bytes): Result<[u8; 16], _> = bytes.try_into() else { return false };
    let whole = i128::from_be_bytes(bytes);
    let (microseconds, days, months) = ((whole >> 64) as i64, (whole >> 32) as i32, whole as i32);
    push_interval(out, months.into(), days.into(), i128::from(microseconds) * i128::from(NANOSECONDS));
    true
}

/// A bit string of up to 64 bits as a number; the first bit counts most.
fn bits(bytes: &[u8]) -> Option<u64> {
    let (len, bytes) = bytes.split_first_chunk::<4>()?;
    let len =
        usize::try_from(i32::from_be_bytes(*len)).ok().filter(|len| (1..=64).contains(len) && len.div_ceil(8) == bytes.len())?;
    let whole = bytes.iter().fold(0u128, |whole, byte| whole << 8 | u128::from(*byte));
    u64::try_from(whole >> (bytes.len() * 8 - len)).ok()
}

/// The text of a document in binary JSON, whose format has had one version so far.
fn document(bytes: &[u8]) -> Option<&[u8]> {
    bytes.split_first().filter(|(version, _)| **version == 1).map(|(_, text)| text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::value::render_key;

    fn shown(wire: &Wire, kind: &Kind, bytes: &[u8]) -> Option<String> {
        let mut out = Vec::new();
        decoder(wire, kind).unwrap()(bytes, &mut out).then(|| render_key(&out))
    }

    #[test]
    fn times_count_from_2000_and_have_infinities() {
        let date = |days: i32| shown(&Wire::Date, &Kind::Date, &days.to_be_bytes()).unwrap();
        assert_eq!([date(0), date(-1), date(i32::MAX), date(i32::MIN)], ["2000-01-01", "1999-12-31", "infinity", "-infinity"]);
        let at = |at: i64| shown(&Wire::Timestamp, &Kind::Timestamp, &at.to_be_bytes()).unwrap();
        assert_eq!([at(1), at(i64::MIN)], ["2000-01-01 00:00:00.000001", "-infinity"]);
        // The last moment that PostgreSQL has; its nanoseconds do not fit 64 bits.
        assert_eq!(at(9_223_371_331_199_999_999), "294276-12-31 23:59:59.999999");
    }

    #[test]
    fn bytes_of_another_length_are_refused() {
        for (wire, kind) in [
            (Wire::Integer, Kind::Number),
            (Wire::Boolean, Kind::Boolean),
            (Wire::Float, Kind::Number),
            (Wire::Date, Kind::Date),
            (Wire::Timestamp, Kind::Instant),
            (Wire::Interval, Kind::Interval),
            (Wire::Uuid, Kind::Uuid),
            (Wire::Bits, Kind::Number),
            (Wire::Jsonb, Kind::Json),
        ] {
            assert_eq!(shown(&wire, &kind, &[0, 0, 0]), None, "{wire:?}");
        }
        assert_eq!(shown(&Wire::Bits, &Kind::Number, &[0, 0, 0, 9, 0x80, 0x80]).as_deref(), Some("257"));
    }
}
