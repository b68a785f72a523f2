use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;

use super::fixture::*;
use crate::ops::{Deltas, Filter, TableLayout};
use crate::*;

#[test]
fn each_record_gives_its_own_change_through_an_internal_topic() {
    let mut driver = TestDriver::new(counting(None)).unwrap();
    for (value, timestamp) in [("a,1", 5), ("b,2", 9), ("a,3", 7), ("a,4", 4)] {
        driver.pipe("IN", record("x", Some(value), timestamp)).unwrap();
    }
    let expected = ["a:1,1@5", "b:1,2@9", "a:2,4@7", "a:3,8@7"];
    assert_eq!(lines(driver.read("OUT")), expected);
    assert!(driver.read("OUT").is_empty());
}

#[test]
fn rows_without_a_group_and_bad_records_are_reported_and_left_out() {
    let mut driver = TestDriver::new(counting(None)).unwrap();
    for value in [Some(",1"), Some("nonsense"), None, Some("a,1")] {
        driver.pipe("IN", record("x", value, 0)).unwrap();
    }
    assert_eq!(lines(driver.read("OUT")), ["a:1,1@0"]);
    let reports: Vec<String> = driver
        .take_reports()
        .into_iter()
        .map(|report| format!("{} {:?}: {}", report.node, report.offset, report.message))
        .collect();
    let expected =
        ["count Some(0): a column of its group is null", "in Some(1): not a line: nonsense"];
    assert_eq!(reports, expected);
    assert_eq!(driver.metrics().bad_records, 1);
}

#[tokio::test]
async fn a_materialised_result_is_found_by_key_and_as_a_whole() {
    let mut driver = TestDriver::new(counting(None)).unwrap();
    for value in ["b,2", "a,1", "a,5"] {
        driver.pipe("IN", record("x", Some(value), 3)).unwrap();
    }
    let query = driver.query("RESULT").unwrap();
    assert_eq!(rows_of(&query.all().await.unwrap()), ["a,2,6,3", "b,1,2,3"]);
    let key = |key: &str| vec![Arc::new(StringArray::from(vec![key])) as ArrayRef];
    assert_eq!(rows_of(&[query.get(key("b")).await.unwrap()]), ["b,1,2,3"]);
    assert_eq!(query.get(key("c")).await.unwrap().num_rows(), 0);
    assert!(matches!(driver.query("groups"), Err(QueryError::UnknownStore(_))));
}

/// Table T grouped by g: an update subtracts from the old group, then adds to the new one.
fn table_count() -> Topology {
    let layout = Arc::new(TableLayout::new(schema(), 1).unwrap());
    let mut topology = TopologyBuilder::new();
    let input = topology.source("t", source("T", true));
    topology.store(StoreSpec::new("T"));
    topology.store(StoreSpec::new("groups"));
    let table = topology.operator("keep", &[input], &["T"], materialize("T", &layout));
    let grouped = topology.operator("group", &[table], &[], group_by_g());
    let deltas = topology.operator("deltas", &[grouped], &[], Arc::new(|_| Ok(Box::new(Deltas))));
    let spec =
        RepartitionSpec { schema: grouped_schema(), key_columns: 1, keys: None, partitions: None };
    let deltas = topology.repartition("by-g", deltas, spec).unwrap();
    let counted = topology.operator("count", &[deltas], &["groups"], count_sum(None, true));
    let having = topology.operator(
        "having",
        &[counted],
        &[],
        Arc::new(|_| Ok(Box::new(Filter(sum_at_least_3)))),
    );
    topology.sink("all", counted, sink("ALL", 1));
    topology.sink("some", having, sink("SOME", 1));
    topology.build().unwrap()
}

fn sum_at_least_3(rows: &RecordBatch) -> Result<BooleanArray, OperatorError> {
    let sums = rows.column(2).as_primitive::<Int64Type>();
    Ok(sums.iter().map(|sum| Some(sum? >= 3)).collect())
}

#[test]
fn a_table_update_moves_its_row_from_the_old_group_to_the_new_one() {
    let mut driver = TestDriver::new(table_count()).unwrap();
    for (key, value) in
        [("1", Some("a,2")), ("2", Some("a,3")), ("1", Some("b,4")), ("2", None), ("9", None)]
    {
        driver.pipe("T", record(key, value, 0)).unwrap();
    }
    let expected = ["a:1,2@0", "a:2,5@0", "a:1,3@0", "b:1,4@0", "a:0,0@0"];
    assert_eq!(lines(driver.read("ALL")), expected);
}

#[test]
fn a_filter_on_a_table_removes_rows_that_stop_to_match_and_no_others() {
    let mut driver = TestDriver::new(table_count()).unwrap();
    for (key, value) in [("1", Some("a,2")), ("2", Some("a,3")), ("2", None), ("3", Some("a,0"))] {
        driver.pipe("T", record(key, value, 0)).unwrap();
    }
    assert_eq!(lines(driver.read("SOME")), ["a:2,5@0", "a:null@0"]);
}

#[test]
fn a_filter_on_a_table_without_old_rows_removes_whatever_does_not_match() {
    let mut topology = TopologyBuilder::new();
    let input = topology.source("t", source("T", true));
    let filtered = topology.operator(
        "where",
        &[input],
        &[],
        Arc::new(|_| Ok(Box::new(Filter(sum_at_least_3)))),
    );
    topology.sink("out", filtered, sink("OUT", 1));
    let mut driver = TestDriver::new(topology.build().unwrap()).unwrap();
    for (key, value) in [("1", Some("a,2")), ("2", Some("a,3")), ("2", None)] {
        driver.pipe("T", record(key, value, 0)).unwrap();
    }
    assert_eq!(lines(driver.read("OUT")), ["1:null@0", "2:a,3@0", "2:null@0"]);
}
