//! Arrow arrays into canonical bytes.
//!
//! What an array's values are turned into is decided once for each array: [`encoder`] gives a closure that appends
//! the value at an index, and the loop that appends many is compiled together with it.

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BinaryViewArray, BooleanArray, FixedSizeListArray, GenericByteArray, MapArray,
    OffsetSizeTrait, PrimitiveArray, StringViewArray, StructArray,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::*;
use num_bigint::BigInt;

use crate::error::{Error, Result};
use crate::model::canonical::{self, Tag};
use crate::model::kind::Kind;
use crate::model::number;
use crate::model::packed::Packed;
use crate::model::parse::{push_map, push_text_as};
use crate::model::temporal::DAY;

/// Appends the values of an array in canonical form.
pub(super) trait Encode: Send + Sync {
    /// Appends the value at `row`.
    fn value(&self, row: usize, out: &mut Vec<u8>);

    /// Appends the values at `rows`, one to each of `outs`.
    fn values(&self, rows: &[usize], outs: &mut [Vec<u8>]);
}

impl<F: Fn(usize, &mut Vec<u8>) + Send + Sync> Encode for F {
    fn value(&self, row: usize, out: &mut Vec<u8>) {
        self(row, out);
    }

    fn values(&self, rows: &[usize], outs: &mut [Vec<u8>]) {
        outs.iter_mut().zip(rows).for_each(|(out, &row)| self(row, out));
    }
}

/// The encoder of an array.
pub(super) type Encoder = Box<dyn Encode>;

/// The encoder that appends an array's values as values of `kind`.
///
/// # Errors
///
/// If the type of the array cannot be read as `kind`.
pub(super) fn encoder(array: &ArrayRef, kind: &Kind) -> Result<Encoder> {
    Ok(match (array.data_type(), kind) {
        (DataType::Null, _) => always(|_, out| canonical::push_null(out)),
        (DataType::Dictionary(..), _) => dictionary(array, kind)?,
        (DataType::RunEndEncoded(..), _) => run_ends(array, kind)?,
        (DataType::Boolean, Kind::Boolean) => boolean(array, |value, out| canonical::push_boolean(out, value)),
        (DataType::Boolean, Kind::Number) => {
            boolean(array, |value, out| canonical::push_whole(out, Tag::Number, i128::from(value)))
        }
        (DataType::Int8, Kind::Number) => whole::<Int8Type>(array),
        (DataType::Int16, Kind::Number) => whole::<Int16Type>(array),
        (DataType::Int32, Kind::Number) => whole::<Int32Type>(array),
        (DataType::Int64, Kind::Number) => whole::<Int64Type>(array),
        (DataType::UInt8, Kind::Number) => whole::<UInt8Type>(array),
        (DataType::UInt16, Kind::Number) => whole::<UInt16Type>(array),
        (DataType::UInt32, Kind::Number) => whole::<UInt32Type>(array),
        (DataType::UInt64, Kind::Number) => {
            primitive::<UInt64Type>(array, |value, out| canonical::push_whole(out, Tag::Number, i128::from(value)))
        }
        (DataType::Float16, _) => float::<Float16Type>(array, kind, 32, |value| value.to_f64())?,
        (DataType::Float32, _) => float::<Float32Type>(array, kind, 32, f64::from)?,
        (DataType::Float64, _) => float::<Float64Type>(array, kind, 64, |value| value)?,
        (DataType::Decimal32(_, scale), Kind::Number) => decimal::<Decimal32Type>(array, *scale, i128::from),
        (DataType::Decimal64(_, scale), Kind::Number) => decimal::<Decimal64Type>(array, *scale, i128::from),
        (DataType::Decimal128(_, scale), Kind::Number) => decimal::<Decimal128Type>(array, *scale, |value| value),
        (DataType::Decimal256(_, scale), Kind::Number) => wide_decimal(array, *scale),
        (DataType::Utf8, _) => text::<i32>(array, kind),
        (DataType::LargeUtf8, _) => text::<i64>(array, kind),
        (DataType::Utf8View, _) => text_view(array, kind),
        (DataType::Binary, _) => bytes::<i32>(array, kind)?,
        (DataType::LargeBinary, _) => bytes::<i64>(array, kind)?,
        (DataType::BinaryView, _) => bytes_view(array, kind)?,
        (DataType::FixedSizeBinary(_), _) => {
            let (values, push) = (array.as_fixed_size_binary().clone(), push_bytes_as(kind, array)?);
            nullable(array.nulls(), move |row, out| push(out, values.value(row)))
        }
        (DataType::Date32, _) => moment::<Date32Type>(array, kind, DAY)?,
        (DataType::Date64, _) => moment::<Date64Type>(array, kind, 1_000_000)?,
        (DataType::Time32(TimeUnit::Second), _) => moment::<Time32SecondType>(array, kind, 1_000_000_000)?,
        (DataType::Time32(_), _) => moment::<Time32MillisecondType>(array, kind, 1_000_000)?,
        (DataType::Time64(TimeUnit::Microsecond), _) => moment::<Time64MicrosecondType>(array, kind, 1_000)?,
        (DataType::Time64(_), _) => moment::<Time64NanosecondType>(array, kind, 1)?,
        (DataType::Timestamp(TimeUnit::Second, _), _) => moment::<TimestampSecondType>(array, kind, 1_000_000_000)?,
        (DataType::Timestamp(TimeUnit::Millisecond, _), _) => moment::<TimestampMillisecondType>(array, kind, 1_000_000)?,
        (DataType::Timestamp(TimeUnit::Microsecond, _), _) => moment::<TimestampMicrosecondType>(array, kind, 1_000)?,
        (DataType::Timestamp(TimeUnit::Nanosecond, _), _) => moment::<TimestampNanosecondType>(array, kind, 1)?,
        (DataType::Duration(TimeUnit::Second), Kind::Interval) => duration::<DurationSecondType>(array, 1_000_000_000),
        (DataType::Duration(TimeUnit::Millisecond), Kind::Interval) => duration::<DurationMillisecondType>(array, 1_000_000),
        (DataType::Duration(TimeUnit::Microsecond), Kind::Interval) => duration::<DurationMicrosecondType>(array, 1_000),
        (DataType::Duration(TimeUnit::Nanosecond), Kind::Interval) => duration::<DurationNanosecondType>(array, 1),
        (DataType::Interval(IntervalUnit::YearMonth), Kind::Interval) => {
            primitive::<IntervalYearMonthType>(array, |months, out| canonical::push_interval(out, months.into(), 0, 0))
        }
        (DataType::Interval(IntervalUnit::DayTime), Kind::Interval) => primitive::<IntervalDayTimeType>(array, |value, out| {
            canonical::push_interval(out, 0, value.days.into(), i128::from(value.milliseconds) * 1_000_000);
        }),
        (DataType::Interval(IntervalUnit::MonthDayNano), Kind::Interval) => {
            primitive::<IntervalMonthDayNanoType>(array, |value, out| {
                canonical::push_interval(out, value.months.into(), value.days.into(), value.nanoseconds.into());
            })
        }
        (DataType::List(_), Kind::List(item)) => list::<i32>(array, item)?,
        (DataType::LargeList(_), Kind::List(item)) => list::<i64>(array, item)?,
        (DataType::ListView(_), Kind::List(item)) => list_view::<i32>(array, item)?,
        (DataType::LargeListView(_), Kind::List(item)) => list_view::<i64>(array, item)?,
        (DataType::FixedSizeList(..), Kind::List(item)) => fixed_list(array.as_fixed_size_list(), item)?,
        (DataType::Struct(_), Kind::Struct(fields)) => structure(array.as_struct(), fields)?,
        (DataType::Map(..), Kind::Map(key, value)) => map(array.as_map(), key, value)?,
        _ => return Err(unreadable(array, kind)),
    })
}

