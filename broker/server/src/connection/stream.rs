//! The two transports of a connection: a TCP socket and a pipe inside the process.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, RawFd};

use bytes::BytesMut;
use rustix::net::SendFlags;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, Interest};
use tokio::net::TcpStream;

#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    Memory(DuplexStream),
}

impl Stream {
    /// Reads what is there into the buffer's free room; 0 at the end. Safe to cancel.
    pub(crate) async fn read(&mut self, buffer: &mut BytesMut) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.read_buf(buffer).await,
            Stream::Memory(stream) => stream.read_buf(buffer).await,
        }
    }

    /// Writes all pieces, in as few system calls as they allow. `more` says that other bytes follow
    /// at once, so that the system need not send a packet that is not full.
    pub(crate) async fn write(
        &mut self,
        mut pieces: &mut [IoSlice<'_>],
        more: bool,
    ) -> io::Result<()> {
        IoSlice::advance_slices(&mut pieces, 0);
        while !pieces.is_empty() {
            let written = match self {
                Stream::Tcp(stream) => {
                    let flags = if more { SendFlags::MORE } else { SendFlags::empty() };
                    send(stream, pieces, flags | SendFlags::NOSIGNAL).await?
                }
                Stream::Memory(stream) => stream.write_vectored(pieces).await?,
            };
            if written == 0 {
                let text = "the connection takes nothing of the answer";
                return Err(io::Error::new(io::ErrorKind::WriteZero, text));
            }
            IoSlice::advance_slices(&mut pieces, written);
        }
        Ok(())
    }

    /// Sends a range of a file without copying it through this process. Only for TCP and real
    /// files.
    pub(crate) async fn send_file(
        socket: &TcpStream,
        file: RawFd,
        position: u64,
        length: usize,
    ) -> io::Result<()> {
        // SAFETY: the caller holds the file open for the whole call.
        let file = unsafe { BorrowedFd::borrow_raw(file) };
        let (mut at, mut left) = (position, length);
        while left > 0 {
            let sent = socket
                .async_io(Interest::WRITABLE, || {
                    Ok(rustix::fs::sendfile(socket.as_fd(), file, Some(&mut at), left)?)
                })
                .await?;
            if sent == 0 {
                let problem = "a segment ended before the bytes that a fetch answered from it";
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, problem));
            }
            left -= sent;
        }
        Ok(())
    }

    /// Says that nothing more will be written.
    pub(crate) async fn shutdown(&mut self) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.shutdown().await,
            Stream::Memory(stream) => stream.shutdown().await,
        }
    }
}

async fn send(socket: &TcpStream, pieces: &[IoSlice<'_>], flags: SendFlags) -> io::Result<usize> {
    socket
        .async_io(Interest::WRITABLE, || {
            let mut control = rustix::net::SendAncillaryBuffer::default();
            Ok(rustix::net::sendmsg(socket.as_fd(), pieces, &mut control, flags)?)
        })
        .await
}
