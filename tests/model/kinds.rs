//! The types that columns can have: what is meant, and how each side stores it.

use std::collections::HashMap;

use arrow::datatypes::{DataType, Field, Fields, IntervalUnit, TimeUnit};

use super::value::{DAY, Num, V};

/// What the values of a column are.
#[derive(Clone, Debug, PartialEq)]
pub enum L {
    Null,
    Num,
    Float,
    Bool,
    Text,
    Bytes,
    Date,
    Time,
    Stamp,
    Instant,
    Interval,
    Uuid,
    Json,
    List(Box<L>),
    Struct(Vec<L>),
    Map(Box<L>, Box<L>),
}

/// How a side stores a column.
#[derive(Clone, Debug, PartialEq)]
pub enum P {
    Null,
    Int(u8, bool),
    /// Width, precision, scale.
    Dec(u16, u8, i8),
    F32,
    F64,
    Bool,
    Utf8,
    LargeUtf8,
    Utf8View,
    Binary,
    LargeBinary,
    BinaryView,
    Fixed(i32),
    Date32,
    Date64,
    Time(TimeUnit),
    Stamp(TimeUnit),
    Instant(TimeUnit),
    Duration(TimeUnit),
    Months,
    DayTime,
    MonthDayNano,
    Uuid,
    Json,
    Dict(Box<P>),
    Runs(Box<P>),
    List(Box<P>),
    LargeList(Box<P>),
    FixedList(Box<P>, i32),
    Struct(Vec<P>),
    Map(Box<P>, Box<P>),
}

/// Nanoseconds of a unit.
pub fn nanos(unit: TimeUnit) -> i128 {
    match unit {
        TimeUnit::Second => 1_000_000_000,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1_000,
        TimeUnit::Nanosecond => 1,
    }
}

impl P {
    pub fn data_type(&self) -> DataType {
        match self {
            P::Null => DataType::Null,
            P::Int(8, true) => DataType::Int8,
            P::Int(16, true) => DataType::Int16,
            P::Int(32, true) => DataType::Int32,
            P::Int(_, true) => DataType::Int64,
            P::Int(8, false) => DataType::UInt8,
            P::Int(16, false) => DataType::UInt16,
            P::Int(32, false) => DataType::UInt32,
            P::Int(_, false) => DataType::UInt64,
            P::Dec(32, precision, scale) => DataType::Decimal32(*precision, *scale),
            P::Dec(64, precision, scale) => DataType::Decimal64(*precision, *scale),
            P::Dec(128, precision, scale) => DataType::Decimal128(*precision, *scale),
            P::Dec(_, precision, scale) => DataType::Decimal256(*precision, *scale),
            P::F32 => DataType::Float32,
            P::F64 => DataType::Float64,
            P::Bool => DataType::Boolean,
            P::Utf8 | P::Json => DataType::Utf8,
            P::LargeUtf8 => DataType::LargeUtf8,
            P::Utf8View => DataType::Utf8View,
            P::Binary => DataType::Binary,
            P::LargeBinary => DataType::LargeBinary,
            P::BinaryView => DataType::BinaryView,
            P::Fixed(width) => DataType::FixedSizeBinary(*width),
            P::Uuid => DataType::FixedSizeBinary(16),
            P::Date32 => DataType::Date32,
            P::Date64 => DataType::Date64,
            P::Time(unit @ (TimeUnit::Second | TimeUnit::Millisecond)) => DataType::Time32(*unit),
            P::Time(unit) => DataType::Time64(*unit),
            P::Stamp(unit) => DataType::Timestamp(*unit, None),
            P::Instant(unit) => DataType::Timestamp(*unit, Some("+05:30".into())),
            P::Duration(unit) => DataType::Duration(*unit),
            P::Months => DataType::Interval(IntervalUnit::YearMonth),
            P::DayTime => DataType::Interval(IntervalUnit::DayTime),
            P::MonthDayNano => DataType::Interval(IntervalUnit::MonthDayNano),
            P::Dict(values) => DataType::Dictionary(Box::new(DataType::Int32), Box::new(values.data_type())),
            P::Runs(values) => {
                let ends = Field::new("run_ends", DataType::Int32, false);
                DataType::RunEndEncoded(ends.into(), values.field("values").into())
            }
            P::List(item) => DataType::List(item.field("item").into()),
            P::LargeList(item) => DataType::LargeList(item.field("item").into()),
            P::FixedList(item, width) => DataType::FixedSizeList(item.field("item").into(), *width),
            P::Struct(fields) => DataType::Struct(struct_fields(fields)),
            P::Map(key, value) => {
                let fields = Fields::from(vec![key.field("keys").with_nullable(false), value.field("values")]);
                DataType::Map(Field::new("entries", DataType::Struct(fields), false).into(), false)
            }
        }
    }

