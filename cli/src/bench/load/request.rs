//! Produce and Fetch as the load client sends them, in the versions of Kafka 4's own clients.

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use protocol::ErrorCode;
use protocol::frame::{decode_response, encode_request};
use protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use protocol::messages::{FetchRequest, FetchResponse, ProduceRequest};
use protocol::record::{BATCH_OVERHEAD, Records};

use super::CLIENT_ID;
use super::ask::Topic;

const PRODUCE_VERSION: i16 = 13;
const FETCH_VERSION: i16 = 17;
/// `request.timeout.ms`
const TIMEOUT_MS: i32 = 30_000;
/// `fetch.max.wait.ms`, `fetch.max.bytes` and `max.partition.fetch.bytes`
const FETCH_WAIT_MS: i32 = 500;
const FETCH_BYTES: i32 = 50 << 20;
const PARTITION_BYTES: i32 = 1 << 20;

/// A batch on its way to a partition.
pub(super) struct Sending {
    pub(super) partition: i32,
    pub(super) header: [u8; BATCH_OVERHEAD],
    pub(super) records: Bytes,
}

/// A produce request in pieces; the records are those of `batches`, not copies.
pub(super) fn produce(
    topic: &Topic,
    acks: i16,
    correlation_id: i32,
    batches: &[Sending],
) -> anyhow::Result<Vec<Bytes>> {
    let partitions = batches.iter().map(|batch| PartitionProduceData {
        index: batch.partition,
        records: Some(Records::Elsewhere { length: BATCH_OVERHEAD + batch.records.len() }),
    });
    let data = TopicProduceData {
        topic_id: topic.id,
        partition_data: partitions.collect(),
        ..Default::default()
    };
    let request = ProduceRequest {
        transactional_id: None,
        acks,
        timeout_ms: TIMEOUT_MS,
        topic_data: vec![data],
    };
    let writer = encode_request(&request, PRODUCE_VERSION, correlation_id, Some(CLIENT_ID))?;
    let (buffer, gaps) = writer.into_parts();
    let headers: Bytes = batches.iter().flat_map(|batch| batch.header).collect::<Vec<u8>>().into();
    let mut pieces = Vec::with_capacity(3 * batches.len() + 1);
    let mut from = 0;
    for (index, (gap, batch)) in gaps.iter().zip(batches).enumerate() {
        let header = index * BATCH_OVERHEAD;
        pieces.push(buffer.slice(from..gap.position));
        pieces.push(headers.slice(header..header + BATCH_OVERHEAD));
        pieces.push(batch.records.clone());
        from = gap.position;
    }
    pieces.push(buffer.slice(from..));
    Ok(pieces)
}

/// Checks the answer to a produce request; answers which one it was.
pub(super) fn produced(body: Bytes) -> anyhow::Result<i32> {
    let (correlation_id, response) = decode_response::<ProduceRequest>(body, PRODUCE_VERSION)
        .context("an answer to Produce that cannot be read")?;
    for partition in response.responses.iter().flat_map(|topic| &topic.partition_responses) {
        ensure!(
            partition.error_code == ErrorCode::None,
            "partition {} refuses a batch: {} {}",
            partition.index,
            partition.error_code,
            partition.error_message.as_deref().unwrap_or_default()
        );
    }
    Ok(correlation_id)
}

/// Where a consumer stands in a fetch session.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Session {
    pub(super) id: i32,
    pub(super) epoch: i32,
}

