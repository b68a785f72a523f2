//! How an application runs.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::operator::Report;

/// Where messages about rows that were left out go. It is called from worker threads.
pub type ProcessingLog = Arc<dyn Fn(&Report) + Send + Sync>;

/// Settings of an application.
#[derive(Clone)]
pub struct AppConfig {
    /// Names the application's consumer group, internal topics and state. Two that run with the
    /// same id on one cluster spoil each other's work.
    pub application_id: String,
    /// State is kept in a folder with the application's id in here; `None` keeps it in memory,
    /// and the changelog topic brings it back.
    pub state_dir: Option<PathBuf>,
    /// Longest time between commits; also how old the state is that queries see, at most.
    pub commit_interval: Duration,
    /// Replicas of internal topics; -1 takes the cluster's default.
    pub replication_factor: i16,
    /// An application that leaves nothing behind: no state, no offsets, no internal topics once
    /// it is closed. Each start begins where its sources say, so that it does not start again by
    /// itself: an error of the cluster ends it.
    pub transient: bool,
    pub processing_log: Option<ProcessingLog>,
    /// How often the cluster is asked whether the topics are still those that the application
    /// started with. It fails when two answers in a row say that one is not.
    pub topic_check_interval: Duration,
}

impl AppConfig {
    pub fn new(application_id: impl Into<String>) -> Self {
        Self {
            application_id: application_id.into(),
            state_dir: None,
            commit_interval: Duration::from_millis(100),
            replication_factor: -1,
            transient: false,
            processing_log: None,
            topic_check_interval: Duration::from_secs(5),
        }
    }

    /// Says what is wrong with these settings.
    pub(crate) fn validate(&self) -> Result<(), String> {
        let id = &self.application_id;
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if id.is_empty() || id.len() > 150 || !id.chars().all(legal) || id.starts_with('.') {
            return Err(format!(
                "application id \"{id}\" must be 1 to 150 letters, digits, '_', '-' and '.', and \
                 must not begin with '.': it names topics and a folder"
            ));
        }
        if self.commit_interval.is_zero() {
            return Err("the commit interval must be longer than nothing".to_owned());
        }
        if self.topic_check_interval.is_zero() {
            return Err("the interval of topic checks must be longer than nothing".to_owned());
        }
        Ok(())
    }
}