fn unreadable(array: &dyn Array, kind: &Kind) -> Error {
    Error::new(format!("a column of type {} cannot be read as {kind}", array.data_type()))
}

/// An encoder made of a closure.
fn always(push: impl Fn(usize, &mut Vec<u8>) + Send + Sync + 'static) -> Encoder {
    Box::new(push)
}

/// NULL where `nulls` says so, else `push`; arrays without NULLs do not pay for the question.
fn nullable(nulls: Option<&NullBuffer>, push: impl Fn(usize, &mut Vec<u8>) + Send + Sync + 'static) -> Encoder {
    match nulls.filter(|nulls| nulls.null_count() > 0).cloned() {
        None => always(push),
        Some(nulls) => always(move |row, out| if nulls.is_null(row) { canonical::push_null(out) } else { push(row, out) }),
    }
}

fn primitive<T: ArrowPrimitiveType>(array: &ArrayRef, push: impl Fn(T::Native, &mut Vec<u8>) + Send + Sync + 'static) -> Encoder {
    let array: &PrimitiveArray<T> = array.as_primitive();
    let values = array.values().clone();
    nullable(array.nulls(), move |row, out| push(values[row], out))
}

fn whole<T: ArrowPrimitiveType<Native: Into<i64>>>(array: &ArrayRef) -> Encoder {
    primitive::<T>(array, |value, out| canonical::push_i64(out, Tag::Number, value.into()))
}

fn boolean(array: &ArrayRef, push: impl Fn(bool, &mut Vec<u8>) + Send + Sync + 'static) -> Encoder {
    let array: &BooleanArray = array.as_boolean();
    let values = array.values().clone();
    nullable(array.nulls(), move |row, out| push(values.value(row), out))
}

