//! What can go wrong, one enum per family of operations.
//!
//! | family | raised by |
//! |---|---|
//! | [`ConfigError`] | reading configuration values |
//! | [`ConnectionError`] | one connection to one broker |
//! | [`RequestError`] | a request routed through the cluster, with retries |
//! | [`AdminError`] | [`crate::Admin`], one per item asked for |
//! | [`ProduceError`] | [`crate::Producer`] |
//! | [`ConsumeError`] | [`crate::Consumer`] |
//!
//! All but the first answer `code()` (the broker's error code, where a broker gave one) and
//! `is_retriable()` (whether the same call may succeed later without any change).

use std::io;
use std::sync::Arc;
use std::time::Duration;

use protocol::ErrorCode;

use crate::{TOPIC_NAME_RULE, TopicPartition};

/// A configuration that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A required key is absent.
    #[error("missing required configuration \"{key}\" which has no default value")]
    Missing {
        /// Kafka's property name.
        key: &'static str,
    },
    /// A value does not parse or is out of range.
    #[error("invalid value {value} for configuration {key}: {reason}")]
    Invalid {
        /// Kafka's property name.
        key: String,
        /// The value as given.
        value: String,
        /// What was expected.
        reason: String,
    },
    /// A feature that this client does not have.
    #[error("configuration {key}={value} is not supported: {reason}")]
    Unsupported {
        /// Kafka's property name.
        key: String,
        /// The value as given.
        value: String,
        /// Why, and what to do instead.
        reason: String,
    },
    /// Two values that contradict each other.
    #[error("{0}")]
    Conflict(String),
}

/// One connection failed. Clones share their cause, so that every waiting request gets it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ConnectionError {
    /// The connection could not be opened.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// `host:port`.
        address: Arc<str>,
        /// The cause.
        source: Arc<io::Error>,
    },
    /// Opening took longer than allowed.
    #[error("cannot connect to {address} within {after:?}")]
    ConnectTimeout {
        /// `host:port`.
        address: Arc<str>,
        /// The limit.
        after: Duration,
    },
    /// The broker closed the connection, or this client did.
    #[error("connection to {address} is closed")]
    Closed {
        /// `host:port`.
        address: Arc<str>,
    },
    /// Reading or writing failed.
    #[error("connection to {address} failed: {source}")]
    Io {
        /// `host:port`.
        address: Arc<str>,
        /// The cause.
        source: Arc<io::Error>,
    },
    /// No response within the request timeout.
    #[error("{address} did not answer {api} within {after:?}")]
    Timeout {
        /// `host:port`.
        address: Arc<str>,
        /// Name of the request.
        api: &'static str,
        /// The limit.
        after: Duration,
    },
    /// The broker took nothing of what is to be sent for the request timeout.
    #[error("{address} read nothing for {after:?}")]
    Stalled {
        /// `host:port`.
        address: Arc<str>,
        /// The limit.
        after: Duration,
    },
    /// The broker announced a response that is larger than this client reads.
    #[error("{address} announced a frame of {size} bytes, outside 4..={limit}")]
    FrameSize {
        /// `host:port`.
        address: Arc<str>,
        /// The announced size.
        size: i64,
        /// The largest size accepted.
        limit: usize,
    },
    /// A response answers no request that was sent.
    #[error("{address} answered correlation id {correlation_id}, which is not waiting")]
    UnexpectedResponse {
        /// `host:port`.
        address: Arc<str>,
        /// The id in the response.
        correlation_id: i32,
    },
    /// A response does not decode.
    #[error("{address} answered {api} v{version} with bytes that do not decode: {reason}")]
    Decode {
        /// `host:port`.
        address: Arc<str>,
        /// Name of the response.
        api: &'static str,
        /// Its version.
        version: i16,
        /// What does not decode.
        reason: String,
    },
    /// A request cannot be written in the negotiated version.
    #[error("{api} v{version} cannot be encoded: {reason}")]
    Encode {
        /// Name of the request.
        api: &'static str,
        /// Its version.
        version: i16,
        /// Which field, and why.
        reason: String,
    },
    /// The broker does not serve this API in a version that the client speaks.
    #[error("{address} does not support {api}{}", offered.as_deref().unwrap_or(""))]
    UnsupportedApi {
        /// `host:port`.
        address: Arc<str>,
        /// Name of the request.
        api: &'static str,
        /// The two ranges of versions, where the broker serves the API at all.
        offered: Option<String>,
    },
    /// The broker refused the version negotiation.
    #[error("{address} refused ApiVersions: {code}")]
    Negotiation {
        /// `host:port`.
        address: Arc<str>,
        /// The broker's code.
        code: ErrorCode,
    },
}

