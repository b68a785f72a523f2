//! DESCRIBE and EXPLAIN.

use std::sync::Arc;

use serde_json::{Value as Json, json};
use streams::MetricsSnapshot;

use super::define::checked;
use super::{Session, Shared, entity};
use crate::analyze::select::{self, Purpose};
use crate::catalog::source::{KeyWindow, Source};
use crate::error::SqlError;
use crate::functions::{self, aggregate};
use crate::parser::ast::{Ident, Parsed, Query, SourceKind, Statement};
use crate::plan::logical::QueryPlan;
use crate::plan::statement::Definition;
use crate::query::persistent::Running;
use crate::query::{PullPlan, explain_pull, is_pull};

type Result<T> = std::result::Result<T, SqlError>;

pub(super) async fn describe(
    shared: &Arc<Shared>,
    name: &Ident,
    extended: bool,
    text: &str,
) -> Result<Json> {
    let catalog = shared.catalog();
    let source = catalog.source(&name.name).map_err(|e| e.at(name.span))?;
    let description = description(shared, source, extended).await?;
    Ok(json!({
        "@type": "sourceDescription",
        "statementText": text,
        "sourceDescription": description,
        "warnings": [],
    }))
}

pub(super) async fn describe_all(
    shared: &Arc<Shared>,
    kind: SourceKind,
    extended: bool,
    text: &str,
) -> Result<Json> {
    let catalog = shared.catalog();
    let mut descriptions = Vec::new();
    for source in catalog.of_kind(kind) {
        descriptions.push(description(shared, source, extended).await?);
    }
    Ok(json!({
        "@type": "source_descriptions",
        "statementText": text,
        "sourceDescriptions": descriptions,
        "warnings": [],
    }))
}

async fn description(shared: &Arc<Shared>, source: &Source, extended: bool) -> Result<Json> {
    let catalog = shared.catalog();
    let key = source.key.iter().map(|c| entity::field(&c.name, &c.ty, true));
    let value = source.value.iter().map(|c| entity::field(&c.name, &c.ty, false));
    let fields: Vec<Json> = key.chain(value).collect();
    let query = |q: &crate::catalog::QueryEntry| {
        json!({
            "queryString": q.statement,
            "sinks": [q.sink],
            "sinkKafkaTopics": [q.sink_topic],
            "id": q.id,
            "queryType": "PERSISTENT",
        })
    };
    let mut node = json!({
        "name": source.name,
        "windowType": source.window.as_ref().map(|w| w.word()),
        "readQueries": catalog.readers(&source.name).map(query).collect::<Vec<_>>(),
        "writeQueries": catalog.writers(&source.name).map(query).collect::<Vec<_>>(),
        "fields": fields,
        "type": source.kind.word(),
        "timestamp": source.timestamp.as_ref().map_or("", |t| t.column.as_str()),
        "statistics": "",
        "errorStats": "",
        "extended": extended,
        "keyFormat": source.key_format.name.word(),
        "valueFormat": source.value_format.name.word(),
        "topic": source.topic,
        "partitions": 0,
        "replication": 0,
        "statement": source.statement,
        "queryOffsetSummaries": [],
        "sourceConstraints": [],
    });
    if extended {
        let topics = shared.topics.list().await?;
        if let Some(topic) = topics.iter().find(|t| t.name == source.topic) {
            node["partitions"] = json!(topic.replicas.len());
            node["replication"] = json!(topic.replicas.first().copied().unwrap_or(0));
        }
        node["statistics"] = json!(statistics(shared, source).await);
    }
    Ok(node)
}

/// How far the query that writes a source has come.
async fn statistics(shared: &Arc<Shared>, source: &Source) -> String {
    let handle = {
        let running = shared.running();
        let id = source.created_by.as_ref();
        id.and_then(|id| running.get(id)).and_then(|r| r.handle.clone())
    };
    let Some(handle) = handle else { return String::new() };
    let metrics = handle.metrics();
    let lag = match handle.lag().await {
        Ok(lag) => lag.values().sum::<i64>().to_string(),
        Err(error) => format!("unknown ({error})"),
    };
    statistics_text(&metrics, &lag)
}

/// A line for each figure.
fn statistics_text(metrics: &MetricsSnapshot, lag: &str) -> String {
    let figures = [
        ("records read", metrics.records_in),
        ("records written", metrics.records_out),
        ("records that could not be read", metrics.bad_records),
        ("rows after the end of their window", metrics.late_rows),
        ("records read again after a restart", metrics.duplicates),
        ("state entries restored", metrics.restored),
        ("commits", metrics.commits),
    ];
    let mut lines: Vec<String> =
        figures.iter().map(|(name, count)| format!("{name:<35}: {count}")).collect();
    lines.push(format!("{:<35}: {lag}", "records that wait (lag)"));
    lines.join("\n")
}

