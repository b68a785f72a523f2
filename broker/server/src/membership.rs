//! How a node becomes a broker of its cluster, stays one, and leaves (KIP-631).
//!
//! ```text
//!   register ─▶ follow the metadata up to it ─▶ heartbeats ─▶ unfenced: serve
//!   stop ─▶ heartbeats that want to shut down ─▶ leads nothing, others know ─▶ gone
//! ```

use std::sync::Arc;
use std::time::Duration;

use broker_cluster::partition::DirState;
use broker_metadata::MetadataVersion;
use protocol::ErrorCode;
use protocol::messages::controller_registration_request::{Feature as KnownFeature, Listener};
use protocol::messages::register_broker_record::BrokerEndpoint;
use protocol::messages::{
    BrokerHeartbeatRequest, BrokerHeartbeatResponse, BrokerRegistrationResponse,
    ControllerRegistrationRequest,
};
use tokio::time::Instant;
use tracing::{debug, info, warn};
use uuid::Uuid;

use crate::broker::{StartError, commit_assumed};
use crate::controller::{Identity, features};
use crate::limits::{CONTROLLER_PATIENCE, JOIN_STEP, LEAVE_PATIENCE, LEAVE_SILENCE};
use crate::services::Services;

/// What the broker wants of the controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wants {
    Serve,
    ShutDown,
}

/// A broker that is registered and does not serve yet.
pub(crate) struct Joined {
    identity: Identity,
    /// `None`: what was known of it holds, for the metadata can't be written now.
    epoch: Option<i64>,
}

/// Registers this broker, and follows the metadata up to that.
pub(crate) async fn join(
    services: &Arc<Services>,
    identity: Identity,
) -> Result<Joined, StartError> {
    let epoch = register(services, &identity).await?;
    if let Some(epoch) = epoch {
        services.controller.until(|image| has_epoch(image, identity.node_id, epoch), FOREVER).await;
    }
    Ok(Joined { identity, epoch })
}

/// Waits until this broker, whose listeners are open, may lead and be in sync; from then on it is
/// heard of.
pub(crate) async fn begin(services: &Arc<Services>, joined: Joined) {
    let Joined { identity, epoch } = joined;
    let Some(epoch) = epoch else { return stay(services, identity, -1) };
    let mut is_told = false;
    loop {
        let answer = beat(services, epoch, Wants::Serve).await;
        let is_unfenced = |image: &broker_metadata::Image| {
            image.broker(identity.node_id).is_some_and(|own| !own.fenced)
        };
        match answer {
            Some(answer) if !answer.error_code.is_error() && !answer.is_fenced => {
                services.controller.until(is_unfenced, JOIN_STEP * 10).await;
                break;
            }
            answer => {
                if !std::mem::replace(&mut is_told, true) {
                    debug!("the controller does not let this broker serve yet: {answer:?}");
                }
                tokio::time::sleep(JOIN_STEP).await;
            }
        }
        if services.stopping.is_cancelled() {
            break;
        }
    }
    stay(services, identity, epoch);
}

/// As long as it takes.
const FOREVER: Duration = Duration::from_secs(u32::MAX as u64);

fn has_epoch(image: &broker_metadata::Image, node_id: i32, epoch: i64) -> bool {
    image.broker(node_id).is_some_and(|own| own.epoch >= epoch)
}

