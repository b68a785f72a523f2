//! A shared handle to the cluster: connections by broker, metadata, coordinators.

mod by_leader;
mod coordinators;
mod offsets;
mod pool;
mod refresh;
mod trouble;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use protocol::Request;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use self::by_leader::{Answers, Asked};
pub use self::coordinators::CoordinatorKind;
use self::coordinators::Coordinators;
pub(crate) use self::coordinators::is_about_coordinator;
pub use self::offsets::{ListedOffset, OffsetSpec};
pub use self::pool::Lane;
use self::pool::Pool;
pub use self::refresh::{Refreshed, TopicSelection};
use crate::config::ClientConfig;
use crate::connection::{Connection, ConnectionConfig};
use crate::error::{ConfigError, RequestError};
use crate::metadata::Metadata;

/// A handle to a cluster; clones share connections and metadata.
#[derive(Clone)]
pub struct Cluster {
    inner: Arc<Inner>,
}

struct Inner {
    config: ClientConfig,
    pool: Pool,
    /// Held for swapping the pointer only; nothing awaits under it.
    metadata: RwLock<(Arc<Metadata>, Option<Instant>)>,
    /// One refresh at a time; those who waited look whether it gave what they want.
    refreshing: tokio::sync::Mutex<()>,
    coordinators: Coordinators,
    cancel: CancellationToken,
    tracker: TaskTracker,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").field("config", &self.inner.config).finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

impl Cluster {
    /// A handle that connects when it is first used.
    pub fn new(config: ClientConfig) -> Result<Self, ConfigError> {
        config.validate()?;
        let cancel = CancellationToken::new();
        let tracker = TaskTracker::new();
        let connections = ConnectionConfig {
            connector: config.connector.clone(),
            client_id: config.client_id.as_str().into(),
            request_timeout: config.request_timeout,
        };
        let pool = Pool::new(&config, connections, tracker.clone(), cancel.clone())?;
        let inner = Inner {
            config,
            pool,
            metadata: RwLock::new((Arc::new(Metadata::default()), None)),
            refreshing: tokio::sync::Mutex::new(()),
            coordinators: Coordinators::default(),
            cancel,
            tracker,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The configuration it was made with.
    pub fn config(&self) -> &ClientConfig {
        &self.inner.config
    }

    /// The latest metadata; empty before the first refresh.
    pub fn metadata(&self) -> Arc<Metadata> {
        self.inner.metadata.read().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    /// When the metadata was last fetched.
    pub(crate) fn metadata_fetched_at(&self) -> Option<Instant> {
        self.inner.metadata.read().unwrap_or_else(PoisonError::into_inner).1
    }

    /// A connection to a broker by node id. Requests on different lanes do not wait for each other.
    pub async fn connection(&self, node: i32, lane: Lane) -> Result<Connection, RequestError> {
        let known = self.metadata().brokers.get(&node).cloned();
        let broker = match known {
            Some(broker) => broker,
            None => {
                let metadata = self.refresh(TopicSelection::None).await?.metadata;
                let broker = metadata.brokers.get(&node).cloned();
                broker.ok_or(RequestError::UnknownBroker { id: node })?
            }
        };
        Ok(self.inner.pool.broker(&broker, lane).await?)
    }

    /// A connection to any broker, one that is open already if there is one.
    pub async fn any_connection(&self) -> Result<Connection, RequestError> {
        self.inner.pool.any(&self.metadata()).await
    }

    /// Sends to a broker by node id. No retry.
    pub async fn send_to<R: Request>(
        &self,
        node: i32,
        request: &R,
    ) -> Result<R::Response, RequestError> {
        Ok(self.connection(node, Lane::General).await?.send(request).await?)
    }

    /// Sends to any broker; tries another one if the connection fails.
    pub async fn send_any<R: Request>(&self, request: &R) -> Result<R::Response, RequestError> {
        let mut attempts = 0;
        loop {
            let connection = self.any_connection().await?;
            match connection.send(request).await {
                Err(error) if error.is_retriable() && attempts < 2 => attempts += 1,
                result => return Ok(result?),
            }
        }
    }

    /// Sends to the broker that takes requests for the controller. No retry.
    pub async fn send_controller<R: Request>(
        &self,
        request: &R,
    ) -> Result<R::Response, RequestError> {
        let metadata = match self.metadata() {
            known if known.controller_id.is_some() => known,
            _ => self.refresh(TopicSelection::None).await?.metadata,
        };
        match metadata.controller_id {
            Some(controller) => self.send_to(controller, request).await,
            None => self.send_any(request).await,
        }
    }

    /// Closes all connections and waits until their tasks have ended.
    pub async fn close(&self) {
        self.inner.cancel.cancel();
        self.inner.tracker.close();
        self.inner.tracker.wait().await;
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.inner.cancel.is_cancelled()
    }

    /// The pause before the retry after `failures` failures.
    pub(crate) fn backoff(&self, failures: u32) -> Duration {
        self.inner.config.retry_backoff.delay(failures, rand::random())
    }

    /// Repeats `attempt` while it fails retriably, up to the default API timeout. What it returns
    /// after that carries the last failure.
    pub(crate) async fn retrying<T, F, Fut>(
        &self,
        api: &'static str,
        subject: &str,
        mut attempt: F,
    ) -> Result<T, RequestError>
    where
        F: FnMut() -> Fut + Send,
        Fut: Future<Output = Result<T, RequestError>> + Send,
    {
        let after = self.inner.config.default_api_timeout;
        let deadline = Instant::now() + after;
        let mut failures = 0;
        loop {
            let error = match attempt().await {
                Ok(value) => return Ok(value),
                Err(error) if !error.is_retriable() || self.is_closed() => return Err(error),
                Err(error) => error,
            };
            failures += 1;
            let pause = self.backoff(failures);
            if Instant::now() + pause >= deadline {
                return Err(RequestError::TimedOut {
                    api,
                    subject: subject.to_owned(),
                    after,
                    code: error.code(),
                    last: error.to_string(),
                });
            }
            tracing::debug!(api, subject, %error, ?pause, "retrying");
            tokio::time::sleep(pause).await;
        }
    }
}
