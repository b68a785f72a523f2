//! Event time from a column (the property TIMESTAMP).

use arrow::array::RecordBatch;
use formats::Value;
use javatext::pattern::Pattern;

use crate::catalog::source::Source;
use crate::error::SqlError;
use crate::values::value_at;

/// The column that holds event time, by its position in a source's rows.
#[derive(Clone, Debug)]
pub(crate) struct EventTime {
    position: usize,
    /// How a text says it.
    pattern: Option<Pattern>,
}

impl EventTime {
    /// None if the source takes the records' own timestamps.
    pub(super) fn of(source: &Source) -> Result<Option<Self>, SqlError> {
        let Some(timestamp) = &source.timestamp else { return Ok(None) };
        let bounds = if source.window.is_some() { 2 } else { 0 };
        let key = source.key.iter().position(|c| c.name == timestamp.column);
        let value = || source.value.iter().position(|c| c.name == timestamp.column);
        let position = key.or_else(|| value().map(|at| at + source.key.len() + bounds));
        let pattern = timestamp.format.as_deref().map(Pattern::new).transpose();
        let position = position.ok_or_else(|| {
            SqlError::statement(format!("there is no column {}", timestamp.column))
        })?;
        Ok(Some(Self { position, pattern: pattern.map_err(SqlError::statement)? }))
    }

    /// The time of a row, or why it has none.
    pub(crate) fn millis(&self, rows: &RecordBatch, row: usize) -> Result<i64, String> {
        let millis = match (value_at(rows.column(self.position), row), &self.pattern) {
            (Value::Int64(n) | Value::Timestamp(n), _) => n,
            (Value::String(text), Some(pattern)) => pattern.parse_timestamp(&text, 0)?,
            (other, _) => return Err(format!("no event time: its column is {}", other.kind())),
        };
        if millis < 0 {
            return Err(format!("no event time: the timestamp {millis} is negative"));
        }
        Ok(millis)
    }
}
