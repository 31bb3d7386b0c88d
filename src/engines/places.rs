//! Rows that a scan selects, read by their places: the keys of a part first, and then, if few of its rows are selected,
//! these alone.

use super::Scan;
use crate::error::Result;
use crate::model::digest::{Fingerprint, key_hash};
use crate::model::row::RowBlock;

/// Takes blocks of rows; see [`Part::read`](super::Part::read).
pub type Emit<'a> = dyn FnMut(&mut RowBlock) -> Result<()> + 'a;

/// A part whose rows can be asked for one by one.
pub trait Placed {
    /// What a row is asked for by: one that finds it, and no other.
    type Place;

    /// If more than one in this many rows is selected, reading the keys first costs more than it saves.
    const ONE_IN: usize;

    /// Reads the keys of all rows, in canonical bytes, and returns the places of those that `selects` holds for; `None`
    /// if rows have none.
    ///
    /// # Errors
    ///
    /// If the keys cannot be read to their end.
    fn places(&self, selects: &mut dyn FnMut(&[u8]) -> bool) -> Result<Option<Vec<Self::Place>>>;

    /// Reads the rows at these places; returns how many were read.
    ///
    /// # Errors
    ///
    /// If they cannot be read, and those of `emit`.
    fn read_at(&self, places: &[Self::Place], emit: &mut Emit<'_>) -> Result<u64>;

    /// Reads all rows, and hands on those that the scan selects; returns how many were read.
    ///
    /// # Errors
    ///
    /// If they cannot be read to their end, and those of `emit`.
    fn read_all(&self, emit: &mut Emit<'_>) -> Result<u64>;
}

/// Reads the rows of a part that `scan` selects, by their places if that is worth it; returns how many were read in full.
///
/// Rows that were asked for by place are held back until it is certain that they are those whose keys were read first. If they are
/// not, or the engine does not take a place of its own for one, the part is read like any other.
///
/// # Errors
///
/// If the part cannot be read to its end, and those of `emit`.
pub fn read<P: Placed>(part: &P, scan: &Scan, emit: &mut Emit<'_>) -> Result<u64> {
    let mut read = 0;
    if let Some((places, selected)) = selected(part, scan)? {
        let (mut blocks, mut found) = (Vec::new(), Fingerprint::default());
        let at_places = part.read_at(&places, &mut |block| {
            block.iter().for_each(|row| found.add(key_hash(row.key()).into()));
            blocks.push(std::mem::take(block));
            Ok(())
        });
        read = at_places.as_ref().map_or(0, |rows| *rows);
        if at_places.is_ok() && found == selected {
            blocks.iter_mut().try_for_each(emit)?;
            return Ok(read);
        }
    }
    Ok(read + part.read_all(emit)?)
}

/// The places of the rows that are selected, if they are few, and a fingerprint of their keys.
fn selected<P: Placed>(part: &P, scan: &Scan) -> Result<Option<(Vec<P::Place>, Fingerprint)>> {
    let few = |share: f64| share * P::ONE_IN as f64 <= 1.0;
    // A row that is all key is read with it.
    let worth_it = scan.cells.as_ref().filter(|cells| scan.columns.len() > scan.key_columns && cells.share().is_none_or(few));
    let Some(cells) = worth_it else { return Ok(None) };
    let (mut rows, mut selected) = (0, Fingerprint::default());
    let places = part.places(&mut |key| {
        rows += 1;
        let selects = cells.contains(key);
        if selects {
            selected.add(key_hash(key).into());
        }
        selects
    })?;
    Ok(places.filter(|_| few(selected.rows as f64 / f64::from(rows.max(1)))).map(|places| (places, selected)))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::sync::Arc;

    use super::*;
    use crate::engines::ScanColumn;
    use crate::error::Error;
    use crate::model::canonical::{Tag, push_whole};
    use crate::model::grid::Selection;
    use crate::model::kind::Kind;
    use crate::model::range::{CellSet, Cells};

    /// Rows whose keys are whole numbers, and that are at the places that `lie` makes of theirs.
    struct Numbers<'a> {
        scan: &'a Scan,
        lie: fn(i64) -> Option<i64>,
        asked: RefCell<Vec<&'static str>>,
    }

    impl Numbers<'_> {
        fn emit(&self, numbers: impl Iterator<Item = i64>, emit: &mut Emit<'_>) -> Result<u64> {
            let mut rows = crate::engines::rows::RowWriter::new(self.scan, emit);
            for number in numbers {
                rows.row(|_, _, out| {
                    push_whole(out, Tag::Number, number.into());
                    Ok(())
                })?;
            }
            rows.finish()
        }
    }

    const ROWS: i64 = 10_000;

    impl Placed for Numbers<'_> {
        type Place = i64;
        const ONE_IN: usize = 10;

        fn places(&self, selects: &mut dyn FnMut(&[u8]) -> bool) -> Result<Option<Vec<i64>>> {
            self.asked.borrow_mut().push("keys");
            let mut key = Vec::new();
            let selected = (0..ROWS).filter(|&number| {
                key.clear();
                push_whole(&mut key, Tag::Number, number.into());
                selects(&key)
            });
            Ok(Some(selected.collect()))
        }

        fn read_at(&self, places: &[i64], emit: &mut Emit<'_>) -> Result<u64> {
            self.asked.borrow_mut().push("places");
            let places: Option<Vec<i64>> = places.iter().map(|&place| (self.lie)(place)).collect();
            self.emit(places.ok_or_else(|| Error::new("no such place"))?.into_iter(), emit)
        }

        fn read_all(&self, emit: &mut Emit<'_>) -> Result<u64> {
            self.asked.borrow_mut().push("all");
            self.emit(0..ROWS, emit)
        }
    }

    /// What was asked for in reading every `one_in`th cell, and how many rows were read in full; always the same rows come of it.
    fn read_cells(one_in: usize, lie: fn(i64) -> Option<i64>) -> (Vec<&'static str>, u64) {
        let column = |index| ScanColumn { index, kind: Kind::Number, raw: false, tells_absent: false };
        let cells = Some(Arc::new(Selection::Hashes(CellSet::new(Cells::of_bits(8), |cell| cell % one_in == 0))));
        let scan = Scan { columns: vec![column(0), column(1)], key_columns: 1, cells, ..Scan::default() };
        let part = Numbers { scan: &scan, lie, asked: RefCell::default() };
        let keys = |read: &dyn Fn(&mut Emit<'_>) -> Result<u64>| {
            let mut keys = Vec::new();
            let rows = read(&mut |block| {
                keys.extend(block.iter().map(|row| row.key().to_vec()));
                Ok(())
            });
            (keys, rows.unwrap())
        };
        let (found, rows) = keys(&|emit| read(&part, &scan, emit));
        let asked = part.asked.take();
        assert_eq!(found, keys(&|emit| part.read_all(emit)).0);
        assert!(!found.is_empty());
        (asked, rows)
    }

    #[test]
    fn few_rows_are_read_by_place_and_many_with_all_others() {
        let (asked, rows) = read_cells(64, Some);
        assert_eq!(asked, ["keys", "places"]);
        assert!((50..500).contains(&rows), "{rows}");
        assert_eq!(read_cells(2, Some), (vec!["all"], ROWS as u64));
    }

    #[test]
    fn places_that_find_other_rows_or_none_lose_no_row() {
        for lie in [|place: i64| Some(place + 1), |_| Some(0), |place: i64| Some(place.max(500)), |_| None] {
            let (asked, rows) = read_cells(64, lie);
            assert_eq!(asked, ["keys", "places", "all"]);
            assert!(rows >= ROWS as u64);
        }
    }
}
