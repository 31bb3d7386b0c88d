//! Tables with hostile keys, as text that every place turns into its own types.

use tieout::model::canonical::{Tag, push_bytes, push_null};
use tieout::model::kind::Kind;
use tieout::model::parse::push_text_as;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ty {
    Integer,
    Decimal,
    Double,
    Boolean,
    Text,
    /// Text too long for a key.
    Long,
    /// Written in hexadecimal digits.
    Bytes,
    Date,
    Timestamp,
    Uuid,
}

/// The rows of a table: of each the canonical key, and all canonical values.
pub type Rows = Vec<(Vec<u8>, Vec<u8>)>;

/// A table.
pub struct TestTable {
    pub name: &'static str,
    /// The columns, those of the key first.
    pub columns: Vec<(&'static str, Ty)>,
    /// How many of them are the key.
    pub key: usize,
    /// Whether the key is unique and has no NULL, and is declared.
    pub declared: bool,
    pub rows: Vec<Vec<Option<String>>>,
}

impl TestTable {
    /// The rows in the canonical form of these kinds.
    pub fn expected<'a>(&self, kinds: impl Iterator<Item = &'a Kind> + Clone) -> Rows {
        let row = |row: &Vec<Option<String>>| {
            let (mut bytes, mut key_end) = (Vec::new(), 0);
            for (place, ((cell, kind), (_, ty))) in row.iter().zip(kinds.clone()).zip(&self.columns).enumerate() {
                match cell {
                    None => push_null(&mut bytes),
                    Some(text) if *ty == Ty::Bytes => push_bytes(&mut bytes, Tag::Bytes, &unhex(text)),
                    Some(text) => push_text_as(&mut bytes, kind, text),
                }
                if place + 1 == self.key {
                    key_end = bytes.len();
                }
            }
            (bytes[..key_end].to_vec(), bytes)
        };
        self.rows.iter().map(row).collect()
    }

    /// Whether a column holds text with a NUL in it.
    pub fn has_nul(&self) -> bool {
        self.rows.iter().flatten().flatten().any(|cell| cell.contains('\0'))
    }
}

pub fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

