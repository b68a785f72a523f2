use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Float64Type, Int32Type, Int64Type};
use proptest::prelude::*;

use super::*;
use crate::{Schema, Value, avro};

fn fields() -> Vec<Field> {
    let list = Type::array(Schema::optional(Type::Int64));
    let map = Type::map(Schema::required(Type::String), Schema::optional(Type::Float64));
    let nested = Type::Struct(vec![Field::new("X", Schema::optional(Type::Boolean))]);
    let column = |name: &str, ty: Type| Field::new(name, Schema::optional(ty));
    vec![
        column("ID", Type::Int32),
        column("NAME", Type::String),
        column("PRICE", Type::Decimal { precision: 6, scale: 2 }),
        column("WHEN", Type::Timestamp),
        column("RAW", Type::Bytes),
        column("LIST", list),
        column("MAP", map),
        column("NESTED", nested),
    ]
}

fn json_decoder() -> RowDecoder {
    RowDecoder::new(Format::Json, &fields(), Wrapping::Record).unwrap()
}

#[test]
fn json_becomes_columns_and_the_same_json_again() {
    let mut decoder = json_decoder();
    let full = concat!(
        r#"{"ID":1,"NAME":"a\"é","PRICE":12.50,"WHEN":1700000000000,"RAW":"AAE=","#,
        r#""LIST":[1,null],"MAP":{"k":1.5},"NESTED":{"X":true}}"#
    );
    let empty = concat!(
        r#"{"ID":null,"NAME":null,"PRICE":null,"WHEN":null,"RAW":null,"#,
        r#""LIST":null,"MAP":null,"NESTED":null}"#
    );
    assert_eq!(decoder.append(Some(full.as_bytes())), Ok(Appended::Row));
    assert_eq!(decoder.append(Some(b" null ")), Ok(Appended::Null));
    assert_eq!(decoder.append(Some(b"{}")), Ok(Appended::Row));
    assert_eq!(decoder.append(None), Ok(Appended::Null));
    let columns = decoder.finish();
    let encoder = RowEncoder::new(Format::Json, &fields(), Wrapping::Record, None).unwrap();
    for (row, expected) in [full, empty, empty, empty].into_iter().enumerate() {
        let mut out = Vec::new();
        encoder.encode(&columns, row, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}

#[test]
fn json_is_read_by_ksqls_rules() {
    let mut decoder = json_decoder();
    let row = br#"{"id":"7","Name":{"a" : [1, 2]},"price":"3.456","extra":[{}],"WHEN":5.0}"#;
    decoder.append(Some(row)).unwrap();
    let columns = decoder.finish();
    assert_eq!(columns[0].as_primitive::<Int32Type>().value(0), 7);
    assert_eq!(columns[1].as_string::<i32>().value(0), r#"{"a":[1,2]}"#);
    let mut price = String::new();
    write_json_cell(&mut price, &columns[2], 0).unwrap();
    assert_eq!(price, "3.46");
}

/// Reads one JSON value into a column of `ty`, and writes it again.
fn json_as(ty: Type, json: &str) -> Result<String, String> {
    let field = [Field::new("V", Schema::optional(ty))];
    let mut decoder = RowDecoder::new(Format::Json, &field, Wrapping::Record).unwrap();
    let record = format!("{{\"v\":{json}}}");
    decoder.append(Some(record.as_bytes())).map_err(|error| error.to_string())?;
    let mut out = String::new();
    write_json_cell(&mut out, &decoder.finish()[0], 0).unwrap();
    Ok(out)
}

#[test]
fn strings_of_digits_are_read_as_every_type_of_number_and_time() {
    let times = [
        (Type::Timestamp, "1623067935000"),
        (Type::Timestamp, "-1"),
        (Type::Date, "18785"),
        (Type::Date, "-3"),
        (Type::Time, "43200000"),
        (Type::Int32, "7"),
        (Type::Int64, "-9000000000"),
        (Type::Float64, "1.5"),
        (Type::Decimal { precision: 6, scale: 2 }, "12.50"),
    ];
    for (ty, digits) in &times {
        let text = format!("\"{digits}\"");
        assert_eq!(json_as(ty.clone(), &text).as_deref(), Ok(*digits), "{ty}");
        assert_eq!(json_as(ty.clone(), digits).as_deref(), Ok(*digits), "{ty}");
        let list = Type::array(Schema::optional(ty.clone()));
        let read = json_as(list, &format!("[{text},null,{digits}]"));
        assert_eq!(read, Ok(format!("[{digits},null,{digits}]")), "{ty}");
        let map = Type::map(Schema::required(Type::String), Schema::optional(ty.clone()));
        let read = json_as(map, &format!("{{\"k\":{text}}}"));
        assert_eq!(read, Ok(format!("{{\"k\":{digits}}}")), "{ty}");
        let nested = Type::Struct(vec![Field::new("X", Schema::optional(ty.clone()))]);
        let read = json_as(nested, &format!("{{\"x\":{text}}}"));
        assert_eq!(read, Ok(format!("{{\"X\":{digits}}}")), "{ty}");
    }
    assert_eq!(json_as(Type::Int32, "\"+7\"").as_deref(), Ok("7"));
    assert_eq!(json_as(Type::Float64, "\" 2.5 \"").as_deref(), Ok("2.5"));
    assert_eq!(json_as(Type::String, "1.50").as_deref(), Ok("\"1.50\""));
    assert_eq!(json_as(Type::String, "true").as_deref(), Ok("\"true\""));
}

#[test]
fn values_that_no_rule_turns_into_the_type_are_refused() {
    for (ty, json) in [
        (Type::Timestamp, "\"2021-06-07T12:12:15\""),
        (Type::Timestamp, "\"\""),
        (Type::Timestamp, "true"),
        (Type::Date, "\"1.5\""),
        (Type::Date, "3000000000"),
        (Type::Time, "86400001"),
        (Type::Time, "-1"),
        (Type::Time, "\"-1\""),
        (Type::Boolean, "\"true\""),
        (Type::Boolean, "1"),
        (Type::Int32, "\"3000000000\""),
        (Type::Int32, "\" 7\""),
        (Type::Int32, "false"),
        (Type::Float64, "\"inf\""),
        (Type::Decimal { precision: 3, scale: 1 }, "\"100.0\""),
        (Type::Bytes, "5"),
    ] {
        assert!(json_as(ty.clone(), json).is_err(), "{json} as {ty}");
    }
}

#[test]
fn a_bad_record_costs_only_itself() {
    let mut decoder = json_decoder();
    decoder.append(Some(br#"{"ID":1,"LIST":[1]}"#)).unwrap();
    for (bad, message) in [
        (&b"{\"ID\":1,\"LIST\":[1,\"x\"]}"[..], "column LIST: the string \"x\" cannot be read"),
        (b"{\"ID\":3000000000}", "column ID: 3000000000 does not fit into INTEGER"),
        (b"{\"PRICE\":123456}", "column PRICE: 123456 does not fit into DECIMAL(6, 2)"),
        (b"{\"ID\":1,", "not valid JSON at byte 8"),
        (b"{\"ID\":01}", "not valid JSON at byte 8: a number does not start with 0"),
        (b"[1]", "column ID: an array cannot be read as an object"),
        (b"{\"NAME\":\"\xff\"}", "not valid JSON at byte 9: the string is not valid UTF-8"),
        (b"", "not valid JSON at byte 0"),
    ] {
        let error = decoder.append(Some(bad)).unwrap_err().to_string();
        assert!(error.starts_with(message), "{error}");
    }
    decoder.append(Some(br#"{"ID":2,"LIST":[2,3]}"#)).unwrap();
    let columns = decoder.finish();
    assert_eq!(columns[0].as_primitive::<Int32Type>().values(), &[1, 2]);
    assert_eq!(columns[5].as_list::<i32>().value(1).len(), 2);
    assert!(columns.iter().all(|column| column.len() == 2));
}

#[test]
fn delimited_lines_follow_the_columns() {
    let column = |name: &str, ty: Type| Field::new(name, Schema::optional(ty));
    let fields = [column("A", Type::Int64), column("B", Type::String), column("C", Type::Float64)];
    let format = Format::Delimited { delimiter: '|' };
    let mut decoder = RowDecoder::new(format, &fields, Wrapping::Record).unwrap();
    decoder.append(Some(b"1|\"x|y\"|2.5")).unwrap();
    decoder.append(Some(b"||")).unwrap();
    let error = decoder.append(Some(b"1|2")).unwrap_err();
    assert_eq!(error, DecodeError::FieldCount { expected: 3, found: 2 });
    assert!(decoder.append(Some(b"x|y|1")).is_err());
    let columns = decoder.finish();
    assert_eq!(columns[0].as_primitive::<Int64Type>().value(0), 1);
    assert_eq!(columns[2].as_primitive::<Float64Type>().value(0), 2.5);
    assert!(columns.iter().all(|column| column.is_null(1)));
    let encoder = RowEncoder::new(format, &fields, Wrapping::Record, None).unwrap();
    let mut out = Vec::new();
    encoder.encode(&columns, 0, &mut out).unwrap();
    assert_eq!(out, b"1|\"x|y\"|2.5");
}

#[test]
fn kafka_primitives_have_their_exact_size() {
    let field = [Field::new("K", Schema::optional(Type::Int64))];
    let mut decoder = RowDecoder::new(Format::Kafka, &field, Wrapping::Bare).unwrap();
    decoder.append(Some(&[0, 0, 0, 0, 0, 0, 1, 0])).unwrap();
    let error = decoder.append(Some(&[0, 1])).unwrap_err().to_string();
    assert_eq!(error, "INT64 has 8 bytes in the KAFKA format, not 2");
    let columns = decoder.finish();
    let encoder = RowEncoder::new(Format::Kafka, &field, Wrapping::Bare, None).unwrap();
    let mut out = Vec::new();
    encoder.encode(&columns, 0, &mut out).unwrap();
    assert_eq!(out, [0, 0, 0, 0, 0, 0, 1, 0]);
    let time = [Field::new("K", Schema::optional(Type::Time))];
    assert!(RowDecoder::new(Format::Kafka, &time, Wrapping::Bare).is_err());
}

#[test]
fn avro_records_wait_for_their_writer_schema() {
    let writer = r#"{"type":"record","name":"R","fields":[
        {"name":"skipped","type":{"type":"array","items":"string"}},
        {"name":"name","type":["null","string"]},{"name":"id","type":"long"},
        {"name":"when","type":{"type":"long","logicalType":"timestamp-micros"}}]}"#;
    let writer = Arc::new(avro::Schema::parse(writer).unwrap());
    let mut bytes = Vec::new();
    crate::framing::start(&mut bytes, 9);
    let value = Value::Struct(vec![
        Value::Array(vec![Value::String("s".into())]),
        Value::String("n".into()),
        Value::Int64(5),
        Value::Timestamp(77),
    ]);
    writer.encode_value(&value, &mut bytes).unwrap();

    let mut decoder = RowDecoder::new(Format::Avro, &fields(), Wrapping::Record).unwrap();
    assert_eq!(decoder.missing_writer(&bytes), Some(9));
    assert_eq!(decoder.append(Some(&bytes)), Err(DecodeError::UnknownWriter { id: 9 }));
    decoder.add_writer(9, writer);
    assert_eq!(decoder.missing_writer(&bytes), None);
    assert_eq!(decoder.append(Some(&bytes)), Ok(Appended::Row));
    assert!(decoder.append(Some(b"{}")).is_err());
    let unfit = r#"{"type":"record","name":"R","fields":[{"name":"id","type":"boolean"}]}"#;
    decoder.add_writer(10, Arc::new(avro::Schema::parse(unfit).unwrap()));
    let error = decoder.append(Some(&[0, 0, 0, 0, 10, 1])).unwrap_err().to_string();
    assert!(error.contains("column ID of type INT32 cannot be read"), "{error}");
    let columns = decoder.finish();
    assert_eq!(columns[0].as_primitive::<Int32Type>().values(), &[5]);
    assert_eq!(columns[1].as_string::<i32>().value(0), "n");
    let mut when = String::new();
    write_json_cell(&mut when, &columns[3], 0).unwrap();
    assert_eq!(when, "77");
}

/// Writes columns as Avro, reads them back, and compares both as JSON.
fn through_avro(json: &str) -> (String, String) {
    let mut decoder = json_decoder();
    decoder.append(Some(json.as_bytes())).unwrap();
    let columns = decoder.finish();
    let row = Schema::required(Type::Struct(fields()));
    let schema = Arc::new(avro::from_typed(&row, "x.Row").unwrap());
    let target = Some((1, Arc::clone(&schema)));
    let encoder = RowEncoder::new(Format::Avro, &fields(), Wrapping::Record, target).unwrap();
    let mut bytes = Vec::new();
    encoder.encode(&columns, 0, &mut bytes).unwrap();
    let mut decoder = RowDecoder::new(Format::Avro, &fields(), Wrapping::Record).unwrap();
    decoder.add_writer(1, schema);
    decoder.append(Some(&bytes)).unwrap();
    let back = decoder.finish();
    let encoder = RowEncoder::new(Format::Json, &fields(), Wrapping::Record, None).unwrap();
    let text = |columns: &[_]| {
        let mut out = Vec::new();
        encoder.encode(columns, 0, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    (text(&columns), text(&back))
}

/// Columns of one JSON record, as Avro and back.
fn renamed_through_avro(fields: &[Field], json: &str, read: &[Field]) -> String {
    let columns_of = |format, fields: &[Field], writer: Option<Arc<avro::Schema>>, bytes: &[u8]| {
        let mut decoder = RowDecoder::new(format, fields, Wrapping::Record).unwrap();
        writer.into_iter().for_each(|writer| decoder.add_writer(1, writer));
        assert_eq!(decoder.append(Some(bytes)), Ok(Appended::Row));
        decoder.finish()
    };
    let row = avro::with_safe_names(&Schema::required(Type::Struct(fields.to_vec())));
    let schema = Arc::new(avro::from_typed(&row, "x.Row").unwrap());
    let columns = columns_of(Format::Json, fields, None, json.as_bytes());
    let target = Some((1, Arc::clone(&schema)));
    let encoder = RowEncoder::new(Format::Avro, fields, Wrapping::Record, target).unwrap();
    let (mut bytes, mut text) = (Vec::new(), Vec::new());
    encoder.encode(&columns, 0, &mut bytes).unwrap();
    let back = columns_of(Format::Avro, read, Some(schema), &bytes);
    let encoder = RowEncoder::new(Format::Json, read, Wrapping::Record, None).unwrap();
    encoder.encode(&back, 0, &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn columns_whose_names_avro_does_not_take_are_written_and_read_and_none_is_taken_for_another() {
    let column = |name: &str, ty: Type| Field::new(name, Schema::optional(ty));
    let strings = |names: &[&str]| -> Vec<Field> {
        names.iter().map(|name| column(name, Type::String)).collect()
    };
    let names = ["이름", "a b", "a_b", "a-b", "A B", "A_B", "_xC774__xB984_"];
    let nested = Type::Struct(strings(&names));
    let mut fields = strings(&names);
    fields.push(column("구조", nested.clone()));
    fields.push(column("목록", Type::array(Schema::optional(nested.clone()))));
    fields
        .push(column("사전", Type::map(Schema::required(Type::String), Schema::optional(nested))));
    let members = names.map(|name| format!("\"{name}\":\"<{name}>\"")).join(",");
    let json = format!(
        r#"{{{members},"구조":{{{members}}},"목록":[{{{members}}},null],"사전":{{"k":{{{members}}}}}}}"#
    );
    assert_eq!(renamed_through_avro(&fields, &json, &fields), json);
    // Some of them, in any order.
    let some = strings(&["a-b", "A_B", "이름", "a b"]);
    let expected = r#"{"a-b":"<a-b>","A_B":"<A_B>","이름":"<이름>","a b":"<a b>"}"#;
    assert_eq!(renamed_through_avro(&fields, &json, &some), expected);
    // A name in upper case, of a name that has its own in Avro.
    let (lower, upper) = (strings(&["größe"]), strings(&["GRÖSSE"]));
    let read = renamed_through_avro(&lower, r#"{"größe":"7"}"#, &upper);
    assert_eq!(read, r#"{"GRÖSSE":"7"}"#);
}

proptest! {
    #[test]
    fn rows_survive_avro(
        id in any::<Option<i32>>(),
        name in any::<Option<String>>(),
        cents in -999_999i64..=999_999,
        when in any::<i64>(),
        list in proptest::collection::vec(any::<Option<i64>>(), 0..4),
        double in any::<f64>(),
        flag in any::<Option<bool>>(),
    ) {
        let double = if double.is_finite() { double } else { 0.0 };
        let json = serde_json::json!({
            "ID": id, "NAME": name, "PRICE": format!("{}e-2", cents), "WHEN": when,
            "RAW": "AP8=", "LIST": list, "MAP": {"a": double}, "NESTED": {"X": flag},
        });
        let (before, after) = through_avro(&json.to_string());
        prop_assert_eq!(before, after);
    }

    #[test]
    fn no_bytes_make_the_decoders_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let mut json = json_decoder();
        let _ = json.append(Some(&bytes));
        prop_assert!(json.finish().iter().all(|column| column.len() <= 1));
        let row = Schema::required(Type::Struct(fields()));
        let schema = Arc::new(avro::from_typed(&row, "x.Row").unwrap());
        let mut avro = RowDecoder::new(Format::Avro, &fields(), Wrapping::Record).unwrap();
        avro.add_writer(0, schema);
        let framed = [&[0; 5][..], &bytes].concat();
        let _ = avro.append(Some(&framed));
        let rows = avro.rows();
        prop_assert!(avro.finish().iter().all(|column| column.len() == rows));
    }
}
