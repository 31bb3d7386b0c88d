//! What an audit would do: the contents of `tieout plan`.

use serde::Serialize;

use super::verdict::{ColumnSummary, MethodSummary, NotComparedSummary, SideFigures};

/// How a table would be compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outline {
    /// The table on each side.
    pub tables: SideFigures<String>,
    /// What each side is.
    pub engines: SideFigures<String>,
    /// Rows of each side, where they are known without reading them.
    pub rows: SideFigures<Option<u64>>,
    /// The key columns by their source names; empty when rows would be compared without a key.
    pub key: Vec<String>,
    /// The columns that would be compared.
    pub columns: Vec<ColumnSummary>,
    /// The columns that would be left out.
    pub not_compared: Vec<NotComparedSummary>,
    /// Whether the verdict can be anything but `incomplete`.
    pub complete: bool,
    /// How the table would be read.
    pub method: MethodSummary,
    /// The statements with which servers would hash their rows, where they can.
    pub push: SideFigures<Option<String>>,
    /// What the ranges would be.
    pub ranges: String,
    /// Bytes of rows that would be held while they wait to be compared.
    pub memory_bytes: u64,
    /// What else there is to know.
    pub notes: Vec<String>,
}
