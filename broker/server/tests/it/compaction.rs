//! Compacted topics over the wire: what is kept, what goes and when, and how the cleaner is set.

use std::path::Path;

use broker_log::Store;
use protocol::ErrorCode;
use protocol::messages::DeleteTopicsRequest;

use crate::clocked::{BEGIN, Clocked, DAY, Kept, SECOND, bound, first_offset, kept, keyed, until};
use crate::configs::{BROKER, DELETE, SET, TOPIC, adjust};
use crate::groups::{committing, fetching, find_coordinator, offsets};
use crate::support::Wire;

/// A segment is closed after a second, and any dirt is worth a cleaning.
const EAGER: [(&str, &str); 3] =
    [("cleanup.policy", "compact"), ("segment.ms", "1000"), ("min.cleanable.dirty.ratio", "0.001")];

fn eager<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    EAGER.iter().chain(more).copied().collect()
}

fn expected(records: &[(i64, &str, Option<&str>)]) -> Vec<Kept> {
    let owned = records
        .iter()
        .map(|(offset, key, value)| (*offset, (*key).to_owned(), value.map(str::to_owned)));
    owned.collect()
}

async fn put(wire: &mut Wire, topic: &str, now_ms: i64, key: &str, value: Option<&str>) {
    let response = wire.produce(topic, 0, keyed(now_ms, &[(key, value)])).await;
    assert_eq!(response.error_code, ErrorCode::None, "{response:?}");
}

/// Asks until the topic holds no more than this; each question gives the cleaner time.
async fn until_kept(wire: &mut Wire, topic: &str, records: &[(i64, &str, Option<&str>)]) {
    let expected = expected(records);
    let mut found = kept(wire, topic, 0).await;
    while found != expected {
        assert!(expected.iter().all(|one| found.contains(one)), "{found:?} lacks of {expected:?}");
        found = kept(wire, topic, 0).await;
    }
}

#[tokio::test]
async fn the_last_value_of_each_key_stays_at_its_offset_and_deletions_go_in_their_time() {
    let test = Clocked::start(&[]).await;
    let mut wire = test.connect().await;
    let settings = eager(&[("delete.retention.ms", "86400000")]);
    wire.create_topic("t", 1, &settings).await;
    for (key, value) in
        [("a", Some("1")), ("b", Some("1")), ("a", Some("2")), ("b", None), ("c", Some("1"))]
    {
        put(&mut wire, "t", BEGIN, key, value).await;
    }
    test.clock.set(BEGIN + 2 * SECOND);
    until_kept(&mut wire, "t", &[(2, "a", Some("2")), (3, "b", None), (4, "c", Some("1"))]).await;
    until(|| test.text("cleaner-offset-checkpoint") == "0\n1\nt 0 5\n").await;

    // Readers have a day to learn of the deletion, from the cleaning that met it.
    let nearly = BEGIN + DAY - 10 * SECOND;
    test.clock.set(nearly);
    put(&mut wire, "t", nearly, "c", Some("2")).await;
    test.clock.set(nearly + 2 * SECOND);
    until_kept(&mut wire, "t", &[(2, "a", Some("2")), (3, "b", None), (5, "c", Some("2"))]).await;
    let later = BEGIN + 3 * DAY;
    test.clock.set(later);
    put(&mut wire, "t", later, "c", Some("3")).await;
    test.clock.set(later + 2 * SECOND);
    let left = [(2, "a", Some("2")), (6, "c", Some("3"))];
    until_kept(&mut wire, "t", &left).await;
    assert_eq!(bound(&mut wire, "t", 0, -1).await, 7);

    let test = test.restart().await;
    let mut wire = test.connect().await;
    assert_eq!(kept(&mut wire, "t", 0).await, expected(&left));
    let response = wire.produce("t", 0, keyed(later, &[("d", Some("1"))])).await;
    assert_eq!(response.base_offset, 7, "offsets go on where they were");
    assert_eq!(first_offset(&mut wire, "t").await, 0, "a log is compacted, not shortened");
    test.stop().await;
}

