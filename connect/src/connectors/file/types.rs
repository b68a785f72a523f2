//! The types that a user writes in `columns`, and the values of texts.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use formats::temporal::{parse_date, parse_time, parse_timestamp};
use formats::{Decimal, Type, Value, parse_double};

/// A column as a user names it, perhaps with a type.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) ty: Option<Type>,
}

/// Reads `name TYPE, name, "a name" TYPE`; an error says what is wrong.
pub(super) fn parse_columns(text: &str) -> Result<Vec<Named>, String> {
    let mut columns: Vec<Named> = Vec::new();
    for item in split_items(text) {
        let item = item.trim();
        if item.is_empty() {
            continue;
        }
        let (name, word) = split_name(item)?;
        let ty = (!word.is_empty()).then(|| {
            parse_type(word).ok_or_else(|| {
                format!(
                    "\"{word}\" is no type; the types are BOOLEAN, TINYINT, SMALLINT, INTEGER, \
                     BIGINT, FLOAT, DOUBLE, DECIMAL(precision, scale), STRING, BYTES, DATE, TIME, \
                     TIMESTAMP (a name with spaces stands between quotation marks)"
                )
            })
        });
        let ty = ty.transpose()?;
        if columns.iter().any(|other| other.name == name) {
            return Err(format!("the column {name} is named twice"));
        }
        columns.push(Named { name, ty });
    }
    Ok(columns)
}

/// The name and what is written after it.
fn split_name(item: &str) -> Result<(String, &str), String> {
    let Some(mark) = item.chars().next().filter(|c| matches!(c, '"' | '`')) else {
        let (name, word) = item.split_once(char::is_whitespace).unwrap_or((item, ""));
        return Ok((name.to_owned(), word.trim()));
    };
    let mut name = String::new();
    let mut rest = &item[1..];
    loop {
        let at = rest.find(mark).ok_or_else(|| format!("the name {item} is not closed"))?;
        name.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        match rest.strip_prefix(mark) {
            Some(more) => {
                name.push(mark);
                rest = more;
            }
            None => return Ok((name, rest.trim())),
        }
    }
}

/// At commas that stand neither in parentheses nor in a quoted name.
fn split_items(text: &str) -> Vec<&str> {
    let (mut items, mut start, mut depth, mut quote) = (Vec::new(), 0, 0u32, None);
    for (at, c) in text.char_indices() {
        let begins = text[start..at].trim().is_empty();
        match (quote, c) {
            (Some(mark), c) if c == mark => quote = None,
            (Some(_), _) => {}
            // A doubled mark closes the name and opens it again.
            (None, '"' | '`') if begins || text[..at].ends_with(c) => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') => depth = depth.saturating_sub(1),
            (None, ',') if depth == 0 => {
                items.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    items.push(&text[start..]);
    items
}

pub(super) fn parse_type(word: &str) -> Option<Type> {
    let upper = word.to_ascii_uppercase();
    Some(match upper.as_str() {
        "BOOLEAN" => Type::Boolean,
        "TINYINT" | "INT8" => Type::Int8,
        "SMALLINT" | "INT16" => Type::Int16,
        "INT" | "INTEGER" | "INT32" => Type::Int32,
        "BIGINT" | "INT64" => Type::Int64,
        "FLOAT" | "FLOAT32" => Type::Float32,
        "DOUBLE" | "FLOAT64" => Type::Float64,
        "STRING" | "VARCHAR" => Type::String,
        "BYTES" => Type::Bytes,
        "DATE" => Type::Date,
        "TIME" => Type::Time,
        "TIMESTAMP" => Type::Timestamp,
        _ => {
            let inside = upper.strip_prefix("DECIMAL")?.trim().strip_prefix('(')?;
            let (precision, scale) = inside.strip_suffix(')')?.split_once(',')?;
            let precision: u8 = precision.trim().parse().ok()?;
            let scale: u8 = scale.trim().parse().ok()?;
            let fits = (1..=formats::MAX_DECIMAL_PRECISION).contains(&precision);
            return (fits && scale <= precision).then_some(Type::Decimal { precision, scale });
        }
    })
}

/// A type as a user writes it.
pub(super) fn type_word(ty: &Type) -> String {
    let word = match ty {
        Type::Int8 => "TINYINT",
        Type::Int16 => "SMALLINT",
        Type::Int32 => "INTEGER",
        Type::Int64 => "BIGINT",
        Type::Float32 => "FLOAT",
        Type::Float64 => "DOUBLE",
        other => return other.to_string(),
    };
    word.to_owned()
}

/// The value of a text that is not null; none if it is no value of the type.
pub(super) fn value(text: &str, ty: &Type) -> Option<Value> {
    Some(match ty {
        Type::Boolean if text.eq_ignore_ascii_case("true") => Value::Boolean(true),
        Type::Boolean if text.eq_ignore_ascii_case("false") => Value::Boolean(false),
        Type::Int8 => Value::Int8(text.parse().ok()?),
        Type::Int16 => Value::Int16(text.parse().ok()?),
        Type::Int32 => Value::Int32(text.parse().ok()?),
        Type::Int64 => Value::Int64(text.parse().ok()?),
        Type::Float32 => {
            parse_double(text)?;
            Value::Float32(text.parse().ok()?)
        }
        Type::Float64 => Value::Float64(parse_double(text)?),
        Type::Decimal { precision, scale } => {
            Value::Decimal(Decimal::parse(text)?.fit(*precision, *scale)?)
        }
        Type::String => Value::String(text.to_owned()),
        Type::Bytes => Value::Bytes(BASE64.decode(text).ok()?.into()),
        Type::Date => Value::Date(parse_date(text)?),
        Type::Time => Value::Time(parse_time(text)?),
        Type::Timestamp => Value::Timestamp(parse_timestamp(text)?),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_named_with_and_without_types() {
        let text = "a INT, b DECIMAL(6, 2),c timestamp, 이름, \"unit, \"\"price\"\"\" DOUBLE,`x y`";
        let columns = parse_columns(text).expect("columns");
        let shown: Vec<(&str, Option<String>)> =
            columns.iter().map(|c| (c.name.as_str(), c.ty.as_ref().map(type_word))).collect();
        let ty = |word: &str| Some(word.to_owned());
        let expected = [
            ("a", ty("INTEGER")),
            ("b", ty("DECIMAL(6, 2)")),
            ("c", ty("TIMESTAMP")),
            ("이름", None),
            ("unit, \"price\"", ty("DOUBLE")),
            ("x y", None),
        ];
        assert_eq!(shown, expected);
        for (wrong, part) in [
            ("a WHAT", "\"WHAT\" is no type"),
            ("a INT, a INT", "the column a is named twice"),
            ("\"a INT", "is not closed"),
        ] {
            let error = parse_columns(wrong).expect_err("wrong");
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn types_are_written_as_users_write_them() {
        for word in ["TINYINT", "SMALLINT", "INTEGER", "BIGINT", "FLOAT", "DOUBLE", "STRING"] {
            assert_eq!(parse_type(word).as_ref().map(type_word).as_deref(), Some(word));
        }
    }

    #[test]
    fn of_words_only_javas_are_numbers() {
        for (text, expected) in
            [("1e5", Some(1e5)), ("Infinity", Some(f64::INFINITY)), ("inf", None), ("nan", None)]
        {
            let number = value(text, &Type::Float64);
            assert_eq!(number, expected.map(Value::Float64), "{text}");
        }
        assert_eq!(value("infinity", &Type::Float32), None);
    }
}
