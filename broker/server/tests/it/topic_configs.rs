//! What each configuration of a topic does, seen from outside. `docs/broker.md` has the list.

use std::os::unix::fs::MetadataExt;

use protocol::ErrorCode;
use protocol::messages::produce_response::PartitionProduceResponse;
use protocol::record::{Compression, TimestampType};

use crate::clocked::{
    BEGIN, Clocked, DAY, SECOND, batches, bound, first_offset, kept, keyed, large, timed, until,
};
use crate::configs::{BROKER, DELETE, SET, TOPIC, adjust};
use crate::support::{TestBroker, Wire, batch, produce};

const MIB: usize = 1 << 20;

async fn put(wire: &mut Wire, records: bytes::Bytes) -> PartitionProduceResponse {
    let response = wire.produce("t", 0, records).await;
    assert_eq!(response.error_code, ErrorCode::None, "{response:?}");
    response
}

async fn set(wire: &mut Wire, resource: (i8, &str), key: &str, value: &str) {
    let (code, message) = adjust(wire, resource, &[(SET, key, value)], false).await;
    assert_eq!(code, ErrorCode::None, "{key}={value}: {message}");
}

async fn delete(wire: &mut Wire, resource: (i8, &str), key: &str) {
    let (code, message) = adjust(wire, resource, &[(DELETE, key, "")], false).await;
    assert_eq!(code, ErrorCode::None, "{key}: {message}");
}

/// Puts a record into another topic that is gone at once, and waits for that: a round of retention
/// has come by, and left alone what is left.
async fn a_round(test: &Clocked, wire: &mut Wire) {
    wire.create_topic("round", 1, &[("retention.bytes", "0")]).await;
    assert_eq!(wire.produce("round", 0, batch(&["x"])).await.error_code, ErrorCode::None);
    for start in 1..=2 {
        while first_offset(wire, "round").await < start {}
        wire.produce("round", 0, batch(&["x"])).await;
    }
    assert!(test.segments("round-0").len() <= 2);
    let request = protocol::messages::DeleteTopicsRequest {
        topic_names: vec!["round".to_owned()],
        ..Default::default()
    };
    wire.call(5, &request).await;
}

#[tokio::test]
async fn retention_ms_0_empties_a_topic_and_without_it_the_default_is_back() {
    let test = Clocked::start(&[]).await;
    let mut wire = test.connect().await;
    wire.create_topic("t", 1, &[]).await;
    put(&mut wire, timed(BEGIN, b"a")).await;
    test.clock.set(BEGIN + 1);
    set(&mut wire, (TOPIC, "t"), "retention.ms", "0").await;
    while first_offset(&mut wire, "t").await < 1 {}
    assert_eq!(kept(&mut wire, "t", 0).await, []);
    delete(&mut wire, (TOPIC, "t"), "retention.ms").await;
    put(&mut wire, timed(BEGIN + 1, b"b")).await;
    test.clock.set(BEGIN + 7 * DAY);
    a_round(&test, &mut wire).await;
    assert_eq!(first_offset(&mut wire, "t").await, 1, "seven days are not over");
    test.clock.set(BEGIN + 7 * DAY + 2);
    while first_offset(&mut wire, "t").await < 2 {}
    test.stop().await;
}

#[tokio::test]
async fn the_retention_of_a_broker_changes_for_one_and_for_all_while_it_runs() {
    let test =
        Clocked::start(&[("log.retention.minutes", "60"), ("log.retention.hours", "9")]).await;
    let mut wire = test.connect().await;
    wire.create_topic("t", 1, &[]).await;
    put(&mut wire, timed(BEGIN, b"a")).await;
    set(&mut wire, (BROKER, ""), "log.retention.ms", "7200000").await;
    test.clock.set(BEGIN + 7_200_000);
    a_round(&test, &mut wire).await;
    assert_eq!(first_offset(&mut wire, "t").await, 0, "two hours for all brokers");
    set(&mut wire, (BROKER, "1"), "log.retention.ms", "-1").await;
    test.clock.set(BEGIN + 8_000_000);
    a_round(&test, &mut wire).await;
    assert_eq!(first_offset(&mut wire, "t").await, 0, "for ever on this one");
    for resource in [(BROKER, ""), (BROKER, "1")] {
        delete(&mut wire, resource, "log.retention.ms").await;
    }
    while first_offset(&mut wire, "t").await == 0 {}
    test.stop().await;
}

