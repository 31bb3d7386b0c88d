//! The types of PostgreSQL in terms that all engines share, and how a value of each is put on the wire.

use std::collections::HashMap;

use crate::model::schema::{TableName, Type};

/// The engine's name in types that only it has.
const ENGINE: &str = "PostgreSQL";

/// How a value is written in binary COPY: what the type's `send` function gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wire {
    /// One byte.
    Boolean,
    /// Big-endian integer of 2, 4 or 8 bytes.
    Integer,
    /// Big-endian unsigned integer of 4 bytes.
    Oid,
    /// IEEE 754, 4 or 8 bytes.
    Float,
    /// Digits to the base of 10000.
    Numeric,
    /// Text.
    Text,
    /// Text padded to a fixed length.
    Padded,
    /// Bytes.
    Bytes,
    /// Days since 2000-01-01.
    Date,
    /// Microseconds since midnight.
    Time,
    /// Microseconds since 2000-01-01 00:00:00, in no zone or in UTC.
    Timestamp,
    /// Microseconds, days, months.
    Interval,
    /// Sixteen bytes.
    Uuid,
    /// Text of a document.
    Json,
    /// A version byte and the text of a document.
    Jsonb,
    /// A length in bits, and the bits.
    Bits,
    /// Dimensions and items.
    Array(Box<Wire>),
}

/// What is written into the query for a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cast {
    /// The column as it is.
    None,
    /// `::text`, where PostgreSQL itself has that cast.
    Text,
    /// `::text[]` likewise.
    Texts,
    /// What a single byte is as text since version 16: itself, or a backslash and three octal digits. Before, bytes that are
    /// no ASCII came as they are.
    Octal,
    /// What the function writes that the type has for it: a cast to text may be the user's own.
    Written,
    /// An array of what it writes of each item.
    WrittenItems,
}

impl Cast {
    /// The expression for a column of this name.
    pub fn of(self, name: &str) -> String {
        // A row of NULLs is no NULL.
        let written = || format!("case when {name} is not distinct from null then null else format('%s', {name}) end");
        match self {
            Cast::None => name.to_string(),
            Cast::Text => format!("{name}::text"),
            Cast::Texts => format!("{name}::text[]"),
            Cast::Octal => {
                let digit = |shift: u32| format!("({name}::int4 & 255) >> {shift} & 7");
                let digits = [6, 3, 0].map(digit).join(", ");
                format!("case when {name}::int4 < 0 then concat('\\', {digits}) else {name}::text end")
            }
            Cast::Written => written(),
            Cast::WrittenItems => format!("({})::text[]", written()),
        }
    }
}

/// A type as it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// In terms that all engines share.
    pub ty: Type,
    /// How its values come.
    pub wire: Wire,
    /// What it is turned into by the server.
    pub cast: Cast,
    /// The type below all domains; `pg_catalog` and its operators are meant if it is one that PostgreSQL itself has.
    pub base: TableName,
}

/// A row of `pg_type`.
#[derive(Debug, Clone)]
pub struct TypeRow {
    /// Schema and name.
    pub name: TableName,
    /// `b`ase, `c`omposite, `d`omain, `e`num, `r`ange, `m`ultirange.
    pub class: String,
    /// The type of the items, of an array.
    pub item: u32,
    /// The type of arrays of this type.
    pub array: u32,
    /// The type that a domain restricts.
    pub domain_of: u32,
    /// The modifier that a domain gives to it.
    pub domain_modifier: i32,
}

/// All types of a database by their oid.
pub type Types = HashMap<u32, TypeRow>;

