//! What consumers put into the opaque bytes of the classic group protocol: an int16 version, then
//! the message in it. A version above ours is read as ours, since versions only add at the end.

use std::collections::BTreeMap;

use bytes::Bytes;
use protocol::messages::{ConsumerProtocolAssignment, ConsumerProtocolSubscription};
use protocol::messages::{consumer_protocol_assignment, consumer_protocol_subscription};
use protocol::{Message, Reader, Writer};

use crate::TopicPartition;

/// The protocol type of consumer groups.
pub(crate) const PROTOCOL_TYPE: &str = "consumer";

/// What a member tells the leader of its group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Subscription {
    pub(crate) topics: Vec<String>,
    pub(crate) owned: Vec<TopicPartition>,
    pub(crate) generation: i32,
    pub(crate) user_data: Option<Bytes>,
    pub(crate) rack: Option<String>,
}

pub(crate) fn encode_subscription(subscription: &Subscription) -> Result<Bytes, String> {
    let mut owned = BTreeMap::<&str, Vec<i32>>::new();
    for partition in &subscription.owned {
        owned.entry(&partition.topic).or_default().push(partition.partition);
    }
    let owned = owned.into_iter().map(|(topic, partitions)| {
        consumer_protocol_subscription::TopicPartition { topic: topic.to_owned(), partitions }
    });
    encode(&ConsumerProtocolSubscription {
        topics: subscription.topics.clone(),
        user_data: subscription.user_data.clone(),
        owned_partitions: owned.collect(),
        generation_id: subscription.generation,
        rack_id: subscription.rack.clone(),
    })
}

pub(crate) fn decode_subscription(bytes: &Bytes) -> Result<Subscription, String> {
    let message: ConsumerProtocolSubscription = decode(bytes)?;
    let owned = message.owned_partitions.into_iter().flat_map(|topic| {
        let name: std::sync::Arc<str> = topic.topic.into();
        topic.partitions.into_iter().map(move |index| TopicPartition::new(name.clone(), index))
    });
    Ok(Subscription {
        owned: owned.collect(),
        topics: message.topics,
        generation: message.generation_id,
        user_data: message.user_data,
        rack: message.rack_id,
    })
}

pub(crate) fn encode_assignment(partitions: &[TopicPartition]) -> Result<Bytes, String> {
    let mut topics = BTreeMap::<&str, Vec<i32>>::new();
    for partition in partitions {
        topics.entry(&partition.topic).or_default().push(partition.partition);
    }
    let assigned = topics.into_iter().map(|(topic, partitions)| {
        consumer_protocol_assignment::TopicPartition { topic: topic.to_owned(), partitions }
    });
    encode(&ConsumerProtocolAssignment { assigned_partitions: assigned.collect(), user_data: None })
}

/// The assigned partitions in order; no bytes are no partitions.
pub(crate) fn decode_assignment(bytes: &Bytes) -> Result<Vec<TopicPartition>, String> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let message: ConsumerProtocolAssignment = decode(bytes)?;
    let assigned = message.assigned_partitions.into_iter().flat_map(|topic| {
        let name: std::sync::Arc<str> = topic.topic.into();
        topic.partitions.into_iter().map(move |index| TopicPartition::new(name.clone(), index))
    });
    let mut partitions: Vec<TopicPartition> = assigned.collect();
    partitions.sort_unstable();
    partitions.dedup();
    Ok(partitions)
}

fn encode<M: Message>(message: &M) -> Result<Bytes, String> {
    let version = *M::VERSIONS.end();
    let mut writer = Writer::new();
    writer.i16(version);
    message.encode(&mut writer, version).map_err(|error| error.to_string())?;
    Ok(writer.into_bytes())
}

fn decode<M: Message>(bytes: &Bytes) -> Result<M, String> {
    let mut reader = Reader::new(bytes.clone());
    let version = reader.i16().map_err(|error| error.to_string())?;
    if version < 0 {
        return Err(format!("{} has the negative version {version}", M::NAME));
    }
    let version = version.min(*M::VERSIONS.end());
    M::decode(&mut reader, version).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subscriptions_and_assignments_survive_the_way_to_bytes_and_back() {
        let subscription = Subscription {
            topics: vec!["a".to_owned(), "b".to_owned()],
            owned: vec![TopicPartition::new("a", 0), TopicPartition::new("a", 2)],
            generation: 7,
            user_data: Some(Bytes::from_static(b"x")),
            rack: None,
        };
        let bytes = encode_subscription(&subscription).unwrap();
        assert_eq!(decode_subscription(&bytes).unwrap(), subscription);
        let assignment = encode_assignment(&subscription.owned).unwrap();
        assert_eq!(decode_assignment(&assignment).unwrap(), subscription.owned);
    }

    #[test]
    fn the_bytes_are_those_of_java() {
        let partitions = [TopicPartition::new("t", 1)];
        let expected = b"\0\x03\0\0\0\x01\0\x01t\0\0\0\x01\0\0\0\x01\xff\xff\xff\xff";
        assert_eq!(&encode_assignment(&partitions).unwrap()[..], expected);
    }

    #[test]
    fn older_and_newer_versions_are_read_and_rubbish_is_not() {
        let old = Bytes::from_static(b"\0\0\0\0\0\x01\0\x01t\xff\xff\xff\xff");
        assert_eq!(decode_subscription(&old).unwrap().topics, ["t"]);
        let newer = Bytes::from_static(
            b"\0\x09\0\0\0\x01\0\x01t\xff\xff\xff\xff\0\0\0\0\0\0\0\x05\xff\xffmore",
        );
        assert_eq!(decode_subscription(&newer).unwrap().generation, 5);
        assert!(decode_subscription(&Bytes::from_static(b"\0\x01\xff\xff")).is_err());
        assert!(decode_assignment(&Bytes::from_static(b"\xff\xff")).is_err());
        assert_eq!(decode_assignment(&Bytes::new()).unwrap(), []);
    }
}
