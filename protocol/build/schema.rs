//! The message table as values, and the parser of its text form (described in
//! `docs/protocol.md`). Shared by `build.rs` and the tests.

use std::ops::RangeInclusive;

pub(crate) type Versions = RangeInclusive<i16>;

#[derive(Debug, Default)]
pub(crate) struct Schema {
    pub(crate) apis: Vec<Api>,
    pub(crate) messages: Vec<Message>,
}

#[derive(Clone, Debug)]
pub(crate) struct Api {
    pub(crate) key: i16,
    pub(crate) name: String,
    pub(crate) listeners: Vec<String>,
    /// `None` for an API that Kafka has withdrawn altogether.
    pub(crate) versions: Option<Versions>,
    pub(crate) flexible: Option<i16>,
    /// The highest version is not yet advertised by a broker in production.
    pub(crate) unstable: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Request,
    Response,
    Header,
    Record,
}

#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    /// The API key of a request or response, or the number that marks a kind of record.
    pub(crate) key: Option<i16>,
    pub(crate) versions: Versions,
    pub(crate) flexible: Option<i16>,
    /// The message's own struct first, then those inside it, in order of appearance.
    pub(crate) structs: Vec<Struct>,
}

#[derive(Clone, Debug)]
pub(crate) struct Struct {
    pub(crate) name: String,
    pub(crate) fields: Vec<Field>,
}

#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) element: Type,
    pub(crate) array: bool,
    pub(crate) versions: Versions,
    /// The versions in which null may be sent.
    pub(crate) nullable: Option<Versions>,
    pub(crate) tag: Option<(u32, Versions)>,
    pub(crate) default: Option<String>,
    pub(crate) ignorable: bool,
    pub(crate) key: bool,
    pub(crate) inflexible: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Type {
    Bool,
    I8,
    I16,
    U16,
    I32,
    U32,
    I64,
    F64,
    Error,
    Uuid,
    String,
    Bytes,
    Records,
    Struct(String),
}

impl Schema {
    /// Adds the text of one schema file; an error names the line.
    pub(crate) fn add(&mut self, text: &str) -> Result<(), String> {
        let mut parser = Parser { schema: self, api: None, open: Vec::new() };
        for (number, line) in text.lines().enumerate() {
            parser.line(line).map_err(|e| format!("line {}: {e}: {line}", number + 1))?;
        }
        Ok(())
    }
}

impl Message {
    pub(crate) fn is_flexible(&self, version: i16) -> bool {
        self.flexible.is_some_and(|from| version >= from)
    }

    pub(crate) fn root(&self) -> &Struct {
        &self.structs[0]
    }

    pub(crate) fn find(&self, name: &str) -> &Struct {
        self.structs
            .iter()
            .find(|s| s.name == name)
            .unwrap_or_else(|| panic!("{}: struct {name} is not defined", self.name))
    }
}

impl Field {
    pub(crate) fn is_tagged(&self, version: i16) -> bool {
        self.tag.as_ref().is_some_and(|(_, versions)| versions.contains(&version))
    }

    pub(crate) fn is_nullable(&self, version: i16) -> bool {
        self.nullable.as_ref().is_some_and(|versions| versions.contains(&version))
    }
}

struct Parser<'a> {
    schema: &'a mut Schema,
    api: Option<Api>,
    /// The structs being filled, outermost first: (indent of their fields, index, versions).
    open: Vec<(usize, usize, Versions)>,
}

