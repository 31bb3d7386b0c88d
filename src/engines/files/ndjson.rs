//! NDJSON: one JSON object on each line, read in parallel; its columns are the members that any object has.

use serde_json::value::RawValue;

use super::blocks::{BLOCK_BYTES, Block, Framing};
use super::format::Format;
use super::ndjson_members::{Names, discover, malformed, objects, repeated};
use super::source::DataFile;
use super::text::{self, TextTable};
use crate::engines::{Part, Parts, Scan, ScanColumn};
use crate::error::{Error, Result};
use crate::model::canonical::{self, Tag};
use crate::model::json::{Json, Members};
use crate::model::kind::Kind;
use crate::model::parse::push_json_as;
use crate::model::row::RowBlock;
use crate::model::schema::Column;

/// A table in NDJSON files.
#[derive(Debug)]
pub(super) struct NdjsonTable {
    files: Vec<DataFile>,
    columns: Vec<Column>,
    names: Names,
    rows: u64,
    block_bytes: usize,
}

impl NdjsonTable {
    /// Reads the files once to find their columns; their compression is told by their names, nothing else of them is.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, or a line of it is not an object whose members have different names.
    pub(super) fn open(files: Vec<DataFile>) -> Result<Self> {
        Self::open_in_blocks(files, BLOCK_BYTES)
    }

    fn open_in_blocks(files: Vec<DataFile>, block_bytes: usize) -> Result<Self> {
        let mut table = NdjsonTable { files, columns: Vec::new(), names: Names::default(), rows: 0, block_bytes };
        (table.columns, table.rows) = discover(&table)?;
        for column in &table.columns {
            table.names.add(&column.name);
        }
        Ok(table)
    }
}

impl Format for NdjsonTable {
    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn rows(&self) -> Option<u64> {
        Some(self.rows)
    }

    fn parts<'a>(&'a self, scan: &'a Scan) -> Result<Parts<'a>> {
        Ok(text::parts(self, scan))
    }

    fn seems_ordered(&self, scan: &Scan, _held_bytes: u64) -> Result<bool> {
        text::seems_ordered(self, scan)
    }
}

impl TextTable for NdjsonTable {
    fn files(&self) -> &[DataFile] {
        &self.files
    }

    fn framing(&self, _file: usize) -> Framing {
        Framing::Lines
    }

    fn block_bytes(&self) -> usize {
        self.block_bytes
    }

    fn part<'a>(&'a self, scan: &'a Scan, file: usize, block: Block) -> Box<dyn Part + 'a> {
        Box::new(NdjsonPart { table: self, scan, file, block })
    }
}

/// A block of an NDJSON file.
struct NdjsonPart<'a> {
    table: &'a NdjsonTable,
    scan: &'a Scan,
    file: usize,
    block: Block,
}

