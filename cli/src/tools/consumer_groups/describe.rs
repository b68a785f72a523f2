//! kafka-consumer-groups --describe: offsets and lag, members, or the state of groups.

use std::collections::{BTreeMap, BTreeSet};

use client::admin::{GroupDescription, MemberDescription};
use client::{OffsetSpec, TopicPartition};
use protocol::ErrorCode;

use super::{Failure, Groups, print_error};

/// A partition of a group, as a line of the table shows it. What is not known is `None`.
struct Row {
    partition: TopicPartition,
    current: Option<i64>,
    leader_epoch: Option<i32>,
    end: Option<i64>,
    member: Option<[String; 3]>,
}

impl Groups {
    pub(super) async fn describe(&self) -> Result<(), Failure> {
        let groups = self.chosen().await?;
        let described = self.admin.describe_groups(&groups).await;
        let mut described = described.map_err(|error| Failure::of(&error, "describeGroups"))?;
        for group in groups {
            let Some(result) = described.remove(&group) else { continue };
            let group = match result {
                Ok(group) => group,
                Err(error) => return Err(Failure::of(&error, "describeGroups")),
            };
            if self.parsed.has("members") {
                print_members(&group, self.parsed.has("verbose"));
            } else if self.parsed.has("state") {
                print_state(&group);
            } else {
                self.print_offsets(&group).await?;
            }
        }
        Ok(())
    }

    async fn print_offsets(&self, group: &GroupDescription) -> Result<(), Failure> {
        if !print_if_unusual(group) {
            return Ok(());
        }
        let rows = self.rows(group).await?;
        if rows.is_empty() {
            return Ok(());
        }
        let verbose = self.parsed.has("verbose");
        let width = |text: &dyn Fn(&Row) -> usize| rows.iter().map(text).max().unwrap_or(0).max(15);
        let g = group.group_id.len().max(15);
        let t = width(&|row| row.partition.topic.len());
        let m = |at: usize| {
            width(&move |row: &Row| row.member.as_ref().map_or(1, |member| member[at].len()))
        };
        let (c, h) = (m(0), m(1));
        let line = |cells: [&str; 10]| {
            let [group, topic, partition, epoch, current, end, lag, member, host, client] = cells;
            let epoch = if verbose { format!("{epoch:<15} ") } else { String::new() };
            println!(
                "{group:<g$} {topic:<t$} {partition:<10} {epoch}{current:<15} {end:<15} {lag:<15} \
                 {member:<c$} {host:<h$} {client}"
            );
        };
        println!();
        line([
            "GROUP",
            "TOPIC",
            "PARTITION",
            "LEADER-EPOCH",
            "CURRENT-OFFSET",
            "LOG-END-OFFSET",
            "LAG",
            "CONSUMER-ID",
            "HOST",
            "CLIENT-ID",
        ]);
        let none = ["-".to_owned(), "-".to_owned(), "-".to_owned()];
        for row in &rows {
            let [member, host, client] = row.member.as_ref().unwrap_or(&none);
            let lag = row.current.zip(row.end).map(|(current, end)| end - current);
            line([
                &group.group_id,
                &row.partition.topic,
                &row.partition.partition.to_string(),
                &or_dash(row.leader_epoch),
                &or_dash(row.current),
                &or_dash(row.end),
                &or_dash(lag),
                member,
                host,
                client,
            ]);
        }
        Ok(())
    }

    /// The partitions of the members, those with most first, then the ones that nobody has.
    async fn rows(&self, group: &GroupDescription) -> Result<Vec<Row>, Failure> {
        let committed = self.admin.list_group_offsets(&group.group_id, None).await;
        let committed = committed.map_err(|e| Failure::of(&e, "listConsumerGroupOffsets"))?;
        let committed: BTreeMap<TopicPartition, _> = committed
            .into_iter()
            .filter_map(|(partition, result)| Some((partition, result.ok()?)))
            .collect();
        let mut members: Vec<&MemberDescription> = group.members.iter().collect();
        members.sort_by_key(|member| std::cmp::Reverse(member.assignment.len()));
        let mut places: Vec<(TopicPartition, Option<[String; 3]>)> = Vec::new();
        let mut assigned = BTreeSet::new();
        for member in members {
            let mut partitions = member.assignment.clone();
            partitions.sort_by_key(|partition| partition.partition);
            for partition in partitions {
                assigned.insert(partition.clone());
                let who = [
                    member.member_id.clone(),
                    member.client_host.clone(),
                    member.client_id.clone(),
                ];
                places.push((partition, Some(who)));
            }
        }
        let mut unassigned: Vec<&TopicPartition> =
            committed.keys().filter(|partition| !assigned.contains(*partition)).collect();
        unassigned.sort_by_key(|partition| (partition.topic.clone(), partition.partition));
        places.extend(unassigned.into_iter().map(|partition| (partition.clone(), None)));
        let partitions: Vec<TopicPartition> = places.iter().map(|(at, _)| at.clone()).collect();
        let ends = self.offsets(&partitions, OffsetSpec::Latest).await?;
        let rows = places.into_iter().map(|(partition, member)| Row {
            current: committed.get(&partition).map(|committed| committed.offset),
            leader_epoch: committed.get(&partition).and_then(|committed| committed.leader_epoch),
            end: ends.get(&partition).copied(),
            partition,
            member,
        });
        Ok(rows.collect())
    }
}

