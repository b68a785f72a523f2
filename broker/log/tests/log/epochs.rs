use broker_log::LeaderAppend;

use crate::support::*;

#[test]
fn epochs_of_appends_are_known_and_survive_a_shutdown() {
    on_each_store(|rig| {
        let mut log = rig.open();
        for leader_epoch in [1, 1, 4] {
            let append = LeaderAppend { leader_epoch, ..by_client() };
            log.append_as_leader(&batch(&[(NOW, "x")]), append).unwrap();
        }
        log.assign_epoch(6);
        let check = |log: &broker_log::Log| {
            assert_eq!(log.latest_epoch(), Some(6));
            let ends: Vec<_> = [0, 1, 3, 4, 6, 7]
                .map(|epoch| log.epoch_end_offset(epoch))
                .map(|end| (end.leader_epoch, end.end_offset))
                .into();
            assert_eq!(ends, [(0, 0), (1, 2), (1, 2), (4, 3), (6, 3), (-1, -1)]);
            assert_eq!([0, 1, 2].map(|offset| log.epoch_at(offset)), [Some(1), Some(1), Some(4)]);
        };
        check(&log);
        log.close().unwrap();
        assert_eq!(rig.content("leader-epoch-checkpoint"), b"0\n3\n1 0\n4 2\n6 3\n");
    });
}

#[test]
fn a_crash_takes_no_epoch_that_has_records() {
    on_each_store(|rig| {
        let mut log = rig.open();
        for leader_epoch in [1, 4] {
            let append = LeaderAppend { leader_epoch, ..by_client() };
            log.append_as_leader(&batch(&[(NOW, "x")]), append).unwrap();
        }
        drop(log);
        let (log, _) = rig.open_after_crash(0);
        assert_eq!((log.epoch_at(0), log.epoch_at(1)), (Some(1), Some(4)));
    });
}

#[test]
fn epochs_go_with_the_records_that_are_cut() {
    on_each_store(|rig| {
        let mut log = rig.open();
        for leader_epoch in [1, 2, 3] {
            let append = LeaderAppend { leader_epoch, ..by_client() };
            log.append_as_leader(&batch(&[(NOW, "x"), (NOW, "y")]), append).unwrap();
        }
        log.set_high_watermark(6);
        log.delete_records_before(3).unwrap();
        assert_eq!(log.epoch_end_offset(1).end_offset, 3, "epoch 2 begins at the log's start");
        log.truncate_to(4, NOW).unwrap();
        assert_eq!(log.latest_epoch(), Some(2));
        assert_eq!(log.epoch_end_offset(2).end_offset, 4);
    });
}
