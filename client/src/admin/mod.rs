//! Administration: topics, configurations, groups, offsets, log folders.
//!
//! Calls about several items answer for each of them; the outer error is for what concerns the
//! call as a whole. Requests are repeated while the cluster says that another broker is in charge
//! or that it is busy, up to `default.api.timeout.ms`.

mod configs;
mod group_offsets;
mod groups;
mod logs;
mod nodes;
mod partitions;
mod topics;

use std::collections::BTreeMap;

use protocol::{ErrorCode, Request};

pub use self::configs::{
    AlterConfigOp, ConfigEntry, ConfigResource, ConfigSource, ConfigSynonym, ConfigType,
    DescribeConfigs, ResourceType,
};
pub use self::group_offsets::{CommittedOffset, OffsetToCommit};
pub use self::groups::{GroupDescription, GroupListing, MemberDescription};
pub use self::logs::{LogDirDescription, ReplicaInfo};
pub use self::nodes::{ApiRange, ClusterDescription};
pub use self::partitions::{ElectionType, Reassignment};
pub use self::topics::{
    CreatedTopic, NewPartitions, NewTopic, PartitionDescription, Placement, TopicDescription,
    TopicListing,
};
use crate::cluster::{Cluster, TopicSelection};
use crate::config::ClientConfig;
use crate::error::{AdminError, ConfigError, RequestError};

/// One result per item asked for.
pub type PerItem<K, T> = BTreeMap<K, Result<T, AdminError>>;

/// An administrative client; clones share connections.
#[derive(Debug, Clone)]
pub struct Admin {
    cluster: Cluster,
}

impl Admin {
    /// A client that connects when it is first used.
    pub fn new(config: ClientConfig) -> Result<Self, ConfigError> {
        Ok(Self { cluster: Cluster::new(config)? })
    }

    /// The cluster beneath, for requests that have no method here.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Closes all connections.
    pub async fn close(&self) {
        self.cluster.close().await;
    }

    /// Sends to the controller until an answer has no code of `codes` that asks to try again.
    async fn on_controller<R: Request>(
        &self,
        subject: &str,
        request: &R,
        codes: impl Fn(&R::Response) -> Vec<ErrorCode> + Send + Sync,
    ) -> Result<R::Response, RequestError> {
        let attempt = || async {
            let response = self.cluster.send_controller(request).await?;
            let again = codes(&response).into_iter().find(|code| is_about_controller(*code));
            if let Some(code) = again {
                self.cluster.refresh(TopicSelection::None).await?;
                RequestError::check(R::NAME, subject, code, None)?;
            }
            Ok(response)
        };
        self.cluster.retrying(R::NAME, subject, attempt).await
    }

    /// `request.timeout.ms` as requests carry it.
    fn timeout_ms(&self) -> i32 {
        i32::try_from(self.cluster.config().request_timeout.as_millis()).unwrap_or(i32::MAX)
    }
}

fn is_about_controller(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::NotController | ErrorCode::CoordinatorLoadInProgress)
}

/// `value` unless the code says otherwise.
fn item<T>(
    api: &'static str,
    subject: &str,
    code: ErrorCode,
    message: Option<String>,
    value: T,
) -> Result<T, AdminError> {
    RequestError::check(api, subject, code, message)?;
    Ok(value)
}

/// Adds an error for each wanted item that the response forgot.
fn complete<K: Ord + Clone + ToString, T>(
    api: &'static str,
    wanted: impl IntoIterator<Item = K>,
    results: &mut PerItem<K, T>,
) {
    for key in wanted {
        let subject = key.to_string();
        let missing = || Err(AdminError::MissingInResponse { api, subject });
        results.entry(key).or_insert_with(missing);
    }
}
