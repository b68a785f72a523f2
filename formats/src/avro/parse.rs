//! Schema text to graph, with the rules and the messages of Avro's Java parser.

use indexmap::IndexMap;
use serde_json::{Map, Value as Json};

use super::default;
use super::model::{
    Enum, Field, Fixed, Kind, Name, Node, NodeId, Order, Props, Record, Schema, primitive,
};

/// Why a text is no Avro schema.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    #[error("{0}")]
    Json(String),
    #[error("{0}")]
    Invalid(String),
    #[error("a referenced schema is invalid: {0}")]
    Reference(String),
}

/// How much of the specification is held against a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Validation {
    /// Names are checked, defaults must fit their field's type: for schemas that are new.
    Strict,
    /// Only what is needed to use it: for schemas that are already in use somewhere.
    Lenient,
}

const MAX_NODES: usize = 100_000;

impl Schema {
    /// Parses a schema that stands alone, strictly.
    pub fn parse(text: &str) -> Result<Self, SchemaError> {
        Self::parse_with(text, &[], Validation::Strict)
    }

    /// Parses a schema that may use the named types of `references`, which are parsed before it in
    /// the given order and may use each other's.
    pub fn parse_with(
        text: &str,
        references: &[&str],
        validation: Validation,
    ) -> Result<Self, SchemaError> {
        let mut parser = Parser { nodes: Vec::new(), names: IndexMap::new(), validation };
        for reference in references {
            parser.validation = Validation::Lenient;
            parser.text(reference).map_err(|error| SchemaError::Reference(error.to_string()))?;
        }
        let referenced = parser.names.len();
        parser.validation = validation;
        let root = parser.text(text)?;
        Ok(Self { nodes: parser.nodes, root, names: parser.names, referenced })
    }
}

struct Parser {
    nodes: Vec<Node>,
    names: IndexMap<Name, NodeId>,
    validation: Validation,
}

type Result_<T> = Result<T, SchemaError>;

fn invalid<T>(message: impl Into<String>) -> Result_<T> {
    Err(SchemaError::Invalid(message.into()))
}

const RESERVED: [&str; 10] =
    ["doc", "fields", "items", "name", "namespace", "size", "symbols", "values", "type", "aliases"];
const FIELD_RESERVED: [&str; 6] = ["default", "doc", "name", "order", "type", "aliases"];

impl Parser {
    fn text(&mut self, text: &str) -> Result_<NodeId> {
        let json: Json = match serde_json::from_str(text) {
            Ok(json) => json,
            Err(error) => return Err(SchemaError::Json(error.to_string())),
        };
        self.schema(&json, None)
    }

    fn schema(&mut self, json: &Json, namespace: Option<&str>) -> Result_<NodeId> {
        match json {
            Json::String(word) => self.word(word, namespace),
            Json::Object(object) => self.object(object, namespace),
            Json::Array(branches) => self.union(branches, namespace),
            _ => invalid(format!("Schema not yet supported: {json}")),
        }
    }

    fn word(&mut self, word: &str, namespace: Option<&str>) -> Result_<NodeId> {
        if let Some(kind) = primitive(word) {
            return self.add(kind, Props::new());
        }
        match self.find(word, namespace) {
            Some(id) => Ok(id),
            None => invalid(format!("Undefined name: \"{word}\"")),
        }
    }

    fn find(&self, word: &str, namespace: Option<&str>) -> Option<NodeId> {
        let inside = self.names.get(&Name::new(word, namespace));
        inside.or_else(|| self.names.get(&Name::new(word, None))).copied()
    }

    fn object(&mut self, object: &Map<String, Json>, namespace: Option<&str>) -> Result_<NodeId> {
        let Some(word) = object.get("type").and_then(Json::as_str) else {
            return invalid(format!("No type: {}", Json::Object(object.clone())));
        };
        let props = |enumeration: bool| -> Props {
            let kept = object.iter().filter(|(key, _)| {
                let reserved = RESERVED.contains(&key.as_str());
                !(reserved || enumeration && *key == "default")
            });
            kept.map(|(key, value)| (key.clone(), value.clone())).collect()
        };
        if let Some(kind) = primitive(word) {
            return self.add(kind, props(false));
        }
        match word {
            "record" | "error" => self.record(object, word == "error", namespace, props(false)),
            "enum" => self.enumeration(object, namespace, props(true)),
            "fixed" => self.fixed(object, namespace, props(false)),
            "array" => {
                let Some(items) = object.get("items") else {
                    return invalid(format!("Array has no items type: {}", show(object)));
                };
                let items = self.schema(items, namespace)?;
                self.add(Kind::Array(items), props(false))
            }
            "map" => {
                let Some(values) = object.get("values") else {
                    return invalid(format!("Map has no values type: {}", show(object)));
                };
                let values = self.schema(values, namespace)?;
                self.add(Kind::Map(values), props(false))
            }
            other => match self.find(other, namespace) {
                Some(id) => Ok(id),
                None => invalid(format!("Type not supported: {other}")),
            },
        }
    }

