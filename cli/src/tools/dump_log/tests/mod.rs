mod batches;
mod decoders;
mod indexes;
mod legacy;

use std::path::Path;
use std::sync::Arc;

use broker_log::{
    FsStore, LeaderAppend, Location, Log, LogConfig, OpenOptions, Origin, TopicPartition,
};
use bytes::Bytes;
use protocol::record::control::{self, Marker};
use protocol::record::{BatchBuilder, BatchOptions, Header};
use uuid::Uuid;

use super::run;

const NOW: i64 = 1_700_000_000_000;

/// A folder with a log, and what the tool prints of its files.
struct Dumped {
    folder: tempfile::TempDir,
}

impl Dumped {
    fn new(fill: impl FnOnce(&mut Log)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let location = Location {
            log_dir: folder.path().to_owned(),
            topic_partition: TopicPartition::new("t", 0),
            topic_id: Uuid::from_u128(1),
        };
        let mut config = LogConfig::default();
        config.segment.index_interval_bytes = 0;
        let options = OpenOptions { now_ms: NOW, ..Default::default() };
        let log = Log::open(Arc::new(FsStore), location, Arc::new(config), options);
        let (mut log, _) = log.unwrap();
        fill(&mut log);
        log.close().unwrap();
        Self { folder }
    }

    fn path(&self, kind: &str) -> String {
        let name = if kind == "snapshot" { "00000000000000000003" } else { "00000000000000000000" };
        let path = self.folder.path().join("t-0").join(format!("{name}.{kind}"));
        path.display().to_string()
    }

    /// Exit status, and the lines of both outputs behind `Dumping FILE`.
    fn dump(&self, kind: &str, options: &[&str]) -> (i32, Vec<String>, Vec<String>) {
        dump(&self.path(kind), options)
    }

    fn overwrite(&self, kind: &str, at: usize, byte: u8) {
        let mut content = std::fs::read(self.path(kind)).unwrap();
        content[at] = byte;
        std::fs::write(self.path(kind), content).unwrap();
    }
}

fn dump(path: &str, options: &[&str]) -> (i32, Vec<String>, Vec<String>) {
    let mut arguments = vec!["--files".to_owned(), path.to_owned()];
    arguments.extend(options.iter().map(|option| (*option).to_owned()));
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let status = run(&arguments, &mut out, &mut err);
    let lines = |bytes: Vec<u8>| -> Vec<String> {
        String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
    };
    let mut out = lines(out);
    let first = path.split(',').next().unwrap();
    assert_eq!(out.remove(0), format!("Dumping {first}"));
    (status, out, lines(err))
}

/// The same of a file with this content, under this name.
fn dump_bytes(name: &str, content: &[u8], options: &[&str]) -> (i32, Vec<String>, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    dump(&path.display().to_string(), options)
}

fn append(log: &mut Log, batch: &Bytes, origin: Origin) {
    let append = LeaderAppend { leader_epoch: 2, origin, now_ms: NOW };
    log.append_as_leader(batch, append).unwrap();
}

/// Two records, then a transaction of one that is aborted.
fn sample(log: &mut Log) {
    let mut batch = BatchBuilder::new(BatchOptions::default());
    let headers = [Header::new("a", None), Header::new("b", Some(b"x"))];
    batch.append(NOW, Some(b"key"), Some(b"value"), &headers);
    append(log, &batch.finish(), Origin::Client);
    let mut batch = BatchBuilder::new(BatchOptions {
        producer_id: 9,
        producer_epoch: 1,
        base_sequence: 5,
        is_transactional: true,
        ..Default::default()
    });
    batch.append(NOW + 1, None, Some(b"in doubt"), &[]);
    append(log, &batch.finish(), Origin::Client);
    let marker = Marker { producer_id: 9, producer_epoch: 1, commit: false, coordinator_epoch: 3 };
    let marker = control::marker_batch(&marker, 0, 0, NOW + 2);
    append(log, &marker, Origin::Marker { transaction_version: 0 });
}

#[test]
fn files_that_are_of_no_segment_are_passed_over_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let checkpoint = path("leader-epoch-checkpoint");
    let ignored = vec![format!("Ignoring unknown file {checkpoint}")];
    assert_eq!(dump(&checkpoint, &[]), (0, vec![], ignored));
    let (status, _, err) = dump(&path("nofile.log"), &[]);
    assert_eq!(status, 1);
    assert!(err[0].ends_with("is its first offset in digits, not \"nofile\""), "{err:?}");
    let (status, _, err) = dump(&path("00000000000000000000.log"), &[]);
    assert_eq!(status, 1);
    assert!(err[0].contains("No such file"), "{err:?}");
    assert!(!Path::new(&path("00000000000000000000.log")).exists());
}
