//! A broker, a registry and an engine for one test.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use client::admin::{ConfigResource, DescribeConfigs};
use client::consumer::{Consumer, ConsumerConfig};
use client::{Admin, ClientConfig, Producer, ProducerConfig, Record, TopicPartition};
use registry::{Registry, RegistryConfig};
use serde_json::Value as Json;
use sql::{Engine, EngineConfig, Outcome, QueryStream, RowEvent};

pub(crate) struct Cluster {
    broker: testkit::Cluster,
    registry: Option<Registry>,
    /// Where the registry answers, also after it was stopped and started again.
    registry_address: String,
    pub(crate) client: ClientConfig,
    folder: tempfile::TempDir,
}

impl Cluster {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let logs = folder.path().join("logs");
        let broker = testkit::Cluster::start(&logs).await;
        let client = broker.client.clone();
        let listener = "127.0.0.1:0".to_owned();
        let config = RegistryConfig { listener, replication_factor: 1, ..Default::default() };
        let registry = registry::start(config, client.clone()).await.unwrap();
        let registry_address = registry.address().to_string();
        Self { broker, registry: Some(registry), registry_address, client, folder }
    }

    pub(crate) async fn stop_registry(&mut self) {
        self.registry.take().unwrap().shutdown().await;
    }

    pub(crate) async fn start_registry(&mut self) {
        let listener = self.registry_address.clone();
        let config = RegistryConfig { listener, replication_factor: 1, ..Default::default() };
        self.registry = Some(registry::start(config, self.client.clone()).await.unwrap());
    }

    pub(crate) async fn delete_topic(&self, name: &str) {
        let admin = Admin::new(self.client.clone()).unwrap();
        let deleted = admin.delete_topics(&[name.to_owned()]).await.unwrap();
        assert!(deleted.values().all(Result::is_ok), "{deleted:?}");
        admin.close().await;
    }

    /// A topic's configuration by its key.
    pub(crate) async fn topic_config(&self, name: &str, key: &str) -> Option<String> {
        let admin = Admin::new(self.client.clone()).unwrap();
        let resource = ConfigResource::topic(name);
        let all = DescribeConfigs::default();
        let mut found =
            admin.describe_configs(std::slice::from_ref(&resource), &all).await.unwrap();
        admin.close().await;
        let entries = found.remove(&resource).unwrap().unwrap();
        entries.into_iter().find(|entry| entry.name == key).and_then(|entry| entry.value)
    }

    pub(crate) fn state_dir(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    pub(crate) async fn engine(&self) -> Engine {
        self.patient_engine(Duration::from_secs(3600)).await
    }

    /// An engine whose readers wait for so long for what does not answer.
    pub(crate) async fn patient_engine(&self, reader_patience: Duration) -> Engine {
        let config = EngineConfig {
            state_dir: Some(self.state_dir()),
            registry_url: Some(format!("http://{}", self.registry_address)),
            topic_check_interval: Duration::from_millis(20),
            reader_patience,
            replication_factor: 1,
            defaults: HashMap::from([("auto.offset.reset".to_owned(), "earliest".to_owned())]),
            ..EngineConfig::default()
        };
        Engine::start(config, self.client.clone()).await.unwrap()
    }

    pub(crate) async fn create_topic(&self, name: &str, partitions: i32) {
        self.broker.create_topics(&[name], partitions).await;
    }

    pub(crate) async fn topic_names(&self) -> Vec<String> {
        let admin = Admin::new(self.client.clone()).unwrap();
        let names = admin.list_topics().await.unwrap().into_iter().map(|t| t.name).collect();
        admin.close().await;
        names
    }

    /// Produces (key, value, timestamp).
    pub(crate) async fn produce(&self, topic: &str, records: &[(&str, &str, i64)]) {
        let producer = Producer::new(ProducerConfig::new(self.client.clone())).unwrap();
        for (key, value, timestamp) in records {
            let mut record = Record::to(topic).value(value.to_string()).timestamp_ms(*timestamp);
            if !key.is_empty() {
                record = record.key(key.to_string());
            }
            producer.send(record).await.unwrap().await.unwrap();
        }
        producer.close().await;
    }

    /// Produces keys and values as they are.
    pub(crate) async fn produce_bytes<'a>(
        &self,
        topic: &str,
        records: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    ) {
        let producer = Producer::new(ProducerConfig::new(self.client.clone())).unwrap();
        let mut deliveries = Vec::new();
        for (key, value) in records {
            let record = Record::to(topic).key(key.to_vec()).value(value.to_vec());
            deliveries.push(producer.send(record).await.unwrap());
        }
        for delivery in deliveries {
            delivery.await.unwrap();
        }
        producer.close().await;
    }

    pub(crate) async fn produce_with_header(
        &self,
        topic: &str,
        (key, value): (&str, &str),
        (name, text): (&str, &str),
    ) {
        let producer = Producer::new(ProducerConfig::new(self.client.clone())).unwrap();
        let record = Record::to(topic)
            .key(key.to_owned())
            .value(value.to_owned())
            .header(name.to_owned(), text.to_owned());
        producer.send(record).await.unwrap().await.unwrap();
        producer.close().await;
    }

    /// The headers of the first record of partition 0.
    pub(crate) async fn headers_of_first(&self, topic: &str) -> Vec<(String, String)> {
        let mut consumer = Consumer::new(ConsumerConfig::new(self.client.clone())).unwrap();
        let partition = TopicPartition::new(topic, 0);
        consumer.assign([partition.clone()]).unwrap();
        consumer.seek_to_beginning(&[partition]).unwrap();
        loop {
            let polled = consumer.poll(Duration::from_secs(10)).await.unwrap();
            let Some(record) = polled.records().next() else { continue };
            let record = record.unwrap();
            let text = |bytes: Option<bytes::Bytes>| {
                String::from_utf8(bytes.unwrap_or_default().to_vec()).unwrap()
            };
            let headers = record.headers.into_iter().map(|h| (h.key.to_string(), text(h.value)));
            let headers = headers.collect();
            consumer.close().await.unwrap();
            return headers;
        }
    }

    /// The registry's subjects, sorted.
    pub(crate) async fn subjects(&self) -> Vec<String> {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let registry = self.registry.as_ref().expect("this cluster has a registry");
        let url = format!("{}/subjects", registry.url());
        let text = client.get(url).send().await.unwrap().text().await.unwrap();
        let mut subjects: Vec<String> = serde_json::from_str(&text).unwrap();
        subjects.sort();
        subjects
    }

    pub(crate) async fn stop(self) {
        if let Some(registry) = self.registry {
            registry.shutdown().await;
        }
        self.broker.stop().await;
    }
}

