//! `yeoul bench compare`: both systems beside each other, in alternating runs.
//!
//! - `profile`: how long each thing is measured · one module a section
//!
//! A run that fails is written down and ends nothing; a signal ends everything, and what was
//! started is stopped.

mod consume;
mod floor;
mod fsync;
mod latency;
mod memory;
mod partitions;
mod produce;
mod profile;
mod start;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, ensure};
use clap::{Args, ValueEnum as _};

use super::figures::{Failure, Figure, Line, Metric, Results, Section, System};
use super::load::ask::Led;
use super::report::ReportFiles;
use super::system::Broker;
use super::{interrupt, machine};
use crate::causes;
use profile::Profile;

/// Where the folder with the peers is if nothing else is said.
const PEERS: &str = "../shared/peers";

/// Yeoul and Kafka beside each other
#[derive(Args)]
pub(crate) struct Compare {
    /// Each run as short as it may be: all of it in about 40 minutes (the default)
    #[arg(long, conflicts_with = "full")]
    quick: bool,
    /// Longer runs of the same: all of it in some hours
    #[arg(long)]
    full: bool,
    /// Only these sections; the others stay as they were measured last
    #[arg(long, value_name = "SECTION", value_delimiter = ',')]
    only: Vec<Section>,
    /// Only cells whose name contains this
    #[arg(long, value_name = "TEXT")]
    cells: Option<String>,
    /// How often each thing is measured
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// The folder with kafka/kafka and limit/limit.c ($YEOUL_PEERS, or ../shared/peers)
    #[arg(long, value_name = "DIR")]
    peers: Option<PathBuf>,
    /// Measure Yeoul alone
    #[arg(long)]
    without_kafka: bool,
    /// Where the brokers keep their data while they are measured
    #[arg(long, value_name = "DIR", default_value = "target/bench/data")]
    data: PathBuf,
    #[command(flatten)]
    files: ReportFiles,
}

impl Compare {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        ensure!(self.runs > 0, "--runs 0 measures nothing");
        let peers = self.peers()?;
        let session = machine::session();
        let mut results = Results::append_to(&self.files.results)?;
        results.add(&Line::Session(session.clone()))?;
        let profile = if self.full { profile::FULL } else { profile::QUICK };
        let mut bench = Bench {
            profile: Profile { runs: self.runs, ..profile },
            session: session.began,
            cells: self.cells.clone(),
            results,
            script: peers.join("kafka/kafka"),
            floor: peers.join("limit/limit.c"),
            data: self.data.clone(),
            systems: match self.without_kafka {
                true => vec![System::Yeoul],
                false => vec![System::Yeoul, System::Kafka],
            },
            pair: Vec::new(),
            begun: Instant::now(),
        };
        let done = self.sections().into_iter().try_for_each(|section| bench.measure(section));
        drop(bench);
        self.files.write()?;
        done
    }

    fn peers(&self) -> anyhow::Result<PathBuf> {
        let named = self.peers.clone().or_else(|| std::env::var_os("YEOUL_PEERS").map(Into::into));
        let peers = named.unwrap_or_else(|| PEERS.into());
        ensure!(
            self.without_kafka || peers.join("kafka/kafka").exists(),
            "{} is not there: it starts the Apache Kafka that is measured beside Yeoul; name its \
             folder with --peers, or measure Yeoul alone with --without-kafka",
            peers.join("kafka/kafka").display()
        );
        Ok(std::path::absolute(peers)?)
    }

    fn sections(&self) -> Vec<Section> {
        let all = Section::value_variants().iter().copied();
        all.filter(|section| self.only.is_empty() || self.only.contains(section)).collect()
    }
}

/// A comparison under way.
struct Bench {
    profile: Profile,
    session: String,
    cells: Option<String>,
    results: Results,
    script: PathBuf,
    floor: PathBuf,
    data: PathBuf,
    systems: Vec<System>,
    /// The brokers that most sections share, while they run.
    pair: Vec<Broker>,
    begun: Instant,
}

/// What a run has to say.
type Values = Vec<(Metric, f64)>;

