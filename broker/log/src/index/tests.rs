use std::ops::ControlFlow;
use std::sync::Arc;

use super::*;
use crate::store::MemoryStore;

fn folder() -> Arc<Folder> {
    Arc::new(Folder::new(Arc::new(MemoryStore::default()), Default::default()))
}

fn numbers(count: u64) -> Entries<8> {
    let mut entries = Entries::empty(folder(), FileKind::OffsetIndex, 0);
    for number in 0..count {
        entries.push((number * 2).to_be_bytes());
    }
    entries
}

fn below(limit: u64) -> impl Fn(&[u8; 8]) -> bool {
    move |entry| u64::from_be_bytes(*entry) < limit
}

/// How many entries a file gets before the next one stays in memory again.
const WRITTEN_AT_ONCE: u64 = TAIL_BYTES as u64 / 8;

#[test]
fn entries_are_found_in_the_file_and_in_memory() {
    for count in [0, 1, 10, WRITTEN_AT_ONCE - 1, WRITTEN_AT_ONCE, 3 * WRITTEN_AT_ONCE + 7] {
        let entries = numbers(count);
        assert_eq!(entries.len(), count);
        assert_eq!(entries.written, count / WRITTEN_AT_ONCE * WRITTEN_AT_ONCE);
        for index in [0, 1, count / 2, count.saturating_sub(1)] {
            let expected = (index < count).then(|| (index * 2).to_be_bytes());
            assert_eq!(entries.get(index).unwrap(), expected);
        }
        for limit in [0, 1, 2, count, count * 2 - count.min(1), count * 2, u64::MAX] {
            let expected = limit.div_ceil(2).min(count);
            assert_eq!(entries.count_while(below(limit)).unwrap(), expected, "{limit} in {count}");
        }
    }
}

#[test]
fn entries_are_cut_in_the_file_and_in_memory() {
    for keep in [0, 5, WRITTEN_AT_ONCE - 1, WRITTEN_AT_ONCE, WRITTEN_AT_ONCE + 3] {
        let mut entries = numbers(WRITTEN_AT_ONCE + 9);
        entries.truncate(keep).unwrap();
        assert_eq!(entries.len(), keep);
        entries.push(7_u64.to_be_bytes());
        assert_eq!(entries.last().unwrap(), Some(7_u64.to_be_bytes()));
        entries.seal().unwrap();
        assert_eq!(entries.file.size().unwrap(), (keep + 1) * 8);
        assert_eq!(entries.get(keep).unwrap(), Some(7_u64.to_be_bytes()));
    }
}

#[test]
fn sealing_cuts_what_lies_behind_the_entries() {
    let folder = folder();
    let path = folder.path.join(FileKind::OffsetIndex.name(0));
    let file = folder.store.create(&path).unwrap();
    file.write_at(&[0; 23], 0).unwrap();
    let mut entries = Entries::<8>::of_file(folder.clone(), FileKind::OffsetIndex, 0, 23);
    entries.seal().unwrap();
    assert_eq!(file.size().unwrap(), 16);
    let mut entries = Entries::<8>::empty(folder, FileKind::OffsetIndex, 0);
    entries.push([1; 8]);
    entries.seal().unwrap();
    assert_eq!(file.size().unwrap(), 8);
}

#[test]
fn an_offset_is_looked_up_by_the_batch_before_it() {
    let mut index = OffsetIndex::empty(folder(), 100);
    for number in 0..2000 {
        index.push(100 + number * 10, number as u64 * 50);
    }
    let position = |offset| index.lookup(offset).unwrap().position().unwrap();
    assert_eq!(position(50), 0, "before the segment");
    assert_eq!(position(100), 0);
    assert_eq!(position(109), 0);
    assert_eq!(position(110), 50);
    assert_eq!(position(10_000), 49_500);
    assert_eq!(position(i64::MAX), 0, "too far to be told");
    assert_eq!(position(50_000), 99_950);
    assert_eq!(index.last().unwrap(), Some((20_090, 99_950)));
    assert!(index.can_hold(100 + i64::from(i32::MAX)));
    assert!(!index.can_hold(101 + i64::from(i32::MAX)));
    assert!(!index.can_hold(99));
}

#[test]
fn times_that_do_not_grow_are_not_noted() {
    let mut index = TimeIndex::empty(folder(), 100);
    for (timestamp, offset) in [(5, 101), (5, 102), (4, 103), (9, 104)] {
        index.push(TimeEntry { timestamp, offset });
    }
    assert_eq!(index.size(), 24);
    let before =
        [4, 5, 8, 9, 99].map(|timestamp| index.view().unwrap().offset_before(timestamp).unwrap());
    assert_eq!(before, [100, 101, 101, 104, 104]);
    index.truncate(104).unwrap();
    index.push(TimeEntry { timestamp: 6, offset: 105 });
    assert_eq!(index.last().unwrap(), Some(TimeEntry { timestamp: 6, offset: 105 }));
}

#[test]
fn aborted_transactions_are_visited_in_order_and_cut_by_their_markers() {
    let mut index = TxnIndex::empty(folder(), 0);
    let entry = |producer_id, first_offset, last_offset| AbortedEntry {
        producer_id,
        first_offset,
        last_offset,
        last_stable_offset: first_offset,
    };
    let entries = [entry(1, 0, 5), entry(2, 3, 7), entry(1, 6, 9)];
    for entry in entries {
        index.push(entry);
    }
    let visited = |index: &TxnIndex, most| {
        let mut seen = Vec::new();
        let entries = index.snapshot().unwrap();
        let ended = entries.visit(|entry| {
            seen.push(txn::decode(entry));
            if seen.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        assert_eq!(ended.unwrap().is_break(), seen.len() == most);
        seen
    };
    assert_eq!(visited(&index, 9), entries);
    assert_eq!(visited(&index, 2), entries[..2]);
    index.truncate(9).unwrap();
    assert_eq!(visited(&index, 9), entries[..2]);
}
