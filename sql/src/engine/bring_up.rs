//! Bringing queries up: at their statement, and again at each start of the engine. What only the
//! cluster or the registry hinders is tried again for as long as the query exists.

use std::sync::Arc;
use std::time::Duration;

use streams::StartFrom;

use super::define::{source_table_id, stop_query};
use super::{Shared, close};
use crate::catalog::source::Source;
use crate::error::{ErrorKind, SqlError};
use crate::plan::physical::{End, source_table, topology};
use crate::plan::statement::PersistentQuery;
use crate::query::persistent::Running;

type Result<T> = std::result::Result<T, SqlError>;

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// A query to be brought up.
#[derive(Clone)]
pub(super) enum Bring {
    /// One that writes a sink.
    Query(Arc<PersistentQuery>, StartFrom),
    /// One that keeps a CREATE SOURCE TABLE readable.
    SourceTable(Arc<Source>),
}

impl Bring {
    /// The topology that is to run. The registry may be asked, so that a thread of its own does
    /// it.
    pub(super) async fn topology(&self, shared: &Shared) -> Result<streams::Topology> {
        let (bring, schemas) = (self.clone(), Arc::clone(&shared.schemas));
        let build = tokio::task::spawn_blocking(move || match bring {
            Self::Query(query, start) => {
                topology(&query.plan, End::Sink(&query.sink), start, &schemas)
            }
            Self::SourceTable(table) => source_table(&table, &schemas),
        });
        build.await.map_err(SqlError::server)?
    }

    fn query(&self) -> Arc<PersistentQuery> {
        match self {
            Self::Query(query, _) => Arc::clone(query),
            Self::SourceTable(source) => Arc::new(PersistentQuery {
                id: source_table_id(source),
                statement: source.statement.clone(),
                plan: crate::plan::logical::QueryPlan {
                    root: crate::analyze::join::scan(source),
                    window: source.window.clone(),
                    windows: None,
                    sources: vec![Arc::clone(source)],
                    limit: None,
                },
                sink: (**source).clone(),
                owns_sink: false,
            }),
        }
    }

    async fn attempt(&self, shared: &Shared, query: &PersistentQuery) -> Result<Started> {
        let topology = self.topology(shared).await?;
        let shown = topology.to_string();
        let handle = shared.runtime.start(shared.runtime.config(&query.id), topology).await?;
        Ok(Started { handle: Arc::new(handle), shown })
    }
}

struct Started {
    handle: Arc<streams::AppHandle>,
    shown: String,
}

impl Started {
    fn running(self, query: Arc<PersistentQuery>) -> Running {
        Running { query, failure: None, handle: Some(self.handle), topology: self.shown }
    }
}

/// Starts a query. One that does not start is kept with the reason; if that may pass, it is tried
/// again in the background until it starts, is terminated, or fails for another reason.
pub(super) async fn bring_up(shared: &Arc<Shared>, bring: Bring) -> Result<()> {
    let query = bring.query();
    let id = query.id.clone();
    match bring.attempt(shared, &query).await {
        Ok(started) => {
            shared.running().insert(id, started.running(query));
            Ok(())
        }
        Err(error) => {
            tracing::error!(query = %id, %error, "a query does not start");
            let failure = Some(shown(&error));
            let topology = String::new();
            let running = Running { query: Arc::clone(&query), failure, handle: None, topology };
            shared.running().insert(id, running);
            if error.kind == ErrorKind::Unavailable {
                shared.tracker.spawn(keep_trying(Arc::clone(shared), bring, query));
            }
            Err(error)
        }
    }
}

fn shown(error: &SqlError) -> String {
    match error.kind {
        ErrorKind::Unavailable => format!("{}; it is tried again", error.message),
        _ => error.message.clone(),
    }
}

async fn keep_trying(shared: Arc<Shared>, bring: Bring, query: Arc<PersistentQuery>) {
    let mut pause = FIRST_PAUSE;
    loop {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shared.stop.cancelled() => return,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
        let attempt = tokio::select! {
            attempt = bring.attempt(&shared, &query) => attempt,
            () = shared.stop.cancelled() => return,
        };
        let ours =
            |running: &Running| running.handle.is_none() && Arc::ptr_eq(&running.query, &query);
        let late = {
            let mut running = shared.running();
            match (running.get_mut(&query.id).filter(|running| ours(running)), attempt) {
                (Some(running), Ok(started)) => {
                    tracing::info!(query = %query.id, "a query has started after all");
                    *running = started.running(Arc::clone(&query));
                    return;
                }
                (Some(running), Err(error)) => {
                    running.failure = Some(shown(&error));
                    if error.kind != ErrorKind::Unavailable {
                        tracing::error!(query = %query.id, %error, "a query does not start");
                        return;
                    }
                    None
                }
                (None, started) => Some(started),
            }
        };
        // It was terminated meanwhile: nothing of what was started stays.
        if let Some(started) = late {
            if let Ok(started) = started {
                close(started.running(Arc::clone(&query))).await;
                if let Err(error) = stop_query(&shared, &query.id).await {
                    tracing::warn!(query = %query.id, %error, "a query leaves topics behind");
                }
            }
            return;
        }
    }
}
