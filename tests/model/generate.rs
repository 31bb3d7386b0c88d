//! Random columns and random values in them.

use arrow::datatypes::TimeUnit;

use super::files::Format;
use super::kinds::{L, P};
use super::value::{DAY, Num, V};

/// A column of both sides.
#[derive(Clone, Debug)]
pub struct Column {
    pub name: String,
    pub ty: L,
    pub stored: [P; 2],
    /// Values that rows are made of; the fewer, the more rows agree in them.
    pub pool: Vec<V>,
}

/// What is possible with the formats of the two sides.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub formats: [Format; 2],
    /// Whether both sides store all columns alike, as two copies mostly do.
    pub alike: bool,
}

impl Bounds {
    pub fn has(&self, format: Format) -> bool {
        self.formats.contains(&format)
    }

    pub fn texts(&self) -> usize {
        self.formats.iter().filter(|format| format.is_text()).count()
    }
}

pub const UNITS: [TimeUnit; 4] = [TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Microsecond, TimeUnit::Nanosecond];

fn pick<T: Clone>(random: &mut fastrand::Rng, among: &[T]) -> T {
    among[random.usize(..among.len())].clone()
}

/// A column of a random type; `types` are the ones that this case has.
pub fn column(random: &mut fastrand::Rng, name: String, bounds: Bounds, types: &[L], rows: usize) -> Column {
    let ty = pick(random, types);
    let (ty, stored) = if bounds.texts() == 0 && !bounds.alike && random.u8(..) < 6 {
        let (ty, other) = pick(random, &[(L::Null, P::Null), (L::Num, P::Int(16, true)), (L::Text, P::Utf8)]);
        (ty, if random.bool() { [P::Null, other] } else { [other, P::Null] })
    } else {
        let stored = storage(random, &ty, bounds);
        (ty, stored)
    };
    let size = match random.u8(0..4) {
        0 => 1 + random.usize(0..3),
        1 => 10,
        _ => rows * 2 + 1,
    };
    let mut pool: Vec<V> = (0..size).map(|_| value(random, &ty, [&stored[0], &stored[1]], bounds)).collect();
    if random.bool() {
        pool.iter_mut().filter(|_| random.u8(0..6) == 0).for_each(|value| *value = V::Null);
    }
    if bounds.formats == [Format::Ndjson; 2] && random.bool() {
        pool.iter_mut().filter(|_| random.u8(0..6) == 0).for_each(|value| *value = V::Absent);
    }
    Column { name, ty, stored, pool }
}

/// All types that a case can have.
pub fn types(random: &mut fastrand::Rng, bounds: Bounds) -> Vec<L> {
    let all = match bounds.texts() {
        2 if bounds.formats == [Format::Csv; 2] => vec![L::Text],
        2 if bounds.has(Format::Csv) => vec![L::Text, L::Num],
        2 => vec![L::Text, L::Num, L::Bool, L::Json],
        texts => {
            let plain = [L::Num, L::Num, L::Float, L::Bool, L::Text, L::Date, L::Time, L::Stamp, L::Instant, L::Uuid, L::Json];
            let mut all = plain.to_vec();
            if texts == 0 {
                all.extend([L::Bytes, L::Interval]);
            }
            if bounds.alike && random.bool() {
                // Nothing but what is compared column by column.
                return all.into_iter().filter(|ty| *ty != L::Json).collect();
            }
            let inner = all.clone();
            let nested = |random: &mut fastrand::Rng| -> L {
                let one = pick(random, &inner);
                match random.u8(0..3) {
                    0 => L::List(one.into()),
                    1 => L::Struct(vec![one, pick(random, &inner)]),
                    _ => L::Map(if texts > 0 { L::Text } else { pick(random, &inner) }.into(), one.into()),
                }
            };
            let one = nested(random);
            all.extend([nested(random), L::List(one.into()), L::Struct(vec![L::List(L::Text.into()), L::Num])]);
            all
        }
    };
    // In some cases only a few of them.
    match random.u8(0..3) {
        0 => (0..1 + random.usize(0..2)).map(|_| pick(random, &all)).collect(),
        1 => (0..4).map(|_| pick(random, &all)).collect(),
        _ => all,
    }
}

