//! One statement, by its first words.

use super::ast::{
    ColumnDefinition, ColumnRole, CreateAs, CreateSource, Ident, Literal, Parsed, Print, Property,
    Show, SourceKind, Statement,
};
use super::cursor::Cursor;
use super::expression::{expression, number};
use super::lexer::TokenKind;
use super::query::query;
use super::type_name::type_name;
use crate::error::SqlError;

type Result<T> = std::result::Result<T, SqlError>;

/// The words that statements begin with.
pub(crate) const FIRST_WORDS: [&str; 20] = [
    "SELECT",
    "CREATE",
    "INSERT",
    "DROP",
    "DESCRIBE",
    "DESC",
    "EXPLAIN",
    "SHOW",
    "LIST",
    "PRINT",
    "TERMINATE",
    "PAUSE",
    "RESUME",
    "SET",
    "UNSET",
    "DEFINE",
    "UNDEFINE",
    "ALTER",
    "ASSERT",
    "RUN",
];

/// Whether a statement can begin with the word.
pub(crate) fn begins_statement(word: &str) -> bool {
    FIRST_WORDS.iter().any(|first| first.eq_ignore_ascii_case(word))
}

/// A statement with its closing `;`.
pub(crate) fn statement(cursor: &mut Cursor) -> Result<Parsed> {
    let start = cursor.start();
    let statement = cursor.nested(read)?;
    if !cursor.accept_symbol(";") {
        return Err(cursor.expected(&["';'"]));
    }
    Ok(Parsed { statement, span: cursor.since(start) })
}

fn read(cursor: &mut Cursor) -> Result<Statement> {
    let span = cursor.peek().span;
    let TokenKind::Word(word) = &cursor.peek().kind else {
        return Err(cursor.expected(&["a statement"]));
    };
    match word.to_uppercase().as_str() {
        "SELECT" => query(cursor).map(Statement::Select),
        "CREATE" => create(cursor),
        "INSERT" => insert(cursor),
        "DROP" => drop_statement(cursor),
        "DESCRIBE" | "DESC" => describe(cursor),
        "EXPLAIN" => explain(cursor),
        "SHOW" | "LIST" => show(cursor),
        "PRINT" => print(cursor),
        "TERMINATE" => control(cursor).map(|id| Statement::Terminate { id }),
        "PAUSE" => control(cursor).map(|id| Statement::Pause { id }),
        "RESUME" => control(cursor).map(|id| Statement::Resume { id }),
        "SET" | "UNSET" | "DEFINE" | "UNDEFINE" => setting(cursor),
        "ALTER" => Err(cursor.unsupported("ALTER", span)),
        "ASSERT" => Err(cursor.unsupported("ASSERT", span)),
        "RUN" => Err(cursor.unsupported("RUN SCRIPT here (start the shell with -f FILE)", span)),
        _ => Err(cursor.expected(&["a statement (SELECT, CREATE, INSERT, DROP, SHOW, ..)"])),
    }
}

fn create(cursor: &mut Cursor) -> Result<Statement> {
    let start = cursor.start();
    cursor.expect("CREATE")?;
    let or_replace = cursor.accept_all(&["OR", "REPLACE"]);
    if cursor.accept("TYPE") {
        let if_not_exists = cursor.accept_all(&["IF", "NOT", "EXISTS"]);
        let name = cursor.ident("a type name")?;
        cursor.expect("AS")?;
        return Ok(Statement::CreateType { name, if_not_exists, ty: type_name(cursor)? });
    }
    let read_only = cursor.accept("SOURCE");
    if cursor.is_word("CONNECTOR") || cursor.is_word("SINK") {
        let span = cursor.since(start).to(cursor.peek().span);
        return Err(cursor.unsupported("CREATE CONNECTOR (use Connect's REST API)", span));
    }
    let kind = source_kind(cursor)?;
    let if_not_exists = cursor.accept_all(&["IF", "NOT", "EXISTS"]);
    let name = cursor.ident("a name")?;
    let columns = if cursor.accept_symbol("(") {
        let columns = if cursor.is_symbol(")") { Vec::new() } else { cursor.list(column)? };
        cursor.expect_symbol(")")?;
        columns
    } else {
        Vec::new()
    };
    let with = with_clause(cursor)?;
    if columns.is_empty() && !read_only && cursor.accept("AS") {
        let query = query(cursor)?;
        let create = CreateAs { kind, or_replace, if_not_exists, name, with, query };
        return Ok(Statement::CreateAs(create));
    }
    let create = CreateSource { kind, or_replace, if_not_exists, read_only, name, columns, with };
    Ok(Statement::CreateSource(create))
}

fn source_kind(cursor: &mut Cursor) -> Result<SourceKind> {
    if cursor.accept("STREAM") {
        Ok(SourceKind::Stream)
    } else if cursor.accept("TABLE") {
        Ok(SourceKind::Table)
    } else {
        Err(cursor.expected(&["STREAM", "TABLE"]))
    }
}

