//! What the database holds: its tables, their columns and keys, from a handful of queries however many there are.

use std::collections::BTreeMap;

use mysql::prelude::Queryable;
use mysql::{Conn, Row, Value};

use super::failure::failure;
use super::names;
use super::settings::Flavour;
use super::types::{self, Declared, Reading};
use crate::error::{Error, Result};
use crate::model::schema::{Column, Table, Type};

/// A table, as the audit sees it and as it is read.
#[derive(Debug, Clone)]
pub(super) struct Described {
    pub(super) table: Table,
    /// Its name in statements.
    pub(super) quoted: String,
    /// How each column is read, in the order of the table's columns.
    pub(super) sources: Vec<Source>,
    /// The index that ranges are cut by: its columns are unique together, and none is NULL.
    pub(super) index: Option<Index>,
    /// The storage engine; `None`: a view.
    pub(super) storage: Option<String>,
}

/// A column, as it is read.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// Its name, quoted.
    pub(super) quoted: String,
    /// `None`: it cannot be read.
    pub(super) reading: Option<Reading>,
    pub(super) charset: Option<String>,
    pub(super) collation: Option<String>,
}

/// An index.
#[derive(Debug, Clone)]
pub(super) struct Index {
    /// Its name, quoted.
    pub(super) quoted: String,
    /// The places of its columns among those of the table.
    pub(super) columns: Vec<usize>,
}

impl Described {
    /// Whether all connections see the same rows of it.
    pub(super) fn has_snapshot(&self) -> bool {
        // Of a view nothing is known; the tables that it reads are among the others, or in another database.
        self.storage.as_deref().is_none_or(|storage| ["InnoDB", "ROCKSDB", "MyRocks", "TokuDB"].contains(&storage))
    }

    /// The average size of a row in bytes, from statistics.
    pub(super) fn row_bytes(&self) -> u64 {
        match (self.table.bytes, self.table.rows) {
            (Some(bytes), Some(rows)) if rows > 0 => (bytes / rows).max(1),
            _ => 64,
        }
    }
}

/// Describes all tables and views of the database that the connection is in, ordered by name.
///
/// # Errors
///
/// If the catalog cannot be read.
pub(super) fn describe(conn: &mut Conn, flavour: &Flavour) -> Result<Vec<Described>> {
    let mut ask = |sql: &str| -> Result<Vec<Row>> { conn.query(sql).map_err(|error| failure("read the catalog", error)) };
    let database = ask("SELECT DATABASE()")?.first().and_then(|row| text(row, "DATABASE()"));
    let database = database.ok_or_else(|| Error::new("found no database"))?;
    // Names of databases compare without case here: rows of a namesake are left out below.
    let here = format!("TABLE_SCHEMA = {}", names::text(&database));
    let of_database = |rows: Vec<Row>, schema: &str| -> Vec<Row> {
        rows.into_iter().filter(|row| text(row, schema).is_some_and(|schema| schema == database)).collect()
    };

    let mut found = BTreeMap::new();
    let sql = format!(
        "SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, ENGINE, TABLE_ROWS, DATA_LENGTH FROM information_schema.TABLES WHERE {here}"
    );
    for row in of_database(ask(&sql)?, "TABLE_SCHEMA") {
        let kind = text(&row, "TABLE_TYPE").unwrap_or_default();
        if !["BASE TABLE", "VIEW", "SYSTEM VERSIONED"].contains(&kind.as_str()) {
            continue;
        }
        let name = text(&row, "TABLE_NAME").unwrap_or_default();
        let described = Described {
            quoted: names::table(&database, &name),
            table: Table {
                name: name.as_str().into(),
                columns: Vec::new(),
                keys: Vec::new(),
                rows: number(&row, "TABLE_ROWS"),
                bytes: number(&row, "DATA_LENGTH"),
            },
            sources: Vec::new(),
            index: None,
            storage: text(&row, "ENGINE").filter(|_| kind != "VIEW"),
        };
        found.insert(name, described);
    }

    let json = if flavour.mariadb {
        let sql = format!(
            "SELECT * FROM information_schema.CHECK_CONSTRAINTS WHERE {}",
            here.replace("TABLE_SCHEMA", "CONSTRAINT_SCHEMA")
        );
        of_database(ask(&sql)?, "CONSTRAINT_SCHEMA")
    } else {
        Vec::new()
    };
    let checks: Vec<(Option<String>, String)> =
        json.iter().filter_map(|row| Some((text(row, "TABLE_NAME"), text(row, "CHECK_CLAUSE")?))).collect();

    let sql = format!(
        "SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, CHARACTER_SET_NAME, COLLATION_NAME, NUMERIC_PRECISION, \
         NUMERIC_SCALE, DATETIME_PRECISION, PRIVILEGES FROM information_schema.COLUMNS WHERE {here} ORDER BY TABLE_NAME, ORDINAL_POSITION"
    );
    for row in of_database(ask(&sql)?, "TABLE_SCHEMA") {
        let table = text(&row, "TABLE_NAME").unwrap_or_default();
        if let Some(described) = found.get_mut(&table) {
            let (column, source) = column(&row, |name| {
                let clauses =
                    [format!("json_valid({})", names::quoted(name)), format!("json_valid(\"{}\")", name.replace('"', "\"\""))];
                checks.iter().any(|(of, clause)| of.as_ref().is_none_or(|of| *of == table) && clauses.contains(clause))
            });
            described.table.columns.push(column);
            described.sources.push(source);
        }
    }

    let sql = format!("SELECT * FROM information_schema.STATISTICS WHERE {here} AND NON_UNIQUE = 0");
    let mut indexes: BTreeMap<String, Vec<Vec<Row>>> = BTreeMap::new();
    for row in of_database(ask(&sql)?, "TABLE_SCHEMA") {
        let of_table = indexes.entry(text(&row, "TABLE_NAME").unwrap_or_default()).or_default();
        let same = |other: &&mut Vec<Row>| other.first().is_some_and(|other| text(other, "INDEX_NAME") == text(&row, "INDEX_NAME"));
        match of_table.iter_mut().find(same) {
            Some(parts) => parts.push(row),
            None => of_table.push(vec![row]),
        }
    }
    for (name, of_table) in indexes {
        if let Some(described) = found.get_mut(&name) {
            add_keys(described, of_table);
        }
    }
    Ok(found.into_values().collect())
}

