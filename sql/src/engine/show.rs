//! SHOW: what there is.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::{PROPERTIES, Session, Shared, describe, entity};
use crate::catalog::source::Source;
use crate::error::SqlError;
use crate::functions::{aggregate, scalar};
use crate::parser::ast::{Show, SourceKind};

pub(super) async fn show(
    shared: &Arc<Shared>,
    what: &Show,
    text: &str,
    session: &Session,
) -> Result<Json, SqlError> {
    Ok(match what {
        Show::Streams { extended: false } => sources(shared, SourceKind::Stream, text),
        Show::Tables { extended: false } => sources(shared, SourceKind::Table, text),
        Show::Streams { extended: true } => {
            describe::describe_all(shared, SourceKind::Stream, true, text).await?
        }
        Show::Tables { extended: true } => {
            describe::describe_all(shared, SourceKind::Table, true, text).await?
        }
        Show::Topics { all, extended } => topics(shared, *all, *extended, text).await?,
        Show::Queries { .. } => queries(shared, text),
        Show::Functions => functions(text),
        Show::Properties => properties(shared, text, session),
        Show::Types => {
            let catalog = shared.catalog();
            let types: serde_json::Map<String, Json> =
                catalog.types().map(|(name, ty)| (name.clone(), entity::schema(ty))).collect();
            json!({"@type": "type_list", "statementText": text, "types": types, "warnings": []})
        }
        Show::Variables => {
            let message = "SHOW VARIABLES is for the shell, which keeps them";
            return Err(SqlError::unsupported(message));
        }
    })
}

fn sources(shared: &Arc<Shared>, kind: SourceKind, text: &str) -> Json {
    let catalog = shared.catalog();
    let listed: Vec<Json> = catalog.of_kind(kind).into_iter().map(|s| listing(s)).collect();
    let (tag, member) = match kind {
        SourceKind::Stream => ("streams", "streams"),
        SourceKind::Table => ("tables", "tables"),
    };
    json!({"@type": tag, "statementText": text, member: listed, "warnings": []})
}

fn listing(source: &Source) -> Json {
    json!({
        "type": source.kind.word(),
        "name": source.name,
        "topic": source.topic,
        "keyFormat": source.key_format.name.word(),
        "valueFormat": source.value_format.name.word(),
        "isWindowed": source.window.is_some(),
    })
}

async fn topics(
    shared: &Arc<Shared>,
    all: bool,
    extended: bool,
    text: &str,
) -> Result<Json, SqlError> {
    let mut listed = Vec::new();
    for topic in shared.topics.list().await? {
        if topic.is_internal && !all {
            continue;
        }
        let mut node = json!({"name": topic.name, "replicaInfo": topic.replicas});
        if extended {
            node["consumerCount"] = json!(0);
            node["consumerGroupCount"] = json!(readers(shared, &topic.name));
        }
        listed.push(node);
    }
    let tag = if extended { "kafka_topics_extended" } else { "kafka_topics" };
    Ok(json!({"@type": tag, "statementText": text, "topics": listed, "warnings": []}))
}

/// How many of the engine's queries read a topic.
fn readers(shared: &Arc<Shared>, topic: &str) -> usize {
    let running = shared.running();
    running.values().filter(|r| r.query.plan.sources.iter().any(|s| s.topic == topic)).count()
}

fn queries(shared: &Arc<Shared>, text: &str) -> Json {
    let catalog = shared.catalog();
    let running = shared.running();
    let mut listed: Vec<Json> = catalog
        .queries()
        .map(|query| {
            let (state, failure) =
                running.get(&query.id).map_or(("ERROR", None), |running| running.state());
            json!({
                "queryString": query.statement,
                "sinks": [query.sink],
                "sinkKafkaTopics": [query.sink_topic],
                "id": query.id,
                "statusCount": {state: 1},
                "queryType": "PERSISTENT",
                "state": state,
                "error": failure,
            })
        })
        .collect();
    listed.extend(shared.transient().keys().map(|id| {
        json!({
            "queryString": "",
            "sinks": [],
            "sinkKafkaTopics": [],
            "id": id,
            "statusCount": {"RUNNING": 1},
            "queryType": "PUSH",
            "state": "RUNNING",
        })
    }));
    json!({"@type": "queries", "statementText": text, "queries": listed, "warnings": []})
}

fn functions(text: &str) -> Json {
    let scalars = scalar::categorised()
        .map(|(category, f)| json!({"name": f.name, "type": "SCALAR", "category": category}));
    let aggregates = aggregate::described()
        .map(|(name, _)| json!({"name": name, "type": "AGGREGATE", "category": "AGGREGATE"}));
    let mut listed: Vec<Json> = scalars.chain(aggregates).collect();
    listed.sort_by(|a, b| a["name"].as_str().cmp(&b["name"].as_str()));
    json!({"@type": "function_names", "statementText": text, "functions": listed, "warnings": []})
}

fn properties(shared: &Arc<Shared>, text: &str, session: &Session) -> Json {
    let config = &shared.config;
    let set = |name: &str| session.get(name.trim_start_matches("ksql.streams.")).map(str::to_owned);
    let editable = PROPERTIES.iter().map(|(name, default, _)| {
        let value = set(name).unwrap_or_else(|| (*default).to_owned());
        json!({"name": name, "scope": "KSQL", "value": value, "editable": true})
    });
    let fixed = [
        ("ksql.service.id", Some(config.service_id.clone())),
        ("ksql.schema.registry.url", config.registry_url.clone()),
        ("ksql.streams.state.dir", config.state_dir.as_ref().map(|d| d.display().to_string())),
    ];
    let fixed = fixed.into_iter().map(
        |(name, value)| json!({"name": name, "scope": "KSQL", "value": value, "editable": false}),
    );
    let listed: Vec<Json> = editable.chain(fixed).collect();
    json!({
        "@type": "properties",
        "statementText": text,
        "properties": listed,
        "overwrittenProperties": [],
        "defaultProperties": [],
        "warnings": [],
    })
}
