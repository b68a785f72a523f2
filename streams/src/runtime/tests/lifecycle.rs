use std::sync::{Arc, Mutex};

use super::fixture::*;
use crate::ops::tests::fixture::*;
use crate::runtime::{AppConfig, AppState, TopicPartition};
use crate::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_of_all_partitions_are_counted_by_group_and_can_be_queried() {
    let cluster = cluster(&[("IN", 3), ("OUT", 2)]);
    for number in 0..300 {
        let value = format!("g{},1", number % 4);
        cluster.write("IN", number % 3, output("x", &value, number as i64));
    }
    let handle = start(&cluster, config(None), counting(None)).await;
    handle.wait_caught_up().await.unwrap();
    let expected: Vec<String> = (0..4).map(|group| format!("g{group}")).collect();
    let found = table(&cluster, "OUT");
    assert_eq!(found.keys().cloned().collect::<Vec<_>>(), expected);
    assert!(found.values().all(|value| value == "75,75"), "{found:?}");
    let mut rows = rows_of(&handle.query("RESULT").unwrap().all().await.unwrap());
    rows.sort();
    let rows: Vec<&str> = rows.iter().map(|row| &row[..8]).collect();
    assert_eq!(rows, ["g0,75,75", "g1,75,75", "g2,75,75", "g3,75,75"]);
    assert!(handle.lag().await.unwrap().values().all(|lag| *lag == 0));
    assert_eq!(handle.state(), AppState::Running);
    handle.close().await.unwrap();
    let input = TopicPartition::new("IN", 1);
    assert_eq!(cluster.committed_offset(APP, &input), Some(100));
    assert_eq!(cluster.topics(), ["IN", "OUT", "app-by-g-repartition", "app-changelog"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transient_application_leaves_nothing_behind() {
    let cluster = cluster(&[("IN", 2), ("OUT", 1)]);
    cluster.write("IN", 0, output("x", "a,1", 0));
    let config = AppConfig { transient: true, ..config(None) };
    for _ in 0..2 {
        let app = app(&cluster, config.clone(), counting(None)).unwrap();
        let mut changes = app.subscribe("keep").unwrap();
        let handle = app.run().await.unwrap();
        let chunk = changes.recv().await.unwrap();
        assert_eq!(rows_of(&[chunk.rows().clone()]), ["a,1,1"]);
        handle.close().await.unwrap();
        assert_eq!(cluster.topics(), ["IN", "OUT"]);
    }
    assert_eq!(cluster.committed_offset(APP, &TopicPartition::new("IN", 0)), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_more_windows_a_row_is_in_the_fewer_rows_are_taken_at_once() {
    let cluster = cluster(&[("IN", 1), ("OUT", 1)]);
    for number in 0..50 {
        cluster.write("IN", 0, output("x", "a,1", 1_000_000 + number));
    }
    let config = AppConfig { transient: true, ..config(None) };
    let windows = TimeWindows::hopping(400_000, 1_000).unwrap();
    let app = app(&cluster, config, counting(Some(windows))).unwrap();
    let mut changes = app.subscribe("keep").unwrap();
    let handle = app.run().await.unwrap();
    let (mut rows, mut most) = (0, 0);
    while rows < 50 * 400 {
        let chunk = changes.recv().await.unwrap();
        rows += chunk.len();
        most = most.max(chunk.len());
    }
    assert_eq!((rows, most), (50 * 400, 2 * 400), "CHUNK_ROWS are about the most");
    handle.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transient_application_ends_rather_than_show_its_rows_again() {
    let cluster = cluster(&[("IN", 2), ("OUT", 1)]);
    let config = AppConfig { transient: true, ..config(None) };
    let handle = start(&cluster, config, counting(None)).await;
    let mut state = handle.watch_state();
    cluster.fail_reads(true);
    state.wait_for(|state| *state != AppState::Running).await.unwrap();
    assert!(matches!(handle.state(), AppState::Failed { .. }), "{:?}", handle.state());
    assert!(handle.close().await.is_err());
    assert_eq!(cluster.topics(), ["IN", "OUT"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_application_starts_from_nothing() {
    let cluster = cluster(&[("IN", 1), ("OUT", 1)]);
    let folder = tempfile::tempdir().unwrap();
    cluster.write("IN", 0, output("x", "a,1", 0));
    for _ in 0..2 {
        let handle = start(&cluster, config(Some(folder.path())), counting(None)).await;
        handle.wait_caught_up().await.unwrap();
        handle.remove().await.unwrap();
        assert_eq!(cluster.topics(), ["IN", "OUT"]);
        assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none());
        assert_eq!(cluster.committed_offset(APP, &TopicPartition::new("IN", 0)), None);
        assert_eq!(table(&cluster, "OUT")["a"], "1,1");
    }
    assert_eq!(cluster.read("OUT").len(), 2);
}

#[tokio::test]
async fn what_cannot_run_says_why() {
    let cluster = cluster(&[("IN", 1)]);
    let failure = |config, topology| {
        let cluster = Arc::clone(&cluster);
        async move {
            match app(&cluster, config, topology) {
                Ok(app) => app.run().await.err().unwrap().to_string(),
                Err(error) => error.to_string(),
            }
        }
    };
    let message = failure(config(None), counting(None)).await;
    assert_eq!(message, "sink topic OUT does not exist; create it first");
    cluster.create("OUT", 1);
    cluster.create("app-changelog", 7);
    let message = failure(config(None), counting(None)).await;
    assert!(message.contains("app-changelog has 7 partitions, but 1 are needed"), "{message}");
    let config = AppConfig::new("no/slash");
    let message = failure(config, counting(None)).await;
    assert!(message.contains("application id \"no/slash\""), "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_that_fails_or_panics_stops_the_application_with_a_message() {
    for panics in [false, true] {
        let mut topology = TopologyBuilder::new();
        let input = topology.source("in", source("IN", false));
        let factory: OperatorFactory = Arc::new(move |_| {
            Ok(Box::new(ops::Stateless(move |_: Chunk, _: &mut OperatorContext<'_>| {
                assert!(!panics, "out of luck");
                Err(OperatorError::Failed("out of luck".to_owned()))
            })))
        });
        topology.operator("bad", &[input], &[], factory);
        let cluster = cluster(&[("IN", 1)]);
        cluster.write("IN", 0, output("x", "a,1", 0));
        let handle = start(&cluster, config(None), topology.build().unwrap()).await;
        let mut state = handle.watch_state();
        let failed = state.wait_for(|state| matches!(state, AppState::Failed { .. })).await;
        let AppState::Failed { reason } = failed.unwrap().clone() else { unreachable!() };
        assert!(reason.contains("task 0_0") && reason.contains("out of luck"), "{reason}");
        assert!(handle.wait_caught_up().await.is_err());
        assert!(handle.close().await.is_err());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_fails_for_a_while_costs_no_record_and_doubles_none() {
    let cluster = cluster(&[("IN", 1), ("OUT", 1)]);
    let handle = start(&cluster, config(None), counting(None)).await;
    for number in 0..100 {
        cluster.write("IN", 0, output("x", "a,1", number));
    }
    handle.wait_caught_up().await.unwrap();
    cluster.fail_appends_after(Some(0));
    for number in 0..100 {
        cluster.write("IN", 0, output("x", "a,1", number));
    }
    let mut state = handle.watch_state();
    state.wait_for(|state| matches!(state, AppState::Restarting { .. })).await.unwrap();
    cluster.fail_appends_after(None);
    state.wait_for(|state| *state == AppState::Running).await.unwrap();
    handle.wait_caught_up().await.unwrap();
    assert_eq!(table(&cluster, "OUT")["a"], "200,200");
    handle.close().await.unwrap();
}

/// Which of tasks and reader is seen to end first is a matter of luck: hence many times.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_whose_inputs_cannot_be_read_for_a_while_starts_again() {
    let cluster = cluster(&[("IN", 1), ("OUT", 1)]);
    let handle = start(&cluster, config(None), counting(None)).await;
    let mut state = handle.watch_state();
    for round in 1..=8 {
        cluster.fail_reads(true);
        state.wait_for(|state| *state != AppState::Running).await.unwrap();
        assert!(matches!(handle.state(), AppState::Restarting { .. }), "{:?}", handle.state());
        cluster.fail_reads(false);
        state.wait_for(|state| *state == AppState::Running).await.unwrap();
        cluster.write("IN", 0, output("x", "a,1", 0));
        handle.wait_caught_up().await.unwrap();
        assert_eq!(table(&cluster, "OUT")["a"], format!("{round},{round}"));
    }
    handle.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_records_go_to_the_processing_log_and_the_rest_goes_on() {
    let cluster = cluster(&[("IN", 1), ("OUT", 1)]);
    for value in ["nonsense", "a,1"] {
        cluster.write("IN", 0, output("x", value, 0));
    }
    let log = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&log);
    let config = AppConfig {
        processing_log: Some(Arc::new(move |report: &Report| {
            notes.lock().unwrap().push(format!("{}: {}", report.node, report.message));
        })),
        ..config(None)
    };
    let handle = start(&cluster, config, counting(None)).await;
    handle.wait_caught_up().await.unwrap();
    handle.close().await.unwrap();
    assert_eq!(*log.lock().unwrap(), ["in: not a line: nonsense"]);
    assert_eq!(table(&cluster, "OUT")["a"], "1,1");
}
