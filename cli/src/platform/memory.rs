//! The broker in this process, as the parts above it see it: something that streams are opened to.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use broker_server::Broker;
use client::{ClientConfig, MemoryConnector};

/// Holds the broker until it is stopped; from then on, connecting to it fails.
pub(super) struct BrokerSlot {
    /// A short lock: nothing waits while it is held.
    broker: Arc<Mutex<Option<Broker>>>,
}

impl BrokerSlot {
    pub(super) fn new(broker: Broker) -> Self {
        Self { broker: Arc::new(Mutex::new(Some(broker))) }
    }

    /// A client's configuration that opens its streams inside the process.
    pub(super) fn client(&self) -> ClientConfig {
        let broker = self.broker.clone();
        let connector = MemoryConnector::new(move || {
            let broker = broker.lock().unwrap_or_else(PoisonError::into_inner);
            let stopped = || {
                let text = "the broker of this process is stopped";
                io::Error::new(io::ErrorKind::ConnectionRefused, text)
            };
            broker.as_ref().map(Broker::connect_memory).ok_or_else(stopped)
        });
        ClientConfig::memory(connector)
    }

    /// Stops the broker.
    pub(super) async fn stop(&self) -> anyhow::Result<()> {
        let broker = self.broker.lock().unwrap_or_else(PoisonError::into_inner).take();
        match broker {
            Some(broker) => Ok(broker.shutdown().await?),
            None => Ok(()),
        }
    }

    /// Stops the broker because another part failed to start; that failure is what is reported.
    pub(super) async fn stop_after(&self, failure: anyhow::Error) -> anyhow::Error {
        match self.stop().await {
            Ok(()) => failure,
            Err(error) => failure.context(format!("and the broker did not stop cleanly: {error}")),
        }
    }
}
