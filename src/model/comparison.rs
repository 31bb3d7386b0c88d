//! How two tables are held against each other: column by column, decided before a row is read.

use super::kind::Kind;
use super::schema::Column;
use crate::sides::{Side, Sides};

/// How one pair of columns is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// The two columns.
    pub columns: Sides<Column>,
    /// What the values of both are read as.
    pub kind: Kind,
    /// What is not exact about the comparison, declared in the report; `None`: equal means identical.
    pub declared: Option<String>,
    /// Whether a side's value cannot be had back from its canonical form, so that it is carried along as the side
    /// holds it, for the report.
    pub raw: Sides<bool>,
}

/// A column that nothing is said about, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotCompared {
    /// The side that has the column; for a pair without a comparison, the source.
    pub side: Side,
    /// The name of the column on that side.
    pub column: String,
    /// Why it is not compared.
    pub reason: String,
    /// Whether the user said that it shall not be: then it does not keep the table from tying out.
    pub ignored: bool,
}

/// How two tables are compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pairing {
    /// The names of the two tables.
    pub tables: Sides<String>,
    /// The compared columns, those of the key first.
    pub columns: Vec<Comparison>,
    /// How many of them are the key. Without a key all of them are: rows are compared as multisets.
    pub key_columns: usize,
    /// Whether the user asked for no key.
    pub no_key: bool,
    /// Conditions, in each side's own language, that a row must meet to be audited at all.
    pub conditions: Sides<Option<String>>,
    /// Columns that are left out.
    pub not_compared: Vec<NotCompared>,
    /// What else the reader of a verdict must know, such as names that match only without regard to case.
    pub notes: Vec<String>,
}

impl Pairing {
    /// The comparisons of the key columns.
    pub fn key(&self) -> &[Comparison] {
        &self.columns[..self.key_columns]
    }

    /// Whether every column is compared or was ignored by the user.
    pub fn is_complete(&self) -> bool {
        self.not_compared.iter().all(|column| column.ignored)
    }
}
