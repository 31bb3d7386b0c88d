//! Values as the server sends them, turned into canonical bytes.

use super::field::Field;
use super::types::{Encoding, Reading};
use crate::engines::rows::Form;
use crate::error::{Error, Result};
use crate::model::canonical::{self, Tag};
use crate::model::kind::Kind;
use crate::model::parse;
use crate::model::temporal::{DAY, SECOND, civil_from_days, days_from_civil};
use crate::model::{json, number, packed};

/// Turns the values of one column into canonical bytes; what it does is settled once for the column.
#[derive(Debug, Clone)]
pub(super) struct Decoder {
    /// The column's name, for messages.
    name: String,
    /// The place of the value in a row.
    place: usize,
    /// The place of the value's bytes, which are NULL unless the server could not convert it.
    unconverted: Option<usize>,
    ascii: bool,
    push: Push,
    kind: Kind,
}

/// How a value is pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Push {
    Integer,
    Decimal,
    Float,
    /// As the shortest decimal, of a float of this many bits.
    FloatAsNumber(u8),
    Bits,
    Boolean,
    Text,
    /// Text that is read as something else.
    Parsed,
    Json,
    Bytes,
    /// Sixteen bytes that are a UUID.
    BytesAsUuid,
    Uuid,
    Day,
    /// A day as its midnight, under the tag of the kind.
    Midnight(Tag),
    Moment(Tag),
    Time,
    Geometry,
    Vector,
    /// As text, read as the kind: for pairs that have no road of their own.
    Spelled,
}

impl Decoder {
    /// A decoder for a column that is read as `kind`.
    pub(super) fn new(name: &str, place: usize, unconverted: Option<usize>, reading: &Reading, kind: &Kind) -> Self {
        let moment = if *kind == Kind::Instant { Tag::Instant } else { Tag::Timestamp };
        let push = match (reading, kind) {
            (Reading::Integer, Kind::Number) => Push::Integer,
            (Reading::Decimal, Kind::Number) => Push::Decimal,
            (Reading::Float | Reading::Double, Kind::Float { .. }) => Push::Float,
            (Reading::Float, Kind::Number) => Push::FloatAsNumber(32),
            (Reading::Double, Kind::Number) => Push::FloatAsNumber(64),
            (Reading::Bits, Kind::Number) => Push::Bits,
            (Reading::Bits, Kind::Boolean) => Push::Boolean,
            (Reading::Text(_), Kind::Text) => Push::Text,
            (Reading::Text(_), _) => Push::Parsed,
            (Reading::Json(_), Kind::Json) => Push::Json,
            (Reading::Bytes, Kind::Bytes) => Push::Bytes,
            (Reading::Bytes, Kind::Uuid) => Push::BytesAsUuid,
            (Reading::Uuid, Kind::Uuid) => Push::Uuid,
            (Reading::Date, Kind::Date) => Push::Day,
            (Reading::Date, Kind::Timestamp | Kind::Instant) => Push::Midnight(moment),
            (Reading::DateTime, Kind::Timestamp | Kind::Instant) => Push::Moment(moment),
            (Reading::Time, Kind::Time) => Push::Time,
            (Reading::Geometry, _) => Push::Geometry,
            (Reading::Vector, _) => Push::Vector,
            _ => Push::Spelled,
        };
        let ascii =
            matches!(reading, Reading::Text(Encoding::Subset { ascii: true }) | Reading::Json(Encoding::Subset { ascii: true }));
        Decoder { name: name.to_string(), place, unconverted, ascii, push, kind: kind.clone() }
    }

    /// Whether it looks at another place of a row as well.
    pub(super) fn has_unconverted(&self) -> bool {
        self.unconverted.is_some()
    }

    /// Whether the same bytes of a row mean the same canonical bytes to `other`.
    pub(super) fn reads_like(&self, other: &Decoder) -> bool {
        let Decoder { name: _, place, unconverted, ascii, push, kind } = self;
        (place, unconverted, ascii, push, kind) == (&other.place, &other.unconverted, &other.ascii, &other.push, &other.kind)
    }

