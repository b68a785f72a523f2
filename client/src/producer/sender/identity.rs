//! The producer id, and the epochs under which broken sequences start again (KIP-98, KIP-360).

use protocol::messages::init_producer_id_request::InitProducerIdRequest;

use super::super::queue::ProducerId;
use crate::cluster::Cluster;
use crate::error::RequestError;

/// Whether the producer has an id.
pub(super) enum Identity {
    /// It needs none.
    None,
    /// It has none yet, or has used up all epochs of the one before.
    Wanted { failures: u32, is_asking: bool },
    /// It has one.
    Known(ProducerId),
}

/// The request for an id.
pub(super) struct Wanted;

impl Identity {
    pub(super) fn new(is_idempotent: bool) -> Self {
        if is_idempotent { Self::Wanted { failures: 0, is_asking: false } } else { Self::None }
    }

    pub(super) fn current(&self) -> Option<ProducerId> {
        match self {
            Self::Known(producer) => Some(*producer),
            Self::None | Self::Wanted { .. } => None,
        }
    }

    pub(super) fn failures(&self) -> u32 {
        match self {
            Self::Wanted { failures, .. } => *failures,
            Self::None | Self::Known(_) => 0,
        }
    }

    /// What to ask the cluster for. A new epoch needs no asking: who owns the id may raise it.
    pub(super) fn wanted(&mut self, wants_new_epoch: bool) -> Option<Wanted> {
        if wants_new_epoch && let Self::Known(producer) = self {
            match producer.epoch.checked_add(1) {
                Some(epoch) => {
                    tracing::warn!(producer_id = producer.id, epoch, "sequence broken, new epoch");
                    producer.epoch = epoch;
                }
                None => *self = Self::Wanted { failures: 0, is_asking: false },
            }
        }
        match self {
            Self::Wanted { is_asking, .. } if !*is_asking => {
                *is_asking = true;
                Some(Wanted)
            }
            _ => None,
        }
    }

    /// Takes the answer; an error is one that asking again does not help.
    pub(super) fn on_answer(
        &mut self,
        answer: Result<ProducerId, RequestError>,
    ) -> Result<(), RequestError> {
        let failures = self.failures() + 1;
        match answer {
            Ok(producer) => {
                *self = Self::Known(producer);
                Ok(())
            }
            Err(error) => {
                tracing::debug!(%error, failures, "no producer id");
                *self = Self::Wanted { failures, is_asking: false };
                if error.is_retriable() { Ok(()) } else { Err(error) }
            }
        }
    }
}

/// Asks any broker for an id.
pub(super) async fn request(cluster: &Cluster, _: Wanted) -> Result<ProducerId, RequestError> {
    let request = InitProducerIdRequest {
        transactional_id: None,
        transaction_timeout_ms: i32::MAX,
        ..Default::default()
    };
    let response = cluster.send_any(&request).await?;
    RequestError::check("InitProducerId", "the producer", response.error_code, None)?;
    Ok(ProducerId { id: response.producer_id, epoch: response.producer_epoch })
}
