//! Reading a part: one statement over the binary protocol, its rows streamed into blocks.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mysql::Conn;
use mysql::prelude::Queryable;

use super::catalog::Described;
use super::connection::Connection;
use super::decode::Decoder;
use super::failure::{code, failure};
use super::field::{Field, Row};
use super::packets::PacketFormat;
use super::places::{self, Places};
use super::pool::Pool;
use super::push;
use super::types::{Encoding, Reading};
use crate::engines::places::{Emit, Placed, read};
use crate::engines::received::Received;
use crate::engines::rows::{Form, RowWriter};
use crate::engines::{Part, Rows, Scan, ScanColumn};
use crate::error::{Error, Result};
use crate::model::grid::{CellSums, Grid};
use crate::model::row::RowBlock;

/// What is asked for of each row, and how the answer is read.
pub(super) struct Projection {
    /// The expressions, as they stand after SELECT.
    expressions: Vec<String>,
    /// One for each column of the scan.
    decoders: Vec<Decoder>,
}

impl Projection {
    /// The projection of some columns of a scan.
    ///
    /// # Errors
    ///
    /// If a column cannot be read.
    pub(super) fn of(described: &Described, columns: &[ScanColumn]) -> Result<Self> {
        let mut expressions: Vec<String> = Vec::new();
        let mut decoders = Vec::new();
        let mut unconverted = Vec::new();
        for (place, column) in columns.iter().enumerate() {
            let read = described.sources.get(column.index).zip(described.table.columns.get(column.index));
            let Some((source, reading, name)) = read.and_then(|(source, of)| Some((source, source.reading.as_ref()?, &of.name)))
            else {
                return Err(Error::new("found a column that cannot be read").at(format!("table {}", described.table.name)));
            };
            let quoted = &source.quoted;
            let encoding = match reading {
                Reading::Text(encoding) | Reading::Json(encoding) => Some(encoding),
                _ => None,
            };
            expressions.push(match encoding {
                Some(Encoding::Subset { .. }) => format!("CAST({quoted} AS BINARY)"),
                _ => quoted.clone(),
            });
            let suspect = match encoding {
                Some(Encoding::Converted { charset }) => {
                    // NULL, unless the value does not come back from UTF-8 as it was.
                    unconverted.push(format!(
                        "IF(CAST(CONVERT(CONVERT({quoted} USING utf8mb4) USING {charset}) AS BINARY) <=> CAST({quoted} AS BINARY), \
                         NULL, CAST({quoted} AS BINARY))"
                    ));
                    Some(columns.len() + unconverted.len() - 1)
                }
                _ => None,
            };
            decoders.push(Decoder::new(name, place, suspect, reading, &column.kind));
        }
        expressions.append(&mut unconverted);
        if expressions.is_empty() {
            expressions.push("1".to_string());
        }
        Ok(Projection { expressions, decoders })
    }

    /// Asks for one more expression, if it is not among the others; returns its place in a row.
    pub(super) fn ask(&mut self, expression: String) -> usize {
        self.expressions.iter().position(|asked| *asked == expression).unwrap_or_else(|| {
            self.expressions.push(expression);
            self.expressions.len() - 1
        })
    }

    /// The statement that asks for all of this.
    fn select(&self, rows: &str) -> String {
        format!("SELECT {} {rows}", self.expressions.join(", "))
    }

    /// Whether the same bytes of a row mean the same canonical bytes to `other`, column by column.
    pub(super) fn reads_like(&self, other: &Projection) -> bool {
        let (decoders, others) = (&self.decoders, &other.decoders);
        decoders.len() == others.len() && decoders.iter().zip(others).all(|(decoder, other)| decoder.reads_like(other))
    }

