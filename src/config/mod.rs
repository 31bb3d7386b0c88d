//! From what the user said to validated options. Nothing is opened before everything said is known to make sense.

pub mod cli;
mod conceal;
mod files;
mod location;

use std::path::PathBuf;

use glob::Pattern;

pub use conceal::conceal;
pub use location::Location;

use crate::audit::{Choices, KeyChoice, Limits, MethodChoice, Selection};
use crate::engines::OpenOptions;
use crate::error::{Error, Result};
use crate::sides::{Side, Sides};
use cli::{AuditArgs, DiffArgs, Format, MethodArg};

/// What is audited, and how.
#[derive(Debug)]
pub struct AuditOptions {
    /// Where the two sides are.
    pub locations: Sides<Location>,
    /// How they are opened.
    pub open: Sides<OpenOptions>,
    /// Which tables are held against each other.
    pub selection: Selection,
    /// What of them is compared.
    pub choices: Choices,
    /// What bounds the memory.
    pub limits: Limits,
    /// Threads that read and compare.
    pub jobs: usize,
}

/// What `tieout diff` does.
#[derive(Debug)]
pub struct DiffOptions {
    /// What is audited.
    pub audit: AuditOptions,
    /// The folder of the report; `None`: one named after the run.
    pub out: Option<PathBuf>,
    /// Whether a report in that folder is replaced.
    pub force: bool,
    /// How the result is printed; `None`: not at all.
    pub format: Option<Format>,
}

/// Validates the arguments of `tieout diff`.
///
/// # Errors
///
/// If a value makes no sense.
pub fn diff_options(args: DiffArgs) -> Result<DiffOptions> {
    let format = (!args.quiet).then_some(args.format);
    Ok(DiffOptions { audit: audit_options(args.audit)?, out: args.out, force: args.force, format })
}

/// Validates what `diff` and `plan` have in common.
///
/// # Errors
///
/// If a value makes no sense.
pub fn audit_options(args: AuditArgs) -> Result<AuditOptions> {
    let locations = Sides { source: args.source, target: args.target };
    let locations =
        locations.try_map(|side, text| Location::parse(&conceal::revealed(side, text)).map_err(|error| error.on(side)))?;
    let names = |names: Vec<String>, flag: &str| -> Result<Vec<String>> {
        let names: Vec<String> = names.into_iter().map(|name| name.trim().to_string()).collect();
        if names.iter().any(String::is_empty) { Err(Error::new("found an empty column name").at(flag)) } else { Ok(names) }
    };
    let key = match (args.no_key, names(args.key, "--key")?) {
        (true, _) => KeyChoice::None,
        (false, key) if key.is_empty() => KeyChoice::Declared,
        (false, key) => KeyChoice::Columns(key),
    };
    if let Some(folder) = args.temp_dir.as_ref().filter(|folder| !folder.is_dir()) {
        return Err(Error::new(format!("found no folder {}", folder.display())).at("--temp-dir"));
    }
    let selection = Selection {
        named: locations.as_ref().map(|location| location.table().map(str::to_string)),
        pairs: args.table.iter().map(|pair| table_pair(pair)).collect::<Result<_>>()?,
        exclude: args.exclude.iter().map(|text| pattern(text)).collect::<Result<_>>()?,
    };
    let conditions = Sides { source: args.source_where, target: args.target_where };
    let conditions = conditions.map(|condition| condition.or_else(|| args.r#where.clone()));
    let jobs = args.jobs.unwrap_or_else(|| default_jobs(&locations));
    let open = files::file_options(&args.files)?.map(|files| OpenOptions {
        files,
        connections: jobs,
        connect_timeout: args.connect_timeout,
        statement_timeout: args.statement_timeout,
        lock: args.lock,
    });
    Ok(AuditOptions {
        locations,
        open,
        selection,
        choices: Choices { key, columns: names(args.columns, "--columns")?, ignore: names(args.ignore, "--ignore")?, conditions },
        limits: Limits { window_bytes: args.memory, temp_dir: args.temp_dir, method: method(args.method), ..Limits::default() },
        jobs,
    })
}

fn method(arg: MethodArg) -> MethodChoice {
    match arg {
        MethodArg::Auto => MethodChoice::Auto,
        MethodArg::Stream => MethodChoice::Stream,
        MethodArg::Push => MethodChoice::Push,
    }
}

/// One thread for each core; with a server twice as many, for they wait for it, and at least four.
fn default_jobs(locations: &Sides<Location>) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let is_server = locations.source.is_server() || locations.target.is_server();
    if is_server { (2 * cores).clamp(4, 32) } else { cores }
}

/// `orders`, or `public.orders=Bestellungen`.
fn table_pair(text: &str) -> Result<(String, Option<String>)> {
    let (source, target) = match text.split_once('=') {
        Some((source, target)) => (source, Some(target)),
        None => (text, None),
    };
    if source.is_empty() || target == Some("") {
        return Err(Error::new(format!("found '{text}', expected a table, or SOURCE=TARGET")).at("--table"));
    }
    Ok((source.to_string(), target.map(str::to_string)))
}

fn pattern(text: &str) -> Result<Pattern> {
    Pattern::new(text).map_err(|error| Error::new(format!("found '{text}': {}", error.msg)).at("--exclude"))
}

impl AuditOptions {
    /// The location of a side, for messages.
    pub fn place(&self, side: Side) -> String {
        self.locations.get(side).to_string()
    }
}
