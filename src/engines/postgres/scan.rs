//! Reading: one COPY for each part, from the wire into canonical bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::catalog::Relation;
use super::client::Client;
use super::decode::{Decode, decoder};
use super::failure::failure;
use super::push;
use super::ranges::Slice;
use super::settings::{self, Plans};
use super::snapshot::Snapshot;
use super::sql::identifier;
use super::tuples::{Fields, Tuples, bytes_of, list_fields};
use super::types::Wire;
use crate::engines::places::{self, Emit, Placed};
use crate::engines::received::{Received, RowFormat};
use crate::engines::rows::{Form, RowWriter, write_row};
use crate::engines::{Part, Rows, Scan, ScanColumn};
use crate::error::{Error, Result};
use crate::model::canonical::push_null;
use crate::model::grid::{CellSums, Grid, Position};
use crate::model::kind::Kind;
use crate::model::row::RowBlock;

/// What is read of each row, and how.
pub struct Reading {
    /// What is asked for.
    pub scan: Scan,
    /// The database, for messages.
    place: String,
    /// What stands between `select` and `from`, column by column.
    expressions: Vec<String>,
    /// One for each column of the scan.
    columns: Vec<ColumnReading>,
    /// The numbers of what holds the table's rows.
    stores: Vec<u32>,
}

struct ColumnReading {
    name: String,
    wire: Wire,
    canonical: Decode,
    /// How the value is appended as the side holds it, if it is text.
    raw: Option<Decode>,
}

impl Reading {
    /// How the columns of `scan` are read.
    ///
    /// # Errors
    ///
    /// If a column cannot be read as what the scan asks for.
    pub fn new(relation: &Relation, scan: &Scan, place: &str) -> Result<Self> {
        let column = |column: &ScanColumn| {
            let (name, read) = (&relation.table.columns[column.index].name, &relation.columns[column.index].read);
            let canonical = decoder(&read.wire, &column.kind).map_err(|error| error.at(format!("column {name}")))?;
            Ok(ColumnReading { name: name.clone(), wire: read.wire.clone(), canonical, raw: decoder(&read.wire, &Kind::Text).ok() })
        };
        let expression = |column: &ScanColumn| {
            let name = identifier(&relation.table.columns[column.index].name);
            relation.columns[column.index].read.cast.of(&name)
        };
        let expressions = scan.columns.iter().map(expression).collect();
        let stores = relation.stores.iter().map(|store| store.oid).collect();
        let columns = scan.columns.iter().map(column).collect::<Result<_>>()?;
        Ok(Reading { scan: scan.clone(), place: place.to_string(), expressions, columns, stores })
    }

    /// An error in the table that is read.
    pub fn located(&self, error: Error) -> Error {
        error.at(format!("table {}", self.scan.table)).at(self.place.as_str())
    }

    /// Makes sure that what was read is what the snapshot holds. TRUNCATE and what writes a table anew take effect in
    /// snapshots that are older (<https://www.postgresql.org/docs/current/mvcc-caveats.html>): rows are gone without a
    /// word. From the first reading on the transaction's lock keeps them away.
    fn check_unchanged(&self, client: &mut Client) -> Result<()> {
        let stores: Vec<String> = self.stores.iter().map(u32::to_string).collect();
        let query = format!(
            "select from pg_class c where c.oid = any('{{{}}}'::oid[]) and c.relfilenode <> pg_relation_filenode(c.oid)",
            stores.join(",")
        );
        match client.texts(&query).map_err(|error| failure("ask for the table's files", &error))?.is_empty() {
            true => Ok(()),
            false => {
                Err(Error::new("the table was truncated or written anew after the snapshot was taken").hint("run the audit again"))
            }
        }
    }

    /// The statement that reads the rows of `slice`.
    fn statement(&self, slice: &Slice) -> String {
        self.select(&self.expressions.join(", "), slice)
    }

