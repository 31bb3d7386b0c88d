//! The rows of a prepared statement, read from the line itself: blocks of it at once, and each value where it lies.
//!
//! The driver allocates each row, each packet and each text, and that takes a third of an audit's time. So the rows of parts are
//! read here; for everything else there is the driver, whose errors these are too.
//!
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_packets.html>

use std::io::{self, ErrorKind, Read, Write};

use mysql::{Column, MySqlError};

use super::connect::PACKET_BYTES_MAX;
use super::field::{Field, Layout, Row, take_length, take_row};

/// Bytes that are asked for at once: more than a server sends at once, which is 16 KiB, and few enough for the processor's cache.
const BLOCK_BYTES: usize = 128 << 10;
/// Bytes of a row at most, with the headers of its packets.
const ROW_BYTES_MAX: usize = PACKET_BYTES_MAX + (4 << 10);
/// Bytes of a packet's payload at which it goes on in the next packet.
const PAYLOAD_BYTES_MAX: usize = 0xFF_FFFF;
/// Three bytes of length and one of sequence.
const HEADER_BYTES: usize = 4;
/// Executes a prepared statement.
const COM_STMT_EXECUTE: u8 = 0x17;
/// What an answer's first byte says: that it is an error.
const ERROR: u8 = 0xFF;
/// The same: that the definitions, or the rows, have ended. Rows themselves begin with a zero.
const END: u8 = 0xFE;
/// The length of the packet that ends definitions. Where both sides have agreed to do without it, the packet that ends the
/// rows has at least seven bytes.
const DEFINITIONS_END_BYTES: usize = 5;

/// A line over which packets come and go.
pub(super) struct Packets<S> {
    line: S,
    /// Received bytes are those from `start` to `end`.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// The number that the next packet must have.
    sequence: u8,
}

impl<S: Read + Write> Packets<S> {
    /// Nothing may be under way on the line.
    pub(super) fn new(line: S) -> Self {
        Packets { line, buffer: Vec::new(), start: 0, end: 0, sequence: 0 }
    }

    /// Sends a short command, which begins an exchange.
    fn send(&mut self, command: &[u8]) -> io::Result<()> {
        if self.start < self.end {
            return Err(unexpected("bytes that answer nothing"));
        }
        (self.start, self.end) = (0, 0);
        // What one large row took is not kept.
        self.buffer.truncate(BLOCK_BYTES);
        self.buffer.shrink_to(BLOCK_BYTES);
        let header = (command.len() as u32).to_le_bytes();
        self.sequence = 1;
        self.line.write_all(&[&header, command].concat())
    }

    /// The payload of the next packet, which all packets that it goes on in are joined to.
    #[inline]
    fn next(&mut self) -> io::Result<&[u8]> {
        let mut last_bytes = self.receive(0)?;
        let (mut payload_bytes, mut received_bytes) = (last_bytes, HEADER_BYTES + last_bytes);
        while last_bytes == PAYLOAD_BYTES_MAX {
            last_bytes = self.receive(received_bytes)?;
            let last = self.start + received_bytes + HEADER_BYTES;
            self.buffer.copy_within(last..last + last_bytes, self.start + HEADER_BYTES + payload_bytes);
            payload_bytes += last_bytes;
            received_bytes += HEADER_BYTES + last_bytes;
        }
        let payload = self.start + HEADER_BYTES;
        self.start += received_bytes;
        Ok(&self.buffer[payload..payload + payload_bytes])
    }

    /// The same, unless it is an error of the server's, which ends the exchange.
    #[inline]
    fn next_of_answer(&mut self) -> mysql::Result<&[u8]> {
        let packet = self.next()?;
        if packet.first() == Some(&ERROR) { Err(refusal(packet)) } else { Ok(packet) }
    }

