//! kafka-consumer-groups --reset-offsets: works out new offsets, shows them and sets them.

use std::collections::BTreeMap;

use chrono::Utc;
use client::{OffsetSpec, TopicPartition};
use javatext::datetime::datetime_ms;
use javatext::duration::duration_ms;

use super::super::options::UsageError;
use super::describe::is_missing;
use super::{Failure, Groups, print_error};

/// New offsets of one group.
type Plan = BTreeMap<TopicPartition, i64>;

impl Groups {
    pub(super) async fn reset(&self) -> Result<(), Failure> {
        let exports = self.parsed.has("export");
        let executes = self.parsed.has("execute");
        if !executes && !self.parsed.has("dry-run") {
            eprintln!(
                "WARN: No action will be performed as the --execute option is missing. In version \
                 5.0, this command will require either --dry-run or --execute to be specified. You \
                 should add the --dry-run option explicitly if you are scripting this command and \
                 want to keep the current default behavior without prompting."
            );
        }
        let groups = self.chosen().await?;
        let mut plans: Vec<(String, Plan)> = Vec::new();
        for group in &groups {
            let Some(plan) = self.plan(group, groups.len() > 1).await? else { continue };
            if executes {
                let offsets = plan.iter().map(|(at, offset)| (at.clone(), (*offset).into()));
                let done = self.admin.alter_group_offsets(group, &offsets.collect()).await;
                let done = done.map_err(|e| Failure::of(&e, "alterConsumerGroupOffsets"))?;
                for result in done.into_values() {
                    result.map_err(|e| Failure::of(&e, "alterConsumerGroupOffsets"))?;
                }
            }
            plans.push((group.clone(), plan));
        }
        match exports {
            true => print_csv(&plans),
            false => print_table(&plans),
        }
        Ok(())
    }

    /// The new offsets of a group, or `None` with a printed error where it has members.
    async fn plan(&self, group: &str, several: bool) -> Result<Option<Plan>, Failure> {
        let described = self.admin.describe_groups(&[group.to_owned()]).await;
        let described = described.map_err(|error| Failure::of(&error, "describeGroups"))?;
        for result in described.into_values() {
            match result {
                Ok(found) if ["Empty", "Dead"].contains(&found.state.as_str()) => {}
                Ok(found) => {
                    print_error(&format!(
                        "Assignments can only be reset if the group '{group}' is inactive, but the \
                         current state is {}.",
                        found.state
                    ));
                    return Ok(None);
                }
                Err(error) if is_missing(error.code()) => {}
                Err(error) => return Err(Failure::of(&error, "describeGroups")),
            }
        }
        if let Some(path) = self.parsed.get("from-file") {
            let text = std::fs::read_to_string(path)
                .map_err(|error| Failure::Failed(format!("{path}: {error}")))?;
            let wanted = read_csv(&text, group, several).map_err(Failure::Failed)?;
            self.check_there(&wanted.keys().cloned().collect::<Vec<_>>()).await?;
            return self.within_log(wanted).await.map(Some);
        }
        let partitions = match self.parsed.has("all-topics") {
            true => self.committed(group).await?.into_keys().collect(),
            false => self.named_partitions().await?,
        };
        self.check_there(&partitions).await?;
        self.targets(group, &partitions).await.map(Some)
    }

    async fn committed(&self, group: &str) -> Result<Plan, Failure> {
        let committed = self.admin.list_group_offsets(group, None).await;
        let committed = committed.map_err(|e| Failure::of(&e, "listConsumerGroupOffsets"))?;
        let known =
            committed.into_iter().filter_map(|(at, result)| Some((at, result.ok()?.offset)));
        Ok(known.collect())
    }

    async fn targets(&self, group: &str, partitions: &[TopicPartition]) -> Result<Plan, Failure> {
        let parsed = &self.parsed;
        if parsed.has("to-earliest") {
            return self.offsets(partitions, OffsetSpec::Earliest).await;
        }
        if parsed.has("to-latest") {
            return self.offsets(partitions, OffsetSpec::Latest).await;
        }
        if let Some(text) = parsed.get("to-datetime") {
            return self.at_time(partitions, datetime_ms(text).map_err(Failure::Failed)?).await;
        }
        if let Some(text) = parsed.get("by-duration") {
            let before = duration_ms(text).map_err(Failure::Failed)?;
            let time = Utc::now().timestamp_millis().saturating_sub(before);
            return self.at_time(partitions, time).await;
        }
        if let Some(offset) = number(parsed.parse::<i64>("to-offset"))? {
            let wanted = partitions.iter().map(|partition| (partition.clone(), offset));
            return self.within_log(wanted.collect()).await;
        }
        let current = self.committed(group).await?;
        if let Some(by) = number(parsed.parse::<i64>("shift-by"))? {
            let mut wanted = Plan::new();
            for partition in partitions {
                let Some(offset) = current.get(partition) else {
                    return Err(Failure::Usage(UsageError(format!(
                        "Cannot shift offset for partition {partition} since there is no current \
                         committed offset"
                    ))));
                };
                wanted.insert(partition.clone(), offset.saturating_add(by));
            }
            return self.within_log(wanted).await;
        }
        // To the current offset; where there is none, to the end.
        let mut plan = self.offsets(partitions, OffsetSpec::Latest).await?;
        let chosen = current.into_iter().filter(|(partition, _)| partitions.contains(partition));
        plan.extend(chosen);
        Ok(plan)
    }

