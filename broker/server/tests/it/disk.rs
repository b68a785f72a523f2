//! A disk in memory that tells what is synced, and whose syncs a test can hold up or let fail.

use std::collections::HashMap;
use std::fmt::Debug;
use std::io::{self, IoSlice};
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};

use broker_log::{Entry, File, MemoryStore, Space, Store};

/// Clones are of the same disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    files: MemoryStore,
    syncs: Arc<Syncs>,
}

#[derive(Debug, Default)]
struct Syncs {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    gate: Gate,
    by_file: HashMap<PathBuf, Synced>,
    writes: HashMap<PathBuf, usize>,
}

/// What becomes of syncs of segments.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Gate {
    #[default]
    Open,
    /// They wait.
    Closed,
    Failing,
}

/// How often a file was synced, and how many of its bytes the last sync found.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Synced {
    pub(crate) begun: usize,
    pub(crate) done: usize,
    pub(crate) bytes: u64,
}

impl Disk {
    pub(crate) fn set(&self, gate: Gate) {
        self.syncs.state.lock().unwrap().gate = gate;
        self.syncs.changed.notify_all();
    }

    /// Of the first segment of a partition.
    pub(crate) fn synced(&self, folder: &str) -> Synced {
        let state = self.syncs.state.lock().unwrap();
        state.by_file.get(&first_segment(folder)).copied().unwrap_or_default()
    }

    /// How often the first segment of a partition was written to.
    pub(crate) fn writes(&self, folder: &str) -> usize {
        let state = self.syncs.state.lock().unwrap();
        state.writes.get(&first_segment(folder)).copied().unwrap_or_default()
    }

    fn file(&self, path: &Path, inner: Arc<dyn File>) -> Arc<dyn File> {
        Arc::new(DiskFile { inner, path: path.to_owned(), syncs: self.syncs.clone() })
    }
}

fn first_segment(folder: &str) -> PathBuf {
    Path::new("/data").join(folder).join("00000000000000000000.log")
}

impl Store for Disk {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(self.file(path, self.files.open(path)?))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(self.file(path, self.files.create(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.files.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.files.remove_file(path)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.files.create_dir_all(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.files.remove_dir_all(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        self.files.list(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.files.sync_dir(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Debug + Send + Sync>> {
        self.files.lock(path)
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        self.files.space(path)
    }
}

#[derive(Debug)]
struct DiskFile {
    inner: Arc<dyn File>,
    path: PathBuf,
    syncs: Arc<Syncs>,
}

impl File for DiskFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.inner.read_at(buffer, position)
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        self.inner.write_at(bytes, position)
    }

    fn write_parts_at(&self, parts: &mut [IoSlice<'_>], position: u64) -> io::Result<()> {
        *self.syncs.state.lock().unwrap().writes.entry(self.path.clone()).or_default() += 1;
        self.inner.write_parts_at(parts, position)
    }

    fn size(&self) -> io::Result<u64> {
        self.inner.size()
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        self.inner.set_size(size)
    }

    fn reserve(&self, size: u64) -> io::Result<()> {
        self.inner.reserve(size)
    }

    /// Makes safe what is written when it begins, as a real disk promises no more. The gate is for
    /// clients' segments: topics can be made while it is closed.
    fn sync(&self) -> io::Result<()> {
        let bytes = self.inner.size()?;
        let is_segment = self.path.extension().is_some_and(|extension| extension == "log");
        let gated = is_segment && !self.path.to_string_lossy().contains("__cluster_metadata");
        let mut state = self.syncs.state.lock().unwrap();
        state.by_file.entry(self.path.clone()).or_default().begun += 1;
        while gated && state.gate == Gate::Closed {
            state = self.syncs.changed.wait(state).unwrap();
        }
        if gated && state.gate == Gate::Failing {
            return Err(io::Error::other("the disk is worn out"));
        }
        let synced = state.by_file.entry(self.path.clone()).or_default();
        synced.done += 1;
        synced.bytes = synced.bytes.max(bytes);
        Ok(())
    }

    fn as_raw_fd(&self) -> Option<RawFd> {
        None
    }
}
