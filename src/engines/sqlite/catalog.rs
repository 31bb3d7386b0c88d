//! What a database holds: its tables, their columns and keys, and the order in which each is stored.

use rusqlite::Connection;

use super::declared::declared;
use super::snapshot::failed;
use crate::error::Result;
use crate::model::schema::{Column, Table, Type};

/// Bytes that a row takes at least: a length, a rowid, and a header. For estimates only.
const ROW_BYTES_MIN: u64 = 4;
/// Bytes that a value takes, for estimates only.
const VALUE_BYTES_GUESS: u64 = 8;

/// All that a database says of itself.
pub(super) struct Catalog {
    /// Tables, views and virtual tables, in the order of their names.
    pub(super) tables: Vec<SqliteTable>,
    /// Whether text is stored as UTF-8.
    pub(super) is_utf8: bool,
    /// Which of the tables cannot be read, and why.
    pub(super) notes: Vec<String>,
}

/// A table, and how it is stored.
pub(super) struct SqliteTable {
    pub(super) table: Table,
    pub(super) storage: Storage,
}

/// In which order rows are stored.
pub(super) enum Storage {
    /// By a rowid.
    Rowid {
        /// The name by which it is asked for.
        name: &'static str,
        /// The column that is the rowid under another name: `INTEGER PRIMARY KEY`.
        alias: Option<usize>,
    },
    /// By the primary key: `WITHOUT ROWID`.
    Key(Vec<KeyPart>),
    /// In none that rows can be asked for by: views, virtual tables, and tables whose own columns have all of the
    /// rowid's names.
    Unknown,
}

/// A column of the primary key that a table is stored by.
pub(super) struct KeyPart {
    pub(super) column: usize,
    /// The column's name, quoted.
    name: String,
    /// Whether text is ordered by its bytes.
    pub(super) is_binary: bool,
}

impl Storage {
    /// The expressions that rows are stored in the ascending order of; none if there are no such.
    pub(super) fn order(&self) -> Vec<&str> {
        match self {
            Storage::Rowid { name, .. } => vec![name],
            Storage::Key(parts) => parts.iter().map(|part| part.name.as_str()).collect(),
            Storage::Unknown => Vec::new(),
        }
    }
}

/// A name, quoted.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A row of `pragma_table_list`.
struct Listed {
    name: String,
    kind: String,
    without_rowid: bool,
}

/// A column of an index, as far as it is one.
struct IndexPart {
    column: Option<usize>,
    descends: bool,
    is_binary: bool,
}

impl Catalog {
    /// Reads the schema of a database whose file has `file_bytes`.
    ///
    /// # Errors
    ///
    /// If the schema cannot be read. A single view or virtual table that cannot be is noted, and has no columns.
    pub(super) fn read(connection: &Connection, file_bytes: u64) -> Result<Self> {
        let encoding: rusqlite::Result<String> = connection.pragma_query_value(None, "encoding", |row| row.get(0));
        let encoding = encoding.map_err(|error| failed("cannot read the schema", error))?;
        let mut catalog = Catalog { tables: Vec::new(), is_utf8: encoding == "UTF-8", notes: Vec::new() };
        for listed in list(connection).map_err(|error| failed("cannot read the schema", error))? {
            match describe(connection, &listed, file_bytes) {
                Ok(table) => catalog.tables.push(table),
                Err(error) => {
                    catalog.notes.push(format!("{} {} cannot be read: {error}", listed.kind, listed.name));
                    let name = listed.name.as_str().into();
                    let table = Table { name, columns: Vec::new(), keys: Vec::new(), rows: None, bytes: None };
                    catalog.tables.push(SqliteTable { table, storage: Storage::Unknown });
                }
            }
        }
        Ok(catalog)
    }
}

/// All tables but SQLite's own and the shadow tables that virtual tables keep their data in.
fn list(connection: &Connection) -> rusqlite::Result<Vec<Listed>> {
    let mut list = connection.prepare(
        "SELECT name, type, wr FROM pragma_table_list
         WHERE schema = 'main' AND type <> 'shadow' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
    )?;
    let listed = |row: &rusqlite::Row<'_>| Ok(Listed { name: row.get(0)?, kind: row.get(1)?, without_rowid: row.get(2)? });
    list.query_map([], listed)?.collect()
}

