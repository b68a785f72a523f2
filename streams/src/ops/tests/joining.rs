use std::sync::Arc;

use arrow::datatypes::Schema;

use super::fixture::*;
use crate::ops::{JoinKind, StreamTableJoin, StreamTableJoinSpec, TableLayout};
use crate::*;

/// Stream S joined with table T where S.g = T.k.
pub(super) fn join(kind: JoinKind) -> Topology {
    let table = Arc::new(TableLayout::new(schema(), 1).unwrap());
    let fields: Vec<_> =
        schema().fields().iter().chain(schema().fields().iter()).cloned().collect();
    let spec = StreamTableJoinSpec {
        store: "T".to_owned(),
        table: Arc::clone(&table),
        stream_key: vec![1],
        kind,
        schema: Arc::new(Schema::new(fields)),
    };
    let mut topology = TopologyBuilder::new();
    let left = topology.source("s", source("S", false));
    let right = topology.source("t", source("T", true));
    topology.store(StoreSpec::new("T"));
    let right = topology.operator("keep", &[right], &["T"], materialize("T", &table));
    let factory: OperatorFactory =
        Arc::new(move |_| Ok(Box::new(StreamTableJoin::new(spec.clone())?)));
    let joined = topology.operator("join", &[left, right], &["T"], factory);
    topology.sink("out", joined, sink("OUT", 1));
    topology.build().unwrap()
}

fn run(kind: JoinKind) -> Vec<String> {
    let mut driver = TestDriver::new(join(kind)).unwrap();
    let steps = [
        ("S", "1", Some("a,1"), 10),
        ("T", "a", Some("x,7"), 20),
        ("S", "2", Some("a,2"), 5),
        ("T", "a", Some("y,8"), 30),
        ("S", "3", Some("a,3"), 40),
        ("S", "4", Some(",4"), 41),
        ("T", "a", None, 50),
        ("S", "5", Some("a,5"), 60),
    ];
    for (topic, key, value, timestamp) in steps {
        driver.pipe(topic, record(key, value, timestamp)).unwrap();
    }
    lines(driver.read("OUT"))
}

#[test]
fn an_inner_join_uses_the_table_as_it_is_and_keeps_the_streams_time() {
    assert_eq!(run(JoinKind::Inner), ["2:a,2,a,x,7@5", "3:a,3,a,y,8@40"]);
}

#[test]
fn a_left_join_fills_what_is_not_found_with_nulls() {
    let expected = [
        "1:a,1,null,null,null@10",
        "2:a,2,a,x,7@5",
        "3:a,3,a,y,8@40",
        "4:null,4,null,null,null@41",
        "5:a,5,null,null,null@60",
    ];
    assert_eq!(run(JoinKind::Left), expected);
}

#[test]
fn a_topology_describes_itself() {
    let topology = join(JoinKind::Inner);
    let text = topology.to_string();
    assert!(
        text.contains("    Processor: join (stores: [T])\n      --> out\n      <-- s, keep"),
        "{text}"
    );
    assert_eq!(topology.source_topics().collect::<Vec<_>>(), ["S", "T"]);
    assert_eq!(topology.sink_topics().collect::<Vec<_>>(), ["OUT"]);
}
