//! Values as SQLite holds them, turned into canonical bytes.
//!
//! A value that is one of its column's kind becomes that; any other stays what it is, under a tag that no value of the
//! kind has, so that it equals nothing there. The text '1' in a column of integers is not the integer 1.

use rusqlite::types::ValueRef;

use crate::model::canonical::{self, Canonical, Tag, push_bytes, take};
use crate::model::kind::Kind;
use crate::model::parse::push_text_as;
use crate::model::schema::Type;
use crate::model::value::render;

/// Whether values of a declared type are numbers.
pub(super) fn is_numeric(declared: &Type) -> bool {
    matches!(declared, Type::Integer { .. } | Type::Float { .. } | Type::Number | Type::Boolean)
}

/// Appends a value as `kind`.
#[inline]
pub(super) fn push(out: &mut Vec<u8>, kind: &Kind, value: ValueRef<'_>) {
    match value {
        ValueRef::Null => canonical::push_null(out),
        ValueRef::Integer(value) => push_integer(out, kind, value),
        ValueRef::Real(value) => push_real(out, kind, value),
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => push_text(out, kind, text),
            Err(_) => push_bytes(out, Tag::Unparsed, bytes),
        },
        ValueRef::Blob(bytes) if *kind == Kind::Uuid && bytes.len() == 16 => push_bytes(out, Tag::Uuid, bytes),
        ValueRef::Blob(bytes) => push_bytes(out, Tag::Bytes, bytes),
    }
}

#[inline]
fn push_integer(out: &mut Vec<u8>, kind: &Kind, value: i64) {
    match kind {
        Kind::Boolean if value == 0 || value == 1 => canonical::push_boolean(out, value == 1),
        Kind::Float { .. } if value as f64 as i128 == i128::from(value) => canonical::push_float(out, value as f64),
        Kind::Json => canonical::push_with(out, Tag::Json, |out| canonical::push_i64(out, Tag::Number, value)),
        _ => canonical::push_i64(out, Tag::Number, value),
    }
}

fn push_real(out: &mut Vec<u8>, kind: &Kind, value: f64) {
    match kind {
        Kind::Float { .. } => canonical::push_float(out, value),
        Kind::Json if value.is_finite() => {
            canonical::push_with(out, Tag::Json, |out| canonical::push_float_as_number(out, value, 64));
        }
        _ => canonical::push_float_as_number(out, value, 64),
    }
}

fn push_text(out: &mut Vec<u8>, kind: &Kind, text: &str) {
    match kind {
        Kind::Number | Kind::Float { .. } => {
            // Text that spells a number is none; text that does not is what a text file of the same data holds.
            let start = out.len();
            push_text_as(out, kind, text);
            if out.get(start) != Some(&(Tag::Unparsed as u8)) {
                out.truncate(start);
                push_bytes(out, Tag::Text, text.as_bytes());
            }
        }
        Kind::Bytes | Kind::Interval => push_bytes(out, Tag::Text, text.as_bytes()),
        _ => push_text_as(out, kind, text),
    }
}

/// Appends a value as the text that a report shows for it, or NULL.
pub(super) fn push_raw(out: &mut Vec<u8>, value: ValueRef<'_>) {
    match value {
        ValueRef::Null => canonical::push_null(out),
        ValueRef::Text(bytes) => push_bytes(out, Tag::Text, bytes),
        ValueRef::Blob(bytes) => push_bytes(out, Tag::Text, render(Canonical { tag: Tag::Bytes, bytes }).as_bytes()),
        ValueRef::Integer(_) | ValueRef::Real(_) => {
            let mut number = Vec::new();
            push(&mut number, &Kind::Held, value);
            let text = take(&mut number.as_slice()).map(render).unwrap_or_default();
            push_bytes(out, Tag::Text, text.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(kind: &Kind, value: ValueRef<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        push(&mut out, kind, value);
        out
    }

    fn parsed(kind: &Kind, text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        push_text_as(&mut out, kind, text);
        out
    }

    #[test]
    fn a_value_of_the_kind_becomes_that_and_any_other_stays_what_it_is() {
        use ValueRef::*;
        let float = Kind::Float { bits: 64 };
        for (kind, value, text) in [
            (Kind::Number, Integer(-5), "-5"),
            (Kind::Number, Real(0.1), "0.1"),
            (Kind::Number, Real(f64::NEG_INFINITY), "-inf"),
            (Kind::Boolean, Integer(1), "true"),
            (float.clone(), Integer(3), "3.0"),
            (float.clone(), Real(0.1), "0.1"),
            (Kind::Text, Text(b"a"), "a"),
            (Kind::PaddedText, Text(b"a  "), "a"),
            (Kind::Date, Text(b"2024-02-29"), "2024-02-29"),
            (Kind::Timestamp, Text(b"2024-02-29T10:00:00"), "2024-02-29 10:00:00.000"),
            (Kind::Uuid, Blob(&[0x11; 16]), "11111111-1111-1111-1111-111111111111"),
            (Kind::Json, Text(b"{\"a\": 1}"), "{\"a\":1.0}"),
            (Kind::Json, Integer(7), "7"),
            (Kind::Json, Real(1.5), "1.5"),
            (Kind::Number, Text(b"soon"), "soon"),
        ] {
            assert_eq!(bytes(&kind, value), parsed(&kind, text), "{kind} {text}");
        }
        for (kind, value, tag) in [
            (Kind::Number, Text(b"1"), Tag::Text),
            (Kind::Number, Blob(b"1"), Tag::Bytes),
            (float.clone(), Text(b"1"), Tag::Text),
            (float, Integer((1 << 53) + 1), Tag::Number),
            (Kind::Boolean, Integer(2), Tag::Number),
            (Kind::Text, Integer(1), Tag::Number),
            (Kind::Text, Blob(b"a"), Tag::Bytes),
            (Kind::Bytes, Text(b"a"), Tag::Text),
            (Kind::Date, Integer(1_700_000_000), Tag::Number),
            (Kind::Uuid, Blob(b"short"), Tag::Bytes),
            (Kind::Text, Text(b"\xff"), Tag::Unparsed),
            (Kind::Held, Text(b"\xff"), Tag::Unparsed),
            (Kind::Held, Text(b"1"), Tag::Text),
            (Kind::Held, Blob(b"1"), Tag::Bytes),
            (Kind::Held, Real(1.0), Tag::Number),
            (Kind::Held, Null, Tag::Null),
        ] {
            assert_eq!(bytes(&kind, value)[0], tag as u8, "{kind} {value:?}");
        }
        assert_eq!(bytes(&Kind::Held, Integer(1)), bytes(&Kind::Held, Real(1.0)));
    }

    #[test]
    fn a_report_shows_values_as_people_write_them() {
        use ValueRef::*;
        for (value, text) in [(Integer(-5), "-5"), (Real(1.5), "1.5"), (Text(b"x"), "x"), (Blob(b"\x00\xff"), "0x00ff")] {
            let mut out = Vec::new();
            push_raw(&mut out, value);
            assert_eq!(out, parsed(&Kind::Text, text));
        }
    }
}
