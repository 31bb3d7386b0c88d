//! Tables cut into parts by walking through the order in which they are stored.
//!
//! The walk sees each row but reads of it only how long its texts are, so parts are of one size whatever gaps the
//! keys have and however the rows' lengths vary. What it passes is read again at once, from memory.

use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, params_from_iter};

use super::part::{Reading, SqlitePart, compared};
use super::snapshot::failed;
use super::values::{is_numeric, push};
use crate::engines::Part;
use crate::error::Result;
use crate::model::schema::Type;

/// Bytes that the rows of a part are meant to have in canonical form.
const PART_BYTES: u64 = 4 << 20;
/// Bytes that a value without its text takes, with its tag and length.
const VALUE_BYTES: u64 = 8;

/// The parts of a table that is stored in a known order.
pub(super) struct Cuts<'a> {
    reading: Reading<'a>,
    order: Vec<&'a str>,
    /// Whether that is the order of the scan's keys.
    is_ordered: bool,
    /// The first row of the next part; `None`: that of the table.
    from: Option<Vec<Value>>,
    is_done: bool,
}

impl<'a> Cuts<'a> {
    /// The parts of what is read, by `order`.
    pub(super) fn new(reading: Reading<'a>, order: Vec<&'a str>, is_ordered: bool) -> Self {
        Cuts { reading, order, is_ordered, from: None, is_done: false }
    }

    /// Where the next part ends, which is where the one after it begins; and how much of it there is.
    fn walk(&self, connection: &Connection) -> rusqlite::Result<(Option<Vec<Value>>, u64)> {
        let Reading { scan, table, .. } = self.reading;
        let is_long = |index: usize| match &table.table.columns[index].ty {
            Type::Held(declared) => !is_numeric(declared),
            _ => false,
        };
        let long = scan.columns.iter().filter(|column| is_long(column.index));
        let lengths: Vec<String> = long.map(|column| format!("octet_length({})", self.reading.column(column.index))).collect();
        let fixed = VALUE_BYTES * scan.columns.len().max(1) as u64;
        let rows_max = PART_BYTES / fixed;

        let order = self.order.join(", ");
        let selected = self.order.iter().map(|name| name.to_string()).chain(lengths.iter().cloned());
        let mut text = format!("SELECT {} FROM {}", selected.collect::<Vec<_>>().join(", "), self.reading.source());
        if self.from.is_some() {
            text += &format!(" WHERE {}", compared(&self.order, ">=", 0));
        }
        text += &format!(" ORDER BY {order}");
        if lengths.is_empty() {
            text += &format!(" LIMIT 1 OFFSET {rows_max}");
        }
        let mut statement = connection.prepare_cached(&text)?;
        let mut rows = statement.query(params_from_iter(self.from.iter().flatten()))?;
        let mut weight_bytes = if lengths.is_empty() { PART_BYTES } else { 0 };
        while let Some(row) = rows.next()? {
            if weight_bytes >= PART_BYTES {
                let bound = (0..self.order.len()).map(|i| row.get(i)).collect::<rusqlite::Result<_>>()?;
                return Ok((Some(bound), weight_bytes));
            }
            weight_bytes += fixed;
            for i in 0..lengths.len() {
                if let ValueRef::Integer(length) = row.get_ref(self.order.len() + i)? {
                    weight_bytes += length.unsigned_abs();
                }
            }
        }
        Ok((None, weight_bytes))
    }

    /// The bound of a part as a key of the scan, as far as both have columns.
    fn least_key(&self) -> Option<Vec<u8>> {
        let bound = self.from.as_ref().filter(|_| self.is_ordered)?;
        let mut key = Vec::new();
        let columns = &self.reading.scan.columns[..self.reading.scan.key_columns];
        columns.iter().zip(bound).for_each(|(column, value)| push(&mut key, &column.kind, value.into()));
        Some(key)
    }
}

impl<'a> Iterator for Cuts<'a> {
    type Item = Result<Box<dyn Part + 'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done {
            return None;
        }
        let (before, weight_bytes) = match self.reading.snapshot.with(|connection| self.walk(connection)) {
            Ok(walked) => walked,
            Err(error) => {
                self.is_done = true;
                return Some(Err(self.reading.at(failed("cannot read", error))));
            }
        };
        self.is_done = before.is_none();
        let least_key = self.least_key();
        let from = std::mem::replace(&mut self.from, before.clone());
        let reading = self.reading;
        Some(Ok(Box::new(SqlitePart { reading, from, before, is_whole: false, weight_bytes, least_key })))
    }
}