    fn record(
        &mut self,
        object: &Map<String, Json>,
        error: bool,
        namespace: Option<&str>,
        props: Props,
    ) -> Result_<NodeId> {
        let name = self.name(object, namespace)?;
        let aliases = self.aliases(object, &name)?;
        let doc = optional_text(object, "doc");
        let empty = Record { name: name.clone(), doc, aliases, error, fields: Vec::new() };
        let id = self.define(Kind::Record(empty), props, &name)?;
        let Some(Json::Array(list)) = object.get("fields") else {
            return invalid(format!("Record has no fields: {}", show(object)));
        };
        let mut fields: Vec<Field> = Vec::with_capacity(list.len());
        for json in list {
            let field = self.field(json, name.namespace.as_deref())?;
            if fields.iter().any(|other| other.name == field.name) {
                let (field, record) = (&field.name, name.full());
                return invalid(format!("Duplicate field {field} in record {record}"));
            }
            fields.push(field);
        }
        self.set_fields(id, fields);
        self.check_defaults(id)?;
        Ok(id)
    }

    fn set_fields(&mut self, id: NodeId, list: Vec<Field>) {
        if let Kind::Record(record) = &mut self.nodes[id.0 as usize].kind {
            record.fields = list;
        }
    }

    fn field(&mut self, json: &Json, namespace: Option<&str>) -> Result_<Field> {
        let Json::Object(object) = json else {
            return invalid(format!("A field is not a JSON object: {json}"));
        };
        let Some(name) = object.get("name").and_then(Json::as_str) else {
            return invalid(format!("No field name: {json}"));
        };
        self.check_name(name)?;
        let Some(ty) = object.get("type") else {
            return invalid(format!("No field type: {json}"));
        };
        if let Json::String(word) = ty
            && primitive(word).is_none()
            && self.find(word, namespace).is_none()
        {
            return invalid(format!(
                "\"{word}\" is not a defined name. The type of the \"{name}\" field must be a \
                 defined name or a {{\"type\": ...}} expression."
            ));
        }
        let schema = self.schema(ty, namespace)?;
        let order = match object.get("order").and_then(Json::as_str) {
            None => Order::Ascending,
            Some(word) if word.eq_ignore_ascii_case("ascending") => Order::Ascending,
            Some(word) if word.eq_ignore_ascii_case("descending") => Order::Descending,
            Some(word) if word.eq_ignore_ascii_case("ignore") => Order::Ignore,
            Some(word) => {
                return invalid(format!(
                    "The order of field {name} is {word}; it is ascending, descending or ignore"
                ));
            }
        };
        let aliases = alias_texts(object)?;
        let kept = object.iter().filter(|(key, _)| !FIELD_RESERVED.contains(&key.as_str()));
        let props = kept.map(|(key, value)| (key.clone(), value.clone())).collect();
        let default = object.get("default").map(|value| self.number_default(schema, value));
        let doc = optional_text(object, "doc");
        Ok(Field { name: name.to_owned(), doc, schema, default, order, aliases, props })
    }

    /// `"NaN"`, `"1.5"` for a float or double field are numbers.
    fn number_default(&self, schema: NodeId, value: &Json) -> Json {
        let floating = matches!(self.nodes[schema.0 as usize].kind, Kind::Float | Kind::Double);
        let number = value.as_str().filter(|_| floating).and_then(|text| text.parse().ok());
        number.and_then(serde_json::Number::from_f64).map_or_else(|| value.clone(), Json::Number)
    }

    fn check_defaults(&self, id: NodeId) -> Result_<()> {
        let Kind::Record(record) = &self.nodes[id.0 as usize].kind else { return Ok(()) };
        if self.validation == Validation::Lenient {
            return Ok(());
        }
        for field in &record.fields {
            let Some(value) = &field.default else { continue };
            if !default::fits(&self.nodes, field.schema, value, id) {
                let word = match self.nodes[field.schema.0 as usize].kind.name() {
                    Some(name) => name.full(),
                    None => self.nodes[field.schema.0 as usize].kind.word().to_owned(),
                };
                let name = &field.name;
                return invalid(format!(
                    "Invalid default for field {name}: {value} not a \"{word}\""
                ));
            }
        }
        Ok(())
    }

    fn enumeration(
        &mut self,
        object: &Map<String, Json>,
        namespace: Option<&str>,
        props: Props,
    ) -> Result_<NodeId> {
        let name = self.name(object, namespace)?;
        let Some(Json::Array(list)) = object.get("symbols") else {
            return invalid(format!("Enum has no symbols: {}", show(object)));
        };
        let mut symbols: Vec<String> = Vec::with_capacity(list.len());
        for symbol in list {
            let Json::String(symbol) = symbol else {
                return invalid(format!("An enum symbol is not a string: {symbol}"));
            };
            self.check_name(symbol)?;
            if symbols.contains(symbol) {
                return invalid(format!("Duplicate enum symbol: {symbol}"));
            }
            symbols.push(symbol.clone());
        }
        let default = optional_text(object, "default");
        if let Some(default) = default.as_ref().filter(|symbol| !symbols.contains(symbol)) {
            return invalid(format!(
                "The Enum Default: {default} is not in the enum symbol set: [{}]",
                symbols.join(", ")
            ));
        }
        let aliases = self.aliases(object, &name)?;
        let doc = optional_text(object, "doc");
        let kind = Kind::Enum(Enum { name: name.clone(), doc, aliases, symbols, default });
        self.define(kind, props, &name)
    }

