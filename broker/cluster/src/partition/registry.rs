//! All partitions of this broker, kept in step with the metadata image.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, RwLock};

use broker_log::{
    FolderFate, Location, Log, OpenError, OpenOptions, RemovedFiles, StorageError, TopicPartition,
};
use broker_metadata::{Changes, ConfigResource, Image, PartitionImage, TopicImage};
use tracing::{error, info, warn};
use uuid::Uuid;

use super::checkpoints::Written;
use super::cleaned::CleanedOffsets;
use super::data_dir::{DataDir, DirState};
use super::moves::Moves;
use super::parallel::in_parallel;
use super::{LeadershipError, Partition, ProduceRules, Surroundings};
use crate::limits::DISK_THREADS;
use crate::lock::{read_whole, whole, write_whole};
use crate::log_configs::LogConfigs;

/// Why a partition of this broker is not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offline {
    /// No log dir has it, and one that may have it can't be used.
    Lost,
    /// Its folder is there, in the log dir of this number, and could not be opened.
    Unopened { dir: usize },
    /// It is new, and its folder could not be made.
    Uncreated,
}

/// The partitions of a topic by number; those on other brokers, or broken, are missing.
type Places = Vec<Option<Arc<Partition>>>;

/// The partitions that have their log open here, and the log dirs that they lie in.
#[derive(Debug)]
pub struct Partitions {
    pub(super) surroundings: Arc<Surroundings>,
    dirs: Vec<Arc<DataDir>>,
    pub(super) configs: LogConfigs,
    /// By topic, then partition number. A std lock: held for a look-up or a change of the map.
    topics: RwLock<HashMap<Arc<str>, Places>>,
    /// Those that are not open, and should be. A std mutex: held for a change of the map.
    offline: Mutex<HashMap<TopicPartition, Offline>>,
    /// What the checkpoints of each dir hold. A std mutex: held while they are written, by the one
    /// thread that does.
    pub(super) written: Mutex<Written>,
    cleaned: CleanedOffsets,
    pub(super) moves: Moves,
}

impl Partitions {
    pub fn new(
        surroundings: Arc<Surroundings>,
        dirs: Vec<Arc<DataDir>>,
        configs: LogConfigs,
    ) -> Self {
        let cleaned = CleanedOffsets::load(&dirs);
        Self {
            surroundings,
            dirs,
            configs,
            topics: RwLock::default(),
            offline: Mutex::default(),
            written: Mutex::default(),
            cleaned,
            moves: Moves::default(),
        }
    }

    /// How far compacted logs are clean.
    pub fn cleaned(&self) -> &CleanedOffsets {
        &self.cleaned
    }

    pub fn dirs(&self) -> &[Arc<DataDir>] {
        &self.dirs
    }

    /// A partition that a request names.
    pub fn find(&self, topic: &str, partition: i32) -> Result<Arc<Partition>, LeadershipError> {
        if let Some(found) = self.get(topic, partition) {
            return Ok(found);
        }
        if self.offline().contains_key(&TopicPartition::new(topic, partition)) {
            return Err(LeadershipError::Offline);
        }
        // It may have been put into service between the two looks.
        self.get(topic, partition).ok_or_else(|| {
            let image = self.surroundings.image();
            let is_elsewhere =
                image.topic(topic).is_some_and(|it| it.partition(partition).is_some());
            if is_elsewhere { LeadershipError::NotLeader } else { LeadershipError::Gone }
        })
    }

    pub fn get(&self, topic: &str, partition: i32) -> Option<Arc<Partition>> {
        let index = usize::try_from(partition).ok()?;
        let topics = read_whole(&self.topics);
        topics.get(topic)?.get(index)?.clone()
    }

    /// All partitions, in no order.
    pub fn all(&self) -> Vec<Arc<Partition>> {
        let topics = read_whole(&self.topics);
        topics.values().flatten().flatten().cloned().collect()
    }

    /// The partitions in a log dir, in no order.
    pub fn in_dir(&self, dir: &DataDir) -> Vec<Arc<Partition>> {
        let mut all = self.all();
        all.retain(|partition| partition.dir().number() == dir.number());
        all
    }

