//! Writes the Rust text of messages and API keys.

use std::collections::HashMap;
use std::fmt::Write;

use crate::names::{field as field_name, snake};
use crate::schema::{Field, Kind, Message, Schema, Struct, Type, Versions};
use crate::{read, tree, write};

/// A struct with the versions in which it can occur: conditions on others need not be written.
pub(crate) struct Context<'a> {
    pub(crate) message: &'a Message,
    pub(crate) item: &'a Struct,
    pub(crate) versions: Versions,
}

/// When a line of generated code applies.
pub(crate) enum When {
    Always,
    Never,
    If(String),
}

impl Context<'_> {
    /// The test that `version` lies in `range`, as far as it is not known already.
    pub(crate) fn when(&self, range: &Versions) -> When {
        let (low, high) = (*self.versions.start(), *self.versions.end());
        if range.is_empty() || *range.end() < low || *range.start() > high {
            return When::Never;
        }
        let from = (*range.start() > low).then(|| format!("v >= {}", range.start()));
        let to = (*range.end() < high).then(|| format!("v <= {}", range.end()));
        match (from, to) {
            (None, None) => When::Always,
            (Some(test), None) | (None, Some(test)) => When::If(test),
            (Some(_), Some(_)) if range.start() == range.end() => {
                When::If(format!("v == {}", range.start()))
            }
            (Some(_), Some(_)) => {
                let (first, last) = (range.start(), range.end());
                When::If(format!("({first}..={last}).contains(&v)"))
            }
        }
    }

    /// The test that `version` does not lie in `range`.
    pub(crate) fn unless(&self, range: &Versions) -> When {
        match self.when(range) {
            When::Always => When::Never,
            When::Never => When::Always,
            When::If(_) if *range.start() <= *self.versions.start() => {
                When::If(format!("v > {}", range.end()))
            }
            When::If(_) if *range.end() >= *self.versions.end() => {
                When::If(format!("v < {}", range.start()))
            }
            When::If(test) => When::If(format!("!{test}")),
        }
    }

    /// The versions with flexible encoding, as a range.
    pub(crate) fn flexible(&self) -> When {
        match self.message.flexible {
            Some(from) => self.when(&(from..=i16::MAX)),
            None => When::Never,
        }
    }
}

/// The Rust type of one element.
pub(crate) fn element_type(ty: &Type) -> String {
    match ty {
        Type::Bool => "bool",
        Type::I8 => "i8",
        Type::I16 => "i16",
        Type::U16 => "u16",
        Type::I32 => "i32",
        Type::U32 => "u32",
        Type::I64 => "i64",
        Type::F64 => "f64",
        Type::Error => "ErrorCode",
        Type::Uuid => "Uuid",
        Type::String => "String",
        Type::Bytes => "Bytes",
        Type::Records => "Records",
        Type::Struct(name) => name,
    }
    .to_string()
}

/// Whether the field's Rust type is an `Option`.
pub(crate) fn is_option(field: &Field) -> bool {
    field.nullable.is_some() || field.element == Type::Records
}

fn field_type(field: &Field) -> String {
    let element = element_type(&field.element);
    let whole = if field.array { format!("Vec<{element}>") } else { element };
    if is_option(field) { format!("Option<{whole}>") } else { whole }
}

/// The value that a field has when nothing sets it.
pub(crate) fn default_value(field: &Field) -> String {
    let given = field.default.as_deref();
    if given == Some("null") || field.element == Type::Records {
        return "None".to_string();
    }
    let value = match (&field.element, given) {
        (_, _) if field.array => "Vec::new()".to_string(),
        (Type::Bool, given) => given.unwrap_or("false").to_string(),
        (Type::F64, given) => format!("{}_f64", given.unwrap_or("0")),
        (Type::Error, None) => "ErrorCode::None".to_string(),
        (Type::Error, Some(code)) => panic!("{}: default {code} is not supported", field.name),
        (Type::String, None) => "String::new()".to_string(),
        (Type::String, Some(text)) => format!("String::from({text:?})"),
        (Type::Bytes, _) => "Bytes::new()".to_string(),
        (Type::Uuid, _) => "Uuid::nil()".to_string(),
        (Type::Struct(name), _) => format!("{name}::default()"),
        (_, given) => integer(given.unwrap_or("0")),
    };
    if is_option(field) { format!("Some({value})") } else { value }
}

