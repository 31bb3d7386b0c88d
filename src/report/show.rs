//! A finished report, looked at again: its summary, and its differences page by page.
//!
//! Differences are read as a stream, however many there are: a filter reads the columns that it asks about, and the
//! other columns only of the rows that it lets through.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use arrow::array::{AsArray, BooleanArray, RecordBatch, StructArray};
use arrow::error::ArrowError;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowPredicate, ArrowPredicateFn, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowFilter,
};

use super::json;
use super::shown::{Shown, key_text};
use super::terminal::{self, TerminalOptions};
use super::words::{count, escape};
use crate::error::{Error, Result};
use crate::model::finding::Difference;
use crate::model::verdict::{Summary, TableSummary};

/// Differences shown unless told otherwise.
pub const LIMIT_DEFAULT: usize = 20;
/// Rows of a file that are in memory at a time.
const BATCH_ROWS: usize = 256;

/// What is shown of a report.
#[derive(Debug, Clone)]
pub struct ShowOptions {
    /// The folder of the report.
    pub report: PathBuf,
    /// Only this table, by its name on either side.
    pub table: Option<String>,
    /// Only keys at which this column changed, by its name on either side.
    pub column: Option<String>,
    /// Only this key: its values as they are shown, with commas between them.
    pub key: Option<String>,
    /// Only this difference, such as `changed`.
    pub difference: Option<String>,
    /// Most differences to show; [`LIMIT_DEFAULT`] by default.
    pub limit: usize,
    /// Differences to pass over first; 0 by default.
    pub offset: u64,
    /// How they are printed.
    pub terminal: TerminalOptions,
}

/// Prints the summary of a report, and those of its differences that are asked for. A reader who has seen enough
/// (a closed pipe) is no error.
///
/// # Errors
///
/// If the folder is no report, a name matches nothing in it, or it cannot be read.
pub fn show(out: &mut impl Write, options: &ShowOptions) -> Result<()> {
    let summary = json::read(&options.report)?;
    let tables = chosen_tables(&summary, options)?;
    let difference = options.difference.as_deref().map(known_difference).transpose()?;
    let printed = |result: io::Result<()>| match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Error::caused("cannot write to stdout", error)),
        Err(_) => Ok(false),
        Ok(()) => Ok(true),
    };
    if !printed(terminal::overview(out, &summary, options.terminal))? {
        return Ok(());
    }
    let (mut skip, mut room) = (options.offset, options.limit);
    for (table, column) in tables {
        if !printed(terminal::section(out, &summary, table, options.terminal))? {
            return Ok(());
        }
        if room == 0 || table.report.is_empty() {
            continue;
        }
        let path = options.report.join(&table.report);
        let page =
            read_page(&path, filters(options, column, difference), skip, room).map_err(|e| e.at(path.display().to_string()))?;
        skip -= page.skipped;
        room -= page.shown.len();
        if !printed(print_page(out, &page, options))? {
            return Ok(());
        }
    }
    Ok(())
}

/// The tables asked for, each with the source name of the column asked for.
fn chosen_tables<'a>(summary: &'a Summary, options: &ShowOptions) -> Result<Vec<(&'a TableSummary, Option<&'a str>)>> {
    let at = |error: Error| error.at(options.report.display().to_string());
    let named = |table: &&TableSummary| options.table.as_ref().is_none_or(|name| table.source == *name || table.target == *name);
    let tables: Vec<&TableSummary> = summary.tables.iter().filter(named).collect();
    if let (Some(name), true) = (&options.table, tables.is_empty()) {
        let known = summary.tables.iter().flat_map(|table| [table.source.as_str(), table.target.as_str()]);
        return Err(at(Error::new(format!("found no table '{name}'")).suggest(name, known)));
    }
    let Some(name) = &options.column else { return Ok(tables.into_iter().map(|table| (table, None)).collect()) };
    let with_column = tables.iter().filter_map(|table| {
        let column = table.columns.iter().find(|column| column.source == *name || column.target == *name)?;
        Some((*table, Some(column.source.as_str())))
    });
    let with_column: Vec<_> = with_column.collect();
    if with_column.is_empty() {
        let known =
            tables.iter().flat_map(|table| &table.columns).flat_map(|column| [column.source.as_str(), column.target.as_str()]);
        return Err(at(Error::new(format!("found no compared column '{name}'")).suggest(name, known)));
    }
    Ok(with_column)
}

