//! Fingerprints added up by the server: one grouped statement for each range, which sends a few bytes for each cell.
//!
//! Rows are digested by the SHA-256 of their portable text; see [`portable`](crate::model::portable). The digests of a
//! range are put into a derived table first, by a LIMIT that says nothing else: merged into the query around it they would
//! be computed once for each place that they are used at.

use mysql::prelude::Queryable;
use mysql::{Conn, Row};

use super::catalog::{Described, Source};
use super::failure::failure;
use super::scan::Stopped;
use super::types::{Encoding, Reading};
use crate::engines::{Pushes, Scan, ScanColumn};
use crate::error::{Error, Result};
use crate::model::digest::Fingerprint;
use crate::model::grid::{CellSum, CellSums, Digest, Grid, GridCells, KeyRanges, Position};
use crate::model::kind::Kind;
use crate::model::portable::{HALF_DIGITS, joined, salt_text};
use crate::model::schema::Type;

/// Keeps a derived table from being merged into the query around it.
const UNMERGED: &str = "LIMIT 18446744073709551615";
/// Ranges of keys in one statement, each of which the server looks up in the index.
const RANGES_PER_STATEMENT: usize = 256;

/// How the rows of a scan can be hashed.
///
/// # Errors
///
/// If the server does not answer.
pub(super) fn pushes(conn: &mut Conn, described: &Described, scan: &Scan) -> Result<Pushes> {
    let able = texts(described, &scan.columns).map(|_| ());
    let extent = match &scan.columns[..scan.key_columns] {
        [key] if is_indexed(described, scan) && described.sources[key.index].reading == Some(Reading::Integer) => {
            let name = &described.sources[key.index].quoted;
            let sql = format!("SELECT MIN({name}), MAX({name}) FROM {}", described.quoted);
            let row: Option<Row> =
                conn.query_first(sql).map_err(|error| failure("ask for the least and the greatest key", error))?;
            row.and_then(|row| Some((integer(&row, 0)?, integer(&row, 1)?)))
        }
        _ => None,
    };
    Ok(Pushes { able, forms: None, extent })
}

/// Whether the index that ranges are cut by is one of the key alone.
fn is_indexed(described: &Described, scan: &Scan) -> bool {
    let key = scan.columns[..scan.key_columns].iter().map(|column| column.index);
    // Years compare with numbers below 100 as if these were short for others.
    let is_year = |place: &usize| described.table.columns[*place].native.starts_with("year");
    described.index.as_ref().is_some_and(|index| key.eq(index.columns.iter().copied()) && !index.columns.iter().any(is_year))
}

fn integer(row: &Row, at: usize) -> Option<i64> {
    row.get_opt::<i64, usize>(at)?.ok()
}

/// The expressions for the portable text of some columns.
fn texts(described: &Described, columns: &[ScanColumn]) -> Result<Vec<String>, String> {
    let text = |scanned: &ScanColumn| {
        let (source, column) = (&described.sources[scanned.index], &described.table.columns[scanned.index]);
        let text = text(source, &column.ty, &scanned.kind);
        // Not COALESCE: what is too long to be text is NULL as well, and must make the whole row NULL.
        text.map(|text| format!("IF({} IS NULL, 'n', {text})", source.quoted)).ok_or_else(|| {
            format!("column {} of type {} compared as {} has no portable text", column.name, column.native, scanned.kind)
        })
    };
    columns.iter().map(text).collect()
}

