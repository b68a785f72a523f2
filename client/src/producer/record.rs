//! What is sent, and what comes back for it.

use std::sync::Arc;

use bytes::Bytes;

/// A record to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition; `None` leaves it to the partitioner.
    pub partition: Option<i32>,
    /// The key.
    pub key: Option<Bytes>,
    /// The value; `None` is a tombstone.
    pub value: Option<Bytes>,
    /// Headers in order; names may repeat.
    pub headers: Vec<Header>,
    /// When the record came about; `None` is now.
    pub timestamp_ms: Option<i64>,
}

/// A name and value beside a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The name.
    pub key: String,
    /// The value.
    pub value: Option<Bytes>,
}

impl Record {
    /// A record for `topic` with neither key nor value yet.
    pub fn to(topic: impl Into<Arc<str>>) -> Self {
        Self {
            topic: topic.into(),
            partition: None,
            key: None,
            value: None,
            headers: Vec::new(),
            timestamp_ms: None,
        }
    }

    /// With a key.
    pub fn key(mut self, key: impl Into<Bytes>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// With a value.
    pub fn value(mut self, value: impl Into<Bytes>) -> Self {
        self.value = Some(value.into());
        self
    }

    /// For this partition.
    pub fn partition(mut self, partition: i32) -> Self {
        self.partition = Some(partition);
        self
    }

    /// With one more header.
    pub fn header(mut self, key: impl Into<String>, value: impl Into<Bytes>) -> Self {
        self.headers.push(Header { key: key.into(), value: Some(value.into()) });
        self
    }

    /// With a timestamp.
    pub fn timestamp_ms(mut self, timestamp_ms: i64) -> Self {
        self.timestamp_ms = Some(timestamp_ms);
        self
    }

    /// The headers as a batch takes them.
    pub(crate) fn wire_headers(&self) -> Vec<protocol::record::Header<'_>> {
        let headers = self.headers.iter();
        headers.map(|h| protocol::record::Header::new(&h.key, h.value.as_deref())).collect()
    }
}

/// Where a record is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordMetadata {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// The offset; `None` where the broker does not say: with `acks=0`, or for a duplicate that it
    /// no longer remembers the place of.
    pub offset: Option<i64>,
    /// The record's timestamp, or the broker's where the topic has LogAppendTime.
    pub timestamp_ms: i64,
}
