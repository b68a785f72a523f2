//! A growing column that can also shrink: a record that turns out bad halfway is cut off again.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, BooleanBufferBuilder, Date32Array, Decimal128Array,
    Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Int64Array, ListArray, MapArray,
    StringArray, StructArray, Time32MillisecondArray, TimestampMillisecondArray,
};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field as ArrowField, Fields};

use super::types::data_type;
use crate::value::Decimal;
use crate::{Schema, Type, Value};

/// The largest time of day, as ksqlDB has it: the day's end too.
const DAY_MS: i64 = 86_400_000;

/// Values of one typed schema, as Arrow will want them.
#[derive(Debug)]
pub struct Column {
    valid: BooleanBufferBuilder,
    data: Data,
    ty: DataType,
}

#[derive(Debug)]
pub(super) enum Data {
    Boolean(BooleanBufferBuilder),
    Int8(Vec<i8>),
    Int16(Vec<i16>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Float32(Vec<f32>),
    Float64(Vec<f64>),
    Decimal { values: Vec<i128>, precision: u8, scale: u8 },
    String(Blobs),
    Bytes(Blobs),
    Date(Vec<i32>),
    Time(Vec<i32>),
    Timestamp(Vec<i64>),
    Array { offsets: Vec<i32>, items: Box<Column> },
    Map { offsets: Vec<i32>, keys: Box<Column>, values: Box<Column> },
    Struct(Vec<Column>),
}

#[derive(Debug)]
pub(super) struct Blobs {
    offsets: Vec<i32>,
    bytes: Vec<u8>,
}

/// Why a value does not go into a column.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    #[error("{found} cannot be read as {expected}")]
    Kind { expected: String, found: String },
    #[error("{value} does not fit into {expected}")]
    Range { expected: String, value: String },
    #[error("the batch has more than 2 GiB in one column")]
    Full,
}

type Push = Result<(), PushError>;

impl Blobs {
    fn new() -> Self {
        Self { offsets: vec![0], bytes: Vec::new() }
    }

    fn push(&mut self, bytes: &[u8]) -> Push {
        let end = self.bytes.len() + bytes.len();
        let end = i32::try_from(end).map_err(|_| PushError::Full)?;
        self.bytes.extend_from_slice(bytes);
        self.offsets.push(end);
        Ok(())
    }

    fn truncate(&mut self, len: usize) {
        self.offsets.truncate(len + 1);
        self.bytes.truncate(self.offsets[len] as usize);
    }

    fn finish(&mut self) -> (OffsetBuffer<i32>, Buffer) {
        let offsets = std::mem::replace(&mut self.offsets, vec![0]);
        let bytes = std::mem::take(&mut self.bytes);
        (OffsetBuffer::new(ScalarBuffer::from(offsets)), Buffer::from_vec(bytes))
    }
}

impl Column {
    pub fn new(schema: &Schema) -> Self {
        let data = match &schema.ty {
            Type::Boolean => Data::Boolean(BooleanBufferBuilder::new(0)),
            Type::Int8 => Data::Int8(Vec::new()),
            Type::Int16 => Data::Int16(Vec::new()),
            Type::Int32 => Data::Int32(Vec::new()),
            Type::Int64 => Data::Int64(Vec::new()),
            Type::Float32 => Data::Float32(Vec::new()),
            Type::Float64 => Data::Float64(Vec::new()),
            Type::Decimal { precision, scale } => {
                Data::Decimal { values: Vec::new(), precision: *precision, scale: *scale }
            }
            Type::String => Data::String(Blobs::new()),
            Type::Bytes => Data::Bytes(Blobs::new()),
            Type::Date => Data::Date(Vec::new()),
            Type::Time => Data::Time(Vec::new()),
            Type::Timestamp => Data::Timestamp(Vec::new()),
            Type::Array(items) => {
                Data::Array { offsets: vec![0], items: Box::new(Self::new(items)) }
            }
            Type::Map { key, value } => Data::Map {
                offsets: vec![0],
                keys: Box::new(Self::new(key)),
                values: Box::new(Self::new(value)),
            },
            Type::Struct(fields) => {
                Data::Struct(fields.iter().map(|field| Self::new(&field.schema)).collect())
            }
        };
        Self { valid: BooleanBufferBuilder::new(0), data, ty: data_type(&schema.ty) }
    }

