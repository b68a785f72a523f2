//! When each broker was last heard of: what only the active controller knows.

use std::collections::BTreeMap;

use broker_metadata::{BrokerImage, Image};

/// What a broker has said of how much of the metadata it has, before it said anything.
const NOTHING: i64 = -1;

/// The registration of a broker, as far as it is not in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Session {
    pub(super) epoch: i64,
    /// When the session began anew the last time; `None` while the broker has only registered.
    heard_at_ms: Option<i64>,
    /// When it was the broker itself that was heard of, in this term.
    spoke_at_ms: Option<i64>,
    /// The last offset of the metadata that the broker has.
    metadata_offset: i64,
    /// The broker knows its own registration when it has this offset.
    pub(super) registered_at: i64,
    /// Others know that it shuts down when they have this offset.
    pub(super) leaves_at: Option<i64>,
}

/// Which brokers are alive. It belongs to one term of one active controller; the next one begins
/// with [`Liveness::begin`]. Times are of the monotonic clock, in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Liveness {
    sessions: BTreeMap<i32, Session>,
}

impl Liveness {
    /// What a controller knows that has just become the active one: each broker that is not fenced
    /// has a session that begins now.
    pub fn begin(image: &Image, elapsed_ms: i64) -> Self {
        let sessions = image.brokers().map(|broker| {
            let heard_at_ms = (!broker.fenced).then_some(elapsed_ms);
            let registered_at = image.end_offset() - 1;
            (broker.id, Session { heard_at_ms, ..Session::new(broker.epoch, registered_at) })
        });
        Self { sessions: sessions.collect() }
    }

    /// When the next session ends, if nobody is heard of until then. That is at once where a
    /// broker that is not fenced has no session.
    pub fn next_deadline(&self, image: &Image, session_timeout_ms: i64) -> Option<i64> {
        let watched = image.brokers().filter(|broker| !broker.fenced);
        let deadlines = watched.map(|broker| {
            let heard = self.of(broker).and_then(|session| session.heard_at_ms);
            heard.map_or(i64::MIN, |at| at.saturating_add(session_timeout_ms))
        });
        deadlines.min()
    }

    /// The session of this registration.
    pub(super) fn of(&self, broker: &BrokerImage) -> Option<&Session> {
        self.sessions.get(&broker.id).filter(|session| session.epoch == broker.epoch)
    }

    /// The session of this registration; one that nobody knows of begins.
    pub(super) fn of_mut(&mut self, broker: &BrokerImage, last_offset: i64) -> &mut Session {
        let session = self.sessions.entry(broker.id);
        let session = session.or_insert_with(|| Session::new(broker.epoch, last_offset));
        if session.epoch != broker.epoch {
            *session = Session::new(broker.epoch, last_offset);
        }
        session
    }

    pub(super) fn registered(&mut self, id: i32, epoch: i64, registered_at: i64) {
        match self.sessions.get_mut(&id) {
            Some(session) if session.epoch == epoch => session.registered_at = registered_at,
            _ => drop(self.sessions.insert(id, Session::new(epoch, registered_at))),
        }
    }

    pub(super) fn forget(&mut self, id: i32) {
        self.sessions.remove(&id);
    }

    /// Up to which offset all brokers that may be clients' have the metadata, as far as they said.
    pub(super) fn lowest_active_offset(&self, image: &Image) -> i64 {
        let active = image.brokers().filter(|one| !one.fenced && !one.in_controlled_shutdown);
        let offsets =
            active.map(|broker| self.of(broker).map_or(NOTHING, |one| one.metadata_offset));
        offsets.min().unwrap_or(i64::MAX)
    }
}

impl Session {
    fn new(epoch: i64, registered_at: i64) -> Self {
        Self {
            epoch,
            heard_at_ms: None,
            spoke_at_ms: None,
            metadata_offset: NOTHING,
            registered_at,
            leaves_at: None,
        }
    }

    pub(super) fn heard(&mut self, elapsed_ms: i64, metadata_offset: i64) {
        self.heard_at_ms = Some(elapsed_ms);
        self.spoke_at_ms = Some(elapsed_ms);
        self.metadata_offset = metadata_offset;
    }

    /// A broker that nobody has ever waited for is waited for from now on.
    pub(super) fn begin(&mut self, elapsed_ms: i64) {
        self.heard_at_ms.get_or_insert(elapsed_ms);
    }

    pub(super) fn end(&mut self) {
        self.heard_at_ms = None;
    }

    pub(super) fn is_valid(&self, elapsed_ms: i64, timeout_ms: i64) -> bool {
        self.heard_at_ms.is_some_and(|at| elapsed_ms < at.saturating_add(timeout_ms))
    }

    /// A session that a new controller began says nothing of the broker.
    pub(super) fn was_heard_after(&self, elapsed_ms: i64) -> bool {
        self.spoke_at_ms.is_some_and(|at| at > elapsed_ms)
    }
}
