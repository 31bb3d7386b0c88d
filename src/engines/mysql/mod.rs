//! MySQL and MariaDB: tables and views of one database, read in ranges of their primary keys.
//!
//! All connections are opened together, pinned to settings of our own, and see one snapshot; see [`snapshot`]. The
//! user needs no privilege but SELECT.

mod catalog;
mod connect;
mod connection;
mod decode;
mod failure;
mod field;
mod keys;
mod names;
mod options;
mod packets;
mod places;
mod pool;
mod push;
mod ranges;
mod scan;
mod settings;
mod snapshot;
mod tls;
mod types;
mod wire;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use self::catalog::Described;
use self::connect::Server;
use self::keys::KeyForm;
use self::places::Places;
use self::pool::Pool;
use self::ranges::Range;
use self::scan::{Projection, RangePart};
use super::{Capabilities, Native, OpenOptions, Part, Parts, Pushes, Scan, Session};
use crate::error::{Error, Result};
use crate::model::grid::Grid;
use crate::model::schema::{Table, TableName};

/// The schemes of this engine's locations.
pub const SCHEMES: [&str; 2] = ["mysql", "mariadb"];

/// A database of a server.
pub struct MysqlSession {
    shared: Arc<Shared>,
    bytes_read: AtomicU64,
}

/// What the sessions on one snapshot have in common.
struct Shared {
    pool: Pool,
    engine: String,
    position: Option<String>,
    notes: Vec<String>,
    described: Vec<Described>,
    /// The ranges of tables that were cut already: a table is cut the same way each time.
    ranges: Mutex<HashMap<TableName, Arc<Vec<Range>>>>,
}

impl MysqlSession {
    /// Opens `mysql://user:password@host:port/database`.
    ///
    /// # Errors
    ///
    /// If the server cannot be reached, does not let the user in, or cannot be pinned to settings and a snapshot.
    pub fn open(location: &str, options: &OpenOptions) -> Result<Self> {
        let server = Server::locate(location, options)?;
        let mut opened = snapshot::open(&server)?;
        let described = match opened.connections.first_mut() {
            Some(conn) => catalog::describe(conn, &opened.flavour).map_err(|error| error.at(server.place.as_str()))?,
            None => Vec::new(),
        };
        let loose: Vec<String> = described
            .iter()
            .filter(|described| !described.has_snapshot())
            .map(|described| described.table.name.to_string())
            .collect();
        let loose = (!loose.is_empty())
            .then(|| format!("read as they are at the moment, for their storage engine has no snapshots: {}", loose.join(", ")));
        let notes = opened.note.into_iter().chain(server.note()).chain(loose).collect();
        let shared = Shared {
            engine: opened.flavour.name,
            pool: Pool::new(server, opened.connections),
            position: opened.position,
            notes,
            described,
            ranges: Mutex::default(),
        };
        Ok(MysqlSession { shared: Arc::new(shared), bytes_read: AtomicU64::new(0) })
    }
}

impl Shared {
    /// The table of this name.
    fn described(&self, name: &TableName) -> Result<&Described> {
        let found = self.described.iter().find(|described| described.table.name == *name);
        found.ok_or_else(|| Error::new(format!("found no table '{name}'")).at(self.pool.place()))
    }

    /// The ranges of a table.
    fn ranges(&self, described: &Described) -> Result<Arc<Vec<Range>>> {
        let name = &described.table.name;
        let known = |ranges: &HashMap<TableName, Arc<Vec<Range>>>| ranges.get(name).cloned();
        if let Some(ranges) = known(&self.ranges.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(ranges);
        }
        let mut lease = self.pool.lend()?;
        let cut = ranges::cut(lease.conn()?, described).map_err(|error| error.at(format!("table {name}")).at(self.pool.place()))?;
        drop(lease);
        let mut all = self.ranges.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(all.entry(name.clone()).or_insert_with(|| Arc::new(cut))))
    }
}

impl Session for MysqlSession {
    fn engine(&self) -> String {
        self.shared.engine.clone()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { many_tables: true, places: true, conditions: true, absent_values: false, native: Some(Native::MysqlPackets) }
    }

    fn position(&self) -> Option<String> {
        self.shared.position.clone()
    }

    fn notes(&self) -> Vec<String> {
        self.shared.notes.clone()
    }

