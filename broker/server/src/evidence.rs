//! Brokers that are gone for sure, told from those that are slow, paused or cut off.
//!
//! A session ends early on two pieces of evidence together: the controller has no connection by
//! which it hears of the broker, and the broker's port refuses connections. The first is so when
//! that connection has ended, when the controller has just been elected and was not heard of yet,
//! and when another run of the broker asks to be registered. The second says that the broker's
//! machine answers and nobody listens there. The port is asked twice, so that a process that is
//! just being replaced is not taken for gone by the one moment in which nobody listens.

use std::sync::Arc;
use std::time::Duration;

use broker_cluster::controller::connection_refused;
use tokio::net::TcpStream;
use tracing::debug;

use crate::services::Services;

/// Between the two looks.
const SECOND_LOOK: Duration = Duration::from_millis(50);
/// A machine that does not answer by then is not one that refuses.
const LOOK: Duration = Duration::from_millis(500);

/// Looks at all brokers of which a controller that has just been elected has not heard.
pub(crate) fn newly_elected(services: &Arc<Services>) {
    let image = services.image();
    let own = services.config.node_id;
    let others = image.brokers().filter(|broker| !broker.fenced && broker.id != own);
    for broker in others {
        look(services, broker.id, broker.epoch);
    }
}

/// Looks at the broker that has an id which another run wants.
pub(crate) fn id_is_wanted(services: &Arc<Services>, broker: i32) {
    if let Some(known) = services.image().broker(broker) {
        look(services, broker, known.epoch);
    }
}

/// The connection by which a broker was heard of may have ended: where nobody listens on its port
/// either, its session is over.
pub(crate) fn look(services: &Arc<Services>, broker: i32, epoch: i64) {
    if services.stopping.is_cancelled() || !services.controller.is_active() {
        return;
    }
    let (looking, ended_at_ms) = (services.clone(), services.elapsed_ms());
    services.tasks.spawn(async move {
        let services = looking;
        if !refuses(&services, broker, epoch).await {
            return;
        }
        tokio::time::sleep(SECOND_LOOK).await;
        if !refuses(&services, broker, epoch).await {
            return;
        }
        let decided = services
            .controller
            .decide(move |view| connection_refused(view, broker, epoch, ended_at_ms));
        if let Err(problem) = decided.await {
            debug!("broker {broker} was not fenced: {problem}");
        }
    });
}

/// Whether the broker is the one that is known, and nobody listens where it is reached.
async fn refuses(services: &Services, broker: i32, epoch: i64) -> bool {
    let image = services.image();
    let Some(known) = image.broker(broker).filter(|known| known.epoch == epoch && !known.fenced)
    else {
        return false;
    };
    let listener = &services.config.listeners.inter_broker;
    let Some(endpoint) = known.endpoint(listener).or_else(|| known.endpoints.first()) else {
        return false;
    };
    let connecting = TcpStream::connect((endpoint.host.as_str(), endpoint.port));
    match tokio::time::timeout(LOOK, connecting).await {
        Ok(Err(problem)) => problem.kind() == std::io::ErrorKind::ConnectionRefused,
        Ok(Ok(_)) | Err(_) => false,
    }
}
