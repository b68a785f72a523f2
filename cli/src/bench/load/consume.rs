//! Consumers that read as fast as the broker answers, and throw away what they read.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, ensure};
use bytes::Bytes;
use protocol::record::{BATCH_OVERHEAD, BatchHeader, RecordBatch};

use super::ask::Topic;
use super::link::Link;
use super::poller::Poller;
use super::request::{self, Session};
use super::window::{Extent, Progress, Window};

/// A broker that says nothing for so long is given up.
const SILENCE: Duration = Duration::from_secs(40);

/// Who reads what.
#[derive(Clone, Debug)]
pub(crate) struct ConsumeLoad {
    pub(crate) topic: Topic,
    /// Connections; the partitions are dealt out to them.
    pub(crate) consumers: usize,
    /// The end of each partition.
    pub(crate) ends: Vec<i64>,
    /// Starts again at the end instead of ending there.
    pub(crate) again: bool,
    /// Checks each batch as Kafka's consumer does (`check.crcs`).
    pub(crate) check_crcs: bool,
    /// Threads of the load client.
    pub(crate) threads: usize,
}

impl ConsumeLoad {
    /// One consumer that reads up to the ends.
    pub(crate) fn new(topic: &Topic, ends: Vec<i64>) -> Self {
        let topic = topic.clone();
        Self { topic, consumers: 1, ends, again: false, check_crcs: false, threads: 1 }
    }
}

/// Runs a load; `broker` is the process whose processor time counts.
pub(crate) fn run(
    load: &ConsumeLoad,
    address: SocketAddr,
    broker: Option<u32>,
    extent: Extent,
) -> anyhow::Result<Window> {
    ensure!(load.consumers > 0, "nobody reads");
    ensure!(load.ends.iter().any(|end| *end > 0), "{}: there is nothing to read", load.topic.name);
    let partitions = load.ends.len();
    let consumers = load.consumers.min(partitions);
    let progress = Progress::default();
    let unread = AtomicUsize::new(load.ends.iter().filter(|end| **end > 0).count());
    let threads = load.threads.clamp(1, consumers);
    std::thread::scope(|scope| {
        let (progress, unread) = (&progress, &unread);
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                let share = (thread..consumers).step_by(threads);
                let shares = share.map(move |number| (number..partitions).step_by(consumers));
                scope.spawn(move || {
                    let run = || Worker::connect(load, shares, address)?.run(progress, unread);
                    run().inspect_err(|_| progress.end())
                })
            })
            .collect();
        let all_read = || unread.load(Ordering::Relaxed) == 0;
        let window = progress.watch(broker, extent, || progress.has_ended() || all_read());
        progress.end();
        for worker in workers {
            worker.join().map_err(|_| anyhow!("a thread of the load panicked"))??;
        }
        Ok(window)
    })
}

/// A thread with its consumers.
struct Worker<'a> {
    load: &'a ConsumeLoad,
    poller: Poller,
    consumers: Vec<Consumer>,
}

impl<'a> Worker<'a> {
    fn connect(
        load: &'a ConsumeLoad,
        shares: impl Iterator<Item = impl Iterator<Item = usize>>,
        address: SocketAddr,
    ) -> anyhow::Result<Self> {
        let poller = Poller::new()?;
        let mut consumers = Vec::new();
        for share in shares {
            let link = Link::connect(address)?;
            poller.add(&link, consumers.len())?;
            consumers.push(Consumer::new(link, share));
        }
        Ok(Self { load, poller, consumers })
    }

    fn run(mut self, progress: &Progress, unread: &AtomicUsize) -> anyhow::Result<()> {
        for consumer in &mut self.consumers {
            consumer.ask(&self.load.topic)?;
        }
        let mut changed = Vec::new();
        let mut heard = Instant::now();
        while !progress.has_ended() {
            self.poller.wait(None, &mut changed)?;
            for token in &changed {
                let consumer = &mut self.consumers[*token];
                consumer.link.flush()?;
                while let Some(frame) = consumer.link.receive()? {
                    heard = Instant::now();
                    let mut read = Read::default();
                    consumer.read(frame.body(), self.load.check_crcs, |header, from, _| {
                        let records = header.next_offset() - from;
                        read.records += u64::try_from(records).unwrap_or(0);
                        read.bytes += header.size() as u64;
                    })?;
                    consumer.link.reuse(frame);
                    progress.add(read.records, read.bytes);
                    consumer.turn(self.load, unread);
                    consumer.ask(&self.load.topic)?;
                }
            }
            ensure!(heard.elapsed() < SILENCE, "no answer to Fetch in {} s", SILENCE.as_secs());
        }
        Ok(())
    }
}

