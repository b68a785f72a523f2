//! Expressions, by precedence: OR, AND, NOT, predicates, + -, * / %, sign, postfix, primary.

use super::ast::{Arithmetic, Comparison, Expr, ExprKind, Ident, Literal};
use super::cursor::Cursor;
use super::lexer::TokenKind;
use super::type_name;
use crate::error::SqlError;

type Result<T> = std::result::Result<T, SqlError>;

pub(crate) fn expression(cursor: &mut Cursor) -> Result<Expr> {
    cursor.nested(disjunction)
}

/// An expression without AND, OR, NOT and comparisons, unless in brackets.
pub(crate) fn value_expression(cursor: &mut Cursor) -> Result<Expr> {
    cursor.nested(sum)
}

/// How high the tree of an expression may grow: a bound on the stack of all that walk over it.
const MAX_HEIGHT: usize = 200;

/// The expression that ends with the token read last.
fn built(cursor: &Cursor, kind: ExprKind, start: usize) -> Result<Expr> {
    let expr = Expr::new(kind, cursor.since(start));
    if expr.height() > MAX_HEIGHT { Err(too_high(&expr)) } else { Ok(expr) }
}

fn too_high(expr: &Expr) -> SqlError {
    let message = format!("this expression nests more than {MAX_HEIGHT} levels deep");
    SqlError::syntax(message, expr.span)
}

fn disjunction(cursor: &mut Cursor) -> Result<Expr> {
    let mut terms = vec![conjunction(cursor)?];
    while cursor.accept("OR") {
        terms.push(conjunction(cursor)?);
    }
    joined(terms, ExprKind::Or)
}

fn conjunction(cursor: &mut Cursor) -> Result<Expr> {
    let mut terms = vec![negation(cursor)?];
    while cursor.accept("AND") {
        terms.push(negation(cursor)?);
    }
    joined(terms, ExprKind::And)
}

/// Terms that may be put together in any way: a few from the left, many as a low tree.
fn joined(mut terms: Vec<Expr>, kind: fn(Box<Expr>, Box<Expr>) -> ExprKind) -> Result<Expr> {
    const FEW: usize = 16;
    let join = |left: Expr, right: Expr| {
        let span = left.span.to(right.span);
        Expr::new(kind(Box::new(left), Box::new(right)), span)
    };
    let expr = if terms.len() <= FEW {
        terms.into_iter().reduce(join).expect("there is a first term")
    } else {
        let right = terms.split_off(terms.len().div_ceil(2));
        join(joined(terms, kind)?, joined(right, kind)?)
    };
    if expr.height() > MAX_HEIGHT { Err(too_high(&expr)) } else { Ok(expr) }
}

fn negation(cursor: &mut Cursor) -> Result<Expr> {
    let start = cursor.start();
    if cursor.accept("NOT") {
        let inner = cursor.nested(negation)?;
        return built(cursor, ExprKind::Not(Box::new(inner)), start);
    }
    predicate(cursor)
}

fn predicate(cursor: &mut Cursor) -> Result<Expr> {
    let start = cursor.start();
    let mut left = sum(cursor)?;
    loop {
        let Some(kind) = predicate_tail(cursor, &left)? else { return Ok(left) };
        left = built(cursor, kind, start)?;
    }
}

