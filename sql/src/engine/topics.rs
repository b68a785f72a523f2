//! The topics of sources and sinks: whether they are there, and making them.

use client::admin::{ConfigResource, DescribeConfigs, NewTopic};
use client::{Admin, TOPIC_NAME_RULE};

use crate::analyze::with::TopicWish;
use crate::error::SqlError;

type Result<T> = std::result::Result<T, SqlError>;

/// A topic as SHOW TOPICS lists it.
pub(crate) struct Topic {
    pub(crate) name: String,
    /// Replicas of each partition.
    pub(crate) replicas: Vec<usize>,
    pub(crate) is_internal: bool,
}

const RETENTION_MS: &str = "retention.ms";

/// What a query writes, as far as its topic depends on it.
pub(crate) struct SinkKind<'a> {
    /// The topic of the query's first source.
    pub(crate) first_source: &'a str,
    pub(crate) is_table: bool,
    /// For a windowed table, how long its windows are kept.
    pub(crate) windows_ms: Option<i64>,
}

/// Calls to the cluster about topics.
#[derive(Clone)]
pub(crate) struct Topics {
    pub(crate) admin: Admin,
    pub(crate) replication_factor: i16,
}

impl Topics {
    /// How many partitions a topic has; none if it does not exist.
    pub(crate) async fn partitions(&self, topic: &str) -> Result<Option<i32>> {
        let replicas = self.replicas(topic).await?;
        Ok(replicas.and_then(|replicas| i32::try_from(replicas.len()).ok()))
    }

    /// How many replicas each partition of a topic has; none if the topic does not exist.
    async fn replicas(&self, topic: &str) -> Result<Option<Vec<usize>>> {
        if !client::is_topic_name(topic) {
            return Err(SqlError::statement(format!(
                "'{topic}' cannot be a topic: {TOPIC_NAME_RULE}. A stream or table may have any \
                 name: name its topic with KAFKA_TOPIC in the WITH clause."
            )));
        }
        if !self.admin.topic_exists(topic).await.map_err(SqlError::server)? {
            return Ok(None);
        }
        let mut found =
            self.admin.describe_topics(&[topic.to_owned()]).await.map_err(SqlError::server)?;
        match found.remove(topic) {
            Some(Ok(topic)) => {
                Ok(Some(topic.partitions.iter().map(|p| p.replicas.len()).collect()))
            }
            Some(Err(error)) => Err(SqlError::server(error)),
            None => Ok(None),
        }
    }

    /// Whether a topic is there; one that is must be as the statement says.
    pub(crate) async fn is_there(&self, topic: &str, wish: &TopicWish) -> Result<bool> {
        let Some(replicas) = self.replicas(topic).await? else { return Ok(false) };
        let found = (replicas.len() as i64, replicas.first().map_or(0, |first| *first as i64));
        let partitions = wish.partitions.map_or(found.0, i64::from);
        let factor = wish.replicas.filter(|factor| *factor >= 0).map_or(found.1, i64::from);
        let retention = match wish.retention_ms {
            Some(wanted) => self.retention_ms(topic).await?.map(|found| (wanted, found)),
            None => None,
        };
        let keeps_as_long = retention.is_none_or(|(wanted, found)| wanted == found);
        if (partitions, factor) == found && keeps_as_long {
            return Ok(true);
        }
        let (what, partition_count, replicas) = match retention {
            Some(_) => ("partition/replica/retention", found.0, ","),
            None => ("partition/replica", found.0, ", and"),
        };
        let kept = retention.map(|(wanted, found)| {
            format!(
                ", and {wanted} retention (topic has {found}). A statement does not change the \
                 topic: leave RETENTION_MS out, or alter the topic's retention.ms first"
            )
        });
        let kept = kept.unwrap_or_default();
        Err(SqlError::statement(format!(
            "A Kafka topic with the name '{topic}' already exists, with different \
             {what} configuration than required. KSQL expects {partitions} partitions \
             (topic has {partition_count}){replicas} {factor} replication factor (topic has \
             {}){kept}.",
            found.1
        )))
    }

    /// How long a topic keeps its records; none where the cluster does not say it.
    async fn retention_ms(&self, topic: &str) -> Result<Option<i64>> {
        let resource = ConfigResource::topic(topic);
        let keys = Some(vec![RETENTION_MS.to_owned()]);
        let what = DescribeConfigs { keys, ..DescribeConfigs::default() };
        let described = self.admin.describe_configs(std::slice::from_ref(&resource), &what).await;
        let entries = match described.map_err(SqlError::server)?.remove(&resource) {
            Some(Ok(entries)) => entries,
            Some(Err(error)) => return Err(SqlError::server(error)),
            None => return Ok(None),
        };
        let found = entries.into_iter().find(|entry| entry.name == RETENTION_MS);
        Ok(found.and_then(|entry| entry.value).and_then(|value| value.parse().ok()))
    }

