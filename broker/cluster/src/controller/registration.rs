//! BrokerRegistration: a process takes the id of a broker, or amends what it said of itself.

use std::collections::{BTreeMap, BTreeSet};

use broker_metadata::{Feature, FeatureRange, Image, MetadataVersion};
use protocol::ErrorCode;
use protocol::messages::register_broker_record::{BrokerEndpoint, BrokerFeature};
use protocol::messages::{
    BrokerRegistrationRequest, BrokerRegistrationResponse, RegisterBrokerRecord,
};
use uuid::Uuid;

use super::leaders::process_ended;
use super::{Draft, Outcome, View};

/// What a broker is told that is not registered, and what this node's log says of it.
type Refused = (ErrorCode, String);

/// A new process of a broker is fenced until it has caught up. Its epoch is the offset of its
/// registration; one that only amends its registration keeps its epoch and state.
pub fn broker_registration(
    view: &mut View<'_>,
    request: &BrokerRegistrationRequest,
) -> Outcome<BrokerRegistrationResponse> {
    let id = request.broker_id;
    if let Err((error_code, why)) = check(view, request) {
        let response = BrokerRegistrationResponse { error_code, ..Default::default() };
        let notes = vec![format!("Broker {id} is not registered: {why}")];
        return Outcome { notes, ..Outcome::answer(response) };
    }
    let mut draft = Draft::new(view.image, view.settings);
    let previous = view.image.broker(id);
    let amended = previous.filter(|broker| broker.incarnation_id == request.incarnation_id);
    let mut record = record(request, draft.cluster().level);
    if let Some(broker) = amended {
        record.fenced = broker.fenced;
        record.in_controlled_shutdown = broker.in_controlled_shutdown;
    } else {
        // Without a registration nothing is known of how the last process ended.
        let was_clean = previous.is_some_and(|one| one.epoch == request.previous_broker_epoch);
        let ended = process_ended(&draft.cluster(), id, was_clean);
        draft.extend(ended);
    }
    let offset = view.next_offset + draft.len() as i64;
    record.broker_epoch = amended.map_or(offset, |broker| broker.epoch);
    let broker_epoch = record.broker_epoch;
    view.liveness.registered(id, broker_epoch, offset);
    draft.push(record);
    let notes = vec![match amended {
        Some(_) => format!("Broker {id} amends its registration of epoch {broker_epoch}"),
        None => format!(
            "Broker {id} is registered with epoch {broker_epoch}, incarnation {}; {} partitions \
             changed",
            request.incarnation_id,
            draft.len() - 1
        ),
    }];
    let response = BrokerRegistrationResponse { broker_epoch, ..Default::default() };
    Outcome { records: draft.finish(), response, notes }
}

fn record(request: &BrokerRegistrationRequest, level: MetadataVersion) -> RegisterBrokerRecord {
    let end_points = request.listeners.iter().map(|listener| BrokerEndpoint {
        name: listener.name.clone(),
        host: listener.host.clone(),
        port: listener.port,
        security_protocol: listener.security_protocol,
    });
    let features = request.features.iter().map(|feature| BrokerFeature {
        name: feature.name.clone(),
        min_supported_version: feature.min_supported_version,
        max_supported_version: feature.max_supported_version,
    });
    RegisterBrokerRecord {
        broker_id: request.broker_id,
        incarnation_id: request.incarnation_id,
        end_points: end_points.collect(),
        features: features.collect(),
        rack: request.rack.clone(),
        fenced: true,
        log_dirs: if level.has_directories() { request.log_dirs.clone() } else { Vec::new() },
        ..RegisterBrokerRecord::default()
    }
}

