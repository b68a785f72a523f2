//! Opens a partition's folder that any broker wrote, reads all of it, appends records, and
//! closes it: `cargo run -p broker-log --example check_log -- DIR TOPIC-N clean|crash RECORDS`.

use std::path::PathBuf;
use std::sync::Arc;

use broker_log::{FsStore, LeaderAppend, Log, LogConfig, LogDir, MetaProperties, OpenOptions};
use broker_log::{Location, Origin, ReadRequest, TopicPartition};
use bytes::Bytes;
use protocol::record::{self, BatchBuilder, BatchOptions, RecordRules};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let usage = "usage: check_log DIR TOPIC-N clean|crash RECORDS";
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [dir, folder, how, records] = args.as_slice() else { return Err(usage.into()) };
    let topic_partition = TopicPartition::from_folder(folder).ok_or(usage)?;
    let properties = MetaProperties { cluster_id: "c".into(), node_id: 1, directory_id: None };
    let log_dir = LogDir::open(Arc::new(FsStore), dir, properties)?;
    println!("{:?}, clean: {}", log_dir.properties(), log_dir.was_shut_down_cleanly());
    let topic_id = log_dir.topic_id(&topic_partition)?.ok_or("no partition.metadata")?;
    let location = Location { log_dir: PathBuf::from(dir), topic_partition, topic_id };
    let options = OpenOptions { clean_shutdown: how == "clean", ..Default::default() };
    let config = Arc::new(LogConfig::default());
    let (mut log, report) = Log::open(Arc::new(FsStore), location, config, options)?;
    println!("{report:?}");
    println!("{} to {}", log.log_start_offset(), log.log_end_offset());
    println!("{} records in {} segments", count(&log)?, log.segment_count());
    println!("{} producers", log.active_producers().len());
    println!("latest: {:?}", log.max_timestamp_offset()?);
    let leader_epoch = log.latest_epoch().unwrap_or(0);
    for number in 0..records.parse::<i64>()? {
        let mut batch = BatchBuilder::new(BatchOptions::default());
        let now_ms = 1_800_000_000_000 + number;
        batch.append(now_ms, None, Some(format!("appended {number}").as_bytes()), &[]);
        let origin = Origin::Coordinator;
        log.append_as_leader(&batch.finish(), LeaderAppend { leader_epoch, origin, now_ms })?;
    }
    println!("{:?}", log.close()?);
    log_dir.mark_clean_shutdown(-1)?;
    Ok(())
}

/// Reads and decompresses everything.
fn count(log: &Log) -> Result<usize, Box<dyn std::error::Error>> {
    let mut count = 0;
    let mut offset = log.log_start_offset();
    let upper_bound = log.log_end_offset();
    let request =
        |offset| ReadRequest { offset, max_bytes: 1 << 20, upper_bound, min_one_batch: true };
    while let Some(slice) = log.read(request(offset))? {
        for batch in record::batches(&Bytes::from(slice.read()?)).map_while(Result::ok) {
            record::validate(&batch)?;
            count += record::validate_records(&batch, &RecordRules::default(), 1 << 30)?.count;
            offset = batch.next_offset();
        }
    }
    Ok(count)
}