/// The epoch under which this broker is registered; `None`: what was known of it holds, for the
/// metadata can't be written now.
async fn register(
    services: &Arc<Services>,
    identity: &Identity,
) -> Result<Option<i64>, StartError> {
    let membership = &services.config.cluster.membership;
    let patience = u64::try_from(membership.registration_timeout_ms).unwrap_or(0);
    let deadline = Instant::now() + Duration::from_millis(patience);
    let request = identity.request();
    let mut is_told = false;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let answered = services.channel.send(services, &request, left).await;
        let problem = match answered {
            Ok(BrokerRegistrationResponse { error_code, broker_epoch, .. }) => match error_code {
                ErrorCode::None => return Ok(Some(broker_epoch)),
                ErrorCode::KafkaStorageError if services.config.is_alone() => {
                    return assume(services, identity).map(|()| None);
                }
                // The session of this broker's last run, most likely: it ends soon.
                ErrorCode::DuplicateBrokerRegistration => format!(
                    "another broker of node.id {} is heard of: where that is this one's last run, \
                     its session ends within broker.session.timeout.ms; else give this one an id \
                     of its own",
                    identity.node_id
                ),
                ErrorCode::InconsistentClusterId => {
                    return Err(StartError::Registration(format!(
                        "the controllers are of another cluster than {}, which is what \
                         meta.properties in this broker's log.dirs says",
                        identity.cluster_id
                    )));
                }
                code @ (ErrorCode::UnsupportedVersion
                | ErrorCode::InvalidRequest
                | ErrorCode::InvalidRegistration) => {
                    return Err(StartError::Registration(format!(
                        "the controller refuses it with {code}: the cluster works at a level of \
                         metadata.version that this broker does not know, or its settings can't be"
                    )));
                }
                code => format!("the controller answers {code}"),
            },
            Err(problem) => problem.to_string(),
        };
        if Instant::now() >= deadline {
            return Err(StartError::Registration(problem));
        }
        if !std::mem::replace(&mut is_told, true) {
            warn!("this broker is not registered yet: {problem}");
        }
        tokio::time::sleep(JOIN_STEP).await;
    }
}

/// A broker that has been here before can be one although it can't write that down yet.
fn assume(services: &Services, identity: &Identity) -> Result<(), StartError> {
    let image = services.image();
    let failed = |reason: String| StartError::Registration(reason);
    if image.broker(identity.node_id).is_none() {
        return Err(failed("the metadata can't be written, and this broker is new in it".into()));
    }
    warn!("this node's registration is written later: its disk takes nothing now");
    let assumed = services.controller.assume(vec![identity.assumed(&image)]);
    assumed.map_err(|problem| failed(problem.to_string()))
}

/// Tells the controller now and then that this broker is there, until it stops. One that the
/// controller does not know any more registers anew.
fn stay(services: &Arc<Services>, identity: Identity, epoch: i64) {
    let interval = services.config.cluster.membership.heartbeat_interval_ms;
    let interval = Duration::from_millis(u64::try_from(interval).unwrap_or(0).max(1));
    let beating = services.clone();
    services.tasks.spawn(async move {
        let services = beating;
        let mut epoch = epoch;
        loop {
            tokio::select! {
                () = tokio::time::sleep(interval) => {}
                () = services.stopping.cancelled() => return,
            }
            if epoch < 0 {
                // What was assumed at the start may be written by now.
                let is_written = commit_assumed(&services).await.is_ok();
                let own = services.image().broker(identity.node_id).map(|own| own.epoch);
                epoch = own.filter(|_| is_written).unwrap_or(epoch);
                continue;
            }
            let answer = beat(&services, epoch, Wants::Serve).await;
            let code = answer.as_ref().map(|answer| answer.error_code);
            let is_unknown = matches!(
                code,
                Some(ErrorCode::StaleBrokerEpoch | ErrorCode::BrokerIdNotRegistered)
            );
            if is_unknown {
                match register(&services, &identity).await {
                    Ok(Some(new)) => epoch = new,
                    Ok(None) => {}
                    Err(problem) => warn!("{problem}"),
                }
            }
        }
    });
}

/// One heartbeat; `None`: no controller answered.
async fn beat(
    services: &Arc<Services>,
    epoch: i64,
    wants: Wants,
) -> Option<BrokerHeartbeatResponse> {
    let image = services.image();
    let request = BrokerHeartbeatRequest {
        broker_id: services.config.node_id,
        broker_epoch: epoch,
        current_metadata_offset: image.end_offset() - 1,
        want_fence: false,
        want_shut_down: wants == Wants::ShutDown,
        offline_log_dirs: offline_dirs(services),
        ..BrokerHeartbeatRequest::default()
    };
    let timeout = services.config.cluster.membership.session_timeout_ms / 2;
    let timeout = Duration::from_millis(u64::try_from(timeout).unwrap_or(0));
    match services.channel.send(services, &request, timeout).await {
        Ok(answer) => Some(answer),
        Err(problem) => {
            debug!("no controller was told that this broker is there: {problem}");
            None
        }
    }
}

