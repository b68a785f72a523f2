//! Writing records.
//!
//! ```text
//!  send -> partitioner -> accumulator (a queue of batches per partition)
//!                              |  linger or full
//!                         sender task -> one request per broker -> answers -> deliveries
//! ```

mod accumulator;
mod batch;
mod config;
mod partitioner;
mod queue;
mod record;
mod reply;
mod sender;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{SystemTime, UNIX_EPOCH};

use protocol::ErrorCode;
pub use protocol::record::Compression;
use tokio::sync::{Notify, Semaphore, SemaphorePermit, oneshot, watch};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::accumulator::{Accumulator, Choice, Moment, Settings};
use self::batch::{Batch, UNQUEUED};
pub use self::config::{Acks, Partitioner, ProducerConfig};
pub use self::partitioner::{murmur2, partition_for_key};
pub use self::record::{Header, Record, RecordMetadata};
pub use self::reply::DeliveryObserver;
use self::reply::Reply;
use crate::TopicPartition;
use crate::cluster::{Cluster, TopicSelection};
use crate::error::ProduceError;
use crate::metadata::{Metadata, Topic};

/// Writes records; clones share everything. Call [`Producer::close`] before dropping the last one:
/// what has not been sent until then is lost.
#[derive(Clone)]
pub struct Producer {
    shared: Arc<Shared>,
    _stop_with_last: Arc<tokio_util::sync::DropGuard>,
}

impl std::fmt::Debug for Producer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Producer").field("config", &self.shared.config).finish_non_exhaustive()
    }
}

/// What the handles and the sender task share.
struct Shared {
    config: ProducerConfig,
    cluster: Cluster,
    /// Held while a record is copied into its batch, or the next batches are picked; nothing
    /// awaits under it.
    accumulator: Mutex<Accumulator>,
    /// Bytes of `buffer.memory` that are free.
    memory: Semaphore,
    /// Tells the sender that there is something new to look at.
    wake: Notify,
    /// Counts answered batches, for those who flush.
    progress: watch::Sender<u64>,
    cancel: CancellationToken,
    tracker: TaskTracker,
}

/// The outcome of a send, to be awaited or dropped.
#[derive(Debug)]
pub struct Delivery(accumulator::Receiver);

impl Future for Delivery {
    type Output = Result<RecordMetadata, ProduceError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = Pin::new(&mut self.0).poll(context);
        outcome.map(|outcome| outcome.unwrap_or(Err(ProduceError::Closed)))
    }
}

impl Producer {
    /// Starts a producer and its sender task on the current runtime; it connects on first use.
    pub fn new(config: ProducerConfig) -> Result<Self, ProduceError> {
        config.validate()?;
        let cluster = Cluster::new(config.client.clone())?;
        let settings = Settings {
            batch_size: config.batch_size.max(1),
            linger: config.linger,
            codec: config.codec()?,
            is_idempotent: config.is_idempotent(),
            max_in_flight: config.max_in_flight,
            max_request_size: config.max_request_size,
            delivery_timeout: config.delivery_timeout,
            adaptive_partitioning: config.adaptive_partitioning,
        };
        let cancel = CancellationToken::new();
        let shared = Arc::new(Shared {
            memory: Semaphore::new(config.buffer_memory.min(Semaphore::MAX_PERMITS)),
            config,
            cluster,
            accumulator: Mutex::new(Accumulator::new(settings)),
            wake: Notify::new(),
            progress: watch::Sender::new(0),
            cancel: cancel.clone(),
            tracker: TaskTracker::new(),
        });
        shared.tracker.spawn(sender::run(shared.clone()));
        Ok(Self { shared, _stop_with_last: Arc::new(cancel.drop_guard()) })
    }

    /// Takes a record, waiting up to `max.block.ms` for its topic to be known and for room in the
    /// buffer. The delivery says where it ended up.
    pub async fn send(&self, record: Record) -> Result<Delivery, ProduceError> {
        let (sender, receiver) = oneshot::channel();
        self.append(record, Reply::Awaited(sender)).await?;
        Ok(Delivery(receiver))
    }

    /// As [`send`](Self::send), where `observer` is told of the outcome under a tag of the
    /// caller's: cheaper than a future for each of many records. Where this fails the observer is
    /// told too.
    pub async fn send_observed(
        &self,
        record: Record,
        observer: &Arc<dyn DeliveryObserver>,
        tag: u64,
    ) -> Result<(), ProduceError> {
        self.append(record, Reply::observed(observer.clone(), tag)).await
    }

