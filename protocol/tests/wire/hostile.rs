//! Damaged and made-up input: no panic, and no more memory than the input deserves.

use bytes::Bytes;
use protocol::frame::decode_request_header;
use protocol::limits::{MEMORY_FLOOR, MEMORY_PER_FRAME_BYTE};
use protocol::record::{BatchBuilder, BatchOptions, Compression, batches, validate};
use protocol::{DecodeError, Reader};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::allocation::peak_of;
use crate::codecs::CODECS;
use crate::schema::Kind;
use crate::tables::SCHEMA;
use crate::walker;

const FRAMES: usize = 100_000;

/// What decoding may allocate: the arrays within their limit, twice where one is moved because it
/// grows, and strings, which are as long as they are in the frame.
fn allowance(frame: usize) -> usize {
    (frame * MEMORY_PER_FRAME_BYTE + MEMORY_FLOOR) * 2 + 2 * frame + 1024
}

fn damage(rng: &mut StdRng, bytes: &mut Vec<u8>) {
    for _ in 0..rng.random_range(1..=4) {
        let length = bytes.len();
        match rng.random_range(0..6) {
            _ if length == 0 => bytes.push(rng.random()),
            0 => bytes.truncate(rng.random_range(0..length)),
            1 => bytes.insert(rng.random_range(0..=length), rng.random()),
            2 => {
                let at = rng.random_range(0..length);
                bytes[at] ^= 1 << rng.random_range(0..8);
            }
            3 => {
                let at = rng.random_range(0..length);
                let edge = [0x00, 0x01, 0x7f, 0x80, 0xff];
                bytes[at] = edge[rng.random_range(0..edge.len())];
            }
            4 => {
                let at = rng.random_range(0..length);
                let end = (at + 4).min(length);
                bytes[at..end].fill(if rng.random() { 0x7f } else { 0xff });
            }
            _ => {
                let at = rng.random_range(0..length);
                let copy = bytes[at..(at + 16).min(length)].to_vec();
                bytes.splice(at..at, copy);
            }
        }
    }
}

#[test]
fn a_hundred_thousand_damaged_frames_cost_little_and_never_panic() {
    let mut rng = StdRng::seed_from_u64(20_260_101);
    let (mut refused, mut accepted) = (0, 0);
    for index in 0..FRAMES {
        let message = &SCHEMA.messages[index % SCHEMA.messages.len()];
        let version = rng.random_range(message.versions.clone());
        let value = walker::make_up(&mut rng, message, version);
        let mut bytes = walker::encode(message, &value, version).expect("it was made for it");
        damage(&mut rng, &mut bytes);
        let frame = Bytes::from(bytes);
        let (result, peak) =
            peak_of(|| (CODECS[message.name.as_str()].decode)(frame.clone(), version));
        assert!(
            peak <= allowance(frame.len()),
            "{} {version}: {peak} bytes for a frame of {}",
            message.name,
            frame.len()
        );
        match result {
            Ok(()) => accepted += 1,
            Err(_) => refused += 1,
        }
    }
    assert_eq!(refused + accepted, FRAMES);
    assert!(refused > FRAMES / 10 && accepted > FRAMES / 100, "{refused} refused");
}

#[test]
fn damaged_requests_are_refused_from_the_header_on() {
    let mut rng = StdRng::seed_from_u64(93);
    let requests: Vec<_> = SCHEMA.messages.iter().filter(|m| m.kind == Kind::Request).collect();
    let mut refused = 0;
    for index in 0..20_000 {
        let message = requests[index % requests.len()];
        let version = rng.random_range(message.versions.clone());
        let value = walker::make_up(&mut rng, message, version);
        let key = message.key.expect("a request has one");
        let mut bytes = [key.to_be_bytes(), version.to_be_bytes()].concat();
        bytes.extend([0, 0, 0, 1, 0, 2, b'm', b'e']);
        bytes.extend(message.is_flexible(version).then_some(0));
        bytes.extend(walker::encode(message, &value, version).expect("it was made for it"));
        decode_request(bytes.clone().into()).expect("it is not damaged");
        damage(&mut rng, &mut bytes);
        let length = bytes.len();
        let (result, peak) = peak_of(|| decode_request(bytes.into()));
        refused += usize::from(result.is_err());
        assert!(peak <= allowance(length), "{}: {peak} bytes for {length}", message.name);
    }
    assert!(refused > 5_000, "{refused} refused");
}

