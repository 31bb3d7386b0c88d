//! Rows in memory: the smallest engine, for tests and for data that a program has at hand.

use arrow::array::RecordBatch;

use super::arrow::{BatchPart, columns, projection};
use super::{Capabilities, Native, Part, Parts, Scan, Session};
use crate::error::{Error, Result};
use crate::model::schema::Table;

/// A table of record batches; each batch is a part.
pub struct MemorySession {
    table: Table,
    batches: Vec<RecordBatch>,
}

impl MemorySession {
    /// A table called `name`.
    ///
    /// # Errors
    ///
    /// If there is no batch, or the batches do not have the same columns.
    pub fn new(name: &str, batches: Vec<RecordBatch>) -> Result<Self> {
        let first = batches.first().ok_or_else(|| Error::new("found no batch, expected at least one"))?;
        if let Some(other) = batches.iter().find(|batch| batch.schema() != first.schema()) {
            return Err(Error::new(format!("found columns {:?}, expected {:?}", other.schema(), first.schema())));
        }
        let table = Table {
            name: name.into(),
            columns: columns(first.schema().fields()),
            keys: Vec::new(),
            rows: Some(batches.iter().map(|batch| batch.num_rows() as u64).sum()),
            bytes: Some(batches.iter().map(|batch| batch.get_array_memory_size() as u64).sum()),
        };
        Ok(MemorySession { table, batches })
    }
}

impl Session for MemorySession {
    fn engine(&self) -> String {
        "memory".to_string()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { many_tables: false, places: false, absent_values: false, conditions: false, native: Some(Native::Columns) }
    }

    fn tables(&self) -> Result<Vec<Table>> {
        Ok(vec![self.table.clone()])
    }

    fn parts<'a>(&'a self, scan: &'a Scan) -> Result<Parts<'a>> {
        let indexes = projection(scan);
        Ok(Box::new(self.batches.iter().map(move |batch| {
            let batch = batch.project(&indexes).map_err(|error| Error::caused("read", error))?;
            Ok(Box::new(BatchPart { batch, scan }) as Box<dyn Part + 'a>)
        })))
    }

    fn seems_ordered(&self, _scan: &Scan, _held_bytes: u64) -> Result<bool> {
        Ok(true)
    }

    fn bytes_read(&self) -> u64 {
        0
    }
}
