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

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use client::{Delivery, FailureKind, ProduceError, Producer, Record, RecordMetadata};
use serde_json::Value as Json;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::converters::{ConvertError, Converter};
use crate::offsets::{Changes, OffsetError, OffsetStore, Written};
use crate::plugin::{
    Origin, Polled, Position, Positions, Room, SourceError, SourcePartition, SourceRecord,
    SourceTask,
};
use crate::status::Shared;
pub use recovery::WINDOW;
use recovery::{Tail, TailRecord};
pub(crate) use target::{TargetError, Targets};

/// What stopped a task. It can be started again, and loses nothing by it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TaskError {
    #[error("reading failed: {0}")]
    Source(#[from] SourceError),
    #[error("{}a record for topic {topic} cannot be converted by its {side}: {error}", at(origin))]
    Convert {
        topic: Arc<str>,
        side: &'static str,
        error: ConvertError,
        origin: Option<Box<Origin>>,
    },
    #[error("writing failed: {}{error}{}", at(origin), ways_out(error, topic))]
    Produce { topic: Arc<str>, error: ProduceError, origin: Option<Box<Origin>> },
    #[error("writing failed: {0}")]
    Producer(#[from] ProduceError),
    #[error("a topic cannot be used: {0}")]
    Target(#[from] TargetError),
    #[error("positions cannot be kept: {0}")]
    Offsets(#[from] OffsetError),
    #[error("the connector gave more records of {partition} than there was room for")]
    TooMany { partition: String },
}

fn at(origin: &Option<Box<Origin>>) -> String {
    origin.as_ref().map_or_else(String::new, |origin| format!("{origin}: "))
}

/// What lets a record through that is too large.
fn ways_out(error: &ProduceError, topic: &str) -> String {
    let broker = format!(
        "max.message.bytes of topic {topic} (topic.creation.default.max.message.bytes where the \
         connector creates it)"
    );
    match error {
        ProduceError::TooLarge { key, .. } => format!(
            "; to let it through, set producer.override.{key} of the connector, or producer.{key} \
             in the worker's file, to so much at least, and {broker} as well"
        ),
        _ if error.code().is_some_and(|code| code.name() == "MESSAGE_TOO_LARGE") => {
            format!("; to let it through, raise {broker}")
        }
        _ => String::new(),
    }
}

impl TaskError {
    /// Whether the same may go well later without anybody doing anything.
    pub(crate) fn is_retriable(&self) -> bool {
        match self {
            Self::Convert { error, .. } => error.kind() == FailureKind::Retry,
            Self::Produce { error, .. } | Self::Producer(error) => error.is_retriable(),
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
    /// Those that it is known to write to.
    pub(crate) topics: Vec<String>,
    pub(crate) key: Arc<dyn Converter>,
    pub(crate) value: Arc<dyn Converter>,
    pub(crate) targets: Arc<Targets>,
    pub(crate) producer: Producer,
    pub(crate) offsets: Arc<dyn OffsetStore>,
    pub(crate) flush_interval: Duration,
    pub(crate) status: Arc<Shared>,
}

/// How long a failed task's producer may take to close.
const GIVE_UP: Duration = Duration::from_secs(2);

/// Positions that have moved are remembered when they take so many bytes: they are one batch.
const MOVED: usize = 256 << 10;

/// Between two polls of a source that has nothing at the moment.
const IDLE: Duration = Duration::from_millis(200);

impl TaskRun {
    /// Runs until the source is done, the token is cancelled, or something fails.
    pub(crate) async fn run(mut self, stop: &CancellationToken) -> Result<Ended, TaskError> {
        let targets = Arc::clone(&self.targets);
        let mut outcome = tokio::select! {
            outcome = self.run_inside(stop) => outcome,
            lost = targets.until_lost() => Err(lost.into()),
        };
        // What failed because its topic is not there any more says so.
        if outcome.as_ref().is_err_and(TaskError::is_retriable)
            && let Ok(Err(lost)) = timeout(GIVE_UP, targets.check()).await
            && !lost.is_retriable()
        {
            outcome = Err(lost.into());
        }
        // After an error nobody waits for what cannot be sent: it is read again.
        let patience = if outcome.is_ok() { Duration::MAX } else { GIVE_UP };
        let _ = timeout(patience, self.producer.close()).await;
        self.targets.close().await;
        outcome
    }

    async fn run_inside(&mut self, stop: &CancellationToken) -> Result<Ended, TaskError> {
        let checkpoint = self.offsets.load(&self.name).await?.unwrap_or_default();
        for topic in &self.topics {
            if let Some(id) = checkpoint.written.ids.get(topic) {
                self.targets.know(topic, id);
            }
        }
        self.targets.check().await?;
        let tail = if checkpoint.written.open {
            self.targets.tail(&checkpoint.written.ends).await?
        } else {
            Tail::default()
        };
        let mut flow = Flow::new(checkpoint.written, tail);
        self.source.start(checkpoint.positions).await?;
        loop {
            let polled = tokio::select! {
                polled = self.source.poll(flow.room.clone()) => polled?,
                () = stop.cancelled() => {
                    self.stop(flow).await?;
                    return Ok(Ended::Stopped);
                }
            };
            match polled {
                Polled::Records(records) => {
                    let full = flow.count(&records)?;
                    self.send(&mut flow, records).await?;
                    self.count_acknowledged(&mut flow)?;
                    let due = flow.remembered.elapsed() >= self.flush_interval;
                    // While an earlier run's records are recognised, the source passes over what
                    // has no room.
                    let due = full || due || flow.moved_bytes > MOVED;
                    if due && flow.tail.is_settled() {
                        self.remember(&mut flow, true).await?;
                    }
                }
                Polled::Remember(positions) => self.note(&mut flow, positions).await?,
                Polled::Idle => {
                    let due = flow.remembered.elapsed() >= self.flush_interval;
                    if flow.recovering || (due && !flow.room.is_untouched()) {
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
            if !flow.written.ends.contains_key(topic) || !flow.written.open {
                self.begin(flow, topic).await?;
            }
            let failed = |side, error| {
                let (topic, origin) = (topic.into(), record.origin.clone().map(Box::new));
                TaskError::Convert { topic, side, error, origin }
            };
            let key = self.key.to_bytes(topic, record.key.as_ref()).await;
            let key = key.map_err(|error| failed("key.converter", error))?;
            let value = self.value.to_bytes(topic, record.value.as_ref()).await;
            let value = value.map_err(|error| failed("value.converter", error))?;
            let known = TailRecord { topic, key: key.as_deref(), value: value.as_deref() };
            if flow.tail.take(&known) {
                self.status.add_recovered(1);
            } else {
                let mut out = Record::to(Arc::clone(&record.topic));
                (out.key, out.value, out.timestamp_ms) = (key, value, record.timestamp_ms);
                let (topic, origin) = (Arc::clone(&record.topic), record.origin);
                match self.producer.send(out).await {
                    Ok(delivery) => flow.sent.push_back(Sent { topic, delivery, origin }),
                    Err(error) => {
                        let origin = origin.map(Box::new);
                        return Err(TaskError::Produce { topic, error, origin });
                    }
                }
            }
            if let Some(position) = record.position {
                flow.moved_to(&record.partition, position);
            }
        }
        Ok(())
    }

    /// Before anything is written to a topic: remembers where it ends, and that from now on there
    /// may be more. What is remembered of positions stays as it is, as nothing of what was read
    /// after them counts as written yet.
    async fn begin(&mut self, flow: &mut Flow, topic: &str) -> Result<(), TaskError> {
        let remembered = self.offsets.load(&self.name).await?.unwrap_or_default();
        let mut written = remembered.written;
        if !flow.written.open {
            // What was written before an orderly end is never looked for.
            flow.written.ends.clear();
            written.ends.clear();
        }
        if !flow.written.ends.contains_key(topic) {
            let known = flow.written.ids.get(topic).map(String::as_str);
            let found = self.targets.prepare(topic, known).await?;
            written.ends.insert(topic.to_owned(), found.ends.clone());
            flow.written.ends.insert(topic.to_owned(), found.ends);
            if let Some(id) = found.id {
                flow.written.ids.insert(topic.to_owned(), id);
            }
        }
        written.ids.clone_from(&flow.written.ids);
        written.open = true;
        let changes = Changes { positions: Positions::new(), written: Some(written) };
        self.offsets.save(&self.name, &changes).await?;
        flow.written.open = true;
        Ok(())
    }

    /// Remembers positions of partitions of which nothing was written yet.
    async fn note(
        &mut self,
        flow: &mut Flow,
        positions: Vec<(Arc<SourcePartition>, Position)>,
    ) -> Result<(), TaskError> {
        // A file that took another's place has the position of that one still before it.
        match flow.tail.is_settled() {
            true if flow.moved.is_empty() => {}
            true => self.remember(flow, true).await?,
            // What was read of that one is not read again: it has to be written.
            false => self.settle(flow).await?,
        }
        let positions: Positions = positions
            .into_iter()
            .map(|(partition, position)| (partition_text(&partition), position))
            .collect();
        for partition in positions.keys() {
            flow.moved.remove(partition);
        }
        let changes = Changes { positions, written: None };
        Ok(self.offsets.save(&self.name, &changes).await?)
    }

    /// Waits until everything is written, then remembers positions and end offsets together.
    async fn remember(&mut self, flow: &mut Flow, open: bool) -> Result<(), TaskError> {
        self.settle(flow).await?;
        if flow.recovering {
            let mut ends = BTreeMap::new();
            for topic in flow.written.ends.keys() {
                if let Some(found) = self.targets.ends_if_there(topic).await? {
                    ends.insert(topic.clone(), found);
                }
            }
            flow.written.ends = ends;
            (flow.tail, flow.recovering) = (Tail::default(), false);
        }
        flow.written.open &= open;
        let positions = std::mem::take(&mut flow.moved);
        let changes = Changes { positions, written: Some(flow.written.clone()) };
        self.offsets.save(&self.name, &changes).await?;
        flow.moved_bytes = 0;
        flow.room.clear();
        flow.remembered = Instant::now();
        Ok(())
    }

    /// Counts what is acknowledged, from the first record on, without waiting.
    fn count_acknowledged(&mut self, flow: &mut Flow) -> Result<(), TaskError> {
        let mut context = Context::from_waker(Waker::noop());
        while let Some(sent) = flow.sent.front_mut() {
            let Poll::Ready(outcome) = Pin::new(&mut sent.delivery).poll(&mut context) else {
                break;
            };
            let Some(Sent { topic, origin, .. }) = flow.sent.pop_front() else { break };
            self.acknowledged(flow, &topic, outcome, origin)?;
        }
        Ok(())
    }

    /// Waits for all acknowledgements, and moves the end offsets behind them.
    async fn settle(&mut self, flow: &mut Flow) -> Result<(), TaskError> {
        while let Some(Sent { topic, delivery, origin }) = flow.sent.pop_front() {
            let outcome = delivery.await;
            self.acknowledged(flow, &topic, outcome, origin)?;
        }
        Ok(())
    }

    fn acknowledged(
        &self,
        flow: &mut Flow,
        topic: &str,
        outcome: Result<RecordMetadata, ProduceError>,
        origin: Option<Origin>,
    ) -> Result<(), TaskError> {
        let failed = |error| {
            let (topic, origin) = (topic.into(), origin.map(Box::new));
            TaskError::Produce { topic, error, origin }
        };
        let written = outcome.map_err(failed)?;
        flow.written.acknowledged(topic, &written);
        self.status.add_written(1);
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

impl Written {
    /// Moves an end offset behind a record that is there.
    fn acknowledged(&mut self, topic: &str, written: &RecordMetadata) {
        if let (Some(ends), Some(offset)) = (self.ends.get_mut(topic), written.offset) {
            let end = ends.entry(written.partition).or_insert(0);
            *end = (*end).max(offset + 1);
        }
    }
}

/// A record on its way.
struct Sent {
    topic: Arc<str>,
    delivery: Delivery,
    origin: Option<Origin>,
}

/// Where a running task stands.
struct Flow {
    /// End offsets of what is acknowledged, remembered together with the positions in `moved` once
    /// everything that was sent is acknowledged.
    written: Written,
    /// Positions of what was sent since positions were last remembered.
    moved: Positions,
    /// About the size of `moved`.
    moved_bytes: usize,
    tail: Tail,
    /// The end offsets are still those of the interrupted run.
    recovering: bool,
    sent: VecDeque<Sent>,
    /// How many records each partition may give until positions are remembered.
    room: Room,
    remembered: Instant,
}

impl Flow {
    fn new(written: Written, tail: Tail) -> Self {
        Self {
            written,
            moved: Positions::new(),
            moved_bytes: 0,
            recovering: !tail.is_settled(),
            tail,
            sent: VecDeque::new(),
            room: Room::new(WINDOW),
            remembered: Instant::now(),
        }
    }

    /// Takes the records from their partitions' room. True: one of them has none left.
    fn count(&mut self, records: &[SourceRecord]) -> Result<bool, TaskError> {
        let mut full = false;
        for run in records.chunk_by(|a, b| Arc::ptr_eq(&a.partition, &b.partition)) {
            let partition = &run[0].partition;
            if !self.room.count(partition, run.len()) {
                return Err(TaskError::TooMany { partition: partition_text(partition) });
            }
            full |= self.room.of(partition) == 0;
        }
        Ok(full)
    }

    fn moved_to(&mut self, partition: &SourcePartition, position: Position) {
        let partition = partition_text(partition);
        self.moved_bytes += partition.len() + Json::Object(position.clone()).to_string().len();
        self.moved.insert(partition, position);
    }
}

fn partition_text(partition: &SourcePartition) -> String {
    Json::Object(partition.clone()).to_string()
}
