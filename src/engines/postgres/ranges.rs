//! How a table is cut into parts: by ranges of its key, by the place of its rows on the disk, or not at all.

use std::ops::Range;
use std::sync::Arc;

use super::catalog::{Class, Relation, Store};
use super::client::Client;
use super::failure::{failure, field};
use super::keys::{self, Sample};
use super::sql::{identifier, qualified};
use crate::engines::Scan;
use crate::error::Result;

/// About how many bytes a part is meant to have.
const PART_BYTES: u64 = 4 << 20;
/// Parts of huge tables are larger, as there would be too many of them.
const PART_BYTES_MAX: u64 = 32 << 20;
const PARTS_TARGET: u64 = 16_384;
/// Parts whose rows the server hashes are as few as keep it busy, for each of them is compiled anew, but each statement takes no
/// more than seconds.
const HASHED_PART_BYTES_MAX: u64 = 1 << 30;
/// How far rows must be stored in the order of their keys for an index to be read as fast as the table itself.
const AGREEMENT_MIN: f64 = 0.9;
/// Up to this size a table is read by its index whatever the order of its rows: it stays in memory.
const SMALL_BYTES: u64 = 32 << 20;
/// Rows read as one part may take that many times the bytes that they take on the disk.
const EXPANSION: u64 = 4;
/// Tables without a size, such as views.
const WEIGHT_GUESS: u64 = PART_BYTES;
/// The version from which on a range of places is read without the rest of the table.
const PLACES_SINCE: i32 = 140_000;

/// A part of a table, to be read by one statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    /// The table or tables.
    pub from: String,
    /// Which of the rows.
    pub condition: String,
    /// The pages that they lie on, where that is the condition.
    pub pages: Option<Pages>,
    /// Whether the condition is one for an index.
    pub by_index: bool,
    /// About how many bytes they are.
    pub weight_bytes: u64,
    /// A key in canonical bytes that none of the rows is below.
    pub least_key: Option<Vec<u8>>,
    /// Whether rows are worth being asked for by their `ctid`: not where partitions that are read as one table have the same
    /// ones, or the condition says already which rows are wanted.
    pub has_places: bool,
}

/// Adjacent pages of what holds a table's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pages {
    /// Their numbers.
    pub range: Range<u64>,
    /// Whether none come after them: then there is no last one, for the table may have grown since its size was asked for.
    pub open: bool,
}

impl Pages {
    /// The same pages in so many pieces.
    pub fn cut(&self, pieces: u64) -> impl Iterator<Item = Pages> {
        let Range { start, end } = self.range;
        let bound = move |piece: u64| start + (end - start) * piece / pieces;
        let open = self.open;
        (0..pieces).map(move |piece| Pages { range: bound(piece)..bound(piece + 1), open: open && piece + 1 == pieces })
    }

    fn condition(&self) -> String {
        let lower = (self.range.start > 0).then(|| format!("ctid >= '({},0)'::tid", self.range.start));
        let upper = (!self.open).then(|| format!("ctid < '({},0)'::tid", self.range.end));
        let bounds: Vec<String> = [lower, upper].into_iter().flatten().collect();
        if bounds.is_empty() { "true".to_string() } else { bounds.join(" and ") }
    }
}

/// How the parts of a scan are found.
#[derive(Debug, Clone)]
pub enum Cut {
    /// All rows at once.
    Whole,
    /// By place.
    Places,
    /// By key.
    Keys(Arc<Sample>),
}

/// The size of what holds a table's rows.
#[derive(Debug, Clone, Default)]
pub struct Size {
    /// For each store, its pages and all its bytes, with what is stored out of line.
    pub stores: Vec<(u64, u64)>,
}

