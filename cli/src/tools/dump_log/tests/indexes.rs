use super::*;

#[test]
fn indexes_and_the_snapshot_are_printed() {
    let dumped = Dumped::new(sample);
    let out = |kind| dumped.dump(kind, &[]).1;
    assert_eq!(out("index"), ["offset: 1 position: 83", "offset: 2 position: 159"]);
    let times = ["timestamp: 1700000000001 offset: 1", "timestamp: 1700000000002 offset: 2"];
    assert_eq!(out("timeindex"), times);
    let aborted = "version: 0 producerId: 9 firstOffset: 1 lastOffset: 2 lastStableOffset: 3";
    assert_eq!(out("txnindex"), [aborted]);
    let producer = "producerId: 9 producerEpoch: 1 coordinatorEpoch: 3 currentTxnFirstOffset: \
                    OptionalLong.empty lastTimestamp: 1700000000002 firstSequence: 5 \
                    lastSequence: 5 lastOffset: 1 offsetDelta: 0 timestamp: 1700000000002";
    assert_eq!(out("snapshot"), [producer]);
}

#[test]
fn indexes_are_held_against_the_log() {
    let dumped = Dumped::new(sample);
    let path = dumped.path("index");
    let sane = vec![format!("{path} passed sanity check.")];
    assert_eq!(dumped.dump("index", &["--index-sanity-check"]), (0, sane, vec![]));
    assert_eq!(dumped.dump("index", &["--verify-index-only"]), (0, vec![], vec![]));
    let (status, _, err) = dumped.dump("index", &["--max-message-size", "20"]);
    assert_eq!((status, err.len()), (1, 1), "the batch is larger");
    dumped.overwrite("index", 3, 0);
    dumped.overwrite("index", 11, 9);
    let (status, out, err) = dumped.dump("index", &["--verify-index-only"]);
    assert_eq!((status, out.len()), (0, 0));
    assert_eq!(
        err,
        [
            &format!("Mismatches in :{path}"),
            "  Index offset: 9, log offset: 2",
            "  Index offset: 0, log offset: 1",
        ]
    );
    dumped.overwrite("timeindex", 7, 0);
    let (_, _, err) = dumped.dump("timeindex", &[]);
    assert!(err[0].starts_with("Found timestamp mismatch in :"), "{err:?}");
}

/// An entry for each: the right one, one too late, one that goes back, and two in no batch's place.
#[test]
fn the_time_index_is_held_against_the_log() {
    let dumped = Dumped::new(sample);
    let entries = [(NOW, 0), (NOW + 9, 1), (NOW + 2, 2), (NOW + 3, 3), (NOW + 4, 7)];
    let mut content = Vec::new();
    for (timestamp, offset) in entries {
        content.extend(i64::to_be_bytes(timestamp));
        content.extend(i32::to_be_bytes(offset));
    }
    let path = dumped.path("timeindex");
    std::fs::write(&path, content).unwrap();
    let (status, lines, err) = dumped.dump("timeindex", &[]);
    assert_eq!((status, lines.len()), (0, 5));
    assert_eq!(
        err,
        [
            format!("Found timestamp mismatch in :{path}"),
            format!("  Index timestamp: {}, log timestamp: {}", NOW + 9, NOW + 1),
            format!("Found out of order timestamp in :{path}"),
            format!("  Index timestamp: {}, Previously indexed timestamp: {}", NOW + 2, NOW + 9),
            format!("The following indexed offsets are not found in :{path}"),
            "Indexed offset: 3, found log offset: -1".to_owned(),
            "Indexed offset: 7, found log offset: -1".to_owned(),
        ]
    );
    assert_eq!(dumped.dump("timeindex", &["--verify-index-only"]).1, [""; 0]);
}

/// What a broker leaves that had reserved room in its indexes and was killed.
#[test]
fn zeros_behind_the_last_entry_end_an_index() {
    let dumped = Dumped::new(sample);
    for (kind, entry, lines) in [("index", 8, 2), ("timeindex", 12, 2)] {
        let mut content = std::fs::read(dumped.path(kind)).unwrap();
        content.extend(vec![0; 3 * entry]);
        std::fs::write(dumped.path(kind), content).unwrap();
        let (status, out, err) = dumped.dump(kind, &[]);
        assert_eq!((status, out.len(), err.len()), (0, lines, 0), "{kind}: {out:?}");
    }
    let time = "last timestamp is 0 which is less than the first timestamp 1700000000001";
    let path = dumped.path("timeindex");
    let text = "Corrupt time index found, time index file";
    assert_eq!(
        dumped.dump("timeindex", &["--index-sanity-check"]),
        (1, vec![], vec![format!("{text} ({path}) has non-zero size but the {time}")])
    );
}

#[test]
fn an_index_of_whole_entries_is_sane() {
    let dumped = Dumped::new(sample);
    for (kind, entry) in [("index", 8), ("timeindex", 12)] {
        let mut content = std::fs::read(dumped.path(kind)).unwrap();
        content.push(0);
        std::fs::write(dumped.path(kind), &content).unwrap();
        let (path, size) = (dumped.path(kind), content.len());
        let file = if kind == "index" { "Index file" } else { "Time index file" };
        let text = format!(
            "{file} {path} is corrupt, found {size} bytes which is neither positive nor a multiple \
             of {entry}"
        );
        assert_eq!(dumped.dump(kind, &["--index-sanity-check"]), (1, vec![], vec![text]));
    }
    std::fs::write(dumped.path("index"), b"").unwrap();
    let empty = vec![format!("{} is empty.", dumped.path("index"))];
    assert_eq!(dumped.dump("index", &[]), (0, empty, vec![]));
}

#[test]
fn a_snapshot_that_cannot_be_read_is_told_of_and_passed_over() {
    let dumped = Dumped::new(sample);
    let whole = std::fs::read(dumped.path("snapshot")).unwrap();
    let damaged = |at: usize, byte: u8| {
        let mut content = whole.clone();
        content[at] = byte;
        std::fs::write(dumped.path("snapshot"), content).unwrap();
        let (status, out, err) = dumped.dump("snapshot", &[]);
        assert_eq!((status, out.len(), err.len()), (0, 0, 1));
        err.concat()
    };
    let text = damaged(20, 0x7f);
    assert!(
        text.starts_with("Snapshot is corrupt (CRC is no longer valid). Stored crc: "),
        "{text}"
    );
    assert_eq!(
        damaged(1, 9),
        "Snapshot failed schema validation: Snapshot contained an unknown file version 9"
    );
    assert!(damaged(9, 9).starts_with("Snapshot failed schema validation: "));
}

/// The files come in the order typed, what is found in the order of a Java map of their paths.
#[test]
fn findings_of_several_files_come_after_all_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<String> = (0..3)
        .map(|number| {
            let path = folder.path().join(format!("{number:020}.log")).display().to_string();
            let options = BatchOptions { base_offset: 5, ..Default::default() };
            let mut batch = BatchBuilder::new(options);
            batch.append(NOW, None, None, &[]);
            std::fs::write(&path, batch.finish()).unwrap();
            path
        })
        .collect();
    let (status, lines, mut err) = dump(&paths.join(","), &["--deep-iteration"]);
    assert_eq!((status, lines.len(), err.len()), (0, 11, 6));
    assert_eq!(lines.iter().filter(|line| line.starts_with("Dumping ")).count(), 2);
    err.retain(|line| line.starts_with("Non-consecutive"));
    err.sort();
    assert_eq!(
        err,
        paths.iter().map(|p| format!("Non-consecutive offsets in {p}")).collect::<Vec<_>>()
    );
}
