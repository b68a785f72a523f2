//! Latency from due to read, at fixed rates.

use anyhow::ensure;

use super::Bench;
use crate::bench::cells;
use crate::bench::figures::{Metric, Section};
use crate::bench::free_memory;
use crate::bench::load::latency::{self, LatencyLoad};
use crate::bench::load::produce::IN_FLIGHT;

/// A rate at which less than this share arrives in time is not kept up with.
const KEPT_UP: f64 = 0.97;

pub(super) fn measure(bench: &mut Bench) -> anyhow::Result<()> {
    bench.start_pair()?;
    let extent = bench.profile.latency;
    for cell in cells::LATENCY {
        let name = cell.name();
        if !bench.wants(&name) {
            continue;
        }
        bench.alternate(Section::Latency, &name, |broker| {
            broker.with_topic(cells::LATENCY_PARTITIONS, &[], |topic| {
                let load = LatencyLoad {
                    topic: topic.clone(),
                    producers: cells::LATENCY_CLIENTS,
                    consumers: cells::LATENCY_CLIENTS,
                    rate: cell.rate,
                    record_bytes: cell.record_bytes,
                    batch_bytes: cell.batch_bytes(),
                    linger: cell.linger,
                    in_flight: IN_FLIGHT,
                };
                let bytes = cell.rate * cell.record_bytes as f64 * extent.whole().as_secs_f64();
                free_memory::warm(bytes as u64);
                let timed = latency::run(&load, broker.address(), broker.pid(), extent)?;
                let window = &timed.window;
                let share = window.records as f64 / timed.due as f64;
                let per_second = window.records_per_second();
                ensure!(share >= KEPT_UP, "only {per_second:.0} records/s arrive");
                let mut values = vec![
                    (Metric::P50, timed.latencies.quantile_ms(0.5)),
                    (Metric::P99, timed.latencies.quantile_ms(0.99)),
                    (Metric::P999, timed.latencies.quantile_ms(0.999)),
                    (Metric::ClientCores, window.client_cores()),
                ];
                values.extend(window.broker_cores().map(|cores| (Metric::BrokerCores, cores)));
                Ok(values)
            })
        })?;
    }
    Ok(())
}
