//! Numerics: digits to the base of 10000, as `numeric_send` writes them.
//!
//! ```text
//! int16   how many digits
//! int16   weight: the first digit counts 10000^weight
//! int16   sign: 0x0000 +, 0x4000 -, 0xC000 NaN, 0xD000 infinity, 0xF000 minus infinity
//! int16   digits behind the point that are displayed; they say nothing about the value
//! int16.. digits, 0 to 9999
//! ```
//!
//! <https://github.com/postgres/postgres/blob/REL_16_0/src/backend/utils/adt/numeric.c#L1153>.

use num_bigint::BigInt;

use crate::model::canonical::{Tag, push_decimal, push_i64, push_with};
use crate::model::number;

/// Digits to the base of 10000 that fit an `i64`, with room for as many zeros as make the scale whole.
const SMALL: i32 = 4;

/// Appends the canonical number, or nothing and says `false` if the bytes are no numeric.
#[inline]
pub fn push_numeric(out: &mut Vec<u8>, bytes: &[u8]) -> bool {
    let Some((head, digits)) = bytes.split_first_chunk::<8>() else { return false };
    let half = |at: usize| i16::from_be_bytes([head[at], head[at + 1]]);
    let (count, weight, sign) = (i32::from(half(0)), i32::from(half(2)), half(4) as u16);
    if digits.len() != 2 * count as usize {
        return false;
    }
    let negative = match sign {
        0x0000 => false,
        0x4000 => true,
        0xC000 => return push_special(out, number::push_nan),
        0xD000 => return push_special(out, |out| number::push_infinity(out, false)),
        0xF000 => return push_special(out, |out| number::push_infinity(out, true)),
        _ => return false,
    };
    // Digits behind the point, and zeros that stand before it and are not written.
    let behind = (count - weight - 1).max(0);
    let zeros = (weight + 1 - count).max(0);
    if count + zeros <= SMALL && behind <= SMALL {
        let mut unscaled =
            digits.chunks_exact(2).fold(0i64, |sum, pair| sum * 10_000 + i64::from(u16::from_be_bytes([pair[0], pair[1]])));
        for _ in 0..zeros {
            unscaled *= 10_000;
        }
        let unscaled = if negative { -unscaled } else { unscaled };
        match behind {
            0 => push_i64(out, Tag::Number, unscaled),
            _ => push_decimal(out, unscaled.into(), 4 * behind as i8),
        }
        return true;
    }
    push_long(out, digits, negative, behind, zeros);
    true
}

fn push_special(out: &mut Vec<u8>, push: impl FnOnce(&mut Vec<u8>)) -> bool {
    push_with(out, Tag::Number, push);
    true
}

fn push_long(out: &mut Vec<u8>, digits: &[u8], negative: bool, behind: i32, zeros: i32) {
    let mut decimal = String::with_capacity(digits.len() * 2 + 4 * zeros as usize + 1);
    decimal.push(if negative { '-' } else { '0' });
    for pair in digits.chunks_exact(2) {
        let digit = u16::from_be_bytes([pair[0], pair[1]]);
        decimal.extend([digit / 1000, digit / 100 % 10, digit / 10 % 10, digit % 10].map(|figure| char::from(b'0' + figure as u8)));
    }
    decimal.extend(std::iter::repeat_n("0000", zeros as usize));
    let unscaled = BigInt::parse_bytes(decimal.as_bytes(), 10).unwrap_or_default();
    push_with(out, Tag::Number, |out| number::push_big(out, &unscaled, 4 * i64::from(behind)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::kind::Kind;
    use crate::model::parse::push_text_as;

    fn sent(weight: i16, sign: u16, digits: &[u16]) -> Vec<u8> {
        let head = [digits.len() as u16, weight as u16, sign, 0];
        head.iter().chain(digits).flat_map(|half| half.to_be_bytes()).collect()
    }

    #[test]
    fn what_is_sent_is_the_number_that_it_spells() {
        for (weight, sign, digits, text) in [
            (0, 0, &[][..], "0"),
            (0, 0, &[1], "1"),
            (1, 0x4000, &[1, 0, 5000], "-10000.5"),
            (-1, 0, &[5], "0.0005"),
            (-4, 0x4000, &[5], "-0.0000000000000005"),
            (-5, 0, &[5], "0.00000000000000000005"),
            (3, 0, &[9223], "9223000000000000"),
            (4, 0, &[922, 3372, 368, 5477, 5807], "9223372036854775807"),
            (4, 0x4000, &[922, 3372, 368, 5477, 5808, 1], "-9223372036854775808.0001"),
            (20, 0, &[1], "1e80"),
            (0, 0xC000, &[], "NaN"),
            (0, 0xD000, &[], "Infinity"),
            (0, 0xF000, &[], "-Infinity"),
        ] {
            let (mut pushed, mut parsed) = (Vec::new(), Vec::new());
            assert!(push_numeric(&mut pushed, &sent(weight, sign, digits)));
            push_text_as(&mut parsed, &Kind::Number, text);
            assert_eq!(pushed, parsed, "{text}");
        }
        assert!(!push_numeric(&mut Vec::new(), &[0, 1, 0, 0, 0, 0, 0, 0]));
    }
}
