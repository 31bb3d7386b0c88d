//! The one comparison of each pair of types, or the reason why there is none.
//!
//! This is the table of design section 3 as code. A comparison that is not exact says so in words that the report
//! repeats.

use crate::model::kind::Kind;
use crate::model::schema::Type;
use crate::sides::Sides;

/// What both columns of a pair are read as, and what is not exact about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The kind.
    pub kind: Kind,
    /// What is declared; `None`: exact.
    pub declared: Option<String>,
    /// For each side, whether its value cannot be had back from the canonical form.
    pub raw: Sides<bool>,
}

/// Chooses the comparison of a pair of types.
///
/// # Errors
///
/// The reason why values of the two types are not comparable.
pub fn choose(source: &Type, target: &Type) -> Result<Choice, String> {
    let kind = kind_of(source, target)
        .or_else(|| kind_of(target, source))
        .ok_or_else(|| format!("no comparison of {source} with {target}"))?;
    let raw = Sides { source, target }.map(|ty| !gives_back(ty, &kind));
    Ok(Choice { declared: declaration(source, target), kind, raw })
}

/// The kind of a pair, looked up in one order of its types; [`choose`] tries both.
fn kind_of(one: &Type, other: &Type) -> Option<Kind> {
    use Type::*;
    Some(match (one, other) {
        (Other | Forbidden, _) | (_, Other | Forbidden) => return None,
        (Native { .. }, Native { .. }) if one == other => Kind::Text,
        (Native { .. }, _) | (_, Native { .. }) => return None,
        (Held(_), Held(_)) => Kind::Held,
        (Held(declared), other) => held_kind(declared, other)?,
        (_, Held(_)) => return None,
        (Bits { len }, Bits { len: other }) if len == other => Kind::Number,
        (Bits { .. }, Bits { .. } | Boolean | Integer { .. } | Decimal { .. } | Number) => Kind::Number,
        (Null, Null) => Kind::Text,
        (Null, ty) | (ty, Null) => native_kind(ty)?,
        (Integer { .. } | Decimal { .. } | Number, Integer { .. } | Decimal { .. } | Number | Float { .. } | Boolean) => {
            Kind::Number
        }
        (Float { bits }, Float { bits: other }) => Kind::Float { bits: *bits.max(other) },
        (Char, Char | Text) => Kind::PaddedText,
        (Date, Timestamp { .. }) => Kind::Timestamp,
        (Date | Timestamp { .. }, Instant { .. }) => Kind::Instant,
        (Uuid, Text | Char | Bytes) => Kind::Uuid,
        (Json, Text) => Kind::Json,
        (Dynamic, Dynamic) => Kind::Json,
        (Untyped, Dynamic) => Kind::Text,
        // Bytes and intervals have no text form that all writers share.
        (Untyped | Dynamic, ty) if !is_spelled(ty) => return None,
        (Untyped | Dynamic, ty) => native_kind(ty)?,
        (List(one), List(other)) => Kind::List(Box::new(kind_of_either(one, other)?)),
        (Map(key, value), Map(other_key, other_value)) => {
            Kind::Map(Box::new(kind_of_either(key, other_key)?), Box::new(kind_of_either(value, other_value)?))
        }
        (Struct(fields), Struct(others)) => {
            // Fields are one value here: one that only a side has would go uncompared without a word, and so would
            // the second of two that have one name.
            if fields.len() != others.len() || !named_apart(fields) || !named_apart(others) {
                return None;
            }
            let pair = |(name, ty): &(String, Type)| {
                let (_, other) = others.iter().find(|(other, _)| other == name)?;
                Some((name.clone(), kind_of_either(ty, other)?))
            };
            Kind::Struct(fields.iter().map(pair).collect::<Option<_>>()?)
        }
        // Two columns of one type, whatever their precision.
        (one, other) if std::mem::discriminant(one) == std::mem::discriminant(other) => native_kind(one)?,
        _ => return None,
    })
}

fn kind_of_either(one: &Type, other: &Type) -> Option<Kind> {
    kind_of(one, other).or_else(|| kind_of(other, one))
}

