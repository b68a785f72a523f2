//! Batches at their edges: damage, old formats, gaps in offsets, patches, markers, other frames.

use std::io::Write;

use bytes::Bytes;
use protocol::record::control::{ControlType, Marker, marker_batch, parse_marker};
use protocol::record::{
    BATCH_OVERHEAD, BatchBuilder, BatchError, BatchHeader, BatchOptions, Codec, Compression,
    LevelError, RecordBatch, RecordRules, TimestampType, batches, patch, validate,
    validate_records,
};

const LIMIT: usize = 1 << 20;

fn batch_of(options: BatchOptions, count: i64) -> Bytes {
    let mut builder = BatchBuilder::new(options);
    for index in 0..count {
        builder.append(1_000 + index, Some(b"key"), Some(b"value"), &[]);
    }
    builder.finish()
}

fn parse(bytes: impl Into<Bytes>) -> RecordBatch {
    RecordBatch::parse(&bytes.into()).expect("a whole batch")
}

/// Overwrites part of a batch's header, and makes the CRC right again.
fn with(batch: &Bytes, at: usize, bytes: &[u8]) -> RecordBatch {
    let mut batch = batch.to_vec();
    batch[at..at + bytes.len()].copy_from_slice(bytes);
    patch::set_crc(&mut batch);
    parse(batch)
}

#[test]
fn a_batch_that_is_cut_off_is_told_from_one_that_is_damaged() {
    let whole = batch_of(BatchOptions::default(), 3);
    let two = Bytes::from([&whole[..], &whole[..whole.len() - 1]].concat());
    let mut all = batches(&two);
    assert!(all.next().expect("the first").is_ok());
    let error = all.next().expect("the second").expect_err("it lacks a byte");
    assert_eq!(error, BatchError::Truncated { wanted: whole.len(), left: whole.len() - 1 });
    assert!(all.next().is_none());
    assert_eq!(
        BatchHeader::parse(&whole[..30]),
        Err(BatchError::Truncated { wanted: BATCH_OVERHEAD, left: 30 })
    );

    for at in 21..whole.len() {
        let mut damaged = whole.to_vec();
        damaged[at] ^= 0x10;
        let error = validate(&parse(damaged)).expect_err("a bit is flipped");
        assert!(matches!(error, BatchError::Checksum { .. }), "byte {at}: {error}");
    }
    let mut short = whole.to_vec();
    short[8..12].copy_from_slice(&48_i32.to_be_bytes());
    assert_eq!(BatchHeader::parse(&short), Err(BatchError::Length { length: 48 }));
}

