//! Partitions that are made: who may hold them, who is in sync, and who leads.

use broker_metadata::placement::Candidate;
use broker_metadata::{Image, MetadataRecord, MetadataVersion};
use protocol::messages::PartitionRecord;
use thiserror::Error;
use uuid::Uuid;

use super::cluster::{default_dir, is_active};

/// No broker of an assignment could lead.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "All brokers specified in the manual partition assignment for partition {partition} are fenced \
     or in controlled shutdown."
)]
pub struct NobodyActive {
    pub partition: i32,
}

/// Brokers that new replicas may be placed on: those that do not shut down and have a log dir that
/// takes new replicas; those that are fenced are said to be.
pub fn usable_brokers(image: &Image) -> Vec<Candidate> {
    let usable = image.brokers().filter(|broker| {
        let is_leaving = broker.in_controlled_shutdown;
        !is_leaving && broker.has_uncordoned_dir()
    });
    let candidates = usable.map(|broker| Candidate {
        id: broker.id,
        rack: broker.rack.clone(),
        is_fenced: broker.fenced,
    });
    candidates.collect()
}

/// The records of partitions with these replicas, numbered from `first` on. Who is active is in
/// sync, and the first of them leads.
pub fn new_partitions(
    image: &Image,
    topic_id: Uuid,
    first: i32,
    all: &[Vec<i32>],
) -> Result<Vec<MetadataRecord>, NobodyActive> {
    let level = image.metadata_version().unwrap_or(MetadataVersion::LATEST);
    let records = (first..).zip(all).map(|(partition_id, replicas)| {
        let active = replicas.iter().copied().filter(|id| is_active(image, *id));
        let isr: Vec<i32> = active.collect();
        let leader = *isr.first().ok_or(NobodyActive { partition: partition_id })?;
        let dirs = replicas.iter().map(|id| default_dir(image, *id));
        Ok(MetadataRecord::Partition(PartitionRecord {
            partition_id,
            topic_id,
            replicas: replicas.clone(),
            isr,
            leader,
            leader_epoch: 0,
            partition_epoch: 0,
            directories: if level.has_directories() { dirs.collect() } else { Vec::new() },
            ..PartitionRecord::default()
        }))
    });
    records.collect()
}
