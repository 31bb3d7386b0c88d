//! What the model knows of values: its own notion of equality, which shares nothing with the library's.

use std::cmp::Ordering;

/// Nanoseconds in a day.
pub const DAY: i128 = 86_400_000_000_000;

/// A value of a cell. Two cells are equal when these are.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum V {
    Null,
    /// A member that an NDJSON object does not have, where the other side is NDJSON as well.
    Absent,
    Bool(bool),
    Num(Num),
    Float(Float),
    /// Days.
    Date(i128),
    /// Nanoseconds, as all that follow.
    Time(i128),
    Stamp(i128),
    Instant(i128),
    Interval(i128, i128, i128),
    Uuid([u8; 16]),
    Text(String),
    Bytes(Vec<u8>),
    Json(Box<V>),
    List(Vec<V>),
    Struct(Vec<V>),
    /// Ordered by key and value.
    Map(Vec<(V, V)>),
    /// Text that is no value of the column's type.
    Garbage(String),
}

/// A float by the order of its value: one NaN above all, one zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Float(i64);

impl Float {
    pub fn of(value: f64) -> Float {
        let value = if value.is_nan() { f64::NAN.abs() } else { value + 0.0 };
        let bits = value.to_bits() as i64;
        Float(if bits < 0 { i64::MIN - bits } else { bits })
    }

    pub fn get(self) -> f64 {
        f64::from_bits(if self.0 < 0 { i64::MIN - self.0 } else { self.0 } as u64)
    }
}

/// A number by its decimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Num {
    Infinite {
        negative: bool,
    },
    NaN,
    /// `0.digits * 10^point`, without zeros at either end; zero has no digits.
    Finite {
        negative: bool,
        digits: String,
        point: i64,
    },
}

impl Num {
    /// Reads an optional sign, digits with an optional point, and an optional exponent.
    pub fn parse(text: &str) -> Option<Num> {
        match text {
            "NaN" => return Some(Num::NaN),
            "inf" | "Infinity" => return Some(Num::Infinite { negative: false }),
            "-inf" | "-Infinity" => return Some(Num::Infinite { negative: true }),
            _ => {}
        }
        let lower = text.to_lowercase();
        let (mantissa, exponent) = lower.split_once('e').unwrap_or((&lower, "0"));
        let negative = mantissa.starts_with('-');
        let mantissa = mantissa.trim_start_matches(['-', '+']);
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        if all.is_empty() || !all.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let digits = all.trim_start_matches('0');
        let point = whole.len() as i64 + exponent.parse::<i64>().ok()? - (all.len() - digits.len()) as i64;
        let digits = digits.trim_end_matches('0').to_string();
        Some(match digits.is_empty() {
            true => Num::Finite { negative: false, digits, point: 0 },
            false => Num::Finite { negative, digits, point },
        })
    }

    pub fn of(value: i128) -> Num {
        Num::parse(&value.to_string()).unwrap()
    }

    /// The shortest decimal, as servers and most writers of JSON spell it: of two that are equally close the even one.
    ///
    /// Failure: seed 66668 was a difference between a float and its own text. Cause: the text was Rust's, which is the
    /// greater one of two decimals that are equally close, 0.5990066528320313 for 0.59900665283203125. Fix: spelled by Ryu.
    pub fn of_f64(value: f64) -> Num {
        Num::parse(&ryu::Buffer::new().format(value).replace("-NaN", "NaN")).unwrap()
    }

    pub fn of_f32(value: f32) -> Num {
        Num::parse(&ryu::Buffer::new().format(value).replace("-NaN", "NaN")).unwrap()
    }

    /// The number without an exponent.
    pub fn text(&self) -> String {
        let (negative, digits, point) = match self {
            Num::NaN => return "NaN".into(),
            Num::Infinite { negative } => return if *negative { "-Infinity" } else { "Infinity" }.into(),
            Num::Finite { negative, digits, point } => (*negative, digits, *point),
        };
        let zeros = |count: i64| "0".repeat(count.max(0) as usize);
        let len = digits.len() as i64;
        let body = match point {
            point if point <= 0 && len == 0 => format!("0{}", zeros(point)),
            point if point <= 0 => format!("0.{}{digits}", zeros(-point)),
            point if point >= len => format!("{digits}{}", zeros(point - len)),
            point => format!("{}.{}", &digits[..point as usize], &digits[point as usize..]),
        };
        if negative { format!("-{body}") } else { body }
    }

    /// The number times `10^scale`, if that is whole and fits.
    pub fn scaled(&self, scale: i64) -> Option<String> {
        let Num::Finite { negative, digits, point } = self else { return None };
        let point = point + if digits.is_empty() { 0 } else { scale };
        if point < digits.len() as i64 {
            return None;
        }
        Some(Num::Finite { negative: *negative, digits: digits.clone(), point }.text())
    }

    pub fn whole(&self) -> Option<i128> {
        self.scaled(0)?.parse().ok()
    }
}

impl Ord for Num {
    fn cmp(&self, other: &Num) -> Ordering {
        let rank = |num: &Num| match num {
            Num::Infinite { negative: true } => -2,
            Num::Finite { negative: true, .. } => -1,
            Num::Finite { digits, .. } if digits.is_empty() => 0,
            Num::Finite { .. } => 1,
            Num::Infinite { .. } => 2,
            Num::NaN => 3,
        };
        rank(self).cmp(&rank(other)).then_with(|| match (self, other) {
            (Num::Finite { negative, digits, point }, Num::Finite { digits: others, point: other_point, .. }) => {
                let order = point.cmp(other_point).then_with(|| digits.cmp(others));
                if *negative { order.reverse() } else { order }
            }
            _ => Ordering::Equal,
        })
    }
}

impl PartialOrd for Num {
    fn partial_cmp(&self, other: &Num) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl V {
    pub fn num(value: i128) -> V {
        V::Num(Num::of(value))
    }

    /// A value that differs in its last place alone.
    pub fn nearly(&self) -> Option<V> {
        match self {
            V::Bool(value) => Some(V::Bool(!value)),
            V::Num(num) => num.whole().map(|whole| V::Num(Num::of(whole ^ 1))),
            V::Text(text) => {
                let mut text = text.clone();
                let last = if text.pop()? == 'x' { 'y' } else { 'x' };
                text.push(last);
                Some(V::Text(text))
            }
            V::Bytes(bytes) => {
                let mut bytes = bytes.clone();
                *bytes.last_mut()? ^= 1;
                Some(V::Bytes(bytes))
            }
            _ => None,
        }
    }

    pub fn float(value: f64) -> V {
        V::Float(Float::of(value))
    }

    pub fn map(mut entries: Vec<(V, V)>) -> V {
        entries.sort();
        V::Map(entries)
    }
}