fn float<T: ArrowPrimitiveType>(array: &ArrayRef, kind: &Kind, bits: u8, widen: fn(T::Native) -> f64) -> Result<Encoder> {
    Ok(match kind {
        Kind::Float { .. } => primitive::<T>(array, move |value, out| canonical::push_float(out, widen(value))),
        Kind::Number => primitive::<T>(array, move |value, out| canonical::push_float_as_number(out, widen(value), bits)),
        _ => return Err(unreadable(array, kind)),
    })
}

fn decimal<T: ArrowPrimitiveType>(array: &ArrayRef, scale: i8, widen: fn(T::Native) -> i128) -> Encoder {
    primitive::<T>(array, move |value, out| canonical::push_decimal(out, widen(value), scale))
}

fn wide_decimal(array: &ArrayRef, scale: i8) -> Encoder {
    primitive::<Decimal256Type>(array, move |value, out| match value.to_i128() {
        Some(value) => canonical::push_decimal(out, value, scale),
        None => canonical::push_with(out, Tag::Number, |out| {
            number::push_big(out, &BigInt::from_signed_bytes_le(&value.to_le_bytes()), scale.into());
        }),
    })
}

fn text<O: OffsetSizeTrait>(array: &ArrayRef, kind: &Kind) -> Encoder {
    let values: GenericByteArray<GenericStringType<O>> = array.as_string::<O>().clone();
    match kind.clone() {
        Kind::Text => nullable(array.nulls(), move |row, out| canonical::push_bytes(out, Tag::Text, values.value(row).as_bytes())),
        kind => nullable(array.nulls(), move |row, out| push_text_as(out, &kind, values.value(row))),
    }
}

fn text_view(array: &ArrayRef, kind: &Kind) -> Encoder {
    let values: StringViewArray = array.as_string_view().clone();
    match kind.clone() {
        Kind::Text => nullable(array.nulls(), move |row, out| {
            // Up to twelve bytes stand in the view itself: <https://arrow.apache.org/docs/format/Columnar.html>.
            let view = values.views()[row];
            let len = view as u32 as usize;
            if len <= 12 {
                canonical::push_packed(out, Tag::Text, Packed { bytes: view >> 32, len });
            } else {
                canonical::push_bytes(out, Tag::Text, values.value(row).as_bytes());
            }
        }),
        kind => nullable(array.nulls(), move |row, out| push_text_as(out, &kind, values.value(row))),
    }
}

/// Appends the canonical value of some bytes.
type PushBytes = fn(&mut Vec<u8>, &[u8]);

/// Bytes as bytes, or sixteen of them as a UUID; any other number of them is no UUID and equals only itself.
fn push_bytes_as(kind: &Kind, array: &dyn Array) -> Result<PushBytes> {
    match kind {
        Kind::Bytes => Ok(|out, bytes| canonical::push_bytes(out, Tag::Bytes, bytes)),
        Kind::Uuid => Ok(|out, bytes| canonical::push_bytes(out, if bytes.len() == 16 { Tag::Uuid } else { Tag::Bytes }, bytes)),
        _ => Err(unreadable(array, kind)),
    }
}

fn bytes<O: OffsetSizeTrait>(array: &ArrayRef, kind: &Kind) -> Result<Encoder> {
    let (values, push) = (array.as_binary::<O>().clone(), push_bytes_as(kind, array)?);
    Ok(nullable(array.nulls(), move |row, out| push(out, values.value(row))))
}

fn bytes_view(array: &ArrayRef, kind: &Kind) -> Result<Encoder> {
    let values: BinaryViewArray = array.as_binary_view().clone();
    let push = push_bytes_as(kind, array)?;
    Ok(nullable(array.nulls(), move |row, out| push(out, values.value(row))))
}

/// Days, times of day and timestamps, in units of `unit` nanoseconds.
fn moment<T: ArrowPrimitiveType<Native: Into<i64>>>(array: &ArrayRef, kind: &Kind, unit: i128) -> Result<Encoder> {
    let (tag, divisor) = match (kind, array.data_type()) {
        (Kind::Date, DataType::Date32 | DataType::Date64) => (Tag::Date, DAY),
        (Kind::Timestamp, DataType::Date32 | DataType::Date64 | DataType::Timestamp(_, None)) => (Tag::Timestamp, 1),
        (Kind::Instant, DataType::Date32 | DataType::Date64 | DataType::Timestamp(..)) => (Tag::Instant, 1),
        (Kind::Time, DataType::Time32(_) | DataType::Time64(_)) => (Tag::Time, 1),
        _ => return Err(unreadable(array, kind)),
    };
    // In 64 bits wherever the product fits, which is everywhere but in far years.
    let small = i64::try_from(unit).ok().filter(|_| divisor == 1);
    Ok(primitive::<T>(array, move |value, out| {
        let value: i64 = value.into();
        match small.and_then(|unit| value.checked_mul(unit)) {
            Some(nanoseconds) => canonical::push_i64(out, tag, nanoseconds),
            None => push_moment_wide(out, tag, i128::from(value) * unit, divisor),
        }
    }))
}