/// Runs statements that must succeed.
pub(crate) async fn run(engine: &Engine, text: &str) -> Vec<Outcome> {
    match engine.execute(text, &HashMap::new()).await {
        Ok(outcomes) => outcomes,
        Err(failed) => panic!("{}", failed.error.render(text)),
    }
}

/// The entity of the last statement.
pub(crate) async fn entity(engine: &Engine, text: &str) -> Json {
    match run(engine, text).await.pop() {
        Some(Outcome::Entity(entity)) => entity,
        other => panic!("{text}: {other:?}"),
    }
}

/// The message of a statement that must fail.
pub(crate) async fn refused(engine: &Engine, text: &str) -> String {
    let failed = engine.execute(text, &HashMap::new()).await.expect_err(text);
    failed.error.render(text)
}

pub(crate) async fn stream(engine: &Engine, text: &str) -> QueryStream {
    match run(engine, text).await.pop() {
        Some(Outcome::Rows(rows)) => rows,
        other => panic!("{text}: {other:?}"),
    }
}

/// All rows of a query that ends, each as one JSON text.
pub(crate) async fn rows(engine: &Engine, text: &str) -> Vec<String> {
    let mut stream = stream(engine, text).await;
    let mut rows = Vec::new();
    while let Some(event) = stream.rows.recv().await {
        match event {
            RowEvent::Row(columns) => rows.push(Json::Array(columns).to_string()),
            RowEvent::Tombstone(columns) => rows.push(format!("-{}", Json::Array(columns))),
            RowEvent::Final(_) => return rows,
            RowEvent::Error(message) => panic!("{text}: {message}"),
        }
    }
    panic!("{text} ended without a last word");
}

/// The same, sorted.
pub(crate) async fn sorted_rows(engine: &Engine, text: &str) -> Vec<String> {
    let mut rows = rows(engine, text).await;
    rows.sort();
    rows
}

/// State and error of a query, as SHOW QUERIES has them.
pub(crate) async fn query_state(engine: &Engine, id: &str) -> (String, String) {
    let shown = entity(engine, "SHOW QUERIES;").await;
    let queries = shown["queries"].as_array().unwrap();
    let query = queries.iter().find(|query| query["id"] == id).unwrap();
    let text = |member: &str| query[member].as_str().unwrap_or_default().to_owned();
    (text("state"), text("error"))
}

/// Asks until a query is as it should be.
pub(crate) async fn wait_for_query(
    engine: &Engine,
    id: &str,
    is_right: impl Fn(&str, &str) -> bool,
) -> String {
    loop {
        let (state, error) = query_state(engine, id).await;
        if is_right(&state, &error) {
            return error;
        }
        tokio::task::yield_now().await;
    }
}
