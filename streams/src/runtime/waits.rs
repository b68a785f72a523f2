//! Which tasks wait for something outside, and why: seen as [`AppState::Waiting`].

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use super::app::AppState;
use crate::operator::TaskId;

pub(crate) struct Waits {
    /// By sub-topology and partition. Held for a note; nothing awaits under it.
    reasons: Mutex<BTreeMap<(u16, i32), String>>,
    state: watch::Sender<AppState>,
}

impl Waits {
    pub(crate) fn new(state: watch::Sender<AppState>) -> Self {
        Self { reasons: Mutex::default(), state }
    }

    /// Notes why a task waits, or that it does not any more.
    pub(crate) fn note(&self, task: &TaskId, reason: Option<String>) {
        let mut reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        let task = (task.subtopology, task.partition);
        let _before = match reason {
            Some(reason) => reasons.insert(task, reason),
            None => reasons.remove(&task),
        };
        let first = reasons.values().next().cloned();
        self.state.send_if_modified(|state| {
            let next = match (&state, first) {
                (AppState::Running | AppState::Waiting { .. }, Some(reason)) => {
                    AppState::Waiting { reason }
                }
                (AppState::Waiting { .. }, None) => AppState::Running,
                _ => return false,
            };
            let is_new = *state != next;
            *state = next;
            is_new
        });
    }

    /// Forgets the tasks of a run that has ended.
    pub(crate) fn clear(&self) {
        self.reasons.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
