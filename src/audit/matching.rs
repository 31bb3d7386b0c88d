//! Which tables are held against which.

use glob::Pattern;

use crate::error::{Error, Result};
use crate::model::schema::{Table, TableName};
use crate::sides::{Side, Sides};

/// What the user said about tables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// The table that a location names after `#`.
    pub named: Sides<Option<String>>,
    /// If not empty, only these pairs are audited; the target's name is the source's if it is not given.
    pub pairs: Vec<(String, Option<String>)>,
    /// Patterns of tables that are left out where whole databases are audited.
    pub exclude: Vec<Pattern>,
}

/// The tables of one side.
#[derive(Debug)]
pub struct Offer {
    /// All of them.
    pub tables: Vec<Table>,
    /// Whether the location stands for a single table, as files do, whatever its name.
    pub single: bool,
}

/// Tables that are held against each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TablePair {
    /// The two tables.
    pub tables: Sides<Table>,
    /// What is inexact about the match of their names.
    pub note: Option<String>,
}

/// How the tables of two sides match.
#[derive(Debug, Default)]
pub struct Matched {
    /// Pairs, in the order of the source's tables.
    pub pairs: Vec<TablePair>,
    /// Tables that only one side has.
    pub alone: Vec<(Side, Table)>,
    /// Whether whole databases are held against each other, and not a table that the user named.
    pub whole: bool,
}

/// Matches the tables of two sides.
///
/// # Errors
///
/// If a name that the user gave matches no table, or more than one, or if there is nothing to audit.
pub fn match_tables(offers: Sides<Offer>, selection: &Selection) -> Result<Matched> {
    if !selection.pairs.is_empty() {
        if let Some(named) = [&selection.named.source, &selection.named.target].into_iter().flatten().next() {
            return Err(Error::new(format!("found '#{named}' in a location as well, expected either")).at("--table"));
        }
        let pair = |(source, target): &(String, Option<String>)| {
            let source_table = find(Side::Source, &offers.source.tables, source)?;
            let target_table = find(Side::Target, &offers.target.tables, target.as_ref().unwrap_or(source))?;
            Ok(TablePair { note: None, tables: Sides { source: source_table.clone(), target: target_table.clone() } })
        };
        let pairs = selection.pairs.iter().map(pair).collect::<Result<_>>()?;
        return Ok(Matched { pairs, ..Matched::default() });
    }
    let chosen = selection.named.as_ref().zip(offers.as_ref()).try_map(|side, (name, offer)| match name {
        Some(name) => find(side, &offer.tables, name).map(Some),
        None => Ok(offer.tables.first().filter(|_| offer.single)),
    })?;
    let pair = |source: &Table, target: &Table| Matched {
        pairs: vec![TablePair { tables: Sides { source: source.clone(), target: target.clone() }, note: None }],
        ..Matched::default()
    };
    match (chosen.source, chosen.target) {
        (Some(source), Some(target)) => Ok(pair(source, target)),
        (Some(source), None) => find_like(Side::Target, &offers.target.tables, &source.name).map(|target| pair(source, target)),
        (None, Some(target)) => find_like(Side::Source, &offers.source.tables, &target.name).map(|source| pair(source, target)),
        (None, None) => match_all(offers.map(|offer| offer.tables), &selection.exclude),
    }
}

/// Ways of spelling a name, each coarser than the one before.
const SPELLINGS: [fn(&str) -> String; 3] =
    [str::to_string, str::to_lowercase, |name| name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()];

/// The table that a user means by `name`, with or without its schema.
fn find<'a>(side: Side, tables: &'a [Table], name: &str) -> Result<&'a Table> {
    for spell in SPELLINGS {
        let wanted = spell(name);
        for by in [|table: &Table| table.name.to_string(), |table: &Table| table.name.name.clone()] {
            let found: Vec<&Table> = tables.iter().filter(|table| spell(&by(table)) == wanted).collect();
            match found.as_slice() {
                [] => {}
                [one] => return Ok(one),
                [one, other, ..] => {
                    return Err(Error::new(format!("'{name}' may be {} or {}", one.name, other.name))
                        .on(side)
                        .hint("write the name as the side spells it, with its schema"));
                }
            }
        }
    }
    let known: Vec<String> = tables.iter().flat_map(|table| [table.name.to_string(), table.name.name.clone()]).collect();
    Err(Error::new(format!("no table '{name}' among {}, or the user may not see it", tables.len()))
        .on(side)
        .suggest(name, known.iter().map(String::as_str)))
}

