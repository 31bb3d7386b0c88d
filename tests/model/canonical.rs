//! Equal canonical bytes if and only if equal by a definition that is independent and slow.

use std::cmp::Ordering;
use std::path::Path;

use num_bigint::BigInt;
use tieout::audit::{Choices, KeyChoice, pair};
use tieout::engines::{Scan, ScanColumn, Session};
use tieout::model::canonical::{self, Tag};
use tieout::model::digest::{Digester, Fingerprint, key_hash};
use tieout::model::number;
use tieout::model::range::{CellSet, Cells, Coverage, Evidence, RangeOutcome, RangeRecord};
use tieout::model::row::compare_keys;
use tieout::sides::{Side, Sides};

use super::decode;
use super::files::{Format, Stored};
use super::generate::{Bounds, column, types};
use super::kinds::L;
use super::value::{Num, V};

/// What the rows of a session are in canonical bytes, as values of the first comparison with the other session.
fn encoded(sessions: &Sides<Box<dyn Session>>) -> [Vec<Vec<u8>>; 2] {
    let tables = sessions.as_ref().map(|session| session.tables().unwrap().remove(0));
    let pairing = pair(&tables, &Choices { key: KeyChoice::None, ..Choices::default() }).unwrap();
    assert!(pairing.is_complete(), "{:?}", pairing.not_compared);
    let kind = pairing.columns[0].kind.clone();
    [Side::Source, Side::Target].map(|side| {
        let column = ScanColumn { index: 0, kind: kind.clone(), raw: false, tells_absent: false };
        let scan = Scan { columns: vec![column], key_columns: 1, ..Scan::default() };
        let mut rows = Vec::new();
        for part in sessions.get(side).parts(&scan).unwrap() {
            let mut keep = |block: &mut tieout::model::row::RowBlock| {
                rows.extend(block.iter().map(|row| row.compared().to_vec()));
                Ok(())
            };
            part.unwrap().read(&mut keep).unwrap();
        }
        rows
    })
}

#[test]
fn bytes_are_equal_if_and_only_if_values_are_whatever_stores_them() {
    for seed in 0..1500 {
        let mut random = fastrand::Rng::with_seed(seed);
        let bounds = Bounds { formats: [Format::Memory; 2], alike: false };
        let types = types(&mut random, bounds);
        let column = column(&mut random, "c".to_string(), bounds, &types, 12);
        let mut values = column.pool.clone();
        values.truncate(25);
        values.push(V::Null);
        let sessions = Sides::from_fn(|side| {
            let pieces = vec![values.iter().map(|value| vec![value.clone()]).collect()];
            let side = usize::from(side == Side::Target);
            let format = Format::Memory;
            let stored = Stored { side, format, columns: vec![(0, &column)], vary: true, omit: true, pieces };
            stored.open(Path::new(""), &mut random)
        });
        let bytes = encoded(&sessions);
        let ordered = !matches!(column.ty, L::Interval | L::Json | L::List(_) | L::Struct(_) | L::Map(..));
        for (a, one) in values.iter().enumerate() {
            for (b, other) in values.iter().enumerate() {
                for [side, other_side] in [[0, 1], [0, 0], [1, 1]] {
                    let (x, y) = (&bytes[side][a], &bytes[other_side][b]);
                    assert_eq!(x == y, one == other, "seed {seed}: {one:?} and {other:?} as {:?}", column.stored);
                    if ordered {
                        assert_eq!(compare_keys(x, y), one.cmp(other), "seed {seed}: {one:?} and {other:?}");
                    }
                }
            }
        }
    }
}

