//! What the log dirs' checkpoints hold, now and when the broker stops.

use std::collections::HashMap;

use broker_log::{Closed, Log, LogDir, OffsetCheckpoint, StorageError, TopicPartition};
use tracing::{error, warn};

use super::Partitions;
use super::data_dir::DirState;
use super::parallel::in_parallel;
use super::registry::Offline;
use crate::limits::DISK_THREADS;
use crate::lock::whole;

/// By the number of the log dir, what its checkpoints hold.
pub(super) type Written = HashMap<usize, Vec<(TopicPartition, Closed)>>;

impl Partitions {
    /// Writes recovery points, high watermarks and log starts of all dirs that take writes. Blocks.
    pub fn write_checkpoints(&self) {
        let mut now: Vec<Vec<(TopicPartition, Closed)>> = vec![Vec::new(); self.dirs().len()];
        for partition in self.all() {
            let state = partition.with_log(|log| state_of(log));
            // A partition that was deleted meanwhile has no place in the files.
            let number = partition.dir().number();
            now[number].extend(state.ok().map(|state| (partition.id.clone(), state)));
        }
        let mut written = whole(&self.written);
        for (dir, mut now) in self.dirs().iter().zip(now) {
            let Some(opened) = dir.opened().filter(|_| dir.is_writable()) else { continue };
            now.sort_by(|(one, _), (other, _)| one.cmp(other));
            // A quiet broker leaves its disks alone.
            if written.get(&dir.number()) == Some(&now) {
                continue;
            }
            match write(&opened, &now) {
                Ok(()) => drop(written.insert(dir.number(), now)),
                Err(problem) => self.dir_failed(dir, &problem),
            }
        }
    }

    /// Closes all logs, then writes what the next start needs to scan nothing, if the metadata was
    /// closed well too. Of a dir that failed nothing is said to be in order. The broker epoch
    /// is that of this run, -1 if it had none. Blocks.
    pub fn close(&self, metadata_is_closed: bool, broker_epoch: i64) -> Result<(), StorageError> {
        let mut closed: Vec<Vec<(TopicPartition, Closed)>> = vec![Vec::new(); self.dirs().len()];
        let mut clean: Vec<bool> = self
            .dirs()
            .iter()
            .map(|dir| metadata_is_closed && !matches!(dir.state(), DirState::Failed(_)))
            .collect();
        for why in self.offline().values() {
            if let Offline::Unopened { dir } = why {
                // What could not be opened was not read either.
                clean[*dir] = false;
            }
        }
        let done = in_parallel(self.all(), DISK_THREADS, |partition| {
            // Only who takes the log may learn that a panic has left it half changed.
            let log = partition.take_log();
            let failed = matches!(partition.dir().state(), DirState::Failed(_));
            let last = log.filter(|_| !failed).map(|log| {
                let before = state_of(&log);
                log.close().map_err(|problem| (before, problem))
            });
            (partition, last)
        });
        for (partition, last) in done {
            let number = partition.dir().number();
            let last = match last {
                None => continue,
                Some(Ok(last)) => last,
                Some(Err((before, problem))) => {
                    if clean[number] {
                        error!("{} was not closed: {problem}", partition.id);
                    }
                    clean[number] = false;
                    before
                }
            };
            closed[number].push((partition.id.clone(), last));
        }
        let mut outcome = Ok(());
        for ((dir, closed), clean) in self.dirs().iter().zip(closed).zip(clean) {
            let state = dir.state();
            let Some(opened) = dir.opened() else { continue };
            if matches!(state, DirState::Failed(_)) {
                warn!("log dir {} is left as it is: its logs are read again", dir.path().display());
                continue;
            }
            let marked = write(&opened, &closed).and_then(|()| {
                if clean { opened.mark_clean_shutdown(broker_epoch) } else { Ok(()) }
            });
            match marked {
                Err(problem) if problem.is_out_of_space() => {
                    warn!("what is in {} is read again: {problem}", dir.path().display());
                }
                other => outcome = outcome.and(other),
            }
        }
        outcome
    }
}

fn state_of(log: &Log) -> Closed {
    Closed {
        recovery_point: log.recovery_point(),
        log_start_offset: log.log_start_offset(),
        high_watermark: log.high_watermark(),
    }
}

fn write(dir: &LogDir, all: &[(TopicPartition, Closed)]) -> Result<(), StorageError> {
    let of =
        |pick: fn(&Closed) -> i64| all.iter().map(move |(id, state)| (id.clone(), pick(state)));
    dir.write_checkpoint(OffsetCheckpoint::RecoveryPoint, of(|state| state.recovery_point))?;
    dir.write_checkpoint(OffsetCheckpoint::HighWatermark, of(|state| state.high_watermark))?;
    // A log that starts at 0 needs no line.
    let starts = of(|state| state.log_start_offset).filter(|(_, offset)| *offset > 0);
    dir.write_checkpoint(OffsetCheckpoint::LogStart, starts)
}
