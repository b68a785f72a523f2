//! BrokerHeartbeat: a broker is there, says what it wants, and hears what it may do (KIP-631).
//!
//! ```text
//!   fenced ── caught up ──▶ unfenced ── wants to shut down, leads ──▶ controlled shutdown
//!     ▲                        │                                             │ leads nothing, and
//!     └──── wants a fence ─────┘── wants to shut down, leads nothing ─┐      │ all others know it
//!                                                                     ▼      ▼
//!                                                                    shut down
//! ```

use std::collections::BTreeSet;

use broker_log::print_id;
use broker_metadata::{BrokerImage, PartitionImage};
use protocol::ErrorCode;
use protocol::messages::{
    BrokerHeartbeatRequest, BrokerHeartbeatResponse, BrokerRegistrationChangeRecord,
};
use uuid::Uuid;

use super::fencing::{UNFENCE, change, fence};
use super::leaders::{broker_leaves, broker_returns, changes};
use super::liveness::Session;
use super::partition_change::Cause;
use super::{Draft, Outcome, View};

/// What a broker is, or may be from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Fenced,
    Unfenced,
    ControlledShutdown,
    ShutDown,
}

/// A heartbeat with an older epoch is refused, and changes nothing.
pub fn broker_heartbeat(
    view: &mut View<'_>,
    request: &BrokerHeartbeatRequest,
) -> Outcome<BrokerHeartbeatResponse> {
    let broker = match view.cluster().registered(request.broker_id, request.broker_epoch) {
        Ok(broker) => broker,
        Err(error_code) => {
            let response = BrokerHeartbeatResponse { error_code, ..Default::default() };
            return Outcome::answer(response);
        }
    };
    let lowest = view.liveness.lowest_active_offset(view.image);
    let session = view.liveness.of_mut(broker, view.next_offset - 1);
    session.heard(view.now.elapsed_ms, request.current_metadata_offset);
    let is_caught_up = request.current_metadata_offset >= session.registered_at;
    let leads = || {
        let cluster = super::Cluster::new(view.image, view.settings);
        cluster.partitions().any(|(_, _, partition)| partition.leader == broker.id)
    };
    let current = current(broker, session);
    let is_leaving = broker.in_controlled_shutdown;
    // A broker without a log dir can do nothing, and no record says that it has none.
    let has_dirs = broker.log_dirs.is_empty()
        || broker.log_dirs.iter().any(|dir| !request.offline_log_dirs.contains(dir));
    let request =
        &BrokerHeartbeatRequest { want_fence: request.want_fence || !has_dirs, ..request.clone() };
    let next = next(current, request, (is_caught_up, is_leaving), lowest, session, leads);
    let mut draft = Draft::new(view.image, view.settings);
    let notes = step(&mut draft, broker, current, next);
    if next == State::ControlledShutdown && draft.len() > 0 {
        let last = view.next_offset + draft.len() as i64 - 1;
        session.leaves_at.get_or_insert(last);
    }
    if matches!(next, State::Fenced | State::ShutDown) {
        session.leaves_at = None;
    }
    let mut notes: Vec<String> = notes.into_iter().collect();
    notes.extend(dirs_failed(&mut draft, broker, &request.offline_log_dirs));
    dirs_cordoned(&mut draft, broker, request.cordoned_log_dirs.as_deref());
    let response = BrokerHeartbeatResponse {
        throttle_time_ms: 0,
        error_code: ErrorCode::None,
        is_caught_up,
        is_fenced: matches!(next, State::Fenced | State::ShutDown),
        should_shut_down: next == State::ShutDown,
    };
    Outcome { records: draft.finish(), response, notes }
}

fn current(broker: &BrokerImage, session: &Session) -> State {
    match (broker.fenced, session.leaves_at) {
        (true, _) => State::Fenced,
        (false, Some(_)) if broker.in_controlled_shutdown => State::ControlledShutdown,
        (false, _) => State::Unfenced,
    }
}

