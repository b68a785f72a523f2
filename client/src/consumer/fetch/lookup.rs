//! Finding out where to start in partitions: committed offsets, else the reset policy.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::TopicPartition;
use crate::cluster::OffsetSpec;
use crate::consumer::config::OffsetReset;
use crate::consumer::shared::Shared;
use crate::consumer::state::{Position, Seek};
use crate::error::ConsumeError;

/// A partition whose position is wanted, and the turn that it is wanted for.
pub(super) type Wanted = (TopicPartition, u64, Seek);

/// What was found.
pub(super) type Found = (TopicPartition, u64, Result<Position, ConsumeError>);

/// Looks positions up. An error that may pass is retried within, for a while.
pub(super) async fn look_up(shared: &Shared, wanted: Vec<Wanted>) -> Vec<Found> {
    let mut found = Vec::new();
    let mut specs = BTreeMap::new();
    let mut turns = BTreeMap::new();
    for (partition, turn, seek) in with_committed(shared, wanted, &mut found).await {
        match spec(shared, seek) {
            Some(spec) => {
                specs.insert(partition.clone(), spec);
                turns.insert(partition, turn);
            }
            None => {
                let error = ConsumeError::NoOffset { partition: partition.clone() };
                found.push((partition, turn, Err(error)));
            }
        }
    }
    for (partition, position) in from_log(shared, specs).await {
        let turn = turns.get(&partition).copied().unwrap_or_default();
        found.push((partition, turn, position));
    }
    found
}

/// Takes what has a committed offset into `found` and answers the rest.
async fn with_committed(
    shared: &Shared,
    wanted: Vec<Wanted>,
    found: &mut Vec<Found>,
) -> Vec<Wanted> {
    let is_wanted = |(_, _, seek): &&Wanted| *seek == Seek::Committed;
    let partitions: Vec<TopicPartition> =
        wanted.iter().filter(is_wanted).map(|(partition, ..)| partition.clone()).collect();
    if partitions.is_empty() || shared.config.group.id.is_none() {
        return wanted;
    }
    let committed = shared.committed(&partitions).await;
    let mut rest = Vec::new();
    for (partition, turn, seek) in wanted {
        if seek != Seek::Committed {
            rest.push((partition, turn, seek));
            continue;
        }
        match &committed {
            Ok(committed) => match committed.get(&partition) {
                Some(committed) => {
                    let position =
                        Position { offset: committed.offset, leader_epoch: committed.leader_epoch };
                    found.push((partition, turn, Ok(position)));
                }
                None => rest.push((partition, turn, Seek::Reset)),
            },
            Err(error) => found.push((partition, turn, Err(error.clone()))),
        }
    }
    rest
}

/// Which offset to ask the log for; `None` where the policy is to fail.
fn spec(shared: &Shared, seek: Seek) -> Option<OffsetSpec> {
    if let Seek::To(spec) = seek {
        return Some(spec);
    }
    match shared.config.offset_reset {
        OffsetReset::Earliest => Some(OffsetSpec::Earliest),
        OffsetReset::Latest => Some(OffsetSpec::Latest),
        OffsetReset::None => None,
        OffsetReset::ByDuration(age) => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let then = now.saturating_sub(age).as_millis();
            Some(OffsetSpec::Timestamp(i64::try_from(then).unwrap_or(i64::MAX)))
        }
    }
}

/// Asks the leaders. Where no record is as young as asked for, the end is meant.
async fn from_log(
    shared: &Shared,
    specs: BTreeMap<TopicPartition, OffsetSpec>,
) -> Vec<(TopicPartition, Result<Position, ConsumeError>)> {
    let isolation = shared.config.fetch.isolation;
    let mut positions = Vec::new();
    let mut beyond = BTreeMap::new();
    for (partition, answer) in shared.cluster.list_offsets(specs, isolation).await {
        match answer {
            Ok(listed) => match listed.offset {
                Some(offset) => {
                    let position = Position { offset, leader_epoch: listed.leader_epoch };
                    positions.push((partition, Ok(position)));
                }
                None => {
                    beyond.insert(partition, OffsetSpec::Latest);
                }
            },
            Err(error) => positions.push((partition, Err(error.into()))),
        }
    }
    if beyond.is_empty() {
        return positions;
    }
    for (partition, answer) in shared.cluster.list_offsets(beyond, isolation).await {
        let position = answer.map_err(ConsumeError::from).map(|listed| Position {
            offset: listed.offset.unwrap_or(0),
            leader_epoch: listed.leader_epoch,
        });
        positions.push((partition, position));
    }
    positions
}
