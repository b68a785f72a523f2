//! What a leader does on each event.

use broker_log::EpochEnd;
use broker_metadata::{LeaderRecoveryState, PartitionImage};
use protocol::ErrorCode;

use super::super::isr::{IsrAnswer, IsrMember};
use super::super::test_view::{Cluster, LogFacts};
use super::*;

const LAG_MS: i64 = 100;

fn image(leader_epoch: i32, partition_epoch: i32, isr: &[i32]) -> PartitionImage {
    PartitionImage {
        leader: 1,
        leader_epoch,
        partition_epoch,
        replicas: vec![1, 2, 3],
        isr: isr.to_vec(),
        adding_replicas: Vec::new(),
        removing_replicas: Vec::new(),
        eligible_leader_replicas: Vec::new(),
        last_known_elr: Vec::new(),
        leader_recovery_state: LeaderRecoveryState::Recovered,
        directories: Vec::new(),
    }
}

/// Node 1 leads in epoch 5, partition epoch 7, and brokers 2 and 3 are replicas.
struct Leader {
    state: LeaderState,
    log: LogFacts,
    cluster: Cluster,
    now_ms: i64,
}

impl Leader {
    /// Its log has ten records, of which it knows four as replicated.
    fn new(isr: &[i32], min_insync_replicas: i32) -> Self {
        let log = LogFacts::new(0, 10).with_epochs(&[(4, 0), (5, 10)]).with_high_watermark(4);
        let settings = LeaderSettings { min_insync_replicas, lag_time_max_ms: LAG_MS };
        let cluster = Cluster::of(&[1, 2, 3]);
        let image = image(5, 7, isr);
        let led = LeaderState::on_become_leader(1, settings, &image, &log, cluster.at(0));
        let alone = LeaderAction::AdvanceHighWatermark(10);
        let expected = if isr == [1] && min_insync_replicas == 1 { vec![alone] } else { vec![] };
        assert_eq!(led.1, expected);
        Self { state: led.0, log, cluster, now_ms: 0 }
    }

    fn append(&mut self, end: i64) -> String {
        self.log.end = end;
        said(&self.state.on_append(&self.log, self.cluster.at(self.now_ms)))
    }

    fn try_fetch(&mut self, fetch: &ReplicaFetch) -> Result<FetchOutcome, FetchRefusal> {
        self.state.on_fetch(fetch, &self.log, self.cluster.at(self.now_ms))
    }

    fn fetch(&mut self, node: i32, offset: i64) -> String {
        let outcome = self.try_fetch(&fetch(node, offset)).unwrap();
        assert_eq!(outcome.diverging, None);
        said(&outcome.actions)
    }

    fn tick(&mut self, now_ms: i64) -> String {
        self.now_ms = now_ms;
        said(&self.state.on_tick(self.cluster.at(now_ms)))
    }

    fn change(&mut self, image: &PartitionImage) -> String {
        said(&self.state.on_partition_change(image, &self.log, self.cluster.at(self.now_ms)))
    }

    fn answer(&mut self, proposal: u64, answer: Result<&IsrAnswer, ErrorCode>) -> String {
        let at = self.cluster.at(self.now_ms);
        said(&self.state.on_alter_partition_answer(proposal, answer, at))
    }

    fn confirm(&mut self, proposal: u64, partition_epoch: i32, isr: &[i32]) -> String {
        let answer = IsrAnswer { leader_epoch: 5, partition_epoch, isr: isr.to_vec() };
        self.answer(proposal, Ok(&answer))
    }

    fn maximal(&self) -> Vec<i32> {
        self.state.isr().maximal().collect()
    }
}

fn fetch(node: i32, fetch_offset: i64) -> ReplicaFetch {
    ReplicaFetch {
        node,
        broker_epoch: i64::from(node) * 10,
        current_leader_epoch: 5,
        fetch_offset,
        last_fetched_epoch: -1,
        log_start_offset: 0,
    }
}

