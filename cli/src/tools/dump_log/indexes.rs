//! The indexes of a segment and the snapshot of its producers.

use std::io::Write;

use broker_log::format::{self, SnapshotError};

use super::batch::{Batch, Walk};
use super::batches::optional_long;
use super::findings::Findings;
use super::{Failure, Options, Source};

const OFFSET_ENTRY: usize = 8;
const TIME_ENTRY: usize = 12;

pub(super) fn dump_offsets(
    source: &Source<'_>,
    options: &Options,
    findings: &mut Findings,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let base_offset = source.base_offset()?;
    let content = source.read(source.path)?;
    let log = source.sibling(".log");
    let path = source.path.display();
    if content.len() < OFFSET_ENTRY {
        return Ok(writeln!(out, "{path} is empty.")?);
    }
    if options.sanity_only {
        return check_offsets(source, &content, base_offset, out);
    }
    for (index, (offset, position)) in format::offset_index(&content, base_offset).enumerate() {
        // Behind its last entry, the index of a broker that runs or crashed is zero.
        if offset == base_offset && index > 0 {
            return Ok(());
        }
        let most = options.max_message_size;
        let mut walk = Walk::open_at(source, &log, position.into(), most)?;
        let Some((_, batch)) = walk.next()? else {
            let text = "the log has no batch of --max-message-size or less at position";
            return Err(Failure(format!("{path}: {text} {position}")));
        };
        let found = batch.last_offset();
        if found != offset {
            findings.index_mismatch(&source.absolute(), offset, found);
        }
        if !options.verify_only {
            writeln!(out, "offset: {offset} position: {position}")?;
        }
    }
    Ok(())
}

fn check_offsets(
    source: &Source<'_>,
    content: &[u8],
    base_offset: i64,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let last = format::offset_index(content, base_offset).last().map(|(offset, _)| offset);
    let file = source.absolute();
    if let Some(last) = last.filter(|last| *last < base_offset) {
        return Err(Failure(format!(
            "Corrupt index found, index file {file} has non-zero size but the last offset is \
             {last} which is less than the base offset {base_offset}"
        )));
    }
    if !content.len().is_multiple_of(OFFSET_ENTRY) {
        return Err(Failure(format!(
            "Index file {file} is corrupt, found {} bytes which is neither positive nor a multiple \
             of {OFFSET_ENTRY}",
            content.len()
        )));
    }
    Ok(writeln!(out, "{} passed sanity check.", source.path.display())?)
}

pub(super) fn dump_times(
    source: &Source<'_>,
    options: &Options,
    findings: &mut Findings,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let base_offset = source.base_offset()?;
    let content = source.read(source.path)?;
    if options.sanity_only {
        return check_times(source, &content, base_offset, out);
    }
    let offsets = source.read(&source.sibling(".index"))?;
    let offsets: Vec<_> = format::offset_index(&offsets, base_offset).collect();
    let file = source.absolute();
    let mut previous = -1;
    for (index, (timestamp, offset)) in format::time_index(&content, base_offset).enumerate() {
        if offset == base_offset && index > 0 {
            return Ok(());
        }
        let entry = (timestamp, offset);
        match batch_at(source, &offsets, offset)? {
            None => findings.offset_not_found(&file, offset, -1),
            Some(batch) if batch.last_offset() != offset => {
                findings.offset_not_found(&file, offset, batch.last_offset());
            }
            Some(batch) => compare_times(&file, entry, previous, &batch, findings)?,
        }
        if !options.verify_only {
            writeln!(out, "timestamp: {timestamp} offset: {offset}")?;
        }
        previous = timestamp;
    }
    Ok(())
}

/// The first batch that ends at or above an offset.
fn batch_at(
    source: &Source<'_>,
    offsets: &[(i64, u32)],
    offset: i64,
) -> Result<Option<Batch>, Failure> {
    let below = offsets.iter().take_while(|(indexed, _)| *indexed <= offset).last();
    let position = below.map_or(0, |(_, position)| u64::from(*position));
    let mut walk = Walk::open_at(source, &source.sibling(".log"), position, u64::MAX)?;
    while let Some((_, batch)) = walk.next()? {
        if batch.last_offset() >= offset {
            return Ok(Some(batch));
        }
    }
    Ok(None)
}

