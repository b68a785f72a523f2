use super::*;

fn member(id: &str, topics: &[&str]) -> Member {
    Member {
        id: id.to_owned(),
        instance_id: None,
        subscription: Subscription {
            topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
            generation: -1,
            ..Subscription::default()
        },
    }
}

fn counts(topics: &[(&str, i32)]) -> BTreeMap<Arc<str>, i32> {
    topics.iter().map(|(topic, count)| ((*topic).into(), *count)).collect()
}

/// `member: topic-partition ...` in lines.
fn show(assignment: &Assignment) -> Vec<String> {
    let line = |(member, partitions): (&String, &Vec<TopicPartition>)| {
        let names: Vec<String> = partitions.iter().map(ToString::to_string).collect();
        format!("{member}: {}", names.join(" "))
    };
    assignment.iter().map(line).collect()
}

/// The members as they rejoin after an assignment.
fn rejoin(kind: AssignorKind, members: &mut [Member], assignment: &Assignment, generation: i32) {
    for member in members {
        let owned = assignment.get(&member.id).cloned().unwrap_or_default();
        member.subscription.user_data = kind.user_data(&owned, generation);
        if kind.is_cooperative() {
            member.subscription.owned = owned;
        }
    }
}

#[test]
fn range_gives_each_member_a_contiguous_range_of_each_topic() {
    let members = [member("b", &["x", "y"]), member("a", &["x", "y"])];
    let assignment = assign(AssignorKind::Range, &counts(&[("x", 3), ("y", 3)]), &members);
    assert_eq!(show(&assignment), ["a: x-0 x-1 y-0 y-1", "b: x-2 y-2"]);
}

#[test]
fn range_ranks_static_members_by_instance_id_and_first() {
    let mut members = [member("a", &["x"]), member("z", &["x"]), member("y", &["x"])];
    members[1].instance_id = Some("1".to_owned());
    members[2].instance_id = Some("2".to_owned());
    let assignment = assign(AssignorKind::Range, &counts(&[("x", 4)]), &members);
    assert_eq!(show(&assignment), ["a: x-3", "y: x-2", "z: x-0 x-1"]);
}

#[test]
fn range_leaves_out_topics_that_do_not_exist_and_members_without_subscription() {
    let members = [member("a", &["x", "gone"]), member("b", &["y"])];
    let assignment = assign(AssignorKind::Range, &counts(&[("x", 2), ("z", 9)]), &members);
    assert_eq!(show(&assignment), ["a: x-0 x-1", "b: "]);
}

#[test]
fn round_robin_deals_all_partitions_in_turn() {
    let members = [member("a", &["x", "y"]), member("b", &["x", "y"])];
    let assignment = assign(AssignorKind::RoundRobin, &counts(&[("x", 3), ("y", 3)]), &members);
    assert_eq!(show(&assignment), ["a: x-0 x-2 y-1", "b: x-1 y-0 y-2"]);
}

#[test]
fn round_robin_passes_over_members_that_are_not_subscribed() {
    // The example in the documentation of Java's RoundRobinAssignor.
    let members =
        [member("c0", &["t0"]), member("c1", &["t0", "t1"]), member("c2", &["t0", "t1", "t2"])];
    let topics = counts(&[("t0", 1), ("t1", 2), ("t2", 3)]);
    let assignment = assign(AssignorKind::RoundRobin, &topics, &members);
    assert_eq!(show(&assignment), ["c0: t0-0", "c1: t1-0", "c2: t1-1 t2-0 t2-1 t2-2"]);
}

#[test]
fn sticky_moves_only_what_a_new_member_needs() {
    let topics = counts(&[("x", 6)]);
    let mut members = vec![member("a", &["x"]), member("b", &["x"])];
    let first = assign(AssignorKind::Sticky, &topics, &members);
    assert_eq!(show(&first), ["a: x-0 x-2 x-4", "b: x-1 x-3 x-5"]);
    rejoin(AssignorKind::Sticky, &mut members, &first, 1);
    members.push(member("c", &["x"]));
    let second = assign(AssignorKind::Sticky, &topics, &members);
    assert_eq!(show(&second), ["a: x-0 x-2", "b: x-1 x-3", "c: x-4 x-5"]);
    rejoin(AssignorKind::Sticky, &mut members, &second, 2);
    members.remove(0);
    let third = assign(AssignorKind::Sticky, &topics, &members);
    assert_eq!(show(&third), ["b: x-0 x-1 x-3", "c: x-2 x-4 x-5"]);
}

