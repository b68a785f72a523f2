//! Values as bytes, for the state of aggregates.
//!
//! ```text
//!   tag u8 │ fixed width big-endian, or length u32 and that many bytes or elements
//! ```

use ::bytes::Bytes;
use formats::{Decimal, Value};

/// How deep a stored value may nest: a bound on the reader's own stack.
const MAX_DEPTH: u8 = 32;

pub(crate) fn write_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(0),
        Value::Boolean(b) => out.extend([1, u8::from(*b)]),
        Value::Int8(n) => write_value(&Value::Int32(i32::from(*n)), out),
        Value::Int16(n) => write_value(&Value::Int32(i32::from(*n)), out),
        Value::Int32(n) => fixed(2, &n.to_be_bytes(), out),
        Value::Int64(n) => fixed(3, &n.to_be_bytes(), out),
        Value::Float32(n) => write_value(&Value::Float64(f64::from(*n)), out),
        Value::Float64(n) => fixed(4, &n.to_be_bytes(), out),
        Value::Decimal(d) => {
            fixed(5, &d.unscaled.to_be_bytes(), out);
            out.push(d.scale);
        }
        Value::String(text) => sized(6, text.as_bytes(), out),
        Value::Bytes(bytes) => sized(7, bytes, out),
        Value::Date(n) => fixed(8, &n.to_be_bytes(), out),
        Value::Time(n) => fixed(9, &n.to_be_bytes(), out),
        Value::Timestamp(n) => fixed(10, &n.to_be_bytes(), out),
        Value::Array(items) => {
            counted(11, items.len(), out);
            items.iter().for_each(|item| write_value(item, out));
        }
        Value::Struct(items) => {
            counted(12, items.len(), out);
            items.iter().for_each(|item| write_value(item, out));
        }
        Value::Map(entries) => {
            counted(13, entries.len(), out);
            for (key, value) in entries {
                write_value(key, out);
                write_value(value, out);
            }
        }
    }
}

fn fixed(tag: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    out.extend_from_slice(bytes);
}

fn sized(tag: u8, bytes: &[u8], out: &mut Vec<u8>) {
    counted(tag, bytes.len(), out);
    out.extend_from_slice(bytes);
}

fn counted(tag: u8, count: usize, out: &mut Vec<u8>) {
    out.push(tag);
    out.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_be_bytes());
}

/// Reads one value and moves `bytes` behind it; `None` if they are damaged.
pub(crate) fn read_value(bytes: &mut &[u8]) -> Option<Value> {
    read(bytes, 0)
}

fn read(bytes: &mut &[u8], depth: u8) -> Option<Value> {
    if depth > MAX_DEPTH {
        return None;
    }
    let (tag, rest) = bytes.split_first()?;
    *bytes = rest;
    Some(match tag {
        0 => Value::Null,
        1 => Value::Boolean(take::<1>(bytes)? == [1]),
        2 => Value::Int32(i32::from_be_bytes(take(bytes)?)),
        3 => Value::Int64(i64::from_be_bytes(take(bytes)?)),
        4 => Value::Float64(f64::from_be_bytes(take(bytes)?)),
        5 => {
            let unscaled = i128::from_be_bytes(take(bytes)?);
            Value::Decimal(Decimal { unscaled, scale: take::<1>(bytes)?[0] })
        }
        6 => Value::String(String::from_utf8(blob(bytes)?.to_vec()).ok()?),
        7 => Value::Bytes(Bytes::copy_from_slice(blob(bytes)?)),
        8 => Value::Date(i32::from_be_bytes(take(bytes)?)),
        9 => Value::Time(i32::from_be_bytes(take(bytes)?)),
        10 => Value::Timestamp(i64::from_be_bytes(take(bytes)?)),
        11 => Value::Array(many(bytes, depth)?),
        12 => Value::Struct(many(bytes, depth)?),
        13 => {
            let count = count(bytes)?;
            let mut entries = Vec::new();
            for _ in 0..count {
                entries.push((read(bytes, depth + 1)?, read(bytes, depth + 1)?));
            }
            Value::Map(entries)
        }
        _ => return None,
    })
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*head)
}

/// A count of elements; each takes a byte at least.
fn count(bytes: &mut &[u8]) -> Option<usize> {
    let count = usize::try_from(u32::from_be_bytes(take(bytes)?)).ok()?;
    (count <= bytes.len()).then_some(count)
}

fn blob<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = count(bytes)?;
    let (head, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(head)
}

fn many(bytes: &mut &[u8], depth: u8) -> Option<Vec<Value>> {
    (0..count(bytes)?).map(|_| read(bytes, depth + 1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_value_comes_back() {
        let values = [
            Value::Null,
            Value::Boolean(true),
            Value::Int32(-1),
            Value::Int64(i64::MIN),
            Value::Float64(1.5),
            Value::Decimal(Decimal { unscaled: -150, scale: 2 }),
            Value::String("é".into()),
            Value::Bytes(Bytes::from_static(&[1, 0])),
            Value::Date(1),
            Value::Time(2),
            Value::Timestamp(3),
            Value::Map(vec![(Value::String("k".into()), Value::Array(vec![Value::Null]))]),
        ];
        let mut bytes = Vec::new();
        let all = Value::Struct(values.to_vec());
        write_value(&all, &mut bytes);
        assert_eq!(read_value(&mut bytes.as_slice()), Some(all));
        for cut in 0..bytes.len() {
            assert_eq!(read_value(&mut &bytes[..cut]), None, "cut at {cut}");
        }
    }

    #[test]
    fn a_count_larger_than_the_bytes_is_refused() {
        assert_eq!(read_value(&mut [11u8, 0xff, 0xff, 0xff, 0xff, 0].as_slice()), None);
    }
}
