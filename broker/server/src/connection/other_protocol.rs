//! A client of another protocol at a PLAINTEXT listener: known by its first bytes, and answered so
//! that it gives up with a reason instead of connecting again without end.

use std::fmt;
use std::io::IoSlice;

use bytes::BytesMut;

use super::stream::Stream;

/// What is spoken in place of Kafka's protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OtherProtocol {
    Tls,
    Http,
}

/// A fatal alert, `handshake_failure`, in a record of TLS 1.0 to 1.3.
const TLS_ALERT: &[u8] = &[0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x28];

const HTTP_ANSWER: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\
    Content-Type: text/plain\r\nContent-Length: 60\r\nConnection: close\r\n\r\n\
    This port speaks Kafka's protocol, not HTTP: use a client.\r\n";

/// A connection that ends while bytes of its client are unread is reset, and the answer is lost
/// with it; no first message is longer.
const READ_AT_MOST: usize = 64 << 10;

impl OtherProtocol {
    /// What the first four bytes of a connection are, where a frame's length should be.
    pub(super) fn of(head: &[u8; 4]) -> Option<Self> {
        match head {
            [0x16, 0x03, ..] => Some(Self::Tls),
            b"GET " | b"POST" | b"PUT " | b"HEAD" | b"DELE" | b"OPTI" | b"CONN" | b"PRI " => {
                Some(Self::Http)
            }
            _ => None,
        }
    }

    /// Tells the client, in its own protocol, that it is wrong here, and waits until it leaves.
    /// Fails when it has left already. Who calls this limits the time.
    pub(super) async fn turn_away(self, stream: &mut Stream) -> std::io::Result<()> {
        let answer = match self {
            Self::Tls => TLS_ALERT,
            Self::Http => HTTP_ANSWER,
        };
        stream.write(&mut [IoSlice::new(answer)], false).await?;
        stream.shutdown().await?;
        let mut unread = BytesMut::with_capacity(READ_AT_MOST);
        while unread.len() < READ_AT_MOST && stream.read(&mut unread).await? > 0 {}
        Ok(())
    }
}

impl fmt::Display for OtherProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tls => "TLS",
            Self::Http => "HTTP",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_are_known_by_their_first_bytes() {
        assert_eq!(OtherProtocol::of(b"\x16\x03\x01\x02"), Some(OtherProtocol::Tls));
        assert_eq!(OtherProtocol::of(b"GET "), Some(OtherProtocol::Http));
        for head in [b"\0\0\0\x10", b"\x15\x03\x03\0", b"get ", b"\xff\xff\xff\xff"] {
            assert_eq!(OtherProtocol::of(head), None);
        }
    }

    #[test]
    fn the_answer_to_http_has_the_length_that_it_says() {
        let text = std::str::from_utf8(HTTP_ANSWER).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        assert!(head.contains(&format!("Content-Length: {}", body.len())), "{}", body.len());
    }
}
