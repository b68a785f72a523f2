//! A partition's folder and the files in it, opened when first needed.

use std::io::{self, IoSlice};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use crate::error::StorageError;
use crate::name::FileKind;
use crate::store::{CachedOnly, File, Store};

/// Where the files of one partition are. Shared by all that opens one.
#[derive(Debug)]
pub(crate) struct Folder {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) path: PathBuf,
    /// What stands behind the names of segments' files that are not in use yet.
    suffix: &'static str,
}

impl Folder {
    pub(crate) fn new(store: Arc<dyn Store>, path: PathBuf) -> Self {
        Self { store, path, suffix: "" }
    }

    /// The same folder, for files whose names end with something more.
    pub(crate) fn with_suffix(&self, suffix: &'static str) -> Self {
        Self { store: self.store.clone(), path: self.path.clone(), suffix }
    }

    pub(crate) fn file(&self, kind: FileKind, base_offset: i64) -> PathBuf {
        self.path.join(kind.name(base_offset) + self.suffix)
    }
}

/// A file of a segment, by name.
#[derive(Clone, Debug)]
pub(crate) struct FileId {
    pub(crate) folder: Arc<Folder>,
    pub(crate) kind: FileKind,
    pub(crate) base_offset: i64,
}

impl FileId {
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.file(self.kind, self.base_offset)
    }

    /// For `map_err`: an operation on this file failed.
    pub(crate) fn failed(
        &self,
        operation: &'static str,
    ) -> impl FnOnce(io::Error) -> StorageError + use<'_> {
        move |source| StorageError { operation, path: self.path(), source }
    }
}

/// An open file that knows its name.
#[derive(Clone, Debug)]
pub(crate) struct OpenFile {
    pub(crate) id: FileId,
    pub(crate) handle: Arc<dyn File>,
}

impl OpenFile {
    /// The same file, whose reads are `WouldBlock` rather than wait for a disk.
    pub(crate) fn cached_only(&self) -> Self {
        Self { id: self.id.clone(), handle: Arc::new(CachedOnly(self.handle.clone())) }
    }

    /// Reads as many bytes as the file has at a position.
    pub(crate) fn read_at(&self, buffer: &mut [u8], position: u64) -> Result<usize, StorageError> {
        self.handle.read_at(buffer, position).map_err(self.id.failed("read"))
    }

    /// Reads bytes that must be there.
    pub(crate) fn read_exact_at(
        &self,
        buffer: &mut [u8],
        position: u64,
    ) -> Result<(), StorageError> {
        let read = self.read_at(buffer, position)?;
        if read == buffer.len() {
            return Ok(());
        }
        let text = format!(
            "the file ends {} bytes after position {position}, of which {} were to be read",
            read,
            buffer.len()
        );
        Err(self.id.failed("read")(io::Error::new(io::ErrorKind::UnexpectedEof, text)))
    }
}

/// A file of a segment. It costs no descriptor until it is used.
#[derive(Debug)]
pub(crate) struct SegmentFile {
    id: FileId,
    handle: OnceLock<Arc<dyn File>>,
}

impl SegmentFile {
    pub(crate) fn new(folder: Arc<Folder>, kind: FileKind, base_offset: i64) -> Self {
        Self { id: FileId { folder, kind, base_offset }, handle: OnceLock::new() }
    }

    /// The open file; it is created when it is not there.
    pub(crate) fn get(&self) -> Result<&Arc<dyn File>, StorageError> {
        if let Some(file) = self.handle.get() {
            return Ok(file);
        }
        let created = self.id.folder.store.create(&self.id.path());
        let file = created.map_err(self.id.failed("open"))?;
        Ok(self.handle.get_or_init(|| file))
    }

    pub(crate) fn open(&self) -> Result<OpenFile, StorageError> {
        Ok(OpenFile { handle: self.get()?.clone(), id: self.id.clone() })
    }

    /// The open file for one use: unless it is open already, it is closed thereafter.
    pub(crate) fn open_once(&self) -> Result<OpenFile, StorageError> {
        if self.handle.get().is_some() {
            return self.open();
        }
        let opened = self.id.folder.store.open(&self.id.path());
        let handle = opened.map_err(self.id.failed("open"))?;
        Ok(OpenFile { handle, id: self.id.clone() })
    }

    /// Takes note that the file has the name now that it has in another folder's spelling.
    pub(crate) fn renamed(&mut self, folder: &Arc<Folder>) {
        self.id.folder = folder.clone();
    }

    /// Lets go of the descriptor until the next use.
    pub(crate) fn release(&mut self) {
        self.handle = OnceLock::new();
    }

    pub(crate) fn id(&self) -> &FileId {
        &self.id
    }

    pub(crate) fn write_at(&self, bytes: &[u8], position: u64) -> Result<(), StorageError> {
        self.get()?.write_at(bytes, position).map_err(self.id.failed("write"))
    }

    pub(crate) fn write_parts_at(
        &self,
        parts: &mut [IoSlice<'_>],
        position: u64,
    ) -> Result<(), StorageError> {
        self.get()?.write_parts_at(parts, position).map_err(self.id.failed("write"))
    }

    pub(crate) fn set_size(&self, size: u64) -> Result<(), StorageError> {
        self.get()?.set_size(size).map_err(self.id.failed("truncate"))
    }

    pub(crate) fn size(&self) -> Result<u64, StorageError> {
        self.get()?.size().map_err(self.id.failed("measure"))
    }
}
