//! What a world is made of, and what goes wrong on purpose.

/// What a world is made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) voters: usize,
    /// Brokers: they follow, and never vote.
    pub(super) observers: usize,
    /// Controllers that are no voters yet; the log holds the voters if there are any.
    pub(super) spares: usize,
    pub(super) dynamic: bool,
    pub(super) snapshots: bool,
    /// How long things go wrong, in milliseconds.
    pub(super) trouble_ms: i64,
    /// One trouble follows the other closely, nodes come back at once, and a fetch gets one batch:
    /// elections interrupt each other.
    pub(super) storm: bool,
    /// Controllers join by themselves, and some lose their disks for good.
    pub(super) joins: bool,
    /// One of the nodes knows nothing of pre-votes.
    pub(super) mixed: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            voters: 3,
            observers: 1,
            spares: 0,
            dynamic: false,
            snapshots: false,
            trouble_ms: 60_000,
            storm: false,
            joins: false,
            mixed: false,
        }
    }
}

/// How the nodes, as opposed to the machine, break a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Misuse {
    /// `quorum-state` is read without the vote.
    ForgetVote,
    /// The log is called synced as soon as it is written.
    UnsyncedIsSynced,
    /// Messages leave before `quorum-state` is durable.
    SendBeforePersist,
}
