//! Values of the model as text: as CSV, as JSON, and read back.

use chrono::{DateTime, NaiveDate};

use super::kinds::{L, P};
use super::value::{DAY, Num, V};

/// A value as text; where `vary`, in any of the spellings that mean the same.
pub fn spell(value: &V, stored: &P, vary: bool, random: &mut fastrand::Rng) -> String {
    let pick = if vary { random.u8(0..4) } else { 0 };
    match value {
        V::Text(text) | V::Garbage(text) => text.clone(),
        V::Bool(value) => match (value, pick) {
            (true, 1) => "t".into(),
            (true, 2) => "1".into(),
            (false, 1) => "FALSE".into(),
            (false, 2) => "0".into(),
            (value, _) => value.to_string(),
        },
        V::Num(num) => {
            let text = num.text();
            match (num, pick) {
                (Num::Finite { .. }, 1) if *stored != P::Bool => format!("{text}e0"),
                (Num::Finite { .. }, 2) if *stored != P::Bool => match text.contains('.') {
                    true => format!("{text}00"),
                    false => format!("{text}.0"),
                },
                _ => text,
            }
        }
        V::Float(float) => {
            let text = if *stored == P::F32 { Num::of_f32(float.get() as f32) } else { Num::of_f64(float.get()) }.text();
            if pick == 1 && float.get().is_finite() { format!("{text}e0") } else { text }
        }
        V::Date(days) => {
            let text = date(*days);
            if pick == 1 { format!("{text} 00:00:00") } else { text }
        }
        V::Time(at) => time(*at, pick),
        V::Stamp(at) => stamp(*at, pick),
        V::Instant(at) if pick == 1 => stamp(at + 3_600_000_000_000, 0) + "+01:00",
        V::Instant(at) => stamp(*at, pick) + if pick == 2 { "" } else { "Z" },
        V::Uuid(bytes) => {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            let text = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-");
            match pick {
                1 => hex,
                2 => text.to_uppercase(),
                _ => text,
            }
        }
        V::Json(document) => json(document, stored, vary, random),
        nested => json(nested, stored, vary, random),
    }
}

/// A value as JSON.
pub fn json(value: &V, stored: &P, vary: bool, random: &mut fastrand::Rng) -> String {
    let gap = |random: &mut fastrand::Rng| if vary && random.u8(0..4) == 0 { " " } else { "" };
    match value {
        V::Null => "null".into(),
        V::Bool(value) => value.to_string(),
        V::Num(num @ Num::Finite { .. }) => match (vary, random.u8(0..4)) {
            (true, 1) => num.text() + "E0",
            _ => num.text(),
        },
        V::Float(float) if float.get().is_finite() => spell(value, stored, false, random),
        V::Json(document) => json(document, stored, vary, random),
        V::List(values) => {
            let item = if let P::List(item) | P::LargeList(item) | P::FixedList(item, _) = stored { item } else { stored };
            let items: Vec<String> = values.iter().map(|value| json(value, item, vary, random) + gap(random)).collect();
            format!("[{}]", items.join(","))
        }
        V::Struct(values) => {
            let P::Struct(fields) = stored else { unreachable!() };
            let mut members: Vec<String> = Vec::new();
            for (i, (value, ty)) in values.iter().zip(fields).enumerate() {
                // A member that is missing is NULL.
                if *value != V::Null || random.bool() {
                    members.push(format!("\"f{i}\":{}{}", gap(random), json(value, ty, vary, random)));
                }
            }
            random.shuffle(&mut members);
            format!("{{{}}}", members.join(","))
        }
        V::Map(entries) => {
            let item = if let P::Map(_, item) = stored { item } else { stored };
            let mut entries = entries.clone();
            if vary {
                random.shuffle(&mut entries);
            }
            let member = |(key, value): &(V, V)| {
                let V::Text(key) = key else { unreachable!() };
                format!("{}:{}{}", quoted(key), gap(random), json(value, item, vary, random))
            };
            format!("{{{}}}", entries.iter().map(member).collect::<Vec<_>>().join(","))
        }
        other => quoted(&spell(other, stored, vary, random)),
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::String(text.to_string()).to_string()
}

fn date(days: i128) -> String {
    let epoch = NaiveDate::from_ymd_opt(1970, 1, 1).unwrap();
    (epoch + chrono::TimeDelta::days(days as i64)).format("%Y-%m-%d").to_string()
}

fn fraction(at: i128, pick: u8) -> String {
    match (at % 1_000_000_000, pick) {
        (0, 0) => String::new(),
        (nanoseconds, 3) => format!(".{nanoseconds:09}000"),
        (nanoseconds, _) => format!(".{nanoseconds:09}"),
    }
}

fn time(at: i128, pick: u8) -> String {
    let seconds = at / 1_000_000_000;
    format!("{:02}:{:02}:{:02}{}", seconds / 3600, seconds / 60 % 60, seconds % 60, fraction(at, pick))
}

fn stamp(at: i128, pick: u8) -> String {
    let (day, rest) = (at.div_euclid(DAY), at.rem_euclid(DAY));
    assert!(DateTime::from_timestamp((at / 1_000_000_000) as i64, 0).is_some());
    format!("{}{}{}", date(day), if pick == 3 { "T" } else { " " }, time(rest, pick))
}

/// What a fixed spelling means in a column of this type.
pub fn read(ty: &L, text: &str) -> V {
    match ty {
        L::Num => Num::parse(text).map_or_else(|| V::Garbage(text.into()), V::Num),
        L::Bool if text == "true" || text == "false" => V::Bool(text == "true"),
        L::Json => V::Json(Box::new(V::Text(text.into()))),
        L::Text => V::Text(text.into()),
        _ => V::Garbage(text.into()),
    }
}
