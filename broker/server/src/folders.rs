//! The log dirs of a node at its start: opened, of one cluster, and which of them has the metadata.

use std::path::Path;
use std::sync::Arc;

use broker_cluster::partition::DataDir;
use broker_log::{DirError, LogDir, MetaProperties, StorageError, Store};
use broker_metadata::snapshot::{BOOTSTRAP_FILE, Bootstrap, BootstrapError};
use broker_metadata::{MetadataRecord, names};
use bytes::Bytes;
use uuid::Uuid;

use crate::broker::StartError;
use crate::config::BrokerConfig;
use crate::limits::{LOCK_ATTEMPTS, LOCK_PAUSE};

/// What was found.
pub(crate) struct Folders {
    pub(crate) dirs: Vec<Arc<DataDir>>,
    pub(crate) cluster_id: String,
    /// The directory ids of those that could be opened.
    pub(crate) ids: Vec<Uuid>,
    /// The broker epoch under which the last run has stopped in order; -1: it has not.
    pub(crate) previous_epoch: i64,
    /// What `kafka-storage format` left for a cluster that begins.
    pub(crate) begins_with: Option<Vec<MetadataRecord>>,
    /// The one that has the metadata log, or is to have it.
    pub(crate) of_metadata: (Arc<DataDir>, Arc<LogDir>),
}

impl Folders {
    /// Opens the log dirs; new ones are of the cluster that is given. Blocks.
    pub(crate) fn open(config: &BrokerConfig, cluster_id: String) -> Result<Self, StartError> {
        let (dirs, cluster_id) = open_dirs(config, cluster_id)?;
        let opened = dirs.iter().filter_map(|dir| dir.opened());
        let ids = opened.filter_map(|dir| dir.properties().directory_id).collect();
        let of_metadata = metadata_dir(&dirs)?;
        let marks: Option<Vec<i64>> =
            dirs.iter().map(|dir| dir.opened()?.clean_shutdown_epoch()).collect();
        // All of them, by the same run.
        let previous_epoch = match marks.as_deref() {
            Some([first, rest @ ..]) if rest.iter().all(|other| other == first) => *first,
            _ => -1,
        };
        let begins_with = begins_with(config, &of_metadata.0)?;
        Ok(Self { dirs, cluster_id, ids, previous_epoch, begins_with, of_metadata })
    }
}

/// Opens a log dir; one in use is asked for again, because a broker that was just killed holds its
/// lock until the system has cleared it away.
fn open_dir(
    store: &Arc<dyn Store>,
    path: &Path,
    properties: &MetaProperties,
) -> Result<LogDir, DirError> {
    for _ in 0..LOCK_ATTEMPTS {
        match LogDir::open(store.clone(), path, properties.clone()) {
            Err(DirError::InUse { .. }) => std::thread::sleep(LOCK_PAUSE),
            other => return other,
        }
    }
    LogDir::open(store.clone(), path, properties.clone())
}

/// The log dir that has the metadata log: of a new broker the first. Partitions without any
/// metadata are no new broker's: it would take them for strays.
fn metadata_dir(dirs: &[Arc<DataDir>]) -> Result<(Arc<DataDir>, Arc<LogDir>), StartError> {
    let mut partitions = None;
    let mut unusable = Vec::new();
    let mut first = None;
    for dir in dirs {
        let Some(opened) = dir.opened() else {
            unusable.extend(dir.admit().err().map(|reason| reason.to_string()));
            continue;
        };
        let found = opened.partitions().map_err(DirError::from)?;
        if found.iter().any(|id| &*id.topic == names::CLUSTER_METADATA) {
            return Ok((dir.clone(), opened));
        }
        let of_dir = || found.first().map(|id| (dir.path().display().to_string(), id.to_string()));
        partitions = partitions.or_else(of_dir);
        first = first.or_else(|| Some((dir.clone(), opened)));
    }
    if !unusable.is_empty() {
        return Err(StartError::MetadataOffline(unusable.join("; ")));
    }
    match (partitions, first) {
        (Some((dir, partition)), _) => Err(StartError::NoMetadata { dir, partition }),
        (None, Some(first)) => Ok(first),
        (None, None) => Err(StartError::NoDir("log.dirs is empty".to_owned())),
    }
}

