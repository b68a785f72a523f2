//! What requests name, and what answers do to the session.

use super::*;

const T: Uuid = Uuid::from_u128(1);
const U: Uuid = Uuid::from_u128(2);

fn settings() -> FetcherSettings {
    FetcherSettings {
        node: 7,
        broker_epoch: 70,
        cluster_id: Some("cluster".into()),
        max_wait_ms: 500,
        min_bytes: 1,
        max_bytes: 1000,
        partition_max_bytes: 100,
    }
}

fn key(topic_id: Uuid, partition: i32) -> PartitionKey {
    PartitionKey { topic_id, partition }
}

fn at(fetch_offset: i64) -> FetchPosition {
    FetchPosition {
        leader_epoch: 3,
        fetch_offset,
        last_fetched_epoch: 2,
        log_start_offset: 1,
        high_watermark: 4,
        directory: Uuid::nil(),
    }
}

fn name(topic_id: Uuid) -> Arc<str> {
    if topic_id == T { "t".into() } else { "u".into() }
}

fn fetcher(partitions: &[(Uuid, i32, i64)]) -> LeaderFetcher {
    let mut fetcher = LeaderFetcher::new(settings());
    for (topic, partition, offset) in partitions {
        fetcher.assign(key(*topic, *partition), &name(*topic), at(*offset));
    }
    fetcher
}

/// Session id and epoch, what is asked for and what is forgotten.
fn ask_at(fetcher: &mut LeaderFetcher, now_ms: i64) -> Option<String> {
    let request = fetcher.next_request(18, now_ms)?;
    let short = |id: Uuid| if id == T { 't' } else { 'u' };
    let asked = request.topics.iter().flat_map(|topic| {
        let offsets = topic.partitions.iter();
        offsets
            .map(move |p| format!(" {}{}@{}", short(topic.topic_id), p.partition, p.fetch_offset))
    });
    let forgotten = request.forgotten_topics_data.iter().flat_map(|topic| {
        topic.partitions.iter().map(move |p| format!(" -{}{p}", short(topic.topic_id)))
    });
    let head = format!("{}/{}", request.session_id, request.session_epoch);
    Some([head].into_iter().chain(asked).chain(forgotten).collect())
}

fn ask(fetcher: &mut LeaderFetcher) -> String {
    ask_at(fetcher, 0).unwrap_or_else(|| "nothing".to_owned())
}

fn answer(fetcher: &mut LeaderFetcher, session: i32, partitions: &[(Uuid, i32)]) {
    let keys: Vec<_> = partitions.iter().map(|(topic, index)| key(*topic, *index)).collect();
    assert_eq!(fetcher.on_response(ErrorCode::None, session, &keys), Ok(()));
}

#[test]
fn each_request_of_a_session_names_only_what_has_changed() {
    let mut fetcher = fetcher(&[(T, 0, 10), (T, 1, 11), (U, 0, 12)]);
    assert_eq!(ask(&mut fetcher), "0/0 t0@10 t1@11 u0@12");
    assert_eq!(ask(&mut fetcher), "nothing", "one request at a time");
    answer(&mut fetcher, 42, &[(T, 0), (T, 1), (U, 0)]);
    assert_eq!(ask(&mut fetcher), "42/1");
    answer(&mut fetcher, 42, &[(T, 1)]);
    fetcher.update(key(T, 1), at(20), true);
    fetcher.update(key(U, 0), at(12), false);
    assert_eq!(ask(&mut fetcher), "42/2 t1@20");
    answer(&mut fetcher, 42, &[]);
    fetcher.remove(key(T, 0));
    fetcher.assign(key(U, 5), &name(U), at(0));
    assert_eq!(ask(&mut fetcher), "42/3 u5@0 -t0");
    answer(&mut fetcher, 42, &[(U, 5)]);
    assert_eq!(ask(&mut fetcher), "42/4");
}

