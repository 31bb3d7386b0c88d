//! An audit of two sides: opened, their tables matched and paired, taken through the line one by one.

use std::sync::atomic::AtomicBool;

use chrono::{DateTime, SecondsFormat, Utc};

use crate::audit::{self, KeyChoice, Limits, Matched, Observer, Offer, Plan, TablePair, Watch};
use crate::config::AuditOptions;
use crate::engines::{self, Session};
use crate::error::{Error, Result};
use crate::model::comparison::Pairing;
use crate::model::digest::Digester;
use crate::model::outline::Outline;
use crate::model::schema::Table;
use crate::model::verdict::{SideSummary, Summary, TableSummary, Verdict};
use crate::report::progress::Progress;
use crate::report::{Report, TableFiles, TableOptions};
use crate::sides::{Side, Sides};

/// Two sides, opened, and what of them is held against each other.
pub struct Audit {
    sessions: Sides<Box<dyn Session>>,
    limits: Limits,
    digester: Digester,
    /// Each pair of tables, and how they are compared, or why they cannot be.
    pub pairs: Vec<(TablePair, Result<Pairing>)>,
    /// Tables that only one side has.
    pub alone: Vec<(Side, Table)>,
}

impl Audit {
    /// Opens both sides and matches their tables and columns. No row is read.
    ///
    /// # Errors
    ///
    /// If a side cannot be opened, a name that the user gave matches nothing, or no pair of tables can be compared.
    pub fn open(options: &AuditOptions, digester: Digester) -> Result<Audit> {
        for side in Side::BOTH {
            if options.selection.named.get(side).is_some() && options.selection.exclude.iter().len() > 0 {
                return Err(Error::new("found a table in the location, expected a whole database").at("--exclude").on(side));
            }
        }
        let sessions = open_sides(options)?;
        let offers =
            sessions.as_ref().try_map(|side, session| offer(options, side, session.as_ref()).map_err(|error| error.on(side)))?;
        let matched = audit::match_tables(offers, &options.selection)?;
        let Matched { pairs, alone, whole } = matched;
        let mut choices = options.choices.clone();
        if whole && choices.key == KeyChoice::Declared {
            choices.key = KeyChoice::DeclaredIfAny;
        }
        let paired = pairs.into_iter().map(|pair| {
            let pairing = audit::pair(&pair.tables, &choices);
            (pair, pairing)
        });
        let mut pairs: Vec<(TablePair, Result<Pairing>)> = paired.collect();
        // With nothing to audit the run ends here; one table of many that cannot be compared does not end the others.
        if alone.is_empty() && pairs.iter().all(|(_, pairing)| pairing.is_err()) && !pairs.is_empty() {
            return Err(pairs.swap_remove(0).1.err().unwrap_or_else(|| Error::new("found nothing to audit")));
        }
        Ok(Audit { sessions, limits: options.limits.clone(), digester, pairs, alone })
    }

    /// About how many bytes will be read.
    pub fn size_bytes(&self) -> u64 {
        let bytes = |table: &Table| table.bytes.unwrap_or(0);
        self.pairs.iter().map(|(pair, _)| bytes(&pair.tables.source) + bytes(&pair.tables.target)).sum()
    }

    fn plan(&self, pair: &TablePair, pairing: &Pairing) -> Result<Plan> {
        let mut pairing = pairing.clone();
        pairing.notes.extend(pair.note.clone());
        audit::plan(pairing, &pair.tables, &self.sessions, &self.limits, self.digester.clone())
    }

    /// Takes a pair of tables through the line. What keeps it from being audited is in its summary.
    ///
    /// # Errors
    ///
    /// If the report cannot be written.
    pub fn table(
        &self,
        pair: &TablePair,
        pairing: &Result<Pairing>,
        report: &mut Report,
        interrupted: &AtomicBool,
        progress: &Progress,
    ) -> Result<(TableSummary, Option<TableFiles>)> {
        let names = pair.tables.as_ref().map(|table| table.name.to_string());
        let plan = match pairing.as_ref().map(|pairing| self.plan(pair, pairing)) {
            Ok(Ok(plan)) => plan,
            Ok(Err(error)) => return Ok((audit::unaudited(names, &error), None)),
            Err(error) => return Ok((audit::unaudited(names, error), None)),
        };
        let mut sink = report.table(&plan.pairing, TableOptions { domain: plan.domain, ..TableOptions::default() })?;
        let watch = Watch::new(interrupted, progress);
        let mut table = audit::audit_table(&plan, &self.sessions, &watch, &mut sink)?;
        let files = sink.finish()?;
        table.report = files.report.clone();
        Ok((table, Some(files)))
    }

    /// What the audit of each pair of tables would do.
    pub fn outlines(&self) -> Vec<Outline> {
        let engines = || self.sessions.as_ref().map(|session| session.engine());
        let outline = |(pair, pairing): &(TablePair, Result<Pairing>)| {
            let names = pair.tables.as_ref().map(|table| table.name.to_string());
            match pairing.as_ref().map(|pairing| self.plan(pair, pairing)) {
                Ok(Ok(plan)) => audit::outline(&plan, &self.sessions, &pair.tables),
                Ok(Err(error)) => audit::unplanned(names, engines(), &error),
                Err(error) => audit::unplanned(names, engines(), error),
            }
        };
        self.pairs.iter().map(outline).collect()
    }

    /// The run for machines.
    pub fn summarise(&self, options: &AuditOptions, started: DateTime<Utc>, run_id: String, tables: Vec<TableSummary>) -> Summary {
        let verdict = tables.iter().map(|table| table.verdict).max().unwrap_or(Verdict::Incomplete);
        let time = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Millis, true);
        let Sides { source, target } = Sides::from_fn(|side| {
            let session = self.sessions.get(side);
            SideSummary {
                location: options.place(side),
                engine: session.engine(),
                position: session.position(),
                notes: session.notes(),
            }
        });
        let (started_at, finished_at) = (time(started), time(Utc::now()));
        let version = env!("CARGO_PKG_VERSION").to_string();
        Summary {
            tieout: version,
            run_id,
            started_at,
            finished_at,
            verdict,
            exit_code: verdict.exit_code(),
            source,
            target,
            tables,
        }
    }
}

/// Opens both sides: at the same time, or, if they are at one location, so that both see one snapshot.
fn open_sides(options: &AuditOptions) -> Result<Sides<Box<dyn Session>>> {
    let open =
        |side: Side| engines::open(options.locations.get(side).expose(), options.open.get(side)).map_err(|error| error.on(side));
    if options.locations.source.expose() == options.locations.target.expose() {
        let source = open(Side::Source)?;
        let target = source.again().map_or_else(|| open(Side::Target), Ok)?;
        return Ok(Sides { source, target });
    }
    let (source, target) = rayon::join(|| open(Side::Source), || open(Side::Target));
    Ok(Sides { source: source?, target: target? })
}

/// Lists the tables of a side.
fn offer(options: &AuditOptions, side: Side, session: &dyn Session) -> Result<Offer> {
    let capabilities = session.capabilities();
    if options.choices.conditions.get(side).is_some() && !capabilities.conditions {
        return Err(Error::new("files cannot be read by a condition")
            .at("--where")
            .hint("filter the other side alone with --source-where or --target-where"));
    }
    Ok(Offer { tables: session.tables()?, single: !capabilities.many_tables })
}

impl Observer for Progress {
    fn stage(&self, name: &'static str) {
        Progress::stage(self, name);
    }

    fn read(&self, rows: u64, bytes: u64) {
        self.add(rows, bytes);
    }
}