fn check(view: &View<'_>, request: &BrokerRegistrationRequest) -> Result<(), Refused> {
    let refused = |code: ErrorCode, why: String| Err((code, why));
    let expected = &view.settings.cluster_id;
    if request.cluster_id != *expected {
        let why = format!("it is of cluster {}, this is {expected}", request.cluster_id);
        return refused(ErrorCode::InconsistentClusterId, why);
    }
    if let Some(broker) = view.image.broker(request.broker_id)
        && view.settings.own_broker != Some(broker.id)
        && broker.incarnation_id != request.incarnation_id
        && let Some(session) = view.liveness.of(broker)
        && session.is_valid(view.now.elapsed_ms, view.settings.session_timeout_ms)
    {
        let why = "another process with its id was heard of within broker.session.timeout.ms";
        return refused(ErrorCode::DuplicateBrokerRegistration, why.to_owned());
    }
    if request.is_migrating_zk_broker {
        let why = "it is a broker of ZooKeeper, and no migration is under way".to_owned();
        return refused(ErrorCode::BrokerIdNotRegistered, why);
    }
    if request.broker_id < 0 {
        let why = "its id is negative".to_owned();
        return refused(ErrorCode::InvalidRegistration, why);
    }
    let mut names = BTreeSet::new();
    if !request.listeners.iter().all(|one| !one.name.is_empty() && names.insert(&one.name)) {
        let why = "its listeners have no name, or the same".to_owned();
        return refused(ErrorCode::InvalidRegistration, why);
    }
    if view.cluster().level.has_directories() {
        check_dirs(view.image, request.broker_id, &request.log_dirs)
            .or_else(|why| refused(ErrorCode::InvalidRegistration, why))?;
    }
    check_features(view, request)
}

fn check_dirs(image: &Image, id: i32, dirs: &[Uuid]) -> Result<(), String> {
    if dirs.is_empty() {
        return Err("it names no log dirs".to_owned());
    }
    if let Some(dir) = dirs.iter().find(|dir| is_reserved(**dir)) {
        return Err(format!("the id {dir} can't be a log dir's"));
    }
    if dirs.iter().collect::<BTreeSet<_>>().len() != dirs.len() {
        return Err("two of its log dirs have the same id".to_owned());
    }
    for other in image.brokers().filter(|other| other.id != id) {
        if let Some(dir) = dirs.iter().find(|dir| other.log_dirs.contains(dir)) {
            return Err(format!("log dir {dir} is broker {}'s", other.id));
        }
    }
    Ok(())
}

/// Whether an id stands for something else than a log dir, or may do so one day.
fn is_reserved(dir: Uuid) -> bool {
    dir.as_u128() < 100
}

/// The broker has to know the level that each feature of the cluster is at.
fn check_features(view: &View<'_>, request: &BrokerRegistrationRequest) -> Result<(), Refused> {
    let mut ranges = BTreeMap::new();
    for feature in &request.features {
        let (min, max) = (feature.min_supported_version, feature.max_supported_version);
        if ranges.insert(feature.name.as_str(), FeatureRange { min, max }).is_some() {
            let why = format!("it names the feature {} twice", feature.name);
            return Err((ErrorCode::InvalidRegistration, why));
        }
    }
    if !ranges.contains_key(MetadataVersion::FEATURE) {
        let why = "it does not say which levels of metadata.version it knows".to_owned();
        return Err((ErrorCode::InvalidRegistration, why));
    }
    check_ranges(view, &ranges).map_err(|why| (ErrorCode::UnsupportedVersion, why))
}

/// Whether a node that knows these levels can work at those of the cluster.
pub(super) fn check_ranges(
    view: &View<'_>,
    ranges: &BTreeMap<&str, FeatureRange>,
) -> Result<(), String> {
    let unset = ranges.keys().map(|name| (*name, 0));
    let mut levels: BTreeMap<&str, i16> = unset.collect();
    levels.extend(view.image.features().iter().map(|(name, level)| (name.as_str(), *level)));
    levels.insert(MetadataVersion::FEATURE, view.cluster().level.level());
    // Its level is not told by the metadata: what the quorum is at, its voters see to.
    levels.remove(Feature::KRaftVersion.name());
    for (name, level) in levels {
        let FeatureRange { min, max } =
            ranges.get(name).copied().unwrap_or(FeatureRange { min: 0, max: 0 });
        if !(min..=max).contains(&level) {
            return Err(format!("{name} is at {level}, and it knows {min} to {max}"));
        }
    }
    Ok(())
}
