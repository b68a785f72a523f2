//! ksqlDB's cases on a real cluster: the questions and answers are those of [`super::jsonl`], but
//! topics, schemas and queries are those of a broker, a registry and an engine.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{self, Write};
use std::sync::Arc;

use client::admin::NewTopic;
use client::consumer::{Consumer, ConsumerConfig, IsolationLevel};
use client::schema_registry::SchemaRegistry;
use client::{Admin, ClientConfig, OffsetSpec, Producer, ProducerConfig, Record, TopicPartition};
use serde_json::{Value as Json, json};
use streams::{Header, OutputRecord};

use super::jsonl::{array, described, encoded, shown};
use crate::catalog::source::Source;
use crate::engine::{Engine, EngineConfig, PROPERTIES};
use crate::parser;
use crate::parser::ast::Statement;

/// Where cases run. All topics and subjects there are theirs: they are removed between cases.
#[derive(Clone, Debug)]
pub struct CaseCluster {
    pub client: ClientConfig,
    pub registry_url: String,
}

type Outcome<T> = Result<T, String>;

/// The service ids of the engines begin so.
const SERVICE: &str = "case_";

/// Answers requests until the input ends, each with an engine of its own.
pub async fn serve_on(
    cluster: &CaseCluster,
    input: impl Iterator<Item = io::Result<String>>,
    mut output: impl Write,
) -> io::Result<()> {
    for (number, line) in input.enumerate() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let answer = match serde_json::from_str::<Json>(&line) {
            Ok(request) => answer(cluster, number, &request).await,
            Err(error) => json!({"id": null, "error": {"message": error.to_string()}}),
        };
        writeln!(output, "{answer}")?;
        output.flush()?;
    }
    Ok(())
}

async fn answer(cluster: &CaseCluster, number: usize, request: &Json) -> Json {
    let config = EngineConfig {
        registry_url: Some(cluster.registry_url.clone()),
        service_id: format!("{SERVICE}{number}_"),
        replication_factor: 1,
        defaults: HashMap::from([("auto.offset.reset".to_owned(), "earliest".to_owned())]),
        ..EngineConfig::default()
    };
    let failed =
        |message: String| json!({"id": request["id"], "error": {"input": 0, "message": message}});
    let admin = match Admin::new(cluster.client.clone()) {
        Ok(admin) => admin,
        Err(error) => return failed(error.to_string()),
    };
    let answer = match Engine::start(config, cluster.client.clone()).await {
        Ok(engine) => {
            let case = Case { cluster, engine: &engine, admin: &admin, request };
            let answer = case.run().await.unwrap_or_else(failed);
            engine.shutdown().await;
            answer
        }
        Err(error) => failed(error.message),
    };
    let cleaned = clean(cluster, &admin).await;
    admin.close().await;
    cleaned.map_or_else(failed, |()| answer)
}

/// Removes what a case left: its topics, and all subjects.
async fn clean(cluster: &CaseCluster, admin: &Admin) -> Outcome<()> {
    let listed = admin.list_topics().await.map_err(|e| e.to_string())?;
    let own = format!("_yeoul_sql_{SERVICE}");
    let left = listed.into_iter().map(|topic| topic.name);
    let left: Vec<String> =
        left.filter(|name| name.starts_with(&own) || !name.starts_with('_')).collect();
    if !left.is_empty() {
        admin.delete_topics(&left).await.map_err(|e| e.to_string())?;
    }
    let registry = SchemaRegistry::new(&cluster.registry_url).map_err(|e| e.to_string())?;
    for subject in registry.subjects().await.map_err(|e| e.to_string())? {
        for permanent in [false, true] {
            let deleted = registry.delete_subject(&subject, permanent).await;
            deleted.map_err(|e| e.to_string())?;
        }
    }
    Ok(())
}

struct Case<'a> {
    cluster: &'a CaseCluster,
    engine: &'a Engine,
    admin: &'a Admin,
    request: &'a Json,
}

/// Partitions and offsets of the records that the case itself wrote.
type Fed = BTreeSet<(TopicPartition, i64)>;