    /// Appends the column's value in the form asked for.
    ///
    /// # Errors
    ///
    /// If the value is not of the type that the catalog promised.
    #[inline]
    pub(super) fn push(&self, row: &[Field<'_>], form: Form, out: &mut Vec<u8>) -> Result<()> {
        let value = row.get(self.place).unwrap_or(&Field::Null);
        if matches!(value, Field::Null) {
            canonical::push_null(out);
            return Ok(());
        }
        if let Some(Field::Bytes(bytes)) = self.unconverted.and_then(|place| row.get(place))
            && matches!(value, Field::Bytes(text) if text.contains(&b'?'))
        {
            canonical::push_bytes(out, Tag::Unparsed, bytes);
            return Ok(());
        }
        match form {
            Form::Canonical => self.push_canonical(value, out),
            Form::Raw => self.push_raw(value, out),
        }
    }

    /// Appends the canonical value of a value that is not NULL.
    #[inline]
    pub(super) fn push_canonical(&self, value: &Field<'_>, out: &mut Vec<u8>) -> Result<()> {
        match (self.push, value) {
            // Bits that bound a range come as numbers.
            (Push::Integer | Push::Bits, &Field::Int(value)) => canonical::push_i64(out, Tag::Number, value),
            (Push::Integer | Push::Bits, &Field::UInt(value)) => canonical::push_whole(out, Tag::Number, i128::from(value)),
            (Push::Decimal, &Field::Bytes(digits)) => self.push_decimal(digits, out),
            (Push::Float, &Field::Float(value)) => canonical::push_float(out, f64::from(value)),
            (Push::Float, &Field::Double(value)) => canonical::push_float(out, value),
            (Push::FloatAsNumber(bits), &Field::Float(value)) => canonical::push_float_as_number(out, f64::from(value), bits),
            (Push::FloatAsNumber(bits), &Field::Double(value)) => canonical::push_float_as_number(out, value, bits),
            (Push::Bits, &Field::Bytes(bytes)) => canonical::push_whole(out, Tag::Number, i128::from(unsigned(bytes))),
            (Push::Boolean, &Field::Bytes(bytes)) => canonical::push_boolean(out, unsigned(bytes) != 0),
            (Push::Boolean, &Field::Int(value)) => canonical::push_boolean(out, value != 0),
            (Push::Text, &Field::Bytes(bytes)) => {
                let tag = if self.is_text(bytes) { Tag::Text } else { Tag::Unparsed };
                canonical::push_bytes(out, tag, bytes);
            }
            (Push::Parsed, &Field::Bytes(bytes)) => match self.as_text(bytes) {
                Some(text) => parse::push_text_as(out, &self.kind, text),
                None => canonical::push_bytes(out, Tag::Unparsed, bytes),
            },
            (Push::Json, &Field::Bytes(bytes)) => {
                if !self.as_text(bytes).is_some_and(|text| json::push_document(out, text)) {
                    canonical::push_bytes(out, Tag::Unparsed, bytes);
                }
            }
            (Push::Bytes, &Field::Bytes(bytes)) => canonical::push_bytes(out, Tag::Bytes, bytes),
            (Push::BytesAsUuid, &Field::Bytes(bytes)) => {
                canonical::push_bytes(out, if bytes.len() == 16 { Tag::Uuid } else { Tag::Unparsed }, bytes);
            }
            (Push::Uuid, &Field::Bytes(bytes)) => match self.as_text(bytes).and_then(parse::parse_uuid) {
                Some(uuid) => canonical::push_bytes(out, Tag::Uuid, &uuid),
                None => return Err(self.unexpected(value, "a UUID")),
            },
            (Push::Day, &Field::Date { year, month, day, .. }) => match days(year, month, day) {
                Some(days) => canonical::push_i64(out, Tag::Date, days),
                None => push_spelled(out, &spell_date(year, month, day)),
            },
            (Push::Midnight(tag), &Field::Date { year, month, day, .. }) => match days(year, month, day) {
                Some(days) => canonical::push_whole(out, tag, i128::from(days) * DAY),
                None => push_spelled(out, &format!("{} 00:00:00", spell_date(year, month, day))),
            },
            (Push::Moment(tag), &Field::Date { year, month, day, hour, minute, second, micros }) => match days(year, month, day) {
                Some(days) => {
                    let time = of_day(i64::from(hour), minute, second, micros);
                    canonical::push_whole(out, tag, i128::from(days) * DAY + time);
                }
                None => push_spelled(out, &spell(value).unwrap_or_default()),
            },
            (Push::Time, &Field::Time { negative, days, hours, minutes, seconds, micros }) => {
                let time = of_day(i64::from(days) * 24 + i64::from(hours), minutes, seconds, micros);
                canonical::push_whole(out, Tag::Time, if negative { -time } else { time });
            }
            (Push::Geometry, &Field::Bytes(bytes)) => canonical::push_bytes(out, Tag::Text, spell_geometry(bytes).as_bytes()),
            (Push::Vector, &Field::Bytes(bytes)) => canonical::push_bytes(out, Tag::Text, spell_vector(bytes).as_bytes()),
            (Push::Spelled, value) => match spell(value) {
                Some(text) => parse::push_text_as(out, &self.kind, &text),
                None => return Err(self.unexpected(value, "text")),
            },
            (push, value) => return Err(self.unexpected(value, &format!("{push:?}").to_lowercase())),
        }
        Ok(())
    }

    fn push_raw(&self, value: &Field<'_>, out: &mut Vec<u8>) -> Result<()> {
        match (self.push, value) {
            (Push::Text | Push::Parsed | Push::Json | Push::Uuid | Push::Decimal, &Field::Bytes(bytes)) => {
                let tag = if self.is_text(bytes) { Tag::Text } else { Tag::Unparsed };
                canonical::push_bytes(out, tag, bytes);
            }
            (Push::Geometry, &Field::Bytes(bytes)) => canonical::push_bytes(out, Tag::Text, spell_geometry(bytes).as_bytes()),
            (Push::Vector, &Field::Bytes(bytes)) => canonical::push_bytes(out, Tag::Text, spell_vector(bytes).as_bytes()),
            (Push::Day, &Field::Date { year, month, day, .. }) => {
                canonical::push_bytes(out, Tag::Text, spell_date(year, month, day).as_bytes());
            }
            (Push::Bits | Push::Boolean, &Field::Bytes(bytes)) => {
                canonical::push_bytes(out, Tag::Text, unsigned(bytes).to_string().as_bytes());
            }
            (_, value) => {
                let text = spell(value).ok_or_else(|| self.unexpected(value, "text"))?;
                canonical::push_bytes(out, Tag::Text, text.as_bytes());
            }
        }
        Ok(())
    }

    #[inline]
    fn push_decimal(&self, digits: &[u8], out: &mut Vec<u8>) {
        match packed::parse_short(digits) {
            Some((unscaled, scale)) => canonical::push_decimal(out, unscaled.into(), scale),
            None => self.push_long_decimal(digits, out),
        }
    }

    fn push_long_decimal(&self, digits: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        let pushed = std::str::from_utf8(digits)
            .is_ok_and(|text| canonical::push_with(out, Tag::Number, |out| number::push_text(out, text)));
        if !pushed {
            out.truncate(start);
            canonical::push_bytes(out, Tag::Unparsed, digits);
        }
    }

    /// Whether these bytes are valid in the column's character set.
    #[inline]
    fn is_text(&self, bytes: &[u8]) -> bool {
        // Asked first, for it is told many bytes at a time.
        bytes.is_ascii() || (!self.ascii && std::str::from_utf8(bytes).is_ok())
    }

    /// The text in these bytes, if they are valid in the column's character set.
    #[inline]
    fn as_text<'a>(&self, bytes: &'a [u8]) -> Option<&'a str> {
        if self.ascii && !bytes.is_ascii() {
            return None;
        }
        std::str::from_utf8(bytes).ok()
    }

    fn unexpected(&self, value: &Field<'_>, expected: &str) -> Error {
        let found = match value {
            Field::Null => "NULL",
            Field::Bytes(_) => "bytes",
            Field::Int(_) | Field::UInt(_) => "a whole number",
            Field::Float(_) | Field::Double(_) => "a float",
            Field::Date { .. } => "a date",
            Field::Time { .. } => "a time",
        };
        Error::new(format!("found {found}, expected {expected}")).at(format!("column {}", self.name))
    }
}

