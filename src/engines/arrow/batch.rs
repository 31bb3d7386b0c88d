//! Record batches as rows, in canonical bytes or not yet.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};

use super::deferred::{DeferredRows, Extent};
use super::encode::{Encoder, encoder};
use crate::engines::{Part, Rows, Scan};
use crate::error::Result;
use crate::model::grid::Selection;
use crate::model::kind::Kind;
use crate::model::row::{Row, RowBlock};

/// Rows that are encoded side by side: enough to spread the cost of a call for each column, few enough to stay in
/// the processor's nearest cache until they are hashed.
pub(super) const LANES: usize = 64;
/// Bytes that a row is given at first.
const LANE_BYTES: usize = 256;

/// Turns record batches into blocks of rows.
///
/// The columns of a batch are those of the scan, in the order of their place in the table: what a projection gives.
pub struct BatchReader<'a> {
    scan: &'a Scan,
    /// For each column of the scan, its place among the projected columns.
    places: Vec<usize>,
    block: RowBlock,
}

impl<'a> BatchReader<'a> {
    /// A reader of batches that hold just the scan's columns.
    pub fn new(scan: &'a Scan) -> Self {
        let projected = projection(scan);
        let places = scan.columns.iter().map(|column| projected.partition_point(|&index| index < column.index)).collect();
        BatchReader { scan, places, block: RowBlock::default() }
    }

    /// Appends the rows of `batch`, and hands on each block that is full.
    ///
    /// # Errors
    ///
    /// Those of `emit`, and columns whose type cannot be read as what the scan asks for.
    pub fn push(&mut self, batch: &RecordBatch, emit: &mut dyn FnMut(&mut RowBlock) -> Result<()>) -> Result<()> {
        let columns = Columns::of(batch, self.scan, &self.places)?;
        self.encode(&columns, batch.num_rows(), emit)
    }

    /// Hands on the rows of `batch`: as they are, where that can be held and compared, else like [`BatchReader::push`].
    ///
    /// # Errors
    ///
    /// Those of [`BatchReader::push`].
    pub fn push_deferred(&mut self, batch: &RecordBatch, emit: &mut dyn FnMut(Rows<'_>) -> Result<()>) -> Result<()> {
        let columns = Columns::of(batch, self.scan, &self.places)?;
        let rows = batch.num_rows();
        match Extent::of(&columns).filter(|_| self.scan.cells.is_none()) {
            Some(extent) => DeferredRows::cut(columns, extent).try_for_each(|rows| emit(Rows::Deferred(Box::new(rows)))),
            None => self.encode(&columns, rows, &mut |block| emit(Rows::Encoded(block))),
        }
    }

    fn encode(&mut self, columns: &Columns, rows: usize, emit: &mut dyn FnMut(&mut RowBlock) -> Result<()>) -> Result<()> {
        let block = &mut self.block;
        let mut hand_on = |block: &mut RowBlock| {
            if block.is_full() {
                emit(block)?;
                block.clear();
            }
            Ok(())
        };
        let mut lanes = Lanes::default();
        match &self.scan.cells {
            Some(cells) => (0..rows).try_for_each(|row| {
                columns.select(row, cells, block);
                hand_on(block)
            }),
            None => (0..rows).collect::<Vec<_>>().chunks(LANES).try_for_each(|rows| {
                columns.fill(&mut lanes, rows);
                lanes.rows().try_for_each(|row| {
                    block.push(row);
                    hand_on(block)
                })
            }),
        }
    }

    /// Hands on the rows that are left.
    ///
    /// # Errors
    ///
    /// Those of `emit`.
    pub fn finish(mut self, emit: &mut dyn FnMut(&mut RowBlock) -> Result<()>) -> Result<()> {
        if self.block.is_empty() { Ok(()) } else { emit(&mut self.block) }
    }
}

/// The places of the scan's columns in the table, ascending and each once.
pub fn projection(scan: &Scan) -> Vec<usize> {
    let mut indexes: Vec<usize> = scan.columns.iter().map(|column| column.index).collect();
    indexes.sort_unstable();
    indexes.dedup();
    indexes
}

/// The columns of a batch, in the order of the scan.
pub(super) struct Columns {
    /// Each with what its values are read as.
    pub(super) arrays: Vec<(ArrayRef, Kind)>,
    /// How many of them are the key.
    pub(super) key_columns: usize,
    encoders: Vec<Encoder>,
    raws: Vec<Encoder>,
}

impl Columns {
    fn of(batch: &RecordBatch, scan: &Scan, places: &[usize]) -> Result<Self> {
        let pairs = scan.columns.iter().zip(places);
        let arrays: Vec<(ArrayRef, Kind)> =
            pairs.map(|(column, &place)| (Arc::clone(batch.column(place)), column.kind.clone())).collect();
        let encoders = arrays.iter().map(|(array, kind)| encoder(array, kind)).collect::<Result<_>>()?;
        let raw = arrays.iter().zip(&scan.columns).filter(|(_, column)| column.raw);
        let raws = raw.map(|((array, _), _)| encoder(array, &Kind::Text)).collect::<Result<_>>()?;
        Ok(Columns { arrays, key_columns: scan.key_columns, encoders, raws })
    }

