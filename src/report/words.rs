//! Words and figures for people: counts, plurals, values made safe and short, and the query to begin with.

use std::path::Path;

use crate::model::verdict::TableSummary;

/// A count with its thousands apart: `5,000,000`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count of things: `1 row`, `2 rows`.
pub fn plural(n: u64, thing: &str) -> String {
    format!("{} {thing}{}", count(n), if n == 1 { "" } else { "s" })
}

/// Escapes what would act on a terminal in place of being seen: control characters, and those that change the
/// direction of what follows.
pub fn escape(text: &str) -> String {
    let acts = |c: char| c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if acts(c) { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

/// Two values as text of at most `chars` characters (before escaping) each, which shows the first character at which
/// they differ.
pub fn shorten_pair(one: &str, two: &str, chars: usize) -> (String, String) {
    let same = one.chars().zip(two.chars()).take_while(|(a, b)| a == b).count();
    // Some of what comes before the difference helps to find it.
    let start = if same < chars * 3 / 4 { 0 } else { same - chars / 4 };
    (shorten(one, start, chars), shorten(two, start, chars))
}

/// At most `chars` characters from `start` on, with an ellipsis where something is left out.
fn shorten(text: &str, start: usize, chars: usize) -> String {
    let mut rest = text.chars().skip(start);
    let lead = if start > 0 { "…" } else { "" };
    let room = chars - lead.chars().count();
    let mut kept: String = rest.by_ref().take(room).collect();
    if rest.next().is_some() {
        kept.pop();
        kept.push('…');
    }
    format!("{lead}{}", escape(&kept))
}

/// A DuckDB query for the differences of a table: by the column that changed most often, if one did.
pub fn query(report: &Path, table: &TableSummary) -> String {
    let file = report.join(&table.report).display().to_string().replace('\'', "''");
    let key = table.key.iter().take(3).map(|name| format!("key.{}", identifier(name)));
    // Of columns that changed equally often, the first.
    let changed = table.columns.iter().filter(|column| column.changed > 0).rev().max_by_key(|column| column.changed);
    let (columns, filter): (Vec<String>, String) = match changed {
        Some(column) => (
            key.chain([format!("source.{}", identifier(&column.source)), format!("target.{}", identifier(&column.target))])
                .collect(),
            format!(" where list_contains(changed_columns, '{}')", column.source.replace('\'', "''")),
        ),
        None => (std::iter::once("difference".to_string()).chain(key).collect(), String::new()),
    };
    escape(&format!("select {} from '{file}'{filter};", columns.join(", ")))
}

/// A column name as SQL has it.
fn identifier(name: &str) -> String {
    let plain = name.chars().enumerate().all(|(i, c)| c == '_' || c.is_ascii_lowercase() || (i > 0 && c.is_ascii_digit()));
    if plain && !name.is_empty() { name.to_string() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_their_thousands_apart() {
        for (n, text) in [(0, "0 rows"), (1, "1 row"), (999, "999 rows"), (1000, "1,000 rows"), (1_234_567, "1,234,567 rows")] {
            assert_eq!(plural(n, "row"), text);
        }
    }

    #[test]
    fn what_acts_on_a_terminal_is_escaped() {
        assert_eq!(escape("a\tb\n\u{1b}[31mc\u{202e}d\u{7f}é"), "a\\tb\\n\\u{1b}[31mc\\u{202e}d\\u{7f}é");
    }

    #[test]
    fn long_values_are_cut_where_they_differ() {
        let long = "x".repeat(100);
        let (one, two) = shorten_pair(&format!("{long}1{long}"), &format!("{long}2{long}"), 20);
        assert_eq!((one.chars().count(), two.chars().count()), (20, 20));
        assert!(one.contains('1') && two.contains('2') && one.starts_with('…') && one.ends_with('…'));
        assert_eq!(shorten_pair("short", "shore", 20), ("short".to_string(), "shore".to_string()));
        assert_eq!(shorten_pair(&long, "y", 10).0, format!("{}…", "x".repeat(9)));
        let (one, two) = shorten_pair(&long, &format!("{long}y"), 20);
        assert!(one.ends_with('x') && two.ends_with("xy"), "{one} {two}");
    }

    #[test]
    fn names_are_quoted_where_sql_needs_it() {
        for (name, quoted) in
            [("amount", "amount"), ("Amount", "\"Amount\""), ("a b", "\"a b\""), ("x\"y", "\"x\"\"y\""), ("1a", "\"1a\"")]
        {
            assert_eq!(identifier(name), quoted);
        }
    }
}
