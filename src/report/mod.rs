//! The report: what an audit found, for machines, for DuckDB, for people.
//!
//! Reports see the model and nothing else: no engine, no stage of the audit. A report is a folder:
//!
//! ```text
//! summary.json             the run (json)
//! <table>.diff.parquet     one row for each key that differs (table; schema, values, batch, parquet)
//! ranges.parquet           every range of every table (ranges)
//! ```
//!
//! It is written beside its place and renamed at the end, so a report is whole or absent. [`terminal`] prints it,
//! [`show`] reads it again, [`progress`] tells how far the audit is.

mod batch;
mod folder;
pub mod json;
pub mod outline;
mod pages;
mod parquet;
pub mod progress;
mod ranges;
#[cfg(test)]
mod samples;
mod scalars;
mod schema;
pub mod show;
mod shown;
mod table;
pub mod terminal;
mod values;
mod words;

pub use folder::Report;
pub use shown::{Change, Shown};
pub use table::{TableFiles, TableOptions, TableReport};

use crate::error::Result;
use crate::model::finding::Findings;
use crate::model::range::{Domain, RangeRecord};

/// Where the audit of one table sends what it finds.
///
/// Ranges come in the order of their domain and tile it; findings come in the order of their ranges, and within a
/// range in the order of their keys. Counts are the audit's: a sink only writes down. After an error the sink is
/// not used again.
pub trait Sink: Send {
    /// Takes a finished range.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    fn range(&mut self, record: &RangeRecord) -> Result<()>;

    /// Takes findings; a batch is bounded by the caller to some MiB.
    ///
    /// # Errors
    ///
    /// If they cannot be written.
    fn findings(&mut self, findings: Findings) -> Result<()>;

    /// Forgets everything about the table: the audit begins anew, with ranges of `domain`.
    ///
    /// # Errors
    ///
    /// If what was written cannot be replaced.
    fn restart(&mut self, domain: Domain) -> Result<()>;
}