    async fn append(&self, record: Record, reply: Reply) -> Result<(), ProduceError> {
        let shared = &*self.shared;
        check_time(&record, &record.topic)?;
        let bytes = Accumulator::most_bytes(&record);
        // Most records wait for nothing, and need no deadline.
        let mut deadline = None;
        let mut until =
            || *deadline.get_or_insert_with(|| Instant::now() + shared.config.max_block);
        let metadata = match shared.known(&record.topic) {
            Some(known) => known,
            None => shared.metadata_for(&record.topic, until()).await?,
        };
        let topic = shared.topic(&metadata, &record.topic)?;
        let choice = shared.choose(&record, topic)?;
        shared.check_size(bytes)?;
        if !shared.try_acquire(bytes) {
            shared.acquire(bytes, until()).await?;
        }
        let moment = Moment { now: Instant::now(), now_ms: now_ms(), random: rand::random };
        let appended = shared.accumulator().append(topic, &record, choice, moment, reply);
        if appended.ok_or(ProduceError::Closed)? {
            shared.wake.notify_one();
        }
        Ok(())
    }

    /// Takes records that go to one partition in exactly one batch, whatever `batch.size`. The
    /// delivery has the offset of the first. Too many of them for one request are refused.
    pub async fn send_batch(
        &self,
        topic: &str,
        partition: i32,
        records: &[Record],
    ) -> Result<Delivery, ProduceError> {
        let shared = &*self.shared;
        let deadline = Instant::now() + shared.config.max_block;
        let metadata = shared.metadata_for(topic, deadline).await?;
        let topic = shared.topic(&metadata, topic)?;
        check_partition(topic, partition)?;
        let (sender, receiver) = oneshot::channel();
        let Some(first) = records.first() else {
            let reason = "a batch has at least one record".to_owned();
            return Err(ProduceError::Encode { topic: topic.name.clone(), reason });
        };
        let now_ms = now_ms();
        let place = TopicPartition::new(topic.name.clone(), partition);
        let codec = shared.accumulator().settings.codec;
        let size: usize = records.iter().map(Accumulator::most_bytes).sum();
        let mut batch = Batch::new(UNQUEUED, place, codec, size, Instant::now());
        for record in records {
            check_time(record, &topic.name)?;
            let timestamp_ms = record.timestamp_ms.unwrap_or(now_ms);
            let bytes = Accumulator::most_bytes(record);
            batch.try_append(record, timestamp_ms, bytes, usize::MAX);
        }
        batch.is_whole = true;
        let limit = shared.config.max_request_size;
        if batch.size() > limit {
            let size = batch.close(None).len();
            if size > limit {
                return Err(ProduceError::TooLarge { size, limit, key: "max.request.size" });
            }
        }
        let timestamp_ms = first.timestamp_ms.unwrap_or(now_ms);
        batch.replies.push((Reply::Awaited(sender), timestamp_ms));
        batch.charged = batch.charged.min(shared.config.buffer_memory);
        shared.acquire(batch.charged, deadline).await?;
        if !shared.accumulator().append_whole(batch) {
            return Err(ProduceError::Closed);
        }
        shared.wake.notify_one();
        Ok(Delivery(receiver))
    }

    /// Waits until everything that was sent before is delivered or has failed.
    pub async fn flush(&self) {
        let mut progress = self.shared.progress.subscribe();
        let below = self.shared.accumulator().hurry();
        let _relax = Relax(&self.shared);
        self.shared.wake.notify_one();
        while !self.shared.accumulator().is_done_below(below) && !self.shared.cancel.is_cancelled()
        {
            tokio::select! {
                _ = progress.changed() => {}
                () = self.shared.cancel.cancelled() => {}
            }
        }
    }

    /// How many partitions `topic` has, asking for it for up to `max.block.ms`.
    pub async fn partitions_for(&self, topic: &str) -> Result<i32, ProduceError> {
        let deadline = Instant::now() + self.shared.config.max_block;
        let metadata = self.shared.metadata_for(topic, deadline).await?;
        Ok(self.shared.topic(&metadata, topic)?.partition_count())
    }

    /// Flushes for up to `delivery.timeout.ms`, then stops the sender and closes all connections,
    /// also where a broker does not read or does not answer. What is not delivered by then has
    /// failed, and those who wait for it are told so.
    pub async fn close(&self) {
        let patience = self.shared.config.delivery_timeout;
        // What is not delivered by then has failed by then.
        let _ = timeout(patience, self.flush()).await;
        self.shared.cancel.cancel();
        self.shared.tracker.close();
        self.shared.tracker.wait().await;
        self.shared.cluster.close().await;
    }
}

/// Ends the hurry of a flush, also of one that is dropped half-way.
struct Relax<'a>(&'a Shared);

impl Drop for Relax<'_> {
    fn drop(&mut self) {
        self.0.accumulator().relax();
    }
}

impl Shared {
    fn accumulator(&self) -> MutexGuard<'_, Accumulator> {
        self.accumulator.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Metadata that has `topic`, where it is known.
    fn known(&self, topic: &str) -> Option<Arc<Metadata>> {
        let known = self.cluster.metadata();
        let topic = known.topics.get(topic)?;
        (!topic.partitions.is_empty()).then_some(known)
    }

