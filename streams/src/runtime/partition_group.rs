//! [`PartitionGroup`]: which rows of a task's inputs come next.
//!
//! Rows are taken in the order of their timestamps among all inputs, those of tables first where
//! timestamps are equal. An input that is empty is waited for as long as its partition is known to
//! have more: then the order does not depend on which fetch answered first. Tables that are to be
//! read first are taken before anything else.

use std::collections::VecDeque;

use super::engine::Decoded;

/// One input partition of a task.
#[derive(Debug)]
pub(crate) struct Input {
    /// Whether rows go before those of streams at the same timestamp.
    pub(crate) is_table: bool,
    /// The next offset to process: what is committed.
    pub(crate) position: i64,
    /// The next offset to fetch.
    pub(crate) fetched_to: i64,
    /// The partition's end as last known.
    pub(crate) end: i64,
    /// Reading up to here comes before streams.
    pub(crate) read_first_until: Option<i64>,
    waiting: VecDeque<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    rows: Decoded,
    /// Position once all rows are processed.
    next_offset: i64,
}

impl Input {
    pub(crate) fn new(
        is_table: bool,
        position: i64,
        end: i64,
        read_first_until: Option<i64>,
    ) -> Self {
        Self {
            is_table,
            position,
            fetched_to: position,
            end,
            read_first_until,
            waiting: VecDeque::new(),
        }
    }

    fn head_time(&self) -> Option<i64> {
        self.waiting.front().map(|front| front.rows.chunk.timestamps()[0])
    }

    fn is_behind(&self) -> bool {
        self.waiting.is_empty() && self.fetched_to < self.end
    }

    /// Passes over batches without rows.
    fn settle(&mut self) {
        while let Some(front) = self.waiting.front() {
            if !front.rows.chunk.is_empty() {
                return;
            }
            self.position = front.next_offset;
            self.waiting.pop_front();
        }
    }

    fn take(&mut self, count: usize) -> Option<Decoded> {
        let front = self.waiting.front_mut()?;
        let taken = front.rows.split_front(count.min(front.rows.chunk.len()));
        if let Some(next) = front.rows.chunk.origin().offsets.first() {
            self.position = *next;
        }
        self.settle();
        Some(taken)
    }
}

/// The inputs of a task, by number.
#[derive(Debug)]
pub(crate) struct PartitionGroup {
    pub(crate) inputs: Vec<Input>,
}

impl PartitionGroup {
    pub(crate) fn new(inputs: Vec<Input>) -> Self {
        Self { inputs }
    }

    /// Adds what was fetched from an input.
    pub(crate) fn push(&mut self, input: usize, rows: Decoded, next_offset: i64, end: i64) {
        let input = &mut self.inputs[input];
        input.fetched_to = next_offset;
        input.end = input.end.max(end);
        input.waiting.push_back(Waiting { rows, next_offset });
        input.settle();
    }

    /// The next rows to process, at most `limit`, with the number of their input.
    pub(crate) fn next(&mut self, limit: usize) -> Option<(usize, Decoded)> {
        for input in &mut self.inputs {
            if input.read_first_until.is_some_and(|until| input.position >= until) {
                input.read_first_until = None;
            }
        }
        let first = |input: &Input| input.read_first_until.is_some();
        let reading_first = self.inputs.iter().any(first);
        let eligible = |input: &Input| !reading_first || first(input);
        if self.inputs.iter().any(|input| eligible(input) && input.is_behind()) {
            return None;
        }
        let order =
            |number: usize, input: &Input| Some((input.head_time()?, !input.is_table, number));
        let heads = self.inputs.iter().enumerate().filter(|(_, input)| eligible(input));
        let mut heads: Vec<_> = heads.filter_map(|(number, input)| order(number, input)).collect();
        heads.sort_unstable();
        let &(_, is_stream, number) = heads.first()?;
        let input = &mut self.inputs[number];
        let front = &input.waiting.front()?.rows.chunk;
        let mut count = front.len().min(limit);
        if let Some(&next) = heads.get(1) {
            let before = |time: &i64| (*time, is_stream, number) < next;
            count = front.timestamps()[..count].iter().take_while(|time| before(time)).count();
        }
        if let Some(until) = input.read_first_until {
            let offsets = &front.origin().offsets;
            let inside = offsets.partition_point(|offset| *offset < until);
            count = count.min(inside);
        }
        Some((number, input.take(count.max(1))?))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, RecordBatch};

    use super::*;
    use crate::chunk::{Chunk, Origin};

    fn rows(first_offset: i64, times: &[i64]) -> Decoded {
        let column: ArrayRef = Arc::new(Int64Array::from(times.to_vec()));
        let batch = RecordBatch::try_from_iter([("t", column)]).unwrap();
        let offsets = (first_offset..).take(times.len()).collect();
        let chunk = Chunk::appends(batch, times.to_vec(), Origin::new(0, offsets)).unwrap();
        Decoded { chunk, origins: None }
    }

    fn drain(group: &mut PartitionGroup) -> Vec<(usize, Vec<i64>)> {
        std::iter::from_fn(|| group.next(100))
            .map(|(input, rows)| (input, rows.chunk.timestamps().to_vec()))
            .collect()
    }

    #[test]
    fn rows_are_taken_by_time_tables_first_and_in_runs() {
        let mut group =
            PartitionGroup::new(vec![Input::new(false, 0, 4, None), Input::new(true, 0, 3, None)]);
        group.push(0, rows(0, &[10, 20, 20, 40]), 4, 4);
        assert_eq!(drain(&mut group), [], "the table's records are known to exist");
        group.push(1, rows(0, &[20, 30, 50]), 3, 3);
        let expected = [
            (0, vec![10]),
            (1, vec![20]),
            (0, vec![20, 20]),
            (1, vec![30]),
            (0, vec![40]),
            (1, vec![50]),
        ];
        assert_eq!(drain(&mut group), expected);
        assert_eq!((group.inputs[0].position, group.inputs[1].position), (4, 3));
    }

    #[test]
    fn a_table_to_be_read_first_goes_before_older_streams_up_to_its_mark() {
        let mut group = PartitionGroup::new(vec![
            Input::new(false, 0, 2, None),
            Input::new(true, 0, 2, Some(2)),
        ]);
        group.push(0, rows(0, &[1, 2]), 2, 2);
        assert_eq!(drain(&mut group), []);
        group.push(1, rows(0, &[100, 101, 102]), 3, 3);
        let expected = [(1, vec![100, 101]), (0, vec![1, 2]), (1, vec![102])];
        assert_eq!(drain(&mut group), expected);
    }

    #[test]
    fn positions_follow_rows_and_pass_over_batches_without() {
        let mut group = PartitionGroup::new(vec![Input::new(false, 5, 5, None)]);
        group.push(0, rows(5, &[]), 9, 20);
        assert_eq!(group.inputs[0].position, 9);
        group.push(0, rows(9, &[1, 1, 1]), 15, 20);
        let (_, taken) = group.next(2).unwrap();
        assert_eq!((taken.chunk.len(), group.inputs[0].position), (2, 11));
        group.next(2).unwrap();
        assert_eq!(group.inputs[0].position, 15);
    }
}
