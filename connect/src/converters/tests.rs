use std::sync::Arc;

use formats::{Decimal, Field, Schema, Type, Value};

use super::*;

fn row() -> SchemaAndValue {
    let fields = vec![
        Field::new("id", Schema::required(Type::Int32)),
        Field::new("price", Schema::optional(Type::Decimal { precision: 5, scale: 2 })),
        Field::new("day", Schema::optional(Type::Date)),
        Field::new("note", Schema::optional(Type::String)),
    ];
    let schema = Arc::new(Schema::required(Type::Struct(fields)).named("Row"));
    let price = Value::Decimal(Decimal { unscaled: 1250, scale: 2 });
    let value = Value::Struct(vec![Value::Int32(7), price, Value::Date(1), Value::Null]);
    SchemaAndValue { schema, value }
}

fn converter(class: &str, settings: &[(&str, &str)]) -> Result<Box<dyn Converter>, ConfigProblem> {
    let settings = settings.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    find(class, Side::Value, &settings)
}

async fn text(converter: &dyn Converter, data: &SchemaAndValue) -> String {
    let bytes = converter.to_bytes("t", Some(data)).await.expect("converted").expect("a value");
    String::from_utf8(bytes.to_vec()).expect("text")
}

#[tokio::test]
async fn json_is_plain_or_in_connects_envelope() {
    let class = "org.apache.kafka.connect.json.JsonConverter";
    let plain = [("schemas.enable", "false"), ("decimal.format", "NUMERIC")];
    let plain = converter(class, &plain).expect("a converter");
    let expected = r#"{"id":7,"price":12.50,"day":1,"note":null}"#;
    assert_eq!(text(&*plain, &row()).await, expected);
    let envelope = converter("JsonConverter", &[]).expect("a converter");
    let expected = concat!(
        r#"{"schema":{"type":"struct","fields":[{"type":"int32","optional":false,"field":"id"},"#,
        r#"{"type":"bytes","optional":true,"name":"org.apache.kafka.connect.data.Decimal","#,
        r#""version":1,"parameters":{"scale":"2","connect.decimal.precision":"5"},"#,
        r#""field":"price"},{"type":"int32","optional":true,"#,
        r#""name":"org.apache.kafka.connect.data.Date","version":1,"field":"day"},"#,
        r#"{"type":"string","optional":true,"field":"note"}],"optional":false,"name":"Row"},"#,
        r#""payload":{"id":7,"price":"BOI=","day":1,"note":null}}"#
    );
    assert_eq!(text(&*envelope, &row()).await, expected);
}

#[tokio::test]
async fn text_and_bytes_go_as_they_are_and_nothing_else_does() {
    let string = converter("org.apache.kafka.connect.storage.StringConverter", &[]).expect("one");
    let schema = Arc::new(Schema::required(Type::Float64));
    let number = SchemaAndValue { schema, value: Value::Float64(1e10) };
    assert_eq!(text(&*string, &number).await, "1.0E10");
    assert!(string.to_bytes("t", Some(&row())).await.is_err());
    let bytes = converter("ByteArrayConverter", &[]).expect("one");
    let error = bytes.to_bytes("t", Some(&number)).await.expect_err("refused").to_string();
    assert!(error.starts_with("ByteArrayConverter cannot convert DOUBLE"), "{error}");
    assert_eq!(string.to_bytes("t", None).await.expect("nothing"), None);
}

#[test]
fn wrong_settings_are_named() {
    let message = |class: &str, settings: &[(&str, &str)]| match converter(class, settings) {
        Ok(_) => String::new(),
        Err(problem) => problem.to_string(),
    };
    assert!(message("Protobuf", &[]).contains("value.converter: the converters are"));
    assert!(message("AvroConverter", &[]).contains("\"value.converter.schema.registry.url\""));
    assert!(message("AvroConverter", &[("schema.registry.url", "x")]).contains("http://"));
    assert!(message("StringConverter", &[("x", "1")]).contains("value.converter.x is not"));
    assert!(message("Json", &[("schemas.enable", "maybe")]).contains("true or false"));
    assert!(message("StringConverter", &[("converter.encoding", "ISO-8859-1")]).contains("UTF-8"));
    assert_eq!(message("StringConverter", &[("converter.encoding", "utf8")]), "");
}
