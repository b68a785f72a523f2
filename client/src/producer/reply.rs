//! Who is told what became of a record.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::record::RecordMetadata;
use crate::error::ProduceError;

/// Is told what became of records, without a future for each of them; see
/// [`Producer::send_observed`](super::Producer::send_observed).
pub trait DeliveryObserver: Send + Sync {
    /// The record that was sent with `tag` was written, or was given up. Each record is told of
    /// once. The producer's task waits meanwhile, so this must return soon.
    fn delivered(&self, tag: u64, outcome: Result<&RecordMetadata, &ProduceError>);
}

/// The way to one who waits for a record.
pub(super) enum Reply {
    Awaited(oneshot::Sender<Result<RecordMetadata, ProduceError>>),
    Observed(Observed),
}

impl Reply {
    pub(super) fn observed(observer: Arc<dyn DeliveryObserver>, tag: u64) -> Self {
        Self::Observed(Observed { observer: Some(observer), tag })
    }

    pub(super) fn send(self, outcome: Result<&RecordMetadata, &ProduceError>) {
        match self {
            Self::Awaited(sender) => {
                // Nobody has to wait for the outcome.
                let _ = sender.send(outcome.cloned().map_err(Clone::clone));
            }
            Self::Observed(observed) => observed.deliver(outcome),
        }
    }
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Awaited(_) => "Awaited",
            Self::Observed(_) => "Observed",
        })
    }
}

/// An observer that is told also when its record is dropped with the producer.
pub(super) struct Observed {
    /// `None` once it has been told.
    observer: Option<Arc<dyn DeliveryObserver>>,
    tag: u64,
}

impl Observed {
    fn deliver(mut self, outcome: Result<&RecordMetadata, &ProduceError>) {
        if let Some(observer) = self.observer.take() {
            observer.delivered(self.tag, outcome);
        }
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        if let Some(observer) = self.observer.take() {
            observer.delivered(self.tag, Err(&ProduceError::Closed));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Default)]
    struct Notes(Mutex<Vec<(u64, Option<i64>)>>);

    impl DeliveryObserver for Notes {
        fn delivered(&self, tag: u64, outcome: Result<&RecordMetadata, &ProduceError>) {
            self.0.lock().unwrap().push((tag, outcome.ok().and_then(|written| written.offset)));
        }
    }

    #[test]
    fn an_observer_is_told_once_also_of_what_was_dropped() {
        let notes = Arc::new(Notes::default());
        let written =
            RecordMetadata { topic: "t".into(), partition: 0, offset: Some(7), timestamp_ms: 0 };
        Reply::observed(notes.clone(), 1).send(Ok(&written));
        drop(Reply::observed(notes.clone(), 2));
        assert_eq!(*notes.0.lock().unwrap(), [(1, Some(7)), (2, None)]);
    }
}
