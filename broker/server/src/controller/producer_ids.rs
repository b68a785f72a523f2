//! Ids of producers, which are never given twice.

use broker_metadata::MetadataRecord;
use protocol::messages::ProducerIdsRecord;
use tokio::sync::Mutex;

use super::{CommitError, Controller};
use crate::limits::PRODUCER_ID_BLOCK;

/// Gives ids out of a block; the metadata log holds where the next block begins, so that after a
/// crash the rest of a block is skipped and not given again.
#[derive(Debug, Default)]
pub(crate) struct ProducerIds {
    /// An async mutex: held across the commit that takes a new block, so that one request takes it
    /// and the others wait for it.
    block: Mutex<Block>,
}

#[derive(Debug, Default)]
struct Block {
    next: i64,
    end: i64,
}

impl ProducerIds {
    pub(crate) async fn next(
        &self,
        controller: &Controller,
        node_id: i32,
    ) -> Result<i64, CommitError> {
        let mut block = self.block.lock().await;
        if block.next == block.end {
            let first = controller.commit(move |image| {
                let first = image.next_producer_id();
                let epoch = image.broker(node_id).map_or(-1, |broker| broker.epoch);
                let record = ProducerIdsRecord {
                    broker_id: node_id,
                    broker_epoch: epoch,
                    next_producer_id: first + PRODUCER_ID_BLOCK,
                };
                (vec![MetadataRecord::ProducerIds(record)], first)
            });
            let first = first.await?;
            *block = Block { next: first, end: first + PRODUCER_ID_BLOCK };
        }
        let id = block.next;
        block.next += 1;
        Ok(id)
    }
}
