//! What a database holds: read from the system catalogs in a handful of queries, however many tables there are.

use std::collections::HashMap;

use tokio_postgres::Row;

use super::client::Client;
use super::failure::{failure, field};
use super::types::{self, Read, TypeRow, Types};
use crate::error::Result;
use crate::model::schema::{Column, Table, TableName, Type};

/// The tables of users, each row of which is audited once: partitions belong to their table, views of extensions to
/// nobody. What the server tells of a table that was dropped meanwhile is NULL.
const RELATIONS: &str = "
    select c.oid, n.nspname::text, c.relname::text, c.relkind::text, c.relispartition, c.relhassubclass, a.amname::text,
        c.reltuples::float8, c.relpages::int8, (select i.inhparent from pg_inherits i where i.inhrelid = c.oid limit 1),
        coalesce(has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select'), false),
        case when c.relpages = 0 and c.relkind in ('r', 'm') then coalesce(pg_relation_size(c.oid), 0) else 0 end
    from pg_class c join pg_namespace n on n.oid = c.relnamespace left join pg_am a on a.oid = c.relam
    where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
        and not (c.relkind in ('v', 'f') and exists (select from pg_depend d where d.classid = 'pg_class'::regclass
            and d.objid = c.oid and d.refclassid = 'pg_extension'::regclass and d.deptype = 'e'))";

/// The columns of those tables. A NOT NULL constraint that was not validated (PostgreSQL 18) promises nothing.
const COLUMNS: &str = "
    select a.attrelid, a.attnum, a.attname::text, a.atttypid, a.atttypmod, format_type(a.atttypid, a.atttypmod),
        a.attnotnull and not exists (select from pg_constraint k where k.conrelid = a.attrelid and k.contype = 'n'
            and not k.convalidated and a.attnum = any (k.conkey)),
        coalesce(has_schema_privilege(c.relnamespace, 'usage') and has_column_privilege(a.attrelid, a.attnum, 'select'), false),
        a.attcollation
    from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition and a.attnum > 0 and not a.attisdropped
        and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
    order by a.attrelid, a.attnum";

/// Indexes that hold every row, on columns alone; `plain` ones order their columns as the columns' types do.
const INDEXES: &str = "
    select i.indrelid, i.indisprimary, i.indisunique, i.indnkeyatts, i.indkey::int2[], m.amname = 'btree' and (
            select bool_and(o.opcdefault) and bool_and(i.indcollation[p.n] = a.attcollation)
                and count(distinct i.indoption[p.n] & 1) = 1
            from generate_series(0, i.indnkeyatts - 1) p(n) join pg_opclass o on o.oid = i.indclass[p.n]
                join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[p.n]) as plain
    from pg_index i join pg_class x on x.oid = i.indexrelid join pg_am m on m.oid = x.relam
        join pg_class c on c.oid = i.indrelid join pg_namespace n on n.oid = c.relnamespace
    where i.indisvalid and i.indislive and i.indpred is null and i.indexprs is null and not c.relispartition
        and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
    order by i.indrelid, i.indisprimary desc, i.indnkeyatts, i.indexrelid";

const TYPES: &str = "
    select t.oid, n.nspname::text, t.typname::text, t.typtype::text, t.typelem, t.typarray, t.typbasetype, t.typtypmod
    from pg_type t join pg_namespace n on n.oid = t.typnamespace";

/// Collations that order text by its bytes, in a database whose text is UTF-8 to the server as well.
const BYTEWISE: &str = "
    select c.oid from pg_collation c, pg_database d
    where d.datname = current_database() and pg_encoding_to_char(d.encoding) = 'UTF8' and case c.collprovider
        when 'c' then c.collcollate::text in ('C', 'POSIX')
        when 'b' then to_jsonb(c) ->> 'colllocale' in ('C', 'C.UTF-8', 'PG_UNICODE_FAST')
        when 'd' then case coalesce(to_jsonb(d) ->> 'datlocprovider', 'c')
            when 'c' then d.datcollate::text in ('C', 'POSIX')
            when 'b' then to_jsonb(d) ->> 'datlocale' in ('C', 'C.UTF-8', 'PG_UNICODE_FAST')
            else false end
        else false end";

/// What kind of thing has rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// A table, read without those that inherit from it, which are tables of their own.
    Table,
    /// A table whose rows are in its partitions.
    Partitioned,
    /// A view.
    View,
    /// A view whose rows are stored.
    Materialised,
    /// A table of another server.
    Foreign,
}