#[tokio::test]
async fn committed_offsets_survive_the_compaction_of_their_topic_and_a_restart() {
    let test = Clocked::start(&[("offsets.topic.num.partitions", "1")]).await;
    let mut wire = test.connect().await;
    wire.create_topic("t", 1, &[]).await;
    for group in ["one", "two"] {
        find_coordinator(&mut wire, group).await;
    }
    let offsets_topic = "__consumer_offsets";
    let set = [(SET, "segment.ms", "1000"), (SET, "min.cleanable.dirty.ratio", "0.001")];
    let adjusted = adjust(&mut wire, (TOPIC, offsets_topic), &set, false).await;
    assert_eq!(adjusted.0, ErrorCode::None, "{adjusted:?}");
    let none = uuid::Uuid::nil();
    for offset in 1..=30 {
        for group in ["one", "two"] {
            let committed = wire.call(8, &committing(group, ("t", none), offset)).await;
            assert_eq!(committed.topics[0].partitions[0].error_code, ErrorCode::None);
        }
    }
    assert!(kept(&mut wire, offsets_topic, 0).await.len() >= 60);
    test.clock.set(BEGIN + 2 * SECOND);
    while kept(&mut wire, offsets_topic, 0).await.len() > 10 {}
    let test = test.restart().await;
    let mut wire = test.connect().await;
    for group in ["one", "two"] {
        find_coordinator(&mut wire, group).await;
        let fetched = offsets(&wire.call(8, &fetching(group, None)).await);
        assert_eq!(fetched, [("t".to_owned(), 30, ErrorCode::None)], "{group}");
    }
    let committed = wire.call(8, &committing("one", ("t", none), 31)).await;
    assert_eq!(committed.topics[0].partitions[0].error_code, ErrorCode::None);
    test.stop().await;
}

#[tokio::test]
async fn of_a_topic_with_both_policies_old_records_go_whatever_their_key() {
    let test = Clocked::start(&[]).await;
    let mut wire = test.connect().await;
    let age = (2 * DAY).to_string();
    let settings = eager(&[("cleanup.policy", "compact,delete"), ("retention.ms", &age)]);
    wire.create_topic("t", 1, &settings).await;
    for (key, value) in [("a", "1"), ("a", "2"), ("b", "1")] {
        put(&mut wire, "t", BEGIN, key, Some(value)).await;
    }
    test.clock.set(BEGIN + DAY);
    until_kept(&mut wire, "t", &[(1, "a", Some("2")), (2, "b", Some("1"))]).await;
    put(&mut wire, "t", BEGIN + DAY, "c", Some("1")).await;
    test.clock.set(BEGIN + 2 * DAY + SECOND);
    until_kept(&mut wire, "t", &[(3, "c", Some("1"))]).await;
    assert_eq!(first_offset(&mut wire, "t").await, 3);
    test.stop().await;
}

#[tokio::test]
async fn a_topic_is_compacted_from_when_its_policy_says_so_until_it_no_longer_does() {
    let test = Clocked::start(&[]).await;
    let mut wire = test.connect().await;
    let settings = [("segment.ms", "1000"), ("min.cleanable.dirty.ratio", "0.001")];
    wire.create_topic("t", 1, &settings).await;
    for value in ["1", "2"] {
        put(&mut wire, "t", BEGIN, "a", Some(value)).await;
    }
    test.clock.set(BEGIN + 2 * SECOND);
    until(|| test.segments("t-0").len() >= 2).await;
    assert_eq!(kept(&mut wire, "t", 0).await.len(), 2);
    let set = [(SET, "cleanup.policy", "compact")];
    assert_eq!(adjust(&mut wire, (TOPIC, "t"), &set, false).await.0, ErrorCode::None);
    until_kept(&mut wire, "t", &[(1, "a", Some("2"))]).await;
    let delete = [(DELETE, "cleanup.policy", "")];
    assert_eq!(adjust(&mut wire, (TOPIC, "t"), &delete, false).await.0, ErrorCode::None);
    test.clock.set(BEGIN + 8 * DAY);
    while first_offset(&mut wire, "t").await < 2 {}
    test.stop().await;
}

