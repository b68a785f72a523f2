//! One of the `log.dirs`, and whether it can be relied on.
//!
//! ```text
//!             no room is left                    a write succeeds again
//!   Online --------------------> Full ------------------------------------> Online
//!     |                           |
//!     |  an I/O error, a sync     |   looked at again: the folder is the same one, a write is
//!     |  that failed, the folder  |   synced, its logs are read anew and have all that they had
//!     |  is gone or read-only     v
//!     +----------------------> Failed --------------------------------------> Online
//! ```
//!
//! In Full and Failed nothing is appended (KAFKA_STORAGE_ERROR), and what can be read is read. Both
//! are looked at again by themselves, less often the longer they last.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, RwLock};

use broker_log::{Cause, DirError, LogDir, MetaProperties, StorageError, Store};
use tracing::{debug, error, info, warn};

use crate::limits::{DIR_LOOK_TICKS, DIR_PAUSE_TICKS, DIR_PROBE_BYTES, DIR_STEADY_TICKS};
use crate::lock::{read_whole, whole, write_whole};

/// Whether a log dir takes writes; the text says why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DirState {
    Online,
    Full(Arc<str>),
    Failed(Arc<str>),
}

/// What is to be done about a log dir now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    Nothing,
    /// Look whether it is there.
    Look,
    /// Try whether there is room.
    Probe,
    /// Open it anew.
    Reopen,
}

#[derive(Debug)]
pub struct DataDir {
    /// Its place in `log.dirs`.
    number: usize,
    path: PathBuf,
    store: Arc<dyn Store>,
    /// What the folder has to agree with when it is opened again.
    properties: MetaProperties,
    /// A std lock: held to copy the pointer out or in. `None`: the folder can't be used at all.
    opened: RwLock<Option<Arc<LogDir>>>,
    /// Whether the state is Online: asked before each append.
    writable: AtomicBool,
    /// A std mutex: held for a change of the state.
    health: Mutex<Health>,
}

#[derive(Debug)]
struct Health {
    state: DirState,
    /// Ticks until the next look, and the pause between two of them.
    wait: u32,
    pause: u32,
    /// Ticks since it came back.
    steady: u32,
    /// Something was said of an error that is not the dir's.
    noted: bool,
}

impl DataDir {
    /// A log dir as it was found; one that can't be opened is there all the same, as Failed.
    pub fn new(
        number: usize,
        path: PathBuf,
        store: Arc<dyn Store>,
        cluster_id: &str,
        node_id: i32,
        found: Result<LogDir, StorageError>,
    ) -> Self {
        let properties = match &found {
            Ok(opened) => opened.properties().clone(),
            Err(_) => {
                MetaProperties { cluster_id: cluster_id.to_owned(), node_id, directory_id: None }
            }
        };
        let health = Health { state: DirState::Online, wait: 0, pause: 1, steady: 0, noted: false };
        let dir = Self {
            number,
            path,
            store,
            properties,
            opened: RwLock::new(None),
            writable: AtomicBool::new(true),
            health: Mutex::new(health),
        };
        match found {
            Ok(opened) => {
                // No sync: whether there is room is all that a start has to know.
                if let Err(problem) = opened.probe(DIR_PROBE_BYTES, false) {
                    dir.storage_failed(&problem);
                }
                dir.put(Some(opened));
            }
            Err(problem) => dir.fail(Cause::Disk, &problem.to_string()),
        }
        dir
    }