impl Bench {
    fn measure(&mut self, section: Section) -> anyhow::Result<()> {
        interrupt::check()?;
        let title = section.name();
        eprintln!("== {title} (after {} s)", self.begun.elapsed().as_secs());
        let done = match section {
            Section::Floor => floor::measure(self),
            Section::Produce => produce::measure(self),
            Section::Consume => consume::measure(self),
            Section::Latency => latency::measure(self),
            Section::Fsync => fsync::measure(self),
            Section::Memory => memory::measure(self),
            Section::Start => start::measure(self),
            Section::Partitions => partitions::measure(self),
        };
        interrupt::check()?;
        // What concerns a section as a whole does not keep the next one from its turn.
        if let Err(error) = done {
            for system in self.systems.clone() {
                self.failed(section, &title, system, 0, &error)?;
            }
        }
        Ok(())
    }

    /// Whether a cell is among those that were asked for.
    fn wants(&self, cell: &str) -> bool {
        self.cells.as_ref().is_none_or(|text| cell.contains(text))
    }

    /// A broker with a folder of its own, not started yet.
    fn broker(&self, system: System) -> anyhow::Result<Broker> {
        let folder = format!("{}-{:08x}", system.to_string().to_lowercase(), rand::random::<u32>());
        Broker::new(system, &self.data.join(folder), &self.script)
    }

    /// Starts the brokers that the sections share, and lets Kafka's code be compiled before
    /// anything counts.
    fn start_pair(&mut self) -> anyhow::Result<()> {
        if !self.pair.is_empty() {
            return Ok(());
        }
        let mut pair = Vec::new();
        for system in self.systems.clone() {
            let mut broker = self.broker(system)?;
            broker.start(Led { topics: 0, partitions: 0 })?;
            produce::warm_up(&broker, self.profile.first_warm_up)?;
            pair.push(broker);
        }
        self.pair = pair;
        Ok(())
    }

    /// Stops them, for sections that measure a broker from its start.
    fn stop_pair(&mut self) {
        self.pair.clear();
    }

    /// Measures a cell on the shared brokers, one after the other, as often as wanted.
    fn alternate(
        &mut self,
        section: Section,
        cell: &str,
        mut work: impl FnMut(&Broker) -> anyhow::Result<Values>,
    ) -> anyhow::Result<()> {
        let mut pair = std::mem::take(&mut self.pair);
        let runs = self.profile.runs;
        let done = (1..=runs).try_for_each(|run| {
            pair.iter_mut().try_for_each(|broker| {
                let done = broker.revive().and_then(|()| work(broker));
                self.note(section, cell, broker.system(), run, done)
            })
        });
        self.pair = pair;
        done
    }

    /// Writes down what came of a run. Only a signal, or a file that cannot be written, is an
    /// error here.
    fn note(
        &mut self,
        section: Section,
        cell: &str,
        system: System,
        run: usize,
        done: anyhow::Result<Values>,
    ) -> anyhow::Result<()> {
        interrupt::check()?;
        let values = match done {
            Ok(values) => values,
            Err(error) => return self.failed(section, cell, system, run, &error),
        };
        let shown: Vec<String> =
            values.iter().map(|(metric, value)| format!("{} {value:.2}", metric.title())).collect();
        eprintln!("{system:<6} {run} {cell}: {}", shown.join(", "));
        for (metric, value) in values {
            self.results.add(&Line::Figure(Figure {
                session: self.session.clone(),
                section,
                cell: cell.to_owned(),
                metric,
                system,
                run,
                value,
            }))?;
        }
        Ok(())
    }

    fn failed(
        &mut self,
        section: Section,
        cell: &str,
        system: System,
        run: usize,
        error: &anyhow::Error,
    ) -> anyhow::Result<()> {
        eprintln!("{system:<6} {run} {cell}: failed: {}", causes::told(error));
        self.results.add(&Line::Failure(Failure {
            session: self.session.clone(),
            section,
            cell: cell.to_owned(),
            system,
            run,
            reason: causes::told(error),
        }))
    }

    /// A file below the data folder.
    fn scratch(&self, name: &str) -> anyhow::Result<PathBuf> {
        let folder: &Path = &self.data;
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        Ok(folder.join(name))
    }
}
