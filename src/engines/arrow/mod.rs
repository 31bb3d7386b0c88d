//! Arrow data as rows in canonical bytes: the shared half of every engine that reads columnar data.

mod encode;
mod types;

pub use encode::{BatchReader, projection};
pub use types::columns;

use arrow::array::RecordBatch;

use super::{Part, Scan};
use crate::error::Result;
use crate::model::row::RowBlock;

/// A record batch with the columns of a scan.
pub struct BatchPart<'a> {
    /// The rows.
    pub batch: RecordBatch,
    /// What they are read as.
    pub scan: &'a Scan,
}

impl Part for BatchPart<'_> {
    fn weight_bytes(&self) -> u64 {
        self.batch.get_array_memory_size() as u64
    }

    fn read(self: Box<Self>, emit: &mut dyn FnMut(&mut RowBlock) -> Result<()>) -> Result<u64> {
        let mut reader = BatchReader::new(self.scan);
        reader.push(&self.batch, emit)?;
        reader.finish(emit)?;
        Ok(self.batch.num_rows() as u64)
    }
}
