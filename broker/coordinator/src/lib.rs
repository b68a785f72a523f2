//! Groups as replicated state machines over `__consumer_offsets`: membership by the classic
//! protocol, committed offsets, and who coordinates which group. It never sees a log, a socket or
//! cluster metadata: records leave through [`LogWriter`], and whether a topic exists is the
//! caller's to know.
//!
//! - [`Shard`]: the groups of one partition, a pure state machine · `group`: one classic group
//! - `offsets`: what groups committed · `record`: both in Kafka's bytes
//! - [`Groups`]: the service around the shards: appends, replays, answers, and runs the timers

mod group;
mod limits;
mod now;
mod offsets;
mod outcome;
mod record;
mod runtime;
mod shard;
mod timers;

pub use broker_metadata::config::GroupConfig as Settings;
pub use group::{Caller, JoinContext};
pub use now::Now;
pub use offsets::Committed;
pub use outcome::{Outcome, Parked, Ticket, Unity};
pub use record::Record;
pub use runtime::{
    AppendError, Clock, Commit, FetchedOffset, FetchedTopic, Groups, LogWriter, ReadError,
    Unavailable, partition_of,
};
pub use shard::{CommitPartition, CommitRequest, CommitTopic, Shard};
