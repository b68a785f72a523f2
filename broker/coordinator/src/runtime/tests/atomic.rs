//! A step is in the log as a whole or not at all.

use super::*;

fn plain(log: &Arc<MemoryLog>) -> Groups {
    Groups::start(settings(), Codec::default(), log.clone(), Arc::<TestClock>::default())
}

fn batch_count(log: &MemoryLog) -> usize {
    log.logs.lock().unwrap().values().map(Vec::len).sum()
}

/// Commits 2,000 offsets `parts` times, each of other partitions.
async fn commit_in_parts(groups: &Groups, group: &str, parts: i32) {
    for part in 0..parts {
        let mut commit = committing(group, 2_000);
        for partition in &mut commit.topics[0].partitions {
            partition.index += part * 2_000;
        }
        groups.commit(&commit).await.unwrap();
    }
}

async fn offsets(groups: &Groups, group: &str) -> Vec<i64> {
    let topics = groups.fetch_all(group).await.unwrap();
    let partitions = topics.iter().flat_map(|topic| &topic.partitions);
    partitions.map(|held| held.committed.as_ref().unwrap().offset).collect()
}

#[tokio::test]
async fn a_commit_of_many_offsets_is_one_batch_which_a_torn_write_loses_whole() {
    for codec in [Codec::default(), Compression::Lz4.into()] {
        let log = MemoryLog::new();
        let clock = Arc::<TestClock>::default();
        let first = Groups::start(settings(), codec, log.clone(), clock.clone());
        first.commit(&committing("g", 5_000)).await.unwrap();
        assert_eq!(batch_count(&log), 1, "more than half a megabyte, and one batch");
        first.shutdown().await;
        let second = Groups::start(settings(), codec, log.clone(), clock.clone());
        assert_eq!(offsets(&second, "g").await, (100..5_100).collect::<Vec<_>>());
        second.shutdown().await;
        // What a crash leaves of the batch is cut off when the log is opened.
        log.logs.lock().unwrap().clear();
        let third = Groups::start(settings(), codec, log.clone(), clock);
        assert_eq!(offsets(&third, "g").await, [0; 0]);
        third.shutdown().await;
    }
}

#[tokio::test]
async fn a_commit_that_is_too_large_for_a_batch_is_refused_whole() {
    let log = MemoryLog::new();
    let groups = plain(&log);
    groups.commit(&committing("g", 1)).await.unwrap();
    let before = batch_count(&log);
    let mut large = committing("g", 20_000);
    large.topics[0].partitions[0].offset = 7;
    assert_eq!(groups.commit(&large).await, Err(ErrorCode::InvalidCommitOffsetSize));
    assert_eq!(batch_count(&log), before, "nothing of it is in the log");
    assert_eq!(offsets(&groups, "g").await, [100]);
    groups.shutdown().await;
}

#[tokio::test]
async fn long_names_make_no_more_than_a_batch_of_a_small_request() {
    let log = MemoryLog::new();
    let groups = plain(&log);
    let mut commit = committing(&"g".repeat(32_000), 0);
    commit.topics[0].partitions = vec![CommitPartition::default(); 50_000];
    assert_eq!(groups.commit(&commit).await, Err(ErrorCode::InvalidCommitOffsetSize));
    assert_eq!(log.records(), 0);
    groups.shutdown().await;
}

#[tokio::test]
async fn a_group_with_more_offsets_than_a_batch_holds_is_deleted_whole_or_not_at_all() {
    let log = MemoryLog::new();
    let groups = plain(&log);
    let id = "g".repeat(200);
    commit_in_parts(&groups, &id, 8).await;
    let deleted = groups.delete(std::slice::from_ref(&id)).await;
    assert_eq!(deleted[0].error_code, ErrorCode::UnknownServerError);
    assert_eq!(offsets(&groups, &id).await.len(), 16_000);
    // In parts it can be done.
    let named = |range| [("t".to_owned(), Vec::from_iter(range))];
    for range in [0..4_000, 4_000..8_000, 8_000..12_000] {
        let codes = groups.delete_offsets(&id, &named(range)).await.unwrap();
        assert!(codes[0].iter().all(|code| *code == ErrorCode::None));
    }
    let deleted = groups.delete(std::slice::from_ref(&id)).await;
    assert_eq!(deleted[0].error_code, ErrorCode::None);
    assert_eq!(offsets(&groups, &id).await, [0; 0]);
    groups.shutdown().await;
}

