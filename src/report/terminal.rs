//! The summary of a run as people read it on a terminal.

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, ContentLineStyle, LineStyle, Table, TableStyle};

use super::shown::Shown;
use super::table::TableFiles;
use super::words::{count, escape, plural, query, shorten_pair};
use crate::model::verdict::{ColumnSummary, NotComparedSummary, SideSummary, Summary, TableSummary, Verdict};
use crate::sides::Sides;

/// Characters of a value that are shown.
pub const VALUE_CHARS_MAX: usize = 40;
/// Columns that are listed for each table; `summary.json` has them all.
const COLUMNS_MAX: usize = 40;

/// Lines around a table, below its header, and between its columns.
const STYLE: TableStyle = TableStyle::new()
    .top_border(LineStyle::new('╭', '─', '┬', '╮'))
    .header_lines(ContentLineStyle::new('│', '│', '│'))
    .header_separator(LineStyle::new('├', '─', '┼', '┤'))
    .content_lines(ContentLineStyle::new('│', '│', '│'))
    .bottom_border(LineStyle::new('╰', '─', '┴', '╯'));

/// How the summary is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TerminalOptions {
    /// Whether colours are used.
    pub colour: bool,
    /// Characters of a line, beyond which tables wrap; `None`: they never do.
    pub width: Option<u16>,
}

impl TerminalOptions {
    /// What suits stdout: colour and a width if it is a terminal, and no colour if `NO_COLOR` is set to anything.
    pub fn detect() -> Self {
        let terminal = io::stdout().is_terminal();
        let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        TerminalOptions { colour, width: Table::new().width().filter(|_| terminal) }
    }
}

/// Prints a run: the verdict, each table, its first differences, where the report is, and a query to begin with.
///
/// # Errors
///
/// If `out` cannot be written to.
pub fn print(
    out: &mut impl Write,
    summary: &Summary,
    files: &[TableFiles],
    report: &Path,
    options: TerminalOptions,
) -> io::Result<()> {
    overview(out, summary, options)?;
    for table in &summary.tables {
        section(out, summary, table, options)?;
        let sample = files.iter().find(|files| files.report == table.report).map_or(&[][..], |files| &files.sample);
        if !sample.is_empty() {
            let total = table.differences.total();
            let of = if total > sample.len() as u64 { format!(" of {}", count(total)) } else { String::new() };
            writeln!(out, "first {}{of}:", plural(sample.len() as u64, "difference"))?;
            differences(out, sample, options)?;
        }
    }
    writeln!(out, "\nreport: {}", report.display())?;
    let differing = summary.tables.iter().filter(|table| table.differences.total() > 0 && !table.report.is_empty());
    if let Some(table) = differing.max_by_key(|table| table.differences.changed) {
        writeln!(out, "duckdb: {}", query(report, table))?;
    }
    Ok(())
}

/// Prints the verdict and the two sides.
pub(super) fn overview(out: &mut impl Write, summary: &Summary, options: TerminalOptions) -> io::Result<()> {
    let differing = summary.tables.iter().filter(|table| table.differences.total() > 0).count() as u64;
    let keys: u64 = summary.tables.iter().map(|table| table.differences.total()).sum();
    let rows: u64 = summary.tables.iter().map(|table| table.rows.source).sum();
    let of = match summary.tables.len() {
        1 => String::new(),
        tables => format!(" in {} of {tables} tables", count(differing)),
    };
    let found = match (summary.verdict, keys) {
        (Verdict::TiedOut, _) => match summary.tables.len() as u64 {
            1 => format!("all {} equal", plural(rows, "row")),
            tables => format!("all {} of {} equal", plural(rows, "row"), plural(tables, "table")),
        },
        (Verdict::Drift, 0) => "the tables are not the same".to_string(),
        (Verdict::Drift, _) => format!("{} differ{of}", plural(keys, "key")).replace("key differ", "key differs"),
        (Verdict::Incomplete, 0) => "not everything was compared; no differences in the rest".to_string(),
        (Verdict::Incomplete, _) => format!("not everything was compared; {} in the rest{of}", plural(keys, "difference")),
    };
    writeln!(out, "{}: {found}", paint(summary.verdict.name(), verdict_color(summary.verdict), options))?;
    for (side, SideSummary { location, engine, position, notes }) in [("source", &summary.source), ("target", &summary.target)] {
        let position = position.as_ref().map(|position| format!(" at {}", escape(position))).unwrap_or_default();
        writeln!(out, "  {side}  {}  ({}{position})", escape(location), escape(engine))?;
        for note in notes {
            writeln!(out, "          {}: {}", paint("note", Color::Cyan, options), escape(note))?;
        }
    }
    Ok(())
}

