//! `~/.pgpass`: lines of `host:port:database:user:password`.
//!
//! <https://www.postgresql.org/docs/current/libpq-pgpass.html>.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::engines::address::Secret;

/// The password of the first line that matches; `None` if there is no file or no such line.
///
/// # Errors
///
/// Why the file that is there was not looked at: others can read it, or it cannot be read.
pub fn look_up(file: &Path, host: &str, port: u16, database: &str, user: &str) -> Result<Option<Secret>, String> {
    let Ok(metadata) = fs::metadata(file) else { return Ok(None) };
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(format!("{} was passed over: found mode {mode:04o}, expected 0600", file.display()));
    }
    let text = fs::read_to_string(file).map_err(|error| format!("{} was passed over: {error}", file.display()))?;
    let port = port.to_string();
    Ok(text.lines().filter(|line| !line.starts_with('#')).find_map(|line| matched(line, &[host, &port, database, user])))
}

/// The last field of a line, if its other fields are those wanted or `*`.
fn matched(line: &str, wanted: &[&str]) -> Option<Secret> {
    let mut rest = line;
    for value in wanted {
        let (field, after) = take_field(rest);
        rest = after?;
        let is_any = line_begins_with_star(line, rest, &field);
        if !is_any && field != *value {
            return None;
        }
    }
    Some(Secret::new(take_field(rest).0))
}

/// Whether a field is a bare `*`; one written `\*` stands for itself.
fn line_begins_with_star(line: &str, rest: &str, field: &str) -> bool {
    let written = &line[..line.len() - rest.len()];
    field == "*" && !written.ends_with("\\*:")
}

/// A field without its escapes, and what follows its colon.
fn take_field(text: &str) -> (String, Option<&str>) {
    let mut field = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => field.extend(characters.next().map(|(_, escaped)| escaped)),
            ':' => return (field, Some(&text[at + 1..])),
            other => field.push(other),
        }
    }
    (field, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_matches_counts_and_escapes_are_undone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pgpass");
        fs::write(&file, "# a comment\ndb1:5432:shop:app:one\n*:*:shop:app:t\\:w\\\\o\nx\ndb\\:2:*:*:*:three\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let find = |host, port, database, user| {
            look_up(&file, host, port, database, user).unwrap().map(|found| found.expose().to_string())
        };
        assert_eq!(find("db1", 5432, "shop", "app").as_deref(), Some("one"));
        assert_eq!(find("db1", 5433, "shop", "app").as_deref(), Some("t:w\\o"));
        assert_eq!(find("db:2", 1, "a", "b").as_deref(), Some("three"));
        assert_eq!(find("db1", 5432, "shop", "other"), None);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(look_up(&file, "db1", 5432, "shop", "app").unwrap_err().contains("0640"));
        assert_eq!(look_up(&folder.path().join("none"), "db1", 5432, "shop", "app"), Ok(None));
    }
}
