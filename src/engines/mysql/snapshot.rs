//! One snapshot for all connections of a session.
//!
//! A server that has no way to share a snapshot opens one for each connection; all of them see the same rows if
//! nothing was committed while they were opened. MariaDB tells the place in the binary log at which each snapshot
//! was taken. MySQL only tells how far it has come, and tells it a moment after a transaction has become visible: so
//! its position is read before the snapshots are opened, after, and once more a little later. A server without a binary log
//! tells how far its redo log has come, which every transaction that changes something is in before it is visible.
//!
//! Where no position can be had, or the server never holds still, one connection reads alone: it is consistent by
//! itself. Who may lock the server, and wants to, needs neither: nothing is committed while the lock is held.

use std::thread::sleep;
use std::time::Duration;

use mysql::prelude::Queryable;
use mysql::{Conn, Row};

use super::connect::Server;
use super::connection::Connection;
use super::failure::{code, failure};
use super::settings::{Flavour, pin};
use crate::error::{Error, Result};

/// How often opening the snapshots is tried.
const TRIES_MAX: usize = 30;
/// The error code of a statement that the user has no privilege for.
const MAY_NOT: u16 = 1227;
/// The error code of a lock that was waited for in vain.
const LOCK_TIMED_OUT: u16 = 1205;
/// How long a transaction may take from being visible to being in the position.
const SETTLING: Duration = Duration::from_millis(20);

/// The connections of a session.
pub(super) struct Opened {
    pub(super) flavour: Flavour,
    pub(super) connections: Vec<Connection>,
    /// Where in the server's history they are.
    pub(super) position: Option<String>,
    /// What is not as good as was asked for.
    pub(super) note: Option<String>,
}

/// Opens all connections of a session in one snapshot.
///
/// # Errors
///
/// If the server cannot be reached, or a connection cannot be set up.
pub(super) fn open(server: &Server) -> Result<Opened> {
    server.probe()?;
    let mut first = server.connect()?;
    let placed = |error: Error| error.at(server.place.as_str());
    let flavour = Flavour::of(&mut first).map_err(placed)?;
    pin(&mut first, &flavour, &server.options).map_err(placed)?;
    let positions = Positions::of(&mut first, &flavour).map_err(placed)?;
    let mut connections = vec![first];
    if positions.is_some() || server.options.lock {
        for _ in 1..server.options.connections {
            let mut conn = server.connect()?;
            pin(&mut conn, &flavour, &server.options).map_err(placed)?;
            connections.push(conn);
        }
    }
    if server.options.lock {
        let lock = Lock::take(server)?;
        connections.iter_mut().try_for_each(|conn| start(conn)).map_err(placed)?;
        let position = positions.map(|positions| positions.now(&mut connections)).transpose().map_err(placed)?;
        lock.release().map_err(placed)?;
        return Ok(Opened { flavour, connections, position, note: None });
    }
    let Some(positions) = positions else {
        start(&mut connections[0]).map_err(placed)?;
        let note = (server.options.connections > 1).then(|| {
            "read over one connection: the server gives no position to check several snapshots against (GTIDs, the privilege REPLICATION CLIENT, or --lock would do)"
                .to_string()
        });
        return Ok(Opened { flavour, connections, position: None, note });
    };
    for _ in 0..TRIES_MAX {
        if let Some(position) = positions.try_all(&mut connections).map_err(placed)? {
            return Ok(Opened { flavour, connections, position: Some(position), note: None });
        }
    }
    connections.truncate(1);
    let position = positions.alone(&mut connections[0]).map_err(placed)?;
    let note = Some(
        "read over one connection: the server never held still long enough for several snapshots of one moment (--lock makes it)"
            .to_string(),
    );
    Ok(Opened { flavour, connections, position, note })
}

/// Takes a snapshot for a connection, in place of the one that it has.
fn start(conn: &mut Conn) -> Result<()> {
    conn.query_drop("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY").map_err(|error| failure("take a snapshot", error))
}

/// A server that nobody writes to: a connection of its own holds the lock, and loses it at the latest when it closes.
struct Lock(Connection);