fn predicate_tail(cursor: &mut Cursor, left: &Expr) -> Result<Option<ExprKind>> {
    let value = || Box::new(left.clone());
    if let Some(op) = comparison(cursor) {
        let right = Box::new(sum(cursor)?);
        return Ok(Some(ExprKind::Compare { op, left: value(), right }));
    }
    if cursor.accept("IS") {
        let negated = cursor.accept("NOT");
        if cursor.accept_all(&["DISTINCT", "FROM"]) {
            let op = if negated { Comparison::IsNotDistinct } else { Comparison::IsDistinct };
            let right = Box::new(sum(cursor)?);
            return Ok(Some(ExprKind::Compare { op, left: value(), right }));
        }
        if !cursor.accept("NULL") {
            return Err(cursor.expected(&["NULL", "DISTINCT FROM"]));
        }
        return Ok(Some(ExprKind::IsNull { value: value(), negated }));
    }
    let negated = cursor.is_word("NOT")
        && ["BETWEEN", "IN", "LIKE"].iter().any(|w| cursor.is_word_ahead(1, w));
    if negated {
        cursor.take();
    }
    if cursor.accept("BETWEEN") {
        let low = Box::new(sum(cursor)?);
        cursor.expect("AND")?;
        let high = Box::new(sum(cursor)?);
        return Ok(Some(ExprKind::Between { value: value(), low, high, negated }));
    }
    if cursor.accept("IN") {
        cursor.expect_symbol("(")?;
        let list = cursor.list(expression)?;
        cursor.expect_symbol(")")?;
        return Ok(Some(ExprKind::In { value: value(), list, negated }));
    }
    if cursor.accept("LIKE") {
        let pattern = Box::new(sum(cursor)?);
        let escape = if cursor.accept("ESCAPE") { Some(escape_character(cursor)?) } else { None };
        return Ok(Some(ExprKind::Like { value: value(), pattern, escape, negated }));
    }
    Ok(None)
}

fn escape_character(cursor: &mut Cursor) -> Result<char> {
    let span = cursor.peek().span;
    let text = cursor.text("an escape character in quotes")?;
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (Some(one), None) => Ok(one),
        _ => Err(SqlError::syntax("ESCAPE takes exactly one character", span)),
    }
}

fn comparison(cursor: &mut Cursor) -> Option<Comparison> {
    let TokenKind::Symbol(symbol) = cursor.peek().kind else { return None };
    let op = match symbol {
        "=" | "==" => Comparison::Equal,
        "<>" | "!=" => Comparison::NotEqual,
        "<" => Comparison::Less,
        "<=" => Comparison::LessOrEqual,
        ">" => Comparison::Greater,
        ">=" => Comparison::GreaterOrEqual,
        _ => return None,
    };
    cursor.take();
    Some(op)
}

fn sum(cursor: &mut Cursor) -> Result<Expr> {
    let start = cursor.start();
    let mut left = product(cursor)?;
    loop {
        let op = if cursor.accept_symbol("+") || cursor.accept_symbol("||") {
            Arithmetic::Add
        } else if cursor.accept_symbol("-") {
            Arithmetic::Subtract
        } else {
            return Ok(left);
        };
        let (l, r) = (Box::new(left), Box::new(product(cursor)?));
        let kind = ExprKind::Arithmetic { op, left: l, right: r };
        left = built(cursor, kind, start)?;
    }
}

fn product(cursor: &mut Cursor) -> Result<Expr> {
    let start = cursor.start();
    let mut left = sign(cursor)?;
    loop {
        let op = match cursor.peek().kind {
            TokenKind::Symbol("*") => Arithmetic::Multiply,
            TokenKind::Symbol("/") => Arithmetic::Divide,
            TokenKind::Symbol("%") => Arithmetic::Modulo,
            _ => return Ok(left),
        };
        cursor.take();
        let (l, r) = (Box::new(left), Box::new(sign(cursor)?));
        let kind = ExprKind::Arithmetic { op, left: l, right: r };
        left = built(cursor, kind, start)?;
    }
}

fn sign(cursor: &mut Cursor) -> Result<Expr> {
    let start = cursor.start();
    if cursor.accept_symbol("-") {
        if let Some(literal) = number(cursor, true)? {
            let literal = built(cursor, ExprKind::Literal(literal), start)?;
            return postfix(cursor, literal);
        }
        let inner = cursor.nested(sign)?;
        return built(cursor, ExprKind::Negate(Box::new(inner)), start);
    }
    if cursor.accept_symbol("+") {
        return cursor.nested(sign);
    }
    let primary = primary(cursor)?;
    postfix(cursor, primary)
}

