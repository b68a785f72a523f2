//! Aggregate functions: types, and groups' states that can be added to, some subtracted from.

mod accumulator;

use crate::error::SqlError;
use crate::types::SqlType;

pub(crate) use accumulator::{Accumulator, MAX_COLLECTED, State, read_state, write_state};

/// An aggregate function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    CountAll,
    Count,
    Sum,
    Avg,
    Min,
    Max,
    CollectList,
    CollectSet,
    Latest,
    Earliest,
    TopK,
    TopKDistinct,
    Histogram,
    /// As ksqlDB has it: without the root.
    VarianceSample,
    StddevSample,
}

/// Name, kind and description of each aggregate function.
const FUNCTIONS: [(&str, Kind, &str); 14] = [
    ("COUNT", Kind::Count, "The number of rows, or of values that are not null"),
    ("SUM", Kind::Sum, "The sum of the values"),
    ("AVG", Kind::Avg, "The mean of the values"),
    ("MIN", Kind::Min, "The least value"),
    ("MAX", Kind::Max, "The greatest value"),
    ("COLLECT_LIST", Kind::CollectList, "The values as an array, at most 1000"),
    ("COLLECT_SET", Kind::CollectSet, "The different values as an array, at most 1000"),
    ("LATEST_BY_OFFSET", Kind::Latest, "The value that came last and is not null"),
    ("EARLIEST_BY_OFFSET", Kind::Earliest, "The value that came first and is not null"),
    ("TOPK", Kind::TopK, "The k greatest values"),
    ("TOPKDISTINCT", Kind::TopKDistinct, "The k greatest different values"),
    ("HISTOGRAM", Kind::Histogram, "How often each text came, at most 1000 of them"),
    ("STDDEV_SAMP", Kind::VarianceSample, "The variance of the sample, as ksqlDB gives it"),
    ("STDDEV_SAMPLE", Kind::StddevSample, "The standard deviation of the sample"),
];

pub(crate) const NAMES: [&str; FUNCTIONS.len()] = {
    let mut names = [""; FUNCTIONS.len()];
    let mut i = 0;
    while i < FUNCTIONS.len() {
        names[i] = FUNCTIONS[i].0;
        i += 1;
    }
    names
};

pub(crate) fn is_aggregate(name: &str) -> bool {
    NAMES.contains(&name)
}

/// Names and descriptions, for SHOW FUNCTIONS and DESCRIBE FUNCTION.
pub(crate) fn described() -> impl Iterator<Item = (&'static str, &'static str)> {
    FUNCTIONS.iter().map(|(name, _, description)| (*name, *description))
}

/// A function with the types that its arguments give it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Resolved {
    pub(crate) kind: Kind,
    /// What the values are coerced to; none for COUNT(*).
    pub(crate) argument: Option<SqlType>,
    pub(crate) returns: SqlType,
}

impl Kind {
    /// Whether a row can be subtracted again: needed over a table.
    pub(crate) fn can_undo(self) -> bool {
        matches!(
            self,
            Self::CountAll
                | Self::Count
                | Self::Sum
                | Self::Avg
                | Self::CollectList
                | Self::Histogram
                | Self::VarianceSample
                | Self::StddevSample
        )
    }

    /// Whether a second, constant argument says how many.
    pub(crate) fn takes_limit(self) -> bool {
        matches!(self, Self::TopK | Self::TopKDistinct)
    }
}

/// The function for an argument of that type.
pub(crate) fn resolve(name: &str, argument: Option<&SqlType>) -> Result<Resolved, SqlError> {
    let kind = FUNCTIONS.iter().find(|(known, ..)| *known == name).map(|(_, kind, _)| *kind);
    let kind = kind.ok_or_else(|| {
        SqlError::statement(format!("Can't find any aggregate functions with the name '{name}'"))
    })?;
    let Some(ty) = argument else {
        if kind == Kind::Count {
            let returns = SqlType::Bigint;
            return Ok(Resolved { kind: Kind::CountAll, argument: None, returns });
        }
        let message = format!("Function '{name}' does not accept parameters ()");
        return Err(SqlError::statement(message));
    };
    let refused =
        || SqlError::statement(format!("Function '{name}' does not accept parameters ({ty})"));
    let nested = matches!(ty, SqlType::Array(_) | SqlType::Map(..) | SqlType::Struct(_));
    let list = || SqlType::Array(Box::new(ty.clone()));
    let (argument, returns) = match kind {
        Kind::CountAll | Kind::Count => (ty.clone(), SqlType::Bigint),
        Kind::Sum if ty.is_numeric() => (ty.clone(), ty.clone()),
        Kind::Avg | Kind::VarianceSample | Kind::StddevSample if ty.is_numeric() => {
            (SqlType::Double, SqlType::Double)
        }
        Kind::Min | Kind::Max if !nested && *ty != SqlType::Boolean => (ty.clone(), ty.clone()),
        Kind::TopK | Kind::TopKDistinct if !nested && *ty != SqlType::Boolean => {
            (ty.clone(), list())
        }
        Kind::CollectList | Kind::CollectSet => (ty.clone(), list()),
        Kind::Latest | Kind::Earliest => (ty.clone(), ty.clone()),
        Kind::Histogram if *ty == SqlType::String => {
            let counts = SqlType::Map(Box::new(SqlType::String), Box::new(SqlType::Bigint));
            (ty.clone(), counts)
        }
        _ => return Err(refused()),
    };
    Ok(Resolved { kind, argument: Some(argument), returns })
}