/// How a column of type `oid` with modifier `modifier` is read.
pub fn read(types: &Types, oid: u32, modifier: i32) -> Read {
    let Some(row) = types.get(&oid) else { return native(TableName::from("unknown")) };
    if row.class == "d" {
        // A domain's own modifier counts, its columns have none.
        return read(types, row.domain_of, row.domain_modifier);
    }
    if types.get(&row.item).is_some_and(|item| item.array == oid) {
        let item = read(types, row.item, modifier);
        let cast = match item.cast {
            Cast::None => Cast::None,
            Cast::Text | Cast::Texts | Cast::Octal => Cast::Texts,
            Cast::Written | Cast::WrittenItems => Cast::WrittenItems,
        };
        return Read { ty: Type::List(Box::new(item.ty)), wire: Wire::Array(Box::new(item.wire)), cast, base: row.name.clone() };
    }
    let name = row.name.name.as_str();
    let known = |ty, wire| Read { ty, wire, cast: Cast::None, base: row.name.clone() };
    if row.class == "e" {
        return known(Type::Text, Wire::Text);
    }
    if row.name.schema.as_deref() != Some("pg_catalog") {
        return match name {
            "citext" if row.class == "b" => Read { ty: Type::Text, wire: Wire::Text, cast: Cast::Text, base: row.name.clone() },
            _ => native(row.name.clone()),
        };
    }
    let integer = |bits| known(Type::Integer { bits, signed: true }, Wire::Integer);
    let digits = u8::try_from(modifier).unwrap_or(6);
    match name {
        "bool" => known(Type::Boolean, Wire::Boolean),
        "int2" => integer(16),
        "int4" => integer(32),
        "int8" => integer(64),
        "oid" => known(Type::Integer { bits: 32, signed: false }, Wire::Oid),
        "float4" => known(Type::Float { bits: 32 }, Wire::Float),
        "float8" => known(Type::Float { bits: 64 }, Wire::Float),
        "numeric" => known(numeric(modifier), Wire::Numeric),
        "text" | "varchar" | "name" => known(Type::Text, Wire::Text),
        "char" => Read { ty: Type::Text, wire: Wire::Text, cast: Cast::Octal, base: row.name.clone() },
        "bpchar" => known(Type::Char, Wire::Padded),
        "bytea" => known(Type::Bytes, Wire::Bytes),
        "date" => known(Type::Date, Wire::Date),
        "time" => known(Type::Time { digits }, Wire::Time),
        "timestamp" => known(Type::Timestamp { digits }, Wire::Timestamp),
        "timestamptz" => known(Type::Instant { digits }, Wire::Timestamp),
        "interval" => known(Type::Interval, Wire::Interval),
        "uuid" => known(Type::Uuid, Wire::Uuid),
        "json" => known(Type::Json, Wire::Json),
        "jsonb" => known(Type::Json, Wire::Jsonb),
        "bit" if modifier == 1 => known(Type::Boolean, Wire::Bits),
        "bit" if (2..=64).contains(&modifier) => known(Type::Bits { len: modifier as u8 }, Wire::Bits),
        _ => native(row.name.clone()),
    }
}

/// A type that is compared as the server's text.
fn native(name: TableName) -> Read {
    // Those of PostgreSQL's own types that it casts to text; what is written of XML lacks its encoding.
    let is_cast = name.schema.as_deref() == Some("pg_catalog") && ["xml", "inet", "cidr"].contains(&name.name.as_str());
    let cast = if is_cast { Cast::Text } else { Cast::Written };
    Read { ty: Type::Native { engine: ENGINE, name: name.name.clone() }, wire: Wire::Text, cast, base: name }
}

/// The modifier of a numeric holds its precision and, in eleven bits with a sign, its scale.
///
/// <https://github.com/postgres/postgres/blob/REL_16_0/src/backend/utils/adt/numeric.c#L900>.
fn numeric(modifier: i32) -> Type {
    let packed = modifier - 4;
    let (precision, scale) = ((packed >> 16) & 0xffff, ((packed & 0x7ff) ^ 1024) - 1024);
    match (u8::try_from(precision), i8::try_from(scale)) {
        (Ok(precision @ 1..=76), Ok(scale)) if modifier >= 4 && (0..=i32::from(precision)).contains(&i32::from(scale)) => {
            Type::Decimal { precision, scale }
        }
        _ => Type::Number,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modifiers_of_numerics_are_taken_apart() {
        let modifier = |precision: i32, scale: i32| ((precision << 16) | (scale & 0x7ff)) + 4;
        assert_eq!(numeric(modifier(12, 2)), Type::Decimal { precision: 12, scale: 2 });
        for unusual in [modifier(3, -2), modifier(2, 5), modifier(1000, 2), -1] {
            assert_eq!(numeric(unusual), Type::Number);
        }
    }
}
