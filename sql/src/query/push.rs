//! SELECT .. EMIT CHANGES: a topology of its own, whose rows go to whoever asked; and SELECT over
//! a stream without EMIT, which ends when all that the stream holds has been shown.

use std::sync::Arc;

use streams::{AppHandle, AppState, Chunk, StartFrom};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::persistent::Runtime;
use super::rows::{LastWords, QueryStream, ResultColumn, RowEvent, row};
use crate::error::SqlError;
use crate::plan::logical::QueryPlan;
use crate::plan::physical::{End, topology};
use crate::records::Schemas;

/// Chunks that wait between the topology and the reader.
const WAITING_CHUNKS: usize = 16;

/// What a push query needs of the engine.
pub(crate) struct PushContext<'a> {
    pub(crate) runtime: &'a Runtime,
    pub(crate) schemas: Arc<dyn Schemas>,
    pub(crate) tracker: &'a TaskTracker,
    pub(crate) start: StartFrom,
    /// Whether the query ends when it has shown all that is there now.
    pub(crate) until_end: bool,
    pub(crate) id: String,
    /// Ends the query: somebody terminated it, or the engine stops.
    pub(crate) stop: CancellationToken,
    /// Tells the second from the first.
    pub(crate) engine_stop: CancellationToken,
}

/// Starts the query; its rows come from then on.
pub(crate) async fn push(
    plan: QueryPlan,
    context: PushContext<'_>,
) -> Result<QueryStream, SqlError> {
    let columns: Vec<ResultColumn> =
        plan.root.rows.value.iter().map(|c| ResultColumn::of(c, false)).collect();
    let (sender, chunks) = mpsc::channel(WAITING_CHUNKS);
    let limit = plan.limit;
    let (start, schemas) = (context.start, context.schemas);
    let build =
        tokio::task::spawn_blocking(move || topology(&plan, End::Tap(sender), start, &schemas));
    let topology = build.await.map_err(SqlError::server)??;
    let mut config = context.runtime.config(&context.id);
    config.transient = true;
    let handle = context.runtime.start(config, topology).await?;
    let (stream, rows, closed) = QueryStream::new(context.id, columns.clone());
    let positions = (0..columns.len()).collect();
    let last_words = LastWords(rows.clone());
    let pump = Pump { columns, positions, limit, sent: 0, rows };
    let PushContext { until_end, stop, engine_stop, .. } = context;
    context.tracker.spawn(async move {
        tokio::select! {
            () = pump.run(chunks, &handle, until_end) => {}
            () = closed.cancelled() => {}
            () = stop.cancelled() => last_words.stopped(&engine_stop),
        }
        if let Err(error) = handle.close().await {
            tracing::debug!(%error, "a push query ended");
        }
    });
    Ok(stream)
}

/// Chunks to rows, up to the limit.
struct Pump {
    columns: Vec<ResultColumn>,
    positions: Vec<usize>,
    limit: Option<u64>,
    sent: u64,
    rows: mpsc::Sender<RowEvent>,
}

impl Pump {
    async fn run(mut self, mut chunks: mpsc::Receiver<Chunk>, handle: &AppHandle, until_end: bool) {
        if self.limit == Some(0) {
            self.end("Limit Reached").await;
            return;
        }
        let mut state = handle.watch_state();
        let caught_up = handle.wait_caught_up();
        tokio::pin!(caught_up);
        loop {
            tokio::select! {
                biased;
                chunk = chunks.recv() => {
                    let Some(chunk) = chunk else {
                        self.fail(&handle.state()).await;
                        return;
                    };
                    if !self.show(&chunk).await {
                        return;
                    }
                }
                _ = state.changed() => {
                    let now = state.borrow_and_update().clone();
                    if matches!(now, AppState::Failed { .. }) {
                        self.fail(&now).await;
                        return;
                    }
                }
                reached = &mut caught_up, if until_end => {
                    while let Ok(chunk) = chunks.try_recv() {
                        if !self.show(&chunk).await {
                            return;
                        }
                    }
                    match reached {
                        Ok(()) => self.end("Query Completed").await,
                        Err(error) => {
                            let _gone = self.rows.send(RowEvent::Error(error.to_string())).await;
                        }
                    }
                    return;
                }
            }
        }
    }

    /// False when there is nothing more to do.
    async fn show(&mut self, chunk: &Chunk) -> bool {
        for at in 0..chunk.len() {
            let shown = row(chunk.rows(), at, &self.columns, &self.positions);
            let event = if chunk.is_deleted(at) {
                RowEvent::Tombstone(shown)
            } else {
                RowEvent::Row(shown)
            };
            if self.rows.send(event).await.is_err() {
                return false;
            }
            self.sent += 1;
            if self.limit.is_some_and(|limit| self.sent >= limit) {
                self.end("Limit Reached").await;
                return false;
            }
        }
        true
    }

    /// The last word on an application that gives no more rows.
    async fn fail(&self, state: &AppState) {
        let reason = match state {
            AppState::Failed { reason } => reason.clone(),
            _ => "the query's application ended".to_owned(),
        };
        let _gone = self.rows.send(RowEvent::Error(reason)).await;
    }

    async fn end(&self, message: &str) {
        let _gone = self.rows.send(RowEvent::Final(message.to_owned())).await;
    }
}
