//! Producers that write as fast as the broker answers.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, ensure};

use super::ask::{Asking, Topic};
use super::link::Link;
use super::now_ms;
use super::payload::{Identity, Prepared, Shape, batches};
use super::poller::Poller;
use super::request::{self, Sending};
use super::window::{Extent, Progress, Window};
use crate::latencies::Latencies;

/// A broker that says nothing for so long is given up.
const SILENCE: Duration = Duration::from_secs(40);

/// `max.in.flight.requests.per.connection` and `max.request.size` of Kafka's producer.
pub(crate) const IN_FLIGHT: usize = 5;
pub(crate) const REQUEST_BYTES: usize = 1 << 20;

/// Who writes what.
#[derive(Clone, Debug)]
pub(crate) struct ProduceLoad {
    pub(crate) topic: Topic,
    /// Connections, each a producer with its own identity if `acks` is all.
    pub(crate) producers: usize,
    /// -1 for all
    pub(crate) acks: i16,
    pub(crate) shape: Shape,
    /// `max.in.flight.requests.per.connection`
    pub(crate) in_flight: usize,
    /// `max.request.size`: a request has a batch for as many partitions as fit into it.
    pub(crate) request_bytes: usize,
    /// Threads of the load client.
    pub(crate) threads: usize,
    /// Where it ends by itself: bytes of batches.
    pub(crate) bytes_max: Option<u64>,
}

impl ProduceLoad {
    /// One producer with the defaults of Kafka's.
    pub(crate) fn new(topic: &Topic, shape: Shape) -> Self {
        Self {
            topic: topic.clone(),
            producers: 1,
            acks: -1,
            shape,
            in_flight: IN_FLIGHT,
            request_bytes: REQUEST_BYTES,
            threads: 1,
            bytes_max: None,
        }
    }
}

/// What became of it.
#[derive(Debug)]
pub(crate) struct Produced {
    pub(crate) window: Window,
    /// From sending a request to its answer, within the window.
    pub(crate) latencies: Latencies,
    /// Bytes of values for each byte of batches.
    pub(crate) values_per_byte: f64,
}

/// Runs a load; `broker` is the process whose processor time counts.
pub(crate) fn run(
    load: &ProduceLoad,
    address: SocketAddr,
    broker: Option<u32>,
    extent: Extent,
) -> anyhow::Result<Produced> {
    ensure!(load.producers > 0 && load.topic.partitions > 0, "nobody writes, or nowhere");
    let batches = batches(load.shape);
    let left = load.bytes_max.map_or(i64::MAX, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
    let work = Work { load, batches: &batches, left: AtomicI64::new(left) };
    let progress = Progress::default();
    let threads = load.threads.clamp(1, load.producers);
    let (window, latencies) = std::thread::scope(|scope| {
        let (work, progress) = (&work, &progress);
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                let share = (thread..load.producers).step_by(threads);
                scope.spawn(move || {
                    let run = || Worker::connect(work, share, address)?.run(progress);
                    run().inspect_err(|_| progress.end())
                })
            })
            .collect();
        let all_done = || workers.iter().all(|worker| worker.is_finished());
        let window = progress.watch(broker, extent, || progress.has_ended() || all_done());
        progress.end();
        let mut all = Latencies::new();
        for worker in workers {
            all.merge(&worker.join().map_err(|_| anyhow!("a thread of the load panicked"))??);
        }
        anyhow::Ok((window, all))
    })?;
    let bytes: usize = batches.iter().map(Prepared::length).sum();
    let values: usize = batches.iter().map(|batch| batch.value_bytes).sum();
    Ok(Produced { window, latencies, values_per_byte: values as f64 / bytes as f64 })
}

/// What the threads share.
struct Work<'a> {
    load: &'a ProduceLoad,
    batches: &'a [Prepared],
    /// Bytes that are still to be sent.
    left: AtomicI64,
}

/// A thread with its producers.
struct Worker<'a> {
    work: &'a Work<'a>,
    poller: Poller,
    producers: Vec<Producer>,
}

impl<'a> Worker<'a> {
    fn connect(
        work: &'a Work<'a>,
        share: impl Iterator<Item = usize>,
        address: SocketAddr,
    ) -> anyhow::Result<Self> {
        let poller = Poller::new()?;
        let mut asking = Asking::connect(address, SILENCE)?;
        let mut producers = Vec::new();
        for number in share {
            let idempotent = work.load.acks == -1;
            let identity = idempotent.then(|| asking.producer_id()).transpose()?;
            let link = Link::connect(address)?;
            poller.add(&link, producers.len())?;
            producers.push(Producer::new(link, identity, number, work.load.topic.partitions));
        }
        Ok(Self { work, poller, producers })
    }

