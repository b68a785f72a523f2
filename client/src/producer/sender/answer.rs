//! What an answer means for the batches of its request.

use std::collections::HashMap;

use protocol::ErrorCode;
use protocol::messages::produce_response::{PartitionProduceResponse, ProduceResponse};
use tokio::time::Instant;

use super::super::batch::{Batch, Held};
use super::Sender;
use crate::TopicPartition;
use crate::error::{ConnectionError, ProduceError, RequestError};

/// What becomes of a batch.
enum Verdict {
    Written,
    /// The batch is too large as it is.
    Split,
    /// Another broker leads the partition.
    RetryElsewhere,
    Retry,
    /// The sequence is not the expected one.
    OutOfSequence,
    /// The broker does not know the producer any more.
    Forgotten,
    Refused,
}

fn judge(code: ErrorCode, batch: &Batch, is_idempotent: bool) -> Verdict {
    match code {
        ErrorCode::None | ErrorCode::DuplicateSequenceNumber => Verdict::Written,
        ErrorCode::MessageTooLarge if batch.count > 1 && !batch.is_whole => Verdict::Split,
        ErrorCode::OutOfOrderSequenceNumber if is_idempotent => Verdict::OutOfSequence,
        ErrorCode::UnknownProducerId | ErrorCode::InvalidProducerEpoch if is_idempotent => {
            Verdict::Forgotten
        }
        ErrorCode::NotLeaderOrFollower
        | ErrorCode::FencedLeaderEpoch
        | ErrorCode::LeaderNotAvailable
        | ErrorCode::UnknownTopicOrPartition
        | ErrorCode::UnknownTopicId
        | ErrorCode::KafkaStorageError => Verdict::RetryElsewhere,
        code if code.is_retriable() => Verdict::Retry,
        _ => Verdict::Refused,
    }
}

impl Sender {
    pub(super) fn on_response(&mut self, batches: Vec<Batch>, response: ProduceResponse) {
        let mut answers = HashMap::new();
        for topic in response.responses {
            for answer in topic.partition_responses {
                let partition = TopicPartition::new(topic.name.as_str(), answer.index);
                answers.insert(partition, answer);
            }
        }
        for batch in batches {
            let answer = answers.remove(&batch.partition).unwrap_or_else(|| {
                // A response that forgets a partition says nothing about it.
                PartitionProduceResponse {
                    error_code: ErrorCode::UnknownServerError,
                    error_message: Some("the response does not mention the partition".to_owned()),
                    ..Default::default()
                }
            });
            self.on_answer(batch, answer);
        }
    }

    fn on_answer(&mut self, batch: Batch, answer: PartitionProduceResponse) {
        let code = answer.error_code;
        let is_idempotent = self.shared.config.is_idempotent();
        match judge(code, &batch, is_idempotent) {
            Verdict::Written => {
                self.shared.accumulator().queue(&batch.partition).acknowledged(&batch);
                let offset = (answer.base_offset >= 0).then_some(answer.base_offset);
                let time = (answer.log_append_time_ms >= 0).then_some(answer.log_append_time_ms);
                let held = batch.held();
                batch.complete(offset, time);
                self.finish(held);
            }
            Verdict::Split => self.split(batch),
            Verdict::RetryElsewhere => {
                self.refresh();
                self.retry(batch, refusal(code, answer));
            }
            Verdict::Retry => self.retry(batch, refusal(code, answer)),
            Verdict::OutOfSequence => {
                self.shared.accumulator().queue(&batch.partition).out_of_sequence(&batch);
                self.retry(batch, refusal(code, answer));
            }
            Verdict::Forgotten => {
                self.shared.accumulator().queue(&batch.partition).note_gap(&batch);
                self.retry(batch, refusal(code, answer));
            }
            Verdict::Refused => {
                let error = refusal(code, answer).at(&batch);
                self.give_up(batch, &error);
            }
        }
    }

