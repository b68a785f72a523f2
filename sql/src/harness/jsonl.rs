//! One JSON object a line in, one out: a test case with its statements and inputs.

use std::io::{self, BufRead, Write};
use std::sync::Arc;

use bytes::Bytes;
use formats::avro::Schema as AvroSchema;
use serde_json::{Value as Json, json};
use streams::{Header, OutputRecord};

use super::{Harness, node};
use crate::analyze::with::DefaultFormats;
use crate::catalog::source::{Column, KeyWindow, Source};
use crate::parser::ast::SourceKind;
use crate::records::Schemas;

/// Answers requests until the input ends.
pub fn serve(input: impl BufRead, mut output: impl Write) -> io::Result<()> {
    for line in input.lines() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let answer = match serde_json::from_str::<Json>(&line) {
            Ok(request) => answer(&request),
            Err(error) => json!({"id": null, "error": {"message": error.to_string()}}),
        };
        writeln!(output, "{answer}")?;
        output.flush()?;
    }
    Ok(())
}

fn answer(request: &Json) -> Json {
    let id = request["id"].clone();
    let property = |name: &str| request["properties"][name].as_str().map(str::to_owned);
    let mut harness = Harness::new(DefaultFormats {
        key: property("ksql.persistence.default.format.key"),
        value: property("ksql.persistence.default.format.value"),
    });
    if let Err(message) = register(request, &harness) {
        return json!({"id": id, "error": {"statement": 0, "message": message}});
    }
    for (index, statement) in array(&request["statements"]).iter().enumerate() {
        let text = statement.as_str().unwrap_or_default();
        if let Err(error) = harness.execute(text) {
            let message = error.render(text);
            return json!({"id": id, "error": {"statement": index, "message": message}});
        }
    }
    for (index, input) in array(&request["inputs"]).iter().enumerate() {
        if let Err(message) = feed(&mut harness, input) {
            return json!({"id": id, "error": {"input": index, "message": message}});
        }
    }
    let written = harness.take_written();
    let answer = |(topic, record): &(String, OutputRecord)| {
        let source = harness.source_of(topic).ok_or("no source has this topic")?;
        shown(source, record, harness.registry.as_ref())
    };
    let outputs: Result<Vec<Json>, String> = written.iter().map(answer).collect();
    match outputs {
        Ok(outputs) => {
            let sources: Vec<Json> = harness.catalog().sources().map(|s| described(s)).collect();
            json!({"id": id, "outputs": outputs, "sources": sources})
        }
        Err(message) => json!({"id": id, "error": {"input": 0, "message": message}}),
    }
}

pub(super) fn array(node: &Json) -> &[Json] {
    node.as_array().map_or(&[], Vec::as_slice)
}

/// Puts the schemas that the case states into the registry.
fn register(request: &Json, harness: &Harness) -> Result<(), String> {
    let mut next = 1000;
    for topic in array(&request["topics"]) {
        let name = topic["name"].as_str().unwrap_or_default();
        for part in ["key", "value"] {
            let schema = &topic[format!("{part}Schema")];
            let format = topic[format!("{part}Format")].as_str().unwrap_or("AVRO");
            if schema.is_null() || format != "AVRO" {
                continue;
            }
            let parsed = AvroSchema::parse(&schema.to_string()).map_err(|e| e.to_string())?;
            next += 1;
            let id = topic[format!("{part}SchemaId")].as_u64().and_then(|n| u32::try_from(n).ok());
            harness.registry.insert(
                &format!("{name}-{part}"),
                id.unwrap_or(next),
                Arc::new(parsed),
            );
        }
    }
    Ok(())
}

fn feed(harness: &mut Harness, input: &Json) -> Result<(), String> {
    let topic = input["topic"].as_str().unwrap_or_default().to_owned();
    let Some(source) = harness.source_of(&topic).cloned() else {
        return Err(format!("no source reads topic {topic}"));
    };
    let record = encoded(&source, input, harness.registry.as_ref())?;
    harness.feed(&topic, record).map_err(|e| e.message)
}

