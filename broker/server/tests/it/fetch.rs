//! Fetch: limits, waiting, sessions, epochs; ListOffsets, OffsetForLeaderEpoch and DeleteRecords
//! beside it.

use protocol::ErrorCode;
use protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use protocol::messages::{
    DeleteRecordsRequest, FetchRequest, ListOffsetsRequest, OffsetForLeaderEpochRequest,
};

use crate::support::{TestBroker, Wire, batch, fetch, records_of};

#[tokio::test]
async fn a_batch_comes_whole_whatever_the_limits_and_whichever_of_its_offsets_is_asked() {
    let test = TestBroker::start().await;
    let mut wire = test.connect().await;
    wire.create_topic("t", 2, &[]).await;
    wire.produce("t", 0, batch(&["a", "b", "c"])).await;
    wire.produce("t", 0, batch(&["d"])).await;
    wire.produce("t", 1, batch(&["e"])).await;
    let mut request = fetch("t", &[(0, 1), (1, 0)], 0);
    request.max_bytes = 1;
    let response = wire.call(12, &request).await;
    let first: Vec<(i64, String)> =
        [(0, "a"), (1, "b"), (2, "c")].map(|(offset, value)| (offset, value.to_owned())).into();
    assert_eq!(records_of(&response), first);
    assert_eq!(response.responses[0].partitions[1].high_watermark, 1);
    test.stop().await;
}

#[tokio::test]
async fn a_fetch_waits_for_its_least_bytes_and_no_longer_than_its_time() {
    let test = TestBroker::start().await;
    let mut wire = test.connect().await;
    wire.create_topic("t", 1, &[]).await;
    let empty = wire.fetch("t", 0, 0, 1).await;
    assert_eq!(records_of(&empty), []);

    let one = batch(&["a"]);
    let mut request = fetch("t", &[(0, 0)], 600_000);
    request.min_bytes = i32::try_from(one.len()).unwrap() + 1;
    wire.send(12, &request).await;
    let mut producer = test.connect().await;
    producer.produce("t", 0, one).await;
    producer.produce("t", 0, batch(&["b"])).await;
    let response = wire.receive::<FetchRequest>(12).await;
    assert_eq!(records_of(&response), [(0, "a".to_owned()), (1, "b".to_owned())]);
    test.stop().await;
}

#[tokio::test]
async fn a_parked_fetch_learns_that_its_topic_was_deleted() {
    let test = TestBroker::start().await;
    let mut wire = test.connect().await;
    wire.create_topic("t", 1, &[]).await;
    wire.send(12, &fetch("t", &[(0, 0)], 600_000)).await;
    let mut other = test.connect().await;
    let delete = protocol::messages::DeleteTopicsRequest {
        topic_names: vec!["t".to_owned()],
        ..Default::default()
    };
    other.call(5, &delete).await;
    let response = wire.receive::<FetchRequest>(12).await;
    let code = response.responses[0].partitions[0].error_code;
    assert_eq!(code, ErrorCode::UnknownTopicOrPartition);
    test.stop().await;
}

#[tokio::test]
async fn a_session_remembers_and_tells_only_news() {
    let test = TestBroker::start().await;
    let mut wire = test.connect().await;
    wire.create_topic("t", 2, &[]).await;
    wire.produce("t", 0, batch(&["a"])).await;
    let mut open = fetch("t", &[(0, 0), (1, 0)], 0);
    open.session_epoch = 0;
    let full = wire.call(12, &open).await;
    assert!(full.session_id > 0);
    assert_eq!(full.responses[0].partitions.len(), 2, "the first answer has all partitions");

    // The consumer goes on at 1: nothing is new.
    let mut advance = fetch("t", &[(0, 1)], 0);
    (advance.session_id, advance.session_epoch) = (full.session_id, 1);
    let nothing = wire.call(12, &advance).await;
    assert_eq!(nothing.responses, []);

    wire.produce("t", 1, batch(&["b"])).await;
    let again = |epoch| FetchRequest {
        session_id: full.session_id,
        session_epoch: epoch,
        ..fetch("t", &[], 0)
    };
    let news = wire.call(12, &FetchRequest { topics: Vec::new(), ..again(2) }).await;
    assert_eq!(records_of(&news), [(0, "b".to_owned())]);
    assert_eq!(news.responses[0].partitions[0].partition_index, 1);
    let stale = wire.call(12, &FetchRequest { topics: Vec::new(), ..again(2) }).await;
    assert_eq!(stale.error_code, ErrorCode::InvalidFetchSessionEpoch);
    let unknown = FetchRequest { session_id: 1 + full.session_id, ..again(1) };
    let unknown = wire.call(12, &unknown).await;
    assert_eq!(unknown.error_code, ErrorCode::FetchSessionIdNotFound);
    test.stop().await;
}