fn push_spelled(out: &mut Vec<u8>, text: &str) {
    canonical::push_bytes(out, Tag::Unparsed, text.as_bytes());
}

/// Bits as a number, the first byte being the highest.
fn unsigned(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, &byte| number << 8 | u64::from(byte))
}

/// Days from 1970-01-01 to a date that is on the calendar; MySQL keeps others too, such as 2022-00-15.
#[inline]
pub(super) fn days(year: u16, month: u8, day: u8) -> Option<i64> {
    let (year, month, day) = (i64::from(year), u32::from(month), u32::from(day));
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let days = days_from_civil(year, month, day);
    (day <= 28 || civil_from_days(days) == (year, month, day)).then_some(days)
}

/// Nanoseconds of a time.
fn of_day(hours: i64, minutes: u8, seconds: u8, micros: u32) -> i128 {
    let seconds = hours * 3600 + i64::from(minutes) * 60 + i64::from(seconds);
    i128::from(seconds) * SECOND + i128::from(micros) * 1000
}

fn spell_date(year: u16, month: u8, day: u8) -> String {
    format!("{year:04}-{month:02}-{day:02}")
}

fn spell_fraction(micros: u32) -> String {
    if micros == 0 { String::new() } else { format!(".{}", format!("{micros:06}").trim_end_matches('0')) }
}

