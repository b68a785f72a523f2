//! The file `quorum-state`: what a node must not forget of an election.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use broker_log::{StorageError, Store, read_all, replace};
use broker_raft::{ElectionState, ElectionStateError};
use thiserror::Error;

const NAME: &str = "quorum-state";

/// Why the file can't be read.
#[derive(Debug, Error)]
pub enum StateFileError {
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(
        "{path}: {problem}. It says whom this node has voted for, and is not to be guessed: put \
         back a copy, or, on a node whose quorum has other voters that are well, remove the folder \
         of the metadata log to let it begin anew"
    )]
    Content { path: String, problem: String },
}

/// Where the file is.
#[derive(Debug)]
pub(super) struct StateFile {
    store: Arc<dyn Store>,
    path: PathBuf,
}

impl StateFile {
    pub(super) fn new(store: Arc<dyn Store>, folder: &Path) -> Self {
        Self { store, path: folder.join(NAME) }
    }

    /// What the file says; `None` where it was never written. Blocks.
    pub(super) fn read(&self) -> Result<Option<ElectionState>, StateFileError> {
        let content = |problem: String| StateFileError::Content {
            path: self.path.display().to_string(),
            problem,
        };
        let bytes = match read_all(&*self.store, &self.path) {
            Ok(bytes) => bytes,
            Err(problem) if problem.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(problem) => return Err(StorageError::on("read", self.path.clone())(problem).into()),
        };
        let text = String::from_utf8(bytes).map_err(|_| content("it is no text".to_owned()))?;
        let parsed = ElectionState::parse(&text);
        parsed.map(Some).map_err(|problem: ElectionStateError| content(problem.to_string()))
    }

    /// Writes the file; when this returns, it survives a loss of power. Blocks.
    pub(super) fn write(
        &self,
        state: &ElectionState,
        kraft_version: i16,
    ) -> Result<(), StorageError> {
        let text = state.print(kraft_version);
        let written = replace(&*self.store, &self.path, text.as_bytes());
        written.map_err(StorageError::on("write", self.path.clone()))
    }
}
