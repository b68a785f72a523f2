//! The session with the leader: its id, and the number of the next request in it.

/// A fetch session, seen from the follower.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Session {
    /// 0: none.
    id: i32,
    /// 0 asks for a new session, and ends the one of that id.
    epoch: i32,
    /// Counts sessions, so that what was asked in an earlier one is told apart.
    number: u64,
    by_id: bool,
}

impl Session {
    pub(super) fn id(&self) -> i32 {
        self.id
    }

    pub(super) fn epoch(&self) -> i32 {
        self.epoch
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn by_id(&self) -> bool {
        self.by_id
    }

    /// Whether the next request names all partitions.
    pub(super) fn is_new(&self) -> bool {
        self.epoch == 0
    }

    /// A session goes on by ids or by names, as it began.
    pub(super) fn continues(&self, by_id: bool) -> bool {
        self.by_id == by_id
    }

    /// The next request is the first of a new session, and ends this one at the leader.
    pub(super) fn close(&mut self, by_id: bool) {
        *self = Self { id: self.id, epoch: 0, number: self.number + 1, by_id };
    }

    /// The same, where the leader has forgotten this one.
    pub(super) fn drop(&mut self) {
        *self = Self { id: 0, epoch: 0, number: self.number + 1, by_id: self.by_id };
    }

    /// A request was answered. A leader that has no room for sessions answers with none.
    pub(super) fn advance(&mut self, session_id: i32) {
        if session_id == 0 {
            return self.end();
        }
        self.id = session_id;
        self.epoch = if self.epoch == i32::MAX { 1 } else { self.epoch + 1 };
    }

    /// The leader has ended the session with its answer, which counts.
    fn end(&mut self) {
        (self.id, self.epoch) = (0, 0);
    }
}
