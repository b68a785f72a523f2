use std::mem::ManuallyDrop;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;
use std::sync::Arc;

use broker_cluster::partition::{DataDir, DirState};
use broker_log::{
    FsStore, LeaderAppend, Location, Log, LogConfig, LogDir, MetaProperties, OpenOptions, Origin,
    ReadRequest, Store, TopicPartition,
};
use bytes::Bytes;
use protocol::record::{BatchBuilder, BatchOptions};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use uuid::Uuid;

use super::*;

const VALUE_BYTES: usize = 3 * SEND_STEP;

fn data_dir(path: &Path) -> Arc<DataDir> {
    let properties = MetaProperties {
        cluster_id: "c".to_owned(),
        node_id: 1,
        directory_id: Some(Uuid::from_u128(1)),
    };
    let store: Arc<dyn Store> = Arc::new(FsStore);
    let opened = LogDir::open(store.clone(), path, properties).unwrap();
    Arc::new(DataDir::new(0, path.to_owned(), store, "c", 1, Ok(opened)))
}

/// A log with one large record, and where it lies.
fn log_in(dir: &Arc<DataDir>) -> (Log, RecordRange) {
    let location = Location {
        log_dir: dir.path().to_owned(),
        topic_partition: TopicPartition::new("flights", 0),
        topic_id: Uuid::from_u128(7),
    };
    let config = Arc::new(LogConfig { max_message_bytes: u32::MAX, ..LogConfig::default() });
    let store = dir.store().clone();
    let (mut log, _) = Log::open(store, location, config, OpenOptions::default()).unwrap();
    let mut batch = BatchBuilder::new(BatchOptions::default());
    batch.append(0, None, Some(&vec![b'x'; VALUE_BYTES]), &[]);
    let append = LeaderAppend { leader_epoch: 0, origin: Origin::Client, now_ms: 0 };
    log.append_as_leader(&batch.finish(), append).unwrap();
    let all = ReadRequest { offset: 0, max_bytes: 1, upper_bound: 1, min_one_batch: true };
    let slice = log.read(all).unwrap().unwrap();
    (log, RecordRange::new(slice, dir.clone()))
}

async fn sockets() -> (Stream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (Stream::Tcp(listener.accept().await.unwrap().0), client)
}

/// Has a descriptor be that of a folder, which can't be read as a file can.
fn spoil(file: RawFd, folder: &Path) {
    let folder = std::fs::File::open(folder).unwrap();
    // SAFETY: the log holds the descriptor open; it stays its own, and is not closed here.
    let mut spoilt = unsafe { ManuallyDrop::new(OwnedFd::from_raw_fd(file)) };
    rustix::io::dup2(&folder, &mut spoilt).unwrap();
    // SAFETY: as above.
    assert!(rustix::fs::fstat(unsafe { BorrowedFd::borrow_raw(file) }).is_ok());
}

#[tokio::test]
async fn heads_and_ranges_arrive_in_order_and_whole() {
    let folder = tempfile::tempdir().unwrap();
    let (_log, range) = log_in(&data_dir(folder.path()));
    let (mut stream, mut client) = sockets().await;
    let expected = [b"head", &range.read().unwrap()[..], b"end"].concat();
    let bytes = |bytes: &'static [u8]| Chunk::Bytes(Bytes::from_static(bytes));
    let answers = vec![
        Answer { chunks: vec![bytes(b"he"), bytes(b"ad"), Chunk::File(range)] },
        Answer { chunks: vec![bytes(b"end")] },
    ];
    let length: usize = answers.iter().map(Answer::length).sum();
    assert_eq!(length, expected.len());
    let sent = tokio::spawn(async move { write_answers(&mut stream, answers).await });
    let mut received = Vec::new();
    client.read_to_end(&mut received).await.unwrap();
    sent.await.unwrap().unwrap();
    assert!(received == expected, "{} bytes came", received.len());
}

#[tokio::test]
async fn more_pieces_than_one_write_takes_arrive_in_order() {
    let (mut stream, mut client) = sockets().await;
    let one = |number: usize| Chunk::Bytes(Bytes::from(vec![number as u8; number % 7]));
    let answers: Vec<_> = (0..40)
        .map(|answer| Answer { chunks: (0..5).map(|chunk| one(5 * answer + chunk)).collect() })
        .collect();
    let expected: Vec<u8> = (0..200_usize).flat_map(|n| vec![n as u8; n % 7]).collect();
    write_answers(&mut stream, answers).await.unwrap();
    drop(stream);
    let mut received = Vec::new();
    client.read_to_end(&mut received).await.unwrap();
    assert_eq!(received, expected);
}

#[tokio::test]
async fn a_file_that_can_not_be_sent_is_told_to_its_log_dir() {
    let folder = tempfile::tempdir().unwrap();
    let dir = data_dir(folder.path());
    let (_log, range) = log_in(&dir);
    let (mut stream, _client) = sockets().await;
    spoil(range.file().unwrap().0, folder.path());
    let problem = write_range(&mut stream, &range).await.unwrap_err();
    assert!(problem.to_string().contains("00000000000000000000.log"), "{problem}");
    assert!(matches!(dir.state(), DirState::Failed(_)), "{:?}", dir.state());
}

#[tokio::test]
async fn a_client_that_leaves_and_a_log_that_is_cut_say_nothing_of_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let dir = data_dir(folder.path());
    let (mut log, range) = log_in(&dir);
    let (mut stream, client) = sockets().await;
    drop(client);
    write_range(&mut stream, &range).await.unwrap_err();
    let (mut stream, _client) = sockets().await;
    log.truncate_to(0, 0).unwrap();
    let problem = write_range(&mut stream, &range).await.unwrap_err();
    assert_eq!(problem.kind(), io::ErrorKind::UnexpectedEof);
    let (_pipe, stream) = tokio::io::duplex(64);
    let problem = write_range(&mut Stream::Memory(stream), &range).await.unwrap_err();
    assert_eq!(problem.kind(), io::ErrorKind::UnexpectedEof);
    assert_eq!(dir.state(), DirState::Online);
}
