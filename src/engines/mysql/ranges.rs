//! Cutting a table into ranges of an index.
//!
//! Nothing is cut by equal steps of key value alone. A range that holds too many rows, by the server's own estimate
//! (which dives into the index, a matter of microseconds), is cut at a key that exists, about half-way between its
//! ends: so gaps cost one question each, and no range is empty. One value that has too many rows by itself is cut by
//! the next column of the index. Where nothing can be guessed to lie half-way, the server walks the range and says
//! where every so many rows end.
//!
//! Each range is `a = .. AND b >= .. AND b < ..`, which every version serves from the index; comparisons of whole
//! rows are not: <https://dev.mysql.com/doc/refman/9.4/en/range-optimization.html>.

use mysql::prelude::Queryable;
use mysql::{Conn, Row, Value};

use super::catalog::{Described, Index, Source};
use super::failure::failure;
use super::keys::KeyForm;
use crate::error::{Error, Result};

/// Bytes of rows that a range is meant to hold.
const RANGE_BYTES: u64 = 4 << 20;
/// Rows that a range holds at least, if the table has as many.
const RANGE_ROWS_MIN: u64 = 4096;

/// Adjacent keys of an index.
#[derive(Debug, Clone, Default)]
pub(super) struct Range {
    /// The values of the index's first columns that all of its rows have.
    prefix: Vec<Bound>,
    low: Option<Low>,
    high: Option<Bound>,
    /// About how many rows it holds.
    pub(super) rows: u64,
}

/// A value that a range ends at.
#[derive(Debug, Clone)]
struct Bound {
    value: Value,
    literal: String,
}

#[derive(Debug, Clone)]
struct Low {
    bound: Bound,
    inclusive: bool,
}

/// What the server answers when it is asked for a value.
enum Found {
    /// There is none.
    Nothing,
    /// One that can be a bound.
    Bound(Bound),
    /// One that cannot, such as 2022-02-31: what lies around it stays together.
    Unusable,
}

impl Range {
    /// The values below which no row of the range has the index's first columns.
    pub(super) fn least(&self) -> Vec<&Value> {
        self.prefix.iter().chain(self.low.as_ref().map(|low| &low.bound)).map(|bound| &bound.value).collect()
    }

    /// The condition that its rows meet; empty for all rows.
    pub(super) fn condition(&self, described: &Described, index: &Index) -> String {
        let column = |level: usize| index.columns.get(level).map_or("", |&place| described.sources[place].quoted.as_str());
        let mut terms: Vec<String> =
            self.prefix.iter().enumerate().map(|(level, bound)| format!("{} = {}", column(level), bound.literal)).collect();
        let last = column(self.prefix.len());
        if let Some(low) = &self.low {
            terms.push(format!("{last} {} {}", if low.inclusive { ">=" } else { ">" }, low.bound.literal));
        }
        terms.extend(self.high.as_ref().map(|high| format!("{last} < {}", high.literal)));
        terms.join(" AND ")
    }
}

/// Cuts a table into ranges of its index, in the server's order of it; one range if it has none.
///
/// # Errors
///
/// If the server cannot be asked.
pub(super) fn cut(conn: &mut Conn, described: &Described) -> Result<Vec<Range>> {
    let rows = described.table.rows.unwrap_or(0);
    let whole = vec![Range { rows, ..Range::default() }];
    let Some(index) = described.index.as_ref() else { return Ok(whole) };
    let rows_max = (RANGE_BYTES / described.row_bytes()).max(RANGE_ROWS_MIN);
    let columns: Vec<(&Source, KeyForm)> = index
        .columns
        .iter()
        .map_while(|&place| {
            let source = &described.sources[place];
            Some((source, KeyForm::of(source, &described.table.columns[place].native)?))
        })
        .collect();
    if rows <= rows_max || columns.is_empty() || !described.has_snapshot() {
        return Ok(whole);
    }
    let from = format!("{} FORCE INDEX ({})", described.quoted, index.quoted);
    let explained = format!("{} USE INDEX ({})", described.quoted, index.quoted);
    let mut cutter = Cutter { conn, from, explained, columns, rows_max, ranges: Vec::new() };
    cutter.level(&[], rows)?;
    Ok(cutter.ranges)
}

struct Cutter<'a> {
    conn: &'a mut Conn,
    from: String,
    /// The same for estimates: where an index is forced on it, MySQL does not dive and says 1, whatever the range.
    explained: String,
    columns: Vec<(&'a Source, KeyForm)>,
    rows_max: u64,
    ranges: Vec<Range>,
}

