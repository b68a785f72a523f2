//! Stories of the producer.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use client::producer::{Acks, partition_for_key};
use client::{Consumer, DeliveryObserver, Header};
use client::{ProduceError, Producer, ProducerConfig, Record, RecordMetadata};
use protocol::record::Compression;

use crate::target::{Target, numbered, partition, values};

pub(crate) async fn every_codec_brings_records_back_as_they_were_sent(target: Arc<Target>) {
    for codec in Compression::ALL {
        let forever = [("retention.ms", "-1")];
        let topic = target.topic_with(codec.name(), 1, &forever).await;
        let mut config = ProducerConfig::new(target.config.clone());
        config.compression = codec;
        let producer = Producer::new(config).unwrap();
        let sent: Vec<Record> = (0..300).map(|n| unusual_record(&topic, n)).collect();
        let mut deliveries = Vec::new();
        for record in &sent {
            deliveries.push(producer.send(record.clone()).await.unwrap());
        }
        for (delivery, offset) in deliveries.into_iter().zip(0..) {
            assert_eq!(delivery.await.unwrap().offset, Some(offset), "{codec:?}");
        }
        producer.close().await;
        let read = target.read_all(&topic).await.remove(&0).unwrap();
        assert_eq!(read.len(), sent.len(), "{codec:?}");
        for (record, sent) in read.iter().zip(&sent) {
            assert_eq!(record.key, sent.key, "{codec:?}");
            assert_eq!(record.value, sent.value, "{codec:?}");
            assert_eq!(record.headers, sent.headers, "{codec:?}");
            assert_eq!(Some(record.timestamp_ms), sent.timestamp_ms, "{codec:?}");
        }
    }
}

/// With and without key, value and headers, and with timestamps out of order.
fn unusual_record(topic: &str, n: i64) -> Record {
    let mut record = Record::to(topic).timestamp_ms(1_700_000_000_000 - 10 * n);
    if n % 3 > 0 {
        record = record.key(format!("key {n}"));
    }
    if n % 5 > 0 {
        record = record.value(vec![b'x'; usize::try_from(n).unwrap() * 7]);
    }
    if n % 4 == 0 {
        record = record.header("twice", "a").header("twice", "b");
        record.headers.push(Header { key: "null".to_owned(), value: None });
    }
    if n % 7 == 0 {
        record.value = Some(Bytes::new());
    }
    record
}

pub(crate) async fn keys_go_where_every_kafka_client_puts_them(target: Arc<Target>) {
    let topic = target.topic("keys", 7).await;
    let producer = target.producer();
    for key in numbered("key", 100) {
        let delivery = producer.send(Record::to(topic.as_str()).key(key.clone())).await.unwrap();
        assert_eq!(delivery.await.unwrap().partition, partition_for_key(key.as_bytes(), 7));
    }
    let mut used = std::collections::BTreeSet::new();
    for _ in 0..200 {
        let record = Record::to(topic.as_str()).value(vec![0; 2000]);
        used.insert(producer.send(record).await.unwrap().await.unwrap().partition);
    }
    assert!(used.len() > 3, "records without a key move on after a batch: {used:?}");
    producer.close().await;
}

pub(crate) async fn every_kind_of_acknowledgement_delivers(target: Arc<Target>) {
    for acks in [Acks::None, Acks::Leader, Acks::All] {
        let topic = target.topic("acks", 1).await;
        // Without acknowledgement a record is lost where the leader does not know yet that it
        // leads.
        target.send(&topic, 0, numbered("first", 1)).await;
        let mut config = ProducerConfig::new(target.config.clone());
        config.acks = acks;
        let producer = Producer::new(config).unwrap();
        let mut last = None;
        for value in numbered("v", 50) {
            let record = Record::to(topic.as_str()).value(value);
            last = Some(producer.send(record).await.unwrap());
        }
        let offset = last.unwrap().await.unwrap().offset;
        assert_eq!(offset, if acks == Acks::None { None } else { Some(50) });
        producer.close().await;
        // Without acknowledgement the broker may still be at it.
        let mut read = Vec::new();
        while read.len() < 51 {
            read = values(&target.read_all(&topic).await.remove(&0).unwrap_or_default());
        }
        assert_eq!(read[1..], numbered("v", 50));
    }
}

pub(crate) async fn records_of_one_batch_stay_in_one_batch(target: Arc<Target>) {
    let topic = target.topic("whole", 2).await;
    let mut config = ProducerConfig::new(target.config.clone());
    config.batch_size = 100;
    let producer = Producer::new(config).unwrap();
    let record = |value: String| Record::to(topic.as_str()).value(value);
    let records: Vec<Record> = numbered("v", 500).into_iter().map(record).collect();
    let first = producer.send_batch(&topic, 1, &records).await.unwrap().await.unwrap();
    assert_eq!((first.partition, first.offset), (1, Some(0)));
    let second = producer.send_batch(&topic, 1, &records[..3]).await.unwrap().await.unwrap();
    assert_eq!(second.offset, Some(500));
    let large = vec![record("x".repeat(600_000)), record("y".repeat(600_000))];
    let refused = producer.send_batch(&topic, 1, &large).await.unwrap_err();
    assert!(matches!(refused, ProduceError::TooLarge { key: "max.request.size", .. }));
    let early = record("z".to_owned()).timestamp_ms(-2);
    let refused = producer.send_batch(&topic, 1, std::slice::from_ref(&early)).await.unwrap_err();
    assert!(refused.to_string().contains("Invalid timestamp: -2"), "{refused}");
    let refused = producer.send(early).await.unwrap_err();
    assert!(refused.to_string().contains("Invalid timestamp: -2"), "{refused}");
    producer.close().await;

    let mut consumer = Consumer::new(target.reading()).unwrap();
    consumer.assign([partition(&topic, 1)]).unwrap();
    let mut counts = Vec::new();
    while counts.iter().sum::<usize>() < 503 {
        let polled = consumer.poll(Duration::from_secs(5)).await.unwrap();
        let batches = polled.partitions.iter().flat_map(|records| &records.batches);
        counts.extend(batches.map(|batch| batch.count_at_most()));
    }
    assert_eq!(counts, [500, 3]);
    consumer.close().await.unwrap();
}

