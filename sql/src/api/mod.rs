//! ksqlDB's REST API over an engine.

mod error;
mod info;
mod statements;
mod streaming;

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::engine::Engine;
use crate::error::SqlError;

/// The largest request: a long script.
const MAX_REQUEST_BYTES: usize = 16 << 20;

/// A listener that serves an engine until it is shut down.
pub struct Server {
    address: SocketAddr,
    stop: CancellationToken,
    tracker: TaskTracker,
    serving: AbortHandle,
}

/// How long a shutdown waits for answers that nobody reads.
const GRACE: Duration = Duration::from_secs(5);

impl Server {
    /// Binds (port 0: any free one) and serves from then on.
    pub async fn start(engine: Engine, address: SocketAddr) -> Result<Self, SqlError> {
        let listener = TcpListener::bind(address)
            .await
            .map_err(|e| SqlError::server(format!("cannot listen on {address}: {e}")))?;
        let address = listener.local_addr().map_err(SqlError::server)?;
        let stop = CancellationToken::new();
        let tracker = TaskTracker::new();
        let stopped = stop.clone();
        let app = router(engine);
        let serving = tracker.spawn(async move {
            let serve = axum::serve(listener, app)
                .with_graceful_shutdown(async move { stopped.cancelled().await });
            if let Err(error) = serve.await {
                tracing::error!(%error, "the SQL listener failed");
            }
        });
        Ok(Self { address, stop, tracker, serving: serving.abort_handle() })
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting, and waits for requests under way, though not long for a client that does
    /// not read its answer. Shut the engine down first or beside: it ends push queries, whose
    /// requests would go on for ever.
    pub async fn shutdown(&self) {
        self.stop.cancel();
        self.tracker.close();
        if timeout(GRACE, self.tracker.wait()).await.is_err() {
            tracing::warn!("a client kept its connection open; it is closed now");
            self.serving.abort();
        }
    }
}

fn router(engine: Engine) -> Router {
    Router::new()
        .route("/", get(info::root))
        .route("/info", get(info::info))
        .route("/healthcheck", get(info::healthcheck))
        .route("/is_valid_property/{name}", get(info::is_valid_property))
        .route("/ksql", post(statements::ksql))
        .route("/query", post(streaming::query))
        .route("/query-stream", post(streaming::query_stream))
        .route("/close-query", post(streaming::close_query))
        .layer(DefaultBodyLimit::max(MAX_REQUEST_BYTES))
        .with_state(engine)
}
