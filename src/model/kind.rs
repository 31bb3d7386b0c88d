//! The canonical kind that a column is read as: both columns of a pair are read as the same kind.

use std::fmt;

/// What a column's values are turned into before they are compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// True or false.
    Boolean,
    /// A decimal of any precision; floats as the shortest decimal that reads back as them, booleans as 0 and 1.
    Number,
    /// A float, 32-bit ones widened exactly; text is read as a float of this width.
    Float {
        /// Width: 32 or 64.
        bits: u8,
    },
    /// Text, exact.
    Text,
    /// Text without trailing spaces.
    PaddedText,
    /// Bytes.
    Bytes,
    /// A day.
    Date,
    /// A time of day.
    Time,
    /// A civil date and time; days as their midnight.
    Timestamp,
    /// A point in time; civil times as UTC.
    Instant,
    /// Months, days and nanoseconds.
    Interval,
    /// A UUID, from a UUID, sixteen bytes, or text of 36 or 32 characters.
    Uuid,
    /// A JSON document: objects ordered by name, numbers as numbers.
    Json,
    /// A list.
    List(Box<Kind>),
    /// Named fields, in the order given here.
    Struct(Vec<(String, Kind)>),
    /// Keys and values, ordered by key.
    Map(Box<Kind>, Box<Kind>),
    /// Each value as what it is: numbers as numbers, text as text, bytes as bytes.
    Held,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Kind::Boolean => "boolean",
            Kind::Number => "number",
            Kind::Float { .. } => "float",
            Kind::Text => "text",
            Kind::PaddedText => "padded text",
            Kind::Bytes => "bytes",
            Kind::Date => "date",
            Kind::Time => "time",
            Kind::Timestamp => "timestamp",
            Kind::Instant => "instant",
            Kind::Interval => "interval",
            Kind::Uuid => "uuid",
            Kind::Json => "json",
            Kind::Held => "value as held",
            Kind::List(item) => return write!(f, "list<{item}>"),
            Kind::Struct(fields) => {
                f.write_str("struct<")?;
                for (i, (name, kind)) in fields.iter().enumerate() {
                    write!(f, "{}{name}: {kind}", if i > 0 { ", " } else { "" })?;
                }
                ">"
            }
            Kind::Map(key, value) => return write!(f, "map<{key}, {value}>"),
        };
        f.write_str(name)
    }
}