/// A value as MySQL writes it, but for zeros at the end of a fraction.
pub(super) fn spell(value: &Field<'_>) -> Option<String> {
    Some(match *value {
        Field::Null => return None,
        Field::Bytes(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => text.to_string(),
            Err(_) => hex(bytes),
        },
        Field::Int(value) => value.to_string(),
        Field::UInt(value) => value.to_string(),
        Field::Float(value) => value.to_string(),
        Field::Double(value) => value.to_string(),
        Field::Date { year, month, day, hour, minute, second, micros } => {
            format!("{} {hour:02}:{minute:02}:{second:02}{}", spell_date(year, month, day), spell_fraction(micros))
        }
        Field::Time { negative, days, hours, minutes, seconds, micros } => {
            let (sign, hours) = (if negative { "-" } else { "" }, days * 24 + u32::from(hours));
            format!("{sign}{hours:02}:{minutes:02}:{seconds:02}{}", spell_fraction(micros))
        }
    })
}

/// `SRID=4326;` and the geometry's well-known bytes in hex.
fn spell_geometry(bytes: &[u8]) -> String {
    match bytes.split_first_chunk::<4>() {
        Some((srid, shape)) => format!("SRID={};{}", u32::from_le_bytes(*srid), hex(shape)),
        None => hex(bytes),
    }
}

/// `[1,2.5]`: the shortest decimals that read back as the same floats.
fn spell_vector(bytes: &[u8]) -> String {
    let (floats, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return hex(bytes);
    }
    let floats: Vec<String> = floats.iter().map(|float| f32::from_le_bytes(*float).to_string()).collect();
    format!("[{}]", floats.join(","))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
