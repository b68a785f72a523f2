//! The one place that turns errors into Kafka's codes.

use broker_cluster::partition::{
    FetchError, LeadershipError, MoveError, ProduceError, SyncError, UncommittedError,
};
use broker_cluster::quorum::DecideError;
use broker_cluster::replica::FetchRefusal;
use broker_log::{AppendError, OpenError, ReadError, StorageError, TrimError};
use protocol::ErrorCode;
use protocol::record::BatchError;

use super::produce::ProduceRefusal;
use super::records::DeleteRecordsError;
use crate::controller::configs::ConfigError;
use crate::controller::{ChannelError, CommitError, NoProducerId, TopicError};
use crate::fetch_session::SessionError;

pub(crate) fn code_of_topic_error(error: &TopicError) -> ErrorCode {
    match error {
        TopicError::Name(_) | TopicError::Collides { .. } => ErrorCode::InvalidTopicException,
        TopicError::Reserved { .. } => ErrorCode::TopicAuthorizationFailed,
        TopicError::Exists { .. } => ErrorCode::TopicAlreadyExists,
        TopicError::Duplicate | TopicError::Request(_) => ErrorCode::InvalidRequest,
        TopicError::PartitionCount(_) => ErrorCode::InvalidPartitions,
        TopicError::ReplicationFactor | TopicError::Placement(_) => {
            ErrorCode::InvalidReplicationFactor
        }
        TopicError::Assignment(_) => ErrorCode::InvalidReplicaAssignment,
        TopicError::Config(_) | TopicError::NullConfig { .. } | TopicError::Unfit(_) => {
            ErrorCode::InvalidConfig
        }
        TopicError::TooManyPartitions { .. } => ErrorCode::PolicyViolation,
        TopicError::UnknownTopic => ErrorCode::UnknownTopicOrPartition,
        TopicError::UnknownTopicId => ErrorCode::UnknownTopicId,
        TopicError::DeletionDisabled => ErrorCode::TopicDeletionDisabled,
    }
}

pub(crate) fn code_of_commit_error(error: &CommitError) -> ErrorCode {
    match error {
        CommitError::Decide(problem) => match problem {
            DecideError::NotController => ErrorCode::NotController,
            DecideError::Offline { .. } => ErrorCode::KafkaStorageError,
            DecideError::Encode(_) | DecideError::Apply(_) => ErrorCode::UnknownServerError,
            DecideError::Stopped => ErrorCode::BrokerNotAvailable,
        },
        CommitError::Apply(_) => ErrorCode::UnknownServerError,
        CommitError::Stopped => ErrorCode::BrokerNotAvailable,
    }
}

/// Kafka's clients try again on this one.
pub(crate) fn code_of_channel_error(_: &ChannelError) -> ErrorCode {
    ErrorCode::RequestTimedOut
}

pub(crate) fn code_of_no_producer_id(error: &NoProducerId) -> ErrorCode {
    match error {
        NoProducerId::Channel(error) => code_of_channel_error(error),
        NoProducerId::Refused(code @ ErrorCode::KafkaStorageError) => *code,
        NoProducerId::Refused(_) => ErrorCode::CoordinatorLoadInProgress,
    }
}

pub(crate) fn code_of_storage_error(_: &StorageError) -> ErrorCode {
    ErrorCode::KafkaStorageError
}

pub(crate) fn code_of_leadership_error(error: &LeadershipError) -> ErrorCode {
    match error {
        LeadershipError::Gone => ErrorCode::UnknownTopicOrPartition,
        LeadershipError::NotLeader => ErrorCode::NotLeaderOrFollower,
        LeadershipError::Offline => ErrorCode::KafkaStorageError,
        LeadershipError::FencedEpoch { .. } => ErrorCode::FencedLeaderEpoch,
        LeadershipError::UnknownEpoch { .. } => ErrorCode::UnknownLeaderEpoch,
    }
}

