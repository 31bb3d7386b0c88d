//! The stream of a binary COPY, cut into rows and fields.
//!
//! ```text
//! "PGCOPY\n\xff\r\n\0"  int32 flags  int32 length and bytes of an extension
//! int16  number of fields, for each row; -1 after the last row
//! int32 bytes  for each field, its length (-1: NULL) and its bytes
//! ```
//!
//! <https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.4>. The server sends a row per message, but
//! does not promise to: rows may be split anywhere.

use std::ops::Range;

use crate::error::{Error, Result};

const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";
/// Flags that a reader must understand; there are none that it could.
const CRITICAL_FLAGS: u32 = 0xffff_0000;

/// Where a field lies in its row; `None` is NULL.
pub type Field = Option<Range<usize>>;
/// Where the fields of a row lie.
pub type Fields = [Field];

/// The bytes of a field.
#[inline]
pub fn bytes_of<'a>(row: &'a [u8], field: &Field) -> Option<&'a [u8]> {
    field.as_ref().map(|field| &row[field.clone()])
}

/// Cuts a stream into rows as it comes.
#[derive(Debug, Default)]
pub struct Tuples {
    /// What came of a row that is not complete.
    carry: Vec<u8>,
    fields: Vec<Field>,
    has_begun: bool,
    has_ended: bool,
}

/// What stands at a place of the stream.
enum Found {
    /// A row of this many bytes; its fields are listed.
    Row(usize),
    /// The mark behind the last row.
    End,
    /// Less than a row.
    Part,
}

impl Tuples {
    /// Takes some bytes of the stream and hands on each row that is complete: its bytes, and where the fields lie in
    /// them.
    ///
    /// # Errors
    ///
    /// If the stream is not what COPY writes, and those of `each`.
    #[inline]
    pub fn push(&mut self, bytes: &[u8], each: &mut impl FnMut(&[u8], &Fields) -> Result<()>) -> Result<()> {
        if self.carry.is_empty() {
            let used = self.consume(bytes, each)?;
            self.carry.extend_from_slice(&bytes[used..]);
        } else {
            let mut carry = std::mem::take(&mut self.carry);
            carry.extend_from_slice(bytes);
            let used = self.consume(&carry, each)?;
            carry.drain(..used);
            self.carry = carry;
        }
        Ok(())
    }

    /// Makes sure that the stream came to its end.
    ///
    /// # Errors
    ///
    /// If the mark behind the last row is missing: rows may be, too.
    pub fn finish(self) -> Result<()> {
        match self.has_ended && self.carry.is_empty() {
            true => Ok(()),
            false => Err(Error::new("found the end of the stream within the rows, expected the mark behind the last one")),
        }
    }

    /// Hands on the rows at the beginning of `bytes` and returns how many bytes they are.
    #[inline]
    fn consume(&mut self, bytes: &[u8], each: &mut impl FnMut(&[u8], &Fields) -> Result<()>) -> Result<usize> {
        let mut used = 0;
        if !self.has_begun {
            let Some(header) = header_len(bytes)? else { return Ok(0) };
            used = header;
            self.has_begun = true;
        }
        while !self.has_ended {
            match row(&bytes[used..], &mut self.fields)? {
                Found::Row(len) => {
                    each(&bytes[used..used + len], &self.fields)?;
                    used += len;
                }
                Found::End => {
                    used += 2;
                    self.has_ended = true;
                }
                Found::Part => return Ok(used),
            }
        }
        match used == bytes.len() {
            true => Ok(used),
            false => Err(Error::new("found bytes behind the end of the rows, expected none")),
        }
    }
}

/// Finds a row at the beginning of `bytes` and lists its fields.
#[inline]
fn row(bytes: &[u8], fields: &mut Vec<Field>) -> Result<Found> {
    let Some(count) = bytes.first_chunk::<2>() else { return Ok(Found::Part) };
    let count = match i16::from_be_bytes(*count) {
        -1 => return Ok(Found::End),
        count => usize::try_from(count).map_err(|_| Error::new(format!("found a row of {count} fields")))?,
    };
    let mut at = 2;
    fields.clear();
    for _ in 0..count {
        let Some(len) = bytes.get(at..).and_then(<[u8]>::first_chunk::<4>) else { return Ok(Found::Part) };
        at += 4;
        match i32::from_be_bytes(*len) {
            -1 => fields.push(None),
            len => {
                let len = usize::try_from(len).map_err(|_| Error::new(format!("found a field of {len} bytes")))?;
                fields.push(Some(at..at + len));
                at += len;
            }
        }
    }
    Ok(if at <= bytes.len() { Found::Row(at) } else { Found::Part })
}

/// Lists the fields of a row that was handed on before.
///
/// # Errors
///
/// If it is none.
pub fn list_fields(bytes: &[u8], fields: &mut Vec<Field>) -> Result<()> {
    match row(bytes, fields)? {
        Found::Row(len) if len == bytes.len() => Ok(()),
        _ => Err(Error::new("found a row that ends elsewhere, expected it whole")),
    }
}

/// The length of the header, once all of it has come.
fn header_len(bytes: &[u8]) -> Result<Option<usize>> {
    let known = bytes.len().min(SIGNATURE.len());
    if bytes[..known] != SIGNATURE[..known] {
        return Err(Error::new("found a stream without the signature of a binary COPY"));
    }
    let word = |at: usize| bytes.get(at..).and_then(<[u8]>::first_chunk::<4>).map(|word| u32::from_be_bytes(*word));
    let (Some(flags), Some(extension)) = (word(11), word(15)) else { return Ok(None) };
    if flags & CRITICAL_FLAGS != 0 {
        return Err(Error::new(format!("found a binary COPY with flags {flags:#x}, expected none")));
    }
    let len = 19 + extension as usize;
    Ok((bytes.len() >= len).then_some(len))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([0; 8]);
        bytes.extend(b"\0\x02\0\0\0\x03one\xff\xff\xff\xff");
        bytes.extend(b"\0\x02\0\0\0\0\0\0\0\x01x");
        bytes.extend(b"\xff\xff");
        bytes
    }

    fn read(chunks: impl Iterator<Item = Vec<u8>>) -> Result<Vec<Vec<Option<Vec<u8>>>>> {
        let (mut tuples, mut rows) = (Tuples::default(), Vec::new());
        for chunk in chunks {
            tuples.push(&chunk, &mut |bytes, fields| {
                rows.push(fields.iter().map(|field| field.clone().map(|range| bytes[range].to_vec())).collect());
                Ok(())
            })?;
        }
        tuples.finish().map(|()| rows)
    }

    #[test]
    fn rows_are_whole_however_the_stream_is_split() {
        let expected = vec![vec![Some(b"one".to_vec()), None], vec![Some(Vec::new()), Some(b"x".to_vec())]];
        for size in 1..=stream().len() {
            assert_eq!(read(stream().chunks(size).map(<[u8]>::to_vec)).unwrap(), expected, "{size}");
        }
    }

    #[test]
    fn a_stream_that_breaks_off_is_an_error() {
        let whole = stream();
        for len in 0..whole.len() {
            assert!(read(std::iter::once(whole[..len].to_vec())).is_err(), "{len}");
        }
        let mut longer = whole.clone();
        longer.push(0);
        assert!(read(std::iter::once(longer)).is_err());
        assert!(read(std::iter::once(b"PGCOPX".to_vec())).is_err());
    }
}
