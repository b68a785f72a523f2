//! What a worker and a connector say of producers, and records that are too large without it.

use std::path::Path;

use connect::{ConnectorConfig, OverridePolicy, StartError, WorkerConfig};

use super::{Cluster, run, worker};

const STRINGS: [(&str, &str); 2] =
    [("key.converter", "StringConverter"), ("value.converter", "StringConverter")];

const LARGE: usize = 2 << 20;
const ROOM: &str = "4194304";
const LARGE_TOPIC: (&str, &str) = ("topic.creation.default.max.message.bytes", ROOM);
const LARGE_REQUESTS: (&str, &str) = ("producer.override.max.request.size", ROOM);

/// A file whose second line is larger than Kafka's defaults allow, and a connector of it.
fn large(folder: &Path, own: &[(&str, &str)]) -> ConnectorConfig {
    let file = folder.join("a.txt");
    std::fs::write(&file, format!("short\n{}\n", "x".repeat(LARGE))).expect("written");
    let file = file.display().to_string();
    let base = [
        ("connector.class", "DelimitedFileSource"),
        ("files", file.as_str()),
        ("topic", "t"),
        ("format", "line"),
        ("mode", "batch"),
    ];
    ConnectorConfig::new("c", base.iter().chain(own).copied())
}

/// The lengths of what is on the topic when the connector is done, or why it failed.
async fn outcome(worker: &WorkerConfig, own: &[(&str, &str)]) -> Result<Vec<usize>, String> {
    let dir = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start(&dir.path().join("data")).await;
    let running = run(&cluster, worker, large(dir.path(), own)).await;
    let done = running.wait_done().await;
    running.shutdown().await;
    let records = match &done {
        Ok(()) => cluster.records("t").await,
        Err(_) => Vec::new(),
    };
    cluster.stop().await;
    let length = |value: Option<bytes::Bytes>| value.map_or(0, |value| value.len());
    let lengths = records.into_iter().map(|record| length(record.value)).collect();
    done.map(|()| lengths).map_err(|failed| failed.reason)
}

#[tokio::test]
async fn a_large_record_goes_through_where_the_worker_lets_it() {
    let mut config = worker(&STRINGS);
    config.producer.insert("max.request.size".into(), ROOM.into());
    assert_eq!(outcome(&config, &[LARGE_TOPIC]).await, Ok(vec![5, LARGE]));
}

#[tokio::test]
async fn a_connectors_own_limit_wins_over_the_workers() {
    let mut config = worker(&STRINGS);
    config.producer.insert("max.request.size".into(), "1000".into());
    assert_eq!(outcome(&config, &[LARGE_REQUESTS, LARGE_TOPIC]).await, Ok(vec![5, LARGE]));
}

#[tokio::test]
async fn a_record_that_is_too_large_for_a_request_names_its_place_and_the_ways_out() {
    let reason = outcome(&worker(&STRINGS), &[]).await.expect_err("too large");
    for part in [
        "a.txt, line 2: ",
        "is larger than 1048576, the value of max.request.size; to let it through, set",
        "producer.override.max.request.size of the connector",
        "producer.max.request.size in the worker's file",
        "max.message.bytes of topic t (topic.creation.default.max.message.bytes where",
    ] {
        assert!(reason.contains(part), "{reason}");
    }
}

#[tokio::test]
async fn a_record_that_is_too_large_for_its_topic_names_its_place_and_the_way_out() {
    let reason = outcome(&worker(&STRINGS), &[LARGE_REQUESTS]).await.expect_err("too large");
    for part in ["a.txt, line 2: ", "; to let it through, raise max.message.bytes of topic t ("] {
        assert!(reason.contains(part), "{reason}");
    }
    assert!(!reason.contains("max.request.size"), "{reason}");
}

#[tokio::test]
async fn what_may_not_be_so_stops_the_start() {
    let dir = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start(&dir.path().join("data")).await;
    let refused = |worker: WorkerConfig| {
        let (connector, client) = (large(dir.path(), &[LARGE_REQUESTS]), cluster.client.clone());
        async { connect::start(worker, vec![connector], client).await.expect_err("refused") }
    };
    let mut none = worker(&STRINGS);
    none.override_policy = OverridePolicy::None;
    let told = refused(none).await.to_string();
    assert!(told.contains("The 'None' policy does not allow 'max.request.size'"), "{told}");
    let mut wrong = worker(&STRINGS);
    wrong.producer.insert("linger.ms".into(), "soon".into());
    let error = refused(wrong).await;
    assert!(matches!(error, StartError::Worker(_)));
    assert_eq!(
        error.to_string(),
        "Worker configuration is invalid: Invalid value soon for configuration \
         producer.linger.ms: not a number"
    );
    cluster.stop().await;
}
