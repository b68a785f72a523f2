//! What holds after each decision.

use std::collections::BTreeSet;

use broker_metadata::LeaderRecoveryState;

use super::super::cluster::Cluster;
use super::*;

pub(super) fn check(
    before: &Image,
    after: &Image,
    settings: &ControllerSettings,
    records: &[MetadataRecord],
) {
    let cluster = Cluster::new(after, settings);
    let had_elr = Cluster::new(before, settings).has_elr;
    for (topic, index, partition) in cluster.partitions() {
        // Worked out only where something does not hold.
        let at = &|| format!("{}-{index}: {partition:?}, after {records:?}", topic.name);
        is_sound(&cluster, partition, at);
        let kept_elr = had_elr == cluster.has_elr;
        if cluster.has_elr && kept_elr && partition.isr.len() >= cluster.min_isr(topic, partition) {
            assert!(partition.eligible_leader_replicas.is_empty(), "{}", at());
        }
        let earlier = before.topic_by_id(topic.id).and_then(|topic| topic.partition(index));
        if let Some(earlier) = earlier {
            follows(earlier, partition, cluster.allows_unclean_leaders(topic), at);
        }
    }
}

fn is_sound(cluster: &Cluster<'_>, partition: &PartitionImage, at: &dyn Fn() -> String) {
    let set = |list: &[i32]| list.iter().copied().collect::<BTreeSet<i32>>();
    let (replicas, isr) = (set(&partition.replicas), set(&partition.isr));
    let elr = set(&partition.eligible_leader_replicas);
    assert_eq!(
        (replicas.len(), isr.len()),
        (partition.replicas.len(), partition.isr.len()),
        "{}",
        at()
    );
    assert!(isr.is_subset(&replicas) && elr.is_subset(&replicas), "{}", at());
    assert!(isr.is_disjoint(&elr), "{}", at());
    assert!(set(&partition.adding_replicas).is_subset(&replicas), "{}", at());
    assert!(set(&partition.removing_replicas).is_subset(&replicas), "{}", at());
    assert_eq!(partition.directories.len(), partition.replicas.len(), "{}", at());
    if partition.has_leader() {
        assert!(isr.contains(&partition.leader), "{}", at());
        assert!(cluster.is_active(partition.leader), "a fenced broker leads {}", at());
        assert!(isr.iter().all(|id| cluster.is_active(*id)), "a fenced broker is in sync {}", at());
    } else {
        // Who was in sync last keeps that, where there is no other place to write it.
        let dirs_known = |id: &i32| {
            let broker = cluster.image.broker(*id);
            let dir = partition.directory(*id);
            broker.zip(dir).is_some_and(|(broker, dir)| broker.has_online_dir(dir))
        };
        let may_lead = |id: &i32| cluster.is_active(*id) && dirs_known(id);
        assert!(isr.len() <= 1 && !isr.iter().any(may_lead), "nobody leads {}", at());
    }
}

fn follows(
    before: &PartitionImage,
    after: &PartitionImage,
    may_be_unclean: bool,
    at: &dyn Fn() -> String,
) {
    let epochs = (before.leader_epoch, before.partition_epoch);
    assert!(after.leader_epoch >= epochs.0 && after.partition_epoch >= epochs.1, "{}", at());
    if before != after {
        assert!(after.partition_epoch > before.partition_epoch, "{}", at());
    }
    if before.leader != after.leader {
        assert!(after.leader_epoch > before.leader_epoch, "{}", at());
        let was = |list: &[i32]| list.contains(&after.leader);
        // The leader before said who is in sync when it completed a reassignment.
        let is_completed = before.has_leader() && before.replicas != after.replicas;
        let was_known = is_completed
            || was(&before.isr)
            || was(&before.eligible_leader_replicas)
            || was(&before.last_known_elr);
        if after.has_leader() && !may_be_unclean {
            assert!(was_known, "an unclean leader {}, before {before:?}", at());
        }
        let was_in_sync = was(&before.isr) || was(&before.eligible_leader_replicas);
        if after.has_leader() && !is_completed && !was_in_sync {
            assert_eq!(after.leader_recovery_state, LeaderRecoveryState::Recovering, "{}", at());
            assert_eq!(after.isr, [after.leader], "{}", at());
        }
    }
}
