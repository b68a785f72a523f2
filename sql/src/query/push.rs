//! SELECT .. EMIT CHANGES: a topology of its own, whose rows go to whoever asked; and SELECT over
//! a stream without EMIT, which ends when all that the stream holds has been shown.

use std::sync::Arc;
use std::time::Duration;

use streams::{AppHandle, AppState, Chunk, StartFrom};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout_at};
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
    let patience = context.runtime.reader_patience;
    context.tracker.spawn(async move {
        tokio::select! {
            () = pump.run(chunks, &handle, (until_end, patience)) => {}
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
    async fn run(
        mut self,
        mut chunks: mpsc::Receiver<Chunk>,
        handle: &AppHandle,
        (until_end, patience): (bool, Duration),
    ) {
        if self.limit == Some(0) {
            self.end("Limit Reached").await;
            return;
        }
        let given_up = given_up(handle.watch_state(), patience);
        let caught_up = handle.wait_caught_up();
        tokio::pin!(given_up, caught_up);
        loop {
            tokio::select! {
                biased;
                Some(chunk) = chunks.recv() => {
                    if !self.show(&chunk).await {
                        return;
                    }
                }
                reason = &mut given_up => return self.fail(reason).await,
                reached = &mut caught_up, if until_end => {
                    while let Ok(chunk) = chunks.try_recv() {
                        if !self.show(&chunk).await {
                            return;
                        }
                    }
                    match reached {
                        Ok(()) => self.end("Query Completed").await,
                        Err(error) => self.fail(error.to_string()).await,
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

    async fn fail(&self, reason: String) {
        let _gone = self.rows.send(RowEvent::Error(reason)).await;
    }

    async fn end(&self, message: &str) {
        let _gone = self.rows.send(RowEvent::Final(message.to_owned())).await;
    }
}

/// Waits until an application gives no more rows to somebody who reads them, and says why: it has
/// ended, or it has waited for something outside for as long as `patience`.
pub(super) async fn given_up(mut state: watch::Receiver<AppState>, patience: Duration) -> String {
    let mut until = None;
    loop {
        let now = state.borrow_and_update().clone();
        let changed = match now {
            AppState::Failed { reason } => return reason,
            AppState::Waiting { reason } => {
                let until = *until.get_or_insert_with(|| Instant::now() + patience);
                match timeout_at(until, state.changed()).await {
                    Ok(changed) => changed,
                    Err(_) => return format!("{reason}. Run the query again when it answers."),
                }
            }
            AppState::Closed => return ENDED.to_owned(),
            AppState::Starting | AppState::Running | AppState::Restarting { .. } => {
                until = None;
                state.changed().await
            }
        };
        if changed.is_err() {
            return ENDED.to_owned();
        }
    }
}

const ENDED: &str = "the query's application ended";

#[cfg(test)]
mod tests {
    use super::*;

    const NEVER: Duration = Duration::from_secs(1 << 30);

    fn waiting(reason: &str) -> AppState {
        AppState::Waiting { reason: reason.to_owned() }
    }

    #[tokio::test]
    async fn an_application_that_waits_too_long_or_has_ended_is_given_up_with_the_reason() {
        let given_up_in = |state: AppState| {
            let sender = watch::Sender::new(state);
            async move { given_up(sender.subscribe(), Duration::ZERO).await }
        };
        let text = given_up_in(waiting("no answer")).await;
        assert_eq!(text, "no answer. Run the query again when it answers.");
        assert_eq!(given_up_in(AppState::Failed { reason: "gone".to_owned() }).await, "gone");
        assert_eq!(given_up_in(AppState::Closed).await, ENDED);
    }

    #[tokio::test]
    async fn an_application_that_runs_or_has_not_waited_long_is_not_given_up() {
        let sender = watch::Sender::new(AppState::Starting);
        let (short, long) = (Duration::ZERO, NEVER);
        for (state, patience) in
            [(AppState::Starting, short), (AppState::Running, short), (waiting("no answer"), long)]
        {
            sender.send_replace(state);
            let mut ended = std::pin::pin!(given_up(sender.subscribe(), patience));
            assert!(futures::poll!(&mut ended).is_pending());
            sender.send_replace(AppState::Running);
            assert!(futures::poll!(&mut ended).is_pending());
            sender.send_replace(AppState::Failed { reason: "gone".to_owned() });
            assert_eq!(ended.await, "gone");
        }
    }
}
