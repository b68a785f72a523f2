use std::collections::HashMap;
use std::sync::Arc;

use super::*;
use crate::chunk::Chunk;
use crate::operator::{OperatorContext, OperatorError};
use crate::ops::Stateless;
use crate::ops::tests::fixture::{grouped_schema, sink, source};

fn pass() -> OperatorFactory {
    Arc::new(|_| {
        Ok(Box::new(Stateless(|chunk: Chunk, _: &mut OperatorContext<'_>| {
            Ok::<_, OperatorError>(chunk)
        })))
    })
}

fn by_g() -> RepartitionSpec {
    RepartitionSpec { schema: grouped_schema(), key_columns: 1, keys: None, partitions: None }
}

fn failure(build: impl FnOnce(&mut TopologyBuilder)) -> String {
    let mut topology = TopologyBuilder::new();
    build(&mut topology);
    topology.build().err().expect("the topology is wrong").to_string()
}

#[test]
fn what_cannot_be_built_says_what_and_where() {
    let message = failure(|_| {});
    assert_eq!(message, "the topology has no source");
    let message = failure(|t| {
        t.source("a", source("A", false));
        t.source("a", source("B", false));
    });
    assert_eq!(message, "the topology has two nodes named a");
    let message = failure(|t| {
        t.source("a", source("A", false));
        t.source("b", source("A", true));
    });
    assert_eq!(message, "topic A is read by two sources; use one source for both");
    let message = failure(|t| {
        let a = t.source("a", source("A", false));
        t.operator("x", &[a], &["s"], pass());
    });
    assert_eq!(message, "operator x names store s, which the topology does not have");
    let message = failure(|t| {
        t.source("a", source("A", false));
        t.store(StoreSpec::new("s"));
    });
    assert_eq!(message, "store s is not connected to any operator");
    let message = failure(|t| {
        t.source("a", source("A", false));
        t.operator("x", &[], &[], pass());
    });
    assert_eq!(message, "node x has no input; every operator and sink needs one");
    let message = failure(|t| {
        let a = t.source("a", source("A", false));
        let out = t.sink("out", a, sink("OUT", 1));
        t.operator("x", &[out], &[], pass());
    });
    assert_eq!(message, "node x takes input from sink out; a sink has no output");
}

#[test]
fn internal_topics_and_shared_stores_decide_what_runs_together() {
    let mut t = TopologyBuilder::new();
    let a = t.source("a", source("A", false));
    let b = t.source("b", source("B", false));
    let c = t.source("c", source("C", false));
    t.store(StoreSpec::new("shared"));
    t.operator("x", &[a], &["shared"], pass());
    t.operator("y", &[b], &["shared"], pass());
    let behind = t.repartition("by-g", c, by_g()).unwrap();
    t.sink("out", behind, sink("OUT", 1));
    let topology = t.build().unwrap();
    let names = |sub: &SubTopology| {
        sub.nodes.iter().map(|&node| topology.nodes[node].name.clone()).collect::<Vec<_>>()
    };
    let groups: Vec<_> = topology.subtopologies.iter().map(names).collect();
    assert_eq!(groups, [vec!["a", "b", "x", "y"], vec!["c", "by-g-sink"], vec!["by-g", "out"]]);
    assert!(topology.subtopologies.iter().all(|sub| topology.is_logged(sub)));
}

#[test]
fn a_source_that_reaches_a_node_over_two_ways_is_taken_row_by_row() {
    let build = |twice: bool| {
        let mut t = TopologyBuilder::new();
        let a = t.source("a", source("A", false));
        let x = t.operator("x", &[a], &[], pass());
        let y = t.operator("y", &[a], &[], pass());
        if twice {
            let both = t.merge("both", &[x, y]);
            t.sink("out", both, sink("OUT", 1));
        }
        t.build().unwrap().subtopologies[0].row_by_row
    };
    assert!(build(true));
    assert!(!build(false));
}

#[test]
fn what_a_row_becomes_multiplies_along_a_sub_topology() {
    let mut t = TopologyBuilder::new();
    let a = t.source("a", source("A", false));
    let x = t.operator("x", &[a], &[], pass());
    t.expands(x, 30);
    let y = t.operator("y", &[x], &[], pass());
    t.expands(y, 2);
    let behind = t.repartition("by-g", y, by_g()).unwrap();
    t.sink("out", behind, sink("OUT", 1));
    let subtopologies = t.build().unwrap().subtopologies;
    assert_eq!(subtopologies.iter().map(|sub| sub.expansion).collect::<Vec<_>>(), [60, 1]);
}

fn counts(pairs: &[(&str, u32)]) -> HashMap<String, u32> {
    pairs.iter().map(|(topic, count)| ((*topic).to_owned(), *count)).collect()
}

#[test]
fn internal_topics_take_the_width_of_what_they_meet_or_come_from() {
    let build = |joined: bool, partitions| {
        let mut t = TopologyBuilder::new();
        let a = t.source("a", source("A", false));
        let spec = RepartitionSpec { partitions, ..by_g() };
        let by_g = t.repartition("by-g", a, spec).unwrap();
        if joined {
            let b = t.source("b", source("B", false));
            t.operator("meet", &[by_g, b], &[], pass());
        }
        let topology = t.build().unwrap();
        resolve(&topology, &counts(&[("A", 3), ("B", 5)])).map(|plan| plan.tasks)
    };
    assert_eq!(build(false, None).unwrap(), [3, 3]);
    assert_eq!(build(false, Some(8)).unwrap(), [3, 8]);
    assert_eq!(build(true, None).unwrap(), [3, 5]);
    let message = build(true, Some(8)).unwrap_err().to_string();
    assert!(message.contains("by-g with 8 partitions and B with 5"), "{message}");
}

#[test]
fn merged_inputs_may_differ_in_width_and_a_missing_topic_is_named() {
    let mut t = TopologyBuilder::new();
    let a = t.source("a", source("A", false));
    let b = t.source("b", source("B", false));
    t.merge("both", &[a, b]);
    let topology = t.build().unwrap();
    let plan = resolve(&topology, &counts(&[("A", 2), ("B", 4)])).unwrap();
    assert_eq!(plan.tasks, [4]);
    let message = resolve(&topology, &counts(&[("A", 2)])).unwrap_err().to_string();
    assert_eq!(message, "source topic B does not exist; create it first");
}
