//! Which columns are held against which, and by which key.

use super::comparison::choose;
use crate::error::{Error, Result};
use crate::model::comparison::{Comparison, NotCompared, Pairing};
use crate::model::schema::{Column, Table};
use crate::sides::{Side, Sides};

/// Columns that a table may have; findings number them in 16 bits.
const COLUMNS_MAX: usize = 65_535;

/// What the user said about keys and columns; names are those of the source or of the target.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choices {
    /// How rows are paired.
    pub key: KeyChoice,
    /// If not empty, only these columns are compared, and the key.
    pub columns: Vec<String>,
    /// Columns that are left out.
    pub ignore: Vec<String>,
    /// Conditions, in each side's own language, that a row must meet to be audited at all.
    pub conditions: Sides<Option<String>>,
}

/// How rows of the two sides are paired.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum KeyChoice {
    /// By a unique key that a side declares.
    #[default]
    Declared,
    /// By a unique key that a side declares, and if there is none, not at all.
    DeclaredIfAny,
    /// By these columns.
    Columns(Vec<String>),
    /// Not at all: rows are compared as multisets.
    None,
}

/// Pairs the columns of two tables and chooses their comparisons.
///
/// # Errors
///
/// If a name that the user gave matches no column, if there is no key, or if a key column cannot be compared.
pub fn pair(tables: &Sides<Table>, choices: &Choices) -> Result<Pairing> {
    let mut notes = Vec::new();
    let matches = match_columns(tables, &mut notes);
    let ignored = named_columns(tables, &matches, &choices.ignore, "--ignore")?;
    let chosen = named_columns(tables, &matches, &choices.columns, "--columns")?;
    let key = key_columns(tables, &matches, &choices.key)?;

    let mut columns = Vec::new();
    let mut not_compared = Vec::new();
    for (place, matched) in matches.iter().enumerate() {
        let is_key = key.contains(&place);
        let left_out = if ignored.contains(&place) && !is_key {
            Some("ignored by the user".to_string())
        } else if !choices.columns.is_empty() && !chosen.contains(&place) && !is_key {
            Some("not among the columns the user chose".to_string())
        } else {
            None
        };
        let left_out_by_user = left_out.is_some();
        let outcome = match (left_out, matched) {
            (Some(reason), _) => Err(reason),
            (None, Sides { source: Some(source), target: Some(target) }) => {
                choose(&source.ty, &target.ty).map(|choice| Comparison {
                    columns: Sides { source: Column::clone(source), target: Column::clone(target) },
                    kind: choice.kind,
                    declared: choice.declared,
                    raw: choice.raw,
                })
            }
            (None, Sides { source: Some(_), .. }) => Err("the target has no such column".to_string()),
            (None, _) => Err("the source has no such column".to_string()),
        };
        match outcome {
            Ok(comparison) => columns.push((place, comparison)),
            Err(reason) if is_key => {
                return Err(Error::new(format!("key column '{}' cannot be compared: {reason}", name_of(matched))));
            }
            Err(reason) => {
                let side = if matched.source.is_some() { Side::Source } else { Side::Target };
                let column = name_of(matched).to_string();
                not_compared.push(NotCompared { side, column, reason, ignored: left_out_by_user });
            }
        }
    }
    if columns.is_empty() {
        return Err(Error::new("the two tables have no column to compare")
            .hint("check that both locations name the data you mean; `tieout plan` shows what each side has"));
    }

    if columns.len() > COLUMNS_MAX {
        return Err(Error::new(format!("found {} columns to compare, expected at most {COLUMNS_MAX}", columns.len())));
    }

    let no_key = key.is_empty();
    // The key comes first, in the order the user gave; a stable sort leaves the others in the source's order.
    columns.sort_by_key(|(place, _)| key.iter().position(|part| part == place).unwrap_or(key.len()));
    let columns: Vec<Comparison> = columns.into_iter().map(|(_, comparison)| comparison).collect();
    let key_columns = if no_key { columns.len() } else { key.len() };
    let names = tables.as_ref().map(|table| table.name.to_string());
    let conditions = choices.conditions.clone();
    Ok(Pairing { tables: names, columns, key_columns, no_key, conditions, not_compared, notes })
}

/// A column on both sides, or on one.
type Match<'a> = Sides<Option<&'a Column>>;

fn name_of<'a>(matched: &Match<'a>) -> &'a str {
    matched.source.or(matched.target).map_or("", |column| &column.name)
}

