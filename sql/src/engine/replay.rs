//! From the command log to the catalog and the running queries.

use std::collections::HashSet;
use std::sync::Arc;

use indexmap::IndexMap;
use streams::StartFrom;

use super::Shared;
use super::bring_up::{Bring, bring_up};
use super::define::{change_catalog, checked, is_kept};
use crate::analyze::with::DefaultFormats;
use crate::command_log::Command;
use crate::error::SqlError;
use crate::parser;
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
    for Pending { query, start } in pending.into_values() {
        let query = Arc::new(query);
        let mut catalog = (*shared.catalog()).clone();
        catalog.add_query(query.entry());
        shared.set_catalog(catalog);
        // SHOW QUERIES and the health check say why it does not run, if so.
        let _shown = bring_up(shared, Bring::Query(query, start)).await;
    }
    let tables: Vec<_> = shared.catalog().sources().filter(|s| is_kept(s)).cloned().collect();
    for table in tables {
        let _shown = bring_up(shared, Bring::SourceTable(table)).await;
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
