//! Compacts one log: what needs its lock is short, what takes long is done without.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use broker_cluster::partition::Partition;
use broker_log::{CompactionError, OffsetMap, Pace, StorageError};
use broker_metadata::config::CleanerConfig;
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::time::Instant;
use tracing::info;

use super::choice::Choice;
use super::note_cleaned;
use super::throttle::Throttle;
use crate::services::Services;
use crate::upkeep::Janitor;

/// Of a long wait of the throttle, the part after which a compaction looks whether it goes on.
const LONGEST_WAIT: Duration = Duration::from_millis(250);
/// How often a compaction that is asked whether it goes on looks at its log.
const LOOK_EVERY: u32 = 64;

/// Why a log stays as it was.
#[derive(Debug, Error)]
pub(super) enum CleanError {
    #[error(transparent)]
    Compaction(#[from] CompactionError),
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error("the disk has no room for the new segments beside the old ones")]
    ShortOfSpace,
}

/// How a compaction ended: well, also where it was no longer wanted, or has to be made anew of a
/// log that has changed meanwhile.
pub(super) type Ended = Result<(), CleanError>;

/// Compacts what was chosen of a log. Blocks.
pub(super) fn compact(
    services: &Arc<Services>,
    janitor: &Janitor,
    throttle: &Throttle,
    choice: Choice,
    config: &CleanerConfig,
) -> Ended {
    let Choice { partition, cleanable } = choice;
    let id = &partition.id;
    let begun = Instant::now();
    let prepared = partition.with_log(|log| log.prepare_compaction(&cleanable, services.now_ms()));
    // A log that is gone needs no cleaning.
    let Ok(prepared) = prepared else { return Ok(()) };
    let mut pace = Pacer { services, partition: &partition, throttle, asked: Cell::new(0) };
    let buffer = usize::try_from(config.buffer_bytes_per_thread()).unwrap_or(usize::MAX);
    let compacted = {
        let mut map = OffsetMap::new(buffer, config.load_factor);
        match prepared?.run(&mut map, &mut pace) {
            Err(CompactionError::Cancelled | CompactionError::LogChanged) => return Ok(()),
            other => other?,
        }
    };
    let stats = compacted.stats;
    let finished = partition.with_log(|log| {
        let delay_ms = log.config().retention.file_delete_delay_ms;
        let replaced = log.finish_compaction(compacted);
        replaced.map(|files| (files, delay_ms))
    });
    let (files, delay_ms) = match finished {
        Err(_) | Ok(Err(CompactionError::LogChanged)) => return Ok(()),
        Ok(finished) => finished?,
    };
    janitor.remove_later(files, delay_ms);
    note_cleaned(services, &partition, stats.end_offset)?;
    info!(
        "{id}: compacted below {}: kept {} of {} records, read {} bytes, wrote {}, in {} ms",
        stats.end_offset,
        stats.records_kept,
        stats.records_read,
        stats.bytes_read,
        stats.bytes_written,
        begun.elapsed().as_millis()
    );
    match stats.short_of_space {
        true => Err(CleanError::ShortOfSpace),
        false => Ok(()),
    }
}

/// Holds a compaction to the rate of all, and ends one that is not wanted any more.
struct Pacer<'a> {
    services: &'a Services,
    partition: &'a Partition,
    throttle: &'a Throttle,
    asked: Cell<u32>,
}

impl Pacer<'_> {
    /// Whether the log is there and to be compacted.
    fn is_wanted(&self) -> bool {
        self.partition.with_log(|log| log.config().retention.compact).unwrap_or(false)
    }
}

impl Pace for Pacer<'_> {
    fn did(&mut self, bytes: usize) {
        self.throttle.add(bytes);
        let stopping = &self.services.stopping;
        while let Some(wait) = self.throttle.wait(Instant::now()) {
            let stopped = Handle::current().block_on(async {
                let pause = tokio::time::timeout(wait.min(LONGEST_WAIT), stopping.cancelled());
                pause.await.is_ok()
            });
            if stopped || !self.is_wanted() {
                return;
            }
        }
    }

    fn cancelled(&self) -> bool {
        let asked = self.asked.get();
        self.asked.set(asked.wrapping_add(1));
        self.services.stopping.is_cancelled()
            || (asked.is_multiple_of(LOOK_EVERY) && !self.is_wanted())
    }
}
