//! Who waits for an offset of one partition.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use thiserror::Error;

use super::rules::{Rule, holds};

/// One wait of a [`Waits`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WaitId(u64);

/// A wait of an epoch that is over: it gets its token back, to be told so.
#[derive(Debug, PartialEq, Eq, Error)]
#[error("waits are let in for {current:?}, the leader epoch")]
pub struct EpochFenced<T> {
    pub token: T,
    /// The leader epoch in which waits are let in; `None`: in none.
    pub current: Option<i32>,
}

/// A wait whose time is over.
#[derive(Debug, PartialEq, Eq)]
pub struct Expired<T> {
    pub id: WaitId,
    pub token: T,
}

/// An ordered set of waits for offsets in one leader epoch: each is for the offset to be reached,
/// in the epoch in which it was entered, before its deadline. All but what hands out many waits at
/// once takes logarithmic time, and that takes it for each wait.
///
/// A token leaves exactly once: reached, fenced, expired or cancelled.
#[derive(Debug)]
pub struct Waits<T> {
    /// The newest epoch that there was.
    epoch: i32,
    is_open: bool,
    /// The furthest offset that is reached in this epoch.
    reached: i64,
    last_id: u64,
    by_offset: BTreeMap<(i64, WaitId), T>,
    by_deadline: BTreeSet<(i64, WaitId)>,
    places: HashMap<WaitId, Place>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    offset: i64,
    deadline_ms: i64,
}

/// What becomes of a wait that is entered.
#[derive(Debug, PartialEq, Eq)]
pub enum Entered<T> {
    Waits(WaitId),
    /// The offset is reached already.
    Reached(T),
}

impl<T> Waits<T> {
    /// Lets nobody wait before the first [`Waits::fence`].
    pub fn closed() -> Self {
        Self {
            epoch: -1,
            is_open: false,
            reached: -1,
            last_id: 0,
            by_offset: BTreeMap::new(),
            by_deadline: BTreeSet::new(),
            places: HashMap::new(),
        }
    }

    /// The epoch in which waits are let in; `None`: in none.
    pub fn epoch(&self) -> Option<i32> {
        self.is_open.then_some(self.epoch)
    }

    pub fn len(&self) -> usize {
        self.places.len()
    }

    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Waits until `offset` is reached in `epoch`. Another epoch than the current one gets the
    /// token back.
    pub fn enter(
        &mut self,
        epoch: i32,
        offset: i64,
        deadline_ms: i64,
        token: T,
    ) -> Result<Entered<T>, EpochFenced<T>> {
        if !self.is_current(epoch) {
            return Err(EpochFenced { token, current: self.epoch() });
        }
        if offset <= self.reached {
            return Ok(Entered::Reached(token));
        }
        self.last_id += 1;
        let id = WaitId(self.last_id);
        self.by_offset.insert((offset, id), token);
        self.by_deadline.insert((deadline_ms, id));
        self.places.insert(id, Place { offset, deadline_ms });
        Ok(Entered::Waits(id))
    }

    /// Lets a wait be content with less. The token comes back when that is reached already; a
    /// wait that is over, or waits for no more than that, stays as it is.
    pub fn lower(&mut self, id: WaitId, offset: i64) -> Option<T> {
        let place = self.places.get_mut(&id).filter(|place| offset < place.offset)?;
        let token = self.by_offset.remove(&(place.offset, id))?;
        place.offset = offset;
        self.by_offset.insert((offset, id), token);
        if offset > self.reached { None } else { self.cancel(id) }
    }

    /// `offset` is reached in `epoch`: the tokens of the waits up to it, by offset and then in the
    /// order in which they were entered. What is reached in another epoch answers nobody.
    pub fn complete(&mut self, epoch: i32, offset: i64) -> Vec<T> {
        if !self.is_current(epoch) || offset <= self.reached {
            return Vec::new();
        }
        self.reached = offset;
        let mut done = Vec::new();
        while let Some(first) = self.by_offset.first_entry() {
            if first.key().0 > offset {
                break;
            }
            let (_, id) = *first.key();
            done.push(first.remove());
            self.leave(id);
        }
        done
    }

