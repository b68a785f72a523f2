//! Logs and brokers that tests make up.

use std::collections::BTreeMap;

use broker_log::EpochEnd;

use super::leader::Moment;
use super::{Brokers, LogView, Standing};

/// A log of which there are only the facts.
#[derive(Clone, Debug)]
pub(super) struct LogFacts {
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) high_watermark: i64,
    /// Epochs with the offsets at which they begin.
    pub(super) epochs: Vec<(i32, i64)>,
}

impl LogFacts {
    pub(super) fn new(start: i64, end: i64) -> Self {
        Self { start, end, high_watermark: start, epochs: Vec::new() }
    }

    pub(super) fn with_epochs(mut self, epochs: &[(i32, i64)]) -> Self {
        self.epochs = epochs.to_vec();
        self
    }

    pub(super) fn with_high_watermark(mut self, offset: i64) -> Self {
        self.high_watermark = offset;
        self
    }
}

impl LogView for LogFacts {
    fn log_start_offset(&self) -> i64 {
        self.start
    }

    fn log_end_offset(&self) -> i64 {
        self.end
    }

    fn high_watermark(&self) -> i64 {
        self.high_watermark
    }

    fn latest_epoch(&self) -> Option<i32> {
        self.epochs.last().map(|(epoch, _)| *epoch)
    }

    fn epoch_end(&self, leader_epoch: i32) -> EpochEnd {
        end_of(&self.epochs, leader_epoch, self.end)
    }
}

/// As a log of broker-log answers it.
pub(super) fn end_of(epochs: &[(i32, i64)], epoch: i32, log_end: i64) -> EpochEnd {
    let unknown = EpochEnd { leader_epoch: -1, end_offset: -1 };
    let Some((latest, _)) = epochs.last().filter(|_| epoch >= 0) else { return unknown };
    if epoch == *latest {
        return EpochEnd { leader_epoch: epoch, end_offset: log_end };
    }
    let above = epochs.partition_point(|(known, _)| *known <= epoch);
    let Some((_, end_offset)) = epochs.get(above) else { return unknown };
    let floor = above.checked_sub(1).map_or(epoch, |floor| epochs[floor].0);
    EpochEnd { leader_epoch: floor, end_offset: *end_offset }
}

/// Brokers by id.
#[derive(Clone, Debug, Default)]
pub(super) struct Cluster(pub(super) BTreeMap<i32, Standing>);

impl Cluster {
    /// Brokers that are alive, the epoch of each ten times its id.
    pub(super) fn of(ids: &[i32]) -> Self {
        let alive = |id: &i32| {
            let epoch = i64::from(*id) * 10;
            (*id, Standing { epoch, fenced: false, in_controlled_shutdown: false })
        };
        Self(ids.iter().map(alive).collect())
    }

    pub(super) fn at(&self, now_ms: i64) -> Moment<'_> {
        Moment { now_ms, brokers: self }
    }
}

impl Brokers for Cluster {
    fn standing(&self, broker: i32) -> Option<Standing> {
        self.0.get(&broker).copied()
    }
}