pub(crate) async fn a_batch_that_is_too_large_is_split(target: Arc<Target>) {
    let topic = target.topic_with("split", 1, &[("max.message.bytes", "2000")]).await;
    let producer = target.producer();
    let sent: Vec<String> = (0..120).map(|n| format!("{n:0>300}")).collect();
    let mut deliveries = Vec::new();
    for value in &sent {
        let record = Record::to(topic.as_str()).value(value.clone());
        deliveries.push(producer.send(record).await.unwrap());
    }
    for (delivery, offset) in deliveries.into_iter().zip(0..) {
        assert_eq!(delivery.await.unwrap().offset, Some(offset));
    }
    let alone = Record::to(topic.as_str()).value(vec![0; 3000]);
    let refused = producer.send(alone).await.unwrap().await.unwrap_err();
    assert_eq!(refused.code(), Some(protocol::ErrorCode::MessageTooLarge));
    let after = producer.send(Record::to(topic.as_str()).value("after")).await.unwrap();
    assert_eq!(after.await.unwrap().offset, Some(120), "a refused record does not block others");
    producer.close().await;
    let read = values(&target.read_all(&topic).await.remove(&0).unwrap());
    assert_eq!(read[..120], sent[..]);
}

pub(crate) async fn what_cannot_be_sent_is_refused_at_once(target: Arc<Target>) {
    let topic = target.topic("refused", 2).await;
    let mut config = ProducerConfig::new(target.config.clone());
    config.max_block = Duration::from_millis(300);
    config.max_request_size = 1000;
    let producer = Producer::new(config).unwrap();
    let beyond = producer.send(Record::to(topic.as_str()).partition(2)).await.unwrap_err();
    assert!(matches!(beyond, ProduceError::UnknownPartition { partition: 2, count: 2, .. }));
    let large = Record::to(topic.as_str()).value(vec![0; 1001]);
    let refused = producer.send(large).await.unwrap_err();
    assert!(matches!(refused, ProduceError::TooLarge { limit: 1000, .. }));
    let unnamed = producer.send(Record::to("no such topic!")).await.unwrap_err();
    assert_eq!(unnamed.code(), Some(protocol::ErrorCode::InvalidTopicException));
    producer.close().await;
    let closed = producer.send(Record::to(topic.as_str())).await.unwrap_err();
    assert!(matches!(closed, ProduceError::Closed), "{closed:?}");
}

pub(crate) async fn close_delivers_what_was_sent_before(target: Arc<Target>) {
    let topic = target.topic("close", 3).await;
    let mut config = ProducerConfig::new(target.config.clone());
    config.linger = Duration::from_secs(60);
    config.delivery_timeout = Duration::from_secs(120);
    let producer = Producer::new(config).unwrap();
    let sender = producer.clone();
    let mut deliveries = Vec::new();
    for value in numbered("v", 1000) {
        let record = Record::to(topic.as_str()).value(value);
        deliveries.push(sender.send(record).await.unwrap());
    }
    producer.flush().await;
    for delivery in deliveries.drain(..500) {
        assert!(delivery.await.unwrap().offset.is_some());
    }
    let last = sender.send(Record::to(topic.as_str()).value("last")).await.unwrap();
    producer.close().await;
    assert!(last.await.unwrap().offset.is_some());
    let read = target.read_all(&topic).await;
    assert_eq!(read.values().map(Vec::len).sum::<usize>(), 1001);
}

#[derive(Default)]
struct Notes(Mutex<Vec<(u64, Option<i64>)>>);

impl DeliveryObserver for Notes {
    fn delivered(&self, tag: u64, outcome: Result<&RecordMetadata, &ProduceError>) {
        self.0.lock().unwrap().push((tag, outcome.unwrap().offset));
    }
}

pub(crate) async fn whoever_observes_knows_all_once_it_is_flushed(target: Arc<Target>) {
    let topic = target.topic("observed", 1).await;
    let producer = Producer::new(ProducerConfig::new(target.config.clone())).unwrap();
    let notes = Arc::new(Notes::default());
    let observer: Arc<dyn DeliveryObserver> = notes.clone();
    for round in 0..20 {
        for tag in round * 50..(round + 1) * 50 {
            let record = Record::to(topic.as_str()).value(vec![b'x'; 1000]);
            producer.send_observed(record, &observer, tag).await.unwrap();
        }
        producer.flush().await;
        let told = notes.0.lock().unwrap().clone();
        let expected: Vec<_> =
            (0..(round + 1) * 50).map(|tag| (tag, i64::try_from(tag).ok())).collect();
        assert_eq!(told, expected);
    }
    producer.close().await;
}
