//! Plain data: what values, rows, ranges, findings and verdicts are. Nothing here reads or writes.
//!
//! The definition of "equal" is in [`canonical`]; everything else follows from it.

pub mod canonical;
pub mod chained;
pub mod comparison;
pub mod digest;
pub mod finding;
pub mod grid;
pub mod json;
pub mod kind;
pub mod lookup3;
pub mod number;
pub mod outline;
pub mod packed;
pub mod parse;
pub mod portable;
pub mod range;
pub mod row;
pub mod schema;
pub mod temporal;
pub mod value;
pub mod verdict;
