use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use protocol::ErrorCode;
use protocol::messages::heartbeat_request::HeartbeatRequest;
use protocol::messages::join_group_request::{JoinGroupRequest, JoinGroupRequestProtocol};
use protocol::messages::sync_group_request::{SyncGroupRequest, SyncGroupRequestAssignment};
use protocol::record::{Codec, Compression, batches, patch};
use tokio::sync::watch;

use super::*;
use crate::{Caller, CommitPartition, CommitRequest, CommitTopic, Settings};

/// As `max.message.bytes` of a topic is by default.
const MAX_BATCH_BYTES: usize = 1_048_588;

/// A topic of two partitions in memory, whose commits can be held back.
struct MemoryLog {
    logs: Mutex<HashMap<i32, Vec<Bytes>>>,
    committing: watch::Sender<bool>,
    full: AtomicBool,
    /// The disk is full after so many more.
    appends_left: AtomicI64,
    exists: AtomicBool,
    /// The leader epoch; below zero another broker leads.
    epoch: AtomicI32,
    /// Appends are cut off again as soon as they are there.
    loses: AtomicBool,
}

impl MemoryLog {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            logs: Mutex::default(),
            committing: watch::Sender::new(true),
            full: AtomicBool::new(false),
            appends_left: AtomicI64::new(i64::MAX),
            exists: AtomicBool::new(true),
            epoch: AtomicI32::new(0),
            loses: AtomicBool::new(false),
        })
    }

    fn records(&self) -> usize {
        let logs = self.logs.lock().unwrap();
        let all = logs.values().flatten();
        all.map(|batch| batches(batch).map(|b| b.unwrap().count as usize).sum::<usize>()).sum()
    }
}

impl LogWriter for MemoryLog {
    fn partition_count(&self) -> Option<i32> {
        self.exists.load(Ordering::SeqCst).then_some(2)
    }

    fn leader_epoch(&self, partition: i32) -> Option<i32> {
        let epoch = self.epoch.load(Ordering::SeqCst);
        ((0..2).contains(&partition) && epoch >= 0).then_some(epoch)
    }

    fn max_batch_bytes(&self, _: i32) -> usize {
        MAX_BATCH_BYTES
    }

    fn append(&self, partition: i32, epoch: i32, batch: Bytes) -> Result<Commit, AppendError> {
        if self.leader_epoch(partition) != Some(epoch) {
            return Err(AppendError::NotLeader);
        }
        if batch.len() > MAX_BATCH_BYTES {
            return Err(AppendError::TooLarge { limit: MAX_BATCH_BYTES });
        }
        if self.appends_left.fetch_sub(1, Ordering::SeqCst) == 0 {
            self.full.store(true, Ordering::SeqCst);
        }
        if self.full.load(Ordering::SeqCst) {
            return Err(AppendError::Storage { reason: "no space is left".to_owned() });
        }
        let mut logs = self.logs.lock().unwrap();
        let log = logs.entry(partition).or_default();
        let end = log.last().map_or(0, |last| batches(last).next().unwrap().unwrap().next_offset());
        let mut bytes = Vec::from(batch);
        patch::set_base_offset(&mut bytes, end);
        if self.loses.load(Ordering::SeqCst) {
            return Ok(Box::pin(async { Err(AppendError::NotLeader) }));
        }
        log.push(Bytes::from(bytes));
        let mut committing = self.committing.subscribe();
        Ok(Box::pin(async move {
            committing
                .wait_for(|committing| *committing)
                .await
                .map_err(|_| AppendError::Timeout)?;
            Ok(())
        }))
    }

    fn committed(&self, _: i32, _: i32, _: i64) -> Commit {
        let mut committing = self.committing.subscribe();
        Box::pin(async move {
            let waited = committing.wait_for(|committing| *committing).await;
            waited.map(|_| ()).map_err(|_| AppendError::Timeout)
        })
    }

    fn start_offset(&self, _: i32) -> i64 {
        0
    }

    /// Batch by batch.
    fn read(&self, partition: i32, offset: i64) -> Result<Bytes, ReadError> {
        let logs = self.logs.lock().unwrap();
        let mut log = logs.get(&partition).into_iter().flatten();
        let holds = |batch: &&Bytes| batches(batch).next().unwrap().unwrap().next_offset() > offset;
        Ok(log.find(holds).cloned().unwrap_or_default())
    }
}

#[derive(Default)]
struct TestClock {
    time_of_day: AtomicI64,
    elapsed: AtomicI64,
}

impl Clock for TestClock {
    fn now_ms(&self) -> i64 {
        self.time_of_day.load(Ordering::SeqCst)
    }

    fn elapsed_ms(&self) -> i64 {
        self.elapsed.load(Ordering::SeqCst)
    }
}