/// As a server does it: the header tells what the rest is.
fn decode_request(frame: Bytes) -> Result<(), DecodeError> {
    let mut reader = Reader::new(frame);
    let (key, header) = decode_request_header(&mut reader)?;
    let rest = reader.take(reader.remaining())?;
    match CODECS.get(format!("{key}Request").as_str()) {
        Some(codec) => (codec.decode)(rest, header.request_api_version),
        None => Err(DecodeError::UnknownApi { key: key.code() }),
    }
}

/// Frames that are nothing but the smallest elements of arrays: the worst ratio of memory to
/// bytes that the wire allows.
#[test]
fn frames_full_of_the_smallest_elements_stay_within_the_limit() {
    for fill in [0x00, 0x01, 0x02, 0x7f] {
        for codec in CODECS.values() {
            for version in codec.versions.clone() {
                let mut bytes = vec![fill; 200_000];
                // As a count, classic or compact, close to what the frame could hold.
                for at in [0, 4, 8, 12] {
                    let mut frame = bytes.clone();
                    frame[at..at + 4].copy_from_slice(&[0x00, 0x02, 0x00, 0x00]);
                    check_peak(codec, version, frame);
                    let mut frame = bytes.clone();
                    frame[at..at + 3].copy_from_slice(&[0xff, 0xff, 0x07]);
                    check_peak(codec, version, frame);
                }
                bytes.truncate(100);
                check_peak(codec, version, bytes);
            }
        }
    }
}

fn check_peak(codec: &crate::codecs::Codec, version: i16, frame: Vec<u8>) {
    let length = frame.len();
    let frame = Bytes::from(frame);
    let (_, peak) = peak_of(|| (codec.decode)(frame, version));
    assert!(peak <= allowance(length), "{} {version}: {peak} bytes for {length}", codec.name);
}

#[test]
fn damaged_batches_are_refused_or_read_within_the_limit() {
    const LIMIT: usize = 1 << 20;
    let mut rng = StdRng::seed_from_u64(7);
    let mut refused = 0;
    for round in 0..20_000 {
        let compression = Compression::ALL[round % 5];
        let options = BatchOptions { codec: compression.into(), ..BatchOptions::default() };
        let mut builder = BatchBuilder::new(options);
        for _ in 0..rng.random_range(1..5) {
            let value = vec![rng.random::<u8>(); rng.random_range(0..300)];
            builder.append(rng.random_range(0..1_000_000), Some(b"key"), Some(&value), &[]);
        }
        let mut bytes = builder.finish().to_vec();
        // Behind the CRC too, as if a hostile producer had computed it.
        let skip = if rng.random() { 0 } else { 61 };
        let mut tail = bytes.split_off(skip);
        damage(&mut rng, &mut tail);
        bytes.extend(tail);
        let bytes = Bytes::from(bytes);
        let (failed, peak) = peak_of(|| {
            batches(&bytes).any(|batch| {
                let Ok(batch) = batch else { return true };
                let damaged = validate(&batch).is_err();
                let Ok(payload) = batch.payload(LIMIT) else { return true };
                let broken = payload.records().any(|record| match record {
                    Ok(record) => record.headers.into_iter().any(|h| h.name().is_empty()),
                    Err(_) => true,
                });
                broken || damaged
            })
        });
        refused += usize::from(failed);
        assert!(peak <= 4 * LIMIT, "{peak} bytes for a batch of {}", bytes.len());
    }
    assert!(refused > 19_000, "{refused} of 20000 refused");
}

#[test]
fn a_small_batch_cannot_claim_a_large_content() {
    let zeros = vec![0; 8 << 20];
    for compression in [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd]
    {
        let options = BatchOptions { codec: compression.into(), ..BatchOptions::default() };
        let mut builder = BatchBuilder::new(options);
        builder.append(0, None, Some(&zeros), &[]);
        let bomb = builder.finish();
        let batch = batches(&bomb).next().expect("there is one").expect("it is whole");
        let limit = 100_000;
        let (result, peak) = peak_of(|| batch.payload(limit));
        let error = result.expect_err("it is longer than the limit").to_string();
        assert!(error.contains("more than 100000 bytes"), "{compression}: {error}");
        assert!(peak < 4 * limit, "{compression}: {peak} bytes");
    }
}
