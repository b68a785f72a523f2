//! One Arrow cell in Avro's binary encoding.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, Time32MillisecondType, TimeUnit, TimestampMillisecondType,
};

use super::avro_names::columns_of;
use crate::Type;
use crate::avro::{Kind, Logical, NodeId, Schema as AvroSchema, write_bytes, write_long};
use crate::value::Decimal;

/// A cell that has no place in the schema.
#[derive(Debug)]
pub(super) struct Misfit {
    pub(super) expected: String,
    pub(super) found: String,
}

type Write = Result<(), Misfit>;

/// A node of the schema, and the columns that its values come from.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) node: NodeId,
    /// Those of an array's items, a map's values, a union's branches or a record's fields.
    pub(super) inner: Vec<Target>,
    /// For each field of a record, the column that belongs to it.
    pub(super) columns: Vec<Option<usize>>,
}

impl Target {
    /// For cells of type `ty`.
    pub(super) fn new(schema: &AvroSchema, node: NodeId, ty: &Type) -> Self {
        let (mut inner, mut columns) = (Vec::new(), Vec::new());
        match (schema.kind(node), ty) {
            (Kind::Union(branches), _) => {
                inner.extend(branches.iter().map(|branch| Self::new(schema, *branch, ty)));
            }
            (Kind::Array(items), Type::Array(item)) => {
                inner.push(Self::new(schema, *items, &item.ty));
            }
            (Kind::Map(values), Type::Map { value, .. }) => {
                inner.push(Self::new(schema, *values, &value.ty));
            }
            (Kind::Record(record), Type::Struct(fields)) => {
                columns = columns_of(schema, record, fields.iter().map(|f| f.name.as_str()));
                let members = record.fields.iter().zip(&columns);
                inner.extend(members.map(|(member, column)| match column {
                    Some(index) => Self::new(schema, member.schema, &fields[*index].schema.ty),
                    None => Self { node: member.schema, inner: Vec::new(), columns: Vec::new() },
                }));
            }
            _ => {}
        }
        Self { node, inner, columns }
    }
}

/// Appends the cell by the schema's node. In a union it takes the first branch that fits.
pub(super) fn cell(
    out: &mut Vec<u8>,
    schema: &AvroSchema,
    target: &Target,
    array: &dyn Array,
    row: usize,
) -> Write {
    let node = target.node;
    match (schema.kind(node), target.inner.as_slice()) {
        (Kind::Union(_), _) => return union(out, schema, target, array, row),
        (Kind::Null, _) if array.is_null(row) => return Ok(()),
        _ if array.is_null(row) => return misfit(schema, node, "null"),
        (Kind::Array(_), [items]) => {
            if let DataType::List(_) = array.data_type() {
                let list = array.as_list::<i32>().value(row);
                return items_of(out, list.len(), |out, index| {
                    cell(out, schema, items, &list, index)
                });
            }
        }
        (Kind::Map(_), [values]) => {
            if let DataType::Map(..) = array.data_type() {
                let entries = array.as_map().value(row);
                return items_of(out, entries.len(), |out, index| {
                    let Some(text) = text(entries.column(0), index) else {
                        return misfit(schema, node, "a map whose keys are not strings");
                    };
                    write_bytes(out, text.as_bytes());
                    cell(out, schema, values, entries.column(1), index)
                });
            }
        }
        (Kind::Record(_), fields) => {
            if let DataType::Struct(_) = array.data_type() {
                let children = array.as_struct().columns();
                for (field, column) in fields.iter().zip(&target.columns) {
                    match column.and_then(|index| children.get(index)) {
                        Some(child) => cell(out, schema, field, child, row)?,
                        None => absent(out, schema, field.node)?,
                    }
                }
                return Ok(());
            }
        }
        _ => return scalar(out, schema, node, array, row),
    }
    misfit(schema, node, &array.data_type().to_string())
}

/// What is written for a field that no column belongs to: a null, where that is allowed.
pub(super) fn absent(out: &mut Vec<u8>, schema: &AvroSchema, node: NodeId) -> Write {
    match schema.kind(node) {
        Kind::Null => Ok(()),
        Kind::Union(branches) => {
            let null = branches.iter().position(|b| matches!(schema.kind(*b), Kind::Null));
            match null {
                Some(index) => {
                    write_long(out, index as i64);
                    Ok(())
                }
                None => misfit(schema, node, "no column"),
            }
        }
        _ => misfit(schema, node, "no column"),
    }
}

fn items_of(
    out: &mut Vec<u8>,
    count: usize,
    mut write: impl FnMut(&mut Vec<u8>, usize) -> Write,
) -> Write {
    if count > 0 {
        write_long(out, count as i64);
        for index in 0..count {
            write(out, index)?;
        }
    }
    out.push(0);
    Ok(())
}

fn union(
    out: &mut Vec<u8>,
    schema: &AvroSchema,
    target: &Target,
    array: &dyn Array,
    row: usize,
) -> Write {
    if array.is_null(row) {
        return absent(out, schema, target.node);
    }
    let start = out.len();
    for (index, branch) in target.inner.iter().enumerate() {
        if matches!(schema.kind(branch.node), Kind::Null) {
            continue;
        }
        write_long(out, index as i64);
        if cell(out, schema, branch, array, row).is_ok() {
            return Ok(());
        }
        out.truncate(start);
    }
    misfit(schema, target.node, &array.data_type().to_string())
}