fn settings() -> Settings {
    Settings {
        initial_rebalance_delay_ms: 0,
        min_session_timeout_ms: 10,
        max_session_timeout_ms: 1_000_000,
        max_size: u32::MAX,
        offset_metadata_max_bytes: 100,
        offsets_retention_ms: 1_000_000,
        offsets_retention_check_interval_ms: 600_000,
        offsets_commit_timeout_ms: 60_000,
    }
}

fn groups(log: &Arc<MemoryLog>) -> Groups {
    Groups::start(settings(), Compression::Lz4.into(), log.clone(), Arc::<TestClock>::default())
}

fn joining(group: &str, instance: Option<&str>) -> JoinGroupRequest {
    JoinGroupRequest {
        group_id: group.to_owned(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 10_000,
        group_instance_id: instance.map(str::to_owned),
        protocol_type: "consumer".to_owned(),
        protocols: vec![JoinGroupRequestProtocol {
            name: "range".to_owned(),
            metadata: Bytes::from_static(b"m"),
        }],
        ..JoinGroupRequest::default()
    }
}

fn assigning(group: &str, member_id: &str) -> SyncGroupRequest {
    SyncGroupRequest {
        group_id: group.to_owned(),
        generation_id: 1,
        member_id: member_id.to_owned(),
        assignments: vec![SyncGroupRequestAssignment {
            member_id: member_id.to_owned(),
            assignment: Bytes::from_static(b"all"),
        }],
        ..SyncGroupRequest::default()
    }
}

fn committing(group: &str, partitions: i32) -> CommitRequest {
    let partition = |index| CommitPartition {
        index,
        offset: i64::from(index) + 100,
        metadata: "x".repeat(90),
        ..CommitPartition::default()
    };
    CommitRequest {
        group_id: group.to_owned(),
        generation: -1,
        topics: vec![CommitTopic {
            name: "t".to_owned(),
            partitions: (0..partitions).map(partition).collect(),
            ..CommitTopic::default()
        }],
        ..CommitRequest::default()
    }
}

async fn offset(groups: &Groups, group: &str) -> Option<i64> {
    let fetched = groups.fetch(group, &[("t".to_owned(), vec![0])]).await.unwrap();
    fetched[0].partitions[0].committed.as_ref().map(|committed| committed.offset)
}

#[test]
fn a_group_has_the_partition_that_java_gives_it() {
    let cases = [("", 50, 0), ("g", 50, 3), ("consumer-group", 50, 38), ("그룹", 50, 19)];
    for (group, count, expected) in cases {
        assert_eq!(partition_of(group, count), expected, "{group}");
    }
    // Java's hash of this is the least int, which has no absolute value.
    assert_eq!(partition_of("polygenelubricants", 50), 0);
}

#[tokio::test]
async fn members_join_sync_and_are_there_again_after_a_restart() {
    let log = MemoryLog::new();
    let first = groups(&log);
    let joined = first.join(&joining("g", Some("one")), 5, Caller::default()).await;
    assert_eq!((joined.error_code, joined.generation_id), (ErrorCode::None, 1));
    let synced = first.sync(&assigning("g", &joined.member_id)).await;
    assert_eq!(synced.assignment, Bytes::from_static(b"all"));
    first.shutdown().await;

    let second = groups(&log);
    second.all_cells().await.unwrap();
    let described = second.describe("g").await.unwrap().unwrap();
    assert_eq!(described.group_state, "Stable");
    assert_eq!(described.members[0].member_assignment, Bytes::from_static(b"all"));
    let heartbeat = HeartbeatRequest {
        group_id: "g".to_owned(),
        generation_id: 1,
        member_id: joined.member_id,
        group_instance_id: Some("one".to_owned()),
    };
    assert_eq!(second.heartbeat(&heartbeat).await.error_code, ErrorCode::None);
    second.shutdown().await;
}

#[tokio::test]
async fn nothing_is_answered_before_it_is_committed() {
    let log = MemoryLog::new();
    let groups = groups(&log);
    groups.all_cells().await.unwrap();
    groups.commit(&committing("other", 1)).await.unwrap();
    log.committing.send_replace(false);
    let (commit, fetch) = (committing("g", 1), [("t".to_owned(), vec![0])]);
    let mut commit = Box::pin(groups.commit(&commit));
    let mut fetch = Box::pin(groups.fetch("g", &fetch));
    tokio::select! {
        biased;
        result = &mut commit => panic!("answered early: {result:?}"),
        result = &mut fetch => panic!("answered early: {result:?}"),
        () = std::future::ready(()) => {}
    }
    assert_eq!(log.records(), 2, "it is in the log, though");
    log.committing.send_replace(true);
    assert_eq!(commit.await, Ok(vec![vec![ErrorCode::None]]));
    assert_eq!(fetch.await.unwrap()[0].partitions[0].committed.as_ref().unwrap().offset, 100);
    groups.shutdown().await;
}

#[tokio::test]
async fn a_full_disk_refuses_commits_and_keeps_what_is_there() {
    let log = MemoryLog::new();
    let groups = groups(&log);
    groups.commit(&committing("g", 1)).await.unwrap();
    log.full.store(true, Ordering::SeqCst);
    let mut more = committing("g", 1);
    more.topics[0].partitions[0].offset = 7;
    assert_eq!(groups.commit(&more).await, Err(ErrorCode::CoordinatorNotAvailable));
    assert_eq!(offset(&groups, "g").await, Some(100));
    log.full.store(false, Ordering::SeqCst);
    assert!(groups.commit(&more).await.is_ok());
    assert_eq!(offset(&groups, "g").await, Some(7));
    groups.shutdown().await;
}

#[tokio::test]
async fn without_its_topic_there_is_no_coordinator() {
    let log = MemoryLog::new();
    log.exists.store(false, Ordering::SeqCst);
    let groups = groups(&log);
    let joined = groups.join(&joining("g", None), 5, Caller::default()).await;
    assert_eq!(joined.error_code, ErrorCode::CoordinatorNotAvailable);
    assert_eq!(groups.list(&[], &[]).await.groups, []);
    groups.shutdown().await;
}

#[tokio::test]
async fn a_parked_join_is_answered_when_the_broker_stops() {
    let log = MemoryLog::new();
    let clock = Arc::<TestClock>::default();
    let settings = Settings { initial_rebalance_delay_ms: 60_000, ..settings() };
    let groups = Groups::start(settings, Codec::default(), log.clone(), clock);
    let request = joining("g", Some("one"));
    let mut join = Box::pin(groups.join(&request, 5, Caller::default()));
    // Loading is done on another thread; the request is parked once the group is there.
    while groups.list(&[], &[]).await.groups.is_empty() {
        tokio::select! {
            biased;
            joined = &mut join => panic!("answered early: {joined:?}"),
            () = tokio::task::yield_now() => {}
        }
    }
    groups.shutdown().await;
    assert_eq!(join.await.error_code, ErrorCode::CoordinatorNotAvailable);
}

#[tokio::test]
async fn groups_are_listed_by_state_and_type_and_deleted_once() {
    let log = MemoryLog::new();
    let groups = groups(&log);
    for group in ["b", "a", "c"] {
        groups.commit(&committing(group, 1)).await.unwrap();
    }
    let joined = groups.join(&joining("c", Some("one")), 5, Caller::default()).await;
    groups.sync(&assigning("c", &joined.member_id)).await;
    let list = async |states: &[&str], types: &[&str]| -> Vec<String> {
        let owned =
            |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let listed = groups.list(&owned(states), &owned(types)).await;
        listed.groups.into_iter().map(|group| group.group_id).collect()
    };
    assert_eq!(list(&[], &[]).await, ["a", "b", "c"]);
    assert_eq!(list(&["empty"], &["Classic"]).await, ["a", "b"]);
    assert_eq!(list(&["Stable", "Dead"], &[]).await, ["c"]);
    assert_eq!(list(&[], &["consumer"]).await, [""; 0]);
    let names = ["a", "a", "c", "d"].map(str::to_owned);
    let deleted = groups.delete(&names).await.into_iter();
    let deleted: Vec<_> = deleted.map(|result| (result.group_id, result.error_code)).collect();
    let expected = [
        ("a".to_owned(), ErrorCode::None),
        ("c".to_owned(), ErrorCode::NonEmptyGroup),
        ("d".to_owned(), ErrorCode::GroupIdNotFound),
    ];
    assert_eq!(deleted, expected);
    assert_eq!(offset(&groups, "a").await, None);
    groups.forget_topics(&["t".to_owned()]).await.unwrap();
    assert_eq!(offset(&groups, "b").await, None);
    groups.shutdown().await;
}

#[tokio::test]
async fn a_damaged_batch_is_passed_over_and_the_others_count() {
    let log = MemoryLog::new();
    let first = groups(&log);
    for value in [1, 2, 3] {
        let mut commit = committing("g", 1);
        commit.topics[0].partitions[0].offset = value;
        first.commit(&commit).await.unwrap();
    }
    first.shutdown().await;
    {
        let mut logs = log.logs.lock().unwrap();
        let last = logs.values_mut().find_map(|log| log.last_mut()).unwrap();
        let mut bytes = Vec::from(std::mem::take(last));
        *bytes.last_mut().unwrap() ^= 1;
        *last = Bytes::from(bytes);
    }
    let second = groups(&log);
    assert_eq!(offset(&second, "g").await, Some(2));
    second.shutdown().await;
}

mod atomic;
mod leaders;
mod moves;
