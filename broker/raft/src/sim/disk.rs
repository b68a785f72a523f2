//! What a node has on its disk, and what of it survives a power cut.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use protocol::record::{RecordBatch, batches};

use crate::random::Random;
use crate::{LogView, OffsetAndEpoch};

/// A log of batches, snapshots, and the `quorum-state` file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    pub(crate) start: i64,
    pub(crate) batches: Vec<Batch>,
    synced: i64,
    /// What is on the disk for good, whatever was cut or appended since.
    durable: Vec<Batch>,
    /// Goes up with each cut: a sync that began before it says nothing of what came after.
    pub(crate) generation: u64,
    pub(crate) quorum_state: Option<String>,
    /// Complete ones.
    pub(crate) snapshots: BTreeMap<OffsetAndEpoch, Bytes>,
    /// One on its way.
    pub(crate) partial: Option<(OffsetAndEpoch, BytesMut)>,
    /// A disk that says that all is synced always.
    pub(crate) lies: bool,
}

/// A batch in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) base: i64,
    pub(crate) next: i64,
    pub(crate) epoch: i32,
    pub(crate) bytes: Bytes,
}

impl Disk {
    /// A disk that was formatted with a snapshot.
    pub(crate) fn formatted(bootstrap: Option<Bytes>) -> Self {
        let snapshots = bootstrap.map(|bytes| (OffsetAndEpoch::default(), bytes));
        Self { snapshots: snapshots.into_iter().collect(), ..Self::default() }
    }

    pub(crate) fn append(&mut self, bytes: &Bytes) {
        for batch in batches(bytes) {
            let batch = batch.expect("whole batches are appended");
            assert_eq!(batch.base_offset, self.end_offset(), "a batch continues the log");
            self.batches.push(Batch {
                base: batch.base_offset,
                next: batch.next_offset(),
                epoch: batch.leader_epoch,
                bytes: batch.bytes().clone(),
            });
        }
    }

    pub(crate) fn truncate(&mut self, offset: i64) {
        self.batches.retain(|batch| batch.base < offset);
        assert_eq!(self.end_offset(), offset, "logs are cut between batches");
        self.synced = self.synced.min(offset);
        self.generation += 1;
    }

    /// All below `offset` is on the disk for good.
    pub(crate) fn sync(&mut self, offset: i64) {
        self.synced = self.synced.max(offset.min(self.end_offset()));
        let synced = self.synced;
        let below = self.batches.iter().filter(|batch| batch.next <= synced);
        self.durable = below.cloned().collect();
    }

    /// The power fails: some of what was not synced may be there all the same.
    pub(crate) fn crash(&mut self, random: &mut Random) {
        let lost = self.batches.iter().filter(|batch| batch.base >= self.synced);
        let lost = lost.count() as u64;
        let kept = self.batches.len() as u64 - random.below(lost + 1);
        self.batches.truncate(kept as usize);
        // A cut that was not synced may not have happened.
        let reaches = |batches: &[Batch]| batches.last().map_or(0, |b| b.next);
        if random.below(3) == 0 && reaches(&self.durable) > self.synced {
            self.batches = self.durable.clone();
        }
        self.generation += 1;
        self.partial = None;
        self.durable = self.batches.clone();
        self.synced = self.end_offset();
    }

    /// Whole batches from `offset` on.
    pub(crate) fn read(&self, offset: i64, max_bytes: i32) -> Bytes {
        let mut bytes = BytesMut::new();
        let first = self.batches.partition_point(|batch| batch.next <= offset);
        for Batch { bytes: batch, .. } in &self.batches[first..] {
            if !bytes.is_empty() && bytes.len() + batch.len() > max_bytes as usize {
                break;
            }
            bytes.extend_from_slice(batch);
        }
        bytes.freeze()
    }

    /// Puts a snapshot in place of the whole log.
    pub(crate) fn install(&mut self, id: OffsetAndEpoch) {
        if let Some((partial, bytes)) = self.partial.take() {
            assert_eq!(partial, id, "the snapshot that was begun is installed");
            self.snapshots.insert(id, bytes.freeze());
        }
        assert!(self.snapshots.contains_key(&id), "a snapshot is complete when it is installed");
        self.snapshots.retain(|other, _| *other >= id);
        self.batches.clear();
        self.durable.clear();
        self.generation += 1;
        self.start = id.offset;
        self.synced = id.offset;
    }

    /// Shortens the log behind a snapshot, and forgets older ones.
    pub(crate) fn shorten(&mut self, id: OffsetAndEpoch) {
        self.batches.retain(|batch| batch.base >= id.offset);
        self.durable.retain(|batch| batch.base >= id.offset);
        self.start = self.start.max(id.offset);
        self.snapshots.retain(|other, _| *other >= id);
    }

    pub(crate) fn control_of(&self, id: OffsetAndEpoch) -> Vec<RecordBatch> {
        let all = batches(&self.snapshots[&id]).map(|batch| batch.expect("it was written whole"));
        all.filter(|batch| batch.is_control()).collect()
    }
}

impl LogView for Disk {
    fn start_offset(&self) -> i64 {
        self.start
    }

    fn end_offset(&self) -> i64 {
        self.batches.last().map_or(self.start, |batch| batch.next)
    }

    fn synced_end(&self) -> i64 {
        if self.lies { self.end_offset() } else { self.synced }
    }

    fn epoch_starts(&self) -> Vec<OffsetAndEpoch> {
        let mut starts: Vec<OffsetAndEpoch> = Vec::new();
        for batch in &self.batches {
            if starts.last().is_none_or(|last| last.epoch < batch.epoch) {
                starts.push(OffsetAndEpoch { epoch: batch.epoch, offset: batch.base });
            }
        }
        starts
    }

    fn earliest_snapshot(&self) -> Option<OffsetAndEpoch> {
        self.snapshots.keys().next().copied()
    }

    fn latest_snapshot(&self) -> Option<OffsetAndEpoch> {
        self.snapshots.keys().next_back().copied()
    }

    fn snapshot_size(&self, id: OffsetAndEpoch) -> Option<u64> {
        self.snapshots.get(&id).map(|bytes| bytes.len() as u64)
    }
}