/// A Date64 holds milliseconds; one that is not a whole day keeps its time, so that it equals no day.
fn push_moment_wide(out: &mut Vec<u8>, tag: Tag, nanoseconds: i128, divisor: i128) {
    if nanoseconds % divisor == 0 {
        canonical::push_whole(out, tag, nanoseconds / divisor);
    } else {
        canonical::push_whole(out, Tag::Timestamp, nanoseconds);
    }
}

fn duration<T: ArrowPrimitiveType<Native: Into<i64>>>(array: &ArrayRef, unit: i128) -> Encoder {
    primitive::<T>(array, move |value, out| {
        let value: i64 = value.into();
        canonical::push_interval(out, 0, 0, i128::from(value) * unit);
    })
}

fn dictionary(array: &ArrayRef, kind: &Kind) -> Result<Encoder> {
    let dictionary = array.as_any_dictionary();
    if dictionary.values().is_empty() {
        return Ok(always(|_, out| canonical::push_null(out)));
    }
    let (values, keys) = (encoder(dictionary.values(), kind)?, dictionary.normalized_keys());
    Ok(nullable(dictionary.keys().nulls(), move |row, out| values.value(keys[row], out)))
}

fn run_ends(array: &ArrayRef, kind: &Kind) -> Result<Encoder> {
    macro_rules! runs {
        ($($ty:ty),*) => {
            $(if let Some(runs) = array.as_run_opt::<$ty>() {
                let (runs, values) = (runs.clone(), encoder(runs.values(), kind)?);
                return Ok(always(move |row, out| values.value(runs.get_physical_index(row), out)));
            })*
        };
    }
    runs!(Int16Type, Int32Type, Int64Type);
    Err(unreadable(array, kind))
}

fn push_list(out: &mut Vec<u8>, items: std::ops::Range<usize>, push: &Encoder) {
    canonical::push_with(out, Tag::List, |out| items.for_each(|item| push.value(item, out)));
}

fn list<O: OffsetSizeTrait>(array: &ArrayRef, item: &Kind) -> Result<Encoder> {
    let array = array.as_list::<O>();
    let (offsets, push) = (array.offsets().clone(), encoder(array.values(), item)?);
    Ok(nullable(array.nulls(), move |row, out| push_list(out, offsets[row].as_usize()..offsets[row + 1].as_usize(), &push)))
}

fn list_view<O: OffsetSizeTrait>(array: &ArrayRef, item: &Kind) -> Result<Encoder> {
    let array = array.as_list_view::<O>();
    let (offsets, sizes, push) = (array.offsets().clone(), array.sizes().clone(), encoder(array.values(), item)?);
    Ok(nullable(array.nulls(), move |row, out| {
        let start = offsets[row].as_usize();
        push_list(out, start..start + sizes[row].as_usize(), &push);
    }))
}

fn fixed_list(array: &FixedSizeListArray, item: &Kind) -> Result<Encoder> {
    let (nulls, array, push) = (array.nulls(), array.clone(), encoder(array.values(), item)?);
    let width = array.value_length().as_usize();
    Ok(nullable(nulls, move |row, out| {
        let start = array.value_offset_at(row);
        push_list(out, start..start + width, &push);
    }))
}

fn structure(array: &StructArray, fields: &[(String, Kind)]) -> Result<Encoder> {
    let field_encoder = |(name, kind): &(String, Kind)| match array.column_by_name(name) {
        Some(column) => encoder(column, kind),
        None => Err(Error::new(format!("found no field '{name}' in {}", array.data_type()))),
    };
    let pushes = fields.iter().map(field_encoder).collect::<Result<Vec<_>>>()?;
    Ok(nullable(array.nulls(), move |row, out| {
        canonical::push_with(out, Tag::Struct, |out| pushes.iter().for_each(|push| push.value(row, out)));
    }))
}

fn map(array: &MapArray, key: &Kind, value: &Kind) -> Result<Encoder> {
    let (keys, values) = (encoder(array.keys(), key)?, encoder(array.values(), value)?);
    let offsets = array.offsets().clone();
    Ok(nullable(array.nulls(), move |row, out| {
        let (start, end) = (offsets[row].as_usize(), offsets[row + 1].as_usize());
        push_map(out, end - start, |entry, out| {
            keys.value(start + entry, out);
            let key_end = out.len();
            values.value(start + entry, out);
            key_end
        });
    }))
}
