//! `yeoul server`.

use std::time::Instant;

use super::{Platform, ServerOptions};
use crate::output::say;
use crate::signals;

/// Runs all parts until the process is asked to stop.
///
/// # Errors
/// A part cannot start, or the broker's logs were not closed in order.
pub(crate) async fn serve(options: &ServerOptions) -> anyhow::Result<()> {
    let begun = Instant::now();
    let mut stop = signals::stop_requested();
    let platform = tokio::select! {
        started = Platform::start(options.platform()?) => started?,
        () = &mut stop => anyhow::bail!("stopped before all parts were ready"),
    };
    say(&format!(
        "ready after {} ms: Kafka clients {}, schema registry {}, SQL {}",
        begun.elapsed().as_millis(),
        platform.broker_address,
        platform.registry_url(),
        platform.sql_url(),
    ));
    tokio::select! {
        () = stop => {}
        told = super::connectors::tell(&platform.worker) => match told {},
    }
    platform.shutdown().await
}