#[tokio::test]
async fn retention_bytes_leaves_so_much_and_the_segment_that_is_written() {
    let test = Clocked::start(&[]).await;
    let mut wire = test.connect().await;
    let settings = [("segment.bytes", "1048576"), ("retention.bytes", "2000000")];
    wire.create_topic("t", 1, &settings).await;
    // Two of them fill a segment.
    for _ in 0..8 {
        put(&mut wire, large(BEGIN, MIB / 2 - 1000)).await;
    }
    while first_offset(&mut wire, "t").await != 4 {}
    a_round(&test, &mut wire).await;
    assert_eq!(first_offset(&mut wire, "t").await, 4);
    set(&mut wire, (TOPIC, "t"), "retention.bytes", "1").await;
    while first_offset(&mut wire, "t").await != 6 {}
    a_round(&test, &mut wire).await;
    assert_eq!(first_offset(&mut wire, "t").await, 6, "without the last one byte is not left");
    set(&mut wire, (TOPIC, "t"), "retention.bytes", "0").await;
    while first_offset(&mut wire, "t").await != 8 {}
    test.stop().await;
}

#[tokio::test]
async fn records_of_times_to_come_stay_until_their_time_is_over() {
    let test = Clocked::start(&[]).await;
    let mut wire = test.connect().await;
    let after = (30 * DAY).to_string();
    let settings = [("retention.ms", "1000"), ("message.timestamp.after.max.ms", &*after)];
    wire.create_topic("t", 1, &settings).await;
    put(&mut wire, timed(BEGIN + 20 * DAY, b"a")).await;
    test.clock.set(BEGIN + 20 * DAY + 1000);
    a_round(&test, &mut wire).await;
    assert_eq!(first_offset(&mut wire, "t").await, 0);
    test.clock.set(BEGIN + 20 * DAY + 1001);
    while first_offset(&mut wire, "t").await == 0 {}
    test.stop().await;
}

#[tokio::test]
async fn segments_end_by_size_by_time_and_by_their_indexes() {
    let test = Clocked::start(&[]).await;
    let mut wire = test.connect().await;
    wire.create_topic("t", 1, &[("segment.bytes", "1048576")]).await;
    for _ in 0..3 {
        put(&mut wire, large(BEGIN, MIB / 2 - 1000)).await;
    }
    assert_eq!(test.segments("t-0"), [0, 2], "segment.bytes");
    set(&mut wire, (TOPIC, "t"), "segment.ms", "5000").await;
    put(&mut wire, timed(BEGIN + 5000, b"a")).await;
    assert_eq!(test.segments("t-0"), [0, 2], "no more than segment.ms lies between");
    put(&mut wire, timed(BEGIN + 5001, b"b")).await;
    assert_eq!(test.segments("t-0"), [0, 2, 4], "segment.ms, by the records' times");
    test.clock.set(BEGIN + 11_000);
    until(|| test.segments("t-0") == [0, 2, 4, 5]).await;
    delete(&mut wire, (TOPIC, "t"), "segment.ms").await;
    set(&mut wire, (TOPIC, "t"), "index.interval.bytes", "0").await;
    set(&mut wire, (TOPIC, "t"), "segment.index.bytes", "24").await;
    for step in 0..4 {
        put(&mut wire, timed(BEGIN + 11_000 + step, b"c")).await;
    }
    assert_eq!(test.segments("t-0"), [0, 2, 4, 5, 8], "two entries of 12 bytes are room for three");
    test.stop().await;
}

