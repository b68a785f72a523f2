//! Random schemas and values: what is printed parses to the same, what is written reads back.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::{Datum, Kind, NodeId, Schema};

/// Schema JSON whose named types get their names afterwards, so that each is defined once.
fn schema_json() -> impl Strategy<Value = Json> {
    let primitive = prop_oneof![
        Just(json!("null")),
        Just(json!("boolean")),
        Just(json!("int")),
        Just(json!({"type": "long", "logicalType": "timestamp-millis"})),
        Just(json!("float")),
        Just(json!("double")),
        Just(json!("bytes")),
        Just(json!({"type": "string", "custom": [1, 2.5, {"k": "v"}]})),
        Just(json!({"type": "enum", "symbols": ["A", "B", "C"], "default": "B"})),
        Just(json!({"type": "fixed", "size": 3, "aliases": ["Old"]})),
    ];
    primitive.prop_recursive(4, 24, 4, |inner| {
        let record = vec((inner.clone(), any::<Option<String>>()), 0..4).prop_map(|fields| {
            let fields = fields.into_iter().enumerate().map(|(index, (ty, doc))| {
                let mut field = json!({"name": format!("f{index}"), "type": ty});
                if let Some(doc) = doc {
                    field["doc"] = json!(doc);
                }
                field
            });
            json!({"type": "record", "fields": fields.collect::<Json>()})
        });
        prop_oneof![
            inner.clone().prop_map(|items| json!({"type": "array", "items": items})),
            inner.clone().prop_map(|values| json!({"type": "map", "values": values})),
            inner
                .prop_filter("unions do not nest", |ty| *ty != json!("null") && !ty.is_array())
                .prop_map(|ty| json!(["null", ty])),
            record,
        ]
    })
}

fn name_types(json: &mut Json, count: &mut usize) {
    match json {
        Json::Array(list) => list.iter_mut().for_each(|item| name_types(item, count)),
        Json::Object(object) => {
            let ty = object.get("type").and_then(Json::as_str);
            if matches!(ty, Some("record" | "enum" | "fixed")) {
                *count += 1;
                object.insert("name".into(), json!(format!("T{count}")));
                if count.is_multiple_of(3) {
                    object.insert("namespace".into(), json!(format!("n{}", *count % 2)));
                }
            }
            for key in ["fields", "items", "values", "type"] {
                if let Some(inner) = object.get_mut(key) {
                    name_types(inner, count);
                }
            }
        }
        _ => {}
    }
}

fn schema() -> impl Strategy<Value = Schema> {
    schema_json().prop_map(|mut json| {
        name_types(&mut json, &mut 0);
        Schema::parse(&json.to_string()).expect("a generated schema is valid")
    })
}

/// A value of the schema, made from a stream of bytes.
fn datum(schema: &Schema, id: NodeId, seed: &mut dyn FnMut() -> u8) -> Datum {
    match schema.kind(id) {
        Kind::Null => Datum::Null,
        Kind::Boolean => Datum::Boolean(seed().is_multiple_of(2)),
        Kind::Int => Datum::Int(i32::from(seed()) - 128),
        Kind::Long => Datum::Long((i64::from(seed()) - 128) << (seed() % 56)),
        Kind::Float => Datum::Float(f32::from(seed()) / 3.0),
        Kind::Double => Datum::Double(f64::from(seed()) / 7.0),
        Kind::Bytes => Datum::Bytes(vec![seed(); usize::from(seed() % 5)].into()),
        Kind::String => Datum::String("é".repeat(usize::from(seed() % 5))),
        Kind::Fixed(fixed) => Datum::Fixed(vec![seed(); fixed.size].into()),
        Kind::Enum(symbols) => Datum::Enum(usize::from(seed()) % symbols.symbols.len()),
        Kind::Array(items) => {
            let count = seed() % 4;
            Datum::Array((0..count).map(|_| datum(schema, *items, seed)).collect())
        }
        Kind::Map(values) => {
            let count = seed() % 4;
            let entry = |n| (format!("k{n}"), datum(schema, *values, seed));
            Datum::Map((0..count).map(entry).collect())
        }
        Kind::Union(branches) => {
            let index = usize::from(seed()) % branches.len();
            Datum::Union(index, Box::new(datum(schema, branches[index], seed)))
        }
        Kind::Record(record) => {
            let fields = record.fields.iter();
            Datum::Record(fields.map(|field| datum(schema, field.schema, seed)).collect())
        }
    }
}

proptest! {
    #[test]
    fn a_printed_schema_parses_to_the_same_text(schema in schema()) {
        let text = schema.to_text();
        let again = Schema::parse(&text).expect("its own text is valid");
        prop_assert_eq!(again.to_text(), text);
        let normal = schema.to_normalized_text();
        let again = Schema::parse(&normal).expect("its normal form is valid");
        prop_assert_eq!(again.to_normalized_text(), normal);
    }

    #[test]
    fn a_written_value_reads_back(schema in schema(), bytes in vec(any::<u8>(), 1..64)) {
        let mut stream = bytes.iter().cycle();
        let mut seed = || *stream.next().expect("it goes round");
        let written = datum(&schema, schema.root(), &mut seed);
        let mut out = Vec::new();
        schema.encode(&written, &mut out).expect("a value of the schema");
        prop_assert_eq!(schema.decode(&out).expect("its own bytes"), written);
    }

    #[test]
    fn foreign_bytes_are_read_or_refused(schema in schema(), bytes in vec(any::<u8>(), 0..48)) {
        if let Ok(read) = schema.decode(&bytes) {
            let mut out = Vec::new();
            schema.encode(&read, &mut out).expect("what was read is of the schema");
            // Bytes are compared, as NaN is not equal to itself.
            let again = schema.decode(&out).expect("its own bytes");
            let mut twice = Vec::new();
            schema.encode(&again, &mut twice).expect("what was read is of the schema");
            prop_assert_eq!(twice, out);
        }
    }
}