/// Prints what was found in one table; in one line if there are other tables and nothing is to be said about it.
pub(super) fn section(out: &mut impl Write, summary: &Summary, table: &TableSummary, options: TerminalOptions) -> io::Result<()> {
    let verdict = paint(table.verdict.name(), verdict_color(table.verdict), options);
    let name = match (table.source.as_str(), table.target.as_str()) {
        (source, target) if source == target => escape(source),
        (one, "") | ("", one) => escape(one),
        (source, target) => format!("{} = {}", escape(source), escape(target)),
    };
    let declared = table.columns.iter().any(|column| column.declared.is_some());
    let quiet = !declared && table.not_compared.is_empty() && table.notes.is_empty() && table.errors.is_empty();
    if summary.tables.len() > 1 && quiet && table.verdict == Verdict::TiedOut {
        let equal = format!("{}, {}", plural(table.rows.source, "row"), plural(table.columns.len() as u64, "column"));
        return writeln!(out, "\n{}: {verdict}: {equal}", bold(&name, options));
    }
    if table.columns.is_empty() {
        writeln!(out, "\n{}: {verdict}", bold(&name, options))?;
        return remarks(out, table, options);
    }
    let key = if table.key.is_empty() { "no key".to_string() } else { format!("key {}", escape(&table.key.join(", "))) };
    writeln!(out, "\n{}: {verdict}, {key}, {:.1} s", bold(&name, options), table.seconds)?;
    writeln!(out, "{}", rows(table, options))?;
    if let Some(columns) = columns(table, options) {
        writeln!(out, "{columns}")?;
    }
    let equal = table.columns.iter().filter(|column| !is_listed(column)).count() as u64;
    if equal > 0 {
        let rest = if (equal as usize) < table.columns.len() { "other " } else { "" };
        let exact = if equal == 1 { "is equal, compared exactly" } else { "are equal, compared exactly" };
        writeln!(out, "{} {exact}", plural(equal, &format!("{rest}column")))?;
    }
    if table.ranges.failed > 0 {
        writeln!(out, "{} of {} ranges could not be read", count(table.ranges.failed), count(table.ranges.total))?;
    }
    not_compared(out, &table.not_compared, options)?;
    remarks(out, table, options)
}

/// Prints what else there is to say about a table.
fn remarks(out: &mut impl Write, table: &TableSummary, options: TerminalOptions) -> io::Result<()> {
    for note in &table.notes {
        writeln!(out, "{}: {}", paint("note", Color::Cyan, options), escape(note))?;
    }
    for error in &table.errors {
        writeln!(out, "{}: {}", paint("error", Color::Red, options), escape(error))?;
    }
    Ok(())
}

/// The books: where the rows of each side went. Keys and rows are the same number but for duplicates.
fn rows(table: &TableSummary, options: TerminalOptions) -> Table {
    let (rows, keys) = (&table.rows, &table.differences);
    let mut books = new_table(options, &["", "source", "target"]);
    let mut line = |name: String, sides: Sides<Option<u64>>, colour: Option<Color>| {
        let figure = |rows: Option<u64>| colored(Cell::new(rows.map(count).unwrap_or_default()), colour);
        books.add_row([colored(Cell::new(name), colour), figure(sides.source), figure(sides.target)]);
    };
    let both = |rows| Sides { source: Some(rows), target: Some(rows) };
    line("rows".into(), Sides { source: Some(rows.source), target: Some(rows.target) }, None);
    line("matched".into(), both(rows.matched), None);
    if keys.changed > 0 {
        line("changed".into(), both(keys.changed), Some(Color::Yellow));
    }
    if keys.missing_in_target > 0 {
        line("missing_in_target".into(), Sides { source: Some(keys.missing_in_target), target: None }, Some(Color::Red));
    }
    if keys.missing_in_source > 0 {
        line("missing_in_source".into(), Sides { source: None, target: Some(keys.missing_in_source) }, Some(Color::Red));
    }
    if keys.duplicate > 0 {
        let name = format!("duplicate ({})", plural(keys.duplicate, "key"));
        let Sides { source, target } = Sides { source: rows.duplicate.source, target: rows.duplicate.target };
        line(name, Sides { source: Some(source), target: Some(target) }, Some(Color::Magenta));
    }
    for column in 1..=2 {
        align_right(&mut books, column);
    }
    books
}

