//! kafka-consumer-perf-test: reads records as fast as it can and prints rates.

use std::time::{Duration, Instant};

use chrono::Local;
use client::consumer::RebalanceEvent;
use client::{Consumer, ConsumerConfig, Polled};
use futures::FutureExt;

use super::date_format::DateFormat;
use super::{exclusive, repeated};
use crate::tools::Tool;
use crate::tools::connection::{client_properties, warn_unused};
use crate::tools::options::{Parsed, Spec, UsageError, begin, flag, maybe_value, refuse, value};
use crate::tools::topics::topic_pattern;

pub(crate) const TOOL: Tool = Tool {
    name: "kafka-consumer-perf-test",
    about: "Measure how fast records are read",
    options: SPEC.options,
    run: |arguments| async move { run(&arguments).await }.boxed(),
};

const SPEC: Spec = Spec {
    tool: "kafka-consumer-perf-test",
    about: "This tool is used to verify the consumer performance.",
    options: &[
        value("bootstrap-server", "REQUIRED: The brokers to ask first, host:port,host:port."),
        value("topic", "The topic to read."),
        value("include", "Topics to read: a pattern, or several with commas."),
        value("num-records", "REQUIRED: How many records to read."),
        value("messages", "The older name of --num-records."),
        value("group", "The group to read as (perf-consumer-NUMBER)."),
        value("fetch-size", "Bytes of one partition in one answer (1048576)."),
        flag("from-latest", "Start at the end where the group has no offset."),
        maybe_value("timeout", "Milliseconds without a record until it gives up (10000)."),
        value("reporting-interval", "Milliseconds between lines of --show-detailed-stats (5000)."),
        flag("show-detailed-stats", "Print a line for each interval."),
        flag("hide-header", "Leave the first line out."),
        value("command-property", "Properties of the consumer, key=value ..."),
        value("command-config", "A properties file for the consumer."),
        value("consumer.config", "The older name of --command-config."),
        value("socket-buffer-size", "Bytes of the socket's receive buffer (2097152)."),
        value("date-format", "How times are printed (yyyy-MM-dd HH:mm:ss:SSS)."),
        flag("print-metrics", "Not served: the client keeps no metrics."),
        flag("help", "Print this page."),
        flag("version", "Print the version."),
    ],
};

