//! Expressions: names looked up, types checked, and the result as an expression of DataFusion.
//!
//! ksqlDB's rules and not SQL's: a comparison with null is false; a row whose arithmetic,
//! function or cast fails gives null and goes to the processing log; numbers widen INT -> BIGINT
//! -> DECIMAL -> DOUBLE and wrap on overflow as Java's do.

use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::Case;
use datafusion::logical_expr::{Expr, Operator, binary_expr, lit};

use super::arithmetic;
use super::coerce::{self, coerce};
use super::compare;
use super::render::shown;
use super::scope::Scope;
use super::structure;
use crate::catalog::Catalog;
use crate::error::{ErrorKind, SqlError};
use crate::functions;
use crate::functions::aggregate;
use crate::functions::row::{RowFunction, Work};
use crate::parser::ast::{self, ExprKind, Ident, Literal, TypeName};
use crate::types::SqlType;

type Result<T> = std::result::Result<T, SqlError>;

/// An expression of DataFusion with its type here; NULL alone has none.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Typed {
    pub(crate) expr: Expr,
    pub(crate) ty: Option<SqlType>,
}

impl Typed {
    pub(crate) fn new(expr: Expr, ty: SqlType) -> Self {
        Self { expr, ty: Some(ty) }
    }

    /// The type's name for messages.
    pub(crate) fn type_name(&self) -> String {
        self.ty.as_ref().map_or_else(|| "null".to_owned(), ToString::to_string)
    }
}

/// A column of the rows by its name there.
pub(crate) fn column(physical: &str) -> Expr {
    Expr::Column(datafusion::common::Column::new_unqualified(physical))
}

/// Stands in for whole expressions: what GROUP BY and aggregates leave of them.
pub(crate) trait Substitute {
    /// The expression's replacement, or `None` to go on into its parts.
    fn substitute(&self, expr: &ast::Expr) -> Result<Option<Typed>>;
}

/// Turns the parser's expressions into DataFusion's, over the columns of a scope.
#[derive(Clone, Copy)]
pub(crate) struct Lowerer<'a> {
    pub(crate) scope: &'a Scope,
    pub(crate) catalog: &'a Catalog,
    pub(crate) substitute: Option<&'a dyn Substitute>,
}

impl<'a> Lowerer<'a> {
    pub(crate) fn new(scope: &'a Scope, catalog: &'a Catalog) -> Self {
        Self { scope, catalog, substitute: None }
    }

    /// The expression with its type; an error points at the part that is wrong.
    pub(crate) fn lower(&self, expr: &ast::Expr) -> Result<Typed> {
        if let Some(substitute) = self.substitute
            && let Some(found) = substitute.substitute(expr)?
        {
            return Ok(found);
        }
        self.lower_kind(expr).map_err(|e| e.at(expr.span))
    }

    /// A condition: it must be a BOOLEAN.
    pub(crate) fn condition(&self, clause: &str, expr: &ast::Expr) -> Result<Expr> {
        let typed = self.lower(expr).map_err(|mut e| {
            if e.kind == ErrorKind::Statement {
                e.message = format!("Error in {clause} expression: {}", e.message);
            }
            e
        })?;
        match typed.ty {
            Some(SqlType::Boolean) => Ok(typed.expr),
            _ => {
                let message = format!(
                    "Type error in {clause} expression: Should evaluate to boolean but is {} ({}) \
                     instead.",
                    shown(expr),
                    typed.type_name()
                );
                Err(SqlError::statement(message).at(expr.span))
            }
        }
    }

