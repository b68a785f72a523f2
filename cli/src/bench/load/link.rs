//! One connection of the load client: never blocking, written in pieces from where they are, read
//! into a buffer that is used again.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};

use anyhow::{Context as _, bail};
use bytes::{Buf as _, Bytes};
use rustix::buffer::spare_capacity;
use rustix::io::Errno;

/// What a response may be long: a fetch response is 50 MiB and one batch at the most.
const FRAME_MAX: usize = 256 << 20;
/// Pieces of one write.
const PIECES: usize = 64;
const READ: usize = 64 << 10;
const LENGTH: usize = 4;

/// A connection with what is to be sent and what has arrived.
pub(crate) struct Link {
    socket: TcpStream,
    outgoing: VecDeque<Bytes>,
    arrived: Vec<u8>,
}

impl Link {
    /// Connects, then never blocks.
    pub(crate) fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let socket =
            TcpStream::connect(address).with_context(|| format!("no connection to {address}"))?;
        Self::over(socket)
    }

    /// Over a socket that is connected already.
    pub(crate) fn over(socket: TcpStream) -> anyhow::Result<Self> {
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, outgoing: VecDeque::new(), arrived: Vec::with_capacity(READ) })
    }

    /// Queues a request and writes as much as the socket takes.
    pub(crate) fn send(&mut self, pieces: impl IntoIterator<Item = Bytes>) -> io::Result<()> {
        self.outgoing.extend(pieces.into_iter().filter(|piece| !piece.is_empty()));
        self.flush()
    }

    /// Writes as much as the socket takes.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        while !self.outgoing.is_empty() {
            let mut slices = [IoSlice::new(&[]); PIECES];
            let mut count = 0;
            for (slice, piece) in slices.iter_mut().zip(&self.outgoing) {
                *slice = IoSlice::new(piece);
                count += 1;
            }
            match self.socket.write_vectored(&slices[..count]) {
                Ok(written) => self.written(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn written(&mut self, mut bytes: usize) {
        while let Some(piece) = self.outgoing.front_mut() {
            if piece.len() > bytes {
                piece.advance(bytes);
                return;
            }
            bytes -= piece.len();
            self.outgoing.pop_front();
        }
    }

    /// Whether all that was queued is with the kernel.
    pub(crate) fn is_sent(&self) -> bool {
        self.outgoing.is_empty()
    }

    /// The next whole response without its length, or `None` until more arrives.
    pub(crate) fn receive(&mut self) -> anyhow::Result<Option<Frame>> {
        loop {
            let wanted = self.wanted()?;
            if self.arrived.len() >= wanted && wanted > LENGTH {
                return Ok(Some(self.take(wanted)));
            }
            let room = wanted.max(READ);
            if self.arrived.capacity() < room {
                self.arrived.reserve_exact(room - self.arrived.len());
            }
            match rustix::io::read(&self.socket, spare_capacity(&mut self.arrived)) {
                Ok(0) => bail!("the broker closed the connection"),
                Ok(_) | Err(Errno::INTR) => {}
                Err(Errno::WOULDBLOCK) => return Ok(None),
                Err(error) => return Err(io::Error::from(error).into()),
            }
        }
    }

    /// The length of the next frame with its prefix, as far as it is known.
    fn wanted(&self) -> anyhow::Result<usize> {
        let Some(prefix) = self.arrived.first_chunk::<LENGTH>() else { return Ok(LENGTH) };
        let length = i32::from_be_bytes(*prefix);
        match usize::try_from(length) {
            Ok(length) if (1..=FRAME_MAX).contains(&length) => Ok(LENGTH + length),
            _ => bail!("a response of {length} bytes: the other side is no Kafka broker"),
        }
    }

    fn take(&mut self, length: usize) -> Frame {
        if self.arrived.len() == length {
            return Frame(std::mem::take(&mut self.arrived).into());
        }
        let frame = Bytes::copy_from_slice(&self.arrived[..length]);
        self.arrived.drain(..length);
        Frame(frame)
    }

    /// Gives a frame's memory back for the next one. Nothing may refer to the frame any more, or
    /// the memory is lost to it.
    pub(crate) fn reuse(&mut self, frame: Frame) {
        let mut whole = frame.0;
        if self.arrived.capacity() == 0 && whole.is_unique() {
            whole.truncate(0);
            self.arrived = whole.into();
        }
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A response as it arrived.
pub(crate) struct Frame(Bytes);

impl Frame {
    /// Without the length before it.
    pub(crate) fn body(&self) -> Bytes {
        self.0.slice(LENGTH..)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;

    fn pair() -> (Link, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let link = Link::connect(listener.local_addr().expect("it listens")).expect("it connects");
        (link, listener.accept().expect("it was called").0)
    }

    fn next(link: &mut Link) -> anyhow::Result<Frame> {
        loop {
            if let Some(frame) = link.receive()? {
                return Ok(frame);
            }
            std::thread::yield_now();
        }
    }

    #[test]
    fn frames_are_told_apart_however_they_arrive() {
        let (mut link, mut peer) = pair();
        let long = vec![7_u8; 300_000];
        let mut bytes = Vec::new();
        for body in [&b"one"[..], b"two", &long] {
            bytes.extend_from_slice(&(body.len() as i32).to_be_bytes());
            bytes.extend_from_slice(body);
        }
        let writer = std::thread::spawn(move || peer.write_all(&bytes).map(|()| peer));
        for expected in [&b"one"[..], b"two", &long] {
            let frame = next(&mut link).expect("a frame arrives");
            assert_eq!(frame.body(), expected);
            link.reuse(frame);
        }
        assert!(writer.join().expect("it ends").is_ok());
    }

    #[test]
    fn a_length_that_cannot_be_and_an_end_are_errors() {
        let (mut link, mut peer) = pair();
        peer.write_all(b"HTTP/1.1 400").expect("it is written");
        let error = next(&mut link).map(|_| ()).expect_err("refused");
        assert!(error.to_string().contains("no Kafka broker"), "{error}");
        let (mut link, peer) = pair();
        drop(peer);
        let error = next(&mut link).map(|_| ()).expect_err("refused");
        assert!(error.to_string().contains("closed"), "{error}");
    }

    #[test]
    fn pieces_leave_in_order_when_the_socket_is_full() {
        let (mut link, mut peer) = pair();
        let pieces: Vec<Bytes> = (0..200_u8).map(|n| Bytes::from(vec![n; 65_536])).collect();
        let expected: Vec<u8> = pieces.concat();
        let total = expected.len();
        let reader = std::thread::spawn(move || {
            let mut all = vec![0; total];
            peer.read_exact(&mut all).map(|()| all)
        });
        link.send(pieces).expect("it is taken");
        while !link.is_sent() {
            link.flush().expect("it is taken");
            std::thread::yield_now();
        }
        assert!(reader.join().expect("it ends").expect("all arrives") == expected);
    }
}