fn or_dash(number: Option<impl ToString>) -> String {
    number.map_or_else(|| "-".to_owned(), |number| number.to_string())
}

/// Says what is unusual about the group's state; whether there is more to print of it.
fn print_if_unusual(group: &GroupDescription) -> bool {
    let id = &group.group_id;
    match group.state.as_str() {
        "Dead" => {
            print_error(&format!("Consumer group '{id}' does not exist."));
            return false;
        }
        "Empty" => eprintln!("\nConsumer group '{id}' has no active members."),
        "PreparingRebalance" | "CompletingRebalance" | "Assigning" | "Reconciling" => {
            eprintln!("\nWarning: Consumer group '{id}' is rebalancing.");
        }
        _ => {}
    }
    true
}

fn print_members(group: &GroupDescription, verbose: bool) {
    if !print_if_unusual(group) {
        return;
    }
    let width = |text: &dyn Fn(&MemberDescription) -> usize| {
        group.members.iter().map(text).max().unwrap_or(0).max(15)
    };
    let g = group.group_id.len().max(15);
    let m = width(&|member| member.member_id.len());
    let i = width(&|member| member.group_instance_id.as_ref().map_or(0, String::len));
    let h = width(&|member| member.client_host.len());
    let c = width(&|member| member.client_id.len());
    let has_static = group.members.iter().any(|member| member.group_instance_id.is_some());
    let line = |cells: [&str; 7]| {
        let [group, member, instance, host, client, count, assignment] = cells;
        let instance = if has_static { format!("{instance:<i$} ") } else { String::new() };
        let assignment = if verbose { format!(" {assignment}") } else { String::new() };
        println!(
            "{group:<g$} {member:<m$} {instance}{host:<h$} {client:<c$} {count:<15}{assignment}"
        );
    };
    println!();
    line([
        "GROUP",
        "CONSUMER-ID",
        "GROUP-INSTANCE-ID",
        "HOST",
        "CLIENT-ID",
        "#PARTITIONS",
        "CURRENT-EPOCH   CURRENT-ASSIGNMENT   TARGET-EPOCH   TARGET-ASSIGNMENT",
    ]);
    let mut members: Vec<&MemberDescription> = group.members.iter().collect();
    members.sort_by_key(|member| std::cmp::Reverse(member.assignment.len()));
    for member in members {
        line([
            &group.group_id,
            &member.member_id,
            member.group_instance_id.as_deref().unwrap_or("-"),
            &member.client_host,
            &member.client_id,
            &member.assignment.len().to_string(),
            &format!("{:<15} {:<20} {:<14} -", "-", assignment_text(&member.assignment), "-"),
        ]);
    }
}

/// `t:0,1;u:0`, or a dash.
fn assignment_text(partitions: &[TopicPartition]) -> String {
    let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for partition in partitions {
        topics.entry(&partition.topic).or_default().push(partition.partition);
    }
    if topics.is_empty() {
        return "-".to_owned();
    }
    let texts = topics.into_iter().map(|(topic, mut numbers)| {
        numbers.sort_unstable();
        let numbers: Vec<String> = numbers.iter().map(i32::to_string).collect();
        format!("{topic}:{}", numbers.join(","))
    });
    texts.collect::<Vec<_>>().join(";")
}

fn print_state(group: &GroupDescription) {
    if !print_if_unusual(group) {
        return;
    }
    let g = group.group_id.len().max(15);
    let coordinator = group.coordinator.as_ref().map_or_else(
        || "-".to_owned(),
        |node| format!("{}:{}  ({})", node.host, node.port, node.id),
    );
    let c = coordinator.len().max(25);
    let strategy = if group.assignor.is_empty() { "-" } else { &group.assignor };
    println!();
    println!(
        "{:<g$} {:<c$} {:<20} {:<20} #MEMBERS",
        "GROUP", "COORDINATOR (ID)", "ASSIGNMENT-STRATEGY", "STATE"
    );
    println!(
        "{:<g$} {coordinator:<c$} {strategy:<20} {:<20} {}",
        group.group_id,
        group.state,
        group.members.len()
    );
}

/// Whether an error says that there is no such group.
pub(super) fn is_missing(code: Option<ErrorCode>) -> bool {
    code == Some(ErrorCode::GroupIdNotFound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assignment_is_written_by_topic() {
        let partitions =
            [TopicPartition::new("u", 0), TopicPartition::new("t", 1), TopicPartition::new("t", 0)];
        assert_eq!(assignment_text(&partitions), "t:0,1;u:0");
        assert_eq!(assignment_text(&[]), "-");
    }
}
