//! JSON text straight into columns, by ksqlDB's rules of what may be read as what.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::column::{Column, PushError};
use crate::json::{JsonError, Scanner, Token, compact};
use crate::value::{Decimal, parse_double};
use crate::{Field, Schema, Type};

#[derive(Debug)]
pub(super) enum ReadError {
    Json(JsonError),
    Push(usize, PushError),
}

impl From<JsonError> for ReadError {
    fn from(error: JsonError) -> Self {
        Self::Json(error)
    }
}

type Read<T> = Result<T, ReadError>;

/// One whole record: an object with a member for each column. False for a JSON `null`.
pub(super) fn record(bytes: &[u8], fields: &[Field], columns: &mut [Column]) -> Read<bool> {
    let mut scanner = Scanner::new(bytes);
    let present = match scanner.peek()? {
        Token::Null => {
            scanner.word()?;
            columns.iter_mut().for_each(Column::push_null);
            false
        }
        Token::Object => {
            members(&mut scanner, fields, columns)?;
            true
        }
        other => {
            let expected = "an object with the columns as members".to_owned();
            let found = describe(other).to_owned();
            return Err(ReadError::Push(0, PushError::Kind { expected, found }));
        }
    };
    scanner.end()?;
    Ok(present)
}

/// A record that is the one column's value itself.
pub(super) fn bare(bytes: &[u8], field: &Field, column: &mut Column) -> Read<bool> {
    let mut scanner = Scanner::new(bytes);
    let present = scanner.peek()? != Token::Null;
    value(&mut scanner, &field.schema, column)?;
    scanner.end()?;
    Ok(present)
}

/// A member belongs to the column of its name, or of its name in upper case; the last one counts.
fn members(scanner: &mut Scanner<'_>, fields: &[Field], columns: &mut [Column]) -> Read<()> {
    let mut found: Vec<Option<&[u8]>> = vec![None; fields.len()];
    let mut expected = 0;
    let mut more = scanner.enter(b'{', b'}')?;
    while more {
        let key = scanner.key()?;
        let text = scanner.skip()?;
        if let Some(index) = position(fields, &key, expected) {
            found[index] = Some(text);
            expected = index + 1;
        }
        more = scanner.next_of(b'}')?;
    }
    for (index, (field, column)) in fields.iter().zip(columns).enumerate() {
        match found[index] {
            Some(text) => {
                value(&mut Scanner::new(text), &field.schema, column).map_err(
                    |error| match error {
                        ReadError::Push(_, error) => ReadError::Push(index, error),
                        other => other,
                    },
                )?;
            }
            None => column.push_null(),
        }
    }
    Ok(())
}

fn position(fields: &[Field], key: &str, expected: usize) -> Option<usize> {
    let is = |field: &Field| {
        field.name == key
            || if key.is_ascii() && field.name.is_ascii() {
                field.name.len() == key.len()
                    && key.bytes().zip(field.name.bytes()).all(|(a, b)| a.to_ascii_uppercase() == b)
            } else {
                key.to_uppercase() == field.name
            }
    };
    if fields.get(expected).is_some_and(is) {
        return Some(expected);
    }
    fields.iter().position(is)
}