/// Actions without those about the low watermark, as text.
fn said(actions: &[LeaderAction]) -> String {
    let words = actions.iter().filter_map(|action| match action {
        LeaderAction::AdvanceHighWatermark(offset) => Some(format!("hw {offset}")),
        LeaderAction::AdvanceLowWatermark(_) => None,
        LeaderAction::AlterPartition(alter) => {
            let members = alter
                .isr
                .iter()
                .map(|IsrMember { broker, broker_epoch }| format!("{broker}:{broker_epoch}"));
            let members = members.collect::<Vec<_>>().join(",");
            let AlterIsr { proposal, leader_epoch, partition_epoch, .. } = alter;
            Some(format!("#{proposal} {leader_epoch}/{partition_epoch} [{members}]"))
        }
    });
    words.collect::<Vec<_>>().join("; ")
}

#[test]
fn the_high_watermark_is_the_least_end_of_the_isr_once_all_are_known() {
    let mut leader = Leader::new(&[1, 2, 3], 1);
    assert_eq!(leader.append(20), "");
    assert_eq!(leader.fetch(2, 15), "", "where broker 3 is, is not known");
    assert_eq!(leader.fetch(3, 12), "hw 12");
    assert_eq!(leader.fetch(3, 20), "hw 15");
    assert_eq!(leader.fetch(2, 18), "hw 18");
    assert_eq!(leader.state.high_watermark(), 18);
}

#[test]
fn the_high_watermark_never_goes_back() {
    let mut leader = Leader::new(&[1, 2], 1);
    leader.append(20);
    assert_eq!(leader.fetch(2, 15), "hw 15");
    assert_eq!(leader.fetch(2, 3), "");
    assert_eq!((leader.state.high_watermark(), leader.fetch(2, 16)), (15, "hw 16".into()));
}

#[test]
fn a_leader_alone_in_the_isr_replicates_with_each_append() {
    let mut leader = Leader::new(&[1], 1);
    assert_eq!(leader.append(11), "hw 11");
}

#[test]
fn a_new_leader_does_not_take_its_end_for_replicated_while_others_are_in_the_isr() {
    let mut leader = Leader::new(&[1, 2], 1);
    assert_eq!((leader.state.high_watermark(), leader.append(11)), (4, String::new()));
    assert_eq!(leader.fetch(2, 10), "hw 10");
}

#[test]
fn a_checkpoint_beyond_the_log_is_not_believed() {
    let log = LogFacts::new(0, 10).with_high_watermark(50);
    let settings = LeaderSettings { min_insync_replicas: 1, lag_time_max_ms: LAG_MS };
    let cluster = Cluster::of(&[1, 2, 3]);
    let at = cluster.at(0);
    let led = LeaderState::on_become_leader(1, settings, &image(5, 7, &[1, 2]), &log, at);
    assert_eq!(led.0.high_watermark(), 10);
}

#[test]
fn too_few_in_sync_stop_writes_that_wait_for_all_and_the_high_watermark() {
    // In sync, min.insync.replicas -> how many are missing.
    let cases: [(&[i32], i32, Option<usize>); 7] = [
        (&[1], 1, None),
        (&[1], 2, Some(2)),
        (&[1, 2], 2, None),
        (&[1, 2], 3, Some(3)),
        (&[1, 2], 9, Some(3)),
        (&[1, 2, 3], 9, None),
        (&[1], 0, None),
    ];
    for (isr, min, wanted) in cases {
        let mut leader = Leader::new(&[1, 2, 3], 1);
        leader.change(&image(5, 8, isr));
        leader.state.settings.min_insync_replicas = min;
        let in_sync = isr.len();
        let expected = wanted.map_or(Ok(()), |wanted| Err(NotEnoughReplicas { in_sync, wanted }));
        assert_eq!(leader.state.admit(), expected, "{isr:?}, {min}");
    }
    let mut leader = Leader::new(&[1, 2], 3);
    leader.append(20);
    assert_eq!(leader.fetch(2, 20), "");
    let settings = LeaderSettings { min_insync_replicas: 2, lag_time_max_ms: LAG_MS };
    let moved = leader.state.on_settings(settings, leader.cluster.at(0));
    assert_eq!(said(&moved), "hw 20");
}

#[test]
fn a_write_that_waited_is_told_of_too_few_in_sync_after_its_append() {
    let mut leader = Leader::new(&[1, 2], 2);
    leader.append(12);
    assert_eq!(leader.state.write_outcome(12), None);
    assert_eq!(
        (leader.fetch(2, 12), leader.state.write_outcome(12)),
        ("hw 12".into(), Some(Ok(())))
    );
    leader.change(&image(5, 8, &[1]));
    let too_few = NotEnoughReplicas { in_sync: 1, wanted: 2 };
    assert_eq!(leader.state.write_outcome(12), Some(Err(too_few.clone())));
    leader.append(13);
    assert_eq!((leader.state.write_outcome(13), leader.state.admit()), (None, Err(too_few)));
}

