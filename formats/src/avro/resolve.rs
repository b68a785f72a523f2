//! Reading with another schema than the one that wrote: promotions, reordered and missing fields,
//! defaults, aliases, unions, as the specification's schema resolution has them.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value as Json;

use super::binary::{BinaryError, Reader};
use super::datum::{Datum, MAX_DEPTH};
use super::model::{Kind, NodeId, Schema};

/// Reads values of `writer` in the shape of `reader`.
#[derive(Clone, Debug)]
pub struct Resolver {
    writer: Arc<Schema>,
    reader: Arc<Schema>,
}

/// Why a value did not come into the reader's shape.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    #[error(transparent)]
    Binary(#[from] BinaryError),
    #[error("the writer's {writer} cannot be read as {reader}")]
    Mismatch { writer: String, reader: String },
    #[error("the writer has no field {field} and the reader no default for it")]
    MissingField { field: String },
    #[error("the reader's enum {name} has no symbol {symbol}")]
    MissingSymbol { name: String, symbol: String },
    #[error("values are nested too deeply")]
    Depth,
}

type Resolve = Result<Datum, ResolveError>;

impl Resolver {
    pub fn new(writer: Arc<Schema>, reader: Arc<Schema>) -> Self {
        Self { writer, reader }
    }

    /// Reads one value that fills `bytes`.
    pub fn decode(&self, bytes: &[u8]) -> Resolve {
        let mut input = Reader::new(bytes);
        let datum = self.read(self.writer.root(), self.reader.root(), &mut input, 0)?;
        input.end()?;
        Ok(datum)
    }

    fn read(&self, from: NodeId, to: NodeId, input: &mut Reader<'_>, depth: usize) -> Resolve {
        if depth > MAX_DEPTH {
            return Err(ResolveError::Depth);
        }
        let (writer, reader) = (self.writer.kind(from), self.reader.kind(to));
        if let Kind::Union(branches) = writer {
            let index = input.index(branches.len())?;
            return self.read(branches[index], to, input, depth + 1);
        }
        if let Kind::Union(branches) = reader {
            let index = self.branch(from, branches).ok_or_else(|| self.mismatch(from, to))?;
            let inner = self.read(from, branches[index], input, depth + 1)?;
            return Ok(Datum::Union(index, Box::new(inner)));
        }
        Ok(match (writer, reader) {
            (Kind::Null, Kind::Null) => Datum::Null,
            (Kind::Boolean, Kind::Boolean) => Datum::Boolean(input.boolean()?),
            (Kind::Int, Kind::Int) => Datum::Int(input.int()?),
            (Kind::Int, Kind::Long) => Datum::Long(input.int()?.into()),
            (Kind::Long, Kind::Long) => Datum::Long(input.long()?),
            (Kind::Int | Kind::Long, Kind::Float) => Datum::Float(input.long()? as f32),
            (Kind::Int | Kind::Long, Kind::Double) => Datum::Double(input.long()? as f64),
            (Kind::Float, Kind::Float) => Datum::Float(input.float()?),
            (Kind::Float, Kind::Double) => Datum::Double(input.float()?.into()),
            (Kind::Double, Kind::Double) => Datum::Double(input.double()?),
            (Kind::Bytes | Kind::String, Kind::Bytes) => {
                Datum::Bytes(Bytes::copy_from_slice(input.bytes()?))
            }
            (Kind::String | Kind::Bytes, Kind::String) => Datum::String(input.string()?.to_owned()),
            (Kind::Fixed(a), Kind::Fixed(b)) if a.size == b.size && self.named(from, to) => {
                Datum::Fixed(Bytes::copy_from_slice(input.take(a.size)?))
            }
            (Kind::Enum(_), Kind::Enum(_)) if self.named(from, to) => {
                return self.symbol(from, to, input);
            }
            (Kind::Record(_), Kind::Record(_)) if self.named(from, to) => {
                return self.record(from, to, input, depth);
            }
            (Kind::Array(a), Kind::Array(b)) => {
                let mut list = Vec::new();
                loop {
                    let count = input.block()?;
                    for _ in 0..count {
                        list.push(self.read(*a, *b, input, depth + 1)?);
                    }
                    if count == 0 {
                        break Datum::Array(list);
                    }
                }
            }
            (Kind::Map(a), Kind::Map(b)) => {
                let mut entries = Vec::new();
                loop {
                    let count = input.block()?;
                    for _ in 0..count {
                        let key = input.string()?.to_owned();
                        entries.push((key, self.read(*a, *b, input, depth + 1)?));
                    }
                    if count == 0 {
                        break Datum::Map(entries);
                    }
                }
            }
            _ => return Err(self.mismatch(from, to)),
        })
    }

    fn symbol(&self, from: NodeId, to: NodeId, input: &mut Reader<'_>) -> Resolve {
        let (Kind::Enum(a), Kind::Enum(b)) = (self.writer.kind(from), self.reader.kind(to)) else {
            return Err(self.mismatch(from, to));
        };
        let symbol = &a.symbols[input.index(a.symbols.len())?];
        let found = b.symbols.iter().position(|other| other == symbol);
        let default = || b.symbols.iter().position(|other| Some(other) == b.default.as_ref());
        found.or_else(default).map(Datum::Enum).ok_or_else(|| ResolveError::MissingSymbol {
            name: b.name.full(),
            symbol: symbol.clone(),
        })
    }

