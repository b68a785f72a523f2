//! A running task: rows in, records out, commits.
//!
//! ```text
//!   pump ─► inbox ─► step (worker thread): decode, choose by time, operators ─► producer
//!                                                   commit, in this order:
//!     1 operators write what they hold to their stores
//!     2 all records sent so far have been acknowledged
//!     3 changelog: changed entries, then positions      one atomic batch = the commit
//!     4 local state: the same, in one write
//!     5 positions to the consumer group                 for tools to see
//! ```
//!
//! A crash before 3 leaves state and positions as they were: the same rows are processed again.
//! A crash after 3 loses nothing: the changelog brings 4.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::broker::{Broker, Fetched, GroupOffset, Offsets, Receipt, TopicPartition};
use super::engine::{Engine, EngineError, Outgoing};
use super::error::AppError;
use super::partition_group::{Input, PartitionGroup};
use super::progress::Progress;
use super::restore::Restored;
use super::waits::Waits;
use super::workers::Workers;
use crate::limits::{CHUNK_ROWS, COMMIT_AFTER_BYTES, COMMIT_AFTER_ROWS};
use crate::metrics::Metrics;
use crate::operator::TaskId;
use crate::state::{
    ChangelogBatches, Checkpoint, InputPosition, StateBackend, TaskSpace, checkpoint_key,
};

/// Pauses while something outside does not answer.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Pause between deletions of processed records from internal topics.
const PURGE_INTERVAL: Duration = Duration::from_secs(30);

/// Asks a task to commit now; answered when it has.
pub(crate) type CommitRequest = oneshot::Sender<()>;

/// What a task shares with its application.
#[derive(Clone)]
pub(crate) struct TaskEnvironment {
    pub(crate) group_id: Arc<str>,
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) backend: Arc<dyn StateBackend>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) progress: Arc<Progress>,
    /// Topic of each node that writes one.
    pub(crate) topics: Arc<HashMap<usize, Arc<str>>>,
    pub(crate) processing_log: Option<super::config::ProcessingLog>,
    pub(crate) commit_interval: Duration,
    pub(crate) transient: bool,
    pub(crate) workers: Workers,
    pub(crate) waits: Arc<Waits>,
    pub(crate) stop: CancellationToken,
}

/// A task on its way.
pub(crate) struct Task {
    id: TaskId,
    /// Away only while a worker thread has it.
    work: Option<Box<Work>>,
    inputs: Vec<Option<TopicPartition>>,
    /// Ids of the topics of `inputs` and of the changelog's.
    input_ids: Vec<Option<String>>,
    changelog_id: Option<String>,
    changelog: Option<TopicPartition>,
    /// What was fetched for an input and is not decoded yet.
    undecoded: VecDeque<(usize, Fetched)>,
    /// Set while decoding waits for something outside.
    pause: Option<Pause>,
    environment: TaskEnvironment,
    inbox: mpsc::UnboundedReceiver<Fetched>,
    requests: mpsc::UnboundedReceiver<CommitRequest>,
    receipts: Vec<Receipt>,
    committed: Vec<i64>,
    /// Whether positions are committed that the consumer group may not have.
    group_is_behind: bool,
    rows_since_commit: usize,
    next_commit: Instant,
    next_purge: Instant,
}

/// An input, and its topic's id.
type KnownInput<'a> = (&'a Option<TopicPartition>, &'a Option<String>);

/// Until when decoding waits, and for how long it has waited.
#[derive(Clone, Copy)]
struct Pause {
    until: Instant,
    length: Duration,
}

/// What moves to a worker thread and back.
struct Work {
    engine: Engine,
    group: PartitionGroup,
}

impl Task {
    pub(crate) fn new(
        restored: Restored,
        environment: TaskEnvironment,
        inbox: mpsc::UnboundedReceiver<Fetched>,
        requests: mpsc::UnboundedReceiver<CommitRequest>,
    ) -> Self {
        let Restored { engine, group, inputs, input_ids, changelog, changelog_id, .. } = restored;
        let group_is_behind = restored.group_is_behind;
        let committed = group.inputs.iter().map(|input| input.position).collect();
        Self {
            id: engine.task().clone(),
            work: Some(Box::new(Work { engine, group })),
            inputs,
            input_ids,
            changelog_id,
            changelog,
            undecoded: VecDeque::new(),
            pause: None,
            next_commit: Instant::now() + environment.commit_interval,
            environment,
            inbox,
            requests,
            receipts: Vec::new(),
            committed,
            group_is_behind,
            rows_since_commit: 0,
            next_purge: Instant::now() + PURGE_INTERVAL,
        }
    }

