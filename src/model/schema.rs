//! What a side holds: tables, their columns, and the type of each column in terms that all engines share.

use std::fmt;

/// The type of a column, as far as equality and the report are concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    /// A column that holds nothing but NULL.
    Null,
    /// True or false.
    Boolean,
    /// A whole number of a fixed width.
    Integer {
        /// Width: 8, 16, 32 or 64.
        bits: u8,
        /// Whether negative numbers fit.
        signed: bool,
    },
    /// A decimal of fixed scale.
    Decimal {
        /// Digits in all, 1 to 76.
        precision: u8,
        /// Digits after the point; negative for numbers that are multiples of a power of ten.
        scale: i8,
    },
    /// A decimal of any precision and scale.
    Number,
    /// A binary floating-point number of 32 or 64 bits (16-bit ones are widened exactly to 32).
    Float {
        /// Width: 32 or 64.
        bits: u8,
    },
    /// Text in UTF-8.
    Text,
    /// Text of fixed length: trailing spaces are padding, not data.
    Char,
    /// Bytes.
    Bytes,
    /// A calendar day.
    Date,
    /// A time of day.
    Time {
        /// Digits of a second that the type keeps, 0 to 9.
        digits: u8,
    },
    /// A civil date and time, without a zone.
    Timestamp {
        /// Digits of a second that the type keeps, 0 to 9.
        digits: u8,
    },
    /// A point in time.
    Instant {
        /// Digits of a second that the type keeps, 0 to 9.
        digits: u8,
    },
    /// A span of time in months, days and nanoseconds, none converted to another.
    Interval,
    /// A UUID.
    Uuid,
    /// A JSON document.
    Json,
    /// A list of values of one type.
    List(Box<Type>),
    /// Named values.
    Struct(Vec<(String, Type)>),
    /// Keys and values.
    Map(Box<Type>, Box<Type>),
    /// Text that carries no type of its own, such as a CSV field: it is read as the other side's type.
    Untyped,
    /// Values that each have a type of their own, such as the members of NDJSON objects.
    Dynamic,
    /// A bit string of fixed length, read as an unsigned number; one of a single bit is a [`Type::Boolean`].
    Bits {
        /// Length: 2 to 64.
        len: u8,
    },
    /// A type that only one engine has, read as that engine's own text: two columns of it compare, and nothing else.
    Native {
        /// The engine: `PostgreSQL`, `MySQL`.
        engine: &'static str,
        /// The type, as the engine names it: `tsvector`.
        name: String,
    },
    /// Values that each have a type of their own, whatever the column declares (SQLite).
    Held(Box<Type>),
    /// A column that the user may not read.
    Forbidden,
    /// A type with no canonical form: it is listed as not compared.
    Other,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// The name as the side spells it.
    pub name: String,
    /// The type as the audit sees it.
    pub ty: Type,
    /// The type as the side itself names it, for messages and the report.
    pub native: String,
}

/// The name of a table, as the side spells it.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName {
    /// The schema, where the side has schemas within what a location names.
    pub schema: Option<String>,
    /// The name within it.
    pub name: String,
}

impl From<&str> for TableName {
    /// A table without a schema.
    fn from(name: &str) -> Self {
        TableName { schema: None, name: name.to_string() }
    }
}

impl fmt::Display for TableName {
    /// `public.orders`: what the report calls the table and names its files after.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.schema.as_ref().map_or(Ok(()), |schema| write!(f, "{schema}."))?;
        f.write_str(&self.name)
    }
}

/// A table of a side, or a set of files that make one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// The name.
    pub name: TableName,
    /// The columns in the order in which the side has them.
    pub columns: Vec<Column>,
    /// Unique keys, the primary key first, by column name.
    pub keys: Vec<Vec<String>>,
    /// The number of rows, where the side knows it without reading them.
    pub rows: Option<u64>,
    /// The size of the data in bytes, where the side knows it; an estimate that only progress and planning use.
    pub bytes: Option<u64>,
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Null => f.write_str("null"),
            Type::Boolean => f.write_str("boolean"),
            Type::Integer { bits, signed: true } => write!(f, "int{bits}"),
            Type::Integer { bits, signed: false } => write!(f, "uint{bits}"),
            Type::Decimal { precision, scale } => write!(f, "decimal({precision},{scale})"),
            Type::Number => f.write_str("number"),
            Type::Float { bits } => write!(f, "float{bits}"),
            Type::Text => f.write_str("text"),
            Type::Char => f.write_str("char"),
            Type::Bytes => f.write_str("bytes"),
            Type::Date => f.write_str("date"),
            Type::Time { digits } => write!(f, "time({digits})"),
            Type::Timestamp { digits } => write!(f, "timestamp({digits})"),
            Type::Instant { digits } => write!(f, "instant({digits})"),
            Type::Interval => f.write_str("interval"),
            Type::Uuid => f.write_str("uuid"),
            Type::Json => f.write_str("json"),
            Type::List(item) => write!(f, "list<{item}>"),
            Type::Struct(fields) => {
                f.write_str("struct<")?;
                for (i, (name, ty)) in fields.iter().enumerate() {
                    write!(f, "{}{name}: {ty}", if i > 0 { ", " } else { "" })?;
                }
                f.write_str(">")
            }
            Type::Map(key, value) => write!(f, "map<{key}, {value}>"),
            Type::Untyped => f.write_str("untyped text"),
            Type::Dynamic => f.write_str("typed by value"),
            Type::Bits { len } => write!(f, "bit({len})"),
            Type::Native { engine, name } => write!(f, "{engine}'s {name}"),
            Type::Held(declared) if **declared == Type::Null => f.write_str("values without a declared type"),
            Type::Held(declared) => write!(f, "{declared} by declaration"),
            Type::Forbidden => f.write_str("a column that the user may not read"),
            Type::Other => f.write_str("a type without a canonical form"),
        }
    }
}
