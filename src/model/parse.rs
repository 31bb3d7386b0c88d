//! Text and JSON values read as the kind of the other side's column.
//!
//! What does not parse is a difference, not an error: it becomes a value of its own that equals only the same text.

use serde_json::value::RawValue;

use super::canonical::{self, Tag, push_bytes};
use super::json::{self, Json, Members};
use super::kind::Kind;
use super::number;
use super::temporal::{self, Moment};

/// Appends the canonical value of `text` read as `kind`.
#[inline]
pub fn push_text_as(out: &mut Vec<u8>, kind: &Kind, text: &str) {
    match kind {
        Kind::Text | Kind::Held => push_bytes(out, Tag::Text, text.as_bytes()),
        Kind::PaddedText => push_bytes(out, Tag::Text, text.trim_end_matches(' ').as_bytes()),
        _ => {
            let start = out.len();
            if !push_parsed(out, kind, text) {
                out.truncate(start);
                push_bytes(out, Tag::Unparsed, text.as_bytes());
            }
        }
    }
}

fn push_parsed(out: &mut Vec<u8>, kind: &Kind, text: &str) -> bool {
    match kind {
        Kind::Text | Kind::PaddedText | Kind::Held | Kind::Bytes | Kind::Interval => return false,
        Kind::Number => return canonical::push_with(out, Tag::Number, |out| number::push_text(out, text)),
        Kind::Json => return json::push_document(out, text),
        Kind::List(_) | Kind::Struct(_) | Kind::Map(..) => {
            return serde_json::from_str::<&RawValue>(text).is_ok_and(|raw| push_structure(out, kind, raw));
        }
        Kind::Boolean => match parse_boolean(text) {
            Some(value) => canonical::push_boolean(out, value),
            None => return false,
        },
        Kind::Float { bits } => {
            let value = if *bits == 32 { text.parse::<f32>().map(f64::from) } else { text.parse::<f64>() };
            match value {
                // Digits that come out as infinity are a number that the type does not hold.
                Ok(value) if value.is_infinite() && text.bytes().any(|byte| byte.is_ascii_digit()) => return false,
                Ok(value) => canonical::push_float(out, value),
                Err(_) => return false,
            }
        }
        Kind::Date => match parse_day(text) {
            Some(day) => push_moment(out, Tag::Date, day),
            None => return false,
        },
        Kind::Time => match temporal::parse_time(text) {
            Some(nanoseconds) => canonical::push_whole(out, Tag::Time, nanoseconds),
            None => return false,
        },
        Kind::Timestamp | Kind::Instant => {
            let tag = if *kind == Kind::Instant { Tag::Instant } else { Tag::Timestamp };
            match temporal::parse_timestamp(text) {
                Some((Moment::At(local), offset)) => {
                    let offset = i128::from(offset.unwrap_or(0)) * temporal::SECOND;
                    push_moment(out, tag, Moment::At(local - offset));
                }
                Some((infinity, _)) => push_moment(out, tag, infinity),
                None => return false,
            }
        }
        Kind::Uuid => match parse_uuid(text) {
            Some(bytes) => push_bytes(out, Tag::Uuid, &bytes),
            None => return false,
        },
    }
    true
}

/// Appends a day, a civil time or an instant, or an infinity of it.
pub fn push_moment(out: &mut Vec<u8>, tag: Tag, moment: Moment) {
    match moment {
        Moment::At(value) => canonical::push_whole(out, tag, value),
        Moment::Infinity { negative } => canonical::push_with(out, tag, |out| number::push_infinity(out, negative)),
    }
}

fn parse_boolean(text: &str) -> Option<bool> {
    let is = |word: &&str| text.eq_ignore_ascii_case(word);
    if ["true", "t", "1"].iter().any(is) {
        return Some(true);
    }
    ["false", "f", "0"].iter().any(is).then_some(false)
}

/// A day, or the midnight that stands for it.
fn parse_day(text: &str) -> Option<Moment> {
    temporal::parse_date(text).or_else(|| match temporal::parse_timestamp(text)? {
        (Moment::At(nanoseconds), None) if nanoseconds % temporal::DAY == 0 => Some(Moment::At(nanoseconds / temporal::DAY)),
        _ => None,
    })
}

/// Reads a UUID of 36 characters with hyphens, or of 32 without, in any case.
pub fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    let hex = match text.len() {
        32 => text.to_string(),
        36 if [8, 13, 18, 23].iter().all(|&i| text.as_bytes()[i] == b'-') => text.replace('-', ""),
        _ => return None,
    };
    let all_hex = hex.len() == 32 && hex.bytes().all(|b| b.is_ascii_hexdigit());
    all_hex.then(|| u128::from_str_radix(&hex, 16).ok()).flatten().map(u128::to_be_bytes)
}

/// Appends the canonical value of a JSON value read as `kind`.
pub fn push_json_as(out: &mut Vec<u8>, kind: &Kind, raw: &RawValue) {
    let start = out.len();
    if !push_structure(out, kind, raw) {
        out.truncate(start);
        push_bytes(out, Tag::Unparsed, raw.get().as_bytes());
    }
}

