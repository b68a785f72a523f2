//! kafka-console-consumer: prints the records of topics.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::{Duration, Instant};

use client::consumer::ConsumerRecord;
use client::{ConsumeError, Consumer, ConsumerConfig, Properties, TopicPartition, is_topic_name};
use futures::FutureExt;
use protocol::record::TimestampType as Stamp;

use super::coordinator_format::CoordinatorFormatter;
use super::format::{Formatter, Printed, TimestampType};
use crate::properties_file;
use crate::signals;
use crate::tools::Tool;
use crate::tools::connection::{client_properties, lenient_key_values, warn_unused};
use crate::tools::options::{
    Parsed, Spec, UsageError, begin, flag, print_deprecated, refuse, status, tell_plainly, value,
};
use crate::tools::topics::topic_pattern;

pub(crate) const TOOL: Tool = Tool {
    name: "kafka-console-consumer",
    about: "Print the records of topics",
    options: SPEC.options,
    run: |arguments| async move { run(&arguments).await }.boxed(),
};

const SPEC: Spec = Spec {
    tool: "kafka-console-consumer",
    about: "This tool helps to read data from Kafka topics and outputs it to standard output.",
    options: &[
        value("bootstrap-server", "REQUIRED: The brokers to ask first, host:port,host:port."),
        value("topic", "The topic to read."),
        value("include", "Topics to read: a pattern, or several with commas."),
        value("partition", "The only partition to read; without --offset from its end."),
        value("offset", "Where to start: a number, earliest or latest (latest)."),
        value("group", "The group to read as."),
        flag("from-beginning", "Start at the first record where the group has no offset."),
        value("max-messages", "How many records to print before the end."),
        value("timeout-ms", "End when no record comes for so long."),
        value("isolation-level", "read_committed or read_uncommitted (read_uncommitted)."),
        value(
            "formatter",
            "DefaultMessageFormatter, NoOp..., Offsets... or another of Kafka's own.",
        ),
        value("formatter-property", "A property of the formatter: print.key=true, ..."),
        value("property", "The older name of --formatter-property."),
        value("formatter-config", "A properties file for the formatter."),
        value("key-deserializer", "The class that reads keys."),
        value("value-deserializer", "The class that reads values."),
        flag("skip-message-on-error", "Go on after a record that cannot be printed."),
        value("command-property", "A property of the consumer, key=value."),
        value("consumer-property", "The older name of --command-property."),
        value("command-config", "A properties file for the consumer."),
        value("consumer.config", "The older name of --command-config."),
        flag("help", "Print this page."),
        flag("version", "Print the version."),
    ],
};

async fn run(arguments: &[String]) -> i32 {
    let parsed = match begin(&SPEC, arguments) {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    let start = match check(&parsed) {
        Ok(start) => start,
        Err(error) => return refuse(&SPEC, &error),
    };
    print_deprecated(&parsed, "property", "formatter-property");
    print_deprecated(&parsed, "consumer-property", "command-property");
    print_deprecated(&parsed, "consumer.config", "command-config");
    let printed = print(&parsed, start).await;
    status(printed, tell_plainly)
}

/// Where to start reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    Earliest,
    Latest,
    Offset(i64),
}

fn check(parsed: &Parsed) -> Result<Start, UsageError> {
    let refuse = |text: &str| Err(UsageError(text.to_owned()));
    parsed.require(&["bootstrap-server"])?;
    if parsed.has("topic") == parsed.has("include") {
        return refuse("Exactly one of the following arguments is required: [topic], [include]");
    }
    if parsed.has("partition") && !parsed.has("topic") {
        return refuse("The topic is required when partition is specified.");
    }
    if parsed.has("partition") && parsed.has("group") {
        return refuse("Options group and partition cannot be specified together.");
    }
    let Some(offset) = parsed.get("offset") else {
        let first = parsed.has("from-beginning");
        return Ok(if first { Start::Earliest } else { Start::Latest });
    };
    if !parsed.has("partition") {
        return refuse("The partition is required when offset is specified.");
    }
    if parsed.has("from-beginning") {
        return refuse("Options from-beginning and offset cannot be specified together.");
    }
    match (offset.to_lowercase().as_str(), offset.parse::<i64>()) {
        ("earliest", _) => Ok(Start::Earliest),
        ("latest", _) => Ok(Start::Latest),
        (_, Ok(number)) if number >= 0 => Ok(Start::Offset(number)),
        _ => Err(UsageError(format!(
            "The provided offset value '{offset}' is incorrect. Valid values are 'earliest', \
             'latest', or a non-negative long."
        ))),
    }
}