/// The kind of a column that can hold any value, against one of another engine.
fn held_kind(declared: &Type, other: &Type) -> Option<Kind> {
    match (declared, other) {
        // Nothing says what the text on the other side is meant to be.
        (Type::Null, Type::Untyped | Type::Dynamic) => None,
        // Where there is no type for moments, they are text: <https://www.sqlite.org/datatype3.html#date_and_time_datatype>.
        (Type::Text, Type::Date | Type::Time { .. } | Type::Timestamp { .. } | Type::Instant { .. }) => native_kind(other),
        _ => kind_of_either(declared, other),
    }
}

/// The kind of a type held against itself.
fn native_kind(ty: &Type) -> Option<Kind> {
    Some(match ty {
        Type::Other | Type::Forbidden | Type::Native { .. } => return None,
        Type::Held(declared) => native_kind(declared)?,
        Type::Bits { .. } => Kind::Number,
        Type::Null | Type::Text | Type::Untyped => Kind::Text,
        Type::Boolean => Kind::Boolean,
        Type::Integer { .. } | Type::Decimal { .. } | Type::Number => Kind::Number,
        Type::Float { bits } => Kind::Float { bits: *bits },
        Type::Char => Kind::PaddedText,
        Type::Bytes => Kind::Bytes,
        Type::Date => Kind::Date,
        Type::Time { .. } => Kind::Time,
        Type::Timestamp { .. } => Kind::Timestamp,
        Type::Instant { .. } => Kind::Instant,
        Type::Interval => Kind::Interval,
        Type::Uuid => Kind::Uuid,
        Type::Json | Type::Dynamic => Kind::Json,
        Type::List(item) => Kind::List(Box::new(native_kind(item)?)),
        Type::Map(key, value) => Kind::Map(Box::new(native_kind(key)?), Box::new(native_kind(value)?)),
        Type::Struct(fields) if !named_apart(fields) => return None,
        Type::Struct(fields) => {
            let field = |(name, ty): &(String, Type)| Some((name.clone(), native_kind(ty)?));
            Kind::Struct(fields.iter().map(field).collect::<Option<_>>()?)
        }
    })
}

/// Whether there is one way in which values of a type are written as text; there is none for bytes and intervals.
fn is_spelled(ty: &Type) -> bool {
    match ty {
        Type::Bytes | Type::Interval => false,
        Type::List(item) => is_spelled(item),
        Type::Map(key, value) => is_spelled(key) && is_spelled(value),
        Type::Struct(fields) => fields.iter().all(|(_, ty)| is_spelled(ty)),
        _ => true,
    }
}

/// Whether each field of a struct has a name of its own: they are looked up by name.
fn named_apart(fields: &[(String, Type)]) -> bool {
    fields.iter().enumerate().all(|(i, (name, _))| fields[..i].iter().all(|(other, _)| other != name))
}

/// What is not exact about comparing the two types.
fn declaration(source: &Type, target: &Type) -> Option<String> {
    use Type::*;
    let pair = |one: fn(&Type) -> bool, other: fn(&Type) -> bool| (one(source) && other(target)) || (one(target) && other(source));
    let number = |ty: &Type| matches!(ty, Integer { .. } | Decimal { .. } | Number);
    let typed = |ty: &Type| !matches!(ty, Untyped | Dynamic | Text | Null);
    match (source, target) {
        (Held(_), Held(_)) => return None,
        (Held(declared), other) | (other, Held(declared)) => {
            return declaration(declared, other).or_else(|| read_as_declared(declared, other));
        }
        _ => {}
    }
    let declared = if pair(|ty| matches!(ty, Float { .. }), number) {
        "floats as the shortest decimal that reads back as them"
    } else if pair(|ty| *ty == Boolean, number) {
        "booleans as 0 and 1"
    } else if *source == Char || *target == Char {
        "trailing spaces are padding of char(n)"
    } else if pair(|ty| *ty == Date, |ty| matches!(ty, Timestamp { .. })) {
        "days as their midnight"
    } else if pair(|ty| matches!(ty, Date | Timestamp { .. }), |ty| matches!(ty, Instant { .. })) {
        "civil times as UTC"
    } else if pair(|ty| *ty == Uuid, |ty| matches!(ty, Text | Bytes)) {
        "text or bytes read as uuid"
    } else if pair(|ty| *ty == Json, |ty| *ty == Text) || (*source == Json && *target == Json) {
        "json by structure: whitespace and the order of names do not count"
    } else if *source == Dynamic && *target == Dynamic {
        "json values: numbers as numbers, the order of names does not count"
    } else if pair(|ty| *ty == Untyped, |ty| *ty == Dynamic) {
        "json values as their text"
    } else if pair(|ty| matches!(ty, Untyped | Dynamic), |ty| matches!(ty, Instant { .. } | Timestamp { .. })) {
        "text read as the other side's type, times in UTC unless they say otherwise"
    } else if pair(|ty| matches!(ty, Untyped | Dynamic), typed) {
        "text read as the other side's type"
    } else if pair(|ty| *ty == Dynamic, |ty| *ty == Text) {
        "json values as their text"
    } else if matches!(source, Native { .. }) {
        "the engine's own text"
    } else if source != target && [source, target].iter().any(|ty| matches!(ty, Bits { .. })) {
        "bits as an unsigned number"
    } else {
        return nested_declaration(source, target);
    };
    Some(declared.to_string())
}

