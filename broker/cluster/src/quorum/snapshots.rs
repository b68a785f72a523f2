//! The snapshots of the metadata beside its log: `OFFSET-EPOCH.checkpoint` (KIP-630).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use broker_log::{File, StorageError, Store};
use broker_metadata::snapshot::{SnapshotFile, SnapshotId, SnapshotState};
use broker_raft::OffsetAndEpoch;
use bytes::Bytes;

/// The complete snapshots of a folder, and the one that is being fetched.
#[derive(Debug)]
pub(crate) struct Snapshots {
    store: Arc<dyn Store>,
    folder: PathBuf,
    /// With their bytes.
    complete: BTreeMap<OffsetAndEpoch, u64>,
    fetched: Option<(OffsetAndEpoch, Arc<dyn File>)>,
}

impl Snapshots {
    /// Finds what is there, and removes what was never completed or was given up. Blocks.
    pub(super) fn open(store: Arc<dyn Store>, folder: &Path) -> Result<Self, StorageError> {
        let mut found =
            Self { store, folder: folder.to_owned(), complete: BTreeMap::new(), fetched: None };
        let listed = found.store.list(folder);
        for entry in listed.map_err(StorageError::on("list", folder.to_owned()))? {
            let path = folder.join(&entry.name);
            match SnapshotFile::parse(&entry.name) {
                Some(SnapshotFile { id, state: SnapshotState::Complete }) => {
                    found.complete.insert(of_name(id), entry.size);
                }
                Some(_) => {
                    let removed = found.store.remove_file(&path);
                    removed.map_err(StorageError::on("remove", path))?;
                }
                None => {}
            }
        }
        Ok(found)
    }

    pub(super) fn earliest(&self) -> Option<OffsetAndEpoch> {
        self.complete.first_key_value().map(|(id, _)| *id)
    }

    pub(crate) fn latest(&self) -> Option<OffsetAndEpoch> {
        self.complete.last_key_value().map(|(id, _)| *id)
    }

    pub(super) fn size(&self, id: OffsetAndEpoch) -> Option<u64> {
        self.complete.get(&id).copied()
    }

    /// The bytes of a complete snapshot from a position on. Blocks.
    pub(crate) fn read(
        &self,
        id: OffsetAndEpoch,
        position: u64,
        max_bytes: u64,
    ) -> Result<Bytes, StorageError> {
        let path = self.path(id);
        let size = self.size(id).unwrap_or(0);
        let length = size.saturating_sub(position).min(max_bytes);
        let mut buffer = vec![0; usize::try_from(length).unwrap_or(0)];
        let read = self.store.open(&path).and_then(|file| file.read_at(&mut buffer, position));
        let read = read.map_err(StorageError::on("read", path))?;
        buffer.truncate(read);
        Ok(buffer.into())
    }

    /// All of a complete snapshot, with its path for whoever finds it damaged. Blocks.
    pub(crate) fn whole(&self, id: OffsetAndEpoch) -> Result<(PathBuf, Bytes), StorageError> {
        Ok((self.path(id), self.read(id, 0, u64::MAX)?))
    }

    /// Begins a snapshot that is fetched, in place of one that was begun. Blocks.
    pub(super) fn begin(&mut self, id: OffsetAndEpoch) -> Result<(), StorageError> {
        if let Some((before, _)) = &self.fetched {
            self.discard(*before)?;
        }
        let path = self.part(id);
        let created = self.store.create(&path).and_then(|file| {
            file.set_size(0)?;
            Ok(file)
        });
        self.fetched = Some((id, created.map_err(StorageError::on("create", path))?));
        Ok(())
    }

    /// Writes a part of the snapshot that was begun. Blocks.
    pub(super) fn write(
        &mut self,
        id: OffsetAndEpoch,
        position: u64,
        bytes: &Bytes,
    ) -> Result<(), StorageError> {
        let Some((_, file)) = self.fetched.as_ref().filter(|(begun, _)| *begun == id) else {
            return Ok(());
        };
        file.write_at(bytes, position).map_err(StorageError::on("write", self.part(id)))
    }

    /// Makes the snapshot that was begun complete, unless it is. Blocks.
    pub(super) fn complete(&mut self, id: OffsetAndEpoch) -> Result<(), StorageError> {
        if self.complete.contains_key(&id) {
            return Ok(());
        }
        let path = self.path(id);
        let part = self.part(id);
        let size = complete(&*self.store, &self.folder, &part, &path)?;
        self.complete.insert(id, size);
        self.fetched = None;
        Ok(())
    }

    /// Forgets a snapshot that was begun. Blocks.
    pub(super) fn discard(&mut self, id: OffsetAndEpoch) -> Result<(), StorageError> {
        self.fetched = None;
        let path = self.part(id);
        match self.store.remove_file(&path) {
            Err(problem) if problem.kind() != std::io::ErrorKind::NotFound => {
                Err(StorageError::on("remove", path)(problem))
            }
            _ => Ok(()),
        }
    }

    fn path(&self, id: OffsetAndEpoch) -> PathBuf {
        self.folder.join(name(id).file_name())
    }

    fn part(&self, id: OffsetAndEpoch) -> PathBuf {
        self.folder.join(name(id).part_name())
    }
}

/// Syncs a file that is whole and gives it its name; its bytes.
fn complete(
    store: &dyn Store,
    folder: &Path,
    part: &Path,
    path: &Path,
) -> Result<u64, StorageError> {
    let synced = store.open(part).and_then(|file| {
        file.sync()?;
        file.size()
    });
    let size = synced.map_err(StorageError::on("sync", part.to_owned()))?;
    let renamed = store.rename(part, path).and_then(|()| store.sync_dir(folder));
    renamed.map_err(StorageError::on("rename", path.to_owned()))?;
    Ok(size)
}

fn of_name(id: SnapshotId) -> OffsetAndEpoch {
    OffsetAndEpoch { offset: id.end_offset, epoch: id.epoch }
}

fn name(id: OffsetAndEpoch) -> SnapshotId {
    SnapshotId { end_offset: id.offset, epoch: id.epoch }
}
