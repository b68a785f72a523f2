//! The records of the cluster's metadata.

use protocol::messages::*;
use protocol::{AsTree, NumberedRecord};
use serde_json::Value;

use super::KeyAndValue;
use super::framed::{Framed, framed};
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
pub(super) fn decode(record: &KeyAndValue<'_>) -> String {
    match framed(record.value).and_then(read) {
        Ok(json) => json.to_string(),
        Err(problem) => format!("Error at {}, skipping. {problem}", record.offset),
    }
}

macro_rules! read_each {
    ($($message:ident),*) => {
        fn read(record: Framed) -> Result<Value, String> {
            match record.kind {
                $(<$message as NumberedRecord>::KIND => read_message::<$message>(record),)*
                kind => Err(format!("Unknown metadata id {kind}")),
            }
        }
    };
}

each_kind!(read_each);

fn read_message<M: NumberedRecord + AsTree>(record: Framed) -> Result<Value, String> {
    let version = record.version;
    let message: M = record.message()?;
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
