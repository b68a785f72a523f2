//! Names of types: `DECIMAL(4, 2)`, `ARRAY<STRUCT<a INT>>`, or one made by CREATE TYPE.

use super::ast::{Ident, TypeName};
use super::cursor::Cursor;
use super::lexer::TokenKind;
use crate::error::SqlError;
use crate::types::{MAX_PRECISION, SqlType};

type Result<T> = std::result::Result<T, SqlError>;

pub(crate) fn type_name(cursor: &mut Cursor) -> Result<TypeName> {
    cursor.nested(read)
}

fn read(cursor: &mut Cursor) -> Result<TypeName> {
    if cursor.accept("ARRAY") {
        cursor.expect_symbol("<")?;
        let item = type_name(cursor)?;
        close(cursor)?;
        return Ok(match item {
            TypeName::Known(ty) => TypeName::Known(SqlType::Array(Box::new(ty))),
            other => TypeName::Array(Box::new(other)),
        });
    }
    if cursor.accept("MAP") {
        cursor.expect_symbol("<")?;
        let key = type_name(cursor)?;
        cursor.expect_symbol(",")?;
        let value = type_name(cursor)?;
        close(cursor)?;
        return Ok(match (key, value) {
            (TypeName::Known(k), TypeName::Known(v)) => {
                TypeName::Known(SqlType::Map(Box::new(k), Box::new(v)))
            }
            (k, v) => TypeName::Map(Box::new(k), Box::new(v)),
        });
    }
    if cursor.accept("STRUCT") {
        return structure(cursor);
    }
    if matches!(&cursor.peek().kind, TokenKind::Quoted(_)) {
        return cursor.ident("a type").map(TypeName::Custom);
    }
    let name = cursor.ident("a type")?;
    if name.name == "DECIMAL" || name.name == "DEC" || name.name == "NUMERIC" {
        return decimal(cursor, &name);
    }
    let Some(ty) = SqlType::primitive(&name.name) else { return Ok(TypeName::Custom(name)) };
    if cursor.is_symbol("(") && ty == SqlType::String {
        cursor.take();
        if !cursor.accept("STRING") {
            cursor.unsigned("a length")?;
        }
        cursor.expect_symbol(")")?;
    }
    Ok(TypeName::Known(ty))
}

fn structure(cursor: &mut Cursor) -> Result<TypeName> {
    if cursor.accept_symbol("<>") {
        return Ok(TypeName::Known(SqlType::Struct(Vec::new())));
    }
    cursor.expect_symbol("<")?;
    let mut fields: Vec<(Ident, TypeName)> = Vec::new();
    if !cursor.is_symbol(">") {
        fields = cursor.list(|c| Ok((c.field_name()?, type_name(c)?)))?;
    }
    close(cursor)?;
    let known: Option<Vec<_>> = fields
        .iter()
        .map(|(name, ty)| match ty {
            TypeName::Known(ty) => Some((name.name.clone(), ty.clone())),
            _ => None,
        })
        .collect();
    Ok(known.map_or(TypeName::Struct(fields), |fields| TypeName::Known(SqlType::Struct(fields))))
}

fn close(cursor: &mut Cursor) -> Result<()> {
    cursor.expect_symbol(">")
}

fn decimal(cursor: &mut Cursor, name: &Ident) -> Result<TypeName> {
    let start = name.span.start;
    cursor.expect_symbol("(")?;
    let precision = cursor.unsigned("a precision")?;
    cursor.expect_symbol(",")?;
    let scale = cursor.unsigned("a scale")?;
    cursor.expect_symbol(")")?;
    let span = cursor.since(start);
    let bad = |message: String| Err(SqlError::syntax(message, span));
    if precision < 1 {
        return bad(format!("DECIMAL precision must be >= 1: DECIMAL({precision},{scale})"));
    }
    if precision > u64::from(MAX_PRECISION) {
        return bad(format!(
            "DECIMAL precision must be <= {MAX_PRECISION}: DECIMAL({precision},{scale})"
        ));
    }
    if scale > precision {
        return bad(format!("DECIMAL precision must be >= scale: DECIMAL({precision},{scale})"));
    }
    let (Ok(precision), Ok(scale)) = (u8::try_from(precision), u8::try_from(scale)) else {
        return bad("DECIMAL precision is out of range".to_owned());
    };
    Ok(TypeName::Known(SqlType::Decimal { precision, scale }))
}
