//! Fingerprints added up by the server: one grouped scan for each part, which sends a few bytes for each cell.
//!
//! Rows are digested [value by value](super::chain), or by the SHA-256 of their [portable text](crate::model::portable).

use std::ops::ControlFlow;

use tokio_postgres::SimpleQueryRow;

use super::catalog::Relation;
use super::chain;
use super::client::Client;
use super::failure::failure;
use super::keys;
use super::ranges::{Pages, Slice};
use super::sql::{identifier, qualified};
use super::types::{Cast, Wire};
use crate::engines::{Pushes, Scan, ScanColumn};
use crate::error::{Error, Result};
use crate::model::digest::Fingerprint;
use crate::model::grid::{CellSum, CellSums, Digest, Grid, GridCells, KeyRanges, Position, UNUSED_BITS};
use crate::model::kind::Kind;
use crate::model::portable::{HALF_DIGITS, joined, salt_text};
use crate::model::schema::Type;

/// The version from which on a function takes the zeros from the end of a number.
const TRIM_SCALE_SINCE: i32 = 130_000;
/// Arguments that a function takes: 100, of which the separator and the salt are two.
const ARGUMENTS_MAX: usize = 90;
/// After so many rows it is told that they were hashed.
const ROWS_PER_NEWS: u64 = 100_000;
/// Ranges of keys in one statement, each of which the server looks up in the index.
const RANGES_PER_STATEMENT: usize = 4096;

/// How the rows of a scan can be hashed by a server of this version.
///
/// # Errors
///
/// If the server does not answer.
pub fn pushes(client: &mut Client, relation: &Relation, scan: &Scan, version: i32) -> Result<Pushes> {
    let rows = client.texts("show server_encoding").map_err(|error| failure("ask for the server's encoding", &error))?;
    let encoding = rows.first().and_then(|row| row.get(0));
    let is_utf8 = encoding == Some("UTF8");
    let able = match encoding {
        _ if is_utf8 => texts(relation, &scan.columns, version).map(|_| ()),
        encoding => Err(format!("the database's text is {}, expected UTF8", encoding.unwrap_or("of an unknown encoding"))),
    };
    let forms = if is_utf8 { chain::forms(relation, scan, version) } else { None };
    let extent = match &scan.columns[..scan.key_columns] {
        [key] if keys::has_index(relation, scan) && relation.columns[key.index].read.wire == Wire::Integer => {
            extent(client, relation, key)?
        }
        _ => None,
    };
    Ok(Pushes { able, forms, extent })
}

/// The least and the greatest value of a column of whole numbers.
fn extent(client: &mut Client, relation: &Relation, key: &ScanColumn) -> Result<Option<(i64, i64)>> {
    let (name, from) = (column(relation, key), keys::source(relation.class, &relation.table.name));
    let query = format!("select min({name}), max({name}) from {from}");
    let rows = client.texts(&query).map_err(|error| failure("ask for the least and the greatest key", &error))?;
    let end = |at: usize| rows.first()?.get(at)?.parse().ok();
    Ok(end(0).zip(end(1)))
}

/// The name of a column, quoted.
pub fn column(relation: &Relation, column: &ScanColumn) -> String {
    identifier(&relation.table.columns[column.index].name)
}

/// The expressions for the portable text of some columns.
fn texts(relation: &Relation, columns: &[ScanColumn], version: i32) -> Result<Vec<String>, String> {
    let text = |scanned: &ScanColumn| {
        let text = text(relation, scanned, version).ok_or_else(|| {
            let column = &relation.table.columns[scanned.index];
            format!("column {} of type {} compared as {} has no portable text", column.name, column.native, scanned.kind)
        })?;
        Ok(match scanned.kind {
            Kind::Text | Kind::PaddedText => {
                format!("coalesce({} || ':' || {text}, 'n')", written("int4out", &format!("octet_length({text})")))
            }
            _ => format!("coalesce({text}, 'n')"),
        })
    };
    columns.iter().map(text).collect()
}

