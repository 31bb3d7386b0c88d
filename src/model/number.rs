//! The canonical form of a number: ordered bytes, one for each value, for any precision.
//!
//! A number is written as its floor and what is left of it above the floor:
//!
//! ```text
//! header  count of bytes of the floor: 0x80 + n for floors >= 0, 0x80 - n for floors < 0
//! floor   n bytes, big-endian, no leading zero byte; one's complement of the magnitude if negative
//! rest    pairs of decimal digits, one byte (0 to 99) each, without trailing zero pairs
//! ```
//!
//! So 1, 1.0 and 1.00 have the same bytes, 1.4 and 1 do not, and comparing bytes compares numbers. The floor's
//! encoding is that of integers in the FoundationDB tuple layer; a floor of 120 bytes or more has the header 0xF8
//! (or 0x08) and its count in four bytes. 0xFF is NaN, 0xFE and 0x01 are the infinities: NaN sorts highest, as in
//! PostgreSQL.

use num_bigint::{BigInt, BigUint, Sign};

use super::packed::{POWERS, ZERO, pack_decimal, pack_i64, parse_short, push_packed};

/// Digits a number may have before or after the point; the limit of PostgreSQL's numeric is 131072.
pub const DIGITS_MAX: usize = 200_000;

const LONG: u8 = 120;
const NAN: u8 = 0xFF;
const INFINITY: u8 = 0xFE;
const MINUS_INFINITY: u8 = 0x01;

/// A number read back from its canonical bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Number {
    /// Not a number.
    NaN,
    /// Infinity, negative if so marked.
    Infinity {
        /// Whether it is minus infinity.
        negative: bool,
    },
    /// `unscaled / 10^scale`.
    Finite {
        /// The digits, with their sign.
        unscaled: BigInt,
        /// Digits after the point; the smallest that holds the value exactly.
        scale: usize,
    },
}

/// Appends the canonical bytes of a whole number.
#[inline]
pub fn push_i64(out: &mut Vec<u8>, value: i64) {
    push_packed(out, pack_i64(value));
}

/// Appends the canonical bytes of a whole number.
#[inline]
pub fn push_i128(out: &mut Vec<u8>, value: i128) {
    if let Ok(small) = i64::try_from(value) {
        return push_i64(out, small);
    }
    let magnitude = value.unsigned_abs();
    let len = 16 - (magnitude.leading_zeros() / 8) as usize;
    let (header, bits) = if value < 0 { (ZERO - len as u8, !magnitude) } else { (ZERO + len as u8, magnitude) };
    out.push(header);
    out.extend_from_slice(&bits.to_be_bytes()[16 - len..]);
}

/// Appends the canonical bytes of `unscaled / 10^scale`.
#[inline]
pub fn push_decimal(out: &mut Vec<u8>, unscaled: i128, scale: i8) {
    match (i64::try_from(unscaled), u32::try_from(scale)) {
        (_, Ok(0)) => push_i128(out, unscaled),
        (Ok(small), Ok(digits @ 1..=8)) => push_packed(out, pack_decimal(small, digits)),
        (Ok(small), Ok(digits @ 9..=18)) => {
            let unit = POWERS[digits as usize];
            push_i64(out, small.div_euclid(unit));
            push_rest(out, small.rem_euclid(unit) as u64, digits);
        }
        _ => push_big(out, &BigInt::from(unscaled), i64::from(scale)),
    }
}

/// Appends the pairs of digits of `rest / 10^digits`, which is below 1.
#[inline]
fn push_rest(out: &mut Vec<u8>, mut rest: u64, digits: u32) {
    if rest == 0 {
        return;
    }
    if digits % 2 == 1 {
        rest *= 10;
    }
    let pairs = digits.div_ceil(2) as usize;
    let mut bytes = [0u8; 10];
    for byte in bytes[..pairs].iter_mut().rev() {
        *byte = (rest % 100) as u8;
        rest /= 100;
    }
    let used = bytes[..pairs].iter().rposition(|&b| b != 0).map_or(0, |last| last + 1);
    out.extend_from_slice(&bytes[..used]);
}

