//! Ranges of keys: where a table is cut so that the parts are of one size, whatever the keys look like.
//!
//! The bounds are keys of a sample of pages, every so many of them in the order of the index. They decide how even
//! the parts are and nothing else: adjacent ranges hold every row, whatever their bounds.

use tokio_postgres::types::{FromSql, Type as PgType};

use super::catalog::{Class, Relation};
use super::client::Client;
use super::decode::decoder;
use super::failure::{failure, field};
use super::sql::{identifier, literal, qualified};
use crate::engines::Scan;
use crate::error::{Error, Result};
use crate::model::kind::Kind;
use crate::model::schema::{TableName, Type};

/// Pages sampled for each part, so that parts differ little in size.
const PAGES_PER_PART: u64 = 4;
/// Pages sampled at most, unless that were fewer than [`PAGES_PER_PART_MIN`].
const PAGES_MAX: u64 = 8192;
const PAGES_PER_PART_MIN: u64 = 2;

/// A key between two ranges, or the first columns of one: all keys that begin so, and all that come after, are above it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// The values of the key's columns as SQL literals.
    pub literals: Vec<String>,
    /// The same in canonical bytes; empty if the scan reads a column as what does not order as the index does.
    pub canonical: Vec<u8>,
}

/// What a sample tells of the keys of a table.
#[derive(Debug, Default)]
pub struct Sample {
    /// In the order of the index.
    pub bounds: Vec<Bound>,
    /// How far the order in which rows are stored is that of the keys, up to 1: the greater of their correlation, and of
    /// twice the pages to the number of pages that the parts have rows on (few also where a table was copied by several
    /// processes, or from its middle on, or where half of its rows were written anew).
    pub agreement: f64,
}

/// Whether an index reads the rows in the order of the scan's key.
pub fn has_index(relation: &Relation, scan: &Scan) -> bool {
    let key: Vec<usize> = scan.columns[..scan.key_columns].iter().map(|column| column.index).collect();
    !key.is_empty() && relation.indexes.iter().any(|index| index.starts_with(&key)) && key.iter().all(|&at| is_plain(relation, at))
}

/// Whether a column's type is one of PostgreSQL's own that has an order, so that its operators are known.
fn is_plain(relation: &Relation, at: usize) -> bool {
    let base = &relation.columns[at].read.base;
    let plain =
        ["bool", "int2", "int4", "int8", "oid", "float4", "float8", "numeric", "text", "varchar", "bpchar", "bytea", "date"];
    let timed = ["time", "timestamp", "timestamptz", "uuid"];
    base.schema.as_deref() == Some("pg_catalog") && plain.iter().chain(&timed).any(|name| *name == base.name)
}

/// Whether the order of the index is that of canonical keys, for every column of the key.
pub fn orders_canonically(relation: &Relation, scan: &Scan) -> bool {
    scan.columns[..scan.key_columns].iter().all(|column| {
        let own = &relation.columns[column.index];
        match (&own.read.ty, &column.kind) {
            (Type::Text, Kind::Text) => own.bytewise,
            (Type::Text | Type::Char, _) => false,
            // Bytes read as UUIDs come after all others if they are not sixteen.
            (Type::Bytes, kind) => *kind == Kind::Bytes,
            (Type::Boolean, _) => own.read.base.name == "bool",
            (Type::Integer { .. } | Type::Decimal { .. } | Type::Number | Type::Float { .. }, _) => true,
            (Type::Date | Type::Time { .. } | Type::Timestamp { .. } | Type::Instant { .. } | Type::Uuid, _) => true,
            _ => false,
        }
    })
}

/// The columns of the key that may be NULL.
pub fn nullable(relation: &Relation, scan: &Scan) -> Vec<String> {
    let columns = scan.columns[..scan.key_columns].iter().filter(|column| !relation.columns[column.index].not_null);
    columns.map(|column| identifier(&relation.table.columns[column.index].name)).collect()
}

/// What a table is read from: itself alone, or with its partitions.
pub fn source(class: Class, name: &TableName) -> String {
    match class {
        Class::Table | Class::Foreign => format!("only {}", qualified(name)),
        Class::Partitioned | Class::View | Class::Materialised => qualified(name),
    }
}

/// Condition for the keys from `lower` on and below `upper`, each open if there is none; in a form that an index on
/// the columns serves: what both begin with is held against each column by itself, for comparing rows takes a server five times as long.
pub fn condition(columns: &[String], lower: Option<&Bound>, upper: Option<&Bound>) -> String {
    let of = |bound: Option<&Bound>| bound.map_or(Vec::new(), |bound| bound.literals.clone());
    let (lower, upper) = (of(lower), of(upper));
    let shared = lower.iter().zip(&upper).take_while(|(lower, upper)| lower == upper).count();
    let equal = columns.iter().zip(&lower[..shared]).map(|(column, value)| format!("{column} = {value}"));
    let side = |sign: &str, bound: &[String]| match bound.get(shared..) {
        None | Some([]) => None,
        Some([value]) => Some(format!("{} {sign} {value}", columns[shared])),
        Some(values) => Some(format!("({}) {sign} ({})", columns[shared..bound.len()].join(", "), values.join(", "))),
    };
    let sides: Vec<String> = equal.chain([side(">=", &lower), side("<", &upper)].into_iter().flatten()).collect();
    if sides.is_empty() { "true".to_string() } else { sides.join(" and ") }
}

