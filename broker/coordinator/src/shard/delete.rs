//! What removes offsets and groups: OffsetDelete, DeleteGroups, the retention of offsets, and the
//! deletion of topics.

use std::collections::HashSet;
use std::sync::Arc;

use protocol::ErrorCode;

use super::Shard;
use crate::Now;
use crate::outcome::{Effects, Outcome};
use crate::record::Record;

impl Shard {
    /// One code per partition, in the order of the request; or one for the whole of it.
    pub fn delete_offsets(
        &mut self,
        group_id: &str,
        topics: &[(String, Vec<i32>)],
    ) -> Outcome<Result<Vec<Vec<ErrorCode>>, ErrorCode>> {
        let mut effects = Effects::default();
        let Some(group) = self.groups.get(group_id) else {
            return effects.outcome(Err(ErrorCode::GroupIdNotFound));
        };
        if let Err(error) = group.validate_offset_delete() {
            return effects.outcome(Err(error));
        }
        let group_id: Arc<str> = group_id.into();
        let mut named = HashSet::new();
        let mut codes = Vec::with_capacity(topics.len());
        for (topic, partitions) in topics {
            if group.reads(topic) {
                codes.push(vec![ErrorCode::GroupSubscribedToTopic; partitions.len()]);
                continue;
            }
            let name: Arc<str> = topic.as_str().into();
            for partition in partitions {
                let held = self.offsets.get(&group_id, topic, *partition).is_some();
                if held && named.insert((topic.as_str(), *partition)) {
                    effects.records.push(tombstone(&group_id, &name, *partition));
                }
            }
            codes.push(vec![ErrorCode::None; partitions.len()]);
        }
        effects.outcome(Ok(codes))
    }

    /// Removes a group without members, with all that it committed.
    pub fn delete_group(&mut self, group_id: &str) -> Outcome<ErrorCode> {
        let mut effects = Effects::default();
        let Some(group) = self.groups.get(group_id) else {
            return effects.outcome(ErrorCode::GroupIdNotFound);
        };
        if let Err(error) = group.validate_delete() {
            return effects.outcome(error);
        }
        let id: Arc<str> = group_id.into();
        for (topic, partition, _) in self.offsets.of_group(group_id) {
            effects.records.push(tombstone(&id, &topic.into(), partition));
        }
        effects.records.push(Record::Group { group: group_id.to_owned(), value: None });
        effects.outcome(ErrorCode::None)
    }

    /// Removes offsets that are older than their retention, and groups that have nothing left.
    pub fn expire(&mut self, now: Now) -> Outcome<()> {
        let now_ms = now.timestamp_ms;
        let mut effects = Effects::default();
        let mut ids: Vec<&String> = self.groups.keys().collect();
        ids.sort();
        for id in ids {
            self.expire_group(id, now_ms, &mut effects);
        }
        effects.in_pieces(())
    }

    fn expire_group(&self, id: &str, now_ms: i64, effects: &mut Effects) {
        let group = &self.groups[id];
        let shared: Arc<str> = id.into();
        let mut all_gone = true;
        let mut gone = Vec::new();
        match group.expiry_base() {
            None => all_gone = self.offsets.of_group(id).next().is_none(),
            Some(base) => {
                for (topic, partition, committed) in self.offsets.of_group(id) {
                    let expired = !group.reads(topic)
                        && committed.is_expired(base, now_ms, self.settings.offsets_retention_ms);
                    all_gone &= expired;
                    if expired {
                        gone.push(tombstone(&shared, &topic.into(), partition));
                    }
                }
            }
        }
        effects.records.append(&mut gone);
        if all_gone && group.validate_delete().is_ok() && group.pending_joins.is_empty() {
            effects.records.push(Record::Group { group: id.to_owned(), value: None });
        }
    }

    /// Removes what groups committed for topics that are gone.
    pub fn forget_topics(&mut self, topics: &[String]) -> Outcome<()> {
        let mut effects = Effects::default();
        for topic in topics {
            let name: Arc<str> = topic.as_str().into();
            for (group, partition) in self.offsets.of_topic(topic) {
                effects.records.push(tombstone(&group.into(), &name, partition));
            }
        }
        effects.in_pieces(())
    }
}

fn tombstone(group: &Arc<str>, topic: &Arc<str>, partition: i32) -> Record {
    let (group, topic) = (group.clone(), topic.clone());
    Record::Offset { group, topic, partition, value: None }
}
