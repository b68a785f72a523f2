//! kafka-log-dirs: what lies in the log folders of brokers, as JSON.

use std::collections::{BTreeMap, BTreeSet};

use client::admin::{LogDirDescription, ReplicaInfo};
use client::{Admin, AdminError, TopicPartition};
use futures::FutureExt;
use protocol::ErrorCode;
use serde_json::{Value, json};

use super::Tool;
use super::connection::{java_hash, java_order, open, words};
use super::options::{Parsed, Spec, flag, status, tell_plainly, value};

pub(crate) const TOOL: Tool = Tool {
    name: "kafka-log-dirs",
    about: "Show what lies in the log folders of brokers",
    options: SPEC.options,
    run: |arguments| async move { run(&arguments).await }.boxed(),
};

const SPEC: Spec = Spec {
    tool: "kafka-log-dirs",
    about: "This tool helps to query log directory usage on the specified brokers.",
    options: &[
        value("bootstrap-server", "REQUIRED: The brokers to ask first, host:port,host:port."),
        value("command-config", "A properties file for the administrative client."),
        flag("describe", "REQUIRED: Describe the log folders of the brokers."),
        value("topic-list", "Only these topics, with commas; all of them unless told."),
        value("broker-list", "Only these brokers, with commas; all of them unless told."),
        flag("help", "Print this page."),
        flag("version", "Print the version."),
    ],
};

async fn run(arguments: &[String]) -> i32 {
    let check = |parsed: &Parsed| parsed.require(&["bootstrap-server", "describe"]);
    let (parsed, (), admin) = match open(&SPEC, arguments, check) {
        Ok(opened) => opened,
        Err(status) => return status,
    };
    let done = describe(&admin, &parsed).await;
    admin.close().await;
    status(done, tell_plainly)
}

async fn describe(admin: &Admin, parsed: &Parsed) -> Result<(), String> {
    let topics: BTreeSet<&str> = items(parsed.get("topic-list")).collect();
    let cluster = admin.describe_cluster().await;
    let cluster = cluster.map_err(|error| words(&error, "describeCluster"))?;
    let present: BTreeSet<i32> = cluster.brokers.iter().map(|node| node.id).collect();
    let brokers = in_java_order(&brokers(parsed.get("broker-list"), &present)?, 16);
    println!("Querying brokers for log directories information");
    let mut described = BTreeMap::new();
    for broker in &brokers {
        let dirs = admin.describe_log_dirs(*broker, None).await;
        let dirs = dirs.map_err(|error| words(&error, "describeLogDirs"))?;
        described.insert(*broker, folders(dirs, &topics));
    }
    println!("Received log directory information from brokers {}", list(&brokers));
    let ids = in_java_order(&described.keys().copied().collect(), 1).into_iter();
    let described = ids.map(|id| json!({ "broker": id, "logDirs": described.remove(&id) }));
    println!("{}", json!({ "brokers": described.collect::<Vec<_>>(), "version": 1 }));
    Ok(())
}

fn items(list: Option<&str>) -> impl Iterator<Item = &str> {
    list.unwrap_or_default().split(',').map(str::trim).filter(|item| !item.is_empty())
}

/// The brokers that `--broker-list` names, or all.
fn brokers(named: Option<&str>, present: &BTreeSet<i32>) -> Result<BTreeSet<i32>, String> {
    let parsed = items(named).map(|id| {
        id.parse().map_err(|_| format!("--broker-list takes numbers with commas, not {id}"))
    });
    let named = parsed.collect::<Result<BTreeSet<i32>, String>>()?;
    let unknown: BTreeSet<i32> = named.difference(present).copied().collect();
    if !unknown.is_empty() {
        return Err(format!(
            "ERROR: The given brokers do not exist from --broker-list: {}. Current existent \
             brokers: {}",
            list(&in_java_order(&unknown, 16)),
            list(&in_java_order(present, 16))
        ));
    }
    Ok(if named.is_empty() { present.clone() } else { named })
}

