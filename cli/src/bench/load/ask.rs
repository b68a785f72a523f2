//! One question, one answer: what is asked before and after a load.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use protocol::frame::{decode_response, encode_request};
use protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use protocol::messages::delete_topics_request::DeleteTopicState;
use protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use protocol::messages::metadata_request::MetadataRequestTopic;
use protocol::messages::metadata_response::MetadataResponsePartition;
use protocol::messages::{
    ApiVersionsRequest, CreateTopicsRequest, DeleteTopicsRequest, InitProducerIdRequest,
    ListOffsetsRequest, MetadataRequest,
};
use protocol::{ErrorCode, Request};
use uuid::Uuid;

use super::CLIENT_ID;
use super::payload::Identity;
use crate::bench::interrupt;

/// A topic to load.
#[derive(Clone, Debug)]
pub(crate) struct Topic {
    pub(crate) name: String,
    pub(crate) id: Uuid,
    pub(crate) partitions: i32,
}

/// How many partitions of how many topics have a leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Led {
    pub(crate) topics: usize,
    pub(crate) partitions: usize,
}

const METADATA_VERSION: i16 = 12;
const LIST_OFFSETS_VERSION: i16 = 8;
/// The timestamp that asks for the end.
const LATEST: i64 = -1;
const LED_WITHIN: Duration = Duration::from_secs(120);
const ANSWER_MAX: usize = 256 << 20;

/// A connection that waits for each answer.
pub(crate) struct Asking {
    socket: TcpStream,
    correlation_id: i32,
}

