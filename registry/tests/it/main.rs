//! The registry on a broker in the same process.

mod durable;

use registry::{Registry, RegistryConfig};
use testkit::Cluster;

async fn start(cluster: &Cluster) -> Registry {
    let listener = "127.0.0.1:0".to_owned();
    let config = RegistryConfig { listener, ..RegistryConfig::default() };
    registry::start(config, cluster.client.clone()).await.expect("a registry")
}