#[tokio::test]
async fn jitter_spreads_the_end_of_segments_over_partitions() {
    let test = Clocked::start(&[]).await;
    let mut wire = test.connect().await;
    let settings = [("segment.ms", "10000"), ("segment.jitter.ms", "10000")];
    wire.create_topic("t", 20, &settings).await;
    wire.create_topic("still", 20, &[("segment.ms", "10000")]).await;
    for timestamp in [BEGIN, BEGIN + 5 * SECOND] {
        for (topic, partition) in (0..20).flat_map(|number| [("t", number), ("still", number)]) {
            let response = wire.produce(topic, partition, timed(timestamp, b"a")).await;
            assert_eq!(response.error_code, ErrorCode::None);
        }
    }
    let ended = |topic: &str| {
        let partitions = (0..20).map(|number| test.segments(&format!("{topic}-{number}")).len());
        partitions.filter(|segments| *segments > 1).count()
    };
    assert_eq!(ended("still"), 0);
    assert!((1..20).contains(&ended("t")), "{} of 20", ended("t"));
    test.stop().await;
}

#[tokio::test]
async fn index_interval_bytes_says_how_dense_the_index_is() {
    let test = Clocked::start(&[]).await;
    let mut wire = test.connect().await;
    wire.create_topic("t", 1, &[("index.interval.bytes", "0")]).await;
    wire.create_topic("sparse", 1, &[]).await;
    for topic in ["t", "sparse"] {
        for step in 0..5 {
            wire.produce(topic, 0, timed(BEGIN + step, b"a")).await;
        }
    }
    let test = test.restart().await;
    let size = |partition: &str| {
        let files = test.files(partition);
        files.into_iter().find(|(name, _)| name == "00000000000000000000.index").unwrap().1
    };
    assert_eq!((size("t-0"), size("sparse-0")), (4 * 8, 0));
    test.stop().await;
}

#[tokio::test]
async fn file_delete_delay_ms_keeps_removed_files_for_a_while() {
    for (delay, stays) in [("60000", true), ("0", false)] {
        let settings = [("file.delete.delay.ms", delay), ("retention.ms", "0")];
        let test = Clocked::start(&[]).await;
        let mut wire = test.connect().await;
        wire.create_topic("t", 1, &settings).await;
        put(&mut wire, timed(BEGIN, b"a")).await;
        test.clock.set(BEGIN + SECOND);
        while first_offset(&mut wire, "t").await == 0 {}
        let waiting = || test.files("t-0").iter().any(|(name, _)| name.ends_with(".deleted"));
        match stays {
            true => assert!(waiting()),
            false => until(|| !waiting()).await,
        }
        // A broker that stops leaves nothing behind.
        let test = test.restart().await;
        assert!(!test.files("t-0").iter().any(|(name, _)| name.ends_with(".deleted")));
        test.stop().await;
    }
}

#[tokio::test]
async fn preallocate_takes_the_disk_space_of_a_segment_and_gives_back_what_is_not_needed() {
    let test = TestBroker::start().await;
    let mut wire = test.connect().await;
    let settings = [("preallocate", "true"), ("segment.bytes", "1048576")];
    wire.create_topic("t", 1, &settings).await;
    wire.create_topic("plain", 1, &settings[1..]).await;
    for topic in ["t", "plain"] {
        wire.produce(topic, 0, batch(&["a"])).await;
    }
    let taken = |dir: &std::path::Path, topic: &str| {
        let file = dir.join(format!("{topic}-0/00000000000000000000.log"));
        let metadata = std::fs::metadata(file).unwrap();
        assert!(metadata.len() < 200, "the file is as long as its records");
        metadata.blocks() * 512
    };
    assert!(taken(test.dir.path(), "plain") < MIB as u64);
    assert!(taken(test.dir.path(), "t") >= MIB as u64);
    let test = test.restart().await;
    assert!(taken(test.dir.path(), "t") < MIB as u64, "a closed segment needs no more room");
    test.stop().await;
}

