//! The time from starting the process to its answer that all partitions are led.

use super::Bench;
use super::produce::{PLAIN, fill};
use crate::bench::cells;
use crate::bench::figures::{Metric, Section, System};
use crate::bench::load::ask::Led;
use crate::bench::system::Broker;

const NOTHING: Led = Led { topics: 0, partitions: 0 };

pub(super) fn measure(bench: &mut Bench) -> anyhow::Result<()> {
    bench.stop_pair();
    each(bench, cells::START_EMPTY, NOTHING, |_| Ok(()), |_, broker| broker.stop())?;
    let many = Led { topics: 20, partitions: 2_000 };
    each(bench, cells::START_CLEAN, many, many_partitions, |_, broker| broker.stop())?;
    let one = Led { topics: 1, partitions: 100 };
    each(bench, cells::START_KILLED, one, one_topic, |bench, broker| {
        let topic = broker.ask()?.topic("killed")?;
        fill(broker, &topic, PLAIN, bench.profile.crash_bytes)?;
        broker.kill()
    })
}

/// Prepares a broker of each system, then lets each end by `end` and start again, in turns.
fn each(
    bench: &mut Bench,
    cell: &str,
    expected: Led,
    prepare: impl Fn(&Broker) -> anyhow::Result<()>,
    end: impl Fn(&Bench, &mut Broker) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    if !bench.wants(cell) {
        return Ok(());
    }
    let mut brokers = Vec::new();
    for system in bench.systems.clone() {
        match prepared(bench, system, &prepare) {
            Ok(broker) => brokers.push(broker),
            Err(error) => bench.note(Section::Start, cell, system, 0, Err(error))?,
        }
    }
    for run in 1..=bench.profile.runs {
        for broker in &mut brokers {
            let done = end(bench, broker).and_then(|()| broker.start(expected));
            let values = done.map(|took| vec![(Metric::Ready, took.as_secs_f64() * 1000.0)]);
            bench.note(Section::Start, cell, broker.system(), run, values)?;
        }
    }
    Ok(())
}

fn prepared(
    bench: &Bench,
    system: System,
    prepare: &impl Fn(&Broker) -> anyhow::Result<()>,
) -> anyhow::Result<Broker> {
    let mut broker = bench.broker(system)?;
    broker.start(NOTHING)?;
    prepare(&broker)?;
    Ok(broker)
}

/// Twenty topics of a hundred partitions, with a batch in each.
fn many_partitions(broker: &Broker) -> anyhow::Result<()> {
    for number in 0..20 {
        let topic = broker.create(&format!("topic-{number}"), 100, &[])?;
        fill(broker, &topic, PLAIN, 100 * cells::BATCH_BYTES as u64)?;
    }
    Ok(())
}

fn one_topic(broker: &Broker) -> anyhow::Result<()> {
    broker.create("killed", 100, &[]).map(|_| ())
}
