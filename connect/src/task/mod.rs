//! One connector's task: from its source to its topics.
//!
//! ```text
//! start   checkpoint -> (was it left open? read the tail) -> source goes to its positions
//! loop    poll -> convert -> in the tail? -> send ............. at most WINDOW records
//!         wait for all acknowledgements -> remember positions and end offsets
//! stop    wait for all acknowledgements -> remember, and that nothing is open
//! ```

mod recovery;
mod target;

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use client::{Delivery, FailureKind, ProduceError, Producer, Record, RecordMetadata};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::converters::{ConvertError, Converter};
use crate::offsets::{Checkpoint, OffsetError, OffsetStore};
use crate::plugin::{Polled, SourceError, SourceRecord, SourceTask};
use crate::status::Shared;
pub use recovery::WINDOW;
use recovery::{Since, Tail, TailRecord};
pub(crate) use target::{TargetError, Targets};

/// What stopped a task. It can be started again, and loses nothing by it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TaskError {
    #[error("reading failed: {0}")]
    Source(#[from] SourceError),
    #[error("a record for topic {topic} cannot be converted by its {side}: {error}")]
    Convert { topic: String, side: &'static str, error: ConvertError },
    #[error("writing failed: {0}")]
    Produce(#[from] ProduceError),
    #[error("a topic cannot be used: {0}")]
    Target(#[from] TargetError),
    #[error("positions cannot be kept: {0}")]
    Offsets(#[from] OffsetError),
    #[error("the connector gave {given} records where {asked} were asked for")]
    TooMany { given: usize, asked: usize },
}

impl TaskError {
    /// Whether the same may go well later without anybody doing anything.
    pub(crate) fn is_retriable(&self) -> bool {
        match self {
            Self::Convert { error, .. } => error.kind() == FailureKind::Retry,
            Self::Produce(error) => error.is_retriable(),
            Self::Target(error) => error.is_retriable(),
            Self::Offsets(error) => error.is_retriable(),
            Self::Source(_) | Self::TooMany { .. } => false,
        }
    }
}

/// How a task ended without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Done,
    Stopped,
}

/// All that one task works with.
pub(crate) struct TaskRun {
    pub(crate) name: String,
    pub(crate) source: Box<dyn SourceTask>,
    pub(crate) key: Arc<dyn Converter>,
    pub(crate) value: Arc<dyn Converter>,
    pub(crate) targets: Targets,
    pub(crate) producer: Producer,
    pub(crate) offsets: Arc<dyn OffsetStore>,
    pub(crate) flush_interval: Duration,
    pub(crate) status: Arc<Shared>,
}

/// How long a failed task's producer may take to close.
const GIVE_UP: Duration = Duration::from_secs(2);

/// Between two polls of a source that has nothing at the moment.
const IDLE: Duration = Duration::from_millis(200);

impl TaskRun {
    /// Runs until the source is done, the token is cancelled, or something fails.
    pub(crate) async fn run(mut self, stop: &CancellationToken) -> Result<Ended, TaskError> {
        let outcome = self.run_inside(stop).await;
        // After an error nobody waits for what cannot be sent: it is read again.
        let patience = if outcome.is_ok() { Duration::MAX } else { GIVE_UP };
        let _ = timeout(patience, self.producer.close()).await;
        self.targets.close().await;
        outcome
    }

    async fn run_inside(&mut self, stop: &CancellationToken) -> Result<Ended, TaskError> {
        let checkpoint = self.offsets.load(&self.name).await?.unwrap_or_default();
        let tail = if checkpoint.open {
            self.targets.tail(&checkpoint.ends).await?
        } else {
            Tail::default()
        };
        self.source.start(checkpoint.positions.clone()).await?;
        let now = Instant::now();
        let recovering = !tail.is_settled();
        let (sent, since) = (VecDeque::new(), Since::default());
        let mut flow = Flow { checkpoint, tail, recovering, sent, since, remembered: now };
        loop {
            let room = flow.since.room();
            let polled = tokio::select! {
                polled = self.source.poll(room) => polled?,
                () = stop.cancelled() => {
                    self.stop(flow).await?;
                    return Ok(Ended::Stopped);
                }
            };
            match polled {
                Polled::Records(records) => {
                    if records.len() > room {
                        let given = records.len();
                        return Err(TaskError::TooMany { given, asked: room });
                    }
                    self.send(&mut flow, records).await?;
                    self.count_acknowledged(&mut flow)?;
                    let due = flow.remembered.elapsed() >= self.flush_interval;
                    if flow.since.room() == 0 || (due && flow.tail.is_settled()) {
                        self.remember(&mut flow, true).await?;
                    }
                }
                Polled::Idle => {
                    let due = flow.remembered.elapsed() >= self.flush_interval;
                    if flow.recovering || (due && !flow.since.is_empty()) {
                        self.remember(&mut flow, true).await?;
                    }
                    tokio::select! {
                        () = tokio::time::sleep(IDLE) => {}
                        () = stop.cancelled() => {}
                    }
                }
                Polled::Done => {
                    self.remember(&mut flow, false).await?;
                    return Ok(Ended::Done);
                }
            }
        }
    }

    /// Converts records and sends those that are not on their topics yet.
    async fn send(&mut self, flow: &mut Flow, records: Vec<SourceRecord>) -> Result<(), TaskError> {
        for record in records {
            let topic = &*record.topic;
            if !flow.checkpoint.ends.contains_key(topic) || !flow.checkpoint.open {
                self.begin(flow, topic).await?;
            }
            let failed =
                |side| move |error| TaskError::Convert { topic: topic.to_owned(), side, error };
            let key = self.key.to_bytes(topic, record.key.as_ref()).await;
            let key = key.map_err(failed("key.converter"))?;
            let value = self.value.to_bytes(topic, record.value.as_ref()).await;
            let value = value.map_err(failed("value.converter"))?;
            let known = TailRecord { topic, key: key.as_deref(), value: value.as_deref() };
            if flow.tail.take(&known) {
                self.status.add_recovered(1);
            } else {
                let mut out = Record::to(Arc::clone(&record.topic));
                (out.key, out.value, out.timestamp_ms) = (key, value, record.timestamp_ms);
                flow.sent.push_back((Arc::clone(&record.topic), self.producer.send(out).await?));
            }
            flow.since.count(&record.partition);
            if let Some(position) = record.position {
                let partition = serde_json::Value::Object((*record.partition).clone());
                flow.checkpoint.positions.insert(partition.to_string(), position);
            }
        }
        Ok(())
    }

    /// Before anything is written to a topic: remembers where it ends, and that from now on there
    /// may be more. What is remembered of positions stays as it is, as nothing of what was read
    /// after them counts as written yet.
    async fn begin(&mut self, flow: &mut Flow, topic: &str) -> Result<(), TaskError> {
        let mut remembered = self.offsets.load(&self.name).await?.unwrap_or_default();
        if !flow.checkpoint.open {
            for (topic, ends) in &mut flow.checkpoint.ends {
                *ends = self.targets.prepare(topic).await?;
            }
            remembered.ends.clone_from(&flow.checkpoint.ends);
        }
        if !flow.checkpoint.ends.contains_key(topic) {
            let ends = self.targets.prepare(topic).await?;
            remembered.ends.insert(topic.to_owned(), ends.clone());
            flow.checkpoint.ends.insert(topic.to_owned(), ends);
        }
        remembered.open = true;
        self.offsets.save(&self.name, &remembered).await?;
        flow.checkpoint.open = true;
        Ok(())
    }

    /// Waits until everything is written, then remembers positions and end offsets together.
    async fn remember(&mut self, flow: &mut Flow, open: bool) -> Result<(), TaskError> {
        self.settle(flow).await?;
        if flow.recovering {
            for (topic, ends) in &mut flow.checkpoint.ends {
                *ends = self.targets.ends(topic).await?;
            }
            (flow.tail, flow.recovering) = (Tail::default(), false);
        }
        flow.checkpoint.open &= open;
        self.offsets.save(&self.name, &flow.checkpoint).await?;
        flow.since = Since::default();
        flow.remembered = Instant::now();
        Ok(())
    }

    /// Counts what is acknowledged, from the first record on, without waiting.
    fn count_acknowledged(&mut self, flow: &mut Flow) -> Result<(), TaskError> {
        let mut context = Context::from_waker(Waker::noop());
        while let Some((topic, delivery)) = flow.sent.front_mut() {
            let Poll::Ready(written) = Pin::new(delivery).poll(&mut context) else { break };
            flow.checkpoint.acknowledged(topic, &written?);
            flow.sent.pop_front();
            self.status.add_written(1);
        }
        Ok(())
    }

    /// Waits for all acknowledgements, and moves the end offsets behind them.
    async fn settle(&mut self, flow: &mut Flow) -> Result<(), TaskError> {
        while let Some((topic, delivery)) = flow.sent.pop_front() {
            flow.checkpoint.acknowledged(&topic, &delivery.await?);
            self.status.add_written(1);
        }
        Ok(())
    }

    /// An orderly end. While an earlier run's records are still being recognised, its checkpoint
    /// stays: the next run goes through them again.
    async fn stop(&mut self, mut flow: Flow) -> Result<(), TaskError> {
        if flow.tail.is_settled() {
            self.remember(&mut flow, false).await
        } else {
            self.settle(&mut flow).await
        }
    }
}

impl Checkpoint {
    /// Moves an end offset behind a record that is there.
    fn acknowledged(&mut self, topic: &str, written: &RecordMetadata) {
        if let (Some(ends), Some(offset)) = (self.ends.get_mut(topic), written.offset) {
            let end = ends.entry(written.partition).or_insert(0);
            *end = (*end).max(offset + 1);
        }
    }
}

/// Where a running task stands.
struct Flow {
    /// Positions of what was sent, end offsets of what is acknowledged: remembered together, once
    /// everything that was sent is acknowledged.
    checkpoint: Checkpoint,
    tail: Tail,
    /// The end offsets are still those of the interrupted run.
    recovering: bool,
    sent: VecDeque<(Arc<str>, Delivery)>,
    /// Records since positions were last remembered.
    since: Since,
    remembered: Instant,
}
