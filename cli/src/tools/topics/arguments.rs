//! The options of kafka-topics, and which of them go together.

use super::duplicates;
use crate::tools::options::{Parsed, Spec, UsageError, flag, value};

pub(super) const SPEC: Spec = Spec {
    tool: "kafka-topics",
    about: "This tool helps to create, delete, describe, or change a topic.",
    options: &[
        value("bootstrap-server", "REQUIRED: The brokers to ask first, host:port,host:port."),
        value("command-config", "A properties file for the administrative client."),
        flag("create", "Create a new topic."),
        flag("list", "List all available topics."),
        flag("describe", "List details for the given topics."),
        flag("alter", "Alter the number of partitions and replica assignment."),
        flag("delete", "Delete a topic."),
        value("topic", "The topic; except for --create a pattern, or several with commas."),
        value("topic-id", "The topic by its id, for --describe."),
        value("config", "A configuration of the topic to create, name=value; may be repeated."),
        value("partitions", "The number of partitions; the broker's default if not given."),
        value("replication-factor", "The replicas of each partition."),
        value("replica-assignment", "Brokers by partition: 1:2,2:3 puts replicas of 0 on 1 and 2."),
        flag("under-replicated-partitions", "Describe only partitions that lack a replica."),
        flag("unavailable-partitions", "Describe only partitions without a leader."),
        flag("under-min-isr-partitions", "Describe only partitions below min.insync.replicas."),
        flag("at-min-isr-partitions", "Describe only partitions just at min.insync.replicas."),
        flag("topics-with-overrides", "Describe only topics with configurations of their own."),
        flag("if-exists", "Do nothing when the topic does not exist."),
        flag("if-not-exists", "Do nothing when the topic exists already."),
        flag("exclude-internal", "Leave internal topics out."),
        flag("help", "Print this page."),
        flag("version", "Print the version."),
    ],
};

/// What the tool is to do.
pub(super) enum Action {
    Create,
    List,
    Describe,
    Alter,
    Delete,
}

/// The action, once the options go together.
pub(super) fn check(parsed: &Parsed) -> Result<Action, UsageError> {
    let actions = ["create", "list", "alter", "describe", "delete"];
    let given: Vec<&str> = actions.into_iter().filter(|name| parsed.has(name)).collect();
    let [action] = given[..] else {
        return Err(UsageError(
            "Command must include exactly one action: --list, --describe, --create, --alter or \
             --delete"
                .to_owned(),
        ));
    };
    if !parsed.has("bootstrap-server") {
        return Err(UsageError("--bootstrap-server must be specified".to_owned()));
    }
    let by_id = action == "describe" && parsed.has("topic-id");
    let names_topic = !["list", "describe"].contains(&action);
    if (names_topic || (action == "describe" && parsed.has("if-exists"))) && !by_id {
        parsed.require(&["topic"])?;
    }
    if action == "alter" {
        parsed.exclude("alter", &["config"])?;
        parsed.require(&["partitions"])?;
    }
    if action == "create" {
        parsed.exclude("replica-assignment", &["partitions", "replication-factor"])?;
    }
    check_reach(parsed, action)?;
    Ok(match action {
        "create" => Action::Create,
        "list" => Action::List,
        "describe" => Action::Describe,
        "alter" => Action::Alter,
        _ => Action::Delete,
    })
}

/// Each option belongs to some actions only.
fn check_reach(parsed: &Parsed, action: &'static str) -> Result<(), UsageError> {
    let reach: [(&str, &[&str]); 13] = [
        ("config", &["create"]),
        ("partitions", &["create", "alter"]),
        ("replication-factor", &["create"]),
        ("replica-assignment", &["create", "alter"]),
        ("topic-id", &["describe"]),
        ("under-replicated-partitions", &["describe"]),
        ("unavailable-partitions", &["describe"]),
        ("under-min-isr-partitions", &["describe"]),
        ("at-min-isr-partitions", &["describe"]),
        ("topics-with-overrides", &["describe"]),
        ("if-exists", &["alter", "delete", "describe"]),
        ("if-not-exists", &["create"]),
        ("exclude-internal", &["list", "describe"]),
    ];
    for (option, actions) in reach {
        if !actions.contains(&action) {
            parsed.exclude(option, &[action])?;
        }
    }
    let reports: Vec<&str> = reach[5..=9].iter().map(|(name, _)| *name).collect();
    for (at, report) in reports.iter().enumerate() {
        parsed.exclude(report, &reports[at + 1..])?;
    }
    Ok(())
}

/// Replicas by partition from `1:2,2:3`.
pub(super) fn replica_assignment(text: &str) -> Result<Vec<Vec<i32>>, String> {
    let mut lists: Vec<Vec<i32>> = Vec::new();
    for part in text.split(',') {
        let ids: Result<Vec<i32>, _> = part.split(':').map(|id| id.trim().parse()).collect();
        let ids =
            ids.map_err(|_| format!("Invalid replica assignment: {part} is no list of ids"))?;
        let twice = duplicates(&ids);
        if !twice.is_empty() {
            let twice: Vec<String> = twice.iter().map(i32::to_string).collect();
            let twice = twice.join(",");
            return Err(format!(
                "Partition replica lists may not contain duplicate entries: {twice}"
            ));
        }
        if lists.first().is_some_and(|first| first.len() != ids.len()) {
            return Err(format!(
                "Partition {} has different replication factor: {part}",
                lists.len()
            ));
        }
        lists.push(ids);
    }
    Ok(lists)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_are_read_by_partition() {
        assert_eq!(replica_assignment("1:2,2:3"), Ok(vec![vec![1, 2], vec![2, 3]]));
        assert_eq!(
            replica_assignment("1:1"),
            Err("Partition replica lists may not contain duplicate entries: 1".to_owned())
        );
        assert!(replica_assignment("1:2,1").unwrap_err().contains("different replication factor"));
        assert!(replica_assignment("one").unwrap_err().contains("no list of ids"));
    }
}
