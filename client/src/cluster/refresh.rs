//! Fetching metadata, one request at a time.

use std::sync::{Arc, PoisonError};

use protocol::ErrorCode;
use protocol::messages::metadata_request::{MetadataRequest, MetadataRequestTopic};
use tokio::time::Instant;

use super::Cluster;
use crate::error::{ConnectionError, RequestError};
use crate::metadata::Metadata;

/// Which topics to ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TopicSelection {
    /// Brokers only.
    None,
    /// All topics.
    All,
    /// These.
    Named {
        /// Their names.
        topics: Vec<Arc<str>>,
        /// Whether a broker may create those that are missing.
        create: bool,
    },
}

impl TopicSelection {
    /// These topics, none of which is created by asking.
    pub fn named<T: Into<Arc<str>>>(topics: impl IntoIterator<Item = T>) -> Self {
        Self::Named { topics: topics.into_iter().map(Into::into).collect(), create: false }
    }

    fn request(&self) -> MetadataRequest {
        let (topics, create) = match self {
            Self::None => (Some(Vec::new()), false),
            Self::All => (None, false),
            Self::Named { topics, create } => {
                let named = topics.iter().map(|topic| MetadataRequestTopic {
                    name: Some(topic.to_string()),
                    ..Default::default()
                });
                (Some(named.collect()), *create)
            }
        };
        MetadataRequest { topics, allow_auto_topic_creation: create, ..Default::default() }
    }
}

/// The outcome of a refresh.
#[derive(Debug, Clone)]
pub struct Refreshed {
    /// The view after it.
    pub metadata: Arc<Metadata>,
    /// Topics asked for that could not be described.
    pub failed: Vec<(Arc<str>, ErrorCode)>,
}

impl Refreshed {
    /// What the broker said about `topic`, where it could not describe it.
    pub fn failure(&self, topic: &str) -> Option<ErrorCode> {
        self.failed.iter().find(|(name, _)| &**name == topic).map(|(_, code)| *code)
    }
}

impl Cluster {
    /// Fetches metadata from any broker. One attempt on up to three brokers; callers retry.
    pub async fn refresh(&self, selection: TopicSelection) -> Result<Refreshed, RequestError> {
        let _one_at_a_time = self.inner.refreshing.lock().await;
        if self.is_closed() {
            return Err(RequestError::Closed);
        }
        let response = self.send_any(&selection.request()).await?;
        RequestError::check("Metadata", "the cluster", response.error_code, None)?;
        let complete = selection == TopicSelection::All;
        let mut current = self.inner.metadata.write().unwrap_or_else(PoisonError::into_inner);
        let (merged, failed) = current.0.merged(response, complete);
        let metadata = Arc::new(merged);
        *current = (metadata.clone(), Some(Instant::now()));
        Ok(Refreshed { metadata, failed })
    }

    /// The metadata with this topic in it, fetched only where it is not there yet.
    pub async fn with_topic(&self, topic: &str) -> Result<Arc<Metadata>, RequestError> {
        let known = self.metadata();
        if known.topics.contains_key(topic) {
            return Ok(known);
        }
        let refreshed = self.refresh(TopicSelection::named([topic])).await?;
        let code = refreshed.failure(topic).unwrap_or(ErrorCode::None);
        RequestError::check("Metadata", topic, code, None)?;
        Ok(refreshed.metadata)
    }

    /// The leader of a partition, or a retriable error after one refresh.
    pub async fn leader(&self, topic: &str, partition: i32) -> Result<(i32, i32), RequestError> {
        if let Some(leader) = self.metadata().leader(topic, partition) {
            return Ok(leader);
        }
        let refreshed = self.refresh(TopicSelection::named([topic])).await?;
        refreshed.metadata.leader(topic, partition).ok_or_else(|| {
            let known = refreshed.metadata.topics.get(topic);
            let unknown = match known.map(|topic| topic.partition(partition)) {
                Some(Some(_)) => ErrorCode::LeaderNotAvailable,
                _ => ErrorCode::UnknownTopicOrPartition,
            };
            RequestError::Refused {
                api: "Metadata",
                subject: format!("{topic}-{partition}"),
                code: refreshed.failure(topic).unwrap_or(unknown),
                message: None,
            }
        })
    }

    /// The failure of all candidates as one error.
    pub(super) fn unreachable(servers: Vec<String>, last: ConnectionError) -> RequestError {
        RequestError::NoBroker { servers: servers.join(","), last: Box::new(last) }
    }
}
