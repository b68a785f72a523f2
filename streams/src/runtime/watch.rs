//! Whether the topics of an application are still those that it started with.
//!
//! A reader of a topic that is gone just finds nothing to read, and one of a topic that was created
//! anew may find other records at its offsets: neither is an error of the protocol. So the cluster
//! is asked now and then.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::broker::{Broker, KnownTopic, TopicRole};
use super::error::AppError;
use super::setup::Identity;

/// Asks until a topic is another one or none, or a source has other partitions; then says so. A
/// cluster that does not answer says nothing about topics. A broker that has just started may know
/// less than it did: only what two answers in a row say counts.
pub(super) async fn watch(
    broker: Arc<dyn Broker>,
    topics: BTreeMap<String, Identity>,
    interval: Duration,
) -> AppError {
    let names: Vec<String> = topics.keys().cloned().collect();
    let mut suspected = BTreeSet::new();
    loop {
        tokio::time::sleep(interval).await;
        let Ok(found) = broker.topics(&names).await else { continue };
        let mut suspects = BTreeSet::new();
        for (name, known) in &topics {
            let Some(error) = difference(name, known, found.get(name)) else { continue };
            if suspected.contains(name) {
                return error;
            }
            suspects.insert(name.clone());
        }
        suspected = suspects;
    }
}

fn difference(name: &str, known: &Identity, found: Option<&KnownTopic>) -> Option<AppError> {
    let Some(found) = found else {
        return Some(AppError::TopicGone { role: known.role, topic: name.to_owned() });
    };
    let (id, partitions) = (found.id.clone(), found.partitions);
    let now = Identity { role: known.role, id, partitions };
    if let Err(error) = now.check(name, known.id.as_deref()) {
        return Some(error);
    }
    let grown = known.role == TopicRole::Source && partitions != known.partitions;
    grown.then(|| AppError::Repartitioned {
        topic: name.to_owned(),
        before: known.partitions,
        now: partitions,
    })
}
