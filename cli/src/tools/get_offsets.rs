//! kafka-get-offsets: where partitions begin and end, and where they were at a time.

use std::collections::BTreeMap;

use client::Admin;
use client::admin::TopicListing;
use client::consumer::IsolationLevel;
use client::{OffsetSpec, TopicPartition};
use futures::FutureExt;
use regex::Regex;

use super::Tool;
use super::connection::{open, words};
use super::options::{Parsed, Spec, UsageError, flag, status, value};
use super::topics::topic_pattern;

pub(crate) const TOOL: Tool = Tool {
    name: "kafka-get-offsets",
    about: "Print where partitions begin, end, or were at a time",
    options: SPEC.options,
    run: |arguments| async move { run(&arguments).await }.boxed(),
};

const SPEC: Spec = Spec {
    tool: "kafka-get-offsets",
    about: "An interactive shell for getting topic-partition offsets.",
    options: &[
        value("bootstrap-server", "REQUIRED: The brokers to ask first, host:port,host:port."),
        value("broker-list", "The older name of --bootstrap-server."),
        value("topic", "Topics: a pattern, or several with commas."),
        value("topic-partitions", "Partitions: topic:2, topic:0-2 (without 2), topic:1-, :-3."),
        value("partitions", "Numbers of partitions, with commas."),
        value("time", "A timestamp, or latest, earliest, max-timestamp, earliest-local, ..."),
        value("command-config", "A properties file for the administrative client."),
        flag("exclude-internal-topics", "Leave internal topics out."),
        flag("help", "Print this page."),
        flag("version", "Print the version."),
    ],
};

async fn run(arguments: &[String]) -> i32 {
    let older = |argument: &String| match argument.strip_prefix("--broker-list") {
        Some(rest) => format!("--bootstrap-server{rest}"),
        None => argument.clone(),
    };
    let arguments: Vec<String> = arguments.iter().map(older).collect();
    let (parsed, (), admin) = match open(&SPEC, &arguments, check) {
        Ok(opened) => opened,
        Err(status) => return status,
    };
    let done = print(&admin, &parsed).await;
    admin.close().await;
    status(done, |message| eprintln!("Error occurred: {message}"))
}

fn check(parsed: &Parsed) -> Result<(), UsageError> {
    parsed.require(&["bootstrap-server"])?;
    if parsed.has("topic-partitions") && (parsed.has("topic") || parsed.has("partitions")) {
        let text = "--topic-partitions cannot be used with --topic or --partitions";
        return Err(UsageError(text.to_owned()));
    }
    Ok(())
}

async fn print(admin: &Admin, parsed: &Parsed) -> Result<(), String> {
    let spec = offset_spec(parsed.get("time").unwrap_or("latest"))?;
    let filters = filters(parsed)?;
    let exclude_internal = parsed.has("exclude-internal-topics");
    let topics = admin.list_topics().await.map_err(|error| words(&error, "listTopics"))?;
    let chosen = |topic: &TopicListing| {
        !(exclude_internal && topic.is_internal)
            && filters.iter().any(|f| f.takes_topic(&topic.name))
    };
    let names: Vec<String> = topics.into_iter().filter(chosen).map(|topic| topic.name).collect();
    let mut wanted = BTreeMap::new();
    for (name, topic) in
        admin.describe_topics(&names).await.map_err(|error| words(&error, "describeTopics"))?
    {
        let topic = topic.map_err(|error| words(&error, "describeTopics"))?;
        for partition in topic.partitions {
            if !filters.iter().any(|filter| filter.takes(&name, partition.partition)) {
                continue;
            }
            if partition.leader.is_none() {
                let number = partition.partition;
                eprintln!("Skip getting offsets for topic-partition {name}-{number}: no leader");
                continue;
            }
            wanted.insert(TopicPartition::new(name.as_str(), partition.partition), spec);
        }
    }
    if wanted.is_empty() {
        return Err("Could not match any topic-partitions with the specified filters".to_owned());
    }
    let found = admin.list_offsets(&wanted, IsolationLevel::ReadUncommitted).await;
    let found = found.map_err(|error| words(&error, "listOffsets"))?;
    for (partition, result) in found {
        match result {
            Ok(listed) => {
                let offset = listed.offset.map_or(String::new(), |offset| offset.to_string());
                println!("{}:{}:{offset}", partition.topic, partition.partition);
            }
            Err(error) => {
                let text = words(&error, "listOffsets");
                eprintln!(
                    "Skip getting offsets for topic-partition {partition} due to error: {text}"
                );
            }
        }
    }
    Ok(())
}

