//! Parts of a table, and how each is read.

use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::types::Value;
use rusqlite::{Connection, Row, config::DbConfig, params_from_iter};

use super::catalog::{SqliteTable, Storage, quoted};
use super::snapshot::{Snapshot, failed};
use super::values::{push, push_raw};
use crate::engines::places::{self, Emit, Placed};
use crate::engines::rows::{Form, RowWriter};
use crate::engines::{Part, Scan};
use crate::error::{Error, Result};
use crate::model::row::RowBlock;

/// What all parts of a scan share.
#[derive(Clone, Copy)]
pub(super) struct Reading<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) scan: &'a Scan,
    pub(super) table: &'a SqliteTable,
    bytes_read: &'a AtomicU64,
}

impl<'a> Reading<'a> {
    /// Prepares to read what `scan` asks for of `table`.
    ///
    /// # Errors
    ///
    /// If the condition of the scan is none.
    pub(super) fn new(snapshot: &'a Snapshot, scan: &'a Scan, table: &'a SqliteTable, bytes_read: &'a AtomicU64) -> Result<Self> {
        let reading = Reading { snapshot, scan, table, bytes_read };
        if let Some(condition) = &scan.condition {
            snapshot.with(|connection| reading.check(connection, condition)).map_err(|error| reading.at(error))?;
        }
        Ok(reading)
    }

    /// The table as one part, to be read in whatever order it comes.
    pub(super) fn whole(self) -> SqlitePart<'a> {
        let weight_bytes = self.table.table.bytes.unwrap_or(0);
        SqlitePart { reading: self, from: None, before: None, is_whole: true, weight_bytes, least_key: None }
    }

    /// `"orders" NOT INDEXED`, as it stands after FROM.
    pub(super) fn source(&self) -> String {
        let name = quoted(&self.table.table.name.name);
        match self.table.storage {
            // An index that a condition could use would give the rows out of order, to be sorted part by part.
            Storage::Rowid { .. } => format!("main.{name} NOT INDEXED"),
            _ => format!("main.{name}"),
        }
    }

    /// The name of a column, quoted.
    pub(super) fn column(&self, index: usize) -> String {
        quoted(&self.table.table.columns[index].name)
    }

    /// Names the table in an error.
    pub(super) fn at(&self, error: Error) -> Error {
        error.at(format!("table {}", self.scan.table))
    }

    fn broken(&self, error: rusqlite::Error) -> Error {
        self.at(failed("cannot read", error))
    }

    /// Whether a condition is one that rows can be asked for by.
    fn check(&self, connection: &Connection, condition: &str) -> Result<()> {
        let wrong = |error| failed("the condition is none of SQLite's", error).at("--where");
        let dqs = |on| connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, on).map_err(wrong);
        // A mistyped column in double quotes would be a text, and the condition true of no row or of all.
        dqs(false)?;
        let prepared = connection.prepare(&format!("SELECT 1 FROM {} WHERE {}", self.source(), bracketed(condition)));
        let parameters = prepared.map(|statement| statement.parameter_count()).map_err(wrong);
        dqs(true)?;
        match parameters? {
            0 => Ok(()),
            _ => Err(Error::new("found a parameter such as ?, expected values alone").at("--where")),
        }
    }

    /// What is asked for of each row.
    fn columns(&self) -> Vec<String> {
        self.scan.columns.iter().map(|column| self.column(column.index)).collect()
    }

    /// The statement that reads these columns of a part from one bound and before another, and its parameters.
    fn statement(&self, columns: &[String], from: Option<&[Value]>, before: Option<&[Value]>) -> (String, Vec<Value>) {
        let order = self.table.storage.order();
        let mut parameters = Vec::new();
        let mut terms = Vec::new();
        for (relation, bound) in [(">=", from), ("<", before)] {
            if let Some(bound) = bound {
                terms.push(compared(&order, relation, parameters.len()));
                parameters.extend_from_slice(bound);
            }
        }
        terms.extend(self.scan.condition.as_deref().map(bracketed));
        let mut text = format!("SELECT {} FROM {}", columns.join(", "), self.source());
        if !terms.is_empty() {
            text += &format!(" WHERE {}", terms.join(" AND "));
        }
        if !order.is_empty() {
            text += &format!(" ORDER BY {}", order.join(", "));
        }
        (text, parameters)
    }
}

/// A condition in brackets that a comment at its end does not take away.
fn bracketed(condition: &str) -> String {
    format!("({condition}\n)")
}

/// The columns in `order` compared with as many parameters, those before them being `taken`.
pub(super) fn compared(order: &[&str], relation: &str, taken: usize) -> String {
    let parameters: Vec<String> = (1..=order.len()).map(|i| format!("?{}", taken + i)).collect();
    match order {
        [one] => format!("{one} {relation} {}", parameters[0]),
        _ => format!("({}) {relation} ({})", order.join(", "), parameters.join(", ")),
    }
}

