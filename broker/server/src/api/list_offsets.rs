//! ListOffsets 1-11.
//!
//! - Times below zero ask for places: -1 the end (high watermark or last stable offset), -2 the
//!   start, -3 the record with the greatest time (v7, KIP-734), -4 the start of the local log (v8,
//!   KIP-405), -5 the end of the tiered log (v9, KIP-1005), -6 the first offset not yet tiered
//!   (v11). Nothing is tiered here: -4 is -2, -5 and -6 are unknown. In a version before its own a
//!   place is UNSUPPORTED_VERSION.
//! - A broker that follows gets the end of the log as the end.
//! - Any other time asks for the first record at or after it; -1 as offset where there is none.

use std::collections::{HashMap, HashSet};

use broker_cluster::off_sockets::off_sockets;
use broker_cluster::partition::{Isolation, Marks, Partition};
use broker_metadata::Image;
use protocol::ErrorCode;
use protocol::messages::list_offsets_request::ListOffsetsPartition;
use protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use protocol::messages::{ListOffsetsRequest, ListOffsetsResponse};

use super::error::{code_of_fetch_error, code_of_leadership_error};
use crate::request::RequestContext;
use crate::services::Services;

/// The first version that has room for leader epochs.
const EPOCH_FROM: i16 = 4;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;
const EARLIEST_PENDING_UPLOAD: i64 = -6;

pub(super) async fn handle(
    context: RequestContext,
    services: &Services,
    request: ListOffsetsRequest,
) -> ListOffsetsResponse {
    let image = services.image();
    let reader = match request.replica_id {
        0.. => Reader::Follower,
        _ => Reader::Client(Isolation::from_wire(request.isolation_level)),
    };
    let mut seen: HashMap<(&str, i32), usize> = HashMap::new();
    for topic in &request.topics {
        for partition in &topic.partitions {
            *seen.entry((&topic.name, partition.partition_index)).or_default() += 1;
        }
    }
    let mut refused = HashSet::new();
    let mut topics: Vec<ListOffsetsTopicResponse> = Vec::new();
    for topic in &request.topics {
        let mut partitions: Vec<ListOffsetsPartitionResponse> = Vec::new();
        for asked in &topic.partitions {
            let index = asked.partition_index;
            let result = if seen[&(topic.name.as_str(), index)] > 1 {
                if !refused.insert((topic.name.as_str(), index)) {
                    continue;
                }
                Err(ErrorCode::InvalidRequest)
            } else {
                look_up(services, &image, &topic.name, asked, (reader, context.version))
            };
            partitions.push(respond(index, result, context.version));
        }
        topics.push(ListOffsetsTopicResponse { name: topic.name.clone(), partitions });
    }
    ListOffsetsResponse { topics, ..ListOffsetsResponse::default() }
}

/// Who asks, for whom logs end at different offsets.
#[derive(Clone, Copy)]
enum Reader {
    Client(Isolation),
    Follower,
}

impl Reader {
    fn upper_bound(self, marks: Marks) -> i64 {
        match self {
            Self::Client(isolation) => marks.upper_bound(isolation),
            Self::Follower => marks.log_end_offset,
        }
    }
}

/// A place in a log; the default is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    timestamp: i64,
    offset: i64,
    leader_epoch: i32,
}

const NOWHERE: Place = Place { timestamp: -1, offset: -1, leader_epoch: -1 };

fn respond(
    partition_index: i32,
    result: Result<Place, ErrorCode>,
    version: i16,
) -> ListOffsetsPartitionResponse {
    let (place, error_code) = match result {
        Ok(place) => (place, ErrorCode::None),
        Err(code) => (NOWHERE, code),
    };
    ListOffsetsPartitionResponse {
        partition_index,
        error_code,
        timestamp: place.timestamp,
        offset: place.offset,
        leader_epoch: if version >= EPOCH_FROM { place.leader_epoch } else { -1 },
    }
}

fn look_up(
    services: &Services,
    image: &Image,
    topic: &str,
    asked: &ListOffsetsPartition,
    (reader, version): (Reader, i16),
) -> Result<Place, ErrorCode> {
    if image.topic(topic).is_none() {
        return Err(ErrorCode::UnknownTopicOrPartition);
    }
    let partition = services.partitions.find(topic, asked.partition_index);
    let partition = partition.map_err(|error| code_of_leadership_error(&error))?;
    partition
        .check_leader(asked.current_leader_epoch)
        .map_err(|error| code_of_leadership_error(&error))?;
    let since = match asked.timestamp {
        MAX_TIMESTAMP => 7,
        EARLIEST_LOCAL => 8,
        LATEST_TIERED => 9,
        EARLIEST_PENDING_UPLOAD => 11,
        other if other < EARLIEST_PENDING_UPLOAD => i16::MAX,
        _ => 0,
    };
    if version < since {
        return Err(ErrorCode::UnsupportedVersion);
    }
    let marks = partition.marks().map_err(|error| code_of_leadership_error(&error))?;
    match asked.timestamp {
        LATEST => Ok(Place {
            offset: reader.upper_bound(marks),
            leader_epoch: partition.leader_epoch(),
            ..NOWHERE
        }),
        EARLIEST | EARLIEST_LOCAL => start(&partition, marks),
        LATEST_TIERED | EARLIEST_PENDING_UPLOAD => Ok(NOWHERE),
        time => by_time(&partition, time, reader.upper_bound(marks)),
    }
}

fn start(partition: &Partition, marks: Marks) -> Result<Place, ErrorCode> {
    let offset = marks.log_start_offset;
    let epoch = partition.with_log(|log| log.epoch_at(offset).or_else(|| log.latest_epoch()));
    let epoch = epoch.map_err(|error| code_of_leadership_error(&error))?;
    Ok(Place { offset, leader_epoch: epoch.unwrap_or_else(|| partition.leader_epoch()), ..NOWHERE })
}

/// Reads from disk and decompresses: no work for a thread that serves sockets.
fn by_time(partition: &Partition, time: i64, upper_bound: i64) -> Result<Place, ErrorCode> {
    let found = off_sockets(|| match time {
        MAX_TIMESTAMP => partition.first_with_largest_time(),
        time => partition.first_at_or_after(time),
    });
    let found = found.map_err(|error| code_of_fetch_error(&error))?;
    let found = found.filter(|record| record.offset < upper_bound);
    Ok(found.map_or(NOWHERE, |record| Place {
        timestamp: record.timestamp,
        offset: record.offset,
        leader_epoch: record.leader_epoch,
    }))
}
