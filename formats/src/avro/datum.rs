//! Values as Avro sees them, written and read by their schema.

use bytes::Bytes;

use super::binary::{BinaryError, Reader, write_bytes, write_long};
use super::model::{Kind, NodeId, Schema};

/// One Avro value. A record's members stand in the order of its schema's fields.
#[derive(Clone, Debug, PartialEq)]
pub enum Datum {
    Null,
    Boolean(bool),
    Int(i32),
    Long(i64),
    Float(f32),
    Double(f64),
    Bytes(Bytes),
    String(String),
    Record(Vec<Datum>),
    /// The symbol's index.
    Enum(usize),
    Fixed(Bytes),
    Array(Vec<Datum>),
    Map(Vec<(String, Datum)>),
    /// Branch and value.
    Union(usize, Box<Datum>),
}

/// A value that is not of the schema it should be written with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {found} cannot be written as Avro {expected}")]
pub struct EncodeError {
    pub path: String,
    pub expected: String,
    pub found: String,
}

/// Values may nest this deep, whatever a recursive schema allows.
pub(super) const MAX_DEPTH: usize = 64;

impl Schema {
    /// Reads one value that fills `bytes`.
    pub fn decode(&self, bytes: &[u8]) -> Result<Datum, BinaryError> {
        let mut reader = Reader::new(bytes);
        let datum = self.read(self.root, &mut reader, 0)?;
        reader.end()?;
        Ok(datum)
    }

    pub(super) fn read(
        &self,
        id: NodeId,
        reader: &mut Reader<'_>,
        depth: usize,
    ) -> Result<Datum, BinaryError> {
        if depth > MAX_DEPTH {
            return reader.fail("values are nested too deeply");
        }
        Ok(match self.kind(id) {
            Kind::Null => Datum::Null,
            Kind::Boolean => Datum::Boolean(reader.boolean()?),
            Kind::Int => Datum::Int(reader.int()?),
            Kind::Long => Datum::Long(reader.long()?),
            Kind::Float => Datum::Float(reader.float()?),
            Kind::Double => Datum::Double(reader.double()?),
            Kind::Bytes => Datum::Bytes(Bytes::copy_from_slice(reader.bytes()?)),
            Kind::String => Datum::String(reader.string()?.to_owned()),
            Kind::Fixed(fixed) => Datum::Fixed(Bytes::copy_from_slice(reader.take(fixed.size)?)),
            Kind::Enum(symbols) => Datum::Enum(reader.index(symbols.symbols.len())?),
            Kind::Record(record) => {
                let mut members = Vec::with_capacity(record.fields.len());
                for field in &record.fields {
                    members.push(self.read(field.schema, reader, depth + 1)?);
                }
                Datum::Record(members)
            }
            Kind::Array(items) => {
                let mut list = Vec::new();
                loop {
                    let count = reader.block()?;
                    for _ in 0..count {
                        list.push(self.read(*items, reader, depth + 1)?);
                    }
                    if count == 0 {
                        break Datum::Array(list);
                    }
                }
            }
            Kind::Map(values) => {
                let mut entries = Vec::new();
                loop {
                    let count = reader.block()?;
                    for _ in 0..count {
                        let key = reader.string()?.to_owned();
                        entries.push((key, self.read(*values, reader, depth + 1)?));
                    }
                    if count == 0 {
                        break Datum::Map(entries);
                    }
                }
            }
            Kind::Union(branches) => {
                let index = reader.index(branches.len())?;
                Datum::Union(index, Box::new(self.read(branches[index], reader, depth + 1)?))
            }
        })
    }

    /// Steps over one value.
    pub fn skip(&self, id: NodeId, reader: &mut Reader<'_>) -> Result<(), BinaryError> {
        self.skip_nested(id, reader, 0)
    }

