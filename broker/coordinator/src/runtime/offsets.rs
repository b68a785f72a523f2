//! Committing, fetching and deleting offsets.

use protocol::ErrorCode;

use super::{Groups, Unavailable};
use crate::{CommitRequest, Committed};

/// What a group committed for the partitions of one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedTopic {
    pub name: String,
    pub partitions: Vec<FetchedOffset>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedOffset {
    pub partition: i32,
    /// `None` where the group committed nothing.
    pub committed: Option<Committed>,
}

impl Groups {
    /// One code per partition, in the order of the request; or one for all of them.
    pub async fn commit(&self, request: &CommitRequest) -> Result<Vec<Vec<ErrorCode>>, ErrorCode> {
        let committed = async {
            let cell = self.shard_of(&request.group_id).await?;
            self.step(&cell, |shard, now| shard.commit(now, request)).await
        };
        match committed.await {
            Ok(codes) => codes,
            Err(error) => Err(commit_code(&error)),
        }
    }

    /// What the group committed for these partitions.
    pub async fn fetch(
        &self,
        group_id: &str,
        topics: &[(String, Vec<i32>)],
    ) -> Result<Vec<FetchedTopic>, Unavailable> {
        let cell = self.shard_of(group_id).await?;
        self.read(&cell, |shard| {
            let fetched = topics.iter().map(|(name, partitions)| {
                let committed = |partition: &i32| FetchedOffset {
                    partition: *partition,
                    committed: shard.committed(group_id, name, *partition).cloned(),
                };
                let partitions = partitions.iter().map(committed).collect();
                FetchedTopic { name: name.clone(), partitions }
            });
            fetched.collect()
        })
        .await
    }

    /// All that the group committed, by topic and partition.
    pub async fn fetch_all(&self, group_id: &str) -> Result<Vec<FetchedTopic>, Unavailable> {
        let cell = self.shard_of(group_id).await?;
        self.read(&cell, |shard| {
            let mut topics: Vec<FetchedTopic> = Vec::new();
            for (name, partition, committed) in shard.all_committed(group_id) {
                if topics.last().is_none_or(|topic| topic.name != name) {
                    topics.push(FetchedTopic { name: name.to_owned(), partitions: Vec::new() });
                }
                if let Some(topic) = topics.last_mut() {
                    let committed = Some(committed.clone());
                    topic.partitions.push(FetchedOffset { partition, committed });
                }
            }
            topics
        })
        .await
    }

    /// One code per partition, in the order of the request; or one for all of them.
    pub async fn delete_offsets(
        &self,
        group_id: &str,
        topics: &[(String, Vec<i32>)],
    ) -> Result<Vec<Vec<ErrorCode>>, ErrorCode> {
        let deleted = async {
            let cell = self.shard_of(group_id).await?;
            self.step(&cell, |shard, _| shard.delete_offsets(group_id, topics)).await
        };
        deleted.await.map_err(|error| error.code())?
    }

    /// Removes what groups committed for topics that are gone; call it after a topic is deleted.
    pub async fn forget_topics(&self, topics: &[String]) -> Result<(), Unavailable> {
        for cell in self.all_cells().await? {
            self.step(&cell, |shard, _| shard.forget_topics(topics)).await?;
        }
        Ok(())
    }
}

/// A commit that is too large has a code of its own.
fn commit_code(error: &Unavailable) -> ErrorCode {
    match error {
        Unavailable::Append(super::AppendError::TooLarge { .. }) => {
            ErrorCode::InvalidCommitOffsetSize
        }
        other => other.code(),
    }
}
