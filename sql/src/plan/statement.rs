//! One statement against the catalog: what it would change. Nothing is done yet.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::logical::QueryPlan;
use crate::analyze::ddl::{self, Inferred, NewSource};
use crate::analyze::lower::resolve_type;
use crate::analyze::select::{self, Purpose};
use crate::analyze::with::{DefaultFormats, With};
use crate::catalog::source::{Column, Source};
use crate::catalog::{Catalog, QueryEntry};
use crate::error::SqlError;
use crate::parser::ast::{CreateAs, CreateSource, Ident, Property, Query, SourceKind, Statement};
use crate::records::Schemas;
use crate::types::{SqlType, column_name};

type Result<T> = std::result::Result<T, SqlError>;

/// A query that runs until it is terminated.
#[derive(Clone, Debug)]
pub(crate) struct PersistentQuery {
    pub(crate) id: String,
    pub(crate) statement: String,
    pub(crate) plan: QueryPlan,
    pub(crate) sink: Source,
    pub(crate) owns_sink: bool,
}

impl PersistentQuery {
    pub(crate) fn entry(&self) -> QueryEntry {
        QueryEntry {
            id: self.id.clone(),
            statement: self.statement.clone(),
            sink: self.sink.name.clone(),
            sink_topic: self.sink.topic.clone(),
            reads: self.plan.sources.iter().map(|s| s.name.clone()).collect(),
            owns_sink: self.owns_sink,
        }
    }
}

/// What a statement does to the catalog.
#[derive(Clone, Debug)]
pub(crate) enum Definition {
    Source(NewSource),
    /// A query, and its sink if the statement makes one.
    Query(Box<PersistentQuery>, Option<NewSource>),
    Type {
        name: String,
        ty: SqlType,
    },
    DropType {
        name: String,
    },
    DropSource {
        name: String,
        kind: SourceKind,
        queries: Vec<String>,
        delete_topic: Option<String>,
    },
    /// Nothing to do: IF [NOT] EXISTS.
    Nothing(String),
}

/// What is around a statement.
pub(crate) struct Environment<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) schemas: &'a Arc<dyn Schemas>,
    pub(crate) defaults: DefaultFormats,
    /// The number in the id of a new query.
    pub(crate) sequence: u64,
}

/// Checks a statement that defines or drops something; `None` for all others. May ask the
/// registry: blocks.
pub(crate) fn define(
    statement: &Statement,
    text: &str,
    environment: &Environment<'_>,
) -> Result<Option<Definition>> {
    let catalog = environment.catalog;
    Ok(Some(match statement {
        Statement::CreateSource(create) => create_source(create, text, environment)?,
        Statement::CreateAs(create) => create_as(create, text, environment)?,
        Statement::InsertSelect { target, with, query } => {
            insert_select(target, with, query, text, environment)?
        }
        Statement::CreateType { name, if_not_exists, ty } => {
            let ty = resolve_type(ty, catalog)?;
            match catalog.custom_type(&name.name) {
                Some(_) if *if_not_exists => {
                    Definition::Nothing(format!("{} is already registered", name.name))
                }
                Some(_) => {
                    let message =
                        format!("Cannot register custom type {}: it exists already", name.name);
                    return Err(SqlError::statement(message).at(name.span));
                }
                None => Definition::Type { name: name.name.clone(), ty },
            }
        }
        Statement::DropType { name, if_exists } => match catalog.custom_type(&name.name) {
            Some(_) => Definition::DropType { name: name.name.clone() },
            None if *if_exists => Definition::Nothing(format!("Type {} does not exist", name.name)),
            None => {
                let message = format!("Type {} does not exist", name.name);
                return Err(SqlError::statement(message).at(name.span));
            }
        },
        Statement::Drop { kind, if_exists, name, delete_topic } => {
            drop_source(catalog, *kind, name, (*if_exists, *delete_topic))?
        }
        _ => return Ok(None),
    }))
}

