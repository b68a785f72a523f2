use broker_log::{AppendError, LeaderAppend, Log, TimestampType};
use bytes::Bytes;
use protocol::record::{self, BatchOptions, Codec, Compression, RecordBatch};

use crate::support::*;

#[test]
fn batches_get_the_next_offsets_and_the_leader_epoch() {
    on_each_store(|rig| {
        let mut log = rig.open();
        let append = LeaderAppend { leader_epoch: 4, ..by_client() };
        let first = log.append_as_leader(&batch(&[(NOW, "a"), (NOW, "b")]), append).unwrap();
        assert_eq!((first.base_offset, first.last_offset, first.duplicate), (0, 1, false));
        assert_eq!(first.log_append_time_ms, -1);
        let second = log.append_as_leader(&batch(&[(NOW, "c")]), append).unwrap();
        assert_eq!((second.base_offset, second.last_offset), (2, 2));
        let stored = Bytes::from(rig.content("00000000000000000000.log"));
        let headers: Vec<_> = record::batches(&stored)
            .map(|batch| batch.map(|batch| (batch.base_offset, batch.leader_epoch)).unwrap())
            .collect();
        assert_eq!(headers, [(0, 4), (2, 4)]);
        assert_eq!(read_all(&log, 0).len(), 3);
        assert_eq!(log.size_bytes(), stored.len() as u64);
    });
}

#[test]
fn several_batches_of_one_append_are_placed_one_behind_the_other() {
    on_each_store(|rig| {
        let mut log = rig.open();
        let two = [batch(&[(NOW, "0"), (NOW, "1")]), batch(&[(NOW, "2")])].concat();
        let appended = log.append_as_leader(&two.into(), by_client()).unwrap();
        assert_eq!((appended.base_offset, appended.last_offset), (0, 2));
        assert_eq!(read_all(&log, 0), filled(0..3));
    });
}

#[test]
fn the_bytes_of_the_producer_are_stored_as_they_are_behind_the_epoch() {
    on_each_store(|rig| {
        let mut log = rig.open();
        fill(&mut log, 3);
        let before = log.size_bytes() as usize;
        for codec in Compression::ALL.map(Codec::from) {
            let options = BatchOptions { codec, ..Default::default() };
            let sent = batch_of(options, &[(NOW, "compress compress compress"); 9]);
            log.append_as_leader(&sent, by_client()).unwrap();
            let stored = rig.content("00000000000000000000.log");
            assert_eq!(stored[stored.len() - sent.len() + 16..], sent[16..]);
        }
        assert_eq!(decode(&rig.content("00000000000000000000.log")[before..]).len(), 45);
    });
}

#[test]
fn append_time_replaces_the_records_times_and_the_crc_holds() {
    on_each_store(|mut rig| {
        rig.config.timestamp_type = TimestampType::LogAppendTime;
        let mut log = rig.open();
        let records = [batch(&[(1, "a"), (2, "b")]), batch(&[(3, "c")])].concat();
        let appended = log.append_as_leader(&records.into(), by_client()).unwrap();
        assert_eq!(appended.log_append_time_ms, NOW);
        let stored = Bytes::from(rig.content("00000000000000000000.log"));
        for batch in record::batches(&stored).map(Result::unwrap) {
            record::validate(&batch).unwrap();
            assert_eq!(batch.timestamp_type(), TimestampType::LogAppendTime);
            assert_eq!(batch.max_timestamp, NOW);
            let payload = batch.payload(1000).unwrap();
            assert!(payload.records().all(|record| record.unwrap().timestamp == NOW));
        }
        let found = log.offset_for_timestamp(NOW).unwrap().unwrap();
        assert_eq!((found.offset, found.timestamp), (0, NOW));
    });
}

#[test]
fn sizes_are_bounded_by_message_and_segment() {
    on_each_store(|mut rig| {
        rig.config.max_message_bytes = 100;
        rig.config.segment.bytes = 150;
        let mut log = rig.open();
        let large = batch(&[(NOW, &"x".repeat(50))]);
        let size = large.len();
        match log.append_as_leader(&large, by_client()) {
            Err(AppendError::MessageTooLarge { size: found, max: 100 }) => assert_eq!(found, size),
            other => panic!("{other:?}"),
        }
        let three = [batch(&[(NOW, "a")]), batch(&[(NOW, "b")]), batch(&[(NOW, "c")])].concat();
        let refused = log.append_as_leader(&three.into(), by_client());
        assert!(matches!(refused, Err(AppendError::BatchesTooLarge { max: 150, .. })));
        assert_eq!((log.log_end_offset(), log.size_bytes()), (0, 0));
    });
}

