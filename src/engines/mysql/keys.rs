//! Values of key columns as bounds of ranges: how they are written in a statement, and what lies between two of them.

use mysql::Value;

use super::catalog::Source;
use super::decode::days;
use super::field::Field;
use super::names;
use super::types::Reading;
use crate::model::kind::Kind;
use crate::model::temporal::civil_from_days;

/// How a key column's values are bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum KeyForm {
    /// Whole numbers, and bits as numbers.
    Integer,
    /// Decimals.
    Decimal,
    /// Bytes.
    Bytes,
    /// Text, as the bytes of its character set.
    Text {
        /// The character set.
        charset: String,
        /// Whether text may lie between two others as their ASCII letters do.
        guesses: bool,
        /// Whether it lies so without regard to case.
        folds: bool,
    },
    /// Days.
    Date,
    /// Dates and times.
    DateTime,
    /// Times.
    Time,
    /// UUIDs, in an order of the server's own.
    Uuid,
}

impl KeyForm {
    /// The form of a column; `None`: its values cannot be bounds.
    pub(super) fn of(source: &Source, native: &str) -> Option<Self> {
        Some(match source.reading.as_ref()? {
            Reading::Integer | Reading::Bits => KeyForm::Integer,
            Reading::Decimal => KeyForm::Decimal,
            Reading::Bytes => KeyForm::Bytes,
            // Labels order by their number, not by their text.
            Reading::Text(_) if native.starts_with("enum(") || native.starts_with("set(") => return None,
            Reading::Text(_) => {
                let charset = source.charset.clone()?;
                let guesses = !["ucs2", "utf16", "utf16le", "utf32"].contains(&charset.as_str());
                let folds = !source.collation.as_deref().unwrap_or_default().ends_with("_bin");
                KeyForm::Text { charset, guesses, folds }
            }
            Reading::Date => KeyForm::Date,
            Reading::DateTime => KeyForm::DateTime,
            Reading::Time => KeyForm::Time,
            Reading::Uuid => KeyForm::Uuid,
            Reading::Json(_) | Reading::Float | Reading::Double | Reading::Geometry | Reading::Vector => return None,
        })
    }

    /// The form of a column whose values need only find what is equal to them.
    pub(super) fn of_place(source: &Source, native: &str) -> Option<Self> {
        // Labels by their numbers: what is no label any more has one, but no text that finds it.
        let labels = || (native.starts_with("enum(") || native.starts_with("set(")).then_some(KeyForm::Integer);
        KeyForm::of(source, native).or_else(labels)
    }

    /// The column as it is asked for to be a bound.
    pub(super) fn expression(&self, source: &Source) -> String {
        match (self, &source.reading) {
            (KeyForm::Integer, Some(Reading::Bits)) => format!("{} + 0", source.quoted),
            (KeyForm::Integer, Some(Reading::Text(_))) => format!("CAST({} AS UNSIGNED)", source.quoted),
            // That is sent as it is stored.
            (KeyForm::Text { charset, .. }, _) if charset != "utf8mb4" => format!("CAST({} AS BINARY)", source.quoted),
            _ => source.quoted.clone(),
        }
    }

    /// A value as it stands in a statement; `None`: it cannot be compared with, such as 2022-02-31.
    pub(super) fn literal(&self, value: Field<'_>) -> Option<String> {
        Some(match (self, value) {
            (KeyForm::Integer, Field::Int(number)) => number.to_string(),
            (KeyForm::Integer, Field::UInt(number)) => number.to_string(),
            (KeyForm::Decimal, Field::Bytes(digits)) => {
                let safe = digits.iter().all(|sign| sign.is_ascii_digit() || b"+-.".contains(sign));
                String::from_utf8(digits.to_vec()).ok().filter(|digits| safe && !digits.is_empty())?
            }
            (KeyForm::Bytes, Field::Bytes(bytes)) => names::bytes(bytes),
            (KeyForm::Text { charset, .. }, Field::Bytes(bytes)) => format!("_{charset} {}", names::bytes(bytes)),
            (KeyForm::Uuid, Field::Bytes(bytes)) => names::text(std::str::from_utf8(bytes).ok()?),
            (KeyForm::Date, Field::Date { year, month, day, .. }) => {
                days(year, month, day)?;
                format!("'{year:04}-{month:02}-{day:02}'")
            }
            (KeyForm::DateTime, Field::Date { year, month, day, hour, minute, second, micros }) => {
                days(year, month, day)?;
                format!("'{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{micros:06}'")
            }
            (KeyForm::Time, Field::Time { negative, days, hours, minutes, seconds, micros }) => {
                let (sign, hours) = (if negative { "-" } else { "" }, days * 24 + u32::from(hours));
                format!("'{sign}{hours:02}:{minutes:02}:{seconds:02}.{micros:06}'")
            }
            _ => return None,
        })
    }

