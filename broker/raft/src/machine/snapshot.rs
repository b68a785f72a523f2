//! Snapshots on their way from the leader to those who need them.

use protocol::ErrorCode;
use protocol::messages::fetch_snapshot_request as asked;
use protocol::messages::fetch_snapshot_response::{
    LeaderIdAndEpoch, NodeEndpoint, PartitionSnapshot, SnapshotId, TopicSnapshot,
};
use protocol::messages::{FetchSnapshotRequest, FetchSnapshotResponse};
use protocol::record::{RecordBatch, Records};

use super::answers::{Asker, TOPIC, known_leader};
use super::responses::{Said, Verdict};
use super::{Raft, Step};
use crate::role::{Download, Role};
use crate::{Action, Fault, Fill, OffsetAndEpoch, ReplicaKey};

impl Raft {
    pub(super) fn snapshot_requested(
        &mut self,
        step: &mut Step<'_>,
        from: &Asker,
        request: &FetchSnapshotRequest,
    ) -> (FetchSnapshotResponse, Fill) {
        let refused = |error_code| {
            let response = FetchSnapshotResponse { error_code, ..FetchSnapshotResponse::default() };
            (response, Fill::Nothing)
        };
        if !self.is_this_cluster(request.cluster_id.as_deref()) {
            return refused(ErrorCode::InconsistentClusterId);
        }
        let [topic] = request.topics.as_slice() else { return refused(ErrorCode::InvalidRequest) };
        let [asked] = topic.partitions.as_slice() else {
            return refused(ErrorCode::InvalidRequest);
        };
        let mut partition = PartitionSnapshot {
            index: asked.partition,
            unaligned_records: Some(Records::Bytes(bytes::Bytes::new())),
            ..PartitionSnapshot::default()
        };
        let mut fill = Fill::Nothing;
        if topic.name != TOPIC || asked.partition != 0 {
            partition.error_code = ErrorCode::UnknownTopicOrPartition;
        } else {
            partition.current_leader =
                LeaderIdAndEpoch { leader_id: self.leader_or_none(), leader_epoch: self.epoch };
            match self.read_snapshot(step, request, asked) {
                Err(error) => partition.error_code = error,
                Ok((size, part)) => {
                    let id = &asked.snapshot_id;
                    partition.snapshot_id =
                        SnapshotId { end_offset: id.end_offset, epoch: id.epoch };
                    partition.size = size;
                    partition.position = asked.position;
                    fill = part;
                }
            }
        }
        let mut response = FetchSnapshotResponse {
            topics: vec![TopicSnapshot { name: topic.name.clone(), partitions: vec![partition] }],
            ..FetchSnapshotResponse::default()
        };
        if from.version >= 1
            && let Some((node_id, address)) = self.leader_address(&from.listener)
        {
            let (host, port) = (address.host, address.port);
            response.node_endpoints.push(NodeEndpoint { node_id, host, port });
        }
        (response, fill)
    }

    /// The size of the snapshot, and the part of it that is asked for.
    fn read_snapshot(
        &mut self,
        step: &Step<'_>,
        request: &FetchSnapshotRequest,
        asked: &asked::PartitionSnapshot,
    ) -> Result<(i64, Fill), ErrorCode> {
        if let Some(error) = self.refuse_unless_leading(asked.current_leader_epoch) {
            return Err(error);
        }
        let id = &asked.snapshot_id;
        let id = OffsetAndEpoch { epoch: id.epoch, offset: id.end_offset };
        // The snapshot that a node was formatted with is its own.
        let size = step.log.snapshot_size(id).filter(|_| id != OffsetAndEpoch::default());
        let size = size.ok_or(ErrorCode::SnapshotNotFound)?;
        let position = u64::try_from(asked.position).ok().filter(|position| *position < size);
        let position = position.ok_or(ErrorCode::PositionOutOfRange)?;
        let max_bytes = u64::try_from(request.max_bytes).unwrap_or(0).min(size - position);
        let key = ReplicaKey::new(request.replica_id, asked.replica_directory_id);
        if let Role::Leader(leader) = &mut self.role {
            leader.heard_of(&key, step.now.elapsed_ms);
        }
        let size = i64::try_from(size).unwrap_or(i64::MAX);
        Ok((size, Fill::Snapshot { id, position, max_bytes }))
    }

