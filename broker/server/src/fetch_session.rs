//! Fetch sessions (KIP-227): what a consumer fetches is remembered, so that it need only name
//! changes and is only told what is new.
//!
//! A session is a list of partitions in the order in which they get their turn: one that gave
//! records goes to the end, so that no partition starves the others of a small response.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use broker_cluster::lock::whole;
use protocol::ErrorCode;
use thiserror::Error;
use uuid::Uuid;

/// A session that was not used for this long gives up its place to a new one.
const EVICTION_MS: i64 = 120_000;

/// The epoch of a request that opens a session.
pub(crate) const INITIAL_EPOCH: i32 = 0;
/// The epoch of a request outside of any session, and of one that closes its own.
pub(crate) const FINAL_EPOCH: i32 = -1;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum SessionError {
    #[error("the session is not known, or gave up its place")]
    UnknownId,
    #[error("the session is at another epoch")]
    Epoch,
    #[error("a session keeps to topic names or to topic ids")]
    MixedTopicIds,
}

/// A partition as a fetch names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FetchKey {
    pub(crate) topic: TopicKey,
    pub(crate) partition: i32,
}

/// By name up to v12, by id from v13 on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum TopicKey {
    Name(Arc<str>),
    Id(Uuid),
}

/// What is asked of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) fetch_offset: i64,
    pub(crate) max_bytes: i32,
    pub(crate) current_leader_epoch: i32,
    pub(crate) last_fetched_epoch: i32,
    /// Only of followers.
    pub(crate) log_start_offset: i64,
    /// What a follower knows as committed; the largest offset: it does not say.
    pub(crate) high_watermark: i64,
}

/// What the consumer was last told of a partition; -1 and an error make that it is told again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) error: ErrorCode,
    pub(crate) high_watermark: i64,
    pub(crate) log_start_offset: i64,
}

const NOTHING_TOLD: Told =
    Told { error: ErrorCode::None, high_watermark: -1, log_start_offset: -1 };

#[derive(Debug)]
struct Remembered {
    order: u64,
    asked: Asked,
    told: Told,
}

/// One consumer's session.
#[derive(Debug)]
pub(crate) struct Session {
    /// The epoch that the next request must have.
    epoch: i32,
    uses_ids: bool,
    next_order: u64,
    by_key: HashMap<FetchKey, Remembered>,
    by_order: BTreeMap<u64, FetchKey>,
}

impl Session {
    fn new(uses_ids: bool, partitions: impl IntoIterator<Item = (FetchKey, Asked)>) -> Self {
        let mut session = Self {
            epoch: 1,
            uses_ids,
            next_order: 0,
            by_key: HashMap::new(),
            by_order: BTreeMap::new(),
        };
        for (key, asked) in partitions {
            session.put(key, asked);
        }
        session
    }

    /// The partitions in the order of their turn.
    pub(crate) fn partitions(&self) -> Vec<(FetchKey, Asked)> {
        self.by_order.values().map(|key| (key.clone(), self.by_key[key].asked)).collect()
    }

    /// Whether the consumer must hear of the partition; notes what it now knows.
    pub(crate) fn tell(&mut self, key: &FetchKey, now: Told, has_news: bool) -> bool {
        let Some(remembered) = self.by_key.get_mut(key) else { return false };
        let is_error = now.error.is_error();
        let differs = now.high_watermark != remembered.told.high_watermark
            || now.log_start_offset != remembered.told.log_start_offset;
        // After an error the consumer hears of the partition as soon as it is well again.
        remembered.told = if is_error { NOTHING_TOLD } else { now };
        if has_news {
            let order = self.next_order;
            self.next_order += 1;
            self.by_order.remove(&remembered.order);
            remembered.order = order;
            self.by_order.insert(order, key.clone());
        }
        has_news || differs || is_error
    }

    fn put(&mut self, key: FetchKey, asked: Asked) {
        if let Some(present) = self.by_key.get_mut(&key) {
            present.asked = asked;
            return;
        }
        let order = self.next_order;
        self.next_order += 1;
        self.by_order.insert(order, key.clone());
        self.by_key.insert(key, Remembered { order, asked, told: NOTHING_TOLD });
    }

    fn forget(&mut self, key: &FetchKey) {
        if let Some(gone) = self.by_key.remove(key) {
            self.by_order.remove(&gone.order);
        }
    }
}

type Handle = Arc<Mutex<Session>>;

#[derive(Debug)]
struct Place {
    session: Handle,
    used_at_ms: i64,
}

/// All sessions of the broker, as many as `max.incremental.fetch.session.cache.slots`.
#[derive(Debug)]
pub(crate) struct FetchSessions {
    slots: usize,
    /// A std mutex: held for a look-up or a change of the map.
    places: Mutex<HashMap<i32, Place>>,
}

impl FetchSessions {
    pub(crate) fn new(slots: usize) -> Self {
        Self { slots, places: Mutex::default() }
    }

    /// Opens a session, if there is a place for one; `draw` gives numbers to choose its id from.
    pub(crate) fn open(
        &self,
        uses_ids: bool,
        partitions: Vec<(FetchKey, Asked)>,
        elapsed_ms: i64,
        mut draw: impl FnMut() -> i32,
    ) -> Option<(i32, Handle)> {
        let mut places = whole(&self.places);
        if places.len() >= self.slots {
            let oldest = places.iter().min_by_key(|(_, place)| place.used_at_ms);
            let (id, idle_ms) = oldest.map(|(id, place)| (*id, elapsed_ms - place.used_at_ms))?;
            if idle_ms < EVICTION_MS {
                return None;
            }
            places.remove(&id);
        }
        let id = loop {
            let id = draw();
            if id > 0 && !places.contains_key(&id) {
                break id;
            }
        };
        let session = Arc::new(Mutex::new(Session::new(uses_ids, partitions)));
        places.insert(id, Place { session: session.clone(), used_at_ms: elapsed_ms });
        Some((id, session))
    }