impl Size {
    /// Asks for the size of a table.
    ///
    /// # Errors
    ///
    /// If the server does not tell.
    pub fn of(client: &mut Client, stores: &[Store]) -> Result<Self> {
        let oids: Vec<u32> = stores.iter().map(|store| store.oid).collect();
        let query = "select coalesce(pg_relation_size(s.oid), 0) / current_setting('block_size')::int8, \
                     coalesce(pg_table_size(s.oid), 0) from unnest($1::oid[]) with ordinality s(oid, n) order by n";
        let rows = client.query(query, &[&oids]).map_err(|error| failure("ask for the table's size", &error))?;
        let size = |row, at| Ok(field::<i64>(row, at)?.max(0) as u64);
        Ok(Size { stores: rows.iter().map(|row| Ok((size(row, 0)?, size(row, 1)?))).collect::<Result<_>>()? })
    }

    /// All pages.
    pub fn pages(&self) -> u64 {
        self.stores.iter().map(|(pages, _)| pages).sum()
    }

    /// All bytes.
    pub fn bytes(&self) -> u64 {
        self.stores.iter().map(|(_, bytes)| bytes).sum()
    }

    /// How many parts there should be, and about how many bytes in each.
    pub fn parts(&self) -> (u64, u64) {
        let part = (self.bytes() / PARTS_TARGET).clamp(PART_BYTES, PART_BYTES_MAX);
        (self.bytes().div_ceil(part).max(1), part)
    }

    /// About how many bytes a part of a scan by place should have, of which a server hashes so many at once.
    fn part_bytes(&self, scan: &Scan, hashed_at_once: u64) -> u64 {
        let (_, part) = self.parts();
        if scan.hashed_there { part.max((self.bytes() / hashed_at_once.max(1)).min(HASHED_PART_BYTES_MAX)) } else { part }
    }
}

/// Whether a scan can be cut by key at all.
pub fn can_cut_by_key(relation: &Relation, scan: &Scan) -> bool {
    let is_stored = matches!(relation.class, Class::Table | Class::Partitioned | Class::Materialised);
    is_stored && relation.stores.iter().all(|store| store.is_heap) && keys::has_index(relation, scan)
}

/// Whether a table's rows can be read by their place.
pub fn can_cut_by_place(relation: &Relation, version_number: i32) -> bool {
    version_number >= PLACES_SINCE && !relation.stores.is_empty() && relation.stores.iter().all(|store| store.is_heap)
}

/// Whether no two rows of a table have the same place.
fn has_places(relation: &Relation) -> bool {
    matches!(relation.class, Class::Table | Class::Materialised) && matches!(&relation.stores[..], [store] if store.is_heap)
}

/// Whether a table is so small that the audit sorts it in passing.
pub fn is_one_part(relation: &Relation, size: &Size, held_bytes: u64) -> bool {
    !relation.stores.is_empty()
        && relation.stores.iter().all(|store| store.is_heap)
        && size.parts().0 == 1
        && size.bytes() * EXPANSION <= held_bytes
}

/// Whether reading by key costs about as much as reading the table from one end to the other.
pub fn is_cheap(sample: &Sample, size: &Size) -> bool {
    sample.agreement >= AGREEMENT_MIN || size.bytes() <= SMALL_BYTES
}

/// The slices of a table, which together hold every row once; a server hashes so many of them at once.
pub fn slices(relation: &Relation, scan: &Scan, cut: &Cut, size: &Size, hashed_at_once: u64) -> Vec<Slice> {
    match cut {
        Cut::Whole => {
            let weight_bytes = relation.table.bytes.filter(|bytes| *bytes > 0).unwrap_or(WEIGHT_GUESS);
            let from = keys::source(relation.class, &relation.table.name);
            let has_places = has_places(relation);
            let condition = "true".to_string();
            vec![Slice { from, condition, pages: None, by_index: false, weight_bytes, least_key: None, has_places }]
        }
        Cut::Places => by_place(relation, size, size.part_bytes(scan, hashed_at_once)),
        Cut::Keys(sample) => by_key(relation, scan, sample, size),
    }
}

