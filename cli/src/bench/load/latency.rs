//! Records at a fixed rate, each timed from the moment it was due to the moment it was read.
//!
//! The schedule is open: a record is due at its time whatever became of those before it, and if
//! the broker or this client is late, the wait counts. A producer collects what is due as Kafka's
//! does, into a batch that leaves when it is full or has waited for `linger.ms`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{anyhow, ensure};
use bytes::{Bytes, BytesMut};
use protocol::record::{BATCH_OVERHEAD, Compression, patch};
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::ask::{Asking, Topic};
use super::consume::Consumer;
use super::link::Link;
use super::now_ms;
use super::payload::{Identity, Prepared, value};
use super::poller::Poller;
use super::request::{self, Sending};
use super::window::{Extent, Progress, Window};
use crate::latencies::Latencies;

/// From opening the connections to the first record.
const LEAD: Duration = Duration::from_millis(200);
/// How long after the last record was due the rest may still arrive.
const DRAIN: Duration = Duration::from_secs(10);
const STAMP: &[u8; 8] = b"\xff\xfe\xfd\xfcSTMP";

/// Who writes how much.
#[derive(Clone, Debug)]
pub(crate) struct LatencyLoad {
    pub(crate) topic: Topic,
    pub(crate) producers: usize,
    pub(crate) consumers: usize,
    /// Records a second, of all producers.
    pub(crate) rate: f64,
    pub(crate) record_bytes: usize,
    /// `batch.size`; a batch has one record at least.
    pub(crate) batch_bytes: usize,
    pub(crate) linger: Duration,
    /// `max.in.flight.requests.per.connection`
    pub(crate) in_flight: usize,
}

/// What became of it.
#[derive(Debug)]
pub(crate) struct Timed {
    /// From due to read, of the records that were due in the window.
    pub(crate) latencies: Latencies,
    pub(crate) window: Window,
    /// Records that were due in the window.
    pub(crate) due: u64,
}

/// Runs a load on one thread; `broker` is the process whose processor time counts.
pub(crate) fn run(
    load: &LatencyLoad,
    address: SocketAddr,
    broker: Option<u32>,
    extent: Extent,
) -> anyhow::Result<Timed> {
    ensure!(load.producers > 0 && load.consumers > 0, "nobody writes or nobody reads");
    ensure!(load.rate > 0.0, "a rate of {} records a second", load.rate);
    let progress = Progress::default();
    std::thread::scope(|scope| {
        let progress = &progress;
        let (ready, started) = std::sync::mpsc::channel();
        let worker = scope.spawn(move || {
            let worker = Worker::connect(load, address, extent)?;
            // Who waits for it has gone only if it was told to stop.
            let _ = ready.send(worker.start);
            worker.run(progress)
        });
        let is_over = || worker.is_finished();
        if let Ok(start) = started.recv() {
            std::thread::sleep(start.saturating_duration_since(Instant::now()));
        }
        let window = progress.watch(broker, extent, is_over);
        let latencies = worker.join().map_err(|_| anyhow!("the thread of the load panicked"))??;
        let due = (load.rate * extent.measured.as_secs_f64()) as u64;
        Ok(Timed { latencies, window, due })
    })
}

struct Worker<'a> {
    load: &'a LatencyLoad,
    poller: Poller,
    start: Instant,
    extent: Extent,
    templates: Templates,
    producers: Vec<Producer>,
    consumers: Vec<Consumer>,
    latencies: Latencies,
    received: u64,
}

