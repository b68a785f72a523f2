//! The records that coordinators keep, as the two texts of a line.

use bytes::Bytes;
use protocol::messages::{
    ConsumerProtocolAssignment, ConsumerProtocolSubscription, GroupMetadataKey, GroupMetadataValue,
};
use protocol::{Message, NumberedRecord, Reader};
use serde_json::Value;

use super::super::Failure;
use super::{KeyAndValue, Texts};
use crate::tools::coordinator_records::{CoordinatorRecord, Kind, Unread, read, read_value};
use crate::tools::json::object;

/// Key and value as JSON; of a record that cannot be read, the key says why.
pub(super) fn decode(kinds: &[Kind], record: &KeyAndValue<'_>) -> Result<Texts, Failure> {
    let Some(key) = record.key else {
        return Err(Failure(format!(
            "Failed to decode message at offset {} using the specified decoder (message had a \
             missing key)",
            record.offset
        )));
    };
    let value = record.value.map(Bytes::copy_from_slice);
    Ok(match read(kinds, Bytes::copy_from_slice(key), value.clone()) {
        Ok(read) => texts(read, value),
        Err(Unread::Kind(number)) => {
            let offset = record.offset;
            (Some(format!("Unknown record type {number} at offset {offset}, skipping.")), None)
        }
        Err(Unread::Damaged(problem)) => {
            (Some(format!("Error at offset {}, skipping. {problem}", record.offset)), None)
        }
    })
}

fn texts(record: CoordinatorRecord, bytes: Option<Bytes>) -> Texts {
    let kind = Value::from(record.kind.to_string());
    let key = object([("type", kind), ("data", record.key)]).to_string();
    let value = record.value.zip(bytes).map(|((version, mut data), bytes)| {
        if record.kind == GroupMetadataKey::KIND {
            open_members(&mut data, bytes);
        }
        object([("version", Value::from(version.to_string())), ("data", data)]).to_string()
    });
    (Some(key), Some(value.unwrap_or_else(|| "<DELETE>".to_owned())))
}

/// Of a consumer group, the subscriptions and assignments of its members are shown, not their
/// bytes. What cannot be read stays as the bytes that it is.
fn open_members(shown: &mut Value, bytes: Bytes) {
    let mut reader = Reader::new(bytes);
    let group = reader.i16().ok().and_then(|v| GroupMetadataValue::decode(&mut reader, v).ok());
    let Some(group) = group.filter(|group| group.protocol_type == "consumer") else { return };
    let Some(members) = shown.get_mut("members").and_then(Value::as_array_mut) else { return };
    for (shown, member) in members.iter_mut().zip(group.members) {
        let parts = [
            ("subscription", read_value::<ConsumerProtocolSubscription>(member.subscription)),
            ("assignment", read_value::<ConsumerProtocolAssignment>(member.assignment)),
        ];
        for (name, part) in parts {
            if let (Some(field), Ok(part)) = (shown.get_mut(name), part) {
                *field = part;
            }
        }
    }
}