impl Lock {
    /// Waits for the statements that are under way, for as long as connecting may take: whoever comes later waits too.
    ///
    /// # Errors
    ///
    /// If the user may not lock, or something holds out longer.
    fn take(server: &Server) -> Result<Self> {
        let mut conn = server.connect()?;
        let seconds = server.options.connect_timeout.as_secs().max(1);
        let locked = conn
            .query_drop(format!("SET SESSION lock_wait_timeout = {seconds}"))
            .and_then(|()| conn.query_drop("FLUSH TABLES WITH READ LOCK"));
        match locked {
            Ok(()) => Ok(Lock(conn)),
            Err(error) => {
                let number = code(&error);
                let error = failure("--lock", error).at(server.place.as_str());
                Err(match number {
                    Some(MAY_NOT) => error.hint("grant the user RELOAD, or audit without --lock"),
                    Some(LOCK_TIMED_OUT) => {
                        error.hint("a long statement or transaction is under way: wait for it, or audit without --lock")
                    }
                    _ => error,
                })
            }
        }
    }

    fn release(mut self) -> Result<()> {
        self.0.query_drop("UNLOCK TABLES").map_err(|error| failure("--lock", error))
    }
}

/// How a server tells where it is.
enum Positions {
    /// Each session tells the place in the binary log of its own snapshot (MariaDB, Percona Server).
    OfSnapshot,
    /// The set of transactions that were executed.
    Gtids,
    /// The end of the binary log, by this statement.
    LogEnd(&'static str),
    /// The end of InnoDB's redo log, by this variable: it moves with every change, and not when rows are read.
    RedoEnd(&'static str),
}

/// The end of InnoDB's redo log, in MariaDB and in MySQL.
const REDO_ENDS: [&str; 2] = ["Innodb_lsn_current", "Innodb_redo_log_current_lsn"];

impl Positions {
    /// The way to learn positions on this server and with the privileges of this user.
    fn of(conn: &mut Conn, flavour: &Flavour) -> Result<Option<Self>> {
        match Positions::of_binary_log(conn, flavour)? {
            None => Positions::of_redo_log(conn),
            positions => Ok(positions),
        }
    }

    fn of_redo_log(conn: &mut Conn) -> Result<Option<Self>> {
        let asked = |error| failure("ask for the position", error);
        // What other engines with snapshots change is not in it.
        let others = "SELECT COUNT(*) FROM information_schema.ENGINES WHERE TRANSACTIONS = 'YES' \
                      AND SUPPORT IN ('YES', 'DEFAULT') AND ENGINE NOT IN ('InnoDB', 'SEQUENCE', 'SPIDER')";
        if conn.query_first::<u64, _>(others).map_err(asked)? != Some(0) {
            return Ok(None);
        }
        for variable in REDO_ENDS {
            if redo_end(conn, variable)?.is_some() {
                return Ok(Some(Positions::RedoEnd(variable)));
            }
        }
        Ok(None)
    }

    fn of_binary_log(conn: &mut Conn, flavour: &Flavour) -> Result<Option<Self>> {
        let asked = |error| failure("ask for the position", error);
        // What a replica applies must be in its own log, or its position stands still while the rows change.
        if flavour.mariadb {
            let log: Option<(bool, bool)> =
                conn.query_first("SELECT @@log_bin, @@log_slave_updates OR @@GLOBAL.gtid_slave_pos = ''").map_err(asked)?;
            return Ok((log == Some((true, true))).then_some(Positions::OfSnapshot));
        }
        let snapshot: Vec<(String, String)> = conn.query("SHOW STATUS LIKE 'binlog_snapshot_file'").map_err(asked)?;
        if snapshot.iter().any(|(_, file)| !file.is_empty()) {
            return Ok(Some(Positions::OfSnapshot));
        }
        let gtids: Option<String> = conn.query_first("SELECT @@GLOBAL.gtid_mode").map_err(asked)?;
        if gtids.is_some_and(|mode| mode == "ON") {
            return Ok(Some(Positions::Gtids));
        }
        let updates = if flavour.version >= (8, 4) { "log_replica_updates" } else { "log_slave_updates" };
        let log: Option<(bool, bool)> = conn.query_first(format!("SELECT @@log_bin, @@{updates}")).map_err(asked)?;
        let statement = if flavour.version >= (8, 4) { "SHOW BINARY LOG STATUS" } else { "SHOW MASTER STATUS" };
        let may = log == Some((true, true)) && conn.query_first::<Row, _>(statement).is_ok_and(|row| row.is_some());
        Ok(may.then_some(Positions::LogEnd(statement)))
    }

    /// Takes a snapshot on all connections; `None` if they may not be of one moment.
    fn try_all(&self, connections: &mut [Connection]) -> Result<Option<String>> {
        let before = self.now(connections)?;
        if let Positions::LogEnd(_) | Positions::RedoEnd(_) = self {
            // A transaction is in the log before it is visible.
            sleep(SETTLING);
        }
        for conn in connections.iter_mut() {
            start(conn)?;
        }
        if connections.len() == 1 {
            return self.now(connections).map(Some);
        }
        if let Positions::Gtids = self {
            // A transaction is visible before it is in the set.
            sleep(SETTLING);
        }
        Ok(match self {
            Positions::OfSnapshot => {
                let positions = connections.iter_mut().map(|conn| of_snapshot(conn)).collect::<Result<Vec<_>>>()?;
                positions.windows(2).all(|pair| pair[0] == pair[1]).then(|| positions[0].clone())
            }
            _ => Some(self.now(connections)?).filter(|after| *after == before),
        })
    }

    /// Takes a snapshot on one connection, which needs no other to agree; its position is only known where the
    /// snapshot itself tells it.
    fn alone(&self, conn: &mut Conn) -> Result<Option<String>> {
        start(conn)?;
        match self {
            Positions::OfSnapshot => of_snapshot(conn).map(Some),
            _ => Ok(None),
        }
    }

    /// How far the server has come.
    fn now(&self, connections: &mut [Connection]) -> Result<String> {
        let Some(conn) = connections.first_mut() else { return Ok(String::new()) };
        let asked = |error| failure("ask for the position", error);
        match self {
            Positions::OfSnapshot => of_snapshot(conn),
            Positions::Gtids => {
                let set: Option<String> = conn.query_first("SELECT @@GLOBAL.gtid_executed").map_err(asked)?;
                Ok(set.unwrap_or_default().replace('\n', ""))
            }
            Positions::LogEnd(statement) => {
                let row: Option<Row> = conn.query_first(*statement).map_err(asked)?;
                let row = row.ok_or_else(|| Error::new("found no binary log any more"))?;
                let text = |place: usize| row.get::<String, _>(place).unwrap_or_default();
                Ok(format!("{}:{}", text(0), text(1)))
            }
            Positions::RedoEnd(variable) => {
                let end = redo_end(conn, variable)?.ok_or_else(|| Error::new("found no redo log any more"))?;
                Ok(format!("redo log {end}"))
            }
        }
    }
}

/// How far InnoDB's redo log has come, in bytes.
fn redo_end(conn: &mut Conn, variable: &str) -> Result<Option<u64>> {
    let row: Option<(String, u64)> = conn
        .query_first(format!("SHOW GLOBAL STATUS LIKE '{variable}'"))
        .map_err(|error| failure("ask for the position", error))?;
    Ok(row.map(|(_, end)| end))
}

/// The place in the binary log of a connection's snapshot.
fn of_snapshot(conn: &mut Conn) -> Result<String> {
    let rows: Vec<(String, String)> =
        conn.query("SHOW STATUS LIKE 'binlog_snapshot_%'").map_err(|error| failure("ask for the position", error))?;
    let value = |end: &str| rows.iter().find(|(name, _)| name.to_lowercase().ends_with(end)).map_or("", |(_, value)| value);
    match value("_file") {
        "" => Err(Error::new("found no position of the snapshot, expected one in the binary log")),
        file => Ok(format!("{file}:{}", value("_position"))),
    }
}