    pub fn len(&self) -> usize {
        self.valid.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn data_type(&self) -> &DataType {
        &self.ty
    }

    /// Cuts the column back to `len` rows; a half-pushed row goes too.
    pub fn truncate(&mut self, len: usize) {
        self.valid.truncate(len);
        match &mut self.data {
            Data::Boolean(values) => values.truncate(len),
            Data::Int8(values) => values.truncate(len),
            Data::Int16(values) => values.truncate(len),
            Data::Int32(values) | Data::Date(values) | Data::Time(values) => values.truncate(len),
            Data::Int64(values) | Data::Timestamp(values) => values.truncate(len),
            Data::Float32(values) => values.truncate(len),
            Data::Float64(values) => values.truncate(len),
            Data::Decimal { values, .. } => values.truncate(len),
            Data::String(blobs) | Data::Bytes(blobs) => blobs.truncate(len),
            Data::Array { offsets, items } => {
                offsets.truncate(len + 1);
                items.truncate(offsets[len] as usize);
            }
            Data::Map { offsets, keys, values } => {
                offsets.truncate(len + 1);
                keys.truncate(offsets[len] as usize);
                values.truncate(offsets[len] as usize);
            }
            Data::Struct(children) => children.iter_mut().for_each(|child| child.truncate(len)),
        }
    }

    pub fn push_null(&mut self) {
        self.valid.append(false);
        match &mut self.data {
            Data::Boolean(values) => values.append(false),
            Data::Int8(values) => values.push(0),
            Data::Int16(values) => values.push(0),
            Data::Int32(values) | Data::Date(values) | Data::Time(values) => values.push(0),
            Data::Int64(values) | Data::Timestamp(values) => values.push(0),
            Data::Float32(values) => values.push(0.0),
            Data::Float64(values) => values.push(0.0),
            Data::Decimal { values, .. } => values.push(0),
            Data::String(blobs) | Data::Bytes(blobs) => {
                blobs.offsets.push(blobs.offsets[blobs.offsets.len() - 1]);
            }
            Data::Array { offsets, .. } | Data::Map { offsets, .. } => {
                offsets.push(offsets[offsets.len() - 1]);
            }
            Data::Struct(children) => children.iter_mut().for_each(Self::push_null),
        }
    }

    pub fn push_bool(&mut self, value: bool) -> Push {
        match &mut self.data {
            Data::Boolean(values) => values.append(value),
            Data::String(blobs) => blobs.push(value.to_string().as_bytes())?,
            _ => return self.mismatch("a boolean"),
        }
        self.valid.append(true);
        Ok(())
    }

    /// Any whole number; also days or milliseconds of the date and time types.
    pub fn push_i64(&mut self, value: i64) -> Push {
        let narrow = |result: Result<(), std::num::TryFromIntError>, expected: &DataType| {
            result.map_err(|_| PushError::Range {
                expected: sql_word(expected),
                value: value.to_string(),
            })
        };
        if matches!(self.data, Data::Time(_)) && !(0..=DAY_MS).contains(&value) {
            let expected = sql_word(&self.ty);
            return Err(PushError::Range { expected, value: value.to_string() });
        }
        match &mut self.data {
            Data::Int8(values) => narrow(value.try_into().map(|v| values.push(v)), &self.ty)?,
            Data::Int16(values) => narrow(value.try_into().map(|v| values.push(v)), &self.ty)?,
            Data::Int32(values) | Data::Date(values) | Data::Time(values) => {
                narrow(value.try_into().map(|v| values.push(v)), &self.ty)?;
            }
            Data::Int64(values) | Data::Timestamp(values) => values.push(value),
            Data::Float32(values) => values.push(value as f32),
            Data::Float64(values) => values.push(value as f64),
            Data::Decimal { .. } => {
                return self.push_decimal(Decimal { unscaled: i128::from(value), scale: 0 });
            }
            Data::String(blobs) => blobs.push(value.to_string().as_bytes())?,
            _ => return self.mismatch("a whole number"),
        }
        self.valid.append(true);
        Ok(())
    }

    pub fn push_f64(&mut self, value: f64) -> Push {
        match &mut self.data {
            Data::Float32(values) => values.push(value as f32),
            Data::Float64(values) => values.push(value),
            Data::String(blobs) => blobs.push(crate::value::java_double(value).as_bytes())?,
            _ => return self.mismatch("a floating-point number"),
        }
        self.valid.append(true);
        Ok(())
    }

    /// Fits the number to the column's scale.
    pub fn push_decimal(&mut self, value: Decimal) -> Push {
        match &mut self.data {
            Data::Decimal { values, precision, scale } => {
                let Some(fitted) = value.fit(*precision, *scale) else {
                    let expected = format!("DECIMAL({precision}, {scale})");
                    return Err(PushError::Range { expected, value: value.to_string() });
                };
                values.push(fitted.unscaled);
            }
            Data::Float64(values) => values.push(value.to_string().parse().unwrap_or(f64::NAN)),
            Data::String(blobs) => blobs.push(value.to_string().as_bytes())?,
            _ => return self.mismatch("a decimal number"),
        }
        self.valid.append(true);
        Ok(())
    }

    pub fn push_str(&mut self, value: &str) -> Push {
        match &mut self.data {
            Data::String(blobs) => blobs.push(value.as_bytes())?,
            _ => return self.mismatch("a string"),
        }
        self.valid.append(true);
        Ok(())
    }

    pub fn push_bytes(&mut self, value: &[u8]) -> Push {
        match &mut self.data {
            Data::Bytes(blobs) => blobs.push(value)?,
            _ => return self.mismatch("bytes"),
        }
        self.valid.append(true);
        Ok(())
    }

    /// Any value that fits the column's schema.
    pub fn push_value(&mut self, value: &Value) -> Push {
        match value {
            Value::Null => self.push_null(),
            Value::Boolean(flag) => self.push_bool(*flag)?,
            Value::Int8(n) => self.push_i64(i64::from(*n))?,
            Value::Int16(n) => self.push_i64(i64::from(*n))?,
            Value::Int32(n) | Value::Date(n) | Value::Time(n) => self.push_i64(i64::from(*n))?,
            Value::Int64(n) | Value::Timestamp(n) => self.push_i64(*n)?,
            Value::Float32(n) => self.push_f64(f64::from(*n))?,
            Value::Float64(n) => self.push_f64(*n)?,
            Value::Decimal(decimal) => self.push_decimal(*decimal)?,
            Value::String(text) => self.push_str(text)?,
            Value::Bytes(bytes) => self.push_bytes(bytes)?,
            Value::Array(list) => {
                for item in list {
                    self.items("an array")?.push_value(item)?;
                }
                self.close_array()?;
            }
            Value::Map(entries) => {
                for (key, value) in entries {
                    if key.is_null() {
                        return self.mismatch("a map with a null key");
                    }
                    let (keys, values) = self.entries("a map")?;
                    keys.push_value(key)?;
                    values.push_value(value)?;
                }
                self.close_map()?;
            }
            Value::Struct(members) => {
                let children = self.children("a struct")?;
                for (index, child) in children.iter_mut().enumerate() {
                    child.push_value(members.get(index).unwrap_or(&Value::Null))?;
                }
                self.close_struct();
            }
        }
        Ok(())
    }

    /// The column of an array's items: push them, then call [`Column::close_array`].
    pub fn items(&mut self, found: &str) -> Result<&mut Self, PushError> {
        if !matches!(self.data, Data::Array { .. }) {
            return Err(self.kind_error(found));
        }
        match &mut self.data {
            Data::Array { items, .. } => Ok(items),
            _ => Err(PushError::Full),
        }
    }

    /// Key and value columns of a map: push entries, then call [`Column::close_map`].
    pub fn entries(&mut self, found: &str) -> Result<(&mut Self, &mut Self), PushError> {
        if !matches!(self.data, Data::Map { .. }) {
            return Err(self.kind_error(found));
        }
        match &mut self.data {
            Data::Map { keys, values, .. } => Ok((keys, values)),
            _ => Err(PushError::Full),
        }
    }

    /// The columns of a struct's fields: push one row to each, then call
    /// [`Column::close_struct`].
    pub fn children(&mut self, found: &str) -> Result<&mut [Self], PushError> {
        if !matches!(self.data, Data::Struct(_)) {
            return Err(self.kind_error(found));
        }
        match &mut self.data {
            Data::Struct(children) => Ok(children),
            _ => Err(PushError::Full),
        }
    }

    pub fn close_array(&mut self) -> Push {
        if let Data::Array { offsets, items } = &mut self.data {
            offsets.push(i32::try_from(items.len()).map_err(|_| PushError::Full)?);
            self.valid.append(true);
            return Ok(());
        }
        self.mismatch("an array")
    }

    pub fn close_map(&mut self) -> Push {
        if let Data::Map { offsets, keys, .. } = &mut self.data {
            offsets.push(i32::try_from(keys.len()).map_err(|_| PushError::Full)?);
            self.valid.append(true);
            return Ok(());
        }
        self.mismatch("a map")
    }

    pub fn close_struct(&mut self) {
        self.valid.append(true);
    }

    fn mismatch(&self, found: &str) -> Push {
        Err(self.kind_error(found))
    }

    pub(super) fn kind_error(&self, found: &str) -> PushError {
        PushError::Kind { expected: sql_word(&self.ty), found: found.to_owned() }
    }

    /// All rows as an Arrow array; the column is empty afterwards.
    pub fn finish(&mut self) -> ArrayRef {
        let rows = self.len();
        let valid = std::mem::replace(&mut self.valid, BooleanBufferBuilder::new(0)).finish();
        let nulls = Some(NullBuffer::new(valid)).filter(|nulls| nulls.null_count() > 0);
        let take32 = |values: &mut Vec<i32>| ScalarBuffer::from(std::mem::take(values));
        let take64 = |values: &mut Vec<i64>| ScalarBuffer::from(std::mem::take(values));
        match &mut self.data {
            Data::Boolean(values) => {
                let values = std::mem::replace(values, BooleanBufferBuilder::new(0)).finish();
                Arc::new(BooleanArray::new(values, nulls))
            }
            Data::Int8(values) => Arc::new(Int8Array::new(std::mem::take(values).into(), nulls)),
            Data::Int16(values) => Arc::new(Int16Array::new(std::mem::take(values).into(), nulls)),
            Data::Int32(values) => Arc::new(Int32Array::new(take32(values), nulls)),
            Data::Date(values) => Arc::new(Date32Array::new(take32(values), nulls)),
            Data::Time(values) => Arc::new(Time32MillisecondArray::new(take32(values), nulls)),
            Data::Int64(values) => Arc::new(Int64Array::new(take64(values), nulls)),
            Data::Timestamp(values) => {
                Arc::new(TimestampMillisecondArray::new(take64(values), nulls))
            }
            Data::Float32(values) => {
                Arc::new(Float32Array::new(std::mem::take(values).into(), nulls))
            }
            Data::Float64(values) => {
                Arc::new(Float64Array::new(std::mem::take(values).into(), nulls))
            }
            Data::Decimal { values, .. } => {
                let array = Decimal128Array::new(std::mem::take(values).into(), nulls);
                Arc::new(array.with_data_type(self.ty.clone()))
            }
            Data::String(blobs) => {
                let (offsets, bytes) = blobs.finish();
                Arc::new(StringArray::new(offsets, bytes, nulls))
            }
            Data::Bytes(blobs) => {
                let (offsets, bytes) = blobs.finish();
                Arc::new(BinaryArray::new(offsets, bytes, nulls))
            }
            _ => self.finish_nested(rows, nulls),
        }
    }

    fn finish_nested(&mut self, rows: usize, nulls: Option<NullBuffer>) -> ArrayRef {
        let take = |offsets: &mut Vec<i32>| {
            OffsetBuffer::new(ScalarBuffer::from(std::mem::replace(offsets, vec![0])))
        };
        match (&mut self.data, &self.ty) {
            (Data::Array { offsets, items }, DataType::List(field)) => {
                let items = items.finish();
                Arc::new(ListArray::new(Arc::clone(field), take(offsets), items, nulls))
            }
            (Data::Map { offsets, keys, values }, DataType::Map(field, _)) => {
                let entries = StructArray::new(
                    entry_fields(field),
                    vec![keys.finish(), values.finish()],
                    None,
                );
                let offsets = take(offsets);
                Arc::new(MapArray::new(Arc::clone(field), offsets, entries, nulls, false))
            }
            (Data::Struct(children), DataType::Struct(fields)) => {
                let arrays: Vec<ArrayRef> = children.iter_mut().map(Self::finish).collect();
                if arrays.is_empty() {
                    return Arc::new(StructArray::new_empty_fields(rows, nulls));
                }
                Arc::new(StructArray::new(fields.clone(), arrays, nulls))
            }
            _ => unreachable!("data and type are made together in Column::new"),
        }
    }
}

fn entry_fields(entries: &ArrowField) -> Fields {
    match entries.data_type() {
        DataType::Struct(fields) => fields.clone(),
        _ => Fields::empty(),
    }
}

/// The type as a SQL user calls it.
fn sql_word(ty: &DataType) -> String {
    match ty {
        DataType::Boolean => "BOOLEAN".into(),
        DataType::Int8 => "TINYINT".into(),
        DataType::Int16 => "SMALLINT".into(),
        DataType::Int32 => "INTEGER".into(),
        DataType::Int64 => "BIGINT".into(),
        DataType::Float32 => "FLOAT".into(),
        DataType::Float64 => "DOUBLE".into(),
        DataType::Decimal128(precision, scale) => format!("DECIMAL({precision}, {scale})"),
        DataType::Utf8 => "VARCHAR".into(),
        DataType::Binary => "BYTES".into(),
        DataType::Date32 => "DATE".into(),
        DataType::Time32(_) => "TIME".into(),
        DataType::Timestamp(..) => "TIMESTAMP".into(),
        DataType::List(_) => "ARRAY".into(),
        DataType::Map(..) => "MAP".into(),
        DataType::Struct(_) => "STRUCT".into(),
        other => other.to_string(),
    }
}