    /// The first records that are not older; the end where all are older.
    async fn at_time(&self, partitions: &[TopicPartition], ms: i64) -> Result<Plan, Failure> {
        let mut plan = self.offsets(partitions, OffsetSpec::Latest).await?;
        plan.extend(self.offsets(partitions, OffsetSpec::Timestamp(ms)).await?);
        Ok(plan)
    }

    /// Offsets moved to the nearest that the log has, with a warning where one was moved.
    async fn within_log(&self, mut wanted: Plan) -> Result<Plan, Failure> {
        let partitions: Vec<TopicPartition> = wanted.keys().cloned().collect();
        let starts = self.offsets(&partitions, OffsetSpec::Earliest).await?;
        let ends = self.offsets(&partitions, OffsetSpec::Latest).await?;
        for (partition, offset) in &mut wanted {
            let (Some(start), Some(end)) = (starts.get(partition), ends.get(partition)) else {
                return Err(Failure::Failed(format!("Partition {partition} has no offsets")));
            };
            if *offset > *end {
                tracing::warn!(
                    "New offset ({offset}) is higher than latest offset for topic partition \
                     {partition}. Value will be set to {end}"
                );
            } else if *offset < *start {
                tracing::warn!(
                    "New offset ({offset}) is lower than earliest offset for topic partition \
                     {partition}. Value will be set to {start}"
                );
            }
            *offset = (*offset).clamp(*start, *end);
        }
        Ok(wanted)
    }
}

fn number<T>(parsed: Result<T, UsageError>) -> Result<T, Failure> {
    parsed.map_err(|error| Failure::Failed(error.to_string()))
}

fn print_table(plans: &[(String, Plan)]) {
    println!("\n{:<30} {:<30} {:<10} {:<15}", "GROUP", "TOPIC", "PARTITION", "NEW-OFFSET");
    for (group, plan) in plans {
        for (at, offset) in plan {
            println!("{group:<30} {:<30} {:<10} {offset:<15}", at.topic, at.partition);
        }
    }
}

fn print_csv(plans: &[(String, Plan)]) {
    for (group, plan) in plans {
        for (at, offset) in plan {
            match plans.len() {
                1 => println!("{},{},{offset}", quoted(&at.topic), at.partition),
                _ => println!("{},{},{},{offset}", quoted(group), quoted(&at.topic), at.partition),
            }
        }
    }
}

/// A field of CSV: in quotes where it has to be.
fn quoted(text: &str) -> String {
    match text.contains([',', '"', '\n']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}

/// `topic,partition,offset` lines, with a group before them where there are several.
fn read_csv(text: &str, group: &str, several: bool) -> Result<Plan, String> {
    let mut plan = Plan::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let fields: Vec<&str> = line.split(',').map(|f| f.trim().trim_matches('"')).collect();
        let wrong = || {
            let form =
                if several { "group,topic,partition,offset" } else { "topic,partition,offset" };
            format!("line {} of the file is not {form}: {line}", number + 1)
        };
        let (of, fields) = match (fields.len(), several) {
            (4, _) => (fields[0], &fields[1..]),
            (3, false) => (group, &fields[..]),
            _ => return Err(wrong()),
        };
        if of != group {
            continue;
        }
        let partition = fields[1].parse().map_err(|_| wrong())?;
        let offset = fields[2].parse().map_err(|_| wrong())?;
        plan.insert(TopicPartition::new(fields[0], partition), offset);
    }
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_read_from_lines_with_and_without_a_group() {
        let expected = Plan::from([(TopicPartition::new("lines", 0), 1)]);
        assert_eq!(read_csv("\"lines\",0,1\n", "g", false), Ok(expected.clone()));
        assert_eq!(read_csv("g,lines,0,1\nh,lines,0,2\n", "g", true), Ok(expected));
        assert!(read_csv("lines,0\n", "g", false).unwrap_err().starts_with("line 1 of the file"));
        assert!(read_csv("lines,0,1\n", "g", true).unwrap_err().contains("group,topic"));
    }

    #[test]
    fn a_field_is_quoted_where_it_has_to_be() {
        assert_eq!(quoted("lines"), "lines");
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
    }
}
