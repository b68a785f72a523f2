//! Records without a key stick to one partition for about a batch, then move on (KIP-794): larger
//! batches than one after the other would give, and the same share for each partition over time.

/// The partition that records of one topic go to at the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StickyPartition {
    partition: i32,
    appended_bytes: usize,
}

impl StickyPartition {
    /// Starts with one of `loads`, chosen by `random`.
    pub(crate) fn new(loads: &[Load], random: u32) -> Option<Self> {
        let partition = choose(loads, random)?;
        Some(Self { partition, appended_bytes: 0 })
    }

    /// The partition for the next record.
    pub(crate) fn partition(&self) -> i32 {
        self.partition
    }

    /// Notes an append. True asks for a move: after a batch worth of bytes once the last batch is
    /// full, or after two of them in any case.
    pub(crate) fn appended(&mut self, bytes: usize, batch_size: usize, batch_full: bool) -> bool {
        self.appended_bytes += bytes;
        let enough = self.appended_bytes >= batch_size && batch_full;
        enough || self.appended_bytes >= batch_size.saturating_mul(2)
    }
}

/// A partition that can take records, and how many batches wait for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) partition: i32,
    pub(crate) waiting_batches: u32,
}

/// One of the partitions, the less loaded the more often.
fn choose(loads: &[Load], random: u32) -> Option<i32> {
    let most = loads.iter().map(|load| load.waiting_batches).max()?;
    let weight = |load: &Load| u64::from(most) + 1 - u64::from(load.waiting_batches);
    let total: u64 = loads.iter().map(weight).sum();
    let mut point = u64::from(random) % total;
    for load in loads {
        match point.checked_sub(weight(load)) {
            Some(rest) => point = rest,
            None => return Some(load.partition),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loads(waiting: &[u32]) -> Vec<Load> {
        let load =
            |(partition, waiting): (i32, &u32)| Load { partition, waiting_batches: *waiting };
        (0..).zip(waiting).map(load).collect()
    }

    #[test]
    fn it_sticks_until_a_batch_is_full() {
        let mut sticky = StickyPartition::new(&loads(&[0, 0]), 1).unwrap();
        assert_eq!(sticky.partition(), 1);
        assert!(!sticky.appended(50, 100, false));
        assert!(!sticky.appended(60, 100, false), "the batch may still take more");
        assert!(sticky.appended(1, 100, true));
        assert!(sticky.appended(100, 100, false), "two batches worth are enough in any case");
    }

    #[test]
    fn partitions_with_less_waiting_are_chosen_more_often() {
        let loads = loads(&[0, 3, 1]);
        let chosen: Vec<i32> = (0..8).filter_map(|random| choose(&loads, random)).collect();
        assert_eq!(chosen, [0, 0, 0, 0, 1, 2, 2, 2]);
        assert_eq!(choose(&[], 0), None);
    }
}
