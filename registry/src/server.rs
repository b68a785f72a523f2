//! A running registry: the reader of its topic and its listener.

use std::net::SocketAddr;
use std::sync::Arc;

use client::{Admin, ClientConfig};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::{Duration, timeout};
use tokio_util::sync::CancellationToken;

use crate::RegistryConfig;
use crate::api::{Services, serve};
use crate::compat::Level;
use crate::service::Rules;
use crate::store::{OpenError, Store, follow, open};
use crate::words::Worded as _;

/// Why a registry did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the registry cannot listen on {address}: {source}")]
    Listen { address: String, source: std::io::Error },
    #[error(
        "\"{0}\" is no compatibility level; it is one of none, backward, forward, full, \
         backward_transitive, forward_transitive and full_transitive"
    )]
    Level(String),
    #[error("the registry's topic {topic} cannot be used: {source}")]
    Topic { topic: String, source: OpenError },
    #[error("the registry's topic {topic} was not read to its end in time")]
    Timeout { topic: String },
}

/// A handle to the registry; dropping it leaves the registry running until the runtime ends.
#[derive(Debug)]
pub struct Registry {
    address: SocketAddr,
    stop: CancellationToken,
    reader: JoinHandle<()>,
    server: JoinHandle<()>,
    services: Shared,
}

/// What handlers share, without a form to print.
struct Shared(Arc<Services>);

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Services")
    }
}

/// How long a shutdown waits for requests that are being answered.
const GRACE: Duration = Duration::from_secs(5);

/// Starts a registry: creates its topic if there is none, reads it to the end, then listens.
pub async fn start(config: RegistryConfig, client: ClientConfig) -> Result<Registry, StartError> {
    let default_level = Level::of_word(&config.compatibility_level)
        .ok_or_else(|| StartError::Level(config.compatibility_level.clone()))?;
    let rules = Rules {
        default_level,
        mode_mutability: config.mode_mutability,
        search_limit: config.schema_search_max_limit,
    };
    let listener = TcpListener::bind(&config.listener)
        .await
        .and_then(|listener| Ok((listener.local_addr()?, listener)));
    let (address, listener) = listener.map_err(|source| {
        let address = config.listener.clone();
        StartError::Listen { address, source }
    })?;
    let wrong_topic = |source| StartError::Topic { topic: config.topic.clone(), source };
    let late = || StartError::Timeout { topic: config.topic.clone() };
    let opened = timeout(config.init_timeout, open(&config, &client));
    let (journal, consumer) = opened.await.map_err(|_| late())?.map_err(wrong_topic)?;
    let admin = Admin::new(client.named("schema-registry")).map_err(|e| wrong_topic(e.into()))?;
    let store = Store::new(Box::new(journal));
    let services = Arc::new(Services { store, rules, admin: Some(admin) });
    let stop = CancellationToken::new();
    let reader = tokio::spawn(follow(Arc::clone(&services), consumer, stop.clone()));
    let caught_up = timeout(config.init_timeout, services.store.catch_up()).await;
    match caught_up {
        Ok(Ok(())) => {}
        failed => {
            stop.cancel();
            let _ = reader.await;
            return Err(match failed {
                Ok(Err(error)) => wrong_topic(error.into()),
                _ => late(),
            });
        }
    }
    if let Err(error) = services.store.keep_highest_ids().await {
        tracing::warn!(%error, "the highest ids could not be kept; the next change tries again");
    }
    let serving = serve(listener, Arc::clone(&services), stop.clone());
    let server = tokio::spawn(async move {
        if let Err(error) = serving.await {
            tracing::error!(%error, "the registry's listener failed");
        }
    });
    tracing::info!(%address, topic = config.topic, "the schema registry is ready");
    Ok(Registry { address, stop, reader, server, services: Shared(services) })
}

impl Registry {
    /// Where it really listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where clients find it.
    pub fn url(&self) -> String {
        let ip = self.address.ip();
        let host = if ip.is_unspecified() { "127.0.0.1".into() } else { ip.to_string() };
        let host = if ip.is_ipv6() && !ip.is_unspecified() { format!("[{host}]") } else { host };
        format!("http://{host}:{}", self.address.port())
    }

    /// Takes no more requests, finishes those that run, and closes its clients.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        if timeout(GRACE, &mut self.server).await.is_err() {
            tracing::warn!("a client kept its connection open; it is closed now");
            self.server.abort();
        }
        let _ = self.reader.await;
        let _ = timeout(GRACE, self.services.0.store.close()).await;
        if let Some(admin) = &self.services.0.admin {
            admin.close().await;
        }
    }
}
