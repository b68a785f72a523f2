//! Whole frames: headers, tagged fields that nobody knows, records that are elsewhere.

use bytes::Bytes;
use protocol::frame::{
    decode_request_header, decode_response, encode_request, encode_response, encode_response_into,
};
use protocol::messages::consumer_group_member_metadata_value::ClassicMemberMetadata;
use protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use protocol::messages::{
    ApiVersionsRequest, ApiVersionsResponse, ConsumerGroupMemberMetadataValue, FetchRequest,
    FetchResponse, HeartbeatRequest, HeartbeatResponse, RequestHeader,
};
use protocol::record::Records;
use protocol::{ApiKey, DecodeError, EncodeError, ErrorCode, Message, Reader, Writer};

/// The frame without its length, after checking that.
fn content(frame: &Bytes) -> Bytes {
    let (length, rest) = frame.split_first_chunk().expect("there is a length");
    assert_eq!(i32::from_be_bytes(*length) as usize, rest.len());
    frame.slice(4..)
}

#[test]
fn a_request_is_the_length_the_header_and_the_message() {
    let request = HeartbeatRequest {
        group_id: "g".into(),
        generation_id: 5,
        member_id: "m".into(),
        group_instance_id: None,
    };
    let old = encode_request(&request, 0, 7, Some("me")).expect("it fits").into_bytes();
    let expected = b"\0\0\0\x16\0\x0c\0\0\0\0\0\x07\0\x02me\0\x01g\0\0\0\x05\0\x01m";
    assert_eq!(&old[..], expected);
    let new = encode_request(&request, 4, 7, None).expect("it fits").into_bytes();
    let expected = b"\0\0\0\x15\0\x0c\0\x04\0\0\0\x07\xff\xff\0\x02g\0\0\0\x05\x02m\0\0";
    assert_eq!(&new[..], expected);

    let mut reader = Reader::new(content(&old));
    let (key, header) = decode_request_header(&mut reader).expect("it is whole");
    assert_eq!(key, ApiKey::Heartbeat);
    let expected = RequestHeader {
        request_api_key: 12,
        request_api_version: 0,
        correlation_id: 7,
        client_id: Some("me".into()),
    };
    assert_eq!(header, expected);
    assert_eq!(HeartbeatRequest::decode(&mut reader, 0), Ok(request));
    assert_eq!(reader.finish(), Ok(()));
}

#[test]
fn a_response_has_the_header_of_its_version() {
    let response =
        HeartbeatResponse { throttle_time_ms: 1, error_code: ErrorCode::RebalanceInProgress };
    for (version, expected) in [
        (1, &b"\0\0\0\x0a\0\0\0\x09\0\0\0\x01\0\x1b"[..]),
        (4, &b"\0\0\0\x0c\0\0\0\x09\0\0\0\0\x01\0\x1b\0"[..]),
    ] {
        let frame = encode_response::<HeartbeatRequest>(&response, version, 9).expect("it fits");
        let frame = frame.into_bytes();
        assert_eq!(&frame[..], expected);
        let back = decode_response::<HeartbeatRequest>(content(&frame), version);
        assert_eq!(back, Ok((9, response.clone())));
    }
}

#[test]
fn the_response_to_api_versions_has_the_oldest_header() {
    let response = ApiVersionsResponse::default();
    let frame = encode_response::<ApiVersionsRequest>(&response, 4, 3).expect("it fits");
    assert_eq!(&frame.buffered()[4..10], [0, 0, 0, 3, 0, 0]);
    let back = decode_response::<ApiVersionsRequest>(content(&frame.into_bytes()), 4);
    assert_eq!(back, Ok((3, response)));
}

