//! Canonical values turned back into the values of a column's type: exactly, or not at all.

use crate::model::canonical::{Canonical, Tag, push_float_as_number, read_float, take};
use crate::model::number::{self, Number};
use crate::model::parse::parse_uuid;
use crate::model::temporal::{DAY, SECOND};
use crate::model::value::render;

/// A boolean, also from the numbers 0 and 1.
pub fn boolean(value: Canonical<'_>) -> Option<bool> {
    match (value.tag, value.bytes) {
        (Tag::Boolean, [bit]) => Some(*bit == 1),
        _ => match integer::<u8>(value)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        },
    }
}

/// A whole number, also from booleans and from floats that are whole.
pub fn integer<T: TryFrom<i128>>(value: Canonical<'_>) -> Option<T> {
    decimal(value, 0).and_then(|whole| T::try_from(whole).ok())
}

/// A number in units of `10^-scale`.
pub fn decimal(value: Canonical<'_>, scale: u32) -> Option<i128> {
    match value.tag {
        Tag::Number => number::read_decimal(value.bytes, scale),
        Tag::Boolean => i128::from(value.bytes == [1]).checked_mul(10i128.checked_pow(scale)?),
        Tag::Float => {
            let mut shortest = Vec::new();
            push_float_as_number(&mut shortest, read_float(value.bytes)?, 64);
            decimal(take(&mut shortest.as_slice())?, scale)
        }
        _ => None,
    }
}

/// A double. Those compared as numbers are their shortest decimal, which reads back as the same float.
pub fn float64(value: Canonical<'_>) -> Option<f64> {
    match value.tag {
        Tag::Float => read_float(value.bytes),
        Tag::Boolean => Some(f64::from(u8::from(value.bytes == [1]))),
        Tag::Number => quotient(value.bytes, 1 << 53, 22)
            .map(|(unscaled, scale)| unscaled as f64 / 10f64.powi(scale))
            .or_else(|| spelled(value.bytes)?.parse().ok()),
        _ => None,
    }
}

/// A 32-bit float; doubles only if they are one widened.
pub fn float32(value: Canonical<'_>) -> Option<f32> {
    match value.tag {
        Tag::Number => quotient(value.bytes, 1 << 24, 10)
            .map(|(unscaled, scale)| unscaled as f32 / 10f32.powi(scale))
            .or_else(|| spelled(value.bytes)?.parse().ok()),
        _ => {
            let wide = float64(value)?;
            let narrow = wide as f32;
            (f64::from(narrow) == wide || wide.is_nan()).then_some(narrow)
        }
    }
}

/// A number as a quotient of two values that a float holds exactly: dividing them rounds once, so the result is the
/// nearest float, as parsing would give it (Clinger 1990).
fn quotient(bytes: &[u8], unscaled_max: u64, scale_max: u32) -> Option<(i128, i32)> {
    let scale = decimals(bytes)?;
    let unscaled = number::read_decimal(bytes, scale).filter(|unscaled| unscaled.unsigned_abs() <= unscaled_max.into())?;
    (scale <= scale_max).then_some((unscaled, scale as i32))
}

/// The number of decimals that hold a number exactly; `None` if it is infinite or not a number.
fn decimals(bytes: &[u8]) -> Option<u32> {
    let floor_len = usize::from(bytes.first()?.abs_diff(0x80));
    let pairs = bytes.get(1 + floor_len..)?;
    let half = pairs.last().is_some_and(|pair| pair % 10 == 0);
    Some(2 * pairs.len() as u32 - u32::from(half))
}

fn spelled(bytes: &[u8]) -> Option<String> {
    number::read(bytes).map(|number| match number {
        Number::Infinity { negative } => if negative { "-inf" } else { "inf" }.to_string(),
        finite => finite.to_string(),
    })
}

/// Days since 1970-01-01; a timestamp only if it is a midnight.
pub fn date(value: Canonical<'_>) -> Option<i32> {
    let days = match value.tag {
        Tag::Date => number::read_i128(value.bytes)?,
        Tag::Timestamp | Tag::Instant => exact_quotient(number::read_i128(value.bytes)?, DAY)?,
        _ => return None,
    };
    i32::try_from(days).ok()
}

/// A time of day in units of `10^-digits` seconds.
pub fn time(value: Canonical<'_>, digits: u32) -> Option<i64> {
    let nanoseconds = (value.tag == Tag::Time).then(|| number::read_i128(value.bytes))??;
    units(nanoseconds, digits)
}

/// A civil time or an instant in units of `10^-digits` seconds since 1970-01-01; dates are their midnight.
pub fn timestamp(value: Canonical<'_>, digits: u32) -> Option<i64> {
    let nanoseconds = match value.tag {
        Tag::Timestamp | Tag::Instant => number::read_i128(value.bytes)?,
        Tag::Date => number::read_i128(value.bytes)?.checked_mul(DAY)?,
        _ => return None,
    };
    units(nanoseconds, digits)
}

