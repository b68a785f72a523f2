//! From what lies in the log dirs to partitions in service: at the start, and when a dir is back.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use broker_log::{
    FolderFate, Loaded, Log, LogConfig, LogDir, OffsetCheckpoint, OpenError, RecoveryReport,
    TopicPartition,
};
use broker_metadata::{Image, names};
use tracing::{debug, error, info, warn};
use uuid::Uuid;

use super::data_dir::DataDir;
use super::parallel::in_parallel;
use super::registry::Offline;
use super::{Partitions, ProduceRules};
use crate::lock::whole;

/// What was found in one log dir.
#[derive(Debug, Default)]
struct Found {
    logs: Vec<Log>,
    summary: Summary,
}

/// What opening the logs had to do, for one line in place of thousands.
#[derive(Clone, Copy, Debug, Default)]
struct Summary {
    opened: usize,
    not_opened: usize,
    repaired: usize,
    scanned_segments: usize,
    rebuilt_indexes: usize,
    bytes_cut: u64,
}

impl Summary {
    fn with(self, report: &RecoveryReport) -> Self {
        let repaired = usize::from(report.scanned_segments > 0 || report.bytes_cut > 0);
        Self {
            opened: self.opened + 1,
            repaired: self.repaired + repaired,
            scanned_segments: self.scanned_segments + report.scanned_segments,
            rebuilt_indexes: self.rebuilt_indexes + report.rebuilt_indexes,
            bytes_cut: self.bytes_cut + report.bytes_cut,
            ..self
        }
    }

    fn and(self, other: Self) -> Self {
        Self {
            opened: self.opened + other.opened,
            not_opened: self.not_opened + other.not_opened,
            repaired: self.repaired + other.repaired,
            scanned_segments: self.scanned_segments + other.scanned_segments,
            rebuilt_indexes: self.rebuilt_indexes + other.rebuilt_indexes,
            bytes_cut: self.bytes_cut + other.bytes_cut,
        }
    }

    fn tell(&self) {
        let Self { opened, not_opened, repaired, scanned_segments, .. } = self;
        if *repaired > 0 {
            info!(
                "{repaired} of {opened} partitions had not been closed in order: read \
                 {scanned_segments} segments, rebuilt {} lost indexes, cut off {} torn bytes",
                self.rebuilt_indexes, self.bytes_cut
            );
        }
        if *not_opened > 0 {
            error!("{not_opened} partitions could not be opened and are offline");
        }
    }
}

/// What the logs of a topic are opened with; made once for all its partitions.
type TopicSettings = (Uuid, Arc<LogConfig>, ProduceRules);

impl Partitions {
    /// Opens what lies in the log dirs, all of them at once, creates what the image has and they
    /// have not, and sets aside folders of topics that the image does not know. What can't be
    /// opened is offline. Blocks; for the start of the broker.
    pub fn load(&self, image: &Arc<Image>, threads: usize, now_ms: i64) {
        self.surroundings.take_image(image);
        let dirs = self.dirs().to_vec();
        let count = dirs.len();
        let found = in_parallel(dirs, count, |dir| {
            let found = self.read_dir(image, &dir, threads, now_ms);
            (dir, found)
        });
        let mut summary = Summary::default();
        for (dir, found) in found {
            summary = summary.and(found.summary);
            self.take_in(image, &dir, found.logs);
        }
        summary.tell();
        if self.may_lie_elsewhere() {
            self.keep_lost_offline(image);
        }
        for topic in image.topics() {
            self.open_missing(image, topic, now_ms);
        }
        for dir in self.dirs() {
            self.resume_moves(image, dir);
        }
        let may_be_there = |id: &TopicPartition| {
            self.get(&id.topic, id.partition).is_some() || self.offline().contains_key(id)
        };
        if let Err(problem) = self.cleaned().keep(self.dirs(), may_be_there) {
            warn!("the cleaner's checkpoint names logs that are gone: {problem}");
        }
    }

    /// Opens what lies in one log dir and is not open yet. Blocks.
    pub(super) fn load_dir(&self, image: &Image, dir: &Arc<DataDir>, threads: usize, now_ms: i64) {
        let found = self.read_dir(image, dir, threads, now_ms);
        found.summary.tell();
        self.take_in(image, dir, found.logs);
        self.resume_moves(image, dir);
    }

