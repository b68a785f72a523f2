//! The requests that wait for their responses, or the error that ended the connection.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;

use crate::error::ConnectionError;

/// Who gets a response.
pub(super) struct Waiting {
    pub(super) api: &'static str,
    pub(super) header_version: i16,
    pub(super) reply: oneshot::Sender<Result<Bytes, ConnectionError>>,
    pub(super) _permit: OwnedSemaphorePermit,
}

enum State {
    Open { next_id: i32, waiting: HashMap<i32, Waiting>, last_used: Instant },
    Poisoned { cause: ConnectionError, since: Instant },
}

/// Shared by the callers and the reader task.
pub(super) struct WaitingRequests {
    /// Held for a map operation at a time; nothing awaits under it.
    state: Mutex<State>,
}

impl Default for WaitingRequests {
    fn default() -> Self {
        let state = State::Open { next_id: 0, waiting: HashMap::new(), last_used: Instant::now() };
        Self { state: Mutex::new(state) }
    }
}

impl WaitingRequests {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(*self.lock(), State::Open { .. })
    }

    pub(super) fn is_busy(&self) -> bool {
        matches!(&*self.lock(), State::Open { waiting, .. } if !waiting.is_empty())
    }

    pub(super) fn last_used(&self) -> Instant {
        match &*self.lock() {
            State::Open { last_used, .. } => *last_used,
            State::Poisoned { since, .. } => *since,
        }
    }

    /// The error that ended the connection.
    pub(super) fn cause(&self, address: &Arc<str>) -> ConnectionError {
        match &*self.lock() {
            State::Open { .. } => ConnectionError::Closed { address: address.clone() },
            State::Poisoned { cause, .. } => cause.clone(),
        }
    }

    /// A fresh correlation id.
    pub(super) fn next_id(&self) -> Result<i32, ConnectionError> {
        match &mut *self.lock() {
            State::Open { next_id, last_used, .. } => {
                *last_used = Instant::now();
                Ok(advance(next_id))
            }
            State::Poisoned { cause, .. } => Err(cause.clone()),
        }
    }

    /// Lets `request` wait for the response with this id.
    pub(super) fn register(&self, id: i32, request: Waiting) -> Result<(), ConnectionError> {
        match &mut *self.lock() {
            State::Open { waiting, .. } => {
                waiting.insert(id, request);
                Ok(())
            }
            State::Poisoned { cause, .. } => Err(cause.clone()),
        }
    }

    /// Takes the request that `correlation_id` answers.
    pub(super) fn take(&self, correlation_id: i32) -> Option<Waiting> {
        match &mut *self.lock() {
            State::Open { waiting, .. } => waiting.remove(&correlation_id),
            State::Poisoned { .. } => None,
        }
    }

    /// Ends the connection, unless something has before; every waiting request gets the cause.
    pub(super) fn poison(&self, cause: ConnectionError) {
        let mut state = self.lock();
        if !matches!(*state, State::Open { .. }) {
            return;
        }
        let poisoned = State::Poisoned { cause: cause.clone(), since: Instant::now() };
        let before = std::mem::replace(&mut *state, poisoned);
        drop(state);
        if let State::Open { waiting, .. } = before {
            for request in waiting.into_values() {
                tracing::debug!(api = request.api, %cause, "request lost with its connection");
                // A caller that has gone away does not mind.
                let _ = request.reply.send(Err(cause.clone()));
            }
        }
    }
}

fn advance(next_id: &mut i32) -> i32 {
    let id = *next_id;
    *next_id = if id == i32::MAX { 0 } else { id + 1 };
    id
}
