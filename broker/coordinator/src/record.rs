//! The records of `__consumer_offsets`, in the very bytes that Kafka 4.3 writes: a key opens with its
//! kind, a value with its version, each an int16.

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
    Offset { group: String, topic: String, partition: i32, value: Option<OffsetCommitValue> },
}

impl Record {
    /// The key and the value as bytes.
    pub fn encode(&self) -> Result<(Bytes, Option<Bytes>), EncodeError> {
        match self {
            Record::Group { group, value } => {
                let key = GroupMetadataKey { group: group.clone(), ..Default::default() };
                let value = value.as_ref().map(|value| versioned(value, GROUP_VALUE_VERSION));
                Ok((keyed(&key)?, value.transpose()?))
            }
            Record::Offset { group, topic, partition, value } => {
                let key = OffsetCommitKey {
                    group: group.clone(),
                    topic: topic.clone(),
                    partition: *partition,
                    ..Default::default()
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
            Record::Offset { group: key.group, topic: key.topic, partition: key.partition, value }
        } else if kind == LegacyOffsetCommitKey::KIND {
            let key = LegacyOffsetCommitKey::decode(&mut reader, KEY_VERSION)?;
            let value = value.map(unversioned).transpose()?;
            Record::Offset { group: key.group, topic: key.topic, partition: key.partition, value }
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
