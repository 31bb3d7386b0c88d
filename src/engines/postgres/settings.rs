//! The settings of a session: set and read back on each connection, so that a server's or a user's defaults never
//! change a verdict.

use std::time::Duration;

use super::client::Client;
use super::failure::{failure, field};
use crate::error::{Error, Result};

/// How long a statement waits for a lock that somebody else holds on a table.
const LOCK_TIMEOUT: Duration = Duration::from_secs(60);

/// What is pinned, and to what. Values are spelled as `pg_settings` spells them.
///
/// Those that a server does not know are left out, unless they are among [`REQUIRED`]: they came with some version
/// or went with one.
fn pinned(statement_timeout: Option<Duration>) -> Vec<(&'static str, String)> {
    let fixed = [
        // Casts, functions and operators are the real ones; all other names are written with their schema.
        ("search_path", "pg_catalog"),
        // How values are written as text.
        ("client_encoding", "UTF8"),
        ("TimeZone", "UTC"),
        ("DateStyle", "ISO, YMD"),
        ("IntervalStyle", "postgres"),
        ("extra_float_digits", "3"),
        ("bytea_output", "hex"),
        ("xmlbinary", "base64"),
        ("lc_monetary", "C"),
        ("lc_numeric", "C"),
        ("lc_time", "C"),
        ("quote_all_identifiers", "off"),
        // How literals and conditions are read.
        ("standard_conforming_strings", "on"),
        ("transform_null_equals", "off"),
        ("array_nulls", "on"),
        // Which rows are read: all of them, or an error.
        ("row_security", "off"),
        ("gin_fuzzy_search_limit", "0"),
        ("synchronize_seqscans", "off"),
        ("default_transaction_read_only", "on"),
        // How long things may take. The snapshot lasts as long as the audit.
        ("idle_in_transaction_session_timeout", "0"),
        ("transaction_timeout", "0"),
        // Compiling a statement pays off only for long ones, see [`Plans`].
        ("jit_above_cost", "-1"),
        ("jit_inline_above_cost", "-1"),
        ("jit_optimize_above_cost", "0"),
    ];
    let mut all: Vec<(&str, String)> = fixed.into_iter().map(|(name, value)| (name, value.to_string())).collect();
    all.push(("statement_timeout", statement_timeout.unwrap_or_default().as_millis().to_string()));
    all.push(("lock_timeout", LOCK_TIMEOUT.as_millis().to_string()));
    all
}

/// Those without which values could be read wrongly or rows go unseen.
const REQUIRED: [&str; 10] = [
    "search_path",
    "client_encoding",
    "TimeZone",
    "DateStyle",
    "IntervalStyle",
    "extra_float_digits",
    "bytea_output",
    "standard_conforming_strings",
    "row_security",
    "statement_timeout",
];

/// Pins the settings for the transaction that the connection is in, and reads them back.
///
/// For the transaction only, so that a connection pooler gets its connection back as it was.
///
/// # Errors
///
/// If the server refuses a setting, or has another value than it was told.
pub fn pin(client: &mut Client, statement_timeout: Option<Duration>) -> Result<()> {
    let pinned = pinned(statement_timeout);
    let (names, values): (Vec<&str>, Vec<&str>) = pinned.iter().map(|(name, value)| (*name, value.as_str())).unzip();
    client.batch_execute("set local search_path = pg_catalog").map_err(|error| failure("set the search path", &error))?;
    let set = "select set_config(s.name, p.value, true) from unnest($1::text[], $2::text[]) p(name, value) \
               join pg_settings s on lower(s.name) = lower(p.name)";
    client.query(set, &[&names, &values]).map_err(|error| failure("set the session's settings", &error))?;
    let read = "select name, setting from pg_settings where lower(name) in (select lower(n) from unnest($1::text[]) n)";
    let rows = client.query(read, &[&names]).map_err(|error| failure("read the session's settings back", &error))?;
    let found: Vec<(String, String)> = rows.iter().map(|row| Ok((field(row, 0)?, field(row, 1)?))).collect::<Result<_>>()?;
    for (name, value) in &pinned {
        match found.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)) {
            Some((_, setting)) if setting == value => {}
            Some((_, setting)) => {
                return Err(Error::new(format!("found {name} = '{setting}', expected '{value}' after setting it")));
            }
            None if REQUIRED.contains(name) => {
                return Err(Error::new(format!("found no setting {name}, expected the server to have it")));
            }
            None => {}
        }
    }
    let row = client
        .query_one("select current_setting('transaction_read_only'), current_setting('transaction_isolation')", &[])
        .map_err(|error| failure("read the transaction's settings back", &error))?;
    let transaction: (String, String) = (field(&row, 0)?, field(&row, 1)?);
    match (transaction.0.as_str(), transaction.1.as_str()) {
        ("on", "repeatable read") => Ok(()),
        (read_only, isolation) => Err(Error::new(format!(
            "found a transaction with read_only = {read_only} and isolation {isolation}, expected on and repeatable read"
        ))),
    }
}

/// How a server plans statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plans {
    /// As it thinks best, but not compiled.
    Usual,
    /// Compiled, by a server that can, and whose own `jit` is not off:
    /// <https://www.postgresql.org/docs/current/jit-decision.html>.
    Compiled,
    /// By an index, which it is known to have. How many keys lie between two of several columns it guesses column by column, and would read
    /// the whole table for a small part of it.
    ByIndex,
}

/// Has the statements that follow planned so.
///
/// # Errors
///
/// If the server does not answer.
pub fn plan(client: &mut Client, plans: Plans) -> Result<()> {
    if client.plans == plans {
        return Ok(());
    }
    let compiled_from = if plans == Plans::Compiled { "'0'" } else { "'-1'" };
    let (scans, workers) = if plans == Plans::ByIndex { ("'off'", "'0'") } else { ("s.reset_val", "s.reset_val") };
    let set = format!(
        "select set_config(s.name, case s.name when 'jit_above_cost' then {compiled_from} \
             when 'max_parallel_workers_per_gather' then {workers} else {scans} end, true) \
         from pg_settings s \
         where s.name in ('jit_above_cost', 'max_parallel_workers_per_gather', 'enable_seqscan', 'enable_bitmapscan')"
    );
    client.texts(&set).map_err(|error| failure("set how statements are planned", &error))?;
    client.plans = plans;
    Ok(())
}
