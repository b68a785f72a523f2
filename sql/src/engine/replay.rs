//! From the command log to the catalog and the running queries.

use std::collections::HashSet;
use std::sync::Arc;

use indexmap::IndexMap;
use streams::StartFrom;

use super::Shared;
use super::define::{build, change_catalog, checked, start_query, start_source_table};
use crate::analyze::with::DefaultFormats;
use crate::command_log::Command;
use crate::error::SqlError;
use crate::parser;
use crate::parser::ast::SourceKind;
use crate::plan::statement::{Change, Definition, PersistentQuery};

/// A query to be started when the log is read.
struct Pending {
    query: PersistentQuery,
    start: StartFrom,
}

/// Applies all commands, then starts the queries that are left, in the order of their creation.
pub(super) async fn replay(shared: &Arc<Shared>, commands: Vec<Command>) -> Result<(), SqlError> {
    let mut pending: IndexMap<String, Pending> = IndexMap::new();
    for (command, lives) in commands.iter().zip(lives(&commands)) {
        let mut reads = Vec::new();
        if let Change::CreateQuery { id, sink, from_earliest, .. } = &command.change
            && lives
        {
            match planned(shared, command).await {
                Ok(mut query) => {
                    query.id.clone_from(id);
                    query.sink = (**sink).clone();
                    reads = query.entry().reads;
                    let earliest = *from_earliest;
                    let start = if earliest { StartFrom::Earliest } else { StartFrom::Latest };
                    pending.insert(id.clone(), Pending { query, start });
                }
                // The others go on; SHOW QUERIES has it in state ERROR.
                Err(error) => tracing::error!(query = %id, %error, "a query cannot be planned"),
            }
        }
        let mut catalog = (*shared.catalog()).clone();
        change_catalog(&mut catalog, &command.change, &command.statement, &reads);
        shared.set_catalog(catalog);
    }
    for (id, Pending { query, start }) in pending {
        let query = Arc::new(query);
        match build(shared, Arc::clone(&query), start).await {
            Ok(topology) => start_query(shared, query, topology).await,
            Err(error) => {
                tracing::error!(query = %id, %error, "a query cannot be built");
                let failure = Some(error.message);
                let running = crate::query::persistent::Running {
                    query,
                    failure,
                    handle: None,
                    topology: String::new(),
                };
                shared.running().insert(id, running);
            }
        }
    }
    let tables: Vec<_> = shared
        .catalog()
        .sources()
        .filter(|s| s.read_only && s.kind == SourceKind::Table)
        .cloned()
        .collect();
    for table in tables {
        if let Err(error) = start_source_table(shared, &table).await {
            tracing::error!(table = %table.name, %error, "a source table does not start");
        }
    }
    Ok(())
}

/// For each command, whether it makes a query that is not terminated later. An id may be used
/// again once its query is.
fn lives(commands: &[Command]) -> Vec<bool> {
    let mut ended = HashSet::new();
    let mut lives: Vec<bool> = commands
        .iter()
        .rev()
        .map(|command| match &command.change {
            Change::Terminate { id } => {
                ended.insert(id.as_str());
                false
            }
            Change::CreateQuery { id, .. } => !ended.remove(id.as_str()),
            _ => false,
        })
        .collect();
    lives.reverse();
    lives
}

/// The query of a command, planned over the catalog as it was then.
async fn planned(shared: &Arc<Shared>, command: &Command) -> Result<PersistentQuery, SqlError> {
    let damaged = |reason: &str| {
        let message = format!("the command log has \"{}\": {reason}", command.statement);
        SqlError::server(message)
    };
    let parsed = parser::parse(&command.statement)?;
    let [statement] = parsed.as_slice() else {
        return Err(damaged("it is not one statement"));
    };
    let property = |name: &str| {
        command.properties.get(&format!("ksql.persistence.default.format.{name}")).cloned()
    };
    let defaults = DefaultFormats { key: property("key"), value: property("value") };
    match checked(shared, &statement.statement, &command.statement, defaults).await? {
        Some(Definition::Query(query, _)) => Ok(*query),
        _ => Err(damaged("it makes no query")),
    }
}
