//! Who is in the quorum, and what an administrator asks for.

use super::node::{directory, snapshot};
use crate::control::{self, Control};
use crate::{
    Endpoints, History, OffsetAndEpoch, ReplicaKey, Request, VersionRange, VoterNode, VoterSet,
};
use protocol::messages::add_raft_voter_request::Listener;
use protocol::messages::{AddRaftVoterRequest, RemoveRaftVoterRequest};
use protocol::record::RecordBatch;

pub(super) fn port(index: usize) -> u16 {
    9000 + index as u16
}

pub(super) fn endpoints(index: usize) -> Endpoints {
    Endpoints::one("CONTROLLER", &format!("n{index}"), port(index))
}

/// The epoch and the candidate of a request for a vote that counts.
pub(super) fn asked_vote(request: &Request) -> Option<(i32, i32)> {
    let Request::Vote(request) = request else { return None };
    let asked = &request.topics.first()?.partitions[0];
    (!asked.pre_vote).then_some((asked.replica_epoch, asked.replica_id))
}

pub(super) fn voter(index: usize) -> VoterNode {
    VoterNode {
        key: ReplicaKey::new(index as i32, directory(index, 1)),
        endpoints: endpoints(index),
        supported: VersionRange::SUPPORTED,
    }
}

pub(super) fn bootstrap_snapshot(voters: usize) -> bytes::Bytes {
    let set = VoterSet::new((0..voters).map(voter));
    let records = [Control::Version(1), Control::Voters(set.to_record())];
    let batch = control::batch(0, 0, 0, &records);
    let mut history = History::new(VoterSet::default());
    let parsed = RecordBatch::parse(&batch).expect("it was built here");
    history.load_snapshot(0, &[parsed]).expect("it was built here");
    snapshot(&history, OffsetAndEpoch::default(), 0)
}

pub(super) fn add(index: usize) -> AddRaftVoterRequest {
    AddRaftVoterRequest {
        cluster_id: Some("cluster".to_owned()),
        timeout_ms: 1000,
        voter_id: index as i32,
        voter_directory_id: directory(index, 1),
        listeners: vec![Listener {
            name: "CONTROLLER".to_owned(),
            host: format!("n{index}"),
            port: port(index),
        }],
        ack_when_committed: true,
    }
}

pub(super) fn remove(voter: &VoterNode) -> RemoveRaftVoterRequest {
    RemoveRaftVoterRequest {
        cluster_id: None,
        voter_id: voter.key.id,
        voter_directory_id: voter.key.directory_or_nil(),
    }
}
