//! A value of a row, borrowed from where it was received: from the driver's row, or from the bytes of the binary protocol,
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_binary_resultset.html>.

use mysql::consts::{ColumnFlags, ColumnType};
use mysql::{Column, Value};

/// A value as the server sends it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Field<'a> {
    Null,
    /// Text, decimals, bits, JSON and all else that is sent as bytes.
    Bytes(&'a [u8]),
    Int(i64),
    /// A whole number; as [`Field::Int`] if it fits there.
    UInt(u64),
    Float(f32),
    Double(f64),
    /// A date, with the time of day if the column has one; it need not be on the calendar.
    Date {
        year: u16,
        month: u8,
        day: u8,
        hour: u8,
        minute: u8,
        second: u8,
        micros: u32,
    },
    /// A span of time.
    Time {
        negative: bool,
        days: u32,
        hours: u8,
        minutes: u8,
        seconds: u8,
        micros: u32,
    },
}

impl<'a> From<&'a Value> for Field<'a> {
    fn from(value: &'a Value) -> Self {
        match *value {
            Value::NULL => Field::Null,
            Value::Bytes(ref bytes) => Field::Bytes(bytes),
            Value::Int(number) => Field::Int(number),
            Value::UInt(number) => Field::UInt(number),
            Value::Float(number) => Field::Float(number),
            Value::Double(number) => Field::Double(number),
            Value::Date(year, month, day, hour, minute, second, micros) => {
                Field::Date { year, month, day, hour, minute, second, micros }
            }
            Value::Time(negative, days, hours, minutes, seconds, micros) => {
                Field::Time { negative, days, hours, minutes, seconds, micros }
            }
        }
    }
}

/// A row as the server sends it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'a> {
    /// Its values, or the first of them that were asked for.
    pub(super) fields: &'a [Field<'a>],
    /// The packet that it came in, and how its columns lie there; `None`: the driver has taken it apart.
    pub(super) packet: Option<(&'a [u8], &'a [Layout])>,
}

/// How the values of a column lie in the rows of the binary protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    Int8,
    UInt8,
    Int16,
    UInt16,
    Int32,
    UInt32,
    Int64,
    UInt64,
    Float,
    Double,
    Date,
    Time,
    Bytes,
    /// Nothing lies there: each value is NULL.
    Null,
}

impl Layout {
    /// The layout of a column; `None`: its type is none that is ever sent.
    pub(super) fn of(column: &Column) -> Option<Self> {
        Layout::of_type(column.column_type(), column.flags())
    }

    /// The layout of a column, given as the packet that defines it; `None`: the packet does not.
    pub(super) fn of_definition(mut packet: &[u8]) -> Option<Self> {
        // Catalog, schema, table, its own name, column, its own name.
        for _ in 0..6 {
            take_bytes(&mut packet)?;
        }
        let fixed = take_bytes(&mut packet)?;
        // Character set and width come before them.
        let (kind, flags) = (*fixed.get(6)?, fixed.get(7..9)?);
        let flags = ColumnFlags::from_bits_truncate(u16::from_le_bytes([flags[0], flags[1]]));
        Layout::of_type(ColumnType::try_from(kind).ok()?, flags)
    }