    pub(super) fn snapshot_request(&self, download: &Download) -> FetchSnapshotRequest {
        let me = self.config.key();
        FetchSnapshotRequest {
            cluster_id: Some(self.config.cluster_id.clone()),
            replica_id: me.id,
            max_bytes: self.config.fetch_snapshot_max_bytes,
            topics: vec![asked::TopicSnapshot {
                name: TOPIC.to_owned(),
                partitions: vec![asked::PartitionSnapshot {
                    partition: 0,
                    current_leader_epoch: self.epoch,
                    snapshot_id: asked::SnapshotId {
                        end_offset: download.id.offset,
                        epoch: download.id.epoch,
                    },
                    position: i64::try_from(download.position).unwrap_or(i64::MAX),
                    replica_directory_id: me.directory_or_nil(),
                }],
            }],
        }
    }

    pub(super) fn snapshot_answered(
        &mut self,
        step: &mut Step<'_>,
        from: i32,
        response: &FetchSnapshotResponse,
    ) -> bool {
        let api = "FetchSnapshot";
        if response.error_code.is_error() {
            return self.refused(step, from, api, response.error_code);
        }
        let [topic] = response.topics.as_slice() else { return false };
        let [said] = topic.partitions.as_slice() else { return false };
        if topic.name != TOPIC || said.index != 0 {
            return false;
        }
        let leader = known_leader(said.current_leader.leader_id);
        let named = response.node_endpoints.iter();
        let named = named.map(|node| (node.node_id, node.host.as_str(), i32::from(node.port)));
        let endpoints = self.named_endpoints(leader, named);
        let (error, epoch) = (said.error_code, said.current_leader.leader_epoch);
        match self.take_in(step, Said { error, leader, epoch, endpoints }) {
            Verdict::Handled(handled) => return handled,
            Verdict::GoOn => {}
        }
        let is_gone = matches!(error, ErrorCode::SnapshotNotFound | ErrorCode::PositionOutOfRange)
            || (!error.is_error()
                && (said.snapshot_id.end_offset < 0 || said.snapshot_id.epoch < 0));
        if !is_gone && error.is_error() {
            return self.refused(step, from, api, error);
        }
        self.take_part(step, said, is_gone)
    }

    fn take_part(&mut self, step: &mut Step<'_>, said: &PartitionSnapshot, is_gone: bool) -> bool {
        let Role::Follower(follower) = &mut self.role else { return false };
        let Some(download) = &mut follower.download else { return false };
        let id = download.id;
        let named =
            OffsetAndEpoch { epoch: said.snapshot_id.epoch, offset: said.snapshot_id.end_offset };
        let position = u64::try_from(said.position).ok();
        let size = u64::try_from(said.size).unwrap_or(0);
        let bytes = match &said.unaligned_records {
            Some(Records::Bytes(bytes)) => bytes.clone(),
            _ => bytes::Bytes::new(),
        };
        let end = download.position + bytes.len() as u64;
        let fits = named == id && position == Some(download.position) && end <= size;
        // A part without bytes leads nowhere.
        if is_gone || !fits || bytes.is_empty() {
            follower.download = None;
            step.act(Action::DropSnapshot { id });
            if is_gone {
                self.heard_of_leader(step);
            }
            return is_gone;
        }
        let position = download.position;
        download.position = end;
        download.installing = end == size;
        let is_whole = download.installing;
        step.act(Action::WriteSnapshot { id, position, bytes });
        if is_whole {
            step.act(Action::InstallSnapshot { id });
        }
        self.heard_of_leader(step);
        true
    }

    /// Goes on behind a snapshot that is in place of the log.
    pub(super) fn snapshot_installed(
        &mut self,
        step: &mut Step<'_>,
        id: OffsetAndEpoch,
        control: &[RecordBatch],
    ) {
        if let Err(error) = self.history.load_snapshot(id.offset, control) {
            step.act(Action::Fault(Fault::BadSnapshot { id, reason: error.to_string() }));
        }
        if let Role::Follower(follower) = &mut self.role
            && follower.download.is_some_and(|download| download.id == id)
        {
            follower.download = None;
        }
        self.commit(step, id.offset);
    }
}
