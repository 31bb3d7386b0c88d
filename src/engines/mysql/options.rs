//! `~/.my.cnf`: where people keep the user and the password of a server.
//!
//! The format: <https://dev.mysql.com/doc/refman/9.4/en/option-files.html>. Only the groups that clients read count;
//! options that this program has no use for are for others and are passed over.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::engines::address::Secret;
use crate::error::{Error, Result};

/// The groups whose options are meant for this program as for any client.
const GROUPS: [&str; 3] = ["client", "client-mariadb", "mysql"];
/// How deep option files may include others.
const DEPTH_MAX: usize = 8;

/// Options by name, dashes for underscores; any of them may be a secret.
#[derive(Debug, Clone, Default)]
pub(super) struct OptionFile(HashMap<String, Secret>);

impl OptionFile {
    /// Reads the user's own option file, if there is one.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub(super) fn of_user() -> Result<Self> {
        let Some(home) = std::env::var_os("HOME") else { return Ok(OptionFile::default()) };
        OptionFile::read(&PathBuf::from(home).join(".my.cnf"))
    }

    /// Reads an option file and what it includes; one that does not exist, or that anybody may write, is passed
    /// over, as clients do.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let mut options = OptionFile::default();
        options.include(path, DEPTH_MAX)?;
        Ok(options)
    }

    /// The value of an option.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(Secret::expose)
    }

    fn include(&mut self, path: &Path, depth: usize) -> Result<()> {
        if !path.is_file() || anybody_may_write(path) {
            return Ok(());
        }
        let failed = |error: std::io::Error| Error::caused("cannot read the option file", error).at(path.display().to_string());
        let text = fs::read_to_string(path).map_err(failed)?;
        let mut read = false;
        for line in text.lines().map(str::trim) {
            if let Some(group) = line.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
                read = GROUPS.contains(&group.0.trim());
            } else if let Some(included) = line.strip_prefix("!includedir ") {
                self.include_folder(Path::new(included.trim()), depth)?;
            } else if let Some(included) = line.strip_prefix("!include ") {
                self.include_deeper(Path::new(included.trim()), depth)?;
            } else if read && !line.is_empty() && !line.starts_with(['#', ';']) {
                let (name, value) = line.split_once('=').map_or((line, ""), |(name, value)| (name.trim(), value.trim()));
                self.0.insert(name.to_lowercase().replace('_', "-"), Secret::new(unquoted(value)));
            }
        }
        Ok(())
    }

    fn include_folder(&mut self, folder: &Path, depth: usize) -> Result<()> {
        let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
        let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        files.retain(|file| file.extension().is_some_and(|extension| extension == "cnf"));
        files.sort();
        files.iter().try_for_each(|file| self.include_deeper(file, depth))
    }

    fn include_deeper(&mut self, path: &Path, depth: usize) -> Result<()> {
        match depth.checked_sub(1) {
            Some(depth) => self.include(path, depth),
            None => Err(Error::new(format!("found option files that include others more than {DEPTH_MAX} deep"))
                .at(path.display().to_string())),
        }
    }
}

fn anybody_may_write(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o002 != 0)
    }
    #[cfg(not(unix))]
    false
}

/// The value without its quotes, or without the comment behind it, and with its escapes resolved.
fn unquoted(value: &str) -> String {
    let quoted = ['"', '\''].into_iter().find_map(|quote| value.strip_prefix(quote)?.rsplit_once(quote));
    let body = match quoted {
        Some((body, _)) => body,
        None => value.split_once('#').map_or(value, |(value, _)| value.trim_end()),
    };
    let mut out = String::new();
    let mut signs = body.chars();
    while let Some(sign) = signs.next() {
        match (sign, signs.clone().next()) {
            ('\\', Some(escaped)) if "bntrs\\\"'".contains(escaped) => {
                signs.next();
                out.push(match escaped {
                    'b' => '\u{8}',
                    'n' => '\n',
                    't' => '\t',
                    'r' => '\r',
                    's' => ' ',
                    other => other,
                });
            }
            _ => out.push(sign),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_of_clients_count_and_later_ones_win() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::create_dir(path("d")).unwrap();
        fs::write(path("d/2.cnf"), "[client]\nport=3308\n").unwrap();
        fs::write(path("d/1.cnf"), "[client]\nport=3307\n").unwrap();
        fs::write(path("d/3.txt"), "[client]\nport=1\n").unwrap();
        fs::write(path("extra"), "[client-mariadb]\nssl_mode = VERIFY_CA\n").unwrap();
        let text = format!(
            "# c\n[mysqld]\nuser=server\n[client]\nuser = app # me\npassword=\"a#b\\\"c\\s\"\nhost='db 1'\nskip-ssl\n!include {}\n!includedir {}\n[other]\nuser=x\n",
            path("extra").display(),
            path("d").display()
        );
        fs::write(path("my.cnf"), text).unwrap();
        let options = OptionFile::read(&path("my.cnf")).unwrap();
        assert_eq!(options.get("user"), Some("app"));
        assert_eq!(options.get("password"), Some("a#b\"c "));
        assert_eq!(options.get("host"), Some("db 1"));
        assert_eq!(options.get("port"), Some("3308"));
        assert_eq!(options.get("ssl-mode"), Some("VERIFY_CA"));
        assert_eq!(options.get("skip-ssl"), Some(""));
        assert!(!format!("{options:?}").contains("a#b"));
    }

    #[test]
    fn a_file_that_includes_itself_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("my.cnf");
        fs::write(&path, format!("!include {}\n", path.display())).unwrap();
        assert!(OptionFile::read(&path).is_err());
        assert!(OptionFile::read(&dir.path().join("none")).unwrap().get("user").is_none());
    }
}
