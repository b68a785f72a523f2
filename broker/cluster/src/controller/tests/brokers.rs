use protocol::messages::{
    AllocateProducerIdsRequest, AllocateProducerIdsResponse, UnregisterBrokerRequest,
};

use super::*;

#[test]
fn a_broker_registers_fenced_and_is_unfenced_when_it_has_caught_up() {
    let mut world = World::new(MetadataVersion::LATEST, true);
    let offset = world.image.end_offset();
    let response = world.register(&registration(1, 1));
    assert_eq!((response.error_code, response.broker_epoch), (ErrorCode::None, offset));
    let broker = world.image.broker(1).unwrap();
    assert!(broker.fenced && broker.epoch == offset && broker.log_dirs == [dir(1)]);

    let mut request = world.beat(1);
    request.current_metadata_offset = offset - 1;
    let answer = world.heartbeat(&request);
    assert_eq!((answer.is_caught_up, answer.is_fenced), (false, true));
    request.current_metadata_offset = offset;
    request.want_fence = true;
    let answer = world.heartbeat(&request);
    assert_eq!((answer.is_caught_up, answer.is_fenced), (true, true));
    request.want_fence = false;
    let answer = world.heartbeat(&request);
    assert_eq!(
        (answer.is_caught_up, answer.is_fenced, answer.should_shut_down),
        (true, false, false)
    );
    assert!(!world.image.broker(1).unwrap().fenced);
}

#[test]
fn a_second_process_takes_an_id_only_when_the_first_is_not_heard_of() {
    let mut world = World::with_brokers(2, true);
    let answer = world.register(&registration(1, 77));
    assert_eq!(answer.error_code, ErrorCode::DuplicateBrokerRegistration);
    world.elapsed_ms += TIMEOUT_MS;
    let epoch = world.image.broker(1).unwrap().epoch;
    let answer = world.register(&registration(1, 77));
    assert!(answer.error_code == ErrorCode::None && answer.broker_epoch > epoch);
    assert!(world.image.broker(1).unwrap().fenced);

    let mut old = world.beat(1);
    old.broker_epoch = epoch;
    assert_eq!(world.heartbeat(&old).error_code, ErrorCode::StaleBrokerEpoch);
    let unknown = BrokerHeartbeatRequest { broker_id: 9, ..old };
    assert_eq!(world.heartbeat(&unknown).error_code, ErrorCode::StaleBrokerEpoch);
}

#[test]
fn a_process_may_amend_its_registration_and_keeps_its_epoch() {
    let mut world = World::with_brokers(1, true);
    let epoch = world.image.broker(1).unwrap().epoch;
    let mut again = registration(1, 1);
    again.rack = Some("r".to_owned());
    let answer = world.register(&again);
    assert_eq!((answer.error_code, answer.broker_epoch), (ErrorCode::None, epoch));
    let broker = world.image.broker(1).unwrap();
    assert_eq!((broker.fenced, broker.rack.as_deref()), (false, Some("r")));
}

