//! Names and literals as they stand in statements, whatever signs they have.

/// A name, quoted: `` `order``s` ``.
pub(super) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A table of a database, quoted.
pub(super) fn table(database: &str, name: &str) -> String {
    format!("{}.{}", quoted(database), quoted(name))
}

/// Bytes as a literal that no quote or backslash can end: `x'6162'`.
pub(super) fn bytes(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("x'{digits}'")
}

/// Text as a literal, in UTF-8.
pub(super) fn text(text: &str) -> String {
    format!("_utf8mb4 {}", bytes(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_and_values_stay_inside_their_quotes() {
        assert_eq!(quoted("a`; drop table x; --"), "`a``; drop table x; --`");
        assert_eq!(table("a.b", "c`d"), "`a.b`.`c``d`");
        assert_eq!(text("' or 1=1"), "_utf8mb4 x'27206f7220313d31'");
    }
}
