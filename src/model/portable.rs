//! Rows as text that every engine can write alike, and its digest: what fingerprints are made of where a server adds
//! them up by itself.
//!
//! ```text
//! salt , value , value ...      NULL: n
//! number     -12.5              no zeros at the end, no exponent
//! boolean    1
//! text       6:caffè            the length in bytes before it
//! bytes      00ff
//! date       2024-02-29         0044-03-15 BC
//! time       10:00:00.5         no zeros at the end
//! timestamp  2024-01-01 10:00:00.5, an instant likewise, in UTC
//! uuid       550e8400-e29b-41d4-a716-446655440000
//! ```
//!
//! The digest is SHA-256, as every server has it (MD5 is missing where FIPS 140 holds, and in MySQL 9.7). What matters
//! is one direction: **equal text must mean equal values**. Text of unequal spelling for equal values costs no more than
//! reading the rows, which are then found to be equal.

use sha2::{Digest as _, Sha256};

use super::canonical::{Canonical, Tag, Values};
use super::kind::Kind;
use super::value::render;

/// What the report calls the digest.
pub const NAME: &str = "sha256 of portable text, 120 bits";
/// Hexadecimal digits of SHA-256 that make half of a row's digest: 60 bits, which are a positive number on every server.
pub const HALF_DIGITS: usize = 15;

/// Where the first half of a digest begins in it.
pub const HIGH_FROM_BIT: u32 = 64;

/// The halves of a digest put together, and the sums of halves likewise; modulo 2^128.
pub fn joined(high: u128, low: u128) -> u128 {
    (high << HIGH_FROM_BIT).wrapping_add(low)
}

/// The digest of a row whose compared values are `row`, in canonical bytes, and of these kinds: 120 bits of SHA-256.
pub fn digest(salt: u64, kinds: &[Kind], row: &[u8]) -> u128 {
    let hash = sha256(salt, kinds, row);
    let half = |from: usize| (0..HALF_DIGITS).fold(0, |half, i| half << 4 | u128::from(nibble(&hash, from + i)));
    joined(half(0), half(HALF_DIGITS))
}

/// Where a row whose key is `key`, in canonical bytes, lies among the hashes of all keys: 0 up to 2^60.
pub fn hash_position(salt: u64, kinds: &[Kind], key: &[u8]) -> i64 {
    let hash = sha256(salt, kinds, key);
    (0..HALF_DIGITS).fold(0, |position, i| position << 4 | i64::from(nibble(&hash, i)))
}

/// The salt as it stands before the values.
pub fn salt_text(salt: u64) -> String {
    format!("{salt:016x}")
}

fn nibble(hash: &[u8; 32], at: usize) -> u8 {
    hash[at / 2] >> (4 * (1 - at % 2)) & 15
}

fn sha256(salt: u64, kinds: &[Kind], values: &[u8]) -> [u8; 32] {
    Sha256::digest(text(salt, kinds, values)).into()
}

/// The text of some values.
fn text(salt: u64, kinds: &[Kind], values: &[u8]) -> Vec<u8> {
    let mut out = salt_text(salt).into_bytes();
    for (value, kind) in Values::of(values).zip(kinds) {
        out.push(b',');
        push(&mut out, kind, value);
    }
    out
}

fn push(out: &mut Vec<u8>, kind: &Kind, value: Canonical<'_>) {
    if !push_value(out, kind, value) {
        // A value that is not of the column's kind, which only files and SQLite have. No server writes this.
        out.extend_from_slice(format!("!{}:{}:", value.tag as u8, value.bytes.len()).as_bytes());
        out.extend_from_slice(value.bytes);
    }
}

/// Appends the text of a value; of one that is not of the column's kind nothing, and says `false`.
pub fn push_value(out: &mut Vec<u8>, kind: &Kind, value: Canonical<'_>) -> bool {
    match (kind, value.tag) {
        (_, Tag::Null) => out.push(b'n'),
        (Kind::Boolean, Tag::Boolean) => out.push(b'0' + u8::from(value.bytes == [1])),
        (Kind::Text | Kind::PaddedText, Tag::Text) => {
            out.extend_from_slice(format!("{}:", value.bytes.len()).as_bytes());
            out.extend_from_slice(value.bytes);
        }
        (Kind::Bytes, Tag::Bytes) => out.extend(value.bytes.iter().flat_map(|byte| format!("{byte:02x}").into_bytes())),
        (Kind::Number, Tag::Number)
        | (Kind::Date, Tag::Date)
        | (Kind::Time, Tag::Time)
        | (Kind::Timestamp, Tag::Timestamp)
        | (Kind::Uuid, Tag::Uuid) => out.extend_from_slice(render(value).as_bytes()),
        (Kind::Instant, Tag::Instant) => out.extend_from_slice(render(value).trim_end_matches('Z').as_bytes()),
        _ => return false,
    }
    true
}