/// Keeps this controller in the metadata, where others find its listeners, until the node stops.
/// Nothing where it stands alone.
pub(crate) async fn stay_registered(services: Arc<Services>, endpoints: Vec<BrokerEndpoint>) {
    let id = services.config.node_id;
    let incarnation_id = Uuid::new_v4();
    let listeners = endpoints.into_iter().map(|endpoint| Listener {
        name: endpoint.name,
        host: endpoint.host,
        port: endpoint.port,
        security_protocol: endpoint.security_protocol,
    });
    let features = features().map(|(name, min, max)| KnownFeature {
        name: name.to_owned(),
        min_supported_version: min,
        max_supported_version: max,
    });
    let request = ControllerRegistrationRequest {
        controller_id: id,
        incarnation_id,
        listeners: listeners.collect(),
        features: features.collect(),
        ..ControllerRegistrationRequest::default()
    };
    let mut news = services.controller.news();
    loop {
        let image = services.image();
        let is_known =
            image.controller(id).is_some_and(|known| known.incarnation_id == incarnation_id);
        let level = image.metadata_version();
        if !is_known && level.is_some_and(MetadataVersion::has_controller_registrations) {
            match services.channel.send(&services, &request, CONTROLLER_PATIENCE).await {
                Ok(answer) if answer.error_code.is_error() => {
                    debug!("this controller is not registered yet: {}", answer.error_code);
                    tokio::time::sleep(JOIN_STEP * 10).await;
                }
                Ok(_) => {}
                Err(problem) => debug!("this controller is not registered yet: {problem}"),
            }
        }
        if news.changed().await.is_err() {
            return;
        }
    }
}

fn offline_dirs(services: &Services) -> Vec<Uuid> {
    let dirs = services.partitions.dirs().iter();
    let failed = dirs.filter(|dir| matches!(dir.state(), DirState::Failed(_)));
    failed.filter_map(|dir| dir.opened()?.properties().directory_id).collect()
}

/// Gives all that this broker leads to others, and waits until they know (KIP-841). Nothing where
/// there are no others.
pub(crate) async fn leave(services: &Arc<Services>) {
    let node_id = services.config.node_id;
    let membership = &services.config.cluster.membership;
    let image = services.image();
    let others = image.brokers().filter(|other| other.id != node_id && !other.fenced).count();
    let Some(own) = image.broker(node_id) else { return };
    if others == 0 || !membership.controlled_shutdown || !services.config.roles.broker {
        return;
    }
    let deadline = Instant::now() + LEAVE_PATIENCE;
    let mut heard_at = Instant::now();
    let mut is_told = false;
    // Where all stop at once nobody is left to let the last ones go.
    while Instant::now() < deadline && heard_at.elapsed() < LEAVE_SILENCE {
        let silence = LEAVE_SILENCE.saturating_sub(heard_at.elapsed());
        let beat = tokio::time::timeout(silence, beat(services, own.epoch, Wants::ShutDown)).await;
        let answer = beat.ok().flatten();
        if answer.is_some() {
            heard_at = Instant::now();
        }
        match answer {
            Some(answer) if answer.error_code.is_error() => break,
            Some(answer) if answer.should_shut_down => {
                info!("what this broker led is led by others");
                return;
            }
            Some(_) if !std::mem::replace(&mut is_told, true) => {
                info!("what this broker leads is given to others");
            }
            _ => {}
        }
        tokio::time::sleep(JOIN_STEP).await;
    }
    warn!("this broker stops although the controller has not let it go");
}