fn column(row: &Row, is_json: impl Fn(&str) -> bool) -> (Column, Source) {
    let name = text(row, "COLUMN_NAME").unwrap_or_default();
    let native = text(row, "COLUMN_TYPE").unwrap_or_default();
    let charset = text(row, "CHARACTER_SET_NAME");
    let declared = Declared {
        data_type: text(row, "DATA_TYPE").unwrap_or_default().to_lowercase(),
        column_type: native.clone(),
        charset: charset.clone(),
        precision: number(row, "NUMERIC_PRECISION"),
        scale: number(row, "NUMERIC_SCALE"),
        digits: number(row, "DATETIME_PRECISION"),
        checked_json: is_json(&name),
    };
    let may = text(row, "PRIVILEGES").is_some_and(|privileges| privileges.to_lowercase().split(',').any(|one| one == "select"));
    let (ty, reading) = if may { types::of(&declared) } else { (Type::Forbidden, None) };
    let source = Source { quoted: names::quoted(&name), reading, charset, collation: text(row, "COLLATION_NAME") };
    (Column { name, ty, native }, source)
}

/// Adds the keys of a table: the primary key, and unique indexes whose columns are never NULL. An index over part of
/// a column, or over an expression, is none.
fn add_keys(described: &mut Described, mut indexes: Vec<Vec<Row>>) {
    indexes.sort_by_key(|parts| parts.first().and_then(|part| text(part, "INDEX_NAME")) != Some("PRIMARY".to_string()));
    for mut parts in indexes {
        parts.sort_by_key(|part| number(part, "SEQ_IN_INDEX"));
        let whole = |part: &Row| {
            let name = text(part, "COLUMN_NAME")?;
            let never_null = text(part, "NULLABLE").is_none_or(|nullable| nullable != "YES");
            let place = described.table.columns.iter().position(|column| column.name == name)?;
            (never_null && text(part, "SUB_PART").is_none()).then_some((name, place))
        };
        let Some(columns) = parts.iter().map(whole).collect::<Option<Vec<(String, usize)>>>() else { continue };
        let (key, places): (Vec<String>, Vec<usize>) = columns.into_iter().unzip();
        described.table.keys.push(key);
        let all = |name: &str, value: &str| parts.iter().all(|part| text(part, name).is_none_or(|found| found == value));
        let readable = places.iter().all(|&place| described.sources[place].reading.is_some());
        let same_way = parts.windows(2).all(|pair| text(&pair[0], "COLLATION") == text(&pair[1], "COLLATION"));
        let serves = readable && same_way && all("INDEX_TYPE", "BTREE") && all("IS_VISIBLE", "YES") && all("IGNORED", "NO");
        if described.index.is_none() && serves {
            let name = parts.first().and_then(|part| text(part, "INDEX_NAME")).unwrap_or_default();
            described.index = Some(Index { quoted: names::quoted(&name), columns: places });
        }
    }
}

/// The text in a column of a catalog row; `None`: NULL, or there is no such column in this version.
fn text(row: &Row, name: &str) -> Option<String> {
    let place = row.columns_ref().iter().position(|column| column.name_str().eq_ignore_ascii_case(name))?;
    match row.as_ref(place)? {
        Value::NULL => None,
        Value::Bytes(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Value::Int(number) => Some(number.to_string()),
        Value::UInt(number) => Some(number.to_string()),
        _ => None,
    }
}

fn number(row: &Row, name: &str) -> Option<u64> {
    text(row, name)?.parse().ok()
}