impl Parser<'_> {
    fn line(&mut self, line: &str) -> Result<(), String> {
        let text = line.split('#').next().unwrap_or("").trim_end();
        let words: Vec<&str> = text.split_whitespace().collect();
        let indent = text.len() - text.trim_start().len();
        match words.as_slice() {
            [] => Ok(()),
            ["api", key, name, rest @ ..] => self.api_line(key, name, rest),
            [kind @ ("request" | "response"), rest @ ..] if indent == 0 => {
                self.api_message(kind, rest)
            }
            ["header", name, rest @ ..] if indent == 0 => {
                self.message(Kind::Header, (*name).to_string(), None, rest).map(|_| ())
            }
            ["record", name, "kind", key, rest @ ..] => {
                let key = Some(number(key)?);
                self.message(Kind::Record, (*name).to_string(), key, rest).map(|_| ())
            }
            ["record", name, rest @ ..] => {
                self.message(Kind::Record, (*name).to_string(), None, rest).map(|_| ())
            }
            ["struct", name] => {
                let message = self.schema.messages.last().ok_or("struct outside a message")?;
                let versions = message.versions.clone();
                self.open.truncate(1);
                self.open_struct(indent + 2, name, versions)
            }
            [name, rest @ ..] => {
                let name = name.strip_suffix(':').ok_or("expected `name: type`")?;
                self.field(indent, name, rest)
            }
        }
    }

    fn api_line(&mut self, key: &str, name: &str, rest: &[&str]) -> Result<(), String> {
        let key = number(key)?;
        let listeners = match rest {
            ["retired"] => Vec::new(),
            ["on", names @ ..] => names.iter().map(|n| (*n).to_string()).collect(),
            _ => return Err("expected `retired` or `on LISTENER..`".into()),
        };
        let api = Api {
            key,
            name: name.to_string(),
            listeners,
            versions: None,
            flexible: None,
            unstable: false,
        };
        self.schema.apis.push(api.clone());
        self.api = Some(api);
        Ok(())
    }

    fn api_message(&mut self, kind: &str, rest: &[&str]) -> Result<(), String> {
        let api = self.api.clone().ok_or("no `api` line above")?;
        let (kind, suffix) = match kind {
            "request" => (Kind::Request, "Request"),
            _ => (Kind::Response, "Response"),
        };
        let unstable = rest.contains(&"unstable");
        let rest: Vec<&str> = rest.iter().copied().filter(|w| *w != "unstable").collect();
        let name = format!("{}{suffix}", api.name);
        let (versions, flexible) = self.message(kind, name, Some(api.key), &rest)?;
        if kind == Kind::Request {
            let entry = self.schema.apis.last_mut().ok_or("no `api` line above")?;
            entry.versions = Some(versions);
            entry.flexible = flexible;
            entry.unstable = unstable;
        }
        Ok(())
    }

    fn message(
        &mut self,
        kind: Kind,
        name: String,
        key: Option<i16>,
        rest: &[&str],
    ) -> Result<(Versions, Option<i16>), String> {
        let (versions, flexible) = match rest {
            [versions] => (range(versions, i16::MAX)?, None),
            [versions, "flexible", from] => {
                (range(versions, i16::MAX)?, Some(*range(from, i16::MAX)?.start()))
            }
            _ => return Err("expected `VERSIONS [flexible N+]`".into()),
        };
        self.open.clear();
        self.schema.messages.push(Message {
            kind,
            name: name.clone(),
            key,
            versions: versions.clone(),
            flexible,
            structs: Vec::new(),
        });
        self.open_struct(2, &name, versions.clone())?;
        Ok((versions, flexible))
    }

    fn open_struct(&mut self, indent: usize, name: &str, v: Versions) -> Result<(), String> {
        let message = self.schema.messages.last_mut().ok_or("field outside a message")?;
        if message.structs.iter().any(|s| s.name == name) {
            return Err(format!("struct {name} is there twice"));
        }
        message.structs.push(Struct { name: name.to_string(), fields: Vec::new() });
        self.open.push((indent, message.structs.len() - 1, v));
        Ok(())
    }

    fn field(&mut self, indent: usize, name: &str, rest: &[&str]) -> Result<(), String> {
        while self.open.last().is_some_and(|(i, _, _)| *i > indent) {
            self.open.pop();
        }
        let (last_indent, index, parent) = self.open.last().cloned().ok_or("no message above")?;
        if indent == last_indent + 2 {
            return self.first_inner_field(indent, name, rest);
        }
        if indent != last_indent {
            return Err("unexpected indentation".into());
        }
        let message = self.schema.messages.last_mut().ok_or("field outside a message")?;
        let field = parse_field(name, rest, &parent, *message.versions.end())?;
        message.structs[index].fields.push(field);
        Ok(())
    }

    /// A deeper line opens the struct that is the type of the field above it.
    fn first_inner_field(
        &mut self,
        indent: usize,
        name: &str,
        rest: &[&str],
    ) -> Result<(), String> {
        let (_, index, _) = self.open.last().cloned().ok_or("no message above")?;
        let message = self.schema.messages.last().ok_or("field outside a message")?;
        let above = message.structs[index].fields.last().ok_or("no field above")?;
        let Type::Struct(inner) = above.element.clone() else {
            return Err("only a struct has fields".into());
        };
        let versions = above.versions.clone();
        self.open_struct(indent, &inner, versions)?;
        self.field(indent, name, rest)
    }
}