/// How the two sides store a type, so that there is a comparison for them.
fn storage(random: &mut fastrand::Rng, ty: &L, bounds: Bounds) -> [P; 2] {
    let one = one_storage(random, ty, bounds);
    // Texts have the types of the other side; and often both sides store a column alike.
    if bounds.texts() > 0 || bounds.alike || random.u8(0..3) == 0 {
        return [one.clone(), one];
    }
    match ty {
        L::List(item) => {
            let [a, b] = storage(random, item, bounds);
            [list(random, a), list(random, b)]
        }
        L::Struct(fields) => {
            let pairs: Vec<[P; 2]> = fields.iter().map(|field| storage(random, field, bounds)).collect();
            [0, 1].map(|side| P::Struct(pairs.iter().map(|pair| pair[side].clone()).collect()))
        }
        L::Map(key, value) => {
            let (keys, values) = (storage(random, key, bounds), storage(random, value, bounds));
            [0, 1].map(|side| P::Map(keys[side].clone().into(), values[side].clone().into()))
        }
        _ => {
            let other = match (ty, &one) {
                (L::Num, P::Bool | P::F32 | P::F64) => {
                    let bits = pick(random, &[8, 16, 32, 64]);
                    P::Int(bits, random.bool())
                }
                (L::Num, _) if random.bool() => pick(random, &[P::Bool, P::F32, P::F64]),
                (L::Stamp, _) if random.bool() => pick(random, &[P::Date32, P::Date64]),
                (L::Instant, _) => {
                    let unit = pick(random, &UNITS);
                    pick(random, &[P::Date32, P::Stamp(unit), P::Instant(unit)])
                }
                (L::Uuid, _) => pick(random, &[P::Utf8, P::Utf8View, P::Binary, P::Fixed(16), P::BinaryView, P::Uuid]),
                (L::Json, _) => pick(random, &[P::Utf8, P::LargeUtf8, P::Utf8View]),
                _ => one_storage(random, ty, bounds),
            };
            if random.bool() { [one, other] } else { [other, one] }
        }
    }
}

fn list(random: &mut fastrand::Rng, item: P) -> P {
    match random.u8(0..4) {
        0 => P::LargeList(item.into()),
        1 => P::FixedList(item.into(), 2),
        _ => P::List(item.into()),
    }
}

fn one_storage(random: &mut fastrand::Rng, ty: &L, bounds: Bounds) -> P {
    let unit = pick(random, &UNITS);
    let plain = bounds.formats == [Format::Memory; 2];
    let in_files = bounds.has(Format::Parquet);
    match ty {
        L::Null => P::Null,
        L::Num => match random.u8(0..3) {
            0 => {
                let (width, most) = pick(random, &[(32, 9), (64, 18), (128, 38), (256, 76)]);
                let precision = random.u8(1..=most);
                let scale = if plain && random.u8(0..4) == 0 { -random.i8(0..3) } else { random.i8(0..=precision as i8) };
                P::Dec(width, precision, scale)
            }
            1 if plain && random.u8(0..4) == 0 => P::Runs(P::Int(32, true).into()),
            1 if plain && random.u8(0..4) == 0 => P::Dict(P::Int(64, true).into()),
            _ => P::Int(pick(random, &[8, 16, 32, 64]), random.bool()),
        },
        L::Float => pick(random, &[P::F32, P::F64]),
        L::Bool => P::Bool,
        L::Text => match random.u8(0..8) {
            0 if plain => P::Runs(P::Utf8.into()),
            1 if !bounds.has(Format::ArrowFile) => P::Dict(P::Utf8.into()),
            2 => P::LargeUtf8,
            3 | 4 => P::Utf8View,
            _ => P::Utf8,
        },
        L::Bytes => pick(random, &[P::Binary, P::LargeBinary, P::BinaryView, P::Fixed(3)]),
        L::Date => pick(random, &[P::Date32, P::Date64]),
        L::Time => P::Time(unit),
        L::Stamp => P::Stamp(unit),
        L::Instant => P::Instant(unit),
        L::Interval if in_files => pick(random, &[P::Months, P::DayTime]),
        L::Interval => pick(random, &[P::Months, P::DayTime, P::MonthDayNano, P::Duration(unit)]),
        L::Uuid => P::Uuid,
        L::Json => P::Json,
        L::List(item) => {
            let item = one_storage(random, item, bounds);
            list(random, item)
        }
        L::Struct(fields) => P::Struct(fields.iter().map(|field| one_storage(random, field, bounds)).collect()),
        L::Map(key, value) => P::Map(one_storage(random, key, bounds).into(), one_storage(random, value, bounds).into()),
    }
}

