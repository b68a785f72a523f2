//! The end of a push query: chunks to whoever asked.

use tokio::sync::mpsc;

use crate::chunk::Chunk;
use crate::operator::{Operator, OperatorContext, OperatorError};

/// Sends chunks over a channel, and holds the task back while the channel is full. Once the
/// receiver is gone, chunks are dropped.
pub struct Channel(pub mpsc::Sender<Chunk>);

impl Operator for Channel {
    fn process(
        &mut self,
        _port: usize,
        chunk: Chunk,
        _context: &mut OperatorContext<'_>,
    ) -> Result<(), OperatorError> {
        let _receiver_gone = self.0.blocking_send(chunk);
        Ok(())
    }
}