#[tokio::test]
async fn a_brokers_default_ratio_changes_while_it_runs() {
    let test = Clocked::start(&[("log.cleaner.min.cleanable.ratio", "0.9")]).await;
    let mut wire = test.connect().await;
    let settings = [("cleanup.policy", "compact"), ("segment.ms", "1000")];
    wire.create_topic("t", 1, &settings).await;
    for index in 0..20 {
        put(&mut wire, "t", BEGIN, &format!("key-{index}"), Some("1")).await;
    }
    test.clock.set(BEGIN + 2 * SECOND);
    // What was never cleaned is dirty as a whole.
    until(|| test.text("cleaner-offset-checkpoint") == "0\n1\nt 0 20\n").await;
    put(&mut wire, "t", BEGIN + 2 * SECOND, "key-0", Some("2")).await;
    test.clock.set(BEGIN + 4 * SECOND);
    until(|| test.segments("t-0").last() == Some(&21)).await;
    assert_eq!(kept(&mut wire, "t", 0).await.len(), 21, "a twentieth of it is dirty");
    let set = [(SET, "log.cleaner.min.cleanable.ratio", "0.01")];
    assert_eq!(adjust(&mut wire, (BROKER, ""), &set, false).await.0, ErrorCode::None);
    while kept(&mut wire, "t", 0).await.len() > 20 {}
    until(|| test.text("cleaner-offset-checkpoint") == "0\n1\nt 0 21\n").await;
    test.stop().await;
}

#[tokio::test]
async fn young_records_are_left_alone_and_old_ones_must_be_reached() {
    let test = Clocked::start(&[]).await;
    let mut wire = test.connect().await;
    let day = DAY.to_string();
    let lagging = eager(&[("min.compaction.lag.ms", &day)]);
    wire.create_topic("young", 1, &lagging).await;
    // Never dirty enough, and never full or old enough to be closed.
    let late = [
        ("cleanup.policy", "compact"),
        ("min.cleanable.dirty.ratio", "1"),
        ("max.compaction.lag.ms", &day),
    ];
    wire.create_topic("old", 1, &late).await;
    for topic in ["young", "old"] {
        for value in ["1", "2"] {
            put(&mut wire, topic, BEGIN, "a", Some(value)).await;
        }
    }
    test.clock.set(BEGIN + DAY - SECOND);
    until(|| test.segments("young-0").len() >= 2).await;
    for topic in ["young", "old"] {
        assert_eq!(kept(&mut wire, topic, 0).await.len(), 2, "{topic}");
    }
    test.clock.set(BEGIN + DAY + 2 * SECOND);
    for topic in ["young", "old"] {
        until_kept(&mut wire, topic, &[(1, "a", Some("2"))]).await;
    }
    test.stop().await;
}

#[tokio::test]
async fn a_cleaner_that_is_switched_off_keeps_every_record() {
    let test = Clocked::start(&[("log.cleaner.enable", "false")]).await;
    let mut wire = test.connect().await;
    wire.create_topic("t", 1, &EAGER).await;
    for value in ["1", "2"] {
        put(&mut wire, "t", BEGIN, "a", Some(value)).await;
    }
    test.clock.set(BEGIN + 2 * SECOND);
    until(|| test.segments("t-0").len() >= 2).await;
    assert_eq!(kept(&mut wire, "t", 0).await.len(), 2);
    let set = [(SET, "log.cleaner.enable", "true")];
    let refused = adjust(&mut wire, (BROKER, ""), &set, false).await;
    assert_eq!(refused.1, "Cannot update these configs dynamically: [log.cleaner.enable]");
    test.stop().await;
}

#[tokio::test]
async fn a_slow_compaction_ends_with_its_log_or_its_broker_and_follows_a_new_rate() {
    let test = Clocked::start(&[("log.cleaner.io.max.bytes.per.second", "0.001")]).await;
    let mut wire = test.connect().await;
    for topic in ["gone", "t"] {
        wire.create_topic(topic, 1, &EAGER).await;
        for value in ["1", "2"] {
            put(&mut wire, topic, BEGIN, "a", Some(value)).await;
        }
    }
    test.clock.set(BEGIN + 2 * SECOND);
    for topic in ["gone-0", "t-0"] {
        until(|| test.segments(topic).len() >= 2).await;
    }
    let delete = DeleteTopicsRequest {
        topic_names: vec!["gone".to_owned()],
        ..DeleteTopicsRequest::default()
    };
    assert_eq!(wire.call(5, &delete).await.responses[0].error_code, ErrorCode::None);
    let test = test.restart().await;
    let mut wire = test.connect().await;
    assert_eq!(kept(&mut wire, "t", 0).await.len(), 2);
    let set = [(SET, "log.cleaner.io.max.bytes.per.second", "1000000")];
    assert_eq!(adjust(&mut wire, (BROKER, ""), &set, false).await.0, ErrorCode::None);
    until_kept(&mut wire, "t", &[(1, "a", Some("2"))]).await;
    test.stop().await;
}

