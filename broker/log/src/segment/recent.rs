//! Where a segment's last batches begin, so that a reader at the log's end need not look for them
//! in the file.

use std::collections::VecDeque;

use protocol::record::BatchHeader;

/// How many batches are known, of eight bytes each.
const KEPT: usize = 64;

/// The last batches that were noted of a segment, each where the one before it ends.
#[derive(Debug, Default)]
pub(crate) struct RecentBatches {
    batches: VecDeque<Place>,
    /// Batches with offsets from here on are not before those that are known.
    from: i64,
    base_offset: i64,
}

/// Of a batch: its last offset, relative to the segment's base, and where it begins.
#[derive(Clone, Copy, Debug)]
struct Place {
    last: u32,
    position: u32,
}

impl RecentBatches {
    pub(crate) fn new(base_offset: i64) -> Self {
        Self { batches: VecDeque::new(), from: 0, base_offset }
    }

    /// Notes the batch that begins at a position, which is where the last one ended.
    pub(crate) fn note(&mut self, header: &BatchHeader, position: u64) {
        let last = header.last_offset().checked_sub(self.base_offset);
        let last = last.and_then(|last| u32::try_from(last).ok());
        let (Some(last), Ok(position)) = (last, u32::try_from(position)) else {
            return self.clear();
        };
        if self.batches.is_empty() {
            self.from = header.base_offset;
        } else if self.batches.len() == KEPT
            && let Some(oldest) = self.batches.pop_front()
        {
            self.from = self.base_offset + i64::from(oldest.last) + 1;
        }
        self.batches.push_back(Place { last, position });
    }

    /// The first batch that ends at or above an offset: where it begins, and where it ends, of
    /// batches that end at `end`. `None`: it has to be looked for in the file.
    pub(crate) fn find(&self, offset: i64, end: u64) -> Option<(u64, u64)> {
        if offset < self.from {
            return None;
        }
        let last = |place: &Place| self.base_offset + i64::from(place.last);
        let index = self.batches.partition_point(|place| last(place) < offset);
        let start = self.batches.get(index)?.position.into();
        let next = self.batches.get(index + 1);
        Some((start, next.map_or(end, |next| next.position.into())))
    }

    /// Forgets all, and gives its memory back.
    pub(crate) fn clear(&mut self) {
        self.batches = VecDeque::new();
    }
}
