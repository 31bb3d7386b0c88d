//! The service file: sections of connection parameters.
//!
//! <https://www.postgresql.org/docs/current/libpq-pgservice.html>.

use std::fs;
use std::path::PathBuf;

use super::parameters::Environment;
use crate::engines::address::Secret;
use crate::error::{Error, Result};

/// Where the system's service file lies if PGSYSCONFDIR does not say: Debian's folder.
const SYSTEM_FOLDER: &str = "/etc/postgresql-common";

/// The parameters of the service `name`, from the file given, else from the user's, else from the system's.
///
/// # Errors
///
/// If no file has the service, or a line of it is not understood.
pub fn look_up(name: &str, file: Option<&str>, environment: Environment<'_>) -> Result<Vec<(String, Secret)>> {
    let own = file.map(PathBuf::from).or_else(|| Some(PathBuf::from(environment("HOME")?).join(".pg_service.conf")));
    let system = PathBuf::from(environment("PGSYSCONFDIR").unwrap_or_else(|| SYSTEM_FOLDER.to_string())).join("pg_service.conf");
    for path in own.into_iter().chain([system]) {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        if let Some(found) = section(&text, name).map_err(|error| error.at(path.display().to_string()))? {
            return Ok(found);
        }
    }
    Err(Error::new(format!("found no service '{name}'")).hint("define it in ~/.pg_service.conf, or name its file in PGSERVICEFILE"))
}

fn section(text: &str, name: &str) -> Result<Option<Vec<(String, Secret)>>> {
    let mut found: Option<Vec<(String, Secret)>> = None;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(title) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            if found.is_some() {
                break;
            }
            found = (title == name).then(Vec::new);
        } else if let Some(parameters) = &mut found {
            let (key, value) = line
                .split_once('=')
                .ok_or_else(|| Error::new("found a line without '=', expected name=value").at(format!("line {}", number + 1)))?;
            parameters.push((key.trim().to_string(), Secret::new(value.trim())));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_its_section_and_no_other() {
        let text = "# all\n[one]\nhost=db1\n\n[shop]\nhost = db2\npassword=a=b\n[two]\nhost=db3\n";
        let shop = section(text, "shop").unwrap().unwrap();
        let shop: Vec<(&str, &str)> = shop.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
        assert_eq!(shop, [("host", "db2"), ("password", "a=b")]);
        assert!(section(text, "three").unwrap().is_none());
        assert!(section("[a]\nhost\n", "a").is_err());
    }
}
