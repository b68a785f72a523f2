//! The features of a cluster (KIP-584): what they are called, which levels there are, which of
//! them a new cluster begins with, and what each needs of the others.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;

use thiserror::Error;

use crate::version::{MetadataVersion, UnknownLevel};

/// A feature of Kafka 4.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Feature {
    /// The format of the metadata.
    MetadataVersion,
    /// 1: the log says who votes (KIP-853). It is told by control records, not by the metadata's.
    KRaftVersion,
    /// 1: transactions whose state has tagged fields; 2: an epoch a transaction (KIP-890).
    TransactionVersion,
    /// 1: groups of the consumer protocol (KIP-848).
    GroupVersion,
    /// 1: eligible leader replicas (KIP-966).
    EligibleLeaderReplicasVersion,
    /// 1: share groups (KIP-932).
    ShareVersion,
    /// 1: streams groups (KIP-1071).
    StreamsVersion,
}

const NEEDED_BY_ELR: &[(Feature, i16)] =
    &[(Feature::MetadataVersion, MetadataVersion::V4_0_IV1.level())];

/// Why a feature can't be at a level.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FeatureError {
    #[error("no feature is called {name}: there are {}", names())]
    UnknownName { name: String },
    #[error(transparent)]
    UnknownMetadataVersion(#[from] UnknownLevel),
    #[error(
        "{feature} has the levels {} to {}, not {level}",
        feature.levels().start(), feature.levels().end()
    )]
    UnknownLevel { feature: Feature, level: i16 },
    #[error("{feature} can't be at {level}: that needs {needed} at {needed_level} or above")]
    Needs { feature: Feature, level: i16, needed: Feature, needed_level: i16 },
}

fn names() -> String {
    let names: Vec<_> = Feature::ALL.iter().map(|feature| feature.name()).collect();
    names.join(", ")
}

impl Feature {
    /// In the order in which Kafka's tools list them.
    pub const ALL: [Self; 7] = [
        Self::MetadataVersion,
        Self::KRaftVersion,
        Self::TransactionVersion,
        Self::GroupVersion,
        Self::EligibleLeaderReplicasVersion,
        Self::ShareVersion,
        Self::StreamsVersion,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::MetadataVersion => MetadataVersion::FEATURE,
            Self::KRaftVersion => "kraft.version",
            Self::TransactionVersion => "transaction.version",
            Self::GroupVersion => "group.version",
            Self::EligibleLeaderReplicasVersion => "eligible.leader.replicas.version",
            Self::ShareVersion => "share.version",
            Self::StreamsVersion => "streams.version",
        }
    }

    pub fn from_name(name: &str) -> Result<Self, FeatureError> {
        let found = Self::ALL.into_iter().find(|feature| feature.name() == name);
        found.ok_or_else(|| FeatureError::UnknownName { name: name.to_owned() })
    }

    /// The levels that there are. Level 0 is the same as no level at all.
    pub fn levels(self) -> RangeInclusive<i16> {
        match self {
            Self::MetadataVersion => MetadataVersion::MIN.level()..=MetadataVersion::LATEST.level(),
            Self::TransactionVersion => 0..=2,
            _ => 0..=1,
        }
    }

    /// From which level of the metadata on new clusters begin with the feature at its newest level.
    fn begins_with(self) -> MetadataVersion {
        match self {
            Self::MetadataVersion => MetadataVersion::MIN,
            Self::KRaftVersion => MetadataVersion::V3_9_IV0,
            Self::TransactionVersion => MetadataVersion::V4_0_IV2,
            Self::GroupVersion => MetadataVersion::V4_0_IV0,
            Self::EligibleLeaderReplicasVersion => MetadataVersion::V4_1_IV0,
            Self::ShareVersion => MetadataVersion::V4_2_IV0,
            Self::StreamsVersion => MetadataVersion::V4_2_IV1,
        }
    }

    /// The level at which a new cluster of that `metadata.version` begins.
    pub fn default_level(self, metadata: MetadataVersion) -> i16 {
        match self {
            Self::MetadataVersion => metadata.level(),
            feature if metadata >= feature.begins_with() => *feature.levels().end(),
            feature => *feature.levels().start(),
        }
    }

    /// What must be at which level, or above, for this feature to be at `level`.
    pub fn needs(self, level: i16) -> &'static [(Self, i16)] {
        match self {
            Self::EligibleLeaderReplicasVersion if level >= 1 => NEEDED_BY_ELR,
            _ => &[],
        }
    }

    /// Whether the feature may be at `level` beside the levels of the others, by their names.
    pub fn check(self, level: i16, others: &BTreeMap<String, i16>) -> Result<(), FeatureError> {
        if self == Self::MetadataVersion {
            MetadataVersion::from_level(level)?;
        } else if !self.levels().contains(&level) {
            return Err(FeatureError::UnknownLevel { feature: self, level });
        }
        let at_all = (Self::MetadataVersion, MetadataVersion::MIN.level());
        let at_all = (self != Self::MetadataVersion && level >= 1).then_some(at_all);
        for (needed, needed_level) in at_all.into_iter().chain(self.needs(level).iter().copied()) {
            if others.get(needed.name()).is_none_or(|found| *found < needed_level) {
                return Err(FeatureError::Needs { feature: self, level, needed, needed_level });
            }
        }
        Ok(())
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The levels of transactions, groups, eligible leader replicas, share and streams groups,
    /// and of KRaft, with which `kafka-storage version-mapping` says that a cluster begins.
    #[test]
    fn a_new_cluster_begins_with_the_levels_that_kafka_gives_it() {
        let expected = |level: i16| match level {
            ..=20 => [0, 0, 0, 0, 0, 0],
            21 => [1, 0, 0, 0, 0, 0],
            22..=23 => [1, 0, 1, 0, 0, 0],
            24..=25 => [1, 2, 1, 0, 0, 0],
            26..=27 => [1, 2, 1, 1, 0, 0],
            28 => [1, 2, 1, 1, 1, 0],
            _ => [1, 2, 1, 1, 1, 1],
        };
        for version in MetadataVersion::all() {
            let found: Vec<_> = Feature::ALL.iter().map(|one| one.default_level(version)).collect();
            assert_eq!(found[0], version.level());
            assert_eq!(found[1..], expected(version.level()), "{version}");
        }
    }

    #[test]
    fn features_are_found_by_name_and_checked_beside_each_other() {
        for feature in Feature::ALL {
            assert_eq!(Feature::from_name(feature.name()), Ok(feature));
        }
        let unknown = Feature::from_name("queue.version").unwrap_err().to_string();
        assert!(unknown.starts_with("no feature is called queue.version: there are metadata."));

        let levels = |level: i16| BTreeMap::from([("metadata.version".to_owned(), level)]);
        let elr = Feature::EligibleLeaderReplicasVersion;
        assert_eq!(elr.check(1, &levels(23)), Ok(()));
        let refused = elr.check(1, &levels(22)).unwrap_err().to_string();
        let text = "eligible.leader.replicas.version can't be at 1: that needs metadata.version \
                    at 23 or above";
        assert_eq!(refused, text);
        assert_eq!(elr.check(0, &BTreeMap::new()), Ok(()));
        assert!(Feature::GroupVersion.check(1, &BTreeMap::new()).is_err());
        let refused = Feature::TransactionVersion.check(3, &levels(30)).unwrap_err().to_string();
        assert_eq!(refused, "transaction.version has the levels 0 to 2, not 3");
        assert!(Feature::MetadataVersion.check(31, &levels(30)).is_err());
        assert_eq!(Feature::MetadataVersion.check(30, &BTreeMap::new()), Ok(()));
    }
}
