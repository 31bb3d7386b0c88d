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
mod auditor;
pub mod config;
pub mod engines;
pub mod error;
pub mod model;
pub mod report;
mod scheduling;
pub mod sides;

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::Utc;
use clap::CommandFactory;

use auditor::Audit;
use config::cli::{Cli, Command, Format};
use config::{AuditOptions, DiffOptions};
use error::{Error, Result};
use model::digest::Digester;
use model::verdict::Summary;
use report::progress::Progress;
use report::show::{ShowOptions, show};
use report::terminal::{self, TerminalOptions};
use report::{Report, TableFiles};

/// Does what the command line says and returns the exit code.
///
/// # Errors
///
/// If nothing could be audited, or the report could not be written.
pub fn run(cli: Cli) -> Result<u8> {
    match cli.command {
        Command::Diff(args) => {
            scheduling::as_batch_work();
            diff(config::diff_options(args)?)
        }
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

/// Audits two sides, table by table, and reports what was found; the exit code is the worst verdict's.
fn diff(options: DiffOptions) -> Result<u8> {
    let started = Utc::now();
    let interrupted = stop_on_signal()?;
    use_threads(options.audit.jobs)?;
    let seed = random_seed()?;
    let run_id = format!("{}-{:04x}", started.format("%Y%m%dT%H%M%SZ"), seed >> 48);
    let out = options.out.unwrap_or_else(|| Path::new("tieout-report").join(&run_id));

    let audit = Audit::open(&options.audit, Digester::with_seed(seed))?;
    let mut report = Report::create(&out, options.force)?;
    let progress = Progress::new(options.format.is_some(), audit.size_bytes());
    let (mut tables, mut files) = (Vec::new(), Vec::new());
    for (pair, pairing) in &audit.pairs {
        let (table, written) = audit.table(pair, pairing, &mut report, &interrupted, &progress)?;
        tables.push(table);
        files.extend(written);
    }
    tables.extend(audit.alone.iter().map(|(side, table)| audit::alone(*side, table)));
    progress.finish();

    let summary = audit.summarise(&options.audit, started, run_id, tables);
    let out = report.finish(&summary)?;
    match options.format {
        None => {}
        Some(Format::Json) => print_json(&summary)?,
        Some(Format::Text) => print_text(&summary, &files, &out)?,
    }
    Ok(summary.exit_code)
}

/// Prints what an audit would do.
fn print_plan(options: AuditOptions, format: Format) -> Result<u8> {
    use_threads(options.jobs)?;
    let audit = Audit::open(&options, Digester::with_seed(0))?;
    let outlines = audit.outlines();
    let mut text = Vec::new();
    match format {
        Format::Json => report::json::print(&mut text, &outlines),
        Format::Text => report::outline::print(&mut text, &outlines, TerminalOptions::detect()),
    }
    .map_err(|error| Error::caused("cannot print the plan", error))?;
    print(&text)
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

fn use_threads(jobs: usize) -> Result<()> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(jobs).build_global();
    pool.map_err(|error| Error::caused("cannot start threads", error))
}

fn random_seed() -> Result<u64> {
    let mut seed = [0; 8];
    getrandom::fill(&mut seed).map_err(|error| Error::caused("cannot draw a seed for the digests", error))?;
    Ok(u64::from_ne_bytes(seed))
}
