//! One node, looked at closely: what it does and answers in each role.

mod elections;
mod epochs;
mod followers;
mod leaders;
mod membership;
mod snapshots;
mod starts;

use bytes::{Bytes, BytesMut};
use protocol::ErrorCode;
use protocol::messages::fetch_request::{FetchPartition, FetchTopic, ReplicaState};
use protocol::messages::fetch_response::{
    EpochEndOffset, FetchableTopicResponse, LeaderIdAndEpoch, PartitionData, SnapshotId,
};
use protocol::messages::{
    FetchRequest, FetchResponse, VoteRequest, VoteResponse, vote_request, vote_response,
};
use protocol::record::{BatchBuilder, BatchOptions, RecordBatch, Records};
use uuid::Uuid;

use crate::control::{self, Control};
use crate::sim::disk::Disk;
use crate::{
    Action, Address, Config, ElectionState, Endpoints, Event, Failure, Fill, History, Inbound,
    LogView, Now, OffsetAndEpoch, Raft, ReplicaKey, Request, Response, RoleName, VersionRange,
    VoterNode, VoterSet,
};

const TOPIC: &str = "__cluster_metadata";
const TOPIC_ID: Uuid = Uuid::from_u128(1);

fn directory(id: i32) -> Uuid {
    Uuid::from_u128(100_u128.wrapping_add(id as u128))
}

fn key(id: i32) -> ReplicaKey {
    ReplicaKey::new(id, directory(id))
}

fn endpoints(id: i32) -> Endpoints {
    Endpoints::one("CONTROLLER", &format!("n{id}"), 9000_u16.wrapping_add(id as u16))
}

fn voter(id: i32) -> VoterNode {
    VoterNode { key: key(id), endpoints: endpoints(id), supported: VersionRange::SUPPORTED }
}

/// Node 1 of the voters 1, 2 and 3, or an observer beside them.
struct Bench {
    raft: Raft,
    disk: Disk,
    now: i64,
    handles: u64,
    persisted: Vec<ElectionState>,
}

/// What a bench starts with.
struct Setup {
    id: i32,
    voters: Vec<i32>,
    /// The voters are in the log, and `kraft.version` is 1.
    dynamic: bool,
    election: Option<ElectionState>,
    disk: Disk,
    auto_join: bool,
    can_become_voter: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            id: 1,
            voters: vec![1, 2, 3],
            dynamic: false,
            election: None,
            disk: Disk::default(),
            auto_join: false,
            can_become_voter: true,
        }
    }
}

/// A batch of one record.
fn record(base_offset: i64, leader_epoch: i32) -> Bytes {
    let options = BatchOptions { base_offset, leader_epoch, ..BatchOptions::default() };
    let mut builder = BatchBuilder::new(options);
    builder.append(base_offset, None, Some(b"value"), &[]);
    builder.finish()
}

/// A synced log with one record of each of these epochs.
fn log(epochs: &[i32]) -> Disk {
    let mut disk = Disk::default();
    for (offset, epoch) in epochs.iter().enumerate() {
        disk.append(&record(offset as i64, *epoch));
    }
    disk.sync(i64::MAX);
    disk
}

fn voters_snapshot(ids: &[i32]) -> Bytes {
    let set = VoterSet::new(ids.iter().map(|id| voter(*id)));
    control::batch(0, 0, 0, &[Control::Version(1), Control::Voters(set.to_record())])
}

impl Setup {
    fn start(self) -> (Bench, Vec<Action>) {
        let mut config = Config::new("cluster", self.id, directory(self.id));
        config.endpoints = endpoints(self.id);
        config.auto_join = self.auto_join;
        config.can_become_voter = self.can_become_voter;
        config.bootstrap = self
            .voters
            .iter()
            .map(|id| Address { host: format!("n{id}"), port: 9000 + *id as u16 })
            .collect();
        let mut disk = self.disk;
        let hosts: Vec<String> = self.voters.iter().map(|id| format!("n{id}")).collect();
        let named = self.voters.iter().zip(&hosts);
        let named = named.map(|(id, host)| (*id, host.as_str(), 9000 + *id as u16));
        let mut history = if self.dynamic {
            let bytes = voters_snapshot(&self.voters);
            disk.snapshots.insert(OffsetAndEpoch::default(), bytes);
            History::new(VoterSet::default())
        } else {
            History::new(VoterSet::from_static("CONTROLLER", named))
        };
        if let Some(id) = disk.latest_snapshot() {
            history.load_snapshot(id.offset, &disk.control_of(id)).expect("it can be read");
        }
        for batch in &disk.batches {
            let batch = RecordBatch::parse(&batch.bytes).expect("it is whole");
            history.read(&batch).expect("it can be read");
        }
        let now = Now { timestamp_ms: 1_000_000, elapsed_ms: 0 };
        let (raft, actions) = Raft::new(config, self.election, history, &disk, 1, now);
        let mut bench = Bench { raft, disk, now: 0, handles: 0, persisted: Vec::new() };
        bench.carry_out(&actions);
        (bench, actions)
    }

