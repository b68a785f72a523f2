//! Bytes as the records of a partition: reading them ends in an error or with records whose
//! headers can be walked, and a batch that is rebuilt from them has the same records.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use protocol::record::{
    BatchBuilder, BatchOptions, Payload, RecordBatch, RecordRules, batches, patch, validate_header,
    validate_records,
};

const LIMIT: usize = 1 << 20;

fuzz_target!(|input: &[u8]| {
    for batch in batches(&Bytes::copy_from_slice(input)) {
        let Ok(batch) = batch else { break };
        // With the right checksum, so that fuzzing gets behind it.
        let mut bytes = batch.bytes().to_vec();
        patch::set_crc(&mut bytes);
        let batch = RecordBatch::parse(&Bytes::from(bytes)).expect("only the CRC has changed");
        batch.check_crc().expect("it was just set");
        let rules = RecordRules { keys: true, times: Some(0..=1 << 40), listed_at_most: 9 };
        let valid =
            validate_header(&batch).is_ok() && validate_records(&batch, &rules, LIMIT).is_ok();
        let Ok(payload) = batch.payload(LIMIT) else { continue };
        for record in payload.records() {
            let Ok(record) = record else { break };
            for header in record.headers {
                let _ = header.name();
            }
        }
        if valid {
            rebuild(&batch, &payload);
        }
    }
});

fn rebuild(batch: &RecordBatch, payload: &Payload) {
    if batch.base_offset.checked_add(i64::from(batch.last_offset_delta)).is_none() {
        return;
    }
    let mut builder = BatchBuilder::new(BatchOptions {
        base_offset: batch.base_offset,
        ..BatchOptions::default()
    });
    for record in payload.records() {
        builder.append_record(&record.expect("the batch is valid"));
    }
    let rebuilt = RecordBatch::parse(&builder.finish()).expect("what we build is read");
    let again = rebuilt.payload(LIMIT * 2).expect("what we build is read");
    assert!(payload.records().zip(again.records()).all(|(before, after)| {
        let (before, after) = (before.expect("valid"), after.expect("what we build is read"));
        (before.offset, before.timestamp, before.key, before.value)
            == (after.offset, after.timestamp, after.key, after.value)
            && before.headers.eq(after.headers)
    }));
}
