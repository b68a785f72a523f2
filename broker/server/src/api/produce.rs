//! Produce 3-13.
//!
//! - Each partition's records are one batch of format 2. It is checked (see `produce_batch`) and
//!   appended on the task that read it, together with what else came to the partition at the same
//!   time. Where the topic demands a sync (`flush.messages`), the answer waits for it; then acks=-1
//!   waits for the replicas.
//! - A topic of the brokers' own is INVALID_TOPIC_EXCEPTION.
//! - acks=0 is answered by nothing, and where something failed by the end of the connection.
//! - Null records are not answered at all, as Kafka leaves them: the connection ends when it has
//!   idled.
//! - Where the topic has a `compression.type` of its own, a batch in another one is compressed
//!   anew.
//! - Transactions are not there yet: a transactional batch is INVALID_TXN_STATE.
//! - v5: log start offset · v8: errors of single records (KIP-467) · v13: topics by id (KIP-516)

use std::cell::Cell;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use broker_cluster::off_sockets::off_sockets;
use broker_cluster::partition::{
    Acks, LeadershipError, Partition, ProduceError, Submitted, Written,
};
use broker_log::{AppendError, Origin};
use broker_metadata::{Image, TopicImage, names};
use protocol::ErrorCode;
use protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use protocol::messages::{ProduceRequest, ProduceResponse};
use protocol::record::{BatchError, BatchHeader, Compression, RecordBatch, Records};
use thiserror::Error;
use tokio::time::Instant;

use super::error::{code_of_refusal, code_of_sync_error, code_of_uncommitted_error};
use super::produce_batch::check_batch;
use super::record_errors::RefusedRecords;
use crate::limits::{CHECKED_IN_PLACE, RECORD_ERROR_TEXTS, RECORD_ERRORS};
use crate::request::{self, Outcome, RequestContext};
use crate::services::Services;

/// The client id under which Kafka lets a tool write to topics of the brokers' own.
const ADMIN_CLIENT: &str = "__admin_client";

