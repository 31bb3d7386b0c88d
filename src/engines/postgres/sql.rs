//! Names and values as SQL text. `standard_conforming_strings` is on in every session, so a quote is all that ends a
//! literal.

use crate::model::schema::TableName;

/// An identifier, quoted.
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text literal of no type.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A table or type with its schema, quoted.
pub fn qualified(name: &TableName) -> String {
    match &name.schema {
        Some(schema) => format!("{}.{}", identifier(schema), identifier(&name.name)),
        None => identifier(&name.name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ends_a_quoted_name_or_value_early() {
        assert_eq!(identifier(r#""; drop table x; --"#), r#""""; drop table x; --""#);
        assert_eq!(literal("' or 1=1 --\\"), "''' or 1=1 --\\'");
        let name = TableName { schema: Some("a.b".into()), name: "c".into() };
        assert_eq!(qualified(&name), r#""a.b"."c""#);
    }
}
