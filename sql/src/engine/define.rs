//! Statements that change the catalog: checked, carried out, written to the command log.

use std::collections::BTreeMap;
use std::sync::Arc;

use streams::StartFrom;

use super::bring_up::{Bring, bring_up};
use super::topics::SinkKind;
use super::{Outcome, Session, Shared, close, entity};
use crate::analyze::with::DefaultFormats;
use crate::catalog::Catalog;
use crate::catalog::source::Source;
use crate::command_log::{Command, CommandLog};
use crate::error::SqlError;
use crate::parser::ast::{Ident, SourceKind, Statement};
use crate::plan::statement::{self, Change, Definition, Environment, PersistentQuery, identifier};
use crate::records::register_declared;

type Result<T> = std::result::Result<T, SqlError>;

/// Carries out a definition; `None` for any other statement.
pub(super) async fn define(
    shared: &Arc<Shared>,
    statement: &Statement,
    text: &str,
    session: &Session,
) -> Result<Option<Outcome>> {
    let changes = matches!(
        statement,
        Statement::CreateSource(_)
            | Statement::CreateAs(_)
            | Statement::CreateType { .. }
            | Statement::InsertSelect { .. }
            | Statement::Drop { .. }
            | Statement::DropType { .. }
            | Statement::Terminate { .. }
    );
    if !changes {
        return Ok(None);
    }
    let log = shared.log.lock().await;
    let work = Definer { shared, log: &log, text, session };
    if let Statement::Terminate { id } = statement {
        return work.terminate(id.as_ref()).await.map(Some);
    }
    let definition = checked(shared, statement, text, session.default_formats()).await?;
    match definition {
        Some(definition) => work.apply(definition).await.map(Some),
        None => Ok(None),
    }
}

/// What the statement means now. The registry may be asked, so that a thread of its own does it.
pub(super) async fn checked(
    shared: &Arc<Shared>,
    statement: &Statement,
    text: &str,
    defaults: DefaultFormats,
) -> Result<Option<Definition>> {
    let (catalog, schemas) = (shared.catalog(), Arc::clone(&shared.schemas));
    let (statement, text) = (statement.clone(), text.to_owned());
    let check = tokio::task::spawn_blocking(move || {
        let sequence = catalog.sequence();
        let environment = Environment { catalog: &catalog, schemas: &schemas, defaults, sequence };
        statement::define(&statement, &text, &environment)
    });
    check.await.map_err(SqlError::server)?
}

/// Whether a query of its own keeps the source's rows readable: CREATE SOURCE TABLE.
pub(super) fn is_kept(source: &Source) -> bool {
    source.read_only && source.kind == SourceKind::Table
}

/// The id of the query that keeps a CREATE SOURCE TABLE. Command logs that name none have tables
/// from when ids were made of names alone.
pub(crate) fn source_table_id(source: &Source) -> String {
    source.created_by.clone().unwrap_or_else(|| format!("CST_{}", identifier(&source.name)))
}

struct Definer<'a> {
    shared: &'a Arc<Shared>,
    log: &'a CommandLog,
    text: &'a str,
    session: &'a Session,
}