fn parse_field(
    name: &str,
    words: &[&str],
    parent: &Versions,
    highest: i16,
) -> Result<Field, String> {
    let (ty, mut rest) = words.split_first().ok_or("a field needs a type")?;
    let (ty, always_nullable) = match ty.strip_prefix('?') {
        Some(ty) => (ty, true),
        None => (*ty, false),
    };
    let (element, array) = match ty.strip_prefix("[]") {
        Some(element) => (element, true),
        None => (ty, false),
    };
    let mut field = Field {
        name: name.to_string(),
        element: parse_type(element)?,
        array,
        versions: parent.clone(),
        nullable: None,
        tag: None,
        default: None,
        ignorable: false,
        key: false,
        inflexible: false,
    };
    if let Some((first, others)) = rest.split_first()
        && first.starts_with(|c: char| c.is_ascii_digit())
    {
        field.versions = range(first, highest)?;
        rest = others;
    }
    field.nullable = always_nullable.then(|| field.versions.clone());
    while !rest.is_empty() {
        rest = match rest {
            ["null", versions, others @ ..] => {
                field.nullable = Some(range(versions, highest)?);
                others
            }
            ["tag", tag, "in", versions, others @ ..] => {
                field.tag = Some((number(tag)?, range(versions, highest)?));
                others
            }
            ["tag", tag, others @ ..] => {
                field.tag = Some((number(tag)?, field.versions.clone()));
                others
            }
            ["=", value, others @ ..] => {
                field.default = Some((*value).to_string());
                others
            }
            ["ignorable", others @ ..] => {
                field.ignorable = true;
                others
            }
            ["inflexible", others @ ..] => {
                field.inflexible = true;
                others
            }
            ["key", others @ ..] => {
                field.key = true;
                others
            }
            [word, ..] => return Err(format!("unknown word {word}")),
            [] => rest,
        };
    }
    Ok(field)
}

fn parse_type(word: &str) -> Result<Type, String> {
    Ok(match word {
        "bool" => Type::Bool,
        "i8" => Type::I8,
        "i16" => Type::I16,
        "u16" => Type::U16,
        "i32" => Type::I32,
        "u32" => Type::U32,
        "i64" => Type::I64,
        "f64" => Type::F64,
        "error" => Type::Error,
        "uuid" => Type::Uuid,
        "string" => Type::String,
        "bytes" => Type::Bytes,
        "records" => Type::Records,
        name if name.starts_with(|c: char| c.is_ascii_uppercase()) => {
            Type::Struct(name.to_string())
        }
        _ => return Err(format!("unknown type {word}")),
    })
}

/// `3`, `3-5` or `3+`, the last up to `highest`.
fn range(word: &str, highest: i16) -> Result<Versions, String> {
    if let Some(first) = word.strip_suffix('+') {
        return Ok(number(first)?..=highest);
    }
    match word.split_once('-') {
        Some((first, last)) => Ok(number(first)?..=number(last)?),
        None => Ok(number(word)?..=number(word)?),
    }
}

fn number<T: std::str::FromStr>(word: &str) -> Result<T, String> {
    word.parse().map_err(|_| format!("{word} is not a number"))
}
