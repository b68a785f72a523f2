//! The property TIMESTAMP of a sink: its records' timestamps come from a column.

use streams::{Chunk, Operator, OperatorContext, OperatorError};

use crate::records::EventTime;

/// Gives rows the times of a column. A row without one is not written.
pub(crate) struct SinkTimestamp(pub(crate) EventTime);

impl Operator for SinkTimestamp {
    fn process(
        &mut self,
        _port: usize,
        chunk: Chunk,
        context: &mut OperatorContext<'_>,
    ) -> Result<(), OperatorError> {
        let (mut kept, mut times) = (Vec::new(), Vec::new());
        for row in 0..chunk.len() {
            let time = if chunk.is_deleted(row) {
                Ok(chunk.timestamps()[row])
            } else {
                self.0.millis(chunk.rows(), row)
            };
            match time {
                Ok(time) => {
                    kept.push(row);
                    times.push(time);
                }
                Err(message) => context.report(Some(chunk.origin().offsets[row]), message),
            }
        }
        context.forward(chunk.take(&kept)?.with_timestamps(times)?);
        Ok(())
    }
}
