//! Steps to a topology.

use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::TreeNode;
use datafusion::logical_expr::Expr;
use streams::ops::{
    Aggregate, AggregateSpec, Deltas, Filter, JoinKind, Materialize, StreamTableJoin,
    StreamTableJoinSpec, Suppress, TableLayout,
};
use streams::{
    NodeId, Operator, OperatorError, OperatorFactory, RepartitionSpec, SinkSpec, SourceRole,
    SourceSpec, StartFrom, StoreSpec, TimeWindows, Topology, TopologyBuilder,
};

use super::logical::{AggregateCall, NamedExpr, Node, QueryPlan, Step};
use crate::catalog::source::{KeyWindow, Source};
use crate::error::SqlError;
use crate::ops::{
    AddPseudoColumns, Condition, Evaluator, GroupAggregator, Projection, SinkTimestamp, Tap,
};
use crate::parser::ast::SourceKind;
use crate::records::{KeyEncoder, Schemas, SinkEncoder, SourceDecoder};

type Result<T> = std::result::Result<T, SqlError>;

/// The store that a table's pull queries read.
pub(crate) const RESULT_STORE: &str = "result";

/// What happens with a query's rows.
pub(crate) enum End<'a> {
    /// They are written to the sink's topic; a table is kept for pull queries too.
    Sink(&'a Source),
    /// They are sent to a reader.
    Tap(tokio::sync::mpsc::Sender<streams::Chunk>),
}

/// Builds the topology of a query. Registers schemas where a format needs them: blocks.
pub(crate) fn topology(
    plan: &QueryPlan,
    end: End<'_>,
    start: StartFrom,
    schemas: &Arc<dyn Schemas>,
) -> Result<Topology> {
    let mut builder = Builder {
        topology: TopologyBuilder::new(),
        schemas: Arc::clone(schemas),
        start,
        pseudo: pseudo_columns(&plan.root),
        needs_old_rows: needs_old_rows(&plan.root),
        keeps_nulls: matches!(end, End::Sink(_)) && only_projects(&plan.root),
        count: 0,
    };
    let root = builder.node(&plan.root)?;
    match end {
        End::Sink(sink) => builder.sink(root, sink, plan)?,
        End::Tap(sender) => {
            let factory: OperatorFactory = Arc::new(move |_| Ok(Box::new(Tap(sender.clone()))));
            builder.topology.operator("tap", &[root.id], &[], factory);
        }
    }
    builder.topology.build().map_err(|e| SqlError::statement(e.to_string()))
}

/// A materialised source table (CREATE SOURCE TABLE): its records kept for pull queries.
pub(crate) fn source_table(source: &Arc<Source>, schemas: &Arc<dyn Schemas>) -> Result<Topology> {
    let mut builder = Builder {
        topology: TopologyBuilder::new(),
        schemas: Arc::clone(schemas),
        start: StartFrom::Earliest,
        pseudo: Vec::new(),
        needs_old_rows: false,
        keeps_nulls: false,
        count: 0,
    };
    let root = builder.source(source)?;
    builder.materialized(root, key_windows(source.window.as_ref())?)?;
    builder.topology.build().map_err(|e| SqlError::statement(e.to_string()))
}

/// The groups of a query over a stream, kept to be read once: what stands before its projection.
pub(crate) fn grouped_table(
    plan: &QueryPlan,
    start: StartFrom,
    schemas: &Arc<dyn Schemas>,
) -> Result<Topology> {
    let Step::Project { input, .. } = &plan.root.step else {
        return Err(SqlError::server("a query over groups ends with a projection"));
    };
    let mut builder = Builder {
        topology: TopologyBuilder::new(),
        schemas: Arc::clone(schemas),
        start,
        pseudo: pseudo_columns(input),
        needs_old_rows: needs_old_rows(input),
        keeps_nulls: false,
        count: 0,
    };
    let groups = builder.node(input)?;
    builder.materialized(groups, plan.windows)?;
    builder.topology.build().map_err(|e| SqlError::statement(e.to_string()))
}

/// A node of the topology with the shape of its rows.
struct Built {
    id: NodeId,
    schema: SchemaRef,
    /// Columns before the value, window bounds included.
    key_columns: usize,
    kind: SourceKind,
}

