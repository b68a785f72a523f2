//! kafka-producer-perf-test: writes records as fast as told and prints rates and latencies.

mod report;
mod values;

use std::sync::Arc;
use std::time::{Duration, Instant};

use client::{DeliveryObserver, Producer, ProducerConfig, Record};
use futures::FutureExt;

use self::report::{Report, tag};
use self::values::Values;
use super::{deprecated, exclusive, repeated};
use crate::tools::Tool;
use crate::tools::connection::{client_properties, warn_unused};
use crate::tools::options::{Parsed, Spec, UsageError, begin, flag, refuse, value};

pub(crate) const TOOL: Tool = Tool {
    name: "kafka-producer-perf-test",
    about: "Measure how fast records are written",
    options: SPEC.options,
    run: |arguments| async move { run(&arguments).await }.boxed(),
};

const SPEC: Spec = Spec {
    tool: "kafka-producer-perf-test",
    about: "This tool is used to verify the producer performance.",
    options: &[
        value("topic", "REQUIRED: The topic to write to."),
        value("num-records", "REQUIRED: How many records to write."),
        value("throughput", "REQUIRED: Records a second at the most; -1 is no limit."),
        value("record-size", "Bytes of each value; this or --payload-file or --payload-monotonic."),
        value("payload-file", "A file with values, chosen at random."),
        value("payload-delimiter", "What stands between values of the file, a pattern (\\n)."),
        flag("payload-monotonic", "Values are the numbers 0, 1, 2, ..."),
        value("bootstrap-server", "The brokers to ask first."),
        value("command-property", "Properties of the producer, key=value ..."),
        value("producer-props", "The older name of --command-property."),
        value("command-config", "A properties file for the producer."),
        value("producer.config", "The older name of --command-config."),
        value("reporting-interval", "Milliseconds between lines (5000)."),
        value("warmup-records", "Records at the start that the last line leaves out (0)."),
        flag("print-metrics", "Not served: the client keeps no metrics."),
        value("transactional-id", "Not served: the client has no transactions."),
        value("transaction-duration-ms", "Not served: the client has no transactions."),
        flag("help", "Print this page."),
        flag("version", "Print the version."),
    ],
};

