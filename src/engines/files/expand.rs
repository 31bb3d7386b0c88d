//! From a location to the files that make one table: a path, a folder, or a glob.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The files of a location, ordered by path.
///
/// # Errors
///
/// If there are none, or a folder holds what is not read with it.
pub(super) fn expand(location: &str) -> Result<Vec<PathBuf>> {
    let path = Path::new(location);
    if path.is_dir() {
        return folder(path);
    }
    if path.exists() || !location.contains(['*', '?', '[']) {
        return if path.exists() { Ok(vec![path.to_path_buf()]) } else { Err(missing(path)) };
    }
    let matches = glob::glob(location).map_err(|error| Error::caused("not a glob", error).at(location))?;
    let mut files = Vec::new();
    for path in matches {
        let path = path.map_err(|error| Error::caused("cannot be listed", error).at(location))?;
        // What is neither, such as a dangling link, is an error when it is opened.
        if !path.is_dir() {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() { Err(Error::new("found no file that the glob matches").at(location)) } else { Ok(files) }
}

/// The files of a folder, but for hidden ones and markers such as `_SUCCESS`.
fn folder(path: &Path) -> Result<Vec<PathBuf>> {
    let place = path.display().to_string();
    let failed = |error: std::io::Error| Error::caused("cannot be listed", error).at(&place);
    let mut files = Vec::new();
    for entry in path.read_dir().map_err(failed)? {
        let entry = entry.map_err(failed)?.path();
        let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with(['.', '_']) {
            continue;
        }
        if entry.is_dir() {
            return Err(Error::new(format!("found a folder '{name}' in it, expected files only"))
                .at(place)
                .hint("name the files with a quoted glob, such as 'exports/**/*.parquet'"));
        }
        files.push(entry);
    }
    files.sort();
    if files.is_empty() { Err(Error::new("found no file in the folder").at(place)) } else { Ok(files) }
}

fn missing(path: &Path) -> Error {
    let error = Error::new("no such file or folder").at(path.display().to_string());
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let names: Vec<String> = parent
        .read_dir()
        .map(|entries| entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
        .unwrap_or_default();
    error.suggest(&name, names.iter().map(String::as_str))
}

/// What the table of a location is called: the name of its file without extensions, or of its folder.
pub(super) fn table_name(location: &str) -> String {
    let path = Path::new(location);
    let is_glob = !path.exists() && location.contains(['*', '?', '[']);
    let named = if is_glob { path.ancestors().find(|part| !part.to_string_lossy().contains(['*', '?', '['])) } else { Some(path) };
    let name = named.and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
    let stem = if path.is_dir() { &name } else { name.split('.').find(|part| !part.is_empty()).unwrap_or_default() };
    if stem.is_empty() { "table".to_string() } else { stem.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_a_folder_and_a_glob_are_one_table() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        for name in ["b.csv", "a.csv", "c.parquet", "_SUCCESS", ".hidden"] {
            std::fs::write(at(name), "x").unwrap();
        }
        let names = |location: &str| -> Vec<String> {
            expand(location).unwrap().iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
        };
        assert_eq!(names(&at("a.csv")), ["a.csv"]);
        assert_eq!(names(&folder.path().display().to_string()), ["a.csv", "b.csv", "c.parquet"]);
        assert_eq!(names(&at("*.csv")), ["a.csv", "b.csv"]);
        assert!(expand(&at("*.arrow")).is_err());
        assert_eq!(expand(&at("a.cvs")).unwrap_err().advice(), Some("did you mean 'a.csv'?"));
        std::fs::create_dir(at("sub")).unwrap();
        assert!(expand(&folder.path().display().to_string()).unwrap_err().to_string().contains("found a folder 'sub'"));
    }

    #[test]
    fn a_table_is_named_after_its_file_or_folder() {
        assert_eq!(table_name("exports/orders.csv.gz"), "orders");
        assert_eq!(table_name("exports/orders/*.csv"), "orders");
        assert_eq!(table_name("*.csv"), "table");
    }
}
