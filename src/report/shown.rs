//! A difference as people read it, taken from the columns of a `.diff.parquet` file.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StructArray};
use arrow::datatypes::*;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::schema::UUID_EXTENSION;
use crate::error::{Error, Result};
use crate::model::temporal::{SECOND, format_date, format_time, format_timestamp};
use crate::sides::{Side, Sides};

/// A difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The name of the difference.
    pub difference: String,
    /// The names and values of the key; `None` is NULL.
    pub key: Vec<(String, Option<String>)>,
    /// The columns that differ.
    pub changes: Vec<Change>,
    /// Rows with the key on each side.
    pub rows: Sides<i64>,
}

/// A column that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its source name.
    pub column: String,
    /// Its values; `None` is NULL.
    pub values: Sides<Option<String>>,
}

impl Shown {
    /// Reads the difference in `row` of a batch with all columns of a `.diff.parquet` file.
    ///
    /// # Errors
    ///
    /// If the batch does not have those columns.
    pub fn read(batch: &RecordBatch, row: usize) -> Result<Self> {
        let sides = Sides { source: "source", target: "target" }.try_map(|_, name| struct_column(batch, name))?;
        let names: Vec<&str> = sides.source.fields().iter().map(|field| field.name().as_str()).collect();
        let changed = column(batch, "changed_columns")?.as_list_opt::<i32>().ok_or_else(|| unexpected("changed_columns"))?;
        let changed = changed.value(row);
        let changed = changed.as_string_opt::<i32>().ok_or_else(|| unexpected("changed_columns"))?;
        let change = |name: &str| {
            let at = names.iter().position(|known| *known == name).ok_or_else(|| unexpected(name))?;
            let value =
                |side: &StructArray| side.is_valid(row).then(|| text(side.column(at), side.fields().get(at), row)).flatten();
            Ok(Change { column: name.to_string(), values: sides.map(value) })
        };
        let rows = Sides { source: "source_rows", target: "target_rows" };
        let rows = rows.try_map(|_: Side, name| {
            let counts = column(batch, name)?.as_primitive_opt::<Int64Type>().ok_or_else(|| unexpected(name));
            counts.map(|counts| counts.value(row))
        })?;
        let key = struct_column(batch, "key")?;
        let parts = key.fields().iter().zip(key.columns());
        Ok(Shown {
            difference: text(column(batch, "difference")?, None, row).unwrap_or_default(),
            key: parts.map(|(field, values)| (field.name().clone(), text(values, Some(field), row))).collect(),
            changes: changed.iter().flatten().map(change).collect::<Result<_>>()?,
            rows,
        })
    }
}

/// A column of a batch by its name.
fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef> {
    batch.column_by_name(name).ok_or_else(|| unexpected(name))
}

fn struct_column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a StructArray> {
    column(batch, name)?.as_struct_opt().ok_or_else(|| unexpected(name))
}

fn unexpected(name: &str) -> Error {
    Error::new(format!("found no column {name} of the expected type"))
}

/// A key as it is asked for: its values with commas between them, NULL as nothing.
pub fn key_text(key: &StructArray, row: usize) -> String {
    let parts = key.fields().iter().zip(key.columns()).map(|(field, values)| text(values, Some(field), row).unwrap_or_default());
    parts.collect::<Vec<_>>().join(",")
}

/// The value in `row` as text, `None` if it is NULL; moments in the form that ranges and messages have them in.
fn text(values: &ArrayRef, field: Option<&FieldRef>, row: usize) -> Option<String> {
    if values.is_null(row) {
        return None;
    }
    let is_uuid =
        || field.is_some_and(|field| field.metadata().get("ARROW:extension:name").is_some_and(|name| name == UUID_EXTENSION));
    Some(match values.data_type() {
        DataType::Utf8 => values.as_string::<i32>().value(row).to_string(),
        DataType::Date32 => format_date(values.as_primitive::<Date32Type>().value(row).into()),
        DataType::Time64(TimeUnit::Microsecond) => {
            format_time(i128::from(values.as_primitive::<Time64MicrosecondType>().value(row)) * 1000)
        }
        DataType::Time64(_) => format_time(values.as_primitive::<Time64NanosecondType>().value(row).into()),
        DataType::Timestamp(unit, zone) => {
            let (at, digits) = match unit {
                TimeUnit::Second => (values.as_primitive::<TimestampSecondType>().value(row), 0),
                TimeUnit::Millisecond => (values.as_primitive::<TimestampMillisecondType>().value(row), 3),
                TimeUnit::Microsecond => (values.as_primitive::<TimestampMicrosecondType>().value(row), 6),
                TimeUnit::Nanosecond => (values.as_primitive::<TimestampNanosecondType>().value(row), 9),
            };
            let text = format_timestamp(i128::from(at) * (SECOND / 10i128.pow(digits)));
            if zone.is_some() { text + "Z" } else { text }
        }
        DataType::FixedSizeBinary(16) if is_uuid() => {
            let hex = hex(values.as_fixed_size_binary().value(row));
            [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
        }
        DataType::Binary => format!("0x{}", hex(values.as_binary::<i32>().value(row))),
        _ => {
            let options = FormatOptions::new().with_null("NULL");
            ArrayFormatter::try_new(values, &options).map_or_else(|error| error.to_string(), |f| f.value(row).to_string())
        }
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |text, byte| text + &format!("{byte:02x}"))
}
