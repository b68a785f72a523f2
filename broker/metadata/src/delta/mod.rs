//! From one image to the next, record by record.

mod changes;
mod error;
mod nodes;
mod security;
mod topics;

use std::sync::Arc;

use protocol::messages::{ConfigRecord, FeatureLevelRecord};

pub use changes::Changes;
pub use error::ApplyError;

use crate::feature::Feature;
use crate::image::{ConfigResource, Image, Transaction};
use crate::records::MetadataRecord;
use crate::version::MetadataVersion;

/// An image in the making. Start from the last one, replay records, then finish.
///
/// Records between BeginTransaction and EndTransaction (KIP-868) are kept by the image, from one
/// delta to the next if need be, and taken in at the end of their transaction; those of one that
/// is aborted are dropped.
#[derive(Debug)]
pub struct Delta {
    image: Image,
    changes: Changes,
}

impl Delta {
    pub fn new(base: &Image) -> Self {
        Self { image: base.clone(), changes: Changes::default() }
    }

    /// The image so far.
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// Takes in one committed record. On an error the delta is of no further use.
    pub fn replay(&mut self, record: &MetadataRecord) -> Result<(), ApplyError> {
        match record {
            MetadataRecord::BeginTransaction(record) => {
                if self.image.transaction.is_some() {
                    return Err(ApplyError::NestedTransaction);
                }
                let name = record.name.as_deref().map(Arc::from);
                self.image.transaction = Some(Transaction { name, ..Transaction::default() });
            }
            MetadataRecord::EndTransaction(_) => {
                for record in &self.end("EndTransactionRecord")?.records {
                    self.apply(record)?;
                }
            }
            MetadataRecord::AbortTransaction(_) => {
                self.end("AbortTransactionRecord")?;
            }
            record => match &mut self.image.transaction {
                Some(transaction) => transaction.records.push_back(Arc::new(record.clone())),
                None => self.apply(record)?,
            },
        }
        Ok(())
    }

    /// The next image; `end_offset` is the offset after the last replayed record.
    pub fn finish(mut self, end_offset: i64) -> (Image, Changes) {
        self.image.end_offset = end_offset;
        (self.image, self.changes)
    }

    fn end(&mut self, record: &'static str) -> Result<Transaction, ApplyError> {
        self.image.transaction.take().ok_or(ApplyError::NoTransaction { record })
    }

    fn apply(&mut self, record: &MetadataRecord) -> Result<(), ApplyError> {
        use MetadataRecord as Record;
        match record {
            Record::RegisterBroker(record) => self.register_broker(record)?,
            Record::UnregisterBroker(record) => self.unregister_broker(record.broker_id),
            Record::BrokerRegistrationChange(record) => self.change_registration(record)?,
            Record::FenceBroker(record) => {
                self.fence("FenceBrokerRecord", record.id, record.epoch, true)?;
            }
            Record::UnfenceBroker(record) => {
                self.fence("UnfenceBrokerRecord", record.id, record.epoch, false)?;
            }
            Record::RegisterController(record) => self.register_controller(record)?,
            Record::Topic(record) => self.add_topic(record)?,
            Record::RemoveTopic(record) => self.remove_topic(record.topic_id)?,
            Record::Partition(record) => self.add_partition(record)?,
            Record::PartitionChange(record) => self.change_partition(record)?,
            Record::ClearElr(record) => self.clear_elr(&record.topic_name)?,
            Record::Config(record) => self.set_config(record)?,
            Record::FeatureLevel(record) => self.set_feature(record)?,
            Record::ClientQuota(record) => self.set_quota(record),
            Record::AccessControlEntry(record) => self.add_acl(record),
            Record::RemoveAccessControlEntry(record) => self.remove_acl(record.id)?,
            Record::UserScramCredential(record) => self.set_scram(record)?,
            Record::RemoveUserScramCredential(record) => self.remove_scram(record)?,
            Record::DelegationToken(record) => self.add_token(record),
            Record::RemoveDelegationToken(record) => self.remove_token(&record.token_id),
            Record::ProducerIds(record) => {
                self.image.next_producer_id = record.next_producer_id;
                self.changes.producer_ids = true;
            }
            // What a migration from ZooKeeper was at matters to nobody once there is none.
            Record::ZkMigrationState(_) | Record::NoOp(_) => {}
            Record::BeginTransaction(_)
            | Record::EndTransaction(_)
            | Record::AbortTransaction(_) => unreachable!("transactions are not nested"),
        }
        Ok(())
    }

    fn set_feature(&mut self, record: &FeatureLevelRecord) -> Result<(), ApplyError> {
        let (name, level) = (&record.name, record.feature_level);
        if name == Feature::KRaftVersion.name() {
            return Ok(());
        }
        if name == MetadataVersion::FEATURE {
            MetadataVersion::from_level(level)?;
        }
        let features = Arc::make_mut(&mut self.image.features);
        match level {
            0 => features.remove(name),
            level => features.insert(name.clone(), level),
        };
        self.changes.features.insert(name.clone());
        Ok(())
    }

    fn set_config(&mut self, record: &ConfigRecord) -> Result<(), ApplyError> {
        let code = record.resource_type;
        let resource =
            ConfigResource::from_code(code).ok_or(ApplyError::UnknownResource { code })?;
        let key = (resource, Arc::from(record.resource_name.as_str()));
        self.image.configs.set(&key, &record.name, record.value.as_deref());
        self.changes.configs.insert(key);
        Ok(())
    }
}

/// The image of a log that holds just `records`; for tests and tools.
pub fn replay_all(records: &[MetadataRecord]) -> Result<Image, ApplyError> {
    let mut delta = Delta::new(&Image::default());
    for record in records {
        delta.replay(record)?;
    }
    Ok(delta.finish(records.len() as i64).0)
}

#[cfg(test)]
mod tests;
