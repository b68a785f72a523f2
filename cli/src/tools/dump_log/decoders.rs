//! How keys and values are read.

mod coordinator;
mod framed;
mod metadata;
mod remote;

use bytes::Bytes;
use protocol::messages::{
    KRaftVersionRecord, LeaderChangeMessage, SnapshotFooterRecord, SnapshotHeaderRecord,
    VotersRecord,
};
use protocol::record::control::{self, ControlType};
use protocol::{AsTree, Message, Reader};

use super::Failure;
use crate::tools::coordinator_records::{GROUPS, Kinds, SHARE_GROUPS, TRANSACTIONS};
use crate::tools::json::json;
use crate::tools::options::{Parsed, UsageError};

/// The texts of a record's key and value; `None` prints nothing.
pub(super) type Texts = (Option<String>, Option<String>);

/// What is read of a record.
pub(super) struct KeyAndValue<'a> {
    pub(super) offset: i64,
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: Option<&'a [u8]>,
}

/// How the records of a log are read.
pub(super) enum Decoder {
    /// Keys and values, each by the class of its own.
    Classes { key: Class, value: Class },
    /// The records that a coordinator keeps of groups, transactions or share groups.
    Coordinator(Kinds),
    /// The records of the cluster's metadata.
    Metadata,
    /// The records on what lies in tiered storage.
    Remote,
}

/// What Kafka has a decoder class for.
#[derive(Clone, Copy)]
pub(super) enum Class {
    String,
    Integer,
    Long,
    Bytes,
}

const CHOICES: [&str; 7] = [
    "offsets-decoder",
    "transaction-log-decoder",
    "cluster-metadata-decoder",
    "remote-log-metadata-decoder",
    "share-group-state-decoder",
    "value-decoder-class",
    "key-decoder-class",
];

/// Whether an option says how records are read, which has them printed.
pub(super) fn is_chosen(parsed: &Parsed) -> bool {
    CHOICES.iter().any(|name| parsed.has(name))
}

impl Decoder {
    pub(super) fn choose(parsed: &Parsed) -> Result<Self, UsageError> {
        Ok(if parsed.has("offsets-decoder") {
            Self::Coordinator(GROUPS)
        } else if parsed.has("transaction-log-decoder") {
            Self::Coordinator(TRANSACTIONS)
        } else if parsed.has("cluster-metadata-decoder") {
            Self::Metadata
        } else if parsed.has("remote-log-metadata-decoder") {
            Self::Remote
        } else if parsed.has("share-group-state-decoder") {
            Self::Coordinator(SHARE_GROUPS)
        } else {
            let key = Class::of(parsed.get("key-decoder-class"))?;
            Self::Classes { key, value: Class::of(parsed.get("value-decoder-class"))? }
        })
    }

    pub(super) fn decode(&self, record: &KeyAndValue<'_>) -> Result<Texts, Failure> {
        match self {
            Self::Classes { key, value } => {
                let text = |class: &Class, bytes: Option<&[u8]>| {
                    bytes.map(|bytes| class.text(bytes)).transpose()
                };
                Ok((text(key, record.key)?, text(value, record.value)?))
            }
            Self::Coordinator(kinds) => coordinator::decode(kinds, record),
            Self::Metadata => Ok((None, Some(metadata::decode(record)))),
            Self::Remote => Ok((None, Some(remote::decode(record)))),
        }
    }
}

impl Class {
    fn of(name: Option<&str>) -> Result<Self, UsageError> {
        let Some(name) = name else { return Ok(Self::String) };
        let last = name.rsplit('.').next().unwrap_or_default();
        match last {
            "StringDecoder" => Ok(Self::String),
            "IntegerDecoder" => Ok(Self::Integer),
            "LongDecoder" => Ok(Self::Long),
            "DefaultDecoder" => Ok(Self::Bytes),
            _ => Err(UsageError(format!(
                "Failed to load decoder class {name}: there are StringDecoder, IntegerDecoder, \
                 LongDecoder and DefaultDecoder of org.apache.kafka.tools.api"
            ))),
        }
    }

    fn text(self, bytes: &[u8]) -> Result<String, Failure> {
        let short = |wanted: usize| {
            Failure(format!("{} bytes are no number of {wanted} bytes", bytes.len()))
        };
        match self {
            Self::String => Ok(String::from_utf8_lossy(bytes).into_owned()),
            Self::Integer => {
                let first = bytes.first_chunk().ok_or_else(|| short(4))?;
                Ok(i32::from_be_bytes(*first).to_string())
            }
            Self::Long => {
                let first = bytes.first_chunk().ok_or_else(|| short(8))?;
                Ok(i64::from_be_bytes(*first).to_string())
            }
            Self::Bytes => Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
        }
    }
}

/// What a control record says, in the words of Kafka.
pub(super) fn control_text(kind: ControlType, value: &[u8]) -> Result<String, Failure> {
    match kind {
        ControlType::Commit => marker_text("COMMIT", value),
        ControlType::Abort => marker_text("ABORT", value),
        ControlType::LeaderChange => message_text::<LeaderChangeMessage>("LeaderChange:", value),
        ControlType::SnapshotHeader => {
            message_text::<SnapshotHeaderRecord>("SnapshotHeader", value)
        }
        ControlType::SnapshotFooter => {
            message_text::<SnapshotFooterRecord>("SnapshotFooter", value)
        }
        ControlType::KRaftVersion => message_text::<KRaftVersionRecord>("KRaftVersion", value),
        ControlType::KRaftVoters => message_text::<VotersRecord>("KRaftVoters", value),
        ControlType::Unknown(code) => Ok(format!(" controlType: UNKNOWN({code})")),
    }
}

fn marker_text(kind: &str, value: &[u8]) -> Result<String, Failure> {
    let epoch = control::parse_marker(value).map_err(|error| Failure(error.to_string()))?;
    Ok(format!(" endTxnMarker: {kind} coordinatorEpoch: {epoch}"))
}

/// The first field of these messages is the version that they are written in.
fn message_text<M: Message + AsTree>(name: &str, value: &[u8]) -> Result<String, Failure> {
    let version = value.first_chunk().map_or(0, |version| i16::from_be_bytes(*version));
    let version = version.clamp(*M::VERSIONS.start(), *M::VERSIONS.end());
    let message = M::decode(&mut Reader::new(Bytes::copy_from_slice(value)), version);
    let message = message.map_err(|error| Failure(error.to_string()))?;
    Ok(format!(" {name} {}", json(&message.as_tree(version))))
}
