//! Where log lines go and how they look: to standard error, so that what a tool prints stays clean,
//! in the form of Kafka's logs: `[2024-01-31 12:00:00,000] WARN text (where)`.

use std::fmt;

use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Where a filter may be set, beside the command line: the first one that is there holds.
const VARIABLES: [&str; 2] = ["YEOUL_LOG", "RUST_LOG"];

/// Installs the subscriber once for the process. The filter, in the syntax `level` or
/// `target=level,...`, is the one `given` on the command line, else that of a variable, else
/// `default`.
pub(crate) fn init(default: &str, given: Option<&str>) {
    let variable = |name: &str| std::env::var(name).ok();
    let filter = filter(default, given, variable).unwrap_or_else(|problem| {
        eprintln!("{problem}; using `{default}`");
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

/// A filter in the syntax `level` or `target=level,...`, for the command line.
///
/// # Errors
/// It is none.
pub(crate) fn parse(text: &str) -> Result<String, String> {
    EnvFilter::try_new(text).map_err(|error| {
        format!("{error}; a level is error, warn, info, debug, trace or off, or target=level,..")
    })?;
    Ok(text.to_owned())
}

fn filter(
    default: &str,
    given: Option<&str>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<EnvFilter, String> {
    if let Some(given) = given {
        return EnvFilter::try_new(given).map_err(|error| format!("--log-level: {error}"));
    }
    let set = VARIABLES.iter().find_map(|name| {
        let text = variable(name).filter(|text| !text.trim().is_empty());
        text.map(|text| (name, text))
    });
    match set {
        Some((name, text)) => EnvFilter::try_new(&text).map_err(|error| format!("{name}: {error}")),
        None => Ok(EnvFilter::new(default)),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_wins_over_yeouls_variable_and_that_over_rusts() {
        let both = |name: &str| {
            let values = [("YEOUL_LOG", "debug"), ("RUST_LOG", "trace")];
            values.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned())
        };
        let rust = |name: &str| both(name).filter(|_| name == "RUST_LOG");
        let empty = |_: &str| Some(String::new());
        let shown = |given, variable: &dyn Fn(&str) -> Option<String>| {
            filter("info", given, variable).map(|filter| filter.to_string())
        };
        assert_eq!(shown(Some("error"), &both), Ok("error".to_owned()));
        assert_eq!(shown(None, &both), Ok("debug".to_owned()));
        assert_eq!(shown(None, &rust), Ok("trace".to_owned()));
        assert_eq!(shown(None, &empty), Ok("info".to_owned()));
        assert_eq!(shown(None, &|_| None), Ok("info".to_owned()));
    }

    #[test]
    fn what_is_no_filter_is_refused_with_where_it_came_from() {
        let wrong = |name: &str| (name == "RUST_LOG").then(|| "sql=loud".to_owned());
        assert!(filter("info", None, wrong).expect_err("no level").starts_with("RUST_LOG: "));
        assert!(parse("sql=loud").expect_err("no level").contains("error, warn, info"));
        assert_eq!(parse("warn,sql=debug").as_deref(), Ok("warn,sql=debug"));
    }
}