fn column(cursor: &mut Cursor) -> Result<ColumnDefinition> {
    let name = cursor.ident("a column name")?;
    let ty = type_name(cursor)?;
    let role = if cursor.accept("KEY") {
        ColumnRole::Key
    } else if cursor.accept_all(&["PRIMARY", "KEY"]) {
        ColumnRole::PrimaryKey
    } else if cursor.accept("HEADERS") {
        ColumnRole::Headers(None)
    } else if cursor.accept("HEADER") {
        cursor.expect_symbol("(")?;
        let key = cursor.text("a header's key in quotes")?;
        cursor.expect_symbol(")")?;
        ColumnRole::Headers(Some(key))
    } else {
        ColumnRole::Value
    };
    Ok(ColumnDefinition { name, ty, role })
}

fn with_clause(cursor: &mut Cursor) -> Result<Vec<Property>> {
    if !cursor.accept("WITH") {
        return Ok(Vec::new());
    }
    cursor.expect_symbol("(")?;
    if cursor.accept_symbol(")") {
        return Ok(Vec::new());
    }
    let properties = cursor.list(property)?;
    cursor.expect_symbol(")")?;
    Ok(properties)
}

fn property(cursor: &mut Cursor) -> Result<Property> {
    let start = cursor.start();
    let name = match &cursor.peek().kind {
        TokenKind::Text(text) => {
            let text = text.to_uppercase();
            cursor.take();
            text
        }
        _ => cursor.field_name()?.name.to_uppercase(),
    };
    cursor.expect_symbol("=")?;
    let negative = cursor.accept_symbol("-");
    let value = if let Some(literal) = number(cursor, negative)? {
        literal
    } else if let TokenKind::Text(text) = &cursor.peek().kind {
        let literal = Literal::Text(text.clone());
        cursor.take();
        literal
    } else if cursor.accept("TRUE") {
        Literal::Boolean(true)
    } else if cursor.accept("FALSE") {
        Literal::Boolean(false)
    } else if cursor.accept("NULL") {
        Literal::Null
    } else {
        return Err(cursor.expected(&["a text, a number", "a boolean"]));
    };
    Ok(Property { name, value, span: cursor.since(start) })
}

fn insert(cursor: &mut Cursor) -> Result<Statement> {
    cursor.expect("INSERT")?;
    cursor.expect("INTO")?;
    let target = cursor.ident("a stream or table")?;
    let with = with_clause(cursor)?;
    if cursor.is_word("SELECT") {
        return Ok(Statement::InsertSelect { target, with, query: query(cursor)? });
    }
    let columns = if cursor.accept_symbol("(") {
        let columns = cursor.list(|c| c.ident("a column name"))?;
        cursor.expect_symbol(")")?;
        columns
    } else {
        Vec::new()
    };
    if !cursor.accept("VALUES") {
        return Err(cursor.expected(&["VALUES", "SELECT"]));
    }
    cursor.expect_symbol("(")?;
    let values = cursor.list(expression)?;
    cursor.expect_symbol(")")?;
    Ok(Statement::InsertValues { target, columns, values })
}

fn drop_statement(cursor: &mut Cursor) -> Result<Statement> {
    let start = cursor.start();
    cursor.expect("DROP")?;
    if cursor.accept("TYPE") {
        let if_exists = cursor.accept_all(&["IF", "EXISTS"]);
        return Ok(Statement::DropType { name: cursor.ident("a type name")?, if_exists });
    }
    if cursor.accept("CONNECTOR") {
        let span = cursor.since(start);
        return Err(cursor.unsupported("DROP CONNECTOR (use Connect's REST API)", span));
    }
    let kind = source_kind(cursor)?;
    let if_exists = cursor.accept_all(&["IF", "EXISTS"]);
    let name = cursor.ident("a name")?;
    let delete_topic = cursor.accept_all(&["DELETE", "TOPIC"]);
    Ok(Statement::Drop { kind, if_exists, name, delete_topic })
}

fn describe(cursor: &mut Cursor) -> Result<Statement> {
    cursor.take();
    for (word, kind) in [("STREAMS", SourceKind::Stream), ("TABLES", SourceKind::Table)] {
        if cursor.accept(word) {
            return Ok(Statement::DescribeAll { kind, extended: cursor.accept("EXTENDED") });
        }
    }
    if cursor.is_word("FUNCTION") && !cursor.is_symbol_ahead(1, ";") {
        cursor.take();
        let name = match &cursor.peek().kind {
            TokenKind::Text(text) => Ident { name: text.to_uppercase(), span: cursor.take().span },
            _ => cursor.field_name()?,
        };
        return Ok(Statement::DescribeFunction { name });
    }
    if cursor.is_word("CONNECTOR") && !cursor.is_symbol_ahead(1, ";") {
        let span = cursor.peek().span;
        return Err(cursor.unsupported("DESCRIBE CONNECTOR (use Connect's REST API)", span));
    }
    cursor.accept("EXTENDED");
    let name = cursor.ident("a stream, a table or FUNCTION")?;
    Ok(Statement::Describe { name, extended: cursor.accept("EXTENDED") })
}

