//! Arrow data as rows in canonical bytes: the shared half of every engine that reads columnar data.

mod batch;
mod deferred;
mod encode;
mod same;
mod types;

pub use batch::{BatchPart, BatchReader, projection};
pub use types::columns;
