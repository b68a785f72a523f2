//! Stories of the consumer outside of groups.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use client::admin::AlterConfigOp;
use client::consumer::OffsetReset;
use client::{ConsumeError, Consumer, Polled, Producer, ProducerConfig, Record};

use crate::target::{Target, numbered, partition, values};

const LONG: Duration = Duration::from_secs(10);

/// The next records.
async fn next(consumer: &mut Consumer) -> Polled {
    let polled = consumer.poll(LONG).await.unwrap();
    assert!(!polled.is_empty(), "records were expected");
    polled
}

fn texts(polled: &Polled) -> Vec<String> {
    values(&polled.records().map(Result::unwrap).collect::<Vec<_>>())
}

pub(crate) async fn positions_are_sought_and_found(target: Arc<Target>) {
    let topic = target.topic_with("seek", 2, &[("retention.ms", "-1")]).await;
    let producer = target.producer();
    for n in 0..10i64 {
        let record = Record::to(topic.as_str())
            .partition(0)
            .value(format!("v{n}"))
            .timestamp_ms(1_700_000_000_000 + n * 1000);
        producer.send(record).await.unwrap().await.unwrap();
    }
    producer.close().await;
    let (zero, one) = (partition(&topic, 0), partition(&topic, 1));
    let mut consumer = Consumer::new(target.reading()).unwrap();
    assert!(matches!(consumer.poll(LONG).await, Err(ConsumeError::IllegalState(_))));
    consumer.assign([zero.clone()]).unwrap();
    assert_eq!(consumer.position(&zero).await.unwrap(), 0);
    assert_eq!(texts(&next(&mut consumer).await)[0], "v0");
    consumer.seek(&zero, 7).unwrap();
    assert_eq!(texts(&next(&mut consumer).await)[0], "v7");
    consumer.seek_to_end(&[]).unwrap();
    assert_eq!(consumer.position(&zero).await.unwrap(), 10);
    assert!(consumer.poll(Duration::from_millis(50)).await.unwrap().is_empty());
    consumer.seek_to_beginning(std::slice::from_ref(&zero)).unwrap();
    assert_eq!(texts(&next(&mut consumer).await)[0], "v0");
    assert!(matches!(consumer.seek(&one, 0), Err(ConsumeError::NotAssigned(_))));

    let both = [zero.clone(), one.clone()];
    let expected = |a, b| BTreeMap::from([(zero.clone(), a), (one.clone(), b)]);
    assert_eq!(consumer.beginning_offsets(&both).await.unwrap(), expected(0, 0));
    assert_eq!(consumer.end_offsets(&both).await.unwrap(), expected(10, 0));
    let times = expected(1_700_000_000_000 + 4500, 0);
    let found = consumer.offsets_for_times(&times).await.unwrap();
    assert_eq!(found[&zero].offset, Some(5));
    assert_eq!(found[&zero].timestamp_ms, Some(1_700_000_000_000 + 5000));
    assert_eq!(found[&one].offset, None);
    consumer.close().await.unwrap();
}

pub(crate) async fn a_paused_partition_shows_nothing(target: Arc<Target>) {
    let topic = target.topic("pause", 2).await;
    target.send(&topic, 0, numbered("a", 3)).await;
    target.send(&topic, 1, numbered("b", 3)).await;
    let (zero, one) = (partition(&topic, 0), partition(&topic, 1));
    let mut consumer = Consumer::new(target.reading()).unwrap();
    consumer.assign([zero.clone(), one]).unwrap();
    consumer.pause(std::slice::from_ref(&zero)).unwrap();
    assert_eq!(consumer.paused(), std::slice::from_ref(&zero));
    let mut seen = Vec::new();
    while seen.len() < 3 {
        seen.extend(texts(&next(&mut consumer).await));
    }
    assert_eq!(seen, numbered("b", 3));
    assert!(consumer.poll(Duration::from_millis(50)).await.unwrap().is_empty());
    consumer.resume(&[zero]).unwrap();
    assert_eq!(texts(&next(&mut consumer).await), numbered("a", 3));
    consumer.close().await.unwrap();
}

