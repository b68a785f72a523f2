//! Ids of producers, which are never given twice.

use std::sync::Arc;

use protocol::ErrorCode;
use protocol::messages::AllocateProducerIdsRequest;
use thiserror::Error;
use tokio::sync::Mutex;

use super::ChannelError;
use crate::limits::CONTROLLER_PATIENCE;
use crate::services::Services;

/// Why there is no id.
#[derive(Debug, Error)]
pub(crate) enum NoProducerId {
    #[error(transparent)]
    Channel(#[from] ChannelError),
    #[error("the controller gave no ids: {0}")]
    Refused(ErrorCode),
}

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
    pub(crate) async fn next(&self, services: &Arc<Services>) -> Result<i64, NoProducerId> {
        let mut block = self.block.lock().await;
        if block.next == block.end {
            let broker_id = services.config.node_id;
            let broker_epoch = services.image().broker(broker_id).map_or(-1, |own| own.epoch);
            let request = AllocateProducerIdsRequest { broker_id, broker_epoch };
            let given = services.channel.send(services, &request, CONTROLLER_PATIENCE).await?;
            if given.error_code.is_error() {
                return Err(NoProducerId::Refused(given.error_code));
            }
            let next = given.producer_id_start;
            *block = Block { next, end: next + i64::from(given.producer_id_len) };
        }
        let id = block.next;
        block.next += 1;
        Ok(id)
    }
}
