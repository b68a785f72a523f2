//! ListOffsets: where a partition begins, ends, or was at a time.

use std::collections::BTreeMap;

use protocol::ErrorCode;
use protocol::messages::list_offsets_request::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
};

use super::by_leader::{Answers, Asked};
use super::{Cluster, Lane};
use crate::TopicPartition;
use crate::consumer::IsolationLevel;
use crate::error::RequestError;

/// Which offset of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetSpec {
    /// Of the first record that is still there.
    Earliest,
    /// After the last record that the isolation level lets a consumer see.
    Latest,
    /// Of the record with the largest timestamp (KIP-734).
    MaxTimestamp,
    /// Of the first record on the broker's own disks (KIP-405).
    EarliestLocal,
    /// Of the last record in tiered storage (KIP-1005).
    LatestTiered,
    /// Of the first record that is still to be copied to tiered storage (KIP-1023).
    EarliestPendingUpload,
    /// Of the first record that is not older than this, in milliseconds.
    Timestamp(i64),
}

impl OffsetSpec {
    fn wire(self) -> i64 {
        match self {
            Self::Latest => -1,
            Self::Earliest => -2,
            Self::MaxTimestamp => -3,
            Self::EarliestLocal => -4,
            Self::LatestTiered => -5,
            Self::EarliestPendingUpload => -6,
            Self::Timestamp(millis) => millis,
        }
    }

    /// The first version of ListOffsets that knows it.
    fn since_version(self) -> i16 {
        match self {
            Self::MaxTimestamp => 7,
            Self::EarliestLocal => 8,
            Self::LatestTiered => 9,
            Self::EarliestPendingUpload => 11,
            Self::Earliest | Self::Latest | Self::Timestamp(_) => 1,
        }
    }
}

/// What was found for an [`OffsetSpec`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedOffset {
    /// The offset; `None` where no record answers the question.
    pub offset: Option<i64>,
    /// Timestamp of the record there, for questions about times.
    pub timestamp_ms: Option<i64>,
    /// Leader epoch of the record, where known.
    pub leader_epoch: Option<i32>,
}

impl Cluster {
    /// Looks up one offset for each partition, with retries.
    pub(crate) async fn list_offsets(
        &self,
        wanted: BTreeMap<TopicPartition, OffsetSpec>,
        isolation: IsolationLevel,
    ) -> BTreeMap<TopicPartition, Result<ListedOffset, RequestError>> {
        let ask =
            |node: i32, asked: Vec<Asked<OffsetSpec>>| self.list_offsets_on(node, asked, isolation);
        self.ask_leaders("ListOffsets", wanted, ask).await
    }

    async fn list_offsets_on(
        &self,
        node: i32,
        asked: Vec<Asked<OffsetSpec>>,
        isolation: IsolationLevel,
    ) -> Result<Answers<ListedOffset>, RequestError> {
        let connection = self.connection(node, Lane::General).await?;
        let version = connection.version::<ListOffsetsRequest>()?;
        let mut answers = Vec::new();
        let mut topics = Vec::<ListOffsetsTopic>::new();
        for asked in asked {
            if asked.question.since_version() > version {
                answers.push((asked.partition, Err(ErrorCode::UnsupportedVersion)));
                continue;
            }
            let partition = ListOffsetsPartition {
                partition_index: asked.partition.partition,
                current_leader_epoch: asked.leader_epoch,
                timestamp: asked.question.wire(),
            };
            match topics.last_mut().filter(|topic| *topic.name == *asked.partition.topic) {
                Some(topic) => topic.partitions.push(partition),
                None => topics.push(ListOffsetsTopic {
                    name: asked.partition.topic.to_string(),
                    partitions: vec![partition],
                }),
            }
        }
        if topics.is_empty() {
            return Ok(answers);
        }
        let timeout = self.config().request_timeout.as_millis();
        let request = ListOffsetsRequest {
            replica_id: -1,
            isolation_level: isolation.wire(),
            topics,
            timeout_ms: i32::try_from(timeout).unwrap_or(i32::MAX),
        };
        let response = connection.send_at(version, &request).await?;
        for topic in response.topics {
            for answer in topic.partitions {
                let partition = TopicPartition::new(topic.name.as_str(), answer.partition_index);
                let known = |value: i64| (value >= 0).then_some(value);
                let result = match answer.error_code {
                    ErrorCode::None => Ok(ListedOffset {
                        offset: known(answer.offset),
                        timestamp_ms: known(answer.timestamp),
                        leader_epoch: (answer.leader_epoch >= 0).then_some(answer.leader_epoch),
                    }),
                    code => Err(code),
                };
                answers.push((partition, result));
            }
        }
        Ok(answers)
    }
}
