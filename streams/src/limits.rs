//! Every limit of the engine, and why it is what it is.

/// Largest key of a store: a changelog record must carry it.
pub(crate) const MAX_STORE_KEY_BYTES: usize = 64 << 10;

/// Largest value of a store: with its key it must fit into one changelog record, and Kafka's
/// default for a topic is 1 MiB a batch.
pub(crate) const MAX_STORE_VALUE_BYTES: usize = 896 << 10;

/// A commit is written as batches of at most this size, about; below Kafka's default
/// `max.message.bytes`, so that it holds on a cluster that nobody has tuned.
pub(crate) const CHANGELOG_BATCH_BYTES: usize = 900 << 10;

/// A task commits before its interval is over when it has changed this much, so that nearly all
/// commits are one batch.
pub(crate) const COMMIT_AFTER_BYTES: usize = 512 << 10;

/// A task commits, and hands its output over, after this many rows at the latest.
pub(crate) const COMMIT_AFTER_ROWS: usize = 5_000;

/// Rows that an operator is given at once.
pub(crate) const CHUNK_ROWS: usize = 1_000;

/// Rows of an input partition that wait in memory before its fetching pauses.
pub(crate) const BUFFERED_ROWS: usize = 20_000;

/// Bytes of keys and values of an input partition that wait in memory before its fetching pauses.
pub(crate) const BUFFERED_BYTES: usize = 16 << 20;

/// Windows and groups whose state an aggregate keeps ready in memory.
pub(crate) const CACHED_GROUPS: usize = 20_000;

/// Chunks that wait for a slow subscriber before it is cut off.
pub(crate) const SUBSCRIBER_CHUNKS: usize = 1_024;

/// Rows in one batch of a query's answer.
pub(crate) const QUERY_ROWS: usize = 1_024;

/// Bytes of keys and values in one batch of a query's answer, about: rows may be large.
pub(crate) const QUERY_BYTES: usize = 4 << 20;

/// Depth of nested types that the row codec follows.
pub(crate) const MAX_TYPE_DEPTH: usize = 32;