#[derive(Default)]
struct Read {
    records: u64,
    bytes: u64,
}

struct Position {
    partition: usize,
    offset: i64,
    is_read: bool,
}

/// One connection with its fetch session.
pub(super) struct Consumer {
    pub(super) link: Link,
    session: Session,
    correlation_id: i32,
    positions: Vec<Position>,
    /// Which of `positions` have moved since the last request.
    moved: Vec<usize>,
}

impl Consumer {
    pub(super) fn new(link: Link, partitions: impl Iterator<Item = usize>) -> Self {
        let positions: Vec<Position> =
            partitions.map(|partition| Position { partition, offset: 0, is_read: false }).collect();
        let moved = (0..positions.len()).collect();
        Self { link, session: Session::default(), correlation_id: 0, positions, moved }
    }

    /// Asks for more; there is one request at a time.
    pub(super) fn ask(&mut self, topic: &Topic) -> anyhow::Result<()> {
        self.correlation_id = self.correlation_id.wrapping_add(1);
        let positions = self.moved.iter().map(|index| &self.positions[*index]);
        let offsets = positions.map(|position| (position.partition as i32, position.offset));
        let frame = request::fetch(topic, self.session, self.correlation_id, offsets)?;
        self.moved.clear();
        self.link.send([frame])?;
        Ok(())
    }

    /// Reads an answer: `each` sees every batch, with the offset from which on it is new and the
    /// bytes from its start on.
    pub(super) fn read(
        &mut self,
        body: Bytes,
        check_crcs: bool,
        mut each: impl FnMut(&BatchHeader, i64, &[u8]),
    ) -> anyhow::Result<()> {
        let response = request::fetched(body)?;
        self.session = Session { id: response.session_id, epoch: self.session.epoch + 1 };
        for partition in response.responses.iter().flat_map(|topic| &topic.partitions) {
            let number = usize::try_from(partition.partition_index).unwrap_or(usize::MAX);
            let found = self.positions.iter().position(|position| position.partition == number);
            let index = found.with_context(|| format!("partition {number} was not asked for"))?;
            let records = partition.records.as_ref().and_then(|records| records.bytes());
            let Some(records) = records else { continue };
            let position = &mut self.positions[index];
            let before = position.offset;
            walk(records, check_crcs, |header, bytes| {
                // A batch is sent whole, though the offset may be inside it.
                each(header, position.offset.max(header.base_offset), bytes);
                position.offset = header.next_offset();
            })?;
            if position.offset != before {
                self.moved.push(index);
            }
        }
        Ok(())
    }

    /// Where a partition was read to its end: starts again, or counts it as read.
    fn turn(&mut self, load: &ConsumeLoad, unread: &AtomicUsize) {
        for index in &self.moved {
            let position = &mut self.positions[*index];
            if position.offset < load.ends[position.partition] {
                continue;
            }
            if load.again {
                position.offset = 0;
            } else if !std::mem::replace(&mut position.is_read, true) {
                unread.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }
}

/// Shows each whole batch; what is cut off at the end of an answer comes again.
fn walk(
    records: &Bytes,
    check_crcs: bool,
    mut each: impl FnMut(&BatchHeader, &[u8]),
) -> anyhow::Result<()> {
    let mut at = 0;
    while records.len() - at >= BATCH_OVERHEAD {
        let header = BatchHeader::parse(&records[at..])?;
        let size = header.size();
        if size > records.len() - at {
            break;
        }
        if check_crcs {
            RecordBatch::parse(&records.slice(at..at + size))?.check_crc()?;
        }
        each(&header, &records[at..at + size]);
        at += size;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use protocol::record::{BatchBuilder, BatchOptions};

    use super::*;

    #[test]
    fn batches_are_walked_up_to_the_one_that_is_cut_off() {
        let batch = |base_offset, count| {
            let options = BatchOptions { base_offset, ..BatchOptions::default() };
            let mut builder = BatchBuilder::new(options);
            (0..count).for_each(|_| builder.append(0, None, Some(b"value"), &[]));
            builder.finish()
        };
        let whole = [batch(0, 3), batch(3, 2), batch(5, 9)].concat();
        for (cut, expected) in [(0, vec![3, 5, 14]), (1, vec![3, 5]), (150, vec![3, 5])] {
            let mut next = Vec::new();
            let records = Bytes::copy_from_slice(&whole[..whole.len() - cut]);
            walk(&records, true, |header, _| next.push(header.next_offset()))
                .expect("sound batches");
            assert_eq!(next, expected, "{cut} bytes less");
        }
        let mut spoilt = whole;
        spoilt[70] ^= 1;
        assert!(walk(&Bytes::from(spoilt), true, |_, _| {}).is_err());
    }
}
