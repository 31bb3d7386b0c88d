//! `summary.json`: the run for machines.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::model::verdict::Summary;

/// The name of the file within a report.
pub const FILE: &str = "summary.json";

/// Writes the summary into the folder of a report.
///
/// # Errors
///
/// If it cannot be written.
pub fn write(folder: &Path, summary: &Summary) -> Result<()> {
    let path = folder.join(FILE);
    let written = || -> std::io::Result<()> {
        let mut out = BufWriter::new(File::create(&path)?);
        print(&mut out, summary)?;
        out.into_inner()?.sync_all()
    };
    written().map_err(|error| Error::caused("cannot be written", error).at(path.display().to_string()).incomplete())
}

/// Prints a summary or a plan as JSON.
///
/// # Errors
///
/// If `out` cannot be written to.
pub fn print(out: &mut impl Write, value: &impl Serialize) -> std::io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    out.write_all(b"\n")
}

/// Reads the summary of a finished report.
///
/// # Errors
///
/// If the folder is no report, or one of a version that this one cannot read.
pub fn read(folder: &Path) -> Result<Summary> {
    if !is_report(folder) {
        let found = if folder.is_dir() { "a folder without a summary.json of tieout" } else { "no folder" };
        let error = Error::new(format!("found {found}, expected a report")).at(folder.display().to_string());
        return Err(error.hint("name the folder that an audit wrote, as --out gave it"));
    }
    let path = folder.join(FILE);
    let text = fs::read(&path).map_err(|error| Error::caused("cannot be read", error).at(path.display().to_string()))?;
    serde_json::from_slice(&text)
        .map_err(|error| Error::caused("found a summary of another version of tieout", error).at(path.display().to_string()))
}

/// Whether the folder holds a report: a summary that says which tieout wrote it.
pub fn is_report(folder: &Path) -> bool {
    let Ok(text) = fs::read(folder.join(FILE)) else { return false };
    serde_json::from_slice::<serde_json::Value>(&text).is_ok_and(|json| json["tieout"].is_string())
}
