//! Files of the operating system.

use std::fmt::Debug;
use std::fs::{self, OpenOptions};
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::UNIX_EPOCH;

use rustix::fs::{Advice, FallocateFlags, FlockOperation};
use rustix::io::ReadWriteFlags;

use super::{Entry, File, Space, Store, page_cache};

/// The store of a real disk.
#[derive(Clone, Copy, Debug, Default)]
pub struct FsStore;

/// What Linux takes in one call (IOV_MAX).
const MOST_PARTS: usize = 1024;

/// What Linux reads ahead of a reader unless it is told otherwise.
const PROBE_STEP: usize = 128 * 1024;

#[derive(Debug)]
struct FsFile {
    file: fs::File,
    /// The file may not be written to, by its rights or those of its volume.
    read_only: bool,
}

/// Opens a file for writing, and where that is not allowed, for reading.
fn open_file(path: &Path, create: bool) -> io::Result<FsFile> {
    let options = OpenOptions::new().read(true).write(true).create(create).truncate(false).clone();
    match options.open(path) {
        Ok(file) => Ok(FsFile { file, read_only: false }),
        Err(error) if forbids_writing(&error) => match fs::File::open(path) {
            Ok(file) => Ok(FsFile { file, read_only: true }),
            Err(_) => Err(error),
        },
        Err(error) => Err(error),
    }
}

fn forbids_writing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied)
}

impl FsFile {
    /// The file for writing.
    fn writable(&self) -> io::Result<&fs::File> {
        if self.read_only { Err(rustix::io::Errno::ROFS.into()) } else { Ok(&self.file) }
    }

    /// Whether a byte is in memory.
    fn has_byte(&self, position: u64) -> bool {
        let mut byte = [0];
        let buffer = &mut [IoSliceMut::new(&mut byte)];
        match rustix::io::preadv2(&self.file, buffer, position, ReadWriteFlags::NOWAIT) {
            Err(rustix::io::Errno::AGAIN) => false,
            // The end of the file, or a file system that can't tell.
            Ok(_) | Err(_) => true,
        }
    }
}

impl Store for FsStore {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(open_file(path, false)?))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(open_file(path, true)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir_all(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            // A name that is no text is no file of a log.
            let Ok(name) = entry.file_name().into_string() else { continue };
            let metadata = match entry.metadata() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other?,
            };
            let is_dir = metadata.is_dir();
            let modified = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
            let modified_ms = i64::try_from(modified.as_millis()).unwrap_or(i64::MAX);
            let size = if is_dir { 0 } else { metadata.len() };
            entries.push(Entry { name, is_dir, size, modified_ms });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        // The folder of a relative name without a slash is the one that the process is in.
        let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
        fs::File::open(dir)?.sync_all()
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Debug + Send + Sync>> {
        let FsFile { file, .. } = open_file(path, true)?;
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Box::new(file))
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        let volume = rustix::fs::statvfs(path)?;
        Ok(Space {
            total_bytes: volume.f_blocks.saturating_mul(volume.f_frsize),
            usable_bytes: volume.f_bavail.saturating_mul(volume.f_frsize),
        })
    }
}

impl File for FsFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let mut done = 0;
        while done < buffer.len() {
            match self.file.read_at(&mut buffer[done..], position + done as u64) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        self.writable()?.write_all_at(bytes, position)
    }

    fn write_parts_at(&self, parts: &mut [IoSlice<'_>], position: u64) -> io::Result<()> {
        let file = self.writable()?;
        let (mut parts, mut position) = (parts, position);
        IoSlice::advance_slices(&mut parts, 0);
        while !parts.is_empty() {
            let most = parts.len().min(MOST_PARTS);
            match rustix::io::pwritev(file, &parts[..most], position) {
                Ok(0) => {
                    let text = format!("the system took nothing at position {position}");
                    return Err(io::Error::new(io::ErrorKind::WriteZero, text));
                }
                Ok(count) => {
                    position += count as u64;
                    IoSlice::advance_slices(&mut parts, count);
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        self.writable()?.set_len(size)
    }

    fn reserve(&self, size: u64) -> io::Result<()> {
        if size == 0 {
            return Ok(());
        }
        match rustix::fs::fallocate(self.writable()?, FallocateFlags::KEEP_SIZE, 0, size) {
            // A file system that cannot reserve works as well without.
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => Ok(()),
            other => Ok(other?),
        }
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn as_raw_fd(&self) -> Option<RawFd> {
        Some(self.file.as_raw_fd())
    }

    fn read_cached_at(&self, buffer: &mut [u8], position: u64) -> io::Result<Option<usize>> {
        use rustix::io::Errno;

        let mut done = 0;
        while done < buffer.len() {
            let rest = &mut [IoSliceMut::new(&mut buffer[done..])];
            let at = position + done as u64;
            match rustix::io::preadv2(&self.file, rest, at, ReadWriteFlags::NOWAIT) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(Errno::AGAIN) => return Ok(None),
                Err(Errno::INTR) => {}
                // A file system that can't tell.
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
                    return self.read_at(buffer, position).map(Some);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Some(done))
    }

    fn is_cached(&self, position: u64, length: usize) -> bool {
        if page_cache::has_all(&self.file, position, length as u64) {
            // The system reads ahead in order: the last page tells whether all have arrived.
            return self.has_byte((position + length as u64).saturating_sub(1));
        }
        probes(position, length).all(|at| self.has_byte(at))
    }

    /// Sends them to where nothing is kept: the pages are read as for any reader that goes on, and
    /// not copied.
    fn load(&self, position: u64, length: usize) -> io::Result<()> {
        static NOWHERE: OnceLock<fs::File> = OnceLock::new();
        let nowhere = match NOWHERE.get() {
            Some(nowhere) => nowhere,
            None => {
                let opened = OpenOptions::new().write(true).open("/dev/null")?;
                NOWHERE.get_or_init(|| opened)
            }
        };
        rustix::fs::fadvise(&self.file, 0, None, Advice::Sequential)?;
        let (mut at, end) = (position, position + length as u64);
        while at < end {
            let left = usize::try_from(end - at).unwrap_or(usize::MAX);
            if rustix::fs::sendfile(nowhere, &self.file, Some(&mut at), left)? == 0 {
                break;
            }
        }
        Ok(())
    }
}

/// Places in a range that tell whether it is in memory: the system reads files in stretches, of
/// which each is looked at once.
fn probes(position: u64, length: usize) -> impl Iterator<Item = u64> {
    let end = position + length as u64;
    (position..end).step_by(PROBE_STEP).chain(end.checked_sub(1).filter(|last| *last > position))
}
