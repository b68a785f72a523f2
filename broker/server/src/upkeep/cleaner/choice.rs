//! Which logs are compacted next.

use std::collections::HashSet;
use std::sync::Arc;

use broker_cluster::partition::Partition;
use broker_log::{Cleanable, StorageError, TopicPartition};
use tracing::error;

use super::note_cleaned;
use crate::services::Services;

/// A log that is to be compacted, and what of it.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) partition: Arc<Partition>,
    pub(super) cleanable: Cleanable,
}

/// The logs that are due, at most `room` of them, the most urgent first; not those that are being
/// compacted, nor those in `waiting`. Blocks.
pub(super) fn choose(
    services: &Services,
    waiting: &HashSet<TopicPartition>,
    room: usize,
) -> Vec<Choice> {
    let mut due = Vec::new();
    for partition in services.partitions.all() {
        let id = &partition.id;
        if !partition.dir().is_writable()
            || waiting.contains(id)
            || services.cleaner.is_compacting(id)
        {
            continue;
        }
        match look(services, &partition) {
            Ok(None) => {}
            Ok(Some(cleanable)) => due.push(Choice { partition, cleanable }),
            Err(problem) => {
                error!("{}: what is to be compacted can't be told: {problem}", partition.id);
                services.partitions.storage_failed(&partition, &problem);
            }
        }
    }
    due.sort_by(|one, other| urgency(&other.cleanable).total_cmp(&urgency(&one.cleanable)));
    due.truncate(room);
    due
}

/// What of a log is to be compacted, if it is due.
fn look(services: &Services, partition: &Partition) -> Result<Option<Cleanable>, StorageError> {
    let checkpoint = services.partitions.cleaned().get(&partition.id);
    let now_ms = services.now_ms();
    let looked = partition.with_log(|log| {
        let cleanable = log.cleanable(checkpoint, now_ms)?;
        let config = &log.config().compaction;
        let due = cleanable.as_ref().is_some_and(|cleanable| cleanable.is_due(config));
        Ok::<_, StorageError>((cleanable, due))
    });
    // A log that is gone has nothing to compact.
    let Ok(looked) = looked else { return Ok(None) };
    let (Some(cleanable), due) = looked? else { return Ok(None) };
    // A log that was cut, or begins later than it did, is clean only as far as it goes.
    if cleanable.checkpoint_is_stale {
        note_cleaned(services, partition, cleanable.first_dirty_offset)?;
    }
    Ok(due.then_some(cleanable))
}

/// A log past `max.compaction.lag.ms` goes before all others, then the filthier one.
fn urgency(cleanable: &Cleanable) -> f64 {
    cleanable.dirty_ratio() + if cleanable.must_clean { 1.0 } else { 0.0 }
}
