//! AlterReplicaLogDirs 1-2, DescribeLogDirs 1-5.
//!
//! - AlterReplicaLogDirs has this broker's replicas copied to other log dirs, beside all that is
//!   done with them (KIP-113). A partition that is not there yet is UNKNOWN_TOPIC_OR_PARTITION, and
//!   will be made in the dir that was named.
//! - DescribeLogDirs: no topics (null) means all. Each log dir is answered, with those of the
//!   topics that lie in it, and copies on their way into it; a failed one is KAFKA_STORAGE_ERROR.
//! - v4: size and free room of the volume (KIP-827) · v5: whether the dir is cordoned, which none
//!   is

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use broker_cluster::partition::{DataDir, Partition};
use broker_log::TopicPartition;
use indexmap::IndexMap;
use protocol::ErrorCode;
use protocol::messages::alter_replica_log_dirs_response::{
    AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult,
};
use protocol::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use protocol::messages::{
    AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse, DescribeLogDirsRequest,
    DescribeLogDirsResponse,
};
use tracing::warn;

use super::error::code_of_move_error;
use crate::limits::MOVES_TOLD;
use crate::request::RequestContext;
use crate::services::Services;

pub(super) async fn alter(
    _context: RequestContext,
    services: &Services,
    request: AlterReplicaLogDirsRequest,
) -> AlterReplicaLogDirsResponse {
    // Of a partition that is named many times the last log dir counts, as in Kafka.
    let mut moves: IndexMap<TopicPartition, Arc<str>> = IndexMap::new();
    for dir in request.dirs {
        let path: Arc<str> = dir.path.into();
        for topic in dir.topics {
            let name: Arc<str> = topic.name.into();
            let ids =
                topic.partitions.into_iter().map(|index| TopicPartition::new(name.clone(), index));
            moves.extend(ids.map(|id| (id, path.clone())));
        }
    }
    let (partitions, now_ms) = (services.partitions.clone(), services.now_ms());
    let moved = tokio::task::spawn_blocking(move || {
        let mut refused = 0_usize;
        let moved = moves.into_iter().map(|(id, path)| {
            let code = match partitions.move_to(&id, &path, now_ms) {
                Ok(()) => ErrorCode::None,
                Err(problem) => {
                    refused += 1;
                    if refused <= MOVES_TOLD {
                        warn!("{id} is not moved to {path}: {problem}");
                    }
                    code_of_move_error(&problem)
                }
            };
            (id, code)
        });
        let moved = moved.collect::<Vec<_>>();
        if let Some(more) = refused.checked_sub(MOVES_TOLD).filter(|more| *more > 0) {
            warn!("{more} more partitions of the same request are not moved");
        }
        moved
    });
    let mut by_topic: BTreeMap<Arc<str>, Vec<AlterReplicaLogDirPartitionResult>> = BTreeMap::new();
    for (id, error_code) in moved.await.unwrap_or_default() {
        let partition_index = id.partition;
        let result = AlterReplicaLogDirPartitionResult { partition_index, error_code };
        by_topic.entry(id.topic).or_default().push(result);
    }
    let results = by_topic.into_iter().map(|(topic, partitions)| AlterReplicaLogDirTopicResult {
        topic_name: topic.to_string(),
        partitions,
    });
    AlterReplicaLogDirsResponse {
        results: results.collect(),
        ..AlterReplicaLogDirsResponse::default()
    }
}

pub(super) async fn describe(
    _context: RequestContext,
    services: &Services,
    request: DescribeLogDirsRequest,
) -> DescribeLogDirsResponse {
    let asked = request.topics.map(|topics| {
        let mut asked: HashMap<String, HashSet<i32>> = HashMap::new();
        for topic in topics {
            asked.entry(topic.topic).or_default().extend(topic.partitions);
        }
        asked
    });
    let wanted = |topic: &str, partition: i32| match &asked {
        None => true,
        Some(asked) => asked.get(topic).is_some_and(|indexes| indexes.contains(&partition)),
    };
    let dirs = services.partitions.dirs();
    let mut by_dir: Vec<BTreeMap<String, Vec<DescribeLogDirsPartition>>> =
        vec![BTreeMap::new(); dirs.len()];
    for partition in services.partitions.all() {
        if !wanted(&partition.id.topic, partition.id.partition) {
            continue;
        }
        for (dir, described) in replicas(services, &partition) {
            let topic = partition.id.topic.to_string();
            by_dir[dir].entry(topic).or_default().push(described);
        }
    }
    let results = dirs.iter().zip(by_dir).map(|(dir, topics)| describe_dir(dir, topics));
    DescribeLogDirsResponse { results: results.collect(), ..DescribeLogDirsResponse::default() }
}

/// A partition, and its copy in another dir if there is one, with the numbers of their dirs.
fn replicas(services: &Services, partition: &Partition) -> Vec<(usize, DescribeLogDirsPartition)> {
    let partition_index = partition.id.partition;
    let known = partition.with_log(|log| (log.size_bytes(), log.log_end_offset()));
    let Ok((size, end_offset)) = known else { return Vec::new() };
    let current = DescribeLogDirsPartition {
        partition_index,
        partition_size: bytes(size),
        offset_lag: 0,
        is_future_key: false,
    };
    let mut replicas = vec![(partition.dir().number(), current)];
    if let Some(copy) = services.partitions.copy_of(&partition.id) {
        let future = DescribeLogDirsPartition {
            partition_index,
            partition_size: bytes(copy.size_bytes),
            offset_lag: (end_offset - copy.end_offset).max(0),
            is_future_key: true,
        };
        replicas.push((copy.dir, future));
    }
    replicas
}

fn describe_dir(
    dir: &DataDir,
    topics: BTreeMap<String, Vec<DescribeLogDirsPartition>>,
) -> DescribeLogDirsResult {
    let log_dir = dir.absolute_path().display().to_string();
    let failed = || DescribeLogDirsResult {
        error_code: ErrorCode::KafkaStorageError,
        log_dir: log_dir.clone(),
        ..DescribeLogDirsResult::default()
    };
    let opened = dir.opened().filter(|_| !dir.has_failed());
    let Some(opened) = opened else { return failed() };
    let space = match opened.space() {
        Ok(space) => space,
        Err(problem) => {
            dir.storage_failed(&problem);
            return failed();
        }
    };
    let topics = topics.into_iter().map(|(name, mut partitions)| {
        partitions.sort_by_key(|partition| partition.partition_index);
        DescribeLogDirsTopic { name, partitions }
    });
    DescribeLogDirsResult {
        log_dir,
        topics: topics.collect(),
        total_bytes: bytes(space.total_bytes),
        usable_bytes: bytes(space.usable_bytes),
        ..DescribeLogDirsResult::default()
    }
}

fn bytes(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
