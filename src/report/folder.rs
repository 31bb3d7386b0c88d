//! The folder of one run: absent until it is whole.

use std::collections::HashSet;
use std::fs::{self, Permissions};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::table::{TableOptions, TableReport};
use super::{json, ranges};
use crate::error::{Error, Result};
use crate::model::comparison::Pairing;
use crate::model::verdict::Summary;

/// The folder, within the one being written, of files that are not finished.
const PARTS: &str = "parts";
/// Longest name of a file, in bytes, before `.diff.parquet`; file systems allow 255 in all.
const NAME_BYTES_MAX: usize = 120;

/// A report being written. Dropped before it is finished, it leaves nothing behind.
#[derive(Debug)]
pub struct Report {
    /// Where the report will be.
    out: PathBuf,
    /// Where it is written: beside `out`, so that it is renamed and never copied.
    folder: TempDir,
    /// Whether a report at `out` is replaced.
    force: bool,
    /// Names of files, in lower case: some file systems ignore case.
    names: HashSet<String>,
    /// The files of the tables' ranges; those of unfinished tables do not exist.
    ranges: Vec<PathBuf>,
}

impl Report {
    /// Makes sure that a report can be written to `out`, before anything is read; makes its parent folders.
    ///
    /// # Errors
    ///
    /// If there is something at `out` and `force` is not set; with `force`, if that is neither a report nor an empty
    /// folder; or if nothing can be written beside `out`.
    pub fn create(out: &Path, force: bool) -> Result<Self> {
        let at = |error: Error| error.at(out.display().to_string());
        check_vacant(out, force)?;
        // A link to a report stays a link.
        let out =
            if out.exists() { fs::canonicalize(out).map_err(|e| at(Error::caused("cannot be found", e)))? } else { out.into() };
        let Some(name) = out.file_name() else {
            return Err(at(Error::new("found no name, expected that of a folder to write the report to")));
        };
        let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = make_folder(parent, &name.to_string_lossy())
            .map_err(|error| at(Error::caused("the report cannot be written", error).hint("choose another folder with --out")))?;
        Ok(Report { out, folder, force, names: HashSet::new(), ranges: Vec::new() })
    }

    /// Begins the report of one pair of tables. Several may be open at a time.
    ///
    /// # Errors
    ///
    /// If its files cannot be created.
    pub fn table(&mut self, pairing: &Pairing, options: TableOptions) -> Result<TableReport> {
        let name = self.unique_name(&pairing.tables.source);
        let ranges = self.folder.path().join(PARTS).join(format!("{}.ranges.parquet", self.ranges.len()));
        self.ranges.push(ranges.clone());
        TableReport::create(pairing, options, self.folder.path().join(format!("{name}.diff.parquet")), ranges)
    }

    /// Writes what is left and puts the report in its place; returns where it is.
    ///
    /// Tables that were begun and not finished are not in it.
    ///
    /// # Errors
    ///
    /// If it cannot be written. If it is written and only its place is taken, it stays where it is, and the error
    /// says where.
    pub fn finish(self, summary: &Summary) -> Result<PathBuf> {
        let folder = self.folder.path();
        let finished: Vec<PathBuf> = self.ranges.into_iter().filter(|path| path.exists()).collect();
        ranges::join(&finished, &folder.join("ranges.parquet"))?;
        let failed = |what: &str, error: io::Error, path: &Path| {
            Error::caused(what.to_string(), error).at(path.display().to_string()).incomplete()
        };
        fs::remove_dir_all(folder.join(PARTS)).map_err(|error| failed("cannot be removed", error, &folder.join(PARTS)))?;
        json::write(folder, summary)?;
        // From here on the report is whole and must not be lost.
        let folder = self.folder.keep();
        let kept = |error: Error| error.hint(format!("the report is whole in {}", folder.display())).incomplete();
        // Its own advice came too late: where the report is matters more now.
        check_vacant(&self.out, self.force).map_err(|error| kept(Error::new(error.to_string())))?;
        let replaced = folder.with_extension("old");
        let old = self.out.exists();
        if old {
            fs::rename(&self.out, &replaced).map_err(|error| kept(failed("cannot be moved aside", error, &self.out)))?;
        }
        if let Err(error) = fs::rename(&folder, &self.out) {
            let back = if old { fs::rename(&replaced, &self.out) } else { Ok(()) };
            let error = kept(failed("the report cannot be put in its place", error, &self.out));
            return Err(if back.is_err() { error.at(format!("old report in {}", replaced.display())) } else { error });
        }
        if old {
            fs::remove_dir_all(&replaced).map_err(|error| failed("the old report cannot be removed", error, &replaced))?;
        }
        Ok(self.out)
    }

    /// The name of a table's file: its own, with what file names cannot have replaced.
    fn unique_name(&mut self, table: &str) -> String {
        let mut name: String = table.chars().map(|c| if c.is_alphanumeric() || "._-".contains(c) { c } else { '_' }).collect();
        name.truncate(name.floor_char_boundary(NAME_BYTES_MAX));
        if name.is_empty() || name.starts_with(['.', '-']) {
            name.insert(0, '_');
        }
        let mut unique = name.clone();
        let mut count = 1;
        while !self.names.insert(unique.to_lowercase()) {
            count += 1;
            unique = format!("{name}-{count}");
        }
        unique
    }
}