    /// Appends a row's value of the scan's column at `place`.
    ///
    /// # Errors
    ///
    /// If the value is not of the type that the catalog promised.
    #[inline]
    pub(super) fn push(&self, place: usize, row: &[Field<'_>], form: Form, out: &mut Vec<u8>) -> Result<()> {
        self.decoders[place].push(row, form, out)
    }

    /// How many values of a row it takes to know its key.
    fn values_of_key(&self, columns: usize) -> usize {
        if self.decoders[..columns].iter().any(Decoder::has_unconverted) { self.expressions.len() } else { columns }
    }

    /// Appends the key of a row, which is its first columns; returns whether there is no NULL in it.
    ///
    /// # Errors
    ///
    /// If a value is not of the type that the catalog promised.
    #[inline]
    fn push_key(&self, columns: usize, row: &[Field<'_>], out: &mut Vec<u8>) -> Result<bool> {
        (0..columns).try_for_each(|place| self.push(place, row, Form::Canonical, out))?;
        Ok(row.iter().take(columns).all(|value| *value != Field::Null))
    }

    /// The decoder of the scan's column at `place`.
    pub(super) fn decoder(&self, place: usize) -> Option<&Decoder> {
        self.decoders.get(place)
    }
}

/// Which rows a statement reads, from FROM on: those with these keys, by the index, that also lie within some cells.
pub(super) fn rows(described: &Described, scan: &Scan, keys: Option<String>, within: Option<&str>) -> String {
    let mut sql = format!("FROM {}", described.quoted);
    let mut terms = Vec::new();
    if let (Some(index), Some(keys)) = (&described.index, keys) {
        sql += &format!(" FORCE INDEX ({})", index.quoted);
        terms.push(keys);
    }
    terms.extend(within.map(str::to_string));
    // On a line of its own, so that a comment at its end does not swallow what follows.
    terms.extend(scan.condition.as_ref().map(|condition| format!("({condition}\n)")));
    if !terms.is_empty() {
        sql += &format!(" WHERE {}", terms.join(" AND "));
    }
    sql
}

/// A range of a table that is read by one thread.
pub(super) struct RangePart<'a> {
    pub(super) pool: &'a Pool,
    pub(super) described: &'a Described,
    pub(super) scan: &'a Scan,
    pub(super) projection: Arc<Projection>,
    /// How rows are asked for by place, if that may be worth it.
    pub(super) places: Option<Arc<Places>>,
    /// What stands from FROM on in its statement.
    pub(super) rows: String,
    pub(super) weight_bytes: u64,
    pub(super) least_key: Option<Vec<u8>>,
    pub(super) bytes_read: &'a AtomicU64,
}

impl Part for RangePart<'_> {
    fn weight_bytes(&self) -> u64 {
        self.weight_bytes
    }

    fn least_key(&self) -> Option<&[u8]> {
        self.least_key.as_deref()
    }

    fn read(self: Box<Self>, emit: &mut dyn FnMut(&mut RowBlock) -> Result<()>) -> Result<u64> {
        let mut bytes = 0;
        let mut counting = |block: &mut RowBlock| {
            bytes += block.bytes_len() as u64;
            emit(block)
        };
        let read = read(&*self, self.scan, &mut counting);
        self.bytes_read.fetch_add(bytes, Ordering::Relaxed);
        read
    }

    fn read_deferred(self: Box<Self>, emit: &mut dyn FnMut(Rows<'_>) -> Result<()>) -> Result<u64> {
        let (scan, projection) = (self.scan, &self.projection);
        if scan.cells.is_some() {
            return self.read(&mut |block| emit(Rows::Encoded(block)));
        }
        let (mut rows, mut packet_bytes, mut block_bytes) = (0, 0, 0);
        let emit = RefCell::new(|more: Rows<'_>| {
            rows += more.len() as u64;
            emit(more)
        });
        let mut emit_block = |block: &mut RowBlock| {
            block_bytes += block.bytes_len() as u64;
            emit.borrow_mut()(Rows::Encoded(block))
        };
        // Packets, or what the driver has taken apart.
        let (mut packets, mut writer) = (None, RowWriter::new(scan, &mut emit_block));
        let wanted = projection.values_of_key(scan.key_columns);
        let read = self.stream(&projection.select(&self.rows), wanted, &mut |row| {
            let Some((packet, layouts)) = row.packet else {
                return writer.row(|place, form, out| projection.push(place, row.fields, form, out));
            };
            packet_bytes += packet.len() as u64;
            let packets = packets.get_or_insert_with(|| Received::new(Arc::new(PacketFormat::new(scan, projection, layouts))));
            packets.push(packet, |key| projection.push_key(scan.key_columns, row.fields, key))?;
            if packets.is_full() { packets.hand_on(&mut *emit.borrow_mut()) } else { Ok(()) }
        });
        let read = read.and_then(|()| packets.map_or(Ok(()), |mut packets| packets.hand_on(&mut *emit.borrow_mut())));
        let read = read.and_then(|()| writer.finish());
        self.bytes_read.fetch_add(packet_bytes + block_bytes, Ordering::Relaxed);
        read.map(|_| rows)
    }

    fn fingerprint(self: Box<Self>, grid: &Grid, hashed: &mut dyn FnMut(u64, u64) -> Result<()>) -> Result<CellSums> {
        let located = |error: Error| error.at(format!("table {}", self.scan.table)).at(self.pool.place());
        let statement = push::statement(self.described, self.scan, grid, &self.rows).map_err(|why| located(Error::new(why)))?;
        let mut lease = self.pool.lend()?;
        let sums = push::sums(lease.conn()?, &statement);
        match &sums {
            Ok(_) => drop(lease),
            Err(Stopped::Server(_)) if is_in_snapshot(lease.conn()?) => drop(lease),
            Err(_) => lease.give_up(),
        }
        let sums = sums.map_err(|stopped| match stopped {
            Stopped::Taker { error, .. } | Stopped::Server(error) | Stopped::Line(error) => located(error),
        })?;
        hashed(sums.values().map(|sum| sum.print.rows).sum(), self.weight_bytes())?;
        Ok(sums)
    }
}

