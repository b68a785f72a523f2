//! The grammar of ksqlDB: text -> tokens -> statements with places.

pub(crate) mod ast;
mod cursor;
mod expression;
mod lexer;
mod query;
mod statement;
mod type_name;

#[cfg(test)]
mod tests;

use std::collections::HashMap;

pub(crate) use lexer::{Typed, is_complete, next_begin, statement_end, typed};
pub(crate) use query::duration_text;
pub(crate) use statement::FIRST_WORDS;
use statement::begins_statement;

use crate::error::SqlError;
use ast::{Ident, Parsed};
use cursor::Cursor;

/// The statements of a script, in order. The first one that does not follow the grammar refuses
/// the whole text.
pub(crate) fn parse(text: &str) -> Result<Vec<Parsed>, SqlError> {
    let mut cursor = Cursor::new(text)?;
    let mut statements = Vec::new();
    while !cursor.at_end() {
        if cursor.accept_symbol(";") {
            continue;
        }
        statements.push(statement::statement(&mut cursor)?);
    }
    Ok(statements)
}

/// A name as a statement or a property would state it: upper case unless quoted.
pub(crate) fn parse_name(text: &str) -> Result<Ident, SqlError> {
    let mut cursor = Cursor::new(text)?;
    let name = cursor.ident("a name")?;
    if cursor.at_end() { Ok(name) } else { Err(cursor.expected(&["the end"])) }
}

/// Puts the values of variables in the place of `${name}`, quoted texts included.
pub(crate) fn substitute(text: &str, variables: &HashMap<String, String>) -> String {
    let mut result = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(found) = text[at..].find("${") {
        let start = at + found;
        result.push_str(&text[at..start]);
        let Some(length) = text[start..].find('}') else {
            at = start;
            break;
        };
        let name = &text[start + 2..start + length];
        let value = variables.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        match value {
            Some((_, value)) => result.push_str(value),
            None => result.push_str(&text[start..=start + length]),
        }
        at = start + length + 1;
    }
    result.push_str(&text[at..]);
    result
}
