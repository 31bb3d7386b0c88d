//! Rows that are held as columns.

use std::any::Any;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowNativeTypeOp, AsArray, GenericByteArray, GenericByteViewArray, downcast_primitive};
use arrow::datatypes::*;

use super::batch::{Columns, LANES, Lanes};
use super::same::mark_differing;
use crate::engines::Deferred;
use crate::error::Result;
use crate::model::kind::Kind;
use crate::model::row::{BLOCK_ROWS_MAX, RowBlock, compare_keys};

/// Bytes that the rows of a block may take as columns. In canonical bytes they take some times as much at most: what
/// may unfold without bound, such as a number in text, is not deferred.
const DEFERRED_BYTES_MAX: usize = 512 * 1024;

/// Rows of a record batch.
pub(super) struct DeferredRows {
    columns: Arc<Columns>,
    /// The places of the rows in the columns; at least one.
    rows: Range<usize>,
    size_bytes: usize,
}

impl DeferredRows {
    /// Cuts all rows of some columns into blocks.
    pub(super) fn cut(columns: Columns, extent: Extent) -> impl Iterator<Item = DeferredRows> {
        let (columns, rows) = (Arc::new(columns), extent.rows);
        let at_once = (DEFERRED_BYTES_MAX / extent.widest.max(1)).clamp(1, BLOCK_ROWS_MAX);
        (0..rows).step_by(at_once).map(move |start| {
            let end = rows.min(start + at_once);
            DeferredRows { columns: Arc::clone(&columns), rows: start..end, size_bytes: extent.total / rows * (end - start) }
        })
    }

    fn bytes_ascend(&self) -> bool {
        let (mut last, mut key) = (self.key(0).into_owned(), Vec::new());
        self.rows.clone().skip(1).all(|row| {
            key.clear();
            self.columns.push_key(row, &mut key);
            std::mem::swap(&mut last, &mut key);
            compare_keys(&key, &last).is_lt()
        })
    }

    fn slice(&self, column: usize, rows: &Range<usize>) -> ArrayRef {
        self.columns.arrays[column].0.slice(self.rows.start + rows.start, rows.len())
    }
}

impl Deferred for DeferredRows {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    fn key(&self, row: usize) -> Cow<'_, [u8]> {
        let mut key = Vec::new();
        self.columns.push_key(self.rows.start + row, &mut key);
        Cow::Owned(key)
    }

    fn keys_ascend(&self) -> bool {
        let keys = (0..self.columns.key_columns).map(|column| self.slice(column, &(0..self.len())));
        let mut keys = keys.zip(self.columns.arrays.iter().map(|(_, kind)| kind));
        match (keys.next(), keys.next()) {
            (Some((key, kind)), None) if orders_by_value(key.data_type(), kind) => key.null_count() == 0 && ascends(&key),
            (one, two) => one.into_iter().chain(two).chain(keys).all(|(key, _)| key.null_count() == 0) && self.bytes_ascend(),
        }
    }

    fn encode(&self, rows: &[usize], block: &mut RowBlock) -> Result<()> {
        let mut lanes = Lanes::default();
        let rows: Vec<usize> = rows.iter().map(|row| self.rows.start + row).collect();
        for rows in rows.chunks(LANES) {
            self.columns.fill(&mut lanes, rows);
            lanes.rows().for_each(|row| block.push(row));
        }
        Ok(())
    }

    fn differing(&self, rows: Range<usize>, other: &dyn Deferred, others: Range<usize>) -> Vec<usize> {
        let alike = |other: &&DeferredRows| {
            let (one, two) = (&self.columns.arrays, &other.columns.arrays);
            // Equal bits mean equal values only where both are read alike.
            one.len() == two.len() && one.iter().zip(two).all(|((_, kind), (_, other))| kind == other)
        };
        let other = (other as &dyn Any).downcast_ref::<DeferredRows>().filter(alike);
        let mut marks = vec![other.is_none(); rows.len()];
        if let Some(other) = other {
            let columns = 0..self.columns.arrays.len();
            columns.for_each(|at| mark_differing(&self.slice(at, &rows), &other.slice(at, &others), &mut marks));
        }
        (0..rows.len()).filter(|&place| marks[place]).collect()
    }
}

