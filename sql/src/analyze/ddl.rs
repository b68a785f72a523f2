//! CREATE STREAM and CREATE TABLE: sources over topics that are there, and sinks of queries.

use super::lower::resolve_type;
use super::with::{DefaultFormats, TopicWish, With};
use crate::catalog::Catalog;
use crate::catalog::format::{Format, FormatName};
use crate::catalog::source::{Column, PSEUDO, Source, TimestampColumn};
use crate::error::{Span, SqlError};
use crate::parser::ast::{ColumnRole, CreateAs, CreateSource, Property, SourceKind};
use crate::plan::logical::QueryPlan;
use crate::types::{SqlType, quoted};

type Result<T> = std::result::Result<T, SqlError>;

/// Columns that the schema registry knows, for a source that states none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inferred {
    pub(crate) key: Vec<Column>,
    pub(crate) value: Vec<Column>,
}

/// A source with what its statement wants of the topic.
#[derive(Clone, Debug)]
pub(crate) struct NewSource {
    pub(crate) source: Source,
    pub(crate) topic: TopicWish,
}

/// Which columns a statement leaves to the registry: those of the key, those of the value.
pub(crate) fn infers(create: &CreateSource, defaults: &DefaultFormats) -> Result<(bool, bool)> {
    let with = With::new(&create.with)?;
    let (key, value) = formats(&with, defaults)?;
    let has = |key: bool| {
        create
            .columns
            .iter()
            .any(|c| key == matches!(c.role, ColumnRole::Key | ColumnRole::PrimaryKey))
    };
    let infers = |format: &Format, stated: bool| format.name == FormatName::Avro && !stated;
    Ok((infers(&key, has(true)), infers(&value, has(false))))
}

pub(crate) fn topic_of(create: &CreateSource) -> Result<String> {
    let with = With::new(&create.with)?;
    Ok(with.topic()?.name.unwrap_or_else(|| create.name.name.clone()))
}

fn formats(with: &With<'_>, defaults: &DefaultFormats) -> Result<(Format, Format)> {
    let key = match (with.key_format()?, &defaults.key) {
        (Some(format), _) => format,
        (None, Some(name)) => with.key_options(FormatName::parse(name)?)?,
        (None, None) => with.key_options(FormatName::Kafka)?,
    };
    let value = match (with.value_format()?, &defaults.value) {
        (Some(format), _) => format,
        (None, Some(name)) => with.value_options(FormatName::parse(name)?)?,
        (None, None) => {
            return Err(SqlError::statement(
                "Statement is missing the 'VALUE_FORMAT' property from the WITH clause. Either \
                 provide one or set a default via the 'ksql.persistence.default.format.value' \
                 config.",
            ));
        }
    };
    Ok((key, value))
}

/// CREATE STREAM|TABLE name (columns) WITH (..)
pub(crate) fn create_source(
    create: &CreateSource,
    catalog: &Catalog,
    inferred: Inferred,
    defaults: &DefaultFormats,
    statement: &str,
) -> Result<NewSource> {
    let with = With::new(&create.with)?;
    with.refuse(&["QUERY_ID"], "is for INSERT INTO only")?;
    let (key_format, value_format) = formats(&with, defaults)?;
    let (mut key, mut value) = columns(create, catalog)?;
    if key.is_empty() {
        key = inferred.key;
    }
    if value.is_empty() {
        value = inferred.value;
    }
    check_columns(&key, &value, create.name.span)?;
    if create.kind == SourceKind::Table && key.is_empty() {
        let message = "Tables require a PRIMARY KEY. Please define the PRIMARY KEY.";
        return Err(SqlError::statement(message).at(create.name.span));
    }
    if key.is_empty() && value.is_empty() {
        let message = "The statement does not define any columns.";
        return Err(SqlError::statement(message).at(create.name.span));
    }
    let mut topic = with.topic()?;
    let topic_name = topic.name.get_or_insert_with(|| create.name.name.clone()).clone();
    let window = with.window()?;
    if window.is_some() && key.is_empty() {
        let message = "Windowed sources require a key column.";
        return Err(SqlError::statement(message).at(create.name.span));
    }
    let source = Source {
        name: create.name.name.clone(),
        kind: create.kind,
        topic: topic_name,
        key,
        value,
        key_format,
        value_format,
        window,
        timestamp: with.timestamp()?,
        read_only: create.read_only,
        created_by: None,
        statement: statement.to_owned(),
    };
    check_wrapping(&with, &source)?;
    check_source(&source, with.span("TIMESTAMP"))?;
    Ok(NewSource { source, topic })
}

fn check_wrapping(with: &With<'_>, source: &Source) -> Result<()> {
    match with.span("WRAP_SINGLE_VALUE") {
        Some(span) if source.value.len() != 1 => {
            let message = "'WRAP_SINGLE_VALUE' is only valid for single-field value schemas";
            Err(SqlError::statement(message).at(span))
        }
        _ => Ok(()),
    }
}

