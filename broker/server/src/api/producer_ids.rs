//! InitProducerId 0-5, DescribeProducers 0.
//!
//! - A producer without a transactional id gets a fresh id at epoch 0; ids are never given twice,
//!   also after a crash.
//! - A transactional id is refused: there are no transactions yet. The code is the one of
//!   FindCoordinator, where all clients ask first, with a sentence. What Kafka refuses before it
//!   (an empty id, an impossible timeout, an id without an epoch) is refused alike.

use std::sync::Arc;

use protocol::ErrorCode;
use protocol::messages::describe_producers_response::{
    PartitionResponse, ProducerState, TopicResponse,
};
use protocol::messages::{
    DescribeProducersRequest, DescribeProducersResponse, InitProducerIdRequest,
    InitProducerIdResponse,
};
use tracing::error;

use super::error::{code_of_leadership_error, code_of_no_producer_id};
use super::refused::NO_TRANSACTIONS;
use super::repeats::partitions_once;
use crate::request::RequestContext;
use crate::services::Services;

pub(super) async fn init(
    _context: RequestContext,
    services: &Arc<Services>,
    request: InitProducerIdRequest,
) -> InitProducerIdResponse {
    let refuse = |error_code| InitProducerIdResponse {
        error_code,
        producer_id: -1,
        producer_epoch: -1,
        ..InitProducerIdResponse::default()
    };
    if (request.producer_id < 0) != (request.producer_epoch < 0) {
        return refuse(ErrorCode::InvalidRequest);
    }
    if let Some(transactional_id) = &request.transactional_id {
        let timeout = i64::from(request.transaction_timeout_ms);
        return refuse(if transactional_id.is_empty() {
            ErrorCode::InvalidRequest
        } else if timeout <= 0 || timeout > services.config.transaction_max_timeout_ms {
            ErrorCode::InvalidTransactionTimeout
        } else {
            NO_TRANSACTIONS
        });
    }
    match services.producer_ids.next(services).await {
        Ok(producer_id) => InitProducerIdResponse {
            producer_id,
            producer_epoch: 0,
            ..InitProducerIdResponse::default()
        },
        Err(problem) => {
            error!("no producer ids could be taken: {problem}");
            refuse(code_of_no_producer_id(&problem))
        }
    }
}

pub(super) async fn describe(
    _context: RequestContext,
    services: &Services,
    request: DescribeProducersRequest,
) -> DescribeProducersResponse {
    let asked = request.topics.into_iter().map(|topic| (topic.name, topic.partition_indexes));
    let topics = partitions_once(asked).into_iter().map(|(name, partition_indexes)| {
        let partitions = partition_indexes.iter().map(|partition_index| {
            match producers(services, &name, *partition_index) {
                Ok(active_producers) => PartitionResponse {
                    partition_index: *partition_index,
                    active_producers,
                    ..PartitionResponse::default()
                },
                Err(error_code) => PartitionResponse {
                    partition_index: *partition_index,
                    error_code,
                    error_message: Some(error_code.message().to_owned()),
                    ..PartitionResponse::default()
                },
            }
        });
        let partitions = partitions.collect();
        TopicResponse { name, partitions }
    });
    DescribeProducersResponse { topics: topics.collect(), ..DescribeProducersResponse::default() }
}

fn producers(
    services: &Services,
    topic: &str,
    index: i32,
) -> Result<Vec<ProducerState>, ErrorCode> {
    let partition = services.partitions.find(topic, index);
    let partition = partition.map_err(|error| code_of_leadership_error(&error))?;
    let active =
        partition.check_leader(-1).and_then(|()| partition.with_log(|log| log.active_producers()));
    let active = active.map_err(|error| code_of_leadership_error(&error))?;
    let states = active.iter().map(|producer| ProducerState {
        producer_id: producer.producer_id,
        producer_epoch: i32::from(producer.producer_epoch),
        last_sequence: producer.last_sequence,
        last_timestamp: producer.last_timestamp,
        coordinator_epoch: producer.coordinator_epoch,
        current_txn_start_offset: producer.current_transaction_start_offset,
    });
    Ok(states.collect())
}
