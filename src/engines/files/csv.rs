//! CSV: delimited text by RFC 4180, read in parallel; fields have no type of their own.

use super::blocks::{BLOCK_BYTES, Block, Framing};
use super::csv_fields::{Dialect, Fault, Field, Quoting, Records, is_empty_line, undouble};
use super::csv_header::{self, agree};
use super::format::Format;
use super::options::FileOptions;
use super::source::DataFile;
use super::text::{self, TextTable};
use crate::engines::{Part, Parts, Scan, ScanColumn};
use crate::error::{Error, Result};
use crate::model::canonical;
use crate::model::kind::Kind;
use crate::model::parse::push_text_as;
use crate::model::row::{BLOCK_BYTES_MAX, RowBlock};
use crate::model::schema::{Column, Type};

/// A table in CSV files.
#[derive(Debug)]
pub(super) struct CsvTable {
    files: Vec<DataFile>,
    /// For each file, the bytes by which it is read and where its data begins.
    starts: Vec<(Dialect, u64)>,
    columns: Vec<Column>,
    null: Option<String>,
    block_bytes: usize,
}

impl CsvTable {
    /// Reads the headers of the files, of which there is at least one.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, has no header, or has another header than the first.
    pub(super) fn open(files: Vec<DataFile>, options: &FileOptions) -> Result<Self> {
        let mut first: Option<(usize, Vec<String>)> = None;
        let mut starts = Vec::with_capacity(files.len());
        for (i, file) in files.iter().enumerate() {
            let dialect = csv_header::dialect_of(file.path(), options)?;
            let header = csv_header::read(file, dialect, options)?;
            starts.push((dialect, header.as_ref().map_or(0, |header| header.data_start)));
            match (header, &first) {
                (Some(header), Some((known, names))) => agree((files[*known].path(), names), (file.path(), &header.names))?,
                (Some(header), None) => first = Some((i, header.names)),
                (None, _) if options.no_header => {}
                (None, _) => return Err(Error::new("found no record, expected a header").at(file.place())),
            }
        }
        let Some((_, names)) = first else {
            let place = files.first().map_or_else(String::new, DataFile::place);
            return Err(Error::new("found no record, expected one that tells the number of columns").at(place));
        };
        let column = |name| Column { name, ty: Type::Untyped, native: "csv text".to_string() };
        let columns = names.into_iter().map(column).collect();
        Ok(CsvTable { files, starts, columns, null: options.null.clone(), block_bytes: BLOCK_BYTES })
    }
}

impl Format for CsvTable {
    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn rows(&self) -> Option<u64> {
        None
    }

    fn parts<'a>(&'a self, scan: &'a Scan) -> Result<Parts<'a>> {
        Ok(text::parts(self, scan))
    }

    fn seems_ordered(&self, scan: &Scan, _held_bytes: u64) -> Result<bool> {
        text::seems_ordered(self, scan)
    }
}

impl TextTable for CsvTable {
    fn files(&self) -> &[DataFile] {
        &self.files
    }

    fn framing(&self, file: usize) -> Framing {
        let (Dialect { delimiter, quote }, _) = self.starts[file];
        Framing::Quoted { delimiter, quote }
    }

    fn block_bytes(&self) -> usize {
        self.block_bytes
    }

    fn part<'a>(&'a self, scan: &'a Scan, file: usize, block: Block) -> Box<dyn Part + 'a> {
        Box::new(CsvPart { table: self, scan, file, block })
    }
}

/// A block of a CSV file.
struct CsvPart<'a> {
    table: &'a CsvTable,
    scan: &'a Scan,
    file: usize,
    block: Block,
}