pub(crate) fn code_of_produce_error(error: &ProduceError) -> ErrorCode {
    match error {
        ProduceError::Leadership(error) => code_of_leadership_error(error),
        ProduceError::Append(error) => code_of_append_error(error),
        ProduceError::Offline { .. } => ErrorCode::KafkaStorageError,
        ProduceError::TooFew(_) => ErrorCode::NotEnoughReplicas,
    }
}

pub(crate) fn code_of_uncommitted_error(error: &UncommittedError) -> ErrorCode {
    match error {
        UncommittedError::Leadership(error) => code_of_leadership_error(error),
        UncommittedError::TooFew(_) => ErrorCode::NotEnoughReplicasAfterAppend,
        UncommittedError::TimedOut => ErrorCode::RequestTimedOut,
    }
}

pub(crate) fn code_of_sync_error(error: &SyncError) -> ErrorCode {
    match error {
        SyncError::Gone => ErrorCode::UnknownTopicOrPartition,
        SyncError::Storage(_) => ErrorCode::KafkaStorageError,
    }
}

fn code_of_append_error(error: &AppendError) -> ErrorCode {
    match error {
        AppendError::Empty | AppendError::ControlFromClient => ErrorCode::InvalidRecord,
        AppendError::CorruptBatch { .. } => ErrorCode::CorruptMessage,
        AppendError::MessageTooLarge { .. } => ErrorCode::MessageTooLarge,
        AppendError::BatchesTooLarge { .. } => ErrorCode::RecordListTooLarge,
        AppendError::AppendTimeFromClient => ErrorCode::InvalidTimestamp,
        AppendError::OutOfOrderSequence { .. } => ErrorCode::OutOfOrderSequenceNumber,
        AppendError::InvalidProducerEpoch { .. } => ErrorCode::InvalidProducerEpoch,
        AppendError::NotTransactional { .. } => ErrorCode::InvalidTxnState,
        AppendError::CoordinatorFenced { .. } => ErrorCode::TransactionCoordinatorFenced,
        AppendError::OffsetsOutOfOrder { .. } | AppendError::OffsetOverflow { .. } => {
            ErrorCode::UnknownServerError
        }
        AppendError::Storage(error) => code_of_storage_error(error),
    }
}

pub(crate) fn code_of_refusal(error: &ProduceRefusal) -> ErrorCode {
    match error {
        ProduceRefusal::UnknownTopicOrPartition => ErrorCode::UnknownTopicOrPartition,
        ProduceRefusal::UnknownTopicId => ErrorCode::UnknownTopicId,
        ProduceRefusal::Acks { .. } => ErrorCode::InvalidRequiredAcks,
        ProduceRefusal::Records(refused) if refused.has_wrong_times() => {
            ErrorCode::InvalidTimestamp
        }
        ProduceRefusal::NotOneBatch | ProduceRefusal::Control | ProduceRefusal::Records(_) => {
            ErrorCode::InvalidRecord
        }
        ProduceRefusal::Internal => ErrorCode::InvalidTopicException,
        ProduceRefusal::Transactional => ErrorCode::InvalidTxnState,
        ProduceRefusal::TooLarge { .. } => ErrorCode::MessageTooLarge,
        ProduceRefusal::Batch(error) => code_of_batch_error(error),
        ProduceRefusal::Partition(error) => code_of_produce_error(error),
    }
}

fn code_of_batch_error(error: &BatchError) -> ErrorCode {
    match error {
        BatchError::Truncated { .. }
        | BatchError::Length { .. }
        | BatchError::Checksum { .. }
        | BatchError::Compressed { .. } => ErrorCode::CorruptMessage,
        BatchError::UnknownCompression { .. } => ErrorCode::UnsupportedCompressionType,
        BatchError::TooLarge { .. } => ErrorCode::MessageTooLarge,
        BatchError::OldFormat { .. }
        | BatchError::UnknownFormat { .. }
        | BatchError::Count { .. }
        | BatchError::OffsetRange { .. }
        | BatchError::Sequence { .. }
        | BatchError::Record { .. }
        | BatchError::OffsetDelta { .. }
        | BatchError::Trailing { .. } => ErrorCode::InvalidRecord,
    }
}