    /// All batches of a request that was not answered. Whether they were written is not known.
    pub(super) fn retry_all(&mut self, batches: Vec<Batch>, error: Option<ConnectionError>) {
        self.refresh();
        let error = error.map(RequestError::from);
        for batch in batches {
            match &error {
                Some(error) if !error.is_retriable() => {
                    let error = ProduceError::from(error.clone());
                    self.give_up(batch, &error);
                }
                Some(error) => self.retry(batch, Failure::Request(error.clone())),
                None => self.retry(batch, Failure::Request(RequestError::Closed)),
            }
        }
    }

    fn retry(&mut self, mut batch: Batch, failure: Failure) {
        let now = Instant::now();
        let config = &self.shared.config;
        let error = failure.at(&batch);
        let pause = self.shared.cluster.backoff(batch.attempts);
        let is_late = now + pause >= batch.expires_at(config.delivery_timeout);
        if is_late || batch.attempts > config.retries {
            let error = if is_late { self.late(&batch, Some(&error)) } else { error };
            return self.give_up(batch, &error);
        }
        tracing::debug!(partition = %batch.partition, %error, ?pause, "batch will be sent again");
        batch.last_error = Some(error);
        batch.not_before = Some(now + pause);
        let partition = batch.partition.clone();
        self.shared.accumulator().queue(&partition).put_back(vec![batch]);
    }

    fn split(&mut self, batch: Batch) {
        let limit = self.shared.config.batch_size.min(batch.size() / 2);
        let (id, partition) = (batch.id, batch.partition.clone());
        match batch.split(limit) {
            Ok(parts) => {
                let mut accumulator = self.shared.accumulator();
                accumulator.was_split(id, &partition.topic, parts.len());
                accumulator.queue(&partition).put_back(parts);
            }
            Err(failed) => {
                let (batch, reason) = *failed;
                let error = ProduceError::Encode { topic: partition.topic, reason };
                self.give_up(batch, &error);
            }
        }
    }

    fn give_up(&mut self, batch: Batch, error: &ProduceError) {
        self.shared.accumulator().queue(&batch.partition).given_up(&batch);
        self.finish_failed(batch, error);
    }

    pub(super) fn complete_unanswered(&mut self, batches: Vec<Batch>) {
        for batch in batches {
            self.shared.accumulator().queue(&batch.partition).acknowledged(&batch);
            let held = batch.held();
            batch.complete(None, None);
            self.finish(held);
        }
    }

    pub(super) fn finish_failed(&mut self, batch: Batch, error: &ProduceError) {
        let held = batch.held();
        batch.fail(error);
        self.finish(held);
    }

    /// Gives back what a batch held, and tells those who flush: they may rely on it that all who
    /// waited for its records know.
    fn finish(&self, held: Held) {
        self.shared.memory.add_permits(held.charged);
        self.shared.accumulator().done(held.id);
        self.shared.progress.send_modify(|done| *done = done.wrapping_add(1));
    }

    /// The error of a batch whose time was up before it was sent (again).
    pub(super) fn expired(&self, batch: &Batch) -> ProduceError {
        self.late(batch, batch.last_error.as_ref())
    }

    fn late(&self, batch: &Batch, last: Option<&ProduceError>) -> ProduceError {
        let nothing = || "it could not be sent, as the leader was not reached".to_owned();
        ProduceError::DeliveryTimeout {
            partition: batch.partition.clone(),
            count: batch.count,
            after: self.shared.config.delivery_timeout,
            last: last.map_or_else(nothing, ToString::to_string),
            code: last.and_then(ProduceError::code),
        }
    }
}

/// Why a batch was not written.
enum Failure {
    Refused(ErrorCode, Option<String>),
    Request(RequestError),
}

fn refusal(code: ErrorCode, answer: PartitionProduceResponse) -> Failure {
    let of_record = answer.record_errors.into_iter().find_map(|e| e.batch_index_error_message);
    Failure::Refused(code, of_record.or(answer.error_message))
}

impl Failure {
    fn at(self, batch: &Batch) -> ProduceError {
        match self {
            Self::Refused(code, message) => {
                ProduceError::Refused { partition: batch.partition.clone(), code, message }
            }
            Self::Request(error) => ProduceError::Request(error),
        }
    }
}
