//! `metadata.version`: which level of the metadata's format a cluster works at (KIP-778).

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A level of the metadata, by the release of Kafka that brought it.
///
/// Levels are ordered: what one allows, all later ones do. A cluster writes no record and no field
/// that its level does not have, so that its oldest node can replay the log.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MetadataVersion(i16);

struct Row {
    name: &'static str,
    /// Whether going to this level from the one before it, or back, changes what records hold.
    changes_records: bool,
}

const fn row(name: &'static str, changes_records: bool) -> Row {
    Row { name, changes_records }
}

/// From [`MetadataVersion::MIN`] on, one level a row.
const ROWS: [Row; 24] = [
    row("3.3-IV3", true),
    row("3.4-IV0", true),
    row("3.5-IV0", false),
    row("3.5-IV1", false),
    row("3.5-IV2", true),
    row("3.6-IV0", false),
    row("3.6-IV1", true),
    row("3.6-IV2", true),
    row("3.7-IV0", true),
    row("3.7-IV1", false),
    row("3.7-IV2", true),
    row("3.7-IV3", false),
    row("3.7-IV4", false),
    row("3.8-IV0", false),
    row("3.9-IV0", false),
    row("4.0-IV0", false),
    row("4.0-IV1", true),
    row("4.0-IV2", false),
    row("4.0-IV3", false),
    row("4.1-IV0", false),
    row("4.1-IV1", false),
    row("4.2-IV0", false),
    row("4.2-IV1", false),
    row("4.3-IV0", true),
];

/// A level that is not one of those from [`MetadataVersion::MIN`] to [`MetadataVersion::LATEST`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "metadata.version {level} is not known: levels go from {} ({}) to {} ({})",
    MetadataVersion::MIN.level(), MetadataVersion::MIN,
    MetadataVersion::LATEST.level(), MetadataVersion::LATEST
)]
pub struct UnknownLevel {
    pub level: i16,
}

/// A text that names no release and no level.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("no metadata.version is called '{text}': there are {}", names())]
pub struct UnknownVersion {
    pub text: String,
}

fn names() -> String {
    let names: Vec<_> = ROWS.iter().map(|row| row.name).collect();
    names.join(", ")
}

impl MetadataVersion {
    /// KRaft with all that a cluster needs; what is older can't be taken over.
    pub const V3_3_IV3: Self = Self(7);
    /// Migration from ZooKeeper (KIP-866).
    pub const V3_4_IV0: Self = Self(8);
    /// Tiered storage in Fetch and ListOffsets (KIP-405).
    pub const V3_5_IV0: Self = Self(9);
    /// Epochs of followers in Fetch (KIP-903).
    pub const V3_5_IV1: Self = Self(10);
    /// SCRAM credentials in the metadata (KIP-900).
    pub const V3_5_IV2: Self = Self(11);
    /// A leader epoch is no longer raised when only the ISR shrinks.
    pub const V3_6_IV0: Self = Self(12);
    /// Metadata transactions (KIP-868).
    pub const V3_6_IV1: Self = Self(13);
    /// Delegation tokens in the metadata (KIP-48).
    pub const V3_6_IV2: Self = Self(14);
    /// Registrations of controllers (KIP-919).
    pub const V3_7_IV0: Self = Self(15);
    /// Reserved.
    pub const V3_7_IV1: Self = Self(16);
    /// Several log dirs a broker (KIP-858).
    pub const V3_7_IV2: Self = Self(17);
    /// Reserved.
    pub const V3_7_IV3: Self = Self(18);
    /// The new leader in answers to Produce and Fetch (KIP-951).
    pub const V3_7_IV4: Self = Self(19);
    /// Reserved.
    pub const V3_8_IV0: Self = Self(20);
    /// Voters that change (KIP-853).
    pub const V3_9_IV0: Self = Self(21);
    /// The consumer protocol of groups (KIP-848).
    pub const V4_0_IV0: Self = Self(22);
    /// Eligible leader replicas (KIP-966).
    pub const V4_0_IV1: Self = Self(23);
    /// Transactions with a check of the epoch at the server (KIP-890).
    pub const V4_0_IV2: Self = Self(24);
    /// A time limit in ListOffsets, for offsets that remote storage has to find (KIP-1075).
    pub const V4_0_IV3: Self = Self(25);
    /// Eligible leader replicas from the start, for new clusters.
    pub const V4_1_IV0: Self = Self(26);
    /// The high watermark in Fetch, for replicas that wait (KIP-1166).
    pub const V4_1_IV1: Self = Self(27);
    /// Share groups from the start, for new clusters (KIP-932).
    pub const V4_2_IV0: Self = Self(28);
    /// Streams groups from the start, for new clusters (KIP-1071); ListOffsets of the earliest
    /// offset that is still to be uploaded (KIP-1023).
    pub const V4_2_IV1: Self = Self(29);
    /// Log dirs that take no new replicas (KIP-1066).
    pub const V4_3_IV0: Self = Self(30);