#[test]
fn a_header_is_read_in_versions_that_nobody_has_but_not_for_unknown_apis() {
    let mut writer = Writer::new();
    (RequestHeader {
        request_api_key: ApiKey::ApiVersions.code(),
        request_api_version: 99,
        correlation_id: 1,
        client_id: Some("new".into()),
    })
    .encode(&mut writer, 2)
    .expect("it fits");
    let (key, header) = decode_request_header(&mut Reader::new(writer.into_bytes())).expect("ok");
    assert_eq!((key, header.request_api_version), (ApiKey::ApiVersions, 99));

    let unknown = Bytes::from_static(&[0x01, 0x00, 0, 0, 0, 0, 0, 1, 0xff, 0xff]);
    let error = decode_request_header(&mut Reader::new(unknown)).expect_err("256 is no API");
    assert_eq!(error, DecodeError::UnknownApi { key: 256 });
}

#[test]
fn a_message_in_a_version_that_it_lacks_is_refused_both_ways() {
    let error = FetchRequest::decode(&mut Reader::new(Bytes::new()), 3).expect_err("4 is first");
    assert_eq!(error.to_string(), "FetchRequest has versions 4 to 18, not 3");
    let error = FetchRequest::default().encode(&mut Writer::new(), 19).expect_err("18 is last");
    assert_eq!(error.to_string(), "FetchRequest has versions 4 to 18, not 19");
}

#[test]
fn tagged_fields_that_nobody_knows_are_skipped_and_known_ones_must_fill_their_size() {
    // Heartbeat 4 with tags 3 and 1000.
    let body = b"\x02g\0\0\0\x05\x02m\0\x02\x03\x02xy\xe8\x07\x01z";
    let mut reader = Reader::new(Bytes::from_static(body));
    let request = HeartbeatRequest::decode(&mut reader, 4).expect("it is whole");
    assert_eq!((request.group_id.as_str(), reader.remaining()), ("g", 0));

    let body = b"\x02g\0\0\0\x05\x02m\0\x01\x03\x09xy";
    let error = HeartbeatRequest::decode(&mut Reader::new(Bytes::from_static(body)), 4);
    assert_eq!(error, Err(DecodeError::TooShort { at: 12, wanted: 9, left: 2 }));

    // ApiVersionsResponse 3: the finalized epoch (tag 1) is eight bytes, not nine or seven.
    for (size, expected) in [
        (9, DecodeError::TagLength { at: 10, tag: 1, declared: 9, used: 8 }),
        (7, DecodeError::TooShort { at: 10, wanted: 8, left: 7 }),
    ] {
        let mut body = vec![0, 0, 1, 0, 0, 0, 0, 1, 1, size];
        body.extend([0; 9]);
        let error = ApiVersionsResponse::decode(&mut Reader::new(body.into()), 3);
        assert_eq!(error, Err(expected));
    }
}

/// Elsewhere the byte before a struct that may be null is negative for null and 0 for one that is
/// there; in a tagged field 0 is null. The bytes are those of Kafka's own coordinator.
#[test]
fn a_null_struct_in_a_tagged_field_is_a_zero() {
    let common = [1, 1, 1, 1, 1, 1, 0xff, 0xff, 0xff, 0xff, 1];
    let member = ConsumerGroupMemberMetadataValue {
        classic_member_metadata: Some(ClassicMemberMetadata {
            session_timeout_ms: 5,
            ..ClassicMemberMetadata::default()
        }),
        ..ConsumerGroupMemberMetadataValue::default()
    };
    let none = ConsumerGroupMemberMetadataValue {
        classic_member_metadata: None,
        ..ConsumerGroupMemberMetadataValue::default()
    };
    for (value, tags) in [
        (member, &[1, 0, 7, 1, 0, 0, 0, 5, 1, 0][..]),
        (none, &[1, 0, 1, 0][..]),
        (ConsumerGroupMemberMetadataValue::default(), &[0][..]),
    ] {
        let mut writer = Writer::new();
        value.encode(&mut writer, 0).expect("it fits");
        let bytes = writer.into_bytes();
        assert_eq!(&bytes[..], [&common[..], tags].concat());
        assert_eq!(ConsumerGroupMemberMetadataValue::decode(&mut Reader::new(bytes), 0), Ok(value));
    }
}

