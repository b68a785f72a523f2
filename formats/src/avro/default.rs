//! Defaults: whether a JSON value fits a type.

use serde_json::{Number, Value as Json};

use super::model::{Kind, Node, NodeId};

/// Whether `value` may stand as a default of the type; for a union any branch may fit. A record
/// may leave out what has a default of its own, which was checked with that record; within
/// `defining`, the record whose defaults are being checked, that would be a value without end.
pub(super) fn fits(nodes: &[Node], id: NodeId, value: &Json, defining: NodeId) -> bool {
    let fits = |id: NodeId, value: &Json| fits(nodes, id, value, defining);
    match &nodes[id.0 as usize].kind {
        Kind::Null => value.is_null(),
        Kind::Boolean => value.is_boolean(),
        Kind::Int => whole(value).is_some_and(|n| i32::try_from(n).is_ok()),
        Kind::Long => whole(value).is_some(),
        Kind::Float | Kind::Double => value.is_number(),
        Kind::Bytes | Kind::String | Kind::Enum(_) | Kind::Fixed(_) => value.is_string(),
        Kind::Array(items) => {
            value.as_array().is_some_and(|list| list.iter().all(|item| fits(*items, item)))
        }
        Kind::Map(values) => {
            let entries = value.as_object();
            entries.is_some_and(|map| map.values().all(|item| fits(*values, item)))
        }
        Kind::Union(branches) => branches.iter().any(|branch| fits(*branch, value)),
        Kind::Record(record) => value.as_object().is_some_and(|object| {
            record.fields.iter().all(|field| match object.get(&field.name) {
                Some(member) => fits(field.schema, member),
                None => field.default.is_some() && id != defining,
            })
        }),
    }
}

fn whole(value: &Json) -> Option<i64> {
    value.as_number().and_then(Number::as_i64)
}