/// A range that may still be cut.
struct Piece {
    low: Option<Low>,
    /// The least value that it has.
    first: Bound,
    high: Option<Bound>,
    rows: u64,
}

impl Cutter<'_> {
    /// Cuts all rows that have the values of `prefix` by the column that follows.
    fn level(&mut self, prefix: &[Bound], rows: u64) -> Result<()> {
        let whole = Range { prefix: prefix.to_vec(), rows, ..Range::default() };
        if prefix.len() >= self.columns.len() {
            self.ranges.push(whole);
            return Ok(());
        }
        let ends = (self.end(prefix, "")?, self.end(prefix, " DESC")?);
        let (Found::Bound(first), Found::Bound(last)) = ends else {
            self.ranges.push(whole);
            return Ok(());
        };
        // The last value apart, so that each piece has an upper end that exists.
        let low = Low { bound: last.clone(), inclusive: true };
        let at_last = self.estimate(prefix, Some(&low), None)?;
        // What is known already is better than an estimate, which InnoDB never lets be more than half of the table.
        let below = rows.saturating_sub(at_last).max(1);
        if first.literal != last.literal {
            self.piece(prefix, Piece { low: None, first, high: Some(last.clone()), rows: below })?;
            return self.piece(prefix, Piece { low: Some(low), first: last, high: None, rows: at_last });
        }
        self.piece(prefix, Piece { low: None, first: last, high: None, rows })
    }

    /// Cuts a piece until none of it holds too many rows.
    fn piece(&mut self, prefix: &[Bound], piece: Piece) -> Result<()> {
        if piece.rows <= self.rows_max {
            self.push(prefix, piece.low, piece.high, piece.rows);
            return Ok(());
        }
        let form = self.columns[prefix.len()].1.clone();
        let mut top = piece.high.as_ref().map(|high| high.value.clone());
        while let Some(middle) = top.as_ref().and_then(|top| form.between(&piece.first.value, top)) {
            let Some(literal) = form.literal((&middle).into()) else { break };
            let bound = Bound { value: middle.clone(), literal };
            let found = match self.next(prefix, &piece.first, &bound, piece.high.as_ref())? {
                Found::Bound(found) => found,
                Found::Unusable => break,
                Found::Nothing => {
                    top = Some(middle);
                    continue;
                }
            };
            let low = Low { bound: found.clone(), inclusive: true };
            let below = self.estimate(prefix, piece.low.as_ref(), Some(&found))?;
            let above = self.estimate(prefix, Some(&low), piece.high.as_ref())?;
            self.piece(prefix, Piece { low: piece.low, first: piece.first, high: Some(found.clone()), rows: below })?;
            return self.piece(prefix, Piece { low: Some(low), first: found, high: piece.high, rows: above });
        }
        self.walk(prefix, piece)
    }

    /// Cuts a piece value by value: each that has too many rows by itself by the next column, the others together.
    fn walk(&mut self, prefix: &[Bound], piece: Piece) -> Result<()> {
        let (mut low, mut first) = (piece.low, piece.first);
        loop {
            let equal = [prefix, std::slice::from_ref(&first)].concat();
            let rows = self.estimate(&equal, None, None)?;
            let heavy = rows > self.rows_max && equal.len() < self.columns.len();
            let skipped = if heavy { 0 } else { self.rows_max.saturating_sub(rows) };
            let next = match self.nth(prefix, &first, piece.high.as_ref(), skipped)? {
                Found::Nothing => None,
                Found::Bound(next) => Some(next),
                Found::Unusable => {
                    let rows = self.estimate(prefix, low.as_ref(), piece.high.as_ref())?;
                    self.push(prefix, low, piece.high, rows);
                    return Ok(());
                }
            };
            if heavy {
                self.level(&equal, rows)?;
            } else {
                let rows = rows + if next.is_some() { skipped } else { 0 };
                let high = next.clone().or_else(|| piece.high.clone());
                self.push(prefix, low, high, rows);
            }
            let Some(next) = next else { return Ok(()) };
            low = Some(Low { bound: next.clone(), inclusive: true });
            first = next;
        }
    }

    /// Adds a range, to the last one if both together are not too large.
    fn push(&mut self, prefix: &[Bound], low: Option<Low>, high: Option<Bound>, rows: u64) {
        let continues = |last: &&mut Range| {
            let meets = match (&last.high, &low) {
                (Some(high), Some(low)) => low.inclusive && high.literal == low.bound.literal,
                _ => false,
            };
            let same = last.prefix.len() == prefix.len() && last.prefix.iter().zip(prefix).all(|(a, b)| a.literal == b.literal);
            meets && same && last.rows + rows <= self.rows_max
        };
        match self.ranges.last_mut().filter(continues) {
            Some(last) => {
                last.high = high;
                last.rows += rows;
            }
            None => self.ranges.push(Range { prefix: prefix.to_vec(), low, high, rows }),
        }
    }

    /// The condition of some rows, and the column behind the prefix.
    fn rows_of(&self, prefix: &[Bound], low: Option<&Low>, high: Option<&Bound>) -> Vec<String> {
        let column = |level: usize| self.columns.get(level).map_or("", |(source, _)| source.quoted.as_str());
        let mut terms: Vec<String> =
            prefix.iter().enumerate().map(|(level, bound)| format!("{} = {}", column(level), bound.literal)).collect();
        let last = column(prefix.len());
        if let Some(low) = low {
            terms.push(format!("{last} {} {}", if low.inclusive { ">=" } else { ">" }, low.bound.literal));
        }
        terms.extend(high.map(|high| format!("{last} < {}", high.literal)));
        terms
    }

    /// The least value behind the prefix, or with ` DESC` the greatest.
    fn end(&mut self, prefix: &[Bound], way: &str) -> Result<Found> {
        let terms = self.rows_of(prefix, None, None);
        self.value(prefix, &terms, way, 0)
    }

    /// The least value that is above `above`, not below `from`, and below `high`.
    fn next(&mut self, prefix: &[Bound], above: &Bound, from: &Bound, high: Option<&Bound>) -> Result<Found> {
        let low = Low { bound: above.clone(), inclusive: false };
        let mut terms = self.rows_of(prefix, Some(&low), high);
        let (column, _) = &self.columns[prefix.len()];
        terms.push(format!("{} >= {}", column.quoted, from.literal));
        self.value(prefix, &terms, "", 0)
    }

    /// The value above `above` that comes after `skipped` other rows.
    fn nth(&mut self, prefix: &[Bound], above: &Bound, high: Option<&Bound>, skipped: u64) -> Result<Found> {
        let low = Low { bound: above.clone(), inclusive: false };
        let terms = self.rows_of(prefix, Some(&low), high);
        self.value(prefix, &terms, "", skipped)
    }

    fn value(&mut self, prefix: &[Bound], terms: &[String], way: &str, skipped: u64) -> Result<Found> {
        let (column, form) = &self.columns[prefix.len()];
        let (expression, name) = (form.expression(column), &column.quoted);
        let condition = if terms.is_empty() { String::new() } else { format!(" WHERE {}", terms.join(" AND ")) };
        let sql = format!("SELECT {expression} FROM {}{condition} ORDER BY {name}{way} LIMIT 1 OFFSET {skipped}", self.from);
        let row = first(self.conn, &sql).map_err(|error| failure("look for a range's end", error))?;
        Ok(match row.and_then(|row| row.as_ref(0).cloned()) {
            None => Found::Nothing,
            Some(value) => match form.literal((&value).into()) {
                Some(literal) => Found::Bound(Bound { value, literal }),
                None => Found::Unusable,
            },
        })
    }

    /// About how many rows there are, by the server's estimate; at least one.
    fn estimate(&mut self, prefix: &[Bound], low: Option<&Low>, high: Option<&Bound>) -> Result<u64> {
        let terms = self.rows_of(prefix, low, high);
        if terms.is_empty() {
            return Ok(self.rows_max + 1);
        }
        // The format that is the default need not be the one that has columns.
        let sql = format!("EXPLAIN FORMAT=TRADITIONAL SELECT 1 FROM {} WHERE {}", self.explained, terms.join(" AND "));
        let row: Option<Row> = self.conn.query_first(sql).map_err(|error| failure("estimate a range", error))?;
        let row = row.ok_or_else(|| Error::new("estimate a range: found no plan"))?;
        let place = row.columns_ref().iter().position(|column| column.name_str().eq_ignore_ascii_case("rows"));
        let rows = match place.and_then(|place| row.as_ref(place)) {
            Some(Value::Bytes(digits)) => std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()),
            Some(Value::Int(rows)) => u64::try_from(*rows).ok(),
            Some(Value::UInt(rows)) => Some(*rows),
            _ => None,
        };
        Ok(rows.unwrap_or(1).max(1))
    }
}

/// The first row of a statement, its values typed.
fn first(conn: &mut Conn, sql: &str) -> mysql::Result<Option<Row>> {
    let prepared = conn.prep(sql)?;
    let row = conn.exec_first(&prepared, ());
    // The driver would forget it, and the server would not.
    conn.close(prepared)?;
    row
}
