//! The crate as a whole: against what Kafka wrote, and against itself.

mod kafka;
mod properties;
mod snapshots;

use bytes::Bytes;

use crate::{Delta, Image, MetadataRecord, batches};

/// The image of a log's bytes up to an offset.
fn replay_log(bytes: &Bytes, end_offset: i64) -> Image {
    let mut delta = Delta::new(&Image::default());
    for batch in batches(bytes, 0) {
        let batch = batch.unwrap();
        if batch.base_offset >= end_offset {
            break;
        }
        replay(&mut delta, &batch.records);
    }
    delta.finish(end_offset).0
}

fn replay(delta: &mut Delta, records: &[MetadataRecord]) {
    for record in records {
        delta.replay(record).unwrap();
    }
}
