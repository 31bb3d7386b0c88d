//! How files are read where their names and contents do not say it.

/// A file format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Apache Parquet.
    Parquet,
    /// Delimited text: CSV, TSV.
    Csv,
    /// One JSON object a line.
    Ndjson,
    /// Arrow IPC, file or stream.
    Arrow,
}

impl Encoding {
    /// The name in messages and in the report.
    pub fn name(self) -> &'static str {
        match self {
            Encoding::Parquet => "Parquet",
            Encoding::Csv => "CSV",
            Encoding::Ndjson => "NDJSON",
            Encoding::Arrow => "Arrow IPC",
        }
    }
}

/// How the files of one side are read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FileOptions {
    /// The format; `None`: told by the name (`orders.csv.gz` is gzipped CSV).
    pub encoding: Option<Encoding>,
    /// What separates fields; `None`: a tab for `.tsv` and `.tab`, else a comma.
    pub delimiter: Option<u8>,
    /// What encloses fields that hold delimiters; `None`: a double quote.
    pub quote: Option<u8>,
    /// Whether the first record is data, not names: columns are then `column1`, `column2` ...
    pub no_header: bool,
    /// The unquoted text that stands for NULL. `None`: an empty field is NULL in a column that is compared as
    /// anything but text, and '' in one that is compared as text.
    pub null: Option<String>,
}