fn fetched(records: Records) -> FetchResponse {
    let partition = PartitionData { records: Some(records), ..Default::default() };
    let topic = FetchableTopicResponse {
        partitions: vec![partition.clone(), partition],
        ..Default::default()
    };
    FetchResponse { responses: vec![topic], ..Default::default() }
}

#[test]
fn records_elsewhere_leave_gaps_and_count_in_all_lengths() {
    let bytes = Bytes::from(vec![7; 300]);
    let whole = fetched(Records::Bytes(bytes.clone()));
    let elsewhere = fetched(Records::Elsewhere { length: 300 });
    for version in [4, 11, 12, 18] {
        let expected = encode_response::<FetchRequest>(&whole, version, 1).expect("it fits");
        assert!(expected.gaps().is_empty());
        let expected = expected.into_bytes();

        let split = encode_response::<FetchRequest>(&elsewhere, version, 1).expect("it fits");
        assert_eq!(split.total_length(), expected.len());
        let (head, gaps) = split.into_parts();
        assert_eq!(head.len() + 600, expected.len());
        let mut joined = head.to_vec();
        for gap in gaps.iter().rev() {
            assert_eq!((gap.length, &gap.bytes), (300, &None));
            joined.splice(gap.position..gap.position, bytes.iter().copied());
        }
        assert_eq!(joined, expected);

        let writer = Writer::new().detach_records_from(300);
        let detached = encode_response_into::<FetchRequest>(writer, &whole, version, 1);
        let detached = detached.expect("it fits");
        assert_eq!(detached.gaps()[1].bytes.as_ref(), Some(&bytes));
        assert_eq!(detached.into_bytes(), expected);
    }
}

#[test]
fn frames_can_be_written_one_behind_the_other() {
    let response = fetched(Records::Elsewhere { length: 300 });
    let one = encode_response::<FetchRequest>(&response, 12, 1).expect("it fits");
    let two = encode_response_into::<FetchRequest>(one.clone(), &response, 12, 1).expect("it fits");
    assert_eq!(two.total_length(), 2 * one.total_length());
    assert_eq!(two.buffered(), [one.buffered(), one.buffered()].concat());
    assert_eq!(two.gaps()[2].position, one.buffered().len() + one.gaps()[0].position);
}

#[test]
fn decoded_records_are_a_slice_of_the_frame() {
    let whole = fetched(Records::Bytes(Bytes::from(vec![7; 300])));
    let frame = encode_response::<FetchRequest>(&whole, 12, 1).expect("it fits").into_bytes();
    let (_, response) = decode_response::<FetchRequest>(frame.slice(4..), 12).expect("whole");
    let records = response.responses[0].partitions[1].records.as_ref().expect("there are some");
    let records = records.bytes().expect("they are here");
    let frame = frame.as_ptr_range();
    assert!(frame.start < records.as_ptr() && records.as_ptr() < frame.end);
}

#[test]
fn a_string_that_is_too_long_or_not_text_is_an_error() {
    let request = HeartbeatRequest { group_id: "x".repeat(32_768), ..Default::default() };
    let error = request.encode(&mut Writer::new(), 4).expect_err("too long");
    assert_eq!(error, EncodeError::StringLength { length: 32_768 });

    let mut long = vec![0x81, 0x80, 0x02];
    long.extend(vec![b'x'; 32_768]);
    let error = HeartbeatRequest::decode(&mut Reader::new(long.into()), 4);
    assert_eq!(error, Err(DecodeError::StringLength { at: 3, length: 32_768 }));

    let error = HeartbeatRequest::decode(&mut Reader::new(Bytes::from_static(b"\0\x02a\xff")), 0);
    assert_eq!(error, Err(DecodeError::Utf8 { at: 2 }));
    let error = HeartbeatRequest::decode(&mut Reader::new(Bytes::from_static(b"\xff\xff")), 0);
    assert_eq!(error, Err(DecodeError::Null { at: 2, field: "a string" }));
}
