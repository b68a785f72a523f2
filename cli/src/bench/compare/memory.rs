//! Resident memory: after a start, and with a load.

use super::produce::PLAIN;
use super::{Bench, Values};
use crate::bench::cells;
use crate::bench::figures::{Metric, Section, System};
use crate::bench::load::ask::Led;
use crate::bench::load::consume::{self, ConsumeLoad};
use crate::bench::load::produce::{self, ProduceLoad};
use crate::bench::system::Broker;
use crate::bench::usage;

pub(super) fn measure(bench: &mut Bench) -> anyhow::Result<()> {
    bench.stop_pair();
    for run in 1..=bench.profile.runs {
        for system in bench.systems.clone() {
            let (idle, loaded) = match once(bench, system) {
                Ok((idle, loaded)) => (Ok(idle), loaded),
                Err(error) => (Err(error), Ok(Vec::new())),
            };
            bench.note(Section::Memory, cells::IDLE, system, run, idle)?;
            bench.note(Section::Memory, cells::LOADED, system, run, loaded)?;
        }
    }
    Ok(())
}

/// The memory of a new broker, and what it is after a load.
fn once(bench: &Bench, system: System) -> anyhow::Result<(Values, anyhow::Result<Values>)> {
    let mut broker = bench.broker(system)?;
    broker.start(Led { topics: 0, partitions: 0 })?;
    std::thread::sleep(bench.profile.idle);
    let idle = resident(&broker)?;
    let loaded = load(bench, &broker).and_then(|()| resident(&broker));
    broker.stop()?;
    Ok((idle, loaded))
}

fn resident(broker: &Broker) -> anyhow::Result<Values> {
    let pid = broker.pid().ok_or_else(|| anyhow::anyhow!("it does not run"))?;
    let memory = usage::memory(pid)?;
    Ok(vec![
        (Metric::Resident, memory.resident as f64 / 1e6),
        (Metric::Peak, memory.peak as f64 / 1e6),
    ])
}

/// Fifty producers, then eight consumers, on a hundred partitions.
fn load(bench: &Bench, broker: &Broker) -> anyhow::Result<()> {
    let topic = broker.create("memory", 100, &[])?;
    let writing = ProduceLoad { producers: 50, ..ProduceLoad::new(&topic, PLAIN) };
    produce::run(&writing, broker.address(), None, bench.profile.load)?;
    let ends = broker.ask()?.ends(&topic)?;
    let reading = ConsumeLoad { consumers: 8, again: true, ..ConsumeLoad::new(&topic, ends) };
    consume::run(&reading, broker.address(), None, bench.profile.load).map(|_| ())
}