fn integer(text: &str) -> String {
    match text.strip_prefix("0x") {
        Some(hex) => format!("0x{hex}"),
        None => text.parse::<i64>().map_or_else(|_| panic!("default {text}"), |n| n.to_string()),
    }
}

fn has_derived_default(field: &Field) -> bool {
    let zero = field.default.as_deref().is_none_or(|d| matches!(d, "0" | "false"));
    (is_option(field) && default_value(field) == "None") || (!is_option(field) && zero)
}

/// All messages, a module each.
pub(crate) fn messages(schema: &Schema) -> String {
    let mut out = String::new();
    for message in &schema.messages {
        emit_message(&mut out, schema, message).expect("a String can be written to");
    }
    out
}

fn emit_message(out: &mut String, schema: &Schema, message: &Message) -> std::fmt::Result {
    let name = &message.name;
    let module = snake(name);
    let (first, last) = (message.versions.start(), message.versions.end());
    let used = |test: fn(&Field) -> bool| message.structs.iter().any(|s| s.fields.iter().any(test));
    writeln!(out, "/// [`{name}`](struct@{module}::{name}), versions {first} to {last}.")?;
    writeln!(out, "pub mod {module} {{")?;
    for (test, import) in [
        ((|f| f.element == Type::Bytes) as fn(&Field) -> bool, "bytes::Bytes"),
        (|f| f.element == Type::Uuid, "uuid::Uuid"),
        (|f| f.element == Type::Error, "crate::ErrorCode"),
        (|f| f.element == Type::Records, "crate::record::Records"),
    ] {
        if used(test) {
            writeln!(out, "use {import};")?;
        }
    }
    writeln!(out, "use crate::{{DecodeError, EncodeError, Reader, Writer}};")?;
    let contexts = contexts(message);
    for context in &contexts {
        emit_struct(out, context)?;
        read::emit(out, context)?;
        write::emit(out, context)?;
        if message.kind == Kind::Record {
            tree::emit(out, context)?;
        }
    }
    emit_traits(out, schema, message)?;
    writeln!(out, "}}\npub use {module}::{name};\n")
}

/// Each struct with the versions of the fields that lead to it.
fn contexts(message: &Message) -> Vec<Context<'_>> {
    let mut versions: HashMap<&str, Versions> = HashMap::new();
    versions.insert(&message.root().name, message.versions.clone());
    // Structs do not nest deeper than there are structs, so this many passes reach all of them.
    for _ in 0..message.structs.len() {
        for item in &message.structs {
            let Some(outer) = versions.get(item.name.as_str()).cloned() else { continue };
            for field in &item.fields {
                let Type::Struct(inner) = &field.element else { continue };
                let first = *field.versions.start().max(outer.start());
                let last = *field.versions.end().min(outer.end());
                let known = versions.entry(inner).or_insert(first..=last);
                *known = first.min(*known.start())..=last.max(*known.end());
            }
        }
    }
    message
        .structs
        .iter()
        .map(|item| {
            let versions = versions.get(item.name.as_str()).cloned();
            let versions = versions.unwrap_or_else(|| {
                panic!("{}: nothing refers to struct {}", message.name, item.name)
            });
            Context { message, item, versions }
        })
        .collect()
}

fn emit_struct(out: &mut String, context: &Context) -> std::fmt::Result {
    let item = context.item;
    let derived = item.fields.iter().all(has_derived_default);
    let default = if derived { ", Default" } else { "" };
    if item.name != context.message.name {
        writeln!(out, "/// Part of `{}`.", context.message.name)?;
    }
    writeln!(out, "#[derive(Clone, Debug, PartialEq{default})]\npub struct {} {{", item.name)?;
    for field in &item.fields {
        if let Some(line) = describe(context, field) {
            writeln!(out, "    /// {line}")?;
        }
        writeln!(out, "    pub {}: {},", field_name(&field.name), field_type(field))?;
    }
    writeln!(out, "}}")?;
    if derived {
        return Ok(());
    }
    writeln!(
        out,
        "impl Default for {} {{\n    fn default() -> Self {{\n        Self {{",
        item.name
    )?;
    for field in &item.fields {
        writeln!(out, "            {}: {},", field_name(&field.name), default_value(field))?;
    }
    writeln!(out, "        }}\n    }}\n}}")
}

