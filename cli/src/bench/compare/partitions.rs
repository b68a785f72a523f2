//! Ten thousand partitions on one broker: made, written to, read, and there again after a stop.

use std::time::Instant;

use anyhow::{Context as _, ensure};

use super::Bench;
use super::produce::{PLAIN, fill};
use crate::bench::cells;
use crate::bench::figures::{Metric, Section, System};
use crate::bench::interrupt;
use crate::bench::load::ask::Led;
use crate::bench::load::consume::{self, ConsumeLoad};
use crate::bench::load::window::Extent;
use crate::bench::system::Broker;
use crate::bench::usage;

const TOPICS: usize = 10;
const EACH: i32 = 1_000;

pub(super) fn measure(bench: &mut Bench) -> anyhow::Result<()> {
    bench.stop_pair();
    for run in 1..=bench.profile.runs {
        for system in bench.systems.clone() {
            let mut values = Vec::new();
            let done = once(bench, system, &mut values);
            let done = done.map(|()| values);
            bench.note(Section::Partitions, cells::TEN_THOUSAND, system, run, done)?;
        }
    }
    Ok(())
}

fn once(bench: &Bench, system: System, values: &mut Vec<(Metric, f64)>) -> anyhow::Result<()> {
    // The files of the broker before were removed: the disk is done with that first.
    rustix::fs::sync();
    let mut broker = bench.broker(system)?;
    broker.start(Led { topics: 0, partitions: 0 })?;
    let begun = Instant::now();
    let mut topics = Vec::new();
    for number in 0..TOPICS {
        interrupt::check()?;
        topics.push(broker.create(&format!("topic-{number}"), EACH, &[])?);
    }
    values.push((Metric::Create, begun.elapsed().as_secs_f64() * 1000.0));
    for topic in &topics {
        // A batch for each partition, and what is written is read.
        fill(&broker, topic, PLAIN, EACH as u64 * cells::BATCH_BYTES as u64)?;
        let ends = broker.ask()?.ends(topic)?;
        let written: i64 = ends.iter().sum();
        ensure!(written >= i64::from(EACH), "{written} records were written to {}", topic.name);
        let load = ConsumeLoad { consumers: 4, check_crcs: true, ..ConsumeLoad::new(topic, ends) };
        let window = consume::run(&load, broker.address(), None, Extent::WHOLE)?;
        let read = i64::try_from(window.records)?;
        ensure!(read >= written, "{read} of {written} records of {} were read", topic.name);
    }
    values.push((Metric::Resident, megabytes(&broker)?));
    broker.stop()?;
    let took = broker.start(Led { topics: TOPICS, partitions: TOPICS * EACH as usize })?;
    values.push((Metric::Ready, took.as_secs_f64() * 1000.0));
    broker.stop()
}

fn megabytes(broker: &Broker) -> anyhow::Result<f64> {
    let pid = broker.pid().context("it does not run")?;
    Ok(usage::memory(pid)?.resident as f64 / 1e6)
}