/// Whether the name is free: `Some` = nothing is to be done.
fn taken(
    catalog: &Catalog,
    name: &Ident,
    kind: SourceKind,
    (or_replace, if_not_exists): (bool, bool),
) -> Result<Option<Definition>> {
    if or_replace {
        let message = "CREATE OR REPLACE is not supported; DROP it first, or use IF NOT EXISTS";
        return Err(SqlError::unsupported(message).at(name.span));
    }
    match catalog.find(&name.name) {
        None => Ok(None),
        Some(found) if if_not_exists => Ok(Some(Definition::Nothing(format!(
            "Cannot add {} `{}`: A {} with the same name already exists.",
            kind.lower(),
            name.name,
            found.kind.lower()
        )))),
        Some(found) => {
            let message = format!(
                "Cannot add {} '{}': A {} with the same name already exists",
                kind.lower(),
                name.name,
                found.kind.lower()
            );
            Err(SqlError::statement(message).at(name.span))
        }
    }
}

fn create_source(
    create: &CreateSource,
    text: &str,
    environment: &Environment<'_>,
) -> Result<Definition> {
    let flags = (create.or_replace, create.if_not_exists);
    if let Some(nothing) = taken(environment.catalog, &create.name, create.kind, flags)? {
        return Ok(nothing);
    }
    let (key, value) = ddl::infers(create, &environment.defaults)?;
    let mut inferred = Inferred::default();
    if key || value {
        let topic = ddl::topic_of(create)?;
        if value {
            inferred.value =
                columns_of(&format!("{topic}-value"), environment)?.ok_or_else(|| {
                    let message = format!(
                        "Schema for message values on topic '{topic}' does not exist in the Schema \
                     Registry. Subject: {topic}-value\nEither register it there or name the \
                     columns in the statement."
                    );
                    SqlError::statement(message).at(create.name.span)
                })?;
        }
        if key {
            inferred.key = columns_of(&format!("{topic}-key"), environment)?.unwrap_or_default();
        }
    }
    let catalog = environment.catalog;
    ddl::create_source(create, catalog, inferred, &environment.defaults, text)
        .map(Definition::Source)
}

/// The columns of a subject's newest schema: the fields of a record, or one for anything else.
fn columns_of(subject: &str, environment: &Environment<'_>) -> Result<Option<Vec<Column>>> {
    let found = environment.schemas.latest(subject)?;
    let Some((_, schema)) = found else { return Ok(None) };
    let typed = schema
        .to_typed()
        .map_err(|e| SqlError::statement(format!("the schema of {subject} has no columns: {e}")))?;
    let key = subject.ends_with("-key");
    Ok(Some(match &typed.ty {
        formats::Type::Struct(fields) => fields
            .iter()
            .map(|f| Column::new(column_name(f), SqlType::from_typed(&f.schema.ty)))
            .collect(),
        other => {
            let name = if key { "ROWKEY" } else { "ROWVAL" };
            vec![Column::new(name, SqlType::from_typed(other))]
        }
    }))
}

fn create_as(create: &CreateAs, text: &str, environment: &Environment<'_>) -> Result<Definition> {
    let flags = (create.or_replace, create.if_not_exists);
    if let Some(nothing) = taken(environment.catalog, &create.name, create.kind, flags)? {
        return Ok(nothing);
    }
    let name = &create.name.name;
    let purpose = Purpose::Persistent { sink: name };
    let plan = select::plan(&create.query, environment.catalog, purpose)?;
    let prefix = match create.kind {
        SourceKind::Stream => "CSAS",
        SourceKind::Table => "CTAS",
    };
    let id = format!("{prefix}_{}_{}", identifier(name), environment.sequence);
    let sink = ddl::create_sink(create, &plan, &environment.defaults, (&id, text))?;
    let query = PersistentQuery {
        id,
        statement: text.to_owned(),
        plan,
        sink: sink.source.clone(),
        owns_sink: true,
    };
    Ok(Definition::Query(Box::new(query), Some(sink)))
}

