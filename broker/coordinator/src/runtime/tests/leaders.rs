//! Partitions whose leaders move.

use super::*;

impl MemoryLog {
    /// Another broker leads, or this one in another epoch.
    fn lead(&self, epoch: i32) {
        self.epoch.store(epoch, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_broker_that_leads_no_longer_tells_who_waits_and_decides_nothing() {
    let log = MemoryLog::new();
    let groups = groups(&log);
    let first = groups.join(&joining("g", Some("one")), 5, Caller::default()).await;
    assert_eq!(first.error_code, ErrorCode::None);
    // A second member waits for the first to join again.
    let second = joining("g", Some("two"));
    let mut waiting = Box::pin(groups.join(&second, 5, Caller::default()));
    assert!(futures::poll!(&mut waiting).is_pending());
    log.lead(-1);
    groups.follow_leaders();
    assert_eq!(waiting.await.error_code, ErrorCode::NotCoordinator);
    let records = log.records();
    let refused = groups.commit(&committing("g", 1)).await;
    assert_eq!(refused, Err(ErrorCode::NotCoordinator));
    assert_eq!(log.records(), records);
    groups.shutdown().await;
}

#[tokio::test]
async fn a_broker_that_leads_again_reads_what_another_one_has_written() {
    let log = MemoryLog::new();
    let (one, other) = (groups(&log), groups(&log));
    one.commit(&committing("g", 1)).await.unwrap();
    assert_eq!(offset(&one, "g").await, Some(100));
    // The other broker leads for a while; only the log is common to both.
    log.lead(1);
    let mut moved = committing("g", 1);
    moved.topics[0].partitions[0].offset = 500;
    other.commit(&moved).await.unwrap();
    log.lead(2);
    assert_eq!(offset(&one, "g").await, Some(500), "also before it was told to follow");
    one.follow_leaders();
    assert_eq!(offset(&one, "g").await, Some(500));
    one.shutdown().await;
    other.shutdown().await;
}

#[tokio::test]
async fn what_an_earlier_leader_has_left_is_told_when_it_is_committed() {
    let log = MemoryLog::new();
    let before = groups(&log);
    before.commit(&committing("g", 1)).await.unwrap();
    log.lead(1);
    log.committing.send_replace(false);
    let after = groups(&log);
    let wanted = [("t".to_owned(), vec![0])];
    let mut fetch = Box::pin(after.fetch("g", &wanted));
    // Reading the log takes another thread; it is not answered however often it is asked.
    for _ in 0..1000 {
        assert!(futures::poll!(&mut fetch).is_pending());
        tokio::task::yield_now().await;
    }
    log.committing.send_replace(true);
    assert_eq!(fetch.await.unwrap()[0].partitions[0].committed.as_ref().unwrap().offset, 100);
    before.shutdown().await;
    after.shutdown().await;
}

#[tokio::test]
async fn what_was_not_committed_in_time_is_shown_only_when_it_is() {
    let log = MemoryLog::new();
    let settings = Settings { offsets_commit_timeout_ms: 1, ..settings() };
    let clock = Arc::<TestClock>::default();
    let groups = Groups::start(settings, Codec::default(), log.clone(), clock);
    groups.commit(&committing("other", 1)).await.unwrap();
    log.committing.send_replace(false);
    let late = groups.commit(&committing("other", 1)).await;
    assert_eq!(late, Err(ErrorCode::CoordinatorNotAvailable));
    let mut joining = joining("other", Some("one"));
    joining.rebalance_timeout_ms = 1;
    let joined = groups.join(&joining, 5, Caller::default()).await;
    assert_eq!(joined.error_code, ErrorCode::CoordinatorNotAvailable);
    for _ in 0..2 {
        let fetched = groups.fetch("other", &[("t".to_owned(), vec![0])]).await;
        assert_eq!(fetched, Err(Unavailable::Append(AppendError::Timeout)));
    }
    log.committing.send_replace(true);
    while groups.fetch("other", &[]).await.is_err() {}
    assert_eq!(offset(&groups, "other").await, Some(100));
    groups.shutdown().await;
}

#[tokio::test]
async fn records_that_are_lost_are_forgotten_and_the_groups_read_anew() {
    let log = MemoryLog::new();
    let groups = groups(&log);
    groups.commit(&committing("g", 1)).await.unwrap();
    log.loses.store(true, Ordering::SeqCst);
    let mut more = committing("g", 1);
    more.topics[0].partitions[0].offset = 7;
    assert_eq!(groups.commit(&more).await, Err(ErrorCode::NotCoordinator));
    log.loses.store(false, Ordering::SeqCst);
    assert_eq!(offset(&groups, "g").await, Some(100));
    assert!(groups.commit(&more).await.is_ok());
    assert_eq!(offset(&groups, "g").await, Some(7));
    groups.shutdown().await;
}

#[tokio::test]
async fn groups_that_take_long_to_be_read_are_asked_for_later() {
    let log = MemoryLog::new();
    let before = groups(&log);
    before.commit(&committing("g", 1)).await.unwrap();
    log.lead(1);
    log.committing.send_replace(false);
    let after = groups(&log);
    after.follow_leaders();
    let fetched = after.fetch("g", &[("t".to_owned(), vec![0])]).await.unwrap_err();
    assert_eq!(fetched.code(), ErrorCode::CoordinatorLoadInProgress);
    let refused = after.commit(&committing("g", 1)).await;
    assert_eq!(refused, Err(ErrorCode::CoordinatorLoadInProgress));
    // An epoch that is over while its log is being read is of nobody's any more.
    log.lead(-1);
    after.follow_leaders();
    let fetched = after.fetch("g", &[]).await.unwrap_err();
    assert_eq!(fetched.code(), ErrorCode::NotCoordinator);
    log.lead(2);
    log.committing.send_replace(true);
    assert_eq!(offset(&after, "g").await, Some(100));
    before.shutdown().await;
    after.shutdown().await;
}