fn explain(cursor: &mut Cursor) -> Result<Statement> {
    cursor.expect("EXPLAIN")?;
    let start = cursor.start();
    if ["SELECT", "CREATE", "INSERT"].iter().any(|word| cursor.is_word(word)) {
        let statement = read(cursor)?;
        let span = cursor.since(start);
        return Ok(Statement::Explain { statement: Box::new(Parsed { statement, span }) });
    }
    Ok(Statement::ExplainQuery { id: cursor.ident("a statement or the id of a query")? })
}

fn show(cursor: &mut Cursor) -> Result<Statement> {
    cursor.take();
    let start = cursor.start();
    let all = cursor.accept("ALL");
    if all && !cursor.is_word("TOPICS") {
        return Err(cursor.expected(&["TOPICS"]));
    }
    let words =
        ["STREAMS", "TABLES", "TOPICS", "QUERIES", "FUNCTIONS", "PROPERTIES", "TYPES", "VARIABLES"];
    let Some(word) = words.into_iter().find(|word| cursor.accept(word)) else {
        if ["CONNECTOR", "CONNECTORS", "SOURCE", "SINK"].iter().any(|w| cursor.is_word(w)) {
            let span = cursor.since(start).to(cursor.peek().span);
            return Err(cursor.unsupported("SHOW CONNECTORS (use Connect's REST API)", span));
        }
        return Err(cursor.expected(&words));
    };
    let extendable = matches!(word, "STREAMS" | "TABLES" | "TOPICS" | "QUERIES");
    let extended = extendable && cursor.accept("EXTENDED");
    Ok(Statement::Show(match word {
        "STREAMS" => Show::Streams { extended },
        "TABLES" => Show::Tables { extended },
        "TOPICS" => Show::Topics { all, extended },
        "QUERIES" => Show::Queries { extended },
        "FUNCTIONS" => Show::Functions,
        "PROPERTIES" => Show::Properties,
        "TYPES" => Show::Types,
        _ => Show::Variables,
    }))
}

fn print(cursor: &mut Cursor) -> Result<Statement> {
    cursor.expect("PRINT")?;
    let topic = topic_name(cursor)?;
    let mut print = Print { topic, from_beginning: false, interval: None, limit: None };
    if cursor.accept_all(&["FROM", "BEGINNING"]) {
        print.from_beginning = true;
    }
    if cursor.accept("INTERVAL") || cursor.accept("SAMPLE") {
        print.interval = Some(cursor.unsigned("a number")?);
    }
    if cursor.accept("LIMIT") {
        print.limit = Some(cursor.unsigned("a number of records")?);
    }
    Ok(Statement::Print(print))
}

/// A topic's name: quoted in any way, or a bare word with the case it is written in. Dashes and
/// dots may stand in the middle.
fn topic_name(cursor: &mut Cursor) -> Result<Ident> {
    if let TokenKind::Text(name) | TokenKind::Quoted(name) = &cursor.peek().kind {
        let name = name.clone();
        return Ok(Ident { name, span: cursor.take().span });
    }
    let start = cursor.start();
    let mut name = String::new();
    let mut end = start;
    while cursor.start() == end || name.is_empty() {
        let part = match &cursor.peek().kind {
            TokenKind::Word(w) | TokenKind::Integer(w) | TokenKind::Decimal(w) => w.clone(),
            TokenKind::Symbol(s @ ("-" | ".")) if !name.is_empty() => (*s).to_owned(),
            _ => break,
        };
        name.push_str(&part);
        end = cursor.take().span.end;
    }
    if name.is_empty() {
        return Err(cursor.expected(&["the name of a topic"]));
    }
    Ok(Ident { name, span: cursor.since(start) })
}

fn control(cursor: &mut Cursor) -> Result<Option<Ident>> {
    cursor.take();
    if cursor.accept("ALL") {
        return Ok(None);
    }
    cursor.ident("the id of a query or ALL").map(Some)
}

fn setting(cursor: &mut Cursor) -> Result<Statement> {
    let word = cursor.field_name()?.name;
    let define = word.ends_with("DEFINE");
    let name = match &cursor.peek().kind {
        TokenKind::Text(text) if !define => {
            let text = text.clone();
            cursor.take();
            text
        }
        TokenKind::Word(text) if define => {
            let text = text.clone();
            cursor.take();
            text
        }
        _ if define => return Err(cursor.expected(&["a variable's name"])),
        _ => return Err(cursor.expected(&["a property's name in quotes"])),
    };
    let value = |cursor: &mut Cursor| {
        cursor.expect_symbol("=")?;
        cursor.text("a value in quotes")
    };
    Ok(match word.as_str() {
        "SET" => Statement::Set { name, value: value(cursor)? },
        "DEFINE" => Statement::Define { name, value: value(cursor)? },
        "UNSET" => Statement::Unset { name },
        _ => Statement::Undefine { name },
    })
}
