//! What a start makes of the files that a pass was at work on.

use super::*;

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

#[test]
fn a_pass_is_taken_up_where_a_crash_left_it() {
    on_each_store(|rig| {
        let (rig, before) = rigged(rig);
        let old = all_files(&rig);
        let mut log = rig.open();
        log.set_high_watermark(5);
        let (_, removed) = Cleaner::new().pass_keeping(&mut log, NOW);
        removed.remove().unwrap();
        let after = committed(&log);
        log.close().unwrap();
        assert_ne!(before, after);
        let new: Vec<_> = all_files(&rig)
            .into_iter()
            .filter(|(name, _)| name.starts_with(&"0".repeat(20)) && !name.ends_with("snapshot"))
            .collect();
        assert_eq!(new.len(), 3, "batches and two indexes");
        let named = |suffix: &str| -> Vec<_> {
            new.iter().map(|(name, bytes)| (format!("{name}{suffix}"), bytes.clone())).collect()
        };
        // One index, all but the batches, all.
        for count in 0..=3 {
            let mut order = named(".cleaned");
            order.sort_by_key(|(name, _)| name.contains(".log"));
            let mut swaps = named(".swap");
            swaps.sort_by_key(|(name, _)| name.contains(".log"));
            let files = [&old[..], &swaps[..count], &order[count..]].concat();
            restore(&rig, &files);
            assert_eq!(open(&rig), if count == 3 { after.clone() } else { before.clone() });
        }
        // Some of the old files are gone already.
        let is_old = |(name, _): &&(String, Vec<u8>)| {
            !name.starts_with("00000000000000000004") && name.starts_with("0000")
        };
        let replaced: Vec<_> = old.iter().filter(is_old).cloned().collect();
        for gone in 0..=replaced.len() {
            let mut files = [&old[..], &named(".swap")[..]].concat();
            files.retain(|(name, _)| !replaced[..gone].iter().any(|(old, _)| old == name));
            restore(&rig, &files);
            assert_eq!(open(&rig), after, "{gone} of the old files are gone");
        }
        // Some of the new ones have their names.
        for done in 0..=3 {
            let mut files: Vec<_> =
                old.iter().filter(|file| !replaced.contains(file)).cloned().collect();
            let (mut named, mut swaps) = (new.clone(), named(".swap"));
            named.sort_by_key(|(name, _)| name.contains(".log"));
            swaps.sort_by_key(|(name, _)| name.contains(".log"));
            files.extend_from_slice(&named[..done]);
            files.extend_from_slice(&swaps[done..]);
            restore(&rig, &files);
            assert_eq!(open(&rig), after, "{done} of the new files have their names");
        }
    });
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
