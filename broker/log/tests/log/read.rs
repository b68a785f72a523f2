use broker_log::{ReadError, ReadRequest};

use crate::support::*;

#[test]
fn an_offset_inside_a_batch_gives_the_whole_batch() {
    on_each_store(|rig| {
        let mut log = rig.open();
        for first in [0, 3, 6] {
            let values: Vec<_> = (first..first + 3).map(|offset: i64| offset.to_string()).collect();
            let records: Vec<_> = values.iter().map(|value| (NOW, value.as_str())).collect();
            log.append_as_leader(&batch(&records), by_client()).unwrap();
        }
        for offset in 0..9 {
            let slice = log.read(from_offset(&log, offset, 1)).unwrap().unwrap();
            let first = offset / 3 * 3;
            assert_eq!(decode(&slice.read().unwrap()), filled(first..first + 3), "{offset}");
        }
    });
}

#[test]
fn bytes_behind_the_first_batch_are_cut_at_the_limit() {
    on_each_store(|rig| {
        let mut log = rig.open();
        fill(&mut log, 5);
        let one = log.size_bytes() as usize / 5;
        for max_bytes in [0, 1, one, one + 1, 3 * one + 10, 100 * one] {
            let slice = log.read(from_offset(&log, 0, max_bytes)).unwrap().unwrap();
            assert_eq!(slice.length, max_bytes.clamp(one, 5 * one));
            assert_eq!(slice.position, 0);
        }
        let strict = ReadRequest { min_one_batch: false, ..from_offset(&log, 0, one - 1) };
        assert!(log.read(strict).unwrap().is_none(), "the first batch does not fit");
        let strict = ReadRequest { min_one_batch: false, ..from_offset(&log, 0, one) };
        assert_eq!(log.read(strict).unwrap().unwrap().length, one);
    });
}

#[test]
fn nothing_at_or_above_the_upper_bound_is_read() {
    on_each_store(|mut rig| {
        rig.config.segment.index_interval_bytes = 100;
        let mut log = rig.open();
        fill(&mut log, 50);
        for upper_bound in [0, 1, 7, 25, 49, 50] {
            for offset in 0..50 {
                let request = ReadRequest { upper_bound, ..from_offset(&log, offset, 1 << 20) };
                let read = log.read(request).unwrap();
                let records = read.map(|slice| decode(&slice.read().unwrap())).unwrap_or_default();
                assert_eq!(records, filled(offset..upper_bound), "{offset} to {upper_bound}");
            }
        }
    });
}

#[test]
fn offsets_outside_of_the_log_are_out_of_range_and_its_end_is_empty() {
    on_each_store(|rig| {
        let mut log = rig.open();
        fill(&mut log, 5);
        log.set_high_watermark(5);
        log.delete_records_before(2).unwrap();
        for offset in [-1, 0, 1, 6] {
            match log.read(from_offset(&log, offset, 10)) {
                Err(ReadError::OffsetOutOfRange { offset: asked, .. }) => assert_eq!(asked, offset),
                other => panic!("{offset}: {other:?}"),
            }
        }
        assert!(log.read(from_offset(&log, 5, 10)).unwrap().is_none());
        assert_eq!(read_all(&log, 2), filled(2..5));
    });
}

#[test]
fn a_read_stays_in_its_segment_and_the_next_goes_on_behind_it() {
    on_each_store(|mut rig| {
        rig.config.segment.bytes = 250;
        let mut log = rig.open();
        fill(&mut log, 20);
        assert!(log.segment_count() > 5, "{}", log.segment_count());
        let slice = log.read(from_offset(&log, 0, 1 << 20)).unwrap().unwrap();
        assert_eq!(decode(&slice.read().unwrap()), filled(0..3));
        // A cut inside of a sealed segment leads to no jump over the rest of it.
        let cut = log.read(from_offset(&log, 0, slice.length - 1)).unwrap().unwrap();
        let read = decode(&cut.read().unwrap());
        assert_eq!(read, filled(0..2));
        let next = log.read(from_offset(&log, 2, 1 << 20)).unwrap().unwrap();
        assert_eq!(decode(&next.read().unwrap()), filled(2..3));
        assert_eq!(read_all(&log, 0), filled(0..20));
    });
}

#[test]
fn a_slice_is_readable_after_its_segment_left_the_log() {
    on_each_store(|mut rig| {
        rig.config.segment.bytes = 250;
        rig.config.retention.bytes = 1;
        let mut log = rig.open();
        fill(&mut log, 9);
        let slice = log.read(from_offset(&log, 0, 1 << 20)).unwrap().unwrap();
        log.set_high_watermark(9);
        let plan = log.retention(NOW).unwrap().unwrap();
        log.apply_retention(&plan, NOW).unwrap().remove().unwrap();
        assert!(log.log_start_offset() > 3);
        assert_eq!(decode(&slice.read().unwrap()), filled(0..3));
    });
}

#[test]
fn an_index_of_any_density_finds_every_offset() {
    for interval in [0, 1, 200, 4096] {
        on_each_store(|mut rig| {
            rig.config.segment.index_interval_bytes = interval;
            rig.config.segment.bytes = 5000;
            let mut log = rig.open();
            fill(&mut log, 300);
            for offset in 0..300 {
                let slice = log.read(from_offset(&log, offset, 1)).unwrap().unwrap();
                assert_eq!(decode(&slice.read().unwrap()), filled(offset..offset + 1));
            }
            log.close().unwrap();
            let log = rig.open();
            for offset in 0..300 {
                let slice = log.read(from_offset(&log, offset, 1)).unwrap().unwrap();
                assert_eq!(decode(&slice.read().unwrap()), filled(offset..offset + 1));
            }
        });
    }
}

#[test]
fn an_index_that_leads_astray_is_not_believed() {
    on_each_store(|mut rig| {
        rig.config.segment.index_interval_bytes = 100;
        rig.config.segment.bytes = 2000;
        let mut log = rig.open();
        fill(&mut log, 60);
        log.close().unwrap();
        let name = "00000000000000000000.index";
        let good = rig.content(name);
        assert!(good.len() > 32, "{} bytes of index", good.len());
        for (at, value) in [(4, 0xff), (7, 0x01), (15, 0xfe), (7, 0xff)] {
            let mut bad = good.clone();
            bad[at] ^= value;
            rig.overwrite(name, &bad);
            assert_eq!(read_all(&rig.open(), 0), filled(0..60), "byte {at} flipped by {value}");
        }
    });
}
