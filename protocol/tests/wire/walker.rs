//! A second codec, which interprets the schema tables: slow, simple, and shares no code with the
//! generated one. It makes up messages, and encodes them in any version.

use rand::Rng;
use rand::rngs::StdRng;

use crate::schema::{Field, Message, Struct, Type};

/// A value of a field, in the shape of the schema.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    /// A number, boolean or UUID as its bytes on the wire.
    Fixed(Vec<u8>),
    Text(String),
    Bytes(Vec<u8>),
    Array(Vec<Value>),
    /// One value a field.
    Struct(Vec<Value>),
}

/// Why a value does not fit a version.
#[derive(Debug, PartialEq)]
pub(crate) enum Unfit {
    Lacks(String),
    Null(String),
}

/// A message with values in all fields of `version`, the others at their defaults.
pub(crate) fn make_up(rng: &mut StdRng, message: &Message, version: i16) -> Value {
    of_struct(rng, message, message.root(), version, 0)
}

fn of_struct(
    rng: &mut StdRng,
    message: &Message,
    item: &Struct,
    version: i16,
    depth: usize,
) -> Value {
    let mut values = Vec::new();
    for field in &item.fields {
        let absent = !field.versions.contains(&version);
        let untouched = field.tag.is_some() && rng.random_bool(0.4);
        values.push(if absent || untouched {
            default(message, field)
        } else if field.is_nullable(version) && rng.random_bool(0.2) {
            Value::Null
        } else if field.array {
            let count = rng.random_range(0..=3_usize.saturating_sub(depth).max(1));
            let element = |_| of_type(rng, message, &field.element, version, depth + 1);
            Value::Array((0..count).map(element).collect())
        } else {
            of_type(rng, message, &field.element, version, depth + 1)
        });
    }
    Value::Struct(values)
}

fn of_type(rng: &mut StdRng, message: &Message, ty: &Type, version: i16, depth: usize) -> Value {
    match ty {
        Type::Bool => Value::Fixed(vec![rng.random_range(0..2)]),
        Type::F64 => Value::Fixed(rng.random_range(-1e9..1e9_f64).to_be_bytes().to_vec()),
        Type::String => {
            let letters = ["a", "topic-", "9", "ß", "여울", "\u{1f30a}", ""];
            let count = rng.random_range(0..4);
            Value::Text((0..count).map(|_| letters[rng.random_range(0..letters.len())]).collect())
        }
        Type::Bytes | Type::Records => {
            let count = rng.random_range(0..40);
            Value::Bytes((0..count).map(|_| rng.random()).collect())
        }
        Type::Struct(name) => of_struct(rng, message, message.find(name), version, depth),
        fixed => Value::Fixed((0..width(fixed)).map(|_| rng.random()).collect()),
    }
}

fn width(ty: &Type) -> usize {
    match ty {
        Type::Bool | Type::I8 => 1,
        Type::I16 | Type::U16 | Type::Error => 2,
        Type::I32 | Type::U32 => 4,
        Type::I64 | Type::F64 => 8,
        Type::Uuid => 16,
        Type::String | Type::Bytes | Type::Records | Type::Struct(_) => {
            panic!("{ty:?} has no fixed width")
        }
    }
}

/// What Kafka takes a field to be that was not sent.
fn default(message: &Message, field: &Field) -> Value {
    let given = field.default.as_deref();
    match &field.element {
        _ if given == Some("null") => Value::Null,
        _ if field.array => Value::Array(Vec::new()),
        Type::String => Value::Text(given.unwrap_or("").to_string()),
        Type::Bytes => Value::Bytes(Vec::new()),
        Type::Records => Value::Null,
        Type::Struct(name) => {
            let fields = &message.find(name).fields;
            Value::Struct(fields.iter().map(|f| default(message, f)).collect())
        }
        Type::Bool => Value::Fixed(vec![u8::from(given == Some("true"))]),
        Type::F64 => Value::Fixed(number(given).to_be_bytes().map(|_| 0).to_vec()),
        fixed => Value::Fixed(number(given).to_be_bytes()[16 - width(fixed)..].to_vec()),
    }
}

fn number(text: Option<&str>) -> i128 {
    let text = text.unwrap_or("0");
    match text.strip_prefix("0x") {
        Some(hex) => i128::from_str_radix(hex, 16).expect("a hexadecimal default"),
        None => text.parse().expect("a numeric default"),
    }
}

