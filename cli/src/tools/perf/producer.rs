//! kafka-producer-perf-test: writes records as fast as told and prints rates and latencies.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use client::{Producer, ProducerConfig, Record};
use futures::FutureExt;
use rand::{Rng, SeedableRng};
use tokio::sync::mpsc;

use super::latency::Latencies;
use super::repeated;
use crate::tools::Tool;
use crate::tools::connection::{client_properties, warn_unused};
use crate::tools::options::{Parsed, Spec, UsageError, begin, flag, refuse, value};

pub(crate) const TOOL: Tool = Tool {
    name: "kafka-producer-perf-test",
    about: "Measure how fast records are written",
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
        value("payload-delimiter", "What stands between the values of the file (\\n)."),
        flag("payload-monotonic", "Values are the numbers 0, 1, 2, ..."),
        value("bootstrap-server", "The brokers to ask first."),
        value("command-property", "Properties of the producer, key=value ..."),
        value("producer-props", "The older name of --command-property."),
        value("command-config", "A properties file for the producer."),
        value("producer.config", "The older name of --command-config."),
        value("reporting-interval", "Milliseconds between lines (5000)."),
        value("warmup-records", "Records at the start that are left out of the last line (0)."),
        flag("help", "Print this page."),
        flag("version", "Print the version."),
    ],
};

async fn run(arguments: &[String]) -> i32 {
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

enum Values {
    Random(usize),
    Chosen(Vec<Bytes>),
    Numbers,
}

fn plan(parsed: &Parsed) -> Result<Plan, UsageError> {
    parsed.require(&["topic", "num-records", "throughput"])?;
    let sources = ["record-size", "payload-file", "payload-monotonic"];
    if sources.iter().filter(|option| parsed.has(option)).count() != 1 {
        let text =
            "one of the arguments --record-size --payload-file --payload-monotonic is required";
        return Err(UsageError(text.to_owned()));
    }
    if !parsed.has("bootstrap-server")
        && !parsed.has("producer-props")
        && !parsed.has("command-property")
        && !parsed.has("command-config")
        && !parsed.has("producer.config")
    {
        let text = "At least one of --bootstrap-server, --command-property, --command-config must be \
                    specified.";
        return Err(UsageError(text.to_owned()));
    }
    let values = match (parsed.parse::<usize>("record-size")?, parsed.get("payload-file")) {
        (Some(0), _) => {
            return Err(UsageError("--record-size should be greater than zero.".to_owned()));
        }
        (Some(size), _) => Values::Random(size),
        (None, Some(path)) => Values::Chosen(payloads(path, parsed.get("payload-delimiter"))?),
        (None, None) => Values::Numbers,
    };
    let rate: f64 = parsed.parse("throughput")?.unwrap_or(-1.0);
    let count = parsed.parse("num-records")?.unwrap_or(0);
    let warm_up = parsed.parse("warmup-records")?.unwrap_or(0);
    if warm_up >= count && warm_up > 0 {
        let text = "The value for --warmup-records must be strictly fewer than --num-records";
        return Err(UsageError(text.to_owned()));
    }
    Ok(Plan {
        topic: parsed.get("topic").unwrap_or_default().into(),
        count,
        warm_up,
        rate: (rate > 0.0).then_some(rate),
        interval: Duration::from_millis(parsed.parse("reporting-interval")?.unwrap_or(5000)),
        values,
    })
}

fn payloads(path: &str, delimiter: Option<&str>) -> Result<Vec<Bytes>, UsageError> {
    let delimiter = delimiter.unwrap_or("\\n").replace("\\n", "\n").replace("\\t", "\t");
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| UsageError(format!("{path}: {error}")))?;
    let values = text.split(delimiter.as_str()).filter(|value| !value.is_empty());
    let values: Vec<Bytes> = values.map(|value| Bytes::from(value.to_owned())).collect();
    if values.is_empty() {
        return Err(UsageError(format!("File does not exist or empty file provided: {path}")));
    }
    Ok(values)
}

/// A record that was confirmed.
struct Confirmed {
    number: u64,
    latency_us: u64,
    bytes: usize,
}

