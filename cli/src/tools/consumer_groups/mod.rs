//! kafka-consumer-groups: lists, describes and deletes groups, and moves their offsets.

mod arguments;
mod delete;
mod describe;
mod reset;

use std::collections::BTreeSet;

use client::consumer::IsolationLevel;
use client::{Admin, AdminError, OffsetSpec, TopicPartition};
use futures::FutureExt;

use self::arguments::{Action, SPEC, check};
use super::Tool;
use super::connection::{open, words};
use super::options::Parsed;

pub(crate) const TOOL: Tool = Tool {
    name: "kafka-consumer-groups",
    about: "List, describe and delete groups; reset their offsets",
    options: SPEC.options,
    run: |arguments| async move { run(&arguments).await }.boxed(),
};

async fn run(arguments: &[String]) -> i32 {
    let (parsed, action, admin) = match open(&SPEC, arguments, check) {
        Ok(opened) => opened,
        Err(status) => return status,
    };
    let groups = Groups { admin, parsed };
    let done = match action {
        Action::List => groups.list().await,
        Action::Describe => groups.describe().await,
        Action::Delete => groups.delete().await,
        Action::DeleteOffsets => groups.delete_offsets().await,
        Action::ResetOffsets => groups.reset().await,
    };
    groups.admin.close().await;
    // Kafka's tool prints what went wrong and ends as if nothing had.
    if let Err(Failure(message)) = done {
        print_error(&format!("Executing consumer group command failed due to {message}"));
        eprintln!("{message}");
    }
    0
}

/// What ended a call: the words that are printed.
struct Failure(String);

impl Failure {
    fn of(error: &AdminError, call: &str) -> Self {
        Self(words(error, call))
    }
}

/// One call of the tool: the cluster and what was asked.
struct Groups {
    admin: Admin,
    parsed: Parsed,
}

impl Groups {
    async fn list(&self) -> Result<(), Failure> {
        let with_state = self.parsed.has("state");
        let with_type = self.parsed.has("type");
        let chosen = |option: &str| -> BTreeSet<String> {
            let list = self.parsed.get(option).unwrap_or_default();
            let names = list.split(',').map(|name| name.trim().to_lowercase());
            names.filter(|name| !name.is_empty()).collect()
        };
        let (states, types) = (chosen("state"), chosen("type"));
        let groups = self.admin.list_groups(&[]).await;
        let groups = groups.map_err(|error| Failure::of(&error, "listGroups"))?;
        let of_consumers = groups.into_iter().filter(|group| {
            let kinds = ["consumer", ""];
            kinds.contains(&group.protocol_type.as_str())
        });
        let rows: Vec<[String; 3]> = of_consumers
            .map(|group| {
                let group_type = capitalised(group.group_type.as_deref().unwrap_or("classic"));
                [group.group_id, group_type, group.state.unwrap_or_else(|| "Unknown".to_owned())]
            })
            .filter(|[_, kind, _]| types.is_empty() || types.contains(&kind.to_lowercase()))
            .filter(|[_, _, state]| states.is_empty() || states.contains(&state.to_lowercase()))
            .collect();
        let width = rows.iter().map(|[group, ..]| group.len()).max().unwrap_or_default().max(15);
        let print = |[group, kind, state]: [&str; 3]| match (with_type, with_state) {
            (true, true) => println!("{group:<width$} {kind:<20} {state}"),
            (true, false) => println!("{group:<width$} {kind}"),
            (false, true) => println!("{group:<width$} {state}"),
            (false, false) => println!("{group}"),
        };
        if with_type || with_state {
            print(["GROUP", "TYPE", "STATE"]);
        }
        for [group, kind, state] in &rows {
            print([group, kind, state]);
        }
        Ok(())
    }

    /// The groups that the call is about.
    async fn chosen(&self) -> Result<Vec<String>, Failure> {
        if !self.parsed.has("all-groups") {
            return Ok(self.parsed.all("group").to_vec());
        }
        let groups = self.admin.list_groups(&[]).await;
        let groups = groups.map_err(|error| Failure::of(&error, "listGroups"))?;
        let of_consumers =
            groups.into_iter().filter(|g| ["consumer", ""].contains(&&*g.protocol_type));
        Ok(of_consumers.map(|group| group.group_id).collect())
    }

    /// The partitions that `--topic t` and `--topic t:0,1` name.
    async fn named_partitions(&self) -> Result<Vec<TopicPartition>, Failure> {
        let mut partitions = Vec::new();
        for text in self.parsed.all("topic") {
            let Some((topic, numbers)) = text.split_once(':') else {
                partitions.extend(self.partitions_of(text).await?);
                continue;
            };
            for number in numbers.split(',') {
                let number = number.trim().parse().map_err(|_| {
                    Failure(format!("Invalid partition {number} in --topic {text}: not a number"))
                })?;
                partitions.push(TopicPartition::new(topic, number));
            }
        }
        Ok(partitions)
    }

    async fn partitions_of(&self, topic: &str) -> Result<Vec<TopicPartition>, Failure> {
        let described = self.admin.describe_topics(&[topic.to_owned()]).await;
        let described = described.map_err(|error| Failure::of(&error, "describeTopics"))?;
        let mut partitions = Vec::new();
        for result in described.into_values() {
            let found = result.map_err(|error| Failure::of(&error, "describeTopics"))?;
            let numbers = found.partitions.iter().map(|partition| partition.partition);
            partitions.extend(numbers.map(|number| TopicPartition::new(topic, number)));
        }
        Ok(partitions)
    }

    /// One offset for each partition; partitions that have none there are absent.
    async fn offsets(
        &self,
        partitions: &[TopicPartition],
        spec: OffsetSpec,
    ) -> Result<std::collections::BTreeMap<TopicPartition, i64>, Failure> {
        let wanted = partitions.iter().map(|partition| (partition.clone(), spec)).collect();
        let found = self.admin.list_offsets(&wanted, IsolationLevel::ReadUncommitted).await;
        let found = found.map_err(|error| Failure::of(&error, "listOffsets"))?;
        let known = found.into_iter().filter_map(|(at, result)| Some((at, result.ok()?.offset?)));
        Ok(known.collect())
    }
}

/// Prints an error as Kafka's tool does: to standard output, after an empty line.
fn print_error(message: &str) {
    println!("\nError: {message}");
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}
