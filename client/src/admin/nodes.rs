//! The cluster and what its brokers serve.

use protocol::messages::describe_cluster_request::DescribeClusterRequest;
use protocol::{ApiKey, Message as _};

use super::Admin;
use crate::cluster::TopicSelection;
use crate::error::{AdminError, RequestError};
use crate::metadata::Node;

/// A cluster and its brokers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterDescription {
    /// Its id.
    pub cluster_id: Option<String>,
    /// The broker that takes requests for the controller.
    pub controller_id: Option<i32>,
    /// Its brokers by id.
    pub brokers: Vec<Node>,
}

/// The versions of one API that a broker serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiRange {
    /// The API's number.
    pub code: i16,
    /// Which API, where this client knows it.
    pub key: Option<ApiKey>,
    /// The lowest version served.
    pub min: i16,
    /// The highest version served.
    pub max: i16,
}

impl Admin {
    /// Describes the cluster.
    pub async fn describe_cluster(&self) -> Result<ClusterDescription, AdminError> {
        let api = DescribeClusterRequest::NAME;
        let described = self.cluster.retrying(api, "the cluster", || async {
            let request = DescribeClusterRequest { endpoint_type: 1, ..Default::default() };
            let response = self.cluster.send_any(&request).await?;
            RequestError::check(api, "the cluster", response.error_code, response.error_message)?;
            let nodes = response.brokers.into_iter().filter_map(|broker| {
                let port = u16::try_from(broker.port).ok()?;
                Some(Node { id: broker.broker_id, host: broker.host, port, rack: broker.rack })
            });
            let mut brokers: Vec<Node> = nodes.collect();
            brokers.sort_by_key(|node| node.id);
            Ok(ClusterDescription {
                cluster_id: Some(response.cluster_id),
                controller_id: (response.controller_id >= 0).then_some(response.controller_id),
                brokers,
            })
        });
        match described.await {
            Err(error) if error.is_unsupported() => {
                let metadata = self.cluster.refresh(TopicSelection::None).await?.metadata;
                Ok(ClusterDescription {
                    cluster_id: metadata.cluster_id.clone(),
                    controller_id: metadata.controller_id,
                    brokers: metadata.brokers.values().cloned().collect(),
                })
            }
            described => Ok(described?),
        }
    }

    /// The APIs that a broker serves, in the order of their numbers.
    pub async fn broker_api_versions(&self, node: i32) -> Result<Vec<ApiRange>, AdminError> {
        let connection = self.cluster.retrying("ApiVersions", "a broker", || self.connection(node));
        let connection = connection.await?;
        let ranges = connection.versions().ranges().map(|(code, min, max)| ApiRange {
            code,
            key: ApiKey::from_code(code),
            min,
            max,
        });
        Ok(ranges.collect())
    }
}
