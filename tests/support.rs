//! What the tests stand on: a folder of files in every format, the program, Python.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::ipc::writer::{FileWriter, StreamWriter};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use serde_json::Value;
use tempfile::TempDir;

/// The text that is NULL in the CSV files that [`Dir::table`] writes.
pub const NULL: &str = "\\N";

/// A folder that disappears with the test; the program runs in it.
pub struct Dir(TempDir);

impl Dir {
    pub fn new() -> Self {
        Dir(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes bytes, compressed as the name says; makes the folders of the name.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, compressed(name, bytes.as_ref())).unwrap();
    }

    /// Writes a table in the format that the name says.
    pub fn table(&self, name: &str, batch: &RecordBatch) {
        let stem = name.trim_end_matches(".gz").trim_end_matches(".zst");
        let bytes = match stem.rsplit_once('.').unwrap().1 {
            "parquet" => parquet(batch, WriterProperties::builder().build()),
            "arrow" => {
                let mut out = FileWriter::try_new(Vec::new(), &batch.schema()).unwrap();
                out.write(batch).unwrap();
                out.into_inner().unwrap()
            }
            "arrows" => {
                let mut out = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
                out.write(batch).unwrap();
                out.into_inner().unwrap()
            }
            "csv" => csv(batch),
            "ndjson" => ndjson(batch),
            other => panic!("no writer for .{other}"),
        };
        self.write(name, bytes);
    }

    /// The names in a folder, hidden ones included, in order.
    pub fn names(&self, folder: &str) -> Vec<String> {
        let names = fs::read_dir(self.path(folder)).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    /// The program, to be run in this folder.
    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tieout"));
        command.current_dir(self.0.path()).stdin(Stdio::null()).env_remove("RUST_BACKTRACE").env("NO_COLOR", "1");
        command
    }

    /// Runs the program with the words of `line`.
    pub fn run(&self, line: &str) -> Run {
        self.run_words(&line.split_whitespace().collect::<Vec<_>>())
    }

    /// Runs the program with these arguments, some of which hold spaces.
    pub fn run_words(&self, words: &[&str]) -> Run {
        let output = self.command().args(words).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("output is UTF-8");
        let run = Run {
            code: output.status.code().expect("ended by itself"),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
            summary: Value::Null,
        };
        assert!(run.code <= 3 && !run.stderr.contains("panicked"), "{words:?}: {run:#?}");
        run
    }

    /// Runs `tieout diff` with a report in the folder `report` and reads its summary.
    pub fn diff(&self, line: &str) -> Run {
        self.diff_words(&line.split_whitespace().collect::<Vec<_>>())
    }

    /// The same with arguments some of which hold spaces.
    pub fn diff_words(&self, words: &[&str]) -> Run {
        let mut run = self.run_words(&[&["diff"], words, &["--out", "report", "--force"]].concat());
        run.summary = match fs::read(self.path("report/summary.json")) {
            Ok(bytes) if run.code != 2 => serde_json::from_slice(&bytes).unwrap(),
            _ => Value::Null,
        };
        run
    }

    /// Writes two tables as Parquet and compares them by the column `k`.
    pub fn diff_tables(&self, source: &RecordBatch, target: &RecordBatch) -> Run {
        self.table("source.parquet", source);
        self.table("target.parquet", target);
        self.diff("source.parquet target.parquet --key k")
    }
}

/// What a run of the program came to.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    /// The contents of `summary.json`; null if there is none.
    pub summary: Value,
}

impl Run {
    /// The summary of the one table.
    pub fn table(&self) -> &Value {
        &self.summary["tables"][0]
    }

    pub fn verdict(&self) -> &str {
        self.summary["verdict"].as_str().unwrap_or("none")
    }

    /// The number at a path in the table's summary, such as `rows/source`.
    pub fn count(&self, path: &str) -> u64 {
        self.table().pointer(&format!("/{path}")).and_then(Value::as_u64).unwrap_or_else(|| panic!("no {path} in {self:#?}"))
    }

    /// Keys missing in the target, missing in the source, changed, duplicate.
    pub fn differences(&self) -> [u64; 4] {
        ["missing_in_target", "missing_in_source", "changed", "duplicate"].map(|kind| self.count(&format!("differences/{kind}")))
    }

    /// The summary of a compared column.
    pub fn column(&self, name: &str) -> &Value {
        let columns = self.table()["columns"].as_array().unwrap();
        columns.iter().find(|column| column["source"] == name).unwrap_or_else(|| panic!("column {name} not compared: {self:#?}"))
    }

    /// The notes of the table, one a line.
    pub fn notes(&self) -> String {
        self.table()["notes"].as_array().unwrap().iter().map(|note| format!("{}\n", note.as_str().unwrap())).collect()
    }

    #[track_caller]
    pub fn expect(&self, code: i32, verdict: &str) -> &Self {
        assert_eq!((self.code, self.verdict()), (code, verdict), "{self:#?}");
        self
    }

    #[track_caller]
    pub fn tied_out(&self) -> &Self {
        self.expect(0, "tied_out");
        assert_eq!(self.differences(), [0; 4]);
        assert_eq!(self.count("rows/source"), self.count("rows/matched"));
        self
    }