impl Part for CsvPart<'_> {
    fn weight_bytes(&self) -> u64 {
        self.block.bytes.len() as u64
    }

    fn read(self: Box<Self>, emit: &mut dyn FnMut(&mut RowBlock) -> Result<()>) -> Result<u64> {
        let text = self.block.text().map_err(|error| self.in_file(error))?;
        let (dialect, data_start) = self.table.starts[self.file];
        let mut records = Records::new(text, dialect);
        if let Some(header) = data_start.checked_sub(self.block.offset) {
            // Within a block, as headers end where records do, or behind it.
            records.skip_to(text.len().min(header as usize));
        }
        let (key, others) = self.scan.columns.split_at(self.scan.key_columns);
        let mut values = Values { text, dialect, null: self.table.null.as_deref(), unquoted: String::new() };
        let mut fields = Vec::with_capacity(self.table.columns.len());
        let mut out = RowBlock::default();
        out.buffer().reserve(BLOCK_BYTES_MAX.min(text.len() * 2));
        let mut rows = 0;
        loop {
            let start = records.at();
            if !records.next(&mut fields).map_err(|fault| self.at_fault(fault))? {
                break;
            }
            if fields.len() != self.table.columns.len() {
                if is_empty_line(&fields) {
                    continue;
                }
                return Err(self.ragged(start, fields.len()));
            }
            rows += 1;
            key.iter().for_each(|column| values.push(out.buffer(), column, &column.kind, &fields));
            let bytes = out.end_key();
            if self.scan.cells.as_ref().is_some_and(|cells| !cells.contains(bytes)) {
                out.abandon_row();
                continue;
            }
            others.iter().for_each(|column| values.push(out.buffer(), column, &column.kind, &fields));
            out.end_compared();
            let raw = self.scan.columns.iter().filter(|column| column.raw);
            raw.for_each(|column| values.push(out.buffer(), column, &Kind::Text, &fields));
            out.end_row();
            if out.is_full() {
                emit(&mut out)?;
                out.clear();
            }
        }
        if !out.is_empty() {
            emit(&mut out)?;
        }
        Ok(rows)
    }
}

impl CsvPart<'_> {
    fn in_file(&self, error: Error) -> Error {
        error.at(self.table.files[self.file].place())
    }

    fn at_fault(&self, fault: Fault) -> Error {
        let (line, byte) = (self.block.line_of(fault.at), self.block.offset + fault.at as u64);
        self.in_file(fault.error.at(format!("line {line}, byte {byte}")))
    }

    fn ragged(&self, start: usize, found: usize) -> Error {
        let error = Error::new(format!("found {found} fields, expected {}", self.table.columns.len()));
        self.in_file(error.at(format!("line {}", self.block.line_of(start))))
    }
}

/// The values of fields.
struct Values<'a> {
    text: &'a str,
    dialect: Dialect,
    null: Option<&'a str>,
    /// The value of the field looked at last, if it had doubled quotes.
    unquoted: String,
}