struct Builder {
    topology: TopologyBuilder,
    schemas: Arc<dyn Schemas>,
    start: StartFrom,
    /// The pseudo columns that some expression names.
    pseudo: Vec<&'static str>,
    needs_old_rows: bool,
    /// Whether records without value of a stream come out as they are.
    keeps_nulls: bool,
    count: usize,
}

impl Builder {
    fn name(&mut self, what: &str) -> String {
        self.count += 1;
        format!("{what}-{}", self.count)
    }

    fn operator<O: Operator + 'static>(
        &mut self,
        what: &str,
        inputs: &[NodeId],
        stores: &[&str],
        make: impl Fn() -> std::result::Result<O, OperatorError> + Send + Sync + 'static,
    ) -> NodeId {
        let name = self.name(what);
        let factory: OperatorFactory =
            Arc::new(move |_| Ok(Box::new(make()?) as Box<dyn Operator>));
        self.topology.operator(name, inputs, stores, factory)
    }

    fn node(&mut self, node: &Node) -> Result<Built> {
        match &node.step {
            Step::Source { source } => {
                let built = self.source(source)?;
                if node.rows.kind == SourceKind::Table && self.needs_old_rows {
                    return self.kept(built, "table");
                }
                Ok(built)
            }
            Step::Filter { input, condition } => self.filter(input, condition),
            Step::Project { input, key, value } => self.project(node, input, key, value),
            Step::Repartition { input, like } => self.repartition(input, like.as_ref()),
            Step::Join { left, right, keep_unmatched } => {
                self.join(node, left, right, *keep_unmatched)
            }
            Step::Aggregate { input, calls, windows, old_rows } => {
                self.aggregate(node, input, calls, (*windows, *old_rows))
            }
            Step::Final { input, windows } => self.only_final(input, *windows),
        }
    }

    fn source(&mut self, source: &Arc<Source>) -> Result<Built> {
        let decoder = SourceDecoder::new(Arc::clone(source), Arc::clone(&self.schemas))?;
        let decoder =
            if self.keeps_nulls && source.is_stream() { decoder.keeping_nulls() } else { decoder };
        let schema = streams::RecordDecoder::schema(&decoder);
        let role = match source.kind {
            SourceKind::Stream => SourceRole::Stream,
            SourceKind::Table => SourceRole::TableReadFirst,
        };
        let start = match source.kind {
            SourceKind::Stream => self.start,
            SourceKind::Table => StartFrom::Earliest,
        };
        let spec =
            SourceSpec { topic: source.topic.clone(), decoder: Arc::new(decoder), role, start };
        let name = self.name(&format!("source-{}", source.name.to_lowercase()));
        let id = self.topology.source(name, spec);
        let key_columns = source.key.len() + if source.window.is_some() { 2 } else { 0 };
        if self.pseudo.is_empty() {
            return Ok(Built { id, schema, key_columns, kind: source.kind });
        }
        let names = self.pseudo.clone();
        let extended = AddPseudoColumns::new(names.clone(), &schema).schema();
        let make = move || Ok(AddPseudoColumns::new(names.clone(), &schema));
        let id = self.operator("pseudo", &[id], &[], make);
        Ok(Built { id, schema: extended, key_columns, kind: source.kind })
    }

    /// A table in a store, so that its changes have their old rows.
    fn kept(&mut self, input: Built, what: &str) -> Result<Built> {
        let store = self.name(what);
        let layout = TableLayout::new(Arc::clone(&input.schema), input.key_columns);
        let layout = Arc::new(layout.map_err(refused)?);
        self.topology.store(StoreSpec::new(&store));
        let name = store.clone();
        let make = move || Ok(Materialize::new(store.clone(), Arc::clone(&layout)));
        let id = self.operator("materialize", &[input.id], &[name.as_str()], make);
        Ok(Built { id, ..input })
    }

    fn filter(&mut self, input: &Node, condition: &Expr) -> Result<Built> {
        let input = self.node(input)?;
        let evaluator = Evaluator::new([(condition, DataType::Boolean)], &input.schema)?;
        let make = move || Ok(Filter(Condition(evaluator.clone())));
        let id = self.operator("filter", &[input.id], &[], make);
        self.sized(id, [condition]);
        Ok(Built { id, ..input })
    }

    fn project(
        &mut self,
        node: &Node,
        input: &Node,
        key: &[NamedExpr],
        value: &[NamedExpr],
    ) -> Result<Built> {
        let input = self.node(input)?;
        let bounds = super::logical::WINDOW_BOUNDS.map(crate::analyze::lower::column);
        let mut expressions: Vec<(&Expr, DataType)> =
            key.iter().map(|k| (&k.expr, k.ty.arrow())).collect();
        if node.rows.windowed {
            expressions.extend(bounds.iter().map(|b| (b, DataType::Int64)));
        }
        expressions.extend(value.iter().map(|v| (&v.expr, v.ty.arrow())));
        let evaluator = Evaluator::new(expressions, &input.schema)?;
        let schema = node.rows.schema();
        let built = Arc::clone(&schema);
        let make =
            move || Ok(Projection { evaluator: evaluator.clone(), schema: Arc::clone(&schema) });
        let id = self.operator("project", &[input.id], &[], make);
        self.sized(id, key.iter().chain(value).map(|named| &named.expr));
        Ok(Built { id, schema: built, key_columns: node.rows.key_columns(), kind: input.kind })
    }

    /// Lets fewer rows come at once where expressions make long texts of short ones.
    fn sized<'e>(&mut self, id: NodeId, expressions: impl IntoIterator<Item = &'e Expr>) {
        if expressions.into_iter().any(makes_long_texts) {
            self.topology.expands(id, LONG_TEXTS);
        }
    }

    fn repartition(&mut self, input: &Node, like: Option<&Arc<Source>>) -> Result<Built> {
        let mut input = self.node(input)?;
        if input.kind == SourceKind::Table {
            input.id = self.operator("deltas", &[input.id], &[], || Ok(Deltas));
        }
        let keys = match like {
            None => None,
            Some(source) => {
                let encoder = KeyEncoder::new(source, self.schemas.as_ref())?;
                Some(Arc::new(encoder) as Arc<dyn streams::PartitionKeys>)
            }
        };
        let spec = RepartitionSpec {
            schema: Arc::clone(&input.schema),
            key_columns: input.key_columns,
            keys,
            partitions: None,
        };
        let name = self.name("repartition");
        let id = self.topology.repartition(name, input.id, spec).map_err(refused)?;
        Ok(Built { id, ..input })
    }

    fn join(&mut self, node: &Node, left: &Node, right: &Node, keep: bool) -> Result<Built> {
        let left = self.node(left)?;
        let right = self.node(right)?;
        let table = TableLayout::new(Arc::clone(&right.schema), right.key_columns);
        let table = Arc::new(table.map_err(refused)?);
        let store = self.name("joined");
        self.topology.store(StoreSpec::new(&store));
        let (layout, kept) = (Arc::clone(&table), store.clone());
        let make = move || Ok(Materialize::new(kept.clone(), Arc::clone(&layout)));
        let table_id = self.operator("materialize", &[right.id], &[store.as_str()], make);
        let schema = node.rows.schema();
        let spec = StreamTableJoinSpec {
            store: store.clone(),
            table,
            stream_key: vec![0],
            kind: if keep { JoinKind::Left } else { JoinKind::Inner },
            schema: Arc::clone(&schema),
        };
        let make = move || StreamTableJoin::new(spec.clone());
        let id = self.operator("join", &[left.id, table_id], &[store.as_str()], make);
        let key_columns = node.rows.key_columns();
        Ok(Built { id, schema, key_columns, kind: SourceKind::Stream })
    }

    fn aggregate(
        &mut self,
        node: &Node,
        input: &Node,
        calls: &[AggregateCall],
        (windows, old_rows): (Option<TimeWindows>, bool),
    ) -> Result<Built> {
        let input = self.node(input)?;
        let arguments = calls.iter().filter_map(|c| c.argument.as_ref());
        let arguments = arguments.map(|(expr, ty)| (expr, ty.arrow()));
        let evaluator = Evaluator::new(arguments, &input.schema)?;
        let store = self.name("aggregate");
        self.topology.store(StoreSpec::new(&store));
        let spec = AggregateSpec {
            store: store.clone(),
            group_columns: node.rows.key.len(),
            schema: node.rows.schema(),
            windows,
            old_rows,
        };
        let (calls, fields) = (calls.to_vec(), input.schema.fields().clone());
        let make = move || {
            let aggregator = GroupAggregator::new(&calls, evaluator.clone());
            Aggregate::new(aggregator, &fields, spec.clone())
        };
        let id = self.operator("aggregate", &[input.id], &[store.as_str()], make);
        let windows_per_row = windows.map_or(1, |windows| windows.windows_per_row());
        self.topology.expands(id, usize::try_from(windows_per_row).unwrap_or(usize::MAX));
        let key_columns = node.rows.key_columns();
        Ok(Built { id, schema: node.rows.schema(), key_columns, kind: SourceKind::Table })
    }

    fn only_final(&mut self, input: &Node, windows: TimeWindows) -> Result<Built> {
        let input = self.node(input)?;
        let store = self.name("suppress");
        self.topology.store(StoreSpec::new(&store));
        let (fields, keys, name) =
            (input.schema.fields().clone(), input.key_columns, store.clone());
        let make = move || Suppress::new(name.clone(), windows, &fields, keys);
        let id = self.operator("suppress", &[input.id], &[store.as_str()], make);
        Ok(Built { id, ..input })
    }

    fn sink(&mut self, root: Built, sink: &Source, plan: &QueryPlan) -> Result<()> {
        let encoder = SinkEncoder::new(sink, self.schemas.as_ref())?;
        let root = if root.kind == SourceKind::Table {
            let windows = match plan.windows {
                Some(windows) => Some(windows),
                None => key_windows(plan.window.as_ref())?,
            };
            self.materialized(root, windows)?
        } else {
            root
        };
        let last = match encoder.event_time() {
            Some(time) => {
                let make = move || Ok(SinkTimestamp(time.clone()));
                self.operator("timestamp", &[root.id], &[], make)
            }
            None => root.id,
        };
        let spec = SinkSpec { topic: sink.topic.clone(), encoder: Arc::new(encoder) };
        self.topology.sink("sink", last, spec);
        Ok(())
    }

    /// The table that pull queries read.
    fn materialized(&mut self, root: Built, windows: Option<TimeWindows>) -> Result<Built> {
        let schema = Arc::clone(&root.schema);
        let layout = match windows {
            Some(windows) => TableLayout::windowed(schema, root.key_columns, windows),
            None => TableLayout::new(schema, root.key_columns),
        };
        let layout = Arc::new(layout.map_err(refused)?);
        let reader = Arc::clone(&layout);
        self.topology.store(StoreSpec::new(RESULT_STORE).with_reader(reader));
        let make = move || Ok(Materialize::new(RESULT_STORE, Arc::clone(&layout)));
        let id = self.operator("result", &[root.id], &[RESULT_STORE], make);
        Ok(Built { id, ..root })
    }
}