#[test]
fn what_does_not_fit_the_cluster_is_not_registered() {
    type Spoil = fn(&mut BrokerRegistrationRequest);
    let cases: [(Spoil, ErrorCode); 12] = [
        (|one| one.cluster_id = "d".to_owned(), ErrorCode::InconsistentClusterId),
        (|one| one.is_migrating_zk_broker = true, ErrorCode::BrokerIdNotRegistered),
        (|one| one.broker_id = -2, ErrorCode::InvalidRegistration),
        (|one| one.log_dirs.clear(), ErrorCode::InvalidRegistration),
        (|one| one.log_dirs = vec![dir(1)], ErrorCode::InvalidRegistration),
        (|one| one.log_dirs.push(dir(2)), ErrorCode::InvalidRegistration),
        (|one| one.log_dirs = vec![Uuid::from_u128(99)], ErrorCode::InvalidRegistration),
        (|one| one.listeners[0].name.clear(), ErrorCode::InvalidRegistration),
        (|one| one.listeners.push(one.listeners[0].clone()), ErrorCode::InvalidRegistration),
        (|one| drop(one.features.remove(0)), ErrorCode::InvalidRegistration),
        (|one| one.features[0].max_supported_version = 29, ErrorCode::UnsupportedVersion),
        // The cluster is at a level of eligible leader replicas, and it does not know them.
        (|one| drop(one.features.remove(4)), ErrorCode::UnsupportedVersion),
    ];
    let mut world = World::with_brokers(1, true);
    for (case, (spoil, expected)) in cases.into_iter().enumerate() {
        let mut request = registration(2, 2);
        spoil(&mut request);
        let outcome = world.decide(|view| broker_registration(view, &request));
        assert_eq!(outcome.response.error_code, expected, "case {case}");
        assert!(outcome.records.is_empty() && outcome.notes.len() == 1, "case {case}");
    }
    assert!(world.image.broker(2).is_none());
}

#[test]
fn a_new_process_has_lost_its_place_in_sync_and_keeps_what_is_eligible_after_a_clean_end() {
    for was_clean in [true, false] {
        let mut world = World::with_brokers(2, true);
        world.set_config(ConfigResource::Topic, "t", "min.insync.replicas", "2");
        world.create_topic(&[&[1, 2]]);
        world.elapsed_ms += TIMEOUT_MS;
        let mut request = registration(1, 50);
        if was_clean {
            request.previous_broker_epoch = world.image.broker(1).unwrap().epoch;
        }
        world.register(&request);
        assert_eq!(world.state(0), (2, vec![2], 1, 1));
        assert_eq!(world.elr(0).0, if was_clean { vec![1] } else { Vec::new() });
    }
}

#[test]
fn sessions_end_and_begin_anew_with_a_new_controller() {
    let mut world = World::with_brokers(3, false);
    world.create_topic(&[&[1, 2, 3], &[2, 1, 3]]);
    let deadline = world.liveness.next_deadline(&world.image, TIMEOUT_MS);
    assert_eq!(deadline, Some(world.elapsed_ms + TIMEOUT_MS));
    world.only_hear(&[2, 3]);
    assert!(world.image.broker(1).unwrap().fenced);
    assert_eq!(world.state(0), (2, vec![2, 3], 1, 1));
    assert_eq!(world.state(1), (2, vec![2, 3], 0, 1));
    assert!(world.decide(tick).records.is_empty());

    world.liveness = Liveness::begin(&world.image, world.elapsed_ms + 5);
    world.elapsed_ms += TIMEOUT_MS;
    assert!(world.decide(tick).records.is_empty());
    world.elapsed_ms += 5;
    world.decide(tick);
    assert!(world.image.brokers().all(|broker| broker.fenced));
    assert_eq!(world.liveness.next_deadline(&world.image, TIMEOUT_MS), None);
}

#[test]
fn a_refused_connection_ends_a_session_unless_the_broker_was_heard_of_since() {
    let mut world = World::with_brokers(2, false);
    world.create_topic(&[&[1, 2]]);
    let epoch = world.image.broker(1).unwrap().epoch;
    let ended_at = world.elapsed_ms;
    world.elapsed_ms += 1;
    for (epoch, ended_at) in [(epoch - 1, ended_at), (epoch, ended_at - 1)] {
        let outcome = world.decide(|view| connection_refused(view, 1, epoch, ended_at));
        assert!(outcome.records.is_empty());
    }
    world.decide(|view| connection_refused(view, 1, epoch, ended_at));
    assert!(world.image.broker(1).unwrap().fenced);
    assert_eq!(world.state(0), (2, vec![2], 1, 1));
    // Its next process does not wait for the session.
    assert_eq!(world.register(&registration(1, 60)).error_code, ErrorCode::None);
}

