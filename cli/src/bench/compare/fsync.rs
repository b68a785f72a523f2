//! Writes that are on disk before the answer: `flush.messages=1`.

use super::Bench;
use super::produce::{self, PLAIN};
use crate::bench::cells;
use crate::bench::figures::Section;
use crate::bench::load::payload::Shape;
use crate::bench::load::produce::{IN_FLIGHT, ProduceLoad};

/// Bytes a second that hardly a disk takes more of, sync by sync.
const AT_MOST: f64 = 0.5e9;

pub(super) fn measure(bench: &mut Bench) -> anyhow::Result<()> {
    bench.start_pair()?;
    let extent = bench.profile.fsync;
    for cell in cells::FSYNC {
        let name = cell.name();
        if !bench.wants(&name) {
            continue;
        }
        // One batch a request: each is a sync of its own unless the broker shares it.
        let batch_bytes = if cell.is_single { 0 } else { cells::BATCH_BYTES };
        let in_flight = if cell.is_single { 1 } else { IN_FLIGHT };
        let shape = Shape { record_bytes: cells::FSYNC_RECORD_BYTES, batch_bytes, ..PLAIN };
        let configs = [("flush.messages", "1")];
        bench.alternate(Section::Fsync, &name, |broker| {
            broker.with_topic(cells::FSYNC_PARTITIONS, &configs, |topic| {
                let load = ProduceLoad {
                    producers: cell.producers,
                    in_flight,
                    request_bytes: batch_bytes,
                    ..ProduceLoad::new(topic, shape)
                };
                produce::written(&load, broker, extent, AT_MOST)
            })
        })?;
    }
    Ok(())
}