/// How many rows of a usual length a row is worth whose texts may become as long as a text can be.
const LONG_TEXTS: usize = 64;

/// Whether an expression has a function whose result may be much longer than its arguments: by a
/// length, or by a replacement, that no short literal states.
fn makes_long_texts(expr: &Expr) -> bool {
    let short = |argument: Option<&Expr>| match argument {
        Some(Expr::Literal(ScalarValue::Int32(Some(length)), _)) => *length <= 1024,
        Some(Expr::Literal(ScalarValue::Utf8(Some(text)), _)) => text.len() <= 64,
        _ => false,
    };
    let grows = |expr: &Expr| {
        let Expr::ScalarFunction(call) = expr else { return false };
        match call.func.name() {
            "LPAD" | "RPAD" => !short(call.args.get(1)),
            "REPLACE" | "REGEXP_REPLACE" => !short(call.args.get(2)),
            "ARRAY_JOIN" => call.args.len() > 1 && !short(call.args.get(1)),
            "CONCAT_WS" => !short(call.args.first()),
            _ => false,
        }
    };
    expr.exists(|expr| Ok(grows(expr))).unwrap_or(true)
}

fn refused(error: impl std::fmt::Display) -> SqlError {
    SqlError::statement(error.to_string())
}

/// A retention that no stream time reaches: how long the windows of a source are worth keeping is
/// not this engine's to say, whose query did not make them. They go as their records are deleted.
const FOREVER_MS: i64 = i64::MAX / 4;

