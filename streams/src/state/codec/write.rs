//! Rows to bytes.

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, BooleanArray, StringArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::*;

use super::{CodecFailure, Ordered, RowCodec};

/// Writes rows of the given columns; made once a chunk, used once a row.
pub struct RowWriter<'a> {
    columns: Vec<Column<'a>>,
}

impl RowCodec {
    /// A writer for rows of `columns`, which must have this codec's types.
    pub fn writer<'a>(&self, columns: &'a [ArrayRef]) -> Result<RowWriter<'a>, CodecFailure> {
        let found = columns.iter().map(|column| column.data_type());
        if !self.types.iter().eq(found.clone()) {
            return Err(CodecFailure::Columns {
                expected: format!("{:?}", self.types),
                found: format!("{:?}", found.collect::<Vec<_>>()),
            });
        }
        let columns = columns.iter().map(Column::new).collect::<Result<_, _>>()?;
        Ok(RowWriter { columns })
    }
}

impl RowWriter<'_> {
    /// Appends row `row` to `out`.
    ///
    /// # Panics
    /// Where the columns have no such row.
    pub fn write(&self, row: usize, out: &mut Vec<u8>) {
        for column in &self.columns {
            column.write(row, out);
        }
    }

    /// True where any column of the row is null.
    pub fn has_null(&self, row: usize) -> bool {
        self.columns.iter().any(|column| column.is_null(row))
    }
}

struct Column<'a> {
    nulls: Option<&'a NullBuffer>,
    values: Values<'a>,
}

enum Values<'a> {
    Null,
    Boolean(&'a BooleanArray),
    I8(&'a [i8]),
    I16(&'a [i16]),
    I32(&'a [i32]),
    I64(&'a [i64]),
    I128(&'a [i128]),
    U8(&'a [u8]),
    U16(&'a [u16]),
    U32(&'a [u32]),
    U64(&'a [u64]),
    F32(&'a [f32]),
    F64(&'a [f64]),
    Text(&'a StringArray),
    Binary(&'a BinaryArray),
    Struct(Vec<Column<'a>>),
    List(&'a OffsetBuffer<i32>, Box<Column<'a>>),
    Map(&'a OffsetBuffer<i32>, Vec<Column<'a>>),
}

impl<'a> Column<'a> {
    fn new(array: &'a ArrayRef) -> Result<Self, CodecFailure> {
        Ok(Self { nulls: array.nulls(), values: Values::new(array)? })
    }

    fn is_null(&self, row: usize) -> bool {
        matches!(self.values, Values::Null) || self.nulls.is_some_and(|nulls| nulls.is_null(row))
    }

    fn write(&self, row: usize, out: &mut Vec<u8>) {
        if self.is_null(row) {
            return out.push(0);
        }
        out.push(1);
        match &self.values {
            Values::Null => {}
            Values::Boolean(values) => out.push(u8::from(values.value(row))),
            Values::I8(values) => values[row].write(out),
            Values::I16(values) => values[row].write(out),
            Values::I32(values) => values[row].write(out),
            Values::I64(values) => values[row].write(out),
            Values::I128(values) => values[row].write(out),
            Values::U8(values) => values[row].write(out),
            Values::U16(values) => values[row].write(out),
            Values::U32(values) => values[row].write(out),
            Values::U64(values) => values[row].write(out),
            Values::F32(values) => values[row].write(out),
            Values::F64(values) => values[row].write(out),
            Values::Text(values) => escape(values.value(row).as_bytes(), out),
            Values::Binary(values) => escape(values.value(row), out),
            Values::Struct(columns) => columns.iter().for_each(|column| column.write(row, out)),
            Values::List(offsets, items) => elements(offsets, row, out, |item, out| {
                items.write(item, out);
            }),
            Values::Map(offsets, columns) => elements(offsets, row, out, |entry, out| {
                columns.iter().for_each(|column| column.write(entry, out));
            }),
        }
    }
}

fn elements(
    offsets: &OffsetBuffer<i32>,
    row: usize,
    out: &mut Vec<u8>,
    write: impl Fn(usize, &mut Vec<u8>),
) {
    for element in offsets[row]..offsets[row + 1] {
        out.push(1);
        write(element as usize, out);
    }
    out.push(0);
}

fn escape(bytes: &[u8], out: &mut Vec<u8>) {
    let mut parts = bytes.split(|&byte| byte == 0);
    out.extend_from_slice(parts.next().unwrap_or_default());
    for part in parts {
        out.extend_from_slice(&[0, 0xff]);
        out.extend_from_slice(part);
    }
    out.extend_from_slice(&[0, 0]);
}

impl<'a> Values<'a> {
    fn new(array: &'a ArrayRef) -> Result<Self, CodecFailure> {
        use DataType as D;
        use TimeUnit as U;
        macro_rules! native {
            ($variant:ident, $kind:ty) => {
                Self::$variant(array.as_primitive::<$kind>().values())
            };
        }
        Ok(match array.data_type() {
            D::Null => Self::Null,
            D::Boolean => Self::Boolean(array.as_boolean()),
            D::Int8 => native!(I8, Int8Type),
            D::Int16 => native!(I16, Int16Type),
            D::Int32 => native!(I32, Int32Type),
            D::Int64 => native!(I64, Int64Type),
            D::UInt8 => native!(U8, UInt8Type),
            D::UInt16 => native!(U16, UInt16Type),
            D::UInt32 => native!(U32, UInt32Type),
            D::UInt64 => native!(U64, UInt64Type),
            D::Float32 => native!(F32, Float32Type),
            D::Float64 => native!(F64, Float64Type),
            D::Decimal128(..) => native!(I128, Decimal128Type),
            D::Date32 => native!(I32, Date32Type),
            D::Date64 => native!(I64, Date64Type),
            D::Time32(U::Second) => native!(I32, Time32SecondType),
            D::Time32(_) => native!(I32, Time32MillisecondType),
            D::Time64(U::Microsecond) => native!(I64, Time64MicrosecondType),
            D::Time64(_) => native!(I64, Time64NanosecondType),
            D::Timestamp(U::Second, _) => native!(I64, TimestampSecondType),
            D::Timestamp(U::Millisecond, _) => native!(I64, TimestampMillisecondType),
            D::Timestamp(U::Microsecond, _) => native!(I64, TimestampMicrosecondType),
            D::Timestamp(U::Nanosecond, _) => native!(I64, TimestampNanosecondType),
            D::Duration(U::Second) => native!(I64, DurationSecondType),
            D::Duration(U::Millisecond) => native!(I64, DurationMillisecondType),
            D::Duration(U::Microsecond) => native!(I64, DurationMicrosecondType),
            D::Duration(U::Nanosecond) => native!(I64, DurationNanosecondType),
            D::Utf8 => Self::Text(array.as_string()),
            D::Binary => Self::Binary(array.as_binary()),
            D::Struct(_) => {
                let columns = array.as_struct().columns().iter().map(Column::new);
                Self::Struct(columns.collect::<Result<_, _>>()?)
            }
            D::List(_) => {
                let list = array.as_list::<i32>();
                Self::List(list.offsets(), Box::new(Column::new(list.values())?))
            }
            D::Map(..) => {
                let map = array.as_map();
                let columns = map.entries().columns().iter().map(Column::new);
                Self::Map(map.offsets(), columns.collect::<Result<_, _>>()?)
            }
            other => {
                return Err(CodecFailure::Unsupported {
                    column: String::new(),
                    data_type: other.clone(),
                });
            }
        })
    }
}