/// A name as part of a query's id, which names topics and folders.
pub(crate) fn identifier(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

fn insert_select(
    target: &Ident,
    with: &[Property],
    query: &Query,
    text: &str,
    environment: &Environment<'_>,
) -> Result<Definition> {
    let catalog = environment.catalog;
    let sink = catalog.source(&target.name).map_err(|e| e.at(target.span))?;
    let purpose = Purpose::Persistent { sink: &target.name };
    let plan = select::plan(query, catalog, purpose)?;
    ddl::check_insert(sink, &plan).map_err(|e| e.at(target.span))?;
    let with = With::new(with)?;
    let id = match with.text("QUERY_ID")? {
        Some(id) => {
            let id = identifier(&id.to_uppercase());
            if catalog.query(&id).is_ok() {
                return Err(SqlError::statement(format!("Query ID '{id}' already exists.")));
            }
            id
        }
        None => format!("INSERTQUERY_{}", environment.sequence),
    };
    let query = PersistentQuery {
        id,
        statement: text.to_owned(),
        plan: widened(plan, sink),
        sink: (**sink).clone(),
        owns_sink: false,
    };
    Ok(Definition::Query(Box::new(query), None))
}

/// The last projection with the types of the stream that it is inserted into.
fn widened(mut plan: QueryPlan, sink: &Source) -> QueryPlan {
    use super::logical::{NamedExpr, Node, Rows, Step};
    use crate::analyze::coerce::coerce;
    use crate::analyze::lower::{Typed, column};
    let same = plan.root.rows.key == sink.key && plan.root.rows.value == sink.value;
    if same {
        return plan;
    }
    let widen = |from: &[Column], to: &[Column]| -> Vec<NamedExpr> {
        let pairs = from.iter().zip(to);
        pairs
            .filter_map(|(from, to)| {
                let typed = Typed::new(column(&from.name), from.ty.clone());
                let expr = coerce(typed, &to.ty).ok()?;
                Some(NamedExpr { name: to.name.clone(), ty: to.ty.clone(), expr })
            })
            .collect()
    };
    let key = widen(&plan.root.rows.key, &sink.key);
    let value = widen(&plan.root.rows.value, &sink.value);
    let rows = Rows {
        kind: plan.root.rows.kind,
        key: sink.key.clone(),
        windowed: plan.root.rows.windowed,
        value: sink.value.clone(),
    };
    plan.root = Node { step: Step::Project { input: plan.root.boxed(), key, value }, rows };
    plan
}

fn drop_source(
    catalog: &Catalog,
    kind: SourceKind,
    name: &Ident,
    (if_exists, delete_topic): (bool, bool),
) -> Result<Definition> {
    let Some(source) = catalog.find(&name.name) else {
        if if_exists {
            return Ok(Definition::Nothing(format!("Source {} does not exist.", name.name)));
        }
        return Err(catalog.source(&name.name).expect_err("it was not found").at(name.span));
    };
    let refuse = |message: String| Err(SqlError::statement(message).at(name.span));
    if source.kind != kind {
        return refuse(format!(
            "Incompatible data source type is {}, but statement was DROP {}",
            source.kind.word(),
            kind.word()
        ));
    }
    let readers: Vec<&str> = catalog.readers(&name.name).map(|q| q.id.as_str()).collect();
    let writers: Vec<&QueryEntry> = catalog.writers(&name.name).collect();
    let others: Vec<&str> =
        writers.iter().filter(|q| !q.owns_sink).map(|q| q.id.as_str()).collect();
    if !readers.is_empty() || !others.is_empty() {
        return refuse(format!(
            "Cannot drop {}.\nThe following queries read from this source: [{}].\nThe following \
             queries write into this source: [{}].\nYou need to terminate them before dropping {}.",
            name.name,
            readers.join(", "),
            others.join(", "),
            name.name
        ));
    }
    if delete_topic && source.read_only {
        return refuse(format!("Cannot delete topic for read-only source: {}", name.name));
    }
    let queries = writers.iter().map(|q| q.id.clone()).collect();
    let delete_topic = delete_topic.then(|| source.topic.clone());
    Ok(Definition::DropSource { name: name.name.clone(), kind, queries, delete_topic })
}

/// One entry of the command log: a change of the catalog as it was decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Change {
    CreateSource { source: Box<Source> },
    CreateQuery { id: String, sink: Box<Source>, owns_sink: bool, from_earliest: bool },
    CreateType { name: String, ty: SqlType },
    DropType { name: String },
    DropSource { name: String },
    Terminate { id: String },
}