/// The windows of a windowed key that some other query made.
fn key_windows(window: Option<&KeyWindow>) -> Result<Option<TimeWindows>> {
    match window {
        None => Ok(None),
        Some(window) => match window.size_ms() {
            Some(size_ms) => TimeWindows::tumbling(size_ms)
                .and_then(|windows| windows.with_retention(FOREVER_MS))
                .map(Some)
                .map_err(refused),
            None => Err(SqlError::unsupported("A table over SESSION windows is not supported")),
        },
    }
}

/// Whether a table's changes must be told from what was there: for aggregates and conditions.
fn needs_old_rows(node: &Node) -> bool {
    match &node.step {
        Step::Source { .. } => false,
        Step::Filter { input, .. } => input.rows.kind == SourceKind::Table || needs_old_rows(input),
        Step::Aggregate { input, .. } => input.rows.kind == SourceKind::Table,
        Step::Project { input, .. }
        | Step::Repartition { input, .. }
        | Step::Final { input, .. } => needs_old_rows(input),
        Step::Join { left, .. } => needs_old_rows(left),
    }
}

/// Whether the plan is nothing but projections of one stream.
fn only_projects(node: &Node) -> bool {
    match &node.step {
        Step::Source { source } => source.is_stream(),
        Step::Project { input, .. } => only_projects(input),
        _ => false,
    }
}

