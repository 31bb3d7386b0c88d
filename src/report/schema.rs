//! The columns of a `.diff.parquet` file: what each type of a side is written as, and which values fill which column.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit};
use parquet::arrow::ArrowSchemaConverter;
use parquet::errors::ParquetError;

use crate::model::comparison::{Comparison, Pairing};
use crate::model::kind::Kind;
use crate::model::schema::Type;
use crate::sides::{Side, Sides};

/// Most digits of a number that is written as a decimal. DuckDB reads longer ones as doubles, so they are text.
const DECIMAL_DIGITS_MAX: u8 = 38;

/// Arrow's name for sixteen bytes that are a UUID; in Parquet they have the logical type UUID.
pub const UUID_EXTENSION: &str = "arrow.uuid";

/// One column of the file, or one member of one of its structs: what one thread builds and encodes.
#[derive(Debug)]
pub struct Part {
    /// The column; if it is a struct, with this one member alone.
    pub root: FieldRef,
    /// What fills it.
    pub content: Content,
    /// The number of Parquet columns it takes.
    pub leaves: usize,
    /// The part that has the same values wherever the column does not differ: the source's, of the target's column.
    pub mirrors: Option<usize>,
}

/// What fills a part.
#[derive(Debug)]
pub enum Content {
    /// The name of the difference.
    Difference,
    /// The source names of the columns that differ.
    ChangedColumns,
    /// How many rows the side has with the key.
    Rows(Side),
    /// A key column: the source's value, or the target's where the source has no row.
    Key(Sides<usize>, Kind),
    /// A column of a side.
    Value(Side, usize, Kind),
}

impl Content {
    /// Whether it takes the value at `place` out of the rows of a side.
    pub fn looks_at(&self, side: Side, place: usize) -> bool {
        match self {
            Content::Difference | Content::ChangedColumns | Content::Rows(_) => false,
            Content::Key(places, _) => *places.get(side) == place,
            Content::Value(of, at, _) => (*of, *at) == (side, place),
        }
    }
}

/// The columns of one file.
#[derive(Debug)]
pub struct DiffSchema {
    /// The file's schema.
    pub schema: SchemaRef,
    /// The parts in the order of the file's Parquet columns.
    pub parts: Vec<Part>,
    /// The source names of the compared columns.
    pub names: Vec<String>,
}

impl DiffSchema {
    /// The columns for the differences of a pair of tables.
    ///
    /// # Errors
    ///
    /// If Parquet has no place for one of the types.
    pub fn new(pairing: &Pairing) -> Result<Self, ParquetError> {
        let places = Sides::from_fn(|side| places(&pairing.columns, side));
        let names = Sides::from_fn(|side| unique_names(&pairing.columns, side));
        let member = |side: Side, i: usize| {
            let column = &pairing.columns[i];
            let ty = if *column.raw.get(side) { &Type::Text } else { &column.columns.get(side).ty };
            field(&names.get(side)[i], ty)
        };
        let kind = |i: usize| pairing.columns[i].kind.clone();
        let mut columns: Vec<(Field, Vec<Content>)> =
            vec![(Field::new("difference", DataType::Utf8, false), vec![Content::Difference])];

        let keys = 0..pairing.key_columns;
        let key = keys.clone().map(|i| member(Side::Source, i)).collect();
        let content = keys.map(|i| {
            // A key that the source holds as text is text; the target's is then text as well, where it has it.
            let target = if pairing.columns[i].raw.source { places.target[i] } else { i };
            Content::Key(Sides { source: places.source[i], target }, kind(i))
        });
        columns.push((Field::new("key", DataType::Struct(key), false), content.collect()));

        let changed = DataType::List(Arc::new(Field::new("item", DataType::Utf8, false)));
        columns.push((Field::new("changed_columns", changed, false), vec![Content::ChangedColumns]));
        for side in Side::BOTH {
            let all = 0..pairing.columns.len();
            let members = all.clone().map(|i| member(side, i)).collect();
            let content = all.map(|i| Content::Value(side, places.get(side)[i], kind(i)));
            columns.push((Field::new(side.to_string(), DataType::Struct(members), true), content.collect()));
        }
        for side in Side::BOTH {
            columns.push((Field::new(format!("{side}_rows"), DataType::Int64, false), vec![Content::Rows(side)]));
        }

        let schema = Arc::new(Schema::new(columns.iter().map(|(field, _)| field.clone()).collect::<Vec<_>>()));
        let mut parts = Vec::new();
        for (column, contents) in columns {
            for (i, content) in contents.into_iter().enumerate() {
                let root = match column.data_type() {
                    DataType::Struct(members) => {
                        let alone = DataType::Struct(Fields::from(vec![members[i].clone()]));
                        Field::new(column.name(), alone, column.is_nullable())
                    }
                    _ => column.clone(),
                };
                let leaves = ArrowSchemaConverter::new().convert(&Schema::new(vec![root.clone()]))?.num_columns();
                parts.push(Part { root: Arc::new(root), content, leaves, mirrors: None });
            }
        }
        for at in 0..parts.len() {
            parts[at].mirrors = parts[..at].iter().position(|part| is_mirrored(part, &parts[at], pairing.columns.len()));
        }
        Ok(DiffSchema { schema, parts, names: names.source })
    }
}

