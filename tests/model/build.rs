//! Values of the model as arrow arrays.

use std::sync::Arc;

use arrow::array::*;
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::compute::cast;
use arrow::datatypes::*;

use super::kinds::{P, nanos, struct_fields};
use super::text::spell;
use super::value::{DAY, V};

/// An array of the values. It may be a slice of a larger one, and what NULLs hide is not always zero.
pub fn array(ty: &P, values: &[V], random: &mut fastrand::Rng) -> ArrayRef {
    let before = if random.bool() && !values.is_empty() { random.usize(0..3) } else { 0 };
    let mut padded: Vec<V> = (0..before).map(|_| values[random.usize(..values.len())].clone()).collect();
    padded.extend_from_slice(values);
    let array = if random.bool() { whole(ty, &padded, random) } else { hiding(ty, &padded, random) };
    array.slice(before, values.len())
}

/// The array, with other values beneath its NULLs.
fn hiding(ty: &P, values: &[V], random: &mut fastrand::Rng) -> ArrayRef {
    let known: Vec<&V> = values.iter().filter(|value| **value != V::Null).collect();
    if known.is_empty() || matches!(ty, P::Null | P::Dict(_) | P::Runs(_)) {
        return whole(ty, values, random);
    }
    let mut shown = |value: &V| if *value == V::Null { known[random.usize(..known.len())].clone() } else { value.clone() };
    let filled: Vec<V> = values.iter().map(&mut shown).collect();
    let array = whole(ty, &filled, random);
    let nulls = NullBuffer::union(array.nulls(), nulls(values).as_ref());
    make_array(array.to_data().into_builder().nulls(nulls).build().unwrap())
}

