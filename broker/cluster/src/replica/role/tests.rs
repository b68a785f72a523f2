//! Which image gives a replica which role, and what is done for it.

use std::sync::Arc;

use broker_metadata::{LeaderRecoveryState, PartitionImage};

use super::*;
use crate::replica::test_view::{Cluster, LogFacts};

const SETTINGS: LeaderSettings = LeaderSettings { min_insync_replicas: 1, lag_time_max_ms: 10 };

fn image(leader: i32, leader_epoch: i32, partition_epoch: i32) -> Arc<PartitionImage> {
    Arc::new(PartitionImage {
        leader,
        leader_epoch,
        partition_epoch,
        replicas: vec![1, 2, 3],
        isr: vec![1, 2],
        adding_replicas: Vec::new(),
        removing_replicas: Vec::new(),
        eligible_leader_replicas: Vec::new(),
        last_known_elr: Vec::new(),
        leader_recovery_state: LeaderRecoveryState::Recovered,
        directories: Vec::new(),
    })
}

fn with_replicas(image: &PartitionImage, replicas: &[i32]) -> Arc<PartitionImage> {
    Arc::new(PartitionImage {
        replicas: replicas.to_vec(),
        isr: replicas.to_vec(),
        ..image.clone()
    })
}

/// Node 1 with a log of ten records.
struct Node {
    replica: Replica,
    log: LogFacts,
    cluster: Cluster,
}

impl Node {
    fn new() -> Self {
        let log = LogFacts::new(0, 10).with_high_watermark(4);
        let cluster = Cluster::of(&[1, 2, 3]);
        Self { replica: Replica::new(1, SETTINGS), log, cluster }
    }

    /// With its log open.
    fn open(image: &Arc<PartitionImage>) -> Self {
        let mut node = Self::new();
        assert_eq!(node.image(Some(image)), [ReplicaAction::OpenLog]);
        node.opened();
        node
    }

    fn image(&mut self, image: Option<&Arc<PartitionImage>>) -> Vec<ReplicaAction> {
        let context = ReplicaContext { log: Some(&self.log), at: self.cluster.at(0) };
        self.replica.on_image(image, context)
    }

    fn opened(&mut self) -> Vec<ReplicaAction> {
        self.replica.on_log_opened(&self.log, self.cluster.at(0))
    }

    fn role(&self) -> String {
        match self.replica.role() {
            Role::Leader(leader) => {
                format!("leads {}/{}", leader.epoch(), leader.partition_epoch())
            }
            Role::Follower(it) => {
                format!("follows {:?} {}/{}", it.leader(), it.epoch(), it.partition_epoch())
            }
            Role::Offline => "offline".to_owned(),
        }
    }
}

const FENCE: fn(i32) -> ReplicaAction = |epoch| ReplicaAction::FenceWaits { epoch };
const ASSIGN: fn(i32) -> ReplicaAction = |epoch| ReplicaAction::AssignEpoch { epoch };
const FETCH: fn(i32, i32) -> ReplicaAction =
    |leader, epoch| ReplicaAction::StartFetching { leader, epoch };

#[test]
fn a_replica_takes_the_role_of_the_newest_image_once_its_log_is_open() {
    let mut node = Node::new();
    assert_eq!(node.image(Some(&image(2, 5, 1))), [ReplicaAction::OpenLog]);
    assert_eq!((node.image(Some(&image(1, 6, 2))), node.role()), (vec![], "offline".into()));
    assert_eq!(node.opened(), [FENCE(6), ASSIGN(6)]);
    assert_eq!(node.role(), "leads 6/2");
}

#[test]
fn a_leader_takes_changes_of_its_epoch_without_fencing_and_begins_a_newer_one() {
    let mut node = Node::open(&image(1, 5, 1));
    let alone = |leader_epoch, partition_epoch| {
        let isr = vec![1];
        Arc::new(PartitionImage { isr, ..(*image(1, leader_epoch, partition_epoch)).clone() })
    };
    let advanced = ReplicaAction::Leader(LeaderAction::AdvanceHighWatermark(10));
    assert_eq!(node.image(Some(&alone(5, 2))), [advanced]);
    assert_eq!(node.role(), "leads 5/2");
    assert_eq!(node.image(Some(&image(1, 7, 3))), [FENCE(7), ASSIGN(7)]);
    assert_eq!(node.role(), "leads 7/3");
}