    /// Runs until it is told to stop (then everything is committed) or fails.
    pub(crate) async fn run(mut self) -> Result<(), AppError> {
        let stop = self.environment.stop.clone();
        let mut more = false;
        loop {
            let mut fetched = Vec::new();
            tokio::select! {
                biased;
                () = stop.cancelled() => return self.commit().await,
                Some(request) = self.requests.recv() => {
                    self.commit().await?;
                    let _asker_gone = request.send(());
                }
                () = tokio::time::sleep_until(self.next_commit), if self.is_commit_due() => {
                    self.commit().await?;
                }
                () = paused(self.pause), if self.pause.is_some() => {}
                batch = self.inbox.recv() => match batch {
                    Some(batch) => fetched.push(batch),
                    None => return Ok(()),
                },
                () = std::future::ready(()), if more => {}
            }
            while let Ok(batch) = self.inbox.try_recv() {
                fetched.push(batch);
            }
            more = self.step(fetched).await?;
            let bytes = self.work().engine.stores().changed_bytes();
            if bytes >= COMMIT_AFTER_BYTES || self.rows_since_commit >= COMMIT_AFTER_ROWS {
                self.commit().await?;
            }
        }
    }

    fn positions(&self) -> Vec<i64> {
        self.work().group.inputs.iter().map(|input| input.position).collect()
    }

    fn is_changed(&self) -> bool {
        self.positions() != self.committed || self.work().engine.stores().changed_bytes() > 0
    }

    fn is_commit_due(&self) -> bool {
        self.is_changed() || self.group_is_behind
    }

    /// Takes in what was fetched and processes some rows; true if more are ready.
    async fn step(&mut self, fetched: Vec<Fetched>) -> Result<bool, AppError> {
        for batch in fetched {
            let input =
                self.inputs.iter().position(|input| *input == Some(batch.partition.clone()));
            self.undecoded.extend(input.map(|input| (input, batch)));
        }
        if self.pause.is_some_and(|pause| Instant::now() < pause.until) {
            return Ok(false);
        }
        let mut undecoded = std::mem::take(&mut self.undecoded);
        let step = self.on_worker(move |work| {
            let obstacle = work.decode(&mut undecoded)?;
            // Rows wait for those of other inputs that may come before them.
            let (rows, more) = if obstacle.is_none() { work.process_some()? } else { (0, false) };
            Ok((undecoded, obstacle, rows, more))
        });
        let (undecoded, obstacle, rows, more) = step.await?;
        self.undecoded = undecoded;
        self.pause_for(obstacle);
        self.rows_since_commit += rows;
        self.hand_over().await?;
        self.environment.progress.processed(&self.inputs, &self.positions());
        Ok(more)
    }

    /// Waits a while where there is an obstacle, longer each time, and shows it.
    fn pause_for(&mut self, obstacle: Option<String>) {
        match &obstacle {
            None if self.pause.is_none() => return,
            None => {
                tracing::info!(task = %self.id, "decoding goes on");
                self.pause = None;
            }
            Some(obstacle) => {
                let length = match self.pause {
                    Some(pause) => (pause.length * 2).min(LONGEST_PAUSE),
                    None => {
                        tracing::warn!(task = %self.id, "waiting: {obstacle}");
                        FIRST_PAUSE
                    }
                };
                self.pause = Some(Pause { until: Instant::now() + length, length });
            }
        }
        self.environment.waits.note(&self.id, obstacle);
    }

    /// Gives records to the producer and messages to the processing log.
    async fn hand_over(&mut self) -> Result<(), AppError> {
        let engine = &mut self.work_mut().engine;
        let reports = std::mem::take(&mut engine.reports);
        let outgoing = std::mem::take(&mut engine.outgoing);
        if let Some(log) = &self.environment.processing_log {
            reports.iter().for_each(|report| log(report));
        }
        for Outgoing { node, record } in outgoing {
            let topic = &self.environment.topics[&node];
            self.receipts.push(self.environment.broker.send(topic, record).await?);
        }
        Ok(())
    }

    async fn commit(&mut self) -> Result<(), AppError> {
        self.next_commit = Instant::now() + self.environment.commit_interval;
        self.rows_since_commit = 0;
        if !self.is_changed() {
            return if self.group_is_behind { self.commit_to_group().await } else { Ok(()) };
        }
        self.on_worker(|work| work.engine.flush()).await?;
        self.hand_over().await?;
        for receipt in self.receipts.drain(..) {
            receipt.await?;
        }
        let mut checkpoint = self.work().engine.checkpoint();
        checkpoint.inputs = self.input_positions();
        if let Some(changelog) = &self.changelog {
            let stores = self.work().engine.stores();
            let ChangelogBatches(batches) =
                ChangelogBatches::new(&self.id, stores, &checkpoint, now_ms());
            for batch in batches {
                let count = batch.len() as i64;
                let base = self.environment.broker.append(changelog, batch).await?;
                checkpoint.changelog = Some(base + count);
            }
            checkpoint.changelog_id.clone_from(&self.changelog_id);
        }
        self.commit_locally(checkpoint).await?;
        self.commit_to_group().await?;
        self.committed = self.positions();
        self.environment.progress.committed(&self.inputs, &self.committed);
        self.environment.metrics.add_commit();
        self.purge().await;
        Ok(())
    }