async fn print(parsed: &Parsed, start: Start) -> Result<(), String> {
    let mut output = Output {
        formatting: formatting(parsed)?,
        skips_errors: parsed.has("skip-message-on-error"),
        most: parsed.parse("max-messages").map_err(|error| error.to_string())?,
        count: 0,
    };
    let patience = parsed.parse::<u64>("timeout-ms").map_err(|error| error.to_string())?;
    if let Some(topic) = parsed.get("topic").filter(|topic| !is_topic_name(topic)) {
        // Kafka's tool hears of it from a broker, and ends as if it had read all there is.
        eprintln!("{}", ConsumeError::InvalidTopic { topic: topic.to_owned() });
        eprintln!("Processed a total of 0 messages");
        return Ok(());
    }
    let mut consumer = consumer(parsed, start).await?;
    let stop = signals::stop_requested();
    tokio::pin!(stop);
    let result = loop {
        if output.is_full() {
            break Ok(());
        }
        let polled = poll_records(&mut consumer, patience.map(Duration::from_millis));
        let records = tokio::select! {
            records = polled => records,
            () = &mut stop => break Ok(()),
        };
        match records {
            Ok(None) => {
                say_if_never_reached(&consumer, patience);
                break Ok(());
            }
            Ok(Some(records)) => {
                let taken = match output.write(&records) {
                    Ok(taken) => taken,
                    Err(message) => break Err(message),
                };
                // What was polled and not printed is not to be committed.
                for (partition, offset) in first_offsets(&records[taken..]) {
                    let sought = consumer.seek(&partition, offset);
                    sought.map_err(|error| error.to_string())?;
                }
            }
            Err(message) => break Err(message),
        }
    };
    let closed = consumer.close().await.map_err(|error| error.to_string());
    eprintln!("Processed a total of {} messages", output.count);
    result.and(closed)
}

/// Kafka's tool ends in the same way whether a topic is quiet or no broker was there; which it
/// was is said at least.
fn say_if_never_reached(consumer: &Consumer, patience: Option<u64>) {
    let cluster = consumer.cluster();
    if cluster.metadata().brokers.is_empty() {
        let servers = cluster.config().bootstrap_servers.join(",");
        let within = patience.map_or_else(String::new, |ms| format!(" within {ms} ms"));
        eprintln!("No broker of {servers} could be reached{within}, so nothing was read.");
    }
}

/// The next records, or `None` when there are none for so long.
async fn poll_records(
    consumer: &mut Consumer,
    patience: Option<Duration>,
) -> Result<Option<Vec<ConsumerRecord>>, String> {
    let begun = Instant::now();
    loop {
        let left = patience.map(|patience| patience.saturating_sub(begun.elapsed()));
        let wait = left.unwrap_or(Duration::from_secs(1));
        let polled = consumer.poll(wait).await.map_err(|error| error.to_string())?;
        let records: Result<Vec<_>, _> = polled.records().collect();
        let records = records.map_err(|error| error.to_string())?;
        if !records.is_empty() {
            return Ok(Some(records));
        }
        if patience.is_some_and(|patience| begun.elapsed() >= patience) {
            return Ok(None);
        }
    }
}