fn columns(create: &CreateSource, catalog: &Catalog) -> Result<(Vec<Column>, Vec<Column>)> {
    let (mut key, mut value) = (Vec::new(), Vec::new());
    for definition in &create.columns {
        let name = &definition.name;
        let column = Column::new(&name.name, resolve_type(&definition.ty, catalog)?);
        match (&definition.role, create.kind) {
            (ColumnRole::Value, _) => value.push(column),
            (ColumnRole::Key, SourceKind::Stream) | (ColumnRole::PrimaryKey, SourceKind::Table) => {
                key.push(column);
            }
            (ColumnRole::Headers(_), _) => {
                let message = "HEADERS columns are not supported";
                return Err(SqlError::unsupported(message).at(name.span));
            }
            (role, _) => {
                let (is, wanted, kind) = match role {
                    ColumnRole::Key => ("KEY", "PRIMARY KEY", "tables"),
                    _ => ("PRIMARY KEY", "KEY", "streams"),
                };
                let message = format!(
                    "Column {} is a '{is}' column: please use '{wanted}' for {kind}.\nTables have \
                     PRIMARY KEYs, which are unique and NON NULL.\nStreams have KEYs, which have \
                     no uniqueness or NON NULL constraints.",
                    quoted(&name.name)
                );
                return Err(SqlError::statement(message).at(name.span));
            }
        }
    }
    Ok((key, value))
}

fn check_columns(key: &[Column], value: &[Column], span: Span) -> Result<()> {
    let all: Vec<&Column> = key.iter().chain(value).collect();
    for (i, column) in all.iter().enumerate() {
        if PSEUDO.contains(&column.name.as_str()) {
            let message = format!(
                "'{}' is a reserved column name. You cannot use it as a name for a column",
                column.name
            );
            return Err(SqlError::statement(message).at(span));
        }
        if all[..i].iter().any(|other| other.name == column.name) {
            let message = format!("Duplicate column names: {}", quoted(&column.name));
            return Err(SqlError::statement(message).at(span));
        }
    }
    Ok(())
}

fn check_source(source: &Source, timestamp_span: Option<Span>) -> Result<()> {
    for column in &source.key {
        if has_map(&column.ty) {
            let message = format!(
                "Map keys, including types that contain maps, are not supported as they may lead \
                 to unexpected behavior due to inconsistent serialization. Key column name: `{}`. \
                 Column type: {}. See https://github.com/confluentinc/ksql/issues/6621 for more.",
                column.name, column.ty
            );
            return Err(SqlError::statement(message));
        }
    }
    let registry_like = matches!(source.value_format.name, FormatName::Json | FormatName::Avro);
    if registry_like && source.value.iter().any(|c| has_other_map_key(&c.ty)) {
        let message =
            format!("{} only supports MAP types with STRING keys", source.value_format.name);
        return Err(SqlError::statement(message));
    }
    let listed = |columns: &[Column]| -> Vec<(String, SqlType)> {
        columns.iter().map(|c| (c.name.clone(), c.ty.clone())).collect()
    };
    source.key_format.check("Key", &listed(&source.key))?;
    source.value_format.check("Value", &listed(&source.value))?;
    if let Some(timestamp) = &source.timestamp {
        check_timestamp(source, timestamp).map_err(|e| match timestamp_span {
            Some(span) => e.at(span),
            None => e,
        })?;
    }
    Ok(())
}

fn has_map(ty: &SqlType) -> bool {
    match ty {
        SqlType::Map(..) => true,
        SqlType::Array(item) => has_map(item),
        SqlType::Struct(fields) => fields.iter().any(|(_, ty)| has_map(ty)),
        _ => false,
    }
}

fn has_other_map_key(ty: &SqlType) -> bool {
    match ty {
        SqlType::Map(key, value) => **key != SqlType::String || has_other_map_key(value),
        SqlType::Array(item) => has_other_map_key(item),
        SqlType::Struct(fields) => fields.iter().any(|(_, ty)| has_other_map_key(ty)),
        _ => false,
    }
}

fn check_timestamp(source: &Source, timestamp: &TimestampColumn) -> Result<()> {
    let name = &timestamp.column;
    let Some(column) = source.column(name) else {
        return Err(SqlError::statement(format!(
            "The TIMESTAMP column set in the WITH clause does not exist in the schema: '{name}'"
        )));
    };
    match (&column.ty, &timestamp.format) {
        (SqlType::String, Some(_)) | (SqlType::Bigint | SqlType::Timestamp, None) => Ok(()),
        (SqlType::String, None) => Err(SqlError::statement(format!(
            "A String timestamp field has been specified without also specifying the \
             timestamp_format (column {name})"
        ))),
        (_, Some(_)) => Err(SqlError::statement(format!(
            "TIMESTAMP_FORMAT set, but column `{name}` is not of type STRING"
        ))),
        (other, None) => Err(SqlError::statement(format!(
            "Timestamp column, `{name}`, should be LONG(INT64), TIMESTAMP, or a String with a \
             timestamp_format specified, not {other}"
        ))),
    }
}