#[tokio::test]
async fn times_are_held_against_the_bounds_of_their_topic() {
    let test = Clocked::start(&[]).await;
    let mut wire = test.connect().await;
    wire.create_topic("t", 1, &[("message.timestamp.before.max.ms", "5000")]).await;
    let cases = [
        (-5001, ErrorCode::InvalidTimestamp),
        (-5000, ErrorCode::None),
        (3_600_000, ErrorCode::None),
        (3_600_001, ErrorCode::InvalidTimestamp),
    ];
    for (distance, code) in cases {
        let response = wire.produce("t", 0, timed(BEGIN + distance, b"a")).await;
        assert_eq!(response.error_code, code, "{distance}");
    }
    set(&mut wire, (TOPIC, "t"), "message.timestamp.after.max.ms", "9").await;
    let late = wire.produce("t", 0, timed(BEGIN + 10, b"a")).await;
    assert_eq!(late.error_code, ErrorCode::InvalidTimestamp);
    assert_eq!(late.record_errors[0].batch_index, 0);
    set(&mut wire, (TOPIC, "t"), "message.timestamp.type", "LogAppendTime").await;
    put(&mut wire, timed(1, b"whenever")).await;
    test.stop().await;
}

#[tokio::test]
async fn append_time_is_written_into_each_batch_from_when_the_topic_says_so() {
    let test = Clocked::start(&[]).await;
    let mut wire = test.connect().await;
    wire.create_topic("t", 1, &[]).await;
    let created = put(&mut wire, timed(BEGIN - DAY, b"a")).await;
    assert_eq!(created.log_append_time_ms, -1);
    set(&mut wire, (BROKER, ""), "log.message.timestamp.type", "LogAppendTime").await;
    let appended = put(&mut wire, timed(BEGIN - DAY, b"b")).await;
    assert_eq!(appended.log_append_time_ms, BEGIN);
    let found = batches(&mut wire, "t", 0).await;
    let stamps: Vec<_> =
        found.iter().map(|batch| (batch.timestamp_type(), batch.max_timestamp)).collect();
    assert_eq!(
        stamps,
        [(TimestampType::CreateTime, BEGIN - DAY), (TimestampType::LogAppendTime, BEGIN)]
    );
    assert!(found.iter().all(|batch| batch.check_crc().is_ok()));
    assert_eq!(bound(&mut wire, "t", 0, BEGIN).await, 1, "found by the time of its append");
    test.stop().await;
}

#[tokio::test]
async fn a_forced_compression_has_the_level_that_is_set() {
    let test = TestBroker::start().await;
    let mut wire = test.connect().await;
    let words: String = (0..20_000_u32)
        .map(|n| {
            ["stone ", "river ", "fast ", "sea "][(n.wrapping_mul(2_654_435_761) >> 30) as usize]
        })
        .collect();
    for (name, codec, levels) in [
        ("gzip", Compression::Gzip, ["1", "9"]),
        ("lz4", Compression::Lz4, ["1", "12"]),
        ("zstd", Compression::Zstd, ["-5", "19"]),
    ] {
        wire.create_topic(name, 1, &[("compression.type", name)]).await;
        for level in levels {
            let key = format!("compression.{name}.level");
            set(&mut wire, (TOPIC, name), &key, level).await;
            let response = wire.produce(name, 0, batch(&[&words])).await;
            assert_eq!(response.error_code, ErrorCode::None);
        }
        let found = batches(&mut wire, name, 0).await;
        assert!(found.iter().all(|batch| batch.compression() == Ok(codec)), "{name}");
        assert!(found[0].size() > found[1].size(), "{name}");
        assert_eq!(kept(&mut wire, name, 0).await[1].2.as_deref(), Some(&*words));
    }
    let refused = adjust(&mut wire, (TOPIC, "lz4"), &[(SET, "compression.lz4.level", "18")], false);
    assert_eq!(refused.await.0, ErrorCode::InvalidConfig);
    wire.create_topic("t", 1, &[]).await;
    set(&mut wire, (BROKER, ""), "compression.type", "uncompressed").await;
    let options = protocol::record::BatchOptions {
        codec: Compression::Lz4.into(),
        ..protocol::record::BatchOptions::default()
    };
    put(&mut wire, crate::support::batch_of(options, &[&words])).await;
    let found = batches(&mut wire, "t", 0).await;
    assert_eq!(found[0].compression(), Ok(Compression::None));
    test.stop().await;
}

