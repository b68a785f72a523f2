//! Appends of several requests in one write.
//!
//! Many small writes cost the system far more than one that is as large as they are together. So
//! batches that wait for the log at the same time join a group as long as they need nothing of
//! their own: no new segment, no look at what an earlier one of the group would change, no header
//! written anew. What can't join is appended by itself, behind the group.

use std::io::IoSlice;

use bytes::Bytes;
use protocol::record::{BatchHeader, MAGIC_OFFSET, TimestampType, patch};

use super::{Appended, Extent, LeaderAppend, Placed};
use crate::batch;
use crate::error::AppendError;
use crate::log::Log;

/// Batches of one write: each has two pieces in it, and systems take 1024.
const BATCHES: usize = 256;

/// Bytes of one write.
const BYTES: usize = 4 * 1024 * 1024;

/// Batches, each with its final header, that are checked and staged but not written.
#[derive(Default)]
struct Group<'a> {
    members: Vec<(&'a Bytes, LeaderAppend, BatchHeader)>,
    extent: Option<Extent>,
    bytes: usize,
}

impl Log {
    /// As [`Log::append_as_leader`] for each of the appends in their order, with as few writes as
    /// may be. Each stands for itself: what is refused leaves the others alone.
    pub fn append_group_as_leader(
        &mut self,
        appends: &[(Bytes, LeaderAppend)],
    ) -> Vec<Result<Appended, AppendError>> {
        let mut results = Vec::with_capacity(appends.len());
        let mut group = Group::default();
        for (records, append) in appends {
            let mut joined = self.join(&mut group, records, *append);
            if !joined && !group.members.is_empty() {
                self.append_members(&mut group, &mut results);
                joined = self.join(&mut group, records, *append);
            }
            if !joined {
                results.push(self.append_as_leader(records, *append));
            }
        }
        self.append_members(&mut group, &mut results);
        results
    }

    /// Takes an append into the group, if it needs nothing of its own.
    fn join<'a>(
        &mut self,
        group: &mut Group<'a>,
        records: &'a Bytes,
        append: LeaderAppend,
    ) -> bool {
        let bytes = group.bytes + records.len();
        if group.members.len() >= BATCHES || bytes > BYTES {
            return false;
        }
        let next_offset = group.extent.map_or(self.next_offset, |extent| extent.last_offset + 1);
        let Some(header) = self.header_in_group(records, &append, next_offset) else {
            return false;
        };
        let extent = Extent::with(group.extent, &header);
        let limits = self.roll_limits(append.now_ms);
        if self.active().must_roll(bytes, &extent, &limits) {
            return false;
        }
        if group.members.is_empty() {
            self.producers.begin();
        }
        if self.producers.stage(&header, None, Some(append.origin)).is_err() {
            return false;
        }
        group.members.push((records, append, header));
        (group.extent, group.bytes) = (Some(extent), bytes);
        true
    }

    /// The final header of an append that is one batch as anybody may write it into the active
    /// segment as it is; `None` for every other one.
    fn header_in_group(
        &self,
        records: &Bytes,
        append: &LeaderAppend,
        next_offset: i64,
    ) -> Option<BatchHeader> {
        let (_, header) = batch::headers(records).next()?.ok()?;
        let is_plain = header.size() == records.len()
            && !header.is_control()
            && self.config.timestamp_type == TimestampType::CreateTime
            // The first batch of a segment decides when the next one begins.
            && self.active().size() > 0;
        if !is_plain
            || self.check_usable().is_err()
            || self.check_batch(&header, append).is_err()
            || self.producers.duplicate_of(&header).is_some()
        {
            return None;
        }
        Placed { place: (next_offset, append.leader_epoch), append_time: None }.next(header)
    }

    /// Writes the group and makes it part of the log, and leaves it empty.
    fn append_members(
        &mut self,
        group: &mut Group<'_>,
        results: &mut Vec<Result<Appended, AppendError>>,
    ) {
        let Group { members, extent, .. } = std::mem::take(group);
        let (Some(extent), Some((_, last, _))) = (extent, members.last()) else { return };
        let now_ms = last.now_ms;
        let starts: Vec<_> = members
            .iter()
            .map(|(records, append, header)| {
                patch::prefix(records, header.base_offset, append.leader_epoch)
            })
            .collect();
        let mut parts: Vec<IoSlice<'_>> = Vec::with_capacity(2 * members.len());
        for (start, (records, ..)) in starts.iter().zip(&members) {
            parts.extend([IoSlice::new(start), IoSlice::new(&records[MAGIC_OFFSET..])]);
        }
        if self.active_mut().write(&mut parts).is_err() {
            // One of them may have room where all have not, and each is owed an answer.
            for (records, append, _) in members {
                results.push(self.append_as_leader(records, append));
            }
            return;
        }
        self.commit(members.iter().map(|(.., header)| *header), &extent, now_ms);
        let sync_to = self.sync_demanded();
        results.extend(members.iter().map(|(.., header)| {
            Ok(Appended {
                base_offset: header.base_offset,
                last_offset: header.last_offset(),
                log_append_time_ms: -1,
                log_start_offset: self.log_start_offset,
                duplicate: false,
                rolled: false,
                sync_to,
            })
        }));
    }
}