/// The value after a way through `version`: fields that it lacks have their defaults.
pub(crate) fn through(message: &Message, item: &Struct, value: &Value, version: i16) -> Value {
    let Value::Struct(values) = value else { panic!("{} is a struct", item.name) };
    let kept = item.fields.iter().zip(values).map(|(field, value)| {
        if !field.versions.contains(&version) {
            return default(message, field);
        }
        match (&field.element, value) {
            (Type::Struct(name), Value::Array(elements)) => {
                let inner = message.find(name);
                let keep = |e| through(message, inner, e, version);
                Value::Array(elements.iter().map(keep).collect())
            }
            (Type::Struct(name), Value::Struct(_)) => {
                through(message, message.find(name), value, version)
            }
            _ => value.clone(),
        }
    });
    Value::Struct(kept.collect())
}

pub(crate) fn encode(message: &Message, value: &Value, version: i16) -> Result<Vec<u8>, Unfit> {
    let mut out = Vec::new();
    write_struct(&mut out, message, message.root(), value, version)?;
    Ok(out)
}

fn write_struct(
    out: &mut Vec<u8>,
    message: &Message,
    item: &Struct,
    value: &Value,
    version: i16,
) -> Result<(), Unfit> {
    let Value::Struct(values) = value else { panic!("{} is a struct", item.name) };
    let mut fields: Vec<(&Field, &Value)> = item.fields.iter().zip(values).collect();
    // Tagged fields come last, by tag; the sort keeps the others in their order.
    fields.sort_by_key(|(field, _)| field.tag.as_ref().map(|(tag, _)| *tag));
    let mut tagged = Vec::new();
    for (field, value) in fields {
        let is_set = *value != default(message, field);
        let name = || format!("{}.{}", item.name, field.name);
        if !field.versions.contains(&version) {
            if is_set && !field.ignorable {
                return Err(Unfit::Lacks(name()));
            }
        } else if !field.is_tagged(version) {
            if *value == Value::Null && !field.is_nullable(version) {
                return Err(Unfit::Null(name()));
            }
            write_field(out, message, field, value, version)?;
        } else if is_set {
            let (tag, _) = field.tag.as_ref().expect("it is tagged");
            let mut content = Vec::new();
            write_field(&mut content, message, field, value, version)?;
            tagged.push((*tag, content));
        }
    }
    if message.is_flexible(version) {
        varint(out, tagged.len());
        for (tag, content) in tagged {
            varint(out, tag as usize);
            varint(out, content.len());
            out.extend(content);
        }
    }
    Ok(())
}

fn write_field(
    out: &mut Vec<u8>,
    message: &Message,
    field: &Field,
    value: &Value,
    version: i16,
) -> Result<(), Unfit> {
    let flexible = message.is_flexible(version) && !field.inflexible;
    let is_struct = !field.array && matches!(field.element, Type::Struct(_));
    match value {
        Value::Null if is_struct => {
            out.push(if field.tag.is_some() { 0 } else { 0xff });
            Ok(())
        }
        Value::Null if flexible => {
            out.push(0);
            Ok(())
        }
        Value::Null => {
            let short = !field.array && field.element == Type::String;
            out.extend(vec![0xff; if short { 2 } else { 4 }]);
            Ok(())
        }
        Value::Array(elements) => {
            length(out, elements.len(), flexible, 4);
            let write = |e| write_value(out, message, &field.element, e, version, flexible);
            elements.iter().try_for_each(write)
        }
        _ => {
            if is_struct && field.is_nullable(version) {
                out.push(1);
            }
            write_value(out, message, &field.element, value, version, flexible)
        }
    }
}

fn write_value(
    out: &mut Vec<u8>,
    message: &Message,
    ty: &Type,
    value: &Value,
    version: i16,
    flexible: bool,
) -> Result<(), Unfit> {
    match (ty, value) {
        (Type::Struct(name), _) => {
            return write_struct(out, message, message.find(name), value, version);
        }
        (_, Value::Fixed(bytes)) => out.extend(bytes),
        (_, Value::Text(text)) => {
            length(out, text.len(), flexible, 2);
            out.extend(text.as_bytes());
        }
        (_, Value::Bytes(bytes)) => {
            length(out, bytes.len(), flexible, 4);
            out.extend(bytes);
        }
        _ => panic!("{value:?} is not a {ty:?}"),
    }
    Ok(())
}

fn length(out: &mut Vec<u8>, length: usize, flexible: bool, width: usize) {
    if flexible {
        varint(out, length + 1);
    } else {
        out.extend(&(length as u64).to_be_bytes()[8 - width..]);
    }
}

fn varint(out: &mut Vec<u8>, mut value: usize) {
    while value >= 128 {
        out.push(value as u8 | 128);
        value >>= 7;
    }
    out.push(value as u8);
}