fn postfix(cursor: &mut Cursor, mut base: Expr) -> Result<Expr> {
    let start = base.span.start;
    loop {
        if cursor.accept_symbol("[") {
            let index = Box::new(expression(cursor)?);
            cursor.expect_symbol("]")?;
            let kind = ExprKind::Subscript { base: Box::new(base), index };
            base = built(cursor, kind, start)?;
        } else if cursor.is_symbol("->") && !cursor.is_symbol_ahead(1, "*") {
            cursor.take();
            let name = cursor.field_name()?;
            let kind = ExprKind::Field { base: Box::new(base), name };
            base = built(cursor, kind, start)?;
        } else {
            return Ok(base);
        }
    }
}

/// A number literal, if the next token is one.
pub(crate) fn number(cursor: &mut Cursor, negative: bool) -> Result<Option<Literal>> {
    let token = cursor.peek().clone();
    let minus = if negative { "-" } else { "" };
    let literal = match &token.kind {
        TokenKind::Integer(digits) => {
            let text = format!("{minus}{digits}");
            if let Ok(value) = text.parse() {
                Literal::Integer(value)
            } else if let Ok(value) = text.parse() {
                Literal::Bigint(value)
            } else {
                let message = format!("Invalid numeric literal: {text} does not fit a BIGINT");
                return Err(SqlError::syntax(message, token.span));
            }
        }
        TokenKind::Decimal(digits) => Literal::Decimal(format!("{minus}{digits}")),
        TokenKind::Float(digits) => match format!("{minus}{digits}").parse::<f64>() {
            Ok(value) if value.is_finite() => Literal::Double(value),
            _ => {
                let message = format!("Not a number: {digits} is out of the range of a DOUBLE");
                return Err(SqlError::syntax(message, token.span));
            }
        },
        _ => return Ok(None),
    };
    cursor.take();
    Ok(Some(literal))
}

fn primary(cursor: &mut Cursor) -> Result<Expr> {
    let start = cursor.start();
    let kind = if let Some(literal) = number(cursor, false)? {
        ExprKind::Literal(literal)
    } else if let TokenKind::Text(text) = &cursor.peek().kind {
        let literal = Literal::Text(text.clone());
        cursor.take();
        ExprKind::Literal(literal)
    } else if cursor.accept("NULL") {
        ExprKind::Literal(Literal::Null)
    } else if cursor.accept("TRUE") {
        ExprKind::Literal(Literal::Boolean(true))
    } else if cursor.accept("FALSE") {
        ExprKind::Literal(Literal::Boolean(false))
    } else if cursor.is_symbol("(") {
        return parenthesised(cursor);
    } else if cursor.accept("CASE") {
        case(cursor)?
    } else if cursor.is_word("CAST") && cursor.is_symbol_ahead(1, "(") {
        cast(cursor)?
    } else if let Some(kind) = constructor(cursor)? {
        kind
    } else if let Some(lambda) = lambda(cursor)? {
        lambda
    } else {
        name_or_call(cursor)?
    };
    built(cursor, kind, start)
}

fn parenthesised(cursor: &mut Cursor) -> Result<Expr> {
    let start = cursor.start();
    if let Some(kind) = lambda(cursor)? {
        return built(cursor, kind, start);
    }
    cursor.expect_symbol("(")?;
    if cursor.is_word("SELECT") {
        return Err(cursor.unsupported("A subquery", cursor.peek().span));
    }
    let inner = expression(cursor)?;
    cursor.expect_symbol(")")?;
    built(cursor, inner.kind, start)
}

fn case(cursor: &mut Cursor) -> Result<ExprKind> {
    let operand = if cursor.is_word("WHEN") { None } else { Some(Box::new(expression(cursor)?)) };
    let mut whens = Vec::new();
    while cursor.accept("WHEN") {
        let when = expression(cursor)?;
        cursor.expect("THEN")?;
        whens.push((when, expression(cursor)?));
    }
    if whens.is_empty() {
        return Err(cursor.expected(&["WHEN"]));
    }
    let otherwise = if cursor.accept("ELSE") { Some(Box::new(expression(cursor)?)) } else { None };
    if !cursor.accept("END") {
        return Err(cursor.expected(&["WHEN", "ELSE", "END"]));
    }
    Ok(ExprKind::Case { operand, whens, otherwise })
}

