//! AllocateProducerIds: a broker gets ids that no other one has had (KIP-730).

use protocol::ErrorCode;
use protocol::messages::{
    AllocateProducerIdsRequest, AllocateProducerIdsResponse, ProducerIdsRecord,
};

use super::{Outcome, View};

/// Ids that a broker gets at once.
const BLOCK: i32 = 1_000;

/// The log holds where the next block begins, so that what a broker has left of its block when it
/// ends is given to nobody.
pub fn allocate_producer_ids(
    view: &mut View<'_>,
    request: &AllocateProducerIdsRequest,
) -> Outcome<AllocateProducerIdsResponse> {
    let refuse = |error_code: ErrorCode| {
        Outcome::answer(AllocateProducerIdsResponse { error_code, ..Default::default() })
    };
    if let Err(code) = view.cluster().registered(request.broker_id, request.broker_epoch) {
        return refuse(code);
    }
    let first = view.image.next_producer_id();
    let Some(next_producer_id) = first.checked_add(i64::from(BLOCK)) else {
        let notes = vec!["All producer ids are used up".to_owned()];
        return Outcome { notes, ..refuse(ErrorCode::UnknownServerError) };
    };
    let record = ProducerIdsRecord {
        broker_id: request.broker_id,
        broker_epoch: request.broker_epoch,
        next_producer_id,
    };
    let response = AllocateProducerIdsResponse {
        producer_id_start: first,
        producer_id_len: BLOCK,
        ..Default::default()
    };
    Outcome { records: vec![record.into()], ..Outcome::answer(response) }
}
