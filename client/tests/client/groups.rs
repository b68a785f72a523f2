//! Stories of consumer groups.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use client::consumer::{AssignorKind, ConsumerConfig};
use client::{Consumer, Polled, RebalanceEvent, TopicPartition};

use crate::target::{Target, numbered, partition, unique, values};

const SHORT: Duration = Duration::from_millis(100);

fn texts(polled: &Polled) -> Vec<String> {
    values(&polled.records().map(Result::unwrap).collect::<Vec<_>>())
}

/// A member, what it has read and what happened to it.
struct Member {
    consumer: Consumer,
    read: Vec<String>,
    events: Vec<RebalanceEvent>,
}

impl Member {
    fn new(config: ConsumerConfig, topics: &[&str]) -> Self {
        let mut consumer = Consumer::new(config).unwrap();
        consumer.subscribe(topics.iter().copied()).unwrap();
        Self { consumer, read: Vec::new(), events: Vec::new() }
    }

    async fn poll(&mut self) {
        let polled = self.consumer.poll(SHORT).await.unwrap();
        self.read.extend(texts(&polled));
        self.events.extend(polled.events);
    }

    fn has(&self) -> BTreeSet<TopicPartition> {
        self.consumer.assignment().into_iter().collect()
    }

    async fn poll_until(&mut self, done: impl Fn(&Self) -> bool) {
        while !done(self) {
            self.poll().await;
        }
    }
}

/// Polls both in turns until each has as many partitions as expected and the last join is over.
async fn settle(a: &mut Member, b: &mut Member, expected: (usize, usize)) {
    loop {
        a.poll().await;
        b.poll().await;
        let is_disjoint = a.has().is_disjoint(&b.has());
        if (a.has().len(), b.has().len()) == expected && is_disjoint {
            return;
        }
    }
}

pub(crate) async fn committed_offsets_are_where_the_next_member_goes_on(target: Arc<Target>) {
    let topic = target.topic("resume", 1).await;
    let group = unique("group");
    target.send(&topic, 0, numbered("v", 10)).await;
    let mut config = target.member(&group);
    config.group.auto_commit = false;
    let mut first = Member::new(config.clone(), &[&topic]);
    first.poll_until(|member| member.read.len() == 10).await;
    let zero = partition(&topic, 0);
    first.consumer.commit_offsets([(zero.clone(), 4.into())].into()).await.unwrap();
    let committed = first.consumer.committed(std::slice::from_ref(&zero)).await.unwrap();
    assert_eq!(committed[&zero].offset, 4);
    first.consumer.close().await.unwrap();

    let mut second = Member::new(config.clone(), &[&topic]);
    second.poll_until(|member| !member.read.is_empty()).await;
    assert_eq!(second.read[0], "v4");
    second.poll_until(|member| member.read.len() == 6).await;
    second.consumer.commit().await.unwrap();
    second.consumer.close().await.unwrap();

    config.group.auto_commit = true;
    target.send(&topic, 0, numbered("w", 2)).await;
    let mut third = Member::new(config, &[&topic]);
    third.poll_until(|member| member.read.len() == 2).await;
    assert_eq!(third.read, ["w0", "w1"]);
    third.consumer.close().await.unwrap();
    let admin = target.admin();
    let offsets = admin.list_group_offsets(&group, None).await.unwrap();
    assert_eq!(offsets[&zero].as_ref().unwrap().offset, 12, "closing commits by itself");
    admin.close().await;
}