/// The record of an input, in the formats of its source. The registry may be asked.
pub(super) fn encoded(
    source: &Source,
    input: &Json,
    schemas: &dyn Schemas,
) -> Result<OutputRecord, String> {
    let part = |name: &str, format, columns: &[Column]| {
        let latest = schemas.latest(&format!("{}-{name}", source.topic)).ok().flatten();
        node::encode(&input[name], format, columns, latest)
    };
    let mut key = part("key", &source.key_format, &source.key)?;
    if let (Some(bytes), Some(window)) = (&key, &source.window) {
        key = Some(windowed(bytes, &input["window"], window));
    }
    let headers = array(&input["headers"]).iter().map(|h| Header {
        key: h["KEY"].as_str().unwrap_or_default().to_owned(),
        value: h["VALUE"].as_str().and_then(|text| {
            use base64::Engine as _;
            base64::engine::general_purpose::STANDARD.decode(text).ok().map(Bytes::from)
        }),
    });
    Ok(OutputRecord {
        key,
        value: part("value", &source.value_format, &source.value)?,
        headers: headers.collect(),
        timestamp: input["timestamp"].as_i64().unwrap_or(0),
        partition: None,
    })
}

fn windowed(key: &Bytes, bounds: &Json, window: &KeyWindow) -> Bytes {
    let (start, end) = (bounds["start"].as_i64().unwrap_or(0), bounds["end"].as_i64().unwrap_or(0));
    let mut bytes = key.to_vec();
    if window.size_ms().is_none() {
        bytes.extend_from_slice(&end.to_be_bytes());
    }
    bytes.extend_from_slice(&start.to_be_bytes());
    bytes.into()
}

/// A record of a source's topic as an answer has it. The registry may be asked.
pub(super) fn shown(
    source: &Source,
    record: &OutputRecord,
    schemas: &dyn Schemas,
) -> Result<Json, String> {
    let mut key = record.key.as_deref();
    let mut window = Json::Null;
    if let (Some(bytes), Some(kind)) = (key, &source.window) {
        let (inner, bounds) = split(bytes, kind).ok_or("the windowed key is too short")?;
        key = Some(inner);
        window = bounds;
    }
    let headers: Vec<Json> = record
        .headers
        .iter()
        .map(|h| {
            use base64::Engine as _;
            let engine = base64::engine::general_purpose::STANDARD;
            json!({"KEY": h.key, "VALUE": h.value.as_ref().map(|v| engine.encode(v))})
        })
        .collect();
    let value = record.value.as_deref();
    Ok(json!({
        "topic": source.topic,
        "key": node::decode(key, &source.key_format, &source.key, schemas)?,
        "value": node::decode(value, &source.value_format, &source.value, schemas)?,
        "timestamp": record.timestamp,
        "headers": headers,
        "window": window,
    }))
}

fn split<'a>(bytes: &'a [u8], window: &KeyWindow) -> Option<(&'a [u8], Json)> {
    let (rest, start) = bytes.split_last_chunk::<8>()?;
    let start = i64::from_be_bytes(*start);
    if let Some(size_ms) = window.size_ms() {
        return Some((rest, json!({"start": start, "end": start + size_ms, "type": "time"})));
    }
    let (rest, end) = rest.split_last_chunk::<8>()?;
    let end = i64::from_be_bytes(*end);
    Some((rest, json!({"start": start, "end": end, "type": "session"})))
}

pub(super) fn described(source: &Source) -> Json {
    let mut node = json!({
        "name": source.name,
        "topic": source.topic,
        "type": match source.kind { SourceKind::Stream => "stream", SourceKind::Table => "table" },
        "keyFormat": source.key_format.name.word(),
        "valueFormat": source.value_format.name.word(),
        "schema": source.schema_text().replace(" PRIMARY KEY", " KEY"),
        "isSource": source.read_only,
    });
    if let Some(window) = &source.window {
        node["windowType"] = json!(window.word());
        if let Some(size_ms) = window.size_ms() {
            node["windowSize"] = json!(size_ms);
        }
    }
    node
}
