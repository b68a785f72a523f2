//! What Java's library, and Kafka's, take texts for, recorded by `tools/clients/java_text.sh`.

use std::collections::BTreeMap;

use javatext::{datetime, duration, properties};
use serde_json::Value;

fn facts() -> Vec<Value> {
    let path =
        std::env::var("JAVATEXT_FACTS").unwrap_or_else(|_| "tests/facts/java.jsonl".to_owned());
    let text = std::fs::read_to_string(path).expect("the facts are there");
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

fn of_kind(kind: &str) -> Vec<Value> {
    let found: Vec<Value> = facts().into_iter().filter(|fact| fact["kind"] == kind).collect();
    assert!(found.len() >= 100, "{kind}: {} facts", found.len());
    found
}

#[test]
fn a_properties_file_is_what_java_takes_it_for() {
    for fact in of_kind("properties") {
        let hex = fact["hex"].as_str().expect("hex");
        let bytes: Vec<u8> = (0..hex.len() / 2)
            .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).expect("hex digits"))
            .collect();
        let shown = String::from_utf8_lossy(&bytes).into_owned();
        match (properties::load(&bytes), &fact["is"]) {
            (Ok(found), Value::Object(expected)) => {
                let expected: BTreeMap<String, String> = expected
                    .iter()
                    .map(|(key, value)| (key.clone(), value.as_str().expect("text").to_owned()))
                    .collect();
                assert_eq!(found, expected, "{shown:?}");
            }
            (Err(_), Value::Null) => {}
            (found, expected) => panic!("{shown:?}: {found:?}, for Java {expected}"),
        }
    }
}

/// Kafka passes over what stands behind what it understood, and over minutes without a colon; here
/// the former is refused and the latter count.
fn kafka_passes_over_some_of(text: &str) -> bool {
    let time = text.split_once('T').map_or("", |(_, time)| time);
    let zone = time.rfind(['+', '-', 'Z']).map_or("", |at| &time[at..]);
    !matches!(zone.len(), 0 | 1 | 3 | 6)
}

#[test]
fn a_datetime_is_what_kafka_takes_it_for() {
    for fact in of_kind("datetime") {
        let text = fact["text"].as_str().expect("text");
        let found = datetime::datetime_ms(text).ok();
        let expected = fact["is"].as_i64();
        if found != expected {
            assert!(kafka_passes_over_some_of(text), "{text:?}: {found:?}, for Kafka {expected:?}");
        }
    }
}

#[test]
fn a_duration_is_what_java_takes_it_for() {
    for fact in of_kind("duration") {
        let text = fact["text"].as_str().expect("text");
        assert_eq!(duration::duration_ms(text).ok(), fact["is"].as_i64(), "{text:?}");
    }
}
