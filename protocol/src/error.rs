//! Why bytes are not a message, or a message cannot become bytes.

/// Bytes that are not what they should be; `at` counts from the start of the frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("byte {at}: {wanted} bytes expected, {left} are left")]
    TooShort { at: usize, wanted: usize, left: usize },
    #[error("byte {at}: {count} elements of {least} bytes or more cannot be in {left} bytes")]
    Count { at: usize, count: usize, least: usize, left: usize },
    #[error("byte {at}: a string of {length} bytes, at most {} are allowed", crate::limits::STRING)]
    StringLength { at: usize, length: usize },
    #[error("byte {at}: the string is not UTF-8")]
    Utf8 { at: usize },
    #[error("byte {at}: the variable-length number does not end within {bytes} bytes")]
    Varint { at: usize, bytes: usize },
    #[error("byte {at}: {field} is null, which this version does not allow")]
    Null { at: usize, field: &'static str },
    #[error("byte {at}: tagged field {tag} claims {declared} bytes and has {used}")]
    TagLength { at: usize, tag: u32, declared: usize, used: usize },
    #[error("byte {at}: the elements would take more than {limit} bytes of memory")]
    Memory { at: usize, limit: usize },
    #[error("{left} bytes are left after the message")]
    Trailing { left: usize },
    #[error("{message} has versions {first} to {last}, not {version}")]
    Version { message: &'static str, version: i16, first: i16, last: i16 },
    #[error("no API has the key {key}")]
    UnknownApi { key: i16 },
}

/// A message that cannot be sent in the version asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    #[error("version {version} has no field {field}, which is set: leave it at its default")]
    Lacks { field: &'static str, version: i16 },
    #[error("{field} is null, which this version does not allow")]
    Null { field: &'static str },
    #[error("a string of {length} bytes, at most {} can be sent", crate::limits::STRING)]
    StringLength { length: usize },
    #[error("{length} bytes or elements, at most {} can be sent", i32::MAX)]
    TooLong { length: usize },
    #[error("{message} has versions {first} to {last}, not {version}")]
    Version { message: &'static str, version: i16, first: i16, last: i16 },
}

impl EncodeError {
    pub(crate) fn lacks(field: &'static str, version: i16) -> Self {
        EncodeError::Lacks { field, version }
    }

    pub(crate) fn null(field: &'static str) -> Self {
        EncodeError::Null { field }
    }
}