fn cast(cursor: &mut Cursor) -> Result<ExprKind> {
    cursor.expect("CAST")?;
    cursor.expect_symbol("(")?;
    let value = Box::new(expression(cursor)?);
    cursor.expect("AS")?;
    let target = type_name::type_name(cursor)?;
    cursor.expect_symbol(")")?;
    Ok(ExprKind::Cast { value, target })
}

/// `ARRAY[..]`, `MAP(k := v, ..)`, `STRUCT(f := v, ..)`, if the next tokens open one.
fn constructor(cursor: &mut Cursor) -> Result<Option<ExprKind>> {
    if cursor.is_word("ARRAY") && cursor.is_symbol_ahead(1, "[") {
        cursor.take();
        cursor.take();
        let items = if cursor.is_symbol("]") { Vec::new() } else { cursor.list(expression)? };
        cursor.expect_symbol("]")?;
        return Ok(Some(ExprKind::Array(items)));
    }
    let map = cursor.is_word("MAP");
    if !(map || cursor.is_word("STRUCT")) || !cursor.is_symbol_ahead(1, "(") {
        return Ok(None);
    }
    cursor.take();
    cursor.take();
    let empty = cursor.is_symbol(")");
    let kind = if map {
        let pair = |c: &mut Cursor| {
            let key = expression(c)?;
            c.expect_symbol(":=")?;
            Ok((key, expression(c)?))
        };
        ExprKind::Map(if empty { Vec::new() } else { cursor.list(pair)? })
    } else {
        let pair = |c: &mut Cursor| {
            let name = c.field_name()?;
            c.expect_symbol(":=")?;
            Ok((name, expression(c)?))
        };
        ExprKind::Struct(if empty { Vec::new() } else { cursor.list(pair)? })
    };
    cursor.expect_symbol(")")?;
    Ok(Some(kind))
}

/// `x => ..` or `(x, y) => ..`, if that is what stands here.
fn lambda(cursor: &mut Cursor) -> Result<Option<ExprKind>> {
    let position = cursor.position();
    let parameters = lambda_parameters(cursor);
    if parameters.is_empty() || !cursor.accept_symbol("=>") {
        cursor.rewind(position);
        return Ok(None);
    }
    let body = Box::new(expression(cursor)?);
    Ok(Some(ExprKind::Lambda { parameters, body }))
}

fn lambda_parameters(cursor: &mut Cursor) -> Vec<Ident> {
    let mut parameters = Vec::new();
    let many = cursor.accept_symbol("(");
    while let Ok(name) = cursor.ident("a parameter") {
        parameters.push(name);
        if !many || !cursor.accept_symbol(",") {
            break;
        }
    }
    if many && !cursor.accept_symbol(")") {
        parameters.clear();
    }
    parameters
}

fn name_or_call(cursor: &mut Cursor) -> Result<ExprKind> {
    let reserved_call =
        cursor.is_symbol_ahead(1, "(") && ["LEFT", "RIGHT"].iter().any(|word| cursor.is_word(word));
    let name = if reserved_call { cursor.field_name()? } else { cursor.ident("an expression")? };
    if cursor.accept_symbol("(") {
        return call(cursor, name);
    }
    if cursor.is_symbol(".") && !cursor.is_symbol_ahead(1, "*") {
        cursor.take();
        let column = cursor.ident("a column name")?;
        return Ok(ExprKind::Column { source: Some(name), name: column });
    }
    Ok(ExprKind::Column { source: None, name })
}

fn call(cursor: &mut Cursor, name: Ident) -> Result<ExprKind> {
    if cursor.is_symbol("*") && cursor.is_symbol_ahead(1, ")") {
        cursor.take();
        cursor.take();
        return Ok(ExprKind::Call { name, arguments: Vec::new(), star: true });
    }
    if cursor.is_word("DISTINCT") {
        return Err(cursor.unsupported("DISTINCT in a function call", cursor.peek().span));
    }
    let arguments = if cursor.is_symbol(")") { Vec::new() } else { cursor.list(expression)? };
    cursor.expect_symbol(")")?;
    Ok(ExprKind::Call { name, arguments, star: false })
}
