//! What decisions ask of an image.

use std::fmt::Display;
use std::str::FromStr;

use broker_metadata::{
    BrokerImage, ConfigResource, Feature, Image, MetadataVersion, PartitionImage, TopicImage,
    directory,
};
use protocol::ErrorCode;
use uuid::Uuid;

use super::ControllerSettings;

/// An image, and what the file of this node says where the image says nothing.
pub(super) struct Cluster<'a> {
    pub(super) image: &'a Image,
    settings: &'a ControllerSettings,
    node: String,
    pub(super) level: MetadataVersion,
    /// Whether replicas that left the ISR below `min.insync.replicas` may lead (KIP-966).
    pub(super) has_elr: bool,
}

impl<'a> Cluster<'a> {
    pub(super) fn new(image: &'a Image, settings: &'a ControllerSettings) -> Self {
        let elr = image.features().get(Feature::EligibleLeaderReplicasVersion.name());
        Self {
            image,
            settings,
            node: settings.node_id.to_string(),
            level: image.metadata_version().unwrap_or(MetadataVersion::LATEST),
            has_elr: elr.is_some_and(|level| *level >= 1),
        }
    }

    /// Whether the broker may lead and be in sync: registered, not fenced, and not about to leave.
    pub(super) fn is_active(&self, id: i32) -> bool {
        is_active(self.image, id)
    }

    /// The registration with which a broker speaks.
    pub(super) fn registered(&self, id: i32, epoch: i64) -> Result<&'a BrokerImage, ErrorCode> {
        let broker = self.image.broker(id).map(|broker| &**broker);
        broker.filter(|broker| broker.epoch == epoch).ok_or(ErrorCode::StaleBrokerEpoch)
    }

    /// Where a new replica of a broker lies, as far as it is not the broker's own choice.
    pub(super) fn default_dir(&self, id: i32) -> Uuid {
        default_dir(self.image, id)
    }

    /// `min.insync.replicas` of a partition, as its leader takes it: no more than it has replicas.
    /// (Kafka's controller counts the replicas of the topic's first partition.)
    pub(super) fn min_isr(&self, topic: &TopicImage, partition: &PartitionImage) -> usize {
        let wanted = self.setting(topic, "min.insync.replicas");
        let wanted = wanted.unwrap_or(self.settings.min_insync_replicas);
        usize::try_from(wanted).unwrap_or(0).min(partition.replicas.len())
    }

    /// Whether a replica of the topic may lead that may lack committed records.
    pub(super) fn allows_unclean_leaders(&self, topic: &TopicImage) -> bool {
        let allowed = self.setting(topic, "unclean.leader.election.enable");
        allowed.unwrap_or(self.settings.unclean_leader_election)
    }

    /// As the topic, this node or the whole cluster has it, in this order.
    fn setting<T: FromStr<Err: Display>>(&self, topic: &TopicImage, key: &str) -> Option<T> {
        let layers = [
            (ConfigResource::Topic, &*topic.name),
            (ConfigResource::Broker, self.node.as_str()),
            (ConfigResource::Broker, ""),
        ];
        let mut found =
            layers.into_iter().filter_map(|(kind, name)| self.image.configs(kind, name)?.get(key));
        // What can't be read was checked by whoever set it, and then means nothing.
        found.next().and_then(|value| value.trim().parse().ok())
    }

    /// All partitions, by the names of their topics and their numbers.
    pub(super) fn partitions(
        &self,
    ) -> impl Iterator<Item = (&'a TopicImage, i32, &'a PartitionImage)> + use<'a> {
        self.image.topics().flat_map(|topic| {
            let partitions = (0..).zip(topic.partitions.iter());
            partitions.map(move |(index, partition)| (&**topic, index, &**partition))
        })
    }
}

/// See [`Cluster::is_active`].
pub(super) fn is_active(image: &Image, id: i32) -> bool {
    let broker = image.broker(id);
    broker.is_some_and(|broker| !broker.fenced && !broker.in_controlled_shutdown)
}

/// See [`Cluster::default_dir`].
pub(super) fn default_dir(image: &Image, id: i32) -> Uuid {
    match image.broker(id).map(|broker| broker.log_dirs.as_slice()) {
        Some([]) => directory::MIGRATING,
        Some([only]) => *only,
        _ => directory::UNASSIGNED,
    }
}