#[test]
fn what_is_no_batch_is_refused_with_its_position() {
    on_each_store(|rig| {
        let mut log = rig.open();
        let whole = batch(&[(NOW, "a")]);
        let torn = [&whole[..], &whole[..whole.len() - 1]].concat();
        match log.append_as_leader(&torn.into(), by_client()) {
            Err(AppendError::CorruptBatch { position, .. }) => assert_eq!(position, whole.len()),
            other => panic!("{other:?}"),
        }
        let empty = log.append_as_leader(&Bytes::new(), by_client());
        assert!(matches!(empty, Err(AppendError::Empty)));
        assert_eq!(log.size_bytes(), 0);
    });
}

#[test]
fn clients_write_neither_control_batches_nor_append_times() {
    on_each_store(|rig| {
        let mut log = rig.open();
        let control = log.append_as_leader(&marker(1, 0, true), by_client());
        assert!(matches!(control, Err(AppendError::ControlFromClient)));
        let options = BatchOptions { log_append_time: Some(NOW), ..Default::default() };
        let timed = log.append_as_leader(&batch_of(options, &[(NOW, "x")]), by_client());
        assert!(matches!(timed, Err(AppendError::AppendTimeFromClient)));
        assert_eq!(log.log_end_offset(), 0);
    });
}

#[test]
fn a_follower_keeps_offsets_and_epochs_and_takes_gaps() {
    on_each_store(|rig| {
        let mut log = rig.open();
        let at = |base_offset, leader_epoch, value: &str| {
            let options = BatchOptions { base_offset, leader_epoch, ..Default::default() };
            batch_of(options, &[(NOW, value)])
        };
        let two = [at(0, 1, "0"), at(5, 2, "5")].concat();
        let appended = log.append_as_follower(&two.into(), NOW).unwrap();
        assert_eq!((appended.base_offset, appended.last_offset), (0, 5));
        assert_eq!(log.log_end_offset(), 6);
        assert_eq!((log.epoch_at(4), log.epoch_at(5)), (Some(1), Some(2)));
        let behind = log.append_as_follower(&at(5, 2, "again"), NOW);
        match behind {
            Err(AppendError::OffsetsOutOfOrder { base_offset: 5, log_end_offset: 6 }) => {}
            other => panic!("{other:?}"),
        }
        let records: Vec<_> = read_all(&log, 0);
        assert_eq!(records, [(0, "0".to_owned()), (5, "5".to_owned())]);
        let slice = log.read(from_offset(&log, 2, 1)).unwrap().unwrap();
        assert_eq!(decode(&slice.read().unwrap()), [(5, "5".to_owned())]);
    });
}

#[test]
fn a_batch_may_be_parsed_from_what_was_appended() {
    on_each_store(|rig| {
        let mut log = rig.open();
        put(&mut log, NOW, "a");
        let stored = Bytes::from(rig.content("00000000000000000000.log"));
        let batch = RecordBatch::parse(&stored).unwrap();
        assert_eq!((batch.size(), batch.count), (stored.len(), 1));
    });
}

#[test]
fn flush_messages_demands_a_sync_now_and_then_and_meanwhile_nothing_passes_it() {
    on_each_store(|mut rig| {
        rig.config.flush.messages = 3;
        let mut log = rig.open();
        let next = |log: &mut Log| put(log, NOW, "x").sync_to;
        assert_eq!([next(&mut log), next(&mut log)], [None, None]);
        assert_eq!(log.safe_end_offset(), 2);
        assert_eq!(next(&mut log), Some(3));
        assert_eq!(log.safe_end_offset(), 0);
        let flush = log.prepare_flush(3).unwrap().unwrap();
        assert_eq!(next(&mut log), Some(3), "it is not acknowledged before the third is");
        log.finish_flush(flush.run(), NOW).unwrap();
        assert_eq!((log.recovery_point(), log.safe_end_offset()), (3, 4));
        assert_eq!([next(&mut log), next(&mut log)], [None, Some(6)]);
    });
}

#[test]
fn a_repeated_batch_waits_for_the_sync_of_its_first_time() {
    on_each_store(|mut rig| {
        rig.config.flush.messages = 1;
        let mut log = rig.open();
        let sent = produced(5, 0, 0, 2);
        assert_eq!(log.append_as_leader(&sent, by_client()).unwrap().sync_to, Some(2));
        put(&mut log, NOW, "x");
        let again = log.append_as_leader(&sent, by_client()).unwrap();
        assert_eq!((again.duplicate, again.sync_to), (true, Some(2)));
        log.flush(NOW).unwrap();
        assert_eq!(log.append_as_leader(&sent, by_client()).unwrap().sync_to, None);
    });
}

#[test]
fn a_log_that_is_to_be_synced_is_synced_when_it_is_opened_after_a_crash() {
    on_each_store(|mut rig| {
        rig.config.flush.messages = 1;
        let mut log = rig.open();
        fill(&mut log, 2);
        drop(log);
        let (log, _) = rig.open_after_crash(0);
        assert_eq!((log.recovery_point(), log.safe_end_offset()), (2, 2));
    });
}