impl Values<'_> {
    /// Appends the value of a column, read as `kind`: that of the column, or text for the value as the file holds it.
    #[inline(always)] // A call would take longer than what is done for a short field.
    fn push(&mut self, out: &mut Vec<u8>, column: &ScanColumn, kind: &Kind, fields: &[Field]) {
        let field = &fields[column.index];
        let written = &self.text[field.range()];
        if self.is_null(written, field.quoting, &column.kind) {
            canonical::push_null(out);
        } else if field.quoting == Quoting::Doubled {
            push_text_as(out, kind, self.unquote(written));
        } else {
            push_text_as(out, kind, written);
        }
    }

    /// Whether a field stands for NULL; see [`FileOptions::null`] for the rule.
    #[inline(always)]
    fn is_null(&self, written: &str, quoting: Quoting, kind: &Kind) -> bool {
        match self.null {
            Some(token) => quoting == Quoting::Bare && written == token,
            None => written.is_empty() && !matches!(kind, Kind::Text | Kind::PaddedText),
        }
    }

    /// The value of a field with doubled quotes.
    fn unquote(&mut self, written: &str) -> &str {
        self.unquoted.clear();
        undouble(written, self.dialect, &mut self.unquoted);
        &self.unquoted
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tempfile::TempDir;

    use super::super::source::format_of;
    use super::*;
    use crate::model::canonical::Values as CanonicalValues;
    use crate::model::digest::key_hash;
    use crate::model::grid::Selection;
    use crate::model::range::{CellSet, Cells};
    use crate::model::value::render;

    /// A table, and the folder that its files are in.
    #[derive(Debug)]
    struct Opened {
        table: CsvTable,
        _folder: TempDir,
    }

    impl std::ops::Deref for Opened {
        type Target = CsvTable;

        fn deref(&self) -> &CsvTable {
            &self.table
        }
    }

    fn open(texts: &[&[u8]], options: &FileOptions) -> Result<Opened> {
        let folder = TempDir::new().unwrap();
        let files = texts.iter().enumerate().map(|(i, text)| {
            let path = folder.path().join(format!("{i}.csv"));
            std::fs::write(&path, text).unwrap();
            let (_, compression) = format_of(&path, options).unwrap();
            DataFile::open(path, compression, Arc::default()).unwrap()
        });
        let mut table = CsvTable::open(files.collect(), options)?;
        table.block_bytes = 16;
        Ok(Opened { table, _folder: folder })
    }

    fn plain(text: &str) -> Opened {
        open(&[text.as_bytes()], &FileOptions::default()).unwrap()
    }

    fn scan(kinds: &[Kind]) -> Scan {
        let column = |(index, kind): (usize, &Kind)| ScanColumn { index, kind: kind.clone(), raw: false, tells_absent: false };
        Scan { columns: kinds.iter().enumerate().map(column).collect(), key_columns: 1, ..Scan::default() }
    }

    fn texts(width: usize) -> Scan {
        scan(&vec![Kind::Text; width])
    }

    /// The rows of a scan as text, NULL as `~`, raw values behind a bar.
    fn rows(table: &CsvTable, scan: &Scan) -> Result<Vec<String>> {
        let mut rows = Vec::new();
        for part in table.parts(scan)? {
            part?.read(&mut |block| {
                rows.extend(block.iter().map(|row| {
                    let text = |bytes| {
                        let value =
                            |value| if value == canonical::take(&mut &[0, 0][..]).unwrap() { "~".into() } else { render(value) };
                        CanonicalValues::of(bytes).map(value).collect::<Vec<String>>().join(",")
                    };
                    if row.raw().is_empty() { text(row.compared()) } else { text(row.compared()) + "|" + &text(row.raw()) }
                }));
                Ok(())
            })?;
        }
        Ok(rows)
    }

    fn message(text: &[u8], width: usize) -> String {
        let failed = open(&[text], &FileOptions::default()).and_then(|table| rows(&table, &texts(width)));
        let message = failed.unwrap_err().to_string();
        message.split_once("0.csv: ").unwrap().1.to_string()
    }

    #[test]
    fn rows_are_the_records_behind_the_header() {
        let table = plain("\u{feff}id,\"a,b\"\r\n1,x\r\n\r\n2,\"y\r\nz\"\n\n3,\"say \"\"hi\"\"\"");
        assert_eq!(table.columns().iter().map(|column| column.name.as_str()).collect::<Vec<_>>(), ["id", "a,b"]);
        assert_eq!(rows(&table, &texts(2)).unwrap(), ["1,x", "2,y\r\nz", "3,say \"hi\""]);
        assert_eq!(rows(&plain("id,x\n"), &texts(2)).unwrap(), [""; 0]);
        assert_eq!(rows(&plain("id,a_name_longer_than_a_block"), &texts(2)).unwrap(), [""; 0]);
    }

    #[test]
    fn an_empty_line_is_a_value_only_in_a_table_of_one_column() {
        assert_eq!(rows(&plain("x\na\n\nb\n"), &texts(1)).unwrap(), ["a", "", "b"]);
        assert_eq!(rows(&plain("x,y\n\na,b\n\n"), &texts(2)).unwrap(), ["a,b"]);
        let options = FileOptions { no_header: true, ..FileOptions::default() };
        assert_eq!(rows(&open(&[b"\na\n"], &options).unwrap(), &texts(1)).unwrap(), ["", "a"]);
    }

    #[test]
    fn the_null_rule_is_that_of_the_options() {
        let text = "id,a,b\n1,,\"\"\n2,\\N,\"\\N\"\n";
        let kinds = |kind: Kind| scan(&[Kind::Number, kind.clone(), kind]);
        let read = |null: Option<&str>, kind| {
            let options = FileOptions { null: null.map(str::to_string), ..FileOptions::default() };
            rows(&open(&[text.as_bytes()], &options).unwrap(), &kinds(kind)).unwrap()
        };
        assert_eq!(read(None, Kind::Text), ["1,,", "2,\\N,\\N"]);
        assert_eq!(read(None, Kind::PaddedText), ["1,,", "2,\\N,\\N"]);
        assert_eq!(read(None, Kind::Number), ["1,~,~", "2,\\N,\\N"]);
        assert_eq!(read(Some("\\N"), Kind::Text), ["1,,", "2,~,\\N"]);
        assert_eq!(read(Some("\\N"), Kind::Number), ["1,,", "2,~,\\N"]);
        assert_eq!(read(Some(""), Kind::Text), ["1,~,", "2,\\N,\\N"]);
    }

    #[test]
    fn columns_come_in_the_order_of_the_scan_with_their_raw_values_behind_them() {
        let table = plain("a,b,id\nx,\" 1.50\",7\n,\"\"\"\",8\n");
        let column = |index, kind, raw| ScanColumn { index, kind, raw, tells_absent: false };
        let columns = vec![column(2, Kind::Number, false), column(1, Kind::Number, true), column(0, Kind::Uuid, true)];
        let mut scan = Scan { columns, key_columns: 1, ..Scan::default() };
        assert_eq!(rows(&table, &scan).unwrap(), ["7, 1.50,x| 1.50,x", "8,\",~|\",~"]);
        scan.cells = Some(Arc::new(Selection::Hashes(CellSet::new(Cells::of_bits(4), |_| false))));
        assert_eq!(rows(&table, &scan).unwrap(), [""; 0]);
        let mut key = Vec::new();
        push_text_as(&mut key, &Kind::Number, "8");
        let cells = Cells::of_bits(10);
        scan.cells = Some(Arc::new(Selection::Hashes(CellSet::new(cells, |cell| cell == cells.of(key_hash(&key))))));
        assert_eq!(rows(&table, &scan).unwrap(), ["8,\",~|\",~"]);
        assert_eq!(table.parts(&scan).unwrap().map(|part| part.unwrap().read(&mut |_| Ok(())).unwrap()).sum::<u64>(), 2);
    }

    #[test]
    fn what_is_no_row_is_an_error_with_its_place() {
        assert_eq!(message(b"a,b,c\n1,2,3\n4,5\n", 3), "line 3: found 2 fields, expected 3");
        assert_eq!(message(b"a,b\n\"x\ny\",2\n4,5,6\n", 2), "line 4: found 3 fields, expected 2");
        assert_eq!(message(b"a,b\n1,2\n3,\"4\n5,6\n", 2), "line 3, byte 10: found a quoted field that does not end");
        assert!(message(b"a,b\n1,2\n3,\"4\"x\n", 2).starts_with("line 3, byte 13: found 'x' after a closing quote"));
        assert_eq!(message(b"a,b\n1,2\n3,\xC3\n", 2), "line 3, byte 10: found byte 0xc3, expected UTF-8");
        assert_eq!(message(b"\xEF\xBB\xBFa,b\n1,2\n3,\xC3\n", 2), "line 3, byte 13: found byte 0xc3, expected UTF-8");
        assert_eq!(message(b"\n", 1), "found no record, expected a header");
    }

    #[test]
    fn files_follow_one_another_and_agree() {
        let table = open(&[b"id,x\n1,a\n", b"\n\"id\",x\n", b"id,x\r\n2,b"], &FileOptions::default()).unwrap();
        assert_eq!(rows(&table, &texts(2)).unwrap(), ["1,a", "2,b"]);
        let message = open(&[b"id,x\n", b"id,y\n"], &FileOptions::default()).unwrap_err().to_string();
        assert!(message.contains("1.csv: column 2: found 'y', expected 'x' as in ") && message.ends_with("0.csv"), "{message}");
        let options = FileOptions { no_header: true, ..FileOptions::default() };
        assert_eq!(rows(&open(&[b"", b"1,a"], &options).unwrap(), &texts(2)).unwrap(), ["1,a"]);
        assert!(open(&[b"", b""], &options).is_err());
    }

    #[test]
    fn an_error_ends_the_scan() {
        let table = open(&[b"id\n1\n", b"id\n2\n"], &FileOptions::default()).unwrap();
        std::fs::remove_file(table.files[0].path()).unwrap();
        let scan = texts(1);
        let mut parts = table.parts(&scan).unwrap();
        assert!(parts.next().unwrap().is_err());
        assert!(parts.next().is_none());
    }

    #[test]
    fn order_is_told_by_kind_across_windows_and_files() {
        let numbers = |range: std::ops::Range<u32>| range.map(|i| format!("{i},{}\n", "x".repeat(40))).collect::<String>();
        let header = "id,x\n".to_string();
        let table = open(&[(header.clone() + &numbers(5..90_000)).as_bytes()], &FileOptions::default()).unwrap();
        assert!(table.seems_ordered(&scan(&[Kind::Number]), 0).unwrap());
        assert!(!table.seems_ordered(&scan(&[Kind::Text]), 0).unwrap());
        let broken = header.clone() + &numbers(5..60_000) + &numbers(0..60_000);
        assert!(!open(&[broken.as_bytes()], &FileOptions::default()).unwrap().seems_ordered(&scan(&[Kind::Number]), 0).unwrap());
        let files = [header.clone() + &numbers(5..7), header + &numbers(3..4)];
        let table = open(&files.each_ref().map(|file| file.as_bytes()), &FileOptions::default()).unwrap();
        assert!(!table.seems_ordered(&scan(&[Kind::Number]), 0).unwrap());
        assert!(plain("id\n3\n\"4\"x\n1\n").seems_ordered(&scan(&[Kind::Number]), 0).unwrap());
    }

    #[test]
    fn random_records_are_read_back_whatever_the_block_size() {
        let mut random = fastrand::Rng::with_seed(42);
        for round in 0..60 {
            let width = random.usize(1..6);
            let line_end = if random.bool() { "\n" } else { "\r\n" };
            let mut text = (0..width).map(|i| format!("c{i}")).collect::<Vec<_>>().join(",") + line_end;
            let mut expected = Vec::new();
            for _ in 0..random.usize(0..40) {
                let record: Vec<String> = (0..width)
                    .map(|_| {
                        (0..random.usize(0..9))
                            .map(|_| *random.choice(&['a', ',', '"', '\n', '\r', 'é', ' ', '€']).unwrap())
                            .collect()
                    })
                    .collect();
                let written = record.iter().map(|value: &String| {
                    let quoted = value.contains([',', '\n', '\r']) || value.starts_with('"') || random.bool();
                    if quoted { format!("\"{}\"", value.replace('"', "\"\"")) } else { value.clone() }
                });
                let line = written.collect::<Vec<_>>().join(",");
                text += &(line + line_end);
                // Commas separate values in `rows` as well; what is compared is the same on both sides.
                expected.push(record.join(","));
            }
            let mut table = plain(&text);
            for block_bytes in [1, 7, 64, 100, 1 << 20] {
                table.table.block_bytes = block_bytes;
                assert_eq!(rows(&table, &texts(width)).unwrap(), expected, "round {round}, blocks of {block_bytes}");
            }
        }
    }
}