    fn read_dir(&self, image: &Image, dir: &Arc<DataDir>, threads: usize, now_ms: i64) -> Found {
        let Some(opened) = dir.opened() else { return Found::default() };
        let mut found = Found::default();
        let listed = opened.sweep().and_then(|strays| Ok((strays, opened.partitions()?)));
        let (strays, mut ids) = match listed {
            Ok(listed) => listed,
            Err(problem) => {
                self.dir_failed(dir, &problem);
                return found;
            }
        };
        for stray in strays {
            warn!("{} was set aside as unknown; remove it or move it back", stray.display());
        }
        ids.retain(|id| {
            &*id.topic != names::CLUSTER_METADATA && self.get(&id.topic, id.partition).is_none()
        });
        // A std mutex: held while a topic's settings are worked out, by whoever needs them first.
        let settings: Mutex<HashMap<Arc<str>, TopicSettings>> = Mutex::default();
        let describe = |id: &TopicPartition, topic_id| {
            self.hosted(image, id, topic_id)?;
            let mut settings = whole(&settings);
            let known = settings.entry(id.topic.clone()).or_insert_with(|| {
                let id_of_topic = image.topic(&id.topic).map_or(Uuid::nil(), |topic| topic.id);
                let config = Arc::new(self.configs.of_topic(image, &id.topic));
                (id_of_topic, config, self.configs.rules(image, &id.topic))
            });
            Some((known.0, known.1.clone()))
        };
        let committed = self.committed(dir, &opened);
        for (id, loaded) in opened.load(&ids, describe, threads, now_ms) {
            match loaded {
                Loaded::Open(mut log, report) => {
                    // Without a line nothing is known to be: a leader alone takes all it has.
                    let known = committed.get(&id).copied();
                    log.set_high_watermark(known.unwrap_or_else(|| log.log_start_offset()));
                    debug!("{id}: {report:?}");
                    found.summary = found.summary.with(&report);
                    if let Some(postponed) = &report.postponed {
                        dir.fail(postponed.cause, &postponed.problem);
                    }
                    found.logs.push(*log);
                }
                Loaded::Failed(problem) => {
                    found.summary.not_opened += 1;
                    error!("{id} can't be opened and is offline: {problem}");
                    if let OpenError::Storage(problem) = &problem {
                        self.dir_failed(dir, problem);
                    }
                    self.offline().insert(id, Offline::Unopened { dir: dir.number() });
                }
                Loaded::Unknown(topic_id) => self.set_aside(dir, &opened, &id, topic_id),
            }
        }
        found
    }

    /// Puts logs into service. Of a partition that lies in two dirs, because a move between them
    /// was cut short, the one with more records stays.
    fn take_in(&self, image: &Image, dir: &Arc<DataDir>, logs: Vec<Log>) {
        let mut rules: HashMap<Arc<str>, ProduceRules> = HashMap::new();
        for log in logs {
            let id = log.topic_partition().clone();
            let rules = *rules
                .entry(id.topic.clone())
                .or_insert_with(|| self.configs.rules(image, &id.topic));
            let end = log.log_end_offset();
            let Some(part) = self.hosted(image, &id, Some(log.topic_id())) else { continue };
            let loser = match self.get(&id.topic, id.partition) {
                None => {
                    self.insert(log, dir, part, rules);
                    continue;
                }
                Some(other) => {
                    let ends = other.with_log(|other| other.log_end_offset());
                    if ends.is_ok_and(|other| other >= end) {
                        Some(log)
                    } else {
                        let loser = other.take_log();
                        self.insert(log, dir, part, rules);
                        loser
                    }
                }
            };
            let Some(loser) = loser else { continue };
            let folder = loser.dir().display().to_string();
            warn!("{id} lies in two log dirs; {folder} has no more records and is set aside");
            if let Err(problem) = loser.retire(FolderFate::Stray, Uuid::new_v4()) {
                error!("{folder} stays: {problem}");
            }
        }
    }

    /// Whether a partition that was not found may be in a folder that can't be seen: a dir that
    /// can't be used, or that is suddenly empty beside others that are not.
    fn may_lie_elsewhere(&self) -> bool {
        let opened: Vec<_> = self.dirs().iter().map(|dir| dir.opened()).collect();
        let is_new = |dir: &Option<Arc<LogDir>>| dir.as_ref().is_some_and(|dir| dir.is_new());
        let has_old = opened.iter().flatten().any(|dir| !dir.is_new());
        opened.iter().any(Option::is_none) || (has_old && opened.iter().any(is_new))
    }

    /// Notes what the image has and no dir: made anew, it would hide the records that there are.
    fn keep_lost_offline(&self, image: &Image) {
        let mut lost = Vec::new();
        for topic in image.topics() {
            for (index, partition) in (0..).zip(&topic.partitions) {
                if partition.replicas.contains(&self.surroundings.node_id)
                    && self.get(&topic.name, index).is_none()
                {
                    lost.push(TopicPartition::new(topic.name.clone(), index));
                }
            }
        }
        let mut offline = self.offline();
        lost.retain(|id| !offline.contains_key(id));
        let Some(first) = lost.first() else { return };
        error!(
            "{} partitions, {first} among them, are in none of the log dirs that can be used, and \
             are offline: bring the missing log dir back, or delete their topics",
            lost.len()
        );
        offline.extend(lost.into_iter().map(|id| (id, Offline::Lost)));
    }

    /// Up to where the partitions of a dir were known to be committed.
    fn committed(&self, dir: &DataDir, opened: &LogDir) -> BTreeMap<TopicPartition, i64> {
        opened.read_checkpoint(OffsetCheckpoint::HighWatermark).unwrap_or_else(|problem| {
            warn!(
                "log dir {}: {problem}: what is committed is found out anew",
                dir.path().display()
            );
            BTreeMap::new()
        })
    }

    fn set_aside(&self, dir: &DataDir, opened: &LogDir, id: &TopicPartition, of: Option<Uuid>) {
        let topic_id = of.unwrap_or(Uuid::nil());
        warn!("{id} of topic id {topic_id} is in no topic: its folder is set aside as a stray");
        if let Err(problem) = opened.set_aside(id, Uuid::new_v4()) {
            self.dir_failed(dir, &problem);
        }
    }
}
