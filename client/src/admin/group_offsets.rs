//! Committed offsets of groups.

use std::collections::BTreeMap;

use protocol::messages::offset_delete_request::{
    OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use protocol::{ErrorCode, Message as _};

use super::{Admin, PerItem, complete, item};
use crate::TopicPartition;
use crate::cluster::is_about_coordinator;
use crate::consumer::offsets as requests;
pub use crate::consumer::offsets::{CommittedOffset, OffsetToCommit};
use crate::error::{AdminError, RequestError};
use crate::topic_partition::by_topic;

impl Admin {
    /// The committed offsets of these partitions, or of all that the group has committed.
    /// Partitions without a committed offset are absent.
    pub async fn list_group_offsets(
        &self,
        group: &str,
        partitions: Option<&[TopicPartition]>,
    ) -> Result<PerItem<TopicPartition, CommittedOffset>, AdminError> {
        let fetched = self.cluster.on_group_coordinator("OffsetFetch", group, |node| async move {
            requests::fetch(&self.cluster, node, group, partitions, false).await
        });
        let mut results = BTreeMap::new();
        for (partition, answer) in fetched.await? {
            match answer {
                Ok(None) => {}
                Ok(Some(committed)) => {
                    results.insert(partition, Ok(committed));
                }
                Err(code) => {
                    let failed = item("OffsetFetch", &partition.to_string(), code, None, ());
                    if let Err(error) = failed {
                        results.insert(partition, Err(error));
                    }
                }
            }
        }
        Ok(results)
    }

    /// Commits offsets for a group that has no members.
    pub async fn alter_group_offsets(
        &self,
        group: &str,
        offsets: &BTreeMap<TopicPartition, OffsetToCommit>,
    ) -> Result<PerItem<TopicPartition, ()>, AdminError> {
        let outsider = &requests::Committer::outside_of(group);
        let committed =
            self.cluster.on_group_coordinator("OffsetCommit", group, |node| async move {
                let answers = requests::commit(&self.cluster, node, outsider, offsets).await?;
                let moved =
                    answers.iter().map(|(_, code)| *code).find(|c| is_about_coordinator(*c));
                RequestError::check("OffsetCommit", group, moved.unwrap_or(ErrorCode::None), None)?;
                Ok(answers)
            });
        let mut results = BTreeMap::new();
        for (partition, code) in committed.await? {
            let result = item("OffsetCommit", &partition.to_string(), code, None, ());
            results.insert(partition, result);
        }
        complete("OffsetCommit", offsets.keys().cloned(), &mut results);
        Ok(results)
    }

    /// Deletes committed offsets of topics that no member of the group is subscribed to.
    pub async fn delete_group_offsets(
        &self,
        group: &str,
        partitions: &[TopicPartition],
    ) -> Result<PerItem<TopicPartition, ()>, AdminError> {
        let api = OffsetDeleteRequest::NAME;
        let topics = by_topic(partitions.iter().map(|partition| (partition, ())));
        let wanted = topics.into_iter().map(|(topic, partitions)| OffsetDeleteRequestTopic {
            name: topic.to_owned(),
            partitions: partitions
                .into_iter()
                .map(|(partition_index, ())| OffsetDeleteRequestPartition { partition_index })
                .collect(),
        });
        let request = &OffsetDeleteRequest { group_id: group.to_owned(), topics: wanted.collect() };
        let deleted = self.cluster.on_group_coordinator(api, group, |node| async move {
            let response = self.cluster.send_to(node, request).await?;
            RequestError::check(api, group, response.error_code, None)?;
            Ok(response.topics)
        });
        let mut results = BTreeMap::new();
        for topic in deleted.await? {
            for result in topic.partitions {
                let partition = TopicPartition::new(topic.name.as_str(), result.partition_index);
                let outcome = item(api, &partition.to_string(), result.error_code, None, ());
                results.insert(partition, outcome);
            }
        }
        complete(api, partitions.iter().cloned(), &mut results);
        Ok(results)
    }
}