#[test]
fn a_follower_joins_when_it_has_all_up_to_the_high_watermark_and_the_epochs_start() {
    // High watermark 12 and epoch start 10; offset of broker 3 -> what is asked.
    for (offset, expected) in [
        (9, ""),
        (10, ""),
        (11, ""),
        (12, "#1 5/7 [1:10,2:20,3:30]"),
        (20, "#1 5/7 [1:10,2:20,3:30]"),
    ] {
        let mut leader = Leader::new(&[1, 2], 1);
        leader.append(20);
        assert_eq!(leader.fetch(2, 12), "hw 12");
        assert_eq!(leader.fetch(3, offset), expected, "{offset}");
    }
    // High watermark 4, epoch start 10.
    for (offset, expected) in [(4, ""), (9, ""), (10, "#1 5/7 [1:10,2:-1,3:30]")] {
        let mut leader = Leader::new(&[1, 2], 1);
        assert_eq!(leader.fetch(3, offset), expected, "{offset}");
    }
}

#[test]
fn a_broker_that_would_be_refused_is_not_asked_for() {
    type Change = fn(&mut Cluster, &mut ReplicaFetch);
    let asked = "#1 5/7 [1:10,2:-1,3:30]";
    let cases: [(Change, &str); 6] = [
        (|_, _| (), asked),
        (|cluster, _| cluster.0.get_mut(&3).unwrap().fenced = true, ""),
        (|cluster, _| cluster.0.get_mut(&3).unwrap().in_controlled_shutdown = true, ""),
        (|cluster, _| cluster.0.retain(|id, _| *id != 3), ""),
        (|_, fetch| fetch.broker_epoch = 31, ""),
        (|_, fetch| fetch.broker_epoch = -1, "#1 5/7 [1:10,2:-1,3:-1]"),
    ];
    for (number, (change, expected)) in cases.into_iter().enumerate() {
        let mut leader = Leader::new(&[1, 2], 1);
        let mut fetch = fetch(3, 10);
        change(&mut leader.cluster, &mut fetch);
        let outcome = leader.try_fetch(&fetch).unwrap();
        assert_eq!(said(&outcome.actions), expected, "case {number}");
    }
}

#[test]
fn the_high_watermark_waits_for_who_was_asked_for_and_min_insync_counts_who_is_confirmed() {
    let mut leader = Leader::new(&[1], 2);
    leader.append(20);
    assert_eq!(leader.fetch(2, 20), "#1 5/7 [1:10,2:20]");
    assert_eq!(leader.maximal(), [1, 2]);
    assert_eq!(leader.state.admit(), Err(NotEnoughReplicas { in_sync: 1, wanted: 2 }));
    leader.append(30);
    assert_eq!(leader.confirm(1, 8, &[1, 2]), "hw 20");
    assert_eq!(leader.fetch(2, 30), "hw 30");

    let mut leader = Leader::new(&[1], 1);
    assert_eq!(leader.fetch(2, 10), "#1 5/7 [1:10,2:20]");
    leader.cluster.0.get_mut(&2).unwrap().fenced = true;
    leader.now_ms = 10 * LAG_MS;
    assert_eq!((leader.append(11), leader.tick(20 * LAG_MS)), (String::new(), String::new()));
    assert_eq!(leader.answer(1, Err(ErrorCode::IneligibleReplica)), "hw 11");
}

#[test]
fn one_change_is_on_its_way_at_a_time() {
    let mut leader = Leader::new(&[1], 1);
    assert_eq!(leader.fetch(2, 10), "#1 5/7 [1:10,2:20]");
    assert_eq!((leader.fetch(3, 10), leader.tick(10 * LAG_MS)), (String::new(), String::new()));
    assert_eq!(leader.confirm(1, 8, &[1, 2]), "");
    assert_eq!(leader.state.isr().committed(), [1, 2]);
    assert_eq!(leader.fetch(3, 10), "#2 5/8 [1:10,2:20,3:30]");
}

