//! Streams over TCP.

use std::io;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::net::{TcpSocket, TcpStream, lookup_host};

use super::{BoxedStream, Connector};

/// Plain TCP with `TCP_NODELAY`, since requests are written whole.
#[derive(Debug, Default, Clone, Copy)]
pub struct TcpConnector {
    /// Bytes of the socket's send buffer; `None` leaves it to the system.
    pub send_buffer_bytes: Option<u32>,
    /// Bytes of the socket's receive buffer; `None` leaves it to the system.
    pub receive_buffer_bytes: Option<u32>,
}

impl Connector for TcpConnector {
    fn connect<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<BoxedStream>> {
        async move {
            let stream = self.open(host, port).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as BoxedStream)
        }
        .boxed()
    }

    fn tcp(&self) -> Option<TcpConnector> {
        Some(*self)
    }
}

impl TcpConnector {
    /// Connects to the first address of the host that answers.
    async fn open(self, host: &str, port: u16) -> io::Result<TcpStream> {
        let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        let addresses = lookup_host((host, port)).await.map_err(|error| {
            io::Error::new(error.kind(), format!("the name {host} does not resolve: {error}"))
        })?;
        for address in addresses {
            let socket =
                if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
            // The window is agreed on when the connection is made, so sizes come before that.
            if let Some(bytes) = self.send_buffer_bytes {
                socket.set_send_buffer_size(bytes)?;
            }
            if let Some(bytes) = self.receive_buffer_bytes {
                socket.set_recv_buffer_size(bytes)?;
            }
            match socket.connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn buffers_are_as_large_as_told() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let connector =
            TcpConnector { send_buffer_bytes: Some(32768), receive_buffer_bytes: Some(65536) };
        let stream = connector.open("127.0.0.1", port).await.unwrap();
        let socket = socket2::SockRef::from(&stream);
        // Linux doubles what it is told, for its own books.
        assert_eq!(socket.send_buffer_size().unwrap(), 2 * 32768);
        assert_eq!(socket.recv_buffer_size().unwrap(), 2 * 65536);
    }
}
