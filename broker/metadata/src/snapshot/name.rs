//! What the files of snapshots are called.

use std::fmt;

/// How far a snapshot goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SnapshotId {
    /// The offset after the last record that is in it.
    pub end_offset: i64,
    /// The epoch of that record.
    pub epoch: i32,
}

const SUFFIX: &str = ".checkpoint";
const PART: &str = ".part";
const DELETED: &str = ".deleted";
const OFFSET_DIGITS: usize = 20;
const EPOCH_DIGITS: usize = 10;

impl SnapshotId {
    /// The one that `kafka-storage format` writes for a quorum whose voters may change: voters, and
    /// no metadata.
    pub const BOOTSTRAP: Self = Self { end_offset: 0, epoch: 0 };

    /// `00000000000000000049-0000000001.checkpoint`
    pub fn file_name(&self) -> String {
        format!("{self}{SUFFIX}")
    }

    /// What it is called while it is being written or fetched.
    pub fn part_name(&self) -> String {
        format!("{self}{SUFFIX}{PART}")
    }

    /// What it is called from when it is given up to when it is gone.
    pub fn deleted_name(&self) -> String {
        format!("{self}{SUFFIX}{DELETED}")
    }
}

impl fmt::Display for SnapshotId {
    /// `00000000000000000049-0000000001`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:020}-{:010}", self.end_offset, self.epoch)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotState {
    Complete,
    /// Never written wholly: of no use after a restart.
    Part,
    /// To be removed.
    Deleted,
}

/// What the name of a file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotFile {
    pub id: SnapshotId,
    pub state: SnapshotState,
}

impl SnapshotFile {
    /// `None` for a file that is no snapshot. Kafka puts a random number into the names of those
    /// that are not complete: `OFFSET-EPOCH-123.checkpoint.part`.
    pub fn parse(name: &str) -> Option<Self> {
        let (stem, state) = if let Some(stem) = name.strip_suffix(SUFFIX) {
            (stem, SnapshotState::Complete)
        } else if let Some(stem) = name.strip_suffix(DELETED) {
            (stem.strip_suffix(SUFFIX)?, SnapshotState::Deleted)
        } else {
            (name.strip_suffix(PART)?.strip_suffix(SUFFIX)?, SnapshotState::Part)
        };
        let (offset, rest) = stem.split_at_checked(OFFSET_DIGITS)?;
        let (epoch, rest) = rest.strip_prefix('-')?.split_at_checked(EPOCH_DIGITS)?;
        if !(rest.is_empty() || state == SnapshotState::Part && rest.starts_with('-')) {
            return None;
        }
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(offset) || !is_number(epoch) {
            return None;
        }
        let id = SnapshotId { end_offset: offset.parse().ok()?, epoch: epoch.parse().ok()? };
        Some(Self { id, state })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_printed_and_parsed_as_kafka_does() {
        let id = SnapshotId { end_offset: 49, epoch: 1 };
        assert_eq!(id.file_name(), "00000000000000000049-0000000001.checkpoint");
        let largest = SnapshotId { end_offset: i64::MAX, epoch: i32::MAX };
        for id in [id, largest, SnapshotId::BOOTSTRAP] {
            let parsed =
                |name: String| SnapshotFile::parse(&name).map(|file| (file.id, file.state));
            assert_eq!(parsed(id.file_name()), Some((id, SnapshotState::Complete)));
            assert_eq!(parsed(id.part_name()), Some((id, SnapshotState::Part)));
            assert_eq!(parsed(id.deleted_name()), Some((id, SnapshotState::Deleted)));
            let of_kafka = format!("{id}-8861377211442018563.checkpoint.part");
            assert_eq!(parsed(of_kafka), Some((id, SnapshotState::Part)));
        }
    }

    #[test]
    fn other_files_are_no_snapshots() {
        let names = [
            "",
            ".checkpoint",
            "bootstrap.checkpoint",
            "00000000000000000049.log",
            "00000000000000000049-000000000é.checkpoint",
            "0000000000000000004-00000000001.checkpoint",
            "00000000000000000049-0000000001",
            "00000000000000000049-0000000001-1.checkpoint",
            "00000000000000000049-0000000001.checkpoint.tmp",
            "00000000000000000049-0000000001.part",
            "-0000000000000000049-0000000001.checkpoint",
            "+0000000000000000049-0000000001.checkpoint",
            "99999999999999999999-0000000001.checkpoint",
            "00000000000000000049-9999999999.checkpoint",
            "00000000000000000049_0000000001.checkpoint",
        ];
        for name in names {
            assert_eq!(SnapshotFile::parse(name), None, "{name}");
        }
    }
}
