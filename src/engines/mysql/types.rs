//! The types of MySQL and MariaDB: what each is to the audit, and how its values come over the wire.

use crate::model::schema::Type;

/// The engine that native types belong to: MariaDB's are the same where they have the same name and form.
pub(super) const ENGINE: &str = "MySQL";

/// How the values of a column come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reading {
    /// Whole numbers, signed or not.
    Integer,
    /// Decimals, as text.
    Decimal,
    /// Floats of 32 bits.
    Float,
    /// Floats of 64 bits.
    Double,
    /// Text.
    Text(Encoding),
    /// JSON as text.
    Json(Encoding),
    /// Bytes.
    Bytes,
    /// Days.
    Date,
    /// Dates and times, in no zone or in UTC.
    DateTime,
    /// Times, negative and beyond a day.
    Time,
    /// Bits, big-endian.
    Bits,
    /// A UUID as text.
    Uuid,
    /// A geometry: its reference system in four bytes, and WKB.
    Geometry,
    /// Floats of 32 bits in a row.
    Vector,
}

/// How text becomes UTF-8. What a server cannot convert it silently makes a question mark, which must not come out
/// equal to a question mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Encoding {
    /// The server sends UTF-8: it is stored so, or every byte of it has a counterpart (latin1).
    Utf8,
    /// What is stored is UTF-8, or part of it, and is read as bytes, for the server does not check it.
    Subset {
        /// Whether only ASCII is valid.
        ascii: bool,
    },
    /// The server converts from this character set; values that do not come back the same are read as bytes as well.
    Converted {
        /// Its name.
        charset: String,
    },
}

impl Encoding {
    /// How text in this character set is read.
    pub(super) fn of(charset: &str) -> Self {
        match charset {
            "utf8mb4" | "latin1" => Encoding::Utf8,
            "utf8" | "utf8mb3" => Encoding::Subset { ascii: false },
            "ascii" => Encoding::Subset { ascii: true },
            charset => Encoding::Converted { charset: charset.to_string() },
        }
    }
}

/// What the catalog says of a column's type.
#[derive(Debug, Clone, Default)]
pub(super) struct Declared {
    /// `int`, in lower case.
    pub(super) data_type: String,
    /// `int(10) unsigned`.
    pub(super) column_type: String,
    /// The character set of text.
    pub(super) charset: Option<String>,
    /// Digits of a number in all, or bits.
    pub(super) precision: Option<u64>,
    /// Digits behind the point.
    pub(super) scale: Option<u64>,
    /// Digits of a second.
    pub(super) digits: Option<u64>,
    /// Whether a constraint says that the text is JSON, which is what MariaDB makes of a column of type JSON.
    pub(super) checked_json: bool,
}

/// The type of a column and how it is read; `None`: not at all.
pub(super) fn of(declared: &Declared) -> (Type, Option<Reading>) {
    let signed = !declared.column_type.to_lowercase().contains("unsigned");
    let digits = declared.digits.and_then(|digits| u8::try_from(digits).ok()).unwrap_or(0);
    let encoding = Encoding::of(declared.charset.as_deref().unwrap_or("utf8mb4"));
    let native = |name: &str, reading| (Type::Native { engine: ENGINE, name: name.to_string() }, reading);
    let (ty, reading) = match declared.data_type.as_str() {
        "tinyint" => (Type::Integer { bits: 8, signed }, Reading::Integer),
        "smallint" => (Type::Integer { bits: 16, signed }, Reading::Integer),
        "mediumint" | "int" | "integer" => (Type::Integer { bits: 32, signed }, Reading::Integer),
        "bigint" => (Type::Integer { bits: 64, signed }, Reading::Integer),
        "year" => (Type::Integer { bits: 16, signed: false }, Reading::Integer),
        "decimal" | "numeric" => (decimal(declared), Reading::Decimal),
        "float" => (Type::Float { bits: 32 }, Reading::Float),
        "double" | "real" => (Type::Float { bits: 64 }, Reading::Double),
        "bit" => (bits(declared), Reading::Bits),
        "char" => (Type::Char, Reading::Text(encoding)),
        _ if declared.checked_json && declared.charset.is_some() => (Type::Json, Reading::Json(encoding)),
        "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" | "enum" | "set" => (Type::Text, Reading::Text(encoding)),
        "json" => (Type::Json, Reading::Json(Encoding::Utf8)),
        "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => (Type::Bytes, Reading::Bytes),
        "date" => (Type::Date, Reading::Date),
        "datetime" => (Type::Timestamp { digits }, Reading::DateTime),
        "timestamp" => (Type::Instant { digits }, Reading::DateTime),
        "time" => (Type::Time { digits }, Reading::Time),
        "uuid" => (Type::Uuid, Reading::Uuid),
        "inet4" | "inet6" => native(&declared.data_type, Reading::Text(Encoding::Utf8)),
        "vector" => native("vector", Reading::Vector),
        "geomcollection" | "geometrycollection" => native("geometrycollection", Reading::Geometry),
        "geometry" | "point" | "linestring" | "polygon" | "multipoint" | "multilinestring" | "multipolygon" => {
            native(&declared.data_type, Reading::Geometry)
        }
        _ => return (Type::Other, None),
    };
    (ty, Some(reading))
}

fn decimal(declared: &Declared) -> Type {
    let number = |value: Option<u64>| value.and_then(|value| u8::try_from(value).ok());
    match (number(declared.precision), number(declared.scale).and_then(|scale| i8::try_from(scale).ok())) {
        (Some(precision), Some(scale)) if precision > 0 => Type::Decimal { precision, scale },
        _ => Type::Number,
    }
}

fn bits(declared: &Declared) -> Type {
    match declared.precision.and_then(|bits| u8::try_from(bits).ok()) {
        Some(1) => Type::Boolean,
        Some(len) => Type::Bits { len },
        None => Type::Bits { len: 64 },
    }
}