impl Asking {
    /// Connects; an answer is waited for at most as long as `patience`.
    pub(crate) fn connect(address: SocketAddr, patience: Duration) -> anyhow::Result<Self> {
        let socket = TcpStream::connect_timeout(&address, patience)
            .with_context(|| format!("no connection to {address}"))?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(patience))?;
        socket.set_write_timeout(Some(patience))?;
        Ok(Self { socket, correlation_id: 0 })
    }

    fn ask<R: Request>(&mut self, version: i16, request: &R) -> anyhow::Result<R::Response> {
        self.correlation_id += 1;
        let frame = encode_request(request, version, self.correlation_id, Some(CLIENT_ID))?;
        self.socket.write_all(&frame.into_bytes()).with_context(|| format!("{} sent", R::NAME))?;
        let mut length = [0; 4];
        let answer = |error| format!("no answer to {}: {error}", R::NAME);
        self.socket.read_exact(&mut length).map_err(|e| anyhow::anyhow!(answer(e)))?;
        let length = usize::try_from(i32::from_be_bytes(length)).unwrap_or(usize::MAX);
        ensure!(length <= ANSWER_MAX, "{}: an answer of {length} bytes", R::NAME);
        let mut body = vec![0; length];
        self.socket.read_exact(&mut body).map_err(|e| anyhow::anyhow!(answer(e)))?;
        let (_, response) = decode_response::<R>(Bytes::from(body), version)?;
        Ok(response)
    }

    /// Whether the broker says what it can do, as clients ask first of all.
    pub(crate) fn api_versions(&mut self) -> anyhow::Result<()> {
        let request = ApiVersionsRequest {
            client_software_name: CLIENT_ID.to_owned(),
            client_software_version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        check("ApiVersions", self.ask(3, &request)?.error_code)
    }

    /// What is led of all topics but the internal ones.
    pub(crate) fn led(&mut self) -> anyhow::Result<Led> {
        let request = MetadataRequest { topics: None, ..Default::default() };
        let response = self.ask(METADATA_VERSION, &request)?;
        let topics: Vec<_> = response.topics.iter().filter(|topic| !topic.is_internal).collect();
        let partitions = topics.iter().flat_map(|topic| &topic.partitions);
        let led = partitions.filter(|p| is_led(p));
        Ok(Led { topics: topics.len(), partitions: led.count() })
    }

    /// Makes a topic.
    pub(crate) fn create_topic(
        &mut self,
        name: &str,
        partitions: i32,
        configs: &[(&str, &str)],
    ) -> anyhow::Result<Topic> {
        let configs = configs.iter().map(|(name, value)| CreatableTopicConfig {
            name: (*name).to_owned(),
            value: Some((*value).to_owned()),
        });
        let topic = CreatableTopic {
            name: name.to_owned(),
            num_partitions: partitions,
            replication_factor: 1,
            configs: configs.collect(),
            ..Default::default()
        };
        let request =
            CreateTopicsRequest { topics: vec![topic], timeout_ms: 60_000, validate_only: false };
        let response = self.ask(7, &request)?;
        let Some(created) = response.topics.into_iter().next() else {
            bail!("CreateTopics answers for no topic");
        };
        if created.error_code != ErrorCode::None {
            let reason = created.error_message.unwrap_or_default();
            bail!("topic {name} is not made: {} {reason}", created.error_code);
        }
        Ok(Topic { name: name.to_owned(), id: created.topic_id, partitions })
    }

    /// A topic that is there.
    pub(crate) fn topic(&mut self, name: &str) -> anyhow::Result<Topic> {
        let named = MetadataRequestTopic { name: Some(name.to_owned()), ..Default::default() };
        let request = MetadataRequest { topics: Some(vec![named]), ..Default::default() };
        let response = self.ask(METADATA_VERSION, &request)?;
        let found = response.topics.into_iter().next();
        let topic = found.with_context(|| format!("Metadata does not answer for {name}"))?;
        check(name, topic.error_code)?;
        let partitions = i32::try_from(topic.partitions.len())?;
        Ok(Topic { name: name.to_owned(), id: topic.topic_id, partitions })
    }

    /// Waits until each partition of a topic has a leader, and the leader knows it.
    pub(crate) fn until_led(&mut self, topic: &Topic) -> anyhow::Result<()> {
        let until = Instant::now() + LED_WITHIN;
        let named = MetadataRequestTopic { name: Some(topic.name.clone()), ..Default::default() };
        let request = MetadataRequest {
            topics: Some(vec![named]),
            allow_auto_topic_creation: false,
            ..Default::default()
        };
        loop {
            let response = self.ask(METADATA_VERSION, &request)?;
            let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
            let led = partitions.filter(|p| is_led(p)).count();
            let is_whole = i32::try_from(led).is_ok_and(|led| led >= topic.partitions);
            // Kafka tells of a leader before it is one.
            if is_whole && self.ends(topic).is_ok() {
                return Ok(());
            }
            interrupt::check()?;
            ensure!(
                Instant::now() < until,
                "{led} of {} partitions of {} have a leader after {} s",
                topic.partitions,
                topic.name,
                LED_WITHIN.as_secs()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The end of each partition of a topic.
    pub(crate) fn ends(&mut self, topic: &Topic) -> anyhow::Result<Vec<i64>> {
        let partitions = (0..topic.partitions).map(|partition_index| ListOffsetsPartition {
            partition_index,
            current_leader_epoch: -1,
            timestamp: LATEST,
        });
        let asked = ListOffsetsTopic { name: topic.name.clone(), partitions: partitions.collect() };
        let request = ListOffsetsRequest {
            replica_id: -1,
            topics: vec![asked],
            timeout_ms: 30_000,
            ..Default::default()
        };
        let response = self.ask(LIST_OFFSETS_VERSION, &request)?;
        let mut ends = vec![0; usize::try_from(topic.partitions)?];
        for partition in response.topics.iter().flat_map(|topic| &topic.partitions) {
            check(&format!("the end of {}", topic.name), partition.error_code)?;
            let index = usize::try_from(partition.partition_index)?;
            *ends.get_mut(index).context("a partition that was not asked for")? = partition.offset;
        }
        Ok(ends)
    }

    /// Removes a topic.
    pub(crate) fn delete_topic(&mut self, name: &str) -> anyhow::Result<()> {
        let state = DeleteTopicState { name: Some(name.to_owned()), ..Default::default() };
        let request =
            DeleteTopicsRequest { topics: vec![state], timeout_ms: 60_000, ..Default::default() };
        for topic in self.ask(6, &request)?.responses {
            check(&format!("deleting {name}"), topic.error_code)?;
        }
        Ok(())
    }

    /// An identity for a producer without transactions.
    pub(crate) fn producer_id(&mut self) -> anyhow::Result<Identity> {
        let request = InitProducerIdRequest {
            transactional_id: None,
            transaction_timeout_ms: i32::MAX,
            producer_id: -1,
            producer_epoch: -1,
            ..Default::default()
        };
        let until = Instant::now() + LED_WITHIN;
        loop {
            let response = self.ask(4, &request)?;
            // A broker that has just started may not have its block of ids yet.
            let comes = response.error_code == ErrorCode::CoordinatorLoadInProgress;
            if comes && Instant::now() < until {
                interrupt::check()?;
                std::thread::sleep(Duration::from_millis(20));
                continue;
            }
            check("InitProducerId", response.error_code)?;
            let (id, epoch) = (response.producer_id, response.producer_epoch);
            return Ok(Identity { id, epoch });
        }
    }
}

fn is_led(partition: &MetadataResponsePartition) -> bool {
    partition.leader_id >= 0 && partition.error_code == ErrorCode::None
}

fn check(what: &str, code: ErrorCode) -> anyhow::Result<()> {
    ensure!(code == ErrorCode::None, "{what}: {code}");
    Ok(())
}
