//! kafka-delete-records: cuts the beginning of partitions.

use std::collections::{BTreeMap, BTreeSet};

use client::TopicPartition;
use futures::FutureExt;
use serde::Deserialize;

use super::Tool;
use super::connection::{admin, words};
use super::options::{Parsed, Spec, begin, flag, refuse, status, tell_plainly, value};

pub(crate) const TOOL: Tool = Tool {
    name: "kafka-delete-records",
    about: "Delete the records of partitions up to an offset",
    options: SPEC.options,
    run: |arguments| async move { run(&arguments).await }.boxed(),
};

const SPEC: Spec = Spec {
    tool: "kafka-delete-records",
    about: "This tool helps to delete records of the given partitions down to the specified offset.",
    options: &[
        value("bootstrap-server", "REQUIRED: The brokers to ask first, host:port,host:port."),
        value("offset-json-file", "REQUIRED: Partitions and offsets, in JSON."),
        value("command-config", "A properties file for the administrative client."),
        flag("help", "Print this page."),
        flag("version", "Print the version."),
    ],
};

/// The file: `{"partitions": [{"topic": "t", "partition": 0, "offset": 2}], "version": 1}`.
#[derive(Deserialize)]
struct File {
    partitions: Option<Vec<Entry>>,
    #[serde(default = "first_version")]
    version: i32,
}

#[derive(Deserialize)]
struct Entry {
    topic: String,
    partition: i32,
    offset: i64,
}

fn first_version() -> i32 {
    1
}

async fn run(arguments: &[String]) -> i32 {
    let parsed = match begin(&SPEC, arguments) {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    if let Err(error) = parsed.require(&["bootstrap-server", "offset-json-file"]) {
        return refuse(&SPEC, &error);
    }
    status(delete(&parsed).await, tell_plainly)
}

async fn delete(parsed: &Parsed) -> Result<(), String> {
    let path = parsed.get("offset-json-file").unwrap_or_default();
    let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let wanted = offsets(&text)?;
    let admin = admin(parsed, SPEC.tool).map_err(|error| error.to_string())?;
    println!("Executing records delete operation");
    let done = admin.delete_records(&wanted).await;
    admin.close().await;
    let done = done.map_err(|error| words(&error, "deleteRecords"))?;
    println!("Records delete operation completed:");
    for (partition, result) in done {
        match result {
            Ok(watermark) => println!("partition: {partition}\tlow_watermark: {watermark}"),
            Err(error) => {
                println!("partition: {partition}\terror: {}", words(&error, "deleteRecords"));
            }
        }
    }
    Ok(())
}

/// The partitions of the file with the offset to delete up to.
fn offsets(text: &str) -> Result<BTreeMap<TopicPartition, i64>, String> {
    if serde_json::from_str::<serde_json::Value>(text).is_err() {
        return Err("The input string is not a valid JSON".to_owned());
    }
    let file: File = serde_json::from_str(text)
        .map_err(|error| format!("The file does not name partitions and offsets: {error}"))?;
    if file.version != 1 {
        return Err(format!("Not supported version field value {}", file.version));
    }
    let partitions = file.partitions.ok_or("Missing partitions field")?;
    let (mut wanted, mut duplicates) = (BTreeMap::new(), BTreeSet::new());
    for Entry { topic, partition, offset } in partitions {
        let at = TopicPartition::new(topic, partition);
        if wanted.insert(at.clone(), offset).is_some() {
            duplicates.insert(at);
        }
    }
    if !duplicates.is_empty() {
        let duplicates: Vec<String> = duplicates.iter().map(ToString::to_string).collect();
        let list = duplicates.join(",");
        return Err(format!("Offset json file contains duplicate topic partitions: {list}"));
    }
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_names_partitions_and_offsets() {
        let text = r#"{"partitions":[{"topic":"t","partition":1,"offset":2}],"version":1}"#;
        let expected = BTreeMap::from([(TopicPartition::new("t", 1), 2)]);
        assert_eq!(offsets(text), Ok(expected));
    }

    #[test]
    fn what_is_wrong_with_the_file_is_said() {
        let error = |text: &str| offsets(text).expect_err("refused");
        assert_eq!(error(r#"{"partitions":[{"#), "The input string is not a valid JSON");
        assert!(error(r#"{"partitions":[{"topic":"t"}]}"#).contains("partition"));
        assert_eq!(
            error(r#"{"partitions":[],"version":2}"#),
            "Not supported version field value 2"
        );
        assert_eq!(error("{}"), "Missing partitions field");
        let entry = r#"{"topic":"t","partition":1,"offset":2}"#;
        let other = r#"{"topic":"u","partition":0,"offset":2}"#;
        let twice = format!(r#"{{"partitions":[{entry},{other},{entry},{other}]}}"#);
        assert!(error(&twice).ends_with("duplicate topic partitions: t-1,u-0"));
    }
}