impl Part for NdjsonPart<'_> {
    fn weight_bytes(&self) -> u64 {
        self.block.bytes.len() as u64
    }

    fn read(self: Box<Self>, emit: &mut dyn FnMut(&mut RowBlock) -> Result<()>) -> Result<u64> {
        let file = &self.table.files[self.file];
        let text = self.block.text().map_err(|error| error.at(file.place()))?;
        let (key, others) = self.scan.columns.split_at(self.scan.key_columns);
        let mut values = vec![None; self.table.columns.len()];
        let mut out = RowBlock::default();
        let mut rows = 0;
        for (start, members) in objects(text) {
            let members = members.map_err(|error| malformed(&error, file, &self.block, start))?;
            self.arrange(members, start, &mut values)?;
            rows += 1;
            key.iter().for_each(|column| push(out.buffer(), column, values[column.index]));
            let bytes = out.end_key();
            if self.scan.cells.as_ref().is_some_and(|cells| !cells.contains(bytes)) {
                out.abandon_row();
                continue;
            }
            others.iter().for_each(|column| push(out.buffer(), column, values[column.index]));
            out.end_compared();
            let raw = self.scan.columns.iter().filter(|column| column.raw);
            raw.for_each(|column| push_raw(out.buffer(), column, values[column.index]));
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

impl NdjsonPart<'_> {
    /// Puts the members of an object where their columns are.
    fn arrange<'v>(&self, members: Members<'v>, start: usize, values: &mut [Option<&'v RawValue>]) -> Result<()> {
        let file = &self.table.files[self.file];
        values.fill(None);
        for (place, (name, value)) in members.0.into_iter().enumerate() {
            let Some(number) = self.table.names.number(&name, place) else {
                let error = Error::new(format!("changed during the audit: found the member '{name}', which was not there before"));
                return Err(error.at(format!("line {}", self.block.line_of(start))).at(file.place()));
            };
            if values[number].replace(value).is_some() {
                return Err(repeated(&name, file, &self.block, start));
            }
        }
        Ok(())
    }
}

/// Appends the value of a column.
fn push(out: &mut Vec<u8>, column: &ScanColumn, value: Option<&RawValue>) {
    match value {
        Some(value) => push_json_as(out, &column.kind, value),
        None if column.tells_absent => canonical::push_absent(out),
        None => canonical::push_null(out),
    }
}

/// Appends the value of a column as the file holds it: strings by their content, unless they are compared as JSON.
fn push_raw(out: &mut Vec<u8>, column: &ScanColumn, value: Option<&RawValue>) {
    let Some(literal) = value.map(RawValue::get).filter(|literal| *literal != "null") else {
        return canonical::push_null(out);
    };
    let string = value.filter(|_| literal.starts_with('"') && column.kind != Kind::Json).map(Json::of);
    match string {
        Some(Ok(Json::Text(content))) => canonical::push_bytes(out, Tag::Text, content.as_bytes()),
        _ => canonical::push_bytes(out, Tag::Text, literal.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;

    use super::super::options::FileOptions;
    use super::super::source::format_of;
    use super::*;
    use crate::model::canonical::Values;
    use crate::model::value::render;

    /// Opens files with the given contents; they are kept open by the folder that comes with them.
    fn open(files: &[(&str, &[u8])], block_bytes: usize) -> Result<(NdjsonTable, tempfile::TempDir)> {
        let folder = tempfile::tempdir().unwrap();
        let files = files.iter().map(|(name, content)| {
            let path = folder.path().join(name);
            std::fs::write(&path, content).unwrap();
            let (_, compression) = format_of(&path, &FileOptions::default()).unwrap();
            DataFile::open(path, compression, Arc::default()).unwrap()
        });
        Ok((NdjsonTable::open_in_blocks(files.collect(), block_bytes)?, folder))
    }

    fn one(content: &str) -> (NdjsonTable, tempfile::TempDir) {
        open(&[("a.ndjson", content.as_bytes())], 16).unwrap()
    }

    fn message(content: &[u8]) -> String {
        let message = open(&[("a.ndjson", content)], 16).err().unwrap().to_string();
        message.split_once("a.ndjson: ").unwrap().1.to_string()
    }

    fn column(index: usize, kind: Kind) -> ScanColumn {
        ScanColumn { index, kind, raw: false, tells_absent: false }
    }

    fn rows(table: &NdjsonTable, columns: Vec<ScanColumn>) -> Vec<String> {
        let scan = Scan { columns, key_columns: 1, ..Scan::default() };
        let mut rows = Vec::new();
        for part in table.parts(&scan).unwrap() {
            let render_row =
                |bytes: &[u8]| Values::of(bytes).map(|value| format!("{:?} {}", value.tag, render(value))).collect::<Vec<_>>();
            part.unwrap()
                .read(&mut |block| {
                    rows.extend(block.iter().map(|row| render_row(row.bytes()).join(", ")));
                    Ok(())
                })
                .unwrap();
        }
        rows
    }

    #[test]
    fn columns_are_the_members_of_all_objects_in_order_of_appearance() {
        let first = "{\"id\":1,\"b\":true}\n\n{\"id\":2,\"a\":\"x\",\"b\":null}\r\n";
        let second = "{\"n\":null,\"id\":3.5,\"o\":{\"x\":1},\"l\":[1]}\n{\"m\":1,\"i\":-9223372036854775808}\n{\"m\":\"1\",\"i\":9223372036854775807,\"u\":9223372036854775808}";
        for block_bytes in [1, 1 << 20] {
            let (table, _folder) = open(&[("1.ndjson", first.as_bytes()), ("2.ndjson", second.as_bytes())], block_bytes).unwrap();
            let found: Vec<String> = table.columns().iter().map(|c| format!("{} {} {}", c.name, c.ty, c.native)).collect();
            assert_eq!(
                found,
                [
                    "id number json number",
                    "b boolean json boolean",
                    "a untyped text json string",
                    "n null json null",
                    "o typed by value json object",
                    "l typed by value json array",
                    "m typed by value json of several types",
                    "i int64 json integer",
                    "u number json number",
                ]
            );
            assert_eq!(table.rows(), Some(5));
        }
    }

    #[test]
    fn a_missing_member_is_null_unless_it_is_told_apart() {
        let (table, _folder) = one("{\"id\":1,\"x\":\"\"}\n{\"x\":null,\"id\":2}\n{\"id\":3}\n");
        let mut columns = vec![column(0, Kind::Number), column(1, Kind::Text)];
        assert_eq!(rows(&table, columns.clone()), ["Number 1, Text ", "Number 2, Null NULL", "Number 3, Null NULL"]);
        columns[1].tells_absent = true;
        assert_eq!(rows(&table, columns), ["Number 1, Text ", "Number 2, Null NULL", "Number 3, Absent (absent)"]);
    }

    #[test]
    fn numbers_are_read_as_they_are_written() {
        let (table, _folder) = one("{\"id\":9007199254740993}\n{\"id\":1.0}\n{\"id\":-0.1e-2}\n");
        assert_eq!(rows(&table, vec![column(0, Kind::Number)]), ["Number 9007199254740993", "Number 1", "Number -0.001"]);
    }

    #[test]
    fn raw_values_are_the_content_of_strings_and_the_literals_of_others() {
        let (table, _folder) = one("{\"a\":\"x\\u00e9\",\"b\":[1, 2]}\n{\"a\":1.50,\"b\":null}\n{}\n");
        let raw = |index, kind| ScanColumn { raw: true, ..column(index, kind) };
        let read = |kind: Kind| rows(&table, vec![raw(0, kind.clone()), raw(1, kind)]);
        assert_eq!(
            read(Kind::Text),
            [
                "Text xé, Text [1, 2], Text xé, Text [1, 2]",
                "Text 1.50, Null NULL, Text 1.50, Null NULL",
                "Null NULL, Null NULL, Null NULL, Null NULL"
            ]
        );
        assert!(read(Kind::Json)[0].ends_with("Text \"x\\u00e9\", Text [1, 2]"), "{}", read(Kind::Json)[0]);
    }

    #[test]
    fn what_is_no_object_is_an_error_with_its_place() {
        assert_eq!(message(b"{\"a\":1}\n\n{\"a\":2"), "line 3, column 6: found no JSON object: EOF while parsing an object");
        assert!(message(b"{\"a\":1}\n[1]\n").starts_with("line 2, column "));
        assert!(message(b"{\"a\":1}\n[1]\n").contains("invalid type: sequence, expected an object"));
        assert!(message(b"{\"a\":1}{\"a\":2}\n").starts_with("line 1, column 8: found no JSON object: trailing characters"));
        assert_eq!(message(b"{\"a\":1}\n{\"a\":1,\"b\":2,\"a\":1}\n"), "line 2: found the member 'a' twice in one object");
        assert_eq!(message(b"{\"a\":1}\n{\"a\":\"\xFF\"}\n"), "line 2, byte 14: found byte 0xff, expected UTF-8");
    }

    #[test]
    fn a_member_that_was_not_there_before_is_an_error() {
        let (mut table, _folder) = one("{\"id\":1,\"x\":2}\n");
        table.columns.pop();
        table.names = Names::default();
        table.names.add("id");
        let scan = Scan { columns: vec![column(0, Kind::Number)], key_columns: 1, ..Scan::default() };
        let part = table.parts(&scan).unwrap().next().unwrap().unwrap();
        assert!(
            part.read(&mut |_| Ok(())).unwrap_err().to_string().contains("line 1: changed during the audit: found the member 'x'")
        );
    }

    #[test]
    fn compressed_files_are_read_and_truncated_ones_are_not() {
        let text: String = (0..20_000).map(|i| format!("{{\"id\":{i}}}\n")).collect();
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        let gzip = encoder.finish().unwrap();
        let (table, _folder) = open(&[("a.jsonl.gz", &gzip)], 1000).unwrap();
        assert_eq!(table.rows(), Some(20_000));
        let scan = Scan { columns: vec![column(0, Kind::Number)], key_columns: 1, ..Scan::default() };
        assert!(table.seems_ordered(&scan, 0).unwrap());
        let message = open(&[("a.jsonl.gz", &gzip[..gzip.len() / 2])], 1000).err().unwrap().to_string();
        assert!(message.contains("a.jsonl.gz: cannot be read to its end"), "{message}");
    }

    #[test]
    fn order_is_told_across_the_file() {
        let lines = |ids: &mut dyn Iterator<Item = u32>| {
            ids.map(|i| format!("{{\"id\":{i},\"x\":\"{}\"}}\n", "x".repeat(50))).collect::<String>()
        };
        let scan = Scan { columns: vec![column(0, Kind::Number)], key_columns: 1, ..Scan::default() };
        let (table, _folder) = one(&lines(&mut (0..30_000)));
        assert!(table.seems_ordered(&scan, 0).unwrap());
        let (table, _folder) = one(&lines(&mut (0..20_000).chain(0..20_000)));
        assert!(!table.seems_ordered(&scan, 0).unwrap());
    }
}
