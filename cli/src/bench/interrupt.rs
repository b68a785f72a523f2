//! Ctrl-C: a measurement stops at the next opportunity, and stops what it has started.

use std::sync::atomic::{AtomicBool, Ordering};

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Watches for SIGINT and SIGTERM from now on.
pub(super) fn watch() -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::spawn(move || {
        runtime.block_on(async { crate::signals::stop_requested().await });
        REQUESTED.store(true, Ordering::Relaxed);
    });
    Ok(())
}

/// Whether the measurement is to stop.
pub(crate) fn requested() -> bool {
    REQUESTED.load(Ordering::Relaxed)
}

/// Ends what is going on if the measurement is to stop.
pub(crate) fn check() -> anyhow::Result<()> {
    if requested() { anyhow::bail!("stopped by a signal") } else { Ok(()) }
}
