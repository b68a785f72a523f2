//! Between Avro's schemas and the typed ones.

use serde_json::{Value as Json, json};

use super::model::{Kind, Logical, NodeId, Schema};
use super::parse::SchemaError;
use crate::{Field, Schema as Typed, Type, Value};

/// An Avro schema that has no typed form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TypedError {
    #[error("the schema contains itself in {name}; columns cannot")]
    Recursive { name: String },
    #[error("{path}: the Avro type {found} has no counterpart among the columns' types")]
    Unsupported { path: String, found: String },
    #[error(
        "{path}: written out, the schema has more than {MOST_TYPES} types or nests more than \
         {DEEPEST} deep"
    )]
    TooLarge { path: String },
}

/// Named types are written out wherever they are used: a short text may mean any number of them.
const MOST_TYPES: usize = 10_000;
const DEEPEST: usize = 64;

/// The way through a schema.
#[derive(Default)]
struct Walk {
    inside: Vec<NodeId>,
    types: usize,
}

impl Schema {
    /// The typed schema of this one's values. A union of null and one type is that type, optional;
    /// any other union is a struct with an optional member for each branch.
    pub fn to_typed(&self) -> Result<Typed, TypedError> {
        self.typed(self.root, &mut Walk::default(), "the value")
    }

    fn typed(&self, id: NodeId, walk: &mut Walk, path: &str) -> Result<Typed, TypedError> {
        let node = self.node(id);
        let unsupported = || TypedError::Unsupported {
            path: path.to_owned(),
            found: node.kind.word().to_owned(),
        };
        if walk.inside.contains(&id) {
            return Err(TypedError::Recursive { name: self.full_name(id) });
        }
        walk.inside.push(id);
        walk.types += 1;
        if walk.types > MOST_TYPES || walk.inside.len() > DEEPEST {
            return Err(TypedError::TooLarge { path: path.to_owned() });
        }
        let narrow = node.props.get("connect.type").and_then(Json::as_str);
        let ty = match (&node.kind, node.logical) {
            (Kind::Null, _) => return Err(unsupported()),
            (Kind::Boolean, _) => Type::Boolean,
            (Kind::Int, Some(Logical::Date)) => Type::Date,
            (Kind::Int, Some(Logical::TimeMillis)) => Type::Time,
            (Kind::Int, _) if narrow == Some("int8") => Type::Int8,
            (Kind::Int, _) if narrow == Some("int16") => Type::Int16,
            (Kind::Int, _) => Type::Int32,
            (Kind::Long, Some(Logical::TimeMicros)) => Type::Time,
            (Kind::Long, Some(Logical::TimestampMillis | Logical::TimestampMicros)) => {
                Type::Timestamp
            }
            (Kind::Long, _) => Type::Int64,
            (Kind::Float, _) => Type::Float32,
            (Kind::Double, _) => Type::Float64,
            (Kind::String | Kind::Enum(_), _) => Type::String,
            (Kind::Bytes | Kind::Fixed(_), Some(Logical::Decimal { precision, scale })) => {
                let precision = u8::try_from(precision).ok();
                let precision =
                    precision.filter(|precision| *precision <= crate::MAX_DECIMAL_PRECISION);
                let scale = u8::try_from(scale).map_err(|_| unsupported())?;
                Type::Decimal { precision: precision.ok_or_else(unsupported)?, scale }
            }
            (Kind::Bytes | Kind::Fixed(_), _) => Type::Bytes,
            (Kind::Array(items), _) => Type::array(self.typed(*items, walk, path)?),
            (Kind::Map(values), _) => {
                Type::map(Typed::required(Type::String), self.typed(*values, walk, path)?)
            }
            (Kind::Record(record), _) => {
                let mut fields = Vec::with_capacity(record.fields.len());
                for field in &record.fields {
                    let mut schema = self.typed(field.schema, walk, &field.name)?;
                    schema.default =
                        field.default.as_ref().and_then(|json| default_value(&schema, json));
                    schema.doc = field.doc.clone().or(schema.doc);
                    fields.push(Field::new(&field.name, schema));
                }
                Type::Struct(fields)
            }
            (Kind::Union(branches), _) => {
                let typed = self.typed_union(branches, walk, path)?;
                walk.inside.pop();
                return Ok(typed);
            }
        };
        walk.inside.pop();
        let mut typed = Typed::required(ty);
        typed.name = match &node.kind {
            Kind::Record(record) => Some(record.name.full()),
            Kind::Enum(symbols) => Some(symbols.name.full()),
            _ => None,
        };
        typed.doc = node.kind.doc().map(str::to_owned);
        Ok(typed)
    }

