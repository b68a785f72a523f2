//! kafka-topics: creates, lists, describes, grows and deletes topics.

mod arguments;
mod describe;

use std::collections::{BTreeMap, BTreeSet};

use client::admin::{NewPartitions, NewTopic, Placement, TopicListing};
use client::{Admin, AdminError};
use futures::FutureExt;
use protocol::ErrorCode;
use regex::Regex;

use self::arguments::{Action, SPEC, check, replica_assignment};
use super::Tool;
use super::connection::{key_values, open, words};
use super::options::{Parsed, status};

pub(crate) const TOOL: Tool = Tool {
    name: "kafka-topics",
    about: "Create, list, describe, grow and delete topics",
    options: SPEC.options,
    run: |arguments| async move { run(&arguments).await }.boxed(),
};

async fn run(arguments: &[String]) -> i32 {
    let (parsed, action, admin) = match open(&SPEC, arguments, check) {
        Ok(opened) => opened,
        Err(status) => return status,
    };
    let topics = Topics { admin, parsed };
    let done = match action {
        Action::Create => topics.create().await,
        Action::List => topics.list().await,
        Action::Describe => topics.describe().await,
        Action::Alter => topics.alter().await,
        Action::Delete => topics.delete().await,
    };
    topics.admin.close().await;
    status(done, |message| println!("Error while executing topic command : {message}"))
}

/// One call of the tool: the cluster and what was asked.
struct Topics {
    admin: Admin,
    parsed: Parsed,
}

impl Topics {
    async fn create(&self) -> Result<(), String> {
        let name = self.parsed.get("topic").unwrap_or_default();
        if name.contains(['.', '_']) {
            println!(
                "WARNING: Due to limitations in metric names, topics with a period ('.') or \
                 underscore ('_') could collide. To avoid issues it is best to use either, but \
                 not both."
            );
        }
        let topic = NewTopic {
            name: name.to_owned(),
            placement: self.placement()?,
            configs: key_values(self.parsed.all("config"))?,
        };
        let created = self.admin.create_topics(std::slice::from_ref(&topic), false).await;
        let created = created.map_err(|error| words(&error, "createTopics"))?.remove(name);
        match created {
            Some(Err(error)) => {
                let exists = error.code() == Some(ErrorCode::TopicAlreadyExists);
                if exists && self.parsed.has("if-not-exists") {
                    return Ok(());
                }
                Err(words(&error, "createTopics"))
            }
            _ => {
                println!("Created topic {name}.");
                Ok(())
            }
        }
    }

    fn placement(&self) -> Result<Placement, String> {
        let number = |name: &str| self.parsed.parse::<i32>(name).map_err(|error| error.to_string());
        let (partitions, factor) = (number("partitions")?, number("replication-factor")?);
        if partitions.is_some_and(|count| count < 1) {
            return Err("The partitions must be greater than 0".to_owned());
        }
        if factor.is_some_and(|factor| !(1..=i32::from(i16::MAX)).contains(&factor)) {
            return Err("The replication factor must be between 1 and 32767 inclusive".to_owned());
        }
        if let Some(text) = self.parsed.get("replica-assignment") {
            let lists = replica_assignment(text)?;
            return Ok(Placement::Assigned((0..).zip(lists).collect()));
        }
        let replication_factor = factor.and_then(|factor| i16::try_from(factor).ok());
        Ok(Placement::Automatic { partitions, replication_factor })
    }

    async fn list(&self) -> Result<(), String> {
        let names: Vec<String> =
            self.matching("listTopics").await?.into_iter().map(|topic| topic.name).collect();
        println!("{}", names.join("\n"));
        Ok(())
    }

    async fn alter(&self) -> Result<(), String> {
        let topics = self.matching("listTopics").await?;
        self.must_exist(&topics)?;
        let total = self.parsed.parse::<i32>("partitions").map_err(|error| error.to_string())?;
        let assignments = match self.parsed.get("replica-assignment") {
            Some(text) => Some(replica_assignment(text)?),
            None => None,
        };
        let mut wanted = BTreeMap::new();
        for topic in topics {
            let mut assignments = assignments.clone();
            if let Some(lists) = &mut assignments {
                // The lists name all partitions; those that are there already stay as they are.
                let described = self.describe_named(std::slice::from_ref(&topic.name)).await?;
                let present = described.first().map_or(0, |topic| topic.partitions.len());
                lists.drain(..present.min(lists.len()));
            }
            wanted.insert(topic.name, NewPartitions { total: total.unwrap_or(0), assignments });
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let done = self.admin.create_partitions(&wanted, false).await;
        first_error(done.map_err(|error| words(&error, "createPartitions"))?, "createPartitions")
    }

    async fn delete(&self) -> Result<(), String> {
        let topics = self.matching("listTopics").await?;
        self.must_exist(&topics)?;
        let names: Vec<String> = topics.into_iter().map(|topic| topic.name).collect();
        if names.is_empty() {
            return Ok(());
        }
        let done = self.admin.delete_topics(&names).await;
        first_error(done.map_err(|error| words(&error, "deleteTopics"))?, "deleteTopics")
    }

    /// The topics that `--topic` matches, by name; all of them without it.
    async fn matching(&self, call: &str) -> Result<Vec<TopicListing>, String> {
        let all = self.admin.list_topics().await.map_err(|error| words(&error, call))?;
        let pattern = self.parsed.get("topic").map(topic_pattern).transpose()?;
        let exclude_internal = self.parsed.has("exclude-internal");
        let matches = |topic: &TopicListing| {
            let named = pattern.as_ref().is_none_or(|pattern| pattern.is_match(&topic.name));
            named && !(exclude_internal && topic.is_internal)
        };
        Ok(all.into_iter().filter(matches).collect())
    }

    fn must_exist(&self, topics: &[TopicListing]) -> Result<(), String> {
        match self.parsed.get("topic") {
            Some(name) if topics.is_empty() && !self.parsed.has("if-exists") => {
                Err(format!("Topic '{name}' does not exist as expected"))
            }
            _ => Ok(()),
        }
    }
}

/// The first error of several items, in the order of their names.
fn first_error<T>(
    results: BTreeMap<String, Result<T, AdminError>>,
    call: &str,
) -> Result<(), String> {
    match results.into_values().find_map(Result::err) {
        Some(error) => Err(words(&error, call)),
        None => Ok(()),
    }
}

/// A list of names and patterns, as `--topic` takes them: separated by commas, spaces and outer
/// quotes left out, the whole name matched.
///
/// # Errors
/// It is no pattern: one sentence.
pub(super) fn topic_pattern(text: &str) -> Result<Regex, String> {
    let text = text.trim().replace(',', "|").replace(' ', "");
    let text = text.trim_matches(['"', '\'']);
    Regex::new(&format!("^(?:{text})$")).map_err(|_| format!("{text} is an invalid regex."))
}

/// The names that stand more than once.
fn duplicates(list: &[i32]) -> BTreeSet<i32> {
    let mut seen = BTreeSet::new();
    list.iter().copied().filter(|id| !seen.insert(*id)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_argument_is_a_list_of_patterns_for_whole_names() {
        let pattern = topic_pattern("top.*, lines").expect("a pattern");
        assert!(pattern.is_match("topic1") && pattern.is_match("lines"));
        assert!(!pattern.is_match("my-lines") && !pattern.is_match("lines2"));
        assert_eq!(topic_pattern("a(").unwrap_err(), "a( is an invalid regex.");
    }
}