#[test]
fn old_and_unknown_formats_are_named() {
    let mut bytes = batch_of(BatchOptions::default(), 1).to_vec();
    for (magic, expected) in [
        (0, "message format 0 is no longer served: only record batches (format 2) are"),
        (1, "message format 1 is no longer served: only record batches (format 2) are"),
        (3, "message format 3 is not known: record batches have format 2"),
    ] {
        bytes[16] = magic;
        let error = BatchHeader::parse(&bytes[..17]).expect_err("it is not format 2");
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn headers_that_contradict_themselves_are_refused() {
    let batch = batch_of(BatchOptions::default(), 3);
    let last_offset_delta = 5_i32;
    for (bad, expected) in [
        (
            with(&batch, 23, &last_offset_delta.to_be_bytes()),
            BatchError::OffsetRange { count: 3, last_offset_delta },
        ),
        (with(&batch, 57, &0_i32.to_be_bytes()), BatchError::Count { count: 0, bytes: 45 }),
        (with(&batch, 57, &(-1_i32).to_be_bytes()), BatchError::Count { count: -1, bytes: 45 }),
        (with(&batch, 43, &1_i64.to_be_bytes()), BatchError::Sequence { base_sequence: -1 }),
        (with(&batch, 22, &[5]), BatchError::UnknownCompression { id: 5 }),
    ] {
        assert_eq!(validate(&bad), Err(expected));
    }
}

#[test]
fn records_that_do_not_match_the_header_are_refused() {
    let batch = batch_of(BatchOptions::default(), 3);
    let size = (batch.len() - BATCH_OVERHEAD) / 3;

    let fewer = with(&batch, 57, &2_i32.to_be_bytes());
    assert_eq!(
        validate_records(&fewer, &RecordRules::default(), LIMIT),
        Err(BatchError::Trailing { bytes: size })
    );
    let more = with(&batch, 57, &4_i32.to_be_bytes());
    let error =
        validate_records(&more, &RecordRules::default(), LIMIT).expect_err("there are three");
    assert!(matches!(error, BatchError::Record { index: 3, at: 45, .. }), "{error}");
    let many = with(&batch, 57, &1_000_000_i32.to_be_bytes());
    let error = BatchError::Count { count: 1_000_000, bytes: 45 };
    assert_eq!(validate_records(&many, &RecordRules::default(), LIMIT), Err(error));

    // The second record's offset delta, a zigzag number: 1 is 0x02.
    let at = BATCH_OVERHEAD + size + 3;
    assert_eq!(batch[at], 0x02);
    let skipping = with(&batch, at, &[0x04]);
    let error = BatchError::OffsetDelta { index: 1, delta: 2 };
    assert_eq!(validate_records(&skipping, &RecordRules::default(), LIMIT), Err(error));
    let long = with(&batch, BATCH_OVERHEAD, &[0x7e]);
    let error = validate_records(&long, &RecordRules::default(), LIMIT)
        .expect_err("it reaches beyond the batch");
    let problem = "the bytes end too early";
    assert_eq!(error, BatchError::Record { index: 0, at: 1, problem });
}

#[test]
fn offset_and_epoch_are_patched_without_touching_the_crc() {
    let original = batch_of(BatchOptions::default(), 2);
    let mut patched = original.to_vec();
    patch::set_base_offset(&mut patched, 1 << 40);
    patch::set_leader_epoch(&mut patched, 17);
    assert_eq!(patch::prefix(&original, 1 << 40, 17), patched[..16]);
    let batch = parse(patched);
    assert_eq!(validate(&batch), Ok(()));
    assert_eq!((batch.base_offset, batch.leader_epoch), (1 << 40, 17));
    assert_eq!((batch.last_offset(), batch.next_offset()), ((1 << 40) + 1, (1 << 40) + 2));
    assert_eq!(batch.header().encode(), batch.bytes()[..BATCH_OVERHEAD]);
}

#[test]
fn log_append_time_is_every_records_time() {
    let mut bytes = batch_of(BatchOptions::default(), 2).to_vec();
    patch::set_max_timestamp(&mut bytes, TimestampType::LogAppendTime, 77);
    let batch = parse(bytes.clone());
    assert_eq!(validate(&batch), Ok(()));
    assert_eq!(batch.timestamp_type(), TimestampType::LogAppendTime);
    let payload = batch.payload(LIMIT).expect("it is read");
    let times: Vec<i64> = payload.records().map(|r| r.expect("whole").timestamp).collect();
    assert_eq!(times, [77, 77]);

    patch::set_max_timestamp(&mut bytes, TimestampType::CreateTime, 1_001);
    let batch = parse(bytes);
    assert_eq!(batch.bytes(), &batch_of(BatchOptions::default(), 2));

    let options = BatchOptions { log_append_time: Some(99), ..BatchOptions::default() };
    let summary = validate_records(&parse(batch_of(options, 2)), &RecordRules::default(), LIMIT)
        .expect("it is valid");
    assert_eq!((summary.max_timestamp, summary.offset_of_max_timestamp), (99, 0));
}

#[test]
fn compaction_keeps_offsets_leaves_some_out_and_sets_the_delete_horizon() {
    let options = BatchOptions { base_offset: 100, ..BatchOptions::default() };
    let source = parse(batch_of(options.clone(), 5));
    let payload = source.payload(LIMIT).expect("it is read");
    let mut builder = BatchBuilder::new(BatchOptions { delete_horizon: Some(5_000), ..options });
    for record in payload.records().map(|r| r.expect("whole")).filter(|r| r.offset % 2 == 1) {
        builder.append_record(&record);
    }
    builder.set_last_offset(source.last_offset());
    let batch = parse(builder.finish());
    assert_eq!(batch.check_crc(), Ok(()));
    assert_eq!((batch.base_offset, batch.last_offset(), batch.count), (100, 104, 2));
    assert_eq!(batch.delete_horizon(), Some(5_000));
    assert_eq!(source.delete_horizon(), None);
    let payload = batch.payload(LIMIT).expect("it is read");
    let kept: Vec<_> =
        payload.records().map(|r| r.expect("whole")).map(|r| (r.offset, r.timestamp)).collect();
    assert_eq!(kept, [(101, 1_001), (103, 1_003)]);

    let mut empty = BatchBuilder::new(options);
    empty.set_last_offset(104);
    let batch = parse(empty.finish());
    assert_eq!((batch.size(), batch.count, batch.last_offset()), (BATCH_OVERHEAD, 0, 104));
    assert_eq!(batch.payload(LIMIT).expect("it is read").records().count(), 0);
}

#[test]
fn markers_say_who_ended_a_transaction_and_how() {
    for (commit, kind) in [(true, ControlType::Commit), (false, ControlType::Abort)] {
        let marker = Marker { producer_id: 9, producer_epoch: 2, commit, coordinator_epoch: 4 };
        let batch = parse(marker_batch(&marker, 50, 6, 1_234));
        assert_eq!(validate(&batch), Ok(()));
        assert!(batch.is_control() && batch.is_transactional());
        assert_eq!((batch.producer_id, batch.producer_epoch, batch.base_offset), (9, 2, 50));
        let payload = batch.payload(LIMIT).expect("it is read");
        let record = payload.records().next().expect("one").expect("whole");
        assert_eq!(ControlType::parse(record.key.expect("a key")), Ok(kind));
        assert_eq!(parse_marker(record.value.expect("a value")), Ok(4));
        assert_eq!((record.offset, record.timestamp), (50, 1_234));
    }
    assert_eq!(ControlType::parse(&[0, 0, 0, 99]), Ok(ControlType::Unknown(99)));
    assert!(ControlType::parse(&[0, 0, 0]).is_err());
    for code in 0..9 {
        let kind = ControlType::parse(&[0, 0, 0, code]).expect("any number is a type");
        assert_eq!(kind.code(), i16::from(code));
        assert_eq!(&kind.key()[..], [0, 0, 0, code]);
    }
}

#[test]
fn sequence_numbers_wrap_to_zero() {
    let options = BatchOptions {
        producer_id: 1,
        producer_epoch: 0,
        base_sequence: i32::MAX - 1,
        ..BatchOptions::default()
    };
    assert_eq!(parse(batch_of(options, 4)).last_sequence(), 1);
    assert_eq!(parse(batch_of(BatchOptions::default(), 4)).last_sequence(), -1);
}

#[test]
fn levels_are_checked_and_matter() {
    let value: Vec<u8> = (0..50_000_u32).map(|i| ((i * i) >> 9) as u8).collect();
    let size = |codec: Codec| {
        let mut builder = BatchBuilder::new(BatchOptions { codec, ..BatchOptions::default() });
        builder.append(0, None, Some(&value), &[]);
        builder.finish().len()
    };
    for (compression, low, high) in
        [(Compression::Gzip, 1, 9), (Compression::Lz4, 1, 12), (Compression::Zstd, 1, 19)]
    {
        let codec = |level| Codec::with_level(compression, level).expect("it has that level");
        assert!(size(codec(low)) > size(codec(high)), "{compression}");
        assert_eq!(codec(low).compression(), compression);
    }
    let error = Codec::with_level(Compression::Gzip, 10).expect_err("9 is the last");
    assert_eq!(error.to_string(), "gzip has levels 1 to 9, not 10");
    let error = Codec::with_level(Compression::Snappy, 9).expect_err("it has none");
    assert_eq!(error, LevelError::NoLevels { compression: Compression::Snappy });
    assert_eq!("zstd".parse(), Ok(Compression::Zstd));
    let error = "brotli".parse::<Compression>().expect_err("not Kafka's");
    let expected = "compression \"brotli\" is not known: use none, gzip, snappy, lz4 or zstd";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn frames_that_other_clients_write_are_read() {
    let content: Vec<u8> = b"0123456789abcdef".repeat(20_000);
    let bare = snap::raw::Encoder::new().compress_vec(&content).expect("it fits");
    assert_eq!(Compression::Snappy.decompress(&bare, LIMIT), Ok(content.clone()));

    let member = |part: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(part).and_then(|()| encoder.finish()).expect("a Vec takes all bytes")
    };
    let (left, right) = content.split_at(1_000);
    let members = [member(left), member(right)].concat();
    assert_eq!(Compression::Gzip.decompress(&members, LIMIT), Ok(content.clone()));

    use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
    for mode in [BlockMode::Independent, BlockMode::Linked] {
        for size in [BlockSize::Max64KB, BlockSize::Max256KB, BlockSize::Max1MB, BlockSize::Max4MB]
        {
            let info = FrameInfo::new()
                .block_mode(mode)
                .block_size(size)
                .block_checksums(true)
                .content_checksum(true)
                .content_size(Some(content.len() as u64));
            let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
            encoder.write_all(&content).expect("a Vec takes all bytes");
            let frame = encoder.finish().expect("a Vec takes all bytes");
            assert_eq!(Compression::Lz4.decompress(&frame, LIMIT), Ok(content.clone()));
            let mut damaged = frame.clone();
            *damaged.last_mut().expect("it is not empty") ^= 1;
            let error = Compression::Lz4.decompress(&damaged, LIMIT).expect_err("damaged");
            assert!(error.to_string().ends_with("the checksum of the content is wrong"), "{error}");
            let error = Compression::Lz4.decompress(&frame[..frame.len() - 9], LIMIT);
            assert!(error.is_err());
        }
    }
}
