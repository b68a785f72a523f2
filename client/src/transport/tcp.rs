//! Streams over TCP.

use std::io;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::net::TcpStream;

use super::{BoxedStream, Connector};

/// Plain TCP with `TCP_NODELAY`, since requests are written whole.
#[derive(Debug, Default, Clone, Copy)]
pub struct TcpConnector;

impl Connector for TcpConnector {
    fn connect<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<BoxedStream>> {
        async move {
            let stream = TcpStream::connect((host, port)).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as BoxedStream)
        }
        .boxed()
    }
}
