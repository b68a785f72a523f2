//! The settings of the log cleaner, which a running broker follows.

use super::reader::Reader;
use super::resolve::BrokerLayers;
use super::value::ValueError;

/// The least that a thread's table of keys may have, as Kafka demands it.
const LEAST_BUFFER_PER_THREAD: u64 = 1024 * 1024;

/// How compacted logs are cleaned, beside what their topics say.
#[derive(Clone, Debug, PartialEq)]
pub struct CleanerConfig {
    /// `log.cleaner.enable`.
    pub enable: bool,
    /// `log.cleaner.threads`: compactions that run at a time.
    pub threads: u32,
    /// `log.cleaner.dedupe.buffer.size`: memory for keys, of all threads together.
    pub dedupe_buffer_bytes: u64,
    /// `log.cleaner.io.buffer.load.factor`: how full that memory may get.
    pub load_factor: f64,
    /// `log.cleaner.io.max.bytes.per.second`, read and written, of all threads together.
    pub max_bytes_per_second: f64,
    /// `log.cleaner.backoff.ms`: the pause after a look that found nothing to do.
    pub backoff_ms: i64,
}

impl CleanerConfig {
    /// What holds for a broker with these layers.
    pub fn resolve(layers: BrokerLayers<'_>) -> Result<Self, ValueError> {
        let read = Reader::of_broker(layers);
        let buffer = read.long("log.cleaner.dedupe.buffer.size")?;
        Ok(Self {
            enable: read.flag("log.cleaner.enable")?,
            threads: read.count("log.cleaner.threads")?,
            dedupe_buffer_bytes: u64::try_from(buffer).unwrap_or(0),
            load_factor: read.double("log.cleaner.io.buffer.load.factor")?,
            max_bytes_per_second: read.double("log.cleaner.io.max.bytes.per.second")?,
            backoff_ms: read.long("log.cleaner.backoff.ms")?,
        })
    }

    /// Memory for the keys of one compaction.
    pub fn buffer_bytes_per_thread(&self) -> u64 {
        self.dedupe_buffer_bytes / u64::from(self.threads.max(1))
    }

    /// Whether the settings fit each other; the error is a sentence for the user.
    pub fn validate(&self) -> Result<(), String> {
        if !self.enable {
            return Ok(());
        }
        if self.threads == 0 {
            return Err("log.cleaner.threads must be at least 1; to compact nothing, set \
                        log.cleaner.enable=false in the broker's file."
                .to_owned());
        }
        if self.buffer_bytes_per_thread() < LEAST_BUFFER_PER_THREAD {
            return Err(format!(
                "log.cleaner.dedupe.buffer.size must be at least 1 MiB per cleaner thread, but is \
                 {} bytes for {} thread(s).",
                self.dedupe_buffer_bytes, self.threads
            ));
        }
        if !(self.load_factor > 0.0 && self.load_factor < 1.0) {
            return Err(format!(
                "log.cleaner.io.buffer.load.factor must lie between 0 and 1, but is {}.",
                self.load_factor
            ));
        }
        if self.max_bytes_per_second <= 0.0 {
            return Err(format!(
                "log.cleaner.io.max.bytes.per.second must be above 0, but is {}.",
                self.max_bytes_per_second
            ));
        }
        Ok(())
    }
}