impl Placed for RangePart<'_> {
    /// The condition that finds the row.
    type Place = String;

    const ONE_IN: usize = 10;

    fn places(&self, selects: &mut dyn FnMut(&[u8]) -> bool) -> Result<Option<Vec<String>>> {
        let Some(places) = &self.places else { return Ok(None) };
        let (mut found, mut key, mut bytes) = (Vec::new(), Vec::new(), 0);
        self.stream(&places.projection.select(&self.rows), usize::MAX, &mut |row| {
            key.clear();
            places.projection.push_key(self.scan.key_columns, row.fields, &mut key)?;
            bytes += key.len() as u64;
            if selects(&key) {
                found.push(places.place(row.fields));
            }
            Ok(())
        })?;
        self.bytes_read.fetch_add(bytes, Ordering::Relaxed);
        Ok(found.into_iter().collect())
    }

    fn read_at(&self, places: &[String], emit: &mut Emit<'_>) -> Result<u64> {
        let rows_at = |condition| rows(self.described, self.scan, Some(condition), None);
        self.read_rows(places::conditions(places).map(rows_at), emit)
    }

    fn read_all(&self, emit: &mut Emit<'_>) -> Result<u64> {
        self.read_rows([self.rows.clone()], emit)
    }
}

impl RangePart<'_> {
    /// Writes the rows of some statements, given as what stands from FROM on.
    fn read_rows(&self, statements: impl IntoIterator<Item = String>, emit: &mut Emit<'_>) -> Result<u64> {
        let projection = &self.projection;
        let mut writer = RowWriter::new(self.scan, emit);
        for rows in statements {
            let mut write = |row: Row<'_>| writer.row(|place, form, out| projection.push(place, row.fields, form, out));
            self.stream(&projection.select(&rows), usize::MAX, &mut write)?;
        }
        writer.finish()
    }

    /// Runs a statement and gives each of its rows to `take`, or the first `wanted` values of each.
    fn stream(&self, statement: &str, wanted: usize, take: &mut impl FnMut(Row<'_>) -> Result<()>) -> Result<()> {
        let mut lease = self.pool.lend()?;
        let outcome = self.run(lease.conn()?, statement, wanted, take);
        match &outcome {
            Ok(()) | Err(Stopped::Taker { finished: true, .. }) => drop(lease),
            Err(Stopped::Server(_)) if is_in_snapshot(lease.conn()?) => drop(lease),
            Err(_) => lease.give_up(),
        }
        outcome.map_err(|stopped| match stopped {
            Stopped::Taker { error, .. } => error,
            Stopped::Server(error) | Stopped::Line(error) => error.at(format!("table {}", self.scan.table)).at(self.pool.place()),
        })
    }

    fn run(
        &self,
        conn: &mut Connection,
        statement: &str,
        wanted: usize,
        take: &mut impl FnMut(Row<'_>) -> Result<()>,
    ) -> Result<(), Stopped> {
        let id = conn.connection_id();
        conn.stream(statement, wanted, |rows| {
            while let Some(taken) = rows.next(&mut *take)? {
                if let Err(error) = taken {
                    // A statement that is read to its end was not abandoned, and its connection is as good as before;
                    // there is no other that sees the same snapshot. What is left of a part is little.
                    let finished = self.weight_bytes <= READ_ON_BYTES_MAX && rows.end_within(READ_ON_ROWS_MAX);
                    if !finished {
                        // Dropping the rows may fetch all that are left.
                        self.pool.end(id);
                    }
                    return Err(Stopped::Taker { error, finished });
                }
            }
            Ok(())
        })
    }
}

/// A part of at most this size is read to its end when nobody wants its rows any more.
const READ_ON_BYTES_MAX: u64 = 16 << 20;
/// The same in rows, for sizes are estimates.
const READ_ON_ROWS_MAX: usize = 200_000;

/// Why a statement was not read to its end.
pub(super) enum Stopped {
    /// The rows could not be taken.
    Taker {
        error: Error,
        /// Whether the statement was then read to its end all the same.
        finished: bool,
    },
    /// The server ended the statement with an error.
    Server(Error),
    /// The connection is in an unknown state.
    Line(Error),
}

impl From<mysql::Error> for Stopped {
    fn from(error: mysql::Error) -> Self {
        match code(&error) {
            Some(_) => Stopped::Server(failure("read", error)),
            None => Stopped::Line(failure("read", error)),
        }
    }
}

/// Whether a connection is still in the transaction that has its snapshot: an error may have ended it, and what is
/// read then is of another moment. Only within a transaction its characteristics cannot be set (error 1568), and no
/// transaction begins by itself.
fn is_in_snapshot(conn: &mut Conn) -> bool {
    conn.query_drop("SET TRANSACTION READ ONLY").is_err_and(|error| code(&error) == Some(1568))
}
