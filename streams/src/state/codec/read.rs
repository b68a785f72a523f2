//! Bytes to rows, column by column.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayData, ArrayRef, BinaryBuilder, BooleanBuilder, NullArray, StringBuilder,
    StructArray, make_array, new_empty_array,
};
use arrow::buffer::{Buffer, NullBuffer};
use arrow::compute::concat;
use arrow::datatypes::{ArrowNativeType, DataType, Field, Fields};

use super::{CodecFailure, Ordered, RowCodec};

/// What is left to read of a row; `None` where there is no row, whose columns become null.
type Cursor<'a> = Option<&'a [u8]>;

impl RowCodec {
    /// Reads one row from the front of each of `rows`, and leaves there what is behind it.
    /// A row that is `None` becomes nulls.
    pub fn read(&self, rows: &mut [Option<&[u8]>]) -> Result<Vec<ArrayRef>, CodecFailure> {
        self.types.iter().map(|data_type| column(data_type, rows)).collect()
    }
}

fn column(data_type: &DataType, rows: &mut [Cursor<'_>]) -> Result<ArrayRef, CodecFailure> {
    use DataType as D;
    match data_type {
        D::Null => {
            for row in rows.iter_mut() {
                tag(data_type, row)?;
            }
            Ok(Arc::new(NullArray::new(rows.len())))
        }
        D::Boolean => {
            let mut values = BooleanBuilder::with_capacity(rows.len());
            for row in rows {
                let value =
                    if tag(data_type, row)? { Some(take(data_type, row, 1)?[0]) } else { None };
                values.append_option(value.map(|byte| byte == 1));
            }
            Ok(Arc::new(values.finish()))
        }
        D::Int8 => numbers::<i8>(data_type, rows),
        D::Int16 => numbers::<i16>(data_type, rows),
        D::Int32 | D::Date32 | D::Time32(_) => numbers::<i32>(data_type, rows),
        D::Int64 | D::Date64 | D::Time64(_) | D::Timestamp(..) | D::Duration(_) => {
            numbers::<i64>(data_type, rows)
        }
        D::Decimal128(..) => numbers::<i128>(data_type, rows),
        D::UInt8 => numbers::<u8>(data_type, rows),
        D::UInt16 => numbers::<u16>(data_type, rows),
        D::UInt32 => numbers::<u32>(data_type, rows),
        D::UInt64 => numbers::<u64>(data_type, rows),
        D::Float32 => numbers::<f32>(data_type, rows),
        D::Float64 => numbers::<f64>(data_type, rows),
        D::Utf8 => text(data_type, rows),
        D::Binary => {
            let mut values = BinaryBuilder::new();
            each_text(data_type, rows, |value| {
                values.append_option(value);
                Ok(())
            })?;
            Ok(Arc::new(values.finish()))
        }
        D::Struct(fields) => structs(data_type, fields, rows),
        D::List(field) => elements(data_type, field, rows, |row| column(field.data_type(), row)),
        D::Map(field, _) => match field.data_type() {
            D::Struct(fields) => elements(data_type, field, rows, |row| entry(fields, row)),
            other => Err(damaged(other, "a map's entries must be a struct")),
        },
        other => Err(damaged(other, "no such type is ever written")),
    }
}

fn numbers<T: Ordered + ArrowNativeType>(
    data_type: &DataType,
    rows: &mut [Cursor<'_>],
) -> Result<ArrayRef, CodecFailure> {
    let mut values = vec![<T as Default>::default(); rows.len()];
    let mut valid = vec![false; rows.len()];
    for (index, row) in rows.iter_mut().enumerate() {
        if tag(data_type, row)? {
            values[index] = T::read(take(data_type, row, T::WIDTH)?);
            valid[index] = true;
        }
    }
    let data = ArrayData::builder(data_type.clone())
        .len(values.len())
        .add_buffer(Buffer::from_vec(values))
        .nulls(Some(NullBuffer::from(valid)))
        .build();
    Ok(make_array(data.map_err(|error| damaged(data_type, error))?))
}

fn text(data_type: &DataType, rows: &mut [Cursor<'_>]) -> Result<ArrayRef, CodecFailure> {
    let mut values = StringBuilder::new();
    each_text(data_type, rows, |value| {
        let value = value.map(std::str::from_utf8).transpose();
        values.append_option(value.map_err(|error| damaged(data_type, error))?);
        Ok(())
    })?;
    Ok(Arc::new(values.finish()))
}

fn each_text(
    data_type: &DataType,
    rows: &mut [Cursor<'_>],
    mut append: impl FnMut(Option<&[u8]>) -> Result<(), CodecFailure>,
) -> Result<(), CodecFailure> {
    let mut buffer = Vec::new();
    for row in rows {
        if !tag(data_type, row)? {
            append(None)?;
            continue;
        }
        buffer.clear();
        loop {
            let rest = row.unwrap_or_default();
            let zero = rest.iter().position(|&byte| byte == 0);
            let (part, escape) = match zero.and_then(|zero| Some((zero, *rest.get(zero + 1)?))) {
                Some((zero, escape)) => (&rest[..zero], escape),
                None => return Err(CodecFailure::Truncated { data_type: data_type.clone() }),
            };
            buffer.extend_from_slice(part);
            *row = Some(&rest[part.len() + 2..]);
            match escape {
                0xff => buffer.push(0),
                0 => break,
                _ => return Err(damaged(data_type, "unknown escape")),
            }
        }
        append(Some(&buffer))?;
    }
    Ok(())
}

fn structs(
    data_type: &DataType,
    fields: &Fields,
    rows: &mut [Cursor<'_>],
) -> Result<ArrayRef, CodecFailure> {
    let mut inner: Vec<Cursor<'_>> = Vec::with_capacity(rows.len());
    for row in rows.iter_mut() {
        inner.push(if tag(data_type, row)? { *row } else { None });
    }
    let valid: Vec<bool> = inner.iter().map(Option::is_some).collect();
    let columns = fields
        .iter()
        .map(|field| column(field.data_type(), &mut inner))
        .collect::<Result<Vec<_>, _>>()?;
    for (row, inner) in rows.iter_mut().zip(inner) {
        *row = inner.or(*row);
    }
    struct_array(data_type, fields, columns, NullBuffer::from(valid))
}

/// One entry of a map: key and value, without the tag of a struct.
fn entry(fields: &Fields, row: &mut [Cursor<'_>]) -> Result<ArrayRef, CodecFailure> {
    let columns =
        fields.iter().map(|field| column(field.data_type(), row)).collect::<Result<Vec<_>, _>>()?;
    struct_array(
        &DataType::Struct(fields.clone()),
        fields,
        columns,
        NullBuffer::new_valid(row.len()),
    )
}

fn struct_array(
    data_type: &DataType,
    fields: &Fields,
    columns: Vec<ArrayRef>,
    valid: NullBuffer,
) -> Result<ArrayRef, CodecFailure> {
    let length = valid.len();
    let array = StructArray::try_new_with_length(fields.clone(), columns, Some(valid), length);
    Ok(Arc::new(array.map_err(|error| damaged(data_type, error))?))
}

fn elements<'a>(
    data_type: &DataType,
    field: &Field,
    rows: &mut [Cursor<'a>],
    read: impl Fn(&mut [Cursor<'a>]) -> Result<ArrayRef, CodecFailure>,
) -> Result<ArrayRef, CodecFailure> {
    let mut offsets = vec![0_i32];
    let mut valid = Vec::with_capacity(rows.len());
    let mut items: Vec<ArrayRef> = Vec::new();
    for row in rows {
        let present = tag(data_type, row)?;
        while present && take(data_type, row, 1)?[0] == 1 {
            items.push(read(std::slice::from_mut(row))?);
        }
        valid.push(present);
        offsets.push(items.len() as i32);
    }
    let items = if items.is_empty() {
        new_empty_array(field.data_type())
    } else {
        let items: Vec<&dyn Array> = items.iter().map(AsRef::as_ref).collect();
        concat(&items).map_err(|error| damaged(data_type, error))?
    };
    let data = ArrayData::builder(data_type.clone())
        .len(valid.len())
        .add_buffer(Buffer::from_vec(offsets))
        .add_child_data(items.to_data())
        .nulls(Some(NullBuffer::from(valid)))
        .build();
    Ok(make_array(data.map_err(|error| damaged(data_type, error))?))
}

/// Reads whether a value follows; false where there is no row.
fn tag(data_type: &DataType, row: &mut Cursor<'_>) -> Result<bool, CodecFailure> {
    if row.is_none() {
        return Ok(false);
    }
    match take(data_type, row, 1)?[0] {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(damaged(data_type, "unknown tag")),
    }
}

fn take<'a>(
    data_type: &DataType,
    row: &mut Cursor<'a>,
    count: usize,
) -> Result<&'a [u8], CodecFailure> {
    let split = row.and_then(|rest| rest.split_at_checked(count));
    let Some((taken, rest)) = split else {
        return Err(CodecFailure::Truncated { data_type: data_type.clone() });
    };
    *row = Some(rest);
    Ok(taken)
}

fn damaged(data_type: &DataType, message: impl ToString) -> CodecFailure {
    CodecFailure::Damaged { data_type: data_type.clone(), message: message.to_string() }
}