async fn run(arguments: &[String]) -> i32 {
    let arguments = repeated(arguments, &["command-property"]);
    let parsed = match begin(&SPEC, &arguments) {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    let plan = match plan(&parsed) {
        Ok(plan) => plan,
        Err(error) => return refuse(&SPEC, &error),
    };
    match measure(&parsed, &plan).await {
        Ok(()) => 0,
        Err(message) => {
            eprintln!("{message}");
            1
        }
    }
}

struct Plan {
    count: u64,
    patience: Duration,
    interval: Duration,
    details: bool,
    date_format: DateFormat,
}

fn plan(parsed: &Parsed) -> Result<Plan, UsageError> {
    parsed.require(&["bootstrap-server"])?;
    if parsed.has("topic") == parsed.has("include") {
        let text = "Exactly one of the following arguments is required: [topic], [include]";
        return Err(UsageError(text.to_owned()));
    }
    if parsed.has("num-records") == parsed.has("messages") {
        let text = "Exactly one of the following arguments is required: [messages], [num-records]";
        return Err(UsageError(text.to_owned()));
    }
    exclusive(parsed, "command-config", "consumer.config")?;
    if parsed.has("print-metrics") {
        let text = "--print-metrics: the client keeps no metrics; leave the option out";
        return Err(UsageError(text.to_owned()));
    }
    let interval_ms = parsed.parse("reporting-interval")?.unwrap_or(5000);
    if interval_ms == 0 {
        return Err(UsageError("Reporting interval must be greater than 0.".to_owned()));
    }
    for (older, name) in [("messages", "num-records"), ("consumer.config", "command-config")] {
        if parsed.has(older) {
            println!("Warning: --{older} is deprecated. Use --{name} instead.");
        }
    }
    let pattern = parsed.get("date-format").unwrap_or("yyyy-MM-dd HH:mm:ss:SSS");
    Ok(Plan {
        count: parsed.parse("num-records")?.or(parsed.parse("messages")?).unwrap_or(0),
        patience: Duration::from_millis(parsed.parse("timeout")?.unwrap_or(10_000)),
        interval: Duration::from_millis(interval_ms),
        details: parsed.has("show-detailed-stats"),
        date_format: DateFormat::parse(pattern).map_err(UsageError)?,
    })
}

fn consumer(parsed: &Parsed) -> Result<Consumer, String> {
    let file = parsed.get("command-config").or_else(|| parsed.get("consumer.config"));
    let mut properties = client_properties(file, parsed.all("command-property"))?;
    properties.set("bootstrap.servers", parsed.get("bootstrap-server").unwrap_or_default());
    let number = rand::random_range(0..100_000);
    let group =
        parsed.get("group").map_or_else(|| format!("perf-consumer-{number}"), str::to_owned);
    properties.set("group.id", group);
    properties.set("max.partition.fetch.bytes", parsed.get("fetch-size").unwrap_or("1048576"));
    properties.set("receive.buffer.bytes", parsed.get("socket-buffer-size").unwrap_or("2097152"));
    properties.set("check.crcs", "false");
    let reset = if parsed.has("from-latest") { "latest" } else { "earliest" };
    properties.set("auto.offset.reset", reset);
    if properties.get("client.id").is_none() {
        properties.set("client.id", "perf-consumer-client");
    }
    let config = ConsumerConfig::from_properties(&mut properties).map_err(|e| e.to_string())?;
    warn_unused(&properties);
    let mut consumer = Consumer::new(config).map_err(|error| error.to_string())?;
    let subscribed = match parsed.get("include") {
        Some(pattern) => consumer.subscribe_pattern(topic_pattern(pattern)?),
        None => consumer.subscribe([parsed.get("topic").unwrap_or_default()]),
    };
    subscribed.map_err(|error| error.to_string())?;
    Ok(consumer)
}

/// What was read up to a moment.
#[derive(Clone, Copy, Default)]
struct Read {
    records: u64,
    bytes: u64,
}

impl Read {
    fn add(&mut self, polled: &Polled) -> Result<(), String> {
        for batch in polled.partitions.iter().flat_map(|partition| &partition.batches) {
            let payload = batch.payload().map_err(|error| error.to_string())?;
            for record in payload.records() {
                let record = record.map_err(|error| error.to_string())?;
                if record.offset >= batch.from_offset() {
                    let length = |bytes: Option<&[u8]>| bytes.map_or(0, |bytes| bytes.len() as u64);
                    self.records += 1;
                    self.bytes += length(record.key) + length(record.value);
                }
            }
        }
        Ok(())
    }

    fn since(self, earlier: Self) -> Self {
        Self { records: self.records - earlier.records, bytes: self.bytes - earlier.bytes }
    }
}

/// How long the group had no partitions for this member.
struct Joining {
    /// Since when there are none.
    since: Option<Instant>,
    in_all: Duration,
    in_window: Duration,
}

impl Joining {
    fn note(&mut self, events: &[RebalanceEvent]) {
        for event in events {
            match event {
                RebalanceEvent::Assigned(_) => {
                    let joined = self.since.take().map_or(Duration::ZERO, |since| since.elapsed());
                    self.in_all += joined;
                    self.in_window += joined;
                }
                RebalanceEvent::Revoking(_) | RebalanceEvent::Lost(_) => {
                    self.since.get_or_insert_with(Instant::now);
                }
            }
        }
    }
}

async fn measure(parsed: &Parsed, plan: &Plan) -> Result<(), String> {
    if !parsed.has("hide-header") {
        let first = if plan.details { "time, threadId" } else { "start.time, end.time" };
        println!(
            "{first}, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, \
             rebalance.time.ms, fetch.time.ms, fetch.MB.sec, fetch.nMsg.sec"
        );
    }
    let mut consumer = consumer(parsed)?;
    let (started, begun) = (Local::now(), Instant::now());
    let mut joining =
        Joining { since: Some(begun), in_all: Duration::ZERO, in_window: Duration::ZERO };
    let (mut read, mut window) = (Read::default(), Read::default());
    let (mut last_record, mut window_begun) = (begun, begun);
    while read.records < plan.count && last_record.elapsed() < plan.patience {
        let polled = consumer.poll(Duration::from_millis(100)).await;
        let polled = polled.map_err(|error| error.to_string())?;
        joining.note(&polled.events);
        if !polled.partitions.is_empty() {
            read.add(&polled)?;
            last_record = Instant::now();
        }
        if plan.details && window_begun.elapsed() >= plan.interval {
            let cells = cells(read.since(window), read, window_begun.elapsed(), joining.in_window);
            println!("{}, 0, {cells}", plan.date_format.print(Local::now()));
            (window, window_begun, joining.in_window) = (read, Instant::now(), Duration::ZERO);
        }
    }
    if read.records < plan.count {
        println!(
            "WARNING: Exiting before consuming the expected number of records: timeout ({} ms) \
             exceeded. You can use the --timeout option to increase the timeout.",
            plan.patience.as_millis()
        );
    }
    let elapsed = begun.elapsed();
    if !plan.details {
        let cells = cells(read, read, elapsed, joining.in_all);
        let time = |at| plan.date_format.print(at);
        println!("{}, {}, {cells}", time(started), time(Local::now()));
    }
    consumer.close().await.map_err(|error| error.to_string())
}

/// The columns of a line after its times: of what was read in `elapsed`, and of all.
fn cells(read: Read, all: Read, elapsed: Duration, joining: Duration) -> String {
    let seconds = elapsed.as_secs_f64().max(1e-9);
    let fetching = elapsed.saturating_sub(joining);
    let fetch_seconds = fetching.as_secs_f64().max(1e-9);
    let megabytes = |bytes: u64| bytes as f64 / (1024.0 * 1024.0);
    format!(
        "{:.4}, {:.4}, {}, {:.4}, {}, {}, {:.4}, {:.4}",
        megabytes(all.bytes),
        megabytes(read.bytes) / seconds,
        all.records,
        read.records as f64 / seconds,
        joining.as_millis(),
        fetching.as_millis(),
        megabytes(read.bytes) / fetch_seconds,
        read.records as f64 / fetch_seconds,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_rates_over_all_and_over_the_fetching_alone() {
        let read = Read { records: 1000, bytes: 2 << 20 };
        let cells = cells(read, read, Duration::from_secs(4), Duration::from_secs(2));
        assert_eq!(cells, "2.0000, 0.5000, 1000, 250.0000, 2000, 2000, 1.0000, 500.0000");
    }

    #[test]
    fn what_is_missing_is_named() {
        let words = ["--bootstrap-server", "b:1", "--topic", "t"].map(str::to_owned);
        let parsed = SPEC.parse(&words).expect("the options exist");
        let error = plan(&parsed).map(|_| ()).expect_err("refused");
        assert!(error.0.contains("[num-records]"), "{error}");
        let words = ["--bootstrap-server", "b:1", "--topic", "t", "--num-records", "1"];
        let plan = |more: &[&str]| {
            let words: Vec<String> =
                words.iter().chain(more).map(|word| (*word).to_owned()).collect();
            plan(&SPEC.parse(&words).expect("the options exist")).map(|_| ())
        };
        assert_eq!(plan(&[]), Ok(()));
        assert!(plan(&["--print-metrics"]).unwrap_err().0.contains("keeps no metrics"));
        assert!(plan(&["--reporting-interval", "0"]).unwrap_err().0.contains("greater than 0"));
        assert!(plan(&["--date-format", "ww"]).unwrap_err().0.contains("ww is not served"));
    }
}