/// A value that all of the storages hold.
pub fn value(random: &mut fastrand::Rng, ty: &L, stored: [&P; 2], bounds: Bounds) -> V {
    for _ in 0..30 {
        let value = any(random, ty, stored[0], bounds);
        if stored.iter().all(|stored| stored.fits(&value)) {
            return value;
        }
    }
    V::Null
}

fn any(random: &mut fastrand::Rng, ty: &L, stored: &P, bounds: Bounds) -> V {
    let texts = bounds.texts() > 0;
    if random.u8(0..40) == 0 && !matches!(ty, L::Text | L::Bytes | L::Bool) {
        // Only text that is read as another type holds this; in an untyped document it would be a string.
        let garbage = pick(random, &["x", "1,5", "2024-02-30", "{", "", "0x10", "tru", "--1"]);
        let nested = matches!(ty, L::List(_) | L::Struct(_) | L::Map(..));
        // Within JSON any string is a document.
        let is_document = *ty == L::Json && texts;
        if !nested && !is_document && (bounds.texts() == 1 || !texts && matches!(ty, L::Uuid | L::Json)) {
            return V::Garbage(garbage.to_string());
        }
    }
    let far = |random: &mut fastrand::Rng| match random.u8(0..4) {
        0 if !texts => random.i64(-99_999_999..99_999_999),
        1 => random.i64(-700_000..2_900_000),
        _ => random.i64(19_000..19_010),
    };
    let part = |random: &mut fastrand::Rng| {
        let unit = pick(random, &[1, 1_000, 1_000_000, 1_000_000_000, 3_600_000_000_000, DAY]);
        random.i64(0..86_400_000_000_000) as i128 / unit * unit
    };
    match ty {
        L::Null => V::Null,
        L::Num => V::Num(number(random)),
        L::Float => V::float(match random.u8(0..12) {
            0 => f64::NAN,
            1 => f64::INFINITY,
            2 => f64::NEG_INFINITY,
            3 => f64::from_bits(random.u64(..)),
            4 => f64::from(f32::from_bits(random.u32(..))),
            5 => f64::from(random.f32()),
            6 => f64::from_bits(random.u64(0..5)),
            7 => f64::from(0.1f32),
            8 => 0.1,
            _ => f64::from(random.i8(..)) / 4.0,
        }),
        L::Bool => V::Bool(random.bool()),
        L::Text => V::Text(words(random)),
        L::Bytes => {
            let len = if let P::Fixed(width) = stored { *width as usize } else { random.usize(0..5) };
            V::Bytes((0..len).map(|_| pick(random, &[0, 1, 3, 127, 255])).collect())
        }
        L::Date => V::Date(far(random).into()),
        L::Time => V::Time(part(random)),
        L::Stamp => V::Stamp(i128::from(far(random)) * DAY + if random.bool() { part(random) % DAY } else { 0 }),
        L::Instant => V::Instant(i128::from(far(random)) * DAY + if random.bool() { part(random) % DAY } else { 0 }),
        L::Interval => {
            let small = |random: &mut fastrand::Rng| if random.bool() { 0 } else { i128::from(random.i16(-400..400)) };
            let at = if random.bool() { small(random) * 1_000_000 } else { part(random) };
            V::Interval(small(random), small(random), at)
        }
        L::Uuid if random.u8(0..20) == 0 && !texts => V::Bytes(vec![7; random.usize(0..16)]),
        L::Uuid => V::Uuid((u128::from(random.u64(0..1000)) << 64 | u128::from(random.u8(0..3))).to_be_bytes()),
        L::Json => match document(random, 0) {
            // A column of nothing but numbers, or strings, is one of numbers or strings in NDJSON, not of documents.
            scalar @ (V::Num(_) | V::Text(_)) if texts => V::Json(Box::new(V::List(vec![scalar]))),
            document => V::Json(Box::new(document)),
        },
        L::List(item) => {
            let inner = if let P::List(inner) | P::LargeList(inner) | P::FixedList(inner, _) = stored { inner } else { stored };
            V::List((0..random.usize(0..4)).map(|_| any_or_null(random, item, inner, bounds)).collect())
        }
        L::Struct(fields) => {
            let P::Struct(inner) = stored else { return V::Null };
            V::Struct(fields.iter().zip(inner).map(|(ty, inner)| any_or_null(random, ty, inner, bounds)).collect())
        }
        L::Map(key, held) => {
            let P::Map(inner_key, inner) = stored else { return V::Null };
            let mut entries: Vec<(V, V)> = Vec::new();
            for _ in 0..random.usize(0..4) {
                let key = any(random, key, inner_key, bounds);
                let known = entries.iter().any(|(other, _)| *other == key);
                if key != V::Null && !(known && (texts || random.bool())) {
                    entries.push((key, any_or_null(random, held, inner, bounds)));
                }
            }
            V::map(entries)
        }
    }
}