/// The rows from one bound up to another.
pub(super) struct SqlitePart<'a> {
    pub(super) reading: Reading<'a>,
    /// What the first row has of the order in which the table is stored; `None`: the first of all.
    pub(super) from: Option<Vec<Value>>,
    /// What the first row of the next part has; `None`: there is none.
    pub(super) before: Option<Vec<Value>>,
    /// Whether this is the only part, of any size.
    pub(super) is_whole: bool,
    pub(super) weight_bytes: u64,
    pub(super) least_key: Option<Vec<u8>>,
}

impl Part for SqlitePart<'_> {
    fn weight_bytes(&self) -> u64 {
        self.weight_bytes
    }

    fn least_key(&self) -> Option<&[u8]> {
        self.least_key.as_deref()
    }

    fn read(self: Box<Self>, emit: &mut dyn FnMut(&mut RowBlock) -> Result<()>) -> Result<u64> {
        let reading = self.reading;
        if self.is_whole {
            // As large as it may be: it is handed on while it is read. No other part waits for the connection.
            return self.read_all(emit);
        }
        // What takes the rows may run another part on this thread, which then waits for a connection: this one must
        // be free by then.
        let mut blocks = Vec::new();
        let mut keep = |block: &mut RowBlock| {
            blocks.push(std::mem::take(block));
            Ok(())
        };
        let rows = places::read(&*self, reading.scan, &mut keep)?;
        blocks.iter_mut().try_for_each(emit)?;
        Ok(rows)
    }
}

impl Placed for SqlitePart<'_> {
    /// What the row has of the order in which the table is stored.
    type Place = Vec<Value>;

    const ONE_IN: usize = 10;

    fn places(&self, selects: &mut dyn FnMut(&[u8]) -> bool) -> Result<Option<Vec<Vec<Value>>>> {
        let Reading { scan, table, bytes_read, .. } = self.reading;
        let (order, broken) = (table.storage.order(), |error| self.reading.broken(error));
        if order.is_empty() {
            return Ok(None);
        }
        let key = scan.columns[..scan.key_columns].iter().map(|column| self.reading.column(column.index));
        let columns: Vec<String> = key.chain(order.iter().map(|name| name.to_string())).collect();
        let (text, parameters) = self.reading.statement(&columns, self.from.as_deref(), self.before.as_deref());
        let (mut places, mut key) = (Vec::new(), Vec::new());
        self.each(&text, [&parameters], &mut |row| {
            key.clear();
            for (place, column) in scan.columns[..scan.key_columns].iter().enumerate() {
                push(&mut key, &column.kind, row.get_ref(place).map_err(broken)?);
            }
            bytes_read.fetch_add(key.len() as u64, Ordering::Relaxed);
            if selects(&key) {
                // What is no value of this library's, such as text that is no UTF-8, cannot be asked for.
                places.push((scan.key_columns..columns.len()).map(|at| row.get(at).ok()).collect());
            }
            Ok(())
        })?;
        Ok(places.into_iter().collect())
    }

    fn read_at(&self, places: &[Vec<Value>], emit: &mut Emit<'_>) -> Result<u64> {
        let order = self.reading.table.storage.order();
        let (columns, place) = (self.reading.columns().join(", "), compared(&order, "=", 0));
        let text = format!("SELECT {columns} FROM {} WHERE {place}", self.reading.source());
        self.rows(&text, places, emit)
    }

    fn read_all(&self, emit: &mut Emit<'_>) -> Result<u64> {
        let (text, parameters) = self.reading.statement(&self.reading.columns(), self.from.as_deref(), self.before.as_deref());
        self.rows(&text, [&parameters], emit)
    }
}

impl SqlitePart<'_> {
    /// Runs a statement with some parameters after the other, and gives each row to `take`.
    fn each<'p>(
        &self,
        text: &str,
        parameters: impl IntoIterator<Item = &'p Vec<Value>>,
        take: &mut impl FnMut(&Row<'_>) -> Result<()>,
    ) -> Result<()> {
        let broken = |error| self.reading.broken(error);
        self.reading.snapshot.with(|connection| {
            let mut statement = connection.prepare_cached(text).map_err(broken)?;
            parameters.into_iter().try_for_each(|parameters| {
                let mut rows = statement.query(params_from_iter(parameters)).map_err(broken)?;
                while let Some(row) = rows.next().map_err(broken)? {
                    take(row)?;
                }
                Ok(())
            })
        })
    }

    /// Hands on the rows of a statement, run with some parameters after the other.
    fn rows<'p>(&self, text: &str, parameters: impl IntoIterator<Item = &'p Vec<Value>>, emit: &mut Emit<'_>) -> Result<u64> {
        let Reading { scan, bytes_read, .. } = self.reading;
        let broken = |error| self.reading.broken(error);
        let mut counted = |block: &mut RowBlock| {
            bytes_read.fetch_add(block.bytes_len() as u64, Ordering::Relaxed);
            emit(block)
        };
        let mut writer = RowWriter::new(scan, &mut counted);
        self.each(text, parameters, &mut |row| {
            writer.row(|place, form, out| {
                let value = row.get_ref(place).map_err(broken)?;
                match form {
                    Form::Canonical => push(out, &scan.columns[place].kind, value),
                    Form::Raw => push_raw(out, value),
                }
                Ok(())
            })
        })?;
        writer.finish()
    }
}