impl Definer<'_> {
    async fn apply(&self, definition: Definition) -> Result<Outcome> {
        match definition {
            Definition::Nothing(message) => {
                Ok(Outcome::Entity(entity::nothing(self.text, &message)))
            }
            Definition::Type { name, ty } => {
                let message =
                    format!("Registered custom type with name '{name}' and SQL type {ty}");
                let command = format!("type/{name}/create");
                self.write(Change::CreateType { name, ty }).await?;
                Ok(self.shared.done(self.text, &command, &message))
            }
            Definition::DropType { name } => {
                let message = format!("Dropped type '{name}'");
                let command = format!("type/{name}/drop");
                self.write(Change::DropType { name }).await?;
                Ok(self.shared.done(self.text, &command, &message))
            }
            Definition::Source(new) => {
                self.shared.topics.ensure_source(&new.source.topic, &new.topic).await?;
                let (schemas, source) = (Arc::clone(&self.shared.schemas), new.source.clone());
                let register = move || register_declared(&source, schemas.as_ref());
                tokio::task::spawn_blocking(register).await.map_err(SqlError::server)??;
                self.source(new.source).await
            }
            Definition::Query(query, new) => {
                let wish = new.map(|n| n.topic).unwrap_or_default();
                self.query(*query, &wish).await
            }
            Definition::DropSource { name, kind, queries, delete_topic } => {
                self.drop_source(&name, kind, queries, delete_topic).await
            }
        }
    }

    async fn source(&self, mut source: Source) -> Result<Outcome> {
        let kind = source.kind;
        if is_kept(&source) {
            let sequence = self.shared.catalog().sequence();
            source.created_by = Some(format!("CST_{}_{sequence}", identifier(&source.name)));
        }
        let kept = is_kept(&source).then(|| Arc::new(source.clone()));
        let command = format!("{}/{}/create", kind.lower(), crate::types::quoted(&source.name));
        self.write(Change::CreateSource { source: Box::new(source) }).await?;
        if let Some(source) = kept
            && let Err(error) = bring_up(self.shared, Bring::SourceTable(source)).await
        {
            let message = format!("Table was created, but its rows are not kept: {error}");
            return Err(SqlError::new(error.kind, message));
        }
        let word = match kind {
            SourceKind::Stream => "Stream",
            SourceKind::Table => "Table",
        };
        Ok(self.shared.done(self.text, &command, &format!("{word} created")))
    }

    async fn query(
        &self,
        query: PersistentQuery,
        wish: &crate::analyze::with::TopicWish,
    ) -> Result<Outcome> {
        let shared = self.shared;
        let query = Arc::new(query);
        let start = self.session.start();
        let sink = &query.sink;
        let result = SinkKind {
            first_source: query.plan.sources.first().map_or("", |s| s.topic.as_str()),
            is_table: sink.kind == SourceKind::Table,
            windows_ms: query.plan.windows.map(|windows| windows.retention_ms()),
        };
        shared.topics.ensure_sink(&sink.topic, wish, result).await?;
        // Built before it is logged: what cannot be built is refused, and not kept.
        let bring = Bring::Query(Arc::clone(&query), start);
        bring.topology(shared).await?;
        let change = Change::CreateQuery {
            id: query.id.clone(),
            sink: Box::new(sink.clone()),
            owns_sink: query.owns_sink,
            from_earliest: start == StartFrom::Earliest,
        };
        let kind = sink.kind.lower();
        let command = if query.owns_sink {
            format!("{kind}/{}/create", crate::types::quoted(&sink.name))
        } else {
            format!("{kind}/{}/create", query.id)
        };
        self.write(change).await?;
        let mut catalog = (*shared.catalog()).clone();
        catalog.add_query(query.entry());
        shared.set_catalog(catalog);
        if let Err(error) = bring_up(shared, bring).await {
            let message = format!("Query {} was created, but does not run: {error}", query.id);
            return Err(SqlError::new(error.kind, message));
        }
        let sequence = shared.catalog().sequence();
        Ok(Outcome::Entity(entity::query_status(self.text, &command, &query.id, sequence)))
    }

    async fn drop_source(
        &self,
        name: &str,
        kind: SourceKind,
        mut queries: Vec<String>,
        delete_topic: Option<String>,
    ) -> Result<Outcome> {
        let kept = self.shared.catalog().find(name).filter(|s| is_kept(s)).cloned();
        for id in &queries {
            self.write(Change::Terminate { id: id.clone() }).await?;
        }
        self.write(Change::DropSource { name: name.to_owned() }).await?;
        queries.extend(kept.map(|source| source_table_id(&source)));
        for id in &queries {
            stop_query(self.shared, id).await?;
        }
        if let Some(topic) = delete_topic {
            self.shared.topics.delete(&[topic]).await?;
        }
        let command = format!("{}/{}/drop", kind.lower(), crate::types::quoted(name));
        let message = format!("Source {} was dropped.", crate::types::quoted(name));
        Ok(self.shared.done(self.text, &command, &message))
    }

    async fn terminate(&self, id: Option<&Ident>) -> Result<Outcome> {
        let catalog = self.shared.catalog();
        let ids: Vec<String> = match id {
            None => catalog.queries().map(|q| q.id.clone()).collect(),
            Some(id) => {
                if let Some(token) = self.shared.transient().remove(&id.name) {
                    token.cancel();
                    let command = format!("terminate/{}/execute", id.name);
                    return Ok(self.shared.done(self.text, &command, "Query terminated."));
                }
                vec![catalog.query(&id.name).map_err(|e| e.at(id.span))?.id.clone()]
            }
        };
        for id in &ids {
            self.write(Change::Terminate { id: id.clone() }).await?;
            stop_query(self.shared, id).await?;
        }
        let shown = id.map_or("CLUSTER", |id| id.name.as_str());
        let command = format!("terminate/{shown}/execute");
        Ok(self.shared.done(self.text, &command, "Query terminated."))
    }

    /// Logs a change, and then makes it in the catalog.
    async fn write(&self, change: Change) -> Result<()> {
        let mut properties = BTreeMap::new();
        let formats = self.session.default_formats();
        for (name, value) in [("key", formats.key), ("value", formats.value)] {
            if let Some(value) = value {
                properties.insert(format!("ksql.persistence.default.format.{name}"), value);
            }
        }
        let command = Command { statement: self.text.to_owned(), change, properties };
        self.log.append(&command).await?;
        let mut catalog = (*self.shared.catalog()).clone();
        change_catalog(&mut catalog, &command.change, &command.statement, &[]);
        self.shared.set_catalog(catalog);
        Ok(())
    }
}

