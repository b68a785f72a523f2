//! Which topics a consumer subscribes to, by name or by pattern.

use std::collections::BTreeMap;
use std::sync::Arc;

use regex::Regex;

use crate::cluster::TopicSelection;
use crate::consumer::shared::Shared;
use crate::error::RequestError;

/// A subscription as the caller gave it.
#[derive(Debug, Clone)]
pub(in crate::consumer) enum Topics {
    Named(Vec<Arc<str>>),
    Pattern(Regex),
}

impl Topics {
    /// The names that it means at present, in order. Missing topics keep their place.
    pub(super) async fn resolve(&self, shared: &Shared) -> Result<Vec<Arc<str>>, RequestError> {
        match self {
            Self::Named(topics) => Ok(topics.clone()),
            Self::Pattern(pattern) => {
                let metadata = shared.cluster.refresh(TopicSelection::All).await?.metadata;
                let hides_internal = shared.config.exclude_internal_topics;
                let topics = metadata.topics.values();
                let matching = topics.filter(|topic| {
                    pattern.is_match(&topic.name) && !(hides_internal && topic.is_internal)
                });
                Ok(matching.map(|topic| topic.name.clone()).collect())
            }
        }
    }
}

/// How many partitions each of these topics has; those that do not exist are absent.
pub(super) async fn partition_counts<T: Into<Arc<str>>>(
    shared: &Shared,
    topics: impl IntoIterator<Item = T>,
) -> Result<BTreeMap<Arc<str>, i32>, RequestError> {
    let topics: Vec<Arc<str>> = topics.into_iter().map(Into::into).collect();
    let create = shared.config.allow_auto_create_topics;
    let wanted = TopicSelection::Named { topics: topics.clone(), create };
    let metadata = shared.cluster.refresh(wanted).await?.metadata;
    let known = topics.into_iter().filter_map(|topic| {
        let count = metadata.topics.get(&topic)?.partition_count();
        Some((topic, count))
    });
    Ok(known.collect())
}
