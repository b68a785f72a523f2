//! The batches and records of a `.log`, or of a snapshot of the cluster's metadata.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;

use bytes::Bytes;
use protocol::record::control::ControlType;
use protocol::record::{BatchHeader, Compression, Header, Record, RecordBatch, TimestampType};

use super::decoders::control_text;
use super::findings::Findings;
use super::{Failure, Options, Source};

/// Base offset, length, and what stands in front of the magic byte.
const UP_TO_MAGIC: u64 = 17;
const LOG_OVERHEAD: u64 = 12;
/// The smallest record of the oldest format.
const LEAST_SIZE: i32 = 14;
/// What a batch may become when it is decompressed.
const MOST_BYTES: usize = 1 << 30;

pub(super) fn dump(
    source: &Source<'_>,
    options: &Options,
    findings: &mut Findings,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    writeln!(out, "{}", headline(source)?)?;
    let mut walk = Walk::open(source, options.max_bytes)?;
    let file = source.absolute();
    let mut last_offset = -1;
    while let Some((position, bytes)) = walk.next()? {
        let batch = RecordBatch::parse(&bytes)
            .map_err(|error| Failure(format!("{file}: at {position}: {error}")))?;
        print_batch(&batch, position, out)?;
        if options.deep {
            print_records(&batch, &mut last_offset, &file, options, findings, out)?;
        }
    }
    let trailing = walk.end - walk.position;
    if trailing > 0 && options.max_bytes == i32::MAX as u64 {
        writeln!(out, "Found {trailing} invalid bytes at the end of {}", source.name)?;
    }
    Ok(())
}

fn headline(source: &Source<'_>) -> Result<String, Failure> {
    if source.name.ends_with(".log") {
        return Ok(format!("Log starting offset: {}", source.base_offset()?));
    }
    if source.name == "bootstrap.checkpoint" {
        return Ok("KRaft bootstrap snapshot".to_owned());
    }
    let parsed = source.stem.split_once('-').and_then(|(offset, epoch)| {
        Some((offset.parse::<i64>().ok()?, epoch.parse::<i32>().ok()?))
    });
    let (offset, epoch) = parsed.ok_or_else(|| {
        let file = source.path.display();
        Failure(format!("{file}: the name of a snapshot is OFFSET-EPOCH.checkpoint"))
    })?;
    Ok(format!("Snapshot end offset: {offset}, epoch: {epoch}"))
}

/// The batches of a file, one in memory at a time.
pub(super) struct Walk {
    file: File,
    name: String,
    position: u64,
    end: u64,
}

impl Walk {
    pub(super) fn open(source: &Source<'_>, max_bytes: u64) -> Result<Self, Failure> {
        Self::open_at(source, source.path, 0, max_bytes)
    }

    /// Reads no more than `max_bytes` from a position on.
    pub(super) fn open_at(
        source: &Source<'_>,
        path: &std::path::Path,
        position: u64,
        max_bytes: u64,
    ) -> Result<Self, Failure> {
        let failed = |error| Failure(format!("{}: {error}", path.display()));
        let file = File::open(path).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        let end = position.saturating_add(max_bytes).min(size);
        let name = if path == source.path { source.absolute() } else { path.display().to_string() };
        Ok(Self { file, name, position, end })
    }

    /// The next batch that is there as a whole, and its position.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Bytes)>, Failure> {
        let position = self.position;
        if position + UP_TO_MAGIC >= self.end {
            return Ok(None);
        }
        let mut fixed = [0; UP_TO_MAGIC as usize];
        self.file.read_exact_at(&mut fixed, position)?;
        let size = i32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]);
        if size < LEAST_SIZE {
            return Err(Failure(format!(
                "Found record size {size} smaller than minimum record overhead ({LEAST_SIZE}) \
                 in file {}.",
                self.name
            )));
        }
        let size = LOG_OVERHEAD + size.unsigned_abs() as u64;
        if position + size > self.end {
            return Ok(None);
        }
        let mut bytes = vec![0; size as usize];
        self.file.read_exact_at(&mut bytes, position)?;
        self.position += size;
        Ok(Some((position, bytes.into())))
    }
}