async fn run(arguments: &[String]) -> i32 {
    if arguments.is_empty() {
        // As Kafka's tool: who says nothing is told what there is to say.
        print!("{}", SPEC.usage());
        return 0;
    }
    let arguments = repeated(arguments, &["producer-props", "command-property"]);
    let parsed = match begin(&SPEC, &arguments) {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    let plan = match plan(&parsed) {
        Ok(plan) => plan,
        Err(error) => return refuse(&SPEC, &error),
    };
    match producer(&parsed) {
        Ok(producer) => {
            let done = measure(&producer, plan).await;
            producer.close().await;
            match done {
                Ok(()) => 0,
                Err(message) => {
                    eprintln!("{message}");
                    1
                }
            }
        }
        Err(message) => {
            eprintln!("{message}");
            1
        }
    }
}

fn producer(parsed: &Parsed) -> Result<Producer, String> {
    let file = parsed.get("command-config").or_else(|| parsed.get("producer.config"));
    let mut arguments = parsed.all("producer-props").to_vec();
    arguments.extend_from_slice(parsed.all("command-property"));
    let mut properties = client_properties(file, &arguments)?;
    if let Some(servers) = parsed.get("bootstrap-server") {
        properties.set("bootstrap.servers", servers);
    }
    if properties.get("client.id").is_none() {
        properties.set("client.id", "perf-producer-client");
    }
    let config = ProducerConfig::from_properties(&mut properties).map_err(|e| e.to_string())?;
    warn_unused(&properties);
    Producer::new(config).map_err(|error| error.to_string())
}

/// What is written.
struct Plan {
    topic: Arc<str>,
    count: u64,
    warm_up: u64,
    /// Records a second.
    rate: Option<f64>,
    interval: Duration,
    values: Values,
}

const SOURCES: [&str; 3] = ["record-size", "payload-file", "payload-monotonic"];

fn plan(parsed: &Parsed) -> Result<Plan, UsageError> {
    let error = |text: &str| Err(UsageError(text.to_owned()));
    if let Some(missing) =
        ["topic", "num-records", "throughput"].iter().find(|name| !parsed.has(name))
    {
        return Err(UsageError(format!("argument --{missing} is required")));
    }
    match SOURCES.iter().filter(|option| parsed.has(option)).collect::<Vec<_>>()[..] {
        [_] => {}
        [first, second, ..] => {
            let text = format!("argument --{second}: not allowed with argument --{first}");
            return Err(UsageError(text));
        }
        [] => {
            return error(
                "one of the arguments --record-size --payload-file --payload-monotonic is required",
            );
        }
    }
    check_properties(parsed)?;
    let count: i64 = parsed.parse("num-records")?.unwrap_or(0);
    let Some(count) = u64::try_from(count).ok().filter(|count| *count > 0) else {
        return error("--num-records should be greater than zero.");
    };
    let warm_up: i64 = parsed.parse("warmup-records")?.unwrap_or(0);
    let warm_up = u64::try_from(warm_up).unwrap_or(0);
    if warm_up >= count {
        return error(
            "The value for --warmup-records must be strictly fewer than the number of records in \
             the test, --num-records.",
        );
    }
    let rate: f64 = parsed.parse("throughput")?.unwrap_or(-1.0);
    let interval: i64 = parsed.parse("reporting-interval")?.unwrap_or(5000);
    let Some(interval_ms) = u64::try_from(interval).ok().filter(|millis| *millis > 0) else {
        return error("--reporting-interval should be greater than zero.");
    };
    Ok(Plan {
        topic: parsed.get("topic").unwrap_or_default().into(),
        count,
        warm_up,
        rate: (rate > 0.0).then_some(rate),
        interval: Duration::from_millis(interval_ms),
        values: values(parsed)?,
    })
}

/// What goes together, and what is not served.
fn check_properties(parsed: &Parsed) -> Result<(), UsageError> {
    let ways = [
        "bootstrap-server",
        "command-property",
        "producer-props",
        "producer.config",
        "command-config",
    ];
    if !ways.iter().any(|option| parsed.has(option)) {
        let text = "At least one of --bootstrap-server, --command-property, --producer-props, \
                    --producer.config or --command-config must be specified.";
        return Err(UsageError(text.to_owned()));
    }
    exclusive(parsed, "command-property", "producer-props")?;
    exclusive(parsed, "command-config", "producer.config")?;
    for option in ["transactional-id", "transaction-duration-ms"] {
        if parsed.has(option) {
            let text = "the client has no transactions yet; leave the option out";
            return Err(UsageError(format!("--{option}: {text}")));
        }
    }
    if parsed.has("print-metrics") {
        let text = "--print-metrics: the client keeps no metrics; leave the option out";
        return Err(UsageError(text.to_owned()));
    }
    deprecated(parsed, "producer-props", "command-property");
    deprecated(parsed, "producer.config", "command-config");
    Ok(())
}

fn values(parsed: &Parsed) -> Result<Values, UsageError> {
    match (parsed.parse::<i32>("record-size")?, parsed.get("payload-file")) {
        (Some(size), _) => match usize::try_from(size) {
            Ok(size @ 1..=report::MOST_BYTES) => Ok(Values::random(size)),
            Ok(size @ 1..) => Err(UsageError(format!(
                "--record-size {size}: no broker takes a record of more than {} bytes",
                report::MOST_BYTES
            ))),
            _ => Err(UsageError("--record-size should be greater than zero.".to_owned())),
        },
        (None, Some(path)) => {
            Values::of_file(path, parsed.get("payload-delimiter")).map_err(UsageError)
        }
        (None, None) => Ok(Values::Numbers),
    }
}

async fn measure(producer: &Producer, mut plan: Plan) -> Result<(), String> {
    if plan.warm_up > 0 {
        println!(
            "Warmup first {} records. Steady state results will print after the complete test \
             summary.",
            plan.warm_up
        );
    }
    let begun = Instant::now();
    let report = Arc::new(Report::new(begun, plan.interval));
    let observer: Arc<dyn DeliveryObserver> = report.clone();
    for number in 0..plan.count {
        let value = plan.values.next(number);
        if number == plan.warm_up && number > 0 {
            report.warmed_up();
        }
        let sent_us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        let tag = tag(sent_us, value.len());
        let record = Record::to(plan.topic.clone()).value(value);
        let sent = producer.send_observed(record, &observer, tag).await;
        sent.map_err(|error| error.to_string())?;
        if let Some(rate) = plan.rate {
            wait_until(begun + Duration::from_secs_f64((number + 1) as f64 / rate)).await;
        }
    }
    producer.flush().await;
    match report.end() {
        0 => Ok(()),
        failed => Err(format!("{failed} of {} records were not written", plan.count)),
    }
}

/// Waits, exact to about a tenth of a millisecond. The runtime's timers count milliseconds; this
/// thread's own sleep is finer, and no task of the client runs on it.
async fn wait_until(due: Instant) {
    const COARSE: Duration = Duration::from_millis(2);
    const FINE: Duration = Duration::from_micros(100);
    let left = || due.saturating_duration_since(Instant::now());
    if left() > COARSE {
        tokio::time::sleep(left() - COARSE).await;
    }
    if left() >= FINE {
        std::thread::sleep(left());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(line: &str) -> String {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let parsed = SPEC.parse(&words).expect("the options exist");
        plan(&parsed).map(|_| ()).expect_err("refused").0
    }

    #[test]
    fn what_is_missing_or_contradicts_itself_is_named() {
        assert_eq!(refused("--topic t"), "argument --num-records is required");
        let base = "--topic t --num-records 1 --throughput -1";
        assert!(refused(base).starts_with("one of the arguments --record-size"));
        assert_eq!(
            refused(&format!("{base} --payload-monotonic --record-size 1")),
            "argument --payload-monotonic: not allowed with argument --record-size"
        );
        assert!(refused(&format!("{base} --record-size 1")).contains("--bootstrap-server"));
        let served = format!("{base} --bootstrap-server b:1 --record-size");
        assert_eq!(refused(&format!("{served} 0")), "--record-size should be greater than zero.");
        let refused = |rest: &str| refused(&format!("{served} 1 {rest}"));
        assert!(refused("--warmup-records 1").contains("strictly fewer"));
        assert!(refused("--reporting-interval 0").contains("greater than zero"));
        assert!(refused("--print-metrics").contains("keeps no metrics"));
        assert!(refused("--transactional-id x").contains("no transactions"));
        assert_eq!(
            refused("--command-property a=1 --producer-props b=2"),
            "--command-property and --producer-props cannot be specified together."
        );
    }
}
