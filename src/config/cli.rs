//! The command line: what can be said, and the help that teaches it. Nothing is opened or checked here.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Tells whether two copies of data tie out and, if not, which rows and columns differ
#[derive(Debug, Parser)]
#[command(name = "tieout", version, propagate_version = true, max_term_width = 100, after_help = AFTER_HELP)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const AFTER_HELP: &str = "\
Exit codes:
  0  tied out    everything asked for was compared, and is equal
  1  drift       everything asked for was compared, and there are differences
  2  usage       nothing was audited: bad flags, an unreachable side, an unknown column
  3  incomplete  something could not be compared; differences found so far are reported

Examples:
  tieout diff orders.parquet copy/orders.parquet --key order_id
  tieout plan orders.csv.gz 'exports/orders/*.parquet' --key region,order_id
  tieout diff postgres://app@db1/shop mysql://app@db2/shop
  tieout show tieout-report/20261122T101500Z-1f2e --column amount";

const DIFF_HELP: &str = "\
Locations:
  postgres://user@host/database#schema.table   mysql://user@host/database#table   sqlite:file.db#table
  Without a table, two databases are audited table by table.
  Passwords come from the URL, PGPASSWORD or ~/.pgpass, MYSQL_PWD or ~/.my.cnf.
  A file, a folder of files, or a quoted glob is one table: orders.parquet, exports/orders/, 'exports/*.csv.gz'.
  Formats: Parquet, CSV and TSV, NDJSON, Arrow IPC; text formats also compressed with gzip or zstd.
  The two sides may have different formats.

Examples:
  tieout diff source.parquet target.parquet --key order_id
      compare every column, find rows by order_id
  tieout diff postgres://app@db1/shop mysql://app@db2/shop --exclude 'flyway_*'
      every table that both databases have; one that only one side has is drift
  tieout diff postgres://app@db1/shop#orders orders.parquet --where \"updated_at < '2026-11-22'\"
      a table against its export, as far as a condition holds
  tieout diff export.csv orders.parquet --key id --null '\\N' --delimiter source=';'
      text fields are read as the types of the Parquet columns
  tieout diff a.ndjson b.ndjson --no-key
      compare whole rows, each as often as it occurs
  tieout diff old/ new/ --key region,id --ignore loaded_at --out nightly --force
      leave out a column, write the report to ./nightly";

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Compare two copies of a table, or of all tables, and report every row and column that differs
    #[command(after_help = DIFF_HELP)]
    Diff(DiffArgs),
    /// Show what would be compared and how, reading no rows
    Plan(PlanArgs),
    /// Page through the differences in a finished report
    Show(ShowArgs),
    /// Print completions for a shell, to be sourced or installed
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the man page, in roff
    Man,
}

/// What both `diff` and `plan` are told.
#[derive(Debug, Args)]
pub struct AuditArgs {
    /// The data that the copy is held against
    pub source: String,
    /// The copy
    pub target: String,
    /// Columns that identify a row, separated by commas
    #[arg(long, short, value_name = "COLUMNS", value_delimiter = ',', conflicts_with = "no_key")]
    pub key: Vec<String>,
    /// Compare whole rows as multisets, for tables without a unique key
    #[arg(long)]
    pub no_key: bool,
    /// Compare only these columns, and the key
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',', conflicts_with = "ignore")]
    pub columns: Vec<String>,
    /// Leave these columns out; they do not keep the table from tying out
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub ignore: Vec<String>,
    /// Audit only this table, or this pair of tables, of two databases (can be repeated)
    #[arg(long, value_name = "SOURCE[=TARGET]")]
    pub table: Vec<String>,
    /// Leave out tables of these names when whole databases are audited: flyway_* (can be repeated)
    #[arg(long, value_name = "PATTERN", conflicts_with = "table")]
    pub exclude: Vec<String>,
    /// Audit only rows that meet this SQL condition, on both sides
    #[arg(long, value_name = "SQL")]
    pub r#where: Option<String>,
    /// The condition on the source, in place of --where
    #[arg(long, value_name = "SQL")]
    pub source_where: Option<String>,
    /// The condition on the target, in place of --where
    #[arg(long, value_name = "SQL")]
    pub target_where: Option<String>,
    /// How long a server may take to answer a connection, such as 10s or 1m
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_duration)]
    pub connect_timeout: Duration,
    /// How long a server may take over one statement [default: as long as it takes]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub statement_timeout: Option<Duration>,
    /// Lock MySQL and MariaDB servers against writing for the moment in which snapshots are opened (needs RELOAD)
    #[arg(long)]
    pub lock: bool,
    /// How text files are read.
    #[command(flatten)]
    pub files: FileArgs,
    /// Whether rows are streamed and hashed here, or servers hash their own, so that little comes over the line
    #[arg(long, value_enum, default_value_t = MethodArg::Auto)]
    pub method: MethodArg,
    /// Threads that read and compare, and connections to each server [default: one for each core, with a server twice as many]
    #[arg(long, short, value_name = "N", value_parser = parse_jobs)]
    pub jobs: Option<usize>,
    /// Bytes of rows held while they wait to be compared, such as 500MB or 2GiB; more are spilled to disk
    #[arg(long, value_name = "SIZE", default_value = "96MiB", value_parser = parse_size)]
    pub memory: u64,
    /// Folder for rows that do not fit in memory [default: the system's]
    #[arg(long, value_name = "DIR")]
    pub temp_dir: Option<PathBuf>,
}

