//! What a start makes of the files that a pass was at work on.

use std::path::PathBuf;
use std::sync::Arc;

use broker_log::{LogConfig, MemoryStore, OpenOptions};

use super::*;
use crate::faults::{Failing, Faults, FaultyStore};

/// A log of two small segments and the active one, and what a pass makes of it.
fn rigged(mut rig: Rig) -> (Rig, Vec<Seen>) {
    compacted(&mut rig);
    let mut log = rig.open();
    append(&mut log, &[("a", Some("0")), ("b", Some("1"))]);
    roll(&mut log);
    append(&mut log, &[("a", Some("2")), ("c", Some("3"))]);
    roll(&mut log);
    append(&mut log, &[("c", Some("4"))]);
    let before = committed(&log);
    log.close().unwrap();
    (rig, before)
}

/// Names and content of all files.
fn all_files(rig: &Rig) -> Vec<(String, Vec<u8>)> {
    rig.files().into_iter().map(|name| (name.clone(), rig.content(&name))).collect()
}

fn restore(rig: &Rig, files: &[(String, Vec<u8>)]) {
    for name in rig.files() {
        rig.remove(&name);
    }
    for (name, content) in files {
        rig.overwrite(name, content);
    }
}

fn open(rig: &Rig) -> Vec<Seen> {
    let (mut log, report) = rig.open_after_crash(0);
    assert_eq!(report.bytes_cut, 0);
    log.set_high_watermark(log.log_end_offset());
    assert_eq!(log.log_end_offset(), 5);
    assert_eq!(remainders(rig), Vec::<String>::new());
    committed(&log)
}

/// The files before and after a pass, and what readers see of them.
struct Swap {
    old: Vec<(String, Vec<u8>)>,
    /// The new segment's, that of its batches last.
    new: Vec<(String, Vec<u8>)>,
    before: Vec<Seen>,
    after: Vec<Seen>,
}

impl Swap {
    fn of(rig: &Rig, before: Vec<Seen>) -> Self {
        let old = all_files(rig);
        let mut log = rig.open();
        log.set_high_watermark(5);
        Cleaner::new().pass(&mut log, NOW);
        let after = committed(&log);
        log.close().unwrap();
        assert_ne!(before, after);
        let mut new = all_files(rig);
        new.retain(|(name, _)| name.starts_with(&"0".repeat(20)) && !name.ends_with("snapshot"));
        new.sort_by_key(|(name, _)| name.contains(".log"));
        assert_eq!(new.len(), 3, "batches and two indexes");
        Self { old, new, before, after }
    }

    fn named(&self, suffix: &str) -> Vec<(String, Vec<u8>)> {
        let named = |(name, bytes): &(String, Vec<u8>)| (format!("{name}{suffix}"), bytes.clone());
        self.new.iter().map(named).collect()
    }
}

#[test]
fn a_pass_is_taken_up_where_a_crash_left_it() {
    on_each_store(|rig| {
        let (rig, before) = rigged(rig);
        let swap = Swap::of(&rig, before);
        let Swap { old, new, before, after } = &swap;
        let (cleaned, swaps) = (swap.named(".cleaned"), swap.named(".swap"));
        // No index, one, all but the batches, all.
        for count in 0..=3 {
            restore(&rig, &[&old[..], &swaps[..count], &cleaned[count..]].concat());
            assert_eq!(&open(&rig), if count == 3 { after } else { before });
        }
        // Some of the old files are gone already.
        let is_old = |(name, _): &&(String, Vec<u8>)| {
            !name.starts_with("00000000000000000004") && name.starts_with("0000")
        };
        let replaced: Vec<_> = old.iter().filter(is_old).cloned().collect();
        for gone in 0..=replaced.len() {
            let mut files = [&old[..], &swaps[..]].concat();
            files.retain(|(name, _)| !replaced[..gone].iter().any(|(old, _)| old == name));
            restore(&rig, &files);
            assert_eq!(&open(&rig), after, "{gone} of the old files are gone");
        }
        // Some of the new ones have their names.
        let others: Vec<_> = old.iter().filter(|file| !replaced.contains(file)).cloned().collect();
        for done in 0..=3 {
            restore(&rig, &[&others[..], &new[..done], &swaps[done..]].concat());
            assert_eq!(&open(&rig), after, "{done} of the new files have their names");
        }
    });
}

#[test]
fn a_start_that_fails_at_any_operation_is_made_good_by_the_next() {
    let inner = MemoryStore::default();
    let rig = Rig {
        store: Arc::new(inner.clone()),
        dir: PathBuf::from("data"),
        config: LogConfig::default(),
    };
    let (rig, before) = rigged(rig);
    let swap = Swap::of(&rig, before);
    let states = [
        ([&swap.old[..], &swap.named(".swap")[..]].concat(), &swap.after),
        (
            [&swap.old[..], &swap.named(".swap")[..1], &swap.named(".cleaned")[1..]].concat(),
            &swap.before,
        ),
    ];
    for (files, expected) in states {
        for operations in 0.. {
            restore(&rig, &files);
            let faults = Faults::after(operations, Failing::ForGood);
            let store = Arc::new(FaultyStore { inner: inner.clone(), faults: faults.clone() });
            let config = Arc::new(rig.config.clone());
            let options = OpenOptions { now_ms: NOW, ..Default::default() };
            drop(Log::open(store, rig.location(), config, options));
            assert_eq!(&open(&rig), expected, "operation {operations}");
            if !faults.happened() {
                assert!(operations > 10);
                break;
            }
        }
    }
}

#[test]
fn indexes_that_nobody_can_place_are_written_anew() {
    on_each_store(|rig| {
        let (rig, before) = rigged(rig);
        let name = "00000000000000000000";
        for kind in ["index", "timeindex", "txnindex"] {
            rig.overwrite(&format!("{name}.{kind}.swap"), &[1; 68]);
        }
        assert_eq!(open(&rig), before);
    });
}

#[test]
fn what_a_pass_left_behind_is_removed_by_the_next() {
    on_each_store(|rig| {
        let (rig, _) = rigged(rig);
        let mut log = rig.open();
        log.set_high_watermark(5);
        rig.overwrite("00000000000000000000.log.cleaned", b"rest");
        rig.overwrite("00000000000000000002.index.swap", b"rest");
        let cleanable = Cleaner::new().cleanable(&log, NOW);
        drop(log.prepare_compaction(&cleanable, NOW).unwrap());
        assert_eq!(remainders(&rig), Vec::<String>::new());
    });
}
