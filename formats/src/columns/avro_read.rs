//! Avro bytes straight into columns: the writer's schema is matched with the columns once, then
//! every record only follows that plan.

use std::sync::Arc;

use super::avro_names::columns_of;
use super::column::{Column, PushError};
use crate::avro::{BinaryError, Kind, Logical, NodeId, Reader, Schema as AvroSchema};
use crate::value::Decimal;
use crate::{Field, Schema, Type};

/// A writer's schema that these columns cannot hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column} of type {expected} cannot be read from the Avro type {found}")]
pub struct PlanError {
    pub column: String,
    pub expected: String,
    pub found: String,
}

#[derive(Debug)]
pub(super) struct Plan {
    writer: Arc<AvroSchema>,
    step: Step,
    bare: bool,
}

#[derive(Debug)]
enum Step {
    Null,
    Boolean,
    Int,
    Long,
    /// A long in microseconds for a column in milliseconds.
    Micros,
    Float,
    Double,
    Bytes,
    Decimal {
        size: Option<usize>,
        scale: u8,
    },
    Fixed(usize),
    String,
    Symbol(Vec<String>),
    Array(Box<Step>),
    Map(Box<Step>),
    Union(Vec<Branch>),
    Record {
        fields: Vec<Target>,
        missing: Vec<usize>,
    },
}

#[derive(Debug)]
enum Branch {
    Read(Step),
    /// Legal in the schema, but no value of it fits the column.
    Refuse(String),
}

#[derive(Debug)]
enum Target {
    Skip(NodeId),
    Column(usize, Step),
}

/// Why one record could not be read by its plan.
#[derive(Debug)]
pub(super) enum ReadError {
    Binary(BinaryError),
    Push(usize, PushError),
}

impl From<BinaryError> for ReadError {
    fn from(error: BinaryError) -> Self {
        Self::Binary(error)
    }
}

impl Plan {
    /// `bare`: the value is the one column itself, not a record with a field of its name.
    pub(super) fn new(
        writer: Arc<AvroSchema>,
        fields: &[Field],
        bare: bool,
    ) -> Result<Self, PlanError> {
        let step = if let (true, [field]) = (bare, fields) {
            step(&writer, writer.root(), &field.schema, &field.name)?
        } else {
            record(&writer, writer.root(), fields, "the record's value")?
        };
        Ok(Self { writer, step, bare })
    }

    /// Appends one row to every column, or fails with columns of uneven length.
    pub(super) fn read(&self, bytes: &[u8], columns: &mut [Column]) -> Result<bool, ReadError> {
        let mut reader = Reader::new(bytes);
        let present = if self.bare {
            self.value(&self.step, &mut reader, &mut columns[0])?;
            true
        } else {
            self.top(&self.step, &mut reader, columns)?
        };
        reader.end()?;
        Ok(present)
    }

    /// False for a null in place of the record.
    fn top(
        &self,
        step: &Step,
        reader: &mut Reader<'_>,
        columns: &mut [Column],
    ) -> Result<bool, ReadError> {
        match step {
            Step::Record { fields, missing } => {
                self.members(fields, missing, reader, columns)?;
                Ok(true)
            }
            Step::Union(branches) => match &branches[reader.index(branches.len())?] {
                Branch::Read(step) => self.top(step, reader, columns),
                Branch::Refuse(found) => Err(refuse(found)),
            },
            _ => {
                columns.iter_mut().for_each(Column::push_null);
                Ok(false)
            }
        }
    }

    fn members(
        &self,
        fields: &[Target],
        missing: &[usize],
        reader: &mut Reader<'_>,
        columns: &mut [Column],
    ) -> Result<(), ReadError> {
        for target in fields {
            match target {
                Target::Skip(node) => self.writer.skip(*node, reader)?,
                Target::Column(index, step) => {
                    self.value(step, reader, &mut columns[*index]).map_err(
                        |error| match error {
                            ReadError::Push(_, error) => ReadError::Push(*index, error),
                            other => other,
                        },
                    )?;
                }
            }
        }
        for index in missing {
            columns[*index].push_null();
        }
        Ok(())
    }