/// Takes a sample of a table of `pages` pages, with bounds for about `parts` parts.
///
/// # Errors
///
/// If the sample cannot be read.
pub fn sample(client: &mut Client, relation: &Relation, scan: &Scan, parts: u64, pages: u64) -> Result<Sample> {
    let key = &scan.columns[..scan.key_columns];
    let names: Vec<String> = key.iter().map(|column| identifier(&relation.table.columns[column.index].name)).collect();
    let wanted = (parts * PAGES_PER_PART).min(PAGES_MAX).max(parts * PAGES_PER_PART_MIN);
    let percent = (100.0 * wanted as f64 / pages.max(1) as f64).min(100.0);
    let list = |format: &dyn Fn(usize, &String) -> String| {
        names.iter().enumerate().map(|(i, name)| format(i, name)).collect::<Vec<_>>().join(", ")
    };
    let sql = format!(
        "with sample as materialized (select {named}, tableoid as store, ctid as place from {from} \
             tablesample system ({percent}) repeatable (0) where {present}), \
         placed as (select *, row_number() over (order by store, place) as spot, count(*) over () as total from sample), \
         ranked as materialized (select *, row_number() over (order by {ks}) as rank from placed), \
         stores as (select coalesce(abs(corr(rank, spot)), 1) as agreement, count(*) as n from ranked group by store), \
         visits as (select store, substr(tidsend(place), 1, 4) as page, rank * {parts} / total as part from ranked group by 1, 2, 3), \
         pages as (select least(2.0 * count(distinct (store, page)) / greatest(count(*), 1), 1) as agreement from visits) \
         select {ks}, {texts}, (select greatest(sum(stores.agreement * n) / sum(n), max(pages.agreement)) from stores, pages), {repeats} \
         from ranked where rank < total and rank * {parts} / total <> (rank - 1) * {parts} / total order by rank",
        named = list(&|i, name| format!("{name} as k{i}")),
        from = source(relation.class, &relation.table.name),
        present = names.iter().map(|name| format!("{name} is not null")).collect::<Vec<_>>().join(" and "),
        ks = list(&|i, _| format!("k{i}")),
        texts = list(&|i, _| format!("format('%s', k{i})")),
        repeats = list(&|i, _| format!("coalesce(k{i} = lag(k{i}) over (order by rank), false)")),
    );
    let rows = client.query(&sql, &[]).map_err(|error| failure("sample the keys", &error))?;
    let agreement = rows.first().map_or(Ok(None), |row| field(row, 2 * key.len()))?.unwrap_or(1.0);
    let ordered = orders_canonically(relation, scan);
    let mut bounds: Vec<Bound> = Vec::with_capacity(rows.len());
    for row in &rows {
        let (mut literals, mut canonical) = (Vec::with_capacity(key.len()), Vec::new());
        // Up to the first column that tells it from the bound before, as the server sees it: else bounds would not ascend.
        let repeats = (0..key.len()).map(|i| field(row, 2 * key.len() + 1 + i)).collect::<Result<Vec<bool>>>()?;
        let telling = repeats.iter().position(|repeats| !repeats).filter(|_| !bounds.is_empty());
        for (i, column) in key.iter().enumerate().take(telling.map_or(key.len(), |last| last + 1)) {
            let read = &relation.columns[column.index].read;
            // By its name, for `character` and `bit` would mean a length of one.
            literals.push(format!("{}::{}", literal(field(row, key.len() + i)?), qualified(&read.base)));
            let value: Sent<'_> = field(row, i)?;
            if ordered && !decoder(&read.wire, &column.kind)?(value.0, &mut canonical) {
                return Err(Error::new("found a sampled key that is no value of its type"));
            }
        }
        if bounds.last().is_none_or(|last| last.literals != literals) {
            bounds.push(Bound { literals, canonical });
        }
    }
    Ok(Sample { bounds, agreement })
}

/// A value as it was sent.
struct Sent<'a>(&'a [u8]);

impl<'a> FromSql<'a> for Sent<'a> {
    fn from_sql(_: &PgType, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Sent(raw))
    }

    fn accepts(_: &PgType) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_row_comparisons_open_at_the_edges() {
        let columns = [identifier("a"), identifier("b")];
        let bound = |literals: &[&str]| Bound { literals: literals.iter().map(|l| l.to_string()).collect(), canonical: Vec::new() };
        let (low, high) = (bound(&["1", "2"]), bound(&["3", "4"]));
        assert_eq!(condition(&columns, Some(&low), Some(&high)), r#"("a", "b") >= (1, 2) and ("a", "b") < (3, 4)"#);
        assert_eq!(condition(&columns[..1], None, Some(&bound(&["5"]))), r#""a" < 5"#);
        assert_eq!(condition(&columns, Some(&low), Some(&bound(&["1", "5"]))), r#""a" = 1 and "b" >= 2 and "b" < 5"#);
        assert_eq!(condition(&columns, Some(&low), Some(&bound(&["2"]))), r#"("a", "b") >= (1, 2) and "a" < 2"#);
        assert_eq!(condition(&columns, Some(&bound(&["1"])), Some(&low)), r#""a" = 1 and "b" < 2"#);
        assert_eq!(condition(&columns, None, None), "true");
    }
}
