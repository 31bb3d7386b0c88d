//! One suite for every engine: what a session promises, held against tables whose contents are known.
//!
//! An engine that passes is complete: the audit asks for nothing else.

mod checks;
mod files;
mod servers;
mod tables;

use std::any::Any;

use tieout::audit::{Choices, KeyChoice, pair};
use tieout::engines::{Scan, ScanColumn, Session};
use tieout::sides::Sides;

use crate::databases::Engine;
use files::Files;
use servers::Server;
use tables::{Rows, TestTable, tables};

/// A place where tables can be made and read back.
trait Subject {
    /// Its name, for messages.
    fn name(&self) -> String;

    /// Whether it can hold the table.
    fn holds(&self, table: &TestTable) -> bool;

    /// Makes a table and opens a session that sees it.
    fn make(&self, table: &TestTable) -> Made;
}

/// A table, made.
struct Made {
    session: Box<dyn Session>,
    /// What disappears with the test.
    _place: Box<dyn Any>,
    /// Whether the place has the key that the table declares.
    has_keys: bool,
    /// Whether what it says of the order of keys is meant.
    tells_order: bool,
}

/// A subject's table with what is known of it.
struct Case<'a> {
    /// The subject and the table, for messages.
    name: String,
    table: &'a TestTable,
    made: Made,
    /// A scan of all columns, the key first, in the kinds that come of pairing them with typed ones.
    scan: Scan,
    /// What the scan must give, in canonical bytes.
    expected: Rows,
}

impl<'a> Case<'a> {
    fn new(subject: &dyn Subject, table: &'a TestTable) -> Self {
        let name = format!("{}, table {}", subject.name(), table.name);
        let made = subject.make(table);
        let listed = made.session.tables().unwrap_or_else(|error| panic!("{name}: {error:?}"));
        let found = listed.iter().find(|found| found.name.name.contains(table.name));
        let found = found.unwrap_or_else(|| panic!("{name}: not among {listed:?}")).clone();
        let typed = Files::Memory.make(table).session.tables().unwrap().remove(0);
        let names: Vec<String> = table.columns.iter().map(|(name, _)| name.to_string()).collect();
        let choices = Choices { key: KeyChoice::Columns(names[..table.key].to_vec()), ..Choices::default() };
        let pairing =
            pair(&Sides { source: typed, target: found.clone() }, &choices).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert!(pairing.not_compared.is_empty(), "{name}: {:?}", pairing.not_compared);
        let columns = pairing.columns.iter().map(|column| ScanColumn {
            index: found.columns.iter().position(|other| other.name == column.columns.target.name).unwrap(),
            kind: column.kind.clone(),
            raw: false,
            tells_absent: false,
        });
        let scan = Scan { table: found.name.clone(), columns: columns.collect(), key_columns: table.key, ..Scan::default() };
        let expected = table.expected(scan.columns.iter().map(|column| &column.kind));
        Case { name, table, made, scan, expected }
    }
}

/// Holds a subject against every promise, with every table that it can hold.
fn conforms(subject: &dyn Subject) {
    for table in tables() {
        if subject.holds(&table) {
            let case = Case::new(subject, &table);
            checks::describes(&case);
            checks::reads_every_row_once(&case);
            checks::reads_alike_whoever_reads(&case);
            checks::keeps_the_order_it_claims(&case);
            checks::defers_the_same_rows(&case);
            checks::selects_cells(&case);
            checks::selects_by_condition(&case);
            checks::survives_a_taker_that_fails(&case);
        }
    }
}

#[test]
fn memory() {
    conforms(&Files::Memory);
}

#[test]
fn parquet() {
    conforms(&Files::Parquet);
}

#[test]
fn arrow() {
    conforms(&Files::Arrow);
}

#[test]
fn csv() {
    conforms(&Files::Csv);
}

#[test]
fn ndjson() {
    conforms(&Files::Ndjson);
}

#[test]
fn sqlite() {
    conforms(&Server(Engine::Sqlite));
}

#[test]
fn postgres() {
    conforms(&Server(Engine::Postgres));
}

#[test]
fn mariadb() {
    conforms(&Server(Engine::Mariadb));
}

#[test]
fn the_newest_servers() {
    for engine in Engine::all().into_iter().filter(|engine| matches!(engine, Engine::Postgres18 | Engine::Mysql)) {
        conforms(&Server(engine));
    }
}
