//! kafka-console-producer: each line of standard input is a record.

use std::io::{IsTerminal, Write as _};

use bytes::Bytes;
use client::{Delivery, Header, Producer, ProducerConfig, Properties, Record};
use futures::FutureExt;
use tokio::io::BufReader;

use super::lines::{Line, LineEnds, LineReader};
use crate::properties_file;
use crate::tools::Tool;
use crate::tools::connection::{client_properties, lenient_key_values, warn_unused};
use crate::tools::options::{
    Parsed, Spec, UsageError, begin, flag, maybe_value, print_deprecated, refuse, value,
};

pub(crate) const TOOL: Tool = Tool {
    name: "kafka-console-producer",
    about: "Write the lines of standard input to a topic",
    options: SPEC.options,
    run: |arguments| async move { run(&arguments).await }.boxed(),
};

const SPEC: Spec = Spec {
    tool: "kafka-console-producer",
    about: "This tool helps to read data from standard input and publish it to Kafka.",
    options: &[
        value("topic", "REQUIRED: The topic to write to."),
        value("bootstrap-server", "REQUIRED unless --broker-list: The brokers to ask first."),
        value("broker-list", "The older name of --bootstrap-server."),
        flag("sync", "Wait for each record's confirmation before the next line is read."),
        maybe_value("compression-codec", "none, gzip (without a value), snappy, lz4 or zstd."),
        value("batch-size", "Bytes of a full batch (16384)."),
        value("message-send-max-retries", "How often a record is sent again (3)."),
        value("retry-backoff-ms", "How long to wait before that, in ms (100)."),
        value("timeout", "How long a record may wait for its batch to fill, in ms (1000)."),
        value("request-required-acks", "acks: -1, all, 0 or 1 (-1)."),
        value("request-timeout-ms", "How long an answer may take, in ms (1500)."),
        value("metadata-expiry-ms", "When metadata is asked for again, in ms (300000)."),
        value("max-block-ms", "How long a record may wait to be taken, in ms (60000)."),
        value("max-memory-bytes", "Bytes of records that may wait (33554432)."),
        value("max-partition-memory-bytes", "As --batch-size, and wins over it."),
        value("reader-property", "A property of the line reader, key=value: parse.key, ..."),
        value("property", "The older name of --reader-property."),
        value("reader-config", "A properties file for the line reader."),
        value("line-reader", "The class of the line reader: only Kafka's own."),
        value("command-property", "A property of the producer, key=value."),
        value("producer-property", "The older name of --command-property."),
        value("command-config", "A properties file for the producer."),
        value("producer.config", "The older name of --command-config."),
        flag("help", "Print this page."),
        flag("version", "Print the version."),
    ],
};

/// Options of the command line that are properties of the producer, with the tool's own default.
const PROPERTIES: &[(&str, &str, &str)] = &[
    ("timeout", "linger.ms", "1000"),
    ("batch-size", "batch.size", "16384"),
    ("max-partition-memory-bytes", "batch.size", "16384"),
    ("message-send-max-retries", "retries", "3"),
    ("retry-backoff-ms", "retry.backoff.ms", "100"),
    ("request-required-acks", "acks", "-1"),
    ("request-timeout-ms", "request.timeout.ms", "1500"),
    ("metadata-expiry-ms", "metadata.max.age.ms", "300000"),
    ("max-block-ms", "max.block.ms", "60000"),
    ("max-memory-bytes", "buffer.memory", "33554432"),
];