    /// Now and then deletes what it has committed from internal topics: nobody else reads them.
    async fn purge(&mut self) {
        if Instant::now() < self.next_purge {
            return;
        }
        self.next_purge = Instant::now() + PURGE_INTERVAL;
        let pairs = self.inputs.iter().zip(&self.committed).enumerate();
        let internal = pairs.filter_map(|(number, (input, offset))| {
            let internal = self.work().engine.is_internal(number as u16);
            Some((input.clone().filter(|_| internal)?, *offset))
        });
        let before: Offsets = internal.collect();
        if before.is_empty() {
            return;
        }
        if let Err(error) = self.environment.broker.delete_records(&before).await {
            tracing::warn!(task = %self.id, "{error}; trying again later");
        }
    }

    async fn commit_locally(&mut self, checkpoint: Checkpoint) -> Result<(), AppError> {
        let backend = Arc::clone(&self.environment.backend);
        let key = checkpoint_key(&TaskSpace::new(&self.id));
        let keeps_positions = self.changelog.is_some() || !checkpoint.stores.is_empty();
        let write = self.on_worker(move |work| {
            let mut writes = work.engine.stores().writes();
            if keeps_positions {
                writes.push((key, Some(checkpoint.to_bytes())));
            }
            if !writes.is_empty() {
                backend.write(&writes)?;
            }
            work.engine.stores_mut().committed();
            Ok(())
        });
        write.await
    }

    async fn commit_to_group(&mut self) -> Result<(), AppError> {
        if self.environment.transient {
            return Ok(());
        }
        let pairs = self.inputs.iter().zip(&self.input_ids).zip(self.positions());
        let committed = |((input, id), offset): (KnownInput<'_>, i64)| {
            Some((input.clone()?, GroupOffset { offset, topic_id: id.clone() }))
        };
        let offsets = pairs.filter_map(committed).collect();
        let committed = self.environment.broker.commit(&self.environment.group_id, &offsets).await;
        self.group_is_behind = committed.is_err();
        match committed {
            Err(error) if self.changelog.is_some() => {
                tracing::warn!(task = %self.id, "{error}; the changelog has the positions");
                Ok(())
            }
            other => Ok(other?),
        }
    }

    fn input_positions(&self) -> Vec<InputPosition> {
        let pairs = self.inputs.iter().zip(&self.input_ids).zip(&self.work().group.inputs);
        let position = |((partition, id), input): (KnownInput<'_>, &Input)| {
            let partition = partition.as_ref()?;
            Some(InputPosition {
                topic: partition.topic.to_string(),
                partition: partition.partition,
                offset: input.position,
                topic_id: id.clone(),
                read_first_until: input.read_first_until,
            })
        };
        pairs.filter_map(position).collect()
    }

    /// Runs `job` on a worker thread.
    async fn on_worker<T: Send + 'static>(
        &mut self,
        job: impl FnOnce(&mut Work) -> Result<T, EngineError> + Send + 'static,
    ) -> Result<T, AppError> {
        let mut work = self.work.take().expect("it comes back from every job");
        let run = move || {
            let result = job(&mut work);
            (work, result)
        };
        let (work, result) = self
            .environment
            .workers
            .run(run)
            .await
            .map_err(|message| AppError::Task { task: self.id.to_string(), message })?;
        self.work = Some(work);
        result.map_err(|error| AppError::task(&self.id, error))
    }

    fn work(&self) -> &Work {
        self.work.as_ref().expect("it comes back from every job")
    }

    fn work_mut(&mut self) -> &mut Work {
        self.work.as_mut().expect("it comes back from every job")
    }
}

/// Waits until a pause is over.
async fn paused(pause: Option<Pause>) {
    if let Some(pause) = pause {
        tokio::time::sleep_until(pause.until).await;
    }
}

impl Work {
    /// Decodes what was fetched, batch by batch. What is left then is to be decoded again once the
    /// obstacle that is given is out of the way.
    fn decode(
        &mut self,
        fetched: &mut VecDeque<(usize, Fetched)>,
    ) -> Result<Option<String>, EngineError> {
        while let Some((input, batch)) = fetched.front() {
            let Fetched { partition, records, next_offset, end_offset } = batch;
            match self.engine.decode(*input as u16, partition.partition, records) {
                Ok(rows) => self.group.push(*input, rows, *next_offset, *end_offset),
                Err(error) if error.is_retriable() => return Ok(Some(error.to_string())),
                Err(error) => return Err(error),
            }
            fetched.pop_front();
        }
        Ok(None)
    }

    /// Processes rows until enough is done for one step; how many (those that they become
    /// counted), and whether more are ready.
    fn process_some(&mut self) -> Result<(usize, bool), EngineError> {
        let mut rows: usize = 0;
        let expansion = self.engine.subtopology().expansion.max(1);
        let limit = (CHUNK_ROWS / expansion).max(1);
        while rows < COMMIT_AFTER_ROWS && self.engine.outgoing.len() < COMMIT_AFTER_ROWS {
            if self.engine.stores().changed_bytes() >= COMMIT_AFTER_BYTES {
                break;
            }
            let Some((input, chunk)) = self.group.next(limit) else {
                return Ok((rows, false));
            };
            rows = rows.saturating_add(chunk.chunk.len().saturating_mul(expansion));
            self.engine.process(input as u16, chunk)?;
        }
        Ok((rows, true))
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