/// Appends the canonical bytes of `unscaled / 10^scale`, of any size.
///
/// The caller keeps the digits within [`DIGITS_MAX`].
pub fn push_big(out: &mut Vec<u8>, unscaled: &BigInt, scale: i64) {
    if scale <= 0 {
        return push_floor(out, &(unscaled * BigInt::from(ten_to(scale.unsigned_abs()))));
    }
    let unit = BigInt::from(ten_to(scale.unsigned_abs()));
    let (mut floor, mut rest) = (unscaled / &unit, unscaled % &unit);
    if rest.sign() == Sign::Minus {
        floor -= 1;
        rest += &unit;
    }
    push_floor(out, &floor);
    if rest.sign() != Sign::NoSign {
        let digits = rest.to_string();
        // Digits on the left up to the scale, and one on the right if their number is odd, make whole pairs.
        let mut padded = "0".repeat(scale as usize - digits.len()) + &digits;
        if padded.len() % 2 == 1 {
            padded.push('0');
        }
        let used = padded.trim_end_matches('0').len().div_ceil(2);
        out.extend(padded.as_bytes().chunks_exact(2).take(used).map(|pair| (pair[0] - b'0') * 10 + (pair[1] - b'0')));
    }
}

fn push_floor(out: &mut Vec<u8>, floor: &BigInt) {
    let negative = floor.sign() == Sign::Minus;
    let mut bytes = floor.magnitude().to_bytes_be();
    if floor.sign() == Sign::NoSign {
        bytes.clear();
    }
    let len = bytes.len();
    let long = len >= usize::from(LONG);
    let count = if long { LONG } else { len as u8 };
    out.push(if negative { ZERO - count } else { ZERO + count });
    if long {
        let len = len as u32;
        out.extend_from_slice(&(if negative { !len } else { len }).to_be_bytes());
    }
    out.extend(bytes.into_iter().map(|byte| if negative { !byte } else { byte }));
}

fn ten_to(power: u64) -> BigUint {
    BigUint::from(10u8).pow(power as u32)
}

/// Appends the canonical bytes of NaN.
pub fn push_nan(out: &mut Vec<u8>) {
    out.push(NAN);
}

/// Appends the canonical bytes of an infinity.
pub fn push_infinity(out: &mut Vec<u8>, negative: bool) {
    out.push(if negative { MINUS_INFINITY } else { INFINITY });
}

/// Appends the canonical bytes of the number that `text` spells, or appends nothing and says `false`.
///
/// Accepts an optional sign, digits with an optional point (`.5` and `5.` too), an optional exponent, and the names
/// of NaN and the infinities in any case. Numbers of more than [`DIGITS_MAX`] digits are not accepted.
pub fn push_text(out: &mut Vec<u8>, text: &str) -> bool {
    if let Some((unscaled, scale)) = parse_short(text.as_bytes()) {
        push_decimal(out, unscaled.into(), scale);
        return true;
    }
    let (negative, body) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let digits_end = body.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(body.len());
    let (whole, after) = body.split_at(digits_end);
    let (fraction, exponent) = match after.strip_prefix('.') {
        Some(after) => after.split_at(after.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(after.len())),
        None => ("", after),
    };
    if whole.is_empty() && fraction.is_empty() {
        return push_name(out, negative, text, body);
    }
    let exponent = match exponent.strip_prefix(['e', 'E']) {
        None if exponent.is_empty() => 0,
        // Rust's parser accepts one sign and digits, which is what an exponent is.
        Some(digits) => match digits.parse::<i64>() {
            Ok(exponent) => exponent,
            Err(_) => return false,
        },
        None => return false,
    };
    let fraction = fraction.trim_end_matches('0');
    let (digits, Some(scale)) = (whole.len() + fraction.len(), (fraction.len() as i64).checked_sub(exponent)) else { return false };
    if digits <= 18 && (0..=18).contains(&scale) {
        let unscaled = whole.bytes().chain(fraction.bytes()).fold(0i64, |n, digit| n * 10 + i64::from(digit - b'0'));
        push_decimal(out, i128::from(if negative { -unscaled } else { unscaled }), scale as i8);
        return true;
    }
    let unscaled = ["0", whole, fraction].concat();
    let Some(unscaled) = BigInt::parse_bytes(unscaled.as_bytes(), 10) else { return false };
    if unscaled.sign() == Sign::NoSign {
        push_i64(out, 0);
        return true;
    }
    if digits.max(scale.unsigned_abs() as usize) > DIGITS_MAX {
        return false;
    }
    push_big(out, &(if negative { -unscaled } else { unscaled }), scale);
    true
}

