//! One part alone, against a cluster that is elsewhere: Yeoul's or Apache Kafka's.

mod cluster;
mod connect;
mod registry;
mod sql_server;
mod worker_api;

use std::convert::Infallible;
use std::time::Instant;

pub(crate) use self::connect::ConnectOptions;
pub(crate) use self::registry::RegistryOptions;
pub(crate) use self::sql_server::SqlServerOptions;
use crate::output::say;
use crate::signals;

/// A part that is told how to start, where it serves, and how to stop.
trait Part: Sized {
    /// What the part is told on the command line.
    type Options;

    /// Starts it, once the cluster answers.
    async fn start(options: &Self::Options) -> anyhow::Result<Self>;

    /// What it is and where it answers, for the line that says that it is ready.
    fn place(&self) -> String;

    /// Prints what somebody should know of it while it runs; never returns.
    async fn tell(&self) -> Infallible {
        std::future::pending().await
    }

    /// Stops it in order.
    async fn stop(self);
}

/// Runs a part until the process is asked to stop, which may be before it has started.
async fn run<P: Part>(options: &P::Options, servers: &str) -> anyhow::Result<()> {
    let begun = Instant::now();
    let mut stop = signals::stop_requested();
    let part = tokio::select! {
        started = P::start(options) => started?,
        () = &mut stop => return Ok(()),
    };
    let (place, ms) = (part.place(), begun.elapsed().as_millis());
    say(&format!("ready after {ms} ms: {place}, on the cluster at {servers}"));
    tokio::select! {
        () = stop => {}
        told = part.tell() => match told {},
    }
    part.stop().await;
    Ok(())
}

/// `yeoul registry`.
///
/// # Errors
/// Why it cannot start; a cluster that is not there is waited for.
pub(crate) async fn serve_registry(options: &RegistryOptions) -> anyhow::Result<()> {
    run::<registry::Running>(options, options.cluster.servers()).await
}

/// `yeoul connect`.
///
/// # Errors
/// As [`serve_registry`].
pub(crate) async fn serve_connect(options: &ConnectOptions) -> anyhow::Result<()> {
    run::<connect::Running>(options, options.cluster.servers()).await
}

/// `yeoul sql-server`.
///
/// # Errors
/// As [`serve_registry`].
pub(crate) async fn serve_sql(options: &SqlServerOptions) -> anyhow::Result<()> {
    run::<sql_server::Running>(options, options.cluster.servers()).await
}