async fn measure(producer: &Producer, plan: Plan) -> Result<(), String> {
    let (sender, receiver) = mpsc::unbounded_channel();
    let failures = Arc::new(AtomicU64::new(0));
    let report = Report { warm_up: plan.warm_up, interval: plan.interval };
    let reporting = tokio::spawn(report.run(receiver));
    let tasks = tokio_util::task::TaskTracker::new();
    let mut random = rand::rngs::StdRng::seed_from_u64(0);
    let begun = Instant::now();
    for number in 0..plan.count {
        let value = plan.values.next(&mut random, number);
        let bytes = value.len();
        let sent_at = Instant::now();
        let sent = producer.send(Record::to(plan.topic.clone()).value(value)).await;
        let delivery = sent.map_err(|error| error.to_string())?;
        let (sender, failures) = (sender.clone(), failures.clone());
        tasks.spawn(async move {
            match delivery.await {
                Ok(_) => {
                    let elapsed = sent_at.elapsed().as_micros();
                    let latency_us = u64::try_from(elapsed).unwrap_or(u64::MAX);
                    // The report ends only after this channel does.
                    let _ = sender.send(Confirmed { number, latency_us, bytes });
                }
                Err(error) => {
                    if failures.fetch_add(1, Ordering::Relaxed) == 0 {
                        eprintln!("{error}");
                    }
                }
            }
        });
        if let Some(rate) = plan.rate {
            let due = begun + Duration::from_secs_f64((number + 1) as f64 / rate);
            if due > Instant::now() {
                tokio::time::sleep_until(due.into()).await;
            }
        }
    }
    producer.flush().await;
    tasks.close();
    tasks.wait().await;
    drop(sender);
    let reported = reporting.await;
    reported.map_err(|error| format!("the report ended early: {error}"))?;
    match failures.load(Ordering::Relaxed) {
        0 => Ok(()),
        failed => Err(format!("{failed} of {} records were not written", plan.count)),
    }
}

impl Values {
    fn next(&self, random: &mut impl Rng, number: u64) -> Bytes {
        match self {
            Self::Random(size) => {
                let letters = (0..*size).map(|_| random.random_range(b'A'..=b'Z'));
                letters.collect::<Vec<u8>>().into()
            }
            Self::Chosen(values) => values[random.random_range(0..values.len())].clone(),
            Self::Numbers => number.to_string().into(),
        }
    }
}

/// The lines that are printed: one for each interval, and one for all at the end.
struct Report {
    warm_up: u64,
    interval: Duration,
}

impl Report {
    async fn run(self, mut confirmed: mpsc::UnboundedReceiver<Confirmed>) {
        let mut all = Window::new();
        let mut window = Window::new();
        while let Some(record) = confirmed.recv().await {
            if record.number == self.warm_up && self.warm_up > 0 {
                all = Window::new();
            }
            if record.number >= self.warm_up {
                all.add(&record);
            }
            window.add(&record);
            if window.begun.elapsed() >= self.interval {
                window.print();
                window = Window::new();
            }
        }
        all.print_total();
    }
}

struct Window {
    begun: Instant,
    latencies: Latencies,
    bytes: u64,
}

impl Window {
    fn new() -> Self {
        Self { begun: Instant::now(), latencies: Latencies::new(), bytes: 0 }
    }

    fn add(&mut self, record: &Confirmed) {
        self.latencies.add(record.latency_us);
        self.bytes += record.bytes as u64;
    }

    fn rates(&self) -> (f64, f64) {
        let seconds = self.begun.elapsed().as_secs_f64().max(1e-9);
        let records = self.latencies.count() as f64 / seconds;
        (records, self.bytes as f64 / seconds / (1024.0 * 1024.0))
    }

    fn print(&self) {
        let (records, megabytes) = self.rates();
        println!(
            "{} records sent, {records:.1} records/sec ({megabytes:.2} MB/sec), {:.1} ms avg \
             latency, {:.1} ms max latency.",
            self.latencies.count(),
            self.latencies.mean_ms(),
            self.latencies.most_ms(),
        );
    }

    fn print_total(&self) {
        let (records, megabytes) = self.rates();
        let at = |share| self.latencies.quantile_ms(share).round();
        println!(
            "{} records sent, {records:.6} records/sec ({megabytes:.2} MB/sec), {:.2} ms avg \
             latency, {:.2} ms max latency, {} ms 50th, {} ms 95th, {} ms 99th, {} ms 99.9th.",
            self.latencies.count(),
            self.latencies.mean_ms(),
            self.latencies.most_ms(),
            at(0.5),
            at(0.95),
            at(0.99),
            at(0.999),
        );
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
    fn what_is_missing_is_named() {
        assert_eq!(refused("--topic t"), "Missing required argument \"[num-records]\"");
        let base = "--topic t --num-records 1 --throughput -1";
        assert!(refused(base).starts_with("one of the arguments --record-size"));
        assert!(refused(&format!("{base} --record-size 1")).contains("--bootstrap-server"));
        let sized = format!("{base} --bootstrap-server b:1 --record-size");
        assert_eq!(refused(&format!("{sized} 0")), "--record-size should be greater than zero.");
    }

    #[test]
    fn values_are_as_asked_for() {
        let mut random = rand::rngs::StdRng::seed_from_u64(7);
        assert_eq!(Values::Random(100).next(&mut random, 0).len(), 100);
        assert_eq!(Values::Numbers.next(&mut random, 41), "41");
        assert_eq!(Values::Chosen(vec!["a".into()]).next(&mut random, 0), "a");
    }
}