    fn value(
        &self,
        step: &Step,
        reader: &mut Reader<'_>,
        column: &mut Column,
    ) -> Result<(), ReadError> {
        let pushed = match step {
            Step::Null => {
                column.push_null();
                Ok(())
            }
            Step::Boolean => column.push_bool(reader.boolean()?),
            Step::Int => column.push_i64(i64::from(reader.int()?)),
            Step::Long => column.push_i64(reader.long()?),
            Step::Micros => column.push_i64(reader.long()?.div_euclid(1000)),
            Step::Float => column.push_f64(f64::from(reader.float()?)),
            Step::Double => column.push_f64(reader.double()?),
            Step::String => column.push_str(reader.string()?),
            Step::Bytes => column.push_bytes(reader.bytes()?),
            Step::Fixed(size) => column.push_bytes(reader.take(*size)?),
            Step::Decimal { size, scale } => {
                let bytes = match size {
                    Some(size) => reader.take(*size)?,
                    None => reader.bytes()?,
                };
                match Decimal::from_be_bytes(bytes, *scale) {
                    Some(decimal) => column.push_decimal(decimal),
                    None => return Ok(reader.fail("a decimal has no or too many bytes")?),
                }
            }
            Step::Symbol(symbols) => column.push_str(&symbols[reader.index(symbols.len())?]),
            Step::Union(branches) => match &branches[reader.index(branches.len())?] {
                Branch::Read(step) => return self.value(step, reader, column),
                Branch::Refuse(found) => return Err(refuse(found)),
            },
            Step::Array(items) => return self.array(items, reader, column),
            Step::Map(values) => return self.map(values, reader, column),
            Step::Record { fields, missing } => {
                let children = column.children("a record").map_err(|e| ReadError::Push(0, e))?;
                self.members(fields, missing, reader, children)?;
                column.close_struct();
                Ok(())
            }
        };
        pushed.map_err(|error| ReadError::Push(0, error))
    }

    fn array(
        &self,
        step: &Step,
        reader: &mut Reader<'_>,
        column: &mut Column,
    ) -> Result<(), ReadError> {
        loop {
            let count = reader.block()?;
            if count == 0 {
                break;
            }
            let items = column.items("an array").map_err(|e| ReadError::Push(0, e))?;
            for _ in 0..count {
                self.value(step, reader, items)?;
            }
        }
        column.close_array().map_err(|error| ReadError::Push(0, error))
    }

    fn map(
        &self,
        step: &Step,
        reader: &mut Reader<'_>,
        column: &mut Column,
    ) -> Result<(), ReadError> {
        loop {
            let count = reader.block()?;
            if count == 0 {
                break;
            }
            let (keys, values) = column.entries("a map").map_err(|e| ReadError::Push(0, e))?;
            for _ in 0..count {
                keys.push_str(reader.string()?).map_err(|e| ReadError::Push(0, e))?;
                self.value(step, reader, values)?;
            }
        }
        column.close_map().map_err(|error| ReadError::Push(0, error))
    }
}

fn refuse(found: &str) -> ReadError {
    let expected = "the column's type".to_owned();
    ReadError::Push(0, PushError::Kind { expected, found: found.to_owned() })
}

/// A record's fields against columns, by their names.
fn record(
    writer: &AvroSchema,
    node: NodeId,
    fields: &[Field],
    path: &str,
) -> Result<Step, PlanError> {
    match writer.kind(node) {
        Kind::Record(record) => {
            let columns = columns_of(writer, record, fields.iter().map(|f| f.name.as_str()));
            let missing = (0..fields.len()).filter(|index| !columns.contains(&Some(*index)));
            let missing = missing.collect();
            let mut targets = Vec::with_capacity(record.fields.len());
            for (member, column) in record.fields.iter().zip(columns) {
                targets.push(match column {
                    Some(index) => {
                        let field = &fields[index];
                        let step = step(writer, member.schema, &field.schema, &field.name)?;
                        Target::Column(index, step)
                    }
                    None => Target::Skip(member.schema),
                });
            }
            Ok(Step::Record { fields: targets, missing })
        }
        Kind::Null => Ok(Step::Null),
        Kind::Union(branches) => {
            let branches = branches.iter().map(|branch| record(writer, *branch, fields, path));
            union(branches.collect())
        }
        other => Err(PlanError {
            column: path.to_owned(),
            expected: "STRUCT".into(),
            found: other.word().to_owned(),
        }),
    }
}