    /// Metadata that has `topic`, asked for until the deadline.
    async fn metadata_for(
        &self,
        topic: &str,
        deadline: Instant,
    ) -> Result<Arc<Metadata>, ProduceError> {
        if let Some(known) = self.known(topic) {
            return Ok(known);
        }
        let mut failures = 0;
        let (mut reason, mut code) = ("no broker answered".to_owned(), None);
        while Instant::now() < deadline {
            let wanted = TopicSelection::Named { topics: vec![topic.into()], create: true };
            match timeout_at(deadline, self.cluster.refresh(wanted)).await {
                Ok(Ok(refreshed)) => {
                    if refreshed.metadata.topics.contains_key(topic) {
                        return Ok(refreshed.metadata);
                    }
                    let unknown = ErrorCode::UnknownTopicOrPartition;
                    let failure = refreshed.failure(topic).unwrap_or(unknown);
                    if !failure.is_retriable() {
                        let topic = TopicPartition::new(topic, -1);
                        let (code, message) = (failure, None);
                        return Err(ProduceError::Refused { partition: topic, code, message });
                    }
                    (reason, code) = (failure.message().to_owned(), Some(failure));
                }
                Ok(Err(error)) if error.is_retriable() => reason = error.to_string(),
                Ok(Err(error)) => return Err(error.into()),
                Err(_) => break,
            }
            failures += 1;
            let pause = self.cluster.backoff(failures);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.cancel.cancelled() => return Err(ProduceError::Closed),
            }
        }
        let after = self.config.max_block;
        Err(ProduceError::TopicNotFound { topic: topic.into(), after, reason, code })
    }

    fn topic<'a>(&self, metadata: &'a Metadata, topic: &str) -> Result<&'a Topic, ProduceError> {
        metadata.topics.get(topic).ok_or_else(|| ProduceError::TopicNotFound {
            topic: topic.into(),
            after: self.config.max_block,
            reason: ErrorCode::UnknownTopicOrPartition.message().to_owned(),
            code: Some(ErrorCode::UnknownTopicOrPartition),
        })
    }

    fn choose(&self, record: &Record, topic: &Topic) -> Result<Choice, ProduceError> {
        if let Some(partition) = record.partition {
            check_partition(topic, partition)?;
            return Ok(Choice::Fixed(partition));
        }
        match (&record.key, self.config.partitioner) {
            (_, Partitioner::RoundRobin) => Ok(Choice::InTurn),
            (Some(key), Partitioner::Default) if !self.config.ignore_keys => {
                Ok(Choice::Fixed(partition_for_key(key, topic.partition_count())))
            }
            (_, Partitioner::Default) => Ok(Choice::Sticky),
        }
    }

    /// A record must fit into a request and into the buffer at all.
    fn check_size(&self, bytes: usize) -> Result<(), ProduceError> {
        for (limit, key) in [
            (self.config.max_request_size, "max.request.size"),
            (self.config.buffer_memory, "buffer.memory"),
        ] {
            if bytes > limit {
                return Err(ProduceError::TooLarge { size: bytes, limit, key });
            }
        }
        Ok(())
    }

    /// Takes room in the buffer, if there is some.
    fn try_acquire(&self, bytes: usize) -> bool {
        let permits = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.memory.try_acquire_many(permits).map(SemaphorePermit::forget).is_ok()
    }

    /// Takes room in the buffer. Who has to wait makes the batches in it go out at once.
    async fn acquire(&self, bytes: usize, deadline: Instant) -> Result<(), ProduceError> {
        if self.try_acquire(bytes) {
            return Ok(());
        }
        let permits = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.accumulator().hurry();
        let _relax = Relax(self);
        self.wake.notify_one();
        tokio::select! {
            permit = timeout_at(deadline, self.memory.acquire_many(permits)) => match permit {
                Ok(Ok(permit)) => {
                    permit.forget();
                    Ok(())
                }
                Ok(Err(_)) => Err(ProduceError::Closed),
                Err(_) => Err(ProduceError::BufferFull {
                    limit: self.config.buffer_memory,
                    after: self.config.max_block,
                }),
            },
            () = self.cancel.cancelled() => Err(ProduceError::Closed),
        }
    }
}

/// Negative times mean something else on the wire.
fn check_time(record: &Record, topic: &Arc<str>) -> Result<(), ProduceError> {
    match record.timestamp_ms {
        Some(time) if time < 0 => {
            let reason = format!(
                "Invalid timestamp: {time}. Timestamp should always be non-negative or null."
            );
            Err(ProduceError::Encode { topic: topic.clone(), reason })
        }
        _ => Ok(()),
    }
}

fn check_partition(topic: &Topic, partition: i32) -> Result<(), ProduceError> {
    match topic.partition(partition) {
        Some(_) => Ok(()),
        None => Err(ProduceError::UnknownPartition {
            topic: topic.name.clone(),
            partition,
            count: topic.partition_count(),
        }),
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