fn compare_times(
    file: &str,
    (timestamp, _): (i64, i64),
    previous: i64,
    batch: &Batch,
    findings: &mut Findings,
) -> Result<(), Failure> {
    let largest = batch.largest_timestamp()?;
    if largest != timestamp {
        findings.time_mismatch(file, timestamp, largest);
    }
    if previous >= timestamp {
        findings.time_out_of_order(file, timestamp, previous);
    }
    Ok(())
}

fn check_times(
    source: &Source<'_>,
    content: &[u8],
    base_offset: i64,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let entries: Vec<_> = format::time_index(content, base_offset).collect();
    let file = source.absolute();
    let lead = format!("Corrupt time index found, time index file ({file}) has");
    if let (Some((first, _)), Some((last, offset))) = (entries.first(), entries.last()) {
        if last < first {
            return Err(Failure(format!(
                "{lead} non-zero size but the last timestamp is {last} which is less than the \
                 first timestamp {first}"
            )));
        }
        if *offset < base_offset {
            return Err(Failure(format!(
                "{lead} non-zero size but the last offset is {offset} which is less than the \
                 first offset {base_offset}"
            )));
        }
    }
    if !content.len().is_multiple_of(TIME_ENTRY) {
        return Err(Failure(format!(
            "Time index file {file} is corrupt, found {} bytes which is neither positive nor a \
             multiple of {TIME_ENTRY}",
            content.len()
        )));
    }
    Ok(writeln!(out, "{} passed sanity check.", source.path.display())?)
}

/// A segment without aborted transactions has no such file: to Kafka's tool it is an empty one.
pub(super) fn dump_transactions(
    source: &Source<'_>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<(), Failure> {
    source.base_offset()?;
    if matches!(source.path.try_exists(), Ok(false)) {
        let path = source.path.display();
        return Ok(writeln!(err, "{path} is not there: no transaction of it was aborted")?);
    }
    for entry in format::txn_index(&source.read(source.path)?) {
        writeln!(
            out,
            "version: {} producerId: {} firstOffset: {} lastOffset: {} lastStableOffset: {}",
            entry.version,
            entry.producer_id,
            entry.first_offset,
            entry.last_offset,
            entry.last_stable_offset
        )?;
    }
    Ok(())
}

pub(super) fn dump_producers(
    source: &Source<'_>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<(), Failure> {
    let snapshot = match format::snapshot(&source.read(source.path)?) {
        Ok(snapshot) => snapshot,
        Err(problem) => return Ok(writeln!(err, "{}", snapshot_problem(&problem))?),
    };
    for entry in snapshot.producer_entries {
        let first_offset = entry.current_txn_first_offset;
        write!(
            out,
            "producerId: {} producerEpoch: {} coordinatorEpoch: {} currentTxnFirstOffset: {} \
             lastTimestamp: {}",
            entry.producer_id,
            entry.epoch,
            entry.coordinator_epoch,
            optional_long((first_offset >= 0).then_some(first_offset)),
            entry.timestamp
        )?;
        if entry.last_offset >= 0 {
            let first = entry.last_sequence.wrapping_sub(entry.offset_delta) & i32::MAX;
            write!(
                out,
                " firstSequence: {first} lastSequence: {} lastOffset: {} offsetDelta: {} \
                 timestamp: {}",
                entry.last_sequence, entry.last_offset, entry.offset_delta, entry.timestamp
            )?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// What is wrong with a snapshot, in the words of Kafka.
fn snapshot_problem(problem: &SnapshotError) -> String {
    let lead = "Snapshot failed schema validation:";
    match problem {
        SnapshotError::Checksum { stored, computed } => format!(
            "Snapshot is corrupt (CRC is no longer valid). Stored crc: {stored}. Computed crc: \
             {computed}"
        ),
        SnapshotError::Version { version } => {
            format!("{lead} Snapshot contained an unknown file version {version}")
        }
        SnapshotError::Content(problem) => format!("{lead} {problem}"),
    }
}
