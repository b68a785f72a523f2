//! From an image back to records: those that make it, at some level of the metadata.

use std::collections::BTreeSet;
use std::fmt;

use protocol::messages::{ConfigRecord, FeatureLevelRecord, ProducerIdsRecord, TopicRecord};

use crate::image::{Image, TopicImage};
use crate::records::MetadataRecord;
use crate::version::MetadataVersion;

/// Something that the records of a level can't say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loss {
    /// Which brokers are being migrated from ZooKeeper.
    MigratingBrokers,
    /// Which log dirs brokers have.
    LogDirs,
    /// Which log dirs take no new replicas.
    CordonedLogDirs,
    /// The registrations of controllers.
    Controllers,
    /// In which log dirs replicas lie.
    Directories,
    /// Who may lead without being in sync.
    EligibleLeaderReplicas,
    /// The passwords of users.
    ScramCredentials,
    DelegationTokens,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MigratingBrokers => "which brokers are being migrated from ZooKeeper",
            Self::LogDirs => "the log dirs of brokers",
            Self::CordonedLogDirs => "the cordoned log dirs of brokers",
            Self::Controllers => "the registrations of controllers",
            Self::Directories => "the log dirs of replicas",
            Self::EligibleLeaderReplicas => "the eligible leader replicas of partitions",
            Self::ScramCredentials => "the SCRAM credentials of users",
            Self::DelegationTokens => "the delegation tokens",
        })
    }
}

impl Image {
    /// Records that make this image when they are replayed on an empty one, in Kafka's order:
    /// features, brokers, controllers, topics with their partitions, settings, quotas, producer
    /// ids, ACLs, passwords, tokens. Each can be written by
    /// [`encode_at`](MetadataRecord::encode_at) that level.
    ///
    /// `metadata.version` will be `level`; what that level can't say is left out, and told by
    /// [`losses`](Self::losses). The records of a transaction that has not ended are not there.
    pub fn records(&self, level: MetadataVersion) -> impl Iterator<Item = MetadataRecord> + '_ {
        let brokers = self.brokers.values();
        let brokers = brokers.map(move |broker| broker.to_record(level).into());
        let controllers = self.controllers.values();
        let controllers = controllers.filter(move |_| level.has_controller_registrations());
        let topics = self.topics();
        let producer_ids = (self.next_producer_id > 0).then(|| {
            // Whom the last block was given to is not a part of the image.
            let next_producer_id = self.next_producer_id;
            ProducerIdsRecord { broker_id: -1, broker_epoch: -1, next_producer_id }.into()
        });
        let acls = self.acls.iter().map(|(id, acl)| acl.to_record(*id).into());
        self.feature_records(level)
            .chain(brokers)
            .chain(controllers.map(|controller| controller.to_record().into()))
            .chain(topics.flat_map(move |topic| topic_records(topic, level)))
            .chain(self.config_records())
            .chain(self.quota_records())
            .chain(producer_ids)
            .chain(acls)
            .chain(self.password_records().filter(move |_| level.has_scram()))
            .chain(self.token_records().filter(move |_| level.has_delegation_tokens()))
    }

    fn feature_records(&self, level: MetadataVersion) -> impl Iterator<Item = MetadataRecord> + '_ {
        let record =
            |name: &str, feature_level| FeatureLevelRecord { name: name.to_owned(), feature_level };
        let others = self.features.iter().filter(|(name, _)| *name != MetadataVersion::FEATURE);
        let others = others.map(move |(name, level)| record(name, *level).into());
        // First of all, so that a reader knows what may follow.
        std::iter::once(record(MetadataVersion::FEATURE, level.level()).into()).chain(others)
    }

    fn config_records(&self) -> impl Iterator<Item = MetadataRecord> + '_ {
        self.configs.iter().flat_map(|(resource, resource_name, configs)| {
            configs.iter().map(move |(name, value)| {
                let record = ConfigRecord {
                    resource_type: resource.code(),
                    resource_name: resource_name.to_string(),
                    name: name.clone(),
                    value: Some(value.clone()),
                };
                record.into()
            })
        })
    }

    fn quota_records(&self) -> impl Iterator<Item = MetadataRecord> + '_ {
        self.quotas.iter().flat_map(|(entity, quotas)| {
            quotas.iter().map(|(key, value)| entity.to_record(key, *value).into())
        })
    }

    fn password_records(&self) -> impl Iterator<Item = MetadataRecord> + '_ {
        let credentials = self.scram_credentials();
        credentials.map(|(mechanism, user, found)| found.to_record(mechanism, user).into())
    }

    fn token_records(&self) -> impl Iterator<Item = MetadataRecord> + '_ {
        self.tokens.iter().map(|(id, token)| token.to_record(id).into())
    }

    /// What [`records`](Self::records) of a level leave out. Empty at the image's own level,
    /// unless somebody brought it to that level with a loss.
    pub fn losses(&self, level: MetadataVersion) -> BTreeSet<Loss> {
        let mut losses = BTreeSet::new();
        let mut note = |loss, is_lost: bool| {
            if is_lost {
                losses.insert(loss);
            }
        };
        for broker in self.brokers() {
            let is_migrating = broker.is_migrating_zk_broker && !level.has_zk_migration();
            note(Loss::MigratingBrokers, is_migrating);
            let has_dirs = !broker.log_dirs.is_empty();
            note(Loss::LogDirs, has_dirs && !level.has_directories());
            let has_cordoned = broker.cordoned_log_dirs.is_some();
            note(Loss::CordonedLogDirs, has_cordoned && !level.has_cordoned_directories());
        }
        let has_controllers = !self.controllers.is_empty();
        note(Loss::Controllers, has_controllers && !level.has_controller_registrations());
        note(Loss::ScramCredentials, !self.scram.is_empty() && !level.has_scram());
        note(Loss::DelegationTokens, !self.tokens.is_empty() && !level.has_delegation_tokens());
        if level.has_eligible_leader_replicas() {
            return losses;
        }
        for (_, partition) in self.topics().flat_map(|topic| topic.all()) {
            note(Loss::Directories, !partition.is_migrating() && !level.has_directories());
            let has_elr = !partition.eligible_leader_replicas.is_empty();
            note(Loss::EligibleLeaderReplicas, has_elr || !partition.last_known_elr.is_empty());
        }
        losses
    }
}

fn topic_records(
    topic: &TopicImage,
    level: MetadataVersion,
) -> impl Iterator<Item = MetadataRecord> + '_ {
    let named = TopicRecord { name: topic.name.to_string(), topic_id: topic.id };
    let partitions = topic.all();
    let partitions =
        partitions.map(move |(index, one)| one.to_record(topic.id, index, level).into());
    std::iter::once(named.into()).chain(partitions)
}
