//! All that a log asks of a disk, so that memory or a faulty disk can take its place.
//!
//! A store is used by many logs at once. Paths are absolute or relative to the process, as
//! the caller wishes; a store gives them no meaning of its own.

mod cached_only;
mod fs;
mod memory;
mod page_cache;

use std::fmt::Debug;
use std::io::{self, IoSlice};
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) use cached_only::CachedOnly;
pub use fs::FsStore;
pub use memory::MemoryStore;

/// What is loaded at once of a file that the system can't load by itself.
const LOAD_BYTES: usize = 64 * 1024;

/// Names: creates, finds, renames and removes files and folders.
pub trait Store: Debug + Send + Sync + 'static {
    /// Opens a file for reading and writing; `NotFound` when it is not there.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>>;

    /// Opens a file for reading and writing, creating it empty when it is not there.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>>;

    /// Gives a file another name, replacing what has it; open handles stay good.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file; open handles stay good. `NotFound` when it is not there.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Creates a folder and those above it; no error when it is there.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;

    /// Removes a folder and all in it.
    fn remove_dir_all(&self, path: &Path) -> io::Result<()>;

    /// What a folder holds, sorted by name.
    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>>;

    /// Makes the names in a folder survive a loss of power.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Takes a file as a lock, which nobody else has until it is dropped; `WouldBlock` when
    /// somebody has it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Debug + Send + Sync>>;

    /// Bytes of the volume that `path` is on.
    fn space(&self, path: &Path) -> io::Result<Space>;
}

/// An open file; reads and writes say where, so that it can be shared.
pub trait File: Debug + Send + Sync {
    /// Reads at `position`; fewer bytes than asked only at the end of the file.
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize>;

    /// Writes all bytes at `position`, extending the file.
    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()>;

    /// Writes all parts at `position`, one behind the other, in as few calls as can be.
    fn write_parts_at(&self, parts: &mut [IoSlice<'_>], position: u64) -> io::Result<()>;

    fn size(&self) -> io::Result<u64>;

    /// Cuts or extends the file.
    fn set_size(&self, size: u64) -> io::Result<()>;

    /// Reserves disk space for `size` bytes and leaves the file's size as it is.
    fn reserve(&self, size: u64) -> io::Result<()>;

    /// Makes all that was written survive a loss of power.
    fn sync(&self) -> io::Result<()>;

    /// For `sendfile`; `None` when there is no file behind it.
    fn as_raw_fd(&self) -> Option<RawFd>;

    /// As [`Self::read_at`], but `None` where that would wait for a disk.
    fn read_cached_at(&self, buffer: &mut [u8], position: u64) -> io::Result<Option<usize>> {
        self.read_at(buffer, position).map(Some)
    }

    /// Whether reading these bytes would not wait for a disk, as far as can be told quickly.
    fn is_cached(&self, _position: u64, _length: usize) -> bool {
        true
    }

    /// Has these bytes read into memory, as many as the file has. Blocks.
    fn load(&self, position: u64, length: usize) -> io::Result<()> {
        let mut buffer = vec![0; length.min(LOAD_BYTES)];
        let mut done = 0;
        while done < length {
            let most = buffer.len().min(length - done);
            match self.read_at(&mut buffer[..most], position + done as u64)? {
                0 => break,
                read => done += read,
            }
        }
        Ok(())
    }
}

/// One name in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub name: String,
    pub is_dir: bool,
    /// Bytes of a file; 0 for a folder.
    pub size: u64,
    /// When the file was last written.
    pub modified_ms: i64,
}

/// How large a volume is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    pub total_bytes: u64,
    pub usable_bytes: u64,
}

/// A file's whole content.
pub fn read_all(store: &dyn Store, path: &Path) -> io::Result<Vec<u8>> {
    let file = store.open(path)?;
    let size = usize::try_from(file.size()?).map_err(io::Error::other)?;
    let mut bytes = vec![0; size];
    let read = file.read_at(&mut bytes, 0)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// Replaces a file's content so that after a crash there is the old one or the new one.
pub fn replace(store: &dyn Store, path: &Path, content: &[u8]) -> io::Result<()> {
    write_temporary(store, path, content)?.sync()?;
    store.rename(&temporary(path), path)?;
    match path.parent() {
        Some(dir) => store.sync_dir(dir),
        None => Ok(()),
    }
}

/// The same without a word on what a loss of power leaves: the file may be empty then.
pub(crate) fn replace_unsynced(store: &dyn Store, path: &Path, content: &[u8]) -> io::Result<()> {
    write_temporary(store, path, content)?;
    store.rename(&temporary(path), path)
}

fn write_temporary(store: &dyn Store, path: &Path, content: &[u8]) -> io::Result<Arc<dyn File>> {
    let file = store.create(&temporary(path))?;
    let written = file.set_size(0).and_then(|()| file.write_at(content, 0));
    if let Err(error) = written {
        // On a full disk, what was written of it is room that others need.
        let _ = store.remove_file(&temporary(path));
        return Err(error);
    }
    Ok(file)
}

fn temporary(path: &Path) -> PathBuf {
    with_suffix(path, ".tmp")
}

/// Removes a file that may not be there.
pub(crate) fn remove_if_there(store: &dyn Store, path: &Path) -> io::Result<()> {
    match store.remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod conformance;
