//! What exists: streams, tables, types and queries. Changed only by the commands of the command
//! log, so that a restart comes to the same catalog.

pub(crate) mod format;
pub(crate) mod source;

use std::sync::Arc;

use indexmap::IndexMap;

use crate::error::{SqlError, did_you_mean, near_names};
use crate::parser::ast::SourceKind;
use crate::types::SqlType;
use source::Source;

/// What a persistent query does.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct QueryEntry {
    pub(crate) id: String,
    pub(crate) statement: String,
    /// The stream or table that it writes.
    pub(crate) sink: String,
    pub(crate) sink_topic: String,
    pub(crate) reads: Vec<String>,
    /// Whether the sink was made by this query (CREATE .. AS) and not by INSERT INTO.
    pub(crate) owns_sink: bool,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Catalog {
    sources: IndexMap<String, Arc<Source>>,
    types: IndexMap<String, SqlType>,
    queries: IndexMap<String, QueryEntry>,
    /// How many commands there were: the number in the next query's id.
    sequence: u64,
}

impl Catalog {
    pub(crate) fn source(&self, name: &str) -> Result<&Arc<Source>, SqlError> {
        self.sources.get(name).ok_or_else(|| {
            let hint = did_you_mean(&near_names(name, self.sources.keys().map(String::as_str)));
            SqlError::statement(format!("{name} does not exist.{hint}"))
        })
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Arc<Source>> {
        self.sources.get(name)
    }

    pub(crate) fn sources(&self) -> impl Iterator<Item = &Arc<Source>> {
        self.sources.values()
    }

    /// Sources of one kind by name.
    pub(crate) fn of_kind(&self, kind: SourceKind) -> Vec<&Arc<Source>> {
        let mut found: Vec<_> = self.sources.values().filter(|s| s.kind == kind).collect();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        found
    }

    pub(crate) fn add_source(&mut self, source: Source) {
        self.sources.insert(source.name.clone(), Arc::new(source));
    }

    pub(crate) fn remove_source(&mut self, name: &str) {
        self.sources.shift_remove(name);
    }

    pub(crate) fn custom_type(&self, name: &str) -> Option<&SqlType> {
        self.types.get(name)
    }

    pub(crate) fn types(&self) -> impl Iterator<Item = (&String, &SqlType)> {
        self.types.iter()
    }

    pub(crate) fn add_type(&mut self, name: String, ty: SqlType) {
        self.types.insert(name, ty);
    }

    pub(crate) fn remove_type(&mut self, name: &str) -> bool {
        self.types.shift_remove(name).is_some()
    }

    pub(crate) fn queries(&self) -> impl Iterator<Item = &QueryEntry> {
        self.queries.values()
    }

    pub(crate) fn query(&self, id: &str) -> Result<&QueryEntry, SqlError> {
        let unknown = || {
            let hint = did_you_mean(&near_names(id, self.queries.keys().map(String::as_str)));
            SqlError::statement(format!("Unknown queryId: {id}.{hint}"))
        };
        self.queries.get(id).ok_or_else(unknown)
    }

    pub(crate) fn add_query(&mut self, query: QueryEntry) {
        self.queries.insert(query.id.clone(), query);
    }

    pub(crate) fn remove_query(&mut self, id: &str) -> Option<QueryEntry> {
        self.queries.shift_remove(id)
    }

    pub(crate) fn writers<'a>(&'a self, source: &'a str) -> impl Iterator<Item = &'a QueryEntry> {
        self.queries.values().filter(move |q| q.sink == source)
    }

    pub(crate) fn readers<'a>(&'a self, source: &'a str) -> impl Iterator<Item = &'a QueryEntry> {
        self.queries.values().filter(move |q| q.reads.iter().any(|r| r == source))
    }

    pub(crate) fn sequence(&self) -> u64 {
        self.sequence
    }

    pub(crate) fn set_sequence(&mut self, sequence: u64) {
        self.sequence = sequence;
    }
}
