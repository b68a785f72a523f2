//! When the process is asked to stop.

use tokio::signal::unix::{SignalKind, signal};

/// Waits for SIGINT or SIGTERM. Where they cannot be watched, it waits for ever: the process then
/// ends as the signals end it.
pub(crate) async fn stop_requested() {
    let watched = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    let (Ok(mut interrupt), Ok(mut terminate)) = watched else {
        tracing::warn!("signals cannot be watched: a stop will not be clean");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