    /// Appends the key of a row, in canonical bytes.
    pub(super) fn push_key(&self, row: usize, out: &mut Vec<u8>) {
        self.encoders[..self.key_columns].iter().for_each(|encoder| encoder.value(row, out));
    }

    /// Puts some rows into lanes, in canonical bytes; there is a lane for each of them.
    pub(super) fn fill(&self, lanes: &mut Lanes, rows: &[usize]) {
        lanes.bytes.resize_with(rows.len(), || Vec::with_capacity(LANE_BYTES));
        lanes.bytes.iter_mut().for_each(Vec::clear);
        let (key, rest) = self.encoders.split_at(self.key_columns);
        key.iter().for_each(|encoder| encoder.values(rows, &mut lanes.bytes));
        note_ends(&lanes.bytes, &mut lanes.keys);
        rest.iter().for_each(|encoder| encoder.values(rows, &mut lanes.bytes));
        note_ends(&lanes.bytes, &mut lanes.compared);
        self.raws.iter().for_each(|encoder| encoder.values(rows, &mut lanes.bytes));
    }

    /// Appends a row to `block` if its key hash lies in `cells`.
    fn select(&self, row: usize, cells: &Selection, block: &mut RowBlock) {
        let (key, rest) = self.encoders.split_at(self.key_columns);
        key.iter().for_each(|encoder| encoder.value(row, block.buffer()));
        if !cells.contains(block.end_key()) {
            return block.abandon_row();
        }
        rest.iter().for_each(|encoder| encoder.value(row, block.buffer()));
        block.end_compared();
        self.raws.iter().for_each(|encoder| encoder.value(row, block.buffer()));
        block.end_row();
    }
}

/// Some rows that are encoded side by side, column by column, so that what a column needs is looked up once for all.
#[derive(Default)]
pub(super) struct Lanes {
    bytes: Vec<Vec<u8>>,
    /// Where the keys and the compared values end.
    keys: Vec<usize>,
    compared: Vec<usize>,
}

impl Lanes {
    /// The rows that were put in last.
    pub(super) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        let ends = self.keys.iter().zip(&self.compared);
        self.bytes.iter().zip(ends).map(|(bytes, (&key, &compared))| Row::new(bytes, key, compared))
    }
}

fn note_ends(bytes: &[Vec<u8>], ends: &mut Vec<usize>) {
    ends.clear();
    ends.extend(bytes.iter().map(Vec::len));
}

/// A record batch with the columns of a scan.
pub struct BatchPart<'a> {
    /// The rows.
    pub batch: RecordBatch,
    /// What they are read as.
    pub scan: &'a Scan,
}

impl Part for BatchPart<'_> {
    fn weight_bytes(&self) -> u64 {
        self.batch.get_array_memory_size() as u64
    }

    fn read(self: Box<Self>, emit: &mut dyn FnMut(&mut RowBlock) -> Result<()>) -> Result<u64> {
        let mut reader = BatchReader::new(self.scan);
        reader.push(&self.batch, emit)?;
        reader.finish(emit)?;
        Ok(self.batch.num_rows() as u64)
    }

    fn read_deferred(self: Box<Self>, emit: &mut dyn FnMut(Rows<'_>) -> Result<()>) -> Result<u64> {
        let mut reader = BatchReader::new(self.scan);
        reader.push_deferred(&self.batch, emit)?;
        reader.finish(&mut |block| emit(Rows::Encoded(block)))?;
        Ok(self.batch.num_rows() as u64)
    }
}
