//! GROUP BY in a pull query: DataFusion's aggregate functions over the table's rows.

use std::cell::RefCell;

use datafusion::dataframe::DataFrame;
use datafusion::functions_aggregate::expr_fn::{avg, count, max, min, sum};
use datafusion::logical_expr::{Expr, lit};

use super::pull::ordered_by;
use crate::analyze::coerce::coerce;
use crate::analyze::grouping;
use crate::analyze::lower::{Lowerer, Substitute, Typed, column};
use crate::analyze::projection::{self, Item};
use crate::error::SqlError;
use crate::functions::aggregate::{self, Kind};
use crate::parser::ast::{self, ExprKind, Query};
use crate::types::SqlType;

type Result<T> = std::result::Result<T, SqlError>;

/// An aggregation that a query asks for.
pub(super) struct Aggregation<'a> {
    before: Lowerer<'a>,
    groups: Vec<Typed>,
    calls: RefCell<Vec<Expr>>,
}

impl<'a> Aggregation<'a> {
    /// None if the query neither groups nor aggregates.
    pub(super) fn of(query: &Query, before: Lowerer<'a>) -> Result<Option<Self>> {
        if !grouping::wanted(query) {
            return Ok(None);
        }
        let groups = query.group_by.iter().map(|g| before.lower(g)).collect::<Result<_>>()?;
        Ok(Some(Self { before, groups, calls: RefCell::default() }))
    }

    /// The aggregated rows, the projection over them, and the expressions to sort by.
    pub(super) fn apply(
        self,
        frame: DataFrame,
        query: &Query,
    ) -> Result<(DataFrame, Vec<Item>, Vec<Expr>)> {
        let after = Lowerer { substitute: Some(&self), ..self.before };
        let items = projection::items(query, &after)?;
        let having = query.having.as_ref().map(|h| after.condition("HAVING", h)).transpose()?;
        let order = query.order_by.iter().map(|by| ordered_by(&by.value, &items, &after));
        let order = order.collect::<Result<Vec<Expr>>>()?;
        let groups = self.groups.iter().enumerate();
        let groups = groups.map(|(i, g)| g.expr.clone().alias(group_name(i))).collect();
        let calls = self.calls.borrow().clone();
        let refused = |e: datafusion::error::DataFusionError| {
            SqlError::statement(format!("The query cannot be run: {e}"))
        };
        let mut frame = frame.aggregate(groups, calls).map_err(refused)?;
        if let Some(having) = having {
            frame = frame.filter(having).map_err(refused)?;
        }
        Ok((frame, items, order))
    }

    fn call(&self, name: &str, arguments: &[ast::Expr]) -> Result<Typed> {
        let argument = arguments.first().map(|a| self.before.lower(a)).transpose()?;
        let ty = argument.as_ref().map(|a| a.ty.clone().unwrap_or(SqlType::String));
        let resolved = aggregate::resolve(name, ty.as_ref())?;
        let value = match (argument, &resolved.argument) {
            (Some(typed), Some(ty)) => coerce(typed, ty)?,
            _ => lit(1i64),
        };
        let call = match resolved.kind {
            Kind::CountAll | Kind::Count => count(value),
            Kind::Sum => sum(value),
            Kind::Avg => avg(value),
            Kind::Min => min(value),
            Kind::Max => max(value),
            _ => {
                let message = format!("{name} is not supported in a pull query");
                return Err(SqlError::unsupported(message));
            }
        };
        let mut calls = self.calls.borrow_mut();
        let result = format!("AGGREGATE {}", calls.len());
        let returns = resolved.returns.arrow();
        calls.push(call.alias(&result));
        let cast = datafusion::logical_expr::cast(column(&result), returns);
        Ok(Typed::new(cast, resolved.returns))
    }
}

fn group_name(i: usize) -> String {
    format!("GROUP {i}")
}

impl Substitute for Aggregation<'_> {
    fn substitute(&self, expr: &ast::Expr) -> Result<Option<Typed>> {
        if let ExprKind::Call { name, arguments, .. } = &expr.kind
            && aggregate::is_aggregate(&name.name)
        {
            return self.call(&name.name, arguments).map(Some).map_err(|e| e.at(expr.span));
        }
        if matches!(expr.kind, ExprKind::Literal(_)) || grouping::has_aggregate(expr) {
            return Ok(None);
        }
        let lowered = self.before.lower(expr)?;
        let group = self.groups.iter().position(|g| g.expr == lowered.expr);
        if let Some(i) = group {
            return Ok(Some(Typed { expr: column(&group_name(i)), ty: lowered.ty }));
        }
        if let ExprKind::Column { name, .. } = &expr.kind {
            let message =
                format!("Non-aggregate SELECT expression(s) not part of GROUP BY: {}", name.name);
            return Err(SqlError::statement(message).at(expr.span));
        }
        Ok(None)
    }
}
