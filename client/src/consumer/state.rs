//! What a consumer has: its partitions, where it is in each, and what was fetched ahead. Pure.
//!
//! ```text
//!   position          fetch_offset
//!      |  chunks to show   |
//!      v                   v
//!  ----+-------------------+------------> offsets
//!  shown                      asked for next
//! ```

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use tokio::time::Instant;

use super::config::OffsetReset;
use super::fetch::Chunk;
use super::offsets::{Committer, OffsetToCommit};
use super::records::{PartitionRecords, Polled};
use crate::TopicPartition;
use crate::cluster::OffsetSpec;
use crate::error::ConsumeError;

/// Where a position is to come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seek {
    /// From the committed offset, else by `auto.offset.reset`.
    Committed,
    /// By `auto.offset.reset`.
    Reset,
    /// From the log.
    To(OffsetSpec),
}

/// The next record of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) offset: i64,
    pub(super) leader_epoch: Option<i32>,
}

/// A partition that the consumer has.
#[derive(Debug)]
pub(super) struct Assigned {
    /// Of the next record to show, once known.
    pub(super) position: Option<Position>,
    /// What is to be looked up before anything can be fetched.
    pub(super) seek: Option<Seek>,
    pub(super) fetch_offset: i64,
    pub(super) chunks: VecDeque<Chunk>,
    /// Changes with every seek, so that an answer to an older question is recognised.
    pub(super) turn: u64,
    pub(super) is_paused: bool,
    pub(super) high_watermark: Option<i64>,
    /// A follower to fetch from, and until when (KIP-392).
    pub(super) preferred: Option<(i32, Instant)>,
    /// Nothing is asked for before this time.
    pub(super) not_before: Option<Instant>,
    /// What the next poll has to say about it.
    pub(super) failure: Option<ConsumeError>,
}

impl Assigned {
    fn new(turn: u64, seek: Seek) -> Self {
        Self {
            position: None,
            seek: Some(seek),
            fetch_offset: -1,
            chunks: VecDeque::new(),
            turn,
            is_paused: false,
            high_watermark: None,
            preferred: None,
            not_before: None,
            failure: None,
        }
    }

    /// Forgets what belongs to the position before.
    fn turn_to(&mut self, turn: u64) {
        self.turn = turn;
        self.chunks.clear();
        self.not_before = None;
        self.failure = None;
    }
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) partitions: BTreeMap<TopicPartition, Assigned>,
    /// Where the next poll starts, so that each partition has its turn.
    after: Option<TopicPartition>,
    turns: u64,
    /// Errors for the next poll.
    pub(super) errors: VecDeque<ConsumeError>,
    /// As whom offsets are committed.
    pub(super) committer: Option<Committer>,
    pub(super) last_poll: Option<Instant>,
}

impl State {
    /// Adds partitions that it does not have yet.
    pub(super) fn add(&mut self, partitions: impl IntoIterator<Item = TopicPartition>, seek: Seek) {
        for partition in partitions {
            if !self.partitions.contains_key(&partition) {
                self.turns += 1;
                self.partitions.insert(partition, Assigned::new(self.turns, seek));
            }
        }
    }

    /// Gives partitions up.
    pub(super) fn remove(&mut self, partitions: &[TopicPartition]) {
        partitions.iter().for_each(|partition| drop(self.partitions.remove(partition)));
    }

    /// Gives up all but these, and adds the missing ones.
    pub(super) fn replace(&mut self, partitions: BTreeSet<TopicPartition>, seek: Seek) {
        self.partitions.retain(|partition, _| partitions.contains(partition));
        self.add(partitions, seek);
    }

    pub(super) fn owned(&self) -> Vec<TopicPartition> {
        self.partitions.keys().cloned().collect()
    }

    pub(super) fn get(
        &mut self,
        partition: &TopicPartition,
    ) -> Result<&mut Assigned, ConsumeError> {
        let assigned = self.partitions.get_mut(partition);
        assigned.ok_or_else(|| ConsumeError::NotAssigned(partition.clone()))
    }

    /// Moves to an offset.
    pub(super) fn seek(
        &mut self,
        partition: &TopicPartition,
        position: Position,
    ) -> Result<(), ConsumeError> {
        self.turns += 1;
        let turn = self.turns;
        let assigned = self.get(partition)?;
        assigned.turn_to(turn);
        assigned.seek = None;
        assigned.position = Some(position);
        assigned.fetch_offset = position.offset;
        Ok(())
    }

    /// Moves to where a lookup will say.
    pub(super) fn seek_to(
        &mut self,
        partition: &TopicPartition,
        seek: Seek,
    ) -> Result<(), ConsumeError> {
        self.turns += 1;
        let turn = self.turns;
        let assigned = self.get(partition)?;
        assigned.turn_to(turn);
        assigned.position = None;
        assigned.seek = Some(seek);
        Ok(())
    }

    /// The partitions whose position is to be looked up.
    pub(super) fn to_look_up(&self, now: Instant) -> Vec<(TopicPartition, u64, Seek)> {
        let mut wanted = Vec::new();
        for (partition, assigned) in &self.partitions {
            if let Some(seek) = assigned.seek
                && assigned.not_before.is_none_or(|at| at <= now)
            {
                wanted.push((partition.clone(), assigned.turn, seek));
            }
        }
        wanted
    }

