//! [`RowCodec`]: rows of Arrow columns as byte strings that sort as the rows do.
//!
//! ```text
//!   column  = 00 (null) | 01 value
//!   value   = fixed width, big-endian, sign bit flipped (negative floats: all bits flipped)
//!           | string or bytes with 00 written as 00 ff, then 00 00
//!           | struct: its columns
//!           | list, map: 01 before each element (column; key and value), 00 at the end
//! ```
//!
//! Keys and values of stores use the same layout. A row ends where its last column ends, so that
//! no row's bytes are the beginning of another's, and anything may follow a row.

mod read;
mod write;

use arrow::datatypes::{DataType, Field, Fields};
use thiserror::Error;

pub use write::RowWriter;

use crate::limits::MAX_TYPE_DEPTH;

/// Rows that cannot be written as bytes, or bytes that are no row.
#[derive(Debug, Error)]
pub enum CodecFailure {
    #[error("column {column} has type {data_type}, which state stores cannot hold")]
    Unsupported { column: String, data_type: DataType },
    #[error("expected columns of types {expected}, found {found}")]
    Columns { expected: String, found: String },
    #[error("the bytes of a row end early, in a value of type {data_type}")]
    Truncated { data_type: DataType },
    #[error("a value of type {data_type} is damaged: {message}")]
    Damaged { data_type: DataType, message: String },
}

/// Writes and reads rows with columns of given types.
#[derive(Clone, Debug)]
pub struct RowCodec {
    types: Vec<DataType>,
}

impl RowCodec {
    /// A codec for rows of `fields`; an error names the column whose type it cannot hold.
    pub fn new(fields: &Fields) -> Result<Self, CodecFailure> {
        for field in fields {
            check(field, field.data_type(), 0)?;
        }
        Ok(Self { types: fields.iter().map(|field| field.data_type().clone()).collect() })
    }
}

fn check(column: &Field, data_type: &DataType, depth: usize) -> Result<(), CodecFailure> {
    use DataType::*;
    let nested = |field: &Field| check(column, field.data_type(), depth + 1);
    match data_type {
        _ if depth > MAX_TYPE_DEPTH => {}
        Null | Boolean | Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 | UInt64
        | Float32 | Float64 | Utf8 | Binary | Decimal128(..) | Date32 | Date64 | Time32(_)
        | Time64(_) | Timestamp(..) | Duration(_) => return Ok(()),
        Struct(fields) => return fields.iter().try_for_each(|field| nested(field)),
        List(field) | Map(field, _) => return nested(field),
        _ => {}
    }
    Err(CodecFailure::Unsupported {
        column: column.name().clone(),
        data_type: column.data_type().clone(),
    })
}

/// A number with a fixed width whose bytes sort as it does.
trait Ordered: Copy + Default {
    const WIDTH: usize;
    fn write(self, out: &mut Vec<u8>);
    /// Reads from exactly [`Self::WIDTH`] bytes.
    fn read(bytes: &[u8]) -> Self;
}

macro_rules! ordered {
    ($($native:ty as $bits:ty, $to:expr, $from:expr;)*) => {$(
        impl Ordered for $native {
            const WIDTH: usize = size_of::<$native>();
            fn write(self, out: &mut Vec<u8>) {
                let bits: $bits = $to(self);
                out.extend_from_slice(&bits.to_be_bytes());
            }
            fn read(bytes: &[u8]) -> Self {
                let mut raw = [0; size_of::<$native>()];
                raw.copy_from_slice(bytes);
                $from(<$bits>::from_be_bytes(raw))
            }
        }
    )*};
}

ordered! {
    i8 as u8, |v: i8| v as u8 ^ 1 << 7, |b: u8| (b ^ 1 << 7) as i8;
    i16 as u16, |v: i16| v as u16 ^ 1 << 15, |b: u16| (b ^ 1 << 15) as i16;
    i32 as u32, |v: i32| v as u32 ^ 1 << 31, |b: u32| (b ^ 1 << 31) as i32;
    i64 as u64, |v: i64| v as u64 ^ 1 << 63, |b: u64| (b ^ 1 << 63) as i64;
    i128 as u128, |v: i128| v as u128 ^ 1 << 127, |b: u128| (b ^ 1 << 127) as i128;
    u8 as u8, |v| v, |b| b;
    u16 as u16, |v| v, |b| b;
    u32 as u32, |v| v, |b| b;
    u64 as u64, |v| v, |b| b;
    f32 as u32, f32_bits, f32_value;
    f64 as u64, f64_bits, f64_value;
}

fn f32_bits(value: f32) -> u32 {
    let bits = value.to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

fn f32_value(bits: u32) -> f32 {
    f32::from_bits(if bits >> 31 == 1 { bits & !(1 << 31) } else { !bits })
}

fn f64_bits(value: f64) -> u64 {
    let bits = value.to_bits();
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

fn f64_value(bits: u64) -> f64 {
    f64::from_bits(if bits >> 63 == 1 { bits & !(1 << 63) } else { !bits })
}

#[cfg(test)]
mod tests;
