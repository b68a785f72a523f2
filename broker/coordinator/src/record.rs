//! The records of `__consumer_offsets`, in the very bytes that Kafka 4.3 writes: a key opens with
//! its kind, a value with its version, each an int16.

use std::sync::Arc;

use bytes::Bytes;
use protocol::messages::group_metadata_key::GroupMetadataKey;
use protocol::messages::group_metadata_value::GroupMetadataValue;
use protocol::messages::legacy_offset_commit_key::LegacyOffsetCommitKey;
use protocol::messages::offset_commit_key::OffsetCommitKey;
use protocol::messages::offset_commit_value::OffsetCommitValue;
use protocol::{DecodeError, EncodeError, Message, NumberedRecord, Reader, Writer};

/// Key versions are fixed: the kind tells them apart.
const KEY_VERSION: i16 = 0;
const GROUP_VALUE_VERSION: i16 = 3;
const OFFSET_VALUE_VERSION: i16 = 4;
/// The one version that can say when an offset expires.
const EXPIRING_OFFSET_VALUE_VERSION: i16 = 1;

/// One change of the coordinator's persistent state; no value removes what the key names.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    Group { group: String, value: Option<GroupMetadataValue> },
    Offset { group: Arc<str>, topic: Arc<str>, partition: i32, value: Option<OffsetCommitValue> },
}

impl Record {
    /// The key and the value as bytes.
    pub fn encode(&self) -> Result<(Bytes, Option<Bytes>), EncodeError> {
        match self {
            Record::Group { group, value } => {
                let key = GroupMetadataKey { group: group.clone() };
                let value = value.as_ref().map(|value| versioned(value, GROUP_VALUE_VERSION));
                Ok((keyed(&key)?, value.transpose()?))
            }
            Record::Offset { group, topic, partition, value } => {
                let key = OffsetCommitKey {
                    group: group.to_string(),
                    topic: topic.to_string(),
                    partition: *partition,
                };
                let version = |value: &OffsetCommitValue| match value.expire_timestamp {
                    -1 => OFFSET_VALUE_VERSION,
                    _ => EXPIRING_OFFSET_VALUE_VERSION,
                };
                let value = value.as_ref().map(|value| versioned(value, version(value)));
                Ok((keyed(&key)?, value.transpose()?))
            }
        }
    }

    /// Reads a record; `None` if it is of a kind that no classic group has.
    pub fn decode(key: Bytes, value: Option<Bytes>) -> Result<Option<Self>, DecodeError> {
        let mut reader = Reader::new(key);
        let kind = reader.i16()?;
        let record = if kind == GroupMetadataKey::KIND {
            let key = GroupMetadataKey::decode(&mut reader, KEY_VERSION)?;
            Record::Group { group: key.group, value: value.map(unversioned).transpose()? }
        } else if kind == OffsetCommitKey::KIND {
            let key = OffsetCommitKey::decode(&mut reader, KEY_VERSION)?;
            let value = value.map(unversioned).transpose()?;
            let (group, topic) = (key.group.into(), key.topic.into());
            Record::Offset { group, topic, partition: key.partition, value }
        } else if kind == LegacyOffsetCommitKey::KIND {
            let key = LegacyOffsetCommitKey::decode(&mut reader, KEY_VERSION)?;
            let value = value.map(unversioned).transpose()?;
            let (group, topic) = (key.group.into(), key.topic.into());
            Record::Offset { group, topic, partition: key.partition, value }
        } else {
            return Ok(None);
        };
        Ok(Some(record))
    }
}

fn keyed<K: NumberedRecord>(key: &K) -> Result<Bytes, EncodeError> {
    let mut writer = Writer::new();
    writer.i16(K::KIND);
    key.encode(&mut writer, KEY_VERSION)?;
    Ok(writer.into_bytes())
}

fn versioned<V: Message>(value: &V, version: i16) -> Result<Bytes, EncodeError> {
    let mut writer = Writer::new();
    writer.i16(version);
    value.encode(&mut writer, version)?;
    Ok(writer.into_bytes())
}

fn unversioned<V: Message>(value: Bytes) -> Result<V, DecodeError> {
    let mut reader = Reader::new(value);
    let version = reader.i16()?;
    V::decode(&mut reader, version)
}

#[cfg(test)]
mod tests {
    use protocol::messages::group_metadata_value::MemberMetadata;
    use uuid::Uuid;

    use super::*;

    fn offset(value: Option<OffsetCommitValue>) -> Record {
        Record::Offset { group: "g1".into(), topic: "t1".into(), partition: 2, value }
    }

    #[test]
    fn an_offset_has_the_bytes_that_kafka_writes() {
        let value = OffsetCommitValue {
            offset: 100,
            leader_epoch: 0,
            metadata: "n".to_owned(),
            commit_timestamp: 7,
            topic_id: Uuid::from_u128(1),
            ..OffsetCommitValue::default()
        };
        let (key, bytes) = offset(Some(value.clone())).encode().unwrap();
        assert_eq!(&key[..], b"\0\x01\0\x02g1\0\x02t1\0\0\0\x02");
        let mut expected =
            b"\0\x04\0\0\0\0\0\0\0\x64\0\0\0\0\x02n\0\0\0\0\0\0\0\x07\x01\0\x10".to_vec();
        expected.extend(Uuid::from_u128(1).as_bytes());
        assert_eq!(bytes.as_deref(), Some(expected.as_slice()));
        assert_eq!(Record::decode(key, bytes), Ok(Some(offset(Some(value.clone())))));
        let expiring = OffsetCommitValue { expire_timestamp: 9, ..value };
        let (_, bytes) = offset(Some(expiring)).encode().unwrap();
        assert_eq!(&bytes.unwrap()[..2], b"\0\x01");
    }

    #[test]
    fn a_group_is_written_and_read_back_and_a_tombstone_too() {
        let value = GroupMetadataValue {
            protocol_type: "consumer".to_owned(),
            generation: 3,
            protocol: Some("range".to_owned()),
            leader: Some("m".to_owned()),
            current_state_timestamp: 5,
            members: vec![MemberMetadata {
                member_id: "m".to_owned(),
                group_instance_id: None,
                session_timeout: 10,
                rebalance_timeout: 20,
                subscription: Bytes::from_static(b"s"),
                assignment: Bytes::from_static(b"a"),
                ..MemberMetadata::default()
            }],
        };
        for value in [Some(value), None] {
            let record = Record::Group { group: "g".to_owned(), value };
            let (key, bytes) = record.encode().unwrap();
            assert_eq!(&key[..], b"\0\x02\0\x01g");
            assert_eq!(Record::decode(key, bytes), Ok(Some(record)));
        }
    }

    #[test]
    fn records_of_other_kinds_are_passed_over_and_damaged_ones_are_errors() {
        assert_eq!(Record::decode(Bytes::from_static(b"\0\x03\0\x01g"), None), Ok(None));
        assert!(Record::decode(Bytes::from_static(b"\0\x02\0\x09g"), None).is_err());
        assert!(Record::decode(Bytes::new(), None).is_err());
    }
}