fn any_or_null(random: &mut fastrand::Rng, ty: &L, stored: &P, bounds: Bounds) -> V {
    if random.u8(0..5) == 0 { V::Null } else { any(random, ty, stored, bounds) }
}

pub fn number(random: &mut fastrand::Rng) -> Num {
    match random.u8(0..10) {
        0..=4 => Num::of(random.i32(-3..300).into()),
        5 => {
            let power = 1i128 << random.u32(0..65);
            Num::of(power * if random.bool() { 1 } else { -1 } + i128::from(random.i8(-1..=1)))
        }
        6 => Num::parse(&format!("{}e-2", random.i32(-300..300))).unwrap(),
        7 => Num::of(random.i64(..).into()),
        _ => {
            let digits: String = (0..random.usize(1..76)).map(|_| random.digit(10)).collect();
            let sign = if random.bool() { "-" } else { "" };
            Num::parse(&format!("{sign}{digits}e-{}", random.u8(0..40))).unwrap()
        }
    }
}

pub fn words(random: &mut fastrand::Rng) -> String {
    const TRAPS: [&str; 30] = [
        "",
        " ",
        "NULL",
        "null",
        "a|b",
        "a,b",
        "a\"b",
        "\"",
        "\"\"",
        "a ",
        "a",
        "A",
        "\\N",
        "0",
        "1",
        "1.0",
        "\t",
        "\n",
        "x\r\n",
        "\r",
        "é",
        "e\u{301}",
        "😀",
        "\0",
        "twelve bytes",
        "thirteen byte",
        "{}",
        "[1]",
        "true",
        "-",
    ];
    match random.u8(0..10) {
        0..=3 => TRAPS[random.usize(..TRAPS.len())].to_string(),
        4 => "long ".repeat(random.usize(40..70)) + &random.u8(..).to_string(),
        5 => "more than what fits a view".to_string() + &random.u8(..).to_string(),
        _ => (0..random.usize(1..10)).map(|_| random.alphanumeric()).collect(),
    }
}

fn document(random: &mut fastrand::Rng, depth: usize) -> V {
    match random.u8(0..if depth < 3 { 6 } else { 3 }) {
        0 => V::Num(number(random)),
        // Strings that nothing but a string can be taken for.
        1 => V::Text(format!("s{}", words(random))),
        2 if depth == 0 => V::List(Vec::new()),
        2 => pick(random, &[V::Null, V::Bool(true), V::Bool(false)]),
        3 | 4 => V::List((0..random.usize(0..3)).map(|_| document(random, depth + 1)).collect()),
        _ => {
            let mut members: Vec<(V, V)> = Vec::new();
            for _ in 0..random.usize(0..3) {
                let name = V::Text(words(random));
                if members.iter().all(|(known, _)| *known != name) {
                    members.push((name, document(random, depth + 1)));
                }
            }
            V::map(members)
        }
    }
}