    pub fn number(&self) -> usize {
        self.number
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// As clients are told it, and name it.
    pub fn absolute_path(&self) -> PathBuf {
        std::path::absolute(&self.path).unwrap_or_else(|_| self.path.clone())
    }

    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The folder, unless it can't be used at all.
    pub fn opened(&self) -> Option<Arc<LogDir>> {
        read_whole(&self.opened).clone()
    }

    fn put(&self, opened: Option<LogDir>) {
        let mut place = write_whole(&self.opened);
        *place = opened.map(Arc::new);
    }

    pub fn state(&self) -> DirState {
        self.health().state.clone()
    }

    pub fn is_writable(&self) -> bool {
        self.writable.load(Ordering::Relaxed)
    }

    pub fn has_failed(&self) -> bool {
        !self.is_writable() && matches!(self.state(), DirState::Failed(_))
    }

    /// Lets a write through, or says why none is taken.
    pub fn admit(&self) -> Result<(), Arc<str>> {
        if self.is_writable() {
            return Ok(());
        }
        match &self.health().state {
            DirState::Online => Ok(()),
            DirState::Full(reason) | DirState::Failed(reason) => Err(reason.clone()),
        }
    }

    /// Takes note of a file operation that failed in this dir: every such error is to be told
    /// here, whoever met it. Returns the state that it leads to, if it is another one.
    pub fn storage_failed(&self, problem: &StorageError) -> Option<DirState> {
        let before = self.state();
        self.fail(problem.cause(), &problem.to_string());
        let after = self.state();
        (before != after).then_some(after)
    }

    /// As [`Self::storage_failed`], of an error that is known by its cause.
    pub fn fail(&self, cause: Cause, problem: &str) {
        let mut health = self.health();
        let path = self.path.display();
        match (cause, &health.state) {
            (Cause::Other, _) => {
                if !std::mem::replace(&mut health.noted, true) {
                    warn!("log dir {path}: {problem}");
                }
                return;
            }
            (_, DirState::Failed(_)) | (Cause::Full, DirState::Full(_)) => return,
            (Cause::Full, DirState::Online) => {
                error!(
                    "log dir {path} is full and takes no more records; reads go on, and writes do \
                     once there is room: {problem}"
                );
                health.state = DirState::Full(self.reason("is full", problem));
            }
            (Cause::Disk, _) => {
                error!(
                    "log dir {path} failed and takes no more records; what can be read is read, \
                     and the dir is used again once it is sound: {problem}"
                );
                health.state = DirState::Failed(self.reason("failed", problem));
            }
        }
        self.writable.store(false, Ordering::Relaxed);
        // One that was well only for a moment is not hurried.
        let hurried = health.steady < DIR_STEADY_TICKS && health.pause > 1;
        health.pause = if hurried { (health.pause * 2).min(DIR_PAUSE_TICKS) } else { 1 };
        health.wait = health.pause;
    }

    fn reason(&self, what: &str, problem: &str) -> Arc<str> {
        format!("log dir {} {what}: {problem}", self.path.display()).into()
    }

    /// Another tick has gone by: what is to be done?
    pub fn tick(&self) -> Turn {
        let mut health = self.health();
        health.wait = health.wait.saturating_sub(1);
        let due = health.wait == 0;
        match &health.state {
            DirState::Online => {
                health.steady = health.steady.saturating_add(1);
                if due {
                    health.wait = DIR_LOOK_TICKS;
                    health.noted = false;
                    return Turn::Look;
                }
                Turn::Nothing
            }
            DirState::Full(_) if due => Turn::Probe,
            DirState::Failed(_) if due => Turn::Reopen,
            _ => Turn::Nothing,
        }
    }

    /// Looks whether the folder is there.
    pub fn look(&self) -> Result<(), StorageError> {
        self.opened().map_or(Ok(()), |opened| opened.check())
    }

    /// Tries whether the folder can be written to, and syncs what it wrote.
    pub fn probe(&self) -> Result<(), StorageError> {
        self.opened().map_or(Ok(()), |opened| opened.probe(DIR_PROBE_BYTES, true))
    }

    /// Opens the folder anew: it has to be the very one that it was.
    pub fn reopen(&self) -> Result<Arc<LogDir>, DirError> {
        // Whoever holds the folder's lock can't take it again.
        self.put(None);
        let opened = LogDir::open_existing(self.store.clone(), &self.path, &self.properties)?;
        opened.probe(DIR_PROBE_BYTES, true)?;
        self.put(Some(opened));
        self.opened().ok_or_else(|| DirError::InUse { path: self.path.clone() })
    }

    /// The dir is not well yet; it is looked at again later.
    pub fn is_still_unwell(&self, problem: &str) {
        debug!("log dir {} can't be used yet: {problem}", self.path.display());
        let mut health = self.health();
        health.pause = (health.pause * 2).min(DIR_PAUSE_TICKS);
        health.wait = health.pause;
    }

    /// The dir is not well, for a reason that an operator has to know: it is said once.
    pub fn needs_operator(&self, problem: &str) {
        {
            let mut health = self.health();
            let reason = self.reason("failed", problem);
            let known = DirState::Failed(reason.clone());
            if health.state != known {
                health.state = known;
                error!("{reason}");
            }
        }
        self.is_still_unwell(problem);
    }

    /// The dir takes writes again.
    pub fn recovered(&self) {
        let mut health = self.health();
        health.state = DirState::Online;
        health.steady = 0;
        // Until it has lasted, the next trouble is looked at less eagerly.
        health.pause = health.pause.max(2);
        health.wait = DIR_LOOK_TICKS;
        self.writable.store(true, Ordering::Relaxed);
        info!("log dir {} takes records again", self.path.display());
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        whole(&self.health)
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use broker_log::MemoryStore;
    use uuid::Uuid;

    use super::*;

    fn dir() -> DataDir {
        let properties = MetaProperties {
            cluster_id: "c".to_owned(),
            node_id: 1,
            directory_id: Some(Uuid::from_u128(1)),
        };
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let opened = LogDir::open(store.clone(), "data", properties).unwrap();
        DataDir::new(0, "data".into(), store, "c", 1, Ok(opened))
    }

    fn error(operation: &'static str, kind: io::ErrorKind) -> StorageError {
        StorageError { operation, path: "f".into(), source: kind.into() }
    }

    #[test]
    fn a_full_dir_takes_no_writes_until_a_probe_succeeds() {
        let dir = dir();
        assert_eq!(dir.admit(), Ok(()));
        let full = dir.storage_failed(&error("write", io::ErrorKind::StorageFull));
        assert!(matches!(full, Some(DirState::Full(_))), "{full:?}");
        assert_eq!(dir.storage_failed(&error("write", io::ErrorKind::StorageFull)), None);
        let reason = dir.admit().unwrap_err();
        assert!(reason.contains("data is full"), "{reason}");
        assert_eq!(dir.tick(), Turn::Probe);
        dir.probe().unwrap();
        dir.recovered();
        assert_eq!((dir.admit(), dir.state()), (Ok(()), DirState::Online));
    }

    #[test]
    fn a_sync_that_failed_is_more_than_a_full_disk() {
        let dir = dir();
        let failed = dir.storage_failed(&error("sync", io::ErrorKind::StorageFull));
        assert!(matches!(failed, Some(DirState::Failed(_))), "{failed:?}");
        assert_eq!(dir.storage_failed(&error("write", io::ErrorKind::StorageFull)), None);
        assert_eq!(dir.tick(), Turn::Reopen);
        dir.reopen().unwrap();
    }

    #[test]
    fn damaged_content_and_a_process_without_memory_are_no_trouble_of_the_dir() {
        let dir = dir();
        for kind in [io::ErrorKind::OutOfMemory, io::ErrorKind::UnexpectedEof] {
            assert_eq!(dir.storage_failed(&error("read", kind)), None);
        }
        assert_eq!(dir.admit(), Ok(()));
    }

    #[test]
    fn a_dir_that_stays_unwell_is_looked_at_less_and_less_often() {
        let dir = dir();
        dir.storage_failed(&error("write", io::ErrorKind::StorageFull));
        let mut pauses = Vec::new();
        for _ in 0..8 {
            let mut ticks = 1;
            while dir.tick() == Turn::Nothing {
                ticks += 1;
            }
            pauses.push(ticks);
            dir.is_still_unwell("no room");
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30, 30]);
        dir.recovered();
        dir.storage_failed(&error("write", io::ErrorKind::StorageFull));
        assert_eq!(dir.tick(), Turn::Nothing, "it was well only for a moment");
    }
}
