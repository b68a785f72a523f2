//! Record batches.

use bytes::Bytes;

/// The records of a partition in a message: batches, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Records {
    /// A slice of the frame that was decoded, or what is to be copied into the one being built.
    Bytes(Bytes),
    /// For encoding: `length` bytes that are sent from where they are.
    Elsewhere { length: usize },
}

impl Records {
    pub fn len(&self) -> usize {
        match self {
            Records::Bytes(bytes) => bytes.len(),
            Records::Elsewhere { length } => *length,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes, unless they are elsewhere.
    pub fn bytes(&self) -> Option<&Bytes> {
        match self {
            Records::Bytes(bytes) => Some(bytes),
            Records::Elsewhere { .. } => None,
        }
    }
}

impl From<Bytes> for Records {
    fn from(bytes: Bytes) -> Self {
        Records::Bytes(bytes)
    }
}