#[test]
fn members_that_are_not_caught_up_for_the_lag_time_leave() {
    let mut leader = Leader::new(&[1, 2, 3], 1);
    leader.append(20);
    assert_eq!(leader.state.next_deadline_ms(), Some(LAG_MS + 1));
    assert_eq!(leader.tick(50), "");
    assert_eq!(leader.fetch(2, 20), "");
    assert_eq!(leader.tick(LAG_MS), "");
    assert_eq!(leader.tick(LAG_MS + 1), "#1 5/7 [1:10,2:20]");
    assert_eq!(leader.maximal(), [1, 2, 3], "broker 3 counts until it is confirmed to be out");
    assert_eq!(leader.state.next_deadline_ms(), None);
    assert_eq!(leader.confirm(1, 8, &[1, 2]), "hw 20", "which lets the high watermark go on");
    assert_eq!(leader.state.next_deadline_ms(), None, "broker 2 has all");
    assert_eq!(leader.tick(100 * LAG_MS), "");
    leader.append(21);
    assert_eq!(leader.state.next_deadline_ms(), Some(50 + LAG_MS + 1));
    assert_eq!(leader.tick(100 * LAG_MS), "#2 5/8 [1:10]");
}

#[test]
fn each_answer_of_the_controller_has_its_consequence() {
    // The code -> whether what was asked still counts, and when it is asked again.
    let cases = [
        (ErrorCode::OperationNotAttempted, false, None),
        (ErrorCode::IneligibleReplica, false, None),
        (ErrorCode::UnknownTopicOrPartition, true, None),
        (ErrorCode::UnknownTopicId, true, None),
        (ErrorCode::FencedLeaderEpoch, true, None),
        (ErrorCode::InvalidUpdateVersion, true, None),
        (ErrorCode::InvalidRequest, true, None),
        (ErrorCode::NewLeaderElected, true, None),
        (ErrorCode::RequestTimedOut, true, Some(50)),
        (ErrorCode::NetworkException, true, Some(50)),
        (ErrorCode::NotController, true, Some(50)),
        (ErrorCode::UnknownServerError, true, Some(50)),
        (ErrorCode::StaleBrokerEpoch, true, Some(50)),
        (ErrorCode::Other(999), true, Some(50)),
    ];
    for (code, counts, again) in cases {
        let mut leader = Leader::new(&[1], 1);
        leader.fetch(2, 10);
        assert_eq!(leader.answer(1, Err(code)), "", "{code}");
        assert_eq!(leader.maximal() == [1, 2], counts, "{code}");
        assert_eq!(leader.state.next_deadline_ms(), again, "{code}");
        if again.is_some() {
            assert_eq!(leader.tick(49), "", "{code}");
            assert_eq!(leader.tick(50), "#1 5/7 [1:10,2:20]", "{code}");
            assert_eq!(leader.tick(500), "", "{code}: asked once until it is answered");
        }
        leader.change(&image(5, 8, &[1]));
        assert_eq!((leader.maximal(), leader.state.next_deadline_ms()), (vec![1], None), "{code}");
    }
}

#[test]
fn an_answer_that_is_not_to_the_question_changes_nothing() {
    let is = |leader_epoch, partition_epoch, isr: &[i32]| IsrAnswer {
        leader_epoch,
        partition_epoch,
        isr: isr.to_vec(),
    };
    let cases = [
        (2, is(5, 8, &[1, 2])),
        (1, is(4, 8, &[1, 2])),
        (1, is(6, 8, &[1, 2])),
        (1, is(5, 6, &[1, 2])),
        (1, is(5, 8, &[2, 3])),
        (1, is(5, 8, &[])),
    ];
    for (proposal, answer) in cases {
        let mut leader = Leader::new(&[1], 1);
        leader.fetch(2, 10);
        assert_eq!(leader.answer(proposal, Ok(&answer)), "", "{answer:?}");
        let state = &leader.state;
        assert_eq!((state.isr().committed(), state.partition_epoch()), (&[1][..], 7));
        assert_eq!(leader.maximal(), [1, 2], "{answer:?}");
    }
    let mut leader = Leader::new(&[1], 1);
    assert_eq!(leader.confirm(0, 9, &[1, 2, 3]), "", "nothing was asked");
    assert_eq!(leader.maximal(), [1]);
}

