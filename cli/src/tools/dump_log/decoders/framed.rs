//! What the records of the cluster's metadata and of tiered storage begin with.

use bytes::Bytes;
use protocol::{Message, Reader};

const FRAME: i16 = 1;

/// A record behind the version of its frame.
pub(super) struct Framed {
    pub(super) kind: i16,
    pub(super) version: i16,
    rest: Reader,
}

/// Reads the version of the frame, the kind and the version of the record.
pub(super) fn framed(value: Option<&[u8]>) -> Result<Framed, String> {
    let Some(value) = value else { return Err("the record has no value".to_owned()) };
    let mut rest = Reader::new(Bytes::copy_from_slice(value));
    let mut number = |what: &str| {
        let number = rest.varint().map_err(|_| format!("Error while reading {what}"))?;
        i16::try_from(number).map_err(|_| format!("Value for {what} was too large."))
    };
    match number("frame version")? {
        FRAME => {}
        0 => {
            return Err("Could not deserialize metadata record with frame version 0. Note that \
                        upgrades from the preview release of KRaft in 2.8 to newer versions are \
                        not supported."
                .to_owned());
        }
        frame => {
            return Err(format!(
                "Could not deserialize metadata record due to unknown frame version {frame}(only \
                 frame version {FRAME} is supported)"
            ));
        }
    }
    Ok(Framed { kind: number("type")?, version: number("version")?, rest })
}

impl Framed {
    /// The record, which must be all there is.
    pub(super) fn message<M: Message>(mut self) -> Result<M, String> {
        let message = M::decode(&mut self.rest, self.version);
        let message = message.map_err(|error| {
            format!("Failed to deserialize record with type {}: {error}", self.kind)
        })?;
        match self.rest.remaining() {
            0 => Ok(message),
            left => Err(format!("Found {left} byte(s) of garbage after {}", self.kind)),
        }
    }
}
