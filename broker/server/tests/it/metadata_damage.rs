//! A metadata log that is damaged: a start refuses it by file and place, and forgets no topic.

use std::path::Path;
use std::sync::Arc;

use broker_log::{File, Store};
use broker_server::Broker;
use protocol::messages::MetadataRequest;
use testkit::disk::SimDisk;

use crate::support::{TestBroker, config_in};

const LOG: &str = "/data/__cluster_metadata-0/00000000000000000000.log";
const CLEAN: &str = "/data/.kafka_cleanshutdown";
const TOPICS: [&str; 3] = ["first", "second", "third"];

async fn start(disk: &SimDisk) -> Result<TestBroker, String> {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config_in(dir.path(), &[("log.dirs", "/data")]);
    config.environment.store = Arc::new(disk.clone()) as Arc<dyn Store>;
    let broker = Broker::start(config).await.map_err(|problem| problem.to_string())?;
    Ok(TestBroker { broker, dir })
}

/// The disk of a broker with three topics that was stopped.
async fn stopped() -> SimDisk {
    let disk = SimDisk::default();
    let test = start(&disk).await.unwrap();
    let mut wire = test.connect().await;
    for topic in TOPICS {
        wire.create_topic(topic, 1, &[]).await;
    }
    test.stop().await;
    disk
}

/// The same disk, for a broker that may do with it what it wants.
fn copy(disk: &SimDisk, in_order: bool) -> SimDisk {
    let copy = disk.after_power_loss(1);
    if !in_order {
        copy.remove_file(CLEAN.as_ref()).unwrap();
    }
    copy
}

fn log_of(disk: &SimDisk) -> (Arc<dyn File>, Vec<u8>) {
    let file = disk.open(Path::new(LOG)).unwrap();
    let mut content = vec![0; file.size().unwrap() as usize];
    file.read_at(&mut content, 0).unwrap();
    (file, content)
}

async fn topics(test: &TestBroker) -> Vec<String> {
    let mut wire = test.connect().await;
    let request = MetadataRequest { topics: None, ..MetadataRequest::default() };
    let response = wire.call(9, &request).await;
    let mut names: Vec<_> = response.topics.into_iter().filter_map(|topic| topic.name).collect();
    names.sort();
    names
}

#[tokio::test]
async fn no_byte_that_is_damaged_makes_a_start_forget_a_topic() {
    let disk = stopped().await;
    let (_, whole) = log_of(&disk);
    let mut refused = 0;
    for in_order in [true, false] {
        for at in (0..whole.len()).step_by(7) {
            let copy = copy(&disk, in_order);
            let (file, _) = log_of(&copy);
            file.write_at(&[whole[at] ^ 0x41], at as u64).unwrap();
            match start(&copy).await {
                // What no checksum covers, such as a leader epoch, may be read as it is.
                Ok(test) => {
                    assert_eq!(topics(&test).await, TOPICS, "byte {at}, in order: {in_order}");
                    test.stop().await;
                }
                Err(problem) => {
                    assert!(problem.contains(LOG), "byte {at}: {problem}");
                    assert!(problem.contains("at offset "), "byte {at}: {problem}");
                    let (_, left) = log_of(&copy);
                    assert_eq!(left.len(), whole.len(), "byte {at}: nothing was cut");
                    refused += 1;
                }
            }
        }
    }
    assert!(refused * 10 > 2 * whole.len() / 7 * 8, "{refused} of {} bytes", whole.len());
}

#[tokio::test]
async fn the_torn_end_of_a_commit_is_cut_and_the_broker_starts() {
    let disk = stopped().await;
    let (_, whole) = log_of(&disk);
    let last = last_batch(&whole);
    let next = i64::from_be_bytes(whole[last..last + 8].try_into().unwrap()) + 1;
    let mut torn = whole[last..].to_vec();
    torn[..8].copy_from_slice(&next.to_be_bytes());
    for length in (1..torn.len()).step_by(5) {
        for unwritten in [false, true] {
            let copy = copy(&disk, false);
            let (file, _) = log_of(&copy);
            file.write_at(&torn[..length], whole.len() as u64).unwrap();
            if unwritten {
                // The file has grown, and the rest of the batch did not reach the disk.
                file.set_size(whole.len() as u64 + 2_000).unwrap();
            }
            let test = start(&copy).await.unwrap();
            assert_eq!(topics(&test).await, TOPICS, "{length} bytes");
            test.stop().await;
        }
    }
}

fn size_at(content: &[u8], at: usize) -> usize {
    let length = i32::from_be_bytes(content[at + 8..at + 12].try_into().unwrap());
    12 + length as usize
}

/// Where the last batch of a file begins.
fn last_batch(content: &[u8]) -> usize {
    let mut at = 0;
    while at + size_at(content, at) < content.len() {
        at += size_at(content, at);
    }
    at
}

#[tokio::test]
async fn a_metadata_log_that_lost_its_records_is_refused_where_there_are_partitions() {
    let disk = stopped().await;
    for in_order in [true, false] {
        let emptied = copy(&disk, in_order);
        log_of(&emptied).0.set_size(0).unwrap();
        let problem = start(&emptied).await.err().unwrap();
        assert!(problem.contains("/data/__cluster_metadata-0, has no record"), "{problem}");
        // As if there had been two files, and the first one were gone.
        let later = copy(&disk, in_order);
        let (_, whole) = log_of(&later);
        let second = size_at(&whole, 0);
        let offset = i64::from_be_bytes(whole[second..second + 8].try_into().unwrap());
        let folder = Path::new(LOG).parent().unwrap();
        let file = later.create(&folder.join(format!("{offset:020}.log"))).unwrap();
        file.write_at(&whole[second..], 0).unwrap();
        later.remove_file(LOG.as_ref()).unwrap();
        let problem = start(&later).await.err().unwrap();
        assert!(problem.contains(&format!("begins at offset {offset}")), "{problem}");
    }
}
