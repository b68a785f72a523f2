//! Records as the JSON that Kafka's tools print.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use broker_log::print_id;
use protocol::Tree;
use serde_json::{Map, Value};

/// A record's fields by name: ids in Kafka's spelling, bytes in base 64.
pub(crate) fn json(tree: &Tree) -> Value {
    match tree {
        Tree::Null => Value::Null,
        Tree::Bool(value) => Value::Bool(*value),
        Tree::Integer(value) => Value::from(*value),
        Tree::Float(value) => Value::from(*value),
        Tree::Text(text) => Value::String(text.clone()),
        Tree::Bytes(bytes) => Value::String(STANDARD.encode(bytes)),
        Tree::Id(id) => Value::String(print_id(*id)),
        Tree::Array(items) => Value::Array(items.iter().map(json).collect()),
        Tree::Struct(fields) => object(fields.iter().map(|(name, value)| (*name, json(value)))),
    }
}

/// An object whose fields keep their order.
pub(crate) fn object<'a>(fields: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value));
    Value::Object(fields.collect::<Map<_, _>>())
}
