//! The pump: one reader for all inputs of an application, each batch to its task.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::broker::{Fetched, Reader, TopicPartition};
use super::error::AppError;
use super::progress::Progress;
use crate::limits::{BUFFERED_BYTES, BUFFERED_ROWS};
use crate::record::InputRecord;

/// Longest wait for records: a paused partition may go on after it.
const POLL: Duration = Duration::from_millis(100);

/// What a partition's task has been given and has not processed.
#[derive(Default)]
struct Waiting {
    /// The offset behind each batch, and its bytes.
    batches: VecDeque<(i64, usize)>,
    bytes: usize,
    fetched_to: i64,
    is_paused: bool,
}

impl Waiting {
    fn push(&mut self, batch: &Fetched) {
        let bytes = batch.records.iter().map(size).sum();
        self.batches.push_back((batch.next_offset, bytes));
        self.bytes += bytes;
        self.fetched_to = batch.next_offset;
    }

    /// Forgets what is processed; whether fetching is to pause, or to stay so.
    fn is_enough(&mut self, processed: i64) -> bool {
        while let Some((_, bytes)) = self.batches.pop_front_if(|(next, _)| *next <= processed) {
            self.bytes -= bytes;
        }
        let rows = usize::try_from(self.fetched_to - processed).unwrap_or(0);
        let share = if self.is_paused { 2 } else { 1 };
        rows > BUFFERED_ROWS / share || self.bytes > BUFFERED_BYTES / share
    }
}

fn size(record: &InputRecord) -> usize {
    let size = |bytes: &Option<bytes::Bytes>| bytes.as_ref().map_or(0, bytes::Bytes::len);
    size(&record.key) + size(&record.value)
}

/// Reads until a task is gone or the reader fails. The inboxes are unbounded, but a partition of
/// which [`BUFFERED_ROWS`] offsets or [`BUFFERED_BYTES`] wait there is paused.
pub(crate) async fn pump(
    mut reader: Box<dyn Reader>,
    inboxes: HashMap<TopicPartition, mpsc::UnboundedSender<Fetched>>,
    progress: Arc<Progress>,
) -> Result<(), AppError> {
    let mut waiting: BTreeMap<TopicPartition, Waiting> = BTreeMap::new();
    loop {
        let positions = progress.all();
        for (partition, waiting) in &mut waiting {
            let known = positions.get(partition).map(|position| position.processed);
            let enough = waiting.is_enough(known.unwrap_or(waiting.fetched_to));
            if enough != waiting.is_paused {
                reader.pause(std::slice::from_ref(partition), enough);
                waiting.is_paused = enough;
            }
        }
        for batch in reader.poll(POLL).await? {
            let Some(inbox) = inboxes.get(&batch.partition) else { continue };
            waiting.entry(batch.partition.clone()).or_default().push(&batch);
            if inbox.send(batch).is_err() {
                reader.close().await;
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fetching_pauses_at_rows_or_bytes_and_goes_on_at_half_of_them() {
        let mut waiting = Waiting::default();
        let fetch = |waiting: &mut Waiting, next_offset, bytes: usize| {
            let value = Some(vec![0; bytes].into());
            let records = vec![InputRecord { value, ..InputRecord::default() }];
            let partition = TopicPartition::new("t", 0);
            waiting.push(&Fetched { partition, records, next_offset, end_offset: next_offset });
        };
        let quarter = BUFFERED_BYTES / 4;
        for next_offset in 1..=4 {
            fetch(&mut waiting, next_offset, quarter);
            assert!(!waiting.is_enough(0), "{next_offset}");
        }
        fetch(&mut waiting, 5, 1);
        waiting.is_paused = waiting.is_enough(0);
        assert!(waiting.is_paused, "by bytes");
        assert!(waiting.is_enough(2), "more than half is left");
        waiting.is_paused = waiting.is_enough(3);
        assert!(!waiting.is_paused);

        fetch(&mut waiting, 5 + BUFFERED_ROWS as i64, 0);
        assert!(!waiting.is_enough(5) && waiting.is_enough(4), "by rows");
    }
}
