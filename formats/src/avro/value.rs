//! Typed values in Avro's binary encoding, and back.

use super::binary::{BinaryError, Reader, write_bytes, write_long};
use super::datum::{Datum, EncodeError};
use super::model::{Kind, Logical, NodeId, Schema};
use crate::value::{Decimal, Value};

impl Schema {
    /// Writes a typed value by this schema. In a union it takes the first branch that fits.
    pub fn encode_value(&self, value: &Value, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.put(self.root, value, out)
    }

    /// Reads one value that fills `bytes`, in the form of [`Schema::to_typed`].
    pub fn decode_value(&self, bytes: &[u8]) -> Result<Value, BinaryError> {
        let datum = self.decode(bytes)?;
        self.typed_value(self.root, datum, &Reader::new(bytes))
    }

    fn put(&self, id: NodeId, value: &Value, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let refuse = || {
            let (expected, found) = (self.full_name(id), value.kind().to_owned());
            Err(EncodeError { path: String::new(), expected, found })
        };
        let logical = self.node(id).logical;
        match (self.kind(id), value) {
            (Kind::Union(branches), _) => return self.put_union(branches, id, value, out),
            (Kind::Null, Value::Null) => {}
            (Kind::Boolean, Value::Boolean(flag)) => out.push(u8::from(*flag)),
            (Kind::Int, _) => match whole(value).and_then(|n| i32::try_from(n).ok()) {
                Some(n) => write_long(out, n.into()),
                None => return refuse(),
            },
            (Kind::Long, _) => match (whole(value), logical) {
                (Some(n), Some(Logical::TimeMicros | Logical::TimestampMicros)) => {
                    write_long(out, n.saturating_mul(1000));
                }
                (Some(n), _) => write_long(out, n),
                _ => return refuse(),
            },
            (Kind::Float, Value::Float32(n)) => out.extend_from_slice(&n.to_le_bytes()),
            (Kind::Double, Value::Float64(n)) => out.extend_from_slice(&n.to_le_bytes()),
            (Kind::Double, Value::Float32(n)) => {
                out.extend_from_slice(&f64::from(*n).to_le_bytes());
            }
            (Kind::String, Value::String(text)) => write_bytes(out, text.as_bytes()),
            (Kind::Enum(symbols), Value::String(text)) => {
                match symbols.symbols.iter().position(|symbol| symbol == text) {
                    Some(index) => write_long(out, index as i64),
                    None => return refuse(),
                }
            }
            (Kind::Bytes, Value::Bytes(bytes)) => write_bytes(out, bytes),
            (Kind::Fixed(fixed), Value::Bytes(bytes)) if bytes.len() == fixed.size => {
                out.extend_from_slice(bytes);
            }
            (Kind::Bytes, Value::Decimal(decimal)) => match fitted(*decimal, logical) {
                Some(decimal) => write_bytes(out, &decimal.to_be_bytes()),
                None => return refuse(),
            },
            _ => return self.put_nested(id, value, out),
        }
        Ok(())
    }

    /// Arrays, maps and records.
    fn put_nested(&self, id: NodeId, value: &Value, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let refuse = || {
            let (expected, found) = (self.full_name(id), value.kind().to_owned());
            Err(EncodeError { path: String::new(), expected, found })
        };
        match (self.kind(id), value) {
            (Kind::Array(items), Value::Array(list)) => {
                if !list.is_empty() {
                    write_long(out, list.len() as i64);
                }
                for item in list {
                    self.put(*items, item, out)?;
                }
                out.push(0);
            }
            (Kind::Map(values), Value::Map(entries)) => {
                if !entries.is_empty() {
                    write_long(out, entries.len() as i64);
                }
                for (key, value) in entries {
                    let Some(key) = key.as_str() else { return refuse() };
                    write_bytes(out, key.as_bytes());
                    self.put(*values, value, out)?;
                }
                out.push(0);
            }
            (Kind::Record(record), Value::Struct(members))
                if record.fields.len() == members.len() =>
            {
                for (field, member) in record.fields.iter().zip(members) {
                    self.put(field.schema, member, out)
                        .map_err(|error| error.within(&field.name))?;
                }
            }
            _ => return refuse(),
        }
        Ok(())
    }

    fn put_union(
        &self,
        branches: &[NodeId],
        id: NodeId,
        value: &Value,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let start = out.len();
        for (index, branch) in branches.iter().enumerate() {
            write_long(out, index as i64);
            if self.put(*branch, value, out).is_ok() {
                return Ok(());
            }
            out.truncate(start);
        }
        let (expected, found) = (self.full_name(id), value.kind().to_owned());
        Err(EncodeError { path: String::new(), expected, found })
    }

