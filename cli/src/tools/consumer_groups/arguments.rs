//! The options of kafka-consumer-groups, and which of them go together.

use std::time::Duration;

use crate::tools::options::{Parsed, Spec, UsageError, flag, maybe_value, value};

pub(super) const SPEC: Spec = Spec {
    tool: "kafka-consumer-groups",
    about: "This tool helps to list all consumer groups, describe a consumer group, delete consumer \
            group info, or reset consumer group offsets.",
    options: &[
        value("bootstrap-server", "REQUIRED: The brokers to ask first, host:port,host:port."),
        value("command-config", "A properties file for the administrative client."),
        flag("list", "List all consumer groups."),
        flag("describe", "Describe groups: offsets, or with --members or --state those."),
        flag("delete", "Delete groups."),
        flag("delete-offsets", "Delete offsets of topics of a group."),
        flag("reset-offsets", "Move the offsets of groups that have no members."),
        value("group", "A group; may be repeated."),
        flag("all-groups", "All groups."),
        value("topic", "A topic, or topic:0,1,2 with partitions; may be repeated."),
        flag("all-topics", "All topics that the group has offsets of."),
        flag("offsets", "With --describe, offsets and lag; the default."),
        flag("members", "With --describe, the members."),
        maybe_value("state", "With --describe, the state; with --list, states to list."),
        maybe_value("type", "With --list, types of groups to list."),
        flag("verbose", "With --describe, more columns."),
        flag("dry-run", "Only show the new offsets."),
        flag("execute", "Set the new offsets."),
        flag("export", "Print the new offsets as CSV."),
        value("to-offset", "Reset to this offset."),
        value("from-file", "Reset to the offsets of a CSV file."),
        value("to-datetime", "Reset to a time, YYYY-MM-DDTHH:mm:SS.sss."),
        value("by-duration", "Reset to a time before now, PnDTnHnMnS."),
        flag("to-earliest", "Reset to the first offset."),
        flag("to-latest", "Reset to the end."),
        value("shift-by", "Move by a number of records, which may be negative."),
        flag("to-current", "Reset to where the group is."),
        value("timeout", "How long a call may take, in ms (30000)."),
        flag("help", "Print this page."),
        flag("version", "Print the version."),
    ],
};

/// Ways to say where to reset to.
pub(super) const TARGETS: [&str; 8] = [
    "to-offset",
    "to-datetime",
    "by-duration",
    "to-earliest",
    "to-latest",
    "shift-by",
    "from-file",
    "to-current",
];

/// What the tool is to do.
pub(super) enum Action {
    List,
    Describe,
    Delete,
    DeleteOffsets,
    ResetOffsets,
}

/// The action, once the options go together.
pub(super) fn check(parsed: &Parsed) -> Result<Action, UsageError> {
    parsed.require(&["bootstrap-server"])?;
    let actions = ["list", "describe", "delete", "reset-offsets", "delete-offsets"];
    let given: Vec<&str> = actions.into_iter().filter(|name| parsed.has(name)).collect();
    let [action] = given[..] else {
        return Err(UsageError(
            "Command must include exactly one action: --list, --describe, --delete, \
             --reset-offsets, --delete-offsets, --validate-regex"
                .to_owned(),
        ));
    };
    if parsed.has("group") && parsed.has("all-groups") {
        return Err(UsageError("--group and --all-groups go against each other".to_owned()));
    }
    let scoped = ["describe", "delete", "reset-offsets"].contains(&action);
    if scoped && !parsed.has("group") && !parsed.has("all-groups") {
        let text = format!("Option [{action}] takes one of these options: [group], [all-groups]");
        return Err(UsageError(text));
    }
    for text in parsed.all("topic") {
        if let Some((_, numbers)) = text.split_once(':') {
            partition_numbers(text, numbers)?;
        }
    }
    match action {
        "list" => {
            check_words(parsed, "state", "state list", "states", &STATES)?;
            check_words(parsed, "type", "types list", "types", &TYPES)?;
            Ok(Action::List)
        }
        "describe" => {
            let views = ["members", "offsets", "state"];
            if views.iter().filter(|view| parsed.has(view)).count() > 1 {
                return Err(UsageError(
                    "Option [describe] takes at most one of these options: [members], [offsets], \
                     [state]"
                        .to_owned(),
                ));
            }
            Ok(Action::Describe)
        }
        "delete" => {
            parsed.exclude("delete", &["topic"])?;
            Ok(Action::Delete)
        }
        "delete-offsets" => {
            if !parsed.has("group") || !parsed.has("topic") {
                return Err(UsageError(
                    "Option [delete-offsets] takes the following options: [group], [topic]"
                        .to_owned(),
                ));
            }
            Ok(Action::DeleteOffsets)
        }
        _ => check_reset(parsed),
    }
}

