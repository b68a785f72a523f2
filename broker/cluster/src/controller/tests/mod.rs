//! A cluster whose controller decides and commits, with what has to hold after each step.

mod alter_partition;
mod brokers;
mod features;
mod invariants;
mod kafka;
mod moves;
mod partitions;
mod random;

use std::collections::BTreeMap;

use broker_metadata::{
    ConfigResource, Delta, Feature, FeatureRange, Image, MetadataRecord, MetadataVersion,
    PartitionImage,
};
use broker_raft::Now;
use protocol::ErrorCode;
use protocol::messages::broker_registration_request::{Feature as BrokerFeature, Listener};
use protocol::messages::{
    BrokerHeartbeatRequest, BrokerHeartbeatResponse, BrokerRegistrationRequest,
    BrokerRegistrationResponse, ConfigRecord, FeatureLevelRecord, PartitionRecord, TopicRecord,
};
use uuid::Uuid;

use super::*;

const TOPIC: Uuid = Uuid::from_u128(0xABCD_0000_0000_0001);
const TIMEOUT_MS: i64 = 9_000;

struct World {
    image: Image,
    liveness: Liveness,
    settings: ControllerSettings,
    elapsed_ms: i64,
}

impl World {
    fn new(level: MetadataVersion, has_elr: bool) -> Self {
        let all = Feature::ALL.iter();
        let ranges = all.map(|feature| {
            let (min, max) = (*feature.levels().start(), *feature.levels().end());
            (feature.name().to_owned(), FeatureRange { min, max })
        });
        let settings = ControllerSettings {
            own_broker: None,
            cluster_id: "c".to_owned(),
            node_id: 100,
            session_timeout_ms: TIMEOUT_MS,
            min_insync_replicas: 1,
            unclean_leader_election: false,
            features: ranges.collect(),
        };
        let image = Image::default();
        let mut world = Self { image, liveness: Liveness::default(), settings, elapsed_ms: 50_000 };
        world.set_feature(MetadataVersion::FEATURE, level.level());
        if has_elr {
            world.set_feature(Feature::EligibleLeaderReplicasVersion.name(), 1);
        }
        world
    }

    /// At the newest level, with brokers from 1 on that are registered and not fenced.
    fn with_brokers(count: i32, has_elr: bool) -> Self {
        let mut world = Self::new(MetadataVersion::LATEST, has_elr);
        for id in 1..=count {
            world.start_broker(id);
        }
        world
    }

    fn set_feature(&mut self, name: &str, feature_level: i16) {
        let record = FeatureLevelRecord { name: name.to_owned(), feature_level };
        self.commit(&[record.into()]);
    }

    fn set_config(&mut self, kind: ConfigResource, resource: &str, name: &str, value: &str) {
        let record = ConfigRecord {
            resource_type: kind.code(),
            resource_name: resource.to_owned(),
            name: name.to_owned(),
            value: Some(value.to_owned()),
        };
        self.commit(&[record.into()]);
    }

    /// A topic `t` with these replicas, all in sync, the first ones leading.
    fn create_topic(&mut self, partitions: &[&[i32]]) {
        let topic = TopicRecord { name: "t".to_owned(), topic_id: TOPIC };
        let mut records = vec![MetadataRecord::Topic(topic)];
        let has_dirs = self.image.metadata_version().unwrap().has_directories();
        for (index, replicas) in (0..).zip(partitions) {
            let dirs = replicas.iter().map(|id| dir(*id)).collect();
            records.push(MetadataRecord::Partition(PartitionRecord {
                partition_id: index,
                topic_id: TOPIC,
                replicas: replicas.to_vec(),
                isr: replicas.to_vec(),
                leader: replicas[0],
                leader_epoch: 0,
                partition_epoch: 0,
                directories: if has_dirs { dirs } else { Vec::new() },
                ..PartitionRecord::default()
            }));
        }
        self.commit(&records);
    }