    /// Sees to it that the packet which begins `at` bytes behind the start is there as a whole; returns how long its payload is.
    #[inline]
    fn receive(&mut self, at: usize) -> io::Result<usize> {
        self.fill(at + HEADER_BYTES)?;
        let header = self.start + at;
        let [low, middle, high, sequence] = [0, 1, 2, 3].map(|place| self.buffer[header + place]);
        if sequence != self.sequence {
            return Err(unexpected(&format!("packet {sequence}, expected packet {}", self.sequence)));
        }
        self.sequence = self.sequence.wrapping_add(1);
        let payload_bytes = u32::from_le_bytes([low, middle, high, 0]) as usize;
        let bytes = at + HEADER_BYTES + payload_bytes;
        if bytes > ROW_BYTES_MAX {
            return Err(unexpected("a row of more than 1 GiB"));
        }
        self.fill(bytes)?;
        Ok(payload_bytes)
    }

    /// Sees to it that this many bytes are there.
    #[inline]
    fn fill(&mut self, bytes: usize) -> io::Result<()> {
        if self.end - self.start < bytes { self.fill_from_line(bytes) } else { Ok(()) }
    }

    #[cold]
    fn fill_from_line(&mut self, bytes: usize) -> io::Result<()> {
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        if self.buffer.len() < bytes {
            self.buffer.resize(bytes.max(2 * self.buffer.len()).max(BLOCK_BYTES), 0);
        }
        while self.end < bytes {
            match self.line.read(&mut self.buffer[self.end..]) {
                Ok(0) => return Err(io::Error::new(ErrorKind::UnexpectedEof, "server disconnected")),
                Ok(read) => self.end += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn unexpected(found: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("found {found}"))
}

/// The rows that a statement answers with.
pub(super) struct Answer<'a, S> {
    packets: &'a mut Packets<S>,
    layouts: Vec<Layout>,
    progress: Progress,
    /// How many values of a row are wanted.
    wanted: usize,
    /// Memory for them.
    fields: Vec<Field<'static>>,
}

/// How far an answer has been read.
#[derive(Debug, PartialEq, Eq)]
enum Progress {
    /// The definitions of its columns, but perhaps for what ends them.
    Definitions,
    Rows,
    End,
}

impl<'a, S: Read + Write> Answer<'a, S> {
    /// Executes a statement that has no parameters, was prepared on this line, and has these columns by what was said then; of
    /// its rows the first `wanted` values are.
    ///
    /// # Errors
    ///
    /// If the server refuses, the line is lost, or what comes over it is no rows.
    pub(super) fn of(packets: &'a mut Packets<S>, statement: u32, prepared: &[Column], wanted: usize) -> mysql::Result<Self> {
        let [a, b, c, d] = statement.to_le_bytes();
        // No cursor, and once.
        packets.send(&[COM_STMT_EXECUTE, a, b, c, d, 0, 1, 0, 0, 0])?;
        let mut head = packets.next_of_answer()?;
        let columns = take_length(&mut head).filter(|columns| *columns > 0).ok_or_else(|| unexpected("an answer without rows"))?;
        // MariaDB sends no definitions that it has sent before, and says so where that was agreed on.
        let layouts: Option<Vec<Layout>> = if head.first() == Some(&0) {
            prepared.iter().map(Layout::of).collect()
        } else {
            let definitions = (0..columns).map(|_| packets.next_of_answer().map(Layout::of_definition));
            definitions.collect::<mysql::Result<_>>()?
        };
        let layouts =
            layouts.filter(|layouts| layouts.len() as u64 == columns).ok_or_else(|| unexpected("columns of other types"))?;
        Ok(Answer { packets, wanted, fields: Vec::with_capacity(layouts.len()), layouts, progress: Progress::Definitions })
    }

    /// Gives the next row to `take` and returns what that makes of it; `None`: there is none left. After an error none may be asked for.
    ///
    /// # Errors
    ///
    /// If the server ends the statement, the line is lost, or what comes over it is no row.
    #[inline]
    pub(super) fn next<T>(&mut self, take: impl FnOnce(Row<'_>) -> T) -> mysql::Result<Option<T>> {
        if self.progress == Progress::End {
            return Ok(None);
        }
        let mut packet = self.packets.next_of_answer()?;
        if self.progress == Progress::Definitions {
            self.progress = Progress::Rows;
            if packet.first() == Some(&END) && packet.len() == DEFINITIONS_END_BYTES {
                packet = self.packets.next_of_answer()?;
            }
        }
        let mut fields = recycled(std::mem::take(&mut self.fields));
        match packet.first() {
            Some(0) if take_row(packet, &self.layouts, self.wanted, &mut fields).is_some() => {
                let taken = take(Row { fields: &fields, packet: Some((packet, &self.layouts)) });
                self.fields = recycled(fields);
                Ok(Some(taken))
            }
            Some(&END) => {
                self.progress = Progress::End;
                Ok(None)
            }
            _ => Err(unexpected("a row of another form").into()),
        }
    }
}

/// The same memory for values that live elsewhere: what is collected from a vector of the same size stays in it.
#[inline]
fn recycled<'b>(mut fields: Vec<Field<'_>>) -> Vec<Field<'b>> {
    fields.clear();
    fields.into_iter().map(|_| Field::Null).collect()
}

/// The error that a packet tells of.
fn refusal(packet: &[u8]) -> mysql::Error {
    let Some(([_, low, high], told)) = packet.split_first_chunk() else {
        return unexpected("an error without a code").into();
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    // A server that is about to close the connection may leave out the state.
    let (state, message) = match told.split_at_checked(6) {
        Some(([b'#', state @ ..], message)) => (state, message),
        _ => (&b"HY000"[..], told),
    };
    mysql::Error::MySqlError(MySqlError { state: text(state), message: text(message), code: u16::from_le_bytes([*low, *high]) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that has an answer to each command, and is heard a few bytes at a time.
    struct Script {
        answers: Vec<Vec<u8>>,
        heard: usize,
        at_once: usize,
        commands: Vec<Vec<u8>>,
    }

    impl Read for Script {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            // Every other call is interrupted.
            self.at_once ^= 1 << 63;
            if self.at_once >> 63 == 1 {
                return Err(ErrorKind::Interrupted.into());
            }
            let left = &self.answers[self.commands.len() - 1][self.heard..];
            let bytes = self.at_once.min(buffer.len()).min(left.len());
            buffer[..bytes].copy_from_slice(&left[..bytes]);
            self.heard += bytes;
            Ok(bytes)
        }
    }

    impl Write for Script {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.commands.push(bytes.to_vec());
            self.heard = 0;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// An integer and a text.
    const DEFINITIONS: [&[u8]; 2] = [
        b"\x03def\x01d\x01t\x01t\x02id\x02id\x0c\x3f\0\x0b\0\0\0\x03\x03\x42\0\0\0",
        b"\x03def\x01d\x01t\x01t\x01v\x01v\x0c\x2d\0\xfc\x03\0\0\xfd\0\0\0\0\0",
    ];
    const EOF: &[u8] = &[END, 0, 0, 0x22, 0];
    /// The end of the rows where definitions do not end by a packet of their own.
    const OK: &[u8] = &[END, 0, 0, 0x22, 0, 0, 0];
    const SERVER_ERROR: &[u8] = b"\xff\x69\x05#70100Query execution was interrupted";

    fn row(id: i32, text: Option<&[u8]>) -> Vec<u8> {
        let Some(text) = text else { return [&[0, 0b1000], &id.to_le_bytes()[..]].concat() };
        [&[0, 0], &id.to_le_bytes()[..], &[0xFE], &(text.len() as u64).to_le_bytes(), text].concat()
    }

    /// Payloads as the packets that they are sent in.
    fn packets<P: AsRef<[u8]>>(payloads: impl IntoIterator<Item = P>) -> Vec<u8> {
        let (mut sent, mut sequence) = (Vec::new(), 1u8);
        for payload in payloads {
            let mut parts: Vec<&[u8]> = payload.as_ref().chunks(PAYLOAD_BYTES_MAX).collect();
            if parts.last().is_none_or(|last| last.len() == PAYLOAD_BYTES_MAX) {
                parts.push(&[]);
            }
            for part in parts {
                sent.extend_from_slice(&(part.len() as u32 | u32::from(sequence) << 24).to_le_bytes());
                sent.extend_from_slice(part);
                sequence = sequence.wrapping_add(1);
            }
        }
        sent
    }

    fn line(answers: Vec<Vec<u8>>, at_once: usize) -> Packets<Script> {
        Packets::new(Script { answers, heard: 0, at_once, commands: Vec::new() })
    }

    fn script(answer: Vec<u8>, at_once: usize) -> Packets<Script> {
        line(vec![answer], at_once)
    }

    type Rows = Vec<(i64, Option<Vec<u8>>)>;

    /// The rows of an answer, and how it ended.
    fn rows_of(packets: &mut Packets<Script>) -> (Rows, mysql::Result<()>) {
        let mut rows = Vec::new();
        let mut read = || -> mysql::Result<()> {
            let mut answer = Answer::of(packets, 7, &[], usize::MAX)?;
            while let Some(row) = answer.next(|row| match row.fields {
                [Field::Int(id), Field::Bytes(text)] => (*id, Some(text.to_vec())),
                [Field::Int(id), Field::Null] => (*id, None),
                other => panic!("{other:?}"),
            })? {
                rows.push(row);
            }
            assert!(answer.next(|_| ())?.is_none(), "what has ended goes on");
            Ok(())
        };
        let end = read();
        (rows, end)
    }

    /// An answer with these rows, whose definitions end by a packet of their own, or do not.
    fn answer<'a>(ended: bool, rows: &'a [Vec<u8>], last: &'a [u8]) -> Vec<&'a [u8]> {
        let mut payloads: Vec<&[u8]> = vec![&[2], DEFINITIONS[0], DEFINITIONS[1]];
        payloads.extend(ended.then_some(EOF));
        payloads.extend(rows.iter().map(Vec::as_slice));
        payloads.push(last);
        payloads
    }

    #[test]
    fn rows_are_the_same_wherever_the_line_cuts_them() {
        let rows: Vec<Vec<u8>> = (0..300).map(|id| row(id, (id % 3 > 0).then_some(&b"some text"[..id as usize % 9]))).collect();
        for (ended, last) in [(true, EOF), (false, OK)] {
            let sent = packets(answer(ended, &rows, last));
            let (expected, end) = rows_of(&mut script(sent.clone(), 1 << 20));
            end.unwrap();
            assert_eq!(expected.len(), 300);
            assert_eq!(expected[1], (1, Some(b"s".to_vec())));
            assert_eq!(expected[3], (3, None));
            for at_once in (1..70).chain([sent.len() - 1]) {
                let (found, end) = rows_of(&mut script(sent.clone(), at_once));
                end.unwrap();
                assert_eq!(found, expected, "{at_once} bytes at once");
            }
            // And wherever it breaks.
            for bytes in (0..sent.len()).step_by(7).chain([sent.len() - 1]) {
                let (found, end) = rows_of(&mut script(sent[..bytes].to_vec(), 1 << 20));
                assert!(matches!(end, Err(mysql::Error::IoError(_))), "{bytes} bytes");
                assert_eq!(found, expected[..found.len()]);
            }
        }
    }

    #[test]
    fn one_command_after_the_other_is_executed_and_none_has_rows_of_another() {
        let none = packets(answer(true, &[], EOF));
        let mut empty = line(vec![none.clone(), packets(answer(false, &[], OK)), none], 40);
        for _ in 0..3 {
            let (rows, end) = rows_of(&mut empty);
            end.unwrap();
            assert!(rows.is_empty());
        }
        let execute = vec![10, 0, 0, 0, COM_STMT_EXECUTE, 7, 0, 0, 0, 0, 1, 0, 0, 0];
        assert_eq!(empty.line.commands, [execute.clone(), execute.clone(), execute]);
        let mut talkative = script([packets(answer(true, &[], EOF)), vec![1]].concat(), 1 << 20);
        rows_of(&mut talkative).1.unwrap();
        assert!(rows_of(&mut talkative).1.unwrap_err().to_string().contains("bytes that answer nothing"));
    }

    #[test]
    fn rows_beyond_sixteen_mebibytes_are_joined() {
        // Those that fill their last packet to the last byte are followed by an empty one.
        let head = row(0, Some(&[])).len();
        for bytes in [1, 2].map(|packets| packets * PAYLOAD_BYTES_MAX - head).into_iter().chain([20 << 20]) {
            let text: Vec<u8> = (0..bytes).map(|place| (place % 251) as u8).collect();
            let rows = [row(1, Some(b"before")), row(2, Some(&text)), row(3, Some(b"behind"))];
            let mut line = line(vec![packets(answer(true, &rows, EOF)), packets(answer(true, &rows[..1], EOF))], 1 << 20);
            let (found, end) = rows_of(&mut line);
            end.unwrap();
            assert_eq!(found.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [1, 2, 3]);
            assert!(found[1].1.as_deref() == Some(&text), "{bytes} bytes");
            assert_eq!(found[2].1.as_deref(), Some(&b"behind"[..]));
            assert!(line.buffer.capacity() > bytes);
            // The memory is given back, and the line is as good as before.
            assert_eq!(rows_of(&mut line).0.len(), 1);
            assert!(line.buffer.capacity() <= 2 * BLOCK_BYTES);
        }
    }

    #[test]
    fn an_error_of_the_server_ends_the_statement_and_not_the_line() {
        let refused = |outcome: mysql::Result<()>| match outcome.unwrap_err() {
            mysql::Error::MySqlError(error) => (error.code, error.state, error.message),
            other => panic!("{other}"),
        };
        let told = (1385, "70100".to_string(), "Query execution was interrupted".to_string());
        let rows = [row(1, None), row(2, None)];
        let answers = vec![
            packets([SERVER_ERROR]),
            packets(answer(true, &rows, SERVER_ERROR)),
            packets(answer(false, &[], SERVER_ERROR)),
            packets([&[2], DEFINITIONS[0], SERVER_ERROR]),
            packets([b"\xff\x69\x05gone"]),
            packets(answer(true, &rows, EOF)),
        ];
        let mut line = line(answers, 1 << 20);
        for found in [0, 2, 0, 0] {
            let (rows, end) = rows_of(&mut line);
            assert_eq!((rows.len(), refused(end)), (found, told.clone()));
        }
        assert_eq!(refused(rows_of(&mut line).1), (1385, "HY000".to_string(), "gone".to_string()));
        assert_eq!(rows_of(&mut line).0.len(), 2);
    }

    #[test]
    fn definitions_that_were_sent_before_are_not_needed() {
        let of = |definition: &[u8]| Layout::of_definition(definition).unwrap();
        assert_eq!(DEFINITIONS.map(of), [Layout::Int32, Layout::Bytes]);
        let known = [mysql::consts::ColumnType::MYSQL_TYPE_LONG, mysql::consts::ColumnType::MYSQL_TYPE_VAR_STRING].map(Column::new);
        for (last, payloads) in [(EOF, vec![&[2, 0][..], EOF]), (OK, vec![&[2, 0][..]])] {
            let rows = [row(5, Some(b"five"))];
            let sent = packets(payloads.into_iter().chain([rows[0].as_slice(), last]));
            let mut line = script(sent.clone(), 1 << 20);
            let mut answer = Answer::of(&mut line, 7, &known, usize::MAX).unwrap();
            let id = answer.next(|row| row.fields[0] == Field::Int(5)).unwrap();
            assert_eq!((id, answer.next(|_| ()).unwrap()), (Some(true), None));
            assert!(Answer::of(&mut script(sent, 1 << 20), 7, &known[..1], usize::MAX).is_err(), "a column is missing");
        }
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        let says = |sent: Vec<u8>, word: &str| {
            let error = rows_of(&mut script(sent, 1 << 20)).1.unwrap_err();
            assert!(matches!(&error, mysql::Error::IoError(error) if error.to_string().contains(word)), "{error}");
        };
        says(packets([&[0, 0, 0, 2, 0, 0, 0]]), "without rows");
        says(packets([&b"\xfbfile"[..]]), "without rows");
        says(packets([&[][..]]), "without rows");
        says(packets([&[1][..], b"\x03def"]), "types");
        says(packets(answer(true, &[vec![0, 0, 1]], EOF)), "a row of another form");
        says(packets(answer(true, &[vec![]], EOF)), "a row of another form");
        let mut skipped = packets(answer(true, &[row(1, None)], EOF));
        let last = skipped.len() - 6;
        skipped[last] = 9;
        says(skipped, "packet 9, expected packet 6");
    }
}
