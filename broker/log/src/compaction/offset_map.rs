//! Which offset is the last of each key, in a bounded buffer.

use super::hash::hash;

const SLOT_BYTES: usize = 24;

/// Kafka's `log.cleaner.io.buffer.load.factor`, for a load factor that is none.
const DEFAULT_LOAD_FACTOR: f64 = 0.9;

/// The last offsets of keys, which are told apart by hashes of 128 bits: 24 bytes a key.
///
/// One flat table that is made once for a cleaner and used for pass after pass. It takes no more
/// of its memory than the passes so far had need of.
#[derive(Debug)]
pub struct OffsetMap {
    /// Two halves of a hash, and the offset plus one: 0 where there is no key. A key lies at or
    /// behind its home, and of two that want the same place the one farther from home has it.
    slots: Vec<[u64; 3]>,
    most_slots: usize,
    load_factor: f64,
    /// The first so many slots are used by this pass.
    used: usize,
    most_keys: usize,
    keys: usize,
}

impl OffsetMap {
    /// A map that takes at most so many bytes, and of them fills at most this part. It has room
    /// for one key at least.
    pub fn new(bytes: usize, load_factor: f64) -> Self {
        let is_part = load_factor > 0.0 && load_factor <= 1.0;
        let load_factor = if is_part { load_factor } else { DEFAULT_LOAD_FACTOR };
        let most_slots = (bytes / SLOT_BYTES).max(2);
        Self { slots: Vec::new(), most_slots, load_factor, used: 0, most_keys: 0, keys: 0 }
    }

    /// The most keys of a pass.
    pub fn capacity(&self) -> usize {
        most_keys(self.most_slots, self.load_factor)
    }

    /// Which part of the keys' room is taken.
    pub fn utilization(&self) -> f64 {
        self.keys as f64 / self.capacity() as f64
    }

    /// Forgets all keys. There will be no more than `keys`.
    pub(super) fn begin(&mut self, keys: u64) {
        let keys = usize::try_from(keys).unwrap_or(usize::MAX).min(self.capacity()).max(1);
        let wanted = (keys as f64 / self.load_factor).ceil() as usize;
        self.used = wanted.saturating_add(1).clamp(2, self.most_slots);
        if self.slots.len() < self.used {
            // Memory that is zero is got without touching it.
            self.slots = Vec::new();
            self.slots = vec![[0; 3]; self.used];
        } else {
            self.slots[..self.used].fill([0; 3]);
        }
        self.most_keys = most_keys(self.used, self.load_factor).max(keys.min(self.used - 1));
        self.keys = 0;
    }

    /// Notes the offset of a key; of several, the last stays. Returns false when there is no
    /// room for another key.
    #[must_use]
    pub(super) fn put(&mut self, key: &[u8], offset: i64) -> bool {
        let [low, high] = hash(key);
        let mut entry = [low, high, offset as u64 + 1];
        let mut at = self.home(low);
        let mut distance = 0;
        let full = self.keys == self.most_keys;
        if full && self.get(key).is_none() {
            return false;
        }
        loop {
            let there = self.slots[at];
            if there[2] == 0 {
                self.slots[at] = entry;
                self.keys += 1;
                return true;
            }
            if there[..2] == entry[..2] {
                self.slots[at][2] = there[2].max(entry[2]);
                return true;
            }
            let its_distance = self.distance(there[0], at);
            if its_distance < distance {
                self.slots[at] = entry;
                (entry, distance) = (there, its_distance);
            }
            at = self.next(at);
            distance += 1;
        }
    }

    /// The last offset of a key.
    pub(super) fn get(&self, key: &[u8]) -> Option<i64> {
        let [low, high] = hash(key);
        let mut at = self.home(low);
        for distance in 0..self.used {
            let there = self.slots[at];
            if there[2] == 0 || self.distance(there[0], at) < distance {
                return None;
            }
            if there[0] == low && there[1] == high {
                return Some((there[2] - 1) as i64);
            }
            at = self.next(at);
        }
        None
    }

    fn home(&self, low: u64) -> usize {
        ((u128::from(low) * self.used as u128) >> 64) as usize
    }

    fn distance(&self, low: u64, at: usize) -> usize {
        let home = self.home(low);
        if at >= home { at - home } else { at + self.used - home }
    }

    fn next(&self, at: usize) -> usize {
        if at + 1 == self.used { 0 } else { at + 1 }
    }
}

/// One slot stays free, so that a search comes to an end.
fn most_keys(slots: usize, load_factor: f64) -> usize {
    ((slots as f64 * load_factor) as usize).clamp(1, slots - 1)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn key(number: usize) -> [u8; 8] {
        number.to_be_bytes()
    }

    #[test]
    fn a_map_holds_the_last_offset_of_each_key() {
        for load_factor in [0.1, 0.5, 0.9, 1.0] {
            let mut map = OffsetMap::new(1000 * SLOT_BYTES, load_factor);
            for pass in 0..3 {
                map.begin(u64::MAX);
                let mut expected = HashMap::new();
                let keys = map.capacity();
                for offset in 0..3 * keys {
                    let number = (offset * 7919 + pass) % keys;
                    assert!(map.put(&key(number), offset as i64));
                    expected.insert(number, offset as i64);
                }
                for number in 0..2 * keys {
                    assert_eq!(map.get(&key(number)), expected.get(&number).copied());
                }
            }
        }
    }

    #[test]
    fn a_full_map_takes_keys_that_it_has_and_no_others() {
        let mut map = OffsetMap::new(100 * SLOT_BYTES, 0.9);
        assert_eq!(map.capacity(), 90);
        map.begin(u64::MAX);
        let taken = (0..200).take_while(|number| map.put(&key(*number), *number as i64)).count();
        assert_eq!(taken, 90);
        assert!(map.put(&key(3), 1000));
        assert_eq!(map.get(&key(3)), Some(1000));
        assert_eq!(map.get(&key(90)), None);
        assert!((map.utilization() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn the_smallest_map_has_room_for_a_key() {
        for bytes in [0, 23, 24, 48] {
            let mut map = OffsetMap::new(bytes, 0.9);
            map.begin(10);
            assert!(map.put(b"a", 0));
            assert!(!map.put(b"b", 1));
            assert!(map.put(b"a", 2));
            assert_eq!((map.get(b"a"), map.get(b"b")), (Some(2), None));
        }
    }

    #[test]
    fn a_pass_takes_the_memory_that_its_keys_need() {
        let mut map = OffsetMap::new(1 << 30, 0.9);
        map.begin(1000);
        assert!(map.slots.len() < 1200);
        for number in 0..1000 {
            assert!(map.put(&key(number), number as i64));
        }
        let room = map.slots.capacity();
        map.begin(10);
        assert_eq!(map.get(&key(3)), None);
        assert_eq!(map.slots.capacity(), room, "the buffer is used again");
        map.begin(0);
        assert_eq!(map.get(&key(3)), None);
    }

    #[test]
    fn a_load_factor_that_is_none_is_kafkas() {
        for load_factor in [0.0, -1.0, 1.5, f64::NAN] {
            assert_eq!(OffsetMap::new(100 * SLOT_BYTES, load_factor).capacity(), 90);
        }
    }
}