#[test]
fn an_isr_with_somebody_who_is_no_replica_here_holds_the_high_watermark() {
    let mut leader = Leader::new(&[1], 1);
    leader.fetch(2, 10);
    assert_eq!(leader.confirm(1, 8, &[1, 2, 9]), "");
    assert_eq!((leader.append(12), leader.fetch(2, 12)), (String::new(), String::new()));
}

#[test]
fn a_change_of_the_image_is_taken_unless_it_is_older() {
    // Leader epoch, partition epoch, ISR -> committed ISR, and whether the question still stands.
    type Case<'a> = (i32, i32, &'a [i32], &'a [i32], bool);
    let cases: [Case<'_>; 5] = [
        (4, 9, &[1, 3], &[1], true),
        (5, 6, &[1, 3], &[1], true),
        (5, 7, &[1, 3], &[1], true),
        (5, 8, &[1, 3], &[1, 3], false),
        (6, 8, &[1, 3], &[1, 3], false),
    ];
    for (leader_epoch, partition_epoch, isr, committed, stands) in cases {
        let mut leader = Leader::new(&[1], 1);
        leader.fetch(2, 10);
        leader.change(&image(leader_epoch, partition_epoch, isr));
        let found = (leader.state.isr().committed(), leader.state.isr().pending().is_some());
        assert_eq!(found, (committed, stands), "{leader_epoch}/{partition_epoch}");
    }
}

#[test]
fn a_newer_epoch_begins_at_the_end_and_knows_no_positions() {
    let mut leader = Leader::new(&[1, 2], 1);
    leader.append(20);
    assert_eq!(leader.fetch(2, 15), "hw 15");
    assert_eq!(leader.change(&image(7, 9, &[1, 2])), "");
    assert_eq!((leader.state.epoch(), leader.state.epoch_start_offset()), (7, 20));
    assert_eq!((leader.append(30), leader.state.high_watermark()), (String::new(), 15));
    let old = leader.try_fetch(&fetch(2, 30));
    assert_eq!(old, Err(FetchRefusal::FencedEpoch { given: 5, current: 7 }));
    let new = ReplicaFetch { current_leader_epoch: 7, ..fetch(2, 18) };
    assert_eq!(said(&leader.try_fetch(&new).unwrap().actions), "hw 18");
}

#[test]
fn replicas_come_and_go_with_the_image() {
    let mut leader = Leader::new(&[1, 2], 1);
    leader.append(20);
    leader.fetch(2, 15);
    let moved = PartitionImage { replicas: vec![1, 2, 4], ..image(5, 8, &[1, 2]) };
    leader.change(&moved);
    let ids: Vec<_> = leader.state.followers().map(|(id, it)| (id, it.log_end())).collect();
    assert_eq!(ids, [(2, Some(15)), (4, None)]);
    let gone = leader.try_fetch(&fetch(3, 10));
    assert_eq!(gone, Err(FetchRefusal::NotYetReplica { node: 3 }));
    let without_epoch = ReplicaFetch { current_leader_epoch: -1, ..fetch(3, 10) };
    assert_eq!(leader.try_fetch(&without_epoch), Err(FetchRefusal::NotReplica { node: 3 }));
    assert_eq!(leader.try_fetch(&fetch(1, 10)), Err(FetchRefusal::NotYetReplica { node: 1 }));
}

