//! Produce throughput over sizes, codecs, acks, producers and partitions.

use std::time::Duration;

use protocol::record::Compression;

use super::{Bench, Values};
use crate::bench::cells::{self, ProduceCell};
use crate::bench::figures::{Metric, Section};
use crate::bench::free_memory;
use crate::bench::load::ask::Topic;
use crate::bench::load::consume::{self, ConsumeLoad};
use crate::bench::load::payload::Shape;
use crate::bench::load::produce::{self, ProduceLoad, Produced};
use crate::bench::load::window::Extent;
use crate::bench::system::Broker;

/// Records of 1 KiB in batches as Kafka's producer makes them.
pub(super) const PLAIN: Shape =
    Shape { record_bytes: 1024, batch_bytes: cells::BATCH_BYTES, compression: Compression::None };

pub(super) fn measure(bench: &mut Bench) -> anyhow::Result<()> {
    bench.start_pair()?;
    let extent = bench.profile.produce;
    for cell in shapes() {
        let name = cell.name();
        if !bench.wants(&name) {
            continue;
        }
        let shape = Shape {
            record_bytes: cell.record_bytes,
            batch_bytes: cell.batch_bytes,
            compression: cell.compression,
        };
        bench.alternate(Section::Produce, &name, |broker| {
            broker.with_topic(cell.partitions, &[], |topic| {
                let load = ProduceLoad {
                    producers: cell.producers,
                    acks: cell.acks,
                    ..ProduceLoad::new(topic, shape)
                };
                written(&load, broker, extent, at_most(&cell))
            })
        })?;
    }
    Ok(())
}

/// Every combination, and some with the batches of a tuned producer.
fn shapes() -> Vec<ProduceCell> {
    let mut shapes = Vec::new();
    for acks in [-1, 1] {
        for record_bytes in [100, 1024, 10_240] {
            for compression in [Compression::None, Compression::Lz4] {
                for partitions in [1, 100] {
                    shapes.extend([1, 8, 50].map(|producers| ProduceCell {
                        record_bytes,
                        compression,
                        acks,
                        producers,
                        partitions,
                        batch_bytes: cells::BATCH_BYTES,
                    }));
                }
            }
        }
    }
    for (record_bytes, partitions) in [(100, 1), (100, 100), (1024, 1), (1024, 100)] {
        shapes.push(ProduceCell {
            record_bytes,
            compression: Compression::None,
            acks: -1,
            producers: 8,
            partitions,
            batch_bytes: cells::TUNED_BATCH_BYTES,
        });
    }
    shapes
}

/// Bytes a second that hardly a broker writes more of on two cores.
fn at_most(cell: &ProduceCell) -> f64 {
    match (cell.batch_bytes, cell.partitions) {
        (cells::BATCH_BYTES, 1) => 0.8e9,
        (cells::BATCH_BYTES, _) => 1.4e9,
        _ => 1.8e9,
    }
}

/// What a run of producers says. Memory for as many bytes a second as `at_most` is touched before.
pub(super) fn written(
    load: &ProduceLoad,
    broker: &Broker,
    extent: Extent,
    at_most: f64,
) -> anyhow::Result<Values> {
    free_memory::warm((at_most * extent.whole().as_secs_f64()) as u64);
    Ok(values(&produce::run(load, broker.address(), broker.pid(), extent)?))
}

fn values(produced: &Produced) -> Values {
    let window = &produced.window;
    let mut values = vec![
        (Metric::Throughput, window.megabytes_per_second()),
        (Metric::Records, window.records_per_second()),
        (Metric::ClientCores, window.client_cores()),
        (Metric::P50, produced.latencies.quantile_ms(0.5)),
        (Metric::P99, produced.latencies.quantile_ms(0.99)),
    ];
    values.extend(window.broker_cores().map(|cores| (Metric::BrokerCores, cores)));
    let per_gigabyte = window.broker_cpu_per_gigabyte();
    values.extend(per_gigabyte.map(|seconds| (Metric::CpuPerGigabyte, seconds)));
    values
}

/// Writes and reads a while, in large and in small requests.
pub(super) fn warm_up(broker: &Broker, length: Duration) -> anyhow::Result<()> {
    let extent = Extent { warm_up: Duration::ZERO, measured: length / 6 };
    for (record_bytes, batch_bytes, compression) in [
        (1024, cells::BATCH_BYTES, Compression::None),
        (1024, cells::BATCH_BYTES, Compression::Lz4),
        (100, 0, Compression::None),
    ] {
        let shape = Shape { record_bytes, batch_bytes, compression };
        broker.with_topic(4, &[], |topic| {
            let load = ProduceLoad { producers: 8, ..ProduceLoad::new(topic, shape) };
            produce::run(&load, broker.address(), None, extent)?;
            let ends = broker.ask()?.ends(topic)?;
            let load = ConsumeLoad { consumers: 4, again: true, ..ConsumeLoad::new(topic, ends) };
            consume::run(&load, broker.address(), None, extent)
        })?;
    }
    Ok(())
}

/// Writes a number of bytes into a topic, to its partitions in turns, and waits for all answers.
pub(super) fn fill(broker: &Broker, topic: &Topic, shape: Shape, bytes: u64) -> anyhow::Result<()> {
    let load = ProduceLoad { bytes_max: Some(bytes), ..ProduceLoad::new(topic, shape) };
    produce::run(&load, broker.address(), None, Extent::WHOLE).map(|_| ())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_shape_is_there_once_under_its_own_name() {
        let names: Vec<String> = shapes().iter().map(ProduceCell::name).collect();
        let unique: BTreeSet<&String> = names.iter().collect();
        assert_eq!((names.len(), unique.len()), (72 + 4, 72 + 4));
    }
}
