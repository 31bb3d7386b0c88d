//! Picks the ranges that go on: those whose sides do not agree.

use crate::model::range::Evidence;

/// The places in `evidence` of the ranges whose sides differ.
pub fn narrow(evidence: &[Evidence]) -> Vec<usize> {
    (0..evidence.len()).filter(|&range| !evidence[range].agrees()).collect()
}