impl ConnectionError {
    /// Whether a new connection, or the same request on another broker, may succeed.
    pub fn is_retriable(&self) -> bool {
        !matches!(self, Self::Encode { .. } | Self::UnsupportedApi { .. } | Self::Decode { .. })
    }

    /// The broker's code, where one was given.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Negotiation { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// Whether the broker lacks the API that was asked for.
    pub fn is_unsupported(&self) -> bool {
        matches!(self, Self::UnsupportedApi { .. })
    }
}

/// A request that was routed through the cluster failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RequestError {
    /// The connection failed.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// None of the bootstrap servers nor of the known brokers could be reached.
    #[error("no broker of {servers} could be reached: {last}")]
    NoBroker {
        /// The addresses tried, joined by commas.
        servers: String,
        /// What the last of them said.
        last: Box<ConnectionError>,
    },
    /// The broker with this id is not part of the cluster's metadata.
    #[error("broker {id} is not known to the cluster")]
    UnknownBroker {
        /// The node id.
        id: i32,
    },
    /// The broker answered with an error.
    #[error("{api} for {subject} failed: {}", describe(*code, message.as_deref()))]
    Refused {
        /// Name of the request.
        api: &'static str,
        /// What it was about: a topic, a partition, a group.
        subject: String,
        /// The broker's code.
        code: ErrorCode,
        /// The broker's own words, where it gave some.
        message: Option<String>,
    },
    /// Retrying did not help within the time allowed.
    #[error("{api} for {subject} did not succeed within {after:?}: {last}")]
    TimedOut {
        /// Name of the request.
        api: &'static str,
        /// What it was about.
        subject: String,
        /// The limit.
        after: Duration,
        /// The last failure.
        last: String,
        /// The last failure's code, where a broker gave one.
        code: Option<ErrorCode>,
    },
    /// The client has been closed.
    #[error("the client is closed")]
    Closed,
}

impl RequestError {
    /// The broker's code, where one was given.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Connection(error) => error.code(),
            Self::Refused { code, .. } => Some(*code),
            Self::TimedOut { code, .. } => *code,
            Self::NoBroker { .. } | Self::UnknownBroker { .. } | Self::Closed => None,
        }
    }

    /// Whether the same call may succeed later.
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Connection(error) => error.is_retriable(),
            Self::Refused { code, .. } => code.is_retriable(),
            Self::NoBroker { .. } | Self::UnknownBroker { .. } | Self::TimedOut { .. } => true,
            Self::Closed => false,
        }
    }

    /// Whether the broker lacks the API that was asked for.
    pub fn is_unsupported(&self) -> bool {
        matches!(self, Self::Connection(error) if error.is_unsupported())
            || self.code() == Some(ErrorCode::UnsupportedVersion)
    }

    /// `Ok` where the code says so, else the refusal with its context.
    pub(crate) fn check(
        api: &'static str,
        subject: impl Into<String>,
        code: ErrorCode,
        message: Option<String>,
    ) -> Result<(), Self> {
        match code {
            ErrorCode::None => Ok(()),
            code => Err(Self::Refused { api, subject: subject.into(), code, message }),
        }
    }
}

/// An administrative request failed, as a whole or for one item.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AdminError {
    /// The request as a whole, or this item of it, failed.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The response does not mention an item that was asked for.
    #[error("the response to {api} does not mention {subject}")]
    MissingInResponse {
        /// Name of the request.
        api: &'static str,
        /// The item.
        subject: String,
    },
    /// The arguments contradict each other.
    #[error("{0}")]
    InvalidArgument(String),
}

