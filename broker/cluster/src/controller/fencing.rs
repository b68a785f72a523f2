//! Brokers of which nobody hears any more are fenced: they lead nothing and are in no ISR.

use std::sync::Arc;

use broker_metadata::{BrokerImage, MetadataRecord};
use protocol::messages::BrokerRegistrationChangeRecord;

use super::leaders::broker_leaves;
use super::{Draft, Outcome, View};

/// Changes of partitions in one decision. The broker is fenced by the last of several.
const CHANGES_AT_ONCE: usize = 10_000;

/// In a record about a broker: it is fenced, or is not any more.
pub(super) const FENCE: i8 = 1;
pub(super) const UNFENCE: i8 = -1;

/// Ends the sessions that are over. To be called at [`Liveness::next_deadline`], and again at once
/// as long as that is not later than now.
///
/// [`Liveness::next_deadline`]: super::Liveness::next_deadline
pub fn tick(view: &mut View<'_>) -> Outcome<()> {
    let mut draft = Draft::new(view.image, view.settings);
    let mut notes = Vec::new();
    let timeout_ms = view.settings.session_timeout_ms;
    let own = view.settings.own_broker;
    let watched = |broker: &&Arc<BrokerImage>| !broker.fenced && own != Some(broker.id);
    for broker in view.image.brokers().filter(watched) {
        let session = view.liveness.of_mut(broker, view.next_offset - 1);
        session.begin(view.now.elapsed_ms);
        if session.is_valid(view.now.elapsed_ms, timeout_ms) {
            continue;
        }
        let why = format!("nothing was heard of it for {timeout_ms} ms");
        notes.push(fence(&mut draft, broker, &why));
        if draft.len() >= CHANGES_AT_ONCE {
            break;
        }
    }
    Outcome { records: draft.finish(), response: (), notes }
}

/// Ends the session of a broker early. The caller has seen both pieces of evidence: the connection
/// of its heartbeats ended, at `ended_at_ms` of the monotonic clock, and its port refuses new ones,
/// twice. What is said of another registration, or of a broker that was heard of since, is not
/// evidence.
pub fn connection_refused(
    view: &mut View<'_>,
    broker_id: i32,
    broker_epoch: i64,
    ended_at_ms: i64,
) -> Outcome<()> {
    let broker = view.cluster().registered(broker_id, broker_epoch);
    let Some(broker) = broker.ok().filter(|broker| !broker.fenced) else {
        return Outcome::answer(());
    };
    let session = view.liveness.of_mut(broker, view.next_offset - 1);
    if session.was_heard_after(ended_at_ms) {
        return Outcome::answer(());
    }
    // Its process is gone, so that another one may take its id at once.
    session.end();
    let mut draft = Draft::new(view.image, view.settings);
    let why = "its connection ended, and its port refuses new ones";
    let notes = vec![fence(&mut draft, broker, why)];
    Outcome { records: draft.finish(), response: (), notes }
}

/// Moves what the broker leads, and fences it when that is done.
pub(super) fn fence(draft: &mut Draft<'_>, broker: &BrokerImage, why: &str) -> String {
    let BrokerImage { id, epoch, .. } = *broker;
    let room = CHANGES_AT_ONCE.saturating_sub(draft.len());
    let moved = broker_leaves(&draft.cluster(), id, room);
    let (changed, is_done) = (moved.len(), moved.len() < room);
    draft.extend(moved);
    if !is_done {
        return format!(
            "Broker {id} of epoch {epoch} is being fenced: {changed} partitions so far"
        );
    }
    draft.push(change(broker, FENCE));
    format!("Broker {id} of epoch {epoch} is fenced: {why}; {changed} partitions changed")
}

/// Says that a broker is fenced or is not.
pub(super) fn change(broker: &BrokerImage, fenced: i8) -> MetadataRecord {
    MetadataRecord::BrokerRegistrationChange(BrokerRegistrationChangeRecord {
        broker_id: broker.id,
        broker_epoch: broker.epoch,
        fenced,
        ..BrokerRegistrationChangeRecord::default()
    })
}