/// A union can be read if any branch but null can.
fn union(branches: Vec<Result<Step, PlanError>>) -> Result<Step, PlanError> {
    let usable = branches.iter().any(|branch| !matches!(branch, Err(_) | Ok(Step::Null)));
    let all_null = branches.iter().all(|branch| matches!(branch, Ok(Step::Null)));
    let mut out = Vec::with_capacity(branches.len());
    for branch in branches {
        out.push(match branch {
            Ok(step) => Branch::Read(step),
            Err(error) if !usable && !all_null => return Err(error),
            Err(error) => Branch::Refuse(error.found),
        });
    }
    Ok(Step::Union(out))
}

fn step(writer: &AvroSchema, node: NodeId, schema: &Schema, path: &str) -> Result<Step, PlanError> {
    let kind = writer.kind(node);
    let logical = writer.node(node).logical;
    let milliseconds = matches!(schema.ty, Type::Time | Type::Timestamp);
    let found = match (kind, &schema.ty) {
        (Kind::Null, _) => Step::Null,
        (Kind::Union(branches), _) => {
            let branches = branches.iter().map(|branch| step(writer, *branch, schema, path));
            return union(branches.collect());
        }
        (Kind::Boolean, Type::Boolean | Type::String) => Step::Boolean,
        (Kind::Int, ty) if numeric(ty) => Step::Int,
        (Kind::Long, ty) if milliseconds || numeric(ty) => match logical {
            Some(Logical::TimeMicros | Logical::TimestampMicros) if milliseconds => Step::Micros,
            _ => Step::Long,
        },
        (Kind::Float, Type::Float32 | Type::Float64 | Type::String) => Step::Float,
        (Kind::Double, Type::Float32 | Type::Float64 | Type::String) => Step::Double,
        (Kind::String, Type::String) => Step::String,
        (Kind::Enum(symbols), Type::String) => Step::Symbol(symbols.symbols.clone()),
        (Kind::Bytes | Kind::Fixed(_), Type::Decimal { .. } | Type::Float64 | Type::String) => {
            let Some(Logical::Decimal { scale, .. }) = logical else {
                return Err(mismatch(writer, node, schema, path));
            };
            let size = if let Kind::Fixed(fixed) = kind { Some(fixed.size) } else { None };
            match u8::try_from(scale) {
                Ok(scale) => Step::Decimal { size, scale },
                Err(_) => return Err(mismatch(writer, node, schema, path)),
            }
        }
        (Kind::Bytes, Type::Bytes) => Step::Bytes,
        (Kind::Fixed(fixed), Type::Bytes) => Step::Fixed(fixed.size),
        (Kind::Array(items), Type::Array(wanted)) => {
            Step::Array(Box::new(step(writer, *items, wanted, path)?))
        }
        (Kind::Map(values), Type::Map { key, value }) if key.ty == Type::String => {
            Step::Map(Box::new(step(writer, *values, value, path)?))
        }
        (Kind::Record(_), Type::Struct(fields)) => return record(writer, node, fields, path),
        _ => return Err(mismatch(writer, node, schema, path)),
    };
    Ok(found)
}

/// Types that take an int or a long as their number, with a check of the range.
fn numeric(ty: &Type) -> bool {
    !matches!(ty, Type::Boolean | Type::Bytes | Type::Array(_) | Type::Map { .. } | Type::Struct(_))
}

fn mismatch(writer: &AvroSchema, node: NodeId, schema: &Schema, path: &str) -> PlanError {
    PlanError {
        column: path.to_owned(),
        expected: schema.ty.to_string(),
        found: writer.full_name(node),
    }
}