#[tokio::test]
async fn more_replicas_than_a_topic_has_are_not_asked_of_it() {
    let test = TestBroker::start().await;
    let mut wire = test.connect().await;
    let settings = [("min.insync.replicas", "2"), ("unclean.leader.election.enable", "true")];
    wire.create_topic("t", 1, &settings).await;
    for acks in [-1, 1] {
        let response = wire.call(9, &produce("t", 0, acks, batch(&["a"]))).await;
        let code = response.responses[0].partition_responses[0].error_code;
        assert_eq!(code, ErrorCode::None, "as in Kafka, the least is that of all replicas");
    }
    set(&mut wire, (TOPIC, "t"), "unclean.leader.election.enable", "false").await;
    assert_eq!(put(&mut wire, batch(&["b"])).await.base_offset, 2, "the only replica leads on");
    test.stop().await;
}

#[tokio::test]
async fn settings_of_remote_storage_and_of_throttles_are_refused_by_name() {
    let test = TestBroker::start().await;
    let mut wire = test.connect().await;
    wire.create_topic("t", 1, &[]).await;
    for (key, value) in [
        ("remote.storage.enable", "true"),
        ("remote.log.copy.disable", "true"),
        ("remote.log.delete.on.disable", "true"),
        ("local.retention.ms", "1000"),
        ("local.retention.bytes", "1000"),
        ("leader.replication.throttled.replicas", "*"),
        ("follower.replication.throttled.replicas", "0:1"),
    ] {
        let (code, message) = adjust(&mut wire, (TOPIC, "t"), &[(SET, key, value)], false).await;
        assert_eq!(code, ErrorCode::InvalidConfig, "{key}");
        assert!(message.starts_with(key), "{message}");
    }
    test.stop().await;
}

#[tokio::test]
async fn a_hint_about_threads_is_taken_and_shown_and_changes_nothing() {
    let test = TestBroker::start().await;
    let mut wire = test.connect().await;
    set(&mut wire, (BROKER, ""), "num.io.threads", "16").await;
    let shown = crate::configs::shown(&mut wire, (BROKER, "1"), "num.io.threads").await;
    assert!(shown.starts_with("num.io.threads=16@3"), "{shown}");
    wire.create_topic("t", 1, &[]).await;
    put(&mut wire, keyed(BEGIN, &[("a", Some("1"))])).await;
    test.stop().await;
}

#[tokio::test]
async fn flush_messages_and_flush_ms_say_what_is_on_the_disk() {
    let often = [
        ("log.flush.offset.checkpoint.interval.ms", "1"),
        ("log.flush.scheduler.interval.ms", "1"),
    ];
    let test = Clocked::start(&often).await;
    let mut wire = test.connect().await;
    // Where nothing else is said, `flush.ms` is the interval of the scheduler.
    let never = i64::MAX.to_string();
    let of_count = [("flush.messages", "3"), ("flush.ms", never.as_str())];
    wire.create_topic("count", 1, &of_count).await;
    wire.create_topic("time", 1, &[("flush.ms", "5000")]).await;
    let synced = |count, time| {
        let all = format!("0\n2\ncount 0 {count}\ntime 0 {time}\n");
        let test = &test;
        move || test.text("recovery-point-offset-checkpoint") == all
    };
    for topic in ["count", "time"] {
        for _ in 0..2 {
            wire.produce(topic, 0, timed(BEGIN, b"a")).await;
        }
    }
    until(synced(0, 0)).await;
    test.clock.set(BEGIN + 4999);
    wire.produce("count", 0, timed(BEGIN, b"a")).await;
    until(synced(3, 0)).await;
    test.clock.set(BEGIN + 5000);
    until(synced(3, 2)).await;
    // A clock that is set back does not hold up what is due.
    wire.produce("time", 0, timed(BEGIN, b"a")).await;
    test.clock.turn_to(BEGIN - 365 * DAY);
    until(synced(3, 3)).await;
    test.clock.turn_to(BEGIN);
    set(&mut wire, (BROKER, ""), "log.flush.interval.messages", "1").await;
    wire.produce("time", 0, timed(BEGIN, b"a")).await;
    until(synced(3, 4)).await;
    assert_eq!(kept(&mut wire, "time", 0).await.len(), 4);
    test.stop().await;
}
