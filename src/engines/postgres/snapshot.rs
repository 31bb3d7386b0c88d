//! One view of the database for all connections: a connection exports its snapshot, the others begin with it.
//!
//! <https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-SNAPSHOT-SYNCHRONIZATION>; it works on a
//! standby as well.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::client::Client;
use super::connect::Connector;
use super::failure::{failure, field};
use super::settings;
use crate::error::{Error, Result};

/// The oldest version that is read: what came before is not maintained, and has other catalogs.
const VERSION_MIN: i32 = 120_000;

/// Connections in one read-only snapshot.
pub struct Snapshot {
    connector: Connector,
    statement_timeout: Option<Duration>,
    /// Keeps the snapshot alive, and does nothing else after the catalog was read: a statement that failed would end
    /// its transaction, and with it the snapshot.
    exporter: Mutex<Client>,
    /// `None`: the server does not export snapshots.
    id: Option<String>,
    idle: Mutex<Vec<Client>>,
    /// What the server is: `PostgreSQL 15.18`.
    pub version: String,
    /// The version as one number, `150018`.
    pub version_number: i32,
    /// Whether the server seems to run on this machine, and to share its processors with this program.
    pub is_local: bool,
    /// The place in the write-ahead log that had been reached just before the snapshot.
    pub position: Option<String>,
}

impl Snapshot {
    /// Connects and takes a snapshot.
    ///
    /// # Errors
    ///
    /// If the server cannot be reached, is too old, or cannot be set up.
    pub fn take(connector: Connector, statement_timeout: Option<Duration>) -> Result<Self> {
        let mut exporter = connector.connect()?;
        let (version, version_number) = version(&mut exporter)?;
        let is_local = is_local(&mut exporter);
        let position = position(&mut exporter);
        begin(&mut exporter, None, statement_timeout)?;
        let id = match exporter.query_one("select pg_export_snapshot()", &[]) {
            Ok(row) => Some(field(&row, 0)?),
            Err(_) => {
                exporter.batch_execute("rollback").map_err(|error| failure("end the transaction", &error))?;
                begin(&mut exporter, None, statement_timeout)?;
                None
            }
        };
        let (exporter, idle) = (Mutex::new(exporter), Mutex::default());
        Ok(Snapshot { connector, statement_timeout, exporter, id, idle, version, version_number, is_local, position })
    }

    /// Whether all connections see the same.
    pub fn is_common(&self) -> bool {
        self.id.is_some()
    }

    /// Runs `query` on the connection that holds the snapshot: for the catalog alone.
    ///
    /// # Errors
    ///
    /// Those of `query`.
    pub fn on_exporter<T>(&self, query: impl FnOnce(&mut Client) -> Result<T>) -> Result<T> {
        query(&mut self.exporter.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Runs `work` on a connection that nobody else uses. If that fails, the connection is closed, and what it was
    /// busy with is cancelled.
    ///
    /// There are as many connections as threads that work at the same time. Nobody waits for one: a thread that
    /// reads a part may be given another part to read before it goes on with the first.
    ///
    /// # Errors
    ///
    /// If no connection can be made, and those of `work`.
    pub fn with<T>(&self, work: impl FnOnce(&mut Client) -> Result<T>) -> Result<T> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut client = match idle {
            Some(client) => client,
            None => self.open()?,
        };
        let done = work(&mut client);
        match done {
            Ok(_) => self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(client),
            Err(_) => {
                if !client.is_closed() {
                    client.cancel();
                }
                drop(client);
            }
        }
        done
    }

    fn open(&self) -> Result<Client> {
        let mut client = self.connector.connect()?;
        begin(&mut client, self.id.as_deref(), self.statement_timeout)?;
        Ok(client)
    }
}

/// Begins the transaction that a connection stays in, in the snapshot `id` if there is one, and pins its settings.
fn begin(client: &mut Client, id: Option<&str>, statement_timeout: Option<Duration>) -> Result<()> {
    let snapshot = id.map_or_else(String::new, |id| format!("; set transaction snapshot {}", super::sql::literal(id)));
    client
        .batch_execute(&format!("begin isolation level repeatable read read only{snapshot}"))
        .map_err(|error| failure("begin a transaction in the snapshot", &error))?;
    settings::pin(client, statement_timeout)
}

fn version(client: &mut Client) -> Result<(String, i32)> {
    let query = "select pg_catalog.current_setting('server_version'), pg_catalog.current_setting('server_version_num')";
    let row = client.query_one(query, &[]).map_err(|error| failure("ask for the server's version", &error))?;
    let (version, number): (String, String) = (field(&row, 0)?, field(&row, 1)?);
    let number = number.parse().map_err(|error| Error::caused(format!("read the server's version '{number}'"), error))?;
    if number < VERSION_MIN {
        return Err(Error::new(format!("found PostgreSQL {version}, expected {} or newer", VERSION_MIN / 10_000)));
    }
    // Distributions add words of their own: "15.18 (Debian 15.18-0+deb12u1)".
    let short = version.split_whitespace().next().unwrap_or_default();
    Ok((format!("PostgreSQL {short}"), number))
}

/// Whether both ends of the connection have one address, or none, as a socket of this machine.
fn is_local(client: &mut Client) -> bool {
    let query = "select pg_catalog.inet_client_addr() is not distinct from pg_catalog.inet_server_addr()";
    client.query_one(query, &[]).is_ok_and(|row| row.try_get(0).is_ok_and(|is_local| is_local))
}

/// The place in the write-ahead log, where the server tells it.
fn position(client: &mut Client) -> Option<String> {
    let query = "select case when pg_catalog.pg_is_in_recovery() then pg_catalog.pg_last_wal_replay_lsn() \
                 else pg_catalog.pg_current_wal_lsn() end::pg_catalog.text";
    client.query_one(query, &[]).ok()?.try_get(0).ok()?
}
