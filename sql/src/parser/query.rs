//! SELECT and its clauses.

use super::ast::{
    Emit, Expr, Join, JoinKind, OrderBy, Query, SelectItem, SourceName, Window, WindowShape, Within,
};
use super::cursor::Cursor;
use super::expression::{expression, value_expression};
use crate::error::SqlError;

type Result<T> = std::result::Result<T, SqlError>;

pub(crate) fn query(cursor: &mut Cursor) -> Result<Query> {
    let start = cursor.start();
    cursor.expect("SELECT")?;
    if cursor.is_word("DISTINCT") {
        return Err(cursor.unsupported("SELECT DISTINCT", cursor.peek().span));
    }
    let items = cursor.list(select_item)?;
    cursor.expect("FROM")?;
    let from = source(cursor)?;
    let mut joins = Vec::new();
    while let Some(join) = join(cursor)? {
        joins.push(join);
    }
    let window = if cursor.accept("WINDOW") { Some(window(cursor)?) } else { None };
    let filter = if cursor.accept("WHERE") { Some(expression(cursor)?) } else { None };
    let group_by = grouping(cursor, "GROUP")?;
    let partition_by = grouping(cursor, "PARTITION")?;
    let having = if cursor.accept("HAVING") { Some(expression(cursor)?) } else { None };
    let order_by =
        if cursor.accept_all(&["ORDER", "BY"]) { cursor.list(ordering)? } else { Vec::new() };
    let emit = emit(cursor)?;
    let limit =
        if cursor.accept("LIMIT") { Some(cursor.unsigned("a number of rows")?) } else { None };
    refuse_trailing_clause(cursor)?;
    let span = cursor.since(start);
    Ok(Query {
        items,
        from,
        joins,
        window,
        filter,
        group_by,
        partition_by,
        having,
        order_by,
        emit,
        limit,
        span,
    })
}

fn select_item(cursor: &mut Cursor) -> Result<SelectItem> {
    let start = cursor.start();
    if cursor.accept_symbol("*") {
        return Ok(SelectItem::All { source: None, span: cursor.since(start) });
    }
    if cursor.is_symbol_ahead(1, ".") && cursor.is_symbol_ahead(2, "*") {
        let source = cursor.ident("a source")?;
        cursor.expect_symbol(".")?;
        cursor.expect_symbol("*")?;
        return Ok(SelectItem::All { source: Some(source), span: cursor.since(start) });
    }
    let value = expression(cursor)?;
    if cursor.is_symbol("->") && cursor.is_symbol_ahead(1, "*") {
        cursor.take();
        cursor.take();
        return Ok(SelectItem::Fields { base: value });
    }
    let alias = cursor.alias()?;
    Ok(SelectItem::Expression { value, alias })
}

fn source(cursor: &mut Cursor) -> Result<SourceName> {
    if cursor.is_symbol("(") {
        return Err(cursor.unsupported("A subquery", cursor.peek().span));
    }
    let name = cursor.ident("the name of a stream or table")?;
    Ok(SourceName { name, alias: cursor.alias()? })
}

fn join(cursor: &mut Cursor) -> Result<Option<Join>> {
    let start = cursor.start();
    let kinds = [
        ("INNER", JoinKind::Inner),
        ("LEFT", JoinKind::Left),
        ("RIGHT", JoinKind::Right),
        ("FULL", JoinKind::Full),
    ];
    let kind = if cursor.is_word("JOIN") {
        JoinKind::Inner
    } else if let Some((_, kind)) = kinds.into_iter().find(|(word, _)| cursor.is_word(word)) {
        cursor.take();
        if kind != JoinKind::Inner {
            cursor.accept("OUTER");
        }
        kind
    } else {
        return Ok(None);
    };
    cursor.expect("JOIN")?;
    let right = source(cursor)?;
    let within = if cursor.is_word("WITHIN") { Some(within(cursor)?) } else { None };
    cursor.expect("ON")?;
    let on = expression(cursor)?;
    Ok(Some(Join { kind, right, within, on, span: cursor.since(start) }))
}

fn within(cursor: &mut Cursor) -> Result<Within> {
    let start = cursor.start();
    cursor.expect("WITHIN")?;
    let (before_ms, after_ms) = if cursor.accept_symbol("(") {
        let before = duration(cursor)?;
        cursor.expect_symbol(",")?;
        let after = duration(cursor)?;
        cursor.expect_symbol(")")?;
        (before, after)
    } else {
        let both = duration(cursor)?;
        (both, both)
    };
    let grace_ms =
        if cursor.accept_all(&["GRACE", "PERIOD"]) { Some(duration(cursor)?) } else { None };
    Ok(Within { before_ms, after_ms, grace_ms, span: cursor.since(start) })
}