fn print_batch(batch: &RecordBatch, position: u64, out: &mut dyn Write) -> Result<(), Failure> {
    let BatchHeader { base_offset, count, base_sequence, producer_id, .. } = batch.header();
    let horizon = optional_long(batch.delete_horizon());
    write!(
        out,
        "baseOffset: {base_offset} lastOffset: {} count: {count} baseSequence: {base_sequence} \
         lastSequence: {} producerId: {producer_id} producerEpoch: {} partitionLeaderEpoch: {} \
         isTransactional: {} isControl: {} deleteHorizonMs: {horizon}",
        batch.last_offset(),
        batch.last_sequence(),
        batch.producer_epoch,
        batch.leader_epoch,
        batch.is_transactional(),
        batch.is_control(),
    )?;
    let codec = batch.compression().map_or("unknown", Compression::name);
    writeln!(
        out,
        " position: {position} {}: {} size: {} magic: 2 compresscodec: {codec} crc: {} isvalid: {}",
        time_name(batch),
        batch.max_timestamp,
        batch.size(),
        batch.crc,
        batch.check_crc().is_ok(),
    )?;
    Ok(())
}

/// An optional number in the words of Java.
pub(super) fn optional_long(value: Option<i64>) -> String {
    match value {
        Some(value) => format!("OptionalLong[{value}]"),
        None => "OptionalLong.empty".to_owned(),
    }
}

fn time_name(batch: &RecordBatch) -> &'static str {
    match batch.timestamp_type() {
        TimestampType::CreateTime => "CreateTime",
        TimestampType::LogAppendTime => "LogAppendTime",
    }
}

fn print_records(
    batch: &RecordBatch,
    last_offset: &mut i64,
    file: &str,
    options: &Options,
    findings: &mut Findings,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let payload = batch.payload(MOST_BYTES).map_err(|error| Failure(error.to_string()))?;
    for record in payload.records() {
        let record = record.map_err(|error| Failure(error.to_string()))?;
        if record.offset != *last_offset + 1 {
            findings.gap(file, *last_offset, record.offset);
        }
        *last_offset = record.offset;
        let mut lead = "| ";
        if !options.skip_metadata {
            print_metadata(batch, &record, out)?;
            lead = " ";
        }
        if options.print_records && !batch.is_control() {
            let (key, value) = options.decoder.decode(&record)?;
            for (name, text) in [("key", key), ("payload", value)] {
                if let Some(text) = text {
                    write!(out, "{lead}{name}: {text}")?;
                    lead = " ";
                }
            }
        }
        writeln!(out)?;
    }
    Ok(())
}

fn print_metadata(
    batch: &RecordBatch,
    record: &Record<'_>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let size = |bytes: Option<&[u8]>| bytes.map_or(-1, |bytes| bytes.len() as i64);
    let sequence = match batch.base_sequence {
        base if base >= 0 => base.wrapping_add(record.offset_delta) & i32::MAX,
        _ => -1,
    };
    let headers: Vec<_> = record.headers.map(|header: Header<'_>| header.name()).collect();
    write!(
        out,
        "| offset: {} {}: {} keySize: {} valueSize: {} sequence: {sequence} headerKeys: [{}]",
        record.offset,
        time_name(batch),
        record.timestamp,
        size(record.key),
        size(record.value),
        headers.join(",")
    )?;
    if batch.is_control() {
        let key = record.key.unwrap_or_default();
        let kind = ControlType::parse(key).map_err(|error| Failure(error.to_string()))?;
        write!(out, "{}", control_text(kind, record.value.unwrap_or_default())?)?;
    }
    Ok(())
}
