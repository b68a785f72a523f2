//! What all messages have in common.

use std::fmt::Debug;
use std::ops::RangeInclusive;

use crate::{ApiKey, DecodeError, EncodeError, Reader, Writer};

/// A typed message. Its `Default` is Kafka's: what a receiver assumes for fields not sent.
pub trait Message: Sized + Clone + Debug + Default + PartialEq + Send + Sync + 'static {
    const NAME: &'static str;
    /// The versions that can be decoded and encoded.
    const VERSIONS: RangeInclusive<i16>;
    /// The first version with compact lengths and tagged fields.
    const FLEXIBLE_FROM: Option<i16>;

    /// Reads the message from where the reader stands; what follows it is left unread.
    fn decode(reader: &mut Reader, version: i16) -> Result<Self, DecodeError>;

    /// Appends the message. After an error the writer holds part of it and is of no more use.
    fn encode(&self, writer: &mut Writer, version: i16) -> Result<(), EncodeError>;
}

pub trait Request: Message {
    const KEY: ApiKey;
    type Response: Message;
}

/// A record that Kafka tells from its neighbours in the same log by a number: the type of a
/// metadata record, or the int16 that opens the key of a coordinator's record.
pub trait NumberedRecord: Message {
    const KIND: i16;
}

pub(crate) fn check_decode<M: Message>(version: i16) -> Result<(), DecodeError> {
    if M::VERSIONS.contains(&version) {
        return Ok(());
    }
    let (first, last) = M::VERSIONS.into_inner();
    Err(DecodeError::Version { message: M::NAME, version, first, last })
}

pub(crate) fn check_encode<M: Message>(version: i16) -> Result<(), EncodeError> {
    if M::VERSIONS.contains(&version) {
        return Ok(());
    }
    let (first, last) = M::VERSIONS.into_inner();
    Err(EncodeError::Version { message: M::NAME, version, first, last })
}