    fn of_type(kind: ColumnType, flags: ColumnFlags) -> Option<Self> {
        Some(match (kind, flags.contains(ColumnFlags::UNSIGNED_FLAG)) {
            (ColumnType::MYSQL_TYPE_TINY, false) => Layout::Int8,
            (ColumnType::MYSQL_TYPE_TINY, true) => Layout::UInt8,
            (ColumnType::MYSQL_TYPE_SHORT | ColumnType::MYSQL_TYPE_YEAR, false) => Layout::Int16,
            (ColumnType::MYSQL_TYPE_SHORT | ColumnType::MYSQL_TYPE_YEAR, true) => Layout::UInt16,
            (ColumnType::MYSQL_TYPE_LONG | ColumnType::MYSQL_TYPE_INT24, false) => Layout::Int32,
            (ColumnType::MYSQL_TYPE_LONG | ColumnType::MYSQL_TYPE_INT24, true) => Layout::UInt32,
            (ColumnType::MYSQL_TYPE_LONGLONG, false) => Layout::Int64,
            (ColumnType::MYSQL_TYPE_LONGLONG, true) => Layout::UInt64,
            (ColumnType::MYSQL_TYPE_FLOAT, _) => Layout::Float,
            (ColumnType::MYSQL_TYPE_DOUBLE, _) => Layout::Double,
            (
                ColumnType::MYSQL_TYPE_DATE
                | ColumnType::MYSQL_TYPE_NEWDATE
                | ColumnType::MYSQL_TYPE_DATETIME
                | ColumnType::MYSQL_TYPE_TIMESTAMP,
                _,
            ) => Layout::Date,
            (ColumnType::MYSQL_TYPE_TIME, _) => Layout::Time,
            (ColumnType::MYSQL_TYPE_NULL, _) => Layout::Null,
            (
                ColumnType::MYSQL_TYPE_DECIMAL
                | ColumnType::MYSQL_TYPE_NEWDECIMAL
                | ColumnType::MYSQL_TYPE_VARCHAR
                | ColumnType::MYSQL_TYPE_VAR_STRING
                | ColumnType::MYSQL_TYPE_STRING
                | ColumnType::MYSQL_TYPE_TINY_BLOB
                | ColumnType::MYSQL_TYPE_BLOB
                | ColumnType::MYSQL_TYPE_MEDIUM_BLOB
                | ColumnType::MYSQL_TYPE_LONG_BLOB
                | ColumnType::MYSQL_TYPE_ENUM
                | ColumnType::MYSQL_TYPE_SET
                | ColumnType::MYSQL_TYPE_BIT
                | ColumnType::MYSQL_TYPE_JSON
                | ColumnType::MYSQL_TYPE_GEOMETRY
                | ColumnType::MYSQL_TYPE_VECTOR,
                _,
            ) => Layout::Bytes,
            _ => return None,
        })
    }

    /// Takes a value from the head of `bytes`; `None`: they are cut short, or are none of this layout.
    #[inline]
    fn take<'a>(self, bytes: &mut &'a [u8]) -> Option<Field<'a>> {
        Some(match self {
            Layout::Int8 => Field::Int(i8::from_le_bytes(take(bytes)?).into()),
            Layout::UInt8 => Field::Int(u8::from_le_bytes(take(bytes)?).into()),
            Layout::Int16 => Field::Int(i16::from_le_bytes(take(bytes)?).into()),
            Layout::UInt16 => Field::Int(u16::from_le_bytes(take(bytes)?).into()),
            Layout::Int32 => Field::Int(i32::from_le_bytes(take(bytes)?).into()),
            Layout::UInt32 => Field::Int(u32::from_le_bytes(take(bytes)?).into()),
            Layout::Int64 => Field::Int(i64::from_le_bytes(take(bytes)?)),
            Layout::UInt64 => {
                let number = u64::from_le_bytes(take(bytes)?);
                i64::try_from(number).map_or(Field::UInt(number), Field::Int)
            }
            Layout::Float => Field::Float(f32::from_le_bytes(take(bytes)?)),
            Layout::Double => Field::Double(f64::from_le_bytes(take(bytes)?)),
            Layout::Date => date(bytes)?,
            Layout::Time => time(bytes)?,
            Layout::Bytes => Field::Bytes(take_bytes(bytes)?),
            Layout::Null => Field::Null,
        })
    }
}

/// Appends the first `wanted` values of a row, or all, given as the packet that it came in; `None`: the packet is no such row.
#[inline]
pub(super) fn take_row<'a>(packet: &'a [u8], layouts: &[Layout], wanted: usize, fields: &mut Vec<Field<'a>>) -> Option<()> {
    /// Bits of the bitmap that stand for no column.
    const RESERVED: usize = 2;
    let (nulls, mut values) = packet.strip_prefix(&[0])?.split_at_checked((layouts.len() + RESERVED).div_ceil(8))?;
    for (place, layout) in layouts.iter().enumerate().take(wanted) {
        let bit = place + RESERVED;
        let is_null = nulls[bit / 8] >> (bit % 8) & 1 == 1;
        fields.push(if is_null { Field::Null } else { layout.take(&mut values)? });
    }
    (values.is_empty() || wanted < layouts.len()).then_some(())
}

