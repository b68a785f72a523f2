//! kafka-groups: lists the groups of every kind.

use client::Admin;
use client::admin::GroupListing;
use futures::FutureExt;

use super::Tool;
use super::connection::{open, words};
use super::options::{Parsed, Spec, UsageError, flag, status, value};

pub(crate) const TOOL: Tool = Tool {
    name: "kafka-groups",
    about: "List groups of every kind",
    options: SPEC.options,
    run: |arguments| async move { run(&arguments).await }.boxed(),
};

const SPEC: Spec = Spec {
    tool: "kafka-groups",
    about: "This tool helps to list groups of all types.",
    options: &[
        value("bootstrap-server", "REQUIRED: The brokers to ask first, host:port,host:port."),
        value("command-config", "A properties file for the administrative client."),
        flag("list", "List the groups."),
        value("group-type", "Only groups of this type: classic, consumer, share or streams."),
        value("protocol", "Only groups of this protocol."),
        flag("consumer", "Only groups of consumers, also of those that merely commit."),
        flag("share", "Only share groups."),
        flag("streams", "Only streams groups."),
        flag("help", "Print this page."),
        flag("version", "Print the version."),
    ],
};

const TYPES: [&str; 4] = ["classic", "consumer", "share", "streams"];

async fn run(arguments: &[String]) -> i32 {
    let (_, filter, admin) = match open(&SPEC, arguments, Filter::of) {
        Ok(opened) => opened,
        Err(status) => return status,
    };
    let done = list(&admin, &filter).await;
    admin.close().await;
    status(done, |message| println!("Error while executing groups command : {message}"))
}

async fn list(admin: &Admin, filter: &Filter) -> Result<(), String> {
    let groups = admin.list_groups(&[]).await.map_err(|error| words(&error, "listGroups"))?;
    let rows: Vec<[String; 3]> = groups.into_iter().filter(|g| filter.takes(g)).map(row).collect();
    let longest = rows.iter().flatten().map(|cell| cell.chars().count()).max();
    let width = longest.unwrap_or_default().max(20);
    let header = ["GROUP", "TYPE", "PROTOCOL"].map(str::to_owned);
    for [group, kind, protocol] in std::iter::once(header).chain(rows) {
        println!("{group:<width$} {kind:<width$} {protocol:<width$}");
    }
    Ok(())
}

fn row(group: GroupListing) -> [String; 3] {
    let kind = group.group_type.unwrap_or_default();
    let mut letters = kind.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    [group.group_id, first.into_iter().chain(letters).collect(), group.protocol_type]
}

/// Which groups are asked for.
#[derive(Debug, PartialEq, Eq)]
enum Filter {
    All,
    /// Of this type, and of this protocol where one is named.
    Type(String, Option<String>),
    Protocol(String),
    /// Consumers of any type.
    Consumers,
}

impl Filter {
    fn of(parsed: &Parsed) -> Result<Self, UsageError> {
        parsed.require(&["bootstrap-server"])?;
        if !parsed.has("list") {
            let text = "Command must include exactly one action: --list.";
            return Err(UsageError(text.to_owned()));
        }
        let kinds = ["consumer", "share", "streams"];
        for (at, kind) in kinds.iter().enumerate() {
            parsed.exclude(kind, &["group-type", "protocol"])?;
            parsed.exclude(kind, &kinds[at + 1..])?;
        }
        let protocol = parsed.get("protocol").map(str::to_owned);
        if let Some(kind) = parsed.get("group-type") {
            let kind = kind.to_lowercase();
            if !TYPES.contains(&kind.as_str()) {
                let text = "--group-type must be a valid group type.";
                return Err(UsageError(text.to_owned()));
            }
            return Ok(Self::Type(kind, protocol));
        }
        Ok(match protocol {
            Some(protocol) => Self::Protocol(protocol),
            None if parsed.has("consumer") => Self::Consumers,
            None if parsed.has("share") => Self::Type("share".to_owned(), None),
            None if parsed.has("streams") => Self::Type("streams".to_owned(), None),
            None => Self::All,
        })
    }

    fn takes(&self, group: &GroupListing) -> bool {
        let is_of = |kind: &str| {
            group.group_type.as_deref().is_some_and(|given| given.eq_ignore_ascii_case(kind))
        };
        match self {
            Self::All => true,
            Self::Type(kind, protocol) => {
                is_of(kind) && protocol.as_ref().is_none_or(|p| *p == group.protocol_type)
            }
            Self::Protocol(protocol) => *protocol == group.protocol_type,
            Self::Consumers => {
                ["consumer", ""].contains(&group.protocol_type.as_str()) || is_of("consumer")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(line: &str) -> Result<Filter, String> {
        let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let parsed = SPEC.parse(&arguments).map_err(|error| error.0)?;
        Filter::of(&parsed).map_err(|error| error.0)
    }

    fn taken(line: &str) -> Vec<String> {
        let filter = filter(&format!("--bootstrap-server b:1 --list {line}")).expect("a filter");
        let group = |group_id: &str, protocol: &str, kind: &str| GroupListing {
            group_id: group_id.to_owned(),
            protocol_type: protocol.to_owned(),
            state: None,
            group_type: Some(kind.to_owned()),
        };
        let groups = [
            group("old", "consumer", "classic"),
            group("commits", "", "classic"),
            group("workers", "connect", "classic"),
            group("new", "consumer", "consumer"),
            group("shared", "share", "share"),
        ];
        let taken = groups.into_iter().filter(|group| filter.takes(group));
        taken.map(|group| group.group_id).collect()
    }

    #[test]
    fn groups_are_chosen_by_type_protocol_and_kind() {
        assert_eq!(taken(""), ["old", "commits", "workers", "new", "shared"]);
        assert_eq!(taken("--consumer"), ["old", "commits", "new"]);
        assert_eq!(taken("--share"), ["shared"]);
        assert_eq!(taken("--protocol connect"), ["workers"]);
        assert_eq!(taken("--group-type Classic"), ["old", "commits", "workers"]);
        assert_eq!(taken("--group-type classic --protocol consumer"), ["old"]);
    }

    #[test]
    fn what_is_wrong_is_said_in_the_words_of_kafka() {
        let error = |line: &str| filter(line).expect_err("refused");
        assert_eq!(error("--list"), "Missing required argument \"[bootstrap-server]\"");
        assert_eq!(
            error("--bootstrap-server b:1"),
            "Command must include exactly one action: --list."
        );
        assert_eq!(
            error("--bootstrap-server b:1 --list --group-type odd"),
            "--group-type must be a valid group type."
        );
        assert_eq!(
            error("--bootstrap-server b:1 --list --share --consumer"),
            "Option \"[consumer]\" can't be used with option \"[share]\""
        );
    }
}
