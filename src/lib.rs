//! x
#![allow(missing_docs)]
pub mod audit;
pub mod engines;
pub mod error;
pub mod model;
pub mod report;
pub mod sides;