async fn consumer(parsed: &Parsed, start: Start) -> Result<Consumer, String> {
    let mut properties = properties(parsed, start)?;
    let config = ConsumerConfig::from_properties(&mut properties).map_err(|e| e.to_string())?;
    warn_unused(&properties);
    let mut consumer = Consumer::new(config).map_err(|error| error.to_string())?;
    if let Some(pattern) = parsed.get("include") {
        let pattern = topic_pattern(pattern)?;
        consumer.subscribe_pattern(pattern).map_err(|error| error.to_string())?;
        return Ok(consumer);
    }
    let topic = parsed.get("topic").unwrap_or_default();
    let number = parsed.parse::<i32>("partition").map_err(|error| error.to_string())?;
    let Some(number) = number else {
        consumer.subscribe([topic]).map_err(|error| error.to_string())?;
        return Ok(consumer);
    };
    let partition = TopicPartition::new(topic, number);
    let assigned = consumer.assign([partition.clone()]);
    let sought = assigned.and_then(|()| match start {
        Start::Earliest => consumer.seek_to_beginning(std::slice::from_ref(&partition)),
        Start::Latest => consumer.seek_to_end(std::slice::from_ref(&partition)),
        Start::Offset(offset) => consumer.seek(&partition, offset),
    });
    sought.map_err(|error| error.to_string())?;
    Ok(consumer)
}

fn properties(parsed: &Parsed, start: Start) -> Result<Properties, String> {
    let file = parsed.get("command-config").or_else(|| parsed.get("consumer.config"));
    let mut arguments = parsed.all("consumer-property").to_vec();
    arguments.extend_from_slice(parsed.all("command-property"));
    let mut properties = client_properties(file, &[])?;
    for (key, value) in lenient_key_values(&arguments) {
        properties.set(key, value);
    }
    properties.set("bootstrap.servers", parsed.get("bootstrap-server").unwrap_or_default());
    let reset = properties.get("auto.offset.reset").map(str::to_owned);
    match (start, reset) {
        (Start::Earliest, Some(reset)) if parsed.has("from-beginning") && reset != "earliest" => {
            return Err(format!(
                "Can't simultaneously specify --from-beginning and 'auto.offset.reset={reset}', \
                 please remove one option"
            ));
        }
        (_, Some(_)) => {}
        (Start::Earliest, None) => properties.set("auto.offset.reset", "earliest"),
        (_, None) => properties.set("auto.offset.reset", "latest"),
    }
    if let Some(level) = parsed.get("isolation-level") {
        properties.set("isolation.level", level);
    }
    group(parsed, &mut properties)?;
    if properties.get("client.id").is_none() {
        properties.set("client.id", "console-consumer");
    }
    Ok(properties)
}

/// The group: the one that was named, or one of this call's own, whose offsets are not kept.
fn group(parsed: &Parsed, properties: &mut Properties) -> Result<(), String> {
    let given = [parsed.get("group"), properties.get("group.id")];
    if let [Some(option), Some(property)] = given
        && option != property
    {
        return Err(format!(
            "The group ids provided in different places (directly using '--group', via \
             '--command-property', or via '--command-config') do not match. Detected group ids: \
             '{option}', '{property}'"
        ));
    }
    let named = given.into_iter().flatten().next().map(str::to_owned);
    match named {
        Some(group) => properties.set("group.id", group),
        None if parsed.has("partition") => {}
        None => {
            let number = rand::random_range(0..100_000);
            properties.set("group.id", format!("console-consumer-{number}"));
            if properties.get("enable.auto.commit").is_none() {
                properties.set("enable.auto.commit", "false");
            }
        }
    }
    Ok(())
}

/// How records are printed.
enum Formatting {
    Default(Box<Formatter>),
    Coordinator(CoordinatorFormatter),
    Nothing,
}

impl Formatting {
    fn write(&self, record: &ConsumerRecord, out: &mut dyn Write) -> std::io::Result<()> {
        match self {
            Self::Default(formatter) => formatter.write(&printed(record), out),
            Self::Coordinator(formatter) => formatter.write(&printed(record), out),
            Self::Nothing => Ok(()),
        }
    }
}

