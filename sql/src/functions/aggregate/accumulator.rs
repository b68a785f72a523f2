//! The state of one aggregate function in one group.

use std::cmp::Ordering;

use formats::{Decimal, Value};

use super::Kind;
use crate::types::SqlType;
use crate::values::{compare, read_value, same, write_value};

/// How many values a function keeps for a group at most.
pub(crate) const MAX_COLLECTED: usize = 1000;

/// What a function makes of a group's values. The state is a list of values, so that every
/// function is stored in the same way.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Accumulator {
    kind: Kind,
    /// The type of SUM's zero.
    ty: Option<SqlType>,
    /// `k` of TOPK, `n` of LATEST_BY_OFFSET.
    limit: usize,
    keeps_nulls: bool,
}

/// The state of a group.
pub(crate) type State = Vec<Value>;

impl Accumulator {
    pub(crate) fn new(kind: Kind, ty: Option<SqlType>, limit: usize) -> Self {
        Self { kind, ty, limit, keeps_nulls: false }
    }

    /// Whether LATEST_BY_OFFSET and its like take nulls too.
    pub(crate) fn keeping_nulls(self, keeps_nulls: bool) -> Self {
        Self { keeps_nulls, ..self }
    }

    /// A group without rows.
    pub(crate) fn init(&self) -> State {
        match self.kind {
            Kind::CountAll | Kind::Count => vec![Value::Int64(0)],
            Kind::Sum => vec![zero(self.ty.as_ref())],
            Kind::Avg => vec![Value::Float64(0.0), Value::Int64(0)],
            Kind::VarianceSample | Kind::StddevSample => {
                vec![Value::Int64(0), Value::Float64(0.0), Value::Float64(0.0)]
            }
            Kind::Min | Kind::Max => vec![Value::Null],
            Kind::CollectList
            | Kind::Latest
            | Kind::Earliest
            | Kind::CollectSet
            | Kind::TopK
            | Kind::TopKDistinct
            | Kind::Histogram => Vec::new(),
        }
    }

    pub(crate) fn add(&self, state: &mut State, value: Value) {
        if self.kind == Kind::CountAll {
            bump(&mut state[0], 1);
            return;
        }
        let collects = matches!(self.kind, Kind::CollectList | Kind::CollectSet);
        if value.is_null() && !collects && !self.keeps_nulls {
            return;
        }
        match self.kind {
            Kind::CountAll | Kind::Count => bump(&mut state[0], 1),
            Kind::Sum => state[0] = plus(&state[0], &value, 1),
            Kind::Avg => {
                state[0] = plus(&state[0], &value, 1);
                bump(&mut state[1], 1);
            }
            Kind::VarianceSample | Kind::StddevSample => deviate(state, &value, 1),
            Kind::Min => replace_if(state, value, Ordering::Less),
            Kind::Max => replace_if(state, value, Ordering::Greater),
            Kind::Latest => {
                state.push(value);
                if state.len() > self.limit.max(1) {
                    state.remove(0);
                }
            }
            Kind::Earliest => {
                if state.len() < self.limit.max(1) {
                    state.push(value);
                }
            }
            Kind::CollectList => {
                if state.len() < MAX_COLLECTED {
                    state.push(value);
                }
            }
            Kind::CollectSet => {
                if state.len() < MAX_COLLECTED && !state.iter().any(|known| same(known, &value)) {
                    state.push(value);
                }
            }
            Kind::TopK => self.rank(state, value),
            Kind::TopKDistinct => {
                if !state.iter().any(|known| same(known, &value)) {
                    self.rank(state, value);
                }
            }
            Kind::Histogram => count_text(state, value, 1),
        }
    }