/// Why a partition's records are refused.
#[derive(Debug, Error)]
pub(crate) enum ProduceRefusal {
    #[error("there is no such topic or partition")]
    UnknownTopicOrPartition,
    #[error("there is no topic of this id")]
    UnknownTopicId,
    #[error("acks is {acks}, but must be 0, 1 or -1")]
    Acks { acks: i16 },
    #[error("the records are not exactly one record batch")]
    NotOneBatch,
    #[error("the topic is one of the brokers' own")]
    Internal,
    #[error("a client may not write control batches")]
    Control,
    #[error("no transaction is open: transactions are not supported yet")]
    Transactional,
    #[error(transparent)]
    Records(#[from] RefusedRecords),
    #[error("{size} bytes are more than max.message.bytes = {max}")]
    TooLarge { size: usize, max: u32 },
    #[error(transparent)]
    Batch(#[from] BatchError),
    #[error(transparent)]
    Partition(#[from] ProduceError),
}

/// What is sent back.
pub(super) enum ProduceReply {
    Response(ProduceResponse),
    Nothing,
    Close(String),
}

impl ProduceReply {
    pub(super) fn outcome(self, version: i16, correlation_id: i32) -> Outcome {
        match self {
            ProduceReply::Response(response) => {
                request::encode::<ProduceRequest>(&response, version, correlation_id, Vec::new())
            }
            ProduceReply::Nothing => Outcome::Silence,
            ProduceReply::Close(reason) => Outcome::Close(reason),
        }
    }
}

pub(super) async fn handle(
    context: RequestContext,
    services: &Services,
    request: ProduceRequest,
) -> ProduceReply {
    let mut partitions = request.topic_data.iter().flat_map(|topic| &topic.partition_data);
    if partitions.any(|partition| partition.records.is_none()) {
        return unanswered(services).await;
    }
    let image = services.image();
    let append = Append {
        services,
        image: &image,
        acks: request.acks,
        now_ms: services.now_ms(),
        internal_allowed: context.client_id.as_deref() == Some(ADMIN_CLIENT),
        listed: Cell::new(RECORD_ERRORS),
    };
    let (acks, timeout_ms) = (request.acks, request.timeout_ms);
    let (mut responses, submitted) = {
        let much = is_much_to_check(&request);
        let submit = || append.submit_all(request.topic_data, context.version);
        if much { off_sockets(submit) } else { submit() }
    };
    if !submitted.is_empty() {
        company().await;
    }
    let mut waiting = Vec::new();
    for (topic, partition, batch) in submitted {
        let response = &mut responses[topic].partition_responses[partition];
        let appended = batch.appended(services, response).await;
        waiting.extend(appended.map(|(of, written)| Waiting { topic, partition, of, written }));
    }
    if acks != 0 {
        let all = acks == -1;
        let timeout = Duration::from_millis(u64::try_from(timeout_ms).unwrap_or(0));
        wait_until_safe(&mut responses, waiting, all.then_some(timeout)).await;
    }
    let failed = || {
        let all = responses.iter().flat_map(|topic| &topic.partition_responses);
        all.map(|partition| partition.error_code).find(|code| code.is_error())
    };
    match acks {
        0 => match failed() {
            None => ProduceReply::Nothing,
            Some(code) => ProduceReply::Close(format!("a produce with acks=0 failed: {code}")),
        },
        _ => ProduceReply::Response(ProduceResponse { responses, ..ProduceResponse::default() }),
    }
}

async fn unanswered(services: &Services) -> ProduceReply {
    match u64::try_from(services.config.settings.sockets.connections_max_idle_ms) {
        Ok(idle) => {
            let idle = tokio::time::sleep(Duration::from_millis(idle));
            tokio::select! {
                () = idle => {}
                () = services.stopping.cancelled() => {}
            }
        }
        Err(_) => services.stopping.cancelled().await,
    }
    ProduceReply::Close("a produce without records is not answered".to_owned())
}

/// Lets the connection start the requests whose frames are here already, so that their batches are
/// in the queue too when this one's is appended.
async fn company() {
    let mut has_waited = false;
    poll_fn(|context| {
        if std::mem::replace(&mut has_waited, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// A batch on its way into the log.
struct Batch {
    of: Submitted,
    records: i32,
}

impl Batch {
    /// Waits until it is appended, and notes in the response what became of it.
    async fn appended(
        mut self,
        services: &Services,
        response: &mut PartitionProduceResponse,
    ) -> Option<(Arc<Partition>, Written)> {
        let answer = (&mut self.of).await;
        let partition = self.of.partition().clone();
        match answer {
            Ok(written) => {
                let appended = written.appended;
                if !appended.duplicate {
                    services.metrics.records_appended(u64::try_from(self.records).unwrap_or(0));
                }
                response.base_offset = appended.base_offset;
                response.log_append_time_ms = appended.log_append_time_ms;
                response.log_start_offset = appended.log_start_offset;
                Some((partition, written))
            }
            Err(problem) => {
                *response = refused(response.index, Some(&partition), &problem.into());
                None
            }
        }
    }
}

/// Where an appended partition's response stands.
struct Waiting {
    topic: usize,
    partition: usize,
    of: Arc<Partition>,
    written: Written,
}

impl Waiting {
    /// Waits for the sync that the topic demands, then until `deadline` for the replicas.
    async fn until_safe(&self, deadline: Option<Instant>) -> Result<(), ErrorCode> {
        let Written { appended, leader_epoch } = self.written;
        if let Some(offset) = appended.sync_to {
            let synced = self.of.wait_until_synced(offset).await;
            synced.map_err(|problem| code_of_sync_error(&problem))?;
        }
        let Some(deadline) = deadline else { return Ok(()) };
        let left = deadline.saturating_duration_since(Instant::now());
        let end = appended.last_offset + 1;
        let committed = self.of.wait_until_committed(end, leader_epoch, left).await;
        committed.map_err(|problem| code_of_uncommitted_error(&problem))
    }
}

/// Waits until each append may be acknowledged: synced, and with a timeout replicated.
async fn wait_until_safe(
    responses: &mut [TopicProduceResponse],
    waiting: Vec<Waiting>,
    timeout: Option<Duration>,
) {
    let deadline = timeout.map(|timeout| Instant::now() + timeout);
    for one in waiting {
        if let Err(code) = one.until_safe(deadline).await {
            let response = &mut responses[one.topic].partition_responses[one.partition];
            response.error_code = code;
            response.base_offset = -1;
        }
    }
}

fn find<'a>(
    image: &'a Image,
    data: &TopicProduceData,
    version: i16,
) -> Result<&'a Arc<TopicImage>, ErrorCode> {
    match version {
        13.. => image.topic_by_id(data.topic_id).ok_or(ErrorCode::UnknownTopicId),
        _ => image.topic(&data.name).ok_or(ErrorCode::UnknownTopicOrPartition),
    }
}

/// Whether checking a request's records is more than a thread should do that serves sockets.
fn is_much_to_check(request: &ProduceRequest) -> bool {
    let partitions = request.topic_data.iter().flat_map(|topic| &topic.partition_data);
    let records = partitions.filter_map(|partition| partition.records.as_ref()?.bytes());
    let mut left = CHECKED_IN_PLACE;
    for bytes in records {
        let is_plain = BatchHeader::parse(bytes)
            .is_ok_and(|header| header.compression() == Ok(Compression::None));
        match left.checked_sub(bytes.len()) {
            Some(rest) if is_plain => left = rest,
            _ => return true,
        }
    }
    false
}

/// One request's appends.
struct Append<'a> {
    services: &'a Services,
    image: &'a Image,
    acks: i16,
    now_ms: i64,
    internal_allowed: bool,
    /// How many more invalid records may be listed in the response.
    listed: Cell<usize>,
}

/// Why a partition was refused, with the partition if there is one.
type Refused = (Option<Arc<Partition>>, ProduceRefusal);

/// What is on its way into the logs, with the places of its topic and partition in the response.
type AllSubmitted = Vec<(usize, usize, Batch)>;

impl Append<'_> {
    /// Checks all records and hands them over, in their order; the response says so far what was
    /// refused.
    fn submit_all(
        &self,
        topics: Vec<TopicProduceData>,
        version: i16,
    ) -> (Vec<TopicProduceResponse>, AllSubmitted) {
        let mut submitted = Vec::new();
        let mut responses = Vec::with_capacity(topics.len());
        let mut texts = RECORD_ERROR_TEXTS;
        for (topic, data) in topics.into_iter().enumerate() {
            let found = find(self.image, &data, version);
            let mut partition_responses = Vec::with_capacity(data.partition_data.len());
            for (partition, data) in data.partition_data.into_iter().enumerate() {
                let index = data.index;
                partition_responses.push(match self.submit(found, data) {
                    Ok(batch) => {
                        submitted.push((topic, partition, batch));
                        PartitionProduceResponse { index, ..PartitionProduceResponse::default() }
                    }
                    Err((partition, refusal)) => {
                        let mut response = refused(index, partition.as_deref(), &refusal);
                        if let ProduceRefusal::Records(records) = &refusal {
                            response.record_errors = records.entries(&mut texts);
                        }
                        response
                    }
                });
            }
            responses.push(TopicProduceResponse {
                name: data.name,
                topic_id: data.topic_id,
                partition_responses,
            });
        }
        (responses, submitted)
    }

    /// Checks a partition's records and hands them over.
    fn submit(
        &self,
        topic: Result<&Arc<TopicImage>, ErrorCode>,
        data: PartitionProduceData,
    ) -> Result<Batch, Refused> {
        if !matches!(self.acks, -1..=1) {
            return Err((None, ProduceRefusal::Acks { acks: self.acks }));
        }
        let topic = topic.map_err(|code| match code {
            ErrorCode::UnknownTopicId => (None, ProduceRefusal::UnknownTopicId),
            _ => (None, ProduceRefusal::UnknownTopicOrPartition),
        })?;
        if names::is_internal(&topic.name) && !self.internal_allowed {
            return Err((None, ProduceRefusal::Internal));
        }
        let partition = match self.services.partitions.find(&topic.name, data.index) {
            Ok(partition) if partition.topic_id == topic.id => partition,
            Err(problem @ (LeadershipError::Offline | LeadershipError::NotLeader)) => {
                return Err((None, ProduceError::from(problem).into()));
            }
            _ => return Err((None, ProduceRefusal::UnknownTopicOrPartition)),
        };
        match self.checked(&partition, data.records) {
            Ok(batch) => {
                let records = batch.bytes().clone();
                let flusher = &self.services.flusher;
                let acks = if self.acks == -1 { Acks::All } else { Acks::Leader };
                let batch_of = (records, Origin::Client, acks);
                let of = partition.submit(batch_of, self.now_ms, flusher);
                Ok(Batch { of, records: batch.count })
            }
            Err(refusal) => Err((Some(partition), refusal)),
        }
    }

    /// The batch as the topic wants it.
    fn checked(
        &self,
        partition: &Partition,
        records: Option<Records>,
    ) -> Result<RecordBatch, ProduceRefusal> {
        let rules = partition.rules();
        let bytes = records.as_ref().and_then(Records::bytes).ok_or(ProduceRefusal::NotOneBatch)?;
        let listed_at_most = self.listed.get();
        let checked = check_batch(bytes, &partition.id, &rules, self.now_ms, listed_at_most);
        if let Err(ProduceRefusal::Records(refused)) = &checked {
            self.listed.set(listed_at_most - refused.listed());
        }
        checked
    }
}

/// Kafka tells the log's start with the errors of a batch that came as far as the log, and a text
/// with those of single records.
fn refused(
    index: i32,
    partition: Option<&Partition>,
    refusal: &ProduceRefusal,
) -> PartitionProduceResponse {
    let error_code = code_of_refusal(refusal);
    // What the disk's trouble is stands in the log once, and here for whoever sent the records.
    let of_storage = error_code == ErrorCode::KafkaStorageError;
    let of_records = matches!(refusal, ProduceRefusal::Records(_));
    let error_message = (of_records || of_storage).then(|| refusal.to_string());
    let marks = partition.filter(|_| reached_the_log(refusal)).and_then(|of| of.marks().ok());
    PartitionProduceResponse {
        index,
        error_code,
        base_offset: -1,
        log_start_offset: marks.map_or(-1, |marks| marks.log_start_offset),
        error_message,
        ..PartitionProduceResponse::default()
    }
}

fn reached_the_log(refusal: &ProduceRefusal) -> bool {
    match refusal {
        ProduceRefusal::Records(_) | ProduceRefusal::Transactional => true,
        ProduceRefusal::Batch(problem) => matches!(
            problem,
            BatchError::Count { .. }
                | BatchError::OffsetRange { .. }
                | BatchError::Sequence { .. }
                | BatchError::Record { .. }
                | BatchError::OffsetDelta { .. }
                | BatchError::Trailing { .. }
        ),
        ProduceRefusal::Partition(ProduceError::Append(problem)) => matches!(
            problem,
            AppendError::OutOfOrderSequence { .. }
                | AppendError::InvalidProducerEpoch { .. }
                | AppendError::NotTransactional { .. }
        ),
        ProduceRefusal::UnknownTopicOrPartition
        | ProduceRefusal::UnknownTopicId
        | ProduceRefusal::Acks { .. }
        | ProduceRefusal::NotOneBatch
        | ProduceRefusal::Internal
        | ProduceRefusal::Control
        | ProduceRefusal::TooLarge { .. }
        | ProduceRefusal::Partition(
            ProduceError::Leadership(_) | ProduceError::Offline { .. } | ProduceError::TooFew(_),
        ) => false,
    }
}
