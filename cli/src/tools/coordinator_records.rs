//! The records that coordinators keep in internal topics, as JSON: keys and values of numbered
//! kinds.

use bytes::Bytes;
use protocol::messages::*;
use protocol::{AsTree, Message, NumberedRecord, Reader};
use serde_json::Value;

use super::json::json;

/// How a record of one kind is read.
pub(crate) struct Kind {
    number: i16,
    key: fn(Bytes) -> Result<Value, String>,
    value: fn(Bytes) -> Result<Value, String>,
}

/// The kinds of one internal topic.
pub(crate) type Kinds = &'static [Kind];

const fn kind<K: NumberedRecord + AsTree, V: Message + AsTree>() -> Kind {
    Kind { number: K::KIND, key: read_key::<K>, value: read_value::<V> }
}

/// `__consumer_offsets`.
pub(crate) const GROUPS: Kinds = &[
    kind::<LegacyOffsetCommitKey, LegacyOffsetCommitValue>(),
    kind::<OffsetCommitKey, OffsetCommitValue>(),
    kind::<GroupMetadataKey, GroupMetadataValue>(),
    kind::<ConsumerGroupMetadataKey, ConsumerGroupMetadataValue>(),
    kind::<ConsumerGroupPartitionMetadataKey, ConsumerGroupPartitionMetadataValue>(),
    kind::<ConsumerGroupMemberMetadataKey, ConsumerGroupMemberMetadataValue>(),
    kind::<ConsumerGroupTargetAssignmentMetadataKey, ConsumerGroupTargetAssignmentMetadataValue>(),
    kind::<ConsumerGroupTargetAssignmentMemberKey, ConsumerGroupTargetAssignmentMemberValue>(),
    kind::<ConsumerGroupCurrentMemberAssignmentKey, ConsumerGroupCurrentMemberAssignmentValue>(),
    kind::<ShareGroupMemberMetadataKey, ShareGroupMemberMetadataValue>(),
    kind::<ShareGroupMetadataKey, ShareGroupMetadataValue>(),
    kind::<ShareGroupTargetAssignmentMetadataKey, ShareGroupTargetAssignmentMetadataValue>(),
    kind::<ShareGroupTargetAssignmentMemberKey, ShareGroupTargetAssignmentMemberValue>(),
    kind::<ShareGroupCurrentMemberAssignmentKey, ShareGroupCurrentMemberAssignmentValue>(),
    kind::<ShareGroupStatePartitionMetadataKey, ShareGroupStatePartitionMetadataValue>(),
    kind::<ConsumerGroupRegularExpressionKey, ConsumerGroupRegularExpressionValue>(),
    kind::<StreamsGroupMetadataKey, StreamsGroupMetadataValue>(),
    kind::<StreamsGroupMemberMetadataKey, StreamsGroupMemberMetadataValue>(),
    kind::<StreamsGroupTargetAssignmentMetadataKey, StreamsGroupTargetAssignmentMetadataValue>(),
    kind::<StreamsGroupTargetAssignmentMemberKey, StreamsGroupTargetAssignmentMemberValue>(),
    kind::<StreamsGroupCurrentMemberAssignmentKey, StreamsGroupCurrentMemberAssignmentValue>(),
    kind::<StreamsGroupTopologyKey, StreamsGroupTopologyValue>(),
];

/// `__transaction_state`.
pub(crate) const TRANSACTIONS: Kinds = &[kind::<TransactionLogKey, TransactionLogValue>()];

/// `__share_group_state`.
pub(crate) const SHARE_GROUPS: Kinds =
    &[kind::<ShareSnapshotKey, ShareSnapshotValue>(), kind::<ShareUpdateKey, ShareUpdateValue>()];

/// A record that was read.
pub(crate) struct CoordinatorRecord {
    /// The number of its kind.
    pub(crate) kind: i16,
    pub(crate) key: Value,
    /// The value with its version; `None` where the record removes its key.
    pub(crate) value: Option<(i16, Value)>,
}

/// Why a record was not read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// There is no kind of this number.
    Kind(i16),
    /// One sentence on what is wrong with it.
    Damaged(String),
}

/// Reads the key and the value of a record of one of these kinds.
///
/// # Errors
/// The kind is none of them, or the bytes are none of its.
pub(crate) fn read(
    kinds: &[Kind],
    key: Bytes,
    value: Option<Bytes>,
) -> Result<CoordinatorRecord, Unread> {
    let number = number(&key, "key")?;
    let kind = kinds.iter().find(|kind| kind.number == number).ok_or(Unread::Kind(number))?;
    let damaged = |part: &'static str, version: i16| {
        move |problem: String| {
            Unread::Damaged(format!(
                "Could not read record with version {version} from {part}'s buffer due to: \
                 {problem}."
            ))
        }
    };
    let key = (kind.key)(key.slice(2..)).map_err(damaged("key", number))?;
    let value = match value {
        None => None,
        Some(value) => {
            let version = self::number(&value, "value")?;
            Some((version, (kind.value)(value).map_err(damaged("value", version))?))
        }
    };
    Ok(CoordinatorRecord { kind: number, key, value })
}

fn number(bytes: &[u8], part: &str) -> Result<i16, Unread> {
    let number = bytes.first_chunk().map(|number| i16::from_be_bytes(*number));
    let problem = || Unread::Damaged(format!("Could not read version from {part}'s buffer."));
    number.ok_or_else(problem)
}

/// A key, behind the number of its kind.
fn read_key<K: Message + AsTree>(bytes: Bytes) -> Result<Value, String> {
    let version = *K::VERSIONS.start();
    let key = K::decode(&mut Reader::new(bytes), version).map_err(|error| error.to_string())?;
    Ok(json(&key.as_tree(version)))
}

/// A version and what is written in it.
pub(crate) fn read_value<V: Message + AsTree>(bytes: Bytes) -> Result<Value, String> {
    let mut reader = Reader::new(bytes);
    let version = reader.i16().map_err(|error| error.to_string())?;
    let value = V::decode(&mut reader, version).map_err(|error| error.to_string())?;
    Ok(json(&value.as_tree(version)))
}