fn push_name(out: &mut Vec<u8>, negative: bool, text: &str, body: &str) -> bool {
    if text.eq_ignore_ascii_case("nan") {
        push_nan(out);
    } else if body.eq_ignore_ascii_case("inf") || body.eq_ignore_ascii_case("infinity") {
        push_infinity(out, negative);
    } else {
        return false;
    }
    true
}

/// Appends the canonical bytes of the shortest decimal that reads back as the same float.
///
/// Where two are equally close, the one whose last digit is even, as Ryu finds it and PostgreSQL, Java and Python print it; Rust
/// would print the greater.
pub fn push_shortest(out: &mut Vec<u8>, value: f64, bits: u8) {
    let mut buffer = ryu::Buffer::new();
    let text = if bits == 32 { buffer.format(value as f32) } else { buffer.format(value) };
    let spelled = push_text(out, text);
    debug_assert!(spelled, "{text} is a number");
}

/// Reads canonical bytes back, or `None` if they are not those of a number.
pub fn read(bytes: &[u8]) -> Option<Number> {
    let (&header, mut body) = bytes.split_first()?;
    match (header, body) {
        (NAN, []) => return Some(Number::NaN),
        (INFINITY | MINUS_INFINITY, []) => return Some(Number::Infinity { negative: header == MINUS_INFINITY }),
        _ => {}
    }
    let negative = header < ZERO;
    let mut len = usize::from(header.abs_diff(ZERO));
    if len == usize::from(LONG) {
        let (count, rest) = body.split_first_chunk::<4>()?;
        let count = u32::from_be_bytes(*count);
        len = (if negative { !count } else { count }) as usize;
        body = rest;
    }
    let (floor, pairs) = body.split_at_checked(len)?;
    let floor: Vec<u8> = floor.iter().map(|&byte| if negative { !byte } else { byte }).collect();
    let mut unscaled = BigInt::from_bytes_be(if negative { Sign::Minus } else { Sign::Plus }, &floor);
    let mut scale = 0;
    for &pair in pairs {
        unscaled = unscaled * 100 + pair;
        scale += 2;
    }
    if pairs.last().is_some_and(|pair| pair % 10 == 0) {
        unscaled /= 10;
        scale -= 1;
    }
    Some(Number::Finite { unscaled, scale })
}

/// Reads the canonical bytes of a whole number that fits `i128`; the way back of [`push_i128`].
#[inline]
pub fn read_i128(bytes: &[u8]) -> Option<i128> {
    let (&header, body) = bytes.split_first()?;
    let (negative, len) = (header < ZERO, usize::from(header.abs_diff(ZERO)));
    if len != body.len() || len > 16 {
        return None;
    }
    if len < 8 {
        // Almost all numbers; folding a few bytes is cheaper than a copy of variable length.
        let fill = if negative { -1 } else { 0 };
        let bits = body.iter().fold(fill, |bits: i64, &byte| bits << 8 | i64::from(byte));
        // The one's complement of a negative number's magnitude is one less than the number.
        return Some(i128::from(bits + i64::from(negative)));
    }
    let fill = if negative { 0xFF } else { 0 };
    let mut wide = [fill; 16];
    wide[16 - len..].copy_from_slice(body);
    let bits = u128::from_be_bytes(wide);
    let magnitude = if negative { !bits } else { bits };
    match (negative, i128::try_from(magnitude)) {
        (false, Ok(value)) => Some(value),
        (true, Ok(value)) => Some(-value),
        (true, Err(_)) if magnitude == i128::MIN.unsigned_abs() => Some(i128::MIN),
        _ => None,
    }
}

