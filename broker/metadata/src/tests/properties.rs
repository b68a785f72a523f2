//! What holds of any records.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use protocol::messages::register_broker_record::{BrokerEndpoint, BrokerFeature};
use protocol::messages::*;
use uuid::Uuid;

use crate::{Changes, Delta, Image, Loss, MetadataRecord, MetadataVersion};

fn id() -> impl Strategy<Value = Uuid> {
    (1u128..5).prop_map(|number| Uuid::from_u128(number << 64))
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[ab]", "[a-z]{1,8}"]
}

fn nodes() -> impl Strategy<Value = Vec<i32>> {
    vec(0..4i32, 0..4)
}

fn dirs(count: usize) -> impl Strategy<Value = Vec<Uuid>> {
    vec((0u128..5).prop_map(Uuid::from_u128), count)
}

fn broker() -> impl Strategy<Value = MetadataRecord> {
    let facts = (0..4i32, 0..3i64, any::<[bool; 3]>(), option::of(name()));
    let dirs = (0..3usize).prop_flat_map(dirs);
    (facts, dirs, option::of((0..3usize).prop_flat_map(self::dirs))).prop_map(
        |((broker_id, broker_epoch, [fenced, leaving, zk], rack), log_dirs, cordoned)| {
            RegisterBrokerRecord {
                broker_id,
                is_migrating_zk_broker: zk,
                incarnation_id: Uuid::from_u128(9),
                broker_epoch,
                end_points: vec![BrokerEndpoint { name: "L".to_owned(), ..Default::default() }],
                features: vec![BrokerFeature { name: "f".to_owned(), ..Default::default() }],
                rack,
                fenced,
                in_controlled_shutdown: leaving,
                log_dirs,
                cordoned_log_dirs: cordoned,
            }
            .into()
        },
    )
}

fn broker_change() -> impl Strategy<Value = MetadataRecord> {
    let dirs = (0..3usize).prop_flat_map(dirs);
    let cordoned = option::of((0..3usize).prop_flat_map(self::dirs));
    (0..4i32, 0..3i64, -1..=1i8, 0..=1i8, dirs, cordoned).prop_map(
        |(broker_id, broker_epoch, fenced, leaving, log_dirs, cordoned_log_dirs)| {
            BrokerRegistrationChangeRecord {
                broker_id,
                broker_epoch,
                fenced,
                in_controlled_shutdown: leaving,
                log_dirs,
                cordoned_log_dirs,
            }
            .into()
        },
    )
}

fn partition() -> impl Strategy<Value = MetadataRecord> {
    let directories = nodes().prop_flat_map(|replicas| {
        let count = replicas.len();
        (Just(replicas), prop_oneof![dirs(0), dirs(count)])
    });
    let lists = (nodes(), nodes(), option::of(nodes()), option::of(nodes()));
    (0..4i32, id(), directories, lists, (-1..4i32, 0..=1i8, 0..9i32)).prop_map(
        |(partition_id, topic_id, (replicas, directories), lists, (leader, state, epoch))| {
            PartitionRecord {
                partition_id,
                topic_id,
                replicas,
                isr: lists.0,
                removing_replicas: Vec::new(),
                adding_replicas: lists.1,
                leader,
                leader_recovery_state: state,
                leader_epoch: epoch,
                partition_epoch: epoch + 1,
                directories,
                eligible_leader_replicas: lists.2,
                last_known_elr: lists.3,
            }
            .into()
        },
    )
}

fn partition_change() -> impl Strategy<Value = MetadataRecord> {
    let lists = (option::of(nodes()), option::of(nodes()), option::of(nodes()));
    let elr = (option::of(nodes()), option::of(nodes()));
    let directories = option::of((0..4usize).prop_flat_map(dirs));
    (0..4i32, id(), lists, elr, directories, (-2..4i32, -1..=1i8)).prop_map(
        |(partition_id, topic_id, lists, elr, directories, (leader, state))| {
            PartitionChangeRecord {
                partition_id,
                topic_id,
                isr: lists.0,
                leader,
                replicas: lists.1,
                removing_replicas: lists.2,
                adding_replicas: None,
                leader_recovery_state: state,
                directories,
                eligible_leader_replicas: elr.0,
                last_known_elr: elr.1,
            }
            .into()
        },
    )
}