#[test]
fn whatever_of_a_position_changes_is_told() {
    let changes: [fn(&mut FetchPosition); 6] = [
        |position| position.leader_epoch += 1,
        |position| position.fetch_offset += 1,
        |position| position.last_fetched_epoch += 1,
        |position| position.log_start_offset += 1,
        |position| position.high_watermark += 1,
        |position| position.directory = U,
    ];
    for change in changes {
        let mut fetcher = fetcher(&[(T, 0, 10)]);
        ask(&mut fetcher);
        answer(&mut fetcher, 42, &[(T, 0)]);
        let mut position = at(10);
        change(&mut position);
        fetcher.update(key(T, 0), position, false);
        let request = fetcher.next_request(18, 0).unwrap();
        assert_eq!(request.topics[0].partitions.len(), 1);
        assert_eq!(fetcher.asked(key(T, 0)), Some(position));
    }
}

#[test]
fn a_session_that_is_lost_begins_again_with_all_partitions() {
    // The answer -> the session that the next request goes by.
    let cases = [
        (ErrorCode::FetchSessionIdNotFound, 0, "0/0"),
        (ErrorCode::InvalidFetchSessionEpoch, 0, "42/0"),
        (ErrorCode::FetchSessionTopicIdError, 0, "42/0"),
        (ErrorCode::UnknownServerError, 42, "42/0"),
    ];
    for (error, session_id, session) in cases {
        let mut fetcher = fetcher(&[(T, 0, 10), (T, 1, 11)]);
        ask(&mut fetcher);
        answer(&mut fetcher, 42, &[(T, 0), (T, 1)]);
        fetcher.update(key(T, 1), at(12), false);
        assert_eq!(ask(&mut fetcher), "42/1 t1@12");
        let refused = fetcher.on_response(error, session_id, &[]);
        assert_eq!(refused, Err(ResponseError::Refused(error)));
        assert_eq!(fetcher.asked(key(T, 0)), None);
        assert_eq!(ask(&mut fetcher), format!("{session} t0@10 t1@12"), "{error}");
        answer(&mut fetcher, 43, &[(T, 0), (T, 1)]);
        assert_eq!(ask(&mut fetcher), "43/1");
    }
}

#[test]
fn a_lost_connection_ends_the_session() {
    let mut fetcher = fetcher(&[(T, 0, 10)]);
    ask(&mut fetcher);
    answer(&mut fetcher, 42, &[(T, 0)]);
    ask(&mut fetcher);
    fetcher.on_failure();
    assert_eq!(ask(&mut fetcher), "42/0 t0@10");
}

#[test]
fn a_leader_without_sessions_is_asked_for_everything_each_time() {
    let mut fetcher = fetcher(&[(T, 0, 10), (T, 1, 11)]);
    for _ in 0..2 {
        assert_eq!(ask(&mut fetcher), "0/0 t0@10 t1@11");
        answer(&mut fetcher, 0, &[(T, 0), (T, 1)]);
        assert_eq!(fetcher.asked(key(T, 0)), Some(at(10)), "the answer counts");
    }
    ask(&mut fetcher);
    answer(&mut fetcher, 42, &[(T, 0), (T, 1)]);
    assert_eq!(ask(&mut fetcher), "42/1");
    answer(&mut fetcher, 0, &[]);
    assert_eq!(ask(&mut fetcher), "0/0 t0@10 t1@11", "the leader has ended the session");
}

#[test]
fn an_answer_that_does_not_fit_the_question_ends_the_session() {
    let open = || {
        let mut fetcher = fetcher(&[(T, 0, 10), (T, 1, 11)]);
        ask(&mut fetcher);
        answer(&mut fetcher, 42, &[(T, 0), (T, 1)]);
        ask(&mut fetcher);
        fetcher
    };
    let (asked, found) = (42, 43);
    let cases = [
        (found, vec![], ResponseError::OtherSession { asked, found }),
        (42, vec![key(U, 0)], ResponseError::Unasked(key(U, 0))),
    ];
    for (session, keys, error) in cases {
        let mut fetcher = open();
        assert_eq!(fetcher.on_response(ErrorCode::None, session, &keys), Err(error));
        assert_eq!(ask(&mut fetcher), "42/0 t0@10 t1@11");
        let answer = fetcher.on_response(ErrorCode::None, 44, &[key(T, 0)]);
        assert_eq!(answer, Err(ResponseError::Incomplete { asked: 2, found: 1 }));
    }
    let mut fetcher = open();
    answer(&mut fetcher, 42, &[]);
    let again = fetcher.on_response(ErrorCode::None, 42, &[]);
    assert_eq!(again, Err(ResponseError::NothingAsked));
}

