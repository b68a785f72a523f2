//! The end of a push query: its rows go to whoever asked.

use streams::{Chunk, Operator, OperatorContext, OperatorError};
use tokio::sync::mpsc;

/// Sends each chunk on. A reader that is slow slows the query down; once it is gone, which ends
/// the query, chunks go nowhere.
pub(crate) struct Tap(pub(crate) mpsc::Sender<Chunk>);

impl Operator for Tap {
    fn process(
        &mut self,
        _port: usize,
        chunk: Chunk,
        _context: &mut OperatorContext<'_>,
    ) -> Result<(), OperatorError> {
        let _gone = self.0.blocking_send(chunk);
        Ok(())
    }
}