#[test]
fn cooperative_takes_first_and_gives_in_the_next_rebalance() {
    let kind = AssignorKind::CooperativeSticky;
    let topics = counts(&[("x", 4)]);
    let mut members = vec![member("a", &["x"])];
    let first = assign(kind, &topics, &members);
    rejoin(kind, &mut members, &first, 1);
    members.push(member("b", &["x"]));
    let taking = assign(kind, &topics, &members);
    assert_eq!(show(&taking), ["a: x-0 x-1", "b: "]);
    rejoin(kind, &mut members, &taking, 2);
    let giving = assign(kind, &topics, &members);
    assert_eq!(show(&giving), ["a: x-0 x-1", "b: x-2 x-3"]);
}

#[test]
fn a_claim_from_an_older_generation_loses() {
    let topics = counts(&[("x", 2)]);
    let mut members = vec![member("a", &["x"]), member("b", &["x"])];
    let all = [TopicPartition::new("x", 0), TopicPartition::new("x", 1)];
    members[0].subscription.user_data = AssignorKind::Sticky.user_data(&all, 3);
    members[1].subscription.user_data = AssignorKind::Sticky.user_data(&all[..1], 4);
    let assignment = assign(AssignorKind::Sticky, &topics, &members);
    assert_eq!(show(&assignment), ["a: x-1", "b: x-0"]);
}

#[test]
fn sticky_evens_out_unequal_subscriptions() {
    let topics = counts(&[("x", 4), ("y", 2)]);
    let members = [member("a", &["x"]), member("b", &["x", "y"]), member("c", &["y"])];
    let assignment = assign(AssignorKind::Sticky, &topics, &members);
    let sizes: Vec<usize> = assignment.values().map(Vec::len).collect();
    assert_eq!(sizes, [2, 2, 2]);
    assert!(assignment["a"].iter().all(|partition| &*partition.topic == "x"));
    assert!(assignment["c"].iter().all(|partition| &*partition.topic == "y"));
}

#[test]
fn every_assignor_gives_each_partition_once_whatever_the_group() {
    let mut seed = 1u64;
    let mut random = |bound: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % bound
    };
    for _ in 0..200 {
        let topics: Vec<String> = (0..1 + random(4)).map(|n| format!("t{n}")).collect();
        let partition_counts: BTreeMap<Arc<str>, i32> = topics
            .iter()
            .map(|topic| (topic.as_str().into(), i32::try_from(random(7)).unwrap()))
            .collect();
        let mut members = Vec::new();
        for n in 0..1 + random(5) {
            let subscribed: Vec<&str> =
                topics.iter().filter(|_| random(3) > 0).map(String::as_str).collect();
            members.push(member(&format!("m{n}"), &subscribed));
        }
        for kind in AssignorKind::ALL {
            let mut current = members.clone();
            let first = assign(kind, &partition_counts, &current);
            check_complete(kind, &partition_counts, &current, &first);
            rejoin(kind, &mut current, &first, 1);
            let again = assign(kind, &partition_counts, &current);
            if kind != AssignorKind::Range && kind != AssignorKind::RoundRobin {
                assert_eq!(show(&first), show(&again), "{kind:?} moves nothing without need");
            }
        }
    }
}

fn check_complete(
    kind: AssignorKind,
    counts: &BTreeMap<Arc<str>, i32>,
    members: &[Member],
    assignment: &Assignment,
) {
    let mut given: Vec<TopicPartition> = assignment.values().flatten().cloned().collect();
    given.sort();
    let subscribed = |topic: &str| {
        members.iter().any(|member| member.subscription.topics.iter().any(|name| name == topic))
    };
    let expected: Vec<TopicPartition> = counts
        .iter()
        .filter(|(topic, _)| subscribed(topic))
        .flat_map(|(topic, count)| (0..*count).map(|p| TopicPartition::new(topic.clone(), p)))
        .collect();
    assert_eq!(given, expected, "{kind:?}");
    for member in members {
        for partition in &assignment[&member.id] {
            let topics = &member.subscription.topics;
            assert!(topics.iter().any(|topic| **topic == *partition.topic), "{kind:?}");
        }
    }
}
