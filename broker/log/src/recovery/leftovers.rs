//! What a crash left half done in a folder, and the segments that are there once it is done.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::batch::HeaderWalk;
use crate::error::StorageError;
use crate::folder::{FileId, Folder, OpenFile};
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
/// they were made from. Returns whether anything was changed.
fn finish_swaps(folder: &Arc<Folder>, entries: &[Entry]) -> Result<bool, StorageError> {
    let with = |suffix: &'static str| {
        entries.iter().filter_map(move |entry| FileKind::parse(entry.name.strip_suffix(suffix)?))
    };
    // A `.cleaned` file shows that from its segment on, the compaction was at work still.
    let at_work_from = with(CLEANED_SUFFIX).map(|(_, base_offset)| base_offset).min();
    let mut swapped = BTreeMap::<i64, Vec<FileKind>>::new();
    for (kind, base_offset) in with(SWAP_SUFFIX) {
        swapped.entry(base_offset).or_default().push(kind);
    }
    let swap = folder.with_suffix(SWAP_SUFFIX);
    for (base_offset, kinds) in &swapped {
        if at_work_from.is_some_and(|from| *base_offset >= from) {
            // Before the file that shows it, lest another crash comes in between.
            for kind in kinds {
                remove(folder, &(kind.name(*base_offset) + SWAP_SUFFIX))?;
            }
        } else if kinds.contains(&FileKind::Log) {
            replace_originals(folder, entries, *base_offset)?;
            let indexes = kinds.iter().filter(|kind| **kind != FileKind::Log);
            for kind in indexes.chain([&FileKind::Log]) {
                let from = swap.file(*kind, *base_offset);
                let renamed = folder.store.rename(&from, &folder.file(*kind, *base_offset));
                renamed.map_err(StorageError::on("rename", from))?;
            }
        } else {
            // Whether it is of the segment that is there cannot be told: without one of them,
            // all indexes of a segment are written anew.
            remove(folder, &FileKind::OffsetIndex.name(*base_offset))?;
        }
    }
    Ok(!swapped.is_empty())
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
    let id = FileId { folder: folder.clone(), kind: FileKind::Log, base_offset };
    let file = OpenFile { id, handle };
    let mut walk = HeaderWalk::new(&file, 0, size);
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

/// Removes the files of a segment without batches. A snapshot of its offset is as good as any
/// other.
pub(crate) fn remove_empty(folder: &Folder, base_offset: i64) -> Result<(), StorageError> {
    let mut kinds = FileKind::ALL.into_iter().filter(|kind| *kind != FileKind::Snapshot);
    kinds.try_for_each(|kind| remove(folder, &kind.name(base_offset)))
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
