//! The connections of a session: opened together, in one snapshot, lent to one thread at a time.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

use mysql::prelude::Queryable;

use super::connect::Server;
use super::connection::Connection;
use crate::error::{Error, Result};

/// Connections that see the same rows. None can be added later: it would see others.
pub(super) struct Pool {
    server: Server,
    state: Mutex<State>,
    returned: Condvar,
}

struct State {
    free: Vec<Connection>,
    /// Connections that are open, lent ones included.
    open: usize,
    /// The threads that have one.
    holders: Vec<ThreadId>,
}

impl Pool {
    /// Lends these connections from now on.
    pub(super) fn new(server: Server, connections: Vec<Connection>) -> Self {
        let state = State { open: connections.len(), free: connections, holders: Vec::new() };
        Pool { server, state: Mutex::new(state), returned: Condvar::new() }
    }

    /// How messages call the server.
    pub(super) fn place(&self) -> &str {
        &self.server.place
    }

    /// Lends a connection; waits until one is free.
    ///
    /// # Errors
    ///
    /// If none is left, or the thread would wait for a connection while it has one: threads that wait for each other
    /// would wait for ever.
    pub(super) fn lend(&self) -> Result<Lease<'_>> {
        let holder = thread::current().id();
        let mut state = self.state();
        loop {
            if let Some(conn) = state.free.pop() {
                state.holders.push(holder);
                return Ok(Lease { pool: self, conn: Some(conn), holder });
            }
            if state.open == 0 {
                return Err(Error::new("found no connection left, all were lost").at(self.place()));
            }
            if state.holders.contains(&holder) {
                return Err(Error::new(format!("found all {} connections in use", state.open))
                    .at(self.place())
                    .hint("audit with fewer threads (--jobs)"));
            }
            state = self.returned.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a lent connection back; `None`: it was closed.
    fn take_back(&self, conn: Option<Connection>, holder: ThreadId) {
        let mut state = self.state();
        if let Some(place) = state.holders.iter().position(|other| *other == holder) {
            state.holders.swap_remove(place);
        }
        match conn {
            Some(conn) => state.free.push(conn),
            None => state.open -= 1,
        }
        drop(state);
        self.returned.notify_all();
    }

    /// Ends the statement that a connection is busy with, and the connection: the server would otherwise send all of
    /// its rows. A user may always end what is his own.
    pub(super) fn end(&self, connection: u32) {
        if let Ok(mut conn) = self.server.connect() {
            // A connection that has ended by itself cannot be ended again, which is as good.
            let _ended = conn.query_drop(format!("KILL CONNECTION {connection}"));
        }
    }
}

/// A connection that is lent to one thread. It goes back when it is dropped, unless it was given up.
pub(super) struct Lease<'a> {
    pool: &'a Pool,
    conn: Option<Connection>,
    holder: ThreadId,
}

impl Lease<'_> {
    /// Closes the connection: it is in an unknown state.
    pub(super) fn give_up(mut self) {
        self.conn = None;
    }

    /// The connection.
    ///
    /// # Errors
    ///
    /// None, unless it was given up, which takes the lease along.
    pub(super) fn conn(&mut self) -> Result<&mut Connection> {
        self.conn.as_mut().ok_or_else(|| Error::new("found no connection left"))
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        self.pool.take_back(self.conn.take(), self.holder);
    }
}
