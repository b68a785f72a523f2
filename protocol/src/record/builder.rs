//! Makes batches.

use bytes::Bytes;

use crate::record::header::{BATCH_OVERHEAD, LOG_OVERHEAD, attributes};
use crate::record::{BatchHeader, Codec, Header, Headers, Record, TimestampType, patch, varint};

/// What a batch says about all of its records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchOptions {
    pub base_offset: i64,
    pub leader_epoch: i32,
    pub codec: Codec,
    /// The timestamp of all records, where the log sets it and not the producer.
    pub log_append_time: Option<i64>,
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub base_sequence: i32,
    pub is_transactional: bool,
    pub is_control: bool,
    /// When compaction may drop tombstones and markers.
    pub delete_horizon: Option<i64>,
}

impl Default for BatchOptions {
    /// As a producer without idempotence has it.
    fn default() -> Self {
        Self {
            base_offset: 0,
            leader_epoch: -1,
            codec: Codec::default(),
            log_append_time: None,
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            is_transactional: false,
            is_control: false,
            delete_horizon: None,
        }
    }
}

const SPAN: &str = "a batch does not span two billion offsets";

/// Collects records, and makes a batch of them in the end.
#[derive(Clone, Debug)]
pub struct BatchBuilder {
    options: BatchOptions,
    /// Room for the header, then the records.
    buffer: Vec<u8>,
    count: i32,
    base_timestamp: Option<i64>,
    max_timestamp: i64,
    /// From the base offset; -1 before the first record.
    last_delta: i32,
}

impl BatchBuilder {
    pub fn new(options: BatchOptions) -> Self {
        Self::with_capacity(options, 0)
    }

    /// Reserves room for `bytes` of records.
    pub fn with_capacity(options: BatchOptions, bytes: usize) -> Self {
        let mut buffer = Vec::with_capacity(BATCH_OVERHEAD + bytes);
        buffer.resize(BATCH_OVERHEAD, 0);
        Self {
            count: 0,
            base_timestamp: options.delete_horizon,
            max_timestamp: -1,
            last_delta: -1,
            buffer,
            options,
        }
    }

    /// Appends a record at the next offset.
    pub fn append(
        &mut self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header<'_>],
    ) {
        let delta = self.last_delta.checked_add(1).expect(SPAN);
        self.put(delta, timestamp, key, value, NewHeaders::Listed(headers));
    }

    /// Appends a record of another batch at its own offset, which may leave out some.
    ///
    /// # Panics
    /// If the offset is not above the one before, or too far from the base offset.
    pub fn append_record(&mut self, record: &Record<'_>) {
        let delta = self.delta(record.offset);
        assert!(delta > self.last_delta, "offsets go up");
        let headers = NewHeaders::Encoded(record.headers);
        self.put(delta, record.timestamp, record.key, record.value, headers);
    }

    /// Sets who made the batch and where it is in the producer's sequence, which a producer
    /// knows only when it sends the batch.
    pub fn set_producer(&mut self, producer_id: i64, producer_epoch: i16, base_sequence: i32) {
        self.options.producer_id = producer_id;
        self.options.producer_epoch = producer_epoch;
        self.options.base_sequence = base_sequence;
    }

    /// Lets the batch end at `offset`, though its last records are gone.
    ///
    /// # Panics
    /// If a record was appended after it.
    pub fn set_last_offset(&mut self, offset: i64) {
        let delta = self.delta(offset);
        assert!(delta >= self.last_delta, "records are before the last offset");
        self.last_delta = delta;
    }

    fn put(
        &mut self,
        offset_delta: i32,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: NewHeaders<'_>,
    ) {
        let base_timestamp = *self.base_timestamp.get_or_insert(timestamp);
        let timestamp_delta = timestamp.wrapping_sub(base_timestamp);
        let length = 1
            + varint::size(timestamp_delta)
            + varint::size(i64::from(offset_delta))
            + bytes_size(key)
            + bytes_size(value)
            + headers.size();
        let buffer = &mut self.buffer;
        varint::write_i64(buffer, length as i64);
        buffer.push(0);
        varint::write_i64(buffer, timestamp_delta);
        varint::write_i32(buffer, offset_delta);
        put_bytes(buffer, key);
        put_bytes(buffer, value);
        headers.write(buffer);
        self.count += 1;
        self.last_delta = offset_delta;
        self.max_timestamp = self.max_timestamp.max(timestamp);
    }

