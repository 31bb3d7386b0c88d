//! A random case: two tables, one made of the other by random edits.

use std::collections::HashSet;

use super::files::Format::{self, *};
use super::generate::{Bounds, Column, column, types, value};
use super::kinds::L;
use super::value::V;

/// A case, in the model's terms: the key columns come first.
pub struct Case {
    pub columns: Vec<Column>,
    pub key: usize,
    pub no_key: bool,
    pub bounds: Bounds,
    /// The rows of both sides in stored order, cut into pieces.
    pub pieces: [Vec<Vec<Vec<V>>>; 2],
    pub edits: Vec<&'static str>,
}

impl Case {
    pub fn rows(&self) -> [Vec<Vec<V>>; 2] {
        [0, 1].map(|side| self.pieces[side].concat())
    }
}

/// Makes the case of a seed. With `near` the sides are two copies, stored alike and in order, that hardly differ.
pub fn case(random: &mut fastrand::Rng, near: bool) -> Case {
    let bounds = match near {
        true => Bounds { formats: [[Memory, Memory, Parquet, ArrowFile][random.usize(0..4)]; 2], alike: true },
        false => Bounds { formats: formats(random), alike: random.bool() },
    };
    let count = match random.u8(0..40) {
        0 => 0,
        1 => random.usize(300..3000),
        2..=12 => random.usize(0..8),
        _ => random.usize(0..300),
    };
    let types = types(random, bounds);
    let widest = if random.u8(0..20) == 0 { 12 } else { 5 };
    let width = random.usize(1 + usize::from(near)..=widest);
    let columns: Vec<Column> = (0..width).map(|i| column(random, format!("c{i}"), bounds, &types, count)).collect();
    let no_key = !near && random.u8(0..5) == 0;
    let key = if no_key { width } else { 1 + random.usize(0..if near { 1 } else { width.min(4) }) };

    let mut source = source_rows(random, &columns, key, count);
    let (mut target, edits) = edited(random, &columns, key, bounds, &source, near);
    if random.u8(0..8) == 0 && !no_key {
        // The same, with the sides' roles changed, where what each side stores allows it.
        let fits = |side: usize, row: &Vec<V>| columns.iter().zip(row).all(|(column, value)| column.stored[side].fits(value));
        if target.iter().all(|row| fits(0, row)) && source.iter().all(|row| fits(1, row)) {
            std::mem::swap(&mut source, &mut target);
        }
    }
    let mut sides = [source, target];
    let ordered = near || bounds.alike && random.bool();
    for (side, rows) in sides.iter_mut().enumerate() {
        if ordered {
            rows.sort()
        } else {
            arrange(random, rows)
        }
        if bounds.formats[side] == Format::Ndjson {
            name_all_columns(rows, &columns);
        }
    }
    let pieces = sides.map(|rows| pieces(random, rows));
    Case { columns, key, no_key, bounds, pieces, edits }
}

fn formats(random: &mut fastrand::Rng) -> [Format; 2] {
    match random.u8(0..100) {
        0..=69 => return [Memory; 2],
        70..=75 => return [Parquet; 2],
        _ => {}
    }
    let mut one = || [Memory, Parquet, Parquet, ArrowFile, ArrowStream, Csv, Ndjson][random.usize(0..7)];
    [one(), one()]
}

fn source_rows(random: &mut fastrand::Rng, columns: &[Column], key: usize, count: usize) -> Vec<Vec<V>> {
    let unique = random.u8(0..3) > 0;
    let skewed = !unique && random.bool();
    let row = |random: &mut fastrand::Rng| -> Vec<V> {
        columns.iter().map(|column| column.pool[random.usize(..column.pool.len())].clone()).collect()
    };
    let heavy = row(random);
    let mut known = HashSet::new();
    let mut rows = Vec::new();
    for _ in 0..count {
        let mut row = row(random);
        if skewed && random.u8(0..10) > 0 {
            row[..key].clone_from_slice(&heavy[..key]);
            if random.bool() {
                row.clone_from_slice(&heavy);
            }
        }
        if !unique || known.insert(row[..key].to_vec()) {
            rows.push(row);
        }
    }
    rows
}

