//! A disk in memory that can be full, broken or gone, and that can lose its power.
//!
//! What is written, and what names are given, is there at once, and survives a loss of power
//! ([`SimDisk::after_power_loss`]) for sure only once it was synced: the file for its bytes, the
//! folder for its names. Of the rest a random part survives: of each file and each folder the
//! changes up to some point, the last write cut anywhere.

mod node;

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::io::{self, IoSlice};
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use broker_log::{Entry, File, Space, Store};

use self::node::Tree;

/// Of a file system's codes, those that disks in trouble give.
pub const EIO: i32 = 5;
pub const ENOSPC: i32 = 28;
pub const EROFS: i32 = 30;
const ENOENT: i32 = 2;

/// How often an operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failing {
    Once,
    /// All from it on.
    ForGood,
}

/// What is wrong with a folder and all in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// Nothing can be read or written.
    Io,
    /// Syncs fail, and nothing else does.
    Sync,
    ReadOnly,
    /// It is not there any more, as if it had been unmounted.
    Gone,
}

/// A handle; clones are of the same disk.
#[derive(Clone, Debug, Default)]
pub struct SimDisk {
    /// Held for one call at a time.
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    tree: Tree,
    locked: BTreeSet<PathBuf>,
    capacity: Option<u64>,
    /// Counts operations, for `nth`.
    operations: u64,
    nth: Option<(u64, Failing, i32)>,
    broken: Vec<(PathBuf, Broken)>,
    /// Below this folder, the next write is done and then ends in a panic.
    panics: Option<PathBuf>,
    /// Folders that were gone: handles that were opened before this operation are dead.
    were_gone: Vec<(PathBuf, u64)>,
}

/// What an operation does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Does {
    Read,
    Write,
    Sync,
}

impl State {
    /// Counts an operation, and lets it fail if it is to.
    fn begin(&mut self, path: &Path, does: Does) -> io::Result<()> {
        let number = self.operations;
        self.operations += 1;
        let fails = |(nth, failing, code): (u64, Failing, i32)| {
            let hit = number == nth || (number > nth && failing == Failing::ForGood);
            hit.then_some(code)
        };
        let broken = self.broken.iter().filter(|(folder, _)| path.starts_with(folder));
        let code = broken
            .filter_map(|(_, how)| match (how, does) {
                (Broken::Io, _) | (Broken::Sync, Does::Sync) => Some(EIO),
                (Broken::ReadOnly, Does::Write) => Some(EROFS),
                (Broken::Gone, _) => Some(ENOENT),
                _ => None,
            })
            .next();
        match code.or_else(|| self.nth.and_then(fails)) {
            Some(code) => Err(io::Error::from_raw_os_error(code)),
            None => Ok(()),
        }
    }

    fn room(&self) -> u64 {
        self.capacity.map_or(u64::MAX, |capacity| capacity.saturating_sub(self.tree.used()))
    }

    /// Whether `more` bytes have room; a new file or folder takes some too.
    fn take(&self, more: u64) -> io::Result<()> {
        if more > 0 && self.room() < more {
            return Err(io::Error::from_raw_os_error(ENOSPC));
        }
        Ok(())
    }
}

impl SimDisk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the n-th operation from now on fail.
    pub fn fail_nth(&self, n: u64, failing: Failing, code: i32) {
        let mut state = self.state();
        state.nth = Some((state.operations + n, failing, code));
    }

    /// Whether the operation that is to fail has come.
    pub fn has_failed(&self) -> bool {
        let state = self.state();
        state.nth.is_some_and(|(nth, ..)| state.operations > nth)
    }

    /// Leaves room for so many bytes more than there are.
    pub fn leave_room(&self, bytes: u64) {
        let mut state = self.state();
        state.capacity = Some(state.tree.used() + bytes);
    }

    /// Has a folder and all in it be broken, until [`Self::mend`].
    pub fn break_folder(&self, folder: impl Into<PathBuf>, how: Broken) {
        self.state().broken.push((folder.into(), how));
    }

    /// Has the next write to a file below a folder end in a panic once its bytes are there, as if
    /// whoever writes had a fault right behind it.
    pub fn panic_after_write(&self, folder: impl Into<PathBuf>) {
        self.state().panics = Some(folder.into());
    }

    /// Makes all well again. Files of folders that were gone have to be opened anew.
    pub fn mend(&self) {
        let mut state = self.state();
        (state.capacity, state.nth) = (None, None);
        let now = state.operations;
        let broken = std::mem::take(&mut state.broken);
        let gone = broken.into_iter().filter(|(_, how)| *how == Broken::Gone);
        state.were_gone.extend(gone.map(|(folder, _)| (folder, now)));
    }

    /// The disk as it is found after a loss of power: what was not synced is lost but for a random
    /// part, the same for the same seed. All else is well with it. Whoever uses the old one goes on
    /// in a world of its own.
    #[must_use]
    pub fn after_power_loss(&self, seed: u64) -> Self {
        let mut tree = self.state().tree.clone();
        tree.lose_power(&mut Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1));
        Self { state: Arc::new(Mutex::new(State { tree, ..State::default() })) }
    }
}

