//! Log folders, and cutting the beginning of a log.

use std::collections::BTreeMap;

use protocol::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic,
};
use protocol::messages::describe_log_dirs_request::{
    DescribableLogDirTopic, DescribeLogDirsRequest,
};
use protocol::{ErrorCode, Message as _};

use super::{Admin, PerItem, item};
use crate::TopicPartition;
use crate::cluster::{Answers, Asked, ListedOffset, OffsetSpec};
use crate::consumer::IsolationLevel;
use crate::error::{AdminError, RequestError};
use crate::topic_partition::by_topic;

/// A log folder of a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogDirDescription {
    /// Bytes of its volume, where the broker says.
    pub total_bytes: Option<i64>,
    /// Free bytes of its volume, where the broker says.
    pub usable_bytes: Option<i64>,
    /// Whether the broker places nothing new there.
    pub is_cordoned: bool,
    /// The replicas in it.
    pub replicas: BTreeMap<TopicPartition, ReplicaInfo>,
}

/// A replica in a log folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplicaInfo {
    /// Bytes on disk.
    pub size: i64,
    /// How far it is behind.
    pub offset_lag: i64,
    /// Whether it is being moved here from another folder.
    pub is_future: bool,
}

impl Admin {
    /// The log folders of a broker by path; of these partitions, or of all.
    pub async fn describe_log_dirs(
        &self,
        node: i32,
        partitions: Option<&[TopicPartition]>,
    ) -> Result<PerItem<String, LogDirDescription>, AdminError> {
        let topics = partitions.map(|partitions| {
            let topics = by_topic(partitions.iter().map(|partition| (partition, ())));
            let wanted = topics.into_iter().map(|(topic, partitions)| DescribableLogDirTopic {
                topic: topic.to_owned(),
                partitions: partitions.into_iter().map(|(index, ())| index).collect(),
            });
            wanted.collect()
        });
        let request = DescribeLogDirsRequest { topics };
        let api = DescribeLogDirsRequest::NAME;
        let subject = format!("broker {node}");
        let attempt = || self.cluster.send_to(node, &request);
        let response = self.cluster.retrying(api, &subject, attempt).await?;
        RequestError::check(api, subject, response.error_code, None)?;
        let mut results = BTreeMap::new();
        for dir in response.results {
            let mut replicas = BTreeMap::new();
            for topic in dir.topics {
                for replica in topic.partitions {
                    let partition =
                        TopicPartition::new(topic.name.as_str(), replica.partition_index);
                    let info = ReplicaInfo {
                        size: replica.partition_size,
                        offset_lag: replica.offset_lag,
                        is_future: replica.is_future_key,
                    };
                    replicas.insert(partition, info);
                }
            }
            let description = LogDirDescription {
                total_bytes: (dir.total_bytes >= 0).then_some(dir.total_bytes),
                usable_bytes: (dir.usable_bytes >= 0).then_some(dir.usable_bytes),
                is_cordoned: dir.is_cordoned,
                replicas,
            };
            let result = item(api, &dir.log_dir, dir.error_code, None, description);
            results.insert(dir.log_dir, result);
        }
        Ok(results)
    }

    /// Deletes the records before an offset (-1: all there are) and answers the new low watermark.
    pub async fn delete_records(
        &self,
        before: &BTreeMap<TopicPartition, i64>,
    ) -> Result<PerItem<TopicPartition, i64>, AdminError> {
        let ask = |node: i32, asked: Vec<Asked<i64>>| self.delete_on(node, asked);
        let api = DeleteRecordsRequest::NAME;
        let answers = self.cluster.ask_leaders(api, before.clone(), ask).await;
        Ok(answers.into_iter().map(|(key, result)| (key, result.map_err(Into::into))).collect())
    }

    async fn delete_on(
        &self,
        node: i32,
        asked: Vec<Asked<i64>>,
    ) -> Result<Answers<i64>, RequestError> {
        let topics = by_topic(asked.iter().map(|asked| (&asked.partition, asked.question)));
        let wanted = topics.into_iter().map(|(topic, partitions)| DeleteRecordsTopic {
            name: topic.to_owned(),
            partitions: partitions
                .into_iter()
                .map(|(partition_index, offset)| DeleteRecordsPartition { partition_index, offset })
                .collect(),
        });
        let request =
            DeleteRecordsRequest { topics: wanted.collect(), timeout_ms: self.timeout_ms() };
        let response = self.cluster.send_to(node, &request).await?;
        let mut answers = Answers::new();
        for topic in response.topics {
            for result in topic.partitions {
                let partition = TopicPartition::new(topic.name.as_str(), result.partition_index);
                let answer = match result.error_code {
                    ErrorCode::None => Ok(result.low_watermark),
                    code => Err(code),
                };
                answers.push((partition, answer));
            }
        }
        Ok(answers)
    }

    /// Looks up one offset for each partition.
    pub async fn list_offsets(
        &self,
        wanted: &BTreeMap<TopicPartition, OffsetSpec>,
        isolation: IsolationLevel,
    ) -> Result<PerItem<TopicPartition, ListedOffset>, AdminError> {
        let answers = self.cluster.list_offsets(wanted.clone(), isolation).await;
        Ok(answers.into_iter().map(|(key, result)| (key, result.map_err(Into::into))).collect())
    }
}