/// The records of `bootstrap.checkpoint`, if there is one.
fn begins_with(
    config: &BrokerConfig,
    dir: &DataDir,
) -> Result<Option<Vec<MetadataRecord>>, StartError> {
    let path = dir.path().join(BOOTSTRAP_FILE);
    let read = |file: Arc<dyn broker_log::File>| {
        let mut bytes = vec![0; usize::try_from(file.size()?).unwrap_or(0)];
        file.read_at(&mut bytes, 0)?;
        Ok(Bytes::from(bytes))
    };
    let bytes = match config.environment.store.open(&path).and_then(read) {
        Ok(bytes) => bytes,
        Err(problem) if problem.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            return Err(DirError::from(StorageError { operation: "read", path, source }).into());
        }
    };
    let failed = |problem: BootstrapError| {
        StartError::NoDir(format!("{} can't be read: {problem}", path.display()))
    };
    Ok(Some(Bootstrap::read(&bytes).map_err(failed)?.records().to_vec()))
}

/// A metadata log without a record is that of a new broker only where there is no partition.
pub(crate) fn refuse_partitions(dirs: &[Arc<DataDir>], of_log: &DataDir) -> Result<(), StartError> {
    for dir in dirs {
        let Some(opened) = dir.opened() else { continue };
        let found = opened.partitions().map_err(DirError::from)?;
        if let Some(id) = found.iter().find(|id| &*id.topic != names::CLUSTER_METADATA) {
            return Err(StartError::EmptyMetadata {
                dir: dir.path().display().to_string(),
                partition: id.to_string(),
                log: of_log.path().join(names::CLUSTER_METADATA).display().to_string() + "-0",
            });
        }
    }
    Ok(())
}

/// The first log dir that can be used decides the cluster; a new one founds one. Of several dirs,
/// those that can't be opened are offline.
fn open_dirs(
    config: &BrokerConfig,
    cluster_id: String,
) -> Result<(Vec<Arc<DataDir>>, String), StartError> {
    let mut first: Option<String> = None;
    let mut found = Vec::new();
    let mut cluster_id = cluster_id;
    for path in &config.log_dirs {
        let properties = MetaProperties {
            cluster_id: cluster_id.clone(),
            node_id: config.node_id,
            directory_id: Some(Uuid::new_v4()),
        };
        let dir = match open_dir(&config.environment.store, path, &properties) {
            Ok(dir) => dir,
            Err(DirError::Storage(problem)) => {
                found.push(Err(problem));
                continue;
            }
            Err(other) => return Err(other.into()),
        };
        let of_dir = &dir.properties().cluster_id;
        match &first {
            None => cluster_id.clone_from(of_dir),
            Some(first) if *of_dir != cluster_id => {
                let (first, other) = (first.clone(), path.display().to_string());
                return Err(StartError::MixedClusters { first, other });
            }
            Some(_) => {}
        }
        first.get_or_insert_with(|| path.display().to_string());
        found.push(Ok(dir));
    }
    if first.is_none() {
        let problems: Vec<_> =
            found.iter().filter_map(|dir| dir.as_ref().err().map(ToString::to_string)).collect();
        return Err(StartError::NoDir(problems.join("; ")));
    }
    let dirs =
        found.into_iter().zip(&config.log_dirs).enumerate().map(|(number, (found, path))| {
            let store = config.environment.store.clone();
            let (path, node_id) = (path.clone(), config.node_id);
            Arc::new(DataDir::new(number, path, store, &cluster_id, node_id, found))
        });
    let dirs = dirs.collect();
    Ok((dirs, cluster_id))
}
