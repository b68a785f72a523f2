use super::*;
use crate::consumer::fetch::Entry;
use crate::consumer::records::FetchedBatch;
use protocol::record::{BatchBuilder, BatchOptions, RecordBatch};

fn partition(index: i32) -> TopicPartition {
    TopicPartition::new("t", index)
}

/// A state with partitions 0 and 1 at offset 0.
fn state() -> State {
    let mut state = State::default();
    state.add([partition(0), partition(1)], Seek::Committed);
    for index in 0..2 {
        let turn = state.partitions[&partition(index)].turn;
        state.found(&partition(index), turn, Position { offset: 0, leader_epoch: None });
    }
    state
}

/// A chunk with batches of `count` records each from `base_offset` on.
fn chunk(index: i32, base_offset: i64, counts: &[i64]) -> Chunk {
    let mut at = base_offset;
    let entries = counts.iter().map(|count| {
        let options = BatchOptions { base_offset: at, ..BatchOptions::default() };
        let mut builder = BatchBuilder::new(options);
        (0..*count).for_each(|_| builder.append(0, None, None, &[]));
        let batch = RecordBatch::parse(&builder.finish()).unwrap();
        at += count;
        let batch = FetchedBatch::new(&partition(index), batch, base_offset);
        Entry { next_offset: at, leader_epoch: 3, batch: Some(batch) }
    });
    let entries = entries.collect();
    Chunk { entries, high_watermark: 100, last_stable_offset: 100, error: None }
}

fn push(state: &mut State, index: i32, chunk: Chunk) {
    state.partitions.get_mut(&partition(index)).unwrap().chunks.push_back(chunk);
}

/// Partition, record count and next offset of each part of a poll.
fn take(state: &mut State, most: usize) -> Vec<(i32, usize, i64)> {
    let polled = state.take(most).unwrap();
    let part = |p: &PartitionRecords| (p.partition.partition, p.count_at_most(), p.next_offset);
    polled.partitions.iter().map(part).collect()
}

#[test]
fn a_poll_takes_whole_batches_and_partitions_in_turn() {
    let mut state = state();
    push(&mut state, 0, chunk(0, 0, &[3, 3, 3]));
    push(&mut state, 1, chunk(1, 0, &[2, 2]));
    assert_eq!(take(&mut state, 5), [(0, 6, 6)]);
    assert_eq!(take(&mut state, 5), [(1, 4, 4), (0, 3, 9)]);
    assert_eq!(take(&mut state, 5), []);
    let commits = state.to_commit(None);
    assert_eq!(commits[&partition(0)].offset, 9);
    assert_eq!(commits[&partition(0)].leader_epoch, Some(3));
    assert_eq!(commits[&partition(1)].offset, 4);
}

#[test]
fn entries_without_records_move_the_position_only() {
    let mut state = state();
    let entry = Entry { next_offset: 8, leader_epoch: -1, batch: None };
    let entries = [entry].into();
    let chunk = Chunk { entries, high_watermark: 9, last_stable_offset: 9, error: None };
    push(&mut state, 0, chunk);
    assert_eq!(take(&mut state, 5), []);
    assert_eq!(state.to_commit(None)[&partition(0)].offset, 8);
}

#[test]
fn a_seek_forgets_what_was_fetched_and_what_was_asked() {
    let mut state = state();
    push(&mut state, 0, chunk(0, 0, &[3]));
    let before = state.partitions[&partition(0)].turn;
    state.seek(&partition(0), Position { offset: 50, leader_epoch: None }).unwrap();
    assert_eq!(take(&mut state, 5), []);
    state.found(&partition(0), before, Position { offset: 1, leader_epoch: None });
    assert_eq!(state.partitions[&partition(0)].fetch_offset, 50, "an old answer is ignored");
    state.seek_to(&partition(0), Seek::Reset).unwrap();
    let wanted = state.to_look_up(Instant::now());
    assert_eq!(wanted.len(), 1);
    assert_eq!((&wanted[0].0, wanted[0].2), (&partition(0), Seek::Reset));
    assert!(state.seek_to(&partition(7), Seek::Reset).is_err());
}

#[test]
fn records_before_a_damaged_batch_come_first_and_the_error_once() {
    let mut state = state();
    let error =
        ConsumeError::Corrupt { partition: partition(0), offset: 3, reason: "damaged".to_owned() };
    push(&mut state, 0, Chunk { error: Some(error), ..chunk(0, 0, &[3]) });
    assert_eq!(take(&mut state, 5), [(0, 3, 3)]);
    assert!(matches!(state.take(5), Err(ConsumeError::Corrupt { offset: 3, .. })));
    assert_eq!(take(&mut state, 5), []);
    assert_eq!(state.partitions[&partition(0)].fetch_offset, 3);
}

#[test]
fn a_position_out_of_range_is_reset_once_all_is_shown() {
    let mut state = state();
    push(&mut state, 0, chunk(0, 0, &[3]));
    state.out_of_range(&partition(0), OffsetReset::Earliest);
    assert_eq!(state.to_look_up(Instant::now()), []);
    assert_eq!(take(&mut state, 5), [(0, 3, 3)]);
    state.out_of_range(&partition(0), OffsetReset::Earliest);
    assert_eq!(state.to_look_up(Instant::now()).len(), 1);
    state.out_of_range(&partition(1), OffsetReset::None);
    assert!(matches!(state.take(5), Err(ConsumeError::OffsetOutOfRange { .. })));
}
