//! What is written: batches that are built once and sent many times.

use bytes::Bytes;
use protocol::record::{BATCH_OVERHEAD, BatchBuilder, BatchOptions, Compression};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const WORDS: &[&str] = &[
    "departed",
    "boarding",
    "delayed",
    "gate",
    "runway",
    "weather",
    "carrier",
    "maintenance",
    "arrival",
    "crew",
    "taxi",
    "fuel",
    "holding",
    "cleared",
    "diverted",
    "terminal",
    "baggage",
    "connection",
    "schedule",
    "approach",
];
const CARRIERS: &[&str] = &["UA", "AA", "B6", "DL", "EV", "MQ", "US", "WN", "VX", "FL", "AS"];
const AIRPORTS: &[&str] = &["EWR", "LGA", "JFK", "IAH", "MIA", "BQN", "ATL", "ORD", "FLL", "LAX"];
/// Different batches of one shape, so that not one and the same is written again and again.
const VARIANTS: u64 = 16;

/// What the batches of a load are like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) record_bytes: usize,
    /// The producer's `batch.size`: a batch is as large as fits, one record at least.
    pub(crate) batch_bytes: usize,
    pub(crate) compression: Compression,
}

/// Who writes a batch, for brokers that watch a producer's sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) id: i64,
    pub(crate) epoch: i16,
}

/// The batches of a shape, with records that look like events in JSON.
pub(crate) fn batches(shape: Shape) -> Vec<Prepared> {
    (0..VARIANTS)
        .map(|seed| {
            let mut random = StdRng::seed_from_u64(seed);
            let values: Vec<Vec<u8>> =
                (0..fitting(shape)).map(|_| value(&mut random, shape.record_bytes)).collect();
            Prepared::new(&values, shape.compression)
        })
        .collect()
}

/// How many records fit into a batch: of compressed ones as many as the last size lets hope, as
/// the producer estimates it too.
fn fitting(shape: Shape) -> usize {
    let overhead = if shape.record_bytes < 60 { 8 } else { 10 };
    let plain = (shape.batch_bytes - BATCH_OVERHEAD.min(shape.batch_bytes))
        / (shape.record_bytes + overhead);
    let plain = plain.max(1);
    if shape.compression == Compression::None {
        return plain;
    }
    let mut random = StdRng::seed_from_u64(VARIANTS);
    let sample: Vec<Vec<u8>> = (0..plain.max(64 * 1024 / shape.record_bytes.max(1)))
        .map(|_| value(&mut random, shape.record_bytes))
        .collect();
    let sampled: usize = sample.iter().map(|value| value.len() + overhead).sum();
    let ratio = Prepared::new(&sample, shape.compression).length() as f64 / sampled as f64;
    ((plain as f64 / ratio) as usize).max(1)
}

/// A JSON object of exactly `length` bytes, as far as that leaves room for one.
pub(crate) fn value(random: &mut impl Rng, length: usize) -> Vec<u8> {
    let text = format!(
        "{{\"flight\":{},\"carrier\":\"{}\",\"origin\":\"{}\",\"dest\":\"{}\",\"delay\":{},\"note\":\"",
        random.random_range(1..7000),
        CARRIERS[random.random_range(0..CARRIERS.len())],
        AIRPORTS[random.random_range(0..AIRPORTS.len())],
        AIRPORTS[random.random_range(0..AIRPORTS.len())],
        random.random_range(-20..400),
    );
    let mut value = text.into_bytes();
    while value.len() + 2 < length {
        value.extend_from_slice(WORDS[random.random_range(0..WORDS.len())].as_bytes());
        value.push(b' ');
        value.extend_from_slice(random.random_range(0..10_000).to_string().as_bytes());
        value.push(b' ');
    }
    value.truncate(length.saturating_sub(2));
    value.extend_from_slice(&b"\"}"[..length.min(2)]);
    value
}

/// A batch whose records stay where they are: what differs from one sending to the next is in the
/// header, and its checksum is made up from that of the header and that of the records.
#[derive(Clone)]
pub(crate) struct Prepared {
    header: [u8; BATCH_OVERHEAD],
    pub(crate) records: Bytes,
    pub(crate) count: i32,
    /// Bytes of the values, before compression.
    pub(crate) value_bytes: usize,
    records_crc: u32,
    /// What each bit of the header's checksum becomes when the records follow.
    shifted: [u32; 32],
}

