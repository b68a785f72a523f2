//! The rules whose breach must not go unnoticed: the simulation breaks each of them on purpose.
//! Outside of tests all of them hold, and nothing is left of this file.

#[cfg(test)]
use std::cell::Cell;

/// A rule that the safety of replicated records stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// The high watermark waits for the members that were asked for and not confirmed (KIP-497).
    MaximalIsrHolds,
    /// The high watermark waits for members whose position is not known.
    UnknownPositionHolds,
    /// A follower joins when it has all up to the high watermark.
    JoinsAtHighWatermark,
    /// A follower joins when it has all up to the start of the leader's epoch.
    JoinsAtEpochStart,
    /// A request whose outcome is not known is not taken for refused.
    UnclearAnswerKeepsPending,
    /// A change of the partition that is not newer leaves what was asked for as it is.
    SameEpochKeepsPending,
    /// Fetches of another leader epoch are turned away.
    EpochFencesFetches,
    /// A position counts in the epoch in which it was fetched.
    PositionsOfTheEpoch,
    /// A follower whose log diverges is told so, and its position does not count.
    DivergedIsNotCounted,
    /// A broker is taken in only under the epoch in which it fetches (KIP-903).
    BrokerEpochFences,
    /// Whoever waits is told when the leader epoch is another.
    EpochFencesWaits,
    /// A follower cuts what its leader does not have.
    FollowerCuts,
    /// A follower's high watermark is not beyond its own log.
    WatermarkWithinLog,
    /// An answer to another epoch's fetch is not appended.
    AnswerOfTheEpoch,
}

#[cfg(test)]
thread_local! {
    static BROKEN: Cell<Option<Rule>> = const { Cell::new(None) };
}

/// Whether a rule is to be kept.
#[cfg(test)]
pub(super) fn holds(rule: Rule) -> bool {
    BROKEN.get() != Some(rule)
}

#[cfg(not(test))]
pub(super) const fn holds(_: Rule) -> bool {
    true
}
