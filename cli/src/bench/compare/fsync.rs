//! Writes that are on disk before the answer: `flush.messages=1`.

use protocol::record::Compression;

use super::Bench;
use super::produce::{IN_FLIGHT, values};
use crate::bench::cells;
use crate::bench::figures::Section;
use crate::bench::load::payload::Shape;
use crate::bench::load::produce::{self, ProduceLoad};

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
        let configs = [("flush.messages", "1")];
        bench.alternate(Section::Fsync, &name, |broker| {
            broker.with_topic(cells::FSYNC_PARTITIONS, &configs, |topic| {
                let load = ProduceLoad {
                    topic: topic.clone(),
                    producers: cell.producers,
                    acks: -1,
                    shape: Shape {
                        record_bytes: cells::FSYNC_RECORD_BYTES,
                        batch_bytes,
                        compression: Compression::None,
                    },
                    in_flight,
                    request_bytes: batch_bytes,
                    threads: 1,
                    bytes_max: None,
                };
                let produced = produce::run(&load, broker.address(), broker.pid(), extent)?;
                Ok(values(&produced))
            })
        })?;
    }
    Ok(())
}