    fn run(mut self, progress: &Progress) -> anyhow::Result<Latencies> {
        let mut latencies = Latencies::new();
        for producer in &mut self.producers {
            producer.fill(self.work)?;
        }
        let mut changed = Vec::new();
        let mut heard = Instant::now();
        while !progress.has_ended() {
            self.poller.wait(None, &mut changed)?;
            if !changed.is_empty() {
                heard = Instant::now();
            }
            for token in &changed {
                let producer = &mut self.producers[*token];
                producer.link.flush()?;
                producer.receive(progress, &mut latencies)?;
                producer.fill(self.work)?;
            }
            let is_idle = self.producers.iter().all(|producer| producer.sent.is_empty());
            if is_idle && self.work.left.load(Ordering::Relaxed) <= 0 {
                break;
            }
            ensure!(heard.elapsed() < SILENCE, "no answer to Produce in {} s", SILENCE.as_secs());
        }
        Ok(latencies)
    }
}

struct Sent {
    at: Instant,
    correlation_id: i32,
    records: u64,
    bytes: u64,
}

/// One connection.
struct Producer {
    link: Link,
    identity: Option<Identity>,
    /// The next sequence number of each partition.
    sequences: Vec<i32>,
    next_partition: usize,
    next_batch: usize,
    correlation_id: i32,
    sent: VecDeque<Sent>,
}

impl Producer {
    fn new(link: Link, identity: Option<Identity>, number: usize, partitions: i32) -> Self {
        let partitions = usize::try_from(partitions).unwrap_or(1);
        Self {
            link,
            identity,
            sequences: vec![0; partitions],
            // They do not all start at the same partition.
            next_partition: number * 37 % partitions,
            next_batch: number,
            correlation_id: 0,
            sent: VecDeque::new(),
        }
    }

    /// Sends requests as long as there may be more of them in flight.
    fn fill(&mut self, work: &Work<'_>) -> anyhow::Result<()> {
        let load = work.load;
        let per_request = load.request_bytes / load.shape.batch_bytes.max(1);
        let count = per_request.clamp(1, self.sequences.len());
        while self.sent.len() < load.in_flight && self.link.is_sent() {
            if work.left.load(Ordering::Relaxed) <= 0 {
                return Ok(());
            }
            let now = now_ms();
            let (mut records, mut bytes) = (0, 0);
            let mut sending = Vec::with_capacity(count);
            for _ in 0..count {
                let batch = &work.batches[self.next_batch % work.batches.len()];
                let sequence = &mut self.sequences[self.next_partition];
                sending.push(Sending {
                    partition: self.next_partition as i32,
                    header: batch.header(self.identity, *sequence, now),
                    records: batch.records.clone(),
                });
                *sequence = sequence.wrapping_add(batch.count) & i32::MAX;
                records += batch.count as u64;
                bytes += batch.length() as u64;
                self.next_batch += 1;
                self.next_partition = (self.next_partition + 1) % self.sequences.len();
            }
            work.left.fetch_sub(bytes as i64, Ordering::Relaxed);
            self.correlation_id = self.correlation_id.wrapping_add(1);
            let correlation_id = self.correlation_id;
            let pieces = request::produce(&load.topic, load.acks, correlation_id, &sending)?;
            self.sent.push_back(Sent { at: Instant::now(), correlation_id, records, bytes });
            self.link.send(pieces)?;
        }
        Ok(())
    }

    fn receive(&mut self, progress: &Progress, latencies: &mut Latencies) -> anyhow::Result<()> {
        while let Some(frame) = self.link.receive()? {
            let correlation_id = request::produced(frame.body())?;
            self.link.reuse(frame);
            let sent = self.sent.pop_front().context("an answer that nobody asked for")?;
            let expected = sent.correlation_id;
            ensure!(expected == correlation_id, "answer {correlation_id} instead of {expected}");
            progress.add(sent.records, sent.bytes);
            if progress.is_measuring() {
                latencies.add(u64::try_from(sent.at.elapsed().as_micros()).unwrap_or(u64::MAX));
            }
        }
        Ok(())
    }
}