/// A table, and what it takes to read it.
#[derive(Debug, Clone)]
pub struct Relation {
    /// As the audit sees it.
    pub table: Table,
    /// What it is.
    pub class: Class,
    /// The columns in the same order.
    pub columns: Vec<Attribute>,
    /// Indexes that order rows as their columns' types do.
    pub indexes: Vec<Vec<usize>>,
    /// What holds the rows: the table itself, or the partitions that have none of their own; empty for views.
    pub stores: Vec<Store>,
    /// Whether other tables inherit from it.
    pub has_heirs: bool,
}

/// A column.
#[derive(Debug, Clone)]
pub struct Attribute {
    /// How its values are read.
    pub read: Read,
    /// Whether there is surely no NULL in it.
    pub not_null: bool,
    /// Whether its text, if it is text, is ordered by bytes.
    pub bytewise: bool,
}

/// Rows in one place of the disk.
#[derive(Debug, Clone)]
pub struct Store {
    /// Its number.
    pub oid: u32,
    /// Its name.
    pub name: TableName,
    /// Whether it is a heap, whose rows can be read by their place.
    pub is_heap: bool,
    /// Whether the user may read it by its own name.
    pub is_readable: bool,
}

struct Listed {
    oid: u32,
    name: TableName,
    kind: String,
    is_partition: bool,
    has_children: bool,
    is_heap: bool,
    rows: Option<u64>,
    bytes: u64,
    parent: Option<u32>,
    is_readable: bool,
}

/// Bytes in a page, for estimates; a server can be built with others.
const PAGE_BYTES: u64 = 8192;

/// Reads the catalog.
///
/// # Errors
///
/// If a query fails.
pub fn read(client: &mut Client) -> Result<Vec<Relation>> {
    let mut query = |sql: &str| client.query(sql, &[]).map_err(|error| failure("read the catalog", &error));
    let listed: Vec<Listed> = query(RELATIONS)?.iter().map(listed).collect::<Result<_>>()?;
    let types: Types = query(TYPES)?.iter().map(type_row).collect::<Result<_>>()?;
    let bytewise: Vec<u32> = query(BYTEWISE)?.iter().map(|row| field(row, 0)).collect::<Result<_>>()?;
    let mut columns: HashMap<u32, Vec<(i16, Column, Attribute)>> = HashMap::new();
    for row in query(COLUMNS)? {
        columns.entry(field(&row, 0)?).or_default().push(column(&row, &types, &bytewise)?);
    }
    let mut indexes: HashMap<u32, Vec<Row>> = HashMap::new();
    for row in query(INDEXES)? {
        indexes.entry(field(&row, 0)?).or_default().push(row);
    }
    let mut children: HashMap<u32, Vec<&Listed>> = HashMap::new();
    for child in &listed {
        if let Some(parent) = child.parent.filter(|_| child.is_partition) {
            children.entry(parent).or_default().push(child);
        }
    }
    let tables = listed.iter().filter(|listed| !listed.is_partition);
    let mut relations: Vec<Relation> = tables
        .map(|listed| {
            let columns = columns.remove(&listed.oid).unwrap_or_default();
            relation(listed, columns, indexes.get(&listed.oid).map_or(&[], Vec::as_slice), &children)
        })
        .collect::<Result<_>>()?;
    relations.sort_by(|a, b| a.table.name.cmp(&b.table.name));
    Ok(relations)
}

fn listed(row: &Row) -> Result<Listed> {
    let (estimate, pages, size): (f64, i64, i64) = (field(row, 7)?, field(row, 8)?, field(row, 11)?);
    // Rows are -1, or 0 on no pages before version 14, if nobody has counted them yet.
    let counted = estimate > 0.0 || (estimate == 0.0 && pages > 0);
    Ok(Listed {
        oid: field(row, 0)?,
        name: TableName { schema: Some(field(row, 1)?), name: field(row, 2)? },
        kind: field(row, 3)?,
        is_partition: field(row, 4)?,
        has_children: field(row, 5)?,
        is_heap: field::<Option<String>>(row, 6)?.as_deref() == Some("heap"),
        rows: counted.then_some(estimate as u64),
        bytes: (pages.max(0) as u64 * PAGE_BYTES).max(size.max(0) as u64),
        parent: field(row, 9)?,
        is_readable: field(row, 10)?,
    })
}

