//! The command log: every change of the catalog, in order, on a topic of one partition. Reading
//! it from the beginning gives the catalog, with the same ids of queries.

use std::collections::BTreeMap;

use client::consumer::{Consumer, ConsumerConfig, IsolationLevel};
use client::{ClientConfig, OffsetSpec, Producer, ProducerConfig, Record, TopicPartition};
use serde::{Deserialize, Serialize};

use crate::engine::topics::Topics;
use crate::error::SqlError;
use crate::plan::statement::Change;

/// One entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Command {
    /// The statement, for people.
    pub(crate) statement: String,
    pub(crate) change: Change,
    /// Session properties that were in force and matter when the statement is planned again.
    #[serde(default)]
    pub(crate) properties: BTreeMap<String, String>,
}

/// Writes commands; one engine a topic does.
pub(crate) struct CommandLog {
    topic: String,
    producer: Producer,
}

impl CommandLog {
    /// Opens the log, making its topic if there is none, and reads all that it holds.
    pub(crate) async fn open(
        topic: &str,
        client: &ClientConfig,
        topics: &Topics,
    ) -> Result<(Self, Vec<Command>), SqlError> {
        if topics.partitions(topic).await?.is_none() {
            let configs =
                [("retention.ms", "-1".to_owned()), ("cleanup.policy", "delete".to_owned())];
            topics.create(topic, (1, None), &configs).await?;
        }
        let commands = read(topic, client, topics).await?;
        let producer =
            Producer::new(ProducerConfig::new(client.clone())).map_err(SqlError::server)?;
        Ok((Self { topic: topic.to_owned(), producer }, commands))
    }

    /// Appends a command; when this returns, it is on the topic.
    pub(crate) async fn append(&self, command: &Command) -> Result<(), SqlError> {
        let value = serde_json::to_vec(command).map_err(SqlError::server)?;
        let record = Record::to(self.topic.as_str()).partition(0).value(value);
        let delivery = self.producer.send(record).await.map_err(SqlError::server)?;
        delivery.await.map(|_| ()).map_err(SqlError::server)
    }

    pub(crate) async fn close(&self) {
        self.producer.close().await;
    }
}

async fn read(
    topic: &str,
    client: &ClientConfig,
    topics: &Topics,
) -> Result<Vec<Command>, SqlError> {
    let partition = TopicPartition::new(topic, 0);
    let wanted = BTreeMap::from([(partition.clone(), OffsetSpec::Latest)]);
    let isolation = IsolationLevel::ReadCommitted;
    let mut listed =
        topics.admin.list_offsets(&wanted, isolation).await.map_err(SqlError::server)?;
    let end = match listed.remove(&partition) {
        Some(Ok(listed)) => listed.offset.unwrap_or(0),
        Some(Err(error)) => return Err(SqlError::server(error)),
        None => 0,
    };
    let mut config = ConsumerConfig::new(client.clone());
    config.fetch.isolation = isolation;
    config.group.auto_commit = false;
    let mut consumer = Consumer::new(config).map_err(SqlError::server)?;
    consumer.assign([partition.clone()]).map_err(SqlError::server)?;
    consumer.seek_to_beginning(std::slice::from_ref(&partition)).map_err(SqlError::server)?;
    let mut commands = Vec::new();
    let ends = BTreeMap::from([(partition, end)]);
    let read = consumer.read_to(&ends, |record| {
        commands.push(parse(&record.value.unwrap_or_default(), record.offset));
    });
    read.await.map_err(SqlError::server)?;
    consumer.close().await.map_err(SqlError::server)?;
    commands.into_iter().collect()
}

fn parse(value: &[u8], offset: i64) -> Result<Command, SqlError> {
    serde_json::from_slice(value).map_err(|error| {
        SqlError::server(format!(
            "the command log has an entry at offset {offset} that cannot be read: {error}"
        ))
    })
}
