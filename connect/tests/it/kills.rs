//! Workers that are broken off anywhere: every line is on the topic once.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use connect::{ConnectorConfig, TaskState, Worker};
use tokio::task::yield_now;

use super::{Cluster, run, worker};

const STRINGS: [(&str, &str); 2] =
    [("key.converter", "StringConverter"), ("value.converter", "StringConverter")];

fn source(file: &Path, mode: &str, partitions: &str) -> ConnectorConfig {
    let file = file.display().to_string();
    ConnectorConfig::new(
        "lines",
        [
            ("connector.class", "DelimitedFileSource"),
            ("files", file.as_str()),
            ("topic", "t"),
            ("format", "line"),
            ("mode", mode),
            ("batch.size", "70"),
            ("topic.creation.default.partitions", partitions),
        ],
    )
}

/// Lines of which every seventh is the same.
fn lines(count: usize) -> Vec<String> {
    let line = |n: usize| if n.is_multiple_of(7) { "again".into() } else { format!("line {n}") };
    (0..count).map(line).collect()
}

fn counted(lines: impl IntoIterator<Item = String>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for line in lines {
        *counts.entry(line).or_insert(0) += 1;
    }
    counts
}

async fn written(cluster: &Cluster) -> Vec<String> {
    let text = |bytes: bytes::Bytes| String::from_utf8(bytes.to_vec()).expect("text");
    cluster.records("t").await.into_iter().filter_map(|record| record.value.map(text)).collect()
}

/// Breaks workers off: every other one as soon as it has written something that it has not
/// remembered, the rest after ever more turns of the scheduler. Then lets one finish. How many
/// records were recognised as written already.
async fn kill_and_finish(cluster: &Cluster, connector: &ConnectorConfig, kills: usize) -> u64 {
    let often = worker(&STRINGS);
    let mut seldom = often.clone();
    seldom.offset_flush_interval = Duration::from_secs(3600);
    let mut recovered = 0;
    for kill in 0..kills {
        let worker = if kill % 2 == 0 { &seldom } else { &often };
        let before = cluster.end("t").await;
        let running = run(cluster, worker, connector.clone()).await;
        while kill % 2 == 0 && !ended(&running) && cluster.end("t").await == before {
            yield_now().await;
        }
        for _ in 0..kill * kill * 3 {
            yield_now().await;
        }
        recovered += running.status()[0].records_recovered;
        drop(running);
    }
    let last = run(cluster, &often, connector.clone()).await;
    last.wait_done().await.expect("read to the end");
    recovered += last.status()[0].records_recovered;
    last.shutdown().await;
    recovered
}

fn ended(worker: &Worker) -> bool {
    !matches!(worker.status()[0].state, TaskState::Running | TaskState::Unassigned)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_line_is_there_once_wherever_a_worker_is_killed() {
    let dir = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start(&dir.path().join("data")).await;
    let all = lines(25_000);
    let file = dir.path().join("in.txt");
    std::fs::write(&file, all.join("\n")).expect("written");
    let recovered = kill_and_finish(&cluster, &source(&file, "batch", "3"), 25).await;
    assert!(recovered > 0, "no kill has left anything to recognise");
    assert!(counted(written(&cluster).await) == counted(all), "every line as often as it is there");
    cluster.stop().await;
}

#[tokio::test]
async fn on_one_partition_the_order_stays_too() {
    let dir = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start(&dir.path().join("data")).await;
    let all = lines(4000);
    let file = dir.path().join("in.txt");
    std::fs::write(&file, all.join("\n")).expect("written");
    let recovered = kill_and_finish(&cluster, &source(&file, "batch", "1"), 20).await;
    assert!(recovered > 0, "no kill has left anything to recognise");
    assert!(written(&cluster).await == all, "every line once, in order");
    cluster.stop().await;
}

#[tokio::test]
async fn a_second_run_of_a_finished_batch_writes_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start(&dir.path().join("data")).await;
    let file = dir.path().join("in.txt");
    std::fs::write(&file, "a\nb\nc\n").expect("written");
    let connector = source(&file, "batch", "1");
    for _ in 0..2 {
        let running = run(&cluster, &worker(&STRINGS), connector.clone()).await;
        running.wait_done().await.expect("done");
        let status = &running.status()[0];
        assert_eq!((&status.state, status.bytes_read), (&TaskState::Done, status.bytes_total));
        running.shutdown().await;
    }
    assert_eq!(written(&cluster).await, ["a", "b", "c"]);
    cluster.stop().await;
}

#[tokio::test]
async fn a_followed_file_goes_on_after_kills_and_restarts_of_the_broker() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("in.txt");
    std::fs::write(&file, "").expect("written");
    let mut all = Vec::new();
    for round in 0..4 {
        let cluster = Cluster::start(&dir.path().join("data")).await;
        let more: Vec<String> = lines(300).iter().map(|line| format!("{round} {line}")).collect();
        let text: String = more.iter().map(|line| format!("{line}\n")).collect();
        all.extend(more);
        let whole = std::fs::read_to_string(&file).expect("read") + &text;
        std::fs::write(&file, &whole).expect("written");
        let running = run(&cluster, &worker(&STRINGS), source(&file, "tail", "1")).await;
        while running.status()[0].bytes_read < whole.len() as u64 {
            yield_now().await;
        }
        if round % 2 == 0 {
            drop(running);
        } else {
            while written(&cluster).await.len() < all.len() {
                yield_now().await;
            }
            running.shutdown().await;
            assert!(written(&cluster).await == all, "round {round}: every line once, in order");
        }
        cluster.stop().await;
    }
}

#[tokio::test]
async fn a_file_that_has_grown_does_not_hide_what_was_written_of_another() {
    let dir = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start(&dir.path().join("data")).await;
    let (grown, other) = (dir.path().join("a.txt"), dir.path().join("b.txt"));
    std::fs::write(&grown, "first\n").expect("written");
    std::fs::write(&other, "x\ny\nz\n").expect("written");
    let connector = source(&dir.path().join("*.txt"), "tail", "1");
    let mut seldom = worker(&STRINGS);
    seldom.offset_flush_interval = Duration::from_secs(3600);
    let running = run(&cluster, &seldom, connector.clone()).await;
    while cluster.end("t").await < 4 {
        yield_now().await;
    }
    drop(running);

    let more: String = (0..connect::WINDOW + 500).map(|n| format!("line {n}\n")).collect();
    std::fs::write(&grown, format!("first\n{more}")).expect("written");
    let running = run(&cluster, &worker(&STRINGS), connector).await;
    let expected = connect::WINDOW as i64 + 504;
    while cluster.end("t").await < expected {
        yield_now().await;
    }
    running.shutdown().await;
    assert_eq!(cluster.end("t").await, expected);
    let counts = counted(written(&cluster).await);
    assert!(counts.values().all(|count| *count == 1), "some line is there twice");
    cluster.stop().await;
}
