//! Compaction, as the owner of a log sees it.

mod crashes;
mod due;
mod faults;
mod model;
mod passes;
mod producers;

use broker_log::{
    Cleanable, Compacted, CompactionError, CompactionStats, Log, OffsetMap, Pace, RemovedFiles,
    StorageError, Unhurried,
};
use bytes::Bytes;
use protocol::record::control::ControlType;
use protocol::record::{self, BatchOptions, RecordBatch};

use crate::support::*;

/// A record as a reader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) offset: i64,
    pub(crate) key: String,
    pub(crate) value: Option<String>,
}

pub(crate) fn seen(offset: i64, key: &str, value: Option<&str>) -> Seen {
    Seen { offset, key: key.to_owned(), value: value.map(str::to_owned) }
}

/// What a cleaner keeps between passes.
pub(crate) struct Cleaner {
    pub(crate) map: OffsetMap,
    pub(crate) checkpoint: Option<i64>,
}

impl Cleaner {
    pub(crate) fn new() -> Self {
        Self::with_room_for(1000)
    }

    /// A cleaner whose map has room for so many keys.
    pub(crate) fn with_room_for(keys: usize) -> Self {
        Self { map: OffsetMap::new(24 * (keys + 1), 1.0), checkpoint: None }
    }

    pub(crate) fn cleanable(&self, log: &Log, now_ms: i64) -> Cleanable {
        log.cleanable(self.checkpoint, now_ms).unwrap().unwrap()
    }

    /// The part of a pass that needs no lock.
    pub(crate) fn written(&mut self, log: &mut Log, now_ms: i64) -> Compacted {
        let cleanable = self.cleanable(log, now_ms);
        let prepared = log.prepare_compaction(&cleanable, now_ms).unwrap();
        prepared.run(&mut self.map, &mut Unhurried).unwrap()
    }

    /// A whole pass, due or not; the old files stay.
    pub(crate) fn pass_keeping(
        &mut self,
        log: &mut Log,
        now_ms: i64,
    ) -> (CompactionStats, RemovedFiles) {
        let written = self.written(log, now_ms);
        let stats = written.stats;
        let removed = log.finish_compaction(written).unwrap();
        self.checkpoint = Some(stats.end_offset);
        (stats, removed)
    }

    /// A whole pass, due or not.
    pub(crate) fn pass(&mut self, log: &mut Log, now_ms: i64) -> CompactionStats {
        let (stats, removed) = self.pass_keeping(log, now_ms);
        removed.remove().unwrap();
        stats
    }
}

pub(crate) fn compacted(rig: &mut Rig) {
    rig.config.retention.compact = true;
    rig.config.retention.delete = false;
    rig.config.segment.bytes = 400;
    rig.config.segment.index_interval_bytes = 100;
}

/// Appends records of these keys and values in one batch; all of it is replicated.
pub(crate) fn append(log: &mut Log, records: &[(&str, Option<&str>)]) -> i64 {
    append_bytes(log, &keyed(BatchOptions::default(), records))
}

pub(crate) fn append_bytes(log: &mut Log, batch: &Bytes) -> i64 {
    let appended = log.append_as_leader(batch, by_client()).unwrap();
    log.set_high_watermark(log.log_end_offset());
    appended.base_offset
}

pub(crate) fn append_marker(log: &mut Log, producer_id: i64, epoch: i16, commit: bool) {
    log.append_as_leader(&marker(producer_id, epoch, commit), by_coordinator()).unwrap();
    log.set_high_watermark(log.log_end_offset());
}

/// Begins a new segment.
pub(crate) fn roll(log: &mut Log) {
    let when = late(log);
    assert!(log.roll_if_due(when).unwrap());
}

/// A time at which the active segment is too old, whenever it was begun.
pub(crate) fn late(log: &Log) -> i64 {
    let month = 30 * 24 * 60 * 60 * 1000;
    i64::MAX / 2 + month * log.log_end_offset()
}

/// All batches from the log's start to its end, or to an offset.
pub(crate) fn batches(log: &Log, end: i64) -> Vec<RecordBatch> {
    let mut found: Vec<RecordBatch> = Vec::new();
    let mut offset = log.log_start_offset();
    let request =
        |offset| broker_log::ReadRequest { upper_bound: end, ..from_offset(log, offset, 300) };
    while offset < end
        && let Some(slice) = log.read(request(offset)).unwrap()
    {
        let bytes = Bytes::from(slice.read().unwrap());
        for batch in record::batches(&bytes).map_while(Result::ok) {
            batch.check_crc().unwrap();
            assert!(batch.base_offset >= offset || found.is_empty(), "{batch:?} at {offset}");
            offset = batch.next_offset();
            found.push(batch);
        }
    }
    assert!(offset >= end, "a reader does not come from {offset} to {end}");
    found
}

pub(crate) fn records_of(batch: &RecordBatch) -> Vec<Seen> {
    let payload = batch.payload(1 << 20).unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let records = payload.records().map(Result::unwrap);
    records
        .map(|record| Seen {
            offset: record.offset,
            key: record.key.map(text).unwrap_or_default(),
            value: record.value.map(text),
        })
        .collect()
}

/// What a reader of committed records sees, up to the last stable offset.
pub(crate) fn committed(log: &Log) -> Vec<Seen> {
    let (start, end) = (log.log_start_offset(), log.last_stable_offset());
    let mut aborted = log.aborted_transactions(start, end).unwrap();
    aborted.sort_by_key(|transaction| transaction.first_offset);
    let mut ahead = aborted.into_iter().peekable();
    let mut skipped = Vec::new();
    let mut found = Vec::new();
    for batch in batches(log, end) {
        while let Some(begun) = ahead.next_if(|next| next.first_offset <= batch.last_offset()) {
            skipped.push(begun.producer_id);
        }
        if batch.is_control() {
            if is_abort(&batch) {
                skipped.retain(|id| *id != batch.producer_id);
            }
        } else if !(batch.is_transactional() && skipped.contains(&batch.producer_id)) {
            found.extend(records_of(&batch));
        }
    }
    found.retain(|record| record.offset >= start);
    found
}

fn is_abort(batch: &RecordBatch) -> bool {
    let payload = batch.payload(1 << 20).unwrap();
    let first = payload.records().next().map(Result::unwrap);
    first.is_some_and(|record| ControlType::parse(record.key.unwrap()) == Ok(ControlType::Abort))
}

/// Names of a log's files that are of no finished segment.
pub(crate) fn remainders(rig: &Rig) -> Vec<String> {
    let mut files = rig.files();
    files.retain(|name| [".cleaned", ".swap", ".deleted"].iter().any(|end| name.ends_with(end)));
    files
}

/// Ends a pass after so many bytes.
pub(crate) struct Limited(pub(crate) usize);

impl Pace for Limited {
    fn did(&mut self, bytes: usize) {
        self.0 = self.0.saturating_sub(bytes);
    }

    fn cancelled(&self) -> bool {
        self.0 == 0
    }
}

pub(crate) fn finish(log: &mut Log, written: Compacted) -> Result<(), CompactionError> {
    let removed = log.finish_compaction(written)?;
    removed.remove().map_err(|error: StorageError| error.into())
}
