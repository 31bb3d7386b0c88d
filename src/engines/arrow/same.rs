//! Whether two arrays hold the same values, told by their bits.

use arrow::array::{
    Array, ArrowNativeTypeOp, ArrowPrimitiveType, AsArray, GenericByteArray, GenericByteViewArray, downcast_primitive,
};
use arrow::datatypes::*;

/// Whether two arrays are known to hold the same values in the same places: they have one type, are NULL in the same
/// places, and in the others have the same bits.
///
/// `false` may also mean that bits cannot tell, as for -0.0 and 0.0, or for nested values.
pub(super) fn same(one: &dyn Array, two: &dyn Array) -> bool {
    if one.data_type() != two.data_type() || one.len() != two.len() {
        return false;
    }
    let nulls = |array: &dyn Array| array.nulls().filter(|nulls| nulls.null_count() > 0).cloned();
    match (nulls(one), nulls(two)) {
        (None, None) => same_bits(one, two),
        (Some(nulls), Some(others)) => {
            // What NULL hides may be anything, but mostly is the same as well, and is then no reason to look closer.
            let between = |(start, end): (usize, usize)| same_bits(&one.slice(start, end - start), &two.slice(start, end - start));
            nulls == others && (same_bits(one, two) || nulls.valid_slices().all(between))
        }
        _ => false,
    }
}

/// Marks the places at which two arrays of one length are not known to hold the same value.
pub(super) fn mark_differing(one: &dyn Array, two: &dyn Array, marks: &mut [bool]) {
    assert!(one.len() == marks.len() && two.len() == marks.len(), "rows are held against as many others");
    // Most columns are the same in all rows.
    if same(one, two) {
        return;
    }
    if one.data_type() != two.data_type() {
        return marks.fill(true);
    }
    macro_rules! mark_primitives {
        ($ty:ty) => {{
            let (x, y) = (one.as_primitive::<$ty>().values(), two.as_primitive::<$ty>().values());
            mark(one, two, marks, |row| x[row].is_eq(y[row]))
        }};
    }
    downcast_primitive! {
        one.data_type() => (mark_primitives),
        DataType::Boolean => {
            let (x, y) = (one.as_boolean().values(), two.as_boolean().values());
            mark(one, two, marks, |row| x.value(row) == y.value(row));
        }
        DataType::FixedSizeBinary(_) => {
            let (x, y) = (one.as_fixed_size_binary(), two.as_fixed_size_binary());
            mark(one, two, marks, |row| x.value(row) == y.value(row));
        }
        DataType::Utf8 => mark_bytes::<Utf8Type>(one, two, marks),
        DataType::LargeUtf8 => mark_bytes::<LargeUtf8Type>(one, two, marks),
        DataType::Binary => mark_bytes::<BinaryType>(one, two, marks),
        DataType::LargeBinary => mark_bytes::<LargeBinaryType>(one, two, marks),
        DataType::Utf8View => mark_views::<StringViewType>(one, two, marks),
        DataType::BinaryView => mark_views::<BinaryViewType>(one, two, marks),
        _ => marks.fill(true)
    }
}

/// Marks where one is NULL and the other is not, or neither is and the values are not the same.
fn mark(one: &dyn Array, two: &dyn Array, marks: &mut [bool], is_same: impl Fn(usize) -> bool) {
    if one.null_count() == 0 && two.null_count() == 0 {
        return marks.iter_mut().enumerate().for_each(|(row, mark)| *mark |= !is_same(row));
    }
    for (row, mark) in marks.iter_mut().enumerate() {
        *mark |= match (one.is_null(row), two.is_null(row)) {
            (false, false) => !is_same(row),
            (one, two) => one != two,
        };
    }
}

fn mark_bytes<T: ByteArrayType>(one: &dyn Array, two: &dyn Array, marks: &mut [bool]) {
    let (x, y) = (one.as_bytes::<T>(), two.as_bytes::<T>());
    mark(one, two, marks, |row| AsRef::<[u8]>::as_ref(x.value(row)) == AsRef::<[u8]>::as_ref(y.value(row)));
}

fn mark_views<T: ByteViewType>(one: &dyn Array, two: &dyn Array, marks: &mut [bool]) {
    let (x, y) = (one.as_byte_view::<T>(), two.as_byte_view::<T>());
    mark(one, two, marks, |row| same_view(x, y, row));
}

/// Whether two arrays of one type and length, NULL in the same places, have the same bits, also where they are NULL.
fn same_bits(one: &dyn Array, two: &dyn Array) -> bool {
    macro_rules! same_primitives {
        ($ty:ty) => {
            bits::<$ty>(one) == bits::<$ty>(two)
        };
    }
    downcast_primitive! {
        one.data_type() => (same_primitives),
        DataType::Boolean => one.as_boolean().values() == two.as_boolean().values(),
        DataType::FixedSizeBinary(_) => one.as_fixed_size_binary().value_data() == two.as_fixed_size_binary().value_data(),
        DataType::Utf8 => same_bytes::<Utf8Type>(one.as_bytes(), two.as_bytes()),
        DataType::LargeUtf8 => same_bytes::<LargeUtf8Type>(one.as_bytes(), two.as_bytes()),
        DataType::Binary => same_bytes::<BinaryType>(one.as_bytes(), two.as_bytes()),
        DataType::LargeBinary => same_bytes::<LargeBinaryType>(one.as_bytes(), two.as_bytes()),
        DataType::Utf8View => same_views::<StringViewType>(one.as_byte_view(), two.as_byte_view()),
        DataType::BinaryView => same_views::<BinaryViewType>(one.as_byte_view(), two.as_byte_view()),
        _ => false
    }
}

