//! Changes of ISRs, asked of the controller: one request at a time, with all that came meanwhile in
//! the next.

use std::collections::HashMap;
use std::sync::Arc;

use protocol::ErrorCode;
use protocol::messages::AlterPartitionRequest;
use protocol::messages::alter_partition_request::TopicData;
use protocol::messages::alter_partition_response::{AlterPartitionResponse, PartitionData};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tracing::debug;
use uuid::Uuid;

use super::{ReplicationResources, key_of};
use crate::limits::ISR_CHANGES_TOGETHER;
use crate::limits::ISR_RETRY;
use crate::partition::Partition;
use crate::replica::{AlterIsr, IsrAnswer, PartitionKey};

/// The version of AlterPartition whose form is used: all controllers of Kafka 4 know it.
const VERSION: i16 = 3;

type Change = (Arc<Partition>, AlterIsr);

/// Asks for what is sent, until the sender is gone or replication is cancelled.
pub(super) fn start(resources: &ReplicationResources) -> UnboundedSender<Change> {
    let (sender, mut changes) = unbounded_channel();
    let cancel = resources.cancel.clone();
    let working = resources.clone();
    resources.tasks.spawn(async move {
        tokio::select! {
            () = cancel.cancelled() => {}
            () = work(&working, &mut changes) => {}
        }
    });
    sender
}

async fn work(resources: &ReplicationResources, changes: &mut UnboundedReceiver<Change>) {
    let mut together = Vec::new();
    while changes.recv_many(&mut together, ISR_CHANGES_TOGETHER).await > 0 {
        // Of a partition only the newest counts.
        let asked: HashMap<PartitionKey, Change> =
            together.drain(..).map(|change| (key_of(&change.0), change)).collect();
        let answer = resources.controller.alter(request(resources, &asked)).await;
        let failed = match answer {
            Ok(answer) => tell(&asked, &answer),
            Err(problem) => {
                debug!("the controller was not asked for ISRs of {}: {problem}", asked.len());
                tell_all(&asked, ErrorCode::NetworkException)
            }
        };
        if failed {
            // What is to be asked again is by then.
            tokio::time::sleep(ISR_RETRY).await;
            for (partition, _) in asked.values() {
                partition.on_tick();
            }
        }
    }
}

fn request(
    resources: &ReplicationResources,
    asked: &HashMap<PartitionKey, Change>,
) -> AlterPartitionRequest {
    let node = resources.surroundings.node_id();
    let epoch = resources.surroundings.image().broker(node).map_or(-1, |broker| broker.epoch);
    let mut topics: HashMap<Uuid, TopicData> = HashMap::new();
    for (key, (_, change)) in asked {
        let topic = topics.entry(key.topic_id).or_default();
        topic.topic_id = key.topic_id;
        topic.partitions.push(change.to_wire(key.partition, VERSION));
    }
    let topics = topics.into_values().collect();
    AlterPartitionRequest { broker_id: node, broker_epoch: epoch, topics }
}

/// Tells each partition what was answered; `true`: some of it is to be asked again.
fn tell(asked: &HashMap<PartitionKey, Change>, answer: &AlterPartitionResponse) -> bool {
    if answer.error_code.is_error() {
        return tell_all(asked, answer.error_code);
    }
    let mut left: HashMap<&PartitionKey, &Change> = asked.iter().collect();
    let mut failed = false;
    for topic in &answer.topics {
        for found in &topic.partitions {
            let key = PartitionKey { topic_id: topic.topic_id, partition: found.partition_index };
            let Some((partition, change)) = left.remove(&key) else { continue };
            failed |= found.error_code.is_error();
            partition.on_alter_answer(change.proposal, answer_of(found).as_ref().map_err(|it| *it));
        }
    }
    for (partition, change) in left.into_values() {
        failed = true;
        partition.on_alter_answer(change.proposal, Err(ErrorCode::UnknownServerError));
    }
    failed
}

fn answer_of(found: &PartitionData) -> Result<IsrAnswer, ErrorCode> {
    match found.error_code {
        ErrorCode::None => Ok(IsrAnswer {
            leader_epoch: found.leader_epoch,
            partition_epoch: found.partition_epoch,
            isr: found.isr.clone(),
        }),
        code => Err(code),
    }
}

fn tell_all(asked: &HashMap<PartitionKey, Change>, code: ErrorCode) -> bool {
    for (partition, change) in asked.values() {
        partition.on_alter_answer(change.proposal, Err(code));
    }
    true
}
