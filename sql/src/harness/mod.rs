//! Statements without a broker: every query runs in streams' test driver, topics are lists in
//! memory. For tests, and for `yeoul sql test`, which answers ksqlDB's own cases, here or
//! ([`serve_on`]) by an engine on a cluster.

mod jsonl;
mod live;
mod node;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;

use streams::{InputRecord, OutputRecord, StartFrom, TestDriver};

pub use jsonl::serve;
pub use live::{CaseCluster, serve_on};

use crate::analyze::insert;
use crate::analyze::with::DefaultFormats;
use crate::catalog::Catalog;
use crate::catalog::source::Source;
use crate::error::{ErrorKind, SqlError};
use crate::parser;
use crate::parser::ast::Statement;
use crate::plan::physical::{End, topology};
use crate::plan::statement::{Definition, Environment, PersistentQuery, define};
use crate::records::{MemorySchemas, Schemas, register_declared};

/// A catalog with running queries, in memory.
pub(crate) struct Harness {
    catalog: Catalog,
    pub(crate) registry: Arc<MemorySchemas>,
    queries: Vec<(PersistentQuery, TestDriver)>,
    defaults: DefaultFormats,
    /// What queries wrote, in order.
    written: Vec<(String, OutputRecord)>,
}

impl Harness {
    pub(crate) fn new(defaults: DefaultFormats) -> Self {
        Self {
            catalog: Catalog::default(),
            registry: Arc::default(),
            queries: Vec::new(),
            defaults,
            written: Vec::new(),
        }
    }

    pub(crate) fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The first source over a topic.
    pub(crate) fn source_of(&self, topic: &str) -> Option<&Arc<Source>> {
        self.catalog.sources().find(|s| s.topic == topic)
    }

    /// Carries one statement out.
    pub(crate) fn execute(&mut self, text: &str) -> Result<(), SqlError> {
        for parsed in parser::parse(text)? {
            let shown = text.get(parsed.span.start..parsed.span.end).unwrap_or(text);
            self.statement(&parsed.statement, shown)?;
        }
        Ok(())
    }

    fn statement(&mut self, statement: &Statement, text: &str) -> Result<(), SqlError> {
        let schemas: Arc<dyn Schemas> = Arc::clone(&self.registry) as Arc<dyn Schemas>;
        let environment = Environment {
            catalog: &self.catalog,
            schemas: &schemas,
            defaults: self.defaults.clone(),
            sequence: self.catalog.sequence(),
        };
        if let Some(definition) = define(statement, text, &environment)? {
            return self.apply(definition, &schemas);
        }
        match statement {
            Statement::InsertValues { target, columns, values } => {
                let row = (columns.as_slice(), values.as_slice());
                let (topic, record) =
                    insert::insert_values(&self.catalog, target, row, 0, schemas.as_ref())?;
                self.feed(&topic, record)
            }
            Statement::Set { name, value } => {
                self.set(name, Some(value));
                Ok(())
            }
            Statement::Unset { name } => {
                self.set(name, None);
                Ok(())
            }
            Statement::Terminate { id: Some(id) } => {
                self.catalog.query(&id.name)?;
                self.catalog.remove_query(&id.name);
                self.queries.retain(|(query, _)| query.id != id.name);
                Ok(())
            }
            _ => Err(SqlError::new(ErrorKind::Unsupported, "not a statement for this harness")),
        }
    }

    fn set(&mut self, name: &str, value: Option<&str>) {
        match name {
            "ksql.persistence.default.format.key" => self.defaults.key = value.map(str::to_owned),
            "ksql.persistence.default.format.value" => {
                self.defaults.value = value.map(str::to_owned);
            }
            _ => {}
        }
    }

    fn apply(
        &mut self,
        definition: Definition,
        schemas: &Arc<dyn Schemas>,
    ) -> Result<(), SqlError> {
        self.catalog.set_sequence(self.catalog.sequence() + 1);
        match definition {
            Definition::Source(new) => {
                register_declared(&new.source, schemas.as_ref())?;
                self.catalog.add_source(new.source);
            }
            Definition::Query(query, new) => {
                let end = End::Sink(&query.sink);
                let topology = topology(&query.plan, end, StartFrom::Earliest, schemas)?;
                let driver = TestDriver::new(topology).map_err(SqlError::server)?;
                if let Some(new) = new {
                    self.catalog.add_source(new.source);
                }
                self.catalog.add_query(query.entry());
                self.queries.push((*query, driver));
            }
            Definition::Type { name, ty } => self.catalog.add_type(name, ty),
            Definition::DropType { name } => {
                self.catalog.remove_type(&name);
            }
            Definition::DropSource { name, queries, .. } => {
                for id in queries {
                    self.catalog.remove_query(&id);
                    self.queries.retain(|(query, _)| query.id != id);
                }
                self.catalog.remove_source(&name);
            }
            Definition::Nothing(_) => {}
        }
        Ok(())
    }

    /// Appends a record to a topic, and works it through every query that it reaches.
    pub(crate) fn feed(&mut self, topic: &str, record: OutputRecord) -> Result<(), SqlError> {
        let mut open = VecDeque::from([(topic.to_owned(), record)]);
        while let Some((topic, record)) = open.pop_front() {
            for (query, driver) in &mut self.queries {
                if !driver.reads(&topic) {
                    continue;
                }
                let input = InputRecord {
                    key: record.key.clone(),
                    value: record.value.clone(),
                    headers: record.headers.clone(),
                    timestamp: record.timestamp,
                    offset: 0,
                };
                driver.pipe(&topic, input).map_err(SqlError::server)?;
                for output in driver.read(&query.sink.topic) {
                    self.written.push((query.sink.topic.clone(), output.clone()));
                    open.push_back((query.sink.topic.clone(), output));
                }
            }
        }
        Ok(())
    }

    /// Takes what queries wrote since the last call.
    pub(crate) fn take_written(&mut self) -> Vec<(String, OutputRecord)> {
        std::mem::take(&mut self.written)
    }

    /// Messages of the processing logs, by query.
    #[cfg(test)]
    pub(crate) fn take_reports(&mut self) -> std::collections::HashMap<String, Vec<String>> {
        let report = |(query, driver): &mut (PersistentQuery, TestDriver)| {
            let messages = driver.take_reports().into_iter().map(|r| r.message).collect();
            (query.id.clone(), messages)
        };
        self.queries.iter_mut().map(report).collect()
    }
}