fn type_row(row: &Row) -> Result<(u32, TypeRow)> {
    let name = TableName { schema: Some(field(row, 1)?), name: field(row, 2)? };
    let (class, item, array) = (field(row, 3)?, field(row, 4)?, field(row, 5)?);
    let (domain_of, domain_modifier) = (field(row, 6)?, field(row, 7)?);
    Ok((field(row, 0)?, TypeRow { name, class, item, array, domain_of, domain_modifier }))
}

fn column(row: &Row, types: &Types, bytewise: &[u32]) -> Result<(i16, Column, Attribute)> {
    let read = types::read(types, field(row, 3)?, field(row, 4)?);
    let ty = if field(row, 7)? { read.ty.clone() } else { Type::Forbidden };
    let column = Column { name: field(row, 2)?, ty, native: field(row, 5)? };
    let bytewise = bytewise.contains(&field(row, 8)?);
    Ok((field(row, 1)?, column, Attribute { read, not_null: field(row, 6)?, bytewise }))
}

fn relation(
    listed: &Listed,
    columns: Vec<(i16, Column, Attribute)>,
    indexes: &[Row],
    children: &HashMap<u32, Vec<&Listed>>,
) -> Result<Relation> {
    let numbers: Vec<i16> = columns.iter().map(|(number, ..)| *number).collect();
    let (columns, attributes): (Vec<Column>, Vec<Attribute>) = columns.into_iter().map(|(_, column, own)| (column, own)).unzip();
    let (mut keys, mut ordered): (Vec<Vec<String>>, Vec<Vec<usize>>) = (Vec::new(), Vec::new());
    for row in indexes {
        let (unique, count, key, plain): (bool, i16, Vec<i16>, Option<bool>) =
            (field(row, 2)?, field(row, 3)?, field(row, 4)?, field(row, 5)?);
        // Columns that an index merely includes come after those that it is ordered by.
        let place = |number: &i16| numbers.iter().position(|other| other == number);
        let Some(places) = key.iter().take(count as usize).map(place).collect::<Option<Vec<usize>>>() else { continue };
        if unique && places.iter().all(|&place| attributes[place].not_null) {
            keys.push(places.iter().map(|&place| columns[place].name.clone()).collect());
        }
        if plain == Some(true) {
            ordered.push(places);
        }
    }
    let class = match listed.kind.as_str() {
        "p" => Class::Partitioned,
        "v" => Class::View,
        "m" => Class::Materialised,
        "f" => Class::Foreign,
        _ => Class::Table,
    };
    let mut leaves = Vec::new();
    collect_leaves(listed, children, &mut leaves);
    let rows: Option<u64> = leaves.iter().map(|leaf| leaf.rows).sum::<Option<u64>>().filter(|_| class != Class::View);
    let bytes: u64 = leaves.iter().map(|leaf| leaf.bytes).sum();
    let stores = leaves.iter().filter(|leaf| leaf.kind != "v").map(|leaf| Store {
        oid: leaf.oid,
        name: leaf.name.clone(),
        is_heap: leaf.is_heap,
        is_readable: leaf.is_readable,
    });
    Ok(Relation {
        table: Table { name: listed.name.clone(), columns, keys, rows, bytes: Some(bytes).filter(|_| class != Class::View) },
        class,
        columns: attributes,
        indexes: ordered,
        stores: stores.collect(),
        has_heirs: listed.has_children && class != Class::Partitioned,
    })
}

/// The partitions that have none of their own, in the order of their names; the table itself if it is not partitioned.
fn collect_leaves<'a>(listed: &'a Listed, children: &HashMap<u32, Vec<&'a Listed>>, leaves: &mut Vec<&'a Listed>) {
    if listed.kind != "p" {
        leaves.push(listed);
        return;
    }
    let mut below = children.get(&listed.oid).cloned().unwrap_or_default();
    below.sort_by(|a, b| a.name.cmp(&b.name));
    below.into_iter().for_each(|child| collect_leaves(child, children, leaves));
}
