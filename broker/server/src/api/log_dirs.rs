//! DescribeLogDirs 1-5.
//!
//! - No topics (null) means all. Each log dir is answered, with those of the topics that lie in it.
//! - v4: size and free room of the volume (KIP-827) · v5: whether the dir is cordoned, which none
//!   is

use std::collections::BTreeMap;

use protocol::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use protocol::messages::{DescribeLogDirsRequest, DescribeLogDirsResponse};
use tracing::warn;

use crate::dispatch::RequestContext;
use crate::services::Services;

pub(super) async fn describe(
    _context: RequestContext,
    services: &Services,
    request: DescribeLogDirsRequest,
) -> DescribeLogDirsResponse {
    let wanted = |topic: &str, partition: i32| match &request.topics {
        None => true,
        Some(topics) => {
            topics.iter().any(|asked| asked.topic == topic && asked.partitions.contains(&partition))
        }
    };
    let mut by_dir: Vec<BTreeMap<String, Vec<DescribeLogDirsPartition>>> =
        vec![BTreeMap::new(); services.partitions.dirs().len()];
    for partition in services.partitions.all() {
        let (topic, partition_index) = (&partition.id.topic, partition.id.partition);
        if !wanted(topic, partition_index) {
            continue;
        }
        let Ok(size) = partition.with_log(|log| log.size_bytes()) else { continue };
        by_dir[partition.log_dir].entry(topic.to_string()).or_default().push(
            DescribeLogDirsPartition {
                partition_index,
                partition_size: i64::try_from(size).unwrap_or(i64::MAX),
                offset_lag: 0,
                is_future_key: false,
            },
        );
    }
    let results = services.partitions.dirs().iter().zip(by_dir).map(|(dir, topics)| {
        let space = dir.space().inspect_err(|problem| warn!("{problem}")).ok();
        let bytes = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let topics = topics.into_iter().map(|(name, mut partitions)| {
            partitions.sort_by_key(|partition| partition.partition_index);
            DescribeLogDirsTopic { name, partitions }
        });
        DescribeLogDirsResult {
            log_dir: dir.path().display().to_string(),
            topics: topics.collect(),
            total_bytes: space.map_or(-1, |space| bytes(space.total_bytes)),
            usable_bytes: space.map_or(-1, |space| bytes(space.usable_bytes)),
            ..DescribeLogDirsResult::default()
        }
    });
    DescribeLogDirsResponse { results: results.collect(), ..DescribeLogDirsResponse::default() }
}
