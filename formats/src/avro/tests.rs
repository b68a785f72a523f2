use std::sync::Arc;

use super::*;
use crate::{Decimal, Schema as Typed, Type, Value};

fn text(schema: &str) -> String {
    Schema::parse(schema).unwrap().to_text()
}

#[test]
fn a_schema_prints_as_java_prints_it() {
    let cases = [
        (r#" {"type": "int"} "#, r#""int""#),
        (r#"{"logicalType":"date","type":"int"}"#, r#"{"type":"int","logicalType":"date"}"#),
        (
            r#"{"fields":[{"type":"string","name":"a","default":"x","doc":"d","x":1,
                "aliases":["b"],"order":"IGNORE"}],
               "name":"R","namespace":"n.s","custom":{"k":[1.5,1e3,12]},"aliases":["Q","o.P"],
               "type":"record","doc":"about"}"#,
            concat!(
                r#"{"type":"record","name":"R","namespace":"n.s","doc":"about","fields":[{"name":"a","#,
                r#""type":"string","doc":"d","default":"x","order":"ignore","aliases":["b"],"x":1}],"#,
                r#""custom":{"k":[1.5,1000.0,12]},"aliases":["Q","o.P"]}"#
            ),
        ),
        (
            r#"{"type":"record","name":"n.A","fields":[
                {"name":"e","type":{"type":"enum","name":"E","symbols":["X","Y"],"default":"X"}},
                {"name":"again","type":["null","n.E","A"],"default":null},
                {"name":"f","type":{"type":"fixed","namespace":"","name":"F","size":4}},
                {"name":"l","type":{"type":"array","items":"F","p":"q"}}]}"#,
            concat!(
                r#"{"type":"record","name":"A","namespace":"n","fields":[{"name":"e","type":"#,
                r#"{"type":"enum","name":"E","symbols":["X","Y"],"default":"X"}},"#,
                r#"{"name":"again","type":["null","E","A"],"default":null},"#,
                r#"{"name":"f","type":{"type":"fixed","name":"F","namespace":"","size":4}},"#,
                r#"{"name":"l","type":{"type":"array","items":"F","p":"q"}}]}"#
            ),
        ),
        (
            "{\"type\":\"map\",\"values\":\"long\",\"p\":\"a\\u0001\\\"\\/é\"}",
            "{\"type\":\"map\",\"values\":\"long\",\"p\":\"a\\u0001\\\"/é\"}",
        ),
    ];
    for (given, printed) in cases {
        assert_eq!(text(given), printed);
        assert_eq!(text(printed), printed, "its own text is a fixed point");
    }
}

#[test]
fn types_of_references_stay_names_in_the_text() {
    let country = r#"{"type":"record","name":"geo.Country","fields":[]}"#;
    let user = r#"{"type":"record","name":"User","fields":[{"name":"c","type":"geo.Country"}]}"#;
    let schema = Schema::parse_with(user, &[country], Validation::Strict).unwrap();
    assert_eq!(
        schema.to_text(),
        r#"{"type":"record","name":"User","fields":[{"name":"c","type":"geo.Country"}]}"#
    );
    let error = Schema::parse(user).unwrap_err().to_string();
    assert!(error.starts_with("\"geo.Country\" is not a defined name."), "{error}");
}

#[test]
fn normalised_text_does_not_depend_on_how_it_was_written() {
    let a = r#"{"type":"record","name":"R","namespace":"n","doc":"d","fields":
        [{"name":"x","type":{"type":"int","b":1,"a":2}}]}"#;
    let b = r#"{"doc":"d","name":"n.R","type":"record","fields":
        [{"type":{"a":2,"type":"int","b":1},"name":"x"}]}"#;
    let normal = |text: &str| Schema::parse(text).unwrap().to_normalized_text();
    assert_eq!(normal(a), normal(b));
    assert_eq!(
        normal(a),
        concat!(
            r#"{"name":"n.R","type":"record","fields":[{"name":"x","#,
            r#""type":{"type":"int","a":2,"b":1}}],"doc":"d"}"#
        )
    );
}