/// A table whose rows are keys, given in some order, and a number `v` that counts them.
fn keyed<const N: usize>(
    name: &'static str,
    key: [(&'static str, Ty); N],
    declared: bool,
    keys: Vec<[Option<String>; N]>,
) -> TestTable {
    let columns = key.into_iter().chain([("v", Ty::Integer)]).collect();
    let rows = keys.into_iter().enumerate().map(|(i, key)| key.into_iter().chain([Some(i.to_string())]).collect()).collect();
    TestTable { name, columns, key: N, declared, rows }
}

fn some(text: impl ToString) -> Option<String> {
    Some(text.to_string())
}

/// Integers at the ends of their type, around zero, and with a gap that equal steps would fall into.
fn hostile_integers() -> Vec<i64> {
    let edges = [i64::MIN, i64::MIN + 1, -1_000_000_007, -256, -255, -1, 0, i64::MAX - 1, i64::MAX];
    edges.into_iter().chain(1..=1000).chain((0..1000).map(|i| 1_000_000_000_000 + i * i)).collect()
}

/// Text that collations order, fold, trim or cut otherwise than bytes are.
const TEXTS: &[&str] = &[
    "",
    " ",
    "  ",
    "a",
    "A",
    "a ",
    "a  ",
    "A ",
    "á",
    "a\u{301}",
    "ä",
    "ae",
    "æ",
    "ß",
    "ss",
    "SS",
    "z",
    "Z",
    "é",
    "e",
    "E",
    "É",
    "a-b",
    "ab",
    "a_b",
    "a b",
    "a%b",
    "a'b",
    "a\"b",
    "a\\b",
    "a\\",
    "`",
    "$1",
    "?",
    "😀",
    "\u{fffd}",
    "\u{10ffff}",
    "日本",
    "ı",
    "I",
    "i",
    "İ",
    "co-op",
    "coop",
    "CO-OP",
    "1",
    "10",
    "2",
    "01",
    "-1",
    "NULL",
    "null",
    "\t",
    "\n",
    "a\nb",
    "\u{7f}",
    "\u{80}",
    "ﬁ",
    "fi",
    "ſ",
    "s",
    "K",
    "k",
];

/// All tables of the suite.
pub fn tables() -> Vec<TestTable> {
    let mut random = fastrand::Rng::with_seed(20);
    let mut shuffled = |mut keys: Vec<i64>| {
        random.shuffle(&mut keys);
        keys
    };
    let one = |keys: Vec<i64>| keys.into_iter().map(|key| [some(key)]).collect::<Vec<_>>();
    let texts = |texts: &[&str]| texts.iter().map(|text| [some(text)]).collect::<Vec<_>>();
    let integer_key = [("k", Ty::Integer)];

    let integers = keyed("integers", integer_key, true, one(shuffled(hostile_integers())));
    let mut sorted = hostile_integers();
    sorted.sort_unstable();
    let sorted = keyed("ascending", integer_key, true, one(sorted));
    let repeated = keyed("repeated", integer_key, false, one(shuffled((0..3000).map(|i| i % 7 * i % 50).collect())));
    let mut nulls: Vec<[Option<String>; 1]> = one(shuffled((-20..20).collect()));
    (0..10).for_each(|i| nulls.insert(i * 3, [None]));
    let nulls = keyed("nulls", integer_key, false, nulls);
    let pairs = shuffled((0..900).collect())
        .into_iter()
        .map(|i| [some(["same", "Same", "other", "öther"][(i % 4) as usize]), some(i / 4 - 100)]);
    let pairs = keyed("pairs", [("a", Ty::Text), ("b", Ty::Integer)], true, pairs.collect());
    let half_null = (0..40).map(|i| [if i % 3 == 0 { None } else { some(i % 5) }, if i % 4 == 0 { None } else { some("x") }]);
    let half_null = keyed("half_null", [("a", Ty::Integer), ("b", Ty::Text)], false, half_null.collect());
    let uuid = |i: i64| format!("{:08x}-0000-4000-8000-{:012x}", (i as u32).wrapping_mul(2_654_435_761), i);
    let uuids = shuffled((0..2000).collect()).into_iter().map(|i| [some(uuid(i))]);
    let uuids = keyed("uuids", [("k", Ty::Uuid)], true, uuids.collect());
    let decimal = |i: i64| [some(format!("{}{}.{:04}", if i < 0 { "-" } else { "" }, i.abs() / 7, i.abs() * 13 % 10_000))];
    let mut decimals: Vec<[Option<String>; 1]> =
        shuffled((-700..700).filter(|i| i % 7 != 0).collect()).into_iter().map(decimal).collect();
    decimals.extend(["99999999999.9999", "-99999999999.9999", "0.0000", "-0.0001"].map(|text| [some(text)]));
    let decimals = keyed("decimals", [("k", Ty::Decimal)], true, decimals);
    let moment = |i: i64| {
        [some(format!("{:04}-{:02}-{:02} {:02}:00:{:02}.{:06}", 1960 + i % 40, i % 12 + 1, i % 28 + 1, i % 24, i % 60, i * 997))]
    };
    let mut moments: Vec<[Option<String>; 1]> = shuffled((0..1000).collect()).into_iter().map(moment).collect();
    moments.extend(
        ["1969-12-31 23:59:59.999999", "1970-01-01 00:00:00.000000", "1000-01-01 00:00:00.000000"].map(|text| [some(text)]),
    );
    let moments = keyed("moments", [("k", Ty::Timestamp)], true, moments);
    let days = shuffled((0..800).collect())
        .into_iter()
        .map(|i| [some(format!("{:04}-{:02}-{:02}", 1000 + i * 9, i % 12 + 1, i % 28 + 1))]);
    let days = keyed("days", [("k", Ty::Date)], true, days.collect());
    let bytes = shuffled((0..600).collect()).into_iter().map(|i| [some(format!("{:02x}{:02x}", i % 256, i / 256))]);
    let mut bytes: Vec<[Option<String>; 1]> = bytes.collect();
    bytes.extend(["", "00", "ff", "ff00ff"].map(|text| [some(text)]));
    let bytes = keyed("bytes", [("k", Ty::Bytes)], true, bytes);
    let doubles = [
        "0.1",
        "-0.1",
        "1e300",
        "-1e300",
        "2.2250738585072014e-308",
        "0.30000000000000004",
        "0.3",
        "9007199254740992",
        "1.5",
        "-2.5",
    ];
    let doubles = keyed("doubles", [("k", Ty::Double)], false, texts(&doubles));
    let codes: Vec<String> = (0..1500).map(|i| format!("{}{:03}", ["ab", "Ab", "aB", "zz", "Ä", "é-"][i % 6], i / 6)).collect();
    let codes = keyed("codes", [("k", Ty::Text)], true, codes.into_iter().map(|code| [Some(code)]).collect());

    vec![
        integers,
        sorted,
        repeated,
        nulls,
        pairs,
        half_null,
        uuids,
        decimals,
        moments,
        days,
        bytes,
        doubles,
        codes,
        keyed("texts", [("k", Ty::Text)], false, texts(TEXTS)),
        keyed("nuls", [("k", Ty::Text)], false, texts(&["a", "a\0", "\0", "a\0b", "", "b"])),
        keyed("no_rows", integer_key, true, Vec::new()),
        large(),
        wide(),
    ]
}

/// More rows than one part holds: dense keys, then far ones, in the order of their keys.
fn large() -> TestTable {
    let mut random = fastrand::Rng::with_seed(4);
    let keys = (-9..0i64).chain(1..=12_000).chain((0..12_000).map(|i| 1_000_000_000_000 + i * 7919));
    let filler = |random: &mut fastrand::Rng| (0..1000).map(|_| random.alphanumeric()).collect::<String>();
    let rows = keys.enumerate().map(|(i, key)| vec![some(key), some(i), Some(filler(&mut random))]).collect();
    TestTable {
        name: "large",
        columns: vec![("k", Ty::Integer), ("v", Ty::Integer), ("f", Ty::Long)],
        key: 1,
        declared: true,
        rows,
    }
}

/// A column of each type, with NULLs.
fn wide() -> TestTable {
    let columns = [
        ("k", Ty::Integer),
        ("v", Ty::Integer),
        ("de", Ty::Decimal),
        ("fl", Ty::Double),
        ("bo", Ty::Boolean),
        ("te", Ty::Text),
        ("lo", Ty::Long),
        ("da", Ty::Date),
        ("ti", Ty::Timestamp),
        ("uu", Ty::Uuid),
    ];
    let cell = |i: i64, ty: Ty| match ty {
        Ty::Integer => some(i),
        Ty::Decimal => some(format!("{i}.25")),
        Ty::Double => some(i as f64 + 0.1),
        Ty::Boolean => some(i % 2),
        Ty::Text => some(TEXTS[i as usize % TEXTS.len()]),
        Ty::Long => some("é".repeat(i as usize * 7)),
        Ty::Bytes => some(format!("{i:04x}")),
        Ty::Date => some(format!("2024-01-{:02}", i % 31 + 1)),
        Ty::Timestamp => some(format!("2024-01-01 10:00:00.{i:06}")),
        Ty::Uuid => some(format!("550e8400-e29b-41d4-a716-{i:012x}")),
    };
    let row = |i: i64| {
        let value =
            |(place, (_, ty)): (usize, &(&str, Ty))| if place > 1 && (i + place as i64) % 9 == 0 { None } else { cell(i, *ty) };
        columns.iter().enumerate().map(value).collect()
    };
    TestTable { name: "wide", rows: (0..200).map(row).collect(), columns: columns.to_vec(), key: 1, declared: true }
}
