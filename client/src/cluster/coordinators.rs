//! Which broker coordinates a group.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use protocol::ErrorCode;
use protocol::messages::find_coordinator_request::FindCoordinatorRequest;

use super::Cluster;
use crate::error::RequestError;
use crate::metadata::Node;

/// What a coordinator coordinates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CoordinatorKind {
    /// A consumer group.
    Group,
    /// A transactional id.
    Transaction,
}

/// The coordinators found so far.
#[derive(Default)]
pub(super) struct Coordinators {
    /// Held for a map operation at a time; nothing awaits under it.
    known: Mutex<HashMap<(CoordinatorKind, String), i32>>,
}

/// Whether a code asks to find the coordinator again, or to give it time.
pub(crate) fn is_about_coordinator(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::NotCoordinator
            | ErrorCode::CoordinatorNotAvailable
            | ErrorCode::CoordinatorLoadInProgress
    )
}

/// The first version of FindCoordinator that asks for several keys at once.
const BATCHED_FROM: i16 = 4;

impl Cluster {
    /// The node id of the coordinator of `key`. One attempt; callers retry.
    pub async fn coordinator(&self, kind: CoordinatorKind, key: &str) -> Result<i32, RequestError> {
        let entry = (kind, key.to_owned());
        let known = &self.inner.coordinators.known;
        if let Some(node) = known.lock().unwrap_or_else(PoisonError::into_inner).get(&entry) {
            return Ok(*node);
        }
        let node = self.find_coordinator(kind, key).await?;
        if !self.metadata().brokers.contains_key(&node.id) {
            self.refresh(super::TopicSelection::None).await?;
        }
        known.lock().unwrap_or_else(PoisonError::into_inner).insert(entry, node.id);
        Ok(node.id)
    }

    /// Forgets the coordinator of `key`, which turned out not to be it.
    pub fn forget_coordinator(&self, kind: CoordinatorKind, key: &str) {
        let mut known =
            self.inner.coordinators.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.remove(&(kind, key.to_owned()));
    }

    /// Runs `attempt` against a group's coordinator, looking for it again where it has moved, up to
    /// the default API timeout.
    pub(crate) async fn on_group_coordinator<T, F, Fut>(
        &self,
        api: &'static str,
        group: &str,
        attempt: F,
    ) -> Result<T, RequestError>
    where
        F: Fn(i32) -> Fut + Send + Sync,
        Fut: Future<Output = Result<T, RequestError>> + Send,
        T: Send,
    {
        let attempt = async || {
            let node = self.coordinator(CoordinatorKind::Group, group).await?;
            let result = attempt(node).await;
            if let Err(error) = &result
                && error.code().is_none_or(is_about_coordinator)
            {
                self.forget_coordinator(CoordinatorKind::Group, group);
            }
            result
        };
        self.retrying(api, group, attempt).await
    }

    async fn find_coordinator(
        &self,
        kind: CoordinatorKind,
        key: &str,
    ) -> Result<Node, RequestError> {
        let connection = self.any_connection().await?;
        let version = connection.version::<FindCoordinatorRequest>()?;
        let key_type = match kind {
            CoordinatorKind::Group => 0,
            CoordinatorKind::Transaction => 1,
        };
        let mut request = FindCoordinatorRequest { key_type, ..Default::default() };
        if version >= BATCHED_FROM {
            request.coordinator_keys = vec![key.to_owned()];
        } else {
            request.key = key.to_owned();
        }
        let response = connection.send_at(version, &request).await?;
        let (id, host, port, code, message) = if version >= BATCHED_FROM {
            let first = response.coordinators.into_iter().next().unwrap_or_default();
            (first.node_id, first.host, first.port, first.error_code, first.error_message)
        } else {
            let error = (response.error_code, response.error_message);
            (response.node_id, response.host, response.port, error.0, error.1)
        };
        RequestError::check("FindCoordinator", key, code, message)?;
        match u16::try_from(port) {
            Ok(port) => Ok(Node { id, host, port, rack: None }),
            Err(_) => Err(RequestError::Refused {
                api: "FindCoordinator",
                subject: key.to_owned(),
                code: ErrorCode::CoordinatorNotAvailable,
                message: Some(format!("the coordinator has port {port}")),
            }),
        }
    }
}
