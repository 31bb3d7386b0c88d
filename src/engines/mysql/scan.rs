//! Reading a part: one statement over the binary protocol, its rows streamed into blocks.

use std::sync::atomic::{AtomicU64, Ordering};

use mysql::prelude::Queryable;

use super::catalog::Described;
use super::decode::Decoder;
use super::failure::failure;
use super::pool::Pool;
use super::ranges::Range;
use super::types::{Encoding, Reading};
use crate::engines::rows::RowWriter;
use crate::engines::{Part, Scan};
use crate::error::{Error, Result};
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

/// The statement that reads a range.
pub(super) fn statement(described: &Described, scan: &Scan, projection: &Projection, range: &Range) -> String {
    let mut sql = format!("SELECT {} FROM {}", projection.expressions, described.quoted);
    let keys =
        described.index.as_ref().map(|index| (index, range.condition(described, index))).filter(|(_, keys)| !keys.is_empty());
    let mut terms = Vec::new();
    if let Some((index, keys)) = keys {
        sql += &format!(" FORCE INDEX ({})", index.quoted);
        terms.push(keys);
    }
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
    pub(super) scan: &'a Scan,
    pub(super) projection: std::sync::Arc<Projection>,
    pub(super) statement: String,
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
}

impl RangePart<'_> {
    fn stream(&self, emit: &mut dyn FnMut(&mut RowBlock) -> Result<()>) -> Result<u64> {
        let table = || format!("table {}", self.scan.table);
        let mut lease = self.pool.lend()?;
        let conn = lease.conn()?;
        let id = conn.connection_id();
        let mut writer = RowWriter::new(self.scan, emit);
        let decoders = &self.projection.decoders;
        // What fails in the driver or on the server, and what fails here: rows are left on the way only then.
        let streamed: Result<Result<()>> = match conn.exec_iter(self.statement.as_str(), ()) {
            Err(error) => Err(failure("read", error)),
            Ok(mut rows) => {
                let streamed = loop {
                    match rows.next() {
                        None => break Ok(Ok(())),
                        Some(Err(error)) => break Err(failure("read", error)),
                        Some(Ok(row)) => {
                            if let Err(error) = writer.row(|place, form, out| decoders[place].push(&row, form, out)) {
                                break Ok(Err(error));
                            }
                        }
                    }
                };
                if !matches!(streamed, Ok(Ok(()))) {
                    // Dropping the rows would fetch all that are left.
                    self.pool.end(id);
                }
                streamed
            }
        };
        match streamed {
            Ok(Ok(())) => drop(lease),
            Ok(Err(error)) => {
                lease.give_up();
                return Err(error);
            }
            Err(error) => {
                lease.give_up();
                return Err(error.at(table()).at(self.pool.place()));
            }
        }
        writer.finish()
    }
}
