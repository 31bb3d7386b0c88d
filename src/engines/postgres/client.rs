//! A connection for a thread that waits: the driver is asynchronous, this program is not.
//!
//! The crate `postgres` is the same thing, but wakes up once for each row of a COPY, which takes twice the time of
//! everything else that happens to the row. Here all rows that have come are taken at once; see also [`tap`](super::tap).

use std::future::poll_fn;
use std::io;
use std::ops::ControlFlow;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{Stream, TryStreamExt};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Config, CopyOutStream, Error, Row, SimpleQueryMessage, SimpleQueryRow};

use super::settings::Plans;
use super::tap::{Rows, Tapped};

/// Bytes of a COPY that are taken at once, where they come from the driver.
const TAKEN_BYTES: usize = 128 * 1024;
/// How long the server may take to be told that the connection ends.
const GOODBYE: Duration = Duration::from_secs(1);

/// A connection to a server.
pub struct Client {
    client: tokio_postgres::Client,
    /// How the line was set up: where the tap on it puts rows, if there is one.
    tapped: Tapped,
    /// How the server plans statements now.
    pub plans: Plans,
    // Behind the client, so that it is dropped after it: the connection then says goodbye and ends.
    link: Link,
}

/// What moves the bytes of a connection, while somebody waits for them.
struct Link {
    runtime: Runtime,
    connection: JoinHandle<()>,
}

impl Drop for Link {
    fn drop(&mut self) {
        let Link { runtime, connection } = self;
        // A server that does not answer sees the connection break.
        drop(runtime.block_on(async { tokio::time::timeout(GOODBYE, connection).await }));
    }
}

impl Client {
    /// Connects; what the server answers is the inner result.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::TimedOut`] if it answers nothing in time; others if the system has no means to wait.
    pub fn connect(config: &Config, tapped: Tapped, timeout: Duration) -> io::Result<Result<Self, Error>> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        match runtime.block_on(async { tokio::time::timeout(timeout, config.connect(tapped.clone())).await }) {
            Ok(Ok((client, connection))) => {
                // What ends the connection is told to whoever waits for an answer.
                let connection = runtime.spawn(async { drop(connection.await) });
                Ok(Ok(Client { client, tapped, plans: Plans::Usual, link: Link { runtime, connection } }))
            }
            Ok(Err(refused)) => Ok(Err(refused)),
            Err(elapsed) => {
                // Without waiting for a name that is still being looked up.
                runtime.shutdown_background();
                Err(elapsed.into())
            }
        }
    }

    /// Runs a statement and returns its rows.
    ///
    /// # Errors
    ///
    /// Those of the server, and of the connection.
    pub fn query(&mut self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Error> {
        self.link.runtime.block_on(self.client.query(sql, parameters))
    }

    /// Runs a statement and returns its only row.
    ///
    /// # Errors
    ///
    /// Those of [`Client::query`], and if there is not one row.
    pub fn query_one(&mut self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Row, Error> {
        self.link.runtime.block_on(self.client.query_one(sql, parameters))
    }

    /// Runs statements that have no rows.
    ///
    /// # Errors
    ///
    /// Those of the server, and of the connection.
    pub fn batch_execute(&mut self, sql: &str) -> Result<(), Error> {
        self.link.runtime.block_on(self.client.batch_execute(sql))
    }

    /// Runs statements in one exchange with the server, and returns the rows of all of them, their values as text.
    ///
    /// # Errors
    ///
    /// Those of the server, and of the connection.
    pub fn texts(&mut self, sql: &str) -> Result<Vec<SimpleQueryRow>, Error> {
        let mut rows = Vec::new();
        self.texts_one_by_one(sql, |row| {
            rows.push(row);
            ControlFlow::Continue(())
        })?;
        Ok(rows)
    }

    /// Runs statements like [`Client::texts`] and gives each row to `take` as it comes, until that breaks.
    ///
    /// # Errors
    ///
    /// Those of the server, and of the connection.
    pub fn texts_one_by_one(&mut self, sql: &str, mut take: impl FnMut(SimpleQueryRow) -> ControlFlow<()>) -> Result<(), Error> {
        self.link.runtime.block_on(async {
            let mut messages = pin!(self.client.simple_query_raw(sql).await?);
            while let Some(message) = messages.try_next().await? {
                if let SimpleQueryMessage::Row(row) = message
                    && take(row).is_break()
                {
                    break;
                }
            }
            Ok(())
        })
    }

    /// Begins to read what a `COPY ... TO STDOUT` writes.
    ///
    /// # Errors
    ///
    /// Those of the server, and of the connection.
    pub fn copy_out(&mut self, sql: &str) -> Result<CopyOut<'_>, Error> {
        let stream = self.link.runtime.block_on(self.client.copy_out(sql))?;
        let (runtime, rows) = (&self.link.runtime, &self.tapped.rows);
        Ok(CopyOut { runtime, stream: Box::pin(stream), rows, taken: Vec::new(), end: None })
    }

    /// Asks the server to end what the connection is busy with.
    pub fn cancel(&self) {
        let tls = Tapped { rows: Rows::default(), ..self.tapped.clone() };
        // It ends by itself otherwise, only later.
        drop(self.link.runtime.block_on(self.client.cancel_token().cancel_query(tls)));
    }

    /// Whether the connection has ended.
    pub fn is_closed(&self) -> bool {
        self.client.is_closed()
    }
}

/// The stream of a COPY.
pub struct CopyOut<'a> {
    runtime: &'a Runtime,
    /// What comes by the driver: the end, and the rows too if there is no tap.
    stream: Pin<Box<CopyOutStream>>,
    rows: &'a Rows,
    taken: Vec<u8>,
    /// How the stream ended.
    end: Option<Result<(), Error>>,
}

impl CopyOut<'_> {
    /// Waits for more of the stream, and returns all that has come; nothing: the stream is at its end.
    ///
    /// # Errors
    ///
    /// Those of the server, and of the connection.
    pub fn next(&mut self) -> Result<&[u8], Error> {
        let CopyOut { runtime, stream, rows, taken, end } = self;
        taken.clear();
        runtime.block_on(poll_fn(|context| more(stream.as_mut(), rows, taken, end, context)))?;
        Ok(&self.taken)
    }
}

fn more(
    mut stream: Pin<&mut CopyOutStream>,
    rows: &Rows,
    taken: &mut Vec<u8>,
    end: &mut Option<Result<(), Error>>,
    context: &mut Context<'_>,
) -> Poll<Result<(), Error>> {
    // Whatever the tap has taken came before the end.
    while !rows.exchange(taken, context) && taken.len() < TAKEN_BYTES && end.is_none() {
        match stream.as_mut().poll_next(context) {
            Poll::Ready(Some(Ok(bytes))) => taken.extend_from_slice(&bytes),
            Poll::Ready(Some(Err(error))) => *end = Some(Err(error)),
            Poll::Ready(None) => *end = Some(Ok(())),
            Poll::Pending if taken.is_empty() => return Poll::Pending,
            Poll::Pending => break,
        }
    }
    match end {
        Some(end) if taken.is_empty() => Poll::Ready(std::mem::replace(end, Ok(()))),
        _ => Poll::Ready(Ok(())),
    }
}

impl Drop for CopyOut<'_> {
    fn drop(&mut self) {
        self.rows.refuse();
    }
}