#[tokio::test]
async fn what_is_forgotten_in_pieces_is_forgotten_as_far_as_the_log_has_it() {
    let log = MemoryLog::new();
    let groups = plain(&log);
    let id = "g".repeat(200);
    commit_in_parts(&groups, &id, 3).await;
    log.appends_left.store(1, Ordering::SeqCst);
    let topic = ["t".to_owned()];
    let forgotten = groups.forget_topics(&topic).await;
    let left = offsets(&groups, &id).await.len();
    groups.shutdown().await;
    assert!(forgotten.is_err() && left > 0 && left < 6_000, "{left} are left, {forgotten:?}");
    let again = plain(&log);
    let reread = offsets(&again, &id).await.len();
    assert_eq!(reread, left, "what is in memory is what the log says");
    log.full.store(false, Ordering::SeqCst);
    log.appends_left.store(i64::MAX, Ordering::SeqCst);
    again.forget_topics(&topic).await.unwrap();
    assert_eq!(offsets(&again, &id).await, [0; 0]);
    again.shutdown().await;
}

#[tokio::test]
async fn an_offset_that_a_request_deletes_many_times_leaves_one_tombstone() {
    let log = MemoryLog::new();
    let groups = plain(&log);
    groups.commit(&committing("g", 1)).await.unwrap();
    let before = log.records();
    let named = [("t".to_owned(), vec![0; 50_000]), ("t".to_owned(), vec![0])];
    let codes = groups.delete_offsets("g", &named).await.unwrap();
    assert_eq!((codes[0].len(), codes[1].len()), (50_000, 1));
    assert_eq!(log.records(), before + 1);
    groups.shutdown().await;
}

#[tokio::test]
async fn a_member_that_names_too_many_protocols_is_refused_before_its_group_is_looked_at() {
    let log = MemoryLog::new();
    let groups = plain(&log);
    let mut request = joining("g", Some("one"));
    let protocol = |number| JoinGroupRequestProtocol {
        name: format!("p{number}"),
        metadata: Bytes::from_static(b"m"),
    };
    request.protocols = (0..1_000).map(protocol).collect();
    let joined = groups.join(&request, 5, Caller::default()).await;
    assert_eq!(joined.error_code, ErrorCode::None);
    request.group_id = "other".to_owned();
    request.protocols = (0..1_001).map(protocol).collect();
    let refused = groups.join(&request, 5, Caller::default()).await;
    assert_eq!(refused.error_code, ErrorCode::InvalidRequest);
    assert_eq!(groups.describe("other").await, Ok(None));
    groups.shutdown().await;
}

#[tokio::test]
async fn sessions_run_by_the_clock_that_nobody_can_set() {
    let log = MemoryLog::new();
    let clock = Arc::<TestClock>::default();
    let groups = Groups::start(settings(), Codec::default(), log.clone(), clock.clone());
    let joined = groups.join(&joining("g", Some("one")), 5, Caller::default()).await;
    groups.sync(&assigning("g", &joined.member_id)).await;
    clock.time_of_day.store(1_000_000_000, Ordering::SeqCst);
    let heartbeat = HeartbeatRequest {
        group_id: "g".to_owned(),
        generation_id: 1,
        member_id: joined.member_id,
        group_instance_id: Some("one".to_owned()),
    };
    // The shard's timers are looked at with each of its steps.
    for cell in groups.inner.loaded_cells() {
        cell.advance(&groups.inner);
    }
    assert_eq!(groups.heartbeat(&heartbeat).await.error_code, ErrorCode::None);
    clock.elapsed.store(10_000, Ordering::SeqCst);
    for cell in groups.inner.loaded_cells() {
        cell.advance(&groups.inner);
    }
    assert_eq!(groups.heartbeat(&heartbeat).await.error_code, ErrorCode::UnknownMemberId);
    groups.shutdown().await;
}