fn whole(ty: &P, values: &[V], random: &mut fastrand::Rng) -> ArrayRef {
    macro_rules! primitives {
        ($array:ty, $native:ty, $get:expr) => {
            Arc::new(values.iter().map(|value| Some(<$native>::try_from(integer(value, $get)?).unwrap())).collect::<$array>())
        };
    }
    match ty {
        P::Null => Arc::new(NullArray::new(values.len())),
        P::Int(8, true) => primitives!(Int8Array, i8, 1),
        P::Int(16, true) => primitives!(Int16Array, i16, 1),
        P::Int(32, true) => primitives!(Int32Array, i32, 1),
        P::Int(_, true) => primitives!(Int64Array, i64, 1),
        P::Int(8, false) => primitives!(UInt8Array, u8, 1),
        P::Int(16, false) => primitives!(UInt16Array, u16, 1),
        P::Int(32, false) => primitives!(UInt32Array, u32, 1),
        P::Int(_, false) => primitives!(UInt64Array, u64, 1),
        P::Dec(width, precision, scale) => decimals(*width, *precision, *scale, values),
        P::F32 => {
            let mut any = |f: f64| if f.is_nan() { f32::from_bits(0x7FC0_0000 | random.u32(..)) } else { f as f32 };
            Arc::new(values.iter().map(|value| float(value).map(&mut any)).collect::<Float32Array>())
        }
        P::F64 => {
            let mut any = |f: f64| match f {
                0.0 if random.bool() => -0.0,
                f if f.is_nan() => f64::from_bits(0x7FF8_0000_0000_0000 | random.u64(..)),
                f => f,
            };
            Arc::new(values.iter().map(|value| float(value).map(&mut any)).collect::<Float64Array>())
        }
        P::Bool => {
            let get = |value: &V| match value {
                V::Bool(value) => Some(*value),
                other => integer(other, 1).map(|value| value == 1),
            };
            Arc::new(values.iter().map(get).collect::<BooleanArray>())
        }
        P::Utf8 | P::Json => Arc::new(texts(values, random).into_iter().collect::<StringArray>()),
        P::LargeUtf8 => Arc::new(texts(values, random).into_iter().collect::<LargeStringArray>()),
        P::Utf8View => Arc::new(texts(values, random).into_iter().collect::<StringViewArray>()),
        P::Binary => Arc::new(values.iter().map(bytes).collect::<BinaryArray>()),
        P::LargeBinary => Arc::new(values.iter().map(bytes).collect::<LargeBinaryArray>()),
        P::BinaryView => Arc::new(values.iter().map(bytes).collect::<BinaryViewArray>()),
        P::Fixed(_) | P::Uuid => {
            let width = if let P::Fixed(width) = ty { *width } else { 16 };
            Arc::new(FixedSizeBinaryArray::try_from_sparse_iter_with_size(values.iter().map(bytes), width).unwrap())
        }
        P::Date32 => primitives!(Date32Array, i32, DAY),
        P::Date64 => primitives!(Date64Array, i64, 1_000_000),
        P::Time(TimeUnit::Second) => primitives!(Time32SecondArray, i32, 1_000_000_000),
        P::Time(TimeUnit::Millisecond) => primitives!(Time32MillisecondArray, i32, 1_000_000),
        P::Time(TimeUnit::Microsecond) => primitives!(Time64MicrosecondArray, i64, 1_000),
        P::Time(TimeUnit::Nanosecond) => primitives!(Time64NanosecondArray, i64, 1),
        P::Stamp(unit) | P::Instant(unit) | P::Duration(unit) => {
            let whole: ArrayRef = primitives!(Int64Array, i64, nanos(*unit));
            cast(&whole, &ty.data_type()).unwrap()
        }
        P::Months => Arc::new(values.iter().map(|value| Some(interval(value)?.0)).collect::<IntervalYearMonthArray>()),
        P::DayTime => {
            let get = |value| interval(value).map(|(_, days, at)| IntervalDayTime::new(days, (at / 1_000_000) as i32));
            Arc::new(values.iter().map(get).collect::<IntervalDayTimeArray>())
        }
        P::MonthDayNano => {
            let get = |value| interval(value).map(|(months, days, at)| IntervalMonthDayNano::new(months, days, at));
            Arc::new(values.iter().map(get).collect::<IntervalMonthDayNanoArray>())
        }
        P::Dict(inner) => {
            let plain = whole(inner, values, random);
            cast(&plain, &ty.data_type()).unwrap()
        }
        P::Runs(inner) => runs(inner, values, random),
        P::List(item) => {
            let (items, ends, nulls) = items(item, values, random);
            let offsets = OffsetBuffer::new(ends.into_iter().map(|end| end as i32).collect::<ScalarBuffer<i32>>());
            Arc::new(ListArray::new(item.field("item").into(), offsets, items, nulls))
        }
        P::LargeList(item) => {
            let (items, ends, nulls) = items(item, values, random);
            let offsets = OffsetBuffer::new(ends.into_iter().map(|end| end as i64).collect::<ScalarBuffer<i64>>());
            Arc::new(LargeListArray::new(item.field("item").into(), offsets, items, nulls))
        }
        P::FixedList(item, width) => {
            let hidden = vec![V::Null; *width as usize];
            let all: Vec<V> =
                values.iter().flat_map(|value| if let V::List(items) = value { items.clone() } else { hidden.clone() }).collect();
            let items = array(item, &all, random);
            Arc::new(FixedSizeListArray::new(item.field("item").into(), *width, items, nulls(values)))
        }
        P::Struct(fields) => {
            let donor = values.iter().find(|value| matches!(value, V::Struct(_)));
            let field = |i: usize| {
                let get = |value: &V| match (value, donor) {
                    (V::Struct(values), _) => values[i].clone(),
                    // What a NULL hides is anything.
                    (_, Some(V::Struct(values))) => values[i].clone(),
                    _ => V::Null,
                };
                values.iter().map(get).collect::<Vec<V>>()
            };
            let columns = fields.iter().enumerate().map(|(i, ty)| array(ty, &field(i), random)).collect();
            Arc::new(StructArray::new(struct_fields(fields), columns, nulls(values)))
        }
        P::Map(key, value) => {
            let (mut keys, mut held, mut ends) = (Vec::new(), Vec::new(), vec![0i32]);
            for one in values {
                if let V::Map(entries) = one {
                    let mut entries = entries.clone();
                    random.shuffle(&mut entries);
                    for (key, value) in entries {
                        keys.push(key);
                        held.push(value);
                    }
                }
                ends.push(keys.len() as i32);
            }
            let DataType::Map(field, _) = ty.data_type() else { unreachable!() };
            let DataType::Struct(fields) = field.data_type() else { unreachable!() };
            let columns = vec![array(key, &keys, random), array(value, &held, random)];
            let entries = StructArray::new(fields.clone(), columns, None);
            Arc::new(MapArray::new(field, OffsetBuffer::new(ends.into()), entries, nulls(values), false))
        }
    }
}

