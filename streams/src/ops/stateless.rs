//! A function over chunks as an operator: projections, renamings, changes of key.

use crate::chunk::Chunk;
use crate::operator::{Operator, OperatorContext, OperatorError};

/// Forwards what `function` makes of each chunk; an empty chunk goes nowhere.
pub struct Stateless<F>(pub F);

impl<F> Operator for Stateless<F>
where
    F: FnMut(Chunk, &mut OperatorContext<'_>) -> Result<Chunk, OperatorError> + Send,
{
    fn process(
        &mut self,
        _port: usize,
        chunk: Chunk,
        context: &mut OperatorContext<'_>,
    ) -> Result<(), OperatorError> {
        let chunk = (self.0)(chunk, context)?;
        context.forward(chunk);
        Ok(())
    }
}
