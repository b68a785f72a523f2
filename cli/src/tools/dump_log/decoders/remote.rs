//! The records of `__remote_log_metadata`: what lies in tiered storage, and what becomes of it.
//! They are shown as Kafka's classes for them print themselves.

use std::collections::BTreeMap;

use broker_log::print_id;
use bytes::Bytes;
use protocol::NumberedRecord;
use protocol::messages::*;
use uuid::Uuid;

use super::KeyAndValue;
use super::framed::{Framed, framed};

const SEGMENT_STATES: [&str; 4] = [
    "COPY_SEGMENT_STARTED",
    "COPY_SEGMENT_FINISHED",
    "DELETE_SEGMENT_STARTED",
    "DELETE_SEGMENT_FINISHED",
];

const PARTITION_STATES: [&str; 3] =
    ["DELETE_PARTITION_MARKED", "DELETE_PARTITION_STARTED", "DELETE_PARTITION_FINISHED"];

/// The record as text, or why it is none.
pub(super) fn decode(record: &KeyAndValue<'_>) -> String {
    match framed(record.value).and_then(read) {
        Ok(text) => text,
        Err(problem) => format!("Error at offset {}, skipping. {problem}", record.offset),
    }
}

fn read(record: Framed) -> Result<String, String> {
    match record.kind {
        RemoteLogSegmentMetadataRecord::KIND => segment(record.message()?),
        RemoteLogSegmentMetadataUpdateRecord::KIND => update(record.message()?),
        RemotePartitionDeleteMetadataRecord::KIND => partition(record.message()?),
        RemoteLogSegmentMetadataSnapshotRecord::KIND => snapshot(record.message()?),
        kind => Err(format!("Unknown metadata id {kind}")),
    }
}

fn segment(record: RemoteLogSegmentMetadataRecord) -> Result<String, String> {
    let RemoteLogSegmentMetadataRecord { start_offset, end_offset, .. } = record;
    if start_offset < 0 {
        return Err(format!(
            "Unexpected start offset = {start_offset}. StartOffset for a remote segment cannot be \
             negative"
        ));
    }
    if end_offset < start_offset {
        return Err(format!(
            "Unexpected end offset = {end_offset}. EndOffset for a remote segment cannot be less \
             than startOffset = {start_offset}"
        ));
    }
    let epochs = record.segment_leader_epochs.iter();
    let epochs = epochs_text(epochs.map(|entry| (entry.leader_epoch, entry.offset)))?;
    let id = record.remote_log_segment_id;
    let at = id.topic_id_partition;
    Ok(format!(
        "RemoteLogSegmentMetadata{{remoteLogSegmentId={}, startOffset={start_offset}, \
         endOffset={end_offset}, brokerId={}, maxTimestampMs={}, eventTimestampMs={}, \
         segmentLeaderEpochs={epochs}, segmentSizeInBytes={}, customMetadata={}, state={}, \
         txnIdxEmpty={}}}",
        segment_id(&topic_partition(at.id, &at.name, at.partition), id.id),
        record.broker_id,
        record.max_timestamp_ms,
        record.event_timestamp_ms,
        record.segment_size_in_bytes,
        custom(record.custom_metadata.as_ref()),
        state(&SEGMENT_STATES, record.remote_log_segment_state)?,
        record.txn_index_empty,
    ))
}

fn update(record: RemoteLogSegmentMetadataUpdateRecord) -> Result<String, String> {
    let id = record.remote_log_segment_id;
    let at = id.topic_id_partition;
    Ok(format!(
        "RemoteLogSegmentMetadataUpdate{{remoteLogSegmentId={}, customMetadata={}, state={}, \
         eventTimestampMs={}, brokerId={}}}",
        segment_id(&topic_partition(at.id, &at.name, at.partition), id.id),
        custom(record.custom_metadata.as_ref()),
        state(&SEGMENT_STATES, record.remote_log_segment_state)?,
        record.event_timestamp_ms,
        record.broker_id,
    ))
}

fn partition(record: RemotePartitionDeleteMetadataRecord) -> Result<String, String> {
    let at = record.topic_id_partition;
    Ok(format!(
        "RemotePartitionDeleteMetadata{{topicPartition={}, state={}, eventTimestampMs={}, \
         brokerId={}}}",
        topic_partition(at.id, &at.name, at.partition),
        state(&PARTITION_STATES, record.remote_partition_delete_state)?,
        record.event_timestamp_ms,
        record.broker_id,
    ))
}

fn snapshot(record: RemoteLogSegmentMetadataSnapshotRecord) -> Result<String, String> {
    let epochs = record.segment_leader_epochs.iter();
    Ok(format!(
        "RemoteLogSegmentMetadataSnapshot{{segmentId={}, startOffset={}, endOffset={}, \
         maxTimestampMs={}, segmentLeaderEpochs={}, segmentSizeInBytes={}, customMetadata={}, \
         state={}, txnIdxEmpty={}}}",
        print_id(record.segment_id),
        record.start_offset,
        record.end_offset,
        record.max_timestamp_ms,
        epochs_text(epochs.map(|entry| (entry.leader_epoch, entry.offset)))?,
        record.segment_size_in_bytes,
        custom(record.custom_metadata.as_ref()),
        state(&SEGMENT_STATES, record.remote_log_segment_state)?,
        record.txn_index_empty,
    ))
}

fn topic_partition(id: Uuid, topic: &str, partition: i32) -> String {
    format!("{}:{topic}-{partition}", print_id(id))
}

fn segment_id(topic_partition: &str, id: Uuid) -> String {
    format!("RemoteLogSegmentId{{topicIdPartition={topic_partition}, id={}}}", print_id(id))
}

fn custom(metadata: Option<&Bytes>) -> String {
    match metadata {
        Some(bytes) => format!("Optional[CustomMetadata{{{} bytes}}]", bytes.len()),
        None => "Optional.empty".to_owned(),
    }
}

/// A map as Java prints it; there is no segment without an epoch.
fn epochs_text(entries: impl Iterator<Item = (i32, i64)>) -> Result<String, String> {
    let epochs: BTreeMap<i32, i64> = entries.collect();
    if epochs.is_empty() {
        return Err("segmentLeaderEpochs can not be null or empty".to_owned());
    }
    let pairs: Vec<String> =
        epochs.iter().map(|(epoch, offset)| format!("{epoch}={offset}")).collect();
    Ok(format!("{{{}}}", pairs.join(", ")))
}

fn state(names: &[&'static str], number: i8) -> Result<&'static str, String> {
    let name = usize::try_from(number).ok().and_then(|number| names.get(number));
    name.copied().ok_or_else(|| format!("state can not be null: there is none of number {number}"))
}
