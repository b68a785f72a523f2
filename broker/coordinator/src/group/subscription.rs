//! Which topics a group reads, so that their offsets are neither deleted nor expired under it.

use std::collections::BTreeSet;

use protocol::messages::consumer_protocol_subscription::ConsumerProtocolSubscription;
use protocol::{Message, Reader};

use super::{CONSUMER, Group, Member};

impl Group {
    /// Reads the topics out of the members' metadata; unknown where one cannot be read.
    pub(crate) fn compute_subscription(&mut self) {
        self.subscribed_topics = match (&self.protocol_type, &self.protocol) {
            (Some(kind), Some(protocol)) if kind == CONSUMER => {
                let mut topics = BTreeSet::new();
                let all = self.members.values().all(|member| read(member, protocol, &mut topics));
                all.then_some(topics)
            }
            (Some(kind), None) if kind == CONSUMER && self.members.is_empty() => {
                Some(BTreeSet::new())
            }
            _ => None,
        };
    }

    /// Whether the group reads the topic; a group of consumers whose topics are unknown may.
    pub(crate) fn reads(&self, topic: &str) -> bool {
        match &self.subscribed_topics {
            Some(topics) => topics.contains(topic),
            None => self.is_of_consumers(),
        }
    }

    pub(crate) fn is_of_consumers(&self) -> bool {
        self.protocol_type.as_deref() == Some(CONSUMER)
    }
}

fn read(member: &Member, protocol: &str, topics: &mut BTreeSet<String>) -> bool {
    let Some(metadata) = member.metadata(protocol) else { return false };
    let mut reader = Reader::new(metadata.clone());
    let Ok(version) = reader.i16() else { return false };
    // A later version only adds fields at the end.
    let version = version.min(*ConsumerProtocolSubscription::VERSIONS.end());
    match ConsumerProtocolSubscription::decode(&mut reader, version) {
        Ok(subscription) => {
            topics.extend(subscription.topics);
            true
        }
        Err(_) => false,
    }
}
