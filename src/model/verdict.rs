//! Verdicts, and everything that an audit says about a table: the contents of `summary.json`.

use serde::{Deserialize, Serialize};

use crate::sides::{Side, Sides};

/// What an audit comes to. The order is that of exit codes: the worst over all tables is the run's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Everything asked for was compared, and is equal.
    TiedOut,
    /// Everything asked for was compared, and there are differences.
    Drift,
    /// Something could not be compared; differences found so far are reported.
    Incomplete,
}

impl Verdict {
    /// The exit code of a run with this verdict.
    pub fn exit_code(self) -> u8 {
        match self {
            Verdict::TiedOut => 0,
            Verdict::Drift => 1,
            Verdict::Incomplete => crate::error::EXIT_INCOMPLETE,
        }
    }

    /// The name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::TiedOut => "tied_out",
            Verdict::Drift => "drift",
            Verdict::Incomplete => "incomplete",
        }
    }
}

/// `summary.json`: the run for machines. Field names are a contract; fields may be added.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The version of the program.
    pub tieout: String,
    /// Names the run.
    pub run_id: String,
    /// When it began, RFC 3339 in UTC.
    pub started_at: String,
    /// When it ended.
    pub finished_at: String,
    /// The worst verdict over all tables.
    pub verdict: Verdict,
    /// The exit code of the program.
    pub exit_code: u8,
    /// The source.
    pub source: SideSummary,
    /// The target.
    pub target: SideSummary,
    /// Each table.
    pub tables: Vec<TableSummary>,
}

/// One side of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SideSummary {
    /// Where it is, without secrets.
    pub location: String,
    /// What it is: a server with its version, or a file format.
    pub engine: String,
    /// The position of the snapshot that was read, where the side has one.
    pub position: Option<String>,
    /// What the reader must know of how it was read.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// What was found in one table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TableSummary {
    /// The table on the source.
    pub source: String,
    /// The table on the target.
    pub target: String,
    /// The verdict on this table.
    pub verdict: Verdict,
    /// The key columns by their source names; empty when rows were compared without a key.
    pub key: Vec<String>,
    /// Rows read and matched.
    pub rows: RowCounts,
    /// Counts of keys that differ.
    pub differences: DifferenceCounts,
    /// The compared columns.
    pub columns: Vec<ColumnSummary>,
    /// The columns that are left out.
    pub not_compared: Vec<NotComparedSummary>,
    /// Counts of ranges by outcome.
    pub ranges: RangeCounts,
    /// How the table was read.
    pub method: MethodSummary,
    /// How often each side was read: rows read over rows in the table.
    pub scans: SideFigures<f64>,
    /// Rows that came over to be hashed or compared here, those read twice counted twice.
    #[serde(default)]
    pub rows_streamed: SideFigures<u64>,
    /// Bytes read from files or servers.
    pub bytes_read: SideFigures<u64>,
    /// Wall time in seconds.
    pub seconds: f64,
    /// The file with the differences, within the report.
    pub report: String,
    /// What kept the table from being compared completely.
    pub errors: Vec<String>,
    /// What else the reader must know: keys that are not unique, NULL keys, names that match inexactly.
    pub notes: Vec<String>,
}

/// A figure of each side, in the report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SideFigures<T> {
    /// The source's.
    pub source: T,
    /// The target's.
    pub target: T,
}

impl<T> From<Sides<T>> for SideFigures<T> {
    fn from(sides: Sides<T>) -> Self {
        SideFigures { source: sides.source, target: sides.target }
    }
}

/// Counts of rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowCounts {
    /// Rows of the source that were fingerprinted or compared.
    pub source: u64,
    /// Rows of the target that were fingerprinted or compared.
    pub target: u64,
    /// Rows that both sides have.
    pub matched: u64,
    /// Rows of keys counted as duplicates.
    #[serde(default)]
    pub duplicate: SideFigures<u64>,
}

/// Counts of keys that differ.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DifferenceCounts {
    /// Keys that only the source has.
    pub missing_in_target: u64,
    /// Keys that only the target has.
    pub missing_in_source: u64,
    /// Keys whose rows differ.
    pub changed: u64,
    /// Keys that repeat on a side and whose multisets of rows differ.
    pub duplicate: u64,
}

impl DifferenceCounts {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.missing_in_target + self.missing_in_source + self.changed + self.duplicate
    }
}

/// A compared column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnSummary {
    /// Its name on the source.
    pub source: String,
    /// Its name on the target.
    pub target: String,
    /// Its type on the source, as the source names it.
    pub source_type: String,
    /// Its type on the target, as the target names it.
    pub target_type: String,
    /// The canonical kind that both are read as.
    pub compared_as: String,
    /// Whether equal means identical.
    pub exact: bool,
    /// What is not exact about it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub declared: Option<String>,
    /// Keys of kind `changed` at which it differs.
    pub changed: u64,
}

/// A column that is left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotComparedSummary {
    /// The side that has it.
    pub side: String,
    /// Its name.
    pub column: String,
    /// Why it is left out.
    pub reason: String,
    /// Whether the user said that it shall be: then it does not keep the table from tying out.
    #[serde(default)]
    pub ignored: bool,
}

/// Counts of ranges by outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RangeCounts {
    /// All ranges.
    pub total: u64,
    /// Fingerprints equal.
    pub equal: u64,
    /// Rows compared.
    pub compared: u64,
    /// Not readable on a side.
    pub failed: u64,
}

/// How a table was read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MethodSummary {
    /// `key_order` or `key_hash`.
    pub domain: String,
    /// How the source's rows were had: `stream`, or `push` where the server hashed them.
    pub source: String,
    /// How the target's rows were had.
    pub target: String,
    /// What servers hashed rows with, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Why it was read so.
    #[serde(default)]
    pub why: String,
}

impl TableSummary {
    /// Checks that every row read is accounted for, on both sides.
    ///
    /// A row is matched, or belongs to a key that is changed, missing on the other side, or a duplicate.
    ///
    /// # Panics
    ///
    /// If it is not: the counts would be wrong, and so might the verdict be.
    pub fn assert_balance(&self) {
        let (rows, keys) = (&self.rows, &self.differences);
        for (side, read, missing, duplicate) in [
            (Side::Source, rows.source, keys.missing_in_target, rows.duplicate.source),
            (Side::Target, rows.target, keys.missing_in_source, rows.duplicate.target),
        ] {
            let accounted = rows.matched + keys.changed + missing + duplicate;
            assert!(read == accounted, "the books balance: {read} rows read from the {side}, {accounted} accounted for");
        }
    }
}