    fn bench(self) -> Bench {
        self.start().0
    }
}

impl Bench {
    fn time(&self) -> Now {
        Now { timestamp_ms: 1_000_000 + self.now, elapsed_ms: self.now }
    }

    fn carry_out(&mut self, actions: &[Action]) {
        for action in actions {
            match action {
                Action::PersistElection { state, .. } => self.persisted.push(state.clone()),
                Action::Append { batch, base_offset, .. } => {
                    assert_eq!(*base_offset, self.disk.end_offset());
                    self.disk.append(batch);
                }
                Action::AppendFetched { batches, .. } => self.disk.append(batches),
                Action::Truncate { offset } => self.disk.truncate(*offset),
                Action::BeginSnapshot { id } => self.disk.partial = Some((*id, BytesMut::new())),
                Action::WriteSnapshot { bytes, .. } => {
                    self.disk.partial.as_mut().expect("one is begun").1.extend_from_slice(bytes);
                }
                Action::InstallSnapshot { id } => self.disk.install(*id),
                Action::DropSnapshot { .. } => self.disk.partial = None,
                _ => {}
            }
        }
    }

    fn event(&mut self, event: Event) -> Vec<Action> {
        let now = self.time();
        let actions = self.raft.handle(event, &self.disk, now);
        self.carry_out(&actions);
        actions
    }

    fn sync(&mut self) -> Vec<Action> {
        self.disk.sync(i64::MAX);
        self.event(Event::Synced)
    }

    fn wait(&mut self, ms: i64) -> Vec<Action> {
        self.now += ms;
        self.event(Event::Timer)
    }

    /// Goes on to the next deadline.
    fn timer(&mut self) -> Vec<Action> {
        self.now = self.raft.next_deadline().expect("something is due some time");
        self.event(Event::Timer)
    }

    fn ask(&mut self, request: Request, version: i16) -> Vec<Action> {
        self.handles += 1;
        let (handle, listener) = (self.handles, "CONTROLLER".into());
        self.event(Event::Request(Inbound { handle, listener, version, request }))
    }

    /// The answer to a request that is answered at once.
    fn answer(&mut self, request: Request, version: i16) -> Response {
        let actions = self.ask(request, version);
        let handle = self.handles;
        answers(&actions)
            .into_iter()
            .find_map(|(to, response, _)| (to == handle).then_some(response))
            .expect("it is answered at once")
    }

    fn vote(&mut self, request: VoteRequest) -> vote_response::PartitionData {
        let Response::Vote(response) = self.answer(Request::Vote(request), 2) else {
            panic!("a vote is answered with a vote")
        };
        assert_eq!(response.error_code, ErrorCode::None);
        response.topics[0].partitions[0].clone()
    }

    fn respond(&mut self, from: i32, correlation: u64, response: Response) -> Vec<Action> {
        self.event(Event::Response { from, correlation, response })
    }

    fn fail(&mut self, to: i32, correlation: u64, failure: Failure) -> Vec<Action> {
        self.event(Event::Failed { to, correlation, failure })
    }

    /// Lets the node be elected by node 2.
    fn elect(&mut self) -> Vec<Action> {
        let mut actions = self.timer();
        while self.raft.role() != RoleName::Prospective {
            actions = self.timer();
        }
        let epoch = self.raft.epoch();
        let (to, correlation, _) = to_node(&actions, 2);
        let actions = self.respond(to, correlation, granted(epoch));
        assert_eq!(self.raft.role(), RoleName::Candidate);
        let (to, correlation, _) = to_node(&actions, 2);
        let actions = self.respond(to, correlation, granted(epoch + 1));
        assert_eq!(self.raft.role(), RoleName::Leader);
        actions
    }

    /// Lets the node follow `leader` in `epoch`, and gives the fetch that it sends.
    fn follow(&mut self, leader: i32, epoch: i32) -> (u64, FetchRequest) {
        let actions = self.ask(Request::BeginQuorumEpoch(epochs::begin(leader, epoch)), 1);
        assert_eq!(self.raft.leader(), Some(leader));
        sent_fetch(&actions)
    }
}

fn answers(actions: &[Action]) -> Vec<(u64, Response, Fill)> {
    let answer = |action: &Action| match action {
        Action::Answer { handle, response, fill } => Some((*handle, response.clone(), *fill)),
        _ => None,
    };
    actions.iter().filter_map(answer).collect()
}