impl Case<'_> {
    async fn run(&self) -> Outcome<Json> {
        let id = &self.request["id"];
        self.topics().await?;
        self.schemas().await?;
        let properties = self.properties();
        for (index, statement) in array(&self.request["statements"]).iter().enumerate() {
            let text = statement.as_str().unwrap_or_default();
            if let Err(failed) = self.engine.execute(text, &properties).await {
                let message = failed.error.render(text);
                return Ok(json!({"id": id, "error": {"statement": index, "message": message}}));
            }
        }
        let fed = match self.feed().await {
            Ok(fed) => fed,
            Err((index, message)) => {
                return Ok(json!({"id": id, "error": {"input": index, "message": message}}));
            }
        };
        let outputs = self.outputs(&fed).await?;
        let catalog = self.engine.shared().catalog();
        let sources: Vec<Json> = catalog.sources().map(|source| described(source)).collect();
        Ok(json!({"id": id, "outputs": outputs, "sources": sources}))
    }

    /// The properties that an engine knows; the others are of Kafka Streams.
    fn properties(&self) -> HashMap<String, String> {
        let stated = self.request["properties"].as_object();
        let known = |(name, value): (&String, &Json)| {
            let known = PROPERTIES.iter().any(|(known, ..)| known == name);
            known.then(|| (name.clone(), value.as_str().unwrap_or_default().to_owned()))
        };
        stated.into_iter().flatten().filter_map(known).collect()
    }

    /// Makes the topics that the case takes to be there, of one partition, so that all records
    /// have one order. Those that a statement makes are left to it.
    async fn topics(&self) -> Outcome<()> {
        let mut wanted: BTreeSet<String> = BTreeSet::new();
        let mut made: BTreeSet<String> = BTreeSet::new();
        for topic in array(&self.request["topics"]) {
            wanted.extend(topic["name"].as_str().map(str::to_owned));
        }
        for statement in array(&self.request["statements"]) {
            let Ok(parsed) = parser::parse(statement.as_str().unwrap_or_default()) else {
                continue;
            };
            for parsed in parsed {
                let (properties, sink) = match &parsed.statement {
                    Statement::CreateSource(create) => (&create.with, None),
                    Statement::CreateAs(create) => (&create.with, Some(&create.name.name)),
                    _ => continue,
                };
                let Ok(with) = crate::analyze::with::With::new(properties) else { continue };
                let Ok(named) = with.text("KAFKA_TOPIC") else { continue };
                let stated = properties.iter().any(|p| p.name == "PARTITIONS");
                match (named.or_else(|| sink.cloned()), stated) {
                    (Some(topic), true) => made.insert(topic),
                    (Some(topic), false) if sink.is_none() => wanted.insert(topic),
                    _ => false,
                };
            }
        }
        for input in array(&self.request["inputs"]) {
            wanted.extend(input["topic"].as_str().map(str::to_owned));
        }
        let topics: Vec<NewTopic> = wanted
            .difference(&made)
            .map(|name| NewTopic::new(name, 1, 1).config("retention.ms", "-1"))
            .collect();
        if topics.is_empty() {
            return Ok(());
        }
        let created = self.admin.create_topics(&topics, false).await.map_err(|e| e.to_string())?;
        created.into_values().collect::<Result<Vec<_>, _>>().map_err(|e| e.to_string()).map(|_| ())
    }

    /// Registers the schemas that the case states.
    async fn schemas(&self) -> Outcome<()> {
        let registry =
            SchemaRegistry::new(&self.cluster.registry_url).map_err(|e| e.to_string())?;
        for topic in array(&self.request["topics"]) {
            let name = topic["name"].as_str().unwrap_or_default();
            for part in ["key", "value"] {
                let schema = &topic[format!("{part}Schema")];
                let format = topic[format!("{part}Format")].as_str().unwrap_or("AVRO");
                if schema.is_null() || format != "AVRO" {
                    continue;
                }
                let subject = format!("{name}-{part}");
                let registered = registry.register(&subject, &schema.to_string()).await;
                registered.map_err(|e| e.to_string())?;
            }
        }
        Ok(())
    }

    /// Writes the inputs; the queries work through those of one topic before those of the next.
    async fn feed(&self) -> Result<Fed, (usize, String)> {
        let producer = ProducerConfig::new(self.cluster.client.clone());
        let producer = Producer::new(producer).map_err(|e| (0, e.to_string()))?;
        let mut fed = Fed::new();
        let inputs = array(&self.request["inputs"]);
        for (index, input) in inputs.iter().enumerate() {
            let failed = |message: String| (index, message);
            let written = self.write(&producer, input).await.map_err(failed)?;
            fed.insert(written);
            let next = inputs.get(index + 1).map(|next| &next["topic"]);
            if next != Some(&input["topic"]) {
                self.engine.wait_caught_up().await.map_err(|e| failed(e.message))?;
            }
        }
        if inputs.is_empty() {
            self.engine.wait_caught_up().await.map_err(|e| (0, e.message))?;
        }
        producer.close().await;
        Ok(fed)
    }

    async fn write(&self, producer: &Producer, input: &Json) -> Outcome<(TopicPartition, i64)> {
        let topic = input["topic"].as_str().unwrap_or_default().to_owned();
        let source = self.source(&topic).ok_or_else(|| format!("no source reads topic {topic}"))?;
        let (schemas, node) = (Arc::clone(&self.engine.shared().schemas), input.clone());
        let encode = move || encoded(&source, &node, schemas.as_ref());
        let made = tokio::task::spawn_blocking(encode).await.map_err(|e| e.to_string())??;
        let mut record = Record::to(topic.as_str()).partition(0).timestamp_ms(made.timestamp);
        record.key = made.key;
        record.value = made.value;
        for header in made.headers {
            record.headers.push(client::Header { key: header.key, value: header.value });
        }
        let delivery = producer.send(record).await.map_err(|e| e.to_string())?;
        let metadata = delivery.await.map_err(|e| e.to_string())?;
        Ok((TopicPartition::new(topic.as_str(), 0), metadata.offset.unwrap_or(-1)))
    }

    /// The first source over a topic.
    fn source(&self, topic: &str) -> Option<Arc<Source>> {
        self.engine.shared().catalog().sources().find(|s| s.topic == topic).cloned()
    }

    /// The records that the queries wrote, topic by topic.
    async fn outputs(&self, fed: &Fed) -> Outcome<Vec<Json>> {
        let catalog = self.engine.shared().catalog();
        let sinks: BTreeSet<&str> = catalog.queries().map(|q| q.sink_topic.as_str()).collect();
        let mut outputs = Vec::new();
        for topic in sinks {
            let Some(source) = self.source(topic) else { continue };
            for record in self.read(topic, fed).await? {
                let (source, schemas) =
                    (Arc::clone(&source), Arc::clone(&self.engine.shared().schemas));
                let show = move || shown(&source, &record, schemas.as_ref());
                outputs.push(tokio::task::spawn_blocking(show).await.map_err(|e| e.to_string())??);
            }
        }
        Ok(outputs)
    }

    async fn read(&self, topic: &str, fed: &Fed) -> Outcome<Vec<OutputRecord>> {
        let partitions = self.engine.shared().topics.partitions(topic).await;
        let partitions = partitions.map_err(|e| e.message)?.unwrap_or(0);
        let all: Vec<TopicPartition> =
            (0..partitions).map(|partition| TopicPartition::new(topic, partition)).collect();
        let wanted = all.iter().map(|partition| (partition.clone(), OffsetSpec::Latest)).collect();
        let isolation = IsolationLevel::ReadCommitted;
        let listed =
            self.admin.list_offsets(&wanted, isolation).await.map_err(|e| e.to_string())?;
        let mut ends = BTreeMap::new();
        for (partition, end) in listed {
            let end = end.map_err(|e| e.to_string())?;
            ends.insert(partition, end.offset.unwrap_or(0));
        }
        let mut config = ConsumerConfig::new(self.cluster.client.clone());
        config.fetch.isolation = isolation;
        config.group.auto_commit = false;
        let mut consumer = Consumer::new(config).map_err(|e| e.to_string())?;
        consumer.assign(all.clone()).map_err(|e| e.to_string())?;
        consumer.seek_to_beginning(&all).map_err(|e| e.to_string())?;
        let mut records = Vec::new();
        let read = consumer.read_to(&ends, |record| {
            let partition = TopicPartition::new(topic, record.partition);
            if fed.contains(&(partition, record.offset)) {
                return;
            }
            let headers = record.headers.into_iter();
            records.push(OutputRecord {
                key: record.key,
                value: record.value,
                headers: headers.map(|h| Header { key: h.key, value: h.value }).collect(),
                timestamp: record.timestamp_ms,
                partition: Some(record.partition),
            });
        });
        read.await.map_err(|e| e.to_string())?;
        consumer.close().await.map_err(|e| e.to_string())?;
        Ok(records)
    }
}