/// Whether two parts are the two sides of a column, and have the same values where its canonical values are the same:
/// not what is kept as the side holds it, behind the `compared` columns.
fn is_mirrored(source: &Part, target: &Part, compared: usize) -> bool {
    let (Content::Value(Side::Source, place, kind), Content::Value(Side::Target, other_place, other_kind)) =
        (&source.content, &target.content)
    else {
        return false;
    };
    let types = [source, target].map(|part| match part.root.data_type() {
        DataType::Struct(members) => members.iter().map(|member| member.data_type().clone()).collect(),
        _ => Vec::new(),
    });
    place == other_place && *place < compared && kind == other_kind && types[0] == types[1]
}

/// Where each column's value for the report stands among the values of a side's rows: the raw ones come last.
fn places(columns: &[Comparison], side: Side) -> Vec<usize> {
    let mut raw = columns.len()..;
    let place = |(i, column): (usize, &Comparison)| if *column.raw.get(side) { raw.next().unwrap_or(i) } else { i };
    columns.iter().enumerate().map(place).collect()
}

/// The names of a side's columns; of names that are one name to DuckDB, which ignores case, the later ones are numbered.
fn unique_names(columns: &[Comparison], side: Side) -> Vec<String> {
    let mut taken = HashSet::new();
    let unique = |column: &Comparison| {
        let name = &column.columns.get(side).name;
        let numbered = (2..).map(|n| format!("{name}_{n}"));
        let mut candidates = std::iter::once(name.clone()).chain(numbered);
        candidates.find(|candidate| taken.insert(candidate.to_lowercase())).unwrap_or_default()
    };
    columns.iter().map(unique).collect()
}

/// A nullable column of the Arrow type that a type is written as.
fn field(name: &str, ty: &Type) -> Field {
    let field = Field::new(name, data_type(ty), true);
    match ty {
        Type::Uuid => field.with_metadata([("ARROW:extension:name".to_string(), UUID_EXTENSION.to_string())]),
        _ => field,
    }
}

/// The Arrow type that holds every value of a type exactly, and that DuckDB and pyarrow read as such.
///
/// The exceptions are moments that Arrow has no value for: infinities, zero dates, and timestamps in nanoseconds
/// outside 1677 to 2262. They are NULL in the file, and their column is among `changed_columns`.
fn data_type(ty: &Type) -> DataType {
    let unit = |digits: u8| match digits {
        0..=3 => TimeUnit::Millisecond,
        4..=6 => TimeUnit::Microsecond,
        _ => TimeUnit::Nanosecond,
    };
    match ty {
        Type::Held(declared) => data_type(declared),
        Type::Bits { .. } => DataType::UInt64,
        Type::Boolean => DataType::Boolean,
        Type::Integer { bits, signed } => match (bits, signed) {
            (8, true) => DataType::Int8,
            (16, true) => DataType::Int16,
            (32, true) => DataType::Int32,
            (_, true) => DataType::Int64,
            (8, false) => DataType::UInt8,
            (16, false) => DataType::UInt16,
            (32, false) => DataType::UInt32,
            (_, false) => DataType::UInt64,
        },
        Type::Decimal { precision, scale } => {
            // A negative scale stands for zeros before the point; a scale above the precision for zeros behind it.
            let digits = i16::from(*precision) - i16::from(*scale).min(0);
            match digits.max(i16::from(*scale)) {
                digits @ 1.. if digits <= i16::from(DECIMAL_DIGITS_MAX) => DataType::Decimal128(digits as u8, (*scale).max(0)),
                _ => DataType::Utf8,
            }
        }
        Type::Float { bits: 32 } => DataType::Float32,
        Type::Float { .. } => DataType::Float64,
        Type::Bytes => DataType::Binary,
        Type::Date => DataType::Date32,
        Type::Time { digits: 0..=6 } => DataType::Time64(TimeUnit::Microsecond),
        Type::Time { .. } => DataType::Time64(TimeUnit::Nanosecond),
        Type::Timestamp { digits } => DataType::Timestamp(unit(*digits), None),
        Type::Instant { digits } => DataType::Timestamp(unit(*digits), Some("UTC".into())),
        Type::Uuid => DataType::FixedSizeBinary(16),
        Type::List(item) => DataType::List(Arc::new(field("item", item))),
        // Parquet has no struct without fields.
        Type::Struct(fields) if !fields.is_empty() => DataType::Struct(fields.iter().map(|(name, ty)| field(name, ty)).collect()),
        Type::Map(key, value) => {
            let entry = vec![field("key", key).with_nullable(false), field("value", value)];
            DataType::Map(Arc::new(Field::new("key_value", DataType::Struct(entry.into()), false)), false)
        }
        Type::Struct(_)
        | Type::Null
        | Type::Number
        | Type::Text
        | Type::Char
        | Type::Interval
        | Type::Json
        | Type::Untyped
        | Type::Dynamic
        | Type::Native { .. }
        | Type::Forbidden
        | Type::Other => DataType::Utf8,
    }
}