    fn record(&self, from: NodeId, to: NodeId, input: &mut Reader<'_>, depth: usize) -> Resolve {
        let (Kind::Record(a), Kind::Record(b)) = (self.writer.kind(from), self.reader.kind(to))
        else {
            return Err(self.mismatch(from, to));
        };
        let mut members: Vec<Option<Datum>> = vec![None; b.fields.len()];
        for field in &a.fields {
            let by_name = b.fields.iter().position(|other| other.name == field.name);
            let by_alias = || b.fields.iter().position(|other| other.aliases.contains(&field.name));
            match by_name.or_else(by_alias) {
                Some(index) => {
                    let schema = b.fields[index].schema;
                    members[index] = Some(self.read(field.schema, schema, input, depth + 1)?);
                }
                None => self.writer.skip(field.schema, input)?,
            }
        }
        let filled = members.into_iter().zip(&b.fields).map(|(member, field)| match member {
            Some(datum) => Ok(datum),
            None => field
                .default
                .as_ref()
                .and_then(|json| self.reader.default_datum(field.schema, json, depth))
                .ok_or_else(|| ResolveError::MissingField { field: field.name.clone() }),
        });
        filled.collect::<Result<_, _>>().map(Datum::Record)
    }

    /// The reader's branch for a writer's type: the very type first, else one it promotes to.
    fn branch(&self, from: NodeId, branches: &[NodeId]) -> Option<usize> {
        let writer = self.writer.kind(from);
        let exact = |to: &NodeId| {
            let same =
                std::mem::discriminant(writer) == std::mem::discriminant(self.reader.kind(*to));
            same && (writer.name().is_none() || self.named(from, *to))
        };
        let promoted = |to: &NodeId| {
            matches!(
                (writer, self.reader.kind(*to)),
                (Kind::Int, Kind::Long | Kind::Float | Kind::Double)
                    | (Kind::Long, Kind::Float | Kind::Double)
                    | (Kind::Float, Kind::Double)
                    | (Kind::String, Kind::Bytes)
                    | (Kind::Bytes, Kind::String)
            )
        };
        branches.iter().position(exact).or_else(|| branches.iter().position(promoted))
    }

    /// Unqualified names are equal, or the reader knows the writer's full name as an alias.
    fn named(&self, from: NodeId, to: NodeId) -> bool {
        let (writer, reader) = (self.writer.kind(from), self.reader.kind(to));
        match (writer.name(), reader.name()) {
            (Some(a), Some(b)) => a.name == b.name || reader.aliases().contains(a),
            _ => true,
        }
    }

    fn mismatch(&self, from: NodeId, to: NodeId) -> ResolveError {
        let (writer, reader) = (self.writer.full_name(from), self.reader.full_name(to));
        ResolveError::Mismatch { writer, reader }
    }
}

impl Schema {
    /// The value that a JSON default stands for; none for one without end.
    pub(super) fn default_datum(&self, id: NodeId, json: &Json, depth: usize) -> Option<Datum> {
        if depth > MAX_DEPTH {
            return None;
        }
        let datum = |id: NodeId, json: &Json| self.default_datum(id, json, depth + 1);
        Some(match (self.kind(id), json) {
            (Kind::Null, Json::Null) => Datum::Null,
            (Kind::Boolean, Json::Bool(flag)) => Datum::Boolean(*flag),
            (Kind::Int, json) => Datum::Int(json.as_i64()?.try_into().ok()?),
            (Kind::Long, json) => Datum::Long(json.as_i64()?),
            (Kind::Float, json) => Datum::Float(json.as_f64()? as f32),
            (Kind::Double, json) => Datum::Double(json.as_f64()?),
            (Kind::String, Json::String(text)) => Datum::String(text.clone()),
            (Kind::Bytes, Json::String(text)) => Datum::Bytes(latin1(text)?),
            (Kind::Fixed(fixed), Json::String(text)) => {
                Datum::Fixed(latin1(text).filter(|bytes| bytes.len() == fixed.size)?)
            }
            (Kind::Enum(symbols), Json::String(text)) => {
                Datum::Enum(symbols.symbols.iter().position(|symbol| symbol == text)?)
            }
            (Kind::Array(items), Json::Array(list)) => {
                let items = list.iter().map(|item| datum(*items, item));
                Datum::Array(items.collect::<Option<_>>()?)
            }
            (Kind::Map(values), Json::Object(object)) => {
                let entries =
                    object.iter().map(|(key, item)| Some((key.clone(), datum(*values, item)?)));
                Datum::Map(entries.collect::<Option<_>>()?)
            }
            (Kind::Record(record), Json::Object(object)) => {
                let members = record.fields.iter().map(|field| {
                    let json = object.get(&field.name).or(field.default.as_ref())?;
                    datum(field.schema, json)
                });
                Datum::Record(members.collect::<Option<_>>()?)
            }
            (Kind::Union(branches), json) => {
                let (index, inner) = branches
                    .iter()
                    .enumerate()
                    .find_map(|(index, branch)| Some((index, datum(*branch, json)?)))?;
                Datum::Union(index, Box::new(inner))
            }
            _ => return None,
        })
    }
}

/// A default for bytes has one character a byte.
fn latin1(text: &str) -> Option<Bytes> {
    text.chars()
        .map(|c| u8::try_from(u32::from(c)).ok())
        .collect::<Option<Vec<u8>>>()
        .map(Into::into)
}
