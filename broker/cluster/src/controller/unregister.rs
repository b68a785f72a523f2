//! UnregisterBroker: a broker that will not come back is forgotten.

use broker_metadata::PartitionImage;
use protocol::ErrorCode;
use protocol::messages::{
    UnregisterBrokerRecord, UnregisterBrokerRequest, UnregisterBrokerResponse,
};

use super::leaders::changes;
use super::partition_change::Cause;
use super::{Draft, Outcome, View};

/// Its replicas stay assigned to it, as in Kafka: they are moved by a reassignment.
pub fn unregister_broker(
    view: &mut View<'_>,
    request: &UnregisterBrokerRequest,
) -> Outcome<UnregisterBrokerResponse> {
    let id = request.broker_id;
    let Some(broker) = view.image.broker(id) else {
        return Outcome::answer(UnregisterBrokerResponse {
            error_code: ErrorCode::BrokerIdNotRegistered,
            error_message: Some(format!("Broker ID {id} is not currently registered")),
            ..Default::default()
        });
    };
    let mut draft = Draft::new(view.image, view.settings);
    let concerns = |partition: &PartitionImage| {
        partition.isr.contains(&id) || partition.eligible_leader_replicas.contains(&id)
    };
    let moved = changes(&draft.cluster(), Cause::Leaves(id), concerns, usize::MAX);
    draft.extend(moved);
    draft.push(UnregisterBrokerRecord { broker_id: id, broker_epoch: broker.epoch });
    view.liveness.forget(id);
    let notes = vec![format!("Broker {id} of epoch {} is unregistered", broker.epoch)];
    Outcome { records: draft.finish(), response: UnregisterBrokerResponse::default(), notes }
}