    /// A new epoch begins with `reached`, or one goes on after [`Waits::close`]: the tokens of all
    /// waits, in the order of their offsets. An epoch that is not newer changes nothing else.
    pub fn fence(&mut self, epoch: i32, reached: i64) -> Vec<T> {
        let is_next = epoch > self.epoch || (epoch == self.epoch && !self.is_open);
        if !is_next {
            return Vec::new();
        }
        (self.epoch, self.is_open, self.reached) = (epoch, true, reached);
        if holds(Rule::EpochFencesWaits) { self.take_all() } else { Vec::new() }
    }

    /// Nobody may wait any more: the tokens of all waits, in the order of their offsets.
    pub fn close(&mut self) -> Vec<T> {
        self.is_open = false;
        self.take_all()
    }

    fn take_all(&mut self) -> Vec<T> {
        self.by_deadline.clear();
        self.places.clear();
        std::mem::take(&mut self.by_offset).into_values().collect()
    }

    fn is_current(&self, epoch: i32) -> bool {
        self.is_open && (epoch == self.epoch || !holds(Rule::EpochFencesWaits))
    }

    /// The waits whose deadline is not after `now_ms`, by deadline.
    pub fn expire(&mut self, now_ms: i64) -> Vec<Expired<T>> {
        let mut over = Vec::new();
        while let Some((deadline_ms, id)) = self.by_deadline.first().copied() {
            if deadline_ms > now_ms {
                break;
            }
            match self.cancel(id) {
                Some(token) => over.push(Expired { id, token }),
                None => {
                    self.by_deadline.remove(&(deadline_ms, id));
                }
            }
        }
        over
    }

    /// When [`Waits::expire`] has something to do.
    pub fn next_deadline_ms(&self) -> Option<i64> {
        self.by_deadline.first().map(|(deadline_ms, _)| *deadline_ms)
    }

    /// Takes a wait out; `None`: it is over.
    pub fn cancel(&mut self, id: WaitId) -> Option<T> {
        let place = self.leave(id)?;
        self.by_offset.remove(&(place.offset, id))
    }