impl<'a> Worker<'a> {
    fn connect(load: &'a LatencyLoad, address: SocketAddr, extent: Extent) -> anyhow::Result<Self> {
        let poller = Poller::new()?;
        let templates = Templates::new(load.record_bytes, load.batch_bytes);
        let mut asking = Asking::connect(address, DRAIN)?;
        let total = load.rate * (extent.warm_up + extent.measured).as_secs_f64();
        let mut producers = Vec::new();
        for number in 0..load.producers {
            let link = Link::connect(address)?;
            poller.add(&link, number)?;
            let interval = load.producers as f64 / load.rate;
            let schedule = Schedule {
                phase: interval * number as f64 / load.producers as f64,
                interval,
                total: (total / load.producers as f64) as u64,
                full: templates.most as u64,
                linger: load.linger.as_secs_f64(),
            };
            let identity = asking.producer_id()?;
            producers.push(Producer::new(link, identity, schedule, number, &load.topic));
        }
        let partitions = usize::try_from(load.topic.partitions)?;
        let consumers = load.consumers.min(partitions);
        let mut reading = Vec::new();
        for number in 0..consumers {
            let link = Link::connect(address)?;
            poller.add(&link, load.producers + number)?;
            let mut consumer = Consumer::new(link, (number..partitions).step_by(consumers));
            consumer.ask(&load.topic)?;
            reading.push(consumer);
        }
        Ok(Self {
            load,
            poller,
            start: Instant::now() + LEAD,
            extent,
            templates,
            producers,
            consumers: reading,
            latencies: Latencies::new(),
            received: 0,
        })
    }

    fn run(mut self, progress: &Progress) -> anyhow::Result<Latencies> {
        let total: u64 = self.producers.iter().map(|producer| producer.schedule.total).sum();
        let end = self.start + self.extent.warm_up + self.extent.measured + DRAIN;
        let mut changed = Vec::new();
        while self.received < total && !progress.has_ended() {
            let now = Instant::now();
            ensure!(
                now < end,
                "{} of {total} records arrived within {} s after the last was due",
                self.received,
                DRAIN.as_secs()
            );
            let mut until = end;
            for producer in &mut self.producers {
                let at = now.saturating_duration_since(self.start).as_secs_f64();
                producer.send(at, self.load, &mut self.templates)?;
                if let Some(next) = producer.next(self.load.in_flight) {
                    until = until.min(self.start + Duration::from_secs_f64(next));
                }
            }
            self.poller.wait(Some(until), &mut changed)?;
            for token in &changed {
                match self.producers.get_mut(*token) {
                    Some(producer) => producer.receive()?,
                    None => self.receive(*token - self.load.producers, progress)?,
                }
            }
        }
        Ok(self.latencies)
    }

    fn receive(&mut self, number: usize, progress: &Progress) -> anyhow::Result<()> {
        let interval = self.load.producers as f64 / self.load.rate;
        let warm_up = self.extent.warm_up.as_secs_f64();
        let consumer = &mut self.consumers[number];
        consumer.link.flush()?;
        while let Some(frame) = consumer.link.receive()? {
            let now = self.start.elapsed().as_secs_f64();
            let (mut records, mut bytes) = (0, 0);
            consumer.read(frame.body(), false, |header, _, batch| {
                let first = self.templates.stamp(batch);
                for index in 0..header.count {
                    let due = first + f64::from(index) * interval;
                    if due >= warm_up {
                        self.latencies.add(((now - due).max(0.0) * 1e6) as u64);
                    }
                }
                records += u64::try_from(header.count).unwrap_or(0);
                bytes += header.size() as u64;
            })?;
            consumer.link.reuse(frame);
            consumer.ask(&self.load.topic)?;
            self.received += records;
            progress.add(records, bytes);
        }
        Ok(())
    }
}

/// Batches by their number of records; the first record carries when it was due.
struct Templates {
    record_bytes: usize,
    most: usize,
    /// Where the first value starts, in any batch.
    stamp_at: usize,
    made: BTreeMap<usize, Prepared>,
}

impl Templates {
    fn new(record_bytes: usize, batch_bytes: usize) -> Self {
        let record_bytes = record_bytes.max(STAMP.len());
        let mut templates = Self { record_bytes, most: 1, stamp_at: 0, made: BTreeMap::new() };
        let one = templates.batch(1);
        let found = one.records.windows(STAMP.len()).position(|bytes| bytes == STAMP);
        templates.stamp_at = BATCH_OVERHEAD + found.expect("the value is in the batch");
        let each = templates.batch(2).length() - templates.batch(1).length();
        templates.most = (batch_bytes.saturating_sub(BATCH_OVERHEAD) / (each + 1)).max(1);
        templates
    }

