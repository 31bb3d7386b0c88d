//! PostgreSQL, and what speaks its protocol.
//!
//! A session is a snapshot that all connections share. Tables are described from the system catalogs, cut into ranges
//! of keys or of pages, and each range is read by one COPY in binary form, decoded from the wire into canonical bytes.

mod array;
mod catalog;
mod chain;
mod client;
mod connect;
mod decode;
mod failure;
mod keys;
mod numeric;
mod parameters;
mod passfile;
mod push;
mod ranges;
mod scan;
mod service;
mod settings;
mod snapshot;
mod sql;
mod tap;
mod tls;
mod tuples;
mod types;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use self::catalog::Relation;
use self::connect::Connector;
use self::keys::Sample;
use self::parameters::Parameters;
use self::ranges::{Cut, Size};
use self::scan::{PostgresPart, Reading, condition};
use self::snapshot::Snapshot;
use super::address::Address;
use super::{Capabilities, Native, OpenOptions, Part, Parts, Pushes, Scan, ScanColumn, Session};
use crate::error::{Error, Result};
use crate::model::grid::Grid;
use crate::model::schema::{Table, TableName};

/// A database, opened.
pub struct PostgresSession {
    snapshot: Arc<Snapshot>,
    relations: Arc<Vec<Relation>>,
    /// What was learnt of tables, so that the same scan has the same parts each time.
    surveys: Arc<Mutex<Surveys>>,
    bytes_read: AtomicU64,
    /// How many parts the server is to hash at the same time.
    hashed_at_once: u64,
    /// The database, for messages.
    place: String,
}

/// A table and the key that it is read by.
type SurveyKey = (TableName, Vec<ScanColumn>);

/// Few enough to be searched one by one.
type Surveys = Vec<(SurveyKey, Arc<Survey>)>;

/// What is known of a table before it is read.
struct Survey {
    size: Size,
    /// `None`: the table cannot or need not be cut by key.
    sample: Option<Arc<Sample>>,
}

impl PostgresSession {
    /// Opens a database, takes a snapshot of it and reads its catalog.
    ///
    /// # Errors
    ///
    /// If the location is not understood, or the server cannot be reached or set up.
    pub fn open(location: &str, options: &OpenOptions) -> Result<Self> {
        let address = Address::parse(location)?;
        let parameters =
            Parameters::gather(&address, &|name| std::env::var(name).ok()).map_err(|error| error.at(address.place()))?;
        let place = parameters.place();
        let open = || {
            let connector = Connector::new(&parameters, options.connect_timeout)?;
            let snapshot = Snapshot::take(connector, options.statement_timeout)?;
            let relations = snapshot.on_exporter(catalog::read)?;
            Ok((snapshot, relations))
        };
        let (snapshot, relations) = open().map_err(|error: Error| error.at(&place))?;
        let (snapshot, relations) = (Arc::new(snapshot), Arc::new(relations));
        // The other side has half of the threads. A server on this machine hashes while they wait, and has half as many processors
        // as there are threads.
        let share = if snapshot.is_local { 4 } else { 2 };
        let hashed_at_once = (options.connections as u64).div_ceil(share);
        let (surveys, bytes_read) = (Arc::default(), AtomicU64::new(0));
        Ok(PostgresSession { snapshot, relations, surveys, bytes_read, hashed_at_once, place })
    }

    fn relation(&self, scan: &Scan) -> Result<&Relation> {
        let found = self.relations.binary_search_by(|relation| relation.table.name.cmp(&scan.table));
        found.map(|at| &self.relations[at]).map_err(|_| Error::new(format!("found no table {}", scan.table)).at(&self.place))
    }

    fn survey(&self, relation: &Relation, scan: &Scan) -> Result<Arc<Survey>> {
        let key: SurveyKey = (scan.table.clone(), scan.columns[..scan.key_columns].to_vec());
        let known = |surveys: &[(SurveyKey, Arc<Survey>)]| {
            surveys.iter().find(|(other, _)| *other == key).map(|(_, survey)| Arc::clone(survey))
        };
        if let Some(survey) = known(&self.surveys.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(survey);
        }
        let survey = self.snapshot.with(|client| {
            let size = Size::of(client, &relation.stores)?;
            let (parts, _) = size.parts();
            let sample = match parts > 1 && ranges::can_cut_by_key(relation, scan) {
                true => Some(Arc::new(keys::sample(client, relation, scan, parts, size.pages())?)),
                false => None,
            };
            Ok(Survey { size, sample })
        });
        let survey = Arc::new(survey.map_err(|error| error.at(format!("table {}", scan.table)).at(&self.place))?);
        let mut surveys = self.surveys.lock().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have been faster; all are to see the same.
        if let Some(known) = known(&surveys) {
            return Ok(known);
        }
        surveys.push((key, Arc::clone(&survey)));
        Ok(survey)
    }

