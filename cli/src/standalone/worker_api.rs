//! What a worker says about itself over HTTP, in the words of Kafka Connect's REST API:
//! `GET /health` (KIP-1017), `GET /connectors`, `GET /connectors/{name}/status`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use connect::{ConnectorStatus, TaskState, Worker};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How long a stop waits for requests under way.
const GRACE: Duration = Duration::from_secs(2);

/// A listener that answers until it is stopped.
pub(super) struct WorkerApi {
    address: SocketAddr,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl WorkerApi {
    /// Takes the address, so that one that is taken is told before anything runs.
    pub(super) async fn bind(listen: &str) -> anyhow::Result<(SocketAddr, TcpListener)> {
        let bound = TcpListener::bind(listen).await;
        let bound = bound.and_then(|listener| Ok((listener.local_addr()?, listener)));
        bound.with_context(|| format!("--listen {listen}"))
    }

    pub(super) fn serve(
        (address, listener): (SocketAddr, TcpListener),
        worker: Arc<Worker>,
    ) -> Self {
        let router = Router::new()
            .route("/", get(root))
            .route("/health", get(health))
            .route("/connectors", get(connectors))
            .route("/connectors/{name}/status", get(status))
            .with_state(worker);
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let serving = tokio::spawn(async move {
            let served = axum::serve(listener, router).with_graceful_shutdown(stopped).await;
            if let Err(error) = served {
                tracing::error!(%error, "the worker's listener failed");
            }
        });
        Self { address, stop, serving }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) async fn stop(mut self) {
        self.stop.cancel();
        if timeout(GRACE, &mut self.serving).await.is_err() {
            self.serving.abort();
            let _aborted = self.serving.await;
        }
    }
}

async fn root() -> Json<Value> {
    Json(json!({"version": env!("CARGO_PKG_VERSION")}))
}

async fn health(State(worker): State<Arc<Worker>>) -> (StatusCode, Json<Value>) {
    let status = worker.status();
    let failed: Vec<String> = status.iter().filter_map(failure).collect();
    let (code, status, message) = match failed.is_empty() {
        true => (
            StatusCode::OK,
            "healthy",
            "Worker has completed startup and is ready to handle requests.".to_owned(),
        ),
        false => (StatusCode::SERVICE_UNAVAILABLE, "unhealthy", failed.join("; ")),
    };
    (code, Json(json!({"status": status, "message": message})))
}

fn failure(status: &ConnectorStatus) -> Option<String> {
    match &status.state {
        TaskState::Failed(reason) => Some(format!("connector {} failed: {reason}", status.name)),
        _ => None,
    }
}

async fn connectors(State(worker): State<Arc<Worker>>) -> Json<Value> {
    let names: Vec<String> = worker.status().into_iter().map(|status| status.name).collect();
    Json(json!(names))
}

async fn status(
    State(worker): State<Arc<Worker>>,
    Path(name): Path<String>,
) -> (StatusCode, Json<Value>) {
    let Some(found) = worker.status().into_iter().find(|status| status.name == name) else {
        let message = format!("No status found for connector {name}");
        return (StatusCode::NOT_FOUND, Json(json!({"error_code": 404, "message": message})));
    };
    let (state, trace) = match found.state {
        TaskState::Unassigned => ("UNASSIGNED", None),
        TaskState::Running => ("RUNNING", None),
        TaskState::Restarting(reason) => ("RESTARTING", Some(reason)),
        TaskState::Done => ("DONE", None),
        TaskState::Failed(reason) => ("FAILED", Some(reason)),
        TaskState::Stopped => ("STOPPED", None),
    };
    let mut task = json!({"id": 0, "state": state});
    if let Some(trace) = trace {
        task["trace"] = json!(trace);
    }
    let body = json!({
        "name": found.name,
        "connector": {"state": if state == "DONE" { "RUNNING" } else { state }},
        "tasks": [task],
        "type": "source",
    });
    (StatusCode::OK, Json(body))
}
