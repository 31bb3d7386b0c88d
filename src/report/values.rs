//! Canonical values turned into Arrow arrays of the type that a column is written as.
//!
//! NULL, and a member that is not there, are NULL. So is a value that the type cannot hold: see [`super::schema`]
//! for when that can be.

use std::sync::Arc;

use arrow::array::NullBufferBuilder;
use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, BinaryBuilder, BooleanArray, FixedSizeBinaryArray, ListArray, MapArray, PrimitiveArray,
    StringArray, StructArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::*;
use arrow::error::ArrowError;

use super::scalars;
use crate::model::canonical::{Canonical, Tag, Values};
use crate::model::kind::Kind;

/// A value of a column; `None` is NULL.
pub type Value<'a> = Option<Canonical<'a>>;

/// Leaves out what stands for no value.
#[inline]
pub fn present(value: Canonical<'_>) -> Value<'_> {
    (!matches!(value.tag, Tag::Null | Tag::Absent)).then_some(value)
}

/// Builds the array of `values`, which were read as `kind`.
///
/// # Errors
///
/// If Arrow refuses the array, which is a bug.
pub fn array(values: &[Value<'_>], ty: &DataType, kind: &Kind) -> Result<ArrayRef, ArrowError> {
    Ok(match ty {
        DataType::Boolean => Arc::new(values.iter().map(|value| value.and_then(scalars::boolean)).collect::<BooleanArray>()),
        DataType::Int8 => primitive::<Int8Type>(values, scalars::integer),
        DataType::Int16 => primitive::<Int16Type>(values, scalars::integer),
        DataType::Int32 => primitive::<Int32Type>(values, scalars::integer),
        DataType::Int64 => primitive::<Int64Type>(values, scalars::integer),
        DataType::UInt8 => primitive::<UInt8Type>(values, scalars::integer),
        DataType::UInt16 => primitive::<UInt16Type>(values, scalars::integer),
        DataType::UInt32 => primitive::<UInt32Type>(values, scalars::integer),
        DataType::UInt64 => primitive::<UInt64Type>(values, scalars::integer),
        DataType::Float32 => primitive::<Float32Type>(values, scalars::float32),
        DataType::Float64 => primitive::<Float64Type>(values, scalars::float64),
        DataType::Date32 => primitive::<Date32Type>(values, scalars::date),
        DataType::Decimal128(precision, scale) => decimals(values, *precision, *scale)?,
        DataType::Time64(TimeUnit::Microsecond) => primitive::<Time64MicrosecondType>(values, |value| scalars::time(value, 6)),
        DataType::Time64(_) => primitive::<Time64NanosecondType>(values, |value| scalars::time(value, 9)),
        DataType::Timestamp(TimeUnit::Millisecond, zone) => timestamps::<TimestampMillisecondType>(values, 3, zone),
        DataType::Timestamp(TimeUnit::Microsecond, zone) => timestamps::<TimestampMicrosecondType>(values, 6, zone),
        DataType::Timestamp(_, zone) => timestamps::<TimestampNanosecondType>(values, 9, zone),
        DataType::FixedSizeBinary(width) => {
            let uuids = values.iter().map(|value| value.and_then(scalars::uuid));
            Arc::new(FixedSizeBinaryArray::try_from_sparse_iter_with_size(uuids, *width)?)
        }
        DataType::Binary => {
            let mut out = BinaryBuilder::with_capacity(values.len(), bytes_len(values));
            values.iter().for_each(|value| out.append_option(value.and_then(scalars::bytes)));
            Arc::new(out.finish())
        }
        DataType::List(item) => lists(values, item, kind)?,
        DataType::Struct(fields) => structs(values, fields, kind)?,
        DataType::Map(entries, _) => maps(values, entries, kind)?,
        _ => texts(values)?,
    })
}

fn primitive<T: ArrowPrimitiveType>(values: &[Value<'_>], convert: impl Fn(Canonical<'_>) -> Option<T::Native>) -> ArrayRef {
    Arc::new(primitives::<T>(values, convert))
}

/// Without NULL, which most columns are, there is nothing to note of the values but themselves.
fn primitives<T: ArrowPrimitiveType>(
    values: &[Value<'_>],
    convert: impl Fn(Canonical<'_>) -> Option<T::Native>,
) -> PrimitiveArray<T> {
    let mut nulls = NullBufferBuilder::new(values.len());
    let native = |value: &Value<'_>| {
        let native = value.and_then(&convert);
        nulls.append(native.is_some());
        native.unwrap_or_default()
    };
    let natives: Vec<T::Native> = values.iter().map(native).collect();
    PrimitiveArray::new(natives.into(), nulls.finish())
}

fn timestamps<T: ArrowTimestampType>(values: &[Value<'_>], digits: u32, zone: &Option<Arc<str>>) -> ArrayRef {
    let array = primitives::<T>(values, |value| scalars::timestamp(value, digits));
    Arc::new(array.with_timezone_opt(zone.clone()))
}

fn decimals(values: &[Value<'_>], precision: u8, scale: i8) -> Result<ArrayRef, ArrowError> {
    let limit = 10u128.pow(precision.into());
    let fits = |unscaled: &i128| unscaled.unsigned_abs() < limit;
    let decimal = |value: Canonical<'_>| scalars::decimal(value, scale.unsigned_abs().into()).filter(fits);
    let array = primitives::<Decimal128Type>(values, decimal);
    Ok(Arc::new(array.with_precision_and_scale(precision, scale)?))
}

fn texts(values: &[Value<'_>]) -> Result<ArrayRef, ArrowError> {
    let mut out = BinaryBuilder::with_capacity(values.len(), bytes_len(values));
    let mut rendered = Vec::new();
    for value in values {
        match value {
            Some(Canonical { tag: Tag::Text | Tag::Unparsed, bytes }) => out.append_value(bytes),
            Some(value) => {
                rendered.clear();
                scalars::text(&mut rendered, *value);
                out.append_value(&rendered);
            }
            None => out.append_null(),
        }
    }
    // All bytes are checked at once, which is several times faster than value by value.
    let bytes = out.finish();
    Ok(match StringArray::try_from_binary(bytes.clone()) {
        Ok(texts) => Arc::new(texts),
        Err(_) => Arc::new(bytes.iter().map(|bytes| bytes.map(String::from_utf8_lossy)).collect::<StringArray>()),
    })
}

fn bytes_len(values: &[Value<'_>]) -> usize {
    values.iter().flatten().map(|value| value.bytes.len()).sum()
}

/// The values inside a list, a struct or a map; those of a document, if it is one.
fn inside<'a>(value: Canonical<'a>, tag: Tag) -> Option<Values<'a>> {
    let value = if value.tag == Tag::Json { Values::of(value.bytes).next()? } else { value };
    (value.tag == tag).then(|| Values::of(value.bytes))
}

fn lists(values: &[Value<'_>], item: &FieldRef, kind: &Kind) -> Result<ArrayRef, ArrowError> {
    let kind = if let Kind::List(kind) = kind { kind } else { kind };
    let lists: Vec<_> = values.iter().map(|value| value.and_then(|value| inside(value, Tag::List))).collect();
    let (mut items, mut lengths) = (Vec::new(), Vec::with_capacity(lists.len()));
    for list in &lists {
        let before = items.len();
        items.extend(list.iter().cloned().flatten().map(present));
        lengths.push(items.len() - before);
    }
    let items = array(&items, item.data_type(), kind)?;
    let nulls = nulls(lists.iter().map(Option::is_some));
    Ok(Arc::new(ListArray::try_new(item.clone(), OffsetBuffer::from_lengths(lengths), items, nulls)?))
}

fn structs(values: &[Value<'_>], fields: &Fields, kind: &Kind) -> Result<ArrayRef, ArrowError> {
    let members: &[(String, Kind)] = if let Kind::Struct(members) = kind { members } else { &[] };
    let mut columns = Vec::with_capacity(fields.len());
    for field in fields {
        let at = members.iter().position(|(name, _)| name == field.name());
        let at = at.or_else(|| members.iter().position(|(name, _)| name.eq_ignore_ascii_case(field.name())));
        let column: Vec<_> = values.iter().map(|value| value.and_then(|value| member(value, at, field.name()))).collect();
        columns.push(array(&column, field.data_type(), at.map_or(kind, |at| &members[at].1))?);
    }
    let is_struct =
        |value: &Value<'_>| value.is_some_and(|value| inside(value, Tag::Struct).or_else(|| inside(value, Tag::Map)).is_some());
    Ok(Arc::new(StructArray::try_new_with_length(fields.clone(), columns, nulls(values.iter().map(is_struct)), values.len())?))
}

/// A field of a struct by its place, or a member of a document by its name.
fn member<'a>(value: Canonical<'a>, at: Option<usize>, name: &str) -> Value<'a> {
    if let Some(mut fields) = inside(value, Tag::Struct) {
        return fields.nth(at?).and_then(present);
    }
    let mut parts = inside(value, Tag::Map)?;
    while let (Some(key), Some(member)) = (parts.next(), parts.next()) {
        if key.bytes == name.as_bytes() {
            return present(member);
        }
    }
    None
}

fn maps(values: &[Value<'_>], entries: &FieldRef, kind: &Kind) -> Result<ArrayRef, ArrowError> {
    let DataType::Struct(fields) = entries.data_type() else {
        return Err(ArrowError::SchemaError(format!("a map of {}", entries.data_type())));
    };
    let (key_kind, value_kind) = if let Kind::Map(key, value) = kind { (&**key, &**value) } else { (kind, kind) };
    let whole: Vec<_> = values.iter().map(|value| value.and_then(|value| inside(value, Tag::Map))).collect();
    let (mut keys, mut items, mut lengths) = (Vec::new(), Vec::new(), Vec::with_capacity(whole.len()));
    for map in &whole {
        let before = keys.len();
        let mut parts = map.iter().cloned().flatten();
        while let (Some(key), Some(item)) = (parts.next(), parts.next()) {
            keys.push(present(key));
            items.push(present(item));
        }
        lengths.push(keys.len() - before);
    }
    let offsets = OffsetBuffer::from_lengths(lengths);
    let keys = array(&keys, fields[0].data_type(), key_kind)?;
    if keys.null_count() > 0 {
        // Keys of a map are never NULL, so a map with a key that its type cannot hold is NULL as a whole.
        let fits = |i: usize| (offsets[i]..offsets[i + 1]).all(|at| keys.is_valid(at as usize));
        let kept: Vec<_> = values.iter().enumerate().map(|(i, value)| value.filter(|_| fits(i))).collect();
        return maps(&kept, entries, kind);
    }
    let items = array(&items, fields[1].data_type(), value_kind)?;
    let pairs = StructArray::try_new(fields.clone(), vec![keys, items], None)?;
    let nulls = nulls(whole.iter().map(Option::is_some));
    Ok(Arc::new(MapArray::try_new(entries.clone(), offsets, pairs, nulls, false)?))
}

fn nulls(valid: impl Iterator<Item = bool>) -> Option<NullBuffer> {
    Some(valid.collect::<NullBuffer>()).filter(|nulls| nulls.null_count() > 0)
}
