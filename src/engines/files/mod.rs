//! The file engine: Parquet, CSV and TSV, NDJSON, Arrow IPC; one path, a folder or a glob is one table.

mod options;
pub use options::{Encoding, FileOptions};