pub(crate) async fn the_reset_policy_says_where_to_start(target: Arc<Target>) {
    let topic = target.topic_with("reset", 1, &[("retention.ms", "-1")]).await;
    let old = Record::to(topic.as_str()).value("old").timestamp_ms(1_000_000);
    let producer = target.producer();
    producer.send(old).await.unwrap().await.unwrap();
    producer.send(Record::to(topic.as_str()).value("young")).await.unwrap().await.unwrap();
    producer.close().await;
    let zero = partition(&topic, 0);
    let hour = Duration::from_secs(3600);
    for (reset, expected) in
        [(OffsetReset::Earliest, 0), (OffsetReset::Latest, 2), (OffsetReset::ByDuration(hour), 1)]
    {
        let mut config = target.reading();
        config.offset_reset = reset;
        let mut consumer = Consumer::new(config).unwrap();
        consumer.assign([zero.clone()]).unwrap();
        assert_eq!(consumer.position(&zero).await.unwrap(), expected, "{reset:?}");
        consumer.close().await.unwrap();
    }
    let mut config = target.reading();
    config.offset_reset = OffsetReset::None;
    let mut consumer = Consumer::new(config).unwrap();
    consumer.assign([zero.clone()]).unwrap();
    let error = consumer.poll(LONG).await.unwrap_err();
    assert!(matches!(error, ConsumeError::NoOffset { partition } if partition == zero));
    consumer.seek(&zero, 1).unwrap();
    assert_eq!(texts(&next(&mut consumer).await), ["young"]);
    consumer.close().await.unwrap();
}

pub(crate) async fn a_poll_ends_with_the_batch_that_is_enough(target: Arc<Target>) {
    let topic = target.topic("enough", 1).await;
    let producer = Producer::new(ProducerConfig::new(target.config.clone())).unwrap();
    for batch in 0..5 {
        let record = |value| Record::to(topic.as_str()).value(value);
        let records: Vec<Record> =
            numbered(&format!("{batch}."), 10).into_iter().map(record).collect();
        producer.send_batch(&topic, 0, &records).await.unwrap().await.unwrap();
    }
    producer.close().await;
    let mut config = target.reading();
    config.max_poll_records = 15;
    let mut consumer = Consumer::new(config).unwrap();
    consumer.assign([partition(&topic, 0)]).unwrap();
    let mut counts = Vec::new();
    let mut read = Vec::new();
    while read.len() < 50 {
        let polled = next(&mut consumer).await;
        counts.push(polled.count_at_most());
        read.extend(texts(&polled));
    }
    assert!(counts.iter().all(|count| *count <= 20), "{counts:?}");
    let expected: Vec<String> =
        (0..5).flat_map(|batch| numbered(&format!("{batch}."), 10)).collect();
    assert_eq!(read, expected);
    consumer.close().await.unwrap();
}

pub(crate) async fn a_reset_happens_when_the_position_is_gone(target: Arc<Target>) {
    let topic = target.topic("gone", 1).await;
    target.send(&topic, 0, numbered("v", 10)).await;
    let zero = partition(&topic, 0);
    let admin = target.admin();
    let before = BTreeMap::from([(zero.clone(), 6)]);
    let deleted = admin.delete_records(&before).await.unwrap();
    assert_eq!(*deleted[&zero].as_ref().unwrap(), 6);
    let resource = client::admin::ConfigResource::topic(topic.as_str());
    let change = vec![AlterConfigOp::Set("retention.ms".to_owned(), "-1".to_owned())];
    let altered = admin.incremental_alter_configs(&[(resource, change)].into(), false).await;
    altered.unwrap().into_values().for_each(|result| result.unwrap());
    admin.close().await;
    let mut consumer = Consumer::new(target.reading()).unwrap();
    consumer.assign([zero.clone()]).unwrap();
    consumer.seek(&zero, 2).unwrap();
    assert_eq!(texts(&next(&mut consumer).await), ["v6", "v7", "v8", "v9"]);
    consumer.close().await.unwrap();
    let mut config = target.reading();
    config.offset_reset = OffsetReset::None;
    let mut strict = Consumer::new(config).unwrap();
    strict.assign([zero.clone()]).unwrap();
    strict.seek(&zero, 2).unwrap();
    let error = strict.poll(LONG).await.unwrap_err();
    assert!(matches!(error, ConsumeError::OffsetOutOfRange { offset: 2, .. }), "{error:?}");
    strict.close().await.unwrap();
}
