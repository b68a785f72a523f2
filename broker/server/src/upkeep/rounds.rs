//! The tasks that go round all partitions, each at its own pace.

use std::sync::Arc;
use std::time::Duration;

use broker_cluster::partition::Partition;
use tokio::time::MissedTickBehavior;
use tracing::{error, info};

use super::cleaner;
use super::disks;
use super::janitor::Janitor;
use super::memory;
use super::sessions;
use crate::services::Services;

/// A tick of the flush round where `log.flush.scheduler.interval.ms` says "never": `flush.ms` of a
/// topic holds all the same.
const FLUSH_CHECK: Duration = Duration::from_secs(1);
/// How often idle producers are looked for.
const PRODUCER_CHECK: Duration = Duration::from_secs(600);

/// Starts all of them; they end when the broker stops.
pub(crate) fn start(services: &Arc<Services>, janitor: &Janitor) {
    let upkeep = &services.config.settings.upkeep;
    cleaner::start(services, janitor);
    disks::start(services, janitor);
    memory::start(services);
    services.tasks.spawn(sessions::run(services.clone()));
    let janitor = janitor.clone();
    every(services, millis(upkeep.retention_check_interval_ms), move |services| {
        for partition in services.partitions.all() {
            // What has no room or no disk loses nothing by age either way.
            if partition.dir().has_failed() {
                continue;
            }
            retain(services, &partition, &janitor);
        }
    });
    let configured = millis(upkeep.flush_check_interval_ms);
    every(
        services,
        configured.map_or(Some(FLUSH_CHECK), |every| Some(every.min(FLUSH_CHECK))),
        |services| {
            let now_ms = services.now_ms();
            for partition in services.partitions.all() {
                let due = partition.with_log(|log| log.flush_is_due(now_ms));
                if due.is_ok_and(|due| due) {
                    services.flusher.request(&partition);
                }
            }
        },
    );
    let pauses = [
        upkeep.recovery_point_interval_ms,
        upkeep.start_offset_interval_ms,
        upkeep.high_watermark_interval_ms,
    ];
    every(services, pauses.into_iter().filter_map(millis).min(), |services| {
        services.partitions.write_checkpoints();
    });
    every(services, Some(PRODUCER_CHECK), |services| {
        let now_ms = services.now_ms();
        for partition in services.partitions.all() {
            // A partition that is gone has no producers.
            let _ = partition.with_log(|log| log.expire_producers(now_ms));
        }
    });
}

/// Runs `round` on a thread that may block, again and again with a pause.
pub(super) fn every(
    services: &Arc<Services>,
    pause: Option<Duration>,
    round: impl Fn(&Services) + Send + Sync + 'static,
) {
    let Some(pause) = pause else { return };
    let (services, round) = (services.clone(), Arc::new(round));
    services.tasks.clone().spawn(async move {
        let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + pause, pause);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = services.stopping.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let (services, round) = (services.clone(), round.clone());
            let done = tokio::task::spawn_blocking(move || round(&services)).await;
            if let Err(problem) = done {
                error!("work in the background failed: {problem}");
            }
        }
    });
}

/// Rolls a quiet segment that is old enough, and drops what retention wants gone.
pub(crate) fn retain(services: &Services, partition: &Arc<Partition>, janitor: &Janitor) {
    // Where this fails, retention meets the same error and tells it.
    let _ = partition.learn_times();
    let now_ms = services.now_ms();
    let mut rolled = false;
    let done = partition.with_log(|log| {
        rolled = log.roll_if_due(now_ms)?;
        // What is being compacted is not pulled away from under it: the next round comes.
        if services.cleaner.is_compacting(&partition.id) {
            return Ok(None);
        }
        let Some(plan) = log
            .retention(now_ms)
            .map_err(|problem| {
                error!("{}: retention can't be worked out: {problem}", log.topic_partition());
            })
            .ok()
            .flatten()
        else {
            return Ok(None);
        };
        let files = log.apply_retention(&plan, now_ms)?;
        let delay_ms = log.config().retention.file_delete_delay_ms;
        Ok::<_, broker_log::StorageError>(Some((plan, files, delay_ms)))
    });
    if rolled {
        services.flusher.request(partition);
    }
    match done {
        Ok(Ok(Some((plan, files, delay_ms)))) => {
            info!("{}: records below {} were dropped", partition.id, plan.new_log_start_offset);
            janitor.remove_later(files, delay_ms);
        }
        Ok(Ok(None)) | Err(_) => {}
        Ok(Err(problem)) => {
            error!("{}: retention failed: {problem}", partition.id);
            services.partitions.storage_failed(partition, &problem);
        }
    }
}

/// Negative numbers, zero, and Kafka's greatest number, stand for "never".
fn millis(pause: i64) -> Option<Duration> {
    let pause = u64::try_from(pause).ok().filter(|pause| *pause > 0)?;
    (pause < i64::MAX as u64 / 2).then(|| Duration::from_millis(pause))
}
