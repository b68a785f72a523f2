//! What the machine sees of the metadata log.

/// A place in the log: the end of what an epoch wrote. Places compare by epoch first, which is
/// how logs compare in an election. As the id of a snapshot it says what the snapshot contains:
/// all records below the offset, the last of which has the epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OffsetAndEpoch {
    pub epoch: i32,
    pub offset: i64,
}

/// The metadata log as it is while [`Raft::handle`](crate::Raft::handle) runs: with every append
/// and truncation of earlier actions done.
pub trait LogView {
    /// The first offset that is still there.
    fn start_offset(&self) -> i64;

    /// The offset after the last record.
    fn end_offset(&self) -> i64;

    /// All below it survives a power cut. Never above [`end_offset`](Self::end_offset), not even
    /// after a truncation.
    fn synced_end(&self) -> i64;

    /// The epochs of the records from the start of the log on, ascending, each with the offset of
    /// its first record.
    fn epoch_starts(&self) -> Vec<OffsetAndEpoch>;

    /// The id of the oldest complete snapshot that is not older than the start of the log.
    fn earliest_snapshot(&self) -> Option<OffsetAndEpoch>;

    /// The id of the newest complete snapshot.
    fn latest_snapshot(&self) -> Option<OffsetAndEpoch>;

    /// The bytes of a complete snapshot; `None` if there is none of this id.
    fn snapshot_size(&self, id: OffsetAndEpoch) -> Option<u64>;
}

/// The epoch of the last record; that of the snapshot behind which the log is empty; or 0.
pub(crate) fn last_epoch(log: &dyn LogView) -> i32 {
    match log.epoch_starts().last() {
        Some(last) => last.epoch,
        None => log.latest_snapshot().map_or(0, |snapshot| snapshot.epoch),
    }
}

/// Where the largest epoch up to `epoch` ends. Ask for the last epoch, or a larger one, and it is
/// the end of the log.
pub(crate) fn end_for_epoch(log: &dyn LogView, epoch: i32) -> OffsetAndEpoch {
    let starts = log.epoch_starts();
    let end = OffsetAndEpoch { offset: log.end_offset(), epoch: last_epoch(log) };
    let Some(next) = starts.iter().position(|start| start.epoch > epoch) else {
        return end;
    };
    let offset = starts[next].offset;
    if next > 0 {
        return OffsetAndEpoch { offset, epoch: starts[next - 1].epoch };
    }
    match snapshot_at_start(log) {
        Some(snapshot) if snapshot.offset == offset => snapshot,
        _ => OffsetAndEpoch { offset, epoch },
    }
}

/// The snapshot behind which the log begins. One that is older says nothing of what comes before
/// the log.
fn snapshot_at_start(log: &dyn LogView) -> Option<OffsetAndEpoch> {
    let start = log.start_offset();
    log.earliest_snapshot()
        .filter(|snapshot| snapshot.offset >= start)
        .or_else(|| log.latest_snapshot())
}

/// How a replica's log relates to this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    /// It is a prefix of this one.
    Prefix,
    /// It has records that this one does not have: up to here they may agree.
    Diverging(OffsetAndEpoch),
    /// What it needs next is in this snapshot only.
    BehindSnapshot(OffsetAndEpoch),
}

/// How a log that ends at `offset`, with a last record of `epoch`, relates to this one.
pub(crate) fn relation(log: &dyn LogView, offset: i64, epoch: i32) -> Relation {
    let start = log.start_offset();
    if start == 0 && offset == 0 {
        return Relation::Prefix;
    }
    if let (Some(earliest), Some(latest)) = (snapshot_at_start(log), log.latest_snapshot()) {
        let at_start = offset == start && epoch != earliest.epoch;
        if offset < start || at_start || epoch < earliest.epoch {
            return Relation::BehindSnapshot(latest);
        }
    }
    let end = end_for_epoch(log, epoch);
    if end.epoch != epoch || end.offset < offset {
        return Relation::Diverging(end);
    }
    Relation::Prefix
}
