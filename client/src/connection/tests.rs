use std::io;

use protocol::messages::api_versions_response::{ApiVersion, ApiVersionsResponse};
use protocol::messages::{
    ApiVersionsRequest, FindCoordinatorRequest, FindCoordinatorResponse, MetadataRequest,
};
use protocol::{ApiKey, ErrorCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

use super::*;
use crate::transport::MemoryConnector;

/// The broker's end of a connection, played by the test.
struct Peer(DuplexStream);

impl Peer {
    /// The API, version and correlation id of the next request.
    async fn request(&mut self) -> (ApiKey, i16, i32) {
        let length = self.0.read_i32().await.unwrap();
        let mut frame = vec![0; usize::try_from(length).unwrap()];
        self.0.read_exact(&mut frame).await.unwrap();
        let mut reader = Reader::new(frame.into());
        let (key, header) = frame::decode_request_header(&mut reader).unwrap();
        (key, header.request_api_version, header.correlation_id)
    }

    async fn answer<R: Request>(&mut self, response: &R::Response, version: i16, id: i32) {
        let writer = frame::encode_response::<R>(response, version, id).unwrap();
        self.0.write_all(&writer.into_bytes()).await.unwrap();
    }

    /// Says that it serves these versions of FindCoordinator.
    async fn negotiate(&mut self, min_version: i16, max_version: i16) {
        let (_, version, id) = self.request().await;
        self.answer::<ApiVersionsRequest>(&serving(min_version, max_version), version, id).await;
    }

    async fn find_coordinator(&mut self) -> i32 {
        let (key, version, id) = self.request().await;
        assert_eq!((key, version), (ApiKey::FindCoordinator, 2));
        id
    }

    async fn coordinator(&mut self, node_id: i32, id: i32) {
        let response = FindCoordinatorResponse { node_id, ..Default::default() };
        self.answer::<FindCoordinatorRequest>(&response, 2, id).await;
    }
}

fn serving(min_version: i16, max_version: i16) -> ApiVersionsResponse {
    let api_key = ApiKey::FindCoordinator.code();
    let api = ApiVersion { api_key, min_version, max_version };
    ApiVersionsResponse { api_keys: vec![api], ..Default::default() }
}

struct Setup {
    config: ConnectionConfig,
    peers: mpsc::UnboundedReceiver<DuplexStream>,
    tracker: TaskTracker,
    cancel: CancellationToken,
}

impl Setup {
    fn new() -> Self {
        let (sender, peers) = mpsc::unbounded_channel();
        let connector = MemoryConnector::new(move || {
            let (client, broker) = tokio::io::duplex(1 << 16);
            sender.send(broker).map_err(|_| io::ErrorKind::ConnectionRefused)?;
            Ok::<_, io::Error>(client)
        });
        let config = ConnectionConfig {
            connector: Arc::new(connector),
            client_id: "test".into(),
            request_timeout: Duration::from_secs(30),
        };
        let (tracker, cancel) = (TaskTracker::new(), CancellationToken::new());
        Self { config, peers, tracker, cancel }
    }

    /// Opens a connection while `play` plays the broker's first part.
    async fn open<F, Fut>(&mut self, play: F) -> (Result<Connection, ConnectionError>, Peer)
    where
        F: FnOnce(Peer) -> Fut,
        Fut: Future<Output = Peer>,
    {
        let opening = Connection::open(&self.config, "h", 1, &self.tracker, &self.cancel);
        let playing = async { play(Peer(self.peers.recv().await.unwrap())).await };
        tokio::join!(opening, playing)
    }

    /// A connection that speaks FindCoordinator in version 2.
    async fn opened(&mut self) -> (Connection, Peer) {
        let (connection, peer) = self
            .open(|mut peer| async {
                peer.negotiate(0, 2).await;
                peer
            })
            .await;
        (connection.unwrap(), peer)
    }
}

async fn ask(connection: &Connection) -> Pending<FindCoordinatorRequest> {
    connection.enqueue(2, &FindCoordinatorRequest::default()).await.unwrap()
}

#[tokio::test]
async fn responses_find_their_requests_in_any_order() {
    let (connection, mut peer) = Setup::new().opened().await;
    let (first, second) = (ask(&connection).await, ask(&connection).await);
    let ids = (peer.find_coordinator().await, peer.find_coordinator().await);
    peer.coordinator(22, ids.1).await;
    peer.coordinator(11, ids.0).await;
    assert_eq!(first.wait().await.unwrap().node_id, 11);
    assert_eq!(second.wait().await.unwrap().node_id, 22);
}

#[tokio::test]
async fn an_older_broker_says_which_negotiation_it_knows() {
    let (connection, _peer) = Setup::new()
        .open(|mut peer| async {
            let (_, version, id) = peer.request().await;
            assert_eq!(version, *ApiVersionsRequest::VERSIONS.end());
            let api_key = ApiKey::ApiVersions.code();
            let known = ApiVersion { api_key, min_version: 0, max_version: 2 };
            let refusal = ApiVersionsResponse {
                error_code: ErrorCode::UnsupportedVersion,
                api_keys: vec![known],
                ..Default::default()
            };
            peer.answer::<ApiVersionsRequest>(&refusal, 0, id).await;
            let (_, version, id) = peer.request().await;
            assert_eq!(version, 2);
            peer.answer::<ApiVersionsRequest>(&serving(0, 1), 2, id).await;
            peer
        })
        .await;
    let connection = connection.unwrap();
    assert_eq!(connection.version::<FindCoordinatorRequest>().unwrap(), 1);
    let unknown = connection.version::<MetadataRequest>().unwrap_err();
    assert_eq!(unknown.to_string(), "h:1 does not support MetadataRequest");
    assert!(unknown.is_unsupported());
}

#[tokio::test]
async fn a_broker_without_a_common_version_is_named_with_both_ranges() {
    let (connection, _peer) = Setup::new()
        .open(|mut peer| async {
            peer.negotiate(90, 99).await;
            peer
        })
        .await;
    let error = connection.unwrap().version::<FindCoordinatorRequest>().unwrap_err();
    assert!(error.to_string().contains("it serves 90..=99, this client speaks 0..=6"), "{error}");
}

/// What both of two waiting requests get when the broker does `harm`.
async fn check_poisoned(harm: impl AsyncFnOnce(&mut Peer), expected: &str) {
    let (connection, mut peer) = Setup::new().opened().await;
    let (first, second) = (ask(&connection).await, ask(&connection).await);
    harm(&mut peer).await;
    for request in [first, second] {
        assert_eq!(request.wait().await.unwrap_err().to_string(), expected);
    }
    assert!(!connection.is_open());
    let later = connection.send_at(2, &FindCoordinatorRequest::default()).await.unwrap_err();
    assert_eq!(later.to_string(), expected, "a later request gets the same cause");
}

#[tokio::test]
async fn whatever_ends_a_connection_reaches_every_waiting_request() {
    let answer_to_nobody = async |peer: &mut Peer| peer.coordinator(1, 4711).await;
    let expected = "h:1 answered correlation id 4711, which is not waiting";
    check_poisoned(answer_to_nobody, expected).await;
    let negative = async |peer: &mut Peer| peer.0.write_i32(-5).await.unwrap();
    check_poisoned(negative, "h:1 announced a frame of -5 bytes, outside 4..=268435456").await;
    let huge = async |peer: &mut Peer| peer.0.write_i32(i32::MAX).await.unwrap();
    let expected = "h:1 announced a frame of 2147483647 bytes, outside 4..=268435456";
    check_poisoned(huge, expected).await;
    let hang_up = async |peer: &mut Peer| peer.0.shutdown().await.unwrap();
    check_poisoned(hang_up, "connection to h:1 is closed").await;
}

#[tokio::test]
async fn a_late_answer_costs_the_whole_connection() {
    let (connection, _peer) = Setup::new().opened().await;
    let (mut first, second) = (ask(&connection).await, ask(&connection).await);
    first.deadline = Instant::now();
    let second = second.allow(Duration::from_secs(60));
    let late = "h:1 did not answer FindCoordinatorRequest within 30s";
    assert_eq!(first.wait().await.unwrap_err().to_string(), late);
    assert_eq!(second.wait().await.unwrap_err().to_string(), late);
    assert!(!connection.is_open());
}

#[tokio::test]
async fn a_response_that_does_not_decode_is_named() {
    let (connection, mut peer) = Setup::new().opened().await;
    let pending = ask(&connection).await;
    let id = peer.find_coordinator().await;
    peer.0.write_all(&[0, 0, 0, 5]).await.unwrap();
    peer.0.write_i32(id).await.unwrap();
    peer.0.write_all(&[0]).await.unwrap();
    let error = pending.wait().await.unwrap_err();
    let start = "h:1 answered FindCoordinatorResponse v2 with bytes that do not decode";
    assert!(error.to_string().starts_with(start), "{error}");
}

#[tokio::test]
async fn the_tasks_end_with_the_last_handle() {
    let mut setup = Setup::new();
    let (connection, mut peer) = setup.opened().await;
    let clone = connection.clone();
    drop(connection);
    assert!(clone.is_open());
    drop(clone);
    setup.tracker.close();
    setup.tracker.wait().await;
    assert_eq!(peer.0.read(&mut [0; 8]).await.unwrap(), 0, "the stream is closed");
}
