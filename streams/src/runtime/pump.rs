//! The pump: one reader for all inputs of an application, each batch to its task.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::broker::{Fetched, Reader, TopicPartition};
use super::error::AppError;
use super::progress::Progress;
use crate::limits::BUFFERED_ROWS;

/// Longest wait for records: a paused partition may go on after it.
const POLL: Duration = Duration::from_millis(100);

/// Reads until a task is gone or the reader fails. The inboxes are unbounded, but a partition of
/// which [`BUFFERED_ROWS`] offsets wait there is paused.
pub(crate) async fn pump(
    mut reader: Box<dyn Reader>,
    inboxes: HashMap<TopicPartition, mpsc::UnboundedSender<Fetched>>,
    progress: Arc<Progress>,
) -> Result<(), AppError> {
    let mut fetched_to: BTreeMap<TopicPartition, i64> = BTreeMap::new();
    let mut paused: BTreeMap<TopicPartition, bool> = BTreeMap::new();
    loop {
        let positions = progress.all();
        for (partition, offset) in &fetched_to {
            let processed = positions.get(partition).map_or(*offset, |p| p.processed);
            let waiting = usize::try_from(offset - processed).unwrap_or(0);
            let is_paused = paused.entry(partition.clone()).or_insert(false);
            let wanted =
                if *is_paused { waiting > BUFFERED_ROWS / 2 } else { waiting > BUFFERED_ROWS };
            if wanted != *is_paused {
                reader.pause(std::slice::from_ref(partition), wanted);
                *is_paused = wanted;
            }
        }
        for batch in reader.poll(POLL).await? {
            fetched_to.insert(batch.partition.clone(), batch.next_offset);
            let Some(inbox) = inboxes.get(&batch.partition) else { continue };
            if inbox.send(batch).is_err() {
                reader.close().await;
                return Ok(());
            }
        }
    }
}
