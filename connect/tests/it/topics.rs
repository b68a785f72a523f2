//! Topics that are deleted, or deleted and created anew, while a connector writes to them.

use std::path::Path;

use client::Admin;
use connect::{ConnectorConfig, TaskState, Worker};
use tokio::task::yield_now;

use super::{Cluster, run, worker};

fn source(file: &Path) -> ConnectorConfig {
    let file = file.display().to_string();
    ConnectorConfig::new(
        "lines",
        [("connector.class", "FileStreamSource"), ("file", file.as_str()), ("topic", "t")],
    )
}

async fn delete(cluster: &Cluster, topic: &str) {
    let admin = Admin::new(cluster.client.clone()).expect("an admin client");
    let deleted = admin.delete_topics(&[topic.to_owned()]).await.expect("an answer");
    assert!(deleted.values().all(Result::is_ok), "{deleted:?}");
    while admin.topic_exists(topic).await.expect("an answer") {
        yield_now().await;
    }
    admin.close().await;
}

async fn failure(running: &Worker) -> String {
    running.wait_done().await.expect_err("a failure").reason
}

const STRINGS: [(&str, &str); 2] =
    [("key.converter", "StringConverter"), ("value.converter", "StringConverter")];

/// A connector that has written two lines of a new file to topic t, and goes on.
async fn two_lines_written(cluster: &Cluster, file: &Path) -> Worker {
    std::fs::write(file, "one\ntwo\n").expect("written");
    let running = run(cluster, &worker(&STRINGS), source(file)).await;
    while cluster.end("t").await < 2 {
        yield_now().await;
    }
    running
}

#[tokio::test]
async fn a_connector_whose_topic_is_deleted_fails_with_that_reason() {
    let dir = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start(&dir.path().join("data")).await;
    let file = dir.path().join("in.txt");
    let running = two_lines_written(&cluster, &file).await;
    delete(&cluster, "t").await;
    let reason = failure(&running).await;
    let told = "topic t is gone: it was deleted after this connector wrote to it";
    assert!(reason.contains(told), "{reason}");
    assert!(matches!(running.status()[0].state, TaskState::Failed(_)));
    running.shutdown().await;

    // Nor does a new start put what comes later into a topic that lacks what came before.
    let running = run(&cluster, &worker(&STRINGS), source(&file)).await;
    let reason = failure(&running).await;
    assert!(reason.contains("topic t is gone"), "{reason}");
    running.shutdown().await;
    cluster.stop().await;
}

#[tokio::test]
async fn a_topic_that_a_connector_does_not_write_to_any_more_may_go() {
    let dir = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start(&dir.path().join("data")).await;
    let file = dir.path().join("in.txt");
    std::fs::write(&file, "one\n").expect("written");
    let mut connector = source(&file);
    let running = run(&cluster, &worker(&STRINGS), connector.clone()).await;
    while cluster.end("t").await < 1 {
        yield_now().await;
    }
    running.shutdown().await;
    delete(&cluster, "t").await;
    connector.settings.insert("topic".into(), "u".into());
    std::fs::write(&file, "one\ntwo\n").expect("written");
    let running = run(&cluster, &worker(&STRINGS), connector).await;
    while cluster.end("u").await < 1 {
        yield_now().await;
    }
    running.shutdown().await;
    assert!(cluster.partitions("t").await.is_empty(), "it is not created again");
    cluster.stop().await;
}

#[tokio::test]
async fn a_topic_that_is_created_anew_is_told_from_the_one_before() {
    let dir = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start(&dir.path().join("data")).await;
    let file = dir.path().join("in.txt");
    let running = two_lines_written(&cluster, &file).await;
    running.shutdown().await;
    delete(&cluster, "t").await;
    cluster.create_topics(&["t"], 1).await;
    let running = run(&cluster, &worker(&STRINGS), source(&file)).await;
    let reason = failure(&running).await;
    let told = "topic t is not the one that this connector wrote to: it was deleted and created";
    assert!(reason.contains(told), "{reason}");
    running.shutdown().await;
    assert_eq!(cluster.end("t").await, 0);
    cluster.stop().await;
}