fn units(nanoseconds: i128, digits: u32) -> Option<i64> {
    exact_quotient(nanoseconds, SECOND / 10i128.pow(digits)).and_then(|units| i64::try_from(units).ok())
}

fn exact_quotient(value: i128, unit: i128) -> Option<i128> {
    // Almost all values fit 64 bits, where a division takes a tenth of the time.
    if let (Ok(value), Ok(unit)) = (i64::try_from(value), i64::try_from(unit)) {
        return (value % unit == 0).then(|| i128::from(value / unit));
    }
    (value % unit == 0).then(|| value / unit)
}

/// A UUID, from its bytes or its text.
pub fn uuid(value: Canonical<'_>) -> Option<[u8; 16]> {
    match value.tag {
        Tag::Uuid | Tag::Bytes => value.bytes.try_into().ok(),
        Tag::Text => parse_uuid(std::str::from_utf8(value.bytes).ok()?),
        _ => None,
    }
}

/// Bytes, from themselves or from what is stored as bytes.
pub fn bytes(value: Canonical<'_>) -> Option<&[u8]> {
    matches!(value.tag, Tag::Bytes | Tag::Uuid | Tag::Text | Tag::Unparsed).then_some(value.bytes)
}

/// Appends a value as text: text as it is, all others as people write them.
pub fn text(out: &mut Vec<u8>, value: Canonical<'_>) {
    match value.tag {
        Tag::Text | Tag::Unparsed => out.extend_from_slice(value.bytes),
        _ => out.extend_from_slice(render(value).as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::canonical::{push_boolean, push_float, push_whole};
    use crate::model::kind::Kind;
    use crate::model::parse::push_text_as;

    fn read<T>(bytes: &[u8], convert: impl Fn(Canonical<'_>) -> Option<T>) -> Option<T> {
        convert(take(&mut &*bytes).unwrap())
    }

    fn as_kind(kind: Kind, text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        push_text_as(&mut out, &kind, text);
        out
    }

    #[test]
    fn floats_come_back_from_their_shortest_decimal() {
        let mut random = fastrand::Rng::with_seed(11);
        for round in 0..20_000 {
            let double = match round % 3 {
                0 => f64::from_bits(random.u64(..)),
                1 => random.i32(..) as f64 / 1000.0,
                _ => random.f64() * 1e-5,
            };
            if double.is_nan() {
                continue;
            }
            let mut bytes = Vec::new();
            push_float_as_number(&mut bytes, double, 64);
            assert_eq!(read(&bytes, float64), Some(double));
            let single = double as f32;
            bytes.clear();
            push_float_as_number(&mut bytes, f64::from(single), 32);
            assert_eq!(read(&bytes, float32), Some(single));
            bytes.clear();
            push_float(&mut bytes, f64::from(single));
            assert_eq!(read(&bytes, float32), Some(single));
        }
        for special in [f64::INFINITY, f64::NEG_INFINITY, 0.0] {
            let mut bytes = Vec::new();
            push_float_as_number(&mut bytes, special, 64);
            assert_eq!(read(&bytes, float64), Some(special));
        }
        assert!(read(&as_kind(Kind::Number, "nan"), float64).unwrap().is_nan());
    }

    #[test]
    fn booleans_and_whole_numbers_stand_for_one_another() {
        let mut bytes = Vec::new();
        push_boolean(&mut bytes, true);
        assert_eq!(read(&bytes, integer::<i8>), Some(1));
        for (number, expected) in [("0", Some(false)), ("1", Some(true)), ("2", None), ("0.5", None)] {
            assert_eq!(read(&as_kind(Kind::Number, number), boolean), expected);
        }
        for (number, fits) in [("255", true), ("256", false), ("-1", false), ("1.5", false), ("nan", false)] {
            assert_eq!(read(&as_kind(Kind::Number, number), integer::<u8>).is_some(), fits, "{number}");
        }
    }

    #[test]
    fn moments_come_back_exactly_or_not_at_all() {
        let at = as_kind(Kind::Timestamp, "2024-02-29 10:00:00.123456");
        assert_eq!(read(&at, |v| timestamp(v, 6)), Some(1_709_200_800_123_456));
        assert_eq!(read(&at, |v| timestamp(v, 3)), None);
        assert_eq!(read(&at, date), None);
        assert_eq!(read(&as_kind(Kind::Timestamp, "2024-02-29"), date), Some(19_782));
        assert_eq!(read(&as_kind(Kind::Date, "2024-02-29"), |v| timestamp(v, 0)), Some(1_709_164_800));
        assert_eq!(read(&as_kind(Kind::Timestamp, "infinity"), |v| timestamp(v, 6)), None);
        assert_eq!(read(&as_kind(Kind::Timestamp, "3000-01-01"), |v| timestamp(v, 9)), None);
        let mut midnight = Vec::new();
        push_whole(&mut midnight, Tag::Time, DAY);
        assert_eq!(read(&midnight, |v| time(v, 6)), Some(86_400_000_000));
    }
}
