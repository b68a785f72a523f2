//! WHERE and HAVING.

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use streams::OperatorError;
use streams::ops::Predicate;

use super::Evaluator;

/// A condition made of one expression. A row where it fails does not meet it.
pub(crate) struct Condition(pub(crate) Evaluator);

impl Predicate for Condition {
    fn evaluate(
        &mut self,
        rows: &RecordBatch,
        failed: &mut Vec<(usize, String)>,
    ) -> Result<BooleanArray, OperatorError> {
        let evaluated = self.0.evaluate(rows)?;
        failed.extend(evaluated.failures);
        match evaluated.columns.first().and_then(|c| c.as_boolean_opt()) {
            Some(values) => Ok(values.clone()),
            None => Err(OperatorError::Failed("a condition is not a BOOLEAN".to_owned())),
        }
    }
}
