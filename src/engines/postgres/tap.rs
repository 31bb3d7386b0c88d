//! A tap on the line between driver and server: it takes the rows of a COPY out of what the server sends, and lets the
//! driver have the rest.
//!
//! The driver makes a message of each row, with a handle on the buffer that it lies in, and hands it through two
//! queues. That takes several times as long as all else that happens to a row. The tap takes the contents of such messages
//! (`CopyData`) as they come, one after the other: they are then the bytes that COPY wrote.
//!
//! ```text
//! byte tag, int32 bytes (these four included), contents    each message
//! ```
//!
//! <https://www.postgresql.org/docs/current/protocol-message-formats.html>.
//!
//! A tap lies on this side of TLS. So it is put up where the driver lets TLS be set up, and a connection without TLS is
//! one whose TLS is nothing.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::Socket;
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_util::either::Either;

/// Bytes of rows that wait to be taken before the server is made to wait.
const WAITING_BYTES: usize = 256 * 1024;
/// Bytes that are asked of the line at once.
const READ_BYTES: usize = 128 * 1024;
/// The tags of messages.
const COPY_DATA: u8 = b'd';
const COPY_OUT_RESPONSE: u8 = b'H';

/// The rows that a tap has taken.
#[derive(Debug, Default, Clone)]
pub struct Rows(Arc<Mutex<Taken>>);

#[derive(Debug, Default)]
struct Taken {
    bytes: Vec<u8>,
    /// Whether somebody will have what comes; if not it is dropped.
    wanted: bool,
    /// Who waits for rows.
    taker: Option<Waker>,
    /// Who waits for room.
    line: Option<Waker>,
}

impl Rows {
    /// Exchanges what has come for an empty buffer. If there is nothing, whoever polls in `context` is woken up when there is.
    pub fn exchange(&self, empty: &mut Vec<u8>, context: &Context<'_>) -> bool {
        let mut taken = self.lock();
        if taken.bytes.is_empty() {
            taken.taker = Some(context.waker().clone());
            return false;
        }
        std::mem::swap(&mut taken.bytes, empty);
        wake(&mut taken.line);
        true
    }

    /// Drops what has come, and what is still to come of the COPY.
    pub fn refuse(&self) {
        let mut taken = self.lock();
        taken.wanted = false;
        taken.bytes.clear();
        wake(&mut taken.line);
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wake(waiting: &mut Option<Waker>) {
    waiting.take().iter().for_each(Waker::wake_by_ref);
}

/// A line with a tap.
pub struct Tap<S> {
    line: S,
    rows: Rows,
    /// What was read of the line; what lies between `start` and `end` has gone nowhere yet.
    read: Box<[u8]>,
    start: usize,
    end: usize,
    /// What is still to come of a message, in bytes.
    rest: usize,
    /// Whether the message has rows.
    has_rows: bool,
}

impl<S> Tap<S> {
    fn new(line: S, rows: Rows) -> Self {
        Tap { line, rows, read: vec![0; READ_BYTES].into_boxed_slice(), start: 0, end: 0, rest: 0, has_rows: false }
    }

    /// Moves what was read to where it belongs: rows to `taken`, all else to `out`, as far as there is room.
    ///
    /// # Errors
    ///
    /// If it is no message.
    fn sort(&mut self, taken: &mut Taken, out: &mut ReadBuf<'_>) -> io::Result<()> {
        loop {
            let come = &self.read[self.start..self.end];
            if self.rest == 0 {
                let Some([tag, len @ ..]) = come.first_chunk::<5>() else { return Ok(()) };
                let Some(len) = (u32::from_be_bytes(*len) as usize).checked_sub(4) else {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "found a message without a length"));
                };
                self.has_rows = *tag == COPY_DATA;
                taken.wanted |= *tag == COPY_OUT_RESPONSE;
                // The head of a message goes where its contents go, but rows need none.
                (self.start, self.rest) = if self.has_rows { (self.start + 5, len) } else { (self.start, len + 5) };
                continue;
            }
            let room = if self.has_rows { usize::MAX } else { out.remaining() };
            let used = come.len().min(self.rest).min(room);
            match self.has_rows {
                true if taken.wanted => taken.bytes.extend_from_slice(&come[..used]),
                true => {}
                false => out.put_slice(&come[..used]),
            }
            (self.start, self.rest) = (self.start + used, self.rest - used);
            if used == 0 {
                return Ok(());
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tap<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let tap = self.get_mut();
        let (rows, filled) = (tap.rows.clone(), out.filled().len());
        loop {
            let mut taken = rows.lock();
            tap.sort(&mut taken, out)?;
            if !taken.bytes.is_empty() {
                wake(&mut taken.taker);
            }
            if out.filled().len() > filled || out.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            if taken.bytes.len() >= WAITING_BYTES {
                taken.line = Some(context.waker().clone());
                return Poll::Pending;
            }
            drop(taken);
            // Less than the head of a message, if anything.
            tap.read.copy_within(tap.start..tap.end, 0);
            (tap.start, tap.end) = (0, tap.end - tap.start);
            let mut more = ReadBuf::new(&mut tap.read[tap.end..]);
            ready!(Pin::new(&mut tap.line).poll_read(context, &mut more))?;
            match more.filled().len() {
                0 => return Poll::Ready(Ok(())),
                len => tap.end += len,
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tap<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.line).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.line).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.line).poll_shutdown(context)
    }
}

type TlsConnector = <MakeRustlsConnect as MakeTlsConnect<Socket>>::TlsConnect;
type Encrypted = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream;

impl TlsStream for Tap<Either<Encrypted, Socket>> {
    fn channel_binding(&self) -> ChannelBinding {
        match &self.line {
            Either::Left(encrypted) => encrypted.channel_binding(),
            Either::Right(_) => ChannelBinding::none(),
        }
    }
}

/// Puts up a tap on each connection that is made.
#[derive(Clone)]
pub struct Tapped {
    /// How TLS is set up; `None`: there will be none.
    pub tls: Option<MakeRustlsConnect>,
    /// Where the rows go.
    pub rows: Rows,
}

impl MakeTlsConnect<Socket> for Tapped {
    type Stream = Tap<Either<Encrypted, Socket>>;
    type TlsConnect = TappedOnce;
    type Error = io::Error;

