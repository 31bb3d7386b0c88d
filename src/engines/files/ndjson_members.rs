//! The columns of NDJSON files: the members that any of their objects has, and what their values are.

use std::collections::HashMap;

use rayon::iter::{ParallelBridge, ParallelIterator};
use serde_json::value::RawValue;

use super::blocks::Block;
use super::source::DataFile;
use super::text::{self, TextTable};
use crate::error::{Error, Result};
use crate::model::json::Members;
use crate::model::schema::{Column, Type};

/// The objects of a block, one for each line that is not blank, with the byte of the block at which the line begins.
pub(super) fn objects(text: &str) -> impl Iterator<Item = (usize, Result<Members<'_>, serde_json::Error>)> {
    let mut at = 0;
    let lines = text.split_inclusive('\n').map(move |line| {
        at += line.len();
        (at - line.len(), line)
    });
    let blank = |line: &str| line.bytes().all(|byte| byte.is_ascii_whitespace());
    lines.filter(move |(_, line)| !blank(line)).map(|(start, line)| (start, serde_json::from_str(line)))
}

/// Where `error` was found: in the line that begins at `start` of `block`.
pub(super) fn malformed(error: &serde_json::Error, file: &DataFile, block: &Block, start: usize) -> Error {
    let message = error.to_string();
    // The line that serde_json counts is always the first.
    let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message);
    Error::new(format!("found no JSON object: {message}"))
        .at(format!("line {}, column {}", block.line_of(start), error.column()))
        .at(file.place())
        .hint("NDJSON has one whole object on each line")
}

/// The error for an object that has a member twice.
pub(super) fn repeated(name: &str, file: &DataFile, block: &Block, start: usize) -> Error {
    Error::new(format!("found the member '{name}' twice in one object"))
        .at(format!("line {}", block.line_of(start)))
        .at(file.place())
}

/// Reads all files of a table once: gives its columns, in the order in which their names first appear, and the
/// number of its rows.
///
/// # Errors
///
/// If a file cannot be read, or a line of it is not an object whose members have different names.
pub(super) fn discover<T: TextTable>(table: &T) -> Result<(Vec<Column>, u64)> {
    let found = text::blocks(table)
        .par_bridge()
        .try_fold(Discovery::default, |mut found, block| {
            let (file, block) = block?;
            found.add(file, &table.files()[file], &block)?;
            Ok(found)
        })
        .try_reduce(Discovery::default, |mut found, other| {
            found.merge(other);
            Ok::<_, Error>(found)
        })?;
    let mut members: Vec<(String, Member)> = found.names.names.into_iter().zip(found.members).collect();
    members.sort_by_key(|(_, member)| member.first);
    let columns = members.into_iter().map(|(name, member)| member.values.column(name)).collect();
    Ok((columns, found.rows))
}

/// Names of members, each with its number from 0.
#[derive(Debug, Default)]
pub(super) struct Names {
    names: Vec<String>,
    numbers: HashMap<String, usize>,
}

impl Names {
    /// The number of a name; `place` is the number that it would have if objects had all members in order, which is
    /// tried first.
    #[inline]
    pub(super) fn number(&self, name: &str, place: usize) -> Option<usize> {
        if self.names.get(place).is_some_and(|known| known == name) {
            return Some(place);
        }
        self.numbers.get(name).copied()
    }

    /// Adds a name that is not known, under the next number.
    pub(super) fn add(&mut self, name: &str) -> usize {
        let number = self.names.len();
        self.names.push(name.to_string());
        self.numbers.insert(name.to_string(), number);
        number
    }
}

/// What was found in some blocks.
#[derive(Debug, Default)]
struct Discovery {
    rows: u64,
    names: Names,
    members: Vec<Member>,
}

/// What was found of one member.
#[derive(Debug, Clone, Copy)]
struct Member {
    /// Where it appeared first: the file, the byte at which the line begins, the place in the object.
    first: (usize, u64, usize),
    /// The row of this discovery that had it last, counted from 1.
    row: u64,
    values: Values,
}

impl Discovery {
    fn add(&mut self, file: usize, data: &DataFile, block: &Block) -> Result<()> {
        let text = block.text().map_err(|error| error.at(data.place()))?;
        for (start, members) in objects(text) {
            let Members(members) = members.map_err(|error| malformed(&error, data, block, start))?;
            self.rows += 1;
            let row = self.rows;
            for (place, (name, value)) in members.into_iter().enumerate() {
                let member = self.member(&name, (file, block.offset + start as u64, place));
                if member.row == row {
                    return Err(repeated(&name, data, block, start));
                }
                member.row = row;
                member.values = member.values.and(Values::of(value));
            }
        }
        Ok(())
    }

    fn merge(&mut self, other: Discovery) {
        self.rows += other.rows;
        for (name, found) in other.names.names.iter().zip(other.members) {
            let member = self.member(name, found.first);
            member.first = member.first.min(found.first);
            member.values = member.values.and(found.values);
        }
    }

    /// The member of this name, first found at `first` if it is new.
    fn member(&mut self, name: &str, first: (usize, u64, usize)) -> &mut Member {
        let number = self.names.number(name, first.2).unwrap_or_else(|| {
            self.members.push(Member { first, row: 0, values: Values::NONE });
            self.names.add(name)
        });
        &mut self.members[number]
    }
}

/// Which types of value a member has, one bit for each; null is none of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Values(u8);

impl Values {
    const NONE: Values = Values(0);
    const BOOLEANS: Values = Values(1);
    /// Whole numbers that fit 64 bits.
    const INTEGERS: Values = Values(2);
    const OTHER_NUMBERS: Values = Values(4);
    const NUMBERS: Values = Values(2 | 4);
    const STRINGS: Values = Values(8);
    const ARRAYS: Values = Values(16);
    const OBJECTS: Values = Values(32);

    fn of(value: &RawValue) -> Self {
        match value.get().as_bytes().first() {
            Some(b'n') => Values::NONE,
            Some(b't' | b'f') => Values::BOOLEANS,
            Some(b'"') => Values::STRINGS,
            Some(b'[') => Values::ARRAYS,
            Some(b'{') => Values::OBJECTS,
            _ if value.get().parse::<i64>().is_ok() => Values::INTEGERS,
            _ => Values::OTHER_NUMBERS,
        }
    }

    fn and(self, other: Values) -> Self {
        Values(self.0 | other.0)
    }

    fn column(self, name: String) -> Column {
        let (ty, native) = match self {
            Values::NONE => (Type::Null, "json null"),
            Values::BOOLEANS => (Type::Boolean, "json boolean"),
            Values::INTEGERS => (Type::Integer { bits: 64, signed: true }, "json integer"),
            Values::OTHER_NUMBERS | Values::NUMBERS => (Type::Number, "json number"),
            Values::STRINGS => (Type::Untyped, "json string"),
            Values::ARRAYS => (Type::Dynamic, "json array"),
            Values::OBJECTS => (Type::Dynamic, "json object"),
            _ => (Type::Dynamic, "json of several types"),
        };
        Column { name, ty, native: native.to_string() }
    }
}