    /// Makes a topic that does not exist; one that does is left as it is.
    pub(crate) async fn create(
        &self,
        name: &str,
        (partitions, replicas): (i32, Option<i16>),
        configs: &[(&str, String)],
    ) -> Result<()> {
        let replicas = replicas.unwrap_or(self.replication_factor);
        let mut topic = NewTopic::new(name, partitions, replicas);
        for (key, value) in configs {
            topic = topic.config(*key, value.clone());
        }
        let created = self.admin.create_topics(&[topic], false).await.map_err(SqlError::server)?;
        match created.into_values().next() {
            Some(Err(error)) if !is_existing(&error) => {
                Err(SqlError::statement(format!("Failed to create topic '{name}': {error}")))
            }
            _ => Ok(()),
        }
    }

    /// What a CREATE over a topic wants: that it is there, or is made where PARTITIONS is stated.
    pub(crate) async fn ensure_source(&self, topic: &str, wish: &TopicWish) -> Result<()> {
        match self.check_source(topic, wish).await? {
            None => Ok(()),
            Some(partitions) => {
                self.create(topic, (partitions, wish.replicas), &retention(wish)).await
            }
        }
    }

    /// With how many partitions a CREATE over a topic would make it; none if it is there.
    pub(crate) async fn check_source(&self, topic: &str, wish: &TopicWish) -> Result<Option<i32>> {
        if self.is_there(topic, wish).await? {
            return Ok(None);
        }
        wish.partitions.map(Some).ok_or_else(|| {
            SqlError::statement(format!(
                "Kafka topic does not exist: {topic}. To have it created, add PARTITIONS to the \
                 WITH clause."
            ))
        })
    }

    /// The topic of a query's result: compacted for a table, as wide as the first source. Old
    /// windows leave the topic of a windowed table, as they do in ksqlDB: after RETENTION_MS, else
    /// when neither the table keeps them any more nor the first source its records.
    pub(crate) async fn ensure_sink(
        &self,
        topic: &str,
        wish: &TopicWish,
        result: SinkKind<'_>,
    ) -> Result<()> {
        if self.is_there(topic, wish).await? {
            return Ok(());
        }
        let partitions = match wish.partitions {
            Some(partitions) => partitions,
            None => self.partitions(result.first_source).await?.unwrap_or(1),
        };
        let mut configs = retention(wish);
        match result.windows_ms {
            Some(windows_ms) => {
                configs.push(("cleanup.policy", "compact,delete".to_owned()));
                if wish.retention_ms.is_none() {
                    let kept_ms = match self.retention_ms(result.first_source).await? {
                        Some(forever) if forever < 0 => forever,
                        of_source => windows_ms.max(of_source.unwrap_or(0)),
                    };
                    configs.push((RETENTION_MS, kept_ms.to_string()));
                }
            }
            None if result.is_table => {
                configs.push(("cleanup.policy", "compact".to_owned()));
            }
            None => {}
        }
        self.create(topic, (partitions, wish.replicas), &configs).await
    }

    pub(crate) async fn delete(&self, topics: &[String]) -> Result<()> {
        if topics.is_empty() {
            return Ok(());
        }
        let deleted = self.admin.delete_topics(topics).await.map_err(SqlError::server)?;
        for (topic, result) in deleted {
            if let Err(error) = result
                && !is_missing(&error)
            {
                return Err(SqlError::statement(format!(
                    "Failed to delete topic {topic}: {error}"
                )));
            }
        }
        Ok(())
    }

    /// The names of topics that begin so.
    pub(crate) async fn starting_with(&self, prefix: &str) -> Result<Vec<String>> {
        let all = self.admin.list_topics().await.map_err(SqlError::server)?;
        Ok(all.into_iter().map(|t| t.name).filter(|n| n.starts_with(prefix)).collect())
    }

    pub(crate) async fn list(&self) -> Result<Vec<Topic>> {
        let listed = self.admin.list_topics().await.map_err(SqlError::server)?;
        let names: Vec<String> = listed.iter().map(|t| t.name.clone()).collect();
        let described = self.admin.describe_topics(&names).await.map_err(SqlError::server)?;
        let replicas = |name: &str| match described.get(name) {
            Some(Ok(topic)) => topic.partitions.iter().map(|p| p.replicas.len()).collect(),
            _ => Vec::new(),
        };
        Ok(listed
            .into_iter()
            .map(|t| Topic {
                replicas: replicas(&t.name),
                is_internal: t.is_internal || t.name.starts_with('_'),
                name: t.name,
            })
            .collect())
    }
}

fn retention(wish: &TopicWish) -> Vec<(&'static str, String)> {
    wish.retention_ms.map(|ms| (RETENTION_MS, ms.to_string())).into_iter().collect()
}

fn is_existing(error: &client::AdminError) -> bool {
    error.code().is_some_and(|code| code.name() == "TOPIC_ALREADY_EXISTS")
}

fn is_missing(error: &client::AdminError) -> bool {
    error.code().is_some_and(|code| code.name() == "UNKNOWN_TOPIC_OR_PARTITION")
}
