//! What an application needs from outside: its topics, and what its records are converted with.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::fixture::*;
use crate::ops::tests::fixture::*;
use crate::runtime::memory_cluster::MemoryCluster;
use crate::runtime::{AppConfig, AppState};
use crate::*;

/// Something that answers now and then, like a registry.
#[derive(Clone, Default)]
struct Registry {
    is_away: Arc<AtomicBool>,
}

impl Registry {
    fn ask(&self) -> Result<(), CodecError> {
        match self.is_away.load(Ordering::SeqCst) {
            true => Err(CodecError::retry("the registry does not answer")),
            false => Ok(()),
        }
    }

    fn is_away(&self, is_away: bool) {
        self.is_away.store(is_away, Ordering::SeqCst);
    }
}

struct Asking<T> {
    registry: Registry,
    inner: T,
}

impl RecordDecoder for Asking<Lines> {
    fn schema(&self) -> arrow::datatypes::SchemaRef {
        self.inner.schema()
    }

    fn decode(
        &self,
        partition: i32,
        records: &[InputRecord],
        bad: &mut Vec<BadRecord>,
    ) -> Result<Chunk, CodecError> {
        let chunk = self.inner.decode(partition, records, bad)?;
        self.registry.ask().map(|()| chunk)
    }
}

impl RecordEncoder for Asking<Joined> {
    fn encode(&self, chunk: &Chunk) -> Result<Vec<OutputRecord>, CodecError> {
        self.registry.ask()?;
        self.inner.encode(chunk)
    }
}

/// Counts by group, with a decoder and an encoder that ask.
fn asking(decoding: &Registry, encoding: &Registry) -> Topology {
    let mut topology = TopologyBuilder::new();
    let decoder = Asking { registry: decoding.clone(), inner: Lines { table: false } };
    let spec = SourceSpec { decoder: Arc::new(decoder), ..source("IN", false) };
    let input = topology.source("in", spec);
    let grouped = topology.operator("group", &[input], &[], group_by_g());
    topology.store(StoreSpec::new("groups"));
    let counted = topology.operator("count", &[grouped], &["groups"], count_sum(None, false));
    let encoder = Asking { registry: encoding.clone(), inner: Joined { keys: 1 } };
    let spec = SinkSpec { encoder: Arc::new(encoder), ..sink("OUT", 1) };
    topology.sink("out", counted, spec);
    topology.build().unwrap()
}

