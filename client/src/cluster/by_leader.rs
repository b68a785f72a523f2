//! One question about many partitions, asked of their leaders, until each has its answer.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future::join_all;
use protocol::ErrorCode;
use tokio::time::Instant;

use super::{Cluster, TopicSelection};
use crate::TopicPartition;
use crate::error::RequestError;

/// A partition asked about: its leader's epoch and what is asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked<Q> {
    pub(crate) partition: TopicPartition,
    pub(crate) leader_epoch: i32,
    pub(crate) question: Q,
}

/// A leader's answers, by partition.
pub(crate) type Answers<A> = Vec<(TopicPartition, Result<A, ErrorCode>)>;

/// How long a topic that no broker knows may still appear: right after its creation the brokers
/// learn of it one after the other.
const UNKNOWN_TOPIC_GRACE: Duration = Duration::from_secs(3);

impl Cluster {
    /// Asks each partition's leader with `ask`; partitions whose leader has moved or is unknown are
    /// asked again after a refresh, up to the default API timeout.
    pub(crate) async fn ask_leaders<Q, A, F, Fut>(
        &self,
        api: &'static str,
        questions: BTreeMap<TopicPartition, Q>,
        ask: F,
    ) -> BTreeMap<TopicPartition, Result<A, RequestError>>
    where
        Q: Clone,
        F: Fn(i32, Vec<Asked<Q>>) -> Fut + Send,
        Fut: Future<Output = Result<Answers<A>, RequestError>> + Send,
    {
        let start = Instant::now();
        let deadline = start + self.config().default_api_timeout;
        let mut waiting = questions;
        let mut answers = BTreeMap::new();
        let mut failures = 0;
        loop {
            let (by_leader, mut failed) = self.group_by_leader(api, &waiting, failures > 0).await;
            let rounds = by_leader.into_iter().map(|(node, asked)| {
                let partitions: Vec<TopicPartition> =
                    asked.iter().map(|asked| asked.partition.clone()).collect();
                let answer = ask(node, asked);
                async move { (partitions, answer.await) }
            });
            for (partitions, result) in join_all(rounds).await {
                match result {
                    Ok(round) => {
                        let mut missing: BTreeSet<TopicPartition> =
                            partitions.into_iter().collect();
                        for (partition, answer) in round {
                            missing.remove(&partition);
                            match answer {
                                Ok(answer) => {
                                    waiting.remove(&partition);
                                    answers.insert(partition, Ok(answer));
                                }
                                Err(code) => {
                                    failed
                                        .push((partition.clone(), refused(api, &partition, code)));
                                }
                            }
                        }
                        failed.extend(missing.into_iter().map(|partition| {
                            let error = unanswered(api, &partition);
                            (partition, error)
                        }));
                    }
                    Err(error) => {
                        failed.extend(partitions.into_iter().map(|p| (p, error.clone())));
                    }
                }
            }
            failures += 1;
            let pause = self.backoff(failures);
            let now = Instant::now();
            for (partition, error) in failed {
                let unknown = error.code() == Some(ErrorCode::UnknownTopicOrPartition);
                let patience =
                    if unknown { deadline.min(start + UNKNOWN_TOPIC_GRACE) } else { deadline };
                if !error.is_retriable() || now + pause >= patience || self.is_closed() {
                    waiting.remove(&partition);
                    answers.insert(partition, Err(error));
                }
            }
            waiting.retain(|partition, _| !answers.contains_key(partition));
            if waiting.is_empty() {
                return answers;
            }
            tokio::time::sleep(pause).await;
        }
    }

    async fn group_by_leader<Q: Clone>(
        &self,
        api: &'static str,
        waiting: &BTreeMap<TopicPartition, Q>,
        stale: bool,
    ) -> (BTreeMap<i32, Vec<Asked<Q>>>, Vec<(TopicPartition, RequestError)>) {
        let mut metadata = self.metadata();
        let known = |partition: &TopicPartition| {
            metadata.leader(&partition.topic, partition.partition).is_some()
        };
        let mut unknown_code = None;
        if stale || !waiting.keys().all(known) {
            let mut topics: Vec<_> = waiting.keys().map(|p| p.topic.clone()).collect();
            topics.dedup();
            match self.refresh(TopicSelection::named(topics)).await {
                Ok(refreshed) => metadata = refreshed.metadata,
                Err(error) => unknown_code = Some(error),
            }
        }
        let mut leaders = BTreeMap::<i32, Vec<Asked<Q>>>::new();
        let mut failed = Vec::new();
        for (partition, question) in waiting {
            match metadata.leader(&partition.topic, partition.partition) {
                Some((node, leader_epoch)) => {
                    let asked = Asked {
                        partition: partition.clone(),
                        leader_epoch,
                        question: question.clone(),
                    };
                    leaders.entry(node).or_default().push(asked);
                }
                None => {
                    let topic = metadata.topics.get(&partition.topic);
                    let exists = topic.and_then(|t| t.partition(partition.partition)).is_some();
                    let code = match exists {
                        true => ErrorCode::LeaderNotAvailable,
                        false => ErrorCode::UnknownTopicOrPartition,
                    };
                    let error =
                        unknown_code.clone().unwrap_or_else(|| refused(api, partition, code));
                    failed.push((partition.clone(), error));
                }
            }
        }
        (leaders, failed)
    }
}

fn refused(api: &'static str, partition: &TopicPartition, code: ErrorCode) -> RequestError {
    RequestError::Refused { api, subject: partition.to_string(), code, message: None }
}

/// Asking again would bring the same answer, for ever.
fn unanswered(api: &'static str, partition: &TopicPartition) -> RequestError {
    let subject = partition.to_string();
    let message = Some("the broker's answer does not mention it".to_owned());
    RequestError::Refused { api, subject, code: ErrorCode::UnknownServerError, message }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, PoisonError};

    use super::*;
    use crate::config::ClientConfig;
    use crate::metadata::{Metadata, Partition, Topic};

    fn metadata() -> Metadata {
        let partition = Partition {
            index: 0,
            leader: Some(1),
            leader_epoch: 0,
            replicas: vec![1],
            isr: vec![1],
            offline: vec![],
            error_code: ErrorCode::None,
        };
        let (name, partitions) = (Arc::from("t"), vec![partition]);
        let topic = Topic { name, id: None, is_internal: false, partitions };
        Metadata { topics: [(topic.name.clone(), topic)].into(), ..Metadata::default() }
    }

    #[tokio::test]
    async fn a_partition_that_a_leader_says_nothing_about_is_an_error() {
        let cluster = Cluster::new(ClientConfig::tcp("127.0.0.1:1")).unwrap();
        cluster.inner.metadata.write().unwrap_or_else(PoisonError::into_inner).0 =
            Arc::new(metadata());
        let place = TopicPartition::new("t", 0);
        let silent = async |_: i32, _: Vec<Asked<()>>| Ok::<Answers<i64>, RequestError>(Vec::new());
        let answers = cluster.ask_leaders("Ask", [(place.clone(), ())].into(), silent).await;
        let error = answers[&place].as_ref().unwrap_err();
        assert_eq!(error.code(), Some(ErrorCode::UnknownServerError));
        assert!(error.to_string().contains("does not mention it"), "{error}");
    }
}