/// Matches columns by name: exactly, else ignoring case, else ignoring case and separators; each only if just one
/// column of each side is left that matches so.
fn match_columns<'a>(tables: &'a Sides<Table>, notes: &mut Vec<String>) -> Vec<Match<'a>> {
    let spellings: [fn(&str) -> String; 3] = [str::to_string, str::to_lowercase, |name| {
        name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    }];
    let mut target_of: Vec<Option<usize>> = vec![None; tables.source.columns.len()];
    for spell in spellings {
        let free_source = |i: usize| target_of[i].is_none();
        let free_target = |j: usize| !target_of.contains(&Some(j));
        let mut found = Vec::new();
        for (i, column) in tables.source.columns.iter().enumerate().filter(|(i, _)| free_source(*i)) {
            let name = spell(&column.name);
            let is_alone = |columns: &[Column], free: &dyn Fn(usize) -> bool| {
                let mut same = columns.iter().enumerate().filter(|(k, other)| free(*k) && spell(&other.name) == name);
                same.next().filter(|_| same.next().is_none()).map(|(k, _)| k)
            };
            if is_alone(&tables.source.columns, &free_source).is_some()
                && let Some(j) = is_alone(&tables.target.columns, &free_target)
            {
                found.push((i, j));
            }
        }
        for (i, j) in found {
            target_of[i] = Some(j);
            let (source, target) = (&tables.source.columns[i].name, &tables.target.columns[j].name);
            if source != target {
                notes.push(format!("column names match inexactly: source '{source}', target '{target}'"));
            }
        }
    }
    let of_source = tables
        .source
        .columns
        .iter()
        .zip(&target_of)
        .map(|(column, target)| Sides { source: Some(column), target: target.map(|j| &tables.target.columns[j]) });
    let only_target = tables.target.columns.iter().enumerate().filter(|(j, _)| !target_of.contains(&Some(*j)));
    of_source.chain(only_target.map(|(_, column)| Sides { source: None, target: Some(column) })).collect()
}

