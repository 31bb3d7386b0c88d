//! Rows as engines decode them one by one, written into blocks.

use super::Scan;
use crate::error::Result;
use crate::model::row::RowBlock;

/// In which form a value is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// In canonical bytes, as the kind of its column.
    Canonical,
    /// As the side holds it: text under [`Tag::Text`](crate::model::canonical::Tag), or NULL.
    Raw,
}

/// Writes the rows of a part: key first, then, if the scan wants the row, its other columns and the raw values.
pub struct RowWriter<'a> {
    scan: &'a Scan,
    block: RowBlock,
    rows: u64,
    emit: &'a mut dyn FnMut(&mut RowBlock) -> Result<()>,
}

impl<'a> RowWriter<'a> {
    /// A writer that hands full blocks to `emit`.
    pub fn new(scan: &'a Scan, emit: &'a mut dyn FnMut(&mut RowBlock) -> Result<()>) -> Self {
        RowWriter { scan, block: RowBlock::default(), rows: 0, emit }
    }

    /// Writes one row; `push` appends the value of the scan's column at a place, in the form asked for.
    ///
    /// # Errors
    ///
    /// Those of `push` and of the block's taker.
    #[inline]
    pub fn row(&mut self, push: impl FnMut(usize, Form, &mut Vec<u8>) -> Result<()>) -> Result<()> {
        self.rows += 1;
        write_row(self.scan, &mut self.block, push)?;
        if self.block.is_full() {
            (self.emit)(&mut self.block)?;
            self.block.clear();
        }
        Ok(())
    }

    /// Hands on the rows that are left, and returns how many were written in all.
    ///
    /// # Errors
    ///
    /// Those of the block's taker.
    pub fn finish(mut self) -> Result<u64> {
        if !self.block.is_empty() {
            (self.emit)(&mut self.block)?;
        }
        Ok(self.rows)
    }
}

/// Appends one row to a block, if the scan wants it; `push` is as for [`RowWriter::row`].
///
/// # Errors
///
/// Those of `push`.
#[inline]
pub fn write_row(scan: &Scan, block: &mut RowBlock, mut push: impl FnMut(usize, Form, &mut Vec<u8>) -> Result<()>) -> Result<()> {
    for place in 0..scan.key_columns {
        push(place, Form::Canonical, block.buffer())?;
    }
    let key = block.end_key();
    if scan.cells.as_ref().is_some_and(|cells| !cells.contains(key)) {
        block.abandon_row();
        return Ok(());
    }
    for place in scan.key_columns..scan.columns.len() {
        push(place, Form::Canonical, block.buffer())?;
    }
    block.end_compared();
    for (place, _) in scan.columns.iter().enumerate().filter(|(_, column)| column.raw) {
        push(place, Form::Raw, block.buffer())?;
    }
    block.end_row();
    Ok(())
}
