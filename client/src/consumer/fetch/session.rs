//! Fetch sessions (KIP-227): a broker remembers what was asked for, so that each request names
//! only what has changed. Pure.

use std::collections::BTreeMap;

use protocol::ErrorCode;
use protocol::messages::fetch_request::{FetchPartition, FetchRequest, FetchTopic, ForgottenTopic};
use uuid::Uuid;

use crate::TopicPartition;

/// What is asked of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) offset: i64,
    pub(super) leader_epoch: i32,
    pub(super) max_bytes: i32,
    pub(super) topic_id: Option<Uuid>,
}

/// The session with one broker.
#[derive(Debug, Default)]
pub(super) struct Session {
    id: i32,
    /// 0 asks for a new session.
    epoch: i32,
    uses_ids: bool,
    partitions: BTreeMap<TopicPartition, Wanted>,
}

impl Session {
    /// Puts session, topics and forgotten topics into `request`; `by_id` names topics by id.
    pub(super) fn fill(
        &mut self,
        request: &mut FetchRequest,
        wanted: BTreeMap<TopicPartition, Wanted>,
        by_id: bool,
    ) {
        let has_other_id = |(partition, now): (&TopicPartition, &Wanted)| {
            let before = self.partitions.get(partition);
            before.is_some_and(|before| before.topic_id != now.topic_id)
        };
        if by_id != self.uses_ids || wanted.iter().any(has_other_id) {
            self.reset();
        }
        self.uses_ids = by_id;
        request.session_id = self.id;
        request.session_epoch = self.epoch;
        let is_full = self.epoch == 0;
        for (partition, now) in &wanted {
            if is_full || self.partitions.get(partition) != Some(now) {
                add(&mut request.topics, partition, now, by_id);
            }
        }
        if !is_full {
            for (partition, before) in &self.partitions {
                if !wanted.contains_key(partition) {
                    forget(&mut request.forgotten_topics_data, partition, before, by_id);
                }
            }
        }
        self.partitions = wanted;
    }

    /// Takes the answer's session. An error starts a new session with the next request.
    pub(super) fn on_response(&mut self, code: ErrorCode, session_id: i32) {
        if code != ErrorCode::None || session_id == 0 {
            return self.reset();
        }
        let is_new = self.epoch == 0;
        if !is_new && session_id != self.id {
            return self.reset();
        }
        self.id = session_id;
        self.epoch = if self.epoch == i32::MAX { 1 } else { self.epoch + 1 };
    }

    /// The next request starts a new session.
    pub(super) fn reset(&mut self) {
        *self = Self { uses_ids: self.uses_ids, ..Self::default() };
    }

    /// The partition that an answer speaks of.
    pub(super) fn partition(&self, topic: &str, id: Uuid, index: i32) -> Option<TopicPartition> {
        let mut known = self.partitions.iter();
        let found = known.find(|(partition, wanted)| {
            let same_topic = if self.uses_ids {
                wanted.topic_id == Some(id)
            } else {
                *partition.topic == *topic
            };
            partition.partition == index && same_topic
        });
        found.map(|(partition, _)| partition.clone())
    }
}

fn add(topics: &mut Vec<FetchTopic>, partition: &TopicPartition, wanted: &Wanted, by_id: bool) {
    let entry = FetchPartition {
        partition: partition.partition,
        current_leader_epoch: wanted.leader_epoch,
        fetch_offset: wanted.offset,
        partition_max_bytes: wanted.max_bytes,
        ..Default::default()
    };
    let (topic, topic_id) = name(partition, wanted, by_id);
    match topics.last_mut().filter(|last| last.topic == topic && last.topic_id == topic_id) {
        Some(last) => last.partitions.push(entry),
        None => topics.push(FetchTopic { topic, topic_id, partitions: vec![entry] }),
    }
}

fn forget(
    topics: &mut Vec<ForgottenTopic>,
    partition: &TopicPartition,
    before: &Wanted,
    by_id: bool,
) {
    let (topic, topic_id) = name(partition, before, by_id);
    match topics.last_mut().filter(|last| last.topic == topic && last.topic_id == topic_id) {
        Some(last) => last.partitions.push(partition.partition),
        None => {
            let partitions = vec![partition.partition];
            topics.push(ForgottenTopic { topic, topic_id, partitions });
        }
    }
}

fn name(partition: &TopicPartition, wanted: &Wanted, by_id: bool) -> (String, Uuid) {
    if by_id {
        (String::new(), wanted.topic_id.unwrap_or_default())
    } else {
        (partition.topic.to_string(), Uuid::nil())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(entries: &[(&str, i32, i64)]) -> BTreeMap<TopicPartition, Wanted> {
        let entry = |(topic, index, offset): &(&str, i32, i64)| {
            let wanted = Wanted { offset: *offset, leader_epoch: 0, max_bytes: 1, topic_id: None };
            (TopicPartition::new(*topic, *index), wanted)
        };
        entries.iter().map(entry).collect()
    }

    /// Session id and epoch, what is asked for and what is forgotten.
    fn ask(session: &mut Session, entries: &[(&str, i32, i64)]) -> (i32, i32, String, String) {
        let mut request = FetchRequest::default();
        session.fill(&mut request, wanted(entries), false);
        let asked = request.topics.iter().flat_map(|topic| {
            topic
                .partitions
                .iter()
                .map(|p| format!("{}-{}@{}", topic.topic, p.partition, p.fetch_offset))
        });
        let forgotten = request
            .forgotten_topics_data
            .iter()
            .flat_map(|topic| topic.partitions.iter().map(|p| format!("{}-{p}", topic.topic)));
        let asked = asked.collect::<Vec<_>>().join(" ");
        let forgotten = forgotten.collect::<Vec<_>>().join(" ");
        (request.session_id, request.session_epoch, asked, forgotten)
    }

    fn text(id: i32, epoch: i32, asked: &str, gone: &str) -> (i32, i32, String, String) {
        (id, epoch, asked.to_owned(), gone.to_owned())
    }

    #[test]
    fn only_changes_are_named_within_a_session() {
        let mut session = Session::default();
        let first = ask(&mut session, &[("a", 0, 5), ("a", 1, 6), ("b", 0, 7)]);
        assert_eq!(first, text(0, 0, "a-0@5 a-1@6 b-0@7", ""));
        session.on_response(ErrorCode::None, 42);
        let second = ask(&mut session, &[("a", 0, 5), ("a", 1, 9)]);
        assert_eq!(second, text(42, 1, "a-1@9", "b-0"));
        session.on_response(ErrorCode::None, 42);
        assert_eq!(ask(&mut session, &[("a", 0, 5), ("a", 1, 9)]), text(42, 2, "", ""));
    }

    #[test]
    fn a_lost_session_starts_again_with_everything() {
        let mut session = Session::default();
        ask(&mut session, &[("a", 0, 5)]);
        session.on_response(ErrorCode::None, 42);
        ask(&mut session, &[("a", 0, 5)]);
        session.on_response(ErrorCode::FetchSessionIdNotFound, 0);
        assert_eq!(ask(&mut session, &[("a", 0, 5)]), text(0, 0, "a-0@5", ""));
        session.on_response(ErrorCode::None, 0);
        assert_eq!(ask(&mut session, &[("a", 0, 5)]), text(0, 0, "a-0@5", ""));
    }
}