#[test]
fn a_fetch_is_judged_before_it_counts() {
    let end = |leader_epoch, end_offset| Ok(Some(EpochEnd { leader_epoch, end_offset }));
    let out = |offset| Err(FetchRefusal::OutOfRange { offset, start: 2, end: 10 });
    let good = fetch(2, 10);
    let cases = [
        (good, Ok(None)),
        (ReplicaFetch { current_leader_epoch: -1, ..good }, Ok(None)),
        (
            ReplicaFetch { current_leader_epoch: 4, ..good },
            Err(FetchRefusal::FencedEpoch { given: 4, current: 5 }),
        ),
        (
            ReplicaFetch { current_leader_epoch: 6, ..good },
            Err(FetchRefusal::UnknownEpoch { given: 6, current: 5 }),
        ),
        (
            ReplicaFetch { broker_epoch: 19, ..good },
            Err(FetchRefusal::StaleBroker { node: 2, given: 19, known: 20 }),
        ),
        (ReplicaFetch { fetch_offset: 11, ..good }, out(11)),
        (ReplicaFetch { fetch_offset: 1, ..good }, out(1)),
        (ReplicaFetch { fetch_offset: 2, ..good }, Ok(None)),
        (ReplicaFetch { fetch_offset: i64::MIN, ..good }, out(i64::MIN)),
        (ReplicaFetch { last_fetched_epoch: 4, ..good }, Ok(None)),
        (ReplicaFetch { last_fetched_epoch: 4, fetch_offset: 11, ..good }, end(4, 10)),
        (ReplicaFetch { last_fetched_epoch: 5, fetch_offset: 12, ..good }, end(5, 10)),
        (ReplicaFetch { last_fetched_epoch: 6, ..good }, out(10)),
        (ReplicaFetch { last_fetched_epoch: 3, ..good }, end(3, 2)),
    ];
    for (fetch, expected) in cases {
        let mut leader = Leader::new(&[1, 2], 1);
        leader.log = LogFacts::new(2, 10).with_epochs(&[(4, 2), (5, 10)]);
        let before = leader.state.clone();
        let outcome = leader.try_fetch(&fetch).map(|outcome| outcome.diverging);
        assert_eq!(outcome, expected, "{fetch:?}");
        let position = leader.state.followers[&2];
        let counted = (expected == Ok(None)).then_some(fetch.fetch_offset);
        assert_eq!(position.log_end(), counted, "{fetch:?}");
        assert_eq!(before.high_watermark() == leader.state.high_watermark(), {
            counted.is_none_or(|offset| offset <= 4)
        });
    }
}

#[test]
fn the_high_watermark_waits_for_a_follower_that_is_about_to_join() {
    let mut leader = Leader::new(&[1], 1);
    leader.append(20);
    // It was caught up once, is behind, and may join: without it the watermark would run ahead.
    leader.cluster.0.get_mut(&2).unwrap().fenced = true;
    assert_eq!(leader.fetch(2, 20), "");
    leader.cluster.0.get_mut(&2).unwrap().fenced = false;
    assert_eq!(leader.append(30), "");
    assert_eq!(leader.fetch(2, 25), "hw 25; #1 5/7 [1:10,2:20]");

    let mut leader = Leader::new(&[1], 1);
    leader.cluster.0.get_mut(&2).unwrap().fenced = true;
    leader.fetch(2, 10);
    assert_eq!(leader.append(30), "hw 30", "one that may not join is not waited for");
}

#[test]
fn a_follower_with_all_records_is_answered_when_the_high_watermark_is_news_to_it() {
    let mut leader = Leader::new(&[1, 2], 1);
    leader.append(20);
    leader.fetch(2, 15);
    // Fetch offset and what the follower knows -> whether there is news; the watermark is 15.
    let cases = [
        ((20, 14), true),
        ((20, 15), false),
        ((20, -1), true),
        ((12, 11), true),
        ((12, 12), false),
        ((20, i64::MAX), false),
    ];
    for ((offset, known), expected) in cases {
        assert_eq!(leader.state.has_news(offset, known), expected, "{offset}, {known}");
    }
}

#[test]
fn the_low_watermark_is_the_least_start_of_the_living_replicas() {
    let low = |actions: &[LeaderAction]| {
        actions.iter().find_map(|action| match action {
            LeaderAction::AdvanceLowWatermark(offset) => Some(*offset),
            _ => None,
        })
    };
    let mut leader = Leader::new(&[1, 2, 3], 1);
    leader.log.start = 8;
    let fetch_from = |leader: &mut Leader, node, log_start_offset| {
        let fetch = ReplicaFetch { log_start_offset, ..fetch(node, 10) };
        low(&leader.try_fetch(&fetch).unwrap().actions)
    };
    assert_eq!(fetch_from(&mut leader, 2, 8), None, "where broker 3 is, is not known");
    assert_eq!(fetch_from(&mut leader, 3, 5), Some(5));
    assert_eq!(fetch_from(&mut leader, 3, 4), None, "it does not go back");
    leader.cluster.0.get_mut(&3).unwrap().fenced = true;
    assert_eq!(low(&leader.state.on_brokers_change(leader.cluster.at(0))), Some(8));
    assert_eq!(low(&leader.state.on_log_start(9, leader.cluster.at(0))), None);
    assert_eq!((fetch_from(&mut leader, 2, 9), leader.state.low_watermark()), (Some(9), 9));
}
