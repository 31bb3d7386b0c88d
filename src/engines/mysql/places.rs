//! Places of rows: what each has of the index that its table is cut by, as conditions that find it there.

use super::catalog::Described;
use super::field::Field;
use super::keys::KeyForm;
use super::scan::Projection;
use crate::engines::Scan;
use crate::error::Result;

/// Bytes of conditions in one statement: some hundreds of them, each of which the server looks up in the index, and far
/// fewer than what a server takes in one packet, or an optimizer considers before it reads the whole table.
const STATEMENT_BYTES: usize = 32 << 10;

/// How the places of rows are had.
pub(super) struct Places {
    /// What is asked for: the scan's key, and of the index what is not in it.
    pub(super) projection: Projection,
    columns: Vec<Column>,
}

/// A column of the index.
struct Column {
    quoted: String,
    form: KeyForm,
    /// Where its value is in a row.
    at: usize,
}

impl Places {
    /// The places that rows of a scan have; `None`: they have none, for there is no index, or one with values that none can be
    /// compared with.
    ///
    /// # Errors
    ///
    /// If a column of the key cannot be read.
    pub(super) fn of(described: &Described, scan: &Scan) -> Result<Option<Self>> {
        let Some(index) = described.index.as_ref().filter(|_| described.has_snapshot()) else { return Ok(None) };
        let mut projection = Projection::of(described, &scan.columns[..scan.key_columns])?;
        let column = |&place: &usize| {
            let source = &described.sources[place];
            let form = KeyForm::of_place(source, &described.table.columns[place].native)?;
            Some(Column { quoted: source.quoted.clone(), at: projection.ask(form.expression(source)), form })
        };
        let columns: Option<Vec<Column>> = index.columns.iter().map(column).collect();
        Ok(columns.map(|columns| Places { projection, columns }))
    }

    /// The condition that finds a row, and no other: what is unique in the index compares as it does there.
    pub(super) fn place(&self, row: &[Field<'_>]) -> Option<String> {
        let term = |column: &Column| Some(format!("{} = {}", column.quoted, column.form.literal(*row.get(column.at)?)?));
        let terms: Option<Vec<String>> = self.columns.iter().map(term).collect();
        Some(format!("({})", terms?.join(" AND ")))
    }
}

/// Conditions for the rows at some places, one for each statement. Not lists of values: MariaDB makes a join of long ones, and not
/// every version looks those of several columns up in the index.
pub(super) fn conditions(places: &[String]) -> impl Iterator<Item = String> {
    let mut bytes = 0;
    let batches = places.chunk_by(move |_, next| {
        bytes += next.len();
        let fits = bytes < STATEMENT_BYTES;
        bytes = if fits { bytes } else { 0 };
        fits
    });
    batches.map(|batch| format!("({})", batch.join(" OR ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_place_is_lost_between_two_statements() {
        let places: Vec<String> = (0..10_000).map(|number| format!("(`k` = {number})")).collect();
        let conditions: Vec<String> = conditions(&places).collect();
        assert!(conditions.len() > 3);
        assert!(conditions.iter().all(|condition| condition.len() < 2 * STATEMENT_BYTES));
        let found: Vec<&str> = conditions.iter().flat_map(|condition| condition[1..condition.len() - 1].split(" OR ")).collect();
        assert_eq!(found, places);
        assert_eq!(super::conditions(&[]).count(), 0);
    }
}
