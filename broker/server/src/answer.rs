//! What goes back to a client: bytes from memory and ranges of files.

use broker_cluster::partition::RecordRange;
use bytes::Bytes;

#[derive(Clone, Debug)]
pub(crate) enum Chunk {
    Bytes(Bytes),
    File(RecordRange),
}

impl Chunk {
    pub(crate) fn length(&self) -> usize {
        match self {
            Chunk::Bytes(bytes) => bytes.len(),
            Chunk::File(range) => range.length(),
        }
    }
}

/// One whole response frame, its length included.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    pub(crate) chunks: Vec<Chunk>,
}

impl Answer {
    /// Bytes on the wire.
    pub(crate) fn length(&self) -> usize {
        self.chunks.iter().map(Chunk::length).sum()
    }
}