/// The table of a database that a single table of the other side is held against.
fn find_like<'a>(side: Side, tables: &'a [Table], other: &TableName) -> Result<&'a Table> {
    find(side, tables, &other.to_string())
        .or_else(|_| find(side, tables, &other.name))
        .map_err(|error| error.hint("name the table after the location: postgres://host/database#schema.table"))
}

/// Matches whole databases by the names of their tables.
fn match_all(tables: Sides<Vec<Table>>, exclude: &[Pattern]) -> Result<Matched> {
    let is_excluded =
        |table: &Table| exclude.iter().any(|pattern| pattern.matches(&table.name.to_string()) || pattern.matches(&table.name.name));
    let tables = tables.map(|tables| tables.into_iter().filter(|table| !is_excluded(table)).collect::<Vec<_>>());
    if tables.source.is_empty() && tables.target.is_empty() {
        return Err(Error::new("found no table on either side, or none that the user may see"));
    }
    let mut target_of: Vec<Option<usize>> = vec![None; tables.source.len()];
    let exact: fn(&Table, &Table) -> bool = |one, other| one.name == other.name;
    pair_off(&tables, &mut target_of, exact);
    for spell in SPELLINGS {
        // A schema counts only where both sides have schemas: the tables of a MySQL database have none.
        pair_off(&tables, &mut target_of, move |one, other| {
            let schemas = one.name.schema.as_ref().zip(other.name.schema.as_ref());
            schemas.is_none_or(|(one, other)| spell(one) == spell(other)) && spell(&one.name.name) == spell(&other.name.name)
        });
    }
    let mut matched = Matched { whole: true, ..Matched::default() };
    let mut targets: Vec<Option<Table>> = tables.target.into_iter().map(Some).collect();
    for (source, target) in tables.source.into_iter().zip(&target_of) {
        match target.and_then(|target| targets[target].take()) {
            Some(target) => {
                let note = (source.name.name != target.name.name)
                    .then(|| format!("table names match inexactly: source '{}', target '{}'", source.name, target.name));
                matched.pairs.push(TablePair { tables: Sides { source, target }, note });
            }
            None => matched.alone.push((Side::Source, source)),
        }
    }
    matched.alone.extend(targets.into_iter().flatten().map(|table| (Side::Target, table)));
    Ok(matched)
}

