//! JSON documents: objects ordered by name, duplicates kept, numbers exact.
//!
//! `serde_json` parses numbers into f64 unless a feature changes that for every user of the crate, so documents are
//! walked as raw values: each number is met as it is written.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::canonical::{self, Tag};
use super::number;

/// The members of an object in the order in which they are written, duplicates included.
#[derive(Debug)]
pub struct Members<'a>(pub Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Walk;
        impl<'de> Visitor<'de> for Walk {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::with_capacity(map.size_hint().unwrap_or(8));
                while let Some((name, value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
                    members.push((name.0, value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Walk)
    }
}

/// A name borrowed from the text unless it is written with escapes.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Walk;
        impl<'de> Visitor<'de> for Walk {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(text.to_string())))
            }
        }
        deserializer.deserialize_str(Walk)
    }
}

/// One JSON value, one level deep.
pub enum Json<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A number as it is written.
    Number(&'a str),
    /// A string without its escapes.
    Text(Cow<'a, str>),
    /// The items.
    Array(Vec<&'a RawValue>),
    /// The members.
    Object(Members<'a>),
}

impl<'a> Json<'a> {
    /// Looks at a value that is known to be valid JSON, as every [`RawValue`] is.
    pub fn of(raw: &'a RawValue) -> Result<Self, serde_json::Error> {
        let text = raw.get();
        Ok(match text.as_bytes().first() {
            Some(b'n') => Json::Null,
            Some(b't') => Json::Boolean(true),
            Some(b'f') => Json::Boolean(false),
            Some(b'"') => Json::Text(serde_json::from_str::<Name<'a>>(text)?.0),
            Some(b'[') => Json::Array(serde_json::from_str(text)?),
            Some(b'{') => Json::Object(serde_json::from_str(text)?),
            _ => Json::Number(text),
        })
    }
}

/// Appends the canonical value of the document in `text`, or appends nothing and says `false` if it is not JSON.
pub fn push_document(out: &mut Vec<u8>, text: &str) -> bool {
    let start = out.len();
    let pushed = serde_json::from_str::<&RawValue>(text).and_then(|raw| push_raw(out, raw));
    if pushed.is_err() {
        out.truncate(start);
    }
    pushed.is_ok()
}

/// Levels that a document may be nested: it is walked by recursion. The limit of most parsers is lower.
const DEPTH_MAX: usize = 256;

/// Appends the canonical value of a document.
///
/// # Errors
///
/// If it is nested deeper than [`DEPTH_MAX`].
pub fn push_raw(out: &mut Vec<u8>, raw: &RawValue) -> Result<(), serde_json::Error> {
    canonical::push_with(out, Tag::Json, |out| push_value(out, raw, DEPTH_MAX))
}

/// Appends a value that may have `depth` levels below it.
fn push_value(out: &mut Vec<u8>, raw: &RawValue, depth: usize) -> Result<(), serde_json::Error> {
    let below = || depth.checked_sub(1).ok_or_else(|| serde_json::Error::custom("a document nested too deeply"));
    match Json::of(raw)? {
        Json::Null => canonical::push_null(out),
        Json::Boolean(value) => canonical::push_boolean(out, value),
        Json::Text(text) => canonical::push_bytes(out, Tag::Text, text.as_bytes()),
        Json::Number(text) => {
            let start = out.len();
            if !canonical::push_with(out, Tag::Number, |out| number::push_text(out, text)) {
                // A number beyond what the canonical form holds equals only itself as it is written.
                out.truncate(start);
                canonical::push_bytes(out, Tag::Unparsed, text.as_bytes());
            }
        }
        Json::Array(items) => {
            let depth = below()?;
            return canonical::push_with(out, Tag::List, |out| items.into_iter().try_for_each(|item| push_value(out, item, depth)));
        }
        Json::Object(Members(mut members)) => {
            let depth = below()?;
            // A stable sort: of members with one name, the order in which they are written is data.
            members.sort_by(|a, b| a.0.cmp(&b.0));
            return canonical::push_with(out, Tag::Map, |out| {
                members.into_iter().try_for_each(|(name, value)| {
                    canonical::push_bytes(out, Tag::Text, name.as_bytes());
                    push_value(out, value, depth)
                })
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        push_document(&mut out, text).then_some(out)
    }

    #[test]
    fn documents_are_equal_by_structure() {
        assert_eq!(bytes(r#"{"a":1,"b":2}"#), bytes("{ \"b\" : 2.0,\n \"a\":1e0 }"));
        assert_eq!(bytes(r#""\u00e9""#), bytes("\"é\""));
        for (one, two) in [
            ("9007199254740993", "9007199254740992"),
            ("1", "\"1\""),
            ("1", "true"),
            (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
            (r#"{"a":1,"a":2}"#, r#"{"a":2,"a":1}"#),
            ("{}", "[]"),
            ("[1,2]", "[2,1]"),
            ("[[1],2]", "[[1,2]]"),
            ("null", "\"null\""),
        ] {
            assert!(bytes(one).is_some() && bytes(one) != bytes(two), "{one} and {two}");
        }
    }

    #[test]
    fn what_is_no_document_is_refused() {
        for text in ["", "{", "nul", "{\"a\":}", "1 2", "[1,]", "'a'"] {
            assert_eq!(bytes(text), None, "{text}");
        }
    }
}