#[test]
fn an_answer_about_a_partition_that_was_given_up_meanwhile_is_no_fault() {
    let mut fetcher = fetcher(&[(T, 0, 10), (T, 1, 11)]);
    ask(&mut fetcher);
    fetcher.remove(key(T, 1));
    answer(&mut fetcher, 42, &[(T, 0), (T, 1)]);
    assert_eq!(fetcher.asked(key(T, 1)), None);
    assert_eq!(ask(&mut fetcher), "42/1 -t1");
}

#[test]
fn a_partition_that_is_held_back_is_forgotten_and_named_again() {
    let mut fetcher = fetcher(&[(T, 0, 10), (T, 1, 11)]);
    ask(&mut fetcher);
    answer(&mut fetcher, 42, &[(T, 0), (T, 1)]);
    fetcher.hold(key(T, 1), 100);
    assert_eq!((ask(&mut fetcher), fetcher.next_release_ms()), ("42/1 -t1".into(), Some(100)));
    answer(&mut fetcher, 42, &[]);
    assert_eq!(ask_at(&mut fetcher, 99).unwrap(), "42/2");
    answer(&mut fetcher, 42, &[]);
    assert_eq!(ask_at(&mut fetcher, 100).unwrap(), "42/3 t1@11");
    assert_eq!(fetcher.next_release_ms(), None);
}

#[test]
fn a_hold_of_which_the_leader_was_not_told_changes_nothing_in_the_session() {
    let mut fetcher = fetcher(&[(T, 0, 10), (T, 1, 11)]);
    ask(&mut fetcher);
    answer(&mut fetcher, 42, &[(T, 0), (T, 1)]);
    fetcher.hold(key(T, 1), 50);
    fetcher.hold(key(T, 1), 100);
    assert_eq!(ask_at(&mut fetcher, 100).unwrap(), "42/1");
    answer(&mut fetcher, 42, &[]);
    fetcher.hold(key(T, 0), 200);
    fetcher.update(key(T, 0), at(15), true);
    assert_eq!(ask_at(&mut fetcher, 200).unwrap(), "42/2 t0@15");
}

#[test]
fn nothing_is_asked_while_all_partitions_are_held_back() {
    let mut fetcher = fetcher(&[(T, 0, 10)]);
    fetcher.hold(key(T, 0), 100);
    assert_eq!(ask_at(&mut fetcher, 99), None);
    assert_eq!(ask_at(&mut fetcher, 100).unwrap(), "0/0 t0@10");
    answer(&mut fetcher, 42, &[(T, 0)]);
    fetcher.hold(key(T, 0), 300);
    fetcher.remove(key(T, 0));
    assert_eq!((ask_at(&mut fetcher, 300), fetcher.is_empty()), (None, true));
    fetcher.assign(key(T, 1), &name(T), at(5));
    assert_eq!(ask(&mut fetcher), "42/1 t1@5 -t0");
}

#[test]
fn a_partition_that_comes_back_is_not_forgotten() {
    let mut fetcher = fetcher(&[(T, 0, 10), (T, 1, 11)]);
    ask(&mut fetcher);
    answer(&mut fetcher, 42, &[(T, 0), (T, 1)]);
    fetcher.remove(key(T, 1));
    fetcher.assign(key(T, 1), &name(T), at(11));
    assert_eq!(ask(&mut fetcher), "42/1 t1@11");
    answer(&mut fetcher, 42, &[]);
    fetcher.hold(key(T, 1), 100);
    fetcher.assign(key(T, 1), &name(T), at(12));
    assert_eq!((ask(&mut fetcher), fetcher.next_release_ms()), ("42/2 t1@12".into(), None));
}

