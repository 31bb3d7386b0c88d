//! `tieout` answers one question about two copies of data: do they tie out?
//!
//! It is an auditor: it reads both sides, never writes to either, and never says "equal" unless it has read
//! everything it was asked to. The line that a table takes:
//!
//! ```text
//! config -> catalog -> plan -> fingerprint -> narrow -> compare -> report
//! ```
//!
//! [`config`] turns what the user said into options; [`audit`] is the line itself; [`engines`] are where rows come
//! from; [`report`] is where findings go; [`model`] is what values, rows, ranges and verdicts are. Imports point left
//! along `error, sides` - `model` - `engines, report` - `audit` - `config` - `lib, main`.

#![deny(missing_docs, unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::dbg_macro))]

pub mod audit;
pub mod config;
pub mod engines;
pub mod error;
pub mod model;
pub mod report;
pub mod sides;

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, SecondsFormat, Utc};
use clap::CommandFactory;

use audit::{Observer, Plan, Watch};
use config::cli::{Cli, Command, Format};
use config::{AuditOptions, DiffOptions};
use engines::Session;
use error::{Error, Result};
use model::digest::Digester;
use model::schema::Table;
use model::verdict::{SideSummary, Summary, TableSummary, Verdict};
use report::progress::Progress;
use report::show::{ShowOptions, show};
use report::terminal::{self, TerminalOptions};
use report::{Report, TableFiles, TableOptions};
use sides::Sides;

/// Does what the command line says and returns the exit code.
///
/// # Errors
///
/// If nothing could be audited, or the report could not be written.
pub fn run(cli: Cli) -> Result<u8> {
    match cli.command {
        Command::Diff(args) => diff(config::diff_options(args)?),
        Command::Plan(args) => print_plan(config::audit_options(args.audit)?, args.format),
        Command::Show(args) => show(
            &mut std::io::stdout().lock(),
            &ShowOptions {
                report: args.report,
                table: args.table,
                column: args.column,
                key: args.key,
                difference: args.difference,
                limit: args.limit,
                offset: args.offset as u64,
                terminal: TerminalOptions::detect(),
            },
        )
        .map(|()| 0),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "tieout", &mut script);
            print(&script)
        }
        Command::Man => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command())
                .render(&mut page)
                .map_err(|error| Error::caused("cannot write the page", error))?;
            print(&page)
        }
    }
}

/// Whether errors are to be printed as JSON.
pub fn prints_json(cli: &Cli) -> bool {
    match &cli.command {
        Command::Diff(args) => args.format == Format::Json,
        Command::Plan(args) => args.format == Format::Json,
        _ => false,
    }
}

/// Writes to stdout; a reader that has seen enough is no error.
fn print(bytes: &[u8]) -> Result<u8> {
    match std::io::stdout().lock().write_all(bytes) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Error::caused("cannot write to stdout", error)),
        _ => Ok(0),
    }
}

/// Audits two sides and reports what was found; the exit code is the verdict's.
fn diff(options: DiffOptions) -> Result<u8> {
    let started = Utc::now();
    let interrupted = stop_on_signal()?;
    use_threads(options.audit.jobs)?;
    let seed = random_seed()?;
    let run_id = format!("{}-{:04x}", started.format("%Y%m%dT%H%M%SZ"), seed >> 48);
    let out = options.out.unwrap_or_else(|| Path::new("tieout-report").join(&run_id));

    let sides = open(&options.audit)?;
    let plan = plan(&options.audit, &sides, Digester::with_seed(seed))?;
    let mut report = Report::create(&out, options.force)?;
    let mut table_report = report.table(&plan.pairing, TableOptions { domain: plan.domain, ..TableOptions::default() })?;

    let progress =
        Progress::new(options.format.is_some(), sides.tables.source.bytes.unwrap_or(0) + sides.tables.target.bytes.unwrap_or(0));
    let watch = Watch::new(&interrupted, &progress);
    let mut table = audit::audit_table(&plan, &sides.sessions, &watch, &mut table_report)?;
    progress.finish();

    let files = table_report.finish()?;
    table.report = files.report.clone();
    let summary = summarise(&options.audit, &sides, started, run_id, vec![table]);
    let out = report.finish(&summary)?;
    match options.format {
        None => {}
        Some(Format::Json) => print_json(&summary)?,
        Some(Format::Text) => print_text(&summary, &[files], &out)?,
    }
    Ok(summary.exit_code)
}

