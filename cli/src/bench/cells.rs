//! What each measurement is called: the driver measures by these names, the report finds them.

use std::time::Duration;

use protocol::record::Compression;

/// `batch.size` of Kafka's producer.
pub(crate) const BATCH_BYTES: usize = 16_384;
/// What a producer that is tuned for throughput has.
pub(crate) const TUNED_BATCH_BYTES: usize = 128 << 10;

pub(crate) const FLOOR_PRODUCE: &str = "socket to CRC to file";
pub(crate) const FLOOR_CONSUME: &str = "file to socket by sendfile";
pub(crate) const IDLE: &str = "idle after the start";
pub(crate) const LOADED: &str = "after 50 producers and 8 consumers on 100 partitions";
pub(crate) const START_EMPTY: &str = "no topics";
pub(crate) const START_CLEAN: &str = "2,000 partitions, after a clean stop";
pub(crate) const START_KILLED: &str = "100 partitions written until kill -9";
pub(crate) const TEN_THOUSAND: &str = "10,000 partitions";

/// How the name of a cell ends whose data were not in memory.
pub(crate) const COLD: &str = "cold";

/// Partitions, producers and consumers of the latency measurements.
pub(crate) const LATENCY_PARTITIONS: i32 = 6;
pub(crate) const LATENCY_CLIENTS: usize = 2;
pub(crate) const FSYNC_PARTITIONS: i32 = 12;
pub(crate) const FSYNC_RECORD_BYTES: usize = 1024;

/// A combination of the produce measurements.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProduceCell {
    pub(crate) record_bytes: usize,
    pub(crate) compression: Compression,
    pub(crate) acks: i16,
    pub(crate) producers: usize,
    pub(crate) partitions: i32,
    pub(crate) batch_bytes: usize,
}

impl ProduceCell {
    pub(crate) fn name(&self) -> String {
        let acks = if self.acks == -1 { "all".to_owned() } else { self.acks.to_string() };
        let mut name = format!(
            "{} · {} · acks {acks} · {} · {}",
            bytes(self.record_bytes),
            self.compression,
            counted(self.producers, "producer"),
            counted(usize::try_from(self.partitions).unwrap_or(0), "partition"),
        );
        if self.batch_bytes != BATCH_BYTES {
            name.push_str(&format!(" · batches of {}", bytes(self.batch_bytes)));
        }
        name
    }
}

/// A combination of the consume measurements.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConsumeCell {
    pub(crate) record_bytes: usize,
    pub(crate) compression: Compression,
    pub(crate) partitions: i32,
}

impl ConsumeCell {
    /// One for each partition, eight at the most.
    pub(crate) fn consumers(&self) -> usize {
        usize::try_from(self.partitions).unwrap_or(1).min(8)
    }

    pub(crate) fn name(&self, is_cold: bool) -> String {
        format!(
            "{} · {} · {} · {} · {}",
            bytes(self.record_bytes),
            self.compression,
            counted(self.consumers(), "consumer"),
            counted(usize::try_from(self.partitions).unwrap_or(0), "partition"),
            if is_cold { COLD } else { "page cache" },
        )
    }
}

/// A rate at which latency is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LatencyCell {
    pub(crate) rate: f64,
    pub(crate) record_bytes: usize,
    /// Each record in a request of its own.
    pub(crate) is_single: bool,
    pub(crate) linger: Duration,
}

const LINGER: Duration = Duration::from_millis(5);

const fn lingering(rate: f64, record_bytes: usize) -> LatencyCell {
    LatencyCell { rate, record_bytes, is_single: false, linger: LINGER }
}

pub(crate) const LATENCY: [LatencyCell; 6] = [
    LatencyCell { rate: 5_000.0, record_bytes: 100, is_single: true, linger: Duration::ZERO },
    lingering(5_000.0, 100),
    lingering(50_000.0, 100),
    lingering(100_000.0, 100),
    lingering(250_000.0, 100),
    lingering(20_000.0, 1024),
];

impl LatencyCell {
    pub(crate) fn batch_bytes(&self) -> usize {
        if self.is_single { 0 } else { BATCH_BYTES }
    }

    pub(crate) fn name(&self) -> String {
        let how = match self.is_single {
            true => "one record a request".to_owned(),
            false => format!("linger {} ms", self.linger.as_millis()),
        };
        format!("{} records/s · {} · {how}", thousands(self.rate as u64), bytes(self.record_bytes))
    }
}

/// A combination of the measurements with a sync before each answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FsyncCell {
    pub(crate) producers: usize,
    /// One record in flight a producer, instead of batches.
    pub(crate) is_single: bool,
}

pub(crate) const FSYNC: [FsyncCell; 6] = [
    FsyncCell { producers: 1, is_single: true },
    FsyncCell { producers: 8, is_single: true },
    FsyncCell { producers: 50, is_single: true },
    FsyncCell { producers: 1, is_single: false },
    FsyncCell { producers: 8, is_single: false },
    FsyncCell { producers: 50, is_single: false },
];

impl FsyncCell {
    pub(crate) fn name(&self) -> String {
        let what = match self.is_single {
            true => "one record in flight each".to_owned(),
            false => format!("batches of {}, five in flight each", bytes(BATCH_BYTES)),
        };
        format!("{} · {what}", counted(self.producers, "producer"))
    }
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn bytes(count: usize) -> String {
    if count.is_multiple_of(1024) { format!("{} KiB", count / 1024) } else { format!("{count} B") }
}

/// With commas between the thousands.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_named_after_all_that_tells_it_from_others() {
        let cell = ProduceCell {
            record_bytes: 1024,
            compression: Compression::None,
            acks: -1,
            producers: 1,
            partitions: 100,
            batch_bytes: BATCH_BYTES,
        };
        assert_eq!(cell.name(), "1 KiB · none · acks all · 1 producer · 100 partitions");
        let tuned = ProduceCell { acks: 1, batch_bytes: TUNED_BATCH_BYTES, ..cell };
        let expected = "1 KiB · none · acks 1 · 1 producer · 100 partitions · batches of 128 KiB";
        assert_eq!(tuned.name(), expected);
        let cell =
            ConsumeCell { record_bytes: 100, compression: Compression::Lz4, partitions: 100 };
        assert_eq!(cell.name(true), "100 B · lz4 · 8 consumers · 100 partitions · cold");
        let names: Vec<String> = LATENCY.iter().map(LatencyCell::name).collect();
        assert_eq!(names[0], "5,000 records/s · 100 B · one record a request");
        assert_eq!(names[5], "20,000 records/s · 1 KiB · linger 5 ms");
        let expected = "8 producers · batches of 16 KiB, five in flight each";
        assert_eq!(FSYNC[4].name(), expected);
    }

    #[test]
    fn thousands_have_commas() {
        let numbers = [0, 999, 1_000, 250_000, 1_234_567];
        let texts: Vec<String> = numbers.into_iter().map(thousands).collect();
        assert_eq!(texts, ["0", "999", "1,000", "250,000", "1,234,567"]);
    }
}
