//! What a crash left half done in a folder, and the segments that are there once it is done.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::StorageError;
use crate::folder::Folder;
use crate::name::{CLEANED_SUFFIX, DELETED_SUFFIX, FileKind, SWAP_SUFFIX};
use crate::segment::{FileSizes, Segment};
use crate::snapshots;
use crate::store::{self, Entry};

/// A segment that is there.
#[derive(Debug)]
pub(crate) struct FoundSegment {
    pub(crate) segment: Segment,
    /// An index is missing or cut.
    pub(crate) lacks_index: bool,
    /// There are no bytes in any of its files.
    pub(crate) is_bare: bool,
    /// It has to be read in full.
    pub(crate) scan: bool,
}

/// Tidies a folder and lists its segments, and the offsets of its snapshots, in ascending
/// order.
pub(crate) fn find_segments(
    folder: &Arc<Folder>,
) -> Result<(Vec<FoundSegment>, Vec<i64>), StorageError> {
    let mut entries = list(folder)?;
    if finish_swaps(folder, &entries)? {
        entries = list(folder)?;
    }
    let mut sizes = BTreeMap::<i64, FileSizes>::new();
    for entry in &entries {
        if is_remainder(&entry.name) {
            remove(folder, &entry.name)?;
        } else if let Some((FileKind::Log, base_offset)) = FileKind::parse(&entry.name) {
            let sizes = sizes.entry(base_offset).or_default();
            (sizes.log, sizes.modified_ms) = (entry.size, entry.modified_ms);
        }
    }
    for entry in &entries {
        let Some((kind, base_offset)) = FileKind::parse(&entry.name) else { continue };
        match (kind, sizes.get_mut(&base_offset)) {
            (FileKind::Log | FileKind::Snapshot, _) => {}
            (FileKind::OffsetIndex, Some(sizes)) => sizes.offset_index = Some(entry.size),
            (FileKind::TimeIndex, Some(sizes)) => sizes.time_index = Some(entry.size),
            (FileKind::TxnIndex, Some(sizes)) => sizes.txn_index = entry.size,
            // An index without a log.
            (_, None) => remove(folder, &entry.name)?,
        }
    }
    let found = sizes.into_iter().map(|(base_offset, sizes)| {
        let whole = |size: Option<u64>, entry| size.is_some_and(|size| size % entry == 0);
        let lacks_index = !whole(sizes.offset_index, 8)
            || !whole(sizes.time_index, 12)
            || sizes.txn_index % 34 != 0;
        if lacks_index {
            tracing::warn!(
                folder = %folder.path.display(), base_offset,
                "an index is missing or cut; writing it anew"
            );
        }
        let segment = Segment::existing(folder.clone(), base_offset, sizes);
        let bytes = [Some(sizes.log), sizes.offset_index, sizes.time_index, Some(sizes.txn_index)];
        let is_bare = bytes.iter().all(|bytes| *bytes == Some(0));
        FoundSegment { segment, lacks_index, is_bare, scan: lacks_index }
    });
    Ok((found.collect(), snapshots::offsets_in(&entries)))
}

fn list(folder: &Folder) -> Result<Vec<Entry>, StorageError> {
    let entries = folder.store.list(&folder.path);
    let mut entries = entries.map_err(StorageError::on("list", &folder.path))?;
    entries.retain(|entry| !entry.is_dir);
    Ok(entries)
}

fn is_remainder(name: &str) -> bool {
    [DELETED_SUFFIX, CLEANED_SUFFIX, SWAP_SUFFIX, ".tmp"].iter().any(|end| name.ends_with(end))
}

fn remove(folder: &Folder, name: &str) -> Result<(), StorageError> {
    let path = folder.path.join(name);
    store::remove_if_there(&*folder.store, &path).map_err(StorageError::on("remove", path))
}

/// Segments that a compaction had finished, `<base>.log.swap`, take the place of those that
/// they were made from. Returns whether there were any.
fn finish_swaps(folder: &Arc<Folder>, entries: &[Entry]) -> Result<bool, StorageError> {
    let swapped: Vec<_> = entries
        .iter()
        .filter_map(|entry| {
            let name = entry.name.strip_suffix(SWAP_SUFFIX)?;
            Some((name, FileKind::parse(name)?))
        })
        .collect();
    // A `.cleaned` file shows that the compaction was at work still.
    let at_work = entries.iter().any(|entry| entry.name.ends_with(CLEANED_SUFFIX));
    if swapped.is_empty() || at_work {
        return Ok(false);
    }
    for (name, (kind, base_offset)) in &swapped {
        if *kind == FileKind::Log {
            replace_originals(folder, entries, *base_offset)?;
        }
        let path = folder.path.join(name);
        let from = store::with_suffix(&path, SWAP_SUFFIX);
        folder.store.rename(&from, &path).map_err(StorageError::on("rename", from))?;
    }
    Ok(true)
}

/// Removes the segments whose offsets a swapped one covers.
fn replace_originals(
    folder: &Arc<Folder>,
    entries: &[Entry],
    base_offset: i64,
) -> Result<(), StorageError> {
    let name = FileKind::Log.name(base_offset) + SWAP_SUFFIX;
    let path = folder.path.join(&name);
    let size = entries.iter().find(|entry| entry.name == name).map_or(0, |entry| entry.size);
    let handle = folder.store.open(&path).map_err(StorageError::on("open", path))?;
    let id = crate::folder::FileId { folder: folder.clone(), kind: FileKind::Log, base_offset };
    let file = crate::folder::OpenFile { id, handle };
    let mut walk = crate::batch::HeaderWalk::new(&file, 0, size);
    let mut end_offset = base_offset + 1;
    while let Ok(Some((_, header))) = walk.next() {
        end_offset = header.next_offset();
    }
    for entry in entries {
        if let Some((FileKind::Log, base)) = FileKind::parse(&entry.name)
            && (base_offset..end_offset).contains(&base)
        {
            for kind in FileKind::ALL.into_iter().filter(|kind| *kind != FileKind::Snapshot) {
                remove(folder, &kind.name(base))?;
            }
        }
    }
    Ok(())
}

/// Removes the files of segments at once.
pub(crate) fn remove_segments(folder: &Folder, segments: &[Segment]) -> Result<(), StorageError> {
    // The last first: should this fail, what stays is a log without a hole.
    for segment in segments.iter().rev() {
        for kind in FileKind::ALL {
            remove(folder, &kind.name(segment.base_offset()))?;
        }
    }
    Ok(())
}
