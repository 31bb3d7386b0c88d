//! The canonical bytes of small numbers, put together in one machine word: the fast path of [`super::number`].

/// The header of the number zero; one more for each byte of a floor above zero, one less for each of one below.
pub const ZERO: u8 = 0x80;

/// Powers of ten that fit 64 bits.
pub const POWERS: [i64; 19] = {
    let mut powers = [1; 19];
    let mut i = 1;
    while i < 19 {
        powers[i] = powers[i - 1] * 10;
        i += 1;
    }
    powers
};

/// Digits that 64 bits hold, whichever they are.
const DIGITS_SHORT: usize = 18;

/// Canonical bytes of up to sixteen, the first in the lowest place, and how many there are: whole words are cheaper
/// to put together and to copy than bytes one by one.
#[derive(Clone, Copy)]
pub struct Packed {
    /// The bytes; those beyond the length are not zero.
    pub bytes: u128,
    /// How many there are.
    pub len: usize,
}

/// The canonical bytes of a whole number: nine at most.
#[inline]
pub fn pack_i64(value: i64) -> Packed {
    let magnitude = value.unsigned_abs();
    let len = 8 - (magnitude.leading_zeros() / 8) as usize;
    let (header, bits) = if value < 0 { (ZERO - len as u8, !magnitude) } else { (ZERO + len as u8, magnitude) };
    // Zero has no bytes: what the masked shift leaves in place for it is beyond the length.
    let big_endian = (bits << ((64 - 8 * len as u32) & 63)).swap_bytes();
    Packed { bytes: u128::from(big_endian) << 8 | u128::from(header), len: len + 1 }
}

/// The canonical bytes of `unscaled / 10^scale` for scales of 1 to 8: thirteen at most.
#[inline]
pub fn pack_decimal(unscaled: i64, scale: u32) -> Packed {
    let unit = POWERS[scale as usize];
    let (floor, mut rest) = (unscaled / unit, unscaled % unit);
    let floor = if rest < 0 { floor - 1 } else { floor };
    if rest < 0 {
        rest += unit;
    }
    let floor = pack_i64(floor);
    if rest == 0 {
        return floor;
    }
    let mut rest = if scale % 2 == 1 { rest * 10 } else { rest } as u64;
    let (mut pairs, mut count) = (0u64, 0);
    for _ in 0..scale.div_ceil(2) {
        let pair = rest % 100;
        rest /= 100;
        // Zeros behind the last pair that is not zero do not count.
        if count > 0 || pair != 0 {
            pairs = pairs << 8 | pair;
            count += 1;
        }
    }
    let shift = 8 * floor.len;
    Packed { bytes: floor.bytes & ((1 << shift) - 1) | u128::from(pairs) << shift, len: floor.len + count }
}

/// The number that `text` spells as `unscaled / 10^scale`, if it is digits with an optional minus and an optional point, and
/// fits a machine word: most are.
///
/// ```
/// # use tieout::model::packed::parse_short;
/// assert_eq!(parse_short(b"-12.50"), Some((-1250, 2)));
/// assert_eq!(parse_short(b"1e3"), None);
/// ```
#[inline]
pub fn parse_short(text: &[u8]) -> Option<(i64, i8)> {
    let (negative, body) = match text {
        [b'-', body @ ..] => (true, body),
        body => (false, body),
    };
    if body.len() > DIGITS_SHORT + 1 {
        return None;
    }
    // One digit more than is returned fits as well.
    let (mut unscaled, mut point) = (0u64, None);
    for (place, byte) in body.iter().enumerate() {
        match byte {
            b'0'..=b'9' => unscaled = unscaled * 10 + u64::from(byte - b'0'),
            b'.' if point.is_none() => point = Some(place),
            _ => return None,
        }
    }
    let digits = body.len() - usize::from(point.is_some());
    let scale = point.map_or(0, |point| body.len() - point - 1);
    let unscaled = i64::try_from(unscaled).ok().filter(|_| (1..=DIGITS_SHORT).contains(&digits))?;
    Some((if negative { -unscaled } else { unscaled }, scale as i8))
}

/// Appends packed bytes: a copy of fixed length and a cut are cheaper than a copy of variable length.
#[inline]
pub fn push_packed(out: &mut Vec<u8>, packed: Packed) {
    let start = out.len();
    out.extend_from_slice(&packed.bytes.to_le_bytes());
    out.truncate(start + packed.len);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::number::{push_decimal, push_text};

    #[test]
    fn short_text_is_the_number_that_longer_text_spells() {
        let digits = "123456789012345678";
        let spellings =
            ["0", "-0", "0.00", "00012.50", "-12.5", ".5", "5.", "-.01", "999999999999999999", ".000000000000000001", digits];
        for spelling in spellings {
            let (unscaled, scale) = parse_short(spelling.as_bytes()).unwrap();
            let (mut short, mut long) = (Vec::new(), Vec::new());
            push_decimal(&mut short, unscaled.into(), scale);
            // An exponent takes the long way.
            assert!(push_text(&mut long, &format!("{spelling}e0")));
            assert_eq!(short, long, "{spelling}");
        }
        for spelling in
            ["", "-", ".", "-.", "1.2.3", "+1", "--1", "1e3", "nan", "1 ", "9999999999999999999", "0.0000000000000000001"]
        {
            assert_eq!(parse_short(spelling.as_bytes()), None, "{spelling}");
        }
    }
}