/// States and types of groups of consumers.
const STATES: [&str; 7] = [
    "Dead",
    "CompletingRebalance",
    "Empty",
    "PreparingRebalance",
    "Assigning",
    "Stable",
    "Reconciling",
];
const TYPES: [&str; 2] = ["Consumer", "Classic"];

/// Refuses a list between commas that has a word which can be nothing's.
fn check_words(
    parsed: &Parsed,
    option: &str,
    list: &str,
    several: &str,
    words: &[&str],
) -> Result<(), UsageError> {
    let Some(text) = parsed.get(option) else { return Ok(()) };
    let known = |word: &str| words.iter().any(|known| known.eq_ignore_ascii_case(word.trim()));
    if text.split(',').all(known) {
        return Ok(());
    }
    let words = words.join(", ");
    Err(UsageError(format!("Invalid {list} '{text}'. Valid {several} are: {words}")))
}

/// The numbers of `topic:0,1,2`, which is `text`.
pub(super) fn partition_numbers(text: &str, numbers: &str) -> Result<Vec<i32>, UsageError> {
    if numbers.is_empty() {
        let words = format!("Invalid topic arg '{text}', expected topic name and partitions");
        return Err(UsageError(words));
    }
    let number = |number: &str| {
        number.trim().parse::<i32>().map_err(|_| {
            UsageError(format!("Invalid partition '{number}' specified in topic arg '{text}'"))
        })
    };
    numbers.split(',').map(number).collect()
}

/// How long each call may take; numbers of other options are looked at as well.
///
/// # Errors
/// One of them is no number. Kafka's tool does not count that as a wrong use.
pub(super) fn timeout(parsed: &Parsed) -> Result<Duration, UsageError> {
    for option in ["to-offset", "shift-by"] {
        parsed.parse::<i64>(option)?;
    }
    let ms: u64 = parsed.parse("timeout")?.unwrap_or(30_000);
    Ok(Duration::from_millis(ms))
}

fn check_reset(parsed: &Parsed) -> Result<Action, UsageError> {
    if parsed.has("dry-run") && parsed.has("execute") {
        let text = "Option [reset-offsets] only accepts one of [dry-run], [execute]";
        return Err(UsageError(text.to_owned()));
    }
    let targets: Vec<&&str> = TARGETS.iter().filter(|target| parsed.has(target)).collect();
    if targets.len() != 1 {
        let all: Vec<String> = TARGETS.iter().map(|target| format!("[{target}]")).collect();
        let text = format!("Option [reset-offsets] takes exactly one of: {}", all.join(", "));
        return Err(UsageError(text));
    }
    if !parsed.has("from-file") && !parsed.has("topic") && !parsed.has("all-topics") {
        let text = "One of the reset scopes should be defined: --all-topics, --topic.";
        return Err(UsageError(text.to_owned()));
    }
    parsed.exclude("all-topics", &["topic"])?;
    Ok(Action::ResetOffsets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(line: &str) -> String {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let parsed = SPEC.parse(&words).expect("the options exist");
        check(&parsed).map(|_| ()).expect_err("refused").0
    }

    #[test]
    fn words_and_numbers_are_looked_at_before_a_broker_is_asked() {
        assert_eq!(
            refused("--bootstrap-server b:1 --list --type nonsense"),
            "Invalid types list 'nonsense'. Valid types are: Consumer, Classic"
        );
        let told = refused("--bootstrap-server b:1 --list --state stable,x");
        assert!(told.starts_with("Invalid state list 'stable,x'. Valid states are: "), "{told}");
        assert_eq!(
            refused("--bootstrap-server b:1 --reset-offsets --group g --topic t:0,x --to-latest"),
            "Invalid partition 'x' specified in topic arg 't:0,x'"
        );
        let timeout = |line: &str| {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            timeout(&SPEC.parse(&words).expect("the options exist")).map_err(|error| error.0)
        };
        assert_eq!(timeout("--timeout 700"), Ok(Duration::from_millis(700)));
        assert_eq!(timeout("--list"), Ok(Duration::from_secs(30)));
        assert!(timeout("--shift-by x").is_err() && timeout("--timeout -1").is_err());
    }

    #[test]
    fn what_does_not_go_together_is_said() {
        assert!(refused("--bootstrap-server b:1").starts_with("Command must include exactly one"));
        assert_eq!(
            refused("--bootstrap-server b:1 --describe"),
            "Option [describe] takes one of these options: [group], [all-groups]"
        );
        assert_eq!(
            refused("--bootstrap-server b:1 --reset-offsets --group g --to-latest"),
            "One of the reset scopes should be defined: --all-topics, --topic."
        );
        assert!(
            refused("--bootstrap-server b:1 --reset-offsets --group g --topic t")
                .starts_with("Option [reset-offsets] takes exactly one of")
        );
    }
}