/// The pseudo columns of sources that the steps name.
fn pseudo_columns(root: &Node) -> Vec<&'static str> {
    let mut named = Vec::new();
    collect(root, &mut |expr| {
        for column in expr.column_refs() {
            let known = ["ROWTIME", "ROWPARTITION", "ROWOFFSET"];
            if let Some(name) = known.into_iter().find(|name| *name == column.name)
                && !named.contains(&name)
            {
                named.push(name);
            }
        }
    });
    named.sort_unstable();
    named
}

fn collect(node: &Node, each: &mut impl FnMut(&Expr)) {
    match &node.step {
        Step::Source { .. } => {}
        Step::Filter { input, condition } => {
            each(condition);
            collect(input, each);
        }
        Step::Project { input, key, value } => {
            key.iter().chain(value).for_each(|named| each(&named.expr));
            collect(input, each);
        }
        Step::Aggregate { input, .. }
        | Step::Repartition { input, .. }
        | Step::Final { input, .. } => collect(input, each),
        Step::Join { left, right, .. } => {
            collect(left, each);
            collect(right, each);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyze::lower::Lowerer;
    use crate::analyze::scope::Scope;
    use crate::catalog::Catalog;
    use crate::parser;
    use crate::parser::ast::{SelectItem, Statement};

    #[test]
    fn functions_that_make_long_texts_are_known_by_their_arguments() {
        let check = |text: &str, expected: bool| {
            let select = format!("SELECT {text} FROM s;");
            let statement = parser::parse(&select).unwrap().remove(0).statement;
            let Statement::Select(query) = statement else { panic!("{select}") };
            let SelectItem::Expression { value, .. } = &query.items[0] else { panic!("{select}") };
            let (scope, catalog) = (Scope::default(), Catalog::default());
            let typed = Lowerer::new(&scope, &catalog).lower(value).unwrap();
            assert_eq!(makes_long_texts(&typed.expr), expected, "{text}");
        };
        check("LPAD('x', 8, '0')", false);
        check("UCASE(LPAD('x', 100000, '0'))", true);
        check("RPAD('x', LEN('abc'), '0')", true);
        check("REPLACE('abc', 'b', 'c')", false);
        check("REGEXP_REPLACE('abc', 'b', CONCAT('c', 'd'))", true);
        check("ARRAY_JOIN(SPLIT('a,b', ','))", false);
        check("CONCAT_WS('-', 'a', 'b')", false);
    }
}
