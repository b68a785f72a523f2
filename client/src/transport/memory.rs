//! Streams to a broker in the same process.

use std::fmt;
use std::io;

use futures::FutureExt as _;
use futures::future::BoxFuture;

use super::{BoxedStream, Connector, Stream};

/// Opens streams by calling a function, whatever the address: a broker in the same process hands
/// out one end of a pipe and serves the other, and what it advertises to the world does not matter.
///
/// ```
/// use client::{ClientConfig, MemoryConnector};
///
/// let connector = MemoryConnector::new(|| {
///     // A broker in this process serves the other end.
///     let (client, _broker) = tokio::io::duplex(1024);
///     Ok(client)
/// });
/// let config = ClientConfig::memory(connector).named("inside");
/// assert_eq!(config.client_id, "inside");
/// ```
pub struct MemoryConnector {
    open: Box<dyn Fn() -> io::Result<BoxedStream> + Send + Sync>,
}

impl MemoryConnector {
    /// `open` returns the client's end of a fresh stream, or an error once the broker is gone.
    pub fn new<S, F>(open: F) -> Self
    where
        S: Stream + 'static,
        F: Fn() -> io::Result<S> + Send + Sync + 'static,
    {
        Self { open: Box::new(move || Ok(Box::new(open()?) as BoxedStream)) }
    }
}

impl fmt::Debug for MemoryConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryConnector")
    }
}

impl Connector for MemoryConnector {
    fn connect<'a>(&'a self, _: &'a str, _: u16) -> BoxFuture<'a, io::Result<BoxedStream>> {
        async move { (self.open)() }.boxed()
    }
}