    pub const MIN: Self = Self::V3_3_IV3;
    pub const LATEST: Self = Self::V4_3_IV0;

    /// What the feature is called.
    pub const FEATURE: &'static str = "metadata.version";

    pub fn from_level(level: i16) -> Result<Self, UnknownLevel> {
        match (Self::MIN.0..=Self::LATEST.0).contains(&level) {
            true => Ok(Self(level)),
            false => Err(UnknownLevel { level }),
        }
    }

    pub const fn level(self) -> i16 {
        self.0
    }

    /// All levels, the oldest first.
    pub fn all() -> impl DoubleEndedIterator<Item = Self> + ExactSizeIterator {
        ROWS.iter().enumerate().map(|(index, _)| Self(Self::MIN.0 + index as i16))
    }

    fn row(self) -> &'static Row {
        &ROWS[usize::try_from(self.0 - Self::MIN.0).expect("levels are made from their table")]
    }

    /// `4.3-IV0`: the release, and which of the levels that came with it.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// `4.3`.
    pub fn release(self) -> &'static str {
        self.name().split('-').next().unwrap_or_default()
    }

    /// Whether records of one level may have to be written anew, or lose something, at the other.
    pub fn records_differ(self, other: Self) -> bool {
        let (low, high) = (self.min(other), self.max(other));
        Self::all().any(|level| low < level && level <= high && level.row().changes_records)
    }

    pub fn has_scram(self) -> bool {
        self >= Self::V3_5_IV2
    }

    /// Whether a partition's leader epoch is raised, too, when only its ISR shrinks.
    pub fn raises_epoch_when_isr_shrinks(self) -> bool {
        self < Self::V3_6_IV0
    }

    pub fn has_transactions(self) -> bool {
        self >= Self::V3_6_IV1
    }

    pub fn has_delegation_tokens(self) -> bool {
        self >= Self::V3_6_IV2
    }

    pub fn has_controller_registrations(self) -> bool {
        self >= Self::V3_7_IV0
    }

    /// Whether it is known which log dir has each replica.
    pub fn has_directories(self) -> bool {
        self >= Self::V3_7_IV2
    }

    pub fn has_eligible_leader_replicas(self) -> bool {
        self >= Self::V4_0_IV1
    }

    pub fn has_zk_migration(self) -> bool {
        self >= Self::V3_4_IV0
    }

    pub fn has_cordoned_directories(self) -> bool {
        self >= Self::V4_3_IV0
    }

    /// The newest Fetch that followers of this cluster send.
    pub fn fetch_version(self) -> i16 {
        match self {
            version if version >= Self::V4_1_IV1 => 18,
            version if version >= Self::V3_9_IV0 => 17,
            version if version >= Self::V3_7_IV4 => 16,
            version if version >= Self::V3_5_IV1 => 15,
            version if version >= Self::V3_5_IV0 => 14,
            _ => 13,
        }
    }

    /// The newest ListOffsets that followers of this cluster send.
    pub fn list_offsets_version(self) -> i16 {
        match self {
            version if version >= Self::V4_2_IV1 => 11,
            version if version >= Self::V4_0_IV3 => 10,
            version if version >= Self::V3_9_IV0 => 9,
            version if version >= Self::V3_5_IV0 => 8,
            _ => 7,
        }
    }
}

impl FromStr for MetadataVersion {
    type Err = UnknownVersion;

