//! Records on their way to a reader: a range of a file, and the log dir that is told when it can't
//! be read.

use std::io;
use std::os::fd::RawFd;
use std::sync::Arc;

use broker_log::{FileSlice, StorageError};
use bytes::Bytes;

use super::data_dir::DataDir;

/// A range of a segment's file, which stays readable when its segment leaves the log.
#[derive(Clone, Debug)]
pub struct RecordRange {
    slice: FileSlice,
    /// Where the file lies, wherever the partition has moved since.
    dir: Arc<DataDir>,
}

impl RecordRange {
    pub fn new(slice: FileSlice, dir: Arc<DataDir>) -> Self {
        Self { slice, dir }
    }

    pub fn length(&self) -> usize {
        self.slice.length
    }

    /// A part of the range.
    pub fn part(&self, from: usize, length: usize) -> Self {
        let slice = self.slice.range(self.slice.position + from as u64, length);
        Self { slice, dir: self.dir.clone() }
    }

    /// For `sendfile`: the descriptor, which is good as long as the range is held, and where the
    /// range begins. `None` for a log in memory.
    pub fn file(&self) -> Option<(RawFd, u64)> {
        self.slice.as_raw_fd().map(|file| (file, self.slice.position))
    }

    /// Reads the range; shorter than it is only when the log was truncated since. May wait for the
    /// disk.
    pub fn read(&self) -> Result<Bytes, StorageError> {
        self.told(self.slice.read()).map(Bytes::from)
    }

    /// As [`Self::read`], where that does not wait for the disk; else `None`.
    pub fn read_cached(&self) -> Result<Option<Bytes>, StorageError> {
        Ok(self.told(self.slice.read_cached())?.map(Bytes::from))
    }

    /// Has bytes that are not in memory read on a thread that may wait for the disk, so that no
    /// connection does.
    pub async fn load_if_cold(&self) -> Result<(), StorageError> {
        if self.slice.is_cached() {
            return Ok(());
        }
        self.load().await
    }

    /// Has the bytes read, on a thread that may wait for the disk.
    pub async fn load(&self) -> Result<(), StorageError> {
        let range = self.clone();
        let loaded = tokio::task::spawn_blocking(move || range.told(range.slice.load())).await;
        // A runtime that is being stopped loads nothing, and sends nothing either.
        loaded.unwrap_or(Ok(()))
    }

    /// Whether the log dir is known to be in trouble.
    pub fn is_doubtful(&self) -> bool {
        self.dir.has_failed()
    }

    fn told<T>(&self, result: Result<T, StorageError>) -> Result<T, StorageError> {
        result.inspect_err(|problem| {
            // A file that was removed says nothing about the disk.
            if problem.source.kind() != io::ErrorKind::NotFound {
                self.dir.storage_failed(problem);
            }
        })
    }
}
