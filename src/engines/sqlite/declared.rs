//! What the declared type of a column says of the values that one expects in it.

use crate::model::schema::Type;

/// The type that a column declares: by the names that people use, else by SQLite's rules of affinity.
///
/// A column that declares nothing, or something that says nothing, is [`Type::Null`]: its values are compared as what
/// the other side's column is. <https://www.sqlite.org/datatype3.html#determination_of_column_affinity>
pub(super) fn declared(name: &str) -> Type {
    let name = name.to_ascii_uppercase();
    let words = name.split('(').next().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    let zoned = name.contains("WITH TIME ZONE") || name.contains("WITH LOCAL TIME ZONE");
    match words.as_str() {
        "BOOLEAN" | "BOOL" => return Type::Boolean,
        "DATE" => return Type::Date,
        "TIMESTAMPTZ" | "DATETIMEOFFSET" => return Type::Instant { digits: 9 },
        "TIME" | "TIME WITHOUT TIME ZONE" => return Type::Time { digits: 9 },
        "JSON" | "JSONB" => return Type::Json,
        "UUID" | "GUID" | "UNIQUEIDENTIFIER" => return Type::Uuid,
        "BINARY" | "VARBINARY" | "BYTEA" | "IMAGE" => return Type::Bytes,
        "STRING" | "ENUM" | "XML" => return Type::Text,
        "NUMERIC" | "DECIMAL" | "DEC" | "FIXED" | "NUMBER" | "NUM" | "MONEY" | "CURRENCY" | "BIT" | "YEAR" => return Type::Number,
        _ if words.starts_with("TIMESTAMP") || words.starts_with("DATETIME") => {
            return if zoned { Type::Instant { digits: 9 } } else { Type::Timestamp { digits: 9 } };
        }
        _ => {}
    }
    let has = |part: &&str| name.contains(*part);
    if has(&"INT") {
        Type::Integer { bits: 64, signed: true }
    } else if ["CHAR", "CLOB", "TEXT"].iter().any(has) {
        Type::Text
    } else if has(&"BLOB") {
        Type::Bytes
    } else if ["REAL", "FLOA", "DOUB"].iter().any(has) {
        Type::Float { bits: 64 }
    } else {
        Type::Null
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_people_mean_by_them_and_the_rest_is_affinity() {
        let integer = Type::Integer { bits: 64, signed: true };
        for (name, ty) in [
            ("INTEGER", integer.clone()),
            ("unsigned big int", integer.clone()),
            ("tinyint(1)", integer.clone()),
            ("FLOATING POINT", integer),
            ("Double Precision", Type::Float { bits: 64 }),
            ("REAL", Type::Float { bits: 64 }),
            ("VARCHAR(255)", Type::Text),
            ("CHAR(10)", Type::Text),
            ("NATIVE CHARACTER(70)", Type::Text),
            ("clob", Type::Text),
            ("STRING", Type::Text),
            ("BLOB", Type::Bytes),
            ("varbinary(16)", Type::Bytes),
            ("DECIMAL(10,2)", Type::Number),
            ("numeric", Type::Number),
            ("bool", Type::Boolean),
            ("date", Type::Date),
            ("DATETIME", Type::Timestamp { digits: 9 }),
            ("timestamp(6)", Type::Timestamp { digits: 9 }),
            ("TIMESTAMP WITHOUT TIME ZONE", Type::Timestamp { digits: 9 }),
            ("timestamp(6) with time zone", Type::Instant { digits: 9 }),
            ("time(3)", Type::Time { digits: 9 }),
            ("json", Type::Json),
            ("uuid", Type::Uuid),
            ("", Type::Null),
            ("ANY", Type::Null),
            ("geometry", Type::Null),
        ] {
            assert_eq!(declared(name), ty, "{name}");
        }
    }
}