    fn make_tls_connect(&mut self, host: &str) -> io::Result<TappedOnce> {
        let tls = self.tls.as_mut().map(|tls| MakeTlsConnect::<Socket>::make_tls_connect(tls, host)).transpose();
        Ok(TappedOnce { tls: tls.map_err(io::Error::other)?, rows: self.rows.clone() })
    }
}

/// Puts up a tap on a connection.
pub struct TappedOnce {
    tls: Option<TlsConnector>,
    rows: Rows,
}

impl TlsConnect<Socket> for TappedOnce {
    type Stream = Tap<Either<Encrypted, Socket>>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Stream>> + Send>>;

    fn connect(self, socket: Socket) -> Self::Future {
        Box::pin(async {
            let line = match self.tls {
                Some(tls) => Either::Left(tls.connect(socket).await.map_err(io::Error::other)?),
                None => Either::Right(socket),
            };
            Ok(Tap::new(line, self.rows))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line on which so many bytes come at a time.
    struct Slow<'a>(std::slice::Chunks<'a, u8>);

    impl AsyncRead for Slow<'_> {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            out.put_slice(self.0.next().unwrap_or_default());
            Poll::Ready(Ok(()))
        }
    }

    fn message(tag: u8, contents: &[u8]) -> Vec<u8> {
        [&[tag][..], &(contents.len() as u32 + 4).to_be_bytes(), contents].concat()
    }

    /// What a tap makes of `bytes` that come `size` at a time: what the driver reads, `room` at a time, and the rows.
    fn read(bytes: &[u8], size: usize, room: usize) -> io::Result<(Vec<u8>, Vec<u8>)> {
        let mut context = Context::from_waker(Waker::noop());
        let rows = Rows::default();
        let mut tap = Tap::new(Slow(bytes.chunks(size)), rows.clone());
        let (mut read, mut taken) = (Vec::new(), Vec::new());
        loop {
            let mut buffer = vec![0; room];
            let mut out = ReadBuf::new(&mut buffer);
            let polled = Pin::new(&mut tap).poll_read(&mut context, &mut out);
            read.extend_from_slice(out.filled());
            let mut more = Vec::new();
            let has_more = rows.exchange(&mut more, &context);
            taken.extend(more);
            match polled {
                Poll::Pending => assert!(has_more, "the line waits for nothing"),
                Poll::Ready(Ok(())) if out.filled().is_empty() => return Ok((read, taken)),
                Poll::Ready(result) => result?,
            }
        }
    }

    #[test]
    fn rows_go_one_way_and_all_else_the_other_however_the_bytes_come() {
        let before = [message(b'R', &[0; 4]), message(b'Z', b"I"), message(COPY_OUT_RESPONSE, &[1, 0, 0])].concat();
        let rows: Vec<Vec<u8>> = (0..300).map(|row: u16| row.to_be_bytes().repeat(usize::from(row % 7))).collect();
        let notice = message(b'N', b"in the middle");
        let mut middle: Vec<u8> = rows.iter().flat_map(|row| message(COPY_DATA, row)).collect();
        middle.splice(0..0, message(COPY_DATA, b""));
        let after = [message(b'c', b""), message(b'C', b"COPY 300"), message(b'Z', b"I")].concat();
        let all = [&before[..], &middle, &notice, &middle, &after].concat();
        let expected = ([before, notice, after].concat(), rows.concat().repeat(2));
        for (size, room) in [(1, 8), (2, 1), (3, 100), (5, 7), (7, 4096), (1000, 3), (READ_BYTES, 8192)] {
            assert!(read(&all, size, room).unwrap() == expected, "{size} {room}");
        }
    }

    #[test]
    fn a_server_that_is_faster_than_the_taker_waits() {
        let row = message(COPY_DATA, &[7; 100_000]);
        let all = [message(COPY_OUT_RESPONSE, b""), row.repeat(20), message(b'Z', b"I")].concat();
        let (driver, rows) = read(&all, READ_BYTES / 2, 8192).unwrap();
        assert_eq!((driver.len(), rows.len()), (5 + 6, 2_000_000));
    }

    #[test]
    fn what_nobody_wants_is_dropped_and_what_is_no_message_is_an_error() {
        let all = [message(COPY_DATA, b"left over"), message(b'E', b"cancelled"), message(b'Z', b"I")].concat();
        let (driver, rows) = read(&all, 4, 16).unwrap();
        assert_eq!((driver.len(), rows.len()), (14 + 6, 0));
        assert_eq!(read(b"d\0\0\0\x03", 5, 16).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
