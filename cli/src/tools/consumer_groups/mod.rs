//! kafka-consumer-groups: lists, describes and deletes groups, and moves their offsets.

mod arguments;
mod delete;
mod describe;
mod reset;

use std::collections::BTreeSet;

use client::consumer::IsolationLevel;
use client::{Admin, AdminError, OffsetSpec, TopicPartition};
use futures::FutureExt;
use protocol::ErrorCode;

use self::arguments::{Action, SPEC, check, timeout};
use super::Tool;
use super::connection::{client_config, words};
use super::options::{Parsed, UsageError, begin, refuse};

pub(crate) const TOOL: Tool = Tool {
    name: "kafka-consumer-groups",
    about: "List, describe and delete groups; reset their offsets",
    options: SPEC.options,
    run: |arguments| async move { run(&arguments).await }.boxed(),
};

async fn run(arguments: &[String]) -> i32 {
    let parsed = match begin(&SPEC, arguments) {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    let action = match check(&parsed) {
        Ok(action) => action,
        Err(error) => return refuse(&SPEC, &error),
    };
    match act(parsed, action).await {
        Ok(()) => 0,
        Err(Failure::Usage(error)) => refuse(&SPEC, &error),
        // Kafka's tool prints what went wrong and ends as if nothing had.
        Err(Failure::Failed(message)) => {
            print_error(&format!("Executing consumer group command failed due to {message}"));
            if !errors_go_where_output_goes() {
                eprintln!("{message}");
            }
            0
        }
    }
}

async fn act(parsed: Parsed, action: Action) -> Result<(), Failure> {
    let timeout = timeout(&parsed).map_err(|error| Failure::Failed(error.0))?;
    let servers = parsed.get("bootstrap-server").unwrap_or_default();
    let config = client_config(servers, parsed.get("command-config"), SPEC.tool);
    let mut config = config.map_err(Failure::Failed)?;
    config.default_api_timeout = timeout;
    let admin = Admin::new(config).map_err(|error| Failure::Failed(error.to_string()))?;
    let groups = Groups { admin, parsed };
    let done = match action {
        Action::List => groups.list().await,
        Action::Describe => groups.describe().await,
        Action::Delete => groups.delete().await,
        Action::DeleteOffsets => groups.delete_offsets().await,
        Action::ResetOffsets => groups.reset().await,
    };
    groups.admin.close().await;
    done
}

/// Whether both are one terminal, pipe or file: who reads it has read there what went wrong.
/// Kafka's tool prints it to both.
fn errors_go_where_output_goes() -> bool {
    let place = |found: rustix::io::Result<rustix::fs::Stat>| {
        found.map(|found| (found.st_dev, found.st_ino)).ok()
    };
    let output = place(rustix::fs::fstat(std::io::stdout()));
    output.is_some() && output == place(rustix::fs::fstat(std::io::stderr()))
}

/// What ended a call: the words that are printed.
enum Failure {
    Failed(String),
    /// What was asked cannot be: the usage page follows.
    Usage(UsageError),
}

impl Failure {
    fn of(error: &AdminError, call: &str) -> Self {
        Self::Failed(words(error, call))
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
            let numbers = arguments::partition_numbers(text, numbers);
            let numbers = numbers.map_err(Failure::Usage)?;
            partitions.extend(numbers.into_iter().map(|number| TopicPartition::new(topic, number)));
        }
        Ok(partitions)
    }

    /// Finds that all of these are there.
    async fn check_there(&self, partitions: &[TopicPartition]) -> Result<(), Failure> {
        let topics: BTreeSet<String> = partitions.iter().map(|at| at.topic.to_string()).collect();
        let topics: Vec<String> = topics.into_iter().collect();
        let described = self.admin.describe_topics(&topics).await;
        let described = described.map_err(|error| Failure::of(&error, "describeTopics"))?;
        let is_there = |at: &TopicPartition| match described.get(&*at.topic) {
            Some(Ok(found)) => found.partitions.iter().any(|p| p.partition == at.partition),
            Some(Err(error)) => error.code() != Some(ErrorCode::UnknownTopicOrPartition),
            None => false,
        };
        let missing = partitions.iter().filter(|at| !is_there(at)).map(TopicPartition::to_string);
        match missing.collect::<Vec<_>>() {
            missing if missing.is_empty() => Ok(()),
            missing => {
                let missing = missing.join(",");
                Err(Failure::Failed(format!("The partitions \"{missing}\" do not exist")))
            }
        }
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