fn by_key(relation: &Relation, scan: &Scan, sample: &Sample, size: &Size) -> Vec<Slice> {
    let from = keys::source(relation.class, &relation.table.name);
    let columns: Vec<String> =
        scan.columns[..scan.key_columns].iter().map(|column| identifier(&relation.table.columns[column.index].name)).collect();
    let bounds = &sample.bounds;
    let weight_bytes = size.bytes() / (bounds.len() as u64 + 1);
    let has_places = has_places(relation);
    let slice = |condition, least_key| Slice {
        from: from.clone(),
        condition,
        pages: None,
        by_index: true,
        weight_bytes,
        least_key,
        has_places,
    };
    if bounds.is_empty() {
        return vec![slice("true".to_string(), None)];
    }
    let mut slices = Vec::with_capacity(bounds.len() + 2);
    // A comparison with NULL holds for no range. NULL comes before all other keys.
    let nullable = keys::nullable(relation, scan);
    if !nullable.is_empty() {
        let nulls: Vec<String> = nullable.iter().map(|name| format!("{name} is null")).collect();
        slices.push(slice(format!("({})", nulls.join(" or ")), None));
    }
    // Of several columns those behind one that decides may be NULL all the same.
    let present: String = nullable.iter().map(|name| format!(" and {name} is not null")).collect();
    for at in 0..=bounds.len() {
        let (lower, upper) = (at.checked_sub(1).map(|below| &bounds[below]), bounds.get(at));
        let least_key = lower.map(|bound| bound.canonical.clone()).filter(|key| !key.is_empty());
        slices.push(slice(keys::condition(&columns, lower, upper) + &present, least_key));
    }
    slices
}

/// Ranges of pages of each store. Where the user may read the table but not its partitions by their own names, of
/// all of them at once.
fn by_place(relation: &Relation, size: &Size, part_bytes: u64) -> Vec<Slice> {
    if relation.stores.iter().any(|store| !store.is_readable) {
        let pages = size.stores.iter().map(|(pages, _)| *pages).max().unwrap_or(0);
        let mut slices = page_ranges(&keys::source(relation.class, &relation.table.name), pages, size.bytes(), part_bytes);
        slices.iter_mut().for_each(|slice| slice.has_places = false);
        return slices;
    }
    let stores = relation.stores.iter().zip(&size.stores);
    stores
        .flat_map(|(store, &(pages, bytes))| page_ranges(&format!("only {}", qualified(&store.name)), pages, bytes, part_bytes))
        .collect()
}

fn page_ranges(from: &str, pages: u64, bytes: u64, part_bytes: u64) -> Vec<Slice> {
    let parts = bytes.div_ceil(part_bytes).clamp(1, pages.max(1));
    let slice = |pages: Pages| Slice {
        from: from.to_string(),
        condition: pages.condition(),
        pages: Some(pages),
        by_index: false,
        weight_bytes: bytes / parts,
        least_key: None,
        has_places: true,
    };
    Pages { range: 0..pages, open: true }.cut(parts).map(slice).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_pages_follow_one_another_and_the_last_is_open() {
        let conditions: Vec<String> = page_ranges("t", 10, 30 << 20, 10 << 20).into_iter().map(|slice| slice.condition).collect();
        assert_eq!(conditions, ["ctid < '(3,0)'::tid", "ctid >= '(3,0)'::tid and ctid < '(6,0)'::tid", "ctid >= '(6,0)'::tid"]);
        assert_eq!(page_ranges("t", 0, 0, 1)[0].condition, "true");
        let pieces: Vec<Pages> = Pages { range: 6..10, open: true }.cut(3).collect();
        assert_eq!(
            pieces.iter().map(|piece| (piece.range.clone(), piece.open)).collect::<Vec<_>>(),
            [(6..7, false), (7..8, false), (8..10, true)]
        );
        // Rows that are stored out of line: one page a part is the least.
        assert_eq!(page_ranges("t", 2, 1 << 30, 1 << 20).len(), 2);
    }
}