impl AdminError {
    /// The broker's code, where one was given.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Request(error) => error.code(),
            Self::MissingInResponse { .. } | Self::InvalidArgument(_) => None,
        }
    }

    /// The broker's own words, where it gave some.
    pub fn broker_message(&self) -> Option<&str> {
        match self {
            Self::Request(RequestError::Refused { message, .. }) => message.as_deref(),
            _ => None,
        }
    }

    /// Whether the same call may succeed later.
    pub fn is_retriable(&self) -> bool {
        matches!(self, Self::Request(error) if error.is_retriable())
    }

    /// Whether the broker lacks the API that was asked for.
    pub fn is_unsupported(&self) -> bool {
        matches!(self, Self::Request(error) if error.is_unsupported())
    }
}

/// A record was not written, or it is not known whether it was.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ProduceError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Finding the topic or its leader failed.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The topic was not found within `max.block.ms`.
    #[error("topic {topic} not present in metadata after {after:?}: {reason}")]
    TopicNotFound {
        /// The topic.
        topic: Arc<str>,
        /// The limit.
        after: Duration,
        /// What the brokers said.
        reason: String,
        /// The code of the last answer.
        code: Option<ErrorCode>,
    },
    /// The record names a partition that the topic does not have.
    #[error("partition {partition} of topic {topic} is out of range: it has {count} partitions")]
    UnknownPartition {
        /// The topic.
        topic: Arc<str>,
        /// The partition asked for.
        partition: i32,
        /// How many there are.
        count: i32,
    },
    /// The record, or the batch that must stay whole, is larger than allowed.
    #[error("{size} bytes when serialized is larger than {limit}, the value of {key}")]
    TooLarge {
        /// Serialized size.
        size: usize,
        /// The limit.
        limit: usize,
        /// The configuration that sets the limit.
        key: &'static str,
    },
    /// `buffer.memory` stayed full for `max.block.ms`.
    #[error("no room in the producer's buffer of {limit} bytes within {after:?}")]
    BufferFull {
        /// `buffer.memory`.
        limit: usize,
        /// `max.block.ms`.
        after: Duration,
    },
    /// `delivery.timeout.ms` passed before the broker confirmed the batch.
    #[error("{count} record(s) for {partition} not confirmed within {after:?}: {last}")]
    DeliveryTimeout {
        /// Where to.
        partition: TopicPartition,
        /// Records in the batch.
        count: usize,
        /// `delivery.timeout.ms`.
        after: Duration,
        /// The last failure, if any.
        last: String,
        /// The code of the last failure.
        code: Option<ErrorCode>,
    },
    /// The broker refused the batch.
    #[error("{} refused the batch: {}", refusing(partition), describe(*code, message.as_deref()))]
    Refused {
        /// Where to.
        partition: TopicPartition,
        /// The broker's code.
        code: ErrorCode,
        /// The broker's own words, where it gave some.
        message: Option<String>,
    },
    /// The record cannot be written in a batch.
    #[error("record for {topic} cannot be encoded: {reason}")]
    Encode {
        /// The topic.
        topic: Arc<str>,
        /// Why.
        reason: String,
    },
    /// The producer has been closed.
    #[error("the producer is closed")]
    Closed,
}

impl ProduceError {
    /// The broker's code, where one was given.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Request(error) => error.code(),
            Self::Refused { code, .. } => Some(*code),
            Self::TopicNotFound { code, .. } | Self::DeliveryTimeout { code, .. } => *code,
            Self::TooLarge { .. } => Some(ErrorCode::MessageTooLarge),
            _ => None,
        }
    }

    /// Whether the same record may be accepted later. Sending it again may duplicate it.
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Request(error) => error.is_retriable(),
            Self::Refused { code, .. } => code.is_retriable(),
            Self::TopicNotFound { .. } | Self::BufferFull { .. } => true,
            Self::DeliveryTimeout { .. } => true,
            Self::Config(_)
            | Self::UnknownPartition { .. }
            | Self::TooLarge { .. }
            | Self::Encode { .. }
            | Self::Closed => false,
        }
    }
}

