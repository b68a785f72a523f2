//! Deadlines as data: nothing here waits.

use std::collections::{BTreeMap, HashMap};

/// What is due at a deadline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// A member was not heard of, or never joined with the id that it got.
    Session { group: String, member: String },
    /// The join phase has lasted long enough.
    Join { group: String },
    /// The initial wait of a group is over; what it was, and what may be added to it.
    InitialJoin { group: String, delay_ms: i64, rest_ms: i64 },
    /// Members have not asked for their assignment.
    Sync { group: String },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Slot {
    Session(String, String),
    Join(String),
    Sync(String),
}

impl Timer {
    pub(crate) fn session(group: &str, member: &str) -> Self {
        Timer::Session { group: group.to_owned(), member: member.to_owned() }
    }

    pub(crate) fn join(group: &str) -> Self {
        Timer::Join { group: group.to_owned() }
    }

    pub(crate) fn initial_join(group: &str, delay_ms: i64, rest_ms: i64) -> Self {
        Timer::InitialJoin { group: group.to_owned(), delay_ms, rest_ms }
    }

    pub(crate) fn sync(group: &str) -> Self {
        Timer::Sync { group: group.to_owned() }
    }

    fn slot(&self) -> Slot {
        match self {
            Timer::Session { group, member } => Slot::Session(group.clone(), member.clone()),
            Timer::Join { group } | Timer::InitialJoin { group, .. } => Slot::Join(group.clone()),
            Timer::Sync { group } => Slot::Sync(group.clone()),
        }
    }
}

/// The timers of a shard; a slot (a member's session, a group's join phase, its sync phase) has at
/// most one.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    slots: HashMap<Slot, (i64, u64)>,
    /// By deadline, then in the order in which they were set.
    due: BTreeMap<(i64, u64), Timer>,
    set: u64,
}

impl Timers {
    /// Sets a timer in the place of the one that its slot has.
    pub(crate) fn set(&mut self, timer: Timer, deadline_ms: i64) {
        self.set += 1;
        let place = (deadline_ms, self.set);
        if let Some(earlier) = self.slots.insert(timer.slot(), place) {
            self.due.remove(&earlier);
        }
        self.due.insert(place, timer);
    }

    pub(crate) fn cancel(&mut self, timer: &Timer) {
        if let Some(place) = self.slots.remove(&timer.slot()) {
            self.due.remove(&place);
        }
    }

    /// Takes out the first timer whose deadline has come.
    pub(crate) fn pop_due(&mut self, now_ms: i64) -> Option<Timer> {
        let entry = self.due.first_entry()?;
        if entry.key().0 > now_ms {
            return None;
        }
        let timer = entry.remove();
        self.slots.remove(&timer.slot());
        Some(timer)
    }

    pub(crate) fn next_deadline(&self) -> Option<i64> {
        self.due.first_key_value().map(|((deadline_ms, _), _)| *deadline_ms)
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        assert_eq!(self.slots.len(), self.due.len());
        self.due.len()
    }
}