/// A number in one of its spellings, through one of the ways that numbers come in.
fn push_somehow(out: &mut Vec<u8>, num: &Num, random: &mut fastrand::Rng) {
    let text = num.text();
    let fraction = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let more = random.usize(0..4);
    let scale = fraction + more;
    let unscaled = num.scaled(scale as i64);
    match (random.u8(0..6), unscaled) {
        (0, Some(unscaled)) if unscaled.parse::<i128>().is_ok() && scale < 100 => {
            number::push_decimal(out, unscaled.parse().unwrap(), scale as i8);
        }
        (1, Some(unscaled)) => number::push_big(out, &unscaled.parse::<BigInt>().unwrap(), scale as i64),
        (2, Some(unscaled)) => assert!(number::push_text(out, &format!("{unscaled}e-{scale}"))),
        (3, Some(_)) => {
            let (sign, digits) = text.strip_prefix('-').map_or(("+", text.as_str()), |digits| ("-", digits));
            let point = if digits.contains('.') { "" } else { "." };
            assert!(number::push_text(out, &format!("{sign}{}{digits}{point}{}", "0".repeat(more), "0".repeat(more))));
        }
        (4, Some(_)) if fraction == 0 && text.parse::<i128>().is_ok() => number::push_i128(out, text.parse().unwrap()),
        (5, Some(_)) => {
            // The point moved to the left of all digits.
            let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |digits| ("-", digits));
            let whole = digits.len() - fraction - usize::from(fraction > 0);
            assert!(number::push_text(out, &format!("{sign}.{}E{whole}", digits.replace('.', ""))));
        }
        _ => assert!(number::push_text(out, &text)),
    }
}

#[test]
fn numbers_are_equal_and_ordered_by_value_in_every_spelling() {
    let mut random = fastrand::Rng::with_seed(11);
    let random_number = |random: &mut fastrand::Rng| -> Num {
        let len = [1, 2, 3, 17, 18, 19, 20, 38, 39, 77, 300][random.usize(0..11)];
        let digits: String = (0..1 + random.usize(0..len)).map(|_| *random.choice(b"00199").unwrap() as char).collect();
        let exponent = random.i32(-45..20);
        let sign = if random.bool() { "-" } else { "" };
        match random.u8(0..60) {
            0 => Num::NaN,
            1 => Num::Infinite { negative: random.bool() },
            2 => Num::parse(&format!("{sign}1e{}", random.i32(280..320))).unwrap(),
            _ => Num::parse(&format!("{sign}{digits}e{exponent}")).unwrap(),
        }
    };
    for round in 0..60_000 {
        let one = random_number(&mut random);
        let other = match random.u8(0..3) {
            0 => one.clone(),
            _ => random_number(&mut random),
        };
        let (mut x, mut y) = (Vec::new(), Vec::new());
        push_somehow(&mut x, &one, &mut random);
        push_somehow(&mut y, &other, &mut random);
        assert_eq!(x.cmp(&y), one.cmp(&other), "round {round}: {} and {}", one.text(), other.text());
        assert_eq!(decode::number(&x), one, "round {round}");
    }
}

#[test]
fn floats_are_equal_and_ordered_by_value() {
    let mut random = fastrand::Rng::with_seed(12);
    for _ in 0..100_000 {
        let mut float = || match random.u8(0..5) {
            0 => f64::from_bits(random.u64(..)),
            1 => f64::from(f32::from_bits(random.u32(..))),
            2 => [0.0, -0.0, f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 5e-324][random.usize(0..7)],
            _ => f64::from(random.i8(..)),
        };
        let (one, other) = (float(), float());
        let bytes = |float| {
            let mut out = Vec::new();
            canonical::push_float(&mut out, float);
            out
        };
        let expected = match (one.is_nan(), other.is_nan()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => one.partial_cmp(&other).unwrap(),
        };
        assert_eq!(bytes(one).cmp(&bytes(other)), expected, "{one} and {other}");
        // As the shortest decimal: two floats of one width are one decimal if and only if they are one float.
        let shortest = |float: f64| {
            let mut out = Vec::new();
            canonical::push_float_as_number(&mut out, float, 64);
            out
        };
        assert_eq!(compare_keys(&shortest(one), &shortest(other)), expected, "{one} and {other}");
    }
}

