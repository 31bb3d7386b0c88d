//! How a table is read: by which domain, in which ranges, within which limits. Nothing of its data is read here.

use std::path::PathBuf;

use super::method::{MethodChoice, PILOT_BYTES_DEFAULT};
use crate::engines::{Pushes, Scan, ScanColumn, Session};
use crate::error::Result;
use crate::model::comparison::Pairing;
use crate::model::digest::Digester;
use crate::model::range::{Cells, Domain};
use crate::model::schema::{Table, Type};
use crate::sides::{Side, Sides};

/// Memory for rows that are held while they are compared, in bytes, if the user does not say otherwise.
pub const MEMORY_BYTES_DEFAULT: u64 = 96 << 20;
/// The most of it that is used: rows are held in blocks of at most 4 GiB, and a window may run over by a part.
const MEMORY_BYTES_MAX: u64 = 2 << 30;
/// Rows that a range of the key-hash domain is meant to hold: if one row in a thousand differs, one in sixteen is read again.
const ROWS_PER_CELL: u64 = 64;
/// How many times more where all rows have to be read again whatever differs, so that small ranges would be for nothing.
const FACTOR_WITHOUT_PLACES: u64 = 4;
/// About the size of a row in bytes, where only the size of the data is known.
const ROW_BYTES_GUESS: u64 = 64;
/// Rows assumed where nothing is known about a side.
const ROWS_GUESS: u64 = 1 << 20;

/// What bounds the memory of an audit, and how it goes about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of rows held on both sides together while they wait to be compared; what does not fit is spilled.
    /// A single row may be larger, and decoders have buffers of their own beside it.
    pub window_bytes: u64,
    /// The folder in which rows are spilled; `None`: the system's temporary folder.
    pub temp_dir: Option<PathBuf>,
    /// Rows that a range of the key-hash domain, or of whole numbers that servers hash, is meant to hold.
    pub rows_per_cell: u64,
    /// How rows are had.
    pub method: MethodChoice,
    /// Smaller tables, in bytes, are streamed without a pilot.
    pub pilot_bytes: u64,
    /// If set, this domain is used whatever the data looks like (for tests; key order still gives way to key hash
    /// when the rows turn out not to be ordered).
    pub domain: Option<Domain>,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            window_bytes: MEMORY_BYTES_DEFAULT,
            temp_dir: None,
            rows_per_cell: ROWS_PER_CELL,
            method: MethodChoice::default(),
            pilot_bytes: PILOT_BYTES_DEFAULT,
            domain: None,
        }
    }
}

/// How a table is read.
pub struct Plan {
    /// The columns and their comparisons.
    pub pairing: Pairing,
    /// What is read of each side.
    pub scans: Sides<Scan>,
    /// What the ranges are ranges of.
    pub domain: Domain,
    /// The ranges, if they are those of key hashes.
    pub cells: Cells,
    /// What bounds the memory.
    pub limits: Limits,
    /// Hashes the rows of this run.
    pub digester: Digester,
    /// How each side can add up fingerprints by itself.
    pub pushes: Sides<Pushes>,
    /// About how many rows and bytes each side has.
    pub rows: Sides<u64>,
    /// See there.
    pub bytes: Sides<u64>,
    /// Whether no key repeats on either side: both declare that it is unique, and keys that are the same here are so there as well.
    pub distinct_keys: bool,
    /// Whether the key is unique, and one column of whole numbers that fit 64 bits.
    pub whole_key: bool,
}

/// Plans the audit of a table.
///
/// # Errors
///
/// If a side cannot be probed for the order of its rows.
pub fn plan(
    pairing: Pairing,
    tables: &Sides<Table>,
    sessions: &Sides<Box<dyn Session>>,
    limits: &Limits,
    digester: Digester,
) -> Result<Plan> {
    let limits = Limits { window_bytes: limits.window_bytes.min(MEMORY_BYTES_MAX), ..limits.clone() };
    let tells_absent = [&sessions.source, &sessions.target].iter().all(|session| session.capabilities().absent_values);
    let scans = tables.as_ref().map(|table| table).try_map(|side, table| Ok(scan(&pairing, side, table, tells_absent)))?;
    let domain = match limits.domain {
        Some(domain) => domain,
        None if both_seem_ordered(&scans, sessions, limits.window_bytes / 2)? => Domain::KeyOrder,
        None => Domain::KeyHash,
    };
    let rows = tables.as_ref().map(|table| table.rows.or(table.bytes.map(|bytes| bytes / ROW_BYTES_GUESS)).unwrap_or(ROWS_GUESS));
    let places = [&sessions.source, &sessions.target].iter().any(|session| session.capabilities().places);
    let rows_per_cell = limits.rows_per_cell * if places { 1 } else { FACTOR_WITHOUT_PLACES };
    let cells = Cells::for_rows(rows.source.max(rows.target), rows_per_cell);
    let bytes = tables.as_ref().map(|table| table.bytes.unwrap_or(0));
    let unique_key = !pairing.no_key && Side::BOTH.into_iter().all(|side| declares_key(&pairing, side, tables.get(side)));
    let distinct_keys = unique_key && pairing.key().iter().all(|column| column.declared.is_none());
    let whole_key = unique_key && pairing.key_columns == 1 && Side::BOTH.into_iter().all(|side| fits_position(&pairing, side));
    let pushes = match limits.method.asks_servers(bytes, limits.pilot_bytes) {
        true => {
            scans.as_ref().zip(sessions.as_ref()).try_map(|side, (scan, session)| session.pushes(scan).map_err(|e| e.on(side)))?
        }
        false => Sides::default(),
    };
    Ok(Plan { pairing, scans, domain, cells, limits, digester, pushes, rows, bytes, distinct_keys, whole_key })
}

/// Whether a side declares the key to be unique, and never NULL.
fn declares_key(pairing: &Pairing, side: Side, table: &Table) -> bool {
    let key = || pairing.key().iter().map(|column| &column.columns.get(side).name);
    table.keys.iter().any(|declared| declared.len() == key().count() && key().all(|name| declared.contains(name)))
}

/// Whether the first column is one of whole numbers that are positions.
fn fits_position(pairing: &Pairing, side: Side) -> bool {
    match pairing.columns[0].columns.get(side).ty {
        Type::Integer { bits, signed } => signed || bits < 64,
        _ => false,
    }
}

fn both_seem_ordered(scans: &Sides<Scan>, sessions: &Sides<Box<dyn Session>>, held_bytes: u64) -> Result<bool> {
    let seems = |side: Side| sessions.get(side).seems_ordered(scans.get(side), held_bytes).map_err(|error| error.on(side));
    // A server may have to look at a sample of the rows.
    let (source, target) = rayon::join(|| seems(Side::Source), || seems(Side::Target));
    Ok(source? && target?)
}

fn scan(pairing: &Pairing, side: Side, table: &Table, tells_absent: bool) -> Scan {
    let columns = pairing.columns.iter().map(|comparison| {
        let name = &comparison.columns.get(side).name;
        let index = table.columns.iter().position(|column| column.name == *name).unwrap_or_default();
        ScanColumn { index, kind: comparison.kind.clone(), raw: *comparison.raw.get(side), tells_absent }
    });
    Scan {
        table: table.name.clone(),
        columns: columns.collect(),
        key_columns: pairing.key_columns,
        cells: None,
        any_order: false,
        hashed_there: false,
        condition: pairing.conditions.get(side).clone(),
    }
}