/// Reads canonical bytes back as a whole number of units of `10^-scale`, or `None` if the number is not one, or does
/// not fit `i128`.
#[inline]
pub fn read_decimal(bytes: &[u8], scale: u32) -> Option<i128> {
    let floor_len = 1 + usize::from(bytes.first()?.abs_diff(ZERO));
    let (floor, pairs) = bytes.split_at_checked(floor_len)?;
    if pairs.is_empty() && scale == 0 {
        return read_i128(floor);
    }
    read_scaled(floor, pairs, scale)
}

/// Reads a floor, and pairs of digits above it, as units of `10^-scale`.
fn read_scaled(floor: &[u8], pairs: &[u8], scale: u32) -> Option<i128> {
    let floor = read_i128(floor)?;
    let digits = 2 * u32::try_from(pairs.len()).ok()?;
    if let (Ok(floor), 0..=9, true) = (i32::try_from(floor), scale, digits <= scale) {
        // Small numbers, which almost all are, take no arithmetic in 128 bits.
        let rest = pairs.iter().fold(0i64, |rest, &pair| rest * 100 + i64::from(pair));
        return Some(i128::from(i64::from(floor) * POWERS[scale as usize] + rest * POWERS[(scale - digits) as usize]));
    }
    let whole = floor.checked_mul(10i128.checked_pow(scale)?)?;
    if pairs.is_empty() {
        return Some(whole);
    }
    // The last digit of a pair may be a zero that makes the pair whole; more digits than that are data.
    if digits > 38 || digits > scale + 1 {
        return None;
    }
    let rest = pairs.iter().fold(0i128, |rest, &pair| rest * 100 + i128::from(pair));
    let rest = match scale.checked_sub(digits) {
        Some(missing) => rest.checked_mul(10i128.pow(missing))?,
        None if rest % 10 == 0 => rest / 10,
        None => return None,
    };
    whole.checked_add(rest)
}

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (unscaled, scale) = match self {
            Number::NaN => return f.write_str("NaN"),
            Number::Infinity { negative } => return f.write_str(if *negative { "-Infinity" } else { "Infinity" }),
            Number::Finite { unscaled, scale } => (unscaled, *scale),
        };
        let sign = if unscaled.sign() == Sign::Minus { "-" } else { "" };
        let digits = unscaled.magnitude().to_string();
        let padded = "0".repeat((scale + 1).saturating_sub(digits.len())) + &digits;
        let (whole, fraction) = padded.split_at(padded.len() - scale);
        write!(f, "{sign}{whole}{}{fraction}", if scale > 0 { "." } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        assert!(push_text(&mut out, text), "{text}");
        out
    }

    #[test]
    fn equal_numbers_have_equal_bytes_however_they_are_written() {
        for same in [
            vec!["1", "1.0", "1.00", "+1", "01", "1e0", "0.1e1", "10e-1", "100000000000000000000e-20"],
            vec!["0", "-0", "0.000", "-0.0", "0e999999999", ".0e7"],
            vec!["-0.19", "-.19", "-19e-2", "-0.190000000000000000000000"],
            vec!["18446744073709551615", "18446744073709551615.0", "1.8446744073709551615e19"],
        ] {
            for spelling in &same {
                assert_eq!(text(spelling), text(same[0]), "{spelling}");
            }
        }
        assert_ne!(text("1.4"), text("1"));
    }

    #[test]
    fn bytes_order_as_numbers_do() {
        let ascending = [
            "-inf",
            "-1e300",
            "-1e45",
            "-18446744073709551616",
            "-9223372036854775809",
            "-9223372036854775808",
            "-257",
            "-256.5",
            "-256",
            "-255",
            "-1.5",
            "-1.05",
            "-1",
            "-0.5",
            "-1e-40",
            "0",
            "1e-40",
            "0.05",
            "0.1",
            "0.105",
            "0.11",
            "1",
            "1.4",
            "255",
            "256",
            "9223372036854775807",
            "9223372036854775808",
            "18446744073709551615",
            "1e45",
            "1e300",
            "1e301",
            "inf",
            "nan",
        ];
        for pair in ascending.windows(2) {
            assert!(text(pair[0]) < text(pair[1]), "{} < {}", pair[0], pair[1]);
        }
    }

    #[test]
    fn the_integer_and_decimal_paths_agree_with_text() {
        for value in [0i128, 1, -1, 255, 256, -256, 1 << 63, -(1 << 63), (1 << 63) - 1, i128::MAX, i128::MIN, 10i128.pow(37)] {
            let mut whole = Vec::new();
            push_i128(&mut whole, value);
            assert_eq!(whole, text(&value.to_string()));
            assert_eq!(read_i128(&whole), Some(value));
            for scale in [-3i8, 0, 1, 2, 9, 18, 19, 38] {
                let mut decimal = Vec::new();
                push_decimal(&mut decimal, value, scale);
                assert_eq!(decimal, text(&format!("{value}e{}", -i32::from(scale))), "{value} scale {scale}");
            }
        }
    }

    /// Half-way between two decimals of 17 digits Rust prints the greater one, and a float was told from its own text as
    /// every server writes it.
    #[test]
    fn a_float_between_two_decimals_is_the_even_one() {
        for (float, spelling) in
            [(119_155_362_999_367.12, "119155362999367.12"), (676_852_520_065_018.2, "676852520065018.2"), (1e23, "1e23")]
        {
            let mut bytes = Vec::new();
            push_shortest(&mut bytes, float, 64);
            assert_eq!(bytes, text(spelling), "{spelling}");
        }
    }

    #[test]
    fn numbers_read_back_as_they_were() {
        let long = "9".repeat(400) + "." + &"8".repeat(301);
        for spelling in ["0", "1.4", "-1.4", "-0.001", "123456789012345678901234567890.5", "NaN", "-Infinity", &long] {
            assert_eq!(read(&text(spelling)).map(|n| n.to_string()), Some(spelling.to_string()));
        }
    }

    #[test]
    fn decimals_read_back_at_any_scale_that_holds_them() {
        for (spelling, scale, unscaled) in [
            ("0", 0, Some(0)),
            ("12.5", 2, Some(1250)),
            ("12.5", 1, Some(125)),
            ("12.5", 0, None),
            ("-0.01", 2, Some(-1)),
            ("-0.01", 1, None),
            ("-12.345", 3, Some(-12_345)),
            ("1e37", 1, Some(10i128.pow(38))),
            ("1e37", 2, None),
            ("1e50", 0, None),
            ("0.00000000000000000000000000000000000001", 38, Some(1)),
            ("nan", 2, None),
            ("-inf", 2, None),
        ] {
            assert_eq!(read_decimal(&text(spelling), scale), unscaled, "{spelling} at scale {scale}");
        }
        for (unscaled, scale) in [(i128::from(i64::MIN), 4i8), (i128::from(i64::MAX), 9), (10i128.pow(37) + 1, 20)] {
            let mut bytes = Vec::new();
            push_decimal(&mut bytes, unscaled, scale);
            assert_eq!(read_decimal(&bytes, scale as u32), Some(unscaled));
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for spelling in ["", " 1", "1 ", "1,5", "1.4.1", "e5", ".", "-", "0x10", "1e", "1e5.5", "1_000", "--1", "1e200001", "-nan"]
        {
            let mut out = Vec::new();
            assert!(!push_text(&mut out, spelling), "{spelling}");
            assert!(out.is_empty());
        }
    }
}