/// Takes a length, or another count, of up to eight bytes.
#[inline]
pub(super) fn take_length(bytes: &mut &[u8]) -> Option<u64> {
    Some(match take::<1>(bytes)? {
        [len @ 0..=0xFA] => len.into(),
        [0xFC] => u16::from_le_bytes(take(bytes)?).into(),
        [0xFD] => {
            let [low, middle, high] = take(bytes)?;
            u32::from_le_bytes([low, middle, high, 0]).into()
        }
        [0xFE] => u64::from_le_bytes(take(bytes)?),
        // NULL, or an error, neither of which stands in a row.
        [0xFB | 0xFF] => return None,
    })
}

/// Takes bytes that their length stands before.
#[inline]
fn take_bytes<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = take_length(bytes)?;
    let (taken, rest) = bytes.split_at_checked(usize::try_from(len).ok()?)?;
    *bytes = rest;
    Some(taken)
}

#[inline]
fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*taken)
}

/// A date or a moment: what is zero at its end is not sent.
#[inline]
fn date<'a>(bytes: &mut &[u8]) -> Option<Field<'a>> {
    let [len] = take(bytes)?;
    if ![0, 4, 7, 11].contains(&len) {
        return None;
    }
    let (mut year, [mut month, mut day], [mut hour, mut minute, mut second], mut micros) = (0, [0; 2], [0; 3], 0);
    if len >= 4 {
        year = u16::from_le_bytes(take(bytes)?);
        [month, day] = take(bytes)?;
    }
    if len >= 7 {
        [hour, minute, second] = take(bytes)?;
    }
    if len == 11 {
        micros = u32::from_le_bytes(take(bytes)?);
    }
    Some(Field::Date { year, month, day, hour, minute, second, micros })
}