    fn leave(&mut self, id: WaitId) -> Option<Place> {
        let place = self.places.remove(&id)?;
        self.by_deadline.remove(&(place.deadline_ms, id));
        Some(place)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn open<T>(epoch: i32, reached: i64) -> Waits<T> {
        let mut waits = Waits::closed();
        assert!(waits.fence(epoch, reached).is_empty());
        waits
    }

    fn enter(waits: &mut Waits<u32>, offset: i64, deadline_ms: i64, token: u32) -> WaitId {
        let epoch = waits.epoch().unwrap();
        match waits.enter(epoch, offset, deadline_ms, token) {
            Ok(Entered::Waits(id)) => id,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn waits_end_in_the_order_of_their_offsets_and_then_of_their_coming() {
        let mut waits = open(3, 0);
        for (offset, token) in [(30, 1), (10, 2), (20, 3), (10, 4)] {
            enter(&mut waits, offset, 100, token);
        }
        assert_eq!(waits.complete(3, 9), [] as [u32; 0]);
        assert_eq!(waits.complete(3, 20), [2, 4, 3]);
        assert_eq!(waits.complete(3, 20), [] as [u32; 0]);
        assert_eq!((waits.len(), waits.complete(3, 99), waits.is_empty()), (1, vec![1], true));
        assert_eq!(waits.next_deadline_ms(), None);
    }

    #[test]
    fn what_is_reached_needs_no_wait() {
        let mut waits = open(3, 10);
        assert_eq!(waits.enter(3, 10, 100, 'a'), Ok(Entered::Reached('a')));
        assert_eq!(waits.complete(3, 5), [] as [char; 0]);
        assert_eq!(waits.enter(3, 10, 100, 'b'), Ok(Entered::Reached('b')));
    }

    #[test]
    fn an_epoch_answers_only_its_own() {
        let mut waits = open(3, 0);
        enter(&mut waits, 20, 100, 1);
        enter(&mut waits, 10, 100, 2);
        assert_eq!(waits.enter(2, 5, 100, 9), Err(EpochFenced { token: 9, current: Some(3) }));
        assert_eq!(waits.enter(4, 5, 100, 9), Err(EpochFenced { token: 9, current: Some(3) }));
        assert_eq!(waits.complete(4, 50), [] as [u32; 0]);
        assert_eq!(waits.fence(3, 99), [] as [u32; 0]);
        assert_eq!(waits.fence(4, 5), [2, 1]);
        assert_eq!((waits.len(), waits.next_deadline_ms(), waits.epoch()), (0, None, Some(4)));
        assert_eq!(waits.complete(3, 50), [] as [u32; 0]);
        assert_eq!(waits.enter(4, 5, 100, 7), Ok(Entered::Reached(7)));
        enter(&mut waits, 6, 100, 8);
        assert_eq!(waits.complete(4, 6), [8]);
    }

    #[test]
    fn whoever_waits_is_told_when_waits_are_closed_and_the_same_epoch_may_go_on() {
        let mut waits = open(3, 0);
        enter(&mut waits, 20, 100, 1);
        assert_eq!((waits.close(), waits.epoch(), waits.len()), (vec![1], None, 0));
        assert_eq!(waits.enter(3, 20, 100, 2), Err(EpochFenced { token: 2, current: None }));
        assert_eq!(waits.complete(3, 50), [] as [u32; 0]);
        assert_eq!(waits.fence(2, 0), [] as [u32; 0]);
        assert_eq!(waits.epoch(), None);
        assert_eq!(waits.fence(3, 10), [] as [u32; 0]);
        assert_eq!(waits.enter(3, 10, 100, 3), Ok(Entered::Reached(3)));
        assert_eq!(waits.epoch(), Some(3));
    }

    #[test]
    fn time_ends_waits_by_their_deadlines() {
        let mut waits = open(1, 0);
        let first = enter(&mut waits, 30, 50, 1);
        enter(&mut waits, 10, 70, 2);
        let third = enter(&mut waits, 20, 50, 3);
        assert_eq!(waits.next_deadline_ms(), Some(50));
        assert_eq!(waits.expire(49), []);
        let over = [Expired { id: first, token: 1 }, Expired { id: third, token: 3 }];
        assert_eq!(waits.expire(50), over);
        assert_eq!((waits.next_deadline_ms(), waits.complete(1, 99)), (Some(70), vec![2]));
    }

    #[test]
    fn a_lowered_wait_is_content_with_less_and_never_with_more() {
        let mut waits = open(1, 5);
        let wait = enter(&mut waits, 30, 50, 1);
        assert_eq!(waits.lower(wait, 40), None);
        assert_eq!(waits.lower(wait, 20), None);
        assert_eq!(waits.complete(1, 20), [1]);
        assert_eq!(waits.lower(wait, 1), None);
        let other = enter(&mut waits, 30, 50, 2);
        assert_eq!(waits.lower(other, 20), Some(2));
        assert_eq!((waits.len(), waits.next_deadline_ms()), (0, None));
    }

    #[test]
    fn a_cancelled_wait_is_gone() {
        let mut waits = open(1, 0);
        let wait = enter(&mut waits, 30, 50, 1);
        assert_eq!((waits.cancel(wait), waits.cancel(wait)), (Some(1), None));
        assert_eq!((waits.complete(1, 99), waits.expire(99)), (vec![], vec![]));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Enter { epoch: i32, offset: i64, deadline_ms: i64 },
        Lower { nth: usize, offset: i64 },
        Complete { epoch: i32, offset: i64 },
        Fence { epoch: i32, reached: i64 },
        Expire { now_ms: i64 },
        Cancel { nth: usize },
    }

    fn step() -> impl Strategy<Value = Step> {
        let enter = (0..3, 0..20i64, 0..20i64);
        prop_oneof![
            4 => enter.prop_map(|(epoch, offset, deadline_ms)| {
                Step::Enter { epoch, offset, deadline_ms }
            }),
            1 => (0..9usize, 0..20i64).prop_map(|(nth, offset)| Step::Lower { nth, offset }),
            2 => (0..3, 0..20i64).prop_map(|(epoch, offset)| Step::Complete { epoch, offset }),
            1 => (0..3, 0..20i64).prop_map(|(epoch, reached)| Step::Fence { epoch, reached }),
            1 => (0..20i64).prop_map(|now_ms| Step::Expire { now_ms }),
            1 => (0..9usize).prop_map(|nth| Step::Cancel { nth }),
        ]
    }

    /// The same by looking at all waits each time.
    #[derive(Default)]
    struct Plain {
        epoch: i32,
        reached: i64,
        /// Id, offset, deadline; the token is the id's number.
        waits: Vec<(WaitId, i64, i64)>,
    }

    impl Plain {
        fn take(&mut self, key: impl Fn(&(WaitId, i64, i64)) -> Option<i64>) -> Vec<u64> {
            let mut found: Vec<_> = self.waits.iter().filter(|wait| key(wait).is_some()).collect();
            found.sort_by_key(|wait| (key(wait), wait.0));
            let found: Vec<u64> = found.into_iter().map(|(WaitId(id), ..)| *id).collect();
            self.waits.retain(|wait| key(wait).is_none());
            found
        }

        fn apply(&mut self, step: &Step, next: u64) -> Vec<u64> {
            match *step {
                Step::Enter { epoch, .. } if epoch != self.epoch => vec![next],
                Step::Enter { offset, .. } if offset <= self.reached => vec![next],
                Step::Enter { offset, deadline_ms, .. } => {
                    self.waits.push((WaitId(next), offset, deadline_ms));
                    Vec::new()
                }
                Step::Lower { nth, offset } => {
                    let Some(wait) = self.waits.get_mut(nth) else { return Vec::new() };
                    let lowered = offset < wait.1;
                    wait.1 = wait.1.min(offset);
                    let (id, reached) = (wait.0, self.reached);
                    self.take(|it| (lowered && it.0 == id && it.1 <= reached).then_some(0))
                }
                Step::Complete { epoch, offset } if epoch == self.epoch => {
                    self.reached = self.reached.max(offset);
                    self.take(|it| (it.1 <= offset).then_some(it.1))
                }
                Step::Fence { epoch, reached } if epoch > self.epoch => {
                    (self.epoch, self.reached) = (epoch, reached);
                    self.take(|it| Some(it.1))
                }
                Step::Expire { now_ms } => self.take(|it| (it.2 <= now_ms).then_some(it.2)),
                Step::Cancel { nth } => {
                    let id = self.waits.get(nth).map(|wait| wait.0);
                    self.take(|it| (Some(it.0) == id).then_some(0))
                }
                _ => Vec::new(),
            }
        }
    }

    fn apply(waits: &mut Waits<u64>, plain: &Plain, step: &Step, next: u64) -> Vec<u64> {
        let nth = |nth: usize| plain.waits.get(nth).map(|wait| wait.0);
        match *step {
            Step::Enter { epoch, offset, deadline_ms } => {
                match waits.enter(epoch, offset, deadline_ms, next) {
                    Ok(Entered::Waits(_)) => Vec::new(),
                    Ok(Entered::Reached(token)) => vec![token],
                    Err(fenced) => vec![fenced.token],
                }
            }
            Step::Lower { nth: index, offset } => {
                nth(index).and_then(|id| waits.lower(id, offset)).into_iter().collect()
            }
            Step::Complete { epoch, offset } => waits.complete(epoch, offset),
            Step::Fence { epoch, reached } => waits.fence(epoch, reached),
            Step::Expire { now_ms } => {
                waits.expire(now_ms).into_iter().map(|over| over.token).collect()
            }
            Step::Cancel { nth: index } => {
                nth(index).and_then(|id| waits.cancel(id)).into_iter().collect()
            }
        }
    }

    proptest! {
        #[test]
        fn the_ordered_set_ends_the_waits_that_a_look_at_all_of_them_would(
            steps in proptest::collection::vec(step(), 0..60)
        ) {
            let mut waits = open(0, 0);
            let mut plain = Plain::default();
            for step in steps {
                let next = waits.last_id + 1;
                let found = apply(&mut waits, &plain, &step, next);
                prop_assert_eq!(&found, &plain.apply(&step, next), "{:?}", step);
                prop_assert_eq!(waits.len(), plain.waits.len());
                let first = plain.waits.iter().map(|wait| wait.2).min();
                prop_assert_eq!(waits.next_deadline_ms(), first);
                prop_assert_eq!(waits.by_deadline.len(), waits.by_offset.len());
            }
        }
    }
}