async fn run(arguments: &[String]) -> i32 {
    let parsed = match begin(&SPEC, arguments) {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    if let Err(error) = check(&parsed) {
        return refuse(&SPEC, &error);
    }
    print_deprecated(&parsed, "property", "reader-property");
    print_deprecated(&parsed, "producer-property", "command-property");
    print_deprecated(&parsed, "producer.config", "command-config");
    let made = reader(&parsed).and_then(|reader| Ok((reader, producer(&parsed)?)));
    let (reader, producer) = match made {
        Ok(made) => made,
        Err(message) => {
            eprintln!("{message}");
            return 1;
        }
    };
    let sync = parsed.has("sync");
    let sent = send_lines(&producer, reader, parsed.get("topic").unwrap_or_default(), sync).await;
    producer.close().await;
    match sent {
        Ok(()) => 0,
        Err(message) => {
            eprintln!("{message}");
            1
        }
    }
}

fn check(parsed: &Parsed) -> Result<(), UsageError> {
    parsed.require(&["topic"])?;
    if !parsed.has("broker-list") {
        parsed.require(&["bootstrap-server"])?;
    }
    let class = parsed.get("line-reader").unwrap_or("LineMessageReader");
    if class.rsplit('.').next() != Some("LineMessageReader") {
        return Err(UsageError(format!(
            "--line-reader {class}: Java classes cannot be loaded; there is only LineMessageReader"
        )));
    }
    Ok(())
}

fn reader(parsed: &Parsed) -> Result<LineReader, String> {
    let mut properties = match parsed.get("reader-config") {
        Some(path) => properties_file::read(path)?,
        None => Default::default(),
    };
    properties.extend(lenient_key_values(parsed.all("property")));
    properties.extend(lenient_key_values(parsed.all("reader-property")));
    LineReader::new(&properties)
}

fn producer(parsed: &Parsed) -> Result<Producer, String> {
    let mut properties = properties(parsed)?;
    let config = ProducerConfig::from_properties(&mut properties).map_err(|e| e.to_string())?;
    warn_unused(&properties);
    Producer::new(config).map_err(|error| error.to_string())
}

fn properties(parsed: &Parsed) -> Result<Properties, String> {
    let file = parsed.get("command-config").or_else(|| parsed.get("producer.config"));
    let mut arguments = parsed.all("producer-property").to_vec();
    arguments.extend_from_slice(parsed.all("command-property"));
    let mut properties = client_properties(file, &[])?;
    for (key, value) in lenient_key_values(&arguments) {
        properties.set(key, value);
    }
    let servers = parsed.get("bootstrap-server").or_else(|| parsed.get("broker-list"));
    properties.set("bootstrap.servers", servers.unwrap_or_default());
    if parsed.has("compression-codec") {
        let codec = parsed.get("compression-codec").unwrap_or("gzip");
        if !["none", "gzip", "snappy", "lz4", "zstd"].contains(&codec) {
            return Err(format!(
                "Invalid value {codec} for configuration compression.type: String must be one of: \
                 none, gzip, snappy, lz4, zstd"
            ));
        }
        properties.set("compression.type", codec);
    }
    for (option, key, default) in PROPERTIES {
        match parsed.get(option) {
            Some(value) => properties.set(*key, value),
            None if properties.get(key).is_none() => properties.set(*key, *default),
            None => {}
        }
    }
    if properties.get("client.id").is_none() {
        properties.set("client.id", "console-producer");
    }
    Ok(properties)
}

/// Sends each line of standard input; ends with its end. A record that is refused is named on
/// standard error and the next line is sent, as Kafka's tool does.
async fn send_lines(
    producer: &Producer,
    mut reader: LineReader,
    topic: &str,
    sync: bool,
) -> Result<(), String> {
    let prompts = std::io::stdin().is_terminal();
    let mut input = BufReader::new(tokio::io::stdin());
    let (mut ends, mut bytes) = (LineEnds::default(), Vec::new());
    let reports = tokio_util::task::TaskTracker::new();
    loop {
        if prompts {
            print!(">");
            std::io::stdout().flush().map_err(|error| error.to_string())?;
        }
        let read = ends.next(&mut input, &mut bytes).await;
        if !read.map_err(|error| format!("standard input: {error}"))? {
            break;
        }
        let line = reader.read(&String::from_utf8_lossy(&bytes))?;
        let delivery = match producer.send(record(topic, line)).await {
            Ok(delivery) => delivery,
            Err(error) => {
                report(topic, &error);
                continue;
            }
        };
        if sync {
            confirm(topic, delivery).await;
        } else {
            let topic = topic.to_owned();
            reports.spawn(async move { confirm(&topic, delivery).await });
        }
    }
    producer.flush().await;
    reports.close();
    reports.wait().await;
    Ok(())
}

async fn confirm(topic: &str, delivery: Delivery) {
    if let Err(error) = delivery.await {
        report(topic, &error);
    }
}

fn report(topic: &str, error: &client::ProduceError) {
    eprintln!("Error when sending message to topic {topic} with error: {error}");
}

fn record(topic: &str, line: Line) -> Record {
    let headers =
        line.headers.into_iter().map(|(key, value)| Header { key, value: value.map(Bytes::from) });
    Record {
        key: line.key.map(Bytes::from),
        value: line.value.map(Bytes::from),
        headers: headers.collect(),
        ..Record::to(topic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Parsed {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        SPEC.parse(&words).expect("the options exist")
    }

    #[test]
    fn options_win_over_properties_and_properties_over_defaults() {
        let parsed = parse(
            "--topic t --broker-list a:1 --timeout 7 --compression-codec \
             --producer-property acks=1 --producer-property linger.ms=9",
        );
        let properties = properties(&parsed).expect("all are right");
        let expected = [
            ("bootstrap.servers", "a:1"),
            ("linger.ms", "7"),
            ("acks", "1"),
            ("compression.type", "gzip"),
            ("retries", "3"),
        ];
        for (key, value) in expected {
            assert_eq!(properties.get(key), Some(value), "{key}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = |line: &str| check(&parse(line)).unwrap_err().0;
        assert_eq!(error("--bootstrap-server a:1"), "Missing required argument \"[topic]\"");
        assert_eq!(error("--topic t"), "Missing required argument \"[bootstrap-server]\"");
        assert!(error("--topic t --broker-list a:1 --line-reader my.Reader").contains("my.Reader"));
    }
}