/// Whether the canonical bytes of a type's values order as the values do.
fn orders_by_value(ty: &DataType, kind: &Kind) -> bool {
    match kind {
        Kind::Number => ty.is_integer(),
        Kind::Date => *ty == DataType::Date32,
        Kind::Timestamp | Kind::Instant => matches!(ty, DataType::Timestamp(..)),
        _ => false,
    }
}

/// Whether each value is above the one before it.
fn ascends(array: &dyn Array) -> bool {
    macro_rules! ascend {
        ($ty:ty) => {
            array.as_primitive::<$ty>().values().windows(2).all(|pair| pair[0].is_lt(pair[1]))
        };
    }
    downcast_primitive! {
        array.data_type() => (ascend),
        _ => false
    }
}

/// What values take as columns, in bytes.
#[derive(Clone, Copy, Default)]
pub(super) struct Extent {
    rows: usize,
    /// No row takes more.
    widest: usize,
    /// All rows together.
    total: usize,
}

impl Extent {
    /// What the columns take; `None` if there are values that have to be encoded to know how large they are, or if
    /// nothing is gained by deferring them.
    pub(super) fn of(columns: &Columns) -> Option<Extent> {
        if columns.key_columns == columns.arrays.len() {
            return None;
        }
        columns.arrays.iter().try_fold(Extent::default(), |sum, (array, kind)| {
            let column = Extent::of_column(array, kind)?;
            Some(Extent { widest: sum.widest + column.widest, total: sum.total + column.total, ..column })
        })
    }

    fn of_column(array: &ArrayRef, kind: &Kind) -> Option<Extent> {
        match (array.data_type(), kind) {
            (DataType::Boolean, _) => Some(Extent::framed(1, array.len(), 0, 0)),
            (DataType::FixedSizeBinary(width), _) => Some(Extent::framed(usize::try_from(*width).ok()?, array.len(), 0, 0)),
            (DataType::Utf8, Kind::Text | Kind::PaddedText | Kind::Uuid) => Some(Extent::of_bytes(array.as_string::<i32>())),
            (DataType::LargeUtf8, Kind::Text | Kind::PaddedText | Kind::Uuid) => Some(Extent::of_bytes(array.as_string::<i64>())),
            (DataType::Utf8View, Kind::Text | Kind::PaddedText | Kind::Uuid) => Some(Extent::of_views(array.as_string_view())),
            (DataType::Binary, _) => Some(Extent::of_bytes(array.as_binary::<i32>())),
            (DataType::LargeBinary, _) => Some(Extent::of_bytes(array.as_binary::<i64>())),
            (DataType::BinaryView, _) => Some(Extent::of_views(array.as_binary_view())),
            (ty, _) => Some(Extent::framed(ty.primitive_width()?, array.len(), 0, 0)),
        }
    }

    fn of_bytes<T: ByteArrayType>(array: &GenericByteArray<T>) -> Extent {
        let longest = array.offsets().lengths().max().unwrap_or(0);
        Extent::framed(size_of::<T::Offset>(), array.len(), longest, array.offsets().lengths().sum())
    }

    fn of_views<T: ByteViewType>(array: &GenericByteViewArray<T>) -> Extent {
        // The length is the low part of a view: <https://arrow.apache.org/docs/format/Columnar.html>.
        let lengths = || array.views().iter().map(|view| *view as u32);
        let longest = lengths().max().unwrap_or(0) as usize;
        Extent::framed(size_of::<u128>(), array.len(), longest, lengths().map(u64::from).sum::<u64>() as usize)
    }

    /// Values with a frame of fixed size, the longest of them and all of them beside it.
    fn framed(frame: usize, rows: usize, longest: usize, all: usize) -> Extent {
        Extent { rows, widest: frame + longest, total: frame * rows + all }
    }
}
