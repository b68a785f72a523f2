//! A broker whose clock the test sets, on files in memory, that looks round all the time.

use std::path::Path;
use std::sync::Arc;

use broker_log::{MemoryStore, Store};
use broker_server::{Broker, ManualClock};
use bytes::Bytes;
use protocol::ErrorCode;
use protocol::messages::ListOffsetsRequest;
use protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use protocol::record::{self, BatchBuilder, BatchOptions, RecordBatch, Records};
use tokio::net::TcpStream;

use crate::support::{Wire, config_in};

pub(crate) const BEGIN: i64 = 1_700_000_000_000;
pub(crate) const SECOND: i64 = 1000;
pub(crate) const DAY: i64 = 24 * 60 * 60 * SECOND;

/// What makes retention and the cleaner come round as often as can be.
const RESTLESS: [(&str, &str); 2] =
    [("log.retention.check.interval.ms", "1"), ("log.cleaner.backoff.ms", "1")];

pub(crate) struct Clocked {
    pub(crate) broker: Broker,
    pub(crate) store: MemoryStore,
    pub(crate) clock: Arc<ManualClock>,
    settings: Vec<(String, String)>,
}

impl Clocked {
    pub(crate) async fn start(more: &[(&str, &str)]) -> Self {
        let settings = RESTLESS.iter().chain(more);
        let settings = settings.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let (store, clock) = (MemoryStore::default(), Arc::new(ManualClock::at(BEGIN)));
        Self::open(store, clock, settings.collect()).await
    }

    async fn open(
        store: MemoryStore,
        clock: Arc<ManualClock>,
        settings: Vec<(String, String)>,
    ) -> Self {
        let pairs: Vec<(&str, &str)> =
            settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let mut config = config_in(Path::new("/data"), &pairs);
        config.environment.store = Arc::new(store.clone());
        config.environment.clock = clock.clone();
        let broker = Broker::start(config).await.unwrap();
        Self { broker, store, clock, settings }
    }

    pub(crate) async fn restart(self) -> Self {
        self.broker.shutdown().await.unwrap();
        Self::open(self.store, self.clock, self.settings).await
    }

    pub(crate) async fn stop(self) {
        self.broker.shutdown().await.unwrap();
    }

    pub(crate) async fn connect(&self) -> Wire {
        Wire::new(TcpStream::connect(self.broker.address()).await.unwrap())
    }

    /// Names and sizes of a partition's files.
    pub(crate) fn files(&self, partition: &str) -> Vec<(String, u64)> {
        let entries = self.store.list(&Path::new("/data").join(partition)).unwrap();
        entries.into_iter().map(|entry| (entry.name, entry.size)).collect()
    }

    /// Base offsets of a partition's segments.
    pub(crate) fn segments(&self, partition: &str) -> Vec<i64> {
        let files = self.files(partition);
        files.iter().filter_map(|(name, _)| name.strip_suffix(".log")?.parse().ok()).collect()
    }

    /// A file of the log dir; empty when it is not there.
    pub(crate) fn text(&self, file: &str) -> String {
        let Ok(file) = self.store.open(&Path::new("/data").join(file)) else {
            return String::new();
        };
        let mut bytes = vec![0; usize::try_from(file.size().unwrap()).unwrap()];
        file.read_at(&mut bytes, 0).unwrap();
        String::from_utf8(bytes).unwrap()
    }
}

/// Waits for what the broker's own work brings about.
pub(crate) async fn until(done: impl Fn() -> bool) {
    while !done() {
        tokio::task::yield_now().await;
    }
}

/// One batch of a record of `bytes` bytes, which tell nothing of each other.
pub(crate) fn large(timestamp: i64, bytes: usize) -> Bytes {
    let value: Vec<u8> = (0..bytes).map(|index| (index * index / 7) as u8).collect();
    timed(timestamp, &value)
}

/// One batch of one record without a key.
pub(crate) fn timed(timestamp: i64, value: &[u8]) -> Bytes {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    builder.append(timestamp, None, Some(value), &[]);
    builder.finish()
}

/// One batch of records with keys; a record without a value says that its key is gone.
pub(crate) fn keyed(timestamp: i64, records: &[(&str, Option<&str>)]) -> Bytes {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    for (key, value) in records {
        builder.append(timestamp, Some(key.as_bytes()), value.map(str::as_bytes), &[]);
    }
    builder.finish()
}

/// Offset, key and value.
pub(crate) type Kept = (i64, String, Option<String>);

pub(crate) async fn bound(wire: &mut Wire, topic: &str, partition: i32, timestamp: i64) -> i64 {
    let asked =
        ListOffsetsPartition { timestamp, partition_index: partition, ..Default::default() };
    let topics = vec![ListOffsetsTopic { name: topic.to_owned(), partitions: vec![asked] }];
    let request = ListOffsetsRequest { replica_id: -1, topics, ..Default::default() };
    let answer = wire.call(7, &request).await.topics.remove(0).partitions.remove(0);
    assert_eq!(answer.error_code, ErrorCode::None);
    answer.offset
}

/// Where partition 0 of a topic begins.
pub(crate) async fn first_offset(wire: &mut Wire, topic: &str) -> i64 {
    bound(wire, topic, 0, -2).await
}

/// All batches of a partition.
pub(crate) async fn batches(wire: &mut Wire, topic: &str, partition: i32) -> Vec<RecordBatch> {
    let end = bound(wire, topic, partition, -1).await;
    let mut offset = bound(wire, topic, partition, -2).await;
    let mut found = Vec::new();
    while offset < end {
        let response = wire.fetch(topic, partition, offset, 0).await;
        let answer = &response.responses[0].partitions[0];
        if answer.error_code == ErrorCode::OffsetOutOfRange {
            // Retention was quicker: what there is begins later now.
            offset = bound(wire, topic, partition, -2).await;
            continue;
        }
        assert_eq!(answer.error_code, ErrorCode::None);
        let Some(Records::Bytes(bytes)) = &answer.records else { panic!("{answer:?}") };
        let whole: Vec<_> = record::batches(bytes).map_while(Result::ok).collect();
        // Behind the last batch that is left of a compacted log come the offsets of those gone.
        let Some(last) = whole.last() else { break };
        offset = last.next_offset();
        found.extend(whole);
    }
    found
}

/// All records of a partition.
pub(crate) async fn kept(wire: &mut Wire, topic: &str, partition: i32) -> Vec<Kept> {
    let mut found = Vec::new();
    for batch in batches(wire, topic, partition).await {
        batch.check_crc().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        for record in batch.payload(1 << 24).unwrap().records() {
            let record = record.unwrap();
            let key = record.key.map(text).unwrap_or_default();
            found.push((record.offset, key, record.value.map(text)));
        }
    }
    found
}