    fn lower_kind(&self, expr: &ast::Expr) -> Result<Typed> {
        match &expr.kind {
            ExprKind::Column { source, name } => {
                let found = self.scope.resolve(source.as_ref(), name)?;
                Ok(Typed::new(column(&found.physical), found.ty.clone()))
            }
            ExprKind::Literal(literal) => literal_value(literal),
            ExprKind::Negate(inner) => arithmetic::negate(self.lower(inner)?),
            ExprKind::Not(inner) => {
                let inner = self.boolean(inner, "NOT")?;
                Ok(Typed::new(Expr::Not(Box::new(inner)), SqlType::Boolean))
            }
            ExprKind::And(l, r) => self.logical(l, Operator::And, r, "AND"),
            ExprKind::Or(l, r) => self.logical(l, Operator::Or, r, "OR"),
            ExprKind::Arithmetic { op, left, right } => {
                arithmetic::arithmetic(*op, self.lower(left)?, self.lower(right)?)
            }
            ExprKind::Compare { op, left, right } => compare::compare(self, *op, left, right),
            ExprKind::Between { value, low, high, negated } => {
                compare::between(self, value, (low, high), *negated)
            }
            ExprKind::In { value, list, negated } => compare::is_in(self, value, list, *negated),
            ExprKind::Like { value, pattern, escape, negated } => {
                compare::like(self, value, pattern, *escape, *negated)
            }
            ExprKind::IsNull { value, negated } => {
                let value = Box::new(self.lower(value)?.expr);
                let test = if *negated { Expr::IsNotNull(value) } else { Expr::IsNull(value) };
                Ok(Typed::new(test, SqlType::Boolean))
            }
            ExprKind::Case { operand, whens, otherwise } => {
                self.case(operand.as_deref(), whens, otherwise.as_deref())
            }
            ExprKind::Cast { value, target } => {
                let target = self.resolve_type(target)?;
                coerce::cast(self.lower(value)?, &target)
            }
            ExprKind::Call { name, arguments, star } => self.call(name, arguments, *star),
            ExprKind::Lambda { .. } => {
                Err(SqlError::unsupported("Lambda functions are not supported"))
            }
            ExprKind::Subscript { base, index } => {
                structure::subscript(self.lower(base)?, self.lower(index)?)
            }
            ExprKind::Field { base, name } => structure::field(self.lower(base)?, base, &name.name),
            ExprKind::Array(items) => structure::array(self, items),
            ExprKind::Map(entries) => structure::map(self, entries),
            ExprKind::Struct(members) => structure::structure(self, members),
        }
    }

    fn boolean(&self, expr: &ast::Expr, operator: &str) -> Result<Expr> {
        let typed = self.lower(expr)?;
        match typed.ty {
            Some(SqlType::Boolean) => Ok(typed.expr),
            _ => {
                let message = format!(
                    "{operator} takes a BOOLEAN, but {} is of type {}",
                    shown(expr),
                    typed.type_name()
                );
                Err(SqlError::statement(message).at(expr.span))
            }
        }
    }

    fn logical(&self, l: &ast::Expr, op: Operator, r: &ast::Expr, word: &str) -> Result<Typed> {
        let (left, right) = (self.boolean(l, word)?, self.boolean(r, word)?);
        Ok(Typed::new(binary_expr(left, op, right), SqlType::Boolean))
    }

    fn case(
        &self,
        operand: Option<&ast::Expr>,
        whens: &[(ast::Expr, ast::Expr)],
        otherwise: Option<&ast::Expr>,
    ) -> Result<Typed> {
        let mut conditions = Vec::with_capacity(whens.len());
        let mut results = Vec::with_capacity(whens.len() + 1);
        for (when, then) in whens {
            conditions.push(match operand {
                Some(operand) => {
                    compare::compare(self, ast::Comparison::Equal, operand, when)?.expr
                }
                None => self.boolean(when, "WHEN")?,
            });
            results.push(self.lower(then)?);
        }
        if let Some(otherwise) = otherwise {
            results.push(self.lower(otherwise)?);
        }
        let Some(ty) = coerce::common_type(&results)? else {
            return Err(SqlError::statement(
                "Invalid Case expression. Type for all 'THEN' clauses should be the same.",
            ));
        };
        let mut results =
            results.into_iter().map(|r| coerce(r, &ty)).collect::<Result<Vec<Expr>>>()?;
        let otherwise = match otherwise {
            Some(_) => results.pop().map(Box::new),
            None => None,
        };
        let pairs = conditions.into_iter().zip(results);
        let pairs = pairs.map(|(when, then)| (Box::new(when), Box::new(then))).collect();
        Ok(Typed::new(Expr::Case(Case::new(None, pairs, otherwise)), ty))
    }