    pub(super) fn offline(&self) -> MutexGuard<'_, HashMap<TopicPartition, Offline>> {
        whole(&self.offline)
    }

    /// The one place to tell that a file operation of a partition failed. Where that makes its log
    /// dir fail, whoever waits for a sync of the dir learns it.
    pub fn storage_failed(&self, partition: &Partition, problem: &StorageError) {
        self.dir_failed(&partition.dir(), problem);
    }

    /// The same of a file operation of a log dir.
    pub fn dir_failed(&self, dir: &DataDir, problem: &StorageError) {
        if let Some(DirState::Failed(reason)) = dir.storage_failed(problem) {
            for partition in self.in_dir(dir) {
                partition.fail(&reason);
            }
        }
    }

    /// Follows a change of the image: opens new partitions, lets those that are open take their
    /// part, hands new settings to the logs, and closes what was deleted or is on other brokers
    /// now, whose files are returned to be removed later. What fails for one partition is logged
    /// and leaves that partition out. Blocks.
    pub fn follow(
        &self,
        image: &Arc<Image>,
        changes: &Changes,
        now_ms: i64,
    ) -> Vec<(RemovedFiles, i64)> {
        self.surroundings.take_image(image);
        let mut removed = Vec::new();
        for topic in &changes.deleted {
            removed.extend(self.retire(topic));
        }
        for (id, numbers) in &changes.topics {
            let Some(topic) = image.topic_by_id(*id) else { continue };
            for number in numbers {
                removed.extend(self.take_part(topic, *number));
            }
            self.open_missing(image, topic, now_ms);
        }
        self.reconfigure(image, changes);
        if !changes.brokers.is_empty() {
            for partition in self.all() {
                partition.on_brokers_change();
            }
        }
        removed
    }

    /// Lets an open partition take the part that the image gives it, which may be none.
    fn take_part(&self, topic: &TopicImage, number: i32) -> Option<(RemovedFiles, i64)> {
        let partition = self.get(&topic.name, number)?;
        let image = topic.partition(number);
        match partition.take_part(image) {
            Ok(true) => self.leave(&partition),
            Ok(false) => None,
            Err(problem) => {
                warn!("{}: {problem}", partition.id);
                None
            }
        }
    }

    /// What the image says of a partition that this broker holds, if the folder is of that very
    /// topic.
    pub(super) fn hosted<'a>(
        &self,
        image: &'a Image,
        id: &TopicPartition,
        topic_id: Option<Uuid>,
    ) -> Option<&'a Arc<PartitionImage>> {
        let topic = image.topic(&id.topic)?;
        let partition = topic.partition(id.partition)?;
        let same = topic_id.is_none_or(|found| found == topic.id);
        (same && partition.replicas.contains(&self.surroundings.node_id)).then_some(partition)
    }

    /// Creates partitions of a topic that are not open here, those too that could not be created
    /// before.
    pub(super) fn open_missing(&self, image: &Image, topic: &TopicImage, now_ms: i64) {
        let mut missing = Vec::new();
        for (index, image_of) in (0..).zip(&topic.partitions) {
            if !image_of.replicas.contains(&self.surroundings.node_id) {
                continue;
            }
            match self.find(&topic.name, index) {
                Err(LeadershipError::Offline) if !self.is_uncreated(&topic.name, index) => {}
                Err(_) => missing.push((index, image_of.clone())),
                Ok(_) => {}
            }
        }
        if missing.is_empty() {
            return;
        }
        let config = Arc::new(self.configs.of_topic(image, &topic.name));
        let rules = self.configs.rules(image, &topic.name);
        let places = self.places(&topic.name, missing.iter().map(|(index, _)| *index));
        let missing = missing.into_iter().zip(places).collect();
        in_parallel(missing, DISK_THREADS, |((index, part), dir): (_, Option<Arc<DataDir>>)| {
            let id = TopicPartition::new(topic.name.clone(), index);
            let created = dir.map(|dir| {
                let location = Location {
                    log_dir: dir.path().to_owned(),
                    topic_partition: id.clone(),
                    topic_id: topic.id,
                };
                let options =
                    OpenOptions { now_ms, clean_shutdown: true, ..OpenOptions::default() };
                let opened = Log::open(dir.store().clone(), location, config.clone(), options);
                (dir, opened)
            });
            match created {
                Some((dir, Ok((log, _)))) => self.insert(log, &dir, &part, rules),
                Some((dir, Err(problem))) => {
                    error!("{id} could not be created, and will be later: {problem}");
                    if let OpenError::Storage(problem) = &problem {
                        self.dir_failed(&dir, problem);
                    }
                    self.offline().insert(id, Offline::Uncreated);
                }
                None => {
                    error!("{id} is created later: no log dir takes writes now");
                    self.offline().insert(id, Offline::Uncreated);
                }
            }
        });
    }

    /// Tries again to create what could not be created.
    pub fn create_missing(&self, image: &Image, now_ms: i64) {
        let uncreated: BTreeSet<_> = self
            .offline()
            .iter()
            .filter(|(_, why)| **why == Offline::Uncreated)
            .map(|(id, _)| id.topic.clone())
            .collect();
        for topic in uncreated.iter().filter_map(|name| image.topic(name)) {
            self.open_missing(image, topic, now_ms);
        }
    }

    fn is_uncreated(&self, topic: &Arc<str>, partition: i32) -> bool {
        let id = TopicPartition::new(topic.clone(), partition);
        self.offline().get(&id) == Some(&Offline::Uncreated)
    }

    /// Puts an opened log into service, whose high watermark is as far as was known when it was
    /// closed.
    pub(super) fn insert(
        &self,
        log: Log,
        dir: &Arc<DataDir>,
        part: &Arc<PartitionImage>,
        rules: ProduceRules,
    ) {
        let id = log.topic_partition().clone();
        let index =
            usize::try_from(id.partition).expect("a partition of the image is not negative");
        let surroundings = self.surroundings.clone();
        let partition = Arc::new(Partition::new(log, dir.clone(), rules, surroundings));
        if let Err(problem) = partition.take_part(Some(part)) {
            warn!("{id}: {problem}");
        }
        {
            let mut topics = write_whole(&self.topics);
            let places = topics.entry(id.topic.clone()).or_default();
            if places.len() <= index {
                places.resize(index + 1, None);
            }
            places[index] = Some(partition);
        }
        // Only now: at no moment is it neither offline nor in service.
        self.offline().remove(&id);
    }

    /// For each of the new partitions the dir that somebody chose for it, or the one that then has
    /// the fewest, of those that take writes.
    fn places(
        &self,
        topic: &Arc<str>,
        indexes: impl Iterator<Item = i32>,
    ) -> Vec<Option<Arc<DataDir>>> {
        let mut held = vec![0_usize; self.dirs.len()];
        for partition in self.all() {
            held[partition.dir().number()] += 1;
        }
        let usable: Vec<_> = self.dirs.iter().filter(|dir| dir.is_writable()).collect();
        let mut place = |index| {
            let chosen = self.moves.preferred(&TopicPartition::new(topic.clone(), index));
            let chosen = chosen.filter(|dir| dir.is_writable());
            let least = || usable.iter().min_by_key(|dir| held[dir.number()]).copied().cloned();
            let dir = chosen.or_else(least)?;
            held[dir.number()] += 1;
            Some(dir)
        };
        indexes.map(&mut place).collect()
    }

    fn reconfigure(&self, image: &Image, changes: &Changes) {
        let node_id = self.surroundings.node_id;
        let of_broker = |name: &str| name.is_empty() || name.parse() == Ok(node_id);
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

    /// Takes a partition off this broker, that is on others now.
    fn leave(&self, partition: &Arc<Partition>) -> Option<(RemovedFiles, i64)> {
        {
            let mut topics = write_whole(&self.topics);
            let place = topics
                .get_mut(&partition.id.topic)
                .and_then(|places| places.get_mut(usize::try_from(partition.id.partition).ok()?));
            if let Some(place) = place {
                *place = None;
            }
        }
        info!("{} is no longer on this broker", partition.id);
        self.discard(partition)
    }

    fn discard(&self, partition: &Arc<Partition>) -> Option<(RemovedFiles, i64)> {
        let log = partition.take_log()?;
        let delay_ms = log.config().retention.file_delete_delay_ms;
        match log.retire(FolderFate::Delete, Uuid::new_v4()) {
            Ok(files) => Some((files, delay_ms)),
            Err(problem) => {
                error!("the folder of {} stays: {problem}", partition.id);
                self.dir_failed(&partition.dir(), &problem);
                None
            }
        }
    }

    fn retire(&self, topic: &TopicImage) -> Vec<(RemovedFiles, i64)> {
        let partitions = {
            let mut topics = write_whole(&self.topics);
            topics.remove(&topic.name).unwrap_or_default()
        };
        self.offline().retain(|id, _| id.topic != topic.name);
        let mut removed = self.moves.cancel_topic(&topic.name);
        for partition in partitions.into_iter().flatten() {
            removed.extend(self.discard(&partition));
        }
        if let Err(problem) = self.cleaned.keep(&self.dirs, |id| id.topic != topic.name) {
            error!("the cleaner's checkpoint still names {}: {problem}", topic.name);
        }
        info!("topic {} ({}) was deleted", topic.name, topic.id);
        removed
    }
}
