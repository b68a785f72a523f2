//! The records that coordinators keep: keys and values of numbered kinds.

use bytes::Bytes;
use protocol::messages::*;
use protocol::record::Record;
use protocol::{AsTree, Message, NumberedRecord, Reader};
use serde_json::Value;

use super::super::Failure;
use super::super::json::{json, object};
use super::Texts;

/// How a record of one kind is read.
pub(in super::super) struct Kind {
    number: i16,
    key: fn(Bytes) -> Result<Value, String>,
    value: fn(Bytes) -> Result<Value, String>,
}

/// The kinds of one internal topic.
pub(in super::super) type Kinds = &'static [Kind];

const fn kind<K: NumberedRecord + AsTree, V: Message + AsTree>() -> Kind {
    Kind { number: K::KIND, key: read_key::<K>, value: read_value::<V> }
}

pub(super) const GROUPS: Kinds = &[
    kind::<LegacyOffsetCommitKey, LegacyOffsetCommitValue>(),
    kind::<OffsetCommitKey, OffsetCommitValue>(),
    Kind { number: GroupMetadataKey::KIND, key: read_key::<GroupMetadataKey>, value: read_group },
    kind::<ConsumerGroupMetadataKey, ConsumerGroupMetadataValue>(),
    kind::<ConsumerGroupPartitionMetadataKey, ConsumerGroupPartitionMetadataValue>(),
    kind::<ConsumerGroupMemberMetadataKey, ConsumerGroupMemberMetadataValue>(),
    kind::<ConsumerGroupTargetAssignmentMetadataKey, ConsumerGroupTargetAssignmentMetadataValue>(),
    kind::<ConsumerGroupTargetAssignmentMemberKey, ConsumerGroupTargetAssignmentMemberValue>(),
    kind::<ConsumerGroupCurrentMemberAssignmentKey, ConsumerGroupCurrentMemberAssignmentValue>(),
    kind::<ConsumerGroupRegularExpressionKey, ConsumerGroupRegularExpressionValue>(),
];

pub(super) const TRANSACTIONS: Kinds = &[kind::<TransactionLogKey, TransactionLogValue>()];

pub(super) const SHARE_GROUPS: Kinds =
    &[kind::<ShareSnapshotKey, ShareSnapshotValue>(), kind::<ShareUpdateKey, ShareUpdateValue>()];

/// Key and value as JSON; of a record that cannot be read, the key says why.
pub(super) fn decode(kinds: &[Kind], record: &Record<'_>) -> Result<Texts, Failure> {
    let Some(key) = record.key else {
        return Err(Failure(format!(
            "Failed to decode message at offset {} using the specified decoder (message had a \
             missing key)",
            record.offset
        )));
    };
    let value = record.value.map(Bytes::copy_from_slice);
    Ok(match read(kinds, Bytes::copy_from_slice(key), value) {
        Ok((key, value)) => (Some(key), Some(value.unwrap_or_else(|| "<DELETE>".to_owned()))),
        Err(Unread::Kind(number)) => {
            let offset = record.offset;
            (Some(format!("Unknown record type {number} at offset {offset}, skipping.")), None)
        }
        Err(Unread::Damaged(problem)) => {
            (Some(format!("Error at offset {}, skipping. {problem}", record.offset)), None)
        }
    })
}

/// Why a record was not read.
enum Unread {
    Kind(i16),
    Damaged(String),
}

fn read(
    kinds: &[Kind],
    key: Bytes,
    value: Option<Bytes>,
) -> Result<(String, Option<String>), Unread> {
    let missing =
        |part: &str| Unread::Damaged(format!("Could not read version from {part}'s buffer."));
    let number = key.first_chunk().map(|number| i16::from_be_bytes(*number));
    let number = number.ok_or_else(|| missing("key"))?;
    let kind = kinds.iter().find(|kind| kind.number == number).ok_or(Unread::Kind(number))?;
    let data = (kind.key)(key.slice(2..)).map_err(Unread::Damaged)?;
    let key = object([("type", Value::from(number.to_string())), ("data", data)]).to_string();
    let Some(value) = value else { return Ok((key, None)) };
    let version = value.first_chunk().map(|version| i16::from_be_bytes(*version));
    let version = version.ok_or_else(|| missing("value"))?;
    let data = (kind.value)(value).map_err(Unread::Damaged)?;
    let value = object([("version", Value::from(version.to_string())), ("data", data)]);
    Ok((key, Some(value.to_string())))
}

/// A key, behind the number of its kind.
fn read_key<K: Message + AsTree>(bytes: Bytes) -> Result<Value, String> {
    let version = *K::VERSIONS.start();
    let key = K::decode(&mut Reader::new(bytes), version).map_err(|error| error.to_string())?;
    Ok(json(&key.as_tree(version)))
}

/// A version and what is written in it.
fn read_value<V: Message + AsTree>(bytes: Bytes) -> Result<Value, String> {
    let mut reader = Reader::new(bytes);
    let version = reader.i16().map_err(|error| error.to_string())?;
    let value = V::decode(&mut reader, version).map_err(|error| error.to_string())?;
    Ok(json(&value.as_tree(version)))
}

/// A group's metadata; of a consumer group, subscriptions and assignments are read too.
fn read_group(bytes: Bytes) -> Result<Value, String> {
    let mut reader = Reader::new(bytes.clone());
    let version = reader.i16().map_err(|error| error.to_string())?;
    let group = GroupMetadataValue::decode(&mut reader, version);
    let group = group.map_err(|error| error.to_string())?;
    let mut tree = json(&group.as_tree(version));
    let members = tree.get_mut("members").and_then(Value::as_array_mut);
    if group.protocol_type == "consumer"
        && let Some(members) = members
    {
        for (shown, member) in members.iter_mut().zip(group.members) {
            let parts = [
                ("subscription", read_value::<ConsumerProtocolSubscription>(member.subscription)),
                ("assignment", read_value::<ConsumerProtocolAssignment>(member.assignment)),
            ];
            for (name, part) in parts {
                // What cannot be read stays as the bytes that it is.
                if let (Some(field), Ok(part)) = (shown.get_mut(name), part) {
                    *field = part;
                }
            }
        }
    }
    Ok(tree)
}
