//! Requests parked until a partition moves.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use crate::limits::PLACES_KEPT;
use crate::lock::whole;

/// Who waits for a partition: fetches for records, produces for the high watermark. Whoever moves
/// the partition calls [`Waiters::wake`]; the woken look again and decide themselves.
#[derive(Debug, Default)]
pub struct Waiters {
    /// Grows with each move, so that who looked before it parked knows whether to look again.
    moves: AtomicU64,
    /// Lets `wake` pass without the lock while nobody waits: it is called for every append.
    count: AtomicUsize,
    /// A std mutex: held for a map operation, never across an await.
    parked: Mutex<Parked>,
}

/// Places are taken again, so that parking, which each fetch does that waits, costs no memory of
/// its own.
#[derive(Debug, Default)]
struct Parked {
    places: Vec<Option<(Arc<Wake>, usize)>>,
    free: Vec<usize>,
}

impl Parked {
    fn enter(&mut self, wake: Arc<Wake>, number: usize) -> usize {
        let waiting = Some((wake, number));
        if let Some(place) = self.free.pop() {
            self.places[place] = waiting;
            return place;
        }
        self.places.push(waiting);
        self.places.len() - 1
    }

    fn leave(&mut self, place: usize) {
        self.places[place] = None;
        self.free.push(place);
        if self.count() == 0 && self.places.len() > PLACES_KEPT {
            *self = Self::default();
        }
    }

    fn count(&self) -> usize {
        self.places.len() - self.free.len()
    }
}

/// What a request waits on: any of the partitions that it parks at. It is told which of them
/// moved, so that one of many partitions need not look at the others again.
#[derive(Debug, Default)]
pub struct Wake {
    notify: Notify,
    /// A std mutex: held to note or take numbers.
    moved: Mutex<BTreeSet<usize>>,
}

impl Wake {
    /// Waits until a partition moves; the numbers under which those that did are parked.
    pub async fn moved(&self) -> BTreeSet<usize> {
        loop {
            let moved = self.take();
            if !moved.is_empty() {
                return moved;
            }
            self.notify.notified().await;
        }
    }

    /// Those that moved and were not taken yet.
    pub fn take(&self) -> BTreeSet<usize> {
        std::mem::take(&mut whole(&self.moved))
    }

    fn note(&self, number: usize) {
        let is_new = whole(&self.moved).insert(number);
        if is_new {
            self.notify.notify_one();
        }
    }
}

impl Waiters {
    /// To be asked before a look at the partition, and told when parking after it.
    pub fn moves(&self) -> u64 {
        self.moves.load(Ordering::SeqCst)
    }

    /// Parks under a number until the guard is dropped. Whoever parks has looked at the partition
    /// when it had made so many moves; what moved since is noted at once.
    pub fn park(self: &Arc<Self>, wake: &Arc<Wake>, number: usize, moves: u64) -> ParkGuard {
        let mut parked = whole(&self.parked);
        let place = parked.enter(wake.clone(), number);
        self.count.store(parked.count(), Ordering::SeqCst);
        drop(parked);
        if self.moves() != moves {
            wake.note(number);
        }
        ParkGuard { waiters: self.clone(), place }
    }

    /// Wakes all that wait.
    pub fn wake(&self) {
        self.moves.fetch_add(1, Ordering::SeqCst);
        if self.count.load(Ordering::SeqCst) == 0 {
            return;
        }
        let parked = whole(&self.parked);
        for (wake, number) in parked.places.iter().flatten() {
            wake.note(*number);
        }
    }
}

/// A place among the waiters; dropping it leaves.
#[derive(Debug)]
pub struct ParkGuard {
    waiters: Arc<Waiters>,
    place: usize,
}

impl Drop for ParkGuard {
    fn drop(&mut self) {
        let mut parked = whole(&self.waiters.parked);
        parked.leave(self.place);
        self.waiters.count.store(parked.count(), Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_woken_learn_what_moved_also_between_their_look_and_their_parking() {
        let partitions = [(); 3].map(|()| Arc::new(Waiters::default()));
        let wake = Arc::new(Wake::default());
        let looked: Vec<u64> = partitions.iter().map(|partition| partition.moves()).collect();
        partitions[1].wake();
        let mut guards = Vec::new();
        for (number, partition) in partitions.iter().enumerate() {
            guards.push(partition.park(&wake, number, looked[number]));
        }
        assert_eq!(wake.moved().await, BTreeSet::from([1]));
        partitions[2].wake();
        partitions[0].wake();
        partitions[2].wake();
        assert_eq!(wake.moved().await, BTreeSet::from([0, 2]));
        drop(guards);
        partitions[0].wake();
        assert!(wake.take().is_empty());
        assert_eq!(partitions[0].count.load(Ordering::SeqCst), 0);
        assert_eq!(partitions[0].parked.lock().unwrap().count(), 0);
    }

    #[test]
    fn places_are_taken_again_and_many_are_given_back() {
        let partition = Arc::new(Waiters::default());
        let wakes: Vec<_> = (0..3).map(|_| Arc::new(Wake::default())).collect();
        let mut guards: Vec<_> = wakes.iter().map(|wake| partition.park(wake, 7, 0)).collect();
        drop(guards.remove(1));
        guards.push(partition.park(&wakes[1], 8, 0));
        assert_eq!(partition.parked.lock().unwrap().places.len(), 3);
        partition.wake();
        let moved: Vec<_> = wakes.iter().map(|wake| Vec::from_iter(wake.take())).collect();
        assert_eq!(moved, [[7], [8], [7]]);
        let many = PLACES_KEPT + 1;
        guards.extend((0..many).map(|_| partition.park(&wakes[0], 7, 1)));
        drop(guards);
        assert!(partition.parked.lock().unwrap().places.is_empty());
    }
}
