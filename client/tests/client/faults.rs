//! Stories of connections that break at any byte.

use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use client::producer::Acks;
use client::{
    Admin, BoxedStream, Connector, Consumer, ConsumerConfig, Producer, ProducerConfig, Record,
};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::target::{Target, numbered, partition, values};

/// Breaks each connection after some bytes from the broker, more with each connection, so that
/// the end comes within answers of every kind and everything still gets done.
struct Breaking {
    inner: Arc<dyn Connector>,
    opened: AtomicU64,
    step: u64,
}

impl Connector for Breaking {
    fn connect<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<BoxedStream>> {
        async move {
            let n = self.opened.fetch_add(1, Ordering::Relaxed);
            // The first answer says which versions there are; it is let through.
            let left = 1500 + n * self.step;
            let stream = self.inner.connect(host, port).await?;
            Ok(Box::new(BreakingStream { stream, left }) as BoxedStream)
        }
        .boxed()
    }
}

struct BreakingStream {
    stream: BoxedStream,
    left: u64,
}

impl AsyncRead for BreakingStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.left == 0 {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let most = buffer.remaining().min(usize::try_from(self.left).unwrap());
        let mut bytes = vec![0; most];
        let mut limited = ReadBuf::new(&mut bytes);
        let outcome = Pin::new(&mut self.stream).poll_read(context, &mut limited);
        buffer.put_slice(limited.filled());
        self.left -= limited.filled().len() as u64;
        outcome
    }
}

impl AsyncWrite for BreakingStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

fn breaking(target: &Target, step: u64) -> Arc<Breaking> {
    Arc::new(Breaking { inner: target.config.connector.clone(), opened: AtomicU64::new(0), step })
}

pub(crate) async fn no_record_is_lost_or_doubled_when_connections_break(target: Arc<Target>) {
    let topic = target.topic("breaking", 3).await;
    let connector = breaking(&target, 37);
    let mut config = ProducerConfig::new(target.through(connector.clone()));
    config.batch_size = 500;
    config.linger = Duration::ZERO;
    config.client.request_timeout = Duration::from_secs(10);
    config.delivery_timeout = Duration::from_secs(30);
    config.client.retry_backoff.base = Duration::from_millis(5);
    config.client.reconnect_backoff.base = Duration::from_millis(5);
    let producer = Producer::new(config).unwrap();
    let mut deliveries = Vec::new();
    for value in numbered("v", 3000) {
        let index = i32::try_from(deliveries.len() % 3).unwrap();
        let record = Record::to(topic.as_str()).partition(index).value(value);
        deliveries.push(producer.send(record).await.unwrap());
    }
    for delivery in deliveries {
        delivery.await.unwrap();
    }
    producer.close().await;
    assert!(connector.opened.load(Ordering::Relaxed) > 2, "connections did break");
    let read = target.read_all(&topic).await;
    let expected: BTreeMap<i32, Vec<String>> = (0..3)
        .map(|index| {
            let own = (0..1000).map(|n| format!("v{}", 3 * n + index)).collect();
            (index, own)
        })
        .collect();
    let read: BTreeMap<i32, Vec<String>> =
        read.into_iter().map(|(index, records)| (index, values(&records))).collect();
    assert_eq!(read, expected);
}

pub(crate) async fn a_consumer_goes_on_when_connections_break(target: Arc<Target>) {
    let topic = target.topic("broken-read", 1).await;
    target.send(&topic, 0, numbered("v", 2000)).await;
    let connector = breaking(&target, 1000);
    let mut config = ConsumerConfig { ..target.reading() };
    config.client = target.through(connector.clone());
    config.client.retry_backoff.base = Duration::from_millis(5);
    config.client.reconnect_backoff.base = Duration::from_millis(5);
    config.fetch.max_partition_bytes = 2000;
    let mut consumer = Consumer::new(config).unwrap();
    consumer.assign([partition(&topic, 0)]).unwrap();
    let mut read = Vec::new();
    while read.len() < 2000 {
        let polled = consumer.poll(Duration::from_secs(5)).await.unwrap();
        read.extend(values(&polled.records().map(Result::unwrap).collect::<Vec<_>>()));
    }
    assert_eq!(read, numbered("v", 2000));
    assert!(connector.opened.load(Ordering::Relaxed) > 2, "connections did break");
    consumer.close().await.unwrap();
}

