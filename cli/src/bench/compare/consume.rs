//! Consume throughput from the page cache and from the disk.

use protocol::record::Compression;

use super::produce::fill;
use super::{Bench, Values};
use crate::bench::cells::{self, ConsumeCell};
use crate::bench::figures::{Metric, Section, System};
use crate::bench::free_memory;
use crate::bench::load::ask::Topic;
use crate::bench::load::consume::{self, ConsumeLoad};
use crate::bench::load::payload::Shape;
use crate::bench::load::window::{Extent, Window};
use crate::bench::system::Broker;

pub(super) fn measure(bench: &mut Bench) -> anyhow::Result<()> {
    bench.start_pair()?;
    let (extent, bytes) = (bench.profile.consume, bench.profile.consume_bytes);
    for cell in [
        ConsumeCell { record_bytes: 1024, compression: Compression::None, partitions: 1 },
        ConsumeCell { record_bytes: 1024, compression: Compression::None, partitions: 100 },
        ConsumeCell { record_bytes: 1024, compression: Compression::Lz4, partitions: 1 },
        ConsumeCell { record_bytes: 100, compression: Compression::None, partitions: 1 },
        ConsumeCell { record_bytes: 100, compression: Compression::None, partitions: 100 },
    ] {
        let (cached, cold) = (cell.name(false), cell.name(true));
        if !bench.wants(&cached) && !bench.wants(&cold) {
            continue;
        }
        let topics = filled(bench, &cell, bytes)?;
        let topic = |broker: &Broker| {
            let index = topics.iter().position(|(system, _)| *system == broker.system());
            index.map(|index| topics[index].1.clone())
        };
        if bench.wants(&cached) {
            bench.alternate(Section::Consume, &cached, |broker| {
                free_memory::warm(0);
                read(broker, topic(broker), &cell, true, extent)
            })?;
        }
        if bench.wants(&cold) {
            bench.alternate(Section::Consume, &cold, |broker| {
                broker.drop_page_cache()?;
                free_memory::warm(bytes);
                read(broker, topic(broker), &cell, false, Extent::WHOLE)
            })?;
        }
        for broker in &bench.pair {
            if let Some(topic) = topic(broker) {
                broker.remove(&topic)?;
            }
        }
    }
    Ok(())
}

type Filled = Vec<(System, Topic)>;

fn filled(bench: &mut Bench, cell: &ConsumeCell, bytes: u64) -> anyhow::Result<Filled> {
    let mut topics = Vec::new();
    for broker in &mut bench.pair {
        broker.revive()?;
        let name = format!("bench-{:08x}", rand::random::<u32>());
        let topic = broker.create(&name, cell.partitions, &[])?;
        let shape = Shape {
            record_bytes: cell.record_bytes,
            batch_bytes: cells::BATCH_BYTES,
            compression: cell.compression,
        };
        free_memory::warm(bytes);
        fill(broker, &topic, shape, bytes)?;
        topics.push((broker.system(), topic));
    }
    Ok(topics)
}

fn read(
    broker: &Broker,
    topic: Option<Topic>,
    cell: &ConsumeCell,
    again: bool,
    extent: Extent,
) -> anyhow::Result<Values> {
    let topic = topic.ok_or_else(|| anyhow::anyhow!("its topic was not made"))?;
    let ends = broker.ask()?.ends(&topic)?;
    let load = ConsumeLoad { consumers: cell.consumers(), again, ..ConsumeLoad::new(&topic, ends) };
    Ok(values(&consume::run(&load, broker.address(), broker.pid(), extent)?))
}

fn values(window: &Window) -> Values {
    let mut values = vec![
        (Metric::Throughput, window.megabytes_per_second()),
        (Metric::Records, window.records_per_second()),
        (Metric::ClientCores, window.client_cores()),
    ];
    values.extend(window.broker_cores().map(|cores| (Metric::BrokerCores, cores)));
    let per_gigabyte = window.broker_cpu_per_gigabyte();
    values.extend(per_gigabyte.map(|seconds| (Metric::CpuPerGigabyte, seconds)));
    values
}
