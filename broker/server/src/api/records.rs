//! DeleteRecords 0-2, OffsetForLeaderEpoch 2-4.
//!
//! - DeleteRecords moves a log's start; -1 as offset is the high watermark. A topic that is only
//!   compacted gives POLICY_VIOLATION, a topic of the brokers' own INVALID_TOPIC_EXCEPTION.
//! - OffsetForLeaderEpoch tells where an epoch ended, so that a client sees whether its records are
//!   still there (KIP-320).

use broker_cluster::partition::LeadershipError;
use broker_log::TrimError;
use broker_metadata::names;
use indexmap::IndexMap;
use protocol::ErrorCode;
use protocol::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};
use protocol::messages::offset_for_leader_epoch_request::OffsetForLeaderPartition;
use protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use protocol::messages::{
    DeleteRecordsRequest, DeleteRecordsResponse, OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse,
};
use thiserror::Error;

use super::error::{code_of_delete_records_error, code_of_leadership_error};
use crate::request::RequestContext;
use crate::services::Services;

/// Why a partition's records stay.
#[derive(Debug, Error)]
pub(crate) enum DeleteRecordsError {
    #[error("the topic is one of the brokers' own")]
    Internal,
    #[error("the topic is compacted, and its cleanup.policy does not name delete")]
    CompactedOnly,
    #[error(transparent)]
    Leadership(#[from] LeadershipError),
    #[error(transparent)]
    Trim(#[from] TrimError),
}

pub(super) async fn delete(
    _context: RequestContext,
    services: &Services,
    request: DeleteRecordsRequest,
) -> DeleteRecordsResponse {
    // Of a partition that is named many times the last offset counts, as in Kafka.
    let mut asked: IndexMap<String, IndexMap<i32, i64>> = IndexMap::new();
    for topic in request.topics {
        let offsets = topic.partitions.iter().map(|one| (one.partition_index, one.offset));
        asked.entry(topic.name).or_default().extend(offsets);
    }
    let topics = asked.into_iter().map(|(name, offsets)| {
        let partitions = offsets.into_iter().map(|(partition_index, offset)| {
            let deleted = delete_before(services, &name, partition_index, offset);
            let (low_watermark, error_code) = match deleted {
                Ok(low_watermark) => (low_watermark, ErrorCode::None),
                Err(error) => (-1, code_of_delete_records_error(&error)),
            };
            DeleteRecordsPartitionResult { partition_index, low_watermark, error_code }
        });
        let partitions = partitions.collect();
        DeleteRecordsTopicResult { name, partitions }
    });
    DeleteRecordsResponse { topics: topics.collect(), ..DeleteRecordsResponse::default() }
}

fn delete_before(
    services: &Services,
    topic: &str,
    index: i32,
    offset: i64,
) -> Result<i64, DeleteRecordsError> {
    if names::is_internal(topic) {
        return Err(DeleteRecordsError::Internal);
    }
    let partition = services.partitions.find(topic, index)?;
    partition.check_leader(-1)?;
    let known = partition.with_log(|log| (log.config().retention.delete, log.high_watermark()))?;
    let (is_deleted_from, high_watermark) = known;
    if !is_deleted_from {
        return Err(DeleteRecordsError::CompactedOnly);
    }
    let offset = if offset == -1 { high_watermark } else { offset };
    Ok(partition.delete_records_before(offset)??)
}

pub(super) async fn offset_for_leader_epoch(
    _context: RequestContext,
    services: &Services,
    request: OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let topics = request.topics.into_iter().map(|topic| {
        let ends = topic.partitions.iter().map(|asked| {
            let partition = asked.partition;
            match end_of(services, &topic.topic, asked) {
                Ok((leader_epoch, end_offset)) => EpochEndOffset {
                    partition,
                    leader_epoch,
                    end_offset,
                    ..EpochEndOffset::default()
                },
                Err(error_code) => {
                    EpochEndOffset { error_code, partition, ..EpochEndOffset::default() }
                }
            }
        });
        let partitions = ends.collect();
        OffsetForLeaderTopicResult { topic: topic.topic, partitions }
    });
    OffsetForLeaderEpochResponse {
        topics: topics.collect(),
        ..OffsetForLeaderEpochResponse::default()
    }
}

fn end_of(
    services: &Services,
    topic: &str,
    asked: &OffsetForLeaderPartition,
) -> Result<(i32, i64), ErrorCode> {
    let partition = services.partitions.find(topic, asked.partition);
    let partition = partition.map_err(|error| code_of_leadership_error(&error))?;
    let end = partition
        .check_leader(asked.current_leader_epoch)
        .and_then(|()| partition.with_log(|log| log.epoch_end_offset(asked.leader_epoch)));
    let end = end.map_err(|error| code_of_leadership_error(&error))?;
    Ok((end.leader_epoch, end.end_offset))
}