pub(crate) fn code_of_fetch_error(error: &FetchError) -> ErrorCode {
    match error {
        FetchError::Leadership(error) => code_of_leadership_error(error),
        FetchError::Read(error) => code_of_read_error(error),
        FetchError::EpochNotFound { .. } => ErrorCode::OffsetOutOfRange,
        FetchError::Follower(refusal) => match refusal {
            FetchRefusal::FencedEpoch { .. } => ErrorCode::FencedLeaderEpoch,
            FetchRefusal::UnknownEpoch { .. } | FetchRefusal::NotYetReplica { .. } => {
                ErrorCode::UnknownLeaderEpoch
            }
            FetchRefusal::NotReplica { .. } | FetchRefusal::StaleBroker { .. } => {
                ErrorCode::NotLeaderOrFollower
            }
            FetchRefusal::OutOfRange { .. } => ErrorCode::OffsetOutOfRange,
        },
    }
}

pub(crate) fn code_of_read_error(error: &ReadError) -> ErrorCode {
    match error {
        ReadError::OffsetOutOfRange { .. } => ErrorCode::OffsetOutOfRange,
        ReadError::CorruptBatch { .. } => ErrorCode::CorruptMessage,
        ReadError::Storage(error) => code_of_storage_error(error),
    }
}

pub(crate) fn code_of_delete_records_error(error: &DeleteRecordsError) -> ErrorCode {
    match error {
        DeleteRecordsError::Internal => ErrorCode::InvalidTopicException,
        DeleteRecordsError::CompactedOnly => ErrorCode::PolicyViolation,
        DeleteRecordsError::Leadership(error) => code_of_leadership_error(error),
        DeleteRecordsError::Trim(
            TrimError::AboveHighWatermark { .. } | TrimError::NegativeOffset { .. },
        ) => ErrorCode::OffsetOutOfRange,
        DeleteRecordsError::Trim(TrimError::Storage(error)) => code_of_storage_error(error),
    }
}

pub(crate) fn code_of_move_error(error: &MoveError) -> ErrorCode {
    match error {
        MoveError::NoSuchDir { .. } => ErrorCode::LogDirNotFound,
        MoveError::DirOffline(_) => ErrorCode::KafkaStorageError,
        MoveError::NameTooLong => ErrorCode::InvalidTopicException,
        MoveError::Partition(error) => code_of_leadership_error(error),
        MoveError::Open(error) => match error {
            OpenError::Storage(error) => code_of_storage_error(error),
            OpenError::OtherTopic { .. }
            | OpenError::Malformed { .. }
            | OpenError::Damaged { .. } => ErrorCode::KafkaStorageError,
        },
    }
}

pub(crate) fn code_of_session_error(error: &SessionError) -> ErrorCode {
    match error {
        SessionError::UnknownId => ErrorCode::FetchSessionIdNotFound,
        SessionError::Epoch => ErrorCode::InvalidFetchSessionEpoch,
        SessionError::MixedTopicIds => ErrorCode::FetchSessionTopicIdError,
    }
}

pub(crate) fn code_of_config_error(error: &ConfigError) -> ErrorCode {
    match error {
        ConfigError::ResourceType(_)
        | ConfigError::DuplicateResource
        | ConfigError::DuplicateKey
        | ConfigError::NullValue(_)
        | ConfigError::Operation { .. }
        | ConfigError::BrokerId(_)
        | ConfigError::OtherBroker { .. }
        | ConfigError::EmptyGroup
        | ConfigError::ClientMetrics
        | ConfigError::Loggers
        | ConfigError::OnlyAtStart(_)
        | ConfigError::AnswerFull
        | ConfigError::Dynamic(_) => ErrorCode::InvalidRequest,
        ConfigError::TopicName(_) => ErrorCode::InvalidTopicException,
        ConfigError::UnknownTopic { .. } => ErrorCode::UnknownTopicOrPartition,
        ConfigError::Change(_) | ConfigError::Unfit(_) => ErrorCode::InvalidConfig,
    }
}
