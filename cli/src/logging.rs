//! Where log lines go and how they look: to standard error, so that what a tool prints stays clean,
//! in the form of Kafka's logs: `[2024-01-31 12:00:00,000] WARN text (where)`.

use std::fmt;

use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Installs the subscriber once for the process. `default` is the filter where the variable
/// `YEOUL_LOG` names none, in the syntax `level` or `target=level,...`.
pub(crate) fn init(default: &str) {
    let filter = std::env::var("YEOUL_LOG").unwrap_or_else(|_| default.to_owned());
    let filter = EnvFilter::try_new(&filter).unwrap_or_else(|error| {
        eprintln!("YEOUL_LOG: {error}; using `{default}`");
        EnvFilter::new(default)
    });
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .event_format(KafkaLines)
        .with_writer(std::io::stderr);
    // A second call in one process keeps the first subscriber, which is what is wanted.
    let _ = subscriber.try_init();
}

/// Kafka's pattern: time, level, text, and who wrote it.
struct KafkaLines;

impl<S, N> FormatEvent<S, N> for KafkaLines
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let now = chrono::Local::now().format("%Y-%m-%d %H:%M:%S,%3f");
        write!(writer, "[{now}] {} ", event.metadata().level())?;
        context.format_fields(writer.by_ref(), event)?;
        writeln!(writer, " ({})", event.metadata().target())
    }
}
