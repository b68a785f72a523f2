//! The batches and records of a `.log`, or of a snapshot of the cluster's metadata.

use std::io::Write;

use protocol::record::control::ControlType;
use protocol::record::{BatchHeader, Compression, Header, Record, RecordBatch, TimestampType};

use super::batch::{Batch, MOST_BYTES, Walk};
use super::decoders::{KeyAndValue, control_text};
use super::findings::Findings;
use super::legacy::{LegacyBatch, LegacyRecord};
use super::{Failure, Options, Source};

pub(super) fn dump(
    source: &Source<'_>,
    options: &Options,
    findings: &mut Findings,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    writeln!(out, "{}", headline(source)?)?;
    let mut walk = Walk::open(source, options.max_bytes)?;
    let mut printer =
        Printer { options, file: source.absolute(), last_offset: -1, findings, out: &mut *out };
    while let Some((position, batch)) = walk.next()? {
        match batch {
            Batch::Current { batch, magic } => printer.current(&batch, magic, position)?,
            Batch::Legacy(batch) => printer.legacy(&batch, position)?,
        }
    }
    let trailing = walk.left();
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

/// Prints the batches of one file, and their records where they are asked for.
struct Printer<'a> {
    options: &'a Options,
    file: String,
    /// Of the record before.
    last_offset: i64,
    findings: &'a mut Findings,
    out: &'a mut dyn Write,
}

impl Printer<'_> {
    fn current(&mut self, batch: &RecordBatch, magic: u8, position: u64) -> Result<(), Failure> {
        let BatchHeader { base_offset, count, base_sequence, producer_id, .. } = batch.header();
        let horizon = optional_long(batch.delete_horizon());
        write!(
            self.out,
            "baseOffset: {base_offset} lastOffset: {} count: {count} baseSequence: \
             {base_sequence} lastSequence: {} producerId: {producer_id} producerEpoch: {} \
             partitionLeaderEpoch: {} isTransactional: {} isControl: {} deleteHorizonMs: {horizon}",
            batch.last_offset(),
            batch.last_sequence(),
            batch.producer_epoch,
            batch.leader_epoch,
            batch.is_transactional(),
            batch.is_control(),
        )?;
        let codec = batch.compression().map_err(|_| unknown_compression(batch.attributes & 7))?;
        self.end_of_line(&EndOfLine {
            position,
            time: (time_name(batch), batch.max_timestamp),
            size: batch.size(),
            magic,
            codec,
            crc: batch.crc,
            is_valid: batch.check_crc().is_ok(),
        })?;
        if self.options.deep { self.records(batch) } else { Ok(()) }
    }

    fn legacy(&mut self, batch: &LegacyBatch, position: u64) -> Result<(), Failure> {
        write!(self.out, "offset: {}", batch.offset())?;
        let codec = batch.compression().map_err(unknown_compression)?;
        self.end_of_line(&EndOfLine {
            position,
            time: (batch.time_name(), batch.timestamp()),
            size: batch.size(),
            magic: batch.magic() as u8,
            codec,
            crc: batch.crc(),
            is_valid: batch.is_valid(),
        })?;
        if !self.options.deep {
            return Ok(());
        }
        for record in batch.records().map_err(Failure)? {
            self.legacy_record(batch, &record)?;
        }
        Ok(())
    }

    fn end_of_line(&mut self, end: &EndOfLine) -> Result<(), Failure> {
        let EndOfLine { position, time: (kind, time), size, magic, codec, crc, is_valid } = end;
        Ok(writeln!(
            self.out,
            " position: {position} {kind}: {time} size: {size} magic: {magic} compresscodec: \
             {codec} crc: {crc} isvalid: {is_valid}"
        )?)
    }

    fn records(&mut self, batch: &RecordBatch) -> Result<(), Failure> {
        let payload = batch.payload(MOST_BYTES).map_err(|error| Failure(error.to_string()))?;
        let mut records = payload.records();
        let last = batch.count.unsigned_abs() as usize;
        for number in 1..=last {
            let Some(record) = records.next() else { break };
            let record = record.map_err(|error| Failure(error.to_string()))?;
            if number == last && records.unread() > 0 {
                let text = "Incorrect declared batch size, records still remaining in file";
                return Err(Failure(text.to_owned()));
            }
            self.note_gap(record.offset);
            if !self.options.skip_metadata {
                self.metadata(batch, &record)?;
            }
            if !batch.is_control() {
                let Record { offset, key, value, .. } = record;
                self.content(&KeyAndValue { offset, key, value })?;
            }
            writeln!(self.out)?;
        }
        Ok(())
    }

    fn metadata(&mut self, batch: &RecordBatch, record: &Record<'_>) -> Result<(), Failure> {
        let sequence = match batch.base_sequence {
            base if base >= 0 => base.wrapping_add(record.offset_delta) & i32::MAX,
            _ => -1,
        };
        let headers: Vec<_> = record.headers.map(|header: Header<'_>| header.name()).collect();
        write!(
            self.out,
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
            write!(self.out, "{}", control_text(kind, record.value.unwrap_or_default())?)?;
        }
        Ok(())
    }

    fn legacy_record(&mut self, batch: &LegacyBatch, record: &LegacyRecord) -> Result<(), Failure> {
        let LegacyRecord { offset, timestamp, key, value, crc, is_valid } = record;
        let (key, value) = (key.as_deref(), value.as_deref());
        self.note_gap(*offset);
        if !self.options.skip_metadata {
            write!(
                self.out,
                "| offset: {offset} {}: {timestamp} keySize: {} valueSize: {} isValid: \
                 {is_valid} crc: {crc}",
                batch.time_name(),
                size(key),
                size(value),
            )?;
        }
        self.content(&KeyAndValue { offset: *offset, key, value })?;
        Ok(writeln!(self.out)?)
    }

    /// Key and value, where they are asked for.
    fn content(&mut self, record: &KeyAndValue<'_>) -> Result<(), Failure> {
        if !self.options.print_records {
            return Ok(());
        }
        let mut lead = if self.options.skip_metadata { "| " } else { " " };
        let (key, value) = self.options.decoder.decode(record)?;
        for (name, text) in [("key", key), ("payload", value)] {
            if let Some(text) = text {
                write!(self.out, "{lead}{name}: {text}")?;
                lead = " ";
            }
        }
        Ok(())
    }

    fn note_gap(&mut self, offset: i64) {
        if offset != self.last_offset.wrapping_add(1) {
            self.findings.gap(&self.file, self.last_offset, offset);
        }
        self.last_offset = offset;
    }
}

/// What the line of a batch of any format ends with.
struct EndOfLine {
    position: u64,
    /// Who set the timestamps, and the largest one.
    time: (&'static str, i64),
    size: usize,
    magic: u8,
    codec: Compression,
    crc: u32,
    is_valid: bool,
}

fn unknown_compression(id: i16) -> Failure {
    Failure(format!("Unknown compression type id: {id}"))
}

fn size(bytes: Option<&[u8]>) -> i64 {
    bytes.map_or(-1, |bytes| bytes.len() as i64)
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