pub(super) fn describe_function(name: &Ident, text: &str) -> Result<Json> {
    if let Some((known, description)) = aggregate::described().find(|(n, _)| *n == name.name) {
        return Ok(json!({
            "@type": "describe_function",
            "statementText": text,
            "name": known,
            "description": description,
            "type": "AGGREGATE",
            "functions": [],
            "warnings": [],
        }));
    }
    let Some(function) = functions::scalar(&name.name) else {
        let error = functions::resolve(&name.name, &[]).err();
        let error = error.unwrap_or_else(|| SqlError::statement("there is no such function"));
        return Err(error.at(name.span));
    };
    let variations: Vec<Json> = function
        .overloads
        .iter()
        .map(|o| json!({"signature": format!("{}({o})", function.name)}))
        .collect();
    Ok(json!({
        "@type": "describe_function",
        "statementText": text,
        "name": function.name,
        "description": function.description,
        "type": "SCALAR",
        "functions": variations,
        "warnings": [],
    }))
}

pub(super) fn explain_query(shared: &Arc<Shared>, id: &Ident, text: &str) -> Result<Json> {
    let running = shared.running();
    let Some(running) = running.get(&id.name) else {
        let catalog = shared.catalog();
        let error = catalog.query(&id.name).err();
        let error =
            error.unwrap_or_else(|| SqlError::statement(format!("Query {} does not run", id.name)));
        return Err(error.at(id.span));
    };
    let Running { query, topology, .. } = running;
    let (state, failure) = running.state();
    let mut node = explained(&query.plan, &query.id, &query.statement, topology);
    node["sinks"] = json!([query.sink.name]);
    node["queryType"] = json!("PERSISTENT");
    node["state"] = json!(state);
    node["queryErrors"] = json!(failure.into_iter().collect::<Vec<_>>());
    Ok(json!({
        "@type": "queryDescription",
        "statementText": text,
        "queryDescription": node,
        "warnings": [],
    }))
}

pub(super) async fn explain(
    shared: &Arc<Shared>,
    explained_statement: &Parsed,
    text: &str,
    session: &Session,
) -> Result<Json> {
    let node = match &explained_statement.statement {
        Statement::Select(query) => explained_select(shared, query, text)?,
        other => match checked(shared, other, text, session.default_formats()).await? {
            Some(Definition::Query(query, _)) => explained(&query.plan, &query.id, text, ""),
            _ => {
                let message = "EXPLAIN takes a query: SELECT, CREATE .. AS SELECT, INSERT INTO .. \
                               SELECT, or the id of a query";
                return Err(SqlError::statement(message).at(explained_statement.span));
            }
        },
    };
    Ok(json!({
        "@type": "queryDescription",
        "statementText": text,
        "queryDescription": node,
        "warnings": [],
    }))
}

fn explained_select(shared: &Shared, query: &Query, text: &str) -> Result<Json> {
    let (catalog, name) = (shared.catalog(), &query.from.name);
    let source = catalog.source(&name.name).map_err(|e| e.at(name.span))?;
    if !is_pull(query, source) {
        return Ok(explained(&select::plan(query, &catalog, Purpose::Push)?, "", text, ""));
    }
    shared.result_store(source).map_err(|e| e.at(name.span))?;
    let PullPlan { columns, steps } = explain_pull(query, source, &catalog)?;
    let fields = columns.iter().map(|c| entity::field(&c.name, &c.ty, c.is_key)).collect();
    let mut node = query_node(text, source.window.as_ref(), fields, steps);
    node["sources"] = json!([source.name]);
    node["queryType"] = json!("PULL");
    Ok(node)
}

fn explained(plan: &QueryPlan, id: &str, statement: &str, topology: &str) -> Json {
    let mut steps = String::new();
    plan.root.describe(0, &mut steps);
    let rows = &plan.root.rows;
    let key = rows.key.iter().map(|c| entity::field(&c.name, &c.ty, true));
    let value = rows.value.iter().map(|c| entity::field(&c.name, &c.ty, false));
    let mut node = query_node(statement, plan.window.as_ref(), key.chain(value).collect(), steps);
    node["id"] = json!(id);
    node["sources"] = plan.sources.iter().map(|s| s.name.clone()).collect();
    node["topology"] = json!(topology);
    node
}

/// A push query without a topology.
fn query_node(
    statement: &str,
    window: Option<&KeyWindow>,
    fields: Vec<Json>,
    steps: String,
) -> Json {
    json!({
        "id": "",
        "statementText": statement,
        "windowType": window.map(|w| w.word()),
        "fields": fields,
        "sources": [],
        "sinks": [],
        "topology": "",
        "executionPlan": steps,
        "overriddenProperties": {},
        "queryType": "PUSH",
        "queryErrors": [],
        "state": null,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_are_lines_of_words_and_numbers() {
        let metrics = MetricsSnapshot { records_in: 14, ..MetricsSnapshot::default() };
        let text = statistics_text(&metrics, "3");
        let first = "records read                       : 14\n";
        assert!(text.starts_with(first), "{text}");
        assert!(text.ends_with("\nrecords that wait (lag)            : 3"), "{text}");
        assert!(!text.contains(['{', '_']), "{text}");
    }
}
