//! The registry on a broker in the same process.

mod durable;

use std::path::Path;
use std::sync::Arc;

use broker_server::{Broker, BrokerConfig};
use client::{ClientConfig, MemoryConnector};
use registry::{Registry, RegistryConfig};

/// A broker and the way to it.
struct Cluster {
    broker: Arc<Broker>,
    client: ClientConfig,
}

impl Cluster {
    async fn start(dir: &Path) -> Self {
        let log_dirs = dir.display().to_string();
        let config = BrokerConfig::from_pairs([
            ("node.id", "1"),
            ("listeners", "PLAINTEXT://127.0.0.1:0"),
            ("log.dirs", log_dirs.as_str()),
        ]);
        let broker = Broker::start(config.expect("a valid config")).await.expect("a broker");
        let broker = Arc::new(broker);
        let inside = Arc::downgrade(&broker);
        let connector = MemoryConnector::new(move || match inside.upgrade() {
            Some(broker) => Ok(broker.connect_memory()),
            None => Err(std::io::Error::from(std::io::ErrorKind::NotConnected)),
        });
        Self { broker, client: ClientConfig::memory(connector) }
    }

    async fn registry(&self) -> Registry {
        let listener = "127.0.0.1:0".to_owned();
        let config = RegistryConfig { listener, ..RegistryConfig::default() };
        registry::start(config, self.client.clone()).await.expect("a registry")
    }

    async fn stop(self) {
        let broker = Arc::into_inner(self.broker).expect("nobody else holds the broker");
        broker.shutdown().await.expect("closed in order");
    }
}
