//! Reads canonical bytes back as values of the model, by their description and not by the library's code.

use num_bigint::{BigInt, Sign};

use super::kinds::{L, P};
use super::text;
use super::value::{Float, Num, V};

/// The values that follow one another in some bytes.
pub fn values(mut bytes: &[u8]) -> Vec<(u8, &[u8])> {
    let mut found = Vec::new();
    while let [tag, short, rest @ ..] = bytes {
        let (len, rest) = match short {
            255 => (u64::from_be_bytes(rest[..8].try_into().unwrap()) as usize, &rest[8..]),
            short => (usize::from(*short), rest),
        };
        found.push((*tag, &rest[..len]));
        bytes = &rest[len..];
    }
    assert!(bytes.is_empty(), "nothing follows the last value");
    found
}

/// The values of a row whose columns are of these types.
pub fn row(types: &[(&L, &P)], bytes: &[u8]) -> Vec<V> {
    let values = values(bytes);
    assert_eq!(values.len(), types.len(), "as many values as columns");
    values.into_iter().zip(types).map(|((tag, bytes), (ty, stored))| value(ty, stored, tag, bytes)).collect()
}

fn value(ty: &L, stored: &P, tag: u8, bytes: &[u8]) -> V {
    let whole = || number(bytes).whole().expect("a whole number");
    match (tag, ty) {
        (0, _) => V::Null,
        (1, _) => V::Absent,
        (2, L::Num) => V::num(bytes[0].into()),
        (2, _) => V::Bool(bytes == [1]),
        (3, L::Float) if *stored == P::F32 => V::float(number(bytes).text().parse::<f32>().unwrap().into()),
        (3, L::Float) => V::float(number(bytes).text().parse().unwrap()),
        (3, L::Json) => V::Json(Box::new(V::Num(number(bytes)))),
        (3, _) => V::Num(number(bytes)),
        (4, _) => V::Float(float(bytes)),
        (5, _) => V::Date(whole()),
        (6, _) => V::Time(whole()),
        (7, _) => V::Stamp(whole()),
        (8, _) => V::Instant(whole()),
        (9, _) => {
            let parts: Vec<i128> = values(bytes).iter().map(|(_, bytes)| number(bytes).whole().unwrap()).collect();
            V::Interval(parts[0], parts[1], parts[2])
        }
        (10, _) => V::Uuid(bytes.try_into().unwrap()),
        (11, _) => text::read(ty, std::str::from_utf8(bytes).unwrap()),
        (12, _) => V::Bytes(bytes.to_vec()),
        (13, _) => match (ty, document(values(bytes)[0])) {
            (L::Json, document) => V::Json(Box::new(document)),
            (_, document) => document,
        },
        (14, L::List(item)) => {
            let inner = if let P::List(inner) | P::LargeList(inner) | P::FixedList(inner, _) = stored { inner } else { stored };
            V::List(values(bytes).into_iter().map(|(tag, bytes)| value(item, inner, tag, bytes)).collect())
        }
        (15, L::Struct(fields)) => {
            let P::Struct(inner) = stored else { panic!("a struct is stored as one") };
            let parts = values(bytes).into_iter().zip(fields.iter().zip(inner));
            V::Struct(parts.map(|((tag, bytes), (ty, inner))| value(ty, inner, tag, bytes)).collect())
        }
        (16, L::Map(key, held)) => {
            let P::Map(inner_key, inner) = stored else { panic!("a map is stored as one") };
            let parts = values(bytes);
            let entry =
                |pair: &[(u8, &[u8])]| (value(key, inner_key, pair[0].0, pair[0].1), value(held, inner, pair[1].0, pair[1].1));
            V::map(parts.chunks(2).map(entry).collect())
        }
        (17, _) => V::Garbage(String::from_utf8(bytes.to_vec()).unwrap()),
        _ => panic!("tag {tag} in a column of {ty:?}"),
    }
}

fn document((tag, bytes): (u8, &[u8])) -> V {
    match tag {
        0 => V::Null,
        2 => V::Bool(bytes == [1]),
        3 => V::Num(number(bytes)),
        11 => V::Text(String::from_utf8(bytes.to_vec()).unwrap()),
        14 => V::List(values(bytes).into_iter().map(document).collect()),
        16 => V::Map(values(bytes).chunks(2).map(|pair| (document(pair[0]), document(pair[1]))).collect()),
        _ => panic!("tag {tag} in a document"),
    }
}

/// A number: a floor, and pairs of digits above it.
pub fn number(bytes: &[u8]) -> Num {
    let (header, body) = (bytes[0], &bytes[1..]);
    match header {
        0xFF => return Num::NaN,
        0xFE | 0x01 => return Num::Infinite { negative: header == 1 },
        _ => {}
    }
    let negative = header < 0x80;
    let mut len = usize::from(header.abs_diff(0x80));
    let mut body = body;
    if len == 120 {
        let count = u32::from_be_bytes(body[..4].try_into().unwrap());
        len = if negative { !count } else { count } as usize;
        body = &body[4..];
    }
    let magnitude: Vec<u8> = body[..len].iter().map(|&byte| if negative { !byte } else { byte }).collect();
    let mut unscaled = BigInt::from_bytes_be(if negative { Sign::Minus } else { Sign::Plus }, &magnitude);
    let pairs = &body[len..];
    for &pair in pairs {
        unscaled = unscaled * 100 + pair;
    }
    Num::parse(&format!("{unscaled}e-{}", 2 * pairs.len())).unwrap()
}

fn float(bytes: &[u8]) -> Float {
    let bits = u64::from_be_bytes(bytes.try_into().unwrap());
    Float::of(f64::from_bits(if bits >> 63 == 1 { bits ^ 1 << 63 } else { !bits }))
}
