//! Files that have left the log and wait for their removal.

use std::path::PathBuf;
use std::sync::Arc;

use crate::error::StorageError;
use crate::store::{self, Store};

/// Files under their last name. Who has one open goes on reading it.
#[derive(Debug)]
#[must_use = "the files stay on disk until `remove` is called"]
pub struct RemovedFiles {
    store: Arc<dyn Store>,
    files: Vec<PathBuf>,
    folder: Option<PathBuf>,
    /// Its names have to be on the disk first.
    sync_first: Option<PathBuf>,
}

impl RemovedFiles {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, files: Vec::new(), folder: None, sync_first: None }
    }

    pub(crate) fn push(&mut self, file: PathBuf) {
        self.files.push(file);
    }

    pub(crate) fn with_folder(self, folder: PathBuf) -> Self {
        Self { folder: Some(folder), ..self }
    }

    pub(crate) fn after_sync_of(self, folder: PathBuf) -> Self {
        Self { sync_first: Some(folder), ..self }
    }

    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.folder.is_none()
    }

    /// Removes the files for good: call it `file.delete.delay.ms` later, without the log's
    /// lock. Blocks. What a crash comes before is removed when the log dir is next opened.
    pub fn remove(self) -> Result<(), StorageError> {
        if let Some(folder) = self.sync_first {
            match self.store.sync_dir(&folder) {
                // The partition is gone, and all of its files with it.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                synced => synced.map_err(StorageError::on("sync", folder))?,
            }
        }
        for file in self.files {
            store::remove_if_there(&*self.store, &file)
                .map_err(StorageError::on("remove", file))?;
        }
        match self.folder {
            Some(folder) => {
                let removed = self.store.remove_dir_all(&folder);
                removed.map_err(StorageError::on("remove", folder))
            }
            None => Ok(()),
        }
    }
}