/// How files are read where their names and contents do not say it; each holds for both sides, or for one with
/// `source=` or `target=` before the value.
#[derive(Debug, Args)]
#[command(next_help_heading = "Files (for both sides, or for one: --null source='\\N')")]
pub struct FileArgs {
    /// The format, where the name does not tell it: parquet, csv, ndjson or arrow (can be repeated)
    #[arg(long, value_name = "FORMAT")]
    pub file_format: Vec<String>,
    /// What separates CSV fields [default: a comma; a tab in .tsv] (can be repeated)
    #[arg(long, value_name = "CHAR")]
    pub delimiter: Vec<String>,
    /// What encloses CSV fields [default: "] (can be repeated)
    #[arg(long, value_name = "CHAR")]
    pub quote: Vec<String>,
    /// CSV without names in the first record; columns are column1, column2 ... (can be repeated)
    #[arg(long, value_name = "SIDE", num_args = 0..=1, default_missing_value = "both")]
    pub no_header: Vec<String>,
    /// The unquoted CSV text that is NULL [default: nothing in text columns, an empty field in others] (can be repeated)
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub null: Vec<String>,
}

/// `tieout diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// What is compared.
    #[command(flatten)]
    pub audit: AuditArgs,
    /// Folder for the report [default: tieout-report/RUN_ID]
    #[arg(long, short, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Replace the report that is at --out
    #[arg(long, short)]
    pub force: bool,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Print nothing but errors; the exit code tells the verdict
    #[arg(long, short)]
    pub quiet: bool,
}

/// `tieout plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// What is compared.
    #[command(flatten)]
    pub audit: AuditArgs,
    /// How the plan is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// `tieout show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The folder of a finished report
    pub report: PathBuf,
    /// Only this table
    #[arg(long, value_name = "TABLE")]
    pub table: Option<String>,
    /// Only keys at which this column differs
    #[arg(long, value_name = "COLUMN")]
    pub column: Option<String>,
    /// Only this key; the parts of a composite key are separated by commas
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    pub key: Option<String>,
    /// Only differences of this kind: missing_in_target, missing_in_source, changed or duplicate
    #[arg(long, value_name = "KIND")]
    pub difference: Option<String>,
    /// Differences to show
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub limit: usize,
    /// Differences to pass over first
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub offset: usize,
}

/// How rows are had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MethodArg {
    /// Stream them, unless a pilot finds that the line is slow and servers are faster
    Auto,
    /// Stream them
    Stream,
    /// Let servers hash them, and stream those of ranges that differ
    Push,
}

/// How a result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Tables for people
    Text,
    /// The contents of summary.json; errors as one JSON object on stderr
    Json,
}

fn parse_jobs(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|&jobs| (1..=1024).contains(&jobs))
        .ok_or_else(|| "expected a whole number of threads from 1 to 1024".to_string())
}

/// Reads a number of bytes: `1048576`, `64MB`, `64MiB`, `2G`.
fn parse_size(text: &str) -> Result<u64, String> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let unit = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "k" | "kib" => 1 << 10,
        "mb" => 1_000_000,
        "m" | "mib" => 1 << 20,
        "gb" => 1_000_000_000,
        "g" | "gib" => 1 << 30,
        _ => return Err("expected a size such as 500MB or 2GiB".to_string()),
    };
    let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    bytes
        .filter(|&bytes| bytes >= MEMORY_BYTES_MIN)
        .ok_or_else(|| "expected a size of at least 1MiB, such as 500MB or 2GiB".to_string())
}

/// Reads a time: `500ms`, `10s`, `2m`, `1h`; a bare number is seconds.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let unit_ms = match unit.trim() {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        _ => return Err("expected a time such as 500ms, 10s or 2m".to_string()),
    };
    let ms = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit_ms)).filter(|&ms| ms > 0);
    ms.map(Duration::from_millis).ok_or_else(|| "expected a time such as 500ms, 10s or 2m".to_string())
}

/// The least memory that can be asked for.
const MEMORY_BYTES_MIN: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_memory_default_is_the_limit_of_the_audit() {
        assert_eq!(parse_size("96MiB"), Ok(crate::audit::MEMORY_BYTES_DEFAULT));
    }

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in [("2097152", Ok(2 << 20)), ("64MB", Ok(64_000_000)), ("2G", Ok(2 << 30)), ("3gib", Ok(3 << 30))] {
            assert_eq!(parse_size(text), bytes, "{text}");
        }
        for text in ["", "MB", "1.5GB", "64XB", "-1", "99999999999GB", "1k"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }
}