/// The expression for the portable text of a column, for text without its length; NULL where the value is NULL.
pub fn text(relation: &Relation, scanned: &ScanColumn, version: i32) -> Option<String> {
    let (read, name) = (&relation.columns[scanned.index].read, column(relation, scanned));
    let is_builtin = read.base.schema.as_deref() == Some("pg_catalog");
    let plain = match read.cast {
        Cast::None if !is_builtin => written("enum_out", &format!("{name}::{}", qualified(&read.base))),
        Cast::Octal => read.cast.of(&name),
        _ => format!("{name}::text"),
    };
    Some(match (&scanned.kind, &read.ty) {
        (Kind::Number, Type::Integer { .. }) => written("int8out", &format!("{name}::int8")),
        (Kind::Number | Kind::Boolean, Type::Boolean) => written("int4out", &format!("{name}::int4")),
        (Kind::Number, Type::Decimal { .. } | Type::Number) if version >= TRIM_SCALE_SINCE => {
            written("numeric_out", &format!("trim_scale({name})"))
        }
        (Kind::Number, Type::Decimal { .. } | Type::Number) => {
            let digits = written("numeric_out", &name);
            format!("case when scale({name}) > 0 then rtrim(rtrim({digits}, '0'), '.') else {digits} end")
        }
        (Kind::Text, Type::Text) => plain,
        (Kind::PaddedText, Type::Text | Type::Char) => format!("rtrim({plain}, ' ')"),
        (Kind::Bytes, Type::Bytes) => format!("encode({name}, 'hex')"),
        (Kind::Date, Type::Date) => written("date_out", &name),
        (Kind::Time, Type::Time { .. }) => written("time_out", &name),
        (Kind::Uuid, Type::Uuid) => written("uuid_out", &name),
        (Kind::Timestamp | Kind::Instant, Type::Date) => written("timestamp_out", &format!("{name}::timestamp")),
        (Kind::Timestamp | Kind::Instant, Type::Timestamp { .. }) => written("timestamp_out", &name),
        (Kind::Instant, Type::Instant { .. }) => written("timestamp_out", &format!("({name} at time zone 'UTC')")),
        _ => return None,
    })
}

/// A value as the function writes it that its type has for that; NULL if it is NULL. Not by a cast to text, which may be the user's
/// own: few of PostgreSQL's types come with one.
pub fn written(function: &str, value: &str) -> String {
    format!("textin({function}({value}))")
}

/// The SHA-256 of some texts behind the salt, in hexadecimal digits.
fn sha256(grid: &Grid, texts: &[String]) -> String {
    let chunks: Vec<String> = texts.chunks(ARGUMENTS_MAX).map(|texts| format!("concat_ws(',', {})", texts.join(", "))).collect();
    format!("encode(sha256(convert_to(concat_ws(',', '{}', {}), 'UTF8')), 'hex')", salt_text(grid.salt), chunks.join(", "))
}

/// A number of 60 bits out of hexadecimal digits from `from` on, counted from 1.
fn half(digits: &str, from: usize) -> String {
    format!("bit_in(textout('x' || substr({digits}, {from}, {HALF_DIGITS})), 0, 60)::int8")
}

/// The expression for the position of a row.
fn position(relation: &Relation, scan: &Scan, grid: &Grid, version: i32) -> Result<String, String> {
    let key = &scan.columns[..scan.key_columns];
    Ok(match grid.position {
        Position::Key => format!("{}::int8", column(relation, &key[0])),
        Position::Hash => match &grid.digest {
            Digest::Portable => half(&sha256(grid, &texts(relation, key, version)?), 1),
            Digest::Chained(forms) => {
                let hash = chain::hash(relation, key, grid, forms, version)?;
                format!("(({hash} >> {UNUSED_BITS}) & {})", u64::MAX >> UNUSED_BITS)
            }
        },
    })
}

/// The statement that adds up the fingerprints of the rows of a slice: for each cell its rows, those of them that were
/// hashed, the sums of the halves of their digests, and the moment.
///
/// # Errors
///
/// If the rows of the scan cannot be hashed.
pub fn statement(
    relation: &Relation,
    scan: &Scan,
    grid: &Grid,
    version: i32,
    from: &str,
    condition: &str,
) -> Result<String, String> {
    let sum = |of: &str| format!("sum({of})");
    let (digest, upper, high, low) = match &grid.digest {
        Digest::Portable => {
            let (first, second) = (half("d", 1), half("d", 1 + HALF_DIGITS));
            (sha256(grid, &texts(relation, &scan.columns, version)?), first.clone(), sum(&first), sum(&second))
        }
        Digest::Chained(forms) => {
            (chain::hash(relation, &scan.columns, grid, forms, version)?, "d".to_string(), "0".to_string(), sum("d"))
        }
    };
    let (position, width) = (position(relation, scan, grid, version)?, grid.width);
    let (offset, moment) = match grid.moments {
        true => (format!("{position} % {width}"), sum(&format!("({upper} >> {}) * o", grid.weight_shift()))),
        false => ("0".to_string(), "0".to_string()),
    };
    // Without `offset 0` the digest would be computed once for each place that it is used at.
    Ok(format!(
        "select cell, count(*), count(d), {high}, {low}, {moment} from (select {position} / {width} as cell, {offset} as o, \
         {digest} as d from {from} where {condition} offset 0) hashed group by cell"
    ))
}

