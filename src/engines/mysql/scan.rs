//! Reading a part: one statement over the binary protocol, its rows streamed into blocks.

use std::sync::atomic::{AtomicU64, Ordering};

use mysql::Conn;
use mysql::prelude::Queryable;

use super::catalog::Described;
use super::decode::Decoder;
use super::failure::{code, failure};
use super::pool::Pool;
use super::push;
use super::types::{Encoding, Reading};
use crate::engines::rows::RowWriter;
use crate::engines::{Part, Scan};
use crate::error::{Error, Result};
use crate::model::grid::{CellSums, Grid};
use crate::model::row::RowBlock;

/// What is asked for of each row, and how the answer is read.
pub(super) struct Projection {
    /// The expressions, as they stand after SELECT.
    expressions: String,
    /// One for each column of the scan.
    decoders: Vec<Decoder>,
}

impl Projection {
    /// The projection of a scan.
    ///
    /// # Errors
    ///
    /// If a column cannot be read.
    pub(super) fn of(described: &Described, scan: &Scan) -> Result<Self> {
        let mut expressions: Vec<String> = Vec::new();
        let mut decoders = Vec::new();
        let mut unconverted = Vec::new();
        for (place, column) in scan.columns.iter().enumerate() {
            let read = described.sources.get(column.index).zip(described.table.columns.get(column.index));
            let Some((source, reading, name)) = read.and_then(|(source, of)| Some((source, source.reading.as_ref()?, &of.name)))
            else {
                return Err(Error::new("found a column that cannot be read").at(format!("table {}", scan.table)));
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
                    Some(scan.columns.len() + unconverted.len() - 1)
                }
                _ => None,
            };
            decoders.push(Decoder::new(name, place, suspect, reading, &column.kind));
        }
        expressions.append(&mut unconverted);
        if expressions.is_empty() {
            expressions.push("1".to_string());
        }
        Ok(Projection { expressions: expressions.join(", "), decoders })
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
    pub(super) projection: std::sync::Arc<Projection>,
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
        let read = self.stream(&mut counting);
        self.bytes_read.fetch_add(bytes, Ordering::Relaxed);
        read
    }

    fn fingerprint(self: Box<Self>, grid: &Grid) -> Result<CellSums> {
        let located = |error: Error| error.at(format!("table {}", self.scan.table)).at(self.pool.place());
        let statement = push::statement(self.described, self.scan, grid, &self.rows).map_err(|why| located(Error::new(why)))?;
        let mut lease = self.pool.lend()?;
        let sums = push::sums(lease.conn()?, &statement);
        match &sums {
            Ok(_) => drop(lease),
            Err(Stopped::Server(_)) if is_in_snapshot(lease.conn()?) => drop(lease),
            Err(_) => lease.give_up(),
        }
        sums.map_err(|stopped| match stopped {
            Stopped::Taker { error, .. } | Stopped::Server(error) | Stopped::Line(error) => located(error),
        })
    }
}

impl RangePart<'_> {
    fn stream(&self, emit: &mut dyn FnMut(&mut RowBlock) -> Result<()>) -> Result<u64> {
        let mut lease = self.pool.lend()?;
        let mut writer = RowWriter::new(self.scan, emit);
        let outcome = self.rows(lease.conn()?, &mut writer);
        match &outcome {
            Ok(()) | Err(Stopped::Taker { finished: true, .. }) => drop(lease),
            Err(Stopped::Server(_)) if is_in_snapshot(lease.conn()?) => drop(lease),
            Err(_) => lease.give_up(),
        }
        outcome.map_err(|stopped| match stopped {
            Stopped::Taker { error, .. } => error,
            Stopped::Server(error) | Stopped::Line(error) => error.at(format!("table {}", self.scan.table)).at(self.pool.place()),
        })?;
        writer.finish()
    }

    /// Writes all rows of the range.
    fn rows(&self, conn: &mut Conn, writer: &mut RowWriter<'_>) -> Result<(), Stopped> {
        let id = conn.connection_id();
        let decoders = &self.projection.decoders;
        let statement = format!("SELECT {} {}", self.projection.expressions, self.rows);
        let mut rows = conn.exec_iter(statement, ()).map_err(Stopped::of)?;
        while let Some(row) = rows.next() {
            let row = row.map_err(Stopped::of)?;
            if let Err(error) = writer.row(|place, form, out| decoders[place].push(&row, form, out)) {
                // A statement that is read to its end was not abandoned, and its connection is as good as before;
                // there is no other that sees the same snapshot. What is left of a part is little.
                let read_on = self.weight_bytes <= READ_ON_BYTES_MAX;
                let finished = read_on && rows.by_ref().take(READ_ON_ROWS_MAX).all(|row| row.is_ok()) && rows.next().is_none();
                if !finished {
                    // Dropping the rows would fetch all that are left.
                    self.pool.end(id);
                }
                return Err(Stopped::Taker { error, finished });
            }
        }
        Ok(())
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

impl Stopped {
    pub(super) fn of(error: mysql::Error) -> Self {
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
