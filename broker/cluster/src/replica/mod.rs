//! What a leader and a follower know of a partition: events come in, actions come out. Pure: the
//! time comes in as milliseconds of a clock that only goes forward, the log as [`LogView`], the
//! image as [`Brokers`]; nothing here waits or touches a disk or a socket.
//!
//! ```text
//!   image ──▶ Replica ──▶ open the log, lead, follow whom, fence waits, delete
//!               │
//!               ├─ LeaderState    fetches, appends, time, answers of AlterPartition
//!               │                   ──▶ high watermark, AlterPartition
//!               └─ FollowerState  answers of the leader ──▶ append, cut, ask, wait
//!
//!   LeaderFetcher: what is asked of one leader (KIP-227)     Waits: who waits for which offset
//!   preferred_read_replica (KIP-392)                         ReplicationThrottle: bytes a second
//! ```

mod fetcher;
mod follower;
mod isr;
mod leader;
mod progress;
mod read_replica;
mod role;
mod rules;
#[cfg(test)]
mod test_view;
mod throttle;
mod truncation;
mod waits;

use broker_log::{EpochEnd, Log};
use broker_metadata::Image;

pub use self::fetcher::{
    FetchPosition, FetcherSettings, LeaderFetcher, Outstanding, PartitionKey, ResponseError,
};
pub use self::follower::{
    FetchAnswer, FollowerMarks, FollowerState, FollowerStep, LeaderOffsets, Pause,
};
pub use self::isr::{AlterIsr, Isr, IsrAnswer, IsrMember};
pub use self::leader::{
    FetchOutcome, FetchRefusal, LeaderAction, LeaderSettings, LeaderState, Moment,
    NotEnoughReplicas, ReplicaFetch,
};
pub use self::progress::FollowerProgress;
pub use self::read_replica::{ReadReplica, preferred_read_replica};
pub use self::role::{Replica, ReplicaAction, ReplicaContext, Role};
pub use self::throttle::{ReplicationThrottle, ThrottledReplicas, ThrottledReplicasError};
pub use self::truncation::{Truncation, truncation};
pub use self::waits::{Entered, EpochFenced, Expired, WaitId, Waits};

/// What decisions need to know of a partition's log. It must not change during a call.
pub trait LogView {
    fn log_start_offset(&self) -> i64;
    fn log_end_offset(&self) -> i64;
    /// The end of what is as safe on this node's disk as its topic wants it.
    fn safe_end_offset(&self) -> i64 {
        self.log_end_offset()
    }
    fn high_watermark(&self) -> i64;
    /// The epoch of the last record, or the leader's own before its first record; `None`: the log
    /// knows of no epoch.
    fn latest_epoch(&self) -> Option<i32>;
    /// Where an epoch ends: [`Log::epoch_end_offset`].
    fn epoch_end(&self, leader_epoch: i32) -> EpochEnd;
}

impl LogView for Log {
    fn log_start_offset(&self) -> i64 {
        Log::log_start_offset(self)
    }

    fn log_end_offset(&self) -> i64 {
        Log::log_end_offset(self)
    }

    fn safe_end_offset(&self) -> i64 {
        Log::safe_end_offset(self)
    }

    fn high_watermark(&self) -> i64 {
        Log::high_watermark(self)
    }

    fn latest_epoch(&self) -> Option<i32> {
        Log::latest_epoch(self)
    }

    fn epoch_end(&self, leader_epoch: i32) -> EpochEnd {
        self.epoch_end_offset(leader_epoch)
    }
}

/// A broker as the image has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    pub epoch: i64,
    pub fenced: bool,
    pub in_controlled_shutdown: bool,
}

/// The brokers of the image. A broker that is not registered has no standing.
pub trait Brokers {
    fn standing(&self, broker: i32) -> Option<Standing>;
}

impl Brokers for Image {
    fn standing(&self, broker: i32) -> Option<Standing> {
        self.broker(broker).map(|broker| Standing {
            epoch: broker.epoch,
            fenced: broker.fenced,
            in_controlled_shutdown: broker.in_controlled_shutdown,
        })
    }
}
