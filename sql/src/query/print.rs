//! PRINT: the records of a topic, with a guess at their formats.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use client::consumer::{Consumer, ConsumerConfig, ConsumerRecord};
use client::{ClientConfig, TopicPartition};
use formats::avro::Schema as AvroSchema;
use formats::{Type, framing};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::rows::{PrintStream, STOPPING, WAITING_ROWS};
use crate::error::SqlError;
use crate::parser::ast::Print;
use crate::records::Schemas;
use crate::types::SqlType;
use crate::values::node;

/// How long one poll waits; PRINT goes on until it is stopped or has its LIMIT.
const POLL: Duration = Duration::from_millis(500);

/// Starts printing.
pub(crate) fn print(
    print: &Print,
    partitions: i32,
    client: ClientConfig,
    schemas: Arc<dyn Schemas>,
    (tracker, stop): (&TaskTracker, CancellationToken),
) -> Result<PrintStream, SqlError> {
    let mut config = ConsumerConfig::new(client);
    config.group.auto_commit = false;
    let mut consumer = Consumer::new(config).map_err(SqlError::server)?;
    let topic = print.topic.name.as_str();
    let assigned: Vec<TopicPartition> =
        (0..partitions).map(|p| TopicPartition::new(topic, p)).collect();
    consumer.assign(assigned.clone()).map_err(SqlError::server)?;
    if print.from_beginning {
        consumer.seek_to_beginning(&assigned).map_err(SqlError::server)?;
    } else {
        consumer.seek_to_end(&assigned).map_err(SqlError::server)?;
    }
    let (sender, lines) = mpsc::channel(WAITING_ROWS);
    let last_words = sender.clone();
    let token = CancellationToken::new();
    let closed = token.clone();
    let printer = Printer {
        lines: sender,
        schemas,
        interval: print.interval.unwrap_or(1).max(1),
        limit: print.limit,
        seen: 0,
        printed: 0,
        announced: BTreeMap::new(),
    };
    tracker.spawn(async move {
        tokio::select! {
            () = printer.run(&mut consumer) => {}
            () = closed.cancelled() => {}
            () = stop.cancelled() => {
                // A reader that has not made room by now finds the end without a reason.
                let _full = last_words.try_send(Err(STOPPING.to_owned()));
            }
        }
        drop(last_words);
        if let Err(error) = consumer.close().await {
            tracing::debug!(%error, "PRINT ended");
        }
    });
    Ok(PrintStream { lines, _stop: token.drop_guard() })
}

struct Printer {
    lines: mpsc::Sender<Result<String, String>>,
    schemas: Arc<dyn Schemas>,
    interval: u64,
    limit: Option<u64>,
    seen: u64,
    printed: u64,
    /// The formats last told for key and value.
    announced: BTreeMap<&'static str, &'static str>,
}

impl Printer {
    async fn run(mut self, consumer: &mut Consumer) {
        while self.limit.is_none_or(|limit| self.printed < limit) {
            let polled = match consumer.poll(POLL).await {
                Ok(polled) => polled,
                Err(error) => {
                    let _gone = self.lines.send(Err(error.to_string())).await;
                    return;
                }
            };
            for record in polled.records() {
                let sent = match record {
                    Ok(record) => self.record(record).await,
                    Err(error) => self.lines.send(Err(error.to_string())).await.is_ok(),
                };
                if !sent {
                    return;
                }
            }
        }
    }

    /// False when there is nothing more to do.
    async fn record(&mut self, record: ConsumerRecord) -> bool {
        self.seen += 1;
        if !(self.seen - 1).is_multiple_of(self.interval) {
            return true;
        }
        let schemas = Arc::clone(&self.schemas);
        let guess = move || {
            let parts = [record.key.as_deref(), record.value.as_deref()];
            let guessed = parts.map(|part| part.map(|bytes| guess(bytes, schemas.as_ref())));
            (record, guessed)
        };
        let Ok((record, [key, value])) = tokio::task::spawn_blocking(guess).await else {
            return false;
        };
        for (part, guessed) in [("Key", &key), ("Value", &value)] {
            let Some((format, _)) = guessed else { continue };
            if self.announced.insert(part, format) != Some(format)
                && self.lines.send(Ok(format!("{part} format: {format}"))).await.is_err()
            {
                return false;
            }
        }
        let text =
            |part: Option<(&str, String)>| part.map_or_else(|| "<null>".to_owned(), |(_, t)| t);
        let line = format!(
            "rowtime: {}, key: {}, value: {}, partition: {}",
            time(record.timestamp_ms),
            text(key),
            text(value),
            record.partition
        );
        self.printed += 1;
        self.lines.send(Ok(line)).await.is_ok() && self.limit.is_none_or(|l| self.printed < l)
    }
}

fn time(millis: i64) -> String {
    DateTime::from_timestamp_millis(millis)
        .map_or_else(|| millis.to_string(), |t| t.format("%Y/%m/%d %H:%M:%S%.3f Z").to_string())
}

/// The likeliest format, and the bytes in it as text.
fn guess(bytes: &[u8], schemas: &dyn Schemas) -> (&'static str, String) {
    if let Ok((id, payload)) = framing::split(bytes)
        && let Ok(schema) = schemas.by_id(id)
        && let Some(text) = avro_text(payload, &schema)
    {
        return ("AVRO", text);
    }
    if let Ok(text) = std::str::from_utf8(bytes)
        && text.chars().all(|c| !c.is_control() || c.is_whitespace())
    {
        let json = text.trim_start().starts_with(['{', '[']);
        if json && serde_json::from_str::<serde_json::Value>(text).is_ok() {
            return ("JSON", text.to_owned());
        }
        return ("KAFKA_STRING", text.to_owned());
    }
    if let Some((text, start)) = windowed_text(bytes) {
        return ("TIME_WINDOWED(KAFKA_STRING)", format!("[{text}@{start}/-]"));
    }
    if let Ok(number) = <[u8; 4]>::try_from(bytes) {
        return ("KAFKA_INT", i32::from_be_bytes(number).to_string());
    }
    if let Ok(number) = <[u8; 8]>::try_from(bytes) {
        return ("KAFKA_BIGINT or KAFKA_DOUBLE", i64::from_be_bytes(number).to_string());
    }
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    ("KAFKA_BYTES (hex)", hex)
}

/// A text followed by a window's start: a time of this century or the last.
fn windowed_text(bytes: &[u8]) -> Option<(&str, i64)> {
    const LATEST_MS: i64 = 4_102_444_800_000;
    let (text, start) = bytes.split_last_chunk::<8>()?;
    let start = i64::from_be_bytes(*start);
    let text = std::str::from_utf8(text).ok()?;
    let readable = !text.is_empty() && text.chars().all(|c| !c.is_control());
    (readable && (0..LATEST_MS).contains(&start)).then_some((text, start))
}

/// An Avro value as JSON, its fields named as its schema names them.
fn avro_text(payload: &[u8], schema: &AvroSchema) -> Option<String> {
    let value = schema.decode_value(payload).ok()?;
    let typed = schema.to_typed().ok()?;
    let mut ty = SqlType::from_typed(&typed.ty);
    if let (SqlType::Struct(named), Type::Struct(fields)) = (&mut ty, &typed.ty) {
        for (named, field) in named.iter_mut().zip(fields) {
            named.0.clone_from(&field.name);
        }
    }
    Some(node(&value, &ty).to_string())
}