#[tokio::test]
async fn settings_of_the_cleaner_that_do_not_fit_each_other_are_refused() {
    let test = Clocked::start(&[]).await;
    let mut wire = test.connect().await;
    let set =
        [(SET, "log.cleaner.threads", "4"), (SET, "log.cleaner.dedupe.buffer.size", "4194304")];
    assert_eq!(adjust(&mut wire, (BROKER, ""), &set, false).await.0, ErrorCode::None);
    for (key, value, words) in [
        ("log.cleaner.threads", "5", "at least 1 MiB per cleaner thread"),
        ("log.cleaner.threads", "0", "log.cleaner.threads must be at least 1"),
        ("log.cleaner.io.buffer.load.factor", "1.5", "between 0 and 1"),
        ("log.cleaner.io.max.bytes.per.second", "0.0", "above 0"),
        ("log.cleaner.max.compaction.lag.ms", "5", ""),
        ("log.cleaner.min.compaction.lag.ms", "6", "min.compaction.lag.ms (6)"),
    ] {
        let (code, message) = adjust(&mut wire, (BROKER, ""), &[(SET, key, value)], false).await;
        assert_eq!(code.is_error(), !words.is_empty(), "{key}={value}: {message}");
        assert!(message.contains(words), "{key}={value}: {message}");
    }
    test.stop().await;
}

#[tokio::test]
async fn the_checkpoint_forgets_a_deleted_topic_so_that_the_next_of_its_name_is_cleaned() {
    let test = Clocked::start(&[]).await;
    let mut wire = test.connect().await;
    for round in 1..=2 {
        let begin = BEGIN + round * DAY;
        test.clock.set(begin);
        wire.create_topic("t", 1, &EAGER).await;
        for value in ["1", "2", "3"] {
            put(&mut wire, "t", begin, "a", Some(value)).await;
        }
        test.clock.set(begin + 2 * SECOND);
        until_kept(&mut wire, "t", &[(2, "a", Some("3"))]).await;
        until(|| test.text("cleaner-offset-checkpoint") == "0\n1\nt 0 3\n").await;
        let delete = DeleteTopicsRequest {
            topic_names: vec!["t".to_owned()],
            ..DeleteTopicsRequest::default()
        };
        assert_eq!(wire.call(5, &delete).await.responses[0].error_code, ErrorCode::None);
        assert_eq!(test.text("cleaner-offset-checkpoint"), "0\n0\n");
    }
    test.stop().await;
}

#[tokio::test]
async fn a_damaged_log_is_left_as_it_is_while_others_are_cleaned_and_is_tried_again() {
    let test = Clocked::start(&[]).await;
    let mut wire = test.connect().await;
    for topic in ["bad", "good"] {
        wire.create_topic(topic, 1, &EAGER).await;
        for value in ["1", "2"] {
            put(&mut wire, topic, BEGIN, "a", Some(value)).await;
        }
    }
    let path = Path::new("/data/bad-0/00000000000000000000.log");
    let file = test.store.open(path).unwrap();
    let place = file.size().unwrap() - 1;
    let mut byte = [0];
    file.read_at(&mut byte, place).unwrap();
    file.write_at(&[!byte[0]], place).unwrap();
    test.clock.set(BEGIN + 2 * SECOND);
    until_kept(&mut wire, "good", &[(1, "a", Some("2"))]).await;
    until(|| test.segments("bad-0").len() >= 2).await;

    // One thread compacts, the filthier log first: with the other one clean again, this one was
    // tried, and its pause runs.
    put(&mut wire, "good", BEGIN + 2 * SECOND, "a", Some("3")).await;
    test.clock.set(BEGIN + 4 * SECOND);
    until_kept(&mut wire, "good", &[(2, "a", Some("3"))]).await;
    assert_eq!(test.segments("bad-0"), [0, 2]);
    assert_eq!(file.size().unwrap(), place + 1);
    file.write_at(&byte, place).unwrap();
    test.clock.set(BEGIN + 4 * SECOND + DAY);
    until_kept(&mut wire, "bad", &[(1, "a", Some("2"))]).await;
    test.stop().await;
}