    fn delta(&self, offset: i64) -> i32 {
        let delta = offset.checked_sub(self.options.base_offset);
        delta.and_then(|delta| i32::try_from(delta).ok()).expect(SPAN)
    }

    /// The size of the batch so far, if it is not compressed.
    pub fn size(&self) -> usize {
        self.buffer.len()
    }

    /// The most bytes that a record adds to [`size`](Self::size).
    pub fn most_bytes(key: Option<&[u8]>, value: Option<&[u8]>, headers: &[Header<'_>]) -> usize {
        const LENGTH_ATTRIBUTES_DELTAS_COUNT: usize = 5 + 1 + 10 + 5 + 5;
        let headers: usize = headers.iter().map(header_size).sum();
        LENGTH_ATTRIBUTES_DELTAS_COUNT + bytes_size(key) + bytes_size(value) + headers
    }

    pub fn count(&self) -> usize {
        self.count as usize
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The batch, compressed and with its CRC. Without records it is one that compaction left
    /// of a producer's last batch.
    ///
    /// # Panics
    /// If the batch is longer than an int32 can say.
    pub fn finish(self) -> Bytes {
        let Self { options, buffer, .. } = &self;
        let compression = options.codec.compression();
        let timestamps = match options.log_append_time {
            Some(_) => TimestampType::LogAppendTime,
            None => TimestampType::CreateTime,
        };
        let mut header = BatchHeader {
            base_offset: options.base_offset,
            length: 0,
            leader_epoch: options.leader_epoch,
            crc: 0,
            attributes: attributes(
                compression,
                timestamps,
                options.is_transactional,
                options.is_control,
                options.delete_horizon.is_some(),
            ),
            last_offset_delta: self.last_delta,
            base_timestamp: self.base_timestamp.unwrap_or(-1),
            max_timestamp: options.log_append_time.unwrap_or(self.max_timestamp),
            producer_id: options.producer_id,
            producer_epoch: options.producer_epoch,
            base_sequence: options.base_sequence,
            count: self.count,
        };
        let mut batch = match compression {
            super::Compression::None => self.buffer,
            _ => {
                let mut batch = Vec::with_capacity(BATCH_OVERHEAD + buffer.len() / 2);
                batch.resize(BATCH_OVERHEAD, 0);
                options.codec.compress(&buffer[BATCH_OVERHEAD..], &mut batch);
                batch
            }
        };
        header.length =
            i32::try_from(batch.len() - LOG_OVERHEAD).expect("a batch is shorter than two GiB");
        batch[..BATCH_OVERHEAD].copy_from_slice(&header.encode());
        patch::set_crc(&mut batch);
        Bytes::from(batch)
    }
}

/// Headers to be appended: those of a caller, or another record's as they are.
#[derive(Clone, Copy)]
enum NewHeaders<'a> {
    Listed(&'a [Header<'a>]),
    Encoded(Headers<'a>),
}

impl NewHeaders<'_> {
    fn count(self) -> i64 {
        match self {
            NewHeaders::Listed(headers) => headers.len() as i64,
            NewHeaders::Encoded(headers) => headers.len() as i64,
        }
    }

    fn size(self) -> usize {
        let content = match self {
            NewHeaders::Listed(headers) => headers.iter().map(header_size).sum(),
            NewHeaders::Encoded(headers) => headers.bytes().len(),
        };
        varint::size(self.count()) + content
    }

    fn write(self, out: &mut Vec<u8>) {
        varint::write_i64(out, self.count());
        match self {
            NewHeaders::Listed(headers) => {
                for header in headers {
                    put_bytes(out, Some(header.key));
                    put_bytes(out, header.value);
                }
            }
            NewHeaders::Encoded(headers) => out.extend_from_slice(headers.bytes()),
        }
    }
}

fn header_size(header: &Header<'_>) -> usize {
    bytes_size(Some(header.key)) + bytes_size(header.value)
}

fn put_bytes(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => {
            varint::write_i64(out, bytes.len() as i64);
            out.extend_from_slice(bytes);
        }
        None => varint::write_i32(out, -1),
    }
}

fn bytes_size(bytes: Option<&[u8]>) -> usize {
    match bytes {
        Some(bytes) => varint::size(bytes.len() as i64) + bytes.len(),
        None => varint::size(-1),
    }
}
