//! ControllerRegistration: a controller says where it is and what it knows (KIP-919).

use std::collections::{BTreeMap, BTreeSet};

use broker_metadata::{FeatureRange, MetadataVersion};
use protocol::ErrorCode;
use protocol::messages::register_controller_record::{ControllerEndpoint, ControllerFeature};
use protocol::messages::{
    ControllerRegistrationRequest, ControllerRegistrationResponse, RegisterControllerRecord,
};

use super::registration::check_ranges;
use super::{Outcome, View};

/// What is told again without a change makes no record.
pub fn controller_registration(
    view: &mut View<'_>,
    request: &ControllerRegistrationRequest,
) -> Outcome<ControllerRegistrationResponse> {
    let id = request.controller_id;
    let refuse = |error_code: ErrorCode, why: String| {
        let notes = vec![format!("Controller {id} is not registered: {why}")];
        let error_message = Some(why);
        let response =
            ControllerRegistrationResponse { error_code, error_message, ..Default::default() };
        Outcome { notes, ..Outcome::answer(response) }
    };
    let level = view.cluster().level;
    if level < MetadataVersion::V3_7_IV0 {
        let why = "The current MetadataVersion is too old to support controller registrations.";
        return refuse(ErrorCode::UnsupportedVersion, why.to_owned());
    }
    let mut names = BTreeSet::new();
    let mut listeners = request.listeners.iter();
    if id < 0 || !listeners.all(|one| !one.name.is_empty() && names.insert(&one.name)) {
        let why = "its id is negative, or its listeners have no name, or the same";
        return refuse(ErrorCode::InvalidRegistration, why.to_owned());
    }
    let ranges = request.features.iter().map(|feature| {
        let (min, max) = (feature.min_supported_version, feature.max_supported_version);
        (feature.name.as_str(), FeatureRange { min, max })
    });
    let ranges: BTreeMap<&str, FeatureRange> = ranges.collect();
    if let Err(why) = check_ranges(view, &ranges) {
        return refuse(ErrorCode::UnsupportedVersion, why);
    }
    let record = record(request);
    let is_known = view.image.controller(id).is_some_and(|known| {
        let mut again = broker_metadata::Delta::new(view.image);
        let replayed = again.replay(&record.clone().into());
        replayed.is_ok() && again.image().controller(id) == Some(known)
    });
    let records = if is_known { Vec::new() } else { vec![record.into()] };
    Outcome { records, ..Outcome::answer(ControllerRegistrationResponse::default()) }
}

fn record(request: &ControllerRegistrationRequest) -> RegisterControllerRecord {
    let end_points = request.listeners.iter().map(|listener| ControllerEndpoint {
        name: listener.name.clone(),
        host: listener.host.clone(),
        port: listener.port,
        security_protocol: listener.security_protocol,
    });
    let features = request.features.iter().map(|feature| ControllerFeature {
        name: feature.name.clone(),
        min_supported_version: feature.min_supported_version,
        max_supported_version: feature.max_supported_version,
    });
    RegisterControllerRecord {
        controller_id: request.controller_id,
        incarnation_id: request.incarnation_id,
        zk_migration_ready: request.zk_migration_ready,
        end_points: end_points.collect(),
        features: features.collect(),
    }
}
