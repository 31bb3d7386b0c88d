//! PostgreSQL itself: its types, its catalog, how its tables are cut, how it is connected to.

mod catalog; // tables, keys, privileges, partitions, heirs
mod connecting; // TLS, passwords, files, failures
mod ranges; // parts: every row once, in order, served by an index
mod types; // every type with values that hurt

use tieout::engines::{self, OpenOptions, Scan, ScanColumn, Session};
use tieout::error::Result;
use tieout::model::kind::Kind;
use tieout::model::schema::{Table, TableName, Type};

use crate::databases::{Database, Engine};

/// A row as it was read: its key and all its compared values, in canonical bytes.
type Row = (Vec<u8>, Vec<u8>);

fn database() -> Database {
    Database::new(Engine::Postgres)
}

/// A part as it was read: the key that no row from there on is below, and the rows.
type ReadPart = (Option<Vec<u8>>, Vec<Row>);

fn open(database: &Database) -> Box<dyn Session> {
    engines::open(&database.location, &OpenOptions::default()).unwrap()
}

fn public(name: &str) -> TableName {
    TableName { schema: Some("public".into()), name: name.into() }
}

fn described(session: &dyn Session, name: &str) -> Table {
    session.tables().unwrap().into_iter().find(|table| table.name == public(name)).unwrap_or_else(|| panic!("no table {name}"))
}

/// The kind that a column is read as when it is held against one of its own type.
fn own_kind(table: &Table, at: usize) -> Kind {
    kind(&table.columns[at].ty)
}

fn kind(ty: &Type) -> Kind {
    match ty {
        Type::Boolean => Kind::Boolean,
        Type::Integer { .. } | Type::Decimal { .. } | Type::Number | Type::Bits { .. } => Kind::Number,
        Type::Float { bits } => Kind::Float { bits: *bits },
        Type::Text | Type::Native { .. } => Kind::Text,
        Type::Char => Kind::PaddedText,
        Type::Bytes => Kind::Bytes,
        Type::Date => Kind::Date,
        Type::Time { .. } => Kind::Time,
        Type::Timestamp { .. } => Kind::Timestamp,
        Type::Instant { .. } => Kind::Instant,
        Type::Interval => Kind::Interval,
        Type::Uuid => Kind::Uuid,
        Type::Json => Kind::Json,
        Type::List(item) => Kind::List(Box::new(kind(item))),
        other => panic!("{other} has no kind"),
    }
}

/// A scan of all columns, those of `key` first.
fn scan(table: &Table, key: &[&str]) -> Scan {
    let place = |name: &&str| table.columns.iter().position(|column| column.name == **name).unwrap();
    let first: Vec<usize> = key.iter().map(place).collect();
    let rest = (0..table.columns.len()).filter(|at| !first.contains(at));
    let columns = first.iter().copied().chain(rest).map(|index| ScanColumn {
        index,
        kind: own_kind(table, index),
        raw: false,
        tells_absent: false,
    });
    Scan { table: table.name.clone(), columns: columns.collect(), key_columns: key.len(), ..Scan::default() }
}

/// The parts of a scan, read one after the other.
fn parts(session: &dyn Session, scan: &Scan) -> Result<Vec<ReadPart>> {
    let read = |part: Result<Box<dyn engines::Part + '_>>| {
        let part = part?;
        let (least, mut rows) = (part.least_key().map(<[u8]>::to_vec), Vec::new());
        let read = part.read(&mut |block| {
            rows.extend(block.iter().map(|row| (row.key().to_vec(), row.compared().to_vec())));
            Ok(())
        })?;
        assert_eq!(read, rows.len() as u64);
        Ok((least, rows))
    };
    session.parts(scan)?.map(read).collect()
}

fn rows(session: &dyn Session, scan: &Scan) -> Vec<Row> {
    parts(session, scan).unwrap().into_iter().flat_map(|(_, rows)| rows).collect()
}