/// What is not exact about a column whose values have types of their own, against a typed one.
fn read_as_declared(declared: &Type, other: &Type) -> Option<String> {
    use Type::*;
    let read_as = match (declared, other) {
        (Null, _) | (Text, Date | Time { .. } | Timestamp { .. } | Instant { .. }) => "the other side's type",
        (Text | Bytes | Integer { .. } | Float { .. }, _) => return None,
        _ => "the type their column declares",
    };
    Some(format!("values read as {read_as}"))
}

fn nested_declaration(source: &Type, target: &Type) -> Option<String> {
    match (source, target) {
        (Type::List(one), Type::List(other)) => declaration(one, other),
        (Type::Map(key, value), Type::Map(other_key, other_value)) => {
            declaration(key, other_key).or_else(|| declaration(value, other_value))
        }
        (Type::Struct(fields), Type::Struct(others)) => fields.iter().find_map(|(name, ty)| {
            let (_, other) = others.iter().find(|(other, _)| other == name)?;
            declaration(ty, other)
        }),
        _ => None,
    }
}

/// Whether a value of `ty` can be had back from its canonical form as `kind`: not where text was parsed or trimmed.
fn gives_back(ty: &Type, kind: &Kind) -> bool {
    match ty {
        Type::Text | Type::Untyped | Type::Char => *kind == Kind::Text,
        Type::Json | Type::Dynamic => false,
        // Whatever the values are, a column of text can show them.
        Type::Held(declared) if *kind == Kind::Held => matches!(**declared, Type::Text | Type::Null),
        Type::Held(declared) => match **declared {
            Type::Text | Type::Bytes | Type::Integer { .. } | Type::Float { .. } | Type::Null => gives_back(declared, kind),
            _ => false,
        },
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INT: Type = Type::Integer { bits: 32, signed: true };
    const DOUBLE: Type = Type::Float { bits: 64 };
    const CIVIL: Type = Type::Timestamp { digits: 6 };

    #[test]
    fn every_pair_has_one_comparison_whichever_side_it_stands_on() {
        let types = [
            Type::Null,
            Type::Boolean,
            INT,
            Type::Decimal { precision: 12, scale: 2 },
            Type::Number,
            Type::Float { bits: 32 },
            DOUBLE,
            Type::Text,
            Type::Char,
            Type::Bytes,
            Type::Date,
            Type::Time { digits: 6 },
            CIVIL,
            Type::Instant { digits: 6 },
            Type::Interval,
            Type::Uuid,
            Type::Json,
            Type::List(Box::new(INT)),
            Type::Struct(vec![("a".into(), INT)]),
            Type::Map(Box::new(Type::Text), Box::new(INT)),
            Type::Untyped,
            Type::Dynamic,
            Type::Bits { len: 8 },
            Type::Bits { len: 64 },
            Type::Native { engine: "PostgreSQL", name: "tsvector".into() },
            Type::Native { engine: "PostgreSQL", name: "xml".into() },
            Type::Held(Box::new(INT)),
            Type::Held(Box::new(CIVIL)),
            Type::Held(Box::new(Type::Text)),
            Type::Forbidden,
            Type::Other,
        ];
        for one in &types {
            for other in &types {
                let (there, back) = (choose(one, other), choose(other, one));
                match (there, back) {
                    (Ok(there), Ok(back)) => {
                        assert_eq!((&there.kind, &there.declared), (&back.kind, &back.declared), "{one} and {other}");
                        assert_eq!(there.raw, Sides { source: back.raw.target, target: back.raw.source });
                    }
                    (there, back) => assert!(there.is_err() && back.is_err(), "{one} and {other}"),
                }
            }
        }
    }

    #[test]
    fn what_is_not_exact_is_declared_and_what_is_exact_is_not() {
        let declared = |one: &Type, other: &Type| choose(one, other).map(|choice| choice.declared.is_some());
        assert_eq!(declared(&INT, &Type::Number), Ok(false));
        assert_eq!(declared(&DOUBLE, &Type::Float { bits: 32 }), Ok(false));
        assert_eq!(declared(&Type::Text, &Type::Untyped), Ok(false));
        for (one, other) in [(INT, DOUBLE), (Type::Char, Type::Text), (CIVIL, Type::Instant { digits: 0 }), (Type::Untyped, INT)] {
            assert_eq!(declared(&one, &other), Ok(true), "{one} and {other}");
            let (one, other) = (Type::List(Box::new(one)), Type::List(Box::new(other)));
            assert_eq!(declared(&one, &other), Ok(true), "{one} and {other}");
        }
    }

    #[test]
    fn values_that_have_their_own_types_are_exact_among_themselves_and_guided_by_what_is_declared() {
        let held = |ty: Type| Type::Held(Box::new(ty));
        let choice =
            |one: &Type, other: &Type| choose(one, other).map(|choice| (choice.kind, choice.declared.is_none(), choice.raw.source));
        for (one, other, kind, exact, raw) in [
            (held(Type::Boolean), held(Type::Text), Kind::Held, true, true),
            (held(Type::Text), held(INT), Kind::Held, true, false),
            (held(INT), INT, Kind::Number, true, false),
            (held(Type::Boolean), INT, Kind::Number, false, true),
            (held(Type::Number), Type::Decimal { precision: 9, scale: 2 }, Kind::Number, false, true),
            (held(DOUBLE), DOUBLE, Kind::Float { bits: 64 }, true, false),
            (held(DOUBLE), Type::Number, Kind::Number, false, false),
            (held(Type::Text), Type::Untyped, Kind::Text, true, false),
            (held(Type::Text), CIVIL, Kind::Timestamp, false, true),
            (held(Type::Text), Type::Date, Kind::Date, false, true),
            (held(CIVIL), Type::Instant { digits: 6 }, Kind::Instant, false, true),
            (held(Type::Bytes), Type::Uuid, Kind::Uuid, false, false),
            (held(Type::Null), INT, Kind::Number, false, false),
            (held(Type::Json), Type::Json, Kind::Json, false, true),
        ] {
            assert_eq!(choice(&one, &other), Ok((kind, exact, raw)), "{one} and {other}");
        }
        for (one, other) in [(Type::Null, Type::Untyped), (INT, Type::Date), (Type::Text, INT), (Type::Text, Type::Bytes)] {
            assert!(choose(&held(one.clone()), &other).is_err() && choose(&other, &held(one)).is_err());
        }
    }

    #[test]
    fn types_that_do_not_compare_say_so() {
        for (one, other) in [
            (Type::Text, INT),
            (INT, Type::Date),
            (Type::Bytes, Type::Untyped),
            (Type::Text, Type::Bytes),
            (Type::Date, Type::Time { digits: 0 }),
            (Type::Struct(vec![("a".into(), INT)]), Type::Struct(vec![("b".into(), INT)])),
            (Type::Struct(vec![("a".into(), INT), ("a".into(), INT)]), Type::Struct(vec![("a".into(), INT), ("a".into(), INT)])),
            (Type::Other, Type::Other),
        ] {
            assert!(choose(&one, &other).is_err(), "{one} and {other}");
        }
    }
}