/// The rows of the target: those of the source after some edits.
fn edited(
    random: &mut fastrand::Rng,
    columns: &[Column],
    key: usize,
    bounds: Bounds,
    source: &[Vec<V>],
    near: bool,
) -> (Vec<Vec<V>>, Vec<&'static str>) {
    let mut rows = source.to_vec();
    let mut edits = Vec::new();
    let count = match random.u8(0..10) {
        _ if near => random.usize(0..3),
        0..=2 => 0,
        3..=6 => 1,
        7 => 2 + random.usize(0..5),
        8 => rows.len() / 2,
        _ => rows.len() * 2,
    };
    let fresh = |random: &mut fastrand::Rng, column: &Column| {
        let stored = &column.stored[1];
        match random.u8(0..4) {
            0 => column.pool[random.usize(..column.pool.len())].clone(),
            1 => V::Null,
            _ => {
                // Text is read as what the other side stores; nothing else could be equal to it.
                let other = if bounds.texts() > 0 { &column.stored[0] } else { stored };
                value(random, &column.ty, [stored, other], bounds)
            }
        }
    };
    for _ in 0..count {
        let edit = if near { random.u8(8..16) } else { random.u8(0..12) };
        if edit == 0 || rows.is_empty() {
            rows.push(columns.iter().map(|column| fresh(random, column)).collect());
            edits.push("insert");
            continue;
        }
        let at = random.usize(..rows.len());
        let other = random.usize(..rows.len());
        let place = random.usize(..columns.len());
        match edit {
            1 => {
                rows.swap_remove(at);
                edits.push("delete");
            }
            2 | 3 => {
                rows[at][place] = fresh(random, &columns[place]);
                edits.push("change a cell");
            }
            4 => {
                let held = rows[at][place].clone();
                rows[at][place] = std::mem::replace(&mut rows[other][place], held);
                edits.push("swap a column between two rows");
            }
            5 => {
                let row = rows[at].clone();
                rows.push(row);
                edits.push("duplicate");
            }
            6 => {
                // The same new value in an even number of rows.
                let value = fresh(random, &columns[place]);
                rows[at][place] = value.clone();
                rows[other][place] = value;
                edits.push("same value in two rows");
            }
            7 => {
                // Both rows get the other's values behind the key.
                if let Ok([one, two]) = rows.get_disjoint_mut([at, other]) {
                    one[key..].swap_with_slice(&mut two[key..]);
                }
                edits.push("swap all but the key");
            }
            8 => {
                rows[at] = rows[other].clone();
                edits.push("overwrite");
            }
            9 | 12 => {
                rows[at][place] = V::Null;
                edits.push("hide a cell");
            }
            10 | 13 => {
                let fits = |value: &V| columns[place].stored.iter().all(|stored| stored.fits(value));
                if let Some(nearly) = rows[at][place].nearly().filter(fits) {
                    rows[at][place] = nearly;
                    edits.push("change a cell in its last place");
                }
            }
            _ => {
                // A letter goes over to the next row by key: together the two have the bytes that they had.
                rows.sort();
                let next = (at + 1).min(rows.len() - 1);
                let texts: Vec<usize> = (key..columns.len()).filter(|&place| columns[place].ty == L::Text).collect();
                if let (Some(&place), Ok([one, two])) = (random.choice(&texts), rows.get_disjoint_mut([at, next]))
                    && let (V::Text(one), V::Text(two)) = (&mut one[place], &mut two[place])
                    && let Some(letter) = one.pop()
                {
                    two.insert(0, letter);
                    edits.push("move a letter");
                }
            }
        }
    }
    (rows, edits)
}

/// Puts rows into an order in which tables are stored.
fn arrange(random: &mut fastrand::Rng, rows: &mut [Vec<V>]) {
    match random.u8(0..6) {
        0 => random.shuffle(rows),
        1 => {
            rows.sort();
            rows.reverse();
        }
        2 => {
            rows.sort();
            for _ in 0..1 + random.usize(0..3) {
                if rows.len() > 1 {
                    let (a, b) = (random.usize(..rows.len()), random.usize(..rows.len()));
                    rows.swap(a, b);
                }
            }
        }
        3 => {
            // Two ordered halves, as two files written one after the other.
            rows.sort();
            let middle = rows.len() / 2;
            rows.rotate_left(middle);
        }
        _ => rows.sort(),
    }
}

/// An object that lacks a column says nothing of it: some row of the side has to name each.
fn name_all_columns(rows: &mut Vec<Vec<V>>, columns: &[Column]) {
    if rows.is_empty() {
        rows.push(vec![V::Null; columns.len()]);
    }
    for place in 0..columns.len() {
        if rows.iter().all(|row| row[place] == V::Absent) {
            rows[0][place] = V::Null;
        }
    }
}

fn pieces(random: &mut fastrand::Rng, rows: Vec<Vec<V>>) -> Vec<Vec<Vec<V>>> {
    let size = match random.u8(0..4) {
        0 => rows.len().max(1),
        1 => 1 + random.usize(0..4),
        _ => 1 + random.usize(0..rows.len().max(1)),
    };
    let mut pieces: Vec<Vec<Vec<V>>> = rows.chunks(size).map(<[_]>::to_vec).collect();
    if pieces.is_empty() || random.u8(0..10) == 0 {
        pieces.insert(random.usize(0..=pieces.len()), Vec::new());
    }
    pieces
}