#[test]
fn a_session_that_a_new_controller_began_is_no_sign_of_life() {
    let mut world = World::with_brokers(2, false);
    world.create_topic(&[&[1, 2]]);
    let epoch = world.image.broker(1).unwrap().epoch;
    let looked_at = world.elapsed_ms;
    world.elapsed_ms += 50;
    world.liveness = Liveness::begin(&world.image, world.elapsed_ms);
    world.decide(|view| connection_refused(view, 1, epoch, looked_at));
    assert!(world.image.broker(1).unwrap().fenced);
    assert_eq!(world.state(0), (2, vec![2], 1, 1));
}

#[test]
fn a_broker_that_shuts_down_goes_when_all_know_that_it_leads_nothing() {
    let mut world = World::with_brokers(3, false);
    world.create_topic(&[&[1, 2, 3], &[2, 1, 3]]);
    for id in [2, 3] {
        let request = world.beat(id);
        world.heartbeat(&request);
    }
    let mut leaving = world.beat(1);
    leaving.want_shut_down = true;
    let answer = world.heartbeat(&leaving);
    assert_eq!((answer.is_fenced, answer.should_shut_down), (false, false));
    assert!(world.image.broker(1).unwrap().in_controlled_shutdown);
    assert_eq!(world.state(0), (2, vec![2, 3], 1, 1));
    assert_eq!(world.state(1), (2, vec![2, 3], 0, 1));
    assert!(!world.heartbeat(&leaving).should_shut_down);

    for id in [2, 3] {
        assert!(!world.heartbeat(&leaving).should_shut_down);
        let request = world.beat(id);
        world.heartbeat(&request);
    }
    let answer = world.heartbeat(&leaving);
    assert_eq!((answer.is_fenced, answer.should_shut_down), (true, true));
    assert!(world.image.broker(1).unwrap().fenced);
}

#[test]
fn a_broker_that_leads_nothing_may_shut_down_at_once() {
    let mut world = World::with_brokers(1, false);
    let mut leaving = world.beat(1);
    leaving.want_shut_down = true;
    assert!(world.heartbeat(&leaving).should_shut_down);
    assert!(world.image.broker(1).unwrap().fenced);
    let outcome = world.decide(|view| broker_heartbeat(view, &leaving));
    assert!(outcome.response.should_shut_down && outcome.records.is_empty());
}

#[test]
fn replicas_in_a_failed_log_dir_leave_and_the_dir_is_forgotten() {
    let mut world = World::new(MetadataVersion::LATEST, false);
    for id in [1, 2] {
        let mut request = registration(id, 1);
        request.log_dirs.push(dir(id + 50));
        world.register(&request);
        let request = world.beat(id);
        world.heartbeat(&request);
    }
    world.create_topic(&[&[1, 2], &[2, 1]]);
    let mut request = world.beat(1);
    request.offline_log_dirs = vec![dir(1), dir(999)];
    world.heartbeat(&request);
    assert_eq!(world.image.broker(1).unwrap().log_dirs, [dir(51)]);
    assert_eq!(world.state(0), (2, vec![2], 1, 1));
    assert_eq!(world.state(1), (2, vec![2], 0, 1));
    assert!(world.decide(|view| broker_heartbeat(view, &request)).records.is_empty());

    request.cordoned_log_dirs = Some(vec![dir(51)]);
    world.heartbeat(&request);
    assert_eq!(world.image.broker(1).unwrap().cordoned_log_dirs, Some(vec![dir(51)]));
    assert!(world.decide(|view| broker_heartbeat(view, &request)).records.is_empty());
}

