//! Splits CSV text into records and fields, by RFC 4180: what was quoted is known of each field, and where it is.

use std::borrow::Cow;
use std::ops::Range;

use memchr::memchr;

use super::marks::Marks;
use crate::error::Error;

/// The two bytes by which CSV is read, both ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialect {
    /// What separates fields.
    pub(super) delimiter: u8,
    /// What encloses fields; written twice, it stands for itself within one.
    pub(super) quote: u8,
}

/// How a field is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quoting {
    /// As it is.
    Bare,
    /// Between quotes.
    Quoted,
    /// Between quotes, with doubled quotes in it.
    Doubled,
}

/// A field of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field {
    /// Where it begins in the text, after the opening quote.
    start: usize,
    /// Where it ends, before the closing quote.
    end: usize,
    /// How it is written.
    pub(super) quoting: Quoting,
}

impl Field {
    /// Its place in the text, without the enclosing quotes.
    pub(super) fn range(&self) -> Range<usize> {
        self.start..self.end
    }

    /// Its value, where `text` is what was split.
    pub(super) fn value<'a>(&self, text: &'a str, dialect: Dialect) -> Cow<'a, str> {
        let written = &text[self.range()];
        match self.quoting {
            Quoting::Bare | Quoting::Quoted => Cow::Borrowed(written),
            Quoting::Doubled => {
                let mut value = String::with_capacity(written.len());
                undouble(written, dialect, &mut value);
                Cow::Owned(value)
            }
        }
    }
}

/// Whether a record is an empty line, which is no row of a table of more than one column.
pub(super) fn is_empty_line(fields: &[Field]) -> bool {
    matches!(fields, [field] if field.quoting == Quoting::Bare && field.range().is_empty())
}

/// Appends the value of a field that has doubled quotes.
pub(super) fn undouble(written: &str, dialect: Dialect, value: &mut String) {
    let mut rest = written;
    while let Some(at) = memchr(dialect.quote, rest.as_bytes()) {
        value.push_str(&rest[..=at]);
        // The quote after it is there: a single one would have ended the field.
        rest = &rest[at + 2..];
    }
    value.push_str(rest);
}

/// What is wrong with a text, and where in it.
#[derive(Debug)]
pub(super) struct Fault {
    /// The byte in the text.
    pub(super) at: usize,
    /// What was found there and what was expected.
    pub(super) error: Error,
}

/// The records of some CSV text.
#[derive(Debug)]
pub(super) struct Records<'a> {
    text: &'a str,
    dialect: Dialect,
    marks: Marks<'a>,
    at: usize,
}

impl<'a> Records<'a> {
    /// The records of `text`, which begins with one and ends after one.
    pub(super) fn new(text: &'a str, dialect: Dialect) -> Self {
        Records { text, dialect, marks: Marks::new(text.as_bytes(), dialect.delimiter), at: 0 }
    }

    /// Where the next record begins in the text, or its end.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Leaves out what is before `at`, where a record begins.
    pub(super) fn skip_to(&mut self, at: usize) {
        self.at = at;
        self.marks.skip_to(at);
    }

    /// Puts the fields of the next record in place of those in `fields`; `false` at the end, where there is none.
    ///
    /// A line that is empty is a record of one empty field.
    ///
    /// # Errors
    ///
    /// If a quoted field has no end, or anything but a delimiter or a line end after it.
    #[inline]
    pub(super) fn next(&mut self, fields: &mut Vec<Field>) -> Result<bool, Fault> {
        fields.clear();
        let bytes = self.text.as_bytes();
        if self.at >= bytes.len() {
            return Ok(false);
        }
        let mut start = self.at;
        loop {
            if bytes.get(start) == Some(&self.dialect.quote) {
                let (field, ends) = self.quoted(start)?;
                fields.push(field);
                start = match ends {
                    Ends::Field(next) => next,
                    Ends::Record(next) => {
                        self.at = next;
                        return Ok(true);
                    }
                };
                continue;
            }
            let end = self.marks.next().unwrap_or(bytes.len());
            if bytes.get(end) == Some(&self.dialect.delimiter) {
                fields.push(Field { start, end, quoting: Quoting::Bare });
                start = end + 1;
                continue;
            }
            let crlf = end < bytes.len() && end > start && bytes[end - 1] == b'\r';
            fields.push(Field { start, end: end - usize::from(crlf), quoting: Quoting::Bare });
            self.at = (end + 1).min(bytes.len());
            return Ok(true);
        }
    }

