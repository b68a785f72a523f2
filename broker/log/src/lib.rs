//! One partition's bytes on disk: Kafka's folders, files and formats, and the rules by which
//! records enter and leave them.
//!
//! [`Log`] is one partition. It is synchronous and single-writer: whoever owns it keeps it
//! under a short lock. What takes long is handed out as a value that works without the lock
//! ([`FileSlice`], [`Flush`], [`Compaction`]). [`LogDir`] is the folder of many partitions.
//! Tasks, sockets, clocks, replication and topics' configurations are not in here.
//! Done to a log: `append`, `read`, `times`, `flush`, `retention`, `compaction`, `truncate`,
//! `recovery`, `future` (a move). A log dir: `dirs`, `checkpoint`. The disk: `store`.

mod append;
mod batch;
mod checkpoint;
mod compaction;
mod config;
mod dirs;
mod epoch;
mod error;
mod flush;
mod folder;
pub mod format;
mod future;
mod identity;
mod index;
mod log;
mod name;
mod partition_metadata;
mod producers;
mod read;
mod records;
mod recovery;
mod removal;
mod retention;
mod scan;
mod segment;
mod snapshots;
mod store;
mod times;
mod truncate;

pub use append::{Appended, LeaderAppend};
pub use compaction::{Cleanable, Compacted, Compaction, CompactionStats};
pub use compaction::{OffsetMap, Pace, Unhurried};
pub use config::*;
pub use dirs::{DirError, Loaded, LogDir, OffsetCheckpoint};
pub use epoch::EpochEnd;
pub use error::*;
pub use flush::{Flush, Flushed};
pub use future::{CopyError, FutureLog};
pub use identity::{MetaProperties, parse_id, print_id};
pub use log::{ActiveProducer, Closed, Location, Log, OpenOptions};
pub use name::{FolderFate, TopicPartition};
pub use producers::Origin;
pub use protocol::record::TimestampType;
pub use read::{AbortedSearch, AbortedTransaction, FileSlice, Located, PreparedRead, ReadRequest};
pub use recovery::{Postponed, RecoveryReport};
pub use removal::RemovedFiles;
pub use retention::{RetentionPlan, RetentionReason};
pub use store::{Entry, File, FsStore, MemoryStore, Space, Store, read_all, replace};
pub use times::{NextSegment, SegmentTimes, TimestampedOffset, find_at_or_after, find_largest};