fn misfit(schema: &AvroSchema, node: NodeId, found: &str) -> Write {
    Err(Misfit { expected: schema.full_name(node), found: found.to_owned() })
}

fn text(array: &dyn Array, row: usize) -> Option<&str> {
    match array.data_type() {
        DataType::Utf8 => Some(array.as_string::<i32>().value(row)),
        DataType::Utf8View => Some(array.as_string_view().value(row)),
        DataType::LargeUtf8 => Some(array.as_string::<i64>().value(row)),
        _ => None,
    }
}

fn whole(array: &dyn Array, row: usize) -> Option<i64> {
    Some(match array.data_type() {
        DataType::Int8 => array.as_primitive::<Int8Type>().value(row).into(),
        DataType::Int16 => array.as_primitive::<Int16Type>().value(row).into(),
        DataType::Int32 => array.as_primitive::<Int32Type>().value(row).into(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row),
        DataType::Date32 => array.as_primitive::<Date32Type>().value(row).into(),
        DataType::Time32(TimeUnit::Millisecond) => {
            array.as_primitive::<Time32MillisecondType>().value(row).into()
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            array.as_primitive::<TimestampMillisecondType>().value(row)
        }
        _ => return None,
    })
}

fn floating(array: &dyn Array, row: usize) -> Option<f64> {
    match array.data_type() {
        DataType::Float32 => Some(array.as_primitive::<Float32Type>().value(row).into()),
        DataType::Float64 => Some(array.as_primitive::<Float64Type>().value(row)),
        _ => whole(array, row).map(|value| value as f64),
    }
}

fn scalar(
    out: &mut Vec<u8>,
    schema: &AvroSchema,
    node: NodeId,
    array: &dyn Array,
    row: usize,
) -> Write {
    let refuse = || misfit(schema, node, &array.data_type().to_string());
    let logical = schema.node(node).logical;
    match schema.kind(node) {
        Kind::Boolean if *array.data_type() == DataType::Boolean => {
            out.push(u8::from(array.as_boolean().value(row)));
        }
        Kind::Int => match whole(array, row).and_then(|value| i32::try_from(value).ok()) {
            Some(value) => write_long(out, value.into()),
            None => return refuse(),
        },
        Kind::Long => match (whole(array, row), logical) {
            (Some(value), Some(Logical::TimeMicros | Logical::TimestampMicros)) => {
                match value.checked_mul(1000) {
                    Some(micros) => write_long(out, micros),
                    None => return refuse(),
                }
            }
            (Some(value), _) => write_long(out, value),
            (None, _) => return refuse(),
        },
        Kind::Float => match floating(array, row) {
            Some(value) => out.extend_from_slice(&(value as f32).to_le_bytes()),
            None => return refuse(),
        },
        Kind::Double => match floating(array, row) {
            Some(value) => out.extend_from_slice(&value.to_le_bytes()),
            None => return refuse(),
        },
        Kind::String => match text(array, row) {
            Some(text) => write_bytes(out, text.as_bytes()),
            None => return refuse(),
        },
        Kind::Enum(symbols) => {
            let symbol = text(array, row);
            match symbols.symbols.iter().position(|other| Some(other.as_str()) == symbol) {
                Some(index) => write_long(out, index as i64),
                None => return misfit(schema, node, symbol.unwrap_or("no string")),
            }
        }
        Kind::Bytes | Kind::Fixed(_) => return blob(out, schema, node, array, row),
        _ => return refuse(),
    }
    Ok(())
}

fn blob(
    out: &mut Vec<u8>,
    schema: &AvroSchema,
    node: NodeId,
    array: &dyn Array,
    row: usize,
) -> Write {
    let size = if let Kind::Fixed(fixed) = schema.kind(node) { Some(fixed.size) } else { None };
    let bytes = match (array.data_type(), schema.node(node).logical) {
        (DataType::Binary, _) => array.as_binary::<i32>().value(row).to_vec(),
        (DataType::Decimal128(_, from), Some(Logical::Decimal { precision, scale })) => {
            let unscaled = array.as_primitive::<Decimal128Type>().value(row);
            let decimal = Decimal { unscaled, scale: u8::try_from(*from).unwrap_or(0) };
            let fitted = u8::try_from(scale)
                .ok()
                .and_then(|scale| decimal.fit(u8::try_from(precision).unwrap_or(u8::MAX), scale));
            match fitted {
                Some(decimal) => padded(decimal, size),
                None => return misfit(schema, node, &decimal.to_string()),
            }
        }
        (other, _) => return misfit(schema, node, &other.to_string()),
    };
    match size {
        None => write_bytes(out, &bytes),
        Some(size) if size == bytes.len() => out.extend_from_slice(&bytes),
        Some(_) => return misfit(schema, node, &format!("{} bytes", bytes.len())),
    }
    Ok(())
}

fn padded(decimal: Decimal, size: Option<usize>) -> Vec<u8> {
    let bytes = decimal.to_be_bytes();
    let missing = size.unwrap_or(0).saturating_sub(bytes.len());
    let fill = if decimal.unscaled < 0 { 0xff } else { 0 };
    let mut out = vec![fill; missing];
    out.extend_from_slice(&bytes);
    out
}