fn small() -> impl Strategy<Value = MetadataRecord> {
    let resource = prop::sample::select(vec![2i8, 4, 16, 32]);
    let config = (resource, name(), name(), option::of(name())).prop_map(
        |(resource_type, resource_name, name, value)| {
            ConfigRecord { resource_type, resource_name, name, value }.into()
        },
    );
    let quota = (option::of(name()), name(), -9..9i16, any::<bool>()).prop_map(
        |(user, key, value, remove)| {
            let entity_type = "user".to_owned();
            let entity = vec![client_quota_record::EntityData { entity_type, entity_name: user }];
            ClientQuotaRecord { entity, key, value: f64::from(value), remove }.into()
        },
    );
    let scram = (name(), 1..=2i8, any::<bool>()).prop_map(|(name, mechanism, gone)| match gone {
        true => RemoveUserScramCredentialRecord { name, mechanism }.into(),
        false => UserScramCredentialRecord { name, mechanism, ..Default::default() }.into(),
    });
    let acl = (id(), name(), any::<bool>()).prop_map(|(id, resource_name, gone)| match gone {
        true => RemoveAccessControlEntryRecord { id }.into(),
        false => AccessControlEntryRecord { id, resource_name, ..Default::default() }.into(),
    });
    let token = (name(), name(), any::<bool>()).prop_map(|(token_id, owner, gone)| match gone {
        true => RemoveDelegationTokenRecord { token_id }.into(),
        false => DelegationTokenRecord { token_id, owner, ..Default::default() }.into(),
    });
    let feature = (name(), 0..3i16).prop_map(|(name, feature_level)| {
        FeatureLevelRecord { name: format!("{name}.version"), feature_level }.into()
    });
    let ids = (0..5i64).prop_map(|next_producer_id| {
        ProducerIdsRecord { next_producer_id, ..Default::default() }.into()
    });
    let controller = (0..3i32).prop_map(|controller_id| {
        RegisterControllerRecord { controller_id, ..Default::default() }.into()
    });
    prop_oneof![config, quota, scram, acl, token, feature, ids, controller]
}

fn record() -> impl Strategy<Value = MetadataRecord> {
    let topic = (name(), id()).prop_map(|(name, topic_id)| TopicRecord { name, topic_id }.into());
    let gone = id().prop_map(|topic_id| RemoveTopicRecord { topic_id }.into());
    let clear = name().prop_map(|topic_name| ClearElrRecord { topic_name }.into());
    let left = (0..4i32)
        .prop_map(|broker_id| UnregisterBrokerRecord { broker_id, ..Default::default() }.into());
    prop_oneof![
        4 => topic, 1 => gone, 1 => clear, 6 => partition(), 6 => partition_change(),
        3 => broker(), 2 => broker_change(), 1 => left, 8 => small(),
    ]
}

/// Those that follow one another, and the image that they make.
fn follow(base: &Image, records: Vec<MetadataRecord>) -> (Vec<MetadataRecord>, Image, Changes) {
    let (mut image, mut all) = (base.clone(), Changes::default());
    let (mut taken, mut offset) = (Vec::new(), base.end_offset());
    for record in records {
        let mut delta = Delta::new(&image);
        if delta.replay(&record).is_ok() {
            offset += 1;
            let (next, changes) = delta.finish(offset);
            image = next;
            all = all.then(changes);
            taken.push(record);
        }
    }
    (taken, image, all)
}

fn at_level(level: MetadataVersion) -> MetadataRecord {
    let name = MetadataVersion::FEATURE.to_owned();
    FeatureLevelRecord { name, feature_level: level.level() }.into()
}

fn remade(image: &Image, level: MetadataVersion) -> Image {
    let mut delta = Delta::new(&Image::default());
    for record in image.records(level) {
        let encoded = record.encode_at(level).unwrap();
        assert_eq!(MetadataRecord::decode(encoded).as_ref(), Ok(&record));
        delta.replay(&record).unwrap();
    }
    delta.finish(image.end_offset()).0
}