fn known_difference(name: &str) -> Result<Difference> {
    let names = Difference::ALL.map(Difference::name);
    let known = Difference::ALL.into_iter().find(|difference| difference.name() == name);
    known.ok_or_else(|| Error::new(format!("found difference '{name}', expected one of {}", names.join(", "))).suggest(name, names))
}

/// What a difference must be to be shown: a column of the file, and a test of it.
type Filter = (&'static str, Box<dyn Fn(&RecordBatch, usize) -> bool + Send>);

fn filters(options: &ShowOptions, column: Option<&str>, difference: Option<Difference>) -> Vec<Filter> {
    let mut filters: Vec<Filter> = Vec::new();
    if let Some(difference) = difference {
        let is = move |batch: &RecordBatch, row: usize| {
            batch.column(0).as_string_opt::<i32>().is_some_and(|names| names.value(row) == difference.name())
        };
        filters.push(("difference", Box::new(is)));
    }
    if let Some(column) = column.map(str::to_string) {
        let has = move |batch: &RecordBatch, row: usize| {
            let names = batch.column(0).as_list_opt::<i32>().map(|names| names.value(row));
            let names = names.as_ref().and_then(|names| names.as_string_opt::<i32>());
            names.is_some_and(|names| names.iter().any(|name| name == Some(&*column)))
        };
        filters.push(("changed_columns", Box::new(has)));
    }
    if let Some(key) = options.key.clone() {
        let is = move |batch: &RecordBatch, row: usize| {
            batch.column(0).as_struct_opt().is_some_and(|values: &StructArray| key_text(values, row) == key)
        };
        filters.push(("key", Box::new(is)));
    }
    filters
}

/// A page of differences.
struct Page {
    shown: Vec<Shown>,
    /// Differences passed over.
    skipped: u64,
    /// Whether there are more behind the page.
    more: bool,
}

fn read_page(path: &Path, filters: Vec<Filter>, skip: u64, room: usize) -> Result<Page> {
    let mut page = Page { shown: Vec::new(), skipped: 0, more: false };
    for batch in open(path, filters)? {
        let batch = batch.map_err(|error| Error::caused("cannot be read", error))?;
        let start = (skip - page.skipped).min(batch.num_rows() as u64);
        page.skipped += start;
        for row in start as usize..batch.num_rows() {
            if page.shown.len() == room {
                page.more = true;
                return Ok(page);
            }
            page.shown.push(Shown::read(&batch, row)?);
        }
    }
    Ok(page)
}

fn open(path: &Path, filters: Vec<Filter>) -> Result<ParquetRecordBatchReader> {
    let unreadable = |error| Error::caused("cannot be read", error);
    let file = File::open(path).map_err(|error| Error::caused("cannot be read", error))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(unreadable)?.with_batch_size(BATCH_ROWS);
    let mut predicates: Vec<Box<dyn ArrowPredicate>> = Vec::new();
    for (column, test) in filters {
        let at = builder.schema().index_of(column).map_err(|error| Error::caused("is no file of differences", error))?;
        let columns = ProjectionMask::roots(builder.parquet_schema(), [at]);
        let rows = move |batch: RecordBatch| -> Result<BooleanArray, ArrowError> {
            Ok((0..batch.num_rows()).map(|row| Some(test(&batch, row))).collect())
        };
        predicates.push(Box::new(ArrowPredicateFn::new(columns, rows)));
    }
    builder.with_row_filter(RowFilter::new(predicates)).build().map_err(unreadable)
}

fn print_page(out: &mut impl Write, page: &Page, options: &ShowOptions) -> io::Result<()> {
    let asked = [("--column", &options.column), ("--key", &options.key), ("--difference", &options.difference)];
    let asked: Vec<_> = asked.iter().filter_map(|(flag, value)| Some(format!("{flag} {}", escape(value.as_ref()?)))).collect();
    let of = if asked.is_empty() { String::new() } else { format!(" with {}", asked.join(" ")) };
    if page.shown.is_empty() {
        return match page.skipped {
            0 if asked.is_empty() => Ok(()),
            0 => writeln!(out, "no differences{of}"),
            skipped => writeln!(out, "no more than {} differences{of}", count(skipped)),
        };
    }
    let last = page.skipped + page.shown.len() as u64;
    writeln!(out, "differences {} to {}{of}:", count(page.skipped + 1), count(last))?;
    terminal::differences(out, &page.shown, options.terminal)?;
    match page.more {
        true => writeln!(out, "hint: see what follows with --offset {}", options.offset + options.limit as u64),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{orders, random_findings, summary};
    use super::super::{Report, Sink, TableOptions};
    use super::*;

    fn shown(change: impl FnOnce(&mut ShowOptions)) -> Result<String> {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        let mut report = Report::create(&out, false).unwrap();
        let mut table = report.table(&orders(), TableOptions::default()).unwrap();
        table.findings(random_findings(0..1000, 9)).unwrap();
        table.finish().unwrap();
        report.finish(&summary()).unwrap();
        let mut options = ShowOptions {
            report: out,
            table: None,
            column: None,
            key: None,
            difference: None,
            limit: 5,
            offset: 0,
            terminal: TerminalOptions { colour: false, width: None },
        };
        change(&mut options);
        let mut text = Vec::new();
        show(&mut text, &options).map(|()| String::from_utf8(text).unwrap())
    }

    #[test]
    fn pages_follow_one_another() {
        let keys = |text: &str| -> Vec<String> {
            let ids = text.match_indices("id=").map(|(at, _)| text[at + 3..].split_whitespace().next().unwrap().to_string());
            ids.collect()
        };
        let all = keys(&shown(|options| options.limit = 2000).unwrap());
        assert_eq!(all.len(), 1000);
        let page = shown(|options| options.offset = 700).unwrap();
        assert_eq!(keys(&page), all[700..705]);
        assert!(page.contains("differences 701 to 705:") && page.contains("--offset 705"), "{page}");
        let last = shown(|options| options.offset = 998).unwrap();
        assert!(keys(&last).len() == 2 && !last.contains("--offset"), "{last}");
        assert!(shown(|options| options.offset = 2000).unwrap().contains("no more than 1,000 differences"));
    }

    #[test]
    fn differences_are_found_by_key_column_and_kind() {
        let by_key = shown(|options| options.key = Some("77".to_string())).unwrap();
        assert_eq!(by_key.matches("id=").count(), 1);
        assert!(by_key.contains("id=77 "), "{by_key}");
        let changed = shown(|options| options.column = Some("at".to_string())).unwrap();
        assert_eq!((changed.matches("changed: id=").count(), changed.matches("id=").count()), (5, 5));
        assert!(shown(|options| options.column = Some("name".to_string())).unwrap().contains("no differences with --column name"));
        let missing = shown(|options| options.difference = Some("missing_in_source".to_string())).unwrap();
        assert_eq!((missing.matches("missing_in_source: id=").count(), missing.matches("id=").count()), (5, 5));
    }

    #[test]
    fn what_is_not_there_is_an_error_with_a_suggestion() {
        let advice = |change: fn(&mut ShowOptions)| shown(change).unwrap_err().advice().map(str::to_string);
        assert_eq!(advice(|options| options.table = Some("ordres".into())).as_deref(), Some("did you mean 'orders'?"));
        assert_eq!(advice(|options| options.column = Some("amuont".into())).as_deref(), Some("did you mean 'amount'?"));
        assert_eq!(advice(|options| options.difference = Some("change".into())).as_deref(), Some("did you mean 'changed'?"));
        let error = shown(|options| options.report = "/nowhere".into()).unwrap_err();
        assert_eq!(error.to_string(), "/nowhere: found no folder, expected a report");
    }
}
