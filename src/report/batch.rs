//! Findings turned into Arrow columns, one part at a time, so that each can be built by a thread of its own.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, ListBuilder, RecordBatch, StringArray, StringBuilder, StructArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field, Fields};
use arrow::error::ArrowError;
use rayon::prelude::*;

use super::schema::{Content, DiffSchema, Part};
use super::values::{self, Value};
use crate::model::canonical::Values;
use crate::model::finding::{Difference, FindingRef};
use crate::model::kind::Kind;
use crate::sides::{Side, Sides};

/// Findings whose rows are walked by one thread.
const WALKED_AT_ONCE: usize = 512;

/// Findings with the values of their rows, column by column.
pub struct Batch<'a> {
    findings: &'a [FindingRef<'a>],
    /// For each value of a row, by side, those of all findings; none of a column that no part looks at.
    values: Sides<Vec<Vec<Value<'a>>>>,
    /// Which findings have a row, by side; `None`: all of them.
    present: Sides<Option<NullBuffer>>,
    /// The columns that differ in a finding; `None` if there are findings that are not of two rows, one on each side.
    changed: Option<BTreeSet<u16>>,
}

impl<'a> Batch<'a> {
    /// Looks at `findings`, of which `parts` are to be built.
    pub fn new(findings: &'a [FindingRef<'a>], parts: &[Part]) -> Self {
        let pairs = findings.iter().all(|finding| finding.difference == Difference::Changed);
        let changed = pairs.then(|| findings.iter().flat_map(|finding| finding.changed).copied().collect());
        let present = Sides::from_fn(|side| {
            let is_present = |finding: &FindingRef<'_>| finding.rows.get(side).is_some();
            (!findings.iter().all(is_present)).then(|| findings.iter().map(is_present).collect())
        });
        let mut batch = Batch { findings, values: Sides::default(), present, changed };
        let built: Vec<&Part> = parts.iter().filter(|part| !batch.is_mirror(part)).collect();
        batch.values = Sides::from_fn(|side| {
            let looks = |place: usize| built.iter().any(|part| part.content.looks_at(side, place));
            let row = findings.iter().find_map(|finding| *finding.rows.get(side));
            let width = row.map_or(0, |row| Values::of(row.bytes()).count());
            columns_of(findings, side, &(0..width).map(looks).collect::<Vec<_>>())
        });
        batch
    }

    /// Builds the array of a part.
    ///
    /// # Errors
    ///
    /// If Arrow refuses it, which is a bug.
    pub fn part(&self, part: &Part, parts: &[Part], names: &[String]) -> Result<ArrayRef, ArrowError> {
        match part.mirrors.filter(|_| self.is_mirror(part)) {
            Some(source) => mirror(part, &self.built(&parts[source], names)?),
            None => self.built(part, names),
        }
    }

    /// Whether the values of `part` are those of the one that it mirrors.
    pub fn is_mirror(&self, part: &Part) -> bool {
        let (Content::Value(_, place, _), Some(changed)) = (&part.content, &self.changed) else { return false };
        part.mirrors.is_some() && u16::try_from(*place).is_ok_and(|column| !changed.contains(&column))
    }

    fn built(&self, part: &Part, names: &[String]) -> Result<ArrayRef, ArrowError> {
        let findings = self.findings;
        Ok(match &part.content {
            Content::Difference => {
                Arc::new(StringArray::from_iter_values(findings.iter().map(|finding| finding.difference.name())))
            }
            Content::Rows(side) => {
                Arc::new(Int64Array::from_iter_values(findings.iter().map(|finding| *finding.counts.get(*side) as i64)))
            }
            Content::ChangedColumns => {
                let item = Field::new("item", DataType::Utf8, false);
                let mut out = ListBuilder::with_capacity(StringBuilder::new(), findings.len()).with_field(item);
                for finding in findings {
                    finding.changed.iter().for_each(|&i| out.values().append_value(&names[usize::from(i)]));
                    out.append(true);
                }
                Arc::new(out.finish())
            }
            Content::Key(places, kind) => {
                let columns = places.as_ref().zip(self.values.as_ref()).map(|(place, values)| values.get(*place));
                let value = |(i, finding): (usize, &FindingRef<'_>)| {
                    let side = if finding.rows.source.is_some() { Side::Source } else { Side::Target };
                    columns.get(side).and_then(|column| *column.get(i)?)
                };
                member(part, &findings.iter().enumerate().map(value).collect::<Vec<_>>(), kind, None)?
            }
            Content::Value(side, place, kind) => {
                let present = self.present.get(*side).clone();
                match self.values.get(*side).get(*place) {
                    Some(values) => member(part, values, kind, present)?,
                    None => member(part, &vec![None; findings.len()], kind, present)?,
                }
            }
        })
    }

    /// Builds all columns.
    ///
    /// # Errors
    ///
    /// If Arrow refuses one, which is a bug.
    pub fn record_batch(&self, schema: &DiffSchema) -> Result<RecordBatch, ArrowError> {
        let mut columns: Vec<ArrayRef> = Vec::new();
        let mut parts = schema.parts.iter().map(|part| self.part(part, &schema.parts, &schema.names));
        for field in schema.schema.fields() {
            let DataType::Struct(members) = field.data_type() else {
                columns.extend(parts.next().transpose()?);
                continue;
            };
            let (mut arrays, mut nulls) = (Vec::new(), None);
            for part in parts.by_ref().take(members.len()) {
                let part = part?;
                if let Some(alone) = part.as_any().downcast_ref::<StructArray>() {
                    arrays.push(alone.column(0).clone());
                    nulls = arrow::array::Array::nulls(alone).cloned();
                }
            }
            columns.push(Arc::new(StructArray::try_new(members.clone(), arrays, nulls)?));
        }
        RecordBatch::try_new(schema.schema.clone(), columns)
    }
}

