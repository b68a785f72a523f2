//! The functions of the language: what they take, what they give, how they are found by name.

pub(crate) mod aggregate;
pub(crate) mod row;
pub(crate) mod scalar;
mod signature;

use crate::error::{SqlError, did_you_mean, near_names};
use crate::types::SqlType;

pub(crate) use signature::{Overload, ScalarFunction};

/// A scalar function with the overload that fits the arguments.
#[derive(Clone)]
pub(crate) struct Resolved {
    pub(crate) function: &'static ScalarFunction,
    pub(crate) overload: &'static Overload,
    /// What each argument is coerced to.
    pub(crate) parameters: Vec<SqlType>,
    pub(crate) returns: SqlType,
}

/// The function of that name.
pub(crate) fn scalar(name: &str) -> Option<&'static ScalarFunction> {
    scalar::all().find(|f| f.name == name || f.aliases.contains(&name))
}

/// Finds the overload for arguments of these types; `None` is the type of NULL.
pub(crate) fn resolve(name: &str, arguments: &[Option<SqlType>]) -> Result<Resolved, SqlError> {
    let Some(function) = scalar(name) else { return Err(unknown(name)) };
    for exact in [true, false] {
        for overload in function.overloads {
            if let Some((parameters, returns)) = overload.accept(arguments, exact) {
                return Ok(Resolved { function, overload, parameters, returns });
            }
        }
    }
    let given: Vec<String> = arguments
        .iter()
        .map(|t| t.as_ref().map_or_else(|| "null".to_owned(), ToString::to_string))
        .collect();
    let known: Vec<String> = function.overloads.iter().map(|o| format!("{name}({o})")).collect();
    Err(SqlError::statement(format!(
        "Function '{name}' does not accept parameters ({}). Valid alternatives are: {}",
        given.join(", "),
        known.join("; ")
    )))
}

fn unknown(name: &str) -> SqlError {
    let names = scalar::all().map(|f| f.name).chain(aggregate::NAMES.iter().copied());
    let hint = did_you_mean(&near_names(name, names));
    SqlError::statement(format!("Can't find any functions with the name '{name}'.{hint}"))
}