    fn batch(&mut self, count: usize) -> &Prepared {
        self.made.entry(count).or_insert_with(|| {
            let mut random = StdRng::seed_from_u64(count as u64);
            let mut values: Vec<Vec<u8>> =
                (0..count).map(|_| value(&mut random, self.record_bytes)).collect();
            values[0][..STAMP.len()].copy_from_slice(STAMP);
            Prepared::new(&values, Compression::None)
        })
    }

    /// A batch whose first record was due `due` seconds after the start.
    fn stamped(&mut self, count: usize, due: f64, who: Identity, sequence: i32) -> Bytes {
        let stamp_at = self.stamp_at;
        let template = self.batch(count);
        let mut batch = BytesMut::with_capacity(template.length());
        batch.extend_from_slice(&template.header(Some(who), sequence, now_ms()));
        batch.extend_from_slice(&template.records);
        batch[stamp_at..stamp_at + STAMP.len()].copy_from_slice(&due.to_be_bytes());
        patch::set_crc(&mut batch);
        batch.freeze()
    }

    /// When the first record of a batch was due.
    fn stamp(&self, batch: &[u8]) -> f64 {
        let stamp = batch.get(self.stamp_at..).and_then(<[u8]>::first_chunk);
        stamp.map_or(0.0, |bytes| f64::from_be_bytes(*bytes))
    }
}

/// When which record of a producer is due, in seconds after the start.
#[derive(Clone, Copy, Debug)]
struct Schedule {
    phase: f64,
    interval: f64,
    total: u64,
    /// Records of a full batch.
    full: u64,
    linger: f64,
}

impl Schedule {
    fn due_at(&self, record: u64) -> f64 {
        self.phase + record as f64 * self.interval
    }

    /// How many records are in the batch that leaves at `now`, when `taken` have left: none if
    /// it still waits.
    fn batch(&self, taken: u64, now: f64) -> u64 {
        if taken >= self.total || now < self.due_at(taken) {
            return 0;
        }
        let due = ((now - self.phase) / self.interval) as u64 + 1;
        let pending = due.min(self.total) - taken.min(due);
        match pending {
            pending if pending >= self.full => self.full,
            pending if now >= self.due_at(taken) + self.linger => pending,
            _ => 0,
        }
    }

    /// When the next batch leaves.
    fn next(&self, taken: u64) -> Option<f64> {
        let lingered = self.due_at(taken) + self.linger;
        match self.total.saturating_sub(taken) {
            0 => None,
            // The last batch may never be full.
            left if left < self.full => Some(lingered),
            _ => Some(lingered.min(self.due_at(taken + self.full - 1))),
        }
    }
}

struct Producer {
    link: Link,
    identity: Identity,
    schedule: Schedule,
    taken: u64,
    sequences: Vec<i32>,
    next_partition: usize,
    correlation_id: i32,
    in_flight: usize,
}

impl Producer {
    fn new(
        link: Link,
        identity: Identity,
        schedule: Schedule,
        number: usize,
        topic: &Topic,
    ) -> Self {
        let partitions = usize::try_from(topic.partitions).unwrap_or(1).max(1);
        Self {
            link,
            identity,
            schedule,
            taken: 0,
            sequences: vec![0; partitions],
            next_partition: number % partitions,
            correlation_id: 0,
            in_flight: 0,
        }
    }