fn value(scanner: &mut Scanner<'_>, schema: &Schema, column: &mut Column) -> Read<()> {
    let token = scanner.peek()?;
    if token == Token::Null {
        scanner.word()?;
        column.push_null();
        return Ok(());
    }
    match (&schema.ty, token) {
        (Type::Array(items), Token::Array) => {
            let mut more = scanner.enter(b'[', b']')?;
            while more {
                value(scanner, items, column.items("an array").map_err(push)?)?;
                more = scanner.next_of(b']')?;
            }
            column.close_array().map_err(push)
        }
        (Type::Map { key, value: values }, Token::Object) => {
            let mut more = scanner.enter(b'{', b'}')?;
            while more {
                let text = scanner.key()?;
                let (key_column, value_column) = column.entries("an object").map_err(push)?;
                text_value(&text, &key.ty, key_column).map_err(push)?;
                value(scanner, values, value_column)?;
                more = scanner.next_of(b'}')?;
            }
            column.close_map().map_err(push)
        }
        (Type::Struct(fields), Token::Object) => {
            members(scanner, fields, column.children("an object").map_err(push)?)?;
            column.close_struct();
            Ok(())
        }
        (Type::Struct(fields), Token::String) => {
            let text = scanner.string()?;
            let mut inner = Scanner::new(text.as_bytes());
            if inner.peek()? != Token::Object {
                return Err(push(column.kind_error("a string")));
            }
            members(&mut inner, fields, column.children("a string").map_err(push)?)?;
            column.close_struct();
            Ok(inner.end()?)
        }
        (Type::String, Token::Array | Token::Object) => {
            column.push_str(&compact(scanner.skip()?)).map_err(push)
        }
        (_, Token::True | Token::False) => {
            let flag = scanner.word()? == Token::True;
            column.push_bool(flag).map_err(push)
        }
        (ty, Token::Number) => number(scanner.number()?, ty, column).map_err(push),
        (ty, Token::String) => {
            let text = scanner.string()?;
            text_value(&text, ty, column).map_err(push)
        }
        (_, other) => Err(push(column.kind_error(describe(other)))),
    }
}

fn push(error: PushError) -> ReadError {
    ReadError::Push(0, error)
}

fn number(text: &str, ty: &Type, column: &mut Column) -> Result<(), PushError> {
    match ty {
        Type::String => column.push_str(text),
        Type::Float32 | Type::Float64 => match text.parse() {
            Ok(number) => column.push_f64(number),
            Err(_) => Err(column.kind_error(text)),
        },
        Type::Decimal { .. } => match Decimal::parse(text) {
            Some(decimal) => column.push_decimal(decimal),
            None => Err(range(column, text)),
        },
        Type::Boolean | Type::Bytes | Type::Array(_) | Type::Map { .. } | Type::Struct(_) => {
            Err(column.kind_error(&format!("the number {text}")))
        }
        _ => match text.parse() {
            Ok(number) => column.push_i64(number),
            Err(_) => match text.parse::<f64>() {
                Ok(number) if number.abs() < i64::MAX as f64 => column.push_i64(number as i64),
                _ => Err(range(column, text)),
            },
        },
    }
}

fn range(column: &Column, text: &str) -> PushError {
    match column.kind_error(text) {
        PushError::Kind { expected, found } => PushError::Range { expected, value: found },
        other => other,
    }
}

/// A JSON string, or a map's key.
fn text_value(text: &str, ty: &Type, column: &mut Column) -> Result<(), PushError> {
    let refuse = |column: &Column| Err(column.kind_error(&format!("the string \"{text}\"")));
    match ty {
        Type::String => column.push_str(text),
        Type::Bytes => match BASE64.decode(text) {
            Ok(bytes) => column.push_bytes(&bytes),
            Err(_) => refuse(column),
        },
        Type::Int8
        | Type::Int16
        | Type::Int32
        | Type::Int64
        | Type::Date
        | Type::Time
        | Type::Timestamp => match text.parse() {
            Ok(number) => column.push_i64(number),
            Err(_) => refuse(column),
        },
        Type::Float32 | Type::Float64 => match parse_double(text) {
            Some(number) => column.push_f64(number),
            None => refuse(column),
        },
        Type::Decimal { .. } => match Decimal::parse(text) {
            Some(decimal) => column.push_decimal(decimal),
            None => refuse(column),
        },
        _ => refuse(column),
    }
}

fn describe(token: Token) -> &'static str {
    match token {
        Token::Null => "null",
        Token::True | Token::False => "a boolean",
        Token::Number => "a number",
        Token::String => "a string",
        Token::Array => "an array",
        Token::Object => "an object",
    }
}
