//! Files in memory: for tests, and for brokers that need not outlive their process.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::io::{self, IoSlice};
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use rustix::io::Errno;

use super::{Entry, File, Space, Store};

/// A store without a disk. Clones share their files.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    /// Held for one call at a time, never while a caller's code runs: a panic leaves it whole.
    names: Arc<Mutex<Names>>,
}

#[derive(Debug, Default)]
struct Names {
    files: BTreeMap<PathBuf, Arc<MemoryFile>>,
    folders: BTreeSet<PathBuf>,
    locked: BTreeSet<PathBuf>,
}

#[derive(Debug, Default)]
struct MemoryFile(RwLock<Vec<u8>>);

#[derive(Debug)]
struct MemoryLock {
    names: Arc<Mutex<Names>>,
    path: PathBuf,
}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        locked(&self.names).locked.remove(&self.path);
    }
}

fn locked(names: &Mutex<Names>) -> MutexGuard<'_, Names> {
    names.lock().unwrap_or_else(PoisonError::into_inner)
}

fn not_found(path: &Path) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("no file {}", path.display()))
}

impl Names {
    fn has_folder(&self, path: &Path) -> bool {
        path.as_os_str().is_empty() || self.folders.contains(path)
    }

    fn parent_must_be_there(&self, path: &Path) -> io::Result<()> {
        match path.parent() {
            Some(parent) if !self.has_folder(parent) => Err(not_found(parent)),
            _ => Ok(()),
        }
    }

    fn rename_folder(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        if self.files.keys().chain(&self.folders).any(|path| path.starts_with(to)) {
            return Err(Errno::NOTEMPTY.into());
        }
        let moved = |path: &Path| {
            let rest = path.strip_prefix(from).ok()?;
            Some(if rest.as_os_str().is_empty() { to.to_owned() } else { to.join(rest) })
        };
        for path in self.files.keys().cloned().collect::<Vec<_>>() {
            if let Some(new) = moved(&path)
                && let Some(file) = self.files.remove(&path)
            {
                self.files.insert(new, file);
            }
        }
        self.folders =
            self.folders.iter().map(|path| moved(path).unwrap_or_else(|| path.clone())).collect();
        Ok(())
    }
}

impl Store for MemoryStore {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let file = locked(&self.names).files.get(path).cloned();
        file.map(|file| file as Arc<dyn File>).ok_or_else(|| not_found(path))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let mut names = locked(&self.names);
        if names.has_folder(path) {
            return Err(Errno::ISDIR.into());
        }
        names.parent_must_be_there(path)?;
        Ok(names.files.entry(path.to_owned()).or_default().clone())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut names = locked(&self.names);
        names.parent_must_be_there(to)?;
        if names.folders.contains(from) {
            return names.rename_folder(from, to);
        }
        let file = names.files.remove(from).ok_or_else(|| not_found(from))?;
        names.files.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let removed = locked(&self.names).files.remove(path);
        removed.map(drop).ok_or_else(|| not_found(path))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut names = locked(&self.names);
        for folder in path.ancestors().filter(|folder| !folder.as_os_str().is_empty()) {
            if names.files.contains_key(folder) {
                return Err(Errno::EXIST.into());
            }
            names.folders.insert(folder.to_owned());
        }
        Ok(())
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut names = locked(&self.names);
        if !names.folders.contains(path) {
            return Err(not_found(path));
        }
        names.files.retain(|file, _| !file.starts_with(path));
        names.folders.retain(|folder| !folder.starts_with(path));
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        let names = locked(&self.names);
        if !names.has_folder(dir) {
            return Err(not_found(dir));
        }
        let name = |path: &Path| {
            let inside = path.parent() == Some(dir);
            inside.then(|| path.file_name()?.to_str().map(str::to_owned)).flatten()
        };
        let files = names.files.iter().filter_map(|(path, file)| {
            let size = file.content().len() as u64;
            Some(Entry { name: name(path)?, is_dir: false, size, modified_ms: 0 })
        });
        let folders = names.folders.iter().filter_map(|path| {
            Some(Entry { name: name(path)?, is_dir: true, size: 0, modified_ms: 0 })
        });
        let mut entries: Vec<_> = files.chain(folders).collect();
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        if locked(&self.names).has_folder(dir) { Ok(()) } else { Err(not_found(dir)) }
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Debug + Send + Sync>> {
        let mut names = locked(&self.names);
        names.parent_must_be_there(path)?;
        if !names.locked.insert(path.to_owned()) {
            return Err(Errno::WOULDBLOCK.into());
        }
        names.files.entry(path.to_owned()).or_default();
        Ok(Box::new(MemoryLock { names: self.names.clone(), path: path.to_owned() }))
    }

    fn space(&self, _path: &Path) -> io::Result<Space> {
        let names = locked(&self.names);
        let used: usize = names.files.values().map(|file| file.content().len()).sum();
        let total_bytes = i64::MAX as u64;
        Ok(Space { total_bytes, usable_bytes: total_bytes - used as u64 })
    }
}

impl MemoryFile {
    fn content(&self) -> std::sync::RwLockReadGuard<'_, Vec<u8>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn content_mut(&self) -> std::sync::RwLockWriteGuard<'_, Vec<u8>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn index(position: u64) -> io::Result<usize> {
    usize::try_from(position).map_err(|_| Errno::FBIG.into())
}

impl File for MemoryFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let content = self.content();
        let start = index(position)?.min(content.len());
        let count = buffer.len().min(content.len() - start);
        buffer[..count].copy_from_slice(&content[start..start + count]);
        Ok(count)
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        let start = index(position)?;
        let mut content = self.content_mut();
        let end = start.checked_add(bytes.len()).ok_or(Errno::FBIG)?;
        if content.len() < end {
            content.resize(end, 0);
        }
        content[start..end].copy_from_slice(bytes);
        Ok(())
    }

    fn write_parts_at(&self, parts: &mut [IoSlice<'_>], position: u64) -> io::Result<()> {
        let mut position = position;
        for part in parts {
            self.write_at(part, position)?;
            position += part.len() as u64;
        }
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.content().len() as u64)
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        let size = index(size)?;
        self.content_mut().resize(size, 0);
        Ok(())
    }

    fn reserve(&self, _size: u64) -> io::Result<()> {
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn as_raw_fd(&self) -> Option<RawFd> {
        None
    }
}
