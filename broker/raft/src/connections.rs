//! Which nodes a request may be sent to: one at a time each, and none soon after a failure.

use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug)]
enum State {
    InFlight { correlation: u64, until: i64 },
    BackingOff { until: i64 },
}

/// By node id. A node that is not in the map is ready.
#[derive(Debug)]
pub(crate) struct Connections {
    states: BTreeMap<i32, State>,
    request_timeout_ms: i64,
    retry_backoff_ms: i64,
    next_correlation: u64,
}

impl Connections {
    pub(crate) fn new(request_timeout_ms: i64, retry_backoff_ms: i64) -> Self {
        let states = BTreeMap::new();
        Self { states, request_timeout_ms, retry_backoff_ms, next_correlation: 0 }
    }

    /// Forgets all requests: their responses will be ignored.
    pub(crate) fn reset_all(&mut self) {
        self.states.clear();
    }

    pub(crate) fn reset(&mut self, node: i32) {
        self.states.remove(&node);
    }

    /// Notes a request and gives its correlation, which no other request has.
    pub(crate) fn sent(&mut self, node: i32, now: i64) -> u64 {
        self.next_correlation += 1;
        let correlation = self.next_correlation;
        let until = now + self.request_timeout_ms;
        self.states.insert(node, State::InFlight { correlation, until });
        correlation
    }

    pub(crate) fn is_expected(&self, node: i32, response_to: u64) -> bool {
        matches!(
            self.states.get(&node),
            Some(State::InFlight { correlation, .. }) if *correlation == response_to
        )
    }

    /// Notes what became of a request, if it is still waited for.
    pub(crate) fn finished(&mut self, node: i32, correlation: u64, success: bool, now: i64) {
        if !self.is_expected(node, correlation) {
            return;
        }
        if success {
            self.reset(node);
        } else {
            let until = now + self.retry_backoff_ms;
            self.states.insert(node, State::BackingOff { until });
        }
    }

    pub(crate) fn is_ready(&mut self, node: i32, now: i64) -> bool {
        self.drop_expired(now, node);
        !self.states.contains_key(&node)
    }

    pub(crate) fn is_backing_off(&self, node: i32, now: i64) -> bool {
        matches!(self.states.get(&node), Some(State::BackingOff { until }) if *until > now)
    }

    /// Whether the node has left a request unanswered for too long.
    pub(crate) fn has_timed_out(&self, node: i32, now: i64) -> bool {
        matches!(self.states.get(&node), Some(State::InFlight { until, .. }) if *until <= now)
    }

    /// When something changes by itself for the node.
    pub(crate) fn wait(&self, node: i32) -> Option<i64> {
        self.states.get(&node).map(State::until)
    }

    /// Whether any node owes an answer.
    pub(crate) fn any_in_flight(&mut self, now: i64) -> bool {
        self.states.retain(|_, state| state.until() > now);
        self.states.values().any(|state| matches!(state, State::InFlight { .. }))
    }

    /// When a request that is in flight ends at the latest, or else the first back-off does.
    pub(crate) fn wait_any(&self) -> Option<i64> {
        let in_flight = self.states.values().find_map(|state| match state {
            State::InFlight { until, .. } => Some(*until),
            State::BackingOff { .. } => None,
        });
        in_flight.or_else(|| self.states.values().map(State::until).min())
    }

    fn drop_expired(&mut self, now: i64, node: i32) {
        if self.states.get(&node).is_some_and(|state| state.until() <= now) {
            self.states.remove(&node);
        }
    }
}

impl State {
    fn until(&self) -> i64 {
        match self {
            State::InFlight { until, .. } | State::BackingOff { until } => *until,
        }
    }
}
