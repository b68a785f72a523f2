//! The rules whose breach must not go unnoticed: the simulation breaks each of them on purpose.
//! Outside of tests all of them hold, and nothing is left of this file.

#[cfg(test)]
use std::cell::Cell;

/// A rule that the safety of the quorum stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// An election needs more than half of the voters.
    MajorityElects,
    /// A record is committed when more than half of the voters have it.
    MajorityCommits,
    /// A vote is for one candidate an epoch.
    OneVoteAnEpoch,
    /// A vote is for nobody whose log is behind.
    CompleteLogWins,
    /// Only a record of the leader's own epoch commits those before it.
    OwnEpochCommits,
    /// Requests of another epoch are turned away.
    EpochsFence,
    /// A follower cuts what its leader does not have.
    FollowersCut,
    /// A follower acknowledges what is synced.
    SyncedBeforeFetched,
    /// A leader counts of its own log what is synced.
    SyncedBeforeCounted,
    /// A change of the voters waits for the one before it.
    OneChangeAtATime,
}

#[cfg(test)]
thread_local! {
    static BROKEN: Cell<Option<Rule>> = const { Cell::new(None) };
}

/// Whether a rule is to be kept.
#[cfg(test)]
pub(crate) fn holds(rule: Rule) -> bool {
    BROKEN.get() != Some(rule)
}

#[cfg(not(test))]
pub(crate) const fn holds(_: Rule) -> bool {
    true
}

/// Lets a rule be broken on this thread from now on.
#[cfg(test)]
pub(crate) fn break_rule(rule: Option<Rule>) {
    BROKEN.set(rule);
}