    /// Takes the outcome of a lookup, unless the consumer has moved on.
    pub(super) fn found(&mut self, partition: &TopicPartition, turn: u64, position: Position) {
        if let Some(assigned) = self.partitions.get_mut(partition).filter(|a| a.turn == turn) {
            assigned.seek = None;
            assigned.position = Some(position);
            assigned.fetch_offset = position.offset;
        }
    }

    /// What happens to a partition whose position is not in the log.
    pub(super) fn out_of_range(&mut self, partition: &TopicPartition, reset: OffsetReset) {
        let Some(assigned) = self.partitions.get_mut(partition) else { return };
        let offset = assigned.fetch_offset;
        if reset == OffsetReset::None {
            let partition = partition.clone();
            assigned.failure = Some(ConsumeError::OffsetOutOfRange { partition, offset });
            return;
        }
        tracing::info!(%partition, offset, ?reset, "position is out of range and is reset");
        // What was fetched before the gap is still shown.
        if let Some(assigned) = self.partitions.get_mut(partition)
            && assigned.chunks.is_empty()
        {
            self.turns += 1;
            assigned.turn = self.turns;
            assigned.position = None;
            assigned.seek = Some(Seek::Reset);
        }
    }

    /// Takes what can be shown: whole batches, until there are `most` records.
    pub(super) fn take(&mut self, most: usize) -> Result<Polled, ConsumeError> {
        if let Some(error) = self.failure() {
            return Err(error);
        }
        let mut polled = Polled::default();
        let mut count = 0;
        for partition in self.in_turn() {
            if count >= most {
                break;
            }
            let Some(assigned) = self.partitions.get_mut(&partition) else { continue };
            if assigned.is_paused || assigned.position.is_none() {
                continue;
            }
            let (records, error) = assigned.take(&partition, most - count);
            if let Some(records) = records {
                count += records.count_at_most();
                self.after = Some(partition.clone());
                polled.partitions.push(records);
            }
            if let Some(error) = error {
                if polled.partitions.is_empty() {
                    return Err(error);
                }
                if let Some(assigned) = self.partitions.get_mut(&partition) {
                    assigned.failure = Some(error);
                }
                break;
            }
        }
        Ok(polled)
    }

    /// What has gone wrong, once.
    pub(super) fn failure(&mut self) -> Option<ConsumeError> {
        let queued = self.errors.pop_front();
        queued.or_else(|| self.partitions.values_mut().find_map(|assigned| assigned.failure.take()))
    }

    /// All partitions, the one after the last shown first.
    fn in_turn(&self) -> Vec<TopicPartition> {
        let mut order: Vec<TopicPartition> = self.partitions.keys().cloned().collect();
        if let Some(after) = &self.after {
            let start = order.partition_point(|partition| partition <= after);
            order.rotate_left(start);
        }
        order
    }

    /// The positions as offsets to commit; of these partitions, or of all.
    pub(super) fn to_commit(
        &self,
        only: Option<&[TopicPartition]>,
    ) -> BTreeMap<TopicPartition, OffsetToCommit> {
        let mut offsets = BTreeMap::new();
        for (partition, assigned) in &self.partitions {
            if only.is_none_or(|only| only.contains(partition))
                && let Some(position) = assigned.position
            {
                let commit = OffsetToCommit {
                    offset: position.offset,
                    leader_epoch: position.leader_epoch,
                    metadata: String::new(),
                };
                offsets.insert(partition.clone(), commit);
            }
        }
        offsets
    }
}

impl Assigned {
    /// Takes batches from the front until there are `most` records, and moves the position.
    fn take(
        &mut self,
        partition: &TopicPartition,
        most: usize,
    ) -> (Option<PartitionRecords>, Option<ConsumeError>) {
        let mut batches = Vec::new();
        let mut count = 0;
        let mut watermarks = (-1, -1);
        let mut failure = None;
        while count < most
            && let Some(chunk) = self.chunks.front_mut()
        {
            watermarks = (chunk.high_watermark, chunk.last_stable_offset);
            while count < most
                && let Some(entry) = chunk.entries.pop_front()
            {
                let leader_epoch = (entry.leader_epoch >= 0).then_some(entry.leader_epoch);
                self.position = Some(Position { offset: entry.next_offset, leader_epoch });
                if let Some(batch) = entry.batch {
                    count += batch.count_at_most();
                    batches.push(batch);
                }
            }
            if !chunk.entries.is_empty() {
                break;
            }
            failure = chunk.error.take();
            self.chunks.pop_front();
            if failure.is_some() {
                // The bytes behind are fetched again: the damage may be on the way only.
                self.chunks.clear();
                self.fetch_offset = self.position.map_or(self.fetch_offset, |p| p.offset);
                break;
            }
        }
        let records = (!batches.is_empty()).then(|| PartitionRecords {
            partition: partition.clone(),
            high_watermark: watermarks.0,
            last_stable_offset: watermarks.1,
            next_offset: self.position.map_or(-1, |position| position.offset),
            batches,
        });
        (records, failure)
    }
}

#[cfg(test)]
mod tests;
