//! Prints what an audit would do.

use std::io::{self, Write};

use comfy_table::Cell;

use super::terminal::{TerminalOptions, new_table, not_compared};
use super::words::{count, escape, plural};
use crate::model::outline::Outline;

/// Prints a plan for people, table by table.
///
/// # Errors
///
/// If `out` cannot be written to.
pub fn print(out: &mut impl Write, outlines: &[Outline], options: TerminalOptions) -> io::Result<()> {
    for (place, outline) in outlines.iter().enumerate() {
        if place > 0 {
            writeln!(out)?;
        }
        table(out, outline, options)?;
    }
    Ok(())
}

fn table(out: &mut impl Write, outline: &Outline, options: TerminalOptions) -> io::Result<()> {
    let sides = [
        ("source", &outline.tables.source, &outline.engines.source, outline.rows.source),
        ("target", &outline.tables.target, &outline.engines.target, outline.rows.target),
    ];
    for (side, table, engine, rows) in sides {
        let rows = rows.map_or_else(|| "rows not known".to_string(), |rows| plural(rows, "row"));
        writeln!(out, "{side}  {} ({}, {rows})", escape(table), escape(engine))?;
    }
    if outline.columns.is_empty() {
        writeln!(out, "cannot be audited")?;
        return outline.notes.iter().try_for_each(|note| writeln!(out, "note: {}", escape(note)));
    }
    let key = if outline.key.is_empty() { "no key: whole rows as multisets".to_string() } else { escape(&outline.key.join(", ")) };
    writeln!(out, "key     {key}")?;
    writeln!(out, "ranges  {}", outline.ranges)?;
    let method = &outline.method;
    writeln!(out, "method  {}: source {}, target {} ({})", method.domain, method.source, method.target, escape(&method.why))?;
    for (side, statement) in [("source", &outline.push.source), ("target", &outline.push.target)] {
        statement.iter().try_for_each(|sql| writeln!(out, "push    {side}: {}", escape(sql)))?;
    }
    writeln!(out, "memory  {} bytes of rows held at most, the rest is spilled", count(outline.memory_bytes))?;
    let mut table = new_table(options, &["source", "type", "target", "type", "compared as", "declared"]);
    for column in &outline.columns {
        let declared = column.declared.as_deref().unwrap_or("exact");
        let cells = [&column.source, &column.source_type, &column.target, &column.target_type, &column.compared_as, declared];
        table.add_row(cells.map(|text| Cell::new(escape(text))));
    }
    writeln!(out, "{table}")?;
    not_compared(out, &outline.not_compared, options)?;
    if !outline.complete {
        writeln!(out, "the verdict would be incomplete")?;
    }
    outline.notes.iter().try_for_each(|note| writeln!(out, "note: {}", escape(note)))
}