    /// How a scan is cut.
    fn cut(&self, relation: &Relation, scan: &Scan, survey: &Survey) -> Cut {
        let by_place = ranges::can_cut_by_place(relation, self.snapshot.version_number);
        match &survey.sample {
            Some(sample) if !by_place || (!scan.any_order && is_ordered(relation, scan, sample, &survey.size)) => {
                Cut::Keys(Arc::clone(sample))
            }
            // One statement for all of a small table, its partitions included: the audit sorts it in passing.
            _ if by_place && survey.size.parts().0 > 1 => Cut::Places,
            _ => Cut::Whole,
        }
    }
}

/// Whether ranges of keys come in canonical order, at about the cost of reading the table from end to end.
fn is_ordered(relation: &Relation, scan: &Scan, sample: &Sample, size: &Size) -> bool {
    let nullable = keys::nullable(relation, scan).len();
    // NULL in one of several columns lies anywhere among the keys, and finding it may cost a reading of the table.
    let nulls_come_first = nullable == 0 || (nullable == 1 && scan.key_columns == 1);
    nulls_come_first && keys::orders_canonically(relation, scan) && ranges::is_cheap(sample, size)
}

impl Session for PostgresSession {
    fn engine(&self) -> String {
        self.snapshot.version.clone()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { many_tables: true, places: true, absent_values: false, conditions: true, native: Some(Native::PostgresCopy) }
    }

    fn position(&self) -> Option<String> {
        self.snapshot.position.clone()
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if !self.snapshot.is_common() {
            notes.push(
                "the server does not export snapshots: each connection sees the database as it was when it was opened".to_string(),
            );
        }
        for relation in self.relations.iter().filter(|relation| relation.has_heirs) {
            notes.push(format!("{}: rows of tables that inherit from it are audited with those tables", relation.table.name));
        }
        notes
    }

    fn again(&self) -> Option<Box<dyn Session>> {
        Some(Box::new(PostgresSession {
            snapshot: Arc::clone(&self.snapshot),
            relations: Arc::clone(&self.relations),
            surveys: Arc::clone(&self.surveys),
            bytes_read: AtomicU64::new(0),
            hashed_at_once: self.hashed_at_once,
            place: self.place.clone(),
        }))
    }

    fn tables(&self) -> Result<Vec<Table>> {
        Ok(self.relations.iter().map(|relation| relation.table.clone()).collect())
    }

    fn parts<'a>(&'a self, scan: &'a Scan) -> Result<Parts<'a>> {
        let relation = self.relation(scan)?;
        let reading = Reading::new(relation, scan, &self.place);
        let reading = Arc::new(reading.map_err(|error| error.at(format!("table {}", scan.table)).at(&self.place))?);
        let survey = self.survey(relation, scan)?;
        let cut = self.cut(relation, scan, &survey);
        let mut slices = ranges::slices(relation, scan, &cut, &survey.size, self.hashed_at_once);
        if let Some(keys) = scan.keys() {
            slices = push::with_keys(relation, scan, keys, slices.first().map_or(0, |slice| slice.weight_bytes));
        } else if let Some(cells) = scan.cells_told_there() {
            slices = push::in_cells(relation, scan, cells, self.snapshot.version_number, slices);
        }
        Ok(Box::new(slices.into_iter().map(move |slice| {
            let (snapshot, bytes_read, reading) = (&self.snapshot, &self.bytes_read, Arc::clone(&reading));
            Ok(Box::new(PostgresPart { snapshot, relation, reading, slice, bytes_read }) as Box<dyn Part + 'a>)
        })))
    }

    fn seems_ordered(&self, scan: &Scan, held_bytes: u64) -> Result<bool> {
        let relation = self.relation(scan)?;
        let survey = self.survey(relation, scan)?;
        if ranges::is_one_part(relation, &survey.size, held_bytes) {
            return Ok(true);
        }
        Ok(survey.sample.as_ref().is_some_and(|sample| is_ordered(relation, scan, sample, &survey.size)))
    }

    fn pushes(&self, scan: &Scan) -> Result<Pushes> {
        let (relation, version) = (self.relation(scan)?, self.snapshot.version_number);
        self.snapshot
            .with(|client| push::pushes(client, relation, scan, version))
            .map_err(|error| error.at(format!("table {}", scan.table)).at(&self.place))
    }

    fn push_statement(&self, scan: &Scan, grid: &Grid) -> Option<String> {
        let relation = self.relation(scan).ok()?;
        let (from, condition) = (keys::source(relation.class, &relation.table.name), condition(scan, "true"));
        push::statement(relation, scan, grid, self.snapshot.version_number, &from, &condition).ok()
    }

    fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Relaxed)
    }
}