/// What a reader cannot see from the type: versions and the default.
fn describe(context: &Context, field: &Field) -> Option<String> {
    let mut parts = Vec::new();
    if let When::If(_) = context.when(&field.versions) {
        let (first, last) = (field.versions.start(), field.versions.end());
        parts.push(match (first == last, last == context.versions.end()) {
            (true, _) => format!("Version {first}."),
            (false, true) => format!("Versions {first} and later."),
            (false, false) => format!("Versions {first} to {last}."),
        });
    }
    if let Some(default) = &field.default {
        parts.push(format!("Default {default}."));
    }
    (!parts.is_empty()).then(|| parts.join(" "))
}

fn emit_traits(out: &mut String, schema: &Schema, message: &Message) -> std::fmt::Result {
    let Message { name, versions, flexible, .. } = message;
    writeln!(out, "impl crate::Message for {name} {{")?;
    writeln!(out, "    const NAME: &'static str = {name:?};")?;
    writeln!(
        out,
        "    const VERSIONS: std::ops::RangeInclusive<i16> = {}..={};",
        versions.start(),
        versions.end()
    )?;
    writeln!(out, "    const FLEXIBLE_FROM: Option<i16> = {flexible:?};")?;
    writeln!(
        out,
        "    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {{
        crate::message::check_decode::<Self>(v)?;
        Self::read(r, v)
    }}
    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {{
        crate::message::check_encode::<Self>(v)?;
        self.write(w, v)
    }}
}}"
    )?;
    if message.kind == Kind::Record {
        writeln!(
            out,
            "impl crate::AsTree for {name} {{
    fn as_tree(&self, v: i16) -> crate::Tree {{ self.tree(v) }}
}}"
        )?;
    }
    match (message.kind, message.key) {
        (Kind::Request, Some(key)) => {
            let api = schema.apis.iter().find(|api| api.key == key).expect("it precedes it");
            writeln!(
                out,
                "impl crate::Request for {name} {{
    const KEY: crate::ApiKey = crate::ApiKey::{api};
    type Response = super::{api}Response;
}}",
                api = api.name
            )
        }
        (Kind::Record, Some(key)) => {
            writeln!(out, "impl crate::NumberedRecord for {name} {{ const KIND: i16 = {key}; }}")
        }
        _ => Ok(()),
    }
}

/// The enum of API keys and the table behind its methods.
pub(crate) fn api_keys(schema: &Schema) -> String {
    let mut out = String::new();
    emit_api_keys(&mut out, schema).expect("a String can be written to");
    out
}

fn emit_api_keys(out: &mut String, schema: &Schema) -> std::fmt::Result {
    writeln!(out, "/// Kafka's APIs, by name.")?;
    writeln!(out, "#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]")?;
    writeln!(out, "#[repr(i16)]\npub enum ApiKey {{")?;
    for api in &schema.apis {
        writeln!(out, "    {} = {},", api.name, api.key)?;
    }
    writeln!(out, "}}\n\nconst APIS: [Api; {}] = [", schema.apis.len())?;
    for (index, api) in schema.apis.iter().enumerate() {
        assert_eq!(index, api.key as usize, "API keys are dense");
        let (first, last) = match &api.versions {
            Some(versions) => (*versions.start(), *versions.end()),
            None => (0, -1),
        };
        writeln!(
            out,
            "    Api {{ key: ApiKey::{name}, name: {name:?}, first: {first}, last: {last}, \
             flexible: {flexible}, unstable: {unstable}, broker: {broker} }},",
            name = api.name,
            flexible = api.flexible.unwrap_or(i16::MAX),
            unstable = api.unstable,
            broker = api.listeners.iter().any(|l| l == "broker"),
        )?;
    }
    writeln!(out, "];")
}

/// The macros that hand all message types to another macro.
pub(crate) fn each_message(schema: &Schema) -> String {
    let all = schema.messages.iter();
    let requests = all.clone().filter(|m| m.kind == Kind::Request);
    let mut out = String::new();
    lister(&mut out, "each_message", "messages", all);
    lister(&mut out, "each_request", "requests", requests);
    out
}

fn lister<'a>(
    out: &mut String,
    name: &str,
    what: &str,
    messages: impl Iterator<Item = &'a Message>,
) {
    *out +=
        &format!("/// Calls the macro `visit` with the names of all {what}, comma separated.\n");
    *out += &format!("#[macro_export]\nmacro_rules! {name} {{\n($visit:ident) => {{ $visit! {{\n");
    for message in messages {
        *out += &format!("{},\n", message.name);
    }
    *out += "} };\n}\n";
}