/// The sink of CREATE STREAM|TABLE name AS SELECT ..
pub(crate) fn create_sink(
    create: &CreateAs,
    plan: &QueryPlan,
    defaults: &DefaultFormats,
    (query_id, statement): (&str, &str),
) -> Result<NewSource> {
    let kind = plan.root.rows.kind;
    if kind != create.kind {
        let (wrong, right) = match kind {
            SourceKind::Table => ("STREAM", "TABLE"),
            SourceKind::Stream => ("TABLE", "STREAM"),
        };
        let message = format!(
            "Invalid result type. Your SELECT query produces a {right}. Please use CREATE {right} \
             AS SELECT statement instead of CREATE {wrong} AS SELECT."
        );
        return Err(SqlError::statement(message).at(create.name.span));
    }
    let mut sink = sink_source(&create.name.name, &create.with, plan, defaults)?;
    sink.source.created_by = Some(query_id.to_owned());
    sink.source.statement = statement.to_owned();
    Ok(sink)
}

fn sink_source(
    name: &str,
    properties: &[Property],
    plan: &QueryPlan,
    defaults: &DefaultFormats,
) -> Result<NewSource> {
    let with = With::new(properties)?;
    with.refuse(&["WINDOW_TYPE", "WINDOW_SIZE"], "is for sources over a topic, not for a query")?;
    with.refuse(&["QUERY_ID"], "is for INSERT INTO only")?;
    let first = plan.sources.first().expect("a query reads at least one source");
    let rows = &plan.root.rows;
    let key_format = match (with.key_format()?, &defaults.key) {
        (Some(format), _) => format,
        _ if rows.key.is_empty() => Format { wrapped: false, ..Format::new(FormatName::None) },
        (None, _) if first.key_format.name != FormatName::None => first.key_format.clone(),
        (None, Some(name)) => with.key_options(FormatName::parse(name)?)?,
        (None, None) => with.key_options(FormatName::Kafka)?,
    };
    let value_format = match with.value_format()? {
        Some(format) => format,
        None => inherited(&with, first)?,
    };
    let mut topic = with.topic()?;
    let topic_name = topic.name.get_or_insert_with(|| name.to_owned()).clone();
    let source = Source {
        name: name.to_owned(),
        kind: rows.kind,
        topic: topic_name,
        key: rows.key.clone(),
        value: rows.value.clone(),
        key_format,
        value_format,
        window: plan.window.clone(),
        timestamp: with.timestamp()?,
        read_only: false,
        created_by: None,
        statement: String::new(),
    };
    check_wrapping(&with, &source)?;
    check_source(&source, with.span("TIMESTAMP"))?;
    Ok(NewSource { source, topic })
}

/// The value format of the first source, with the options that the clause changes.
fn inherited(with: &With<'_>, first: &Source) -> Result<Format> {
    let mut format = with.value_options(first.value_format.name)?;
    if with.span("VALUE_DELIMITER").is_none() {
        format.delimiter = first.value_format.delimiter;
    }
    Ok(format)
}

/// Whether a query's columns fit those of the stream that it is to write, by position.
pub(crate) fn check_insert(target: &Source, plan: &QueryPlan) -> Result<()> {
    if target.kind == SourceKind::Table {
        return Err(SqlError::statement(format!(
            "INSERT INTO can only be used to insert into a stream. {} is a table.",
            target.name
        )));
    }
    if plan.root.rows.kind == SourceKind::Table {
        return Err(SqlError::statement(
            "Incompatible data type: a table's changes cannot be inserted into a stream",
        ));
    }
    if target.read_only {
        return Err(SqlError::statement(format!(
            "Cannot insert into read-only source: {}",
            target.name
        )));
    }
    let rows = &plan.root.rows;
    let fits = |a: &[Column], b: &[Column]| {
        a.len() == b.len()
            && a.iter().zip(b).all(|(a, b)| a.name == b.name && a.ty.widens_to(&b.ty))
    };
    if fits(&rows.key, &target.key) && fits(&rows.value, &target.value) {
        return Ok(());
    }
    let text = |key: &[Column], value: &[Column]| {
        let key = key.iter().map(|c| format!("{} {} KEY", quoted(&c.name), c.ty));
        let value = value.iter().map(|c| format!("{} {}", quoted(&c.name), c.ty));
        key.chain(value).collect::<Vec<_>>().join(", ")
    };
    Err(SqlError::statement(format!(
        "Incompatible schema between results and sink.\nResult schema is {}\nSink schema is {}",
        text(&rows.key, &rows.value),
        text(&target.key, &target.value)
    )))
}
