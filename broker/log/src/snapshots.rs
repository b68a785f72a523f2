//! The snapshot files of a folder: which there are, which to load, which to remove.

use std::io;

use crate::error::StorageError;
use crate::folder::{FileId, Folder, OpenFile};
use crate::name::FileKind;
use crate::producers::ProducerStates;
use crate::segment::Segment;
use crate::store::{self, Entry};

/// Writes the producers' state as the snapshot of its end offset. The file is not synced.
pub(crate) fn write(
    folder: &std::sync::Arc<Folder>,
    producers: &ProducerStates,
) -> Result<OpenFile, StorageError> {
    let base_offset = producers.end_offset();
    let id = FileId { folder: folder.clone(), kind: FileKind::Snapshot, base_offset };
    let write = || -> io::Result<_> {
        let file = folder.store.create(&id.path())?;
        file.set_size(0)?;
        file.write_at(&producers.encode(), 0)?;
        Ok(file)
    };
    let handle = write().map_err(id.failed("write"))?;
    Ok(OpenFile { id, handle })
}

/// Loads the newest snapshot that is not above an offset and can be read, and returns its
/// offset; without one, the state stays as it is. `expiry` is the time now, and how long
/// producers are remembered.
pub(crate) fn load_newest(
    folder: &Folder,
    offsets: &[i64],
    up_to: i64,
    expiry: (i64, i64),
    producers: &mut ProducerStates,
) -> Result<Option<i64>, StorageError> {
    let start = producers.end_offset();
    let offsets = offsets.iter().copied().rev();
    for offset in offsets.filter(|offset| (start..=up_to).contains(offset)) {
        let path = folder.path.join(FileKind::Snapshot.name(offset));
        let bytes = match store::read_all(&*folder.store, &path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            read => read.map_err(StorageError::on("read", &path))?,
        };
        let keep = |producer: &crate::producers::Producer| !producer.is_expired(expiry.0, expiry.1);
        match producers.decode(&bytes, offset, keep) {
            Ok(()) => return Ok(Some(offset)),
            Err(problem) => {
                tracing::warn!(file = %path.display(), "removing a damaged snapshot: {problem}");
                remove(folder, offset)?;
            }
        }
    }
    Ok(None)
}

/// Removes snapshots above the log's end, and those that neither belong to a segment nor
/// are the newest.
pub(crate) fn remove_unneeded(
    folder: &Folder,
    offsets: &[i64],
    segments: &[Segment],
    next_offset: i64,
) -> Result<(), StorageError> {
    let newest = offsets.iter().copied().filter(|offset| *offset <= next_offset).max();
    for offset in offsets.iter().copied() {
        let of_segment = segments.iter().any(|segment| segment.base_offset() == offset);
        if offset > next_offset || (!of_segment && Some(offset) != newest) {
            remove(folder, offset)?;
        }
    }
    Ok(())
}

fn remove(folder: &Folder, offset: i64) -> Result<(), StorageError> {
    let path = folder.path.join(FileKind::Snapshot.name(offset));
    store::remove_if_there(&*folder.store, &path).map_err(StorageError::on("remove", path))
}

/// Offsets of the snapshots that are there, ascending.
pub(crate) fn list(folder: &Folder) -> Result<Vec<i64>, StorageError> {
    let entries = folder.store.list(&folder.path);
    let entries = entries.map_err(StorageError::on("list", &folder.path))?;
    Ok(offsets_in(&entries))
}

/// Offsets of the snapshots in a folder's listing, ascending.
pub(crate) fn offsets_in(entries: &[Entry]) -> Vec<i64> {
    let mut offsets: Vec<_> = entries
        .iter()
        .filter_map(|entry| match FileKind::parse(&entry.name) {
            Some((FileKind::Snapshot, offset)) => Some(offset),
            _ => None,
        })
        .collect();
    offsets.sort_unstable();
    offsets
}
