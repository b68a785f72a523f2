//! Requests off the wire: a length of four bytes, then that many bytes.

use bytes::{Buf, Bytes, BytesMut};
use thiserror::Error;

use super::other_protocol::OtherProtocol;
use super::stream::Stream;
use crate::limits::{FRAME_RESERVE, READ_BUFFER, READ_BUFFER_BUSY, READ_BUFFER_KEPT};

/// Why a connection can't be read any further.
#[derive(Debug, Error)]
pub(crate) enum FrameError {
    #[error("a request claims {size} bytes, socket.request.max.bytes allows {max}")]
    Size { size: i32, max: usize },
    #[error(
        "a client speaks {protocol} to a PLAINTEXT listener; set its security.protocol to PLAINTEXT"
    )]
    OtherProtocol { protocol: OtherProtocol },
    #[error("the connection ended {missing} bytes before the end of a request")]
    CutOff { missing: usize },
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Cuts the stream into frames. One buffer serves all of them: a frame is a slice of it, and its
/// room is used again as soon as the request that held it is gone.
#[derive(Debug)]
pub(crate) struct FrameReader {
    buffer: BytesMut,
    /// What the buffer has room for, at the least, when it is read into.
    room: usize,
    /// The largest frame that came whole, up to [`READ_BUFFER_KEPT`].
    largest: usize,
    max: usize,
}

impl FrameReader {
    pub(crate) fn new(max: usize) -> Self {
        Self { buffer: BytesMut::new(), room: READ_BUFFER, largest: 0, max }
    }

    /// The next frame without its length, `None` at an orderly end. Dropping the future loses no
    /// byte.
    pub(crate) async fn next(&mut self, stream: &mut Stream) -> Result<Option<Bytes>, FrameError> {
        loop {
            let missing = match self.size()? {
                Some(size) if self.buffer.len() >= 4 + size => {
                    self.buffer.advance(4);
                    let frame = self.buffer.split_to(size).freeze();
                    self.largest = self.largest.max(size.min(READ_BUFFER_KEPT));
                    if size > READ_BUFFER_KEPT {
                        self.buffer = BytesMut::from(&self.buffer[..]);
                    }
                    return Ok(Some(frame));
                }
                Some(size) => 4 + size - self.buffer.len(),
                None => 4 - self.buffer.len(),
            };
            let step = FRAME_RESERVE.max(self.buffer.len()).max(self.largest);
            self.buffer.reserve(missing.min(step).max(self.room));
            if stream.read(&mut self.buffer).await? == 0 {
                return match self.buffer.len() {
                    0 => Ok(None),
                    _ => Err(FrameError::CutOff { missing }),
                };
            }
            if self.buffer.len() == self.buffer.capacity() {
                // There may be more than there was room for.
                self.room = READ_BUFFER_BUSY.min(2 * self.room);
            }
        }
    }

    /// Whether the next frame is here already.
    pub(crate) fn has_frame(&self) -> bool {
        matches!(self.size(), Ok(Some(size)) if self.buffer.len() >= 4 + size)
    }

    fn size(&self) -> Result<Option<usize>, FrameError> {
        let Some(head) = self.buffer.first_chunk::<4>() else { return Ok(None) };
        let size = i32::from_be_bytes(*head);
        match usize::try_from(size) {
            Ok(length) if length <= self.max => Ok(Some(length)),
            _ => Err(match OtherProtocol::of(head) {
                Some(protocol) => FrameError::OtherProtocol { protocol },
                None => FrameError::Size { size, max: self.max },
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    #[tokio::test]
    async fn frames_come_whole_however_they_are_cut() {
        let (mut client, server) = tokio::io::duplex(64);
        let mut stream = Stream::Memory(server);
        let mut reader = FrameReader::new(100);
        let writer = tokio::spawn(async move {
            for piece in [&b"\0\0"[..], b"\0\x03abc\0\0\0\0", b"\0\0\0\x02d", b"e"] {
                client.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
        let mut frames = Vec::new();
        while let Some(frame) = reader.next(&mut stream).await.unwrap() {
            frames.push(frame);
        }
        writer.await.unwrap();
        assert_eq!(frames, [&b"abc"[..], b"", b"de"]);
    }

    #[tokio::test]
    async fn a_large_frame_leaves_no_large_buffer_and_loses_no_byte() {
        let (mut client, server) = tokio::io::duplex(1 << 20);
        let mut stream = Stream::Memory(server);
        let size = READ_BUFFER_KEPT + 1;
        let mut reader = FrameReader::new(size);
        let writer = tokio::spawn(async move {
            client.write_all(&u32::try_from(size).unwrap().to_be_bytes()).await.unwrap();
            client.write_all(&vec![7; size]).await.unwrap();
            client.write_all(b"\0\0\0\x01x").await.unwrap();
        });
        let large = reader.next(&mut stream).await.unwrap().unwrap();
        assert!(large.len() == size && large.iter().all(|byte| *byte == 7));
        assert_eq!(reader.next(&mut stream).await.unwrap().unwrap(), &b"x"[..]);
        assert!(reader.buffer.capacity() < READ_BUFFER_KEPT);
        writer.await.unwrap();
    }

    #[tokio::test]
    async fn what_a_hasty_client_sends_is_read_in_larger_steps_up_to_a_limit() {
        let (mut client, server) = tokio::io::duplex(1 << 20);
        let mut stream = Stream::Memory(server);
        let mut reader = FrameReader::new(1000);
        let frames = [&1000_u32.to_be_bytes()[..], &[7; 1000]].concat().repeat(900);
        client.write_all(&frames).await.unwrap();
        drop(client);
        let mut together = 0;
        while let Some(frame) = reader.next(&mut stream).await.unwrap() {
            assert!(frame.len() == 1000 && frame.iter().all(|byte| *byte == 7));
            together = together.max(reader.buffer.len());
        }
        assert_eq!(reader.room, READ_BUFFER_BUSY);
        assert!(together > READ_BUFFER_BUSY / 2, "{together} bytes were there at once");
        let (mut client, server) = tokio::io::duplex(1 << 20);
        let mut stream = Stream::Memory(server);
        let mut reader = FrameReader::new(1000);
        client.write_all(&frames[..1004]).await.unwrap();
        reader.next(&mut stream).await.unwrap().unwrap();
        assert_eq!(reader.room, READ_BUFFER);
    }

    #[tokio::test]
    async fn impossible_lengths_and_cut_frames_are_errors() {
        for (bytes, expected) in [
            (&b"\xff\xff\xff\xff"[..], "a request claims -1 bytes"),
            (b"\0\0\0\x65", "a request claims 101 bytes"),
            (b"\x16\x03\x01\x02\0\x01", "speaks TLS to a PLAINTEXT listener"),
            (b"GET / HTTP/1.1\r\n", "speaks HTTP to a PLAINTEXT listener"),
            (b"\0\0\0\x05ab", "3 bytes before the end"),
        ] {
            let (mut client, server) = tokio::io::duplex(64);
            client.write_all(bytes).await.unwrap();
            drop(client);
            let mut stream = Stream::Memory(server);
            let error = FrameReader::new(100).next(&mut stream).await.unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}