    fn fixed(
        &mut self,
        object: &Map<String, Json>,
        namespace: Option<&str>,
        props: Props,
    ) -> Result_<NodeId> {
        let name = self.name(object, namespace)?;
        let size = object.get("size").and_then(Json::as_u64).and_then(|n| i32::try_from(n).ok());
        let Some(size) = size else {
            return invalid(format!("Invalid or no size: {}", show(object)));
        };
        let aliases = self.aliases(object, &name)?;
        let doc = optional_text(object, "doc");
        let size = size.unsigned_abs() as usize;
        let kind = Kind::Fixed(Fixed { name: name.clone(), doc, aliases, size });
        self.define(kind, props, &name)
    }

    fn union(&mut self, branches: &[Json], namespace: Option<&str>) -> Result_<NodeId> {
        let mut ids: Vec<NodeId> = Vec::with_capacity(branches.len());
        let mut seen: Vec<String> = Vec::with_capacity(branches.len());
        for json in branches {
            let id = self.schema(json, namespace)?;
            let kind = &self.nodes[id.0 as usize].kind;
            if matches!(kind, Kind::Union(_)) {
                return invalid(format!("Nested union: {}", Json::Array(branches.to_vec())));
            }
            let name = kind.name().map_or_else(|| kind.word().to_owned(), Name::full);
            if seen.contains(&name) {
                return invalid(format!("Duplicate in union:{name}"));
            }
            seen.push(name);
            ids.push(id);
        }
        self.add(Kind::Union(ids), Props::new())
    }

    fn name(&self, object: &Map<String, Json>, namespace: Option<&str>) -> Result_<Name> {
        let Some(text) = object.get("name").and_then(Json::as_str) else {
            return invalid(format!("No name in schema: {}", show(object)));
        };
        let own = object.get("namespace").and_then(Json::as_str);
        let name = Name::new(text, own.or(namespace));
        self.check_name(&name.name)?;
        Ok(name)
    }

    fn aliases(&self, object: &Map<String, Json>, name: &Name) -> Result_<Vec<Name>> {
        let mut aliases = Vec::new();
        for text in alias_texts(object)? {
            let alias = Name::new(&text, name.namespace.as_deref());
            if !aliases.contains(&alias) {
                aliases.push(alias);
            }
        }
        Ok(aliases)
    }

    fn check_name(&self, name: &str) -> Result_<()> {
        if self.validation == Validation::Lenient {
            return Ok(());
        }
        let Some(first) = name.chars().next() else { return invalid("Empty name") };
        if !(first.is_ascii_alphabetic() || first == '_') {
            return invalid(format!("Illegal initial character: {name}"));
        }
        if name.chars().any(|c| !(c.is_ascii_alphanumeric() || c == '_')) {
            return invalid(format!("Illegal character in: {name}"));
        }
        Ok(())
    }

    fn define(&mut self, kind: Kind, props: Props, name: &Name) -> Result_<NodeId> {
        if primitive(&name.full()).is_some() {
            return invalid(format!("Schemas may not be named after primitives: {}", name.full()));
        }
        if self.names.contains_key(name) {
            return invalid(format!("Can't redefine: {}", name.full()));
        }
        let id = self.add(kind, props)?;
        self.names.insert(name.clone(), id);
        Ok(id)
    }

    fn add(&mut self, kind: Kind, props: Props) -> Result_<NodeId> {
        if self.nodes.len() >= MAX_NODES {
            return invalid(format!("The schema has more than {MAX_NODES} types"));
        }
        let id = u32::try_from(self.nodes.len()).expect("MAX_NODES fits");
        self.nodes.push(Node::new(kind, props));
        Ok(NodeId(id))
    }
}

fn optional_text(object: &Map<String, Json>, key: &str) -> Option<String> {
    object.get(key).and_then(Json::as_str).map(str::to_owned)
}

fn alias_texts(object: &Map<String, Json>) -> Result_<Vec<String>> {
    let Some(aliases) = object.get("aliases") else { return Ok(Vec::new()) };
    let Json::Array(list) = aliases else {
        return invalid(format!("aliases not an array: {}", show(object)));
    };
    let mut texts = Vec::new();
    for alias in list {
        let Json::String(text) = alias else {
            return invalid(format!("alias not a string: {alias}"));
        };
        if !texts.contains(text) {
            texts.push(text.clone());
        }
    }
    Ok(texts)
}

fn show(object: &Map<String, Json>) -> Json {
    Json::Object(object.clone())
}
