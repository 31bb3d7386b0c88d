//! The settings of a session, set and read back: what the server, the user's account or an `init_connect` has for
//! defaults must not change a verdict.

use mysql::Conn;
use mysql::prelude::Queryable;

use super::failure::failure;
use crate::engines::OpenOptions;
use crate::error::{Error, Result};

/// What the server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Flavour {
    /// MariaDB; else MySQL, or something that takes itself for it.
    pub(super) mariadb: bool,
    /// Major and minor version.
    pub(super) version: (u32, u32),
    /// `MariaDB 10.11.19`.
    pub(super) name: String,
}

/// The oldest versions whose sessions can be pinned.
const MYSQL_MIN: (u32, u32) = (5, 7);
const MARIADB_MIN: (u32, u32) = (10, 3);

impl Flavour {
    /// Asks the server.
    ///
    /// # Errors
    ///
    /// If it does not answer, or is too old.
    pub(super) fn of(conn: &mut Conn) -> Result<Self> {
        let version: Option<String> = conn.query_first("SELECT VERSION()").map_err(|error| failure("version", error))?;
        Flavour::parse(&version.unwrap_or_default())
    }

    fn parse(version: &str) -> Result<Self> {
        let mariadb = version.to_lowercase().contains("mariadb");
        let bare = version.split('-').find(|part| part.contains('.') && !part.starts_with("5.5.5")).unwrap_or(version);
        let mut numbers = bare.split('.').map(|number| number.parse().unwrap_or(0));
        let parsed = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        let name = format!("{} {bare}", if mariadb { "MariaDB" } else { "MySQL" });
        let min = if mariadb { MARIADB_MIN } else { MYSQL_MIN };
        if parsed < min {
            return Err(Error::new(format!("found {name}, expected version {}.{} or later", min.0, min.1)));
        }
        Ok(Flavour { mariadb, version: parsed, name })
    }
}

/// A setting: its name, what it is set to, and what it then reads as.
struct Setting {
    name: &'static str,
    value: String,
    reads: String,
}

/// What every session is set to.
fn settings(flavour: &Flavour, options: &OpenOptions) -> Vec<Setting> {
    let mut settings = Vec::new();
    let mut set =
        |name, value: &str, reads: &str| settings.push(Setting { name, value: value.to_string(), reads: reads.to_string() });
    // Zero dates are read, CHAR is not padded, and quotes mean what the statements here mean by them.
    set("sql_mode", "''", "");
    set("time_zone", "'+00:00'", "+00:00");
    // A result that ends early looks like the end of the table.
    set("sql_select_limit", "18446744073709551615", "18446744073709551615");
    set("sql_big_selects", "1", "1");
    set("max_join_size", "18446744073709551615", "18446744073709551615");
    set("sql_auto_is_null", "0", "0");
    set("net_write_timeout", "3600", "3600");
    set("wait_timeout", "86400", "86400");
    let timeout = options.statement_timeout.unwrap_or_default();
    if flavour.mariadb {
        set(
            "max_statement_time",
            &format!("{:.3}", timeout.as_secs_f64()),
            &format!("{:.6}", (timeout.as_secs_f64() * 1e3).round() / 1e3),
        );
        // Rows as they are now, not as they were.
        if flavour.version >= (10, 5) {
            set("system_versioning_asof", "DEFAULT", "DEFAULT");
        }
        set("idle_transaction_timeout", "0", "0");
        set("idle_readonly_transaction_timeout", "0", "0");
    } else {
        let milliseconds = timeout.as_millis().max(u128::from(!timeout.is_zero())).to_string();
        set("max_execution_time", &milliseconds, &milliseconds);
        if flavour.version >= (8, 0) {
            // Statistics as they are now, and no column that is hidden from the catalog.
            set("information_schema_stats_expiry", "0", "0");
        }
        if flavour.version >= (8, 4) {
            set("show_gipk_in_create_table_and_information_schema", "1", "1");
        }
    }
    settings
}

/// Pins a session: its settings, its character set, read-only and repeatable reads.
///
/// # Errors
///
/// If a setting cannot be made, or does not read as it was made.
pub(super) fn pin(conn: &mut Conn, flavour: &Flavour, options: &OpenOptions) -> Result<()> {
    let settings = settings(flavour, options);
    let mut run = |sql: String| conn.query_drop(sql).map_err(|error| failure("set the session's settings", error));
    run("SET NAMES utf8mb4 COLLATE utf8mb4_bin".to_string())?;
    let assignments: Vec<String> = settings.iter().map(|setting| format!("SESSION {} = {}", setting.name, setting.value)).collect();
    run(format!("SET {}", assignments.join(", ")))?;
    run("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY".to_string())?;

    // Old names, which MariaDB keeps and MySQL has dropped.
    let (isolation, read_only) =
        if flavour.mariadb { ("tx_isolation", "tx_read_only") } else { ("transaction_isolation", "transaction_read_only") };
    let mut expected: Vec<(&str, &str)> = settings.iter().map(|setting| (setting.name, setting.reads.as_str())).collect();
    expected.extend([
        ("character_set_client", "utf8mb4"),
        ("character_set_connection", "utf8mb4"),
        ("character_set_results", "utf8mb4"),
        ("collation_connection", "utf8mb4_bin"),
        (isolation, "REPEATABLE-READ"),
        (read_only, "1"),
    ]);
    // As text, whatever the type: the statement is no prepared one.
    let names: Vec<String> = expected.iter().map(|(name, _)| format!("@@SESSION.{name}")).collect();
    let row: Option<mysql::Row> =
        conn.query_first(format!("SELECT {}", names.join(", "))).map_err(|error| failure("read the session's settings", error))?;
    let found = row.map(mysql::Row::unwrap).unwrap_or_default();
    for (place, (name, expected)) in expected.into_iter().enumerate() {
        let found = match found.get(place) {
            Some(mysql::Value::Bytes(text)) => String::from_utf8_lossy(text).into_owned(),
            Some(mysql::Value::NULL) | None => "NULL".to_string(),
            Some(other) => other.as_sql(true),
        };
        if found != expected {
            return Err(Error::new(format!("setting {name}: found '{found}' after it was set, expected '{expected}'")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_told_apart() {
        let flavour = |text: &str| Flavour::parse(text).unwrap();
        assert_eq!(flavour("9.7.4-2"), Flavour { mariadb: false, version: (9, 7), name: "MySQL 9.7.4".into() });
        assert_eq!(flavour("8.0.36").version, (8, 0));
        let maria = Flavour { mariadb: true, version: (10, 11), name: "MariaDB 10.11.19".into() };
        assert_eq!(flavour("10.11.19-MariaDB-0+deb12u1-log"), maria);
        assert_eq!(flavour("5.5.5-10.11.19-MariaDB"), maria);
        assert!(Flavour::parse("5.6.51-log").unwrap_err().to_string().contains("expected version 5.7"));
        assert!(Flavour::parse("10.1.2-MariaDB").is_err());
    }
}