    fn call(&self, name: &Ident, arguments: &[ast::Expr], star: bool) -> Result<Typed> {
        if aggregate::is_aggregate(&name.name) {
            let message = format!(
                "{} is an aggregate function: it can stand in SELECT and HAVING of a query with \
                 GROUP BY only",
                name.name
            );
            return Err(SqlError::statement(message).at(name.span));
        }
        if star {
            return Err(SqlError::statement(format!("{}(*) has no meaning", name.name)));
        }
        if let Some(lambda) = arguments.iter().find(|a| matches!(a.kind, ExprKind::Lambda { .. })) {
            let message = "Lambda functions are not supported";
            return Err(SqlError::unsupported(message).at(lambda.span));
        }
        let typed =
            arguments.iter().enumerate().map(|(i, argument)| match time_unit(name, i, argument) {
                Some(unit) => Ok(Typed::new(lit(unit), SqlType::String)),
                None => self.lower(argument),
            });
        let typed = typed.collect::<Result<Vec<Typed>>>()?;
        let types: Vec<Option<SqlType>> = typed.iter().map(|t| t.ty.clone()).collect();
        let resolved = functions::resolve(&name.name, &types).map_err(|e| e.at(name.span))?;
        let mut exprs = Vec::with_capacity(typed.len());
        for (typed, parameter) in typed.into_iter().zip(&resolved.parameters) {
            exprs.push(coerce(typed, parameter)?);
        }
        let overload = resolved.overload;
        let work = Work::Rows {
            call: std::sync::Arc::new(overload.call),
            takes_nulls: overload.takes_nulls,
        };
        let function = RowFunction::new(resolved.function.name, resolved.returns.clone(), work);
        let varies =
            matches!(resolved.function.name, "UUID" | "RANDOM" | "UNIX_TIMESTAMP" | "UNIX_DATE");
        let function = if varies { function } else { function.immutable() };
        Ok(Typed::new(function.call(exprs), resolved.returns))
    }

    /// A type with the names made by CREATE TYPE resolved.
    pub(crate) fn resolve_type(&self, ty: &TypeName) -> Result<SqlType> {
        resolve_type(ty, self.catalog)
    }
}

/// A type with the names made by CREATE TYPE resolved.
pub(crate) fn resolve_type(ty: &TypeName, catalog: &Catalog) -> Result<SqlType> {
    Ok(match ty {
        TypeName::Known(ty) => ty.clone(),
        TypeName::Custom(name) => {
            let found = catalog.custom_type(&name.name).cloned();
            found.ok_or_else(|| {
                let message = format!("Cannot resolve unknown type: {}", name.name);
                SqlError::statement(message).at(name.span)
            })?
        }
        TypeName::Array(item) => SqlType::Array(Box::new(resolve_type(item, catalog)?)),
        TypeName::Map(key, value) => SqlType::Map(
            Box::new(resolve_type(key, catalog)?),
            Box::new(resolve_type(value, catalog)?),
        ),
        TypeName::Struct(fields) => SqlType::Struct(
            fields
                .iter()
                .map(|(name, ty)| Ok((name.name.clone(), resolve_type(ty, catalog)?)))
                .collect::<Result<_>>()?,
        ),
    })
}

/// The unit of time that stands as a bare word before a date function's other arguments.
fn time_unit(function: &Ident, position: usize, argument: &ast::Expr) -> Option<String> {
    const FUNCTIONS: [&str; 6] =
        ["DATEADD", "DATESUB", "TIMEADD", "TIMESUB", "TIMESTAMPADD", "TIMESTAMPSUB"];
    const UNITS: [&str; 11] = [
        "MILLISECONDS",
        "SECONDS",
        "MINUTES",
        "HOURS",
        "HALF_DAYS",
        "DAYS",
        "WEEKS",
        "MONTHS",
        "YEARS",
        "DECADES",
        "CENTURIES",
    ];
    let ExprKind::Column { source: None, name } = &argument.kind else { return None };
    let unit = position == 0
        && FUNCTIONS.contains(&function.name.as_str())
        && UNITS.contains(&name.name.as_str());
    unit.then(|| name.name.clone())
}

fn literal_value(literal: &Literal) -> Result<Typed> {
    Ok(match literal {
        Literal::Null => Typed { expr: lit(ScalarValue::Null), ty: None },
        Literal::Boolean(b) => Typed::new(lit(*b), SqlType::Boolean),
        Literal::Integer(n) => Typed::new(lit(*n), SqlType::Integer),
        Literal::Bigint(n) => Typed::new(lit(*n), SqlType::Bigint),
        Literal::Double(n) => Typed::new(lit(*n), SqlType::Double),
        Literal::Text(text) => Typed::new(lit(text.clone()), SqlType::String),
        Literal::Decimal(digits) => {
            let decimal = formats::Decimal::parse(digits)
                .ok_or_else(|| SqlError::statement(format!("{digits} has more than 38 digits")))?;
            let digits = decimal.unscaled.unsigned_abs().to_string().len();
            let precision = u8::try_from(digits).unwrap_or(38).max(decimal.scale).max(1);
            let ty = SqlType::decimal(precision, decimal.scale);
            let scale = i8::try_from(decimal.scale).unwrap_or(i8::MAX);
            let value = ScalarValue::Decimal128(Some(decimal.unscaled), precision, scale);
            Typed::new(lit(value), ty)
        }
    })
}
