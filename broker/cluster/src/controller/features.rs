//! UpdateFeatures: the levels that the cluster works at are raised or lowered (KIP-584, 778).

use std::collections::{BTreeMap, BTreeSet};

use broker_metadata::{
    ConfigResource, Feature, FeatureRange, Image, MetadataRecord, MetadataVersion,
};
use protocol::ErrorCode;
use protocol::messages::update_features_request::FeatureUpdateKey;
use protocol::messages::update_features_response::UpdatableFeatureResult;
use protocol::messages::{
    ClearElrRecord, ConfigRecord, FeatureLevelRecord, UpdateFeaturesRequest, UpdateFeaturesResponse,
};

use super::{Outcome, View};

/// How a level may change, by its code on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Upgrade,
    SafeDowngrade,
    UnsafeDowngrade,
}

impl Direction {
    /// Version 0 of the request only says whether a downgrade is allowed, and means a safe one.
    fn of(update: &FeatureUpdateKey) -> Option<Self> {
        match update.upgrade_type {
            1 if update.allow_downgrade => Some(Self::SafeDowngrade),
            1 => Some(Self::Upgrade),
            2 => Some(Self::SafeDowngrade),
            3 => Some(Self::UnsafeDowngrade),
            _ => None,
        }
    }
}

/// All levels change, or none. With `validate_only` nothing does, whatever is answered.
pub fn update_features(
    view: &mut View<'_>,
    request: &UpdateFeaturesRequest,
) -> Outcome<UpdateFeaturesResponse> {
    match decide(view, request) {
        Ok(mut records) => {
            if request.validate_only {
                records.clear();
            }
            let results = request.feature_updates.iter().map(|update| UpdatableFeatureResult {
                feature: update.feature.clone(),
                ..UpdatableFeatureResult::default()
            });
            let results = results.collect();
            let response = UpdateFeaturesResponse { results, ..Default::default() };
            Outcome { records, ..Outcome::answer(response) }
        }
        Err(why) => Outcome::answer(UpdateFeaturesResponse {
            error_code: ErrorCode::InvalidUpdateVersion,
            error_message: Some(why),
            ..Default::default()
        }),
    }
}

fn decide(view: &View<'_>, request: &UpdateFeaturesRequest) -> Result<Vec<MetadataRecord>, String> {
    let mut levels = view.image.features().clone();
    let mut seen = BTreeSet::new();
    for update in &request.feature_updates {
        if !seen.insert(&update.feature) {
            return Err(format!("The feature {} is named twice.", update.feature));
        }
        levels.insert(update.feature.clone(), update.max_version_level);
    }
    // The level of the metadata goes first up, so that what depends on it can be written.
    let mut updates: Vec<&FeatureUpdateKey> = request.feature_updates.iter().collect();
    updates.sort_by_key(|update| update.feature != MetadataVersion::FEATURE);
    let mut records = Vec::new();
    for update in updates {
        let (name, level) = (&update.feature, update.max_version_level);
        let before = view.image.features().get(name).copied().unwrap_or(0);
        check(view, update, before)
            .map_err(|why| format!("Invalid update version {level} for feature {name}. {why}"))?;
        if name == MetadataVersion::FEATURE {
            check_records(view, update)?;
        }
        if level == before {
            continue;
        }
        if *name == Feature::EligibleLeaderReplicasVersion.name() {
            records.extend(for_eligible_replicas(view, level));
        }
        records.push(FeatureLevelRecord { name: name.clone(), feature_level: level }.into());
    }
    // What stays has to fit what changes, too.
    for (name, level) in levels.iter().filter(|(_, level)| **level > 0) {
        if let Ok(feature) = Feature::from_name(name) {
            feature.check(*level, &levels).map_err(|why| {
                format!("Invalid update version {level} for feature {name}. {why}")
            })?;
        }
    }
    Ok(records)
}