/// Whether something is to be said about a column.
fn is_listed(column: &ColumnSummary) -> bool {
    column.changed > 0 || !column.exact || column.declared.is_some()
}

/// The columns that differ, and those that are not compared exactly.
fn columns(table: &TableSummary, options: TerminalOptions) -> Option<Table> {
    let listed: Vec<&ColumnSummary> = table.columns.iter().filter(|column| is_listed(column)).collect();
    if listed.is_empty() {
        return None;
    }
    let mut columns = new_table(options, &["column", "changed", "compared as"]);
    for column in listed.iter().take(COLUMNS_MAX) {
        let name = match column.source == column.target {
            true => escape(&column.source),
            false => format!("{} = {}", escape(&column.source), escape(&column.target)),
        };
        let declared = column.declared.as_ref().map(|declared| format!(": {}", escape(declared))).unwrap_or_default();
        let changed = colored(Cell::new(count(column.changed)), (column.changed > 0).then_some(Color::Yellow));
        columns.add_row([Cell::new(name), changed, Cell::new(format!("{}{declared}", escape(&column.compared_as)))]);
    }
    if listed.len() > COLUMNS_MAX {
        columns.add_row([format!("{} more", listed.len() - COLUMNS_MAX)]);
    }
    align_right(&mut columns, 1);
    Some(columns)
}

pub(super) fn not_compared(out: &mut impl Write, columns: &[NotComparedSummary], options: TerminalOptions) -> io::Result<()> {
    for NotComparedSummary { side, column, reason, .. } in columns {
        let label = paint("not compared", Color::Cyan, options);
        writeln!(out, "{label}: {} ({side}): {}", escape(column), escape(reason))?;
    }
    match columns.iter().find(|column| !column.ignored) {
        Some(open) => {
            writeln!(out, "hint: accept this with --ignore {}, or name what is compared with --columns", escape(&open.column))
        }
        None => Ok(()),
    }
}

/// Prints differences side by side: a line for each column that differs.
pub(super) fn differences(out: &mut impl Write, differences: &[Shown], options: TerminalOptions) -> io::Result<()> {
    let mut table = new_table(options, &["difference", "column", "source", "target"]);
    for shown in differences {
        let colour = match shown.difference.as_str() {
            "changed" => Color::Yellow,
            "duplicate" => Color::Magenta,
            _ => Color::Red,
        };
        let part = |(name, value): &(String, Option<String>)| format!("{}={}", escape(name), value_text(value.as_deref()));
        let key = shown.key.iter().map(part).collect::<Vec<_>>().join(" ");
        let mut label = Some(format!("{}: {key}", shown.difference));
        let mut line = |cells: [String; 3]| {
            let label = colored(Cell::new(label.take().unwrap_or_default()), Some(colour));
            table.add_row(std::iter::once(label).chain(cells.map(Cell::new)));
        };
        for change in &shown.changes {
            let (source, target) = (change.values.source.as_deref(), change.values.target.as_deref());
            let (source, target) = match (source, target) {
                (Some(source), Some(target)) => shorten_pair(source, target, VALUE_CHARS_MAX),
                _ => (value_text(source), value_text(target)),
            };
            line([escape(&change.column), source, target]);
        }
        if shown.changes.is_empty() {
            // Missing rows are told by the difference; where keys repeat, how often they do is what differs.
            let rows =
                |rows: i64| if shown.rows.source.max(shown.rows.target) > 1 { plural(rows as u64, "row") } else { String::new() };
            line([String::new(), rows(shown.rows.source), rows(shown.rows.target)]);
        }
    }
    writeln!(out, "{table}")
}

fn value_text(value: Option<&str>) -> String {
    value.map_or_else(|| "NULL".to_string(), |value| shorten_pair(value, "", VALUE_CHARS_MAX).0)
}