/// Pairs tables that are the only ones left, on both sides, that are `alike`.
fn pair_off(tables: &Sides<Vec<Table>>, target_of: &mut [Option<usize>], alike: impl Fn(&Table, &Table) -> bool) {
    let free: Vec<usize> = (0..tables.target.len()).filter(|j| !target_of.contains(&Some(*j))).collect();
    let mut claims = vec![0; tables.target.len()];
    let mut found = Vec::new();
    for (i, source) in tables.source.iter().enumerate().filter(|(i, _)| target_of[*i].is_none()) {
        let targets: Vec<usize> = free.iter().copied().filter(|&j| alike(source, &tables.target[j])).collect();
        targets.iter().for_each(|&j| claims[j] += 1);
        if let [j] = targets[..] {
            found.push((i, j));
        }
    }
    for (i, j) in found.into_iter().filter(|(_, j)| claims[*j] == 1) {
        target_of[i] = Some(j);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str) -> Table {
        let name = match name.split_once('.') {
            Some((schema, name)) => TableName { schema: Some(schema.to_string()), name: name.to_string() },
            None => name.into(),
        };
        Table { name, columns: vec![], keys: vec![], rows: None, bytes: None }
    }

    fn offers(source: &[&str], target: &[&str]) -> Sides<Offer> {
        Sides { source, target }.map(|names| Offer { tables: names.iter().map(|name| table(name)).collect(), single: false })
    }

    /// Pairs and lonely tables as text.
    fn matched(source: &[&str], target: &[&str], selection: &Selection) -> (Vec<String>, Vec<String>) {
        let matched = match_tables(offers(source, target), selection).unwrap();
        let pair = |pair: &TablePair| {
            let inexact = if pair.note.is_some() { "~" } else { "=" };
            format!("{}{inexact}{}", pair.tables.source.name, pair.tables.target.name)
        };
        let alone = |(side, table): &(Side, Table)| format!("{side} {}", table.name);
        (matched.pairs.iter().map(pair).collect(), matched.alone.iter().map(alone).collect())
    }

    #[test]
    fn whole_databases_match_by_name_and_schemas_count_where_both_have_them() {
        let all = Selection::default();
        let (pairs, alone) = matched(&["public.InvoiceLine", "public.orders", "public.x"], &["invoice_line", "orders", "y"], &all);
        assert_eq!(pairs, ["public.InvoiceLine~invoice_line", "public.orders=orders"]);
        assert_eq!(alone, ["source public.x", "target y"]);
        let (pairs, alone) = matched(&["a.t", "b.t"], &["b.t", "c.t"], &all);
        assert_eq!((pairs, alone), (vec!["b.t=b.t".to_string()], vec!["source a.t".to_string(), "target c.t".to_string()]));
    }

    #[test]
    fn ambiguous_names_are_left_alone_and_excluded_ones_are_not_seen() {
        let (pairs, alone) = matched(&["a.t", "b.t"], &["t"], &Selection::default());
        assert_eq!((pairs.len(), alone.len()), (0, 3));
        let exclude = vec![Pattern::new("flyway_*").unwrap(), Pattern::new("b.*").unwrap()];
        let (pairs, alone) = matched(&["a.t", "b.t", "a.flyway_history"], &["t"], &Selection { exclude, ..Selection::default() });
        assert_eq!((pairs, alone.len()), (vec!["a.t=t".to_string()], 0));
    }

    #[test]
    fn names_that_the_user_gave_are_found_or_suggested() {
        let pairs = vec![("orders".to_string(), Some("Bestellung".to_string()))];
        let (found, alone) = matched(&["public.orders", "public.x"], &["bestellung"], &Selection { pairs, ..Selection::default() });
        assert_eq!((found, alone.len()), (vec!["public.orders=bestellung".to_string()], 0));
        let mistyped = Selection { pairs: vec![("ordres".to_string(), None)], ..Selection::default() };
        let error = match_tables(offers(&["public.orders"], &["orders"]), &mistyped).unwrap_err();
        assert_eq!(error.advice(), Some("did you mean 'orders'?"));
        let ambiguous = Selection { named: Sides { source: Some("t".to_string()), target: None }, ..Selection::default() };
        assert!(match_tables(offers(&["a.t", "b.t"], &["t"]), &ambiguous).unwrap_err().to_string().contains("a.t or b.t"));
    }

    #[test]
    fn a_single_table_is_held_against_the_one_of_its_name_or_the_one_that_is_named() {
        let mut file = offers(&["public.orders", "public.x"], &["orders"]);
        file.target.single = true;
        assert_eq!(match_tables(file, &Selection::default()).unwrap().pairs[0].tables.source.name, table("public.orders").name);
        let mut file = offers(&["public.orders", "public.x"], &["2024-01"]);
        file.target.single = true;
        let named = Selection { named: Sides { source: Some("orders".to_string()), target: None }, ..Selection::default() };
        assert_eq!(match_tables(file, &named).unwrap().pairs.len(), 1);
        let mut file = offers(&["public.orders"], &["2024-01"]);
        file.target.single = true;
        assert!(match_tables(file, &Selection::default()).unwrap_err().advice().unwrap().contains("#schema.table"));
    }
}
