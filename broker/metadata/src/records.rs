//! The records of the metadata log, framed as Kafka frames them: a varint 1, the record's type and
//! its version as varints, then its fields.

use bytes::Bytes;
use protocol::messages::{
    AbortTransactionRecord, AccessControlEntryRecord, BeginTransactionRecord,
    BrokerRegistrationChangeRecord, ClearElrRecord, ClientQuotaRecord, ConfigRecord,
    DelegationTokenRecord, EndTransactionRecord, FeatureLevelRecord, FenceBrokerRecord, NoOpRecord,
    PartitionChangeRecord, PartitionRecord, ProducerIdsRecord, RegisterBrokerRecord,
    RegisterControllerRecord, RemoveAccessControlEntryRecord, RemoveDelegationTokenRecord,
    RemoveTopicRecord, RemoveUserScramCredentialRecord, TopicRecord, UnfenceBrokerRecord,
    UnregisterBrokerRecord, UserScramCredentialRecord, ZkMigrationStateRecord,
};
use protocol::{DecodeError, EncodeError, Message, NumberedRecord, Reader, Writer};
use thiserror::Error;

use crate::version::MetadataVersion;

const FRAME_VERSION: u32 = 1;

/// Why a record of the metadata log can't be taken in.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RecordError {
    #[error("the frame has version {version}, only {FRAME_VERSION} is known")]
    Frame { version: u32 },
    #[error(
        "a record of type {kind}, which this version does not know: the log was written by a newer \
         one"
    )]
    UnknownType { kind: u32 },
    #[error("a {record} of version {version}, known are 0 to {last}")]
    Version { record: &'static str, version: u32, last: i16 },
    #[error("a {record} can't be read: {source}")]
    Decode { record: &'static str, source: DecodeError },
    #[error("the frame can't be read: {0}")]
    Head(#[from] DecodeError),
}

/// Why a record can't be in a log of some level.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RecordWriteError {
    #[error(
        "a {record} needs metadata.version {} ({needed}), and the cluster is at {} ({level}): \
         upgrade it with kafka-features first",
        needed.level(), level.level()
    )]
    Level { record: &'static str, needed: MetadataVersion, level: MetadataVersion },
    #[error(
        "a {record} can't be written at metadata.version {} ({level}): {source}", level.level()
    )]
    Field { record: &'static str, level: MetadataVersion, source: EncodeError },
}

macro_rules! metadata_records {
    ($($variant:ident($message:ident)),* $(,)?) => {
        /// A fact that the cluster agreed on.
        #[derive(Clone, Debug, PartialEq)]
        pub enum MetadataRecord {
            $($variant($message),)*
        }

        impl MetadataRecord {
            /// As Kafka calls it.
            pub fn name(&self) -> &'static str {
                match self {
                    $(MetadataRecord::$variant(_) => $message::NAME,)*
                }
            }

            /// The newest version of this type of record.
            pub fn newest_version(&self) -> i16 {
                match self {
                    $(MetadataRecord::$variant(_) => *$message::VERSIONS.end(),)*
                }
            }

            /// The framed record in one version of its type.
            pub fn encode_as(&self, version: i16) -> Result<Bytes, EncodeError> {
                match self {
                    $(MetadataRecord::$variant(message) => encode(message, version),)*
                }
            }

            /// Reads a framed record, and nothing may follow it.
            pub fn decode(value: Bytes) -> Result<Self, RecordError> {
                let mut reader = Reader::new(value);
                let frame = reader.varint()?;
                if frame != FRAME_VERSION {
                    return Err(RecordError::Frame { version: frame });
                }
                let kind = reader.varint()?;
                let version = reader.varint()?;
                $(
                    if i64::from(kind) == i64::from(<$message as NumberedRecord>::KIND) {
                        return decode(&mut reader, version).map(MetadataRecord::$variant);
                    }
                )*
                Err(RecordError::UnknownType { kind })
            }
        }

        $(
            impl From<$message> for MetadataRecord {
                fn from(message: $message) -> Self {
                    MetadataRecord::$variant(message)
                }
            }
        )*
    };
}