    fn again(&self) -> Option<Box<dyn Session>> {
        Some(Box::new(MysqlSession { shared: Arc::clone(&self.shared), bytes_read: AtomicU64::new(0) }))
    }

    fn tables(&self) -> Result<Vec<Table>> {
        Ok(self.shared.described.iter().map(|described| described.table.clone()).collect())
    }

    fn parts<'a>(&'a self, scan: &'a Scan) -> Result<Parts<'a>> {
        let described = self.shared.described(&scan.table)?;
        let located = |error: Error| error.at(self.shared.pool.place());
        let projection = Arc::new(Projection::of(described, &scan.columns).map_err(located)?);
        let ranges = self.shared.ranges(described)?;
        let cells = scan.cells_told_there();
        let within = cells.and_then(|cells| push::within(described, scan, cells));
        // Where the server does not tell which rows lie in the cells, their keys do.
        let places = match scan.cells.is_some() && scan.keys().is_none() && within.is_none() {
            true => Places::of(described, scan).map_err(located)?.map(Arc::new),
            false => None,
        };
        let part = |rows: String, weight_bytes: u64, least_key: Option<Vec<u8>>| {
            let (pool, projection, places, bytes_read) =
                (&self.shared.pool, Arc::clone(&projection), places.clone(), &self.bytes_read);
            Box::new(RangePart { pool, described, scan, rows, projection, places, weight_bytes, least_key, bytes_read })
                as Box<dyn Part + 'a>
        };
        if let Some(keys) = scan.keys() {
            let conditions = push::conditions(described, scan, keys).into_iter();
            let parts = conditions.map(|keys| Ok(part(scan::rows(described, scan, Some(keys), None), 0, None)));
            return Ok(Box::new(parts.collect::<Vec<_>>().into_iter()));
        }
        let of_range = |range: &Range| {
            let keys = described.index.as_ref().map(|index| range.condition(described, index)).filter(|keys| !keys.is_empty());
            let rows = scan::rows(described, scan, keys, within.as_deref());
            Ok(part(rows, range.rows * described.row_bytes(), least_key(described, scan, &projection, range)?))
        };
        Ok(Box::new(ranges.iter().map(of_range).collect::<Vec<_>>().into_iter()))
    }

    fn seems_ordered(&self, scan: &Scan, held_bytes: u64) -> Result<bool> {
        let described = self.shared.described(&scan.table)?;
        let small = described.storage.is_some() && described.table.bytes.is_some_and(|bytes| bytes <= held_bytes / 2);
        if small {
            // One part, which the audit puts in order.
            let ranges = self.shared.ranges(described)?;
            if ranges.len() == 1 {
                return Ok(true);
            }
        }
        let Some(index) = described.index.as_ref().filter(|_| described.has_snapshot()) else { return Ok(false) };
        let ordered = scan.columns[..scan.key_columns].iter().zip(&index.columns).all(|(column, &place)| {
            let (source, native) = (&described.sources[place], &described.table.columns[place].native);
            column.index == place && KeyForm::of(source, native).is_some_and(|form| form.orders_as(source, &column.kind))
        });
        Ok(ordered && scan.key_columns > 0)
    }

    fn pushes(&self, scan: &Scan) -> Result<Pushes> {
        let described = self.shared.described(&scan.table)?;
        let mut lease = self.shared.pool.lend()?;
        let pushes = push::pushes(lease.conn()?, described, scan);
        pushes.map_err(|error| error.at(format!("table {}", scan.table)).at(self.shared.pool.place()))
    }

    fn push_statement(&self, scan: &Scan, grid: &Grid) -> Option<String> {
        let described = self.shared.described(&scan.table).ok()?;
        push::statement(described, scan, grid, &scan::rows(described, scan, None, None)).ok()
    }

    fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }
}

/// The canonical bytes of a range's lower end, as far as the scan's key goes along with the index.
fn least_key(described: &Described, scan: &Scan, projection: &Projection, range: &Range) -> Result<Option<Vec<u8>>> {
    let Some(index) = described.index.as_ref() else { return Ok(None) };
    let mut key = Vec::new();
    for (place, value) in range.least().into_iter().enumerate() {
        let same = place < scan.key_columns && index.columns.get(place) == Some(&scan.columns[place].index);
        let Some(decoder) = projection.decoder(place).filter(|_| same) else { break };
        decoder.push_canonical(&value.into(), &mut key)?;
    }
    Ok((!key.is_empty()).then_some(key))
}
