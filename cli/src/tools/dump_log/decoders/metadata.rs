//! The records of the cluster's metadata.

use bytes::Bytes;
use protocol::messages::*;
use protocol::record::Record;
use protocol::{AsTree, NumberedRecord, Reader};
use serde_json::Value;

use crate::tools::json::{json, object};

/// Calls a macro with all kinds of metadata records.
macro_rules! each_kind {
    ($visit:ident) => {
        $visit! {
            RegisterBrokerRecord, UnregisterBrokerRecord, TopicRecord, PartitionRecord,
            ConfigRecord, PartitionChangeRecord, FenceBrokerRecord, UnfenceBrokerRecord,
            RemoveTopicRecord, DelegationTokenRecord, UserScramCredentialRecord,
            FeatureLevelRecord, ClientQuotaRecord, ProducerIdsRecord,
            BrokerRegistrationChangeRecord, AccessControlEntryRecord,
            RemoveAccessControlEntryRecord, NoOpRecord, ZkMigrationStateRecord,
            RemoveUserScramCredentialRecord, BeginTransactionRecord, EndTransactionRecord,
            AbortTransactionRecord, RemoveDelegationTokenRecord, RegisterControllerRecord,
            ClearElrRecord
        }
    };
}

/// The value as JSON, or why it is none.
pub(super) fn decode(record: &Record<'_>) -> String {
    let value = record.value.map(Bytes::copy_from_slice).unwrap_or_default();
    match read(value) {
        Ok(json) => json.to_string(),
        Err(problem) => format!("Error at {}, skipping. {problem}", record.offset),
    }
}

/// A frame version, the kind and the version of a record, and the record.
fn read(value: Bytes) -> Result<Value, String> {
    let mut reader = Reader::new(value);
    let mut number = |what: &str| reader.varint().map_err(|error| format!("{what}: {error}"));
    let frame = number("frame version")?;
    if frame != 1 {
        return Err(format!(
            "Could not deserialize metadata record due to unknown frame version {frame} (only \
             frame version 1 is supported)"
        ));
    }
    let (kind, version) = (number("type")?, number("version")?);
    let version = i16::try_from(version)
        .map_err(|_| format!("Value for version was too large: {version}"))?;
    read_kind(kind, version, &mut reader)
}

macro_rules! read_each {
    ($($message:ident),*) => {
        fn read_kind(kind: u32, version: i16, reader: &mut Reader) -> Result<Value, String> {
            $(if i64::from(kind) == i64::from(<$message as NumberedRecord>::KIND) {
                return read_message::<$message>(version, reader);
            })*
            Err(format!("Unknown metadata id {kind}"))
        }
    };
}

each_kind!(read_each);

fn read_message<M: NumberedRecord + AsTree>(
    version: i16,
    reader: &mut Reader,
) -> Result<Value, String> {
    let message = M::decode(reader, version).map_err(|error| error.to_string())?;
    Ok(object([
        ("type", Value::from(constant_name(M::NAME))),
        ("version", Value::from(version)),
        ("data", json(&message.as_tree(version))),
    ]))
}

/// `TopicRecord` as `TOPIC_RECORD`.
fn constant_name(name: &str) -> String {
    let mut constant = String::new();
    for (index, letter) in name.chars().enumerate() {
        if index > 0 && letter.is_ascii_uppercase() {
            constant.push('_');
        }
        constant.push(letter.to_ascii_uppercase());
    }
    constant
}
