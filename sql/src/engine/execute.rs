//! A text of statements, one after the other.

use std::collections::HashMap;
use std::sync::Arc;

use client::Record;
use serde_json::Value as Json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::trial::Trial;
use super::{Engine, Session, Shared, define, describe, entity, show};
use crate::analyze::select::{self, Purpose};
use crate::analyze::{grouping, insert};
use crate::error::{ErrorKind, SqlError};
use crate::parser;
use crate::parser::ast::{Emit, Parsed, Print, Query, Statement};
use crate::plan::physical::RESULT_STORE;
use crate::query::push::PushContext;
use crate::query::rows::{PrintStream, QueryStream};
use crate::query::{PullContext, grouped, is_pull, print, pull, push};

/// The most push queries that run at once.
const MAX_PUSH_QUERIES: usize = 100;

/// The most pull queries that run at once.
pub(super) const MAX_PULL_QUERIES: usize = 100;

/// What a statement answers.
#[derive(Debug)]
pub enum Outcome {
    /// A definition or a listing, in the shape of ksqlDB's REST API.
    Entity(Json),
    /// Rows of a query.
    Rows(QueryStream),
    /// Records of a topic.
    Print(PrintStream),
    /// Done, with nothing to show.
    Done,
}

/// A statement that failed, and what those before it answered.
#[derive(Debug)]
pub struct ExecuteError {
    pub error: SqlError,
    /// The text of the failed statement.
    pub statement: String,
    pub outcomes: Vec<Outcome>,
}

impl Engine {
    /// Carries out a text of statements with the properties of a session. `SET` and `UNSET` hold
    /// until the end of the text. Places in an error are those in `text`. All statements are
    /// checked before the first is carried out.
    pub async fn execute(
        &self,
        text: &str,
        properties: &HashMap<String, String>,
    ) -> Result<Vec<Outcome>, ExecuteError> {
        let mut outcomes = Vec::new();
        let fail = |error, statement: &str, outcomes| ExecuteError {
            error,
            statement: statement.to_owned(),
            outcomes,
        };
        let mut session = match Session::new(&self.shared.config.defaults, properties) {
            Ok(session) => session,
            Err(error) => return Err(fail(error, text, outcomes)),
        };
        let parsed = match parser::parse(text) {
            Ok(parsed) => parsed,
            Err(error) => return Err(fail(error, text, outcomes)),
        };
        let shown = |parsed: &Parsed| text.get(parsed.span.start..parsed.span.end).unwrap_or(text);
        if parsed.len() > 1 {
            let mut trial = Trial::new(&self.shared, session.clone());
            for statement in &parsed {
                if let Err(error) = trial.statement(statement, shown(statement)).await {
                    return Err(fail(error, shown(statement), outcomes));
                }
            }
        }
        for statement in parsed {
            let shown = shown(&statement);
            match self.shared.statement(&statement, shown, &mut session).await {
                Ok(Outcome::Done) => {}
                Ok(outcome) => outcomes.push(outcome),
                Err(error) => return Err(fail(error, shown, outcomes)),
            }
        }
        Ok(outcomes)
    }

    /// Ends a push query by its id; false if there is none.
    pub fn close_query(&self, id: &str) -> bool {
        let found = self.shared.transient().remove(id);
        found.is_some_and(|token| {
            token.cancel();
            true
        })
    }
}

impl Shared {
    async fn statement(
        self: &Arc<Self>,
        parsed: &Parsed,
        text: &str,
        session: &mut Session,
    ) -> Result<Outcome, SqlError> {
        if self.stop.is_cancelled() {
            let message = "The server is shutting down";
            return Err(SqlError::new(ErrorKind::Stopping, message));
        }
        if let Some(outcome) = define::define(self, &parsed.statement, text, session).await? {
            return Ok(outcome);
        }
        Ok(match &parsed.statement {
            Statement::Select(query) => Outcome::Rows(self.select(query, session).await?),
            Statement::Print(statement) => Outcome::Print(self.print(statement).await?),
            Statement::InsertValues { target, columns, values } => {
                let (target, columns, values) = (target.clone(), columns.clone(), values.clone());
                self.insert(move |catalog, now_ms, schemas| {
                    let row = (columns.as_slice(), values.as_slice());
                    insert::insert_values(catalog, &target, row, now_ms, schemas)
                })
                .await?;
                Outcome::Done
            }
            Statement::Set { name, value } => {
                session.set(name, value)?;
                Outcome::Done
            }
            Statement::Unset { name } => {
                session.unset(name);
                Outcome::Done
            }
            Statement::Show(what) => Outcome::Entity(show::show(self, what, text, session).await?),
            Statement::Describe { name, extended } => {
                Outcome::Entity(describe::describe(self, name, *extended, text).await?)
            }
            Statement::DescribeAll { kind, extended } => {
                Outcome::Entity(describe::describe_all(self, *kind, *extended, text).await?)
            }
            Statement::DescribeFunction { name } => {
                Outcome::Entity(describe::describe_function(name, text)?)
            }
            Statement::ExplainQuery { id } => {
                Outcome::Entity(describe::explain_query(self, id, text)?)
            }
            Statement::Explain { statement } => {
                Outcome::Entity(describe::explain(self, statement, text, session).await?)
            }
            other => {
                supported(other).map_err(|e| e.at(parsed.span))?;
                Outcome::Done
            }
        })
    }

