//! What the server tells of its connectors: one that is done or has failed is told where the server
//! said that it is ready.

use std::collections::HashMap;
use std::convert::Infallible;
use std::time::Duration;

use connect::{ConnectorStatus, TaskState, Worker};

use crate::output::say;

const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Prints what becomes of the connectors; never returns.
pub(crate) async fn tell(worker: &Worker) -> Infallible {
    let mut told = HashMap::new();
    loop {
        for status in worker.status() {
            let before = told.insert(status.name.clone(), status.state.clone());
            if before.as_ref() != Some(&status.state)
                && let Some(line) = line(&status)
            {
                say(&line);
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// None while there is nothing that somebody should know.
fn line(status: &ConnectorStatus) -> Option<String> {
    let name = &status.name;
    match &status.state {
        TaskState::Unassigned | TaskState::Running | TaskState::Stopped => None,
        TaskState::Restarting(reason) => {
            Some(format!("connector {name} waits and tries again: {reason}"))
        }
        TaskState::Done => {
            Some(format!("connector {name} is done: {} records written", status.records_written))
        }
        TaskState::Failed(reason) => Some(format!(
            "connector {name} has FAILED: {reason}\n  It reads nothing until the server is started \
             again; the rest of the server goes on."
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connector_that_is_done_or_has_failed_is_told() {
        let told = |state: TaskState| {
            line(&ConnectorStatus {
                name: "c".into(),
                state,
                records_written: 3,
                records_recovered: 0,
                bytes_read: 0,
                bytes_total: 0,
            })
        };
        assert_eq!(told(TaskState::Running), None);
        assert_eq!(
            told(TaskState::Done).as_deref(),
            Some("connector c is done: 3 records written")
        );
        let failed = told(TaskState::Failed("in.csv, line 2: no".into())).expect("told");
        assert!(failed.starts_with("connector c has FAILED: in.csv, line 2: no\n"), "{failed}");
    }
}