fn nulls(values: &[V]) -> Option<NullBuffer> {
    Some(values.iter().map(|value| *value != V::Null).collect())
}

/// A whole number, or a moment in units.
fn integer(value: &V, unit: i128) -> Option<i128> {
    match value {
        V::Num(num) => num.whole(),
        V::Date(days) => Some(days * DAY / unit),
        V::Time(at) | V::Stamp(at) | V::Instant(at) | V::Interval(0, 0, at) => Some(at / unit),
        _ => None,
    }
}

fn float(value: &V) -> Option<f64> {
    match value {
        V::Float(float) => Some(float.get()),
        V::Num(num) => num.text().parse().ok(),
        _ => None,
    }
}

fn interval(value: &V) -> Option<(i32, i32, i64)> {
    match value {
        V::Interval(months, days, at) => Some((*months as i32, *days as i32, *at as i64)),
        _ => None,
    }
}

fn bytes(value: &V) -> Option<&[u8]> {
    match value {
        V::Bytes(bytes) => Some(bytes),
        V::Uuid(bytes) => Some(bytes),
        _ => None,
    }
}

fn texts(values: &[V], random: &mut fastrand::Rng) -> Vec<Option<String>> {
    values.iter().map(|value| (*value != V::Null).then(|| spell(value, &P::Utf8, true, random))).collect()
}

fn decimals(width: u16, precision: u8, scale: i8, values: &[V]) -> ArrayRef {
    let unscaled = |value: &V| if let V::Num(num) = value { num.scaled(scale.into()) } else { None };
    let texts = values.iter().map(unscaled);
    macro_rules! build {
        ($array:ty, $native:ty) => {
            Arc::new(
                texts
                    .map(|text| text.map(|text| text.parse::<$native>().unwrap()))
                    .collect::<$array>()
                    .with_precision_and_scale(precision, scale)
                    .unwrap(),
            )
        };
    }
    match width {
        32 => build!(Decimal32Array, i32),
        64 => build!(Decimal64Array, i64),
        128 => build!(Decimal128Array, i128),
        _ => build!(Decimal256Array, i256),
    }
}

fn runs(inner: &P, values: &[V], random: &mut fastrand::Rng) -> ArrayRef {
    let (mut ends, mut heads): (Vec<i32>, Vec<V>) = (Vec::new(), Vec::new());
    for (i, value) in values.iter().enumerate() {
        match ends.last_mut() {
            Some(end) if heads.last() == Some(value) && random.u8(..) > 50 => *end = i as i32 + 1,
            _ => {
                ends.push(i as i32 + 1);
                heads.push(value.clone());
            }
        }
    }
    let (ends, heads) = (Int32Array::from(ends), whole(inner, &heads, random));
    Arc::new(RunArray::<Int32Type>::try_new(&ends, &heads).unwrap())
}

/// All items of lists, where each list ends, and which lists are NULL; NULL lists may hide items.
fn items(item: &P, values: &[V], random: &mut fastrand::Rng) -> (ArrayRef, Vec<usize>, Option<NullBuffer>) {
    let (mut all, mut ends) = (Vec::new(), vec![0]);
    for value in values {
        match value {
            V::List(items) => all.extend_from_slice(items),
            _ if random.bool() => all.push(V::Null),
            _ => {}
        }
        ends.push(all.len());
    }
    (array(item, &all, random), ends, nulls(values))
}