const CRC: std::ops::Range<usize> = 17..21;
const CHECKED_FROM: usize = 21;

impl Prepared {
    pub(crate) fn new(values: &[Vec<u8>], compression: Compression) -> Self {
        let options = BatchOptions { codec: compression.into(), ..BatchOptions::default() };
        let mut builder = BatchBuilder::new(options);
        for value in values {
            builder.append(0, None, Some(value), &[]);
        }
        let whole = builder.finish();
        let mut header = [0; BATCH_OVERHEAD];
        header.copy_from_slice(&whole[..BATCH_OVERHEAD]);
        let records = whole.slice(BATCH_OVERHEAD..);
        let mut shifted = [0; 32];
        for (bit, shifted) in shifted.iter_mut().enumerate() {
            *shifted = crc32c::crc32c_combine(1 << bit, 0, records.len());
        }
        Self {
            header,
            records_crc: crc32c::crc32c(&records),
            shifted,
            count: i32::try_from(values.len()).unwrap_or(i32::MAX),
            value_bytes: values.iter().map(Vec::len).sum(),
            records,
        }
    }

    /// The bytes of the batch.
    pub(crate) fn length(&self) -> usize {
        BATCH_OVERHEAD + self.records.len()
    }

    /// The header for this sending.
    pub(crate) fn header(
        &self,
        identity: Option<Identity>,
        sequence: i32,
        now_ms: i64,
    ) -> [u8; BATCH_OVERHEAD] {
        let mut header = self.header;
        header[27..35].copy_from_slice(&now_ms.to_be_bytes());
        header[35..43].copy_from_slice(&now_ms.to_be_bytes());
        if let Some(identity) = identity {
            header[43..51].copy_from_slice(&identity.id.to_be_bytes());
            header[51..53].copy_from_slice(&identity.epoch.to_be_bytes());
            header[53..57].copy_from_slice(&sequence.to_be_bytes());
        }
        let own = crc32c::crc32c(&header[CHECKED_FROM..]);
        let crc = (0..32)
            .filter(|bit| (own >> bit) & 1 == 1)
            .fold(self.records_crc, |crc, bit| crc ^ self.shifted[bit]);
        header[CRC].copy_from_slice(&crc.to_be_bytes());
        header
    }
}

#[cfg(test)]
mod tests {
    use protocol::record::{RecordBatch, validate};

    use super::*;

    fn sent(batch: &Prepared, identity: Option<Identity>, sequence: i32) -> RecordBatch {
        let header = batch.header(identity, sequence, 1_700_000_000_000);
        let whole = Bytes::from([&header[..], &batch.records].concat());
        RecordBatch::parse(&whole).expect("it is a batch")
    }

    #[test]
    fn what_is_sent_is_a_batch_with_the_right_checksum() {
        for compression in [Compression::None, Compression::Lz4] {
            for (record_bytes, batch_bytes) in [(100, 16_384), (1024, 16_384), (10_240, 16_384)] {
                let shape = Shape { record_bytes, batch_bytes, compression };
                let batches = batches(shape);
                let identity = Identity { id: 7, epoch: 3 };
                for batch in [sent(&batches[0], Some(identity), 41), sent(&batches[15], None, 0)] {
                    assert!(validate(&batch).is_ok());
                    assert!(batch.check_crc().is_ok());
                    assert_eq!(batch.header().base_timestamp, 1_700_000_000_000);
                }
                let header = *sent(&batches[0], Some(identity), 41).header();
                assert_eq!((header.producer_id, header.base_sequence), (7, 41));
                let count = batches[0].count as usize;
                assert_eq!(batches[0].value_bytes, count * record_bytes);
                let length = batches[0].length();
                let least = if record_bytes == 10_240 { 1_000 } else { batch_bytes * 3 / 4 };
                assert!((least..=batch_bytes * 5 / 4).contains(&length), "{shape:?}: {length}");
            }
        }
    }

    #[test]
    fn a_value_has_the_length_that_was_asked_for() {
        let mut random = StdRng::seed_from_u64(1);
        for length in [0, 1, 2, 10, 100, 1024, 10_240] {
            assert_eq!(value(&mut random, length).len(), length);
        }
        let text = String::from_utf8(value(&mut random, 300)).expect("text");
        assert!(text.starts_with("{\"flight\":") && text.ends_with("\"}"), "{text}");
    }
}