    /// Drift of these numbers of keys: missing in the target, missing in the source, changed, duplicate.
    #[track_caller]
    pub fn drift(&self, differences: [u64; 4]) -> &Self {
        self.expect(1, "drift");
        assert_eq!(self.differences(), differences, "{self:#?}");
        self
    }

    /// An error before anything was audited, whose message has all of these words.
    #[track_caller]
    pub fn refused(&self, words: &[&str]) -> &Self {
        assert_eq!((self.code, self.stdout.as_str()), (2, ""), "{self:#?}");
        words.iter().for_each(|word| assert!(self.stderr.contains(word), "no {word:?} in {self:#?}"));
        self
    }
}

/// A table of nullable columns.
pub fn table(columns: &[(&str, ArrayRef)]) -> RecordBatch {
    let field = |(name, array): &(&str, ArrayRef)| Field::new(*name, array.data_type().clone(), true);
    let schema = Schema::new(columns.iter().map(field).collect::<Vec<_>>());
    RecordBatch::try_new(Arc::new(schema), columns.iter().map(|(_, array)| Arc::clone(array)).collect()).unwrap()
}

/// A column of one type, as an array.
pub fn array(array: impl Array + 'static) -> ArrayRef {
    Arc::new(array)
}

/// A table as the bytes of a Parquet file.
pub fn parquet(batch: &RecordBatch, properties: WriterProperties) -> Vec<u8> {
    let mut out = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    out.write(batch).unwrap();
    out.into_inner().unwrap()
}

fn compressed(name: &str, bytes: &[u8]) -> Vec<u8> {
    match name.rsplit_once('.') {
        Some((_, "gz")) => {
            let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            out.write_all(bytes).unwrap();
            out.finish().unwrap()
        }
        Some((_, "zst")) => zstd::encode_all(bytes, 1).unwrap(),
        _ => bytes.to_vec(),
    }
}

/// For each row the text of each value; `None`: NULL.
fn cells(batch: &RecordBatch) -> Vec<Vec<Option<String>>> {
    let options = FormatOptions::default();
    let formatters: Vec<_> = batch.columns().iter().map(|array| ArrayFormatter::try_new(array, &options).unwrap()).collect();
    let cell = |row: usize, column: usize| {
        let array = batch.column(column);
        array.is_valid(row).then(|| formatters[column].value(row).to_string())
    };
    (0..batch.num_rows()).map(|row| (0..batch.num_columns()).map(|column| cell(row, column)).collect()).collect()
}

fn csv(batch: &RecordBatch) -> Vec<u8> {
    let quoted = |text: &str| match text.contains(['"', ',', '\n', '\r', '\\']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_string(),
    };
    let names: Vec<String> = batch.schema().fields().iter().map(|field| quoted(field.name())).collect();
    let mut out = names.join(",") + "\n";
    for row in cells(batch) {
        let fields: Vec<String> = row.iter().map(|cell| cell.as_deref().map_or(NULL.to_string(), quoted)).collect();
        out += &(fields.join(",") + "\n");
    }
    out.into_bytes()
}

fn ndjson(batch: &RecordBatch) -> Vec<u8> {
    let schema = batch.schema();
    let literal = |ty: &DataType, cell: &Option<String>| match cell {
        None => "null".to_string(),
        Some(text) if ty.is_numeric() || *ty == DataType::Boolean || ty.is_nested() => text.clone(),
        Some(text) => Value::from(text.as_str()).to_string(),
    };
    let mut out = String::new();
    for row in cells(batch) {
        let member = |(field, cell): (&Arc<Field>, &Option<String>)| {
            format!("{}: {}", Value::from(field.name().as_str()), literal(field.data_type(), cell))
        };
        let members: Vec<String> = schema.fields().iter().zip(&row).map(member).collect();
        out += &format!("{{{}}}\n", members.join(", "));
    }
    out.into_bytes()
}

/// Where this package is.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The path of a fixture, as text.
pub fn fixture(name: &str) -> String {
    root().join("fixtures").join(name).to_str().unwrap().to_string()
}

/// Runs a script with DuckDB as `duckdb`, pyarrow as `pa` and `pq`, and what it prints last as JSON.
#[track_caller]
pub fn python(dir: &Dir, script: &str) -> Value {
    let venv = std::env::var_os("TIEOUT_TEST_VENV").map_or(root().join("target/test-venv"), PathBuf::from);
    let program = root().join(venv).join("bin/python");
    assert!(program.exists(), "no Python at {}: tests/run makes it", program.display());
    let prelude = "import json, sys, duckdb, pyarrow as pa, pyarrow.parquet as pq\n";
    let output = Command::new(program).current_dir(dir.path("")).args(["-c", &format!("{prelude}{script}")]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().next_back().map_or(Value::Null, |line| serde_json::from_str(line).unwrap())
}

/// Opens a file to be written to in pieces.
pub fn create(path: &Path) -> std::io::BufWriter<File> {
    std::io::BufWriter::new(File::create(path).unwrap())
}
