//! Parameter types with type variables, and matching arguments against them.

use std::fmt;

use formats::Value;

use crate::types::SqlType;

/// A scalar function: its names and its overloads, the preferred ones first.
pub(crate) struct ScalarFunction {
    pub(crate) name: &'static str,
    pub(crate) aliases: &'static [&'static str],
    pub(crate) description: &'static str,
    pub(crate) overloads: &'static [Overload],
}

/// How values become a value. An error makes the result null and is logged.
pub(crate) type Call = fn(&[Value]) -> Result<Value, String>;

pub(crate) struct Overload {
    pub(crate) parameters: &'static [Param],
    /// The last parameter may repeat, or be left out.
    pub(crate) variadic: bool,
    pub(crate) returns: Returns,
    /// False: any null argument makes the result null without a call.
    pub(crate) takes_nulls: bool,
    pub(crate) call: Call,
}

/// A function of one name.
pub(super) const fn function(
    name: &'static str,
    description: &'static str,
    overloads: &'static [Overload],
) -> ScalarFunction {
    ScalarFunction { name, aliases: &[], description, overloads }
}

/// An overload that is null where an argument is.
pub(super) const fn of(parameters: &'static [Param], returns: Returns, call: Call) -> Overload {
    Overload { parameters, variadic: false, returns, takes_nulls: false, call }
}

/// An overload that is called with nulls, too.
pub(super) const fn lenient(
    parameters: &'static [Param],
    returns: Returns,
    call: Call,
) -> Overload {
    Overload { parameters, variadic: false, returns, takes_nulls: true, call }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Param {
    Integer,
    Bigint,
    Double,
    /// A DECIMAL of any precision.
    Decimal,
    String,
    Bytes,
    Date,
    Time,
    Timestamp,
    /// A type variable: the same type at each place, up to widening of numbers.
    A,
    ArrayOfA,
    ArrayOfString,
    MapOfStringA,
}

#[derive(Clone, Copy)]
pub(crate) enum Returns {
    Is(&'static SqlType),
    /// What the variable `A` stands for.
    A,
    ArrayOfA,
    /// The type of the first argument.
    First,
    Custom(fn(&[SqlType]) -> SqlType),
}

impl Overload {
    /// The types that the arguments are coerced to and the type of the result, or `None`.
    pub(super) fn accept(
        &self,
        arguments: &[Option<SqlType>],
        exact: bool,
    ) -> Option<(Vec<SqlType>, SqlType)> {
        let fixed = self.parameters.len();
        let count_fits = if self.variadic {
            arguments.len() + 1 >= fixed.max(1)
        } else {
            arguments.len() == fixed
        };
        if !count_fits {
            return None;
        }
        let parameter = |i: usize| self.parameters[i.min(fixed - 1)];
        let mut variable: Option<SqlType> = None;
        for (i, argument) in arguments.iter().enumerate() {
            let Some(found) = variable_in(parameter(i), argument.as_ref()) else { continue };
            variable = match variable {
                None => Some(found),
                Some(known) => Some(known.common(&found)?),
            };
        }
        let variable = variable.unwrap_or(SqlType::String);
        let mut types = Vec::with_capacity(arguments.len());
        for (i, argument) in arguments.iter().enumerate() {
            types.push(coerced(parameter(i), argument.as_ref(), &variable, exact)?);
        }
        let returns = match self.returns {
            Returns::Is(ty) => ty.clone(),
            Returns::A => variable,
            Returns::ArrayOfA => SqlType::Array(Box::new(variable)),
            Returns::First => types.first()?.clone(),
            Returns::Custom(of) => of(&types),
        };
        Some((types, returns))
    }
}

/// What an argument says about the variable `A`.
fn variable_in(parameter: Param, argument: Option<&SqlType>) -> Option<SqlType> {
    match (parameter, argument?) {
        (Param::A, ty) => Some(ty.clone()),
        (Param::ArrayOfA, SqlType::Array(item)) => Some((**item).clone()),
        (Param::MapOfStringA, SqlType::Map(_, value)) => Some((**value).clone()),
        _ => None,
    }
}

fn coerced(
    parameter: Param,
    argument: Option<&SqlType>,
    variable: &SqlType,
    exact: bool,
) -> Option<SqlType> {
    let string = || Box::new(SqlType::String);
    let target = match parameter {
        Param::Integer => SqlType::Integer,
        Param::Bigint => SqlType::Bigint,
        Param::Double => SqlType::Double,
        Param::String => SqlType::String,
        Param::Bytes => SqlType::Bytes,
        Param::Date => SqlType::Date,
        Param::Time => SqlType::Time,
        Param::Timestamp => SqlType::Timestamp,
        Param::Decimal => {
            let ty = argument.cloned().unwrap_or(SqlType::Decimal { precision: 38, scale: 0 });
            if exact && !matches!(ty, SqlType::Decimal { .. }) {
                return None;
            }
            let (precision, scale) = ty.as_decimal()?;
            SqlType::Decimal { precision, scale }
        }
        Param::A => variable.clone(),
        Param::ArrayOfA => SqlType::Array(Box::new(variable.clone())),
        Param::ArrayOfString => SqlType::Array(string()),
        Param::MapOfStringA => SqlType::Map(string(), Box::new(variable.clone())),
    };
    let fits = match argument {
        None => true,
        Some(ty) if exact => *ty == target,
        Some(ty) => ty.widens_to(&target),
    };
    fits.then_some(target)
}

impl fmt::Display for Param {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Integer => "INT",
            Self::Bigint => "BIGINT",
            Self::Double => "DOUBLE",
            Self::Decimal => "DECIMAL",
            Self::String => "VARCHAR",
            Self::Bytes => "BYTES",
            Self::Date => "DATE",
            Self::Time => "TIME",
            Self::Timestamp => "TIMESTAMP",
            Self::A => "A",
            Self::ArrayOfA => "ARRAY<A>",
            Self::ArrayOfString => "ARRAY<VARCHAR>",
            Self::MapOfStringA => "MAP<VARCHAR, A>",
        })
    }
}

impl fmt::Display for Overload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, parameter) in self.parameters.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{parameter}")?;
        }
        f.write_str(if self.variadic { "..." } else { "" })
    }
}
