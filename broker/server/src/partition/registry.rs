//! All partitions of this broker, kept in step with the metadata image.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use broker_log::{
    Closed, DirError, FolderFate, Location, Log, LogDir, OffsetCheckpoint, OpenError, OpenOptions,
    RecoveryReport, RemovedFiles, StorageError, TopicPartition,
};
use broker_metadata::{Changes, ConfigResource, Image, TopicImage};
use thiserror::Error;
use tracing::{error, info, warn};
use uuid::Uuid;

use super::cleaned::CleanedOffsets;
use super::parallel::in_parallel;
use super::{Partition, ProduceRules};
use crate::config::LogConfigs;
use crate::limits::DISK_THREADS;

/// Why partitions could not be brought in step.
#[derive(Debug, Error)]
pub(crate) enum RegistryError {
    #[error(transparent)]
    Dir(#[from] DirError),
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// The partitions of a topic by number; those on other brokers, or broken, are missing.
type Places = Vec<Option<Arc<Partition>>>;

/// The partitions that have their log open here, and the log dirs that they lie in.
#[derive(Debug)]
pub(crate) struct Partitions {
    node_id: i32,
    dirs: Vec<LogDir>,
    configs: LogConfigs,
    /// By topic, then partition number. A std lock: held for a look-up or a change of the map.
    topics: RwLock<HashMap<Arc<str>, Places>>,
    /// What the checkpoints of each dir hold. A std mutex: held while they are written, by the one
    /// thread that does.
    written: Mutex<HashMap<usize, Vec<(TopicPartition, Closed)>>>,
    cleaned: CleanedOffsets,
}

impl Partitions {
    pub(crate) fn new(node_id: i32, dirs: Vec<LogDir>, configs: LogConfigs) -> Self {
        let cleaned = CleanedOffsets::load(&dirs);
        let (topics, written) = (RwLock::default(), Mutex::default());
        Self { node_id, dirs, configs, topics, written, cleaned }
    }

    /// How far compacted logs are clean.
    pub(crate) fn cleaned(&self) -> &CleanedOffsets {
        &self.cleaned
    }

    pub(crate) fn dirs(&self) -> &[LogDir] {
        &self.dirs
    }

    pub(crate) fn get(&self, topic: &str, partition: i32) -> Option<Arc<Partition>> {
        let index = usize::try_from(partition).ok()?;
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        topics.get(topic)?.get(index)?.clone()
    }

    /// All partitions, in no order.
    pub(crate) fn all(&self) -> Vec<Arc<Partition>> {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        topics.values().flatten().flatten().cloned().collect()
    }

    /// Opens what lies in the log dirs, creates what the image has and they have not, and sets
    /// aside folders of topics that the image does not know. Blocks; for the start of the broker.
    pub(crate) fn load(
        &self,
        image: &Image,
        threads: usize,
        now_ms: i64,
    ) -> Result<(), RegistryError> {
        for (number, dir) in self.dirs.iter().enumerate() {
            for stray in dir.sweep()? {
                warn!("{} was set aside as unknown; remove it or move it back", stray.display());
            }
            let (mut known, mut unknown) = (Vec::new(), Vec::new());
            for id in dir.partitions()? {
                if &*id.topic == broker_metadata::names::CLUSTER_METADATA {
                    continue;
                }
                match self.hosted(image, &id, dir.topic_id(&id)?) {
                    Some(_) => known.push(id),
                    None => unknown.push(id),
                }
            }
            let describe = |id: &TopicPartition| {
                let topic = image.topic(&id.topic).map_or(Uuid::nil(), |topic| topic.id);
                (topic, Arc::new(self.configs.of_topic(image, &id.topic)))
            };
            for (id, loaded) in dir.load(&known, describe, threads, now_ms) {
                let (log, report) = loaded?;
                report_recovery(&id, &report, dir.was_shut_down_cleanly());
                let epoch = known_epoch(image, &id);
                self.insert(log, number, epoch, self.configs.rules(image, &id.topic));
            }
            for id in unknown {
                self.set_aside(dir, &id, now_ms)?;
            }
        }
        for topic in image.topics() {
            self.open_missing(image, topic, now_ms)?;
        }
        let is_there = |id: &TopicPartition| self.get(&id.topic, id.partition).is_some();
        Ok(self.cleaned.keep(&self.dirs, is_there)?)
    }

    /// Follows a change of the image: opens new partitions, moves leader epochs, hands new settings
    /// to the logs, and closes what was deleted, whose files are returned to be removed later. What
    /// fails for one partition is logged and leaves that partition out. Blocks.
    pub(crate) fn follow(
        &self,
        image: &Image,
        changes: &Changes,
        now_ms: i64,
    ) -> Vec<(RemovedFiles, i64)> {
        for id in &changes.topics {
            let Some(topic) = image.topic_by_id(*id) else { continue };
            if let Err(problem) = self.open_missing(image, topic, now_ms) {
                error!("partitions of {} can't be opened: {problem}", topic.name);
            }
        }
        self.reconfigure(image, changes);
        let mut removed = Vec::new();
        for topic in &changes.deleted {
            removed.extend(self.retire(topic));
        }
        removed
    }

    /// A partition's storage failed in a way that nothing written to its log dir can be trusted to
    /// stay: a sync that failed may have lost what it was to write. No partition of the dir takes
    /// records from now on; what it has can be read.
    pub(crate) fn storage_failed(&self, partition: &Partition, problem: &StorageError) {
        let dir = self.dirs[partition.log_dir].path();
        error!("log dir {} takes no more records: {problem}", dir.display());
        let reason: Arc<str> = problem.to_string().into();
        partition.fail(&reason);
        for other in self.all() {
            if other.log_dir == partition.log_dir {
                other.fail(&reason);
            }
        }
    }

    /// Closes all logs, then writes what the next start needs to scan nothing, if the metadata was
    /// closed well too. Blocks.
    pub(crate) fn close(&self, metadata_is_closed: bool) -> Result<(), StorageError> {
        let mut closed: Vec<Vec<(TopicPartition, Closed)>> = vec![Vec::new(); self.dirs.len()];
        let mut clean = vec![metadata_is_closed; self.dirs.len()];
        let done = in_parallel(self.all(), DISK_THREADS, |partition| {
            let last = partition.take_log().map(Log::close);
            (partition, last)
        });
        for (partition, last) in done {
            match last {
                None => {}
                Some(Ok(last)) => closed[partition.log_dir].push((partition.id.clone(), last)),
                Some(Err(problem)) => {
                    error!("{} was not closed: {problem}", partition.id);
                    clean[partition.log_dir] = false;
                }
            }
        }
        let mut outcome = Ok(());
        for ((dir, closed), clean) in self.dirs.iter().zip(closed).zip(clean) {
            let marked = write_checkpoints(dir, &closed)
                .and_then(|()| if clean { dir.mark_clean_shutdown(-1) } else { Ok(()) });
            outcome = outcome.and(marked);
        }
        outcome
    }

    /// Writes recovery points, high watermarks and log starts of all dirs. Blocks.
    pub(crate) fn write_checkpoints(&self) -> Result<(), StorageError> {
        let mut now: Vec<Vec<(TopicPartition, Closed)>> = vec![Vec::new(); self.dirs.len()];
        for partition in self.all() {
            let state = partition.with_log(|log| Closed {
                recovery_point: log.recovery_point(),
                log_start_offset: log.log_start_offset(),
                high_watermark: log.high_watermark(),
            });
            // A partition that was deleted meanwhile has no place in the files.
            now[partition.log_dir].extend(state.ok().map(|state| (partition.id.clone(), state)));
        }
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        for (number, mut now) in now.into_iter().enumerate() {
            now.sort_by(|(one, _), (other, _)| one.cmp(other));
            // A quiet broker leaves its disks alone.
            if written.get(&number) != Some(&now) {
                write_checkpoints(&self.dirs[number], &now)?;
                written.insert(number, now);
            }
        }
        Ok(())
    }

    /// The leader epoch of a partition that this broker holds, if the folder is of that very topic.
    fn hosted(&self, image: &Image, id: &TopicPartition, topic_id: Option<Uuid>) -> Option<i32> {
        let topic = image.topic(&id.topic)?;
        let partition = topic.partition(id.partition)?;
        let same = topic_id.is_none_or(|found| found == topic.id);
        (same && partition.replicas.contains(&self.node_id)).then_some(partition.leader_epoch)
    }

    fn open_missing(
        &self,
        image: &Image,
        topic: &TopicImage,
        now_ms: i64,
    ) -> Result<(), RegistryError> {
        let mut missing = Vec::new();
        for (index, image_of) in (0..).zip(&topic.partitions) {
            if !image_of.replicas.contains(&self.node_id) {
                continue;
            }
            match self.get(&topic.name, index) {
                None => missing.push((index, image_of.leader_epoch)),
                Some(present) => {
                    if let Err(problem) = present.lead(image_of.leader_epoch) {
                        warn!("{}: {problem}", present.id);
                    }
                }
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let config = Arc::new(self.configs.of_topic(image, &topic.name));
        let rules = self.configs.rules(image, &topic.name);
        let places = self.emptiest_dirs(missing.len());
        let missing = missing.into_iter().zip(places).collect();
        let opened = in_parallel(missing, DISK_THREADS, |((index, epoch), number)| {
            let dir = &self.dirs[number];
            let location = Location {
                log_dir: dir.path().to_owned(),
                topic_partition: TopicPartition::new(topic.name.clone(), index),
                topic_id: topic.id,
            };
            let options = OpenOptions { now_ms, clean_shutdown: true, ..OpenOptions::default() };
            let (log, _) = Log::open(dir.store().clone(), location, config.clone(), options)?;
            self.insert(log, number, epoch, rules);
            Ok(())
        });
        opened.into_iter().collect()
    }

    fn insert(&self, mut log: Log, dir: usize, epoch: i32, rules: ProduceRules) {
        let id = log.topic_partition().clone();
        if log.latest_epoch() != Some(epoch) {
            log.assign_epoch(epoch);
        }
        let end = log.log_end_offset();
        log.set_high_watermark(end);
        let index =
            usize::try_from(id.partition).expect("a partition of the image is not negative");
        let partition = Arc::new(Partition::new(log, dir, epoch, rules));
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        let places = topics.entry(id.topic).or_default();
        if places.len() <= index {
            places.resize(index + 1, None);
        }
        places[index] = Some(partition);
    }

    /// For each of `count` new partitions the dir that then has the fewest.
    fn emptiest_dirs(&self, count: usize) -> Vec<usize> {
        let mut held = vec![0_usize; self.dirs.len()];
        for partition in self.all() {
            held[partition.log_dir] += 1;
        }
        let next = || {
            let least = (0..held.len()).min_by_key(|number| held[*number]).unwrap_or(0);
            held[least] += 1;
            least
        };
        std::iter::repeat_with(next).take(count).collect()
    }

    fn reconfigure(&self, image: &Image, changes: &Changes) {
        let of_broker = |name: &str| name.is_empty() || name.parse() == Ok(self.node_id);
        let all = changes
            .configs
            .iter()
            .any(|(resource, name)| *resource == ConfigResource::Broker && of_broker(name));
        let mut fresh = HashMap::new();
        for partition in self.all() {
            let topic = &partition.id.topic;
            let own = (ConfigResource::Topic, topic.clone());
            if !all && !changes.configs.contains(&own) {
                continue;
            }
            let (rules, config) = fresh.entry(topic.clone()).or_insert_with(|| {
                let config = self.configs.of_topic(image, topic);
                (self.configs.rules(image, topic), Arc::new(config))
            });
            partition.reconfigure(*rules, config.clone());
        }
    }

    fn retire(&self, topic: &TopicImage) -> Vec<(RemovedFiles, i64)> {
        let partitions = {
            let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
            topics.remove(&topic.name).unwrap_or_default()
        };
        let mut removed = Vec::new();
        for partition in partitions.into_iter().flatten() {
            let Some(log) = partition.take_log() else { continue };
            let delay_ms = log.config().retention.file_delete_delay_ms;
            match log.retire(FolderFate::Delete, Uuid::new_v4()) {
                Ok(files) => removed.push((files, delay_ms)),
                Err(problem) => error!("the folder of {} stays: {problem}", partition.id),
            }
        }
        if let Err(problem) = self.cleaned.keep(&self.dirs, |id| id.topic != topic.name) {
            error!("the cleaner's checkpoint still names {}: {problem}", topic.name);
        }
        info!("topic {} ({}) was deleted", topic.name, topic.id);
        removed
    }

    /// Renames the folder of a partition that no topic has, so that a topic of that name can be
    /// made.
    fn set_aside(
        &self,
        dir: &LogDir,
        id: &TopicPartition,
        now_ms: i64,
    ) -> Result<(), RegistryError> {
        let topic_id = dir.topic_id(id)?.unwrap_or(Uuid::nil());
        let location =
            Location { log_dir: dir.path().to_owned(), topic_partition: id.clone(), topic_id };
        let options = OpenOptions { now_ms, ..OpenOptions::default() };
        let config = Arc::default();
        let (log, _) = Log::open(dir.store().clone(), location, config, options)?;
        warn!("{id} of topic id {topic_id} is in no topic: its folder is set aside as a stray");
        // The files stay for the operator; only the name changes.
        drop(log.retire(FolderFate::Stray, Uuid::new_v4())?);
        Ok(())
    }
}

/// The leader epoch of a partition that the image has.
fn known_epoch(image: &Image, id: &TopicPartition) -> i32 {
    let partition = image.topic(&id.topic).and_then(|topic| topic.partition(id.partition));
    partition.map_or(0, |partition| partition.leader_epoch)
}

fn write_checkpoints(dir: &LogDir, all: &[(TopicPartition, Closed)]) -> Result<(), StorageError> {
    let of =
        |pick: fn(&Closed) -> i64| all.iter().map(move |(id, state)| (id.clone(), pick(state)));
    dir.write_checkpoint(OffsetCheckpoint::RecoveryPoint, of(|state| state.recovery_point))?;
    dir.write_checkpoint(OffsetCheckpoint::HighWatermark, of(|state| state.high_watermark))?;
    // A log that starts at 0 needs no line.
    let starts = of(|state| state.log_start_offset).filter(|(_, offset)| *offset > 0);
    dir.write_checkpoint(OffsetCheckpoint::LogStart, starts)
}

fn report_recovery(id: &TopicPartition, report: &RecoveryReport, clean: bool) {
    if report.bytes_cut > 0 {
        warn!("{id}: cut {} bytes of a torn or damaged tail", report.bytes_cut);
    }
    if report.scanned_segments > 0 && !clean {
        info!(
            "{id}: checked {} segments after an unclean stop, rebuilt {} indexes",
            report.scanned_segments, report.rebuilt_indexes
        );
    }
}