    /// A value about half-way from `low` to `high`, above the first and below the second as far as can be told here;
    /// `None`: there is none. The server's order decides what it really is.
    pub(super) fn between(&self, low: &Value, high: &Value) -> Option<Value> {
        match self {
            KeyForm::Integer => {
                let (low, high) = (whole(low)?, whole(high)?);
                let middle = half_way(low, high)?;
                i64::try_from(middle).map(Value::Int).ok().or_else(|| u64::try_from(middle).map(Value::UInt).ok())
            }
            KeyForm::Decimal => {
                let (low, high) = (decimal(low)?, decimal(high)?);
                let middle = half_way(low, high)?;
                let (sign, digits) = (if middle < 0 { "-" } else { "" }, format!("{:019}", middle.unsigned_abs()));
                let (whole, fraction) = digits.split_at(digits.len() - DECIMAL_SCALE);
                Some(Value::Bytes(format!("{sign}{whole}.{fraction}").into_bytes()))
            }
            KeyForm::Bytes => between_bytes(bytes(low)?, bytes(high)?, 256, |byte| byte).map(Value::Bytes),
            KeyForm::Text { guesses, folds, .. } => {
                let fold = |byte: u8| {
                    let byte = if *folds { byte.to_ascii_uppercase() } else { byte };
                    byte.min(0x7F)
                };
                let middle = between_bytes(bytes(low)?, bytes(high)?, 128, fold).filter(|_| *guesses)?;
                Some(Value::Bytes(middle))
            }
            KeyForm::Date | KeyForm::DateTime => {
                let middle = half_way(microseconds(low)?, microseconds(high)?)?;
                let (date, time) = (middle.div_euclid(DAY_MICROS), middle.rem_euclid(DAY_MICROS));
                let (date, time) = if *self == KeyForm::Date && time > 0 { (date + 1, 0) } else { (date, time) };
                if date * DAY_MICROS + time >= microseconds(high)? {
                    return None;
                }
                let (year, month, day) = civil_from_days(i64::try_from(date).ok()?);
                let (seconds, micros) = (time / 1_000_000, (time % 1_000_000) as u32);
                let clock = |unit: i128, of: i128| (seconds / unit % of) as u8;
                Some(Value::Date(
                    u16::try_from(year).ok()?,
                    month as u8,
                    day as u8,
                    clock(3600, 24),
                    clock(60, 60),
                    clock(1, 60),
                    micros,
                ))
            }
            KeyForm::Time => {
                let middle = half_way(microseconds(low)?, microseconds(high)?)?;
                let (seconds, micros) = (middle.unsigned_abs() / 1_000_000, (middle.unsigned_abs() % 1_000_000) as u32);
                let (hours, minutes) = ((seconds / 3600) as u32, (seconds / 60 % 60) as u8);
                Some(Value::Time(middle < 0, hours / 24, (hours % 24) as u8, minutes, (seconds % 60) as u8, micros))
            }
            KeyForm::Uuid => None,
        }
    }

    /// Whether the server keeps the column in the order that canonical bytes of this kind have.
    pub(super) fn orders_as(&self, source: &Source, kind: &Kind) -> bool {
        match (self, kind) {
            (KeyForm::Integer, Kind::Number) => true,
            (KeyForm::Integer, Kind::Boolean) => source.reading == Some(Reading::Bits),
            (KeyForm::Decimal, Kind::Number) => true,
            (KeyForm::Bytes, Kind::Bytes | Kind::Uuid) => true,
            // Those that pad order control characters behind the end of a text: rare in keys, and found if it happens.
            (KeyForm::Text { charset, folds, .. }, Kind::Text | Kind::PaddedText) => {
                !folds && ["utf8mb4", "utf8mb3", "utf8", "ascii"].contains(&charset.as_str())
            }
            (KeyForm::Date, Kind::Date | Kind::Timestamp | Kind::Instant) => true,
            (KeyForm::DateTime, Kind::Timestamp | Kind::Instant) => true,
            (KeyForm::Time, Kind::Time) => true,
            _ => false,
        }
    }
}

const DAY_MICROS: i128 = 86_400_000_000;
/// Digits behind the point that guesses of decimals have.
const DECIMAL_SCALE: usize = 18;

fn whole(value: &Value) -> Option<i128> {
    match value {
        Value::Int(number) => Some(i128::from(*number)),
        Value::UInt(number) => Some(i128::from(*number)),
        _ => None,
    }
}

fn bytes(value: &Value) -> Option<&[u8]> {
    match value {
        Value::Bytes(bytes) => Some(bytes),
        _ => None,
    }
}

/// A decimal in units of its eighteenth digit, as far as that goes.
fn decimal(value: &Value) -> Option<i128> {
    let text = std::str::from_utf8(bytes(value)?).ok()?;
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let fraction: String = fraction.chars().chain(std::iter::repeat('0')).take(DECIMAL_SCALE).collect();
    let units: i128 = format!("{whole}{fraction}").parse().ok()?;
    Some(if negative { -units } else { units })
}