/// The places in `matches` of the columns that the user named.
fn named_columns(tables: &Sides<Table>, matches: &[Match<'_>], names: &[String], flag: &str) -> Result<Vec<usize>> {
    names.iter().map(|name| find(tables, matches, name).map_err(|error| error.at(flag))).collect()
}

fn find(tables: &Sides<Table>, matches: &[Match<'_>], name: &str) -> Result<usize> {
    let known = || matches.iter().flat_map(|m| [m.source, m.target]).flatten().map(|column| column.name.as_str());
    let place_by = |is: &dyn Fn(&str) -> bool| {
        let mut places =
            (0..matches.len()).filter(|&i| [matches[i].source, matches[i].target].into_iter().flatten().any(|c| is(&c.name)));
        places.next().filter(|_| places.next().is_none())
    };
    place_by(&|column| column == name).or_else(|| place_by(&|column| column.eq_ignore_ascii_case(name))).ok_or_else(|| {
        let tables = format!("'{}' and '{}'", tables.source.name, tables.target.name);
        Error::new(format!("no column '{name}' in {tables}")).suggest(name, known())
    })
}

/// The places of the key columns; empty for no key.
fn key_columns(tables: &Sides<Table>, matches: &[Match<'_>], choice: &KeyChoice) -> Result<Vec<usize>> {
    match choice {
        KeyChoice::None => Ok(Vec::new()),
        KeyChoice::Columns(names) => {
            let key = named_columns(tables, matches, names, "--key")?;
            for (i, place) in key.iter().enumerate() {
                if key[..i].contains(place) {
                    return Err(Error::new(format!("column '{}' stands in the key twice", names[i])).at("--key"));
                }
                let matched = &matches[*place];
                if let Some(side) = Side::BOTH.into_iter().find(|side| matched.get(*side).is_none()) {
                    let other = tables.get(side);
                    let columns = other.columns.iter().map(|column| column.name.as_str());
                    return Err(Error::new(format!("key column '{}' is missing", names[i]))
                        .at(other.name.to_string())
                        .on(side)
                        .suggest(&names[i], columns));
                }
            }
            Ok(key)
        }
        KeyChoice::Declared | KeyChoice::DeclaredIfAny => {
            let declared = [&tables.source, &tables.target].into_iter().flat_map(|table| &table.keys);
            let mut usable = declared.filter_map(|key| named_columns(tables, matches, key, "key").ok());
            let shared =
                |key: &Vec<usize>| key.iter().all(|&place| matches[place].source.is_some() && matches[place].target.is_some());
            if *choice == KeyChoice::DeclaredIfAny {
                return Ok(usable.find(shared).unwrap_or_default());
            }
            usable.find(shared).ok_or_else(|| {
                Error::new(format!("'{}' and '{}' declare no key that both have", tables.source.name, tables.target.name))
                    .hint("name the columns that identify a row with --key a,b, or compare whole rows with --no-key")
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::schema::Type;

    fn table(name: &str, columns: &[(&str, Type)]) -> Table {
        let column = |(name, ty): &(&str, Type)| Column { name: name.to_string(), ty: ty.clone(), native: ty.to_string() };
        Table { name: name.into(), columns: columns.iter().map(column).collect(), keys: vec![], rows: None, bytes: None }
    }

    fn keyed(columns: &[&str]) -> Choices {
        Choices { key: KeyChoice::Columns(columns.iter().map(|c| c.to_string()).collect()), ..Choices::default() }
    }

    const INT: Type = Type::Integer { bits: 64, signed: true };

    #[test]
    fn names_match_exactly_then_without_case_then_without_separators() {
        let tables = Sides {
            source: table("s", &[("id", INT), ("Amount", INT), ("amount", INT), ("InvoiceLine", Type::Text)]),
            target: table("t", &[("invoice_line", Type::Text), ("ID", INT), ("amount", INT), ("Amount", INT)]),
        };
        let pairing = pair(&tables, &keyed(&["id"])).unwrap();
        let names: Vec<_> =
            pairing.columns.iter().map(|c| (c.columns.source.name.as_str(), c.columns.target.name.as_str())).collect();
        assert_eq!(names, [("id", "ID"), ("Amount", "Amount"), ("amount", "amount"), ("InvoiceLine", "invoice_line")]);
        assert_eq!(pairing.notes.len(), 2);
        assert!(pairing.is_complete());
    }

    #[test]
    fn an_ambiguous_name_is_not_matched() {
        let tables = Sides {
            source: table("s", &[("id", INT), ("total", INT)]),
            target: table("t", &[("id", INT), ("Total", INT), ("TOTAL", INT)]),
        };
        let pairing = pair(&tables, &keyed(&["id"])).unwrap();
        assert_eq!(pairing.columns.len(), 1);
        assert_eq!(pairing.not_compared.len(), 3);
        assert!(!pairing.is_complete());
    }

    #[test]
    fn a_column_of_one_side_is_not_compared_until_the_user_ignores_it() {
        let tables = Sides { source: table("s", &[("id", INT), ("a", INT)]), target: table("t", &[("id", INT), ("b", INT)]) };
        assert!(!pair(&tables, &keyed(&["id"])).unwrap().is_complete());
        let ignoring = Choices { ignore: vec!["a".into(), "b".into()], ..keyed(&["id"]) };
        assert!(pair(&tables, &ignoring).unwrap().is_complete());
        let choosing = Choices { columns: vec!["id".into()], ..keyed(&["id"]) };
        assert!(pair(&tables, &choosing).unwrap().is_complete());
    }

    #[test]
    fn mistyped_names_and_missing_keys_are_errors_with_advice() {
        let tables = Sides { source: table("s", &[("order_id", INT)]), target: table("t", &[("order_id", INT), ("x", INT)]) };
        let advice = |choices: &Choices| pair(&tables, choices).unwrap_err().advice().unwrap_or_default().to_string();
        assert_eq!(advice(&keyed(&["ordre_id"])), "did you mean 'order_id'?");
        assert!(advice(&Choices::default()).contains("--no-key"));
        assert!(pair(&tables, &keyed(&["x"])).unwrap_err().to_string().contains("source s: key column 'x' is missing"));
        assert!(pair(&tables, &keyed(&["order_id", "order_id"])).is_err());
    }

    #[test]
    fn the_key_comes_first_and_without_one_every_column_is_the_key() {
        let columns = [("a", INT), ("b", INT), ("c", INT)];
        let tables = Sides { source: table("s", &columns), target: table("t", &columns) };
        let pairing = pair(&tables, &keyed(&["c", "a"])).unwrap();
        let names: Vec<_> = pairing.columns.iter().map(|c| c.columns.source.name.as_str()).collect();
        assert_eq!((names, pairing.key_columns), (vec!["c", "a", "b"], 2));
        let whole = pair(&tables, &Choices { key: KeyChoice::None, ..Choices::default() }).unwrap();
        assert_eq!((whole.key_columns, whole.no_key), (3, true));
    }
}