    /// Reads the field whose opening quote is at `open`, and what ends it.
    fn quoted(&mut self, open: usize) -> Result<(Field, Ends), Fault> {
        let bytes = self.text.as_bytes();
        let start = open + 1;
        let mut quoting = Quoting::Quoted;
        let mut from = start;
        let end = loop {
            let Some(at) = memchr(self.dialect.quote, &bytes[from..]) else {
                return Err(Fault { at: open, error: Error::new("found a quoted field that does not end") });
            };
            let at = from + at;
            if bytes.get(at + 1) != Some(&self.dialect.quote) {
                break at;
            }
            quoting = Quoting::Doubled;
            from = at + 2;
        };
        let after = end + 1;
        let ends = match &bytes[after..] {
            [] => Ends::Record(after),
            [b'\n', ..] => Ends::Record(after + 1),
            [b'\r', b'\n', ..] => Ends::Record(after + 2),
            [next, ..] if *next == self.dialect.delimiter => Ends::Field(after + 1),
            _ => {
                let found = self.text[after..].chars().next().unwrap_or_default();
                let error =
                    Error::new(format!("found {found:?} after a closing quote, expected a delimiter or the end of the line"))
                        .hint("a quote within a quoted field is written twice");
                return Err(Fault { at: after, error });
            }
        };
        let (Ends::Field(next) | Ends::Record(next)) = ends;
        self.marks.skip_to(next);
        Ok((Field { start, end, quoting }, ends))
    }
}

/// What the end of a field ends, and where the next begins.
#[derive(Debug, Clone, Copy)]
enum Ends {
    Field(usize),
    Record(usize),
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIALECT: Dialect = Dialect { delimiter: b',', quote: b'"' };

    fn split(text: &str, dialect: Dialect) -> Result<Vec<Vec<String>>, Fault> {
        let (mut records, mut fields, mut rows) = (Records::new(text, dialect), Vec::new(), Vec::new());
        while records.next(&mut fields)? {
            rows.push(fields.iter().map(|field| field.value(text, dialect).into_owned()).collect());
        }
        assert!(records.at() >= text.len());
        Ok(rows)
    }

    #[test]
    fn fields_end_at_delimiters_and_line_ends() {
        for (text, expected) in [
            ("", vec![]),
            ("a", vec![vec!["a"]]),
            ("a,b\nc,d\n", vec![vec!["a", "b"], vec!["c", "d"]]),
            ("a,b\r\nc,d", vec![vec!["a", "b"], vec!["c", "d"]]),
            (",\n,", vec![vec!["", ""], vec!["", ""]]),
            ("\n\r\n", vec![vec![""], vec![""]]),
            ("a\rb,c\r", vec![vec!["a\rb", "c\r"]]),
            ("\"a,b\",\"c\nd\"\r\n", vec![vec!["a,b", "c\nd"]]),
            ("\"a\"\"b\",\"\"\"\",\"\"", vec![vec!["a\"b", "\"", ""]]),
            ("\"\"\"a\"\"\"\n", vec![vec!["\"a\""]]),
            ("a\"b\",c\"", vec![vec!["a\"b\"", "c\""]]),
            (" \"a\",é,\"ü\"\n", vec![vec![" \"a\"", "é", "ü"]]),
        ] {
            assert_eq!(split(text, DIALECT).unwrap(), expected, "{text:?}");
        }
    }

    #[test]
    fn the_dialect_is_free() {
        let dialect = Dialect { delimiter: b'\t', quote: b'\'' };
        assert_eq!(split("'a\tb'\t'it''s'\t\"c,d\"\n", dialect).unwrap(), [["a\tb", "it's", "\"c,d\""]]);
    }

    #[test]
    fn a_broken_quote_is_named_by_its_place() {
        for (text, at, found) in [
            ("a,\"b\"c\n", 5, "found 'c' after a closing quote"),
            ("\"a\"\rb\n", 3, "found '\\r' after a closing quote"),
            ("\"a\"é\n", 3, "found 'é' after"),
            ("a,b\nc,\"d\ne\n", 6, "found a quoted field that does not end"),
            ("\"", 0, "does not end"),
            ("\"a\"\"", 0, "does not end"),
        ] {
            let fault = split(text, DIALECT).unwrap_err();
            assert_eq!(fault.at, at, "{text:?}");
            assert!(fault.error.to_string().contains(found), "{}", fault.error);
        }
    }

    #[test]
    fn fields_are_found_however_they_lie_to_one_another() {
        // Every length around the 64 bytes that are looked at together, quoted and bare.
        for len in 0..200 {
            let long = "x".repeat(len);
            let text = format!("{long},\"{long}\",{long}\n\"{long}\n\",b,\"\"\"{long}\"\n");
            let expected = [[long.clone(), long.clone(), long.clone()], [format!("{long}\n"), "b".into(), format!("\"{long}")]];
            assert_eq!(split(&text, DIALECT).unwrap(), expected);
        }
    }
}