    fn typed_value(
        &self,
        id: NodeId,
        datum: Datum,
        reader: &Reader<'_>,
    ) -> Result<Value, BinaryError> {
        let logical = self.node(id).logical;
        Ok(match (self.kind(id), datum) {
            (_, Datum::Null) => Value::Null,
            (_, Datum::Boolean(flag)) => Value::Boolean(flag),
            (_, Datum::Int(n)) => self.typed_int(id, n),
            (_, Datum::Long(n)) => match logical {
                Some(Logical::TimeMicros) => Value::Time((n / 1000) as i32),
                Some(Logical::TimestampMicros) => Value::Timestamp(n.div_euclid(1000)),
                Some(Logical::TimestampMillis) => Value::Timestamp(n),
                _ => Value::Int64(n),
            },
            (_, Datum::Float(n)) => Value::Float32(n),
            (_, Datum::Double(n)) => Value::Float64(n),
            (_, Datum::String(text)) => Value::String(text),
            (Kind::Enum(symbols), Datum::Enum(index)) => {
                Value::String(symbols.symbols[index].clone())
            }
            (_, Datum::Bytes(bytes) | Datum::Fixed(bytes)) => match logical {
                Some(Logical::Decimal { scale, .. }) => {
                    let scale = u8::try_from(scale).ok();
                    match scale.and_then(|scale| Decimal::from_be_bytes(&bytes, scale)) {
                        Some(decimal) => Value::Decimal(decimal),
                        None => return reader.fail("a decimal has no or too many bytes"),
                    }
                }
                _ => Value::Bytes(bytes),
            },
            (Kind::Record(record), Datum::Record(members)) => {
                let fields = record.fields.iter().zip(members);
                let typed =
                    fields.map(|(field, member)| self.typed_value(field.schema, member, reader));
                Value::Struct(typed.collect::<Result<_, _>>()?)
            }
            (Kind::Array(items), Datum::Array(list)) => {
                let typed = list.into_iter().map(|item| self.typed_value(*items, item, reader));
                Value::Array(typed.collect::<Result<_, _>>()?)
            }
            (Kind::Map(values), Datum::Map(entries)) => {
                let typed = entries.into_iter().map(|(key, value)| {
                    Ok((Value::String(key), self.typed_value(*values, value, reader)?))
                });
                Value::Map(typed.collect::<Result<_, BinaryError>>()?)
            }
            (Kind::Union(branches), Datum::Union(index, inner)) => {
                let value = self.typed_value(branches[index], *inner, reader)?;
                self.branch_value(branches, index, value)
            }
            _ => return reader.fail("the value is not of its schema"),
        })
    }

    fn typed_int(&self, id: NodeId, n: i32) -> Value {
        let node = self.node(id);
        match (node.logical, node.props.get("connect.type").and_then(|name| name.as_str())) {
            (Some(Logical::Date), _) => Value::Date(n),
            (Some(Logical::TimeMillis), _) => Value::Time(n),
            (_, Some("int8")) => i8::try_from(n).map_or(Value::Int32(n), Value::Int8),
            (_, Some("int16")) => i16::try_from(n).map_or(Value::Int32(n), Value::Int16),
            _ => Value::Int32(n),
        }
    }

    /// A union with more than one type besides null is a struct with one member set.
    fn branch_value(&self, branches: &[NodeId], index: usize, value: Value) -> Value {
        let real: Vec<usize> = (0..branches.len())
            .filter(|branch| !matches!(self.kind(branches[*branch]), Kind::Null))
            .collect();
        if real.len() == 1 || value.is_null() {
            return value;
        }
        let member = |branch: usize| if branch == index { value.clone() } else { Value::Null };
        Value::Struct(real.into_iter().map(member).collect())
    }
}

fn fitted(decimal: Decimal, logical: Option<Logical>) -> Option<Decimal> {
    let Some(Logical::Decimal { precision, scale }) = logical else { return None };
    decimal.fit(u8::try_from(precision).unwrap_or(u8::MAX), u8::try_from(scale).ok()?)
}

fn whole(value: &Value) -> Option<i64> {
    Some(match value {
        Value::Int8(n) => i64::from(*n),
        Value::Int16(n) => i64::from(*n),
        Value::Int32(n) | Value::Date(n) | Value::Time(n) => i64::from(*n),
        Value::Int64(n) | Value::Timestamp(n) => *n,
        _ => return None,
    })
}
