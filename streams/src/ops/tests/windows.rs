use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};

use super::fixture::*;
use crate::ops::Suppress;
use crate::*;

fn windows(size: i64, advance: i64, grace: i64) -> TimeWindows {
    TimeWindows::hopping(size, advance).unwrap().with_grace(grace).unwrap()
}

#[test]
fn tumbling_windows_take_late_rows_within_grace_and_count_later_ones() {
    let mut driver = TestDriver::new(counting(Some(windows(10, 10, 5)))).unwrap();
    for (value, timestamp) in [("a,1", 3), ("a,2", 12), ("a,3", 4), ("a,4", 15), ("a,5", 9)] {
        driver.pipe("IN", record("x", Some(value), timestamp)).unwrap();
    }
    let expected = ["a,0,10:1,1@3", "a,10,20:1,2@12", "a,0,10:2,4@4", "a,10,20:2,6@15"];
    assert_eq!(lines(driver.read("OUT")), expected);
    assert_eq!(driver.metrics().late_rows, 1);
    let reports = driver.take_reports();
    let message = "too late: its time 9 is in window [0, 10), which closed before stream time 15";
    assert_eq!((reports.len(), reports[0].message.as_str()), (1, message));
}

#[test]
fn a_row_counts_in_each_hopping_window_that_is_still_open() {
    let mut driver = TestDriver::new(counting(Some(windows(10, 5, 0)))).unwrap();
    for (value, timestamp) in [("a,1", 7), ("a,2", 12), ("a,4", 6)] {
        driver.pipe("IN", record("x", Some(value), timestamp)).unwrap();
    }
    let expected =
        ["a,0,10:1,1@7", "a,5,15:1,1@7", "a,5,15:2,3@12", "a,10,20:1,2@12", "a,5,15:3,7@12"];
    assert_eq!(lines(driver.read("OUT")), expected);
    assert_eq!(driver.metrics().late_rows, 1);
}

#[tokio::test]
async fn a_windowed_result_is_found_by_key_over_all_its_windows() {
    let mut driver = TestDriver::new(counting(Some(windows(10, 10, 1_000_000)))).unwrap();
    for (value, timestamp) in [("a,1", 3), ("b,1", 3), ("a,2", 12), ("a,3", 700_004)] {
        driver.pipe("IN", record("x", Some(value), timestamp)).unwrap();
    }
    let query = driver.query("RESULT").unwrap();
    assert!(query.is_windowed());
    let key = vec![Arc::new(StringArray::from(vec!["a"])) as ArrayRef];
    let rows = rows_of(&[query.get(key).await.unwrap()]);
    assert_eq!(rows, ["a,0,10,1,1,3", "a,10,20,1,2,12", "a,700000,700010,1,3,700004"]);
    assert_eq!(query.all().await.unwrap()[0].num_rows(), 4);
}

#[tokio::test]
async fn selected_rows_are_those_of_the_keys_and_near_the_wanted_windows() {
    let mut driver = TestDriver::new(counting(Some(windows(10, 10, 1_000_000)))).unwrap();
    for (value, timestamp) in [("a,1", 3), ("b,1", 3), ("c,1", 4), ("a,2", 12), ("a,3", 700_004)] {
        driver.pipe("IN", record("x", Some(value), timestamp)).unwrap();
    }
    let query = driver.query("RESULT").unwrap();
    let key = |name: &str| vec![Arc::new(StringArray::from(vec![name])) as ArrayRef];
    let selected = async |keys: Option<&[&str]>, starts| {
        let keys = keys.map(|keys| keys.iter().map(|name| key(name)).collect());
        let mut stream = query.select(Selection { keys, starts });
        let mut rows = Vec::new();
        while let Some(batch) = stream.recv().await {
            rows.extend(rows_of(&[batch.unwrap()]));
        }
        rows
    };
    let all = 0..=i64::MAX;
    assert_eq!(
        selected(Some(&["c", "z", "b"]), all.clone()).await,
        ["c,0,10,1,1,4", "b,0,10,1,1,3"]
    );
    assert_eq!(selected(Some(&["a"]), 10..=10).await, ["a,10,20,1,2,12"]);
    assert_eq!(selected(Some(&["a"]), 11..=699_999).await, Vec::<String>::new());
    assert_eq!(selected(Some(&[]), all).await, Vec::<String>::new());
    let late = selected(None, 600_000..=i64::MAX).await;
    assert_eq!(late, ["a,700000,700010,1,3,700004"], "whole segments are passed over");
}

