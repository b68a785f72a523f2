//! kafka-consumer-groups --delete and --delete-offsets.

use protocol::ErrorCode;

use super::super::options::UsageError;
use super::{Failure, Groups, print_error, words};

impl Groups {
    pub(super) async fn delete(&self) -> Result<(), Failure> {
        let groups = self.chosen().await?;
        let results = self.admin.delete_groups(&groups).await;
        let results = results.map_err(|error| Failure::of(&error, "deleteConsumerGroups"))?;
        let quoted = |names: Vec<&String>| {
            let names: Vec<String> = names.into_iter().map(|name| format!("'{name}'")).collect();
            names.join(", ")
        };
        let deleted = results.iter().filter(|(_, result)| result.is_ok()).map(|(group, _)| group);
        let deleted = quoted(deleted.collect());
        if results.values().all(Result::is_ok) {
            println!("Deletion of requested consumer groups ({deleted}) was successful.");
            return Ok(());
        }
        print_error("Deletion of some consumer groups failed:");
        for (group, result) in &results {
            if let Err(error) = result {
                let why = words(error, "deleteConsumerGroups");
                println!("* Group '{group}' could not be deleted due to: {why}");
            }
        }
        if !deleted.is_empty() {
            println!("\nThese consumer groups were deleted successfully: {deleted}");
        }
        Ok(())
    }

    pub(super) async fn delete_offsets(&self) -> Result<(), Failure> {
        let group = self.parsed.get("group").unwrap_or_default();
        let mut rows: Vec<(String, String, String)> = Vec::new();
        let mut partitions = Vec::new();
        for text in self.parsed.all("topic") {
            if text.contains(':') {
                continue;
            }
            // A topic that is not there is a line of the table, not the end of the call.
            match self.partitions_of(text).await {
                Ok(found) => partitions.extend(found),
                Err(Failure::Failed(why) | Failure::Usage(UsageError(why))) => {
                    rows.push((text.clone(), "-".to_owned(), format!("Error: {why}")));
                }
            }
        }
        let with_numbers = self.parsed.all("topic").iter().any(|text| text.contains(':'));
        if with_numbers {
            partitions.extend(self.named_partitions().await?);
            partitions.sort();
            partitions.dedup();
        }
        let call = "deleteConsumerGroupOffsets";
        match self.admin.delete_group_offsets(group, &partitions).await {
            Err(error) => {
                let why = words(&error, call);
                match error.code() {
                    Some(_) => print_error(&why),
                    None => print_error(&format!("Encountered some unknown error: {why}")),
                }
                return Ok(());
            }
            Ok(results) => {
                let is_partial = results.values().any(|result| {
                    result
                        .as_ref()
                        .is_err_and(|e| e.code() == Some(ErrorCode::GroupSubscribedToTopic))
                });
                if is_partial {
                    print_error(
                        "Encountered some partition-level error, see the follow-up details.",
                    );
                } else {
                    println!("Request succeeded for deleting offsets from group {group}.");
                }
                rows.extend(results.into_iter().map(|(partition, result)| {
                    let status = match result {
                        Ok(()) => "Successful".to_owned(),
                        Err(error) => format!("Error: {}", words(&error, call)),
                    };
                    (partition.topic.to_string(), partition.partition.to_string(), status)
                }));
            }
        }
        println!("\n{:<30} {:<15} {:<15}", "TOPIC", "PARTITION", "STATUS");
        for (topic, partition, status) in rows {
            println!("{topic:<30} {partition:<15} {status:<15}");
        }
        Ok(())
    }
}