/// The expression for the portable text of a column; NULL where the value is NULL.
fn text(source: &Source, ty: &Type, kind: &Kind) -> Option<String> {
    let name = &source.quoted;
    let plain = format!("CAST({name} AS CHAR)");
    // Only behind a point, for the zeros of 100 and of 10:00:00 mean something; and a view may show 100 for 100.00.
    let trimmed = format!("IF(LOCATE('.', {plain}), TRIM(TRAILING '.' FROM TRIM(TRAILING '0' FROM {plain})), {plain})");
    let with_digits = |digits: u8| if digits > 0 { trimmed.clone() } else { plain.clone() };
    let framed = |text: &str| format!("CONCAT(LENGTH({text}), ':', CAST({text} AS BINARY))");
    // Conversion would make a question mark of what is not valid: that stays as it is stored.
    let text = |encoding: &Encoding| match encoding {
        Encoding::Utf8 => Some(format!("CONVERT({name} USING utf8mb4)")),
        Encoding::Subset { .. } => Some(name.clone()),
        Encoding::Converted { .. } => None,
    };
    Some(match (kind, source.reading.as_ref()?) {
        // Not as the column is shown: with zeros before it, for one.
        (Kind::Number, Reading::Integer) => format!("CAST({name} + 0 AS CHAR)"),
        (Kind::Number | Kind::Boolean, Reading::Bits) => format!("CAST({name} + 0 AS CHAR)"),
        (Kind::Number, Reading::Decimal) => match ty {
            Type::Decimal { scale, .. } => with_digits(u8::try_from(*scale).ok()?),
            _ => return None,
        },
        (Kind::Text, Reading::Text(encoding)) => framed(&text(encoding)?),
        (Kind::PaddedText, Reading::Text(encoding)) => framed(&format!("TRIM(TRAILING ' ' FROM {})", text(encoding)?)),
        (Kind::Bytes, Reading::Bytes) => format!("LOWER(HEX({name}))"),
        (Kind::Date, Reading::Date) => plain,
        (Kind::Timestamp | Kind::Instant, Reading::Date) => format!("CONCAT({plain}, ' 00:00:00')"),
        (Kind::Timestamp | Kind::Instant, Reading::DateTime) => match ty {
            Type::Timestamp { digits } | Type::Instant { digits } => with_digits(*digits),
            _ => return None,
        },
        (Kind::Time, Reading::Time) => match ty {
            Type::Time { digits } => with_digits(*digits),
            _ => return None,
        },
        (Kind::Uuid, Reading::Uuid) => format!("LOWER({plain})"),
        (Kind::Uuid, Reading::Text(encoding)) => {
            let text = text(encoding)?;
            let hex = |digits: u8| format!("[0-9A-Fa-f]{{{digits}}}");
            let uuid = [hex(8), hex(4), hex(4), hex(4), hex(12)].join("-");
            format!("IF({text} REGEXP '^{uuid}$', LOWER({text}), CONCAT('?', {}))", framed(&text))
        }
        (Kind::Uuid, Reading::Bytes) => {
            let hex = |from: u8, bytes: u8| format!("HEX(SUBSTR({name}, {from}, {bytes}))");
            let groups = [hex(1, 4), hex(5, 2), hex(7, 2), hex(9, 2), hex(11, 6)].join(", ");
            format!("IF(LENGTH({name}) = 16, LOWER(CONCAT_WS('-', {groups})), CONCAT('?', LENGTH({name}), ':', HEX({name})))")
        }
        _ => return None,
    })
}

/// The SHA-256 of the portable text of some columns behind the salt, in hexadecimal digits.
fn sha256(described: &Described, grid: &Grid, columns: &[ScanColumn]) -> Result<String, String> {
    match grid.digest {
        // Not CONCAT_WS, which passes over what is NULL.
        Digest::Portable => {
            let texts = texts(described, columns)?.join(", ',', ");
            Ok(format!("SHA2(CONCAT('{},', {texts}), 256)", salt_text(grid.salt)))
        }
        Digest::Chained(_) => Err(format!("the server has no {}", grid.digest.name())),
    }
}

/// A number of 60 bits out of hexadecimal digits from `from` on, counted from 1.
fn half(digits: &str, from: usize) -> String {
    format!("CAST(CONV(SUBSTR({digits}, {from}, {HALF_DIGITS}), 16, 10) AS SIGNED)")
}