/// Both sides, opened and described.
struct Opened {
    sessions: Sides<Box<dyn Session>>,
    tables: Sides<Table>,
}

fn open(options: &AuditOptions) -> Result<Opened> {
    let sessions = options.locations.as_ref().zip(options.files.as_ref());
    let sessions =
        sessions.try_map(|side, (location, files)| engines::open(location.expose(), files).map_err(|error| error.on(side)))?;
    let tables = sessions.as_ref().try_map(|side, session| session.describe().map_err(|error| error.on(side)))?;
    Ok(Opened { sessions, tables })
}

fn plan(options: &AuditOptions, sides: &Opened, digester: Digester) -> Result<Plan> {
    let pairing = audit::pair(&sides.tables, &options.choices)?;
    audit::plan(pairing, &sides.tables, &sides.sessions, &options.limits, digester)
}

fn print_plan(options: AuditOptions, format: Format) -> Result<u8> {
    use_threads(options.jobs)?;
    let sides = open(&options)?;
    let plan = plan(&options, &sides, Digester::with_seed(0))?;
    let engines = sides.sessions.as_ref().map(|session| session.engine());
    let mut text = Vec::new();
    let outline = audit::outline(&plan, engines, &sides.tables);
    match format {
        Format::Json => report::json::print(&mut text, &outline),
        Format::Text => report::outline::print(&mut text, &outline, TerminalOptions::detect()),
    }
    .map_err(|error| Error::caused("cannot print the plan", error))?;
    print(&text)
}

fn summarise(options: &AuditOptions, sides: &Opened, started: DateTime<Utc>, run_id: String, tables: Vec<TableSummary>) -> Summary {
    let verdict = tables.iter().map(|table| table.verdict).max().unwrap_or(Verdict::Incomplete);
    let time = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Millis, true);
    let Sides { source, target } = Sides::from_fn(|side| SideSummary {
        location: options.place(side),
        engine: sides.sessions.get(side).engine(),
        position: None,
    });
    let (started_at, finished_at) = (time(started), time(Utc::now()));
    let version = env!("CARGO_PKG_VERSION").to_string();
    Summary { tieout: version, run_id, started_at, finished_at, verdict, exit_code: verdict.exit_code(), source, target, tables }
}

fn print_json(summary: &Summary) -> Result<()> {
    let mut text = Vec::new();
    report::json::print(&mut text, summary).map_err(|error| Error::caused("cannot print the summary", error))?;
    print(&text).map(|_| ())
}

fn print_text(summary: &Summary, files: &[TableFiles], out: &Path) -> Result<()> {
    let mut text = Vec::new();
    terminal::print(&mut text, summary, files, out, TerminalOptions::detect())
        .map_err(|error| Error::caused("cannot print the summary", error))?;
    print(&text).map(|_| ())
}

/// Sets a flag on SIGINT, SIGTERM and SIGHUP; at the second signal the program ends at once.
fn stop_on_signal() -> Result<Arc<AtomicBool>> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupted);
    let stop = move || {
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(i32::from(error::EXIT_INCOMPLETE));
        }
    };
    ctrlc::set_handler(stop).map_err(|error| Error::caused("cannot catch signals", error))?;
    Ok(interrupted)
}

fn use_threads(jobs: Option<usize>) -> Result<()> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(jobs.unwrap_or(0)).build_global();
    pool.map_err(|error| Error::caused("cannot start threads", error))
}

fn random_seed() -> Result<u64> {
    let mut seed = [0; 8];
    getrandom::fill(&mut seed).map_err(|error| Error::caused("cannot draw a seed for the digests", error))?;
    Ok(u64::from_ne_bytes(seed))
}

impl Observer for Progress {
    fn stage(&self, name: &'static str) {
        Progress::stage(self, name);
    }

    fn read(&self, rows: u64, bytes: u64) {
        self.add(rows, bytes);
    }
}