pub(crate) async fn two_members_share_and_the_last_one_takes_all(target: Arc<Target>) {
    let topic = target.topic("share", 4).await;
    let group = unique("group");
    let mut first = Member::new(target.member(&group), &[&topic]);
    first.poll_until(|member| member.has().len() == 4).await;
    let mut second = Member::new(target.member(&group), &[&topic]);
    settle(&mut first, &mut second, (2, 2)).await;
    let all: Vec<TopicPartition> = (0..4).map(|index| partition(&topic, index)).collect();
    assert!(first.events.contains(&RebalanceEvent::Revoking(all.clone())), "eager revokes all");

    for index in 0..4 {
        target.send(&topic, index, numbered(&format!("{index}."), 5)).await;
    }
    while first.read.len() + second.read.len() < 20 {
        first.poll().await;
        second.poll().await;
    }
    let mut read: Vec<String> = first.read.iter().chain(&second.read).cloned().collect();
    read.sort();
    let expected: Vec<String> = (0..4).flat_map(|n| numbered(&format!("{n}."), 5)).collect();
    assert_eq!(read, expected);

    second.consumer.close().await.unwrap();
    first.poll_until(|member| member.has().len() == 4).await;
    let admin = target.admin();
    let described = admin.describe_groups(std::slice::from_ref(&group)).await.unwrap();
    let description = described[&group].as_ref().unwrap();
    assert_eq!((description.state.as_str(), description.assignor.as_str()), ("Stable", "range"));
    assert_eq!(description.members[0].assignment, all);
    first.consumer.close().await.unwrap();
    admin.close().await;
}

pub(crate) async fn a_cooperative_group_revokes_only_what_moves(target: Arc<Target>) {
    let topic = target.topic("cooperative", 4).await;
    let group = unique("group");
    let mut config = target.member(&group);
    config.group.assignors = vec![AssignorKind::CooperativeSticky];
    let mut first = Member::new(config.clone(), &[&topic]);
    first.poll_until(|member| member.has().len() == 4).await;
    first.events.clear();
    let mut second = Member::new(config, &[&topic]);
    settle(&mut first, &mut second, (2, 2)).await;
    let revoked: usize = first
        .events
        .iter()
        .map(|event| match event {
            RebalanceEvent::Revoking(partitions) => partitions.len(),
            RebalanceEvent::Lost(partitions) => panic!("{partitions:?} were lost"),
            RebalanceEvent::Assigned(partitions) => {
                assert_eq!(partitions, &[], "what is kept is not assigned again");
                0
            }
        })
        .sum();
    assert_eq!(revoked, 2);
    second.consumer.close().await.unwrap();
    first.poll_until(|member| member.has().len() == 4).await;
    first.consumer.close().await.unwrap();
}

pub(crate) async fn round_robin_and_sticky_assign_everything(target: Arc<Target>) {
    for kind in [AssignorKind::RoundRobin, AssignorKind::Sticky] {
        let (x, y) = (target.topic("x", 3).await, target.topic("y", 3).await);
        let group = unique("group");
        let mut config = target.member(&group);
        config.group.assignors = vec![kind];
        let mut first = Member::new(config.clone(), &[&x, &y]);
        let mut second = Member::new(config, &[&x, &y]);
        settle(&mut first, &mut second, (3, 3)).await;
        first.consumer.close().await.unwrap();
        second.poll_until(|member| member.has().len() == 6).await;
        second.consumer.close().await.unwrap();
    }
}

pub(crate) async fn a_static_member_comes_back_to_its_partitions(target: Arc<Target>) {
    let topic = target.topic("static", 4).await;
    let group = unique("group");
    let mut config = target.member(&group);
    config.group.instance_id = Some("one".to_owned());
    let mut other_config = target.member(&group);
    other_config.group.instance_id = Some("two".to_owned());
    let mut one = Member::new(config.clone(), &[&topic]);
    let mut two = Member::new(other_config, &[&topic]);
    settle(&mut one, &mut two, (2, 2)).await;
    let had = one.has();
    two.events.clear();
    one.consumer.close().await.unwrap();
    let mut back = Member::new(config, &[&topic]);
    while back.has().is_empty() {
        back.poll().await;
        two.poll().await;
    }
    assert_eq!(back.has(), had);
    assert_eq!(two.events, [], "the other member does not notice");
    back.consumer.close().await.unwrap();
    two.consumer.close().await.unwrap();
}