metadata_records! {
    RegisterBroker(RegisterBrokerRecord),
    UnregisterBroker(UnregisterBrokerRecord),
    Topic(TopicRecord),
    Partition(PartitionRecord),
    Config(ConfigRecord),
    PartitionChange(PartitionChangeRecord),
    FenceBroker(FenceBrokerRecord),
    UnfenceBroker(UnfenceBrokerRecord),
    RemoveTopic(RemoveTopicRecord),
    DelegationToken(DelegationTokenRecord),
    UserScramCredential(UserScramCredentialRecord),
    FeatureLevel(FeatureLevelRecord),
    ClientQuota(ClientQuotaRecord),
    ProducerIds(ProducerIdsRecord),
    BrokerRegistrationChange(BrokerRegistrationChangeRecord),
    AccessControlEntry(AccessControlEntryRecord),
    RemoveAccessControlEntry(RemoveAccessControlEntryRecord),
    NoOp(NoOpRecord),
    ZkMigrationState(ZkMigrationStateRecord),
    RemoveUserScramCredential(RemoveUserScramCredentialRecord),
    BeginTransaction(BeginTransactionRecord),
    EndTransaction(EndTransactionRecord),
    AbortTransaction(AbortTransactionRecord),
    RemoveDelegationToken(RemoveDelegationTokenRecord),
    RegisterController(RegisterControllerRecord),
    ClearElr(ClearElrRecord),
}

impl MetadataRecord {
    /// The framed record, in the newest version of its type.
    pub fn encode(&self) -> Result<Bytes, EncodeError> {
        self.encode_as(self.newest_version())
    }

    /// The framed record in the version in which a cluster at `level` writes it. What that level
    /// does not have is an error and never left out in silence.
    pub fn encode_at(&self, level: MetadataVersion) -> Result<Bytes, RecordWriteError> {
        let record = self.name();
        let needed = self.needs();
        if level < needed {
            return Err(RecordWriteError::Level { record, needed, level });
        }
        let encoded = self.encode_as(self.version_at(level));
        encoded.map_err(|source| RecordWriteError::Field { record, level, source })
    }

    /// From which level on there are records of this type.
    pub fn needs(&self) -> MetadataVersion {
        match self {
            Self::UserScramCredential(_) | Self::RemoveUserScramCredential(_) => {
                MetadataVersion::V3_5_IV2
            }
            Self::BeginTransaction(_) | Self::EndTransaction(_) | Self::AbortTransaction(_) => {
                MetadataVersion::V3_6_IV1
            }
            Self::DelegationToken(_) | Self::RemoveDelegationToken(_) => MetadataVersion::V3_6_IV2,
            Self::RegisterController(_) => MetadataVersion::V3_7_IV0,
            Self::ZkMigrationState(_) => MetadataVersion::V3_4_IV0,
            Self::ClearElr(_) => MetadataVersion::V4_0_IV1,
            _ => MetadataVersion::MIN,
        }
    }

    /// The version in which a cluster at `level` writes this record.
    pub fn version_at(&self, level: MetadataVersion) -> i16 {
        match self {
            Self::RegisterBroker(_) if level.has_cordoned_directories() => 4,
            Self::RegisterBroker(_) if level.has_directories() => 3,
            Self::RegisterBroker(_) if level.has_zk_migration() => 2,
            Self::RegisterBroker(_) => 1,
            Self::Partition(_) | Self::PartitionChange(_) => {
                match (level.has_eligible_leader_replicas(), level.has_directories()) {
                    (true, _) => 2,
                    (false, true) => 1,
                    (false, false) => 0,
                }
            }
            Self::BrokerRegistrationChange(record) => change_version(record, level),
            // Of all other types there is but one version.
            _ => 0,
        }
    }
}

/// Kafka writes the oldest version that has what changes.
fn change_version(record: &BrokerRegistrationChangeRecord, level: MetadataVersion) -> i16 {
    let wanted = if record.cordoned_log_dirs.is_some() {
        3
    } else if !record.log_dirs.is_empty() {
        2
    } else {
        i16::from(record.in_controlled_shutdown != 0)
    };
    let newest = match (level.has_cordoned_directories(), level.has_directories()) {
        (true, _) => 3,
        (false, true) => 2,
        (false, false) => 1,
    };
    wanted.min(newest)
}

fn encode<M: NumberedRecord>(message: &M, version: i16) -> Result<Bytes, EncodeError> {
    let mut writer = Writer::new();
    writer.varint(FRAME_VERSION);
    writer.varint(u32::try_from(M::KIND).unwrap_or_default());
    writer.varint(u32::try_from(version).unwrap_or_default());
    message.encode(&mut writer, version)?;
    Ok(writer.into_bytes())
}

fn decode<M: Message>(reader: &mut Reader, version: u32) -> Result<M, RecordError> {
    let (record, last) = (M::NAME, *M::VERSIONS.end());
    let known = i16::try_from(version).ok().filter(|version| *version <= last);
    let known = known.ok_or(RecordError::Version { record, version, last })?;
    let message = M::decode(reader, known);
    let message = message.and_then(|message| reader.finish().map(|()| message));
    message.map_err(|source| RecordError::Decode { record, source })
}

#[cfg(test)]
mod tests;