    /// The statement that reads the keys of the rows of `slice`, and their places.
    fn statement_of_keys(&self, slice: &Slice) -> String {
        self.select(&format!("{}, ctid", self.expressions[..self.scan.key_columns].join(", ")), slice)
    }

    fn select(&self, list: &str, slice: &Slice) -> String {
        let condition = condition(&self.scan, &slice.condition);
        format!("copy (select {list} from {} where {condition}) to stdout (format binary)", slice.from)
    }

    /// The statement that reads the rows of `slice` at some places.
    fn statement_at(&self, slice: &Slice, places: &[Place]) -> String {
        let places: Vec<String> = places.iter().map(|(page, line)| format!("\"({page},{line})\"")).collect();
        let (list, from, places) = (self.expressions.join(", "), &slice.from, places.join(","));
        format!("copy (select {list} from {from} where ctid = any('{{{places}}}'::tid[])) to stdout (format binary)")
    }

    /// Appends the key of a row, given as its bytes and where its fields lie in them; returns whether there is no NULL in it.
    ///
    /// # Errors
    ///
    /// If a value is none of its column's type.
    #[inline]
    fn push_key(&self, tuple: &[u8], fields: &Fields, out: &mut Vec<u8>) -> Result<bool> {
        let key = &fields[..self.scan.key_columns];
        for (place, field) in key.iter().enumerate() {
            self.push(place, Form::Canonical, bytes_of(tuple, field), out)?;
        }
        Ok(key.iter().all(Option::is_some))
    }

    /// Appends the value of the column at `place`, given as the bytes of its field.
    ///
    /// # Errors
    ///
    /// If they are no value of its type.
    #[inline]
    pub fn push(&self, place: usize, form: Form, bytes: Option<&[u8]>, out: &mut Vec<u8>) -> Result<()> {
        let column = &self.columns[place];
        let pushed = match (bytes, form) {
            (None, _) => {
                push_null(out);
                true
            }
            (Some(bytes), Form::Canonical) => (column.canonical)(bytes, out),
            (Some(bytes), Form::Raw) => column.raw.as_ref().is_some_and(|raw| raw(bytes, out)),
        };
        if pushed { Ok(()) } else { Err(malformed(&column.name, bytes)) }
    }
}

impl RowFormat for Reading {
    fn reads_like(&self, other: &Reading) -> bool {
        self.columns.iter().map(|column| &column.wire).eq(other.columns.iter().map(|column| &column.wire))
            && self.scan.columns.iter().map(|column| &column.kind).eq(other.scan.columns.iter().map(|column| &column.kind))
    }

    fn write<'a>(&self, rows: impl Iterator<Item = &'a [u8]>, block: &mut RowBlock) -> Result<()> {
        let mut fields = Vec::new();
        for tuple in rows {
            list_fields(tuple, &mut fields)?;
            write_row(&self.scan, block, |place, form, out| self.push(place, form, bytes_of(tuple, &fields[place]), out))
                .map_err(|error| self.located(error))?;
        }
        Ok(())
    }
}

/// A condition, and that of the user.
pub fn condition(scan: &Scan, condition: &str) -> String {
    match &scan.condition {
        // A comment at the end of the user's condition ends with its line.
        Some(of_user) => format!("{condition} and (\n{of_user}\n)"),
        None => condition.to_string(),
    }
}

#[cold]
fn malformed(column: &str, bytes: Option<&[u8]>) -> Error {
    let len = bytes.map_or(0, <[u8]>::len);
    Error::new(format!("found {len} bytes that are no value of the column's type")).at(format!("column {column}"))
}

/// A part of a table.
pub struct PostgresPart<'a> {
    /// Where connections come from.
    pub snapshot: &'a Snapshot,
    /// The table.
    pub relation: &'a Relation,
    /// What is read, and how.
    pub reading: Arc<Reading>,
    /// Which rows are read.
    pub slice: Slice,
    /// Counts the bytes of all parts.
    pub bytes_read: &'a AtomicU64,
}

/// Where a row lies: its page, and its line there.
type Place = (u32, u16);