fn feed(cluster: &MemoryCluster, count: usize) {
    (0..count).for_each(|n| cluster.write("IN", 0, output("x", "a,1", n as i64)));
    cluster.write("IN", 0, output("x", "nonsense", 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_wait_for_a_registry_that_is_away_and_none_is_lost_or_doubled() {
    for transient in [false, true] {
        let cluster = cluster(&[("IN", 1), ("OUT", 1)]);
        let registry = Registry::default();
        let config = AppConfig { transient, ..config(None) };
        let handle = start(&cluster, config, asking(&registry, &Registry::default())).await;
        let mut state = handle.watch_state();
        feed(&cluster, 100);
        handle.wait_caught_up().await.unwrap();
        registry.is_away(true);
        feed(&cluster, 100);
        let waiting = state.wait_for(|state| *state != AppState::Running).await.unwrap().clone();
        let AppState::Waiting { reason } = waiting else { panic!("{waiting:?}") };
        assert!(reason.contains("the registry does not answer"), "{reason}");
        registry.is_away(false);
        state.wait_for(|state| *state == AppState::Running).await.unwrap();
        handle.wait_caught_up().await.unwrap();
        assert_eq!(table(&cluster, "OUT")["a"], "200,200");
        let metrics = handle.metrics();
        assert_eq!((metrics.records_in, metrics.bad_records), (202, 2), "each is counted once");
        handle.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_that_waits_can_be_closed_and_goes_on_at_its_next_start() {
    let cluster = cluster(&[("IN", 1), ("OUT", 1)]);
    let registry = Registry::default();
    registry.is_away(true);
    feed(&cluster, 10);
    let run = || start(&cluster, config(None), asking(&registry, &Registry::default()));
    let handle = run().await;
    let mut state = handle.watch_state();
    state.wait_for(|state| matches!(state, AppState::Waiting { .. })).await.unwrap();
    handle.close().await.unwrap();
    registry.is_away(false);
    let handle = run().await;
    handle.wait_caught_up().await.unwrap();
    assert_eq!(table(&cluster, "OUT")["a"], "10,10");
    handle.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_result_that_cannot_be_written_for_a_while_is_written_later() {
    let cluster = cluster(&[("IN", 1), ("OUT", 1)]);
    let registry = Registry::default();
    let handle = start(&cluster, config(None), asking(&Registry::default(), &registry)).await;
    let mut state = handle.watch_state();
    registry.is_away(true);
    feed(&cluster, 10);
    let restarts = |state: &AppState| matches!(state, AppState::Restarting { .. });
    state.wait_for(restarts).await.unwrap();
    registry.is_away(false);
    state.wait_for(|state| *state == AppState::Running).await.unwrap();
    handle.wait_caught_up().await.unwrap();
    assert_eq!(table(&cluster, "OUT")["a"], "10,10");
    handle.close().await.unwrap();
}

fn checking() -> AppConfig {
    AppConfig { topic_check_interval: Duration::from_millis(1), ..config(None) }
}

async fn failure(handle: &AppHandle) -> String {
    let mut state = handle.watch_state();
    let failed = state.wait_for(|state| matches!(state, AppState::Failed { .. })).await;
    let AppState::Failed { reason } = failed.unwrap().clone() else { unreachable!() };
    reason
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_is_deleted_or_created_anew_under_an_application_fails_it() {
    for (topic, role) in [("IN", "source"), ("OUT", "sink"), ("app-by-g-repartition", "internal")] {
        for anew in [false, true] {
            let cluster = cluster(&[("IN", 1), ("OUT", 1)]);
            cluster.write("IN", 0, output("x", "a,1", 0));
            let handle = start(&cluster, checking(), counting(None)).await;
            handle.wait_caught_up().await.unwrap();
            match anew {
                false => cluster.delete(topic),
                true => cluster.create(topic, 1),
            }
            let reason = failure(&handle).await;
            let what = if anew { "created anew" } else { "was deleted" };
            let named = reason.starts_with(&format!("{role} topic {topic} "));
            assert!(named && reason.contains(what), "{reason}");
            assert!(handle.close().await.is_err());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_topic_that_was_created_anew_while_nothing_ran_is_not_taken_for_the_former_one() {
    let cluster = cluster(&[("IN", 1), ("OUT", 1)]);
    cluster.write("IN", 0, output("x", "a,1", 0));
    let handle = start(&cluster, config(None), counting(None)).await;
    handle.wait_caught_up().await.unwrap();
    handle.close().await.unwrap();
    cluster.create("IN", 1);
    (0..2).for_each(|_| cluster.write("IN", 0, output("x", "a,1", 0)));
    let error = app(&cluster, config(None), counting(None)).unwrap().run().await.err().unwrap();
    let message = error.to_string();
    assert!(message.starts_with("source topic IN is not the one"), "{message}");
    assert!(!error.is_retriable());
}

/// Source to sink, without any state.
fn passing() -> Topology {
    let mut topology = TopologyBuilder::new();
    let input = topology.source("in", source("IN", false));
    topology.sink("out", input, sink("OUT", 1));
    topology.build().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_without_state_reads_all_of_a_topic_that_was_created_anew_meanwhile() {
    let cluster = cluster(&[("IN", 1), ("OUT", 1)]);
    (0..2).for_each(|_| cluster.write("IN", 0, output("x", "a,1", 0)));
    let handle = start(&cluster, config(None), passing()).await;
    handle.wait_caught_up().await.unwrap();
    handle.close().await.unwrap();
    cluster.create("IN", 1);
    (0..3).for_each(|_| cluster.write("IN", 0, output("x", "a,1", 0)));
    let handle = start(&cluster, config(None), passing()).await;
    handle.wait_caught_up().await.unwrap();
    assert_eq!(cluster.read("OUT").len(), 2 + 3);
    handle.close().await.unwrap();
    let handle = start(&cluster, config(None), passing()).await;
    handle.wait_caught_up().await.unwrap();
    assert_eq!(cluster.read("OUT").len(), 2 + 3, "its positions are those of the new topic");
    handle.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_that_are_added_to_a_source_are_read_or_refused() {
    let cluster = cluster(&[("IN", 1), ("OUT", 1)]);
    cluster.write("IN", 0, output("x", "a,1", 0));
    let handle = start(&cluster, checking(), passing()).await;
    handle.wait_caught_up().await.unwrap();
    let mut state = handle.watch_state();
    cluster.add_partition("IN");
    let restarts = |state: &AppState| matches!(state, AppState::Restarting { .. });
    state.wait_for(restarts).await.unwrap();
    state.wait_for(|state| *state == AppState::Running).await.unwrap();
    cluster.write("IN", 1, output("x", "b,1", 0));
    handle.wait_caught_up().await.unwrap();
    assert_eq!(cluster.read("OUT").len(), 2);
    handle.close().await.unwrap();

    let handle = start(&cluster, checking(), asking(&Registry::default(), &Registry::default()));
    let handle = handle.await;
    cluster.add_partition("IN");
    let reason = failure(&handle).await;
    assert!(reason.contains("app-changelog has 2 partitions, but 3 are needed"), "{reason}");
}
