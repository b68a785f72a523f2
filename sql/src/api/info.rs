//! GET /info and its like: what this server is, and how it is.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect};
use serde_json::json;
use tokio::time::{Duration, timeout};

use super::error::{bad_request, json_body};
use crate::engine::{Engine, PROPERTIES};

pub(super) async fn root() -> impl IntoResponse {
    Redirect::temporary("/info")
}

pub(super) async fn info(State(engine): State<Engine>) -> impl IntoResponse {
    let shared = engine.shared();
    let cluster = shared.topics.admin.describe_cluster().await.ok().map(|c| c.cluster_id);
    json_body(json!({
        "KsqlServerInfo": {
            "version": env!("CARGO_PKG_VERSION"),
            "kafkaClusterId": cluster,
            "ksqlServiceId": shared.config.service_id,
            "serverStatus": "RUNNING",
        }
    }))
}

/// How long the cluster may take to answer a question about its health.
const PATIENCE: Duration = Duration::from_secs(3);

pub(super) async fn healthcheck(State(engine): State<Engine>) -> impl IntoResponse {
    let shared = engine.shared();
    let asked = timeout(PATIENCE, shared.topics.admin.describe_cluster()).await;
    let kafka = asked.is_ok_and(|answer| answer.is_ok());
    let failed: serde_json::Map<String, serde_json::Value> = shared
        .running()
        .iter()
        .filter_map(|(id, query)| match query.state() {
            ("ERROR", reason) => Some((id.clone(), json!(reason))),
            _ => None,
        })
        .collect();
    let queries = failed.is_empty();
    json_body(json!({
        "isHealthy": kafka && queries,
        "details": {
            "metastore": {"isHealthy": true},
            "kafka": {"isHealthy": kafka},
            "queries": {"isHealthy": queries, "failed": failed},
        },
    }))
}

pub(super) async fn is_valid_property(Path(name): Path<String>) -> impl IntoResponse {
    if PROPERTIES.iter().any(|(known, ..)| *known == name) {
        json_body(json!(true)).into_response()
    } else {
        bad_request(&format!(
            "One or more properties overrides set locally are prohibited by the \
                              KSQL server: {name}"
        ))
    }
}