#[test]
fn an_unregistered_broker_is_forgotten_and_unknown_ones_are_named() {
    let mut world = World::with_brokers(2, false);
    world.create_topic(&[&[1, 2]]);
    let request = UnregisterBrokerRequest { broker_id: 1 };
    let outcome = world.decide(|view| unregister_broker(view, &request));
    assert_eq!(outcome.response.error_code, ErrorCode::None);
    assert!(world.image.broker(1).is_none());
    assert_eq!(world.state(0), (2, vec![2], 1, 1));
    let response = world.decide(|view| unregister_broker(view, &request)).response;
    assert_eq!(response.error_code, ErrorCode::BrokerIdNotRegistered);
    let message = "Broker ID 1 is not currently registered";
    assert_eq!(response.error_message.as_deref(), Some(message));
}

#[test]
fn producer_ids_are_given_once_and_only_to_registered_brokers() {
    let mut world = World::with_brokers(1, false);
    let broker_epoch = world.image.broker(1).unwrap().epoch;
    let mut request = AllocateProducerIdsRequest { broker_id: 1, broker_epoch };
    for start in [0, 1_000] {
        let response = world.decide(|view| allocate_producer_ids(view, &request)).response;
        let expected = AllocateProducerIdsResponse {
            producer_id_start: start,
            producer_id_len: 1_000,
            ..Default::default()
        };
        assert_eq!(response, expected);
    }
    request.broker_epoch += 1;
    let response = world.decide(|view| allocate_producer_ids(view, &request)).response;
    assert_eq!(response.error_code, ErrorCode::StaleBrokerEpoch);
    assert_eq!(world.image.next_producer_id(), 2_000);
}

#[test]
fn a_broker_whose_last_log_dir_failed_is_fenced_until_it_registers_anew() {
    let mut world = World::with_brokers(2, false);
    world.create_topic(&[&[1, 2]]);
    let mut request = world.beat(1);
    request.offline_log_dirs = vec![dir(1)];
    for _ in 0..2 {
        assert!(world.heartbeat(&request).is_fenced);
        assert!(world.image.broker(1).unwrap().fenced);
    }
    assert_eq!(world.state(0), (2, vec![2], 1, 1));
}

#[test]
fn a_process_that_has_begun_to_end_is_not_unfenced() {
    let mut world = World::with_brokers(2, false);
    world.create_topic(&[&[1, 2]]);
    let mut leaving = world.beat(1);
    leaving.want_shut_down = true;
    world.heartbeat(&leaving);
    world.only_hear(&[2]);
    leaving.want_shut_down = false;
    leaving.current_metadata_offset = world.image.end_offset();
    assert!(world.heartbeat(&leaving).is_fenced);
}

#[test]
fn a_controller_registers_once_and_only_where_it_knows_the_levels() {
    use protocol::messages::controller_registration_request::{Feature, Listener};
    let range = |name: &str, max_supported_version: i16| Feature {
        name: name.to_owned(),
        min_supported_version: 0,
        max_supported_version,
    };
    let mut request = protocol::messages::ControllerRegistrationRequest {
        controller_id: 7,
        listeners: vec![Listener { name: "CONTROLLER".to_owned(), ..Listener::default() }],
        features: vec![range("metadata.version", 30), range("kraft.version", 1)],
        ..Default::default()
    };
    let mut world = World::new(MetadataVersion::LATEST, false);
    let mut ask = |request: &_| {
        let outcome = world.decide(|view| controller_registration(view, request));
        (outcome.response.error_code, outcome.records.len())
    };
    assert_eq!(ask(&request), (ErrorCode::None, 1));
    assert_eq!(ask(&request), (ErrorCode::None, 0));
    request.zk_migration_ready = true;
    assert_eq!(ask(&request), (ErrorCode::None, 1));
    request.features[0].max_supported_version = 29;
    assert_eq!(ask(&request), (ErrorCode::UnsupportedVersion, 0));
    request.listeners[0].name.clear();
    assert_eq!(ask(&request), (ErrorCode::InvalidRegistration, 0));
    let mut old = World::new(MetadataVersion::V3_6_IV2, false);
    let outcome = old.decide(|view| controller_registration(view, &request));
    assert_eq!(outcome.response.error_code, ErrorCode::UnsupportedVersion);
}
