//! Parquet's old timestamps of 96 bits: nanoseconds of a day, and the Julian day.
//!
//! They reach further than the 64-bit nanoseconds that they are decoded to, and what does not fit wraps. So they are
//! decoded a second time, to seconds: both together give the value back.
//!
//! <https://github.com/apache/parquet-format/blob/master/LogicalTypes.md#int96-timestamps>

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit, TimestampNanosecondType, TimestampSecondType};
use parquet::basic::Type;
use parquet::schema::types::SchemaDescriptor;

use crate::error::{Error, Result};

const SECOND: i64 = 1_000_000_000;

/// Columns of INT96: those that stand by themselves, and those that have some inside, each by its place.
pub(super) fn columns(schema: &SchemaDescriptor) -> (Vec<usize>, Vec<usize>) {
    let leaves = schema.columns().iter().enumerate().filter(|(_, leaf)| leaf.physical_type() == Type::INT96);
    let roots = leaves.map(|(at, leaf)| (leaf.path().parts().len() == 1, schema.get_column_root_idx(at)));
    let (own, nested): (Vec<_>, Vec<_>) = roots.partition(|(alone, _)| *alone);
    (own.into_iter().map(|(_, root)| root).collect(), nested.into_iter().map(|(_, root)| root).collect())
}

/// The schema with its columns at `places` in another unit.
pub(super) fn in_unit(schema: &SchemaRef, places: &[usize], unit: TimeUnit) -> SchemaRef {
    let field = |(place, field): (usize, &Arc<Field>)| match field.data_type() {
        DataType::Timestamp(_, zone) if places.contains(&place) => {
            Arc::new(Field::clone(field).with_data_type(DataType::Timestamp(unit, zone.clone())))
        }
        _ => Arc::clone(field),
    };
    Arc::new(Schema::new_with_metadata(
        schema.fields().iter().enumerate().map(field).collect::<Vec<_>>(),
        schema.metadata().clone(),
    ))
}

/// Puts exact values in the place of those that wrapped. `seconds` has the same rows, and of the batch's columns those
/// at `places`.
///
/// # Errors
///
/// If a column holds both values that need nanoseconds and values that 64 bits of them do not hold.
pub(super) fn exact(batch: RecordBatch, seconds: &RecordBatch, places: &[usize]) -> Result<RecordBatch> {
    if (seconds.num_rows(), seconds.num_columns()) != (batch.num_rows(), places.len()) {
        return Err(Error::new(format!(
            "found {} INT96 values on reading again, expected {}",
            seconds.num_rows(),
            batch.num_rows()
        )));
    }
    let (mut fields, mut columns) = (batch.schema().fields().to_vec(), batch.columns().to_vec());
    for (&place, seconds) in places.iter().zip(seconds.columns()) {
        if let Some(column) =
            unwrapped(&columns[place], seconds).map_err(|error| error.at(format!("column {}", fields[place].name())))?
        {
            fields[place] = Arc::new(Field::clone(&fields[place]).with_data_type(column.data_type().clone()));
            columns[place] = column;
        }
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(|error| Error::caused("cannot be read", error))
}

/// The column in microseconds if a value wrapped; `None` if none did.
fn unwrapped(nanoseconds: &ArrayRef, seconds: &ArrayRef) -> Result<Option<ArrayRef>> {
    let DataType::Timestamp(_, zone) = nanoseconds.data_type() else { return Ok(None) };
    let nanoseconds = nanoseconds.as_primitive::<TimestampNanosecondType>();
    let pairs = || nanoseconds.iter().zip(seconds.as_primitive::<TimestampSecondType>());
    if pairs().all(|pair| !matches!(pair, (Some(nanoseconds), Some(seconds)) if nanoseconds.div_euclid(SECOND) != seconds)) {
        return Ok(None);
    }
    let microseconds = |(nanoseconds, seconds): (Option<i64>, Option<i64>)| {
        let (Some(nanoseconds), Some(seconds)) = (nanoseconds, seconds) else { return Ok(None) };
        // Both are right modulo 2^64, so their difference is right altogether.
        let within = nanoseconds.wrapping_sub(seconds.wrapping_mul(SECOND));
        let whole = seconds.checked_mul(1_000_000).filter(|_| (0..SECOND).contains(&within) && within % 1000 == 0);
        whole.and_then(|whole| whole.checked_add(within / 1000)).map(Some).ok_or_else(|| {
            Error::new("found INT96 timestamps outside the years 1677 to 2262 beside some with digits below the microsecond, expected one or the other")
        })
    };
    let column: TimestampMicrosecondArray = pairs().map(microseconds).collect::<Result<Vec<_>>>()?.into();
    Ok(Some(Arc::new(column.with_timezone_opt(zone.clone()))))
}

#[cfg(test)]
mod tests {
    use arrow::array::{TimestampNanosecondArray, TimestampSecondArray};
    use arrow::datatypes::TimestampMicrosecondType;

    use super::*;

    fn unwrap(values: &[Option<i128>]) -> Result<Option<Vec<Option<i64>>>> {
        let nanoseconds = values.iter().map(|value| value.map(|value| value as i64)).collect::<TimestampNanosecondArray>();
        let seconds = values.iter().map(|value| value.map(|value| value.div_euclid(SECOND.into()) as i64));
        let seconds: ArrayRef = Arc::new(seconds.collect::<TimestampSecondArray>());
        let column = unwrapped(&(Arc::new(nanoseconds) as ArrayRef), &seconds)?;
        Ok(column.map(|column| column.as_primitive::<TimestampMicrosecondType>().iter().collect()))
    }

    #[test]
    fn values_that_wrapped_come_back_and_others_stay() {
        let far = 253_402_300_799_999_999_000;
        assert_eq!(unwrap(&[Some(1), None, Some(-1), Some(i64::MAX.into()), Some(i64::MIN.into())]).unwrap(), None);
        assert_eq!(unwrap(&[Some(far), None, Some(-1000)]).unwrap(), Some(vec![Some((far / 1000) as i64), None, Some(-1)]));
        assert_eq!(unwrap(&[Some(-far)]).unwrap(), Some(vec![Some((-far / 1000) as i64)]));
        // One turn of 64 bits away from the epoch: the same nanoseconds once they have wrapped.
        assert!(unwrap(&[Some(1_i128 << 64)]).unwrap_err().to_string().contains("1677"));
        assert!(unwrap(&[Some(far), Some(1)]).is_err());
    }
}