/// As [`counting`] with windows, but only final rows go out.
fn final_counts(windows: TimeWindows) -> Topology {
    let mut topology = TopologyBuilder::new();
    let input = topology.source("in", source("IN", false));
    let grouped = topology.operator("group", &[input], &[], group_by_g());
    topology.store(StoreSpec::new("groups"));
    topology.store(StoreSpec::new("held"));
    let counted =
        topology.operator("count", &[grouped], &["groups"], count_sum(Some(windows), false));
    let factory: OperatorFactory = Arc::new(move |_| {
        let schema = result_schema(true);
        Ok(Box::new(Suppress::new("held", windows, schema.fields(), 3)?))
    });
    let last = topology.operator("final", &[counted], &["held"], factory);
    topology.sink("out", last, sink("OUT", 3));
    topology.build().unwrap()
}

#[test]
fn final_rows_come_once_when_stream_time_passes_end_and_grace() {
    let mut driver = TestDriver::new(final_counts(windows(10, 10, 2))).unwrap();
    let mut outputs = Vec::new();
    for (value, timestamp) in
        [("b,1", 3), ("a,2", 5), ("a,3", 11), ("b,4", 9), ("a,5", 12), ("a,6", 4), ("a,7", 40)]
    {
        driver.pipe("IN", record("x", Some(value), timestamp)).unwrap();
        outputs.push(lines(driver.read("OUT")).join(" "));
    }
    let expected = ["", "", "", "", "a,0,10:1,2@5 b,0,10:2,5@9", "", "a,10,20:2,8@12"];
    assert_eq!(outputs, expected);
}

/// Random rows beside a model that is one map and the definition of a window.
#[test]
fn windowed_counts_equal_those_of_a_simple_model() {
    let mut seed = 42_u64;
    let mut random = move |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    for (size, advance, grace) in [(10, 10, 0), (10, 3, 7), (25, 5, 1), (7, 7, 40)] {
        let mut driver = TestDriver::new(counting(Some(windows(size, advance, grace)))).unwrap();
        let mut model: BTreeMap<(String, i64), (i64, i64)> = BTreeMap::new();
        let (mut expected, mut stream_time, mut late) = (Vec::new(), -1, 0);
        for step in 0..600 {
            let timestamp = (step / 4 + random(60) as i64 - 30).max(0);
            let (group, number) = (format!("g{}", random(3)), random(100) as i64);
            let value = format!("{group},{number}");
            driver.pipe("IN", record("x", Some(&value), timestamp)).unwrap();
            stream_time = stream_time.max(timestamp);
            let starts = (0..=timestamp).filter(|s| s % advance == 0 && timestamp < s + size);
            for start in starts {
                if start + size + grace <= stream_time {
                    late += 1;
                    continue;
                }
                let (count, sum) = model.entry((group.clone(), start)).or_default();
                (*count, *sum) = (*count + 1, *sum + number);
                expected.push(format!("{group},{start},{}:{count},{sum}", start + size));
            }
        }
        let found: Vec<String> = lines(driver.read("OUT"))
            .into_iter()
            .map(|line| line.split('@').next().unwrap().to_owned())
            .collect();
        assert_eq!(found, expected, "windows {size}, {advance}, {grace}");
        assert_eq!(driver.metrics().late_rows, late);
    }
}