    fn skip_nested(
        &self,
        id: NodeId,
        reader: &mut Reader<'_>,
        depth: usize,
    ) -> Result<(), BinaryError> {
        if depth > MAX_DEPTH {
            return reader.fail("values are nested too deeply");
        }
        match self.kind(id) {
            Kind::Null => {}
            Kind::Boolean => drop(reader.boolean()?),
            Kind::Int | Kind::Long | Kind::Enum(_) => drop(reader.long()?),
            Kind::Float => drop(reader.take(4)?),
            Kind::Double => drop(reader.take(8)?),
            Kind::Bytes | Kind::String => drop(reader.bytes()?),
            Kind::Fixed(fixed) => drop(reader.take(fixed.size)?),
            Kind::Record(record) => {
                for field in &record.fields {
                    self.skip_nested(field.schema, reader, depth + 1)?;
                }
            }
            Kind::Array(inner) | Kind::Map(inner) => {
                let map = matches!(self.kind(id), Kind::Map(_));
                loop {
                    let count = reader.block()?;
                    for _ in 0..count {
                        if map {
                            reader.bytes()?;
                        }
                        self.skip_nested(*inner, reader, depth + 1)?;
                    }
                    if count == 0 {
                        break;
                    }
                }
            }
            Kind::Union(branches) => {
                let index = reader.index(branches.len())?;
                self.skip_nested(branches[index], reader, depth + 1)?;
            }
        }
        Ok(())
    }

    /// Writes a value by this schema.
    pub fn encode(&self, datum: &Datum, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.write(self.root, datum, out)
    }

    pub(super) fn write(
        &self,
        id: NodeId,
        datum: &Datum,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        match (self.kind(id), datum) {
            (Kind::Null, Datum::Null) => {}
            (Kind::Boolean, Datum::Boolean(flag)) => out.push(u8::from(*flag)),
            (Kind::Int, Datum::Int(n)) => write_long(out, i64::from(*n)),
            (Kind::Long, Datum::Long(n)) => write_long(out, *n),
            (Kind::Float, Datum::Float(n)) => out.extend_from_slice(&n.to_le_bytes()),
            (Kind::Double, Datum::Double(n)) => out.extend_from_slice(&n.to_le_bytes()),
            (Kind::Bytes, Datum::Bytes(bytes)) => write_bytes(out, bytes),
            (Kind::String, Datum::String(text)) => write_bytes(out, text.as_bytes()),
            (Kind::Fixed(fixed), Datum::Fixed(bytes)) if bytes.len() == fixed.size => {
                out.extend_from_slice(bytes);
            }
            (Kind::Enum(symbols), Datum::Enum(index)) if *index < symbols.symbols.len() => {
                write_long(out, *index as i64);
            }
            (Kind::Record(record), Datum::Record(members))
                if members.len() == record.fields.len() =>
            {
                for (field, member) in record.fields.iter().zip(members) {
                    self.write(field.schema, member, out)
                        .map_err(|error| error.within(&field.name))?;
                }
            }
            (Kind::Array(items), Datum::Array(list)) => {
                if !list.is_empty() {
                    write_long(out, list.len() as i64);
                    for item in list {
                        self.write(*items, item, out)?;
                    }
                }
                out.push(0);
            }
            (Kind::Map(values), Datum::Map(entries)) => {
                if !entries.is_empty() {
                    write_long(out, entries.len() as i64);
                    for (key, value) in entries {
                        write_bytes(out, key.as_bytes());
                        self.write(*values, value, out)?;
                    }
                }
                out.push(0);
            }
            (Kind::Union(branches), Datum::Union(index, inner)) if *index < branches.len() => {
                write_long(out, *index as i64);
                self.write(branches[*index], inner, out)?;
            }
            (_, other) => {
                return Err(EncodeError {
                    path: String::new(),
                    expected: self.full_name(id),
                    found: other.kind().to_owned(),
                });
            }
        }
        Ok(())
    }
}

impl EncodeError {
    pub(super) fn within(mut self, name: &str) -> Self {
        let dot = if self.path.is_empty() { "" } else { "." };
        self.path = format!("{name}{dot}{}", self.path);
        self
    }
}

impl Datum {
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean(_) => "a boolean",
            Self::Int(_) => "an int",
            Self::Long(_) => "a long",
            Self::Float(_) => "a float",
            Self::Double(_) => "a double",
            Self::Bytes(_) => "bytes",
            Self::String(_) => "a string",
            Self::Record(_) => "a record",
            Self::Enum(_) => "an enum symbol",
            Self::Fixed(_) => "a fixed value",
            Self::Array(_) => "an array",
            Self::Map(_) => "a map",
            Self::Union(..) => "a union's branch",
        }
    }
}
