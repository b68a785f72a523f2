//! Writes a log with a bit of everything into a folder, for other tools to read:
//! `cargo run -p broker-log --example sample_log -- DIR [compacted]`.

use std::path::PathBuf;
use std::sync::Arc;

use broker_log::{FsStore, LeaderAppend, Location, Log, LogConfig, OpenOptions, Origin};
use broker_log::{OffsetMap, StorageError, TopicPartition, Unhurried};
use protocol::record::control::{self, Marker};
use protocol::record::{BatchBuilder, BatchOptions, Codec, Compression, Header};
use uuid::Uuid;

const START_MS: i64 = 1_700_000_000_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let usage = "usage: sample_log DIR [compacted]";
    let log_dir = PathBuf::from(std::env::args().nth(1).ok_or(usage)?);
    let compacted = std::env::args().nth(2).is_some_and(|word| word == "compacted");
    let mut config = LogConfig::default();
    config.segment.bytes = 16 * 1024;
    config.segment.index_interval_bytes = 1024;
    config.retention.compact = compacted;
    let location = Location {
        log_dir,
        topic_partition: TopicPartition::new("sample", 0),
        topic_id: Uuid::from_u128(0x1234_5678_9abc_def0),
    };
    let options = OpenOptions { now_ms: START_MS, clean_shutdown: true, ..Default::default() };
    let (mut log, _) = Log::open(Arc::new(FsStore), location, Arc::new(config), options)?;
    for round in 0..20 {
        fill(&mut log, round)?;
    }
    log.set_high_watermark(log.log_end_offset());
    if compacted {
        compact(&mut log)?;
    }
    let closed = log.close()?;
    println!("{} records", closed.recovery_point);
    Ok(())
}

/// Each codec once, then a transaction that is committed and one that is aborted.
fn fill(log: &mut Log, round: i64) -> Result<(), Box<dyn std::error::Error>> {
    let now_ms = START_MS + round * 1000;
    let append = LeaderAppend { leader_epoch: round as i32 / 5, origin: Origin::Client, now_ms };
    for codec in Compression::ALL.map(Codec::from) {
        let mut batch = BatchBuilder::new(BatchOptions { codec, ..Default::default() });
        for record in 0..10 {
            let key = format!("key-{record}");
            let value = format!("{codec:?} in round {round}, record {record}").repeat(3);
            let headers = [Header::new("round", Some(b"r")), Header::new("none", None)];
            let (key, headers) = if record == 0 {
                (None, &headers[..0])
            } else {
                (Some(key.as_bytes()), &headers[..])
            };
            batch.append(now_ms + record, key, Some(value.as_bytes()), headers);
        }
        batch.append(now_ms, Some(b"gone"), None, &[]);
        log.append_as_leader(&batch.finish(), append)?;
    }
    for (producer_id, commit) in [(1000, true), (2000, false)] {
        let mut batch = BatchBuilder::new(BatchOptions {
            producer_id,
            producer_epoch: 0,
            base_sequence: round as i32,
            is_transactional: true,
            ..Default::default()
        });
        batch.append(now_ms + 20, None, Some(b"in a transaction"), &[]);
        log.append_as_leader(&batch.finish(), append)?;
        let marker = Marker { producer_id, producer_epoch: 0, commit, coordinator_epoch: 7 };
        let marker = control::marker_batch(&marker, 0, 0, now_ms + 30);
        let origin = Origin::Marker { transaction_version: 0 };
        log.append_as_leader(&marker, LeaderAppend { origin, ..append })?;
    }
    flush(log, now_ms)?;
    Ok(())
}

/// Passes with a map that is too small for one: the first half of the log is without tombstones
/// in the end, and the rest has them with their delete horizons.
fn compact(log: &mut Log) -> Result<(), Box<dyn std::error::Error>> {
    let mut map = OffsetMap::new(24 * 8, 1.0);
    let (mut checkpoint, mut now_ms) = (None, START_MS);
    for pass in 0.. {
        let cleanable = log.cleanable(checkpoint, now_ms)?.ok_or("the log is not compacted")?;
        if cleanable.first_dirty_offset == cleanable.first_uncleanable_offset {
            break;
        }
        let written = log.prepare_compaction(&cleanable, now_ms)?.run(&mut map, &mut Unhurried)?;
        checkpoint = Some(written.stats.end_offset);
        println!("{:?}", written.stats);
        log.finish_compaction(written)?.remove()?;
        now_ms += if pass % 50 == 49 { log.config().compaction.delete_retention_ms } else { 1 };
    }
    Ok(())
}

fn flush(log: &mut Log, now_ms: i64) -> Result<(), StorageError> {
    if let Some(flush) = log.prepare_flush(log.active_base_offset())? {
        log.finish_flush(flush.run(), now_ms)?;
    }
    Ok(())
}
