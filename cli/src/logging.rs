//! Where log lines go: to standard error, so that what a tool prints stays clean.

use tracing_subscriber::EnvFilter;

/// Installs the subscriber once for the process. `default` is the filter where the variable
/// `YEOUL_LOG` names none, in the syntax `level` or `target=level,...`.
pub(crate) fn init(default: &str) {
    let filter = std::env::var("YEOUL_LOG").unwrap_or_else(|_| default.to_owned());
    let filter = EnvFilter::try_new(&filter).unwrap_or_else(|error| {
        eprintln!("YEOUL_LOG: {error}; using `{default}`");
        EnvFilter::new(default)
    });
    // A second call in one process keeps the first subscriber, which is what is wanted.
    let _ =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
}