    async fn select(
        self: &Arc<Self>,
        query: &Query,
        session: &Session,
    ) -> Result<QueryStream, SqlError> {
        let catalog = self.catalog();
        let source = catalog.source(&query.from.name.name);
        let source = source.map_err(|e| e.at(query.from.name.span))?.clone();
        let id = format!("transient_{}_{}", source.name, uuid::Uuid::new_v4().simple());
        if is_pull(query, &source) {
            let store = self.result_store(&source).map_err(|e| e.at(query.from.name.span))?;
            let context = PullContext {
                tracker: &self.tracker,
                stop: self.stop.child_token(),
                resources: &self.pull_resources,
                permit: admit_pull(&self.pulls)?,
                id,
            };
            return pull(query, &source, &catalog, &store, context).await;
        }
        let plan = select::plan(query, &catalog, Purpose::Push)?;
        let until_end = query.emit == Emit::Unstated;
        let start = if until_end { streams::StartFrom::Earliest } else { session.start() };
        let stop = self.stop.child_token();
        admit(&mut self.transient(), &id, &stop)?;
        let context = PushContext {
            runtime: &self.runtime,
            schemas: Arc::clone(&self.schemas),
            tracker: &self.tracker,
            start,
            until_end,
            id: id.clone(),
            stop: stop.clone(),
            engine_stop: self.stop.clone(),
        };
        let started = if until_end && grouping::wanted(query) {
            grouped(plan, context).await
        } else {
            push(plan, context).await
        };
        self.forget_when_done(id, &started, stop);
        started
    }

    /// Takes a push query off the list when its reader is gone.
    fn forget_when_done(
        self: &Arc<Self>,
        id: String,
        started: &Result<QueryStream, SqlError>,
        stop: CancellationToken,
    ) {
        let Ok(stream) = started else {
            self.transient().remove(&id);
            return;
        };
        let closed = stream.closed();
        let shared = Arc::downgrade(self);
        self.tracker.spawn(async move {
            tokio::select! {
                () = closed.cancelled() => {}
                () = stop.cancelled() => {}
            }
            if let Some(shared) = shared.upgrade() {
                shared.transient().remove(&id);
            }
        });
    }

    /// The state of a table that a query or CREATE SOURCE TABLE keeps.
    pub(super) fn result_store(
        &self,
        source: &crate::catalog::source::Source,
    ) -> Result<streams::StoreQuery, SqlError> {
        let not_queryable = || {
            SqlError::statement(format!(
                "The `{0}` table isn't queryable. To derive a queryable table, you can do 'CREATE \
                 TABLE QUERYABLE_{0} AS SELECT * FROM {0}'. Please refer to \
                 https://cnfl.io/queries for more information.",
                source.name
            ))
        };
        let id = source
            .created_by
            .clone()
            .or_else(|| define::is_kept(source).then(|| define::source_table_id(source)));
        let id = id.ok_or_else(not_queryable)?;
        let running = self.running();
        let query = running.get(&id).ok_or_else(|| {
            SqlError::statement(format!(
                "The query {id} that keeps `{}` was terminated: its state can no longer be read.",
                source.name
            ))
        })?;
        let (_, failure) = query.state();
        let handle = query.handle.as_ref().ok_or_else(|| {
            SqlError::server(format!("query {id} does not run: {}", failure.unwrap_or_default()))
        })?;
        handle.query(RESULT_STORE).map_err(SqlError::server)
    }