/// Makes the folder in which a report is written, with the permissions that the user's new folders have.
fn make_folder(parent: &Path, name: &str) -> io::Result<TempDir> {
    fs::create_dir_all(parent)?;
    let prefix = format!(".{name}.");
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix(".tmp");
    #[cfg(unix)]
    let permissions: Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    #[cfg(unix)]
    builder.permissions(permissions);
    let folder = builder.tempdir_in(parent)?;
    fs::create_dir(folder.path().join(PARTS))?;
    Ok(folder)
}

/// Checks that a report may be put at `out`.
fn check_vacant(out: &Path, force: bool) -> Result<()> {
    let refuse = |found: &str, hint: &str| {
        let error = Error::new(format!("found {found}, expected a place for a new report"));
        Err(error.at(out.display().to_string()).hint(hint))
    };
    let another = "choose another folder with --out";
    match fs::symlink_metadata(out) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::caused("cannot be looked at", error).at(out.display().to_string())),
        Ok(_) if !out.is_dir() => refuse("a file", another),
        Ok(_) if json::is_report(out) => match force {
            true => Ok(()),
            false => refuse("a report", "replace it with --force, or choose another folder with --out"),
        },
        Ok(_) if fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_none()) => match force {
            true => Ok(()),
            false => refuse("an empty folder", "replace it with --force, or choose another folder with --out"),
        },
        Ok(_) => refuse("a folder that is not a report", another),
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{orders, random_findings, summary};
    use super::*;
    use crate::report::Sink;

    fn entries(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_report_is_absent_until_it_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("runs").join("1");
        let mut report = Report::create(&out, false).unwrap();
        let mut table = report.table(&orders(), TableOptions::default()).unwrap();
        table.findings(random_findings(0..10, 1)).unwrap();
        let files = table.finish().unwrap();
        // The same table again, and left unfinished.
        let unfinished = report.table(&orders(), TableOptions::default()).unwrap();
        drop(unfinished);
        assert!(!out.exists());
        assert_eq!(report.finish(&summary()).unwrap(), out);
        assert_eq!(entries(&out), [files.report.as_str(), "ranges.parquet", "summary.json"]);
        assert_eq!(json::read(&out).unwrap(), summary());
        assert_eq!(entries(&dir.path().join("runs")), ["1"]);
    }

    #[test]
    fn a_report_that_is_dropped_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut report = Report::create(&dir.path().join("out"), false).unwrap();
        let table = report.table(&orders(), TableOptions::default()).unwrap();
        drop((table, report));
        assert!(entries(dir.path()).is_empty());
    }

    #[test]
    fn only_reports_and_empty_folders_are_replaced_and_only_by_force() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        Report::create(&out, false).unwrap().finish(&summary()).unwrap();
        fs::write(out.join("old"), "").unwrap();
        let error = Report::create(&out, false).unwrap_err();
        assert!(error.advice().unwrap().contains("--force"), "{error:?}");
        assert_eq!(error.exit_code(), crate::error::EXIT_USAGE);
        let report = Report::create(&out, true).unwrap();
        assert!(out.join("old").exists());
        report.finish(&summary()).unwrap();
        assert!(!out.join("old").exists());
        assert_eq!(entries(dir.path()), ["out"]);

        let (empty, foreign, file) = (dir.path().join("empty"), dir.path().join("foreign"), dir.path().join("file"));
        fs::create_dir(&empty).unwrap();
        fs::create_dir(&foreign).unwrap();
        fs::write(foreign.join("summary.json"), "{\"name\": \"mine\"}").unwrap();
        fs::write(&file, "").unwrap();
        assert!(Report::create(&empty, false).is_err());
        Report::create(&empty, true).unwrap().finish(&summary()).unwrap();
        for path in [&foreign, &file] {
            let error = Report::create(path, true).unwrap_err();
            assert!(!error.advice().unwrap().contains("--force"), "{error:?}");
        }
        assert_eq!(entries(&foreign), ["summary.json"]);
        assert!(Report::create(&file.join("below"), false).is_err());
    }

    #[test]
    fn a_place_taken_in_the_meantime_costs_no_report() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        let report = Report::create(&out, false).unwrap();
        fs::create_dir(&out).unwrap();
        let error = report.finish(&summary()).unwrap_err();
        let kept = error.advice().unwrap().strip_prefix("the report is whole in ").map(PathBuf::from);
        assert_eq!(json::read(&kept.unwrap()).unwrap(), summary());
    }

    #[test]
    fn file_names_are_safe_and_unique() {
        let dir = tempfile::tempdir().unwrap();
        let mut report = Report::create(&dir.path().join("out"), false).unwrap();
        let long = "x".repeat(300);
        for (table, name) in [
            ("public.orders", "public.orders"),
            ("Public.Orders", "Public.Orders-2"),
            ("a/b\\c d'e", "a_b_c_d_e"),
            ("../up", "_.._up"),
            ("", "_"),
            ("größe", "größe"),
            (&long, &long[..NAME_BYTES_MAX]),
        ] {
            assert_eq!(report.unique_name(table), name);
        }
    }
}
