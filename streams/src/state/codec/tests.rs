use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::*;
use arrow::row::{RowConverter, SortField};

use super::*;

fn columns() -> Vec<(&'static str, ArrayRef)> {
    let items = |rows: Vec<Option<Vec<Option<i32>>>>| -> ArrayRef {
        Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(rows))
    };
    let texts = ["", "a", "a\0", "a\0b", "ab", "ü", "\0"];
    let numbers = [i64::MIN, -256, -1, 0, 1, 255, i64::MAX];
    let floats = [f64::NEG_INFINITY, -1.5, -0.0, 0.0, 2.25, f64::MAX, f64::INFINITY];
    vec![
        ("text", Arc::new(StringArray::from_iter(texts.map(Some)))),
        ("number", Arc::new(Int64Array::from_iter(numbers.map(Some)))),
        ("float", Arc::new(Float64Array::from_iter(floats.map(Some)))),
        ("small", Arc::new(Int8Array::from(vec![-128, -1, 0, 1, 5, 100, 127]))),
        ("flag", Arc::new(BooleanArray::from(vec![false, true, false, true, true, false, true]))),
        (
            "bytes",
            Arc::new(BinaryArray::from_iter_values([
                &b""[..],
                b"\0",
                b"\0\0",
                b"\0\x01",
                b"\x01",
                b"\xff",
                b"\xff\xff",
            ])),
        ),
        ("time", Arc::new(TimestampMillisecondArray::from(vec![-5, 0, 1, 2, 3, 4, 5]))),
        (
            "list",
            items(vec![
                None,
                Some(vec![]),
                Some(vec![None]),
                Some(vec![Some(-1)]),
                Some(vec![Some(-1), Some(3)]),
                Some(vec![Some(0)]),
                Some(vec![Some(7), None]),
            ]),
        ),
    ]
}

fn nullable(array: &ArrayRef) -> ArrayRef {
    let first_null = BooleanArray::from_iter((0..array.len()).map(|row| Some(row == 2)));
    arrow::compute::nullif(array, &first_null).unwrap()
}

fn codec(columns: &[ArrayRef]) -> RowCodec {
    let field = |(index, column): (usize, &ArrayRef)| {
        Field::new(format!("c{index}"), column.data_type().clone(), true)
    };
    RowCodec::new(&columns.iter().enumerate().map(field).collect()).unwrap()
}

fn encode(codec: &RowCodec, columns: &[ArrayRef]) -> Vec<Vec<u8>> {
    let writer = codec.writer(columns).unwrap();
    let row = |row| {
        let mut out = Vec::new();
        writer.write(row, &mut out);
        out
    };
    (0..columns[0].len()).map(row).collect()
}

fn check_round_trip(columns: &[ArrayRef]) {
    let codec = codec(columns);
    let rows = encode(&codec, columns);
    let mut cursors: Vec<Option<&[u8]>> = rows.iter().map(|row| Some(row.as_slice())).collect();
    let read = codec.read(&mut cursors).unwrap();
    assert_eq!(read, columns);
    assert!(cursors.iter().all(|rest| rest.is_some_and(<[u8]>::is_empty)));
}

#[test]
fn what_is_written_is_read_back_for_every_type() {
    let plain: Vec<ArrayRef> = columns().into_iter().map(|(_, column)| column).collect();
    check_round_trip(&plain);
    let with_nulls: Vec<ArrayRef> = plain.iter().map(nullable).collect();
    check_round_trip(&with_nulls);
    for column in with_nulls {
        check_round_trip(&[column]);
    }
}

#[test]
fn structs_and_maps_are_read_back() {
    let leaf: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None, Some(3)]));
    let fields = Fields::from(vec![Field::new("x", DataType::Int32, true)]);
    let nulls = arrow::buffer::NullBuffer::from(vec![true, true, false]);
    let array = StructArray::new(fields, vec![leaf], Some(nulls));
    let read = {
        let columns: Vec<ArrayRef> = vec![Arc::new(array.clone())];
        let codec = codec(&columns);
        let rows = encode(&codec, &columns);
        let mut cursors: Vec<_> = rows.iter().map(|row| Some(row.as_slice())).collect();
        codec.read(&mut cursors).unwrap().remove(0)
    };
    assert_eq!(read.as_struct().nulls(), array.nulls());
    assert!(read.as_struct().column(0).is_null(1));

    let mut map = MapBuilder::new(None, StringBuilder::new(), Int64Builder::new());
    map.keys().append_value("k");
    map.values().append_value(5);
    map.append(true).unwrap();
    map.append(true).unwrap();
    map.append(false).unwrap();
    check_round_trip(&[Arc::new(map.finish())]);
}

#[test]
fn bytes_sort_as_the_rows_do() {
    for (name, column) in columns() {
        for column in [column.clone(), nullable(&column)] {
            let sort = SortField::new(column.data_type().clone());
            let model = RowConverter::new(vec![sort]).unwrap();
            let model = model.convert_columns(&[Arc::clone(&column)]).unwrap();
            let columns = [column];
            let ours = encode(&codec(&columns), &columns);
            for a in 0..ours.len() {
                for b in 0..ours.len() {
                    let expected = model.row(a).cmp(&model.row(b));
                    assert_eq!(ours[a].cmp(&ours[b]), expected, "{name}: rows {a} and {b}");
                }
            }
        }
    }
}

#[test]
fn cut_and_damaged_bytes_are_errors_never_panics() {
    let columns: Vec<ArrayRef> = columns().into_iter().map(|(_, column)| column).collect();
    let codec = codec(&columns);
    for row in encode(&codec, &columns) {
        for length in 0..row.len() {
            assert!(codec.read(&mut [Some(&row[..length])]).is_err());
        }
        for position in 0..row.len() {
            let mut damaged = row.clone();
            damaged[position] ^= 0x55;
            let _ = codec.read(&mut [Some(&damaged)]);
        }
    }
}

#[test]
fn a_type_that_stores_cannot_hold_is_named() {
    let fields = Fields::from(vec![Field::new("wide", DataType::LargeUtf8, true)]);
    let message = RowCodec::new(&fields).unwrap_err().to_string();
    assert_eq!(message, "column wide has type LargeUtf8, which state stores cannot hold");
}
