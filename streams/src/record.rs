//! Records at the edges of a topology: what decoders read and encoders write.

use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use client::FailureKind;
use thiserror::Error;

use crate::chunk::Chunk;

/// A header of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub key: String,
    pub value: Option<Bytes>,
}

/// A record read from a topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InputRecord {
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    pub headers: Vec<Header>,
    pub timestamp: i64,
    pub offset: i64,
}

/// A record to be written to a topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutputRecord {
    pub key: Option<Bytes>,
    /// `None` is a tombstone.
    pub value: Option<Bytes>,
    pub headers: Vec<Header>,
    pub timestamp: i64,
    /// `None`: chosen from the key as Kafka's default partitioner does.
    pub partition: Option<i32>,
}

/// A record that could not be turned into a row. The query goes on without it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRecord {
    pub offset: i64,
    pub message: String,
}

/// A decoder or encoder that cannot go on, through no fault of a record: those are
/// [`BadRecord`]s.
#[derive(Clone, Debug, Error)]
#[error("{message}")]
pub struct CodecError {
    /// `Retry`: something that it needs (a schema registry, for one) does not answer now. Anything
    /// else ends the application.
    pub kind: FailureKind,
    pub message: String,
}

impl CodecError {
    /// Trying again does not help.
    pub fn fatal(message: impl Into<String>) -> Self {
        Self { kind: FailureKind::Fatal, message: message.into() }
    }

    /// Trying again helps once what is away is back.
    pub fn retry(message: impl Into<String>) -> Self {
        Self { kind: FailureKind::Retry, message: message.into() }
    }
}

/// Turns a run of records of one partition into a chunk.
///
/// The contract, which differs for a stream and for a table:
/// - stream: [`Changes::Appends`](crate::Changes); a record without value gives no row;
/// - table: [`Changes::Table`](crate::Changes) without old rows; a record without key gives no
///   row, one without value gives a deleted row whose value columns are null;
/// - rows are in record order, and `origin.offsets` names the record of each;
/// - `timestamps` are event times: the decoder extracts a TIMESTAMP column if there is one;
/// - a record that cannot be read goes to `bad`, and gives no row;
/// - after an error with [`FailureKind::Retry`] the same records are decoded again, all of them;
/// - it is called from a worker thread and may block.
pub trait RecordDecoder: Send + Sync {
    /// Schema of the chunks: key columns first. All columns are nullable.
    fn schema(&self) -> SchemaRef;

    fn decode(
        &self,
        partition: i32,
        records: &[InputRecord],
        bad: &mut Vec<BadRecord>,
    ) -> Result<Chunk, CodecError>;
}

/// Turns a chunk into records, one for each row, in order. A deleted row of a table becomes a
/// tombstone. It is called from a worker thread and may block.
pub trait RecordEncoder: Send + Sync {
    fn encode(&self, chunk: &Chunk) -> Result<Vec<OutputRecord>, CodecError>;
}
