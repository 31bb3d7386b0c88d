//! Arrow types in the model's terms.

use arrow::datatypes::{DataType, Field, Fields, IntervalUnit, TimeUnit};

use crate::model::schema::{Column, Type};

/// The columns of an arrow schema.
pub fn columns(fields: &Fields) -> Vec<Column> {
    fields.iter().map(|field| Column { name: field.name().clone(), ty: field_type(field), native: native(field) }).collect()
}

fn native(field: &Field) -> String {
    match field.extension_type_name() {
        Some(extension) => format!("{} ({extension})", field.data_type()),
        None => field.data_type().to_string(),
    }
}

fn field_type(field: &Field) -> Type {
    match (field.extension_type_name(), field.data_type()) {
        (Some("arrow.uuid"), DataType::FixedSizeBinary(16)) => Type::Uuid,
        (Some("arrow.json"), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) => Type::Json,
        (_, ty) => data_type(ty),
    }
}

fn data_type(ty: &DataType) -> Type {
    let integer = |bits, signed| Type::Integer { bits, signed };
    match ty {
        DataType::Null => Type::Null,
        DataType::Boolean => Type::Boolean,
        DataType::Int8 => integer(8, true),
        DataType::Int16 => integer(16, true),
        DataType::Int32 => integer(32, true),
        DataType::Int64 => integer(64, true),
        DataType::UInt8 => integer(8, false),
        DataType::UInt16 => integer(16, false),
        DataType::UInt32 => integer(32, false),
        DataType::UInt64 => integer(64, false),
        DataType::Float16 | DataType::Float32 => Type::Float { bits: 32 },
        DataType::Float64 => Type::Float { bits: 64 },
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => Type::Decimal { precision: *precision, scale: *scale },
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Type::Text,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => Type::Bytes,
        DataType::Date32 | DataType::Date64 => Type::Date,
        DataType::Time32(unit) | DataType::Time64(unit) => Type::Time { digits: digits(*unit) },
        DataType::Timestamp(unit, None) => Type::Timestamp { digits: digits(*unit) },
        DataType::Timestamp(unit, Some(_)) => Type::Instant { digits: digits(*unit) },
        DataType::Duration(_)
        | DataType::Interval(IntervalUnit::YearMonth | IntervalUnit::DayTime | IntervalUnit::MonthDayNano) => Type::Interval,
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => Type::List(Box::new(field_type(item))),
        DataType::Struct(fields) => Type::Struct(fields.iter().map(|field| (field.name().clone(), field_type(field))).collect()),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) if fields.len() == 2 => {
                Type::Map(Box::new(field_type(&fields[0])), Box::new(field_type(&fields[1])))
            }
            _ => Type::Other,
        },
        DataType::Dictionary(_, values) => data_type(values),
        DataType::RunEndEncoded(_, values) => field_type(values),
        DataType::Union(..) => Type::Other,
    }
}

fn digits(unit: TimeUnit) -> u8 {
    match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    }
}