fn bits<T: ArrowPrimitiveType>(array: &dyn Array) -> &[u8] {
    array.as_primitive::<T>().values().inner().as_slice()
}

fn same_bytes<T: ByteArrayType>(one: &GenericByteArray<T>, two: &GenericByteArray<T>) -> bool {
    one.offsets().lengths().eq(two.offsets().lengths()) && shown(one) == shown(two)
}

/// The bytes of all values: of an array that is a slice, not those of the whole.
fn shown<T: ByteArrayType>(array: &GenericByteArray<T>) -> &[u8] {
    let offsets = array.value_offsets();
    &array.value_data()[offsets[0].as_usize()..offsets[array.len()].as_usize()]
}

fn same_views<T: ByteViewType>(one: &GenericByteViewArray<T>, two: &GenericByteViewArray<T>) -> bool {
    // What a view shows that is NULL may lie nowhere.
    (0..one.len()).all(|row| one.is_null(row) || same_view(one, two, row))
}

/// Views are compared by what they show, as what lies where on a side means nothing to the other one.
fn same_view<T: ByteViewType>(one: &GenericByteViewArray<T>, two: &GenericByteViewArray<T>, row: usize) -> bool {
    let (x, y) = (one.views()[row], two.views()[row]);
    // Up to twelve bytes stand in the view itself: <https://arrow.apache.org/docs/format/Columnar.html>.
    if (x as u32) <= 12 { x == y } else { x as u64 == y as u64 && value(one, row) == value(two, row) }
}

fn value<T: ByteViewType>(array: &GenericByteViewArray<T>, row: usize) -> &[u8] {
    array.value(row).as_ref()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::*;
    use arrow::buffer::{NullBuffer, OffsetBuffer};

    use super::*;

    #[test]
    fn bits_decide_where_there_is_a_value() {
        let floats = |values: Vec<f64>| Float64Array::from(values);
        assert!(same(&floats(vec![1.0, f64::NAN]), &floats(vec![1.0, f64::NAN])));
        assert!(!same(&floats(vec![0.0]), &floats(vec![-0.0])), "equal, but not by bits");
        assert!(!same(&Int32Array::from(vec![1]), &Int64Array::from(vec![1])), "equal, but not of one type");
        let hiding = |hidden: i64| Int64Array::new(vec![1, hidden, 3].into(), Some(NullBuffer::from(vec![true, false, true])));
        assert!(same(&hiding(2), &hiding(9)));
        assert!(!same(&hiding(0), &Int64Array::from(vec![1, 0, 3])), "NULL is no 0");
        assert!(!same(&hiding(0), &Int64Array::from(vec![None, Some(0), Some(3)])));
        let booleans = |values: Vec<bool>| BooleanArray::new(values.into(), Some(vec![true, false, true].into()));
        assert!(same(&booleans(vec![true, true, false]), &booleans(vec![true, false, false])));
        assert!(!same(&booleans(vec![true, true, false]), &booleans(vec![true, true, true])));
    }

    #[test]
    fn texts_are_the_same_wherever_they_lie() {
        let texts = ["", "a", "twelve bytes", "thirteen byte", "a text that is long"];
        let more: Vec<&str> = ["xyz", "another text that is long"].into_iter().chain(texts).collect();
        let arrays = |texts: &[&str]| -> [ArrayRef; 3] {
            let texts = texts.to_vec();
            [
                Arc::new(StringArray::from(texts.clone())),
                Arc::new(LargeStringArray::from(texts.clone())),
                Arc::new(StringViewArray::from(texts)),
            ]
        };
        for (one, two) in arrays(&texts).iter().zip(arrays(&more)) {
            assert!(same(one, &two.slice(2, 5)));
            assert!(!same(&one.slice(0, 3), &two.slice(3, 3)));
            assert!(!same(one, &two.slice(2, 4)));
        }
        let other = ["", "a", "twelve bytes", "thirteen bytf", "a text that is long"];
        let moved = ["a", "", "twelve bytes", "thirteen byte", "a text that is long"];
        for changed in [other, moved] {
            arrays(&texts).iter().zip(arrays(&changed)).for_each(|(one, two)| assert!(!same(one, &two)));
        }
        let hiding = |hidden: &str| {
            let lengths = [1, hidden.len(), 1];
            let nulls = Some(NullBuffer::from(vec![true, false, true]));
            StringArray::new(OffsetBuffer::from_lengths(lengths), format!("a{hidden}b").into_bytes().into(), nulls)
        };
        assert!(same(&hiding("x"), &hiding("yyy")));
    }
}
