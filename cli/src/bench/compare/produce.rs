//! Produce throughput over sizes, codecs, acks, producers and partitions.

use std::time::Duration;

use protocol::record::Compression;

use super::{Bench, Values};
use crate::bench::cells::{self, ProduceCell};
use crate::bench::figures::{Metric, Section};
use crate::bench::load::ask::Topic;
use crate::bench::load::consume::{self, ConsumeLoad};
use crate::bench::load::payload::Shape;
use crate::bench::load::produce::{self, ProduceLoad, Produced};
use crate::bench::load::window::Extent;
use crate::bench::system::Broker;

/// `max.in.flight.requests.per.connection` and `max.request.size` of Kafka's producer.
pub(super) const IN_FLIGHT: usize = 5;
pub(super) const REQUEST_BYTES: usize = 1 << 20;

pub(super) fn measure(bench: &mut Bench) -> anyhow::Result<()> {
    bench.start_pair()?;
    let extent = bench.profile.produce;
    for cell in shapes(bench.profile.every_shape) {
        let name = cell.name();
        if bench.wants(&name) {
            bench.alternate(Section::Produce, &name, |broker| {
                broker.with_topic(cell.partitions, &[], |topic| {
                    let load = ProduceLoad {
                        topic: topic.clone(),
                        producers: cell.producers,
                        acks: cell.acks,
                        shape: shape(&cell),
                        in_flight: IN_FLIGHT,
                        request_bytes: REQUEST_BYTES,
                        threads: 1,
                        bytes_max: None,
                    };
                    let produced = produce::run(&load, broker.address(), broker.pid(), extent)?;
                    Ok(values(&produced))
                })
            })?;
        }
    }
    Ok(())
}

fn shape(cell: &ProduceCell) -> Shape {
    Shape {
        record_bytes: cell.record_bytes,
        batch_bytes: cell.batch_bytes,
        compression: cell.compression,
    }
}

/// Every combination with acks=all; with acks=1, if not every one, those of one size.
fn shapes(every: bool) -> Vec<ProduceCell> {
    let mut shapes = Vec::new();
    for acks in [-1, 1] {
        for record_bytes in [100, 1024, 10_240] {
            for compression in [Compression::None, Compression::Lz4] {
                for partitions in [1, 100] {
                    for producers in [1, 8, 50] {
                        let is_sample = record_bytes == 1024 && compression == Compression::None;
                        if acks == -1 || every || is_sample {
                            shapes.push(ProduceCell {
                                record_bytes,
                                compression,
                                acks,
                                producers,
                                partitions,
                                batch_bytes: cells::BATCH_BYTES,
                            });
                        }
                    }
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

/// What a run of producers says.
pub(super) fn values(produced: &Produced) -> Values {
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
        broker.with_topic(4, &[], |topic| {
            let load = ProduceLoad {
                topic: topic.clone(),
                producers: 8,
                acks: -1,
                shape: Shape { record_bytes, batch_bytes, compression },
                in_flight: IN_FLIGHT,
                request_bytes: REQUEST_BYTES,
                threads: 1,
                bytes_max: None,
            };
            produce::run(&load, broker.address(), None, extent)?;
            let load = ConsumeLoad {
                topic: topic.clone(),
                consumers: 4,
                ends: broker.ask()?.ends(topic)?,
                again: true,
                check_crcs: false,
                threads: 1,
            };
            consume::run(&load, broker.address(), None, extent)
        })?;
    }
    Ok(())
}

/// Writes a number of bytes into a topic, to its partitions in turns, and waits for all answers.
pub(super) fn fill(broker: &Broker, topic: &Topic, shape: Shape, bytes: u64) -> anyhow::Result<()> {
    let load = ProduceLoad {
        topic: topic.clone(),
        producers: 1,
        acks: -1,
        shape,
        in_flight: IN_FLIGHT,
        request_bytes: REQUEST_BYTES,
        threads: 1,
        bytes_max: Some(bytes),
    };
    produce::run(&load, broker.address(), None, Extent::WHOLE).map(|_| ())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_shape_is_there_once_under_its_own_name() {
        for (every, expected) in [(false, 36 + 6 + 4), (true, 72 + 4)] {
            let names: Vec<String> = shapes(every).iter().map(ProduceCell::name).collect();
            let unique: BTreeSet<&String> = names.iter().collect();
            assert_eq!((names.len(), unique.len()), (expected, expected));
        }
    }
}