#[test]
fn whoever_has_had_records_goes_to_the_end_of_the_row() {
    let mut fetcher = fetcher(&[(T, 0, 10), (T, 1, 11), (U, 0, 12)]);
    assert_eq!(ask(&mut fetcher), "0/0 t0@10 t1@11 u0@12");
    answer(&mut fetcher, 0, &[(T, 0), (T, 1), (U, 0)]);
    fetcher.update(key(T, 0), at(20), true);
    fetcher.update(key(T, 1), at(11), false);
    assert_eq!(ask(&mut fetcher), "0/0 t1@11 u0@12 t0@20");
    answer(&mut fetcher, 0, &[(T, 0), (T, 1), (U, 0)]);
    fetcher.update(key(T, 1), at(21), true);
    assert_eq!(ask(&mut fetcher), "0/0 u0@12 t0@20 t1@21");
}

#[test]
fn a_request_says_who_asks_as_its_version_wants_it_and_can_be_sent() {
    for version in 12..=18 {
        let mut fetcher = fetcher(&[(T, 0, 10)]);
        let request = fetcher.next_request(version, 0).unwrap();
        let state = (request.replica_state.replica_id, request.replica_state.replica_epoch);
        let who = if version < 15 { (7, (-1, -1)) } else { (-1, (7, 70)) };
        assert_eq!((request.replica_id, state), who, "version {version}");
        let named = (request.topics[0].topic.as_str(), request.topics[0].topic_id);
        let expected = if version < 13 { ("t", Uuid::nil()) } else { ("", T) };
        assert_eq!(named, expected, "version {version}");
        let mut writer = protocol::Writer::new();
        protocol::Message::encode(&request, &mut writer, version).unwrap();
        let partition = &request.topics[0].partitions[0];
        assert_eq!(partition.partition_max_bytes, 100);
        assert_eq!((partition.last_fetched_epoch, partition.high_watermark), (2, 4));
        assert_eq!((request.max_wait_ms, request.min_bytes, request.max_bytes), (500, 1, 1000));
        assert_eq!(request.cluster_id.as_deref(), Some("cluster"));
    }
    let mut registered_anew = fetcher(&[(T, 0, 10)]);
    registered_anew.set_broker_epoch(71);
    let request = registered_anew.next_request(18, 0).unwrap();
    assert_eq!(request.replica_state.replica_epoch, 71);
}

#[test]
fn names_and_ids_are_not_mixed_in_a_session() {
    let mut fetcher = fetcher(&[(T, 0, 10)]);
    fetcher.next_request(12, 0).unwrap();
    assert_eq!((fetcher.topic_id("t"), fetcher.topic_id("u")), (Some(T), None));
    answer(&mut fetcher, 42, &[(T, 0)]);
    let request = fetcher.next_request(13, 0).unwrap();
    assert_eq!((request.session_id, request.session_epoch, request.topics.len()), (42, 0, 1));
}

#[test]
fn a_topic_made_anew_under_its_name_is_asked_for_in_a_session_of_its_own() {
    let mut fetcher = fetcher(&[(T, 0, 10)]);
    fetcher.next_request(12, 0).unwrap();
    answer(&mut fetcher, 42, &[(T, 0)]);
    fetcher.remove(key(T, 0));
    fetcher.assign(key(U, 0), &name(T), at(0));
    let request = fetcher.next_request(12, 0).unwrap();
    assert_eq!((request.session_epoch, request.forgotten_topics_data.len()), (0, 0));
    assert_eq!((request.topics.len(), fetcher.topic_id("t")), (1, Some(U)));
    assert_eq!((fetcher.asked(key(U, 0)), fetcher.asked(key(T, 0))), (Some(at(0)), None));
}
