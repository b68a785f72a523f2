//! What a client says in the log while it cannot reach a broker: what it is trying and why that
//! fails, at the first failure, whenever the reason becomes another one, and now and then.

use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

use crate::error::ConnectionError;

/// An attempt that takes longer is told of while it goes on.
pub(super) const SLOW: Duration = Duration::from_secs(1);

/// The same reason is told again after this time.
const AGAIN: Duration = Duration::from_secs(10);

/// What is connected to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    /// The node id, where the cluster's metadata named the address.
    pub(super) broker: Option<i32>,
    pub(super) host: &'a str,
    pub(super) port: u16,
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { broker, host, port } = self;
        match broker {
            None => write!(f, "{host}:{port}"),
            Some(id) => write!(
                f,
                "broker {id} at {host}:{port} (the address that its advertised.listeners gives to \
                 clients)"
            ),
        }
    }
}

/// The last that was told of one address.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    told: Option<(String, Instant)>,
}

impl Trouble {
    /// Tells of an attempt that failed; the next one follows by itself.
    pub(super) fn tell(&mut self, place: &Place<'_>, error: &ConnectionError, now: Instant) {
        let reason = reason(error);
        if self.is_news(&reason, now) {
            tracing::warn!("No connection to {place}: {reason}; trying on");
        }
    }

    /// Tells of an attempt that has no answer yet.
    pub(super) fn tell_slow(&mut self, place: &Place<'_>, now: Instant) {
        let reason = format!("no answer after {} s", SLOW.as_secs());
        if self.is_news(&reason, now) {
            tracing::warn!("No connection to {place}: {reason}; waiting on");
        }
    }

    fn is_news(&mut self, reason: &str, now: Instant) -> bool {
        let known = self.told.as_ref();
        if known.is_some_and(|(told, at)| told == reason && now.duration_since(*at) < AGAIN) {
            return false;
        }
        self.told = Some((reason.to_owned(), now));
        true
    }
}

/// The cause without the address, which is told beside it.
fn reason(error: &ConnectionError) -> String {
    match error {
        ConnectionError::Connect { source, .. } | ConnectionError::Io { source, .. } => {
            source.to_string()
        }
        ConnectionError::ConnectTimeout { after, .. } => format!("no answer within {after:?}"),
        ConnectionError::Closed { .. } => {
            "the other side closed the connection at once; it may be no PLAINTEXT listener of a \
             broker"
                .to_owned()
        }
        ConnectionError::FrameSize { size, .. } => match size.to_be_bytes() {
            [.., b'H', b'T', b'T', b'P'] => "an HTTP server answers there, no broker".to_owned(),
            [.., 0x15, 0x03, _, _] => {
                "a TLS listener answers there; this client speaks PLAINTEXT".to_owned()
            }
            _ => error.to_string(),
        },
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use super::*;

    fn refused(text: &str) -> ConnectionError {
        let source = Arc::new(io::Error::new(io::ErrorKind::ConnectionRefused, text.to_owned()));
        ConnectionError::Connect { address: "kafka:9092".into(), source }
    }

    #[test]
    fn a_reason_is_told_once_and_again_after_a_while() {
        let mut trouble = Trouble::default();
        let begun = Instant::now();
        let news = |trouble: &mut Trouble, reason: &str, after: u64| {
            trouble.is_news(reason, begun + Duration::from_secs(after))
        };
        assert!(news(&mut trouble, "refused", 0));
        assert!(!news(&mut trouble, "refused", 9));
        assert!(news(&mut trouble, "no answer", 9));
        assert!(news(&mut trouble, "refused", 10));
        assert!(!news(&mut trouble, "refused", 19));
        assert!(news(&mut trouble, "refused", 20));
    }

    #[test]
    fn what_answers_in_place_of_a_broker_is_named() {
        let frame = |size: u32| ConnectionError::FrameSize {
            address: "a:1".into(),
            size: i64::from(size),
            limit: 100,
        };
        let http = u32::from_be_bytes(*b"HTTP");
        assert!(reason(&frame(http)).contains("an HTTP server answers there"));
        assert!(reason(&frame(0x1503_0302)).contains("a TLS listener answers there"));
        assert!(reason(&frame(7)).contains("7 bytes"));
        assert_eq!(reason(&refused("Connection refused")), "Connection refused");
        let closed = ConnectionError::Closed { address: "a:1".into() };
        assert!(reason(&closed).contains("PLAINTEXT listener"));
    }
}
