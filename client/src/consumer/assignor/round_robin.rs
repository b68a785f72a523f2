//! All partitions in order of topic and number, dealt to the members in turn; a member that is
//! not subscribed to the topic is passed over.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Assignment, Member, empty};
use crate::TopicPartition;

pub(super) fn assign(partition_counts: &BTreeMap<Arc<str>, i32>, members: &[Member]) -> Assignment {
    let mut assignment = empty(members);
    let mut ranked: Vec<(&Member, BTreeSet<&str>)> = members
        .iter()
        .map(|member| (member, member.subscription.topics.iter().map(String::as_str).collect()))
        .collect();
    ranked.sort_by(|a, b| a.0.rank().cmp(&b.0.rank()));
    let mut next = 0;
    for (topic, &count) in partition_counts {
        if !ranked.iter().any(|(_, topics)| topics.contains(&**topic)) {
            continue;
        }
        for partition in 0..count {
            while !ranked[next].1.contains(&**topic) {
                next = (next + 1) % ranked.len();
            }
            let member = ranked[next].0;
            next = (next + 1) % ranked.len();
            let partition = TopicPartition::new(topic.clone(), partition);
            assignment.entry(member.id.clone()).or_default().push(partition);
        }
    }
    assignment
}