/// So many bytes of a table are hashed between two answers of the server: it has their cells in memory, and hears when it is
/// to stop.
const HASHED_PIECE_BYTES: u64 = 32 << 20;
/// The same where each piece has rows of nearly all cells, which are few.
const HASHED_PIECE_BYTES_OF_HASHES: u64 = 256 << 20;
/// Hashing fewer rows than this takes no longer than it takes to compile the statement: about 4 ms for each column, which saves
/// about 6 ns for each value.
const COMPILED_ROWS_MIN: u64 = 1_500_000;
/// Places in one statement.
const PLACES_MAX: usize = 8192;

impl Placed for PostgresPart<'_> {
    type Place = Place;

    const ONE_IN: usize = 10;

    fn places(&self, selects: &mut dyn FnMut(&[u8]) -> bool) -> Result<Option<Vec<Place>>> {
        if !self.slice.has_places {
            return Ok(None);
        }
        let (reading, mut places, mut key) = (&self.reading, Vec::new(), Vec::new());
        self.copy(&reading.statement_of_keys(&self.slice), reading.scan.key_columns + 1, &mut |tuple, fields| {
            key.clear();
            let (place, fields) = fields.split_last().ok_or_else(|| Error::new("found no fields"))?;
            reading.push_key(tuple, fields, &mut key)?;
            if selects(&key) {
                places.push(bytes_of(tuple, place).and_then(place_of).ok_or_else(|| Error::new("found no ctid"))?);
            }
            Ok(())
        })?;
        Ok(Some(places))
    }

    fn read_at(&self, places: &[Place], emit: &mut Emit<'_>) -> Result<u64> {
        let statements = places.chunks(PLACES_MAX).map(|places| self.reading.statement_at(&self.slice, places));
        self.rows(statements, emit)
    }

    fn read_all(&self, emit: &mut Emit<'_>) -> Result<u64> {
        self.rows([self.reading.statement(&self.slice)], emit)
    }
}

impl PostgresPart<'_> {
    /// The statement that adds up the fingerprints of the rows, those of some pages after the other where that is known.
    fn statement_of_sums(&self, grid: &Grid) -> Result<String, String> {
        let (scan, slice) = (&self.reading.scan, &self.slice);
        let of_rows = |of_slice: &str| {
            let condition = condition(scan, of_slice);
            push::statement(self.relation, scan, grid, self.snapshot.version_number, &slice.from, &condition)
        };
        match &slice.pages {
            Some(pages) => {
                let piece_bytes = match grid.position {
                    Position::Key => HASHED_PIECE_BYTES,
                    Position::Hash => HASHED_PIECE_BYTES_OF_HASHES,
                };
                let pieces = slice.weight_bytes.div_ceil(piece_bytes).clamp(1, (pages.range.end - pages.range.start).max(1));
                Ok(push::on_pages(&of_rows(push::ON_PAGES)?, pages.cut(pieces)))
            }
            None => of_rows(&slice.condition),
        }
    }

    /// How the rows are best found.
    fn plans(&self) -> Plans {
        if self.slice.by_index { Plans::ByIndex } else { Plans::Usual }
    }

    /// About how many bytes a row of the table takes, if that is known.
    fn row_bytes(&self) -> Option<u64> {
        let table = &self.relation.table;
        Some((table.bytes? / table.rows.filter(|rows| *rows > 0)?).max(1))
    }

    /// Reads the rows of some statements.
    fn rows(&self, statements: impl IntoIterator<Item = String>, emit: &mut Emit<'_>) -> Result<u64> {
        let reading = &self.reading;
        let mut rows = RowWriter::new(&reading.scan, emit);
        for statement in statements {
            self.copy(&statement, reading.columns.len(), &mut |tuple, fields| {
                rows.row(|at, form, out| reading.push(at, form, bytes_of(tuple, &fields[at]), out))
            })?;
        }
        rows.finish()
    }

    /// Reads rows one after the other; each is given as its bytes, and where the `width` fields lie in them.
    fn copy(&self, statement: &str, width: usize, each: &mut impl FnMut(&[u8], &Fields) -> Result<()>) -> Result<()> {
        self.snapshot.with(|client| {
            settings::plan(client, self.plans())?;
            let mut stream = client.copy_out(statement).map_err(|error| failure("read", &error))?;
            let (mut tuples, mut bytes) = (Tuples::default(), 0);
            loop {
                let more = stream.next().map_err(|error| failure("read", &error))?;
                if more.is_empty() {
                    break;
                }
                bytes += more.len() as u64;
                tuples.push(more, &mut |tuple, fields| match fields.len() == width {
                    true => each(tuple, fields),
                    false => Err(Error::new(format!("found {} fields, expected {width}", fields.len()))),
                })?;
            }
            drop(stream);
            self.bytes_read.fetch_add(bytes, Relaxed);
            tuples.finish()?;
            self.reading.check_unchanged(client)
        })
    }
}