/// The values of the rows of a side, column by column, those that are `wanted`: each row is walked once, by one thread.
fn columns_of<'a>(findings: &'a [FindingRef<'a>], side: Side, wanted: &[bool]) -> Vec<Vec<Value<'a>>> {
    let mut columns: Vec<Vec<Value<'a>>> =
        wanted.iter().map(|&wanted| if wanted { vec![None; findings.len()] } else { Vec::new() }).collect();
    let mut slices: Vec<Vec<&mut [Value<'a>]>> =
        findings.chunks(WALKED_AT_ONCE).map(|_| Vec::with_capacity(wanted.len())).collect();
    for column in &mut columns {
        let mut chunks = column.chunks_mut(WALKED_AT_ONCE);
        slices.iter_mut().for_each(|slices| slices.push(chunks.next().unwrap_or_default()));
    }
    slices.par_iter_mut().zip(findings.par_chunks(WALKED_AT_ONCE)).for_each(|(columns, findings)| {
        for (i, finding) in findings.iter().enumerate() {
            let Some(row) = finding.rows.get(side) else { continue };
            for (column, value) in columns.iter_mut().zip(Values::of(row.bytes())) {
                if let Some(place) = column.get_mut(i) {
                    *place = values::present(value);
                }
            }
        }
    });
    columns
}

/// The source's column under the target's name.
fn mirror(part: &Part, source: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let (DataType::Struct(fields), Some(source)) = (part.root.data_type(), source.as_struct_opt()) else {
        return Err(ArrowError::SchemaError("a column of a side is a member of its struct".to_string()));
    };
    let nulls = arrow::array::Array::nulls(source).cloned();
    Ok(Arc::new(StructArray::try_new(fields.clone(), source.columns().to_vec(), nulls)?))
}

/// A struct of one member.
fn member(part: &Part, values: &[Value<'_>], kind: &Kind, present: Option<NullBuffer>) -> Result<ArrayRef, ArrowError> {
    let empty = Fields::empty();
    let fields = if let DataType::Struct(fields) = part.root.data_type() { fields } else { &empty };
    let member = fields.iter().map(|field| values::array(values, field.data_type(), kind)).collect::<Result<_, _>>()?;
    Ok(Arc::new(StructArray::try_new(fields.clone(), member, present)?))
}