    fn typed_union(
        &self,
        branches: &[NodeId],
        walk: &mut Walk,
        path: &str,
    ) -> Result<Typed, TypedError> {
        let real: Vec<NodeId> = branches
            .iter()
            .copied()
            .filter(|branch| !matches!(self.kind(*branch), Kind::Null))
            .collect();
        let optional = real.len() < branches.len();
        if let [only] = real[..] {
            let mut typed = self.typed(only, walk, path)?;
            typed.optional |= optional;
            return Ok(typed);
        }
        if real.is_empty() {
            let found = "null".to_owned();
            return Err(TypedError::Unsupported { path: path.to_owned(), found });
        }
        let mut fields = Vec::with_capacity(real.len());
        for branch in real {
            let mut typed = self.typed(branch, walk, path)?;
            typed.optional = true;
            let kind = self.kind(branch);
            let name = kind.name().map_or_else(|| kind.word(), |name| &name.name);
            fields.push(Field::new(name, typed));
        }
        let union = Typed::required(Type::Struct(fields)).named("io.confluent.connect.avro.Union");
        Ok(Typed { optional, ..union })
    }
}

/// A default that is a plain value; none for the others, which readers then do without.
fn default_value(schema: &Typed, json: &Json) -> Option<Value> {
    Some(match (&schema.ty, json) {
        (_, Json::Null) => return schema.optional.then_some(Value::Null),
        (Type::Boolean, Json::Bool(flag)) => Value::Boolean(*flag),
        (Type::Int8, json) => Value::Int8(json.as_i64()?.try_into().ok()?),
        (Type::Int16, json) => Value::Int16(json.as_i64()?.try_into().ok()?),
        (Type::Int32, json) => Value::Int32(json.as_i64()?.try_into().ok()?),
        (Type::Int64, json) => Value::Int64(json.as_i64()?),
        (Type::Float32, json) => Value::Float32(json.as_f64()? as f32),
        (Type::Float64, json) => Value::Float64(json.as_f64()?),
        (Type::Date, json) => Value::Date(json.as_i64()?.try_into().ok()?),
        (Type::Timestamp, json) => Value::Timestamp(json.as_i64()?),
        (Type::String, Json::String(text)) => Value::String(text.clone()),
        _ => return None,
    })
}

/// The Avro schema for values of `schema`: optional types become unions with null and a default of
/// null. A struct without a name of its own gets `name`, or that and `_` and its field's name.
pub fn from_typed(schema: &Typed, name: &str) -> Result<Schema, SchemaError> {
    Schema::parse(&type_json(schema, name, None).to_string())
}

fn type_json(schema: &Typed, name: &str, namespace: Option<&str>) -> Json {
    let inner = match &schema.ty {
        Type::Boolean => json!("boolean"),
        Type::Int8 => json!({"type": "int", "connect.type": "int8"}),
        Type::Int16 => json!({"type": "int", "connect.type": "int16"}),
        Type::Int32 => json!("int"),
        Type::Int64 => json!("long"),
        Type::Float32 => json!("float"),
        Type::Float64 => json!("double"),
        Type::String => json!("string"),
        Type::Bytes => json!("bytes"),
        Type::Decimal { precision, scale } => json!({
            "type": "bytes", "scale": scale, "precision": precision, "logicalType": "decimal"
        }),
        Type::Date => json!({"type": "int", "logicalType": "date"}),
        Type::Time => json!({"type": "int", "logicalType": "time-millis"}),
        Type::Timestamp => json!({"type": "long", "logicalType": "timestamp-millis"}),
        Type::Array(items) => {
            json!({"type": "array", "items": type_json(items, name, namespace)})
        }
        Type::Map { value, .. } => {
            json!({"type": "map", "values": type_json(value, name, namespace)})
        }
        Type::Struct(fields) => record_json(schema, fields, name, namespace),
    };
    if schema.optional { json!(["null", inner]) } else { inner }
}

fn record_json(schema: &Typed, fields: &[Field], name: &str, namespace: Option<&str>) -> Json {
    let full = schema.name.as_deref().unwrap_or(name);
    let (space, simple) = match full.rsplit_once('.') {
        Some((space, simple)) => (Some(space), simple),
        None => (namespace, full),
    };
    let mut record = json!({"type": "record", "name": simple});
    if let Some(space) = space {
        record["namespace"] = json!(space);
    }
    if let Some(doc) = &schema.doc {
        record["doc"] = json!(doc);
    }
    let list = fields.iter().map(|field| {
        let nested = format!("{full}_{}", field.name);
        let ty = type_json(&field.schema, &nested, space);
        let mut json = json!({"name": field.name, "type": ty});
        // A record has its documentation in its own schema.
        if let (Some(doc), false) = (&field.schema.doc, matches!(field.schema.ty, Type::Struct(_)))
        {
            json["doc"] = json!(doc);
        }
        if field.schema.optional {
            json["default"] = Json::Null;
        }
        json
    });
    record["fields"] = list.collect();
    record
}
