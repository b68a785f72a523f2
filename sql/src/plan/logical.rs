//! What a query does, step by step, before it is a topology. Each step knows its rows.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::logical_expr::Expr;
use streams::TimeWindows;

use crate::catalog::source::{Column, KeyWindow, Source};
use crate::functions::aggregate::Kind;
use crate::parser::ast::SourceKind;
use crate::types::SqlType;

/// The columns of a step's rows: key, window bounds if there are windows, value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rows {
    pub(crate) kind: SourceKind,
    pub(crate) key: Vec<Column>,
    pub(crate) windowed: bool,
    pub(crate) value: Vec<Column>,
}

/// The names of the bounds of a windowed key.
pub(crate) const WINDOW_BOUNDS: [&str; 2] = ["WINDOWSTART", "WINDOWEND"];

impl Rows {
    /// How many columns stand before the value.
    pub(crate) fn key_columns(&self) -> usize {
        self.key.len() + if self.windowed { 2 } else { 0 }
    }

    pub(crate) fn schema(&self) -> SchemaRef {
        let field = |c: &Column| Field::new(&c.name, c.ty.arrow(), true);
        let mut fields: Vec<Field> = self.key.iter().map(field).collect();
        if self.windowed {
            fields.extend(WINDOW_BOUNDS.map(|name| Field::new(name, DataType::Int64, true)));
        }
        fields.extend(self.value.iter().map(field));
        Arc::new(Schema::new(fields))
    }
}

/// An expression with the name and the type of the column that it makes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NamedExpr {
    pub(crate) name: String,
    pub(crate) ty: SqlType,
    pub(crate) expr: Expr,
}

impl NamedExpr {
    pub(crate) fn column(&self) -> Column {
        Column::new(&self.name, self.ty.clone())
    }
}

/// One aggregate function over the rows of a group.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AggregateCall {
    pub(crate) kind: Kind,
    /// None for COUNT(*).
    pub(crate) argument: Option<(Expr, SqlType)>,
    /// How many values are kept; 0: one, not as an array.
    pub(crate) limit: usize,
    pub(crate) keeps_nulls: bool,
    pub(crate) column: Column,
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// The records of a stream or table.
    Source { source: Arc<Source> },
    /// A condition on rows.
    Filter { input: Box<Node>, condition: Expr },
    /// New columns. The number of key columns may change only on a stream.
    Project { input: Box<Node>, key: Vec<NamedExpr>, value: Vec<NamedExpr> },
    /// Rows spread anew by their key columns: the same columns as the input.
    Repartition { input: Box<Node>, like: Option<Arc<Source>> },
    /// A stream whose key columns are looked up in a table.
    Join { left: Box<Node>, right: Box<Node>, keep_unmatched: bool },
    /// Groups by the input's key columns.
    Aggregate {
        input: Box<Node>,
        calls: Vec<AggregateCall>,
        windows: Option<TimeWindows>,
        old_rows: bool,
    },
    /// Only the last row of each window, once it has closed.
    Final { input: Box<Node>, windows: TimeWindows },
}

/// A step with the shape of its rows.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) step: Step,
    pub(crate) rows: Rows,
}

/// A whole query.
#[derive(Clone, Debug)]
pub(crate) struct QueryPlan {
    pub(crate) root: Node,
    /// The windows of the result's key.
    pub(crate) window: Option<KeyWindow>,
    /// The windows of the aggregate, for the table that it keeps.
    pub(crate) windows: Option<TimeWindows>,
    /// What the query reads, left-most first.
    pub(crate) sources: Vec<Arc<Source>>,
    pub(crate) limit: Option<u64>,
}

impl Node {
    /// Boxes the node as the input of another.
    pub(crate) fn boxed(self) -> Box<Self> {
        Box::new(self)
    }

    /// The steps in words, the last one first.
    pub(crate) fn describe(&self, depth: usize, out: &mut String) {
        let (name, inputs): (String, Vec<&Self>) = match &self.step {
            Step::Source { source } => (format!("SOURCE {}", source.name), vec![]),
            Step::Filter { input, condition } => (format!("FILTER {condition}"), vec![input]),
            Step::Project { input, .. } => ("PROJECT".to_owned(), vec![input]),
            Step::Repartition { input, .. } => ("REKEY".to_owned(), vec![input]),
            Step::Join { left, right, .. } => ("JOIN".to_owned(), vec![left, right]),
            Step::Aggregate { input, .. } => ("AGGREGATE".to_owned(), vec![input]),
            Step::Final { input, .. } => ("FINAL".to_owned(), vec![input]),
        };
        let key = self.rows.key.iter().map(|c| (c, true));
        step_line(depth, &name, key.chain(self.rows.value.iter().map(|c| (c, false))), out);
        for input in inputs {
            input.describe(depth + 1, out);
        }
    }
}

/// One step in words, with the columns that it gives; `true` marks those of the key.
pub(crate) fn step_line<'a>(
    depth: usize,
    name: &str,
    columns: impl Iterator<Item = (&'a Column, bool)>,
    out: &mut String,
) {
    let column = |(c, is_key): (&Column, bool)| {
        format!("{} {}{}", c.name, c.ty, if is_key { " KEY" } else { "" })
    };
    let columns: Vec<String> = columns.map(column).collect();
    let pad = "\t".repeat(depth);
    out.push_str(&format!("{pad} > [ {name} ] | Schema: {}\n", columns.join(", ")));
}