fn describe(connection: &Connection, listed: &Listed, file_bytes: u64) -> rusqlite::Result<SqliteTable> {
    let mut columns = Vec::new();
    let mut primary: Vec<(i64, usize)> = Vec::new();
    let mut required = Vec::new();
    // What is hidden is no data: the columns by which a virtual table is given its arguments.
    let mut infos = connection
        .prepare_cached("SELECT name, type, \"notnull\", pk FROM pragma_table_xinfo(?1, 'main') WHERE hidden <> 1 ORDER BY cid")?;
    let mut rows = infos.query([&listed.name])?;
    while let Some(row) = rows.next()? {
        let native: String = row.get(1)?;
        required.push(row.get::<_, bool>(2)?);
        match row.get(3)? {
            0 => {}
            place => primary.push((place, columns.len())),
        }
        columns.push(Column { name: row.get(0)?, ty: Type::Held(Box::new(declared(&native))), native });
    }
    primary.sort_unstable();
    let primary: Vec<usize> = primary.into_iter().map(|(_, column)| column).collect();

    let is_table = listed.kind == "table";
    let mut unique: Vec<Vec<usize>> = Vec::new();
    let mut stored_by = None;
    for (name, origin) in if is_table { unique_indexes(connection, &listed.name)? } else { Vec::new() } {
        let parts = index_parts(connection, &name)?;
        match parts.iter().map(|part| part.column).collect::<Option<Vec<usize>>>() {
            _ if origin == "pk" => stored_by = Some(parts),
            Some(parts) if parts.iter().all(|&column| required[column]) => unique.push(parts),
            _ => {}
        }
    }
    unique.sort();
    let alias = match primary[..] {
        [column] if is_table && !listed.without_rowid && stored_by.is_none() => Some(column),
        _ => None,
    };
    if let Some(column) = alias {
        // The one column that holds nothing but integers.
        columns[column].ty = Type::Integer { bits: 64, signed: true };
    }
    let storage = match stored_by {
        _ if !is_table => Storage::Unknown,
        Some(parts) if listed.without_rowid => key_storage(&parts, &columns),
        _ => rowid_storage(&columns, alias),
    };
    let names = |key: &Vec<usize>| key.iter().map(|&column| columns[column].name.clone()).collect();
    let keys = std::iter::once(&primary).filter(|key| !key.is_empty()).chain(&unique).map(names).collect();
    let rows = match storage {
        Storage::Rowid { name, .. } => Some(count(connection, &listed.name, name)?.min(file_bytes / ROW_BYTES_MIN)),
        _ => None,
    };
    let bytes = match rows {
        Some(rows) => Some(rows.saturating_mul(VALUE_BYTES_GUESS * columns.len() as u64).min(file_bytes)),
        None => is_table.then_some(file_bytes),
    };
    Ok(SqliteTable { table: Table { name: listed.name.as_str().into(), columns, keys, rows, bytes }, storage })
}

/// The unique indexes of a table that have all of its rows, by name, and where each comes from.
fn unique_indexes(connection: &Connection, table: &str) -> rusqlite::Result<Vec<(String, String)>> {
    let mut list = connection.prepare_cached(
        "SELECT name, origin FROM pragma_index_list(?1, 'main') WHERE \"unique\" AND NOT partial ORDER BY seq DESC",
    )?;
    list.query_map([table], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

fn index_parts(connection: &Connection, index: &str) -> rusqlite::Result<Vec<IndexPart>> {
    let mut list = connection
        .prepare_cached("SELECT cid, \"desc\", coll = 'BINARY' FROM pragma_index_xinfo(?1, 'main') WHERE key ORDER BY seqno")?;
    let part = |row: &rusqlite::Row<'_>| {
        // An expression and the rowid have no number that is one of a column.
        let column = usize::try_from(row.get::<_, i64>(0)?).ok();
        Ok(IndexPart { column, descends: row.get(1)?, is_binary: row.get(2)? })
    };
    list.query_map([index], part)?.collect()
}

fn key_storage(parts: &[IndexPart], columns: &[Column]) -> Storage {
    let part = |part: &IndexPart| {
        let column = part.column.filter(|_| !part.descends)?;
        Some(KeyPart { column, name: quoted(&columns[column].name), is_binary: part.is_binary })
    };
    // A key that descends in some of its columns cannot be cut by comparing it as a whole.
    parts.iter().map(part).collect::<Option<_>>().map_or(Storage::Unknown, Storage::Key)
}

fn rowid_storage(columns: &[Column], alias: Option<usize>) -> Storage {
    let is_free = |name: &&str| !columns.iter().any(|column| column.name.eq_ignore_ascii_case(name));
    match ["rowid", "_rowid_", "oid"].into_iter().find(is_free) {
        Some(name) => Storage::Rowid { name, alias },
        None => Storage::Unknown,
    }
}

/// About how many rows a table has: as many as there is room for between the least and the greatest rowid.
fn count(connection: &Connection, table: &str, rowid: &str) -> rusqlite::Result<u64> {
    let table = quoted(table);
    let ends = format!("SELECT (SELECT min({rowid}) FROM main.{table}), (SELECT max({rowid}) FROM main.{table})");
    let ends: (Option<i64>, Option<i64>) = connection.query_row(&ends, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(match ends {
        (Some(least), Some(greatest)) => greatest.abs_diff(least).saturating_add(1),
        _ => 0,
    })
}
