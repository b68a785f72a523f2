//! The statements of one request are tried in their order on a copy of the catalog before the
//! first of them is carried out, so that a mistake in the last one leaves nothing behind. What
//! only the cluster can refuse (a full disk, a registry's rules of compatibility) may still fail
//! half-way.

use std::collections::BTreeSet;
use std::sync::Arc;

use streams::StartFrom;

use super::define::change_catalog;
use super::{Session, Shared, describe, execute};
use crate::analyze::insert;
use crate::analyze::select::{self, Purpose};
use crate::analyze::with::TopicWish;
use crate::catalog::Catalog;
use crate::catalog::source::Source;
use crate::error::{SqlError, did_you_mean, near_names};
use crate::parser::ast::{Parsed, Query, Statement};
use crate::plan::physical::{End, topology};
use crate::plan::statement::{Change, Definition, Environment, define};
use crate::query::{explain_pull, is_pull};
use crate::records::{Schemas, TriedSchemas, register_declared};

type Result<T> = std::result::Result<T, SqlError>;

/// What the statements so far would have made.
pub(super) struct Trial<'a> {
    shared: &'a Arc<Shared>,
    catalog: Catalog,
    schemas: Arc<dyn Schemas>,
    session: Session,
    /// Topics that would be there by now, though they are not yet.
    topics: BTreeSet<String>,
}

impl<'a> Trial<'a> {
    pub(super) fn new(shared: &'a Arc<Shared>, session: Session) -> Self {
        let schemas: Arc<dyn Schemas> = Arc::new(TriedSchemas::new(Arc::clone(&shared.schemas)));
        let catalog = (*shared.catalog()).clone();
        Self { shared, catalog, schemas, session, topics: BTreeSet::new() }
    }

    /// Tries the next statement.
    pub(super) async fn statement(&mut self, parsed: &Parsed, text: &str) -> Result<()> {
        if let Some(definition) = self.definition(&parsed.statement, text).await? {
            return self.define(definition, text).await;
        }
        match &parsed.statement {
            Statement::Set { name, value } => self.session.set(name, value),
            Statement::Unset { name } => {
                self.session.unset(name);
                Ok(())
            }
            Statement::Terminate { id: Some(id) } => {
                if !self.shared.transient().contains_key(&id.name) {
                    self.catalog.query(&id.name).map_err(|e| e.at(id.span))?;
                    self.change(&Change::Terminate { id: id.name.clone() }, text);
                }
                Ok(())
            }
            Statement::Terminate { id: None } => {
                let ids: Vec<String> = self.catalog.queries().map(|q| q.id.clone()).collect();
                ids.into_iter().for_each(|id| self.change(&Change::Terminate { id }, text));
                Ok(())
            }
            Statement::InsertValues { target, columns, values } => {
                let row = (columns.clone(), values.clone());
                let (target, catalog) = (target.clone(), self.catalog.clone());
                let schemas = Arc::clone(&self.schemas);
                let make = move || {
                    let row = (row.0.as_slice(), row.1.as_slice());
                    insert::insert_values(&catalog, &target, row, 0, schemas.as_ref()).map(|_| ())
                };
                tokio::task::spawn_blocking(make).await.map_err(SqlError::server)?
            }
            Statement::Select(query) => self.select(query),
            Statement::Explain { statement } => match &statement.statement {
                Statement::Select(query) => self.select(query),
                other => self.definition(other, text).await.map(|_| ()),
            },
            Statement::Print(print) => self.print(&print.topic.name, print.topic.span).await,
            Statement::Describe { name, .. } => {
                self.catalog.source(&name.name).map(|_| ()).map_err(|e| e.at(name.span))
            }
            Statement::DescribeFunction { name } => {
                describe::describe_function(name, text).map(|_| ())
            }
            Statement::ExplainQuery { id } if self.shared.running().contains_key(&id.name) => {
                Ok(())
            }
            Statement::ExplainQuery { id } => {
                self.catalog.query(&id.name).map(|_| ()).map_err(|e| e.at(id.span))
            }
            other => execute::supported(other).map_err(|e| e.at(parsed.span)),
        }
    }

