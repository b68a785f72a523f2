use protocol::messages::UpdateFeaturesRequest;
use protocol::messages::update_features_request::FeatureUpdateKey;

use super::*;

fn update(
    world: &mut World,
    updates: &[(&str, i16, i8)],
    validate_only: bool,
) -> Result<(), String> {
    let updates = updates.iter().map(|(feature, level, upgrade_type)| FeatureUpdateKey {
        feature: (*feature).to_owned(),
        max_version_level: *level,
        upgrade_type: *upgrade_type,
        ..FeatureUpdateKey::default()
    });
    let feature_updates = updates.collect();
    let request = UpdateFeaturesRequest { feature_updates, validate_only, ..Default::default() };
    let outcome = world.decide(|view| update_features(view, &request));
    match outcome.response.error_code {
        ErrorCode::None => Ok(()),
        code => {
            assert_eq!((code, outcome.records.len()), (ErrorCode::InvalidUpdateVersion, 0));
            Err(outcome.response.error_message.unwrap_or_default())
        }
    }
}

const METADATA: &str = "metadata.version";
const ELR: &str = "eligible.leader.replicas.version";

#[test]
fn levels_are_raised_and_lowered_where_nothing_is_lost() {
    let mut world = World::new(MetadataVersion::V3_7_IV0, false);
    world.start_broker(1);
    assert_eq!(update(&mut world, &[(METADATA, 25, 1)], true), Ok(()));
    assert_eq!(world.image.metadata_version(), Some(MetadataVersion::V3_7_IV0));
    assert_eq!(update(&mut world, &[("group.version", 1, 1), (METADATA, 25, 1)], false), Ok(()));
    assert_eq!(world.image.metadata_version(), Some(MetadataVersion::V4_0_IV3));
    assert_eq!(world.image.features().get("group.version"), Some(&1));
    assert_eq!(update(&mut world, &[("group.version", 0, 2)], false), Ok(()));
    assert_eq!(world.image.features().get("group.version"), None);
    assert_eq!(update(&mut world, &[(METADATA, 24, 2)], false), Ok(()));
    assert_eq!(update(&mut world, &[(METADATA, 24, 1)], false), Ok(()), "it is there already");
}

#[test]
fn a_change_that_is_not_safe_or_not_known_is_refused_with_a_reason() {
    let mut world = World::with_brokers(1, true);
    let mut old = registration(2, 1);
    old.features[3].max_supported_version = 0;
    world.register(&old);
    type Updates = &'static [(&'static str, i16, i8)];
    let cases: [(Updates, &str); 10] = [
        (&[(METADATA, 22, 2)], "downgrade from 4.3-IV0 to 4.0-IV0. Refusing"),
        (&[(METADATA, 22, 3)], "Unsafe metadata downgrade is not supported"),
        (&[(METADATA, 29, 1)], "without setting the upgrade type to either safe or unsafe"),
        (&[(METADATA, 31, 1)], "only supports versions 7-30"),
        (&[("group.version", 1, 2)], "Can't downgrade to a newer version"),
        (&[("group.version", 1, 1)], "Broker 2 only supports versions 0-0"),
        (&[("group.version", 1, 0)], "does not support the given upgrade type"),
        (&[("x.version", 1, 1)], "Local controller 100 does not support this feature"),
        (&[("share.version", -1, 2)], "cannot be less than 0"),
        (&[("share.version", 1, 1), ("share.version", 1, 1)], "named twice"),
    ];
    for (updates, expected) in cases {
        let told = update(&mut world, updates, false).unwrap_err();
        assert!(told.contains(expected), "{told}");
    }
}

#[test]
fn eligible_replicas_need_their_level_and_one_min_isr_for_the_cluster() {
    let mut world = World::new(MetadataVersion::V4_0_IV0, false);
    let told = update(&mut world, &[(ELR, 1, 1)], false).unwrap_err();
    assert!(told.contains("that needs metadata.version at 23 or above"), "{told}");
    world.set_config(ConfigResource::Broker, "1", "min.insync.replicas", "3");
    assert_eq!(update(&mut world, &[(ELR, 1, 1), (METADATA, 25, 1)], false), Ok(()));
    let shared = world.image.configs(ConfigResource::Broker, "").unwrap();
    assert_eq!(shared.get("min.insync.replicas").map(String::as_str), Some("1"));
    assert_eq!(world.image.configs(ConfigResource::Broker, "1"), None);

    world.start_broker(1);
    world.create_topic(&[&[1]]);
    world.only_hear(&[]);
    assert_eq!(world.elr(0), (vec![1], vec![1]));
    let told = update(&mut world, &[(METADATA, 22, 2)], false).unwrap_err();
    assert!(told.contains("might delete"), "{told}");
    assert_eq!(update(&mut world, &[(ELR, 0, 2)], false), Ok(()));
    assert_eq!(world.elr(0), (vec![], vec![]));
}
