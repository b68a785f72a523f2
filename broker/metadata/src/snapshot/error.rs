//! Why a file is no snapshot.

use protocol::DecodeError;
use thiserror::Error;

use crate::batches::BatchError;
use crate::delta::ApplyError;

/// Why bytes are no snapshot of the metadata. Positions are bytes of the file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SnapshotError {
    #[error("the snapshot is empty")]
    Empty,
    #[error("{0}")]
    Batch(#[from] BatchError),
    #[error("the snapshot does not begin with its header, but with {found}")]
    NoHeader { found: String },
    #[error("the snapshot has no footer: it ends at byte {position}, and was not written wholly")]
    NoFooter { position: usize },
    #[error("the batch at byte {position} comes after the footer of the snapshot")]
    AfterFooter { position: usize },
    #[error("the batch at byte {position} has a {record} where none may be")]
    Misplaced { position: usize, record: &'static str },
    #[error("the {record} at byte {position} can't be read: {source}")]
    Control { position: usize, record: &'static str, source: DecodeError },
    #[error("the {record} at byte {position} has version {version}, only 0 is known")]
    Version { position: usize, record: &'static str, version: i16 },
    #[error("kraft.version {version} in the batch at byte {position} is not known: 0 and 1 are")]
    KRaftVersion { position: usize, version: i16 },
    #[error("a record of the batch at byte {position} can't be followed: {source}")]
    Apply { position: usize, source: ApplyError },
    #[error("the snapshot ends within a transaction")]
    OpenTransaction,
}