pub(super) fn new_table(options: TerminalOptions, header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(STYLE);
    table.set_header(header.iter().map(|name| Cell::new(name).add_attribute(Attribute::Bold)));
    match options.width {
        Some(width) => table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width),
        None => table.set_content_arrangement(ContentArrangement::Disabled),
    };
    if options.colour {
        table.enforce_styling()
    } else {
        table.force_no_tty()
    };
    table
}

fn align_right(table: &mut Table, column: usize) {
    if let Some(column) = table.column_mut(column) {
        column.set_cell_alignment(CellAlignment::Right);
    }
}

fn colored(cell: Cell, colour: Option<Color>) -> Cell {
    match colour {
        Some(colour) => cell.fg(colour),
        None => cell,
    }
}

fn verdict_color(verdict: Verdict) -> Color {
    match verdict {
        Verdict::TiedOut => Color::Green,
        Verdict::Drift => Color::Red,
        Verdict::Incomplete => Color::Yellow,
    }
}

/// Colours a word outside of tables.
fn paint(word: &str, colour: Color, options: TerminalOptions) -> String {
    let code = match colour {
        Color::Red => "31",
        Color::Green => "32",
        Color::Yellow => "33",
        _ => "36",
    };
    if options.colour { format!("\x1b[1;{code}m{word}\x1b[0m") } else { word.to_string() }
}

fn bold(word: &str, options: TerminalOptions) -> String {
    if options.colour { format!("\x1b[1m{word}\x1b[0m") } else { word.to_string() }
}

#[cfg(test)]
mod tests {
    use super::super::samples::summary;
    use super::super::shown::Change;
    use super::*;

    fn printed(summary: &Summary, colour: bool) -> String {
        let value = |text: &str| Some(text.to_string());
        let shown = |difference: &str, key: &str, changes, rows| Shown {
            difference: difference.to_string(),
            key: vec![("id".to_string(), value(key))],
            changes,
            rows,
        };
        let change = |column: &str, source, target| Change { column: column.to_string(), values: Sides { source, target } };
        let one = Sides { source: 1, target: 1 };
        let files = TableFiles {
            report: "public.orders.diff.parquet".to_string(),
            sample: vec![
                shown(
                    "changed",
                    "7",
                    vec![change("amount", value("12.50"), value("12.05")), change("at", value("a\x1b[2Jb"), None)],
                    one,
                ),
                shown("missing_in_target", "42", Vec::new(), Sides { source: 1, target: 0 }),
                shown("duplicate", "43", Vec::new(), Sides { source: 2, target: 3 }),
            ],
        };
        let mut out = Vec::new();
        let options = TerminalOptions { colour, width: Some(100) };
        print(&mut out, summary, &[files], Path::new("tieout-report/1"), options).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn everything_that_qualifies_the_verdict_is_said() {
        let text = printed(&summary(), false);
        for part in [
            "incomplete: not everything was compared; 101 differences in the rest",
            "public.orders = orders: incomplete, key id, 6.1 s",
            "5,000,001",
            "padded text: trailing spaces are padding",
            "not compared: geom (source): geometry has no canonical form",
            "hint: accept this with --ignore geom",
            "1 of 20,000 ranges could not be read",
            "note: key is not unique",
            "error: target exports/orders.csv: line 7",
            "first 3 differences of 101:",
            "changed: id=7",
            "a\\u{1b}[2Jb",
            "NULL",
            "missing_in_target: id=42",
            "3 rows",
            "report: tieout-report/1",
            "select key.id, source.amount, target.amount from 'tieout-report/1/public.orders.diff.parquet'",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(!text.contains('\x1b'));
        assert!(printed(&summary(), true).contains("\x1b[1;33mincomplete"));
    }

    #[test]
    fn equal_tables_among_others_take_a_line() {
        let mut summary = summary();
        let mut equal = summary.tables[0].clone();
        equal.source = "customers".to_string();
        equal.target = "customers".to_string();
        equal.verdict = Verdict::TiedOut;
        equal.differences = Default::default();
        equal.columns.retain(|column| column.declared.is_none());
        (equal.notes, equal.errors, equal.not_compared) = (Vec::new(), Vec::new(), Vec::new());
        summary.tables.push(equal);
        assert!(printed(&summary, false).contains("\ncustomers: tied_out: 5,000,000 rows, 3 columns\n"));
    }
}
