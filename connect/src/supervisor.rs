//! Runs a connector's task, and runs it again when what stopped it may pass: a broker or a registry
//! that is away. A task goes on from its last checkpoint and writes nothing twice, so that starting
//! it again costs nothing but time.

use std::sync::Arc;
use std::time::Duration;

use client::Producer;
use tokio_util::sync::CancellationToken;

use crate::config::TopicCreation;
use crate::offsets::OffsetStore;
use crate::plugin::SourceError;
use crate::status::{Shared, TaskState};
use crate::task::{Ended, Targets, TaskError, TaskRun};
use crate::worker::Checked;

/// The pause before the first new start; it doubles up to the last while nothing is written.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

pub(crate) struct Supervisor {
    pub(crate) checked: Checked,
    pub(crate) offsets: Arc<dyn OffsetStore>,
    pub(crate) flush_interval: Duration,
    pub(crate) status: Arc<Shared>,
}

impl Supervisor {
    /// Until the source is done, the token is cancelled, or something fails that will fail again.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let connector = &self.checked.name;
        let mut pause = FIRST_PAUSE;
        loop {
            self.status.set_state(TaskState::Running);
            let before = self.status.status().records_written;
            let outcome = match self.task() {
                Ok(task) => task.run(&stop).await,
                Err(error) => Err(error),
            };
            let error = match outcome {
                Ok(Ended::Done) => {
                    let records = self.status.status().records_written;
                    tracing::info!(connector, records, "the connector has read all there is");
                    return self.status.set_state(TaskState::Done);
                }
                Ok(Ended::Stopped) => return self.status.set_state(TaskState::Stopped),
                Err(error) => error,
            };
            if !error.is_retriable() || stop.is_cancelled() {
                tracing::error!(
                    connector,
                    %error,
                    "the connector has FAILED and reads nothing until the worker is started again"
                );
                return self.status.set_state(TaskState::Failed(error.to_string()));
            }
            if self.status.status().records_written > before {
                pause = FIRST_PAUSE;
            }
            tracing::warn!(connector, %error, ?pause, "the connector's task is started again");
            self.status.set_state(TaskState::Restarting(error.to_string()));
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => return self.status.set_state(TaskState::Stopped),
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn task(&self) -> Result<TaskRun, TaskError> {
        let Checked { name, connector, values, key, value, producer } = &self.checked;
        let source = connector.task(name, values, Arc::clone(&self.status.progress));
        let source = source.map_err(|problems| {
            let reasons: Vec<String> = problems.iter().map(ToString::to_string).collect();
            SourceError::Position(reasons.join("; "))
        })?;
        Ok(TaskRun {
            name: name.clone(),
            source,
            topics: connector.topics(values),
            key: Arc::clone(key),
            value: Arc::clone(value),
            // Topics are looked at where the producer writes.
            targets: Arc::new(Targets::new(producer.client.clone(), TopicCreation::new(values))?),
            producer: Producer::new(producer.clone())?,
            offsets: Arc::clone(&self.offsets),
            flush_interval: self.flush_interval,
            status: Arc::clone(&self.status),
        })
    }
}
