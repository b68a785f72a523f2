//! A broker for one test, and a client that sends what it is told.

use std::path::Path;

use broker_server::{Broker, BrokerConfig, config};
use bytes::{Bytes, BytesMut};
use protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use protocol::messages::produce_response::PartitionProduceResponse;
use protocol::messages::{CreateTopicsRequest, FetchRequest, FetchResponse, ProduceRequest};
use protocol::record::{self, BatchBuilder, BatchOptions, Records};
use protocol::{ErrorCode, Request, frame};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A broker on a free port, with a folder of its own.
pub(crate) struct TestBroker {
    pub(crate) broker: Broker,
    pub(crate) dir: TempDir,
}

impl TestBroker {
    pub(crate) async fn start() -> Self {
        Self::with(&[]).await
    }

    pub(crate) async fn with(settings: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let broker = Broker::start(config_in(dir.path(), settings)).await.unwrap();
        Self { broker, dir }
    }

    /// Stops the broker in order and starts another one on its folder.
    pub(crate) async fn restart(self) -> Self {
        self.broker.shutdown().await.unwrap();
        let broker = Broker::start(config_in(self.dir.path(), &[])).await.unwrap();
        Self { broker, dir: self.dir }
    }

    pub(crate) async fn connect(&self) -> Wire {
        Wire::new(TcpStream::connect(self.broker.address()).await.unwrap())
    }

    pub(crate) async fn stop(self) {
        self.broker.shutdown().await.unwrap();
    }

    pub(crate) fn bootstrap(&self) -> String {
        self.broker.address().to_string()
    }
}

pub(crate) fn config_in(dir: &Path, settings: &[(&str, &str)]) -> BrokerConfig {
    config::local(dir, settings).unwrap()
}

/// One connection.
pub(crate) struct Wire {
    pub(crate) stream: TcpStream,
    correlation_id: i32,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        Self { stream, correlation_id: 0 }
    }

    /// Sends a request and reads its response.
    pub(crate) async fn call<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        self.send(version, request).await;
        self.receive::<R>(version).await
    }

    pub(crate) async fn send<R: Request>(&mut self, version: i16, request: &R) {
        self.correlation_id += 1;
        let id = self.correlation_id;
        let encoded = frame::encode_request(request, version, id, Some("test")).unwrap();
        self.stream.write_all(&encoded.into_bytes()).await.unwrap();
    }

    pub(crate) async fn receive<R: Request>(&mut self, version: i16) -> R::Response {
        let frame = self.frame().await.expect("the broker closed the connection");
        frame::decode_response::<R>(frame, version).unwrap().1
    }

    /// The next frame, `None` when the broker has closed the connection.
    pub(crate) async fn frame(&mut self) -> Option<Bytes> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).await.ok()?;
        let mut frame = BytesMut::zeroed(usize::try_from(i32::from_be_bytes(length)).unwrap());
        self.stream.read_exact(&mut frame).await.ok()?;
        Some(frame.freeze())
    }

    pub(crate) async fn create_topic(
        &mut self,
        name: &str,
        partitions: i32,
        configs: &[(&str, &str)],
    ) {
        let response = self.call(7, &create(name, partitions, configs)).await;
        assert_eq!(response.topics[0].error_code, ErrorCode::None, "{response:?}");
    }

    pub(crate) async fn create_replicated(&mut self, name: &str, partitions: i32, factor: i16) {
        let mut request = create(name, partitions, &[]);
        request.topics[0].replication_factor = factor;
        let response = self.call(7, &request).await;
        assert_eq!(response.topics[0].error_code, ErrorCode::None, "{response:?}");
    }

    pub(crate) async fn produce(
        &mut self,
        topic: &str,
        partition: i32,
        records: Bytes,
    ) -> PartitionProduceResponse {
        let response = self.call(9, &produce(topic, partition, -1, records)).await;
        response.responses[0].partition_responses[0].clone()
    }

    /// Fetches one partition of one topic, waiting for `max_wait_ms`.
    pub(crate) async fn fetch(
        &mut self,
        topic: &str,
        partition: i32,
        offset: i64,
        max_wait_ms: i32,
    ) -> FetchResponse {
        self.call(12, &fetch(topic, &[(partition, offset)], max_wait_ms)).await
    }
}

pub(crate) fn create(name: &str, partitions: i32, configs: &[(&str, &str)]) -> CreateTopicsRequest {
    let configs = configs.iter().map(|(name, value)| CreatableTopicConfig {
        name: (*name).to_owned(),
        value: Some((*value).to_owned()),
    });
    CreateTopicsRequest {
        topics: vec![CreatableTopic {
            name: name.to_owned(),
            num_partitions: partitions,
            replication_factor: 1,
            configs: configs.collect(),
            ..CreatableTopic::default()
        }],
        ..CreateTopicsRequest::default()
    }
}

pub(crate) fn produce(topic: &str, partition: i32, acks: i16, records: Bytes) -> ProduceRequest {
    ProduceRequest {
        acks,
        timeout_ms: 10_000,
        topic_data: vec![TopicProduceData {
            name: topic.to_owned(),
            partition_data: vec![PartitionProduceData {
                index: partition,
                records: Some(Records::Bytes(records)),
            }],
            ..TopicProduceData::default()
        }],
        ..ProduceRequest::default()
    }
}

pub(crate) fn fetch(topic: &str, partitions: &[(i32, i64)], max_wait_ms: i32) -> FetchRequest {
    let partitions = partitions.iter().map(|(partition, fetch_offset)| FetchPartition {
        partition: *partition,
        fetch_offset: *fetch_offset,
        partition_max_bytes: 1 << 20,
        ..FetchPartition::default()
    });
    FetchRequest {
        max_wait_ms,
        min_bytes: 1,
        max_bytes: 50 << 20,
        topics: vec![FetchTopic {
            topic: topic.to_owned(),
            partitions: partitions.collect(),
            ..FetchTopic::default()
        }],
        ..FetchRequest::default()
    }
}

/// A batch of records without keys.
pub(crate) fn batch(values: &[&str]) -> Bytes {
    batch_of(BatchOptions::default(), values)
}

pub(crate) fn batch_of(options: BatchOptions, values: &[&str]) -> Bytes {
    let mut builder = BatchBuilder::new(options);
    for value in values {
        builder.append(1_700_000_000_000, None, Some(value.as_bytes()), &[]);
    }
    builder.finish()
}

/// Offsets and values of all records of a fetch, in the order of the response.
pub(crate) fn records_of(response: &FetchResponse) -> Vec<(i64, String)> {
    let partitions = response.responses.iter().flat_map(|topic| &topic.partitions);
    let mut found = Vec::new();
    for partition in partitions {
        let Some(Records::Bytes(bytes)) = &partition.records else { continue };
        for batch in record::batches(bytes) {
            // A fetch may end within a batch.
            let Ok(batch) = batch else { break };
            batch.check_crc().unwrap();
            let payload = batch.payload(1 << 20).unwrap();
            for record in payload.records() {
                let record = record.unwrap();
                let value = String::from_utf8_lossy(record.value.unwrap_or_default()).into_owned();
                found.push((record.offset, value));
            }
        }
    }
    found
}