    /// What a statement would define. The registry may be asked.
    async fn definition(&self, statement: &Statement, text: &str) -> Result<Option<Definition>> {
        let (catalog, schemas) = (self.catalog.clone(), Arc::clone(&self.schemas));
        let (statement, text) = (statement.clone(), text.to_owned());
        let defaults = self.session.default_formats();
        let work = move || {
            let sequence = catalog.sequence();
            let environment =
                Environment { catalog: &catalog, schemas: &schemas, defaults, sequence };
            define(&statement, &text, &environment)
        };
        tokio::task::spawn_blocking(work).await.map_err(SqlError::server)?
    }

    async fn define(&mut self, definition: Definition, text: &str) -> Result<()> {
        match definition {
            Definition::Nothing(_) => {}
            Definition::Type { name, ty } => self.change(&Change::CreateType { name, ty }, text),
            Definition::DropType { name } => self.change(&Change::DropType { name }, text),
            Definition::Source(new) => {
                if !self.topics.contains(&new.source.topic)
                    && self
                        .shared
                        .topics
                        .check_source(&new.source.topic, &new.topic)
                        .await?
                        .is_some()
                {
                    self.topics.insert(new.source.topic.clone());
                }
                let (schemas, source) = (Arc::clone(&self.schemas), new.source.clone());
                let register = move || register_declared(&source, schemas.as_ref());
                tokio::task::spawn_blocking(register).await.map_err(SqlError::server)??;
                self.change(&Change::CreateSource { source: Box::new(new.source) }, text);
            }
            Definition::Query(query, new) => {
                let wish = new.map(|new| new.topic).unwrap_or_default();
                self.sink_topic(&query.sink, &wish).await?;
                let reads: Vec<String> =
                    query.plan.sources.iter().map(|source| source.name.clone()).collect();
                let change = Change::CreateQuery {
                    id: query.id.clone(),
                    sink: Box::new(query.sink.clone()),
                    owns_sink: query.owns_sink,
                    from_earliest: self.session.start() == StartFrom::Earliest,
                };
                let schemas = Arc::clone(&self.schemas);
                let build = move || {
                    topology(&query.plan, End::Sink(&query.sink), StartFrom::Latest, &schemas)
                };
                tokio::task::spawn_blocking(build).await.map_err(SqlError::server)??;
                change_catalog(&mut self.catalog, &change, text, &reads);
            }
            Definition::DropSource { name, queries, .. } => {
                for id in queries {
                    self.change(&Change::Terminate { id }, text);
                }
                self.change(&Change::DropSource { name }, text);
            }
        }
        Ok(())
    }

    async fn sink_topic(&mut self, sink: &Source, wish: &TopicWish) -> Result<()> {
        if !self.topics.contains(&sink.topic)
            && !self.shared.topics.is_there(&sink.topic, wish).await?
        {
            self.topics.insert(sink.topic.clone());
        }
        Ok(())
    }

    fn change(&mut self, change: &Change, text: &str) {
        change_catalog(&mut self.catalog, change, text, &[]);
    }

    fn select(&self, query: &Query) -> Result<()> {
        let name = &query.from.name;
        let source = self.catalog.source(&name.name).map_err(|e| e.at(name.span))?;
        if !is_pull(query, source) {
            return select::plan(query, &self.catalog, Purpose::Push).map(|_| ());
        }
        // What a statement before this one makes does not run yet.
        if self.shared.catalog().find(&name.name) == Some(source) {
            self.shared.result_store(source).map_err(|e| e.at(name.span))?;
        }
        explain_pull(query, source, &self.catalog).map(|_| ())
    }

    async fn print(&self, topic: &str, span: crate::error::Span) -> Result<()> {
        let there = self.shared.topics.partitions(topic).await.map_err(|e| e.at(span))?;
        if self.topics.contains(topic) || there.is_some() {
            return Ok(());
        }
        let known = self.shared.topics.starting_with("").await?;
        let near = near_names(topic, known.iter().map(String::as_str));
        let message = format!("Could not find topic '{topic}'.{}", did_you_mean(&near));
        Err(SqlError::statement(message).at(span))
    }
}