#[cfg(test)]
mod tests {
    use super::super::canonical::{push_null, push_whole};
    use super::super::kind::Kind;
    use super::super::parse::push_text_as;
    use super::*;

    #[test]
    fn values_are_written_as_servers_write_them() {
        for (kind, value, expected) in [
            (Kind::Number, "-12.50", "-12.5"),
            (Kind::Number, "100", "100"),
            (Kind::Number, "1e21", "1000000000000000000000"),
            (Kind::Boolean, "true", "1"),
            (Kind::Text, "caffè", "6:caffè"),
            (Kind::Text, "", "0:"),
            (Kind::PaddedText, "ab  ", "2:ab"),
            (Kind::Bytes, "\\x00ff", "00ff"),
            (Kind::Date, "0044-03-15 BC", "0044-03-15 BC"),
            (Kind::Time, "10:00:00.500", "10:00:00.5"),
            (Kind::Timestamp, "2024-01-01 10:00:00.000001", "2024-01-01 10:00:00.000001"),
            (Kind::Timestamp, "10000-01-01", "10000-01-01 00:00:00"),
            (Kind::Instant, "2024-01-01 10:00:00+01", "2024-01-01 09:00:00"),
            (Kind::Instant, "-infinity", "-infinity"),
            (Kind::Uuid, "550E8400-E29B-41D4-A716-446655440000", "550e8400-e29b-41d4-a716-446655440000"),
            (Kind::Number, "n", "!17:1:n"),
        ] {
            let mut row = Vec::new();
            if kind == Kind::Bytes {
                super::super::canonical::push_bytes(&mut row, Tag::Bytes, &[0, 255]);
            } else {
                push_text_as(&mut row, &kind, value);
            }
            assert_eq!(
                String::from_utf8(text(7, std::slice::from_ref(&kind), &row)).unwrap(),
                format!("0000000000000007,{expected}"),
                "{kind} {value}"
            );
        }
    }

    #[test]
    fn no_value_runs_into_the_next() {
        let row = |values: &[Option<&str>]| {
            let mut row = Vec::new();
            values.iter().for_each(|value| match value {
                Some(value) => push_text_as(&mut row, &Kind::Text, value),
                None => push_null(&mut row),
            });
            text(1, &[Kind::Text, Kind::Text], &row)
        };
        assert_ne!(row(&[Some("a,1:b"), Some("c")]), row(&[Some("a"), Some("b,1:c")]));
        assert_ne!(row(&[None, Some("n")]), row(&[Some("n"), None]));
        assert_ne!(row(&[Some("")]), row(&[None]));
    }

    /// A blob 0x77 in a column of numbers, and the number 77 in one of bytes, had the text of each other.
    #[test]
    fn a_value_that_is_not_of_its_columns_kind_has_a_text_of_its_own() {
        let value = |tag: Tag, bytes: &[u8]| {
            let mut row = Vec::new();
            super::super::canonical::push_bytes(&mut row, tag, bytes);
            row
        };
        let mut whole = Vec::new();
        push_whole(&mut whole, Tag::Number, 77);
        for (kind, row) in [
            (Kind::Number, value(Tag::Bytes, &[0x77])),
            (Kind::Bytes, whole.clone()),
            (Kind::Boolean, whole),
            (Kind::Uuid, value(Tag::Bytes, &[1; 18])),
            (Kind::Uuid, value(Tag::Unparsed, b"x")),
            (Kind::Text, value(Tag::Bytes, b"x")),
        ] {
            assert_eq!(text(7, std::slice::from_ref(&kind), &row)[17], b'!', "{kind}");
        }
    }

    #[test]
    fn the_digest_is_what_sha256sum_says() {
        const KINDS: [Kind; 2] = [Kind::Number, Kind::Number];
        // printf 000000000000002a,5,n | sha256sum
        let mut row = Vec::new();
        push_whole(&mut row, Tag::Number, 5);
        push_null(&mut row);
        let hash = sha256(42, &KINDS, &row);
        let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "7ce3754aed6d27c359c769bee95b60199dd705130d7dc95b6784a5a8cc99076d");
        let half = |text: &str| u128::from_str_radix(text, 16).unwrap();
        assert_eq!(digest(42, &KINDS, &row), (half(&hex[..15]) << 64) + half(&hex[15..30]));
        assert_eq!(i128::from(hash_position(42, &KINDS, &row)), half(&hex[..15]) as i128);
    }
}
