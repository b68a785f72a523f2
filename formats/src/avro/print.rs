//! Graph to text: as Java's `Schema.toString()` prints it (which gives a schema its identity in a
//! registry), and normalised, so that two ways of writing the same schema become one text.

use std::collections::HashSet;

use serde_json::{Number, Value as Json};

use super::model::{Kind, Name, NodeId, Order, Props, Schema};
use crate::json::write_string;
use crate::value::java_double;

impl Schema {
    /// The text that Java's `Schema.toString()` gives: attributes in its order, no white space,
    /// types that came from references by name only.
    pub fn to_text(&self) -> String {
        let mut printer = Printer {
            schema: self,
            out: String::new(),
            known: self.names.values().take(self.referenced).copied().collect(),
        };
        printer.schema(self.root, None);
        printer.out
    }

    /// Full names, attributes in a fixed order, properties sorted.
    pub fn to_normalized_text(&self) -> String {
        let mut printer = Printer {
            schema: self,
            out: String::new(),
            known: self.names.values().take(self.referenced).copied().collect(),
        };
        printer.normalized(self.root);
        printer.out
    }
}

struct Printer<'a> {
    schema: &'a Schema,
    out: String,
    known: HashSet<NodeId>,
}

impl Printer<'_> {
    fn schema(&mut self, id: NodeId, namespace: Option<&str>) {
        let schema = self.schema;
        let node = schema.node(id);
        if let Some(name) = node.kind.name() {
            if !self.known.insert(id) {
                return write_string(&mut self.out, &name.qualified(namespace));
            }
            return self.named(id, name, namespace);
        }
        match &node.kind {
            Kind::Union(branches) => {
                self.out.push('[');
                for (index, branch) in branches.iter().enumerate() {
                    if index > 0 {
                        self.out.push(',');
                    }
                    self.schema(*branch, namespace);
                }
                self.out.push(']');
            }
            Kind::Array(inner) | Kind::Map(inner) => {
                let array = matches!(node.kind, Kind::Array(_));
                self.out.push_str(if array {
                    r#"{"type":"array","items":"#
                } else {
                    r#"{"type":"map","values":"#
                });
                self.schema(*inner, namespace);
                self.props(&node.props);
                self.out.push('}');
            }
            primitive if node.props.is_empty() => write_string(&mut self.out, primitive.word()),
            primitive => {
                self.out.push_str(r#"{"type":"#);
                write_string(&mut self.out, primitive.word());
                self.props(&node.props);
                self.out.push('}');
            }
        }
    }

    fn named(&mut self, id: NodeId, name: &Name, namespace: Option<&str>) {
        let schema = self.schema;
        let node = schema.node(id);
        let word = match &node.kind {
            Kind::Record(record) if record.error => "error",
            kind => kind.word(),
        };
        self.out.push_str(r#"{"type":"#);
        write_string(&mut self.out, word);
        self.text("name", &name.name);
        match name.namespace.as_deref() {
            own if own == namespace => {}
            own => self.text("namespace", own.unwrap_or("")),
        }
        if let Some(doc) = node.kind.doc() {
            self.text("doc", doc);
        }
        match &node.kind {
            Kind::Record(_) => self.fields(id, name.namespace.as_deref()),
            Kind::Enum(symbols) => {
                self.symbols(&symbols.symbols);
                if let Some(default) = &symbols.default {
                    self.text("default", default);
                }
            }
            Kind::Fixed(fixed) => {
                self.key("size");
                self.out.push_str(&fixed.size.to_string());
            }
            _ => {}
        }
        self.props(&node.props);
        let aliases = node.kind.aliases().iter();
        let aliases: Vec<String> =
            aliases.map(|alias| alias.qualified(name.namespace.as_deref())).collect();
        self.aliases(&aliases);
        self.out.push('}');
    }

    fn fields(&mut self, id: NodeId, namespace: Option<&str>) {
        let schema = self.schema;
        let Kind::Record(record) = schema.kind(id) else { return };
        self.key("fields");
        self.out.push('[');
        for (index, field) in record.fields.iter().enumerate() {
            if index > 0 {
                self.out.push(',');
            }
            self.out.push_str(r#"{"name":"#);
            write_string(&mut self.out, &field.name);
            self.key("type");
            self.schema(field.schema, namespace);
            if let Some(doc) = &field.doc {
                self.text("doc", doc);
            }
            if let Some(default) = &field.default {
                self.key("default");
                write_json(&mut self.out, default, false);
            }
            match field.order {
                Order::Ascending => {}
                Order::Descending => self.text("order", "descending"),
                Order::Ignore => self.text("order", "ignore"),
            }
            self.aliases(&field.aliases);
            self.props(&field.props);
            self.out.push('}');
        }
        self.out.push(']');
    }

    fn normalized(&mut self, id: NodeId) {
        let schema = self.schema;
        let node = schema.node(id);
        match &node.kind {
            Kind::Union(branches) => {
                self.out.push('[');
                for (index, branch) in branches.iter().enumerate() {
                    if index > 0 {
                        self.out.push(',');
                    }
                    self.normalized(*branch);
                }
                self.out.push(']');
            }
            Kind::Array(inner) | Kind::Map(inner) => {
                let array = matches!(node.kind, Kind::Array(_));
                self.out.push_str(r#"{"type":"#);
                write_string(&mut self.out, node.kind.word());
                self.key(if array { "items" } else { "values" });
                self.normalized(*inner);
                self.sorted_props(&node.props);
                self.out.push('}');
            }
            Kind::Record(_) | Kind::Enum(_) | Kind::Fixed(_) => self.normalized_named(id),
            primitive if node.props.is_empty() => write_string(&mut self.out, primitive.word()),
            primitive => {
                self.out.push_str(r#"{"type":"#);
                write_string(&mut self.out, primitive.word());
                self.sorted_props(&node.props);
                self.out.push('}');
            }
        }
    }

    fn normalized_named(&mut self, id: NodeId) {
        let schema = self.schema;
        let node = schema.node(id);
        let full = schema.full_name(id);
        if !self.known.insert(id) {
            return write_string(&mut self.out, &full);
        }
        self.out.push_str(r#"{"name":"#);
        write_string(&mut self.out, &full);
        self.text("type", node.kind.word());
        match &node.kind {
            Kind::Enum(symbols) => self.symbols(&symbols.symbols),
            Kind::Fixed(fixed) => {
                self.key("size");
                self.out.push_str(&fixed.size.to_string());
            }
            _ => self.normalized_fields(id),
        }
        if let Some(doc) = node.kind.doc() {
            self.text("doc", doc);
        }
        let mut aliases: Vec<String> = node.kind.aliases().iter().map(Name::full).collect();
        aliases.sort();
        self.aliases(&aliases);
        if let Kind::Enum(symbols) = &node.kind
            && let Some(default) = &symbols.default
        {
            self.text("default", default);
        }
        self.sorted_props(&node.props);
        self.out.push('}');
    }

    fn normalized_fields(&mut self, id: NodeId) {
        let schema = self.schema;
        let Kind::Record(record) = schema.kind(id) else { return };
        self.key("fields");
        self.out.push('[');
        for (index, field) in record.fields.iter().enumerate() {
            if index > 0 {
                self.out.push(',');
            }
            self.out.push_str(r#"{"name":"#);
            write_string(&mut self.out, &field.name);
            self.key("type");
            self.normalized(field.schema);
            match field.order {
                Order::Ascending => {}
                Order::Descending => self.text("order", "descending"),
                Order::Ignore => self.text("order", "ignore"),
            }
            if let Some(default) = &field.default {
                self.key("default");
                write_json(&mut self.out, default, true);
            }
            if let Some(doc) = &field.doc {
                self.text("doc", doc);
            }
            let mut aliases = field.aliases.clone();
            aliases.sort();
            self.aliases(&aliases);
            self.sorted_props(&field.props);
            self.out.push('}');
        }
        self.out.push(']');
    }

    fn key(&mut self, key: &str) {
        self.out.push(',');
        write_string(&mut self.out, key);
        self.out.push(':');
    }

    fn text(&mut self, key: &str, text: &str) {
        self.key(key);
        write_string(&mut self.out, text);
    }

    fn symbols(&mut self, symbols: &[String]) {
        self.key("symbols");
        self.list(symbols);
    }

    fn aliases(&mut self, aliases: &[String]) {
        if !aliases.is_empty() {
            self.key("aliases");
            self.list(aliases);
        }
    }

    fn list(&mut self, items: &[String]) {
        self.out.push('[');
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.out.push(',');
            }
            write_string(&mut self.out, item);
        }
        self.out.push(']');
    }

    fn props(&mut self, props: &Props) {
        for (key, value) in props {
            self.key(key);
            write_json(&mut self.out, value, false);
        }
    }

    fn sorted_props(&mut self, props: &Props) {
        let mut sorted: Vec<_> = props.iter().collect();
        sorted.sort_by_key(|(key, _)| *key);
        for (key, value) in sorted {
            self.key(key);
            write_json(&mut self.out, value, true);
        }
    }
}

/// JSON as Jackson writes a tree it has read: no white space, whole numbers as they were, others as
/// Java prints a double.
fn write_json(out: &mut String, value: &Json, sorted: bool) {
    match value {
        Json::Null => out.push_str("null"),
        Json::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Json::Number(number) => out.push_str(&number_text(number)),
        Json::String(text) => write_string(out, text),
        Json::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_json(out, item, sorted);
            }
            out.push(']');
        }
        Json::Object(object) => {
            let mut members: Vec<_> = object.iter().collect();
            if sorted {
                members.sort_by_key(|(key, _)| *key);
            }
            out.push('{');
            for (index, (key, item)) in members.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_string(out, key);
                out.push(':');
                write_json(out, item, sorted);
            }
            out.push('}');
        }
    }
}

fn number_text(number: &Number) -> String {
    let text = number.to_string();
    if text.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit()) {
        return text;
    }
    text.parse().map_or(text, java_double)
}