fn next(
    current: State,
    request: &BrokerHeartbeatRequest,
    (is_caught_up, is_leaving): (bool, bool),
    lowest_active_offset: i64,
    session: &Session,
    leads: impl Fn() -> bool,
) -> State {
    match current {
        State::Fenced if request.want_shut_down => State::ShutDown,
        // A process that has begun to end does not come back: the next one registers anew.
        State::Fenced if !request.want_fence && is_caught_up && !is_leaving => State::Unfenced,
        State::Fenced => State::Fenced,
        State::Unfenced if request.want_fence && request.want_shut_down => State::ShutDown,
        State::Unfenced if request.want_fence => State::Fenced,
        State::Unfenced if !request.want_shut_down => State::Unfenced,
        State::Unfenced if leads() => State::ControlledShutdown,
        State::Unfenced => State::ShutDown,
        State::ControlledShutdown => {
            // A broker that does not know it yet would send clients, or fetch, where nobody is.
            let is_known = session.leaves_at.is_some_and(|at| at <= lowest_active_offset);
            match is_known && !leads() {
                true => State::ShutDown,
                false => State::ControlledShutdown,
            }
        }
        State::ShutDown => State::ShutDown,
    }
}

/// The records that bring a broker from one state to the next.
fn step(
    draft: &mut Draft<'_>,
    broker: &BrokerImage,
    current: State,
    next: State,
) -> Option<String> {
    let BrokerImage { id, epoch, .. } = *broker;
    match next {
        State::Fenced | State::ShutDown if !broker.fenced => {
            Some(fence(draft, broker, "it asked for it"))
        }
        State::Unfenced if current == State::Fenced => {
            let elected = broker_returns(&draft.cluster(), id);
            draft.push(change(broker, UNFENCE));
            draft.extend(elected);
            Some(format!("Broker {id} of epoch {epoch} is unfenced"))
        }
        State::ControlledShutdown if current != State::ControlledShutdown => {
            if !broker.in_controlled_shutdown {
                draft.push(BrokerRegistrationChangeRecord {
                    broker_id: id,
                    broker_epoch: epoch,
                    in_controlled_shutdown: 1,
                    ..BrokerRegistrationChangeRecord::default()
                });
            }
            let moved = broker_leaves(&draft.cluster(), id, usize::MAX);
            draft.extend(moved);
            Some(format!("Broker {id} of epoch {epoch} shuts down: what it leads is moved"))
        }
        _ => None,
    }
}

/// Log dirs that failed: their replicas leave (KIP-858).
fn dirs_failed(draft: &mut Draft<'_>, broker: &BrokerImage, failed: &[Uuid]) -> Option<String> {
    if !draft.cluster().level.has_directories() {
        return None;
    }
    let (failed, left): (Vec<Uuid>, Vec<Uuid>) =
        broker.log_dirs.iter().copied().partition(|dir| failed.contains(dir));
    if failed.is_empty() || left.is_empty() {
        return None;
    }
    let concerns = |partition: &PartitionImage| {
        partition.directory(broker.id).is_some_and(|dir| failed.contains(&dir))
    };
    let moved = changes(&draft.cluster(), Cause::Leaves(broker.id), concerns, usize::MAX);
    draft.extend(moved);
    draft.push(BrokerRegistrationChangeRecord {
        broker_id: broker.id,
        broker_epoch: broker.epoch,
        log_dirs: left,
        ..BrokerRegistrationChangeRecord::default()
    });
    let failed: Vec<String> = failed.iter().map(|dir| print_id(*dir)).collect();
    Some(format!("Log dirs {} of broker {} failed", failed.join(", "), broker.id))
}

/// Log dirs that take no new replicas.
fn dirs_cordoned(draft: &mut Draft<'_>, broker: &BrokerImage, cordoned: Option<&[Uuid]>) {
    let Some(cordoned) = cordoned.filter(|_| draft.cluster().level.has_cordoned_directories())
    else {
        return;
    };
    let known = broker.cordoned_log_dirs.as_deref().unwrap_or_default();
    let set = |dirs: &[Uuid]| dirs.iter().copied().collect::<BTreeSet<Uuid>>();
    if set(cordoned) != set(known) {
        draft.push(BrokerRegistrationChangeRecord {
            broker_id: broker.id,
            broker_epoch: broker.epoch,
            cordoned_log_dirs: Some(cordoned.to_vec()),
            ..BrokerRegistrationChangeRecord::default()
        });
    }
}