fn formatting(parsed: &Parsed) -> Result<Formatting, String> {
    let mut properties = match parsed.get("formatter-config") {
        Some(path) => properties_file::read(path)?,
        None => BTreeMap::new(),
    };
    properties.extend(lenient_key_values(parsed.all("property")));
    properties.extend(lenient_key_values(parsed.all("formatter-property")));
    for (option, key) in
        [("key-deserializer", "key.deserializer"), ("value-deserializer", "value.deserializer")]
    {
        if let Some(class) = parsed.get(option) {
            properties.insert(key.to_owned(), class.to_owned());
        }
    }
    let class = parsed.get("formatter").unwrap_or("DefaultMessageFormatter");
    let name = class.rsplit('.').next().unwrap_or_default();
    match (name, CoordinatorFormatter::by_class(name)) {
        ("DefaultMessageFormatter", _) => {
            Formatter::new(&properties).map(|formatter| Formatting::Default(Box::new(formatter)))
        }
        ("NoOpMessageFormatter", _) => Ok(Formatting::Nothing),
        (_, Some(formatter)) => Ok(Formatting::Coordinator(formatter)),
        (_, None) => Err(format!(
            "--formatter {class}: Java classes cannot be loaded; there are \
             DefaultMessageFormatter, NoOpMessageFormatter, OffsetsMessageFormatter, \
             GroupMetadataMessageFormatter and TransactionLogMessageFormatter"
        )),
    }
}

/// What has been printed, and how.
struct Output {
    formatting: Formatting,
    skips_errors: bool,
    most: Option<i64>,
    count: i64,
}

impl Output {
    fn is_full(&self) -> bool {
        self.most.is_some_and(|most| most >= 0 && self.count >= most)
    }

    /// Prints records up to the number wanted; answers how many of them were taken.
    fn write(&mut self, records: &[ConsumerRecord]) -> Result<usize, String> {
        let mut out = std::io::stdout().lock();
        let mut taken = 0;
        for record in records {
            if self.is_full() {
                break;
            }
            self.count += 1;
            taken += 1;
            match self.formatting.write(record, &mut out) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                    let place = format!("{}-{}@{}", record.topic, record.partition, record.offset);
                    let text = format!("Error processing message {place}: {error}");
                    if !self.skips_errors {
                        return Err(text);
                    }
                    eprintln!("{text}, skipping this message");
                }
                Err(_) => {
                    return Err("Unable to write to standard out, closing consumer.".to_owned());
                }
            }
        }
        match out.flush() {
            Ok(()) => Ok(taken),
            Err(_) => Err("Unable to write to standard out, closing consumer.".to_owned()),
        }
    }
}

/// The first record of each partition.
fn first_offsets(records: &[ConsumerRecord]) -> BTreeMap<TopicPartition, i64> {
    let mut first = BTreeMap::new();
    for record in records {
        let at = TopicPartition::new(record.topic.clone(), record.partition);
        first.entry(at).or_insert(record.offset);
    }
    first
}

fn printed(record: &ConsumerRecord) -> Printed<'_> {
    let timestamp = (record.timestamp_ms >= 0).then_some(match record.timestamp_type {
        Stamp::LogAppendTime => (TimestampType::LogAppendTime, record.timestamp_ms),
        Stamp::CreateTime => (TimestampType::CreateTime, record.timestamp_ms),
    });
    Printed {
        timestamp,
        partition: record.partition,
        offset: record.offset,
        leader_epoch: record.leader_epoch,
        headers: record.headers.iter().map(|h| (h.key.as_str(), h.value.as_deref())).collect(),
        key: record.key.as_deref(),
        value: record.value.as_deref(),
    }
}

#[cfg(test)]
#[path = "consumer_tests.rs"]
mod tests;
