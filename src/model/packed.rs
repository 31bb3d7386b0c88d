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

/// Appends packed bytes: a copy of fixed length and a cut are cheaper than a copy of variable length.
#[inline]
pub fn push_packed(out: &mut Vec<u8>, packed: Packed) {
    let start = out.len();
    out.extend_from_slice(&packed.bytes.to_le_bytes());
    out.truncate(start + packed.len);
}
