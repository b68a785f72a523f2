//! Connectors on a broker, and with a registry, in the same process.

mod avro;
mod files;
mod kills;
mod producers;
mod topics;

use std::time::Duration;

use connect::{ConnectorConfig, OffsetStorage, Worker, WorkerConfig};
use testkit::Cluster;

/// A worker that keeps its positions in a topic and remembers them as often as it can.
fn worker(converters: &[(&str, &str)]) -> WorkerConfig {
    let mut config = WorkerConfig::new(converters.iter().copied());
    config.offset_flush_interval = Duration::ZERO;
    assert!(matches!(config.offsets, OffsetStorage::Topic { .. }));
    config
}

async fn run(cluster: &Cluster, worker: &WorkerConfig, connector: ConnectorConfig) -> Worker {
    let started = connect::start(worker.clone(), vec![connector], cluster.client.clone()).await;
    started.expect("a worker")
}