    /// Subtracts a value that was added once. Only for kinds that can.
    pub(crate) fn remove(&self, state: &mut State, value: Value) {
        match self.kind {
            Kind::CountAll => bump(&mut state[0], -1),
            _ if value.is_null() && self.kind != Kind::CollectList => {}
            Kind::Count => bump(&mut state[0], -1),
            Kind::Sum => state[0] = plus(&state[0], &value, -1),
            Kind::Avg => {
                state[0] = plus(&state[0], &value, -1);
                bump(&mut state[1], -1);
            }
            Kind::VarianceSample | Kind::StddevSample => deviate(state, &value, -1),
            Kind::CollectList => {
                if let Some(at) = state.iter().position(|known| same(known, &value)) {
                    state.remove(at);
                }
            }
            Kind::Histogram => count_text(state, value, -1),
            _ => {}
        }
    }

    pub(crate) fn result(&self, state: &State) -> Value {
        match (self.kind, state.as_slice()) {
            (Kind::Avg, [Value::Float64(sum), Value::Int64(count)]) => {
                if *count == 0 {
                    Value::Null
                } else {
                    Value::Float64(sum / *count as f64)
                }
            }
            (
                kind @ (Kind::VarianceSample | Kind::StddevSample),
                [Value::Int64(n), Value::Float64(sum), Value::Float64(squares)],
            ) => {
                let count = *n as f64;
                let variance = ((squares - sum * sum / count) / (count - 1.0)).max(0.0);
                let rooted = kind == Kind::StddevSample;
                Value::Float64(match (*n, rooted) {
                    (..2, _) => 0.0,
                    (_, true) => variance.sqrt(),
                    (_, false) => variance,
                })
            }
            (Kind::CollectList | Kind::CollectSet | Kind::TopK | Kind::TopKDistinct, items) => {
                Value::Array(items.to_vec())
            }
            (Kind::Latest | Kind::Earliest, items) if self.limit > 0 => {
                Value::Array(items.to_vec())
            }
            (Kind::Histogram, entries) => Value::Map(entries.iter().filter_map(entry).collect()),
            (_, [value, ..]) => value.clone(),
            (_, []) => Value::Null,
        }
    }

    fn rank(&self, state: &mut State, value: Value) {
        let at = state
            .iter()
            .position(|known| compare(&value, known) == Some(Ordering::Greater))
            .unwrap_or(state.len());
        state.insert(at, value);
        state.truncate(self.limit);
    }
}

/// Appends a group's state.
pub(crate) fn write_state(state: &State, out: &mut Vec<u8>) {
    write_value(&Value::Struct(state.clone()), out);
}

/// Reads what [`write_state`] wrote and moves `bytes` behind it.
pub(crate) fn read_state(bytes: &mut &[u8]) -> Option<State> {
    match read_value(bytes)? {
        Value::Struct(state) => Some(state),
        _ => None,
    }
}

fn zero(ty: Option<&SqlType>) -> Value {
    match ty {
        Some(SqlType::Integer) => Value::Int32(0),
        Some(SqlType::Double) => Value::Float64(0.0),
        Some(SqlType::Decimal { scale, .. }) => {
            Value::Decimal(Decimal { unscaled: 0, scale: *scale })
        }
        _ => Value::Int64(0),
    }
}

fn bump(count: &mut Value, by: i64) {
    if let Value::Int64(n) = count {
        *n = n.wrapping_add(by);
    }
}

/// Integers wrap, as Java's do.
fn plus(sum: &Value, value: &Value, sign: i8) -> Value {
    let signed = i32::from(sign);
    match (sum, value) {
        (Value::Int32(a), Value::Int32(b)) => Value::Int32(a.wrapping_add(b.wrapping_mul(signed))),
        (Value::Int64(a), Value::Int64(b)) => {
            Value::Int64(a.wrapping_add(b.wrapping_mul(i64::from(sign))))
        }
        (Value::Float64(a), Value::Float64(b)) => Value::Float64(a + b * f64::from(sign)),
        (Value::Decimal(a), Value::Decimal(b)) => {
            let by = b.unscaled.wrapping_mul(i128::from(sign));
            Value::Decimal(Decimal { unscaled: a.unscaled.wrapping_add(by), ..*a })
        }
        _ => sum.clone(),
    }
}

fn replace_if(state: &mut State, value: Value, wanted: Ordering) {
    if state[0].is_null() || compare(&value, &state[0]) == Some(wanted) {
        state[0] = value;
    }
}

