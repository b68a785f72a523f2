//! Every bound on what a peer or a caller may make this crate hold.

/// The largest response accepted from a broker. A fetch of `fetch.max.bytes` (50 MiB) with one
/// oversized first batch fits; a length above this poisons the connection.
pub(crate) const RESPONSE_BYTES_MAX: usize = 256 << 20;

/// What is reserved for a response before its bytes arrive; beyond this the buffer grows with them.
pub(crate) const RESPONSE_RESERVE_BYTES: usize = 1 << 20;

/// Requests waiting for their responses on one connection; a sender above this waits.
pub(crate) const IN_FLIGHT_MAX: usize = 64;

/// Of those, what a producer takes for its records, so that it never waits among the others.
pub(crate) const PRODUCE_IN_FLIGHT_MAX: usize = IN_FLIGHT_MAX / 2;

/// Fetched responses of one partition waiting for `poll`: one being consumed and one ahead.
pub(crate) const PREFETCHED_RESPONSES_PER_PARTITION: usize = 2;

/// Most partitions asked for in one page of DescribeTopicPartitions.
pub(crate) const DESCRIBE_PAGE_PARTITIONS: i32 = 2000;

/// A broker that keeps answering pages without an end is cut off here.
pub(crate) const DESCRIBE_PAGES_MAX: usize = 100_000;

/// Records of at least this size are written from where they are, smaller ones with their request.
pub(crate) const RECORDS_COPIED_BYTES: usize = 4 << 10;

/// The most that one batch may become when it is decompressed.
pub(crate) const BATCH_UNCOMPRESSED_BYTES_MAX: usize = 512 << 20;
