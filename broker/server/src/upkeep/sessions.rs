//! What the active controller does by itself: brokers that are not heard of are fenced, and
//! partitions go back to their preferred leaders.

use std::sync::Arc;

use broker_cluster::controller::{self as rules, Outcome, View};
use tracing::debug;

use crate::evidence;
use crate::limits::{SESSION_TICK, UNCLEAN_INTERVAL_MS};
use crate::services::Services;

/// Works until the broker stops.
pub(super) async fn run(services: Arc<Services>) {
    let membership = services.config.cluster.membership.clone();
    let check = membership.leader_imbalance_check_interval_ms;
    let mut balanced_at = services.elapsed_ms();
    let mut elected_at = balanced_at;
    let mut is_active = false;
    let mut leader = services.controller.quorum().leader();
    loop {
        tokio::select! {
            () = tokio::time::sleep(SESSION_TICK) => {}
            // A controller that was elected looks at once.
            changed = leader.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            () = services.stopping.cancelled() => return,
        }
        let was_active = std::mem::replace(&mut is_active, services.controller.is_active());
        if !is_active {
            continue;
        }
        if !was_active {
            evidence::newly_elected(&services);
        }
        let now_ms = services.elapsed_ms();
        again_and_again(&services, rules::tick).await;
        if now_ms.saturating_sub(elected_at) >= UNCLEAN_INTERVAL_MS {
            elected_at = now_ms;
            again_and_again(&services, rules::elect_unclean_leaders).await;
        }
        if membership.auto_leader_rebalance && now_ms.saturating_sub(balanced_at) >= check {
            balanced_at = now_ms;
            again_and_again(&services, rules::rebalance_leaders).await;
        }
    }
}

/// Decides until there is nothing left to do: each decision makes a part of a large change.
async fn again_and_again(
    services: &Services,
    rule: impl Fn(&mut View<'_>) -> Outcome<()> + Copy + Send + 'static,
) {
    loop {
        let decided = services.controller.decide(move |view| {
            let Outcome { records, response: (), notes } = rule(view);
            let response = !records.is_empty();
            Outcome { records, response, notes }
        });
        match decided.await {
            Ok(true) => {}
            Ok(false) => return,
            Err(problem) => {
                debug!("nothing was decided: {problem}");
                return;
            }
        }
    }
}
