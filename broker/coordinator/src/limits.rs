//! Limits of the coordinator that are no configuration keys.

use std::time::Duration;

/// How long a request waits for a shard that is being read, before its client is told to try again.
pub(crate) const LOAD_PATIENCE: Duration = Duration::from_secs(1);

/// How long a member that was never answered may wait: its client cannot send heartbeats yet, and
/// if it is gone, nothing else would tell.
pub(crate) const NEW_MEMBER_JOIN_TIMEOUT_MS: i64 = 5 * 60 * 1000;

/// Member ids of one group that are given out and not yet used.
pub(crate) const PENDING_JOINS: usize = 65_536;

/// Protocols that a member may name in its JoinGroup: each is kept and counted for the group. Known
/// clients name a handful.
pub(crate) const PROTOCOLS_PER_MEMBER: usize = 1_000;

/// Bytes of keys and values that go into one batch of records that stand each for itself.
pub(crate) const PIECE_BYTES: usize = 512 * 1024;

/// What one step may have of keys and values where batches are compressed, so that how large the
/// batch is turns out only when it is made.
pub(crate) const UNCOMPRESSED_STEP_BYTES: usize = 16 * 1024 * 1024;

/// What a batch of the log may grow to when it is decompressed.
pub(crate) const DECOMPRESSED_BYTES: usize = 256 * 1024 * 1024;

/// After a record that only notes that a group is empty could not be written, the wait for another
/// try.
pub(crate) const APPEND_RETRY_MS: i64 = 5_000;