/// Takes nothing more from the client once it is deaf, on connections that stay open.
struct Deaf {
    inner: Arc<dyn Connector>,
    is_deaf: Arc<AtomicBool>,
}

impl Connector for Deaf {
    fn connect<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<BoxedStream>> {
        async move {
            let stream = self.inner.connect(host, port).await?;
            Ok(Box::new(DeafStream { stream, is_deaf: self.is_deaf.clone() }) as BoxedStream)
        }
        .boxed()
    }
}

struct DeafStream {
    stream: BoxedStream,
    is_deaf: Arc<AtomicBool>,
}

impl AsyncRead for DeafStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for DeafStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.is_deaf.load(Ordering::SeqCst) {
            true => Poll::Pending,
            false => Pin::new(&mut self.stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

fn deaf(target: &Target) -> Arc<Deaf> {
    Arc::new(Deaf { inner: target.config.connector.clone(), is_deaf: Arc::default() })
}

/// So short that the story ends soon, so long that a broker which reads is never late.
const SHORT: Duration = Duration::from_secs(2);

pub(crate) async fn a_producer_ends_whose_broker_reads_nothing_any_more(target: Arc<Target>) {
    let topic = target.topic("deaf", 2).await;
    for (acks, max_in_flight) in [(Acks::None, 5), (Acks::None, 1000), (Acks::All, 1000)] {
        let connector = deaf(&target);
        let mut config = ProducerConfig::new(target.through(connector.clone()));
        config.acks = acks;
        config.idempotence = Some(false);
        config.max_in_flight = max_in_flight;
        config.batch_size = 100;
        config.linger = Duration::ZERO;
        config.client.request_timeout = SHORT;
        config.delivery_timeout = SHORT;
        let producer = Producer::new(config).unwrap();
        let first = producer.send(Record::to(topic.as_str()).value("heard")).await.unwrap();
        first.await.unwrap();
        connector.is_deaf.store(true, Ordering::SeqCst);
        let mut deliveries = Vec::new();
        // More batches than a connection has places for.
        for index in 0..300 {
            let record = Record::to(topic.as_str()).partition(index % 2).value(vec![b'x'; 90]);
            deliveries.push(producer.send(record).await.unwrap());
        }
        producer.close().await;
        for delivery in deliveries {
            assert!(delivery.await.is_err(), "acks={acks:?}");
        }
    }
}

pub(crate) async fn a_consumer_and_an_admin_end_whose_broker_reads_nothing_any_more(
    target: Arc<Target>,
) {
    let topic = target.topic("deaf-read", 1).await;
    target.send(&topic, 0, numbered("v", 10)).await;
    let connector = deaf(&target);
    let mut config = ConsumerConfig { ..target.reading() };
    config.client = target.through(connector.clone());
    config.client.request_timeout = SHORT;
    config.client.default_api_timeout = SHORT;
    config.group.id = Some("deaf".to_owned());
    let mut consumer = Consumer::new(config).unwrap();
    consumer.subscribe([topic.as_str()]).unwrap();
    let mut read = 0;
    while read < 10 {
        read += consumer.poll(Duration::from_secs(5)).await.unwrap().records().count();
    }
    let mut client = target.through(connector.clone());
    client.request_timeout = SHORT;
    client.default_api_timeout = SHORT;
    let admin = Admin::new(client).unwrap();
    admin.list_topics().await.unwrap();
    connector.is_deaf.store(true, Ordering::SeqCst);
    assert!(admin.list_topics().await.is_err());
    admin.close().await;
    assert!(consumer.commit().await.is_err());
    // What becomes of the last commit is told; that it ends is what counts.
    let _ = consumer.close().await;
}