fn time<'a>(bytes: &mut &[u8]) -> Option<Field<'a>> {
    let [len] = take(bytes)?;
    if ![0, 8, 12].contains(&len) {
        return None;
    }
    let (mut negative, mut days, [mut hours, mut minutes, mut seconds], mut micros) = (false, 0, [0; 3], 0);
    if len >= 8 {
        negative = take(bytes)? == [1];
        days = u32::from_le_bytes(take(bytes)?);
        [hours, minutes, seconds] = take(bytes)?;
    }
    if len == 12 {
        micros = u32::from_le_bytes(take(bytes)?);
    }
    Some(Field::Time { negative, days, hours, minutes, seconds, micros })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values of one column, each given as its bytes in a row.
    fn taken<'a>(layout: Layout, mut bytes: &'a [u8]) -> Option<Field<'a>> {
        let field = layout.take(&mut bytes)?;
        bytes.is_empty().then_some(field)
    }

    #[test]
    fn numbers_have_the_sign_and_the_width_of_their_column() {
        assert_eq!(taken(Layout::Int8, &[0xFF]), Some(Field::Int(-1)));
        assert_eq!(taken(Layout::UInt8, &[0xFF]), Some(Field::Int(255)));
        assert_eq!(taken(Layout::Int16, &[0, 0x80]), Some(Field::Int(-32_768)));
        assert_eq!(taken(Layout::UInt16, &[0x6B, 8]), Some(Field::Int(2155)));
        assert_eq!(taken(Layout::Int32, &[0xFE, 0xFF, 0xFF, 0xFF]), Some(Field::Int(-2)));
        assert_eq!(taken(Layout::UInt32, &[0xFE, 0xFF, 0xFF, 0xFF]), Some(Field::Int(4_294_967_294)));
        assert_eq!(taken(Layout::Int64, &[0xFF; 8]), Some(Field::Int(-1)));
        assert_eq!(taken(Layout::UInt64, &[0xFF; 8]), Some(Field::UInt(u64::MAX)));
        assert_eq!(taken(Layout::UInt64, &[7, 0, 0, 0, 0, 0, 0, 0]), Some(Field::Int(7)));
        assert_eq!(taken(Layout::Float, &1.5f32.to_le_bytes()), Some(Field::Float(1.5)));
        assert_eq!(taken(Layout::Double, &(-0.1f64).to_le_bytes()), Some(Field::Double(-0.1)));
        assert_eq!(taken(Layout::Int64, &[0xFF; 7]), None);
    }

    #[test]
    fn dates_and_times_leave_out_their_zeros() {
        let date = |year, month, day, hour, minute, second, micros| Field::Date { year, month, day, hour, minute, second, micros };
        assert_eq!(taken(Layout::Date, &[0]), Some(date(0, 0, 0, 0, 0, 0, 0)));
        assert_eq!(taken(Layout::Date, &[4, 0xE8, 7, 2, 29]), Some(date(2024, 2, 29, 0, 0, 0, 0)));
        assert_eq!(taken(Layout::Date, &[7, 0xE8, 7, 2, 29, 23, 59, 58]), Some(date(2024, 2, 29, 23, 59, 58, 0)));
        assert_eq!(taken(Layout::Date, &[11, 0xE8, 7, 2, 0, 1, 2, 3, 1, 0, 0, 0]), Some(date(2024, 2, 0, 1, 2, 3, 1)));
        assert_eq!(taken(Layout::Date, &[5, 0xE8, 7, 2, 29, 1]), None);
        assert_eq!(taken(Layout::Date, &[4, 0xE8, 7, 2]), None);
        let time =
            |negative, days, hours, minutes, seconds, micros| Field::Time { negative, days, hours, minutes, seconds, micros };
        assert_eq!(taken(Layout::Time, &[0]), Some(time(false, 0, 0, 0, 0, 0)));
        assert_eq!(taken(Layout::Time, &[8, 1, 34, 0, 0, 0, 22, 59, 59]), Some(time(true, 34, 22, 59, 59, 0)));
        assert_eq!(
            taken(Layout::Time, &[12, 0, 0, 0, 0, 0, 1, 2, 3, 0x40, 0x42, 0xF, 0]),
            Some(time(false, 0, 1, 2, 3, 1_000_000))
        );
        assert_eq!(taken(Layout::Time, &[7, 0, 0, 0, 0, 0, 1, 2]), None);
    }

    #[test]
    fn lengths_have_one_to_nine_bytes() {
        for (bytes, expected) in [
            (&[0xFA][..], Some(250)),
            (&[0xFC, 0xFB, 0], Some(251)),
            (&[0xFD, 0, 0, 1], Some(65_536)),
            (&[0xFE, 0, 0, 0, 1, 0, 0, 0, 0], Some(1 << 24)),
            (&[0xFB], None),
            (&[0xFC, 1], None),
            (&[], None),
        ] {
            assert_eq!(take_length(&mut &bytes[..]), expected, "{bytes:?}");
        }
        assert_eq!(taken(Layout::Bytes, &[2, b'h', b'i']), Some(Field::Bytes(b"hi")));
        assert_eq!(taken(Layout::Bytes, &[3, b'h', b'i']), None);
        assert_eq!(taken(Layout::Bytes, &[0xFE; 9]), None);
    }

    #[test]
    fn nulls_are_bits_from_the_third_on() {
        let layouts = [Layout::Int8; 7];
        let first = |wanted: usize, packet: &'static [u8]| {
            let mut fields = Vec::new();
            take_row(packet, &layouts, wanted, &mut fields).map(|()| fields)
        };
        let row = |packet: &'static [u8]| first(usize::MAX, packet);
        let mut expected = [Field::Null; 7];
        expected[1] = Field::Int(9);
        // The first, and the third to the last, which is in the second byte.
        assert_eq!(row(&[0, 0b1111_0100, 0b1, 9]), Some(expected.to_vec()));
        assert_eq!(row(&[0, 0b1111_0100, 0b1]), None, "a value is missing");
        assert_eq!(row(&[0, 0b1111_0100, 0b1, 9, 9]), None, "a value is left");
        assert_eq!(row(&[1, 0b1111_0100, 0b1, 9]), None, "no row");
        assert_eq!(row(&[0, 0b1111_0100]), None, "no bitmap");
        assert_eq!(first(2, &[0, 0b1111_0100, 0b1, 9, 9]), Some(expected[..2].to_vec()), "what follows is not looked at");
    }
}