    /// Sends what leaves at `now`, seconds after the start.
    fn send(
        &mut self,
        now: f64,
        load: &LatencyLoad,
        templates: &mut Templates,
    ) -> anyhow::Result<()> {
        while self.in_flight < load.in_flight && self.link.is_sent() {
            let count = self.schedule.batch(self.taken, now);
            if count == 0 {
                return Ok(());
            }
            let sequence = self.sequences[self.next_partition];
            let due = self.schedule.due_at(self.taken);
            let batch = templates.stamped(count as usize, due, self.identity, sequence);
            let mut header = [0; BATCH_OVERHEAD];
            header.copy_from_slice(&batch[..BATCH_OVERHEAD]);
            let partition = self.next_partition as i32;
            let sending = [Sending { partition, header, records: batch.slice(BATCH_OVERHEAD..) }];
            self.correlation_id = self.correlation_id.wrapping_add(1);
            self.link.send(request::produce(&load.topic, -1, self.correlation_id, &sending)?)?;
            self.sequences[self.next_partition] = sequence.wrapping_add(count as i32) & i32::MAX;
            self.next_partition = (self.next_partition + 1) % self.sequences.len();
            self.taken += count;
            self.in_flight += 1;
        }
        Ok(())
    }

    /// When it wants to send next; an answer comes before that where it may not send now.
    fn next(&self, in_flight_max: usize) -> Option<f64> {
        let may_send = self.in_flight < in_flight_max && self.link.is_sent();
        if may_send { self.schedule.next(self.taken) } else { None }
    }

    fn receive(&mut self) -> anyhow::Result<()> {
        self.link.flush()?;
        while let Some(frame) = self.link.receive()? {
            request::produced(frame.body())?;
            self.link.reuse(frame);
            self.in_flight = self.in_flight.saturating_sub(1);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use protocol::record::RecordBatch;

    use super::*;

    #[test]
    fn a_stamp_is_read_from_every_batch_and_its_checksum_holds() {
        for record_bytes in [8, 100, 1024] {
            let mut templates = Templates::new(record_bytes, 16_384);
            for count in [1, 2, templates.most] {
                let who = Identity { id: 1, epoch: 0 };
                let batch = templates.stamped(count, 12.25, who, 9);
                assert!(batch.len() <= 16_384);
                assert_eq!(templates.stamp(&batch), 12.25);
                let batch = RecordBatch::parse(&batch).expect("it is a batch");
                assert!(batch.check_crc().is_ok());
                assert_eq!((batch.header().count, batch.header().base_sequence), (count as i32, 9));
            }
        }
    }

    #[test]
    fn a_batch_leaves_when_it_is_full_or_has_lingered() {
        let schedule =
            Schedule { phase: 0.0, interval: 0.001, total: 10_000, full: 100, linger: 0.005 };
        assert_eq!(schedule.batch(0, 0.0049), 0);
        assert_eq!(schedule.batch(0, 0.0051), 6, "the records of five milliseconds");
        assert_eq!(schedule.next(0), Some(0.005));
        assert_eq!(schedule.batch(6, 0.5), 100, "late: full batches, one after the other");
        let fast = Schedule { interval: 0.00001, ..schedule };
        assert_eq!(fast.next(0), Some(0.00099), "full before it has lingered");
        let single = Schedule { full: 1, linger: 0.0, ..schedule };
        assert_eq!((single.batch(3, 0.0029), single.batch(3, 0.0031)), (0, 1));
        assert_eq!(single.next(10_000), None);
    }

    proptest! {
        #[test]
        fn every_record_leaves_once_and_none_before_it_is_due(
            rate in 1.0..300_000.0_f64,
            full in 1_u64..500,
            linger_ms in 0_u32..20,
            steps in proptest::collection::vec(0.0001..0.02_f64, 1..200),
        ) {
            let schedule = Schedule {
                phase: 0.0,
                interval: 1.0 / rate,
                total: 2_000,
                full,
                linger: f64::from(linger_ms) / 1000.0,
            };
            let (mut taken, mut now) = (0, 0.0);
            for step in steps {
                now += step;
                loop {
                    let count = schedule.batch(taken, now);
                    if count == 0 {
                        break;
                    }
                    prop_assert!(count <= full);
                    taken += count;
                    prop_assert!(taken <= schedule.total);
                    prop_assert!(schedule.due_at(taken - 1) <= now + 1e-9);
                }
                // What is left behind has not lingered long enough, or is not due.
                let waits = schedule.next(taken);
                prop_assert!(waits.is_none_or(|next| next > now - 1e-9));
            }
        }
    }
}
