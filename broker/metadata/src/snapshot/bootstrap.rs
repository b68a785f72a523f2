//! `bootstrap.checkpoint`: what `kafka-storage format` leaves in a log dir for the first active
//! controller of a new cluster to write into the log.

use std::collections::BTreeMap;

use bytes::Bytes;
use protocol::messages::FeatureLevelRecord;
use thiserror::Error;

use super::{SnapshotError, SnapshotHead, SnapshotPart, SnapshotReader};
use super::{SnapshotWriteError, SnapshotWriter};
use crate::feature::{Feature, FeatureError};
use crate::records::MetadataRecord;
use crate::version::{MetadataVersion, UnknownLevel};

/// What the file is called, in each log dir.
pub const BOOTSTRAP_FILE: &str = "bootstrap.checkpoint";

/// Why a file says nothing to begin with.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BootstrapError {
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    #[error("{BOOTSTRAP_FILE} has no FeatureLevelRecord of metadata.version")]
    NoMetadataVersion,
    #[error("{BOOTSTRAP_FILE}: {0}")]
    MetadataVersion(#[from] UnknownLevel),
}

/// The records with which a cluster begins.
#[derive(Clone, Debug, PartialEq)]
pub struct Bootstrap {
    level: MetadataVersion,
    records: Vec<MetadataRecord>,
}

impl Bootstrap {
    /// The features of a new cluster: those that are named in `levels`, and for the others the
    /// levels that come with `level`. `kraft.version` is no record of the metadata; it is checked
    /// like the others, and left out.
    pub fn new(
        level: MetadataVersion,
        levels: &BTreeMap<String, i16>,
    ) -> Result<Self, FeatureError> {
        let mut all = BTreeMap::new();
        for feature in Feature::ALL {
            all.insert(feature.name().to_owned(), feature.default_level(level));
        }
        for (name, wanted) in levels {
            Feature::from_name(name)?;
            all.insert(name.clone(), *wanted);
        }
        all.insert(MetadataVersion::FEATURE.to_owned(), level.level());
        for feature in Feature::ALL {
            feature.check(all[feature.name()], &all)?;
        }
        let first = Feature::MetadataVersion.name();
        all.remove(Feature::KRaftVersion.name());
        let others = all.into_iter().filter(|(name, level)| name != first && *level > 0);
        let levels = std::iter::once((first.to_owned(), level.level())).chain(others);
        let record = |(name, feature_level)| FeatureLevelRecord { name, feature_level }.into();
        Ok(Self { level, records: levels.map(record).collect() })
    }

    /// Adds further records, as of the passwords with which brokers come to know each other.
    #[must_use]
    pub fn with(mut self, records: impl IntoIterator<Item = MetadataRecord>) -> Self {
        self.records.extend(records);
        self
    }

    /// The `metadata.version` of the new cluster.
    pub fn level(&self) -> MetadataVersion {
        self.level
    }

    pub fn records(&self) -> &[MetadataRecord] {
        &self.records
    }

    /// Reads the bytes of the file.
    pub fn read(bytes: &Bytes) -> Result<Self, BootstrapError> {
        let mut records = Vec::new();
        for part in SnapshotReader::new(bytes) {
            if let SnapshotPart::Records { batch, .. } = part? {
                records.extend(batch.records);
            }
        }
        let levels = records.iter().filter_map(|record| match record {
            MetadataRecord::FeatureLevel(feature) if feature.name == MetadataVersion::FEATURE => {
                Some(feature.feature_level)
            }
            _ => None,
        });
        // Of several the last one would hold after a replay.
        let level = levels.last().ok_or(BootstrapError::NoMetadataVersion)?;
        Ok(Self { level: MetadataVersion::from_level(level)?, records })
    }

    /// The bytes of the file.
    pub fn write(&self, now_ms: i64) -> Result<Bytes, SnapshotWriteError> {
        let head = SnapshotHead { now_ms, ..SnapshotHead::default() };
        let mut file = Vec::new();
        for batch in SnapshotWriter::new(head, self.level, self.records.iter().cloned()) {
            file.extend_from_slice(&batch?);
        }
        Ok(Bytes::from(file))
    }
}