pub(crate) async fn a_pattern_follows_new_topics(target: Arc<Target>) {
    let prefix = unique("pattern");
    let first = target.topic(&prefix, 1).await;
    let mut config = target.member(&unique("group"));
    config.client.metadata_max_age = Duration::from_millis(300);
    let mut consumer = Consumer::new(config).unwrap();
    consumer.subscribe_pattern(regex::Regex::new(&format!("^{prefix}-")).unwrap()).unwrap();
    let mut member = Member { consumer, read: Vec::new(), events: Vec::new() };
    member.poll_until(|member| member.has().len() == 1).await;
    assert_eq!(member.has(), [partition(&first, 0)].into());
    let second = target.topic(&prefix, 2).await;
    member.poll_until(|member| member.has().len() == 3).await;
    assert!(member.has().contains(&partition(&second, 1)));
    member.consumer.close().await.unwrap();
}

pub(crate) async fn a_member_that_does_not_poll_is_put_out(target: Arc<Target>) {
    let topic = target.topic("late", 2).await;
    let group = unique("group");
    let mut config = target.member(&group);
    config.group.max_poll_interval = Duration::from_millis(700);
    config.group.assignors = vec![AssignorKind::CooperativeSticky];
    let mut late = Member::new(config, &[&topic]);
    late.poll_until(|member| member.has().len() == 2).await;
    late.events.clear();
    let admin = target.admin();
    let is_empty = async || {
        let described = admin.describe_groups(std::slice::from_ref(&group)).await.unwrap();
        described[&group].as_ref().is_ok_and(|description| description.members.is_empty())
    };
    while !is_empty().await {
        tokio::task::yield_now().await;
    }
    admin.close().await;
    late.poll_until(|member| !member.events.is_empty()).await;
    let all = vec![partition(&topic, 0), partition(&topic, 1)];
    assert_eq!(late.events, [RebalanceEvent::Lost(all)]);
    late.poll_until(|member| member.has().len() == 2).await;
    late.consumer.close().await.unwrap();
}

pub(crate) async fn a_subscription_may_change_while_the_group_is_being_joined(target: Arc<Target>) {
    let (a, b) = (target.topic("kept", 1).await, target.topic("dropped", 1).await);
    let mut member = Member::new(target.member(&unique("group")), &[&a, &b]);
    for round in 0..40 {
        let topics = if round % 2 == 0 { vec![a.as_str()] } else { vec![a.as_str(), b.as_str()] };
        member.consumer.subscribe(topics).unwrap();
        // An answer to the join before may come at any time.
        let polled = member.consumer.poll(Duration::from_millis(round)).await;
        assert!(polled.is_ok(), "{polled:?}");
    }
    member.consumer.subscribe([a.as_str()]).unwrap();
    member.poll_until(|member| member.has() == [partition(&a, 0)].into()).await;
    member.consumer.close().await.unwrap();
}

pub(crate) async fn no_commit_goes_back_to_an_older_position(target: Arc<Target>) {
    let topic = target.topic("commits", 1).await;
    let zero = partition(&topic, 0);
    target.send(&topic, 0, numbered("v", 1)).await;
    let admin = target.admin();
    for _ in 0..15 {
        let group = unique("group");
        let mut config = target.reading().in_group(&group);
        config.group.auto_commit_interval = Duration::ZERO;
        let mut consumer = Consumer::new(config).unwrap();
        consumer.assign([zero.clone()]).unwrap();
        while consumer.poll(SHORT).await.unwrap().is_empty() {}
        consumer.close().await.unwrap();
        let committed = admin.list_group_offsets(&group, None).await.unwrap();
        let offset = committed[&zero].as_ref().unwrap().offset;
        assert_eq!(offset, 1, "the last commit is the one of the close");
    }
    admin.close().await;
}