#[test]
fn wrong_schemas_are_refused_with_javas_words() {
    for (schema, message) in [
        (r#""strange""#, "Undefined name: \"strange\""),
        (r#"{"type":"record","name":"R"}"#, "Record has no fields"),
        (r#"{"type":"record","fields":[]}"#, "No name in schema"),
        (r#"{"type":"enum","name":"E","symbols":["A","A"]}"#, "Duplicate enum symbol: A"),
        (r#"{"type":"enum","name":"E","symbols":["A"],"default":"B"}"#, "The Enum Default: B"),
        (r#"{"type":"fixed","name":"F"}"#, "Invalid or no size"),
        (r#"{"type":"array"}"#, "Array has no items type"),
        (r#"["int","int"]"#, "Duplicate in union:int"),
        (r#"["int",["null"]]"#, "Nested union"),
        (r#"{"type":"record","name":"1R","fields":[]}"#, "Illegal initial character: 1R"),
        (r#"{"type":"record","name":"R-x","fields":[]}"#, "Illegal character in: R-x"),
        (
            r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int","default":"x"}]}"#,
            "Invalid default for field a: \"x\" not a \"int\"",
        ),
        (
            r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"},
                {"name":"a","type":"int"}]}"#,
            "Duplicate field a in record R",
        ),
        ("{", "EOF while parsing"),
    ] {
        let error = Schema::parse(schema).unwrap_err().to_string();
        assert!(error.starts_with(message), "{schema}: {error}");
    }
}

const SHOP: &str = r#"{"type":"record","name":"Order","fields":[
    {"name":"id","type":"long"},
    {"name":"note","type":["null","string"],"default":null},
    {"name":"price","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}},
    {"name":"state","type":{"type":"enum","name":"S","symbols":["NEW","PAID"]}},
    {"name":"lines","type":{"type":"array","items":
        {"type":"record","name":"Line","fields":[{"name":"n","type":"int"}]}}},
    {"name":"tags","type":{"type":"map","values":"double"}},
    {"name":"day","type":{"type":"int","logicalType":"date"}}]}"#;

fn order() -> Value {
    Value::Struct(vec![
        Value::Int64(-7),
        Value::String("é".into()),
        Value::Decimal(Decimal { unscaled: -12345, scale: 2 }),
        Value::String("PAID".into()),
        Value::Array(vec![Value::Struct(vec![Value::Int32(3)])]),
        Value::Map(vec![(Value::String("a".into()), Value::Float64(0.5))]),
        Value::Date(20000),
    ])
}

#[test]
fn another_implementation_reads_what_is_written_and_writes_what_is_read() {
    let schema = Schema::parse(SHOP).unwrap();
    let mut bytes = Vec::new();
    schema.encode_value(&order(), &mut bytes).unwrap();
    assert_eq!(schema.decode_value(&bytes).unwrap(), order());

    let other = apache_avro::Schema::parse_str(SHOP).unwrap();
    let value = apache_avro::from_avro_datum(&other, &mut &bytes[..], None).unwrap();
    assert_eq!(apache_avro::to_avro_datum(&other, value).unwrap(), bytes);
}

#[test]
fn a_value_of_the_wrong_type_names_its_field() {
    let schema = Schema::parse(SHOP).unwrap();
    let Value::Struct(mut members) = order() else { unreachable!() };
    members[4] = Value::Array(vec![Value::Struct(vec![Value::String("x".into())])]);
    let error = schema.encode_value(&Value::Struct(members), &mut Vec::new()).unwrap_err();
    assert_eq!(error.to_string(), "lines.n: STRING cannot be written as Avro int");
}

#[test]
fn a_reader_schema_reorders_promotes_and_fills_in() {
    let writer = r#"{"type":"record","name":"R","fields":[
        {"name":"gone","type":"string"},{"name":"a","type":"int"},
        {"name":"e","type":{"type":"enum","name":"E","symbols":["A","B"]}}]}"#;
    let reader = r#"{"type":"record","name":"R","fields":[
        {"name":"e","type":{"type":"enum","name":"E","symbols":["A","Z"],"default":"Z"}},
        {"name":"renamed","aliases":["a"],"type":["null","double"]},
        {"name":"new","type":["null","long"],"default":null},
        {"name":"n2","type":"long","default":5}]}"#;
    let writer = Arc::new(Schema::parse(writer).unwrap());
    let reader = Arc::new(Schema::parse(reader).unwrap());
    let written = Datum::Record(vec![Datum::String("x".into()), Datum::Int(4), Datum::Enum(1)]);
    let mut bytes = Vec::new();
    writer.encode(&written, &mut bytes).unwrap();
    let resolved = Resolver::new(Arc::clone(&writer), reader).decode(&bytes).unwrap();
    let branch = |index, datum| Datum::Union(index, Box::new(datum));
    assert_eq!(
        resolved,
        Datum::Record(vec![
            Datum::Enum(1),
            branch(1, Datum::Double(4.0)),
            branch(0, Datum::Null),
            Datum::Long(5)
        ])
    );
    let strict = Arc::new(Schema::parse(r#""string""#).unwrap());
    assert!(matches!(
        Resolver::new(writer, strict).decode(&bytes),
        Err(ResolveError::Mismatch { .. })
    ));
}

#[test]
fn hostile_bytes_neither_panic_nor_allocate_much() {
    let deep = Schema::parse(
        r#"{"type":"record","name":"N","fields":[{"name":"n","type":["null","N"]}]}"#,
    );
    assert!(deep.unwrap().decode(&[2; 100_000]).is_err());
    let nulls = Schema::parse(r#"{"type":"array","items":"null"}"#).unwrap();
    let mut bytes = Vec::new();
    for _ in 0..1000 {
        write_long(&mut bytes, 1000);
    }
    assert!(nulls.decode(&bytes).is_err());
    let shop = Schema::parse(SHOP).unwrap();
    let mut bytes = Vec::new();
    shop.encode_value(&order(), &mut bytes).unwrap();
    for cut in 0..bytes.len() {
        assert!(shop.decode(&bytes[..cut]).is_err(), "cut at {cut}");
    }
}

#[test]
fn typed_schemas_become_avro_and_come_back() {
    let typed = Schema::parse(SHOP).unwrap().to_typed().unwrap();
    assert_eq!(typed.field("price").unwrap().schema.ty, Type::Decimal { precision: 9, scale: 2 });
    assert!(typed.field("note").unwrap().schema.optional);

    let fields = vec![
        crate::Field::new("A", Typed::optional(Type::Int32)),
        crate::Field::new(
            "B",
            Typed::optional(Type::Struct(vec![crate::Field::new(
                "C",
                Typed::optional(Type::Timestamp),
            )])),
        ),
    ];
    let avro = from_typed(&Typed::required(Type::Struct(fields)), "x.y.Row").unwrap();
    assert_eq!(
        avro.to_text(),
        concat!(
            r#"{"type":"record","name":"Row","namespace":"x.y","fields":[{"name":"A","type":"#,
            r#"["null","int"],"default":null},{"name":"B","type":["null",{"type":"record","#,
            r#""name":"Row_B","fields":[{"name":"C","type":["null",{"type":"long","#,
            r#""logicalType":"timestamp-millis"}],"default":null}]}],"default":null}]}"#
        )
    );
    let recursive = r#"{"type":"record","name":"N","fields":[{"name":"n","type":["null","N"]}]}"#;
    let error = Schema::parse(recursive).unwrap().to_typed().unwrap_err();
    assert_eq!(error, TypedError::Recursive { name: "N".into() });
}

/// `R0`, then records of `count` fields each of the one before, the last one at the end.
fn chain(length: usize, members: &str) -> String {
    let record = |n: usize| match n {
        0 => r#"{"type":"record","name":"R0","fields":[{"name":"v","type":"int","default":0}]}"#
            .to_owned(),
        n => {
            let fields = members.replace("BEFORE", &format!("R{}", n - 1));
            format!(r#"{{"type":"record","name":"R{n}","fields":[{fields}]}}"#)
        }
    };
    let records: Vec<String> = (0..length).map(record).collect();
    format!("[{}]", records.join(","))
}

#[test]
fn defaults_without_end_are_refused_and_long_ways_to_one_are_not_walked() {
    let endless = r#"{"type":"record","name":"R","fields":[{"name":"f","type":"R","default":{}}]}"#;
    let error = Schema::parse(endless).unwrap_err().to_string();
    assert_eq!(error, "Invalid default for field f: {} not a \"R\"");
    let twice = r#"{"name":"a","type":"BEFORE","default":{}},
                   {"name":"b","type":"BEFORE","default":{}}"#;
    assert!(Schema::parse(&chain(200, twice)).is_ok());
    let wrong = twice.replace("{}}", "{\"v\":\"\"}}");
    assert!(Schema::parse(&chain(2, &wrong)).is_err());
}

#[test]
fn a_short_schema_that_means_too_many_columns_has_none() {
    let twice = r#"{"name":"a","type":"BEFORE"},{"name":"b","type":"BEFORE"}"#;
    let few = Schema::parse(&chain(5, twice)).unwrap();
    assert!(few.to_typed().is_ok());
    for (length, members) in [(60, twice), (2000, r#"{"name":"a","type":"BEFORE"}"#)] {
        let many = Schema::parse(&chain(length, members)).unwrap();
        assert!(matches!(many.to_typed(), Err(TypedError::TooLarge { .. })), "{length}");
    }
}