/// `--time`: a name, one of Kafka's negative numbers, or milliseconds.
fn offset_spec(text: &str) -> Result<OffsetSpec, String> {
    Ok(match text {
        "latest" | "-1" => OffsetSpec::Latest,
        "earliest" | "-2" => OffsetSpec::Earliest,
        "max-timestamp" | "-3" => OffsetSpec::MaxTimestamp,
        "earliest-local" | "-4" => OffsetSpec::EarliestLocal,
        "latest-tiered" | "-5" => OffsetSpec::LatestTiered,
        "earliest-pending-upload" | "-6" => OffsetSpec::EarliestPendingUpload,
        millis => match millis.parse() {
            Ok(millis) => OffsetSpec::Timestamp(millis),
            Err(_) => {
                return Err(format!(
                    "Malformed time argument {text}. Please use -1 or latest / -2 or earliest / -3 or \
                     max-timestamp / -4 or earliest-local / -5 or latest-tiered / -6 or \
                     earliest-pending-upload, or a specified long format timestamp"
                ));
            }
        },
    })
}

/// Partitions of topics: any of them where a part is `None`.
#[derive(Debug)]
struct Filter {
    topic: Option<Regex>,
    /// Numbers from the first, up to but without the second.
    partitions: Option<Vec<(i32, i32)>>,
}

impl Filter {
    fn takes_topic(&self, topic: &str) -> bool {
        self.topic.as_ref().is_none_or(|pattern| pattern.is_match(topic))
    }

    fn takes(&self, topic: &str, partition: i32) -> bool {
        let within = |ranges: &Vec<(i32, i32)>| {
            ranges.iter().any(|(from, to)| (*from..*to).contains(&partition))
        };
        self.takes_topic(topic) && self.partitions.as_ref().is_none_or(within)
    }
}

fn filters(parsed: &Parsed) -> Result<Vec<Filter>, String> {
    if let Some(text) = parsed.get("topic-partitions") {
        return text.split(',').map(topic_partition_filter).collect();
    }
    let partitions = match parsed.get("partitions") {
        None => None,
        Some(list) => Some(
            list.split(',')
                .map(|number| {
                    let number: i32 = number.trim().parse().map_err(|_| {
                        format!(
                            "--partitions expects a comma separated list of numeric partition ids, \
                             but received: {list}"
                        )
                    })?;
                    Ok((number, number + 1))
                })
                .collect::<Result<Vec<_>, String>>()?,
        ),
    };
    let topic = parsed.get("topic").map(topic_pattern).transpose()?;
    Ok(vec![Filter { topic, partitions }])
}

/// `topic`, `topic:2`, `topic:0-2`, `topic:1-`, `topic:-3`, and the same without a topic.
fn topic_partition_filter(text: &str) -> Result<Filter, String> {
    let invalid = || format!("Invalid topic-partition rule: {text}");
    let (topic, numbers) = text.split_once(':').unwrap_or((text, ""));
    let topic = if topic.is_empty() { None } else { Some(topic_pattern(topic)?) };
    let number = |part: &str, default: i32| match part {
        "" => Ok(default),
        digits => digits.parse().map_err(|_| invalid()),
    };
    let range = match numbers.split_once('-') {
        None if numbers.is_empty() => None,
        None => {
            let only = number(numbers, 0)?;
            Some((only, only + 1))
        }
        Some((from, to)) => Some((number(from, 0)?, number(to, i32::MAX)?)),
    };
    Ok(Filter { topic, partitions: range.map(|range| vec![range]) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_chosen_by_number_and_range() {
        let takes = |rule: &str, partition| {
            topic_partition_filter(rule).expect("a rule").takes("t", partition)
        };
        assert!(takes("t", 7) && takes("t:2", 2) && !takes("t:2", 3));
        assert!(takes("t:0-2", 1) && !takes("t:0-2", 2));
        assert!(takes("t:1-", 9) && !takes("t:1-", 0));
        assert!(takes(":-3", 2) && !takes(":-3", 3));
        assert!(!takes("other:0", 0));
        assert!(topic_partition_filter("t:x").unwrap_err().contains("t:x"));
    }

    #[test]
    fn times_have_names_and_numbers() {
        assert_eq!(offset_spec("latest"), Ok(OffsetSpec::Latest));
        assert_eq!(offset_spec("-3"), Ok(OffsetSpec::MaxTimestamp));
        assert_eq!(offset_spec("1700000000000"), Ok(OffsetSpec::Timestamp(1_700_000_000_000)));
        assert!(offset_spec("soon").unwrap_err().starts_with("Malformed time argument soon."));
    }
}