fn microseconds(value: &Value) -> Option<i128> {
    match value {
        Value::Date(year, month, day, hour, minute, second, micros) => {
            let days = days(*year, (*month).max(1), (*day).max(1)).or_else(|| days(*year, (*month).clamp(1, 12), 28))?;
            let seconds = (i128::from(*hour) * 60 + i128::from(*minute)) * 60 + i128::from(*second);
            Some(i128::from(days) * DAY_MICROS + seconds * 1_000_000 + i128::from(*micros))
        }
        Value::Time(negative, days, hours, minutes, seconds, micros) => {
            let hours = i128::from(*days) * 24 + i128::from(*hours);
            let seconds = (hours * 60 + i128::from(*minutes)) * 60 + i128::from(*seconds);
            let time = seconds * 1_000_000 + i128::from(*micros);
            Some(if *negative { -time } else { time })
        }
        _ => None,
    }
}

fn half_way(low: i128, high: i128) -> Option<i128> {
    let middle = low + high.checked_sub(low)? / 2;
    (middle > low && middle < high).then_some(middle)
}

/// Bytes half-way between others, in the order of `fold`, which maps them below `base`; long enough to tell the two
/// apart by some digits more.
fn between_bytes(low: &[u8], high: &[u8], base: u128, fold: impl Fn(u8) -> u8) -> Option<Vec<u8>> {
    const DIGITS: usize = 12;
    let same = low.iter().zip(high).take_while(|(a, b)| fold(**a) == fold(**b)).count();
    let digits =
        |text: &[u8]| (same..same + DIGITS).fold(0, |sum, at| sum * base + text.get(at).map_or(0, |byte| u128::from(fold(*byte))));
    let middle = digits(low) + digits(high).checked_sub(digits(low))? / 2;
    if middle <= digits(low) {
        return None;
    }
    let mut tail = Vec::new();
    let mut rest = middle;
    for _ in 0..DIGITS {
        tail.push((rest % base) as u8);
        rest /= base;
    }
    tail.reverse();
    // The last digits only tell apart what is equal before them: a guess needs no more than a few.
    let needed =
        tail.iter().zip((same..).map(|at| low.get(at).map_or(0, |byte| fold(*byte)))).take_while(|(a, b)| **a == *b).count() + 3;
    tail.truncate(needed.min(DIGITS));
    let shortened = tail.iter().fold(0, |sum, byte| sum * base + u128::from(*byte)) * base.pow((DIGITS - tail.len()) as u32);
    (shortened > digits(low)).then(|| [&low[..same], &tail].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_between_two_values_lies_between_them() {
        let int = |value: i64| Value::Int(value);
        assert_eq!(KeyForm::Integer.between(&int(1), &int(3)), Some(int(2)));
        assert_eq!(KeyForm::Integer.between(&int(1), &int(2)), None);
        assert_eq!(KeyForm::Integer.between(&int(i64::MIN), &Value::UInt(u64::MAX)), Some(int((1 << 62) - 1)));
        let text = |value: &str| Value::Bytes(value.as_bytes().to_vec());
        assert_eq!(KeyForm::Decimal.between(&text("-1.5"), &text("2")), Some(text("0.250000000000000000")));
        assert_eq!(KeyForm::Decimal.between(&text("-1"), &text("0")), Some(text("-0.500000000000000000")));
        for (low, high) in [("", "a"), ("a", "b"), ("order-000001", "order-999999"), ("a", "a\u{1}"), ("\0", "\u{7f}"), ("a", "aa")]
        {
            let Some(Value::Bytes(middle)) = KeyForm::Bytes.between(&text(low), &text(high)) else { panic!("{low} {high}") };
            assert!(middle.as_slice() > low.as_bytes() && middle.as_slice() < high.as_bytes(), "{low} {middle:?} {high}");
        }
        assert_eq!(KeyForm::Bytes.between(&text("a"), &text("a\0")), None);
        let date = |year, month, day| Value::Date(year, month, day, 0, 0, 0, 0);
        assert_eq!(KeyForm::Date.between(&date(2020, 1, 1), &date(2020, 1, 3)), Some(date(2020, 1, 2)));
        assert_eq!(KeyForm::Date.between(&date(2020, 1, 1), &date(2020, 1, 2)), None);
        assert!(KeyForm::Date.between(&date(0, 0, 0), &date(9999, 12, 31)).is_some());
        let Some(Value::Date(..)) = KeyForm::DateTime.between(&date(2020, 1, 1), &date(2020, 1, 2)) else { panic!() };
        let time = |negative, hours| Value::Time(negative, 0, hours, 0, 0, 0);
        assert_eq!(KeyForm::Time.between(&time(true, 3), &time(false, 1)), Some(time(true, 1)));
    }

    #[test]
    fn a_bound_is_a_literal_that_means_nothing_else() {
        let text = KeyForm::Text { charset: "latin1".into(), guesses: true, folds: true };
        assert_eq!(text.literal((&Value::Bytes(b"' or 1".to_vec())).into()), Some("_latin1 x'27206f722031'".into()));
        assert_eq!(KeyForm::Decimal.literal((&Value::Bytes(b"1;2".to_vec())).into()), None);
        assert_eq!(KeyForm::Date.literal((&Value::Date(2022, 2, 31, 0, 0, 0, 0)).into()), None);
        assert_eq!(KeyForm::Time.literal((&Value::Time(true, 34, 22, 59, 59, 0)).into()), Some("'-838:59:59.000000'".into()));
    }
}
