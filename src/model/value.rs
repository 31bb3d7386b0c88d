//! Canonical values as text that people read: on the terminal, in messages, in the bounds of ranges.

use super::canonical::{Canonical, Tag, Values, read_float};
use super::number;
use super::temporal;

/// Writes a canonical value as text; NULL is `NULL`, and text stands as it is.
pub fn render(value: Canonical<'_>) -> String {
    let whole = || number::read_i128(value.bytes);
    let moment = |format: fn(i128) -> String| match whole() {
        Some(at) => format(at),
        None => number::read(value.bytes).map_or_else(String::new, |number| number.to_string().to_lowercase()),
    };
    match value.tag {
        Tag::Null => "NULL".to_string(),
        Tag::Absent => "(absent)".to_string(),
        Tag::Boolean => (value.bytes == [1]).to_string(),
        Tag::Number => number::read(value.bytes).map_or_else(String::new, |number| number.to_string()),
        Tag::Float => read_float(value.bytes).map_or_else(String::new, |float| float.to_string()),
        Tag::Date => moment(|days| temporal::format_date(days as i64)),
        Tag::Time => moment(temporal::format_time),
        Tag::Timestamp => moment(temporal::format_timestamp),
        Tag::Instant => moment(|at| format!("{}Z", temporal::format_timestamp(at))),
        Tag::Interval => {
            let parts: Vec<String> = Values::of(value.bytes).map(render).collect();
            format!("{} months {} days {} ns", parts[0], parts[1], parts[2])
        }
        Tag::Uuid => render_uuid(value.bytes),
        Tag::Text | Tag::Unparsed => String::from_utf8_lossy(value.bytes).into_owned(),
        Tag::Bytes => value.bytes.iter().fold("0x".to_string(), |text, byte| text + &format!("{byte:02x}")),
        Tag::Json | Tag::List | Tag::Struct | Tag::Map => {
            let mut out = String::new();
            render_json(&mut out, value);
            out
        }
    }
}

fn render_uuid(bytes: &[u8]) -> String {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    match hex.len() {
        32 => [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-"),
        _ => hex,
    }
}

/// Writes nested values as JSON; the fields of a struct have no names here and are written as a list.
fn render_json(out: &mut String, value: Canonical<'_>) {
    let list = |out: &mut String| {
        out.push('[');
        for (i, item) in Values::of(value.bytes).enumerate() {
            if i > 0 {
                out.push(',');
            }
            render_json(out, item);
        }
        out.push(']');
    };
    match value.tag {
        Tag::Null => out.push_str("null"),
        Tag::Boolean | Tag::Number => out.push_str(&render(value)),
        Tag::Json => Values::of(value.bytes).for_each(|document| render_json(out, document)),
        Tag::List | Tag::Struct => list(out),
        Tag::Map => {
            out.push('{');
            for (i, part) in Values::of(value.bytes).enumerate() {
                if i > 0 {
                    out.push(if i % 2 == 0 { ',' } else { ':' });
                }
                render_json(out, part);
            }
            out.push('}');
        }
        _ => out.push_str(&serde_json::Value::String(render(value)).to_string()),
    }
}

/// Writes a key of one or more values: `42`, or `(7, NULL)`.
pub fn render_key(key: &[u8]) -> String {
    let parts: Vec<String> = Values::of(key).map(render).collect();
    match parts.as_slice() {
        [one] => one.clone(),
        _ => format!("({})", parts.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::kind::Kind;
    use super::super::parse::push_text_as;
    use super::*;

    #[test]
    fn values_read_as_people_write_them() {
        for (kind, text) in [
            (Kind::Number, "-12.5"),
            (Kind::Text, "a b"),
            (Kind::Boolean, "true"),
            (Kind::Float { bits: 64 }, "0.1"),
            (Kind::Date, "2024-02-29"),
            (Kind::Time, "10:00:00.5"),
            (Kind::Timestamp, "2024-01-01 10:00:00.000000001"),
            (Kind::Instant, "2024-01-01 10:00:00Z"),
            (Kind::Instant, "-infinity"),
            (Kind::Uuid, "550e8400-e29b-41d4-a716-446655440000"),
            (Kind::Json, r#"{"a":[1,null,"x\"y"],"b":true}"#),
        ] {
            let mut out = Vec::new();
            push_text_as(&mut out, &kind, text);
            assert_eq!(render_key(&out), text);
        }
    }
}
