//! A connection of the driver's, and the line that it is on, from which the rows of parts are read as they come.

use std::net::TcpStream;
use std::ops::{Deref, DerefMut};

use mysql::prelude::Queryable;
use mysql::{Binary, Conn, QueryResult};

use super::field::{Field, Row};
use super::wire::{Answer, Packets};

/// A connection; for all but the rows of parts it is the driver's.
pub(super) struct Connection {
    conn: Conn,
    /// The same line once more, unless what comes over it is encrypted. Between two commands nothing is under way on it, and
    /// the driver holds nothing back, so each command can be sent and answered on either.
    line: Option<Packets<TcpStream>>,
}

impl Connection {
    /// A connection that was just opened.
    pub(super) fn new(conn: Conn, encrypted: bool) -> Self {
        let line = if encrypted { None } else { duplicate(&conn).map(Packets::new) };
        Connection { conn, line }
    }

    /// Executes a statement and has `read` read its rows, or the first `wanted` values of each, to their end unless the connection is
    /// given up afterwards.
    ///
    /// # Errors
    ///
    /// If it cannot be prepared or executed, and those of `read`.
    pub(super) fn stream<T, E: From<mysql::Error>>(
        &mut self,
        statement: &str,
        wanted: usize,
        read: impl FnOnce(&mut Rows<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let prepared = self.conn.prep(statement)?;
        let rows = match &mut self.line {
            Some(line) => Answer::of(line, prepared.id(), &prepared.columns(), wanted).map(Rows::Line),
            None => self.conn.exec_iter(&prepared, ()).map(Rows::Driver),
        };
        let outcome = rows.map_err(E::from).and_then(|mut rows| read(&mut rows));
        // The driver would forget it, and the server would not: it keeps so many for all that are connected, and no more. There is no
        // answer; if the line is lost, whoever uses it next will see.
        let _closed = self.conn.close(prepared);
        outcome
    }
}

impl Deref for Connection {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        &self.conn
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut Conn {
        &mut self.conn
    }
}

/// The connection's socket as a stream of its own, of whatever family it is; with timeouts and all, which are the socket's.
#[cfg(unix)]
#[allow(unsafe_code)]
fn duplicate(conn: &Conn) -> Option<TcpStream> {
    use std::os::fd::{AsRawFd, BorrowedFd};
    // SAFETY: the descriptor is open for as long as the connection is, which is borrowed until it has been duplicated.
    let socket = unsafe { BorrowedFd::borrow_raw(conn.as_raw_fd()) };
    socket.try_clone_to_owned().ok().map(TcpStream::from)
}

#[cfg(not(unix))]
fn duplicate(_: &Conn) -> Option<TcpStream> {
    None
}

/// The rows of a statement, as they come.
pub(super) enum Rows<'a> {
    /// Read from the line itself.
    Line(Answer<'a, TcpStream>),
    /// Read by the driver, which decrypts them.
    Driver(QueryResult<'a, 'a, 'a, Binary>),
}

impl Rows<'_> {
    /// Reads on; whether the rows end, without an error, within this many.
    pub(super) fn end_within(&mut self, rows: usize) -> bool {
        for _ in 0..=rows {
            match self.next(|_| ()) {
                Ok(Some(())) => {}
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
        false
    }

    /// Gives the next row to `take` and returns what that makes of it; `None`: there is none left.
    ///
    /// # Errors
    ///
    /// If the server ends the statement, or the line is lost.
    #[inline]
    pub(super) fn next<T>(&mut self, take: impl FnOnce(Row<'_>) -> T) -> mysql::Result<Option<T>> {
        match self {
            Rows::Line(answer) => answer.next(take),
            Rows::Driver(result) => {
                let Some(row) = result.next().transpose()? else { return Ok(None) };
                let fields: Vec<Field<'_>> =
                    (0..row.len()).map(|place| row.as_ref(place).map_or(Field::Null, Field::from)).collect();
                Ok(Some(take(Row { fields: &fields, packet: None })))
            }
        }
    }
}