fn deviate(state: &mut State, value: &Value, sign: i8) {
    let Value::Float64(x) = value else { return };
    bump(&mut state[0], i64::from(sign));
    state[1] = plus(&state[1], value, sign);
    state[2] = plus(&state[2], &Value::Float64(x * x), sign);
}

fn entry(stored: &Value) -> Option<(Value, Value)> {
    match stored {
        Value::Struct(pair) => Some((pair.first()?.clone(), pair.get(1)?.clone())),
        _ => None,
    }
}

fn count_text(state: &mut State, value: Value, by: i64) {
    let found = state.iter().position(|e| entry(e).is_some_and(|(text, _)| same(&text, &value)));
    match found {
        Some(at) => {
            if let Value::Struct(pair) = &mut state[at] {
                bump(&mut pair[1], by);
            }
        }
        None if by > 0 && state.len() < MAX_COLLECTED => {
            state.push(Value::Struct(vec![value, Value::Int64(by)]));
        }
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(kind: Kind, ty: SqlType, values: &[Value]) -> Value {
        let accumulator = Accumulator::new(kind, Some(ty), 2);
        let mut state = accumulator.init();
        values.iter().for_each(|v| accumulator.add(&mut state, v.clone()));
        let mut bytes = Vec::new();
        write_state(&state, &mut bytes);
        let read = read_state(&mut bytes.as_slice()).unwrap();
        assert_eq!(read, state);
        accumulator.result(&read)
    }

    #[test]
    fn nulls_do_not_count() {
        let values = [Value::Int32(2), Value::Null, Value::Int32(5)];
        assert_eq!(result(Kind::Count, SqlType::Integer, &values), Value::Int64(2));
        assert_eq!(result(Kind::CountAll, SqlType::Integer, &values), Value::Int64(3));
        assert_eq!(result(Kind::Sum, SqlType::Integer, &values), Value::Int32(7));
        assert_eq!(result(Kind::Min, SqlType::Integer, &values), Value::Int32(2));
        assert_eq!(result(Kind::Max, SqlType::Integer, &values), Value::Int32(5));
        let doubles = [Value::Float64(2.0), Value::Null, Value::Float64(5.0)];
        assert_eq!(result(Kind::Avg, SqlType::Double, &doubles), Value::Float64(3.5));
    }

    #[test]
    fn groups_without_values_have_zero_or_null() {
        let nulls = [Value::Null];
        assert_eq!(result(Kind::Sum, SqlType::Bigint, &nulls), Value::Int64(0));
        assert_eq!(result(Kind::Avg, SqlType::Double, &nulls), Value::Null);
        assert_eq!(result(Kind::Min, SqlType::Bigint, &nulls), Value::Null);
    }

    #[test]
    fn integers_wrap_around() {
        let values = [Value::Int32(i32::MAX), Value::Int32(1)];
        assert_eq!(result(Kind::Sum, SqlType::Integer, &values), Value::Int32(i32::MIN));
    }

    #[test]
    fn what_was_added_can_be_subtracted() {
        for kind in [Kind::CountAll, Kind::Count, Kind::Sum, Kind::CollectList] {
            let accumulator = Accumulator::new(kind, Some(SqlType::Bigint), 0);
            let mut state = accumulator.init();
            accumulator.add(&mut state, Value::Int64(4));
            let before = accumulator.result(&state);
            accumulator.add(&mut state, Value::Int64(9));
            accumulator.remove(&mut state, Value::Int64(9));
            assert_eq!(accumulator.result(&state), before, "{kind:?}");
        }
    }

    #[test]
    fn the_greatest_are_kept_in_order() {
        let values = [1, 7, 3, 7].map(Value::Int32);
        let top = Value::Array(vec![Value::Int32(7), Value::Int32(7)]);
        assert_eq!(result(Kind::TopK, SqlType::Integer, &values), top);
        let distinct = Value::Array(vec![Value::Int32(7), Value::Int32(3)]);
        assert_eq!(result(Kind::TopKDistinct, SqlType::Integer, &values), distinct);
    }
}