/// A fetch request; of a session's later ones, `offsets` are those that have moved.
pub(super) fn fetch(
    topic: &Topic,
    session: Session,
    correlation_id: i32,
    offsets: impl Iterator<Item = (i32, i64)>,
) -> anyhow::Result<Bytes> {
    let partitions: Vec<FetchPartition> = offsets
        .map(|(partition, fetch_offset)| FetchPartition {
            partition,
            current_leader_epoch: -1,
            fetch_offset,
            partition_max_bytes: PARTITION_BYTES,
            ..Default::default()
        })
        .collect();
    let topics = match partitions.is_empty() {
        true => Vec::new(),
        false => vec![FetchTopic { topic_id: topic.id, partitions, ..Default::default() }],
    };
    let request = FetchRequest {
        max_wait_ms: FETCH_WAIT_MS,
        min_bytes: 1,
        max_bytes: FETCH_BYTES,
        session_id: session.id,
        session_epoch: session.epoch,
        topics,
        ..Default::default()
    };
    Ok(encode_request(&request, FETCH_VERSION, correlation_id, Some(CLIENT_ID))?.into_bytes())
}

/// The answer to a fetch request.
pub(super) fn fetched(body: Bytes) -> anyhow::Result<FetchResponse> {
    let (_, response) = decode_response::<FetchRequest>(body, FETCH_VERSION)
        .context("an answer to Fetch that cannot be read")?;
    ensure!(response.error_code == ErrorCode::None, "Fetch: {}", response.error_code);
    for partition in response.responses.iter().flat_map(|topic| &topic.partitions) {
        ensure!(
            partition.error_code == ErrorCode::None,
            "partition {} is not read: {}",
            partition.partition_index,
            partition.error_code
        );
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use protocol::messages::RequestHeader;
    use protocol::{ApiKey, Message as _, Reader, frame};
    use uuid::Uuid;

    use super::*;

    fn topic() -> Topic {
        Topic { name: "t".to_owned(), id: Uuid::from_u128(9), partitions: 2 }
    }

    fn read(pieces: &[Bytes]) -> (ApiKey, RequestHeader, Reader) {
        let whole = Bytes::from(pieces.concat());
        let length = i32::from_be_bytes(*whole.first_chunk().expect("a length"));
        assert_eq!(length as usize + 4, whole.len());
        let mut reader = Reader::new(whole.slice(4..));
        let (key, header) = frame::decode_request_header(&mut reader).expect("a header");
        (key, header, reader)
    }

    #[test]
    fn the_pieces_of_a_produce_request_are_one() {
        let sending = |partition, fill: u8| Sending {
            partition,
            header: [fill; BATCH_OVERHEAD],
            records: Bytes::from(vec![fill; 10]),
        };
        let pieces = produce(&topic(), -1, 5, &[sending(0, 1), sending(1, 2)]).expect("it fits");
        let (key, header, mut reader) = read(&pieces);
        assert_eq!((key, header.correlation_id), (ApiKey::Produce, 5));
        let request = ProduceRequest::decode(&mut reader, PRODUCE_VERSION).expect("it is whole");
        reader.finish().expect("nothing follows");
        let partitions = &request.topic_data[0].partition_data;
        for (index, partition) in partitions.iter().enumerate() {
            let expected = vec![index as u8 + 1; BATCH_OVERHEAD + 10];
            assert_eq!(partition.index, index as i32);
            assert_eq!(partition.records, Some(Records::Bytes(expected.into())));
        }
        assert_eq!((partitions.len(), request.acks), (2, -1));
    }

    #[test]
    fn a_session_names_only_what_has_moved() {
        let session = Session { id: 3, epoch: 4 };
        let frame = fetch(&topic(), session, 1, [(1, 70)].into_iter()).expect("it fits");
        let (_, _, mut reader) = read(&[frame]);
        let request = FetchRequest::decode(&mut reader, FETCH_VERSION).expect("it is whole");
        let partition = &request.topics[0].partitions[0];
        assert_eq!((request.session_id, request.session_epoch), (3, 4));
        assert_eq!((partition.partition, partition.fetch_offset), (1, 70));
        let frame = fetch(&topic(), session, 1, std::iter::empty()).expect("it fits");
        let (_, _, mut reader) = read(&[frame]);
        let request = FetchRequest::decode(&mut reader, FETCH_VERSION).expect("it is whole");
        assert_eq!(request.topics.len(), 0);
    }
}
