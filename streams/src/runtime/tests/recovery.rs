use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::fixture::*;
use crate::ops::tests::fixture::*;
use crate::runtime::AppState;
use crate::runtime::broker::{Broker, GroupOffset};
use crate::runtime::memory_cluster::MemoryCluster;
use crate::*;

const PARTITIONS: usize = 2;
const GROUPS: usize = 5;

/// Writes `count` records, spread over partitions and groups; the model counts them.
fn feed(
    cluster: &MemoryCluster,
    model: &mut BTreeMap<String, (i64, i64)>,
    seed: &mut u64,
    count: usize,
) {
    for _ in 0..count {
        *seed =
            seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let random = (*seed >> 33) as usize;
        let (group, number) = (format!("g{}", random % GROUPS), (random % 97) as i64);
        let value = format!("{group},{number}");
        cluster.write("IN", (random / 7) % PARTITIONS, output("x", &value, 0));
        let entry = model.entry(group).or_default();
        *entry = (entry.0 + 1, entry.1 + number);
    }
}

fn expected(model: &BTreeMap<String, (i64, i64)>) -> BTreeMap<String, String> {
    model.iter().map(|(group, (count, sum))| (group.clone(), format!("{count},{sum}"))).collect()
}

async fn rows(handle: &AppHandle) -> Vec<String> {
    let mut rows = rows_of(&handle.query("RESULT").unwrap().all().await.unwrap());
    rows.sort();
    rows
}

