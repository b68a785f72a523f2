//! The state behind its topic: a change is written, read back, applied, and only then answered.

use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::{Mutex, watch};

use super::record::Record;
use super::state::State;
use crate::error::RegistryError;
use crate::service::{Answer, Outcome};

/// Why a change was not stored, or it is not known whether it was.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("the topic took no record: {0}")]
    Write(String),
    #[error("the record was written but not read back in time")]
    Timeout,
    #[error("the cluster did not take the record within {} s", TAKEN.as_secs())]
    NotTaken,
    #[error("the registry is shutting down")]
    Closed,
}

/// A key with its value, or with a tombstone.
pub(crate) type Entry = (Bytes, Option<Bytes>);

/// Where records are written. What is written comes back through [`Store::apply`], in order, to
/// whoever reads the topic.
#[async_trait]
pub(crate) trait Journal: Send + Sync {
    /// Appends all entries in order; the offset of the last one.
    async fn append(&self, entries: Vec<Entry>) -> Result<i64, StoreError>;

    /// Lets go of what it holds; nothing is appended afterwards.
    async fn close(&self) {}
}

pub(crate) struct Store {
    /// Nothing awaits under it.
    state: RwLock<State>,
    /// The offset up to which records are applied; -1 before the first.
    applied: watch::Sender<i64>,
    journal: Box<dyn Journal>,
    /// One change at a time: each is decided on the state that the one before has left. True where
    /// it is not known what that one has written.
    turn: Mutex<bool>,
}

/// How long a record may be on its way to the topic: whoever sent the request waits so long.
const TAKEN: Duration = Duration::from_secs(15);
/// How long a written record may take to come back.
const READ_BACK: Duration = Duration::from_secs(30);

impl Store {
    pub(crate) fn new(journal: Box<dyn Journal>) -> Self {
        let applied = watch::Sender::new(-1);
        Self { state: RwLock::default(), applied, journal, turn: Mutex::new(false) }
    }

    /// Takes a record of the topic into the state. One that cannot be read is named in the log and
    /// left out, so that a foreign record does not keep the registry from starting.
    pub(crate) fn apply(&self, offset: i64, key: Option<&[u8]>, value: Option<&[u8]>) {
        match key.map(|key| Record::decode(key, value)) {
            Some(Ok(Some(record))) => {
                self.state.write().unwrap_or_else(PoisonError::into_inner).apply(record);
            }
            Some(Ok(None)) => {}
            Some(Err(error)) => tracing::warn!(offset, %error, "a record was left out"),
            None => tracing::warn!(offset, "a record without a key was left out"),
        }
        self.applied.send_replace(offset);
    }

    /// Writes a record that means nothing and waits until it is back: everything before it is
    /// applied then.
    pub(crate) async fn catch_up(&self) -> Result<(), StoreError> {
        let _turn = self.turn.lock().await;
        self.read_all().await
    }

    async fn read_all(&self) -> Result<(), StoreError> {
        let last = self.append(vec![Record::Noop.encode()]).await?;
        self.wait_for(last).await
    }

    pub(crate) fn read<T>(&self, answer: impl FnOnce(&State) -> Answer<T>) -> Answer<T> {
        answer(&self.state())
    }

    pub(crate) fn look<T>(&self, at: impl FnOnce(&State) -> T) -> T {
        at(&self.state())
    }

    /// Decides on the current state, stores the records, and gives the answer once they are
    /// applied. A change that failed, or that nobody waited for, may have been written all the
    /// same: the next one reads the topic to its end first.
    pub(crate) async fn write<T>(
        &self,
        decide: impl Fn(&State) -> Answer<Outcome<T>>,
    ) -> Answer<T> {
        let mut in_doubt = self.turn.lock().await;
        if *in_doubt {
            self.read_all().await?;
            *in_doubt = false;
        }
        let (records, answer) = {
            let state = self.state();
            let Outcome { mut records, answer } = decide(&state)?;
            records.splice(..0, state.highest_ids_to_keep(&records));
            (records, answer)
        };
        if records.is_empty() {
            return Ok(answer);
        }
        *in_doubt = true;
        let expected = *self.applied.borrow() + records.len() as i64;
        let entries = records.iter().map(Record::encode).collect();
        let last = self.append(entries).await.map_err(RegistryError::Store)?;
        if last != expected {
            tracing::error!(
                "somebody else writes to the registry's topic; two registries on one topic may \
                 give one id twice: stop one of them"
            );
        }
        self.wait_for(last).await?;
        *in_doubt = false;
        Ok(answer)
    }

    /// Writes the highest ids down that only rows on their way out of the topic say.
    pub(crate) async fn keep_highest_ids(&self) -> Answer<()> {
        self.write(|_| Ok(Outcome::nothing(()))).await
    }

    pub(crate) async fn close(&self) {
        let _turn = self.turn.lock().await;
        self.journal.close().await;
    }

    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that the cluster takes later all the same come before those of the next change,
    /// which reads the topic to its end first.
    async fn append(&self, entries: Vec<Entry>) -> Result<i64, StoreError> {
        let taken = tokio::time::timeout(TAKEN, self.journal.append(entries)).await;
        taken.unwrap_or(Err(StoreError::NotTaken))
    }

    async fn wait_for(&self, offset: i64) -> Result<(), StoreError> {
        let mut applied = self.applied.subscribe();
        let reached = applied.wait_for(|applied| *applied >= offset);
        match tokio::time::timeout(READ_BACK, reached).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(StoreError::Closed),
            Err(_) => Err(StoreError::Timeout),
        }
    }
}
