//! COUNT, SUM and the others, over the groups of a task.

use arrow::array::{ArrayRef, RecordBatch};
use formats::{Column, Schema, Value};
use streams::OperatorError;
use streams::ops::Aggregator;

use super::Evaluator;
use crate::functions::aggregate::{Accumulator, State, read_state, write_state};
use crate::plan::logical::AggregateCall;
use crate::values::value_at;

/// The aggregate functions of one query. A group's state is a state for each of them.
pub(crate) struct GroupAggregator {
    arguments: Evaluator,
    /// For each call the position of its argument; none for COUNT(*).
    positions: Vec<Option<usize>>,
    accumulators: Vec<Accumulator>,
    results: Vec<Column>,
    columns: Vec<ArrayRef>,
}

impl GroupAggregator {
    /// `arguments` evaluates those of `calls` that have one, in their order.
    pub(crate) fn new(calls: &[AggregateCall], arguments: Evaluator) -> Self {
        let mut next = 0;
        let positions = calls.iter().map(|call| {
            call.argument.as_ref().map(|_| {
                next += 1;
                next - 1
            })
        });
        let accumulator = |call: &AggregateCall| {
            let ty = call.argument.as_ref().map(|(_, ty)| ty.clone());
            Accumulator::new(call.kind, ty, call.limit).keeping_nulls(call.keeps_nulls)
        };
        Self {
            arguments,
            positions: positions.collect(),
            accumulators: calls.iter().map(accumulator).collect(),
            results: calls
                .iter()
                .map(|call| Column::new(&Schema::optional(call.column.ty.typed())))
                .collect(),
            columns: Vec::new(),
        }
    }

    fn value(&self, call: usize, row: usize) -> Value {
        self.positions[call].map_or(Value::Null, |at| value_at(&self.columns[at], row))
    }
}

impl Aggregator for GroupAggregator {
    type State = Vec<State>;

    fn begin(
        &mut self,
        rows: &RecordBatch,
        failed: &mut Vec<(usize, String)>,
    ) -> Result<(), OperatorError> {
        let evaluated = self.arguments.evaluate(rows)?;
        self.columns = evaluated.columns;
        failed.extend(evaluated.failures);
        Ok(())
    }

    fn init(&self) -> Result<Self::State, OperatorError> {
        Ok(self.accumulators.iter().map(Accumulator::init).collect())
    }

    fn add(&mut self, state: &mut Self::State, row: usize) -> Result<(), OperatorError> {
        for (call, state) in state.iter_mut().enumerate() {
            let value = self.value(call, row);
            self.accumulators[call].add(state, value);
        }
        Ok(())
    }

    fn remove(&mut self, state: &mut Self::State, row: usize) -> Result<(), OperatorError> {
        for (call, state) in state.iter_mut().enumerate() {
            let value = self.value(call, row);
            self.accumulators[call].remove(state, value);
        }
        Ok(())
    }

    fn emit(&mut self, state: &Self::State) -> Result<(), OperatorError> {
        for ((column, accumulator), state) in
            self.results.iter_mut().zip(&self.accumulators).zip(state)
        {
            let rows = column.len();
            if column.push_value(&accumulator.result(state)).is_err() {
                column.truncate(rows);
                column.push_null();
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<Vec<ArrayRef>, OperatorError> {
        Ok(self.results.iter_mut().map(Column::finish).collect())
    }

    fn write(&self, state: &Self::State, out: &mut Vec<u8>) -> Result<(), OperatorError> {
        state.iter().for_each(|state| write_state(state, out));
        Ok(())
    }

    fn read(&self, mut bytes: &[u8]) -> Result<Self::State, OperatorError> {
        let damaged = || OperatorError::Failed("the state of an aggregate is damaged".to_owned());
        self.accumulators.iter().map(|_| read_state(&mut bytes).ok_or_else(damaged)).collect()
    }
}