/// The condition that a row lies on the pages that a statement of [`on_pages`] has come to.
pub const ON_PAGES: &str = "ctid >= tieout_pages.tieout_first and ctid < tieout_pages.tieout_end";
/// No page has this number, nor a greater one: <https://www.postgresql.org/docs/current/limits.html>.
const PAGES_END: u64 = 0xffff_ffff;

/// The statement that runs `statement`, of rows [`ON_PAGES`], on all of some pages, one after the other. It is planned and
/// compiled once.
pub fn on_pages(statement: &str, pages: impl Iterator<Item = Pages>) -> String {
    let bounds = pages.map(|pages| (pages.range.start, if pages.open { PAGES_END } else { pages.range.end }));
    let (firsts, ends): (Vec<String>, Vec<String>) =
        bounds.map(|(first, end)| (format!("\"({first},0)\""), format!("\"({end},0)\""))).unzip();
    format!(
        "select hashed.* from unnest('{{{}}}'::tid[], '{{{}}}'::tid[]) tieout_pages(tieout_first, tieout_end), \
         lateral ({statement}) hashed",
        firsts.join(","),
        ends.join(",")
    )
}

/// Runs such a statement. `hashed` is told of rows, now and then.
///
/// # Errors
///
/// If the server does not answer, or could not hash a row, and those of `hashed`.
pub fn sums(client: &mut Client, statement: &str, hashed: &mut dyn FnMut(u64) -> Result<()>) -> Result<CellSums> {
    let (mut sums, mut untold_rows, mut told) = (CellSums::new(), 0, Ok(()));
    let ran = client.texts_one_by_one(statement, |row| {
        told = sum(&row).and_then(|(cell, sum)| {
            sums.entry(cell).or_default().merge(sum);
            untold_rows += sum.print.rows;
            if untold_rows > ROWS_PER_NEWS { hashed(std::mem::take(&mut untold_rows)) } else { Ok(()) }
        });
        if told.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    ran.map_err(|error| failure("hash", &error))?;
    told.and_then(|()| hashed(untold_rows))?;
    Ok(sums)
}

/// The sums of a cell.
fn sum(row: &SimpleQueryRow) -> Result<(i64, CellSum)> {
    let number = |at: usize| row.try_get(at).ok()??.parse::<i128>().ok();
    let sums = || {
        let (cell, rows, hashed) = (i64::try_from(number(0)?).ok()?, number(1)?, number(2)?);
        let print = Fingerprint { rows: u64::try_from(rows).ok()?, sum: joined(number(3)? as u128, number(4)? as u128) };
        (rows == hashed).then_some((cell, CellSum { print, moment: number(5)? }))
    };
    sums().ok_or_else(|| Error::new("found rows that the server did not hash"))
}

/// The `slices` of the whole table, with the rows of some cells alone: with all rows where the server cannot tell the cells of rows.
pub fn in_cells(relation: &Relation, scan: &Scan, cells: &GridCells, version: i32, slices: Vec<Slice>) -> Vec<Slice> {
    let Ok(position) = position(relation, scan, &cells.grid, version) else { return slices };
    let list: Vec<String> = cells.cells.iter().map(i64::to_string).collect();
    // A subquery is hashed once; an array is searched from end to end for each row before PostgreSQL 14.
    let within = format!("{position} / {} in (select unnest('{{{}}}'::int8[]))", cells.grid.width, list.join(","));
    let narrowed =
        |slice: Slice| Slice { condition: format!("{} and {within}", slice.condition), pages: None, has_places: false, ..slice };
    slices.into_iter().map(narrowed).collect()
}

/// Slices of a table's rows with some keys, by the index; one is about so many bytes.
pub fn with_keys(relation: &Relation, scan: &Scan, keys: &KeyRanges, weight_bytes: u64) -> Vec<Slice> {
    let (name, from) = (column(relation, &scan.columns[0]), keys::source(relation.class, &relation.table.name));
    let slice = |ranges: &[(i64, i64)]| {
        let (firsts, lasts): (Vec<String>, Vec<String>) =
            ranges.iter().map(|(first, last)| (first.to_string(), last.to_string())).unzip();
        Slice {
            from: format!(
                "{from}, unnest('{{{}}}'::int8[], '{{{}}}'::int8[]) tieout_ranges(tieout_first, tieout_last)",
                firsts.join(","),
                lasts.join(",")
            ),
            condition: format!("{name} between tieout_first and tieout_last"),
            pages: None,
            by_index: true,
            weight_bytes,
            least_key: None,
            has_places: false,
        }
    };
    keys.ranges().chunks(RANGES_PER_STATEMENT).map(slice).collect()
}
