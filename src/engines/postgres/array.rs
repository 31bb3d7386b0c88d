//! Arrays, as `array_send` writes them.
//!
//! ```text
//! int32   dimensions; none if the array is empty
//! int32   whether an item is NULL
//! int32   type of the items
//! int32 int32   for each dimension, its length and its lower bound
//! int32 bytes   for each item, its length (-1: NULL) and its bytes, the last dimension fastest
//! ```
//!
//! <https://github.com/postgres/postgres/blob/REL_16_0/src/backend/utils/adt/arrayfuncs.c#L1547>.

use super::decode::Decode;
use crate::model::canonical::{Tag, push_bytes, push_null, push_with, take};
use crate::model::value::render;

/// Dimensions that PostgreSQL allows.
const DIMENSIONS_MAX: usize = 6;

/// Appends a list, of lists if there is more than one dimension.
///
/// An array that does not begin at 1 equals only one that begins where it does: it is appended as its text.
pub fn push_array(out: &mut Vec<u8>, bytes: &[u8], item: &Decode) -> bool {
    let mut rest = bytes;
    let Some([dimensions, _, _]) = take_integers(&mut rest) else { return false };
    let Ok(dimensions) = usize::try_from(dimensions) else { return false };
    if dimensions > DIMENSIONS_MAX {
        return false;
    }
    let (mut lengths, mut begins_at_one, mut bounds) = ([0; DIMENSIONS_MAX], true, String::new());
    for length in &mut lengths[..dimensions] {
        let Some([size, lower]) = take_integers(&mut rest) else { return false };
        begins_at_one &= lower == 1;
        bounds += &format!("[{lower}:{}]", i64::from(lower) + i64::from(size) - 1);
        *length = size;
    }
    let start = out.len();
    let pushed = match dimensions {
        0 => {
            push_with(out, Tag::List, |_| ());
            true
        }
        _ => push_dimension(out, &mut rest, &lengths[..dimensions], item),
    };
    if pushed && !begins_at_one {
        let list = out.split_off(start);
        let text = take(&mut list.as_slice()).map(render).unwrap_or_default();
        push_bytes(out, Tag::Unparsed, format!("{bounds}={text}").as_bytes());
    }
    pushed && rest.is_empty()
}

fn push_dimension(out: &mut Vec<u8>, rest: &mut &[u8], lengths: &[i32], item: &Decode) -> bool {
    let Some((length, inner)) = lengths.split_first() else { return push_item(out, rest, item) };
    push_with(out, Tag::List, |out| (0..*length).all(|_| push_dimension(out, rest, inner, item)))
}

fn push_item(out: &mut Vec<u8>, rest: &mut &[u8], item: &Decode) -> bool {
    let Some([length]) = take_integers(rest) else { return false };
    if length == -1 {
        push_null(out);
        return true;
    }
    let Some((bytes, after)) = usize::try_from(length).ok().and_then(|length| rest.split_at_checked(length)) else { return false };
    *rest = after;
    item(bytes, out)
}

fn take_integers<const N: usize>(rest: &mut &[u8]) -> Option<[i32; N]> {
    let mut integers = [0; N];
    for integer in &mut integers {
        let (bytes, after) = rest.split_first_chunk::<4>()?;
        *integer = i32::from_be_bytes(*bytes);
        *rest = after;
    }
    Some(integers)
}