fn check(view: &View<'_>, update: &FeatureUpdateKey, before: i16) -> Result<(), String> {
    let (name, level) = (update.feature.as_str(), update.max_version_level);
    let direction = Direction::of(update);
    let direction = direction.ok_or("The controller does not support the given upgrade type.")?;
    if level < 0 {
        return Err("A feature version cannot be less than 0.".to_owned());
    }
    if level == before {
        return Ok(());
    }
    if name == Feature::KRaftVersion.name() {
        return Err("It belongs to the quorum: see kafka-metadata-quorum for what can be changed."
            .to_owned());
    }
    if level > before && direction != Direction::Upgrade {
        return Err("Can't downgrade to a newer version.".to_owned());
    }
    if level < before && direction == Direction::Upgrade {
        let text = "Can't downgrade the version of this feature without setting the upgrade type \
                    to either safe or unsafe downgrade.";
        return Err(text.to_owned());
    }
    check_nodes(view, name, level)
}

/// A level of the metadata is left only for one that can write all records that there are.
fn check_records(view: &View<'_>, update: &FeatureUpdateKey) -> Result<(), String> {
    let level = update.max_version_level;
    let version = MetadataVersion::from_level(level)
        .map_err(|why| format!("Invalid metadata.version {level}. {why}"))?;
    let present = view.cluster().level;
    if version >= present || !present.records_differ(version) {
        return Ok(());
    }
    let why = match Direction::of(update) {
        Some(Direction::UnsafeDowngrade) => {
            "Unsafe metadata downgrade is not supported in this version."
        }
        _ => {
            "Refusing to perform the requested downgrade because it might delete metadata \
             information."
        }
    };
    Err(format!("Unsupported metadata.version downgrade from {present} to {version}. {why}"))
}

/// Each node that is registered has to know the level; level 0 is no use of the feature.
fn check_nodes(view: &View<'_>, name: &str, level: i16) -> Result<(), String> {
    let check = |who: String, features: &BTreeMap<String, FeatureRange>| match features.get(name) {
        Some(range) if (range.min..=range.max).contains(&level) => Ok(()),
        Some(range) => {
            let FeatureRange { min, max } = range;
            Err(format!("{who} only supports versions {min}-{max}"))
        }
        None if level == 0 => Ok(()),
        None => Err(format!("{who} does not support this feature.")),
    };
    let this = view.settings.node_id;
    check(format!("Local controller {this}"), &view.settings.features)?;
    for broker in view.image.brokers() {
        check(format!("Broker {}", broker.id), &broker.features)?;
    }
    let others = view.image.controllers().filter(|controller| controller.id != this);
    for controller in others {
        check(format!("Controller {}", controller.id), &controller.features)?;
    }
    Ok(())
}

/// Who may lead without being in sync depends on `min.insync.replicas`, which all controllers have
/// to take for the same then: it becomes a setting of the whole cluster.
fn for_eligible_replicas(view: &View<'_>, level: i16) -> Vec<MetadataRecord> {
    const KEY: &str = "min.insync.replicas";
    if level == 0 {
        return vec![ClearElrRecord::default().into()];
    }
    let set = |name: &str, value: Option<String>| {
        MetadataRecord::Config(ConfigRecord {
            resource_type: ConfigResource::Broker.code(),
            resource_name: name.to_owned(),
            name: KEY.to_owned(),
            value,
        })
    };
    let mut records = Vec::new();
    if !has(view.image, "", KEY) {
        records.push(set("", Some(view.settings.min_insync_replicas.to_string())));
    }
    let brokers = view.image.config_resources().filter(|(kind, name)| {
        *kind == ConfigResource::Broker && !name.is_empty() && has(view.image, name, KEY)
    });
    records.extend(brokers.map(|(_, name)| set(name, None)));
    records
}

fn has(image: &Image, broker: &str, key: &str) -> bool {
    image.configs(ConfigResource::Broker, broker).is_some_and(|set| set.contains_key(key))
}
