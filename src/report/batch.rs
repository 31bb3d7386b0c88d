//! Findings turned into Arrow columns, one part at a time, so that each can be built by a thread of its own.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, ListBuilder, RecordBatch, StringArray, StringBuilder, StructArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field, Fields};
use arrow::error::ArrowError;
use rayon::prelude::*;

use super::schema::{Content, DiffSchema, Part};
use super::values::{self, Value};
use crate::model::canonical::{Values, take};
use crate::model::finding::{Difference, FindingRef};
use crate::model::kind::Kind;
use crate::sides::{Side, Sides};

/// Findings with the place of every value in their rows, found once for all columns.
pub struct Batch<'a> {
    findings: &'a [FindingRef<'a>],
    /// For each finding, where the values of its row begin, by side; in bytes.
    offsets: Sides<Vec<u32>>,
    /// Values of a row, by side.
    width: Sides<usize>,
    /// The columns that differ in a finding; `None` if there are findings that are not of two rows, one on each side.
    changed: Option<HashSet<u16>>,
}

impl<'a> Batch<'a> {
    /// Looks at `findings`. Rows must be smaller than 4 GiB.
    pub fn new(findings: &'a [FindingRef<'a>]) -> Self {
        let width = Sides::from_fn(|side| {
            let first = findings.iter().find_map(|finding| *finding.rows.get(side));
            first.map_or(0, |row| Values::of(row.bytes()).count())
        });
        let offsets = Sides::from_fn(|side| {
            let width = *width.get(side);
            let mut offsets = vec![0; width * findings.len()];
            let rows = offsets.par_chunks_mut(width.max(1)).zip(findings).with_min_len(256);
            rows.for_each(|(offsets, finding)| {
                let Some(row) = finding.rows.get(side) else { return };
                let mut rest = row.bytes();
                for offset in offsets {
                    *offset = (row.bytes().len() - rest.len()) as u32;
                    take(&mut rest);
                }
            });
            offsets
        });
        let pairs = findings.iter().all(|finding| finding.difference == Difference::Changed);
        let changed = pairs.then(|| findings.iter().flat_map(|finding| finding.changed).copied().collect());
        Batch { findings, offsets, width, changed }
    }

    /// Builds the arrays of all parts, in parallel. Where a column differs in none of the findings the target's array is
    /// the source's.
    ///
    /// # Errors
    ///
    /// If Arrow refuses one, which is a bug.
    pub fn parts(&self, parts: &[Part], names: &[String]) -> Result<Vec<ArrayRef>, ArrowError> {
        let built = parts.par_iter().with_max_len(1).map(|part| match self.is_mirror(part) {
            true => Ok(None),
            false => self.part(part, names).map(Some),
        });
        let built: Vec<Option<ArrayRef>> = built.collect::<Result<_, _>>()?;
        let array = |(part, array): (&Part, &Option<ArrayRef>)| match array {
            Some(array) => Ok(Arc::clone(array)),
            None => mirror(part, part.mirrors.and_then(|source| built[source].as_ref())),
        };
        parts.iter().zip(&built).map(array).collect()
    }

    /// Whether the values of `part` are those of the one that it mirrors.
    fn is_mirror(&self, part: &Part) -> bool {
        let (Content::Value(_, place, _), Some(changed)) = (&part.content, &self.changed) else { return false };
        part.mirrors.is_some() && u16::try_from(*place).is_ok_and(|column| !changed.contains(&column))
    }

    /// Builds the array of one part.
    ///
    /// # Errors
    ///
    /// If Arrow refuses it, which is a bug.
    pub fn part(&self, part: &Part, names: &[String]) -> Result<ArrayRef, ArrowError> {
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
                let value = |i: usize| {
                    let side = if findings[i].rows.source.is_some() { Side::Source } else { Side::Target };
                    self.value(side, i, *places.get(side))
                };
                member(part, (0..findings.len()).map(value).collect(), kind, None)?
            }
            Content::Value(side, place, kind) => {
                let values = (0..findings.len()).map(|i| self.value(*side, i, *place)).collect();
                let present: NullBuffer = findings.iter().map(|finding| finding.rows.get(*side).is_some()).collect();
                member(part, values, kind, Some(present))?
            }
        })
    }

    /// The value at `place` in the side's row of finding `i`.
    #[inline]
    fn value(&self, side: Side, i: usize, place: usize) -> Value<'a> {
        let row = (*self.findings[i].rows.get(side))?;
        let offset = self.offsets.get(side)[i * self.width.get(side) + place] as usize;
        take(&mut &row.bytes()[offset..]).and_then(values::present)
    }

    /// Builds all columns.
    ///
    /// # Errors
    ///
    /// If Arrow refuses one, which is a bug.
    pub fn record_batch(&self, schema: &DiffSchema) -> Result<RecordBatch, ArrowError> {
        let mut columns: Vec<ArrayRef> = Vec::new();
        let mut parts = schema.parts.iter();
        for field in schema.schema.fields() {
            let DataType::Struct(members) = field.data_type() else {
                columns.extend(parts.next().map(|part| self.part(part, &schema.names)).transpose()?);
                continue;
            };
            let (mut arrays, mut nulls) = (Vec::new(), None);
            for part in parts.by_ref().take(members.len()) {
                if let Some(alone) = self.part(part, &schema.names)?.as_any().downcast_ref::<StructArray>() {
                    arrays.push(alone.column(0).clone());
                    nulls = arrow::array::Array::nulls(alone).cloned();
                }
            }
            columns.push(Arc::new(StructArray::try_new(members.clone(), arrays, nulls)?));
        }
        RecordBatch::try_new(schema.schema.clone(), columns)
    }
}

/// The source's column under the target's name.
fn mirror(part: &Part, source: Option<&ArrayRef>) -> Result<ArrayRef, ArrowError> {
    let (DataType::Struct(fields), Some(source)) = (part.root.data_type(), source.and_then(|array| array.as_struct_opt())) else {
        return Err(ArrowError::SchemaError("a column of a side is a member of its struct".to_string()));
    };
    let nulls = arrow::array::Array::nulls(source).cloned();
    Ok(Arc::new(StructArray::try_new(fields.clone(), source.columns().to_vec(), nulls)?))
}

/// A struct of one member.
fn member(part: &Part, values: Vec<Value<'_>>, kind: &Kind, present: Option<NullBuffer>) -> Result<ArrayRef, ArrowError> {
    let empty = Fields::empty();
    let fields = if let DataType::Struct(fields) = part.root.data_type() { fields } else { &empty };
    let member = fields.iter().map(|field| values::array(&values, field.data_type(), kind)).collect::<Result<_, _>>()?;
    Ok(Arc::new(StructArray::try_new(fields.clone(), member, present)?))
}
