//! Looks after the log dirs: finds out that one is gone, tries again those that are full or have
//! failed, and moves partitions between them.

use std::sync::Arc;

use broker_cluster::partition::{DataDir, ReopenError, Turn};
use broker_log::StorageError;
use tokio::runtime::Handle;
use tracing::{error, warn};

use super::janitor::Janitor;
use super::rounds::every;
use crate::broker::commit_assumed;
use crate::services::Services;

pub(super) fn start(services: &Arc<Services>, janitor: &Janitor) {
    every(services, Some(services.config.environment.log_dir_check), |services| {
        for dir in services.partitions.dirs() {
            look_after(services, dir);
        }
    });
    move_on_request(services, janitor);
}

fn look_after(services: &Services, dir: &Arc<DataDir>) {
    match dir.tick() {
        Turn::Nothing => {}
        Turn::Look => {
            if let Err(problem) = dir.look() {
                services.partitions.dir_failed(dir, &problem);
            }
        }
        Turn::Probe => match dir.probe() {
            Ok(()) => put_back(services, dir),
            Err(problem) => still_full(services, dir, &problem),
        },
        Turn::Reopen => match reopen(services, dir) {
            Ok(()) => put_back(services, dir),
            Err(problem) if problem.needs_operator() => dir.needs_operator(&problem.to_string()),
            Err(problem) => dir.is_still_unwell(&problem.to_string()),
        },
    }
}

fn still_full(services: &Services, dir: &Arc<DataDir>, problem: &StorageError) {
    // It may have become worse than full.
    services.partitions.dir_failed(dir, problem);
    dir.is_still_unwell(&problem.to_string());
}

/// Opens all that lies in a dir anew, before anything is written to it again.
fn reopen(services: &Services, dir: &Arc<DataDir>) -> Result<(), ReopenError> {
    let (image, now_ms) = (services.image(), services.now_ms());
    services.partitions.reopen(dir, &image, services.config.recovery_threads, now_ms)?;
    // This thread may wait; the quorum's own thread opens its log.
    Handle::current().block_on(services.controller.quorum().reopen(dir.number()))
}

/// The dir takes writes again: does what had to wait for that.
fn put_back(services: &Services, dir: &Arc<DataDir>) {
    dir.recovered();
    for partition in services.partitions.in_dir(dir) {
        partition.resume();
        if partition.wants_sync() {
            services.flusher.urge(&partition);
        }
    }
    if let Err(problem) = Handle::current().block_on(commit_assumed(services)) {
        warn!("what this node says of itself is not in the metadata log yet: {problem}");
    }
    services.partitions.create_missing(&services.image(), services.now_ms());
    services.partitions.write_checkpoints();
    services.partitions.wake_moves();
}

fn move_on_request(services: &Arc<Services>, janitor: &Janitor) {
    let (services, janitor) = (services.clone(), janitor.clone());
    services.tasks.clone().spawn(async move {
        loop {
            tokio::select! {
                biased;
                () = services.stopping.cancelled() => return,
                () = services.partitions.wait_for_moves() => {}
            }
            let (services, janitor) = (services.clone(), janitor.clone());
            let runtime = Handle::current();
            let moved = tokio::task::spawn_blocking(move || {
                // The janitor waits on the runtime's timer.
                let _entered = runtime.enter();
                services.partitions.carry_out_moves(
                    &|| services.now_ms(),
                    &|| services.stopping.is_cancelled(),
                    &|files, delay_ms| janitor.remove_later(files, delay_ms),
                );
            });
            if let Err(problem) = moved.await {
                error!("moving partitions failed: {problem}");
            }
        }
    });
}
