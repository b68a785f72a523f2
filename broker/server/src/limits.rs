//! Every limit of the server that is no configuration key.

use std::time::Duration;

/// Requests of one connection that are read but not yet answered. More stay in the socket.
pub(crate) const IN_FLIGHT_PER_CONNECTION: usize = 64;

/// Of a frame that is announced, this much memory is set aside before its bytes are there, or as
/// much as one took that came whole; a longer one grows as they arrive.
pub(crate) const FRAME_RESERVE: usize = 256 * 1024;

/// After a frame larger than this a connection gives its buffer back instead of keeping it for the
/// next one.
pub(crate) const READ_BUFFER_KEPT: usize = 4 * 1024 * 1024;

/// Room for small requests that a connection's buffer starts with.
pub(crate) const READ_BUFFER: usize = 8 * 1024;

/// The room that the buffer of a connection comes to have whose client sends faster than it is
/// read: several requests are then read at once.
pub(crate) const READ_BUFFER_BUSY: usize = 128 * 1024;

/// How long a stopping broker waits for open requests to be answered.
pub(crate) const DRAIN: Duration = Duration::from_secs(5);

/// How long a client of another protocol may take to read that it is wrong here, and to leave.
pub(crate) const TURN_AWAY: Duration = Duration::from_secs(2);

/// Wait after an accept that failed for want of something (descriptors, memory).
pub(crate) const ACCEPT_BACK_OFF: Duration = Duration::from_millis(100);

/// Pieces handed to the socket in one vectored write.
pub(crate) const WRITE_PIECES: usize = 64;

/// The most of a file that one call sends before other connections of the thread have their turn.
pub(crate) const SEND_STEP: usize = 1024 * 1024;

/// Records of a partition up to this size are read into memory and leave with the head of their
/// answer; of larger ones, sending them from their file costs less.
pub(crate) const READ_NOT_SENT: usize = 16 * 1024;

/// The most that is read so for one answer.
pub(crate) const READ_PER_ANSWER: usize = 64 * 1024;

/// After requests of so many bytes a connection lets the others of its thread have their turn
/// before it appends what it read: a client that sends without a pause would keep them waiting for
/// its own sake, and what they bring to the same partitions is appended in the same writes.
pub(crate) const TURN_BYTES: usize = 512 * 1024;

/// Bytes of a produce request whose records are looked through on the thread that read it, which
/// takes some 100 µs; of more, or of compressed ones, where the sockets don't wait for it.
pub(crate) const CHECKED_IN_PLACE: usize = 256 * 1024;

/// Invalid records that the response to a produce request lists, and how many of them with a text
/// each: without one, a record takes less in the response than it did in the request.
pub(crate) const RECORD_ERRORS: usize = 100_000;
pub(crate) const RECORD_ERROR_TEXTS: usize = 1_000;

/// Bytes of names, values and texts in an answer to DescribeConfigs; resources beyond are refused.
pub(crate) const CONFIGS_PER_ANSWER: usize = 32 * 1024 * 1024;

/// Moves to other log dirs that one request asks for in vain and that have a line each in the log.
pub(crate) const MOVES_TOLD: usize = 10;

/// Partitions that one CreateTopics or CreatePartitions request may make, as Kafka's controller.
pub(crate) const PARTITIONS_PER_REQUEST: usize = 10_000;

/// What the in-process transport holds in each direction before a writer waits.
pub(crate) const MEMORY_PIPE: usize = 256 * 1024;

/// Bytes of `__consumer_offsets` that are read at once while groups are loaded.
pub(crate) const OFFSETS_READ_BYTES: usize = 4 * 1024 * 1024;

/// How often, and with which pause, a starting broker asks for a log dir that is in use.
pub(crate) const LOCK_ATTEMPTS: usize = 20;
pub(crate) const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// Open files that the broker asks the system for at its start.
pub(crate) const OPEN_FILES: u64 = 1_048_576;

/// How often log dirs are looked at; the numbers below are of these ticks.
pub(crate) const LOG_DIR_CHECK: Duration = Duration::from_secs(1);

/// Between two tries to reach a controller, where no news of one comes.
pub(crate) const CONTROLLER_RETRY: Duration = Duration::from_millis(100);

/// For how long a broker looks for a controller before it says that there is none.
pub(crate) const CONTROLLER_PATIENCE: Duration = Duration::from_secs(10);

/// How often the active controller looks for sessions that are over.
pub(crate) const SESSION_TICK: Duration = Duration::from_millis(250);

/// How often leaders are looked for among replicas that are not in sync, where a topic allows that.
pub(crate) const UNCLEAN_INTERVAL_MS: i64 = 5_000;

/// For how long is waited until what the controller has done is known here.
pub(crate) const NEWS_PATIENCE: Duration = Duration::from_secs(2);

/// Between two steps of a broker that joins its cluster or leaves it.
pub(crate) const JOIN_STEP: Duration = Duration::from_millis(50);

/// For how long a broker that stops waits until others lead what it led.
pub(crate) const LEAVE_PATIENCE: Duration = Duration::from_secs(30);

/// For how long a new node asks the others to which cluster they belong.
pub(crate) const FOUNDING_PATIENCE: Duration = Duration::from_secs(2);
/// And for how long while no controller answers it.
pub(crate) const LEAVE_SILENCE: Duration = Duration::from_secs(3);
