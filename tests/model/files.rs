//! The two sides as sessions: in memory, or as real files.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use arrow::ipc::writer::{FileWriter, StreamWriter};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use tieout::engines::files::FileOptions;
use tieout::engines::memory::MemorySession;
use tieout::engines::{OpenOptions, Session};

use super::build;
use super::generate::Column;
use super::text::{json, spell};
use super::value::V;

/// How a side is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Memory,
    Parquet,
    ArrowFile,
    ArrowStream,
    Csv,
    Ndjson,
}

impl Format {
    pub fn is_text(self) -> bool {
        matches!(self, Format::Csv | Format::Ndjson)
    }
}

/// What CSV files have in place of NULL.
const NULL: &str = "\\N";

/// A side as it is stored: its columns in their order, its rows in theirs, in pieces.
pub struct Stored<'a> {
    pub side: usize,
    pub format: Format,
    pub columns: Vec<(usize, &'a Column)>,
    /// Whether each value may be spelled in several ways.
    pub vary: bool,
    /// Whether NULL may be left out of an object.
    pub omit: bool,
    pub pieces: Vec<Vec<Vec<V>>>,
}

impl Stored<'_> {
    fn batches(&self, random: &mut fastrand::Rng) -> Vec<RecordBatch> {
        let field = |(_, column): &(usize, &Column)| column.stored[self.side].field(&column.name);
        let schema = Arc::new(Schema::new(self.columns.iter().map(field).collect::<Vec<_>>()));
        let batch = |rows: &Vec<Vec<V>>| {
            let array = |(index, column): &(usize, &Column)| {
                let values: Vec<V> = rows.iter().map(|row| row[*index].clone()).collect();
                build::array(&column.stored[self.side], &values, random)
            };
            let arrays = self.columns.iter().map(array).collect();
            RecordBatch::try_new(Arc::clone(&schema), arrays).unwrap()
        };
        self.pieces.iter().map(batch).collect()
    }

    /// Writes the side, where it is not in memory, and opens it.
    pub fn open(&self, folder: &Path, random: &mut fastrand::Rng) -> Box<dyn Session> {
        if self.format == Format::Memory {
            return Box::new(MemorySession::new("memory", self.batches(random)).unwrap());
        }
        std::fs::create_dir(folder).unwrap();
        let files = if self.pieces.len() > 1 && random.bool() { 2 } else { 1 };
        let options = FileOptions { null: Some(NULL.to_string()), ..FileOptions::default() };
        match self.format {
            Format::Csv | Format::Ndjson => self.write_text(folder, files, random),
            _ => self.write_batches(folder, files, random),
        }
        tieout::engines::open(&folder.display().to_string(), &OpenOptions { files: options, ..OpenOptions::default() }).unwrap()
    }

    fn write_batches(&self, folder: &Path, files: usize, random: &mut fastrand::Rng) {
        let batches = self.batches(random);
        let schema = batches[0].schema();
        for (i, part) in batches.chunks(batches.len().div_ceil(files)).enumerate() {
            match self.format {
                Format::Parquet => {
                    let level = [EnabledStatistics::None, EnabledStatistics::Chunk, EnabledStatistics::Page][random.usize(0..3)];
                    let properties = WriterProperties::builder()
                        .set_max_row_group_row_count(Some(1 + random.usize(0..100)))
                        .set_data_page_row_count_limit(1 + random.usize(0..50))
                        .set_write_batch_size(1 + random.usize(0..20))
                        .set_dictionary_enabled(random.bool())
                        .set_statistics_enabled(level)
                        .set_statistics_truncate_length(Some(1 + random.usize(0..10)))
                        .set_compression([Compression::UNCOMPRESSED, Compression::ZSTD(ZstdLevel::default())][random.usize(0..2)])
                        .build();
                    let file = File::create(folder.join(format!("{i}.parquet"))).unwrap();
                    let mut writer = ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties)).unwrap();
                    part.iter().for_each(|batch| writer.write(batch).unwrap());
                    writer.close().unwrap();
                }
                Format::ArrowFile => {
                    let file = File::create(folder.join(format!("{i}.arrow"))).unwrap();
                    let mut writer = FileWriter::try_new(file, &schema).unwrap();
                    part.iter().for_each(|batch| writer.write(batch).unwrap());
                    writer.finish().unwrap();
                }
                _ => {
                    let file = File::create(folder.join(format!("{i}.arrows"))).unwrap();
                    let mut writer = StreamWriter::try_new(file, &schema).unwrap();
                    part.iter().for_each(|batch| writer.write(batch).unwrap());
                    writer.finish().unwrap();
                }
            }
        }
    }

    fn write_text(&self, folder: &Path, files: usize, random: &mut fastrand::Rng) {
        let end = if random.bool() { "\n" } else { "\r\n" };
        let mut first = true;
        for (i, part) in self.pieces.chunks(self.pieces.len().div_ceil(files)).enumerate() {
            let mut text = String::new();
            if self.format == Format::Csv {
                let names: Vec<&str> = self.columns.iter().map(|(_, column)| column.name.as_str()).collect();
                text += &(names.join(",") + end);
            }
            for row in part.iter().flatten() {
                let line = match self.format {
                    Format::Csv => self.csv(row, random),
                    _ => self.object(row, first, random),
                };
                text += &(line + end);
                first = false;
                if self.columns.len() > 1 && random.u8(..) == 0 {
                    text += end;
                }
            }
            let name = if self.format == Format::Csv { "csv" } else { "ndjson" };
            if random.u8(0..4) == 0 {
                let file = File::create(folder.join(format!("{i}.{name}.gz"))).unwrap();
                let mut encoder = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
                encoder.write_all(text.as_bytes()).unwrap();
                encoder.finish().unwrap();
            } else {
                std::fs::write(folder.join(format!("{i}.{name}")), text).unwrap();
            }
        }
    }

    fn csv(&self, row: &[V], random: &mut fastrand::Rng) -> String {
        let field = |(index, column): &(usize, &Column)| {
            if row[*index] == V::Null {
                return NULL.to_string();
            }
            let text = spell(&row[*index], &column.stored[self.side], self.vary, random);
            let must = text == NULL || text.contains([',', '"', '\n', '\r']);
            if must || random.u8(0..4) == 0 { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
        };
        self.columns.iter().map(field).collect::<Vec<_>>().join(",")
    }

    fn object(&self, row: &[V], first: bool, random: &mut fastrand::Rng) -> String {
        let mut members = Vec::new();
        for (index, column) in &self.columns {
            let value = &row[*index];
            if *value == V::Absent || (*value == V::Null && self.omit && !first && random.bool()) {
                continue;
            }
            members.push(format!("\"{}\":{}", column.name, json(value, &column.stored[self.side], self.vary, random)));
        }
        if !first {
            random.shuffle(&mut members);
        }
        format!("{{{}}}", members.join(","))
    }
}