fn sends(actions: &[Action]) -> Vec<(i32, u64, Request)> {
    let send = |action: &Action| match action {
        Action::Send { to, correlation, request } => Some((to.id, *correlation, request.clone())),
        _ => None,
    };
    actions.iter().filter_map(send).collect()
}

fn to_node(actions: &[Action], node: i32) -> (i32, u64, Request) {
    let sent = sends(actions).into_iter().find(|(to, ..)| *to == node);
    sent.unwrap_or_else(|| panic!("nothing is sent to {node}: {actions:?}"))
}

fn sent_fetch(actions: &[Action]) -> (u64, FetchRequest) {
    let fetch = sends(actions).into_iter().find_map(|(_, correlation, request)| match request {
        Request::Fetch(request) => Some((correlation, *request)),
        _ => None,
    });
    fetch.unwrap_or_else(|| panic!("no fetch is sent: {actions:?}"))
}

/// Where an action is among others.
fn place(actions: &[Action], is: impl Fn(&Action) -> bool) -> usize {
    actions.iter().position(is).unwrap_or_else(|| panic!("it is missing: {actions:?}"))
}

fn vote_request(candidate: i32, epoch: i32, log: (i64, i32), pre_vote: bool) -> VoteRequest {
    VoteRequest {
        cluster_id: Some("cluster".to_owned()),
        voter_id: 1,
        topics: vec![vote_request::TopicData {
            topic_name: TOPIC.to_owned(),
            partitions: vec![vote_request::PartitionData {
                partition_index: 0,
                replica_epoch: epoch,
                replica_id: candidate,
                replica_directory_id: directory(candidate),
                voter_directory_id: directory(1),
                last_offset_epoch: log.1,
                last_offset: log.0,
                pre_vote,
            }],
        }],
    }
}

fn voted(epoch: i32, leader: Option<i32>, vote_granted: bool) -> Response {
    Response::Vote(VoteResponse {
        topics: vec![vote_response::TopicData {
            topic_name: TOPIC.to_owned(),
            partitions: vec![vote_response::PartitionData {
                leader_id: leader.unwrap_or(-1),
                leader_epoch: epoch,
                vote_granted,
                ..vote_response::PartitionData::default()
            }],
        }],
        ..VoteResponse::default()
    })
}

fn granted(epoch: i32) -> Response {
    voted(epoch, None, true)
}

/// A fetch of a replica whose log ends at `log`.
fn fetch(replica: i32, epoch: i32, log: (i64, i32), max_wait_ms: i32) -> Request {
    Request::Fetch(Box::new(FetchRequest {
        cluster_id: Some("cluster".to_owned()),
        replica_state: ReplicaState { replica_id: replica, replica_epoch: -1 },
        max_wait_ms,
        max_bytes: 1000,
        topics: vec![FetchTopic {
            topic: TOPIC.to_owned(),
            topic_id: TOPIC_ID,
            partitions: vec![FetchPartition {
                current_leader_epoch: epoch,
                fetch_offset: log.0,
                last_fetched_epoch: log.1,
                replica_directory_id: directory(replica),
                ..FetchPartition::default()
            }],
        }],
        ..FetchRequest::default()
    }))
}

/// What a leader answers a fetch with.
#[derive(Default)]
struct Fetched {
    records: Vec<Bytes>,
    high_watermark: Option<i64>,
    diverging: Option<(i64, i32)>,
    snapshot: Option<(i64, i32)>,
    error: Option<ErrorCode>,
}

impl Fetched {
    fn said_by(self, leader: Option<i32>, epoch: i32) -> Response {
        let mut partition = PartitionData {
            high_watermark: self.high_watermark.unwrap_or(-1),
            error_code: self.error.unwrap_or(ErrorCode::None),
            current_leader: LeaderIdAndEpoch {
                leader_id: leader.unwrap_or(-1),
                leader_epoch: epoch,
            },
            records: Some(Records::Bytes(self.records.concat().into())),
            ..PartitionData::default()
        };
        if let Some((end_offset, epoch)) = self.diverging {
            partition.diverging_epoch = EpochEndOffset { epoch, end_offset };
        }
        if let Some((end_offset, epoch)) = self.snapshot {
            partition.snapshot_id = SnapshotId { end_offset, epoch };
        }
        Response::Fetch(Box::new(FetchResponse {
            responses: vec![FetchableTopicResponse {
                topic: TOPIC.to_owned(),
                topic_id: TOPIC_ID,
                partitions: vec![partition],
            }],
            ..FetchResponse::default()
        }))
    }
}

fn fetched(response: &Response) -> &PartitionData {
    let Response::Fetch(response) = response else { panic!("{response:?} is no fetch's") };
    assert_eq!(response.error_code, ErrorCode::None);
    &response.responses[0].partitions[0]
}
