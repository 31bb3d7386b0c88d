//! Connections that all see one state of a database.
//!
//! SQLite has no way to hand a snapshot from one connection to another that needs no unsafe code, but it tells whether others have
//! committed: `PRAGMA data_version` gives a connection another number if so. A connection that gets one number before
//! the first connection begins its transaction, and the same number within its own, sees what the first one sees.
//! <https://www.sqlite.org/pragma.html#pragma_data_version>

use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, config::DbConfig};

use crate::engines::OpenOptions;
use crate::error::{Error, Result};

/// How often all connections begin anew because somebody committed while they began. After that, those that see
/// another state than the first are closed.
const ATTEMPTS: usize = 20;
/// How long connections beside the first wait for a lock. Without them it is slower, not wrong.
const OTHERS_TIMEOUT: Duration = Duration::from_millis(200);

/// Connections in one read transaction each, all of them in the same state of the database.
pub(super) struct Snapshot {
    idle: Mutex<Vec<Connection>>,
    returned: Condvar,
}

impl Snapshot {
    /// Opens up to as many connections as the options say, and at least one.
    ///
    /// # Errors
    ///
    /// If the first cannot be opened, or cannot read.
    pub(super) fn open(path: &Path, options: &OpenOptions) -> Result<Self> {
        let first = connect(path, options.connect_timeout)?;
        let mut others: Vec<Connection> = (1..options.connections).map_while(|_| connect(path, OTHERS_TIMEOUT).ok()).collect();
        for attempt in 1..=ATTEMPTS {
            let before: Vec<Option<i64>> = others.iter().map(data_version).collect();
            begin(&first)?;
            let begun = |connection: &Connection| begin(connection).ok().and_then(|()| data_version(connection));
            let after: Vec<Option<i64>> = others.iter().map(begun).collect();
            let same: Vec<bool> = before.iter().zip(&after).map(|(before, after)| before.is_some() && before == after).collect();
            if attempt == ATTEMPTS || same.iter().all(|same| *same) {
                let mut same = same.into_iter();
                others.retain(|_| same.next().unwrap_or(false));
                break;
            }
            for connection in std::iter::once(&first).chain(&others).filter(|connection| !connection.is_autocommit()) {
                connection.execute_batch("ROLLBACK").map_err(|error| failed("cannot begin anew", error))?;
            }
        }
        others.push(first);
        Ok(Snapshot { idle: Mutex::new(others), returned: Condvar::new() })
    }

    /// Gives `use_it` a connection, after waiting for one if all are taken.
    ///
    /// What is done with it does not wait for anything else, nor lets another task run on its thread: that might wait
    /// for the connection in turn.
    pub(super) fn with<R>(&self, use_it: impl FnOnce(&Connection) -> R) -> R {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let connection = loop {
            match idle.pop() {
                Some(connection) => break connection,
                None => idle = self.returned.wait(idle).unwrap_or_else(PoisonError::into_inner),
            }
        };
        drop(idle);
        let result = use_it(&connection);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        self.returned.notify_one();
        result
    }
}

/// Opens a connection that cannot write.
fn connect(path: &Path, timeout: Duration) -> Result<Connection> {
    // A name that begins with file: would be taken for a URI.
    let path = if path.is_absolute() { path.to_path_buf() } else { PathBuf::from(".").join(path) };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|error| failed("cannot open the database", error))?;
    let pin = || -> rusqlite::Result<bool> {
        connection.busy_timeout(timeout)?;
        // What a schema does when it is read is not trusted: views call no function that reaches outside the database.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        connection.pragma_update(None, "query_only", true)?;
        connection.pragma_query_value(None, "query_only", |row| row.get(0))
    };
    match pin() {
        Ok(true) => Ok(connection),
        Ok(false) => Err(Error::new("found query_only off, expected it to be on")),
        Err(error) => Err(failed("cannot read the database", error)),
    }
}

/// Begins a read transaction; it sees what is committed now, whatever is committed later.
fn begin(connection: &Connection) -> Result<()> {
    let begin = || {
        connection.execute_batch("BEGIN")?;
        // The transaction takes its state of the database with the first page that it reads.
        connection.query_row("SELECT count(*) FROM main.sqlite_schema", [], |row| row.get::<_, i64>(0))
    };
    begin().map(|_| ()).map_err(|error| failed("cannot read the database", error))
}

fn data_version(connection: &Connection) -> Option<i64> {
    connection.pragma_query_value(None, "data_version", |row| row.get(0)).ok()
}

/// An error of SQLite in doing `what`, with what can be done about it.
pub(super) fn failed(what: &str, error: rusqlite::Error) -> Error {
    let hint = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            Some("somebody else has locked the database: try again when they are done, or audit a copy")
        }
        Some(ErrorCode::NotADatabase) => Some("the file is none of SQLite's, or it is encrypted"),
        Some(ErrorCode::DatabaseCorrupt) => Some("let `sqlite3 FILE 'pragma integrity_check'` say what is broken"),
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly) => Some(
            "if a transaction was interrupted, open the database once with sqlite3; a database in WAL mode needs a folder that may be written to",
        ),
        _ => None,
    };
    let error = Error::caused(what, error);
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}
