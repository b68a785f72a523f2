//! `yeoul bench`: measures a broker with a load client of its own.
//!
//! - `load`: the client · `single`: one load on a broker that runs already
//! - `compare`: Yeoul and Kafka in turns · `system`: both as processes · `cells`: what is measured
//! - `figures`: what was measured, kept as lines of JSON · `report`: a page and a picture of it
//! - `usage`: what processes use · `free_memory`: made fit for use before a run
//! - `machine`: where it was · `interrupt`: Ctrl-C

mod cells;
mod compare;
mod figures;
mod free_memory;
mod interrupt;
mod load;
mod machine;
mod report;
mod single;
mod statistics;
mod system;
mod usage;

use clap::Subcommand;

use crate::causes;

/// What `yeoul bench` can do.
#[derive(Subcommand)]
pub(crate) enum Action {
    /// Write as fast as a broker answers
    Produce(single::Produce),
    /// Read as fast as a broker answers
    Consume(single::Consume),
    /// Write at a fixed rate, and time each record from due to read
    Latency(single::Latency),
    /// Yeoul and Apache Kafka beside each other, in alternating runs; writes docs/performance.md
    Compare(compare::Compare),
    /// Write docs/performance.md again from what was measured
    Report(report::ReportFiles),
}

/// Runs it to its end; answers the exit status.
pub(crate) fn run(action: &Action) -> i32 {
    let done = interrupt::watch().map_err(anyhow::Error::from).and_then(|()| match action {
        Action::Produce(options) => options.run(),
        Action::Consume(options) => options.run(),
        Action::Latency(options) => options.run(),
        Action::Compare(options) => options.run(),
        Action::Report(files) => files.write(),
    });
    match done {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("yeoul bench: {}", causes::told(&error));
            1
        }
    }
}
