//! What must never happen.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::disk::Disk;
use crate::LogView;

/// What has happened so far, as somebody sees it who sees all nodes at once.
#[derive(Debug, Default)]
pub(super) struct Checks {
    leaders: BTreeMap<i32, (usize, u64)>,
    /// By base offset.
    committed: BTreeMap<i64, Bytes>,
    /// A digest of all that is committed below an offset.
    digests: BTreeMap<i64, u64>,
    acknowledged: Vec<(i64, Bytes)>,
    /// By node and epoch.
    votes: BTreeMap<(Replica, i32), i32>,
    /// What was seen where there was nobody to tell.
    pub(super) found: Option<String>,
}

/// A node, and which of its disks.
pub(super) type Replica = (usize, u128);

fn digest(so_far: u64, batch: &[u8]) -> u64 {
    batch.iter().fold(so_far ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

impl Checks {
    pub(super) fn committed_end(&self) -> i64 {
        self.digests.last_key_value().map_or(0, |(end, _)| *end)
    }

    /// How many epochs had a leader.
    pub(super) fn elections(&self) -> usize {
        self.leaders.len()
    }

    pub(super) fn acknowledged(&self) -> usize {
        self.acknowledged.len()
    }

    /// The digest that a snapshot up to `offset` has to hold.
    pub(super) fn digest_at(&self, offset: i64) -> Option<u64> {
        if offset == 0 { Some(0) } else { self.digests.get(&offset).copied() }
    }

    /// A node gives one vote an epoch, whatever happens to it.
    pub(super) fn votes(&mut self, node: Replica, epoch: i32, candidate: i32) {
        let other = *self.votes.entry((node, epoch)).or_insert(candidate);
        if other != candidate {
            self.found = Some(format!(
                "node {node:?} votes for {other} and for {candidate} in epoch {epoch}"
            ));
        }
    }

    /// One leader an epoch, and one that has all that is committed.
    pub(super) fn leads(
        &mut self,
        node: usize,
        incarnation: u64,
        epoch: i32,
        disk: &Disk,
    ) -> Result<(), String> {
        if let Some((other, _)) = self.leaders.insert(epoch, (node, incarnation)) {
            return Err(format!("epoch {epoch} is led by node {other} and by node {node}"));
        }
        if self.leaders.range(epoch + 1..).next().is_some() {
            // It may not know of a later one yet; it commits nothing any more.
            return Ok(());
        }
        let end = self.committed_end();
        if disk.end_offset() < end {
            let has = disk.end_offset();
            return Err(format!(
                "the leader of epoch {epoch} has records up to {has}, while {end} are committed"
            ));
        }
        self.agrees(disk, 0, end, &format!("the leader of epoch {epoch}"))
    }

    /// What a log has below `end` is what is committed.
    fn agrees(&self, disk: &Disk, from: i64, end: i64, whose: &str) -> Result<(), String> {
        let first = disk.batches.partition_point(|batch| batch.base < from);
        for batch in disk.batches[first..].iter().take_while(|batch| batch.base < end) {
            let base = batch.base;
            if self.committed.get(&base) != Some(&batch.bytes) {
                return Err(format!("{whose} has another batch at the committed offset {base}"));
            }
        }
        Ok(())
    }

    /// A node takes what is below `offset` for committed.
    pub(super) fn commits(
        &mut self,
        node: usize,
        before: i64,
        offset: i64,
        disk: &Disk,
    ) -> Result<(), String> {
        if offset > disk.end_offset() {
            return Err(format!("node {node} commits up to {offset}, which it does not have"));
        }
        if offset < before {
            return Err(format!("the high watermark of node {node} goes back to {offset}"));
        }
        let known = self.committed_end();
        self.agrees(disk, before, offset.min(known), &format!("node {node}"))?;
        let mut end = known;
        let first = disk.batches.partition_point(|batch| batch.base < known);
        for batch in disk.batches[first..].iter().take_while(|batch| batch.base < offset) {
            if batch.base != end || batch.next > offset {
                return Err(format!("node {node} commits a part of a batch at {offset}"));
            }
            let so_far = self.digest_at(end).unwrap_or_default();
            end = batch.next;
            self.digests.insert(end, digest(so_far, &batch.bytes));
            self.committed.insert(batch.base, batch.bytes.clone());
        }
        if end < offset {
            return Err(format!("node {node} commits up to {offset} with a gap at {end}"));
        }
        Ok(())
    }

    /// A client was told that its batch is committed.
    pub(super) fn acknowledges(&mut self, base: i64, batch: &Bytes) -> Result<(), String> {
        if self.committed.get(&base) != Some(batch) {
            return Err(format!("the batch at {base} is acknowledged, and another is committed"));
        }
        self.acknowledged.push((base, batch.clone()));
        Ok(())
    }

    /// In the end all is there, and everywhere.
    pub(super) fn is_whole(&self, disk: &Disk, high_watermark: i64) -> Result<(), String> {
        let end = self.committed_end();
        if high_watermark < end {
            return Err(format!("a node knows of {high_watermark} committed records of {end}"));
        }
        self.agrees(disk, 0, end, "a node in the end")?;
        for (base, batch) in &self.acknowledged {
            let at = disk.batches.partition_point(|other| other.base < *base);
            if *base >= disk.start && disk.batches.get(at).map(|b| &b.bytes) != Some(batch) {
                return Err(format!("the acknowledged batch at {base} is lost"));
            }
        }
        Ok(())
    }
}
