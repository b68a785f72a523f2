use std::sync::Arc;

use protocol::record::{BatchBuilder, BatchOptions};

use super::*;
use crate::error::WalkError;
use crate::folder::{FileId, Folder};
use crate::name::FileKind;
use crate::store::MemoryStore;

/// Batches of one record each, at offsets 0, 1, ..., of these sizes beside the header.
fn batches(values: &[usize]) -> Vec<u8> {
    let batch = |(offset, size): (usize, &usize)| {
        let base_offset = offset as i64;
        let mut batch = BatchBuilder::new(BatchOptions { base_offset, ..Default::default() });
        batch.append(0, None, Some(&vec![b'x'; *size]), &[]);
        batch.finish()
    };
    values.iter().enumerate().map(batch).collect::<Vec<_>>().concat()
}

fn file(content: &[u8]) -> OpenFile {
    let folder = Folder::new(Arc::new(MemoryStore::default()), Default::default());
    let id = FileId { folder: Arc::new(folder), kind: FileKind::Log, base_offset: 0 };
    let handle = id.folder.store.create(&id.path()).unwrap();
    handle.write_at(content, 0).unwrap();
    OpenFile { id, handle }
}

#[test]
fn headers_are_walked_whatever_the_batches_sizes() {
    let sizes = [1, 5000, 10, 4000, 4096, 3, 9000, 0, 60, 60, 60];
    let content = batches(&sizes);
    let in_memory: Vec<_> = headers(&content).map(Result::unwrap).collect();
    let file = file(&content);
    let mut walk = HeaderWalk::new(&file, 0, content.len() as u64);
    for (position, header) in &in_memory {
        assert_eq!(walk.next().unwrap(), Some((*position as u64, *header)));
    }
    assert_eq!(walk.next().unwrap(), None);
    let offsets: Vec<_> = in_memory.iter().map(|(_, header)| header.base_offset).collect();
    assert_eq!(offsets, (0..sizes.len() as i64).collect::<Vec<_>>());
}

#[test]
fn a_walk_ends_with_the_position_of_a_batch_that_is_not_whole() {
    let content = batches(&[10, 10]);
    let second = content.len() / 2;
    for length in second + 1..content.len() {
        let last = headers(&content[..length]).last().unwrap();
        assert_eq!(last.unwrap_err().0, second, "{length} bytes in memory");
        let file = file(&content[..length]);
        let mut walk = HeaderWalk::new(&file, 0, length as u64);
        walk.next().unwrap();
        match walk.next() {
            Err(WalkError::CorruptBatch { position, .. }) => assert_eq!(position, second as u64),
            other => panic!("{length} bytes in a file: {other:?}"),
        }
    }
}

#[test]
fn offsets_that_no_log_can_hold_are_refused() {
    let good = batches(&[1]);
    assert!(parse_header(&good).is_ok());
    for (at, bytes) in [
        (0, (-1_i64).to_be_bytes().as_slice()),
        (0, i64::MAX.to_be_bytes().as_slice()),
        (23, (-1_i32).to_be_bytes().as_slice()),
        (8, 48_i32.to_be_bytes().as_slice()),
        (16, &[1]),
    ] {
        let mut bad = good.clone();
        bad[at..at + bytes.len()].copy_from_slice(bytes);
        assert!(parse_header(&bad).is_err(), "{bytes:?} at {at}");
    }
}