/// Consuming failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ConsumeError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A request failed.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// `poll` with neither subscription nor assignment, or a call that needs the other of the two.
    #[error("{0}")]
    IllegalState(String),
    /// The partition is not assigned to this consumer.
    #[error("{0} is not assigned to this consumer")]
    NotAssigned(TopicPartition),
    /// A partition has no committed offset and `auto.offset.reset` is `none`.
    #[error("no committed offset for {partition}, and auto.offset.reset is none")]
    NoOffset {
        /// The partition.
        partition: TopicPartition,
    },
    /// The position is outside the log and `auto.offset.reset` is `none`.
    #[error("offset {offset} of {partition} is out of range, and auto.offset.reset is none")]
    OffsetOutOfRange {
        /// The partition.
        partition: TopicPartition,
        /// The position asked for.
        offset: i64,
    },
    /// A subscription to a topic name that no broker accepts.
    #[error("'{topic}' is not the name of a topic: {TOPIC_NAME_RULE}")]
    InvalidTopic {
        /// The name.
        topic: String,
    },
    /// Fetched bytes are damaged. `seek` past `offset` to go on.
    #[error("{partition} holds a damaged batch at offset {offset}: {reason}")]
    Corrupt {
        /// The partition.
        partition: TopicPartition,
        /// Base offset of the batch.
        offset: i64,
        /// What is wrong with it.
        reason: String,
    },
    /// The broker refused a fetch.
    #[error("fetching {partition} failed: {}", describe(*code, None))]
    Fetch {
        /// The partition.
        partition: TopicPartition,
        /// The broker's code.
        code: ErrorCode,
    },
    /// The group refused this member.
    #[error("group {group}: {}", describe(*code, message.as_deref()))]
    Group {
        /// `group.id`.
        group: String,
        /// The broker's code.
        code: ErrorCode,
        /// More about it.
        message: Option<String>,
    },
    /// A commit was refused because the partitions may belong to another member by now.
    #[error(
        "offsets of group {group} were not committed, the group has rebalanced ({}); \
         poll more often, or with smaller max.poll.records, or raise max.poll.interval.ms",
        describe(*code, None)
    )]
    CommitFailed {
        /// `group.id`.
        group: String,
        /// The broker's code.
        code: ErrorCode,
    },
    /// An assignor sent bytes that do not decode, or an impossible assignment.
    #[error("assignment of group {group} cannot be used: {reason}")]
    Assignment {
        /// `group.id`.
        group: String,
        /// Why.
        reason: String,
    },
    /// The consumer has been closed.
    #[error("the consumer is closed")]
    Closed,
}

impl ConsumeError {
    /// The broker's code, where one was given.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Request(error) => error.code(),
            Self::Fetch { code, .. }
            | Self::Group { code, .. }
            | Self::CommitFailed { code, .. } => Some(*code),
            Self::OffsetOutOfRange { .. } => Some(ErrorCode::OffsetOutOfRange),
            _ => None,
        }
    }

    /// Whether the same call may succeed later.
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Request(error) => error.is_retriable(),
            Self::Fetch { code, .. } | Self::Group { code, .. } => code.is_retriable(),
            _ => false,
        }
    }
}

/// What refuses a record: a partition, or its topic where it did not come to one.
fn refusing(partition: &TopicPartition) -> String {
    if partition.partition < 0 {
        format!("topic {}", partition.topic)
    } else {
        partition.to_string()
    }
}

/// `NAME: message` with the broker's own words where it gave some.
fn describe(code: ErrorCode, message: Option<&str>) -> String {
    match message {
        Some(message) if !message.is_empty() => format!("{}: {message}", code.name()),
        _ if code == ErrorCode::InvalidTopicException => {
            format!("{}: {TOPIC_NAME_RULE}", code.name())
        }
        _ => format!("{}: {}", code.name(), code.message()),
    }
}