    /// Reads a level's name (`4.3-IV0`), or a release (`4.3`, `4.3.1`), which stands for the
    /// newest level that came with it.
    fn from_str(text: &str) -> Result<Self, UnknownVersion> {
        if let Some(found) = Self::all().find(|version| version.name() == text) {
            return Ok(found);
        }
        let mut parts = text.splitn(3, '.');
        let release = match (parts.next(), parts.next()) {
            (Some(major), Some(minor)) => format!("{major}.{minor}"),
            _ => text.to_owned(),
        };
        let found = Self::all().rev().find(|version| {
            // Of a patch release nothing but the first two numbers counts.
            version.release() == release || version.name() == release
        });
        found.ok_or_else(|| UnknownVersion { text: text.to_owned() })
    }
}

impl fmt::Display for MetadataVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for MetadataVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name(), self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_level_has_its_name_and_a_release_stands_for_its_newest_level() {
        assert_eq!(MetadataVersion::all().len(), 24);
        for version in MetadataVersion::all() {
            assert_eq!(MetadataVersion::from_level(version.level()), Ok(version));
            assert_eq!(version.name().parse(), Ok(version));
        }
        let level = |text: &str| text.parse::<MetadataVersion>().map(MetadataVersion::level);
        let cases = [("3.3", 7), ("3.5.2", 11), ("3.7", 19), ("4.0", 25), ("4.0.1", 25)];
        for (text, expected) in cases.into_iter().chain([("4.3", 30), ("3.7-IV2", 17)]) {
            assert_eq!(level(text), Ok(expected), "{text}");
        }
        assert_eq!(format!("{:?}", MetadataVersion::V3_9_IV0), "3.9-IV0(21)");
        assert_eq!(MetadataVersion::LATEST.release(), "4.3");
    }

    #[test]
    fn what_is_no_level_is_refused_with_the_levels_that_there_are() {
        for level in [i16::MIN, 0, 6, 31, i16::MAX] {
            let told = MetadataVersion::from_level(level).unwrap_err().to_string();
            let range = "levels go from 7 (3.3-IV3) to 30 (4.3-IV0)";
            assert_eq!(told, format!("metadata.version {level} is not known: {range}"));
        }
        for text in ["", "3.2", "4.4", "4", "x", "4.3-IV1", "IV0"] {
            let told = text.parse::<MetadataVersion>().map_err(|error| error.to_string());
            let start = format!("no metadata.version is called '{text}': there are 3.3-IV3, ");
            assert!(told.as_ref().is_err_and(|told| told.starts_with(&start)), "{told:?}");
        }
    }

    #[test]
    fn records_differ_where_a_level_between_two_changed_them() {
        let differ = |low: i16, high: i16| {
            let version = |level| MetadataVersion::from_level(level).unwrap();
            let found = version(low).records_differ(version(high));
            assert_eq!(version(high).records_differ(version(low)), found, "{low} {high}");
            found
        };
        let pairs = [(7, 7), (8, 10), (11, 12), (15, 16), (17, 22), (23, 29), (30, 30)];
        assert!(pairs.into_iter().all(|(low, high)| !differ(low, high)));
        let pairs = [(7, 8), (10, 11), (12, 13), (13, 14), (14, 15), (16, 17), (22, 23), (29, 30)];
        assert!(pairs.into_iter().all(|(low, high)| differ(low, high)));
    }

    #[test]
    fn followers_send_no_newer_requests_than_the_level_has() {
        let versions = |version: MetadataVersion| {
            (version.level(), version.fetch_version(), version.list_offsets_version())
        };
        let found: Vec<_> = MetadataVersion::all().map(versions).collect();
        let at = |level: i16| found[usize::try_from(level - 7).unwrap()];
        assert_eq!([at(7), at(9), at(10)], [(7, 13, 7), (9, 14, 8), (10, 15, 8)]);
        assert_eq!([at(18), at(19), at(21)], [(18, 15, 8), (19, 16, 8), (21, 17, 9)]);
        assert_eq!([at(24), at(25), at(27)], [(24, 17, 9), (25, 17, 10), (27, 18, 10)]);
        assert_eq!([at(28), at(29), at(30)], [(28, 18, 10), (29, 18, 11), (30, 18, 11)]);
    }
}