#[test]
fn a_follower_fetches_anew_only_when_leader_or_epoch_are_others() {
    let mut node = Node::open(&image(2, 5, 1));
    assert_eq!(node.role(), "follows Some(2) 5/1");
    assert_eq!(node.image(Some(&image(2, 5, 2))), []);
    assert_eq!(node.role(), "follows Some(2) 5/2");
    let anew = [ReplicaAction::StopFetching, FENCE(6), FETCH(2, 6)];
    assert_eq!(node.image(Some(&image(2, 6, 3))), anew);
    let other = [ReplicaAction::StopFetching, FENCE(7), FETCH(3, 7)];
    assert_eq!(node.image(Some(&image(3, 7, 4))), other);
    assert_eq!(node.role(), "follows Some(3) 7/4");
}

#[test]
fn nobody_is_fetched_from_while_nobody_leads() {
    let mut node = Node::open(&image(2, 5, 1));
    assert_eq!(node.image(Some(&image(-1, 6, 2))), [ReplicaAction::StopFetching, FENCE(6)]);
    assert_eq!(node.role(), "follows None 6/2");
    assert_eq!(node.image(Some(&image(3, 7, 3))), [FENCE(7), FETCH(3, 7)]);
}

#[test]
fn leaders_become_followers_and_the_other_way_round() {
    let mut node = Node::open(&image(1, 5, 1));
    assert_eq!(node.image(Some(&image(2, 6, 2))), [FENCE(6), FETCH(2, 6)]);
    let leads = [ReplicaAction::StopFetching, FENCE(7), ASSIGN(7)];
    assert_eq!(node.image(Some(&image(1, 7, 3))), leads);
    assert_eq!(node.role(), "leads 7/3");
}

#[test]
fn an_older_image_changes_nothing() {
    let mut node = Node::open(&image(2, 5, 7));
    for old in [image(1, 4, 6), image(1, 4, 9), image(3, 5, 6)] {
        assert_eq!((node.image(Some(&old)), node.role()), (vec![], "follows Some(2) 5/7".into()));
    }
    let elsewhere = with_replicas(&image(2, 5, 6), &[2, 3]);
    assert_eq!(node.image(Some(&elsewhere)), []);
}

#[test]
fn a_replica_that_is_not_wanted_any_more_is_deleted_for_good() {
    let gone = with_replicas(&image(2, 5, 2), &[2, 3]);
    for (first, image, stops) in [
        (image(2, 5, 1), None, true),
        (image(2, 5, 1), Some(&gone), true),
        (image(1, 5, 1), None, false),
        (image(1, 5, 1), Some(&gone), false),
    ] {
        let mut node = Node::open(&first);
        let expected = [ReplicaAction::CloseWaits, ReplicaAction::Delete];
        let stop = stops.then_some(ReplicaAction::StopFetching);
        let expected: Vec<_> = stop.into_iter().chain(expected).collect();
        assert_eq!((node.image(image), node.role()), (expected, "offline".into()));
        assert_eq!(node.image(Some(&first)), []);
        assert_eq!((node.opened(), node.replica.on_log_failed()), (vec![], vec![]));
    }
    let mut unknown = Node::new();
    assert_eq!(unknown.image(Some(&gone)), []);
    let mut opening = Node::new();
    opening.image(Some(&image(2, 5, 1)));
    assert_eq!(opening.image(None), [ReplicaAction::Delete]);
}

#[test]
fn a_replica_without_its_log_answers_nobody_and_follows_again_when_it_is_back() {
    let mut node = Node::open(&image(2, 5, 1));
    let closed = [ReplicaAction::StopFetching, ReplicaAction::CloseWaits];
    assert_eq!((node.replica.on_log_failed(), node.role()), (closed.to_vec(), "offline".into()));
    assert_eq!(node.replica.on_log_failed(), []);
    assert_eq!(node.opened(), [FENCE(5), FETCH(2, 5)]);
}

#[test]
fn a_leader_whose_log_failed_leads_again_only_in_a_newer_epoch_or_alone() {
    let mut node = Node::open(&image(1, 5, 1));
    assert_eq!(node.replica.on_log_failed(), [ReplicaAction::CloseWaits]);
    assert_eq!((node.opened(), node.role()), (vec![], "offline".into()));
    assert_eq!((node.image(Some(&image(1, 5, 2))), node.role()), (vec![], "offline".into()));
    assert_eq!(node.image(Some(&image(1, 6, 3))), [FENCE(6), ASSIGN(6)]);
    assert_eq!(node.role(), "leads 6/3");

    let mut alone = Node::open(&with_replicas(&image(1, 5, 1), &[1]));
    alone.replica.on_log_failed();
    assert_eq!(alone.opened()[..2], [FENCE(5), ASSIGN(5)]);
    assert_eq!(alone.role(), "leads 5/1");
}