proptest! {
    #[test]
    fn an_image_is_what_its_records_make(records in vec(record(), 0..60)) {
        let first = vec![at_level(MetadataVersion::LATEST)];
        let (_, image, _) = follow(&Image::default(), [first, records].concat());
        prop_assert_eq!(&remade(&image, MetadataVersion::LATEST), &image);
        prop_assert!(image.losses(MetadataVersion::LATEST).is_empty());
    }

    #[test]
    fn at_each_level_the_records_make_the_image_or_the_loss_is_told(
        records in vec(record(), 0..40),
    ) {
        for level in MetadataVersion::all() {
            let first = vec![at_level(level)];
            let (_, image, _) = follow(&Image::default(), [first, records.clone()].concat());
            let losses = image.losses(level);
            let same = remade(&image, level) == image;
            prop_assert_eq!(same, losses.is_empty(), "{:?}: {:?}", level, losses);
        }
    }

    #[test]
    fn changes_name_all_that_differs(
        before in vec(record(), 0..40),
        after in vec(record(), 0..20),
    ) {
        let (_, base, _) = follow(&Image::default(), before);
        let (_, next, told) = follow(&base, after);
        let found = Changes::between(&base, &next);
        for (id, partitions) in &found.topics {
            prop_assert!(partitions.is_subset(&told.topics[id]));
        }
        let deleted = |changes: &Changes| -> Vec<Uuid> {
            changes.deleted.iter().map(|topic| topic.id).collect()
        };
        let gone = deleted(&told);
        prop_assert!(deleted(&found).iter().all(|id| gone.contains(id)));
        prop_assert!(found.configs.is_subset(&told.configs));
        prop_assert!(found.brokers.is_subset(&told.brokers));
        prop_assert!(found.controllers.is_subset(&told.controllers));
        prop_assert!(found.features.is_subset(&told.features));
        prop_assert!(found.quotas.is_subset(&told.quotas));
        prop_assert!(found.acls.is_subset(&told.acls));
        prop_assert!(found.scram.is_subset(&told.scram));
        prop_assert!(found.tokens.is_subset(&told.tokens));
        prop_assert!(told.producer_ids || !found.producer_ids);
        prop_assert!(Changes::between(&next, &next.clone()).is_empty());
    }

    #[test]
    fn a_transaction_is_taken_in_at_its_end_or_not_at_all(
        before in vec(record(), 0..20),
        within in vec(record(), 0..20),
        cut in 0..20usize,
        aborts in any::<bool>(),
    ) {
        let (_, base, _) = follow(&Image::default(), before);
        let (within, expected, told) = follow(&base, within);
        let mut delta = Delta::new(&base);
        delta.replay(&BeginTransactionRecord::default().into()).unwrap();
        let mut changes = Changes::default();
        for (index, record) in within.iter().enumerate() {
            if index == cut {
                // A reader may see the log in the middle of it.
                let (image, so_far) = delta.finish(base.end_offset());
                prop_assert!(image.is_in_transaction());
                prop_assert_eq!(&without_transaction(&image), &base);
                changes = changes.then(so_far);
                delta = Delta::new(&image);
            }
            delta.replay(record).unwrap();
        }
        let end: MetadataRecord = match aborts {
            true => AbortTransactionRecord::default().into(),
            false => EndTransactionRecord::default().into(),
        };
        delta.replay(&end).unwrap();
        let end_offset = if aborts { base.end_offset() } else { expected.end_offset() };
        let (image, rest) = delta.finish(end_offset);
        let changes = changes.then(rest);
        match aborts {
            true => prop_assert!(image == base && changes.is_empty()),
            false => prop_assert!(image == expected && changes == told),
        }
    }
}

fn without_transaction(image: &Image) -> Image {
    Image { transaction: None, ..image.clone() }
}

#[test]
fn each_loss_has_words() {
    let told: Vec<_> = [Loss::LogDirs, Loss::Directories].iter().map(Loss::to_string).collect();
    assert_eq!(told, ["the log dirs of brokers", "the log dirs of replicas"]);
}