    /// Finds the session of a request and takes its changes in. `None` when nothing is left in it:
    /// then it is closed.
    pub(crate) fn resume(
        &self,
        id: i32,
        epoch: i32,
        uses_ids: bool,
        changes: SessionChanges,
        elapsed_ms: i64,
    ) -> Result<Option<Handle>, SessionError> {
        let handle = {
            let mut places = whole(&self.places);
            let place = places.get_mut(&id).ok_or(SessionError::UnknownId)?;
            place.used_at_ms = elapsed_ms;
            place.session.clone()
        };
        // What a panic left half changed is closed: the client opens another.
        let Ok(mut session) = handle.lock() else {
            self.close(id);
            return Err(SessionError::UnknownId);
        };
        if session.epoch != epoch {
            return Err(SessionError::Epoch);
        }
        if session.uses_ids != uses_ids && !changes.is_empty() {
            return Err(SessionError::MixedTopicIds);
        }
        for (key, asked) in changes.put {
            session.put(key, asked);
        }
        for key in &changes.forget {
            session.forget(key);
        }
        // The epoch counts up, and from the largest number on to 1: 0 opens a session.
        session.epoch = session.epoch.checked_add(1).unwrap_or(1);
        let empty = session.by_key.is_empty();
        drop(session);
        if empty {
            self.close(id);
            return Ok(None);
        }
        Ok(Some(handle))
    }

    pub(crate) fn close(&self, id: i32) {
        whole(&self.places).remove(&id);
    }
}

/// What a request changes in its session.
#[derive(Clone, Debug, Default)]
pub(crate) struct SessionChanges {
    pub(crate) put: Vec<(FetchKey, Asked)>,
    pub(crate) forget: Vec<FetchKey>,
}

impl SessionChanges {
    fn is_empty(&self) -> bool {
        self.put.is_empty() && self.forget.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(partition: i32) -> FetchKey {
        FetchKey { topic: TopicKey::Name("t".into()), partition }
    }

    fn asked(fetch_offset: i64) -> Asked {
        Asked {
            fetch_offset,
            max_bytes: 1,
            current_leader_epoch: -1,
            last_fetched_epoch: -1,
            log_start_offset: -1,
            high_watermark: i64::MAX,
        }
    }

    fn told(high_watermark: i64) -> Told {
        Told { error: ErrorCode::None, high_watermark, log_start_offset: 0 }
    }

    #[test]
    fn a_session_takes_changes_and_counts_its_epochs() {
        let sessions = FetchSessions::new(2);
        let partitions = vec![(key(0), asked(5)), (key(1), asked(6))];
        let (id, _) = sessions.open(false, partitions, 0, || 7).unwrap();
        let changes = SessionChanges {
            put: vec![(key(1), asked(9)), (key(2), asked(1))],
            forget: vec![key(0)],
        };
        let resumed = sessions.resume(id, 1, false, changes, 0).unwrap().unwrap();
        let partitions = resumed.lock().unwrap().partitions();
        assert_eq!(partitions, [(key(1), asked(9)), (key(2), asked(1))]);
        let again = |epoch, uses_ids, changes| {
            sessions.resume(id, epoch, uses_ids, changes, 0).map(|handle| handle.is_some())
        };
        assert_eq!(again(1, false, SessionChanges::default()), Err(SessionError::Epoch));
        let put = SessionChanges { put: vec![(key(3), asked(0))], forget: Vec::new() };
        assert_eq!(again(2, true, put), Err(SessionError::MixedTopicIds));
        let forget = SessionChanges { put: Vec::new(), forget: vec![key(1), key(2)] };
        assert_eq!(again(2, false, forget), Ok(false));
        assert_eq!(again(3, false, SessionChanges::default()), Err(SessionError::UnknownId));
    }

    #[test]
    fn a_partition_is_told_of_when_it_changed_and_goes_to_the_end_after_records() {
        let mut session = Session::new(false, [(key(0), asked(0)), (key(1), asked(0))]);
        assert!(session.tell(&key(0), told(4), true));
        assert!(!session.tell(&key(0), told(4), false));
        assert!(session.tell(&key(0), told(5), false));
        let error = Told { error: ErrorCode::UnknownTopicId, ..NOTHING_TOLD };
        assert!(session.tell(&key(1), error, false));
        assert!(session.tell(&key(1), told(0), false), "it is well again");
        let order: Vec<FetchKey> = session.partitions().into_iter().map(|(key, _)| key).collect();
        assert_eq!(order, [key(1), key(0)]);
    }

    #[test]
    fn a_full_cache_gives_a_place_only_of_one_long_idle() {
        let sessions = FetchSessions::new(1);
        let partitions = || vec![(key(0), asked(0))];
        assert!(sessions.open(false, partitions(), 0, || 1).is_some());
        assert!(sessions.open(false, partitions(), EVICTION_MS - 1, || 2).is_none());
        assert!(sessions.open(false, partitions(), EVICTION_MS, || 2).is_some());
        let gone = sessions.resume(1, 1, false, SessionChanges::default(), EVICTION_MS);
        assert_eq!(gone.map(|_| ()), Err(SessionError::UnknownId));
        assert!(FetchSessions::new(0).open(false, partitions(), 0, || 1).is_none());
    }
}
