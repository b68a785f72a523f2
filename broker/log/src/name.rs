//! The names of a log's folders and files, exactly as Kafka spells them.

use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

/// A partition of a topic. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    pub topic: Arc<str>,
    pub partition: i32,
}

impl TopicPartition {
    pub fn new(topic: impl Into<Arc<str>>, partition: i32) -> Self {
        Self { topic: topic.into(), partition }
    }

    /// `<topic>-<partition>`.
    pub fn folder(&self) -> String {
        format!("{}-{}", self.topic, self.partition)
    }

    /// Reads `<topic>-<partition>`; the topic's name may hold dashes itself.
    pub fn from_folder(name: &str) -> Option<Self> {
        let (topic, partition) = name.rsplit_once('-')?;
        let digits = !partition.is_empty() && partition.bytes().all(|b| b.is_ascii_digit());
        if topic.is_empty() || !digits {
            return None;
        }
        Some(Self::new(topic, partition.parse().ok()?))
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// Why a partition's folder has a name that no partition is served from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FolderFate {
    /// The topic was deleted; the folder is to be removed.
    Delete,
    /// The broker no longer hosts the partition; an operator decides.
    Stray,
    /// The partition is being copied here from another log dir.
    Future,
}

impl FolderFate {
    fn suffix(self) -> &'static str {
        match self {
            Self::Delete => "-delete",
            Self::Stray => "-stray",
            Self::Future => "-future",
        }
    }

    pub(crate) fn of_folder(name: &str) -> Option<Self> {
        let all = [Self::Delete, Self::Stray, Self::Future];
        all.into_iter().find(|fate| name.ends_with(fate.suffix()))
    }

    /// The partition that a folder with this fate is of; `None` where its name was cut.
    pub(crate) fn partition_of(self, name: &str) -> Option<TopicPartition> {
        let name = name.strip_suffix(self.suffix())?;
        let (folder, unique) = name.rsplit_once('.')?;
        Uuid::try_parse(unique).ok()?;
        TopicPartition::from_folder(folder)
    }
}

const LONGEST_FOLDER_NAME: usize = 255;

/// `<topic>-<partition>.<32 hex digits>-delete`, cut in front so that file systems take it.
pub(crate) fn fated_folder(id: &TopicPartition, unique: Uuid, fate: FolderFate) -> String {
    let tail = format!(".{}{}", unique.simple(), fate.suffix());
    let mut name = id.folder();
    name.truncate(LONGEST_FOLDER_NAME - tail.len());
    name + &tail
}

/// What a file of a partition's folder is, by the end of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum FileKind {
    Log,
    OffsetIndex,
    TimeIndex,
    TxnIndex,
    Snapshot,
}

impl FileKind {
    pub(crate) const ALL: [Self; 5] =
        [Self::Log, Self::OffsetIndex, Self::TimeIndex, Self::TxnIndex, Self::Snapshot];

    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Log => ".log",
            Self::OffsetIndex => ".index",
            Self::TimeIndex => ".timeindex",
            Self::TxnIndex => ".txnindex",
            Self::Snapshot => ".snapshot",
        }
    }

    /// `00000000000000000042.log`.
    pub(crate) fn name(self, base_offset: i64) -> String {
        format!("{base_offset:020}{}", self.suffix())
    }

    /// Kind and base offset of a file's name.
    pub(crate) fn parse(name: &str) -> Option<(Self, i64)> {
        Self::ALL.into_iter().find_map(|kind| {
            let digits = name.strip_suffix(kind.suffix())?;
            let numeric = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            numeric.then(|| digits.parse().ok()).flatten().map(|base| (kind, base))
        })
    }
}

pub(crate) const DELETED_SUFFIX: &str = ".deleted";
pub(crate) const CLEANED_SUFFIX: &str = ".cleaned";
pub(crate) const SWAP_SUFFIX: &str = ".swap";
pub(crate) const EPOCH_CHECKPOINT: &str = "leader-epoch-checkpoint";
pub(crate) const PARTITION_METADATA: &str = "partition.metadata";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_name_splits_at_its_last_dash() {
        let id = TopicPartition::from_folder("a-b-c-12").unwrap();
        assert_eq!(id, TopicPartition::new("a-b-c", 12));
        assert_eq!(id.folder(), "a-b-c-12");
    }

    #[test]
    fn names_that_are_no_partitions_are_told_apart() {
        for name in ["", "topic", "-1", "topic-", "topic-x", "topic-+1", "topic-99999999999"] {
            assert_eq!(TopicPartition::from_folder(name), None, "{name}");
        }
    }

    #[test]
    fn a_doomed_folder_keeps_its_suffix_within_255_bytes() {
        let id = TopicPartition::new("t".repeat(249), 1000);
        let name = fated_folder(&id, Uuid::from_u128(7), FolderFate::Delete);
        assert_eq!(name.len(), 255);
        assert!(name.ends_with("00000000000000000000000000000007-delete"), "{name}");
        assert_eq!(FolderFate::of_folder(&name), Some(FolderFate::Delete));
    }

    #[test]
    fn a_future_folder_tells_its_partition() {
        let id = TopicPartition::new("a.b-c", 3);
        let name = fated_folder(&id, Uuid::from_u128(7), FolderFate::Future);
        assert_eq!(FolderFate::of_folder(&name), Some(FolderFate::Future));
        assert_eq!(FolderFate::Future.partition_of(&name), Some(id));
        for name in ["a-0-future", "a-0.7-future", "a-0.x-future", "a-0"] {
            assert_eq!(FolderFate::Future.partition_of(name), None, "{name}");
        }
    }

    #[test]
    fn file_names_have_twenty_digits_and_parse_back() {
        assert_eq!(FileKind::Log.name(42), "00000000000000000042.log");
        for kind in FileKind::ALL {
            assert_eq!(FileKind::parse(&kind.name(i64::MAX)), Some((kind, i64::MAX)));
        }
        for name in ["x.log", ".log", "-1.index", "0.log.swap", "leader-epoch-checkpoint"] {
            assert_eq!(FileKind::parse(name), None, "{name}");
        }
    }
}
