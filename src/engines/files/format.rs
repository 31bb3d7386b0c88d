//! What each file format must be able to do.

use crate::engines::{Parts, Scan};
use crate::error::Result;
use crate::model::schema::Column;

/// A table in files of one format, opened: what [`crate::engines::Session`] asks of it.
pub(super) trait Format: Send + Sync {
    /// The columns, in the order in which the files have them.
    fn columns(&self) -> &[Column];

    /// The number of rows, where it is known.
    fn rows(&self) -> Option<u64>;

    /// About the size of the data when it is neither compressed nor encoded, in bytes, where the format tells.
    fn bytes(&self) -> Option<u64> {
        None
    }

    /// See [`crate::engines::Session::parts`].
    fn parts<'a>(&'a self, scan: &'a Scan) -> Result<Parts<'a>>;

    /// See [`crate::engines::Session::seems_ordered`].
    fn seems_ordered(&self, scan: &Scan, held_bytes: u64) -> Result<bool>;
}