    async fn print(self: &Arc<Self>, statement: &Print) -> Result<PrintStream, SqlError> {
        let topic = &statement.topic.name;
        let partitions = self.topics.partitions(topic).await;
        let Some(partitions) = partitions.map_err(|e| e.at(statement.topic.span))? else {
            let known = self.topics.starting_with("").await?;
            let near = crate::error::near_names(topic, known.iter().map(String::as_str));
            let hint = crate::error::did_you_mean(&near);
            let message = format!("Could not find topic '{topic}'.{hint}");
            return Err(SqlError::statement(message).at(statement.topic.span));
        };
        let schemas = Arc::clone(&self.schemas);
        let ends = (&self.tracker, self.stop.child_token());
        print(statement, partitions, self.client.clone(), schemas, ends)
    }

    /// Writes the record that `make` gives.
    pub(crate) async fn insert(
        &self,
        make: impl FnOnce(
            &crate::catalog::Catalog,
            i64,
            &dyn crate::records::Schemas,
        ) -> Result<(String, streams::OutputRecord), SqlError>
        + Send
        + 'static,
    ) -> Result<(), SqlError> {
        let (catalog, schemas) = (self.catalog(), Arc::clone(&self.schemas));
        let now_ms = crate::clock::now_ms();
        let made = tokio::task::spawn_blocking(move || make(&catalog, now_ms, schemas.as_ref()));
        let (topic, made) = made.await.map_err(SqlError::server)??;
        let mut record = Record::to(topic.as_str()).timestamp_ms(made.timestamp);
        record.key = made.key;
        record.value = made.value;
        let delivery = self.producer.send(record).await.map_err(SqlError::server)?;
        delivery.await.map(|_| ()).map_err(SqlError::server)
    }

    /// A currentStatus entity for a definition.
    pub(crate) fn done(&self, text: &str, command: &str, message: &str) -> Outcome {
        Outcome::Entity(entity::status(text, command, message, self.catalog().sequence()))
    }
}

/// Refuses the statements that nothing carries out.
pub(super) fn supported(statement: &Statement) -> Result<(), SqlError> {
    let message = match statement {
        Statement::Show(_) | Statement::DescribeAll { .. } => return Ok(()),
        Statement::Pause { .. } | Statement::Resume { .. } => {
            "PAUSE and RESUME are not supported; TERMINATE ends a query"
        }
        Statement::Define { .. } | Statement::Undefine { .. } => {
            "DEFINE and UNDEFINE are for the shell"
        }
        _ => "this statement is not supported",
    };
    Err(SqlError::unsupported(message))
}

/// Lets a pull query in. Each holds a thread and a snapshot of the state until it is read.
fn admit_pull(pulls: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, SqlError> {
    Arc::clone(pulls).try_acquire_owned().map_err(|_| {
        let message = format!(
            "Not executing statement as the number of running pull queries would exceed the limit \
             of {MAX_PULL_QUERIES}. Read one to its end, or close its connection, first."
        );
        SqlError::new(ErrorKind::TooManyQueries, message)
    })
}

/// Puts a push query on the list. Each holds clients, and a thread while its reader is slow.
fn admit(
    transient: &mut HashMap<String, CancellationToken>,
    id: &str,
    stop: &CancellationToken,
) -> Result<(), SqlError> {
    if transient.len() >= MAX_PUSH_QUERIES {
        let message = format!(
            "Not executing statement as the number of running push queries would exceed the limit \
             of {MAX_PUSH_QUERIES}. TERMINATE one, or close its connection, first."
        );
        return Err(SqlError::new(ErrorKind::TooManyQueries, message));
    }
    transient.insert(id.to_owned(), stop.clone());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_queries_are_admitted() {
        let (mut running, stop) = (HashMap::new(), CancellationToken::new());
        for query in 0..MAX_PUSH_QUERIES {
            assert_eq!(admit(&mut running, &query.to_string(), &stop), Ok(()));
        }
        let refused = admit(&mut running, "one more", &stop).unwrap_err();
        assert_eq!(refused.kind, ErrorKind::TooManyQueries);
        running.remove("7");
        assert_eq!(admit(&mut running, "one more", &stop), Ok(()));
        let pulls = Arc::new(Semaphore::new(1));
        let first = admit_pull(&pulls).unwrap();
        assert_eq!(admit_pull(&pulls).unwrap_err().kind, ErrorKind::TooManyQueries);
        drop(first);
        assert!(admit_pull(&pulls).is_ok());
    }
}
