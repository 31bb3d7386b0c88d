//! The books of one table: every range with its outcome, every row accounted for.

use super::compare::Compared;
use super::run::Peculiarities;
use crate::error::Result;
use crate::model::comparison::Pairing;
use crate::model::range::{Coverage, Domain, RangeOutcome, RangeRecord};
use crate::model::verdict::{DifferenceCounts, RowCounts};
use crate::report::Sink;
use crate::sides::{Side, Sides};

/// Counts what is found in a table and passes it on to the report.
pub struct Ledger<'a> {
    sink: &'a mut dyn Sink,
    columns: usize,
    /// What the counts are so far.
    pub counts: Counts,
}

/// What the books say.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// The ranges.
    pub coverage: Coverage,
    /// The rows.
    pub rows: RowCounts,
    /// The rows of compared ranges, as they were counted on reading, less those that were compared: none in the end.
    pub uncompared: Sides<i64>,
    /// The keys that differ.
    pub differences: DifferenceCounts,
    /// For each compared column, the changed keys at which it differs.
    pub changed: Vec<u64>,
    /// What is peculiar about the keys of each side.
    pub peculiarities: Sides<Peculiarities>,
    /// Whether the keys of all ranges were looked at for repetitions.
    pub repetitions_unknown: bool,
}

impl<'a> Ledger<'a> {
    /// Opens the books of a table.
    pub fn new(pairing: &Pairing, sink: &'a mut dyn Sink) -> Self {
        let columns = pairing.columns.len();
        Ledger { sink, columns, counts: Counts { changed: vec![0; columns], ..Counts::default() } }
    }

    /// Begins anew, with ranges of this domain.
    ///
    /// # Errors
    ///
    /// Those of the report.
    pub fn restart(&mut self, domain: Domain) -> Result<()> {
        self.counts = Counts { changed: vec![0; self.columns], ..Counts::default() };
        self.sink.restart(domain)
    }

    /// Enters a finished range. The rows of an equal one are matched; those of a compared one are counted by
    /// [`Ledger::compared`], and so are those of a failed one that were compared before it failed.
    ///
    /// # Errors
    ///
    /// Those of the report.
    pub fn range(&mut self, record: &RangeRecord) -> Result<()> {
        self.counts.coverage.record(record);
        let (rows, counts) = (record.evidence.rows(), &mut self.counts);
        match record.outcome {
            RangeOutcome::Equal => {
                assert!(record.evidence.agrees(), "a range is equal only if both sides hold the same rows");
                counts.rows.source += rows.source;
                counts.rows.target += rows.target;
                counts.rows.matched += rows.source;
            }
            RangeOutcome::Compared => {
                counts.uncompared.source += rows.source as i64;
                counts.uncompared.target += rows.target as i64;
            }
            RangeOutcome::Failed => {}
        }
        self.sink.range(record)
    }

    /// Enters what comparing the rows of ranges came to.
    ///
    /// # Errors
    ///
    /// Those of the report.
    pub fn compared(&mut self, compared: Compared) -> Result<()> {
        let counts = &mut self.counts;
        counts.rows.source += compared.rows.source;
        counts.rows.target += compared.rows.target;
        counts.uncompared.source -= compared.rows.source as i64;
        counts.uncompared.target -= compared.rows.target as i64;
        counts.rows.matched += compared.matched;
        counts.rows.duplicate.source += compared.duplicate.source;
        counts.rows.duplicate.target += compared.duplicate.target;
        counts.differences.missing_in_target += compared.differences.missing_in_target;
        counts.differences.missing_in_source += compared.differences.missing_in_source;
        counts.differences.changed += compared.differences.changed;
        counts.differences.duplicate += compared.differences.duplicate;
        counts.changed.iter_mut().zip(&compared.changed).for_each(|(sum, changed)| *sum += changed);
        if compared.findings.is_empty() { Ok(()) } else { self.sink.findings(compared.findings) }
    }

    /// Enters what is peculiar about keys of a side.
    pub fn peculiar(&mut self, side: Side, found: Peculiarities) {
        self.counts.peculiarities.get_mut(side).merge(found);
    }
}
