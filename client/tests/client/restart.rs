//! A broker that stops and starts again on its data, always the one in this process.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use broker_server::Broker;
use client::{
    ClientConfig, Consumer, MemoryConnector, Producer, ProducerConfig, RebalanceEvent, Record,
};
use tempfile::TempDir;

use crate::target::{Target, numbered, start, unique, values};

/// The broker that runs at present.
type Running = Arc<Mutex<Option<Broker>>>;

fn connector(running: &Running) -> MemoryConnector {
    let running = running.clone();
    MemoryConnector::new(move || match &*running.lock().unwrap() {
        Some(broker) => Ok(broker.connect_memory()),
        None => Err(io::ErrorKind::ConnectionRefused.into()),
    })
}

async fn restart(running: &Running, folder: &TempDir) {
    let stopped = running.lock().unwrap().take().expect("it runs");
    stopped.shutdown().await.unwrap();
    let started = start(folder).await;
    *running.lock().unwrap() = Some(started);
}

/// Polls until this many values have been read.
async fn read(consumer: &mut Consumer, values_read: &mut Vec<String>, count: usize) {
    while values_read.len() < count {
        let polled = consumer.poll(Duration::from_millis(100)).await.unwrap();
        let lost = polled.events.iter().find(|e| matches!(e, RebalanceEvent::Lost(_)));
        assert_eq!(lost, None, "the group survives");
        values_read.extend(values(&polled.records().map(Result::unwrap).collect::<Vec<_>>()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn producers_and_groups_go_on_when_the_broker_starts_again() {
    let folder = TempDir::new().unwrap();
    let running: Running = Arc::new(Mutex::new(Some(start(&folder).await)));
    let mut config = ClientConfig::memory(connector(&running));
    config.retry_backoff.base = Duration::from_millis(10);
    config.reconnect_backoff.base = Duration::from_millis(10);
    let target = Target { config };
    let topic = target.topic("restart", 1).await;
    let mut member = target.member(&unique("group"));
    member.group.session_timeout = Duration::from_secs(60);
    let mut consumer = Consumer::new(member).unwrap();
    consumer.subscribe([topic.as_str()]).unwrap();
    let mut config = ProducerConfig::new(target.config.clone());
    config.batch_size = 300;
    let producer = Producer::new(config).unwrap();

    let mut seen = Vec::new();
    for round in 0..3 {
        let mut deliveries = Vec::new();
        for value in numbered(&format!("{round}."), 300) {
            let record = Record::to(topic.as_str()).value(value);
            deliveries.push(producer.send(record).await.unwrap());
        }
        restart(&running, &folder).await;
        let mut offsets = BTreeSet::new();
        for delivery in deliveries {
            offsets.insert(delivery.await.unwrap().offset.expect("the broker says where"));
        }
        assert_eq!(offsets, (300 * round..300 * (round + 1)).collect());
        let count = usize::try_from(300 * (round + 1)).unwrap();
        read(&mut consumer, &mut seen, count).await;
    }
    let expected: Vec<String> =
        (0..3).flat_map(|round| numbered(&format!("{round}."), 300)).collect();
    assert_eq!(seen, expected);
    consumer.commit().await.unwrap();
    consumer.close().await.unwrap();
    producer.close().await;
    let stopped = running.lock().unwrap().take().expect("it runs");
    stopped.shutdown().await.unwrap();
}