fn window(cursor: &mut Cursor) -> Result<Window> {
    let start = cursor.start();
    let named = ["TUMBLING", "HOPPING", "SESSION"];
    if !named.iter().any(|word| cursor.is_word(word)) && !cursor.is_symbol_ahead(1, "(") {
        cursor.ident("a window's name")?;
    }
    let Some(kind) = named.into_iter().find(|word| cursor.accept(word)) else {
        return Err(cursor.expected(&named));
    };
    cursor.expect_symbol("(")?;
    let shape = match kind {
        "TUMBLING" => {
            cursor.expect("SIZE")?;
            WindowShape::Tumbling { size_ms: positive(cursor)? }
        }
        "HOPPING" => {
            cursor.expect("SIZE")?;
            let size_ms = positive(cursor)?;
            cursor.expect_symbol(",")?;
            cursor.accept_all(&["ADVANCE"]);
            cursor.expect("BY")?;
            WindowShape::Hopping { size_ms, advance_ms: positive(cursor)? }
        }
        _ => WindowShape::Session { gap_ms: positive(cursor)? },
    };
    let (mut retention_ms, mut grace_ms) = (None, None);
    while cursor.accept_symbol(",") {
        if cursor.accept_all(&["GRACE", "PERIOD"]) {
            grace_ms = Some(duration(cursor)?);
        } else if cursor.accept("RETENTION") {
            retention_ms = Some(duration(cursor)?);
        } else {
            return Err(cursor.expected(&["RETENTION", "GRACE PERIOD"]));
        }
    }
    cursor.expect_symbol(")")?;
    Ok(Window { shape, retention_ms, grace_ms, span: cursor.since(start) })
}

fn positive(cursor: &mut Cursor) -> Result<i64> {
    let start = cursor.start();
    match duration(cursor)? {
        0 => Err(SqlError::syntax("a window's time must be greater than 0", cursor.since(start))),
        length => Ok(length),
    }
}

/// `5 MINUTES`, in milliseconds.
fn duration(cursor: &mut Cursor) -> Result<i64> {
    let start = cursor.start();
    let number = cursor.unsigned("a number")?;
    let units = [
        ("MILLISECOND", 1),
        ("SECOND", 1000),
        ("MINUTE", 60_000),
        ("HOUR", 3_600_000),
        ("DAY", 86_400_000),
    ];
    let found = units
        .into_iter()
        .find(|(unit, _)| cursor.accept(unit) || cursor.accept(&format!("{unit}S")));
    let Some((_, factor)) = found else {
        return Err(cursor.expected(&["DAYS", "HOURS", "MINUTES", "SECONDS", "MILLISECONDS"]));
    };
    let length = i64::try_from(number).ok().and_then(|n| n.checked_mul(factor));
    length.ok_or_else(|| SqlError::syntax("this time is too long", cursor.since(start)))
}

/// `size 30 seconds` in a WITH property, e.g. WINDOW_SIZE='30 SECONDS'.
pub(crate) fn duration_text(text: &str) -> Result<i64> {
    let mut cursor = Cursor::new(text)?;
    let length = duration(&mut cursor)?;
    if cursor.at_end() { Ok(length) } else { Err(cursor.expected(&["the end"])) }
}

fn grouping(cursor: &mut Cursor, word: &str) -> Result<Vec<Expr>> {
    if !cursor.accept_all(&[word, "BY"]) {
        return Ok(Vec::new());
    }
    if let Some(list) = parenthesised_list(cursor)? {
        return Ok(list);
    }
    cursor.list(value_expression)
}

/// `GROUP BY (a, b)`: the brackets enclose the whole list.
fn parenthesised_list(cursor: &mut Cursor) -> Result<Option<Vec<Expr>>> {
    if !cursor.is_symbol("(") {
        return Ok(None);
    }
    let position = cursor.position();
    cursor.take();
    if cursor.accept_symbol(")") {
        return Ok(Some(Vec::new()));
    }
    let list = cursor.list(expression)?;
    let whole = list.len() > 1 && cursor.accept_symbol(")");
    if !whole {
        cursor.rewind(position);
        return Ok(None);
    }
    Ok(Some(list))
}

fn ordering(cursor: &mut Cursor) -> Result<OrderBy> {
    let value = expression(cursor)?;
    let descending = cursor.accept("DESC");
    if !descending {
        cursor.accept("ASC");
    }
    let nulls_first = if cursor.accept_all(&["NULLS", "FIRST"]) {
        Some(true)
    } else if cursor.accept_all(&["NULLS", "LAST"]) {
        Some(false)
    } else {
        None
    };
    Ok(OrderBy { value, descending, nulls_first })
}

fn emit(cursor: &mut Cursor) -> Result<Emit> {
    if !cursor.accept("EMIT") {
        return Ok(Emit::Unstated);
    }
    if cursor.accept("CHANGES") {
        Ok(Emit::Changes)
    } else if cursor.accept("FINAL") {
        Ok(Emit::Final)
    } else {
        Err(cursor.expected(&["CHANGES", "FINAL"]))
    }
}

fn refuse_trailing_clause(cursor: &Cursor) -> Result<()> {
    for word in ["UNION", "OFFSET", "INTERSECT", "EXCEPT"] {
        if cursor.is_word(word) {
            return Err(cursor.unsupported(word, cursor.peek().span));
        }
    }
    Ok(())
}
