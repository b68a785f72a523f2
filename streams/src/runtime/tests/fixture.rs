//! Starting applications of the operators' test topologies.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::record::OutputRecord;
use crate::runtime::app::Connect;
use crate::runtime::broker::Broker;
use crate::runtime::memory_cluster::MemoryCluster;
use crate::runtime::{App, AppConfig, AppError, AppHandle};
use crate::topology::Topology;

pub(crate) const APP: &str = "app";

pub(crate) fn cluster(topics: &[(&str, usize)]) -> Arc<MemoryCluster> {
    let cluster = Arc::new(MemoryCluster::default());
    topics.iter().for_each(|(topic, partitions)| cluster.create(topic, *partitions));
    cluster
}

pub(crate) fn config(state_dir: Option<&Path>) -> AppConfig {
    AppConfig {
        state_dir: state_dir.map(Path::to_path_buf),
        commit_interval: Duration::from_millis(1),
        ..AppConfig::new(APP)
    }
}

pub(crate) fn app(
    cluster: &Arc<MemoryCluster>,
    config: AppConfig,
    topology: Topology,
) -> Result<App, AppError> {
    let cluster = Arc::clone(cluster);
    let connect: Connect = Arc::new(move || Ok(Arc::new(Arc::clone(&cluster)) as Arc<dyn Broker>));
    App::with_broker(config, topology, connect)
}

pub(crate) async fn start(
    cluster: &Arc<MemoryCluster>,
    config: AppConfig,
    topology: Topology,
) -> AppHandle {
    app(cluster, config, topology).unwrap().run().await.unwrap()
}

pub(crate) fn output(key: &str, value: &str, timestamp: i64) -> OutputRecord {
    OutputRecord {
        key: Some(key.to_owned().into()),
        value: Some(value.to_owned().into()),
        timestamp,
        ..OutputRecord::default()
    }
}

/// A topic as a table: the last value of each key.
pub(crate) fn table(cluster: &MemoryCluster, topic: &str) -> BTreeMap<String, String> {
    let text = |bytes: &bytes::Bytes| String::from_utf8(bytes.to_vec()).unwrap();
    let entry = |record: crate::record::InputRecord| {
        (text(&record.key.unwrap()), record.value.as_ref().map_or_else(|| "null".to_owned(), text))
    };
    cluster.read(topic).into_iter().map(entry).collect()
}