#[test]
fn a_row_is_framed_without_ambiguity() {
    let mut random = fastrand::Rng::with_seed(13);
    for _ in 0..50_000 {
        let mut row = || -> Vec<Option<Vec<u8>>> {
            let value = |random: &mut fastrand::Rng| -> Option<Vec<u8>> {
                let long = if random.u8(0..20) == 0 { 250 + random.usize(0..10) } else { random.usize(0..3) };
                (random.u8(0..6) > 0).then(|| (0..long).map(|_| *random.choice(&[0, 1, 2, 11, b'|', 255]).unwrap()).collect())
            };
            (0..random.usize(0..4)).map(|_| value(&mut random)).collect()
        };
        let (one, other) = (row(), row());
        let bytes = |row: &[Option<Vec<u8>>]| {
            let mut out = Vec::new();
            for value in row {
                match value {
                    Some(value) => canonical::push_bytes(&mut out, Tag::Bytes, value),
                    None => canonical::push_null(&mut out),
                }
            }
            out
        };
        assert_eq!(bytes(&one) == bytes(&other), one == other, "{one:?} and {other:?}");
        assert_eq!(compare_keys(&bytes(&one), &bytes(&other)), one.cmp(&other), "{one:?} and {other:?}");
        let decoded: Vec<Option<Vec<u8>>> =
            decode::values(&bytes(&one)).into_iter().map(|(tag, bytes)| (tag != 0).then(|| bytes.to_vec())).collect();
        assert_eq!(decoded, one);
    }
}

#[test]
fn fingerprints_add_up_however_rows_are_split() {
    let mut random = fastrand::Rng::with_seed(14);
    for round in 0..300 {
        let digester = Digester::with_seed(random.u64(..));
        let rows: Vec<Vec<u8>> = (0..random.usize(0..200)).map(|_| vec![random.u8(0..30), random.u8(0..3)]).collect();
        let of = |rows: &[Vec<u8>]| {
            let mut sum = Fingerprint::default();
            rows.iter().for_each(|row| sum.add(digester.digest(row)));
            sum
        };
        let merge = |mut one: Fingerprint, other| {
            one.merge(other);
            one
        };
        let whole = of(&rows);
        let mut shuffled = rows.clone();
        random.shuffle(&mut shuffled);
        let (left, right) = shuffled.split_at(random.usize(0..=rows.len()));
        assert_eq!(merge(of(left), of(right)), whole, "round {round}");
        assert_eq!(merge(of(right), of(left)), whole, "round {round}");

        // The cells of any cut sum to those of a coarser one, and each row lies in just one of them.
        let bits = random.u32(1..9);
        let (fine, coarse) = (Cells::of_bits(bits + 1), Cells::of_bits(bits));
        let cells = |cells: Cells| {
            let mut sums = vec![Fingerprint::default(); cells.count()];
            rows.iter().for_each(|row| sums[cells.of(key_hash(&row[..1]))].add(digester.digest(row)));
            sums
        };
        let (sums, parents) = (cells(fine), cells(coarse));
        for (cell, parent) in parents.iter().enumerate() {
            assert_eq!(merge(sums[2 * cell], sums[2 * cell + 1]), *parent, "round {round}");
        }
        let mut coverage = Coverage::default();
        for (cell, &sum) in sums.iter().enumerate() {
            let evidence = Evidence::hashed(Sides { source: sum, target: sum });
            coverage.record(&RangeRecord { range: fine.range(cell), evidence, outcome: RangeOutcome::Equal });
        }
        assert!(coverage.is_complete());
        let chosen = random.usize(0..fine.count());
        let set = CellSet::new(fine, |cell| cell == chosen);
        for row in &rows {
            let hash = key_hash(&row[..1]);
            assert_eq!(set.contains(hash), fine.of(hash) == chosen);
            let range = fine.range(fine.of(hash));
            let hash = hash.to_be_bytes().to_vec();
            assert!(range.above.is_none_or(|above| above < hash) && range.up_to.is_none_or(|up_to| hash <= up_to));
        }
    }
}
