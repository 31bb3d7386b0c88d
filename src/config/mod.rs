//! From what the user said to validated options. Nothing is opened before everything said is known to make sense.

pub mod cli;
mod files;
mod location;

use std::path::PathBuf;

pub use location::Location;

use crate::audit::{Choices, KeyChoice, Limits};
use crate::engines::files::FileOptions;
use crate::error::{Error, Result};
use crate::sides::{Side, Sides};
use cli::{AuditArgs, DiffArgs, Format};

/// What is audited, and how.
#[derive(Debug)]
pub struct AuditOptions {
    /// Where the two sides are.
    pub locations: Sides<Location>,
    /// How their files are read.
    pub files: Sides<FileOptions>,
    /// What is compared.
    pub choices: Choices,
    /// What bounds the memory.
    pub limits: Limits,
    /// Threads; `None`: one for each core.
    pub jobs: Option<usize>,
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
    let locations = locations.try_map(|side, text| Location::parse(&text).map_err(|error| error.on(side)))?;
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
    Ok(AuditOptions {
        locations,
        files: files::file_options(&args.files)?,
        choices: Choices { key, columns: names(args.columns, "--columns")?, ignore: names(args.ignore, "--ignore")? },
        limits: Limits { window_bytes: args.memory, temp_dir: args.temp_dir, ..Limits::default() },
        jobs: args.jobs,
    })
}

impl AuditOptions {
    /// The location of a side, for messages.
    pub fn place(&self, side: Side) -> String {
        self.locations.get(side).to_string()
    }
}