#[tokio::test]
async fn places_outside_of_the_log_and_wrong_epochs_have_their_codes() {
    let test = TestBroker::start().await;
    let mut wire = test.connect().await;
    wire.create_topic("t", 1, &[]).await;
    wire.produce("t", 0, batch(&["a"])).await;
    let code = async |wire: &mut Wire, offset: i64, epoch: i32, last: i32| {
        let mut request = fetch("t", &[(0, offset)], 0);
        request.topics[0].partitions[0].current_leader_epoch = epoch;
        request.topics[0].partitions[0].last_fetched_epoch = last;
        wire.call(12, &request).await.responses[0].partitions[0].clone()
    };
    for (offset, epoch, expected) in [
        (2, -1, ErrorCode::OffsetOutOfRange),
        (-1, -1, ErrorCode::OffsetOutOfRange),
        (0, 0, ErrorCode::None),
        (1, 0, ErrorCode::None),
        (0, 7, ErrorCode::UnknownLeaderEpoch),
    ] {
        let found = code(&mut wire, offset, epoch, -1).await.error_code;
        assert_eq!(found, expected, "offset {offset} epoch {epoch}");
    }
    let diverging = code(&mut wire, 5, -1, 0).await;
    assert_eq!(diverging.error_code, ErrorCode::None);
    assert_eq!((diverging.diverging_epoch.epoch, diverging.diverging_epoch.end_offset), (0, 1));
    test.stop().await;
}

async fn offset_at(wire: &mut Wire, timestamp: i64) -> (i64, i64) {
    let partition = ListOffsetsPartition { timestamp, ..Default::default() };
    let topic = ListOffsetsTopic { name: "t".to_owned(), partitions: vec![partition] };
    let request = ListOffsetsRequest { replica_id: -1, topics: vec![topic], ..Default::default() };
    let response = wire.call(11, &request).await;
    let found = &response.topics[0].partitions[0];
    assert_eq!(found.error_code, ErrorCode::None);
    (found.offset, found.timestamp)
}

#[tokio::test]
async fn offsets_are_listed_by_place_and_by_time_and_records_deleted_below_one() {
    let test = TestBroker::start().await;
    let mut wire = test.connect().await;
    wire.create_topic("t", 1, &[]).await;
    for (value, time) in [("a", 1000), ("b", 3000), ("c", 2000)] {
        let mut builder = protocol::record::BatchBuilder::new(Default::default());
        builder.append(time, None, Some(value.as_bytes()), &[]);
        wire.produce("t", 0, builder.finish()).await;
    }
    for (asked, expected) in [
        (-1, (3, -1)),
        (-2, (0, -1)),
        (-3, (1, 3000)),
        (-4, (0, -1)),
        (-5, (-1, -1)),
        (-6, (-1, -1)),
        (500, (0, 1000)),
        (1001, (1, 3000)),
        (3001, (-1, -1)),
    ] {
        assert_eq!(offset_at(&mut wire, asked).await, expected, "time {asked}");
    }
    let delete = |offset| DeleteRecordsRequest {
        topics: vec![DeleteRecordsTopic {
            name: "t".to_owned(),
            partitions: vec![DeleteRecordsPartition { partition_index: 0, offset }],
        }],
        timeout_ms: 1000,
    };
    let deleted = wire.call(2, &delete(2)).await;
    assert_eq!(deleted.topics[0].partitions[0].low_watermark, 2);
    let beyond = wire.call(2, &delete(9)).await;
    assert_eq!(beyond.topics[0].partitions[0].error_code, ErrorCode::OffsetOutOfRange);
    assert_eq!(offset_at(&mut wire, -2).await, (2, -1));

    // The start of the log is remembered.
    let test = test.restart().await;
    let mut wire = test.connect().await;
    assert_eq!(offset_at(&mut wire, -2).await, (2, -1));
    let below = wire.fetch("t", 0, 1, 0).await;
    assert_eq!(below.responses[0].partitions[0].error_code, ErrorCode::OffsetOutOfRange);
    let end = OffsetForLeaderEpochRequest {
        replica_id: -1,
        topics: vec![OffsetForLeaderTopic {
            topic: "t".to_owned(),
            partitions: vec![OffsetForLeaderPartition::default()],
        }],
    };
    let end = wire.call(4, &end).await;
    assert_eq!(end.topics[0].partitions[0].end_offset, 3);
    test.stop().await;
}