/// xorshift: no more is needed.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// A number up to `most`.
    pub(crate) fn up_to(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % (most as u64 + 1)) as usize
    }
}

impl Store for SimDisk {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let mut state = self.state();
        state.begin(path, Does::Read)?;
        let node = state.tree.file(path)?;
        let (path, opened) = (path.to_owned(), state.operations);
        Ok(Arc::new(SimFile { disk: self.clone(), node, path, opened }))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let mut state = self.state();
        let is_there = state.tree.file(path).is_ok();
        state.begin(path, if is_there { Does::Read } else { Does::Write })?;
        if !is_there {
            state.take(1)?;
        }
        let node = state.tree.create(path)?;
        let (path, opened) = (path.to_owned(), state.operations);
        Ok(Arc::new(SimFile { disk: self.clone(), node, path, opened }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.begin(from, Does::Write)?;
        state.begin(to, Does::Write)?;
        state.tree.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.begin(path, Does::Write)?;
        state.tree.remove_file(path)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        let is_there = state.tree.is_dir(path);
        state.begin(path, if is_there { Does::Read } else { Does::Write })?;
        if !is_there {
            state.take(1)?;
        }
        state.tree.create_dir_all(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.begin(path, Does::Write)?;
        state.tree.remove_dir_all(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        let mut state = self.state();
        state.begin(dir, Does::Read)?;
        state.tree.list(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.begin(dir, Does::Sync)?;
        state.tree.sync_dir(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Debug + Send + Sync>> {
        self.create(path)?;
        if !self.state().locked.insert(path.to_owned()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(SimLock { disk: self.clone(), path: path.to_owned() }))
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        let mut state = self.state();
        state.begin(path, Does::Read)?;
        let usable_bytes = state.room().min(i64::MAX as u64);
        Ok(Space { total_bytes: state.tree.used().saturating_add(usable_bytes), usable_bytes })
    }
}

#[derive(Debug)]
struct SimLock {
    disk: SimDisk,
    path: PathBuf,
}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.disk.state().locked.remove(&self.path);
    }
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    node: usize,
    path: PathBuf,
    /// The operation that it was opened with.
    opened: u64,
}

impl SimFile {
    fn begin(&self, does: Does) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.disk.state();
        let was_gone = |(folder, since): &(PathBuf, u64)| {
            self.path.starts_with(folder) && self.opened <= *since
        };
        if state.were_gone.iter().any(was_gone) {
            return Err(io::Error::from_raw_os_error(EIO));
        }
        state.begin(&self.path, does).map_err(|error| match error.raw_os_error() {
            // An open file does not know where its folder is.
            Some(ENOENT) => io::Error::from_raw_os_error(EIO),
            _ => error,
        })?;
        Ok(state)
    }
}

impl File for SimFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let state = self.begin(Does::Read)?;
        let content = state.tree.content(self.node);
        let start = (position as usize).min(content.len());
        let count = buffer.len().min(content.len() - start);
        buffer[..count].copy_from_slice(&content[start..start + count]);
        Ok(count)
    }

    /// A write that fails has written a part.
    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        let mut state = match self.begin(Does::Write) {
            Ok(state) => state,
            Err(error) if error.raw_os_error() == Some(EROFS) => return Err(error),
            Err(error) => {
                self.disk.state().tree.write(self.node, &bytes[..bytes.len() / 2], position);
                return Err(error);
            }
        };
        let size = state.tree.content(self.node).len() as u64;
        let more = (position + bytes.len() as u64).saturating_sub(size);
        let lacking = more.saturating_sub(state.room()) as usize;
        let fits = bytes.len().saturating_sub(lacking);
        state.tree.write(self.node, &bytes[..fits], position);
        let panics = state.panics.take_if(|folder| self.path.starts_with(folder)).is_some();
        drop(state);
        assert!(!panics, "a panic behind a write to {}", self.path.display());
        if lacking > 0 { Err(io::Error::from_raw_os_error(ENOSPC)) } else { Ok(()) }
    }

    fn write_parts_at(&self, parts: &mut [IoSlice<'_>], position: u64) -> io::Result<()> {
        let whole: Vec<u8> = parts.iter().flat_map(|part| part.to_vec()).collect();
        self.write_at(&whole, position)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.begin(Does::Read)?.tree.content(self.node).len() as u64)
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        let mut state = self.begin(Does::Write)?;
        let now = state.tree.content(self.node).len() as u64;
        state.take(size.saturating_sub(now))?;
        state.tree.set_size(self.node, size as usize);
        Ok(())
    }

    fn reserve(&self, size: u64) -> io::Result<()> {
        let state = self.begin(Does::Write)?;
        let now = state.tree.content(self.node).len() as u64;
        state.take(size.saturating_sub(now))
    }

    fn sync(&self) -> io::Result<()> {
        self.begin(Does::Sync)?.tree.sync(self.node);
        Ok(())
    }

    fn as_raw_fd(&self) -> Option<RawFd> {
        None
    }
}

#[cfg(test)]
mod tests;