/// Makes a logged change in the catalog. `reads` are the sources of a new query; when empty,
/// the caller adds the query itself.
pub(super) fn change_catalog(
    catalog: &mut Catalog,
    change: &Change,
    statement: &str,
    reads: &[String],
) {
    catalog.set_sequence(catalog.sequence() + 1);
    match change {
        Change::CreateSource { source } => catalog.add_source((**source).clone()),
        Change::CreateQuery { id, sink, owns_sink, .. } => {
            if *owns_sink {
                catalog.add_source((**sink).clone());
            }
            catalog.add_query(crate::catalog::QueryEntry {
                id: id.clone(),
                statement: statement.to_owned(),
                sink: sink.name.clone(),
                sink_topic: sink.topic.clone(),
                reads: reads.to_vec(),
                owns_sink: *owns_sink,
            });
        }
        Change::CreateType { name, ty } => catalog.add_type(name.clone(), ty.clone()),
        Change::DropType { name } => {
            catalog.remove_type(name);
        }
        Change::DropSource { name } => catalog.remove_source(name),
        Change::Terminate { id } => {
            catalog.remove_query(id);
        }
    }
}

/// Ends a query for good: its application, its internal topics, its state.
pub(super) async fn stop_query(shared: &Arc<Shared>, id: &str) -> Result<()> {
    let running = shared.running().shift_remove(id);
    if let Some(running) = running {
        close(running).await;
    }
    let application = shared.runtime.application_id(id);
    let topics = shared.topics.starting_with(&format!("{application}-")).await?;
    shared.topics.delete(&topics).await?;
    let groups = shared.topics.admin.delete_groups(std::slice::from_ref(&application)).await;
    if let Err(error) = groups {
        tracing::debug!(%error, group = %application, "the group of a query stays behind");
    }
    let runtime = shared.runtime.clone();
    let id = id.to_owned();
    tokio::task::spawn_blocking(move || runtime.forget(&id)).await.map_err(SqlError::server)
}
