//! Picks the ranges that go on: those whose fingerprints differ.

use crate::model::digest::Fingerprint;
use crate::sides::Sides;

/// The places in `fingerprints` of the ranges whose sides differ.
pub fn narrow(fingerprints: &[Sides<Fingerprint>]) -> Vec<usize> {
    (0..fingerprints.len()).filter(|&range| fingerprints[range].source != fingerprints[range].target).collect()
}