fn push_structure(out: &mut Vec<u8>, kind: &Kind, raw: &RawValue) -> bool {
    let Ok(value) = Json::of(raw) else { return false };
    match (value, kind) {
        (Json::Null, _) => canonical::push_null(out),
        (_, Kind::Json) => return json::push_raw(out, raw).is_ok(),
        (Json::Text(text), _) => push_text_as(out, kind, &text),
        (Json::Boolean(value), Kind::Number) => canonical::push_whole(out, Tag::Number, i128::from(value)),
        (Json::Boolean(_) | Json::Number(_), _) => push_text_as(out, kind, raw.get()),
        (Json::Array(_) | Json::Object(_), Kind::Text | Kind::PaddedText) => push_text_as(out, kind, raw.get()),
        (Json::Array(items), Kind::List(item)) => {
            // A column of arrays may hold some of more dimensions, as PostgreSQL's do.
            let is_inner = |value: &RawValue| value.get().starts_with('[') && !matches!(**item, Kind::List(_) | Kind::Json);
            canonical::push_with(out, Tag::List, |out| {
                items.into_iter().for_each(|value| push_json_as(out, if is_inner(value) { kind } else { item }, value));
            });
        }
        (Json::Object(members), Kind::Struct(fields)) => return push_struct(out, fields, &members),
        (Json::Object(Members(members)), Kind::Map(key, value)) => push_map(out, members.len(), |i, out| {
            push_text_as(out, key, &members[i].0);
            let end = out.len();
            push_json_as(out, value, members[i].1);
            end
        }),
        (Json::Array(_) | Json::Object(_), _) => return false,
    }
    true
}

fn push_struct(out: &mut Vec<u8>, fields: &[(String, Kind)], Members(members): &Members<'_>) -> bool {
    let known = |name: &str| fields.iter().any(|(field, _)| field == name);
    let distinct = members.iter().enumerate().all(|(i, (name, _))| members[..i].iter().all(|(other, _)| other != name));
    // A member that the other side has no field for cannot be equal to anything there.
    if !distinct || !members.iter().all(|(name, _)| known(name)) {
        return false;
    }
    canonical::push_with(out, Tag::Struct, |out| {
        for (field, kind) in fields {
            match members.iter().find(|(name, _)| name == field) {
                Some((_, value)) => push_json_as(out, kind, value),
                None => canonical::push_null(out),
            }
        }
    });
    true
}

/// Appends a map of `len` entries, ordered by key: `push_entry(i, out)` appends the key and the value of entry `i`
/// and returns where the key ends.
pub fn push_map(out: &mut Vec<u8>, len: usize, mut push_entry: impl FnMut(usize, &mut Vec<u8>) -> usize) {
    let mut entries: Vec<(Vec<u8>, usize)> = Vec::with_capacity(len);
    for i in 0..len {
        let mut entry = Vec::new();
        let key_end = push_entry(i, &mut entry);
        entries.push((entry, key_end));
    }
    // Entries with one key keep the order of their values' bytes, so that equal maps have equal bytes.
    entries.sort_by(|(a, a_key), (b, b_key)| super::row::compare_keys(&a[..*a_key], &b[..*b_key]).then_with(|| a.cmp(b)));
    canonical::push_with(out, Tag::Map, |out| entries.iter().for_each(|(entry, _)| out.extend_from_slice(entry)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(kind: &Kind, text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        push_text_as(&mut out, kind, text);
        out
    }

    #[test]
    fn text_is_read_as_the_other_sides_kind() {
        for (kind, one, two) in [
            (Kind::Number, "1", "1.00"),
            (Kind::Boolean, "true", "1"),
            (Kind::Float { bits: 64 }, "1e3", "1000.0"),
            (Kind::Float { bits: 32 }, "0.1", "0.10000000149011612"),
            (Kind::Date, "2024-02-29", "2024-02-29 00:00:00"),
            (Kind::Time, "10:00", "10:00:00.000"),
            (Kind::Timestamp, "2024-01-01", "2024-01-01T00:00:00"),
            (Kind::Instant, "2024-01-01 01:00:00+01", "2024-01-01T00:00:00Z"),
            (Kind::Uuid, "550e8400-e29b-41d4-a716-446655440000", "550e8400e29b41d4a716446655440000"),
            (Kind::Json, "{\"a\": 1}", "{\"a\":1.0}"),
            (Kind::List(Box::new(Kind::Number)), "[1, null]", "[1.0,null]"),
            (Kind::Map(Box::new(Kind::Text), Box::new(Kind::Number)), "{\"b\":1,\"a\":2}", "{\"a\":2,\"b\":1}"),
            (Kind::PaddedText, "abc", "abc   "),
        ] {
            assert_eq!(bytes(&kind, one), bytes(&kind, two), "{kind}");
        }
    }

    #[test]
    fn what_does_not_parse_equals_only_itself() {
        let structure = Kind::Struct(vec![("a".into(), Kind::Number)]);
        for (kind, text) in [
            (Kind::Number, "1,5"),
            (Kind::Boolean, "yes"),
            (Kind::Float { bits: 64 }, ""),
            (Kind::Float { bits: 64 }, "1e400"),
            (Kind::Float { bits: 32 }, "-1e39"),
            (Kind::Date, "2024-02-30"),
            (Kind::Date, "2024-02-28 00:00:01"),
            (Kind::Time, "25:00"),
            (Kind::Timestamp, "soon"),
            (Kind::Uuid, "{550e8400-e29b-41d4-a716-446655440000}"),
            (Kind::Uuid, "550e8400-e29b-41d4-a716-44665544000é"),
            (Kind::Json, "{"),
            (structure.clone(), "{\"a\":1,\"b\":2}"),
            (structure, "{\"a\":1,\"a\":1}"),
        ] {
            let value = bytes(&kind, text);
            assert_eq!(value[0], Tag::Unparsed as u8, "{kind}: {text}");
            assert_eq!(&value[2..], text.as_bytes());
        }
    }
}
