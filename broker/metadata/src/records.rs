//! The records of the metadata log, framed as Kafka frames them: a varint 1, the record's type and
//! its version as varints, then its fields.

use bytes::Bytes;
use protocol::messages::{
    BrokerRegistrationChangeRecord, ConfigRecord, FeatureLevelRecord, NoOpRecord,
    PartitionChangeRecord, PartitionRecord, ProducerIdsRecord, RegisterBrokerRecord,
    RemoveTopicRecord, TopicRecord, UnregisterBrokerRecord,
};
use protocol::{DecodeError, EncodeError, Message, NumberedRecord, Reader, Writer};
use thiserror::Error;

const FRAME_VERSION: u32 = 1;

/// Why a record of the metadata log can't be taken in.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RecordError {
    #[error("the frame has version {version}, only {FRAME_VERSION} is known")]
    Frame { version: u32 },
    #[error(
        "a record of type {kind}, which this version does not know: the log was written by a newer \
         one, or holds what is not supported yet"
    )]
    UnknownType { kind: u32 },
    #[error("a {record} of version {version}, known are 0 to {last}")]
    Version { record: &'static str, version: u32, last: i16 },
    #[error("a {record} can't be read: {source}")]
    Decode { record: &'static str, source: DecodeError },
    #[error("the frame can't be read: {0}")]
    Head(#[from] DecodeError),
}

macro_rules! metadata_records {
    ($($variant:ident($message:ident)),* $(,)?) => {
        /// A fact that the cluster agreed on.
        #[derive(Clone, Debug, PartialEq)]
        pub enum MetadataRecord {
            $($variant($message),)*
        }

        impl MetadataRecord {
            /// The framed record, in the newest version of its type.
            pub fn encode(&self) -> Result<Bytes, EncodeError> {
                match self {
                    $(MetadataRecord::$variant(message) => encode(message),)*
                }
            }

            /// Reads a framed record.
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
    };
}

metadata_records! {
    RegisterBroker(RegisterBrokerRecord),
    UnregisterBroker(UnregisterBrokerRecord),
    Topic(TopicRecord),
    Partition(PartitionRecord),
    Config(ConfigRecord),
    PartitionChange(PartitionChangeRecord),
    RemoveTopic(RemoveTopicRecord),
    FeatureLevel(FeatureLevelRecord),
    ProducerIds(ProducerIdsRecord),
    BrokerRegistrationChange(BrokerRegistrationChangeRecord),
    NoOp(NoOpRecord),
}

fn encode<M: NumberedRecord>(message: &M) -> Result<Bytes, EncodeError> {
    let version = *M::VERSIONS.end();
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
    message.map_err(|source| RecordError::Decode { record, source })
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_record_is_framed_as_kafka_frames_it() {
        let topic_id = Uuid::from_u128(7);
        let record = MetadataRecord::Topic(TopicRecord { name: "ab".to_owned(), topic_id });
        let mut expected = vec![1, 2, 0, 3, b'a', b'b'];
        expected.extend_from_slice(topic_id.as_bytes());
        expected.push(0);
        let bytes = record.encode().unwrap();
        assert_eq!(bytes, expected);
        assert_eq!(MetadataRecord::decode(bytes), Ok(record));
    }

    #[test]
    fn what_is_not_known_is_named() {
        let decode = |bytes: &'static [u8]| {
            MetadataRecord::decode(Bytes::from_static(bytes)).unwrap_err().to_string()
        };
        assert!(decode(&[2, 2, 0]).contains("version 2"));
        assert!(decode(&[1, 99, 0]).contains("type 99"));
        assert!(decode(&[1, 2, 9]).contains("TopicRecord of version 9"));
        assert!(decode(&[1, 2, 0, 50]).contains("can't be read"));
        assert!(decode(&[]).contains("can't be read"));
    }
}
