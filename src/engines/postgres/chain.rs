//! The hash of a row, value by value, as an expression of the server's own hash functions; see
//! [`chained`](crate::model::chained).

use super::catalog::Relation;
use super::push::{column, text, written};
use super::types::Wire;
use crate::engines::{Scan, ScanColumn};
use crate::model::chained::{Form, NULL_TEXT, SECONDS_OFFSET, WHOLE_OFFSET, null_mark};
use crate::model::grid::Grid;
use crate::model::kind::Kind;
use crate::model::schema::Type;

/// What can be hashed of the columns of a scan; `None`: one of them has values that cannot be told apart by what is hashed.
pub fn forms(relation: &Relation, scan: &Scan, version: i32) -> Option<Vec<Form>> {
    scan.columns.iter().map(|scanned| form(relation, scanned, version)).collect()
}

fn form(relation: &Relation, scanned: &ScanColumn, version: i32) -> Option<Form> {
    let read = &relation.columns[scanned.index].read;
    Some(match (&scanned.kind, &read.ty) {
        (Kind::Number, Type::Boolean) => Form::Whole32,
        (Kind::Number, Type::Integer { bits, signed: true }) if *bits <= 32 => Form::Whole32,
        (Kind::Number, Type::Integer { .. }) => Form::Whole64,
        (Kind::Number, Type::Decimal { scale, .. }) => Form::Fixed(u8::try_from(*scale).ok()?),
        (Kind::Float { .. }, Type::Float { .. }) => Form::Float,
        (Kind::Boolean, Type::Boolean) => Form::Truth,
        (Kind::Text | Kind::PaddedText, _) => text(relation, scanned, version).map(|_| Form::Text)?,
        (Kind::Timestamp | Kind::Instant, Type::Date | Type::Timestamp { .. } | Type::Instant { .. }) => Form::Micros,
        (Kind::Uuid, Type::Uuid) => Form::Uuid,
        _ => text(relation, scanned, version).map(|_| Form::Portable)?,
    })
}

/// The expression for the hash of some columns, of whose values these forms are hashed; never NULL.
///
/// # Errors
///
/// If a form is none of the column's.
pub fn hash(relation: &Relation, columns: &[ScanColumn], grid: &Grid, forms: &[Form], version: i32) -> Result<String, String> {
    let salt = format!("'{}'::int8", grid.salt as i64);
    columns.iter().zip(forms).try_fold(salt, |seed, (scanned, form)| {
        step(relation, scanned, *form, grid.salt, &seed, version)
            .ok_or_else(|| format!("column {} cannot be hashed as {form:?}", column(relation, scanned)))
    })
}

/// The hash of a column's value, with the hash of those before it as its seed.
fn step(relation: &Relation, scanned: &ScanColumn, form: Form, salt: u64, seed: &str, version: i32) -> Option<String> {
    let (read, name) = (&relation.columns[scanned.index].read, column(relation, scanned));
    let whole = match (&read.ty, &read.wire) {
        (Type::Boolean, _) => format!("{name}::int4"),
        (_, Wire::Oid) => format!("{name}::int8"),
        _ => name.clone(),
    };
    let float = |value: &str, offset: f64| format!("hashfloat8extended(coalesce({value} + '{offset}'::float8, 'NaN'), {seed})");
    let bytes = |text: &str, null: &str| format!("hashtextextended(coalesce({text}, '{null}') collate \"C\", {seed})");
    Some(match form {
        Form::Whole32 => float(&format!("{whole}::float8"), WHOLE_OFFSET),
        Form::Whole64 => {
            format!("hashint8extended(coalesce({whole}::int8, 0), {})", float(&format!("{whole}::float8"), WHOLE_OFFSET))
        }
        Form::Fixed(_) => bytes(&written("numeric_out", &name), NULL_TEXT),
        Form::Float => format!(
            "hashfloat8extended(coalesce({name}::float8, 0), \
             hashint4extended(case when {name} is null then 0 when {name}::float8 = 0 then 1 else 2 end, {seed}))"
        ),
        Form::Micros => format!(
            "timestamp_hash_extended(coalesce({name}::timestamp, 'epoch'), {})",
            float(&format!("date_part('epoch', {name}::timestamp)"), SECONDS_OFFSET)
        ),
        Form::Truth => format!("hashint4extended(coalesce({name}::int4, 2), {seed})"),
        Form::Text => bytes(&text(relation, scanned, version)?, &format!("{:032x}", null_mark(salt))),
        Form::Uuid => format!("uuid_hash_extended(coalesce({name}, '{:032x}'), {seed})", null_mark(salt)),
        Form::Portable => bytes(&text(relation, scanned, version)?, NULL_TEXT),
    })
}
