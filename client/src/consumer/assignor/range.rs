//! Topic by topic: members in order, each a contiguous range; the first ones get one more where
//! the division leaves a rest.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Assignment, Member, empty};
use crate::TopicPartition;

pub(super) fn assign(partition_counts: &BTreeMap<Arc<str>, i32>, members: &[Member]) -> Assignment {
    let mut assignment = empty(members);
    for (topic, &count) in partition_counts {
        let is_subscribed =
            |member: &&Member| member.subscription.topics.iter().any(|name| **name == **topic);
        let mut subscribed: Vec<&Member> = members.iter().filter(is_subscribed).collect();
        subscribed.sort_by(|a, b| a.rank().cmp(&b.rank()));
        let Ok(among) = i32::try_from(subscribed.len()) else { continue };
        let mut next = 0;
        for (member, position) in subscribed.into_iter().zip(0..) {
            let share = count / among + i32::from(position < count % among);
            let range = (next..next + share).map(|p| TopicPartition::new(topic.clone(), p));
            assignment.entry(member.id.clone()).or_default().extend(range);
            next += share;
        }
    }
    assignment
}
