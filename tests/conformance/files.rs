//! Files and memory as subjects.

use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryArray, FixedSizeBinaryBuilder, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use tieout::engines::files::FileOptions;
use tieout::engines::memory::MemorySession;
use tieout::engines::{OpenOptions, Session, open};

use super::tables::{TestTable, Ty, unhex};
use super::{Made, Subject};
use crate::support::{Dir, NULL};

/// A format, or memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Files {
    Memory,
    Parquet,
    Arrow,
    Csv,
    Ndjson,
}

/// Rows in a batch of the memory engine, each of which is a part.
const BATCH_ROWS: usize = 700;

impl Subject for Files {
    fn name(&self) -> String {
        format!("{self:?}")
    }

    fn holds(&self, table: &TestTable) -> bool {
        match self {
            Files::Memory | Files::Parquet | Files::Arrow => true,
            Files::Csv => table.columns.iter().all(|(_, ty)| *ty != Ty::Bytes),
            // Without a row nothing says which members there are.
            Files::Ndjson => table.columns.iter().all(|(_, ty)| *ty != Ty::Bytes) && !table.rows.is_empty(),
        }
    }

    fn make(&self, table: &TestTable) -> Made {
        let (batch, dir) = (batch(table), Dir::new());
        let session: Box<dyn Session> = match self {
            Files::Memory => {
                let starts = (0..batch.num_rows().max(1)).step_by(BATCH_ROWS);
                let batches = starts.map(|start| batch.slice(start, BATCH_ROWS.min(batch.num_rows() - start))).collect();
                Box::new(MemorySession::new(table.name, batches).unwrap())
            }
            _ => {
                let name = format!("{}.{}", table.name, format!("{self:?}").to_lowercase());
                dir.table(&name, &batch);
                let files = FileOptions { null: Some(NULL.to_string()), ..FileOptions::default() };
                let options = OpenOptions { files, ..OpenOptions::default() };
                open(dir.path(&name).to_str().unwrap(), &options).unwrap()
            }
        };
        // Memory says yes whatever it holds: the audit looks for itself.
        Made { session, _place: Box::new(dir), has_keys: false, tells_order: *self != Files::Memory }
    }
}

/// The table as Arrow has it.
fn batch(table: &TestTable) -> RecordBatch {
    let cells = |place: usize| table.rows.iter().map(move |row| row[place].as_deref());
    let columns = table.columns.iter().enumerate().map(|(place, (name, ty))| {
        let array = array(*ty, cells(place));
        let field = Field::new(*name, array.data_type().clone(), true);
        match ty {
            Ty::Uuid => (field.with_metadata([("ARROW:extension:name".to_string(), "arrow.uuid".to_string())]), array),
            _ => (field, array),
        }
    });
    let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = columns.unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

fn array<'a>(ty: Ty, cells: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    let target = match ty {
        Ty::Bytes => {
            let values: Vec<Option<Vec<u8>>> = cells.map(|cell| cell.map(unhex)).collect();
            return Arc::new(values.iter().map(Option::as_deref).collect::<BinaryArray>());
        }
        Ty::Uuid => {
            let mut values = FixedSizeBinaryBuilder::new(16);
            cells.for_each(|cell| match cell {
                Some(text) => values.append_value(unhex(&text.replace('-', ""))).unwrap(),
                None => values.append_null(),
            });
            return Arc::new(values.finish());
        }
        Ty::Integer => DataType::Int64,
        Ty::Decimal => DataType::Decimal128(20, 4),
        Ty::Double => DataType::Float64,
        Ty::Boolean => DataType::Boolean,
        Ty::Text | Ty::Long => DataType::Utf8,
        Ty::Date => DataType::Date32,
        Ty::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
    };
    let texts: StringArray = cells.collect();
    let cast = cast(&texts, &target).unwrap();
    assert_eq!(arrow::array::Array::null_count(&cast), arrow::array::Array::null_count(&texts), "{ty:?}");
    cast
}
