//! Leaders and moves of replicas.

use std::collections::BTreeMap;

use protocol::messages::elect_leaders_request::{ElectLeadersRequest, TopicPartitions};
use protocol::messages::list_partition_reassignments_request::{
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsTopics,
};
use protocol::{ErrorCode, Message as _};

use super::{Admin, PerItem, item};
use crate::TopicPartition;
use crate::error::{AdminError, RequestError};
use crate::topic_partition::by_topic;

/// Who may become leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ElectionType {
    /// The first replica of the partition.
    Preferred,
    /// Any replica, even one that is not in sync.
    Unclean,
}

/// A move of replicas that is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reassignment {
    /// All replicas, the leaving ones too.
    pub replicas: Vec<i32>,
    /// Those that come.
    pub adding: Vec<i32>,
    /// Those that leave.
    pub removing: Vec<i32>,
}

impl Admin {
    /// Elects leaders for these partitions, or for all that need it.
    pub async fn elect_leaders(
        &self,
        election: ElectionType,
        partitions: Option<&[TopicPartition]>,
    ) -> Result<PerItem<TopicPartition, ()>, AdminError> {
        let api = ElectLeadersRequest::NAME;
        let topic_partitions = partitions.map(|partitions| {
            let topics = by_topic(partitions.iter().map(|partition| (partition, ())));
            let wanted = topics.into_iter().map(|(topic, partitions)| TopicPartitions {
                topic: topic.to_owned(),
                partitions: partitions.into_iter().map(|(index, ())| index).collect(),
            });
            wanted.collect()
        });
        let request = ElectLeadersRequest {
            election_type: match election {
                ElectionType::Preferred => 0,
                ElectionType::Unclean => 1,
            },
            topic_partitions,
            timeout_ms: self.timeout_ms(),
        };
        let codes = |response: &protocol::messages::ElectLeadersResponse| vec![response.error_code];
        let response = self.on_controller("leaders", &request, codes).await?;
        RequestError::check(api, "leaders", response.error_code, None)?;
        let mut results = BTreeMap::new();
        for topic in response.replica_election_results {
            for result in topic.partition_result {
                let partition = TopicPartition::new(topic.topic.as_str(), result.partition_id);
                let subject = partition.to_string();
                let outcome = item(api, &subject, result.error_code, result.error_message, ());
                results.insert(partition, outcome);
            }
        }
        Ok(results)
    }

    /// The moves under way of these partitions, or of all; `None` where the brokers move nothing
    /// because they do not serve this request.
    pub async fn list_partition_reassignments(
        &self,
        partitions: Option<&[TopicPartition]>,
    ) -> Result<Option<BTreeMap<TopicPartition, Reassignment>>, AdminError> {
        let api = ListPartitionReassignmentsRequest::NAME;
        let topics = partitions.map(|partitions| {
            let topics = by_topic(partitions.iter().map(|partition| (partition, ())));
            let wanted =
                topics.into_iter().map(|(topic, partitions)| ListPartitionReassignmentsTopics {
                    name: topic.to_owned(),
                    partition_indexes: partitions.into_iter().map(|(index, ())| index).collect(),
                });
            wanted.collect()
        });
        let request = ListPartitionReassignmentsRequest { timeout_ms: self.timeout_ms(), topics };
        let codes = |response: &protocol::messages::ListPartitionReassignmentsResponse| {
            vec![response.error_code]
        };
        let response = match self.on_controller("reassignments", &request, codes).await {
            Err(error) if error.is_unsupported() => return Ok(None),
            response => response?,
        };
        let message = response.error_message;
        match RequestError::check(api, "reassignments", response.error_code, message) {
            Err(error) if error.code() == Some(ErrorCode::UnsupportedVersion) => return Ok(None),
            checked => checked?,
        }
        let mut moves = BTreeMap::new();
        for topic in response.topics {
            for partition in topic.partitions {
                let key = TopicPartition::new(topic.name.as_str(), partition.partition_index);
                let reassignment = Reassignment {
                    replicas: partition.replicas,
                    adding: partition.adding_replicas,
                    removing: partition.removing_replicas,
                };
                moves.insert(key, reassignment);
            }
        }
        Ok(Some(moves))
    }
}