/// Waits for some commits, so that the kill comes at an arbitrary moment of the work; or for
/// its end.
async fn work_until(cluster: &MemoryCluster, handle: &AppHandle, appends: usize) {
    let commits = async {
        while cluster.appends() < appends {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = commits => {}
        caught_up = handle.wait_caught_up() => caught_up.unwrap(),
    }
}

async fn check_counts_after_kills(state_dir: Option<&Path>) {
    let cluster = cluster(&[("IN", PARTITIONS), ("OUT", PARTITIONS)]);
    let (mut model, mut seed) = (BTreeMap::new(), 11);
    for round in 0..12 {
        feed(&cluster, &mut model, &mut seed, 400);
        let before = cluster.appends();
        let handle = start(&cluster, config(state_dir), counting(None)).await;
        work_until(&cluster, &handle, before + round % 5).await;
        handle.kill().await;
        if round % 3 == 2 {
            cluster.compact("app-changelog");
        }
    }
    let handle = start(&cluster, config(state_dir), counting(None)).await;
    handle.wait_caught_up().await.unwrap();
    assert_eq!(table(&cluster, "OUT"), expected(&model));
    let found: Vec<String> = rows(&handle).await;
    let wanted: Vec<String> =
        expected(&model).iter().map(|(group, value)| format!("{group},{value},0")).collect();
    assert_eq!(found, wanted);
    handle.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_are_exact_after_kills_with_local_state() {
    let folder = tempfile::tempdir().unwrap();
    check_counts_after_kills(Some(folder.path())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_are_exact_after_kills_with_the_changelog_alone() {
    check_counts_after_kills(None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clean_restart_replays_nothing_and_a_lost_folder_is_rebuilt() {
    let cluster = cluster(&[("IN", PARTITIONS), ("OUT", 1)]);
    let (mut model, mut seed) = (BTreeMap::new(), 5);
    feed(&cluster, &mut model, &mut seed, 500);
    let folder = tempfile::tempdir().unwrap();
    let handle = start(&cluster, config(Some(folder.path())), counting(None)).await;
    handle.wait_caught_up().await.unwrap();
    let before = rows(&handle).await;
    handle.close().await.unwrap();

    let handle = start(&cluster, config(Some(folder.path())), counting(None)).await;
    assert_eq!(handle.metrics().restored, 0);
    assert_eq!(rows(&handle).await, before);
    handle.close().await.unwrap();

    std::fs::remove_dir_all(folder.path().join(APP)).unwrap();
    let written = cluster.read("OUT").len();
    let handle = start(&cluster, config(Some(folder.path())), counting(None)).await;
    handle.wait_caught_up().await.unwrap();
    assert!(handle.metrics().restored > 0);
    assert_eq!(rows(&handle).await, before);
    assert_eq!(cluster.read("OUT").len(), written, "nothing is processed twice");
    handle.close().await.unwrap();
}

#[tokio::test]
async fn a_group_that_was_not_told_of_the_last_commit_is_told_at_the_next_start() {
    let cluster = cluster(&[("IN", 1), ("OUT", 1)]);
    cluster.write("IN", 0, output("x", "a,1", 0));
    let input = TopicPartition::new("IN", 0);
    let handle = start(&cluster, config(None), counting(None)).await;
    handle.wait_caught_up().await.unwrap();
    handle.close().await.unwrap();
    let earlier = [(input.clone(), GroupOffset { offset: 0, topic_id: None })].into();
    Broker::commit(&cluster, APP, &earlier).await.unwrap();
    let handle = start(&cluster, config(None), counting(None)).await;
    handle.commit().await.unwrap();
    assert_eq!(cluster.committed_offset(APP, &input), Some(1));
    handle.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn local_state_of_an_earlier_commit_is_brought_up_from_the_changelog() {
    let cluster = cluster(&[("IN", 1), ("OUT", 1)]);
    let (mut model, mut seed) = (BTreeMap::new(), 9);
    let (folder, saved) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let run = |folder: &Path| start(&cluster, config(Some(folder)), counting(None));
    feed_one(&cluster, &mut model, &mut seed, 200);
    let handle = run(folder.path()).await;
    handle.wait_caught_up().await.unwrap();
    handle.close().await.unwrap();
    copy(&folder.path().join(APP), &saved.path().join(APP));

    feed_one(&cluster, &mut model, &mut seed, 200);
    let handle = run(folder.path()).await;
    handle.wait_caught_up().await.unwrap();
    handle.kill().await;

    feed_one(&cluster, &mut model, &mut seed, 200);
    let handle = run(saved.path()).await;
    assert!(handle.metrics().restored > 0);
    handle.wait_caught_up().await.unwrap();
    assert_eq!(table(&cluster, "OUT"), expected(&model));
    handle.close().await.unwrap();
}

/// Local state of before a deletion, and a changelog that has forgotten it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_whose_deletion_was_compacted_away_does_not_come_back_from_local_state() {
    let cluster = cluster(&[("T", 1)]);
    let (folder, saved) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let table = || {
        let layout = Arc::new(ops::TableLayout::new(schema(), 1).unwrap());
        let mut topology = TopologyBuilder::new();
        let table = topology.source("t", source("T", true));
        topology.store(StoreSpec::new("RESULT").with_reader(layout.clone()));
        topology.operator("keep", &[table], &["RESULT"], materialize("RESULT", &layout));
        topology.build().unwrap()
    };
    let run = |folder: &Path| start(&cluster, config(Some(folder)), table());
    for key in ["a", "b"] {
        cluster.write("T", 0, output(key, "x,1", 0));
    }
    let handle = run(folder.path()).await;
    handle.wait_caught_up().await.unwrap();
    handle.close().await.unwrap();
    copy(&folder.path().join(APP), &saved.path().join(APP));

    cluster.write("T", 0, OutputRecord { value: None, ..output("a", "", 0) });
    let handle = run(folder.path()).await;
    handle.wait_caught_up().await.unwrap();
    assert_eq!(rows(&handle).await, ["b,x,1,0"]);
    handle.kill().await;
    cluster.compact_deletions("app-changelog");

    let handle = run(saved.path()).await;
    handle.wait_caught_up().await.unwrap();
    assert_eq!(rows(&handle).await, ["b,x,1,0"]);
    handle.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn local_state_of_another_changelog_topic_is_not_trusted() {
    let cluster = cluster(&[("IN", 1), ("OUT", 1)]);
    let folder = tempfile::tempdir().unwrap();
    let run = || start(&cluster, config(Some(folder.path())), counting(None));
    cluster.write("IN", 0, output("x", "a,1", 0));
    let handle = run().await;
    handle.wait_caught_up().await.unwrap();
    handle.close().await.unwrap();
    let commits = cluster.read("app-changelog").len();
    cluster.create("app-changelog", 1);
    (0..commits).for_each(|_| cluster.write("app-changelog", 0, foreign()));
    let handle = run().await;
    handle.wait_caught_up().await.unwrap();
    assert_eq!(rows(&handle).await, ["a,1,1,0"], "counted from the start");
    handle.close().await.unwrap();
}

/// A changelog entry of a sub-topology that is not there.
fn foreign() -> OutputRecord {
    output("\u{1}\u{1}\u{1}\u{1}", "", 0)
}

/// Stream time and windows survive: what was late stays late, however the work is cut.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn windowed_counts_and_late_rows_are_the_same_with_and_without_kills() {
    let windows = TimeWindows::hopping(1_000, 250).unwrap().with_grace(300).unwrap();
    let mut tables = Vec::new();
    for kills in [0, 9] {
        let cluster = cluster(&[("IN", 1), ("OUT", 1)]);
        let folder = tempfile::tempdir().unwrap();
        let mut seed = 3_u64;
        for number in 0..3_000_i64 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let timestamp = (number * 3 + (seed >> 40) as i64 % 2_000 - 1_000).max(0);
            let value = format!("g{},1", (seed >> 33) % 3);
            cluster.write("IN", 0, output("x", &value, timestamp));
        }
        for round in 0..kills {
            let handle =
                start(&cluster, config(Some(folder.path())), counting(Some(windows))).await;
            work_until(&cluster, &handle, 3 * round).await;
            handle.kill().await;
        }
        let handle = start(&cluster, config(Some(folder.path())), counting(Some(windows))).await;
        handle.wait_caught_up().await.unwrap();
        handle.close().await.unwrap();
        tables.push(table(&cluster, "OUT"));
    }
    assert!(tables[0].len() > 60, "{} windows", tables[0].len());
    assert_eq!(tables[0], tables[1]);
}

fn feed_one(
    cluster: &MemoryCluster,
    model: &mut BTreeMap<String, (i64, i64)>,
    seed: &mut u64,
    count: usize,
) {
    for _ in 0..count {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let (group, number) = (format!("g{}", (*seed >> 33) % 3), (*seed >> 40) as i64 % 50);
        cluster.write("IN", 0, output("x", &format!("{group},{number}"), 0));
        let entry = model.entry(group).or_default();
        *entry = (entry.0 + 1, entry.1 + number);
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// Groups with names so long that a commit takes several batches.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_torn_between_its_batches_counts_as_never_made() {
    for with_folder in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let state_dir = with_folder.then(|| folder.path());
        let cluster = cluster(&[("IN", 1), ("OUT", 1)]);
        let feed = || {
            for group in 0..40 {
                let name = format!("{group:02}").repeat(25_000);
                cluster.write("IN", 0, output("x", &format!("{name},1"), 0));
            }
        };
        feed();
        let handle = start(&cluster, config(state_dir), counting(None)).await;
        handle.wait_caught_up().await.unwrap();
        handle.close().await.unwrap();
        for torn in 1..4 {
            cluster.fail_appends_after(Some(torn));
            feed();
            let handle = start(&cluster, config(state_dir), counting(None)).await;
            let mut state = handle.watch_state();
            let down = |state: &AppState| matches!(state, AppState::Restarting { .. });
            state.wait_for(down).await.unwrap();
            handle.kill().await;
            cluster.fail_appends_after(None);
            let handle = start(&cluster, config(state_dir), counting(None)).await;
            handle.wait_caught_up().await.unwrap();
            handle.kill().await;
            cluster.compact("app-changelog");
        }
        let counts = table(&cluster, "OUT");
        assert_eq!(counts.len(), 40);
        let counts: Vec<&String> = counts.values().collect();
        assert_eq!(counts, vec!["4,4"; 40], "with a folder: {with_folder}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn state_of_another_topology_is_refused() {
    let cluster = cluster(&[("IN", 1), ("OUT", 1), ("T", 1)]);
    let folder = tempfile::tempdir().unwrap();
    cluster.write("IN", 0, output("x", "a,1", 0));
    let handle = start(&cluster, config(Some(folder.path())), counting(None)).await;
    handle.wait_caught_up().await.unwrap();
    handle.close().await.unwrap();

    let layout = Arc::new(ops::TableLayout::new(schema(), 1).unwrap());
    let mut topology = TopologyBuilder::new();
    let unrelated = topology.source("in", source("IN", false));
    topology.sink("out", unrelated, sink("OUT", 1));
    let table = topology.source("t", source("T", true));
    topology.store(StoreSpec::new("other"));
    topology.operator("keep", &[table], &["other"], materialize("other", &layout));
    let other = app(&cluster, config(Some(folder.path())), topology.build().unwrap()).unwrap();
    let error = other.run().await.err().unwrap().to_string();
    assert!(error.contains("another topology") && error.contains("groups"), "{error}");
}

/// A table that is read first, and a stream older than it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_join_finds_a_table_that_is_younger_than_the_stream() {
    let cluster = cluster(&[("S", 2), ("T", 2), ("OUT", 1)]);
    for partition in 0..2 {
        for number in 0..200 {
            cluster.write("S", partition, output("k", "a,1", number));
        }
        cluster.write("T", partition, output("a", "x,7", 1_000_000));
    }
    let handle = start(&cluster, config(None), ops::tests::inner_join()).await;
    handle.wait_caught_up().await.unwrap();
    handle.close().await.unwrap();
    assert_eq!(cluster.read("OUT").len(), 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_that_meet_must_have_the_same_number_of_partitions() {
    let cluster = cluster(&[("S", 2), ("T", 3), ("OUT", 1)]);
    let app = app(&cluster, config(None), ops::tests::inner_join()).unwrap();
    let error = app.run().await.err().unwrap().to_string();
    let expected = "topics S with 2 partitions and T with 3 meet in join, which needs \
                    the same number; repartition one of them";
    assert_eq!(error, expected);
}
