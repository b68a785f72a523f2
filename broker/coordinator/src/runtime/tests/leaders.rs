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