/// The expression for the position of a row.
fn position(described: &Described, scan: &Scan, grid: &Grid) -> Result<String, String> {
    let key = &scan.columns[..scan.key_columns];
    Ok(match grid.position {
        Position::Key => format!("CAST({} AS SIGNED)", described.sources[key[0].index].quoted),
        Position::Hash => half(&sha256(described, grid, key)?, 1),
    })
}

/// The statement that adds up the fingerprints of rows; `rows` is everything from FROM on. For each cell its rows, those
/// of them that were hashed (a row above `max_allowed_packet` is not), the sums of the halves of their digests, and the moment.
///
/// # Errors
///
/// If the rows of the scan cannot be hashed.
pub(super) fn statement(described: &Described, scan: &Scan, grid: &Grid, rows: &str) -> Result<String, String> {
    let (digest, position, width) = (sha256(described, grid, &scan.columns)?, position(described, scan, grid)?, grid.width);
    let (first, second) = (half("d", 1), half("d", 1 + HALF_DIGITS));
    let (offset, moment) = match grid.moments {
        // Not by >>, which makes numbers without a sign.
        true => (format!("{position} % {width}"), format!("{first} DIV {} * o", 1_u64 << grid.weight_shift())),
        false => ("0".to_string(), "0".to_string()),
    };
    let [first, second, moment] = [first, second, moment].map(|of| format!("CAST(SUM({of}) AS CHAR)"));
    Ok(format!(
        "SELECT cell, COUNT(*), COUNT(d), {first}, {second}, {moment} FROM (SELECT {position} DIV {width} AS cell, {offset} AS o, \
         {digest} AS d {rows} {UNMERGED}) hashed GROUP BY cell ORDER BY NULL"
    ))
}

/// Runs such a statement.
///
/// # Errors
///
/// If the server does not answer, or could not hash a row.
pub(super) fn sums(conn: &mut Conn, statement: &str) -> Result<CellSums, Stopped> {
    let rows: Vec<Row> = conn.query(statement).map_err(Stopped::from)?;
    let sum = |row: &Row| {
        let count = |at: usize| row.get_opt::<u64, usize>(at)?.ok();
        let sum = |at: usize| row.get_opt::<String, usize>(at)?.ok()?.parse::<i128>().ok();
        let (rows, hashed) = (count(1)?, count(2)?);
        let print = || Some(Fingerprint { rows, sum: joined(sum(3)? as u128, sum(4)? as u128) });
        if rows == hashed { Some((integer(row, 0)?, CellSum { print: print()?, moment: sum(5)? })) } else { None }
    };
    let sums: Option<CellSums> = rows.iter().map(sum).collect();
    let unhashed = || Error::new("found rows that the server did not hash").hint("they may be larger than its max_allowed_packet");
    sums.ok_or_else(|| Stopped::Server(unhashed()))
}

/// What is added to the condition of a range, so that it has only rows of some cells; `None` if the server cannot tell
/// the cells of rows.
pub(super) fn within(described: &Described, scan: &Scan, cells: &GridCells) -> Option<String> {
    let list: Vec<String> = cells.cells.iter().map(i64::to_string).collect();
    Some(format!("({} DIV {}) IN ({})", position(described, scan, &cells.grid).ok()?, cells.grid.width, list.join(", ")))
}

/// Conditions which together hold for the rows with some keys, in the order of these.
pub(super) fn conditions(described: &Described, scan: &Scan, keys: &KeyRanges) -> Vec<String> {
    let name = &described.sources[scan.columns[0].index].quoted;
    let condition = |ranges: &[(i64, i64)]| {
        let terms: Vec<String> = ranges.iter().map(|(first, last)| format!("{name} BETWEEN {first} AND {last}")).collect();
        format!("({})", terms.join(" OR "))
    };
    keys.ranges().chunks(RANGES_PER_STATEMENT).map(condition).collect()
}