/// Ids as they come out of a Java `HashSet` that has room for `capacity` from the beginning.
fn in_java_order(ids: &BTreeSet<i32>, capacity: usize) -> Vec<i32> {
    java_order(ids.iter().copied().collect(), capacity, |id| id.cast_unsigned())
}

fn list(ids: &[i32]) -> String {
    let ids: Vec<String> = ids.iter().map(i32::to_string).collect();
    ids.join(",")
}

type Folders = BTreeMap<String, Result<LogDirDescription, AdminError>>;

fn folders(folders: Folders, topics: &BTreeSet<&str>) -> Vec<Value> {
    let folders = java_order(folders.into_iter().collect(), 1, |(path, _)| java_hash(path));
    let described = folders.into_iter().map(|(path, described)| match described {
        Ok(folder) => {
            let partitions = replicas(folder, topics);
            json!({ "partitions": partitions, "error": null, "logDir": path })
        }
        Err(error) => {
            json!({ "partitions": [], "error": error_name(&error), "logDir": path })
        }
    });
    described.collect()
}

/// What is wrong with a folder: the name of Kafka's class for it, as scripts look for that.
fn error_name(error: &AdminError) -> String {
    let class = match error.code() {
        Some(ErrorCode::KafkaStorageError) => "KafkaStorageException",
        Some(ErrorCode::ClusterAuthorizationFailed) => "ClusterAuthorizationException",
        _ => return words(error, "describeLogDirs"),
    };
    format!("org.apache.kafka.common.errors.{class}")
}

/// The replicas of these topics (of all where none is named), as Kafka's tool comes upon them.
fn replicas(folder: LogDirDescription, topics: &BTreeSet<&str>) -> Vec<Value> {
    let all: Vec<(TopicPartition, ReplicaInfo)> = folder.replicas.into_iter().collect();
    let hash = |(at, _): &(TopicPartition, ReplicaInfo)| {
        let of_partition = 31_u32.wrapping_add(at.partition.cast_unsigned());
        of_partition.wrapping_mul(31).wrapping_add(java_hash(&at.topic))
    };
    let all = java_order(all, 16, hash).into_iter();
    let chosen = all.filter(|(at, _)| topics.is_empty() || topics.contains(at.topic.as_ref()));
    // What is chosen goes into a map of its own.
    let chosen = java_order(chosen.collect(), 16, hash).into_iter();
    let shown = chosen.map(|(at, replica)| {
        json!({
            "partition": at.to_string(),
            "size": replica.size,
            "offsetLag": replica.offset_lag,
            "isFuture": replica.is_future,
        })
    });
    shown.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_replicas_of_the_named_topics_are_shown_as_json() {
        let info = ReplicaInfo { size: 7, offset_lag: 0, is_future: false };
        let folder = LogDirDescription {
            total_bytes: None,
            usable_bytes: None,
            is_cordoned: false,
            replicas: BTreeMap::from([
                (TopicPartition::new("a", 0), info),
                (TopicPartition::new("b", 1), info),
            ]),
        };
        let shown = folders(BTreeMap::from([("/d".to_owned(), Ok(folder))]), &["b"].into());
        assert_eq!(
            Value::from(shown).to_string(),
            r#"[{"partitions":[{"partition":"b-1","size":7,"offsetLag":0,"isFuture":false}],"error":null,"logDir":"/d"}]"#
        );
    }

    #[test]
    fn brokers_are_those_that_are_named_and_there() {
        let present = BTreeSet::from([1, 2]);
        assert_eq!(brokers(None, &present), Ok(present.clone()));
        assert_eq!(brokers(Some("2,"), &present), Ok([2].into()));
        assert_eq!(
            brokers(Some("2, 3,4"), &present).unwrap_err(),
            "ERROR: The given brokers do not exist from --broker-list: 3,4. Current existent \
             brokers: 1,2"
        );
        assert!(brokers(Some("x"), &present).unwrap_err().contains("not x"));
    }
}