    pub fn field(&self, name: &str) -> Field {
        let field = Field::new(name, self.data_type(), true);
        let extension = match self {
            P::Uuid => "arrow.uuid",
            P::Json => "arrow.json",
            _ => return field,
        };
        field.with_metadata(HashMap::from([("ARROW:extension:name".to_string(), extension.to_string())]))
    }

    /// Whether the value can be stored so without loss.
    pub fn fits(&self, value: &V) -> bool {
        let within = |value: i128, unit: i128| value % unit == 0 && i64::try_from(value / unit).is_ok();
        match (self, value) {
            (_, V::Null | V::Absent) => true,
            (P::Dict(values) | P::Runs(values), _) => values.fits(value),
            (P::Int(bits, signed), V::Num(num)) => num.whole().is_some_and(|whole| {
                let high = if *signed { *bits - 1 } else { *bits };
                whole < 1 << high && whole >= if *signed { -(1 << high) } else { 0 }
            }),
            (P::Dec(_, precision, scale), V::Num(num)) => num
                .scaled((*scale).into())
                .is_some_and(|text| text.trim_start_matches('-').trim_start_matches('0').len() <= usize::from(*precision)),
            (P::F64, V::Num(num)) => num.text().parse().is_ok_and(|float| Num::of_f64(float) == *num),
            (P::F32, V::Num(num)) => num.text().parse().is_ok_and(|float| Num::of_f32(float) == *num),
            (P::Bool, V::Num(num)) => matches!(num.whole(), Some(0 | 1)),
            (P::Bool, V::Bool(_)) | (P::F64, V::Float(_)) => true,
            (P::F32, V::Float(float)) => float.get().is_nan() || f64::from(float.get() as f32) == float.get(),
            (P::Utf8 | P::LargeUtf8 | P::Utf8View, V::Text(_) | V::Garbage(_) | V::Uuid(_) | V::Json(_)) => true,
            (P::Json, V::Json(_) | V::Garbage(_)) => true,
            (P::Binary | P::LargeBinary | P::BinaryView, V::Bytes(_) | V::Uuid(_)) => true,
            (P::Fixed(width), V::Bytes(bytes)) => bytes.len() == *width as usize,
            (P::Fixed(16) | P::Uuid, V::Uuid(_)) => true,
            (P::Date32, V::Date(days)) => i32::try_from(*days).is_ok(),
            (P::Date64, V::Date(days)) => i64::try_from(days * 86_400_000).is_ok(),
            (P::Date32, V::Stamp(at) | V::Instant(at)) => at % DAY == 0 && i32::try_from(at / DAY).is_ok(),
            (P::Date64, V::Stamp(at) | V::Instant(at)) => within(*at, 1_000_000),
            (P::Time(unit), V::Time(at)) => (0..DAY).contains(at) && at % nanos(*unit) == 0,
            (P::Stamp(unit), V::Stamp(at)) => within(*at, nanos(*unit)),
            (P::Stamp(unit) | P::Instant(unit), V::Instant(at)) => within(*at, nanos(*unit)),
            (P::Duration(unit), V::Interval(0, 0, at)) => within(*at, nanos(*unit)),
            (P::Months, V::Interval(months, 0, 0)) => i32::try_from(*months).is_ok(),
            (P::DayTime, V::Interval(0, days, at)) => {
                i32::try_from(*days).is_ok() && at % 1_000_000 == 0 && i32::try_from(at / 1_000_000).is_ok()
            }
            (P::MonthDayNano, V::Interval(months, days, at)) => {
                i32::try_from(*months).is_ok() && i32::try_from(*days).is_ok() && i64::try_from(*at).is_ok()
            }
            (P::List(item) | P::LargeList(item), V::List(items)) => items.iter().all(|value| item.fits(value)),
            (P::FixedList(item, width), V::List(items)) => {
                items.len() == *width as usize && items.iter().all(|value| item.fits(value))
            }
            (P::Struct(fields), V::Struct(values)) => fields.iter().zip(values).all(|(field, value)| field.fits(value)),
            (P::Map(key, value), V::Map(entries)) => entries.iter().all(|(k, v)| key.fits(k) && value.fits(v)),
            _ => false,
        }
    }
}

pub fn struct_fields(fields: &[P]) -> Fields {
    fields.iter().enumerate().map(|(i, field)| field.field(&format!("f{i}"))).collect()
}