impl Part for PostgresPart<'_> {
    fn weight_bytes(&self) -> u64 {
        self.slice.weight_bytes
    }

    fn least_key(&self) -> Option<&[u8]> {
        self.slice.least_key.as_deref()
    }

    fn read(self: Box<Self>, emit: &mut dyn FnMut(&mut RowBlock) -> Result<()>) -> Result<u64> {
        let reading = &self.reading;
        let mut stopped = false;
        let mut emit = |block: &mut RowBlock| emit(block).inspect_err(|_| stopped = true);
        let read = places::read(&*self, &reading.scan, &mut emit);
        // An error of the taker is the taker's: it has no place here.
        read.map_err(|error| if stopped { error } else { reading.located(error) })
    }

    fn fingerprint(self: Box<Self>, grid: &Grid, hashed: &mut dyn FnMut(u64, u64) -> Result<()>) -> Result<CellSums> {
        let reading = &self.reading;
        let (mut stopped, row_bytes) = (false, self.row_bytes());
        let is_long = row_bytes.is_some_and(|row_bytes| self.slice.weight_bytes / row_bytes >= COMPILED_ROWS_MIN);
        let plans = if is_long { Plans::Compiled } else { self.plans() };
        let mut hashed = |rows| hashed(rows, rows * row_bytes.unwrap_or(0)).inspect_err(|_| stopped = true);
        let sums = self.statement_of_sums(grid).map_err(Error::new).and_then(|statement| {
            self.snapshot.with(|client| {
                settings::plan(client, plans)?;
                let sums = push::sums(client, &statement, &mut hashed)?;
                reading.check_unchanged(client)?;
                Ok(sums)
            })
        });
        sums.map_err(|error| if stopped { error } else { reading.located(error) })
    }

    fn read_deferred(self: Box<Self>, emit: &mut dyn FnMut(Rows<'_>) -> Result<()>) -> Result<u64> {
        let reading = &self.reading;
        if reading.scan.cells.is_some() {
            return self.read(&mut |block| emit(Rows::Encoded(block)));
        }
        let (mut stopped, mut rows) = (false, 0);
        let mut received = Received::new(Arc::clone(reading));
        let mut emit = |more: Rows<'_>| {
            rows += more.len() as u64;
            emit(more).inspect_err(|_| stopped = true)
        };
        let read = self.copy(&reading.statement(&self.slice), reading.columns.len(), &mut |tuple, fields| {
            received.push(tuple, |key| reading.push_key(tuple, fields, key))?;
            if received.is_full() { received.hand_on(&mut emit) } else { Ok(()) }
        });
        let read = read.and_then(|()| received.hand_on(&mut emit));
        read.map(|()| rows).map_err(|error| if stopped { error } else { reading.located(error) })
    }
}

/// A `ctid` as it is sent: <https://github.com/postgres/postgres/blob/REL_16_0/src/backend/utils/adt/tid.c#L136>.
fn place_of(bytes: &[u8]) -> Option<Place> {
    let (page, line) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(*page), u16::from_be_bytes(line.try_into().ok()?)))
}
