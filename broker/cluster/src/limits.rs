//! Bounds and pauses of what goes on between nodes.

use std::time::Duration;

/// The first pause before an address that refused a connection is tried again; it doubles.
pub(crate) const RECONNECT_FIRST: Duration = Duration::from_millis(20);
/// The longest such pause: a node that comes back is found within it.
pub(crate) const RECONNECT_MAX: Duration = Duration::from_millis(500);

/// Partitions that are not there yet for which a log dir was chosen.
pub(crate) const PREFERRED_DIRS: usize = 10_000;

/// Groups of batches that a request appends to a partition before another task goes on.
pub(crate) const APPENDS_IN_A_TURN: usize = 8;

/// Threads that open new partitions, or close all of them, at once.
pub(crate) const DISK_THREADS: usize = 8;

/// Places for waiting requests that a partition keeps when nobody waits.
pub(crate) const PLACES_KEPT: usize = 16;

/// Between two looks whether a log dir that is well is there.
pub(crate) const DIR_LOOK_TICKS: u32 = 10;

/// The longest pause between two tries of a log dir that is not well.
pub(crate) const DIR_PAUSE_TICKS: u32 = 30;

/// What is written to find out whether a log dir has room.
pub(crate) const DIR_PROBE_BYTES: usize = 128 * 1024;

/// A log dir that has been well for so long is tried soon when it is not any more.
pub(crate) const DIR_STEADY_TICKS: u32 = 60;

/// Flushes that run at once. Syncs that wait together share a commit of the file system's journal.
pub(crate) const FLUSH_THREADS: usize = 16;

/// Of those, the ones that may sync what nobody waits for.
pub(crate) const LATER_FLUSH_THREADS: usize = 2;

/// Bytes of the metadata log that are read at once while it is replayed.
pub(crate) const METADATA_READ_BYTES: usize = 4 * 1024 * 1024;

/// Messages to the quorum that are taken before what they appended is synced.
pub(crate) const QUORUM_MESSAGES_TOGETHER: usize = 256;

/// Messages that are kept while the quorum waits for its disk; what comes beyond is not answered.
pub(crate) const QUORUM_MESSAGES_HELD: usize = 1024;

/// Milliseconds until something is tried again that the disk did not take.
pub(crate) const DISK_RETRY: i64 = 500;

/// How often members of ISRs are looked at that may have fallen behind: half of
/// `replica.lag.time.max.ms`, within these bounds.
pub(crate) const ISR_TICK_MIN: Duration = Duration::from_millis(50);
pub(crate) const ISR_TICK_MAX: Duration = Duration::from_secs(1);

/// Changes of ISRs in one request to the controller.
pub(crate) const ISR_CHANGES_TOGETHER: usize = 10_000;

/// After which a change that the controller did not make is asked for again: a little more than a
/// leader waits for it.
pub(crate) const ISR_RETRY: Duration = Duration::from_millis(60);

/// For how long a fetcher stays that has nothing to follow.
pub(crate) const FETCHER_IDLE: Duration = Duration::from_secs(30);

/// The pause after a leader that could not be asked.
pub(crate) const FETCHER_RETRY: Duration = Duration::from_millis(100);

/// Failed rounds of a fetcher after which the log says so.
pub(crate) const FAILURES_TOLD: u32 = 3;
