//! How a byte stream to a broker comes about: over TCP, or inside this process.

mod memory;
mod tcp;

use std::io;

use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};

pub use self::memory::MemoryConnector;
pub use self::tcp::TcpConnector;

/// What a connection needs of a stream.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A stream whose kind is the connector's business.
pub type BoxedStream = Box<dyn Stream>;

/// Opens streams to brokers. `host` and `port` are a bootstrap server's or, once metadata is
/// known, a broker's advertised listener.
pub trait Connector: Send + Sync {
    /// Opens one stream. The caller bounds the time this may take.
    fn connect<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<BoxedStream>>;

    /// The sockets' settings, where the streams are plain TCP.
    fn tcp(&self) -> Option<TcpConnector> {
        None
    }
}