    fn commit(&mut self, records: &[MetadataRecord]) {
        let mut delta = Delta::new(&self.image);
        for record in records {
            delta.replay(record).unwrap();
            let level = delta.image().metadata_version().unwrap();
            record.encode_at(level).unwrap();
        }
        let (next, _) = delta.finish(self.image.end_offset() + records.len() as i64);
        invariants::check(&self.image, &next, &self.settings, records);
        self.image = next;
    }

    /// Decides, commits, and gives what was decided.
    fn decide<R>(&mut self, decide: impl FnOnce(&mut View<'_>) -> Outcome<R>) -> Outcome<R> {
        let image = self.image.clone();
        let mut view = View {
            image: &image,
            next_offset: image.end_offset(),
            now: Now { timestamp_ms: 0, elapsed_ms: self.elapsed_ms },
            settings: &self.settings,
            liveness: &mut self.liveness,
        };
        let outcome = decide(&mut view);
        self.commit(&outcome.records);
        outcome
    }

    fn register(&mut self, request: &BrokerRegistrationRequest) -> BrokerRegistrationResponse {
        self.decide(|view| broker_registration(view, request)).response
    }

    fn heartbeat(&mut self, request: &BrokerHeartbeatRequest) -> BrokerHeartbeatResponse {
        self.decide(|view| broker_heartbeat(view, request)).response
    }

    /// What a broker says that is well and has all metadata.
    fn beat(&self, id: i32) -> BrokerHeartbeatRequest {
        BrokerHeartbeatRequest {
            broker_id: id,
            broker_epoch: self.image.broker(id).map_or(-1, |broker| broker.epoch),
            current_metadata_offset: self.image.end_offset() - 1,
            ..BrokerHeartbeatRequest::default()
        }
    }

    fn start_broker(&mut self, id: i32) {
        let response = self.register(&registration(id, u128::from(id.unsigned_abs())));
        assert_eq!(response.error_code, ErrorCode::None);
        let request = self.beat(id);
        assert!(!self.heartbeat(&request).is_fenced);
    }

    /// Time passes in which only these brokers are heard of; then sessions end.
    fn only_hear(&mut self, ids: &[i32]) {
        for _ in 0..2 {
            self.elapsed_ms += TIMEOUT_MS / 2;
            for id in ids {
                let request = self.beat(*id);
                self.heartbeat(&request);
            }
        }
        self.decide(tick);
    }

    fn partition(&self, index: i32) -> &PartitionImage {
        self.image.topic("t").unwrap().partition(index).unwrap()
    }

    /// Leader, ISR and epochs.
    fn state(&self, index: i32) -> (i32, Vec<i32>, i32, i32) {
        let one = self.partition(index);
        (one.leader, one.isr.clone(), one.leader_epoch, one.partition_epoch)
    }

    fn elr(&self, index: i32) -> (Vec<i32>, Vec<i32>) {
        let one = self.partition(index);
        (one.eligible_leader_replicas.clone(), one.last_known_elr.clone())
    }
}

/// The only log dir of a broker.
fn dir(id: i32) -> Uuid {
    Uuid::from_u128(0x1000 + u128::from(id.unsigned_abs()))
}

fn registration(id: i32, incarnation: u128) -> BrokerRegistrationRequest {
    let features = Feature::ALL.iter().map(|feature| BrokerFeature {
        name: feature.name().to_owned(),
        min_supported_version: *feature.levels().start(),
        max_supported_version: *feature.levels().end(),
    });
    BrokerRegistrationRequest {
        broker_id: id,
        cluster_id: "c".to_owned(),
        incarnation_id: Uuid::from_u128(0x7000_0000 + incarnation),
        listeners: vec![Listener {
            name: "PLAINTEXT".to_owned(),
            host: "h".to_owned(),
            port: 9092,
            security_protocol: 0,
        }],
        features: features.collect(),
        log_dirs: vec![dir(id)],
        ..BrokerRegistrationRequest::default()
    }
}

fn levels() -> BTreeMap<MetadataVersion, bool> {
    MetadataVersion::all().map(|level| (level, level.has_eligible_leader_replicas())).collect()
}
