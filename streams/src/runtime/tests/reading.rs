//! Where reading starts, how much of it waits, and what happens when records are gone.

use std::collections::HashMap;

use super::fixture::*;
use crate::ops::tests::fixture::*;
use crate::runtime::broker::{Broker as _, TopicPartition};
use crate::*;

fn copying(start: StartFrom) -> Topology {
    let mut topology = TopologyBuilder::new();
    let input = topology.source("in", SourceSpec { start, ..source("IN", false) });
    topology.sink("out", input, sink("OUT", 1));
    topology.build().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_may_start_behind_what_is_there() {
    let cluster = cluster(&[("IN", 1), ("OUT", 1)]);
    cluster.write("IN", 0, output("old", "a,1", 0));
    let handle = start(&cluster, config(None), copying(StartFrom::Latest)).await;
    cluster.write("IN", 0, output("new", "a,2", 0));
    handle.wait_caught_up().await.unwrap();
    handle.close().await.unwrap();
    assert_eq!(table(&cluster, "OUT").into_keys().collect::<Vec<_>>(), ["new"]);

    cluster.write("IN", 0, output("meanwhile", "a,3", 0));
    let handle = start(&cluster, config(None), copying(StartFrom::Latest)).await;
    handle.wait_caught_up().await.unwrap();
    handle.close().await.unwrap();
    let found = table(&cluster, "OUT").into_keys().collect::<Vec<_>>();
    assert_eq!(found, ["meanwhile", "new"], "a position counts more than where to start");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reading_goes_on_behind_records_that_are_gone() {
    let cluster = cluster(&[("IN", 1), ("OUT", 1)]);
    for round in 0..2 {
        for number in 0..100 {
            cluster.write("IN", 0, output("x", "a,1", number));
        }
        if round == 1 {
            let before = HashMap::from([(TopicPartition::new("IN", 0), 150)]);
            cluster.delete_records(&before).await.unwrap();
        }
        let handle = start(&cluster, config(None), counting(None)).await;
        handle.wait_caught_up().await.unwrap();
        handle.close().await.unwrap();
    }
    assert_eq!(table(&cluster, "OUT")["a"], "150,150");
}

/// The stream has to wait in memory while the table is read, and more comes than may wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_waits_for_its_table_is_paused_and_loses_nothing() {
    const ROWS: i64 = 45_000;
    let cluster = cluster(&[("S", 1), ("T", 1), ("OUT", 1)]);
    for number in 0..ROWS {
        cluster.write("S", 0, output("k", "a,1", number));
        cluster.write("T", 0, output("a", &format!("x,{number}"), number));
    }
    let handle = start(&cluster, config(None), ops::tests::inner_join()).await;
    handle.wait_caught_up().await.unwrap();
    handle.close().await.unwrap();
    let last = format!("a,1,a,x,{}", ROWS - 1);
    let found = cluster.read("OUT");
    assert_eq!(found.len() as i64, ROWS);
    assert!(found.iter().all(|record| record.value.as_deref() == Some(last.as_bytes())));
}
